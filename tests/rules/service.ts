/** Where the tests of services begin: Carl has asked Anna. */
import { advanceTo, at, booking, createUser, range } from '../support/factories.ts';
import { bookService, createService, type ServiceBooking } from '../support/providers.ts';
import type { Scene } from './rule.ts';

const TIME = range('10:00', '11:00');

/** Carl has asked Anna for a haircut, tomorrow from ten to eleven. */
export async function asked({ db, world }: Scene) {
  const anna = await createService(db, world, 'Anna');
  const carl = await createUser(db, 'Carl');
  const made = await bookService(db, carl, anna, TIME);
  const args = { booking_id: made.id };
  const now = () => booking(db, made.id) as Promise<ServiceBooking>;
  return { anna, carl, id: made.id, args, now };
}

/** The same, and it is half past ten. */
export async function begun(scene: Scene) {
  const all = await asked(scene);
  await advanceTo(scene.db, at('09:00'));
  await scene.db.query(
    `update app_public.bookings set attendance_confirmed_at = made_at, attendance_confirmed_how = 'not_needed'
     where id = $1`,
    [all.id],
  );
  await advanceTo(scene.db, at('10:30', 1));
  return all;
}

export const occupancies = ({ db }: Scene, id: string) =>
  db.value<number>('select count(*) from app_private.occupancies where booking_id = $1', [id]);
