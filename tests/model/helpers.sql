-- What the model test needs in its database: acting as a user, letting time pass, and the state in one answer, with times
-- as microseconds since midnight of the world's Monday.
create schema model;
create table model.people (n integer primary key, name text not null, user_id uuid not null);
-- Ids of version 7 sort in the order of creation, and so give positions in the arrays of the reference model.
create view model.places as
select b.id, row_number() over (order by b.id) - 1 as n from app_public.bookings b
union all
select e.id, row_number() over (order by e.id) - 1 from app_public.waitlist_entries e
union all
select s.id, row_number() over (order by s.id) - 1 from app_public.slots s;

create function model.us(at timestamptz) returns bigint language sql immutable
return round(extract(epoch from at - timestamptz '2030-06-03 00:00Z') * 1000000);
create function model.at(us bigint) returns timestamptz language sql immutable
return timestamptz '2030-06-03 00:00Z' + us * interval '1 microsecond';

create function model.cents(amount numeric) returns bigint language sql immutable
return (amount * 100)::bigint;
create function model.day(day date) returns integer language sql immutable
return day - date '2030-06-03';

create function model.act(user_id uuid, statement text) returns text language plpgsql as $$
declare
  v_outcome text := 'ok';
begin
  perform set_config('reslot.user_id', user_id::text, true), set_config('reslot.via', 'graphql', true),
    set_config('role', 'reslot_user', true);
  begin
    execute statement;
  exception when others then
    v_outcome := case when sqlstate like 'RS%' then sqlstate else sqlstate || ' ' || sqlerrm end;
  end;
  -- What time and mail do after this is nobody's deed.
  perform set_config('role', 'reslot_owner', true), set_config('reslot.user_id', '', true),
    set_config('reslot.via', 'job', true);
  return v_outcome;
end
$$;

create function model.deliver(mail text) returns void language plpgsql as $$
declare
  v_mail record;
  v_found boolean := true;
begin
  while v_found loop
    v_found := false;
    -- One by one where a refusal can overtake the next.
    for v_mail in select * from app_private.lease_deliveries(case mail when 'refusing' then 1 else 50 end) loop
      v_found := true;
      if mail = 'refusing' then
        perform app_private.mark_delivery_failed(v_mail.delivery_id, v_mail.attempt, '550 no such mailbox', true);
      else
        perform app_private.mark_delivery_sent(v_mail.delivery_id, v_mail.attempt);
      end if;
      perform app_private.follow_up_delivery(v_mail.delivery_id);
    end loop;
  end loop;
end
$$;

create function model.bounce(booking_id uuid) returns void language sql as $$
  select app_private.record_bounce(newest.id)
  from (
    select d.id
    from app_public.deliveries d
    join app_public.notifications n on n.id = d.notification_id
    join app_public.bookings b on b.id = n.booking_id
    where b.id = bounce.booking_id and n.kind = 'booking_reminder' and (n.data ->> 'sequence')::integer = b.sequence
      and d.status = 'sent' and d.bounced_at is null
    order by d.id desc limit 1) newest
$$;

create function model.tick(until timestamptz, mail text) returns void language plpgsql as $$
declare
  v_subject uuid;
  v_next timestamptz;
  v_rounds integer := 0;
begin
  loop
    loop
      select d.subject_id into v_subject from app_private.deadlines d
      where d.due_at <= (select app_private.clock()) order by d.due_at, d.subject_id limit 1;
      exit when not found;
      perform app_private.run_deadline(v_subject);
      v_rounds := v_rounds + 1;
      if v_rounds > 1000 then raise exception 'deadlines do not come to an end'; end if;
    end loop;
    if mail <> 'down' then perform model.deliver(mail); end if;
    select min(d.due_at) into v_next from app_private.deadlines d;
    exit when v_next is null or v_next > until;
    perform app_private.set_clock(greatest(v_next, app_private.clock()));
  end loop;
  perform app_private.set_clock(greatest(until, app_private.clock()));
end
$$;

-- Resources by their numbers.
create view model.resources as
select r.id, row_number() over (order by r.id) - 1 as n from app_public.resources r;

create function model.service(b app_public.bookings) returns jsonb language sql stable as $$
  select jsonb_build_object(
    'provider', (select r.n from model.resources r where r.id = b.provider_id),
    'providerReminded', model.us(b.provider_reminded_at), 'answeredAt', model.us(b.answered_at),
    'awaitsPayment', b.awaits_payment, 'awaitsDelivery', model.us(b.awaits_delivery_since),
    'delivered', model.us(b.delivered_at), 'answerBy', model.us(b.delivery_answer_by),
    'deliveryConfirmed', model.us(b.delivery_confirmed_at), 'expires', model.us(b.expires_at),
    'wouldExpire', model.us(b.would_expire_at),
    'rating', (select v.rating from app_public.reviews v where v.id = b.review_id))
$$;

create function model.payments() returns jsonb language sql stable as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'booking', b.n, 'purpose', y.purpose, 'status', y.status, 'amount', model.cents(y.amount),
    'refundDue', model.cents(y.refund_due), 'refunded', model.cents(y.refunded),
    'processedAt', model.us(y.processed_at)) order by y.booking_id, y.id), '[]')
  from app_public.payments y join model.places b on b.id = y.booking_id
$$;

create function model.bookings() returns jsonb language sql stable as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'who', p.n, 'offering', lower(split_part(f.name, ' ', 1)), 'from', model.us(b.starts_at), 'to', model.us(b.ends_at), 'status', b.status,
    'sequence', b.sequence, 'madeAt', model.us(b.made_at), 'confirmBy', model.us(b.confirm_by),
    'requestExpires', case when b.status = 'pending' then model.us(b.request_expires_at) end,
    'holdExpires', model.us(b.hold_expires_at), 'attendance', b.attendance_confirmed_how,
    'attendanceAt', model.us(b.attendance_confirmed_at), 'remindersDone', b.reminders_done,
    'reminderSent', model.us(b.reminder_sent_at), 'spared', b.spared_at is not null,
    'wouldCancel', b.would_auto_cancel_at is not null, 'overridden', b.override_at is not null,
    'purpose', b.purpose, 'endedAt', model.us(b.ended_at),
    'slot', s.n, 'adults', b.adults, 'children', b.children, 'infants', b.infants, 'places', b.places,
    'personPrice', model.cents(b.person_price), 'adultPrice', model.cents(b.adult_price),
    'childPrice', model.cents(b.child_price), 'infantPrice', model.cents(b.infant_price),
    'subtotal', model.cents(b.subtotal), 'discount', model.cents(b.discount), 'tax', model.cents(b.tax),
    'taxIncluded', b.tax_included, 'price', model.cents(b.price), 'refund', model.cents(b.refund),
    'refundShare', b.refund_share,
    'due', (select jsonb_build_array(d.action, model.us(d.due_at)) from app_private.deadlines d where d.subject_id = b.id)
  ) || model.service(b) order by b.id), '[]')
  from app_public.bookings b
  join app_public.offerings f on f.id = b.offering_id
  join app_public.customers c on c.id = b.customer_id
  join model.people p on p.user_id = c.user_id
  left join model.places s on s.id = b.slot_id
$$;

create function model.slots() returns jsonb language sql stable as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'offering', lower(f.name), 'schedule', (
      select count(*) from app_public.schedules h where h.id < s.schedule_id),
    'day', model.day(s.day), 'from', model.us(s.starts_at), 'to', model.us(s.ends_at), 'capacity', s.capacity,
    'minSize', s.min_size, 'price', model.cents(s.price), 'closed', s.closed_at is not null,
    'altered', s.altered_at is not null, 'checked', s.minimum_checked_at is not null,
    'cancelled', s.cancelled_reason is not null, 'endedAt', model.us(s.ended_at), 'taken', s.taken,
    'due', (select jsonb_build_array(d.action, model.us(d.due_at)) from app_private.deadlines d where d.subject_id = s.id)
  ) order by s.id), '[]')
  from app_public.slots s
  join app_public.offerings f on f.id = s.offering_id
$$;

create function model.entries() returns jsonb language sql stable as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'who', p.n, 'offering', lower(split_part(f.name, ' ', 1)), 'from', model.us(e.starts_at), 'to', model.us(e.ends_at), 'status', e.status,
    'priority', e.priority, 'joinedAt', model.us(e.joined_at),
    'provider', (select r.n from model.resources r where r.id = e.provider_id),
    'hold', h.n, 'booking', b.n, 'slot', s.n, 'day', model.day(e.day),
    'adults', e.adults, 'children', e.children, 'infants', e.infants, 'places', e.places,
    'passedSlots', (
      select coalesce(jsonb_agg(x.n order by u.n), '[]') from unnest(e.passed_slot_ids) with ordinality u (id, n)
      join model.places x on x.id = u.id),
    'window', (extract(epoch from e.claim_window) * 1000000)::bigint, 'offerExpires', model.us(e.offer_expires_at),
    'passed', e.passed_at is not null and e.status = 'waiting' and e.last_call_at > app_private.clock(), 'stuck', e.stuck_at is not null, 'endedAt', model.us(e.ended_at),
    'due', (select jsonb_build_array(d.action, model.us(d.due_at)) from app_private.deadlines d where d.subject_id = e.id)
  ) order by e.id), '[]')
  from app_public.waitlist_entries e
  join app_public.offerings f on f.id = e.offering_id
  join app_public.customers c on c.id = e.customer_id
  join model.people p on p.user_id = c.user_id
  left join model.places h on h.id = e.hold_id
  left join model.places b on b.id = e.booking_id
  left join model.places s on s.id = e.slot_id
$$;

create function model.messages() returns jsonb language sql stable as $$
  select coalesce(jsonb_agg(concat_ws(' ', coalesce(p.name, q.name), n.kind, 'b' || b.n, 'e' || e.n,
    '#' || (n.data ->> 'sequence'),
    case when d.status in ('obsolete', 'dead') then 'never sent' else d.status::text end)), '[]')
  from app_public.notifications n
  left join app_public.deliveries d on d.notification_id = n.id
  left join app_public.customers c on c.id = n.customer_id
  left join model.people p on p.user_id = c.user_id
  left join model.people q on q.user_id = n.user_id
  left join model.places b on b.id = n.booking_id
  left join model.places e on e.id = n.entry_id
$$;

create function model.state() returns jsonb language sql stable as $$
  select jsonb_build_object('bookings', model.bookings(), 'entries', model.entries(),
    'slots', model.slots(), 'payments', model.payments(), 'messages', model.messages(),
    'now', model.us(app_private.clock()),
    'freeings', (select count(*) from app_private.freeings f where f.told_at is null),
    'broken', (select coalesce(jsonb_agg(to_jsonb(i)), '[]') from app_private.check_invariants() i))
$$;
