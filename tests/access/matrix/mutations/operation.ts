/** What is done so that all of it runs. */
import { fill, one } from '../fill.ts';
import { ADMIN, booked, type Deed, MANAGER } from './support.ts';

export const OPERATION: Record<string, Deed> = {
  autoCancelNow: { rule: ADMIN, input: async () => ({}) },
  expireOverdueBookings: { rule: ADMIN, input: async () => ({}) },
  expireDue: { rule: ADMIN, input: async () => ({}) },
  retryDelivery: {
    rule: MANAGER,
    input: async (db, scene) => {
      const id = await booked(db, scene);
      const notification = await one(db, 'notifications', `booking_id = '${id}'`);
      const delivery = await one(db, 'deliveries', `notification_id = '${notification}'`);
      await fill(db, 'deliveries', delivery, { status: 'dead' });
      return { deliveryId: delivery };
    },
  },
};
