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

-- The export tells from where somebody else acted no more than the log does.
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
