//! What people decided about people: wishes about cards, and answers to reviews. Digests alone, and who and when.

use jiff::Timestamp;
use rostercard_core::digest::Digest;
use rusqlite::params;

use super::audit;
use super::db::Db;
use super::fault::Fault;
use super::values::{digest, moment, nanoseconds, optional_digest};
use crate::rows::{Answer, PartnershipId, Wish};

/// Keeps wishes; how many were new. One that is there already keeps its day and its who, and learns the identity; the
/// opposite one ends.
pub(super) fn write_wishes(db: &Db<'_>, partnership: PartnershipId, wishes: &[Wish]) -> Result<u64, Fault> {
    let mut learn = db.conn.prepare_cached(
        "update wish set identity = coalesce(?3, identity)
         where partnership = ?1 and person = ?2 and wants = ?4 and ended_at is null",
    )?;
    let mut make = db.conn.prepare_cached(
        "insert into wish (partnership, person, identity, wants, at, who, origin) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut new = 0;
    for wish in wishes {
        let (person, identity) = (wish.person.0.as_slice(), wish.identity.map(|identity| identity.0));
        if learn.execute(params![partnership.0, person, identity, wish.wants])? > 0 {
            continue;
        }
        end_wishes(db, partnership, &[wish.person], wish.at, &wish.who)?;
        make.execute(params![
            partnership.0,
            person,
            identity,
            wish.wants,
            nanoseconds(wish.at),
            wish.who,
            wish.origin
        ])?;
        new += 1;
    }
    if let (Some(first), true) = (wishes.first(), new > 0) {
        let detail = format!("{new} noted, by {}", first.origin);
        audit::about(db, partnership, (first.at, &first.who), "wish", None, detail)?;
    }
    Ok(new)
}

/// Ends wishes, and notes that it was done; how many there were.
pub(super) fn end_wishes_of(
    db: &Db<'_>,
    partnership: PartnershipId,
    people: &[Digest],
    at: Timestamp,
    who: &str,
) -> Result<u64, Fault> {
    let ended = end_wishes(db, partnership, people, at, who)?;
    if ended > 0 {
        audit::about(db, partnership, (at, who), "end_wish", None, format!("{ended} ended"))?;
    }
    Ok(ended)
}

/// Ends wishes; how many there were.
fn end_wishes(
    db: &Db<'_>,
    partnership: PartnershipId,
    people: &[Digest],
    at: Timestamp,
    who: &str,
) -> Result<u64, Fault> {
    let mut end = db.conn.prepare_cached(
        "update wish set ended_at = ?3, ended_by = ?4 where partnership = ?1 and person = ?2 and ended_at is null",
    )?;
    let mut ended = 0;
    for person in people {
        ended += end.execute(params![partnership.0, person.0.as_slice(), nanoseconds(at), who])? as u64;
    }
    Ok(ended)
}

/// The wishes that hold, oldest first.
pub(super) fn wishes(db: &Db<'_>, partnership: PartnershipId) -> Result<Vec<Wish>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select person, identity, wants, at, who, origin from wish where partnership = ?1 and ended_at is null order by id",
    )?;
    let mut rows = statement.query([partnership.0])?;
    let mut wishes = Vec::new();
    while let Some(row) = rows.next()? {
        wishes.push(Wish {
            person: digest(row, 0)?,
            identity: optional_digest(row, 1)?,
            wants: row.get(2)?,
            at: moment(row.get(3)?)?,
            who: row.get(4)?,
            origin: row.get(5)?,
        });
    }
    Ok(wishes)
}

/// Keeps answers.
pub(super) fn answer(db: &Db<'_>, partnership: PartnershipId, answers: &[Answer]) -> Result<(), Fault> {
    let mut make = db.conn.prepare_cached(
        "insert into answer (partnership, person, question, answer, at, who) values (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for answer in answers {
        make.execute(params![
            partnership.0,
            answer.person.0.as_slice(),
            answer.question,
            answer.answer,
            nanoseconds(answer.at),
            answer.who
        ])?;
    }
    if let Some(first) = answers.first() {
        let detail = format!("{} given", answers.len());
        audit::about(db, partnership, (first.at, &first.who), "answer", None, detail)?;
    }
    Ok(())
}

/// Every answer, oldest first.
pub(super) fn answers(db: &Db<'_>, partnership: PartnershipId) -> Result<Vec<Answer>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select person, question, answer, at, who from answer where partnership = ?1 order by id",
    )?;
    let mut rows = statement.query([partnership.0])?;
    let mut answers = Vec::new();
    while let Some(row) = rows.next()? {
        answers.push(Answer {
            person: digest(row, 0)?,
            question: row.get(1)?,
            answer: row.get(2)?,
            at: moment(row.get(3)?)?,
            who: row.get(4)?,
        });
    }
    Ok(answers)
}
