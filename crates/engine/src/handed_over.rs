//! Cards that another program makes: handed over in a file, and not seen yet. Each run looks for them: one that is there is a card
//! like any other, one that does not come in two weeks is a question. None is handed over a second time meanwhile.
//!
//! Every run, and not once a day, so that a run by hand after the loader says at once what came of it.

use futures::{StreamExt, stream};
use rostercard_core::finding::Place;
use rostercard_core::ports::{FindKey, Lookup};
use rostercard_core::reason::Review;
use rostercard_core::words::LinkState;
use rostercard_store::rows::{FindingCount, Link, LinkData, LinkIndex, LinkWrite, Missing, RunResult};

use crate::apply::Applier;
use crate::engine::{Engine, Here};
use crate::error::EngineError;
use crate::tally::Tally;

/// After so many days without being seen, a card that was handed over is a question for a person.
const PENDING_DAYS: i32 = 14;
/// The finding that cards are there by now.
const SEEN: &str = "handed_over_seen";
/// Links that are read from the store at once.
const PEOPLE: usize = 1_000;

/// What a look for a card came to.
enum Seen {
    Here(LinkWrite),
    NotYet(Missing),
    TooLate(LinkWrite),
    /// Nothing new is known.
    Unknown,
}

impl Engine {
    /// Looks for the cards that were handed over and not seen yet. What came of it is noted in the result.
    pub(crate) async fn look_for_handed_over(
        &self,
        here: &Here,
        result: RunResult,
    ) -> Result<RunResult, EngineError> {
        let rows = self.store.index(here.partnership.id).await?;
        let due: Vec<&LinkIndex> = rows.iter().filter(|row| row.state == LinkState::Pending).collect();
        if due.is_empty() {
            return Ok(result);
        }
        let applier = self.applier(here, result);
        let at_once = self.settings.limits.connections.max(1);
        let (mut seen, mut late) = (0_u64, 0_u64);
        for some in due.chunks(PEOPLE) {
            let people: Vec<_> = some.iter().map(|row| row.person).collect();
            let links = self.store.links(here.partnership.id, &people).await?;
            let waiting = links.into_iter().filter(|link| link.data.barcode.is_some());
            let mut looks =
                stream::iter(waiting.map(|link| applier.look_for(link, here))).buffer_unordered(at_once);
            let (mut writes, mut missing) = (Vec::new(), Vec::new());
            while let Some(found) = looks.next().await {
                match found? {
                    Seen::Here(write) => {
                        seen += 1;
                        writes.push(write);
                    }
                    Seen::TooLate(write) => {
                        late += 1;
                        writes.push(write);
                    }
                    Seen::NotYet(note) => missing.push(note),
                    Seen::Unknown => {}
                }
            }
            drop(looks);
            if !writes.is_empty() {
                self.store.write_links(here.partnership.id, writes).await?;
            }
            if !missing.is_empty() {
                self.store.write_missing(missing).await?;
            }
            if applier.halted() {
                break;
            }
        }
        // That the ILS could not be asked for them is told by what the run itself asks it.
        let (mut result, _) = applier.into_result();
        if seen > 0 {
            let message = format!("{seen} cards that were handed over are in the ILS now");
            result.note(SEEN, &message, &Place::default());
        }
        if late > 0 {
            let message = format!(
                "{late} cards were handed over {PENDING_DAYS} days ago or more, and are not in the ILS"
            );
            result.note(Review::NotLoaded.code(), &message, &Place::default());
        }
        Ok(result)
    }
}

/// What was found out, for the report of the run that looked.
pub(crate) fn findings(result: &RunResult) -> impl Iterator<Item = (String, FindingCount)> + use<> {
    let told = [SEEN, Review::NotLoaded.code()];
    let found: Vec<_> = told
        .iter()
        .filter_map(|code| Some(((*code).to_owned(), result.findings.get(*code)?.clone())))
        .collect();
    found.into_iter()
}

impl Applier<'_> {
    async fn look_for(&self, link: Link, here: &Here) -> Result<Seen, EngineError> {
        let Some(barcode) = link.data.barcode.clone() else { return Ok(Seen::Unknown) };
        Ok(match self.find(FindKey::Barcode(barcode)).await? {
            Lookup::Found(patron) => {
                let key = self.store.digest_key();
                let mut data = link.data.clone();
                for field in self.directory.returns().iter() {
                    let mut digest = data.digests.get(field);
                    digest.seen = key.value(field, patron.values.canonical(field).as_deref());
                    data.digests.set(field, digest);
                }
                (data.state, data.reason) = (LinkState::Made, None);
                data.patron_id = Some(patron.id);
                data.expiry = patron.values.expiry.or(data.expiry);
                Seen::Here(LinkWrite { person: link.person, data })
            }
            Lookup::NotFound => {
                let since = link.missing_since.unwrap_or(here.day);
                let days = since.until(here.day).map_or(0, |span| span.get_days());
                if days < PENDING_DAYS {
                    return Ok(match link.missing_since {
                        Some(_) => Seen::Unknown,
                        None => Seen::NotYet(Missing { link: link.id, since: Some(since), feeds: 0 }),
                    });
                }
                let reason = Some(Review::NotLoaded.code().to_owned());
                let data = LinkData { state: LinkState::Review, reason, ..link.data };
                Seen::TooLate(LinkWrite { person: link.person, data })
            }
            Lookup::Unknown(_) | Lookup::Many | Lookup::NotVisible => Seen::Unknown,
        })
    }
}
