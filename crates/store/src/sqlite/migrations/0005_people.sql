-- What people decided, and where a source that gives changes goes on from.

-- The cursor of the last stream of which everything is done or dropped by a person, and when a roster was last read in full.
alter table partnership add column cursor text;
alter table partnership add column full_at integer;

-- Families who said no, or yes. Digests alone: that is kept even when nothing else is known of the person.
create table wish (
    id              integer primary key,
    partnership     integer not null references partnership (id),
    person          blob    not null,
    -- Of who it is by everything but the number, once met in a roster: the wish outlives a new number.
    identity        blob,
    wants           integer not null,
    at              integer not null,
    who             text    not null,
    -- command, file.
    origin          text    not null,
    ended_at        integer,
    ended_by        text
) strict;
create unique index wish_person on wish (partnership, person) where ended_at is null;

-- Answers to questions that only a person can answer. Never changed, only added to.
create table answer (
    id              integer primary key,
    partnership     integer not null references partnership (id),
    person          blob    not null,
    question        text    not null,
    answer          text    not null,
    at              integer not null,
    who             text    not null
) strict;
create index answer_by_person on answer (partnership, person);
