//! New PINs for cards that are there, because a person asked for them: a letter that was lost, a PIN that became known.
//!
//! Only cards that were made here, never a linked or upgraded one: that is the family's. Each goes through the journal like
//! any write, and the new PIN is kept sealed until it is handed out. A sync never does this.

use rostercard_core::digest::{Digest, DigestKey, DigestKind};
use rostercard_core::field::FieldSet;
use rostercard_core::finding::Place;
use rostercard_core::guard::WaitingFor;
use rostercard_core::plan::{ChangeKind, ChangeState, RunState};
use rostercard_core::ports::{FindKey, Lookup};
use rostercard_core::privacy::Personal;
use rostercard_core::rules::pin::{self, DEFAULT_DIGITS, PinRule};
use rostercard_core::words::LinkState;
use rostercard_store::rows::{Change, Link, NewChange, NumberDraw, PlanDecision, RunResult};

use crate::apply::{Applier, Step};
use crate::engine::{Engine, Here, RunReport};
use crate::error::{EngineError, SelectionError};
use crate::tally::{Fate, Tally};

/// The key under which the ledger knows a student of a partnership, by its permanent id.
#[must_use]
pub fn person_key(key: &DigestKey, partnership: &str, student_id: &Personal) -> Digest {
    key.digest(DigestKind::Person, &[partnership.as_bytes(), student_id.reveal().as_bytes()])
}

impl Engine {
    /// Sets new random PINs on the cards of these students. All are looked at first: where one cannot get a PIN, none does.
    ///
    /// # Errors
    /// [`SelectionError::NoNewPin`] names the first of the ids that cannot; or the store cannot be read.
    pub async fn reissue_pins(&self, students: &[Personal], who: &str) -> Result<RunReport, EngineError> {
        self.refuse_while_paused().await?;
        let cards = self.cards_for_new_pins(students).await?;
        let here = self.begin("pins").await?;
        let outcome = self.reissue_within(&here, cards, who).await;
        self.end(&here, outcome).await
    }

    async fn cards_for_new_pins(&self, students: &[Personal]) -> Result<Vec<Link>, EngineError> {
        let refuse = |position: usize, why: &str| SelectionError::NoNewPin { position, why: why.to_owned() };
        if self.settings.rules.card.pin == PinRule::None {
            let why = "[card] pin = \"none\": PINs are the ILS's own matter".to_owned();
            return Err(SelectionError::NoNewPins { why }.into());
        }
        let can = self.directory.capabilities().pin;
        if !can.usable() {
            let why = format!("the ILS cannot be given PINs: {}", can.why);
            return Err(SelectionError::NoNewPins { why }.into());
        }
        if let Some(why) = self.directory.no_later_pin() {
            return Err(SelectionError::NoNewPins { why }.into());
        }
        let partnership = self.partnership().await?;
        let mut cards: Vec<Link> = Vec::with_capacity(students.len());
        for (at, student_id) in students.iter().enumerate() {
            let key = person_key(self.store.digest_key(), &self.settings.permanent_id, student_id);
            let link = self.store.links(partnership.id, &[key]).await?.pop();
            let why = match &link {
                None => "the ledger has no card for this student id",
                Some(link) if link.data.barcode.is_none() => "this student has no card yet",
                Some(link) => match link.data.state {
                    LinkState::Made => "",
                    LinkState::Lapsed => "this student's card has lapsed",
                    LinkState::Gone => "this student's patron is gone from the ILS",
                    _ => "this card was not made here: its PIN is the family's",
                },
            };
            match link {
                Some(link) if why.is_empty() => {
                    if !cards.iter().any(|card| card.person == link.person) {
                        cards.push(link);
                    }
                }
                _ => return Err(refuse(at + 1, why).into()),
            }
        }
        Ok(cards)
    }

    async fn reissue_within(
        &self,
        here: &Here,
        cards: Vec<Link>,
        who: &str,
    ) -> Result<(RunState, RunResult), EngineError> {
        let mut result = RunResult::default();
        let count = cards.len() as u64;
        let limit = self.settings.pins.reissue_at_once;
        let waits = count > limit;
        let (state, fate) = if waits {
            (ChangeState::Waiting, Fate::Waiting)
        } else {
            (ChangeState::Ready, Fate::Change(ChangeKind::Pin))
        };
        let changes = cards
            .into_iter()
            .map(|card| {
                result.count(&card.data.school.1, fate);
                NewChange {
                    person: card.person,
                    link: Some(card.id),
                    kind: ChangeKind::Pin,
                    state,
                    school: card.data.school,
                    fields: FieldSet::EMPTY,
                    decided: card.data.decided,
                    spool: zeroize::Zeroizing::default(),
                }
            })
            .collect();
        let decision = PlanDecision {
            who: who.to_owned(),
            at: here.now,
            what: "reissue".to_owned(),
            selection: rostercard_store::rows::ChangeSelection::default(),
        };
        self.store.write_decision(here.run, decision).await?;
        self.store.add_changes(here.run, changes).await?;
        if waits {
            result.waiting_for.push(WaitingFor {
                guard: "pin_reissue".to_owned(),
                kind: Some(ChangeKind::Pin.word().to_owned()),
                limit: Some(limit),
                found: count,
                school: None,
                likely_cause: "many cards are to get new PINs at once: were they all lost? Approve it before the next sync, \
                               which drops it"
                    .to_owned(),
            });
        }
        let (result, ending) = self.apply(here, result).await?;
        Ok(self.conclude(result, ending))
    }
}

impl Applier<'_> {
    /// A new PIN for a card: looked up, drawn, durable, sent.
    pub(crate) async fn new_pin(&self, change: Change, link: Option<Link>) -> Result<(), EngineError> {
        let card = link.filter(|link| link.data.state == LinkState::Made).and_then(|link| link.data.barcode);
        let Some(barcode) = card else {
            // It lapsed, or was found gone, since a person asked.
            return self.no_new_pin(&change, "the card is not one of ours any more").await;
        };
        let Some(lookup) = self.look(FindKey::Barcode(barcode.clone())).await? else { return Ok(()) };
        match lookup {
            Lookup::Found(patron) => {
                if self.at_an_end() {
                    return Ok(());
                }
                let digits = match self.settings.rules.card.pin {
                    PinRule::Random { digits } => digits,
                    _ => DEFAULT_DIGITS,
                };
                let pin = pin::draw(digits, |bytes| self.world.entropy.fill(bytes));
                let number = NumberDraw::Given(barcode);
                let step = Step::pin(number, &pin);
                let (intent, _) = self.intend(self.run, &change, step).await?;
                self.set_pin(&change, &patron, intent, pin).await
            }
            Lookup::Unknown(error) => self.failed(&change, None, &error).await,
            Lookup::NotFound | Lookup::Many | Lookup::NotVisible => {
                self.no_new_pin(&change, "the patron was not found in the ILS by its number").await
            }
        }
    }

    async fn no_new_pin(&self, change: &Change, why: &str) -> Result<(), EngineError> {
        {
            let mut result = self.result();
            result.note("pin_not_set", &format!("a card got no new PIN: {why}"), &Place::default());
            result.shift(&change.school.1, Fate::Change(change.kind), Fate::Review, 1);
        }
        let change = Some((change.id, ChangeState::Settled));
        self.settle_one(rostercard_store::rows::Settlement { change, ..self.nothing() }).await
    }
}
