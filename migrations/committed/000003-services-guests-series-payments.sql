--! Previous: sha1:d4bd22f8813d1c14850f345bbb9bd443cd6fe855
--! Hash: sha1:24641e2880f4c74e4ebe0e4e0d7cf12d596b9a24
--! Message: services-guests-series-payments

set local check_function_bodies = off;
drop trigger bookings_audit on app_public.bookings;
drop trigger bookings_audit_update on app_public.bookings;
drop trigger waitlist_entries_audit on app_public.waitlist_entries;
drop trigger waitlist_entries_audit_update on app_public.waitlist_entries;
alter type app_private.booking_terms add attribute awaits_payment boolean;
alter type app_private.wishes add attribute provider_id uuid;
alter type app_private.wishes add attribute customer_address text;
alter type app_private.wishes add attribute customer_phone text;
comment on type app_private.wishes is 'What a customer says of a booking: in words, who is to serve it, and where it is to go.';

-- types/calendar_line.sql
create type app_public.calendar_line as (
  kind text, starts_at timestamptz, ends_at timestamptz, busy_from timestamptz, busy_until timestamptz, offering_id uuid,
  offering_name text, booking_id uuid, reference text, status app_public.booking_status, party_size integer,
  customer_name text, customer_phone text, blackout_id uuid, reason text, customer_address text
);
comment on type app_public.calendar_line is 'What a resource does, or does not do, at a time.';
comment on column app_public.calendar_line.kind is '`booking`; `hold`: kept for somebody it is offered to; `slot`, of what is booked by the place; `time_off`: a blackout; `closed`: outside the working hours.';
comment on column app_public.calendar_line.starts_at is 'From when.';
comment on column app_public.calendar_line.ends_at is 'Until when.';
comment on column app_public.calendar_line.busy_from is 'From when it is occupied by a booking, a hold or a slot, with the buffer before.';
comment on column app_public.calendar_line.busy_until is 'Until when, with the buffer after.';
comment on column app_public.calendar_line.offering_id is 'What is booked.';
comment on column app_public.calendar_line.offering_name is 'Its name.';
comment on column app_public.calendar_line.booking_id is 'The booking, or the hold.';
comment on column app_public.calendar_line.reference is 'What a person can read out.';
comment on column app_public.calendar_line.status is 'Where the booking is in its life.';
comment on column app_public.calendar_line.party_size is 'How many people it is for.';
comment on column app_public.calendar_line.customer_name is 'Who comes; of a hold nobody yet.';
comment on column app_public.calendar_line.customer_phone is 'How to reach them.';
comment on column app_public.calendar_line.blackout_id is 'The time off, for `liftBlackout`.';
comment on column app_public.calendar_line.reason is 'Why it is off.';
comment on column app_public.calendar_line.customer_address is 'Where to go, if the service goes to the customer.';

-- types/alternative.sql
create type app_public.alternative as (
  offering_id uuid,
  offering_name text,
  provider_id uuid,
  provider_name text,
  slot_id uuid,
  starts_at timestamptz,
  ends_at timestamptz,
  price numeric,
  currency text
);
comment on type app_public.alternative is 'What somebody could book instead: another provider or offering of the same category at the same time, or another slot of the same tour.';
comment on column app_public.alternative.offering_id is 'What to book.';
comment on column app_public.alternative.offering_name is 'Its name.';
comment on column app_public.alternative.provider_id is 'Who would serve it, of several providers.';
comment on column app_public.alternative.provider_name is 'Their name.';
comment on column app_public.alternative.slot_id is 'The slot, of what is booked by the place.';
comment on column app_public.alternative.starts_at is 'Start.';
comment on column app_public.alternative.ends_at is 'End.';
comment on column app_public.alternative.price is 'What it costs now, in all.';
comment on column app_public.alternative.currency is 'ISO 4217 code of the price.';

-- types/offender.sql
create type app_public.offender as (
  organization_id uuid, customer_id uuid, customer_name text, auto_cancelled integer, no_shows integer,
  last_at timestamptz, cleared_at timestamptz
);
comment on type app_public.offender is 'A customer whose bookings were released unconfirmed, or to whom nobody came.';
comment on column app_public.offender.organization_id is 'The organisation.';
comment on column app_public.offender.customer_id is 'The customer.';
comment on column app_public.offender.customer_name is 'Their name.';
comment on column app_public.offender.auto_cancelled is 'Bookings that were released because nobody confirmed.';
comment on column app_public.offender.no_shows is 'Bookings to which nobody came.';
comment on column app_public.offender.last_at is 'When the last of them ended.';
comment on column app_public.offender.cleared_at is 'Since when they count, if a manager has cleared earlier ones.';

-- types/automation.sql
create type app_public.automation_action as enum (
  'expire_hold', 'expire_request', 'remind', 'auto_cancel', 'start', 'complete', 'await_delivery', 'expire',
  'remind_provider'
);
comment on type app_public.automation_action is 'What time does to a booking.';

create type app_public.automation_outcome as enum ('done', 'dry_run', 'spared', 'postponed', 'failed');
comment on type app_public.automation_outcome is 'What came of it: `dry_run`: only noted, for the policy rehearses; `spared`: left out for good, because the reminder was not accepted by the mail server in time; `postponed`: due again later, so that the notice or the offer lasts as long as it has to; `failed`: tried without success, and tried again.';

-- types/figure.sql
create type app_public.figure as (
  resource_id uuid, resource_name text, day date,
  due integer, auto_cancelled integer, no_shows integer, ghost_rate double precision,
  reminded integer, confirmed integer, confirmation_rate double precision,
  offers integer, claims integer, declines integer, expiries integer, conversion double precision, last_call_claims integer,
  releases integer, refills integer, refill_seconds_p50 double precision, refill_seconds_p90 double precision,
  open_seconds double precision, booked_seconds double precision, utilisation double precision,
  overrides integer, links_sent integer, links_followed integer,
  ended integer, completed integer, completion_rate double precision,
  waiting integer, offered integer,
  answered integer, response_seconds_p50 double precision, response_seconds_p90 double precision,
  reviews integer, rating double precision
);
comment on type app_public.figure is 'How a resource did on a day, or in a range of days: docs/figures.md has each figure in a sentence. A rate is null where there is nothing to divide by.';
comment on column app_public.figure.resource_id is 'The resource; null: what needs none.';
comment on column app_public.figure.resource_name is 'Its name.';
comment on column app_public.figure.day is 'The local day of the resource on which it starts; null: the whole range.';
comment on column app_public.figure.due is 'Bookings whose start has come and that were neither cancelled, rejected nor expired before.';
comment on column app_public.figure.auto_cancelled is 'Of these released because nobody confirmed.';
comment on column app_public.figure.no_shows is 'Of these with nobody coming.';
comment on column app_public.figure.ghost_rate is 'Released or nobody came, of all that were due.';
comment on column app_public.figure.reminded is 'Bookings whose reminder, the one that asks, the mail server has accepted.';
comment on column app_public.figure.confirmed is 'Of these with attendance confirmed since.';
comment on column app_public.figure.confirmation_rate is 'Confirmed, of those reminded.';
comment on column app_public.figure.offers is 'Offers of freed room made to people waiting.';
comment on column app_public.figure.claims is 'Of these claimed.';
comment on column app_public.figure.declines is 'Of these declined.';
comment on column app_public.figure.expiries is 'Of these not answered in time.';
comment on column app_public.figure.conversion is 'Offers claimed, of all that are over.';
comment on column app_public.figure.last_call_claims is 'Claims without an offer, in the last call.';
comment on column app_public.figure.releases is 'Bookings that ended before their start: cancelled, released, rejected or expired.';
comment on column app_public.figure.refills is 'Of these with some of their room, or a place of their slot, booked since.';
comment on column app_public.figure.refill_seconds_p50 is 'Seconds from a release to the booking that followed: the median.';
comment on column app_public.figure.refill_seconds_p90 is 'The same: nine in ten took no longer.';
comment on column app_public.figure.open_seconds is 'Seconds that the resource is open by the opening hours of today, without blackouts; null if many can use it at once, or it is archived.';
comment on column app_public.figure.booked_seconds is 'Seconds of these that are booked, without buffers.';
comment on column app_public.figure.utilisation is 'Booked, of the time it is open.';
comment on column app_public.figure.overrides is 'Bookings that a manager exempted from release.';
comment on column app_public.figure.links_sent is 'Links about its bookings that went out in mails; null for days more than 30 days ago, whose links are deleted.';
comment on column app_public.figure.links_followed is 'Of these whose button was pressed.';
comment on column app_public.figure.ended is 'Bookings that have ended, in whatever way.';
comment on column app_public.figure.completed is 'Of these completed.';
comment on column app_public.figure.completion_rate is 'Completed, of all that have ended.';
comment on column app_public.figure.waiting is 'People waiting now.';
comment on column app_public.figure.offered is 'Offers that can be claimed now.';
comment on column app_public.figure.answered is 'Requests that somebody accepted or rejected.';
comment on column app_public.figure.response_seconds_p50 is 'Seconds from a request to its answer: the median.';
comment on column app_public.figure.response_seconds_p90 is 'The same: nine in ten took no longer.';
comment on column app_public.figure.reviews is 'Bookings that their customer has reviewed.';
comment on column app_public.figure.rating is 'Their average rating, from 1 to 5.';

create type app_public.revenue_figure as (
  resource_id uuid, resource_name text, day date, currency text,
  bookings integer, price numeric, refund numeric, revenue numeric, average_value numeric
);
comment on type app_public.revenue_figure is 'What the bookings of a resource on a day, or in a range of days, brought in one currency.';
comment on column app_public.revenue_figure.resource_id is 'The resource; null: what needs none.';
comment on column app_public.revenue_figure.resource_name is 'Its name.';
comment on column app_public.revenue_figure.day is 'The local day of the resource on which it starts; null: the whole range.';
comment on column app_public.revenue_figure.currency is 'ISO 4217 code.';
comment on column app_public.revenue_figure.bookings is 'Bookings that take or took place: confirmed, in progress, delivered or completed.';
comment on column app_public.revenue_figure.price is 'Prices of all bookings but offers and requests not agreed to yet.';
comment on column app_public.revenue_figure.refund is 'What of it is given back.';
comment on column app_public.revenue_figure.revenue is 'What is left.';
comment on column app_public.revenue_figure.average_value is 'Average price of the bookings that take or took place.';

-- types/series.sql
create type app_public.series_scope as enum ('this', 'following', 'all');
comment on type app_public.series_scope is 'How much of a series is meant: `this` booking, this one and the `following`, or `all`. What is over or has ended stays as it is.';

create type app_public.series_occurrence as (
  local_date date, starts_at timestamptz, ends_at timestamptz, booking_id uuid, code text, message text
);
comment on type app_public.series_occurrence is 'What can be, or was, done on one date of a series.';
comment on column app_public.series_occurrence.local_date is 'The date, where the offering is.';
comment on column app_public.series_occurrence.starts_at is 'The start; none, if the clocks go forward then and there is no such time.';
comment on column app_public.series_occurrence.ends_at is 'The end.';
comment on column app_public.series_occurrence.booking_id is 'The booking, if there is one.';
comment on column app_public.series_occurrence.code is 'Why not: RSTIM not bookable then, RSBLK blacked out, RSLIM daily limit, RSFUL taken; null: nothing stands in the way.';
comment on column app_public.series_occurrence.message is 'The same in words.';

create type app_private.series_rule as (
  freq text, every integer, times integer, until date, weekdays text[], month_days integer[]
);
comment on type app_private.series_rule is 'A rule of recurrence (RFC 5545), taken apart.';

-- types/payments.sql
create type app_public.payment_time as enum ('none', 'on_booking', 'deposit', 'on_completion');
comment on type app_public.payment_time is 'When what is booked is paid: `none`: not here; `on_booking`: all of the price, before the booking is confirmed; `deposit`: a part of it before, the rest on completion; `on_completion`: all of it then.';

create type app_public.payment_provider as enum ('manual', 'stripe');
comment on type app_public.payment_provider is 'How money comes in: `manual`: in cash or by transfer, and somebody records it; `stripe`: the customer pays on a page of Stripe.';

create type app_public.payment_method as enum ('cash', 'transfer', 'stripe');
comment on type app_public.payment_method is 'How something was paid.';

create type app_public.payment_purpose as enum ('price', 'deposit', 'balance');
comment on type app_public.payment_purpose is 'What is paid: all of the price, a deposit, or what is left to pay.';

create type app_public.payment_status as enum (
  'due', 'processing', 'failed', 'paid', 'partly_refunded', 'refunded', 'cancelled'
);
comment on type app_public.payment_status is 'Where a payment is; see docs/payments.md. Due, processing and failed are open: `failed` can be tried again. `cancelled`: it is not wanted any more; money that comes all the same goes back.';

-- functions/clock.sql
create or replace function app_private.in_seconds(duration interval) returns interval
language sql immutable parallel safe
return case when duration between interval '-1000 years' and interval '1000 years'
  then make_interval(secs => extract(epoch from duration)::double precision) else duration end;
comment on function app_private.in_seconds(interval) is 'The same duration without days or months (a day is 24 hours). What is longer than a thousand years stays as it is, for whoever bounds it to refuse.';

-- functions/grace.sql
-- How long somebody has to do something, where weekends and holidays do not count. A grace is a duration in hours, and a
-- day of a weekend as long as it is in that place: 23 hours once a year.

create or replace function app_private.weekends(zone text, since timestamptz, until timestamptz) returns tstzmultirange
language sql immutable
as $$
  select coalesce(range_agg(tstzrange(
    (s.first + 7 * n)::timestamp at time zone zone, (s.first + 7 * n + 2)::timestamp at time zone zone)), '{}')
  from (
    -- The Saturday before, or of, the day it begins with.
    select l.day - (extract(isodow from l.day)::integer + 1) % 7 as first
    from (select (since at time zone zone)::date as day) l
  ) s,
  generate_series(0, (extract(epoch from until - since) / 604800)::integer + 1) n
$$;
comment on function app_private.weekends(text, timestamptz, timestamptz) is 'Saturdays and Sundays of a place, from midnight to midnight, at least those that touch a span of time.';

create or replace function app_private.after_grace(at timestamptz, grace interval, skipped tstzmultirange) returns timestamptz
language sql immutable
as $$
  with skips as (
    select sum(app_private.elapsed(lower(r), upper(r))) as length from unnest(skipped) r
  ), counted as (
    select upper(r) as ends, sum(app_private.elapsed(lower(r), upper(r))) over (order by lower(r)) as total
    -- All of the skipped time cannot move the end further than its length.
    from skips, unnest(tstzmultirange(tstzrange(at, at + grace + coalesce(skips.length, interval '0'))) - skipped) r
  )
  select c.ends - (c.total - grace) from counted c where c.total >= grace order by c.ends limit 1
$$;
comment on function app_private.after_grace(timestamptz, interval, tstzmultirange) is 'When a grace that begins at a moment is over, if it stands still in the times skipped.';

create or replace function app_private.after_working_grace(
  at timestamptz, grace interval, zone text, skips_weekends boolean, holidays tstzmultirange
) returns timestamptz
language sql immutable
as $$
  select app_private.after_grace(at, grace, holidays + case when skips_weekends then
    -- Five of seven days count. Holidays make it longer, by at most as much as they last.
    app_private.weekends(zone, at, at + (grace + coalesce(
      (select sum(app_private.elapsed(lower(h), upper(h))) from unnest(holidays) h), interval '0')) * 1.4 + interval '336 hours')
    else '{}' end)
$$;
comment on function app_private.after_working_grace(timestamptz, interval, text, boolean, tstzmultirange) is 'When a grace is over in a place, weekends there left out if so wished, and holidays as given.';

create or replace function app_private.graces_are_sane(graces jsonb) returns boolean
language plpgsql immutable
as $$
begin
  return jsonb_typeof(graces) = 'object' and not exists (
    select from jsonb_each(graces) g
    where length(g.key) not between 1 and 200 or jsonb_typeof(g.value) <> 'string'
      or not (g.value #>> '{}')::interval between interval '1 minute' and interval '366 days');
exception
  when invalid_datetime_format or datetime_field_overflow or interval_field_overflow then
    return false;
end
$$;
comment on function app_private.graces_are_sane(jsonb) is 'Whether this is a list of categories with durations, such as {"cleaning": "48:00:00"}.';

revoke execute on function
  app_private.weekends(text, timestamptz, timestamptz),
  app_private.after_grace(timestamptz, interval, tstzmultirange),
  app_private.after_working_grace(timestamptz, interval, text, boolean, tstzmultirange),
  app_private.graces_are_sane(jsonb) from public;
grant execute on function app_private.graces_are_sane(jsonb)
to reslot_anonymous, reslot_user, reslot_admin, reslot_app, reslot_worker;
alter table app_public.policy_versions add column requires_delivery boolean not null default false;
alter table app_public.policy_versions add column complete_delivered_after interval not null default '72:00:00'::interval;
alter table app_public.policy_versions add column provider_reminder_lead interval;
alter table app_public.policy_versions add column delivery_needs_photo boolean not null default false;
alter table app_public.policy_versions add column max_photos integer not null default 10;
alter table app_public.policy_versions add column photo_retention interval not null default '2 years'::interval;
alter table app_public.policy_versions add column guest_bookings boolean not null default true;
alter table app_public.policy_versions add column guest_link_ttl interval not null default '24:00:00'::interval;
alter table app_public.policy_versions add column max_guest_mails_per_hour integer not null default 3;
alter table app_public.policy_versions add column max_guest_requests_per_hour integer not null default 200;
alter table app_public.policy_versions add column offence_limit integer;
alter table app_public.policy_versions add column offence_window interval not null default '2160:00:00'::interval;
alter table app_public.policy_versions add column expiry app_public.automation_mode not null default 'on'::app_public.automation_mode;
alter table app_public.policy_versions add column expiry_grace interval not null default '24:00:00'::interval;
alter table app_public.policy_versions add column expiry_grace_by_category jsonb not null default '{}'::jsonb;
alter table app_public.policy_versions add column expiry_skips_weekends boolean not null default false;
alter table app_public.policy_versions add column expiry_skips_holidays boolean not null default false;
alter table app_public.policy_versions add column expiry_mails boolean not null default true;
alter table app_public.policy_versions add column series_max_occurrences integer not null default 52;
alter table app_public.policy_versions add column series_release_limit integer default 3;
alter table app_public.policy_versions add column payment app_public.payment_time not null default 'none'::app_public.payment_time;
alter table app_public.policy_versions add column payment_provider app_public.payment_provider not null default 'manual'::app_public.payment_provider;
alter table app_public.policy_versions add column deposit_rate numeric not null default 0.3;
alter table app_public.policy_versions add column payment_due interval not null default '24:00:00'::interval;
alter table app_public.policy_versions add constraint guest_links_end CHECK ((((guest_link_ttl >= '00:05:00'::interval) AND (guest_link_ttl <= '7 days'::interval)) AND (guest_link_ttl <= LEAST(notification_retention, delivery_retention))));
alter table app_public.policy_versions add constraint guest_limits_are_positive CHECK ((((max_guest_mails_per_hour >= 1) AND (max_guest_mails_per_hour <= 1000)) AND ((max_guest_requests_per_hour >= 1) AND (max_guest_requests_per_hour <= 1000000))));
alter table app_public.policy_versions add constraint delivered_bookings_complete CHECK (((complete_delivered_after > '00:00:00'::interval) AND (complete_delivered_after <= '366 days'::interval)));
alter table app_public.policy_versions add constraint provider_is_reminded_before CHECK (((provider_reminder_lead > '00:00:00'::interval) AND (provider_reminder_lead <= '366 days'::interval)));
alter table app_public.policy_versions add constraint offences_are_countable CHECK ((((offence_limit >= 0) AND (offence_limit <= 1000)) AND (offence_window > '00:00:00'::interval) AND (offence_window <= '366 days'::interval)));
alter table app_public.policy_versions add constraint graces_are_sane CHECK ((((expiry_grace >= '00:01:00'::interval) AND (expiry_grace <= '366 days'::interval)) AND app_private.graces_are_sane(expiry_grace_by_category)));
alter table app_public.policy_versions add constraint photos_are_bounded CHECK ((((max_photos >=
CASE
    WHEN delivery_needs_photo THEN 1
    ELSE 0
END) AND (max_photos <= 100)) AND ((photo_retention >= '1 day'::interval) AND (photo_retention <= '100 years'::interval))));
alter table app_public.policy_versions add constraint series_are_bounded CHECK ((((series_max_occurrences >= 1) AND (series_max_occurrences <= 60)) AND ((series_release_limit >= 2) AND (series_release_limit <= 60))));
alter table app_public.policy_versions add constraint payments_are_sane CHECK (((deposit_rate > (0)::numeric) AND (deposit_rate <= (1)::numeric) AND ((payment_due >= '00:01:00'::interval) AND (payment_due <= '366 days'::interval))));
comment on column app_public.policy_versions.notification_retention is 'How long notifications, and the record of what time did to bookings, are kept (of the default policy).';
comment on column app_public.policy_versions.requires_delivery is 'Whether a booking that is over stays in progress until its provider says that it was delivered.';
comment on column app_public.policy_versions.complete_delivered_after is 'How long after its delivery a booking is completed whose customer has not answered.';
comment on column app_public.policy_versions.provider_reminder_lead is 'How long before the start its provider is reminded, by an optional mail; null: not at all.';
comment on column app_public.policy_versions.delivery_needs_photo is 'Whether a booking can only be delivered with a photo.';
comment on column app_public.policy_versions.max_photos is 'How many photos a booking may have.';
comment on column app_public.policy_versions.photo_retention is 'How long photos are kept (of the default policy).';
comment on column app_public.policy_versions.guest_bookings is 'Whether guests without an account book by a link in a mail.';
comment on column app_public.policy_versions.guest_link_ttl is 'How long the link is good for by which a guest books; never longer than until the start.';
comment on column app_public.policy_versions.max_guest_mails_per_hour is 'How many mails with such a link one address gets in an hour (of the default policy).';
comment on column app_public.policy_versions.max_guest_requests_per_hour is 'How many such mails an organisation sends in an hour (of the default policy).';
comment on column app_public.policy_versions.offence_limit is 'How many bookings a customer may leave unconfirmed until they are released, or not come to, before further ones need a manager''s yes; null: any number.';
comment on column app_public.policy_versions.offence_window is 'For how long each of them counts.';
comment on column app_public.policy_versions.expiry is 'Whether a booking that has to be delivered, and of which nobody says anything, ends as expired; `dry_run` only notes it.';
comment on column app_public.policy_versions.expiry_grace is 'How long after its end, or after somebody last touched it, that happens.';
comment on column app_public.policy_versions.expiry_grace_by_category is 'The same for offerings of a category, where it differs: `{"cleaning": "48:00:00"}`.';
comment on column app_public.policy_versions.expiry_skips_weekends is 'Whether Saturdays and Sundays count for nothing then (zone of the provider, else of the offering).';
comment on column app_public.policy_versions.expiry_skips_holidays is 'Whether holidays do: blackouts of that kind.';
comment on column app_public.policy_versions.expiry_mails is 'Whether both sides are told that a booking has expired (the customer of an unanswered request always is).';
comment on column app_public.policy_versions.series_max_occurrences is 'How many dates a series may have.';
comment on column app_public.policy_versions.series_release_limit is 'After how many releases in a row of a series its customer and the managers are offered to cancel the rest, and after how many more again; null: never.';
comment on column app_public.policy_versions.payment is 'When what is booked is paid.';
comment on column app_public.policy_versions.payment_provider is 'How: recorded by hand, or by Stripe.';
comment on column app_public.policy_versions.deposit_rate is 'Part of the price that is paid as a deposit.';
comment on column app_public.policy_versions.payment_due is 'How long a booking waits for what is paid before it is confirmed, at most half of the time left to its start; then its room goes to the people waiting.';
alter table app_public.offerings add column category text;
alter table app_public.offerings add column duration interval;
alter table app_public.offerings add column at_customer boolean not null default false;
alter table app_public.offerings add column travel_time interval not null default '00:00:00'::interval;
alter table app_public.offerings add constraint category_is_short_line CHECK (app_private.is_short_line(category));
alter table app_public.offerings add constraint duration_is_bounded CHECK (((duration > '00:00:00'::interval) AND (duration <= '366 days'::interval)));
alter table app_public.offerings add constraint duration_is_of_time CHECK (((duration IS NULL) OR (allocation = 'exclusive'::app_public.allocation_mode)));
alter table app_public.offerings add constraint travel_time_is_bounded CHECK (((travel_time >= '00:00:00'::interval) AND (travel_time <= '24:00:00'::interval)));
alter table app_public.offerings add constraint visit_is_of_time CHECK (((allocation = 'exclusive'::app_public.allocation_mode) OR ((NOT at_customer) AND (travel_time = '00:00:00'::interval))));
CREATE INDEX offerings_category_idx ON app_public.offerings USING btree (category, organization_id);
comment on column app_public.offerings.category is 'What it is a kind of, in the organisation''s own words: others of the same category may stand in for it.';
grant insert (category) on app_public.offerings to reslot_user;
grant update (category) on app_public.offerings to reslot_user;
grant insert (category) on app_public.offerings to reslot_admin;
grant update (category) on app_public.offerings to reslot_admin;
comment on column app_public.offerings.duration is 'How long it takes; a booking then needs no end. None: the customer chooses.';
grant insert (duration) on app_public.offerings to reslot_user;
grant update (duration) on app_public.offerings to reslot_user;
grant insert (duration) on app_public.offerings to reslot_admin;
grant update (duration) on app_public.offerings to reslot_admin;
comment on column app_public.offerings.at_customer is 'Whether it goes to the customer, who then says where.';
grant insert (at_customer) on app_public.offerings to reslot_user;
grant update (at_customer) on app_public.offerings to reslot_user;
grant insert (at_customer) on app_public.offerings to reslot_admin;
grant update (at_customer) on app_public.offerings to reslot_admin;
comment on column app_public.offerings.travel_time is 'How long the way takes: before and after each booking, beside the buffers of the policy. A change counts for what is booked from then on.';
grant insert (travel_time) on app_public.offerings to reslot_user;
grant update (travel_time) on app_public.offerings to reslot_user;
grant insert (travel_time) on app_public.offerings to reslot_admin;
grant update (travel_time) on app_public.offerings to reslot_admin;
alter table app_public.offering_resources add column in_pool boolean not null default false;
comment on table app_public.offering_resources is 'The resources an offering uses: all of them at once, but of those in its pool (the providers of a service) one. A divisible hall is three offerings over two rooms.';
comment on column app_public.offering_resources.in_pool is 'Whether it is one of several of which a booking takes one, as any provider of a service.';
alter table app_public.memberships add column resource_id uuid;
alter table app_public.memberships add column unsubscribed_at timestamp with time zone;
alter table app_public.memberships add constraint memberships_resource_id_fkey FOREIGN KEY (resource_id) REFERENCES app_public.resources(id);
CREATE INDEX memberships_resource_id_idx ON app_public.memberships USING btree (resource_id);
comment on column app_public.memberships.resource_id is 'The resource this member is: the bookings it serves are theirs to see and to carry out.';
comment on column app_public.memberships.unsubscribed_at is 'When the member unsubscribed from optional mail, if they did.';
alter table app_public.customers add column offences_cleared_at timestamp with time zone;
comment on column app_public.customers.offences_cleared_at is 'Until when what they did not use counts no longer, if a manager has cleared it (`clearOffences`); who and why is in the log.';

-- tables/reviews.sql
-- Read by everybody, and so without anything that leads to the person: neither name nor booking. The booking knows its
-- review, and is read by those whom it concerns.
create table app_public.reviews (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  offering_id uuid not null,
  provider_id uuid,
  rating integer not null,
  words text,
  created_at timestamptz not null default app_private.clock(),
  reply text,
  replied_at timestamptz,
  constraint reviews_pkey primary key (id),
  constraint reviews_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint reviews_offering_id_fkey foreign key (offering_id) references app_public.offerings,
  constraint reviews_provider_id_fkey foreign key (provider_id) references app_public.resources,
  constraint rating_is_of_five check (rating between 1 and 5),
  constraint words_are_bounded check (greatest(length(words), length(reply)) <= 2000)
);
create index reviews_offering_id_idx on app_public.reviews (offering_id, created_at);
create index reviews_provider_id_idx on app_public.reviews (provider_id, created_at);
create index reviews_organization_id_idx on app_public.reviews (organization_id, created_at);
comment on table app_public.reviews is 'What customers say of what they had, once a completed booking. Everybody reads them; who wrote one is not said.';
comment on column app_public.reviews.id is 'Identifier (UUID version 7).';
comment on column app_public.reviews.organization_id is 'The organisation.';
comment on column app_public.reviews.offering_id is 'What was booked.';
comment on column app_public.reviews.provider_id is 'Who served it, if somebody in particular did.';
comment on column app_public.reviews.rating is 'From 1 to 5, 5 being best.';
comment on column app_public.reviews.words is 'What the customer says.';
comment on column app_public.reviews.created_at is 'When it was written.';
comment on column app_public.reviews.reply is 'What the provider or the organisation answers.';
comment on column app_public.reviews.replied_at is 'When they answered.';

-- tables/recurring_bookings.sql
-- What recurs is a rule and the bookings made of it, each of which lives its own life. Whose they are stands in them alone.
create table app_public.recurring_bookings (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  offering_id uuid not null,
  rrule text not null,
  first_date date not null,
  local_start time not null,
  duration interval not null,
  skipped date[] not null default '{}',
  created_at timestamptz not null default app_private.clock(),
  constraint recurring_bookings_pkey primary key (id),
  constraint recurring_bookings_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint recurring_bookings_offering_id_fkey foreign key (offering_id) references app_public.offerings,
  constraint rule_is_one_line check (length(rrule) <= 500 and rrule ~ '^FREQ=[A-Z0-9=;,+-]+$'),
  constraint first_date_is_real check (first_date > '1900-01-01' and first_date < '9000-01-01'),
  constraint start_is_on_the_clock check (local_start < time '24:00'),
  constraint duration_is_sane check (duration between interval '1 minute' and interval '720 hours')
);
create index recurring_bookings_organization_id_idx on app_public.recurring_bookings (organization_id);
create index recurring_bookings_offering_id_idx on app_public.recurring_bookings (offering_id);
comment on table app_public.recurring_bookings is 'A series as it was booked. Its occurrences are bookings of their own, each reminded of, confirmed and released by itself; changes are made to them.';
comment on column app_public.recurring_bookings.id is 'Identifier (UUID version 7).';
comment on column app_public.recurring_bookings.organization_id is 'The organisation.';
comment on column app_public.recurring_bookings.offering_id is 'What is booked.';
comment on column app_public.recurring_bookings.rrule is 'On which dates (RFC 5545), such as FREQ=WEEKLY;BYDAY=TU;COUNT=10.';
comment on column app_public.recurring_bookings.first_date is 'From which date on the rule counts, where the offering is.';
comment on column app_public.recurring_bookings.local_start is 'When each begins, as a clock on the wall shows it: 18:00 stays 18:00 when the clocks change.';
comment on column app_public.recurring_bookings.duration is 'How long each lasts.';
comment on column app_public.recurring_bookings.skipped is 'The dates of the rule that could not be booked, and were left out.';
comment on column app_public.recurring_bookings.created_at is 'When it was booked.';
alter table app_public.bookings add column refund_share numeric not null default 1;
alter table app_public.bookings add column provider_id uuid;
alter table app_public.bookings add column customer_address text;
alter table app_public.bookings add column customer_phone text;
alter table app_public.bookings add column answered_at timestamp with time zone;
alter table app_public.bookings add column awaits_delivery_since timestamp with time zone;
alter table app_public.bookings add column delivered_at timestamp with time zone;
alter table app_public.bookings add column delivery_notes text;
alter table app_public.bookings add column recommendations text;
alter table app_public.bookings add column delivery_answer_by timestamp with time zone;
alter table app_public.bookings add column delivery_confirmed_at timestamp with time zone;
alter table app_public.bookings add column review_id uuid;
alter table app_public.bookings add column provider_reminded_at timestamp with time zone;
alter table app_public.bookings add column expires_at timestamp with time zone;
alter table app_public.bookings add column would_expire_at timestamp with time zone;
alter table app_public.bookings add column series_id uuid;
alter table app_public.bookings add column series_date date;
alter table app_public.bookings add column awaits_payment boolean not null default false;
alter table app_public.bookings add constraint refund_share_is_a_part CHECK (((refund_share >= (0)::numeric) AND (refund_share <= (1)::numeric)));
alter table app_public.bookings add constraint visit_is_bounded CHECK (((length(customer_address) <= 500) AND app_private.is_short_line(customer_phone)));
alter table app_public.bookings add constraint delivery_is_awaited_in_progress CHECK (((awaits_delivery_since IS NULL) OR (status = 'in_progress'::app_public.booking_status)));
alter table app_public.bookings add constraint delivered_has_a_time CHECK ((((delivered_at IS NULL) = (delivery_answer_by IS NULL)) AND ((delivered_at IS NOT NULL) OR ((status <> 'delivered'::app_public.booking_status) AND (num_nonnulls(delivery_notes, recommendations, delivery_confirmed_at) = 0)))));
alter table app_public.bookings add constraint payment_is_awaited_pending CHECK (((NOT awaits_payment) OR (status = 'pending'::app_public.booking_status)));
alter table app_public.bookings add constraint delivery_texts_are_bounded CHECK ((GREATEST(length(delivery_notes), length(recommendations)) <= 2000));
alter table app_public.bookings add constraint of_a_series_on_a_date CHECK ((num_nonnulls(series_id, series_date) = ANY (ARRAY[0, 2])));
alter table app_public.bookings add constraint bookings_provider_id_fkey FOREIGN KEY (provider_id) REFERENCES app_public.resources(id);
alter table app_public.bookings add constraint bookings_review_id_fkey FOREIGN KEY (review_id) REFERENCES app_public.reviews(id);
alter table app_public.bookings add constraint bookings_series_id_fkey FOREIGN KEY (series_id) REFERENCES app_public.recurring_bookings(id);
CREATE INDEX bookings_provider_id_idx ON app_public.bookings USING btree (provider_id, starts_at) WHERE (provider_id IS NOT NULL);
CREATE INDEX bookings_offences_idx ON app_public.bookings USING btree (organization_id, customer_id, ended_at) WHERE (status = ANY (ARRAY['auto_cancelled'::app_public.booking_status, 'no_show'::app_public.booking_status]));
CREATE UNIQUE INDEX bookings_review_id_idx ON app_public.bookings USING btree (review_id) WHERE (review_id IS NOT NULL);
CREATE UNIQUE INDEX bookings_series_id_idx ON app_public.bookings USING btree (series_id, series_date);
CREATE INDEX bookings_expired_idx ON app_public.bookings USING btree (organization_id, ended_at) WHERE ((status = 'expired'::app_public.booking_status) AND (NOT unclaimed));
comment on column app_public.bookings.refund_share is 'The largest part of its price that its customer may still get back: moving it does not bring back what was lost by then.';
comment on column app_public.bookings.provider_id is 'Who serves it: the resource it takes of the offering''s pool, or the one resource of a service without a pool.';
comment on column app_public.bookings.customer_address is 'Where the service goes, if it goes to the customer.';
comment on column app_public.bookings.customer_phone is 'How to reach them there.';
comment on column app_public.bookings.answered_at is 'When the request was accepted or rejected by somebody; from `madeAt` to here is the time it took.';
comment on column app_public.bookings.awaits_delivery_since is 'Since when its time is over and it only has to be delivered; its room is free again.';
comment on column app_public.bookings.delivered_at is 'When whoever serves it said that it was done.';
comment on column app_public.bookings.delivery_notes is 'What they say of it.';
comment on column app_public.bookings.recommendations is 'What they recommend to the customer.';
comment on column app_public.bookings.delivery_answer_by is 'When it is completed without the customer''s word.';
comment on column app_public.bookings.delivery_confirmed_at is 'When the customer confirmed that it was delivered.';
comment on column app_public.bookings.review_id is 'What the customer says of it, if they do.';
comment on column app_public.bookings.provider_reminded_at is 'When its provider was reminded of it.';
comment on column app_public.bookings.expires_at is 'When it expires if nobody says that it was delivered, nor that it takes longer; known once it has begun.';
comment on column app_public.bookings.would_expire_at is 'When it would have expired, under a policy that only rehearses.';
comment on column app_public.bookings.series_id is 'The series it was booked in, if in one.';
comment on column app_public.bookings.series_date is 'The date of the series it was booked for; stays the same when it is moved.';
comment on column app_public.bookings.awaits_payment is 'Whether it is pending for its payment, and for nobody''s yes; `requestExpiresAt` says until when.';
insert into app_private.booking_transitions (from_status, to_status) values ('in_progress', 'expired');

-- tables/automation_events.sql
-- What time did to a booking, in words that a front end can show. A row is written when something is done, or has failed;
-- what is still to come is the next deadline. Narrow, and cleaned up with the notifications.
create table app_public.automation_events (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  booking_id uuid not null,
  what app_public.automation_action not null,
  due_at timestamptz not null,
  done_at timestamptz,
  outcome app_public.automation_outcome not null,
  attempts integer not null default 1,
  reminder integer,
  error text,
  constraint automation_events_pkey primary key (id),
  constraint automation_events_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint automation_events_booking_id_fkey foreign key (booking_id) references app_public.bookings,
  constraint done_unless_failed check ((done_at is null) = (outcome = 'failed')),
  constraint attempts_are_counted check (attempts >= 1)
);
create unique index automation_events_once on app_public.automation_events (booking_id, what, due_at);
create index automation_events_organization_id_idx on app_public.automation_events (organization_id, due_at);
comment on table app_public.automation_events is 'What time did to a booking, or tried to.';
comment on column app_public.automation_events.id is 'Identifier (UUID version 7).';
comment on column app_public.automation_events.organization_id is 'The organisation.';
comment on column app_public.automation_events.booking_id is 'The booking.';
comment on column app_public.automation_events.what is 'What was to be done.';
comment on column app_public.automation_events.due_at is 'When it was due.';
comment on column app_public.automation_events.done_at is 'When it was done; null if it was not yet.';
comment on column app_public.automation_events.outcome is 'What came of it.';
comment on column app_public.automation_events.attempts is 'How often it was tried; more than once if something went wrong.';
comment on column app_public.automation_events.reminder is 'Which reminder went out, counted from 1; null for everything else.';
comment on column app_public.automation_events.error is E'@behavior -*\nWhat went wrong last, in words.';

-- tables/booking_photos.sql
-- A file and a row cannot be written in one transaction. So the file has a row of its own, written before it and deleted
-- after it: whatever crashes in between, no photo is shown without a file, and no file is forgotten.
create table app_private.photo_files (
  id uuid not null default uuidv7(),
  booking_id uuid not null,
  -- Nothing but the job removes files, and only of rows whose time has come; nothing takes such a row into use again.
  remove_at timestamptz,
  constraint photo_files_pkey primary key (id),
  constraint photo_files_booking_id_fkey foreign key (booking_id) references app_public.bookings
);
create index photo_files_booking_id_idx on app_private.photo_files (booking_id);
create index photo_files_remove_at_idx on app_private.photo_files (remove_at) where remove_at is not null;
comment on table app_private.photo_files is 'The files there are or may be in the storage of photos, by their names there; `remove_at` is null while a photo uses it.';

create table app_public.booking_photos (
  id uuid not null,
  organization_id uuid not null,
  booking_id uuid not null,
  created_by uuid,
  created_at timestamptz not null default app_private.clock(),
  width integer not null,
  height integer not null,
  bytes integer not null,
  sha256 text not null,
  constraint booking_photos_pkey primary key (id),
  constraint booking_photos_id_fkey foreign key (id) references app_private.photo_files,
  constraint booking_photos_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint booking_photos_booking_id_fkey foreign key (booking_id) references app_public.bookings,
  constraint booking_photos_created_by_fkey foreign key (created_by) references app_public.users,
  constraint photo_has_a_size check (least(width, height, bytes) > 0),
  constraint sha256_is_hexadecimal check (sha256 ~ '^[0-9a-f]{64}$')
);
create index booking_photos_booking_id_idx on app_public.booking_photos (booking_id, created_at);
create index booking_photos_organization_id_idx on app_public.booking_photos (organization_id, created_at);
create index booking_photos_created_by_idx on app_public.booking_photos (created_by) where created_by is not null;
comment on table app_public.booking_photos is 'Photos of what was delivered: JPEG pictures, at `/photos/` and the id for whoever sees the booking. They are added over HTTP.';
comment on column app_public.booking_photos.id is 'Identifier (UUID version 7).';
comment on column app_public.booking_photos.organization_id is 'The organisation.';
comment on column app_public.booking_photos.booking_id is 'The booking.';
comment on column app_public.booking_photos.created_by is 'Who added it.';
comment on column app_public.booking_photos.created_at is 'When it was added.';
comment on column app_public.booking_photos.width is 'Width in pixels.';
comment on column app_public.booking_photos.height is 'Height in pixels.';
comment on column app_public.booking_photos.bytes is 'Size of the file.';
comment on column app_public.booking_photos.sha256 is 'SHA-256 of the file, in hexadecimal digits.';

-- tables/payments.sql
-- What is to be paid for a booking, and what became of it. Amounts are in the main unit of the currency, to the cent.
-- What goes back is a pair of sums, and neither ever falls: how much is owed, and how much has been given back. So it
-- does not matter in which order, or how often, the news of a refund comes in.
create table app_public.payments (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  booking_id uuid not null,
  purpose app_public.payment_purpose not null,
  provider app_public.payment_provider not null,
  status app_public.payment_status not null default 'due',
  amount numeric(18, 2) not null,
  currency text not null,
  refund_due numeric(18, 2) not null default 0,
  refunded numeric(18, 2) not null default 0,
  refunding numeric(18, 2),
  method app_public.payment_method,
  reference text,
  checkouts integer not null default 0,
  checkout_id text,
  checkout_url text,
  attempts integer not null default 0,
  next_attempt_at timestamptz,
  error_code text,
  created_at timestamptz not null default app_private.clock(),
  processed_at timestamptz,

  constraint payments_pkey primary key (id),
  constraint payments_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint payments_booking_id_fkey foreign key (booking_id) references app_public.bookings,
  constraint amounts_are_positive check (amount > 0),
  constraint never_more_given_back_than_paid check (0 <= refunded and refunded <= refund_due and refund_due <= amount),
  constraint refund_under_way_is_owed check (refunding between refunded and refund_due),
  constraint paid_says_how_and_when check (
    (status in ('paid', 'partly_refunded', 'refunded')) = (processed_at is not null)
    and (processed_at is null) = (method is null)
    and (processed_at is not null or refund_due = 0)
  ),
  constraint refunds_are_counted check (
    case status when 'refunded' then refunded = amount when 'partly_refunded' then refunded > 0 and refunded < amount
      else refunded = 0 end
  ),
  constraint payment_texts_are_bounded check (
    length(reference) <= 200 and length(checkout_id) <= 255 and length(checkout_url) <= 2000 and length(error_code) <= 100
  )
);
create index payments_booking_id_idx on app_public.payments (booking_id);
create index payments_organization_id_idx on app_public.payments (organization_id, created_at);
-- A booking asks for one payment at a time.
create unique index payments_one_open on app_public.payments (booking_id)
  where status in ('due', 'processing', 'failed');
create index payments_work_idx on app_public.payments (next_attempt_at) where next_attempt_at is not null;
comment on table app_public.payments is 'What is to be paid for a booking, and what became of it.';
comment on column app_public.payments.id is 'Identifier (UUID version 7).';
comment on column app_public.payments.organization_id is 'The organisation.';
comment on column app_public.payments.booking_id is 'What is paid for.';
comment on column app_public.payments.purpose is 'What is paid: the price, a deposit, or the rest.';
comment on column app_public.payments.provider is 'How the money comes in.';
comment on column app_public.payments.status is 'Where it is.';
comment on column app_public.payments.amount is 'How much, in the main unit of the currency.';
comment on column app_public.payments.currency is 'Currency (ISO 4217).';
comment on column app_public.payments.refund_due is 'How much of it is to be given back.';
comment on column app_public.payments.refunded is 'How much of it has been given back.';
comment on column app_public.payments.refunding is E'@behavior -*\nHow much will have been given back once the refund that is under way has gone through.';
comment on column app_public.payments.method is 'How it was paid; null until it is.';
comment on column app_public.payments.reference is 'What finds it again elsewhere: of a transfer, or at Stripe (the PaymentIntent).';
comment on column app_public.payments.checkouts is E'@behavior -*\nHow many checkouts were begun; each has a key of its own at Stripe.';
comment on column app_public.payments.checkout_id is E'@behavior -*\nThe Checkout Session at Stripe.';
comment on column app_public.payments.checkout_url is 'Where its customer pays, while it is processing.';
comment on column app_public.payments.attempts is 'How often what is under way was tried; more than once if Stripe could not be reached.';
comment on column app_public.payments.next_attempt_at is 'When that is tried next; null if nothing is under way.';
comment on column app_public.payments.error_code is 'What went wrong last, in a word of Stripe''s (`card_declined`) or ours (`checkout_expired`).';
comment on column app_public.payments.created_at is 'Since when it is due.';
comment on column app_public.payments.processed_at is 'When it was paid.';

create table app_private.payment_transitions (
  from_status app_public.payment_status not null,
  to_status app_public.payment_status not null,
  constraint payment_transitions_pkey primary key (from_status, to_status)
);
comment on table app_private.payment_transitions is 'The only changes of status there are (docs/payments.md); a trigger holds payments to them.';
-- Money is never unpaid: what says `failed` after `paid` comes too late, and money that comes after `failed` or
-- `cancelled` is money all the same.
insert into app_private.payment_transitions (from_status, to_status) values
  ('due', 'processing'), ('due', 'paid'), ('due', 'cancelled'),
  ('processing', 'paid'), ('processing', 'failed'), ('processing', 'cancelled'),
  ('failed', 'processing'), ('failed', 'paid'), ('failed', 'cancelled'),
  ('cancelled', 'paid'),
  ('paid', 'partly_refunded'), ('paid', 'refunded'), ('partly_refunded', 'refunded');

create table app_private.stripe_events (
  id text not null,
  type text not null,
  payment_id uuid,
  received_at timestamptz not null default app_private.clock(),
  constraint stripe_events_pkey primary key (id),
  constraint stripe_events_payment_id_fkey foreign key (payment_id) references app_public.payments
);
create index stripe_events_payment_id_idx on app_private.stripe_events (payment_id);
create index stripe_events_received_at_idx on app_private.stripe_events (received_at);
comment on table app_private.stripe_events is 'What Stripe has told us: an event that comes again changes nothing.';
alter table app_public.waitlist_entries add column passed_slot_ids uuid[] not null default '{}'::uuid[];
alter table app_public.waitlist_entries add column provider_id uuid;
alter table app_public.waitlist_entries add column customer_address text;
alter table app_public.waitlist_entries add column customer_phone text;
alter table app_public.waitlist_entries add constraint visit_is_bounded CHECK (((length(customer_address) <= 500) AND app_private.is_short_line(customer_phone)));
alter table app_public.waitlist_entries add constraint waitlist_entries_provider_id_fkey FOREIGN KEY (provider_id) REFERENCES app_public.resources(id);
CREATE INDEX waitlist_entries_provider_id_idx ON app_public.waitlist_entries USING btree (provider_id) WHERE (provider_id IS NOT NULL);
CREATE INDEX waitlist_entries_stuck_idx ON app_public.waitlist_entries USING btree (organization_id, stuck_at) WHERE ((stuck_at IS NOT NULL) AND (ended_at IS NULL));
comment on column app_public.waitlist_entries.passed_slot_ids is '@behavior -*
The slots for which it is passed over because its customer let go of an offer of their places; each is cleared when somebody else frees places of it.';
comment on column app_public.waitlist_entries.provider_id is 'Who is to serve it, if only one of several will do.';
comment on column app_public.waitlist_entries.customer_address is 'Where the service is to go, if it goes to the customer.';
comment on column app_public.waitlist_entries.customer_phone is 'How to reach them there.';
alter table app_private.notification_kinds drop constraint current_while_is_known;
alter table app_private.notification_kinds add constraint current_while_is_known CHECK ((current_while = ANY (ARRAY['always'::text, 'booking_live'::text, 'booking_unconfirmed'::text, 'booking_pending'::text, 'offer_live'::text, 'entry_waiting'::text, 'booking_in_progress'::text, 'booking_delivered'::text, 'payment_open'::text])));
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('booking_delivered', false, '{confirm_delivery}', false, 'booking_delivered', false);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('provider_reminder', false, '{unsubscribe}', true, 'booking_live', false);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('delivery_due', false, '{}', false, 'booking_in_progress', false);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('service_expired', false, '{}', false, 'always', true);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('expiry_notice', false, '{}', false, 'always', false);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('payment_due', true, '{cancel}', false, 'payment_open', true);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('payment_received', false, '{cancel}', false, 'always', false);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('payment_failed', true, '{cancel}', false, 'payment_open', true);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('payment_refunded', false, '{}', false, 'always', false);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('booking_unpaid', false, '{}', false, 'always', true);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('booking_link', true, '{book}', false, 'always', true);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('series_booked', false, '{cancel_series}', false, 'always', false);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('series_requested', true, '{}', false, 'always', true);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('series_modified', false, '{cancel_series}', false, 'always', true);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('series_cancelled', false, '{}', false, 'always', true);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('series_unused', false, '{cancel_series}', false, 'always', true);
insert into app_private.notification_kinds (kind, urgent, actions, is_optional, current_while, costs_a_booking) values ('series_unused_notice', false, '{cancel_series}', false, 'always', false);
alter table app_private.link_tokens drop constraint bound_to_one_row;
alter table app_private.link_tokens add constraint bound_to_one_row CHECK (
CASE
    WHEN (action = ANY (ARRAY['verify'::app_private.link_action, 'reset'::app_private.link_action, 'magic'::app_private.link_action])) THEN ((user_id IS NOT NULL) AND (num_nonnulls(booking_id, entry_id) = 0))
    WHEN (action = ANY (ARRAY['approve'::app_private.link_action, 'reject'::app_private.link_action])) THEN ((user_id IS NOT NULL) AND (booking_id IS NOT NULL) AND (entry_id IS NULL))
    WHEN (action = ANY (ARRAY['confirm'::app_private.link_action, 'cancel'::app_private.link_action, 'confirm_delivery'::app_private.link_action])) THEN ((customer_id IS NOT NULL) AND (booking_id IS NOT NULL) AND (entry_id IS NULL))
    WHEN (action = 'cancel_series'::app_private.link_action) THEN ((booking_id IS NOT NULL) AND (entry_id IS NULL))
    WHEN (action = 'unsubscribe'::app_private.link_action) THEN (num_nonnulls(booking_id, entry_id) = 0)
    WHEN (action = ANY (ARRAY['claim'::app_private.link_action, 'decline'::app_private.link_action, 'leave'::app_private.link_action])) THEN ((customer_id IS NOT NULL) AND (entry_id IS NOT NULL) AND (booking_id IS NULL))
    ELSE ((customer_id IS NOT NULL) AND (delivery_id IS NOT NULL) AND (num_nonnulls(booking_id, entry_id) = 0))
END);

-- tables/guest_requests.sql
-- What somebody without an account wants to book, bound to the mail that carries the link. Nothing is booked and no room
-- is kept until whoever reads that mail follows it: otherwise anybody could book in another's name.
create table app_private.guest_requests (
  notification_id uuid not null,
  organization_id uuid not null,
  customer_id uuid not null,
  offering_id uuid not null,
  slot_id uuid,
  during tstzrange not null,
  party_size integer not null,
  adults integer,
  children integer,
  infants integer,
  name text not null,
  phone text,
  purpose text,
  special_requests text,
  dietary_needs text,
  access_needs text,
  created_at timestamptz not null default app_private.clock(),
  expires_at timestamptz not null,
  booking_id uuid,
  entry_id uuid,
  constraint guest_requests_pkey primary key (notification_id),
  constraint guest_requests_notification_id_fkey foreign key (notification_id)
    references app_public.notifications on delete cascade,
  constraint guest_requests_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint guest_requests_customer_id_fkey foreign key (customer_id) references app_public.customers,
  constraint guest_requests_offering_id_fkey foreign key (offering_id) references app_public.offerings,
  constraint guest_requests_slot_id_fkey foreign key (slot_id) references app_public.slots,
  constraint guest_requests_booking_id_fkey foreign key (booking_id) references app_public.bookings,
  constraint guest_requests_entry_id_fkey foreign key (entry_id) references app_public.waitlist_entries,
  constraint one_outcome check (num_nonnulls(booking_id, entry_id) <= 1)
);
-- By time: the limits count one hour.
create index guest_requests_organization_id_idx on app_private.guest_requests (organization_id, created_at);
create index guest_requests_customer_id_idx on app_private.guest_requests (customer_id, created_at);
create index guest_requests_offering_id_idx on app_private.guest_requests (offering_id);
create index guest_requests_slot_id_idx on app_private.guest_requests (slot_id) where slot_id is not null;
create index guest_requests_booking_id_idx on app_private.guest_requests (booking_id) where booking_id is not null;
create index guest_requests_entry_id_idx on app_private.guest_requests (entry_id) where entry_id is not null;
create index guest_requests_expires_at_idx on app_private.guest_requests (expires_at);
comment on table app_private.guest_requests is 'What guests asked to book by mail, and what became of it.';

-- tables/invariant_check.sql
-- The invariants are dear to check, and monitoring asks every few seconds: a job checks them now and then, and what it
-- found last is kept here.
create table app_private.invariant_check (
  singleton boolean not null default true,
  checked_at timestamptz not null,
  broken integer not null,
  constraint invariant_check_pkey primary key (singleton),
  constraint one_check check (singleton),
  constraint broken_is_not_negative check (broken >= 0)
);
comment on table app_private.invariant_check is 'When the invariants were checked last, and how many rows broke one.';

-- functions/caller.sql
create or replace function app_private.own_resource_ids() returns setof uuid
language sql stable security definer rows 1
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select m.resource_id from app_public.memberships m
  where m.user_id = app_private.current_user_id() and m.resource_id is not null
$$;
comment on function app_private.own_resource_ids() is 'The resources the caller is, as a provider; a set, so that a policy computes it once.';
create or replace function app_private.is_provider_of(booking_id uuid) returns boolean
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select exists (
    select from app_public.bookings b
    where b.id = is_provider_of.booking_id and b.provider_id in (select app_private.own_resource_ids()))
$$;
comment on function app_private.is_provider_of(uuid) is 'Whether the caller is the provider who serves a booking: a member whose resource it takes.';
revoke execute on function
  app_private.caller_role(), app_private.caller_is(name), app_private.current_user_id(), app_private.is_admin(),
  app_private.is_manager_of(uuid), app_private.is_manager_in(uuid),
  app_private.is_owner_in(uuid), app_private.is_customer(uuid), app_private.require_user(),
  app_private.managed_offering_ids(), app_private.own_customer_ids(), app_private.member_organization_ids(),
  app_private.managed_organization_ids(), app_private.own_resource_ids(), app_private.is_provider_of(uuid) from public;
grant execute on function
  app_private.caller_role(), app_private.caller_is(name), app_private.current_user_id(), app_private.is_admin(),
  app_private.managed_offering_ids(), app_private.own_customer_ids(), app_private.member_organization_ids(),
  app_private.managed_organization_ids(), app_private.own_resource_ids()
to reslot_anonymous, reslot_user, reslot_admin;

-- functions/hours.sql
create or replace function app_private.blackouts_over(
  offering_id uuid, since timestamptz, until timestamptz, provider_id uuid default null
) returns setof app_public.blackouts
language sql stable rows 1
as $$
  select k.*
  from app_public.offerings f
  join app_public.blackouts k on k.organization_id = f.organization_id
  where f.id = blackouts_over.offering_id and k.lifted_at is null
    and k.starts_at < blackouts_over.until and k.ends_at > blackouts_over.since
    and (k.offering_id = f.id
      or k.resource_id in (
        select x.resource_id from app_public.offering_resources x
        where x.offering_id = f.id and (not x.in_pool or x.resource_id = blackouts_over.provider_id))
      or num_nonnulls(k.offering_id, k.resource_id) = 0)
$$;
comment on function app_private.blackouts_over(uuid, timestamptz, timestamptz, uuid) is 'The blackouts that close an offering between two moments: its own, those of its resources (of a pool: of the provider that is named), those of its organisation.';
create or replace function app_private.open_ranges(
  offering_id uuid, since timestamptz, until timestamptz, provider_id uuid default null
) returns tstzmultirange
language sql stable
as $$
  select coalesce(range_intersect_agg(app_private.hours_of(x.resource_id, since, until)), '{}')
         - coalesce((
           select range_agg(tstzrange(k.starts_at, k.ends_at))
           from app_private.blackouts_over(open_ranges.offering_id, since, until, open_ranges.provider_id) k), '{}')
  from app_public.offerings f
  join app_public.organizations g on g.id = f.organization_id and g.archived_at is null
  join app_public.offering_resources x on x.offering_id = f.id and (not x.in_pool or x.resource_id = open_ranges.provider_id)
  where f.id = open_ranges.offering_id and f.archived_at is null
$$;
comment on function app_private.open_ranges(uuid, timestamptz, timestamptz, uuid) is 'When all resources of an offering are open (of a pool: the provider that is named) and nothing is blacked out; never, once anything of it is archived.';
-- Without a pool there is one row, of no provider.
create or replace function app_private.providers_of(offering_id uuid, provider_id uuid default null) returns setof uuid
language sql stable rows 1
as $$
  select p.resource_id
  from (select 1) one
  left join app_public.offering_resources p on p.offering_id = providers_of.offering_id and p.in_pool
  where p.resource_id is null or p.resource_id = coalesce(providers_of.provider_id, p.resource_id)
  order by p.resource_id
$$;
comment on function app_private.providers_of(uuid, uuid) is 'Who may serve a booking of an offering: all of its pool, or the one that is named; null, once, where there is no pool.';
create or replace function app_private.is_open(
  offering_id uuid, starts_at timestamptz, ends_at timestamptz, provider_id uuid default null
) returns boolean
language sql stable cost 10000
as $$
  select exists (
    select from app_private.providers_of(is_open.offering_id, is_open.provider_id) p (id)
    where app_private.open_ranges(is_open.offering_id, starts_at, ends_at, p.id) @> tstzrange(starts_at, ends_at))
$$;
comment on function app_private.is_open(uuid, timestamptz, timestamptz, uuid) is 'Whether an offering is open for the whole of a range; of a pool, with one provider from its start to its end. Dear (it counts opening hours day by day), hence its cost.';
create or replace function app_private.free_ranges(
  offering_id uuid, since timestamptz, until timestamptz, buffer_before interval, buffer_after interval,
  provider_id uuid default null
) returns tstzmultirange
language sql stable
as $$
  select app_private.open_ranges(free_ranges.offering_id, since, until, free_ranges.provider_id) - coalesce((
    select range_agg(tstzrange(lower(o.during) - buffer_after, upper(o.during) + buffer_before))
    from app_public.offering_resources x
    join app_private.occupancies o on o.resource_id = x.resource_id
    where x.offering_id = free_ranges.offering_id and (not x.in_pool or x.resource_id = free_ranges.provider_id)
      and o.during && tstzrange(since - buffer_before, until + buffer_after)), '{}')
$$;
comment on function app_private.free_ranges(uuid, timestamptz, timestamptz, interval, interval, uuid) is 'When an offering could be booked between two moments, buffers respected; of a pool, with the provider that is named.';
create or replace function app_private.requested_range(
  offering_id uuid, starts_at timestamptz, ends_at timestamptz, local_starts_at timestamp, local_ends_at timestamp
) returns tstzrange
language plpgsql stable
as $$
declare
  v_starts_at timestamptz := starts_at;
  v_ends_at timestamptz := ends_at;
  v_duration interval;
begin
  select f.duration into v_duration from app_public.offerings f where f.id = requested_range.offering_id;
  if num_nonnulls(starts_at, local_starts_at) <> 1
     or num_nonnulls(ends_at, local_ends_at) <> 1 and (v_duration is null or num_nonnulls(ends_at, local_ends_at) > 0) then
    perform app_private.fail('RSARG', 'Give one start and one end, each either as a moment or as a local time; no end where the length is fixed.');
  end if;
  -- Bounded far inside the calendar's ends, so that no arithmetic on a time can leave it.
  if coalesce(v_starts_at, local_starts_at at time zone 'UTC') not between '1900-01-01 00:00Z' and '9999-01-01 00:00Z'
     or coalesce(v_ends_at, local_ends_at at time zone 'UTC') not between '1900-01-01 00:00Z' and '9999-01-01 00:00Z' then
    perform app_private.fail('RSTIM', 'The start and the end have to be real dates.');
  end if;
  if local_starts_at is not null then
    v_starts_at := app_private.wall_time(local_starts_at, app_private.zone_of(offering_id));
  end if;
  if local_ends_at is not null then
    v_ends_at := app_private.wall_time(local_ends_at, app_private.zone_of(offering_id));
  end if;
  if v_ends_at <> v_starts_at + v_duration then
    perform app_private.fail('RSARG', format('This takes %s (hours:minutes): leave the end out.', to_char(v_duration, 'FMHH24:MI')));
  end if;
  v_ends_at := coalesce(v_ends_at, v_starts_at + v_duration);
  if v_starts_at >= v_ends_at then
    perform app_private.fail('RSTIM', 'The end has to come after the start.');
  end if;
  return tstzrange(v_starts_at, v_ends_at);
end
$$;
comment on function app_private.requested_range(uuid, timestamptz, timestamptz, timestamp, timestamp) is 'The range a client asked for; where the length is fixed, from its start. Errors: RSARG missing, given twice, or of another length, RSTIM infinite or absurd, inverted, or skipped by daylight saving.';
comment on function app_private.with_buffers(tstzrange, app_public.policy_versions) is 'The range a slot occupies its resources.';
create or replace function app_private.room_for(offering_id uuid, during tstzrange, policy app_public.policy_versions) returns tstzrange
language sql stable
as $$
  select tstzrange(lower(during) - policy.buffer_before - f.travel_time, upper(during) + policy.buffer_after + f.travel_time)
  from app_public.offerings f where f.id = room_for.offering_id
$$;
comment on function app_private.room_for(uuid, tstzrange, app_public.policy_versions) is 'The range a booking of an offering occupies its resources: with the buffers of its policy, and the way there and back.';
revoke execute on function
  app_private.hours_of(uuid, timestamptz, timestamptz), app_private.blackouts_over(uuid, timestamptz, timestamptz, uuid),
  app_private.open_ranges(uuid, timestamptz, timestamptz, uuid), app_private.providers_of(uuid, uuid),
  app_private.is_open(uuid, timestamptz, timestamptz, uuid),
  app_private.free_ranges(uuid, timestamptz, timestamptz, interval, interval, uuid), app_private.zone_of(uuid),
  app_private.wall_time_if_any(timestamp, text), app_private.wall_time(timestamp, text),
  app_private.requested_range(uuid, timestamptz, timestamptz, timestamp, timestamp),
  app_private.with_buffers(tstzrange, app_public.policy_versions),
  app_private.room_for(uuid, tstzrange, app_public.policy_versions) from public;

-- functions/availability.sql
create or replace function app_public.availability(
  offering_id uuid, "from" timestamptz, "to" timestamptz, provider_id uuid default null
) returns setof app_public.free_range
language plpgsql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_offering app_public.offerings;
  v_policy app_public.policy_versions;
  v_now timestamptz := app_private.clock();
  v_since timestamptz;
  v_until timestamptz;
begin
  if "from" is null or "to" is null or "from" >= "to"
     or "from" < '1900-01-01 00:00Z' or "to" > '9999-01-01 00:00Z'
     or app_private.elapsed("from", "to") > interval '2208 hours' then
    perform app_private.fail('RSARG', 'Ask for a range that ends after it starts and is at most 92 days long.');
  end if;
  v_offering := app_private.find_offering(offering_id);
  v_policy := app_private.policy_of(v_offering);
  perform app_private.check_provider(offering_id, provider_id);
  v_since := greatest("from", v_now + v_policy.booking_cutoff);
  v_until := least("to", v_now + make_interval(hours => 24 * v_policy.max_days_ahead));
  if v_since >= v_until then
    return;
  end if;
  return query
    select lower(r), upper(r)
    from app_private.bookable_ranges(
      availability.offering_id, v_since, v_until, v_policy.buffer_before + v_offering.travel_time,
      v_policy.buffer_after + v_offering.travel_time, availability.provider_id) r
    where app_private.elapsed(lower(r), upper(r)) >= coalesce(v_offering.duration, v_policy.min_duration)
    order by r;
end
$$;
comment on function app_public.availability(uuid, timestamptz, timestamptz, uuid) is 'When an offering can be booked between two moments at most 92 days apart: open, not blacked out, not taken, far enough ahead, and long enough for the shortest booking. Where one of several providers serves it, with any of them, or with the one that is named: each range is free from end to end with the same one, and two of them may overlap. Errors: RSARG bad range, RSNTF no such offering or provider.';
revoke execute on function app_public.availability(uuid, timestamptz, timestamptz, uuid) from public;
grant execute on function app_public.availability(uuid, timestamptz, timestamptz, uuid) to reslot_anonymous, reslot_user, reslot_admin;
-- What is free with two providers, one after the other, is free with neither: their ranges are not joined.
create or replace function app_private.bookable_ranges(
  offering_id uuid, since timestamptz, until timestamptz, buffer_before interval, buffer_after interval,
  provider_id uuid default null
) returns setof tstzrange
language sql stable rows 20
as $$
  with free as (
    select distinct r as during
    from app_private.providers_of(bookable_ranges.offering_id, bookable_ranges.provider_id) p (id)
    cross join lateral unnest(app_private.free_ranges(
      bookable_ranges.offering_id, since, until, buffer_before, buffer_after, p.id)) r
  )
  select f.during from free f
  where not exists (select from free longer where longer.during @> f.during and longer.during <> f.during)
$$;
comment on function app_private.bookable_ranges(uuid, timestamptz, timestamptz, interval, interval, uuid) is 'The stretches in which an offering could be booked, each with one and the same provider; none that lies within another.';
revoke execute on function app_private.bookable_ranges(uuid, timestamptz, timestamptz, interval, interval, uuid) from public;
create or replace function app_private.nearest_free(
  offering_id uuid, during tstzrange, policy app_public.policy_versions, now_at timestamptz, provider_id uuid default null
) returns jsonb
language sql stable
-- Planned anew for each range it would take twice as long, and others wait for the lock meanwhile.
set plan_cache_mode = force_generic_plan
as $$
  select coalesce(jsonb_agg(jsonb_build_object('startsAt', c.starts_at, 'endsAt', c.starts_at + c.duration)
                            order by c.distance, c.starts_at), '[]')
  from (
    select distinct n.starts_at, d.duration, abs(extract(epoch from n.starts_at - lower(during))) as distance
    from (
      select app_private.elapsed(lower(during), upper(during)) as duration,
        -- From the next full five minutes, so that what is proposed has not begun when it is read.
        date_bin('5 minutes', now_at + policy.booking_cutoff, timestamptz '2000-01-01 00:00Z') + interval '5 minutes' as since,
        now_at + make_interval(hours => 24 * policy.max_days_ahead) as latest_start, f.travel_time
      from app_public.offerings f where f.id = nearest_free.offering_id
    ) d
    cross join app_private.bookable_ranges(
      nearest_free.offering_id, greatest(d.since, lower(during) - interval '72 hours'),
      greatest(d.since, least(upper(during) + interval '72 hours', d.latest_start + d.duration)),
      policy.buffer_before + d.travel_time, policy.buffer_after + d.travel_time, nearest_free.provider_id) r
    -- In each free range the time nearest to the one wanted, and those that follow it on either side.
    cross join lateral (
      select least(greatest(lower(during), lower(r)), upper(r) - d.duration) + k * d.duration as starts_at
      from generate_series(-2, 2) k
    ) n
    where n.starts_at >= lower(r) and n.starts_at + d.duration <= upper(r)
    order by distance, n.starts_at
    limit 3
  ) c
$$;
comment on function app_private.nearest_free(uuid, tstzrange, app_public.policy_versions, timestamptz, uuid) is 'The three free ranges of the same length nearest to the one wanted, within three days of it.';
revoke execute on function app_private.nearest_free(uuid, tstzrange, app_public.policy_versions, timestamptz, uuid) from public;

-- functions/room.sql
create or replace function app_private.occupies(booking app_public.bookings) returns boolean
language sql immutable parallel safe
return booking.status in ('held', 'pending', 'confirmed', 'in_progress') and booking.awaits_delivery_since is null;
comment on function app_private.occupies(app_public.bookings) is 'Whether a booking has room: from its hold until it ends, is delivered, or is over and only to be delivered.';
create or replace function app_private.is_free(
  offering_id uuid, room tstzrange, provider_id uuid default null, except_booking uuid default null
) returns boolean
language sql stable
as $$
  select not exists (
    select from app_public.offering_resources x
    join app_private.occupancies o on o.resource_id = x.resource_id
    where x.offering_id = is_free.offering_id and o.during && is_free.room
      and (o.booking_id = is_free.except_booking) is not true
      -- What is taken of a pool is in nobody's way, as long as another of it (or the one wished for) is free.
      and (not x.in_pool
        or not app_private.pool_has_free(x.offering_id, is_free.room, is_free.provider_id, is_free.except_booking))
  )
$$;
comment on function app_private.is_free(uuid, tstzrange, uuid, uuid) is 'Whether nothing occupies any resource of an offering in a range (buffers included by the caller), of its pool at least one, or the provider that is named. Another booking may be left out of account. Only true as long as the room is locked.';
create or replace function app_private.pool_has_free(
  offering_id uuid, room tstzrange, provider_id uuid, except_booking uuid default null
) returns boolean
language sql stable
as $$
  select exists (
    select from app_public.offering_resources x
    where x.offering_id = pool_has_free.offering_id and x.in_pool
      and x.resource_id = coalesce(pool_has_free.provider_id, x.resource_id)
      and not exists (
        select from app_private.occupancies o
        where o.resource_id = x.resource_id and o.during && pool_has_free.room
          and (o.booking_id = pool_has_free.except_booking) is not true))
$$;
comment on function app_private.pool_has_free(uuid, tstzrange, uuid, uuid) is 'Whether one of the pool of an offering, or the one that is named, is not occupied in a range.';
create or replace function app_private.take_room(booking app_public.bookings) returns void
language plpgsql volatile
as $$
begin
  if booking.slot_id is not null then
    insert into app_private.taken_places (booking_id, organization_id, slot_id, places)
    values (booking.id, booking.organization_id, booking.slot_id, booking.places);
    update app_public.slots s set taken = s.taken + booking.places where s.id = booking.slot_id;
    return;
  end if;
  insert into app_private.occupancies (organization_id, resource_id, booking_id, during)
  select booking.organization_id, x.resource_id, booking.id, booking.room
  from app_public.offering_resources x
  join app_public.resources r on r.id = x.resource_id and not r.shared
  where x.offering_id = booking.offering_id and (not x.in_pool or x.resource_id = booking.provider_id)
  order by x.resource_id;
end
$$;
comment on function app_private.take_room(app_public.bookings) is 'Occupies the resources of a booking, of a pool its provider, or takes its places of a slot. The caller holds the lock and has checked that they are free; if not, a constraint refuses.';
revoke execute on function
  app_private.occupies(app_public.bookings), app_private.resources_of(uuid), app_private.offerings_sharing(uuid[]),
  app_private.resources_of_all(uuid[]), app_private.overdue_holds(uuid[]), app_private.find_rooms_to_lock(uuid[]),
  app_private.lock_room(uuid[]), app_private.is_free(uuid, tstzrange, uuid, uuid),
  app_private.pool_has_free(uuid, tstzrange, uuid, uuid), app_private.take_room(app_public.bookings),
  app_private.take_room_for_slot(app_public.slots), app_private.give_back_room_of_slot(uuid),
  app_private.give_back_room(uuid, uuid, boolean) from public;

-- functions/pools.sql
-- Of the resources in the pool of an offering (the providers of a service) a booking takes one. Who serves it is chosen
-- here, under lock_room; from then on it is a resource like any other.

-- Whoever has least to do that day, so that work is shared; among equals the one who has been there longest. Opening hours,
-- which are dear, only of those who are free.
create or replace function app_private.find_provider(
  offering_id uuid, during tstzrange, room tstzrange, provider_id uuid default null, except_booking uuid default null
) returns uuid
language sql stable
as $$
  select c.resource_id
  from (
    select x.resource_id
    from app_public.offering_resources x
    join app_public.resources r on r.id = x.resource_id
    cross join lateral (
      select tstzrange(d.day at time zone r.time_zone, (d.day + interval '1 day') at time zone r.time_zone) as whole
      from (select date_trunc('day', lower(find_provider.during) at time zone r.time_zone) as day) d
    ) today
    cross join lateral (
      select coalesce(sum(upper(o.during * today.whole) - lower(o.during * today.whole)), interval '0') as taken
      from app_private.occupancies o
      where o.resource_id = x.resource_id and o.during && today.whole
        and (o.booking_id = find_provider.except_booking) is not true
    ) work
    where x.offering_id = find_provider.offering_id and x.in_pool
      and x.resource_id = coalesce(find_provider.provider_id, x.resource_id)
      and not exists (
        select from app_private.occupancies o
        where o.resource_id = x.resource_id and o.during && find_provider.room
          and (o.booking_id = find_provider.except_booking) is not true)
    order by work.taken, x.resource_id
    offset 0
  ) c
  where app_private.open_ranges(find_provider.offering_id, lower(during), upper(during), c.resource_id) @> find_provider.during
  limit 1
$$;
comment on function app_private.find_provider(uuid, tstzrange, tstzrange, uuid, uuid) is 'Who of the pool of an offering is at work and free for the whole of a range, buffers included: the one named, or who has the least time taken on its local day; null if nobody is. Only true as long as the room is locked.';

create or replace function app_private.has_pool(offering_id uuid) returns boolean
language sql stable
as $$
  select exists (
    select from app_public.offering_resources x where x.offering_id = has_pool.offering_id and x.in_pool)
$$;
comment on function app_private.has_pool(uuid) is 'Whether a booking of an offering takes one of several resources.';

create or replace function app_private.provider_for(
  offering_id uuid, during tstzrange, room tstzrange, provider_id uuid default null
) returns uuid
language sql stable
as $$
  select case when app_private.has_pool(provider_for.offering_id)
    then app_private.find_provider(provider_for.offering_id, during, room, provider_for.provider_id)
    -- A service of one person.
    else (
      select (array_agg(x.resource_id))[1]
      from app_public.offerings f
      join app_public.offering_resources x on x.offering_id = f.id
      join app_public.resources r on r.id = x.resource_id and not r.shared
      where f.id = provider_for.offering_id and f.kind = 'service'
      having count(*) = 1) end
$$;
comment on function app_private.provider_for(uuid, tstzrange, tstzrange, uuid) is 'Who serves a booking: of a pool who is free, else the one resource of a service.';

-- With a pool it is one question whether somebody is free and whether somebody is open: it has to be the same person.
create or replace function app_private.is_bookable(
  offering_id uuid, during tstzrange, room tstzrange, provider_id uuid default null, except_booking uuid default null
) returns boolean
language sql stable cost 10000
as $$
  select case when app_private.has_pool(is_bookable.offering_id)
    then app_private.is_free(is_bookable.offering_id, room, is_bookable.provider_id, is_bookable.except_booking)
      and app_private.find_provider(
        is_bookable.offering_id, during, room, is_bookable.provider_id, is_bookable.except_booking) is not null
    else app_private.is_free(is_bookable.offering_id, room, null, is_bookable.except_booking)
      and app_private.is_open(is_bookable.offering_id, lower(during), upper(during)) end
$$;
comment on function app_private.is_bookable(uuid, tstzrange, tstzrange, uuid, uuid) is 'Whether an offering is free and open for the whole of a range, of a pool with one provider. Another booking may be left out of account. Only true as long as the room is locked.';

create or replace function app_private.check_provider(offering_id uuid, provider_id uuid) returns void
language plpgsql stable
as $$
begin
  if provider_id is not null and not exists (
    select from app_public.offering_resources x
    where x.offering_id = check_provider.offering_id and x.resource_id = check_provider.provider_id and x.in_pool
  ) then
    perform app_private.fail('RSNTF', 'There is no such provider here.');
  end if;
end
$$;
comment on function app_private.check_provider(uuid, uuid) is 'Refuses a provider who is not one of an offering. Errors: RSNTF.';

create or replace function app_private.resources_taken(booking app_public.bookings) returns uuid[]
language sql stable
as $$
  select coalesce(array_agg(x.resource_id order by x.resource_id), '{}')
  from app_public.offering_resources x
  where x.offering_id = booking.offering_id and (not x.in_pool or x.resource_id = booking.provider_id)
$$;
comment on function app_private.resources_taken(app_public.bookings) is 'The resources a booking takes while it occupies: those of its offering, of a pool its provider.';

create or replace function app_private.with_pools(resource_ids uuid[]) returns uuid[]
language sql stable
as $$
  select array(
    select unnest(with_pools.resource_ids)
    union
    select mate.resource_id
    from app_public.offering_resources own
    join app_public.offering_resources mate on mate.offering_id = own.offering_id and mate.in_pool
    where own.resource_id = any (with_pools.resource_ids) and own.in_pool)
$$;
comment on function app_private.with_pools(uuid[]) is 'These resources and all that may stand in for them.';

-- Room changes hands within a booking: its time, its price and its answer to the reminder stay.
create or replace function app_private.change_provider(booking app_public.bookings, provider_id uuid) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
begin
  perform app_private.give_back_room(booking.id, hands_on => false);
  -- Not its sequence: a reminder that was sent, or is on its way, is about the same time.
  update app_public.bookings b set provider_id = change_provider.provider_id where b.id = booking.id
  returning * into v_booking;
  perform app_private.take_room(v_booking);
  perform app_private.hand_on(array[booking.provider_id], booking.room);
  return v_booking;
end
$$;
comment on function app_private.change_provider(app_public.bookings, uuid) is 'Gives a locked booking another provider, who is free, and hands on the time of the one it had.';

create or replace function app_private.previous_provider(before app_public.bookings, after app_public.bookings) returns text
language sql stable
as $$
  select r.name from app_public.resources r
  where r.id = before.provider_id and before.provider_id is distinct from after.provider_id
$$;
comment on function app_private.previous_provider(app_public.bookings, app_public.bookings) is 'Who served a booking before it was changed, if somebody else does now.';

-- Whoever falls away is stood in for; only if nobody can, the booking is cancelled.
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
  perform app_private.notify_customer(booking.customer_id, 'booking_modified', booking.id, null, jsonb_build_object(
    'sequence', v_booking.sequence, 'status', v_booking.status, 'actor', 'manager', 'previous', jsonb_build_object(
      'provider', app_private.previous_provider(booking, v_booking))));
  return true;
end
$$;
comment on function app_private.stand_in_for(app_public.bookings) is 'Gives a locked booking to another of the pool who is at work and free, and tells its customer; false if there is nobody, or it has begun.';

revoke execute on function
  app_private.find_provider(uuid, tstzrange, tstzrange, uuid, uuid), app_private.has_pool(uuid),
  app_private.provider_for(uuid, tstzrange, tstzrange, uuid),
  app_private.is_bookable(uuid, tstzrange, tstzrange, uuid, uuid), app_private.check_provider(uuid, uuid),
  app_private.resources_taken(app_public.bookings), app_private.with_pools(uuid[]),
  app_private.change_provider(app_public.bookings, uuid),
  app_private.previous_provider(app_public.bookings, app_public.bookings),
  app_private.stand_in_for(app_public.bookings) from public;

-- functions/deadlines.sql
create or replace function app_private.booking_deadline(booking app_public.bookings, policy app_public.policy_versions)
returns app_private.next_deadline
language sql immutable
as $$
  select row(d.action, d.due_at)::app_private.next_deadline
  from (values
    ('expire_hold'::app_private.deadline_action, case when booking.status = 'held' then booking.hold_expires_at end, 1),
    ('expire_request', case when booking.status = 'pending' then booking.request_expires_at end, 1),
    ('remind', case when booking.status = 'confirmed' then app_private.next_reminder(booking, policy) end, 1),
    ('auto_cancel', case
      when booking.status = 'confirmed' and app_private.asks_confirmation(booking) and policy.auto_cancel <> 'off'
        and num_nonnulls(booking.override_at, booking.spared_at, booking.would_auto_cancel_at) = 0
      then booking.confirm_by end, 2),
    ('remind_provider', case
      when booking.status = 'confirmed' and booking.provider_id is not null and booking.provider_reminded_at is null
        and booking.starts_at - policy.provider_reminder_lead >= booking.made_at
      then booking.starts_at - policy.provider_reminder_lead end, 3),
    ('start', case when booking.status = 'confirmed' then booking.starts_at end, 3),
    -- The buffer after a booking stays occupied until it is over.
    ('complete', case
      when booking.status = 'in_progress' and not policy.requires_delivery then upper(booking.room)
      when booking.status = 'delivered' then booking.delivery_answer_by end, 1),
    ('await_delivery', case
      when booking.status = 'in_progress' and policy.requires_delivery and booking.awaits_delivery_since is null
      then upper(booking.room) end, 1),
    ('expire', case when booking.status = 'in_progress' and booking.would_expire_at is null then booking.expires_at end, 2)
  ) as d (action, due_at, rank)
  where d.due_at is not null
  order by d.due_at, d.rank
  limit 1
$$;

-- functions/automation.sql
-- The record of what time did. Whatever acts on a booking because it is due notes it here, in the same transaction, be it
-- called by the job, by an admin, or by somebody who locked the room and found it overdue. What the world had overtaken
-- was not done, and is not noted.
create or replace function app_private.note_automation(
  booking app_public.bookings, what app_public.automation_action, due_at timestamptz,
  outcome app_public.automation_outcome default 'done', reminder integer default null
) returns void
language sql volatile
as $$
  insert into app_public.automation_events as e (organization_id, booking_id, what, due_at, done_at, outcome, reminder)
  values (booking.organization_id, booking.id, note_automation.what, note_automation.due_at, app_private.clock(),
          note_automation.outcome, note_automation.reminder)
  -- It had failed before.
  on conflict (booking_id, what, due_at) do update
  set done_at = excluded.done_at, outcome = excluded.outcome, reminder = excluded.reminder, attempts = e.attempts + 1
$$;
comment on function app_private.note_automation(app_public.bookings, app_public.automation_action, timestamptz, app_public.automation_outcome, integer) is 'Notes what time has done to a booking, and when it was due.';

create or replace function app_private.failure_in_words(code text, message text) returns text
language sql immutable
return case
  when code like 'RS%' then left(message, 500)
  when code in ('55P03', '40P01', '40001', '57014') then 'The database was busy.'
  else 'An internal error; the operator finds it in the health of the jobs.'
end;
comment on function app_private.failure_in_words(text, text) is 'What managers read of an error: our own sentences, and of all others nothing of the statements and names in them.';

create or replace function app_private.note_deadline_failure(subject_id uuid, error text, code text default null) returns void
language sql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  with failed as (
    update app_private.deadlines d set attempts = d.attempts + 1, last_error = left(error, 500)
    where d.subject_id = note_deadline_failure.subject_id
    returning d.*
  )
  insert into app_public.automation_events as e (organization_id, booking_id, what, due_at, outcome, error)
  select f.organization_id, f.subject_id, f.action::text::app_public.automation_action, f.due_at, 'failed',
    app_private.failure_in_words(code, note_deadline_failure.error)
  from failed f where f.subject = 'booking'
  on conflict (booking_id, what, due_at) do update
  set attempts = e.attempts + 1, error = excluded.error
$$;
comment on function app_private.note_deadline_failure(uuid, text, text) is 'Leaves a trace of a failed job where admins look (job_health), and of a booking also where its managers do.';

create or replace function app_private.automation_error(event_id uuid) returns text
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select e.error from app_public.automation_events e
  join app_public.bookings b on b.id = e.booking_id
  where e.id = automation_error.event_id and app_private.is_manager_of(b.offering_id)
$$;
comment on function app_private.automation_error(uuid) is 'What went wrong with something that was due; for managers of the booking and admins.';

revoke execute on function
  app_private.note_automation(app_public.bookings, app_public.automation_action, timestamptz, app_public.automation_outcome, integer),
  app_private.failure_in_words(text, text), app_private.note_deadline_failure(uuid, text, text),
  app_private.automation_error(uuid) from public;
grant execute on function app_private.note_deadline_failure(uuid, text, text) to reslot_worker;
grant execute on function app_private.automation_error(uuid) to reslot_user, reslot_admin;

-- functions/notifications.sql
create or replace function app_private.owe_delivery(
  notification app_public.notifications, address text, suppressed_because text
) returns void
language sql volatile
as $$
  insert into app_public.deliveries (
    organization_id, notification_id, subject_id, address, status, urgent, not_after, last_error)
  select notification.organization_id, notification.id,
         coalesce(notification.booking_id, notification.entry_id, notification.user_id, notification.customer_id),
         address,
         case when suppressed_because is null then 'queued' else 'suppressed' end::app_public.delivery_status,
         k.urgent,
         case k.current_while
           when 'always' then null
           when 'booking_in_progress' then null
           when 'booking_delivered' then b.delivery_answer_by
           when 'payment_open' then null
           when 'entry_waiting' then app_private.waits_until(e)
           -- From the last call on nothing is held any more, and no mail should say so.
           when 'offer_live' then e.last_call_at
           else b.starts_at end,
         suppressed_because
  from app_private.notification_kinds k
  left join app_public.bookings b on b.id = notification.booking_id
  left join app_public.waitlist_entries e on e.id = notification.entry_id
  where k.kind = notification.kind
$$;
create or replace function app_private.notify_user(
  organization_id uuid, user_id uuid, kind text, booking_id uuid, entry_id uuid, data jsonb default '{}'
) returns uuid
language plpgsql volatile
as $$
declare
  v_notification app_public.notifications;
begin
  insert into app_public.notifications (organization_id, user_id, kind, booking_id, entry_id, data)
  values (notify_user.organization_id, notify_user.user_id, notify_user.kind, notify_user.booking_id,
          notify_user.entry_id, jsonb_strip_nulls(coalesce(notify_user.data, '{}')))
  returning * into v_notification;
  perform app_private.owe_delivery(v_notification, u.email, case
    when u.erased_at is not null then 'no address'
    when k.is_optional and m.unsubscribed_at is not null then 'unsubscribed' end)
  from app_public.users u
  join app_private.notification_kinds k on k.kind = notify_user.kind
  left join app_public.memberships m on m.user_id = u.id and m.organization_id = notify_user.organization_id
  where u.id = notify_user.user_id;
  return v_notification.id;
end
$$;
-- Whoever manages what they serve is told as its manager.
create or replace function app_private.notify_provider(booking app_public.bookings, kind text, data jsonb default '{}') returns boolean
language sql volatile
as $$
  with told as (
    select app_private.notify_user(booking.organization_id, m.user_id, notify_provider.kind, booking.id, null,
                                   notify_provider.data) as id
    from app_public.memberships m
    join app_public.users u on u.id = m.user_id and u.deactivated_at is null and u.email_verified_at is not null
    where m.resource_id = booking.provider_id and m.organization_id = booking.organization_id
      and (m.role = 'provider' or not m.all_offerings and not exists (
        select from app_public.membership_offerings x
        where x.membership_id = m.id and x.offering_id = booking.offering_id))
    order by m.user_id
  )
  select exists (select from told)
$$;
comment on function app_private.notify_provider(app_public.bookings, text, jsonb) is 'Tells the provider who serves a booking; says whether there is one to tell.';
revoke execute on function
  app_private.owe_delivery(app_public.notifications, text, text),
  app_private.mail_is_withheld(app_public.customers, text, integer),
  app_private.notify_customer(uuid, text, uuid, uuid, jsonb),
  app_private.notify_user(uuid, uuid, text, uuid, uuid, jsonb),
  app_private.notify_managers(uuid, text, uuid, uuid, jsonb),
  app_private.notify_provider(app_public.bookings, text, jsonb) from public;

-- functions/slots.sql
create or replace function app_private.has_room(entry app_public.waitlist_entries) returns boolean
language sql stable
as $$
  select case when entry.for_places
    then exists (select from app_private.slots_of(entry) s
                 where entry.places <= s.capacity - s.taken and s.starts_at > (select app_private.clock())
                   and app_private.is_on_sale(s))
    when app_private.has_pool(entry.offering_id) then app_private.may_be_offered(entry)
    else app_private.is_free(entry.offering_id, entry.room) end
$$;
create or replace function app_private.wishes_of(entry app_public.waitlist_entries) returns app_private.wishes
language sql immutable
return row(null, null, null, null, entry.provider_id, entry.customer_address, entry.customer_phone)::app_private.wishes;
comment on function app_private.wishes_of(app_public.waitlist_entries) is 'What of an entry the booking has that it becomes.';
revoke execute on function
  app_private.is_on_sale(app_public.slots), app_private.waiting_for(app_public.slots),
  app_private.last_call_of(app_public.slots, app_public.waitlist_entries),
  app_private.is_last_call(app_public.slots, app_public.waitlist_entries),
  app_private.slots_of(app_public.waitlist_entries), app_private.has_room(app_public.waitlist_entries),
  app_private.party_of(app_public.waitlist_entries), app_private.wishes_of(app_public.waitlist_entries),
  app_private.places_for(app_private.party, app_public.policy_versions), app_private.find_slot(uuid, uuid),
  app_private.price_of_person(uuid),
  app_private.check_slot(app_public.slots, app_public.policy_versions, app_private.party, timestamptz, boolean),
  app_private.nearest_slots(app_public.slots, integer, app_public.policy_versions, timestamptz),
  app_private.refuse_if_full(app_public.slots, app_public.policy_versions, app_private.party, timestamptz, uuid)
from public;

-- functions/quote.sql
create or replace function app_private.refund_share(starts_at timestamptz, policy app_public.policy_versions, now_at timestamptz)
returns numeric
language sql immutable
return case
  when app_private.elapsed(now_at, starts_at) >= policy.full_refund_until then 1
  when app_private.elapsed(now_at, starts_at) >= policy.half_refund_until then 0.5
  else 0 end;
comment on function app_private.refund_share(timestamptz, app_public.policy_versions, timestamptz) is 'The part of its price that a cancellation gives back so long before the start.';
create or replace function app_private.refund_due(booking app_public.bookings, policy app_public.policy_versions, now_at timestamptz)
returns numeric
language sql immutable
return case least(booking.refund_share, app_private.refund_share(booking.starts_at, policy, now_at))
  when 1 then booking.price
  when 0.5 then app_private.rounded(booking.price / 2, app_private.minor_unit(booking.currency))
  else 0 end;
revoke execute on function
  app_private.minor_unit(text), app_private.rounded(numeric, numeric),
  app_private.quote_of(numeric, app_private.party, app_public.policy_versions, text),
  app_private.quote_for_slot(uuid, app_private.party, app_public.policy_versions),
  app_public.quote(uuid, integer, integer, integer, integer),
  app_private.refund_share(timestamptz, app_public.policy_versions, timestamptz),
  app_private.refund_due(app_public.bookings, app_public.policy_versions, timestamptz),
  app_private.refund_of(app_public.bookings, timestamptz) from public;

-- functions/offers.sql
create or replace function app_private.next_in_line(resource_ids uuid[], during tstzrange, passing_over uuid, only_customer uuid)
returns app_public.waitlist_entries
language sql stable
as $$
  -- Cheap conditions first, in queue order; opening hours, which are dear, only for the first few that fit.
  select (q.entry).*
  from (
    select e as entry
    from app_public.waitlist_entries e
    where e.status = 'waiting' and e.stuck_at is null and e.passed_at is null and not e.for_places
      and e.offering_id in (
        select x.offering_id from app_public.offering_resources x where x.resource_id = any (resource_ids))
      and e.room && during
      and e.last_call_at > (select app_private.clock())
      and e.customer_id is distinct from passing_over
      and e.customer_id = coalesce(only_customer, e.customer_id)
      and not exists (
        select from app_public.offering_resources x
        join app_private.occupancies o on o.resource_id = x.resource_id
        where x.offering_id = e.offering_id and o.during && e.room
          -- As in is_free.
          and (not x.in_pool or not app_private.pool_has_free(x.offering_id, e.room, e.provider_id)))
      and not exists (
        select from app_public.waitlist_entries other
        join app_public.offering_resources theirs on theirs.offering_id = other.offering_id
        join app_public.offering_resources own on own.resource_id = theirs.resource_id
        where other.customer_id = e.customer_id and other.hold_id is not null and own.offering_id = e.offering_id)
    order by e.priority, e.joined_at, e.id
    offset 0
  ) q
  where app_private.may_be_offered(q.entry)
  limit 1
$$;
create or replace function app_private.may_be_offered(entry app_public.waitlist_entries) returns boolean
language sql stable cost 10000
as $$
  select app_private.is_bookable(
    entry.offering_id, tstzrange(entry.starts_at, entry.ends_at), entry.room, entry.provider_id)
$$;
comment on function app_private.may_be_offered(app_public.waitlist_entries) is 'Whether what somebody waits for is free and open; of a pool, with one provider.';
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
    app_private.party_of(entry), app_private.wishes_of(entry), null, v_now, row('held', null, null, null, null, null)::app_private.booking_terms,
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
create or replace function app_private.hand_on(
  resource_ids uuid[], during tstzrange, passing_over uuid default null, only_customer uuid default null
) returns void
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries;
begin
  -- Also what is over: the buffer before what somebody waits for may have begun.
  if not app_private.is_waited_for(resource_ids, during) then
    return;
  end if;
  -- Room kept back for one customer was not freed anew: others who let go of it stay passed over, and nobody is told
  -- of it a second time (below).
  if only_customer is null then
    perform app_private.pass_over(resource_ids, during, passing_over);
  end if;
  -- Ends: every round either takes some of the freed range, or sets an entry aside.
  while app_private.is_anything_free(app_private.with_pools(resource_ids), during) loop
    v_entry := app_private.next_in_line(resource_ids, during, passing_over, only_customer);
    exit when v_entry.id is null;
    perform app_private.offer_or_set_aside(v_entry, app_private.fitting_customers(resource_ids, during), during);
  end loop;
  if only_customer is null then
    perform app_private.note_freeing(resource_ids, during);
  end if;
end
$$;
create or replace function app_private.expire_hold(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_hold app_public.bookings;
  v_entry app_public.waitlist_entries;
begin
  select * into v_hold from app_public.bookings b where b.id = expire_hold.booking_id for no key update;
  if v_hold.status is distinct from 'held' or v_hold.hold_expires_at > app_private.clock() then
    return;
  end if;
  select * into v_entry from app_public.waitlist_entries e where e.hold_id = v_hold.id for no key update;
  if v_entry.offer_expires_at is null then
    -- Accepted, but whoever was to note it died: the outbox knows.
    v_entry := app_private.begin_claim_window(v_entry, app_private.offer_accepted_at(v_entry));
  end if;
  if v_entry.offer_expires_at > app_private.clock() then
    perform app_private.note_automation(v_hold, 'expire_hold', v_hold.hold_expires_at, 'postponed');
    return;
  end if;
  perform app_private.note_automation(v_hold, 'expire_hold', v_hold.hold_expires_at);
  if v_entry.offer_expires_at is null then
    perform app_private.end_offer(v_entry.id, 'waiting', 'The offer could not be delivered before the last call.');
    return;
  end if;
  perform app_private.end_offer(v_entry.id, 'expired', 'The offer was not claimed in time.');
  perform app_private.notify_customer(v_entry.customer_id, 'offer_expired', null, v_entry.id);
end
$$;
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
revoke execute on function
  app_private.next_in_line(uuid[], tstzrange, uuid, uuid), app_private.may_be_offered(app_public.waitlist_entries),
  app_private.fitting_customers(uuid[], tstzrange),
  app_private.make_offer(app_public.waitlist_entries, integer, tstzrange), app_private.is_anything_free(uuid[], tstzrange),
  app_private.is_waited_for(uuid[], tstzrange),
  app_private.offer_or_set_aside(app_public.waitlist_entries, integer, tstzrange),
  app_private.hand_on(uuid[], tstzrange, uuid, uuid), app_private.pass_over(uuid[], tstzrange, uuid),
  app_private.set_aside(uuid, text), app_private.note_freeing(uuid[], tstzrange),
  app_private.offer_kept_back(app_public.waitlist_entries),
  app_private.end_offer(uuid, app_public.waitlist_status, text), app_private.expire_hold(uuid),
  app_private.expire_hold_when_due(uuid), app_private.offer_accepted_at(app_public.waitlist_entries),
  app_private.begin_claim_window(app_public.waitlist_entries, timestamptz), app_private.start_claim_window(uuid, uuid, timestamptz),
  app_private.withdraw_offer(uuid, uuid, text), app_private.zone_of_customer(uuid, uuid),
  app_private.tell_last_call(uuid) from public;

-- functions/slot_offers.sql
create or replace function app_private.next_for_places(slot_id uuid, passing_over uuid, only_customer uuid)
returns app_public.waitlist_entries
language sql stable
as $$
  select e.*
  from app_public.slots s
  cross join lateral app_private.waiting_for(s) e
  where s.id = next_for_places.slot_id and not s.id = any (e.passed_slot_ids)
    and e.places <= s.capacity - s.taken
    and app_private.last_call_of(s, e) > (select app_private.clock())
    and e.customer_id is distinct from passing_over
    and e.customer_id = coalesce(only_customer, e.customer_id)
    and not exists (
      select from app_public.waitlist_entries other
      join app_public.offering_resources theirs on theirs.offering_id = other.offering_id
      join app_public.offering_resources own on own.resource_id = theirs.resource_id
      where other.customer_id = e.customer_id and other.hold_id is not null and own.offering_id = e.offering_id)
    and app_private.is_on_sale(s)
  order by e.priority, e.joined_at, e.id
  limit 1
$$;
create or replace function app_private.hand_on_places(slot_id uuid, passing_over uuid default null, only_customer uuid default null)
returns void
language plpgsql volatile
as $$
declare
  v_slot app_public.slots;
  v_entry app_public.waitlist_entries;
begin
  select * into v_slot from app_public.slots s where s.id = hand_on_places.slot_id;
  if not exists (select from app_private.waiting_for(v_slot)) then
    return;
  end if;
  if only_customer is null then
    -- Of this slot alone: who waits for its day may have let go of another one, in which nothing has become free now.
    update app_public.waitlist_entries e
    set passed_slot_ids = array_remove(e.passed_slot_ids, v_slot.id)
      || case when e.customer_id = passing_over then array[v_slot.id] else '{}' end
    where e.id in (select w.id from app_private.waiting_for(v_slot) w)
      and (v_slot.id = any (e.passed_slot_ids) or e.customer_id = passing_over);
  end if;
  -- Ends: every round either takes places, or sets an entry aside.
  loop
    v_entry := app_private.next_for_places(slot_id, passing_over, only_customer);
    exit when v_entry.id is null;
    perform app_private.offer_places(v_entry, v_slot);
  end loop;
  if only_customer is null then
    perform app_private.note_freed_places(slot_id);
  end if;
end
$$;

-- functions/offences.sql
-- Places that somebody blocked and did not use: released unconfirmed, or nobody came. They are counted from the bookings
-- themselves each time, through an index that holds nothing else: no counter to keep that a merge of two customers, or
-- two releases at once, could leave wrong.

create or replace function app_private.offences_of(customer_id uuid, since timestamptz) returns integer
language sql stable
as $$
  select count(*)::integer
  from app_public.customers c
  join app_public.bookings b on b.organization_id = c.organization_id and b.customer_id = c.id
    and b.status in ('auto_cancelled', 'no_show')
    and b.ended_at > greatest(offences_of.since, c.offences_cleared_at)
  where c.id = offences_of.customer_id
$$;
comment on function app_private.offences_of(uuid, timestamptz) is 'How many bookings of a customer were released unconfirmed or not used since a moment, and since a manager last cleared them.';

create or replace function app_private.offences_over_limit(customer_id uuid, policy app_public.policy_versions, at timestamptz)
returns integer
language sql stable
as $$
  select o.count from app_private.offences_of(customer_id, at - policy.offence_window) o (count)
  where policy.offence_limit is not null and o.count > policy.offence_limit
$$;
comment on function app_private.offences_over_limit(uuid, app_public.policy_versions, timestamptz) is 'How many they are, if more than the policy lets pass; else null.';

create or replace function app_private.needs_approval(policy app_public.policy_versions, customer_id uuid, at timestamptz)
returns boolean
language sql stable
return case when policy.requires_approval then true
  else app_private.offences_over_limit(customer_id, policy, at) is not null end;
comment on function app_private.needs_approval(app_public.policy_versions, uuid, timestamptz) is 'Whether a manager has to agree to what a customer books, claims or moves: always under this policy, or because of what they did not use lately. Asked after the locks.';

create or replace function app_public.repeated_offenders(organization_id uuid default null, at_least integer default null)
returns setof app_public.offender
language sql stable security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select g.id, c.id, c.name, (count(*) filter (where b.status = 'auto_cancelled'))::integer,
    (count(*) filter (where b.status = 'no_show'))::integer, max(b.ended_at), c.offences_cleared_at
  from app_public.organizations g
  cross join app_private.default_policy(g.id) p
  join app_public.bookings b on b.organization_id = g.id and b.status in ('auto_cancelled', 'no_show')
    and b.ended_at > (select app_private.clock()) - p.offence_window
  join app_public.customers c on c.id = b.customer_id and c.erased_at is null
    and b.ended_at > coalesce(c.offences_cleared_at, '-infinity')
  where (repeated_offenders.organization_id is null or g.id = repeated_offenders.organization_id)
    and (app_private.is_admin() or b.offering_id = any (array(select app_private.managed_offering_ids())))
  group by g.id, c.id, p.offence_limit
  having count(*) >= coalesce(at_least, p.offence_limit + 1, 2)
  order by count(*) desc, max(b.ended_at) desc, c.id
$$;
comment on function app_public.repeated_offenders(uuid, integer) is 'For managers: customers who lately had bookings released unconfirmed or did not come to them, worst first, counted over the offerings one manages and the `offenceWindow` of the default policy. `atLeast`: how many; left out, more than its `offenceLimit`, or two where there is none.';

create or replace function app_public.clear_offences(customer_id uuid, reason text) returns app_public.customers
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_reason text := app_private.checked_text(reason, 500);
  v_customer app_public.customers;
begin
  if not exists (
    select from app_public.customers c
    where c.id = clear_offences.customer_id and app_private.is_manager_in(c.organization_id)
  ) then
    perform app_private.fail('RSNTF', 'There is no such customer.');
  elsif v_reason is null then
    perform app_private.fail('RSARG', 'Please give a reason; it goes into the log.');
  end if;
  perform app_private.lock_customer(customer_id);
  perform set_config('reslot.reason', v_reason, true);
  update app_public.customers c set offences_cleared_at = app_private.clock()
  where c.id = clear_offences.customer_id
  returning * into v_customer;
  return v_customer;
end
$$;
comment on function app_public.clear_offences(uuid, text) is 'For managers of the whole organisation: what a customer did not use until now counts no longer. Who did so and why is in the log, which the customer can read. What waits for approval already still does. Errors: RSNTF, RSARG no reason, or too long.';

revoke execute on function
  app_private.offences_of(uuid, timestamptz),
  app_private.offences_over_limit(uuid, app_public.policy_versions, timestamptz),
  app_private.needs_approval(app_public.policy_versions, uuid, timestamptz),
  app_public.repeated_offenders(uuid, integer), app_public.clear_offences(uuid, text) from public;
grant execute on function
  app_public.repeated_offenders(uuid, integer), app_public.clear_offences(uuid, text) to reslot_user, reslot_admin;

-- functions/payments.sql
-- Payments follow from bookings: one trigger keeps what is asked for, and what goes back, what the booking and its policy
-- say, whoever ends, moves or completes it. Money comes in by one function, under the lock of the room: either the booking
-- still waits for it and is confirmed, or the money goes back.

create or replace function app_private.is_open(status app_public.payment_status) returns boolean
language sql immutable parallel safe
return status in ('due', 'processing', 'failed');
comment on function app_private.is_open(app_public.payment_status) is 'Whether a payment is still to come.';

create or replace function app_private.kept_of(booking_id uuid) returns numeric
language sql stable
as $$
  select coalesce(sum(y.amount - y.refund_due), 0) from app_public.payments y
  where y.booking_id = kept_of.booking_id and y.processed_at is not null
$$;
comment on function app_private.kept_of(uuid) is 'What was paid for a booking and does not go back.';

create or replace function app_private.to_be_paid_first(policy app_public.policy_versions, price numeric, currency text) returns numeric
language sql immutable
return case policy.payment
  when 'on_booking' then price
  when 'deposit' then least(price, app_private.rounded(price * policy.deposit_rate, app_private.minor_unit(currency)))
  else 0 end;
comment on function app_private.to_be_paid_first(app_public.policy_versions, numeric, text) is 'What a policy wants to have before a booking at that price is confirmed.';

create or replace function app_private.to_be_paid(booking app_public.bookings, policy app_public.policy_versions) returns numeric
language sql immutable
return case
  when booking.status = 'completed' then case when policy.payment = 'none' then 0 else booking.price end
  when booking.awaits_payment or booking.status in ('confirmed', 'in_progress', 'delivered')
    then app_private.to_be_paid_first(policy, booking.price, booking.currency)
  else 0 end;
comment on function app_private.to_be_paid(app_public.bookings, app_public.policy_versions) is 'What should have been paid for a booking where it is in its life.';

create or replace function app_private.asking_price(
  offering app_public.offerings, slot_id uuid, party app_private.party, policy app_public.policy_versions
) returns numeric
language sql stable
as $$
  select case when asking_price.slot_id is null then offering.price
    else (app_private.quote_for_slot(asking_price.slot_id, party, policy)).price end
$$;
comment on function app_private.asking_price(app_public.offerings, uuid, app_private.party, app_public.policy_versions) is 'The price a booking made now would have.';

create or replace function app_private.until_paid(
  terms app_private.booking_terms, policy app_public.policy_versions, missing numeric, starts_at timestamptz, now_at timestamptz
) returns app_private.booking_terms
language sql immutable
return case
  when terms.status = 'confirmed' and missing > 0 then row('pending',
    -- At most half of the time left, so that room that is not paid for still leaves time for others.
    now_at + least(policy.payment_due, app_private.elapsed(now_at, starts_at) / 2),
    null, null, null, true)::app_private.booking_terms
  else terms end;
comment on function app_private.until_paid(app_private.booking_terms, app_public.policy_versions, numeric, timestamptz, timestamptz) is 'Terms of a booking that has first to be paid for: pending until then, and only so long.';

create or replace function app_private.terms_to_pay(
  terms app_private.booking_terms, policy app_public.policy_versions, offering app_public.offerings, slot_id uuid,
  party app_private.party, starts_at timestamptz, now_at timestamptz
) returns app_private.booking_terms
language sql stable
as $$
  select app_private.until_paid(terms, policy,
    app_private.to_be_paid_first(policy, app_private.asking_price(offering, terms_to_pay.slot_id, party, policy), g.currency),
    terms_to_pay.starts_at, now_at)
  from app_public.organizations g where g.id = offering.organization_id
$$;
comment on function app_private.terms_to_pay(app_private.booking_terms, app_public.policy_versions, app_public.offerings, uuid, app_private.party, timestamptz, timestamptz) is 'Terms of a booking about to be made, as its price and its policy have them.';

create or replace function app_private.set_terms(booking_id uuid, terms app_private.booking_terms, answered_at timestamptz)
returns app_public.bookings
language sql volatile
as $$
  update app_public.bookings b
  set status = terms.status, request_expires_at = terms.request_expires_at, confirm_by = terms.confirm_by,
      attendance_confirmed_at = terms.attendance_confirmed_at, attendance_confirmed_how = terms.attendance_confirmed_how,
      awaits_payment = coalesce(terms.awaits_payment, false), answered_at = set_terms.answered_at
  where b.id = set_terms.booking_id
  returning *
$$;
comment on function app_private.set_terms(uuid, app_private.booking_terms, timestamptz) is 'What a pending booking becomes that was agreed to, or paid for. The caller holds the lock.';

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
        next_attempt_at = case when y.method = 'stripe' then coalesce(y.next_attempt_at, app_private.clock()) end
    where y.id = v_payment.id;
    v_left := v_left - (v_payment.amount - v_payment.refund_due);
  end loop;
end
$$;
comment on function app_private.give_back_money(uuid, numeric) is 'Notes that so much of what was paid for a booking goes back, the last payment first. What came by Stripe goes back by a job, everything else by hand.';

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
    case when kept > 0 then 'balance' when policy.payment = 'deposit' and booking.status <> 'completed' then 'deposit'
      else 'price' end::app_public.payment_purpose,
    policy.payment_provider, amount, booking.currency)
  returning * into v_payment;
  perform app_private.notify_customer(booking.customer_id, 'payment_due', booking.id, null,
    jsonb_build_object('paymentId', v_payment.id));
end
$$;
comment on function app_private.ask_for_payment(app_public.bookings, app_public.policy_versions, numeric, numeric) is 'Opens a payment and tells the customer.';

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
  if v_policy.payment = 'none' and v_open.id is null and v_kept = 0 then
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
comment on function app_private.keep_payments(app_public.bookings, boolean) is 'Makes of the payments of a booking what its row and its policy say: asks for what is missing, withdraws what is not wanted any more, and gives back what is too much.';

-- The one way money comes in. The lock of the room decides between it and the deadline: if the booking still waits, it is
-- confirmed; if it has been released, its payment is cancelled by then, and all of the money goes back.
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
      app_private.terms_of(v_policy, v_booking.starts_at, v_booking.made_at, false), v_booking.answered_at);
  end if;
  perform app_private.notify_customer(v_booking.customer_id, 'payment_received', v_booking.id, null,
    jsonb_build_object('paymentId', v_payment.id));
  return v_payment;
end
$$;
comment on function app_private.settle_payment(uuid, app_public.payment_method, text) is 'The money is here: confirms the booking that waits for it, or gives it back if nothing does any more. Again: the same.';

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
        when y.method = 'stripe' and y.refund_due > v_total then app_private.clock() end,
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
comment on function app_private.note_refund(uuid, numeric) is 'So much of a payment has been given back, in total. Less than is known already changes nothing.';

revoke execute on function
  app_private.is_open(app_public.payment_status), app_private.kept_of(uuid),
  app_private.to_be_paid_first(app_public.policy_versions, numeric, text),
  app_private.to_be_paid(app_public.bookings, app_public.policy_versions),
  app_private.asking_price(app_public.offerings, uuid, app_private.party, app_public.policy_versions),
  app_private.until_paid(app_private.booking_terms, app_public.policy_versions, numeric, timestamptz, timestamptz),
  app_private.terms_to_pay(app_private.booking_terms, app_public.policy_versions, app_public.offerings, uuid, app_private.party, timestamptz, timestamptz),
  app_private.set_terms(uuid, app_private.booking_terms, timestamptz),
  app_private.give_back_money(uuid, numeric),
  app_private.ask_for_payment(app_public.bookings, app_public.policy_versions, numeric, numeric),
  app_private.keep_payments(app_public.bookings, boolean),
  app_private.settle_payment(uuid, app_public.payment_method, text), app_private.note_refund(uuid, numeric) from public;

-- functions/booking_core.sql
create or replace function app_private.terms_of(
  policy app_public.policy_versions, starts_at timestamptz, made_at timestamptz, needs_approval boolean
) returns app_private.booking_terms
language sql immutable
return case
  when needs_approval then row('pending',
    -- At most half of the time left, so that a refusal still leaves time for others.
    made_at + least(policy.request_ttl, app_private.elapsed(made_at, starts_at) / 2),
    null, null, null, null)::app_private.booking_terms
  when app_private.elapsed(made_at, starts_at) < policy.confirm_if_booked_before then
    row('confirmed', null, null, made_at, 'booking', null)::app_private.booking_terms
  else row('confirmed', null, starts_at - policy.confirm_deadline, null, null, null)::app_private.booking_terms
end;
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
    confirm_by, attendance_confirmed_at, attendance_confirmed_how, provider_id, customer_address, customer_phone, awaits_payment)
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
    wishes.customer_address, wishes.customer_phone, coalesce(terms.awaits_payment, false)
  from app_public.offerings f join app_public.organizations g on g.id = f.organization_id
  left join app_private.quote_for_slot(insert_booking.slot_id, party, policy) q on true
  where f.id = insert_booking.offering_id
  returning * into v_booking;
  perform app_private.take_room(v_booking);
  return v_booking;
end
$$;
comment on function app_private.insert_booking(uuid, uuid, app_public.policy_versions, tstzrange, app_private.party, app_private.wishes, uuid, timestamptz, app_private.booking_terms, timestamptz, uuid, tstzrange) is 'Writes a booking and takes its room, what an entry waited for or what the rules of now say. The caller holds the lock and has checked.';
create or replace function app_private.end_booking(
  booking_id uuid, status app_public.booking_status, reason text, passing_over uuid default null,
  refund numeric default null
) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
  v_now timestamptz := app_private.clock();
begin
  perform set_config('reslot.reason', coalesce(reason, ''), true);
  update app_public.bookings b
  set status = end_booking.status, refund = case when not b.unclaimed then end_booking.refund end, ended_at = v_now, ended_reason = end_booking.reason, hold_expires_at = null,
      sequence = b.sequence + 1, awaits_delivery_since = null, awaits_payment = false,
      expires_at = case when end_booking.status = 'expired' then b.expires_at end,
      answered_at = case when end_booking.status = 'rejected' then v_now else b.answered_at end,
      auto_cancelled_at = case when end_booking.status = 'auto_cancelled' then v_now end,
      auto_cancel_reason = case when end_booking.status = 'auto_cancelled' then end_booking.reason end
  where b.id = end_booking.booking_id
  returning * into v_booking;
  perform app_private.give_back_room(v_booking.id, passing_over);
  return v_booking;
end
$$;
create or replace function app_private.is_erased(customer_id uuid) returns boolean
language sql stable
as $$
  select exists (select from app_public.customers c where c.id = is_erased.customer_id and c.erased_at is not null)
$$;
comment on function app_private.is_erased(uuid) is 'Whether nobody is behind a customer any more.';
revoke execute on function app_private.is_erased(uuid) from public;
create or replace function app_private.refuse_if_blacked_out(
  offering_id uuid, starts_at timestamptz, ends_at timestamptz, provider_id uuid default null
) returns void
language plpgsql stable
as $$
declare
  v_reason text;
begin
  select k.reason into v_reason from app_private.blackouts_over(offering_id, starts_at, ends_at, provider_id) k
  order by k.starts_at limit 1;
  if found then
    perform app_private.fail('RSBLK', format('This time cannot be booked: %s', v_reason));
  end if;
end
$$;
comment on function app_private.refuse_if_blacked_out(uuid, timestamptz, timestamptz, uuid) is 'Refuses a range that a blackout touches (of a pool: one of the provider that is named), with its reason. Errors: RSBLK.';
create or replace function app_private.check_times(
  offering_id uuid, policy app_public.policy_versions, during tstzrange, now_at timestamptz, heeds_limits boolean,
  provider_id uuid default null
) returns void
language plpgsql stable
as $$
declare
  v_length interval := app_private.elapsed(lower(during), upper(during));
  v_lead interval := app_private.elapsed(now_at, lower(during));
begin
  if lower(during) <= now_at then
    perform app_private.fail('RSTIM', 'This time has already begun.');
  elsif v_lead > make_interval(hours => 24 * policy.max_days_ahead) then
    perform app_private.fail('RSTIM', format('Bookings open %s days ahead.', policy.max_days_ahead),
      jsonb_build_object('maxDaysAhead', policy.max_days_ahead));
  elsif (v_length < policy.min_duration or v_length > policy.max_duration)
     and v_length is distinct from (select f.duration from app_public.offerings f where f.id = check_times.offering_id) then
    perform app_private.fail('RSTIM', format('A booking lasts at least %s and at most %s (hours:minutes).',
      to_char(policy.min_duration, 'FMHH24:MI'), to_char(policy.max_duration, 'FMHH24:MI')));
  elsif heeds_limits and v_lead < policy.booking_cutoff then
    perform app_private.fail('RSTIM', 'It is too late to book this time.');
  end if;
  perform app_private.refuse_if_blacked_out(offering_id, lower(during), upper(during), provider_id);
  if not app_private.is_open(offering_id, lower(during), upper(during), provider_id) then
    perform app_private.fail('RSTIM', 'This is outside the opening hours, or not offered any more.');
  end if;
end
$$;
comment on function app_private.check_times(uuid, app_public.policy_versions, tstzrange, timestamptz, boolean, uuid) is 'Refuses a range that policy, opening hours or blackouts do not allow. Errors: RSTIM, RSBLK.';
create or replace function app_private.refuse_if_taken(
  offering_id uuid, policy app_public.policy_versions, during tstzrange, now_at timestamptz, customer_id uuid,
  provider_id uuid default null
) returns void
language plpgsql stable
as $$
declare
  v_room tstzrange := app_private.room_for(offering_id, during, policy);
begin
  if app_private.is_free(offering_id, v_room, provider_id)
     and (not app_private.has_pool(offering_id)
       or app_private.find_provider(offering_id, during, v_room, provider_id) is not null) then
    return;
  end if;
  perform app_private.fail('RSFUL', 'This time is taken. You can choose another one, or wait for it.', jsonb_build_object(
    'alternatives', app_private.nearest_free(offering_id, during, policy, now_at, provider_id),
    'mayWait', policy.waitlist_enabled and not app_private.has_booking_there(customer_id, offering_id, during)));
end
$$;
comment on function app_private.refuse_if_taken(uuid, app_public.policy_versions, tstzrange, timestamptz, uuid, uuid) is 'Refuses room that is taken; with the nearest free alternatives, and whether one may wait. Errors: RSFUL.';
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
  perform app_private.notify_customer(booking.customer_id, kind, booking.id, null,
    jsonb_build_object('sequence', booking.sequence, 'status', booking.status));
end
$$;
comment on function app_private.tell_of_booking(app_public.bookings, text) is 'Tells the customer of a new, claimed or moved booking, and who decides if it needs a yes; of what is to be paid first its payment tells.';
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
revoke execute on function
  app_private.find_offering(uuid), app_private.policy_of(app_public.offerings), app_private.default_policy(uuid),
  app_private.new_reference(uuid, timestamptz),
  app_private.terms_of(app_public.policy_versions, timestamptz, timestamptz, boolean),
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
  app_private.close_overlapping_entries(app_public.bookings, boolean), app_private.tell_of_booking(app_public.bookings, text),
  app_private.tell_who_decides(app_public.bookings)
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

  v_terms := app_private.terms_of(v_policy, lower(v_during), v_now,
    not as_manager and app_private.needs_approval(v_policy, customer.id, v_now));
  -- A manager who enters a booking gives the room away; its payment is open all the same.
  if not as_manager then
    v_terms := app_private.terms_to_pay(v_terms, v_policy, v_offering, v_slot.id, v_party, lower(v_during), v_now);
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
comment on function app_private.book(app_public.customers, uuid, tstzrange, uuid, app_private.party, app_private.wishes, uuid, boolean, boolean, boolean) is 'Books free room, or places of a slot, for a locked customer; whoever books many tells of them together. Errors: RSNTF, RSARG, RSTIM, RSBLK, RSLIM, RSFUL.';
revoke execute on function app_private.book(app_public.customers, uuid, tstzrange, uuid, app_private.party, app_private.wishes, uuid, boolean, boolean, boolean) from public;
create or replace function app_private.checked_phone(phone text) returns text
language plpgsql immutable
as $$
declare
  v_phone text := app_private.checked_text(phone, 200);
begin
  if not app_private.is_short_line(v_phone) then
    perform app_private.fail('RSARG', 'The phone number cannot be right.');
  end if;
  return v_phone;
end
$$;
comment on function app_private.checked_phone(text) is 'A phone number as it is stored: one line, null if blank. Errors: RSARG.';
revoke execute on function app_private.checked_phone(text) from public;
create or replace function app_private.checked_visit(
  offering app_public.offerings, customer app_public.customers, wishes app_private.wishes
) returns app_private.wishes
language plpgsql immutable
as $$
declare
  v_wishes app_private.wishes := wishes;
begin
  if not offering.at_customer then
    if num_nonnulls(wishes.customer_address, wishes.customer_phone) > 0 then
      perform app_private.fail('RSARG', 'This does not come to the customer: leave their address and number out.');
    end if;
    return wishes;
  end if;
  v_wishes.customer_phone := coalesce(wishes.customer_phone, customer.phone);
  if num_nonnulls(v_wishes.customer_address, v_wishes.customer_phone) < 2 then
    perform app_private.fail('RSARG', 'This comes to the customer: please say where, and give a phone number.');
  end if;
  return v_wishes;
end
$$;
comment on function app_private.checked_visit(app_public.offerings, app_public.customers, app_private.wishes) is 'Where a service goes that goes to the customer, and their number, or the one of the account. Errors: RSARG missing, or not asked for.';
revoke execute on function app_private.checked_visit(app_public.offerings, app_public.customers, app_private.wishes) from public;
create or replace function app_private.checked_wishes(
  purpose text, special_requests text, dietary_needs text, access_needs text, provider_id uuid default null,
  customer_address text default null, customer_phone text default null
) returns app_private.wishes
language sql immutable
as $$
  select row(app_private.checked_text(purpose, 500), app_private.checked_text(special_requests, 500),
    app_private.checked_text(dietary_needs, 500), app_private.checked_text(access_needs, 500), provider_id,
    app_private.checked_text(customer_address, 500), app_private.checked_phone(customer_phone))::app_private.wishes
$$;
comment on function app_private.checked_wishes(text, text, text, text, uuid, text, text) is 'What a customer says, as it is stored, and whom they wish for. Errors: RSARG too long.';
revoke execute on function app_private.checked_wishes(text, text, text, text, uuid, text, text) from public;
create or replace function app_public.create_booking(
  offering_id uuid, starts_at timestamptz default null, ends_at timestamptz default null,
  local_starts_at timestamp default null, local_ends_at timestamp default null,
  party_size integer default 1, purpose text default null, idempotency_key text default null,
  slot_id uuid default null, adults integer default null, children integer default null, infants integer default null,
  special_requests text default null, dietary_needs text default null, access_needs text default null,
  provider_id uuid default null, customer_address text default null, customer_phone text default null
) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users := app_private.require_user();
  v_offering app_public.offerings := app_private.find_offering(offering_id);
  v_during tstzrange;
  v_id uuid;
  v_booking app_public.bookings;
begin
  v_during := app_private.requested_room(offering_id, slot_id, starts_at, ends_at, local_starts_at, local_ends_at);
  v_id := app_private.begin_idempotent('create_booking', idempotency_key,
    jsonb_build_array(offering_id, extract(epoch from lower(v_during)), extract(epoch from upper(v_during)), party_size, purpose,
      slot_id, adults, children, infants,
      special_requests, dietary_needs, access_needs, provider_id, customer_address, customer_phone));
  if v_id is null then
    v_booking := app_private.book(
      app_private.customer_of_user(v_user.id, v_offering.organization_id), offering_id, v_during, slot_id,
      app_private.checked_party(party_size, adults, children, infants), app_private.checked_wishes(purpose, special_requests, dietary_needs, access_needs, provider_id, customer_address, customer_phone), v_user.id, false, true);
    perform app_private.end_idempotent('create_booking', idempotency_key, v_booking.id);
    return v_booking;
  end if;
  select * into v_booking from app_public.bookings b where b.id = v_id;
  return v_booking;
end
$$;
comment on function app_public.create_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, integer, text, text, uuid, integer, integer, integer, text, text, text, uuid, text, text) is 'Books free room for the signed-in user: a range of time (start and end as moments, with an offset, or as local times of the offering), or places of a slot, for `partySize` adults or for adults, children and infants. What has a fixed duration needs no end; where one of several providers serves it, `providerId` names one, and else one of those who are free is chosen. What goes to the customer needs `customerAddress`, and `customerPhone` if the account has no number. Where the policy asks for a manager''s yes the booking is pending until then. Errors: RSAUT, RSVER, RSNTF no such offering or provider, RSTIM not bookable at that time, RSBLK blacked out, RSLIM daily limit or size of the party, RSFUL taken (details: alternatives, mayWait; of a slot also placesLeft), RSARG bad or repeated argument.';
create or replace function app_public.create_booking_for(
  offering_id uuid, starts_at timestamptz default null, ends_at timestamptz default null,
  local_starts_at timestamp default null, local_ends_at timestamp default null,
  name text default null, email text default null, phone text default null, locale text default null,
  party_size integer default 1, purpose text default null, needs_confirmation boolean default true,
  idempotency_key text default null,
  slot_id uuid default null, adults integer default null, children integer default null, infants integer default null,
  special_requests text default null, dietary_needs text default null, access_needs text default null,
  provider_id uuid default null, customer_address text default null, customer_phone text default null
) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_offering app_public.offerings;
  v_during tstzrange;
  v_id uuid;
  v_booking app_public.bookings;
begin
  if not app_private.is_manager_of(offering_id) then
    perform app_private.fail('RSNTF', 'There is nothing by this id that you manage.');
  elsif coalesce(needs_confirmation, true) and app_private.checked_text(email, 254) is null then
    perform app_private.fail('RSARG', 'Without an e-mail address nobody can be asked to confirm: enter the booking as needing no confirmation.');
  end if;
  v_offering := app_private.find_offering(offering_id);
  v_during := app_private.requested_room(offering_id, slot_id, starts_at, ends_at, local_starts_at, local_ends_at);
  v_id := app_private.begin_idempotent('create_booking_for', idempotency_key,
    jsonb_build_array(offering_id, extract(epoch from lower(v_during)), extract(epoch from upper(v_during)), name, email,
      phone, locale, party_size, purpose, needs_confirmation, slot_id, adults, children, infants,
      special_requests, dietary_needs, access_needs, provider_id, customer_address, customer_phone));
  if v_id is null then
    v_booking := app_private.book(
      app_private.guest(v_offering.organization_id, name, email, phone, locale), offering_id, v_during, slot_id,
      app_private.checked_party(party_size, adults, children, infants), app_private.checked_wishes(purpose, special_requests, dietary_needs, access_needs, provider_id, customer_address, customer_phone), app_private.current_user_id(),
      true, coalesce(needs_confirmation, true));
    perform app_private.end_idempotent('create_booking_for', idempotency_key, v_booking.id);
    return v_booking;
  end if;
  select * into v_booking from app_public.bookings b where b.id = v_id;
  return v_booking;
end
$$;
comment on function app_public.create_booking_for(uuid, timestamptz, timestamptz, timestamp, timestamp, text, text, text, text, integer, text, boolean, text, uuid, integer, integer, integer, text, text, text, uuid, text, text) is 'For managers: books for someone on the phone or at the door, with whatever contact there is. Daily limits, cutoff and approval do not apply. Someone without an e-mail address cannot be asked, so `needsConfirmation` has to be false. Errors: RSNTF, RSTIM, RSBLK, RSFUL, RSARG.';
revoke execute on function
  app_public.create_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, integer, text, text, uuid, integer, integer, integer, text, text, text, uuid, text, text),
  app_public.create_booking_for(uuid, timestamptz, timestamptz, timestamp, timestamp, text, text, text, text, integer, text, boolean, text, uuid, integer, integer, integer, text, text, text, uuid, text, text),
  app_private.guest(uuid, text, text, text, text) from public;
grant execute on function
  app_public.create_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, integer, text, text, uuid, integer, integer, integer, text, text, text, uuid, text, text),
  app_public.create_booking_for(uuid, timestamptz, timestamptz, timestamp, timestamp, text, text, text, text, integer, text, boolean, text, uuid, integer, integer, integer, text, text, text, uuid, text, text)
to reslot_user, reslot_admin;

-- functions/rebook_booking.sql
-- Whoever forgot to confirm, or cancelled too soon, has the same again in one step, if there is room: as a new booking,
-- for what ended stays as it was.
create or replace function app_public.rebook_booking(
  booking_id uuid, starts_at timestamptz default null, ends_at timestamptz default null,
  local_starts_at timestamp default null, local_ends_at timestamp default null, slot_id uuid default null,
  idempotency_key text default null
) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_old app_public.bookings;
  v_slot_id uuid;
  v_during tstzrange;
  v_id uuid;
  v_booking app_public.bookings;
begin
  perform app_private.require_booking(booking_id, true, true);
  select * into v_old from app_public.bookings b where b.id = booking_id;
  v_slot_id := coalesce(slot_id, v_old.slot_id);
  v_during := tstzrange(v_old.starts_at, v_old.ends_at);
  if v_slot_id is not null or num_nonnulls(starts_at, ends_at, local_starts_at, local_ends_at) > 0 then
    v_during := app_private.requested_room(
      v_old.offering_id, v_slot_id, starts_at, ends_at, local_starts_at, local_ends_at);
  end if;
  v_id := app_private.begin_idempotent('rebook_booking', idempotency_key, jsonb_build_array(
    booking_id, extract(epoch from lower(v_during)), extract(epoch from upper(v_during)), v_slot_id));
  if v_id is null then
    v_booking := app_private.book_again(booking_id, v_during, v_slot_id);
    perform app_private.end_idempotent('rebook_booking', idempotency_key, v_booking.id);
    return v_booking;
  end if;
  select * into v_booking from app_public.bookings b where b.id = v_id;
  return v_booking;
end
$$;
comment on function app_public.rebook_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, uuid, text) is 'Books again what was cancelled, released or has expired: the same offering, party and needs, at the same time or slot, or at another that is named. At today''s price and rules, as a new booking. For its customer, or for them by a manager. Errors: RSNTF no such booking or not yours, RSSTA it has not ended like that, RSVER, RSTIM, RSBLK, RSLIM, RSFUL taken (details: alternatives, mayWait), RSARG.';

create or replace function app_private.book_again(booking_id uuid, during tstzrange, slot_id uuid) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_old app_public.bookings;
  v_customer app_public.customers;
  v_as_manager boolean;
begin
  v_customer := app_private.lock_customer(
    (select b.customer_id from app_public.bookings b where b.id = booking_id));
  -- Once more, now that the customer cannot become another's.
  perform app_private.require_booking(booking_id, true, true);
  select * into v_old from app_public.bookings b where b.id = booking_id;
  if v_old.unclaimed then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  elsif v_old.status not in ('cancelled', 'auto_cancelled', 'expired') then
    perform app_private.fail('RSSTA', format('This booking is %s; only what was cancelled, released or has expired is booked again.',
      replace(v_old.status::text, '_', ' ')));
  end if;
  v_as_manager := not app_private.is_customer(v_customer.id);
  if not v_as_manager then
    perform app_private.require_user();
  end if;
  return app_private.book(v_customer, v_old.offering_id, during, slot_id,
    row(v_old.party_size, v_old.adults, v_old.children, v_old.infants, v_old.places)::app_private.party,
    app_private.checked_wishes(v_old.purpose, v_old.special_requests, v_old.dietary_needs, v_old.access_needs, null,
      v_old.customer_address, v_old.customer_phone),
    app_private.current_user_id(), v_as_manager,
    -- Whoever cannot be asked is not asked.
    not v_as_manager or v_customer.email is not null and v_old.attendance_confirmed_how is distinct from 'not_needed');
end
$$;
comment on function app_private.book_again(uuid, tstzrange, uuid) is 'Makes a new booking of an ended one, for its customer, locked. Errors: those of rebook_booking.';

revoke execute on function
  app_public.rebook_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, uuid, text),
  app_private.book_again(uuid, tstzrange, uuid) from public;
grant execute on function app_public.rebook_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, uuid, text)
to reslot_user, reslot_admin;

-- functions/modify_booking.sql
create or replace function app_private.retime_booking(
  booking app_public.bookings, policy app_public.policy_versions, during tstzrange, room tstzrange, as_manager boolean,
  now_at timestamptz
) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_terms app_private.booking_terms;
  v_booking app_public.bookings;
begin
  v_terms := app_private.terms_of(policy, lower(during), now_at,
    not as_manager and app_private.needs_approval(policy, booking.customer_id, now_at));
  if booking.attendance_confirmed_how = 'not_needed' and v_terms.status = 'confirmed' then
    -- That was no answer to a reminder: whoever could not be asked before cannot be asked now.
    v_terms.confirm_by := null;
    v_terms.attendance_confirmed_at := now_at;
    v_terms.attendance_confirmed_how := 'not_needed';
  end if;
  -- Whoever has still to pay has no longer for having moved.
  if booking.awaits_payment then
    v_terms := app_private.until_paid(v_terms, policy,
      app_private.to_be_paid_first(policy, booking.price, booking.currency) - app_private.kept_of(booking.id), lower(during), now_at);
    v_terms.request_expires_at := least(v_terms.request_expires_at, booking.request_expires_at);
  end if;
  update app_public.bookings b
  set starts_at = lower(during), ends_at = upper(during), room = retime_booking.room,
      awaits_payment = coalesce(v_terms.awaits_payment, false),
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
create or replace function app_private.move_booking(
  booking app_public.bookings, during tstzrange, as_manager boolean, provider_id uuid default null
) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_policy app_public.policy_versions;
  v_room tstzrange;
  v_booking app_public.bookings := booking;
  v_now timestamptz := app_private.clock();
begin
  select * into v_policy from app_public.policy_versions p where p.id = booking.policy_version_id;
  v_room := app_private.room_for(booking.offering_id, during, v_policy);
  perform app_private.check_times(booking.offering_id, v_policy, during, v_now, not as_manager, provider_id);
  if not as_manager then
    perform app_private.check_daily_bookings(booking.customer_id, booking.offering_id, v_policy, lower(during), booking.id);
  end if;
  perform app_private.give_back_room(booking.id, hands_on => false);
  perform app_private.refuse_if_taken(booking.offering_id, v_policy, during, v_now, booking.customer_id, provider_id);

  -- Who served it before serves it still, if they can.
  update app_public.bookings b set provider_id = coalesce(
    app_private.find_provider(b.offering_id, during, v_room, coalesce(move_booking.provider_id, b.provider_id)),
    app_private.find_provider(b.offering_id, during, v_room))
  where b.id = booking.id and app_private.has_pool(b.offering_id)
  returning * into v_booking;
  v_booking := app_private.retime_booking(
    case when found then v_booking else booking end, v_policy, during, v_room, as_manager, v_now);
  perform app_private.take_room(v_booking);
  perform app_private.close_overlapping_entries(v_booking);
  perform app_private.hand_on(app_private.resources_taken(booking), booking.room);
  return v_booking;
end
$$;
comment on function app_private.move_booking(app_public.bookings, tstzrange, boolean, uuid) is 'Moves a locked booking in time, with the provider it has, the one that is named, or another who is free: clears its confirmation, re-arms its reminders, hands the old room on. Errors: RSTIM, RSBLK, RSLIM, RSFUL.';
revoke execute on function app_private.move_booking(app_public.bookings, tstzrange, boolean, uuid) from public;
create or replace function app_private.change_words(booking app_public.bookings, wishes app_private.wishes) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
begin
  if num_nonnulls(wishes.customer_address, wishes.customer_phone) > 0
     and num_nonnulls(booking.customer_address, booking.customer_phone) = 0 then
    perform app_private.fail('RSARG', 'This does not come to the customer: leave their address and number out.');
  elsif btrim(wishes.customer_address) = '' or btrim(wishes.customer_phone) = '' then
    perform app_private.fail('RSARG', 'This comes to the customer: please say where, and give a phone number.');
  end if;
  update app_public.bookings b
  set purpose = app_private.changed_text(b.purpose, wishes.purpose),
      special_requests = app_private.changed_text(b.special_requests, wishes.special_requests),
      dietary_needs = app_private.changed_text(b.dietary_needs, wishes.dietary_needs),
      access_needs = app_private.changed_text(b.access_needs, wishes.access_needs),
      customer_address = app_private.changed_text(b.customer_address, wishes.customer_address),
      customer_phone = coalesce(app_private.checked_phone(wishes.customer_phone), b.customer_phone)
  where b.id = booking.id
  returning * into v_booking;
  return v_booking;
end
$$;
comment on function app_private.change_words(app_public.bookings, app_private.wishes) is 'Changes what a customer has said of a locked booking: what is null stays, what is empty goes. Errors: RSARG.';
revoke execute on function app_private.change_words(app_public.bookings, app_private.wishes) from public;
create or replace function app_private.ask_for_provider(booking app_public.bookings, provider_id uuid) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_during tstzrange := tstzrange(booking.starts_at, booking.ends_at);
begin
  perform app_private.refuse_if_blacked_out(booking.offering_id, booking.starts_at, booking.ends_at, provider_id);
  if app_private.find_provider(booking.offering_id, v_during, booking.room, provider_id, booking.id) is null then
    perform app_private.fail('RSFUL', 'This provider is not free at that time.');
  end if;
  return app_private.change_provider(booking, provider_id);
end
$$;
comment on function app_private.ask_for_provider(app_public.bookings, uuid) is 'Gives a locked booking the provider that is wished for, at the same time. Errors: RSBLK, RSFUL.';
revoke execute on function app_private.ask_for_provider(app_public.bookings, uuid) from public;
create or replace function app_private.note_modification(before app_public.bookings, after app_public.bookings) returns void
language sql volatile
as $$
  insert into app_public.booking_modifications (
    organization_id, booking_id, modified_by, from_slot_id, to_slot_id, from_starts_at, to_starts_at, from_ends_at,
    to_ends_at, from_party_size, to_party_size, from_price, to_price)
  select after.organization_id, after.id, app_private.current_user_id(), before.slot_id, after.slot_id, before.starts_at,
    after.starts_at, before.ends_at, after.ends_at, before.party_size, after.party_size, before.price, after.price
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
comment on function app_public.modify_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, text, uuid, integer, integer, integer, integer, text, text, text, uuid, text, text) is 'Moves a booking to another time or slot, changes its party (where places are booked; the price is worked out anew), its purpose and needs, the address it goes to, or all of it at once. What has a fixed duration needs no end. Who serves it stays, if they are free then, and else another does; `providerId` asks for one. Moving clears the confirmation of attendance and re-arms the reminders; where a manager''s yes is needed, it is needed again. An empty text removes the old one. Errors: RSNTF no such booking or not yours, or no such provider, RSSTA not live, RSTIM begun or new time not allowed, RSBLK, RSLIM, RSFUL taken (details: alternatives, mayWait), RSARG.';
revoke execute on function app_public.modify_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, text, uuid, integer, integer, integer, integer, text, text, text, uuid, text, text) from public;
grant execute on function app_public.modify_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, text, uuid, integer, integer, integer, integer, text, text, text, uuid, text, text) to reslot_user, reslot_admin;

-- functions/cancel_booking.sql
create or replace function app_private.end_booking_by_manager(booking_id uuid, reason text, refund numeric default null) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
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
  v_booking := app_private.end_booking(v_booking.id, 'cancelled', app_private.checked_text(reason, 500),
    refund => coalesce(refund, v_booking.price));
  perform app_private.notify_customer(v_booking.customer_id, 'booking_cancelled', v_booking.id, null,
    jsonb_build_object('actor', 'manager', 'reason', v_booking.ended_reason,
      'alternatives', app_private.alternatives_to(v_booking)));
  return v_booking;
end
$$;
create or replace function app_public.cancel_booking(booking_id uuid, reason text default null, refund numeric default null) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
begin
  if not app_private.is_provider_of(booking_id) then
    perform app_private.require_booking(booking_id, true, true);
  end if;
  v_booking := app_private.lock_booking(booking_id);
  if v_booking.status = 'held'
     or not (app_private.is_customer(v_booking.customer_id) or app_private.serves(v_booking)) then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  elsif refund is not null and not app_private.is_manager_of(v_booking.offering_id) then
    perform app_private.fail('RSARG', 'What is given back is for the policy to say, or for a manager.');
  end if;
  -- A manager who has booked for themselves is the manager once it has begun.
  if app_private.is_customer(v_booking.customer_id)
     and not ((refund is not null or v_booking.starts_at <= app_private.clock()) and app_private.serves(v_booking)) then
    return app_private.end_booking_by_customer(booking_id, reason);
  end if;
  return app_private.end_booking_by_manager(booking_id, reason, refund);
end
$$;
comment on function app_public.cancel_booking(uuid, text, numeric) is 'Cancels a booking; its room goes at once to the people waiting. Customers until the start, managers and the provider also later and with a reason; then its customer is told who else has time. A customer gets back what the policy says for that time before the start, in `refund`; a provider gives all of the price back, a manager that or another amount. Cancelling again returns the same booking. Errors: RSNTF no such booking or not yours, RSSTA not live any more, RSTIM already begun, RSARG no reason, or too long.';

-- functions/approve_booking.sql
create or replace function app_private.approve(booking_id uuid, note text default null) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_note text := app_private.checked_text(note, 500);
  v_policy app_public.policy_versions;
  v_terms app_private.booking_terms;
begin
  if v_booking.status = 'confirmed' or v_booking.awaits_payment then
    return v_booking;
  elsif v_booking.status <> 'pending' then
    perform app_private.fail('RSSTA', format('This booking is %s and waits for no approval.', replace(v_booking.status::text, '_', ' ')));
  elsif v_booking.request_expires_at <= app_private.clock() then
    perform app_private.fail('RSEXP', 'This request was not answered in time.');
  end if;
  select * into v_policy from app_public.policy_versions p where p.id = v_booking.policy_version_id;
  v_terms := app_private.until_paid(
    app_private.terms_of(v_policy, v_booking.starts_at, v_booking.made_at, false), v_policy,
    app_private.to_be_paid_first(v_policy, v_booking.price, v_booking.currency) - app_private.kept_of(v_booking.id),
    v_booking.starts_at, app_private.clock());
  perform set_config('reslot.reason', coalesce(v_note, ''), true);
  v_booking := app_private.set_terms(v_booking.id, v_terms, app_private.clock());
  -- What is to be paid first has a mail of its own, which says that they agree.
  if v_booking.awaits_payment then
    return v_booking;
  end if;
  perform app_private.notify_customer(v_booking.customer_id, 'booking_approved', v_booking.id, null,
    jsonb_build_object('sequence', v_booking.sequence, 'reason', v_note));
  return v_booking;
end
$$;
comment on function app_private.approve(uuid, text) is 'The yes of a manager or provider, after which it may still have to be paid; again: the same. Errors: RSNTF, RSSTA, RSEXP, RSARG.';
create or replace function app_private.reject(booking_id uuid, reason text default null) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
begin
  if v_booking.status = 'rejected' then
    return v_booking;
  elsif v_booking.status <> 'pending' or v_booking.awaits_payment then
    perform app_private.fail('RSSTA', format('This booking is %s and waits for no answer.', replace(v_booking.status::text, '_', ' ')));
  end if;
  v_booking := app_private.end_booking(v_booking.id, 'rejected', app_private.checked_text(reason, 500),
    refund => v_booking.price);
  perform app_private.notify_customer(v_booking.customer_id, 'booking_rejected', v_booking.id, null,
    jsonb_build_object('reason', v_booking.ended_reason, 'alternatives', app_private.alternatives_to(v_booking)));
  return v_booking;
end
$$;
comment on function app_private.reject(uuid, text) is 'The no of a manager or provider; again: the same. Errors: RSNTF, RSSTA, RSARG.';
create or replace function app_private.serves(booking app_public.bookings) returns boolean
language sql stable
return app_private.is_manager_of(booking.offering_id) or app_private.is_provider_of(booking.id);
comment on function app_private.serves(app_public.bookings) is 'Whether the caller manages a booking or is its provider.';
create or replace function app_private.lock_served_booking(booking_id uuid) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
begin
  -- Before the locks as well: a stranger who had to wait would learn that there is such a booking.
  perform from app_public.bookings b where b.id = lock_served_booking.booking_id and app_private.serves(b);
  if found then
    v_booking := app_private.lock_booking(booking_id);
  end if;
  if v_booking.id is null or v_booking.status = 'held' or not app_private.serves(v_booking) then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  end if;
  return v_booking;
end
$$;
comment on function app_private.lock_served_booking(uuid) is 'Locks a booking the caller manages or serves. Errors: RSNTF.';
create or replace function app_public.reject_booking(booking_id uuid, reason text default null) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform app_private.lock_served_booking(booking_id);
  return app_private.reject(booking_id, reason);
end
$$;
comment on function app_public.reject_booking(uuid, text) is 'For managers and the provider: declines a pending booking; its room goes to the people waiting, and its customer is told who else has time. Errors: RSNTF, RSSTA not pending, RSARG.';
-- What managers of venues call approving, providers call accepting.
create or replace function app_public.accept_booking(booking_id uuid, note text default null) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform app_private.lock_served_booking(booking_id);
  return app_private.approve(booking_id, note);
end
$$;
comment on function app_public.accept_booking(uuid, text) is 'For the provider and managers: agrees to a pending booking, with a note for its customer. Accepting again returns the same booking. Errors: RSNTF, RSSTA not pending, RSEXP too late, RSARG.';
revoke execute on function
  app_private.approve(uuid, text), app_private.reject(uuid, text), app_private.lock_managed_booking(uuid),
  app_private.serves(app_public.bookings), app_private.lock_served_booking(uuid),
  app_public.approve_booking(uuid, text), app_public.reject_booking(uuid, text), app_public.accept_booking(uuid, text)
from public;
grant execute on function
  app_public.approve_booking(uuid, text), app_public.reject_booking(uuid, text), app_public.accept_booking(uuid, text)
to reslot_user, reslot_admin;

-- functions/mark_no_show.sql
create or replace function app_public.mark_no_show(booking_id uuid, reason text default null) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings := app_private.lock_served_booking(booking_id);
begin
  if v_booking.status = 'no_show' then
    return v_booking;
  elsif v_booking.delivered_at is not null then
    perform app_private.fail('RSSTA', 'This booking was delivered.');
  elsif v_booking.status not in ('confirmed', 'in_progress', 'completed') then
    perform app_private.fail('RSSTA', format('This booking is %s.', replace(v_booking.status::text, '_', ' ')));
  elsif v_booking.starts_at > app_private.clock() then
    perform app_private.fail('RSTIM', 'This booking has not begun yet.');
  end if;
  return app_private.end_booking(v_booking.id, 'no_show', app_private.checked_text(reason, 500));
end
$$;
comment on function app_public.mark_no_show(uuid, text) is 'For managers and the provider: records that nobody came; what is left of the time goes to the people waiting. Errors: RSNTF, RSSTA also if it was delivered, RSTIM not begun yet.';

-- functions/series.sql
-- Series: a rule of dates, and a booking for each. The rule is the part of RFC 5545 that people use for appointments;
-- it is worked out here, so that a series is made in one transaction, under one set of locks, also from psql.

create or replace function app_private.parsed_rule(rrule text) returns app_private.series_rule
language plpgsql immutable
as $$
declare
  v_rule app_private.series_rule;
  v_day constant text := '(MO|TU|WE|TH|FR|SA|SU)';
begin
  if length(rrule) > 500
     or rrule !~ format('^FREQ=(DAILY|WEEKLY|MONTHLY)(;(INTERVAL=[1-9][0-9]?|COUNT=[1-9][0-9]{0,3}|UNTIL=[0-9]{8}|WKST=MO'
       '|BYDAY=([+-]?[1-5])?%1$s(,([+-]?[1-5])?%1$s)*|BYMONTHDAY=-?[1-9][0-9]?(,-?[1-9][0-9]?)*))*$', v_day)
     or rrule ~ ';([A-Z]+)=.*;\1=' then
    perform app_private.fail('RSARG', 'A rule is made of FREQ (DAILY, WEEKLY or MONTHLY), INTERVAL, BYDAY, BYMONTHDAY, COUNT and UNTIL (a date), each once, such as FREQ=WEEKLY;BYDAY=TU;COUNT=10.');
  end if;
  v_rule.freq := substring(rrule from '^FREQ=([A-Z]+)');
  v_rule.every := coalesce(substring(rrule from ';INTERVAL=([0-9]+)')::integer, 1);
  v_rule.times := substring(rrule from ';COUNT=([0-9]+)')::integer;
  v_rule.weekdays := string_to_array(substring(rrule from ';BYDAY=([^;]+)'), ',');
  v_rule.month_days := string_to_array(substring(rrule from ';BYMONTHDAY=([^;]+)'), ',')::integer[];
  begin
    v_rule.until := make_date(substring(rrule from ';UNTIL=([0-9]{4})')::integer,
      substring(rrule from ';UNTIL=[0-9]{4}([0-9]{2})')::integer, substring(rrule from ';UNTIL=[0-9]{6}([0-9]{2})')::integer);
  exception
    when datetime_field_overflow then
      perform app_private.fail('RSARG', 'The date in UNTIL does not exist.');
  end;
  if num_nonnulls(v_rule.times, v_rule.until) <> 1 then
    perform app_private.fail('RSARG', 'Say either how often (COUNT) or until which date (UNTIL).');
  elsif v_rule.freq <> 'MONTHLY' and substring(rrule from ';BYDAY=([^;]+)') ~ '[0-9]' then
    perform app_private.fail('RSARG', 'Only months have a first or last weekday.');
  elsif v_rule.freq = 'WEEKLY' and v_rule.month_days is not null or exists (
    select from unnest(v_rule.month_days) d where abs(d) > 31
  ) then
    perform app_private.fail('RSARG', 'BYMONTHDAY has days from 1 to 31, or from -1 to -31, and does not go with weeks.');
  end if;
  return v_rule;
end
$$;
comment on function app_private.parsed_rule(text) is 'A rule taken apart. Errors: RSARG what is no rule, or never ends.';

-- Each day is asked whether the rule means it; weeks begin on Monday, months without a date have none.
create or replace function app_private.dates_of_rule(rule app_private.series_rule, first_date date, at_most integer)
returns setof date
language sql immutable
as $$
  select d.on_date
  from generate_series(0, least(rule.until - first_date, 3660)) n
  cross join lateral (select first_date + n as on_date) d
  cross join lateral (
    select extract(day from d.on_date)::integer as in_month, extract(isodow from d.on_date)::integer as in_week,
      extract(day from date_trunc('month', d.on_date::timestamp) + interval '1 month -1 day')::integer as days_in_month
  ) c
  where case rule.freq
      when 'DAILY' then n % rule.every = 0
      when 'WEEKLY' then ((n + extract(isodow from first_date)::integer - 1) / 7) % rule.every = 0
      else ((extract(year from d.on_date) - extract(year from first_date)) * 12
            + extract(month from d.on_date) - extract(month from first_date))::integer % rule.every = 0 end
    and case
      when rule.weekdays is not null then exists (
        select from unnest(rule.weekdays) w
        where right(w, 2) = ('{MO,TU,WE,TH,FR,SA,SU}'::text[])[c.in_week]
          and (length(w) = 2 or left(w, -2)::integer in (
            (c.in_month - 1) / 7 + 1, -((c.days_in_month - c.in_month) / 7 + 1))))
      when rule.freq = 'WEEKLY' then c.in_week = extract(isodow from first_date)
      else true end
    and case
      when rule.month_days is not null then
        c.in_month = any (rule.month_days) or c.in_month - c.days_in_month - 1 = any (rule.month_days)
      when rule.freq = 'MONTHLY' and rule.weekdays is null then c.in_month = extract(day from first_date)
      else true end
  order by n
  limit least(rule.times, at_most)
$$;
comment on function app_private.dates_of_rule(app_private.series_rule, date, integer) is 'The dates of a rule from the first on, at most so many, and none after ten years.';

create or replace function app_private.series_dates(series app_public.recurring_bookings, policy app_public.policy_versions)
returns date[]
language plpgsql stable
as $$
declare
  v_dates date[] := array(select app_private.dates_of_rule(
    app_private.parsed_rule(series.rrule), series.first_date, policy.series_max_occurrences + 1));
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
comment on function app_private.series_dates(app_public.recurring_bookings, app_public.policy_versions) is 'The dates of a series. Errors: RSARG no rule, or none; RSLIM too many.';

create or replace function app_private.checked_series(
  offering_id uuid, rrule text, first_date date, local_start time, duration interval
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
  if num_nulls(v_series.rrule, v_series.first_date, v_series.local_start, v_series.duration) > 0 then
    perform app_private.fail('RSARG', 'A series has a rule, a first date, a start and a duration.');
  elsif not v_series.first_date between '1900-01-02' and '8999-12-31' or v_series.local_start >= time '24:00'
     or not v_series.duration between interval '1 minute' and interval '720 hours' then
    perform app_private.fail('RSARG', 'The first date, the start or the duration cannot be right.');
  end if;
  return v_series;
end
$$;
comment on function app_private.checked_series(uuid, text, date, time, interval) is 'A series as it was asked for, not stored. Errors: RSNTF, RSARG.';

create or replace function app_private.occurrence_range(offering_id uuid, on_date date, local_start time, duration interval)
returns tstzrange
language sql stable
as $$
  select tstzrange(w.at, w.at + duration)
  from app_private.wall_time(on_date + local_start, app_private.zone_of(offering_id)) w (at)
$$;
comment on function app_private.occurrence_range(uuid, date, time, interval) is 'From when to when something lasts on a date, where the offering is. Errors: RSTIM skipped by daylight saving.';

-- What speaks against one date, and not against the series.
create or replace function app_private.is_conflict(code text) returns boolean
language sql immutable
return code in ('RSTIM', 'RSBLK', 'RSLIM', 'RSFUL');
comment on function app_private.is_conflict(text) is 'Whether an error is about one date of a series; all others end the whole.';

create or replace function app_public.preview_series(
  offering_id uuid, rrule text, first_date date, local_start time, duration interval default null
) returns setof app_public.series_occurrence
language plpgsql stable security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_series app_public.recurring_bookings := app_private.checked_series(offering_id, rrule, first_date, local_start, duration);
  v_policy app_public.policy_versions := app_private.policy_of(app_private.find_offering(offering_id));
  v_customer uuid := (select c.id from app_public.customers c
    where c.user_id = app_private.current_user_id() and c.organization_id = v_series.organization_id);
  v_now timestamptz := app_private.clock();
  v_own tstzmultirange := '{}';
  v_during tstzrange;
  v_date date;
  v_line app_public.series_occurrence;
begin
  foreach v_date in array app_private.series_dates(v_series, v_policy) loop
    v_line := row(v_date, null, null, null, null, null);
    begin
      v_during := app_private.occurrence_range(v_series.offering_id, v_date, v_series.local_start, v_series.duration);
      v_line.starts_at := lower(v_during);
      v_line.ends_at := upper(v_during);
      perform app_private.check_times(v_series.offering_id, v_policy, v_during, v_now, true);
      perform app_private.check_daily_bookings(v_customer, v_series.offering_id, v_policy, lower(v_during), null);
      v_during := app_private.room_for(v_series.offering_id, v_during, v_policy);
      -- A series may also stand in its own way.
      if v_own && v_during or not app_private.is_free(v_series.offering_id, v_during) then
        perform app_private.fail('RSFUL', 'This time is taken.');
      end if;
      v_own := v_own + tstzmultirange(v_during);
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
comment on function app_public.preview_series(uuid, text, date, time, interval) is 'What would come of a series: for each date its start and end, and what stands in the way, as it is at this moment. Changes nothing, keeps nothing. The rule is one of RFC 5545 with FREQ (DAILY, WEEKLY, MONTHLY), INTERVAL, BYDAY, BYMONTHDAY and either COUNT or UNTIL. Errors: RSNTF no such offering, RSARG what is no rule, RSLIM more dates than the policy allows.';

create or replace function app_private.refuse_conflicts(lines app_public.series_occurrence[], dates integer) returns void
language plpgsql stable
as $$
begin
  if lines <> '{}' then
    perform app_private.fail(lines[1].code,
      format('%s of %s dates cannot be booked. You can leave them out, or choose other times.', cardinality(lines), dates),
      jsonb_build_object('conflicts', (
        select jsonb_agg(jsonb_build_object('date', l.local_date, 'startsAt', l.starts_at, 'endsAt', l.ends_at,
          'bookingId', l.booking_id, 'code', l.code, 'message', l.message) order by l.local_date) from unnest(lines) l)));
  end if;
end
$$;
comment on function app_private.refuse_conflicts(app_public.series_occurrence[], integer) is 'Refuses the whole because of some dates, with the list of them. Errors: that of the first.';

create or replace function app_private.tell_of_series(booking_ids uuid[], kind text, data jsonb default '{}') returns void
language sql volatile
as $$
  select app_private.notify_customer(b.customer_id, kind, b.id, null,
    jsonb_build_object('bookingIds', booking_ids, 'status', b.status) || data)
  from (
    select * from app_public.bookings b where b.id = any (booking_ids) order by b.starts_at limit 1
  ) b
$$;
comment on function app_private.tell_of_series(uuid[], text, jsonb) is 'Tells the customer of many bookings at once: one message instead of one each.';

create or replace function app_private.ask_for_series(booking_ids uuid[]) returns void
language plpgsql volatile
as $$
declare
  v_ids uuid[] := array(
    select b.id from app_public.bookings b where b.id = any (booking_ids) and b.status = 'pending' order by b.starts_at);
  v_first app_public.bookings;
begin
  if v_ids <> '{}' then
    select * into v_first from app_public.bookings b where b.id = v_ids[1];
    perform app_private.notify_managers(v_first.offering_id, 'series_requested', v_first.id, null,
      jsonb_build_object('bookingIds', v_ids));
    perform app_private.notify_provider(v_first, 'series_requested', jsonb_build_object('bookingIds', v_ids));
  end if;
end
$$;
comment on function app_private.ask_for_series(uuid[]) is 'Tells who decides which of these bookings need a yes, if any do.';

create or replace function app_private.book_occurrence(
  series app_public.recurring_bookings, on_date date, customer app_public.customers, party app_private.party,
  wishes app_private.wishes, created_by uuid, as_manager boolean, needs_confirmation boolean
) returns app_public.series_occurrence
language plpgsql volatile
as $$
declare
  v_line app_public.series_occurrence;
  v_during tstzrange;
begin
  v_line.local_date := on_date;
  begin
    v_during := app_private.occurrence_range(series.offering_id, on_date, series.local_start, series.duration);
    v_line.starts_at := lower(v_during);
    v_line.ends_at := upper(v_during);
    v_line.booking_id := (app_private.book(customer, series.offering_id, v_during, null, party, wishes, created_by,
      as_manager, needs_confirmation, tells => false)).id;
    update app_public.bookings b set series_id = series.id, series_date = on_date where b.id = v_line.booking_id;
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
comment on function app_private.book_occurrence(app_public.recurring_bookings, date, app_public.customers, app_private.party, app_private.wishes, uuid, boolean, boolean) is 'Books one date of a series as any booking is made; what speaks against it comes out, and nothing is left of the try.';

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
  v_conflicts app_public.series_occurrence[] := '{}';
begin
  -- Once, and before anything is tried: what is locked within a try that fails is not locked any more.
  perform app_private.lock_room(array[series.offering_id]);
  v_dates := app_private.series_dates(series, app_private.policy_of(app_private.find_offering(series.offering_id)));
  insert into app_public.recurring_bookings (organization_id, offering_id, rrule, first_date, local_start, duration)
  values (series.organization_id, series.offering_id, series.rrule, series.first_date, series.local_start, series.duration)
  returning * into v_series;
  foreach v_date in array v_dates loop
    v_line := app_private.book_occurrence(v_series, v_date, customer, party, wishes, created_by, as_manager, needs_confirmation);
    if v_line.code is null then
      v_made := v_made || v_line.booking_id;
    else
      v_conflicts := v_conflicts || v_line;
    end if;
  end loop;
  if not coalesce(skip_conflicts, false) or v_made = '{}' then
    perform app_private.refuse_conflicts(v_conflicts, cardinality(v_dates));
  end if;
  update app_public.recurring_bookings s set skipped = array(select c.local_date from unnest(v_conflicts) c)
  where s.id = v_series.id
  returning * into v_series;
  perform app_private.ask_for_series(v_made);
  perform app_private.tell_of_series(v_made, 'series_booked', jsonb_build_object('skipped', v_series.skipped));
  return v_series;
end
$$;
comment on function app_private.book_occurrences(app_public.recurring_bookings, app_public.customers, app_private.party, app_private.wishes, uuid, boolean, boolean, boolean) is 'Books the dates of a series for a locked customer: all, or those that can be. Errors: those of a booking.';

create or replace function app_public.book_series(
  offering_id uuid, rrule text, first_date date, local_start time, duration interval default null,
  skip_conflicts boolean default false, party_size integer default 1, purpose text default null,
  special_requests text default null, dietary_needs text default null, access_needs text default null,
  idempotency_key text default null
) returns app_public.recurring_bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users := app_private.require_user();
  v_series app_public.recurring_bookings := app_private.checked_series(offering_id, rrule, first_date, local_start, duration);
  v_id uuid := app_private.begin_idempotent('book_series', idempotency_key,
    jsonb_build_array(offering_id, v_series.rrule, first_date, local_start, extract(epoch from v_series.duration),
      skip_conflicts, party_size, purpose, special_requests, dietary_needs, access_needs));
begin
  if v_id is null then
    v_series := app_private.book_occurrences(v_series, app_private.customer_of_user(v_user.id, v_series.organization_id),
      app_private.checked_party(party_size), app_private.checked_wishes(purpose, special_requests, dietary_needs, access_needs),
      v_user.id, false, true, skip_conflicts);
    perform app_private.end_idempotent('book_series', idempotency_key, v_series.id);
    return v_series;
  end if;
  select * into v_series from app_public.recurring_bookings s where s.id = v_id;
  return v_series;
end
$$;
comment on function app_public.book_series(uuid, text, date, time, interval, boolean, integer, text, text, text, text, text) is 'Books a series for the signed-in user: a booking for each date of a rule, at the same local time (see `previewSeries`; without a duration, that of the offering). If a date cannot be booked nothing is, and the details list the dates (conflicts: date, startsAt, endsAt, code, message); with `skipConflicts` those are left out. Each booking is then reminded of, confirmed, released and changed by itself. Errors: RSAUT, RSVER, RSNTF no such offering, RSARG what is no rule, RSLIM more dates than the policy allows; of a date RSTIM, RSBLK, RSLIM, RSFUL.';

create or replace function app_public.book_series_for(
  offering_id uuid, rrule text, first_date date, local_start time, duration interval default null,
  skip_conflicts boolean default false, name text default null, email text default null, phone text default null,
  locale text default null, party_size integer default 1, purpose text default null,
  needs_confirmation boolean default true, special_requests text default null, dietary_needs text default null,
  access_needs text default null, idempotency_key text default null
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
  v_series := app_private.checked_series(offering_id, rrule, first_date, local_start, duration);
  v_id := app_private.begin_idempotent('book_series_for', idempotency_key,
    jsonb_build_array(offering_id, v_series.rrule, first_date, local_start, extract(epoch from v_series.duration),
      skip_conflicts, name, email, phone, locale, party_size, purpose, needs_confirmation, special_requests,
      dietary_needs, access_needs));
  if v_id is null then
    v_series := app_private.book_occurrences(v_series, app_private.guest(v_series.organization_id, name, email, phone, locale),
      app_private.checked_party(party_size), app_private.checked_wishes(purpose, special_requests, dietary_needs, access_needs),
      app_private.current_user_id(), true, coalesce(needs_confirmation, true), skip_conflicts);
    perform app_private.end_idempotent('book_series_for', idempotency_key, v_series.id);
    return v_series;
  end if;
  select * into v_series from app_public.recurring_bookings s where s.id = v_id;
  return v_series;
end
$$;
comment on function app_public.book_series_for(uuid, text, date, time, interval, boolean, text, text, text, text, integer, text, boolean, text, text, text, text) is 'For managers: books a series for someone on the phone or at the door, with whatever contact there is. Daily limits, cutoff and approval do not apply. Someone without an e-mail address cannot be asked, so `needsConfirmation` has to be false. Errors: RSNTF, RSARG, RSLIM; of a date RSTIM, RSBLK, RSFUL (details: conflicts).';

revoke execute on function
  app_private.parsed_rule(text), app_private.dates_of_rule(app_private.series_rule, date, integer),
  app_private.series_dates(app_public.recurring_bookings, app_public.policy_versions),
  app_private.checked_series(uuid, text, date, time, interval),
  app_private.occurrence_range(uuid, date, time, interval), app_private.is_conflict(text),
  app_private.refuse_conflicts(app_public.series_occurrence[], integer),
  app_private.tell_of_series(uuid[], text, jsonb), app_private.ask_for_series(uuid[]),
  app_private.book_occurrence(app_public.recurring_bookings, date, app_public.customers, app_private.party, app_private.wishes, uuid, boolean, boolean),
  app_private.book_occurrences(app_public.recurring_bookings, app_public.customers, app_private.party, app_private.wishes, uuid, boolean, boolean, boolean),
  app_public.preview_series(uuid, text, date, time, interval),
  app_public.book_series(uuid, text, date, time, interval, boolean, integer, text, text, text, text, text),
  app_public.book_series_for(uuid, text, date, time, interval, boolean, text, text, text, text, integer, text, boolean, text, text, text, text)
from public;
grant execute on function app_public.preview_series(uuid, text, date, time, interval)
to reslot_anonymous, reslot_user, reslot_admin;
grant execute on function
  app_public.book_series(uuid, text, date, time, interval, boolean, integer, text, text, text, text, text),
  app_public.book_series_for(uuid, text, date, time, interval, boolean, text, text, text, text, integer, text, boolean, text, text, text, text)
to reslot_user, reslot_admin;

-- functions/change_series.sql
-- Changing many bookings of a series at once. Each of them is a booking like any other: these functions take the locks
-- once, do to each what would be done to it alone, and tell of all of them in one message.

create or replace function app_private.rest_of_series(booking app_public.bookings, scope app_public.series_scope)
returns setof app_public.bookings
language sql stable
as $$
  select b.* from app_public.bookings b
  where b.series_id = booking.series_id and b.status in ('pending', 'confirmed')
    and b.starts_at > (select app_private.clock())
    and case scope when 'this' then b.id = booking.id
      when 'following' then b.series_date >= booking.series_date else true end
  order by b.starts_at
$$;
comment on function app_private.rest_of_series(app_public.bookings, app_public.series_scope) is 'What is still to come of a series, from a booking on or in all.';

create or replace function app_private.lock_series(booking_id uuid, scope app_public.series_scope) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
begin
  if scope is null then
    perform app_private.fail('RSARG', 'Say how much of the series is meant.');
  elsif v_booking.series_id is null then
    perform app_private.fail('RSARG', 'This booking is not one of a series.');
  end if;
  -- Who changes room holds the same lock; reminding does not.
  perform from app_public.bookings b
  where b.id in (select r.id from app_private.rest_of_series(v_booking, scope) r) order by b.id for no key update;
  return v_booking;
end
$$;
comment on function app_private.lock_series(uuid, app_public.series_scope) is 'Locks the room of a series and what is still to come of it. Errors: RSNTF, RSARG.';

create or replace function app_private.end_rest_of_series(
  booking app_public.bookings, scope app_public.series_scope, reason text, as_manager boolean
) returns setof app_public.bookings
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
  for v_booking in select * from app_private.rest_of_series(booking, scope) loop
    v_booking := app_private.end_booking(v_booking.id, 'cancelled', v_reason, refund => case when as_manager
      then v_booking.price else app_private.refund_of(v_booking, app_private.clock()) end);
    v_ended := v_ended || v_booking.id;
    return next v_booking;
  end loop;
  if v_ended <> '{}' then
    perform app_private.tell_of_series(v_ended, 'series_cancelled', jsonb_build_object(
      'actor', case when as_manager then 'manager' else 'customer' end, 'reason', v_reason));
  end if;
end
$$;
comment on function app_private.end_rest_of_series(app_public.bookings, app_public.series_scope, text, boolean) is 'Cancels what is still to come of a locked series. Errors: RSARG.';

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
  return query select * from app_private.end_rest_of_series(
    v_booking, scope, reason, not app_private.is_customer(v_booking.customer_id));
end
$$;
comment on function app_public.cancel_series(uuid, app_public.series_scope, text) is 'Cancels this booking of a series, this one and those that follow, or all; what has begun, is over or has ended stays as it is. Out come those that were cancelled; again: none. The room goes at once to the people waiting, and the customer is told once. Customers get back what the policy says for each; managers and the provider give a reason and all of the price. Errors: RSNTF no such booking or not yours, RSARG not of a series, no reason, or too long; of `this` those of cancelBooking.';

create or replace function app_private.change_occurrence(
  booking app_public.bookings, local_start time, duration interval, party_size integer, wishes app_private.wishes,
  as_manager boolean
) returns app_public.series_occurrence
language plpgsql volatile
as $$
declare
  v_zone text := app_private.zone_of(booking.offering_id);
  v_line app_public.series_occurrence :=
    row(booking.series_date, booking.starts_at, booking.ends_at, booking.id, null, null);
  v_after app_public.bookings := booking;
begin
  begin
    if local_start is not null then
      v_line.starts_at := null;
      v_line.starts_at := app_private.wall_time((booking.starts_at at time zone v_zone)::date + local_start, v_zone);
    end if;
    v_line.ends_at := v_line.starts_at + coalesce(duration, app_private.elapsed(booking.starts_at, booking.ends_at));
    if (v_line.starts_at, v_line.ends_at) <> (booking.starts_at, booking.ends_at) then
      v_after := app_private.move_booking(booking, tstzrange(v_line.starts_at, v_line.ends_at), as_manager);
    end if;
    update app_public.bookings b
    set party_size = coalesce(change_occurrence.party_size, b.party_size),
        places = coalesce(change_occurrence.party_size, b.places),
        purpose = app_private.changed_text(b.purpose, wishes.purpose),
        special_requests = app_private.changed_text(b.special_requests, wishes.special_requests),
        dietary_needs = app_private.changed_text(b.dietary_needs, wishes.dietary_needs),
        access_needs = app_private.changed_text(b.access_needs, wishes.access_needs)
    where b.id = booking.id and num_nonnulls(change_occurrence.party_size, wishes.purpose, wishes.special_requests,
      wishes.dietary_needs, wishes.access_needs) > 0
    returning * into v_after;
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
comment on function app_private.change_occurrence(app_public.bookings, time, interval, integer, app_private.wishes, boolean) is 'Changes one locked booking of a series; what speaks against it comes out, and nothing is left of the try.';

create or replace function app_private.change_rest_of_series(
  booking app_public.bookings, scope app_public.series_scope, local_start time, duration interval, party_size integer,
  wishes app_private.wishes, as_manager boolean, skip_conflicts boolean
) returns setof app_public.series_occurrence
language plpgsql volatile
as $$
declare
  v_before app_public.bookings[] := array(select r from app_private.rest_of_series(booking, scope) r);
  v_lines app_public.series_occurrence[] := '{}';
  v_changed uuid[];
  -- Whoever moves to a later time makes room for the one before, and the other way round.
  v_later boolean := local_start > (booking.starts_at at time zone app_private.zone_of(booking.offering_id))::time;
  v_count integer := cardinality(v_before);
begin
  for v_n in 1..v_count loop
    v_lines := v_lines || app_private.change_occurrence(
      v_before[case when v_later then v_count + 1 - v_n else v_n end], local_start, duration, party_size, wishes, as_manager);
  end loop;
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
  end if;
  return query select l.* from unnest(v_lines) l order by l.local_date;
end
$$;
comment on function app_private.change_rest_of_series(app_public.bookings, app_public.series_scope, time, interval, integer, app_private.wishes, boolean, boolean) is 'Changes what is still to come of a locked series: all, or what can be. Errors: those of a move.';

create or replace function app_public.modify_series(
  booking_id uuid, scope app_public.series_scope, local_start time default null, duration interval default null,
  party_size integer default null, purpose text default null, special_requests text default null,
  dietary_needs text default null, access_needs text default null, skip_conflicts boolean default false
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
     or not party_size between 1 and 100000 then
    perform app_private.fail('RSARG', 'The start, the duration or the number of people cannot be right.');
  end if;
  return query select * from app_private.change_rest_of_series(v_booking, scope, local_start, v_duration, party_size,
    row(purpose, special_requests, dietary_needs, access_needs, null, null, null)::app_private.wishes,
    app_private.is_manager_of(v_booking.offering_id), skip_conflicts);
end
$$;
comment on function app_public.modify_series(uuid, app_public.series_scope, time, interval, integer, text, text, text, text, boolean) is 'Changes this booking of a series, this one and those that follow, or all that are still to come: when they begin on their dates (local time), how long they last, how many people, purpose and needs; an empty text removes the old one. Moving clears the confirmation of attendance and re-arms the reminders. If one cannot be moved nothing is changed, and the details list why (conflicts); with `skipConflicts` those stay as they are. Out comes what became of each. Errors: RSNTF no such booking or not yours, RSARG not of a series, or a bad value; of a date RSTIM, RSBLK, RSLIM, RSFUL.';

-- Whoever leaves so many in a row unconfirmed may not want the rest: they are asked, and who manages it is told. What was
-- cancelled or refused in between says nothing either way.
create or replace function app_private.note_release_of_series(booking app_public.bookings, policy app_public.policy_versions)
returns void
language plpgsql volatile
as $$
declare
  v_run integer;
  v_next app_public.bookings;
  v_data jsonb;
begin
  select count(*) into v_run from app_public.bookings b
  where b.series_id = booking.series_id and b.series_date <= booking.series_date and b.status = 'auto_cancelled'
    and b.series_date > coalesce((
      select max(u.series_date) from app_public.bookings u
      where u.series_id = booking.series_id and u.series_date < booking.series_date
        and u.status not in ('auto_cancelled', 'cancelled', 'rejected', 'expired')), '-infinity');
  select * into v_next from app_private.rest_of_series(booking, 'all') limit 1;
  if v_next.id is null or (v_run % policy.series_release_limit = 0) is not true then
    return;
  end if;
  v_data := jsonb_build_object('released', v_run,
    'bookingIds', array(select r.id from app_private.rest_of_series(booking, 'all') r));
  perform app_private.notify_customer(booking.customer_id, 'series_unused', v_next.id, null, v_data);
  perform app_private.notify_managers(booking.offering_id, 'series_unused_notice', v_next.id, null, v_data);
end
$$;
comment on function app_private.note_release_of_series(app_public.bookings, app_public.policy_versions) is 'After a release: if it was the last of so many in a row, offers the customer and the managers to cancel the rest.';

-- Where the link stands that cancels what is left.
create or replace function app_private.series_link_standing(booking app_public.bookings) returns text
language sql stable
as $$
  select case
    when exists (select from app_private.rest_of_series(booking, 'all')) then 'ready'
    when exists (
      select from app_public.bookings b where b.series_id = booking.series_id and b.status = 'cancelled') then 'done'
    else 'over' end
$$;
comment on function app_private.series_link_standing(app_public.bookings) is 'Where a link to the rest of a series stands: ready, done, or over.';

create or replace function app_private.cancel_series_by_link(link app_private.link_tokens, reason text) returns timestamptz
language sql volatile
as $$
  select min(e.starts_at)
  from app_private.lock_series(link.booking_id, 'all') b
  cross join lateral app_private.end_rest_of_series(b, 'all',
    case when link.user_id is null then reason else coalesce(reason, 'Several dates in a row were not confirmed.') end,
    link.user_id is not null) e
$$;
comment on function app_private.cancel_series_by_link(app_private.link_tokens, text) is 'Cancels the rest of a series for its customer, or for a manager; out comes its first start. Errors: RSNTF, RSARG.';

create or replace function app_private.occurrences_as_json(booking_ids jsonb) returns jsonb
language sql stable
as $$
  select jsonb_agg(jsonb_build_object('startsAt', b.starts_at, 'endsAt', b.ends_at) order by b.starts_at)
  from app_public.bookings b
  where b.id in (select i::uuid from jsonb_array_elements_text(booking_ids) i)
$$;
comment on function app_private.occurrences_as_json(jsonb) is 'When bookings of a series are, as mails show it.';

revoke execute on function
  app_private.rest_of_series(app_public.bookings, app_public.series_scope),
  app_private.lock_series(uuid, app_public.series_scope),
  app_private.end_rest_of_series(app_public.bookings, app_public.series_scope, text, boolean),
  app_public.cancel_series(uuid, app_public.series_scope, text),
  app_private.change_occurrence(app_public.bookings, time, interval, integer, app_private.wishes, boolean),
  app_private.change_rest_of_series(app_public.bookings, app_public.series_scope, time, interval, integer, app_private.wishes, boolean, boolean),
  app_public.modify_series(uuid, app_public.series_scope, time, interval, integer, text, text, text, text, boolean),
  app_private.note_release_of_series(app_public.bookings, app_public.policy_versions),
  app_private.series_link_standing(app_public.bookings),
  app_private.cancel_series_by_link(app_private.link_tokens, text),
  app_private.occurrences_as_json(jsonb)
from public;
grant execute on function
  app_public.cancel_series(uuid, app_public.series_scope, text),
  app_public.modify_series(uuid, app_public.series_scope, time, interval, integer, text, text, text, text, boolean)
to reslot_user, reslot_admin;

-- functions/deliver_booking.sql
-- What happens to a booking once it has begun: delivered by whoever serves it, confirmed by its customer, completed.

create or replace function app_private.lock_begun_booking(booking_id uuid) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_served_booking(booking_id);
begin
  if v_booking.status in ('confirmed', 'in_progress') and v_booking.starts_at > app_private.clock() then
    perform app_private.fail('RSTIM', 'This booking has not begun yet.');
  elsif v_booking.status = 'confirmed' then
    -- What is due is due, worker or no worker.
    perform app_private.start_booking(v_booking.id);
    select * into v_booking from app_public.bookings b where b.id = v_booking.id;
  end if;
  return v_booking;
end
$$;
comment on function app_private.lock_begun_booking(uuid) is 'Locks a booking that the caller serves, and starts it if its start has come. Errors: RSNTF, RSTIM not begun yet.';

create or replace function app_public.deliver_booking(booking_id uuid, notes text default null, recommendations text default null)
returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings := app_private.lock_begun_booking(booking_id);
  v_now timestamptz := app_private.clock();
  -- Asked under the lock of the room, which who erases the customer of a live booking takes as well.
  v_erased boolean := app_private.is_erased(v_booking.customer_id);
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
      -- There is nobody to read it, and it might name them.
      delivery_notes = case when not v_erased then app_private.checked_text(notes, 2000) end,
      recommendations = case when not v_erased then app_private.checked_text(deliver_booking.recommendations, 2000) end,
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
comment on function app_public.deliver_booking(uuid, text, text) is 'For the provider and managers: says that what was booked is done, once it has begun, with notes and recommendations for the customer (at most 2,000 characters each). The customer is asked to confirm; unanswered it is completed when the policy says. What is left of its time goes to the people waiting. Delivering again returns the same booking. Errors: RSNTF, RSTIM not begun yet, RSSTA cancelled, over or not accepted yet, RSARG also without a photo where the policy wants one.';

create or replace function app_private.confirm_delivered(booking_id uuid) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
begin
  if v_booking.delivery_confirmed_at is not null then
    return v_booking;
  elsif v_booking.status <> 'delivered' then
    perform app_private.fail('RSSTA', format('This booking is %s; there is no delivery to confirm.', replace(v_booking.status::text, '_', ' ')));
  end if;
  update app_public.bookings b set delivery_confirmed_at = app_private.clock() where b.id = v_booking.id;
  return app_private.end_booking(v_booking.id, 'completed', null);
end
$$;
comment on function app_private.confirm_delivered(uuid) is 'Records the customer''s word that it was delivered, which completes it; again: the same. Errors: RSNTF, RSSTA.';

create or replace function app_public.confirm_delivery(booking_id uuid) returns app_public.bookings
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
  return app_private.confirm_delivered(booking_id);
end
$$;
comment on function app_public.confirm_delivery(uuid) is 'The customer confirms that what was booked was delivered; it is completed. Confirming again returns the same booking. Errors: RSNTF no such booking or not yours, RSSTA not delivered, or completed by time already.';

create or replace function app_public.complete_booking(booking_id uuid) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings := app_private.lock_begun_booking(booking_id);
begin
  if v_booking.status = 'completed' then
    return v_booking;
  elsif v_booking.status = 'delivered' and not app_private.is_manager_of(v_booking.offering_id) then
    perform app_private.fail('RSSTA', 'This booking waits for the word of its customer, and is completed by time without it.');
  elsif v_booking.status = 'in_progress' and (
    select p.requires_delivery from app_public.policy_versions p where p.id = v_booking.policy_version_id) then
    perform app_private.fail('RSSTA', 'This booking has to be delivered first.');
  elsif v_booking.status not in ('in_progress', 'delivered') then
    perform app_private.fail('RSSTA', format('This booking is %s.', replace(v_booking.status::text, '_', ' ')));
  end if;
  return app_private.end_booking(v_booking.id, 'completed', null);
end
$$;
comment on function app_public.complete_booking(uuid) is 'For the provider and managers: completes a booking that has begun, before its end comes; what is left of its time goes to the people waiting. One that is delivered only managers complete for its customer. Completing again returns the same booking. Errors: RSNTF, RSTIM not begun yet, RSSTA not in progress, or to be delivered first.';

create or replace function app_private.await_delivery(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_policy app_public.policy_versions;
  v_now timestamptz := app_private.clock();
begin
  select * into v_policy from app_public.policy_versions p where p.id = v_booking.policy_version_id;
  if (app_private.booking_deadline(v_booking, v_policy)).action is distinct from 'await_delivery'
     or upper(v_booking.room) > v_now then
    return;
  end if;
  update app_public.bookings b set awaits_delivery_since = v_now where b.id = v_booking.id returning * into v_booking;
  perform app_private.give_back_room(v_booking.id);
  perform app_private.note_automation(v_booking, 'await_delivery', upper(v_booking.room));
  if not app_private.notify_provider(v_booking, 'delivery_due') then
    perform app_private.notify_managers(v_booking.offering_id, 'delivery_due', v_booking.id, null);
  end if;
end
$$;
comment on function app_private.await_delivery(uuid) is 'A booking that has to be delivered and whose time is over, buffer included, has its room no more, and its provider (else its managers) is asked whether it is done.';

create or replace function app_public.bookings_response_time(booking app_public.bookings) returns interval
language sql immutable
return make_interval(secs => extract(epoch from booking.answered_at - booking.made_at)::double precision);
comment on function app_public.bookings_response_time(app_public.bookings) is 'How long the request waited for its answer, in hours and seconds; null while there is none, or where none is needed.';

revoke execute on function
  app_private.lock_begun_booking(uuid), app_public.deliver_booking(uuid, text, text),
  app_private.confirm_delivered(uuid), app_public.confirm_delivery(uuid), app_public.complete_booking(uuid),
  app_private.await_delivery(uuid), app_public.bookings_response_time(app_public.bookings) from public;
grant execute on function
  app_public.deliver_booking(uuid, text, text), app_public.confirm_delivery(uuid), app_public.complete_booking(uuid),
  app_public.bookings_response_time(app_public.bookings) to reslot_user, reslot_admin;

-- functions/photos.sql
-- Photos come over HTTP (src/http/photos.ts), in three steps: `begin_photo` names a file, the server writes it, and
-- `keep_photo` makes the photo of it that people see. What was begun and not kept is removed an hour later.

create or replace function app_private.lock_booking_for_photo(booking_id uuid) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_begun_booking(booking_id);
begin
  -- Under the lock of the room, which who erases the customer takes as well.
  if app_private.is_erased(v_booking.customer_id) then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  elsif v_booking.status not in ('in_progress', 'delivered') then
    perform app_private.fail('RSSTA', format('This booking is %s; its photos are not changed.', replace(v_booking.status::text, '_', ' ')));
  end if;
  return v_booking;
end
$$;
comment on function app_private.lock_booking_for_photo(uuid) is 'Locks a booking that the caller serves and that is being delivered. Errors: RSNTF also if its customer is erased, RSTIM not begun yet, RSSTA cancelled or over.';

create or replace function app_private.lacks_photo(booking app_public.bookings, wanted integer) returns boolean
language sql stable
as $$
  select p.delivery_needs_photo
    and (select count(*) from app_public.booking_photos o where o.booking_id = booking.id) < wanted
  from app_public.policy_versions p where p.id = booking.policy_version_id
$$;
comment on function app_private.lacks_photo(app_public.bookings, integer) is 'Whether the policy wants a photo of a delivery, and there are fewer than so many.';

create or replace function app_private.refuse_too_many_photos(booking app_public.bookings) returns void
language plpgsql stable
as $$
declare
  v_max integer := (select p.max_photos from app_public.policy_versions p where p.id = booking.policy_version_id);
begin
  if (select count(*) from app_public.booking_photos o where o.booking_id = booking.id) >= v_max then
    perform app_private.fail('RSLIM', format('A booking can have %s photos.', v_max));
  end if;
end
$$;
comment on function app_private.refuse_too_many_photos(app_public.bookings) is 'Errors: RSLIM the booking has as many photos as the policy allows.';

create or replace function app_private.begin_photo(booking_id uuid) returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking_for_photo(booking_id);
  v_id uuid;
begin
  perform app_private.refuse_too_many_photos(v_booking);
  insert into app_private.photo_files (booking_id, remove_at)
  values (v_booking.id, app_private.clock() + interval '1 hour')
  returning id into v_id;
  return v_id;
end
$$;
comment on function app_private.begin_photo(uuid) is 'For the provider and managers, by the server: names the file of a photo to come. Errors: RSNTF, RSTIM not begun yet, RSSTA cancelled or over, RSLIM.';

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
comment on function app_private.keep_photo(uuid, integer, integer, integer, text) is 'Makes a photo of a file that is written. Errors: those of begin_photo, and RSEXP it took too long.';

create or replace function app_public.remove_photo(photo_id uuid) returns app_public.booking_photos
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
  v_photo app_public.booking_photos;
begin
  select b.* into v_booking
  from app_public.booking_photos p join app_public.bookings b on b.id = p.booking_id
  where p.id = remove_photo.photo_id;
  if v_booking.id is null or not app_private.serves(v_booking) then
    perform app_private.fail('RSNTF', 'There is no such photo that you can delete.');
  end if;
  v_booking := app_private.lock_booking_for_photo(v_booking.id);
  if v_booking.status = 'delivered' and app_private.lacks_photo(v_booking, 2) then
    perform app_private.fail('RSSTA', 'This delivery needs a photo: please add another one first.');
  end if;
  delete from app_public.booking_photos p where p.id = remove_photo.photo_id returning * into v_photo;
  if v_photo.id is null then
    perform app_private.fail('RSNTF', 'There is no such photo that you can delete.');
  end if;
  return v_photo;
end
$$;
comment on function app_public.remove_photo(uuid) is 'For the provider and managers, until the booking is completed: deletes a photo; its file is removed within minutes. Errors: RSNTF, RSSTA over, or the only photo of a delivery that needs one.';

create or replace function app_private.photo_files_to_remove(after uuid default null, batch integer default 100) returns setof uuid
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select f.id from app_private.photo_files f
  where f.remove_at <= (select app_private.clock()) and (photo_files_to_remove.after is null or f.id > photo_files_to_remove.after)
  order by f.id limit batch
$$;
comment on function app_private.photo_files_to_remove(uuid, integer) is 'For the job: the files that no photo uses any more or that no photo came of, in the order of their names.';

create or replace function app_private.forget_photo_file(photo_id uuid) returns void
language sql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  delete from app_private.photo_files f
  where f.id = forget_photo_file.photo_id and f.remove_at <= (select app_private.clock())
$$;
comment on function app_private.forget_photo_file(uuid) is 'For the job: the file is gone from the storage.';

revoke execute on function
  app_private.lock_booking_for_photo(uuid), app_private.lacks_photo(app_public.bookings, integer),
  app_private.refuse_too_many_photos(app_public.bookings), app_private.begin_photo(uuid),
  app_private.keep_photo(uuid, integer, integer, integer, text), app_public.remove_photo(uuid),
  app_private.photo_files_to_remove(uuid, integer), app_private.forget_photo_file(uuid) from public;
grant execute on function
  app_private.begin_photo(uuid), app_private.keep_photo(uuid, integer, integer, integer, text),
  app_public.remove_photo(uuid) to reslot_user, reslot_admin;
grant execute on function
  app_private.photo_files_to_remove(uuid, integer), app_private.forget_photo_file(uuid) to reslot_worker;

-- functions/record_payment.sql
-- Cash and transfers: whoever took the money says so.
create or replace function app_private.checked_amount(amount numeric, most numeric, currency text) returns numeric
language plpgsql immutable
as $$
begin
  if amount is null or amount <= 0 or amount > most
     or amount <> app_private.rounded(amount, app_private.minor_unit(currency)) then
    perform app_private.fail('RSARG', format('The amount has to be more than nothing and at most %s %s.', most, currency));
  end if;
  return amount;
end
$$;
comment on function app_private.checked_amount(numeric, numeric, text) is 'An amount of a currency. Errors: RSARG.';

create or replace function app_private.record(
  booking app_public.bookings, amount numeric, method app_public.payment_method, reference text
) returns app_public.payments
language plpgsql volatile
as $$
declare
  v_open app_public.payments;
  v_id uuid;
  v_left numeric;
begin
  select * into v_open from app_public.payments y
  where y.booking_id = booking.id and app_private.is_open(y.status) for no key update;
  v_left := booking.price - app_private.kept_of(booking.id);
  if booking.status not in ('pending', 'confirmed', 'in_progress', 'delivered', 'completed')
     or booking.status = 'pending' and not booking.awaits_payment or v_left <= 0 then
    perform app_private.fail('RSSTA', 'Nothing is to be paid for this booking.');
  end if;
  perform app_private.checked_amount(amount, v_left, booking.currency);
  if amount < v_open.amount then
    perform app_private.fail('RSARG', format('At least %s %s are due.', v_open.amount, v_open.currency));
  end if;
  update app_public.payments y set amount = record.amount where y.id = v_open.id and y.amount <> record.amount;
  v_id := v_open.id;
  if v_id is null then
    insert into app_public.payments (organization_id, booking_id, purpose, provider, amount, currency)
    values (booking.organization_id, booking.id, case when v_left = booking.price then 'price' else 'balance'
      end::app_public.payment_purpose, 'manual', amount, booking.currency)
    returning id into v_id;
  end if;
  return app_private.settle_payment(v_id, method, app_private.checked_text(reference, 200));
end
$$;
comment on function app_private.record(app_public.bookings, numeric, app_public.payment_method, text) is 'Writes down what was paid by hand for a locked booking. Errors: RSSTA nothing to be paid, RSARG.';

create or replace function app_public.record_payment(
  booking_id uuid, amount numeric, method app_public.payment_method, reference text default null,
  idempotency_key text default null
) returns app_public.payments
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_id uuid := app_private.begin_idempotent('record_payment', idempotency_key,
    jsonb_build_array(booking_id, amount, method, reference));
  v_booking app_public.bookings;
  v_payment app_public.payments;
begin
  v_booking := app_private.lock_served_booking(booking_id);
  if v_id is not null then
    select * into v_payment from app_public.payments y where y.id = v_id;
    return v_payment;
  elsif method is null or method = 'stripe' then
    perform app_private.fail('RSARG', 'What can be recorded are cash and transfers; Stripe tells us itself.');
  end if;
  v_payment := app_private.record(v_booking, amount, method, reference);
  perform app_private.end_idempotent('record_payment', idempotency_key, v_payment.id);
  return v_payment;
end
$$;
comment on function app_public.record_payment(uuid, numeric, app_public.payment_method, text, text) is 'For managers and the provider: the customer has paid in cash or by transfer; at least what is due, at most what is left of the price. A booking that waits for it is confirmed. Errors: RSNTF, RSSTA nothing to be paid, RSARG.';

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
  elsif v_payment.method = 'stripe' then
    perform app_private.fail('RSARG', 'What was paid by Stripe is given back there; we hear of it.');
  end if;
  perform app_private.checked_amount(amount, v_payment.amount - v_payment.refunded, v_payment.currency);
  v_payment := app_private.note_refund(v_payment.id, v_payment.refunded + amount);
  perform app_private.end_idempotent('record_refund', idempotency_key, v_payment.id);
  return v_payment;
end
$$;
comment on function app_public.record_refund(uuid, numeric, text) is 'For managers and the provider: so much of a payment in cash or by transfer was given back by hand; `refundDue` says how much should be. Errors: RSNTF, RSSTA not paid, RSARG.';

revoke execute on function
  app_private.checked_amount(numeric, numeric, text),
  app_private.record(app_public.bookings, numeric, app_public.payment_method, text),
  app_public.record_payment(uuid, numeric, app_public.payment_method, text, text),
  app_public.record_refund(uuid, numeric, text) from public;
grant execute on function
  app_public.record_payment(uuid, numeric, app_public.payment_method, text, text),
  app_public.record_refund(uuid, numeric, text) to reslot_user, reslot_admin;

-- functions/stripe.sql
-- Stripe is never called inside a transaction. What is to be done there is marked on the payment, as mails are in the
-- outbox; a job leases it, calls, and writes down what came of it. Should it die in between, the next one calls with the
-- same key, and Stripe answers as it did the first time: nothing is charged or given back twice.

create or replace function app_public.start_payment(booking_id uuid) returns app_public.payments
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
  v_payment app_public.payments;
begin
  perform app_private.require_booking(booking_id, true, false);
  v_booking := app_private.lock_booking(booking_id);
  if not app_private.is_customer(v_booking.customer_id) or v_booking.status = 'held' then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  end if;
  select * into v_payment from app_public.payments y
  where y.booking_id = v_booking.id and app_private.is_open(y.status) for no key update;
  if v_payment.id is null then
    perform app_private.fail('RSSTA', 'Nothing is to be paid for this booking.');
  elsif v_payment.provider <> 'stripe' then
    perform app_private.fail('RSSTA', 'This is paid in cash or by transfer; please ask the organiser.');
  elsif v_booking.awaits_payment and v_booking.request_expires_at <= app_private.clock() then
    perform app_private.fail('RSEXP', 'It is too late to pay for this booking.');
  end if;
  update app_public.payments y
  set status = 'processing', checkouts = y.checkouts + 1, checkout_id = null, checkout_url = null, attempts = 0,
      next_attempt_at = app_private.clock(), error_code = null
  where y.id = v_payment.id and y.status in ('due', 'failed')
  returning * into v_payment;
  if not found then
    select * into v_payment from app_public.payments y
    where y.booking_id = v_booking.id and app_private.is_open(y.status);
  end if;
  return v_payment;
end
$$;
comment on function app_public.start_payment(uuid) is 'For the customer: begins to pay by Stripe what is due. A moment later `checkoutUrl` of the payment is the page to pay on (ask again until it is there). Again: the same payment. Errors: RSNTF no such booking or not yours, RSSTA nothing to be paid, or not by Stripe, RSEXP too late.';

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
      'locale', coalesce(c.locale, g.locale), 'frontEndUrl', g.front_end_url)
  from leased l
  join app_public.bookings b on b.id = l.booking_id
  join app_public.offerings f on f.id = b.offering_id
  join app_public.customers c on c.id = b.customer_id
  join app_public.organizations g on g.id = l.organization_id;
end
$$;
comment on function app_private.lease_payment_work(integer) is 'Takes up to so many payments for which something is to be done at Stripe, and says what: begin a checkout, or give back, with the key under which a repetition is the same call.';

create or replace function app_private.checkout_made(payment_id uuid, checkout integer, session_id text, url text) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  update app_public.payments y
  set checkout_id = checkout_made.session_id, checkout_url = checkout_made.url, attempts = 0, next_attempt_at = null,
      error_code = null
  where y.id = checkout_made.payment_id and y.checkouts = checkout_made.checkout and y.status = 'processing';
  return found;
end
$$;
comment on function app_private.checkout_made(uuid, integer, text, text) is 'The page to pay on is there. False if it is not wanted any more.';

create or replace function app_private.payment_work_failed(payment_id uuid, attempt integer, code text, permanent boolean) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  update app_public.payments y
  set error_code = left(coalesce(code, 'unknown'), 100),
      status = case when permanent and y.status = 'processing' then 'failed' else y.status end,
      next_attempt_at = case when permanent and y.status = 'processing' then null else y.next_attempt_at end
  where y.id = payment_work_failed.payment_id and y.attempts = payment_work_failed.attempt
    and y.next_attempt_at is not null;
end
$$;
comment on function app_private.payment_work_failed(uuid, integer, text, boolean) is 'Stripe could not be reached, or refused. What it refused for good ends a checkout, which can be begun again; a refund is owed, and is tried again all the same.';

create or replace function app_private.refund_made(payment_id uuid, total numeric) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform app_private.note_refund(payment_id, total);
end
$$;
comment on function app_private.refund_made(uuid, numeric) is 'Stripe has given back so much in total.';

create or replace function app_private.fail_payment(payment_id uuid, checkout integer, code text, tells boolean) returns void
language plpgsql volatile
as $$
declare
  v_payment app_public.payments;
begin
  update app_public.payments y
  set status = 'failed', error_code = left(code, 100), checkout_url = null, next_attempt_at = null, attempts = 0
  where y.id = fail_payment.payment_id and y.status = 'processing' and y.checkouts = fail_payment.checkout
  returning * into v_payment;
  if found and tells then
    perform app_private.notify_customer(b.customer_id, 'payment_failed', b.id, null,
      jsonb_build_object('paymentId', v_payment.id))
    from app_public.bookings b where b.id = v_payment.booking_id;
  end if;
end
$$;
comment on function app_private.fail_payment(uuid, integer, text, boolean) is 'A checkout has come to nothing; of one that was begun since it says nothing. It can be tried again until the deadline.';

create or replace function app_private.payment_of_intent(payment_id uuid, intent text) returns app_public.payments
language plpgsql volatile
as $$
declare
  v_asked app_public.payments;
  v_payment app_public.payments;
begin
  select * into v_asked from app_public.payments y where y.id = payment_of_intent.payment_id for no key update;
  if intent is null or v_asked.processed_at is null or v_asked.reference = intent then
    return v_asked;
  end if;
  select * into v_payment from app_public.payments y
  where y.booking_id = v_asked.booking_id and y.method = 'stripe' and y.reference = intent for no key update;
  if v_payment.id is null then
    insert into app_public.payments (organization_id, booking_id, purpose, provider, status, amount, currency)
    values (v_asked.organization_id, v_asked.booking_id, v_asked.purpose, 'stripe', 'cancelled', v_asked.amount,
      v_asked.currency)
    returning * into v_payment;
  end if;
  return v_payment;
end
$$;
comment on function app_private.payment_of_intent(uuid, text) is 'The payment that money at Stripe is for. What was paid a second time (at the desk, while the page was still open) is one of its own that nobody asks for, and so goes back.';

create or replace function app_private.take_stripe_event(event_id text, type text, payment_id uuid, what text, details jsonb)
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_payment app_public.payments;
begin
  -- What we did not ask for may be somebody else's who uses the same account.
  select * into v_payment from app_public.payments y where y.id = take_stripe_event.payment_id and y.provider = 'stripe';
  if v_payment.id is null then
    return 'not ours';
  end if;
  -- The locks before the event's own row: whoever brings it a second time waits there and finds it taken.
  perform app_private.lock_booking(v_payment.booking_id);
  v_payment := app_private.payment_of_intent(v_payment.id, details ->> 'intent');
  insert into app_private.stripe_events (id, type, payment_id)
  values (take_stripe_event.event_id, take_stripe_event.type, v_payment.id)
  on conflict on constraint stripe_events_pkey do nothing;
  if not found then
    return 'known';
  elsif (details ->> 'currency') is distinct from lower(v_payment.currency) then
    return 'another currency';
  end if;
  perform set_config('reslot.via', 'job', true);
  case what
    when 'paid' then
      if (details ->> 'amount')::numeric is distinct from v_payment.amount then
        return 'another amount';
      end if;
      perform app_private.settle_payment(v_payment.id, 'stripe', details ->> 'intent');
    when 'refunded' then
      -- Nothing is given back that was not paid: should that news be still to come, it is here now.
      perform app_private.settle_payment(v_payment.id, 'stripe', details ->> 'intent');
      perform app_private.note_refund(v_payment.id, (details ->> 'refunded')::numeric);
    when 'failed' then
      perform app_private.fail_payment(v_payment.id, (details ->> 'checkout')::integer, details ->> 'code', true);
    when 'expired' then
      perform app_private.fail_payment(v_payment.id, (details ->> 'checkout')::integer, 'checkout_expired', false);
  end case;
  return what;
end
$$;
comment on function app_private.take_stripe_event(text, text, uuid, text, jsonb) is 'What Stripe tells of a payment, once, whatever comes first: paid, refunded (so much in total), failed, or expired.';

create or replace function app_private.queue_payments() returns integer
language plpgsql volatile
as $$
begin
  if not exists (select from app_public.payments y where y.next_attempt_at <= (select app_private.clock())) then
    return 0;
  end if;
  -- As for sending: one key for all that dispatch.
  perform pg_advisory_xact_lock(hashtextextended('reslot:queue_sending', 0));
  return app_private.add_jobs('[{"task": "payments__carry_out", "key": "payments", "payload": {}}]');
end
$$;
comment on function app_private.queue_payments() is 'Queues a job while something is to be done at Stripe. It carries no ids: it takes what is due.';

revoke execute on function
  app_public.start_payment(uuid), app_private.lease_payment_work(integer),
  app_private.checkout_made(uuid, integer, text, text),
  app_private.payment_work_failed(uuid, integer, text, boolean), app_private.refund_made(uuid, numeric),
  app_private.fail_payment(uuid, integer, text, boolean),
  app_private.payment_of_intent(uuid, text),
  app_private.take_stripe_event(text, text, uuid, text, jsonb), app_private.queue_payments() from public;
grant execute on function app_public.start_payment(uuid) to reslot_user, reslot_admin;
grant execute on function
  app_private.lease_payment_work(integer), app_private.checkout_made(uuid, integer, text, text),
  app_private.payment_work_failed(uuid, integer, text, boolean), app_private.refund_made(uuid, numeric) to reslot_worker;
grant execute on function app_private.take_stripe_event(text, text, uuid, text, jsonb) to reslot_app;

-- functions/alternatives.sql
-- Who gets a no is told who else has time. Looked up without a lock on the others' rooms: it is advice, and booking
-- it checks again.

create or replace function app_private.stand_ins(booking app_public.bookings) returns setof app_public.alternative
language sql stable rows 3
as $$
  with said_no as materialized (
    select array_agg(n.id) as ids from (
      select booking.provider_id as id where booking.provider_id is not null
      union all
      select x.resource_id from app_public.offering_resources x
      join app_public.resources r on r.id = x.resource_id and not r.shared
      where booking.provider_id is null and x.offering_id = booking.offering_id
    ) n
  ),
  -- What is cheap to know, for the first of a long list; opening hours, which are dear, only for those.
  candidates as materialized (
    select f.id, f.name, f.organization_id, f.price, m.resource_id as provider_id, n.ids as needed, d.during,
      f.id = booking.offering_id as is_same
    from app_public.offerings own
    join app_public.offerings f
      on f.organization_id = own.organization_id and f.category = own.category and f.allocation = 'exclusive'
      and f.archived_at is null
    cross join lateral app_private.policy_of(f) p
    left join app_public.offering_resources m on m.offering_id = f.id and m.in_pool
    cross join lateral (
      select tstzrange(booking.starts_at, booking.starts_at
        + coalesce(f.duration, app_private.elapsed(booking.starts_at, booking.ends_at))) as during) d
    cross join lateral (
      select array_agg(x.resource_id) as ids from app_public.offering_resources x
      where x.offering_id = f.id and (not x.in_pool or x.resource_id = m.resource_id)) n
    cross join lateral (
      select app_private.elapsed((select app_private.clock()), booking.starts_at) as lead,
        app_private.elapsed(lower(d.during), upper(d.during)) as length) l
    where own.id = booking.offering_id and not n.ids && (select s.ids from said_no s)
      and l.lead > interval '0' and l.lead >= p.booking_cutoff
      and l.lead <= make_interval(hours => 24 * p.max_days_ahead)
      and l.length between p.min_duration and p.max_duration
      and not exists (
        select from app_private.occupancies o
        where o.resource_id = any (n.ids) and o.during && app_private.room_for(f.id, d.during, p))
      and not exists (
        select from app_public.blackouts k
        where k.organization_id = f.organization_id and k.lifted_at is null
          and k.starts_at < upper(d.during) and k.ends_at > lower(d.during)
          and (k.offering_id = f.id or k.resource_id = any (n.ids) or num_nonnulls(k.offering_id, k.resource_id) = 0))
    order by is_same desc, f.price, f.name, m.resource_id
    limit 30
  )
  select c.id, c.name, c.provider_id, r.name, null::uuid, lower(c.during), upper(c.during), c.price, g.currency
  from candidates c
  join app_public.organizations g on g.id = c.organization_id and g.archived_at is null
  left join app_public.resources r on r.id = c.provider_id
  where not exists (
    select from unnest(c.needed) i (id)
    where not app_private.hours_of(i.id, lower(c.during), upper(c.during)) @> c.during)
  order by c.is_same desc, c.price, c.name, c.provider_id
  limit 3
$$;
comment on function app_private.stand_ins(app_public.bookings) is 'Up to three providers or offerings of the same category that are free when a booking would have been, whoever was to serve it left out; those of the same offering first, then the cheapest.';

create or replace function app_private.alternatives_to(booking app_public.bookings) returns jsonb
language sql stable
as $$
  select case when booking.slot_id is not null then (
      select app_private.nearest_slots(s, booking.places, p, (select app_private.clock()))
      from app_public.slots s, app_public.policy_versions p
      where s.id = booking.slot_id and p.id = booking.policy_version_id)
    else (
      select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'offeringId', a.offering_id, 'offeringName', a.offering_name, 'providerId', a.provider_id,
        'providerName', a.provider_name, 'startsAt', a.starts_at, 'endsAt', a.ends_at)))
      from app_private.stand_ins(booking) a) end
$$;
comment on function app_private.alternatives_to(app_public.bookings) is 'What to offer to whom a booking was refused or cancelled: slots for places, stand-ins of the same category for a range of time; null if there is none.';

create or replace function app_public.alternatives_of_booking(booking_id uuid) returns setof app_public.alternative
language plpgsql stable security definer rows 3
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
begin
  select * into v_booking from app_public.bookings b
  where b.id = alternatives_of_booking.booking_id and b.status <> 'held';
  if v_booking.id is null
     or not (app_private.is_customer(v_booking.customer_id) or app_private.serves(v_booking)) then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  elsif v_booking.slot_id is null then
    return query select * from app_private.stand_ins(v_booking);
  else
    return query
      select v_booking.offering_id, f.name, null::uuid, null::text, n."slotId", n."startsAt", n."endsAt",
        (app_private.quote_for_slot(n."slotId", app_private.party_of_booking(v_booking), p)).price, v_booking.currency
      from app_public.offerings f
      join app_public.policy_versions p on p.id = v_booking.policy_version_id
      cross join lateral jsonb_to_recordset(app_private.alternatives_to(v_booking))
        as n ("slotId" uuid, "startsAt" timestamptz, "endsAt" timestamptz)
      where f.id = v_booking.offering_id;
  end if;
end
$$;
comment on function app_public.alternatives_of_booking(uuid) is 'For the customer of a booking and those who serve it: what could be booked instead, at most three. For a range of time the providers and offerings of the same category that are free then, without whoever was to serve it; for places of a slot the nearest slots with room for the party. Errors: RSNTF.';

create or replace function app_private.party_of_booking(booking app_public.bookings) returns app_private.party
language sql immutable
return row(booking.party_size, booking.adults, booking.children, booking.infants, booking.places)::app_private.party;
comment on function app_private.party_of_booking(app_public.bookings) is 'The party of a booking.';

revoke execute on function
  app_private.stand_ins(app_public.bookings), app_private.alternatives_to(app_public.bookings),
  app_private.party_of_booking(app_public.bookings), app_public.alternatives_of_booking(uuid) from public;
grant execute on function app_public.alternatives_of_booking(uuid) to reslot_user, reslot_admin;

-- functions/reviews.sql
create or replace function app_public.review_booking(booking_id uuid, rating integer, words text default null)
returns app_public.reviews
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
  v_review app_public.reviews;
  v_words text := app_private.checked_text(review_booking.words, 2000);
begin
  perform app_private.require_booking(booking_id, true, false);
  -- The customer first, who may be on their way to be erased. No room changes, so then the booking's own row is enough.
  perform app_private.lock_customer(b.customer_id) from app_public.bookings b where b.id = review_booking.booking_id;
  select * into v_booking from app_public.bookings b where b.id = review_booking.booking_id for no key update;
  if not app_private.is_customer(v_booking.customer_id) or v_booking.status = 'held' then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  elsif v_booking.review_id is not null then
    select * into v_review from app_public.reviews v where v.id = v_booking.review_id;
    if (v_review.rating, v_review.words) is distinct from (review_booking.rating, v_words) then
      perform app_private.fail('RSDUP', 'You have reviewed this booking already.');
    end if;
    return v_review;
  elsif v_booking.status <> 'completed' then
    perform app_private.fail('RSSTA', 'A booking can be reviewed once it is completed.');
  elsif rating is null or rating not between 1 and 5 then
    perform app_private.fail('RSARG', 'The rating has to be from 1 to 5.');
  end if;
  insert into app_public.reviews (organization_id, offering_id, provider_id, rating, words)
  values (v_booking.organization_id, v_booking.offering_id, v_booking.provider_id, review_booking.rating, v_words)
  returning * into v_review;
  update app_public.bookings b set review_id = v_review.id where b.id = v_booking.id;
  return v_review;
end
$$;
comment on function app_public.review_booking(uuid, integer, text) is 'The customer reviews a completed booking, once: a rating from 1 to 5, and words, of at most 2,000 characters. Everybody can read it; the name is not shown. The same again returns the same review. Errors: RSNTF no such booking or not yours, RSSTA not completed, RSDUP reviewed already, RSARG.';

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
comment on function app_public.reply_to_review(uuid, text) is 'The provider of a booking, or a manager, answers its review, once, in at most 2,000 characters. The same again returns the same review. Errors: RSNTF no such review that is theirs to answer, RSDUP answered already, RSARG.';

create or replace function app_public.offerings_average_rating(offering app_public.offerings) returns numeric
language sql stable
as $$
  select round(avg(v.rating), 2) from app_public.reviews v where v.offering_id = offering.id
$$;
comment on function app_public.offerings_average_rating(app_public.offerings) is 'The average of its reviews, to two places; null while there is none. How many there are: `reviews { totalCount }`.';

create or replace function app_public.resources_average_rating(resource app_public.resources) returns numeric
language sql stable
as $$
  select round(avg(v.rating), 2) from app_public.reviews v where v.provider_id = resource.id
$$;
comment on function app_public.resources_average_rating(app_public.resources) is 'The average of the reviews of what it served as a provider, to two places; null while there is none.';

revoke execute on function
  app_public.review_booking(uuid, integer, text), app_public.reply_to_review(uuid, text),
  app_public.offerings_average_rating(app_public.offerings), app_public.resources_average_rating(app_public.resources)
from public;
grant execute on function
  app_public.review_booking(uuid, integer, text), app_public.reply_to_review(uuid, text) to reslot_user, reslot_admin;
grant execute on function
  app_public.offerings_average_rating(app_public.offerings), app_public.resources_average_rating(app_public.resources)
to reslot_anonymous, reslot_user, reslot_admin;

-- functions/join_waitlist.sql
create or replace function app_private.join_queue(
  customer app_public.customers, offering_id uuid, during tstzrange, slot_id uuid, day date, party app_private.party,
  note text, wishes app_private.wishes default null
) returns app_public.waitlist_entries
language plpgsql volatile
as $$
declare
  v_offering app_public.offerings;
  v_policy app_public.policy_versions;
  v_wishes app_private.wishes;
  v_entry app_public.waitlist_entries;
  v_now timestamptz;
begin
  perform app_private.lock_room(array[offering_id]);
  v_now := app_private.clock();
  v_offering := app_private.find_offering(offering_id);
  perform app_private.check_allocation(v_offering, num_nonnulls(slot_id, day) > 0);
  v_policy := app_private.policy_of(v_offering);
  if not v_policy.waitlist_enabled then
    perform app_private.fail('RSOFF', 'There is no waiting list here.');
  end if;
  perform app_private.check_provider(offering_id, wishes.provider_id);
  v_wishes := app_private.checked_visit(v_offering, customer, wishes);
  v_entry.offering_id := offering_id;
  v_entry.provider_id := wishes.provider_id;
  v_entry.slot_id := slot_id;
  v_entry.day := day;
  v_entry.for_places := num_nonnulls(slot_id, day) > 0;
  v_entry := app_private.place_entry(v_entry, v_policy, during, party, v_now);
  perform app_private.check_may_wait(customer, v_offering, v_policy, tstzrange(v_entry.starts_at, v_entry.ends_at),
    app_private.has_room(v_entry), day);
  insert into app_public.waitlist_entries (
    organization_id, offering_id, slot_id, day, customer_id, policy_version_id, starts_at, ends_at, room, last_call_at,
    party_size, adults, children, infants, places, note, joined_at, provider_id, customer_address,
    customer_phone)
  values (v_offering.organization_id, v_offering.id, slot_id, day, customer.id, v_policy.id, v_entry.starts_at,
    v_entry.ends_at, v_entry.room, v_entry.last_call_at, v_entry.party_size, v_entry.adults, v_entry.children,
    v_entry.infants, v_entry.places, join_queue.note, v_now, v_entry.provider_id, v_wishes.customer_address,
    v_wishes.customer_phone)
  returning * into v_entry;
  perform app_private.notify_customer(customer.id, 'waitlist_joined', null, v_entry.id);
  return v_entry;
end
$$;
comment on function app_private.join_queue(app_public.customers, uuid, tstzrange, uuid, date, app_private.party, text, app_private.wishes) is 'Enters a locked customer into the queue for a range of time, a slot or a day. Errors: RSNTF, RSARG, RSOFF, RSTIM, RSBLK, RSAVL, RSDUP, RSLIM.';
revoke execute on function app_private.join_queue(app_public.customers, uuid, tstzrange, uuid, date, app_private.party, text, app_private.wishes) from public;
create or replace function app_private.place_entry(
  entry app_public.waitlist_entries, policy app_public.policy_versions, during tstzrange, party app_private.party,
  now_at timestamptz
) returns app_public.waitlist_entries
language plpgsql stable
as $$
declare
  v_entry app_public.waitlist_entries := entry;
  v_during tstzrange := during;
  v_party app_private.party := app_private.without_ages(party);
begin
  if entry.for_places then
    v_party := app_private.places_for(party, policy);
    v_during := app_private.places_waited_for(entry, policy, v_party, now_at);
    v_entry.room := v_during;
  else
    perform app_private.check_times(entry.offering_id, policy, v_during, now_at, false, entry.provider_id);
    v_entry.room := app_private.room_for(entry.offering_id, v_during, policy);
  end if;
  v_entry.starts_at := lower(v_during);
  v_entry.ends_at := upper(v_during);
  -- Of a day each slot has its own; this one is only the last there could be.
  v_entry.last_call_at := case when entry.day is null then lower(v_during) else upper(v_during) end - policy.last_call;
  v_entry.party_size := v_party.size;
  v_entry.adults := v_party.adults;
  v_entry.children := v_party.children;
  v_entry.infants := v_party.infants;
  v_entry.places := v_party.places;
  return v_entry;
end
$$;
create or replace function app_public.join_waitlist(
  offering_id uuid, starts_at timestamptz default null, ends_at timestamptz default null,
  local_starts_at timestamp default null, local_ends_at timestamp default null,
  party_size integer default 1, note text default null, idempotency_key text default null,
  slot_id uuid default null, day date default null,
  adults integer default null, children integer default null, infants integer default null,
  provider_id uuid default null, customer_address text default null, customer_phone text default null
) returns app_public.waitlist_entries
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users := app_private.require_user();
  v_offering app_public.offerings := app_private.find_offering(offering_id);
  v_during tstzrange;
  v_id uuid;
  v_entry app_public.waitlist_entries;
begin
  if num_nonnulls(slot_id, day) = 2 then
    perform app_private.fail('RSARG', 'Wait for a slot or for a day, not for both.');
  elsif day is not null and day not between date '1900-01-01' and date '9999-01-01' then
    perform app_private.fail('RSTIM', 'The day has to be a real date.');
  elsif day is not null and num_nonnulls(starts_at, ends_at, local_starts_at, local_ends_at) > 0 then
    perform app_private.fail('RSARG', 'Who waits for a day waits for all of it: leave start and end out.');
  elsif day is null then
    v_during := app_private.requested_room(offering_id, slot_id, starts_at, ends_at, local_starts_at, local_ends_at);
  end if;
  v_id := app_private.begin_idempotent('join_waitlist', idempotency_key,
    jsonb_build_array(offering_id, extract(epoch from lower(v_during)), extract(epoch from upper(v_during)), party_size, note,
      slot_id, day::text, adults, children, infants, provider_id, customer_address, customer_phone));
  if v_id is null then
    v_entry := app_private.join_queue(
      app_private.customer_of_user(v_user.id, v_offering.organization_id), offering_id, v_during, slot_id, day,
      app_private.checked_party(party_size, adults, children, infants), app_private.checked_text(note, 500),
      app_private.checked_wishes(null, null, null, null, provider_id, customer_address, customer_phone));
    perform app_private.end_idempotent('join_waitlist', idempotency_key, v_entry.id);
    return v_entry;
  end if;
  select * into v_entry from app_public.waitlist_entries e where e.id = v_id;
  return v_entry;
end
$$;
comment on function app_public.join_waitlist(uuid, timestamptz, timestamptz, timestamp, timestamp, integer, text, text, uuid, date, integer, integer, integer, uuid, text, text) is 'Waits for taken room: a range of time, places of a slot, or places of any slot of a local date. What has a fixed duration needs no end; where one of several providers serves it, whoever of them is free first, or the one that is named, will do. What goes to the customer needs an address and a number, as in `createBooking`. When it (or a longer range around it) is freed, it is held for one person after another, by priority and time of joining. Errors: RSAUT, RSVER, RSNTF no such offering or provider, RSOFF no waiting list here, RSTIM, RSBLK not bookable at that time, RSAVL free: book it, RSDUP already waiting or booked, RSLIM daily limit or size of the party, RSARG.';
revoke execute on function app_public.join_waitlist(uuid, timestamptz, timestamptz, timestamp, timestamp, integer, text, text, uuid, date, integer, integer, integer, uuid, text, text) from public;
grant execute on function app_public.join_waitlist(uuid, timestamptz, timestamptz, timestamp, timestamp, integer, text, text, uuid, date, integer, integer, integer, uuid, text, text) to reslot_user, reslot_admin;

-- functions/claim_slot.sql
create or replace function app_private.claim_hold(entry app_public.waitlist_entries, policy app_public.policy_versions, now_at timestamptz)
returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_terms app_private.booking_terms := app_private.terms_of(policy, entry.starts_at, now_at,
    app_private.needs_approval(policy, entry.customer_id, now_at));
  v_booking app_public.bookings;
begin
  -- One of the whole organisation takes its offers back a little later, room by room.
  perform app_private.refuse_if_blacked_out(entry.offering_id, entry.starts_at, entry.ends_at);
  select t.* into v_terms
  from app_public.bookings b cross join lateral app_private.until_paid(
    v_terms, policy, app_private.to_be_paid_first(policy, b.price, b.currency), b.starts_at, now_at) t
  where b.id = entry.hold_id;
  update app_public.bookings b
  set status = v_terms.status, hold_expires_at = null, unclaimed = false, made_at = now_at, request_expires_at = v_terms.request_expires_at,
      confirm_by = v_terms.confirm_by, attendance_confirmed_at = v_terms.attendance_confirmed_at,
      attendance_confirmed_how = v_terms.attendance_confirmed_how, awaits_payment = coalesce(v_terms.awaits_payment, false)
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
  return app_private.insert_booking(
    entry.offering_id, entry.customer_id, policy, v_during, app_private.party_of(entry), app_private.wishes_of(entry), null,
    now_at,
    app_private.terms_to_pay(
      app_private.terms_of(policy, v_entry.starts_at, now_at, app_private.needs_approval(policy, entry.customer_id, now_at)),
      policy, app_private.find_offering(entry.offering_id), v_entry.slot_id, app_private.party_of(entry), v_entry.starts_at, now_at),
    null, v_entry.slot_id);
end
$$;

-- functions/blackouts.sql
create or replace function app_private.bookings_hit(blackout app_public.blackouts) returns setof app_public.bookings
language sql stable
as $$
  select b.* from app_public.bookings b
  where b.organization_id = blackout.organization_id and b.offering_id in (select app_private.offerings_hit(blackout))
    and b.ended_at is null and app_private.occupies(b) and b.starts_at < blackout.ends_at and b.ends_at > blackout.starts_at
    and (blackout.resource_id is null or blackout.resource_id = any (app_private.resources_taken(b)))
  order by b.starts_at, b.id
$$;
comment on function app_public.blackout_conflicts(uuid, timestamptz, timestamptz, uuid, uuid) is 'For managers, and for providers of themselves: the live bookings that a blackout of a resource, an offering or the whole organisation would hit. Errors: RSNTF, RSARG, RSTIM.';
create or replace function app_private.checked_blackout(
  organization_id uuid, offering_id uuid, resource_id uuid, starts_at timestamptz, ends_at timestamptz
) returns app_public.blackouts
language plpgsql stable
as $$
declare
  v_blackout app_public.blackouts;
begin
  if num_nonnulls(offering_id, resource_id) > 1 then
    perform app_private.fail('RSARG', 'Name an offering or a resource, not both.');
  elsif not (app_private.is_manager_in(organization_id) or coalesce(app_private.is_manager_of(offering_id), false)
             or coalesce(resource_id in (select app_private.own_resource_ids()), false))
     or offering_id is not null and not exists (
       select from app_public.offerings f where f.id = checked_blackout.offering_id and f.organization_id = checked_blackout.organization_id)
     or resource_id is not null and not exists (
       select from app_public.resources r where r.id = checked_blackout.resource_id and r.organization_id = checked_blackout.organization_id)
     or not exists (select from app_public.organizations g where g.id = checked_blackout.organization_id) then
    perform app_private.fail('RSNTF', 'There is nothing by this id that is yours to close.');
  elsif starts_at is null or ends_at is null or not isfinite(starts_at) or not isfinite(ends_at) or starts_at >= ends_at then
    perform app_private.fail('RSTIM', 'The end has to come after the start, and both have to be real dates.');
  end if;
  v_blackout.organization_id := organization_id;
  v_blackout.offering_id := offering_id;
  v_blackout.resource_id := resource_id;
  v_blackout.starts_at := starts_at;
  v_blackout.ends_at := ends_at;
  return v_blackout;
end
$$;
create or replace function app_public.create_blackout(
  organization_id uuid, starts_at timestamptz, ends_at timestamptz, reason text,
  offering_id uuid default null, resource_id uuid default null,
  kind app_public.blackout_kind default 'custom', cancel_bookings boolean default false,
  idempotency_key text default null
) returns app_public.blackouts
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_blackout app_public.blackouts := app_private.checked_blackout(organization_id, offering_id, resource_id, starts_at, ends_at);
  v_reason text := app_private.checked_text(reason, 500);
  v_id uuid;
begin
  if v_reason is null then
    perform app_private.fail('RSARG', 'Please give a reason; customers are told.');
  end if;
  v_id := app_private.begin_idempotent('create_blackout', idempotency_key,
    jsonb_build_array(organization_id, extract(epoch from starts_at), extract(epoch from ends_at), reason, offering_id,
      resource_id, kind, cancel_bookings));
  if v_id is not null then
    select * into v_blackout from app_public.blackouts k where k.id = v_id;
    return v_blackout;
  end if;
  if num_nonnulls(offering_id, resource_id) = 1 then
    perform app_private.lock_room(array(select app_private.offerings_hit(v_blackout)));
  end if;
  insert into app_public.blackouts (
    organization_id, offering_id, resource_id, starts_at, ends_at, kind, reason, cancels_bookings, created_by)
  values (v_blackout.organization_id, v_blackout.offering_id, v_blackout.resource_id, v_blackout.starts_at,
    v_blackout.ends_at, coalesce(create_blackout.kind, 'custom'), v_reason, coalesce(cancel_bookings, false),
    app_private.current_user_id())
  returning * into v_blackout;
  if num_nonnulls(offering_id, resource_id) = 1 then
    perform app_private.stand_in_for(b) from app_private.bookings_hit(v_blackout) b where v_blackout.resource_id is not null;
  end if;
  perform app_private.refuse_blackout(v_blackout) where not v_blackout.cancels_bookings;
  if num_nonnulls(offering_id, resource_id) = 1 then
    perform app_private.clear_for_blackout(b, v_reason) from app_private.bookings_hit(v_blackout) b;
  else
    perform app_private.plan_sweeps(v_blackout.id);
  end if;
  perform app_private.end_idempotent('create_blackout', idempotency_key, v_blackout.id);
  return v_blackout;
end
$$;
comment on function app_public.create_blackout(uuid, timestamptz, timestamptz, text, uuid, uuid, app_public.blackout_kind, boolean, text) is 'For managers: closes a resource, an offering, or the whole organisation for a time; for providers: takes time off, with their own resource. Bookings that another of several providers can serve are given to them, and their customers told. Over other bookings it is refused with their list, unless told to cancel them. Errors: RSNTF, RSARG, RSTIM, RSBLK bookings in the way (details: bookings).';
create or replace function app_public.lift_blackout(blackout_id uuid) returns app_public.blackouts
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_blackout app_public.blackouts;
begin
  select * into v_blackout from app_public.blackouts k where k.id = lift_blackout.blackout_id;
  if v_blackout.id is null
     or not (app_private.is_manager_in(v_blackout.organization_id)
             or coalesce(app_private.is_manager_of(v_blackout.offering_id), false)
             -- One's own time off, not what a manager has entered.
             or coalesce(v_blackout.created_by = app_private.current_user_id()
               and v_blackout.resource_id in (select app_private.own_resource_ids()), false)) then
    perform app_private.fail('RSNTF', 'There is no such blackout.');
  end if;
  if num_nonnulls(v_blackout.offering_id, v_blackout.resource_id) = 1 then
    perform app_private.lock_room(array(select app_private.offerings_hit(v_blackout)));
  end if;
  update app_public.blackouts k set lifted_at = app_private.clock()
  where k.id = v_blackout.id and k.lifted_at is null
  returning * into v_blackout;
  if not found then
    select * into v_blackout from app_public.blackouts k where k.id = lift_blackout.blackout_id;
    return v_blackout;
  end if;
  if num_nonnulls(v_blackout.offering_id, v_blackout.resource_id) = 0 then
    perform app_private.plan_sweeps(v_blackout.id);
  else
    -- All its rooms at once: it is one freeing, of which everyone is told once.
    perform app_private.hand_on(
      case when v_blackout.offering_id is null then array[v_blackout.resource_id]
        else app_private.resources_of(v_blackout.offering_id) end,
      tstzrange(v_blackout.starts_at, v_blackout.ends_at));
    perform app_private.hand_on_slots(
      array(select app_private.offerings_hit(v_blackout)), tstzrange(v_blackout.starts_at, v_blackout.ends_at));
  end if;
  return v_blackout;
end
$$;
comment on function app_public.lift_blackout(uuid) is 'For managers, and for providers of their own time off: ends a blackout; its time goes to the people waiting. Lifting again returns the same blackout. Errors: RSNTF.';

-- functions/configuration.sql
create or replace function app_public.set_opening_hours(
  resource_id uuid, hours jsonb, keep_bookings boolean default false
) returns setof app_public.opening_hours
language plpgsql volatile security definer rows 7
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_resource app_public.resources;
  v_outside jsonb;
begin
  select * into v_resource from app_public.resources r where r.id = set_opening_hours.resource_id;
  if v_resource.id is null or not app_private.is_manager_in(v_resource.organization_id) then
    perform app_private.fail('RSNTF', 'There is no such resource.');
  end if;
  perform app_private.lock_resource(v_resource.id);
  perform app_private.replace_hours(v_resource, hours);
  select jsonb_agg(jsonb_build_object('id', b.id, 'reference', b.reference, 'startsAt', b.starts_at, 'endsAt', b.ends_at))
  into v_outside
  from app_public.bookings b
  where b.offering_id in (
      select x.offering_id from app_public.offering_resources x where x.resource_id = v_resource.id)
    and b.status in ('pending', 'confirmed') and b.starts_at > (select app_private.clock())
    -- A slot takes place when its schedule says.
    and b.slot_id is null and v_resource.id = any (app_private.resources_taken(b))
    and not app_private.hours_of(v_resource.id, b.starts_at, b.ends_at) @> tstzrange(b.starts_at, b.ends_at);
  if v_outside is not null and not coalesce(keep_bookings, false) then
    perform app_private.fail('RSBLK',
      'There are bookings outside these hours (see details). Say keepBookings to let them stand.',
      jsonb_build_object('bookings', v_outside));
  end if;
  -- Whoever was offered a time that is closed now loses the offer, not the place in the queue.
  perform app_private.end_offer(e.id, 'waiting', 'This time is outside the opening hours now.')
  from app_public.waitlist_entries e join app_public.bookings h on h.id = e.hold_id
  where not e.for_places and v_resource.id = any (app_private.resources_taken(h))
    and e.offering_id in (
      select x.offering_id from app_public.offering_resources x where x.resource_id = v_resource.id)
    and not app_private.hours_of(v_resource.id, e.starts_at, e.ends_at) @> tstzrange(e.starts_at, e.ends_at);
  perform app_private.hand_on(array[v_resource.id], tstzrange(app_private.clock(), null));
  return query select h.* from app_public.opening_hours h where h.resource_id = v_resource.id order by h.weekday, h.opens;
end
$$;
-- Whoever comes to a pool or leaves it changes nothing for what the others serve.
create or replace function app_private.is_change_of_pool(offering app_public.offerings, resource_ids uuid[], pool_ids uuid[]) returns boolean
language sql stable
as $$
  select coalesce(cardinality(pool_ids), 0) > 0 and app_private.has_pool(offering.id)
    and not exists (
      select from app_public.offering_resources x
      where x.offering_id = offering.id and not x.in_pool and x.resource_id <> all (coalesce(resource_ids, '{}')))
    and not exists (
      select from unnest(resource_ids) i (id)
      where not exists (select from app_public.offering_resources x
                        where x.offering_id = offering.id and x.resource_id = i.id and not x.in_pool))
    and not exists (
      select from app_public.bookings b
      where b.offering_id = offering.id and b.ended_at is null and b.provider_id <> all (pool_ids))
    and not exists (
      select from app_public.waitlist_entries e
      where e.offering_id = offering.id and e.ended_at is null and e.provider_id <> all (pool_ids))
$$;
comment on function app_private.is_change_of_pool(app_public.offerings, uuid[], uuid[]) is 'Whether only the pool of an offering would change, and nobody leaves it who has bookings or is waited for.';
revoke execute on function app_private.is_change_of_pool(app_public.offerings, uuid[], uuid[]) from public;
create or replace function app_public.set_offering_resources(
  offering_id uuid, resource_ids uuid[], pool_ids uuid[] default '{}'
) returns app_public.offerings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_offering app_public.offerings;
  v_all uuid[] := coalesce(resource_ids, '{}') || coalesce(pool_ids, '{}');
  v_before uuid[];
begin
  select * into v_offering from app_public.offerings f where f.id = set_offering_resources.offering_id;
  if v_offering.id is null or not app_private.is_manager_in(v_offering.organization_id)
     or exists (select from unnest(v_all) i (id)
                where not exists (select from app_public.resources r
                                  where r.id = i.id and r.organization_id = v_offering.organization_id)) then
    perform app_private.fail('RSNTF', 'There is no such offering or resource.');
  elsif cardinality(v_all) not between 1 and 50 then
    perform app_private.fail('RSARG', 'An offering uses 1 to 50 resources.');
  elsif resource_ids && pool_ids then
    perform app_private.fail('RSARG', 'A resource is used by every booking, or is one of several of which one is used; not both.');
  elsif v_offering.allocation = 'capacity' and cardinality(pool_ids) > 0 then
    perform app_private.fail('RSARG', 'A slot takes all of its resources: what is booked by the place has no pool.');
  end if;
  -- With all that uses what is new here, for it may serve at once who waits; before them what nothing uses yet, so that
  -- two offerings that begin to use it do so one after the other.
  perform from app_public.resources r
  where r.id = any (v_all) and not exists (select from app_public.offering_resources x where x.resource_id = r.id)
  order by r.id for no key update;
  perform app_private.lock_room(v_offering.id || array(
    select x.offering_id from app_public.offering_resources x where x.resource_id = any (v_all)));
  v_before := app_private.resources_of(v_offering.id);
  if (exists (select from app_public.bookings b where b.offering_id = v_offering.id and b.ended_at is null)
      or exists (select from app_public.waitlist_entries e where e.offering_id = v_offering.id and e.ended_at is null)
      or exists (select from app_public.slots s where s.offering_id = v_offering.id and s.ended_at is null))
     and not app_private.is_change_of_pool(v_offering, resource_ids, pool_ids) then
    perform app_private.fail('RSSTA', 'This offering has bookings, slots or people waiting; create a new one and archive this one.');
  elsif v_offering.allocation = 'exclusive'
     and not exists (select from app_public.resources r where r.id = any (v_all) and not r.shared)
     or exists (select from app_public.resources r where r.id = any (pool_ids) and r.shared) then
    perform app_private.fail('RSARG', 'What many can use at once is never taken: name a resource that is in one place only.');
  end if;
  delete from app_public.offering_resources x where x.offering_id = v_offering.id;
  insert into app_public.offering_resources (offering_id, resource_id, organization_id, in_pool)
  select distinct v_offering.id, i.id, v_offering.organization_id, i.id = any (coalesce(pool_ids, '{}'))
  from unnest(v_all) i (id);
  perform app_private.hand_on(array(
    select i.id from unnest(pool_ids) i (id) where i.id <> all (v_before) order by i.id), tstzrange(app_private.clock(), null));
  return v_offering;
end
$$;
comment on function app_public.set_offering_resources(uuid, uuid[], uuid[]) is 'For managers: which resources an offering uses, all of them at once, and of `poolIds` (the providers of a service) one; only while it has neither bookings, slots nor people waiting. The pool may change later, too: who comes to it serves who waits, and who leaves it has no bookings there, nor is waited for. Errors: RSNTF, RSARG, RSSTA.';
create or replace function app_private.policy_versions_normalise() returns trigger
language plpgsql
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  new.request_ttl := app_private.in_seconds(new.request_ttl);
  new.confirm_if_booked_before := app_private.in_seconds(new.confirm_if_booked_before);
  new.confirm_deadline := app_private.in_seconds(new.confirm_deadline);
  new.min_notice := app_private.in_seconds(new.min_notice);
  new.claim_window := app_private.in_seconds(new.claim_window);
  new.min_claim_window := app_private.in_seconds(new.min_claim_window);
  new.last_call := app_private.in_seconds(new.last_call);
  new.urgent_before := app_private.in_seconds(new.urgent_before);
  new.buffer_before := app_private.in_seconds(new.buffer_before);
  new.buffer_after := app_private.in_seconds(new.buffer_after);
  new.min_duration := app_private.in_seconds(new.min_duration);
  new.max_duration := app_private.in_seconds(new.max_duration);
  new.booking_cutoff := app_private.in_seconds(new.booking_cutoff);
  new.full_refund_until := app_private.in_seconds(new.full_refund_until);
  new.half_refund_until := app_private.in_seconds(new.half_refund_until);
  new.minimum_cutoff := app_private.in_seconds(new.minimum_cutoff);
  new.mail_give_up_after := app_private.in_seconds(new.mail_give_up_after);
  new.guest_link_ttl := app_private.in_seconds(new.guest_link_ttl);
  new.complete_delivered_after := app_private.in_seconds(new.complete_delivered_after);
  new.provider_reminder_lead := app_private.in_seconds(new.provider_reminder_lead);
  new.expiry_grace := app_private.in_seconds(new.expiry_grace);
  new.offence_window := app_private.in_seconds(new.offence_window);
  new.payment_due := app_private.in_seconds(new.payment_due);
  new.reminder_leads := array(select app_private.in_seconds(l) from unnest(new.reminder_leads) with ordinality u (l, n) order by n);
  return new;
end
$$;
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
        (app_private.terms_of(policy, b.starts_at, b.made_at, true)).request_expires_at) end,
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
revoke execute on function
  app_public.set_opening_hours(uuid, jsonb, boolean), app_private.lock_resource(uuid),
  app_public.archive_resource(uuid, boolean),
  app_private.replace_hours(app_public.resources, jsonb), app_public.set_offering_resources(uuid, uuid[], uuid[]),
  app_public.revise_policy(uuid, jsonb), app_private.policy_versions_normalise(), app_public.apply_policy(uuid),
  app_private.apply_policy_to(app_public.bookings, app_public.policy_versions) from public;
grant execute on function
  app_public.set_opening_hours(uuid, jsonb, boolean), app_public.archive_resource(uuid, boolean),
  app_public.set_offering_resources(uuid, uuid[], uuid[]),
  app_public.revise_policy(uuid, jsonb), app_public.apply_policy(uuid) to reslot_user, reslot_admin;

-- functions/end_slot.sql
create or replace function app_private.cancel_slot_for(slot app_public.slots, reason text) returns app_public.slots
language plpgsql volatile
as $$
declare
  v_slot app_public.slots;
  v_entry app_public.waitlist_entries;
  v_booking app_public.bookings;
begin
  update app_public.slots s set ended_at = app_private.clock(), cancelled_reason = cancel_slot_for.reason
  where s.id = slot.id
  returning * into v_slot;
  -- Whoever waits for any slot of the day goes on waiting; whoever waits for this one waits for nothing.
  -- Nobody has let go of it, so that nobody is passed over for another slot of the day.
  -- In the order of the queue: who came first is the first to be offered that.
  for v_entry in
    select e.* from app_public.waitlist_entries e where e.slot_id = slot.id and e.status = 'offered'
    order by e.priority, e.joined_at, e.id
  loop
    perform app_private.end_offer(v_entry.id, 'waiting', reason);
  end loop;
  for v_entry in
    update app_public.waitlist_entries e set status = 'closed', ended_at = app_private.clock()
    where e.slot_id = slot.id and e.status = 'waiting'
    returning *
  loop
    perform app_private.notify_customer(v_entry.customer_id, 'entry_ended', null, v_entry.id,
      jsonb_build_object('reason', reason));
  end loop;
  for v_booking in
    select b.* from app_public.bookings b where b.slot_id = slot.id and b.ended_at is null and app_private.occupies(b) order by b.id
  loop
    v_booking := app_private.end_booking(v_booking.id, 'cancelled', reason, refund => v_booking.price);
    perform app_private.notify_customer(v_booking.customer_id, 'booking_cancelled', v_booking.id, null,
      jsonb_build_object('actor', 'manager', 'reason', reason, 'alternatives', app_private.alternatives_to(v_booking)));
  end loop;
  perform app_private.give_back_room_of_slot(slot.id);
  return v_slot;
end
$$;

-- functions/manage_slots.sql
-- Whoever came last loses the offer first, and keeps the place in the queue. But of those who lose theirs, who came first
-- is the first to be offered another slot of the day.
create or replace function app_private.take_back_offers(slot app_public.slots, until_taken integer, reason text) returns void
language plpgsql volatile
as $$
declare
  v_id uuid;
begin
  for v_id in
    select o.id
    from app_public.slots s
    cross join lateral (
      select e.id, e.priority, e.joined_at,
        sum(e.places) over (order by e.priority desc, e.joined_at desc, e.id desc) - e.places as lost_before
      from app_public.waitlist_entries e where e.slot_id = s.id and e.status = 'offered'
    ) o
    where s.id = slot.id and s.taken - o.lost_before > until_taken
    order by o.priority, o.joined_at, o.id
  loop
    perform app_private.end_offer(v_id, 'waiting', reason);
  end loop;
end
$$;

-- functions/expiry.sql
-- A booking that has to be delivered and of which nobody says anything once its time is over must not stay in progress for
-- ever. When its grace has passed and nobody has touched it meanwhile, it ends as expired, and everything is given back:
-- nothing shows that anything was delivered. (Requests that nobody answers end before the start: expire_request.)

create or replace function app_private.holidays_of(booking app_public.bookings, since timestamptz) returns tstzmultirange
language sql stable
as $$
  select coalesce(range_agg(tstzrange(k.starts_at, k.ends_at)), '{}')
  from app_public.blackouts k
  where k.kind = 'holiday' and k.lifted_at is null and k.organization_id = booking.organization_id
    and k.ends_at > since
    and (num_nonnulls(k.offering_id, k.resource_id) = 0 or k.offering_id = booking.offering_id
      or k.resource_id = booking.provider_id
      or booking.provider_id is null and k.resource_id in (
        select x.resource_id from app_public.offering_resources x where x.offering_id = booking.offering_id))
$$;
comment on function app_private.holidays_of(app_public.bookings, timestamptz) is 'Holidays of whoever serves a booking: blackouts of that kind, of its provider (else its resources), its offering or the organisation.';

create or replace function app_private.expiry_of(booking app_public.bookings, since timestamptz) returns timestamptz
language sql stable
as $$
  select app_private.after_working_grace(since,
    app_private.in_seconds(coalesce((p.expiry_grace_by_category ->> f.category)::interval, p.expiry_grace)),
    coalesce((select r.time_zone from app_public.resources r where r.id = booking.provider_id), app_private.zone_of(f.id)),
    p.expiry_skips_weekends,
    case when p.expiry_skips_holidays then app_private.holidays_of(booking, since) else '{}' end)
  from app_public.policy_versions p, app_public.offerings f
  where p.id = booking.policy_version_id and f.id = booking.offering_id
$$;
comment on function app_private.expiry_of(app_public.bookings, timestamptz) is 'When a booking expires of which nobody says anything from a moment on, by its policy, the category of its offering, and the calendar where it is served.';

create or replace function app_private.last_touched(booking app_public.bookings) returns timestamptz
language sql stable
as $$
  select max(a.at) from app_public.audit_log a
  where a.record_id = booking.id and a.via <> 'job' and (a.actor_user_id is not null or a.via = 'link')
$$;
comment on function app_private.last_touched(app_public.bookings) is 'When a person last changed a booking; what time does is no touch.';

create or replace function app_private.expire_booking(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_policy app_public.policy_versions;
  v_due timestamptz := v_booking.expires_at;
  v_until timestamptz;
  v_now timestamptz := app_private.clock();
begin
  select * into v_policy from app_public.policy_versions p where p.id = v_booking.policy_version_id;
  if (app_private.booking_deadline(v_booking, v_policy)).action is distinct from 'expire' or v_due > v_now then
    return;
  end if;
  -- Asked again now: a holiday may have been entered since, or somebody have touched it.
  v_until := app_private.expiry_of(v_booking, greatest(v_booking.ends_at, app_private.last_touched(v_booking)));
  if v_until > v_now then
    update app_public.bookings b set expires_at = v_until where b.id = v_booking.id;
    perform app_private.note_automation(v_booking, 'expire', v_due, 'postponed');
  elsif v_policy.expiry = 'dry_run' then
    update app_public.bookings b set would_expire_at = v_now where b.id = v_booking.id;
    perform app_private.note_automation(v_booking, 'expire', v_due, 'dry_run');
  else
    perform app_private.end_booking(v_booking.id, 'expired', 'Nobody said in time that it was done.',
      refund => v_booking.price);
    if v_policy.expiry_mails then
      perform app_private.notify_customer(v_booking.customer_id, 'service_expired', v_booking.id, null);
      perform app_private.notify_managers(v_booking.offering_id, 'expiry_notice', v_booking.id, null,
        jsonb_build_object('reason', 'Nobody said in time that it was done.'));
      perform app_private.notify_provider(v_booking, 'expiry_notice',
        jsonb_build_object('reason', 'Nobody said in time that it was done.'));
    end if;
    perform app_private.note_automation(v_booking, 'expire', v_due);
  end if;
end
$$;
comment on function app_private.expire_booking(uuid) is 'Ends a booking that was to be delivered and of which nobody says anything, once its grace is over and nobody touched it lately; else puts that off. Gives all of its price back.';

create or replace function app_public.keep_booking(booking_id uuid, reason text) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_reason text := app_private.checked_text(reason, 500);
  v_booking app_public.bookings;
begin
  if not app_private.is_provider_of(booking_id) then
    perform app_private.require_booking(booking_id, false, true);
  end if;
  v_booking := app_private.lock_booking(booking_id);
  if not (app_private.is_provider_of(booking_id) or app_private.is_manager_of(v_booking.offering_id)) then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  elsif v_booking.status <> 'in_progress' or v_booking.expires_at is null then
    perform app_private.fail('RSSTA', format('This booking is %s and does not expire.', replace(v_booking.status::text, '_', ' ')));
  elsif v_reason is null then
    perform app_private.fail('RSARG', 'Please give a reason; it goes into the log.');
  end if;
  perform set_config('reslot.reason', v_reason, true);
  update app_public.bookings b
  set expires_at = greatest(b.expires_at, app_private.expiry_of(v_booking, greatest(b.ends_at, app_private.clock()))),
      would_expire_at = null
  where b.id = v_booking.id
  returning * into v_booking;
  return v_booking;
end
$$;
comment on function app_public.keep_booking(uuid, text) is 'For the provider and managers: it is still being worked on, so the grace until it expires begins anew. The reason goes into the log. Errors: RSNTF, RSSTA not in progress, or it does not expire, RSARG no reason, or too long.';

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
  foreach v_id in array app_private.lock_due('{await_delivery,expire}') loop
    continue when not exists (
      select from app_public.bookings b
      where b.id = v_id and b.expires_at <= (select app_private.clock())
        and b.organization_id = coalesce(expire_overdue_bookings.organization_id, b.organization_id));
    -- What comes before it, if nobody has done that either.
    perform app_private.await_delivery(v_id);
    perform app_private.expire_booking(v_id);
    return query select b.* from app_public.bookings b where b.id = v_id and b.status = 'expired';
  end loop;
end
$$;
comment on function app_public.expire_overdue_bookings(uuid) is 'For admins: does at once what the worker would do to bookings whose grace is over, of one organisation or of all; returns those that expired. Errors: RSNTF not an admin.';

create or replace function app_public.expired_bookings(organization_id uuid default null) returns setof app_public.bookings
language sql stable security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select b.* from app_public.bookings b
  where b.status = 'expired' and not b.unclaimed
    and (expired_bookings.organization_id is null or b.organization_id = expired_bookings.organization_id)
    and (app_private.is_admin() or b.offering_id = any (array(select app_private.managed_offering_ids())))
  order by b.ended_at desc, b.id
$$;
comment on function app_public.expired_bookings(uuid) is 'For managers: requests that nobody answered and bookings of which nobody said that they were done, the last first; `endedReason` says which. (What a policy in dry run would have ended has `wouldExpireAt`.)';

revoke execute on function
  app_private.holidays_of(app_public.bookings, timestamptz), app_private.expiry_of(app_public.bookings, timestamptz),
  app_private.last_touched(app_public.bookings), app_private.expire_booking(uuid),
  app_public.keep_booking(uuid, text), app_public.expire_overdue_bookings(uuid), app_public.expired_bookings(uuid)
from public;
grant execute on function
  app_public.keep_booking(uuid, text), app_public.expire_overdue_bookings(uuid), app_public.expired_bookings(uuid)
to reslot_user, reslot_admin;

-- functions/time.sql
create or replace function app_private.remind(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
  v_policy app_public.policy_versions;
  v_due timestamptz;
  v_done integer;
  v_now timestamptz;
begin
  -- No room changes, so the booking's own row is lock enough.
  select * into v_booking from app_public.bookings b where b.id = remind.booking_id for no key update;
  select * into v_policy from app_public.policy_versions p where p.id = v_booking.policy_version_id;
  v_now := app_private.clock();
  v_due := app_private.next_reminder(v_booking, v_policy);
  if v_booking.status <> 'confirmed' or coalesce(v_due > v_now, true) then
    return;
  end if;
  -- A late worker sends one reminder, not all that were missed.
  update app_public.bookings b
  set reminders_done = greatest(b.reminders_done + 1, (
    select count(*) from unnest(v_policy.reminder_leads) l (lead) where v_booking.starts_at - l.lead <= v_now))
  where b.id = v_booking.id
  returning b.reminders_done into v_done;
  perform app_private.note_automation(v_booking, 'remind', v_due, reminder => v_done);
  perform app_private.notify_customer(v_booking.customer_id,
    case when app_private.asks_confirmation(v_booking) then 'booking_reminder' else 'booking_reminder_info' end,
    v_booking.id, null, jsonb_build_object('sequence', v_booking.sequence));
end
$$;
create or replace function app_private.remind_provider(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
  v_next app_private.next_deadline;
begin
  select * into v_booking from app_public.bookings b where b.id = remind_provider.booking_id for no key update;
  select d.* into v_next
  from app_public.policy_versions p cross join lateral app_private.booking_deadline(v_booking, p) d
  where p.id = v_booking.policy_version_id;
  if v_next.action is distinct from 'remind_provider' or v_next.due_at > app_private.clock() then
    return;
  end if;
  update app_public.bookings b set provider_reminded_at = app_private.clock() where b.id = v_booking.id;
  perform app_private.notify_provider(v_booking, 'provider_reminder', jsonb_build_object('sequence', v_booking.sequence));
  perform app_private.note_automation(v_booking, 'remind_provider', v_next.due_at);
end
$$;
comment on function app_private.remind_provider(uuid) is 'Reminds the provider of a confirmed booking, once.';
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
      perform app_private.end_booking(v_booking.id, 'auto_cancelled', 'Attendance was not confirmed in time.',
        refund => app_private.refund_due(v_booking, v_policy, v_now));
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
create or replace function app_private.start_booking(booking_id uuid) returns void
language sql volatile
as $$
  with started as (
    update app_public.bookings b
    set status = 'in_progress',
        expires_at = case when p.requires_delivery and p.expiry <> 'off' then app_private.expiry_of(b, b.ends_at) end
    from app_public.policy_versions p
    where b.id = start_booking.booking_id and p.id = b.policy_version_id and b.status = 'confirmed' and b.starts_at <= (select app_private.clock())
    returning b
  )
  select app_private.note_automation(s.b, 'start', (s.b).starts_at) from started s
$$;
create or replace function app_private.complete_booking(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_next app_private.next_deadline;
begin
  select d.* into v_next
  from app_public.policy_versions p cross join lateral app_private.booking_deadline(v_booking, p) d
  where p.id = v_booking.policy_version_id;
  if v_next.action = 'complete' and v_next.due_at <= app_private.clock() then
    perform app_private.end_booking(v_booking.id, 'completed', null);
    perform app_private.note_automation(v_booking, 'complete', v_next.due_at);
  end if;
end
$$;
comment on function app_private.complete_booking(uuid) is 'A booking that is over, buffer included, is completed; one that has to be delivered, once it was and its customer has had time to answer.';
create or replace function app_private.expire_request(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_reason text := case when v_booking.awaits_payment then 'It was not paid in time.'
    else 'The request was not answered in time.' end;
begin
  if v_booking.status = 'pending' and v_booking.request_expires_at <= app_private.clock() then
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
comment on function app_private.expire_request(uuid) is 'Ends a request nobody answered, or a booking nobody paid, and hands its room on.';
create or replace function app_private.run_deadline(subject_id uuid) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_due app_private.deadlines;
begin
  select * into v_due from app_private.deadlines d where d.subject_id = run_deadline.subject_id;
  if v_due.subject_id is null then
    return 'gone';
  elsif v_due.due_at > app_private.clock() then
    -- Moved, or a clock was wrong: dispatch will queue it again.
    update app_private.deadlines d set queued_at = null where d.subject_id = v_due.subject_id;
    return 'early';
  end if;
  perform set_config('reslot.via', 'job', true);
  case v_due.action
    when 'expire_hold' then perform app_private.expire_hold_when_due(subject_id);
    when 'expire_request' then perform app_private.expire_request(subject_id);
    when 'remind' then perform app_private.remind(subject_id);
    when 'auto_cancel' then perform app_private.auto_cancel(subject_id);
    when 'start' then perform app_private.start_booking(subject_id);
    when 'complete' then perform app_private.complete_booking(subject_id);
    when 'remind_provider' then perform app_private.remind_provider(subject_id);
    when 'await_delivery' then perform app_private.await_delivery(subject_id);
    when 'expire' then perform app_private.expire_booking(subject_id);
    when 'lapse' then perform app_private.lapse(subject_id);
    when 'last_call' then perform app_private.tell_last_call(subject_id);
    when 'sweep_blackout' then perform app_private.sweep_blackout(subject_id);
    when 'check_minimum' then perform app_private.check_minimum(subject_id);
    when 'end_slot' then perform app_private.end_slot(subject_id);
  end case;
  -- What the action left as it was is queued again rather than forgotten.
  update app_private.deadlines d set queued_at = null
  where d.subject_id = v_due.subject_id and d.action = v_due.action and d.due_at = v_due.due_at;
  return v_due.action::text;
end
$$;
revoke execute on function
  app_private.remind(uuid), app_private.remind_provider(uuid), app_private.auto_cancel(uuid), app_private.note_reminder_sent(uuid),
  app_private.start_booking(uuid), app_private.complete_booking(uuid), app_private.expire_request(uuid),
  app_private.lapse(uuid), app_private.run_deadline(uuid) from public;
grant execute on function app_private.run_deadline(uuid) to reslot_worker;

-- functions/outbox.sql
create or replace function app_private.is_current(delivery app_public.deliveries) returns boolean
language sql stable
as $$
  select case k.current_while
      when 'always' then true
      when 'booking_live' then b.ended_at is null
      when 'booking_pending' then b.status = 'pending' and not b.awaits_payment
      when 'payment_open' then exists (
        select from app_public.payments y where y.id = (n.data ->> 'paymentId')::uuid and app_private.is_open(y.status))
      when 'booking_in_progress' then b.status = 'in_progress'
      when 'booking_delivered' then b.status = 'delivered'
      when 'booking_unconfirmed' then b.status = 'confirmed' and b.attendance_confirmed_at is null
      when 'offer_live' then e.status = 'offered' and e.hold_id = (n.data ->> 'holdId')::uuid
      when 'entry_waiting' then e.status = 'waiting'
    end
    and (not n.data ? 'sequence' or k.current_while = 'always' or (n.data ->> 'sequence')::integer = b.sequence)
    and coalesce(delivery.not_after > (select app_private.clock()), true)
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
    'awaitsPayment', booking.awaits_payment or null, 'requestExpiresAt', booking.request_expires_at, 'deliveryAnswerBy', booking.delivery_answer_by,
    'deliveryNotes', booking.delivery_notes, 'recommendations', booking.recommendations,
    -- Why somebody has to agree who else would be booked at once.
    'offences', case when booking.status = 'pending' then
      app_private.offences_over_limit(booking.customer_id, p, booking.made_at) end))
  from app_public.offerings f, app_public.policy_versions p, app_public.customers c
  where f.id = booking.offering_id and p.id = booking.policy_version_id and c.id = booking.customer_id
$$;
create or replace function app_private.entry_as_json(entry app_public.waitlist_entries) returns jsonb
language sql stable
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'id', entry.id, 'status', entry.status, 'offeringId', f.id, 'offeringName', f.name,
    'address', coalesce(entry.customer_address, f.address),
    'supportContact', f.support_contact, 'timeZone', app_private.zone_of(f.id),
    'startsAt', entry.starts_at, 'endsAt', entry.ends_at, 'partySize', entry.party_size, 'note', entry.note,
    -- A hold is sold at the price it was offered at.
    'price', case when h.id is not null or not entry.for_places then coalesce(h.price, f.price)
      else (app_private.quote_for_slot(entry.slot_id, app_private.party_of(entry), p)).price end,
    -- Until an offer is made any slot of the day will do.
    'day', case when entry.slot_id is null then entry.day end, 'currency', coalesce(h.currency, g.currency),
    'needsApproval', app_private.needs_approval(p, entry.customer_id, app_private.clock()),
    'position', case when entry.status = 'waiting' then app_private.place_in_queue(entry) end,
    'offerExpiresAt', case when entry.status in ('offered', 'expired') then coalesce(
      entry.offer_expires_at,
      app_private.after_window(app_private.clock(), entry.claim_window, p,
        app_private.zone_of_customer(entry.customer_id, entry.offering_id), entry.starts_at)) end))
  from app_public.offerings f
  join app_public.organizations g on g.id = f.organization_id
  join app_public.policy_versions p on p.id = entry.policy_version_id
  left join app_public.bookings h on h.id = entry.hold_id
  where f.id = entry.offering_id
$$;
create or replace function app_private.payment_as_json(payment_id uuid) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'id', y.id, 'amount', y.amount, 'currency', y.currency, 'purpose', y.purpose, 'byStripe', y.provider = 'stripe',
    'dueAt', case when b.awaits_payment then b.request_expires_at end, 'pending', b.awaits_payment)
  from app_public.payments y join app_public.bookings b on b.id = y.booking_id
  where y.id = payment_as_json.payment_id
$$;
comment on function app_private.payment_as_json(uuid) is 'A payment as mails show it.';
create or replace function app_private.customer_contact(booking app_public.bookings) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'customerContact', nullif(concat_ws(', ', coalesce(booking.customer_phone, c.phone), c.email), ''))
  from app_public.customers c where c.id = booking.customer_id
$$;
comment on function app_private.customer_contact(app_public.bookings) is 'How managers reach a customer, as their mails show it.';
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
  when 'cancel_series' then (select max(b.ends_at) from app_public.bookings b where b.series_id = booking.series_id)
  -- Until the end: after that the page only says that it is too late.
  else coalesce(booking.ends_at, entry.ends_at)
end;
comment on function app_private.link_expiry(app_private.link_action, app_public.bookings, app_public.waitlist_entries) is 'How long a link is valid: sign-in 15 minutes, password reset an hour, verification two days, unsubscription a year, the confirmation of a delivery until it is completed without, that to a series until its last end, everything else until the end of what it is about.';
create or replace function app_private.issue_links(
  delivery app_public.deliveries, note app_public.notifications, actions app_private.link_action[],
  booking app_public.bookings, entry app_public.waitlist_entries
) returns jsonb
language sql volatile
as $$
  select coalesce(jsonb_object_agg(a.action, app_private.issue_link(
    a.action, note.organization_id, note.customer_id, note.user_id,
    case when a.action in ('confirm', 'cancel', 'approve', 'reject', 'confirm_delivery', 'cancel_series') then booking.id end,
    case when a.action in ('claim', 'decline', 'leave') then entry.id end,
    delivery.id, coalesce(app_private.link_expiry(a.action, booking, entry), (
      select r.expires_at from app_private.guest_requests r where r.notification_id = note.id)))), '{}')
  from unnest(actions) a (action)
$$;
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
    'slot', app_private.slot_as_json((v_note.data ->> 'slotId')::uuid),
    'occurrences', app_private.occurrences_as_json(v_note.data -> 'bookingIds'),
    'bookings', case when v_note.kind = 'links_again' then app_private.live_bookings_with_links(delivery, v_note) end,
    'entries', case when v_note.kind = 'links_again' then app_private.live_entries_with_links(delivery, v_note) end,
    'tokens', app_private.issue_links(delivery, v_note, v_kind.actions, v_booking, v_entry)));
end
$$;
revoke execute on function
  app_private.booking_as_json(app_public.bookings), app_private.entry_as_json(app_public.waitlist_entries),
  app_private.slot_as_json(uuid), app_private.payment_as_json(uuid), app_private.customer_contact(app_public.bookings), app_private.organization_as_json(uuid),
  app_private.link_expiry(app_private.link_action, app_public.bookings, app_public.waitlist_entries),
  app_private.issue_links(app_public.deliveries, app_public.notifications, app_private.link_action[], app_public.bookings, app_public.waitlist_entries),
  app_private.live_bookings_with_links(app_public.deliveries, app_public.notifications),
  app_private.live_entries_with_links(app_public.deliveries, app_public.notifications),
  app_private.mail_model(app_public.deliveries) from public;

-- functions/dispatch.sql
create or replace function app_private.dispatch(recover boolean default false) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_done integer := 0;
begin
  if recover then
    v_done := app_private.recover_lost_work();
  end if;
  v_done := v_done + app_private.queue_due_deadlines(1000, interval '1 second');
  v_done := v_done + app_private.queue_sending() + app_private.queue_payments();
  return v_done + app_private.publish_notifications(1000);
end
$$;

-- functions/provider_calendar.sql
-- What a provider has to do, and when not to count on them.

create or replace function app_private.require_calendar(resource_id uuid) returns app_public.resources
language plpgsql stable
as $$
declare
  v_own uuid[] := array(select app_private.own_resource_ids());
  v_resource app_public.resources;
begin
  if resource_id is null and cardinality(v_own) > 1 then
    perform app_private.fail('RSARG', 'You are a provider in more than one place: name the resource.');
  end if;
  select * into v_resource from app_public.resources r where r.id = coalesce(require_calendar.resource_id, v_own[1]);
  if v_resource.id is null or not (v_resource.id = any (v_own) or app_private.is_manager_in(v_resource.organization_id)) then
    perform app_private.fail('RSNTF', 'There is no calendar of yours by this id.');
  end if;
  return v_resource;
end
$$;
comment on function app_private.require_calendar(uuid) is 'The resource whose calendar the caller may see: their own, or one they manage. Errors: RSNTF, RSARG.';

create or replace function app_private.work_of(resource_id uuid, since timestamptz, until timestamptz)
returns setof app_public.calendar_line
language sql stable
as $$
  select case b.status when 'held' then 'hold' else 'booking' end, b.starts_at, b.ends_at, lower(b.room), upper(b.room),
    f.id, f.name, b.id, case when b.status <> 'held' then b.reference end, b.status, b.party_size,
    case when b.status <> 'held' then c.name end, case when b.status <> 'held' then coalesce(b.customer_phone, c.phone) end,
    null::uuid, null, case when b.status <> 'held' then b.customer_address end
  from app_public.offering_resources x
  join app_public.offerings f on f.id = x.offering_id
  join app_public.bookings b on b.offering_id = f.id
  join app_public.customers c on c.id = b.customer_id
  where x.resource_id = work_of.resource_id and (not x.in_pool or b.provider_id = x.resource_id)
    and b.slot_id is null
    and b.status in ('held', 'pending', 'confirmed', 'in_progress', 'delivered', 'completed', 'no_show')
    and b.starts_at < work_of.until and b.starts_at > work_of.since - interval '9000 hours' and b.ends_at > work_of.since
  union all
  select 'slot', s.starts_at, s.ends_at, lower(s.room), upper(s.room), f.id, f.name, null, null, null, s.taken, null, null, null,
    null, null
  from app_public.offering_resources x
  join app_public.offerings f on f.id = x.offering_id
  join app_public.slots s on s.offering_id = f.id
  where x.resource_id = work_of.resource_id and s.cancelled_reason is null
    and s.starts_at < work_of.until and s.starts_at > work_of.since - interval '9000 hours' and s.ends_at > work_of.since
$$;
comment on function app_private.work_of(uuid, timestamptz, timestamptz) is 'The bookings, holds and slots of a resource between two moments.';

create or replace function app_private.absence_of(resource app_public.resources, since timestamptz, until timestamptz)
returns setof app_public.calendar_line
language sql stable
as $$
  select 'time_off', k.starts_at, k.ends_at, null::timestamptz, null::timestamptz, null::uuid, null, null::uuid, null,
    null::app_public.booking_status, null::integer, null, null, k.id, k.reason, null
  from app_public.blackouts k
  where k.organization_id = resource.organization_id and k.lifted_at is null
    and (k.resource_id = resource.id or num_nonnulls(k.offering_id, k.resource_id) = 0)
    and k.starts_at < absence_of.until and k.ends_at > absence_of.since
  union all
  select 'closed', lower(gap), upper(gap), null, null, null, null, null, null, null, null, null, null, null, null,
    null
  from unnest(tstzmultirange(tstzrange(since, until)) - app_private.hours_of(resource.id, since, until)) gap
$$;
comment on function app_private.absence_of(app_public.resources, timestamptz, timestamptz) is 'When a resource is off or closed between two moments.';

create or replace function app_public.provider_calendar("from" timestamptz, "to" timestamptz, resource_id uuid default null)
returns setof app_public.calendar_line
language plpgsql stable security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_resource app_public.resources := app_private.require_calendar(resource_id);
begin
  if "from" is null or "to" is null or "from" >= "to"
     or "from" < '1900-01-01 00:00Z' or "to" > '9999-01-01 00:00Z'
     or app_private.elapsed("from", "to") > interval '2208 hours' then
    perform app_private.fail('RSARG', 'Ask for a range that ends after it starts and is at most 92 days long.');
  end if;
  return query
    select l.* from (
      select * from app_private.work_of(v_resource.id, "from", "to")
      union all
      select * from app_private.absence_of(v_resource, "from", "to")) l
    order by l.starts_at, l.ends_at, l.kind, l.booking_id;
end
$$;
comment on function app_public.provider_calendar(timestamptz, timestamptz, uuid) is 'For providers their own calendar, for managers that of a resource: bookings with whom they are for, holds, slots, time off and what lies outside the working hours, between two moments at most 92 days apart. Errors: RSNTF no such resource of yours, RSARG bad range, or several resources of yours.';

-- Of a customer a provider knows the name and the number. By id, not by the row handed in, which anybody could make up.
create or replace function app_private.sees_booking(booking app_public.bookings) returns boolean
language sql stable
as $$
  select app_private.is_customer(booking.customer_id) or app_private.is_manager_of(booking.offering_id)
    or not booking.unclaimed and app_private.is_provider_of(booking.id)
$$;
comment on function app_private.sees_booking(app_public.bookings) is 'Whether the caller is the customer, the manager or the provider of a booking.';

create or replace function app_public.bookings_customer_name(booking app_public.bookings) returns text
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select c.name from app_public.bookings b join app_public.customers c on c.id = b.customer_id
  where b.id = booking.id and app_private.sees_booking(b)
$$;
comment on function app_public.bookings_customer_name(app_public.bookings) is 'Who booked; also for the provider, who does not see the customer otherwise.';

create or replace function app_public.bookings_contact_phone(booking app_public.bookings) returns text
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select c.phone from app_public.bookings b join app_public.customers c on c.id = b.customer_id
  where b.id = booking.id and app_private.sees_booking(b)
$$;
comment on function app_public.bookings_contact_phone(app_public.bookings) is 'How to reach who booked; also for the provider.';

revoke execute on function
  app_private.require_calendar(uuid), app_private.work_of(uuid, timestamptz, timestamptz),
  app_private.absence_of(app_public.resources, timestamptz, timestamptz), app_private.sees_booking(app_public.bookings),
  app_public.provider_calendar(timestamptz, timestamptz, uuid), app_public.bookings_customer_name(app_public.bookings),
  app_public.bookings_contact_phone(app_public.bookings) from public;
grant execute on function
  app_public.provider_calendar(timestamptz, timestamptz, uuid), app_public.bookings_customer_name(app_public.bookings),
  app_public.bookings_contact_phone(app_public.bookings) to reslot_user, reslot_admin;

-- functions/figure_parts.sql
-- The numbers that figures are made of, each part read from the history with one look. Nothing here asks who is calling;
-- `figures` has. What needs several resources counts at each. So that parts can be joined, no key is null: what needs no
-- resource has the nil UUID, and what is for the whole range has its first day.

create or replace function app_private.figure_uses(offering_ids uuid[], resource_id uuid, from_day date, to_day date)
returns table (
  offering_id uuid, resource_id uuid, in_pool boolean, shared boolean, zone text, since timestamptz, until timestamptz
)
language sql stable
as $$
  select f.id, coalesce(x.resource_id, '00000000-0000-0000-0000-000000000000'), coalesce(x.in_pool, false),
    coalesce(r.shared, true), z.zone, from_day::timestamp at time zone z.zone, (to_day + 1)::timestamp at time zone z.zone
  from app_public.offerings f
  join app_public.organizations g on g.id = f.organization_id
  left join app_public.offering_resources x on x.offering_id = f.id
  left join app_public.resources r on r.id = x.resource_id
  cross join lateral (select coalesce(r.time_zone, g.time_zone) as zone) z
  where f.id = any (offering_ids)
    and (figure_uses.resource_id is null or x.resource_id = figure_uses.resource_id)
$$;
comment on function app_private.figure_uses(uuid[], uuid, date, date) is 'Which offerings use which resources, and from when to when the days are there; an offering that needs no resource has one row as well.';

create or replace function app_private.figure_bookings(offering_ids uuid[], resource_id uuid, from_day date, to_day date, margin interval)
returns table (
  id uuid, slot_id uuid, resource_id uuid, offering_id uuid, shared boolean, zone text, since timestamptz,
  until timestamptz, status app_public.booking_status, unclaimed boolean, starts_at timestamptz, ends_at timestamptz,
  made_at timestamptz, ended_at timestamptz, reminder_sent_at timestamptz, attendance_confirmed_at timestamptz,
  override_at timestamptz, price numeric, refund numeric, currency text, answered_at timestamptz, review_id uuid
)
language sql stable
as $$
  -- Materialised, so that the bounds are worked out once for each resource and not for each booking.
  with uses as materialized (
    select u.*, u.since - margin as earliest, u.until + margin as latest
    from app_private.figure_uses(offering_ids, figure_bookings.resource_id, from_day, to_day) u)
  select b.id, b.slot_id, u.resource_id, u.offering_id, u.shared, u.zone, u.since, u.until, b.status, b.unclaimed,
    b.starts_at, b.ends_at, b.made_at, b.ended_at, b.reminder_sent_at, b.attendance_confirmed_at, b.override_at,
    b.price, b.refund, b.currency, b.answered_at, b.review_id
  from uses u
  join app_public.bookings b
    on b.offering_id = u.offering_id and b.starts_at >= u.earliest and b.starts_at < u.latest
    and (not u.in_pool or b.provider_id = u.resource_id)
$$;
comment on function app_private.figure_bookings(uuid[], uuid, date, date, interval) is 'Bookings of offerings at the resources they use that start in the days asked for, or so much before or after.';

create or replace function app_private.booking_figures(offering_ids uuid[], resource_id uuid, from_day date, to_day date, by_day boolean)
returns table (
  resource_id uuid, day date, due integer, auto_cancelled integer, no_shows integer, reminded integer, confirmed integer,
  overrides integer, ended integer, completed integer, unclaimed integer, held integer
)
language sql stable rows 1000
as $$
  select b.resource_id, case when by_day then (b.starts_at at time zone b.zone)::date else from_day end,
    count(*) filter (where b.starts_at <= (select app_private.clock()) and b.status in
      ('auto_cancelled', 'no_show', 'confirmed', 'in_progress', 'delivered', 'completed')),
    count(*) filter (where b.starts_at <= (select app_private.clock()) and b.status = 'auto_cancelled'),
    count(*) filter (where b.status = 'no_show'),
    count(b.reminder_sent_at),
    count(*) filter (where b.attendance_confirmed_at >= b.reminder_sent_at),
    count(b.override_at),
    count(*) filter (where b.ended_at is not null and not b.unclaimed),
    count(*) filter (where b.status = 'completed'),
    count(*) filter (where b.unclaimed),
    count(*) filter (where b.status = 'held')
  from app_private.figure_bookings(offering_ids, booking_figures.resource_id, from_day, to_day, interval '0') b
  group by 1, 2
$$;
comment on function app_private.booking_figures(uuid[], uuid, date, date, boolean) is 'What became of the bookings of each resource and day, and of the holds that nobody has claimed.';

-- A booking that was claimed from an offer was made when the offer was; in the last call, when it was claimed.
create or replace function app_private.offer_figures(offering_ids uuid[], resource_id uuid, from_day date, to_day date, by_day boolean)
returns table (
  resource_id uuid, day date, claims integer, last_call_claims integer, declines integer, expiries integer,
  waiting integer, offered integer
)
language sql stable rows 1000
as $$
  with uses as materialized (
    select u.* from app_private.figure_uses(offering_ids, offer_figures.resource_id, from_day, to_day) u)
  select u.resource_id, case when by_day then (e.starts_at at time zone u.zone)::date else from_day end,
    count(*) filter (where b.created_at = e.offered_at),
    count(*) filter (where b.created_at is distinct from e.offered_at and e.status = 'claimed'),
    count(*) filter (where e.status = 'declined'), count(*) filter (where e.status = 'expired'),
    count(*) filter (where e.status = 'waiting'), count(*) filter (where e.status = 'offered')
  from uses u
  join app_public.waitlist_entries e
    on e.offering_id = u.offering_id and e.starts_at >= u.since and e.starts_at < u.until
  left join app_public.bookings b on b.id = e.booking_id
  where not u.in_pool or b.id is null or b.provider_id = u.resource_id
  group by 1, 2
$$;
comment on function app_private.offer_figures(uuid[], uuid, date, date, boolean) is 'What became of the entries of the waiting list; those who wait for any of a pool count at each of it.';

create or replace function app_private.refill_figures(
  offering_ids uuid[], resource_id uuid, from_day date, to_day date, by_day boolean, margin interval
)
returns table (resource_id uuid, day date, releases integer, refills integer, seconds double precision[])
language sql stable rows 1000
as $$
  -- Two that overlap have a local day in common, and their resource (or, where none is needed, their offering).
  with known as materialized (
    select b.id, b.slot_id, b.resource_id, b.starts_at, b.ends_at, b.made_at, b.ended_at, d.first, d.last, b.shared,
      b.offering_id, b.starts_at >= b.since and b.starts_at < b.until and b.ended_at < b.starts_at
        and b.status in ('cancelled', 'auto_cancelled', 'rejected', 'expired') as is_release
    from app_private.figure_bookings(offering_ids, refill_figures.resource_id, from_day, to_day, margin) b
    cross join lateral (
      select (b.starts_at at time zone b.zone)::date as first,
        ((b.ends_at - interval '1 microsecond') at time zone b.zone)::date as last) d
    where not b.unclaimed
  ),
  spread as not materialized (
    select k.*, k.first as covered from known k
    union all
    select k.*, k.first + n from known k cross join lateral generate_series(1, k.last - k.first) n where k.first < k.last
  ),
  released as (
    select k.resource_id, k.first as day, k.id, min(extract(epoch from n.made_at - k.ended_at))::float as seconds
    from spread k
    left join spread n
      on n.resource_id = k.resource_id and n.covered = k.covered and n.id <> k.id and n.made_at >= k.ended_at
      and n.starts_at < k.ends_at and n.ends_at > k.starts_at
      -- What many can use at once was not free only for being let go.
      and case when k.slot_id is not null then n.slot_id = k.slot_id else n.offering_id = k.offering_id or not k.shared end
    where k.is_release
    group by 1, 2, 3
  )
  select r.resource_id, case when by_day then r.day else from_day end, count(*), count(r.seconds),
    percentile_cont('{0.5,0.9}'::double precision[]) within group (order by r.seconds)
  from released r
  group by 1, 2
$$;
comment on function app_private.refill_figures(uuid[], uuid, date, date, boolean, interval) is 'How long it took from a release to the first booking of some of its room, or of a place of its slot: median and nine tenths.';

create or replace function app_private.answer_figures(offering_ids uuid[], resource_id uuid, from_day date, to_day date, by_day boolean)
returns table (
  resource_id uuid, day date, answered integer, seconds double precision[], reviews integer, rating double precision
)
language sql stable rows 1000
as $$
  select b.resource_id, case when by_day then (b.starts_at at time zone b.zone)::date else from_day end,
    count(b.answered_at),
    percentile_cont('{0.5,0.9}'::double precision[]) within group (order by extract(epoch from b.answered_at - b.made_at)::float),
    count(v.id), avg(v.rating)
  from app_private.figure_bookings(offering_ids, answer_figures.resource_id, from_day, to_day, interval '0') b
  left join app_public.reviews v on v.id = b.review_id
  where b.answered_at is not null or b.review_id is not null
  group by 1, 2
$$;
comment on function app_private.answer_figures(uuid[], uuid, date, date, boolean) is 'How soon requests were answered, and what customers say.';

create or replace function app_private.seconds_by_day(ranges tstzmultirange, zone text)
returns table (day date, seconds double precision)
language sql stable rows 100
as $$
  -- Most lie in one day, and need not be cut.
  with pieces as materialized (
    select p.piece, (lower(p.piece) at time zone zone)::date as first,
      ((upper(p.piece) - interval '1 microsecond') at time zone zone)::date as last
    from unnest(ranges) p (piece))
  select c.day, sum(extract(epoch from c.length))::float
  from (
    select p.first as day, upper(p.piece) - lower(p.piece) as length from pieces p where p.first = p.last
    union all
    select p.first + n, least(upper(p.piece), (p.first + n + 1)::timestamp at time zone zone)
      - greatest(lower(p.piece), (p.first + n)::timestamp at time zone zone)
    from pieces p cross join lateral generate_series(0, p.last - p.first) n
    where p.first < p.last) c
  group by 1
$$;
comment on function app_private.seconds_by_day(tstzmultirange, text) is 'How many seconds of ranges lie in each local day, which has 23 hours once a year, and 25 once.';

create or replace function app_private.utilisation_figures(
  offering_ids uuid[], resource_id uuid, from_day date, to_day date, by_day boolean, margin interval
)
returns table (resource_id uuid, day date, open_seconds double precision, booked_seconds double precision)
language sql stable rows 1000
as $$
  with booked as (
    select b.resource_id, range_agg(tstzrange(b.starts_at, least(b.ends_at, b.ended_at))) as during
    from app_private.figure_bookings(offering_ids, utilisation_figures.resource_id, from_day, to_day, margin) b
    -- What ended before it began took no time; what ended early, or without anybody, until then.
    where not b.unclaimed and not b.shared and coalesce(b.ended_at > b.starts_at, true)
    group by 1
  ),
  resources as materialized (
    select u.resource_id as id, u.zone, o.opens, o.opens * coalesce(b.during, '{}') as booked
    from (select distinct f.resource_id, f.zone, f.since, f.until
          from app_private.figure_uses(offering_ids, utilisation_figures.resource_id, from_day, to_day) f
          where not f.shared) u
    left join booked b on b.resource_id = u.resource_id
    cross join lateral (
      select app_private.hours_of(u.resource_id, u.since, u.until) - coalesce((
        select range_agg(tstzrange(k.starts_at, k.ends_at))
        from app_public.resources r
        join app_public.blackouts k on k.organization_id = r.organization_id and k.lifted_at is null
          and k.offering_id is null and coalesce(k.resource_id, r.id) = r.id
        where r.id = u.resource_id and k.starts_at < u.until and k.ends_at > u.since), '{}') as opens
      offset 0) o
  )
  select r.id, case when by_day then o.day else from_day end, sum(o.seconds), coalesce(sum(b.seconds), 0)
  from resources r
  cross join lateral app_private.seconds_by_day(r.opens, r.zone) o
  left join lateral app_private.seconds_by_day(r.booked, r.zone) b on b.day = o.day
  group by 1, 2
$$;
comment on function app_private.utilisation_figures(uuid[], uuid, date, date, boolean, interval) is 'For how much of its opening hours a resource was booked, day by day; bookings over midnight count on both days.';

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
    where t.action in ('confirm', 'cancel', 'approve', 'reject', 'confirm_delivery')
    union all
    select u.resource_id, e.starts_at, u.zone, t.used_at
    from uses u
    join app_public.waitlist_entries e
      on e.offering_id = u.offering_id and e.starts_at >= u.since and e.starts_at < u.until
    join app_private.link_tokens t on t.entry_id = e.id
    where t.action in ('claim', 'decline', 'leave')) l
  group by 1, 2
$$;
comment on function app_private.link_figures(uuid[], uuid, date, date, boolean) is 'How many links went out in mails about bookings and waiting list entries, and how many of them were followed.';

revoke execute on function
  app_private.figure_uses(uuid[], uuid, date, date), app_private.figure_bookings(uuid[], uuid, date, date, interval),
  app_private.booking_figures(uuid[], uuid, date, date, boolean), app_private.offer_figures(uuid[], uuid, date, date, boolean),
  app_private.answer_figures(uuid[], uuid, date, date, boolean),
  app_private.refill_figures(uuid[], uuid, date, date, boolean, interval), app_private.seconds_by_day(tstzmultirange, text),
  app_private.utilisation_figures(uuid[], uuid, date, date, boolean, interval),
  app_private.link_figures(uuid[], uuid, date, date, boolean) from public;

-- functions/figures.sql
-- For managers: how well rooms, tours and providers are used, and how well ghosts are found. Read from the history when it
-- is asked for, so that nothing is ever out of date; bounded by the days that may be asked for at once.

create or replace function app_private.managed_offerings_in(
  from_day date, to_day date, organization_id uuid, resource_id uuid, offering_id uuid
) returns uuid[]
language plpgsql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_ids uuid[];
begin
  if from_day is null or to_day is null or from_day not between '1900-01-01' and '9998-01-01'
     or to_day not between from_day and from_day + 365 then
    perform app_private.fail('RSARG', 'Name a first and a last day, at most 366 days in all.');
  elsif app_private.is_admin() and num_nonnulls(organization_id, resource_id, offering_id) = 0 then
    perform app_private.fail('RSARG', 'Name an organisation, a resource or an offering.');
  end if;
  v_ids := array(
    select f.id from app_public.offerings f
    where (managed_offerings_in.organization_id is null or f.organization_id = managed_offerings_in.organization_id)
      and (managed_offerings_in.offering_id is null or f.id = managed_offerings_in.offering_id)
      and (managed_offerings_in.resource_id is null or f.id in (
        select x.offering_id from app_public.offering_resources x where x.resource_id = managed_offerings_in.resource_id))
      and (app_private.is_admin() or f.id in (select app_private.managed_offering_ids())));
  if v_ids = '{}' then
    perform app_private.fail('RSNTF', 'There is nothing here that you manage.');
  end if;
  return v_ids;
end
$$;
comment on function app_private.managed_offerings_in(date, date, uuid, uuid, uuid) is 'The offerings that figures are asked for and that the caller manages. Errors: RSARG no days, too many of them, or (admins) nothing named; RSNTF nothing of theirs.';

create or replace function app_private.longest_booking(offering_ids uuid[]) returns interval
language sql stable
as $$
  select coalesce(max(v.max_duration), interval '24 hours')
  from app_public.policy_versions v
  where v.organization_id in (select f.organization_id from app_public.offerings f where f.id = any (offering_ids))
$$;
comment on function app_private.longest_booking(uuid[]) is 'How long a booking can be by any policy: one that began so much earlier may still be there.';

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
    coalesce(a.answered, 0), a.seconds[1], a.seconds[2], coalesce(a.reviews, 0), a.rating
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
comment on function app_private.figures_of(uuid[], uuid, date, date, boolean, interval) is 'The figures of offerings at the resources they use, by day or for all of the range.';

create or replace function app_public.figures(
  from_day date, to_day date, organization_id uuid default null, resource_id uuid default null,
  offering_id uuid default null, by_day boolean default true
) returns setof app_public.figure
language plpgsql stable security definer rows 1000
set search_path = pg_catalog, app_public, app_private, pg_temp
-- A year of a large house is sorted and joined in memory.
set work_mem = '32MB'
as $$
declare
  v_ids uuid[] := app_private.managed_offerings_in(from_day, to_day, organization_id, resource_id, offering_id);
begin
  return query
    select f.* from app_private.figures_of(
      v_ids, figures.resource_id, from_day, to_day, coalesce(by_day, true), app_private.longest_booking(v_ids)) f;
end
$$;
comment on function app_public.figures(date, date, uuid, uuid, uuid, boolean) is 'For managers: ghosts, confirmations, offers, refills, utilisation and more, for each resource and local day (or, without `byDay`, for the whole range), of the offerings they manage. At most 366 days; admins name an organisation, a resource or an offering. Days on which nothing was open and nothing happened are left out. Errors: RSARG, RSNTF nothing of yours.';

create or replace function app_public.revenue(
  from_day date, to_day date, organization_id uuid default null, resource_id uuid default null,
  offering_id uuid default null, by_day boolean default true
) returns setof app_public.revenue_figure
language plpgsql stable security definer rows 1000
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_ids uuid[] := app_private.managed_offerings_in(from_day, to_day, organization_id, resource_id, offering_id);
begin
  return query
    select r.id, r.name, case when revenue.by_day is not false then (b.starts_at at time zone b.zone)::date end as on_day, b.currency,
      (count(*) filter (where k.kept))::integer, sum(b.price), sum(coalesce(b.refund, 0)), sum(b.price - coalesce(b.refund, 0)),
      round(avg(b.price) filter (where k.kept), 2)
    from app_private.figure_bookings(v_ids, revenue.resource_id, from_day, to_day, interval '0') b
    left join app_public.resources r on r.id = b.resource_id
    cross join lateral (select b.status in ('confirmed', 'in_progress', 'delivered', 'completed') as kept) k
    where not b.unclaimed and b.status <> 'pending'
    group by r.id, r.name, on_day, b.currency
    order by on_day, r.name, r.id, b.currency;
end
$$;
comment on function app_public.revenue(date, date, uuid, uuid, uuid, boolean) is 'For managers: what bookings brought, for each resource, local day (or, without `byDay`, for the whole range) and currency: prices less refunds. Otherwise as `figures`; a booking that uses several resources is in the line of each. Errors: RSARG, RSNTF nothing of yours.';

revoke execute on function
  app_private.managed_offerings_in(date, date, uuid, uuid, uuid), app_private.longest_booking(uuid[]),
  app_private.figures_of(uuid[], uuid, date, date, boolean, interval),
  app_public.figures(date, date, uuid, uuid, uuid, boolean), app_public.revenue(date, date, uuid, uuid, uuid, boolean)
from public;
grant execute on function
  app_public.figures(date, date, uuid, uuid, uuid, boolean), app_public.revenue(date, date, uuid, uuid, uuid, boolean)
to reslot_user, reslot_admin;

-- functions/cleanup.sql
create or replace function app_private.cleanup(batch integer default 10000) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_now timestamptz := app_private.clock();
  v_step integer;
  v_total integer := 0;
begin
  -- Retention is looked up once for each organisation, never for each row. What belongs to none is kept two years.
  delete from app_public.audit_log a where a.id in (
    with kept as materialized (
      select null::uuid as id, interval '2 years' as retention
      union all
      select g.id, coalesce((app_private.default_policy(g.id)).audit_retention, interval '2 years')
      from app_public.organizations g)
    select o.id from app_public.audit_log o join kept k on k.id is not distinct from o.organization_id
    where o.at < v_now - (select min(s.retention) from kept s) and o.at < v_now - k.retention
    order by o.at limit batch);
  get diagnostics v_step = row_count;
  v_total := v_total + v_step;
  -- Deliveries go with their notification; those still on their way stay.
  delete from app_public.notifications n where n.id in (
    select o.id
    from app_public.organizations g
    cross join app_private.default_policy(g.id) k
    cross join lateral (
      select n.id from app_public.notifications n
      where n.organization_id = g.id and n.created_at < v_now - k.notification_retention
        and not exists (select from app_public.deliveries d where d.notification_id = n.id and d.status in ('queued', 'sending'))
      order by n.created_at limit batch) o
    limit batch);
  get diagnostics v_step = row_count;
  v_total := v_total + v_step;
  delete from app_public.deliveries d where d.id in (
    select o.id
    from app_public.organizations g
    cross join app_private.default_policy(g.id) k
    cross join lateral (
      select d.id from app_public.deliveries d
      where d.organization_id = g.id and d.created_at < v_now - k.delivery_retention
        and (d.status in ('obsolete', 'suppressed') or d.status in ('sent', 'dead') and d.followed_up_at is not null)
      order by d.created_at limit batch) o
    limit batch);
  get diagnostics v_step = row_count;
  v_total := v_total + v_step;
  delete from app_public.automation_events a where a.id in (
    select o.id
    from app_public.organizations g
    cross join app_private.default_policy(g.id) k
    cross join lateral (
      select a.id from app_public.automation_events a
      where a.organization_id = g.id and a.due_at < v_now - k.notification_retention
      order by a.due_at limit batch) o
    limit batch);
  get diagnostics v_step = row_count;
  v_total := v_total + v_step;
  delete from app_public.booking_photos p where p.id in (
    select o.id
    from app_public.organizations g
    cross join app_private.default_policy(g.id) k
    cross join lateral (
      select p.id from app_public.booking_photos p
      where p.organization_id = g.id and p.created_at < v_now - k.photo_retention
      order by p.created_at limit batch) o
    limit batch);
  get diagnostics v_step = row_count;
  v_total := v_total + v_step;
  delete from app_private.stripe_events s where s.id in (
    select o.id from app_private.stripe_events o where o.received_at < v_now - interval '720 hours'
    order by o.received_at limit batch);
  get diagnostics v_step = row_count;
  v_total := v_total + v_step;
  delete from app_private.link_tokens t where t.token_hash in (
    select o.token_hash from app_private.link_tokens o where o.expires_at < v_now - interval '720 hours'
    order by o.expires_at limit batch);
  get diagnostics v_step = row_count;
  v_total := v_total + v_step;
  v_total := v_total + app_private.clean_up_accounts(batch) + app_private.clean_up_guest_requests(batch);
  delete from app_private.freeings f where f.told_at < v_now - interval '720 hours';
  delete from app_private.idempotency_keys i where (i.caller, i.operation, i.key) in (
    select o.caller, o.operation, o.key from app_private.idempotency_keys o
    where o.created_at < v_now - interval '48 hours' order by o.created_at limit batch);
  get diagnostics v_step = row_count;
  return v_total + v_step;
end
$$;
comment on function app_private.cleanup(integer) is 'Deletes what its retention time (default policy) has outlived, in batches; out comes how much, so that the job can go on. Spent links and what Stripe told are kept 30 days, idempotency keys two.';

-- functions/vital_signs.sql
-- What monitoring asks for every few seconds. Each line is read from an index of live rows, and counted up to 10,000 only:
-- that it is so many is all that matters then, and an outage does not make its own observation slow.

create or replace function app_private.vital_signs() returns table (name text, value double precision)
language plpgsql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
-- As in failed_deliveries.
set enable_seqscan = off
as $$
declare
  v_now timestamptz := app_private.clock();
  v_most constant integer := 10000;
begin
  return query
    select 'oldest_due_deadline_seconds', coalesce(extract(epoch from v_now - min(o.due_at)), 0)::float
    from (
      (select d.due_at from app_private.deadlines d
       where d.queued_at is null and d.due_at <= v_now order by d.due_at limit 1)
      union all
      select min(d.due_at) from app_private.deadlines d where d.queued_at is not null and d.due_at <= v_now) o
    union all
    select 'overdue_deadlines', count(*)::float
    from (select from app_private.deadlines d where d.queued_at is null and d.due_at <= v_now
          union all
          select from app_private.deadlines d where d.queued_at is not null and d.due_at <= v_now limit v_most) o
    union all
    select 'failing_deadlines', count(*)::float
    from (select from app_private.deadlines d where d.attempts > 0 and d.queued_at is null and d.due_at <= v_now
          union all
          select from app_private.deadlines d where d.attempts > 0 and d.queued_at is not null limit v_most) o
    union all
    select 'oldest_queued_delivery_seconds', coalesce(extract(epoch from v_now - min(o.created_at)), 0)::float
    from (select d.created_at from app_public.deliveries d where d.status = 'queued' limit v_most) o
    union all
    -- How long the next try of one is due: with a mail server that is away none is late, for it is tried again later.
    select 'late_delivery_seconds', coalesce(greatest(extract(epoch from v_now - min(o.next_attempt_at)), 0), 0)::float
    from (
      (select d.next_attempt_at from app_public.deliveries d
       where d.status = 'queued' and d.urgent order by d.next_attempt_at limit 1)
      union all
      (select d.next_attempt_at from app_public.deliveries d
       where d.status = 'queued' and not d.urgent order by d.next_attempt_at limit 1)) o
    union all
    select 'queued_deliveries', count(*)::float
    from (select from app_public.deliveries d where d.status = 'queued' limit v_most) o
    union all
    select 'retried_deliveries', count(*)::float
    from (select from app_public.deliveries d where d.status = 'queued' and d.attempts > 0 limit v_most) o
    union all
    select 'dead_deliveries', count(*)::float
    from (select from app_public.deliveries d where d.status = 'dead' limit v_most) o
    union all
    select 'spared_bookings', count(*)::float
    from (select from app_public.bookings b where b.spared_at is not null and b.ended_at is null limit v_most) o
    union all
    select 'stuck_entries', count(*)::float
    from (select from app_public.waitlist_entries e where e.stuck_at is not null and e.ended_at is null limit v_most) o
    union all
    select 'waiting_entries', count(*)::float
    from (select from app_public.waitlist_entries e where e.ended_at is null and e.status = 'waiting' limit v_most) o
    union all
    select 'live_offers', count(*)::float
    from (select from app_public.waitlist_entries e where e.hold_id is not null limit v_most) o
    union all
    select 'open_holds', count(*)::float
    from (select from app_public.bookings b where b.hold_expires_at is not null limit v_most) o
    union all
    -- Neither line, until they have been checked for the first time.
    select s.name, s.value
    from app_private.invariant_check c
    cross join lateral (values
      ('broken_invariants', c.broken::float),
      ('invariants_checked_seconds', extract(epoch from v_now - c.checked_at)::float)) s (name, value);
end
$$;
comment on function app_private.vital_signs() is 'For the servers'' and workers'' monitoring: how late what is due is, how much waits, how much went wrong. Counts stop at 10,000; ages are in seconds, 0 if nothing waits. Says nothing about anybody.';

create or replace function app_private.remember_invariants() returns table (invariant text, subject_id uuid, problem text)
language plpgsql volatile security definer rows 10
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_broken integer := 0;
begin
  for invariant, subject_id, problem in select i.invariant, i.subject_id, i.problem from app_private.check_invariants() i loop
    v_broken := v_broken + 1;
    if v_broken <= 20 then
      return next;
    end if;
  end loop;
  insert into app_private.invariant_check as c (checked_at, broken) values (app_private.clock(), v_broken)
  on conflict (singleton) do update set checked_at = excluded.checked_at, broken = excluded.broken;
end
$$;
comment on function app_private.remember_invariants() is 'Checks all invariants and keeps how many rows break one; returns the first 20 of them, for the log.';

revoke execute on function app_private.vital_signs(), app_private.remember_invariants() from public;
grant execute on function app_private.vital_signs() to reslot_app, reslot_worker;
grant execute on function app_private.remember_invariants() to reslot_worker;
alter type app_public.member add attribute resource_id uuid;
comment on column app_public.member.resource_id is 'The resource they are, if they serve bookings.';

-- functions/people/adopt_customers.sql
create or replace function app_private.merge_customers(guest_ids uuid[], into_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_all uuid[] := guest_ids || into_id;
begin
  -- Under the room's lock nobody else touches live bookings and entries.
  perform app_private.lock_room(app_private.live_offerings_of(v_all));
  perform app_private.leave_double_entries(v_all);
  update app_public.bookings b set customer_id = into_id where b.customer_id = any (guest_ids);
  update app_public.waitlist_entries e set customer_id = into_id where e.customer_id = any (guest_ids);
  perform app_private.keep_one_offer(into_id);
  update app_private.link_tokens t set customer_id = into_id where t.customer_id = any (guest_ids);
  update app_public.notifications n set customer_id = into_id where n.customer_id = any (guest_ids);
  update app_private.guest_requests r set customer_id = into_id where r.customer_id = any (guest_ids);
  update app_public.customers c
  set phone = coalesce(c.phone, g.phone), name = coalesce(c.name, g.name),
      unsubscribed_at = coalesce(c.unsubscribed_at, g.unsubscribed_at),
      offences_cleared_at = greatest(c.offences_cleared_at, g.offences_cleared_at)
  from (
    select (array_agg(x.phone order by x.id) filter (where x.phone is not null))[1] as phone,
           (array_agg(x.name order by x.id) filter (where x.name is not null))[1] as name,
           max(x.unsubscribed_at) as unsubscribed_at, max(x.offences_cleared_at) as offences_cleared_at
    from app_public.customers x where x.id = any (guest_ids)
  ) g
  where c.id = into_id;
  update app_public.customers c
  set name = null, email = null, phone = null, erased_at = app_private.clock()
  where c.id = any (guest_ids);
end
$$;

-- functions/people/erase.sql
create or replace function app_private.scrub_customers(customer_ids uuid[]) returns void
language plpgsql volatile
as $$
begin
  update app_public.bookings b set purpose = null, special_requests = null, dietary_needs = null, access_needs = null, customer_address = null,
      customer_phone = null, ended_reason = null,
    delivery_notes = null, recommendations = null
  where b.customer_id = any (customer_ids)
    and num_nonnulls(b.purpose, b.special_requests, b.dietary_needs, b.access_needs, b.customer_address, b.customer_phone,
      b.ended_reason, b.delivery_notes,
      b.recommendations) > 0;
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
  set ip = null, user_agent = null, reason = null, old_values = a.old_values - 'ended_reason',
      new_values = a.new_values - 'ended_reason'
  where a.customer_id = any (customer_ids);
end
$$;

-- functions/people/export_my_data.sql
create or replace function app_public.export_my_data() returns jsonb
language plpgsql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user_id uuid := app_private.signed_in_user_id();
  v_customer_ids uuid[] := array(select c.id from app_public.customers c where c.user_id = v_user_id order by c.id);
begin
  return jsonb_build_object(
    'exportedAt', app_private.clock(),
    'account', (select to_jsonb(u) - 'email_normalised' from app_public.users u where u.id = v_user_id),
    'sessions', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'startedAt', s.started_at, 'lastUsedAt', s.last_used_at, 'ip', s.ip, 'userAgent', s.user_agent) order by s.started_at), '[]')
      from (
        select min(t.created_at) as started_at, max(t.created_at) as last_used_at,
               (array_agg(host(t.ip) order by t.id desc))[1] as ip, (array_agg(t.user_agent order by t.id desc))[1] as user_agent
        from app_private.refresh_tokens t where t.user_id = v_user_id group by t.family_id
      ) s),
    'memberships', (
      select coalesce(jsonb_agg(to_jsonb(m) order by m.id), '[]') from app_public.memberships m where m.user_id = v_user_id),
    'customers', (
      select coalesce(jsonb_agg(to_jsonb(c) - 'email_normalised' || jsonb_build_object('organization', o.name) order by c.id), '[]')
      from app_public.customers c join app_public.organizations o on o.id = c.organization_id
      where c.id = any (v_customer_ids)),
    'bookings', (
      select coalesce(jsonb_agg(to_jsonb(b) || jsonb_build_object('offering', f.name) order by b.id), '[]')
      from app_public.bookings b join app_public.offerings f on f.id = b.offering_id
      where b.customer_id = any (v_customer_ids)),
    'photos', (
      select coalesce(jsonb_agg(to_jsonb(p) order by p.id), '[]')
      from app_public.bookings b join app_public.booking_photos p on p.booking_id = b.id
      where b.customer_id = any (v_customer_ids)),
    'reviews', (
      select coalesce(jsonb_agg(to_jsonb(v) order by v.id), '[]')
      from app_public.bookings b join app_public.reviews v on v.id = b.review_id
      where b.customer_id = any (v_customer_ids)),
    'payments', (
      select coalesce(jsonb_agg(to_jsonb(y) order by y.id), '[]')
      from app_public.payments y join app_public.bookings b on b.id = y.booking_id
      where b.customer_id = any (v_customer_ids)),
    'automationEvents', (
      select coalesce(jsonb_agg(to_jsonb(e) - 'error' order by e.id), '[]')
      from app_public.automation_events e join app_public.bookings b on b.id = e.booking_id
      where b.customer_id = any (v_customer_ids)),
    'waitlistEntries', (
      select coalesce(jsonb_agg(to_jsonb(e) || jsonb_build_object('offering', f.name) order by e.id), '[]')
      from app_public.waitlist_entries e join app_public.offerings f on f.id = e.offering_id
      where e.customer_id = any (v_customer_ids)),
    'bookingsByMail', (
      select coalesce(jsonb_agg(to_jsonb(r) order by r.notification_id), '[]')
      from app_private.guest_requests r where r.customer_id = any (v_customer_ids)),
    'notifications', (
      select coalesce(jsonb_agg(to_jsonb(n) || jsonb_build_object('sentTo', d.address, 'sentAt', d.sent_at) order by n.id), '[]')
      from app_public.notifications n left join app_public.deliveries d on d.notification_id = n.id
      where n.customer_id = any (v_customer_ids) or n.user_id = v_user_id),
    'auditLog', (
      -- From where somebody else acted is theirs, as everywhere.
      select coalesce(jsonb_agg(
        to_jsonb(a) - case when app_private.may_see_origin(a) then '{}'::text[] else '{ip,user_agent}' end order by a.id), '[]')
      from app_public.audit_log a where a.actor_user_id = v_user_id or a.customer_id = any (v_customer_ids)));
end
$$;
comment on function app_public.export_my_data() is 'Everything that is held about the signed-in user, as JSON: account, sessions, memberships, customers, bookings, payments, what time did to them, what is known of their photos, reviews, waitlist entries, bookings asked for by mail, notifications, audit log. Errors: RSAUT.';

-- functions/people/members.sql
create or replace function app_public.members(organization_id uuid) returns setof app_public.member
language plpgsql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  if not app_private.is_manager_in(organization_id) then
    perform app_private.fail('RSNTF', 'There is no such organisation that you manage.');
  end if;
  return query
    select m.id, u.id, u.name, u.email, m.role, m.all_offerings,
           array(select x.offering_id from app_public.membership_offerings x where x.membership_id = m.id order by 1),
           m.resource_id
    from app_public.memberships m join app_public.users u on u.id = m.user_id
    where m.organization_id = members.organization_id
    order by m.role, m.id;
end
$$;
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
  perform from app_public.organizations o where o.id = set_member.organization_id for no key update;
  if not found or not app_private.is_owner_in(organization_id) then
    perform app_private.fail('RSNTF', 'There is no such organisation that you own.');
  elsif set_member.role is null then
    perform app_private.fail('RSARG', 'Please name a role.');
  elsif v_all and v_named then
    perform app_private.fail('RSARG', 'Either all offerings, or those that are named; owners have all.');
  elsif not v_all and coalesce(cardinality(offering_ids), 0) not between 1 and 1000 then
    perform app_private.fail('RSARG', 'Please name the offerings, 1 to 1000 of them, or give all.');
  end if;
  select u.id into v_user_id from app_public.users u
  where u.email_normalised = app_private.normalise_email(set_member.email)
    and u.email_verified_at is not null and u.deactivated_at is null;
  if v_user_id is null then
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
comment on function app_public.set_member(uuid, text, app_public.member_role, boolean, uuid[], uuid) is 'For owners: gives the account with this address a role in the organisation, or changes it. Managers manage the offerings that are named, or, if none is, all. Whoever serves bookings is a resource, `resourceId`: they see what it serves, its calendar, and may take time off. Errors: RSNTF no such organisation of yours, no verified account, or offerings or a resource of another organisation; RSSTA the only owner; RSARG.';
revoke execute on function app_public.set_member(uuid, text, app_public.member_role, boolean, uuid[], uuid) from public;
grant execute on function app_public.set_member(uuid, text, app_public.member_role, boolean, uuid[], uuid) to reslot_user, reslot_admin;

-- functions/people/guest_requests.sql
-- What a guest asked for by mail: whether it can still be had, what its page shows, and what following its link does.
-- Booking and waiting are the same as for everybody; only the proof of the address is the link.

create or replace function app_private.party_of_request(request app_private.guest_requests) returns app_private.party
language sql immutable
return row(request.party_size, request.adults, request.children, request.infants, request.party_size)::app_private.party;
comment on function app_private.party_of_request(app_private.guest_requests) is 'The party of a request.';

-- Without the locks, so it only says how things look; `book` has the last word.
create or replace function app_private.check_request(request app_private.guest_requests, now_at timestamptz) returns void
language plpgsql stable
as $$
declare
  v_offering app_public.offerings := app_private.find_offering(request.offering_id);
  v_policy app_public.policy_versions := app_private.policy_of(v_offering);
  v_slot app_public.slots;
  v_party app_private.party;
begin
  perform app_private.check_allocation(v_offering, request.slot_id is not null);
  if request.slot_id is null then
    perform app_private.check_times(v_offering.id, v_policy, request.during, now_at, true);
    perform app_private.refuse_if_taken(v_offering.id, v_policy, request.during, now_at, request.customer_id);
  else
    v_slot := app_private.find_slot(request.slot_id, v_offering.id);
    v_party := app_private.places_for(app_private.party_of_request(request), v_policy);
    perform app_private.check_slot(v_slot, v_policy, v_party, now_at, true);
    perform app_private.refuse_if_full(v_slot, v_policy, v_party, now_at, request.customer_id);
  end if;
end
$$;
comment on function app_private.check_request(app_private.guest_requests, timestamptz) is 'Refuses what cannot be booked as things look now. Errors: RSNTF, RSARG, RSTIM, RSBLK, RSLIM, RSFUL.';

create or replace function app_private.request_of_link(link app_private.link_tokens) returns app_private.guest_requests
language sql stable
as $$
  select r from app_public.deliveries d join app_private.guest_requests r on r.notification_id = d.notification_id
  where d.id = link.delivery_id and link.action = 'book'
$$;
comment on function app_private.request_of_link(app_private.link_tokens) is 'What the guest asked for to whom a link was mailed.';

create or replace function app_private.request_outlook(request app_private.guest_requests, now_at timestamptz) returns jsonb
language plpgsql stable
as $$
declare
  v_state text;
  v_detail text;
begin
  perform app_private.check_request(request, now_at);
  return '{"standing": "ready", "action": "book"}';
exception
  when others then
    get stacked diagnostics v_state = returned_sqlstate, v_detail = pg_exception_detail;
    if v_state !~ '^RS' then
      raise;
    elsif v_state = 'RSFUL' then
      return v_detail::jsonb || case when (v_detail::jsonb ->> 'mayWait')::boolean
        then '{"standing": "ready", "action": "wait"}' else '{"standing": "full", "action": "book"}' end::jsonb;
    end if;
    return '{"standing": "not_bookable", "action": "book"}';
end
$$;
comment on function app_private.request_outlook(app_private.guest_requests, timestamptz) is 'What the link of a request would do now: book, or wait for what is taken; else why nothing. With alternatives to what is taken.';

create or replace function app_private.request_standing(request app_private.guest_requests, now_at timestamptz) returns text
language sql stable
as $$
  select case
    when request.notification_id is null then 'unknown'
    when request.booking_id is not null then (
      select case when b.ended_at is null then 'done' else b.status::text end
      from app_public.bookings b where b.id = request.booking_id)
    when request.entry_id is not null then (
      select case when e.ended_at is null or e.status = 'claimed' then 'done' else e.status::text end
      from app_public.waitlist_entries e where e.id = request.entry_id)
    when request.expires_at <= now_at then 'link_expired'
    else app_private.request_outlook(request, now_at) ->> 'standing'
  end
$$;
comment on function app_private.request_standing(app_private.guest_requests, timestamptz) is 'Where the link of a request stands: ready, done, or why there is nothing to do.';

create or replace function app_private.request_as_json(request app_private.guest_requests) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'offeringId', f.id, 'offeringName', f.name, 'address', f.address, 'supportContact', f.support_contact,
    'timeZone', app_private.zone_of(f.id), 'startsAt', lower(request.during), 'endsAt', upper(request.during),
    'partySize', request.party_size, 'currency', g.currency, 'needsApproval', p.requires_approval,
    'price', case when request.slot_id is null then f.price else
      (app_private.quote_for_slot(request.slot_id, app_private.places_for(app_private.party_of_request(request), p), p)).price end)
  from app_public.offerings f
  join app_public.organizations g on g.id = f.organization_id
  cross join app_private.policy_of(f) p
  where f.id = request.offering_id
$$;
comment on function app_private.request_as_json(app_private.guest_requests) is 'What would be booked, at today''s price, as mails and link pages show it. Nothing that the guest wrote: who reads it may be somebody else.';

create or replace function app_private.request_on_page(request app_private.guest_requests, now_at timestamptz) returns jsonb
language sql stable
as $$
  select app_private.request_as_json(request)
    || jsonb_build_object('alternatives', app_private.request_outlook(request, now_at) -> 'alternatives')
  where num_nonnulls(request.booking_id, request.entry_id) = 0 and request.expires_at > now_at
$$;
comment on function app_private.request_on_page(app_private.guest_requests, timestamptz) is 'What the page of a link shows of a request that nothing has become of yet.';

create or replace function app_private.follow_request(link app_private.link_tokens, choice jsonb) returns timestamptz
language plpgsql volatile
as $$
declare
  v_customer app_public.customers := app_private.lock_customer(link.customer_id);
  -- Read under the lock of the customer, which stands in the place of an idempotency key: who presses the button again
  -- waits there for the first time, and so does who erases them.
  v_request app_private.guest_requests := app_private.request_of_link(link);
  v_booking app_public.bookings;
begin
  if num_nonnulls(v_request.booking_id, v_request.entry_id) > 0 then
    return lower(v_request.during);
  end if;
  if choice ->> 'action' = 'wait' then
    v_request.entry_id := (app_private.join_queue(v_customer, v_request.offering_id,
      case when v_request.slot_id is null then v_request.during end, v_request.slot_id, null,
      app_private.party_of_request(v_request), v_request.special_requests)).id;
  else
    v_booking := app_private.book(v_customer, v_request.offering_id,
      case when v_request.slot_id is null then v_request.during end, v_request.slot_id,
      app_private.party_of_request(v_request),
      app_private.checked_wishes(
        v_request.purpose, v_request.special_requests, v_request.dietary_needs, v_request.access_needs),
      null, false, true);
    -- Nobody agrees to another price than the page showed.
    if v_booking.price <> (choice ->> 'price')::numeric then
      perform app_private.fail('RSSTA', 'The price has changed meanwhile. Please look again.');
    end if;
    v_request.booking_id := v_booking.id;
  end if;
  update app_private.guest_requests r set booking_id = v_request.booking_id, entry_id = v_request.entry_id
  where r.notification_id = v_request.notification_id;
  -- Only now is it known that the name is the address's own.
  update app_public.customers c
  set name = coalesce(c.name, v_request.name), phone = coalesce(c.phone, v_request.phone)
  where c.id = v_customer.id and (c.name is null or c.phone is null and v_request.phone is not null);
  return lower(v_request.during);
end
$$;
comment on function app_private.follow_request(app_private.link_tokens, jsonb) is 'Books what a guest asked for, or waits for it, whichever the page showed; again: the same. Errors: those of book and join_queue, RSSTA another price.';

create or replace function app_private.clean_up_guest_requests(batch integer default 1000) returns integer
language plpgsql volatile
as $$
declare
  v_before timestamptz := app_private.clock() - interval '168 hours';
  v_ids uuid[];
  v_count integer;
begin
  -- Whoever is no more than an address that somebody typed may not know of it: nothing is kept.
  v_ids := array(
    select c.id from app_public.customers c
    where c.id in (select r.customer_id from app_private.guest_requests r where r.expires_at < v_before)
      and c.user_id is null and num_nonnulls(c.name, c.phone) = 0
      and not exists (select from app_private.guest_requests r where r.customer_id = c.id and r.expires_at >= v_before)
      and not exists (select from app_public.bookings b where b.customer_id = c.id)
      and not exists (select from app_public.waitlist_entries e where e.customer_id = c.id)
    order by c.id limit batch for update skip locked);
  delete from app_private.guest_requests r where r.notification_id in (
    select o.notification_id from app_private.guest_requests o where o.expires_at < v_before
    order by o.expires_at limit batch) or r.customer_id = any (v_ids);
  get diagnostics v_count = row_count;
  delete from app_private.link_tokens t where t.customer_id = any (v_ids);
  delete from app_public.notifications n where n.customer_id = any (v_ids);
  delete from app_public.customers c where c.id = any (v_ids);
  return v_count;
end
$$;
comment on function app_private.clean_up_guest_requests(integer) is 'Forgets requests a week after their links have ended, and addresses with which nothing was ever booked; out comes how many.';

revoke execute on function
  app_private.party_of_request(app_private.guest_requests), app_private.check_request(app_private.guest_requests, timestamptz),
  app_private.request_of_link(app_private.link_tokens), app_private.request_outlook(app_private.guest_requests, timestamptz),
  app_private.request_standing(app_private.guest_requests, timestamptz),
  app_private.request_as_json(app_private.guest_requests),
  app_private.request_on_page(app_private.guest_requests, timestamptz),
  app_private.follow_request(app_private.link_tokens, jsonb), app_private.clean_up_guest_requests(integer) from public;

-- functions/people/request_booking_by_mail.sql
-- Guests book without an account: they ask here, and book by the link in the mail. The organisation's row is locked while
-- its requests are counted, so that a thousand at once are counted one after another; booking takes no such lock.

create or replace function app_private.requested_by_guest(input jsonb) returns app_private.guest_requests
language plpgsql stable
as $$
declare
  v_offering app_public.offerings := app_private.find_offering((input ->> 'offeringId')::uuid);
  v_party app_private.party;
  v_wishes app_private.wishes;
  v_request app_private.guest_requests;
begin
  if not (app_private.policy_of(v_offering)).guest_bookings then
    perform app_private.fail('RSOFF', 'Here one books with an account. Please sign in, or sign up first.');
  end if;
  perform app_private.check_person(input ->> 'name', input ->> 'phone', input ->> 'locale', null);
  v_party := app_private.checked_party((input ->> 'partySize')::integer, (input ->> 'adults')::integer,
    (input ->> 'children')::integer, (input ->> 'infants')::integer);
  v_wishes := app_private.checked_wishes(
    input ->> 'purpose', input ->> 'specialRequests', input ->> 'dietaryNeeds', input ->> 'accessNeeds');
  v_request.organization_id := v_offering.organization_id;
  v_request.offering_id := v_offering.id;
  v_request.slot_id := (input ->> 'slotId')::uuid;
  v_request.during := coalesce(
    app_private.requested_room(v_offering.id, v_request.slot_id, (input ->> 'startsAt')::timestamptz,
      (input ->> 'endsAt')::timestamptz, (input ->> 'localStartsAt')::timestamp, (input ->> 'localEndsAt')::timestamp),
    (select tstzrange(s.starts_at, s.ends_at) from app_private.find_slot(v_request.slot_id, v_offering.id) s));
  v_request.party_size := v_party.size;
  v_request.adults := v_party.adults;
  v_request.children := v_party.children;
  v_request.infants := v_party.infants;
  v_request.name := btrim(input ->> 'name');
  v_request.phone := btrim(input ->> 'phone');
  v_request.purpose := v_wishes.purpose;
  v_request.special_requests := v_wishes.special_requests;
  v_request.dietary_needs := v_wishes.dietary_needs;
  v_request.access_needs := v_wishes.access_needs;
  return v_request;
end
$$;
comment on function app_private.requested_by_guest(jsonb) is 'What a guest asks for, as it is stored. Errors: RSNTF, RSOFF, RSARG, RSTIM.';

create or replace function app_private.refuse_if_impossible(request app_private.guest_requests, or_wait boolean) returns void
language plpgsql stable
as $$
declare
  v_detail text;
begin
  perform app_private.check_request(request, app_private.clock());
exception
  when sqlstate 'RSFUL' then
    get stacked diagnostics v_detail = pg_exception_detail;
    if not (or_wait and (v_detail::jsonb ->> 'mayWait')::boolean) then
      raise;
    end if;
end
$$;
comment on function app_private.refuse_if_impossible(app_private.guest_requests, boolean) is 'Refuses at once what could not be booked, or waited for, by anybody. Errors: those of check_request.';

create or replace function app_private.may_mail_guest(organization_id uuid, email text, now_at timestamptz) returns boolean
language plpgsql volatile
as $$
declare
  v_policy app_public.policy_versions := app_private.default_policy(organization_id);
  v_since timestamptz := now_at - interval '1 hour';
  v_oldest timestamptz;
begin
  select r.created_at into v_oldest from app_private.guest_requests r
  where r.organization_id = may_mail_guest.organization_id and r.created_at > v_since
  order by r.created_at desc offset v_policy.max_guest_requests_per_hour - 1 limit 1;
  if found then
    perform app_private.fail('RSRAT', 'Too many guests are booking by mail right now. Please try again later, or sign up and book at once.',
      jsonb_build_object('retryAfterSeconds', ceil(extract(epoch from v_oldest - v_since))));
  end if;
  return v_policy.max_guest_mails_per_hour > (
    select count(*) from app_private.guest_requests r join app_public.customers c on c.id = r.customer_id
    where r.organization_id = may_mail_guest.organization_id and r.created_at > v_since
      and c.email_normalised = app_private.normalise_email(may_mail_guest.email));
end
$$;
comment on function app_private.may_mail_guest(uuid, text, timestamptz) is 'Whether an address may get one more link within the hour; the organisation is locked. Errors: RSRAT the organisation has sent too many.';

create or replace function app_private.addressee(organization_id uuid, email text, locale text) returns uuid
language plpgsql volatile
as $$
declare
  v_id uuid;
begin
  select c.id into v_id from app_public.customers c
  where c.organization_id = addressee.organization_id and c.erased_at is null
    and c.email_normalised = app_private.normalise_email(addressee.email)
  order by c.user_id nulls last, c.id limit 1;
  if v_id is null then
    -- Without a name: as long as nobody has followed the link, it is only what somebody said.
    insert into app_public.customers (organization_id, email, locale)
    values (addressee.organization_id, addressee.email, addressee.locale)
    returning id into v_id;
  end if;
  return v_id;
end
$$;
comment on function app_private.addressee(uuid, text, text) is 'The customer with an address, or a new one that is nothing but that. Not locked: who waited would learn that there is one.';

create or replace function app_private.request_booking_by_mail(input jsonb) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_email text := app_private.checked_email(input ->> 'email');
  v_request app_private.guest_requests := app_private.requested_by_guest(input);
  v_now timestamptz;
begin
  perform app_private.refuse_if_impossible(v_request, coalesce((input ->> 'orWait')::boolean, false));
  perform from app_public.organizations g where g.id = v_request.organization_id for no key update;
  v_now := app_private.clock();
  -- The answer is the same: whether somebody has asked for this address before is not for everybody to know.
  if not app_private.may_mail_guest(v_request.organization_id, v_email, v_now) then
    return;
  end if;
  v_request.created_at := v_now;
  v_request.expires_at := (
    select least(v_now + p.guest_link_ttl, lower(v_request.during))
    from app_public.offerings f cross join app_private.policy_of(f) p where f.id = v_request.offering_id);
  v_request.customer_id := app_private.addressee(v_request.organization_id, v_email, input ->> 'locale');
  v_request.notification_id := app_private.notify_customer(v_request.customer_id, 'booking_link', null, null);
  insert into app_private.guest_requests select v_request.*;
  update app_public.deliveries d set not_after = v_request.expires_at where d.notification_id = v_request.notification_id;
end
$$;
comment on function app_private.request_booking_by_mail(jsonb) is 'Mails a guest the link that books what they ask for; keeps no room until then. Whether anybody has the address cannot be seen. Errors: RSARG, RSNTF, RSOFF guests need an account here, RSTIM, RSBLK, RSLIM, RSFUL taken, RSRAT too many guests at once.';

revoke execute on function
  app_private.requested_by_guest(jsonb), app_private.refuse_if_impossible(app_private.guest_requests, boolean),
  app_private.may_mail_guest(uuid, text, timestamptz), app_private.addressee(uuid, text, text),
  app_private.request_booking_by_mail(jsonb) from public;
grant execute on function app_private.request_booking_by_mail(jsonb) to reslot_app;

-- functions/links.sql
create or replace function app_private.booking_link_standing(
  action app_private.link_action, booking app_public.bookings, now_at timestamptz
) returns text
language sql immutable
return case
  when booking.status = 'held' then 'unknown'
  when action = 'confirm' and booking.attendance_confirmed_at is not null and booking.ended_at is null then 'done'
  when action = 'cancel' and booking.status = 'cancelled' then 'done'
  when action = 'confirm_delivery' and booking.delivery_confirmed_at is not null then 'done'
  when action = 'approve' and (booking.awaits_payment
    or booking.status in ('confirmed', 'in_progress', 'delivered', 'completed', 'no_show')) then 'done'
  when action = 'reject' and booking.status = 'rejected' then 'done'
  when booking.status in ('cancelled', 'auto_cancelled', 'rejected', 'expired') then booking.status::text
  when booking.status in ('completed', 'no_show') then 'over'
  when action = 'confirm_delivery' then case when booking.status = 'delivered' then 'ready' else 'not_delivered' end
  when action in ('approve', 'reject') then case
    when booking.status <> 'pending' or booking.awaits_payment then 'approved'
    when booking.request_expires_at <= now_at then 'expired'
    else 'ready' end
  when booking.starts_at <= now_at or booking.status in ('in_progress', 'delivered') then 'begun'
  when action = 'confirm' and booking.status = 'pending' then 'pending'
  else 'ready'
end;
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
      select from app_public.users u
      join app_public.bookings b on b.id = link.booking_id
      where u.id = link.user_id and u.deactivated_at is null and (u.is_admin or exists (
        select from app_public.memberships m
        where m.user_id = u.id and m.organization_id = b.organization_id
          and (m.resource_id = b.provider_id or m.role in ('owner', 'manager') and (m.all_offerings or exists (
            select from app_public.membership_offerings x
            where x.membership_id = m.id and x.offering_id = b.offering_id))))))
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
    when 'cancel_series' then
      select app_private.series_link_standing(b) into v_standing
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
      where s.id = link.booking_id limit 1) end,
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
    -- A hold is sold at the price it was offered at.
    'price', case when h.id is not null or not e.for_places then coalesce(h.price, f.price)
      else (app_private.quote_for_slot(e.slot_id, app_private.party_of(e), p)).price end,
    'currency', coalesce(h.currency, g.currency), 'day', case when e.slot_id is null then e.day end,
    'isHeld', e.status = 'offered', 'needsApproval', app_private.needs_approval(p, e.customer_id, app_private.clock()), 'address', f.address,
    'supportContact', f.support_contact
  ) else '{}' end
  from app_public.waitlist_entries e
  join app_public.offerings f on f.id = e.offering_id
  join app_public.organizations g on g.id = f.organization_id
  join app_public.policy_versions p on p.id = e.policy_version_id
  left join app_public.bookings h on h.id = e.hold_id
  where e.id = coalesce(link.entry_id, (app_private.request_of_link(link)).entry_id)
$$;
create or replace function app_private.read_link(token text) returns jsonb
language plpgsql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_link app_private.link_tokens;
  v_standing text;
  v_is_current boolean;
  v_request app_private.guest_requests;
begin
  select * into v_link from app_private.link_tokens t where t.token_hash = app_private.hash_token(token);
  v_standing := app_private.link_standing(v_link);
  if v_standing = 'unknown' then
    return jsonb_build_object('state', 'not_valid', 'why', 'unknown');
  end if;
  v_is_current := v_link.expires_at > app_private.clock();
  v_request := app_private.request_of_link(v_link);
  return (
    select jsonb_build_object(
      -- Whoever asked for what is taken by now may wait for it: another deed, agreed to on a page of its own.
      'action', case when v_request.entry_id is not null then 'wait'
        when v_standing = 'ready' and v_link.action = 'book'
          then app_private.request_outlook(v_request, app_private.clock()) ->> 'action'
        else v_link.action::text end,
      'state', case when v_standing in ('ready', 'done') then v_standing else 'too_late' end,
      'why', v_standing,
      'locale', coalesce(c.locale, u.locale, g.locale),
      'organization', jsonb_build_object(
        'name', g.name, 'logoUrl', g.logo_url, 'address', g.address, 'supportEmail', g.support_email,
        'supportPhone', g.support_phone, 'frontEndUrl', g.front_end_url),
      'booking', coalesce(app_private.link_booking(v_link, v_is_current),
        app_private.request_on_page(v_request, app_private.clock())),
      'entry', app_private.link_entry(v_link, v_is_current))
    from app_public.organizations g
    left join app_public.customers c on c.id = v_link.customer_id
    left join app_public.users u on u.id = coalesce(v_link.user_id, c.user_id)
    where g.id = v_link.organization_id);
end
$$;
create or replace function app_private.act_on_link(link app_private.link_tokens, choice jsonb, evidence jsonb) returns timestamptz
language plpgsql volatile
as $$
declare
  v_reason constant text := nullif(choice ->> 'reason', '');
  v_starts_at timestamptz;
begin
  case link.action
    when 'confirm' then
      v_starts_at := (app_private.confirm_attendance(link.booking_id, 'link', evidence)).starts_at;
    when 'cancel' then
      v_starts_at := (app_private.end_booking_by_customer(link.booking_id, v_reason)).starts_at;
    when 'cancel_series' then
      v_starts_at := app_private.cancel_series_by_link(link, v_reason);
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
comment on function app_private.act_on_link(app_private.link_tokens, jsonb, jsonb) is 'Does what a link is for; out comes the start of the booking or entry it was about. Errors: those of the function that acts.';
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
  where t.token_hash = v_link.token_hash and t.expires_at > (select app_private.clock());
  if not found then
    perform app_private.fail('RSEXP', 'This link comes too late.', jsonb_build_object('why', 'link_expired'));
  end if;
  return app_private.read_link(token);
end
$$;
comment on function app_private.follow_link(text, jsonb, jsonb) is 'Does what a link is for and stores what was seen of the person; again: the same result. `choice` may hold startsAt, the start the person was shown, action and price if they may change, and a reason. For the server alone. Errors: RSNTF not valid, RSEXP too late, RSSTA, and those of the function that acts.';
revoke execute on function
  app_private.booking_link_standing(app_private.link_action, app_public.bookings, timestamptz),
  app_private.entry_link_standing(app_private.link_action, app_public.waitlist_entries, app_public.bookings, timestamptz),
  app_private.link_bearer_is_entitled(app_private.link_tokens), app_private.account_link_standing(app_private.link_tokens),
  app_private.link_standing(app_private.link_tokens), app_private.link_booking(app_private.link_tokens, boolean),
  app_private.link_entry(app_private.link_tokens, boolean), app_private.read_link(text),
  app_private.act_on_link(app_private.link_tokens, jsonb, jsonb), app_private.follow_link(text, jsonb, jsonb)
from public;

-- triggers/configuration.sql
create or replace function app_private.check_same_organization() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_row jsonb := to_jsonb(new);
  v_organization uuid := v_row ->> 'organization_id';
begin
  if tg_table_name = 'membership_offerings' then
    select m.organization_id into v_organization from app_public.memberships m where m.id = new.membership_id;
  end if;
  if exists (select from app_public.policies p
             where p.id = (v_row ->> 'policy_id')::uuid and p.organization_id <> v_organization)
     or exists (select from app_public.resources r
                where r.id = (v_row ->> 'resource_id')::uuid and r.organization_id <> v_organization)
     or exists (select from app_public.offerings f
                where f.id = (v_row ->> 'offering_id')::uuid and f.organization_id <> v_organization) then
    perform app_private.fail('RSNTF', 'What this refers to does not exist, or is not yours.');
  end if;
  return new;
end
$$;
comment on function app_private.check_same_organization() is 'Nothing refers to another organisation''s policy, resource or offering. Errors: RSNTF.';
create or replace function app_private.schedules_check_offering() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  if (select f.allocation from app_public.offerings f where f.id = new.offering_id) <> 'capacity' then
    perform app_private.fail('RSARG', 'Only what is booked by the place has schedules.');
  end if;
  -- No day of a duration depends on the calendar.
  new.duration := app_private.in_seconds(new.duration);
  return new;
end
$$;
comment on function app_private.schedules_check_offering() is 'Only offerings with places have schedules; days of their durations become hours. Errors: RSARG.';
create or replace function app_private.offerings_normalise() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  -- No day of a duration depends on the calendar.
  new.duration := app_private.in_seconds(new.duration);
  new.travel_time := app_private.in_seconds(new.travel_time);
  return new;
end
$$;
comment on function app_private.offerings_normalise() is 'Turns days in durations into hours.';
create or replace function app_private.policies_add_first_version() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  insert into app_public.policy_versions (policy_id, organization_id, version, created_by)
  values (new.id, new.organization_id, 1, app_private.current_user_id())
  on conflict on constraint policy_versions_in_sequence do nothing;
  return null;
end
$$;
comment on function app_private.policies_add_first_version() is 'A policy made by hand begins with the rules that are usual; revise_policy changes them.';
create or replace function app_private.organizations_add_default_policy() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  with made as (
    insert into app_public.policies (organization_id, name, is_default) values (new.id, 'Default', true) returning id
  )
  insert into app_public.policy_versions (policy_id, organization_id, version, created_by)
  select m.id, new.id, 1, app_private.current_user_id() from made m;
  return null;
end
$$;
comment on function app_private.organizations_add_default_policy() is 'An organisation made by hand begins with a default policy.';
create or replace function app_private.offerings_within(table_name text, id uuid) returns uuid[]
language sql stable
as $$
  select coalesce(array_agg(f.id), '{}') from app_public.offerings f
  where case table_name
    when 'organizations' then f.organization_id = offerings_within.id
    when 'resources' then exists (
      select from app_public.offering_resources x where x.offering_id = f.id and x.resource_id = offerings_within.id)
    else f.id = offerings_within.id end
$$;
comment on function app_private.offerings_within(text, uuid) is 'The offerings of an organisation, those that use a resource, or the offering itself.';
create or replace function app_private.hand_on_what_came_back() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_offerings uuid[] := app_private.offerings_within(tg_table_name, new.id);
begin
  perform app_private.lock_room(v_offerings);
  perform app_private.hand_on(
    case tg_table_name when 'resources' then array[new.id] else app_private.resources_of_all(v_offerings) end,
    tstzrange(app_private.clock(), null));
  perform app_private.hand_on_slots(v_offerings, tstzrange(app_private.clock(), null));
  return null;
end
$$;
comment on function app_private.hand_on_what_came_back() is 'Hands on the room of an organisation, an offering or a resource that is no longer archived.';
create or replace function app_private.take_back_what_went() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_offerings uuid[] := app_private.offerings_within(tg_table_name, new.id);
begin
  perform app_private.lock_room(v_offerings);
  -- Bookings were promised and stay; what is only offered is not given any more.
  perform app_private.end_offer(e.id, 'waiting', 'This is not offered any more.')
  from app_public.waitlist_entries e join app_public.bookings h on h.id = e.hold_id
  where e.offering_id = any (v_offerings)
    -- Of a pool only what this one was to serve.
    and (tg_table_name <> 'resources' or new.id = any (app_private.resources_taken(h)));
  return null;
end
$$;
comment on function app_private.take_back_what_went() is 'Ends the live offers of an organisation, an offering or a resource that was archived; the entries keep their places.';
revoke execute on function
  app_private.offerings_within(text, uuid), app_private.take_back_what_went(), app_private.hand_on_what_came_back(), app_private.check_same_organization(), app_private.schedules_check_offering(), app_private.offerings_normalise(), app_private.policies_add_first_version(),
  app_private.organizations_add_default_policy() from public;
create trigger offerings_normalise before insert or update of duration, travel_time on app_public.offerings
  for each row execute function app_private.offerings_normalise();
create trigger memberships_check_same_organization
  before insert or update of organization_id, resource_id on app_public.memberships
  for each row execute function app_private.check_same_organization();

-- triggers/audit.sql
create trigger bookings_audit after insert or delete on app_public.bookings
  for each row execute function app_private.audit_change('id', 'purpose', 'special_requests', 'dietary_needs', 'access_needs', 'customer_address', 'customer_phone', 'delivery_notes', 'recommendations');
create trigger bookings_audit_update after update on app_public.bookings
  for each row when (old is distinct from new) execute function app_private.audit_change('id', 'purpose', 'special_requests', 'dietary_needs', 'access_needs', 'customer_address', 'customer_phone', 'delivery_notes', 'recommendations');
create trigger waitlist_entries_audit after insert or delete on app_public.waitlist_entries
  for each row execute function app_private.audit_change('id', 'note', 'customer_address', 'customer_phone');
create trigger waitlist_entries_audit_update after update on app_public.waitlist_entries
  for each row when (old is distinct from new) execute function app_private.audit_change('id', 'note', 'customer_address', 'customer_phone');
create trigger recurring_bookings_audit after insert or delete on app_public.recurring_bookings
  for each row execute function app_private.audit_change('id');
create trigger recurring_bookings_audit_update after update on app_public.recurring_bookings
  for each row when (old is distinct from new) execute function app_private.audit_change('id');
create trigger payments_audit after insert or delete on app_public.payments
  for each row execute function app_private.audit_change('id', 'reference', 'checkout_id', 'checkout_url');
create trigger payments_audit_update
  after update of status, amount, refund_due, refunded, method, error_code on app_public.payments
  for each row when (old is distinct from new)
  execute function app_private.audit_change('id', 'reference', 'checkout_id', 'checkout_url');
create trigger reviews_audit after insert or delete on app_public.reviews
  for each row execute function app_private.audit_change('id', 'words', 'reply');
create trigger reviews_audit_update after update on app_public.reviews
  for each row when (old is distinct from new) execute function app_private.audit_change('id', 'words', 'reply');
create trigger booking_photos_audit after insert or delete on app_public.booking_photos
  for each row execute function app_private.audit_change('id', 'sha256');
create trigger booking_photos_audit_update after update on app_public.booking_photos
  for each row when (old is distinct from new) execute function app_private.audit_change('id', 'sha256');

-- triggers/payments.sql
create function app_private.bookings_keep_payments() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform app_private.keep_payments(new, tg_op = 'UPDATE' and old.ended_at is null and new.ended_at is not null);
  return null;
end
$$;
comment on function app_private.bookings_keep_payments() is 'Keeps the payments of a booking what its row says.';

create function app_private.payments_check_transition() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  if not exists (
    select from app_private.payment_transitions t where t.from_status = old.status and t.to_status = new.status
  ) then
    perform app_private.fail('RSSTA', format('A payment that is %s cannot become %s.', old.status, new.status));
  end if;
  return new;
end
$$;
comment on function app_private.payments_check_transition() is 'Holds payments to the transition table. Errors: RSSTA.';

revoke execute on function app_private.bookings_keep_payments(), app_private.payments_check_transition() from public;

-- Not for what costs nothing, nor for holds.
create trigger bookings_keep_payments after insert on app_public.bookings
  for each row when (new.price > 0 and new.status <> 'held') execute function app_private.bookings_keep_payments();
create trigger bookings_keep_payments_update after update of status, price, awaits_payment on app_public.bookings
  for each row when (
    greatest(old.price, new.price) > 0
    and (old.status, old.price, old.awaits_payment) is distinct from (new.status, new.price, new.awaits_payment)
  ) execute function app_private.bookings_keep_payments();
create trigger payments_check_transition before update of status on app_public.payments
  for each row when (old.status <> new.status) execute function app_private.payments_check_transition();

-- triggers/booking_photos.sql
-- However a photo goes (deleted, erased, too old), its file goes with it.
create function app_private.let_photo_file_go() returns trigger
language plpgsql volatile
as $$
begin
  update app_private.photo_files f set remove_at = app_private.clock() where f.id = old.id;
  return null;
end
$$;
comment on function app_private.let_photo_file_go() is 'Leaves the file of a deleted photo to the job that removes files.';
revoke execute on function app_private.let_photo_file_go() from public;

create trigger booking_photos_file after delete on app_public.booking_photos
  for each row execute function app_private.let_photo_file_go();

-- policies/offerings.sql
grant insert (organization_id, policy_id, kind, allocation, name, description, address, directions, support_contact, price,
        category, duration, at_customer, travel_time),
      update (policy_id, name, description, address, directions, support_contact, price, archived_at, category, duration,
        at_customer, travel_time)
  on app_public.offerings to reslot_user, reslot_admin;

-- policies/blackouts.sql
create policy read_own on app_public.blackouts for select to reslot_user
  using (resource_id in (select app_private.own_resource_ids()));

-- policies/bookings.sql
create policy read_served on app_public.bookings for select to reslot_user
  -- Nobody has said yes to an offer.
  using (provider_id = any (array(select app_private.own_resource_ids())) and not unclaimed);

-- policies/recurring_bookings.sql
-- Seen by whoever sees one of its bookings, whose own policies decide.
alter table app_public.recurring_bookings enable row level security, force row level security;
create policy owner_all on app_public.recurring_bookings to reslot_owner using (true) with check (true);
create policy admin_all on app_public.recurring_bookings for select to reslot_admin using (true);
create policy read_with_booking on app_public.recurring_bookings for select to reslot_user
  using (exists (select from app_public.bookings b where b.series_id = recurring_bookings.id));

grant select on app_public.recurring_bookings to reslot_user, reslot_admin;

-- policies/booking_photos.sql
-- Seen by whoever sees the booking, whose own policies decide.
alter table app_public.booking_photos enable row level security, force row level security;
create policy owner_all on app_public.booking_photos to reslot_owner using (true) with check (true);
create policy admin_all on app_public.booking_photos for select to reslot_admin using (true);
create policy read_with_booking on app_public.booking_photos for select to reslot_user
  using (exists (select from app_public.bookings b where b.id = booking_id));

grant select on app_public.booking_photos to reslot_user, reslot_admin;

-- policies/reviews.sql
alter table app_public.reviews enable row level security, force row level security;
create policy owner_all on app_public.reviews to reslot_owner using (true) with check (true);
create policy read_all on app_public.reviews for select to reslot_anonymous, reslot_user, reslot_admin using (true);

grant select on app_public.reviews to reslot_anonymous, reslot_user, reslot_admin;

-- policies/automation_events.sql
-- Seen by whoever sees the booking, whose own policies decide; what went wrong is for its managers: automation_error.
alter table app_public.automation_events enable row level security, force row level security;
create policy owner_all on app_public.automation_events to reslot_owner using (true) with check (true);
create policy admin_all on app_public.automation_events for select to reslot_admin using (true);
create policy read_with_booking on app_public.automation_events for select to reslot_user
  using (exists (select from app_public.bookings b where b.id = booking_id));

grant select (id, organization_id, booking_id, what, due_at, done_at, outcome, attempts, reminder)
  on app_public.automation_events to reslot_user;
grant select on app_public.automation_events to reslot_admin;

-- policies/payments.sql
-- Seen by whoever sees the booking, whose own policies decide.
alter table app_public.payments enable row level security, force row level security;
create policy owner_all on app_public.payments to reslot_owner using (true) with check (true);
create policy admin_all on app_public.payments for select to reslot_admin using (true);
create policy read_with_booking on app_public.payments for select to reslot_user
  using (exists (select from app_public.bookings b where b.id = booking_id));

grant select on app_public.payments to reslot_user, reslot_admin;

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
        and n.kind = 'series_cancelled' and n.data -> 'bookingIds' ? b.id::text) end
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
  where n.entry_id = e.id and n.kind = 'slot_available' and n.data ->> 'holdId' = e.hold_id::text);
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

-- What there is already.
-- Who waited for a place and let an offer of it go is passed over for that slot alone.
update app_public.waitlist_entries e
set passed_at = null, passed_slot_ids = array(
  select s.id from app_public.slots s
  where s.offering_id = e.offering_id and s.ended_at is null and (s.id = e.slot_id or s.day = e.day)
  order by s.starts_at, s.id)
where e.for_places and e.passed_at is not null and e.ended_at is null;
-- Who served the services there are: the one resource that is in one place only.
update app_public.bookings b set provider_id = p.id
from (
  select x.offering_id, (array_agg(x.resource_id))[1] as id
  from app_public.offering_resources x
  join app_public.offerings f on f.id = x.offering_id and f.kind = 'service'
  join app_public.resources r on r.id = x.resource_id and not r.shared
  group by x.offering_id having count(*) = 1) p
where b.offering_id = p.offering_id and b.slot_id is null;

-- What has other parameters now.
drop function app_private.open_ranges(uuid,timestamp with time zone,timestamp with time zone);
drop function app_private.is_open(uuid,timestamp with time zone,timestamp with time zone);
drop function app_private.free_ranges(uuid,timestamp with time zone,timestamp with time zone,interval,interval);
drop function app_private.blackouts_over(uuid,timestamp with time zone,timestamp with time zone);
drop function app_private.checked_wishes(text,text,text,text);
drop function app_public.availability(uuid,timestamp with time zone,timestamp with time zone);
drop function app_private.nearest_free(uuid,tstzrange,app_public.policy_versions,timestamp with time zone);
drop function app_private.occupies(app_public.booking_status);
drop function app_private.is_free(uuid,tstzrange);
drop function app_private.insert_booking(uuid,uuid,app_public.policy_versions,tstzrange,app_private.party,app_private.wishes,uuid,timestamp with time zone,app_private.booking_terms,timestamp with time zone,uuid);
drop function app_private.refuse_if_blacked_out(uuid,timestamp with time zone,timestamp with time zone);
drop function app_private.check_times(uuid,app_public.policy_versions,tstzrange,timestamp with time zone,boolean);
drop function app_private.refuse_if_taken(uuid,app_public.policy_versions,tstzrange,timestamp with time zone,uuid);
drop function app_private.book(app_public.customers,uuid,tstzrange,uuid,app_private.party,app_private.wishes,uuid,boolean,boolean);
drop function app_public.create_booking(uuid,timestamp with time zone,timestamp with time zone,timestamp without time zone,timestamp without time zone,integer,text,text,uuid,integer,integer,integer,text,text,text);
drop function app_public.create_booking_for(uuid,timestamp with time zone,timestamp with time zone,timestamp without time zone,timestamp without time zone,text,text,text,text,integer,text,boolean,text,uuid,integer,integer,integer,text,text,text);
drop function app_private.move_booking(app_public.bookings,tstzrange,boolean);
drop function app_public.modify_booking(uuid,timestamp with time zone,timestamp with time zone,timestamp without time zone,timestamp without time zone,text,uuid,integer,integer,integer,integer,text,text,text);
drop function app_private.join_queue(app_public.customers,uuid,tstzrange,uuid,date,app_private.party,text);
drop function app_public.join_waitlist(uuid,timestamp with time zone,timestamp with time zone,timestamp without time zone,timestamp without time zone,integer,text,text,uuid,date,integer,integer,integer);
drop function app_public.set_offering_resources(uuid,uuid[]);
drop function app_private.note_deadline_failure(uuid,text);
drop function app_private.customer_contact(uuid);
drop function app_public.set_member(uuid,text,app_public.member_role,boolean,uuid[]);
drop function app_private.act_on_link(app_private.link_tokens,text,jsonb);
