//! The numbered migrations, and what a file says of itself: whose it is, which schema, which key.
//!
//! A migration that was released is never edited; its checksum lies in the file and is compared. All that are missing
//! run in one transaction, so that a file has either the old schema or the new one.

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::{Fault, damaged};
use crate::store::StoreError;

/// A numbered step of the schema.
struct Migration {
    number: u32,
    name: &'static str,
    sql: &'static str,
    /// What SQL cannot work out of what is there.
    fill: Option<Fill>,
}

/// Works out what a migration has to, of what is there.
type Fill = fn(&Connection) -> Result<(), Fault>;

const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "first", sql: include_str!("migrations/0001_first.sql"), fill: None },
    Migration { number: 2, name: "cursor", sql: include_str!("migrations/0002_cursor.sql"), fill: None },
    Migration { number: 3, name: "pause", sql: include_str!("migrations/0003_pause.sql"), fill: None },
    Migration { number: 4, name: "pins", sql: include_str!("migrations/0004_pins.sql"), fill: None },
    Migration { number: 5, name: "people", sql: include_str!("migrations/0005_people.sql"), fill: None },
    Migration { number: 6, name: "keep", sql: include_str!("migrations/0006_keep.sql"), fill: None },
    Migration {
        number: 7,
        name: "who",
        sql: include_str!("migrations/0007_who.sql"),
        fill: Some(super::ledger::fill_who),
    },
    Migration { number: 8, name: "told", sql: include_str!("migrations/0008_told.sql"), fill: None },
];

/// The newest schema that this program knows.
#[expect(clippy::cast_possible_truncation, reason = "there are a handful of migrations")]
pub(super) const KNOWN: u32 = MIGRATIONS.len() as u32;

/// `RCrd`: by this an SQLite file is known to be a store of ours.
const APPLICATION_ID: i64 = 0x5243_7264;

/// What every schema has, so that any version can tell what it has before it.
const BOOKS: &str = "
    create table meta (name text primary key, value blob not null) strict, without rowid;
    create table migration (number integer primary key, name text not null, checksum blob not null) strict;
";

/// The state of a file that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is in it yet.
    Empty,
    /// A store of ours, with this schema and our key.
    Store(u32),
}

/// Looks at a file without writing to it.
pub(super) fn look(conn: &Connection, what: &str, key_id: [u8; 8]) -> Result<Found, StoreError> {
    look_inside(conn, what, key_id).map_err(|fault| fault.at(what))
}

fn look_inside(conn: &Connection, what: &str, key_id: [u8; 8]) -> Result<Found, Fault> {
    let number = |pragma| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let schema = number("user_version")?;
    let application = number("application_id")?;
    if schema == 0 && application == 0 {
        let tables: i64 = conn.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 {
            return Ok(Found::Empty);
        }
    }
    if application != APPLICATION_ID {
        return Err(damaged(format!("{what} is a database of another program")));
    }
    let schema = u32::try_from(schema).map_err(|_| damaged(format!("{what} has no schema number")))?;
    if schema > KNOWN {
        let what = what.to_owned();
        return Err(StoreError::Newer { what, found: schema, known: KNOWN }.into());
    }
    let found: Option<Vec<u8>> =
        conn.query_row("select value from meta where name = 'key_id'", [], |row| row.get(0)).optional()?;
    match found {
        None => return Err(damaged(format!("{what} does not say which key it was made with"))),
        Some(id) if id != key_id => {
            return Err(StoreError::WrongKey { what: what.to_owned() }.into());
        }
        Some(_) => {}
    }
    for migration in MIGRATIONS.iter().filter(|m| m.number <= schema) {
        let sum: Option<Vec<u8>> = conn
            .query_row("select checksum from migration where number = ?1", [migration.number], |row| {
                row.get(0)
            })
            .optional()?;
        if sum.as_deref() != Some(checksum(migration).as_slice()) {
            let number = migration.number;
            return Err(damaged(format!(
                "{what} was made with another migration {number} than this program has"
            )));
        }
    }
    Ok(Found::Store(schema))
}

/// Brings a file to the newest schema, in one transaction.
pub(super) fn migrate(conn: &mut Connection, found: Found, key_id: [u8; 8]) -> Result<(), Fault> {
    let has = match found {
        Found::Store(KNOWN) => return Ok(()),
        Found::Store(schema) => schema,
        Found::Empty => 0,
    };
    let transaction = conn.transaction()?;
    if found == Found::Empty {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.execute_batch(BOOKS)?;
        transaction.execute("insert into meta (name, value) values ('key_id', ?1)", [key_id.as_slice()])?;
    }
    for migration in MIGRATIONS.iter().filter(|m| m.number > has) {
        transaction.execute_batch(migration.sql)?;
        if let Some(fill) = migration.fill {
            fill(&transaction)?;
        }
        transaction.execute(
            "insert into migration (number, name, checksum) values (?1, ?2, ?3)",
            params![migration.number, migration.name, checksum(migration).as_slice()],
        )?;
    }
    transaction.pragma_update(None, "user_version", KNOWN)?;
    transaction.commit()?;
    Ok(())
}

fn checksum(migration: &Migration) -> [u8; 32] {
    *blake3::hash(migration.sql.as_bytes()).as_bytes()
}

/// Makes a store of the first schema, as the first version did.
#[cfg(test)]
pub(super) fn make_first(conn: &Connection, key_id: [u8; 8]) {
    let first = &MIGRATIONS[0];
    conn.execute_batch(BOOKS).unwrap();
    conn.execute("insert into meta (name, value) values ('key_id', ?1)", [key_id.as_slice()]).unwrap();
    conn.execute_batch(first.sql).unwrap();
    conn.execute(
        "insert into migration (number, name, checksum) values (1, 'first', ?1)",
        [checksum(first).as_slice()],
    )
    .unwrap();
    conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    conn.pragma_update(None, "user_version", 1).unwrap();
}

#[cfg(test)]
mod tests {
    use rostercard_core::threeway::FieldDigests;
    use rostercard_core::who::Who;

    use super::*;

    #[test]
    fn numbers_follow_each_other() {
        for (i, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(usize::try_from(migration.number).unwrap(), i + 1);
        }
    }

    #[test]
    fn an_edited_migration_is_noticed() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, Found::Empty, [1; 8]).unwrap();
        assert_eq!(look(&conn, "x", [1; 8]).unwrap(), Found::Store(KNOWN));
        conn.execute("update migration set checksum = x'00' where number = 1", []).unwrap();
        let error = look(&conn, "x", [1; 8]).unwrap_err();
        assert!(matches!(error, StoreError::Damaged(why) if why.contains("migration 1")));
    }

    #[test]
    fn a_store_of_the_first_schema_is_brought_to_the_newest() {
        let mut conn = Connection::open_in_memory().unwrap();
        make_first(&conn, [1; 8]);
        conn.execute_batch(
            "insert into partnership (permanent_id, ils, name) values ('oak', 'main', 'oak');
             insert into run (partnership, kind, started_at, state, result) values (1, 'sync', 1, 4, '{}');
             insert into pin (partnership, person, sealed, made_at) values (1, x'00', x'01', 2);",
        )
        .unwrap();
        let mut digests = FieldDigests::default();
        Who([1, 2, 3]).mark(&mut digests);
        for digests in [digests, FieldDigests::default()] {
            let sql =
                "insert into link_detail (partnership, person, digests, sealed) values (1, x'00', ?1, x'01')";
            conn.execute(sql, [digests.to_bytes()]).unwrap();
        }
        let found = look(&conn, "x", [1; 8]).unwrap();
        assert_eq!(found, Found::Store(1));
        migrate(&mut conn, found, [1; 8]).unwrap();
        assert_eq!(look(&conn, "x", [1; 8]).unwrap(), Found::Store(KNOWN));
        // What was there is there, with nothing in the new columns.
        let count = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("select count(*) from run where plan_cursor is null"), 1);
        assert_eq!(count("select count(*) from pin where batch is null"), 1);
        assert_eq!(count("select count(*) from pause"), 0);
        // Of the two links one says who it is about.
        assert_eq!(count("select count(*) from link_detail where who is null"), 1);
        let short: i64 =
            conn.query_row("select who from link_detail where id = 1", [], |row| row.get(0)).unwrap();
        assert_eq!(short, Who([1, 2, 3]).short());
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing() {
        let mut conn = Connection::open_in_memory().unwrap();
        // A table in the way: the first migration cannot run.
        conn.execute_batch("create table intent (id integer)").unwrap();
        assert!(migrate(&mut conn, Found::Empty, [1; 8]).is_err());
        let tables: i64 = conn.query_row("select count(*) from sqlite_schema", [], |r| r.get(0)).unwrap();
        let schema: i64 = conn.pragma_query_value(None, "user_version", |r| r.get(0)).unwrap();
        assert_eq!((tables, schema), (1, 0));
    }
}
