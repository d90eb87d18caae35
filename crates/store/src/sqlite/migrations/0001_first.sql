-- The first schema: partnerships, ledger, runs, plans, journal, PINs.
--
-- Dates are days since 1970-01-01, moments are nanoseconds since then, closed vocabularies are small numbers
-- (codes.rs). Columns of digests are keyed BLAKE3; columns named `sealed`, `spool` and `before_values` are
-- XChaCha20-Poly1305. No other column holds a value about a person, and no name, birth date, address or contact is in
-- the ledger (link, link_detail) at all, not even sealed.

create table partnership (
    id              integer primary key,
    permanent_id    text    not null unique,
    ils             text    not null,
    name            text    not null,
    let_through     integer not null default 0,
    rules           blob,
    endpoint        text,
    as_of           integer
) strict;

create table school (
    id              integer primary key,
    partnership     integer not null references partnership (id),
    key             text    not null,
    label           text    not null,
    unique (partnership, key)
) strict;

-- The ledger, wide part: read only for the few that change. Its row's number is the link's.
create table link_detail (
    id              integer primary key,
    partnership     integer not null references partnership (id),
    person          blob    not null,
    reason          text,
    grade           integer,
    model           integer,
    category        text,
    branch          text,
    digests         blob    not null,
    -- The source's ids, the ILS's id of the patron, the number, the user name.
    sealed          blob    not null,
    -- Of the ILS and the number together.
    number_digest   blob
) strict;
create unique index link_detail_number on link_detail (number_digest) where number_digest is not null;

-- The ledger, narrow part: read whole on every run, so it lies in the order in which it is read.
create table link (
    partnership     integer not null references partnership (id),
    person          blob    not null,
    id              integer not null,
    decided         blob    not null,
    state           integer not null,
    school          integer not null references school (id),
    expiry          integer,
    missing_since   integer,
    feeds_missed    integer not null default 0,
    primary key (partnership, person)
) strict, without rowid;

create table run (
    id              integer primary key autoincrement,
    partnership     integer not null references partnership (id),
    kind            text    not null,
    started_at      integer not null,
    finished_at     integer,
    state           integer not null,
    -- What its plan rests on; all or none of these.
    plan_digest     text,
    plan_as_of      integer,
    plan_rules      blob,
    plan_endpoint   text,
    plan_day        integer,
    plan_expires_at integer,
    -- JSON: counts and codes.
    result          text    not null,
    superseded_by   integer references run (id)
) strict;
create index run_by_partnership on run (partnership);

create table change (
    id              integer primary key,
    run             integer not null references run (id),
    person          blob    not null,
    link            integer,
    kind            integer not null,
    state           integer not null,
    school_key      text    not null,
    school_label    text    not null,
    fields          integer not null,
    decided         blob    not null,
    -- What is wanted, until the change is made, settled or dropped.
    spool           blob
) strict;
create index change_by_state on change (run, state);
create index change_spooled on change (run) where spool is not null;

create table decision (
    id              integer primary key,
    run             integer not null references run (id),
    who             text    not null,
    at              integer not null,
    what            text    not null,
    -- JSON: school, kind, rows.
    selection       text    not null
) strict;
create index decision_by_run on decision (run);

create table intent (
    id              integer primary key autoincrement,
    run             integer not null references run (id),
    change          integer not null references change (id),
    partnership     integer not null references partnership (id),
    person          blob    not null,
    kind            integer not null,
    fields          integer not null,
    -- Of the ILS and the number together.
    number_digest   blob    not null,
    -- Number, PIN, values: until the intent ends.
    sealed          blob,
    -- What was there before an update that was made. `undo_days` after `ended_at` is where it is to be wiped.
    before_values   blob,
    at              integer not null,
    attempts        integer not null,
    ended           integer,
    ended_at        integer
) strict;
-- One open intent for each step of a change: asked twice, a change must not draw a second number.
create unique index intent_open on intent (change, kind) where ended is null;
create index intent_open_number on intent (number_digest) where ended is null;
create index intent_open_by_partnership on intent (partnership) where ended is null;

-- Numbers are drawn in order; `next` is the number itself, so that a range may be extended.
create table number_range (
    ils             text    not null,
    name            text    not null,
    next            integer not null,
    primary key (ils, name)
) strict, without rowid;

-- PINs that wait to be handed out.
create table pin (
    partnership     integer not null references partnership (id),
    person          blob    not null,
    sealed          blob    not null,
    made_at         integer not null,
    primary key (partnership, person)
) strict, without rowid;
