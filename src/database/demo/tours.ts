/** A tour: a guide, a meeting point, two schedules, and the slots of the coming weeks. */
import { demoId } from './people.ts';
import { addPolicy, OFFERINGS, VIENNA } from './places.ts';
import type { Stage } from './stage.ts';

const POLICY = demoId(405);
const GUIDE = demoId(506);
const MEETING_POINT = demoId(507);
const SCHEDULES = { mornings: demoId(601), afternoons: demoId(602) };

/** The first slots are so far ahead that nothing is due to them on the first day. */
const FIRST_DAY = 3;
const LAST_DAY = 60;

export async function createTours(stage: Stage, organizationId: string): Promise<void> {
  // People decide about a trip overnight, not within a quarter of an hour.
  await addPolicy(stage, POLICY, organizationId, 'Tours', false, {
    claim_window: '24:00:00',
    max_party: 8,
    group_from: 6,
    group_discount: 0.1,
    rounding: 0.5,
  });
  await stage.query(
    `insert into app_public.resources (id, organization_id, name, time_zone, shared)
     values ($1, $3, 'Gita Rao, guide', $4, false), ($2, $3, 'Town Hall steps', $4, true)`,
    [GUIDE, MEETING_POINT, organizationId, VIENNA],
  );
  await stage.query(
    `insert into app_public.offerings
       (id, organization_id, policy_id, kind, allocation, name, price, description, address, directions)
     values ($1, $2, $3, 'tour', 'capacity', 'Old Town Walk', 24, 'Two hours through courtyards that are usually closed.',
       'Uferstrasse 12, 1020 Wien', 'We meet on the steps of the Town Hall.')`,
    [OFFERINGS.oldTownWalk, organizationId, POLICY],
  );
  await stage.query(
    `insert into app_public.offering_resources (offering_id, resource_id, organization_id)
     values ($1, $2, $4), ($1, $3, $4)`,
    [OFFERINGS.oldTownWalk, GUIDE, MEETING_POINT, organizationId],
  );
}

/** When the story has been told, for slots are made of what is to come. */
export async function scheduleTours(stage: Stage): Promise<void> {
  const [first, last] = [FIRST_DAY, LAST_DAY].map((days) =>
    stage.local(VIENNA, days, '').trim(),
  ) as [string, string];
  await stage.query(
    `insert into app_public.schedules
       (id, organization_id, offering_id, name, local_start, duration, recurrence, weekdays, capacity, min_size, valid_from)
     select s.id, f.organization_id, f.id, s.name, s.local_start, '2 hours', s.recurrence::app_public.recurrence,
       s.weekdays, 8, 3, $2::date
     from app_public.offerings f,
       (values ($3::uuid, 'Every morning', time '10:00', 'daily', null::smallint[]),
               ($4::uuid, 'Weekend afternoons', time '15:00', 'weekly', '{6,7}')) s (id, name, local_start, recurrence, weekdays)
     where f.id = $1`,
    [OFFERINGS.oldTownWalk, first, SCHEDULES.mornings, SCHEDULES.afternoons],
  );
  for (const schedule of Object.values(SCHEDULES)) {
    await stage.query('select count(*) from app_private.fill_schedule($1, $2::date, $3::date)', [
      ...[schedule, first, last],
    ]);
  }
}
