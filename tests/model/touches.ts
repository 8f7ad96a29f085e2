/** What is too seldom in a random sequence: that somebody does something to what would end soon for nobody did. */
import { PACES } from './policies.ts';
import type { Command } from './reference/commands.ts';
import { HOUR, type Policy } from './reference/state.ts';

export interface Sequence {
  policy: Policy;
  commands: Command[];
}

const RULES = {
  ...PACES.standard,
  buffer: 0,
  autoCancel: 'on' as const,
  quiet: null,
  perDay: 3,
};

/** No worker runs, and a manager exempts a booking that is over by then. */
export const LATE_TOUCH: Sequence = {
  policy: {
    ...RULES,
    requiresApproval: false,
    services: { ...PACES.standard.services, requiresDelivery: true, grace: 2 * HOUR },
  },
  commands: [
    { do: 'book', by: 0, offering: 'lesson', from: 10 * HOUR, to: 11 * HOUR },
    { do: 'nap', until: 11.5 * HOUR },
    { do: 'override', by: 'manager', booking: 0 },
    { do: 'tick', until: 13.25 * HOUR },
  ],
};

/** A customer says what one is for, and a manager keeps the other. */
export const TOUCHED_REQUESTS: Sequence = {
  policy: { ...RULES, requiresApproval: true, requestTtl: 2 * HOUR },
  commands: [
    { do: 'book', by: 0, offering: 'lesson', from: 20 * HOUR, to: 21 * HOUR },
    { do: 'book', by: 1, offering: 'repair', from: 20 * HOUR, to: 21.5 * HOUR },
    { do: 'tick', until: 9 * HOUR },
    { do: 'modify', by: 0, booking: 0, purpose: 'for two' },
    { do: 'keep', by: 'manager', booking: 1 },
    { do: 'tick', until: 10.75 * HOUR },
  ],
};
