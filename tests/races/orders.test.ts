/**
 * At a lock there are two orders. Each is played out on purpose: one transaction has done its work
 * and not committed while the other arrives, which has to wait and then to see what was done.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Field, openField } from '../support/field.ts';
import {
  as,
  bothOrders,
  type Ground,
  type Round,
  type Scenario,
  type Weaken,
  without,
} from '../support/races.ts';
import * as bookings from './bookingScenarios.ts';
import * as life from './lifeScenarios.ts';
import * as queue from './queueScenarios.ts';
import { after, offered, statusOf, user } from './stage.ts';
import * as time from './timeScenarios.ts';

/** Two of the actions of a scenario, after some of the others; what they prove is in their results. */
function pair(scenario: Scenario, first: number, second: number, before: number[] = []): Scenario {
  return {
    ...scenario,
    prepare: async (ground, day): Promise<Round> => {
      const { actions } = await scenario.prepare(ground, day);
      const pick = (index: number) => {
        const action = actions[index];
        if (!action) throw new Error(`${scenario.name} has no action ${index}.`);
        return action;
      };
      for (const index of before) await ground.act(pick(index));
      return { actions: [pick(first), pick(second)] };
    },
  };
}

const [resourceBlackout, offeringBlackout] = time.blackouts as [Scenario, Scenario];

type Results = [first: string, second: string];

const pairs: [what: string, scenario: Scenario, oneTwo: Results, twoOne: Results][] = [
  ['two book the same', bookings.bookSame, ['ok', 'RSFUL'], ['RSFUL', 'ok']],
  ['the hall and a half of it', bookings.hallAndParts, ['ok', 'RSFUL'], ['RSFUL', 'ok']],
  ['cancel and book', bookings.bookAndCancel, ['ok', 'ok'], ['ok', 'RSFUL']],
  ['cancel and join', queue.cancelAndJoin, ['ok', 'RSAVL'], ['ok', 'ok']],
  ['crossed moves', bookings.crossedMoves, ['RSFUL', 'RSFUL'], ['RSFUL', 'RSFUL']],
  ['a limit at two venues', bookings.dailyBookings, ['ok', 'RSLIM'], ['RSLIM', 'ok']],
  ['a limit of two queues', bookings.dailyEntries, ['ok', 'RSLIM'], ['RSLIM', 'ok']],
  ['one key twice', bookings.sameKey, ['ok', 'ok'], ['ok', 'ok']],
  ['two claims', queue.sameClaim, ['ok', 'ok'], ['ok', 'ok']],
  ['two in the last call', queue.lastCall, ['ok', 'RSFUL'], ['RSFUL', 'ok']],
  ['claim and being taken off', queue.claimAndManager, ['ok', 'RSSTA'], ['RSSTA', 'ok']],
  ['cancel and leave', queue.leaveAndOffer, ['ok', 'ok'], ['ok', 'ok']],
  ['erase and claim', queue.eraseAndClaim, ['ok', 'RSNTF'], ['ok', 'ok']],
  ['decline and expire', pair(queue.declineAtDeadline, 0, 1), ['ok', 'ok'], ['ok', 'ok']],
  ['confirm and release', pair(time.confirmAtDeadline, 0, 1, [2]), ['ok', 'ok'], ['RSSTA', 'ok']],
  ['exempt and release', pair(time.overrideAtDeadline, 0, 2, [1]), ['ok', 'ok'], ['RSSTA', 'ok']],
  ['accept and expire', pair(life.acceptAtDeadline, 0, 1, [2]), ['RSEXP', 'ok'], ['RSSTA', 'ok']],
  ['accept and cancel', life.acceptAndCancel, ['ok', 'ok'], ['RSSTA', 'ok']],
  ['deliver and no-show', life.deliverAndNoShow, ['ok', 'RSSTA'], ['RSSTA', 'ok']],
  [
    'confirm a delivery and complete it',
    pair(life.confirmDeliveryAtDeadline, 0, 1, [2]),
    ['ok', 'ok'],
    ['RSSTA', 'ok'],
  ],
  ['policy and release', pair(time.policyAtDeadline, 0, 2, [1]), ['ok', 'ok'], ['ok', 'ok']],
  ['closing a room and booking', resourceBlackout, ['ok', 'RSBLK'], ['ok', 'ok']],
  ['closing a venue and booking', offeringBlackout, ['ok', 'RSBLK'], ['ok', 'ok']],
];

/** Nothing to wait for: what has its deadline in a millisecond is left alone, and rolls nothing back. */
const independent = new Set(['crossed moves', 'decline and expire']);

describe('At a lock', () => {
  let field: Field;
  beforeAll(async () => {
    field = await openField();
  });
  afterAll(() => field?.close());

  test.each(pairs)(
    '%s: both orders',
    async (what, scenario, oneTwo, twoOne) => {
      const [forth, back] = await bothOrders(field, pair(scenario, 0, 1));
      expect(forth).toMatchObject({ results: oneTwo, problems: [] });
      expect(back).toMatchObject({ results: twoOne, problems: [] });
      // A refused transaction gives its locks up at once; the others are waited for.
      if (independent.has(what)) return;
      expect(forth.waited).toBe(oneTwo[0] === 'ok');
      expect(back.waited).toBe(twoOne[1] === 'ok');
    },
    120_000,
  );
});

describe('A claim that waits for the lock while its deadline passes', () => {
  async function claimHeldUp(weaken?: Weaken): Promise<{ claimed: string; entry: string }> {
    const field = await openField({}, weaken);
    const ground = field.grounds[0] as Ground;
    try {
      const { entries, deadline } = await offered(ground, 4, ground.world.left);
      await ground.db.setClock(after(deadline, -1));
      // Somebody else has the room locked, and time goes on before they are done.
      const holdUp = {
        login: 'owner' as const,
        sql: `with locked as (select app_private.lock_room(array['${ground.world.left}'::uuid]))
          select to_jsonb(x) as value from locked, app_private.set_clock('${deadline}') x`,
      };
      const claim = as(user(ground, 1), 'claim_slot', { entry_id: entries[0] });
      const { outcomes, waited } = await field.overlap(holdUp, claim);
      expect(waited).toBe(true);
      const [, claimed] = outcomes;
      return {
        claimed: claimed?.ok ? 'ok' : (claimed?.code ?? ''),
        entry: await statusOf(ground, entries[0]),
      };
    } finally {
      await field.close();
    }
  }

  test('is refused, for the time is read after the lock', async () => {
    expect(await claimHeldUp()).toEqual({ claimed: 'RSEXP', entry: 'offered' });
  }, 120_000);

  test('would be accepted with the time at which it arrived', async () => {
    const result = await claimHeldUp((db) =>
      without(
        db,
        'app_private.clock()',
        /return coalesce[^;]*;/,
        `if coalesce(current_setting('reslot.arrived', true), '') = '' then
           perform set_config('reslot.arrived', coalesce(v_now, clock_timestamp())::text, true);
         end if;
         return current_setting('reslot.arrived')::timestamptz;`,
      ),
    );
    expect(result).toEqual({ claimed: 'ok', entry: 'claimed' });
  }, 120_000);
});
