-- What is kept beside the ledger: who did what, which backups were restored, which partnerships were purged, and the
-- counts of years that are over. None of these names a child; they outlive a purge.

create table audit (
    id              integer primary key autoincrement,
    at              integer not null,
    who             text    not null,
    -- A word: approve, pause, reveal, purge ..
    what            text    not null,
    -- The permanent id of the partnership.
    partnership     text,
    run             integer,
    -- In words, never a value about a person.
    detail          text    not null
) strict;
create trigger audit_is_never_changed before update on audit
begin select raise(abort, 'the audit log is only added to'); end;
create trigger audit_is_never_shortened before delete on audit
begin select raise(abort, 'the audit log is only added to'); end;

-- Backups that were put in the place of a store. The first run of each partnership after one waits.
create table restored (
    id              integer primary key,
    at              integer not null,
    who             text    not null,
    -- When the backup was made, where it says so.
    backup_at       integer,
    -- Whether the wishes and answers of the time since the backup are known.
    decisions_known integer not null
) strict;

-- Partnerships whose data was removed. Their permanent ids are never used again.
create table purged (
    permanent_id    text    not null primary key,
    name            text    not null,
    ils             text    not null,
    at              integer not null,
    who             text    not null,
    -- JSON: how many rows of what were removed.
    removed         text    not null,
    -- JSON: how many links there were by state.
    kept            text    not null
) strict, without rowid;

-- What runs came to, by year, once the runs themselves are gone.
create table yearly (
    partnership     text    not null,
    year            integer not null,
    runs            integer not null,
    writes          integer not null,
    lookups         integer not null,
    created         integer not null,
    linked          integer not null,
    updated         integer not null,
    renewed         integer not null,
    lapsed          integer not null,
    restored        integer not null,
    primary key (partnership, year)
) strict, without rowid;

-- So that taking rows out looks for what hangs on them without reading the whole journal.
create index intent_by_change on intent (change);
create index intent_by_run on intent (run);
create index intent_before on intent (ended_at) where before_values is not null;
