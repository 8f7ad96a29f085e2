/** Services: a lesson that either of two teachers gives, and a visit by one of them. */
import { demoId, EMAIL } from './people.ts';
import { addRoom, OFFERINGS, VIENNA } from './places.ts';
import type { Stage } from './stage.ts';

const TEACHERS = { paul: demoId(508), nora: demoId(509) };

export async function createServices(stage: Stage, organizationId: string): Promise<void> {
  await addRoom(stage, TEACHERS.paul, organizationId, 'Paul Egger', VIENNA, ['08:00', '16:00']);
  await addRoom(stage, TEACHERS.nora, organizationId, 'Nora Blum', VIENNA, ['12:00', '20:00']);
  await stage.query(
    `insert into app_public.offerings (id, organization_id, policy_id, kind, name, category, price, description,
       address, directions, duration, at_customer, travel_time)
     select s.id, p.organization_id, p.id, 'service', s.name, s.category, s.price, s.description, s.address,
       s.directions, s.duration, s.at_customer, s.travel_time
     from app_public.policies p,
       (values ($2::uuid, 'Piano Lesson', 'Lessons', 45, 'Fifty minutes, for beginners and for those who return.',
                'Uferstrasse 14, 1020 Wien', 'First floor, the door with the clef.', interval '50 minutes', false,
                interval '0'),
               ($3::uuid, 'Piano Tuning', 'At your home', 140, 'We come to your piano and tune it.', null, null,
                interval '90 minutes', true, interval '30 minutes'))
         s (id, name, category, price, description, address, directions, duration, at_customer, travel_time)
     where p.organization_id = $1 and p.is_default`,
    [organizationId, OFFERINGS.pianoLesson, OFFERINGS.pianoTuning],
  );
  // Paul gives lessons and tunes, and can do one of them at a time.
  await stage.query(
    `insert into app_public.offering_resources (offering_id, resource_id, organization_id, in_pool)
     values ($1, $3, $5, true), ($1, $4, $5, true), ($2, $3, $5, true)`,
    [
      ...[OFFERINGS.pianoLesson, OFFERINGS.pianoTuning],
      TEACHERS.paul,
      TEACHERS.nora,
      organizationId,
    ],
  );
  await stage.call('olga', 'set_member', {
    organization_id: organizationId,
    email: EMAIL('paul'),
    role: 'provider',
    resource_id: TEACHERS.paul,
  });
}
