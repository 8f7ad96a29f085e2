--! Previous: sha1:24641e2880f4c74e4ebe0e4e0d7cf12d596b9a24
--! Hash: sha1:50ffb711aaa5af993a6fe2037b34e122c5e9530d
--! Message: more-links

-- New values of enums: they cannot be used in the transaction that adds them.
alter type app_private.link_action add value 'pay';
alter type app_private.link_action add value 'approve_series';
alter type app_private.link_action add value 'reject_series';
