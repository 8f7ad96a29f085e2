/** What is done to what an organisation offers: places, rules, hours, schedules and slots. */
import { at, call, createResource, insert, MONDAY, unique } from '../../../support/factories.ts';
import { MANAGERS, may } from '../callers.ts';
import { fill, one } from '../fill.ts';
import { ADMIN, booked, type Deed, freshDay, freshHour, HEAD, MANAGER } from './support.ts';

/** A slot that nobody has booked yet. */
const aboutSlot = (more: object, closedReason?: string): Deed => ({
  rule: MANAGER,
  input: async (db, { tour }) => {
    const date = at('10:00', freshDay()).slice(0, 10);
    await db.query('select app_private.make_slots($1, array[$2::date + $3::time])', [
      ...[tour.schedule, date, '10:00'],
    ]);
    const id = await one(db, 'slots', `day = '${date}' and offering_id = '${tour.offering}'`);
    if (closedReason) {
      await fill(db, 'slots', id, { closed_at: MONDAY, closed_reason: closedReason });
    }
    return { slotId: id, ...more };
  },
});

export const CONFIGURATION: Record<string, Deed> = {
  createBlackout: {
    // Of the provider's own resource: time off.
    rule: may(`provider ${MANAGERS}`, 'RSNTF'),
    input: async (_db, { organizationId, leftRoom }) => {
      const [startsAt, endsAt] = freshHour();
      return { organizationId, resourceId: leftRoom, startsAt, endsAt, reason: 'Paint' };
    },
  },
  liftBlackout: {
    rule: MANAGER,
    input: async (db, { organizationId, leftRoom, manager }) => {
      const [startsAt, endsAt] = freshHour();
      const { id } = await call<{ id: string }>(db, manager, 'create_blackout', {
        organization_id: organizationId,
        resource_id: leftRoom,
        starts_at: startsAt,
        ends_at: endsAt,
        reason: 'Paint',
      });
      return { blackoutId: id };
    },
  },
  setOpeningHours: {
    rule: MANAGER,
    input: async (_db, { leftRoom }) => ({
      resourceId: leftRoom,
      hours: [1, 2, 3, 4, 5, 6, 7].map((weekday) => ({ weekday, opens: '00:00', closes: '24:00' })),
    }),
  },
  archiveResource: {
    rule: MANAGER,
    input: async (db, { organizationId }) => ({
      resourceId: await createResource(db, organizationId, 'Spare room'),
    }),
  },
  setOfferingResources: {
    rule: MANAGER,
    input: async (db, { organizationId, policyId, leftRoom }) => ({
      offeringId: await insert(db, 'app_public.offerings', {
        organization_id: organizationId,
        policy_id: policyId,
        kind: 'venue',
        name: 'New',
      }),
      resourceIds: [leftRoom],
    }),
  },
  revisePolicy: {
    rule: MANAGER,
    input: async (_db, { policyId }) => {
      return { policyId, changes: { max_mails_per_day: freshDay() } };
    },
  },
  applyPolicy: {
    rule: MANAGER,
    input: async (db, scene) => {
      await booked(db, scene);
      const changes = JSON.stringify({ max_mails_per_day: freshDay() });
      await call(db, scene.manager, 'revise_policy', { policy_id: scene.policyId, changes });
      return { policyId: scene.policyId };
    },
  },
  createOffering: {
    rule: MANAGER,
    input: async (_db, { organizationId, policyId }) => ({
      offering: { organizationId, policyId, kind: 'VENUE', name: 'New' },
    }),
  },
  updateOffering: {
    rule: MANAGER,
    input: async (_db, { left }) => ({ id: left, patch: { name: unique('Left ') } }),
  },
  createPolicy: {
    rule: MANAGER,
    input: async (_db, { organizationId }) => ({ policy: { organizationId, name: 'New' } }),
  },
  updatePolicy: {
    rule: MANAGER,
    input: async (_db, { policyId }) => ({ id: policyId, patch: { name: unique('Standard ') } }),
  },
  alterSlot: aboutSlot({ capacity: 5 }),
  closeSlot: aboutSlot({ reason: 'Private' }),
  cancelSlot: aboutSlot({ reason: 'Rain' }),
  openSlot: aboutSlot({}, 'A private group'),
  messageSlot: {
    rule: MANAGER,
    counts: true,
    input: async (_db, { tour }) => ({
      slotId: tour.slots[2],
      message: unique('Bring an umbrella '),
    }),
  },
  createSchedule: {
    rule: MANAGER,
    input: async (_db, { organizationId, tour }) => ({
      schedule: {
        ...{ organizationId, offeringId: tour.offering, name: 'New', localStart: '15:00' },
        ...{ duration: { hours: 1 }, recurrence: 'NONE', capacity: 4, validFrom: '2030-07-01' },
      },
    }),
  },
  updateSchedule: {
    rule: MANAGER,
    input: async (_db, { tour }) => ({ id: tour.schedule, patch: { name: unique('Mornings ') } }),
  },
  generateSlots: {
    rule: MANAGER,
    input: async (_db, { tour }) => {
      const date = at('10:00', freshDay()).slice(0, 10);
      return { scheduleId: tour.schedule, from: date, to: date };
    },
  },
  createResource: {
    rule: MANAGER,
    input: async (_db, { organizationId }) => ({
      resource: { organizationId, name: 'New', timeZone: 'UTC' },
    }),
  },
  updateResource: {
    rule: MANAGER,
    input: async (_db, { leftRoom }) => ({ id: leftRoom, patch: { name: unique('Room ') } }),
  },
  createOrganization: {
    rule: ADMIN,
    input: async () => ({ organization: { slug: unique('new-'), name: 'New' } }),
  },
  updateOrganization: {
    rule: HEAD,
    input: async (_db, { organizationId }) => ({
      id: organizationId,
      patch: { name: unique('Riverside ') },
    }),
  },
  updateOrganizationBySlug: {
    rule: HEAD,
    input: async (_db, { values }) => ({
      slug: values.slug,
      patch: { name: unique('Riverside ') },
    }),
  },
};
