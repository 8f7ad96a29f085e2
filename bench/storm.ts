/**
 * Ten thousand things become due at the same moment: they are written in one transaction, and the
 * clock runs from its commit until the mail server has the last mail that comes of them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ground, openGround, ROOMS, USERS } from './ground.ts';
import { round } from './load.ts';
import { type MailServer, startMailServer, startProduct } from './product.ts';

export interface StormFigures {
  mails: number;
  seconds: number;
  perSecond: number;
}

const GIVE_UP_AFTER_S = 900;
const POLL_MS = 10;

/** Bookings of tomorrow in every room, twenty minutes apart, made two days ago. */
const BOOKINGS = `
  select n, f.id as offering_id, own.id as owner_id, next.id as waiter_id, p as policy,
    tstzrange(s.starts_at, s.starts_at + interval '15 minutes') as during
  from generate_series(0, $1::integer - 1) n
  join (select *, row_number() over (order by id) - 1 as place from app_public.offerings) f on f.place = n % ${ROOMS}
  cross join lateral (
    select clock_timestamp() + interval '4 hours' + (n / ${ROOMS}) * interval '20 minutes' as starts_at) s
  -- Whoever waits in a room waits in it once, for nobody is offered two places in one room.
  join (select id, row_number() over (order by id) - 1 as place from app_public.customers) own on own.place = n % ${USERS / 2}
  join (select id, row_number() over (order by id) - 1 as place from app_public.customers) next
    on next.place = ${USERS / 2} + (n / ${ROOMS} + 5 * (n % ${ROOMS})) % ${USERS / 2}
  join app_public.policy_versions p on p.organization_id = f.organization_id`;

/** Terms by their names, for they get more columns now and then. */
const confirmedBy = (at: string) =>
  `jsonb_populate_record(null::app_private.booking_terms,
      jsonb_build_object('status', 'confirmed', 'confirm_by', ${at}, 'awaits_payment', false))`;

/** Made long ago, so that the first reminder, a day before, is due. */
const DUE_REMINDERS = `
  select count(app_private.insert_booking(b.offering_id, b.owner_id, b.policy, b.during, app_private.checked_party(1), null, null,
    clock_timestamp() - interval '2 days',
    ${confirmedBy("lower(b.during) - interval '2 hours'")}))
  from (${BOOKINGS}) b`;

/** Reminded yesterday, to be confirmed until just now, and somebody waits for each. */
const DUE_RELEASES = `
  with made as materialized (
    select b.waiter_id, app_private.insert_booking(b.offering_id, b.owner_id, b.policy, b.during, app_private.checked_party(1), null, null,
      clock_timestamp() - interval '2 days',
      ${confirmedBy('clock_timestamp()')}) as booking
    from (${BOOKINGS}) b
  ), waiting as (
    insert into app_public.waitlist_entries (organization_id, offering_id, customer_id, policy_version_id,
      starts_at, ends_at, room, last_call_at)
    select (m.booking).organization_id, (m.booking).offering_id, m.waiter_id, (m.booking).policy_version_id,
      (m.booking).starts_at, (m.booking).ends_at, (m.booking).room, (m.booking).starts_at - interval '30 minutes'
    from made m returning id
  )
  select count(*) from waiting`;

const REMINDED = `
  update app_public.bookings set reminders_done = 1, reminder_sent_at = clock_timestamp() - interval '1 day'
  where status = 'confirmed' and reminder_sent_at is null`;

export async function measureStorm(
  workers: number,
  count: number,
): Promise<{ reminders: StormFigures; releases: StormFigures; broken: number }> {
  const mail = await startMailServer();
  const stops: (() => Promise<void>)[] = [mail.stop];
  try {
    const reminders = await onOwnGround(workers, mail, async (ground) => {
      await become(ground, [DUE_REMINDERS], count);
      return until(mail, count, 'booking_reminder');
    });
    const releases = await onOwnGround(workers, mail, async (ground) => {
      await become(ground, [DUE_RELEASES, REMINDED], count);
      return until(mail, 2 * count, 'booking_auto_cancelled', 'slot_available');
    });
    return {
      reminders: reminders.figures,
      releases: releases.figures,
      broken: reminders.broken + releases.broken,
    };
  } finally {
    for (const stop of stops) await stop();
  }
}

async function onOwnGround(
  workers: number,
  mail: MailServer,
  measure: (ground: Ground) => Promise<StormFigures>,
): Promise<{ figures: StormFigures; broken: number }> {
  const ground = await openGround();
  try {
    const product = await startProduct(ground, { servers: 0, workers, smtpUrl: mail.url });
    try {
      const figures = await measure(ground);
      return { figures, broken: await ground.broken() };
    } finally {
      await product.stop();
    }
  } finally {
    await ground.stop();
  }
}

async function become(ground: Ground, statements: string[], count: number): Promise<void> {
  await ground.owner.query('begin');
  for (const text of statements) {
    await ground.owner.query(text, text.includes('$1') ? [count] : []);
  }
  // Bookings come one by one in a life; statistics that know of none are nobody's.
  await ground.owner.query('analyze');
  await ground.owner.query('commit');
}

async function until(mail: MailServer, wanted: number, ...kinds: string[]): Promise<StormFigures> {
  const began = performance.now();
  while (mail.count(...kinds) < wanted) {
    if (performance.now() - began > GIVE_UP_AFTER_S * 1000) {
      throw new Error(`${mail.count(...kinds)} of ${wanted} mails after ${GIVE_UP_AFTER_S} s.`);
    }
    await sleep(POLL_MS);
  }
  const seconds = (performance.now() - began) / 1000;
  return { mails: wanted, seconds: round(seconds), perSecond: round(wanted / seconds) };
}
