--! Previous: -
--! Hash: sha1:6030b0b9842d27f212a413e02f5c0fbd9173de44
--! Message: initial

--! Included all.sql
-- Everything there is, in the order in which it can be created. migrations/committed is the record of how
-- databases came to be like this; a test proves that the two agree.
set local check_function_bodies = off;
--! Included types/schemas.sql
-- What clients may see lives in app_public, everything else in app_private.
create schema app_public;
create schema app_private;
comment on schema app_public is 'What the API exposes: tables to read, functions to change.';
comment on schema app_private is 'Internals: locks, room, deadlines, outbox, secrets.';

revoke all on schema app_public from public;
revoke all on schema app_private from public;
grant usage on schema app_public to reslot_anonymous, reslot_user, reslot_admin, reslot_app, reslot_worker;
-- The policies of exposed tables call app_private functions as the caller; each is granted by name.
grant usage on schema app_private to reslot_anonymous, reslot_user, reslot_admin, reslot_app, reslot_worker;

-- Nothing is executable by default: every function says who may call it.
alter default privileges revoke execute on functions from public;
--! EndIncluded types/schemas.sql
--! Included types/enums.sql
create type app_public.offering_kind as enum ('venue', 'tour', 'service');
comment on type app_public.offering_kind is 'What is booked.';

create type app_public.allocation_mode as enum ('exclusive', 'capacity');
comment on type app_public.allocation_mode is 'How room is taken: `exclusive` occupies the resources for any range of time, `capacity` takes places in dated slots.';

create type app_public.booking_status as enum (
  'held', 'pending', 'confirmed', 'in_progress', 'delivered', 'completed',
  'cancelled', 'auto_cancelled', 'rejected', 'expired', 'no_show'
);
comment on type app_public.booking_status is 'Where a booking is in its life; see docs/states.md. Held, pending, confirmed, in progress and delivered are live. `confirmed` is a status; the customer''s answer to the reminder is `attendance_confirmed_at`.';

create type app_public.waitlist_status as enum (
  'waiting', 'offered', 'claimed', 'declined', 'expired', 'left', 'lapsed', 'closed'
);
comment on type app_public.waitlist_status is 'Where a waitlist entry is: waiting and offered are live; expired: the offer ran out; lapsed: the time waited for has come; closed: another claim of the same customer, or the operator, ended it.';

create type app_public.member_role as enum ('owner', 'manager', 'provider');
comment on type app_public.member_role is 'A user''s role in an organisation.';

create type app_public.automation_mode as enum ('off', 'dry_run', 'on');
comment on type app_public.automation_mode is 'Whether time may act: `dry_run` only reports what it would have done.';

create type app_public.confirmation_source as enum ('booking', 'link', 'account', 'not_needed');
comment on type app_public.confirmation_source is 'How attendance came to be confirmed: by booking close to the start, by the link in a mail, signed in, or not needed because a manager said so when booking. A manager''s override is recorded apart.';

create type app_public.blackout_kind as enum ('holiday', 'maintenance', 'weather', 'custom');
comment on type app_public.blackout_kind is 'Why nothing can be booked.';

create type app_public.recurrence as enum ('none', 'daily', 'weekly', 'every_two_weeks', 'monthly', 'custom');
comment on type app_public.recurrence is 'On which dates a schedule has slots.';

create type app_public.shortfall_action as enum ('report', 'cancel');
comment on type app_public.shortfall_action is 'What happens to a slot that too few have booked: `report` tells its managers, `cancel` cancels it.';

create type app_public.delivery_status as enum ('queued', 'sending', 'sent', 'dead', 'obsolete', 'suppressed');
comment on type app_public.delivery_status is 'Outbox state of one message to one address: dead after the last try, obsolete when overtaken by events, suppressed by the daily limit, an unsubscription or a missing address.';

create type app_public.channel as enum ('email');
comment on type app_public.channel is 'How a message travels.';

create type app_private.deadline_subject as enum ('booking', 'entry', 'freeing', 'blackout', 'slot');

create type app_private.deadline_action as enum (
  'expire_hold', 'expire_request', 'remind', 'auto_cancel', 'start', 'complete',
  'lapse', 'last_call', 'sweep_blackout', 'check_minimum', 'end_slot'
);

create type app_private.link_action as enum (
  'confirm', 'cancel', 'claim', 'decline', 'leave', 'approve', 'reject', 'unsubscribe',
  'verify', 'reset', 'magic'
);
--! EndIncluded types/enums.sql
--! Included types/booking_terms.sql
create type app_private.booking_terms as (
  status app_public.booking_status,
  request_expires_at timestamptz,
  confirm_by timestamptz,
  attendance_confirmed_at timestamptz,
  attendance_confirmed_how app_public.confirmation_source
);
comment on type app_private.booking_terms is 'What a policy makes of a booking made at a certain moment.';
--! EndIncluded types/booking_terms.sql
--! Included types/party.sql
create type app_private.party as (size integer, adults integer, children integer, infants integer, places integer);
comment on type app_private.party is 'How many people, who they are (null where a range of time is booked), and how many places they take.';
--! EndIncluded types/party.sql
--! Included types/wishes.sql
create type app_private.wishes as (purpose text, special_requests text, dietary_needs text, access_needs text);
comment on type app_private.wishes is 'What a customer says of a booking, in words.';
--! EndIncluded types/wishes.sql
--! Included types/manifest_line.sql
create type app_public.manifest_line as (
  booking_id uuid, reference text, status app_public.booking_status, customer_name text, phone text, email text,
  adults integer, children integer, infants integer, places integer, attendance_confirmed boolean, special_requests text,
  dietary_needs text, access_needs text
);
comment on type app_public.manifest_line is 'A party of a slot, as whoever leads it needs to know it.';
comment on column app_public.manifest_line.booking_id is 'The booking.';
comment on column app_public.manifest_line.reference is 'What a person can read out.';
comment on column app_public.manifest_line.status is 'Where the booking is in its life.';
comment on column app_public.manifest_line.customer_name is 'Who booked.';
comment on column app_public.manifest_line.phone is 'How to reach them.';
comment on column app_public.manifest_line.email is 'Likewise.';
comment on column app_public.manifest_line.adults is 'How many adults.';
comment on column app_public.manifest_line.children is 'How many children.';
comment on column app_public.manifest_line.infants is 'How many infants.';
comment on column app_public.manifest_line.places is 'How many places they take.';
comment on column app_public.manifest_line.attendance_confirmed is 'Whether they said that they will come.';
comment on column app_public.manifest_line.special_requests is 'What they wish.';
comment on column app_public.manifest_line.dietary_needs is 'What they may or may not eat.';
comment on column app_public.manifest_line.access_needs is 'What they need to take part.';
--! EndIncluded types/manifest_line.sql
--! Included types/planned_slot.sql
create type app_public.planned_slot as (local_starts_at timestamp, outcome text, slot_id uuid);
comment on type app_public.planned_slot is 'What became of one date of a schedule.';
comment on column app_public.planned_slot.local_starts_at is 'The local start.';
comment on column app_public.planned_slot.outcome is '`made`; `exists` and is as it was; `changed` with its schedule, for nobody had booked it; `over`; `gap`: the clocks go forward then, and there is no such time; `blacked_out`; `taken`: a guide or vehicle is somewhere else.';
comment on column app_public.planned_slot.slot_id is 'The slot, if there is one.';
--! EndIncluded types/planned_slot.sql
--! Included types/quote.sql
create type app_public.quote as (
  currency text, person_price numeric, adult_price numeric, child_price numeric, infant_price numeric, subtotal numeric,
  discount numeric, tax numeric, tax_included boolean, price numeric
);
comment on type app_public.quote is 'What a party pays, and of what it is made; a booking keeps the same figures.';
comment on column app_public.quote.currency is 'ISO 4217 code.';
comment on column app_public.quote.person_price is 'Price of a person that it is worked out from.';
comment on column app_public.quote.adult_price is 'What each adult pays.';
comment on column app_public.quote.child_price is 'What each child pays.';
comment on column app_public.quote.infant_price is 'What each infant pays.';
comment on column app_public.quote.subtotal is 'All of them together.';
comment on column app_public.quote.discount is 'What a group does not pay of it.';
comment on column app_public.quote.tax is 'The tax on what is left: included in the price, or added to it.';
comment on column app_public.quote.tax_included is 'Whether the tax is included.';
comment on column app_public.quote.price is 'What is paid in all.';
--! EndIncluded types/quote.sql
--! Included types/slot_choice.sql
create type app_public.slot_choice as (
  slot_id uuid, starts_at timestamptz, ends_at timestamptz, places_left integer, price numeric, currency text,
  available boolean, reason text, may_wait boolean
);
comment on type app_public.slot_choice is 'A slot of a day, and whether a party can book it.';
comment on column app_public.slot_choice.slot_id is 'The slot.';
comment on column app_public.slot_choice.starts_at is 'Its start.';
comment on column app_public.slot_choice.ends_at is 'Its end.';
comment on column app_public.slot_choice.places_left is 'How many places are free.';
comment on column app_public.slot_choice.price is 'What the party pays in all.';
comment on column app_public.slot_choice.currency is 'ISO 4217 code of the price.';
comment on column app_public.slot_choice.available is 'Whether the party can book it now.';
comment on column app_public.slot_choice.reason is 'Why not: `cancelled`, `over`, `closed`, `blacked_out`, `archived`, `too_early` (bookings open later), `too_late` (the cutoff), `party` (too small or too large), `full`; null if it can.';
comment on column app_public.slot_choice.may_wait is 'Whether waiting makes sense: it is only full, and could hold the party.';

create type app_public.day_summary as (day date, slots integer, places_left integer, has_availability boolean);
comment on type app_public.day_summary is 'What can be booked on a day.';
comment on column app_public.day_summary.day is 'The local date.';
comment on column app_public.day_summary.slots is 'How many slots are on sale.';
comment on column app_public.day_summary.places_left is 'How many places they have left, together.';
comment on column app_public.day_summary.has_availability is 'Whether one of them has room for the party.';
--! EndIncluded types/slot_choice.sql
--! Included types/free_range.sql
create type app_public.free_range as (starts_at timestamptz, ends_at timestamptz);
comment on type app_public.free_range is 'A stretch of time in which an offering can be booked.';
comment on column app_public.free_range.starts_at is 'From when.';
comment on column app_public.free_range.ends_at is 'Until when.';
--! EndIncluded types/free_range.sql
--! Included types/next_deadline.sql
create type app_private.next_deadline as (action app_private.deadline_action, due_at timestamptz);
comment on type app_private.next_deadline is 'What time will do next to a subject, and when.';
--! EndIncluded types/next_deadline.sql
--! Included types/rooms_to_lock.sql
create type app_private.rooms_to_lock as (resources uuid[], overdue uuid[]);
comment on type app_private.rooms_to_lock is 'What to lock, and which holds on it are overdue.';
--! EndIncluded types/rooms_to_lock.sql
--! Included types/queue_length.sql
create type app_public.queue_length as (
  organization_id uuid, offering_id uuid, offering_name text, waiting integer, offered integer, stuck integer, oldest timestamptz
);
comment on type app_public.queue_length is 'How many people wait for an offering.';
comment on column app_public.queue_length.organization_id is 'The organisation.';
comment on column app_public.queue_length.offering_id is 'The offering.';
comment on column app_public.queue_length.offering_name is 'Its name.';
comment on column app_public.queue_length.waiting is 'Entries that wait.';
comment on column app_public.queue_length.offered is 'Entries with a live offer.';
comment on column app_public.queue_length.stuck is 'Entries set aside, for a manager to look at.';
comment on column app_public.queue_length.oldest is 'When the longest-waiting one joined.';
--! EndIncluded types/queue_length.sql
--! Included types/health.sql
create type app_public.health as (name text, value bigint, oldest timestamptz, healthy boolean);
comment on type app_public.health is 'One figure of the system''s health.';
comment on column app_public.health.name is 'What is counted.';
comment on column app_public.health.value is 'How many.';
comment on column app_public.health.oldest is 'The oldest of them.';
comment on column app_public.health.healthy is 'Whether this is as it should be.';
--! EndIncluded types/health.sql
--! Included functions/clock.sql
-- Why a function: every decision about time reads one clock, after its last lock. `now()` is the start of the
-- transaction, and accepted a claim two seconds late when the lock was waited for.
create function app_private.clock() returns timestamptz
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_now timestamptz;
begin
  select c.now_at into v_now from app_private.simulated_clock c;
  return coalesce(v_now, clock_timestamp());
end
$$;
comment on function app_private.clock() is 'The time now: the wall clock''s, unless the owner has set a simulated one. In queries write `(select app_private.clock())`, or indexes are not used.';
revoke execute on function app_private.clock() from public;
grant execute on function app_private.clock() to reslot_anonymous, reslot_user, reslot_admin, reslot_app, reslot_worker;

create function app_private.set_clock(now_at timestamptz) returns void
language plpgsql volatile
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  delete from app_private.simulated_clock c where set_clock.now_at is null;
  insert into app_private.simulated_clock as c (now_at) select set_clock.now_at where set_clock.now_at is not null
  on conflict (singleton) do update set now_at = excluded.now_at;
end
$$;
comment on function app_private.set_clock(timestamptz) is 'Sets the simulated time; null returns to the wall clock. The owner''s only; for tests and rehearsals.';
revoke execute on function app_private.set_clock(timestamptz) from public;

-- Durations as seconds only. An interval of a day added to a timestamptz is a day of the session's time zone,
-- 23 hours when daylight saving begins there; every result must be the same in every session.
create function app_private.elapsed(since timestamptz, until timestamptz) returns interval
language sql immutable parallel safe
return make_interval(secs => extract(epoch from until - since)::double precision);
comment on function app_private.elapsed(timestamptz, timestamptz) is 'Time between two moments, in hours, minutes and seconds, never in days.';
revoke execute on function app_private.elapsed(timestamptz, timestamptz) from public;

create function app_private.in_seconds(duration interval) returns interval
language sql immutable parallel safe
return make_interval(secs => extract(epoch from duration)::double precision);
comment on function app_private.in_seconds(interval) is 'The same duration without days or months (a day is 24 hours).';
revoke execute on function app_private.in_seconds(interval) from public;
--! EndIncluded functions/clock.sql
--! Included functions/checks.sql
-- What check constraints use; each takes one value and says whether it will do.
-- Unicode has line breaks that are no control characters, and much that nobody sees: it may stand in a name (some scripts
-- need it between letters), but is none.
create function app_private.is_short_line(line text) returns boolean
language sql immutable parallel safe
return length(line) between 1 and 200 and line !~ '[[:cntrl:]\u2028\u2029]'
  and line ~ '[^[:space:]\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff]';
comment on function app_private.is_short_line(text) is 'Whether a text is one line of 1 to 200 characters, without control characters, not blank, with something to be seen.';

create function app_private.normalise_email(email text) returns text
language sql immutable parallel safe
return lower(normalize(btrim(email), nfc));
comment on function app_private.normalise_email(text) is 'An address as it is compared: trimmed, Unicode NFC, lower case.';

create function app_private.is_email(email text) returns boolean
language sql immutable parallel safe
return length(email) <= 254 and email ~ '^[^[:space:][:cntrl:]@<>(),;:\\"]{1,64}@[^[:space:][:cntrl:]@<>(),;:\\"]+\.[^[:space:][:cntrl:]@<>(),;:\\".]{2,}$';
comment on function app_private.is_email(text) is 'Whether a text can be an e-mail address; only a mail that arrives proves that it is one.';

create function app_private.is_web_address(address text) returns boolean
language sql immutable parallel safe
return length(address) <= 2000
  and address ~ '^https?://[^[:space:][:cntrl:]/?#@"<>\\]+([/?#][^[:space:][:cntrl:]]*)?$';
comment on function app_private.is_web_address(text) is 'Whether a text is an http or https address that can stand in a mail: of one piece, without a login.';

-- Immutable by declaration: zone data changes, but a name, once known, stays known.
create function app_private.is_time_zone(zone text) returns boolean
language plpgsql immutable parallel safe
as $$
begin
  if zone !~ '^(UTC|[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+)+)$' then
    return false;
  end if;
  perform timestamptz '2026-01-01 00:00Z' at time zone zone;
  return true;
exception
  when invalid_parameter_value then
    return false;
end
$$;
comment on function app_private.is_time_zone(text) is 'Whether a text is an IANA time zone name this server knows.';

create function app_private.leads_descend(leads interval[]) returns boolean
language sql immutable parallel safe
return cardinality(leads) between 1 and 10
  and not exists (
    select from unnest(leads) with ordinality as a (lead, n)
    where a.lead is null or a.lead <= interval '0' or a.lead > interval '366 days'
      or a.lead <= leads[a.n + 1]
  );
comment on function app_private.leads_descend(interval[]) is 'Whether reminder lead times are positive and each is shorter than the one before.';

revoke execute on function
  app_private.is_short_line(text), app_private.normalise_email(text), app_private.is_email(text),
  app_private.is_web_address(text), app_private.is_time_zone(text), app_private.leads_descend(interval[]) from public;
grant execute on function
  app_private.is_short_line(text), app_private.normalise_email(text), app_private.is_email(text),
  app_private.is_web_address(text), app_private.is_time_zone(text), app_private.leads_descend(interval[])
to reslot_anonymous, reslot_user, reslot_admin, reslot_app, reslot_worker;
--! EndIncluded functions/checks.sql
--! Included functions/fail.sql
-- One way to refuse. The codes are registered in src/errors.ts and docs/errors.md; a test holds the three together.
create function app_private.fail(code text, message text, detail jsonb default null) returns void
language plpgsql stable
as $$
begin
  if detail is null then
    raise exception using errcode = code, message = message;
  end if;
  raise exception using errcode = code, message = message, detail = detail::text;
end
$$;
comment on function app_private.fail(text, text, jsonb) is 'Raises a registered error: its code, a sentence a person can act on, and data for the client (extensions.details).';
revoke execute on function app_private.fail(text, text, jsonb) from public;
--! EndIncluded functions/fail.sql
--! Included tables/simulated_clock.sql
-- Tests and rehearsals move time by a row here. A setting would not do: any role can set
-- one, and a definer function would believe it. Empty in production.
create table app_private.simulated_clock (
  singleton boolean not null default true,
  now_at timestamptz not null,
  constraint simulated_clock_pkey primary key (singleton),
  constraint one_clock check (singleton)
);
comment on table app_private.simulated_clock is 'The simulated time, if any; only the owner may touch it.';
--! EndIncluded tables/simulated_clock.sql
--! Included tables/organizations.sql
create table app_public.organizations (
  id uuid not null default uuidv7(),
  slug text not null,
  name text not null,
  logo_url text,
  address text,
  support_email text,
  support_phone text,
  front_end_url text,
  locale text not null default 'en',
  time_zone text not null default 'UTC',
  currency text not null default 'EUR',
  reference_prefix text not null default 'RS',
  created_at timestamptz not null default app_private.clock(),
  archived_at timestamptz,
  constraint organizations_pkey primary key (id),
  constraint organizations_slug_key unique (slug),
  constraint slug_is_plain check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  constraint name_is_short_line check (app_private.is_short_line(name)),
  constraint logo_url_is_web_address check (app_private.is_web_address(logo_url)),
  constraint front_end_url_is_web_address check (app_private.is_web_address(front_end_url)),
  constraint support_email_looks_like_one check (app_private.is_email(support_email)),
  constraint support_phone_is_short_line check (app_private.is_short_line(support_phone)),
  constraint address_is_bounded check (length(address) <= 500),
  constraint time_zone_is_known check (app_private.is_time_zone(time_zone)),
  constraint locale_is_tag check (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  constraint currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  constraint reference_prefix_is_readable check (reference_prefix ~ '^[A-Z]{2,4}$')
);
comment on table app_public.organizations is 'Who runs venues, tours or services here. Everything that grows carries its id.';
comment on column app_public.organizations.id is 'Identifier (UUID version 7).';
comment on column app_public.organizations.slug is 'Short name for addresses: lower-case letters, digits and hyphens.';
comment on column app_public.organizations.name is 'Name as customers know it.';
comment on column app_public.organizations.logo_url is 'Logo shown in mails and on link pages.';
comment on column app_public.organizations.address is 'Postal address shown in mails.';
comment on column app_public.organizations.support_email is 'Where customers get help by mail.';
comment on column app_public.organizations.support_phone is 'Where customers get help by phone.';
comment on column app_public.organizations.front_end_url is 'The organisation''s own front end; allowed origin for browsers, and where mails link to for booking again.';
comment on column app_public.organizations.locale is 'Language of mails to customers who chose none (BCP 47).';
comment on column app_public.organizations.time_zone is 'IANA time zone for dates that belong to no resource.';
comment on column app_public.organizations.currency is 'ISO 4217 code.';
comment on column app_public.organizations.reference_prefix is 'First part of booking references, two to four capital letters.';
comment on column app_public.organizations.created_at is 'When it was created.';
comment on column app_public.organizations.archived_at is 'When it stopped taking bookings, if it did.';
--! EndIncluded tables/organizations.sql
--! Included tables/users.sql
create table app_public.users (
  id uuid not null default uuidv7(),
  email text not null,
  email_normalised text not null generated always as (app_private.normalise_email(email)) stored,
  email_verified_at timestamptz,
  name text,
  phone text,
  locale text,
  time_zone text,
  is_admin boolean not null default false,
  created_at timestamptz not null default app_private.clock(),
  deactivated_at timestamptz,
  erased_at timestamptz,
  constraint users_pkey primary key (id),
  constraint users_email_normalised_key unique (email_normalised),
  constraint email_looks_like_one check (app_private.is_email(email)),
  constraint name_is_short_line check (name is null or app_private.is_short_line(name)),
  constraint phone_is_short_line check (phone is null or app_private.is_short_line(phone)),
  constraint locale_is_tag check (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  constraint time_zone_is_known check (time_zone is null or app_private.is_time_zone(time_zone)),
  constraint admins_are_active check (not is_admin or deactivated_at is null)
);
comment on table app_public.users is 'An account, across organisations. A user sees only their own row; admins see all.';
comment on column app_public.users.id is 'Identifier (UUID version 7).';
comment on column app_public.users.email is 'Address as typed; mails go here once verified.';
comment on column app_public.users.email_normalised is E'@behavior -*\nAddress as compared: lower case, Unicode NFC.';
comment on column app_public.users.email_verified_at is 'When the address was proven to be theirs.';
comment on column app_public.users.name is 'Name as they wish to be called.';
comment on column app_public.users.phone is 'Phone number, as typed.';
comment on column app_public.users.locale is 'Language of their mails (BCP 47); null: the organisation''s.';
comment on column app_public.users.time_zone is 'IANA time zone for quiet hours; null: the resource''s.';
comment on column app_public.users.is_admin is 'Whether this is an operator of the platform.';
comment on column app_public.users.created_at is 'When the account was made.';
comment on column app_public.users.deactivated_at is 'When the account was switched off, if it was.';
comment on column app_public.users.erased_at is 'When the person was erased, if they were; the row remains without their data.';

-- Apart from users, so that no grant or policy on users can ever show a hash.
create table app_private.user_secrets (
  user_id uuid not null,
  password_hash text,
  constraint user_secrets_pkey primary key (user_id),
  constraint user_secrets_user_id_fkey foreign key (user_id) references app_public.users on delete cascade,
  constraint password_is_argon2id check (password_hash ~ '^\$argon2id\$')
);
comment on table app_private.user_secrets is 'Password hash (Argon2id, made in Node); none: they sign in by links in mails.';

create table app_private.refresh_tokens (
  id uuid not null default uuidv7(),
  family_id uuid not null,
  user_id uuid not null,
  token_hash bytea not null,
  created_at timestamptz not null default app_private.clock(),
  expires_at timestamptz not null,
  used_at timestamptz,
  revoked_at timestamptz,
  ip inet,
  user_agent text,
  constraint refresh_tokens_pkey primary key (id),
  constraint refresh_tokens_user_id_fkey foreign key (user_id) references app_public.users on delete cascade,
  constraint refresh_tokens_token_hash_key unique (token_hash),
  constraint hash_is_sha_256 check (octet_length(token_hash) = 32)
);
create index refresh_tokens_user_id_idx on app_private.refresh_tokens (user_id);
create index refresh_tokens_family_id_idx on app_private.refresh_tokens (family_id);
comment on table app_private.refresh_tokens is 'Rotating refresh tokens; using one twice kills its family.';
--! EndIncluded tables/users.sql
--! Included tables/policies.sql
create table app_public.policies (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  name text not null,
  is_default boolean not null default false,
  created_at timestamptz not null default app_private.clock(),
  archived_at timestamptz,
  constraint policies_pkey primary key (id),
  constraint policies_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint name_is_short_line check (app_private.is_short_line(name)),
  constraint default_is_in_use check (not is_default or archived_at is null)
);
create index policies_organization_id_idx on app_public.policies (organization_id);
create unique index policies_one_default on app_public.policies (organization_id) where is_default;
comment on table app_public.policies is 'A named set of rules; its durations, limits and switches are in immutable versions, the highest of which is in force.';
comment on column app_public.policies.id is 'Identifier (UUID version 7).';
comment on column app_public.policies.organization_id is 'The organisation.';
comment on column app_public.policies.name is 'What managers call it.';
comment on column app_public.policies.is_default is 'Whether it also rules what belongs to no offering (retention).';
comment on column app_public.policies.created_at is 'When it was created.';
comment on column app_public.policies.archived_at is 'When it was put away, if it was.';

-- Immutable: a booking keeps the version it was made under, for that is what its mails promised.
create table app_public.policy_versions (
  id uuid not null default uuidv7(),
  policy_id uuid not null,
  organization_id uuid not null,
  version integer not null,
  created_at timestamptz not null default app_private.clock(),
  created_by uuid,

  auto_cancel app_public.automation_mode not null default 'on',
  waitlist_enabled boolean not null default true,
  requires_approval boolean not null default false,
  request_ttl interval not null default interval '24 hours',

  reminder_leads interval[] not null default array[interval '24 hours', interval '1 hour', interval '15 minutes'],
  confirm_if_booked_before interval not null default interval '24 hours',
  confirm_deadline interval not null default interval '2 hours',
  min_notice interval not null default interval '1 hour',

  claim_window interval not null default interval '15 minutes',
  min_claim_window interval not null default interval '5 minutes',
  max_planned_offers integer not null default 8,
  max_hold_share numeric not null default 0.5,
  last_call interval not null default interval '30 minutes',
  quiet_from time,
  quiet_until time,
  urgent_before interval not null default interval '6 hours',

  buffer_before interval not null default interval '0',
  buffer_after interval not null default interval '0',
  min_duration interval not null default interval '15 minutes',
  max_duration interval not null default interval '24 hours',
  max_days_ahead integer not null default 365,
  booking_cutoff interval not null default interval '0',
  max_bookings_per_day integer not null default 3,
  max_entries_per_day integer not null default 3,
  max_mails_per_day integer not null default 20,
  mail_give_up_after interval not null default interval '72 hours',

  min_party integer not null default 1,
  max_party integer not null default 1000,
  infants_take_places boolean not null default true,
  infant_max_age integer not null default 2,
  child_max_age integer not null default 12,
  child_rate numeric not null default 0.7,
  infant_rate numeric not null default 0,
  group_discount numeric not null default 0,
  group_from integer not null default 10,
  tax_rate numeric not null default 0.1,
  tax_included boolean not null default true,
  rounding numeric not null default 0.01,
  full_refund_until interval not null default interval '48 hours',
  half_refund_until interval not null default interval '24 hours',
  advance_days integer not null default 60,
  minimum_cutoff interval not null default interval '24 hours',
  under_minimum app_public.shortfall_action not null default 'report',

  audit_retention interval not null default interval '2 years',
  notification_retention interval not null default interval '180 days',
  delivery_retention interval not null default interval '90 days',

  constraint policy_versions_pkey primary key (id),
  constraint policy_versions_policy_id_fkey foreign key (policy_id) references app_public.policies,
  constraint policy_versions_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint policy_versions_created_by_fkey foreign key (created_by) references app_public.users,
  constraint policy_versions_in_sequence unique (policy_id, version),
  constraint durations_are_sane check (
    least(request_ttl, confirm_if_booked_before, confirm_deadline, min_notice, claim_window, min_claim_window,
          last_call, urgent_before, min_duration, max_duration, minimum_cutoff) > interval '0'
    and least(buffer_before, buffer_after, booking_cutoff) >= interval '0'
    and greatest(request_ttl, confirm_if_booked_before, confirm_deadline, claim_window, last_call, urgent_before,
                 buffer_before, buffer_after, booking_cutoff, max_duration, minimum_cutoff) <= interval '366 days'
    and min_duration <= max_duration
    and mail_give_up_after between interval '1 minute' and interval '30 days'
    and least(audit_retention, notification_retention, delivery_retention) >= interval '1 day'
    -- The calendar has a beginning, and cleaning up must not stumble over it.
    and greatest(audit_retention, notification_retention, delivery_retention) <= interval '100 years'
  ),
  constraint leads_descend check (app_private.leads_descend(reminder_leads)),
  -- So that nobody is cancelled unasked: whoever books earlier still gets a reminder and the minimum notice.
  constraint nobody_is_cancelled_unasked check (confirm_if_booked_before >= confirm_deadline + min_notice),
  constraint first_reminder_leaves_notice check (reminder_leads[1] >= confirm_deadline + min_notice),
  constraint hold_fits_before_start check (min_claim_window <= last_call),
  constraint released_room_can_be_offered check (last_call + min_claim_window <= confirm_deadline),
  constraint window_is_not_under_minimum check (claim_window >= min_claim_window),
  constraint urgent_leaves_time_to_claim check (urgent_before >= last_call + min_claim_window),
  constraint quiet_hours_are_a_pair check (num_nonnulls(quiet_from, quiet_until) in (0, 2)),
  constraint quiet_hours_end check (quiet_from <> quiet_until),
  constraint parties_are_possible check (1 <= min_party and min_party <= max_party and max_party <= 100000),
  constraint ages_ascend check (infant_max_age between 0 and 17 and child_max_age between infant_max_age and 25),
  constraint rates_are_parts check (
    least(child_rate, infant_rate, group_discount, tax_rate) >= 0
    and greatest(child_rate, infant_rate, group_discount, tax_rate) <= 1 and group_from between 2 and 100000
  ),
  constraint rounding_is_sane check (rounding between 0.01 and 1000 and rounding = round(rounding, 2)),
  constraint refunds_descend check (
    half_refund_until >= interval '0' and full_refund_until >= half_refund_until
    and full_refund_until <= interval '366 days'
  ),
  constraint limits_are_positive check (
    max_planned_offers between 1 and 100 and max_hold_share > 0 and max_hold_share <= 1
    and max_days_ahead between 1 and 3650 and max_bookings_per_day between 1 and 1000
    and max_entries_per_day between 1 and 1000 and max_mails_per_day between 1 and 1000
    and advance_days between 1 and 730
  )
);
create index policy_versions_organization_id_idx on app_public.policy_versions (organization_id);
create index policy_versions_created_by_idx on app_public.policy_versions (created_by);
comment on table app_public.policy_versions is 'Every duration, limit and switch, as it stood at one time. Never changed: `revise_policy` adds a version, `apply_policy` moves live bookings to it.';
comment on column app_public.policy_versions.id is 'Identifier (UUID version 7).';
comment on column app_public.policy_versions.policy_id is 'The policy this is a version of.';
comment on column app_public.policy_versions.organization_id is 'The organisation.';
comment on column app_public.policy_versions.version is 'Counts up from 1; the highest is in force.';
comment on column app_public.policy_versions.created_at is 'Since when.';
comment on column app_public.policy_versions.created_by is 'Who wrote it.';
comment on column app_public.policy_versions.auto_cancel is 'Whether unconfirmed bookings are cancelled at the confirmation deadline; `dry_run` only reports them.';
comment on column app_public.policy_versions.waitlist_enabled is 'Whether people may wait for taken room.';
comment on column app_public.policy_versions.requires_approval is 'Whether a booking stays pending until a manager approves it.';
comment on column app_public.policy_versions.request_ttl is 'How long a pending booking may stay unanswered; at most half of the time left to its start.';
comment on column app_public.policy_versions.reminder_leads is 'How long before the start each reminder goes out, longest first. The first asks for confirmation and always goes out; the others ask again as long as there is no answer, and else inform.';
comment on column app_public.policy_versions.confirm_if_booked_before is 'A booking made closer to its start than this needs no confirmation: booking was the confirmation.';
comment on column app_public.policy_versions.confirm_deadline is 'How long before the start an unconfirmed booking is released.';
comment on column app_public.policy_versions.min_notice is 'Least time between the mail server accepting the reminder and the release.';
comment on column app_public.policy_versions.claim_window is 'How long an offer is held, counted from when the mail server accepted it.';
comment on column app_public.policy_versions.min_claim_window is 'What the shrinking claim window never goes under.';
comment on column app_public.policy_versions.max_planned_offers is 'For how many offers in a row the shrinking window plans at most.';
comment on column app_public.policy_versions.max_hold_share is 'Largest share of the time left until the last call that one hold may use.';
comment on column app_public.policy_versions.last_call is 'How long before the start holding ends: everybody still waiting is told, and the first to claim gets it.';
comment on column app_public.policy_versions.quiet_from is 'Start of the hours in which claim windows do not run (customer''s zone).';
comment on column app_public.policy_versions.quiet_until is 'End of the quiet hours.';
comment on column app_public.policy_versions.urgent_before is 'Closer to the start than this, windows run in quiet hours too.';
comment on column app_public.policy_versions.buffer_before is 'Room kept free before a booking.';
comment on column app_public.policy_versions.buffer_after is 'Room kept free after a booking.';
comment on column app_public.policy_versions.min_duration is 'Shortest booking.';
comment on column app_public.policy_versions.max_duration is 'Longest booking.';
comment on column app_public.policy_versions.max_days_ahead is 'How many days in advance one may book.';
comment on column app_public.policy_versions.booking_cutoff is 'How long before the start booking closes; claims are not bound by it.';
comment on column app_public.policy_versions.max_bookings_per_day is 'Live bookings a customer may have for one local day.';
comment on column app_public.policy_versions.max_entries_per_day is 'Live waitlist entries a customer may have for one local day.';
comment on column app_public.policy_versions.max_mails_per_day is 'Mails to one customer in 24 hours, those that cost a booking if missed not counted.';
comment on column app_public.policy_versions.mail_give_up_after is 'How long a mail is tried before it is dead (of the default policy).';
comment on column app_public.policy_versions.min_party is 'Smallest party that may book places.';
comment on column app_public.policy_versions.max_party is 'Largest party that may book places.';
comment on column app_public.policy_versions.infants_take_places is 'Whether infants count towards the capacity of a slot.';
comment on column app_public.policy_versions.infant_max_age is 'Until which age somebody is an infant.';
comment on column app_public.policy_versions.child_max_age is 'Until which age somebody is a child.';
comment on column app_public.policy_versions.child_rate is 'Part of the price of an adult that a child pays.';
comment on column app_public.policy_versions.infant_rate is 'Part of the price of an adult that an infant pays.';
comment on column app_public.policy_versions.group_discount is 'Part of its price that a group does not pay.';
comment on column app_public.policy_versions.group_from is 'From how many people on a party is a group.';
comment on column app_public.policy_versions.tax_rate is 'Part of the price, after discounts, that is tax.';
comment on column app_public.policy_versions.tax_included is 'Whether prices include the tax; if not, it is added.';
comment on column app_public.policy_versions.rounding is 'To what the price of each person is rounded.';
comment on column app_public.policy_versions.full_refund_until is 'How long before the start a cancellation gives all of the price back.';
comment on column app_public.policy_versions.half_refund_until is 'How long before the start it still gives half of it back.';
comment on column app_public.policy_versions.advance_days is 'How many days ahead the slots of schedules are made.';
comment on column app_public.policy_versions.minimum_cutoff is 'How long before its start a slot has to have its minimum size.';
comment on column app_public.policy_versions.under_minimum is 'What happens to a slot under its minimum size then.';
comment on column app_public.policy_versions.audit_retention is 'How long the audit log is kept (of the default policy).';
comment on column app_public.policy_versions.notification_retention is 'How long notifications are kept (of the default policy).';
comment on column app_public.policy_versions.delivery_retention is 'How long finished deliveries are kept (of the default policy).';
--! EndIncluded tables/policies.sql
--! Included tables/offerings.sql
create table app_public.offerings (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  policy_id uuid not null,
  kind app_public.offering_kind not null,
  allocation app_public.allocation_mode not null default 'exclusive',
  name text not null,
  description text,
  address text,
  directions text,
  support_contact text,
  price numeric(12, 2) not null default 0,
  created_at timestamptz not null default app_private.clock(),
  archived_at timestamptz,
  constraint offerings_pkey primary key (id),
  constraint offerings_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint offerings_policy_id_fkey foreign key (policy_id) references app_public.policies,
  constraint name_is_short_line check (app_private.is_short_line(name)),
  constraint texts_are_bounded check (
    greatest(length(description), length(address), length(directions), length(support_contact)) <= 4000
  ),
  constraint price_is_not_negative check (price >= 0)
);
create index offerings_organization_id_idx on app_public.offerings (organization_id, name);
create index offerings_policy_id_idx on app_public.offerings (policy_id);
comment on table app_public.offerings is 'What is booked: a venue, a tour or a service.';
comment on column app_public.offerings.id is 'Identifier (UUID version 7).';
comment on column app_public.offerings.organization_id is 'The organisation that offers it.';
comment on column app_public.offerings.policy_id is 'The policy that rules its bookings.';
comment on column app_public.offerings.kind is 'Venue, tour or service.';
comment on column app_public.offerings.allocation is 'How its room is taken.';
comment on column app_public.offerings.name is 'Name as customers know it.';
comment on column app_public.offerings.description is 'What it is, for customers.';
comment on column app_public.offerings.address is 'Where it is.';
comment on column app_public.offerings.directions is 'How to get there.';
comment on column app_public.offerings.support_contact is 'Whom to ask about it; none: the organisation''s support contact.';
comment on column app_public.offerings.price is 'Price of one booking in the organisation''s currency.';
comment on column app_public.offerings.created_at is 'When it was created.';
comment on column app_public.offerings.archived_at is 'When it stopped being offered, if it did; offerings are never deleted.';
--! EndIncluded tables/offerings.sql
--! Included tables/resources.sql
create table app_public.resources (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  name text not null,
  time_zone text not null,
  shared boolean not null default false,
  created_at timestamptz not null default app_private.clock(),
  archived_at timestamptz,
  constraint resources_pkey primary key (id),
  constraint resources_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint name_is_short_line check (app_private.is_short_line(name)),
  constraint time_zone_is_known check (app_private.is_time_zone(time_zone))
);
create index resources_organization_id_idx on app_public.resources (organization_id, name);
comment on table app_public.resources is 'What can be in one place only: a room, a provider, a guide, a vehicle. Its row is the lock on its room.';
comment on column app_public.resources.id is 'Identifier (UUID version 7).';
comment on column app_public.resources.organization_id is 'The organisation it belongs to.';
comment on column app_public.resources.name is 'What it is called.';
comment on column app_public.resources.time_zone is 'IANA time zone of its opening hours and of local days.';
comment on column app_public.resources.shared is 'Whether many can use it at once, as a meeting point; a guide or a vehicle is in one place only.';
comment on column app_public.resources.created_at is 'When it was created.';
comment on column app_public.resources.archived_at is 'When it was put away, if it was; resources are never deleted.';

create table app_public.offering_resources (
  offering_id uuid not null,
  resource_id uuid not null,
  organization_id uuid not null,
  constraint offering_resources_pkey primary key (offering_id, resource_id),
  constraint offering_resources_offering_id_fkey foreign key (offering_id) references app_public.offerings,
  constraint offering_resources_resource_id_fkey foreign key (resource_id) references app_public.resources,
  constraint offering_resources_organization_id_fkey foreign key (organization_id) references app_public.organizations
);
create index offering_resources_resource_id_idx on app_public.offering_resources (resource_id, offering_id);
create index offering_resources_organization_id_idx on app_public.offering_resources (organization_id);
comment on table app_public.offering_resources is 'The resources an offering uses, all of them at once. A divisible hall is three offerings over two rooms.';
comment on column app_public.offering_resources.offering_id is 'The offering.';
comment on column app_public.offering_resources.resource_id is 'A resource it uses.';
comment on column app_public.offering_resources.organization_id is 'The organisation of both.';

create table app_public.opening_hours (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  resource_id uuid not null,
  weekday smallint not null,
  opens time not null,
  closes time not null,
  constraint opening_hours_pkey primary key (id),
  constraint opening_hours_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint opening_hours_resource_id_fkey foreign key (resource_id) references app_public.resources,
  constraint weekday_is_iso_8601 check (weekday between 1 and 7)
);
create index opening_hours_resource_id_idx on app_public.opening_hours (resource_id, weekday);
create index opening_hours_organization_id_idx on app_public.opening_hours (organization_id);
comment on table app_public.opening_hours is 'When a resource is open, in its own time zone. A resource without a row is closed.';
comment on column app_public.opening_hours.id is 'Identifier (UUID version 7).';
comment on column app_public.opening_hours.organization_id is 'The organisation.';
comment on column app_public.opening_hours.resource_id is 'The resource.';
comment on column app_public.opening_hours.weekday is 'ISO 8601: 1 is Monday, 7 is Sunday.';
comment on column app_public.opening_hours.opens is 'Local opening time.';
comment on column app_public.opening_hours.closes is 'Local closing time; 24:00 is midnight, and a time not after `opens` is on the next day.';

create table app_public.blackouts (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  offering_id uuid,
  resource_id uuid,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  kind app_public.blackout_kind not null default 'custom',
  reason text not null,
  cancels_bookings boolean not null default false,
  created_at timestamptz not null default app_private.clock(),
  created_by uuid,
  lifted_at timestamptz,
  constraint blackouts_pkey primary key (id),
  constraint blackouts_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint blackouts_offering_id_fkey foreign key (offering_id) references app_public.offerings,
  constraint blackouts_resource_id_fkey foreign key (resource_id) references app_public.resources,
  constraint blackouts_created_by_fkey foreign key (created_by) references app_public.users,
  constraint one_scope check (num_nonnulls(offering_id, resource_id) <= 1),
  constraint range_is_finite_and_forward check (isfinite(starts_at) and isfinite(ends_at) and starts_at < ends_at),
  constraint reason_is_bounded check (length(reason) between 1 and 500)
);
-- By their end: whether something is open is asked of what is to come, and all that are over stay in here.
create index blackouts_organization_id_idx on app_public.blackouts (organization_id, ends_at) where lifted_at is null;
create index blackouts_offering_id_idx on app_public.blackouts (offering_id) where lifted_at is null;
create index blackouts_resource_id_idx on app_public.blackouts (resource_id) where lifted_at is null;
create index blackouts_created_by_idx on app_public.blackouts (created_by);
comment on table app_public.blackouts is 'Times in which nothing can be booked: of a resource, of an offering, or (neither named) of the whole organisation.';
comment on column app_public.blackouts.id is 'Identifier (UUID version 7).';
comment on column app_public.blackouts.organization_id is 'The organisation.';
comment on column app_public.blackouts.offering_id is 'The offering, if only that.';
comment on column app_public.blackouts.resource_id is 'The resource, if only that.';
comment on column app_public.blackouts.starts_at is 'From when.';
comment on column app_public.blackouts.ends_at is 'Until when.';
comment on column app_public.blackouts.kind is 'Holiday, maintenance, weather or custom.';
comment on column app_public.blackouts.reason is 'Why, as customers are told.';
comment on column app_public.blackouts.cancels_bookings is 'Whether it cancels the bookings it hits.';
comment on column app_public.blackouts.created_at is 'When it was entered.';
comment on column app_public.blackouts.created_by is 'Who entered it.';
comment on column app_public.blackouts.lifted_at is 'When it was lifted, if it was.';

-- One row and one job for each resource of an organisation-wide blackout: a booking that came first
-- is found by the job under the resource's lock, a later one sees the blackout.
create table app_private.blackout_sweeps (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  blackout_id uuid not null,
  resource_id uuid not null,
  created_at timestamptz not null default app_private.clock(),
  swept_at timestamptz,
  constraint blackout_sweeps_pkey primary key (id),
  constraint blackout_sweeps_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint blackout_sweeps_blackout_id_fkey foreign key (blackout_id) references app_public.blackouts,
  constraint blackout_sweeps_resource_id_fkey foreign key (resource_id) references app_public.resources,
  constraint blackout_sweeps_once unique (blackout_id, resource_id)
);
create index blackout_sweeps_resource_id_idx on app_private.blackout_sweeps (resource_id);
create index blackout_sweeps_organization_id_idx on app_private.blackout_sweeps (organization_id);
comment on table app_private.blackout_sweeps is 'What an organisation-wide blackout has still to look through, one row a resource.';
--! EndIncluded tables/resources.sql
--! Included tables/memberships.sql
create table app_public.memberships (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  user_id uuid not null,
  role app_public.member_role not null,
  all_offerings boolean not null default true,
  created_at timestamptz not null default app_private.clock(),
  constraint memberships_pkey primary key (id),
  constraint memberships_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint memberships_user_id_fkey foreign key (user_id) references app_public.users on delete cascade,
  constraint memberships_one_per_user unique (organization_id, user_id),
  constraint owners_manage_all check (role <> 'owner' or all_offerings)
);
create index memberships_user_id_idx on app_public.memberships (user_id);
comment on table app_public.memberships is 'A user''s role in an organisation.';
comment on column app_public.memberships.id is 'Identifier (UUID version 7).';
comment on column app_public.memberships.organization_id is 'The organisation.';
comment on column app_public.memberships.user_id is 'The member.';
comment on column app_public.memberships.role is 'Owner, manager or provider.';
comment on column app_public.memberships.all_offerings is 'Whether a manager manages every offering; if not, those named in membership_offerings.';
comment on column app_public.memberships.created_at is 'When the membership began.';

create table app_public.membership_offerings (
  membership_id uuid not null,
  offering_id uuid not null,
  constraint membership_offerings_pkey primary key (membership_id, offering_id),
  constraint membership_offerings_membership_id_fkey foreign key (membership_id)
    references app_public.memberships on delete cascade,
  constraint membership_offerings_offering_id_fkey foreign key (offering_id) references app_public.offerings
);
create index membership_offerings_offering_id_idx on app_public.membership_offerings (offering_id);
comment on table app_public.membership_offerings is 'The offerings a manager of named offerings manages.';
comment on column app_public.membership_offerings.membership_id is 'The membership.';
comment on column app_public.membership_offerings.offering_id is 'An offering it covers.';
--! EndIncluded tables/memberships.sql
--! Included tables/customers.sql
create table app_public.customers (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  user_id uuid,
  name text,
  email text,
  email_normalised text generated always as (app_private.normalise_email(email)) stored,
  phone text,
  locale text,
  time_zone text,
  unsubscribed_at timestamptz,
  created_at timestamptz not null default app_private.clock(),
  erased_at timestamptz,
  constraint customers_pkey primary key (id),
  constraint customers_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint customers_user_id_fkey foreign key (user_id) references app_public.users,
  constraint customers_one_per_user unique (organization_id, user_id),
  constraint email_looks_like_one check (email is null or app_private.is_email(email)),
  constraint name_is_short_line check (name is null or app_private.is_short_line(name)),
  constraint phone_is_short_line check (phone is null or app_private.is_short_line(phone)),
  constraint locale_is_tag check (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  constraint time_zone_is_known check (time_zone is null or app_private.is_time_zone(time_zone)),
  constraint somebody_is_named check (erased_at is not null or user_id is not null or num_nonnulls(name, email, phone) > 0)
);
create index customers_user_id_idx on app_public.customers (user_id);
create index customers_email_normalised_idx on app_public.customers (email_normalised);
create index customers_organization_id_idx on app_public.customers (organization_id, name);
comment on table app_public.customers is 'A person as one organisation knows them. A guest or walk-in is one without a user.';
comment on column app_public.customers.id is 'Identifier (UUID version 7).';
comment on column app_public.customers.organization_id is 'The organisation that knows them.';
comment on column app_public.customers.user_id is 'Their account, if they have one.';
comment on column app_public.customers.name is 'Name.';
comment on column app_public.customers.email is 'Address mails go to; none: they cannot be reached by mail.';
comment on column app_public.customers.email_normalised is E'@behavior -*\nAddress as compared: lower case, Unicode NFC.';
comment on column app_public.customers.phone is 'Phone number, as typed.';
comment on column app_public.customers.locale is 'Language of their mails (BCP 47); null: the organisation''s.';
comment on column app_public.customers.time_zone is 'IANA time zone for quiet hours; null: the resource''s.';
comment on column app_public.customers.unsubscribed_at is 'When they unsubscribed from optional mail, if they did.';
comment on column app_public.customers.created_at is 'When the organisation first knew them.';
comment on column app_public.customers.erased_at is 'When the person was erased, if they were.';
--! EndIncluded tables/customers.sql
--! Included tables/schedules.sql
create table app_public.schedules (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  offering_id uuid not null,
  name text not null,
  local_start time not null,
  duration interval not null,
  recurrence app_public.recurrence not null,
  weekdays smallint[],
  rrule text,
  capacity integer not null,
  min_size integer not null default 0,
  valid_from date not null,
  valid_until date,
  price numeric(12, 2),
  active boolean not null default true,
  created_at timestamptz not null default app_private.clock(),
  constraint schedules_pkey primary key (id),
  constraint schedules_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint schedules_offering_id_fkey foreign key (offering_id) references app_public.offerings,
  constraint name_is_short_line check (app_private.is_short_line(name)),
  constraint start_is_on_the_clock check (local_start < time '24:00'),
  constraint duration_is_sane check (duration between interval '1 minute' and interval '720 hours'),
  constraint weekdays_where_they_count check ((recurrence in ('weekly', 'every_two_weeks')) = (weekdays is not null)),
  constraint weekdays_are_iso check (
    cardinality(weekdays) between 1 and 7 and weekdays <@ '{1,2,3,4,5,6,7}'::smallint[]
    and array_position(weekdays, null) is null
  ),
  constraint rule_where_it_counts check ((recurrence = 'custom') = (rrule is not null)),
  -- Every minute, or a calendar that has to be computed, for decades: one such rule would hold up everybody's slots.
  constraint rule_is_of_days_and_hours check (rrule !~ '(BYMINUTE|BYSECOND|RSCALE)='),
  constraint rule_is_one_line check (length(rrule) <= 500 and rrule ~ '^FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;[A-Z0-9=,+-]+)*$'),
  constraint capacity_is_positive check (capacity between 1 and 100000),
  constraint minimum_fits check (min_size between 0 and capacity),
  constraint validity_is_forward check (valid_from <= valid_until),
  constraint validity_is_real check (valid_from > '1900-01-01' and coalesce(valid_until, valid_from) < '9000-01-01'),
  constraint price_is_not_negative check (price >= 0)
);
create index schedules_organization_id_idx on app_public.schedules (organization_id);
create index schedules_offering_id_idx on app_public.schedules (offering_id, name);
comment on table app_public.schedules is 'When an offering with places takes place: local time, length, recurrence and capacity, from which slots are made. Changing it changes no slot that somebody has booked.';
comment on column app_public.schedules.id is 'Identifier (UUID version 7).';
comment on column app_public.schedules.organization_id is 'The organisation.';
comment on column app_public.schedules.offering_id is 'What takes place.';
comment on column app_public.schedules.name is 'What managers call it.';
comment on column app_public.schedules.local_start is 'When it begins, as a clock on the wall shows it: 09:00 stays 09:00 when the clocks change.';
comment on column app_public.schedules.duration is 'How long it lasts.';
comment on column app_public.schedules.recurrence is 'On which dates: once (on `validFrom`), daily, weekly, every two weeks, monthly on the date of `validFrom`, or by a rule of one''s own.';
comment on column app_public.schedules.weekdays is 'The weekdays of a weekly schedule (ISO 8601: Monday is 1); every two weeks counts from the week of `validFrom`.';
comment on column app_public.schedules.rrule is 'The rule of a custom schedule (RFC 5545), such as FREQ=MONTHLY;BYDAY=-1SU; worked out by a job.';
comment on column app_public.schedules.capacity is 'Places of each slot.';
comment on column app_public.schedules.min_size is 'With fewer places booked at the policy''s cutoff, the slot is reported or cancelled; 0: never.';
comment on column app_public.schedules.valid_from is 'The first date.';
comment on column app_public.schedules.valid_until is 'The last date; none: for ever.';
comment on column app_public.schedules.price is 'Price of a person, if not that of the offering.';
comment on column app_public.schedules.active is 'Whether slots are made of it.';
comment on column app_public.schedules.created_at is 'When it was created.';
--! EndIncluded tables/schedules.sql
--! Included tables/slots.sql
create table app_public.slots (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  offering_id uuid not null,
  schedule_id uuid not null,
  policy_version_id uuid not null,
  day date not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  room tstzrange not null,
  capacity integer not null,
  min_size integer not null default 0,
  taken integer not null default 0,
  price numeric(12, 2),
  closed_at timestamptz,
  closed_reason text,
  altered_at timestamptz,
  minimum_checked_at timestamptz,
  created_at timestamptz not null default app_private.clock(),
  ended_at timestamptz,
  cancelled_reason text,
  constraint slots_pkey primary key (id),
  constraint slots_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint slots_offering_id_fkey foreign key (offering_id) references app_public.offerings,
  constraint slots_schedule_id_fkey foreign key (schedule_id) references app_public.schedules,
  constraint slots_policy_version_id_fkey foreign key (policy_version_id) references app_public.policy_versions,
  constraint slots_once unique (schedule_id, starts_at),
  constraint range_is_finite_and_forward check (isfinite(starts_at) and isfinite(ends_at) and starts_at < ends_at),
  constraint room_covers_slot check (room @> tstzrange(starts_at, ends_at)),
  constraint capacity_is_bounded check (capacity between 0 and 100000),
  -- Beneath the lock: whatever a function forgets, no more places are taken than there are (I1).
  constraint taken_is_within_capacity check (taken between 0 and capacity),
  constraint minimum_is_not_negative check (min_size >= 0),
  constraint price_is_not_negative check (price >= 0),
  constraint closed_has_a_reason check (num_nonnulls(closed_at, closed_reason) in (0, 2)),
  constraint cancelled_has_ended check (cancelled_reason is null or ended_at is not null),
  constraint reasons_are_bounded check (greatest(length(closed_reason), length(cancelled_reason)) <= 500)
);
create index slots_organization_id_idx on app_public.slots (organization_id);
create index slots_offering_id_idx on app_public.slots (offering_id, starts_at);
create index slots_live_day_idx on app_public.slots (offering_id, day) where ended_at is null;
create index slots_policy_version_id_idx on app_public.slots (policy_version_id);
comment on table app_public.slots is 'One dated occurrence of an offering with places.';
comment on column app_public.slots.id is 'Identifier (UUID version 7).';
comment on column app_public.slots.organization_id is 'The organisation.';
comment on column app_public.slots.offering_id is 'What takes place.';
comment on column app_public.slots.schedule_id is 'The schedule it was made of.';
comment on column app_public.slots.policy_version_id is 'The rules it was made under.';
comment on column app_public.slots.day is 'Its local date.';
comment on column app_public.slots.starts_at is 'Start.';
comment on column app_public.slots.ends_at is 'End.';
comment on column app_public.slots.room is E'@behavior -*\nThe range its resources are occupied: start and end with the buffers.';
comment on column app_public.slots.capacity is 'Places.';
comment on column app_public.slots.min_size is 'With fewer places booked at the policy''s cutoff it is reported or cancelled; 0: never.';
comment on column app_public.slots.taken is 'Places that bookings have now, those held for people on the waiting list included.';
comment on column app_public.slots.price is 'Price of a person, if not that of the schedule.';
comment on column app_public.slots.closed_at is 'Since when it is not on sale, if a manager closed it.';
comment on column app_public.slots.closed_reason is 'Why it is not on sale, as customers are told.';
comment on column app_public.slots.altered_at is 'When a manager last changed it by hand; its schedule does not change it any more.';
comment on column app_public.slots.minimum_checked_at is 'When its minimum size was looked at.';
comment on column app_public.slots.created_at is 'When it was made.';
comment on column app_public.slots.ended_at is 'When it was over or cancelled.';
comment on column app_public.slots.cancelled_reason is 'Why it was cancelled, if it was.';
--! EndIncluded tables/slots.sql
--! Included tables/bookings.sql
create table app_public.bookings (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  offering_id uuid not null,
  slot_id uuid,
  customer_id uuid not null,
  policy_version_id uuid not null,
  reference text not null,
  status app_public.booking_status not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  room tstzrange not null,
  party_size integer not null default 1,
  adults integer,
  children integer,
  infants integer,
  places integer not null default 1,
  purpose text,
  special_requests text,
  dietary_needs text,
  access_needs text,
  person_price numeric(12, 2),
  adult_price numeric(18, 2),
  child_price numeric(18, 2),
  infant_price numeric(18, 2),
  subtotal numeric(18, 2),
  discount numeric(18, 2),
  tax numeric(18, 2),
  tax_included boolean,
  price numeric(18, 2) not null default 0,
  refund numeric(18, 2),
  currency text not null,
  sequence integer not null default 0,
  created_by uuid,
  created_at timestamptz not null default app_private.clock(),
  made_at timestamptz not null default app_private.clock(),
  ended_at timestamptz,
  ended_reason text,

  hold_expires_at timestamptz,
  unclaimed boolean not null default false,
  request_expires_at timestamptz,
  confirm_by timestamptz,
  reminders_done integer not null default 0,
  reminder_sent_at timestamptz,
  attendance_confirmed_at timestamptz,
  attendance_confirmed_how app_public.confirmation_source,
  spared_at timestamptz,
  would_auto_cancel_at timestamptz,
  auto_cancelled_at timestamptz,
  auto_cancel_reason text,
  override_at timestamptz,
  override_by uuid,
  override_reason text,

  constraint bookings_pkey primary key (id),
  constraint bookings_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint bookings_offering_id_fkey foreign key (offering_id) references app_public.offerings,
  constraint bookings_slot_id_fkey foreign key (slot_id) references app_public.slots,
  constraint bookings_customer_id_fkey foreign key (customer_id) references app_public.customers,
  constraint bookings_policy_version_id_fkey foreign key (policy_version_id) references app_public.policy_versions,
  constraint bookings_created_by_fkey foreign key (created_by) references app_public.users,
  constraint bookings_override_by_fkey foreign key (override_by) references app_public.users,
  constraint bookings_reference_key unique (organization_id, reference),
  constraint range_is_finite_and_forward check (isfinite(starts_at) and isfinite(ends_at) and starts_at < ends_at),
  constraint room_covers_booking check (room @> tstzrange(starts_at, ends_at)),
  constraint party_is_positive check (party_size between 1 and 100000),
  constraint party_adds_up check (
    case when slot_id is null then num_nonnulls(adults, children, infants) = 0
      else num_nonnulls(adults, children, infants) = 3 and adults + children + infants = party_size
        and least(adults, children, infants) >= 0 and adults + children > 0 end
  ),
  constraint places_are_of_the_party check (places between 1 and party_size),
  -- What was sold is the sum of its parts, to the cent.
  constraint price_adds_up check (
    case when slot_id is null
      then num_nonnulls(person_price, adult_price, child_price, infant_price, subtotal, discount, tax, tax_included) = 0
      else num_nonnulls(person_price, adult_price, child_price, infant_price, subtotal, discount, tax, tax_included) = 8
        and subtotal = adults * adult_price + children * child_price + infants * infant_price
        and price = subtotal - discount + case when tax_included then 0 else tax end end
  ),
  constraint refund_is_of_the_price check (refund between 0 and price),
  constraint purpose_is_bounded check (length(purpose) <= 500),
  constraint needs_are_bounded check (
    greatest(length(special_requests), length(dietary_needs), length(access_needs)) <= 500
  ),
  constraint holds_have_a_deadline check ((status = 'held') = (hold_expires_at is not null)),
  constraint holds_are_unclaimed check (status <> 'held' or unclaimed),
  constraint requests_have_a_deadline check (status <> 'pending' or request_expires_at is not null),
  constraint confirmation_has_a_source check ((attendance_confirmed_at is null) = (attendance_confirmed_how is null)),
  constraint override_has_a_reason check (num_nonnulls(override_at, override_reason) in (0, 2)),
  constraint auto_cancellation_has_a_reason check (
    (status = 'auto_cancelled') = (auto_cancelled_at is not null)
    and (auto_cancelled_at is null) = (auto_cancel_reason is null)
  ),
  constraint ended_means_not_live check (
    (ended_at is null) = (status in ('held', 'pending', 'confirmed', 'in_progress', 'delivered'))
  )
);
create index bookings_customer_id_idx on app_public.bookings (customer_id, starts_at);
create index bookings_offering_id_idx on app_public.bookings (offering_id, starts_at);
create index bookings_slot_id_idx on app_public.bookings (slot_id);
create index bookings_live_organization_idx on app_public.bookings (organization_id, starts_at) where ended_at is null;
create index bookings_policy_version_id_idx on app_public.bookings (policy_version_id) where ended_at is null;
create index bookings_spared_idx on app_public.bookings (organization_id, spared_at) where spared_at is not null;
create index bookings_would_auto_cancel_idx on app_public.bookings (organization_id, would_auto_cancel_at)
  where would_auto_cancel_at is not null;
-- Not `where status = 'held'`, which is the same: under row-level security the planner may not look at how rare a status
-- is, but at how many have such a time.
create index bookings_holds_idx on app_public.bookings (offering_id, hold_expires_at) where hold_expires_at is not null;
create index bookings_created_by_idx on app_public.bookings (created_by);
create index bookings_override_by_idx on app_public.bookings (override_by) where override_by is not null;
comment on table app_public.bookings is 'A customer''s claim on room. A hold is one with status `held`: room kept for the person an offer was made to.';
comment on column app_public.bookings.id is 'Identifier (UUID version 7).';
comment on column app_public.bookings.organization_id is 'The organisation.';
comment on column app_public.bookings.offering_id is 'What is booked.';
comment on column app_public.bookings.slot_id is 'The slot, if places are booked.';
comment on column app_public.bookings.customer_id is 'For whom.';
comment on column app_public.bookings.policy_version_id is 'The rules it was made under.';
comment on column app_public.bookings.reference is 'What a person can read out, such as RS-20261120-7K3QXA.';
comment on column app_public.bookings.status is 'Where it is in its life.';
comment on column app_public.bookings.starts_at is 'Start.';
comment on column app_public.bookings.ends_at is 'End.';
comment on column app_public.bookings.room is E'@behavior -*\nThe range its resources are occupied: start and end with the buffers.';
comment on column app_public.bookings.party_size is 'How many people.';
comment on column app_public.bookings.adults is 'How many of the party are adults; only where places are booked.';
comment on column app_public.bookings.children is 'How many are children.';
comment on column app_public.bookings.infants is 'How many are infants.';
comment on column app_public.bookings.places is 'How many places of the slot it takes; infants count unless the policy says not.';
comment on column app_public.bookings.purpose is 'What for, in the customer''s words.';
comment on column app_public.bookings.special_requests is 'What the customer wishes.';
comment on column app_public.bookings.dietary_needs is 'What they may or may not eat.';
comment on column app_public.bookings.access_needs is 'What they need to take part.';
comment on column app_public.bookings.person_price is 'Price of a person that it was worked out from; this and the next seven only where places are booked.';
comment on column app_public.bookings.adult_price is 'What each adult pays.';
comment on column app_public.bookings.child_price is 'What each child pays.';
comment on column app_public.bookings.infant_price is 'What each infant pays.';
comment on column app_public.bookings.subtotal is 'All of them together.';
comment on column app_public.bookings.discount is 'What a group does not pay of it.';
comment on column app_public.bookings.tax is 'The tax on what is left: included in the price, or added to it.';
comment on column app_public.bookings.tax_included is 'Whether the tax is included.';
comment on column app_public.bookings.price is 'Price it was sold at, in all.';
comment on column app_public.bookings.refund is 'What of the price is to be given back, if it was cancelled.';
comment on column app_public.bookings.currency is 'ISO 4217 code of the price.';
comment on column app_public.bookings.sequence is 'Counts changes of time or place (the SEQUENCE of its calendar event, RFC 5545).';
comment on column app_public.bookings.created_by is 'The user who entered it.';
comment on column app_public.bookings.created_at is 'When it was first entered (a claimed hold: when the offer was made).';
comment on column app_public.bookings.made_at is 'When it was booked, claimed or last moved; reminders count from here.';
comment on column app_public.bookings.ended_at is 'When it stopped being live.';
comment on column app_public.bookings.ended_reason is 'Why it ended, as the customer is told.';
comment on column app_public.bookings.hold_expires_at is 'When a hold ends: the claim deadline once the mail server has accepted the offer, until then the last call.';
comment on column app_public.bookings.unclaimed is 'Whether this is a hold that nobody has claimed; `myBookings` leaves those out.';
comment on column app_public.bookings.request_expires_at is 'When an unanswered request ends.';
comment on column app_public.bookings.confirm_by is 'Until when attendance is to be confirmed; null: nothing to confirm.';
comment on column app_public.bookings.reminders_done is E'@behavior -*\nHow many of the policy''s reminders are dealt with.';
comment on column app_public.bookings.reminder_sent_at is 'When the mail server accepted the reminder that asks for confirmation.';
comment on column app_public.bookings.attendance_confirmed_at is 'When attendance was confirmed.';
comment on column app_public.bookings.attendance_confirmed_how is 'How attendance was confirmed.';
comment on column app_public.bookings.spared_at is 'When the release was omitted because the reminder had not been accepted in time.';
comment on column app_public.bookings.would_auto_cancel_at is 'When it would have been released, under a policy that only rehearses.';
comment on column app_public.bookings.auto_cancelled_at is 'When it was released because nobody confirmed.';
comment on column app_public.bookings.auto_cancel_reason is 'Why it was released.';
comment on column app_public.bookings.override_at is 'When a manager exempted it from release.';
comment on column app_public.bookings.override_by is 'The manager who did.';
comment on column app_public.bookings.override_reason is 'The manager''s reason.';

create table app_private.booking_transitions (
  from_status app_public.booking_status not null,
  to_status app_public.booking_status not null,
  constraint booking_transitions_pkey primary key (from_status, to_status)
);
comment on table app_private.booking_transitions is 'The only changes of status there are (docs/states.md); a trigger holds bookings to them.';
insert into app_private.booking_transitions (from_status, to_status) values
  ('held', 'pending'), ('held', 'confirmed'), ('held', 'cancelled'), ('held', 'expired'),
  ('pending', 'confirmed'), ('pending', 'rejected'), ('pending', 'cancelled'), ('pending', 'expired'),
  ('confirmed', 'in_progress'), ('confirmed', 'cancelled'), ('confirmed', 'auto_cancelled'), ('confirmed', 'no_show'),
  ('confirmed', 'pending'),
  ('in_progress', 'delivered'), ('in_progress', 'completed'), ('in_progress', 'cancelled'), ('in_progress', 'no_show'),
  ('delivered', 'completed'), ('completed', 'no_show');

create table app_private.occupancies (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  resource_id uuid not null,
  booking_id uuid,
  slot_id uuid,
  during tstzrange not null,
  constraint occupancies_pkey primary key (id),
  constraint occupancies_resource_id_fkey foreign key (resource_id) references app_public.resources,
  constraint occupancies_booking_id_fkey foreign key (booking_id) references app_public.bookings,
  constraint occupancies_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint occupancies_slot_id_fkey foreign key (slot_id) references app_public.slots,
  constraint of_a_booking_or_a_slot check (num_nonnulls(booking_id, slot_id) = 1),
  constraint occupancies_once unique (booking_id, resource_id),
  constraint occupancies_once_a_slot unique (slot_id, resource_id),
  -- Beneath the lock: whatever a function forgets, a resource is in one place only (I2).
  constraint occupancies_do_not_overlap exclude using gist (resource_id with =, during with &&)
);
create index occupancies_organization_id_idx on app_private.occupancies (organization_id);
comment on table app_private.occupancies is 'This booking, or slot, has this resource in this range, buffers included. Exists only while it does.';

-- What an occupancy is to resources, this is to slots. `slots.taken` is its sum, and the constraint there the last line.
create table app_private.taken_places (
  booking_id uuid not null,
  organization_id uuid not null,
  slot_id uuid not null,
  places integer not null,
  constraint taken_places_pkey primary key (booking_id),
  constraint taken_places_booking_id_fkey foreign key (booking_id) references app_public.bookings,
  constraint taken_places_slot_id_fkey foreign key (slot_id) references app_public.slots,
  constraint taken_places_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint places_are_positive check (places > 0)
);
create index taken_places_slot_id_idx on app_private.taken_places (slot_id);
create index taken_places_organization_id_idx on app_private.taken_places (organization_id);
comment on table app_private.taken_places is 'This booking has so many places of this slot. Exists only while it does.';
--! EndIncluded tables/bookings.sql
--! Included tables/booking_modifications.sql
-- Written with each move and each change of a party. The audit log has it too, column by column, but that is cleaned up
-- earlier than bookings are asked about.
create table app_public.booking_modifications (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  booking_id uuid not null,
  modified_at timestamptz not null default app_private.clock(),
  modified_by uuid,
  from_slot_id uuid,
  to_slot_id uuid,
  from_starts_at timestamptz not null,
  to_starts_at timestamptz not null,
  from_ends_at timestamptz not null,
  to_ends_at timestamptz not null,
  from_party_size integer not null,
  to_party_size integer not null,
  from_price numeric(18, 2) not null,
  to_price numeric(18, 2) not null,
  constraint booking_modifications_pkey primary key (id),
  constraint booking_modifications_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint booking_modifications_booking_id_fkey foreign key (booking_id) references app_public.bookings,
  constraint booking_modifications_modified_by_fkey foreign key (modified_by) references app_public.users,
  constraint booking_modifications_from_slot_id_fkey foreign key (from_slot_id) references app_public.slots,
  constraint booking_modifications_to_slot_id_fkey foreign key (to_slot_id) references app_public.slots
);
create index booking_modifications_organization_id_idx on app_public.booking_modifications (organization_id);
create index booking_modifications_booking_id_idx on app_public.booking_modifications (booking_id, modified_at);
create index booking_modifications_modified_by_idx on app_public.booking_modifications (modified_by)
  where modified_by is not null;
create index booking_modifications_from_slot_id_idx on app_public.booking_modifications (from_slot_id)
  where from_slot_id is not null;
create index booking_modifications_to_slot_id_idx on app_public.booking_modifications (to_slot_id)
  where to_slot_id is not null;
comment on table app_public.booking_modifications is 'What was changed of a booking: time, slot, party and price, before and after.';
comment on column app_public.booking_modifications.id is 'Identifier (UUID version 7).';
comment on column app_public.booking_modifications.organization_id is 'The organisation.';
comment on column app_public.booking_modifications.booking_id is 'The booking.';
comment on column app_public.booking_modifications.modified_at is 'When it was changed.';
comment on column app_public.booking_modifications.modified_by is 'Who changed it.';
comment on column app_public.booking_modifications.from_slot_id is 'The slot before, if places are booked.';
comment on column app_public.booking_modifications.to_slot_id is 'The slot after.';
comment on column app_public.booking_modifications.from_starts_at is 'The start before.';
comment on column app_public.booking_modifications.to_starts_at is 'The start after.';
comment on column app_public.booking_modifications.from_ends_at is 'The end before.';
comment on column app_public.booking_modifications.to_ends_at is 'The end after.';
comment on column app_public.booking_modifications.from_party_size is 'How many people before.';
comment on column app_public.booking_modifications.to_party_size is 'How many people after.';
comment on column app_public.booking_modifications.from_price is 'The price before.';
comment on column app_public.booking_modifications.to_price is 'The price after.';
--! EndIncluded tables/booking_modifications.sql
--! Included tables/waitlist_entries.sql
create table app_public.waitlist_entries (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  offering_id uuid not null,
  slot_id uuid,
  day date,
  for_places boolean not null generated always as (num_nonnulls(slot_id, day) > 0) stored,
  customer_id uuid not null,
  policy_version_id uuid not null,
  status app_public.waitlist_status not null default 'waiting',
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  room tstzrange not null,
  last_call_at timestamptz not null,
  party_size integer not null default 1,
  adults integer,
  children integer,
  infants integer,
  places integer not null default 1,
  priority integer not null default 100,
  priority_set_at timestamptz,
  note text,
  joined_at timestamptz not null default app_private.clock(),
  hold_id uuid,
  offered_at timestamptz,
  offered_from tstzrange,
  claim_window interval,
  offer_expires_at timestamptz,
  passed_at timestamptz,
  stuck_at timestamptz,
  stuck_reason text,
  booking_id uuid,
  ended_at timestamptz,
  constraint waitlist_entries_pkey primary key (id),
  constraint waitlist_entries_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint waitlist_entries_offering_id_fkey foreign key (offering_id) references app_public.offerings,
  constraint waitlist_entries_slot_id_fkey foreign key (slot_id) references app_public.slots,
  constraint waitlist_entries_customer_id_fkey foreign key (customer_id) references app_public.customers,
  constraint waitlist_entries_policy_version_id_fkey foreign key (policy_version_id)
    references app_public.policy_versions,
  constraint waitlist_entries_hold_id_fkey foreign key (hold_id) references app_public.bookings,
  constraint waitlist_entries_booking_id_fkey foreign key (booking_id) references app_public.bookings,
  constraint range_is_finite_and_forward check (isfinite(starts_at) and isfinite(ends_at) and starts_at < ends_at),
  constraint party_is_positive check (party_size between 1 and 100000),
  constraint party_adds_up check (
    case when num_nonnulls(slot_id, day) = 0 then num_nonnulls(adults, children, infants) = 0
      else num_nonnulls(adults, children, infants) = 3 and adults + children + infants = party_size
        and least(adults, children, infants) >= 0 and adults + children > 0 end
  ),
  constraint places_are_of_the_party check (places between 1 and party_size),
  -- Who waits for a day is offered one of its slots, and from then on that is what it is about.
  constraint offer_of_a_day_has_a_slot check (day is null or slot_id is not null or status <> 'offered'),
  constraint priority_is_bounded check (priority between 0 and 1000000),
  constraint note_is_bounded check (length(note) <= 500),
  constraint offer_has_a_hold check ((status = 'offered') = (hold_id is not null)),
  constraint offer_has_a_time check (status <> 'offered' or num_nonnulls(offered_at, offered_from, claim_window) = 3),
  constraint claimed_has_a_booking check ((status = 'claimed') = (booking_id is not null)),
  constraint ended_means_not_live check ((ended_at is null) = (status in ('waiting', 'offered')))
);
create unique index waitlist_entries_one_live_per_range
  on app_public.waitlist_entries (customer_id, offering_id, starts_at, ends_at) where day is null and ended_at is null;
-- Not by its range, which is that of a slot while this is offered.
create unique index waitlist_entries_one_live_per_day
  on app_public.waitlist_entries (customer_id, offering_id, day) where day is not null and ended_at is null;
create index waitlist_entries_slot_id_idx on app_public.waitlist_entries (slot_id);
create index waitlist_entries_live_day_idx on app_public.waitlist_entries (offering_id, day)
  where day is not null and ended_at is null;
create unique index waitlist_entries_one_offer_per_hold on app_public.waitlist_entries (hold_id) where hold_id is not null;
-- For finding whom a freed range may serve, and who else waits for it: everything live for an offering that overlaps it.
create index waitlist_entries_live_room_idx
  on app_public.waitlist_entries using gist (offering_id, room) where status in ('waiting', 'offered');
-- Whoever has an offer gets no second one; asked for each candidate, however long somebody's history is.
create index waitlist_entries_offered_idx on app_public.waitlist_entries (customer_id) where hold_id is not null;
create index waitlist_entries_offering_id_idx on app_public.waitlist_entries (offering_id, starts_at);
create index waitlist_entries_customer_id_idx on app_public.waitlist_entries (customer_id, starts_at);
create index waitlist_entries_organization_id_idx on app_public.waitlist_entries (organization_id);
create index waitlist_entries_policy_version_id_idx on app_public.waitlist_entries (policy_version_id)
  where ended_at is null;
create index waitlist_entries_booking_id_idx on app_public.waitlist_entries (booking_id) where booking_id is not null;
comment on table app_public.waitlist_entries is 'A customer''s place in the queue of an offering for a range. An offer is an entry with a hold and a deadline.';
comment on column app_public.waitlist_entries.id is 'Identifier (UUID version 7).';
comment on column app_public.waitlist_entries.organization_id is 'The organisation.';
comment on column app_public.waitlist_entries.offering_id is 'What is waited for.';
comment on column app_public.waitlist_entries.slot_id is 'The slot waited for; of an entry for a day, the slot that is offered.';
comment on column app_public.waitlist_entries.day is 'The local date, if any slot of it will do.';
comment on column app_public.waitlist_entries.for_places is E'@behavior -*\nWhether it waits for places of slots, rather than for a range of time.';
comment on column app_public.waitlist_entries.customer_id is 'Who waits.';
comment on column app_public.waitlist_entries.policy_version_id is 'The rules it was made under.';
comment on column app_public.waitlist_entries.status is 'Where it is in its life.';
comment on column app_public.waitlist_entries.starts_at is 'Start of the range waited for.';
comment on column app_public.waitlist_entries.ends_at is 'End of the range waited for.';
comment on column app_public.waitlist_entries.room is E'@behavior -*\nThe range with buffers.';
comment on column app_public.waitlist_entries.last_call_at is 'From then on nothing is held: freed room goes to the first to claim.';
comment on column app_public.waitlist_entries.party_size is 'How many people.';
comment on column app_public.waitlist_entries.adults is 'How many of the party are adults; only where places are waited for.';
comment on column app_public.waitlist_entries.children is 'How many are children.';
comment on column app_public.waitlist_entries.infants is 'How many are infants.';
comment on column app_public.waitlist_entries.places is 'How many places of a slot it needs.';
comment on column app_public.waitlist_entries.priority is 'Lower goes first; set by managers only.';
comment on column app_public.waitlist_entries.priority_set_at is 'When a manager last set the priority.';
comment on column app_public.waitlist_entries.note is 'What the customer wants the manager to know.';
comment on column app_public.waitlist_entries.joined_at is 'When they joined; breaks ties of priority.';
comment on column app_public.waitlist_entries.hold_id is 'The booking that holds the room while the offer lives.';
comment on column app_public.waitlist_entries.offered_at is 'When the room was last offered.';
comment on column app_public.waitlist_entries.offered_from is E'@behavior -*\nThe freed range the offer came from.';
comment on column app_public.waitlist_entries.claim_window is 'How long the offer is held once the mail server has accepted it, quiet hours not counted.';
comment on column app_public.waitlist_entries.offer_expires_at is 'Until when the offer can be claimed; null: its mail is still on the way.';
comment on column app_public.waitlist_entries.passed_at is E'@behavior -*\nWhen it was passed over because its customer let go of another offer of the same room; cleared when somebody else frees it.';
comment on column app_public.waitlist_entries.stuck_at is 'When making the offer failed for a reason of its own; it is passed over until a manager has looked.';
comment on column app_public.waitlist_entries.stuck_reason is 'What failed.';
comment on column app_public.waitlist_entries.booking_id is 'The booking it became.';
comment on column app_public.waitlist_entries.ended_at is 'When it ended.';

create table app_private.waitlist_transitions (
  from_status app_public.waitlist_status not null,
  to_status app_public.waitlist_status not null,
  constraint waitlist_transitions_pkey primary key (from_status, to_status)
);
comment on table app_private.waitlist_transitions is 'The only changes of status there are (docs/states.md).';
insert into app_private.waitlist_transitions (from_status, to_status) values
  ('waiting', 'offered'), ('waiting', 'claimed'), ('waiting', 'left'), ('waiting', 'lapsed'), ('waiting', 'closed'),
  ('offered', 'waiting'), ('offered', 'claimed'), ('offered', 'declined'), ('offered', 'expired'), ('offered', 'left'),
  ('offered', 'closed');

-- Room freed inside the last call: whom to tell is worked out by a job, outside the lock.
create table app_private.freeings (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  resource_ids uuid[] not null,
  slot_id uuid,
  during tstzrange not null,
  created_at timestamptz not null default app_private.clock(),
  told_at timestamptz,
  constraint freeings_pkey primary key (id),
  constraint freeings_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint freeings_slot_id_fkey foreign key (slot_id) references app_public.slots
);
create index freeings_slot_id_idx on app_private.freeings (slot_id) where slot_id is not null;
create index freeings_organization_id_idx on app_private.freeings (organization_id);
comment on table app_private.freeings is 'Room freed inside the last call, about which everyone still waiting is told once.';
--! EndIncluded tables/waitlist_entries.sql
--! Included tables/deadlines.sql
-- The next thing time will do to a subject. Narrow on purpose: marking 10,000 due rows here costs a
-- sixth of what it costs on the bookings themselves. Written only by triggers, from the subject's row.
create table app_private.deadlines (
  subject_id uuid not null,
  subject app_private.deadline_subject not null,
  organization_id uuid not null,
  action app_private.deadline_action not null,
  due_at timestamptz not null,
  queued_at timestamptz,
  attempts integer not null default 0,
  last_error text,
  constraint deadlines_pkey primary key (subject_id)
);
create index deadlines_to_queue_idx on app_private.deadlines (due_at) where queued_at is null;
create index deadlines_queued_idx on app_private.deadlines (queued_at) where queued_at is not null;
comment on table app_private.deadlines is 'The next thing time will do to a booking, entry, freeing or blackout; at most one row a subject.';
--! EndIncluded tables/deadlines.sql
--! Included tables/notification_kinds.sql
-- What there is to say, and how much it matters. `costs_a_booking`: missing it costs the customer a place, so
-- neither the daily limit nor an unsubscription holds it back. `urgent`: somebody waits for it at this moment, or a
-- place is kept until they hear. `current_while`: what overtakes it.
create table app_private.notification_kinds (
  kind text not null,
  costs_a_booking boolean not null,
  is_optional boolean not null,
  urgent boolean not null,
  current_while text not null default 'always',
  actions app_private.link_action[] not null default '{}',
  constraint notification_kinds_pkey primary key (kind),
  constraint essential_is_not_optional check (not (costs_a_booking and is_optional)),
  constraint current_while_is_known check (
    current_while in ('always', 'booking_live', 'booking_unconfirmed', 'booking_pending', 'offer_live', 'entry_waiting')
  )
);
comment on table app_private.notification_kinds is 'Kinds of message: whether missing one costs a booking, whether it can be unsubscribed, whether it goes out before others, while what it stays worth sending, and the links it carries.';
insert into app_private.notification_kinds (kind, costs_a_booking, is_optional, urgent, current_while, actions) values
  ('booking_received', false, false, false, 'booking_live', '{cancel}'),
  ('booking_requested', true, false, true, 'booking_pending', '{approve,reject}'),
  ('booking_approved', true, false, false, 'booking_live', '{cancel}'),
  ('booking_rejected', true, false, false, 'always', '{}'),
  ('booking_reminder', true, false, false, 'booking_unconfirmed', '{confirm,cancel}'),
  ('booking_reminder_info', false, true, false, 'booking_live', '{cancel,unsubscribe}'),
  ('booking_auto_cancelled', true, false, false, 'always', '{}'),
  ('booking_cancelled', true, false, false, 'always', '{}'),
  ('booking_modified', true, false, false, 'booking_live', '{cancel}'),
  ('booking_expired', true, false, false, 'always', '{}'),
  ('booking_spared', false, false, false, 'booking_live', '{}'),
  ('slot_available', true, false, true, 'offer_live', '{claim,decline}'),
  ('offer_expired', false, true, false, 'always', '{unsubscribe}'),
  ('last_call', true, false, true, 'entry_waiting', '{claim,leave}'),
  ('booking_claimed', true, false, false, 'booking_live', '{cancel}'),
  ('entry_ended', false, true, false, 'always', '{unsubscribe}'),
  ('waitlist_joined', false, true, false, 'entry_waiting', '{leave,unsubscribe}'),
  ('links_again', false, false, false, 'always', '{}'),
  ('blackout_conflict', true, false, false, 'booking_live', '{}'),
  ('message_slot', true, false, false, 'booking_live', '{cancel}'),
  ('slot_under_minimum', true, false, false, 'always', '{}'),
  ('message_blackout', true, false, false, 'always', '{}'),
  ('account_verify', true, false, true, 'always', '{verify}'),
  ('account_magic_link', true, false, true, 'always', '{magic}'),
  ('account_reset', true, false, true, 'always', '{reset}'),
  ('account_exists', true, false, true, 'always', '{magic,reset}');
--! EndIncluded tables/notification_kinds.sql
--! Included tables/notifications.sql
create table app_public.notifications (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  customer_id uuid,
  user_id uuid,
  kind text not null,
  booking_id uuid,
  entry_id uuid,
  data jsonb not null default '{}',
  created_at timestamptz not null default app_private.clock(),
  read_at timestamptz,
  published_at timestamptz,
  constraint notifications_pkey primary key (id),
  constraint notifications_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint notifications_customer_id_fkey foreign key (customer_id) references app_public.customers,
  constraint notifications_user_id_fkey foreign key (user_id) references app_public.users,
  constraint notifications_booking_id_fkey foreign key (booking_id) references app_public.bookings,
  constraint notifications_entry_id_fkey foreign key (entry_id) references app_public.waitlist_entries,
  constraint notifications_kind_fkey foreign key (kind) references app_private.notification_kinds,
  constraint one_recipient check (num_nonnulls(customer_id, user_id) = 1)
);
-- By time: limits count one day of a customer's mails, or one hour of a user's, however long the history.
create index notifications_customer_id_idx on app_public.notifications (customer_id, created_at);
create index notifications_user_id_idx on app_public.notifications (user_id, created_at);
create index notifications_organization_id_idx on app_public.notifications (organization_id, created_at);
create index notifications_booking_id_idx on app_public.notifications (booking_id);
create index notifications_entry_id_idx on app_public.notifications (entry_id);
create index notifications_kind_idx on app_public.notifications (kind);
create index notifications_unpublished_idx on app_public.notifications (id) where published_at is null;
comment on table app_public.notifications is 'Something a person is told. Holds kind and data; it is put into words when shown or sent.';
comment on column app_public.notifications.id is 'Identifier (UUID version 7).';
comment on column app_public.notifications.organization_id is 'The organisation it comes from.';
comment on column app_public.notifications.customer_id is 'The customer told, or';
comment on column app_public.notifications.user_id is 'the user told (managers, accounts).';
comment on column app_public.notifications.kind is 'What is said; the name of its mail template.';
comment on column app_public.notifications.booking_id is 'The booking it is about.';
comment on column app_public.notifications.entry_id is 'The waitlist entry it is about.';
comment on column app_public.notifications.data is 'What the words need beyond the booking and the entry (identifiers and times, no names).';
comment on column app_public.notifications.created_at is 'When it was written.';
comment on column app_public.notifications.read_at is 'When it was marked as read.';
comment on column app_public.notifications.published_at is E'@behavior -*\nWhen subscribers were told.';

create table app_public.deliveries (
  id uuid not null default uuidv7(),
  organization_id uuid not null,
  notification_id uuid not null,
  subject_id uuid not null,
  channel app_public.channel not null default 'email',
  address text,
  status app_public.delivery_status not null default 'queued',
  urgent boolean not null default false,
  not_after timestamptz,
  attempts integer not null default 0,
  next_attempt_at timestamptz not null default app_private.clock(),
  lease_until timestamptz,
  sent_at timestamptz,
  followed_up_at timestamptz,
  bounced_at timestamptz,
  last_error text,
  created_at timestamptz not null default app_private.clock(),
  constraint deliveries_pkey primary key (id),
  constraint deliveries_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint deliveries_notification_id_fkey foreign key (notification_id)
    references app_public.notifications on delete cascade,
  constraint deliveries_once unique (notification_id, channel),
  constraint sending_has_a_lease check ((status = 'sending') = (lease_until is not null)),
  constraint sent_has_a_time check ((status = 'sent') = (sent_at is not null)),
  constraint queued_has_an_address check (address is not null or status in ('suppressed', 'sent', 'dead', 'obsolete'))
);
create index deliveries_due_idx on app_public.deliveries (urgent desc, next_attempt_at, id) where status = 'queued';
create index deliveries_leased_idx on app_public.deliveries (lease_until) where status = 'sending';
create index deliveries_to_follow_up_idx on app_public.deliveries (id)
  where status in ('sent', 'dead') and followed_up_at is null;
create index deliveries_bounced_idx on app_public.deliveries (organization_id, id) where bounced_at is not null;
create index deliveries_dead_idx on app_public.deliveries (organization_id, id) where status = 'dead';
create index deliveries_subject_idx on app_public.deliveries (subject_id, id);
create index deliveries_organization_id_idx on app_public.deliveries (organization_id, created_at);
comment on table app_public.deliveries is 'One message on one channel to one address: the outbox.';
comment on column app_public.deliveries.id is 'Identifier (UUID version 7); part of the Message-ID, so every try carries the same one.';
comment on column app_public.deliveries.organization_id is 'The organisation.';
comment on column app_public.deliveries.notification_id is 'What is said.';
comment on column app_public.deliveries.subject_id is 'The booking, entry or user it is about; messages about one subject are first tried in order.';
comment on column app_public.deliveries.channel is 'How it travels.';
comment on column app_public.deliveries.address is E'@behavior -*\nWhere to.';
comment on column app_public.deliveries.status is 'Queued, sending, sent, dead, obsolete or suppressed.';
comment on column app_public.deliveries.urgent is E'@behavior -*\nWhether it goes out before those that are not.';
comment on column app_public.deliveries.not_after is 'After this it is not worth sending.';
comment on column app_public.deliveries.attempts is 'How often it was tried.';
comment on column app_public.deliveries.next_attempt_at is 'When it is tried next.';
comment on column app_public.deliveries.lease_until is E'@behavior -*\nUntil when the worker that is sending it may do so.';
comment on column app_public.deliveries.sent_at is 'When the mail server accepted it.';
comment on column app_public.deliveries.followed_up_at is E'@behavior -*\nWhen what depends on its acceptance was set in motion.';
comment on column app_public.deliveries.bounced_at is 'When it came back, if it did.';
comment on column app_public.deliveries.last_error is 'What the last failed try said.';
comment on column app_public.deliveries.created_at is 'When it was owed.';
--! EndIncluded tables/notifications.sql
--! Included tables/link_tokens.sql
create table app_private.link_tokens (
  token_hash bytea not null,
  organization_id uuid not null,
  action app_private.link_action not null,
  customer_id uuid,
  user_id uuid,
  booking_id uuid,
  entry_id uuid,
  delivery_id uuid,
  created_at timestamptz not null default app_private.clock(),
  expires_at timestamptz not null,
  used_at timestamptz,
  evidence jsonb,
  constraint link_tokens_pkey primary key (token_hash),
  constraint link_tokens_organization_id_fkey foreign key (organization_id) references app_public.organizations,
  constraint link_tokens_customer_id_fkey foreign key (customer_id) references app_public.customers,
  constraint link_tokens_user_id_fkey foreign key (user_id) references app_public.users on delete cascade,
  constraint link_tokens_booking_id_fkey foreign key (booking_id) references app_public.bookings,
  constraint link_tokens_entry_id_fkey foreign key (entry_id) references app_public.waitlist_entries,
  constraint hash_is_sha_256 check (octet_length(token_hash) = 32),
  constraint one_bearer check (num_nonnulls(customer_id, user_id) = 1),
  constraint bound_to_one_row check (
    case when action in ('verify', 'reset', 'magic') then user_id is not null and num_nonnulls(booking_id, entry_id) = 0
         when action in ('approve', 'reject') then user_id is not null and booking_id is not null and entry_id is null
         when action in ('confirm', 'cancel') then customer_id is not null and booking_id is not null and entry_id is null
         when action = 'unsubscribe' then customer_id is not null
         else customer_id is not null and entry_id is not null and booking_id is null end
  )
);
create index link_tokens_organization_id_idx on app_private.link_tokens (organization_id);
create index link_tokens_customer_id_idx on app_private.link_tokens (customer_id) where customer_id is not null;
create index link_tokens_user_id_idx on app_private.link_tokens (user_id) where user_id is not null;
create index link_tokens_booking_id_idx on app_private.link_tokens (booking_id) where booking_id is not null;
create index link_tokens_entry_id_idx on app_private.link_tokens (entry_id) where entry_id is not null;
create index link_tokens_expires_at_idx on app_private.link_tokens (expires_at);
comment on table app_private.link_tokens is 'Links in mails: 128 random bits, stored as SHA-256 only, bound to one person, one action, one row, one expiry; never a session.';
--! EndIncluded tables/link_tokens.sql
--! Included tables/pending_sign_ups.sql
-- A password given at sign-up counts only once the address is proven, and only through the mail that this very
-- sign-up sent. Kept in user_secrets at once, it would let a stranger sign up first with somebody's address, wait
-- for the owner's own verification, and walk in.
create table app_private.pending_sign_ups (
  notification_id uuid not null,
  user_id uuid not null,
  password_hash text not null,
  name text,
  locale text,
  created_at timestamptz not null default app_private.clock(),
  constraint pending_sign_ups_pkey primary key (notification_id),
  constraint pending_sign_ups_notification_id_fkey foreign key (notification_id)
    references app_public.notifications on delete cascade,
  constraint pending_sign_ups_user_id_fkey foreign key (user_id) references app_public.users on delete cascade,
  constraint password_is_argon2id check (password_hash ~ '^\$argon2id\$')
);
create index pending_sign_ups_user_id_idx on app_private.pending_sign_ups (user_id);
create index pending_sign_ups_created_at_idx on app_private.pending_sign_ups (created_at);
comment on table app_private.pending_sign_ups is 'What was entered at sign-up, bound to the mail that asks for the proof of the address.';
--! EndIncluded tables/pending_sign_ups.sql
--! Included tables/sign_in_attempts.sql
-- By address, not by account: an address nobody has is locked in the same way, so that a lock tells nothing.
create table app_private.sign_in_attempts (
  address_hash bytea not null,
  failures integer not null default 0,
  last_at timestamptz not null default app_private.clock(),
  constraint sign_in_attempts_pkey primary key (address_hash),
  constraint hash_is_sha_256 check (octet_length(address_hash) = 32)
);
create index sign_in_attempts_last_at_idx on app_private.sign_in_attempts (last_at);
comment on table app_private.sign_in_attempts is 'Sign-ins tried per address (SHA-256 of it) since the last that succeeded; likewise bookings looked up, per address and per reference.';
--! EndIncluded tables/sign_in_attempts.sql
--! Included tables/audit_log.sql
create table app_public.audit_log (
  id uuid not null default uuidv7(),
  organization_id uuid,
  at timestamptz not null default app_private.clock(),
  actor_user_id uuid,
  actor_role text not null,
  via text not null,
  ip inet,
  user_agent text,
  table_name text not null,
  record_id uuid not null,
  customer_id uuid,
  operation text not null,
  old_values jsonb,
  new_values jsonb,
  reason text,
  constraint audit_log_pkey primary key (id)
);
create index audit_log_record_idx on app_public.audit_log (record_id, id);
create index audit_log_organization_idx on app_public.audit_log (organization_id, id);
create index audit_log_customer_idx on app_public.audit_log (customer_id, id) where customer_id is not null;
create index audit_log_actor_idx on app_public.audit_log (actor_user_id, id) where actor_user_id is not null;
create index audit_log_at_idx on app_public.audit_log (at);
comment on table app_public.audit_log is 'Every change: who, from where, what it was, what it became, and why. Holds identifiers, not names, so that erasing a person erases; no foreign keys, so that it outlives what it tells of.';
comment on column app_public.audit_log.id is 'Identifier (UUID version 7).';
comment on column app_public.audit_log.organization_id is 'The organisation.';
comment on column app_public.audit_log.at is 'When.';
comment on column app_public.audit_log.actor_user_id is 'The user who acted; null: time, or the bearer of a link.';
comment on column app_public.audit_log.actor_role is 'The database role that acted.';
comment on column app_public.audit_log.via is 'graphql, link, job or sql.';
comment on column app_public.audit_log.ip is E'@behavior -*\nAddress the request came from.';
comment on column app_public.audit_log.user_agent is E'@behavior -*\nProgram the request came from.';
comment on column app_public.audit_log.table_name is 'Table of the changed row.';
comment on column app_public.audit_log.record_id is 'The changed row.';
comment on column app_public.audit_log.customer_id is 'The customer it concerns.';
comment on column app_public.audit_log.operation is 'insert, update or delete.';
comment on column app_public.audit_log.old_values is 'The changed columns before.';
comment on column app_public.audit_log.new_values is 'The changed columns after.';
comment on column app_public.audit_log.reason is 'The reason given.';

create table app_private.idempotency_keys (
  caller text not null,
  operation text not null,
  key text not null,
  input_hash bytea not null,
  result_id uuid,
  created_at timestamptz not null default app_private.clock(),
  constraint idempotency_keys_pkey primary key (caller, operation, key),
  constraint key_is_bounded check (length(key) between 1 and 200)
);
create index idempotency_keys_created_at_idx on app_private.idempotency_keys (created_at);
comment on table app_private.idempotency_keys is 'Keys of creating mutations, per caller and operation: the same key and input returns the same row.';
--! EndIncluded tables/audit_log.sql
--! Included functions/caller.sql
-- Who is calling. Inside a definer function current_user is the owner, so the role is read from the setting that
-- `set role` writes, or, if none was set, from the login.
create function app_private.caller_role() returns name
language sql stable parallel safe
return case current_setting('role') when 'none' then session_user else current_setting('role')::name end;
comment on function app_private.caller_role() is 'The role the caller acts as.';

-- 'usage', not 'member': an application login that may switch to every role is not, for that, an admin.
create function app_private.caller_is(wanted name) returns boolean
language sql stable parallel safe
return pg_has_role(app_private.caller_role(), wanted, 'usage');
comment on function app_private.caller_is(name) is 'Whether the caller has the privileges of a role without switching to it.';

create function app_private.current_user_id() returns uuid
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select u.id
  from app_public.users u
  where u.id = nullif(current_setting('reslot.user_id', true), '')::uuid
    and u.deactivated_at is null
    and app_private.caller_role() <> 'reslot_anonymous'
$$;
comment on function app_private.current_user_id() is 'The signed-in user, if there is one and the account is active. In policies write `(select app_private.current_user_id())`, so that it runs once.';

create function app_private.is_admin() returns boolean
language sql stable parallel safe
return app_private.caller_is('reslot_admin');
comment on function app_private.is_admin() is 'Whether the caller is an operator of the platform.';

create function app_private.is_manager_of(offering_id uuid) returns boolean
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select app_private.is_admin() or exists (
    select from app_public.offerings f
    join app_public.memberships m on m.organization_id = f.organization_id
    where f.id = is_manager_of.offering_id
      and m.user_id = app_private.current_user_id()
      and m.role in ('owner', 'manager')
      and (m.all_offerings or exists (
        select from app_public.membership_offerings x where x.membership_id = m.id and x.offering_id = f.id))
  )
$$;
comment on function app_private.is_manager_of(uuid) is 'Whether the caller manages an offering: its organisation''s owner or manager, or an admin.';

create function app_private.is_manager_in(organization_id uuid) returns boolean
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select app_private.is_admin() or exists (
    select from app_public.memberships m
    where m.organization_id = is_manager_in.organization_id
      and m.user_id = app_private.current_user_id()
      and m.role in ('owner', 'manager') and m.all_offerings
  )
$$;
comment on function app_private.is_manager_in(uuid) is 'Whether the caller manages all of an organisation, or is an admin.';

create function app_private.is_owner_in(organization_id uuid) returns boolean
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select app_private.is_admin() or exists (
    select from app_public.memberships m
    where m.organization_id = is_owner_in.organization_id and m.user_id = app_private.current_user_id()
      and m.role = 'owner'
  )
$$;
comment on function app_private.is_owner_in(uuid) is 'Whether the caller owns an organisation, or is an admin.';

create function app_private.is_customer(customer_id uuid) returns boolean
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select exists (
    select from app_public.customers c
    where c.id = is_customer.customer_id and c.user_id = app_private.current_user_id()
  )
$$;
comment on function app_private.is_customer(uuid) is 'Whether a customer is the caller.';

create function app_private.managed_offering_ids() returns setof uuid
language sql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select f.id
  from app_public.memberships m
  join app_public.offerings f on f.organization_id = m.organization_id
  where m.user_id = app_private.current_user_id() and m.role in ('owner', 'manager')
    and (m.all_offerings or exists (
      select from app_public.membership_offerings x where x.membership_id = m.id and x.offering_id = f.id))
$$;
comment on function app_private.managed_offering_ids() is 'The offerings the caller manages by membership; a set, so that a policy computes it once.';

create function app_private.own_customer_ids() returns setof uuid
language sql stable security definer rows 3
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select c.id from app_public.customers c where c.user_id = app_private.current_user_id()
$$;
comment on function app_private.own_customer_ids() is 'The customers the caller is, one per organisation; a set, so that a policy computes it once.';

create function app_private.member_organization_ids() returns setof uuid
language sql stable security definer rows 3
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select m.organization_id from app_public.memberships m where m.user_id = app_private.current_user_id()
$$;
comment on function app_private.member_organization_ids() is 'The organisations the caller has a role in.';

create function app_private.managed_organization_ids() returns setof uuid
language sql stable security definer rows 3
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select m.organization_id from app_public.memberships m
  where m.user_id = app_private.current_user_id() and m.role in ('owner', 'manager') and m.all_offerings
$$;
comment on function app_private.managed_organization_ids() is 'The organisations the caller manages all of.';

-- Accounts act only once their address is proven; otherwise anybody could book in another's name.
create function app_private.require_user() returns app_public.users
language plpgsql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users;
begin
  select * into v_user from app_public.users u where u.id = app_private.current_user_id();
  if v_user.id is null then
    perform app_private.fail('RSAUT', 'Please sign in first.');
  end if;
  if v_user.email_verified_at is null then
    perform app_private.fail('RSVER', 'Please confirm your e-mail address first; we can send the link again.');
  end if;
  return v_user;
end
$$;
comment on function app_private.require_user() is 'The signed-in user with a verified address. Errors: RSAUT not signed in, RSVER address not verified.';

revoke execute on function
  app_private.caller_role(), app_private.caller_is(name), app_private.current_user_id(), app_private.is_admin(),
  app_private.is_manager_of(uuid), app_private.is_manager_in(uuid),
  app_private.is_owner_in(uuid), app_private.is_customer(uuid), app_private.require_user(),
  app_private.managed_offering_ids(), app_private.own_customer_ids(), app_private.member_organization_ids(),
  app_private.managed_organization_ids() from public;
grant execute on function
  app_private.caller_role(), app_private.caller_is(name), app_private.current_user_id(), app_private.is_admin(),
  app_private.managed_offering_ids(), app_private.own_customer_ids(), app_private.member_organization_ids(),
  app_private.managed_organization_ids()
to reslot_anonymous, reslot_user, reslot_admin;
--! EndIncluded functions/caller.sql
--! Included functions/tokens.sql
-- 128 bits from the server's strong generator; 244 random bits go into the hash.
create function app_private.new_token() returns text
language sql volatile
return rtrim(translate(encode(substring(
  sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) for 16), 'base64'), '+/', '-_'), '=');
comment on function app_private.new_token() is 'A new opaque token: 128 random bits as 22 characters of base64url.';
revoke execute on function app_private.new_token() from public;

create function app_private.hash_token(token text) returns bytea
language sql immutable parallel safe
return sha256(convert_to(token, 'UTF8'));
comment on function app_private.hash_token(text) is 'What is stored of a token.';
revoke execute on function app_private.hash_token(text) from public;

create function app_private.issue_link(
  action app_private.link_action, organization_id uuid, customer_id uuid, user_id uuid,
  booking_id uuid, entry_id uuid, delivery_id uuid, expires_at timestamptz
) returns text
language plpgsql volatile
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_token text := app_private.new_token();
begin
  insert into app_private.link_tokens
    (token_hash, action, organization_id, customer_id, user_id, booking_id, entry_id, delivery_id, expires_at)
  values (app_private.hash_token(v_token), issue_link.action, issue_link.organization_id, issue_link.customer_id,
          issue_link.user_id, issue_link.booking_id, issue_link.entry_id, issue_link.delivery_id,
          issue_link.expires_at);
  return v_token;
end
$$;
comment on function app_private.issue_link(app_private.link_action, uuid, uuid, uuid, uuid, uuid, uuid, timestamptz) is 'Makes the token of one link and stores its hash; out comes the token itself, which goes into one mail and nowhere else.';
revoke execute on function app_private.issue_link(app_private.link_action, uuid, uuid, uuid, uuid, uuid, uuid, timestamptz) from public;

create function app_private.withdraw_links(delivery_id uuid, tokens text[]) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_count integer;
begin
  delete from app_private.link_tokens t
  where t.token_hash in (select app_private.hash_token(k) from unnest(tokens) k)
    and t.delivery_id = withdraw_links.delivery_id and t.used_at is null;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
comment on function app_private.withdraw_links(uuid, text[]) is 'Removes the links of a try that nobody can have got.';
revoke execute on function app_private.withdraw_links(uuid, text[]) from public;
grant execute on function app_private.withdraw_links(uuid, text[]) to reslot_worker;
--! EndIncluded functions/tokens.sql
--! Included functions/hours.sql
-- Local rules become moments here and nowhere else: opening at 09:00 stays 09:00 across daylight saving.
create function app_private.hours_of(resource_id uuid, since timestamptz, until timestamptz) returns tstzmultirange
language sql stable
as $$
  select coalesce(range_agg(tstzrange(h.opens_at, h.closes_at)) filter (where h.opens_at < h.closes_at), '{}')
         * tstzmultirange(tstzrange(since, until))
  from app_public.resources r
  -- Timestamps without zone: a series of dates would be one of midnights of the session's zone, and some zones skip one.
  cross join lateral generate_series(
    ((hours_of.since at time zone r.time_zone)::date - 1)::timestamp,
    (hours_of.until at time zone r.time_zone)::date::timestamp, interval '1 day') as d (day)
  cross join lateral (
    select (d.day::date + o.opens) at time zone r.time_zone as opens_at,
           (d.day::date + o.closes
             + case when o.closes <= o.opens then interval '1 day' else interval '0' end) at time zone r.time_zone
             as closes_at
    from app_public.opening_hours o
    where o.resource_id = r.id and o.weekday = extract(isodow from d.day)
  ) h
  where r.id = hours_of.resource_id and r.archived_at is null
$$;
comment on function app_private.hours_of(uuid, timestamptz, timestamptz) is 'When a resource is open between two moments.';

create function app_private.blackouts_over(offering_id uuid, since timestamptz, until timestamptz)
returns setof app_public.blackouts
language sql stable rows 1
as $$
  select k.*
  from app_public.offerings f
  join app_public.blackouts k on k.organization_id = f.organization_id
  where f.id = blackouts_over.offering_id and k.lifted_at is null
    and k.starts_at < blackouts_over.until and k.ends_at > blackouts_over.since
    and (k.offering_id = f.id
      or k.resource_id in (select x.resource_id from app_public.offering_resources x where x.offering_id = f.id)
      or num_nonnulls(k.offering_id, k.resource_id) = 0)
$$;
comment on function app_private.blackouts_over(uuid, timestamptz, timestamptz) is 'The blackouts that close an offering between two moments: its own, those of its resources, those of its organisation.';

create function app_private.open_ranges(offering_id uuid, since timestamptz, until timestamptz) returns tstzmultirange
language sql stable
as $$
  select coalesce(range_intersect_agg(app_private.hours_of(x.resource_id, since, until)), '{}')
         - coalesce((
           select range_agg(tstzrange(k.starts_at, k.ends_at))
           from app_private.blackouts_over(open_ranges.offering_id, since, until) k), '{}')
  from app_public.offerings f
  join app_public.organizations g on g.id = f.organization_id and g.archived_at is null
  join app_public.offering_resources x on x.offering_id = f.id
  where f.id = open_ranges.offering_id and f.archived_at is null
$$;
comment on function app_private.open_ranges(uuid, timestamptz, timestamptz) is 'When all resources of an offering are open and nothing is blacked out; never, once anything of it is archived.';

create function app_private.is_open(offering_id uuid, starts_at timestamptz, ends_at timestamptz) returns boolean
language sql stable cost 10000
as $$
  select app_private.open_ranges(offering_id, starts_at, ends_at) @> tstzrange(starts_at, ends_at)
$$;
comment on function app_private.is_open(uuid, timestamptz, timestamptz) is 'Whether an offering is open for the whole of a range. Dear (it counts opening hours day by day), hence its cost.';

-- With buffers: a booking needs its own range and its buffers free, so each occupancy blocks a little more than itself.
create function app_private.free_ranges(
  offering_id uuid, since timestamptz, until timestamptz, buffer_before interval, buffer_after interval
) returns tstzmultirange
language sql stable
as $$
  select app_private.open_ranges(free_ranges.offering_id, since, until) - coalesce((
    select range_agg(tstzrange(lower(o.during) - buffer_after, upper(o.during) + buffer_before))
    from app_public.offering_resources x
    join app_private.occupancies o on o.resource_id = x.resource_id
    where x.offering_id = free_ranges.offering_id
      and o.during && tstzrange(since - buffer_before, until + buffer_after)), '{}')
$$;
comment on function app_private.free_ranges(uuid, timestamptz, timestamptz, interval, interval) is 'When an offering could be booked between two moments, buffers respected.';

create function app_private.zone_of(offering_id uuid) returns text
language sql stable
as $$
  select coalesce(
    (select r.time_zone from app_public.offering_resources x join app_public.resources r on r.id = x.resource_id
     where x.offering_id = zone_of.offering_id order by r.id limit 1),
    (select g.time_zone from app_public.offerings f join app_public.organizations g on g.id = f.organization_id
     where f.id = zone_of.offering_id))
$$;
comment on function app_private.zone_of(uuid) is 'The IANA time zone an offering lives in: its first resource''s, else the organisation''s.';

create function app_private.wall_time_if_any(local_time timestamp, zone text) returns timestamptz
language sql stable
as $$
  -- PostgreSQL takes the second of two; clocks go back by half an hour, one or two. None is left of a time that is skipped.
  select min(c.at)
  from (select local_time at time zone zone) l (at),
    lateral (values (l.at), (l.at - interval '30 minutes'), (l.at - interval '1 hour'), (l.at - interval '2 hours')) c (at)
  where c.at at time zone zone = local_time
$$;
comment on function app_private.wall_time_if_any(timestamp, text) is 'The moment of a local time; the first, if it occurs twice; null, if daylight saving skips it.';

-- A wall-clock time that daylight saving skips is refused rather than moved: nobody meant the hour after.
create function app_private.wall_time(local_time timestamp, zone text) returns timestamptz
language plpgsql stable
as $$
declare
  v_at timestamptz := app_private.wall_time_if_any(local_time, zone);
begin
  if v_at is null then
    perform app_private.fail('RSTIM', format('%s does not exist in %s: the clocks go forward then.', local_time, zone));
  end if;
  return v_at;
end
$$;
comment on function app_private.wall_time(timestamp, text) is 'The moment of a local time. A time that occurs twice is its first occurrence. Errors: RSTIM skipped by daylight saving.';

create function app_private.requested_range(
  offering_id uuid, starts_at timestamptz, ends_at timestamptz, local_starts_at timestamp, local_ends_at timestamp
) returns tstzrange
language plpgsql stable
as $$
declare
  v_starts_at timestamptz := starts_at;
  v_ends_at timestamptz := ends_at;
begin
  if num_nonnulls(starts_at, local_starts_at) <> 1 or num_nonnulls(ends_at, local_ends_at) <> 1 then
    perform app_private.fail('RSARG', 'Give one start and one end, each either as a moment or as a local time.');
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
  if v_starts_at >= v_ends_at then
    perform app_private.fail('RSTIM', 'The end has to come after the start.');
  end if;
  return tstzrange(v_starts_at, v_ends_at);
end
$$;
comment on function app_private.requested_range(uuid, timestamptz, timestamptz, timestamp, timestamp) is 'The range a client asked for. Errors: RSARG missing or given twice, RSTIM infinite or absurd, inverted, or skipped by daylight saving.';

create function app_private.with_buffers(during tstzrange, policy app_public.policy_versions) returns tstzrange
language sql immutable
return tstzrange(lower(during) - policy.buffer_before, upper(during) + policy.buffer_after);
comment on function app_private.with_buffers(tstzrange, app_public.policy_versions) is 'The range a booking occupies its resources.';

revoke execute on function
  app_private.hours_of(uuid, timestamptz, timestamptz), app_private.blackouts_over(uuid, timestamptz, timestamptz),
  app_private.open_ranges(uuid, timestamptz, timestamptz), app_private.is_open(uuid, timestamptz, timestamptz),
  app_private.free_ranges(uuid, timestamptz, timestamptz, interval, interval), app_private.zone_of(uuid),
  app_private.wall_time_if_any(timestamp, text), app_private.wall_time(timestamp, text),
  app_private.requested_range(uuid, timestamptz, timestamptz, timestamp, timestamp),
  app_private.with_buffers(tstzrange, app_public.policy_versions) from public;
-- For pages that show local times; what it reads everybody may who may ask.
grant execute on function app_private.zone_of(uuid) to reslot_user, reslot_admin;
--! EndIncluded functions/hours.sql
--! Included functions/availability.sql
create function app_public.availability(offering_id uuid, "from" timestamptz, "to" timestamptz)
returns setof app_public.free_range
language plpgsql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
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
  v_policy := app_private.policy_of(app_private.find_offering(offering_id));
  v_since := greatest("from", v_now + v_policy.booking_cutoff);
  v_until := least("to", v_now + make_interval(hours => 24 * v_policy.max_days_ahead));
  if v_since >= v_until then
    return;
  end if;
  return query
    select lower(r), upper(r)
    from unnest(app_private.free_ranges(
      availability.offering_id, v_since, v_until, v_policy.buffer_before, v_policy.buffer_after)) r
    where app_private.elapsed(lower(r), upper(r)) >= v_policy.min_duration;
end
$$;
comment on function app_public.availability(uuid, timestamptz, timestamptz) is 'When an offering can be booked between two moments at most 92 days apart: open, not blacked out, not taken, far enough ahead, and long enough for the shortest booking. Errors: RSARG bad range, RSNTF no such offering.';
revoke execute on function app_public.availability(uuid, timestamptz, timestamptz) from public;
grant execute on function app_public.availability(uuid, timestamptz, timestamptz) to reslot_anonymous, reslot_user, reslot_admin;

create function app_private.nearest_free(
  offering_id uuid, during tstzrange, policy app_public.policy_versions, now_at timestamptz
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
        now_at + make_interval(hours => 24 * policy.max_days_ahead) as latest_start
    ) d
    cross join unnest(app_private.free_ranges(
      nearest_free.offering_id, greatest(d.since, lower(during) - interval '72 hours'),
      greatest(d.since, least(upper(during) + interval '72 hours', d.latest_start + d.duration)),
      policy.buffer_before, policy.buffer_after)) r
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
comment on function app_private.nearest_free(uuid, tstzrange, app_public.policy_versions, timestamptz) is 'The three free ranges of the same length nearest to the one wanted, within three days of it.';
revoke execute on function app_private.nearest_free(uuid, tstzrange, app_public.policy_versions, timestamptz) from public;
--! EndIncluded functions/availability.sql
--! Included functions/room.sql
-- How room is kept safe (DESIGN §4). One function takes the locks, one takes room, one gives it back; nothing else
-- does. The rows of resources are the locks; checks come in a later statement than the lock, so that they see what
-- the earlier holder committed.

create function app_private.occupies(status app_public.booking_status) returns boolean
language sql immutable parallel safe
return status in ('held', 'pending', 'confirmed', 'in_progress');
comment on function app_private.occupies(app_public.booking_status) is 'Whether a booking of this status has room.';

create function app_private.resources_of(offering_id uuid) returns uuid[]
language sql stable
as $$
  select coalesce(array_agg(x.resource_id order by x.resource_id), '{}')
  from app_public.offering_resources x where x.offering_id = resources_of.offering_id
$$;
comment on function app_private.resources_of(uuid) is 'The resources of an offering, in lock order.';

create function app_private.offerings_sharing(offering_ids uuid[]) returns uuid[]
language sql stable
as $$
  select coalesce(array_agg(distinct theirs.offering_id), '{}')
  from app_public.offering_resources own
  join app_public.offering_resources theirs on theirs.resource_id = own.resource_id
  where own.offering_id = any (offering_ids)
$$;
comment on function app_private.offerings_sharing(uuid[]) is 'These offerings and all that use one of their resources.';

create function app_private.resources_of_all(offering_ids uuid[]) returns uuid[]
language sql stable
as $$
  select coalesce(array_agg(distinct x.resource_id), '{}')
  from app_public.offering_resources x where x.offering_id = any (offering_ids)
$$;
comment on function app_private.resources_of_all(uuid[]) is 'Every resource that one of these offerings uses.';

create function app_private.overdue_holds(resource_ids uuid[]) returns uuid[]
language sql stable
as $$
  select coalesce(array_agg(b.id order by b.hold_expires_at, b.id), '{}')
  from (
    select distinct x.offering_id from app_public.offering_resources x where x.resource_id = any (resource_ids)
  ) f
  join app_public.bookings b on b.offering_id = f.offering_id
  where b.hold_expires_at is not null and b.hold_expires_at <= (select app_private.clock())
$$;
comment on function app_private.overdue_holds(uuid[]) is 'The holds on these resources that have had their time; usually none.';

-- Freeing a room hands it to people who wait for any offering that uses it, and those offerings may use further
-- rooms (a hall of two rooms): they are locked too. An overdue hold on any of these rooms is settled first, for it
-- keeps them from who is first in line; settling it is a freeing of its own, and may need further rooms in turn.
create function app_private.find_rooms_to_lock(offering_ids uuid[]) returns app_private.rooms_to_lock
language plpgsql stable
as $$
declare
  v_offerings uuid[] := app_private.offerings_sharing(offering_ids);
  v_held uuid[];
  v_rooms app_private.rooms_to_lock;
begin
  loop
    v_rooms.resources := app_private.resources_of_all(v_offerings);
    v_rooms.overdue := app_private.overdue_holds(v_rooms.resources);
    exit when v_rooms.overdue = '{}';
    v_held := app_private.offerings_sharing(array(
      select distinct b.offering_id from app_public.bookings b where b.id = any (v_rooms.overdue)));
    exit when v_held <@ v_offerings;
    v_offerings := v_offerings || v_held;
  end loop;
  return v_rooms;
end
$$;
comment on function app_private.find_rooms_to_lock(uuid[]) is 'The resources to lock before touching the room of these offerings, and the holds on them that are overdue.';

create function app_private.lock_room(offering_ids uuid[]) returns void
language plpgsql volatile
as $$
declare
  v_before app_private.rooms_to_lock;
  v_rooms app_private.rooms_to_lock;
  v_hold uuid;
begin
  for v_attempt in 1..10 loop
    v_before := app_private.find_rooms_to_lock(offering_ids);
    begin
      perform from app_public.resources r where r.id = any (v_before.resources) order by r.id for no key update;
      v_rooms := app_private.find_rooms_to_lock(offering_ids);
      exit when v_rooms.resources <@ v_before.resources;
      -- They changed meanwhile. More locks now might be out of order, so these are given up first.
      raise sqlstate 'RSAGN';
    exception
      when sqlstate 'RSAGN' then
        if v_attempt = 10 then
          perform app_private.fail('RSBSY', 'This is changing very fast right now. Please try again.');
        end if;
    end;
  end loop;

  -- What is due is due, worker or no worker.
  foreach v_hold in array v_rooms.overdue loop
    perform app_private.expire_hold(v_hold);
  end loop;
end
$$;
comment on function app_private.lock_room(uuid[]) is 'Locks the room of these offerings and of all that share resources with them, in one order, and settles the holds on it that are overdue. Errors: RSBSY.';

create function app_private.is_free(offering_id uuid, room tstzrange) returns boolean
language sql stable
as $$
  select not exists (
    select from app_public.offering_resources x
    join app_private.occupancies o on o.resource_id = x.resource_id
    where x.offering_id = is_free.offering_id and o.during && is_free.room
  )
$$;
comment on function app_private.is_free(uuid, tstzrange) is 'Whether nothing occupies any resource of an offering in a range (buffers included by the caller). Only true as long as the room is locked.';

create function app_private.take_room(booking app_public.bookings) returns void
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
  where x.offering_id = booking.offering_id
  order by x.resource_id;
end
$$;
comment on function app_private.take_room(app_public.bookings) is 'Occupies the resources of a booking, or takes its places of a slot. The caller holds the lock and has checked that they are free; if not, a constraint refuses.';

create function app_private.give_back_room(
  booking_id uuid, passing_over uuid default null, hands_on boolean default true
) returns void
language plpgsql volatile
as $$
declare
  v_resources uuid[];
  v_during tstzrange;
  v_slot_id uuid;
begin
  with gone as (
    delete from app_private.taken_places t where t.booking_id = give_back_room.booking_id
    returning t.slot_id, t.places
  )
  update app_public.slots s set taken = s.taken - g.places from gone g where s.id = g.slot_id returning s.id into v_slot_id;
  if v_slot_id is not null then
    if hands_on then
      perform app_private.hand_on_places(v_slot_id, passing_over);
    end if;
    return;
  end if;
  with gone as (
    delete from app_private.occupancies o where o.booking_id = give_back_room.booking_id
    returning o.resource_id, o.during
  )
  select array_agg(g.resource_id order by g.resource_id), (array_agg(g.during))[1] into v_resources, v_during from gone g;
  if v_resources is not null and hands_on then
    perform app_private.hand_on(v_resources, v_during, passing_over);
  end if;
end
$$;
comment on function app_private.give_back_room(uuid, uuid, boolean) is 'Frees the resources or the places of a booking and at once offers them to who waits, passing over a customer who has just let go of them. Without `hands_on` the caller takes room for the same booking again, and hands on what is left.';

create function app_private.take_room_for_slot(slot app_public.slots) returns void
language sql volatile
as $$
  insert into app_private.occupancies (organization_id, resource_id, slot_id, during)
  select slot.organization_id, x.resource_id, slot.id, slot.room
  from app_public.offering_resources x
  join app_public.resources r on r.id = x.resource_id and not r.shared
  where x.offering_id = slot.offering_id
  order by x.resource_id
$$;
comment on function app_private.take_room_for_slot(app_public.slots) is 'Occupies the guide and the vehicle of a slot, as take_room does for bookings.';

create function app_private.give_back_room_of_slot(slot_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_resources uuid[];
  v_during tstzrange;
begin
  with gone as (
    delete from app_private.occupancies o where o.slot_id = give_back_room_of_slot.slot_id
    returning o.resource_id, o.during
  )
  select array_agg(g.resource_id order by g.resource_id), (array_agg(g.during))[1] into v_resources, v_during from gone g;
  perform app_private.hand_on(v_resources, v_during) where v_resources is not null;
end
$$;
comment on function app_private.give_back_room_of_slot(uuid) is 'Frees the resources of a slot and at once offers them to who waits for them.';

revoke execute on function
  app_private.occupies(app_public.booking_status), app_private.resources_of(uuid), app_private.offerings_sharing(uuid[]),
  app_private.resources_of_all(uuid[]), app_private.overdue_holds(uuid[]), app_private.find_rooms_to_lock(uuid[]),
  app_private.lock_room(uuid[]), app_private.is_free(uuid, tstzrange), app_private.take_room(app_public.bookings),
  app_private.take_room_for_slot(app_public.slots), app_private.give_back_room_of_slot(uuid),
  app_private.give_back_room(uuid, uuid, boolean) from public;
--! EndIncluded functions/room.sql
--! Included functions/deadlines.sql
-- The next thing time will do, from the row and its policy alone. Pure, so that it can be tested by a table of cases,
-- and so that being late, doubled or retried changes nothing: doing one thing changes the row, which sets the next.

-- The first reminder asks and always goes out; the others, and a first one with nothing left to ask, only if
-- their time comes after the booking was made.
create function app_private.next_reminder(booking app_public.bookings, policy app_public.policy_versions)
returns timestamptz
language sql immutable
as $$
  select case when l.n = 1 then greatest(booking.made_at, booking.starts_at - l.lead) else booking.starts_at - l.lead end
  from unnest(policy.reminder_leads) with ordinality l (lead, n)
  where l.n > booking.reminders_done
    and (booking.starts_at - l.lead >= booking.made_at
      or (l.n = 1 and app_private.asks_confirmation(booking)))
  order by l.n
  limit 1
$$;
comment on function app_private.next_reminder(app_public.bookings, app_public.policy_versions) is 'When the next reminder of a confirmed booking goes out; null if none is left.';

create function app_private.asks_confirmation(booking app_public.bookings) returns boolean
language sql immutable
return booking.confirm_by is not null and booking.attendance_confirmed_at is null;
comment on function app_private.asks_confirmation(app_public.bookings) is 'Whether the customer still has to confirm attendance.';

create function app_private.booking_deadline(booking app_public.bookings, policy app_public.policy_versions)
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
    ('start', case when booking.status = 'confirmed' then booking.starts_at end, 3),
    -- The buffer after a booking stays occupied until it is over.
    ('complete', case when booking.status = 'in_progress' then upper(booking.room) end, 1)
  ) as d (action, due_at, rank)
  where d.due_at is not null
  order by d.due_at, d.rank
  limit 1
$$;
comment on function app_private.booking_deadline(app_public.bookings, app_public.policy_versions) is 'The next thing time will do to a booking; null if nothing.';

create function app_private.waits_until(entry app_public.waitlist_entries) returns timestamptz
language sql immutable
return case when entry.day is not null and entry.slot_id is null then entry.ends_at else entry.starts_at end;
comment on function app_private.waits_until(app_public.waitlist_entries) is 'When an entry has waited in vain: the start of what it waits for, or the end of the day.';

create function app_private.slot_deadline(slot app_public.slots, policy app_public.policy_versions)
returns app_private.next_deadline
language sql immutable
return case
  when slot.ended_at is not null then null
  when slot.min_size > 0 and slot.minimum_checked_at is null
    then row('check_minimum', slot.starts_at - policy.minimum_cutoff)::app_private.next_deadline
  -- The buffer after a slot stays occupied until it is over.
  else row('end_slot', upper(slot.room))::app_private.next_deadline
end;
comment on function app_private.slot_deadline(app_public.slots, app_public.policy_versions) is 'The next thing time will do to a slot; null if nothing.';

create function app_private.entry_deadline(entry app_public.waitlist_entries) returns app_private.next_deadline
language sql immutable
return case when entry.status = 'waiting' then row('lapse', app_private.waits_until(entry))::app_private.next_deadline end;
comment on function app_private.entry_deadline(app_public.waitlist_entries) is 'The next thing time will do to a waitlist entry. While it is offered, the hold''s deadline counts.';

create function app_private.set_deadline(
  subject app_private.deadline_subject, subject_id uuid, organization_id uuid, next app_private.next_deadline
) returns void
language plpgsql volatile
as $$
begin
  if next.due_at is null then
    delete from app_private.deadlines d where d.subject_id = set_deadline.subject_id;
    return;
  end if;
  insert into app_private.deadlines as d (subject_id, subject, organization_id, action, due_at)
  values (set_deadline.subject_id, set_deadline.subject, set_deadline.organization_id, next.action, next.due_at)
  on conflict on constraint deadlines_pkey do update
  set action = excluded.action, due_at = excluded.due_at, queued_at = null, attempts = 0, last_error = null
  where (d.action, d.due_at) is distinct from (excluded.action, excluded.due_at);
end
$$;
comment on function app_private.set_deadline(app_private.deadline_subject, uuid, uuid, app_private.next_deadline) is 'Writes the one deadline of a subject, or removes it. Called by triggers only.';

revoke execute on function
  app_private.next_reminder(app_public.bookings, app_public.policy_versions),
  app_private.asks_confirmation(app_public.bookings),
  app_private.booking_deadline(app_public.bookings, app_public.policy_versions),
  app_private.waits_until(app_public.waitlist_entries),
  app_private.slot_deadline(app_public.slots, app_public.policy_versions),
  app_private.entry_deadline(app_public.waitlist_entries),
  app_private.set_deadline(app_private.deadline_subject, uuid, uuid, app_private.next_deadline) from public;
--! EndIncluded functions/deadlines.sql
--! Included functions/notifications.sql
-- What is owed is written with the change that owes it, in the same transaction (I7); words are found when it is sent.

create function app_private.owe_delivery(
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
comment on function app_private.owe_delivery(app_public.notifications, text, text) is 'Writes the one delivery of a notification.';

create function app_private.mail_is_withheld(customer app_public.customers, kind text, max_per_day integer) returns text
language plpgsql stable
as $$
declare
  v_kind app_private.notification_kinds;
begin
  select * into v_kind from app_private.notification_kinds k where k.kind = mail_is_withheld.kind;
  if customer.email is null then
    return 'no address';
  elsif v_kind.is_optional and customer.unsubscribed_at is not null then
    return 'unsubscribed';
  elsif not v_kind.costs_a_booking and max_per_day <= (
    select count(*)
    from app_public.notifications n
    join app_private.notification_kinds k on k.kind = n.kind and not k.costs_a_booking
    where n.customer_id = customer.id and n.created_at > (select app_private.clock()) - interval '24 hours'
  ) then
    return 'daily limit';
  end if;
  return null;
end
$$;
comment on function app_private.mail_is_withheld(app_public.customers, text, integer) is 'Why a mail is not sent: no address, unsubscribed, or the daily limit; null if it is. Mails that cost a booking if missed are never withheld.';

create function app_private.notify_customer(
  customer_id uuid, kind text, booking_id uuid, entry_id uuid, data jsonb default '{}'
) returns uuid
language plpgsql volatile
as $$
declare
  v_customer app_public.customers;
  v_notification app_public.notifications;
  v_limit integer;
begin
  select * into v_customer from app_public.customers c where c.id = notify_customer.customer_id;
  select p.max_mails_per_day into v_limit
  from app_public.policy_versions p
  where p.id = coalesce(
    (select b.policy_version_id from app_public.bookings b where b.id = notify_customer.booking_id),
    (select e.policy_version_id from app_public.waitlist_entries e where e.id = notify_customer.entry_id),
    (app_private.default_policy(v_customer.organization_id)).id);
  insert into app_public.notifications (organization_id, customer_id, kind, booking_id, entry_id, data)
  values (v_customer.organization_id, v_customer.id, notify_customer.kind, notify_customer.booking_id,
          notify_customer.entry_id, jsonb_strip_nulls(coalesce(notify_customer.data, '{}')))
  returning * into v_notification;
  -- The one just written counts already, hence + 1.
  perform app_private.owe_delivery(v_notification, v_customer.email,
    app_private.mail_is_withheld(v_customer, notify_customer.kind, v_limit + 1));
  return v_notification.id;
end
$$;
comment on function app_private.notify_customer(uuid, text, uuid, uuid, jsonb) is 'Tells a customer something: in the app, and by mail unless withheld.';

create function app_private.notify_user(
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
  perform app_private.owe_delivery(v_notification, u.email, case when u.erased_at is not null then 'no address' end)
  from app_public.users u where u.id = notify_user.user_id;
  return v_notification.id;
end
$$;
comment on function app_private.notify_user(uuid, uuid, text, uuid, uuid, jsonb) is 'Tells a user something that concerns them as a member or as an account.';

create function app_private.notify_managers(offering_id uuid, kind text, booking_id uuid, entry_id uuid, data jsonb default '{}')
returns void
language sql volatile
as $$
  select app_private.notify_user(f.organization_id, m.user_id, notify_managers.kind, notify_managers.booking_id,
                                 notify_managers.entry_id, notify_managers.data)
  from app_public.offerings f
  join app_public.memberships m on m.organization_id = f.organization_id and m.role in ('owner', 'manager')
  join app_public.users u on u.id = m.user_id and u.deactivated_at is null and u.email_verified_at is not null
  where f.id = notify_managers.offering_id
    and (m.all_offerings or exists (
      select from app_public.membership_offerings x where x.membership_id = m.id and x.offering_id = f.id))
  order by m.user_id
$$;
comment on function app_private.notify_managers(uuid, text, uuid, uuid, jsonb) is 'Tells everyone who manages an offering.';

revoke execute on function
  app_private.owe_delivery(app_public.notifications, text, text),
  app_private.mail_is_withheld(app_public.customers, text, integer),
  app_private.notify_customer(uuid, text, uuid, uuid, jsonb),
  app_private.notify_user(uuid, uuid, text, uuid, uuid, jsonb),
  app_private.notify_managers(uuid, text, uuid, uuid, jsonb) from public;
--! EndIncluded functions/notifications.sql
--! Included functions/idempotency.sql
-- The same key and input returns the same row; a second request with the key waits here for the first. Input must read
-- the same in every session: times go in as seconds, not in the words of a time zone.
create function app_private.idempotency_caller() returns text
language sql stable
return coalesce(app_private.current_user_id()::text, 'role ' || app_private.caller_role());

create function app_private.begin_idempotent(operation text, key text, input jsonb) returns uuid
language plpgsql volatile
as $$
declare
  v_row app_private.idempotency_keys;
  v_caller text := app_private.idempotency_caller();
  v_hash bytea := sha256(convert_to(input::text, 'UTF8'));
begin
  if key is null then
    return null;
  end if;
  if length(key) not between 1 and 200 then
    perform app_private.fail('RSARG', 'An idempotency key has 1 to 200 characters.');
  end if;
  insert into app_private.idempotency_keys (caller, operation, key, input_hash)
  values (v_caller, begin_idempotent.operation, begin_idempotent.key, v_hash)
  on conflict on constraint idempotency_keys_pkey do nothing;
  if found then
    return null;
  end if;
  select * into v_row from app_private.idempotency_keys i
  where i.caller = v_caller and i.operation = begin_idempotent.operation and i.key = begin_idempotent.key;
  if v_row.input_hash <> v_hash then
    perform app_private.fail('RSARG', 'This idempotency key was used for something else.');
  end if;
  return v_row.result_id;
end
$$;
comment on function app_private.begin_idempotent(text, text, jsonb) is 'The result of an earlier call with this key, or null: go on. Errors: RSARG the key came with other input.';

create function app_private.end_idempotent(operation text, key text, result_id uuid) returns void
language sql volatile
as $$
  update app_private.idempotency_keys i set result_id = end_idempotent.result_id
  where i.caller = app_private.idempotency_caller() and i.operation = end_idempotent.operation and i.key = end_idempotent.key
$$;
comment on function app_private.end_idempotent(text, text, uuid) is 'Remembers the result under its key.';

revoke execute on function
  app_private.idempotency_caller(), app_private.begin_idempotent(text, text, jsonb),
  app_private.end_idempotent(text, text, uuid) from public;
--! EndIncluded functions/idempotency.sql
--! Included functions/claim_window.sql
-- How long an offer is held. Measured acceptance is about one in ten, so the window shrinks as the start nears: as many
-- people as may be needed get their turn before the last call.
create function app_private.planned_window(
  policy app_public.policy_versions, until_last_call interval, fitting_customers integer
) returns interval
language sql immutable
return greatest(policy.min_claim_window, app_private.in_seconds(least(
  policy.claim_window,
  until_last_call * policy.max_hold_share::double precision,
  until_last_call / least(fitting_customers + 1, policy.max_planned_offers)
)));
comment on function app_private.planned_window(app_public.policy_versions, interval, integer) is 'The claim window: the policy''s, at most its share of the time left until the last call, and short enough for the planned offers in a row; never under the minimum.';

-- In quiet hours the window stands still, unless the start is near.
create function app_private.after_window(
  since timestamptz, claim_window interval, policy app_public.policy_versions, zone text, starts_at timestamptz
) returns timestamptz
language plpgsql stable
as $$
declare
  v_at timestamptz := since;
  v_left interval := claim_window;
  v_urgent timestamptz := starts_at - policy.urgent_before;
  v_quiet record;
begin
  if policy.quiet_from is null then
    return least(v_at + v_left, starts_at);
  end if;
  loop
    select q.opens, q.closes into v_quiet
    from generate_series(-1, 1) as n
    cross join lateral (select (v_at at time zone zone)::date + n as day) d
    cross join lateral (
      select (d.day + policy.quiet_from) at time zone zone as opens,
             (d.day + policy.quiet_until + case when policy.quiet_until <= policy.quiet_from
                then interval '1 day' else interval '0' end) at time zone zone as closes
    ) q
    where q.closes > v_at
    order by q.closes
    limit 1;
    exit when v_at >= v_urgent or v_quiet.opens >= least(v_urgent, v_at + v_left);
    if v_quiet.opens > v_at then
      v_left := v_left - app_private.elapsed(v_at, v_quiet.opens);
    end if;
    v_at := least(v_quiet.closes, greatest(v_urgent, v_at));
  end loop;
  return least(v_at + v_left, starts_at);
end
$$;
comment on function app_private.after_window(timestamptz, interval, app_public.policy_versions, text, timestamptz) is 'When a claim window that begins at `since` is over, quiet hours of a time zone not counted unless the start is within urgent_before; at the latest the start.';

revoke execute on function
  app_private.planned_window(app_public.policy_versions, interval, integer),
  app_private.after_window(timestamptz, interval, app_public.policy_versions, text, timestamptz) from public;
--! EndIncluded functions/claim_window.sql
--! Included functions/slots.sql
-- Slots: what of an offering with places can be booked, and who waits for it. Everything that decides about places runs
-- under lock_room of the offering, like everything that decides about ranges of time.

create function app_private.is_on_sale(slot app_public.slots) returns boolean
language sql stable cost 1000
as $$
  select slot.ended_at is null and slot.closed_at is null
    and not exists (select from app_private.blackouts_over(slot.offering_id, slot.starts_at, slot.ends_at))
    and exists (
      select from app_public.offerings f
      join app_public.organizations g on g.id = f.organization_id and g.archived_at is null
      where f.id = slot.offering_id and f.archived_at is null)
    and not exists (
      select from app_public.offering_resources x
      join app_public.resources r on r.id = x.resource_id and r.archived_at is not null
      where x.offering_id = slot.offering_id)
$$;
comment on function app_private.is_on_sale(app_public.slots) is 'Whether places of a slot are sold at all: it is neither over, closed, nor blacked out, and nothing of it archived.';

create function app_private.waiting_for(slot app_public.slots) returns setof app_public.waitlist_entries
language sql stable rows 10
as $$
  select e.* from app_public.waitlist_entries e
  where e.status = 'waiting' and e.stuck_at is null
    and (e.slot_id = slot.id or e.offering_id = slot.offering_id and e.day = slot.day and e.ended_at is null)
$$;
comment on function app_private.waiting_for(app_public.slots) is 'Who waits for a slot, or for its day.';

create function app_private.last_call_of(slot app_public.slots, entry app_public.waitlist_entries) returns timestamptz
language sql stable
as $$
  select slot.starts_at - p.last_call from app_public.policy_versions p where p.id = entry.policy_version_id
$$;
comment on function app_private.last_call_of(app_public.slots, app_public.waitlist_entries) is 'From when on nothing of a slot is held for somebody.';

create function app_private.is_last_call(slot app_public.slots, entry app_public.waitlist_entries) returns boolean
language sql stable
as $$
  select entry.places <= slot.capacity - slot.taken and slot.starts_at > (select app_private.clock())
    and app_private.last_call_of(slot, entry) <= (select app_private.clock())
$$;
comment on function app_private.is_last_call(app_public.slots, app_public.waitlist_entries) is 'Whether the first to claim gets the places of a slot, and these suffice for somebody.';

create function app_private.slots_of(entry app_public.waitlist_entries) returns setof app_public.slots
language sql stable rows 3
as $$
  select s.* from app_public.slots s
  where s.offering_id = entry.offering_id and s.ended_at is null and (s.id = entry.slot_id or s.day = entry.day)
  order by s.starts_at, s.id
$$;
comment on function app_private.slots_of(app_public.waitlist_entries) is 'The slots that would do for somebody who waits.';

create function app_private.has_room(entry app_public.waitlist_entries) returns boolean
language sql stable
as $$
  select case when entry.for_places
    then exists (select from app_private.slots_of(entry) s
                 where entry.places <= s.capacity - s.taken and s.starts_at > (select app_private.clock())
                   and app_private.is_on_sale(s))
    else app_private.is_free(entry.offering_id, entry.room) end
$$;
comment on function app_private.has_room(app_public.waitlist_entries) is 'Whether what somebody waits for is free. Only true as long as the room is locked.';

create function app_private.party_of(entry app_public.waitlist_entries) returns app_private.party
language sql immutable
return row(entry.party_size, entry.adults, entry.children, entry.infants, entry.places)::app_private.party;
comment on function app_private.party_of(app_public.waitlist_entries) is 'The party of an entry.';

create function app_private.places_for(party app_private.party, policy app_public.policy_versions) returns app_private.party
language sql immutable
return case when party.adults is null then row(party.size, party.size, 0, 0, party.size)::app_private.party
  else row(party.size, party.adults, party.children, party.infants,
    party.size - case when policy.infants_take_places then 0 else party.infants end)::app_private.party end;
comment on function app_private.places_for(app_private.party, app_public.policy_versions) is 'A party as it books places: a number alone is of adults; infants take places unless the policy says not.';

create function app_private.find_slot(slot_id uuid, offering_id uuid) returns app_public.slots
language plpgsql stable
as $$
declare
  v_slot app_public.slots;
begin
  select * into v_slot from app_public.slots s where s.id = find_slot.slot_id and s.offering_id = find_slot.offering_id;
  if v_slot.id is null then
    perform app_private.fail('RSNTF', 'There is no such slot.');
  end if;
  return v_slot;
end
$$;
comment on function app_private.find_slot(uuid, uuid) is 'A slot of an offering. Errors: RSNTF.';

create function app_private.price_of_person(slot_id uuid) returns numeric
language sql stable
as $$
  select coalesce(s.price, h.price, f.price)
  from app_public.slots s
  join app_public.schedules h on h.id = s.schedule_id
  join app_public.offerings f on f.id = s.offering_id
  where s.id = price_of_person.slot_id
$$;
comment on function app_private.price_of_person(uuid) is 'What an adult pays for a slot: the price of the slot, else of its schedule, else of the offering.';

create function app_private.check_slot(
  slot app_public.slots, policy app_public.policy_versions, party app_private.party, now_at timestamptz, heeds_limits boolean
) returns void
language plpgsql stable
as $$
declare
  v_lead interval := app_private.elapsed(now_at, slot.starts_at);
begin
  if slot.cancelled_reason is not null then
    perform app_private.fail('RSBLK', format('This slot was cancelled: %s', slot.cancelled_reason));
  elsif slot.starts_at <= now_at then
    perform app_private.fail('RSTIM', 'This slot has already begun.');
  elsif slot.closed_at is not null then
    perform app_private.fail('RSBLK', format('This slot is not on sale: %s', slot.closed_reason));
  elsif v_lead > make_interval(hours => 24 * policy.max_days_ahead) then
    perform app_private.fail('RSTIM', format('Bookings open %s days ahead.', policy.max_days_ahead),
      jsonb_build_object('maxDaysAhead', policy.max_days_ahead));
  elsif heeds_limits and v_lead < policy.booking_cutoff then
    perform app_private.fail('RSTIM', 'It is too late to book this slot.');
  elsif heeds_limits and party.size not between policy.min_party and policy.max_party then
    perform app_private.fail('RSLIM', format('A party has %s to %s people.', policy.min_party, policy.max_party),
      jsonb_build_object('minParty', policy.min_party, 'maxParty', policy.max_party));
  end if;
  perform app_private.refuse_if_blacked_out(slot.offering_id, slot.starts_at, slot.ends_at);
  if not app_private.is_on_sale(slot) then
    perform app_private.fail('RSTIM', 'This is not offered any more.');
  end if;
end
$$;
comment on function app_private.check_slot(app_public.slots, app_public.policy_versions, app_private.party, timestamptz, boolean) is 'Refuses a slot that cannot be booked by a party, taken or not. Errors: RSTIM, RSBLK, RSLIM.';

create function app_private.nearest_slots(
  slot app_public.slots, places integer, policy app_public.policy_versions, now_at timestamptz
) returns jsonb
language sql stable
as $$
  select coalesce(jsonb_agg(jsonb_build_object('slotId', n.id, 'startsAt', n.starts_at, 'endsAt', n.ends_at,
    'placesLeft', n.capacity - n.taken) order by n.distance, n.starts_at, n.id), '[]')
  from (
    select s.*, abs(extract(epoch from s.starts_at - slot.starts_at)) as distance
    from app_public.slots s
    where s.offering_id = slot.offering_id and s.id <> slot.id
      and s.starts_at between greatest(slot.starts_at - interval '720 hours', now_at + policy.booking_cutoff)
        and least(slot.starts_at + interval '720 hours', now_at + make_interval(hours => 24 * policy.max_days_ahead))
      and s.starts_at > now_at
      and nearest_slots.places <= s.capacity - s.taken and app_private.is_on_sale(s)
    order by distance, s.starts_at, s.id
    limit 3
  ) n
$$;
comment on function app_private.nearest_slots(app_public.slots, integer, app_public.policy_versions, timestamptz) is 'The three slots nearest in time with room for a party, within thirty days.';

create function app_private.alternatives_to(booking app_public.bookings) returns jsonb
language sql stable
as $$
  select app_private.nearest_slots(s, booking.places, p, (select app_private.clock()))
  from app_public.slots s, app_public.policy_versions p
  where s.id = booking.slot_id and p.id = booking.policy_version_id
$$;
comment on function app_private.alternatives_to(app_public.bookings) is 'The slots to offer to whom a booking of places was cancelled; null for a range of time.';

create function app_private.refuse_if_full(
  slot app_public.slots, policy app_public.policy_versions, party app_private.party, now_at timestamptz, customer_id uuid
) returns void
language plpgsql stable
as $$
begin
  if party.places <= slot.capacity - slot.taken then
    return;
  end if;
  perform app_private.fail('RSFUL', 'This slot has not enough places left. You can choose another one, or wait for it.',
    jsonb_build_object(
      'placesLeft', slot.capacity - slot.taken,
      'alternatives', app_private.nearest_slots(slot, party.places, policy, now_at),
      'mayWait', policy.waitlist_enabled and party.places <= slot.capacity
        and not app_private.has_booking_there(customer_id, slot.offering_id, tstzrange(slot.starts_at, slot.ends_at))));
end
$$;
comment on function app_private.refuse_if_full(app_public.slots, app_public.policy_versions, app_private.party, timestamptz, uuid) is 'Refuses a party for which a slot has too few places; with the nearest slots that fit, and whether one may wait. Errors: RSFUL.';

revoke execute on function
  app_private.is_on_sale(app_public.slots), app_private.waiting_for(app_public.slots),
  app_private.last_call_of(app_public.slots, app_public.waitlist_entries),
  app_private.is_last_call(app_public.slots, app_public.waitlist_entries),
  app_private.slots_of(app_public.waitlist_entries), app_private.has_room(app_public.waitlist_entries),
  app_private.party_of(app_public.waitlist_entries),
  app_private.places_for(app_private.party, app_public.policy_versions), app_private.find_slot(uuid, uuid),
  app_private.price_of_person(uuid),
  app_private.check_slot(app_public.slots, app_public.policy_versions, app_private.party, timestamptz, boolean),
  app_private.nearest_slots(app_public.slots, integer, app_public.policy_versions, timestamptz),
  app_private.alternatives_to(app_public.bookings),
  app_private.refuse_if_full(app_public.slots, app_public.policy_versions, app_private.party, timestamptz, uuid)
from public;
--! EndIncluded functions/slots.sql
--! Included functions/quote.sql
-- Prices. What is shown, what is sold and what a change costs come from one function, so that they cannot differ.

create function app_private.minor_unit(currency text) returns numeric
language sql immutable
return case when currency in (
  'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF')
  then 1 else 0.01 end;
comment on function app_private.minor_unit(text) is 'The smallest amount of a currency.';

create function app_private.rounded(amount numeric, unit numeric) returns numeric
language sql immutable
return round(amount / unit) * unit;
comment on function app_private.rounded(numeric, numeric) is 'An amount rounded to a multiple of a unit, halves up.';

-- Unit prices are rounded, so that the sum is what a person would add up; tax comes after the discount.
create function app_private.quote_of(
  person_price numeric, party app_private.party, policy app_public.policy_versions, currency text
) returns app_public.quote
language plpgsql immutable
as $$
declare
  v_minor constant numeric := app_private.minor_unit(currency);
  -- Never to what cannot be paid, such as half a yen.
  v_rounding constant numeric := greatest(app_private.rounded(policy.rounding, v_minor), v_minor);
  v_quote app_public.quote;
  v_net numeric;
begin
  v_quote.currency := currency;
  v_quote.person_price := person_price;
  v_quote.adult_price := app_private.rounded(person_price, v_rounding);
  v_quote.child_price := app_private.rounded(person_price * policy.child_rate, v_rounding);
  v_quote.infant_price := app_private.rounded(person_price * policy.infant_rate, v_rounding);
  v_quote.subtotal := party.adults * v_quote.adult_price + party.children * v_quote.child_price
    + party.infants * v_quote.infant_price;
  v_quote.discount := app_private.rounded(
    v_quote.subtotal * case when party.size >= policy.group_from then policy.group_discount else 0 end, v_minor);
  v_net := v_quote.subtotal - v_quote.discount;
  v_quote.tax_included := policy.tax_included;
  v_quote.tax := app_private.rounded(
    case when policy.tax_included then v_net - v_net / (1 + policy.tax_rate) else v_net * policy.tax_rate end, v_minor);
  v_quote.price := v_net + case when policy.tax_included then 0 else v_quote.tax end;
  return v_quote;
end
$$;
comment on function app_private.quote_of(numeric, app_private.party, app_public.policy_versions, text) is 'What a party pays under a policy, given the price of a person.';

create function app_private.quote_for_slot(slot_id uuid, party app_private.party, policy app_public.policy_versions)
returns app_public.quote
language sql stable
as $$
  select q.* from app_public.slots s
  join app_public.organizations g on g.id = s.organization_id
  cross join lateral app_private.quote_of(app_private.price_of_person(s.id), party, policy, g.currency) q
  where s.id = quote_for_slot.slot_id
$$;
comment on function app_private.quote_for_slot(uuid, app_private.party, app_public.policy_versions) is 'What a party pays for a slot now.';

create function app_public.quote(
  slot_id uuid, party_size integer default 1, adults integer default null, children integer default null,
  infants integer default null
) returns app_public.quote
language plpgsql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_slot app_public.slots;
  v_policy app_public.policy_versions;
begin
  select * into v_slot from app_public.slots s where s.id = quote.slot_id;
  if v_slot.id is null then
    perform app_private.fail('RSNTF', 'There is no such slot.');
  end if;
  v_policy := app_private.policy_of(app_private.find_offering(v_slot.offering_id));
  return app_private.quote_for_slot(v_slot.id,
    app_private.places_for(app_private.checked_party(party_size, adults, children, infants), v_policy), v_policy);
end
$$;
comment on function app_public.quote(uuid, integer, integer, integer, integer) is 'What a party pays for a slot, if it books now: adults, children and infants by the rates of the policy, group discount, and tax. The same figures are kept with the booking. Errors: RSNTF no such slot, RSARG.';

create function app_private.refund_due(booking app_public.bookings, policy app_public.policy_versions, now_at timestamptz)
returns numeric
language sql immutable
return case
  when app_private.elapsed(now_at, booking.starts_at) >= policy.full_refund_until then booking.price
  when app_private.elapsed(now_at, booking.starts_at) >= policy.half_refund_until
    then app_private.rounded(booking.price / 2, app_private.minor_unit(booking.currency))
  else 0 end;
comment on function app_private.refund_due(app_public.bookings, app_public.policy_versions, timestamptz) is 'What of its price a booking gives back that its customer cancels at a moment.';

create function app_private.refund_of(booking app_public.bookings, now_at timestamptz) returns numeric
language sql stable
as $$
  select app_private.refund_due(booking, p, now_at) from app_public.policy_versions p where p.id = booking.policy_version_id
$$;
comment on function app_private.refund_of(app_public.bookings, timestamptz) is 'What the policy of a booking gives back, if it ends at a moment for its customer''s sake.';

revoke execute on function
  app_private.minor_unit(text), app_private.rounded(numeric, numeric),
  app_private.quote_of(numeric, app_private.party, app_public.policy_versions, text),
  app_private.quote_for_slot(uuid, app_private.party, app_public.policy_versions),
  app_public.quote(uuid, integer, integer, integer, integer),
  app_private.refund_due(app_public.bookings, app_public.policy_versions, timestamptz),
  app_private.refund_of(app_public.bookings, timestamptz) from public;
grant execute on function app_public.quote(uuid, integer, integer, integer, integer)
to reslot_anonymous, reslot_user, reslot_admin;
--! EndIncluded functions/quote.sql
--! Included functions/offers.sql
-- Freed room is offered inside the transaction that frees it (I4). Everything here runs under lock_room.

create function app_private.next_in_line(resource_ids uuid[], during tstzrange, passing_over uuid, only_customer uuid)
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
        where x.offering_id = e.offering_id and o.during && e.room)
      and not exists (
        select from app_public.waitlist_entries other
        join app_public.offering_resources theirs on theirs.offering_id = other.offering_id
        join app_public.offering_resources own on own.resource_id = theirs.resource_id
        where other.customer_id = e.customer_id and other.hold_id is not null and own.offering_id = e.offering_id)
    order by e.priority, e.joined_at, e.id
    offset 0
  ) q
  where app_private.is_open((q.entry).offering_id, (q.entry).starts_at, (q.entry).ends_at)
  limit 1
$$;
comment on function app_private.next_in_line(uuid[], tstzrange, uuid, uuid) is 'The first waiting entry, by priority and time of joining, that overlaps a freed range and whose whole range now fits.';

create function app_private.fitting_customers(resource_ids uuid[], during tstzrange) returns integer
language sql stable
as $$
  select count(*)::integer
  from (
    select distinct e.customer_id
    from app_public.waitlist_entries e
    where e.status = 'waiting' and e.stuck_at is null and not e.for_places and e.room <@ during
      and e.last_call_at > (select app_private.clock())
      and e.offering_id in (
        select x.offering_id from app_public.offering_resources x where x.resource_id = any (resource_ids))
    limit 100
  ) c
$$;
comment on function app_private.fitting_customers(uuid[], tstzrange) is 'How many people wait for something inside a freed range (counted up to 100, more than any policy plans for).';

create function app_private.make_offer(entry app_public.waitlist_entries, fitting_customers integer, freed tstzrange) returns void
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
    app_private.party_of(entry), null, null, v_now, row('held', null, null, null, null)::app_private.booking_terms,
    entry.last_call_at, entry.slot_id);
  update app_public.waitlist_entries e
  set status = 'offered', hold_id = v_hold.id, offered_at = v_now, offered_from = freed, offer_expires_at = null,
      claim_window = app_private.planned_window(
        v_policy, app_private.elapsed(v_now, entry.last_call_at), fitting_customers)
  where e.id = entry.id;
  perform app_private.notify_customer(entry.customer_id, 'slot_available', v_hold.id, entry.id,
    jsonb_build_object('holdId', v_hold.id));
end
$$;
comment on function app_private.make_offer(app_public.waitlist_entries, integer, tstzrange) is 'Holds the room of an entry for its customer and writes the notification that says so.';

create function app_private.is_anything_free(resource_ids uuid[], during tstzrange) returns boolean
language sql stable
as $$
  select exists (
    select from unnest(resource_ids) r (id)
    where tstzmultirange(during) - coalesce((
      select range_agg(o.during) from app_private.occupancies o
      where o.resource_id = r.id and o.during && is_anything_free.during), '{}') <> '{}'
  )
$$;
comment on function app_private.is_anything_free(uuid[], tstzrange) is 'Whether any of a freed range is still free.';

create function app_private.is_waited_for(resource_ids uuid[], during tstzrange) returns boolean
language sql stable
as $$
  select exists (
    select from app_public.waitlist_entries e
    where e.status = 'waiting' and not e.for_places and e.room && is_waited_for.during
      and e.offering_id in (
        select x.offering_id from app_public.offering_resources x where x.resource_id = any (resource_ids)))
$$;
comment on function app_private.is_waited_for(uuid[], tstzrange) is 'Whether anybody waits for any of a freed range; usually nobody does, and then there is nothing to hand on.';

create function app_private.offer_or_set_aside(
  entry app_public.waitlist_entries, fitting_customers integer, freed tstzrange
) returns void
language plpgsql volatile
as $$
declare
  v_reason text;
  v_code text;
begin
  perform app_private.make_offer(entry, fitting_customers, freed);
exception
  when lock_not_available or deadlock_detected or serialization_failure or insufficient_resources
    or system_error then
    -- None of these is the fault of the entry.
    raise;
  when others then
    -- One bad entry must not cancel somebody else's cancellation.
    get stacked diagnostics v_reason = message_text, v_code = returned_sqlstate;
    -- The entry's own customer reads the reason: what PostgreSQL says is for the server's log alone.
    if v_code !~ '^(P0001|RS...)$' then
      raise warning 'an offer could not be made: %', v_reason;
      v_reason := format('The offer could not be made (%s).', v_code);
    end if;
    perform app_private.set_aside(entry.id, v_reason);
end
$$;
comment on function app_private.offer_or_set_aside(app_public.waitlist_entries, integer, tstzrange) is 'Makes an offer, or marks an entry to which it cannot be made.';

create function app_private.hand_on(
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
  while app_private.is_anything_free(resource_ids, during) loop
    v_entry := app_private.next_in_line(resource_ids, during, passing_over, only_customer);
    exit when v_entry.id is null;
    perform app_private.offer_or_set_aside(v_entry, app_private.fitting_customers(resource_ids, during), during);
  end loop;
  if only_customer is null then
    perform app_private.note_freeing(resource_ids, during);
  end if;
end
$$;
comment on function app_private.hand_on(uuid[], tstzrange, uuid, uuid) is 'Offers freed room to the people waiting for it, one after another, until nothing free is left; inside the last call it notes whom to tell.';

create function app_private.pass_over(resource_ids uuid[], during tstzrange, customer_id uuid) returns void
language sql volatile
as $$
  update app_public.waitlist_entries e
  set passed_at = case when e.customer_id = pass_over.customer_id then app_private.clock() end
  where e.status = 'waiting' and not e.for_places and e.room && during
    and (e.passed_at is not null or e.customer_id = pass_over.customer_id)
    and e.offering_id in (
      select x.offering_id from app_public.offering_resources x where x.resource_id = any (resource_ids))
$$;
comment on function app_private.pass_over(uuid[], tstzrange, uuid) is 'Marks the other entries of a customer who has just let go of this room, and unmarks everybody else''s.';

create function app_private.set_aside(entry_id uuid, reason text) returns void
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries;
begin
  update app_public.waitlist_entries e
  set stuck_at = app_private.clock(), stuck_reason = left(set_aside.reason, 500)
  where e.id = set_aside.entry_id
  returning * into v_entry;
  raise warning 'waitlist entry % is stuck: %', entry_id, reason;
end
$$;
comment on function app_private.set_aside(uuid, text) is 'Marks an entry as stuck: it keeps its place and is passed over until a manager has looked.';

create function app_private.note_freeing(resource_ids uuid[], during tstzrange) returns void
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

-- Whoever holds an offer gets no second one on the same resource. Once it has ended, what was kept from them meanwhile
-- is theirs: nobody else was eligible for it, or it would be taken.
create function app_private.offer_kept_back(entry app_public.waitlist_entries) returns void
language plpgsql volatile
as $$
declare
  v_other app_public.waitlist_entries;
begin
  for v_other in
    select o.* from app_public.waitlist_entries o
    -- Who waits for a day may be offered another slot of it, when one fell through.
    where o.customer_id = entry.customer_id and o.status = 'waiting' and (o.id <> entry.id or o.day is not null)
      and o.stuck_at is null and o.passed_at is null
      and o.offering_id in (
        select theirs.offering_id from app_public.offering_resources own
        join app_public.offering_resources theirs on theirs.resource_id = own.resource_id
        where own.offering_id = entry.offering_id)
    order by o.priority, o.joined_at, o.id
  loop
    perform app_private.hand_on_to(v_other, v_other.customer_id) where app_private.has_room(v_other);
  end loop;
end
$$;
comment on function app_private.offer_kept_back(app_public.waitlist_entries) is 'After an offer has ended: offers its customer the free room that was kept from them while it lived.';

create function app_private.end_offer(entry_id uuid, status app_public.waitlist_status, reason text) returns void
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries;
  v_hold_id uuid;
begin
  select e.hold_id into v_hold_id from app_public.waitlist_entries e where e.id = end_offer.entry_id;
  update app_public.waitlist_entries e
  set status = end_offer.status, hold_id = null,
      offer_expires_at = case when end_offer.status <> 'waiting' then e.offer_expires_at end,
      ended_at = case when end_offer.status <> 'waiting' then app_private.clock() end
  where e.id = end_offer.entry_id
  returning * into v_entry;
  perform app_private.wait_for_the_day_again(v_entry) where v_entry.status = 'waiting' and v_entry.day is not null;
  perform app_private.end_booking(
    v_hold_id, case end_offer.status when 'expired' then 'expired' when 'waiting' then 'expired' else 'cancelled' end::app_public.booking_status,
    end_offer.reason, case when end_offer.status <> 'waiting' then v_entry.customer_id end);
  perform app_private.offer_kept_back(v_entry);
end
$$;
comment on function app_private.end_offer(uuid, app_public.waitlist_status, text) is 'Ends an offer that was not claimed: the hold goes, the room goes on, and the entry ends, or (`waiting`) keeps its place.';

-- An offer whose mail was never accepted costs nobody their place (I11).
create function app_private.expire_hold(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_hold app_public.bookings;
  v_entry app_public.waitlist_entries;
begin
  select * into v_hold from app_public.bookings b where b.id = expire_hold.booking_id for no key update;
  if v_hold.status <> 'held' or v_hold.hold_expires_at > app_private.clock() then
    return;
  end if;
  select * into v_entry from app_public.waitlist_entries e where e.hold_id = v_hold.id for no key update;
  if v_entry.offer_expires_at is null then
    -- Accepted, but whoever was to note it died: the outbox knows.
    v_entry := app_private.begin_claim_window(v_entry, app_private.offer_accepted_at(v_entry));
  end if;
  if v_entry.offer_expires_at > app_private.clock() then
    return;
  elsif v_entry.offer_expires_at is null then
    perform app_private.end_offer(v_entry.id, 'waiting', 'The offer could not be delivered before the last call.');
    return;
  end if;
  perform app_private.end_offer(v_entry.id, 'expired', 'The offer was not claimed in time.');
  perform app_private.notify_customer(v_entry.customer_id, 'offer_expired', null, v_entry.id);
end
$$;
comment on function app_private.expire_hold(uuid) is 'Ends an overdue hold and hands its room on; quietly does nothing if it is not overdue or no hold any more. The caller has locked the room.';

create function app_private.expire_hold_when_due(booking_id uuid) returns void
language plpgsql volatile
as $$
begin
  perform app_private.lock_room(array[b.offering_id]) from app_public.bookings b where b.id = expire_hold_when_due.booking_id;
  perform app_private.expire_hold(booking_id);
end
$$;
comment on function app_private.expire_hold_when_due(uuid) is 'Locks the room, then expires the hold.';

create function app_private.offer_accepted_at(entry app_public.waitlist_entries) returns timestamptz
language sql stable
as $$
  select min(d.sent_at)
  from app_public.notifications n join app_public.deliveries d on d.notification_id = n.id and d.status = 'sent'
  where n.entry_id = entry.id and n.kind = 'slot_available' and (n.data ->> 'holdId')::uuid = entry.hold_id
$$;
comment on function app_private.offer_accepted_at(app_public.waitlist_entries) is 'When the mail server accepted the live offer of an entry; null if it has not.';

create function app_private.begin_claim_window(entry app_public.waitlist_entries, accepted_at timestamptz)
returns app_public.waitlist_entries
language plpgsql volatile
as $$
declare
  v_policy app_public.policy_versions;
  v_entry app_public.waitlist_entries := entry;
begin
  select * into v_policy from app_public.policy_versions p where p.id = entry.policy_version_id;
  -- Accepted too late for the shortest window there is: that costs nobody their place either (I11).
  if accepted_at is null or accepted_at + v_policy.min_claim_window > entry.starts_at then
    return entry;
  end if;
  update app_public.waitlist_entries e
  set offer_expires_at = app_private.after_window(accepted_at, entry.claim_window, v_policy,
    app_private.zone_of_customer(entry.customer_id, entry.offering_id), entry.starts_at)
  where e.id = entry.id
  returning * into v_entry;
  update app_public.bookings b set hold_expires_at = v_entry.offer_expires_at where b.id = v_entry.hold_id;
  return v_entry;
end
$$;
comment on function app_private.begin_claim_window(app_public.waitlist_entries, timestamptz) is 'Sets the claim deadline of a locked, offered entry, counted from the acceptance of its mail; nothing without one, or with one that came too late.';

create function app_private.start_claim_window(entry_id uuid, hold_id uuid, accepted_at timestamptz) returns void
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries := app_private.lock_entry(entry_id);
begin
  if v_entry.hold_id = start_claim_window.hold_id and v_entry.offer_expires_at is null then
    perform app_private.begin_claim_window(v_entry, accepted_at);
  end if;
end
$$;
comment on function app_private.start_claim_window(uuid, uuid, timestamptz) is 'The mail server has accepted an offer: from that moment its window runs. Only once, and only for the hold the mail was about.';

create function app_private.withdraw_offer(entry_id uuid, hold_id uuid, reason text) returns void
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries := app_private.lock_entry(entry_id);
begin
  if v_entry.hold_id is distinct from withdraw_offer.hold_id or v_entry.offer_expires_at is not null then
    return;
  end if;
  perform app_private.set_aside(v_entry.id, reason);
  perform app_private.end_offer(v_entry.id, 'waiting', reason);
end
$$;
comment on function app_private.withdraw_offer(uuid, uuid, text) is 'An offer''s mail is finally undeliverable: the entry keeps its place but is set aside, and the room goes to the next.';

create function app_private.zone_of_customer(customer_id uuid, offering_id uuid) returns text
language sql stable
as $$
  select coalesce(c.time_zone, u.time_zone, app_private.zone_of(zone_of_customer.offering_id))
  from app_public.customers c left join app_public.users u on u.id = c.user_id
  where c.id = zone_of_customer.customer_id
$$;
comment on function app_private.zone_of_customer(uuid, uuid) is 'The time zone of a customer''s quiet hours: their own, else the offering''s.';

create function app_private.tell_last_call(freeing_id uuid) returns void
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
    and app_private.is_free(e.offering_id, e.room)
    and app_private.is_open(e.offering_id, e.starts_at, e.ends_at);
  perform app_private.notify_customer(e.customer_id, 'last_call', null, e.id, jsonb_build_object('freeingId', v_freeing.id))
  from app_public.slots s cross join lateral app_private.waiting_for(s) e
  where s.id = v_freeing.slot_id and app_private.is_last_call(s, e) and app_private.is_on_sale(s);
  update app_private.freeings f set told_at = v_now where f.id = v_freeing.id;
end
$$;
comment on function app_private.tell_last_call(uuid) is 'Tells everyone still waiting, once per entry and freeing, that the first to claim gets the freed room.';

revoke execute on function
  app_private.next_in_line(uuid[], tstzrange, uuid, uuid), app_private.fitting_customers(uuid[], tstzrange),
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
--! EndIncluded functions/offers.sql
--! Included functions/slot_offers.sql
-- Freed places are offered as freed rooms are (offers.sql): inside the transaction that frees them, under lock_room, by
-- priority and time of joining. A party that does not fit keeps its place, and a smaller one behind it may be served.

create function app_private.next_for_places(slot_id uuid, passing_over uuid, only_customer uuid)
returns app_public.waitlist_entries
language sql stable
as $$
  select e.*
  from app_public.slots s
  cross join lateral app_private.waiting_for(s) e
  where s.id = next_for_places.slot_id and e.passed_at is null
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
comment on function app_private.next_for_places(uuid, uuid, uuid) is 'The first waiting entry, by priority and time of joining, whose party fits into a slot now.';

create function app_private.fitting_customers_of(slot_id uuid) returns integer
language sql stable
as $$
  select count(*)::integer
  from (
    select distinct e.customer_id
    from app_public.slots s
    cross join lateral app_private.waiting_for(s) e
    where s.id = fitting_customers_of.slot_id and e.places <= s.capacity - s.taken
    limit 100
  ) c
$$;
comment on function app_private.fitting_customers_of(uuid) is 'How many people wait whose party would fit into a slot now (counted up to 100).';

create function app_private.offer_places(entry app_public.waitlist_entries, slot app_public.slots) returns void
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries;
begin
  update app_public.waitlist_entries e
  set slot_id = slot.id, starts_at = slot.starts_at, ends_at = slot.ends_at,
      room = tstzrange(slot.starts_at, slot.ends_at), last_call_at = app_private.last_call_of(slot, e)
  where e.id = entry.id and e.day is not null
  returning * into v_entry;
  perform app_private.offer_or_set_aside(
    case when found then v_entry else entry end, app_private.fitting_customers_of(slot.id),
    tstzrange(slot.starts_at, slot.ends_at));
  select * into v_entry from app_public.waitlist_entries e where e.id = entry.id;
  perform app_private.wait_for_the_day_again(v_entry) where v_entry.status = 'waiting' and v_entry.day is not null;
end
$$;
comment on function app_private.offer_places(app_public.waitlist_entries, app_public.slots) is 'Offers places of a slot; who waits for a day is now about this slot of it.';

create function app_private.wait_for_the_day_again(entry app_public.waitlist_entries) returns void
language sql volatile
as $$
  update app_public.waitlist_entries e
  set slot_id = null, starts_at = lower(d.during), ends_at = upper(d.during), room = d.during,
      last_call_at = upper(d.during) - p.last_call
  from app_private.day_of(entry.offering_id, entry.day) d (during), app_public.policy_versions p
  where e.id = entry.id and p.id = e.policy_version_id
$$;
comment on function app_private.wait_for_the_day_again(app_public.waitlist_entries) is 'An offer fell through: any slot of the day will do again.';

create function app_private.day_of(offering_id uuid, day date) returns tstzrange
language sql stable
as $$
  select tstzrange(day::timestamp at time zone z.name, (day + 1)::timestamp at time zone z.name)
  from app_private.zone_of(day_of.offering_id) z (name)
$$;
comment on function app_private.day_of(uuid, date) is 'A local day, from midnight to midnight.';

create function app_private.hand_on_places(slot_id uuid, passing_over uuid default null, only_customer uuid default null)
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
    update app_public.waitlist_entries e
    set passed_at = case when e.customer_id = passing_over then app_private.clock() end
    where e.id in (select w.id from app_private.waiting_for(v_slot) w)
      and (e.passed_at is not null or e.customer_id = passing_over);
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
comment on function app_private.hand_on_places(uuid, uuid, uuid) is 'Offers the free places of a slot to the people waiting for it or for its day, as hand_on does for ranges of time; inside the last call it notes whom to tell.';

create function app_private.note_freed_places(slot_id uuid) returns void
language sql volatile
as $$
  insert into app_private.freeings (organization_id, resource_ids, during, slot_id)
  select s.organization_id, '{}', tstzrange(s.starts_at, s.ends_at), s.id
  from app_public.slots s
  where s.id = note_freed_places.slot_id and app_private.is_on_sale(s)
    and exists (select from app_private.waiting_for(s) e where app_private.is_last_call(s, e))
$$;
comment on function app_private.note_freed_places(uuid) is 'Notes places freed inside the last call of somebody still waiting; a job tells them, outside the lock.';

create function app_private.hand_on_to(entry app_public.waitlist_entries, only_customer uuid default null) returns void
language plpgsql volatile
as $$
begin
  if entry.for_places then
    perform app_private.hand_on_places(s.id, null, only_customer) from app_private.slots_of(entry) s;
  else
    perform app_private.hand_on(app_private.resources_of(entry.offering_id), entry.room, null, only_customer);
  end if;
end
$$;
comment on function app_private.hand_on_to(app_public.waitlist_entries, uuid) is 'Hands on whatever is free of what somebody waits for.';

create function app_private.hand_on_slots(offering_ids uuid[], during tstzrange) returns void
language sql volatile
as $$
  select app_private.hand_on_places(s.id)
  from app_public.slots s
  where s.offering_id = any (offering_ids) and s.ended_at is null and tstzrange(s.starts_at, s.ends_at) && during
    and exists (select from app_private.waiting_for(s))
  order by s.starts_at, s.id
$$;
comment on function app_private.hand_on_slots(uuid[], tstzrange) is 'Hands on the free places of the slots in a range that is open again.';

revoke execute on function
  app_private.next_for_places(uuid, uuid, uuid), app_private.fitting_customers_of(uuid),
  app_private.offer_places(app_public.waitlist_entries, app_public.slots),
  app_private.wait_for_the_day_again(app_public.waitlist_entries), app_private.day_of(uuid, date),
  app_private.hand_on_places(uuid, uuid, uuid), app_private.note_freed_places(uuid),
  app_private.hand_on_to(app_public.waitlist_entries, uuid), app_private.hand_on_slots(uuid[], tstzrange)
from public;
--! EndIncluded functions/slot_offers.sql
--! Included functions/booking_core.sql
-- What the functions for clients, links and time have in common. Nothing here asks who is calling; whoever calls has.

create function app_private.find_offering(offering_id uuid) returns app_public.offerings
language plpgsql stable
as $$
declare
  v_offering app_public.offerings;
begin
  select f.* into v_offering
  from app_public.offerings f
  join app_public.organizations g on g.id = f.organization_id and g.archived_at is null
  where f.id = find_offering.offering_id and f.archived_at is null;
  if v_offering.id is null then
    perform app_private.fail('RSNTF', 'There is nothing by this id to book.');
  end if;
  return v_offering;
end
$$;
comment on function app_private.find_offering(uuid) is 'An offering that can be booked. Errors: RSNTF.';

create function app_private.policy_of(offering app_public.offerings) returns app_public.policy_versions
language sql stable
as $$
  select p from app_public.policy_versions p where p.policy_id = offering.policy_id order by p.version desc limit 1
$$;
comment on function app_private.policy_of(app_public.offerings) is 'The policy version in force for an offering.';

create function app_private.default_policy(organization_id uuid) returns app_public.policy_versions
language sql stable
as $$
  select v from app_public.policies p
  join app_public.policy_versions v on v.policy_id = p.id
  where p.organization_id = default_policy.organization_id and p.is_default
  order by v.version desc limit 1
$$;
comment on function app_private.default_policy(uuid) is 'The version in force of an organisation''s default policy.';

create function app_private.new_reference(organization_id uuid, at timestamptz) returns text
language plpgsql volatile
as $$
declare
  -- Crockford's base 32: no I, L, O or U, so that it survives being read out.
  v_letters constant text := '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  v_day text;
  v_random bytea;
  v_reference text;
begin
  select g.reference_prefix || '-' || to_char(at at time zone g.time_zone, 'YYYYMMDD') || '-' into v_day
  from app_public.organizations g where g.id = new_reference.organization_id;
  -- With ten thousand bookings a day, two of them would be alike on one day in twenty.
  loop
    v_random := uuid_send(gen_random_uuid());
    v_reference := v_day;
    for v_n in 0..5 loop
      v_reference := v_reference || substr(v_letters, 1 + (get_byte(v_random, v_n) & 31), 1);
    end loop;
    exit when not exists (
      select from app_public.bookings b
      where b.organization_id = new_reference.organization_id and b.reference = v_reference);
  end loop;
  return v_reference;
end
$$;
comment on function app_private.new_reference(uuid, timestamptz) is 'A reference such as RS-20261120-7K3QXA: prefix, local date of booking, 30 random bits; one that is not taken.';

create function app_private.terms_of(
  policy app_public.policy_versions, starts_at timestamptz, made_at timestamptz, needs_approval boolean
) returns app_private.booking_terms
language sql immutable
return case
  when needs_approval then row('pending',
    -- At most half of the time left, so that a refusal still leaves time for others.
    made_at + least(policy.request_ttl, app_private.elapsed(made_at, starts_at) / 2),
    null, null, null)::app_private.booking_terms
  when app_private.elapsed(made_at, starts_at) < policy.confirm_if_booked_before then
    row('confirmed', null, null, made_at, 'booking')::app_private.booking_terms
  else row('confirmed', null, starts_at - policy.confirm_deadline, null, null)::app_private.booking_terms
end;
comment on function app_private.terms_of(app_public.policy_versions, timestamptz, timestamptz, boolean) is 'What a booking made (claimed, moved) at a moment begins as: pending where a manager has to agree; with attendance confirmed if made close to its start; else to be confirmed by the deadline.';

create function app_private.insert_booking(
  offering_id uuid, customer_id uuid, policy app_public.policy_versions, during tstzrange, party app_private.party,
  wishes app_private.wishes, created_by uuid, at timestamptz, terms app_private.booking_terms, hold_expires_at timestamptz default null,
  slot_id uuid default null
) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
begin
  insert into app_public.bookings (
    organization_id, offering_id, slot_id, customer_id, policy_version_id, reference, status, starts_at, ends_at, room,
    party_size, adults, children, infants, places, person_price, adult_price, child_price, infant_price, subtotal,
    discount, tax, tax_included, purpose, special_requests, dietary_needs, access_needs, price, currency, created_by, created_at, made_at, hold_expires_at, unclaimed, request_expires_at,
    confirm_by, attendance_confirmed_at, attendance_confirmed_how)
  select f.organization_id, f.id, insert_booking.slot_id, insert_booking.customer_id, policy.id,
    app_private.new_reference(f.organization_id, at), terms.status, lower(during), upper(during),
    case when insert_booking.slot_id is null then app_private.with_buffers(during, policy) else during end,
    party.size, party.adults, party.children, party.infants, party.places, q.person_price, q.adult_price,
    q.child_price, q.infant_price, q.subtotal, q.discount, q.tax, q.tax_included, wishes.purpose,
    wishes.special_requests, wishes.dietary_needs, wishes.access_needs,
    case when insert_booking.slot_id is null then f.price else q.price end, g.currency,
    insert_booking.created_by, at, at, insert_booking.hold_expires_at, terms.status = 'held', terms.request_expires_at, terms.confirm_by,
    terms.attendance_confirmed_at, terms.attendance_confirmed_how
  from app_public.offerings f join app_public.organizations g on g.id = f.organization_id
  left join app_private.quote_for_slot(insert_booking.slot_id, party, policy) q on true
  where f.id = insert_booking.offering_id
  returning * into v_booking;
  perform app_private.take_room(v_booking);
  return v_booking;
end
$$;
comment on function app_private.insert_booking(uuid, uuid, app_public.policy_versions, tstzrange, app_private.party, app_private.wishes, uuid, timestamptz, app_private.booking_terms, timestamptz, uuid) is 'Writes a booking and takes its room. The caller holds the lock and has checked.';

create function app_private.end_booking(
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
      sequence = b.sequence + 1,
      auto_cancelled_at = case when end_booking.status = 'auto_cancelled' then v_now end,
      auto_cancel_reason = case when end_booking.status = 'auto_cancelled' then end_booking.reason end
  where b.id = end_booking.booking_id
  returning * into v_booking;
  perform app_private.give_back_room(v_booking.id, passing_over);
  return v_booking;
end
$$;
comment on function app_private.end_booking(uuid, app_public.booking_status, text, uuid, numeric) is 'Ends a live booking, notes what of its price is given back, and hands its room on. The caller holds the lock.';

create function app_private.lock_booking(booking_id uuid) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
begin
  select * into v_booking from app_public.bookings b where b.id = lock_booking.booking_id;
  if v_booking.id is null then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  end if;
  perform app_private.lock_room(array[v_booking.offering_id]);
  select * into v_booking from app_public.bookings b where b.id = lock_booking.booking_id for no key update;
  return v_booking;
end
$$;
comment on function app_private.lock_booking(uuid) is 'Locks the room of a booking and then the booking. Errors: RSNTF.';

-- Asked before the locks as well as after them: a stranger who had to wait would learn that there is such a booking.
create function app_private.require_booking(booking_id uuid, as_customer boolean, as_manager boolean) returns void
language plpgsql stable
as $$
begin
  if not exists (
    select from app_public.bookings b
    where b.id = require_booking.booking_id
      and ((as_customer and app_private.is_customer(b.customer_id))
           or (as_manager and app_private.is_manager_of(b.offering_id)))
  ) then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  end if;
end
$$;
comment on function app_private.require_booking(uuid, boolean, boolean) is 'Errors: RSNTF no such booking, or the caller is neither its customer nor its manager, whichever may do this.';

create function app_private.lock_customer(customer_id uuid) returns app_public.customers
language plpgsql volatile
as $$
declare
  v_customer app_public.customers;
begin
  select * into v_customer from app_public.customers c where c.id = lock_customer.customer_id for no key update;
  if v_customer.id is null or v_customer.erased_at is not null then
    perform app_private.fail('RSNTF', 'There is no such customer.');
  end if;
  return v_customer;
end
$$;
comment on function app_private.lock_customer(uuid) is 'Locks the acting customer: limits count across resources, so the resource locks do not guard them. Errors: RSNTF no such customer, or erased.';

create function app_private.customer_of_user(user_id uuid, organization_id uuid) returns app_public.customers
language plpgsql volatile
as $$
declare
  v_id uuid;
begin
  select c.id into v_id from app_public.customers c
  where c.user_id = customer_of_user.user_id and c.organization_id = customer_of_user.organization_id;
  if v_id is null then
    insert into app_public.customers (organization_id, user_id, name, email, phone, locale, time_zone)
    select customer_of_user.organization_id, u.id, u.name, u.email, u.phone, u.locale, u.time_zone
    from app_public.users u where u.id = customer_of_user.user_id
    on conflict on constraint customers_one_per_user do nothing;
    select c.id into v_id from app_public.customers c
    where c.user_id = customer_of_user.user_id and c.organization_id = customer_of_user.organization_id;
  end if;
  return app_private.lock_customer(v_id);
end
$$;
comment on function app_private.customer_of_user(uuid, uuid) is 'The customer a user is in an organisation, made where they first book, and locked.';

create function app_private.refuse_if_blacked_out(offering_id uuid, starts_at timestamptz, ends_at timestamptz) returns void
language plpgsql stable
as $$
declare
  v_reason text;
begin
  select k.reason into v_reason from app_private.blackouts_over(offering_id, starts_at, ends_at) k
  order by k.starts_at limit 1;
  if found then
    perform app_private.fail('RSBLK', format('This time cannot be booked: %s', v_reason));
  end if;
end
$$;
comment on function app_private.refuse_if_blacked_out(uuid, timestamptz, timestamptz) is 'Refuses a range that a blackout touches, with its reason. Errors: RSBLK.';

create function app_private.check_times(
  offering_id uuid, policy app_public.policy_versions, during tstzrange, now_at timestamptz, heeds_limits boolean
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
  elsif v_length < policy.min_duration or v_length > policy.max_duration then
    perform app_private.fail('RSTIM', format('A booking lasts at least %s and at most %s (hours:minutes).',
      to_char(policy.min_duration, 'FMHH24:MI'), to_char(policy.max_duration, 'FMHH24:MI')));
  elsif heeds_limits and v_lead < policy.booking_cutoff then
    perform app_private.fail('RSTIM', 'It is too late to book this time.');
  end if;
  perform app_private.refuse_if_blacked_out(offering_id, lower(during), upper(during));
  if not app_private.is_open(offering_id, lower(during), upper(during)) then
    perform app_private.fail('RSTIM', 'This is outside the opening hours, or not offered any more.');
  end if;
end
$$;
comment on function app_private.check_times(uuid, app_public.policy_versions, tstzrange, timestamptz, boolean) is 'Refuses a range that policy, opening hours or blackouts do not allow. Errors: RSTIM, RSBLK.';

create function app_private.check_daily_bookings(
  customer_id uuid, offering_id uuid, policy app_public.policy_versions, starts_at timestamptz, except_booking uuid
) returns void
language plpgsql stable
as $$
declare
  v_zone text := app_private.zone_of(offering_id);
  v_day date := (starts_at at time zone v_zone)::date;
begin
  if policy.max_bookings_per_day <= (
    select count(*) from app_public.bookings b
    where b.customer_id = check_daily_bookings.customer_id and b.id is distinct from except_booking
      and b.status in ('pending', 'confirmed', 'in_progress', 'delivered', 'completed')
      and b.starts_at >= v_day::timestamp at time zone v_zone
      and b.starts_at < (v_day + 1)::timestamp at time zone v_zone
  ) then
    perform app_private.fail('RSLIM', format('At most %s bookings a day are possible.', policy.max_bookings_per_day),
      jsonb_build_object('maxBookingsPerDay', policy.max_bookings_per_day));
  end if;
end
$$;
comment on function app_private.check_daily_bookings(uuid, uuid, app_public.policy_versions, timestamptz, uuid) is 'Refuses more bookings on one local day than the policy allows; the customer is locked. Errors: RSLIM.';

create function app_private.has_booking_there(customer_id uuid, offering_id uuid, during tstzrange) returns boolean
language sql stable
as $$
  select exists (
    select from app_public.bookings b
    where b.customer_id = has_booking_there.customer_id and b.offering_id = has_booking_there.offering_id
      and b.status in ('pending', 'confirmed', 'in_progress')
      and tstzrange(b.starts_at, b.ends_at) && has_booking_there.during)
$$;
comment on function app_private.has_booking_there(uuid, uuid, tstzrange) is 'Whether a customer has a live booking of an offering that overlaps a range; then they cannot wait for it.';

create function app_private.refuse_if_taken(
  offering_id uuid, policy app_public.policy_versions, during tstzrange, now_at timestamptz, customer_id uuid
) returns void
language plpgsql stable
as $$
begin
  if app_private.is_free(offering_id, app_private.with_buffers(during, policy)) then
    return;
  end if;
  perform app_private.fail('RSFUL', 'This time is taken. You can choose another one, or wait for it.', jsonb_build_object(
    'alternatives', app_private.nearest_free(offering_id, during, policy, now_at),
    'mayWait', policy.waitlist_enabled and not app_private.has_booking_there(customer_id, offering_id, during)));
end
$$;
comment on function app_private.refuse_if_taken(uuid, app_public.policy_versions, tstzrange, timestamptz, uuid) is 'Refuses room that is taken; with the nearest free alternatives, and whether one may wait. Errors: RSFUL.';

create function app_private.overlapping_entries(booking app_public.bookings, everywhere boolean)
returns setof app_public.waitlist_entries
language sql stable
as $$
  select e.* from app_public.waitlist_entries e
  where e.customer_id = booking.customer_id and e.ended_at is null
    and tstzrange(e.starts_at, e.ends_at) && tstzrange(booking.starts_at, booking.ends_at)
    and (everywhere or e.offering_id = any (app_private.offerings_sharing(array[booking.offering_id])))
    -- Who waits for a day and gets something else for a part of it may still have another slot.
    and (e.day is null or e.slot_id is not null or e.offering_id = booking.offering_id or not exists (
      select from app_private.slots_of(e) s
      where s.starts_at > (select app_private.clock())
        and not tstzrange(s.starts_at, s.ends_at) && tstzrange(booking.starts_at, booking.ends_at)))
  order by e.id
$$;
comment on function app_private.overlapping_entries(app_public.bookings, boolean) is 'What the customer of a booking still waits for at its time, in the same rooms or everywhere.';

-- Who claims has what they waited for, and waits for nothing else at that time; who books something else meanwhile may
-- still prefer what they wait for in other rooms.
create function app_private.close_overlapping_entries(booking app_public.bookings, everywhere boolean default false)
returns void
language plpgsql volatile
as $$
declare
  v_id uuid;
begin
  update app_public.waitlist_entries e set status = 'closed', ended_at = app_private.clock()
  where e.status = 'waiting' and e.id in (
    select o.id from app_private.overlapping_entries(booking, close_overlapping_entries.everywhere) o);
  -- Only now: what ends an offer offers the customer what was kept from them, and none of these any more.
  for v_id in
    select o.id from app_private.overlapping_entries(booking, close_overlapping_entries.everywhere) o
    where o.status = 'offered'
  loop
    perform app_private.end_offer(v_id, 'closed', 'The customer has booked an overlapping time.');
  end loop;
end
$$;
comment on function app_private.close_overlapping_entries(app_public.bookings, boolean) is 'Who has got a place no longer waits for the same time in the same rooms, or anywhere. The caller has locked these rooms.';

create function app_private.tell_of_booking(booking app_public.bookings, kind text) returns void
language plpgsql volatile
as $$
begin
  if booking.status = 'pending' then
    perform app_private.notify_managers(booking.offering_id, 'booking_requested', booking.id, null,
      jsonb_build_object('sequence', booking.sequence));
  end if;
  perform app_private.notify_customer(booking.customer_id, kind, booking.id, null,
    jsonb_build_object('sequence', booking.sequence, 'status', booking.status));
end
$$;
comment on function app_private.tell_of_booking(app_public.bookings, text) is 'Tells the customer of a new, claimed or moved booking, and the managers if it needs their yes.';

revoke execute on function
  app_private.find_offering(uuid), app_private.policy_of(app_public.offerings), app_private.default_policy(uuid),
  app_private.new_reference(uuid, timestamptz),
  app_private.terms_of(app_public.policy_versions, timestamptz, timestamptz, boolean),
  app_private.insert_booking(uuid, uuid, app_public.policy_versions, tstzrange, app_private.party, app_private.wishes, uuid, timestamptz, app_private.booking_terms, timestamptz, uuid),
  app_private.end_booking(uuid, app_public.booking_status, text, uuid, numeric), app_private.lock_booking(uuid),
  app_private.require_booking(uuid, boolean, boolean),
  app_private.lock_customer(uuid), app_private.customer_of_user(uuid, uuid),
  app_private.refuse_if_blacked_out(uuid, timestamptz, timestamptz),
  app_private.check_times(uuid, app_public.policy_versions, tstzrange, timestamptz, boolean),
  app_private.check_daily_bookings(uuid, uuid, app_public.policy_versions, timestamptz, uuid),
  app_private.has_booking_there(uuid, uuid, tstzrange),
  app_private.refuse_if_taken(uuid, app_public.policy_versions, tstzrange, timestamptz, uuid),
  app_private.overlapping_entries(app_public.bookings, boolean),
  app_private.close_overlapping_entries(app_public.bookings, boolean), app_private.tell_of_booking(app_public.bookings, text)
from public;
--! EndIncluded functions/booking_core.sql
--! Included functions/create_booking.sql
-- Lock order: idempotency key, customer, resources. The checks come after the locks, each in a statement of its own.
create function app_private.book(
  customer app_public.customers, offering_id uuid, during tstzrange, slot_id uuid, party app_private.party,
  wishes app_private.wishes,
  created_by uuid, as_manager boolean, needs_confirmation boolean
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
  if slot_id is null then
    perform app_private.check_times(offering_id, v_policy, during, v_now, not as_manager);
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
    perform app_private.refuse_if_taken(offering_id, v_policy, during, v_now, customer.id);
  else
    perform app_private.refuse_if_full(v_slot, v_policy, v_party, v_now, customer.id);
  end if;

  v_terms := app_private.terms_of(v_policy, lower(v_during), v_now, v_policy.requires_approval and not as_manager);
  if not needs_confirmation then
    v_terms.confirm_by := null;
    v_terms.attendance_confirmed_at := v_now;
    v_terms.attendance_confirmed_how := 'not_needed';
  end if;
  v_booking := app_private.insert_booking(
    offering_id, customer.id, v_policy, v_during, v_party, wishes, created_by, v_now, v_terms, null, slot_id);
  perform app_private.close_overlapping_entries(v_booking);
  perform app_private.tell_of_booking(v_booking, 'booking_received');
  return v_booking;
end
$$;
comment on function app_private.book(app_public.customers, uuid, tstzrange, uuid, app_private.party, app_private.wishes, uuid, boolean, boolean) is 'Books free room, or places of a slot, for a locked customer. Errors: RSNTF, RSARG, RSTIM, RSBLK, RSLIM, RSFUL.';
revoke execute on function app_private.book(app_public.customers, uuid, tstzrange, uuid, app_private.party, app_private.wishes, uuid, boolean, boolean) from public;

create function app_private.check_allocation(offering app_public.offerings, by_place boolean) returns void
language plpgsql stable
as $$
begin
  if offering.allocation = 'capacity' and not by_place then
    perform app_private.fail('RSARG', 'This offering is booked by the place, not by the hour: name a slot.');
  elsif offering.allocation = 'exclusive' and by_place then
    perform app_private.fail('RSARG', 'This offering is booked by the hour; it has no slots.');
  end if;
end
$$;
comment on function app_private.check_allocation(app_public.offerings, boolean) is 'Refuses what an offering is not booked by. Errors: RSARG.';
revoke execute on function app_private.check_allocation(app_public.offerings, boolean) from public;

create function app_private.checked_text(value text, longest integer) returns text
language plpgsql immutable
as $$
begin
  if length(value) > longest then
    perform app_private.fail('RSARG', format('This text is too long: at most %s characters.', longest));
  end if;
  return nullif(btrim(value), '');
end
$$;
comment on function app_private.checked_text(text, integer) is 'A text as it is stored: trimmed, null if blank. Errors: RSARG too long.';
revoke execute on function app_private.checked_text(text, integer) from public;

create function app_private.checked_wishes(purpose text, special_requests text, dietary_needs text, access_needs text)
returns app_private.wishes
language sql immutable
as $$
  select row(app_private.checked_text(purpose, 500), app_private.checked_text(special_requests, 500),
    app_private.checked_text(dietary_needs, 500), app_private.checked_text(access_needs, 500))::app_private.wishes
$$;
comment on function app_private.checked_wishes(text, text, text, text) is 'What a customer says, as it is stored. Errors: RSARG too long.';
revoke execute on function app_private.checked_wishes(text, text, text, text) from public;

create function app_private.checked_party(
  party_size integer, adults integer default null, children integer default null, infants integer default null
) returns app_private.party
language plpgsql immutable
as $$
declare
  v_size bigint := coalesce(party_size, 1);
begin
  if num_nonnulls(adults, children, infants) > 0 then
    v_size := coalesce(adults, 0)::bigint + coalesce(children, 0) + coalesce(infants, 0);
    if least(adults, children, infants) < 0 or coalesce(adults, 0)::bigint + coalesce(children, 0) = 0 then
      perform app_private.fail('RSARG', 'A party has an adult or a child, and no number under 0.');
    end if;
  end if;
  if v_size not between 1 and 100000 then
    perform app_private.fail('RSARG', 'The number of people has to be between 1 and 100000.');
  end if;
  if num_nonnulls(adults, children, infants) = 0 then
    return row(v_size, null, null, null, v_size)::app_private.party;
  end if;
  return row(v_size, coalesce(adults, 0), coalesce(children, 0), coalesce(infants, 0), v_size)::app_private.party;
end
$$;
comment on function app_private.checked_party(integer, integer, integer, integer) is 'A party: of so many people, 1 if nothing is said, or of adults, children and infants. Errors: RSARG.';
revoke execute on function app_private.checked_party(integer, integer, integer, integer) from public;

-- A party of a range of time is a number, whoever the people are.
create function app_private.without_ages(party app_private.party) returns app_private.party
language sql immutable
return row(party.size, null, null, null, party.size)::app_private.party;
comment on function app_private.without_ages(app_private.party) is 'A party as a range of time is booked for it.';
revoke execute on function app_private.without_ages(app_private.party) from public;

-- Start and end are those of the slot, where one is named.
create function app_private.requested_room(
  offering_id uuid, slot_id uuid, starts_at timestamptz, ends_at timestamptz, local_starts_at timestamp,
  local_ends_at timestamp
) returns tstzrange
language plpgsql stable
as $$
begin
  if slot_id is null then
    return app_private.requested_range(offering_id, starts_at, ends_at, local_starts_at, local_ends_at);
  elsif num_nonnulls(starts_at, ends_at, local_starts_at, local_ends_at) > 0 then
    perform app_private.fail('RSARG', 'A slot has its own start and end: leave them out.');
  end if;
  return null;
end
$$;
comment on function app_private.requested_room(uuid, uuid, timestamptz, timestamptz, timestamp, timestamp) is 'The range a client asked for; none with a slot. Errors: RSARG, RSTIM.';
revoke execute on function app_private.requested_room(uuid, uuid, timestamptz, timestamptz, timestamp, timestamp) from public;

create function app_public.create_booking(
  offering_id uuid, starts_at timestamptz default null, ends_at timestamptz default null,
  local_starts_at timestamp default null, local_ends_at timestamp default null,
  party_size integer default 1, purpose text default null, idempotency_key text default null,
  slot_id uuid default null, adults integer default null, children integer default null, infants integer default null,
  special_requests text default null, dietary_needs text default null, access_needs text default null
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
      special_requests, dietary_needs, access_needs));
  if v_id is null then
    v_booking := app_private.book(
      app_private.customer_of_user(v_user.id, v_offering.organization_id), offering_id, v_during, slot_id,
      app_private.checked_party(party_size, adults, children, infants), app_private.checked_wishes(purpose, special_requests, dietary_needs, access_needs), v_user.id, false, true);
    perform app_private.end_idempotent('create_booking', idempotency_key, v_booking.id);
    return v_booking;
  end if;
  select * into v_booking from app_public.bookings b where b.id = v_id;
  return v_booking;
end
$$;
comment on function app_public.create_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, integer, text, text, uuid, integer, integer, integer, text, text, text) is 'Books free room for the signed-in user: a range of time (start and end as moments, with an offset, or as local times of the offering), or places of a slot, for `partySize` adults or for adults, children and infants. Where the policy asks for a manager''s yes the booking is pending until then. Errors: RSAUT, RSVER, RSNTF no such offering, RSTIM not bookable at that time, RSBLK blacked out, RSLIM daily limit or size of the party, RSFUL taken (details: alternatives, mayWait; of a slot also placesLeft), RSARG bad or repeated argument.';

create function app_public.create_booking_for(
  offering_id uuid, starts_at timestamptz default null, ends_at timestamptz default null,
  local_starts_at timestamp default null, local_ends_at timestamp default null,
  name text default null, email text default null, phone text default null, locale text default null,
  party_size integer default 1, purpose text default null, needs_confirmation boolean default true,
  idempotency_key text default null,
  slot_id uuid default null, adults integer default null, children integer default null, infants integer default null,
  special_requests text default null, dietary_needs text default null, access_needs text default null
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
      special_requests, dietary_needs, access_needs));
  if v_id is null then
    v_booking := app_private.book(
      app_private.guest(v_offering.organization_id, name, email, phone, locale), offering_id, v_during, slot_id,
      app_private.checked_party(party_size, adults, children, infants), app_private.checked_wishes(purpose, special_requests, dietary_needs, access_needs), app_private.current_user_id(),
      true, coalesce(needs_confirmation, true));
    perform app_private.end_idempotent('create_booking_for', idempotency_key, v_booking.id);
    return v_booking;
  end if;
  select * into v_booking from app_public.bookings b where b.id = v_id;
  return v_booking;
end
$$;
comment on function app_public.create_booking_for(uuid, timestamptz, timestamptz, timestamp, timestamp, text, text, text, text, integer, text, boolean, text, uuid, integer, integer, integer, text, text, text) is 'For managers: books for someone on the phone or at the door, with whatever contact there is. Daily limits, cutoff and approval do not apply. Someone without an e-mail address cannot be asked, so `needsConfirmation` has to be false. Errors: RSNTF, RSTIM, RSBLK, RSFUL, RSARG.';

create function app_private.guest(organization_id uuid, name text, email text, phone text, locale text)
returns app_public.customers
language plpgsql volatile
as $$
declare
  v_id uuid;
  v_customer app_public.customers;
  v_name text := app_private.checked_text(name, 200);
  v_email text := app_private.checked_text(email, 254);
  v_phone text := app_private.checked_text(phone, 200);
begin
  if num_nonnulls(v_name, v_email, v_phone) = 0 then
    perform app_private.fail('RSARG', 'Give a name, an e-mail address or a phone number.');
  elsif not (coalesce(app_private.is_email(v_email), true) and coalesce(app_private.is_short_line(v_name), true)
             and coalesce(app_private.is_short_line(v_phone), true)) then
    perform app_private.fail('RSARG', 'The name, the e-mail address or the phone number cannot be right.');
  elsif locale !~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' then
    perform app_private.fail('RSARG', 'The language has to be a tag such as "en" or "de-AT".');
  end if;
  -- The same address is the same person; two at once may still make two, which harms nobody.
  loop
    select c.id into v_id from app_public.customers c
    where c.organization_id = guest.organization_id and c.email_normalised = app_private.normalise_email(v_email)
      and c.erased_at is null
    order by c.user_id nulls last, c.id limit 1;
    exit when v_id is null;
    select * into v_customer from app_public.customers c where c.id = v_id and c.erased_at is null for no key update;
    -- Whoever was merged or erased meanwhile is looked for again.
    if found then
      return v_customer;
    end if;
  end loop;
  insert into app_public.customers (organization_id, name, email, phone, locale)
  values (guest.organization_id, v_name, v_email, v_phone, guest.locale)
  returning * into v_customer;
  return v_customer;
end
$$;
comment on function app_private.guest(uuid, text, text, text, text) is 'The customer with an address, or a new one without account, locked. Errors: RSARG.';

revoke execute on function
  app_public.create_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, integer, text, text, uuid, integer, integer, integer, text, text, text),
  app_public.create_booking_for(uuid, timestamptz, timestamptz, timestamp, timestamp, text, text, text, text, integer, text, boolean, text, uuid, integer, integer, integer, text, text, text),
  app_private.guest(uuid, text, text, text, text) from public;
grant execute on function
  app_public.create_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, integer, text, text, uuid, integer, integer, integer, text, text, text),
  app_public.create_booking_for(uuid, timestamptz, timestamptz, timestamp, timestamp, text, text, text, text, integer, text, boolean, text, uuid, integer, integer, integer, text, text, text)
to reslot_user, reslot_admin;
--! EndIncluded functions/create_booking.sql
--! Included functions/modify_booking.sql
-- At another time it is as if it were made now: to be confirmed, approved and reminded of anew.
create function app_private.retime_booking(
  booking app_public.bookings, policy app_public.policy_versions, during tstzrange, room tstzrange, as_manager boolean,
  now_at timestamptz
) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_terms app_private.booking_terms;
  v_booking app_public.bookings;
begin
  v_terms := app_private.terms_of(policy, lower(during), now_at, policy.requires_approval and not as_manager);
  if booking.attendance_confirmed_how = 'not_needed' and v_terms.status = 'confirmed' then
    -- That was no answer to a reminder: whoever could not be asked before cannot be asked now.
    v_terms.confirm_by := null;
    v_terms.attendance_confirmed_at := now_at;
    v_terms.attendance_confirmed_how := 'not_needed';
  end if;
  update app_public.bookings b
  set starts_at = lower(during), ends_at = upper(during), room = retime_booking.room,
      status = v_terms.status, request_expires_at = v_terms.request_expires_at, confirm_by = v_terms.confirm_by,
      attendance_confirmed_at = v_terms.attendance_confirmed_at,
      attendance_confirmed_how = v_terms.attendance_confirmed_how,
      made_at = now_at, sequence = b.sequence + 1, reminders_done = 0, reminder_sent_at = null,
      spared_at = null, would_auto_cancel_at = null,
      -- A manager's exemption was for the time it was given for.
      override_at = case when as_manager then b.override_at end,
      override_by = case when as_manager then b.override_by end,
      override_reason = case when as_manager then b.override_reason end
  where b.id = booking.id
  returning * into v_booking;
  return v_booking;
end
$$;
comment on function app_private.retime_booking(app_public.bookings, app_public.policy_versions, tstzrange, tstzrange, boolean, timestamptz) is 'Gives a locked booking, whose room is given back, another time; clears its confirmation and re-arms its reminders.';
revoke execute on function app_private.retime_booking(app_public.bookings, app_public.policy_versions, tstzrange, tstzrange, boolean, timestamptz) from public;

-- Moving takes the new room and gives back the old one in one transaction under one set of locks: whoever waits for the
-- old time is offered it at once, and if the new time is taken nothing has changed.
create function app_private.move_booking(
  booking app_public.bookings, during tstzrange, as_manager boolean
) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_policy app_public.policy_versions;
  v_booking app_public.bookings;
  v_now timestamptz := app_private.clock();
begin
  select * into v_policy from app_public.policy_versions p where p.id = booking.policy_version_id;
  perform app_private.check_times(booking.offering_id, v_policy, during, v_now, not as_manager);
  if not as_manager then
    perform app_private.check_daily_bookings(booking.customer_id, booking.offering_id, v_policy, lower(during), booking.id);
  end if;
  perform app_private.give_back_room(booking.id, hands_on => false);
  perform app_private.refuse_if_taken(booking.offering_id, v_policy, during, v_now, booking.customer_id);

  v_booking := app_private.retime_booking(
    booking, v_policy, during, app_private.with_buffers(during, v_policy), as_manager, v_now);
  perform app_private.take_room(v_booking);
  perform app_private.close_overlapping_entries(v_booking);
  perform app_private.hand_on(app_private.resources_of(booking.offering_id), booking.room);
  return v_booking;
end
$$;
comment on function app_private.move_booking(app_public.bookings, tstzrange, boolean) is 'Moves a locked booking in time: clears its confirmation, re-arms its reminders, hands the old room on. Errors: RSTIM, RSBLK, RSLIM, RSFUL.';
revoke execute on function app_private.move_booking(app_public.bookings, tstzrange, boolean) from public;

-- Slot, party or both, in one transaction under one set of locks; the price is worked out anew.
create function app_private.move_places(
  booking app_public.bookings, slot app_public.slots, party app_private.party, as_manager boolean
) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_policy app_public.policy_versions;
  v_party app_private.party;
  v_moves boolean := slot.id <> booking.slot_id;
  v_slot app_public.slots;
  v_quote app_public.quote;
  v_booking app_public.bookings;
  v_now timestamptz := app_private.clock();
begin
  select * into v_policy from app_public.policy_versions p where p.id = booking.policy_version_id;
  v_party := app_private.places_for(party, v_policy);
  -- Fewer people on the same slot are always welcome, also to what is closed by now.
  if v_moves or v_party.places > booking.places or v_party.size > booking.party_size then
    perform app_private.check_slot(slot, v_policy, v_party, v_now, not as_manager);
  end if;
  if v_moves and not as_manager then
    perform app_private.check_daily_bookings(booking.customer_id, booking.offering_id, v_policy, slot.starts_at, booking.id);
  end if;
  perform app_private.give_back_room(booking.id, hands_on => false);
  select * into v_slot from app_public.slots s where s.id = slot.id;
  perform app_private.refuse_if_full(v_slot, v_policy, v_party, v_now, booking.customer_id);
  -- On the same slot the price of a person stays what it was sold at.
  v_quote := app_private.quote_of(
    case when v_moves then app_private.price_of_person(slot.id) else booking.person_price end, v_party, v_policy,
    booking.currency);
  update app_public.bookings b
  set slot_id = v_slot.id, party_size = v_party.size, adults = v_party.adults, children = v_party.children,
      infants = v_party.infants, places = v_party.places, person_price = v_quote.person_price,
      adult_price = v_quote.adult_price, child_price = v_quote.child_price, infant_price = v_quote.infant_price,
      subtotal = v_quote.subtotal, discount = v_quote.discount, tax = v_quote.tax, tax_included = v_quote.tax_included,
      price = v_quote.price
  where b.id = booking.id
  returning * into v_booking;
  if v_moves then
    v_booking := app_private.retime_booking(v_booking, v_policy, tstzrange(v_slot.starts_at, v_slot.ends_at),
      tstzrange(v_slot.starts_at, v_slot.ends_at), as_manager, v_now);
  end if;
  perform app_private.take_room(v_booking);
  perform app_private.close_overlapping_entries(v_booking) where v_moves;
  -- Else nothing has become free, and who let go of these places stays passed over.
  perform app_private.hand_on_places(booking.slot_id) where v_moves or v_party.places < booking.places;
  return v_booking;
end
$$;
comment on function app_private.move_places(app_public.bookings, app_public.slots, app_private.party, boolean) is 'Moves a locked booking to another slot, changes its party, or both; hands on what is left over. Errors: RSTIM, RSBLK, RSLIM, RSFUL.';
revoke execute on function app_private.move_places(app_public.bookings, app_public.slots, app_private.party, boolean) from public;

create function app_private.lock_booking_to_modify(booking_id uuid) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
begin
  perform app_private.require_booking(booking_id, true, true);
  -- The customer first: a move counts against the limit of the new day.
  perform app_private.lock_customer(b.customer_id) from app_public.bookings b
  where b.id = lock_booking_to_modify.booking_id;
  v_booking := app_private.lock_booking(booking_id);
  if v_booking.status = 'held'
     or not (app_private.is_customer(v_booking.customer_id) or app_private.is_manager_of(v_booking.offering_id)) then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  elsif v_booking.status not in ('pending', 'confirmed') then
    perform app_private.fail('RSSTA', format('This booking is %s and cannot be changed.', replace(v_booking.status::text, '_', ' ')));
  elsif v_booking.starts_at <= app_private.clock() then
    perform app_private.fail('RSTIM', 'This booking has already begun.');
  end if;
  return v_booking;
end
$$;
comment on function app_private.lock_booking_to_modify(uuid) is 'Locks customer, room and booking, and refuses what may not be changed. Errors: RSNTF, RSSTA, RSTIM.';
revoke execute on function app_private.lock_booking_to_modify(uuid) from public;

create function app_private.changed_text(before text, after text) returns text
language sql immutable
return case when after is null then before else app_private.checked_text(after, 500) end;
comment on function app_private.changed_text(text, text) is 'A text after a change: as it was, if nothing is said; none, if an empty one is said. Errors: RSARG.';
revoke execute on function app_private.changed_text(text, text) from public;

create function app_private.change_places(booking app_public.bookings, slot_id uuid, party app_private.party)
returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_slot app_public.slots;
  v_party app_private.party := party;
begin
  v_slot := app_private.find_slot(coalesce(slot_id, booking.slot_id), booking.offering_id);
  if party.size is null then
    v_party := row(booking.party_size, booking.adults, booking.children, booking.infants, booking.places)::app_private.party;
  elsif party.adults is null then
    v_party := row(party.size, party.size, 0, 0, party.size)::app_private.party;
  end if;
  if v_slot.id = booking.slot_id and (v_party.adults, v_party.children, v_party.infants)
      = (booking.adults, booking.children, booking.infants) then
    return booking;
  end if;
  return app_private.move_places(booking, v_slot, v_party, app_private.is_manager_of(booking.offering_id));
end
$$;
comment on function app_private.change_places(app_public.bookings, uuid, app_private.party) is 'Moves a locked booking of places, changes its party, or both; nothing, if it is so already. Errors: RSARG, RSNTF, RSTIM, RSBLK, RSLIM, RSFUL.';
revoke execute on function app_private.change_places(app_public.bookings, uuid, app_private.party) from public;

create function app_private.note_modification(before app_public.bookings, after app_public.bookings) returns void
language sql volatile
as $$
  insert into app_public.booking_modifications (
    organization_id, booking_id, modified_by, from_slot_id, to_slot_id, from_starts_at, to_starts_at, from_ends_at,
    to_ends_at, from_party_size, to_party_size, from_price, to_price)
  select after.organization_id, after.id, app_private.current_user_id(), before.slot_id, after.slot_id, before.starts_at,
    after.starts_at, before.ends_at, after.ends_at, before.party_size, after.party_size, before.price, after.price
  where (before.starts_at, before.ends_at, before.party_size, before.price, before.adults, before.children)
    is distinct from (after.starts_at, after.ends_at, after.party_size, after.price, after.adults, after.children)
    or before.slot_id is distinct from after.slot_id
$$;
comment on function app_private.note_modification(app_public.bookings, app_public.bookings) is 'Writes the modification log, unless only the purpose has changed.';
revoke execute on function app_private.note_modification(app_public.bookings, app_public.bookings) from public;

create function app_public.modify_booking(
  booking_id uuid, starts_at timestamptz default null, ends_at timestamptz default null,
  local_starts_at timestamp default null, local_ends_at timestamp default null, purpose text default null,
  slot_id uuid default null, party_size integer default null, adults integer default null, children integer default null,
  infants integer default null, special_requests text default null, dietary_needs text default null,
  access_needs text default null
) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking_to_modify(booking_id);
  v_before app_public.bookings := v_booking;
  v_during tstzrange := tstzrange(v_booking.starts_at, v_booking.ends_at);
begin
  if v_booking.slot_id is null and num_nonnulls(slot_id, party_size, adults, children, infants) > 0 then
    perform app_private.fail('RSARG', 'This was booked by the hour; it has no slot, and its party is just a number.');
  elsif num_nonnulls(starts_at, ends_at, local_starts_at, local_ends_at) > 0 then
    if v_booking.slot_id is not null then
      perform app_private.fail('RSARG', 'A slot has its own start and end: leave them out.');
    end if;
    v_during := app_private.requested_range(v_booking.offering_id, starts_at, ends_at, local_starts_at, local_ends_at);
  end if;
  if num_nonnulls(purpose, special_requests, dietary_needs, access_needs) > 0 then
    update app_public.bookings b
    set purpose = app_private.changed_text(b.purpose, modify_booking.purpose),
        special_requests = app_private.changed_text(b.special_requests, modify_booking.special_requests),
        dietary_needs = app_private.changed_text(b.dietary_needs, modify_booking.dietary_needs),
        access_needs = app_private.changed_text(b.access_needs, modify_booking.access_needs)
    where b.id = booking_id
    returning * into v_booking;
  end if;
  if v_during <> tstzrange(v_before.starts_at, v_before.ends_at) then
    v_booking := app_private.move_booking(v_booking, v_during, app_private.is_manager_of(v_booking.offering_id));
  elsif num_nonnulls(slot_id, party_size, adults, children, infants) > 0 then
    v_booking := app_private.change_places(v_booking, slot_id,
      case when num_nonnulls(party_size, adults, children, infants) > 0
        then app_private.checked_party(party_size, adults, children, infants) end);
  end if;
  if to_jsonb(v_before) <> to_jsonb(v_booking) then
    perform app_private.note_modification(v_before, v_booking);
    if v_booking.status = 'pending' and v_before.sequence <> v_booking.sequence then
      perform app_private.notify_managers(v_booking.offering_id, 'booking_requested', v_booking.id, null,
        jsonb_build_object('sequence', v_booking.sequence));
    end if;
    perform app_private.notify_customer(v_booking.customer_id, 'booking_modified', v_booking.id, null, jsonb_build_object(
      'sequence', v_booking.sequence, 'status', v_booking.status,
      'actor', case when app_private.is_customer(v_booking.customer_id) then 'customer' else 'manager' end, 'previous', jsonb_build_object(
        'startsAt', v_before.starts_at, 'endsAt', v_before.ends_at,
        'partySize', v_before.party_size, 'price', v_before.price,
        'purpose', case when v_before.purpose is distinct from v_booking.purpose then coalesce(v_before.purpose, '') end)));
  end if;
  return v_booking;
end
$$;
comment on function app_public.modify_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, text, uuid, integer, integer, integer, integer, text, text, text) is 'Moves a booking to another time or slot, changes its party (where places are booked; the price is worked out anew), its purpose and needs, or all of it at once. Moving clears the confirmation of attendance and re-arms the reminders; where a manager''s yes is needed, it is needed again. An empty text removes the old one. Errors: RSNTF no such booking or not yours, RSSTA not live, RSTIM begun or new time not allowed, RSBLK, RSLIM, RSFUL taken (details: alternatives, mayWait), RSARG.';
revoke execute on function app_public.modify_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, text, uuid, integer, integer, integer, integer, text, text, text) from public;
grant execute on function app_public.modify_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, text, uuid, integer, integer, integer, integer, text, text, text) to reslot_user, reslot_admin;
--! EndIncluded functions/modify_booking.sql
--! Included functions/cancel_booking.sql
create function app_private.end_booking_by_customer(booking_id uuid, reason text default null) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
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
  return v_booking;
end
$$;
comment on function app_private.end_booking_by_customer(uuid, text) is 'Cancels before the start, for the customer; again: the same. Errors: RSNTF, RSSTA, RSTIM, RSARG.';

create function app_private.end_booking_by_manager(booking_id uuid, reason text, refund numeric default null) returns app_public.bookings
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
    jsonb_build_object('actor', 'manager', 'reason', v_booking.ended_reason));
  return v_booking;
end
$$;
comment on function app_private.end_booking_by_manager(uuid, text, numeric) is 'Cancels until the end, with a reason; gives all of the price back, or what is said. Errors: RSNTF, RSSTA, RSARG.';

create function app_public.cancel_booking(booking_id uuid, reason text default null, refund numeric default null) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
begin
  perform app_private.require_booking(booking_id, true, true);
  v_booking := app_private.lock_booking(booking_id);
  if v_booking.status = 'held'
     or not (app_private.is_customer(v_booking.customer_id) or app_private.is_manager_of(v_booking.offering_id)) then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  end if;
  -- A manager who has booked for themselves is the manager once it has begun.
  if app_private.is_customer(v_booking.customer_id)
     and not ((refund is not null or v_booking.starts_at <= app_private.clock())
              and app_private.is_manager_of(v_booking.offering_id)) then
    if refund is not null then
      perform app_private.fail('RSARG', 'What is given back is for the policy to say, or for a manager.');
    end if;
    return app_private.end_booking_by_customer(booking_id, reason);
  end if;
  return app_private.end_booking_by_manager(booking_id, reason, refund);
end
$$;
comment on function app_public.cancel_booking(uuid, text, numeric) is 'Cancels a booking; its room goes at once to the people waiting. Customers until the start, managers also later and with a reason. A customer gets back what the policy says for that time before the start, in `refund`; a manager gives all of the price back, or another amount. Cancelling again returns the same booking. Errors: RSNTF no such booking or not yours, RSSTA not live any more, RSTIM already begun, RSARG no reason, or too long.';
revoke execute on function
  app_private.end_booking_by_customer(uuid, text), app_private.end_booking_by_manager(uuid, text, numeric),
  app_public.cancel_booking(uuid, text, numeric) from public;
grant execute on function app_public.cancel_booking(uuid, text, numeric) to reslot_user, reslot_admin;
--! EndIncluded functions/cancel_booking.sql
--! Included functions/confirm_booking.sql
create function app_private.confirm_attendance(
  booking_id uuid, how app_public.confirmation_source, evidence jsonb default null
) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_now timestamptz := app_private.clock();
begin
  if v_booking.attendance_confirmed_at is not null and v_booking.ended_at is null then
    return v_booking;
  elsif v_booking.status = 'auto_cancelled' then
    perform app_private.fail('RSSTA', 'This booking was released because it was not confirmed in time. You can book again if there is room.');
  elsif v_booking.status <> 'confirmed' then
    perform app_private.fail('RSSTA', format('This booking is %s; there is nothing to confirm.', replace(v_booking.status::text, '_', ' ')));
  elsif v_booking.starts_at <= v_now then
    perform app_private.fail('RSTIM', 'This booking has already begun.');
  end if;
  perform set_config('reslot.reason', coalesce(evidence::text, ''), true);
  update app_public.bookings b
  set attendance_confirmed_at = v_now, attendance_confirmed_how = confirm_attendance.how, spared_at = null
  where b.id = v_booking.id
  returning * into v_booking;
  return v_booking;
end
$$;
comment on function app_private.confirm_attendance(uuid, app_public.confirmation_source, jsonb) is 'Records the customer''s yes; again: the same. Errors: RSNTF, RSSTA released or not live, RSTIM begun.';

create function app_public.confirm_booking(booking_id uuid) returns app_public.bookings
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
  return app_private.confirm_attendance(booking_id, 'account');
end
$$;
comment on function app_public.confirm_booking(uuid) is 'The customer confirms that they will come; also before the reminder. Confirming again returns the same booking. Errors: RSNTF no such booking or not yours, RSSTA released or not live any more, RSTIM already begun.';

revoke execute on function
  app_private.confirm_attendance(uuid, app_public.confirmation_source, jsonb), app_public.confirm_booking(uuid)
from public;
grant execute on function
  app_public.confirm_booking(uuid)
to reslot_user, reslot_admin;
--! EndIncluded functions/confirm_booking.sql
--! Included functions/override_auto_cancel.sql
create function app_public.override_auto_cancel(booking_id uuid, reason text) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings;
  v_now timestamptz;
begin
  perform app_private.require_booking(booking_id, false, true);
  v_booking := app_private.lock_booking(booking_id);
  v_now := app_private.clock();
  if not app_private.is_manager_of(v_booking.offering_id) or v_booking.status = 'held' then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  elsif v_booking.status <> 'confirmed' then
    perform app_private.fail('RSSTA', format('This booking is %s; there is nothing to override. Book again if there is room.', replace(v_booking.status::text, '_', ' ')));
  elsif app_private.checked_text(reason, 500) is null then
    perform app_private.fail('RSARG', 'Please give a reason; it goes into the log.');
  end if;
  perform set_config('reslot.reason', reason, true);
  update app_public.bookings b
  set override_at = v_now, override_by = app_private.current_user_id(),
      override_reason = app_private.checked_text(reason, 500), spared_at = null
  where b.id = v_booking.id
  returning * into v_booking;
  return v_booking;
end
$$;
comment on function app_public.override_auto_cancel(uuid, text) is 'For managers: exempts a booking from release although nobody confirmed. Recorded apart from the customer''s own confirmation. Errors: RSNTF, RSSTA already released or not live, RSARG no reason.';

revoke execute on function
  app_public.override_auto_cancel(uuid, text)
from public;
grant execute on function
  app_public.override_auto_cancel(uuid, text)
to reslot_user, reslot_admin;
--! EndIncluded functions/override_auto_cancel.sql
--! Included functions/approve_booking.sql
create function app_private.approve(booking_id uuid, note text default null) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_policy app_public.policy_versions;
  v_terms app_private.booking_terms;
begin
  if v_booking.status = 'confirmed' then
    return v_booking;
  elsif v_booking.status <> 'pending' then
    perform app_private.fail('RSSTA', format('This booking is %s and waits for no approval.', replace(v_booking.status::text, '_', ' ')));
  elsif v_booking.request_expires_at <= app_private.clock() then
    perform app_private.fail('RSEXP', 'This request was not answered in time.');
  end if;
  select * into v_policy from app_public.policy_versions p where p.id = v_booking.policy_version_id;
  v_terms := app_private.terms_of(v_policy, v_booking.starts_at, v_booking.made_at, false);
  perform set_config('reslot.reason', coalesce(note, ''), true);
  update app_public.bookings b
  set status = v_terms.status, request_expires_at = null, confirm_by = v_terms.confirm_by,
      attendance_confirmed_at = v_terms.attendance_confirmed_at,
      attendance_confirmed_how = v_terms.attendance_confirmed_how
  where b.id = v_booking.id
  returning * into v_booking;
  perform app_private.notify_customer(v_booking.customer_id, 'booking_approved', v_booking.id, null,
    jsonb_build_object('sequence', v_booking.sequence, 'reason', app_private.checked_text(note, 500)));
  return v_booking;
end
$$;
comment on function app_private.approve(uuid, text) is 'A manager''s yes; again: the same. Errors: RSNTF, RSSTA, RSEXP.';

create function app_private.reject(booking_id uuid, reason text default null) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
begin
  if v_booking.status = 'rejected' then
    return v_booking;
  elsif v_booking.status <> 'pending' then
    perform app_private.fail('RSSTA', format('This booking is %s and waits for no answer.', replace(v_booking.status::text, '_', ' ')));
  end if;
  v_booking := app_private.end_booking(v_booking.id, 'rejected', app_private.checked_text(reason, 500),
    refund => v_booking.price);
  perform app_private.notify_customer(v_booking.customer_id, 'booking_rejected', v_booking.id, null,
    jsonb_build_object('reason', v_booking.ended_reason));
  return v_booking;
end
$$;
comment on function app_private.reject(uuid, text) is 'A manager''s no; again: the same. Errors: RSNTF, RSSTA, RSARG.';

create function app_private.lock_managed_booking(booking_id uuid) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
begin
  perform app_private.require_booking(booking_id, false, true);
  v_booking := app_private.lock_booking(booking_id);
  if not app_private.is_manager_of(v_booking.offering_id) or v_booking.status = 'held' then
    perform app_private.fail('RSNTF', 'There is no such booking.');
  end if;
  return v_booking;
end
$$;
comment on function app_private.lock_managed_booking(uuid) is 'Locks a booking the caller manages. Errors: RSNTF.';

create function app_public.approve_booking(booking_id uuid, note text default null) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform app_private.lock_managed_booking(booking_id);
  return app_private.approve(booking_id, note);
end
$$;
comment on function app_public.approve_booking(uuid, text) is 'For managers: agrees to a pending booking. Approving again returns the same booking. Errors: RSNTF, RSSTA not pending, RSEXP too late, RSARG.';

create function app_public.reject_booking(booking_id uuid, reason text default null) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform app_private.lock_managed_booking(booking_id);
  return app_private.reject(booking_id, reason);
end
$$;
comment on function app_public.reject_booking(uuid, text) is 'For managers: declines a pending booking; its room goes to the people waiting. Errors: RSNTF, RSSTA not pending, RSARG.';

revoke execute on function
  app_private.approve(uuid, text), app_private.reject(uuid, text), app_private.lock_managed_booking(uuid), app_public.approve_booking(uuid, text), app_public.reject_booking(uuid, text)
from public;
grant execute on function
  app_public.approve_booking(uuid, text), app_public.reject_booking(uuid, text)
to reslot_user, reslot_admin;
--! EndIncluded functions/approve_booking.sql
--! Included functions/mark_no_show.sql
create function app_public.mark_no_show(booking_id uuid, reason text default null) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings := app_private.lock_managed_booking(booking_id);
begin
  if v_booking.status = 'no_show' then
    return v_booking;
  elsif v_booking.status not in ('confirmed', 'in_progress', 'completed') then
    perform app_private.fail('RSSTA', format('This booking is %s.', replace(v_booking.status::text, '_', ' ')));
  elsif v_booking.starts_at > app_private.clock() then
    perform app_private.fail('RSTIM', 'This booking has not begun yet.');
  end if;
  return app_private.end_booking(v_booking.id, 'no_show', app_private.checked_text(reason, 500));
end
$$;
comment on function app_public.mark_no_show(uuid, text) is 'For managers: records that nobody came; what is left of the time goes to the people waiting. Errors: RSNTF, RSSTA, RSTIM not begun yet.';

revoke execute on function
  app_public.mark_no_show(uuid, text)
from public;
grant execute on function
  app_public.mark_no_show(uuid, text)
to reslot_user, reslot_admin;
--! EndIncluded functions/mark_no_show.sql
--! Included functions/lock_entry.sql
create function app_private.lock_entry(entry_id uuid) returns app_public.waitlist_entries
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries;
begin
  select * into v_entry from app_public.waitlist_entries e where e.id = lock_entry.entry_id;
  if v_entry.id is null then
    perform app_private.fail('RSNTF', 'There is no such waiting list entry.');
  end if;
  perform app_private.lock_room(array[v_entry.offering_id]);
  select * into v_entry from app_public.waitlist_entries e where e.id = lock_entry.entry_id for no key update;
  return v_entry;
end
$$;
comment on function app_private.lock_entry(uuid) is 'Locks the room of an entry and then the entry. Errors: RSNTF.';

-- As require_booking.
create function app_private.require_entry(entry_id uuid, as_customer boolean, as_manager boolean) returns void
language plpgsql stable
as $$
begin
  if not exists (
    select from app_public.waitlist_entries e
    where e.id = require_entry.entry_id
      and ((as_customer and app_private.is_customer(e.customer_id))
           or (as_manager and app_private.is_manager_of(e.offering_id)))
  ) then
    perform app_private.fail('RSNTF', 'There is no such waiting list entry.');
  end if;
end
$$;
comment on function app_private.require_entry(uuid, boolean, boolean) is 'Errors: RSNTF no such entry, or the caller is neither its customer nor its manager, whichever may do this.';

revoke execute on function
  app_private.lock_entry(uuid), app_private.require_entry(uuid, boolean, boolean)
from public;
--! EndIncluded functions/lock_entry.sql
--! Included functions/join_waitlist.sql
create function app_private.check_may_wait(
  customer app_public.customers, offering app_public.offerings, policy app_public.policy_versions, during tstzrange,
  is_free boolean, day date
) returns void
language plpgsql stable
as $$
declare
  v_zone text := app_private.zone_of(offering.id);
  v_day date := (lower(during) at time zone v_zone)::date;
begin
  if is_free then
    perform app_private.fail('RSAVL', 'There is room: you can book it, there is no need to wait.');
  elsif app_private.has_booking_there(customer.id, offering.id, during) then
    perform app_private.fail('RSDUP', 'You have a booking here at that time.');
  elsif exists (
    select from app_public.waitlist_entries e
    where e.customer_id = customer.id and e.offering_id = offering.id and e.ended_at is null
      -- For a day also while one of its slots is offered.
      and (e.day = check_may_wait.day
        or num_nonnulls(e.day, check_may_wait.day) = 0 and e.starts_at = lower(during) and e.ends_at = upper(during))
  ) then
    perform app_private.fail('RSDUP', 'You are already waiting for this time.');
  elsif policy.max_entries_per_day <= (
    select count(*) from app_public.waitlist_entries e
    where e.customer_id = customer.id and e.ended_at is null
      and e.starts_at >= v_day::timestamp at time zone v_zone
      and e.starts_at < (v_day + 1)::timestamp at time zone v_zone
  ) then
    perform app_private.fail('RSLIM', format('You can wait for at most %s times on one day.', policy.max_entries_per_day),
      jsonb_build_object('maxEntriesPerDay', policy.max_entries_per_day));
  end if;
end
$$;
comment on function app_private.check_may_wait(app_public.customers, app_public.offerings, app_public.policy_versions, tstzrange, boolean, date) is 'Refuses to queue for what is free, for what one has, twice for the same, or too often for one day. Customer and room are locked. Errors: RSAVL, RSDUP, RSLIM.';
revoke execute on function app_private.check_may_wait(app_public.customers, app_public.offerings, app_public.policy_versions, tstzrange, boolean, date) from public;

-- The room lock makes two orders of a release and a join the only two: either the join sees free room (RSAVL), or the
-- release sees the entry (I4).
create function app_private.join_queue(
  customer app_public.customers, offering_id uuid, during tstzrange, slot_id uuid, day date, party app_private.party,
  note text
) returns app_public.waitlist_entries
language plpgsql volatile
as $$
declare
  v_offering app_public.offerings;
  v_policy app_public.policy_versions;
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
  v_entry.offering_id := offering_id;
  v_entry.slot_id := slot_id;
  v_entry.day := day;
  v_entry.for_places := num_nonnulls(slot_id, day) > 0;
  v_entry := app_private.place_entry(v_entry, v_policy, during, party, v_now);
  perform app_private.check_may_wait(customer, v_offering, v_policy, tstzrange(v_entry.starts_at, v_entry.ends_at),
    app_private.has_room(v_entry), day);
  insert into app_public.waitlist_entries (
    organization_id, offering_id, slot_id, day, customer_id, policy_version_id, starts_at, ends_at, room, last_call_at,
    party_size, adults, children, infants, places, note, joined_at)
  values (v_offering.organization_id, v_offering.id, slot_id, day, customer.id, v_policy.id, v_entry.starts_at,
    v_entry.ends_at, v_entry.room, v_entry.last_call_at, v_entry.party_size, v_entry.adults, v_entry.children,
    v_entry.infants, v_entry.places, join_queue.note, v_now)
  returning * into v_entry;
  perform app_private.notify_customer(customer.id, 'waitlist_joined', null, v_entry.id);
  return v_entry;
end
$$;
comment on function app_private.join_queue(app_public.customers, uuid, tstzrange, uuid, date, app_private.party, text) is 'Enters a locked customer into the queue for a range of time, a slot or a day. Errors: RSNTF, RSARG, RSOFF, RSTIM, RSBLK, RSAVL, RSDUP, RSLIM.';
revoke execute on function app_private.join_queue(app_public.customers, uuid, tstzrange, uuid, date, app_private.party, text) from public;

create function app_private.place_entry(
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
    perform app_private.check_times(entry.offering_id, policy, v_during, now_at, false);
    v_entry.room := app_private.with_buffers(v_during, policy);
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
comment on function app_private.place_entry(app_public.waitlist_entries, app_public.policy_versions, tstzrange, app_private.party, timestamptz) is 'When and for how many an entry waits, if one may wait for that at all. Errors: RSNTF, RSTIM, RSBLK, RSLIM.';
revoke execute on function app_private.place_entry(app_public.waitlist_entries, app_public.policy_versions, tstzrange, app_private.party, timestamptz) from public;

create function app_private.places_waited_for(
  entry app_public.waitlist_entries, policy app_public.policy_versions, party app_private.party, now_at timestamptz
) returns tstzrange
language plpgsql stable
as $$
declare
  v_slot app_public.slots;
begin
  if entry.slot_id is not null then
    v_slot := app_private.find_slot(entry.slot_id, entry.offering_id);
  else
    -- Any slot that could ever do; if there is none, the largest one says why.
    select s.* into v_slot from app_private.slots_of(entry) s
    order by s.starts_at > now_at desc, app_private.is_on_sale(s) desc, s.capacity desc, s.starts_at limit 1;
    if v_slot.id is null then
      perform app_private.fail('RSTIM', 'There is nothing on this day.');
    end if;
  end if;
  perform app_private.check_slot(v_slot, policy, party, now_at, false);
  if party.size < policy.min_party then
    perform app_private.fail('RSLIM', format('A party has at least %s people here.', policy.min_party),
      jsonb_build_object('minParty', policy.min_party));
  elsif party.size > policy.max_party or party.places > v_slot.capacity then
    perform app_private.fail('RSLIM', format('A party has at most %s people here.', least(policy.max_party, v_slot.capacity)),
      jsonb_build_object('maxParty', least(policy.max_party, v_slot.capacity)));
  end if;
  return case when entry.slot_id is null then app_private.day_of(entry.offering_id, entry.day)
    else tstzrange(v_slot.starts_at, v_slot.ends_at) end;
end
$$;
comment on function app_private.places_waited_for(app_public.waitlist_entries, app_public.policy_versions, app_private.party, timestamptz) is 'The range of a slot, or of a local day, that a party may wait for. Errors: RSNTF, RSTIM, RSBLK, RSLIM.';
revoke execute on function app_private.places_waited_for(app_public.waitlist_entries, app_public.policy_versions, app_private.party, timestamptz) from public;

create function app_public.join_waitlist(
  offering_id uuid, starts_at timestamptz default null, ends_at timestamptz default null,
  local_starts_at timestamp default null, local_ends_at timestamp default null,
  party_size integer default 1, note text default null, idempotency_key text default null,
  slot_id uuid default null, day date default null,
  adults integer default null, children integer default null, infants integer default null
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
      slot_id, day::text, adults, children, infants));
  if v_id is null then
    v_entry := app_private.join_queue(
      app_private.customer_of_user(v_user.id, v_offering.organization_id), offering_id, v_during, slot_id, day,
      app_private.checked_party(party_size, adults, children, infants), app_private.checked_text(note, 500));
    perform app_private.end_idempotent('join_waitlist', idempotency_key, v_entry.id);
    return v_entry;
  end if;
  select * into v_entry from app_public.waitlist_entries e where e.id = v_id;
  return v_entry;
end
$$;
comment on function app_public.join_waitlist(uuid, timestamptz, timestamptz, timestamp, timestamp, integer, text, text, uuid, date, integer, integer, integer) is 'Waits for taken room: a range of time, places of a slot, or places of any slot of a local date. When it (or a longer range around it) is freed, it is held for one person after another, by priority and time of joining. Errors: RSAUT, RSVER, RSNTF no such offering, RSOFF no waiting list here, RSTIM, RSBLK not bookable at that time, RSAVL free: book it, RSDUP already waiting or booked, RSLIM daily limit or size of the party, RSARG.';
revoke execute on function app_public.join_waitlist(uuid, timestamptz, timestamptz, timestamp, timestamp, integer, text, text, uuid, date, integer, integer, integer) from public;
grant execute on function app_public.join_waitlist(uuid, timestamptz, timestamptz, timestamp, timestamp, integer, text, text, uuid, date, integer, integer, integer) to reslot_user, reslot_admin;
--! EndIncluded functions/join_waitlist.sql
--! Included functions/claim_slot.sql
create function app_private.lock_entry_to_claim(entry_id uuid) returns app_public.waitlist_entries
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries;
  v_others uuid[];
begin
  select * into v_entry from app_public.waitlist_entries e where e.id = lock_entry_to_claim.entry_id;
  perform app_private.lock_customer(e.customer_id) from app_public.waitlist_entries e where e.id = v_entry.id;
  -- What else they wait for at that time ends with the claim: its rooms are locked together with this one.
  v_others := array(
    select distinct o.offering_id from app_public.waitlist_entries o
    where o.customer_id = v_entry.customer_id and o.ended_at is null and o.offering_id <> v_entry.offering_id
      and (tstzrange(o.starts_at, o.ends_at) && tstzrange(v_entry.starts_at, v_entry.ends_at)
        -- A slot of a day may last into the next.
        or exists (select from app_private.slots_of(v_entry) s
                   where tstzrange(o.starts_at, o.ends_at) && tstzrange(s.starts_at, s.ends_at))));
  if v_others <> '{}' then
    perform app_private.lock_room(v_others || v_entry.offering_id);
  end if;
  return app_private.lock_entry(entry_id);
end
$$;
comment on function app_private.lock_entry_to_claim(uuid) is 'Locks customer, room and entry, in this order: a claim and the erasure of its claimer must not cross. Errors: RSNTF.';

create function app_private.claim_hold(entry app_public.waitlist_entries, policy app_public.policy_versions, now_at timestamptz)
returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_terms app_private.booking_terms := app_private.terms_of(policy, entry.starts_at, now_at, policy.requires_approval);
  v_booking app_public.bookings;
begin
  -- One of the whole organisation takes its offers back a little later, room by room.
  perform app_private.refuse_if_blacked_out(entry.offering_id, entry.starts_at, entry.ends_at);
  update app_public.bookings b
  set status = v_terms.status, hold_expires_at = null, unclaimed = false, made_at = now_at, request_expires_at = v_terms.request_expires_at,
      confirm_by = v_terms.confirm_by, attendance_confirmed_at = v_terms.attendance_confirmed_at,
      attendance_confirmed_how = v_terms.attendance_confirmed_how
  where b.id = entry.hold_id and b.hold_expires_at > now_at
  returning * into v_booking;
  if v_booking.id is null then
    perform app_private.fail('RSEXP', 'This offer is over. You can join the waiting list again.');
  end if;
  return v_booking;
end
$$;
comment on function app_private.claim_hold(app_public.waitlist_entries, app_public.policy_versions, timestamptz) is 'Turns a hold into a booking, if its deadline has not passed. Errors: RSEXP, RSBLK.';

create function app_private.slot_to_claim(entry app_public.waitlist_entries, now_at timestamptz) returns app_public.slots
language sql stable
as $$
  select s.* from app_public.slots s
  where s.offering_id = entry.offering_id and (s.id = entry.slot_id or s.day = entry.day and s.ended_at is null)
  -- Of a day the first that has room for the party; else the first that is to come, which says why not.
  order by app_private.is_last_call(s, entry) and app_private.is_on_sale(s) desc, s.starts_at > now_at desc,
    s.starts_at, s.id
  limit 1
$$;
comment on function app_private.slot_to_claim(app_public.waitlist_entries, timestamptz) is 'The slot somebody gets who claims inside the last call.';

create function app_private.claim_in_last_call(entry app_public.waitlist_entries, policy app_public.policy_versions, now_at timestamptz)
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
    perform app_private.check_times(entry.offering_id, policy, v_during, now_at, false);
    perform app_private.refuse_if_taken(entry.offering_id, policy, v_during, now_at, entry.customer_id);
  end if;
  update app_public.waitlist_entries e set slot_id = v_slot.id, starts_at = v_slot.starts_at, ends_at = v_slot.ends_at,
    room = v_during, last_call_at = v_entry.last_call_at
  where e.id = entry.id and entry.day is not null;
  return app_private.insert_booking(
    entry.offering_id, entry.customer_id, policy, v_during, app_private.party_of(entry), null, null, now_at,
    app_private.terms_of(policy, v_entry.starts_at, now_at, policy.requires_approval), null, v_entry.slot_id);
end
$$;
comment on function app_private.claim_in_last_call(app_public.waitlist_entries, app_public.policy_versions, timestamptz) is 'Inside the last call nothing is held: the first to claim gets it. Errors: RSEXP, RSSTA not your turn, RSTIM, RSBLK, RSFUL.';

create function app_private.claim(entry_id uuid) returns app_public.bookings
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries := app_private.lock_entry_to_claim(entry_id);
  v_policy app_public.policy_versions;
  v_booking app_public.bookings;
  v_now timestamptz := app_private.clock();
begin
  select * into v_policy from app_public.policy_versions p where p.id = v_entry.policy_version_id;
  case v_entry.status
    when 'claimed' then
      select * into v_booking from app_public.bookings b where b.id = v_entry.booking_id;
      return v_booking;
    when 'offered' then
      v_booking := app_private.claim_hold(v_entry, v_policy, v_now);
    when 'waiting' then
      v_booking := app_private.claim_in_last_call(v_entry, v_policy, v_now);
    when 'expired', 'lapsed' then
      perform app_private.fail('RSEXP', 'This offer is over. You can join the waiting list again.');
    else
      perform app_private.fail('RSSTA', 'You are not waiting for this any more.');
  end case;
  update app_public.waitlist_entries e
  set status = 'claimed', booking_id = v_booking.id, hold_id = null, ended_at = v_now
  where e.id = v_entry.id
  returning * into v_entry;
  perform app_private.close_overlapping_entries(v_booking, everywhere => true);
  perform app_private.offer_kept_back(v_entry);
  perform app_private.tell_of_booking(v_booking, 'booking_claimed');
  return v_booking;
end
$$;
comment on function app_private.claim(uuid) is 'Claims what is offered, or, inside the last call, what is free; again: the same booking. Errors: RSNTF, RSEXP, RSSTA, RSTIM, RSBLK, RSFUL.';

create function app_public.claim_slot(entry_id uuid) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_entry app_public.waitlist_entries;
begin
  perform app_private.require_entry(entry_id, true, false);
  v_entry := app_private.lock_entry_to_claim(entry_id);
  if not app_private.is_customer(v_entry.customer_id) then
    perform app_private.fail('RSNTF', 'There is no such waiting list entry.');
  end if;
  return app_private.claim(entry_id);
end
$$;
comment on function app_public.claim_slot(uuid) is 'Claims the place held for one''s waitlist entry; inside the last call, the place if it is still free. Claiming again returns the same booking. Errors: RSNTF no such entry or not yours, RSEXP the offer is over, RSSTA not your turn, RSFUL somebody was faster, RSTIM, RSBLK.';

revoke execute on function
  app_private.lock_entry_to_claim(uuid),
  app_private.claim_hold(app_public.waitlist_entries, app_public.policy_versions, timestamptz),
  app_private.slot_to_claim(app_public.waitlist_entries, timestamptz),
  app_private.claim_in_last_call(app_public.waitlist_entries, app_public.policy_versions, timestamptz),
  app_private.claim(uuid),
  app_public.claim_slot(uuid)
from public;
grant execute on function app_public.claim_slot(uuid) to reslot_user, reslot_admin;
--! EndIncluded functions/claim_slot.sql
--! Included functions/decline_slot.sql
create function app_private.decline(entry_id uuid) returns app_public.waitlist_entries
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries := app_private.lock_entry(entry_id);
begin
  if v_entry.status = 'declined' then
    return v_entry;
  elsif v_entry.status <> 'offered' then
    perform app_private.fail(
      case when v_entry.status in ('expired', 'lapsed') then 'RSEXP' else 'RSSTA' end, 'There is no offer to decline.');
  end if;
  perform app_private.end_offer(v_entry.id, 'declined', 'The offer was declined.');
  select * into v_entry from app_public.waitlist_entries e where e.id = v_entry.id;
  return v_entry;
end
$$;
comment on function app_private.decline(uuid) is 'Lets an offer go, so that the next person hears at once; again: the same. Errors: RSNTF, RSEXP, RSSTA.';

create function app_public.decline_slot(entry_id uuid) returns app_public.waitlist_entries
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_entry app_public.waitlist_entries;
begin
  perform app_private.require_entry(entry_id, true, false);
  v_entry := app_private.lock_entry(entry_id);
  if not app_private.is_customer(v_entry.customer_id) then
    perform app_private.fail('RSNTF', 'There is no such waiting list entry.');
  end if;
  return app_private.decline(entry_id);
end
$$;
comment on function app_public.decline_slot(uuid) is 'Lets an offer go; the next person hears at once. Errors: RSNTF no such entry or not yours, RSEXP already over, RSSTA nothing is offered.';

revoke execute on function
  app_private.decline(uuid),
  app_public.decline_slot(uuid)
from public;
grant execute on function app_public.decline_slot(uuid) to reslot_user, reslot_admin;
--! EndIncluded functions/decline_slot.sql
--! Included functions/leave_waitlist.sql
create function app_private.leave(entry_id uuid) returns app_public.waitlist_entries
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries := app_private.lock_entry(entry_id);
begin
  if v_entry.status = 'offered' then
    perform app_private.end_offer(v_entry.id, 'left', 'The customer left the waiting list.');
  elsif v_entry.status = 'waiting' then
    update app_public.waitlist_entries e set status = 'left', ended_at = app_private.clock() where e.id = v_entry.id;
  elsif v_entry.status <> 'left' then
    perform app_private.fail('RSSTA', 'You are not waiting for this any more.');
  end if;
  select * into v_entry from app_public.waitlist_entries e where e.id = v_entry.id;
  return v_entry;
end
$$;
comment on function app_private.leave(uuid) is 'Leaves the queue, letting an offer go; again: the same. Errors: RSNTF, RSSTA.';

create function app_public.leave_waitlist(entry_id uuid) returns app_public.waitlist_entries
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_entry app_public.waitlist_entries;
begin
  perform app_private.require_entry(entry_id, true, true);
  v_entry := app_private.lock_entry(entry_id);
  if not (app_private.is_customer(v_entry.customer_id) or app_private.is_manager_of(v_entry.offering_id)) then
    perform app_private.fail('RSNTF', 'There is no such waiting list entry.');
  end if;
  return app_private.leave(entry_id);
end
$$;
comment on function app_public.leave_waitlist(uuid) is 'Leaves the waiting list; an offer goes to the next person. Managers may take somebody off. Errors: RSNTF no such entry or not yours, RSSTA ended already.';

revoke execute on function
  app_private.leave(uuid),
  app_public.leave_waitlist(uuid)
from public;
grant execute on function app_public.leave_waitlist(uuid) to reslot_user, reslot_admin;
--! EndIncluded functions/leave_waitlist.sql
--! Included functions/set_waitlist_priority.sql
create function app_public.set_waitlist_priority(entry_id uuid, priority integer, reason text default null)
returns app_public.waitlist_entries
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_entry app_public.waitlist_entries;
begin
  perform app_private.require_entry(entry_id, false, true);
  v_entry := app_private.lock_entry(entry_id);
  if not app_private.is_manager_of(v_entry.offering_id) then
    perform app_private.fail('RSNTF', 'There is no such waiting list entry.');
  elsif v_entry.ended_at is not null then
    perform app_private.fail('RSSTA', 'This entry is not waiting any more.');
  elsif priority is null or priority not between 0 and 1000000 then
    perform app_private.fail('RSARG', 'The priority has to be between 0 (first) and 1000000.');
  end if;
  perform set_config('reslot.reason', coalesce(app_private.checked_text(reason, 500), ''), true);
  update app_public.waitlist_entries e
  set priority = set_waitlist_priority.priority, priority_set_at = app_private.clock(), stuck_at = null, stuck_reason = null
  where e.id = v_entry.id;
  -- Having been looked at, it is no longer set aside, and may be first in line for room that is free.
  perform app_private.hand_on_to(v_entry)
  where v_entry.stuck_at is not null;
  select * into v_entry from app_public.waitlist_entries e where e.id = v_entry.id;
  return v_entry;
end
$$;
comment on function app_public.set_waitlist_priority(uuid, integer, text) is 'For managers: sets who goes first; lower goes earlier, 100 is usual. Also puts an entry that was set aside back into the queue. Logged. Errors: RSNTF, RSSTA ended, RSARG.';

revoke execute on function
  app_public.set_waitlist_priority(uuid, integer, text)
from public;
grant execute on function app_public.set_waitlist_priority(uuid, integer, text) to reslot_user, reslot_admin;
--! EndIncluded functions/set_waitlist_priority.sql
--! Included functions/blackouts.sql
create function app_private.offerings_hit(blackout app_public.blackouts) returns setof uuid
language sql stable
as $$
  select f.id from app_public.offerings f
  where f.organization_id = blackout.organization_id
    and (f.id = blackout.offering_id
      or num_nonnulls(blackout.offering_id, blackout.resource_id) = 0
      or exists (select from app_public.offering_resources x
                 where x.offering_id = f.id and x.resource_id = blackout.resource_id))
$$;
comment on function app_private.offerings_hit(app_public.blackouts) is 'The offerings a blackout closes.';

create function app_private.bookings_hit(blackout app_public.blackouts) returns setof app_public.bookings
language sql stable
as $$
  select b.* from app_public.bookings b
  where b.organization_id = blackout.organization_id and b.offering_id in (select app_private.offerings_hit(blackout))
    and b.ended_at is null and b.starts_at < blackout.ends_at and b.ends_at > blackout.starts_at
  order by b.starts_at, b.id
$$;
comment on function app_private.bookings_hit(app_public.blackouts) is 'The live bookings a blackout overlaps, holds included.';

create function app_private.clear_for_blackout(booking app_public.bookings, reason text) returns void
language plpgsql volatile
as $$
begin
  if booking.status = 'held' then
    -- The person loses the offer, not the place in the queue.
    perform app_private.end_offer(e.id, 'waiting', reason) from app_public.waitlist_entries e where e.hold_id = booking.id;
  else
    perform app_private.end_booking(booking.id, 'cancelled', reason, refund => booking.price);
    perform app_private.notify_customer(booking.customer_id, 'message_blackout', booking.id, null,
      jsonb_build_object('reason', reason, 'actor', 'manager', 'alternatives', app_private.alternatives_to(booking)));
  end if;
end
$$;
comment on function app_private.clear_for_blackout(app_public.bookings, text) is 'Cancels a booking a blackout hits and tells its customer; a hold goes back to its entry. The room is locked.';

create function app_private.refuse_blackout(blackout app_public.blackouts) returns void
language plpgsql stable
as $$
declare
  v_hit jsonb;
begin
  select jsonb_agg(jsonb_build_object('id', b.id, 'reference', b.reference, 'startsAt', b.starts_at, 'endsAt', b.ends_at))
  into v_hit
  from (select * from app_private.bookings_hit(blackout) h where h.status <> 'held' limit 200) b;
  if v_hit is not null then
    perform app_private.fail('RSBLK',
      'There are bookings in this time (see details). Say cancelBookings to cancel them; their customers are told.',
      jsonb_build_object('bookings', v_hit));
  end if;
end
$$;
comment on function app_private.refuse_blackout(app_public.blackouts) is 'Refuses a blackout over bookings, with their list. Errors: RSBLK.';

create function app_public.blackout_conflicts(
  organization_id uuid, starts_at timestamptz, ends_at timestamptz, offering_id uuid default null, resource_id uuid default null
) returns setof app_public.bookings
language plpgsql stable security definer rows 10
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_blackout app_public.blackouts;
begin
  v_blackout := app_private.checked_blackout(organization_id, offering_id, resource_id, starts_at, ends_at);
  return query select * from app_private.bookings_hit(v_blackout) h where h.status <> 'held';
end
$$;
comment on function app_public.blackout_conflicts(uuid, timestamptz, timestamptz, uuid, uuid) is 'For managers: the live bookings that a blackout of a resource, an offering or the whole organisation would hit. Errors: RSNTF, RSARG, RSTIM.';

create function app_private.checked_blackout(
  organization_id uuid, offering_id uuid, resource_id uuid, starts_at timestamptz, ends_at timestamptz
) returns app_public.blackouts
language plpgsql stable
as $$
declare
  v_blackout app_public.blackouts;
begin
  if num_nonnulls(offering_id, resource_id) > 1 then
    perform app_private.fail('RSARG', 'Name an offering or a resource, not both.');
  elsif not (app_private.is_manager_in(organization_id) or coalesce(app_private.is_manager_of(offering_id), false))
     or offering_id is not null and not exists (
       select from app_public.offerings f where f.id = checked_blackout.offering_id and f.organization_id = checked_blackout.organization_id)
     or resource_id is not null and not exists (
       select from app_public.resources r where r.id = checked_blackout.resource_id and r.organization_id = checked_blackout.organization_id)
     or not exists (select from app_public.organizations g where g.id = checked_blackout.organization_id) then
    perform app_private.fail('RSNTF', 'There is nothing by this id that you manage.');
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
comment on function app_private.checked_blackout(uuid, uuid, uuid, timestamptz, timestamptz) is 'A blackout as asked for, not yet stored, by somebody who may. Errors: RSARG, RSNTF, RSTIM.';

create function app_public.create_blackout(
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
  if not coalesce(cancel_bookings, false) then
    perform app_private.refuse_blackout(v_blackout);
  end if;
  insert into app_public.blackouts (
    organization_id, offering_id, resource_id, starts_at, ends_at, kind, reason, cancels_bookings, created_by)
  values (v_blackout.organization_id, v_blackout.offering_id, v_blackout.resource_id, v_blackout.starts_at,
    v_blackout.ends_at, coalesce(create_blackout.kind, 'custom'), v_reason, coalesce(cancel_bookings, false),
    app_private.current_user_id())
  returning * into v_blackout;
  if num_nonnulls(offering_id, resource_id) = 1 then
    perform app_private.clear_for_blackout(b, v_reason) from app_private.bookings_hit(v_blackout) b;
  else
    perform app_private.plan_sweeps(v_blackout.id);
  end if;
  perform app_private.end_idempotent('create_blackout', idempotency_key, v_blackout.id);
  return v_blackout;
end
$$;
comment on function app_public.create_blackout(uuid, timestamptz, timestamptz, text, uuid, uuid, app_public.blackout_kind, boolean, text) is 'For managers: closes a resource, an offering, or the whole organisation for a time. Over bookings it is refused with their list, unless told to cancel them. Errors: RSNTF, RSARG, RSTIM, RSBLK bookings in the way (details: bookings).';

create function app_private.plan_sweeps(blackout_id uuid) returns void
language sql volatile
as $$
  insert into app_private.blackout_sweeps as s (organization_id, blackout_id, resource_id)
  select k.organization_id, k.id, r.id
  from app_public.blackouts k join app_public.resources r on r.organization_id = k.organization_id
  where k.id = plan_sweeps.blackout_id
  order by r.id
  on conflict on constraint blackout_sweeps_once do update set swept_at = null, created_at = excluded.created_at
$$;
comment on function app_private.plan_sweeps(uuid) is 'One job for each resource of an organisation-wide blackout, made or lifted.';

-- A booking that was on its way when the blackout was entered is found here, under the lock of its resource.
create function app_private.sweep_blackout(sweep_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_sweep app_private.blackout_sweeps;
  v_blackout app_public.blackouts;
  v_booking app_public.bookings;
  v_offerings uuid[];
begin
  -- The sweep's own row first: a blackout lifted meanwhile waits here, and then asks for another sweep.
  select * into v_sweep from app_private.blackout_sweeps s where s.id = sweep_blackout.sweep_id for no key update;
  if v_sweep.swept_at is not null then
    return;
  end if;
  v_offerings := array(
    select x.offering_id from app_public.offering_resources x where x.resource_id = v_sweep.resource_id);
  perform app_private.lock_room(v_offerings);
  select * into v_blackout from app_public.blackouts k where k.id = v_sweep.blackout_id;
  if v_blackout.lifted_at is not null then
    -- With the other rooms of a hall, which are open again as well: who waits for one of them may come first.
    perform app_private.hand_on(array(
      select distinct x.resource_id from app_public.offering_resources x
      where x.offering_id = any (v_offerings) order by 1), tstzrange(v_blackout.starts_at, v_blackout.ends_at));
    perform app_private.hand_on_slots(v_offerings, tstzrange(v_blackout.starts_at, v_blackout.ends_at));
  else
    for v_booking in
      select b.* from app_private.bookings_hit(v_blackout) b
      where exists (select from app_public.offering_resources x
                    where x.offering_id = b.offering_id and x.resource_id = v_sweep.resource_id)
    loop
      if v_blackout.cancels_bookings or v_booking.status = 'held' then
        perform app_private.clear_for_blackout(v_booking, v_blackout.reason);
      -- Told once, by the sweep of its first room.
      elsif v_sweep.resource_id = (app_private.resources_of(v_booking.offering_id))[1] then
        perform app_private.notify_managers(v_booking.offering_id, 'blackout_conflict', v_booking.id, null,
          jsonb_build_object('reason', v_blackout.reason));
      end if;
    end loop;
  end if;
  update app_private.blackout_sweeps s set swept_at = app_private.clock() where s.id = v_sweep.id;
end
$$;
comment on function app_private.sweep_blackout(uuid) is 'Looks through one resource for an organisation-wide blackout: cancels what it hits, or tells the managers; or, when lifted, hands the room on.';

create function app_public.lift_blackout(blackout_id uuid) returns app_public.blackouts
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_blackout app_public.blackouts;
begin
  select * into v_blackout from app_public.blackouts k where k.id = lift_blackout.blackout_id;
  if v_blackout.id is null
     or not (app_private.is_manager_in(v_blackout.organization_id)
             or coalesce(app_private.is_manager_of(v_blackout.offering_id), false)) then
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
comment on function app_public.lift_blackout(uuid) is 'For managers: ends a blackout; its time goes to the people waiting. Lifting again returns the same blackout. Errors: RSNTF.';

revoke execute on function
  app_private.offerings_hit(app_public.blackouts), app_private.bookings_hit(app_public.blackouts),
  app_private.clear_for_blackout(app_public.bookings, text), app_private.refuse_blackout(app_public.blackouts),
  app_public.blackout_conflicts(uuid, timestamptz, timestamptz, uuid, uuid),
  app_private.checked_blackout(uuid, uuid, uuid, timestamptz, timestamptz),
  app_public.create_blackout(uuid, timestamptz, timestamptz, text, uuid, uuid, app_public.blackout_kind, boolean, text),
  app_private.plan_sweeps(uuid), app_private.sweep_blackout(uuid), app_public.lift_blackout(uuid) from public;
grant execute on function
  app_public.blackout_conflicts(uuid, timestamptz, timestamptz, uuid, uuid),
  app_public.create_blackout(uuid, timestamptz, timestamptz, text, uuid, uuid, app_public.blackout_kind, boolean, text),
  app_public.lift_blackout(uuid) to reslot_user, reslot_admin;
--! EndIncluded functions/blackouts.sql
--! Included functions/configuration.sql
-- What changes room by changing the rules goes through functions, under the same lock as bookings, and hands freed
-- room on. The rest of the configuration is edited directly, under row-level security.

create function app_public.set_opening_hours(
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
    and b.slot_id is null
    and not app_private.hours_of(v_resource.id, b.starts_at, b.ends_at) @> tstzrange(b.starts_at, b.ends_at);
  if v_outside is not null and not coalesce(keep_bookings, false) then
    perform app_private.fail('RSBLK',
      'There are bookings outside these hours (see details). Say keepBookings to let them stand.',
      jsonb_build_object('bookings', v_outside));
  end if;
  -- Whoever was offered a time that is closed now loses the offer, not the place in the queue.
  perform app_private.end_offer(e.id, 'waiting', 'This time is outside the opening hours now.')
  from app_public.waitlist_entries e
  where e.hold_id is not null and not e.for_places
    and e.offering_id in (
      select x.offering_id from app_public.offering_resources x where x.resource_id = v_resource.id)
    and not app_private.hours_of(v_resource.id, e.starts_at, e.ends_at) @> tstzrange(e.starts_at, e.ends_at);
  perform app_private.hand_on(array[v_resource.id], tstzrange(app_private.clock(), null));
  return query select h.* from app_public.opening_hours h where h.resource_id = v_resource.id order by h.weekday, h.opens;
end
$$;
comment on function app_public.set_opening_hours(uuid, jsonb, boolean) is 'For managers: replaces the opening hours of a resource by [{"weekday": 1, "opens": "09:00", "closes": "18:00"}, …] (ISO 8601: Monday is 1; closing at or before opening means on the next day; 24:00 is midnight). Refused if bookings lie outside, unless told to keep them; offers outside are taken back. Errors: RSNTF, RSARG, RSBLK (details: bookings).';

create function app_private.lock_resource(resource_id uuid) returns void
language plpgsql volatile
as $$
begin
  perform app_private.lock_room(array(
    select x.offering_id from app_public.offering_resources x where x.resource_id = lock_resource.resource_id));
  -- One that no offering uses yet is locked as well.
  perform from app_public.resources r where r.id = lock_resource.resource_id for no key update;
end
$$;
comment on function app_private.lock_resource(uuid) is 'Locks a resource and all that its offerings use.';

-- By a function, although the rest of a resource is edited directly: its row is the lock on its room, and whoever holds
-- one room of a hall and then wants the other would be in the way of who books both.
create function app_public.archive_resource(resource_id uuid, archived boolean default true) returns app_public.resources
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_resource app_public.resources;
begin
  select * into v_resource from app_public.resources r where r.id = archive_resource.resource_id;
  if v_resource.id is null or not app_private.is_manager_in(v_resource.organization_id) then
    perform app_private.fail('RSNTF', 'There is no such resource.');
  end if;
  perform app_private.lock_resource(v_resource.id);
  update app_public.resources r
  set archived_at = case when coalesce(archived, true) then coalesce(r.archived_at, app_private.clock()) end
  where r.id = v_resource.id
  returning * into v_resource;
  return v_resource;
end
$$;
comment on function app_public.archive_resource(uuid, boolean) is 'For managers: puts a resource away, or with `archived` false takes it back into use. Put away it is closed: bookings stay, offers are taken back, and who waits keeps the place; taken back, its time goes to the people waiting. Again: the same. Errors: RSNTF.';

create function app_private.replace_hours(resource app_public.resources, hours jsonb) returns void
language plpgsql volatile
as $$
begin
  if jsonb_typeof(hours) is distinct from 'array' or jsonb_array_length(hours) > 50 then
    perform app_private.fail('RSARG', 'The opening hours have to be a list of at most 50 {weekday, opens, closes}.');
  end if;
  delete from app_public.opening_hours h where h.resource_id = resource.id;
  insert into app_public.opening_hours (organization_id, resource_id, weekday, opens, closes)
  select resource.organization_id, resource.id, h.weekday, h.opens, h.closes
  from jsonb_to_recordset(hours) as h (weekday smallint, opens time, closes time);
exception
  when data_exception or not_null_violation or check_violation then
    perform app_private.fail('RSARG', 'Each of the opening hours needs a weekday from 1 to 7 and two times such as "09:00".');
end
$$;
comment on function app_private.replace_hours(app_public.resources, jsonb) is 'Replaces the opening hours of a locked resource. Errors: RSARG.';

create function app_public.set_offering_resources(offering_id uuid, resource_ids uuid[]) returns app_public.offerings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_offering app_public.offerings;
begin
  select * into v_offering from app_public.offerings f where f.id = set_offering_resources.offering_id;
  if v_offering.id is null or not app_private.is_manager_in(v_offering.organization_id)
     or exists (select from unnest(resource_ids) i (id)
                where not exists (select from app_public.resources r
                                  where r.id = i.id and r.organization_id = v_offering.organization_id)) then
    perform app_private.fail('RSNTF', 'There is no such offering or resource.');
  elsif coalesce(cardinality(resource_ids), 0) not between 1 and 50 then
    perform app_private.fail('RSARG', 'An offering uses 1 to 50 resources.');
  end if;
  perform app_private.lock_room(array[v_offering.id]);
  if exists (select from app_public.bookings b where b.offering_id = v_offering.id and b.ended_at is null)
     or exists (select from app_public.waitlist_entries e where e.offering_id = v_offering.id and e.ended_at is null)
     or exists (select from app_public.slots s where s.offering_id = v_offering.id and s.ended_at is null) then
    perform app_private.fail('RSSTA', 'This offering has bookings, slots or people waiting; create a new one and archive this one.');
  elsif v_offering.allocation = 'exclusive'
     and not exists (select from app_public.resources r where r.id = any (resource_ids) and not r.shared) then
    perform app_private.fail('RSARG', 'What many can use at once is never taken: name a resource that is in one place only.');
  end if;
  delete from app_public.offering_resources x where x.offering_id = v_offering.id;
  insert into app_public.offering_resources (offering_id, resource_id, organization_id)
  select distinct v_offering.id, i.id, v_offering.organization_id from unnest(resource_ids) i (id);
  return v_offering;
end
$$;
comment on function app_public.set_offering_resources(uuid, uuid[]) is 'For managers: which resources an offering uses, all of them at once; only while it has neither bookings, slots nor people waiting. Errors: RSNTF, RSARG, RSSTA.';

create function app_public.revise_policy(policy_id uuid, changes jsonb) returns app_public.policy_versions
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_policy app_public.policies;
  v_next app_public.policy_versions;
  v_unknown text;
  v_constraint text;
begin
  select * into v_policy from app_public.policies p where p.id = revise_policy.policy_id for no key update;
  if v_policy.id is null or not app_private.is_manager_in(v_policy.organization_id) then
    perform app_private.fail('RSNTF', 'There is no such policy.');
  end if;
  select * into v_next from app_public.policy_versions v where v.policy_id = v_policy.id order by v.version desc limit 1;
  select k into v_unknown from jsonb_object_keys(changes) k
  where not to_jsonb(v_next) ? k or k in ('id', 'policy_id', 'organization_id', 'version', 'created_at', 'created_by');
  if v_unknown is not null then
    perform app_private.fail('RSARG', format('A policy has no rule called %s.', left(v_unknown, 60)));
  end if;
  if not to_jsonb(v_next) is distinct from to_jsonb(v_next) || coalesce(changes, '{}') then
    return v_next;
  end if;
  v_next := jsonb_populate_record(v_next, changes);
  v_next.id := uuidv7();
  v_next.version := v_next.version + 1;
  v_next.created_at := app_private.clock();
  v_next.created_by := app_private.current_user_id();
  insert into app_public.policy_versions select v_next.* returning * into v_next;
  return v_next;
exception
  when check_violation then
    get stacked diagnostics v_constraint = constraint_name;
    perform app_private.fail('RSARG', format('These rules do not go together: %s.', replace(v_constraint, '_', ' ')),
      jsonb_build_object('rule', v_constraint));
  when data_exception or not_null_violation or invalid_parameter_value then
    perform app_private.fail('RSARG', 'One of the values is of the wrong kind (durations are written like "02:00:00").');
end
$$;
comment on function app_public.revise_policy(uuid, jsonb) is 'For managers: adds a version with some rules changed (`{"confirm_deadline": "03:00:00"}`; names as in policy_versions). New bookings follow it; live ones keep the version they were made under until `applyPolicy`. Errors: RSNTF, RSARG.';

-- No day of a duration depends on the calendar: 24 hours, whatever the clocks do.
create function app_private.policy_versions_normalise() returns trigger
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
  new.reminder_leads := array(select app_private.in_seconds(l) from unnest(new.reminder_leads) with ordinality u (l, n) order by n);
  return new;
end
$$;
comment on function app_private.policy_versions_normalise() is 'Turns days in durations into hours.';

create function app_public.apply_policy(policy_id uuid) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_policy app_public.policies;
  v_version app_public.policy_versions;
  v_booking app_public.bookings;
  v_count integer := 0;
begin
  select * into v_policy from app_public.policies p where p.id = apply_policy.policy_id;
  if v_policy.id is null or not app_private.is_manager_in(v_policy.organization_id) then
    perform app_private.fail('RSNTF', 'There is no such policy.');
  end if;
  perform app_private.lock_room(array(select f.id from app_public.offerings f where f.policy_id = v_policy.id));
  select * into v_version from app_public.policy_versions v where v.policy_id = v_policy.id order by v.version desc limit 1;
  for v_booking in
    select b.* from app_public.bookings b
    join app_public.offerings f on f.id = b.offering_id and f.policy_id = v_policy.id
    where b.organization_id = v_policy.organization_id and b.ended_at is null
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
comment on function app_public.apply_policy(uuid) is 'For managers: moves the live bookings of a policy to its newest version and says how many moved: at most 100 at a time, so that nobody waits long for their rooms; call it until it says 0. No deadline somebody was told moves to an earlier time. Errors: RSNTF.';

create function app_private.apply_policy_to(booking app_public.bookings, policy app_public.policy_versions) returns void
language plpgsql volatile
as $$
declare
  -- Who was told that silence costs nothing is told anew, and has the minimum notice from then (I10).
  v_asks_anew boolean := policy.auto_cancel = 'on' and app_private.asks_confirmation(booking) and booking.reminders_done > 0
    and (select p.auto_cancel <> 'on' from app_public.policy_versions p where p.id = booking.policy_version_id);
  v_notice_ends_at timestamptz := app_private.clock() + policy.min_notice;
  v_room tstzrange := app_private.with_buffers(tstzrange(booking.starts_at, booking.ends_at), policy);
  v_changes_room boolean := v_room <> booking.room and booking.slot_id is null;
  v_booking app_public.bookings;
begin
  if v_changes_room then
    perform app_private.give_back_room(booking.id, hands_on => false);
    -- A larger buffer that does not fit any more waits for the next booking; this one keeps what it has.
    if not app_private.is_free(booking.offering_id, v_room) then
      v_room := booking.room;
    end if;
  end if;
  update app_public.bookings b
  set policy_version_id = policy.id, room = case when v_changes_room then v_room else b.room end,
      -- Every mail about the booking states it, from the first.
      confirm_by = case when b.confirm_by is not null then greatest(b.confirm_by, b.starts_at - policy.confirm_deadline,
        case when v_asks_anew and v_notice_ends_at < b.starts_at then v_notice_ends_at end) end,
      request_expires_at = case when b.status = 'pending' then greatest(b.request_expires_at,
        (app_private.terms_of(policy, b.starts_at, b.made_at, true)).request_expires_at) end,
      would_auto_cancel_at = null,
      sequence = case when v_asks_anew then b.sequence + 1 else b.sequence end,
      reminders_done = case when v_asks_anew then 0 else b.reminders_done end,
      reminder_sent_at = case when not v_asks_anew then b.reminder_sent_at end
  where b.id = booking.id
  returning * into v_booking;
  if v_changes_room then
    perform app_private.take_room(v_booking);
    perform app_private.hand_on(app_private.resources_of(booking.offering_id), booking.room);
  end if;
end
$$;
comment on function app_private.apply_policy_to(app_public.bookings, app_public.policy_versions) is 'Moves one locked booking to another policy version and hands on what a smaller buffer frees.';

revoke execute on function
  app_public.set_opening_hours(uuid, jsonb, boolean), app_private.lock_resource(uuid),
  app_public.archive_resource(uuid, boolean),
  app_private.replace_hours(app_public.resources, jsonb), app_public.set_offering_resources(uuid, uuid[]),
  app_public.revise_policy(uuid, jsonb), app_private.policy_versions_normalise(), app_public.apply_policy(uuid),
  app_private.apply_policy_to(app_public.bookings, app_public.policy_versions) from public;
grant execute on function
  app_public.set_opening_hours(uuid, jsonb, boolean), app_public.archive_resource(uuid, boolean),
  app_public.set_offering_resources(uuid, uuid[]),
  app_public.revise_policy(uuid, jsonb), app_public.apply_policy(uuid) to reslot_user, reslot_admin;
--! EndIncluded functions/configuration.sql
--! Included functions/recurrences.sql
-- The dates of a schedule are local dates, and become moments only when slots are made of them. Rules of one's own
-- (RFC 5545) are worked out by a job, with a library.
create function app_private.recurrence_dates(schedule app_public.schedules, since date, until date) returns setof date
language sql stable
as $$
  select d.day::date
  -- Timestamps without zone, as in hours_of: a series of dates would be one of midnights of the session's zone.
  from generate_series(
    greatest(since, schedule.valid_from)::timestamp, least(until, schedule.valid_until)::timestamp, interval '1 day') d (day)
  where case schedule.recurrence
    when 'none' then d.day = schedule.valid_from
    when 'daily' then true
    when 'weekly' then extract(isodow from d.day)::smallint = any (schedule.weekdays)
    -- Weeks begin on Monday, and are counted from the one of the first date.
    when 'every_two_weeks' then extract(isodow from d.day)::smallint = any (schedule.weekdays)
      and (date_trunc('week', d.day)::date - date_trunc('week', schedule.valid_from::timestamp)::date) % 14 = 0
    -- Months without this date have none.
    when 'monthly' then extract(day from d.day) = extract(day from schedule.valid_from)
    else false end
$$;
comment on function app_private.recurrence_dates(app_public.schedules, date, date) is 'The local dates of a schedule between two dates; none of a custom one.';
revoke execute on function app_private.recurrence_dates(app_public.schedules, date, date) from public;
--! EndIncluded functions/recurrences.sql
--! Included functions/generate_slots.sql
-- Slots are made of schedules: as often as one likes, always with the same outcome. What somebody has booked, and what a
-- manager has changed by hand, stays as it is.

create function app_private.plan_slot(
  schedule app_public.schedules, policy app_public.policy_versions, zone text, local_starts_at timestamp, now_at timestamptz
) returns app_public.planned_slot
language plpgsql stable
as $$
declare
  v_starts_at timestamptz := app_private.wall_time_if_any(local_starts_at, zone);
  v_slot app_public.slots;
begin
  -- A start that the clocks skip is reported rather than moved: nobody meant the hour after.
  if v_starts_at is null then
    return row(local_starts_at, 'gap', null)::app_public.planned_slot;
  end if;
  select * into v_slot from app_public.slots s where s.schedule_id = schedule.id and s.starts_at = v_starts_at;
  return row(local_starts_at, case
    when v_slot.id is not null then case
      when (v_slot.capacity, v_slot.min_size) <> (schedule.capacity, schedule.min_size)
        and v_slot.ended_at is null and v_slot.starts_at > now_at and v_slot.altered_at is null
        and not exists (select from app_public.bookings b where b.slot_id = v_slot.id and b.ended_at is null)
        then 'changed'
      else 'exists' end
    when v_starts_at <= now_at then 'over'
    when exists (select from app_private.blackouts_over(schedule.offering_id, v_starts_at, v_starts_at + schedule.duration))
      then 'blacked_out'
    when not app_private.is_free(schedule.offering_id,
        app_private.with_buffers(tstzrange(v_starts_at, v_starts_at + schedule.duration), policy)) then 'taken'
    else 'made' end, v_slot.id)::app_public.planned_slot;
end
$$;
comment on function app_private.plan_slot(app_public.schedules, app_public.policy_versions, text, timestamp, timestamptz) is 'What becomes of one local start of a schedule.';

create function app_private.make_slot(
  schedule app_public.schedules, policy app_public.policy_versions, zone text, local_starts_at timestamp, now_at timestamptz
) returns app_public.planned_slot
language plpgsql volatile
as $$
declare
  v_planned app_public.planned_slot := app_private.plan_slot(schedule, policy, zone, local_starts_at, now_at);
  v_during tstzrange;
  v_slot app_public.slots;
begin
  if v_planned.outcome = 'changed' then
    update app_public.slots s set capacity = schedule.capacity, min_size = schedule.min_size where s.id = v_planned.slot_id;
  elsif v_planned.outcome = 'made' then
    v_during := tstzrange(app_private.wall_time_if_any(local_starts_at, zone),
      app_private.wall_time_if_any(local_starts_at, zone) + schedule.duration);
    insert into app_public.slots (
      organization_id, offering_id, schedule_id, policy_version_id, day, starts_at, ends_at, room, capacity, min_size)
    values (schedule.organization_id, schedule.offering_id, schedule.id, policy.id, local_starts_at::date, lower(v_during),
      upper(v_during), app_private.with_buffers(v_during, policy), schedule.capacity, schedule.min_size)
    returning * into v_slot;
    perform app_private.take_room_for_slot(v_slot);
    v_planned.slot_id := v_slot.id;
  end if;
  -- Somebody may wait for any slot of this day.
  perform app_private.hand_on_places(v_planned.slot_id) where v_planned.outcome in ('made', 'changed');
  return v_planned;
end
$$;
comment on function app_private.make_slot(app_public.schedules, app_public.policy_versions, text, timestamp, timestamptz) is 'Makes one slot of a schedule, if there is none and can be one. The room is locked.';

create function app_private.make_slots(schedule_id uuid, local_starts timestamp[]) returns setof app_public.planned_slot
language plpgsql volatile rows 100
as $$
declare
  v_schedule app_public.schedules;
  v_policy app_public.policy_versions;
  v_zone text;
  v_start timestamp;
  v_now timestamptz;
begin
  perform app_private.lock_room(array[h.offering_id]) from app_public.schedules h where h.id = make_slots.schedule_id;
  v_now := app_private.clock();
  -- Changed meanwhile, it counts as it is now; who changes it later makes the slots again.
  select * into v_schedule from app_public.schedules h where h.id = make_slots.schedule_id for share;
  v_policy := app_private.policy_of(app_private.find_offering(v_schedule.offering_id));
  v_zone := app_private.zone_of(v_schedule.offering_id);
  foreach v_start in array local_starts loop
    continue when not v_schedule.active or v_schedule.recurrence <> 'custom' and not exists (
      select from app_private.recurrence_dates(v_schedule, v_start::date, v_start::date) d (day)
      where d.day + v_schedule.local_start = v_start);
    return next app_private.make_slot(v_schedule, v_policy, v_zone, v_start, v_now);
  end loop;
end
$$;
comment on function app_private.make_slots(uuid, timestamp[]) is 'Makes the slots of a schedule at these local times. Errors: RSNTF.';

create function app_private.managed_schedule(schedule_id uuid, since date, until date) returns app_public.schedules
language plpgsql stable
as $$
declare
  v_schedule app_public.schedules;
begin
  select * into v_schedule from app_public.schedules h where h.id = managed_schedule.schedule_id;
  if v_schedule.id is null or not app_private.is_manager_of(v_schedule.offering_id) then
    perform app_private.fail('RSNTF', 'There is no such schedule.');
  elsif since is null or until is null or since > until
     or since not between date '1900-01-01' and date '9000-01-01' or until - 731 > since then
    perform app_private.fail('RSARG', 'Name two dates, the first not after the last, and at most two years apart.');
  elsif app_private.resources_of(v_schedule.offering_id) = '{}' then
    -- Its resources are the lock on its room: without one nothing would be locked.
    perform app_private.fail('RSSTA', 'This offering uses no resource yet: name its guide, vehicle or meeting point first.');
  elsif v_schedule.recurrence = 'custom' then
    perform app_private.fail('RSARG', 'The slots of a custom rule are made by the nightly job.');
  end if;
  return v_schedule;
end
$$;
comment on function app_private.managed_schedule(uuid, date, date) is 'A schedule of which the caller makes slots. Errors: RSNTF, RSARG, RSSTA no resource.';

create function app_public.planned_slots(schedule_id uuid, "from" date, "to" date) returns setof app_public.planned_slot
language plpgsql stable security definer rows 100
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_schedule app_public.schedules := app_private.managed_schedule(schedule_id, "from", "to");
  v_policy app_public.policy_versions := app_private.policy_of(app_private.find_offering(v_schedule.offering_id));
  v_zone text := app_private.zone_of(v_schedule.offering_id);
begin
  return query
    select p.* from app_private.recurrence_dates(v_schedule, "from", "to") d (day)
    cross join lateral app_private.plan_slot(
      v_schedule, v_policy, v_zone, d.day + v_schedule.local_start, app_private.clock()) p
    order by d.day;
end
$$;
comment on function app_public.planned_slots(uuid, date, date) is 'For managers: what `generateSlots` would do between two local dates at most two years apart; changes nothing. Errors: RSNTF, RSARG, RSSTA no resource.';

create function app_public.generate_slots(schedule_id uuid, "from" date, "to" date) returns setof app_public.planned_slot
language plpgsql volatile security definer rows 100
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_schedule app_public.schedules := app_private.managed_schedule(schedule_id, "from", "to");
begin
  if not v_schedule.active then
    perform app_private.fail('RSSTA', 'This schedule is not active.');
  end if;
  return query select * from app_private.make_slots(v_schedule.id, array(
    select d.day + v_schedule.local_start from app_private.recurrence_dates(v_schedule, "from", "to") d (day) order by 1));
end
$$;
comment on function app_public.generate_slots(uuid, date, date) is 'For managers: makes the slots of a schedule between two local dates at most two years apart, and says what became of each date. Local times stay local; a start that daylight saving skips is reported, not moved; blackouts, and times at which a guide or vehicle is elsewhere, are passed over; what somebody has booked is never changed. Again: the same. (Each night a job keeps the policy''s `advanceDays` filled.) Errors: RSNTF, RSARG, RSSTA not active, or no resource.';

create function app_private.schedules_to_fill()
returns table (schedule_id uuid, rrule text, local_start time, valid_from date, first_day date, last_day date)
language sql stable security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select h.id, h.rrule, h.local_start, h.valid_from, greatest(t.day, h.valid_from),
    least(t.day + (app_private.policy_of(f)).advance_days, h.valid_until)
  from app_public.schedules h
  join app_public.offerings f on f.id = h.offering_id and f.archived_at is null
  join app_public.organizations g on g.id = h.organization_id and g.archived_at is null
  cross join lateral (select (app_private.clock() at time zone app_private.zone_of(f.id))::date) t (day)
  where h.active and coalesce(h.valid_until >= t.day, true)
  order by h.id
$$;
comment on function app_private.schedules_to_fill() is 'The schedules of which slots are made every night, and between which local dates.';

create function app_private.fill_schedule(schedule_id uuid, first_day date, last_day date, local_starts timestamp[] default null)
returns setof app_public.planned_slot
language plpgsql volatile security definer rows 100
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_schedule app_public.schedules;
begin
  perform set_config('reslot.via', 'job', true);
  select * into v_schedule from app_public.schedules h where h.id = fill_schedule.schedule_id and h.active;
  return query select * from app_private.make_slots(v_schedule.id, coalesce(local_starts, array(
    select d.day + v_schedule.local_start from app_private.recurrence_dates(v_schedule, first_day, last_day) d (day)
    order by 1)))
  where v_schedule.id is not null and app_private.resources_of(v_schedule.offering_id) <> '{}';
end
$$;
comment on function app_private.fill_schedule(uuid, date, date, timestamp[]) is 'For the nightly job: makes the slots of a schedule between two local dates; of a custom one at the local times that its rule gives.';

revoke execute on function
  app_private.plan_slot(app_public.schedules, app_public.policy_versions, text, timestamp, timestamptz),
  app_private.make_slot(app_public.schedules, app_public.policy_versions, text, timestamp, timestamptz),
  app_private.make_slots(uuid, timestamp[]), app_private.managed_schedule(uuid, date, date),
  app_public.planned_slots(uuid, date, date), app_public.generate_slots(uuid, date, date),
  app_private.schedules_to_fill(), app_private.fill_schedule(uuid, date, date, timestamp[]) from public;
grant execute on function app_public.planned_slots(uuid, date, date), app_public.generate_slots(uuid, date, date)
to reslot_user, reslot_admin;
grant execute on function app_private.schedules_to_fill(), app_private.fill_schedule(uuid, date, date, timestamp[])
to reslot_worker;
--! EndIncluded functions/generate_slots.sql
--! Included functions/end_slot.sql
-- How a slot ends: it is over, or it is cancelled. Either way its guide and vehicle are free again.

create function app_private.lock_slot(slot_id uuid) returns app_public.slots
language plpgsql volatile
as $$
declare
  v_slot app_public.slots;
begin
  select * into v_slot from app_public.slots s where s.id = lock_slot.slot_id;
  if v_slot.id is null then
    perform app_private.fail('RSNTF', 'There is no such slot.');
  end if;
  perform app_private.lock_room(array[v_slot.offering_id]);
  select * into v_slot from app_public.slots s where s.id = lock_slot.slot_id for no key update;
  return v_slot;
end
$$;
comment on function app_private.lock_slot(uuid) is 'Locks the room of a slot and then the slot. Errors: RSNTF.';

create function app_private.end_slot(slot_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_slot app_public.slots := app_private.lock_slot(slot_id);
begin
  if v_slot.ended_at is null and upper(v_slot.room) <= app_private.clock() then
    update app_public.slots s set ended_at = app_private.clock() where s.id = v_slot.id;
    perform app_private.give_back_room_of_slot(v_slot.id);
  end if;
end
$$;
comment on function app_private.end_slot(uuid) is 'A slot that is over, buffer included, has its guide and vehicle no more.';

create function app_private.cancel_slot_for(slot app_public.slots, reason text) returns app_public.slots
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
  perform app_private.end_offer(e.id, 'waiting', reason)
  from app_public.waitlist_entries e where e.slot_id = slot.id and e.status = 'offered';
  for v_entry in
    update app_public.waitlist_entries e set status = 'closed', ended_at = app_private.clock()
    where e.slot_id = slot.id and e.status = 'waiting'
    returning *
  loop
    perform app_private.notify_customer(v_entry.customer_id, 'entry_ended', null, v_entry.id,
      jsonb_build_object('reason', reason));
  end loop;
  for v_booking in
    select b.* from app_public.bookings b where b.slot_id = slot.id and b.ended_at is null order by b.id
  loop
    v_booking := app_private.end_booking(v_booking.id, 'cancelled', reason, refund => v_booking.price);
    perform app_private.notify_customer(v_booking.customer_id, 'booking_cancelled', v_booking.id, null,
      jsonb_build_object('actor', 'manager', 'reason', reason, 'alternatives', app_private.alternatives_to(v_booking)));
  end loop;
  perform app_private.give_back_room_of_slot(slot.id);
  return v_slot;
end
$$;
comment on function app_private.cancel_slot_for(app_public.slots, text) is 'Cancels a locked slot and its bookings, and tells their customers and who waited for it.';

create function app_private.check_minimum(slot_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_slot app_public.slots := app_private.lock_slot(slot_id);
  v_policy app_public.policy_versions;
  v_booked integer;
  v_now timestamptz := app_private.clock();
begin
  select * into v_policy from app_public.policy_versions p where p.id = v_slot.policy_version_id;
  -- Also null, if it has been cancelled meanwhile.
  if (app_private.slot_deadline(v_slot, v_policy)).action is distinct from 'check_minimum'
     or v_slot.starts_at - v_policy.minimum_cutoff > v_now then
    return;
  end if;
  update app_public.slots s set minimum_checked_at = v_now where s.id = v_slot.id returning * into v_slot;
  select coalesce(sum(b.places), 0) into v_booked
  from app_public.bookings b where b.slot_id = v_slot.id and b.status in ('pending', 'confirmed', 'in_progress');
  if v_booked >= v_slot.min_size or v_slot.starts_at <= v_now then
    return;
  elsif v_policy.under_minimum = 'cancel' then
    perform app_private.cancel_slot_for(v_slot, 'Too few people have booked.');
  elsif v_booked > 0 then
    perform app_private.notify_managers(v_slot.offering_id, 'slot_under_minimum', null, null, jsonb_build_object(
      'slotId', v_slot.id, 'booked', v_booked, 'minSize', v_slot.min_size));
  end if;
end
$$;
comment on function app_private.check_minimum(uuid) is 'Looks, at the policy''s cutoff and once, whether a slot has its minimum size; if not, its managers are told, or it is cancelled. Never after the start.';

revoke execute on function
  app_private.lock_slot(uuid), app_private.end_slot(uuid), app_private.cancel_slot_for(app_public.slots, text),
  app_private.check_minimum(uuid) from public;
--! EndIncluded functions/end_slot.sql
--! Included functions/manage_slots.sql
-- What managers do to single slots. What takes places away is refused over bookings, with their list; what frees places
-- hands them on.

create function app_private.lock_managed_slot(slot_id uuid) returns app_public.slots
language plpgsql volatile
as $$
begin
  -- Before the locks, as require_booking; what a slot is of never changes.
  if not exists (
    select from app_public.slots s
    where s.id = lock_managed_slot.slot_id and app_private.is_manager_of(s.offering_id)
  ) then
    perform app_private.fail('RSNTF', 'There is no such slot.');
  end if;
  return app_private.lock_slot(slot_id);
end
$$;
comment on function app_private.lock_managed_slot(uuid) is 'Locks a slot the caller manages. Errors: RSNTF.';

create function app_private.refuse_ended_slot(slot app_public.slots) returns void
language plpgsql stable
as $$
begin
  if slot.ended_at is not null then
    perform app_private.fail('RSSTA',
      case when slot.cancelled_reason is not null then 'This slot was cancelled.' else 'This slot is over.' end);
  end if;
end
$$;
comment on function app_private.refuse_ended_slot(app_public.slots) is 'Errors: RSSTA the slot is over or cancelled.';

create function app_private.refuse_over_bookings(slot app_public.slots, message text) returns void
language plpgsql stable
as $$
declare
  v_hit jsonb;
begin
  select jsonb_agg(jsonb_build_object('id', b.id, 'reference', b.reference, 'partySize', b.party_size, 'places', b.places)
                   order by b.made_at, b.id)
  into v_hit
  from (
    select * from app_public.bookings b
    where b.slot_id = slot.id and b.status in ('pending', 'confirmed', 'in_progress') order by b.made_at, b.id limit 200) b;
  if v_hit is not null then
    perform app_private.fail('RSBLK', message, jsonb_build_object('bookings', v_hit));
  end if;
end
$$;
comment on function app_private.refuse_over_bookings(app_public.slots, text) is 'Refuses what bookings of a slot stand in the way of, with their list. Errors: RSBLK.';

-- Whoever came last loses the offer first, and keeps the place in the queue.
create function app_private.take_back_offers(slot app_public.slots, until_taken integer, reason text) returns void
language plpgsql volatile
as $$
declare
  v_id uuid;
begin
  for v_id in
    select e.id from app_public.waitlist_entries e
    where e.slot_id = slot.id and e.status = 'offered' order by e.priority desc, e.joined_at desc, e.id desc
  loop
    exit when (select s.taken from app_public.slots s where s.id = slot.id) <= until_taken;
    perform app_private.end_offer(v_id, 'waiting', reason);
  end loop;
end
$$;
comment on function app_private.take_back_offers(app_public.slots, integer, text) is 'Ends offers of a slot that is not on sale until no more than so many places are taken.';

create function app_public.close_slot(slot_id uuid, reason text) returns app_public.slots
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_slot app_public.slots := app_private.lock_managed_slot(slot_id);
begin
  perform app_private.refuse_ended_slot(v_slot);
  if app_private.checked_text(reason, 500) is null then
    perform app_private.fail('RSARG', 'Please give a reason; customers are told.');
  end if;
  update app_public.slots s
  set closed_at = coalesce(s.closed_at, app_private.clock()), closed_reason = app_private.checked_text(reason, 500),
      altered_at = app_private.clock()
  where s.id = v_slot.id
  returning * into v_slot;
  perform app_private.take_back_offers(v_slot, 0, v_slot.closed_reason);
  select * into v_slot from app_public.slots s where s.id = v_slot.id;
  return v_slot;
end
$$;
comment on function app_public.close_slot(uuid, text) is 'For managers: takes a slot off sale, with a reason. Bookings stay, offers are taken back, and who waits keeps the place. Errors: RSNTF, RSSTA over or cancelled, RSARG.';

create function app_public.open_slot(slot_id uuid) returns app_public.slots
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_slot app_public.slots := app_private.lock_managed_slot(slot_id);
begin
  perform app_private.refuse_ended_slot(v_slot);
  if v_slot.closed_at is null then
    return v_slot;
  end if;
  update app_public.slots s set closed_at = null, closed_reason = null, altered_at = app_private.clock()
  where s.id = v_slot.id;
  perform app_private.hand_on_places(v_slot.id);
  select * into v_slot from app_public.slots s where s.id = v_slot.id;
  return v_slot;
end
$$;
comment on function app_public.open_slot(uuid) is 'For managers: puts a closed slot back on sale; its free places go to the people waiting first. Errors: RSNTF, RSSTA over or cancelled.';

create function app_public.alter_slot(
  slot_id uuid, capacity integer default null, min_size integer default null, price numeric default null
) returns app_public.slots
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_slot app_public.slots := app_private.lock_managed_slot(slot_id);
  v_capacity integer := coalesce(capacity, v_slot.capacity);
begin
  perform app_private.refuse_ended_slot(v_slot);
  if v_capacity not between 0 and 100000 or coalesce(min_size, 0) not between 0 and 100000
     or price < 0 or price >= 10000000000 or price <> round(price, 2) then
    perform app_private.fail('RSARG', 'The capacity and the minimum have to be from 0 to 100000, the price an amount.');
  end if;
  -- It could never reach its size, and might be cancelled for it.
  if coalesce(min_size, v_slot.min_size) > v_capacity then
    perform app_private.fail('RSARG', 'The minimum cannot be more than the capacity: change both.');
  end if;
  if v_capacity < (select coalesce(sum(b.places), 0) from app_public.bookings b
                   where b.slot_id = v_slot.id and b.status in ('pending', 'confirmed', 'in_progress')) then
    perform app_private.refuse_over_bookings(v_slot, 'More places than that are booked (see details).');
  end if;
  if v_capacity < v_slot.taken then
    -- Not on sale meanwhile, so that what is taken back goes to nobody else.
    update app_public.slots s
    set closed_at = coalesce(s.closed_at, app_private.clock()), closed_reason = coalesce(s.closed_reason, 'Its capacity changes.')
    where s.id = v_slot.id;
    perform app_private.take_back_offers(v_slot, v_capacity, 'There are fewer places now.');
  end if;
  update app_public.slots s
  set capacity = v_capacity, min_size = coalesce(alter_slot.min_size, s.min_size), price = coalesce(alter_slot.price, s.price),
      closed_at = v_slot.closed_at, closed_reason = v_slot.closed_reason, altered_at = app_private.clock()
  where s.id = v_slot.id;
  -- Of a price alone nothing becomes free.
  perform app_private.hand_on_places(v_slot.id) where v_capacity > v_slot.capacity or v_capacity < v_slot.taken;
  select * into v_slot from app_public.slots s where s.id = v_slot.id;
  return v_slot;
end
$$;
comment on function app_public.alter_slot(uuid, integer, integer, numeric) is 'For managers: changes capacity, minimum size or price of a person of one slot; its schedule does not change it any more. More places go to the people waiting. Fewer than are booked are refused; offers beyond them are taken back, of who came last first. Bookings keep their price. Errors: RSNTF, RSSTA over or cancelled, RSARG, RSBLK more is booked (details: bookings).';

create function app_public.cancel_slot(slot_id uuid, reason text, cancel_bookings boolean default false)
returns app_public.slots
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_slot app_public.slots := app_private.lock_managed_slot(slot_id);
begin
  if v_slot.cancelled_reason is not null then
    return v_slot;
  end if;
  perform app_private.refuse_ended_slot(v_slot);
  if app_private.checked_text(reason, 500) is null then
    perform app_private.fail('RSARG', 'Please give a reason; customers are told.');
  elsif not coalesce(cancel_bookings, false) then
    perform app_private.refuse_over_bookings(
      v_slot, 'This slot is booked (see details). Say cancelBookings to cancel them; their customers are told.');
  end if;
  return app_private.cancel_slot_for(v_slot, app_private.checked_text(reason, 500));
end
$$;
comment on function app_public.cancel_slot(uuid, text, boolean) is 'For managers: cancels a slot; its guide and vehicle are free again. Over bookings it is refused with their list, unless told to cancel them: then their customers get all of the price back, and a mail that names the nearest slots with room for them. Cancelling again returns the same slot. Errors: RSNTF, RSSTA over, RSARG no reason, RSBLK booked (details: bookings).';

revoke execute on function
  app_private.lock_managed_slot(uuid), app_private.refuse_ended_slot(app_public.slots),
  app_private.refuse_over_bookings(app_public.slots, text), app_private.take_back_offers(app_public.slots, integer, text),
  app_public.close_slot(uuid, text), app_public.open_slot(uuid),
  app_public.alter_slot(uuid, integer, integer, numeric), app_public.cancel_slot(uuid, text, boolean) from public;
grant execute on function
  app_public.close_slot(uuid, text), app_public.open_slot(uuid),
  app_public.alter_slot(uuid, integer, integer, numeric), app_public.cancel_slot(uuid, text, boolean)
to reslot_user, reslot_admin;
--! EndIncluded functions/manage_slots.sql
--! Included functions/check_availability.sql
create function app_private.why_not(
  slot app_public.slots, policy app_public.policy_versions, party app_private.party, now_at timestamptz
) returns text
language sql stable
as $$
  select case
    when slot.cancelled_reason is not null then 'cancelled'
    when slot.starts_at <= now_at then 'over'
    when slot.closed_at is not null then 'closed'
    when exists (select from app_private.blackouts_over(slot.offering_id, slot.starts_at, slot.ends_at)) then 'blacked_out'
    when not app_private.is_on_sale(slot) then 'archived'
    when app_private.elapsed(now_at, slot.starts_at) > make_interval(hours => 24 * policy.max_days_ahead) then 'too_early'
    when app_private.elapsed(now_at, slot.starts_at) < policy.booking_cutoff then 'too_late'
    when party.size not between policy.min_party and policy.max_party then 'party'
    when party.places > slot.capacity - slot.taken then 'full' end
$$;
comment on function app_private.why_not(app_public.slots, app_public.policy_versions, app_private.party, timestamptz) is 'Why a party cannot book a slot now; null if it can. The same rules as check_slot.';

create function app_public.check_availability(
  offering_id uuid, day date, party_size integer default 1, local_time time default null, adults integer default null,
  children integer default null, infants integer default null
) returns setof app_public.slot_choice
language plpgsql stable security definer rows 5
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_offering app_public.offerings := app_private.find_offering(offering_id);
  v_policy app_public.policy_versions := app_private.policy_of(v_offering);
  v_party app_private.party := app_private.places_for(
    app_private.checked_party(party_size, adults, children, infants), v_policy);
  v_zone text := app_private.zone_of(offering_id);
  v_now timestamptz := app_private.clock();
begin
  perform app_private.check_allocation(v_offering, true);
  if day is null or day not between date '1900-01-01' and date '9000-01-01' then
    perform app_private.fail('RSARG', 'Name a real date.');
  end if;
  return query
    select s.id, s.starts_at, s.ends_at, s.capacity - s.taken, q.price, q.currency, w.reason is null, w.reason,
      coalesce(w.reason = 'full' and v_policy.waitlist_enabled and v_party.places <= s.capacity, false)
    from app_public.slots s
    cross join lateral app_private.why_not(s, v_policy, v_party, v_now) w (reason)
    cross join lateral app_private.quote_for_slot(s.id, v_party, v_policy) q
    where s.offering_id = v_offering.id and s.day = check_availability.day
      -- By the start, where its local dates lie in time: that index has what is over as well.
      and s.starts_at > (check_availability.day::timestamp at time zone 'UTC') - interval '24 hours'
      and s.starts_at < (check_availability.day::timestamp at time zone 'UTC') + interval '48 hours'
    order by abs(extract(epoch from (s.starts_at at time zone v_zone)::time - local_time)) nulls first, s.starts_at, s.id;
end
$$;
comment on function app_public.check_availability(uuid, date, integer, time, integer, integer, integer) is 'The slots of an offering on a local date for a party: which it can book and at what price, why not the others, and whether waiting makes sense; with a local time, the nearest to it first. Errors: RSNTF no such offering, RSARG booked by the hour (ask `availability`), or an impossible party.';

create function app_public.availability_by_day(offering_id uuid, month date, party_size integer default 1)
returns setof app_public.day_summary
language plpgsql stable security definer rows 31
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_offering app_public.offerings := app_private.find_offering(offering_id);
  v_policy app_public.policy_versions := app_private.policy_of(v_offering);
  v_party app_private.party := app_private.checked_party(party_size);
  v_first date;
  v_last date;
  v_now timestamptz := app_private.clock();
begin
  perform app_private.check_allocation(v_offering, true);
  if month is null or month not between date '1900-01-01' and date '9000-01-01' then
    perform app_private.fail('RSARG', 'Name a date in the month you ask for.');
  end if;
  v_first := date_trunc('month', month::timestamp)::date;
  v_last := (date_trunc('month', month::timestamp) + interval '1 month')::date - 1;
  if exists (select from app_public.offering_resources x join app_public.resources r on r.id = x.resource_id
             where x.offering_id = v_offering.id and r.archived_at is not null) then
    return;
  end if;
  return query
    -- Looked up once for the month, not for each slot.
    with blacked_out as materialized (
      select tstzrange(k.starts_at, k.ends_at) as during
      from app_private.blackouts_over(v_offering.id, (v_first::timestamp at time zone 'UTC') - interval '24 hours',
        (v_last::timestamp at time zone 'UTC') + interval '48 hours') k)
    select s.day, count(*)::integer, sum(s.capacity - s.taken)::integer,
      bool_or(v_party.places <= s.capacity - s.taken and v_party.size between v_policy.min_party and v_policy.max_party)
    from app_public.slots s
    where s.offering_id = v_offering.id and s.day between v_first and v_last and s.ended_at is null
      and s.closed_at is null and s.starts_at > v_now and s.starts_at >= v_now + v_policy.booking_cutoff
      and s.starts_at <= v_now + make_interval(hours => 24 * v_policy.max_days_ahead)
      and not exists (select from blacked_out k where k.during && tstzrange(s.starts_at, s.ends_at))
    group by s.day
    order by s.day;
end
$$;
comment on function app_public.availability_by_day(uuid, date, integer) is 'The days of the month of a date on which an offering can be booked: slots on sale, places left, and whether one has room for so many adults. Days without slots are left out. Errors: RSNTF no such offering, RSARG.';

revoke execute on function
  app_private.why_not(app_public.slots, app_public.policy_versions, app_private.party, timestamptz),
  app_public.check_availability(uuid, date, integer, time, integer, integer, integer),
  app_public.availability_by_day(uuid, date, integer) from public;
grant execute on function
  app_public.check_availability(uuid, date, integer, time, integer, integer, integer),
  app_public.availability_by_day(uuid, date, integer) to reslot_anonymous, reslot_user, reslot_admin;
--! EndIncluded functions/check_availability.sql
--! Included functions/manifest.sql
-- Who comes, for whoever leads a slot: as rows, and as a table for spreadsheets.

create function app_public.slot_manifest(slot_id uuid) returns setof app_public.manifest_line
language plpgsql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  if not coalesce((select app_private.is_manager_of(s.offering_id) from app_public.slots s where s.id = slot_manifest.slot_id), false) then
    perform app_private.fail('RSNTF', 'There is no such slot.');
  end if;
  return query
    select b.id, b.reference, b.status, c.name, c.phone, c.email, b.adults, b.children, b.infants, b.places,
      b.attendance_confirmed_at is not null, b.special_requests, b.dietary_needs, b.access_needs
    from app_public.bookings b join app_public.customers c on c.id = b.customer_id
    where b.slot_id = slot_manifest.slot_id
      and b.status in ('pending', 'confirmed', 'in_progress', 'delivered', 'completed', 'no_show')
    order by c.name nulls last, b.reference;
end
$$;
comment on function app_public.slot_manifest(uuid) is 'For managers: the parties of a slot with their contacts and needs, by name; cancelled ones and holds are left out. Errors: RSNTF.';

-- A text that begins like a formula, also with the wide signs of East Asian keyboards, would be run by the spreadsheet
-- that opens the file.
create function app_private.csv_cell(value text) returns text
language sql immutable
return '"' || replace(case when value ~ '^\s*[-=+@\uff1d\uff0b\uff0d\uff20]' then '''' || value else coalesce(value, '') end, '"', '""') || '"';
comment on function app_private.csv_cell(text) is 'A cell of a CSV file (RFC 4180), never a formula.';

create function app_public.slot_manifest_csv(slot_id uuid) returns text
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select string_agg(r.line, E'\r\n' order by r.n) || E'\r\n'
  from (
    select 0 as n,
      'reference,status,name,phone,email,adults,children,infants,places,confirmed,special,dietary,access' as line
    union all
    select m.n, concat_ws(',', app_private.csv_cell(m.reference), m.status, app_private.csv_cell(m.customer_name),
      app_private.csv_cell(m.phone), app_private.csv_cell(m.email), m.adults, m.children, m.infants, m.places,
      case when m.attendance_confirmed then 'yes' else 'no' end, app_private.csv_cell(m.special_requests),
      app_private.csv_cell(m.dietary_needs), app_private.csv_cell(m.access_needs))
    from app_public.slot_manifest(slot_manifest_csv.slot_id) with ordinality m (
      booking_id, reference, status, customer_name, phone, email, adults, children, infants, places,
      attendance_confirmed, special_requests, dietary_needs, access_needs, n)
  ) r
$$;
comment on function app_public.slot_manifest_csv(uuid) is 'For managers: the same as `slotManifest`, as the text of a CSV file (RFC 4180). Errors: RSNTF.';

-- One message a customer, however many bookings they have there, overtaken by whatever ends or moves the booking that it
-- names.
create function app_private.tell_slot(slot_id uuid, data jsonb) returns integer
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
  v_count integer := 0;
begin
  for v_booking in
    select distinct on (b.customer_id) b.* from app_public.bookings b
    where b.slot_id = tell_slot.slot_id and b.status in ('pending', 'confirmed')
    order by b.customer_id, b.id
  loop
    perform app_private.notify_customer(v_booking.customer_id, 'message_slot', v_booking.id, null,
      data || jsonb_build_object('sequence', v_booking.sequence));
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;
comment on function app_private.tell_slot(uuid, jsonb) is 'Writes to everybody booked on a slot; says to how many.';

create function app_private.told_of(slot_id uuid, message_id uuid) returns integer
language sql stable
as $$
  select count(*)::integer
  from app_public.bookings b join app_public.notifications n on n.booking_id = b.id
  where b.slot_id = told_of.slot_id and n.kind = 'message_slot' and n.data ->> 'messageId' = message_id::text
$$;
comment on function app_private.told_of(uuid, uuid) is 'To how many customers of a slot a message was written.';

create function app_public.message_slot(
  slot_id uuid, message text, subject text default null, idempotency_key text default null
) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_slot app_public.slots;
  v_message text;
  v_subject text;
  v_id uuid;
  v_count integer;
begin
  select * into v_slot from app_public.slots s where s.id = message_slot.slot_id;
  if v_slot.id is null or not app_private.is_manager_of(v_slot.offering_id) then
    perform app_private.fail('RSNTF', 'There is no such slot.');
  end if;
  v_message := app_private.checked_text(message, 2000);
  v_subject := app_private.checked_text(subject, 200);
  if v_message is null or not coalesce(app_private.is_short_line(v_subject), true) then
    perform app_private.fail('RSARG', 'Please write something; a subject is one line, or left out.');
  end if;
  v_id := app_private.begin_idempotent('message_slot', idempotency_key,
    jsonb_build_array(slot_id, v_message, v_subject));
  if v_id is not null then
    return app_private.told_of(v_slot.id, v_id);
  end if;
  -- The customers, as whoever erases one locks them, so that nobody is written to after that; then the slot, so that
  -- whoever books or cancels it does so before or after.
  perform from app_public.customers c
  where c.id in (
    select b.customer_id from app_public.bookings b where b.slot_id = v_slot.id and b.status in ('pending', 'confirmed'))
  order by c.id for no key update;
  v_slot := app_private.lock_slot(v_slot.id);
  perform app_private.refuse_ended_slot(v_slot);
  if v_slot.starts_at <= app_private.clock() then
    perform app_private.fail('RSTIM', 'This slot has begun: ring the people up.');
  end if;
  v_id := uuidv7();
  v_count := app_private.tell_slot(v_slot.id,
    jsonb_build_object('messageId', v_id, 'subject', v_subject, 'reason', v_message));
  perform app_private.end_idempotent('message_slot', idempotency_key, v_id);
  return v_count;
end
$$;
comment on function app_public.message_slot(uuid, text, text, text) is 'For managers: writes to everybody who has booked a slot that has not begun, one message a customer, and says to how many. At most 2000 characters, with a subject of 200 or none. Errors: RSNTF, RSARG empty or too long, RSSTA over or cancelled, RSTIM begun.';

revoke execute on function
  app_private.tell_slot(uuid, jsonb), app_private.told_of(uuid, uuid),
  app_public.slot_manifest(uuid), app_private.csv_cell(text), app_public.slot_manifest_csv(uuid),
  app_public.message_slot(uuid, text, text, text) from public;
grant execute on function
  app_public.slot_manifest(uuid), app_public.slot_manifest_csv(uuid), app_public.message_slot(uuid, text, text, text)
to reslot_user, reslot_admin;
--! EndIncluded functions/manifest.sql
--! Included functions/time.sql
-- What time does to a booking or an entry. Each function locks, reads again, and quietly returns if the world has moved
-- on; each changes the row, and so sets the next deadline. The job only calls run_deadline.

create function app_private.remind(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
  v_policy app_public.policy_versions;
  v_now timestamptz;
begin
  -- No room changes, so the booking's own row is lock enough.
  select * into v_booking from app_public.bookings b where b.id = remind.booking_id for no key update;
  select * into v_policy from app_public.policy_versions p where p.id = v_booking.policy_version_id;
  v_now := app_private.clock();
  if v_booking.status <> 'confirmed' or coalesce(app_private.next_reminder(v_booking, v_policy) > v_now, true) then
    return;
  end if;
  -- A late worker sends one reminder, not all that were missed.
  update app_public.bookings b
  set reminders_done = greatest(b.reminders_done + 1, (
    select count(*) from unnest(v_policy.reminder_leads) l (lead) where v_booking.starts_at - l.lead <= v_now))
  where b.id = v_booking.id;
  perform app_private.notify_customer(v_booking.customer_id,
    case when app_private.asks_confirmation(v_booking) then 'booking_reminder' else 'booking_reminder_info' end,
    v_booking.id, null, jsonb_build_object('sequence', v_booking.sequence));
end
$$;
comment on function app_private.remind(uuid) is 'Writes the reminder that is due: one that asks for confirmation, or one that informs.';

-- I10: nobody loses a booking over a mail that never came.
create function app_private.auto_cancel(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
  v_policy app_public.policy_versions;
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
      update app_public.bookings b set would_auto_cancel_at = v_now where b.id = v_booking.id;
      return;
    end if;
    perform app_private.end_booking(v_booking.id, 'auto_cancelled', 'Attendance was not confirmed in time.',
      refund => app_private.refund_due(v_booking, v_policy, v_now));
    perform app_private.notify_customer(v_booking.customer_id, 'booking_auto_cancelled', v_booking.id, null);
  elsif v_booking.starts_at > v_now and v_booking.reminder_sent_at + v_policy.min_notice < v_booking.starts_at then
    update app_public.bookings b set confirm_by = v_booking.reminder_sent_at + v_policy.min_notice where b.id = v_booking.id;
  else
    update app_public.bookings b set spared_at = v_now where b.id = v_booking.id;
    perform app_private.notify_managers(v_booking.offering_id, 'booking_spared', v_booking.id, null,
      jsonb_build_object('sequence', v_booking.sequence));
  end if;
end
$$;
comment on function app_private.auto_cancel(uuid) is 'Releases an unconfirmed booking at its deadline, if its reminder was accepted by the mail server at least min_notice earlier and has not bounced; else moves the deadline, or spares the booking and tells the managers. Never after the start.';

create function app_private.note_reminder_sent(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings;
  v_policy app_public.policy_versions;
  v_sent_at timestamptz;
begin
  select * into v_booking from app_public.bookings b where b.id = note_reminder_sent.booking_id for no key update;
  select min(d.sent_at) into v_sent_at
  from app_public.notifications n join app_public.deliveries d on d.notification_id = n.id
  where n.booking_id = v_booking.id and n.kind = 'booking_reminder'
    and (n.data ->> 'sequence')::integer = v_booking.sequence and d.status = 'sent' and d.bounced_at is null;
  if v_booking.status <> 'confirmed' or v_sent_at is not distinct from v_booking.reminder_sent_at then
    return;
  end if;
  select * into v_policy from app_public.policy_versions p where p.id = v_booking.policy_version_id;
  -- An accepted reminder may come too late for the deadline, but not too late for another one before the start.
  update app_public.bookings b
  set reminder_sent_at = v_sent_at,
      confirm_by = greatest(b.confirm_by, case
        when v_sent_at + v_policy.min_notice < b.starts_at then v_sent_at + v_policy.min_notice end),
      spared_at = case
        when v_sent_at is null or v_sent_at + v_policy.min_notice >= b.starts_at then b.spared_at end
  where b.id = v_booking.id and b.confirm_by is not null;
end
$$;
comment on function app_private.note_reminder_sent(uuid) is 'Notes on the booking when the mail server accepted its reminder (null if it bounced), and moves the confirmation deadline to leave the minimum notice.';

create function app_private.start_booking(booking_id uuid) returns void
language sql volatile
as $$
  update app_public.bookings b set status = 'in_progress'
  where b.id = start_booking.booking_id and b.status = 'confirmed' and b.starts_at <= (select app_private.clock())
$$;
comment on function app_private.start_booking(uuid) is 'A confirmed booking whose start has come is in progress.';

create function app_private.complete_booking(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
begin
  if v_booking.status = 'in_progress' and upper(v_booking.room) <= app_private.clock() then
    perform app_private.end_booking(v_booking.id, 'completed', null);
  end if;
end
$$;
comment on function app_private.complete_booking(uuid) is 'A booking that is over, buffer included, is completed.';

create function app_private.expire_request(booking_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking(booking_id);
begin
  if v_booking.status = 'pending' and v_booking.request_expires_at <= app_private.clock() then
    perform app_private.end_booking(v_booking.id, 'expired', 'The request was not answered in time.',
      refund => v_booking.price);
    perform app_private.notify_customer(v_booking.customer_id, 'booking_expired', v_booking.id, null);
  end if;
end
$$;
comment on function app_private.expire_request(uuid) is 'Ends a request nobody answered and hands its room on.';

create function app_private.lapse(entry_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_entry app_public.waitlist_entries;
begin
  update app_public.waitlist_entries e set status = 'lapsed', ended_at = app_private.clock()
  where e.id = lapse.entry_id and e.status = 'waiting' and app_private.waits_until(e) <= (select app_private.clock())
  returning * into v_entry;
  if found then
    perform app_private.notify_customer(v_entry.customer_id, 'entry_ended', null, v_entry.id);
  end if;
end
$$;
comment on function app_private.lapse(uuid) is 'An entry whose time has come has waited in vain.';

create function app_private.run_deadline(subject_id uuid) returns text
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
comment on function app_private.run_deadline(uuid) is 'Does what is due to a subject, if it still is. Out comes the action, or `gone`, or `early`. Harmless when late, doubled or retried.';

create function app_private.note_deadline_failure(subject_id uuid, error text) returns void
language sql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  update app_private.deadlines d set attempts = d.attempts + 1, last_error = left(error, 500)
  where d.subject_id = note_deadline_failure.subject_id
$$;
comment on function app_private.note_deadline_failure(uuid, text) is 'Leaves a trace of a failed job where admins look (job_health).';

revoke execute on function
  app_private.remind(uuid), app_private.auto_cancel(uuid), app_private.note_reminder_sent(uuid),
  app_private.start_booking(uuid), app_private.complete_booking(uuid), app_private.expire_request(uuid),
  app_private.lapse(uuid), app_private.run_deadline(uuid), app_private.note_deadline_failure(uuid, text) from public;
grant execute on function app_private.run_deadline(uuid), app_private.note_deadline_failure(uuid, text) to reslot_worker;
--! EndIncluded functions/time.sql
--! Included functions/outbox.sql
-- The outbox: a lease before the SMTP dialogue, `sent` after it. Marking touches deliveries only; what depends on the
-- acceptance follows in a transaction of its own, with the locks it needs.

create function app_private.is_current(delivery app_public.deliveries) returns boolean
language sql stable
as $$
  select case k.current_while
      when 'always' then true
      when 'booking_live' then b.ended_at is null
      when 'booking_pending' then b.status = 'pending'
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
comment on function app_private.is_current(app_public.deliveries) is 'Whether a message is still worth sending, or overtaken: a reminder for a cancelled booking, an offer that is over, a time that was moved again.';

create function app_private.next_deliveries(batch integer) returns setof app_public.deliveries
language sql volatile rows 10
-- In the order of the index, whatever the statistics say: they mostly see an empty queue, and would have a backlog of
-- thousands sorted for each mail.
set enable_sort = off
as $$
  select d.* from app_public.deliveries d
  where d.status = 'queued' and d.next_attempt_at <= (select app_private.clock())
    -- First tries about one subject to one address go out in the order in which they were owed.
    -- (Not as `exists`, which may be planned as one look at all deliveries there are.)
    and (
      select earlier.id from app_public.deliveries earlier
      where earlier.subject_id = d.subject_id and earlier.id < d.id and earlier.address = d.address
        and (earlier.status = 'sending' or earlier.status = 'queued' and earlier.attempts = 0)
      limit 1) is null
  -- An offer keeps a place from everybody else while it is on its way: before a hundred receipts of the same moment.
  order by d.urgent desc, d.next_attempt_at, d.id
  limit batch
  for no key update of d skip locked
$$;
comment on function app_private.next_deliveries(integer) is 'Locks up to so many deliveries that can be tried now and that nobody else is looking at.';

create function app_private.lease_deliveries(batch integer)
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
        update app_public.deliveries d set status = 'obsolete' where d.id = v_delivery.id;
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
comment on function app_private.lease_deliveries(integer) is 'Leases up to so many due deliveries for 15 seconds and returns what their mails are made of, with freshly issued links, and whether it has to be followed up. What was overtaken becomes obsolete instead.';

-- Short, so that the mails of a worker that was killed go on within seconds; a living one renews it for as long as a slow
-- mail server takes.
create function app_private.renew_lease(delivery_id uuid, attempt integer) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  update app_public.deliveries d set lease_until = app_private.clock() + interval '15 seconds'
  where d.id = renew_lease.delivery_id and d.attempts = renew_lease.attempt and d.status = 'sending';
  return found;
end
$$;
comment on function app_private.renew_lease(uuid, integer) is 'The dialogue with the mail server goes on. False if this attempt is no longer the current one: it has to be broken off.';

create function app_private.has_consequences(kind text) returns boolean
language sql immutable parallel safe
return kind in ('slot_available', 'booking_reminder');
comment on function app_private.has_consequences(text) is 'Whether something depends on what becomes of a message (follow_up_delivery): the claim window of an offer, the notice of a reminder.';

create function app_private.mark_delivery_sent(delivery_id uuid, attempt integer) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_now timestamptz := app_private.clock();
begin
  -- Also after the lease ran out, as long as nobody else has taken it up: the mail is out.
  update app_public.deliveries d
  set status = 'sent', sent_at = v_now, lease_until = null, last_error = null,
      followed_up_at = case when not app_private.has_consequences(n.kind) then v_now end
  from app_public.notifications n
  where n.id = d.notification_id and d.id = mark_delivery_sent.delivery_id and d.attempts = mark_delivery_sent.attempt
    and d.status in ('sending', 'queued');
  return found;
end
$$;
comment on function app_private.mark_delivery_sent(uuid, integer) is 'The mail server has accepted it. False if this attempt is no longer the current one.';

create function app_private.mark_delivery_failed(delivery_id uuid, attempt integer, error text, permanent boolean) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_now timestamptz := app_private.clock();
begin
  update app_public.deliveries d
  set status = case when permanent
        or d.created_at + (app_private.default_policy(d.organization_id)).mail_give_up_after < v_now
        then 'dead' else 'queued' end::app_public.delivery_status,
      lease_until = null, last_error = left(mark_delivery_failed.error, 500),
      -- 2 s, 4 s, … up to 5 minutes: offers and reminders cannot wait for hours once the server is back.
      next_attempt_at = v_now + least(interval '1 second' * power(2, least(d.attempts, 20)), interval '5 minutes')
  where d.id = mark_delivery_failed.delivery_id and d.attempts = mark_delivery_failed.attempt and d.status = 'sending';
  return found;
end
$$;
comment on function app_private.mark_delivery_failed(uuid, integer, text, boolean) is 'A try failed: queued again with back-off, or dead if the refusal was final or it has been tried for mail_give_up_after. False if this attempt is no longer the current one.';

create function app_private.follow_up_delivery(delivery_id uuid) returns void
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
comment on function app_private.follow_up_delivery(uuid) is 'Sets in motion what depends on a delivery: the claim window of an offer, the notice of a reminder. Repeating it changes nothing.';

create function app_private.deliveries_to_follow_up(batch integer) returns setof uuid
language sql stable security definer rows 10
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select d.id from app_public.deliveries d
  where d.status in ('sent', 'dead') and d.followed_up_at is null
  order by d.id limit batch
$$;
comment on function app_private.deliveries_to_follow_up(integer) is 'Deliveries whose consequences are still to be set in motion; usually none, some after a worker was killed.';

create function app_private.record_bounce(delivery_id uuid) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_note app_public.notifications;
begin
  select n.* into v_note from app_public.deliveries d join app_public.notifications n on n.id = d.notification_id
  where d.id = record_bounce.delivery_id;
  if v_note.id is null then
    perform app_private.fail('RSNTF', 'There is no such delivery.');
  end if;
  -- The booking before the delivery: note_reminder_sent reads both.
  perform from app_public.bookings b where b.id = v_note.booking_id for no key update;
  update app_public.deliveries d set bounced_at = app_private.clock()
  where d.id = record_bounce.delivery_id and d.bounced_at is null;
  if v_note.kind = 'booking_reminder' then
    perform app_private.note_reminder_sent(v_note.booking_id);
  end if;
end
$$;
comment on function app_private.record_bounce(uuid) is 'A mail came back. A booking whose reminder bounced is not released. Errors: RSNTF.';

revoke execute on function
  app_private.is_current(app_public.deliveries), app_private.next_deliveries(integer),
  app_private.lease_deliveries(integer), app_private.renew_lease(uuid, integer),
  app_private.has_consequences(text), app_private.mark_delivery_sent(uuid, integer),
  app_private.mark_delivery_failed(uuid, integer, text, boolean),
  app_private.follow_up_delivery(uuid), app_private.deliveries_to_follow_up(integer), app_private.record_bounce(uuid)
from public;
grant execute on function
  app_private.lease_deliveries(integer), app_private.renew_lease(uuid, integer),
  app_private.mark_delivery_sent(uuid, integer),
  app_private.mark_delivery_failed(uuid, integer, text, boolean), app_private.follow_up_delivery(uuid),
  app_private.deliveries_to_follow_up(integer) to reslot_worker;
grant execute on function app_private.record_bounce(uuid) to reslot_admin;
--! EndIncluded functions/outbox.sql
--! Included functions/mail_model.sql
-- What a mail is made of, as data: the words are in templates/. Deadlines are stated as counted from now, just before
-- sending; the stored ones count from the mail server's acceptance, so they are never earlier than what was promised.

create function app_private.booking_as_json(booking app_public.bookings) returns jsonb
language sql stable
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'id', booking.id, 'reference', booking.reference, 'status', booking.status, 'sequence', booking.sequence,
    'offeringId', f.id, 'offeringName', f.name, 'address', f.address, 'directions', f.directions,
    'supportContact', f.support_contact, 'timeZone', app_private.zone_of(f.id),
    'resourceNames', (
      select jsonb_agg(r.name order by r.name) from app_public.offering_resources x
      join app_public.resources r on r.id = x.resource_id where x.offering_id = f.id),
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
    'requestExpiresAt', booking.request_expires_at))
  from app_public.offerings f, app_public.policy_versions p, app_public.customers c
  where f.id = booking.offering_id and p.id = booking.policy_version_id and c.id = booking.customer_id
$$;
comment on function app_private.booking_as_json(app_public.bookings) is 'A booking as mails and link pages show it.';

create function app_private.entry_as_json(entry app_public.waitlist_entries) returns jsonb
language sql stable
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'id', entry.id, 'status', entry.status, 'offeringId', f.id, 'offeringName', f.name, 'address', f.address,
    'supportContact', f.support_contact, 'timeZone', app_private.zone_of(f.id),
    'startsAt', entry.starts_at, 'endsAt', entry.ends_at, 'partySize', entry.party_size, 'note', entry.note,
    -- A hold is sold at the price it was offered at.
    'price', case when h.id is not null or not entry.for_places then coalesce(h.price, f.price)
      else (app_private.quote_for_slot(entry.slot_id, app_private.party_of(entry), p)).price end,
    -- Until an offer is made any slot of the day will do.
    'day', case when entry.slot_id is null then entry.day end, 'currency', coalesce(h.currency, g.currency),
    'needsApproval', p.requires_approval,
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
comment on function app_private.entry_as_json(app_public.waitlist_entries) is 'A waitlist entry as mails and link pages show it.';

create function app_private.slot_as_json(slot_id uuid) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'id', s.id, 'offeringId', f.id, 'offeringName', f.name, 'timeZone', app_private.zone_of(f.id),
    'startsAt', s.starts_at, 'endsAt', s.ends_at)
  from app_public.slots s join app_public.offerings f on f.id = s.offering_id
  where s.id = slot_as_json.slot_id
$$;
comment on function app_private.slot_as_json(uuid) is 'A slot as mails show it.';

create function app_private.customer_contact(customer_id uuid) returns jsonb
language sql stable
as $$
  select jsonb_build_object('customerContact', nullif(concat_ws(', ', c.phone, c.email), ''))
  from app_public.customers c where c.id = customer_contact.customer_id
$$;
comment on function app_private.customer_contact(uuid) is 'How managers reach a customer, as their mails show it.';

create function app_private.organization_as_json(organization_id uuid) returns jsonb
language sql stable
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'id', g.id, 'slug', g.slug, 'name', g.name, 'logoUrl', g.logo_url, 'address', g.address,
    'supportEmail', g.support_email, 'supportPhone', g.support_phone, 'frontEndUrl', g.front_end_url,
    'locale', g.locale, 'timeZone', g.time_zone))
  from app_public.organizations g where g.id = organization_as_json.organization_id
$$;
comment on function app_private.organization_as_json(uuid) is 'An organisation as mails and link pages show it.';

create function app_private.link_expiry(
  action app_private.link_action, booking app_public.bookings, entry app_public.waitlist_entries
) returns timestamptz
language sql volatile
return case action
  when 'magic' then app_private.clock() + interval '15 minutes'
  when 'reset' then app_private.clock() + interval '1 hour'
  when 'verify' then app_private.clock() + interval '48 hours'
  when 'unsubscribe' then app_private.clock() + interval '8760 hours'
  -- Until the end: after that the page only says that it is too late.
  else coalesce(booking.ends_at, entry.ends_at)
end;
comment on function app_private.link_expiry(app_private.link_action, app_public.bookings, app_public.waitlist_entries) is 'How long a link is valid: sign-in 15 minutes, password reset an hour, verification two days, unsubscription a year, everything else until the end of what it is about.';

create function app_private.issue_links(
  delivery app_public.deliveries, note app_public.notifications, actions app_private.link_action[],
  booking app_public.bookings, entry app_public.waitlist_entries
) returns jsonb
language sql volatile
as $$
  select coalesce(jsonb_object_agg(a.action, app_private.issue_link(
    a.action, note.organization_id, note.customer_id, note.user_id,
    case when a.action in ('confirm', 'cancel', 'approve', 'reject') then booking.id end,
    case when a.action in ('claim', 'decline', 'leave') then entry.id end,
    delivery.id, app_private.link_expiry(a.action, booking, entry))), '{}')
  from unnest(actions) a (action)
$$;
comment on function app_private.issue_links(app_public.deliveries, app_public.notifications, app_private.link_action[], app_public.bookings, app_public.waitlist_entries) is 'New links for one mail; every try issues its own, all of them work.';

create function app_private.live_bookings_with_links(delivery app_public.deliveries, note app_public.notifications) returns jsonb
language sql volatile
as $$
  select jsonb_agg(app_private.booking_as_json(b) || jsonb_build_object('tokens', app_private.issue_links(
      delivery, note,
      case when app_private.asks_confirmation(b) then '{confirm,cancel}' else '{cancel}' end::app_private.link_action[],
      b, null)) order by b.starts_at)
  from app_public.bookings b
  where b.customer_id = note.customer_id and b.status in ('pending', 'confirmed')
$$;
comment on function app_private.live_bookings_with_links(app_public.deliveries, app_public.notifications) is 'All live bookings of the customer, for "send my links again".';

create function app_private.live_entries_with_links(delivery app_public.deliveries, notification app_public.notifications) returns jsonb
language sql volatile
as $$
  select jsonb_agg(app_private.entry_as_json(e) || jsonb_build_object('tokens', app_private.issue_links(
      delivery, notification,
      case
        when e.status = 'offered' then '{claim,decline}'
        -- In the last call the first to claim gets it, so these links are the offer.
        when e.last_call_at <= (select app_private.clock()) then '{claim,leave}'
        else '{leave}' end::app_private.link_action[],
      null, e)) order by e.starts_at)
  from app_public.waitlist_entries e
  where e.customer_id = notification.customer_id and e.ended_at is null
$$;
comment on function app_private.live_entries_with_links(app_public.deliveries, app_public.notifications) is 'All live waitlist entries of the customer, for "send my links again".';

create function app_private.mail_model(delivery app_public.deliveries)
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
      -- A message to a user about a booking is one to a manager, who may have to call.
      || case when v_note.user_id is not null then app_private.customer_contact(v_booking.customer_id) else '{}' end end,
    'entry', case when v_entry.id is not null then app_private.entry_as_json(v_entry) end,
    'slot', app_private.slot_as_json((v_note.data ->> 'slotId')::uuid),
    'bookings', case when v_note.kind = 'links_again' then app_private.live_bookings_with_links(delivery, v_note) end,
    'entries', case when v_note.kind = 'links_again' then app_private.live_entries_with_links(delivery, v_note) end,
    'tokens', app_private.issue_links(delivery, v_note, v_kind.actions, v_booking, v_entry)));
end
$$;
comment on function app_private.mail_model(app_public.deliveries) is 'Kind, language and data of the mail of a delivery, with new links.';

revoke execute on function
  app_private.booking_as_json(app_public.bookings), app_private.entry_as_json(app_public.waitlist_entries),
  app_private.slot_as_json(uuid), app_private.customer_contact(uuid), app_private.organization_as_json(uuid),
  app_private.link_expiry(app_private.link_action, app_public.bookings, app_public.waitlist_entries),
  app_private.issue_links(app_public.deliveries, app_public.notifications, app_private.link_action[], app_public.bookings, app_public.waitlist_entries),
  app_private.live_bookings_with_links(app_public.deliveries, app_public.notifications),
  app_private.live_entries_with_links(app_public.deliveries, app_public.notifications),
  app_private.mail_model(app_public.deliveries) from public;
--! EndIncluded functions/mail_model.sql
--! Included functions/dispatch.sql
-- Bookings own their deadlines; the queue only carries them out. User transactions never touch the queue: NOTIFY would
-- serialise their commits, and keyed add_job on a hot key silently loses calls. Dispatch, in a transaction of its own,
-- turns what is due into jobs. It runs after each mutation, four times a second, and every minute as the safety net.

-- The queue's tables can be used by their owner only: these two functions, owned by the worker, are the way in. They lie
-- in a schema of ours because the queue's own may be lost (a restore without it) and is then built anew.
create function app_private.add_jobs(jobs jsonb) returns integer
language sql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  -- The queue lives by the wall clock, whatever time is simulated.
  select count(*)::integer from graphile_worker.add_jobs(array(
    select row(j.task, j.payload::json, null, clock_timestamp() + coalesce(j.delay_seconds, 0) * interval '1 second',
               25, j.key, 0::smallint, null)::graphile_worker.job_spec
    from jsonb_to_recordset(jobs) as j (task text, payload jsonb, delay_seconds double precision, key text)
    order by j.key))
$$;
comment on function app_private.add_jobs(jsonb) is 'Adds jobs [{task, payload, delay_seconds, key}] in one call; a job of the same key that waits is replaced.';

-- A worker that hangs, or sits on a machine that was put to sleep, still has its connections and so counts as alive. A
-- deadline takes milliseconds: a job that has been at work for half a minute is given to somebody else as well. One that
-- would rest longer than that is tried now: after some failures the queue waits for hours, and so it would after the
-- clock of the database was ahead for a while.
create function app_private.live_jobs(keys text[]) returns setof text
language sql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select j.key from graphile_worker.jobs j
  where j.key = any (keys) and j.attempts < j.max_attempts
    and coalesce(j.locked_at > clock_timestamp() - interval '30 seconds', true)
    and j.run_at < clock_timestamp() + interval '30 seconds'
$$;
comment on function app_private.live_jobs(text[]) is 'Which of these keys belong to a job that will soon run.';

revoke execute on function app_private.add_jobs(jsonb), app_private.live_jobs(text[]) from public;
-- Only for as long as it takes: the worker makes nothing in our schemas.
grant create on schema app_private to reslot_worker;
alter function app_private.add_jobs(jsonb) owner to reslot_worker;
alter function app_private.live_jobs(text[]) owner to reslot_worker;
revoke create on schema app_private from reslot_worker;
-- Granted by its new owner: what the old one granted itself goes with the ownership.
set local role reslot_worker;
grant execute on function app_private.add_jobs(jsonb), app_private.live_jobs(text[]) to reslot_owner;
set local role reslot_owner;

create function app_private.queue_due_deadlines(batch integer, horizon interval) returns integer
language plpgsql volatile
as $$
declare
  v_now timestamptz := app_private.clock();
  v_jobs jsonb;
begin
  with due as (
    select d.subject_id from app_private.deadlines d
    where d.queued_at is null and d.due_at <= v_now + horizon
    order by d.due_at
    limit batch
    for update skip locked
  ), marked as (
    update app_private.deadlines d set queued_at = v_now
    from due where d.subject_id = due.subject_id
    returning d.subject_id, d.due_at
  )
  select jsonb_agg(jsonb_build_object(
    'task', 'deadlines__carry_out', 'key', 'deadline:' || m.subject_id,
    'payload', jsonb_build_object('subjectId', m.subject_id),
    'delay_seconds', greatest(extract(epoch from m.due_at - v_now), 0)))
  into v_jobs from marked m;
  if v_jobs is null then
    return 0;
  end if;
  return app_private.add_jobs(v_jobs);
end
$$;
comment on function app_private.queue_due_deadlines(integer, interval) is 'Marks deadlines that are due within the horizon and queues a job for each, due at the deadline.';

-- A lease whose holder died is given back here; a mark without a job (the queue was emptied, the job used up its tries)
-- is cleared, so that the deadline is queued again. What lies further ahead than anything is ever put was written while
-- the clock of the database was wrong; it does not wait until that time comes.
create function app_private.recover_lost_work() returns integer
language plpgsql volatile
as $$
declare
  v_now timestamptz := app_private.clock();
  v_leases integer;
  v_marks integer;
begin
  update app_public.deliveries d set status = 'queued', lease_until = null, next_attempt_at = v_now
  where d.id in (
    select l.id from app_public.deliveries l
    where l.status = 'sending' and (l.lease_until < v_now or l.lease_until > v_now + interval '1 minute')
    order by l.lease_until limit 1000 for update skip locked);
  get diagnostics v_leases = row_count;
  update app_public.deliveries d set next_attempt_at = v_now
  where d.id in (
    select q.id from app_public.deliveries q where q.status = 'queued' and q.next_attempt_at > v_now + interval '10 minutes'
    order by q.next_attempt_at limit 1000 for update skip locked);

  with queued as (
    select d.subject_id, 'deadline:' || d.subject_id as key from app_private.deadlines d
    where d.queued_at < v_now - interval '5 seconds' or d.queued_at > v_now + interval '5 seconds'
    order by d.queued_at limit 5000
    for update skip locked
  )
  update app_private.deadlines d set queued_at = null
  from queued q
  where d.subject_id = q.subject_id
    and q.key not in (select k from app_private.live_jobs((select array_agg(a.key) from queued a)) k);
  get diagnostics v_marks = row_count;
  return v_leases + v_marks;
end
$$;
comment on function app_private.recover_lost_work() is 'Gives back what dead workers or a lost queue left behind: expired leases, marked deadlines without a job.';

create function app_private.queue_sending() returns integer
language plpgsql volatile
as $$
declare
  v_waiting integer;
begin
  select count(*) into v_waiting from (
    select from app_public.deliveries d
    where d.status = 'queued' and d.next_attempt_at <= (select app_private.clock()) limit 400) w;
  if v_waiting = 0 and not exists (select from app_private.deliveries_to_follow_up(1)) then
    return 0;
  end if;
  -- These keys are the same for all that dispatch, and the queue writes several in an order of its own: one at a time,
  -- or two would wait for each other.
  perform pg_advisory_xact_lock(hashtextextended('reslot:queue_sending', 0));
  -- A few jobs, each of which works until nothing is left; one for every hundred mails that wait.
  return app_private.add_jobs((
    select jsonb_agg(jsonb_build_object('task', 'deliveries__send', 'key', 'send:' || n, 'payload', '{}'::jsonb))
    from generate_series(1, greatest(1, ceil(v_waiting / 100.0))) n));
end
$$;
comment on function app_private.queue_sending() is 'Queues a few send jobs while deliveries wait. A send job carries no ids: it takes what is due.';

create function app_private.publish_notifications(batch integer) returns integer
language plpgsql volatile
as $$
declare
  v_count integer;
begin
  with fresh as (
    select n.id from app_public.notifications n where n.published_at is null
    order by n.id limit batch for update skip locked
  ), published as (
    update app_public.notifications n set published_at = app_private.clock()
    from fresh where n.id = fresh.id
    returning n.id, coalesce(n.user_id, (select c.user_id from app_public.customers c where c.id = n.customer_id)) as user_id
  )
  select count(pg_notify('notifications:' || p.user_id, json_build_object('id', p.id)::text)) into v_count
  from published p where p.user_id is not null;
  return v_count;
end
$$;
comment on function app_private.publish_notifications(integer) is 'Tells subscribers of new notifications (NOTIFY notifications:<user id>).';

create function app_private.dispatch(recover boolean default false) returns integer
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
  v_done := v_done + app_private.queue_sending();
  return v_done + app_private.publish_notifications(1000);
end
$$;
comment on function app_private.dispatch(boolean) is 'Turns due deadlines and waiting deliveries into jobs and tells subscribers what is new; with `recover` also gives back what was lost. Bounded; out comes how much there was, so that the caller can go on.';

revoke execute on function
  app_private.queue_due_deadlines(integer, interval), app_private.recover_lost_work(), app_private.queue_sending(),
  app_private.publish_notifications(integer), app_private.dispatch(boolean) from public;
grant execute on function app_private.dispatch(boolean) to reslot_app, reslot_worker, reslot_admin;
--! EndIncluded functions/dispatch.sql
--! Included functions/my.sql
-- What is one's own.
create function app_public.my_bookings(upcoming boolean default null) returns setof app_public.bookings
language sql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select b.* from app_public.bookings b
  -- An array, here and below, so that the index is used: as a list it is compared with every row there is.
  where b.customer_id = any (array(select app_private.own_customer_ids())) and not b.unclaimed
    and (upcoming is null or upcoming = (b.ends_at > (select app_private.clock())))
  order by b.starts_at, b.id
$$;
comment on function app_public.my_bookings(boolean) is 'The signed-in user''s bookings in all organisations, by start; `upcoming` true or false for those not over yet, or over. Holds are shown as offers in myWaitlist.';

create function app_public.my_waitlist(live boolean default true) returns setof app_public.waitlist_entries
language sql stable security definer rows 5
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select e.* from app_public.waitlist_entries e
  where e.customer_id = any (array(select app_private.own_customer_ids()))
    and (not coalesce(live, false) or e.ended_at is null)
  order by e.starts_at, e.id
$$;
comment on function app_public.my_waitlist(boolean) is 'The signed-in user''s waitlist entries, by start; each has its position and, if offered, the seconds left. `live` false: ended ones as well.';

create function app_private.place_in_queue(entry app_public.waitlist_entries) returns integer
language sql stable
as $$
  select 1 + count(*)::integer from app_public.waitlist_entries e
  where e.offering_id = entry.offering_id and e.status in ('waiting', 'offered') and e.room && entry.room
    and (e.priority, e.joined_at, e.id) < (entry.priority, entry.joined_at, entry.id)
$$;
comment on function app_private.place_in_queue(app_public.waitlist_entries) is 'How many overlapping live entries of the same offering come before this one, plus one.';
revoke execute on function app_private.place_in_queue(app_public.waitlist_entries) from public;

create function app_public.waitlist_entries_position(entry app_public.waitlist_entries) returns integer
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  -- By id, not by the row handed in, which anybody could make up.
  select app_private.place_in_queue(e) from app_public.waitlist_entries e
  where e.id = entry.id and e.ended_at is null
    and (app_private.is_customer(e.customer_id) or app_private.is_manager_of(e.offering_id))
$$;
comment on function app_public.waitlist_entries_position(app_public.waitlist_entries) is 'Place in the queue among those waiting for overlapping time, 1 being next; null once ended.';

create function app_public.waitlist_entries_seconds_left(entry app_public.waitlist_entries) returns integer
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select greatest(0, floor(extract(epoch from e.offer_expires_at - app_private.clock())))::integer
  from app_public.waitlist_entries e
  where e.id = entry.id and e.status = 'offered' and e.offer_expires_at is not null
    and (app_private.is_customer(e.customer_id) or app_private.is_manager_of(e.offering_id))
$$;
comment on function app_public.waitlist_entries_seconds_left(app_public.waitlist_entries) is 'Seconds left to claim an offer; null if there is none, or while its mail is on the way.';

create function app_public.bookings_reminder_sent(booking app_public.bookings) returns boolean
language sql stable
return booking.reminder_sent_at is not null;
comment on function app_public.bookings_reminder_sent(app_public.bookings) is 'Whether the mail server has accepted the reminder that asks for confirmation.';

create function app_public.my_notifications(unread_only boolean default false) returns setof app_public.notifications
language sql stable security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select n.* from app_public.notifications n
  where (n.user_id = (select app_private.current_user_id())
      or n.customer_id = any (array(select app_private.own_customer_ids())))
    and (not coalesce(unread_only, false) or n.read_at is null)
  order by n.created_at desc, n.id desc
$$;
comment on function app_public.my_notifications(boolean) is 'The signed-in user''s notifications, newest first.';

create function app_public.mark_notifications_read(ids uuid[] default null) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_count integer;
begin
  if app_private.current_user_id() is null then
    perform app_private.fail('RSAUT', 'Please sign in first.');
  end if;
  update app_public.notifications n set read_at = app_private.clock()
  where n.read_at is null and (mark_notifications_read.ids is null or n.id = any (mark_notifications_read.ids))
    and (n.user_id = (select app_private.current_user_id())
      or n.customer_id = any (array(select app_private.own_customer_ids())));
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
comment on function app_public.mark_notifications_read(uuid[]) is 'Marks these of one''s notifications as read, or all of them; says how many were unread. Errors: RSAUT.';

revoke execute on function
  app_public.my_bookings(boolean), app_public.my_waitlist(boolean),
  app_public.waitlist_entries_position(app_public.waitlist_entries),
  app_public.waitlist_entries_seconds_left(app_public.waitlist_entries),
  app_public.bookings_reminder_sent(app_public.bookings), app_public.my_notifications(boolean),
  app_public.mark_notifications_read(uuid[]) from public;
grant execute on function
  app_public.my_bookings(boolean), app_public.my_waitlist(boolean),
  app_public.waitlist_entries_position(app_public.waitlist_entries),
  app_public.waitlist_entries_seconds_left(app_public.waitlist_entries),
  app_public.bookings_reminder_sent(app_public.bookings), app_public.my_notifications(boolean),
  app_public.mark_notifications_read(uuid[]) to reslot_user, reslot_admin;
--! EndIncluded functions/my.sql
--! Included functions/admin.sql
-- For operators in psql and for managers: what is waiting, what went wrong, and the handles to mend it.

create function app_private.require_admin() returns void
language plpgsql stable
as $$
begin
  if not app_private.is_admin() then
    perform app_private.fail('RSNTF', 'There is nothing here for you.');
  end if;
end
$$;
comment on function app_private.require_admin() is 'Errors: RSNTF the caller is no admin.';

-- All rooms at once, in one order: locked one after the other, whoever books a hall of two of them could be in the way.
create function app_private.lock_due(actions app_private.deadline_action[]) returns uuid[]
language plpgsql volatile
as $$
declare
  v_ids uuid[] := array(
    select d.subject_id from app_private.deadlines d
    where d.action = any (actions) and d.due_at <= (select app_private.clock()) order by d.due_at, d.subject_id);
begin
  perform app_private.lock_room(array(select distinct b.offering_id from app_public.bookings b where b.id = any (v_ids)));
  return v_ids;
end
$$;
comment on function app_private.lock_due(app_private.deadline_action[]) is 'What is due of these actions, longest overdue first, with its rooms locked.';

create function app_public.auto_cancel_now() returns setof app_public.bookings
language plpgsql volatile security definer rows 100
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_id uuid;
begin
  perform app_private.require_admin();
  foreach v_id in array app_private.lock_due('{auto_cancel}') loop
    perform app_private.auto_cancel(v_id);
    return query select b.* from app_public.bookings b where b.id = v_id and b.status = 'auto_cancelled';
  end loop;
end
$$;
comment on function app_public.auto_cancel_now() is 'For admins: does at once what the worker would do to bookings whose confirmation deadline has passed, sparing whom it would spare; returns those released. Errors: RSNTF not an admin.';

create function app_public.expire_due() returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_id uuid;
  v_count integer := 0;
begin
  perform app_private.require_admin();
  foreach v_id in array app_private.lock_due('{expire_hold,expire_request,lapse}') loop
    perform app_private.run_deadline(v_id);
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;
comment on function app_public.expire_due() is 'For admins: ends at once the offers, requests and waitlist entries that are overdue; says how many. Errors: RSNTF not an admin.';

create function app_public.spared_bookings(organization_id uuid default null) returns setof app_public.bookings
language sql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select b.* from app_public.bookings b
  where b.spared_at is not null and b.ended_at is null
    and (spared_bookings.organization_id is null or b.organization_id = spared_bookings.organization_id)
    and (app_private.is_admin() or b.offering_id in (select app_private.managed_offering_ids()))
  order by b.starts_at, b.id
$$;
comment on function app_public.spared_bookings(uuid) is 'For managers: live bookings that were not released because their reminder was not accepted by the mail server in time.';

create function app_public.bookings_needing_no_confirmation(organization_id uuid default null) returns setof app_public.bookings
language sql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select b.* from app_public.bookings b
  where b.attendance_confirmed_how = 'not_needed' and b.ended_at is null
    and (bookings_needing_no_confirmation.organization_id is null
      or b.organization_id = bookings_needing_no_confirmation.organization_id)
    and (app_private.is_admin() or b.offering_id in (select app_private.managed_offering_ids()))
  order by b.starts_at, b.id
$$;
comment on function app_public.bookings_needing_no_confirmation(uuid) is 'For managers: live bookings entered for people who cannot be asked; somebody may want to ring them up.';

create function app_public.bookings_that_would_be_released(organization_id uuid default null) returns setof app_public.bookings
language sql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select b.* from app_public.bookings b
  where b.would_auto_cancel_at is not null
    and (bookings_that_would_be_released.organization_id is null
      or b.organization_id = bookings_that_would_be_released.organization_id)
    and (app_private.is_admin() or b.offering_id in (select app_private.managed_offering_ids()))
  order by b.would_auto_cancel_at desc, b.id
$$;
comment on function app_public.bookings_that_would_be_released(uuid) is 'For managers: what a policy in dry run would have released.';

create function app_public.waitlist(offering_id uuid) returns setof app_public.waitlist_entries
language sql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select e.* from app_public.waitlist_entries e
  where e.offering_id = waitlist.offering_id and e.ended_at is null
    and (app_private.is_admin() or e.offering_id in (select app_private.managed_offering_ids()))
  order by e.starts_at, e.priority, e.joined_at, e.id
$$;
comment on function app_public.waitlist(uuid) is 'For managers: the live queue of an offering, by time and then in the order of service; names are on `customer`.';

create function app_public.waitlist_lengths(organization_id uuid default null) returns setof app_public.queue_length
language sql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select f.organization_id, f.id, f.name,
    count(*) filter (where e.status = 'waiting')::integer, count(*) filter (where e.status = 'offered')::integer,
    count(*) filter (where e.stuck_at is not null)::integer, min(e.joined_at)
  from app_public.offerings f join app_public.waitlist_entries e on e.offering_id = f.id and e.ended_at is null
  where (waitlist_lengths.organization_id is null or f.organization_id = waitlist_lengths.organization_id)
    and (app_private.is_admin() or f.id in (select app_private.managed_offering_ids()))
  group by f.id
  order by count(*) desc, f.id
$$;
comment on function app_public.waitlist_lengths(uuid) is 'For managers: how many people wait, per offering.';

-- Under row-level security the planner may not look at how rare a status is, takes failures for a large part of the
-- history and would read all of that; each of the three is in an index of its own.
create function app_public.failed_deliveries(organization_id uuid default null) returns setof app_public.deliveries
language sql stable security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
set enable_seqscan = off
as $$
  with failed as materialized (
    select d.* from app_public.deliveries d where d.status = 'dead'
    union all
    select d.* from app_public.deliveries d where d.status = 'queued' and d.attempts > 0
    union all
    select d.* from app_public.deliveries d where d.bounced_at is not null and d.status = 'sent'
  )
  select d.* from failed d
  where (failed_deliveries.organization_id is null or d.organization_id = failed_deliveries.organization_id)
    and (app_private.is_admin() or (
      select coalesce(b.offering_id, e.offering_id)
      from app_public.notifications n
      left join app_public.bookings b on b.id = n.booking_id
      left join app_public.waitlist_entries e on e.id = n.entry_id
      where n.id = d.notification_id) = any (array(select app_private.managed_offering_ids())))
  order by d.id desc
$$;
comment on function app_public.failed_deliveries(uuid) is 'For managers: mails that are dead, came back, or have failed at least once and are being retried; newest first.';

create function app_public.retry_delivery(delivery_id uuid) returns app_public.deliveries
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_delivery app_public.deliveries;
begin
  select d.* into v_delivery from app_public.deliveries d where d.id = retry_delivery.delivery_id;
  if v_delivery.id is null or not exists (
    select from app_public.notifications n
    left join app_public.bookings b on b.id = n.booking_id
    left join app_public.waitlist_entries e on e.id = n.entry_id
    where n.id = v_delivery.notification_id
      and (app_private.is_admin() or coalesce(app_private.is_manager_of(coalesce(b.offering_id, e.offering_id)), false))
  ) then
    perform app_private.fail('RSNTF', 'There is no such delivery.');
  end if;
  -- Only now: a stranger who had to wait would learn that there is such a mail.
  select d.* into v_delivery from app_public.deliveries d where d.id = v_delivery.id for no key update;
  if v_delivery.status not in ('dead', 'queued') then
    perform app_private.fail('RSSTA', format('This delivery is %s; only a dead or waiting one can be retried.', v_delivery.status));
  elsif v_delivery.address is null then
    perform app_private.fail('RSSTA', 'This delivery has no address.');
  end if;
  update app_public.deliveries d
  set status = 'queued', next_attempt_at = app_private.clock(), followed_up_at = null
  where d.id = v_delivery.id
  returning * into v_delivery;
  return v_delivery;
end
$$;
comment on function app_public.retry_delivery(uuid) is 'For managers: tries a failed mail again at once. Errors: RSNTF, RSSTA nothing to retry.';

create function app_public.job_health() returns setof app_public.health
language plpgsql stable security definer rows 10
set search_path = pg_catalog, app_public, app_private, pg_temp
-- As in failed_deliveries.
set enable_seqscan = off
as $$
declare
  v_now timestamptz := app_private.clock();
begin
  perform app_private.require_admin();
  return query
    select 'overdue deadlines', count(*), min(d.due_at), coalesce(min(d.due_at) > v_now - interval '1 minute', true)
    from app_private.deadlines d where d.due_at <= v_now
    union all
    select 'failing deadlines', count(*), min(d.due_at), count(*) = 0 from app_private.deadlines d where d.attempts > 0
    union all
    select 'queued deliveries', count(*), min(d.created_at), coalesce(min(d.next_attempt_at) > v_now - interval '1 minute', true)
    from app_public.deliveries d where d.status = 'queued'
    union all
    select 'retried deliveries', count(*), min(d.created_at), count(*) = 0
    from app_public.deliveries d where d.status = 'queued' and d.attempts > 0
    union all
    select 'dead deliveries', count(*), min(d.created_at), count(*) = 0 from app_public.deliveries d where d.status = 'dead'
    union all
    select 'bookings spared', count(*), min(b.spared_at), count(*) = 0
    from app_public.bookings b where b.spared_at is not null and b.ended_at is null
    union all
    select 'stuck waitlist entries', count(*), min(e.stuck_at), count(*) = 0
    from app_public.waitlist_entries e where e.stuck_at is not null and e.ended_at is null;
end
$$;
comment on function app_public.job_health() is 'For admins: is everything due being done, and everything owed being sent? Errors: RSNTF not an admin.';

revoke execute on function
  app_private.require_admin(), app_private.lock_due(app_private.deadline_action[]), app_public.auto_cancel_now(), app_public.expire_due(), app_public.spared_bookings(uuid),
  app_public.bookings_needing_no_confirmation(uuid), app_public.bookings_that_would_be_released(uuid),
  app_public.waitlist(uuid), app_public.waitlist_lengths(uuid), app_public.failed_deliveries(uuid),
  app_public.retry_delivery(uuid), app_public.job_health() from public;
grant execute on function
  app_public.auto_cancel_now(), app_public.expire_due(), app_public.spared_bookings(uuid),
  app_public.bookings_needing_no_confirmation(uuid), app_public.bookings_that_would_be_released(uuid),
  app_public.waitlist(uuid), app_public.waitlist_lengths(uuid), app_public.failed_deliveries(uuid),
  app_public.retry_delivery(uuid), app_public.job_health() to reslot_user, reslot_admin;
--! EndIncluded functions/admin.sql
--! Included functions/find_bookings.sql
-- What the filters of `bookings` cannot do: look into the name and the contact of the customer, which is another table.
-- The rest of the arguments is there so that one list does for the desk.
create function app_public.find_bookings(
  text text default null, organization_id uuid default null, offering_id uuid default null,
  status app_public.booking_status default null, "from" timestamptz default null, "to" timestamptz default null
) returns setof app_public.bookings
language plpgsql stable security definer rows 50
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_words text := lower(app_private.checked_text(find_bookings.text, 200));
begin
  return query
    select b.*
    from app_public.bookings b
    join app_public.customers c on c.id = b.customer_id
    where (find_bookings.offering_id is null or b.offering_id = find_bookings.offering_id)
      and (find_bookings.organization_id is null or b.organization_id = find_bookings.organization_id)
      and (app_private.is_admin() or b.offering_id = any (array(select app_private.managed_offering_ids())))
      and case when find_bookings.status is null then b.status <> 'held' else b.status = find_bookings.status end
      and (find_bookings."from" is null or b.starts_at >= find_bookings."from")
      and (find_bookings."to" is null or b.starts_at < find_bookings."to")
      -- `strpos`, not `like`: who looks for "50%" means that.
      and (v_words is null or strpos(lower(concat_ws(E'\n', b.reference, c.name, c.email, c.phone, b.purpose)), v_words) > 0)
    order by b.starts_at, b.id;
end
$$;
comment on function app_public.find_bookings(text, uuid, uuid, app_public.booking_status, timestamptz, timestamptz) is 'For managers: bookings by what is in their reference, their purpose, or the name, e-mail address or phone number of the customer, whichever way it is written; by organisation, offering, status and start (from, and before). Without a status all but holds; name an offering or a range of time where there are many. Errors: RSARG more than 200 characters.';
revoke execute on function app_public.find_bookings(text, uuid, uuid, app_public.booking_status, timestamptz, timestamptz) from public;
grant execute on function app_public.find_bookings(text, uuid, uuid, app_public.booking_status, timestamptz, timestamptz) to reslot_user, reslot_admin;
--! EndIncluded functions/find_bookings.sql
--! Included functions/cleanup.sql
create function app_private.cleanup(batch integer default 10000) returns integer
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
  delete from app_private.link_tokens t where t.token_hash in (
    select o.token_hash from app_private.link_tokens o where o.expires_at < v_now - interval '720 hours'
    order by o.expires_at limit batch);
  get diagnostics v_step = row_count;
  v_total := v_total + v_step;
  v_total := v_total + app_private.clean_up_accounts(batch);
  delete from app_private.freeings f where f.told_at < v_now - interval '720 hours';
  delete from app_private.idempotency_keys i where (i.caller, i.operation, i.key) in (
    select o.caller, o.operation, o.key from app_private.idempotency_keys o
    where o.created_at < v_now - interval '48 hours' order by o.created_at limit batch);
  get diagnostics v_step = row_count;
  return v_total + v_step;
end
$$;
comment on function app_private.cleanup(integer) is 'Deletes what its retention time (default policy) has outlived, in batches; out comes how much, so that the job can go on. Spent links are kept 30 days, idempotency keys two.';
revoke execute on function app_private.cleanup(integer) from public;
grant execute on function app_private.cleanup(integer) to reslot_worker;
--! EndIncluded functions/cleanup.sql
--! Included types/session.sql
create type app_private.session as (
  outcome text,
  user_id uuid,
  session_id uuid
);
comment on type app_private.session is 'ok; again: use the successor instead; over: sign in again. Outcomes are returned, not raised, where an error would roll back what was found out.';
--! EndIncluded types/session.sql
--! Included types/sign_in_check.sql
create type app_private.sign_in_check as (
  retry_after integer,
  user_id uuid,
  password_hash text
);
comment on type app_private.sign_in_check is 'What to compare a password with; with `retry_after` (seconds) nothing is compared.';
--! EndIncluded types/sign_in_check.sql
--! Included types/look_up.sql
create type app_private.look_up as (retry_after integer, booking jsonb);
comment on type app_private.look_up is 'A booking as its reference and address show it, or nothing; with `retry_after` (seconds) nothing was looked up.';
--! EndIncluded types/look_up.sql
--! Included types/member.sql
create type app_public.member as (
  membership_id uuid,
  user_id uuid,
  name text,
  email text,
  role app_public.member_role,
  all_offerings boolean,
  offering_ids uuid[]
);
comment on type app_public.member is 'Somebody with a role in an organisation.';
comment on column app_public.member.membership_id is 'The membership, for `removeMember`.';
comment on column app_public.member.user_id is 'Their account.';
comment on column app_public.member.name is 'Their name.';
comment on column app_public.member.email is 'Their address.';
comment on column app_public.member.role is 'Owner, manager or provider.';
comment on column app_public.member.all_offerings is 'Whether they manage every offering; if not, those named.';
comment on column app_public.member.offering_ids is 'The offerings they manage, if not all.';
--! EndIncluded types/member.sql
--! Included functions/people/account_mail.sql
-- Mails about accounts. Every mail has a sender: the organisation whose site the person is on, or the oldest.

create function app_private.organization_of_slug(slug text) returns uuid
language plpgsql stable
as $$
declare
  v_id uuid;
begin
  select o.id into v_id from app_public.organizations o
  where o.archived_at is null and (organization_of_slug.slug is null or o.slug = organization_of_slug.slug)
  order by o.created_at, o.id limit 1;
  if v_id is null then
    perform app_private.fail('RSNTF', 'There is no such organisation.');
  end if;
  return v_id;
end
$$;
comment on function app_private.organization_of_slug(text) is 'The organisation by this short name; null: the oldest. Errors: RSNTF.';

create function app_private.owe_account_mail(user_id uuid, kind text, organization_id uuid) returns uuid
language plpgsql volatile
as $$
declare
  v_since timestamptz := app_private.clock() - interval '1 hour';
begin
  -- Whoever knows an address could otherwise fill its inbox. Per kind, so that one kind cannot crowd out another.
  if 5 <= (
    select count(*) from app_public.notifications n
    where n.user_id = owe_account_mail.user_id and n.kind = owe_account_mail.kind
      and n.created_at > v_since
  ) then
    return null;
  end if;
  return app_private.notify_user(owe_account_mail.organization_id, owe_account_mail.user_id, owe_account_mail.kind, null, null);
end
$$;
comment on function app_private.owe_account_mail(uuid, text, uuid) is 'Owes a mail about an account, at most five of a kind an hour; null: the limit is reached. The caller has locked the user.';

create function app_private.check_person(name text, phone text, locale text, time_zone text) returns void
language plpgsql stable
as $$
begin
  if not coalesce(app_private.is_short_line(name), true) then
    perform app_private.fail('RSARG', 'A name is one line of 1 to 200 characters.');
  elsif not coalesce(app_private.is_short_line(phone), true) then
    perform app_private.fail('RSARG', 'A phone number is one line of 1 to 200 characters.');
  elsif locale !~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' then
    perform app_private.fail('RSARG', 'The language has to be a tag such as "en" or "de-AT".');
  elsif not coalesce(app_private.is_time_zone(time_zone), true) then
    perform app_private.fail('RSARG', 'The time zone has to be a name such as "Europe/Vienna".');
  end if;
end
$$;
comment on function app_private.check_person(text, text, text, text) is 'Refuses what a person''s row cannot hold, before the constraints do. Errors: RSARG.';

create function app_private.checked_email(email text) returns text
language plpgsql stable
as $$
declare
  v_email text := btrim(email);
begin
  if app_private.is_email(v_email) is not true then
    perform app_private.fail('RSARG', 'This is not an e-mail address.');
  end if;
  return v_email;
end
$$;
comment on function app_private.checked_email(text) is 'The address, trimmed. Errors: RSARG.';

revoke execute on function
  app_private.organization_of_slug(text), app_private.owe_account_mail(uuid, text, uuid),
  app_private.check_person(text, text, text, text), app_private.checked_email(text) from public;
--! EndIncluded functions/people/account_mail.sql
--! Included functions/people/account_links.sql
-- Links that prove an address. They are used up by one `update … returning`: read first and marked later, two
-- clicks at once would both find them unused.

create function app_private.find_account_link(token text, action app_private.link_action) returns app_private.link_tokens
language plpgsql stable
as $$
declare
  v_link app_private.link_tokens;
begin
  select * into v_link from app_private.link_tokens t
  where t.token_hash = app_private.hash_token(find_account_link.token) and t.action = find_account_link.action
    and t.used_at is null and t.expires_at > (select app_private.clock());
  if v_link.user_id is null then
    perform app_private.fail('RSEXP', 'This link has been used or is over. Please ask for a new one.');
  end if;
  return v_link;
end
$$;
comment on function app_private.find_account_link(text, app_private.link_action) is 'A link that could be used now, so that its user can be locked first. Errors: RSEXP.';

create function app_private.use_account_link(token text, action app_private.link_action) returns uuid
language plpgsql volatile
as $$
declare
  v_user_id uuid;
  v_now timestamptz := app_private.clock();
begin
  update app_private.link_tokens t
  set used_at = v_now
  where t.token_hash = app_private.hash_token(use_account_link.token) and t.action = use_account_link.action
    and t.used_at is null and t.expires_at > v_now
  returning t.user_id into v_user_id;
  if v_user_id is null then
    perform app_private.fail('RSEXP', 'This link has been used or is over. Please ask for a new one.');
  end if;
  return v_user_id;
end
$$;
comment on function app_private.use_account_link(text, app_private.link_action) is 'Uses a link up. Errors: RSEXP used, over or never there.';

create function app_private.lock_link_user(token text, action app_private.link_action) returns app_public.users
language plpgsql volatile
as $$
declare
  v_link app_private.link_tokens := app_private.find_account_link(token, action);
  v_user app_public.users;
begin
  select * into v_user from app_public.users u where u.id = v_link.user_id for no key update;
  if v_user.deactivated_at is not null then
    perform app_private.fail('RSEXP', 'This link is over: the account has been closed.');
  end if;
  return v_user;
end
$$;
comment on function app_private.lock_link_user(text, app_private.link_action) is 'The account of a usable link, locked. Errors: RSEXP.';

-- Whoever opens a link in a mail has proven the address, whatever the link was for.
create function app_private.prove_address(user_id uuid) returns void
language plpgsql volatile
as $$
begin
  update app_public.users u set email_verified_at = app_private.clock()
  where u.id = prove_address.user_id and u.email_verified_at is null;
  delete from app_private.pending_sign_ups p where p.user_id = prove_address.user_id;
  perform app_private.adopt_customers(prove_address.user_id);
end
$$;
comment on function app_private.prove_address(uuid) is 'Marks the address of a locked account as proven, drops sign-ups that wait for the proof, and takes over its customers.';

create function app_private.set_password_hash(user_id uuid, password_hash text) returns void
language sql volatile
as $$
  insert into app_private.user_secrets as s (user_id, password_hash)
  values (set_password_hash.user_id, set_password_hash.password_hash)
  on conflict on constraint user_secrets_pkey do update set password_hash = excluded.password_hash
$$;
comment on function app_private.set_password_hash(uuid, text) is 'Stores the hash of a password.';

revoke execute on function
  app_private.find_account_link(text, app_private.link_action), app_private.use_account_link(text, app_private.link_action),
  app_private.lock_link_user(text, app_private.link_action), app_private.prove_address(uuid),
  app_private.set_password_hash(uuid, text) from public;
--! EndIncluded functions/people/account_links.sql
--! Included functions/people/adopt_customers.sql
-- A guest becomes a user: what organisations know under the proven address is theirs. Where the user is a customer
-- already, the guest's bookings, entries, messages and links move there, and the empty guest is closed.

create function app_private.leave_double_entries(customer_ids uuid[]) returns void
language plpgsql volatile
as $$
declare
  v_entry_id uuid;
begin
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
comment on function app_private.leave_double_entries(uuid[]) is 'Ends the worse of two live entries for the same, of customers that are one person. The caller has locked the room.';

create function app_private.keep_one_offer(customer_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_entry_id uuid;
begin
  -- One live offer per customer and resource (I3): the earlier stays, the other entry waits on.
  for v_entry_id in
    select e.id from app_public.waitlist_entries e
    where e.customer_id = keep_one_offer.customer_id and e.status = 'offered' and exists (
      select from app_public.waitlist_entries earlier
      join app_public.offering_resources theirs on theirs.offering_id = earlier.offering_id
      join app_public.offering_resources own on own.resource_id = theirs.resource_id
      where earlier.customer_id = e.customer_id and earlier.status = 'offered' and own.offering_id = e.offering_id
        and (earlier.offered_at, earlier.id) < (e.offered_at, e.id))
    order by e.id
  loop
    perform app_private.end_offer(v_entry_id, 'waiting', 'Another offer for the same room stands.');
  end loop;
end
$$;
comment on function app_private.keep_one_offer(uuid) is 'Ends all but the earliest live offer of a customer for the same resource. The caller has locked the room.';
revoke execute on function app_private.keep_one_offer(uuid) from public;

create function app_private.merge_customers(guest_ids uuid[], into_id uuid) returns void
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
  update app_public.customers c
  set phone = coalesce(c.phone, g.phone), name = coalesce(c.name, g.name),
      unsubscribed_at = coalesce(c.unsubscribed_at, g.unsubscribed_at)
  from (
    select (array_agg(x.phone order by x.id) filter (where x.phone is not null))[1] as phone,
           (array_agg(x.name order by x.id) filter (where x.name is not null))[1] as name,
           max(x.unsubscribed_at) as unsubscribed_at
    from app_public.customers x where x.id = any (guest_ids)
  ) g
  where c.id = into_id;
  update app_public.customers c
  set name = null, email = null, phone = null, erased_at = app_private.clock()
  where c.id = any (guest_ids);
end
$$;
comment on function app_private.merge_customers(uuid[], uuid) is 'Moves everything of some guests to one customer. The caller has locked them all.';

create function app_private.live_offerings_of(customer_ids uuid[]) returns uuid[]
language sql stable
as $$
  select coalesce(array_agg(distinct x.offering_id), '{}')
  from (
    select b.offering_id from app_public.bookings b where b.customer_id = any (customer_ids) and b.ended_at is null
    union
    select e.offering_id from app_public.waitlist_entries e
    where e.customer_id = any (customer_ids) and e.ended_at is null
  ) x
$$;
comment on function app_private.live_offerings_of(uuid[]) is 'The offerings in which customers have live bookings or entries.';

create function app_private.adopt_customers(user_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_email text;
  v_found record;
  v_adopted uuid[] := '{}';
begin
  select u.email_normalised into v_email from app_public.users u
  where u.id = adopt_customers.user_id and u.email_verified_at is not null;
  -- Usually there is nobody to take over, and then a session that is renewed waits for no room.
  if not exists (
    select from app_public.customers c
    where c.email_normalised = v_email and c.user_id is null and c.erased_at is null
  ) then
    return;
  end if;
  perform from app_public.customers c
  where c.user_id = adopt_customers.user_id
     or (c.email_normalised = v_email and c.user_id is null and c.erased_at is null)
  order by c.id for no key update;
  -- The rooms of all organisations at once, in one order: whoever erases an account locks them so as well.
  perform app_private.lock_room(app_private.live_offerings_of(array(
    select c.id from app_public.customers c
    where c.user_id = adopt_customers.user_id
       or (c.email_normalised = v_email and c.user_id is null and c.erased_at is null))));
  for v_found in
    select g.organization_id, g.ids, coalesce(own.id, g.ids[1]) as into_id
    from (
      select c.organization_id, array_agg(c.id order by c.id) as ids
      from app_public.customers c
      where c.email_normalised = v_email and c.user_id is null and c.erased_at is null
      group by c.organization_id
    ) g
    left join app_public.customers own
      on own.organization_id = g.organization_id and own.user_id = adopt_customers.user_id
    order by g.organization_id
  loop
    perform app_private.merge_customers(array_remove(v_found.ids, v_found.into_id), v_found.into_id)
    where array_remove(v_found.ids, v_found.into_id) <> '{}';
    v_adopted := v_adopted || v_found.into_id;
  end loop;
  -- Only now that every room is locked: a customer's user is part of a key, and changing it keeps out even those who
  -- only refer to the customer, such as whoever hands room on to them.
  update app_public.customers c set user_id = adopt_customers.user_id
  where c.id = any (v_adopted) and c.user_id is null;
end
$$;
comment on function app_private.adopt_customers(uuid) is 'Gives a user with a proven address the customers that carry it, one per organisation.';

revoke execute on function
  app_private.leave_double_entries(uuid[]), app_private.merge_customers(uuid[], uuid),
  app_private.live_offerings_of(uuid[]), app_private.adopt_customers(uuid) from public;
--! EndIncluded functions/people/adopt_customers.sql
--! Included functions/people/sign_up.sql
create function app_private.sign_up(
  email text, password_hash text, name text default null, locale text default null, organization_slug text default null
) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_organization_id uuid := app_private.organization_of_slug(organization_slug);
  v_email text := app_private.checked_email(email);
  v_user app_public.users;
  v_notification_id uuid;
begin
  perform app_private.check_person(name, null, locale, null);
  insert into app_public.users (email, name, locale) values (v_email, sign_up.name, sign_up.locale)
  on conflict on constraint users_email_normalised_key do nothing;
  select * into v_user from app_public.users u
  where u.email_normalised = app_private.normalise_email(v_email) for no key update;
  -- The answer is the same either way; only who reads the mail learns which.
  if v_user.email_verified_at is not null or v_user.deactivated_at is not null then
    perform app_private.owe_account_mail(v_user.id, 'account_exists', v_organization_id);
    return;
  end if;
  v_notification_id := app_private.owe_account_mail(v_user.id, 'account_verify', v_organization_id);
  if v_notification_id is not null then
    insert into app_private.pending_sign_ups (notification_id, user_id, password_hash, name, locale)
    values (v_notification_id, v_user.id, sign_up.password_hash, sign_up.name, sign_up.locale);
  end if;
end
$$;
comment on function app_private.sign_up(text, text, text, text, text) is 'Makes an account, or tells the one that has the address; the caller cannot see which. Signing up again before the address is proven sends another mail, and each mail carries its own password. Errors: RSARG, RSNTF no such organisation.';
revoke execute on function app_private.sign_up(text, text, text, text, text) from public;
grant execute on function app_private.sign_up(text, text, text, text, text) to reslot_app;

create function app_private.verify_email(token text) returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users := app_private.lock_link_user(token, 'verify');
  v_sign_up app_private.pending_sign_ups;
begin
  if v_user.email_verified_at is null then
    select p.* into v_sign_up
    from app_private.link_tokens t
    join app_public.deliveries d on d.id = t.delivery_id
    join app_private.pending_sign_ups p on p.notification_id = d.notification_id and p.user_id = v_user.id
    where t.token_hash = app_private.hash_token(verify_email.token);
    if v_sign_up.user_id is not null then
      perform app_private.set_password_hash(v_user.id, v_sign_up.password_hash);
      update app_public.users u
      set name = coalesce(v_sign_up.name, u.name), locale = coalesce(v_sign_up.locale, u.locale)
      where u.id = v_user.id;
    end if;
  end if;
  perform app_private.prove_address(v_user.id);
  return app_private.use_account_link(token, 'verify');
end
$$;
comment on function app_private.verify_email(text) is 'Proves an address by the link in its mail, makes the password of that sign-up the account''s, and takes over the customers that carry the address. Errors: RSEXP.';
revoke execute on function app_private.verify_email(text) from public;
grant execute on function app_private.verify_email(text) to reslot_app;
--! EndIncluded functions/people/sign_up.sql
--! Included functions/people/sessions.sql
-- A session is a family of refresh tokens. Each is used once and replaced; using one again later means that two
-- have it, one of them a thief, so the whole family ends. All changes are made under the lock of the user's row:
-- signing out everywhere misses no token that is being made.

create function app_private.insert_refresh_token(user_id uuid, family_id uuid, token_hash bytea) returns app_private.session
language sql volatile
as $$
  insert into app_private.refresh_tokens (user_id, family_id, token_hash, expires_at, ip, user_agent)
  values (insert_refresh_token.user_id, insert_refresh_token.family_id, insert_refresh_token.token_hash,
          app_private.clock() + interval '720 hours',
          nullif(current_setting('reslot.ip', true), '')::inet,
          left(nullif(current_setting('reslot.user_agent', true), ''), 400))
  returning 'ok', user_id, family_id
$$;
comment on function app_private.insert_refresh_token(uuid, uuid, bytea) is 'Stores the hash of a refresh token, which lasts 30 days if it is not used.';

create function app_private.open_session(user_id uuid, token_hash bytea) returns app_private.session
language sql volatile
as $$
  select * from app_private.insert_refresh_token(user_id, uuidv7(), token_hash)
$$;
comment on function app_private.open_session(uuid, bytea) is 'Begins a session. The caller has locked the user.';

-- The successor of a token is a keyed hash of it, made by the server. Two tabs that refresh at once therefore get
-- the same successor, and no second branch is born that could live on unnoticed. Later than ten seconds, the second
-- use is taken for theft.
create function app_private.rotate_session(token_hash bytea, successor_hash bytea) returns app_private.session
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_token app_private.refresh_tokens;
  v_successor app_private.refresh_tokens;
  v_now timestamptz;
begin
  perform from app_public.users u
  where u.id = (select t.user_id from app_private.refresh_tokens t where t.token_hash = rotate_session.token_hash)
    and u.deactivated_at is null
  for no key update;
  if not found then
    return row('over', null, null)::app_private.session;
  end if;
  select * into v_token from app_private.refresh_tokens t where t.token_hash = rotate_session.token_hash;
  select * into v_successor from app_private.refresh_tokens t where t.token_hash = rotate_session.successor_hash;
  v_now := app_private.clock();
  if v_token.id is null or v_token.revoked_at is not null or v_token.expires_at <= v_now then
    return row('over', null, null)::app_private.session;
  elsif v_token.used_at is null then
    update app_private.refresh_tokens t set used_at = v_now where t.id = v_token.id;
    perform app_private.adopt_customers(v_token.user_id);
    return app_private.insert_refresh_token(v_token.user_id, v_token.family_id, successor_hash);
  elsif v_token.used_at <= v_now - interval '10 seconds' or v_successor.id is null then
    update app_private.refresh_tokens t set revoked_at = v_now
    where t.family_id = v_token.family_id and t.revoked_at is null;
    return row('over', null, null)::app_private.session;
  end if;
  return row(case when v_successor.used_at is null then 'ok' else 'again' end, v_token.user_id, v_token.family_id)::app_private.session;
end
$$;
comment on function app_private.rotate_session(bytea, bytea) is 'Replaces a refresh token by its successor. Used again within ten seconds it gives the same successor (two tabs); later the family ends (theft).';

create function app_private.session_role(user_id uuid, session_id uuid) returns text
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select case when u.is_admin then 'reslot_admin' else 'reslot_user' end
  from app_public.users u
  where u.id = session_role.user_id and u.deactivated_at is null
    and exists (
      select from app_private.refresh_tokens t
      where t.family_id = session_role.session_id and t.user_id = u.id and t.revoked_at is null)
$$;
comment on function app_private.session_role(uuid, uuid) is 'The role the bearer of an access token acts as; null once signed out or deactivated, although the token itself lasts some minutes more.';

create function app_private.end_sessions(user_id uuid, except_session_id uuid default null) returns void
language sql volatile
as $$
  update app_private.refresh_tokens t set revoked_at = app_private.clock()
  where t.user_id = end_sessions.user_id and t.revoked_at is null
    and t.family_id is distinct from end_sessions.except_session_id
$$;
comment on function app_private.end_sessions(uuid, uuid) is 'Ends all sessions of a user, or all others. The caller has locked the user.';

create function app_private.sign_out(token_hash bytea, session_id uuid default null) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_families uuid[];
begin
  select array_agg(distinct t.family_id) into v_families from app_private.refresh_tokens t
  where t.token_hash = sign_out.token_hash or t.family_id = sign_out.session_id;
  perform from app_public.users u
  where u.id in (select t.user_id from app_private.refresh_tokens t where t.family_id = any (v_families))
  order by u.id for no key update;
  update app_private.refresh_tokens t set revoked_at = app_private.clock()
  where t.family_id = any (v_families) and t.revoked_at is null;
end
$$;
comment on function app_private.sign_out(bytea, uuid) is 'Ends the session of a refresh token, and the one given by id; nothing happens if they are over.';

create function app_private.sign_out_everywhere(user_id uuid) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform from app_public.users u where u.id = sign_out_everywhere.user_id for no key update;
  perform app_private.end_sessions(user_id);
end
$$;
comment on function app_private.sign_out_everywhere(uuid) is 'Ends all sessions of a user, at once.';

revoke execute on function
  app_private.insert_refresh_token(uuid, uuid, bytea), app_private.open_session(uuid, bytea),
  app_private.rotate_session(bytea, bytea), app_private.session_role(uuid, uuid), app_private.end_sessions(uuid, uuid),
  app_private.sign_out(bytea, uuid), app_private.sign_out_everywhere(uuid) from public;
grant execute on function
  app_private.rotate_session(bytea, bytea), app_private.session_role(uuid, uuid),
  app_private.sign_out(bytea, uuid), app_private.sign_out_everywhere(uuid) to reslot_app;
--! EndIncluded functions/people/sessions.sql
--! Included functions/people/sign_in.sql
-- The limiter. Counted under the row's lock *before* the password is compared, so that a thousand guesses at once
-- are a thousand counted guesses; a sign-in that succeeds forgets them. Outcomes are returned, not raised: an error
-- would roll the count back.

create function app_private.locked_until(attempts app_private.sign_in_attempts) returns timestamptz
language sql immutable
return case when attempts.failures >= 5
  then attempts.last_at + make_interval(secs => least(3600, 30 * 2 ^ least(attempts.failures - 5, 10))) end;
comment on function app_private.locked_until(app_private.sign_in_attempts) is 'Until when an address is locked: 30 seconds after the fifth failure, doubling up to an hour; null if it is not.';

create function app_private.count_attempt(key text) returns integer
language plpgsql volatile
as $$
declare
  v_hash bytea := sha256(convert_to(key, 'UTF8'));
  v_attempts app_private.sign_in_attempts;
  v_now timestamptz;
begin
  insert into app_private.sign_in_attempts as a (address_hash) values (v_hash)
  on conflict on constraint sign_in_attempts_pkey do update set address_hash = excluded.address_hash
  returning * into v_attempts;
  v_now := app_private.clock();
  if v_now < app_private.locked_until(v_attempts) then
    return ceil(extract(epoch from app_private.locked_until(v_attempts) - v_now));
  end if;
  update app_private.sign_in_attempts a
  set failures = case when a.last_at < v_now - interval '24 hours' then 1 else a.failures + 1 end, last_at = v_now
  where a.address_hash = v_hash;
  return null;
end
$$;
comment on function app_private.count_attempt(text) is 'Counts an attempt, or gives the seconds to wait until the next.';

create function app_private.begin_sign_in(email text) returns app_private.sign_in_check
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_check app_private.sign_in_check;
begin
  v_check.retry_after := app_private.count_attempt(app_private.normalise_email(email));
  if v_check.retry_after is not null then
    return v_check;
  end if;
  select null, u.id, s.password_hash into v_check
  from app_public.users u
  join app_private.user_secrets s on s.user_id = u.id
  where u.email_normalised = app_private.normalise_email(begin_sign_in.email)
    and u.email_verified_at is not null and u.deactivated_at is null;
  return v_check;
end
$$;
comment on function app_private.begin_sign_in(text) is 'Counts a sign-in and gives the hash to compare with, or the seconds to wait. An address without account is counted and locked in the same way.';
revoke execute on function
  app_private.locked_until(app_private.sign_in_attempts), app_private.count_attempt(text),
  app_private.begin_sign_in(text) from public;
grant execute on function app_private.begin_sign_in(text) to reslot_app;

create function app_private.begin_password_check(user_id uuid) returns app_private.sign_in_check
language sql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select c.* from app_public.users u, app_private.begin_sign_in(u.email) c where u.id = begin_password_check.user_id
$$;
comment on function app_private.begin_password_check(uuid) is 'The same for a user who is signed in and gives their password once more.';
revoke execute on function app_private.begin_password_check(uuid) from public;
grant execute on function app_private.begin_password_check(uuid) to reslot_app;

create function app_private.forget_attempts(user_id uuid) returns void
language sql volatile
as $$
  delete from app_private.sign_in_attempts a
  where a.address_hash = (
    select sha256(convert_to(u.email_normalised, 'UTF8')) from app_public.users u where u.id = forget_attempts.user_id)
$$;
comment on function app_private.forget_attempts(uuid) is 'Forgets failed sign-ins of an account that has proven itself.';
revoke execute on function app_private.forget_attempts(uuid) from public;

create function app_private.finish_sign_in(user_id uuid, password_hash text, token_hash bytea) returns app_private.session
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  -- Comparing took a while, without a lock: the password may have been changed or the account closed meanwhile.
  perform from app_public.users u where u.id = finish_sign_in.user_id for no key update;
  if not exists (
    select from app_public.users u
    join app_private.user_secrets s on s.user_id = u.id
    where u.id = finish_sign_in.user_id and u.deactivated_at is null and s.password_hash = finish_sign_in.password_hash
  ) then
    perform app_private.fail('RSCRD', 'The e-mail address and the password do not belong together.');
  end if;
  perform app_private.forget_attempts(user_id);
  perform app_private.adopt_customers(user_id);
  return app_private.open_session(user_id, token_hash);
end
$$;
comment on function app_private.finish_sign_in(uuid, text, bytea) is 'Opens a session after the password was found to be right. Errors: RSCRD it is not the password any more.';
revoke execute on function app_private.finish_sign_in(uuid, text, bytea) from public;
grant execute on function app_private.finish_sign_in(uuid, text, bytea) to reslot_app;
--! EndIncluded functions/people/sign_in.sql
--! Included functions/people/magic_link.sql
create function app_private.request_account_link(email text, kind text, organization_slug text default null) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_organization_id uuid := app_private.organization_of_slug(organization_slug);
  v_email text := app_private.checked_email(email);
  v_user app_public.users;
begin
  if kind not in ('account_magic_link', 'account_reset') then
    perform app_private.fail('RSARG', 'There is no such link.');
  end if;
  select * into v_user from app_public.users u
  where u.email_normalised = app_private.normalise_email(v_email) for no key update;
  if v_user.id is not null and v_user.deactivated_at is null then
    perform app_private.owe_account_mail(v_user.id, kind, v_organization_id);
  end if;
end
$$;
comment on function app_private.request_account_link(text, text, text) is 'Owes a mail with a link to sign in or to set a new password, if there is such an account; the caller cannot see whether. Errors: RSARG, RSNTF no such organisation.';
revoke execute on function app_private.request_account_link(text, text, text) from public;
grant execute on function app_private.request_account_link(text, text, text) to reslot_app;

create function app_private.use_magic_link(token text, token_hash bytea) returns app_private.session
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users := app_private.lock_link_user(token, 'magic');
begin
  perform app_private.prove_address(v_user.id);
  perform app_private.use_account_link(token, 'magic');
  return app_private.open_session(v_user.id, token_hash);
end
$$;
comment on function app_private.use_magic_link(text, bytea) is 'Signs in by the link in a mail, once. Errors: RSEXP.';
revoke execute on function app_private.use_magic_link(text, bytea) from public;
grant execute on function app_private.use_magic_link(text, bytea) to reslot_app;
--! EndIncluded functions/people/magic_link.sql
--! Included functions/people/passwords.sql
-- Before the new password is hashed, which is slow on purpose: a link that is over costs nothing more. It is used up
-- afterwards, once, by reset_password.
create function app_private.check_reset_link(token text) returns void
language plpgsql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform app_private.find_account_link(token, 'reset');
end
$$;
comment on function app_private.check_reset_link(text) is 'Whether a link to set a password could be used now. Errors: RSEXP.';
revoke execute on function app_private.check_reset_link(text) from public;
grant execute on function app_private.check_reset_link(text) to reslot_app;

create function app_private.reset_password(token text, password_hash text) returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users := app_private.lock_link_user(token, 'reset');
begin
  perform app_private.prove_address(v_user.id);
  perform app_private.use_account_link(token, 'reset');
  perform app_private.set_password_hash(v_user.id, password_hash);
  perform app_private.end_sessions(v_user.id);
  perform app_private.forget_attempts(v_user.id);
  -- Whoever else has a link that opens this account should not keep it.
  update app_private.link_tokens t set used_at = app_private.clock()
  where t.user_id = v_user.id and t.action in ('reset', 'magic') and t.used_at is null;
  return v_user.id;
end
$$;
comment on function app_private.reset_password(text, text) is 'Sets a new password by the link in a mail, once; ends all sessions and all other such links. Errors: RSEXP.';
revoke execute on function app_private.reset_password(text, text) from public;
grant execute on function app_private.reset_password(text, text) to reslot_app;

create function app_private.change_password(user_id uuid, old_hash text, new_hash text, session_id uuid) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform from app_public.users u where u.id = change_password.user_id and u.deactivated_at is null for no key update;
  if not found or not exists (
    select from app_private.user_secrets s
    where s.user_id = change_password.user_id and s.password_hash = change_password.old_hash
  ) then
    perform app_private.fail('RSCRD', 'The old password is not right.');
  end if;
  perform app_private.set_password_hash(user_id, new_hash);
  perform app_private.end_sessions(user_id, session_id);
  perform app_private.forget_attempts(user_id);
end
$$;
comment on function app_private.change_password(uuid, text, text, uuid) is 'Changes a password after the old one (by its hash) was found to be right; all other sessions end. Errors: RSCRD.';
revoke execute on function app_private.change_password(uuid, text, text, uuid) from public;
grant execute on function app_private.change_password(uuid, text, text, uuid) to reslot_app;
--! EndIncluded functions/people/passwords.sql
--! Included functions/people/send_links_again.sql
create function app_private.has_something_live(customer_id uuid) returns boolean
language sql stable
as $$
  select exists (
      select from app_public.bookings b
      where b.customer_id = has_something_live.customer_id and b.status in ('pending', 'confirmed'))
    or exists (
      select from app_public.waitlist_entries e
      where e.customer_id = has_something_live.customer_id and e.ended_at is null)
$$;
comment on function app_private.has_something_live(uuid) is 'Whether there are links to send a customer.';
revoke execute on function app_private.has_something_live(uuid) from public;

create function app_private.send_links_again(email text, organization_slug text default null) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_email text := app_private.normalise_email(app_private.checked_email(email));
  v_organization_id uuid := case when organization_slug is not null then app_private.organization_of_slug(organization_slug) end;
  v_ids uuid[];
  v_first uuid;
  v_customer app_public.customers;
begin
  v_ids := array(
    select c.id from app_public.customers c
    where c.email_normalised = v_email and c.erased_at is null
      and (v_organization_id is null or c.organization_id = v_organization_id)
    order by c.id for no key update);
  for v_customer in
    select c.* from app_public.customers c where c.id = any (v_ids)
    order by app_private.has_something_live(c.id) desc, c.id
  loop
    -- That there is nothing is said once, and only if there is nothing anywhere.
    exit when v_customer.id <> coalesce(v_first, v_customer.id) and not app_private.has_something_live(v_customer.id);
    v_first := coalesce(v_first, v_customer.id);
    if 3 > (
      select count(*) from app_public.notifications n
      join app_public.customers c on c.id = n.customer_id
      where c.email_normalised = v_email and c.organization_id = v_customer.organization_id and n.kind = 'links_again'
        and n.created_at > (select app_private.clock()) - interval '1 hour'
    ) then
      perform app_private.notify_customer(v_customer.id, 'links_again', null, null);
    end if;
  end loop;
end
$$;
comment on function app_private.send_links_again(text, text) is 'Mails the links of what is coming up to an address, at most three times an hour and organisation. Whether anybody has the address cannot be seen. Errors: RSARG, RSNTF no such organisation.';
revoke execute on function app_private.send_links_again(text, text) from public;
grant execute on function app_private.send_links_again(text, text) to reslot_app;
--! EndIncluded functions/people/send_links_again.sql
--! Included functions/people/look_up_booking.sql
-- For guests who have the reference at hand and not the mail. It shows what they have booked and no more: whoever wants to
-- change it has the links sent again. Counted for the reference and for the address, in this order always, so that
-- neither can be tried out against many of the other; returned, not raised, as in begin_sign_in.

create function app_private.booking_in_short(booking app_public.bookings) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'reference', booking.reference, 'status', booking.status, 'organizationName', g.name, 'offeringName', f.name,
    'startsAt', booking.starts_at, 'endsAt', booking.ends_at, 'timeZone', app_private.zone_of(f.id),
    'partySize', booking.party_size, 'price', booking.price::text, 'refund', booking.refund::text,
    'currency', booking.currency, 'attendanceConfirmed', booking.attendance_confirmed_at is not null,
    'confirmBy', booking.confirm_by)
  from app_public.offerings f join app_public.organizations g on g.id = f.organization_id
  where f.id = booking.offering_id
$$;
comment on function app_private.booking_in_short(app_public.bookings) is 'A booking without the person.';

create function app_private.look_up_booking(reference text, email text, organization_slug text default null)
returns app_private.look_up
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_organization_id uuid := case when organization_slug is not null then app_private.organization_of_slug(organization_slug) end;
  v_email text := app_private.normalise_email(app_private.checked_email(email));
  v_reference text := upper(app_private.checked_text(reference, 100));
  v_found app_private.look_up;
begin
  if v_reference is null then
    perform app_private.fail('RSARG', 'Give the reference of the booking, such as RS-20261120-7K3QXA.');
  end if;
  v_found.retry_after := app_private.count_attempt('booking ' || v_reference);
  v_found.retry_after := greatest(v_found.retry_after, app_private.count_attempt('booking of ' || v_email));
  if v_found.retry_after is not null then
    return v_found;
  end if;
  select null, app_private.booking_in_short(b) into v_found
  from app_public.bookings b join app_public.customers c on c.id = b.customer_id
  where c.email_normalised = v_email and c.erased_at is null and b.reference = v_reference and b.status <> 'held'
    and (v_organization_id is null or b.organization_id = v_organization_id)
  order by b.starts_at desc limit 1;
  if v_found.booking is not null then
    delete from app_private.sign_in_attempts a
    where a.address_hash in (
      sha256(convert_to('booking ' || v_reference, 'UTF8')), sha256(convert_to('booking of ' || v_email, 'UTF8')));
  end if;
  return v_found;
end
$$;
comment on function app_private.look_up_booking(text, text, text) is 'The booking with this reference of the customer with this address, or nothing, or the seconds to wait. What does not exist, and what somebody else has, is counted and answered alike. Errors: RSARG, RSNTF no such organisation.';
revoke execute on function
  app_private.booking_in_short(app_public.bookings), app_private.look_up_booking(text, text, text) from public;
grant execute on function app_private.look_up_booking(text, text, text) to reslot_app;
--! EndIncluded functions/people/look_up_booking.sql
--! Included functions/people/profile.sql
create function app_private.signed_in_user_id() returns uuid
language plpgsql stable
as $$
declare
  v_id uuid := app_private.current_user_id();
begin
  if v_id is null then
    perform app_private.fail('RSAUT', 'Please sign in first.');
  end if;
  return v_id;
end
$$;
comment on function app_private.signed_in_user_id() is 'The user who is signed in, their address proven or not. Errors: RSAUT.';
revoke execute on function app_private.signed_in_user_id() from public;

create function app_public.viewer() returns app_public.users
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select * from app_public.users u where u.id = app_private.current_user_id()
$$;
comment on function app_public.viewer() is 'The signed-in user; null: nobody is.';
revoke execute on function app_public.viewer() from public;
grant execute on function app_public.viewer() to reslot_anonymous, reslot_user, reslot_admin;

create function app_public.update_profile(
  name text default null, phone text default null, locale text default null, time_zone text default null
) returns app_public.users
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users;
begin
  perform app_private.check_person(nullif(name, ''), nullif(phone, ''), nullif(locale, ''), nullif(time_zone, ''));
  select * into v_user from app_public.users u where u.id = app_private.signed_in_user_id() for no key update;
  perform from app_public.customers c where c.user_id = v_user.id order by c.id for no key update;
  update app_public.users u
  set name = nullif(coalesce(update_profile.name, u.name), ''), phone = nullif(coalesce(update_profile.phone, u.phone), ''),
      locale = nullif(coalesce(update_profile.locale, u.locale), ''),
      time_zone = nullif(coalesce(update_profile.time_zone, u.time_zone), '')
  where u.id = v_user.id returning * into v_user;
  -- Organisations know the person by these: their mails should use the name and language of today.
  update app_public.customers c
  set name = case when update_profile.name is null then c.name else v_user.name end,
      phone = case when update_profile.phone is null then c.phone else v_user.phone end,
      locale = case when update_profile.locale is null then c.locale else v_user.locale end,
      time_zone = case when update_profile.time_zone is null then c.time_zone else v_user.time_zone end
  where c.user_id = v_user.id;
  return v_user;
end
$$;
comment on function app_public.update_profile(text, text, text, text) is 'Changes one''s own name, phone number, language and time zone, here and with every organisation. Null leaves a value as it is, an empty text removes it. Errors: RSAUT, RSARG.';
revoke execute on function app_public.update_profile(text, text, text, text) from public;
grant execute on function app_public.update_profile(text, text, text, text) to reslot_user, reslot_admin;
--! EndIncluded functions/people/profile.sql
--! Included functions/people/leaving.sql
-- What deactivation and erasure have in common.

create function app_private.refuse_if_needed(user_id uuid) returns void
language plpgsql volatile
as $$
declare
  v_name text;
begin
  if (select u.is_admin from app_public.users u where u.id = refuse_if_needed.user_id) then
    perform app_private.fail('RSSTA', 'Operators of the platform have to hand their rights over first.');
  end if;
  -- Locked, so that two owners cannot both leave at once.
  perform from app_public.organizations o
  where o.id in (select m.organization_id from app_public.memberships m
                 where m.user_id = refuse_if_needed.user_id and m.role = 'owner')
  order by o.id for no key update;
  select o.name into v_name
  from app_public.memberships m
  join app_public.organizations o on o.id = m.organization_id
  where m.user_id = refuse_if_needed.user_id and m.role = 'owner' and not exists (
    select from app_public.memberships x
    join app_public.users u on u.id = x.user_id and u.deactivated_at is null
    where x.organization_id = m.organization_id and x.role = 'owner' and x.user_id <> m.user_id)
  order by o.name limit 1;
  if v_name is not null then
    perform app_private.fail('RSSTA', format('You are the only owner of %s. Please make somebody else owner first.', v_name));
  end if;
end
$$;
comment on function app_private.refuse_if_needed(uuid) is 'Admins and the last owner of an organisation cannot go. Errors: RSSTA.';

create function app_private.end_everything_of(customer_ids uuid[], cancel_bookings boolean, reason text) returns void
language plpgsql volatile
as $$
declare
  v_id uuid;
begin
  -- All rooms at once, in one order: locked one booking after the other, two leaving people could block each other.
  perform app_private.lock_room(app_private.live_offerings_of(customer_ids));
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
comment on function app_private.end_everything_of(uuid[], boolean, text) is 'Ends the waiting, and on request the bookings that have not begun; their room goes on to the next. The caller has locked the customers.';

create function app_private.lock_customers_of(user_id uuid) returns uuid[]
language plpgsql volatile
as $$
declare
  v_ids uuid[];
begin
  perform from app_public.customers c where c.user_id = lock_customers_of.user_id order by c.id for no key update;
  select coalesce(array_agg(c.id order by c.id), '{}') into v_ids
  from app_public.customers c where c.user_id = lock_customers_of.user_id;
  return v_ids;
end
$$;
comment on function app_private.lock_customers_of(uuid) is 'The customers a user is, locked.';

revoke execute on function
  app_private.refuse_if_needed(uuid), app_private.end_everything_of(uuid[], boolean, text),
  app_private.lock_customers_of(uuid) from public;

create function app_public.deactivate_account(cancel_bookings boolean default true) returns app_public.users
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users;
begin
  select * into v_user from app_public.users u where u.id = app_private.signed_in_user_id() for no key update;
  perform app_private.refuse_if_needed(v_user.id);
  perform app_private.end_everything_of(
    app_private.lock_customers_of(v_user.id), coalesce(cancel_bookings, true), 'The account was closed.');
  perform app_private.end_sessions(v_user.id);
  update app_private.link_tokens t set used_at = app_private.clock() where t.user_id = v_user.id and t.used_at is null;
  update app_public.users u set deactivated_at = app_private.clock() where u.id = v_user.id returning * into v_user;
  return v_user;
end
$$;
comment on function app_public.deactivate_account(boolean) is 'Closes one''s own account: nobody can sign in to it any more, and its places on waiting lists are given up. Bookings that have not begun are cancelled, unless `cancelBookings` is false: then they stay, and the links in their mails still work. Only the operator can open it again. Errors: RSAUT, RSSTA the only owner of an organisation, or an admin.';
revoke execute on function app_public.deactivate_account(boolean) from public;
grant execute on function app_public.deactivate_account(boolean) to reslot_user, reslot_admin;
--! EndIncluded functions/people/leaving.sql
--! Included functions/people/erase.sql
-- Erasure takes what points to a person out of every row and leaves the rows: figures stay right, and the audit
-- log, which holds identifiers, stays whole.

create function app_private.scrub_customers(customer_ids uuid[]) returns void
language plpgsql volatile
as $$
begin
  update app_public.bookings b set purpose = null, special_requests = null, dietary_needs = null, access_needs = null, ended_reason = null
  where b.customer_id = any (customer_ids)
    and num_nonnulls(b.purpose, b.special_requests, b.dietary_needs, b.access_needs, b.ended_reason) > 0;
  update app_public.waitlist_entries e set note = null
  where e.customer_id = any (customer_ids) and e.note is not null;
  delete from app_private.link_tokens t where t.customer_id = any (customer_ids);
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
comment on function app_private.scrub_customers(uuid[]) is 'Removes name, addresses, words and links of customers. The caller has locked them and ended what was live.';

create function app_private.scrub_deliveries(notification_ids uuid[]) returns void
language sql volatile
as $$
  update app_public.deliveries d
  set address = null, last_error = null, lease_until = null,
      status = case when d.status in ('queued', 'sending') then 'obsolete' else d.status end
  where d.notification_id = any (notification_ids)
$$;
comment on function app_private.scrub_deliveries(uuid[]) is 'Removes the addresses of messages; what was not sent yet is not sent.';

create function app_private.scrub_user(user_id uuid) returns void
language plpgsql volatile
as $$
begin
  perform app_private.forget_attempts(user_id);
  delete from app_private.link_tokens t where t.user_id = scrub_user.user_id;
  delete from app_private.refresh_tokens t where t.user_id = scrub_user.user_id;
  delete from app_private.pending_sign_ups p where p.user_id = scrub_user.user_id;
  delete from app_private.user_secrets s where s.user_id = scrub_user.user_id;
  delete from app_private.idempotency_keys i where i.caller = scrub_user.user_id::text;
  delete from app_public.memberships m where m.user_id = scrub_user.user_id;
  perform app_private.scrub_deliveries(array(
    select n.id from app_public.notifications n where n.user_id = scrub_user.user_id));
  update app_public.users u
  set email = 'erased+' || u.id || '@invalid.invalid', email_verified_at = null, name = null, phone = null,
      locale = null, time_zone = null, deactivated_at = coalesce(u.deactivated_at, app_private.clock()),
      erased_at = app_private.clock()
  where u.id = scrub_user.user_id;
  update app_public.audit_log a set ip = null, user_agent = null, reason = null
  where a.actor_user_id = scrub_user.user_id;
end
$$;
comment on function app_private.scrub_user(uuid) is 'Removes what points to the person behind an account.';

revoke execute on function
  app_private.scrub_customers(uuid[]), app_private.scrub_deliveries(uuid[]), app_private.scrub_user(uuid) from public;

create function app_public.erase_me() returns app_public.users
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users;
  v_customer_ids uuid[];
begin
  select * into v_user from app_public.users u where u.id = app_private.signed_in_user_id() for no key update;
  perform app_private.refuse_if_needed(v_user.id);
  v_customer_ids := app_private.lock_customers_of(v_user.id);
  perform app_private.end_everything_of(v_customer_ids, true, null);
  perform app_private.scrub_customers(v_customer_ids);
  perform app_private.scrub_user(v_user.id);
  select * into v_user from app_public.users u where u.id = v_user.id;
  return v_user;
end
$$;
comment on function app_public.erase_me() is 'Erases oneself, for good: name, addresses, phone number, notes and links are removed everywhere, bookings that have not begun are cancelled, and the account is closed. Rows without the person remain. Errors: RSAUT, RSSTA the only owner of an organisation, or an admin.';
revoke execute on function app_public.erase_me() from public;
grant execute on function app_public.erase_me() to reslot_user, reslot_admin;

create function app_public.erase_customer(customer_id uuid) returns app_public.customers
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_customer app_public.customers;
begin
  -- Before the lock: a stranger who had to wait would learn that there is such a customer.
  select * into v_customer from app_public.customers c where c.id = erase_customer.customer_id;
  if v_customer.id is null or not app_private.is_manager_in(v_customer.organization_id) then
    perform app_private.fail('RSNTF', 'There is no such customer that you manage.');
  end if;
  perform from app_public.customers c where c.id = v_customer.id for no key update;
  perform app_private.end_everything_of(array[v_customer.id], true, null);
  perform app_private.scrub_customers(array[v_customer.id]);
  select * into v_customer from app_public.customers c where c.id = v_customer.id;
  return v_customer;
end
$$;
comment on function app_public.erase_customer(uuid) is 'For managers of the whole organisation: erases a person as the organisation knows them, for good. Bookings that have not begun are cancelled. An account of theirs stays, for other organisations. Errors: RSNTF.';
revoke execute on function app_public.erase_customer(uuid) from public;
grant execute on function app_public.erase_customer(uuid) to reslot_user, reslot_admin;
--! EndIncluded functions/people/erase.sql
--! Included functions/people/export_my_data.sql
create function app_public.export_my_data() returns jsonb
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
    'waitlistEntries', (
      select coalesce(jsonb_agg(to_jsonb(e) || jsonb_build_object('offering', f.name) order by e.id), '[]')
      from app_public.waitlist_entries e join app_public.offerings f on f.id = e.offering_id
      where e.customer_id = any (v_customer_ids)),
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
comment on function app_public.export_my_data() is 'Everything that is held about the signed-in user, as JSON: account, sessions, memberships, customers, bookings, waitlist entries, notifications, audit log. Errors: RSAUT.';
revoke execute on function app_public.export_my_data() from public;
grant execute on function app_public.export_my_data() to reslot_user, reslot_admin;
--! EndIncluded functions/people/export_my_data.sql
--! Included functions/people/members.sql
create function app_public.members(organization_id uuid) returns setof app_public.member
language plpgsql stable security definer rows 20
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  if not app_private.is_manager_in(organization_id) then
    perform app_private.fail('RSNTF', 'There is no such organisation that you manage.');
  end if;
  return query
    select m.id, u.id, u.name, u.email, m.role, m.all_offerings,
           array(select x.offering_id from app_public.membership_offerings x where x.membership_id = m.id order by 1)
    from app_public.memberships m join app_public.users u on u.id = m.user_id
    where m.organization_id = members.organization_id
    order by m.role, m.id;
end
$$;
comment on function app_public.members(uuid) is 'Who has a role in an organisation; for its owners and managers. Errors: RSNTF.';
revoke execute on function app_public.members(uuid) from public;
grant execute on function app_public.members(uuid) to reslot_user, reslot_admin;

create function app_private.refuse_last_owner(organization_id uuid, user_id uuid) returns void
language plpgsql stable
as $$
begin
  if not exists (
    select from app_public.memberships m
    join app_public.users u on u.id = m.user_id and u.deactivated_at is null
    where m.organization_id = refuse_last_owner.organization_id and m.role = 'owner'
      and m.user_id <> refuse_last_owner.user_id
  ) then
    perform app_private.fail('RSSTA', 'This is the only owner. Please make somebody else owner first.');
  end if;
end
$$;
comment on function app_private.refuse_last_owner(uuid, uuid) is 'The last owner stays. The caller has locked the organisation. Errors: RSSTA.';
revoke execute on function app_private.refuse_last_owner(uuid, uuid) from public;

create function app_private.name_offerings(membership app_public.memberships, offering_ids uuid[]) returns void
language plpgsql volatile
as $$
begin
  delete from app_public.membership_offerings x where x.membership_id = membership.id;
  if membership.all_offerings then
    return;
  end if;
  insert into app_public.membership_offerings (membership_id, offering_id)
  select membership.id, f.id from app_public.offerings f
  where f.organization_id = membership.organization_id and f.id = any (offering_ids)
  order by f.id;
  if (select count(distinct i) from unnest(offering_ids) i) <> (
    select count(*) from app_public.membership_offerings x where x.membership_id = membership.id
  ) then
    perform app_private.fail('RSNTF', 'Not all of these offerings are the organisation''s.');
  end if;
end
$$;
comment on function app_private.name_offerings(app_public.memberships, uuid[]) is 'Sets the offerings of a membership that is not for all. Errors: RSNTF.';
revoke execute on function app_private.name_offerings(app_public.memberships, uuid[]) from public;

create function app_public.set_member(
  organization_id uuid, email text, role app_public.member_role,
  all_offerings boolean default null, offering_ids uuid[] default null
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
  insert into app_public.memberships as m (organization_id, user_id, role, all_offerings)
  values (set_member.organization_id, v_user_id, set_member.role, v_all)
  on conflict on constraint memberships_one_per_user
  do update set role = excluded.role, all_offerings = excluded.all_offerings
  returning * into v_membership;
  perform app_private.name_offerings(v_membership, offering_ids);
  return v_membership;
end
$$;
comment on function app_public.set_member(uuid, text, app_public.member_role, boolean, uuid[]) is 'For owners: gives the account with this address a role in the organisation, or changes it. Managers manage the offerings that are named, or, if none is, all. Errors: RSNTF no such organisation of yours, no verified account, or offerings of another organisation; RSSTA the only owner; RSARG.';
revoke execute on function app_public.set_member(uuid, text, app_public.member_role, boolean, uuid[]) from public;
grant execute on function app_public.set_member(uuid, text, app_public.member_role, boolean, uuid[]) to reslot_user, reslot_admin;

create function app_public.remove_member(membership_id uuid) returns app_public.memberships
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_membership app_public.memberships;
begin
  perform from app_public.organizations o
  where o.id = (select m.organization_id from app_public.memberships m where m.id = remove_member.membership_id)
  for no key update;
  select * into v_membership from app_public.memberships m where m.id = remove_member.membership_id;
  if v_membership.id is null or not (
    app_private.is_owner_in(v_membership.organization_id)
    or coalesce(v_membership.user_id = app_private.current_user_id(), false)
  ) then
    perform app_private.fail('RSNTF', 'There is no such member of an organisation that you own.');
  elsif v_membership.role = 'owner' then
    perform app_private.refuse_last_owner(v_membership.organization_id, v_membership.user_id);
  end if;
  delete from app_public.memberships m where m.id = v_membership.id;
  return v_membership;
end
$$;
comment on function app_public.remove_member(uuid) is 'For owners: takes somebody''s role away. Everybody may give up their own. Errors: RSNTF, RSSTA the only owner.';
revoke execute on function app_public.remove_member(uuid) from public;
grant execute on function app_public.remove_member(uuid) to reslot_user, reslot_admin;
--! EndIncluded functions/people/members.sql
--! Included functions/people/admins.sql
-- Not in app_public: operators make operators in psql, never over the API.

create function app_private.set_admin(email text, is_admin boolean) returns app_public.users
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users;
begin
  update app_public.users u set is_admin = set_admin.is_admin
  where u.email_normalised = app_private.normalise_email(set_admin.email)
    and u.email_verified_at is not null and u.deactivated_at is null
  returning * into v_user;
  if v_user.id is null then
    perform app_private.fail('RSNTF', 'Nobody has a verified account with this address.');
  end if;
  return v_user;
end
$$;
comment on function app_private.set_admin(text, boolean) is 'Makes an account an operator of the platform, or no longer one. Errors: RSNTF.';

create function app_private.make_admin(email text) returns app_public.users
language sql volatile
as $$ select * from app_private.set_admin(email, true) $$;
comment on function app_private.make_admin(text) is 'For psql: makes the account with this address an operator of the platform. Errors: RSNTF no verified account.';

create function app_private.unmake_admin(email text) returns app_public.users
language sql volatile
as $$ select * from app_private.set_admin(email, false) $$;
comment on function app_private.unmake_admin(text) is 'For psql: the account with this address is no operator any more. Errors: RSNTF no verified account.';

create function app_private.reactivate_account(email text) returns app_public.users
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_user app_public.users;
begin
  update app_public.users u set deactivated_at = null
  where u.email_normalised = app_private.normalise_email(reactivate_account.email) and u.erased_at is null
  returning * into v_user;
  if v_user.id is null then
    perform app_private.fail('RSNTF', 'Nobody has an account with this address.');
  end if;
  return v_user;
end
$$;
comment on function app_private.reactivate_account(text) is 'For psql: opens a deactivated account again. Errors: RSNTF.';

revoke execute on function
  app_private.set_admin(text, boolean), app_private.make_admin(text), app_private.unmake_admin(text),
  app_private.reactivate_account(text) from public;
grant execute on function
  app_private.set_admin(text, boolean), app_private.make_admin(text), app_private.unmake_admin(text),
  app_private.reactivate_account(text) to reslot_admin;
--! EndIncluded functions/people/admins.sql
--! Included functions/people/clean_up.sql
create function app_private.clean_up_accounts(batch integer default 1000) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_now timestamptz := app_private.clock();
  v_ids uuid[];
begin
  delete from app_private.refresh_tokens t where t.expires_at < v_now - interval '24 hours';
  delete from app_private.sign_in_attempts a where a.last_at < v_now - interval '24 hours';
  delete from app_private.pending_sign_ups p where p.created_at < v_now - interval '168 hours';
  -- Whoever never proved an address may not have known of the sign-up: nothing of it is kept.
  v_ids := array(
    select u.id from app_public.users u
    where u.email_verified_at is null and u.deactivated_at is null and u.created_at < v_now - interval '720 hours'
      and not exists (select from app_public.customers c where c.user_id = u.id)
      and not exists (select from app_public.memberships m where m.user_id = u.id)
      and not exists (select from app_private.link_tokens t where t.user_id = u.id and t.expires_at > v_now)
    order by u.id limit batch for update skip locked);
  delete from app_public.notifications n where n.user_id = any (v_ids);
  delete from app_public.users u where u.id = any (v_ids);
  return cardinality(v_ids);
end
$$;
comment on function app_private.clean_up_accounts(integer) is 'For the daily job: forgets expired sessions, old failed sign-ins, and accounts whose address nobody proved within 30 days; out comes how many of these.';
revoke execute on function app_private.clean_up_accounts(integer) from public;
grant execute on function app_private.clean_up_accounts(integer) to reslot_worker;
--! EndIncluded functions/people/clean_up.sql
--! Included functions/links.sql
-- Links in mails (DESIGN §7). Reading one changes nothing; following one acts through the same functions as everybody
-- else and then marks the token, which is last in the lock order. Only the server may call these: whoever has the token
-- is its bearer, and nobody else learns anything.

-- Where a link stands: 'ready', 'done', 'unknown', or why there is nothing to do any more.
create function app_private.booking_link_standing(
  action app_private.link_action, booking app_public.bookings, now_at timestamptz
) returns text
language sql immutable
return case
  when booking.status = 'held' then 'unknown'
  when action = 'confirm' and booking.attendance_confirmed_at is not null and booking.ended_at is null then 'done'
  when action = 'cancel' and booking.status = 'cancelled' then 'done'
  when action = 'approve' and booking.status in ('confirmed', 'in_progress', 'delivered', 'completed', 'no_show') then 'done'
  when action = 'reject' and booking.status = 'rejected' then 'done'
  when booking.status in ('cancelled', 'auto_cancelled', 'rejected', 'expired') then booking.status::text
  when booking.status in ('completed', 'no_show') then 'over'
  when action in ('approve', 'reject') then case
    when booking.status <> 'pending' then 'approved'
    when booking.request_expires_at <= now_at then 'expired'
    else 'ready' end
  when booking.starts_at <= now_at or booking.status in ('in_progress', 'delivered') then 'begun'
  when action = 'confirm' and booking.status = 'pending' then 'pending'
  else 'ready'
end;
comment on function app_private.booking_link_standing(app_private.link_action, app_public.bookings, timestamptz) is 'Where a link to a booking stands: ready, done, unknown, or why it comes too late.';

create function app_private.entry_link_standing(
  action app_private.link_action, entry app_public.waitlist_entries, claimed app_public.bookings, now_at timestamptz
) returns text
language sql stable
as $$
  select case
    when action = 'claim' and entry.status = 'claimed' then
      case when claimed.ended_at is null then 'done' else claimed.status::text end
    when action = 'decline' and entry.status = 'declined' then 'done'
    when action = 'leave' and entry.status = 'left' then 'done'
    when entry.ended_at is not null then entry.status::text
    when app_private.waits_until(entry) <= now_at then 'lapsed'
    when action = 'leave' then 'ready'
    -- Without a deadline the acceptance of its mail is not noted yet; whoever reads the mail may claim.
    when entry.status = 'offered' then case when entry.offer_expires_at <= now_at then 'expired' else 'ready' end
    when action = 'decline' or entry.last_call_at > now_at then 'not_offered'
    when app_private.has_room(entry) then 'ready'
    else 'taken'
  end
$$;
comment on function app_private.entry_link_standing(app_private.link_action, app_public.waitlist_entries, app_public.bookings, timestamptz) is 'Where a link to a waitlist entry stands: ready, done, or why there is nothing to do.';

create function app_private.link_bearer_is_entitled(link app_private.link_tokens) returns boolean
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
    -- A manager's link is worth no more than the manager's rights are today.
    else exists (
      select from app_public.users u
      join app_public.bookings b on b.id = link.booking_id
      where u.id = link.user_id and u.deactivated_at is null and (u.is_admin or exists (
        select from app_public.memberships m
        where m.user_id = u.id and m.organization_id = b.organization_id and m.role in ('owner', 'manager')
          and (m.all_offerings or exists (
            select from app_public.membership_offerings x
            where x.membership_id = m.id and x.offering_id = b.offering_id)))))
  end
$$;
comment on function app_private.link_bearer_is_entitled(app_private.link_tokens) is 'Whether the person a link was sent to still exists and still has to do with its row.';

create function app_private.account_link_standing(link app_private.link_tokens) returns text
language sql stable
as $$
  select case
    when link.action = 'verify' and u.email_verified_at is not null then 'done'
    when u.deactivated_at is not null then 'unknown'
    when link.used_at is not null then 'used'
    else 'ready'
  end
  from app_public.users u where u.id = link.user_id
$$;
comment on function app_private.account_link_standing(app_private.link_tokens) is 'Where a link to an account stands: ready, done, used or unknown.';

create function app_private.link_standing(link app_private.link_tokens) returns text
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
    when 'confirm', 'cancel', 'approve', 'reject' then
      select app_private.booking_link_standing(link.action, b, v_now) into v_standing
      from app_public.bookings b where b.id = link.booking_id;
    when 'claim', 'decline', 'leave' then
      select app_private.entry_link_standing(link.action, e, b, v_now) into v_standing
      from app_public.waitlist_entries e left join app_public.bookings b on b.id = e.booking_id
      where e.id = link.entry_id;
    when 'unsubscribe' then
      select case when c.unsubscribed_at is null then 'ready' else 'done' end into v_standing
      from app_public.customers c where c.id = link.customer_id;
    else
      v_standing := app_private.account_link_standing(link);
  end case;
  return case when v_standing = 'ready' and link.expires_at <= v_now then 'link_expired' else v_standing end;
end
$$;
comment on function app_private.link_standing(app_private.link_tokens) is 'Where a link stands: ready, done, unknown, or why it comes too late. Changes and locks nothing.';

create function app_private.link_booking(link app_private.link_tokens, is_current boolean) returns jsonb
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
    'requestExpiresAt', b.request_expires_at, 'endedReason', b.ended_reason, 'address', f.address, 'supportContact', f.support_contact,
    -- Managers decide about somebody; to everybody else a link shows no person at all.
    'customerName', case when link.user_id is not null then coalesce(c.name, c.email, c.phone) end
  ) else '{}' end
  from app_public.bookings b
  join app_public.offerings f on f.id = b.offering_id
  join app_public.policy_versions p on p.id = b.policy_version_id
  join app_public.customers c on c.id = b.customer_id
  where b.id = coalesce(link.booking_id, (
    select e.booking_id from app_public.waitlist_entries e where e.id = link.entry_id))
$$;
comment on function app_private.link_booking(app_private.link_tokens, boolean) is 'What the page of a link shows of the booking; of an outdated link only what it takes to book again.';

create function app_private.link_entry(link app_private.link_tokens, is_current boolean) returns jsonb
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
    'isHeld', e.status = 'offered', 'needsApproval', p.requires_approval, 'address', f.address,
    'supportContact', f.support_contact
  ) else '{}' end
  from app_public.waitlist_entries e
  join app_public.offerings f on f.id = e.offering_id
  join app_public.organizations g on g.id = f.organization_id
  join app_public.policy_versions p on p.id = e.policy_version_id
  left join app_public.bookings h on h.id = e.hold_id
  where e.id = link.entry_id
$$;
comment on function app_private.link_entry(app_private.link_tokens, boolean) is 'What the page of a link shows of the waitlist entry.';

create function app_private.read_link(token text) returns jsonb
language plpgsql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_link app_private.link_tokens;
  v_standing text;
  v_is_current boolean;
begin
  select * into v_link from app_private.link_tokens t where t.token_hash = app_private.hash_token(token);
  v_standing := app_private.link_standing(v_link);
  if v_standing = 'unknown' then
    return jsonb_build_object('state', 'not_valid', 'why', 'unknown');
  end if;
  v_is_current := v_link.expires_at > app_private.clock();
  return (
    select jsonb_build_object(
      'action', v_link.action,
      'state', case when v_standing in ('ready', 'done') then v_standing else 'too_late' end,
      'why', v_standing,
      'locale', coalesce(c.locale, u.locale, g.locale),
      'organization', jsonb_build_object(
        'name', g.name, 'logoUrl', g.logo_url, 'address', g.address, 'supportEmail', g.support_email,
        'supportPhone', g.support_phone, 'frontEndUrl', g.front_end_url),
      'booking', app_private.link_booking(v_link, v_is_current),
      'entry', app_private.link_entry(v_link, v_is_current))
    from app_public.organizations g
    left join app_public.customers c on c.id = v_link.customer_id
    left join app_public.users u on u.id = coalesce(v_link.user_id, c.user_id)
    where g.id = v_link.organization_id);
end
$$;
comment on function app_private.read_link(text) is 'All that the page of a link shows: action, state (ready, done, too_late, not_valid), why, language, the organisation''s public data, the booking or entry. Changes nothing. For the server alone.';

create function app_private.act_on_link(link app_private.link_tokens, reason text, evidence jsonb) returns timestamptz
language plpgsql volatile
as $$
declare
  v_starts_at timestamptz;
begin
  case link.action
    when 'confirm' then
      v_starts_at := (app_private.confirm_attendance(link.booking_id, 'link', evidence)).starts_at;
    when 'cancel' then
      v_starts_at := (app_private.end_booking_by_customer(link.booking_id, reason)).starts_at;
    when 'approve' then
      v_starts_at := (app_private.approve(link.booking_id, reason)).starts_at;
    when 'reject' then
      v_starts_at := (app_private.reject(link.booking_id, reason)).starts_at;
    when 'claim' then
      v_starts_at := (app_private.claim(link.entry_id)).starts_at;
    when 'decline' then
      v_starts_at := (app_private.decline(link.entry_id)).starts_at;
    when 'leave' then
      v_starts_at := (app_private.leave(link.entry_id)).starts_at;
    when 'unsubscribe' then
      perform app_private.lock_customer(link.customer_id);
      update app_public.customers c set unsubscribed_at = app_private.clock()
      where c.id = link.customer_id and c.unsubscribed_at is null;
    else
      perform app_private.fail('RSARG', 'This link is followed in another way.');
  end case;
  return v_starts_at;
end
$$;
comment on function app_private.act_on_link(app_private.link_tokens, text, jsonb) is 'Does what a link is for; out comes the start of the booking or entry it was about. Errors: those of the function that acts.';

create function app_private.follow_link(token text, choice jsonb default '{}', evidence jsonb default null) returns jsonb
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
  v_starts_at := app_private.act_on_link(v_link, nullif(choice ->> 'reason', ''), evidence);
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
comment on function app_private.follow_link(text, jsonb, jsonb) is 'Does what a link is for and stores what was seen of the person; again: the same result. `choice` may hold startsAt, the start the person was shown, and a reason. For the server alone. Errors: RSNTF not valid, RSEXP too late, RSSTA, and those of the function that acts.';

revoke execute on function
  app_private.booking_link_standing(app_private.link_action, app_public.bookings, timestamptz),
  app_private.entry_link_standing(app_private.link_action, app_public.waitlist_entries, app_public.bookings, timestamptz),
  app_private.link_bearer_is_entitled(app_private.link_tokens), app_private.account_link_standing(app_private.link_tokens),
  app_private.link_standing(app_private.link_tokens), app_private.link_booking(app_private.link_tokens, boolean),
  app_private.link_entry(app_private.link_tokens, boolean), app_private.read_link(text),
  app_private.act_on_link(app_private.link_tokens, text, jsonb), app_private.follow_link(text, jsonb, jsonb)
from public;
grant execute on function app_private.read_link(text), app_private.follow_link(text, jsonb, jsonb) to reslot_app;
--! EndIncluded functions/links.sql
--! Included functions/audit.sql
-- Every change is written down by the transaction that makes it, so that there is no change without its line and no
-- line without its change. What only the request knows comes from settings of the transaction (reslot.user_id,
-- reslot.ip, reslot.user_agent, reslot.via, reslot.reason).
--
-- Arguments of the trigger: the column with the record's id, then the columns whose content is personal. Of those it
-- is only noted that they changed, so that erasing a person erases.
create function app_private.audit_change() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_old jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) else '{}' end;
  v_new jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) else '{}' end;
  v_row jsonb := case when tg_op = 'DELETE' then v_old else v_new end;
  v_before jsonb;
  v_after jsonb;
begin
  if tg_op = 'UPDATE' then
    select coalesce(jsonb_object_agg(c.name, c.before) filter (where c.before <> 'null'), '{}'),
           coalesce(jsonb_object_agg(c.name, c.after) filter (where c.after <> 'null' or c.before <> 'null'), '{}')
    into v_before, v_after
    from (
      select k.name,
        app_private.audit_value(v_old -> k.name, k.name = any (tg_argv[1:])) as before,
        app_private.audit_value(v_new -> k.name, k.name = any (tg_argv[1:])) as after
      from jsonb_object_keys(v_row) k (name)
      where v_old -> k.name is distinct from v_new -> k.name
    ) c;
  else
    v_before := app_private.audit_row(v_old, tg_argv[1:]);
    v_after := app_private.audit_row(v_new, tg_argv[1:]);
  end if;

  insert into app_public.audit_log (
    organization_id, actor_user_id, actor_role, via, ip, user_agent, table_name, record_id, customer_id, operation,
    old_values, new_values, reason)
  values (
    case tg_table_name when 'organizations' then v_row ->> 'id' else v_row ->> 'organization_id' end::uuid,
    nullif(current_setting('reslot.user_id', true), '')::uuid,
    app_private.caller_role(),
    coalesce(nullif(current_setting('reslot.via', true), ''), 'sql'),
    nullif(current_setting('reslot.ip', true), '')::inet,
    nullif(current_setting('reslot.user_agent', true), ''),
    tg_table_name,
    (v_row ->> tg_argv[0])::uuid,
    case tg_table_name when 'customers' then v_row ->> 'id' else v_row ->> 'customer_id' end::uuid,
    lower(tg_op),
    case when tg_op <> 'INSERT' then v_before end,
    case when tg_op <> 'DELETE' then v_after end,
    coalesce(nullif(current_setting('reslot.reason', true), ''), v_after ->> 'ended_reason'));
  -- A reason is given for one change. What follows from it in the same transaction concerns other people, who may read
  -- their own lines and are not to read this.
  perform set_config('reslot.reason', '', true);
  return null;
end
$$;
comment on function app_private.audit_change() is 'Writes a changed row to the audit log: only the columns that changed, and of personal ones only that they did.';

create function app_private.audit_value(value jsonb, is_personal boolean) returns jsonb
language sql immutable parallel safe
return case when is_personal and value <> 'null' then '"[personal]"'::jsonb else coalesce(value, 'null') end;
comment on function app_private.audit_value(jsonb, boolean) is 'What the audit log keeps of a value.';

create function app_private.audit_row(record jsonb, personal text[]) returns jsonb
language sql immutable parallel safe
as $$
  select jsonb_strip_nulls(record) || coalesce((
    select jsonb_object_agg(p.name, '"[personal]"'::jsonb)
    from unnest(personal) p (name) where record -> p.name <> 'null'), '{}')
$$;
comment on function app_private.audit_row(jsonb, text[]) is 'What the audit log keeps of a row that was made or deleted: all that is not null, and of personal columns only that there was something.';

-- The address and program of whoever else acted are for those who answer for the organisation.
create function app_private.may_see_origin(entry app_public.audit_log) returns boolean
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select entry.actor_user_id = app_private.current_user_id()
    or app_private.is_manager_in(entry.organization_id)
    or app_private.is_admin()
$$;
comment on function app_private.may_see_origin(app_public.audit_log) is 'Whether the caller may see from where a change was made.';

-- By identifier and not by the row: who may not read these columns cannot hand over a whole row either.
create function app_private.audit_address(entry_id uuid) returns inet
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select l.ip from app_public.audit_log l where l.id = audit_address.entry_id and app_private.may_see_origin(l)
$$;
comment on function app_private.audit_address(uuid) is 'Address the request of a line of the log came from; for whoever acted, managers of the whole organisation and admins.';

create function app_private.audit_program(entry_id uuid) returns text
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select l.user_agent from app_public.audit_log l where l.id = audit_program.entry_id and app_private.may_see_origin(l)
$$;
comment on function app_private.audit_program(uuid) is 'Program the request of a line of the log came from; for whoever acted, managers of the whole organisation and admins.';

revoke execute on function
  app_private.audit_change(), app_private.audit_value(jsonb, boolean), app_private.audit_row(jsonb, text[]),
  app_private.may_see_origin(app_public.audit_log), app_private.audit_address(uuid), app_private.audit_program(uuid)
from public;
grant execute on function app_private.audit_address(uuid), app_private.audit_program(uuid) to reslot_user, reslot_admin;
--! EndIncluded functions/audit.sql
--! Included functions/policy_sets.sql
-- Sets for row-level policies beside those of caller.sql: written `in (select …)`, a policy computes each once.
create function app_private.owned_organization_ids() returns setof uuid
language sql stable security definer rows 3
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select m.organization_id from app_public.memberships m
  where m.user_id = app_private.current_user_id() and m.role = 'owner'
$$;
comment on function app_private.owned_organization_ids() is 'The organisations the caller owns.';

create function app_private.own_organization_ids() returns setof uuid
language sql stable security definer rows 3
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select c.organization_id from app_public.customers c where c.user_id = app_private.current_user_id()
$$;
comment on function app_private.own_organization_ids() is 'The organisations that know the caller as a customer.';

create function app_private.named_offering_ids() returns setof uuid
language sql stable security definer rows 5
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select x.offering_id
  from app_public.memberships m
  join app_public.membership_offerings x on x.membership_id = m.id
  where m.user_id = app_private.current_user_id() and m.role in ('owner', 'manager') and not m.all_offerings
$$;
comment on function app_private.named_offering_ids() is 'The offerings the caller manages by name, not those that come with a whole organisation.';

revoke execute on function
  app_private.owned_organization_ids(), app_private.own_organization_ids(), app_private.named_offering_ids() from public;
grant execute on function
  app_private.owned_organization_ids(), app_private.own_organization_ids(), app_private.named_offering_ids()
to reslot_user, reslot_admin;
--! EndIncluded functions/policy_sets.sql
--! Included functions/front_end_origins.sql
create function app_private.front_end_origins() returns setof text
language sql stable security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
  select distinct lower(substring(o.front_end_url from '^https?://[^/?#]+'))
  from app_public.organizations o
  where o.archived_at is null and o.front_end_url is not null
$$;
comment on function app_private.front_end_origins() is 'The origins of the organisations'' front ends: pages from there may use the API in a browser.';
revoke execute on function app_private.front_end_origins() from public;
grant execute on function app_private.front_end_origins() to reslot_app;
--! EndIncluded functions/front_end_origins.sql
--! Included triggers/configuration.sql
-- Configuration is edited directly, under row-level policies that look at one table; what spans two is held here.

create function app_private.check_same_organization() returns trigger
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

create function app_private.schedules_check_offering() returns trigger
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

create function app_private.policies_add_first_version() returns trigger
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

create function app_private.organizations_add_default_policy() returns trigger
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

create function app_private.offerings_within(table_name text, id uuid) returns uuid[]
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

-- What comes back is room that was not there, and people may wait for it.
create function app_private.hand_on_what_came_back() returns trigger
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

create function app_private.take_back_what_went() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_offerings uuid[] := app_private.offerings_within(tg_table_name, new.id);
begin
  perform app_private.lock_room(v_offerings);
  -- Bookings were promised and stay; what is only offered is not given any more.
  perform app_private.end_offer(e.id, 'waiting', 'This is not offered any more.')
  from app_public.waitlist_entries e
  where e.hold_id is not null and e.offering_id = any (v_offerings);
  return null;
end
$$;
comment on function app_private.take_back_what_went() is 'Ends the live offers of an organisation, an offering or a resource that was archived; the entries keep their places.';

revoke execute on function
  app_private.offerings_within(text, uuid), app_private.take_back_what_went(), app_private.hand_on_what_came_back(), app_private.check_same_organization(), app_private.schedules_check_offering(), app_private.policies_add_first_version(),
  app_private.organizations_add_default_policy() from public;

create trigger offerings_check_same_organization
  before insert or update of organization_id, policy_id on app_public.offerings
  for each row execute function app_private.check_same_organization();
create trigger offering_resources_check_same_organization
  before insert or update on app_public.offering_resources
  for each row execute function app_private.check_same_organization();
create trigger opening_hours_check_same_organization
  before insert or update of organization_id, resource_id on app_public.opening_hours
  for each row execute function app_private.check_same_organization();
create trigger blackouts_check_same_organization
  before insert or update of organization_id, offering_id, resource_id on app_public.blackouts
  for each row execute function app_private.check_same_organization();
create trigger schedules_check_same_organization
  before insert or update of organization_id, offering_id on app_public.schedules
  for each row execute function app_private.check_same_organization();
create trigger schedules_check_offering
  before insert or update of offering_id, duration on app_public.schedules
  for each row execute function app_private.schedules_check_offering();
create trigger policy_versions_check_same_organization
  before insert on app_public.policy_versions
  for each row execute function app_private.check_same_organization();
create trigger membership_offerings_check_same_organization
  before insert or update on app_public.membership_offerings
  for each row execute function app_private.check_same_organization();

-- Only by hand: functions of the owner write the versions they mean.
create trigger policies_add_first_version after insert on app_public.policies
  for each row when (current_user <> 'reslot_owner') execute function app_private.policies_add_first_version();
create trigger organizations_add_default_policy after insert on app_public.organizations
  for each row when (current_user <> 'reslot_owner') execute function app_private.organizations_add_default_policy();

create trigger organizations_hand_on after update of archived_at on app_public.organizations
  for each row when (old.archived_at is not null and new.archived_at is null)
  execute function app_private.hand_on_what_came_back();
create trigger offerings_hand_on after update of archived_at on app_public.offerings
  for each row when (old.archived_at is not null and new.archived_at is null)
  execute function app_private.hand_on_what_came_back();
create trigger resources_hand_on after update of archived_at on app_public.resources
  for each row when (old.archived_at is not null and new.archived_at is null)
  execute function app_private.hand_on_what_came_back();

create trigger organizations_take_back after update of archived_at on app_public.organizations
  for each row when (old.archived_at is null and new.archived_at is not null)
  execute function app_private.take_back_what_went();
create trigger offerings_take_back after update of archived_at on app_public.offerings
  for each row when (old.archived_at is null and new.archived_at is not null)
  execute function app_private.take_back_what_went();
create trigger resources_take_back after update of archived_at on app_public.resources
  for each row when (old.archived_at is null and new.archived_at is not null)
  execute function app_private.take_back_what_went();
--! EndIncluded triggers/configuration.sql
--! Included triggers/audit.sql
-- Two triggers a table: an update that changes nothing is no change, and only updates can say so beforehand.

create trigger organizations_audit after insert or delete on app_public.organizations
  for each row execute function app_private.audit_change('id');
create trigger organizations_audit_update after update on app_public.organizations
  for each row when (old is distinct from new) execute function app_private.audit_change('id');

create trigger users_audit after insert or delete on app_public.users
  for each row execute function app_private.audit_change('id', 'email', 'email_normalised', 'name', 'phone');
create trigger users_audit_update after update on app_public.users
  for each row when (old is distinct from new) execute function app_private.audit_change('id', 'email', 'email_normalised', 'name', 'phone');

create trigger memberships_audit after insert or delete on app_public.memberships
  for each row execute function app_private.audit_change('id');
create trigger memberships_audit_update after update on app_public.memberships
  for each row when (old is distinct from new) execute function app_private.audit_change('id');

create trigger membership_offerings_audit after insert or delete on app_public.membership_offerings
  for each row execute function app_private.audit_change('membership_id');
create trigger membership_offerings_audit_update after update on app_public.membership_offerings
  for each row when (old is distinct from new) execute function app_private.audit_change('membership_id');

create trigger offerings_audit after insert or delete on app_public.offerings
  for each row execute function app_private.audit_change('id');
create trigger offerings_audit_update after update on app_public.offerings
  for each row when (old is distinct from new) execute function app_private.audit_change('id');

create trigger offering_resources_audit after insert or delete on app_public.offering_resources
  for each row execute function app_private.audit_change('offering_id');
create trigger offering_resources_audit_update after update on app_public.offering_resources
  for each row when (old is distinct from new) execute function app_private.audit_change('offering_id');

create trigger resources_audit after insert or delete on app_public.resources
  for each row execute function app_private.audit_change('id');
create trigger resources_audit_update after update on app_public.resources
  for each row when (old is distinct from new) execute function app_private.audit_change('id');

create trigger opening_hours_audit after insert or delete on app_public.opening_hours
  for each row execute function app_private.audit_change('id');
create trigger opening_hours_audit_update after update on app_public.opening_hours
  for each row when (old is distinct from new) execute function app_private.audit_change('id');

create trigger blackouts_audit after insert or delete on app_public.blackouts
  for each row execute function app_private.audit_change('id');
create trigger blackouts_audit_update after update on app_public.blackouts
  for each row when (old is distinct from new) execute function app_private.audit_change('id');

create trigger policies_audit after insert or delete on app_public.policies
  for each row execute function app_private.audit_change('id');
create trigger policies_audit_update after update on app_public.policies
  for each row when (old is distinct from new) execute function app_private.audit_change('id');

create trigger policy_versions_audit after insert or delete on app_public.policy_versions
  for each row execute function app_private.audit_change('id');
create trigger policy_versions_audit_update after update on app_public.policy_versions
  for each row when (old is distinct from new) execute function app_private.audit_change('id');

create trigger customers_audit after insert or delete on app_public.customers
  for each row execute function app_private.audit_change('id', 'name', 'email', 'email_normalised', 'phone');
create trigger customers_audit_update after update on app_public.customers
  for each row when (old is distinct from new) execute function app_private.audit_change('id', 'name', 'email', 'email_normalised', 'phone');

create trigger bookings_audit after insert or delete on app_public.bookings
  for each row execute function app_private.audit_change('id', 'purpose', 'special_requests', 'dietary_needs', 'access_needs');
create trigger bookings_audit_update after update on app_public.bookings
  for each row when (old is distinct from new) execute function app_private.audit_change('id', 'purpose', 'special_requests', 'dietary_needs', 'access_needs');

create trigger waitlist_entries_audit after insert or delete on app_public.waitlist_entries
  for each row execute function app_private.audit_change('id', 'note');
create trigger waitlist_entries_audit_update after update on app_public.waitlist_entries
  for each row when (old is distinct from new) execute function app_private.audit_change('id', 'note');

-- Of what people are told only a manager's own words are a deed; the rest follows from changes that have their lines.
create trigger notifications_audit after insert on app_public.notifications
  for each row when (new.kind = 'message_slot') execute function app_private.audit_change('id', 'data');

create trigger schedules_audit after insert or delete on app_public.schedules
  for each row execute function app_private.audit_change('id');
create trigger schedules_audit_update after update on app_public.schedules
  for each row when (old is distinct from new) execute function app_private.audit_change('id');

-- Who took how many places is in the lines of the bookings.
create trigger slots_audit after insert or delete on app_public.slots
  for each row execute function app_private.audit_change('id');
create trigger slots_audit_update
  after update of starts_at, ends_at, room, capacity, min_size, price, closed_at, closed_reason, altered_at,
    minimum_checked_at, ended_at, cancelled_reason on app_public.slots
  for each row when (old is distinct from new) execute function app_private.audit_change('id');
--! EndIncluded triggers/audit.sql
--! Included triggers/deadlines.sql
create function app_private.bookings_set_deadline() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_policy app_public.policy_versions;
begin
  select * into v_policy from app_public.policy_versions p where p.id = new.policy_version_id;
  perform app_private.set_deadline('booking', new.id, new.organization_id, app_private.booking_deadline(new, v_policy));
  return null;
end
$$;
comment on function app_private.bookings_set_deadline() is 'Keeps the deadline of a booking what its row says.';

create function app_private.waitlist_entries_set_deadline() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform app_private.set_deadline('entry', new.id, new.organization_id, app_private.entry_deadline(new));
  return null;
end
$$;
comment on function app_private.waitlist_entries_set_deadline() is 'Keeps the deadline of a waitlist entry what its row says.';

create function app_private.slots_set_deadline() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_policy app_public.policy_versions;
begin
  select * into v_policy from app_public.policy_versions p where p.id = new.policy_version_id;
  perform app_private.set_deadline('slot', new.id, new.organization_id, app_private.slot_deadline(new, v_policy));
  return null;
end
$$;
comment on function app_private.slots_set_deadline() is 'Keeps the deadline of a slot what its row says.';

create function app_private.freeings_set_deadline() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform app_private.set_deadline('freeing', new.id, new.organization_id,
    case when new.told_at is null then row('last_call', new.created_at)::app_private.next_deadline end);
  return null;
end
$$;
comment on function app_private.freeings_set_deadline() is 'A freeing is due at once, and once.';

create function app_private.blackout_sweeps_set_deadline() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform app_private.set_deadline('blackout', new.id, new.organization_id,
    case when new.swept_at is null then row('sweep_blackout', new.created_at)::app_private.next_deadline end);
  return null;
end
$$;
comment on function app_private.blackout_sweeps_set_deadline() is 'A sweep is due at once, and once.';

revoke execute on function
  app_private.bookings_set_deadline(), app_private.waitlist_entries_set_deadline(),
  app_private.slots_set_deadline(),
  app_private.freeings_set_deadline(), app_private.blackout_sweeps_set_deadline() from public;

create trigger bookings_set_deadline after insert or update on app_public.bookings
  for each row execute function app_private.bookings_set_deadline();
create trigger waitlist_entries_set_deadline after insert or update on app_public.waitlist_entries
  for each row execute function app_private.waitlist_entries_set_deadline();
create trigger freeings_set_deadline after insert or update on app_private.freeings
  for each row execute function app_private.freeings_set_deadline();
create trigger blackout_sweeps_set_deadline after insert or update on app_private.blackout_sweeps
  for each row execute function app_private.blackout_sweeps_set_deadline();
-- Not when places are taken or given back, which changes none.
create trigger slots_set_deadline
  after insert or update of starts_at, room, min_size, minimum_checked_at, ended_at, policy_version_id on app_public.slots
  for each row execute function app_private.slots_set_deadline();
--! EndIncluded triggers/deadlines.sql
--! Included triggers/transitions.sql
create function app_private.bookings_check_transition() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  if not exists (
    select from app_private.booking_transitions t where t.from_status = old.status and t.to_status = new.status
  ) then
    perform app_private.fail('RSSTA', format('A booking that is %s cannot become %s.', old.status, new.status));
  end if;
  return new;
end
$$;
comment on function app_private.bookings_check_transition() is 'Holds bookings to the transition table (I8). Errors: RSSTA.';

create function app_private.waitlist_entries_check_transition() returns trigger
language plpgsql security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  if not exists (
    select from app_private.waitlist_transitions t where t.from_status = old.status and t.to_status = new.status
  ) then
    perform app_private.fail('RSSTA', format('A waiting list entry that is %s cannot become %s.', old.status, new.status));
  end if;
  return new;
end
$$;
comment on function app_private.waitlist_entries_check_transition() is 'Holds waitlist entries to the transition table (I8). Errors: RSSTA.';

revoke execute on function
  app_private.bookings_check_transition(), app_private.waitlist_entries_check_transition() from public;

create trigger bookings_check_transition before update of status on app_public.bookings
  for each row when (old.status <> new.status) execute function app_private.bookings_check_transition();
create trigger waitlist_entries_check_transition before update of status on app_public.waitlist_entries
  for each row when (old.status <> new.status) execute function app_private.waitlist_entries_check_transition();
--! EndIncluded triggers/transitions.sql
--! Included triggers/policy_versions.sql
create trigger policy_versions_normalise before insert on app_public.policy_versions
  for each row execute function app_private.policy_versions_normalise();

create function app_private.policy_versions_are_immutable() returns trigger
language plpgsql
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
begin
  perform app_private.fail('RSSTA', 'A policy version is never changed; revise the policy instead.');
end
$$;
comment on function app_private.policy_versions_are_immutable() is 'Keeps what mails have promised. Errors: RSSTA.';
revoke execute on function app_private.policy_versions_are_immutable() from public;
create trigger policy_versions_are_immutable before update or delete on app_public.policy_versions
  for each row execute function app_private.policy_versions_are_immutable();
--! EndIncluded triggers/policy_versions.sql
--! Included policies/organizations.sql
alter table app_public.organizations enable row level security, force row level security;
create policy owner_all on app_public.organizations to reslot_owner using (true) with check (true);
create policy admin_all on app_public.organizations to reslot_admin using (true) with check (true);
create policy read_open on app_public.organizations for select to reslot_anonymous, reslot_user
  using (archived_at is null);
-- Whoever has dealings with an organisation that closed still reads its name on their bookings.
create policy read_known on app_public.organizations for select to reslot_user
  using (id in (select app_private.member_organization_ids()) or id in (select app_private.own_organization_ids()));
create policy update_owned on app_public.organizations for update to reslot_user
  using (id in (select app_private.owned_organization_ids()))
  with check (id in (select app_private.owned_organization_ids()));

grant select on app_public.organizations to reslot_anonymous, reslot_user, reslot_admin;
grant update (name, logo_url, address, support_email, support_phone, front_end_url, locale, time_zone)
  on app_public.organizations to reslot_user, reslot_admin;
-- What bookings and references are made of is set once, by the operator of the platform.
grant insert (slug, name, logo_url, address, support_email, support_phone, front_end_url, locale, time_zone,
              currency, reference_prefix), update (slug, archived_at)
  on app_public.organizations to reslot_admin;
--! EndIncluded policies/organizations.sql
--! Included policies/users.sql
alter table app_public.users enable row level security, force row level security;
create policy owner_all on app_public.users to reslot_owner using (true) with check (true);
create policy admin_all on app_public.users for select to reslot_admin using (true);
create policy read_self on app_public.users for select to reslot_user
  using (id = (select app_private.current_user_id()));

grant select on app_public.users to reslot_user, reslot_admin;
--! EndIncluded policies/users.sql
--! Included policies/memberships.sql
alter table app_public.memberships enable row level security, force row level security;
create policy owner_all on app_public.memberships to reslot_owner using (true) with check (true);
create policy admin_all on app_public.memberships for select to reslot_admin using (true);
create policy read_own on app_public.memberships for select to reslot_user
  using (user_id = (select app_private.current_user_id()));
create policy read_managed on app_public.memberships for select to reslot_user
  using (organization_id in (select app_private.managed_organization_ids()));

grant select on app_public.memberships to reslot_user, reslot_admin;

alter table app_public.membership_offerings enable row level security, force row level security;
create policy owner_all on app_public.membership_offerings to reslot_owner using (true) with check (true);
create policy admin_all on app_public.membership_offerings for select to reslot_admin using (true);
-- Under the policies of memberships: what a membership covers is seen by who sees the membership.
create policy read_with_membership on app_public.membership_offerings for select to reslot_user
  using (exists (select from app_public.memberships m where m.id = membership_id));

grant select on app_public.membership_offerings to reslot_user, reslot_admin;
--! EndIncluded policies/memberships.sql
--! Included policies/policies.sql
alter table app_public.policies enable row level security, force row level security;
create policy owner_all on app_public.policies to reslot_owner using (true) with check (true);
create policy admin_all on app_public.policies to reslot_admin using (true) with check (true);
create policy read_all on app_public.policies for select to reslot_anonymous, reslot_user using (true);
create policy insert_managed on app_public.policies for insert to reslot_user
  with check (organization_id in (select app_private.managed_organization_ids()));
create policy update_managed on app_public.policies for update to reslot_user
  using (organization_id in (select app_private.managed_organization_ids()))
  with check (organization_id in (select app_private.managed_organization_ids()));

grant select on app_public.policies to reslot_anonymous, reslot_user, reslot_admin;
grant insert (organization_id, name), update (name, archived_at)
  on app_public.policies to reslot_user, reslot_admin;

-- Superseded versions stay public: they were when they were in force, and bookings made under them refer to them.
alter table app_public.policy_versions enable row level security, force row level security;
create policy owner_all on app_public.policy_versions to reslot_owner using (true) with check (true);
create policy read_all on app_public.policy_versions for select to reslot_anonymous, reslot_user, reslot_admin
  using (true);

grant select on app_public.policy_versions to reslot_anonymous, reslot_user, reslot_admin;
--! EndIncluded policies/policies.sql
--! Included policies/offerings.sql
-- Archived ones stay readable: past bookings name them.
alter table app_public.offerings enable row level security, force row level security;
create policy owner_all on app_public.offerings to reslot_owner using (true) with check (true);
create policy admin_all on app_public.offerings to reslot_admin using (true) with check (true);
create policy read_all on app_public.offerings for select to reslot_anonymous, reslot_user using (true);
create policy insert_managed on app_public.offerings for insert to reslot_user
  with check (organization_id in (select app_private.managed_organization_ids()));
create policy update_managed on app_public.offerings for update to reslot_user
  using (id in (select app_private.managed_offering_ids()))
  with check (id in (select app_private.managed_offering_ids()));

grant select on app_public.offerings to reslot_anonymous, reslot_user, reslot_admin;
grant insert (organization_id, policy_id, kind, allocation, name, description, address, directions, support_contact, price),
      update (policy_id, name, description, address, directions, support_contact, price, archived_at)
  on app_public.offerings to reslot_user, reslot_admin;

alter table app_public.offering_resources enable row level security, force row level security;
create policy owner_all on app_public.offering_resources to reslot_owner using (true) with check (true);
create policy read_all on app_public.offering_resources for select to reslot_anonymous, reslot_user, reslot_admin
  using (true);

grant select on app_public.offering_resources to reslot_anonymous, reslot_user, reslot_admin;
--! EndIncluded policies/offerings.sql
--! Included policies/resources.sql
alter table app_public.resources enable row level security, force row level security;
create policy owner_all on app_public.resources to reslot_owner using (true) with check (true);
create policy admin_all on app_public.resources to reslot_admin using (true) with check (true);
create policy read_all on app_public.resources for select to reslot_anonymous, reslot_user using (true);
create policy insert_managed on app_public.resources for insert to reslot_user
  with check (organization_id in (select app_private.managed_organization_ids()));
create policy update_managed on app_public.resources for update to reslot_user
  using (organization_id in (select app_private.managed_organization_ids()))
  with check (organization_id in (select app_private.managed_organization_ids()));

grant select on app_public.resources to reslot_anonymous, reslot_user, reslot_admin;
-- The zone is set once: opening hours and bookings were made in it. Archiving takes room, and so is a function.
grant insert (organization_id, name, time_zone, shared), update (name)
  on app_public.resources to reslot_user, reslot_admin;
--! EndIncluded policies/resources.sql
--! Included policies/opening_hours.sql
-- Hours take and free room, so they change by a function only.
alter table app_public.opening_hours enable row level security, force row level security;
create policy owner_all on app_public.opening_hours to reslot_owner using (true) with check (true);
create policy read_all on app_public.opening_hours for select to reslot_anonymous, reslot_user, reslot_admin
  using (true);

grant select on app_public.opening_hours to reslot_anonymous, reslot_user, reslot_admin;
--! EndIncluded policies/opening_hours.sql
--! Included policies/blackouts.sql
-- Blackouts take and free room, so they change by functions only.
alter table app_public.blackouts enable row level security, force row level security;
create policy owner_all on app_public.blackouts to reslot_owner using (true) with check (true);
create policy admin_all on app_public.blackouts for select to reslot_admin using (true);
create policy read_current on app_public.blackouts for select to reslot_anonymous, reslot_user
  using (lifted_at is null and ends_at > (select app_private.clock()));
create policy read_managed on app_public.blackouts for select to reslot_user
  using (organization_id in (select app_private.managed_organization_ids())
         or offering_id in (select app_private.managed_offering_ids()));

grant select on app_public.blackouts to reslot_anonymous, reslot_user, reslot_admin;
--! EndIncluded policies/blackouts.sql
--! Included policies/schedules.sql
alter table app_public.schedules enable row level security, force row level security;
create policy owner_all on app_public.schedules to reslot_owner using (true) with check (true);
create policy admin_all on app_public.schedules to reslot_admin using (true) with check (true);
create policy read_all on app_public.schedules for select to reslot_anonymous, reslot_user using (true);
create policy insert_managed on app_public.schedules for insert to reslot_user
  with check (offering_id in (select app_private.managed_offering_ids()));
create policy update_managed on app_public.schedules for update to reslot_user
  using (offering_id in (select app_private.managed_offering_ids()))
  with check (offering_id in (select app_private.managed_offering_ids()));

grant select on app_public.schedules to reslot_anonymous, reslot_user, reslot_admin;
-- What it is a schedule of is set once; slots that exist stay with what they were made of.
grant insert (organization_id, offering_id, name, local_start, duration, recurrence, weekdays, rrule, capacity, min_size,
              valid_from, valid_until, price, active),
      update (name, local_start, duration, recurrence, weekdays, rrule, capacity, min_size, valid_from, valid_until, price,
              active)
  on app_public.schedules to reslot_user, reslot_admin;
--! EndIncluded policies/schedules.sql
--! Included policies/slots.sql
-- Places are taken and given back by functions only. What is over or cancelled stays readable: bookings name it.
alter table app_public.slots enable row level security, force row level security;
create policy owner_all on app_public.slots to reslot_owner using (true) with check (true);
create policy read_all on app_public.slots for select to reslot_anonymous, reslot_user, reslot_admin using (true);

grant select on app_public.slots to reslot_anonymous, reslot_user, reslot_admin;
--! EndIncluded policies/slots.sql
--! Included policies/customers.sql
alter table app_public.customers enable row level security, force row level security;
create policy owner_all on app_public.customers to reslot_owner using (true) with check (true);
create policy admin_all on app_public.customers for select to reslot_admin using (true);
create policy read_own on app_public.customers for select to reslot_user
  using (user_id = (select app_private.current_user_id()));
create policy read_of_managed_organization on app_public.customers for select to reslot_user
  using (organization_id = any (array(select app_private.managed_organization_ids())));
-- A manager of named offerings knows the people who book or wait there, and nobody else. Asked for each customer, once it
-- is known that there are such offerings, and not by `exists`, which may be planned as a list of all who ever booked.
create policy read_of_named_offering on app_public.customers for select to reslot_user
  using (
    (select exists (select app_private.named_offering_ids()))
    and (
      (select true from app_public.bookings b
       where b.customer_id = customers.id and b.offering_id = any (array(select app_private.named_offering_ids()))
       limit 1)
      or (select true from app_public.waitlist_entries e
          where e.customer_id = customers.id and e.offering_id = any (array(select app_private.named_offering_ids()))
          limit 1))
  );

grant select on app_public.customers to reslot_user, reslot_admin;
--! EndIncluded policies/customers.sql
--! Included policies/bookings.sql
-- `= any (array(select …))` here and in other large tables: the array is made once, and then the index is used. As
-- `in (select …)` the list of one's own among 306,000 bookings took 53 ms, so it takes 0.4 ms.
alter table app_public.bookings enable row level security, force row level security;
create policy owner_all on app_public.bookings to reslot_owner using (true) with check (true);
create policy admin_all on app_public.bookings for select to reslot_admin using (true);
create policy read_own on app_public.bookings for select to reslot_user
  using (customer_id = any (array(select app_private.own_customer_ids())));
create policy read_managed on app_public.bookings for select to reslot_user
  using (offering_id = any (array(select app_private.managed_offering_ids())));

grant select on app_public.bookings to reslot_user, reslot_admin;
--! EndIncluded policies/bookings.sql
--! Included policies/booking_modifications.sql
-- Seen by whoever sees the booking, whose own policies decide.
alter table app_public.booking_modifications enable row level security, force row level security;
create policy owner_all on app_public.booking_modifications to reslot_owner using (true) with check (true);
create policy admin_all on app_public.booking_modifications for select to reslot_admin using (true);
create policy read_with_booking on app_public.booking_modifications for select to reslot_user
  using (exists (select from app_public.bookings b where b.id = booking_id));

grant select on app_public.booking_modifications to reslot_user, reslot_admin;
--! EndIncluded policies/booking_modifications.sql
--! Included policies/waitlist_entries.sql
alter table app_public.waitlist_entries enable row level security, force row level security;
create policy owner_all on app_public.waitlist_entries to reslot_owner using (true) with check (true);
create policy admin_all on app_public.waitlist_entries for select to reslot_admin using (true);
create policy read_own on app_public.waitlist_entries for select to reslot_user
  using (customer_id = any (array(select app_private.own_customer_ids())));
create policy read_managed on app_public.waitlist_entries for select to reslot_user
  using (offering_id = any (array(select app_private.managed_offering_ids())));

grant select on app_public.waitlist_entries to reslot_user, reslot_admin;
--! EndIncluded policies/waitlist_entries.sql
--! Included policies/notifications.sql
alter table app_public.notifications enable row level security, force row level security;
create policy owner_all on app_public.notifications to reslot_owner using (true) with check (true);
create policy admin_all on app_public.notifications for select to reslot_admin using (true);
create policy read_own on app_public.notifications for select to reslot_user
  using (user_id = (select app_private.current_user_id())
         or customer_id = any (array(select app_private.own_customer_ids())));
-- What customers were told about bookings and entries one manages; never what other users were told.
create policy read_of_managed_organization on app_public.notifications for select to reslot_user
  using (organization_id = any (array(select app_private.managed_organization_ids()))
         and customer_id is not null and num_nonnulls(booking_id, entry_id) > 0);
-- Asked for each message, as with customers.
create policy read_of_named_offering on app_public.notifications for select to reslot_user
  using (
    (select exists (select app_private.named_offering_ids()))
    and customer_id is not null
    and (
      (select true from app_public.bookings b
       where b.id = booking_id and b.offering_id = any (array(select app_private.named_offering_ids())))
      or (select true from app_public.waitlist_entries e
          where e.id = entry_id and e.offering_id = any (array(select app_private.named_offering_ids()))))
  );

grant select on app_public.notifications to reslot_user, reslot_admin;

alter table app_public.deliveries enable row level security, force row level security;
create policy owner_all on app_public.deliveries to reslot_owner using (true) with check (true);
create policy admin_all on app_public.deliveries for select to reslot_admin using (true);
-- Whoever sees what was said sees whether it arrived.
create policy read_with_notification on app_public.deliveries for select to reslot_user
  using ((select true from app_public.notifications n where n.id = notification_id));

-- Not the address: a customer's later account need not know where earlier mails went.
grant select (id, organization_id, notification_id, subject_id, channel, status, not_after, attempts,
              next_attempt_at, sent_at, bounced_at, last_error, created_at)
  on app_public.deliveries to reslot_user;
grant select on app_public.deliveries to reslot_admin;
--! EndIncluded policies/notifications.sql
--! Included policies/audit_log.sql
alter table app_public.audit_log enable row level security, force row level security;
create policy owner_all on app_public.audit_log to reslot_owner using (true) with check (true);
create policy admin_all on app_public.audit_log for select to reslot_admin using (true);
create policy read_own on app_public.audit_log for select to reslot_user
  using (customer_id = any (array(select app_private.own_customer_ids())));
create policy read_of_managed_organization on app_public.audit_log for select to reslot_user
  using (organization_id = any (array(select app_private.managed_organization_ids())));
-- Asked for each line, as with customers.
create policy read_of_named_offering on app_public.audit_log for select to reslot_user
  using (
    (select exists (select app_private.named_offering_ids()))
    and (
      record_id = any (array(select app_private.named_offering_ids()))
      or (select true from app_public.bookings b
          where b.id = record_id and b.offering_id = any (array(select app_private.named_offering_ids())))
      or (select true from app_public.waitlist_entries e
          where e.id = record_id and e.offering_id = any (array(select app_private.named_offering_ids()))))
  );

-- Not from where somebody acted: audit_address and audit_program tell those who may know.
grant select (id, organization_id, at, actor_user_id, actor_role, via, table_name, record_id, customer_id, operation,
              old_values, new_values, reason)
  on app_public.audit_log to reslot_user;
grant select on app_public.audit_log to reslot_admin;
--! EndIncluded policies/audit_log.sql
--! Included views/invariants.sql
-- One view for each invariant of DESIGN §3, returning the rows that break it: none in a healthy system.

create view app_private.i1_places with (security_invoker) as
select s.id as subject_id, 'places taken are not those of its bookings' as problem
from app_public.slots s
where s.taken <> (select coalesce(sum(t.places), 0) from app_private.taken_places t where t.slot_id = s.id)
union all
select s.id, 'more places taken than there are'
from app_public.slots s where s.taken > s.capacity
union all
select b.id, 'booking and places disagree'
from app_public.bookings b left join app_private.taken_places t on t.booking_id = b.id
where b.slot_id is not null and b.ended_at is null and app_private.occupies(b.status)
  and (t.slot_id, t.places) is distinct from (b.slot_id, b.places)
union all
select t.booking_id, 'places without a live booking'
from app_private.taken_places t join app_public.bookings b on b.id = t.booking_id
where not app_private.occupies(b.status);
comment on view app_private.i1_places is 'I1: room taken never exceeds the capacity of a slot, and is the sum of the bookings that occupy, holds included.';

create view app_private.i2_occupancies with (security_invoker) as
select b.id as subject_id, 'booking and occupancies disagree' as problem
from app_public.bookings b
where b.slot_id is null and b.ended_at is null and app_private.occupies(b.status) and exists (
  select from app_public.offering_resources x
  join app_public.resources r on r.id = x.resource_id and not r.shared
  where x.offering_id = b.offering_id and not exists (
    select from app_private.occupancies o
    where o.booking_id = b.id and o.resource_id = x.resource_id and o.during = b.room))
union all
select o.booking_id, 'occupancy without a live booking'
from app_private.occupancies o join app_public.bookings b on b.id = o.booking_id
where not app_private.occupies(b.status)
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

create view app_private.i3_offers with (security_invoker) as
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

create view app_private.i4_free_while_waited_for with (security_invoker) as
select e.id as subject_id, 'room is free while somebody waits for it' as problem
from app_public.waitlist_entries e
where e.status = 'waiting' and e.stuck_at is null and e.passed_at is null and not e.for_places
  and e.last_call_at > (select app_private.clock())
  and app_private.is_free(e.offering_id, e.room)
  and not exists (
    select from app_public.waitlist_entries other
    join app_public.offering_resources y on y.offering_id = other.offering_id
    join app_public.offering_resources x on x.resource_id = y.resource_id
    where other.customer_id = e.customer_id and other.status = 'offered' and x.offering_id = e.offering_id)
  -- An organisation-wide blackout that was lifted is handed on by its sweeps.
  and not exists (
    select from app_private.blackout_sweeps s join app_public.offering_resources x on x.resource_id = s.resource_id
    where s.swept_at is null and x.offering_id = e.offering_id)
  and app_private.is_open(e.offering_id, e.starts_at, e.ends_at)
union all
select e.id, 'places are free while somebody waits for them'
from app_public.waitlist_entries e
where e.status = 'waiting' and e.stuck_at is null and e.passed_at is null and e.for_places
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
    where e.places <= s.capacity - s.taken and app_private.last_call_of(s, e) > (select app_private.clock())
      and app_private.is_on_sale(s));
comment on view app_private.i4_free_while_waited_for is 'I4: before the last call, no room is free while an eligible person waits for it.';

-- What was when an offer was made is read from the audit log: its ids are in the order in which things happened, also
-- where many happened at one moment of a simulated clock. Whatever has changed since excuses.
create view app_private.i5_out_of_turn with (security_invoker) as
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
  not exists (
    select from app_public.offering_resources x
    join app_private.occupancies c on c.resource_id = x.resource_id and c.booking_id <> o.hold_id
    where x.offering_id = w.offering_id and c.during && w.room)
  and not exists (
    select from app_public.waitlist_entries other
    join app_public.offering_resources y on y.offering_id = other.offering_id
    join app_public.offering_resources x on x.resource_id = y.resource_id and x.offering_id = w.offering_id
    where other.customer_id = w.customer_id and other.status = 'offered')
  and app_private.is_open(w.offering_id, w.starts_at, w.ends_at)
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
    where a.organization_id = o.organization_id and a.id > made.at and a.new_values ?| '{room,ended_at}')
  and not exists (
    select from app_public.audit_log a
    join app_public.waitlist_entries other on other.id = a.record_id and other.customer_id = w.customer_id
    where a.organization_id = o.organization_id and a.id > made.at and a.new_values ? 'status')
  -- nor what is open.
  and not exists (
    select from app_public.audit_log a
    where a.organization_id = o.organization_id and a.id > made.at
      and a.table_name in ('blackouts', 'opening_hours', 'resources', 'offerings', 'offering_resources'));
create view app_private.i5_places_out_of_turn with (security_invoker) as
-- Those who came first and whose party the places of an offer would have served.
with came_first as materialized (
  select o.id as offered_id, w.id as waiting_id, s.id as slot_id
  from app_public.waitlist_entries o
  join app_public.slots s on s.id = o.slot_id
  cross join lateral app_private.waiting_for(s) w
  where o.status = 'offered' and o.for_places and w.passed_at is null and w.customer_id <> o.customer_id
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
      and a.new_values ?| '{status,priority,passed_at,stuck_at,customer_id,capacity,closed_at}')
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

create view app_private.i6_deadlines_respected with (security_invoker) as
select e.id as subject_id, 'claimed after its deadline' as problem
from app_public.waitlist_entries e
where e.status = 'claimed' and e.ended_at >= least(e.offer_expires_at, e.starts_at)
union all
select e.id, 'expired before its deadline'
from app_public.waitlist_entries e
where e.status = 'expired' and (e.offer_expires_at is null or e.ended_at < e.offer_expires_at);
comment on view app_private.i6_deadlines_respected is 'I6: no claim after its deadline, no expiry before it.';

create view app_private.i7_messages with (security_invoker) as
select n.id as subject_id, 'notification without a delivery' as problem
from app_public.notifications n
where n.created_at > (select app_private.clock()) - interval '24 hours'
  and not exists (select from app_public.deliveries d where d.notification_id = n.id)
union all
select b.id, 'it was not told once how the booking ended'
from app_public.bookings b
where not b.unclaimed and b.ended_at > (select app_private.clock()) - interval '24 hours'
  and b.status in ('cancelled', 'auto_cancelled', 'rejected', 'expired')
  and 1 <> (
    select count(*) from app_public.notifications n where n.booking_id = b.id and n.kind in
      ('booking_cancelled', 'booking_auto_cancelled', 'booking_rejected', 'booking_expired', 'message_blackout'))
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

create view app_private.i8_audit with (security_invoker) as
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

create view app_private.i10_release_was_announced with (security_invoker) as
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

create view app_private.i11_offer_was_delivered with (security_invoker) as
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

create view app_private.deadlines_kept with (security_invoker) as
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

create function app_private.check_invariants() returns table (invariant text, subject_id uuid, problem text)
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
  union all select 'deadlines', v.subject_id, v.problem from app_private.deadlines_kept v
$$;
comment on function app_private.check_invariants() is 'All rows that break an invariant (DESIGN §3); none in a healthy system. I9 is what the fault tests show.';
revoke execute on function app_private.check_invariants() from public;
grant execute on function app_private.check_invariants() to reslot_admin;
--! EndIncluded views/invariants.sql
--! Included tables/first_organization.sql
-- So that a single operator never thinks about organisations: there is one from the start, to be renamed. Last of all,
-- so that the audit log begins with it.
with first as (
  insert into app_public.organizations (slug, name) values ('main', 'My organisation') returning id
), usual as (
  insert into app_public.policies (organization_id, name, is_default) select f.id, 'Default', true from first f
  returning id, organization_id
)
insert into app_public.policy_versions (policy_id, organization_id, version) select u.id, u.organization_id, 1 from usual u;
--! EndIncluded tables/first_organization.sql
--! EndIncluded all.sql
