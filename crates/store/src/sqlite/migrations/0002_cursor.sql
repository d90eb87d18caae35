-- What a plan's roster was read from, as its source says it: names and digests of files, never a value about a person.
alter table run add column plan_cursor text;
