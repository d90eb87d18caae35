//! What only the ledger learns, and not before a person or the guards have let it through: that people are missing from a
//! roster that has shrunk, that people lack a field that they had, and that somebody has become another person. Such changes
//! are notes: the ILS is not asked.

use jiff::civil::Date;
use rostercard_core::digest::DigestKind;
use rostercard_core::field::FieldSet;
use rostercard_core::guard::Verdict;
use rostercard_core::plan::{ChangeKind, ChangeState};
use rostercard_core::spool;
use rostercard_core::threeway::digests_after;
use rostercard_core::words::LinkState;
use rostercard_store::rows::{Change, Link, LinkData, LinkIndex, LinkWrite, Missing, NewChange, Settlement};
use zeroize::Zeroizing;

use crate::apply::Applier;
use crate::collect::Collected;
use crate::engine::{Engine, Here};
use crate::error::EngineError;
use crate::tally::{Fate, NO_SCHOOL, Tally as _};

/// What a note's spool begins with where it says that somebody is missing. A wanted patron's begins with a brace.
const MISSING: &str = "missing ";

/// A note that somebody is missing since a day, from so many rosters. It says the whole of it, so that doing it twice is doing
/// it once.
fn missing(since: Date, feeds: u32) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(format!("{MISSING}{since} {feeds}").into_bytes())
}

/// What a note's spool begins with where it says that a card is a question for a person, and which.
const QUESTION: &str = "question ";

/// A note that a card is a question for a person.
pub(crate) fn question(code: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(format!("{QUESTION}{code}").into_bytes())
}

fn read_question(spool: &[u8]) -> Option<&str> {
    std::str::from_utf8(spool).ok()?.strip_prefix(QUESTION)
}

fn read_missing(spool: &[u8]) -> Option<(Date, u32)> {
    let (since, feeds) = std::str::from_utf8(spool).ok()?.strip_prefix(MISSING)?.split_once(' ')?;
    Some((since.parse().ok()?, feeds.parse().ok()?))
}

/// The notes that are put into the store at once.
const NOTES: usize = 2_000;

/// The people of whom it waits that they are missing.
fn absent<'c>(
    collected: &'c Collected,
    verdict: &'c Verdict,
) -> impl Iterator<Item = (&'c LinkIndex, (String, String))> {
    let none = || (String::new(), NO_SCHOOL.to_owned());
    collected
        .people
        .unseen()
        .filter(|row| {
            row.state.is_live() && collected.is_missing(row) && !collected.lapsing.contains(&row.link)
        })
        .map(move |row| (row, collected.stored_schools.get(&row.school).cloned().unwrap_or_else(none)))
        .filter(|(_, school)| verdict.absence_waits(&school.0))
}

impl Engine {
    /// Puts the notes of a roster that has shrunk into the store: who is missing from it, for as long as nobody has said that it is
    /// right. They become part of the plan's digest.
    pub(crate) async fn note_absences(
        &self,
        here: &Here,
        new_roster: bool,
        collected: &mut Collected,
        verdict: &Verdict,
    ) -> Result<(), EngineError> {
        let key = self.store.digest_key();
        let mut running = collected.digest;
        let mut notes = Vec::new();
        for (row, school) in absent(collected, verdict) {
            let another = new_roster || row.missing_since.is_none();
            let (since, feeds) =
                (row.missing_since.unwrap_or(here.day), row.feeds_missed.saturating_add(another.into()));
            running = key.digest(DigestKind::Decided, &[&running.0, &row.person.0, MISSING.as_bytes()]);
            notes.push(NewChange {
                person: row.person,
                link: Some(row.link),
                kind: ChangeKind::Note,
                state: ChangeState::Ready,
                school,
                fields: FieldSet::EMPTY,
                decided: row.decided,
                spool: missing(since, feeds),
            });
            if notes.len() >= NOTES {
                self.store.add_changes(here.run, std::mem::take(&mut notes)).await?;
            }
        }
        if !notes.is_empty() {
            self.store.add_changes(here.run, notes).await?;
        }
        collected.digest = running;
        Ok(())
    }
}

impl Applier<'_> {
    /// Takes a note over into the ledger.
    pub(crate) async fn note(&self, change: Change, link: Option<Link>) -> Result<(), EngineError> {
        let Some(link) = link.filter(|link| link.data.state.is_live()) else {
            let change = Some((change.id, ChangeState::Dropped));
            return self.settle_one(Settlement { change, ..self.nothing() }).await;
        };
        let done = Some((change.id, ChangeState::Done));
        if let Some((since, feeds)) = read_missing(&change.spool) {
            self.store.write_missing(vec![Missing { link: link.id, since: Some(since), feeds }]).await?;
            return self.settle_one(Settlement { change: done, ..self.nothing() }).await;
        }
        if let Some(code) = read_question(&change.spool) {
            self.result().shift(&change.school.1, Fate::Change(ChangeKind::Note), Fate::Review, 1);
            let (state, reason) = (LinkState::Review, Some(code.to_owned()));
            let data = LinkData { state, decided: change.decided, reason, ..link.data };
            let link = Some(LinkWrite { person: change.person, data });
            return self.settle_one(Settlement { change: done, link, ..self.nothing() }).await;
        }
        let wanted = spool::decode(&change.spool)?;
        let key = self.store.digest_key();
        let data = LinkData {
            decided: change.decided,
            reason: None,
            school: change.school.clone(),
            grade: wanted.grade.map(rostercard_core::grade::Grade::code),
            model: Some(wanted.model),
            digests: digests_after(&link.data.digests, &wanted.values, None, FieldSet::EMPTY, key),
            ..link.data
        };
        let link = Some(LinkWrite { person: change.person, data });
        self.settle_one(Settlement { change: done, link, ..self.nothing() }).await
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_note_of_absence_comes_back_and_is_no_patron() {
        let spool = missing(date(2026, 11, 24), 3);
        assert_eq!(read_missing(&spool), Some((date(2026, 11, 24), 3)));
        for other in [b"".as_slice(), b"{}", b"missing ", b"missing 2026-11-24", b"missing soon 3", b"\xff"] {
            assert_eq!(read_missing(other), None);
        }
        assert!(spool::decode(&spool).is_err());
        let spool = question("another_person");
        assert_eq!((read_question(&spool), read_missing(&spool)), (Some("another_person"), None));
        assert!(spool::decode(&spool).is_err());
    }
}
