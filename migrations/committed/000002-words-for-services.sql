--! Previous: sha1:6030b0b9842d27f212a413e02f5c0fbd9173de44
--! Hash: sha1:d4bd22f8813d1c14850f345bbb9bd443cd6fe855
--! Message: words-for-services

-- New values of enums: they cannot be used in the transaction that adds them.
alter type app_private.deadline_action add value 'await_delivery';
alter type app_private.deadline_action add value 'remind_provider';
alter type app_private.deadline_action add value 'expire';
alter type app_private.link_action add value 'book';
alter type app_private.link_action add value 'confirm_delivery';
alter type app_private.link_action add value 'cancel_series';
