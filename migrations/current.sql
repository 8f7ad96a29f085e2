-- The next migration. `npm run migration:commit -- what-it-does` turns it into a record.

-- What an organisation says of itself stands in every mail it sends, so it has to be fit for one.

create or replace function app_private.is_web_address(address text) returns boolean
language sql immutable parallel safe
return length(address) <= 2000
  and address ~ '^https?://[^[:space:][:cntrl:]/?#@"<>\\]+([/?#][^[:space:][:cntrl:]]*)?$';
comment on function app_private.is_web_address(text) is 'Whether a text is an http or https address that can stand in a mail: of one piece, without a login.';

revoke execute on function app_private.is_web_address(text) from public;
grant execute on function app_private.is_web_address(text)
to reslot_anonymous, reslot_user, reslot_admin, reslot_app, reslot_worker;

alter table app_public.organizations
  drop constraint urls_are_http,
  add constraint logo_url_is_web_address check (app_private.is_web_address(logo_url)),
  add constraint front_end_url_is_web_address check (app_private.is_web_address(front_end_url)),
  add constraint support_email_looks_like_one check (app_private.is_email(support_email)),
  add constraint support_phone_is_short_line check (app_private.is_short_line(support_phone)),
  add constraint address_is_bounded check (length(address) <= 500);

create or replace function app_public.modify_booking(
  booking_id uuid, starts_at timestamptz default null, ends_at timestamptz default null,
  local_starts_at timestamp default null, local_ends_at timestamp default null, purpose text default null
) returns app_public.bookings
language plpgsql volatile security definer
set search_path = pg_catalog, app_public, app_private, pg_temp
as $$
declare
  v_booking app_public.bookings := app_private.lock_booking_to_modify(booking_id);
  v_before app_public.bookings := v_booking;
  v_during tstzrange := tstzrange(v_booking.starts_at, v_booking.ends_at);
begin
  if num_nonnulls(starts_at, ends_at, local_starts_at, local_ends_at) > 0 then
    v_during := app_private.requested_range(v_booking.offering_id, starts_at, ends_at, local_starts_at, local_ends_at);
  end if;
  if purpose is not null then
    update app_public.bookings b set purpose = app_private.checked_text(modify_booking.purpose, 500)
    where b.id = booking_id
    returning * into v_booking;
  end if;
  if v_during <> tstzrange(v_before.starts_at, v_before.ends_at) then
    v_booking := app_private.move_booking(v_booking, v_during, app_private.is_manager_of(v_booking.offering_id));
  end if;
  if to_jsonb(v_before) <> to_jsonb(v_booking) then
    if v_booking.status = 'pending' and v_before.sequence <> v_booking.sequence then
      perform app_private.notify_managers(v_booking.offering_id, 'booking_requested', v_booking.id, null,
        jsonb_build_object('sequence', v_booking.sequence));
    end if;
    perform app_private.notify_customer(v_booking.customer_id, 'booking_modified', v_booking.id, null, jsonb_build_object(
      'sequence', v_booking.sequence, 'status', v_booking.status,
      'actor', case when app_private.is_customer(v_booking.customer_id) then 'customer' else 'manager' end, 'previous', jsonb_build_object(
        'startsAt', v_before.starts_at, 'endsAt', v_before.ends_at,
        'purpose', case when v_before.purpose is distinct from v_booking.purpose then coalesce(v_before.purpose, '') end)));
  end if;
  return v_booking;
end
$$;
comment on function app_public.modify_booking(uuid, timestamptz, timestamptz, timestamp, timestamp, text) is 'Moves a booking, changes its purpose, or both. Moving clears the confirmation of attendance and re-arms the reminders; where a manager''s yes is needed, it is needed again. An empty purpose removes it. Errors: RSNTF no such booking or not yours, RSSTA not live, RSTIM begun or new time not allowed, RSBLK, RSLIM, RSFUL taken (details: alternatives, mayWait), RSARG.';

create or replace function app_private.entry_as_json(entry app_public.waitlist_entries) returns jsonb
language sql stable
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'id', entry.id, 'status', entry.status, 'offeringId', f.id, 'offeringName', f.name, 'address', f.address,
    'supportContact', f.support_contact, 'timeZone', app_private.zone_of(f.id),
    'startsAt', entry.starts_at, 'endsAt', entry.ends_at, 'partySize', entry.party_size, 'note', entry.note,
    -- A hold is sold at the price it was offered at.
    'price', coalesce(h.price, f.price), 'currency', coalesce(h.currency, g.currency),
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

create or replace function app_private.customer_contact(customer_id uuid) returns jsonb
language sql stable
as $$
  select jsonb_build_object('customerContact', nullif(concat_ws(', ', c.phone, c.email), ''))
  from app_public.customers c where c.id = customer_contact.customer_id
$$;
comment on function app_private.customer_contact(uuid) is 'How managers reach a customer, as their mails show it.';

revoke execute on function app_private.customer_contact(uuid) from public;

create or replace function app_private.live_entries_with_links(delivery app_public.deliveries, notification app_public.notifications) returns jsonb
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
      -- A message to a user about a booking is one to a manager, who may have to call.
      || case when v_note.user_id is not null then app_private.customer_contact(v_booking.customer_id) else '{}' end end,
    'entry', case when v_entry.id is not null then app_private.entry_as_json(v_entry) end,
    'bookings', case when v_note.kind = 'links_again' then app_private.live_bookings_with_links(delivery, v_note) end,
    'entries', case when v_note.kind = 'links_again' then app_private.live_entries_with_links(delivery, v_note) end,
    'tokens', app_private.issue_links(delivery, v_note, v_kind.actions, v_booking, v_entry)));
end
$$;
comment on function app_private.mail_model(app_public.deliveries) is 'Kind, language and data of the mail of a delivery, with new links.';

-- A blackout made twice would stay when it is lifted once.
drop function app_public.create_blackout(uuid, timestamptz, timestamptz, text, uuid, uuid, app_public.blackout_kind, boolean);

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

revoke execute on function app_public.create_blackout(uuid, timestamptz, timestamptz, text, uuid, uuid, app_public.blackout_kind, boolean, text) from public;
grant execute on function app_public.create_blackout(uuid, timestamptz, timestamptz, text, uuid, uuid, app_public.blackout_kind, boolean, text)
to reslot_user, reslot_admin;
