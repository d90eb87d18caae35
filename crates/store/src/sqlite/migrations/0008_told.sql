-- What the people of [[contacts]] were told, so that a restart does not tell them twice. No message is kept, only a digest
-- of what it was about.

create table told (
    -- The contact's name.
    contact         text    not null,
    -- The permanent id of the partnership; empty where it was about the whole.
    partnership     text    not null,
    -- A word: waiting, failed, late, rejects, ends.
    kind            text    not null,
    -- What it was about.
    digest          blob    not null,
    -- Since when it is so.
    since           integer not null,
    -- When the contact was last told; none where that has not succeeded yet.
    told_at         integer,
    -- Whether it is so no longer.
    over            integer not null,
    -- Messages that failed since, and when the next is tried.
    tries           integer not null,
    retry_at        integer,
    primary key (contact, partnership, kind)
) strict, without rowid;

-- Which rejects a contact was told of. Gone once they are no longer rejected.
create table told_reject (
    partnership     integer not null references partnership (id),
    contact         text    not null,
    person          blob    not null,
    reason          text    not null,
    primary key (partnership, contact, person)
) strict, without rowid;
