/** Negative controls: with one rule of the database broken, the model test has to notice. They share a database. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { play } from './compare.ts';
import { type ModelDatabase, openModelDatabase } from './database.ts';
import { SERVICE_RUNS, type Subject, search, TOUR_RUNS } from './search.ts';
import { LATE_TOUCH, type Sequence, TOUCHED_REQUESTS } from './touches.ts';

/** For venues some more than usual, for what seldom happens; for tours and services no more than in every run. */
const RUNS = { venues: 400, tours: TOUR_RUNS, services: SERVICE_RUNS };
const SEED = 1;

type Change = [routine: string, text: string, instead: string];

const NEXT_FOR_PLACES = 'next_for_places(uuid,uuid,uuid)';

const BROKEN: { of?: Subject; what: string; changes: Change[] }[] = [
  {
    what: 'the queue is walked from its end',
    changes: [
      [
        'next_in_line(uuid[],tstzrange,uuid,uuid)',
        'order by e.priority, e.joined_at, e.id',
        'order by e.priority desc, e.joined_at desc, e.id desc',
      ],
    ],
  },
  {
    what: 'freed room is not handed on',
    changes: [['hand_on(uuid[],tstzrange,uuid,uuid)', 'exit when v_entry.id is null;', 'exit;']],
  },
  {
    what: 'holds end before their deadline',
    changes: [
      ['overdue_holds(uuid[])', 'and b.hold_expires_at <= (select app_private.clock())', ''],
      ['expire_hold(uuid)', 'or v_hold.hold_expires_at > app_private.clock()', ''],
      ['expire_hold(uuid)', 'v_entry.offer_expires_at > app_private.clock()', 'false'],
    ],
  },
  {
    what: 'bookings are released although no reminder was accepted',
    changes: [
      ['auto_cancel(uuid)', 'v_booking.reminder_sent_at + v_policy.min_notice <= v_now', 'true'],
    ],
  },
  {
    what: 'who let an offer go is offered the same room again',
    changes: [
      [
        'pass_over(uuid[],tstzrange,uuid)',
        'case when e.customer_id = pass_over.customer_id then app_private.clock() end',
        'null',
      ],
    ],
  },
  {
    what: 'a move keeps the deadline of confirmation',
    changes: [
      [
        'retime_booking(app_public.bookings,app_public.policy_versions,tstzrange,tstzrange,boolean,timestamptz)',
        'confirm_by = v_terms.confirm_by',
        'confirm_by = b.confirm_by',
      ],
    ],
  },
  {
    what: 'quiet hours count',
    changes: [
      [
        'after_window(timestamptz,interval,app_public.policy_versions,text,timestamptz)',
        'if policy.quiet_from is null then',
        'if true then',
      ],
    ],
  },
  {
    of: 'tours',
    what: 'one place more is offered than there is',
    changes: [[NEXT_FOR_PLACES, '<= s.capacity - s.taken', '<= s.capacity - s.taken + 1']],
  },
  {
    of: 'tours',
    what: 'priority does not count among parties',
    changes: [[NEXT_FOR_PLACES, 'order by e.priority, ', 'order by ']],
  },
  {
    of: 'tours',
    what: 'who let places go is offered them again for another wait',
    changes: [[NEXT_FOR_PLACES, 'and not s.id = any (e.passed_slot_ids)', '']],
  },
  {
    of: 'tours',
    what: 'infants take no places',
    changes: [
      [
        'places_for(app_private.party,app_public.policy_versions)',
        'CASE WHEN (policy).infants_take_places THEN 0 ELSE',
        'CASE WHEN false THEN 0 ELSE',
      ],
    ],
  },
  {
    of: 'tours',
    what: 'half of the price is given back for as long as all of it',
    changes: [
      [
        'refund_share(timestamptz,app_public.policy_versions,timestamptz)',
        '>= (policy).full_refund_until',
        '>= (policy).full_refund_until + (policy).half_refund_until',
      ],
    ],
  },
  {
    of: 'tours',
    what: 'tax is taken before the discount',
    changes: [
      [
        'quote_of(numeric,app_private.party,app_public.policy_versions,text)',
        'else v_net * policy.tax_rate',
        'else v_quote.subtotal * policy.tax_rate',
      ],
    ],
  },
  {
    of: 'tours',
    what: 'another party on the same slot pays the price of today',
    changes: [
      [
        'move_places(app_public.bookings,app_public.slots,app_private.party,boolean)',
        'case when v_moves then app_private.price_of_person(slot.id)',
        'case when true then app_private.price_of_person(slot.id)',
      ],
    ],
  },
  {
    of: 'tours',
    what: 'who waits for a day waits no more once a slot of another tour is theirs',
    changes: [
      [
        'overlapping_entries(app_public.bookings,boolean)',
        'or e.offering_id = booking.offering_id or not exists',
        'or true or not exists',
      ],
    ],
  },
  {
    of: 'services',
    what: 'whoever was entered first serves, however much they have to do',
    changes: [
      [
        'find_provider(uuid,tstzrange,tstzrange,uuid,uuid)',
        'order by work.taken, x.resource_id',
        'order by x.resource_id',
      ],
    ],
  },
  {
    of: 'services',
    what: 'what has to be delivered is completed without it',
    changes: [
      [
        'app_public.complete_booking(uuid)',
        "elsif v_booking.status = 'in_progress' and (",
        'elsif false and (',
      ],
    ],
  },
  {
    of: 'services',
    what: 'all money goes back, whatever the policy says',
    changes: [
      [
        'keep_payments(app_public.bookings,boolean)',
        'least(booking.refund, v_kept)',
        'greatest(booking.refund, v_kept)',
      ],
    ],
  },
  {
    of: 'services',
    what: 'what is not paid is kept for half of the time that is left, and longer',
    changes: [
      [
        'until_paid(app_private.booking_terms,app_public.policy_versions,numeric,timestamptz,timestamptz)',
        '/ (2)::double precision',
        '/ (1)::double precision',
      ],
    ],
  },
  {
    of: 'services',
    what: 'weekends count in the grace of what was not delivered',
    changes: [
      [
        'after_working_grace(timestamptz,interval,text,boolean,tstzmultirange)',
        'case when skips_weekends then',
        'case when false then',
      ],
    ],
  },
  {
    of: 'services',
    what: 'nobody stands in for who takes time off',
    changes: [['stand_in_for(app_public.bookings)', 'booking.provider_id is null or', 'true or']],
  },
  {
    of: 'services',
    what: 'providers are told of what they did themselves',
    changes: [
      [
        'tell_provider(app_public.bookings,app_public.bookings)',
        'or after.provider_id in (select app_private.own_resource_ids())',
        '',
      ],
    ],
  },
  {
    of: 'services',
    what: 'a request waits longer than half of the time that is left',
    changes: [
      [
        'answer_by(app_public.policy_versions,uuid,uuid,timestamptz,timestamptz,timestamptz)',
        'LEAST(',
        'GREATEST(',
      ],
    ],
  },
];

let database: ModelDatabase;
let rules: string;
beforeAll(async () => {
  database = await openModelDatabase();
  rules = await rulesOf(database);
});
afterAll(() => database?.drop());

/** The text of every function. */
async function rulesOf({ clone }: ModelDatabase): Promise<string> {
  const { rows } = await clone.pool('owner', 1).query<{ rules: string }>(
    `select string_agg(md5(pg_get_functiondef(p.oid)), ' ' order by p.oid) as rules
     from pg_proc p where p.pronamespace in ('app_private'::regnamespace, 'app_public'::regnamespace) and p.prokind = 'f'`,
  );
  return rows[0]?.rules ?? '';
}

/** Changes the rules for as long as something is tried. */
async function withRulesBroken(changes: readonly Change[], attempt: () => Promise<void>) {
  const undo: (() => Promise<void>)[] = [];
  try {
    for (const [routine, text, instead] of changes) {
      const schema = routine.startsWith('app_public.') ? '' : 'app_private.';
      undo.unshift(await database.alter(`${schema}${routine}`, text, instead));
    }
    await attempt();
  } finally {
    for (const putBack of undo) await putBack();
  }
  expect(await rulesOf(database)).toBe(rules);
}

test.each(BROKEN)(
  'is noticed: $what',
  async ({ of = 'venues', changes }) => {
    await withRulesBroken(changes, async () => {
      const options = { of, runs: RUNS[of], seed: SEED, shrinks: false };
      const { difference } = await search(database, options);
      expect(difference).toContain('After that the database:');
    });
  },
  600_000,
);

const TOUCHED: { what: string; change: Change; sequence: Sequence }[] = [
  {
    what: 'what was touched late expires all the same',
    change: [
      'expire_booking(uuid)',
      'greatest(v_booking.ends_at, app_private.last_touched(v_booking))',
      'v_booking.ends_at',
    ],
    sequence: LATE_TOUCH,
  },
  {
    what: 'a request ends although somebody touched it',
    change: [
      'expire_request(uuid)',
      'greatest(v_booking.made_at, app_private.last_touched(v_booking))',
      'v_booking.made_at',
    ],
    sequence: TOUCHED_REQUESTS,
  },
];

test.each(TOUCHED)('is noticed: $what', async ({ change, sequence: { policy, commands } }) => {
  const choosers = commands.map((command) => () => command);
  await withRulesBroken([change], async () => {
    await expect(play(database, policy, choosers)).rejects.toThrow('booking 0: status');
  });
});
