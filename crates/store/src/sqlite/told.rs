//! What contacts were told. Written beside whoever has the store, for the daemon tells people between runs too; and no more
//! than digests, words of ours and moments.

use std::path::Path;

use rostercard_core::digest::Digest;
use rusqlite::params;

use super::SqliteStore;
use super::db::Db;
use super::fault::Fault;
use super::values::{count, digest, moment, nanoseconds, optional_moment};
use crate::keep::Told;
use crate::rows::PartnershipId;
use crate::seal::StoreKey;
use crate::store::StoreError;

impl SqliteStore {
    /// Everything that contacts were told, in order of contact, partnership and kind.
    ///
    /// # Errors
    /// [`StoreError::NoStore`] where there is none; else as [`Self::open_writer`].
    pub fn told_beside(path: &Path, key: &StoreKey) -> Result<Vec<Told>, StoreError> {
        Self::beside(path, key, all)
    }

    /// Notes what contacts were told, each in the place of what they were told of the same before. All or none.
    ///
    /// # Errors
    /// As [`Self::told_beside`].
    pub fn note_told_beside(path: &Path, key: &StoreKey, told: &[Told]) -> Result<(), StoreError> {
        Self::beside(path, key, |db| told.iter().try_for_each(|one| note(db, one)))
    }

    /// The rejects of a partnership that a contact was told of: who, and the reason's code.
    ///
    /// # Errors
    /// As [`Self::told_beside`].
    pub fn told_rejects_beside(
        path: &Path,
        key: &StoreKey,
        partnership: PartnershipId,
        contact: &str,
    ) -> Result<Vec<(Digest, String)>, StoreError> {
        Self::beside(path, key, |db| rejects(db, partnership, contact))
    }

    /// Notes all rejects of a partnership that a contact knows of now, in the place of those from before.
    ///
    /// # Errors
    /// As [`Self::told_beside`].
    pub fn note_told_rejects_beside(
        path: &Path,
        key: &StoreKey,
        partnership: PartnershipId,
        contact: &str,
        rejects: &[(Digest, String)],
    ) -> Result<(), StoreError> {
        Self::beside(path, key, |db| note_rejects(db, partnership, contact, rejects))
    }
}

fn all(db: &Db<'_>) -> Result<Vec<Told>, Fault> {
    let mut statement = db.conn.prepare(
        "select contact, partnership, kind, digest, since, told_at, over, tries, retry_at from told
         order by contact, partnership, kind",
    )?;
    let mut rows = statement.query([])?;
    let mut told = Vec::new();
    while let Some(row) = rows.next()? {
        told.push(Told {
            contact: row.get(0)?,
            partnership: row.get(1)?,
            kind: row.get(2)?,
            digest: digest(row, 3)?,
            since: moment(row.get(4)?)?,
            told_at: optional_moment(row, 5)?,
            over: row.get(6)?,
            tries: count(row.get(7)?)?,
            retry_at: optional_moment(row, 8)?,
        });
    }
    Ok(told)
}

fn note(db: &Db<'_>, told: &Told) -> Result<(), Fault> {
    db.conn.execute(
        "insert or replace into told (contact, partnership, kind, digest, since, told_at, over, tries, retry_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            told.contact,
            told.partnership,
            told.kind,
            told.digest.0.as_slice(),
            nanoseconds(told.since),
            told.told_at.map(nanoseconds),
            told.over,
            told.tries,
            told.retry_at.map(nanoseconds)
        ],
    )?;
    Ok(())
}

fn rejects(db: &Db<'_>, partnership: PartnershipId, contact: &str) -> Result<Vec<(Digest, String)>, Fault> {
    let mut statement = db.conn.prepare(
        "select person, reason from told_reject where partnership = ?1 and contact = ?2 order by person",
    )?;
    let mut rows = statement.query(params![partnership.0, contact])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((digest(row, 0)?, row.get(1)?));
    }
    Ok(found)
}

fn note_rejects(
    db: &Db<'_>,
    partnership: PartnershipId,
    contact: &str,
    rejects: &[(Digest, String)],
) -> Result<(), Fault> {
    db.conn.execute(
        "delete from told_reject where partnership = ?1 and contact = ?2",
        params![partnership.0, contact],
    )?;
    let mut insert = db.conn.prepare(
        "insert or replace into told_reject (partnership, contact, person, reason) values (?1, ?2, ?3, ?4)",
    )?;
    for (person, reason) in rejects {
        insert.execute(params![partnership.0, contact, person.0.as_slice(), reason])?;
    }
    Ok(())
}
