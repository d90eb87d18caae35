//! One child in several districts of one ILS (S10): the card that is there stays the child's only one. It goes along to the
//! district that the child is in by now; where both have the child, it stays where it is.
//!
//! The card keeps its number, its PIN and what staff and family made of it. Names and birth date alone never make two
//! children one: one more thing has to agree, or a person is asked.

use hashbrown::HashSet;
use rostercard_core::digest::{Digest, DigestKey};
use rostercard_core::field::Field;
use rostercard_core::finding::Place;
use rostercard_core::patron::{Number, PatronValues, WantedPatron};
use rostercard_core::plan::{ChangeKind, ChangeState};
use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_core::reason::{Reason, Review};
use rostercard_core::threeway::FieldDigests;
use rostercard_core::who::{CARD_ELSEWHERE, MOVED_AWAY, Who};
use rostercard_core::words::LinkState;
use rostercard_store::rows::{
    Answer, Change, Link, LinkData, LinkIndex, LinkWrite, Partnership, PartnershipId, Settlement,
};

use crate::apply::Applier;
use crate::collect::{Collector, without_card};
use crate::engine::Engine;
use crate::error::{EngineError, SelectionError};
use crate::review::NOTHING_DECIDED;
use crate::tally::{Fate, Tally};

/// What agrees beside names and birth date: what twins and namesakes share does not count, for their given names differ, or
/// their homes.
const AGREES: [Field; 3] = [Field::Email, Field::Phone, Field::Address];

/// What came of looking for a child's card by another district.
pub(crate) enum Elsewhere {
    /// There is none: the card is to be made.
    Nobody(Change),
    /// The card is this partnership's by now, and is to be changed as it wants it.
    Taken(Change, Box<Link>),
    /// Nothing is left to do: the change is settled.
    Settled,
}

impl Applier<'_> {
    /// Looks in the ledger whether a child for whom a card is to be made has one by another district.
    pub(crate) async fn elsewhere(
        &self,
        change: Change,
        held: Option<&Link>,
        wanted: &WantedPatron,
    ) -> Result<Elsewhere, EngineError> {
        let Some(who) = Who::is(&wanted.values, self.store.digest_key()) else {
            return Ok(Elsewhere::Nobody(change));
        };
        if !self.shares_ils().await? {
            return Ok(Elsewhere::Nobody(change));
        }
        let mut cards = self.store.alike_elsewhere(self.partnership, who).await?;
        cards.retain(|(_, link)| link.data.barcode.is_some());
        // Found to be one child before, by what agreed then or by a person.
        let known = held.and_then(|link| link.data.reason.as_deref()) == Some(CARD_ELSEWHERE);
        let one = match cards.pop() {
            None => return Ok(Elsewhere::Nobody(change)),
            Some(card) if cards.is_empty() => card,
            Some(_) => return self.ask_whether_moved(&change, wanted, who).await,
        };
        let (district, card) = one;
        let looked_after =
            card.data.state.is_live() || matches!(card.data.state, LinkState::Lapsed | LinkState::Pending);
        if !looked_after || !(known || one_more_agrees(wanted, &card.data, self.store.digest_key())) {
            return self.ask_whether_moved(&change, wanted, who).await;
        }
        if stays(&card) {
            return self.leave_it_there(&change, wanted, who).await;
        }
        self.take(change, wanted, district, card).await
    }

    /// Whether other partnerships have cards in the same ILS. Asked once a run.
    async fn shares_ils(&self) -> Result<bool, EngineError> {
        let shared = self.shared.get_or_try_init(|| async {
            let partnerships = self.store.partnerships().await?;
            let mine = partnerships.iter().find(|one| one.id == self.partnership).map(|one| one.ils.as_str());
            Ok::<_, EngineError>(
                partnerships.iter().any(|one| one.id != self.partnership && Some(one.ils.as_str()) == mine),
            )
        });
        Ok(*shared.await?)
    }

    async fn ask_whether_moved(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        who: Who,
    ) -> Result<Elsewhere, EngineError> {
        let reason = Reason::Review(Review::PerhapsMoved);
        self.settle_without_card(
            change,
            wanted,
            who,
            LinkState::Review,
            (reason.code(), &reason.to_string()),
            Fate::Review,
        )
        .await
    }

    /// The other district has the child as well: the card stays its.
    async fn leave_it_there(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        who: Who,
    ) -> Result<Elsewhere, EngineError> {
        let message = "students have a card by another district of this ILS, which has them as well: it stays their only one";
        self.settle_without_card(
            change,
            wanted,
            who,
            LinkState::Skipped,
            (CARD_ELSEWHERE, message),
            Fate::NotEligible,
        )
        .await
    }

    async fn settle_without_card(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        who: Who,
        state: LinkState,
        (reason, message): (&str, &str),
        fate: Fate,
    ) -> Result<Elsewhere, EngineError> {
        {
            let mut result = self.result();
            result.note(reason, message, &Place::default());
            result.shift(&change.school.1, Fate::Change(change.kind), fate, 1);
        }
        let school = (wanted.school.key().to_owned(), wanted.school.label());
        let mut data = without_card(state, change.decided, Some(reason), school);
        data.grade = wanted.grade.map(rostercard_core::grade::Grade::code);
        data.source_ids.clone_from(&wanted.source_ids);
        who.mark(&mut data.digests);
        self.settle_one(Settlement {
            change: Some((change.id, ChangeState::Settled)),
            link: Some(LinkWrite { person: change.person, data }),
            ..self.nothing()
        })
        .await?;
        Ok(Elsewhere::Settled)
    }

    /// The child is in this district by now: the card goes along.
    async fn take(
        &self,
        change: Change,
        wanted: &WantedPatron,
        district: PartnershipId,
        card: Link,
    ) -> Result<Elsewhere, EngineError> {
        let open = self.store.open_intents(district).await?;
        if open.iter().any(|intent| intent.person == card.person) {
            let error = ConnectorError::new(
                Fault::Operator,
                Retry::Later,
                "a write to the card that the child has by another district had no answer yet",
                "the other district's next run settles it, and this one's next run goes on",
            );
            self.failed(&change, None, &error).await?;
            return Ok(Elsewhere::Settled);
        }
        let school = (wanted.school.key().to_owned(), wanted.school.label());
        let grade = wanted.grade.map(rostercard_core::grade::Grade::code);
        let (left, taken) = handed_over(&card, school, grade, wanted.source_ids.clone());
        let taken = LinkWrite { person: change.person, data: taken };
        self.store.hand_over((district, left), (self.partnership, taken)).await?;
        let kind =
            if card.data.state == LinkState::Lapsed { ChangeKind::Restore } else { ChangeKind::Update };
        {
            let mut result = self.result();
            let message =
                "students came from another district of this ILS: their cards came along, with their numbers";
            result.note("moved_from_another_district", message, &Place::default());
            result.shift(&change.school.1, Fate::Change(change.kind), Fate::Change(kind), 1);
        }
        let link = self.store.links(self.partnership, &[change.person]).await?.pop();
        let link = link.ok_or(EngineError::Internal("a card that was handed over is not in the ledger"))?;
        Ok(Elsewhere::Taken(Change { kind, ..change }, Box::new(link)))
    }

    /// Whether a card that is to lapse goes to another district that has its child. Then nothing is written to the ILS, and
    /// the change is settled.
    pub(crate) async fn left_to_another(&self, change: &Change, link: &Link) -> Result<bool, EngineError> {
        let Some(who) = Who::was(&link.data.digests) else { return Ok(false) };
        if !self.shares_ils().await? {
            return Ok(false);
        }
        let alike = self.store.alike_elsewhere(self.partnership, who).await?;
        let waits = |one: &(PartnershipId, Link)| one.1.data.reason.as_deref() == Some(CARD_ELSEWHERE);
        let Some((district, other)) = alike.into_iter().find(waits) else { return Ok(false) };
        let to = &other.data;
        let (left, taken) = handed_over(link, to.school.clone(), to.grade, to.source_ids.clone());
        let taken = LinkWrite { person: other.person, data: taken };
        self.store.hand_over((self.partnership, left), (district, taken)).await?;
        {
            let mut result = self.result();
            let message = "students who left are in another district of this ILS: their cards went there";
            result.note("card_went_to_another_district", message, &Place::default());
            result.shift(&change.school.1, Fate::Change(change.kind), Fate::Unchanged, 1);
        }
        let settled = Some((change.id, ChangeState::Settled));
        self.settle_one(Settlement { change: settled, ..self.nothing() }).await?;
        Ok(true)
    }
}

impl Collector<'_> {
    /// People without a card here because another district looks after theirs, where it does so no longer: they are decided
    /// on again, whatever their fingerprint.
    pub(crate) async fn card_no_longer_elsewhere(
        &self,
        rows: &[LinkIndex],
    ) -> Result<HashSet<Digest>, EngineError> {
        let skipped = rows.iter().filter(|row| row.state == LinkState::Skipped);
        let people: Vec<Digest> = skipped.map(|row| row.person).collect();
        let mut again = HashSet::new();
        for some in people.chunks(1_000) {
            for link in self.store.links(self.partnership.id, some).await? {
                let (Some(CARD_ELSEWHERE), Some(who)) =
                    (link.data.reason.as_deref(), Who::was(&link.data.digests))
                else {
                    continue;
                };
                let alike = self.store.alike_elsewhere(self.partnership.id, who).await?;
                if !alike.iter().any(|(_, link)| link.data.barcode.is_some() && stays(link)) {
                    again.insert(link.person);
                }
            }
        }
        Ok(again)
    }

    /// Whether a number belongs to a child of another district who has the same names and birth date: perhaps the same child.
    pub(crate) async fn perhaps_moved(&self, wanted: &WantedPatron) -> Result<bool, EngineError> {
        let Some(who) = Who::is(&wanted.values, self.store.digest_key()) else { return Ok(false) };
        let alike = self.store.alike_elsewhere(self.partnership.id, who).await?;
        Ok(alike.iter().any(|(_, link)| has_number(&link.data, wanted)))
    }
}

impl Engine {
    /// A person said that the child of a review has its card by another district.
    pub(crate) async fn same_child(
        &self,
        partnership: &Partnership,
        link: &Link,
        answer: Answer,
    ) -> Result<(), EngineError> {
        let refuse = |why: &str| -> EngineError { SelectionError::Review { why: why.to_owned() }.into() };
        let who = Who::was(&link.data.digests).ok_or_else(|| refuse("the review says too little"))?;
        let mut cards = self.store.alike_elsewhere(partnership.id, who).await?;
        cards.retain(|(_, link)| link.data.barcode.is_some());
        let (Some((district, card)), true) = (cards.pop(), cards.is_empty()) else {
            return Err(refuse(
                "no card, or more than one, is kept for these names and this birth date by another district: `separate` makes \
                 one, `skip` makes none",
            ));
        };
        if self.store.open_intents(district).await?.iter().any(|intent| intent.person == card.person) {
            return Err(refuse("a write to that card had no answer yet: sync the other district first"));
        }
        if stays(&card) {
            let mut data = link.data.clone();
            (data.state, data.reason) = (LinkState::Skipped, Some(CARD_ELSEWHERE.to_owned()));
            let write = LinkWrite { person: link.person, data };
            return Ok(self.store.write_answers(partnership.id, vec![answer], vec![write]).await?);
        }
        self.store.write_answers(partnership.id, vec![answer], Vec::new()).await?;
        let to = &link.data;
        let (left, taken) = handed_over(&card, to.school.clone(), to.grade, to.source_ids.clone());
        let taken = LinkWrite { person: link.person, data: taken };
        Ok(self.store.hand_over((district, left), (partnership.id, taken)).await?)
    }
}

/// Whether the district that looks after a card has its child still.
fn stays(card: &Link) -> bool {
    card.missing_since.is_none() && (card.data.state.is_live() || card.data.state == LinkState::Pending)
}

/// What is written of who lets a card go, and what its new link is. It is decided on with the next roster, or at once.
fn handed_over(
    card: &Link,
    school: (String, String),
    grade: Option<u8>,
    source_ids: Vec<rostercard_core::privacy::Personal>,
) -> (LinkWrite, LinkData) {
    let mut left =
        without_card(LinkState::Skipped, NOTHING_DECIDED, Some(MOVED_AWAY), card.data.school.clone());
    left.grade = card.data.grade;
    left.source_ids.clone_from(&card.data.source_ids);
    let taken = LinkData { decided: NOTHING_DECIDED, school, grade, source_ids, ..card.data.clone() };
    (LinkWrite { person: card.person, data: left }, taken)
}

fn one_more_agrees(wanted: &WantedPatron, card: &LinkData, key: &DigestKey) -> bool {
    has_number(card, wanted) || AGREES.iter().any(|field| agrees(*field, &wanted.values, &card.digests, key))
}

fn agrees(field: Field, values: &PatronValues, digests: &FieldDigests, key: &DigestKey) -> bool {
    values.canonical(field).is_some_and(|text| key.value(field, Some(&text)) == digests.get(field).sent)
}

fn has_number(card: &LinkData, wanted: &WantedPatron) -> bool {
    matches!((&card.barcode, &wanted.number), (Some(has), Number::Given(number)) if has == number)
}
