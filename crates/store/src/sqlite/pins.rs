//! PINs that wait to be handed out: sealed, in batches once they were, and wiped when they have reached their students.

use jiff::Timestamp;
use rostercard_core::digest::Digest;
use rostercard_core::privacy::Secret;
use rusqlite::{OptionalExtension, params};

use super::audit;
use super::db::Db;
use super::fault::{Fault, damaged, not_found};
use super::values::{count, digest, moment, nanoseconds, optional_moment};
use crate::rows::{KeptPin, PartnershipId, PinBatch, PinBatchId};
use crate::seal::Place;

const SEALED: &str = "pin.sealed";

/// Keeps a card's PIN. A new one takes the place of the old, and is in no batch.
pub(super) fn keep(
    db: &Db<'_>,
    partnership: PartnershipId,
    person: Digest,
    pin: &Secret,
    at: Timestamp,
) -> Result<(), Fault> {
    let place = Place { column: SEALED, row: &[&partnership.0.to_le_bytes(), &person.0] };
    let sealed = db.secrets.sealer.seal(&place, pin.reveal().as_bytes())?;
    let mut statement = db.conn.prepare_cached(
        "insert into pin (partnership, person, sealed, made_at) values (?1, ?2, ?3, ?4)
         on conflict (partnership, person) do update set sealed = excluded.sealed, made_at = excluded.made_at,
            batch = null",
    )?;
    statement.execute(params![partnership.0, person.0.as_slice(), sealed, nanoseconds(at)])?;
    Ok(())
}

/// Gives a PIN to the same person under another key. What is sealed is bound to its row, so it is sealed anew.
pub(super) fn rekey(db: &Db<'_>, partnership: PartnershipId, old: Digest, new: Digest) -> Result<(), Fault> {
    move_to(db, (partnership, old), (partnership, new))
}

/// Gives a PIN to the same child in another partnership, where no batch has it yet.
pub(super) fn hand_over(
    db: &Db<'_>,
    from: (PartnershipId, Digest),
    to: (PartnershipId, Digest),
) -> Result<(), Fault> {
    let old = "delete from pin where partnership = ?1 and person = ?2";
    db.conn.execute(old, params![to.0.0, to.1.0.as_slice()])?;
    move_to(db, from, to)?;
    let new = "update pin set batch = null where partnership = ?1 and person = ?2";
    db.conn.execute(new, params![to.0.0, to.1.0.as_slice()])?;
    Ok(())
}

fn move_to(
    db: &Db<'_>,
    (from, old): (PartnershipId, Digest),
    (to, new): (PartnershipId, Digest),
) -> Result<(), Fault> {
    let mut find = db.conn.prepare_cached("select sealed from pin where partnership = ?1 and person = ?2")?;
    let found: Option<Vec<u8>> =
        find.query_row(params![from.0, old.0.as_slice()], |row| row.get(0)).optional()?;
    let Some(sealed) = found else { return Ok(()) };
    let (was, is) = (from.0.to_le_bytes(), to.0.to_le_bytes());
    let opened = db.secrets.sealer.open(&Place { column: SEALED, row: &[&was, &old.0] }, &sealed)?;
    let sealed = db.secrets.sealer.seal(&Place { column: SEALED, row: &[&is, &new.0] }, &opened)?;
    db.conn.execute(
        "update pin set partnership = ?3, person = ?4, sealed = ?5 where partnership = ?1 and person = ?2",
        params![from.0, old.0.as_slice(), to.0, new.0.as_slice(), sealed],
    )?;
    Ok(())
}

/// How many are kept.
pub(super) fn waiting(db: &Db<'_>, partnership: PartnershipId) -> Result<u64, Fault> {
    let mut statement = db.conn.prepare_cached("select count(*) from pin where partnership = ?1")?;
    count(statement.query_row([partnership.0], |row| row.get(0))?)
}

/// All that are kept.
pub(super) fn all(db: &Db<'_>, partnership: PartnershipId) -> Result<Vec<KeptPin>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select person, sealed, made_at, batch from pin where partnership = ?1 order by person",
    )?;
    let mut rows = statement.query([partnership.0])?;
    let mut pins = Vec::new();
    while let Some(row) = rows.next()? {
        let person = digest(row, 0)?;
        let sealed: Vec<u8> = row.get(1)?;
        let place = Place { column: SEALED, row: &[&partnership.0.to_le_bytes(), &person.0] };
        let opened = db.secrets.sealer.open(&place, &sealed)?;
        let pin = std::str::from_utf8(&opened).map_err(|_| damaged("a sealed PIN that is none"))?;
        pins.push(KeptPin {
            person,
            pin: Secret::new(pin),
            made_at: moment(row.get(2)?)?,
            batch: row.get::<_, Option<i64>>(3)?.map(PinBatchId),
        });
    }
    Ok(pins)
}

/// Puts people's PINs into a new batch.
pub(super) fn export(
    db: &Db<'_>,
    partnership: PartnershipId,
    people: &[Digest],
    at: Timestamp,
    who: &str,
) -> Result<PinBatchId, Fault> {
    let pins = i64::try_from(people.len()).unwrap_or(i64::MAX);
    let batch = db
        .conn
        .prepare_cached("insert into pin_batch (partnership, at, who, pins) values (?1, ?2, ?3, ?4)")?
        .insert(params![partnership.0, nanoseconds(at), who, pins])?;
    let mut statement =
        db.conn.prepare_cached("update pin set batch = ?3 where partnership = ?1 and person = ?2")?;
    for person in people {
        if statement.execute(params![partnership.0, person.0.as_slice(), batch])? == 0 {
            return Err(not_found("kept PIN of a person whose PIN was to be handed out"));
        }
    }
    let detail = format!("batch {batch}, {pins} PINs");
    audit::about(db, partnership, (at, who), "export_pins", None, detail)?;
    Ok(PinBatchId(batch))
}

/// Forgets what was handed out.
pub(super) fn confirm(
    db: &Db<'_>,
    partnership: PartnershipId,
    batch: Option<PinBatchId>,
    at: Timestamp,
    who: &str,
) -> Result<u64, Fault> {
    let batch = batch.map(|batch| batch.0);
    let known = db.conn.execute(
        "update pin_batch set confirmed_at = ?3, confirmed_by = ?4
         where partnership = ?1 and (?2 is null or id = ?2) and (confirmed_at is null or ?2 is not null)",
        params![partnership.0, batch, nanoseconds(at), who],
    )?;
    if let (Some(batch), 0) = (batch, known) {
        return Err(not_found(format!("batch {batch} of PINs of this partnership")));
    }
    let forgotten = db.conn.execute(
        "delete from pin where partnership = ?1 and batch is not null and (?2 is null or batch = ?2)",
        params![partnership.0, batch],
    )?;
    let batch = batch.map_or("every batch".to_owned(), |batch| format!("batch {batch}"));
    let detail = format!("{batch}, {forgotten} PINs forgotten");
    audit::about(db, partnership, (at, who), "confirm_pins", None, detail)?;
    Ok(forgotten as u64)
}

/// Forgets what was handed out before a moment.
pub(super) fn forget(db: &Db<'_>, partnership: PartnershipId, before: Timestamp) -> Result<u64, Fault> {
    let forgotten = db.conn.execute(
        "delete from pin where partnership = ?1
         and batch in (select id from pin_batch where partnership = ?1 and at < ?2)",
        params![partnership.0, nanoseconds(before)],
    )?;
    Ok(forgotten as u64)
}

/// The batches.
pub(super) fn batches(db: &Db<'_>, partnership: PartnershipId) -> Result<Vec<PinBatch>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select b.id, b.at, b.who, b.pins, b.confirmed_at, b.confirmed_by,
                (select count(*) from pin p where p.partnership = b.partnership and p.batch = b.id)
         from pin_batch b where b.partnership = ?1 order by b.id",
    )?;
    let mut rows = statement.query([partnership.0])?;
    let mut batches = Vec::new();
    while let Some(row) = rows.next()? {
        batches.push(PinBatch {
            id: PinBatchId(row.get(0)?),
            at: moment(row.get(1)?)?,
            who: row.get(2)?,
            pins: count(row.get(3)?)?,
            kept: count(row.get(6)?)?,
            confirmed: optional_moment(row, 4)?.zip(row.get::<_, Option<String>>(5)?),
        });
    }
    Ok(batches)
}
