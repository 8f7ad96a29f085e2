/** The commands of the model in SQL. */
import type { World } from '../support/factories.ts';
import type { Command } from './reference/commands.ts';
import { DAY, type Offering, type Party, type Provider, type State } from './reference/state.ts';

export const MIDNIGHT = Date.parse('2030-06-03T00:00:00Z');

export interface ModelWorld extends World {
  offerings: Record<Offering, string>;
  /** By their numbers in the model. */
  resources: string[];
  schedules: string[];
  providers: Record<Provider, string>;
}

/** As a literal, to the microsecond. */
export function moment(us: number): string {
  const day = Math.floor(us / DAY);
  const date = new Date(MIDNIGHT + (day * DAY) / 1000).toISOString().slice(0, 10);
  return `timestamptz '${date} 00:00Z' + interval '${us - day * DAY} microseconds'`;
}

export function timeStatement(
  command: Command & { do: 'tick' | 'nap' },
  mail: State['mail'],
): string {
  const until = moment(command.until);
  return command.do === 'tick'
    ? `select model.tick(${until}, '${mail}')`
    : `select app_private.set_clock(greatest(${until}, app_private.clock()))`;
}

export type Call = Exclude<
  Command,
  { do: 'tick' | 'nap' | 'mail' | 'bounce' | 'lift' | 'reschedule' }
>;

/** The id of what a command is about, and of the slot it moves something to. */
export type Subjects = readonly [subject: string, other: string];

function partyOf({ adults, children, infants }: Party): string[] {
  return [`adults => ${adults}`, `children => ${children}`, `infants => ${infants}`];
}

export function date(day: number): string {
  return new Date(MIDNIGHT + (day * DAY) / 1000).toISOString().slice(0, 10);
}

function providerOf({ provider }: { provider?: number }, { resources }: ModelWorld): string[] {
  return provider === undefined ? [] : [`provider_id => '${resources[provider]}'`];
}

function amount(cents: number): string {
  return (cents / 100).toFixed(2);
}

/** Schedules are configuration, which managers edit in the table. */
export function rescheduleStatement(
  c: Command & { do: 'reschedule' },
  { schedules }: ModelWorld,
): string {
  return `update app_public.schedules set capacity = ${c.capacity} where id = '${schedules[c.schedule]}'`;
}

export function statementFor(c: Call, [subject, other]: Subjects, world: ModelWorld): string {
  const name = {
    book: 'create_booking',
    book_places: 'create_booking',
    join: 'join_waitlist',
    join_slot: 'join_waitlist',
    join_day: 'join_waitlist',
    modify: 'modify_booking',
    modify_places: 'modify_booking',
    generate: 'generate_slots',
    close_slot: 'close_slot',
    open_slot: 'open_slot',
    alter_slot: 'alter_slot',
    cancel_slot: 'cancel_slot',
    cancel: 'cancel_booking',
    confirm: 'confirm_booking',
    approve: 'approve_booking',
    accept: 'accept_booking',
    deliver: 'deliver_booking',
    confirm_delivery: 'confirm_delivery',
    complete: 'complete_booking',
    keep: 'keep_booking',
    review: 'review_booking',
    record_payment: 'record_payment',
    record_refund: 'record_refund',
    reject: 'reject_booking',
    override: 'override_auto_cancel',
    no_show: 'mark_no_show',
    leave: 'leave_waitlist',
    claim: 'claim_slot',
    decline: 'decline_slot',
    priority: 'set_waitlist_priority',
    blackout: 'create_blackout',
  }[c.do];
  return `select count(*) from app_public.${name}(${argumentsOf(c, [subject, other], world).join(', ')})`;
}

function argumentsOf(c: Call, [subject, other]: Subjects, world: ModelWorld): string[] {
  const id = `'${subject}'`;
  switch (c.do) {
    case 'book':
    case 'join':
      return [
        `'${world.offerings[c.offering]}'`,
        moment(c.from),
        moment(c.to),
        ...providerOf(c, world),
        ...(c.offering === 'repair' ? [`customer_address => 'here'`, `customer_phone => '1'`] : []),
      ];
    case 'modify':
      return [
        id,
        ...(c.range
          ? [`starts_at => ${moment(c.range.from)}`, `ends_at => ${moment(c.range.to)}`]
          : []),
        ...(c.purpose === undefined ? [] : [`purpose => '${c.purpose}'`]),
        ...providerOf(c, world),
      ];
    case 'book_places':
    case 'join_slot':
      return [
        `(select s.offering_id from app_public.slots s where s.id = ${id})`,
        `slot_id => ${id}`,
        ...partyOf(c.party),
      ];
    case 'join_day':
      return [`'${world.offerings[c.offering]}'`, `day => '${date(c.day)}'`, ...partyOf(c.party)];
    case 'modify_places':
      return [
        id,
        ...(c.slot === undefined ? [] : [`slot_id => '${other}'`]),
        ...(c.party ? partyOf(c.party) : []),
      ];
    case 'generate':
      return [`'${world.schedules[c.schedule]}'`, `'${date(c.from)}'`, `'${date(c.to)}'`];
    case 'alter_slot':
      return [
        id,
        ...(c.capacity === undefined ? [] : [`capacity => ${c.capacity}`]),
        ...(c.minSize === undefined ? [] : [`min_size => ${c.minSize}`]),
        ...(c.price === undefined ? [] : [`price => ${amount(c.price)}`]),
      ];
    case 'close_slot':
      return [id, `'because'`];
    case 'cancel_slot':
      return [id, `'because'`, `cancel_bookings => ${c.cancels}`];
    case 'cancel':
      return [
        id,
        `'because'`,
        ...(c.refund === undefined ? [] : [`refund => ${amount(c.refund)}`]),
      ];
    case 'override':
    case 'keep':
      return [id, `'because'`];
    case 'review':
      return [id, String(c.rating)];
    case 'record_payment':
      return [id, amount(c.amount), `'cash'`];
    case 'record_refund':
      return [id, amount(c.amount)];
    case 'priority':
      return [id, String(c.priority)];
    case 'blackout':
      return [
        `'${world.organizationId}'`,
        moment(c.from),
        moment(c.to),
        `'closed'`,
        typeof c.where === 'number'
          ? `resource_id => '${world.resources[c.where]}'`
          : c.where === 'everything'
            ? 'offering_id => null'
            : `offering_id => '${world.offerings[c.where]}'`,
        `cancel_bookings => ${c.cancels}`,
        ...(c.holiday ? [`kind => 'holiday'`] : []),
      ];
    default:
      return [id];
  }
}
