//! Moving house (S36): a district whose students all have new numbers, and a library whose patrons are in another ILS. Each
//! is looked at first, and done only when a person says so; nobody is withdrawn and nothing is made.

use futures::{StreamExt, stream};
use hashbrown::HashMap;
use rostercard_core::digest::Digest;
use rostercard_core::ports::{ConnectorError, FindKey, Lookup};
use rostercard_core::reason::Review;
use rostercard_core::review::ReviewAnswer;
use rostercard_core::who::Who;
use rostercard_core::words::LinkState;
use rostercard_store::rows::{Answer, Link, LinkWrite};

use crate::engine::Engine;
use crate::error::{EngineError, SelectionError};
use crate::review::seen;

/// What a move came to, or would come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// People whose card went along.
    pub moved: u64,
    /// People for whom a person has to look: nobody, or more than one, is like them.
    pub unclear: u64,
    /// Cards that the other ILS does not have.
    pub not_there: u64,
}

impl Engine {
    /// Answers every review of a person who seems to have come back under another number with "the same". With `dry`, it is
    /// only said how many there are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn rebind(&self, dry: bool, who: &str) -> Result<Moved, EngineError> {
        let partnership = self.partnership().await?;
        let question = Review::PerhapsRenumbered;
        let reviews = self.reviews().await?.into_iter().filter(|review| review.question == question);
        let people: Vec<Digest> = reviews.map(|review| review.person).collect();
        let cards = self.cards_by_who(partnership.id).await?;
        let (mut moved, mut pairs) = (Moved::default(), Vec::new());
        for some in people.chunks(1_000) {
            for link in self.store.links(partnership.id, some).await? {
                match Who::was(&link.data.digests).and_then(|who| cards.get(&who)).map(Vec::as_slice) {
                    Some([old]) => pairs.push((*old, link.person)),
                    _ => moved.unclear += 1,
                }
            }
        }
        // One card cannot go along with two people.
        let mut wanted: HashMap<Digest, u32> = HashMap::new();
        pairs.iter().for_each(|(old, _)| *wanted.entry(*old).or_default() += 1);
        let all = pairs.len();
        pairs.retain(|(old, _)| wanted.get(old) == Some(&1));
        moved.unclear += (all - pairs.len()) as u64;
        moved.moved = pairs.len() as u64;
        if !dry {
            for some in pairs.chunks(1_000) {
                let at = self.world.clock.now();
                let answer = |(_, person): &(Digest, Digest)| Answer {
                    person: *person,
                    question: question.code().to_owned(),
                    answer: ReviewAnswer::Same.word().to_owned(),
                    at,
                    who: who.to_owned(),
                };
                let answers = some.iter().map(answer).collect();
                self.store.write_answers(partnership.id, answers, Vec::new()).await?;
                self.store.rekey(partnership.id, some.to_vec()).await?;
            }
        }
        Ok(moved)
    }

    /// Carries the links of a partnership over to the ILS that its file names now. Every card is looked up there by its number
    /// first; one that is not there becomes a review, and is never made by itself. With `dry`, nothing is changed.
    ///
    /// # Errors
    /// The partnership is in that ILS already, writes are under way, too many cards are not there, or the ILS cannot be asked.
    pub async fn migrate(&self, dry: bool) -> Result<Moved, EngineError> {
        let settings = &self.settings;
        let refuse = |why: String| -> EngineError { SelectionError::Review { why }.into() };
        let partnership =
            self.store.partnership(&settings.permanent_id, &settings.ils, &settings.name).await?;
        if partnership.ils == settings.ils {
            return Err(refuse(format!("partnership {} has its cards in this ILS already", settings.name)));
        }
        if !self.store.open_intents(partnership.id).await?.is_empty() {
            return Err(refuse(
                "writes to the old ILS had no answer yet: name the old ILS again, run `rostercard sync`, then move".into(),
            ));
        }
        let rows = self.store.index(partnership.id).await?;
        let people: Vec<Digest> = rows.into_iter().map(|row| row.person).collect();
        let (mut moved, mut writes) = (Moved::default(), Vec::new());
        for some in people.chunks(1_000) {
            let links = self.store.links(partnership.id, some).await?;
            let with_card = links.into_iter().filter(|link| link.data.barcode.is_some());
            let at_once = settings.limits.connections.max(1);
            let mut work =
                stream::iter(with_card.map(|link| self.over_there(link))).buffer_unordered(at_once);
            while let Some(found) = work.next().await {
                let (link, there) = found.map_err(|error| {
                    refuse(format!("the ILS could not be asked: {error}; nothing was moved"))
                })?;
                if there {
                    moved.moved += 1;
                } else {
                    moved.not_there += 1;
                }
                writes.push(LinkWrite { person: link.person, data: link.data });
            }
        }
        let all = moved.moved + moved.not_there;
        if moved.not_there >= 10 && moved.not_there * 5 >= all {
            return Err(refuse(format!(
                "{} of {all} cards are not in the ILS that the partnership's file names now: were the patrons loaded there? \
                 Nothing was moved",
                moved.not_there
            )));
        }
        if !dry {
            self.store.move_ils(partnership.id, &settings.ils, writes).await?;
        }
        Ok(moved)
    }

    /// A link as it is in the ILS that is asked now, and whether its card is there.
    async fn over_there(&self, mut link: Link) -> Result<(Link, bool), ConnectorError> {
        let Some(barcode) = link.data.barcode.clone() else { return Ok((link, false)) };
        match self.directory.find(&FindKey::Barcode(barcode)).await {
            Lookup::Found(patron) => {
                let now = seen(&patron.values, self.directory.returns(), self.store.digest_key());
                let mut digests = link.data.digests;
                for field in self.directory.returns().iter() {
                    let (sent, seen) = (digests.get(field).sent, now.get(field).seen);
                    digests.set(field, rostercard_core::threeway::FieldDigest { sent, seen });
                }
                link.data.digests = digests;
                link.data.patron_id = Some(patron.id);
                link.data.expiry = patron.values.expiry.or(link.data.expiry);
                Ok((link, true))
            }
            Lookup::NotFound => {
                if link.data.state.is_live() {
                    link.data.state = LinkState::Gone;
                    link.data.reason = Some(Review::Gone.code().to_owned());
                }
                Ok((link, false))
            }
            Lookup::Many | Lookup::NotVisible => {
                link.data.state = LinkState::Gone;
                link.data.reason = Some(Review::Gone.code().to_owned());
                Ok((link, false))
            }
            Lookup::Unknown(error) => Err(error),
        }
    }
}
