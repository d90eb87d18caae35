//! The journal: intents before the wire, their ends after it, the numbers they draw, the PINs they leave.
//!
//! Whatever a create will send (number, PIN, values) is sealed into its intent in the transaction that draws the
//! number, so that a program that is killed afterwards sends the same again, or finds it by look-up. What was sealed is
//! wiped when the intent ends.

use jiff::Timestamp;
use rostercard_core::digest::Digest;
use rostercard_core::field::FieldSet;
use rostercard_core::patron::PatronValues;
use rostercard_core::privacy::{Personal, Secret};
use rostercard_core::rules::number::NumberRange;
use rostercard_core::spool;
use rusqlite::{OptionalExtension, params};

use super::codes::Coded;
use super::db::Db;
use super::fault::{Fault, damaged, not_found};
use super::values::{count, digest, moment, nanoseconds};
use super::{ledger, partnerships, pins, plans};
use crate::rows::{
    ChangeId, Intent, IntentEnd, IntentId, IntentKind, NewIntent, NumberDraw, OpenIntent, PartnershipId,
    RunId, Settlement, Written,
};
use crate::seal::{Place, pack, unpack};
use crate::store::StoreError;

/// Makes intents durable; with the transaction, all or none.
pub(super) fn intend(db: &Db<'_>, intents: &[NewIntent]) -> Result<Vec<Intent>, Fault> {
    intents.iter().map(|intent| intend_one(db, intent)).collect()
}

fn intend_one(db: &Db<'_>, intent: &NewIntent) -> Result<Intent, Fault> {
    refuse_second(db, intent)?;
    let ils = partnerships::ils(db, intent.partnership)?;
    let barcode = match &intent.number {
        NumberDraw::Next(range) => draw(db, &ils, range)?,
        NumberDraw::Given(number) => {
            if intent.kind == IntentKind::Create {
                refuse_taken(db, intent, db.secrets.number(&ils, number.reveal()))?;
            }
            number.clone()
        }
    };
    let number = db.secrets.number(&ils, barcode.reveal());
    let sealed = seal(db, intent, &barcode)?;
    let before = match &intent.before {
        None => None,
        Some(values) => {
            let names = place_row(intent.change, intent.person, intent.kind);
            let place = Place { column: "intent.before_values", row: &names.each_ref().map(Vec::as_slice) };
            Some(db.secrets.sealer.seal(&place, &written_out(values)?)?)
        }
    };
    let mut statement = db.conn.prepare_cached(
        "insert into intent (run, change, partnership, person, kind, fields, number_digest, sealed, before_values, at,
            attempts)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1)",
    )?;
    let id = statement.insert(params![
        intent.run.0,
        intent.change.0,
        intent.partnership.0,
        intent.person.0.as_slice(),
        intent.kind.code(),
        intent.fields.bits(),
        number.0.as_slice(),
        sealed,
        before,
        nanoseconds(intent.at)
    ])?;
    Ok(Intent { id: IntentId(id), barcode })
}

/// The change has to be there, and no intent of the same step may be open.
fn refuse_second(db: &Db<'_>, intent: &NewIntent) -> Result<(), Fault> {
    let mut statement =
        db.conn.prepare_cached("select run = ?2 and person = ?3 from change where id = ?1")?;
    let fits: Option<bool> = statement
        .query_row(params![intent.change.0, intent.run.0, intent.person.0.as_slice()], |row| row.get(0))
        .optional()?;
    if fits != Some(true) {
        return Err(not_found(format!("change {} of run {} for this person", intent.change, intent.run)));
    }
    let mut statement =
        db.conn.prepare_cached("select 1 from intent where change = ?1 and kind = ?2 and ended is null")?;
    if statement.exists([intent.change.0, intent.kind.code()])? {
        return Err(StoreError::IntentOpen { change: intent.change.0 }.into());
    }
    Ok(())
}

/// A number that is another person's, in the ledger or in a create under way, is no new patron's.
fn refuse_taken(db: &Db<'_>, intent: &NewIntent, number: Digest) -> Result<(), Fault> {
    let holder = ledger::holder(db, number)?;
    let by_another = holder.is_some_and(|holder| holder != (intent.partnership, intent.person));
    let mut statement = db.conn.prepare_cached(
        "select 1 from intent where number_digest = ?1 and ended is null and kind = ?2
         and (partnership, person) is not (?3, ?4)",
    )?;
    let under_way = statement.exists(params![
        number.0.as_slice(),
        IntentKind::Create.code(),
        intent.partnership.0,
        intent.person.0.as_slice()
    ])?;
    if by_another || under_way {
        return Err(StoreError::PatronTaken.into());
    }
    Ok(())
}

/// The next number of a range that nobody has. A number that was drawn is never drawn again.
fn draw(db: &Db<'_>, ils: &str, range: &NumberRange) -> Result<Personal, Fault> {
    let used_up = || -> Fault {
        let range = range.name.as_str().to_owned();
        StoreError::RangeUsedUp { range }.into()
    };
    let mut statement =
        db.conn.prepare_cached("select next from number_range where ils = ?1 and name = ?2")?;
    let next: Option<i64> =
        statement.query_row(params![ils, range.name.as_str()], |row| row.get(0)).optional()?;
    // Stored bit by bit: numbers are unsigned, columns are not. A range that was moved elsewhere begins at its start.
    let mut position = next
        .map(i64::cast_unsigned)
        .and_then(|next| next.checked_sub(range.first))
        .filter(|position| *position <= range.size())
        .unwrap_or(0);
    let mut open =
        db.conn.prepare_cached("select 1 from intent where number_digest = ?1 and ended is null")?;
    loop {
        let number = range.number(position).ok_or_else(used_up)?;
        position += 1;
        let digest = db.secrets.number(ils, number.reveal());
        if ledger::holder(db, digest)?.is_some() || open.exists([digest.0.as_slice()])? {
            continue;
        }
        let mut keep = db.conn.prepare_cached(
            "insert into number_range (ils, name, next) values (?1, ?2, ?3)
             on conflict (ils, name) do update set next = excluded.next",
        )?;
        let next = range.first.saturating_add(position).cast_signed();
        keep.execute(params![ils, range.name.as_str(), next])?;
        return Ok(number);
    }
}

/// Notes that intents are about to be sent again.
pub(super) fn intend_again(db: &Db<'_>, intents: &[IntentId], at: Timestamp) -> Result<(), Fault> {
    let mut statement = db.conn.prepare_cached(
        "update intent set at = ?2, attempts = attempts + 1 where id = ?1 and ended is null",
    )?;
    for intent in intents {
        if statement.execute([intent.0, nanoseconds(at)])? == 0 {
            return Err(not_found(format!("open intent {intent}")));
        }
    }
    Ok(())
}

/// Ends intents and changes, and lets the ledger learn; with the transaction, all or none.
pub(super) fn settle(db: &Db<'_>, settlements: &[Settlement]) -> Result<(), Fault> {
    settlements.iter().try_for_each(|settlement| settle_one(db, settlement))
}

fn settle_one(db: &Db<'_>, settlement: &Settlement) -> Result<(), Fault> {
    let ended = match settlement.intent {
        Some((intent, end)) => Some(end_intent(db, intent, end, settlement.at)?),
        None => None,
    };
    if let Some((change, state)) = settlement.change
        && !plans::set_state(db, change, state)?
    {
        return Err(not_found(format!("change {change}")));
    }
    let changes = [ended.map(|(change, _)| change), settlement.change.map(|(change, _)| change)];
    for change in changes.into_iter().flatten() {
        plans::wipe_if_over(db, change)?;
    }
    if let Some(link) = &settlement.link {
        let ils = partnerships::ils(db, settlement.partnership)?;
        ledger::write(db, settlement.partnership, &ils, link)?;
    }
    if let Some(pin) = &settlement.pin {
        let link = settlement.link.as_ref().map(|link| link.person);
        let person = link.or(ended.map(|(_, person)| person));
        let person = person.ok_or_else(|| not_found("link or intent that the PIN belongs to"))?;
        pins::keep(db, settlement.partnership, person, pin, settlement.at)?;
    }
    Ok(())
}

/// Ends an intent and wipes what it had sealed; its change and person. The same end twice is one end: an answer may
/// have been lost.
fn end_intent(
    db: &Db<'_>,
    intent: IntentId,
    end: IntentEnd,
    at: Timestamp,
) -> Result<(ChangeId, Digest), Fault> {
    let mut find = db.conn.prepare_cached("select change, person, ended from intent where id = ?1")?;
    let mut rows = find.query([intent.0])?;
    let not_open = || not_found(format!("open intent {intent}"));
    let row = rows.next()?.ok_or_else(not_open)?;
    let whose = (ChangeId(row.get(0)?), digest(row, 1)?);
    match row.get::<_, Option<i64>>(2)? {
        None => {}
        Some(ended) if ended == end.code() => return Ok(whose),
        Some(_) => return Err(not_open()),
    }
    // What was there before stays where something was written: an undo would need it.
    let mut statement = db.conn.prepare_cached(
        "update intent set ended = ?2, ended_at = ?3, sealed = null, before_values = iif(?4, before_values, null)
         where id = ?1",
    )?;
    let written = end == IntentEnd::Applied;
    statement.execute(params![intent.0, end.code(), nanoseconds(at), written])?;
    Ok(whose)
}

/// Intents whose outcome is not known, oldest first.
pub(super) fn open_intents(db: &Db<'_>, partnership: PartnershipId) -> Result<Vec<OpenIntent>, Fault> {
    let sql = format!(
        "select i.id, i.run, i.change, i.person, i.kind, i.fields, i.sealed, i.at, i.attempts, {}
         from intent i join change c on c.id = i.change
         where i.partnership = ?1 and i.ended is null order by i.id",
        plans::COLUMNS
    );
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query([partnership.0])?;
    let mut intents = Vec::new();
    while let Some(row) = rows.next()? {
        let change = ChangeId(row.get(2)?);
        let person = digest(row, 3)?;
        let kind = IntentKind::from_code(row.get(4)?)?;
        let sealed: Option<Vec<u8>> = row.get(6)?;
        let sealed = sealed.ok_or_else(|| damaged("an open intent without what it was to send"))?;
        let (barcode, pin, values) = open(db, change, person, kind, &sealed)?;
        intents.push(OpenIntent {
            id: IntentId(row.get(0)?),
            run: RunId(row.get(1)?),
            change,
            partnership,
            person,
            kind,
            barcode,
            pin,
            fields: FieldSet::from_bits(row.get(5)?),
            values,
            at: moment(row.get(7)?)?,
            attempts: count(row.get(8)?)?,
            planned: plans::read(db, row, 9)?,
        });
    }
    Ok(intents)
}

/// The writes of a run that happened, oldest first.
pub(super) fn written(db: &Db<'_>, run: RunId) -> Result<Vec<Written>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select change, person, kind, fields, before_values from intent where run = ?1 and ended = ?2 order by id",
    )?;
    let mut rows = statement.query([run.0, IntentEnd::Applied.code()])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let change = ChangeId(row.get(0)?);
        let (person, kind) = (digest(row, 1)?, IntentKind::from_code(row.get(2)?)?);
        let before = match row.get::<_, Option<Vec<u8>>>(4)? {
            None => None,
            Some(sealed) => {
                let names = place_row(change, person, kind);
                let place =
                    Place { column: "intent.before_values", row: &names.each_ref().map(Vec::as_slice) };
                let values = db.secrets.sealer.open(&place, &sealed)?;
                let wrong = |_| damaged("values before a write that are none");
                Some(spool::decode_values(&values).map_err(wrong)?)
            }
        };
        all.push(Written { person, kind, fields: FieldSet::from_bits(row.get(3)?), before });
    }
    Ok(all)
}

const SEALED: &str = "intent.sealed";

fn place_row(change: ChangeId, person: Digest, kind: IntentKind) -> [Vec<u8>; 3] {
    [change.0.to_le_bytes().to_vec(), person.0.to_vec(), kind.code().to_le_bytes().to_vec()]
}

/// Number, PIN and values, sealed together.
fn seal(db: &Db<'_>, intent: &NewIntent, barcode: &Personal) -> Result<Vec<u8>, Fault> {
    let names = place_row(intent.change, intent.person, intent.kind);
    let place = Place { column: SEALED, row: &names.each_ref().map(Vec::as_slice) };
    let values = written_out(&intent.values)?;
    let packed = pack(&[
        Some(barcode.reveal().as_bytes()),
        intent.pin.as_ref().map(|pin| pin.reveal().as_bytes()),
        Some(&values),
    ]);
    Ok(db.secrets.sealer.seal(&place, &packed)?)
}

fn open(
    db: &Db<'_>,
    change: ChangeId,
    person: Digest,
    kind: IntentKind,
    sealed: &[u8],
) -> Result<(Personal, Option<Secret>, PatronValues), Fault> {
    let names = place_row(change, person, kind);
    let place = Place { column: SEALED, row: &names.each_ref().map(Vec::as_slice) };
    let packed = db.secrets.sealer.open(&place, sealed)?;
    let wrong = || damaged("an intent's sealed values that are none");
    let parts = unpack(&packed).ok_or_else(wrong)?;
    let [Some(barcode), pin, Some(values)] = parts.as_slice() else {
        return Err(wrong());
    };
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| wrong());
    Ok((
        Personal::new(text(barcode)?),
        pin.map(text).transpose()?.map(Secret::new),
        spool::decode_values(values).map_err(|_| wrong())?,
    ))
}

/// What was there before an update, opened.
pub(super) fn open_before(
    db: &Db<'_>,
    change: ChangeId,
    person: Digest,
    kind: IntentKind,
    sealed: &[u8],
) -> Result<PatronValues, Fault> {
    let names = place_row(change, person, kind);
    let place = Place { column: "intent.before_values", row: &names.each_ref().map(Vec::as_slice) };
    let opened = db.secrets.sealer.open(&place, sealed)?;
    spool::decode_values(&opened).map_err(|_| damaged("what was there before an update, which is none"))
}

fn written_out(values: &PatronValues) -> Result<zeroize::Zeroizing<Vec<u8>>, Fault> {
    spool::encode_values(values).map_err(|error| damaged(error.to_string()))
}
