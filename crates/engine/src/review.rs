//! Reviews: questions that only a person can answer, and what becomes of the answers. Every answer is remembered, with who
//! and when, and stands until somebody answers anew.

use hashbrown::HashMap;
use rostercard_core::digest::Digest;
use rostercard_core::field::FieldSet;
use rostercard_core::patron::Patron;
use rostercard_core::ports::{FindKey, Lookup};
use rostercard_core::privacy::Personal;
use rostercard_core::reason::Review;
use rostercard_core::review::{ReviewAnswer, answers_to, question_of};
use rostercard_core::threeway::{FieldDigest, FieldDigests};
use rostercard_core::words::LinkState;
use rostercard_store::rows::{Answer, Link, LinkData, LinkId, LinkWrite};

use crate::answered;
use crate::engine::Engine;
use crate::error::{EngineError, SelectionError};

/// An open question.
#[derive(Debug)]
pub struct OpenReview {
    /// Its number, which commands take.
    pub number: LinkId,
    /// About whom.
    pub person: Digest,
    /// What it is.
    pub question: Review,
    /// The school's key and label.
    pub school: (String, String),
    /// The grade's code.
    pub grade: Option<u8>,
    /// The card that it is about, where there is one in the ledger.
    pub barcode: Option<Personal>,
}

/// Which question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// By its number.
    Number(LinkId),
    /// By the person's key.
    Person(Digest),
}

impl Engine {
    /// The open questions of the partnership, in order of school and number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn reviews(&self) -> Result<Vec<OpenReview>, EngineError> {
        let partnership = self.partnership().await?;
        let people: Vec<Digest> = self
            .store
            .index(partnership.id)
            .await?
            .into_iter()
            .filter(|row| matches!(row.state, LinkState::Review | LinkState::Gone | LinkState::Linked))
            .map(|row| row.person)
            .collect();
        let mut open = Vec::new();
        for some in people.chunks(1_000) {
            for link in self.store.links(partnership.id, some).await? {
                let Some(question) = link.data.reason.as_deref().and_then(question_of) else { continue };
                open.push(OpenReview {
                    number: link.id,
                    person: link.person,
                    question,
                    school: link.data.school,
                    grade: link.data.grade,
                    barcode: link.data.barcode,
                });
            }
        }
        open.sort_by(|a, b| (&a.school, a.number).cmp(&(&b.school, b.number)));
        Ok(open)
    }

    /// Answers a question. Nothing is written to the ILS: what follows from the answer is done by the next run, through the
    /// same guards as everything.
    ///
    /// # Errors
    /// There is no such question, or it cannot be answered so; or the ILS or the store cannot be asked.
    pub async fn answer(
        &self,
        whose: Whose,
        said: ReviewAnswer,
        number: Option<&Personal>,
        who: &str,
    ) -> Result<OpenReview, EngineError> {
        let partnership = self.partnership().await?;
        let refuse = |why: String| -> EngineError { SelectionError::Review { why }.into() };
        let open = self.reviews().await?;
        let found = open.into_iter().find(|review| match whose {
            Whose::Number(number) => review.number == number,
            Whose::Person(person) => review.person == person,
        });
        let Some(review) = found else {
            return Err(refuse("there is no such open review".to_owned()));
        };
        let possible = answers_to(&review.question);
        if !possible.contains(&said) {
            let words: Vec<&str> = possible.iter().map(|answer| answer.word()).collect();
            return Err(refuse(format!(
                "review {} ({}) cannot be answered with `{said}`: it takes {}",
                review.number,
                review.question.code(),
                words.join(", ")
            )));
        }
        let link = self.store.links(partnership.id, &[review.person]).await?.pop();
        let link = link.ok_or(EngineError::Internal("a review without a link"))?;
        if self.store.open_intents(partnership.id).await?.iter().any(|intent| intent.person == link.person) {
            return Err(refuse(format!(
                "a write for review {} had no answer yet: run `rostercard sync` first",
                review.number
            )));
        }
        let answer = Answer {
            person: link.person,
            question: review.question.code().to_owned(),
            answer: said.word().to_owned(),
            at: self.world.clock.now(),
            who: who.to_owned(),
        };
        if said == ReviewAnswer::Same && review.question == Review::PerhapsMoved {
            self.same_child(&partnership, &link, answer).await?;
            return Ok(review);
        }
        if said == ReviewAnswer::Same {
            self.same_person(&partnership, &link, answer).await?;
            return Ok(review);
        }
        let data = match said {
            ReviewAnswer::Link | ReviewAnswer::Relink => {
                let Some(number) = number else {
                    return Err(refuse(format!("`{said}` needs the card's number: add --barcode")));
                };
                let patron = self.patron_with(number).await.map_err(refuse)?;
                let used =
                    self.store.numbers_in_use(&self.settings.ils, std::slice::from_ref(number)).await?;
                if used.iter().any(|(_, person)| *person != link.person) {
                    return Err(refuse(
                        "the card with this number belongs to another person of the ledger".into(),
                    ));
                }
                self.taken_over(&link, said, &review.question, &patron, number)
            }
            ReviewAnswer::Skip => without(&link, LinkState::Skipped, Some(answered::SKIP), link.data.decided),
            ReviewAnswer::Leave => {
                without(&link, LinkState::Skipped, Some(answered::LEAVE), link.data.decided)
            }
            ReviewAnswer::Separate => {
                without(&link, LinkState::Pending, Some(answered::SEPARATE), NOTHING_DECIDED)
            }
            ReviewAnswer::Recreate => without(&link, LinkState::Pending, None, NOTHING_DECIDED),
            ReviewAnswer::Again if link.data.barcode.is_some() && review.question != Review::NotLoaded => {
                LinkData { reason: None, decided: NOTHING_DECIDED, ..link.data.clone() }
            }
            ReviewAnswer::Again | ReviewAnswer::Same => {
                without(&link, LinkState::Pending, None, NOTHING_DECIDED)
            }
        };
        let write = LinkWrite { person: link.person, data };
        self.store.write_answers(partnership.id, vec![answer], vec![write]).await?;
        Ok(review)
    }

    /// The patron that has a number, or why there is none to link to.
    async fn patron_with(&self, number: &Personal) -> Result<Patron, String> {
        match self.directory.find(&FindKey::Barcode(number.clone())).await {
            Lookup::Found(patron) => Ok(*patron),
            Lookup::NotFound => Err("the ILS has no patron with that number".to_owned()),
            Lookup::Many => Err("the ILS has several patrons with that number".to_owned()),
            Lookup::NotVisible => Err("the ILS does not show that patron to Rostercard's login".to_owned()),
            Lookup::Unknown(error) => Err(format!("the ILS could not be asked: {error}; {}", error.hint)),
        }
    }

    /// A link to a patron that a person named.
    fn taken_over(
        &self,
        link: &Link,
        said: ReviewAnswer,
        question: &Review,
        patron: &Patron,
        number: &Personal,
    ) -> LinkData {
        let key = self.store.digest_key();
        let mut data = link.data.clone();
        data.barcode = Some(number.clone());
        data.patron_id = Some(patron.id.clone());
        data.expiry = patron.values.expiry.or(data.expiry);
        data.reason = None;
        data.decided = NOTHING_DECIDED;
        if said == ReviewAnswer::Relink {
            // What we sent and saw of the old record still says what staff have changed since.
            data.state = LinkState::Made;
            return data;
        }
        // With a number of ours it is an earlier load's; any other card is the family's own.
        data.state = if *question == Review::NumberTaken { LinkState::Adopted } else { LinkState::Linked };
        data.category.clone_from(&patron.values.category);
        data.branch.clone_from(&patron.values.home_branch);
        data.digests = seen(&patron.values, self.directory.returns(), key);
        if data.state == LinkState::Adopted {
            // Adopting writes nothing: only what changes from now on is written.
            data.decided = link.data.decided;
        }
        data
    }
}

/// The fingerprint of no decision: looked at again with the next roster.
pub(crate) const NOTHING_DECIDED: Digest = Digest([0; 16]);

/// What a patron holds, as seen and never sent.
pub(crate) fn seen(
    values: &rostercard_core::patron::PatronValues,
    returns: FieldSet,
    key: &rostercard_core::digest::DigestKey,
) -> FieldDigests {
    let mut digests = FieldDigests::default();
    for field in returns.iter() {
        let sent = digests.get(field).sent;
        digests.set(field, FieldDigest { sent, seen: key.value(field, values.canonical(field).as_deref()) });
    }
    digests
}

fn without(link: &Link, state: LinkState, reason: Option<&str>, decided: Digest) -> LinkData {
    LinkData {
        grade: link.data.grade,
        ..crate::collect::without_card(state, decided, reason, link.data.school.clone())
    }
}

/// How many open questions there are of each kind.
#[must_use]
pub fn by_question(reviews: &[OpenReview]) -> HashMap<&'static str, usize> {
    let mut counts = HashMap::new();
    for review in reviews {
        *counts.entry(review.question.code()).or_default() += 1;
    }
    counts
}
