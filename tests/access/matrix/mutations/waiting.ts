/** What is done about a place in the queue. */
import type { TestDatabase } from '../../../support/database.ts';
import { book, createUser } from '../../../support/factories.ts';
import { type Rule, SIGNED_IN } from '../callers.ts';
import type { Scene } from '../scene.ts';
import { offer } from '../sceneBookings.ts';
import {
  CUSTOMER,
  CUSTOMER_OR_MANAGER,
  type Deed,
  freshHour,
  freshPlace,
  MANAGER,
} from './support.ts';

/** Nobody has two offers of one room at a time, hence another room for each. */
const offered = async (db: TestDatabase, scene: Scene) =>
  offer(db, { ...scene, left: await freshPlace(db, scene) }, freshHour());

const aboutEntry = (rule: Rule, more: object = {}): Deed => ({
  rule,
  input: async (db, scene) => ({ entryId: await offered(db, scene), ...more }),
});

export const WAITING: Record<string, Deed> = {
  claimSlot: aboutEntry(CUSTOMER),
  declineSlot: aboutEntry(CUSTOMER),
  leaveWaitlist: aboutEntry(CUSTOMER_OR_MANAGER),
  setWaitlistPriority: aboutEntry(MANAGER, { priority: 1 }),
  joinWaitlist: {
    rule: SIGNED_IN,
    input: async (db, { left }) => {
      const [startsAt, endsAt] = freshHour();
      await book(db, await createUser(db, 'Holder'), left, [startsAt, endsAt]);
      return { offeringId: left, startsAt, endsAt };
    },
  },
};
