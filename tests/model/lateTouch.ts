/** Too seldom in a random sequence: no worker runs, and a manager does something to a booking that is over by then. */
import { PACES } from './policies.ts';
import type { Command } from './reference/commands.ts';
import { HOUR, type Policy } from './reference/state.ts';

export const LATE_TOUCH: { policy: Policy; commands: Command[] } = {
  policy: {
    ...PACES.standard,
    buffer: 0,
    requiresApproval: false,
    autoCancel: 'on',
    quiet: null,
    perDay: 3,
    services: { ...PACES.standard.services, requiresDelivery: true, grace: 2 * HOUR },
  },
  commands: [
    { do: 'book', by: 0, offering: 'lesson', from: 10 * HOUR, to: 11 * HOUR },
    { do: 'nap', until: 11.5 * HOUR },
    { do: 'override', by: 'manager', booking: 0 },
    { do: 'tick', until: 13.25 * HOUR },
  ],
};
