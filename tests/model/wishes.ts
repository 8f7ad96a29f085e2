/** What people at once wish for: rooms of a hall or providers in the same two hours, or the few places of a day's slots. */
import fc from 'fast-check';
import type { Act, Wish } from './actor.ts';
import type { ModelDatabase } from './database.ts';
import { DAY, HOUR, MINUTE, PROVIDERS, VENUES } from './reference/state.ts';
import { date, moment } from './statements.ts';

/** A wish before it is known on which day. */
export interface Plan {
  do: Act;
  where: number;
  n: number;
}

export const plans: fc.Arbitrary<Plan[]> = fc.array(
  fc.record({
    do: fc.constantFrom<Act>(
      ...(['book', 'book', 'join', 'join', 'cancel', 'cancel', 'move', 'confirm'] as const),
      ...(['claim', 'claim', 'claim', 'decline', 'leave'] as const),
    ),
    where: fc.nat(7),
    n: fc.nat(99),
  }),
  { minLength: 20, maxLength: 28 },
);

export type Planner = (plan: Plan, day: number) => Wish;

const ROOMS = [...VENUES, 'left'] as const;

export async function roomPlanner({ world }: ModelDatabase): Promise<Planner> {
  return (plan, day) => {
    const from = day * DAY + (10 + (plan.where % 2)) * HOUR;
    const offering = world.offerings[ROOMS[Math.floor(plan.where / 2)] ?? 'hall'];
    const what =
      plan.do === 'move'
        ? `starts_at => ${moment(from)}, ends_at => ${moment(from + HOUR)}`
        : `'${offering}', ${moment(from)}, ${moment(from + 90 * MINUTE)}`;
    return { do: plan.do, n: plan.n, what };
  };
}

/** Two services that share one of their three providers; some wish for that one. */
export async function servicePlanner({ world }: ModelDatabase): Promise<Planner> {
  return (plan, day) => {
    const from = day * DAY + (10 + (plan.where % 2)) * HOUR;
    const offering = world.offerings[plan.where < 4 ? 'lesson' : 'repair'];
    const goesTo = plan.where < 4 ? '' : `, customer_address => 'here', customer_phone => '1'`;
    const wish = plan.n % 3 === 0 ? `, provider_id => '${world.resources[PROVIDERS.nora]}'` : '';
    const what =
      plan.do === 'move'
        ? `starts_at => ${moment(from)}${wish}`
        : `'${offering}', ${moment(from)}${wish}${goesTo}`;
    return { do: plan.do, n: plan.n, what };
  };
}

const WALKS = [0, 1];
const LAST_DAY = 302;

/** Two slots of a walk a day, of four places and of two; people wait for one of them, or for the day. */
export async function placePlanner({ clone, world }: ModelDatabase): Promise<Planner> {
  const client = await clone.pool('owner', 1).connect();
  try {
    for (const schedule of WALKS) {
      const days = `'${date(2)}', '${date(LAST_DAY)}'`;
      await client.query('begin');
      await client.query(`select set_config('reslot.user_id', $1, true)`, [world.manager]);
      await client.query(`set local role reslot_user`);
      const made = `app_public.generate_slots('${world.schedules[schedule]}', ${days})`;
      await client.query(`select count(*) from ${made}`);
      await client.query('commit');
    }
    const { rows } = await client.query<{ id: string; day: string }>(
      'select id, day::text from app_public.slots order by starts_at',
    );
    return (plan, day) => {
      const slots = rows.filter((row) => row.day === date(day));
      const slot = slots[plan.where % 2]?.id;
      const party = `adults => ${1 + (plan.n % 2)}, infants => ${plan.n % 5 === 0 ? 1 : 0}`;
      const walk = `'${world.offerings.walk}', `;
      const forDay = plan.do === 'join' && plan.where < 4;
      const place = forDay ? `day => '${date(day)}'` : `slot_id => '${slot}'`;
      return {
        do: plan.do,
        n: plan.n,
        what: `${plan.do === 'move' ? '' : walk}${place}, ${party}`,
      };
    };
  } finally {
    client.release();
  }
}
