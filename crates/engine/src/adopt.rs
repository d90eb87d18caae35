//! Taking over cards that carry our numbers and were made another way: an earlier load by spreadsheet (S32), or this program
//! with a store that was lost (S27). Nothing is written to the ILS: what it holds becomes what was seen.

use futures::{StreamExt, stream};
use rostercard_core::finding::Place;
use rostercard_core::matching::{Verdict, judge};
use rostercard_core::patron::{Number, Patron, WantedPatron};
use rostercard_core::plan::{ChangeKind, ChangeState, RunState};
use rostercard_core::ports::{FindBy, FindKey, Lookup, RosterSource};
use rostercard_core::reason::{Reason, Review};
use rostercard_core::spool;
use rostercard_core::threeway::{FieldDigests, compare};
use rostercard_core::words::LinkState;
use rostercard_store::rows::{Change, ChangeSelection, LinkData, LinkWrite, RunResult};

use crate::apply::Applier;
use crate::collect::Mode;
use crate::engine::{Engine, Here, RunReport, conclude};
use crate::error::EngineError;
use crate::review::seen;
use crate::tally::{Fate, Tally};
use crate::world::Phase;

/// Changes that are read from the store at once.
const PAGE: usize = 500;

impl Engine {
    /// Links every student of the roster without a card to the patron who has the number that the student's card would
    /// have, if names or birth date agree. With `dry`, it is only said what would be linked. Who has no patron yet is left to
    /// the next sync; where the number's patron is somebody else, that is a review.
    ///
    /// # Errors
    /// The roster or the store cannot be read.
    pub async fn adopt(&self, source: &mut dyn RosterSource, dry: bool) -> Result<RunReport, EngineError> {
        self.refuse_while_paused().await?;
        let here = self.begin("adopt").await?;
        let outcome = self.adopt_within(&here, source, dry).await;
        self.end(&here, outcome).await
    }

    async fn adopt_within(
        &self,
        here: &Here,
        source: &mut dyn RosterSource,
        dry: bool,
    ) -> Result<(RunState, RunResult), EngineError> {
        let open = self.store.open_intents(here.partnership.id).await?;
        let in_doubt = open.into_iter().map(|intent| intent.person).collect();
        let (_, collected) = self.collect(here, Mode::Adopt, source, in_doubt).await?;
        let applier = self.applier(here, collected.result);
        self.world.progress.phase(Phase::Writing, None);
        let mut after = None;
        loop {
            let page = self.store.changes(here.run, ChangeState::Ready, after, PAGE).await?;
            let Some(last) = page.last().map(|change| change.id) else { break };
            after = Some(last);
            let creates = page.into_iter().filter(|change| change.kind == ChangeKind::Create);
            let at_once = self.settings.limits.connections.max(1);
            let mut work =
                stream::iter(creates.map(|change| applier.adopted(change))).buffer_unordered(at_once);
            let mut links = Vec::new();
            while let Some(link) = work.next().await {
                links.extend(link?);
            }
            drop(work);
            if !dry && !links.is_empty() {
                self.store.write_links(here.partnership.id, links).await?;
            }
            if applier.halted() {
                break;
            }
        }
        // This plan was for looking only.
        let all = ChangeSelection::default();
        self.store.move_changes(here.run, ChangeState::Ready, ChangeState::Dropped, &all).await?;
        let (result, halted) = applier.into_result();
        let (state, result) = conclude(result, halted.into(), self.world.asked_to_stop());
        Ok(if dry && state != RunState::Failed { (RunState::Planned, result) } else { (state, result) })
    }
}

impl Applier<'_> {
    /// What the ledger is to learn of a student whose number may be in the ILS already.
    async fn adopted(&self, change: Change) -> Result<Option<LinkWrite>, EngineError> {
        let wanted = spool::decode(&change.spool)?;
        // A number that is yet to be drawn is nobody's.
        let Number::Given(number) = &wanted.number else { return Ok(None) };
        let patron = match self.find(FindKey::Barcode(number.clone())).await? {
            Lookup::NotFound => return Ok(None),
            Lookup::Found(patron) => patron,
            Lookup::Unknown(error) => {
                let mut result = self.result();
                result.failed += 1;
                result.note("not_done", &error.message, &Place::default());
                result.shift(&change.school.1, Fate::Change(change.kind), Fate::Pending, 1);
                return Ok(None);
            }
            Lookup::Many => return Ok(Some(self.asked(&change, Review::SeveralPatrons))),
            Lookup::NotVisible => return Ok(Some(self.asked(&change, Review::NotVisible))),
        };
        if judge(FindBy::Barcode, &wanted.values, &patron.values) != Verdict::Same {
            return Ok(Some(self.asked(&change, Review::NumberTaken)));
        }
        self.result().shift(&change.school.1, Fate::Change(change.kind), Fate::Change(ChangeKind::Link), 1);
        Ok(Some(LinkWrite {
            person: change.person,
            data: self.adopted_data(&change, &wanted, &patron, number),
        }))
    }

    fn asked(&self, change: &Change, review: Review) -> LinkWrite {
        let reason = Reason::Review(review);
        let mut result = self.result();
        result.note(reason.code(), &reason.to_string(), &Place::default());
        result.shift(&change.school.1, Fate::Change(change.kind), Fate::Review, 1);
        let data = crate::collect::without_card(
            LinkState::Review,
            change.decided,
            Some(reason.code()),
            change.school.clone(),
        );
        LinkWrite { person: change.person, data }
    }

    fn adopted_data(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        patron: &Patron,
        number: &rostercard_core::privacy::Personal,
    ) -> LinkData {
        let key = self.store.digest_key();
        let values = &patron.values;
        let fields = &self.settings.rules.fields;
        let differs = compare(&wanted.values, values, &FieldDigests::default(), fields, self.directory, key);
        for field in differs.write.fields.iter().chain(differs.staff_won.iter()) {
            let message =
                format!("the {field} of cards that are there is not what a sync would write; it stays");
            self.result().note(&format!("differs_{field}"), &message, &Place::default());
        }
        LinkData {
            state: LinkState::Adopted,
            // As decided: what differs today stays, and what changes from now on is written.
            decided: change.decided,
            reason: None,
            school: change.school.clone(),
            grade: wanted.grade.map(rostercard_core::grade::Grade::code),
            model: Some(wanted.model),
            category: values.category.clone(),
            branch: values.home_branch.clone(),
            expiry: values.expiry.or(wanted.values.expiry),
            digests: self.adopted_digests(wanted, patron),
            source_ids: wanted.source_ids.clone(),
            patron_id: Some(patron.id.clone()),
            barcode: Some(number.clone()),
            user_name: values.user_name.clone(),
        }
    }

    /// The wishes count as sent and what is there as seen: neither is news tomorrow.
    fn adopted_digests(&self, wanted: &WantedPatron, patron: &Patron) -> FieldDigests {
        let key = self.store.digest_key();
        let seen = seen(&patron.values, self.directory.returns(), key);
        rostercard_core::threeway::digests_after(
            &seen,
            &wanted.values,
            None,
            rostercard_core::field::FieldSet::EMPTY,
            key,
        )
    }
}
