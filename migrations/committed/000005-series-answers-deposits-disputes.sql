--! Previous: sha1:50ffb711aaa5af993a6fe2037b34e122c5e9530d
--! Hash: sha1:8819acec89d3dc31ccc80bbbe257980a5cc41db8
--! Message: series-answers-deposits-disputes

set local check_function_bodies = off;
drop function app_private.figure_bookings(uuid[],uuid,date,date,interval);
drop function app_private.booking_figures(uuid[],uuid,date,date,boolean);
create type app_public.offender_demand as enum ('approval', 'deposit', 'both');
comment on type app_public.offender_demand is 'What is asked of who left too many places unused lately: a manager''s yes, a deposit before the booking is confirmed, or both.';
alter type app_private.booking_terms add attribute demands_deposit boolean;
alter type app_public.quote add attribute due_first numeric;
comment on column app_public.quote.due_first is 'What of it the caller pays before the booking is confirmed.';
comment on column app_public.figure.due is 'Bookings whose start has come and that were neither cancelled nor rejected, nor expired before it.';
alter type app_public.figure add attribute expired integer;
comment on column app_public.figure.expired is 'Requests that nobody answered or paid in time, and bookings of which nobody said that they were delivered.';
alter type app_private.series_rule add attribute months integer[];
alter type app_private.series_rule add attribute positions integer[];
alter type app_private.series_rule add attribute week_start integer;
create type app_public.dispute_state as enum ('inquiry', 'open', 'won', 'lost');
comment on type app_public.dispute_state is 'Where it stands with a customer who has their bank ask for the money: `inquiry`: the bank only asks; `open`: it has taken the money back for now; `won`: the money is here after all; `lost`: it is with the customer for good.';
alter table app_public.policy_versions add column offender_demand app_public.offender_demand not null default 'approval'::app_public.offender_demand;
comment on column app_public.policy_versions.request_ttl is 'How long a pending booking may stay unanswered, after it was made or somebody last touched it; at most half of the time left to its start.';
comment on column app_public.policy_versions.offence_limit is 'How many bookings a customer may leave unconfirmed until they are released, or not come to, before more is asked of them for further ones (`offender_demand`); null: any number.';
comment on column app_public.policy_versions.expiry_grace_by_category is 'What takes the place of it, and of `request_ttl`, for offerings of a category: `{"cleaning": "48:00:00"}`.';
comment on column app_public.policy_versions.expiry_skips_weekends is 'Whether Saturdays and Sundays count for nothing in these times (zone of the provider, else of the offering).';
comment on column app_public.policy_versions.expiry_skips_holidays is 'Whether holidays do in these times: blackouts of that kind.';
comment on column app_public.policy_versions.offender_demand is 'What is asked of them then: a manager''s yes, a deposit of `deposit_rate`, or both. What costs nothing has no deposit, and needs a yes instead.';
alter table app_public.recurring_bookings add column except_dates date[] not null default '{}'::date[];
comment on column app_public.recurring_bookings.except_dates is 'The dates of the rule that were not asked for.';
alter table app_public.bookings add column demands_deposit boolean not null default false;
comment on column app_public.bookings.demands_deposit is 'Whether a deposit is asked for it that others do not pay, because of what its customer left unused before.';
alter table app_public.booking_modifications add column from_provider_id uuid;
alter table app_public.booking_modifications add column to_provider_id uuid;
alter table app_public.booking_modifications add constraint booking_modifications_from_provider_id_fkey FOREIGN KEY (from_provider_id) REFERENCES app_public.resources(id);
alter table app_public.booking_modifications add constraint booking_modifications_to_provider_id_fkey FOREIGN KEY (to_provider_id) REFERENCES app_public.resources(id);
CREATE INDEX booking_modifications_from_provider_id_idx ON app_public.booking_modifications USING btree (from_provider_id) WHERE (from_provider_id IS NOT NULL);
CREATE INDEX booking_modifications_to_provider_id_idx ON app_public.booking_modifications USING btree (to_provider_id) WHERE (to_provider_id IS NOT NULL);
comment on table app_public.booking_modifications is 'What was changed of a booking: time, slot, provider, party and price, before and after.';
comment on column app_public.booking_modifications.from_provider_id is 'Who was to serve it before, where that is somebody.';
comment on column app_public.booking_modifications.to_provider_id is 'Who serves it after.';
alter table app_public.payments add column dispute app_public.dispute_state;
alter table app_public.payments add column returned numeric(18,2) not null default 0;
alter table app_public.payments add constraint only_what_was_paid_goes_wrong CHECK ((((returned >= (0)::numeric) AND (returned <= amount)) AND ((processed_at IS NOT NULL) OR ((dispute IS NULL) AND (returned = (0)::numeric)))));
CREATE INDEX payments_reference_idx ON app_public.payments USING btree (reference) WHERE (method = 'stripe'::app_public.payment_method);
comment on column app_public.payments.dispute is 'Whether its customer had their bank ask for the money, and what came of it.';
comment on column app_public.payments.returned is 'How much of what was given back has come back, because their bank did not take it; it is still to be given to them in another way (`recordRefund`).';
alter table app_private.stripe_events add column intent text;
alter table app_private.stripe_events add column what text;
alter table app_private.stripe_events add column details jsonb;
alter table app_private.stripe_events add constraint kept_for_its_payment CHECK (((num_nonnulls(intent, what, details) = ANY (ARRAY[0, 3])) AND (num_nonnulls(intent, payment_id) = 1)));
CREATE INDEX stripe_events_intent_idx ON app_private.stripe_events USING btree (intent) WHERE (intent IS NOT NULL);
comment on table app_private.stripe_events is 'What Stripe has told us: an event that comes again changes nothing. What names only money that we do not know (yet) is kept until that is paid: `intent`, `what` and `details`.';
update app_private.notification_kinds set kind = 'payment_due', urgent = true, actions = '{pay,cancel}', is_optional = false, current_while = 'payment_open', costs_a_booking = true where kind = 'payment_due';
update app_private.notification_kinds set kind = 'payment_failed', urgent = true, actions = '{pay,cancel}', is_optional = false, current_while = 'payment_open', costs_a_booking = true where kind = 'payment_failed';
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('payment_trouble', false, '{}', false, 'always', false);
update app_private.notification_kinds set kind = 'series_requested', urgent = true, actions = '{approve_series,reject_series}', is_optional = false, current_while = 'always', costs_a_booking = true where kind = 'series_requested';
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('series_payment_due', true, '{cancel_series}', false, 'payment_open', true);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('series_approved', false, '{cancel_series}', false, 'always', true);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('series_rejected', false, '{}', false, 'always', true);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('provider_booking', false, '{unsubscribe}', true, 'booking_live', false);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('provider_booking_gone', false, '{unsubscribe}', true, 'always', false);
alter table app_private.link_tokens drop constraint bound_to_one_row;
alter table app_private.link_tokens add constraint bound_to_one_row CHECK (
CASE
    WHEN (action = ANY (ARRAY['verify'::app_private.link_action, 'reset'::app_private.link_action, 'magic'::app_private.link_action])) THEN ((user_id IS NOT NULL) AND (num_nonnulls(booking_id, entry_id) = 0))
    WHEN (action = ANY (ARRAY['approve'::app_private.link_action, 'reject'::app_private.link_action, 'approve_series'::app_private.link_action, 'reject_series'::app_private.link_action])) THEN ((user_id IS NOT NULL) AND (booking_id IS NOT NULL) AND (entry_id IS NULL))
    WHEN (action = ANY (ARRAY['confirm'::app_private.link_action, 'cancel'::app_private.link_action, 'confirm_delivery'::app_private.link_action, 'pay'::app_private.link_action])) THEN ((customer_id IS NOT NULL) AND (booking_id IS NOT NULL) AND (entry_id IS NULL))
    WHEN (action = 'cancel_series'::app_private.link_action) THEN ((booking_id IS NOT NULL) AND (entry_id IS NULL))
    WHEN (action = 'unsubscribe'::app_private.link_action) THEN (num_nonnulls(booking_id, entry_id) = 0)
    WHEN (action = ANY (ARRAY['claim'::app_private.link_action, 'decline'::app_private.link_action, 'leave'::app_private.link_action])) THEN ((customer_id IS NOT NULL) AND (entry_id IS NOT NULL) AND (booking_id IS NULL))
    ELSE ((customer_id IS NOT NULL) AND (delivery_id IS NOT NULL) AND (num_nonnulls(booking_id, entry_id) = 0))
END);

-- functions/pools.sql
create or replace function app_private.stand_in_for(booking app_public.bookings) returns boolean
language plpgsql volatile
as $$
declare
  v_provider_id uuid;
  v_booking app_public.bookings;
begin
  if booking.provider_id is null or booking.status = 'held' or booking.starts_at <= app_private.clock() then
    return false;
  end if;
  v_provider_id := app_private.find_provider(
    booking.offering_id, tstzrange(booking.starts_at, booking.ends_at), booking.room, null, booking.id);
  if v_provider_id is null then
    return false;
  end if;
  v_booking := app_private.change_provider(booking, v_provider_id);
  perform app_private.note_modification(booking, v_booking);
  perform app_private.tell_provider(booking, v_booking);
  perform app_private.notify_customer(booking.customer_id, 'booking_modified', booking.id, null, jsonb_build_object(
    'sequence', v_booking.sequence, 'status', v_booking.status, 'actor', 'manager', 'previous', jsonb_build_object(
      'provider', app_private.previous_provider(booking, v_booking))));
  return true;
end
$$;

-- functions/tell_of_booking.sql
-- Who hears of a booking: its customer, who decides whether they get it, and who serves it.

create or replace function app_private.tell_of_booking(booking app_public.bookings, kind text) returns void
language plpgsql volatile
as $$
begin
  -- Then the mail that says what is to be paid, and until when, is the one that counts.
  if booking.awaits_payment then
    return;
  elsif booking.status = 'pending' then
    perform app_private.tell_who_decides(booking);
  end if;
  perform app_private.tell_provider(null, booking);
  perform app_private.notify_customer(booking.customer_id, kind, booking.id, null,
    jsonb_build_object('sequence', booking.sequence, 'status', booking.status));
end
$$;
comment on function app_private.tell_of_booking(app_public.bookings, text) is 'Tells the customer of a new or claimed booking, its provider, and who decides if it needs a yes; of what is to be paid first its payment tells.';

create or replace function app_private.tell_who_decides(booking app_public.bookings) returns void
language plpgsql volatile
as $$
declare
  v_data jsonb := jsonb_build_object('sequence', booking.sequence);
begin
  perform app_private.notify_managers(booking.offering_id, 'booking_requested', booking.id, null, v_data);
  perform app_private.notify_provider(booking, 'booking_requested', v_data);
end
$$;
comment on function app_private.tell_who_decides(app_public.bookings) is 'Tells the managers and the provider of a booking that it needs a yes.';

-- Providers hear what others do to what they serve: that a booking is theirs, at which time, and that it is theirs no more.
-- What they do themselves they know; what they have to answer is another message (tell_who_decides).
create or replace function app_private.tell_provider(before app_public.bookings, after app_public.bookings) returns void
language plpgsql volatile
as $$
declare
  v_was_theirs boolean := before.status in ('pending', 'confirmed', 'in_progress')
    -- Of what is not paid for yet they have only heard if they were asked.
    and not (before.awaits_payment and before.answered_at is null);
  v_handed_over boolean := before.provider_id is distinct from after.provider_id;
  v_moved boolean := (before.starts_at, before.ends_at) is distinct from (after.starts_at, after.ends_at);
  v_data jsonb := jsonb_build_object('status', after.status, 'previous', jsonb_build_object(
    'startsAt', before.starts_at, 'endsAt', before.ends_at, 'provider', app_private.previous_provider(before, after)));
begin
  if v_was_theirs and (v_handed_over or after.ended_at is not null)
     and (before.provider_id in (select app_private.own_resource_ids())) is not true then
    -- Without the reason: it is the customer's words, and goes with them when they are erased.
    perform app_private.notify_provider(before, 'provider_booking_gone', v_data);
  end if;
  if after.ended_at is not null or after.provider_id in (select app_private.own_resource_ids()) then
    return;
  elsif after.status = 'confirmed' and (before.status is distinct from 'confirmed' or v_handed_over or v_moved) then
    perform app_private.notify_provider(after, 'provider_booking', v_data || jsonb_build_object('sequence', after.sequence));
  elsif after.status = 'pending' and not after.awaits_payment and v_handed_over and before.sequence = after.sequence then
    perform app_private.notify_provider(after, 'booking_requested', jsonb_build_object('sequence', after.sequence));
  end if;
end
$$;
comment on function app_private.tell_provider(app_public.bookings, app_public.bookings) is 'Tells who serves a booking that it is theirs now, or moved, and who served it that it is not any more; nobody of their own deed. Of a new one there is no before.';

revoke execute on function
  app_private.tell_of_booking(app_public.bookings, text), app_private.tell_who_decides(app_public.bookings),
  app_private.tell_provider(app_public.bookings, app_public.bookings)
from public;

-- functions/quote.sql
create or replace function app_public.quote(
  slot_id uuid, party_size integer default 1, adults integer default null, children integer default null,
  infants integer default null
) returns app_public.quote
language plpgsql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_slot app_public.slots;
  v_policy app_public.policy_versions;
  v_quote app_public.quote;
begin
  select * into v_slot from app_public.slots s where s.id = quote.slot_id;
  if v_slot.id is null then
    perform app_private.fail('RSNTF', 'There is no such slot.');
  end if;
  v_policy := app_private.policy_of(app_private.find_offering(v_slot.offering_id));
  v_quote := app_private.quote_for_slot(v_slot.id,
    app_private.places_for(app_private.checked_party(party_size, adults, children, infants), v_policy), v_policy);
  v_quote.due_first := app_private.to_be_paid_first(v_policy, v_quote.price, v_quote.currency,
    app_private.demands_deposit(v_policy,
      (select c.id from app_public.customers c
       where c.organization_id = v_slot.organization_id and c.user_id = app_private.current_user_id()),
      v_quote.price, app_private.clock()));
  return v_quote;
end
$$;
comment on function app_public.quote(uuid, integer, integer, integer, integer) is 'What a party pays for a slot, if it books now: adults, children and infants by the rates of the policy, group discount, and tax; and what of it the caller pays before it is confirmed. The same figures are kept with the booking. Errors: RSNTF no such slot, RSARG.';

-- functions/offers.sql
create or replace function app_private.make_offer(entry app_public.waitlist_entries, fitting_customers integer, freed tstzrange) returns void
language plpgsql volatile
as $$
declare
  v_policy app_public.policy_versions;
  v_hold app_public.bookings;
  v_now timestamptz := app_private.clock();
begin
  select * into strict v_policy from app_public.policy_versions p where p.id = entry.policy_version_id;
  if not exists (select from app_public.customers c where c.id = entry.customer_id and c.email is not null) then
    raise exception 'the customer has no address to send the offer to';
  end if;
  v_hold := app_private.insert_booking(
    entry.offering_id, entry.customer_id, v_policy, tstzrange(entry.starts_at, entry.ends_at),
    app_private.party_of(entry), app_private.wishes_of(entry), null, v_now, row('held', null, null, null, null, null, null)::app_private.booking_terms,
    entry.last_call_at, entry.slot_id, entry.room);
  update app_public.waitlist_entries e
  set status = 'offered', hold_id = v_hold.id, offered_at = v_now, offered_from = freed, offer_expires_at = null,
      claim_window = app_private.planned_window(
        v_policy, app_private.elapsed(v_now, entry.last_call_at), fitting_customers)
  where e.id = entry.id;
  perform app_private.notify_customer(entry.customer_id, 'slot_available', v_hold.id, entry.id,
    jsonb_build_object('holdId', v_hold.id));
end
$$;
revoke execute on function
  app_private.next_in_line(uuid[], tstzrange, uuid, uuid), app_private.may_be_offered(app_public.waitlist_entries),
  app_private.fitting_customers(uuid[], tstzrange),
  app_private.make_offer(app_public.waitlist_entries, integer, tstzrange), app_private.is_anything_free(uuid[], tstzrange),
  app_private.is_waited_for(uuid[], tstzrange),
  app_private.offer_or_set_aside(app_public.waitlist_entries, integer, tstzrange),
  app_private.hand_on(uuid[], tstzrange, uuid, uuid), app_private.pass_over(uuid[], tstzrange, uuid),
  app_private.set_aside(uuid, text),
  app_private.offer_kept_back(app_public.waitlist_entries),
  app_private.end_offer(uuid, app_public.waitlist_status, text), app_private.expire_hold(uuid),
  app_private.expire_hold_when_due(uuid), app_private.offer_accepted_at(app_public.waitlist_entries),
  app_private.begin_claim_window(app_public.waitlist_entries, timestamptz), app_private.start_claim_window(uuid, uuid, timestamptz),
  app_private.withdraw_offer(uuid, uuid, text), app_private.zone_of_customer(uuid, uuid) from public;

-- functions/last_call.sql
-- Shortly before the start nothing is held any more: whoever still waits is told of freed room, and the first to claim gets it.

create or replace function app_private.note_freeing(resource_ids uuid[], during tstzrange) returns void
language sql volatile
as $$
  insert into app_private.freeings (organization_id, resource_ids, during)
  select r.organization_id, note_freeing.resource_ids, note_freeing.during
  from app_public.resources r
  where r.id = resource_ids[1]
    and exists (
      select from app_public.waitlist_entries e
      where e.status = 'waiting' and e.stuck_at is null and not e.for_places and e.room && note_freeing.during
        and e.last_call_at <= (select app_private.clock()) and e.starts_at > (select app_private.clock())
        and e.offering_id in (
          select x.offering_id from app_public.offering_resources x
          where x.resource_id = any (note_freeing.resource_ids)))
$$;
comment on function app_private.note_freeing(uuid[], tstzrange) is 'Notes room freed inside the last call of somebody still waiting; a job tells them, outside the lock.';

create or replace function app_private.tell_last_call(freeing_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_freeing app_private.freeings;
  v_now timestamptz;
begin
  select * into v_freeing from app_private.freeings f where f.id = tell_last_call.freeing_id for update;
  v_now := app_private.clock();
  if v_freeing.told_at is not null then
    return;
  end if;
  perform app_private.notify_customer(e.customer_id, 'last_call', null, e.id, jsonb_build_object('freeingId', v_freeing.id))
  from app_public.waitlist_entries e
  where e.status = 'waiting' and e.stuck_at is null and not e.for_places and e.room && v_freeing.during
    and e.last_call_at <= v_now and e.starts_at > v_now
    and e.offering_id in (
      select x.offering_id from app_public.offering_resources x where x.resource_id = any (v_freeing.resource_ids))
    and app_private.is_free(e.offering_id, e.room, e.provider_id)
    and app_private.may_be_offered(e);
  perform app_private.notify_customer(e.customer_id, 'last_call', null, e.id, jsonb_build_object('freeingId', v_freeing.id))
  from app_public.slots s cross join lateral app_private.waiting_for(s) e
  where s.id = v_freeing.slot_id and app_private.is_last_call(s, e) and app_private.is_on_sale(s);
  update app_private.freeings f set told_at = v_now where f.id = v_freeing.id;
end
$$;
comment on function app_private.tell_last_call(uuid) is 'Tells everyone still waiting, once per entry and freeing, that the first to claim gets the freed room.';

revoke execute on function app_private.note_freeing(uuid[], tstzrange), app_private.tell_last_call(uuid) from public;

-- functions/offences.sql
create or replace function app_private.needs_approval(
  policy app_public.policy_versions, customer_id uuid, price numeric, at timestamptz
) returns boolean
language sql stable
return case when policy.requires_approval then true
  -- What costs nothing has no deposit.
  when policy.offender_demand = 'deposit' and price > 0 then false
  else app_private.offences_over_limit(customer_id, policy, at) is not null end;
comment on function app_private.needs_approval(app_public.policy_versions, uuid, numeric, timestamptz) is 'Whether a manager has to agree to what a customer books, claims or moves at a price: always under this policy, or because of what they did not use lately. Asked after the locks.';
create or replace function app_private.demands_deposit(
  policy app_public.policy_versions, customer_id uuid, price numeric, at timestamptz
) returns boolean
language sql stable
-- Where everybody pays something first, that is it.
return case when policy.offender_demand = 'approval' or policy.payment in ('on_booking', 'deposit') then false
  else price > 0 and app_private.offences_over_limit(customer_id, policy, at) is not null end;
comment on function app_private.demands_deposit(app_public.policy_versions, uuid, numeric, timestamptz) is 'Whether a customer pays a deposit, which others do not, for what they book, claim or move at a price, because of what they did not use lately. Asked after the locks.';
create or replace function app_private.terms_for(
  policy app_public.policy_versions, customer_id uuid, price numeric, currency text, starts_at timestamptz,
  answer_by timestamptz, now_at timestamptz
) returns app_private.booking_terms
language plpgsql stable
as $$
declare
  v_demands_deposit boolean := app_private.demands_deposit(policy, customer_id, price, now_at);
  v_terms app_private.booking_terms := app_private.until_paid(
    app_private.terms_of(policy, starts_at, now_at, answer_by),
    policy, app_private.to_be_paid_first(policy, price, currency, v_demands_deposit), starts_at, now_at);
begin
  v_terms.demands_deposit := v_demands_deposit;
  return v_terms;
end
$$;
comment on function app_private.terms_for(app_public.policy_versions, uuid, numeric, text, timestamptz, timestamptz, timestamptz) is 'What a booking begins as that a customer makes or claims now at a price: with a manager''s yes (until `answerBy`, where one is needed), something paid first, or neither.';
revoke execute on function
  app_private.offences_of(uuid, timestamptz),
  app_private.offences_over_limit(uuid, app_public.policy_versions, timestamptz),
  app_private.needs_approval(app_public.policy_versions, uuid, numeric, timestamptz),
  app_private.demands_deposit(app_public.policy_versions, uuid, numeric, timestamptz),
  app_private.terms_for(app_public.policy_versions, uuid, numeric, text, timestamptz, timestamptz, timestamptz),
  app_public.repeated_offenders(uuid, integer), app_public.clear_offences(uuid, text) from public;

-- functions/silence.sql
-- How long the silence about a booking may last, by its policy, the category of what is booked, and the calendar of whoever
-- serves it: about a request until it is answered, about what has to be delivered until somebody says that it was.

create or replace function app_private.holidays_of(offering_id uuid, provider_id uuid, since timestamptz) returns tstzmultirange
language sql stable
as $$
  select coalesce(range_agg(tstzrange(k.starts_at, k.ends_at)), '{}')
  from app_public.offerings f
  join app_public.blackouts k on k.organization_id = f.organization_id
  where f.id = holidays_of.offering_id and k.kind = 'holiday' and k.lifted_at is null and k.ends_at > since
    and (num_nonnulls(k.offering_id, k.resource_id) = 0 or k.offering_id = f.id
      or k.resource_id = holidays_of.provider_id
      or holidays_of.provider_id is null and k.resource_id in (
        select x.resource_id from app_public.offering_resources x where x.offering_id = f.id))
$$;
comment on function app_private.holidays_of(uuid, uuid, timestamptz) is 'Holidays of whoever serves an offering: blackouts of that kind, of the provider (else its resources), of the offering or the organisation.';

create or replace function app_private.silence_ends(
  policy app_public.policy_versions, grace interval, offering_id uuid, provider_id uuid, since timestamptz
) returns timestamptz
language sql stable
as $$
  select app_private.after_working_grace(since,
    app_private.in_seconds(coalesce((policy.expiry_grace_by_category ->> f.category)::interval, silence_ends.grace)),
    coalesce((select r.time_zone from app_public.resources r where r.id = silence_ends.provider_id), app_private.zone_of(f.id)),
    policy.expiry_skips_weekends,
    case when policy.expiry_skips_holidays then app_private.holidays_of(f.id, silence_ends.provider_id, since) else '{}' end)
  from app_public.offerings f
  where f.id = silence_ends.offering_id
$$;
comment on function app_private.silence_ends(app_public.policy_versions, interval, uuid, uuid, timestamptz) is 'When a grace is over that begins at a moment: the one the policy names for the category of an offering, else the one given.';

create or replace function app_private.expiry_of(booking app_public.bookings, since timestamptz) returns timestamptz
language sql stable
as $$
  select app_private.silence_ends(p, p.expiry_grace, booking.offering_id, booking.provider_id, since)
  from app_public.policy_versions p where p.id = booking.policy_version_id
$$;
comment on function app_private.expiry_of(app_public.bookings, timestamptz) is 'When a booking expires of which nobody says anything from a moment on.';

-- A request takes room from others: whatever its grace, it leaves them half of the time, so that a refusal still helps.
create or replace function app_private.answer_by(
  policy app_public.policy_versions, offering_id uuid, provider_id uuid, starts_at timestamptz, made_at timestamptz,
  since timestamptz
) returns timestamptz
language sql stable
return least(
  made_at + app_private.elapsed(made_at, starts_at) / 2,
  app_private.silence_ends(policy, policy.request_ttl, offering_id, provider_id, since));
comment on function app_private.answer_by(app_public.policy_versions, uuid, uuid, timestamptz, timestamptz, timestamptz) is 'Until when a request has to be answered that nobody has touched since a moment: when its grace is over, and in any case when half of the time is that was left to its start.';

create or replace function app_private.answer_by(booking app_public.bookings, since timestamptz) returns timestamptz
language sql stable
as $$
  select app_private.answer_by(p, booking.offering_id, booking.provider_id, booking.starts_at, booking.made_at, since)
  from app_public.policy_versions p where p.id = booking.policy_version_id
$$;
comment on function app_private.answer_by(app_public.bookings, timestamptz) is 'The same of a booking there is.';

create or replace function app_private.answer_by_if_booked(
  policy app_public.policy_versions, offering_id uuid, slot_id uuid, during tstzrange, provider_id uuid, at timestamptz
) returns timestamptz
language sql stable
as $$
  select app_private.answer_by(policy, answer_by_if_booked.offering_id,
    -- Whose calendar it is matters only where days are left out.
    case when slot_id is null and (policy.expiry_skips_weekends or policy.expiry_skips_holidays) then
      app_private.provider_for(answer_by_if_booked.offering_id, during,
        app_private.room_for(answer_by_if_booked.offering_id, during, policy), answer_by_if_booked.provider_id) end,
    lower(during), at, at)
$$;
comment on function app_private.answer_by_if_booked(app_public.policy_versions, uuid, uuid, tstzrange, uuid, timestamptz) is 'The same of one about to be made, with the provider it will have. The caller holds the lock.';

-- Whoever records what was paid, or adds a photo, has not forgotten it either.
create or replace function app_private.last_touched(booking app_public.bookings) returns timestamptz
language sql stable
as $$
  select max(a.at) from app_public.audit_log a
  where a.record_id in (
      select booking.id
      union all select y.id from app_public.payments y where y.booking_id = booking.id
      union all select h.id from app_public.booking_photos h where h.booking_id = booking.id)
    and a.via <> 'job' and (a.actor_user_id is not null or a.via = 'link')
    and not a.new_values ?| array['made_at', 'policy_version_id']
$$;
comment on function app_private.last_touched(app_public.bookings) is 'When a person last changed a booking, its payments or its photos since it was made (claimed, moved); what time does is no touch, nor a new policy for all of them.';

revoke execute on function
  app_private.holidays_of(uuid, uuid, timestamptz),
  app_private.silence_ends(app_public.policy_versions, interval, uuid, uuid, timestamptz),
  app_private.expiry_of(app_public.bookings, timestamptz),
  app_private.answer_by(app_public.policy_versions, uuid, uuid, timestamptz, timestamptz, timestamptz),
  app_private.answer_by(app_public.bookings, timestamptz),
  app_private.answer_by_if_booked(app_public.policy_versions, uuid, uuid, tstzrange, uuid, timestamptz),
  app_private.last_touched(app_public.bookings) from public;

-- functions/payments.sql
create or replace function app_private.to_be_paid_first(
  policy app_public.policy_versions, price numeric, currency text, demands_deposit boolean
) returns numeric
language sql immutable
return case
  when policy.payment = 'on_booking' then price
  when policy.payment = 'deposit' or demands_deposit
    then least(price, app_private.rounded(price * policy.deposit_rate, app_private.minor_unit(currency)))
  else 0 end;
comment on function app_private.to_be_paid_first(app_public.policy_versions, numeric, text, boolean) is 'What a policy wants to have before a booking at that price is confirmed; `demandsDeposit`: a deposit at least.';
create or replace function app_private.to_be_paid(booking app_public.bookings, policy app_public.policy_versions) returns numeric
language sql immutable
return case
  when booking.status = 'completed' then case when policy.payment = 'none' then 0 else booking.price end
  when booking.awaits_payment or booking.status in ('confirmed', 'in_progress', 'delivered')
    then app_private.to_be_paid_first(policy, booking.price, booking.currency, booking.demands_deposit)
  else 0 end;
create or replace function app_private.until_paid(
  terms app_private.booking_terms, policy app_public.policy_versions, missing numeric, starts_at timestamptz, now_at timestamptz
) returns app_private.booking_terms
language sql immutable
return case
  when terms.status = 'confirmed' and missing > 0 then row('pending',
    -- At most half of the time left, so that room that is not paid for still leaves time for others.
    now_at + least(policy.payment_due, app_private.elapsed(now_at, starts_at) / 2),
    null, null, null, true, null)::app_private.booking_terms
  else terms end;
create or replace function app_private.gives_back_by_itself(payment app_public.payments) returns boolean
language sql immutable
return payment.method = 'stripe' and coalesce(payment.dispute in ('inquiry', 'won'), true);
comment on function app_private.gives_back_by_itself(app_public.payments) is 'Whether what is owed of a payment is given back by a job: what came by Stripe, and is not with the bank that a customer has asked for it.';
create or replace function app_private.give_back_money(booking_id uuid, amount numeric) returns void
language plpgsql volatile
as $$
declare
  v_left numeric := amount;
  v_payment app_public.payments;
begin
  for v_payment in
    select * from app_public.payments y
    where y.booking_id = give_back_money.booking_id and y.processed_at is not null and y.refund_due < y.amount
    order by y.processed_at desc, y.id desc
    for no key update
  loop
    exit when v_left <= 0;
    update app_public.payments y
    set refund_due = y.refund_due + least(v_left, y.amount - y.refund_due),
        next_attempt_at = case when app_private.gives_back_by_itself(y) then coalesce(y.next_attempt_at, app_private.clock()) end
    where y.id = v_payment.id;
    v_left := v_left - (v_payment.amount - v_payment.refund_due);
  end loop;
end
$$;
create or replace function app_private.ask_for_payment(
  booking app_public.bookings, policy app_public.policy_versions, amount numeric, kept numeric
) returns void
language plpgsql volatile
as $$
declare
  v_payment app_public.payments;
begin
  insert into app_public.payments (organization_id, booking_id, purpose, provider, amount, currency)
  values (booking.organization_id, booking.id,
    case when kept > 0 then 'balance' when policy.payment <> 'on_booking' and booking.status <> 'completed' then 'deposit'
      else 'price' end::app_public.payment_purpose,
    policy.payment_provider, amount, booking.currency)
  returning * into v_payment;
  perform app_private.notify_customer(booking.customer_id, 'payment_due', booking.id, null,
    jsonb_build_object('paymentId', v_payment.id))
  where coalesce(current_setting('reslot.tells_together', true), '') <> 'on';
end
$$;
comment on function app_private.ask_for_payment(app_public.bookings, app_public.policy_versions, numeric, numeric) is 'Opens a payment and tells the customer, unless whoever asks for many at once does.';
create or replace function app_private.keep_payments(booking app_public.bookings, has_just_ended boolean) returns void
language plpgsql volatile
as $$
declare
  v_policy app_public.policy_versions;
  v_open app_public.payments;
  v_kept numeric;
  v_missing numeric;
begin
  select * into v_policy from app_public.policy_versions p where p.id = booking.policy_version_id;
  select * into v_open from app_public.payments y
  where y.booking_id = booking.id and app_private.is_open(y.status) for no key update;
  v_kept := app_private.kept_of(booking.id);
  if v_policy.payment = 'none' and not booking.demands_deposit and v_open.id is null and v_kept = 0 then
    return;
  end if;
  if has_just_ended and booking.status not in ('completed', 'no_show') then
    perform app_private.give_back_money(booking.id, least(booking.refund, v_kept));
  elsif v_kept > booking.price then
    perform app_private.give_back_money(booking.id, v_kept - booking.price);
  end if;
  v_missing := greatest(app_private.to_be_paid(booking, v_policy) - v_kept, 0);
  if v_open.id is not null and v_open.amount <> v_missing then
    update app_public.payments y set status = 'cancelled', next_attempt_at = null, checkout_url = null
    where y.id = v_open.id;
    v_open := null;
  end if;
  if v_missing > 0 and v_open.id is null then
    perform app_private.ask_for_payment(booking, v_policy, v_missing, v_kept);
  end if;
end
$$;
create or replace function app_private.settle_payment(
  payment_id uuid, method app_public.payment_method, reference text default null
) returns app_public.payments
language plpgsql volatile
as $$
declare
  v_payment app_public.payments;
  v_before app_public.payments;
  v_booking app_public.bookings;
  v_policy app_public.policy_versions;
  v_now timestamptz;
begin
  select * into v_payment from app_public.payments y where y.id = settle_payment.payment_id;
  v_booking := app_private.lock_booking(v_payment.booking_id);
  select * into v_before from app_public.payments y where y.id = settle_payment.payment_id for no key update;
  v_now := app_private.clock();
  if v_before.processed_at is not null then
    return v_before;
  end if;
  update app_public.payments y
  set status = 'paid', method = settle_payment.method, reference = coalesce(settle_payment.reference, y.reference),
      processed_at = v_now, checkout_url = null, attempts = 0, error_code = null,
      refund_due = case when y.status = 'cancelled' then y.amount else 0 end,
      next_attempt_at = case when y.status = 'cancelled' and settle_payment.method = 'stripe' then v_now end
  where y.id = v_before.id
  returning * into v_payment;
  if v_before.status = 'cancelled' then
    return v_payment;
  end if;
  if v_booking.awaits_payment then
    select * into v_policy from app_public.policy_versions p where p.id = v_booking.policy_version_id;
    v_booking := app_private.set_terms(v_booking.id,
      app_private.terms_of(v_policy, v_booking.starts_at, v_booking.made_at, null), v_booking.answered_at);
    perform app_private.tell_provider(null, v_booking);
  end if;
  perform app_private.notify_customer(v_booking.customer_id, 'payment_received', v_booking.id, null,
    jsonb_build_object('paymentId', v_payment.id));
  return v_payment;
end
$$;
create or replace function app_private.note_refund(payment_id uuid, total numeric) returns app_public.payments
language plpgsql volatile
as $$
declare
  v_before app_public.payments;
  v_payment app_public.payments;
  v_total numeric;
begin
  select * into v_before from app_public.payments y where y.id = note_refund.payment_id for no key update;
  v_total := greatest(v_before.refunded, least(total, v_before.amount));
  update app_public.payments y
  set refunded = v_total, refund_due = greatest(y.refund_due, v_total),
      status = case when v_total = y.amount then 'refunded' when v_total > 0 then 'partly_refunded' else y.status::text
        end::app_public.payment_status,
      refunding = case when y.refunding > v_total then y.refunding end,
      next_attempt_at = case
        when y.refunding > v_total then y.next_attempt_at
        when app_private.gives_back_by_itself(y) and y.refund_due > v_total then app_private.clock() end,
      attempts = case when y.refunding > v_total then y.attempts else 0 end,
      error_code = case when y.refunding > v_total then y.error_code end
  where y.id = v_before.id
  returning * into v_payment;
  if v_payment.refunded > v_before.refunded then
    perform app_private.notify_customer(b.customer_id, 'payment_refunded', b.id, null,
      jsonb_build_object('paymentId', v_payment.id, 'amount', v_payment.refunded - v_before.refunded))
    from app_public.bookings b where b.id = v_payment.booking_id;
  end if;
  return v_payment;
end
$$;
revoke execute on function
  app_private.is_open(app_public.payment_status), app_private.kept_of(uuid),
  app_private.to_be_paid_first(app_public.policy_versions, numeric, text, boolean),
  app_private.to_be_paid(app_public.bookings, app_public.policy_versions),
  app_private.asking_price(app_public.offerings, uuid, app_private.party, app_public.policy_versions),
  app_private.until_paid(app_private.booking_terms, app_public.policy_versions, numeric, timestamptz, timestamptz),
  app_private.set_terms(uuid, app_private.booking_terms, timestamptz),
  app_private.gives_back_by_itself(app_public.payments), app_private.give_back_money(uuid, numeric),
  app_private.ask_for_payment(app_public.bookings, app_public.policy_versions, numeric, numeric),
  app_private.keep_payments(app_public.bookings, boolean),
  app_private.settle_payment(uuid, app_public.payment_method, text), app_private.note_refund(uuid, numeric) from public;

-- functions/booking_core.sql
create or replace function app_private.terms_of(
  policy app_public.policy_versions, starts_at timestamptz, made_at timestamptz, answer_by timestamptz
) returns app_private.booking_terms
language sql immutable
return case
  when answer_by is not null then row('pending', answer_by, null, null, null, null, null)::app_private.booking_terms
  when app_private.elapsed(made_at, starts_at) < policy.confirm_if_booked_before then
    row('confirmed', null, null, made_at, 'booking', null, null)::app_private.booking_terms
  else row('confirmed', null, starts_at - policy.confirm_deadline, null, null, null, null)::app_private.booking_terms
end;
comment on function app_private.terms_of(app_public.policy_versions, timestamptz, timestamptz, timestamptz) is 'What a booking made (claimed, moved) at a moment begins as: pending where a manager has to agree, and by when; with attendance confirmed if made close to its start; else to be confirmed by the deadline.';
create or replace function app_private.insert_booking(
  offering_id uuid, customer_id uuid, policy app_public.policy_versions, during tstzrange, party app_private.party,
  wishes app_private.wishes, created_by uuid, at timestamptz, terms app_private.booking_terms, hold_expires_at timestamptz default null,
  slot_id uuid default null, room tstzrange default null
) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_room tstzrange := case when slot_id is null then coalesce(room, app_private.room_for(offering_id, during, policy))
    else during end;
  v_booking app_public.bookings;
begin
  insert into app_public.bookings (
    organization_id, offering_id, slot_id, customer_id, policy_version_id, reference, status, starts_at, ends_at, room,
    party_size, adults, children, infants, places, person_price, adult_price, child_price, infant_price, subtotal,
    discount, tax, tax_included, purpose, special_requests, dietary_needs, access_needs, price, currency, created_by, created_at, made_at, hold_expires_at, unclaimed, request_expires_at,
    confirm_by, attendance_confirmed_at, attendance_confirmed_how, provider_id, customer_address, customer_phone, awaits_payment,
    demands_deposit)
  select f.organization_id, f.id, insert_booking.slot_id, insert_booking.customer_id, policy.id,
    app_private.new_reference(f.organization_id, at), terms.status, lower(during), upper(during),
    v_room,
    party.size, party.adults, party.children, party.infants, party.places, q.person_price, q.adult_price,
    q.child_price, q.infant_price, q.subtotal, q.discount, q.tax, q.tax_included, wishes.purpose,
    wishes.special_requests, wishes.dietary_needs, wishes.access_needs,
    case when insert_booking.slot_id is null then f.price else q.price end, g.currency,
    insert_booking.created_by, at, at, insert_booking.hold_expires_at, terms.status = 'held', terms.request_expires_at, terms.confirm_by,
    terms.attendance_confirmed_at, terms.attendance_confirmed_how,
    case when insert_booking.slot_id is null then app_private.provider_for(f.id, during, v_room, wishes.provider_id) end,
    wishes.customer_address, wishes.customer_phone, coalesce(terms.awaits_payment, false),
    coalesce(terms.demands_deposit, false)
  from app_public.offerings f join app_public.organizations g on g.id = f.organization_id
  left join app_private.quote_for_slot(insert_booking.slot_id, party, policy) q on true
  where f.id = insert_booking.offering_id
  returning * into v_booking;
  perform app_private.take_room(v_booking);
  return v_booking;
end
$$;
create or replace function app_private.unless_erased(words text, customer_id uuid) returns text
language sql stable
return case when not app_private.is_erased(customer_id) then words end;
comment on function app_private.unless_erased(text, uuid) is 'What is said of a booking, which may name its customer: null once they are erased. Asked under a lock that erasing them takes as well: theirs, or that of the room of a live booking.';
revoke execute on function app_private.unless_erased(text, uuid) from public;
revoke execute on function
  app_private.find_offering(uuid), app_private.policy_of(app_public.offerings), app_private.default_policy(uuid),
  app_private.new_reference(uuid, timestamptz),
  app_private.terms_of(app_public.policy_versions, timestamptz, timestamptz, timestamptz),
  app_private.insert_booking(uuid, uuid, app_public.policy_versions, tstzrange, app_private.party, app_private.wishes, uuid, timestamptz, app_private.booking_terms, timestamptz, uuid, tstzrange),
  app_private.end_booking(uuid, app_public.booking_status, text, uuid, numeric), app_private.lock_booking(uuid),
  app_private.require_booking(uuid, boolean, boolean),
  app_private.lock_customer(uuid), app_private.customer_of_user(uuid, uuid),
  app_private.refuse_if_blacked_out(uuid, timestamptz, timestamptz, uuid),
  app_private.check_times(uuid, app_public.policy_versions, tstzrange, timestamptz, boolean, uuid),
  app_private.check_daily_bookings(uuid, uuid, app_public.policy_versions, timestamptz, uuid),
  app_private.has_booking_there(uuid, uuid, tstzrange),
  app_private.refuse_if_taken(uuid, app_public.policy_versions, tstzrange, timestamptz, uuid, uuid),
  app_private.overlapping_entries(app_public.bookings, boolean),
  app_private.close_overlapping_entries(app_public.bookings, boolean)
from public;

-- functions/create_booking.sql
create or replace function app_private.book(
  customer app_public.customers, offering_id uuid, during tstzrange, slot_id uuid, party app_private.party,
  wishes app_private.wishes,
  created_by uuid, as_manager boolean, needs_confirmation boolean, tells boolean default true
) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_offering app_public.offerings;
  v_policy app_public.policy_versions;
  v_slot app_public.slots;
  v_during tstzrange := during;
  v_party app_private.party := app_private.without_ages(party);
  v_price numeric;
  v_terms app_private.booking_terms;
  v_booking app_public.bookings;
  v_now timestamptz;
begin
  perform app_private.lock_room(array[offering_id]);
  v_now := app_private.clock();
  v_offering := app_private.find_offering(offering_id);
  perform app_private.check_allocation(v_offering, slot_id is not null);
  v_policy := app_private.policy_of(v_offering);
  perform app_private.check_provider(offering_id, wishes.provider_id);
  if slot_id is null then
    perform app_private.check_times(offering_id, v_policy, during, v_now, not as_manager, wishes.provider_id);
  else
    v_slot := app_private.find_slot(slot_id, offering_id);
    v_during := tstzrange(v_slot.starts_at, v_slot.ends_at);
    v_party := app_private.places_for(party, v_policy);
    perform app_private.check_slot(v_slot, v_policy, v_party, v_now, not as_manager);
  end if;
  if not as_manager then
    perform app_private.check_daily_bookings(customer.id, offering_id, v_policy, lower(v_during), null);
  end if;
  if slot_id is null then
    perform app_private.refuse_if_taken(offering_id, v_policy, during, v_now, customer.id, wishes.provider_id);
  else
    perform app_private.refuse_if_full(v_slot, v_policy, v_party, v_now, customer.id);
  end if;

  -- A manager who enters a booking gives the room away; its payment is open all the same.
  if as_manager then
    v_terms := app_private.terms_of(v_policy, lower(v_during), v_now, null);
  else
    v_price := app_private.asking_price(v_offering, v_slot.id, v_party, v_policy);
    v_terms := app_private.terms_for(v_policy, customer.id, v_price,
      (select g.currency from app_public.organizations g where g.id = v_offering.organization_id), lower(v_during),
      case when app_private.needs_approval(v_policy, customer.id, v_price, v_now)
        then app_private.answer_by_if_booked(v_policy, offering_id, slot_id, v_during, wishes.provider_id, v_now) end,
      v_now);
  end if;
  if not needs_confirmation then
    v_terms.confirm_by := null;
    v_terms.attendance_confirmed_at := v_now;
    v_terms.attendance_confirmed_how := 'not_needed';
  end if;
  v_booking := app_private.insert_booking(
    offering_id, customer.id, v_policy, v_during, v_party, app_private.checked_visit(v_offering, customer, wishes),
    created_by, v_now, v_terms, null, slot_id);
  perform app_private.close_overlapping_entries(v_booking);
  perform app_private.tell_of_booking(v_booking, 'booking_received') where tells;
  return v_booking;
end
$$;

-- functions/modify_booking.sql
create or replace function app_private.retime_booking(
  booking app_public.bookings, policy app_public.policy_versions, during tstzrange, room tstzrange, as_manager boolean,
  now_at timestamptz
) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_demands_deposit boolean := case when as_manager then booking.demands_deposit
    else app_private.demands_deposit(policy, booking.customer_id, booking.price, now_at) end;
  v_terms app_private.booking_terms;
  v_booking app_public.bookings;
begin
  v_terms := app_private.terms_of(policy, lower(during), now_at,
    case when not as_manager and app_private.needs_approval(policy, booking.customer_id, booking.price, now_at)
      then app_private.answer_by(policy, booking.offering_id, booking.provider_id, lower(during), now_at, now_at) end);
  if booking.attendance_confirmed_how = 'not_needed' and v_terms.status = 'confirmed' then
    -- That was no answer to a reminder: whoever could not be asked before cannot be asked now.
    v_terms.confirm_by := null;
    v_terms.attendance_confirmed_at := now_at;
    v_terms.attendance_confirmed_how := 'not_needed';
  end if;
  if booking.awaits_payment or v_demands_deposit and not as_manager then
    v_terms := app_private.until_paid(v_terms, policy,
      app_private.to_be_paid_first(policy, booking.price, booking.currency, v_demands_deposit)
        - app_private.kept_of(booking.id), lower(during), now_at);
  end if;
  -- Whoever has still to pay has no longer for having moved.
  if booking.awaits_payment then
    v_terms.request_expires_at := least(v_terms.request_expires_at, booking.request_expires_at);
  end if;
  update app_public.bookings b
  set starts_at = lower(during), ends_at = upper(during), room = retime_booking.room,
      awaits_payment = coalesce(v_terms.awaits_payment, false), demands_deposit = v_demands_deposit,
      status = v_terms.status, request_expires_at = v_terms.request_expires_at, confirm_by = v_terms.confirm_by,
      attendance_confirmed_at = v_terms.attendance_confirmed_at,
      attendance_confirmed_how = v_terms.attendance_confirmed_how,
      made_at = now_at, answered_at = null, provider_reminded_at = null, sequence = b.sequence + 1, reminders_done = 0, reminder_sent_at = null,
      spared_at = null, would_auto_cancel_at = null,
      -- Whoever could not get all of it back any more does not by moving it far ahead; a manager's move is not theirs.
      refund_share = case when as_manager then b.refund_share
        else least(b.refund_share, app_private.refund_share(b.starts_at, policy, now_at)) end,
      -- A manager's exemption was for the time it was given for.
      override_at = case when as_manager then b.override_at end,
      override_by = case when as_manager then b.override_by end,
      override_reason = case when as_manager then b.override_reason end
  where b.id = booking.id
  returning * into v_booking;
  return v_booking;
end
$$;
create or replace function app_private.note_modification(before app_public.bookings, after app_public.bookings) returns void
language sql volatile
as $$
  insert into app_public.booking_modifications (
    organization_id, booking_id, modified_by, from_slot_id, to_slot_id, from_starts_at, to_starts_at, from_ends_at,
    to_ends_at, from_party_size, to_party_size, from_price, to_price, from_provider_id, to_provider_id)
  select after.organization_id, after.id, app_private.current_user_id(), before.slot_id, after.slot_id, before.starts_at,
    after.starts_at, before.ends_at, after.ends_at, before.party_size, after.party_size, before.price, after.price, before.provider_id, after.provider_id
  where (before.starts_at, before.ends_at, before.party_size, before.price, before.adults, before.children)
    is distinct from (after.starts_at, after.ends_at, after.party_size, after.price, after.adults, after.children)
    or before.slot_id is distinct from after.slot_id or before.provider_id is distinct from after.provider_id
$$;
create or replace function app_public.modify_booking(
  booking_id uuid, starts_at timestamptz default null, ends_at timestamptz default null,
  local_starts_at timestamp default null, local_ends_at timestamp default null, purpose text default null,
  slot_id uuid default null, party_size integer default null, adults integer default null, children integer default null,
  infants integer default null, special_requests text default null, dietary_needs text default null,
  access_needs text default null, provider_id uuid default null, customer_address text default null,
  customer_phone text default null
) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking_to_modify(booking_id);
  v_before app_public.bookings := v_booking;
  v_during tstzrange := tstzrange(v_booking.starts_at, v_booking.ends_at);
begin
  perform app_private.check_provider(v_booking.offering_id, provider_id);
  if v_booking.slot_id is null and num_nonnulls(slot_id, party_size, adults, children, infants) > 0 then
    perform app_private.fail('RSARG', 'This was booked by the hour; it has no slot, and its party is just a number.');
  elsif num_nonnulls(starts_at, ends_at, local_starts_at, local_ends_at) > 0 then
    if v_booking.slot_id is not null then
      perform app_private.fail('RSARG', 'A slot has its own start and end: leave them out.');
    end if;
    v_during := app_private.requested_range(v_booking.offering_id, starts_at, ends_at, local_starts_at, local_ends_at);
  end if;
  if num_nonnulls(purpose, special_requests, dietary_needs, access_needs, customer_address, customer_phone) > 0 then
    v_booking := app_private.change_words(v_booking, row(
      purpose, special_requests, dietary_needs, access_needs, null, customer_address, customer_phone)::app_private.wishes);
  end if;
  if v_during <> tstzrange(v_before.starts_at, v_before.ends_at) then
    v_booking := app_private.move_booking(
      v_booking, v_during, app_private.is_manager_of(v_booking.offering_id), modify_booking.provider_id);
  elsif modify_booking.provider_id <> v_booking.provider_id then
    v_booking := app_private.ask_for_provider(v_booking, modify_booking.provider_id);
  elsif num_nonnulls(slot_id, party_size, adults, children, infants) > 0 then
    v_booking := app_private.change_places(v_booking, slot_id,
      case when num_nonnulls(party_size, adults, children, infants) > 0
        then app_private.checked_party(party_size, adults, children, infants) end);
  end if;
  if to_jsonb(v_before) <> to_jsonb(v_booking) then
    perform app_private.note_modification(v_before, v_booking);
    perform app_private.tell_provider(v_before, v_booking);
    if v_booking.status = 'pending' and not v_booking.awaits_payment and v_before.sequence <> v_booking.sequence then
      perform app_private.tell_who_decides(v_booking);
    end if;
    perform app_private.notify_customer(v_booking.customer_id, 'booking_modified', v_booking.id, null, jsonb_build_object(
      'sequence', v_booking.sequence, 'status', v_booking.status,
      'actor', case when app_private.is_customer(v_booking.customer_id) then 'customer' else 'manager' end, 'previous', jsonb_build_object(
        'startsAt', v_before.starts_at, 'endsAt', v_before.ends_at,
        'partySize', v_before.party_size, 'price', v_before.price,
        'provider', app_private.previous_provider(v_before, v_booking),
        'purpose', case when v_before.purpose is distinct from v_booking.purpose then coalesce(v_before.purpose, '') end)));
  end if;
  return v_booking;
end
$$;

-- functions/cancel_booking.sql
create or replace function app_private.end_booking_by_customer(booking_id uuid, reason text default null) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_before app_public.bookings := v_booking;
begin
  if v_booking.status = 'cancelled' then
    return v_booking;
  elsif v_booking.status not in ('pending', 'confirmed') then
    perform app_private.fail('RSSTA', format('This booking is %s and cannot be cancelled.', replace(v_booking.status::text, '_', ' ')));
  elsif v_booking.starts_at <= app_private.clock() then
    perform app_private.fail('RSTIM', 'This booking has begun; please talk to the organiser.');
  end if;
  v_booking := app_private.end_booking(v_booking.id, 'cancelled', app_private.checked_text(reason, 500),
    refund => app_private.refund_of(v_booking, app_private.clock()));
  perform app_private.notify_customer(v_booking.customer_id, 'booking_cancelled', v_booking.id, null,
    jsonb_build_object('actor', 'customer', 'reason', v_booking.ended_reason));
  perform app_private.tell_provider(v_before, v_booking);
  return v_booking;
end
$$;
create or replace function app_private.end_booking_by_manager(booking_id uuid, reason text, refund numeric default null) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_before app_public.bookings := v_booking;
begin
  if v_booking.status = 'cancelled' then
    return v_booking;
  elsif v_booking.status not in ('pending', 'confirmed', 'in_progress') then
    perform app_private.fail('RSSTA', format('This booking is %s and cannot be cancelled.', replace(v_booking.status::text, '_', ' ')));
  elsif app_private.checked_text(reason, 500) is null then
    perform app_private.fail('RSARG', 'Please give a reason; the customer is told.');
  elsif refund < 0 or refund > v_booking.price or refund <> app_private.rounded(refund, app_private.minor_unit(v_booking.currency)) then
    perform app_private.fail('RSARG', 'The refund has to be an amount from nothing up to the price.');
  end if;
  v_booking := app_private.end_booking(v_booking.id, 'cancelled',
    app_private.unless_erased(app_private.checked_text(reason, 500), v_booking.customer_id),
    refund => coalesce(refund, v_booking.price));
  perform app_private.notify_customer(v_booking.customer_id, 'booking_cancelled', v_booking.id, null,
    jsonb_build_object('actor', 'manager', 'reason', v_booking.ended_reason,
      'alternatives', app_private.alternatives_to(v_booking)));
  perform app_private.tell_provider(v_before, v_booking);
  return v_booking;
end
$$;

-- functions/approve_booking.sql
create or replace function app_private.agree_to(booking app_public.bookings, note text, now_at timestamptz) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_policy app_public.policy_versions;
  v_terms app_private.booking_terms;
begin
  select * into v_policy from app_public.policy_versions p where p.id = booking.policy_version_id;
  v_terms := app_private.until_paid(
    app_private.terms_of(v_policy, booking.starts_at, booking.made_at, null), v_policy,
    app_private.to_be_paid_first(v_policy, booking.price, booking.currency, booking.demands_deposit)
      - app_private.kept_of(booking.id),
    booking.starts_at, now_at);
  perform set_config('reslot.reason', coalesce(note, ''), true);
  return app_private.set_terms(booking.id, v_terms, now_at);
end
$$;
comment on function app_private.agree_to(app_public.bookings, text, timestamptz) is 'What a locked request becomes that was agreed to: confirmed, or pending until it is paid.';
create or replace function app_private.approve(booking_id uuid, note text default null) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_before app_public.bookings := v_booking;
  v_note text := app_private.checked_text(note, 500);
begin
  if v_booking.status = 'confirmed' or v_booking.awaits_payment then
    return v_booking;
  elsif v_booking.status <> 'pending' then
    perform app_private.fail('RSSTA', format('This booking is %s and waits for no approval.', replace(v_booking.status::text, '_', ' ')));
  elsif v_booking.request_expires_at <= app_private.clock() then
    perform app_private.fail('RSEXP', 'This request was not answered in time.');
  end if;
  v_booking := app_private.agree_to(v_booking, v_note, app_private.clock());
  -- What is to be paid first has a mail of its own, which says that they agree.
  if v_booking.awaits_payment then
    return v_booking;
  end if;
  perform app_private.notify_customer(v_booking.customer_id, 'booking_approved', v_booking.id, null,
    jsonb_build_object('sequence', v_booking.sequence, 'reason', v_note));
  perform app_private.tell_provider(v_before, v_booking);
  return v_booking;
end
$$;
revoke execute on function
  app_private.agree_to(app_public.bookings, text, timestamptz), app_private.approve(uuid, text), app_private.reject(uuid, text), app_private.lock_managed_booking(uuid),
  app_private.serves(app_public.bookings), app_private.lock_served_booking(uuid),
  app_public.approve_booking(uuid, text), app_public.reject_booking(uuid, text), app_public.accept_booking(uuid, text)
from public;

-- functions/mark_no_show.sql
create or replace function app_public.mark_no_show(booking_id uuid, reason text default null) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
begin
  -- The customer first, who may be on their way to be erased: of what is completed they no longer lock the room.
  perform from app_public.bookings b join app_public.customers c on c.id = b.customer_id
  where b.id = mark_no_show.booking_id and app_private.serves(b) for no key update of c;
  v_booking := app_private.lock_served_booking(booking_id);
  if v_booking.status = 'no_show' then
    return v_booking;
  elsif v_booking.delivered_at is not null then
    perform app_private.fail('RSSTA', 'This booking was delivered.');
  elsif v_booking.status not in ('confirmed', 'in_progress', 'completed') then
    perform app_private.fail('RSSTA', format('This booking is %s.', replace(v_booking.status::text, '_', ' ')));
  elsif v_booking.starts_at > app_private.clock() then
    perform app_private.fail('RSTIM', 'This booking has not begun yet.');
  end if;
  return app_private.end_booking(v_booking.id, 'no_show',
    app_private.unless_erased(app_private.checked_text(reason, 500), v_booking.customer_id));
end
$$;

-- functions/series_payments.sql
-- Each date of a series has a payment of its own, which a trigger asks for; whoever books or agrees to many at once tells of
-- them in one message.

create or replace function app_private.tell_together(together boolean) returns void
language sql volatile
as $$
  select set_config('reslot.tells_together', case when together then 'on' else '' end, true)
$$;
comment on function app_private.tell_together(boolean) is 'From now on in this transaction payments are asked for without a message each, or again with one. Whoever says so tells of them (tell_of_payments); that somebody has is an invariant.';

create or replace function app_private.messages_about(payment app_public.payments) returns bigint
language sql stable
as $$
  select count(*)
  from app_public.bookings b
  join app_public.notifications n on n.customer_id = b.customer_id
  where b.id = payment.booking_id
    and (n.kind = 'payment_due' and n.data ->> 'paymentId' = payment.id::text
      or n.kind = 'series_payment_due' and n.data -> 'paymentIds' ? payment.id::text)
$$;
comment on function app_private.messages_about(app_public.payments) is 'How often its customer was told that a payment is due.';

create or replace function app_private.tell_of_payments(booking_ids uuid[], data jsonb default '{}') returns void
language plpgsql volatile
as $$
declare
  v_ids uuid[];
  v_first app_public.bookings;
begin
  v_ids := array(
    select y.id from app_public.payments y join app_public.bookings b on b.id = y.booking_id
    where b.id = any (booking_ids) and app_private.is_open(y.status) and app_private.messages_about(y) = 0
    order by b.starts_at, y.id);
  if v_ids = '{}' then
    return;
  end if;
  select b.* into v_first from app_public.payments y join app_public.bookings b on b.id = y.booking_id where y.id = v_ids[1];
  perform app_private.notify_customer(v_first.customer_id, 'series_payment_due', v_first.id, null,
    jsonb_build_object('paymentIds', v_ids) || tell_of_payments.data);
end
$$;
comment on function app_private.tell_of_payments(uuid[], jsonb) is 'Tells the customer in one message what is to be paid for many bookings, as far as nobody has told them yet.';

revoke execute on function
  app_private.tell_together(boolean), app_private.messages_about(app_public.payments),
  app_private.tell_of_payments(uuid[], jsonb)
from public;

-- functions/series_rules.sql
-- The rule of a series is the part of RFC 5545 that people use for appointments; it is worked out here, so that a series is
-- made in one transaction, under one set of locks, also from psql.

create or replace function app_private.check_rule(rule app_private.series_rule) returns void
language plpgsql immutable
as $$
declare
  v_by_month boolean := rule.freq = 'MONTHLY' or rule.freq = 'YEARLY' and rule.months is not null;
  v_ordinals integer[] := array(
    select abs(left(w, -2)::integer) from unnest(rule.weekdays) w where length(w) > 2);
begin
  if num_nonnulls(rule.times, rule.until) <> 1 then
    perform app_private.fail('RSARG', 'Say either how often (COUNT) or until which date (UNTIL).');
  elsif v_ordinals <> '{}' and rule.freq not in ('MONTHLY', 'YEARLY') then
    perform app_private.fail('RSARG', 'Only months and years have a first or last weekday.');
  elsif 0 = any (v_ordinals) or (case when v_by_month then 5 else 53 end) < any (v_ordinals) then
    perform app_private.fail('RSARG', 'A month has up to 5 of a weekday, a year up to 53.');
  elsif v_ordinals <> '{}' and rule.freq = 'YEARLY' and rule.month_days is not null then
    perform app_private.fail('RSARG', 'Of years, BYMONTHDAY does not go with a first or last weekday.');
  elsif rule.freq = 'WEEKLY' and rule.month_days is not null or exists (
    select from unnest(rule.month_days) d where abs(d) > 31
  ) then
    perform app_private.fail('RSARG', 'BYMONTHDAY has days from 1 to 31, or from -1 to -31, and does not go with weeks.');
  elsif 12 < any (rule.months) then
    perform app_private.fail('RSARG', 'BYMONTH has months from 1 to 12.');
  elsif rule.positions is not null and num_nonnulls(rule.weekdays, rule.month_days, rule.months) = 0 or exists (
    select from unnest(rule.positions) p where abs(p) > 366
  ) then
    perform app_private.fail('RSARG', 'BYSETPOS chooses among what BYDAY, BYMONTHDAY or BYMONTH say: from 1 to 366, or from -1 to -366.');
  end if;
end
$$;
comment on function app_private.check_rule(app_private.series_rule) is 'Refuses what is no rule, or never ends. Errors: RSARG.';

create or replace function app_private.parsed_rule(rrule text) returns app_private.series_rule
language plpgsql immutable
as $$
declare
  v_rule app_private.series_rule;
  v_weekday constant text := '(MO|TU|WE|TH|FR|SA|SU)';
  v_day constant text := '([+-]?[0-9]{1,2})?' || v_weekday;
  v_two constant text := '[1-9][0-9]?';
begin
  if length(rrule) > 500
     or rrule !~ format('^FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;(INTERVAL=%1$s|COUNT=[1-9][0-9]{0,3}|UNTIL=[0-9]{8}|WKST=%2$s'
       '|BYDAY=%3$s(,%3$s)*|BYMONTHDAY=-?%1$s(,-?%1$s)*|BYMONTH=%1$s(,%1$s)*|BYSETPOS=-?%1$s[0-9]?(,-?%1$s[0-9]?)*))*$',
       v_two, v_weekday, v_day)
     or rrule ~ ';([A-Z]+)=.*;\1=' then
    perform app_private.fail('RSARG', 'A rule is made of FREQ (DAILY, WEEKLY, MONTHLY or YEARLY), INTERVAL, BYMONTH, BYMONTHDAY, BYDAY, BYSETPOS, WKST, COUNT and UNTIL (a date), each once, such as FREQ=WEEKLY;BYDAY=TU;COUNT=10.');
  end if;
  v_rule.freq := substring(rrule from '^FREQ=([A-Z]+)');
  v_rule.every := coalesce(substring(rrule from ';INTERVAL=([0-9]+)')::integer, 1);
  v_rule.times := substring(rrule from ';COUNT=([0-9]+)')::integer;
  v_rule.weekdays := string_to_array(substring(rrule from ';BYDAY=([^;]+)'), ',');
  v_rule.month_days := string_to_array(substring(rrule from ';BYMONTHDAY=([^;]+)'), ',')::integer[];
  v_rule.months := string_to_array(substring(rrule from ';BYMONTH=([^;]+)'), ',')::integer[];
  v_rule.positions := string_to_array(substring(rrule from ';BYSETPOS=([^;]+)'), ',')::integer[];
  v_rule.week_start := coalesce(
    array_position('{MO,TU,WE,TH,FR,SA,SU}'::text[], substring(rrule from ';WKST=([A-Z]+)')), 1);
  begin
    v_rule.until := make_date(substring(rrule from ';UNTIL=([0-9]{4})')::integer,
      substring(rrule from ';UNTIL=[0-9]{4}([0-9]{2})')::integer, substring(rrule from ';UNTIL=[0-9]{6}([0-9]{2})')::integer);
  exception
    when datetime_field_overflow then
      perform app_private.fail('RSARG', 'The date in UNTIL does not exist.');
  end;
  perform app_private.check_rule(v_rule);
  return v_rule;
end
$$;
comment on function app_private.parsed_rule(text) is 'A rule taken apart. Errors: RSARG what is no rule, or never ends.';

-- Each day is asked whether the rule means it, from the first of the week, month or year on: a position counts those before
-- the first date as well, and from the end also those after the last.
create or replace function app_private.dates_of_rule(rule app_private.series_rule, first_date date, at_most integer)
returns setof date
language sql immutable
as $$
  with bounds as (
    select least(rule.until, first_date + 3660) as last, case rule.freq
      when 'DAILY' then first_date
      when 'WEEKLY' then first_date - (extract(isodow from first_date)::integer - rule.week_start + 7) % 7
      else date_trunc(left(rule.freq, -2), first_date::timestamp)::date end as since
  ),
  days as (
    select d.on_date, extract(day from d.on_date)::integer as in_month, extract(month from d.on_date)::integer as month,
      extract(isodow from d.on_date)::integer as in_week, extract(doy from d.on_date)::integer as in_year,
      extract(day from date_trunc('month', d.on_date::timestamp) + interval '1 month -1 day')::integer as days_in_month,
      extract(doy from date_trunc('year', d.on_date::timestamp) + interval '1 year -1 day')::integer as days_in_year,
      case rule.freq when 'DAILY' then n when 'WEEKLY' then n / 7
        else (extract(year from d.on_date) - extract(year from first_date))::integer
          * case rule.freq when 'MONTHLY' then 12 else 1 end
          + case rule.freq when 'MONTHLY' then (extract(month from d.on_date) - extract(month from first_date))::integer
            else 0 end end as period
    from bounds b
    cross join lateral generate_series(0, b.last - b.since + case when rule.positions is null then 0 else 366 end) n
    cross join lateral (select b.since + n as on_date) d
  ),
  meant as (
    select d.on_date, row_number() over (partition by d.period order by d.on_date) as nth,
      row_number() over (partition by d.period order by d.on_date desc) as nth_last
    from days d
    where d.period % rule.every = 0 and case
        when rule.months is not null then d.month = any (rule.months)
        when rule.freq = 'YEARLY' and num_nonnulls(rule.weekdays, rule.month_days) = 0 then
          d.month = extract(month from first_date)
        else true end
      and case
        when rule.weekdays is not null then exists (
          select from unnest(rule.weekdays) w
          where right(w, 2) = ('{MO,TU,WE,TH,FR,SA,SU}'::text[])[d.in_week]
            and (length(w) = 2 or left(w, -2)::integer in (
              case when rule.freq = 'YEARLY' and rule.months is null then (d.in_year - 1) / 7 + 1
                else (d.in_month - 1) / 7 + 1 end,
              case when rule.freq = 'YEARLY' and rule.months is null then -((d.days_in_year - d.in_year) / 7 + 1)
                else -((d.days_in_month - d.in_month) / 7 + 1) end)))
        when rule.freq = 'WEEKLY' then d.in_week = extract(isodow from first_date)
        else true end
      and case
        when rule.month_days is not null then
          d.in_month = any (rule.month_days) or d.in_month - d.days_in_month - 1 = any (rule.month_days)
        when rule.freq in ('MONTHLY', 'YEARLY') and rule.weekdays is null then
          d.in_month = extract(day from first_date)
        else true end
  )
  select m.on_date from meant m, bounds b
  where m.on_date between first_date and b.last
    and (rule.positions is null or m.nth = any (rule.positions) or -m.nth_last = any (rule.positions))
  order by m.on_date
  limit least(rule.times, at_most)
$$;
comment on function app_private.dates_of_rule(app_private.series_rule, date, integer) is 'The dates of a rule from the first on, at most so many, and none after ten years.';

create or replace function app_private.series_dates(series app_public.recurring_bookings, policy app_public.policy_versions)
returns date[]
language plpgsql stable
as $$
declare
  -- Taken apart once: inside the query it would be for every day of ten years.
  v_rule app_private.series_rule := app_private.parsed_rule(series.rrule);
  -- What is left out was counted by COUNT, and does not count here.
  v_dates date[] := array(
    select d from app_private.dates_of_rule(v_rule, series.first_date,
      policy.series_max_occurrences + cardinality(series.except_dates) + 1) d
    where d <> all (series.except_dates));
begin
  if v_dates = '{}' then
    perform app_private.fail('RSARG', 'This rule has no dates.');
  elsif cardinality(v_dates) > policy.series_max_occurrences then
    perform app_private.fail('RSLIM', format('A series has at most %s dates.', policy.series_max_occurrences),
      jsonb_build_object('seriesMaxOccurrences', policy.series_max_occurrences));
  end if;
  return v_dates;
end
$$;
comment on function app_private.series_dates(app_public.recurring_bookings, app_public.policy_versions) is 'The dates of a series, without those that are left out. Errors: RSARG no rule, or none; RSLIM too many.';

revoke execute on function
  app_private.check_rule(app_private.series_rule), app_private.parsed_rule(text),
  app_private.dates_of_rule(app_private.series_rule, date, integer),
  app_private.series_dates(app_public.recurring_bookings, app_public.policy_versions)
from public;

-- functions/series.sql
-- Series: a rule of dates, and a booking for each.
create or replace function app_private.checked_series(
  offering_id uuid, rrule text, first_date date, local_start time, duration interval, except_dates date[]
) returns app_public.recurring_bookings
language plpgsql stable
as $$
declare
  v_offering app_public.offerings := app_private.find_offering(offering_id);
  v_series app_public.recurring_bookings;
begin
  perform app_private.check_allocation(v_offering, false);
  v_series.organization_id := v_offering.organization_id;
  v_series.offering_id := v_offering.id;
  v_series.rrule := regexp_replace(upper(btrim(rrule)), '^RRULE:', '');
  v_series.first_date := checked_series.first_date;
  v_series.local_start := checked_series.local_start;
  v_series.duration := app_private.in_seconds(coalesce(checked_series.duration, v_offering.duration));
  v_series.except_dates := coalesce(except_dates, '{}');
  if num_nulls(v_series.rrule, v_series.first_date, v_series.local_start, v_series.duration) > 0 then
    perform app_private.fail('RSARG', 'A series has a rule, a first date, a start and a duration.');
  elsif not v_series.first_date between '1900-01-02' and '8999-12-31' or v_series.local_start >= time '24:00'
     or not v_series.duration between interval '1 minute' and interval '720 hours' then
    perform app_private.fail('RSARG', 'The first date, the start or the duration cannot be right.');
  elsif cardinality(v_series.except_dates) > 366 or array_position(v_series.except_dates, null) is not null then
    perform app_private.fail('RSARG', 'At most 366 dates can be left out, each of them a date.');
  end if;
  return v_series;
end
$$;
comment on function app_private.checked_series(uuid, text, date, time, interval, date[]) is 'A series as it was asked for, not stored. Errors: RSNTF, RSARG.';
create or replace function app_public.preview_series(
  offering_id uuid, rrule text, first_date date, local_start time, duration interval default null,
  provider_id uuid default null, except_dates date[] default null
) returns setof app_public.series_occurrence
language plpgsql stable security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_series app_public.recurring_bookings := app_private.checked_series(offering_id, rrule, first_date, local_start, duration, except_dates);
  v_policy app_public.policy_versions := app_private.policy_of(app_private.find_offering(offering_id));
  v_customer uuid := (select c.id from app_public.customers c
    where c.user_id = app_private.current_user_id() and c.organization_id = v_series.organization_id);
  v_now timestamptz := app_private.clock();
  v_own tstzmultirange := '{}';
  v_during tstzrange;
  v_room tstzrange;
  v_date date;
  v_line app_public.series_occurrence;
begin
  perform app_private.check_provider(v_series.offering_id, provider_id);
  foreach v_date in array app_private.series_dates(v_series, v_policy) loop
    v_line := row(v_date, null, null, null, null, null);
    begin
      v_during := app_private.occurrence_range(v_series.offering_id, v_date, v_series.local_start, v_series.duration);
      v_line.starts_at := lower(v_during);
      v_line.ends_at := upper(v_during);
      perform app_private.check_times(v_series.offering_id, v_policy, v_during, v_now, true, provider_id);
      perform app_private.check_daily_bookings(v_customer, v_series.offering_id, v_policy, lower(v_during), null);
      v_room := app_private.room_for(v_series.offering_id, v_during, v_policy);
      -- A series may also stand in its own way.
      if v_own && v_room or not app_private.is_bookable(v_series.offering_id, v_during, v_room, provider_id) then
        perform app_private.fail('RSFUL', 'This time is taken.');
      end if;
      v_own := v_own + tstzmultirange(v_room);
    exception
      when others then
        if not app_private.is_conflict(sqlstate) then
          raise;
        end if;
        v_line.code := sqlstate;
        v_line.message := sqlerrm;
    end;
    return next v_line;
  end loop;
end
$$;
comment on function app_public.preview_series(uuid, text, date, time, interval, uuid, date[]) is 'What would come of a series: for each date its start and end, and what stands in the way, as it is at this moment; with `providerId`, for that provider. Changes nothing, keeps nothing. The rule is one of RFC 5545 with FREQ (DAILY, WEEKLY, MONTHLY, YEARLY), INTERVAL, BYMONTH, BYMONTHDAY, BYDAY, BYSETPOS, WKST and either COUNT or UNTIL; `exceptDates` are left out of it. Errors: RSNTF no such offering or provider, RSARG what is no rule, RSLIM more dates than the policy allows.';
comment on function app_private.tell_of_series(uuid[], text, jsonb) is 'Tells the customer of many bookings at once: one message instead of one each; of none nothing.';
create or replace function app_private.tell_providers_of_series(bookings app_public.bookings[], kind text, of_own_deeds boolean default false)
returns void
language sql volatile
as $$
  select app_private.notify_provider(p.bookings[1], kind, jsonb_build_object(
    'bookingIds', array(select o.id from unnest(p.bookings) o), 'status', (p.bookings[1]).status))
  from (
    select array_agg(o order by o.starts_at) as bookings from unnest(tell_providers_of_series.bookings) o
    where of_own_deeds or (o.provider_id in (select app_private.own_resource_ids())) is not true
    group by o.provider_id
  ) p
  order by (p.bookings[1]).starts_at
$$;
comment on function app_private.tell_providers_of_series(app_public.bookings[], text, boolean) is 'Tells each provider of several bookings in one message what of them is, or was, theirs; of their own deeds only if it says so.';
create or replace function app_private.ask_for_series(booking_ids uuid[]) returns void
language plpgsql volatile
as $$
declare
  v_ids uuid[] := array(
    select b.id from app_public.bookings b where b.id = any (booking_ids) and b.status = 'pending' and not b.awaits_payment
    order by b.starts_at);
begin
  if v_ids = '{}' then
    return;
  end if;
  perform app_private.notify_managers(b.offering_id, 'series_requested', b.id, null, jsonb_build_object('bookingIds', v_ids))
  from app_public.bookings b where b.id = v_ids[1];
  perform app_private.tell_providers_of_series(
    array(select b from app_public.bookings b where b.id = any (v_ids)), 'series_requested', of_own_deeds => true);
end
$$;
comment on function app_private.ask_for_series(uuid[]) is 'Tells who decides which of these bookings need a yes, if any do: managers of all, a provider of their own.';
create or replace function app_private.book_occurrences(
  series app_public.recurring_bookings, customer app_public.customers, party app_private.party, wishes app_private.wishes,
  created_by uuid, as_manager boolean, needs_confirmation boolean, skip_conflicts boolean
) returns app_public.recurring_bookings
language plpgsql volatile
as $$
declare
  v_series app_public.recurring_bookings;
  v_dates date[];
  v_date date;
  v_line app_public.series_occurrence;
  v_made uuid[] := '{}';
  v_told uuid[];
  v_conflicts app_public.series_occurrence[] := '{}';
begin
  -- Once, and before anything is tried: what is locked within a try that fails is not locked any more.
  perform app_private.lock_room(array[series.offering_id]);
  v_dates := app_private.series_dates(series, app_private.policy_of(app_private.find_offering(series.offering_id)));
  insert into app_public.recurring_bookings (
    organization_id, offering_id, rrule, first_date, local_start, duration, except_dates)
  values (series.organization_id, series.offering_id, series.rrule, series.first_date, series.local_start, series.duration,
    series.except_dates)
  returning * into v_series;
  perform app_private.tell_together(true);
  foreach v_date in array v_dates loop
    v_line := app_private.book_occurrence(v_series, v_date, customer, party, wishes, created_by, as_manager, needs_confirmation);
    if v_line.code is null then
      v_made := v_made || v_line.booking_id;
    else
      v_conflicts := v_conflicts || v_line;
    end if;
  end loop;
  perform app_private.tell_together(false);
  if not coalesce(skip_conflicts, false) or v_made = '{}' then
    perform app_private.refuse_conflicts(v_conflicts, cardinality(v_dates));
  end if;
  update app_public.recurring_bookings s set skipped = array(select c.local_date from unnest(v_conflicts) c)
  where s.id = v_series.id
  returning * into v_series;
  perform app_private.ask_for_series(v_made);
  -- Of what is to be paid first the mail that asks for it is the one that counts.
  v_told := array(select b.id from app_public.bookings b where b.id = any (v_made) and not b.awaits_payment);
  perform app_private.tell_of_series(v_told, 'series_booked', jsonb_build_object('skipped', v_series.skipped));
  perform app_private.tell_providers_of_series(
    array(select b from app_public.bookings b where b.id = any (v_told) and b.status = 'confirmed'), 'provider_booking');
  perform app_private.tell_of_payments(v_made, case when v_told = '{}'
    then jsonb_build_object('skipped', v_series.skipped) else '{}' end);
  return v_series;
end
$$;
create or replace function app_public.book_series(
  offering_id uuid, rrule text, first_date date, local_start time, duration interval default null,
  skip_conflicts boolean default false, party_size integer default 1, purpose text default null,
  special_requests text default null, dietary_needs text default null, access_needs text default null,
  idempotency_key text default null, provider_id uuid default null, customer_address text default null,
  customer_phone text default null, except_dates date[] default null
) returns app_public.recurring_bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users := app_private.require_user();
  v_series app_public.recurring_bookings := app_private.checked_series(offering_id, rrule, first_date, local_start, duration, except_dates);
  v_id uuid := app_private.begin_idempotent('book_series', idempotency_key,
    jsonb_build_array(offering_id, v_series.rrule, first_date, local_start, extract(epoch from v_series.duration),
      skip_conflicts, party_size, purpose, special_requests, dietary_needs, access_needs, provider_id, customer_address,
      customer_phone, v_series.except_dates));
begin
  if v_id is null then
    v_series := app_private.book_occurrences(v_series, app_private.customer_of_user(v_user.id, v_series.organization_id),
      app_private.checked_party(party_size), app_private.checked_wishes(
        purpose, special_requests, dietary_needs, access_needs, provider_id, customer_address, customer_phone),
      v_user.id, false, true, skip_conflicts);
    perform app_private.end_idempotent('book_series', idempotency_key, v_series.id);
    return v_series;
  end if;
  select * into v_series from app_public.recurring_bookings s where s.id = v_id;
  return v_series;
end
$$;
comment on function app_public.book_series(uuid, text, date, time, interval, boolean, integer, text, text, text, text, text, uuid, text, text, date[]) is 'Books a series for the signed-in user: a booking for each date of a rule without `exceptDates`, at the same local time (see `previewSeries`; without a duration, that of the offering), with the provider and to the address that are named (see `createBooking`). If a date cannot be booked nothing is, and the details list the dates (conflicts: date, startsAt, endsAt, code, message); with `skipConflicts` those are left out. Each booking is then reminded of, confirmed, released and changed by itself. Errors: RSAUT, RSVER, RSNTF no such offering or provider, RSARG what is no rule, RSLIM more dates than the policy allows; of a date RSTIM, RSBLK, RSLIM, RSFUL.';
create or replace function app_public.book_series_for(
  offering_id uuid, rrule text, first_date date, local_start time, duration interval default null,
  skip_conflicts boolean default false, name text default null, email text default null, phone text default null,
  locale text default null, party_size integer default 1, purpose text default null,
  needs_confirmation boolean default true, special_requests text default null, dietary_needs text default null,
  access_needs text default null, idempotency_key text default null, provider_id uuid default null,
  customer_address text default null, customer_phone text default null, except_dates date[] default null
) returns app_public.recurring_bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_series app_public.recurring_bookings;
  v_id uuid;
begin
  if not app_private.is_manager_of(offering_id) then
    perform app_private.fail('RSNTF', 'There is nothing by this id that you manage.');
  elsif coalesce(needs_confirmation, true) and app_private.checked_text(email, 254) is null then
    perform app_private.fail('RSARG', 'Without an e-mail address nobody can be asked to confirm: enter the series as needing no confirmation.');
  end if;
  v_series := app_private.checked_series(offering_id, rrule, first_date, local_start, duration, except_dates);
  v_id := app_private.begin_idempotent('book_series_for', idempotency_key,
    jsonb_build_array(offering_id, v_series.rrule, first_date, local_start, extract(epoch from v_series.duration),
      skip_conflicts, name, email, phone, locale, party_size, purpose, needs_confirmation, special_requests,
      dietary_needs, access_needs, provider_id, customer_address, customer_phone, v_series.except_dates));
  if v_id is null then
    v_series := app_private.book_occurrences(v_series, app_private.guest(v_series.organization_id, name, email, phone, locale),
      app_private.checked_party(party_size), app_private.checked_wishes(
        purpose, special_requests, dietary_needs, access_needs, provider_id, customer_address, customer_phone),
      app_private.current_user_id(), true, coalesce(needs_confirmation, true), skip_conflicts);
    perform app_private.end_idempotent('book_series_for', idempotency_key, v_series.id);
    return v_series;
  end if;
  select * into v_series from app_public.recurring_bookings s where s.id = v_id;
  return v_series;
end
$$;
comment on function app_public.book_series_for(uuid, text, date, time, interval, boolean, text, text, text, text, integer, text, boolean, text, text, text, text, uuid, text, text, date[]) is 'For managers: books a series for someone on the phone or at the door, with whatever contact there is. Daily limits, cutoff and approval do not apply. Someone without an e-mail address cannot be asked, so `needsConfirmation` has to be false. Errors: RSNTF, RSARG, RSLIM; of a date RSTIM, RSBLK, RSFUL (details: conflicts).';
revoke execute on function
  app_private.checked_series(uuid, text, date, time, interval, date[]),
  app_private.occurrence_range(uuid, date, time, interval), app_private.is_conflict(text),
  app_private.refuse_conflicts(app_public.series_occurrence[], integer),
  app_private.tell_of_series(uuid[], text, jsonb), app_private.ask_for_series(uuid[]),
  app_private.tell_providers_of_series(app_public.bookings[], text, boolean),
  app_private.book_occurrence(app_public.recurring_bookings, date, app_public.customers, app_private.party, app_private.wishes, uuid, boolean, boolean),
  app_private.book_occurrences(app_public.recurring_bookings, app_public.customers, app_private.party, app_private.wishes, uuid, boolean, boolean, boolean),
  app_public.preview_series(uuid, text, date, time, interval, uuid, date[]),
  app_public.book_series(uuid, text, date, time, interval, boolean, integer, text, text, text, text, text, uuid, text, text, date[]),
  app_public.book_series_for(uuid, text, date, time, interval, boolean, text, text, text, text, integer, text, boolean, text, text, text, text, uuid, text, text, date[])
from public;
grant execute on function app_public.preview_series(uuid, text, date, time, interval, uuid, date[])
to reslot_anonymous, reslot_user, reslot_admin;
grant execute on function
  app_public.book_series(uuid, text, date, time, interval, boolean, integer, text, text, text, text, text, uuid, text, text, date[]),
  app_public.book_series_for(uuid, text, date, time, interval, boolean, text, text, text, text, integer, text, boolean, text, text, text, text, uuid, text, text, date[])
to reslot_user, reslot_admin;

-- functions/change_series.sql
create or replace function app_private.end_all_of_series(bookings app_public.bookings[], reason text, as_manager boolean)
returns setof app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
  v_reason text := app_private.checked_text(reason, 500);
  v_ended uuid[] := '{}';
begin
  if as_manager and v_reason is null then
    perform app_private.fail('RSARG', 'Please give a reason; the customer is told.');
  end if;
  foreach v_booking in array bookings loop
    v_booking := app_private.end_booking(v_booking.id, 'cancelled', v_reason, refund => case when as_manager
      then v_booking.price else app_private.refund_of(v_booking, app_private.clock()) end);
    v_ended := v_ended || v_booking.id;
    return next v_booking;
  end loop;
  if v_ended <> '{}' then
    perform app_private.tell_of_series(v_ended, 'series_cancelled', jsonb_build_object(
      'actor', case when as_manager then 'manager' else 'customer' end, 'reason', v_reason));
    -- Of what is not paid for yet they have only heard if they were asked.
    perform app_private.tell_providers_of_series(
      array(select b from unnest(bookings) was join app_public.bookings b on b.id = was.id
        where not was.awaits_payment or was.answered_at is not null),
      'provider_booking_gone');
  end if;
end
$$;
comment on function app_private.end_all_of_series(app_public.bookings[], text, boolean) is 'Cancels locked bookings of a series, and tells of all at once. Errors: RSARG.';
create or replace function app_public.cancel_series(booking_id uuid, scope app_public.series_scope, reason text default null)
returns setof app_public.bookings
language plpgsql volatile security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
begin
  if scope = 'this' then
    return next app_public.cancel_booking(booking_id, reason);
    return;
  end if;
  if not app_private.is_provider_of(booking_id) then
    perform app_private.require_booking(booking_id, true, true);
  end if;
  v_booking := app_private.lock_series(booking_id, scope);
  if not (app_private.is_customer(v_booking.customer_id) or app_private.serves(v_booking)) then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  end if;
  -- One of several providers cancels what they serve, not what others do.
  return query select * from app_private.end_all_of_series(
    array(select r from app_private.rest_of_series(v_booking, scope) r
          where app_private.is_customer(r.customer_id) or app_private.serves(r)),
    reason, not app_private.is_customer(v_booking.customer_id));
end
$$;
comment on function app_public.cancel_series(uuid, app_public.series_scope, text) is 'Cancels this booking of a series, this one and those that follow, or all; what has begun, is over or has ended stays as it is. Out come those that were cancelled; again: none. The room goes at once to the people waiting, and the customer is told once. Customers get back what the policy says for each; managers and the provider (of the dates that they serve) give a reason and all of the price. Errors: RSNTF no such booking or not yours, RSARG not of a series, no reason, or too long; of `this` those of cancelBooking.';
create or replace function app_private.moved_start(booking app_public.bookings, shift_days integer, local_start time) returns timestamptz
language sql stable
as $$
  select case when coalesce(shift_days, 0) = 0 and moved_start.local_start is null then booking.starts_at
    else app_private.wall_time(l.at::date + coalesce(shift_days, 0) + coalesce(moved_start.local_start, l.at::time), z.zone) end
  from (select app_private.zone_of(booking.offering_id) as zone) z
  cross join lateral (select booking.starts_at at time zone z.zone as at) l
$$;
comment on function app_private.moved_start(app_public.bookings, integer, time) is 'When a booking of a series begins so many days later, at the same local time or another. Errors: RSTIM skipped by daylight saving.';
create or replace function app_private.change_occurrence(
  booking app_public.bookings, shift_days integer, local_start time, duration interval, party_size integer,
  wishes app_private.wishes, as_manager boolean
) returns app_public.series_occurrence
language plpgsql volatile
as $$
declare
  v_line app_public.series_occurrence :=
    row(booking.series_date, booking.starts_at, booking.ends_at, booking.id, null, null);
  v_after app_public.bookings := booking;
begin
  begin
    v_line.starts_at := null;
    v_line.starts_at := app_private.moved_start(booking, shift_days, local_start);
    v_line.ends_at := v_line.starts_at + coalesce(duration, app_private.elapsed(booking.starts_at, booking.ends_at));
    if num_nonnulls(wishes.purpose, wishes.special_requests, wishes.dietary_needs, wishes.access_needs,
        wishes.customer_address, wishes.customer_phone) > 0 then
      v_after := app_private.change_words(booking, wishes);
    end if;
    if (v_line.starts_at, v_line.ends_at) <> (booking.starts_at, booking.ends_at) then
      v_after := app_private.move_booking(
        v_after, tstzrange(v_line.starts_at, v_line.ends_at), as_manager, wishes.provider_id);
    elsif wishes.provider_id <> booking.provider_id then
      v_after := app_private.ask_for_provider(v_after, wishes.provider_id);
    end if;
    update app_public.bookings b
    set party_size = change_occurrence.party_size, places = change_occurrence.party_size
    where b.id = booking.id and change_occurrence.party_size <> b.party_size;
    select * into v_after from app_public.bookings b where b.id = booking.id;
    perform app_private.note_modification(booking, v_after);
  exception
    when others then
      if not app_private.is_conflict(sqlstate) then
        raise;
      end if;
      v_line.code := sqlstate;
      v_line.message := sqlerrm;
  end;
  return v_line;
end
$$;
comment on function app_private.change_occurrence(app_public.bookings, integer, time, interval, integer, app_private.wishes, boolean) is 'Changes one locked booking of a series; what speaks against it comes out, and nothing is left of the try.';
create or replace function app_private.tell_providers_of_new_times(before app_public.bookings[], changed uuid[]) returns void
language sql volatile
as $$
  select app_private.tell_providers_of_series(
    array(select was from unnest(before) was join app_public.bookings b on b.id = was.id
      where was.id = any (changed) and was.provider_id <> b.provider_id), 'provider_booking_gone');
  select app_private.tell_providers_of_series(
    array(select b from unnest(before) was join app_public.bookings b on b.id = was.id
      where was.id = any (changed) and b.status = 'confirmed'
        and (was.starts_at, was.ends_at, was.provider_id) is distinct from (b.starts_at, b.ends_at, b.provider_id)),
    'provider_booking');
$$;
comment on function app_private.tell_providers_of_new_times(app_public.bookings[], uuid[]) is 'Tells who serves the changed dates of a series when that is now, and who served them that somebody else does.';
create or replace function app_private.change_rest_of_series(
  booking app_public.bookings, scope app_public.series_scope, shift_days integer, local_start time, duration interval,
  party_size integer, wishes app_private.wishes, as_manager boolean, skip_conflicts boolean
) returns setof app_public.series_occurrence
language plpgsql volatile
as $$
declare
  v_before app_public.bookings[] := array(select r from app_private.rest_of_series(booking, scope) r);
  v_lines app_public.series_occurrence[] := '{}';
  v_changed uuid[];
  -- Whoever moves to a later time makes room for the one before, and the other way round.
  v_later boolean := coalesce(shift_days, 0) > 0 or coalesce(shift_days, 0) = 0
    and local_start > (booking.starts_at at time zone app_private.zone_of(booking.offering_id))::time;
  v_count integer := cardinality(v_before);
begin
  perform app_private.tell_together(true);
  for v_n in 1..v_count loop
    v_lines := v_lines || app_private.change_occurrence(
      v_before[case when v_later then v_count + 1 - v_n else v_n end], shift_days, local_start, duration, party_size, wishes,
      as_manager);
  end loop;
  perform app_private.tell_together(false);
  v_changed := array(
    select l.booking_id from unnest(v_lines) l
    join unnest(v_before) was on was.id = l.booking_id
    join app_public.bookings b on b.id = l.booking_id and to_jsonb(b) <> to_jsonb(was)
    order by b.starts_at);
  if not coalesce(skip_conflicts, false) or v_changed = '{}' then
    perform app_private.refuse_conflicts(
      array(select l from unnest(v_lines) l where l.code is not null order by l.local_date), v_count);
  end if;
  if v_changed <> '{}' then
    perform app_private.ask_for_series(array(
      select b.id from unnest(v_before) was
      join app_public.bookings b on b.id = was.id and b.sequence <> was.sequence));
    perform app_private.tell_of_series(v_changed, 'series_modified', jsonb_build_object(
      'actor', case when as_manager then 'manager' else 'customer' end,
      'skipped', array(select l.local_date from unnest(v_lines) l where l.code is not null order by 1)));
    perform app_private.tell_of_payments(v_changed);
    perform app_private.tell_providers_of_new_times(v_before, v_changed);
  end if;
  return query select l.* from unnest(v_lines) l order by l.local_date;
end
$$;
comment on function app_private.change_rest_of_series(app_public.bookings, app_public.series_scope, integer, time, interval, integer, app_private.wishes, boolean, boolean) is 'Changes what is still to come of a locked series: all, or what can be. Errors: those of a move.';
create or replace function app_public.modify_series(
  booking_id uuid, scope app_public.series_scope, local_start time default null, duration interval default null,
  party_size integer default null, purpose text default null, special_requests text default null,
  dietary_needs text default null, access_needs text default null, skip_conflicts boolean default false,
  provider_id uuid default null, customer_address text default null, customer_phone text default null,
  shift_days integer default null
) returns setof app_public.series_occurrence
language plpgsql volatile security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
  v_duration interval := app_private.in_seconds(duration);
begin
  perform app_private.require_booking(booking_id, true, true);
  -- The customer first: a move counts against the limit of the day.
  perform app_private.lock_customer(b.customer_id) from app_public.bookings b where b.id = modify_series.booking_id;
  v_booking := app_private.lock_series(booking_id, scope);
  if not (app_private.is_customer(v_booking.customer_id) or app_private.is_manager_of(v_booking.offering_id)) then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  elsif local_start >= time '24:00' or not v_duration between interval '1 minute' and interval '720 hours'
     or not party_size between 1 and 100000 or not shift_days between -366 and 366 then
    perform app_private.fail('RSARG', 'The days, the start, the duration or the number of people cannot be right.');
  end if;
  perform app_private.check_provider(v_booking.offering_id, provider_id);
  return query select * from app_private.change_rest_of_series(v_booking, scope, shift_days, local_start, v_duration, party_size,
    row(purpose, special_requests, dietary_needs, access_needs, provider_id, customer_address, customer_phone)::app_private.wishes,
    app_private.is_manager_of(v_booking.offering_id), skip_conflicts);
end
$$;
comment on function app_public.modify_series(uuid, app_public.series_scope, time, interval, integer, text, text, text, text, boolean, uuid, text, text, integer) is 'Changes this booking of a series, this one and those that follow, or all that are still to come: by how many days they move (`shiftDays`: 1 from Tuesdays to Wednesdays, -7 a week earlier), when they begin on their dates (local time), how long they last, how many people, purpose and needs, who serves them (`providerId`, as in `modifyBooking`) and the address they go to; an empty text removes the old one. Moving clears the confirmation of attendance and re-arms the reminders. If one cannot be moved nothing is changed, and the details list why (conflicts); with `skipConflicts` those stay as they are. Out comes what became of each. Errors: RSNTF no such booking or not yours, or no such provider, RSARG not of a series, or a bad value; of a date RSTIM, RSBLK, RSLIM, RSFUL.';
create or replace function app_private.cancel_series_by_link(link app_private.link_tokens, reason text) returns timestamptz
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_series(link.booking_id, 'all');
begin
  -- In a statement of its own: that of the lock would still see what was live before it had to wait.
  return (
    select min(e.starts_at)
    from app_private.end_all_of_series(array(select r from app_private.rest_of_series(v_booking, 'all') r),
      case when link.user_id is null then reason else coalesce(reason, 'Several dates in a row were not confirmed.') end,
      link.user_id is not null) e);
end
$$;
create or replace function app_private.occurrences_as_json(booking_ids jsonb) returns jsonb
language sql stable
as $$
  select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'startsAt', b.starts_at, 'endsAt', b.ends_at, 'providerName', r.name)) order by b.starts_at)
  from app_public.bookings b left join app_public.resources r on r.id = b.provider_id
  where b.id in (select i::uuid from jsonb_array_elements_text(booking_ids) i)
$$;
comment on function app_private.occurrences_as_json(jsonb) is 'When bookings of a series are, and who serves them, as mails show it.';
revoke execute on function
  app_private.tell_providers_of_new_times(app_public.bookings[], uuid[]),
  app_private.rest_of_series(app_public.bookings, app_public.series_scope),
  app_private.lock_series(uuid, app_public.series_scope),
  app_private.end_all_of_series(app_public.bookings[], text, boolean),
  app_public.cancel_series(uuid, app_public.series_scope, text),
  app_private.change_occurrence(app_public.bookings, integer, time, interval, integer, app_private.wishes, boolean),
  app_private.change_rest_of_series(app_public.bookings, app_public.series_scope, integer, time, interval, integer, app_private.wishes, boolean, boolean),
  app_public.modify_series(uuid, app_public.series_scope, time, interval, integer, text, text, text, text, boolean, uuid, text, text, integer),
  app_private.note_release_of_series(app_public.bookings, app_public.policy_versions),
  app_private.series_link_standing(app_public.bookings),
  app_private.cancel_series_by_link(app_private.link_tokens, text),
  app_private.occurrences_as_json(jsonb)
from public;
grant execute on function
  app_public.cancel_series(uuid, app_public.series_scope, text),
  app_public.modify_series(uuid, app_public.series_scope, time, interval, integer, text, text, text, text, boolean, uuid, text, text, integer)
to reslot_user, reslot_admin;

-- functions/answer_series.sql
-- The yes or no of a manager or provider to many requests of a series at once: to each what would be said to it alone, and
-- one message for all.

create or replace function app_private.lock_served_series(booking_id uuid, scope app_public.series_scope) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
begin
  -- Before the locks as well: a stranger who had to wait would learn that there is such a booking.
  perform from app_public.bookings b where b.id = lock_served_series.booking_id and app_private.serves(b);
  if found then
    v_booking := app_private.lock_series(booking_id, scope);
  end if;
  if v_booking.id is null or not app_private.serves(v_booking) then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  end if;
  return v_booking;
end
$$;
comment on function app_private.lock_served_series(uuid, app_public.series_scope) is 'Locks a series by a booking of it that the caller manages or serves. Errors: RSNTF, RSARG.';

create or replace function app_private.requests_of_series(booking app_public.bookings, scope app_public.series_scope)
returns setof app_public.bookings
language sql stable
as $$
  select r.* from app_private.rest_of_series(booking, scope) r
  where r.status = 'pending' and not r.awaits_payment and app_private.serves(r)
$$;
comment on function app_private.requests_of_series(app_public.bookings, app_public.series_scope) is 'What of a series waits for a yes or no that the caller may give: of one of several providers, what they would serve.';

create or replace function app_private.agree_to_all(requests app_public.bookings[], note text, now_at timestamptz)
returns setof app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
  v_agreed uuid[] := '{}';
  v_to_be_paid uuid[] := '{}';
begin
  perform app_private.tell_together(true);
  foreach v_booking in array requests loop
    v_booking := app_private.agree_to(v_booking, note, now_at);
    -- What is to be paid first has a mail of its own, which says that they agree.
    if v_booking.awaits_payment then
      v_to_be_paid := v_to_be_paid || v_booking.id;
    else
      v_agreed := v_agreed || v_booking.id;
    end if;
    return next v_booking;
  end loop;
  perform app_private.tell_together(false);
  perform app_private.tell_of_series(v_agreed, 'series_approved', jsonb_build_object('reason', note));
  perform app_private.tell_providers_of_series(
    array(select b from app_public.bookings b where b.id = any (v_agreed)), 'provider_booking');
  perform app_private.tell_of_payments(v_to_be_paid, jsonb_build_object('agreed', true, 'reason', note));
end
$$;
comment on function app_private.agree_to_all(app_public.bookings[], text, timestamptz) is 'Agrees to locked requests of a series, and tells of all at once.';

create or replace function app_private.refuse_all(requests app_public.bookings[], reason text) returns setof app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
  v_refused uuid[] := '{}';
begin
  foreach v_booking in array requests loop
    v_booking := app_private.end_booking(v_booking.id, 'rejected', reason, refund => v_booking.price);
    v_refused := v_refused || v_booking.id;
    return next v_booking;
  end loop;
  perform app_private.tell_of_series(v_refused, 'series_rejected', jsonb_build_object('reason', reason));
end
$$;
comment on function app_private.refuse_all(app_public.bookings[], text) is 'Declines locked requests of a series, and tells of all at once.';

create or replace function app_public.accept_series(booking_id uuid, scope app_public.series_scope, note text default null)
returns setof app_public.bookings
language plpgsql volatile security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
  v_now timestamptz;
begin
  if scope = 'this' then
    return next app_public.accept_booking(booking_id, note);
    return;
  end if;
  v_booking := app_private.lock_served_series(booking_id, scope);
  v_now := app_private.clock();
  return query select * from app_private.agree_to_all(
    array(select r from app_private.requests_of_series(v_booking, scope) r where r.request_expires_at > v_now),
    app_private.checked_text(note, 500), v_now);
end
$$;
comment on function app_public.accept_series(uuid, app_public.series_scope, text) is 'For the provider (of the dates that they would serve) and managers: agrees to this booking of a series, this one and those that follow, or all, as far as they wait for it, with a note for the customer, who is told once. Out come those that were agreed to; again: none. What was not answered in time stays as it is. Errors: RSNTF no such booking or not yours, RSARG not of a series, or too long; of `this` those of acceptBooking.';

create or replace function app_public.reject_series(booking_id uuid, scope app_public.series_scope, reason text default null)
returns setof app_public.bookings
language plpgsql volatile security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
begin
  if scope = 'this' then
    return next app_public.reject_booking(booking_id, reason);
    return;
  end if;
  v_booking := app_private.lock_served_series(booking_id, scope);
  return query select * from app_private.refuse_all(
    array(select r from app_private.requests_of_series(v_booking, scope) r), app_private.checked_text(reason, 500));
end
$$;
comment on function app_public.reject_series(uuid, app_public.series_scope, text) is 'For managers and the provider (of the dates that they would serve): declines this booking of a series, this one and those that follow, or all, as far as they wait for an answer. Their room goes at once to the people waiting, and the customer is told once. Out come those that were declined; again: none. Errors: RSNTF no such booking or not yours, RSARG not of a series, or too long; of `this` those of rejectBooking.';

-- The links of the mail that asks. What its bearer may answer is what they could answer by themselves.
create or replace function app_private.requests_of_link(link app_private.link_tokens) returns setof app_public.bookings
language sql stable
as $$
  select r.* from app_public.bookings b
  cross join lateral app_private.rest_of_series(b, 'all') r
  where b.id = link.booking_id and r.status = 'pending' and not r.awaits_payment
    and r.request_expires_at > (select app_private.clock()) and app_private.user_serves(link.user_id, r)
$$;
comment on function app_private.requests_of_link(app_private.link_tokens) is 'What of a series waits for the answer of the bearer of a link.';

create or replace function app_private.series_answer_standing(link app_private.link_tokens, booking app_public.bookings) returns text
language sql stable
as $$
  select case
    when exists (select from app_private.requests_of_link(link)) then 'ready'
    when exists (
      select from app_public.bookings b
      where b.series_id = booking.series_id and b.answered_at is not null
        and (b.status = 'rejected') = (link.action = 'reject_series')) then 'done'
    else app_private.booking_link_standing(
      case link.action when 'approve_series' then 'approve' else 'reject' end::app_private.link_action, booking,
      (select app_private.clock())) end
$$;
comment on function app_private.series_answer_standing(app_private.link_tokens, app_public.bookings) is 'Where a link stands that answers the requests of a series: ready, done, or why it comes too late.';

create or replace function app_private.answer_series_by_link(link app_private.link_tokens, words text) returns timestamptz
language plpgsql volatile
as $$
declare
  v_words text := app_private.checked_text(words, 500);
  v_requests app_public.bookings[];
begin
  perform app_private.lock_series(link.booking_id, 'all');
  v_requests := array(select r from app_private.requests_of_link(link) r);
  if v_requests = '{}' then
    -- Again: the same.
    if app_private.link_standing(link) <> 'done' then
      perform app_private.fail('RSSTA', 'Nothing of this series waits for an answer any more.');
    end if;
    return null;
  elsif link.action = 'approve_series' then
    return (select min(b.starts_at) from app_private.agree_to_all(v_requests, v_words, app_private.clock()) b);
  end if;
  return (select min(b.starts_at) from app_private.refuse_all(v_requests, v_words) b);
end
$$;
comment on function app_private.answer_series_by_link(app_private.link_tokens, text) is 'The yes or no to what waits of a series, by the link of a manager or provider; out comes its first start. Errors: RSNTF, RSARG, RSSTA.';

revoke execute on function
  app_private.lock_served_series(uuid, app_public.series_scope),
  app_private.requests_of_series(app_public.bookings, app_public.series_scope),
  app_private.agree_to_all(app_public.bookings[], text, timestamptz), app_private.refuse_all(app_public.bookings[], text),
  app_public.accept_series(uuid, app_public.series_scope, text), app_public.reject_series(uuid, app_public.series_scope, text),
  app_private.requests_of_link(app_private.link_tokens),
  app_private.series_answer_standing(app_private.link_tokens, app_public.bookings),
  app_private.answer_series_by_link(app_private.link_tokens, text)
from public;
grant execute on function
  app_public.accept_series(uuid, app_public.series_scope, text), app_public.reject_series(uuid, app_public.series_scope, text)
to reslot_user, reslot_admin;

-- functions/deliver_booking.sql
create or replace function app_public.deliver_booking(booking_id uuid, notes text default null, recommendations text default null)
returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings := app_private.lock_begun_booking(booking_id);
  v_now timestamptz := app_private.clock();
begin
  if v_booking.status in ('delivered', 'completed') and v_booking.delivered_at is not null then
    return v_booking;
  elsif v_booking.status <> 'in_progress' then
    perform app_private.fail('RSSTA', format('This booking is %s.', replace(v_booking.status::text, '_', ' ')));
  elsif app_private.lacks_photo(v_booking, 1) then
    perform app_private.fail('RSARG', 'This delivery needs a photo: please add one first.');
  end if;
  update app_public.bookings b
  set status = 'delivered', delivered_at = v_now, awaits_delivery_since = null, expires_at = null,
      delivery_notes = app_private.unless_erased(app_private.checked_text(notes, 2000), b.customer_id),
      recommendations = app_private.unless_erased(
        app_private.checked_text(deliver_booking.recommendations, 2000), b.customer_id),
      -- Of the version it was made under, and kept: the mail says so.
      delivery_answer_by = v_now + (
        select p.complete_delivered_after from app_public.policy_versions p where p.id = b.policy_version_id)
  where b.id = v_booking.id
  returning * into v_booking;
  -- What is left of its time goes to the people waiting.
  perform app_private.give_back_room(v_booking.id);
  perform app_private.notify_customer(v_booking.customer_id, 'booking_delivered', v_booking.id, null);
  return v_booking;
end
$$;

-- functions/photos.sql
create or replace function app_private.keep_photo(photo_id uuid, width integer, height integer, bytes integer, sha256 text)
returns app_public.booking_photos
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
  v_photo app_public.booking_photos;
begin
  v_booking := app_private.lock_booking_for_photo(
    (select f.booking_id from app_private.photo_files f where f.id = keep_photo.photo_id));
  -- Sent again, it is the one there is; the second file is removed like one that was not kept.
  select p.* into v_photo from app_public.booking_photos p
  where p.booking_id = v_booking.id and p.sha256 = keep_photo.sha256 order by p.id limit 1;
  if found then
    return v_photo;
  end if;
  perform app_private.refuse_too_many_photos(v_booking);
  -- Long before the job could be at it.
  update app_private.photo_files f set remove_at = null
  where f.id = keep_photo.photo_id and f.remove_at > app_private.clock() + interval '30 minutes';
  if not found then
    perform app_private.fail('RSEXP', 'This took too long. Please send the photo again.');
  end if;
  insert into app_public.booking_photos (id, organization_id, booking_id, created_by, width, height, bytes, sha256)
  values (keep_photo.photo_id, v_booking.organization_id, v_booking.id, app_private.current_user_id(),
    keep_photo.width, keep_photo.height, keep_photo.bytes, keep_photo.sha256)
  returning * into v_photo;
  return v_photo;
end
$$;
comment on function app_private.keep_photo(uuid, integer, integer, integer, text) is 'Makes a photo of a file that is written, or returns the one with the same content that the booking has. Errors: those of begin_photo, and RSEXP it took too long.';

-- functions/record_payment.sql
create or replace function app_public.record_refund(
  payment_id uuid, amount numeric, idempotency_key text default null
) returns app_public.payments
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_id uuid := app_private.begin_idempotent('record_refund', idempotency_key, jsonb_build_array(payment_id, amount));
  v_payment app_public.payments;
begin
  perform app_private.lock_served_booking((
    select y.booking_id from app_public.payments y where y.id = record_refund.payment_id));
  select * into v_payment from app_public.payments y where y.id = record_refund.payment_id for no key update;
  if v_id is not null then
    return v_payment;
  elsif v_payment.processed_at is null then
    perform app_private.fail('RSSTA', 'This has not been paid.');
  elsif v_payment.method = 'stripe' and v_payment.returned = 0 then
    perform app_private.fail('RSARG', 'What was paid by Stripe is given back there; we hear of it.');
  elsif v_payment.method = 'stripe' then
    -- It counts as given back already; what is over is that it had come back.
    perform app_private.checked_amount(amount, v_payment.returned, v_payment.currency);
    update app_public.payments y set returned = y.returned - record_refund.amount
    where y.id = v_payment.id returning * into v_payment;
  else
    perform app_private.checked_amount(amount, v_payment.amount - v_payment.refunded, v_payment.currency);
    v_payment := app_private.note_refund(v_payment.id, v_payment.refunded + amount);
  end if;
  perform app_private.end_idempotent('record_refund', idempotency_key, v_payment.id);
  return v_payment;
end
$$;
comment on function app_public.record_refund(uuid, numeric, text) is 'For managers and the provider: so much of a payment in cash or by transfer was given back by hand; `refundDue` says how much should be. Of one by Stripe only what has come back (`returned`). Errors: RSNTF, RSSTA not paid, RSARG.';

-- functions/stripe.sql
create or replace function app_private.begin_payment(booking app_public.bookings) returns app_public.payments
language plpgsql volatile
as $$
declare
  v_payment app_public.payments;
begin
  select * into v_payment from app_public.payments y
  where y.booking_id = booking.id and app_private.is_open(y.status) for no key update;
  if v_payment.id is null then
    perform app_private.fail('RSSTA', 'Nothing is to be paid for this booking.');
  elsif v_payment.provider <> 'stripe' then
    perform app_private.fail('RSSTA', 'This is paid in cash or by transfer; please ask the organiser.');
  elsif booking.awaits_payment and booking.request_expires_at <= app_private.clock() then
    perform app_private.fail('RSEXP', 'It is too late to pay for this booking.');
  end if;
  update app_public.payments y
  set status = 'processing', checkouts = y.checkouts + 1, checkout_id = null, checkout_url = null, attempts = 0,
      next_attempt_at = app_private.clock(), error_code = null
  where y.id = v_payment.id and y.status in ('due', 'failed')
  returning * into v_payment;
  if not found then
    select * into v_payment from app_public.payments y
    where y.booking_id = booking.id and app_private.is_open(y.status);
  end if;
  return v_payment;
end
$$;
comment on function app_private.begin_payment(app_public.bookings) is 'Begins to pay by Stripe what is due for a locked booking; again: the same payment. Errors: RSSTA, RSEXP.';
create or replace function app_private.is_paid_by_link(booking_id uuid) returns boolean
language sql stable
as $$
  select exists (
    select from app_public.payments y
    where y.booking_id = is_paid_by_link.booking_id and app_private.is_open(y.status) and y.provider = 'stripe')
$$;
comment on function app_private.is_paid_by_link(uuid) is 'Whether something is to be paid for a booking, and by Stripe.';
create or replace function app_public.start_payment(booking_id uuid) returns app_public.payments
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
begin
  perform app_private.require_booking(booking_id, true, false);
  v_booking := app_private.lock_booking(booking_id);
  if not app_private.is_customer(v_booking.customer_id) or v_booking.status = 'held' then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  end if;
  return app_private.begin_payment(v_booking);
end
$$;
create or replace function app_private.lease_payment_work(batch integer)
returns table (payment_id uuid, attempt integer, what text, key text, input jsonb)
language plpgsql volatile security definer rows 10
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_now timestamptz := app_private.clock();
begin
  return query
  with due as (
    select y.id from app_public.payments y
    where y.next_attempt_at <= (select app_private.clock())
    order by y.next_attempt_at limit batch
    for no key update skip locked
  ), leased as (
    update app_public.payments y
    set attempts = y.attempts + 1,
        -- The lease and the back-off in one: half a minute, then twice as long each time, up to an hour.
        next_attempt_at = v_now + least(interval '30 seconds' * power(2, least(y.attempts, 10)), interval '1 hour'),
        -- What is under way stays what it is, though more may be owed meanwhile: its key stands for this sum.
        refunding = case when y.status in ('paid', 'partly_refunded') then coalesce(y.refunding, y.refund_due) end
    from due where y.id = due.id
    returning y.*
  )
  select l.id, l.attempts, case when l.status = 'processing' then 'checkout' else 'refund' end,
    case when l.status = 'processing' then format('reslot:%s:checkout:%s', l.id, l.checkouts)
      else format('reslot:%s:refund:%s', l.id, l.refunding) end,
    jsonb_build_object(
      'amount', case when l.status = 'processing' then l.amount else l.refunding - l.refunded end::text,
      'total', l.refunding::text, 'currency', l.currency, 'reference', l.reference, 'checkout', l.checkouts,
      'bookingId', b.id, 'bookingReference', b.reference, 'offeringName', f.name, 'email', c.email,
      'locale', coalesce(c.locale, g.locale),
      -- Whoever has no account would not get in there.
      'frontEndUrl', case when c.user_id is not null then g.front_end_url end)
  from leased l
  join app_public.bookings b on b.id = l.booking_id
  join app_public.offerings f on f.id = b.offering_id
  join app_public.customers c on c.id = b.customer_id
  join app_public.organizations g on g.id = l.organization_id;
end
$$;
create or replace function app_private.note_dispute(payment_id uuid, state app_public.dispute_state) returns void
language plpgsql volatile
as $$
begin
  update app_public.payments y
  set dispute = state,
      -- What the bank has taken is not given back as well.
      next_attempt_at = case when state not in ('open', 'lost') and y.refund_due > y.refunded
        then coalesce(y.next_attempt_at, app_private.clock()) end
  where y.id = note_dispute.payment_id and y.method = 'stripe'
    -- An end is final, and what comes late changes nothing.
    and (y.dispute is null or y.dispute < state and y.dispute not in ('won', 'lost'));
  if found then
    perform app_private.tell_of_trouble(note_dispute.payment_id, state::text);
  end if;
end
$$;
comment on function app_private.note_dispute(uuid, app_public.dispute_state) is 'A customer had their bank ask for their money; managers are told. While it has the money, nothing is given back.';
create or replace function app_private.note_returned(payment_id uuid, amount numeric) returns void
language plpgsql volatile
as $$
begin
  update app_public.payments y set returned = least(y.returned + note_returned.amount, y.amount)
  where y.id = note_returned.payment_id and y.method = 'stripe';
  if found then
    perform app_private.tell_of_trouble(note_returned.payment_id, 'returned', note_returned.amount);
  end if;
end
$$;
comment on function app_private.note_returned(uuid, numeric) is 'So much of what was given back has come back; managers are told, who have to find another way.';
create or replace function app_private.tell_of_trouble(payment_id uuid, trouble text, amount numeric default null) returns void
language sql volatile
as $$
  select app_private.notify_managers(b.offering_id, 'payment_trouble', b.id, null, jsonb_strip_nulls(jsonb_build_object(
    'paymentId', y.id, 'trouble', tell_of_trouble.trouble, 'amount', tell_of_trouble.amount)))
  from app_public.payments y join app_public.bookings b on b.id = y.booking_id
  where y.id = tell_of_trouble.payment_id
$$;
comment on function app_private.tell_of_trouble(uuid, text, numeric) is 'Tells managers that a payment has gone wrong afterwards, and how.';
create or replace function app_private.take_news(payment_id uuid, what text, details jsonb) returns void
language plpgsql volatile
as $$
declare
  v_intent constant text := details ->> 'intent';
  v_early app_private.stripe_events;
begin
  case what
    when 'paid' then
      perform app_private.settle_payment(take_news.payment_id, 'stripe', v_intent);
    when 'refunded' then
      -- Nothing is given back that was not paid: should that news be still to come, it is here now.
      perform app_private.settle_payment(take_news.payment_id, 'stripe', v_intent);
      perform app_private.note_refund(take_news.payment_id, (details ->> 'refunded')::numeric);
    when 'failed' then
      perform app_private.fail_payment(take_news.payment_id, (details ->> 'checkout')::integer, details ->> 'code', true);
    when 'expired' then
      perform app_private.fail_payment(take_news.payment_id, (details ->> 'checkout')::integer, 'checkout_expired', false);
    when 'disputed' then
      perform app_private.note_dispute(take_news.payment_id, (details ->> 'state')::app_public.dispute_state);
    when 'returned' then
      perform app_private.note_returned(take_news.payment_id, (details ->> 'amount')::numeric);
  end case;
  -- What was told of this money before the money itself.
  for v_early in
    update app_private.stripe_events e set payment_id = take_news.payment_id, intent = null, what = null, details = null
    from app_private.stripe_events o
    where o.id = e.id and o.intent = v_intent and take_news.what in ('paid', 'refunded')
    returning e.id, e.type, e.payment_id, e.received_at, o.intent, o.what, o.details
  loop
    perform app_private.take_news(take_news.payment_id, v_early.what, v_early.details);
  end loop;
end
$$;
comment on function app_private.take_news(uuid, text, jsonb) is 'Makes of a locked payment what Stripe has told of it.';
create or replace function app_private.take_stripe_event(event_id text, type text, payment_id uuid, what text, details jsonb)
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_intent constant text := details ->> 'intent';
  v_payment app_public.payments;
begin
  -- First of all locks: of two who tell of the same money the second waits here, whatever they know of it.
  perform pg_advisory_xact_lock(hashtextextended('reslot:intent:' || v_intent, 0)) where v_intent is not null;
  -- What we did not ask for may be somebody else's who uses the same account.
  select * into v_payment from app_public.payments y
  where y.provider = 'stripe' and y.id = take_stripe_event.payment_id
    or take_stripe_event.payment_id is null and y.method = 'stripe' and y.reference = v_intent;
  if v_payment.id is null and take_stripe_event.payment_id is null and v_intent is not null then
    insert into app_private.stripe_events (id, type, intent, what, details)
    values (event_id, take_stripe_event.type, v_intent, take_stripe_event.what, take_stripe_event.details)
    on conflict on constraint stripe_events_pkey do nothing;
    return 'not known yet';
  elsif v_payment.id is null then
    return 'not ours';
  end if;
  -- The locks before the event's own row: whoever brings it a second time waits there and finds it taken.
  perform app_private.lock_booking(v_payment.booking_id);
  v_payment := app_private.payment_of_intent(v_payment.id, v_intent);
  insert into app_private.stripe_events (id, type, payment_id)
  values (take_stripe_event.event_id, take_stripe_event.type, v_payment.id)
  on conflict on constraint stripe_events_pkey do nothing;
  if not found then
    return 'known';
  elsif (details ->> 'currency') is distinct from lower(v_payment.currency) then
    return 'another currency';
  elsif what = 'paid' and (details ->> 'amount')::numeric is distinct from v_payment.amount then
    return 'another amount';
  end if;
  perform set_config('reslot.via', 'job', true);
  perform app_private.take_news(v_payment.id, what, details);
  return what;
end
$$;
comment on function app_private.take_stripe_event(text, text, uuid, text, jsonb) is 'What Stripe tells of a payment, or (without its id) of money, once, whatever comes first: paid, refunded (so much in total), failed, expired, disputed (and where that stands), or returned (so much of a refund has come back).';
revoke execute on function
  app_private.begin_payment(app_public.bookings), app_private.is_paid_by_link(uuid),
  app_public.start_payment(uuid), app_private.lease_payment_work(integer),
  app_private.checkout_made(uuid, integer, text, text),
  app_private.payment_work_failed(uuid, integer, text, boolean), app_private.refund_made(uuid, numeric),
  app_private.fail_payment(uuid, integer, text, boolean),
  app_private.payment_of_intent(uuid, text),
  app_private.note_dispute(uuid, app_public.dispute_state), app_private.note_returned(uuid, numeric),
  app_private.tell_of_trouble(uuid, text, numeric), app_private.take_news(uuid, text, jsonb),
  app_private.take_stripe_event(text, text, uuid, text, jsonb), app_private.queue_payments() from public;

-- functions/reviews.sql
create or replace function app_public.reply_to_review(review_id uuid, reply text) returns app_public.reviews
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_review app_public.reviews;
  v_reply text := app_private.checked_text(reply_to_review.reply, 2000);
begin
  if not exists (
    select from app_public.bookings b where b.review_id = reply_to_review.review_id and app_private.serves(b)) then
    perform app_private.fail('RSNTF', 'There is no such review that you can answer.');
  elsif v_reply is null then
    perform app_private.fail('RSARG', 'The answer has no words.');
  end if;
  -- As above: an answer may call the customer by name.
  perform from app_public.bookings b join app_public.customers c on c.id = b.customer_id
  where b.review_id = reply_to_review.review_id for no key update of c;
  if exists (
    select from app_public.bookings b where b.review_id = reply_to_review.review_id and app_private.is_erased(b.customer_id)) then
    perform app_private.fail('RSNTF', 'There is no such review that you can answer.');
  end if;
  select * into v_review from app_public.reviews v where v.id = reply_to_review.review_id for no key update;
  if v_review.replied_at is null then
    update app_public.reviews v set reply = v_reply, replied_at = app_private.clock()
    where v.id = v_review.id
    returning * into v_review;
  elsif v_review.reply is distinct from v_reply then
    perform app_private.fail('RSDUP', 'This review has its answer already.');
  end if;
  return v_review;
end
$$;
comment on function app_public.reply_to_review(uuid, text) is 'The provider of a booking, or a manager, answers its review, once, in at most 2,000 characters. The same again returns the same review. Errors: RSNTF no such review that is theirs to answer, also if its customer is erased, RSDUP answered already, RSARG.';

-- functions/claim_slot.sql
create or replace function app_private.claim_hold(entry app_public.waitlist_entries, policy app_public.policy_versions, now_at timestamptz)
returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_terms app_private.booking_terms;
  v_booking app_public.bookings;
begin
  -- One of the whole organisation takes its offers back a little later, room by room.
  perform app_private.refuse_if_blacked_out(entry.offering_id, entry.starts_at, entry.ends_at);
  select t.* into v_terms
  from app_public.bookings b
  cross join lateral app_private.terms_for(policy, b.customer_id, b.price, b.currency, b.starts_at,
    case when app_private.needs_approval(policy, b.customer_id, b.price, now_at)
      then app_private.answer_by(policy, b.offering_id, b.provider_id, b.starts_at, now_at, now_at) end,
    now_at) t
  where b.id = entry.hold_id;
  update app_public.bookings b
  set status = v_terms.status, hold_expires_at = null, unclaimed = false, made_at = now_at, request_expires_at = v_terms.request_expires_at,
      confirm_by = v_terms.confirm_by, attendance_confirmed_at = v_terms.attendance_confirmed_at,
      attendance_confirmed_how = v_terms.attendance_confirmed_how, awaits_payment = coalesce(v_terms.awaits_payment, false),
      demands_deposit = coalesce(v_terms.demands_deposit, false)
  where b.id = entry.hold_id and b.hold_expires_at > now_at
  returning * into v_booking;
  if v_booking.id is null then
    perform app_private.fail('RSEXP', 'This offer is over. You can join the waiting list again.');
  end if;
  return v_booking;
end
$$;
create or replace function app_private.claim_in_last_call(entry app_public.waitlist_entries, policy app_public.policy_versions, now_at timestamptz)
returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries := entry;
  v_slot app_public.slots;
  v_during tstzrange;
  v_price numeric;
begin
  if entry.for_places then
    v_slot := app_private.slot_to_claim(entry, now_at);
    v_entry.slot_id := v_slot.id;
    v_entry.starts_at := v_slot.starts_at;
    v_entry.ends_at := v_slot.ends_at;
    v_entry.last_call_at := app_private.last_call_of(v_slot, entry);
  end if;
  v_during := tstzrange(v_entry.starts_at, v_entry.ends_at);
  if v_entry.starts_at <= now_at then
    perform app_private.fail('RSEXP', 'The time you waited for has come.');
  elsif v_entry.last_call_at > now_at then
    perform app_private.fail('RSSTA', 'It is not your turn yet; we write to you as soon as there is a place.');
  end if;
  if entry.for_places then
    perform app_private.check_slot(v_slot, policy, app_private.party_of(entry), now_at, false);
    perform app_private.refuse_if_full(v_slot, policy, app_private.party_of(entry), now_at, entry.customer_id);
  else
    perform app_private.check_times(entry.offering_id, policy, v_during, now_at, false, entry.provider_id);
    perform app_private.refuse_if_taken(
      entry.offering_id, policy, v_during, now_at, entry.customer_id, entry.provider_id);
  end if;
  update app_public.waitlist_entries e set slot_id = v_slot.id, starts_at = v_slot.starts_at, ends_at = v_slot.ends_at,
    room = v_during, last_call_at = v_entry.last_call_at
  where e.id = entry.id and entry.day is not null;
  v_price := app_private.asking_price(
    app_private.find_offering(entry.offering_id), v_entry.slot_id, app_private.party_of(entry), policy);
  return app_private.insert_booking(
    entry.offering_id, entry.customer_id, policy, v_during, app_private.party_of(entry), app_private.wishes_of(entry), null,
    now_at,
    app_private.terms_for(policy, entry.customer_id, v_price,
      (select g.currency from app_public.organizations g where g.id = entry.organization_id), v_entry.starts_at,
      case when app_private.needs_approval(policy, entry.customer_id, v_price, now_at)
        then app_private.answer_by_if_booked(policy, entry.offering_id, v_entry.slot_id, v_during, entry.provider_id, now_at) end,
      now_at),
    null, v_entry.slot_id);
end
$$;

-- functions/blackouts.sql
create or replace function app_private.clear_for_blackout(booking app_public.bookings, reason text) returns void
language plpgsql volatile
as $$
begin
  if booking.status = 'held' then
    -- The person loses the offer, not the place in the queue.
    perform app_private.end_offer(e.id, 'waiting', reason) from app_public.waitlist_entries e where e.hold_id = booking.id;
  else
    perform app_private.tell_provider(booking,
      app_private.end_booking(booking.id, 'cancelled', reason, refund => booking.price));
    perform app_private.notify_customer(booking.customer_id, 'message_blackout', booking.id, null,
      jsonb_build_object('reason', reason, 'actor', 'manager', 'alternatives', app_private.alternatives_to(booking)));
  end if;
end
$$;

-- functions/configuration.sql
create or replace function app_private.apply_policy_to(booking app_public.bookings, policy app_public.policy_versions) returns void
language plpgsql volatile
as $$
declare
  -- Who was told that silence costs nothing is told anew, and has the minimum notice from then (I10).
  v_asks_anew boolean := policy.auto_cancel = 'on' and app_private.asks_confirmation(booking) and booking.reminders_done > 0
    and (select p.auto_cancel <> 'on' from app_public.policy_versions p where p.id = booking.policy_version_id);
  v_notice_ends_at timestamptz := app_private.clock() + policy.min_notice;
  v_room tstzrange := app_private.room_for(
    booking.offering_id, tstzrange(booking.starts_at, booking.ends_at), policy);
  v_changes_room boolean := v_room <> booking.room and booking.slot_id is null;
  v_booking app_public.bookings;
begin
  if v_changes_room then
    perform app_private.give_back_room(booking.id, hands_on => false);
    -- A larger buffer that does not fit any more waits for the next booking; this one keeps what it has.
    if not app_private.is_free(booking.offering_id, v_room, booking.provider_id) then
      v_room := booking.room;
    end if;
  end if;
  update app_public.bookings b
  set policy_version_id = policy.id, room = case when v_changes_room then v_room else b.room end,
      -- Every mail about the booking states it, from the first.
      confirm_by = case when b.confirm_by is not null then greatest(b.confirm_by, b.starts_at - policy.confirm_deadline,
        case when v_asks_anew and v_notice_ends_at < b.starts_at then v_notice_ends_at end) end,
      request_expires_at = case when b.awaits_payment then b.request_expires_at when b.status = 'pending' then greatest(b.request_expires_at,
        app_private.answer_by(policy, b.offering_id, b.provider_id, b.starts_at, b.made_at, b.made_at)) end,
      would_auto_cancel_at = null,
      sequence = case when v_asks_anew then b.sequence + 1 else b.sequence end,
      reminders_done = case when v_asks_anew then 0 else b.reminders_done end,
      reminder_sent_at = case when not v_asks_anew then b.reminder_sent_at end
  where b.id = booking.id
  returning * into v_booking;
  if v_changes_room then
    perform app_private.take_room(v_booking);
    perform app_private.hand_on(app_private.resources_taken(booking), booking.room);
  end if;
end
$$;

-- functions/expiry.sql
-- A booking that has to be delivered and of which nobody says anything once its time is over must not stay in progress for
-- ever. When its grace has passed and nobody has touched it meanwhile, it ends as expired, and everything is given back:
-- nothing shows that anything was delivered. Requests that nobody answers end by the same grace, before the start:
-- expire_request.
create or replace function app_public.keep_booking(booking_id uuid, reason text) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_reason text := app_private.checked_text(reason, 500);
  v_booking app_public.bookings;
  v_now timestamptz;
begin
  if not app_private.is_provider_of(booking_id) then
    perform app_private.require_booking(booking_id, false, true);
  end if;
  v_booking := app_private.lock_booking(booking_id);
  v_now := app_private.clock();
  if not (app_private.is_provider_of(booking_id) or app_private.is_manager_of(v_booking.offering_id))
     or v_booking.status = 'held' then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  elsif v_booking.awaits_payment or (case v_booking.status when 'pending' then v_booking.request_expires_at
      when 'in_progress' then v_booking.expires_at end) is null then
    perform app_private.fail('RSSTA', format('This booking is %s and does not expire.', replace(v_booking.status::text, '_', ' ')));
  elsif v_booking.status = 'pending' and v_booking.request_expires_at <= v_now then
    perform app_private.fail('RSEXP', 'This request was not answered in time.');
  elsif v_reason is null then
    perform app_private.fail('RSARG', 'Please give a reason; it goes into the log.');
  end if;
  perform set_config('reslot.reason', coalesce(app_private.unless_erased(v_reason, v_booking.customer_id), ''), true);
  update app_public.bookings b
  set expires_at = case when b.status = 'in_progress'
        then greatest(b.expires_at, app_private.expiry_of(v_booking, greatest(b.ends_at, v_now))) end,
      request_expires_at = case when b.status = 'pending'
        then greatest(b.request_expires_at, app_private.answer_by(v_booking, v_now)) end,
      would_expire_at = null
  where b.id = v_booking.id
  returning * into v_booking;
  return v_booking;
end
$$;
comment on function app_public.keep_booking(uuid, text) is 'For the provider and managers: it is still being worked on, so the grace until it expires begins anew; of a request, at most until half of the time to its start is over. The reason goes into the log. Errors: RSNTF, RSSTA neither pending nor in progress, or it does not expire, RSEXP a request that was not answered in time, RSARG no reason, or too long.';
create or replace function app_public.expire_overdue_bookings(organization_id uuid default null) returns setof app_public.bookings
language plpgsql volatile security definer rows 100
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_id uuid;
begin
  perform app_private.require_admin();
  -- As the worker does it: an admin who calls for it touches none of them.
  perform set_config('reslot.via', 'job', true);
  foreach v_id in array app_private.lock_due('{expire_request,await_delivery,expire}') loop
    continue when not exists (
      select from app_public.bookings b
      where b.id = v_id
        and case when b.status = 'pending' then b.request_expires_at else b.expires_at end <= (select app_private.clock())
        and b.organization_id = coalesce(expire_overdue_bookings.organization_id, b.organization_id));
    perform app_private.expire_request(v_id);
    -- What comes before it, if nobody has done that either.
    perform app_private.await_delivery(v_id);
    perform app_private.expire_booking(v_id);
    return query select b.* from app_public.bookings b where b.id = v_id and b.status = 'expired';
  end loop;
end
$$;
comment on function app_public.expire_overdue_bookings(uuid) is 'For admins: does at once what the worker would do to requests and bookings whose grace is over, of one organisation or of all; returns those that expired. Errors: RSNTF not an admin.';
revoke execute on function
  app_private.expire_booking(uuid),
  app_public.keep_booking(uuid, text), app_public.expire_overdue_bookings(uuid), app_public.expired_bookings(uuid)
from public;

-- functions/time.sql
create or replace function app_private.auto_cancel(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_policy app_public.policy_versions;
  v_due timestamptz := v_booking.confirm_by;
  v_outcome app_public.automation_outcome := 'done';
  v_now timestamptz := app_private.clock();
begin
  select * into v_policy from app_public.policy_versions p where p.id = v_booking.policy_version_id;
  if (app_private.booking_deadline(v_booking, v_policy)).action is distinct from 'auto_cancel'
     or v_booking.confirm_by > v_now then
    return;
  end if;
  if v_booking.reminder_sent_at is null then
    perform app_private.note_reminder_sent(v_booking.id);
    select * into v_booking from app_public.bookings b where b.id = v_booking.id;
  end if;
  -- After the start somebody may be sitting there: a worker that comes that late releases nothing any more.
  if v_booking.starts_at > v_now and v_booking.reminder_sent_at + v_policy.min_notice <= v_now then
    if v_policy.auto_cancel = 'dry_run' then
      v_outcome := 'dry_run';
      update app_public.bookings b set would_auto_cancel_at = v_now where b.id = v_booking.id;
    else
      perform app_private.tell_provider(v_booking, app_private.end_booking(
        v_booking.id, 'auto_cancelled', 'Attendance was not confirmed in time.',
        refund => app_private.refund_due(v_booking, v_policy, v_now)));
      perform app_private.notify_customer(v_booking.customer_id, 'booking_auto_cancelled', v_booking.id, null);
      perform app_private.note_release_of_series(v_booking, v_policy) where v_booking.series_id is not null;
    end if;
  elsif v_booking.starts_at > v_now and v_booking.reminder_sent_at + v_policy.min_notice < v_booking.starts_at then
    v_outcome := 'postponed';
    update app_public.bookings b set confirm_by = v_booking.reminder_sent_at + v_policy.min_notice where b.id = v_booking.id;
  else
    v_outcome := 'spared';
    update app_public.bookings b set spared_at = v_now where b.id = v_booking.id;
    perform app_private.notify_managers(v_booking.offering_id, 'booking_spared', v_booking.id, null,
      jsonb_build_object('sequence', v_booking.sequence));
  end if;
  perform app_private.note_automation(v_booking, 'auto_cancel', v_due, v_outcome);
end
$$;
create or replace function app_private.expire_request(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_reason text := case when v_booking.awaits_payment then 'It was not paid in time.'
    else 'The request was not answered in time.' end;
  v_now timestamptz := app_private.clock();
  v_until timestamptz;
begin
  if v_booking.status = 'pending' and v_booking.request_expires_at <= v_now then
    -- Asked again now: a holiday may have been entered since, or somebody have touched it. Payment is no question of that.
    v_until := case when not v_booking.awaits_payment then
      app_private.answer_by(v_booking, greatest(v_booking.made_at, app_private.last_touched(v_booking))) end;
    if v_until > v_now then
      update app_public.bookings b set request_expires_at = v_until where b.id = v_booking.id;
      perform app_private.note_automation(v_booking, 'expire_request', v_booking.request_expires_at, 'postponed');
      return;
    end if;
    perform app_private.end_booking(v_booking.id, 'expired', v_reason, refund => v_booking.price);
    perform app_private.notify_customer(v_booking.customer_id,
      case when v_booking.awaits_payment then 'booking_unpaid' else 'booking_expired' end, v_booking.id, null,
      jsonb_build_object('alternatives', app_private.alternatives_to(v_booking)));
    perform app_private.notify_managers(v_booking.offering_id, 'expiry_notice', v_booking.id, null,
      jsonb_build_object('reason', v_reason))
    from app_public.policy_versions p where p.id = v_booking.policy_version_id and p.expiry_mails;
    perform app_private.notify_provider(v_booking, 'expiry_notice',
      jsonb_build_object('reason', v_reason))
    from app_public.policy_versions p where p.id = v_booking.policy_version_id and p.expiry_mails;
    perform app_private.note_automation(v_booking, 'expire_request', v_booking.request_expires_at);
  end if;
end
$$;
comment on function app_private.expire_request(uuid) is 'Ends a request nobody answered, or a booking nobody paid, and hands its room on; puts off a request whose grace goes on, for somebody touched it lately.';

-- functions/outbox.sql
create or replace function app_private.is_current(delivery app_public.deliveries) returns boolean
language sql stable
as $$
  select case k.current_while
      when 'always' then true
      when 'booking_live' then b.ended_at is null
      when 'booking_pending' then b.status = 'pending' and not b.awaits_payment
      when 'payment_open' then exists (
        select from app_public.payments y
        where app_private.is_open(y.status) and y.id in (
          select (n.data ->> 'paymentId')::uuid
          union all select i::uuid from jsonb_array_elements_text(n.data -> 'paymentIds') i))
      when 'booking_in_progress' then b.status = 'in_progress'
      when 'booking_delivered' then b.status = 'delivered'
      when 'booking_unconfirmed' then b.status = 'confirmed' and b.attendance_confirmed_at is null
      when 'offer_live' then e.status = 'offered' and e.hold_id = (n.data ->> 'holdId')::uuid
      when 'entry_waiting' then e.status = 'waiting'
    end
    and (not n.data ? 'sequence' or k.current_while = 'always' or (n.data ->> 'sequence')::integer = b.sequence)
    and coalesce(delivery.not_after > (select app_private.clock()), true)
    and not app_private.is_to_erased(n)
  from app_public.notifications n
  join app_private.notification_kinds k on k.kind = n.kind
  left join app_public.bookings b on b.id = n.booking_id
  left join app_public.waitlist_entries e on e.id = n.entry_id
  where n.id = delivery.notification_id
$$;

-- functions/mail_model.sql
create or replace function app_private.booking_as_json(booking app_public.bookings) returns jsonb
language sql stable
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'id', booking.id, 'reference', booking.reference, 'status', booking.status, 'sequence', booking.sequence,
    'offeringId', f.id, 'offeringName', f.name, 'address', coalesce(booking.customer_address, f.address),
    'directions', case when booking.customer_address is null then f.directions end,
    'supportContact', f.support_contact, 'timeZone', app_private.zone_of(f.id),
    'resourceNames', (
      select jsonb_agg(r.name order by r.name) from app_public.resources r
      where r.id = any (app_private.resources_taken(booking))),
    'providerName', (select r.name from app_public.resources r where r.id = booking.provider_id),
    'startsAt', booking.starts_at, 'endsAt', booking.ends_at, 'purpose', booking.purpose,
    'partySize', booking.party_size, 'price', booking.price, 'currency', booking.currency, 'refund', booking.refund,
    'customerName', c.name, 'attendanceConfirmedAt', booking.attendance_confirmed_at,
    'autoCancel', p.auto_cancel,
    'confirmDeadlineAt', case
      when booking.status = 'auto_cancelled' then booking.confirm_by
      -- Once a reminder was accepted its deadline stands; before, this mail may be the one it will count from.
      when app_private.asks_confirmation(booking) and booking.override_at is null
        and booking.reminder_sent_at is not null and booking.spared_at is null then booking.confirm_by
      when app_private.asks_confirmation(booking) and booking.override_at is null then
        nullif(greatest(booking.confirm_by, least(app_private.clock() + p.min_notice, booking.starts_at)), booking.starts_at)
    end,
    'awaitsPayment', booking.awaits_payment or null, 'demandsDeposit', booking.demands_deposit or null,
    'requestExpiresAt', booking.request_expires_at, 'deliveryAnswerBy', booking.delivery_answer_by,
    'deliveryNotes', booking.delivery_notes, 'recommendations', booking.recommendations,
    -- Why somebody has to agree who else would be booked at once.
    'offences', case when booking.status = 'pending' and (p.offender_demand <> 'deposit' or booking.price = 0) then
      app_private.offences_over_limit(booking.customer_id, p, booking.made_at) end))
  from app_public.offerings f, app_public.policy_versions p, app_public.customers c
  where f.id = booking.offering_id and p.id = booking.policy_version_id and c.id = booking.customer_id
$$;
create or replace function app_private.conditions(
  policy app_public.policy_versions, customer_id uuid, price numeric, currency text
) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'price', conditions.price, 'currency', conditions.currency,
    'needsApproval', app_private.needs_approval(policy, conditions.customer_id, conditions.price, c.now_at),
    'payFirst', nullif(app_private.to_be_paid_first(policy, conditions.price, conditions.currency,
      app_private.demands_deposit(policy, conditions.customer_id, conditions.price, c.now_at)), 0))
  from app_private.clock() c (now_at)
$$;
comment on function app_private.conditions(app_public.policy_versions, uuid, numeric, text) is 'What a booking of a customer would cost, whether a manager would have to agree, and what would have to be paid first, as mails and link pages show it.';
create or replace function app_private.conditions_of_entry(entry app_public.waitlist_entries) returns jsonb
language sql stable
as $$
  select app_private.conditions(p, entry.customer_id,
    -- A hold is sold at the price it was offered at.
    case when h.id is not null or not entry.for_places then coalesce(h.price, f.price)
      else (app_private.quote_for_slot(entry.slot_id, app_private.party_of(entry), p)).price end,
    coalesce(h.currency, g.currency))
  from app_public.offerings f
  join app_public.organizations g on g.id = f.organization_id
  join app_public.policy_versions p on p.id = entry.policy_version_id
  left join app_public.bookings h on h.id = entry.hold_id
  where f.id = entry.offering_id
$$;
comment on function app_private.conditions_of_entry(app_public.waitlist_entries) is 'What claiming would cost and need.';
create or replace function app_private.entry_as_json(entry app_public.waitlist_entries) returns jsonb
language sql stable
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'id', entry.id, 'status', entry.status, 'offeringId', f.id, 'offeringName', f.name,
    'address', coalesce(entry.customer_address, f.address),
    'supportContact', f.support_contact, 'timeZone', app_private.zone_of(f.id),
    'startsAt', entry.starts_at, 'endsAt', entry.ends_at, 'partySize', entry.party_size, 'note', entry.note,
    -- Until an offer is made any slot of the day will do.
    'day', case when entry.slot_id is null then entry.day end,
    'position', case when entry.status = 'waiting' then app_private.place_in_queue(entry) end,
    'offerExpiresAt', case when entry.status in ('offered', 'expired') then coalesce(
      entry.offer_expires_at,
      app_private.after_window(app_private.clock(), entry.claim_window, p,
        app_private.zone_of_customer(entry.customer_id, entry.offering_id), entry.starts_at)) end)
    || app_private.conditions_of_entry(entry))
  from app_public.offerings f
  join app_public.policy_versions p on p.id = entry.policy_version_id
  where f.id = entry.offering_id
$$;
create or replace function app_private.payment_as_json(payment_id uuid) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'id', y.id, 'amount', y.amount, 'currency', y.currency, 'purpose', y.purpose,
    'dueAt', case when b.awaits_payment then b.request_expires_at end, 'pending', b.awaits_payment)
  from app_public.payments y join app_public.bookings b on b.id = y.booking_id
  where y.id = payment_as_json.payment_id
$$;
create or replace function app_private.link_expiry(
  action app_private.link_action, booking app_public.bookings, entry app_public.waitlist_entries
) returns timestamptz
language sql volatile
return case action
  when 'magic' then app_private.clock() + interval '15 minutes'
  when 'reset' then app_private.clock() + interval '1 hour'
  when 'verify' then app_private.clock() + interval '48 hours'
  when 'unsubscribe' then app_private.clock() + interval '8760 hours'
  when 'confirm_delivery' then coalesce(booking.delivery_answer_by, booking.ends_at)
  -- What is due once it is over has to be paid then.
  when 'pay' then greatest(booking.ends_at, app_private.clock()) + interval '720 hours'
  -- Until the end: after that the page only says that it is too late.
  else case when action in ('cancel_series', 'approve_series', 'reject_series')
    then (select max(b.ends_at) from app_public.bookings b where b.series_id = booking.series_id)
    else coalesce(booking.ends_at, entry.ends_at) end
end;
comment on function app_private.link_expiry(app_private.link_action, app_public.bookings, app_public.waitlist_entries) is 'How long a link is valid: sign-in 15 minutes, password reset an hour, verification two days, unsubscription a year, the confirmation of a delivery until it is completed without, that to a series until its last end, that to pay for thirty days after the end, everything else until the end of what it is about.';
create or replace function app_private.issue_links(
  delivery app_public.deliveries, note app_public.notifications, actions app_private.link_action[],
  booking app_public.bookings, entry app_public.waitlist_entries
) returns jsonb
language sql volatile
as $$
  select coalesce(jsonb_object_agg(a.action, app_private.issue_link(
    a.action, note.organization_id, note.customer_id, note.user_id,
    case when a.action in ('confirm', 'cancel', 'approve', 'reject', 'confirm_delivery', 'cancel_series', 'pay', 'approve_series',
      'reject_series') then booking.id end,
    case when a.action in ('claim', 'decline', 'leave') then entry.id end,
    delivery.id, coalesce(app_private.link_expiry(a.action, booking, entry), (
      select r.expires_at from app_private.guest_requests r where r.notification_id = note.id)))), '{}')
  from unnest(actions) a (action)
  where a.action <> 'pay' or app_private.is_paid_by_link(booking.id)
$$;
create or replace function app_private.live_bookings_with_links(delivery app_public.deliveries, note app_public.notifications) returns jsonb
language sql volatile
as $$
  select jsonb_agg(app_private.booking_as_json(b) || jsonb_build_object('tokens', app_private.issue_links(
      delivery, note,
      case when app_private.asks_confirmation(b) then '{confirm,cancel}' when b.awaits_payment then '{pay,cancel}'
        else '{cancel}' end::app_private.link_action[],
      b, null)) order by b.starts_at)
  from app_public.bookings b
  where b.customer_id = note.customer_id and b.status in ('pending', 'confirmed')
$$;
create or replace function app_private.payments_with_links(delivery app_public.deliveries, note app_public.notifications) returns jsonb
language sql volatile
as $$
  select jsonb_agg(app_private.payment_as_json(y.id) || jsonb_strip_nulls(jsonb_build_object(
    'startsAt', b.starts_at, 'endsAt', b.ends_at, 'providerName', r.name,
    'tokens', app_private.issue_links(delivery, note, '{pay}', b, null))) order by b.starts_at)
  from app_public.payments y
  join app_public.bookings b on b.id = y.booking_id
  left join app_public.resources r on r.id = b.provider_id
  where y.id in (select i::uuid from jsonb_array_elements_text(note.data -> 'paymentIds') i) and app_private.is_open(y.status)
$$;
comment on function app_private.payments_with_links(app_public.deliveries, app_public.notifications) is 'What is still to be paid of what a message is about, with the dates it is for.';
create or replace function app_private.mail_model(delivery app_public.deliveries)
returns table (kind text, locale text, model jsonb)
language plpgsql volatile
as $$
declare
  v_note app_public.notifications;
  v_kind app_private.notification_kinds;
  v_booking app_public.bookings;
  v_entry app_public.waitlist_entries;
  v_recipient jsonb;
begin
  select * into v_note from app_public.notifications n where n.id = delivery.notification_id;
  select * into v_kind from app_private.notification_kinds k where k.kind = v_note.kind;
  select * into v_booking from app_public.bookings b where b.id = v_note.booking_id;
  select * into v_entry from app_public.waitlist_entries e where e.id = v_note.entry_id;
  select jsonb_build_object(
      'name', coalesce(c.name, u.name), 'email', delivery.address, 'timeZone', coalesce(c.time_zone, u.time_zone),
      'locale', coalesce(c.locale, u.locale, g.locale))
    into v_recipient
  from app_public.organizations g
  left join app_public.customers c on c.id = v_note.customer_id
  left join app_public.users u on u.id = coalesce(v_note.user_id, c.user_id)
  where g.id = v_note.organization_id;
  return query select v_note.kind, v_recipient ->> 'locale', jsonb_strip_nulls(v_note.data || jsonb_build_object(
    'organization', app_private.organization_as_json(v_note.organization_id),
    'recipient', v_recipient,
    'booking', case when v_booking.id is not null then app_private.booking_as_json(v_booking)
      -- A message to a user about a booking is one to a manager or provider, who may have to call.
      || case when v_note.user_id is not null then app_private.customer_contact(v_booking) else '{}' end end,
    'entry', case when v_entry.id is not null then app_private.entry_as_json(v_entry) else (
      select app_private.request_as_json(r) || jsonb_build_object('offerExpiresAt', r.expires_at)
      from app_private.guest_requests r where r.notification_id = v_note.id) end,
    'payment', app_private.payment_as_json((v_note.data ->> 'paymentId')::uuid),
    'payments', app_private.payments_with_links(delivery, v_note),
    'slot', app_private.slot_as_json((v_note.data ->> 'slotId')::uuid),
    'occurrences', app_private.occurrences_as_json(v_note.data -> 'bookingIds'),
    'bookings', case when v_note.kind = 'links_again' then app_private.live_bookings_with_links(delivery, v_note) end,
    'entries', case when v_note.kind = 'links_again' then app_private.live_entries_with_links(delivery, v_note) end,
    'tokens', app_private.issue_links(delivery, v_note, v_kind.actions, v_booking, v_entry)));
end
$$;
revoke execute on function
  app_private.booking_as_json(app_public.bookings), app_private.entry_as_json(app_public.waitlist_entries),
  app_private.conditions(app_public.policy_versions, uuid, numeric, text), app_private.conditions_of_entry(app_public.waitlist_entries),
  app_private.slot_as_json(uuid), app_private.payment_as_json(uuid), app_private.customer_contact(app_public.bookings), app_private.organization_as_json(uuid),
  app_private.link_expiry(app_private.link_action, app_public.bookings, app_public.waitlist_entries),
  app_private.issue_links(app_public.deliveries, app_public.notifications, app_private.link_action[], app_public.bookings, app_public.waitlist_entries),
  app_private.payments_with_links(app_public.deliveries, app_public.notifications),
  app_private.live_bookings_with_links(app_public.deliveries, app_public.notifications),
  app_private.live_entries_with_links(app_public.deliveries, app_public.notifications),
  app_private.mail_model(app_public.deliveries) from public;

-- functions/admin.sql
create or replace function app_public.expire_due() returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_id uuid;
  v_count integer := 0;
begin
  perform app_private.require_admin();
  -- As the worker does it: an admin who calls for it touches none of them.
  perform set_config('reslot.via', 'job', true);
  foreach v_id in array app_private.lock_due('{expire_hold,expire_request,lapse}') loop
    perform app_private.run_deadline(v_id);
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;

-- functions/figure_parts.sql
create or replace function app_private.figure_bookings(offering_ids uuid[], resource_id uuid, from_day date, to_day date, margin interval)
returns table (
  id uuid, slot_id uuid, resource_id uuid, offering_id uuid, shared boolean, zone text, since timestamptz,
  until timestamptz, status app_public.booking_status, unclaimed boolean, starts_at timestamptz, ends_at timestamptz,
  made_at timestamptz, ended_at timestamptz, reminder_sent_at timestamptz, attendance_confirmed_at timestamptz,
  override_at timestamptz, price numeric, refund numeric, currency text, answered_at timestamptz, review_id uuid,
  expires_at timestamptz
)
language sql stable
as $$
  -- Materialised, so that the bounds are worked out once for each resource and not for each booking.
  with uses as materialized (
    select u.*, u.since - margin as earliest, u.until + margin as latest
    from app_private.figure_uses(offering_ids, figure_bookings.resource_id, from_day, to_day) u)
  select b.id, b.slot_id, u.resource_id, u.offering_id, u.shared, u.zone, u.since, u.until, b.status, b.unclaimed,
    b.starts_at, b.ends_at, b.made_at, b.ended_at, b.reminder_sent_at, b.attendance_confirmed_at, b.override_at,
    b.price, b.refund, b.currency, b.answered_at, b.review_id, b.expires_at
  from uses u
  join app_public.bookings b
    on b.offering_id = u.offering_id and b.starts_at >= u.earliest and b.starts_at < u.latest
    and (not u.in_pool or b.provider_id = u.resource_id)
$$;
create or replace function app_private.booking_figures(offering_ids uuid[], resource_id uuid, from_day date, to_day date, by_day boolean)
returns table (
  resource_id uuid, day date, due integer, auto_cancelled integer, no_shows integer, reminded integer, confirmed integer,
  overrides integer, ended integer, completed integer, unclaimed integer, held integer, expired integer
)
language sql stable rows 1000
as $$
  select b.resource_id, case when by_day then (b.starts_at at time zone b.zone)::date else from_day end,
    count(*) filter (where b.starts_at <= (select app_private.clock()) and (b.status in
      ('auto_cancelled', 'no_show', 'confirmed', 'in_progress', 'delivered', 'completed')
      -- What has begun was due, whatever became of it; a request that nobody answered never was.
      or b.status = 'expired' and b.expires_at is not null)),
    count(*) filter (where b.starts_at <= (select app_private.clock()) and b.status = 'auto_cancelled'),
    count(*) filter (where b.status = 'no_show'),
    count(b.reminder_sent_at),
    count(*) filter (where b.attendance_confirmed_at >= b.reminder_sent_at),
    count(b.override_at),
    count(*) filter (where b.ended_at is not null and not b.unclaimed),
    count(*) filter (where b.status = 'completed'),
    count(*) filter (where b.unclaimed),
    count(*) filter (where b.status = 'held'),
    count(*) filter (where b.status = 'expired' and not b.unclaimed)
  from app_private.figure_bookings(offering_ids, booking_figures.resource_id, from_day, to_day, interval '0') b
  group by 1, 2
$$;
-- Each release looks for what followed it by the index of its offerings: a release concerns a dozen bookings, and joined
-- with all of them it took half of the time of a year's figures.
create or replace function app_private.refill_figures(
  offering_ids uuid[], resource_id uuid, from_day date, to_day date, by_day boolean, margin interval
)
returns table (resource_id uuid, day date, releases integer, refills integer, seconds double precision[])
language sql stable rows 1000
as $$
  with uses as materialized (
    select u.*, (
      select make_interval(secs => date_part('epoch', max(n.ends_at - n.starts_at)))
      from app_public.bookings n
      where n.offering_id = u.offering_id and n.starts_at >= u.since - margin and n.starts_at < u.until + margin) as longest
    from app_private.figure_uses(offering_ids, refill_figures.resource_id, from_day, to_day) u
  ),
  released as materialized (
    select k.resource_id, case when by_day then (k.starts_at at time zone k.zone)::date else from_day end as day,
      extract(epoch from (
        select min(n.made_at)
        from uses u
        join app_public.bookings n
          on n.offering_id = u.offering_id and n.starts_at > k.starts_at - u.longest and n.starts_at < k.ends_at
          and n.ends_at > k.starts_at and n.made_at >= k.ended_at and not n.unclaimed and n.id <> k.id
          and (not u.in_pool or n.provider_id = u.resource_id) and (k.slot_id is null or n.slot_id = k.slot_id)
        where u.resource_id = k.resource_id
          -- What many can use at once was not free only for being let go.
          and (u.offering_id = k.offering_id or not k.shared and k.slot_id is null)) - k.ended_at)::float as seconds
    from app_private.figure_bookings(offering_ids, refill_figures.resource_id, from_day, to_day, interval '0') k
    where not k.unclaimed and k.ended_at < k.starts_at
      and k.status in ('cancelled', 'auto_cancelled', 'rejected', 'expired')
  )
  select r.resource_id, r.day, count(*), count(r.seconds),
    percentile_cont('{0.5,0.9}'::double precision[]) within group (order by r.seconds)
  from released r
  group by 1, 2
$$;
create or replace function app_private.link_figures(offering_ids uuid[], resource_id uuid, from_day date, to_day date, by_day boolean)
returns table (resource_id uuid, day date, sent integer, followed integer)
language sql stable rows 1000
as $$
  with uses as materialized (
    select u.* from app_private.figure_uses(offering_ids, link_figures.resource_id, from_day, to_day) u)
  select l.resource_id, case when by_day then (l.starts_at at time zone l.zone)::date else from_day end,
    count(*), count(l.used_at)
  from (
    select b.resource_id, b.starts_at, b.zone, t.used_at
    from app_private.figure_bookings(offering_ids, link_figures.resource_id, from_day, to_day, interval '0') b
    join app_private.link_tokens t on t.booking_id = b.id
    -- Of those that are older not all links are left, and figures_of says nothing.
    where b.starts_at > (select app_private.clock()) - interval '792 hours'
      and t.action in ('confirm', 'cancel', 'approve', 'reject', 'confirm_delivery')
    union all
    select u.resource_id, e.starts_at, u.zone, t.used_at
    from uses u
    join app_public.waitlist_entries e
      on e.offering_id = u.offering_id and e.starts_at >= u.since and e.starts_at < u.until
    join app_private.link_tokens t on t.entry_id = e.id
    where t.action in ('claim', 'decline', 'leave')) l
  group by 1, 2
$$;

-- functions/figures.sql
create or replace function app_private.longest_booking(offering_ids uuid[]) returns interval
language sql stable
as $$
  select greatest(coalesce(max(v.max_duration), interval '24 hours'), max(f.duration))
  from app_public.offerings f
  join app_public.policy_versions v on v.organization_id = f.organization_id
  where f.id = any (offering_ids)
$$;
comment on function app_private.longest_booking(uuid[]) is 'How long a booking can be by any policy, or what an offering takes: one that began so much earlier may still be there.';
create or replace function app_private.figures_of(
  offering_ids uuid[], resource_id uuid, from_day date, to_day date, by_day boolean, margin interval
) returns setof app_public.figure
language sql stable rows 1000
as $$
  select nullif(resource_id, '00000000-0000-0000-0000-000000000000'), r.name, case when by_day then day end,
    n.due, n.auto_cancelled, n.no_shows, (n.auto_cancelled + n.no_shows)::float / nullif(n.due, 0),
    n.reminded, n.confirmed, n.confirmed::float / nullif(n.reminded, 0),
    n.offers, n.claims, coalesce(o.declines, 0), coalesce(o.expiries, 0),
    n.claims::float / nullif(n.offers - coalesce(b.held, 0), 0), coalesce(o.last_call_claims, 0),
    coalesce(f.releases, 0), coalesce(f.refills, 0), f.seconds[1], f.seconds[2],
    u.open_seconds, u.booked_seconds, u.booked_seconds / nullif(u.open_seconds, 0),
    coalesce(b.overrides, 0), case when k.known then coalesce(l.sent, 0) end, case when k.known then coalesce(l.followed, 0) end,
    n.ended, n.completed, n.completed::float / nullif(n.ended, 0), coalesce(o.waiting, 0), coalesce(o.offered, 0),
    coalesce(a.answered, 0), a.seconds[1], a.seconds[2], coalesce(a.reviews, 0), a.rating,
    coalesce(b.expired, 0)
  from app_private.booking_figures(offering_ids, figures_of.resource_id, from_day, to_day, by_day) b
  full join app_private.offer_figures(offering_ids, figures_of.resource_id, from_day, to_day, by_day) o using (resource_id, day)
  full join app_private.link_figures(offering_ids, figures_of.resource_id, from_day, to_day, by_day) l using (resource_id, day)
  full join app_private.answer_figures(offering_ids, figures_of.resource_id, from_day, to_day, by_day) a using (resource_id, day)
  full join app_private.refill_figures(
    offering_ids, figures_of.resource_id, from_day, to_day, by_day, margin) f using (resource_id, day)
  full join app_private.utilisation_figures(
    offering_ids, figures_of.resource_id, from_day, to_day, by_day, margin) u using (resource_id, day)
  left join app_public.resources r on r.id = resource_id
  -- Where there was nothing it is nought; a rate of nothing is null.
  cross join lateral (
    select coalesce(b.due, 0) as due, coalesce(b.auto_cancelled, 0) as auto_cancelled, coalesce(b.no_shows, 0) as no_shows,
      coalesce(b.reminded, 0) as reminded, coalesce(b.confirmed, 0) as confirmed,
      coalesce(b.unclaimed, 0) + coalesce(o.claims, 0) as offers, coalesce(o.claims, 0) as claims,
      coalesce(b.ended, 0) as ended, coalesce(b.completed, 0) as completed) n
  -- Links are deleted 30 days after what they are about: older days would seem to have had fewer.
  cross join lateral (select day > ((select app_private.clock()) - interval '744 hours')::date as known) k
  order by day, r.name, resource_id
$$;
create or replace function app_public.figures(
  from_day date, to_day date, organization_id uuid default null, resource_id uuid default null,
  offering_id uuid default null, by_day boolean default true
) returns setof app_public.figure
language plpgsql stable security definer rows 1000
set search_path = pg_catalog, app_public, app_private, pg_temp
-- A year of a large house is sorted and joined in memory.
set work_mem = '32MB'
-- Each release looks up a dozen bookings, for which a bitmap is dear.
set enable_bitmapscan = off
as $$
declare
  v_ids uuid[] := app_private.managed_offerings_in(from_day, to_day, organization_id, resource_id, offering_id);
begin
  return query
    select f.* from app_private.figures_of(
      v_ids, figures.resource_id, from_day, to_day, coalesce(by_day, true), app_private.longest_booking(v_ids)) f;
end
$$;

-- functions/people/guest_requests.sql
create or replace function app_private.request_as_json(request app_private.guest_requests) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'offeringId', f.id, 'offeringName', f.name, 'address', f.address, 'supportContact', f.support_contact,
    'timeZone', app_private.zone_of(f.id), 'startsAt', lower(request.during), 'endsAt', upper(request.during),
    'partySize', request.party_size)
    || app_private.conditions(p, request.customer_id, case when request.slot_id is null then f.price else
      (app_private.quote_for_slot(request.slot_id, app_private.places_for(app_private.party_of_request(request), p), p)).price end,
      g.currency)
  from app_public.offerings f
  join app_public.organizations g on g.id = f.organization_id
  cross join app_private.policy_of(f) p
  where f.id = request.offering_id
$$;

-- functions/links.sql
create or replace function app_private.pay_link_standing(booking app_public.bookings, now_at timestamptz) returns text
language sql stable
as $$
  select case
    when booking.status = 'held' then 'unknown'
    when booking.status = 'expired' or booking.awaits_payment and booking.request_expires_at <= pay_link_standing.now_at
      then 'unpaid'
    when app_private.is_paid_by_link(booking.id) then 'ready'
    when booking.status in ('cancelled', 'auto_cancelled', 'rejected') then booking.status::text
    else 'done'
  end
$$;
comment on function app_private.pay_link_standing(app_public.bookings, timestamptz) is 'Where a link to pay stands: ready, done (nothing is left to pay), or why it comes too late.';
create or replace function app_private.user_serves(user_id uuid, booking app_public.bookings) returns boolean
language sql stable
as $$
  select exists (
    select from app_public.users u
    where u.id = user_serves.user_id and u.deactivated_at is null and (u.is_admin or exists (
      select from app_public.memberships m
      where m.user_id = u.id and m.organization_id = booking.organization_id
        and (m.resource_id = booking.provider_id or m.role in ('owner', 'manager') and (m.all_offerings or exists (
          select from app_public.membership_offerings x
          where x.membership_id = m.id and x.offering_id = booking.offering_id))))))
$$;
comment on function app_private.user_serves(uuid, app_public.bookings) is 'Whether a user manages a booking or is its provider.';
create or replace function app_private.link_bearer_is_entitled(link app_private.link_tokens) returns boolean
language sql stable
as $$
  select case
    when link.customer_id is not null then exists (
      select from app_public.customers c where c.id = link.customer_id and c.erased_at is null)
      and not exists (
        select from app_public.bookings b where b.id = link.booking_id and b.customer_id <> link.customer_id)
      and not exists (
        select from app_public.waitlist_entries e where e.id = link.entry_id and e.customer_id <> link.customer_id)
    when link.booking_id is null then exists (
      select from app_public.users u where u.id = link.user_id and u.erased_at is null)
    -- The link of a manager or provider is worth no more than their rights are today.
    else exists (
      select from app_public.bookings b where b.id = link.booking_id and app_private.user_serves(link.user_id, b))
  end
$$;
create or replace function app_private.link_standing(link app_private.link_tokens) returns text
language plpgsql stable
as $$
declare
  v_standing text;
  v_now timestamptz := app_private.clock();
begin
  if link.token_hash is null or not app_private.link_bearer_is_entitled(link) then
    return 'unknown';
  end if;
  case link.action
    when 'confirm', 'cancel', 'approve', 'reject', 'confirm_delivery' then
      select app_private.booking_link_standing(link.action, b, v_now) into v_standing
      from app_public.bookings b where b.id = link.booking_id;
    when 'pay' then
      select app_private.pay_link_standing(b, v_now) into v_standing from app_public.bookings b where b.id = link.booking_id;
    when 'cancel_series' then
      select app_private.series_link_standing(b) into v_standing
      from app_public.bookings b where b.id = link.booking_id;
    when 'approve_series', 'reject_series' then
      select app_private.series_answer_standing(link, b) into v_standing
      from app_public.bookings b where b.id = link.booking_id;
    when 'claim', 'decline', 'leave' then
      select app_private.entry_link_standing(link.action, e, b, v_now) into v_standing
      from app_public.waitlist_entries e left join app_public.bookings b on b.id = e.booking_id
      where e.id = link.entry_id;
    when 'unsubscribe' then
      -- Of a member it is that of the organisation.
      select case when s.unsubscribed_at is null then 'ready' else 'done' end into v_standing
      from (
        select c.unsubscribed_at from app_public.customers c where c.id = link.customer_id
        union all
        select m.unsubscribed_at from app_public.memberships m
        where m.user_id = link.user_id and m.organization_id = link.organization_id) s;
      v_standing := coalesce(v_standing, 'unknown');
    when 'book' then
      v_standing := app_private.request_standing(app_private.request_of_link(link), v_now);
    else
      v_standing := app_private.account_link_standing(link);
  end case;
  return case when v_standing = 'ready' and link.expires_at <= v_now then 'link_expired' else v_standing end;
end
$$;
create or replace function app_private.link_booking(link app_private.link_tokens, is_current boolean) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'offeringId', b.offering_id, 'offeringName', f.name, 'startsAt', b.starts_at, 'endsAt', b.ends_at,
    'timeZone', app_private.zone_of(b.offering_id)
  ) || case when is_current then jsonb_build_object(
    'reference', b.reference, 'status', b.status, 'partySize', b.party_size,
    'price', b.price, 'currency', b.currency, 'purpose', b.purpose,
    -- Only a deadline that costs the booking is one; a rehearsal is not announced.
    'confirmBy', case when p.auto_cancel = 'on' and b.override_at is null
      and b.confirm_by > (select app_private.clock()) then b.confirm_by end,
    'requestExpiresAt', b.request_expires_at, 'deliveryAnswerBy', b.delivery_answer_by,
    'endedReason', b.ended_reason, 'address', f.address, 'supportContact', f.support_contact,
    'seriesLeft', case when link.action = 'cancel_series' then (
      select count(*) from app_private.rest_of_series(b, 'all')) end,
    'payment', (
      select jsonb_build_object('amount', y.amount, 'status', y.status,
        'dueBy', case when b.awaits_payment then b.request_expires_at end,
        'url', case when link.action = 'pay' then y.checkout_url end)
      from app_public.payments y
      where y.booking_id = b.id and app_private.is_open(y.status) and link.action in ('pay', 'book', 'claim')),
    'seriesWaiting', case when link.action in ('approve_series', 'reject_series') then (
      select count(*) from app_private.requests_of_link(link)) end,
    -- Managers decide about somebody; to everybody else a link shows no person at all.
    'customerName', case when link.user_id is not null then coalesce(c.name, c.email, c.phone) end
  ) else '{}' end
  from app_public.bookings b
  join app_public.offerings f on f.id = b.offering_id
  join app_public.policy_versions p on p.id = b.policy_version_id
  join app_public.customers c on c.id = b.customer_id
  -- Of a series: the first that is still to come.
  where b.id = coalesce(case when link.action = 'cancel_series' then (
      select r.id from app_public.bookings s cross join lateral app_private.rest_of_series(s, 'all') r
      where s.id = link.booking_id limit 1)
    when link.action in ('approve_series', 'reject_series') then (
      select r.id from app_private.requests_of_link(link) r limit 1) end,
    link.booking_id, (app_private.request_of_link(link)).booking_id, (
    select e.booking_id from app_public.waitlist_entries e where e.id = link.entry_id))
$$;
create or replace function app_private.link_entry(link app_private.link_tokens, is_current boolean) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'offeringId', e.offering_id, 'offeringName', f.name, 'startsAt', e.starts_at, 'endsAt', e.ends_at,
    'timeZone', app_private.zone_of(e.offering_id)
  ) || case when is_current then jsonb_build_object(
    'status', e.status, 'partySize', e.party_size, 'offerExpiresAt', e.offer_expires_at,
    'day', case when e.slot_id is null then e.day end,
    'isHeld', e.status = 'offered', 'address', f.address, 'supportContact', f.support_contact
  ) || app_private.conditions_of_entry(e) else '{}' end
  from app_public.waitlist_entries e
  join app_public.offerings f on f.id = e.offering_id
  where e.id = coalesce(link.entry_id, (app_private.request_of_link(link)).entry_id)
$$;
create or replace function app_private.act_on_link(link app_private.link_tokens, choice jsonb, evidence jsonb) returns timestamptz
language plpgsql volatile
as $$
declare
  v_reason constant text := nullif(choice ->> 'reason', '');
  v_booking app_public.bookings;
  v_starts_at timestamptz;
begin
  case link.action
    when 'confirm' then
      v_starts_at := (app_private.confirm_attendance(link.booking_id, 'link', evidence)).starts_at;
    when 'cancel' then
      v_starts_at := (app_private.end_booking_by_customer(link.booking_id, v_reason)).starts_at;
    when 'cancel_series' then
      v_starts_at := app_private.cancel_series_by_link(link, v_reason);
    when 'pay' then
      v_booking := app_private.lock_booking(link.booking_id);
      perform app_private.begin_payment(v_booking);
      v_starts_at := v_booking.starts_at;
    when 'approve_series', 'reject_series' then
      v_starts_at := app_private.answer_series_by_link(link, v_reason);
    when 'confirm_delivery' then
      v_starts_at := (app_private.confirm_delivered(link.booking_id)).starts_at;
    when 'approve' then
      v_starts_at := (app_private.approve(link.booking_id, v_reason)).starts_at;
    when 'reject' then
      v_starts_at := (app_private.reject(link.booking_id, v_reason)).starts_at;
    when 'claim' then
      v_starts_at := (app_private.claim(link.entry_id)).starts_at;
    when 'decline' then
      v_starts_at := (app_private.decline(link.entry_id)).starts_at;
    when 'leave' then
      v_starts_at := (app_private.leave(link.entry_id)).starts_at;
    when 'book' then
      v_starts_at := app_private.follow_request(link, choice);
    when 'unsubscribe' then
      if link.customer_id is not null then
        perform app_private.lock_customer(link.customer_id);
      end if;
      update app_public.customers c set unsubscribed_at = app_private.clock()
      where c.id = link.customer_id and c.unsubscribed_at is null;
      update app_public.memberships m set unsubscribed_at = app_private.clock()
      where m.user_id = link.user_id and m.organization_id = link.organization_id and m.unsubscribed_at is null;
    else
      perform app_private.fail('RSARG', 'This link is followed in another way.');
  end case;
  return v_starts_at;
end
$$;
revoke execute on function
  app_private.booking_link_standing(app_private.link_action, app_public.bookings, timestamptz),
  app_private.entry_link_standing(app_private.link_action, app_public.waitlist_entries, app_public.bookings, timestamptz),
  app_private.pay_link_standing(app_public.bookings, timestamptz),
  app_private.user_serves(uuid, app_public.bookings),
  app_private.link_bearer_is_entitled(app_private.link_tokens), app_private.account_link_standing(app_private.link_tokens),
  app_private.link_standing(app_private.link_tokens), app_private.link_booking(app_private.link_tokens, boolean),
  app_private.link_entry(app_private.link_tokens, boolean), app_private.read_link(text),
  app_private.act_on_link(app_private.link_tokens, jsonb, jsonb), app_private.follow_link(text, jsonb, jsonb)
from public;

-- views/invariants.sql
-- One view for each invariant of DESIGN §3, returning the rows that break it: none in a healthy system.

create or replace view app_private.i1_places with (security_invoker) as
select s.id as subject_id, 'places taken are not those of its bookings' as problem
from app_public.slots s
where s.taken <> (select coalesce(sum(t.places), 0) from app_private.taken_places t where t.slot_id = s.id)
union all
select s.id, 'more places taken than there are'
from app_public.slots s where s.taken > s.capacity
union all
select b.id, 'booking and places disagree'
from app_public.bookings b left join app_private.taken_places t on t.booking_id = b.id
where b.slot_id is not null and b.ended_at is null and app_private.occupies(b)
  and (t.slot_id, t.places) is distinct from (b.slot_id, b.places)
union all
select t.booking_id, 'places without a live booking'
from app_private.taken_places t join app_public.bookings b on b.id = t.booking_id
where not app_private.occupies(b);
comment on view app_private.i1_places is 'I1: room taken never exceeds the capacity of a slot, and is the sum of the bookings that occupy, holds included.';

create or replace view app_private.i2_occupancies with (security_invoker) as
select b.id as subject_id, 'booking and occupancies disagree' as problem
from app_public.bookings b
where b.slot_id is null and b.ended_at is null and app_private.occupies(b) and exists (
  select from app_public.offering_resources x
  join app_public.resources r on r.id = x.resource_id and not r.shared
  where x.offering_id = b.offering_id and (not x.in_pool or x.resource_id = b.provider_id) and not exists (
    select from app_private.occupancies o
    where o.booking_id = b.id and o.resource_id = x.resource_id and o.during = b.room))
union all
select b.id, 'booking takes not one of the pool'
from app_public.bookings b
where b.ended_at is null and app_private.occupies(b) and app_private.has_pool(b.offering_id) and 1 <> (
  select count(*) from app_private.occupancies o
  join app_public.offering_resources x on x.resource_id = o.resource_id and x.offering_id = b.offering_id and x.in_pool
  where o.booking_id = b.id)
union all
select o.booking_id, 'occupancy without a live booking'
from app_private.occupancies o join app_public.bookings b on b.id = o.booking_id
where not app_private.occupies(b)
union all
select o.booking_id, 'occupancy of something the offering does not use'
from app_private.occupancies o join app_public.bookings b on b.id = o.booking_id
where not exists (
  select from app_public.offering_resources x where x.offering_id = b.offering_id and x.resource_id = o.resource_id)
union all
select s.id, 'slot and occupancies disagree'
from app_public.slots s
where s.ended_at is null and exists (
  select from app_public.offering_resources x
  join app_public.resources r on r.id = x.resource_id and not r.shared
  where x.offering_id = s.offering_id and not exists (
    select from app_private.occupancies o
    where o.slot_id = s.id and o.resource_id = x.resource_id and o.during = s.room))
union all
select o.slot_id, 'occupancy without a live slot'
from app_private.occupancies o join app_public.slots s on s.id = o.slot_id
where s.ended_at is not null
union all
select coalesce(a.booking_id, a.slot_id), 'occupancies overlap'
from app_private.occupancies a
join app_private.occupancies b on b.resource_id = a.resource_id and b.during && a.during and b.id <> a.id;
comment on view app_private.i2_occupancies is 'I2: no two occupancies of a resource overlap, and a booking or slot has its occupancies exactly while it occupies.';

create or replace view app_private.i3_offers with (security_invoker) as
select e.id as subject_id, 'offer without its hold' as problem
from app_public.waitlist_entries e left join app_public.bookings b on b.id = e.hold_id
where e.status = 'offered' and (b.id is null or b.status <> 'held' or b.customer_id <> e.customer_id)
union all
select b.id, 'hold without its offer'
from app_public.bookings b
where b.status = 'held' and (select count(*) from app_public.waitlist_entries e where e.hold_id = b.id) <> 1
union all
select e.id, 'second offer of a customer on one resource'
from app_public.waitlist_entries e
join app_public.waitlist_entries other
  on other.customer_id = e.customer_id and other.status = 'offered' and other.id > e.id
where e.status = 'offered' and exists (
  select from app_public.offering_resources x join app_public.offering_resources y on y.resource_id = x.resource_id
  where x.offering_id = e.offering_id and y.offering_id = other.offering_id);
comment on view app_private.i3_offers is 'I3: at most one live offer per entry, one hold per live offer, one offer per customer and resource.';

create or replace view app_private.i4_free_while_waited_for with (security_invoker) as
select e.id as subject_id, 'room is free while somebody waits for it' as problem
from app_public.waitlist_entries e
where e.status = 'waiting' and e.stuck_at is null and e.passed_at is null and not e.for_places
  and e.last_call_at > (select app_private.clock())
  and app_private.is_free(e.offering_id, e.room, e.provider_id)
  and not exists (
    select from app_public.waitlist_entries other
    join app_public.offering_resources y on y.offering_id = other.offering_id
    join app_public.offering_resources x on x.resource_id = y.resource_id
    where other.customer_id = e.customer_id and other.status = 'offered' and x.offering_id = e.offering_id)
  -- An organisation-wide blackout that was lifted is handed on by its sweeps.
  and not exists (
    select from app_private.blackout_sweeps s join app_public.offering_resources x on x.resource_id = s.resource_id
    where s.swept_at is null and x.offering_id = e.offering_id)
  and app_private.may_be_offered(e)
union all
select e.id, 'places are free while somebody waits for them'
from app_public.waitlist_entries e
where e.status = 'waiting' and e.stuck_at is null and e.for_places
  and not exists (
    select from app_public.waitlist_entries other
    join app_public.offering_resources y on y.offering_id = other.offering_id
    join app_public.offering_resources x on x.resource_id = y.resource_id
    where other.customer_id = e.customer_id and other.status = 'offered' and x.offering_id = e.offering_id)
  and not exists (
    select from app_private.blackout_sweeps s join app_public.offering_resources x on x.resource_id = s.resource_id
    where s.swept_at is null and x.offering_id = e.offering_id)
  and exists (
    select from app_private.slots_of(e) s
    where e.places <= s.capacity - s.taken and not s.id = any (e.passed_slot_ids)
      and app_private.last_call_of(s, e) > (select app_private.clock())
      and app_private.is_on_sale(s));
comment on view app_private.i4_free_while_waited_for is 'I4: before the last call, no room is free while an eligible person waits for it.';

-- What was when an offer was made is read from the audit log: its ids are in the order in which things happened, also
-- where many happened at one moment of a simulated clock. Whatever has changed since excuses.
create or replace view app_private.i5_out_of_turn with (security_invoker) as
-- Those who came first and whom the hold of an offer keeps from their room; usually none, and the rest is dear.
with came_first as materialized (
  select distinct o.id as offered_id, w.id as waiting_id
  from app_public.waitlist_entries o
  join app_private.occupancies c on c.booking_id = o.hold_id
  join app_public.offering_resources x on x.resource_id = c.resource_id
  join app_public.waitlist_entries w
    on w.offering_id = x.offering_id and w.status = 'waiting' and w.stuck_at is null and w.passed_at is null
    and not w.for_places and w.room && c.during and w.room <@ o.offered_from
    and w.customer_id <> o.customer_id and w.last_call_at > o.offered_at
    and (w.priority, w.joined_at, w.id) < (o.priority, o.joined_at, o.id)
  where o.status = 'offered'
)
select o.id as subject_id, 'offered before somebody who came first: ' || w.id as problem
from came_first f
join app_public.waitlist_entries o on o.id = f.offered_id
join app_public.waitlist_entries w on w.id = f.waiting_id
cross join lateral (
  select a.id as at from app_public.audit_log a
  where a.record_id = o.id and a.new_values ->> 'status' = 'offered' order by a.id desc limit 1) made
where
  -- Nothing but this offer keeps them from their room,
  app_private.is_free(w.offering_id, w.room, w.provider_id, o.hold_id)
  and not exists (
    select from app_public.waitlist_entries other
    join app_public.offering_resources y on y.offering_id = other.offering_id
    join app_public.offering_resources x on x.resource_id = y.resource_id and x.offering_id = w.offering_id
    where other.customer_id = w.customer_id and other.status = 'offered')
  and app_private.is_bookable(w.offering_id, tstzrange(w.starts_at, w.ends_at), w.room, w.provider_id, o.hold_id)
  -- and nothing else did when it was made: neither they nor their rank have changed since,
  and not exists (
    select from app_public.audit_log a
    where a.record_id in (w.id, o.id) and a.id > made.at
      and a.new_values ?| '{status,priority,passed_at,stuck_at,customer_id}')
  -- nor has another booking, nor an offer of theirs,
  and not exists (
    select from app_public.audit_log a
    join app_public.bookings b on b.id = a.record_id and b.id <> o.hold_id
    join app_public.offering_resources y on y.offering_id = b.offering_id
    join app_public.offering_resources x on x.resource_id = y.resource_id and x.offering_id = w.offering_id
    where a.organization_id = o.organization_id and a.id > made.at and a.new_values ?| '{room,ended_at,provider_id}')
  and not exists (
    select from app_public.audit_log a
    join app_public.waitlist_entries other on other.id = a.record_id and other.customer_id = w.customer_id
    where a.organization_id = o.organization_id and a.id > made.at and a.new_values ? 'status')
  -- nor what is open.
  and not exists (
    select from app_public.audit_log a
    where a.organization_id = o.organization_id and a.id > made.at
      and a.table_name in ('blackouts', 'opening_hours', 'resources', 'offerings', 'offering_resources'));
create or replace view app_private.i5_places_out_of_turn with (security_invoker) as
-- Those who came first and whose party the places of an offer would have served.
with came_first as materialized (
  select o.id as offered_id, w.id as waiting_id, s.id as slot_id
  from app_public.waitlist_entries o
  join app_public.slots s on s.id = o.slot_id
  cross join lateral app_private.waiting_for(s) w
  where o.status = 'offered' and o.for_places and not s.id = any (w.passed_slot_ids) and w.customer_id <> o.customer_id
    and (w.priority, w.joined_at, w.id) < (o.priority, o.joined_at, o.id)
    and w.places <= s.capacity - s.taken + o.places and app_private.last_call_of(s, w) > o.offered_at
    and app_private.is_on_sale(s)
)
select o.id as subject_id, 'offered before somebody who came first: ' || w.id as problem
from came_first f
join app_public.waitlist_entries o on o.id = f.offered_id
join app_public.waitlist_entries w on w.id = f.waiting_id
cross join lateral (
  select a.id as at from app_public.audit_log a
  where a.record_id = o.id and a.new_values ->> 'status' = 'offered' order by a.id desc limit 1) made
where
  not exists (
    select from app_public.waitlist_entries other
    join app_public.offering_resources y on y.offering_id = other.offering_id
    join app_public.offering_resources x on x.resource_id = y.resource_id and x.offering_id = w.offering_id
    where other.customer_id = w.customer_id and other.status = 'offered')
  -- Whatever has changed since excuses: their rank, the places of the slot, an offer of theirs, what is open.
  and not exists (
    select from app_public.audit_log a
    where a.record_id in (w.id, o.id, f.slot_id) and a.id > made.at
      and a.new_values ?| '{status,priority,passed_slot_ids,stuck_at,customer_id,capacity,closed_at}')
  and not exists (
    select from app_public.audit_log a
    join app_public.bookings b on b.id = a.record_id and b.id <> o.hold_id and b.slot_id = f.slot_id
    where a.organization_id = o.organization_id and a.id > made.at and a.new_values ?| '{slot_id,places,ended_at}')
  and not exists (
    select from app_public.audit_log a
    join app_public.waitlist_entries other on other.id = a.record_id and other.customer_id = w.customer_id
    where a.organization_id = o.organization_id and a.id > made.at and a.new_values ? 'status')
  and not exists (
    select from app_public.audit_log a
    where a.organization_id = o.organization_id and a.id > made.at
      and a.table_name in ('blackouts', 'resources', 'offerings', 'offering_resources'));
comment on view app_private.i5_places_out_of_turn is 'I5, of places: offers respect (priority, joined_at) among the parties that fit.';
comment on view app_private.i5_out_of_turn is 'I5: offers respect (priority, joined_at) among the entries that fit the freed range.';

create or replace view app_private.i6_deadlines_respected with (security_invoker) as
select e.id as subject_id, 'claimed after its deadline' as problem
from app_public.waitlist_entries e
where e.status = 'claimed' and e.ended_at >= least(e.offer_expires_at, e.starts_at)
union all
select e.id, 'expired before its deadline'
from app_public.waitlist_entries e
where e.status = 'expired' and (e.offer_expires_at is null or e.ended_at < e.offer_expires_at);
comment on view app_private.i6_deadlines_respected is 'I6: no claim after its deadline, no expiry before it.';

create or replace view app_private.i7_messages with (security_invoker) as
select n.id as subject_id, 'notification without a delivery' as problem
from app_public.notifications n
where n.created_at > (select app_private.clock()) - interval '24 hours'
  and not exists (select from app_public.deliveries d where d.notification_id = n.id)
union all
select b.id, 'it was not told once how the booking ended'
from app_public.bookings b
where not b.unclaimed and b.ended_at > (select app_private.clock()) - interval '24 hours'
  and b.status in ('cancelled', 'auto_cancelled', 'rejected', 'expired')
  -- What was not delivered expires in silence if the policy says so.
  and not (b.status = 'expired' and b.expires_at is not null and not (
    select p.expiry_mails from app_public.policy_versions p where p.id = b.policy_version_id))
  and 1 <> (
    select count(*) from app_public.notifications n where n.booking_id = b.id and n.kind in
      ('booking_cancelled', 'booking_auto_cancelled', 'booking_rejected', 'booking_expired', 'booking_unpaid', 'service_expired',
       'message_blackout'))
    + case when b.series_id is null then 0 else (
      select count(*) from app_public.notifications n where n.customer_id = b.customer_id
        and n.kind in ('series_cancelled', 'series_rejected') and n.data -> 'bookingIds' ? b.id::text) end
  and not exists (select from app_public.customers c where c.id = b.customer_id and c.erased_at is not null)
union all
select e.id, 'it was not told once that the wait has ended'
from app_public.waitlist_entries e
where e.status in ('expired', 'lapsed') and e.ended_at > (select app_private.clock()) - interval '24 hours'
  and 1 <> (
    select count(*) from app_public.notifications n
    where n.entry_id = e.id and n.kind = case e.status when 'expired' then 'offer_expired' else 'entry_ended' end)
  and not exists (select from app_public.customers c where c.id = e.customer_id and c.erased_at is not null)
union all
select e.id, 'it was not told once of an offer'
from app_public.waitlist_entries e
where e.status = 'offered' and 1 <> (
  select count(*) from app_public.notifications n
  where n.entry_id = e.id and n.kind = 'slot_available' and n.data ->> 'holdId' = e.hold_id::text)
union all
select y.id, 'it was not told once what is to be paid'
from app_public.payments y
join app_public.bookings b on b.id = y.booking_id
join app_public.customers c on c.id = b.customer_id and c.erased_at is null
where y.status in ('due', 'processing', 'failed') and y.created_at > (select app_private.clock()) - interval '24 hours'
  and app_private.messages_about(y) <> 1;
comment on view app_private.i7_messages is 'I7: every event that owes a message has exactly one.';

create or replace view app_private.i8_audit with (security_invoker) as
select b.id as subject_id, 'last change of status is not in the audit log' as problem
from app_public.bookings b
where coalesce(b.ended_at, b.created_at) > (select app_private.clock()) - interval '24 hours'
  and b.status::text is distinct from (
    select a.new_values ->> 'status' from app_public.audit_log a
    where a.record_id = b.id and a.new_values ? 'status' order by a.id desc limit 1)
union all
select e.id, 'last change of status is not in the audit log'
from app_public.waitlist_entries e
where coalesce(e.ended_at, e.joined_at) > (select app_private.clock()) - interval '24 hours'
  and e.status::text is distinct from (
    select a.new_values ->> 'status' from app_public.audit_log a
    where a.record_id = e.id and a.new_values ? 'status' order by a.id desc limit 1)
union all
select a.record_id, 'change of status that the transition table does not know'
from app_public.audit_log a
where a.at > (select app_private.clock()) - interval '24 hours' and a.operation = 'update'
  and a.new_values ? 'status' and a.table_name in ('bookings', 'waitlist_entries')
  and not exists (
    select from app_private.booking_transitions t
    where a.table_name = 'bookings'
      and t.from_status::text = a.old_values ->> 'status' and t.to_status::text = a.new_values ->> 'status')
  and not exists (
    select from app_private.waitlist_transitions t
    where a.table_name = 'waitlist_entries'
      and t.from_status::text = a.old_values ->> 'status' and t.to_status::text = a.new_values ->> 'status');
comment on view app_private.i8_audit is 'I8: status changes follow the transition table, and each is in the audit log.';

create or replace view app_private.i10_release_was_announced with (security_invoker) as
select b.id as subject_id, 'released without an accepted reminder and the minimum notice' as problem
from app_public.bookings b join app_public.policy_versions p on p.id = b.policy_version_id
where b.status = 'auto_cancelled'
  and (
    coalesce(b.reminder_sent_at + p.min_notice > b.auto_cancelled_at, true)
    or b.auto_cancelled_at >= b.starts_at
    -- The outbox has to say so, too, for as long as it is kept. The release itself counted the sequence up.
    or b.auto_cancelled_at > (select app_private.clock()) - interval '24 hours' and false = (
      select bool_or(coalesce(d.sent_at + p.min_notice <= b.auto_cancelled_at, false)
                     and coalesce(d.bounced_at >= b.auto_cancelled_at, true))
      from app_public.notifications n join app_public.deliveries d on d.notification_id = n.id
      where n.booking_id = b.id and n.kind = 'booking_reminder'
        and (n.data ->> 'sequence')::integer = b.sequence - 1));
comment on view app_private.i10_release_was_announced is 'I10: no booking is released unless its reminder was accepted at least the minimum notice earlier; and none after its start.';

create or replace view app_private.i11_offer_was_delivered with (security_invoker) as
select e.id as subject_id, 'lost its place without an accepted offer and the minimum window' as problem
from app_public.waitlist_entries e
join app_public.policy_versions p on p.id = e.policy_version_id
-- The offer it lost, not an earlier one.
cross join lateral (
  select n.id from app_public.notifications n
  where n.entry_id = e.id and n.kind = 'slot_available' order by n.id desc limit 1) offer
join app_public.deliveries d on d.notification_id = offer.id
where e.status = 'expired' and e.ended_at > (select app_private.clock()) - interval '24 hours'
  and coalesce(d.sent_at + p.min_claim_window > e.ended_at, true);
comment on view app_private.i11_offer_was_delivered is 'I11: no entry loses its place by expiry unless its offer was accepted at least min_claim_window earlier.';

create or replace view app_private.deadlines_kept with (security_invoker) as
with wanted as (
  select b.id as subject_id, x.action, x.due_at
  from app_public.bookings b
  join app_public.policy_versions p on p.id = b.policy_version_id
  cross join lateral app_private.booking_deadline(b, p) x
  where b.ended_at is null
  union all
  select e.id, x.action, x.due_at
  from app_public.waitlist_entries e cross join lateral app_private.entry_deadline(e) x
  where e.ended_at is null
  union all
  select s.id, x.action, x.due_at
  from app_public.slots s
  join app_public.policy_versions p on p.id = s.policy_version_id
  cross join lateral app_private.slot_deadline(s, p) x
  where s.ended_at is null
  union all
  select f.id, 'last_call', f.created_at from app_private.freeings f where f.told_at is null
  union all
  select s.id, 'sweep_blackout', s.created_at from app_private.blackout_sweeps s where s.swept_at is null
)
select coalesce(w.subject_id, d.subject_id) as subject_id,
  case when w.subject_id is null then 'deadline of something that has ended' else 'deadline is not what the row says' end
    as problem
from wanted w full join app_private.deadlines d on d.subject_id = w.subject_id
where (d.action, d.due_at) is distinct from (w.action, w.due_at);
comment on view app_private.deadlines_kept is 'One next deadline a subject: the one its row and its policy say; and none of anything else.';

create or replace view app_private.payments_kept with (security_invoker) as
select b.id as subject_id, 'waits for a payment that nobody asks for' as problem
from app_public.bookings b
where b.awaits_payment and not exists (
  select from app_public.payments y where y.booking_id = b.id and y.status in ('due', 'processing', 'failed'))
union all
select b.id, 'asks to be paid although it has ended'
from app_public.payments y join app_public.bookings b on b.id = y.booking_id
where y.status in ('due', 'processing', 'failed') and b.status not in ('pending', 'confirmed', 'in_progress', 'delivered', 'completed')
union all
select b.id, 'more is kept of what was paid than is owed'
from app_public.bookings b
join (
  select y.booking_id, sum(y.amount - y.refund_due) as kept from app_public.payments y
  where y.processed_at is not null group by y.booking_id) k on k.booking_id = b.id
where k.kept > case when b.status in ('cancelled', 'auto_cancelled', 'rejected', 'expired')
  then b.price - coalesce(b.refund, 0) else b.price end;
comment on view app_private.payments_kept is 'Nobody waits for a payment that is not asked for, nothing that has ended is to be paid, and money is kept only for what was booked.';

create or replace function app_private.check_invariants() returns table (invariant text, subject_id uuid, problem text)
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select 'I1', v.subject_id, v.problem from app_private.i1_places v
  union all select 'I2', v.subject_id, v.problem from app_private.i2_occupancies v
  union all select 'I3', v.subject_id, v.problem from app_private.i3_offers v
  union all select 'I4', v.subject_id, v.problem from app_private.i4_free_while_waited_for v
  union all select 'I5', v.subject_id, v.problem from app_private.i5_out_of_turn v
  union all select 'I5', v.subject_id, v.problem from app_private.i5_places_out_of_turn v
  union all select 'I6', v.subject_id, v.problem from app_private.i6_deadlines_respected v
  union all select 'I7', v.subject_id, v.problem from app_private.i7_messages v
  union all select 'I8', v.subject_id, v.problem from app_private.i8_audit v
  union all select 'I10', v.subject_id, v.problem from app_private.i10_release_was_announced v
  union all select 'I11', v.subject_id, v.problem from app_private.i11_offer_was_delivered v
  union all select 'payments', v.subject_id, v.problem from app_private.payments_kept v
  union all select 'deadlines', v.subject_id, v.problem from app_private.deadlines_kept v
$$;
comment on function app_private.check_invariants() is 'All rows that break an invariant (DESIGN §3); none in a healthy system. I9 is what the fault tests show.';
revoke execute on function app_private.check_invariants() from public;
grant execute on function app_private.check_invariants() to reslot_admin;

-- What has other parameters now.
drop function app_private.needs_approval(app_public.policy_versions,uuid,timestamp with time zone);
drop function app_private.to_be_paid_first(app_public.policy_versions,numeric,text);
drop function app_private.terms_to_pay(app_private.booking_terms,app_public.policy_versions,app_public.offerings,uuid,app_private.party,timestamp with time zone,timestamp with time zone);
drop function app_private.terms_of(app_public.policy_versions,timestamp with time zone,timestamp with time zone,boolean);
drop function app_private.checked_series(uuid,text,date,time without time zone,interval);
drop function app_public.preview_series(uuid,text,date,time without time zone,interval);
drop function app_public.book_series(uuid,text,date,time without time zone,interval,boolean,integer,text,text,text,text,text);
drop function app_public.book_series_for(uuid,text,date,time without time zone,interval,boolean,text,text,text,text,integer,text,boolean,text,text,text,text);
drop function app_private.end_rest_of_series(app_public.bookings,app_public.series_scope,text,boolean);
drop function app_private.change_occurrence(app_public.bookings,time without time zone,interval,integer,app_private.wishes,boolean);
drop function app_private.change_rest_of_series(app_public.bookings,app_public.series_scope,time without time zone,interval,integer,app_private.wishes,boolean,boolean);
drop function app_public.modify_series(uuid,app_public.series_scope,time without time zone,interval,integer,text,text,text,text,boolean);
drop function app_private.holidays_of(app_public.bookings,timestamp with time zone);
comment on function app_private.booking_figures(uuid[], uuid, date, date, boolean) is 'What became of the bookings of each resource and day, and of the holds that nobody has claimed.';
comment on function app_private.figure_bookings(uuid[], uuid, date, date, interval) is 'Bookings of offerings at the resources they use that start in the days asked for, or so much before or after.';
revoke execute on function
  app_private.booking_figures(uuid[], uuid, date, date, boolean),
  app_private.figure_bookings(uuid[], uuid, date, date, interval) from public;
create or replace function app_private.customer_of_user(user_id uuid, organization_id uuid) returns app_public.customers
language plpgsql volatile
as $$
declare
  v_id uuid;
  v_customer app_public.customers;
begin
  select c.id into v_id from app_public.customers c
  where c.user_id = customer_of_user.user_id and c.organization_id = customer_of_user.organization_id;
  if v_id is null then
    -- Whoever closes or erases their account locks its row, and then the customers they are: one made meanwhile is none.
    perform from app_public.users u where u.id = customer_of_user.user_id for share;
    insert into app_public.customers (organization_id, user_id, name, email, phone, locale, time_zone)
    select customer_of_user.organization_id, u.id, u.name, u.email, u.phone, u.locale, u.time_zone
    from app_public.users u where u.id = customer_of_user.user_id
    on conflict on constraint customers_one_per_user do nothing;
    select c.id into v_id from app_public.customers c
    where c.user_id = customer_of_user.user_id and c.organization_id = customer_of_user.organization_id;
  end if;
  v_customer := app_private.lock_customer(v_id);
  -- Once more, for while this waited they may have closed their account.
  perform app_private.require_user();
  return v_customer;
end
$$;
comment on function app_private.customer_of_user(uuid, uuid) is 'The customer the signed-in user is in an organisation, made where they first book, and locked. Errors: RSAUT, RSVER.';

-- functions/configuration.sql
create or replace function app_public.apply_policy(policy_id uuid) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_policy app_public.policies;
  v_version app_public.policy_versions;
  v_offerings uuid[];
  v_booking app_public.bookings;
  v_count integer := 0;
begin
  select * into v_policy from app_public.policies p where p.id = apply_policy.policy_id;
  if v_policy.id is null or not app_private.is_manager_in(v_policy.organization_id) then
    perform app_private.fail('RSNTF', 'There is no such policy.');
  end if;
  v_offerings := array(select f.id from app_public.offerings f where f.policy_id = v_policy.id);
  perform app_private.lock_room(v_offerings);
  select * into v_version from app_public.policy_versions v where v.policy_id = v_policy.id order by v.version desc limit 1;
  for v_booking in
    select b.* from app_public.bookings b
    join app_public.offerings f on f.id = b.offering_id and f.policy_id = v_policy.id
    -- What has come under the policy while this waited is not locked: it is for the next call.
    where b.offering_id = any (v_offerings) and b.organization_id = v_policy.organization_id and b.ended_at is null
      and b.status in ('pending', 'confirmed') and b.policy_version_id <> v_version.id
    order by b.id
    limit 100
    for no key update of b
  loop
    perform app_private.apply_policy_to(v_booking, v_version);
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;

-- functions/outbox.sql
comment on function app_private.is_current(app_public.deliveries) is 'Whether a message is still worth sending, or overtaken: a reminder for a cancelled booking, an offer that is over, a time that was moved again, somebody who was erased.';
create or replace function app_private.is_to_erased(notification app_public.notifications) returns boolean
language sql stable
as $$
  select exists (
      select from app_public.customers c where c.id = notification.customer_id and c.erased_at is not null)
    or exists (
      select from app_public.users u where u.id = notification.user_id and u.erased_at is not null)
$$;
comment on function app_private.is_to_erased(app_public.notifications) is 'Whether a message is to somebody who was erased: what was about to be said to them meanwhile is not.';
create or replace function app_private.lease_deliveries(batch integer)
returns table (
  delivery_id uuid, attempt integer, address text, kind text, locale text, has_consequences boolean, model jsonb
)
language plpgsql volatile security definer rows 10
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_delivery app_public.deliveries;
  v_left integer := batch;
  v_found boolean := true;
begin
  -- What was overtaken does not count: no row at all means that nothing is due.
  while v_left > 0 and v_found loop
    v_found := false;
    for v_delivery in select * from app_private.next_deliveries(v_left) loop
      v_found := true;
      if not app_private.is_current(v_delivery) then
        update app_public.deliveries d
        set status = 'obsolete', address = case when not app_private.is_to_erased(n) then d.address end
        from app_public.notifications n where n.id = d.notification_id and d.id = v_delivery.id;
        continue;
      end if;
      update app_public.deliveries d
      set status = 'sending', attempts = d.attempts + 1, lease_until = app_private.clock() + interval '15 seconds'
      where d.id = v_delivery.id
      returning * into v_delivery;
      v_left := v_left - 1;
      return query
        select v_delivery.id, v_delivery.attempts, v_delivery.address, m.kind, m.locale,
          app_private.has_consequences(m.kind), m.model
        from app_private.mail_model(v_delivery) m;
    end loop;
  end loop;
end
$$;
create or replace function app_private.follow_up_delivery(delivery_id uuid) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_delivery app_public.deliveries;
  v_note app_public.notifications;
begin
  select * into v_delivery from app_public.deliveries d
  where d.id = follow_up_delivery.delivery_id and d.status in ('sent', 'dead') and d.followed_up_at is null;
  if v_delivery.id is null then
    return;
  end if;
  perform set_config('reslot.via', 'job', true);
  select * into v_note from app_public.notifications n where n.id = v_delivery.notification_id;
  if v_note.kind = 'slot_available' then
    perform app_private.lock_entry(v_note.entry_id);
    -- Once more, for while this waited for the room somebody may have had the mail tried again.
    select * into v_delivery from app_public.deliveries d
    where d.id = follow_up_delivery.delivery_id and d.status in ('sent', 'dead') and d.followed_up_at is null
    for no key update;
    if v_delivery.id is null then
      return;
    end if;
  end if;
  if v_note.kind = 'slot_available' and v_delivery.status = 'sent' then
    perform app_private.start_claim_window(v_note.entry_id, (v_note.data ->> 'holdId')::uuid, v_delivery.sent_at);
  elsif v_note.kind = 'slot_available' then
    perform app_private.withdraw_offer(v_note.entry_id, (v_note.data ->> 'holdId')::uuid,
      'The offer could not be delivered: ' || coalesce(v_delivery.last_error, 'no reason given'));
  elsif v_note.kind = 'booking_reminder' then
    perform app_private.note_reminder_sent(v_note.booking_id);
  end if;
  -- Whoever had it tried again meanwhile begins anew: the next acceptance has consequences of its own.
  update app_public.deliveries d set followed_up_at = app_private.clock()
  where d.id = v_delivery.id and d.status = v_delivery.status and d.attempts = v_delivery.attempts;
end
$$;
revoke execute on function
  app_private.is_current(app_public.deliveries), app_private.is_to_erased(app_public.notifications),
  app_private.next_deliveries(integer),
  app_private.lease_deliveries(integer), app_private.renew_lease(uuid, integer),
  app_private.has_consequences(text), app_private.mark_delivery_sent(uuid, integer),
  app_private.mark_delivery_failed(uuid, integer, text, boolean),
  app_private.follow_up_delivery(uuid), app_private.deliveries_to_follow_up(integer), app_private.record_bounce(uuid)
from public;

-- functions/people/adopt_customers.sql
create or replace function app_private.leave_double_entries(customer_ids uuid[]) returns void
language plpgsql volatile
as $$
declare
  v_entry_id uuid;
begin
  -- Time ends them without the room, and what it has ended meanwhile cannot be left.
  perform from app_public.waitlist_entries w where w.customer_id = any (customer_ids) and w.ended_at is null
  order by w.id for no key update;
  -- One customer waits once for the same: of two entries the better place stays, an offer above all.
  for v_entry_id in
    select e.id from (
      select w.id, row_number() over (
        partition by w.offering_id, w.day, case when w.day is null then tstzrange(w.starts_at, w.ends_at) end
        order by (w.status = 'offered') desc, w.priority, w.joined_at, w.id) as place
      from app_public.waitlist_entries w
      where w.customer_id = any (customer_ids) and w.ended_at is null
    ) e
    where e.place > 1 order by e.id
  loop
    perform app_private.leave(v_entry_id);
  end loop;
end
$$;

-- functions/people/leaving.sql
create or replace function app_private.end_everything_of(customer_ids uuid[], cancel_bookings boolean, reason text) returns void
language plpgsql volatile
as $$
declare
  v_id uuid;
begin
  -- All rooms at once, in one order: locked one booking after the other, two leaving people could block each other.
  perform app_private.lock_room(app_private.live_offerings_of(customer_ids));
  -- Time ends them without the room, and what it has ended meanwhile cannot be left. Not in the loop: what leaving one
  -- changes in another would be passed over there.
  perform from app_public.waitlist_entries e
  where e.customer_id = any (customer_ids) and e.ended_at is null order by e.id for no key update;
  for v_id in
    select e.id from app_public.waitlist_entries e
    where e.customer_id = any (customer_ids) and e.ended_at is null order by e.id
  loop
    perform app_private.leave(v_id);
  end loop;
  for v_id in
    select b.id from app_public.bookings b
    where cancel_bookings and b.customer_id = any (customer_ids) and b.status in ('pending', 'confirmed')
      and b.starts_at > (select app_private.clock())
    order by b.id
  loop
    perform app_private.end_booking_by_customer(v_id, end_everything_of.reason);
  end loop;
end
$$;

-- functions/people/members.sql
create or replace function app_public.set_member(
  organization_id uuid, email text, role app_public.member_role,
  all_offerings boolean default null, offering_ids uuid[] default null, resource_id uuid default null
) returns app_public.memberships
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user_id uuid;
  v_membership app_public.memberships;
  -- Offerings that are named are meant: a list never gives more than it says.
  v_named boolean := coalesce(cardinality(offering_ids), 0) > 0;
  v_all boolean := set_member.role = 'owner' or coalesce(set_member.all_offerings, not v_named);
begin
  if not app_private.is_owner_in(organization_id) then
    perform app_private.fail('RSNTF', 'There is no such organisation that you own.');
  elsif set_member.role is null then
    perform app_private.fail('RSARG', 'Please name a role.');
  elsif v_all and v_named then
    perform app_private.fail('RSARG', 'Either all offerings, or those that are named; owners have all.');
  elsif not v_all and coalesce(cardinality(offering_ids), 0) not between 1 and 1000 then
    perform app_private.fail('RSARG', 'Please name the offerings, 1 to 1000 of them, or give all.');
  end if;
  -- The account before the organisation, as whoever erases theirs does it.
  select u.id into v_user_id from app_public.users u
  where u.email_normalised = app_private.normalise_email(set_member.email)
    and u.email_verified_at is not null and u.deactivated_at is null
  for share;
  perform from app_public.organizations o where o.id = set_member.organization_id for no key update;
  if not app_private.is_owner_in(organization_id) then
    perform app_private.fail('RSNTF', 'There is no such organisation that you own.');
  elsif v_user_id is null then
    perform app_private.fail('RSNTF', 'Nobody has a verified account with this address yet. Please ask them to sign up first.');
  end if;
  select * into v_membership from app_public.memberships m
  where m.organization_id = set_member.organization_id and m.user_id = v_user_id;
  if v_membership.role = 'owner' and set_member.role <> 'owner' then
    perform app_private.refuse_last_owner(organization_id, v_user_id);
  end if;
  insert into app_public.memberships as m (organization_id, user_id, role, all_offerings, resource_id)
  values (set_member.organization_id, v_user_id, set_member.role, v_all, set_member.resource_id)
  on conflict on constraint memberships_one_per_user
  do update set role = excluded.role, all_offerings = excluded.all_offerings, resource_id = excluded.resource_id
  returning * into v_membership;
  perform app_private.name_offerings(v_membership, offering_ids);
  return v_membership;
end
$$;

-- functions/people/request_booking_by_mail.sql
create or replace function app_private.addressee(organization_id uuid, email text, locale text) returns uuid
language plpgsql volatile
as $$
declare
  v_id uuid;
begin
  select c.id into v_id from app_public.customers c
  where c.organization_id = addressee.organization_id and c.erased_at is null
    and c.email_normalised = app_private.normalise_email(addressee.email)
  order by c.user_id nulls last, c.id limit 1
  for share skip locked;
  if v_id is null then
    -- Without a name: as long as nobody has followed the link, it is only what somebody said.
    insert into app_public.customers (organization_id, email, locale)
    values (addressee.organization_id, addressee.email, addressee.locale)
    returning id into v_id;
  end if;
  return v_id;
end
$$;
comment on function app_private.addressee(uuid, text, text) is 'The customer with an address, locked against whoever erases them, or a new one that is nothing but that. Who is being worked on is passed over: who waited would learn that there is one.';

-- functions/links.sql
create or replace function app_private.follow_link(token text, choice jsonb default '{}', evidence jsonb default null) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_link app_private.link_tokens;
  v_standing text;
  v_starts_at timestamptz;
begin
  select * into v_link from app_private.link_tokens t where t.token_hash = app_private.hash_token(token);
  v_standing := app_private.link_standing(v_link);
  case v_standing
    when 'ready' then null;
    when 'done' then return app_private.read_link(token);
    when 'unknown' then perform app_private.fail('RSNTF', 'This link is not valid.');
    else perform app_private.fail('RSEXP', 'This link comes too late.', jsonb_build_object('why', v_standing));
  end case;
  if v_link.user_id is not null then
    -- A manager acts in their own name; a customer's link may have been passed on, and names nobody.
    perform set_config('reslot.user_id', v_link.user_id::text, true);
  end if;
  v_starts_at := app_private.act_on_link(v_link, choice, evidence);
  -- Compared only now, when the row is locked: nobody agrees to another time than the page showed.
  if v_starts_at <> (choice ->> 'startsAt')::timestamptz then
    perform app_private.fail('RSSTA', 'The time has changed meanwhile. Please look again.');
  end if;
  update app_private.link_tokens t
  set used_at = coalesce(t.used_at, app_private.clock()), evidence = coalesce(t.evidence, follow_link.evidence)
  where t.token_hash = v_link.token_hash and t.expires_at > (select app_private.clock())
  returning * into v_link;
  if not found then
    perform app_private.fail('RSEXP', 'This link comes too late.', jsonb_build_object('why', 'link_expired'));
  -- Asked before the locks as well; but while it waited for them, the booking may have been given to somebody else.
  elsif not app_private.link_bearer_is_entitled(v_link) then
    perform app_private.fail('RSNTF', 'This link is not valid.');
  end if;
  return app_private.read_link(token);
end
$$;

-- What managers wrote to exempt a booking goes with its customer, also of those who were erased before.
create or replace function app_private.scrub_customers(customer_ids uuid[]) returns void
language plpgsql volatile
as $$
begin
  update app_public.bookings b set purpose = null, special_requests = null, dietary_needs = null, access_needs = null, customer_address = null,
      customer_phone = null, ended_reason = null, delivery_notes = null, recommendations = null,
      -- An exemption has a reason; what it was may tell of the person.
      override_reason = case when b.override_at is not null then 'Erased.' end
  where b.customer_id = any (customer_ids)
    and num_nonnulls(b.purpose, b.special_requests, b.dietary_needs, b.access_needs, b.customer_address, b.customer_phone,
      b.ended_reason, b.delivery_notes, b.recommendations, b.override_reason) > 0;
  -- The job that follows removes their files.
  delete from app_public.booking_photos p using app_public.bookings b
  where p.booking_id = b.id and b.customer_id = any (customer_ids);
  -- The answer may call the person by name.
  update app_public.reviews v set words = null, reply = null
  from app_public.bookings b
  where b.review_id = v.id and b.customer_id = any (customer_ids) and num_nonnulls(v.words, v.reply) > 0;
  update app_public.waitlist_entries e set note = null, customer_address = null, customer_phone = null
  where e.customer_id = any (customer_ids) and num_nonnulls(e.note, e.customer_address, e.customer_phone) > 0;
  delete from app_private.link_tokens t where t.customer_id = any (customer_ids);
  delete from app_private.guest_requests r where r.customer_id = any (customer_ids);
  perform app_private.scrub_deliveries(array(
    select n.id from app_public.notifications n where n.customer_id = any (customer_ids)));
  update app_public.notifications n set data = n.data - array['reason', 'subject', 'note', 'purpose', 'previous']
  where n.customer_id = any (customer_ids) and n.data ?| array['reason', 'subject', 'note', 'purpose', 'previous'];
  update app_public.customers c
  set name = null, email = null, phone = null, locale = null, time_zone = null, user_id = null,
      erased_at = app_private.clock()
  where c.id = any (customer_ids);
  update app_public.audit_log a
  set ip = null, user_agent = null, reason = null,
      old_values = a.old_values - array['ended_reason', 'override_reason'],
      new_values = a.new_values - array['ended_reason', 'override_reason']
  where a.customer_id = any (customer_ids);
end
$$;
comment on column app_public.bookings.override_reason is 'The manager''s reason; `Erased.` once the customer is.';
update app_public.bookings b set override_reason = 'Erased.'
from app_public.customers c where c.id = b.customer_id and c.erased_at is not null and b.override_at is not null;
update app_public.audit_log a
set old_values = a.old_values - array['ended_reason', 'override_reason'],
    new_values = a.new_values - array['ended_reason', 'override_reason']
from app_public.customers c where c.id = a.customer_id and c.erased_at is not null;
