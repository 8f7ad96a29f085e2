-- The next migration. `npm run migration:commit -- what-it-does` turns it into a record.

-- Whoever may not book for others hears the same about an offering that exists and one that does not.
create or replace function app_public.create_booking_for(
  offering_id uuid, starts_at timestamptz default null, ends_at timestamptz default null,
  local_starts_at timestamp default null, local_ends_at timestamp default null,
  name text default null, email text default null, phone text default null, locale text default null,
  party_size integer default 1, purpose text default null, needs_confirmation boolean default true,
  idempotency_key text default null
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
  v_during := app_private.requested_range(offering_id, starts_at, ends_at, local_starts_at, local_ends_at);
  v_id := app_private.begin_idempotent('create_booking_for', idempotency_key,
    jsonb_build_array(offering_id, extract(epoch from lower(v_during)), extract(epoch from upper(v_during)), name, email,
      phone, locale, party_size, purpose, needs_confirmation));
  if v_id is null then
    v_booking := app_private.book(
      app_private.guest(v_offering.organization_id, name, email, phone, locale), offering_id, v_during,
      app_private.checked_party(party_size), app_private.checked_text(purpose, 500), app_private.current_user_id(),
      true, coalesce(needs_confirmation, true));
    perform app_private.end_idempotent('create_booking_for', idempotency_key, v_booking.id);
    return v_booking;
  end if;
  select * into v_booking from app_public.bookings b where b.id = v_id;
  return v_booking;
end
$$;
