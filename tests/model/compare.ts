/** Plays one sequence of commands in the reference model and in the database, and compares them after every step. */
import type { DatabaseState, ModelDatabase, Session } from './database.ts';
import { type Command, carryOut } from './reference/commands.ts';
import { lastCallAt } from './reference/offers.ts';
import { paymentsByBooking } from './reference/payments.ts';
import { takenOf } from './reference/slots.ts';
import { newState, type Policy, Refusal, type Slot, type State } from './reference/state.ts';
import { dueOfBooking, dueOfEntry, dueOfSlot } from './reference/time.ts';

/** The next command, made with what the model knows; null if there is nothing to command. */
export type Chooser = (state: State) => Command | null;

export class Difference extends Error {}

/** Returns what happened, as words to be counted. */
export async function play(
  database: ModelDatabase,
  policy: Policy,
  choosers: readonly Chooser[],
): Promise<string[]> {
  const done: Command[] = [];
  const seen: string[] = [];
  return database.play(policy, async (session) => {
    let state = newState(policy);
    for (const choose of choosers) {
      const command = choose(state);
      if (!command) continue;
      done.push(command);
      const { outcome, state: after } = expected(state, command);
      await step(session, command, { outcome, before: state, after }, done);
      state = after;
      seen.push(`${command.do} ${outcome}`);
    }
    seen.push(...state.bookings.map((booking) => `booking ${booking.status}`));
    seen.push(...state.entries.map((entry) => `entry ${entry.status}`));
    seen.push(...marks(state));
    seen.push(...state.slots.map((slot) => `slot ${fateOf(slot)}`));
    seen.push(...state.payments.map(({ status }) => `payment ${status}`));
    seen.push(...state.messages.map((message) => `${message.kind} ${message.status}`));
    return seen;
  });
}

function fateOf(slot: Slot): string {
  if (slot.cancelled) return 'cancelled';
  return slot.endedAt !== null ? 'over' : slot.closed ? 'closed' : 'open';
}

function marks(s: State): string[] {
  return [
    ...s.bookings.flatMap((b) => [
      b.spared ? 'spared' : '',
      b.wouldCancel ? 'would be released' : '',
      b.wouldExpire !== null ? 'would expire' : '',
      b.rating !== null ? 'reviewed' : '',
    ]),
    ...s.entries.flatMap((e) => [
      e.passed || e.passedSlots.length > 0 ? 'passed over' : '',
      e.stuck ? 'set aside' : '',
    ]),
  ].filter((mark) => mark !== '');
}

async function step(
  session: Session,
  command: Command,
  { outcome, before, after }: { outcome: string; before: State; after: State },
  done: readonly Command[],
): Promise<void> {
  const found = await session.run(command, before.mail);
  const problems = found === outcome ? [] : [`says ${found}, and should say ${outcome}`];
  problems.push(...differences(after, await session.state()));
  if (problems.length > 0) throw difference(after.policy, done, problems);
}

function difference(policy: Policy, done: readonly Command[], problems: string[]): Difference {
  const lines = done.map((command) => `  ${JSON.stringify(command)},`);
  return new Difference(
    [`policy: ${JSON.stringify(policy)}`, ...lines, 'After that the database:', ...problems].join(
      '\n',
    ),
  );
}

/** A refused command changes nothing, in a database too. */
function expected(before: State, command: Command): { outcome: string; state: State } {
  const state = structuredClone(before);
  try {
    carryOut(state, command);
    return { outcome: 'ok', state };
  } catch (error) {
    if (error instanceof Refusal) return { outcome: error.code, state: before };
    throw error;
  }
}

function differences(state: State, actual: DatabaseState): string[] {
  const problems = [
    ...rowsDiffer('booking', bookingRows(state), actual.bookings),
    ...rowsDiffer('entry', entryRows(state), actual.entries),
    ...rowsDiffer('payment', paymentsInOrder(state), actual.payments),
    ...rowsDiffer('slot', slotRows(state), actual.slots),
  ];
  const messages = messageLines(state);
  const found = [...actual.messages].sort();
  if (!isSame(messages, found)) {
    problems.push(
      `owes ${without(found, messages)}, and should owe instead ${without(messages, found)}`,
    );
  }
  if (actual.freeings !== state.freeings.length) {
    problems.push(`notes ${actual.freeings} freeings, and should ${state.freeings.length}`);
  }
  if (actual.now !== state.now) problems.push(`is at ${actual.now}, and should be at ${state.now}`);
  if (actual.broken.length > 0) problems.push(`breaks ${JSON.stringify(actual.broken)}`);
  return problems;
}

/** By value: what the driver parses has the prototypes of another realm. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function rowsDiffer(
  what: string,
  wanted: Record<string, unknown>[],
  found: Record<string, unknown>[],
): string[] {
  const problems: string[] = [];
  for (let n = 0; n < Math.max(wanted.length, found.length); n++) {
    const [should, is] = [wanted[n], found[n]];
    if (!should || !is) {
      problems.push(`${what} ${n}: is ${JSON.stringify(is)}, should be ${JSON.stringify(should)}`);
      continue;
    }
    for (const key of Object.keys(should)) {
      if (isSame(should[key], is[key])) continue;
      const pair = `is ${JSON.stringify(is[key])}, should be ${JSON.stringify(should[key])}`;
      problems.push(`${what} ${n}: ${key} ${pair}`);
    }
  }
  return problems;
}

function bookingRows(s: State): Record<string, unknown>[] {
  return s.bookings.map((booking) => {
    const { id: _, touched: __, ...row } = booking;
    const due = dueOfBooking(s, booking);
    return { ...row, due: due && [due.action, due.at] };
  });
}

function entryRows(s: State): Record<string, unknown>[] {
  return s.entries.map((entry) => {
    const { id: _, ...row } = entry;
    // After the last call nobody gets an offer any more, passed over or not.
    const passed = row.passed && row.status === 'waiting' && s.now < lastCallAt(s, entry);
    const due = dueOfEntry(s, entry);
    return { ...row, passed, due: due && [due.action, due.at] };
  });
}

function paymentsInOrder(s: State): Record<string, unknown>[] {
  return paymentsByBooking(s).map((payment) => ({ ...payment }));
}

function slotRows(s: State): Record<string, unknown>[] {
  return s.slots.map((slot) => {
    const { id: _, ...row } = slot;
    const due = dueOfSlot(s, slot);
    return { ...row, taken: takenOf(s, slot), due: due && [due.action, due.at] };
  });
}

function messageLines(s: State): string[] {
  return s.messages
    .map((m) =>
      [
        m.to,
        m.kind,
        m.booking === null ? '' : `b${m.booking}`,
        m.entry === null ? '' : `e${m.entry}`,
        m.sequence === null ? '' : `#${m.sequence}`,
        // Whether it was overtaken or refused first depends on the order in which one transaction owed several.
        m.status === 'obsolete' || m.status === 'dead' ? 'never sent' : m.status,
      ]
        .filter((part) => part !== '')
        .join(' '),
    )
    .sort();
}

function without(list: string[], other: string[]): string {
  const rest = [...other];
  const left = list.filter((line) => {
    const at = rest.indexOf(line);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
  return JSON.stringify(left);
}
