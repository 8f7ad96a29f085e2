/** Negative controls: with one rule of the database broken, the model test has to notice. */
import { expect, test } from '@jest/globals';
import { openModelDatabase } from './database.ts';
import { search } from './search.ts';

const RUNS = 400;
const SEED = 1;

type Change = [routine: string, text: string, instead: string];

const BROKEN: { what: string; changes: Change[] }[] = [
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
];

test.each(BROKEN)(
  'is noticed: $what',
  async ({ changes }) => {
    const database = await openModelDatabase();
    try {
      for (const [routine, text, instead] of changes) {
        await database.alter(`app_private.${routine}`, text, instead);
      }
      const { difference } = await search(database, { runs: RUNS, seed: SEED, shrinks: false });
      expect(difference).toContain('After that the database:');
    } finally {
      await database.drop();
    }
  },
  600_000,
);
