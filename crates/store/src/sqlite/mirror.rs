//! The second file beside each backup: what people decided about people, which no look-up in an ILS could rebuild. Wishes of
//! families and answers to reviews, as digests with who and when, one JSON object a line.
//!
//! It is read back when a backup is restored, also the file of a newer backup: taken twice, it changes nothing.

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use rostercard_core::digest::Digest;
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::db::Db;
use super::fault::{Fault, damaged};
use super::values::{digest, moment, nanoseconds, optional_digest, optional_moment};
use super::{file, partnerships};
use crate::keep::{Decided, DecidedWhat};
use crate::store::StoreError;

/// What a mirror's file is named after its backup's name.
pub(super) const ENDING: &str = ".decisions";
/// A file that is larger is none of ours.
const MOST_BYTES: u64 = 1 << 30;

/// Everything that people decided, oldest first within each kind.
pub(super) fn all(db: &Db<'_>) -> Result<Vec<Decided>, Fault> {
    let mut decided = Vec::new();
    let mut statement = db.conn.prepare(
        "select p.permanent_id, p.ils, p.name, w.person, w.at, w.who, w.identity, w.wants, w.origin, w.ended_at, w.ended_by
         from wish w join partnership p on p.id = w.partnership order by w.id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        decided.push(Decided {
            partnership: row.get(0)?,
            ils: row.get(1)?,
            name: row.get(2)?,
            person: digest(row, 3)?,
            at: moment(row.get(4)?)?,
            who: row.get(5)?,
            what: DecidedWhat::Wish {
                identity: optional_digest(row, 6)?,
                wants: row.get(7)?,
                origin: row.get(8)?,
                ended: optional_moment(row, 9)?.zip(row.get::<_, Option<String>>(10)?),
            },
        });
    }
    let mut statement = db.conn.prepare(
        "select p.permanent_id, p.ils, p.name, a.person, a.at, a.who, a.question, a.answer
         from answer a join partnership p on p.id = a.partnership order by a.id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        decided.push(Decided {
            partnership: row.get(0)?,
            ils: row.get(1)?,
            name: row.get(2)?,
            person: digest(row, 3)?,
            at: moment(row.get(4)?)?,
            who: row.get(5)?,
            what: DecidedWhat::Answer { question: row.get(6)?, answer: row.get(7)? },
        });
    }
    Ok(decided)
}

/// Takes decisions in that are not there yet; how many were new. Of two wishes of a person the later one holds. Those of
/// a partnership that was purged are left out.
pub(super) fn take(db: &Db<'_>, decided: &[Decided]) -> Result<u64, Fault> {
    let mut new = 0;
    for one in decided {
        let id = match partnerships::find_or_make(db, &one.partnership, &one.ils, &one.name) {
            Ok(partnership) => partnership.id.0,
            Err(Fault::Store(StoreError::Purged { .. })) => continue,
            Err(fault) => return Err(fault),
        };
        let (person, at) = (one.person.0.as_slice(), nanoseconds(one.at));
        match &one.what {
            DecidedWhat::Answer { question, answer } => {
                new += db.conn.execute(
                    "insert into answer (partnership, person, question, answer, at, who)
                     select ?1, ?2, ?3, ?4, ?5, ?6 where not exists (select 1 from answer where partnership = ?1
                        and person = ?2 and question = ?3 and answer = ?4 and at = ?5 and who = ?6)",
                    params![id, person, question, answer, at, one.who],
                )? as u64;
            }
            DecidedWhat::Wish { identity, wants, origin, ended } => {
                let identity = identity.map(|identity| identity.0);
                let (ended_at, ended_by) = match ended {
                    Some((at, by)) => (Some(nanoseconds(*at)), Some(by)),
                    None => (None, None),
                };
                let same: Option<i64> = db
                    .conn
                    .query_row(
                        "select id from wish where partnership = ?1 and person = ?2 and wants = ?3 and at = ?4",
                        params![id, person, wants, at],
                        |row| row.get(0),
                    )
                    .optional()?;
                if let Some(same) = same {
                    db.conn.execute(
                        "update wish set identity = coalesce(identity, ?2), ended_at = coalesce(ended_at, ?3),
                            ended_by = coalesce(ended_by, ?4) where id = ?1",
                        params![same, identity, ended_at, ended_by],
                    )?;
                    continue;
                }
                // The later of two that would hold ends the earlier.
                db.conn.execute(
                    "update wish set ended_at = ?3, ended_by = ?4
                     where partnership = ?1 and person = ?2 and ended_at is null and at <= ?3",
                    params![id, person, at, one.who],
                )?;
                let later: Option<i64> = db
                    .conn
                    .query_row(
                        "select at from wish where partnership = ?1 and person = ?2 and ended_at is null",
                        params![id, person],
                        |row| row.get(0),
                    )
                    .optional()?;
                new += db.conn.execute(
                    "insert into wish (partnership, person, identity, wants, at, who, origin, ended_at, ended_by)
                     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        id,
                        person,
                        identity,
                        wants,
                        at,
                        one.who,
                        origin,
                        ended_at.or(later),
                        ended_by.or(later.map(|_| &one.who))
                    ],
                )? as u64;
            }
        }
    }
    Ok(new)
}

// ---- the file ----

/// The first line: of which store, and how many lines follow.
#[derive(Serialize, Deserialize)]
struct Head {
    decisions_of: Option<String>,
    key_id: String,
    at: String,
    lines: usize,
}

/// Any other line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    partnership: String,
    ils: String,
    name: String,
    person: String,
    /// Moments are written as RFC 3339 has them.
    at: String,
    who: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    wish: Option<WishLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<AnswerLine>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WishLine {
    identity: Option<String>,
    wants: bool,
    origin: String,
    ended: Option<(String, String)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerLine {
    question: String,
    answer: String,
}

/// Writes a mirror, private, whole and durable before it has its name.
pub(super) fn write(
    to: &Path,
    decided: &[Decided],
    (store_id, key_id): (Option<String>, &str),
    at: Timestamp,
) -> Result<(), StoreError> {
    let head =
        Head { decisions_of: store_id, key_id: key_id.to_owned(), at: at.to_string(), lines: decided.len() };
    let mut text = json(&head)?;
    for one in decided {
        text.push('\n');
        text.push_str(&json(&line(one))?);
    }
    text.push('\n');
    let part = file::beside(to, ".part");
    let put = || -> std::io::Result<()> {
        let mut file = file::private_file(&part)?;
        file.set_len(0)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, to)
    };
    put().map_err(|e| file::unavailable(to, &e))
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|_| StoreError::Damaged("a decision that cannot be written out".to_owned()))
}

fn line(one: &Decided) -> Line {
    let (mut wish, mut answer) = (None, None);
    match &one.what {
        DecidedWhat::Wish { identity, wants, origin, ended } => {
            let identity = identity.map(hexadecimal);
            let ended = ended.as_ref().map(|(at, by)| (at.to_string(), by.clone()));
            wish = Some(WishLine { identity, wants: *wants, origin: origin.clone(), ended });
        }
        DecidedWhat::Answer { question, answer: words } => {
            answer = Some(AnswerLine { question: question.clone(), answer: words.clone() });
        }
    }
    Line {
        partnership: one.partnership.clone(),
        ils: one.ils.clone(),
        name: one.name.clone(),
        person: hexadecimal(one.person),
        at: one.at.to_string(),
        who: one.who.clone(),
        wish,
        answer,
    }
}

/// Reads a mirror of a store with this key.
pub(super) fn read(from: &Path, key_id: &str) -> Result<Vec<Decided>, StoreError> {
    let what = from.display().to_string();
    let length = std::fs::metadata(from).map_err(|e| file::unavailable(from, &e))?.len();
    if length > MOST_BYTES {
        return Err(StoreError::Damaged(format!("{what} is too large to be what its name says")));
    }
    let text = std::fs::read_to_string(from).map_err(|e| file::unavailable(from, &e))?;
    let wrong = |line: usize| StoreError::Damaged(format!("{what}:{line} is not what this program writes"));
    let mut lines = text.lines();
    let head: Head = lines.next().and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| wrong(1))?;
    if head.key_id != key_id {
        return Err(StoreError::WrongKey { what });
    }
    let mut decided = Vec::new();
    for (at, line) in lines.enumerate() {
        let read: Line = serde_json::from_str(line).map_err(|_| wrong(at + 2))?;
        decided.push(parsed(read).ok_or_else(|| wrong(at + 2))?);
    }
    if decided.len() != head.lines {
        let (has, said) = (decided.len(), head.lines);
        return Err(StoreError::Damaged(format!("{what} is cut short: {has} of {said} lines")));
    }
    Ok(decided)
}

fn parsed(line: Line) -> Option<Decided> {
    let what = match (line.wish, line.answer) {
        (Some(wish), None) => DecidedWhat::Wish {
            identity: match wish.identity {
                None => None,
                Some(text) => Some(key_of(&text)?),
            },
            wants: wish.wants,
            origin: wish.origin,
            ended: match wish.ended {
                None => None,
                Some((at, by)) => Some((at.parse().ok()?, by)),
            },
        },
        (None, Some(answer)) => DecidedWhat::Answer { question: answer.question, answer: answer.answer },
        _ => return None,
    };
    Some(Decided {
        partnership: line.partnership,
        ils: line.ils,
        name: line.name,
        person: key_of(&line.person)?,
        at: line.at.parse().ok()?,
        who: line.who,
        what,
    })
}

fn hexadecimal(digest: Digest) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key_of(text: &str) -> Option<Digest> {
    let mut key = [0; 16];
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Digest(key))
}

/// Whether a store has tables of decisions at all: one of an older schema may not.
pub(super) fn has_decisions(db: &Db<'_>) -> Result<bool, Fault> {
    let found: i64 = db
        .conn
        .query_row(
            "select count(*) from sqlite_schema where type = 'table' and name in ('wish', 'answer')",
            [],
            |row| row.get(0),
        )
        .map_err(|_| damaged("a store without a schema"))?;
    Ok(found == 2)
}
