//! Numbers that were corrected, swapped or given again (S34): somebody who left and somebody who came with the same names and
//! birth date are one person, and a number under which both names and birth date have changed is perhaps another's. Both
//! are questions; nothing is crossed by guess.

use hashbrown::HashMap;
use rostercard_core::digest::Digest;
use rostercard_core::finding::Place;
use rostercard_core::reason::{Reason, Review};
use rostercard_core::who::Who;
use rostercard_core::words::LinkState;
use rostercard_store::rows::{Answer, ChangeId, Link, LinkIndex, LinkWrite, Partnership, PartnershipId};

use crate::collect::without_card;
use crate::engine::Engine;
use crate::error::{EngineError, SelectionError};

/// Somebody for whom this plan makes a card.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) person: Digest,
    pub(crate) school: (String, String),
    pub(crate) decided: Digest,
    pub(crate) place: Place,
    /// Where the planned create is, once it is in the store.
    pub(crate) change: Option<ChangeId>,
}

/// The newcomers of a plan, by who they are.
#[derive(Debug, Default)]
pub(crate) struct Newcomers {
    by_who: HashMap<Who, Vec<Newcomer>>,
    who_of: HashMap<Digest, Who>,
}

impl Newcomers {
    pub(crate) fn add(&mut self, who: Who, newcomer: Newcomer) {
        self.who_of.insert(newcomer.person, who);
        self.by_who.entry(who).or_default().push(newcomer);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_who.is_empty()
    }

    /// Notes where a create is.
    pub(crate) fn stored(&mut self, person: Digest, change: ChangeId) {
        let Some(who) = self.who_of.get(&person) else { return };
        let newcomers = self.by_who.get_mut(who).map_or(&mut [][..], Vec::as_mut_slice);
        for newcomer in newcomers.iter_mut().filter(|newcomer| newcomer.person == person) {
            newcomer.change = Some(change);
        }
    }

    /// Newcomers who may be this person who is missing.
    pub(crate) fn take(&mut self, who: &Who) -> Vec<Newcomer> {
        self.by_who.remove(who).unwrap_or_default()
    }
}

/// The review of a newcomer, with who it is about: the answer finds the old link by it.
pub(crate) fn review(newcomer: &Newcomer, who: &Who) -> LinkWrite {
    let reason = Reason::Review(Review::PerhapsRenumbered);
    let school = newcomer.school.clone();
    let mut data = without_card(LinkState::Review, newcomer.decided, Some(reason.code()), school);
    who.mark(&mut data.digests);
    LinkWrite { person: newcomer.person, data }
}

impl Engine {
    /// The person of a review is one whose card is kept under another number: the card goes along.
    pub(crate) async fn same_person(
        &self,
        partnership: &Partnership,
        link: &Link,
        answer: Answer,
    ) -> Result<(), EngineError> {
        let refuse = |why: &str| -> EngineError { SelectionError::Review { why: why.to_owned() }.into() };
        if link.data.barcode.is_some() {
            // Another person's names under this number, and the same person after all: the card takes them.
            let mut data = link.data.clone();
            (data.state, data.reason) = (LinkState::Made, None);
            data.decided = crate::review::NOTHING_DECIDED;
            Who::forget(&mut data.digests);
            let write = LinkWrite { person: link.person, data };
            return Ok(self.store.write_answers(partnership.id, vec![answer], vec![write]).await?);
        }
        let who = Who::was(&link.data.digests).ok_or_else(|| refuse("the review says too little"))?;
        let cards = self.cards_by_who(partnership.id).await?;
        let Some([old]) = cards.get(&who).map(Vec::as_slice) else {
            return Err(refuse(
                "no card, or more than one, is kept for these names and this birth date by now: sync once more",
            ));
        };
        self.store.write_answers(partnership.id, vec![answer], Vec::new()).await?;
        Ok(self.store.rekey(partnership.id, vec![(*old, link.person)]).await?)
    }

    /// Everybody with a card, by who they are. Not only those whose absence was kept: a roster in which every number is new
    /// is in doubt, and of a roster in doubt no absence is kept.
    pub(crate) async fn cards_by_who(
        &self,
        partnership: PartnershipId,
    ) -> Result<HashMap<Who, Vec<Digest>>, EngineError> {
        let rows = self.store.index(partnership).await?;
        let with_card = |row: &&LinkIndex| row.state.is_live() || row.state == LinkState::Lapsed;
        let people: Vec<Digest> = rows.iter().filter(with_card).map(|row| row.person).collect();
        let mut cards: HashMap<Who, Vec<Digest>> = HashMap::new();
        for some in people.chunks(1_000) {
            for link in self.store.links(partnership, some).await? {
                if let Some(who) = Who::was(&link.data.digests) {
                    cards.entry(who).or_default().push(link.person);
                }
            }
        }
        Ok(cards)
    }
}
