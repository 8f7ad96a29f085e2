/** Two organisations, their rooms, rules and members. */
import { demoId, EMAIL, type Name, userId } from './people.ts';
import type { Stage } from './stage.ts';

export const VIENNA = 'Europe/Vienna';
export const NEW_YORK = 'America/New_York';
export const KOLKATA = 'Asia/Kolkata';

export const MERIDIAN = demoId(2);

export const OFFERINGS = {
  townHall: demoId(301),
  leftHalf: demoId(302),
  rightHalf: demoId(303),
  rehearsalRoom: demoId(304),
  hudsonLoft: demoId(305),
  lotusTerrace: demoId(306),
  oldTownWalk: demoId(307),
  pianoLesson: demoId(308),
  pianoTuning: demoId(309),
};

const POLICIES = { tryOut: demoId(402), approval: demoId(403), dryRun: demoId(404) };
const ROOMS = {
  left: demoId(501),
  right: demoId(502),
  rehearsal: demoId(503),
  loft: demoId(504),
  terrace: demoId(505),
};

/** Where the first organisation stands once it has become Riverside Halls. */
interface Riverside {
  id: string;
  standard: string;
}

/** Out comes the organisation that the tours and services belong to. */
export async function createPlaces(stage: Stage): Promise<string> {
  const riverside = await adoptFirstOrganization(stage);
  await createMeridian(stage);
  await createPolicies(stage, riverside);
  await createRooms(stage, riverside);
  await createOfferings(stage, riverside);
  await createMembers(stage, riverside);
  return riverside.id;
}

/** Every database begins with one organisation and its usual rules; it stays the first. */
async function adoptFirstOrganization(stage: Stage): Promise<Riverside> {
  const [riverside] = await stage.query<Riverside>(
    `update app_public.organizations g
     set slug = 'riverside', name = 'Riverside Halls', address = 'Uferstrasse 12, 1020 Wien',
         support_email = 'help@riverside.example', support_phone = '+43 1 555 0100',
         time_zone = 'Europe/Vienna', currency = 'EUR', reference_prefix = 'RS',
         created_at = app_private.clock() - interval '1 hour'
     from app_public.policies p where p.organization_id = g.id and p.is_default
     returning g.id, p.id as standard`,
    [],
  );
  if (!riverside) throw new Error('The first organisation has no default policy.');
  await stage.query(`update app_public.policies p set name = 'Standard' where p.id = $1`, [
    riverside.standard,
  ]);
  return riverside;
}

async function createMeridian(stage: Stage): Promise<void> {
  await stage.query(
    `insert into app_public.organizations
       (id, slug, name, address, support_email, support_phone, time_zone, currency, reference_prefix)
     values ($1, 'meridian', 'Meridian Venues', '40 Water Street, New York, NY 10004',
       'hello@meridian.example', '+1 212 555 0123', 'America/New_York', 'USD', 'MV')`,
    [MERIDIAN],
  );
}

async function createPolicies(stage: Stage, riverside: Riverside): Promise<void> {
  // From asking to the next offer in minutes instead of a day, to watch the whole chain.
  await addPolicy(stage, POLICIES.tryOut, riverside.id, 'Try-out: all within minutes', false, {
    reminder_leads: ['24:00:00'],
    confirm_if_booked_before: '00:04:00',
    confirm_deadline: '00:03:00',
    min_notice: '00:01:00',
    claim_window: '00:02:00',
    min_claim_window: '00:00:30',
    last_call: '00:01:00',
    max_bookings_per_day: 20,
  });
  await addPolicy(stage, POLICIES.approval, MERIDIAN, 'With approval', true, {
    requires_approval: true,
  });
  await addPolicy(stage, POLICIES.dryRun, MERIDIAN, 'Two days ahead, dry run', false, {
    auto_cancel: 'dry_run',
    reminder_leads: ['72:00:00', '24:00:00'],
    confirm_if_booked_before: '72:00:00',
    confirm_deadline: '48:00:00',
    min_notice: '12:00:00',
  });
}

export async function addPolicy(
  stage: Stage,
  id: string,
  organizationId: string,
  name: string,
  isDefault: boolean,
  rules: Record<string, unknown>,
): Promise<void> {
  await stage.query(
    'insert into app_public.policies (id, organization_id, name, is_default) values ($1, $2, $3, $4)',
    [id, organizationId, name, isDefault],
  );
  const columns = ['policy_id', 'organization_id', 'version', ...Object.keys(rules)];
  await stage.query(
    `insert into app_public.policy_versions (${columns.join(', ')})
     values (${columns.map((_, index) => `$${index + 1}`).join(', ')})`,
    [id, organizationId, 1, ...Object.values(rules)],
  );
}

async function createRooms(stage: Stage, { id }: Riverside): Promise<void> {
  await addRoom(stage, ROOMS.left, id, 'Town Hall, left room', VIENNA, ['08:00', '22:00']);
  await addRoom(stage, ROOMS.right, id, 'Town Hall, right room', VIENNA, ['08:00', '22:00']);
  await addRoom(stage, ROOMS.rehearsal, id, 'Rehearsal Room', VIENNA, ['00:00', '24:00']);
  await addRoom(stage, ROOMS.loft, MERIDIAN, 'Hudson Loft', NEW_YORK, ['08:00', '23:00']);
  await addRoom(stage, ROOMS.terrace, MERIDIAN, 'Lotus Terrace', KOLKATA, ['07:00', '22:00']);
}

export async function addRoom(
  stage: Stage,
  id: string,
  organizationId: string,
  name: string,
  timeZone: string,
  hours: [opens: string, closes: string],
): Promise<void> {
  await stage.query(
    'insert into app_public.resources (id, organization_id, name, time_zone) values ($1, $2, $3, $4)',
    [id, organizationId, name, timeZone],
  );
  await stage.query(
    `insert into app_public.opening_hours (organization_id, resource_id, weekday, opens, closes)
     select $1, $2, weekday, $3::time, $4::time from generate_series(1, 7) weekday`,
    [organizationId, id, ...hours],
  );
}

async function createOfferings(stage: Stage, { standard }: Riverside): Promise<void> {
  const { left, right, rehearsal, loft, terrace } = ROOMS;
  const { tryOut, approval, dryRun } = POLICIES;
  const hall = {
    address: 'Uferstrasse 12, 1020 Wien',
    directions: 'U2 Taborstrasse, then five minutes on foot.',
  };
  const add = (
    id: string,
    name: string,
    policy: string,
    price: number,
    rooms: string[],
    where: Where,
  ) => addOffering(stage, { id, name, policy, price, rooms, ...where });
  await add(OFFERINGS.townHall, 'Town Hall', standard, 480, [left, right], hall);
  await add(OFFERINGS.leftHalf, 'Town Hall, left half', standard, 260, [left], hall);
  await add(OFFERINGS.rightHalf, 'Town Hall, right half', standard, 260, [right], hall);
  await add(OFFERINGS.rehearsalRoom, 'Rehearsal Room', tryOut, 18, [rehearsal], {
    address: 'Uferstrasse 14, 1020 Wien',
    directions: 'The door is round the corner; the code is in the key box.',
  });
  await add(OFFERINGS.hudsonLoft, 'Hudson Loft', approval, 350, [loft], {
    address: '40 Water Street, New York, NY 10004',
    directions: 'Fourth floor; ring the bell of Meridian Venues.',
  });
  await add(OFFERINGS.lotusTerrace, 'Lotus Terrace', dryRun, 220, [terrace], {
    address: '7 Park Street, Kolkata 700016',
    directions: 'Through the garden, the stairs on the left.',
  });
}

interface Where {
  address: string;
  directions: string;
}

async function addOffering(
  stage: Stage,
  values: Where & { id: string; name: string; policy: string; price: number; rooms: string[] },
): Promise<void> {
  await stage.query(
    `insert into app_public.offerings
       (id, organization_id, policy_id, kind, name, price, address, directions)
     select $1, p.organization_id, p.id, 'venue', $3, $4, $5, $6 from app_public.policies p where p.id = $2`,
    [values.id, values.policy, values.name, values.price, values.address, values.directions],
  );
  await stage.query(
    `insert into app_public.offering_resources (offering_id, resource_id, organization_id)
     select $1, r.id, r.organization_id from app_public.resources r where r.id = any ($2)`,
    [values.id, values.rooms],
  );
}

async function createMembers(stage: Stage, { id }: Riverside): Promise<void> {
  // The first owner has nobody who could have named them.
  await stage.query(
    `insert into app_public.memberships (organization_id, user_id, role)
     values ($1, $2, 'owner'), ($3, $4, 'owner')`,
    [id, userId('olga'), MERIDIAN, userId('mira')],
  );
  const name = (who: Name, role: string, offeringIds?: string[]) =>
    stage.call('olga', 'set_member', {
      organization_id: id,
      email: EMAIL(who),
      role,
      all_offerings: offeringIds === undefined,
      offering_ids: offeringIds ?? null,
    });
  const { townHall, leftHalf, rightHalf } = OFFERINGS;
  await name('max', 'manager');
  await name('hanna', 'manager', [townHall, leftHalf, rightHalf]);
}
