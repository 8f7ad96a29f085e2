-- The next migration. `npm run migration:commit -- what-it-does` turns it into a record.
drop index app_public.blackouts_organization_id_idx, app_public.notifications_user_id_idx;
create index blackouts_organization_id_idx on app_public.blackouts (organization_id, ends_at) where lifted_at is null;
create index notifications_user_id_idx on app_public.notifications (user_id, created_at);

create or replace function app_private.owe_account_mail(user_id uuid, kind text, organization_id uuid) returns uuid
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
