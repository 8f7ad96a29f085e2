/**
 * Which database role may execute which function of ours; what is not here is for the owner alone.
 * The server's own login has what no caller of the API may, and nothing that they may.
 */
export const EXECUTE: Readonly<Record<string, string>> = {
  'reslot_anonymous reslot_user reslot_admin': `
    app_public.availability app_public.availability_by_day app_public.check_availability
    app_public.offerings_average_rating app_public.preview_series app_public.quote app_public.resources_average_rating
    app_public.viewer
    app_private.caller_is app_private.caller_role app_private.current_user_id app_private.is_admin
    app_private.managed_offering_ids app_private.managed_organization_ids
    app_private.member_organization_ids app_private.own_customer_ids app_private.own_resource_ids`,
  'reslot_user reslot_admin': `
    app_public.alter_slot app_public.cancel_slot app_public.close_slot app_public.open_slot
    app_public.accept_booking app_public.alternatives_of_booking app_public.bookings_response_time
    app_public.complete_booking app_public.confirm_delivery app_public.deliver_booking
    app_public.reply_to_review app_public.review_booking app_public.remove_photo
    app_private.begin_photo app_private.keep_photo
    app_public.apply_policy app_public.approve_booking app_public.archive_resource
    app_public.auto_cancel_now app_public.blackout_conflicts
    app_public.bookings_needing_no_confirmation app_public.bookings_reminder_sent
    app_public.bookings_that_would_be_released app_public.book_series
    app_public.book_series_for app_public.accept_series app_public.cancel_series app_public.modify_series app_public.reject_series app_public.cancel_booking app_public.claim_slot
    app_public.clear_offences app_public.confirm_booking app_public.create_blackout app_public.create_booking
    app_public.create_booking_for app_public.deactivate_account app_public.decline_slot
    app_public.erase_customer app_public.erase_me app_public.expire_due app_public.expire_overdue_bookings app_public.expired_bookings app_public.export_my_data
    app_public.keep_booking
    app_public.failed_deliveries app_public.figures app_public.find_bookings app_public.generate_slots app_public.job_health app_public.join_waitlist
    app_public.leave_waitlist app_public.lift_blackout app_public.mark_no_show
    app_public.mark_notifications_read app_public.members app_public.message_slot
    app_public.slot_manifest app_public.slot_manifest_csv app_public.modify_booking
    app_public.my_bookings app_public.my_notifications app_public.my_waitlist
    app_public.override_auto_cancel app_public.planned_slots app_public.rebook_booking app_public.reject_booking app_public.remove_member
    app_public.record_payment app_public.record_refund app_public.start_payment
    app_public.repeated_offenders app_public.retry_delivery app_public.revenue app_public.revise_policy app_public.set_member
    app_public.set_offering_resources app_public.set_opening_hours
    app_public.set_waitlist_priority app_public.spared_bookings app_public.update_profile
    app_public.waitlist app_public.waitlist_entries_position
    app_public.waitlist_entries_seconds_left app_public.waitlist_lengths
    app_private.audit_address app_private.audit_program app_private.automation_error
    app_private.named_offering_ids app_private.own_organization_ids
    app_private.owned_organization_ids app_private.zone_of app_public.bookings_customer_name app_public.bookings_contact_phone
    app_public.provider_calendar`,
  // In psql only: no request over the network makes anybody an operator.
  reslot_admin: `
    app_private.check_invariants app_private.make_admin app_private.reactivate_account
    app_private.record_bounce app_private.set_admin app_private.unmake_admin`,
  // Accounts and links: who calls them has a password or a token, and no role yet.
  reslot_app: `
    app_private.begin_password_check app_private.begin_sign_in app_private.change_password
    app_private.check_reset_link
    app_private.finish_sign_in app_private.look_up_booking app_private.follow_link app_private.front_end_origins
    app_private.read_link app_private.request_account_link app_private.request_booking_by_mail app_private.reset_password
    app_private.rotate_session app_private.send_links_again app_private.session_role
    app_private.sign_out app_private.sign_out_everywhere app_private.sign_up
    app_private.take_stripe_event
    app_private.use_magic_link app_private.verify_email`,
  reslot_worker: `
    app_private.clean_up_accounts app_private.cleanup app_private.deliveries_to_follow_up
    app_private.fill_schedule app_private.schedules_to_fill
    app_private.follow_up_delivery app_private.lease_deliveries app_private.mark_delivery_failed
    app_private.mark_delivery_sent app_private.note_deadline_failure app_private.remember_invariants
    app_private.renew_lease
    app_private.forget_photo_file app_private.photo_files_to_remove
    app_private.run_deadline app_private.withdraw_links
    app_private.checkout_made app_private.lease_payment_work app_private.payment_work_failed
    app_private.refund_made`,
  'reslot_app reslot_worker': 'app_private.vital_signs',
  'reslot_app reslot_worker reslot_admin': 'app_private.dispatch',
  // What the checks and defaults of columns call.
  'reslot_anonymous reslot_user reslot_admin reslot_app reslot_worker': `
    app_private.clock app_private.is_email app_private.is_short_line app_private.is_time_zone
    app_private.graces_are_sane app_private.is_web_address app_private.leads_descend app_private.normalise_email`,
};

export const ROLES = [
  'reslot_anonymous',
  'reslot_user',
  'reslot_admin',
  'reslot_app',
  'reslot_worker',
] as const;
