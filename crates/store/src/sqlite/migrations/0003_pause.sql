-- Pauses, also those that are over: grace does not run while one is in force.
create table pause (
    id              integer primary key,
    -- 1 everything, 2 an ILS, 3 a partnership.
    scope           integer not null,
    -- The permanent id of the ILS or the partnership; null for everything.
    name            text,
    since           integer not null,
    until           integer not null,
    reason          text    not null,
    who             text    not null,
    resumed_at      integer,
    resumed_by      text
) strict;
