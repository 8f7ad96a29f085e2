-- The next migration. `npm run migration:commit -- what-it-does` turns it into a record.

create or replace function app_private.is_short_line(line text) returns boolean
language sql immutable parallel safe
return length(line) between 1 and 200 and line !~ '[[:cntrl:]\u2028\u2029]'
  and line ~ '[^[:space:]\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff]';
comment on function app_private.is_short_line(text) is 'Whether a text is one line of 1 to 200 characters, without control characters, not blank, with something to be seen.';
