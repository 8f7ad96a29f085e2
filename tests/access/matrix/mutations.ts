/**
 * Who may do what, and how the thing that it is done to is made. A mutation that is not here fails
 * the test.
 */
import { BOOKINGS } from './mutations/bookings.ts';
import { CONFIGURATION } from './mutations/configuration.ts';
import { OPERATION } from './mutations/operation.ts';
import { PEOPLE } from './mutations/people.ts';
import type { Deed } from './mutations/support.ts';
import { WAITING } from './mutations/waiting.ts';

export { type Deed, freshHour } from './mutations/support.ts';

export const MUTATIONS: Readonly<Record<string, Deed>> = {
  ...BOOKINGS,
  ...WAITING,
  ...CONFIGURATION,
  ...PEOPLE,
  ...OPERATION,
};
