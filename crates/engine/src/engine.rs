//! One run from end to end, and a person's decisions about it.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashSet;
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use rostercard_core::digest::{Digest, DigestKind};
use rostercard_core::finding::Place;
use rostercard_core::guard::{GuardAction, GuardName, Verdict};
use rostercard_core::plan::{ChangeState, RunState};
use rostercard_core::ports::{
    Completeness, ConnectorError, Cursor, PatronDirectory, Resume, RosterFacts, RosterSource,
};
use rostercard_core::spool::SpoolError;
use rostercard_store::rows::{
    ChangeCount, ChangeSelection, LinkIndex, Missing, NewRun, Partnership, PlanDecision, PlanHead, Run,
    RunId, RunResult,
};
use rostercard_store::{Store, StoreError};

use crate::apply::Applier;
use crate::collect::{Collected, Collector, Mode};
use crate::handed_over;
use crate::keep::Keep;
use crate::pauses::Pauses;
use crate::settings::PartnershipSettings;
use crate::tally::{Fate, Tally};
use crate::world::{Phase, World};

/// Why a run ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The roster could not be read. Nothing was withdrawn, and nothing further was written.
    #[error("the roster could not be read: {0}")]
    Source(ConnectorError),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A spooled patron cannot be read.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A decision about a plan cannot be taken.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The partnership's cards are in another ILS than the configuration names.
    #[error(
        "partnership {name} has its cards in the ILS with id `{stored}`, and is now configured for `{configured}`"
    )]
    OtherIls {
        /// The partnership.
        name: String,
        /// The ILS that the ledger knows.
        stored: String,
        /// The ILS of the configuration.
        configured: String,
    },
    /// Somebody paused the partnership, its ILS, or everything.
    #[error("partnership {name} is paused until {until}: {reason}")]
    Paused {
        /// The partnership.
        name: String,
        /// The library's date and time at which the pause ends.
        until: String,
        /// Why, in the words of who paused it.
        reason: String,
    },
    /// The agreement has not begun, or it has ended.
    #[error("partnership {name} stands still: {why}")]
    Frozen {
        /// The partnership.
        name: String,
        /// Why, with the day.
        why: String,
    },
    /// This should not be possible.
    #[error("this should not be possible, and is a fault of Rostercard's: {0}")]
    Internal(&'static str),
}

/// Why a decision about a plan cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// The run is another partnership's.
    #[error("run {0} belongs to another partnership")]
    OtherPartnership(RunId),
    /// Nothing of the run waits.
    #[error("nothing of run {run} waits for approval: {why}")]
    NothingWaits {
        /// The run.
        run: RunId,
        /// Why: done, discarded, superseded by a newer one.
        why: String,
    },
    /// The plan has waited too long.
    #[error(
        "the plan of run {run} was good until {until}; make a new one with `rostercard plan` or `rostercard sync`"
    )]
    Expired {
        /// The run.
        run: RunId,
        /// Until when.
        until: Timestamp,
    },
    /// A review cannot be answered so.
    #[error("{why}")]
    Review {
        /// Why.
        why: String,
    },
    /// No card can get a new PIN.
    #[error("no card can get a new PIN: {why}")]
    NoNewPins {
        /// Why.
        why: String,
    },
    /// A card cannot get a new PIN.
    #[error("the {position}. student id that was given: {why}. No card got a new PIN")]
    NoNewPin {
        /// Which of the ids that were given, from 1.
        position: usize,
        /// Why.
        why: String,
    },
    /// The plan is not the one that was looked at.
    #[error("the plan of run {run} has digest {found}, not {asked}: look at it again")]
    OtherDigest {
        /// The run.
        run: RunId,
        /// Its digest.
        found: String,
        /// The digest that the approval names.
        asked: String,
    },
}

impl EngineError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Source(error) => error.hint.clone(),
            Self::Store(error) => error.hint().to_owned(),
            Self::OtherIls { stored, .. } => format!(
                "an ILS's `id` is permanent: write id = \"{stored}\" again if it is the same ILS; if the library has moved to \
                 another one, `rostercard ils migrate` carries the cards over"
            ),
            Self::Paused { .. } => {
                "nothing was read and nothing written; `rostercard resume` ends a pause before its time"
                    .to_owned()
            }
            Self::Frozen { .. } => {
                "nothing was read and nothing written, and cards stay as they are; see [agreement] in the \
                                    partnership's file"
                    .to_owned()
            }
            Self::Selection(SelectionError::NothingWaits { .. }) => {
                "`rostercard runs` lists what waits".to_owned()
            }
            Self::Selection(SelectionError::Review { .. }) => {
                "`rostercard review list` shows the open reviews and what each takes".to_owned()
            }
            Self::Selection(SelectionError::NoNewPins { .. }) => {
                "PINs can be changed in the ILS itself, by staff".to_owned()
            }
            Self::Selection(SelectionError::NoNewPin { .. }) => {
                "`rostercard explain` says how a student stands; leave that id out, and start again"
                    .to_owned()
            }
            Self::Selection(_) => "`rostercard runs` lists the runs of a partnership".to_owned(),
            Self::Spool(_) | Self::Internal(_) => {
                "make a new plan; if it happens again, report it".to_owned()
            }
        }
    }
}

/// What came of a run, for people and scripts.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The partnership's name.
    pub partnership: String,
    /// The run, as the store keeps it.
    pub run: Run,
}

/// Runs one partnership.
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) directory: Arc<dyn PatronDirectory>,
    pub(crate) settings: PartnershipSettings,
    pub(crate) world: World,
    pub(crate) keep: Keep,
    /// From when on no change is begun in this run.
    pub(crate) until: Option<Timestamp>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({})", self.settings.name)
    }
}

/// What every step of a run needs to know of it.
pub(crate) struct Here {
    pub(crate) partnership: Partnership,
    pub(crate) run: RunId,
    pub(crate) now: Timestamp,
    pub(crate) day: Date,
}

impl Engine {
    /// An engine for a partnership.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        directory: Arc<dyn PatronDirectory>,
        settings: PartnershipSettings,
        world: World,
    ) -> Self {
        Self { store, directory, settings, world, keep: Keep::default(), until: None }
    }

    /// The same, beginning no change from a moment on: the hours of the ILS are over then. What is left over stays ready where a
    /// person let it through, and the next run goes on with it; the run is [`RunState::Unfinished`].
    #[must_use]
    pub fn until(self, until: Option<Timestamp>) -> Self {
        Self { until, ..self }
    }

    /// What a sync would do. Writes nothing to the ILS and asks it nothing; the plan waits in the store for `approve`.
    ///
    /// # Errors
    /// The roster or the store cannot be read.
    pub async fn plan(&self, source: &mut dyn RosterSource) -> Result<RunReport, EngineError> {
        let here = self.begin("plan").await?;
        let outcome = self.plan_within(&here, source).await;
        self.end(&here, outcome).await
    }

    async fn plan_within(
        &self,
        here: &Here,
        source: &mut dyn RosterSource,
    ) -> Result<(RunState, RunResult), EngineError> {
        let in_doubt =
            self.store.open_intents(here.partnership.id).await?.into_iter().map(|i| i.person).collect();
        let (facts, mut collected) = self.collect(here, Mode::Plan, source, in_doubt).await?;
        if collected.nothing_new() {
            return Ok((RunState::Done, collected.result));
        }
        let verdict = self.guard(here, &facts, &collected).await?;
        self.note_absences(here, is_new_roster(here, &facts), &mut collected, &verdict).await?;
        let head = self.head(here, &facts, &collected);
        let mut result = collected.result;
        result.waiting_for = verdict.waiting_for;
        result.warnings = verdict.warnings;
        result.memory = verdict.memory;
        self.store.write_plan(here.run, head).await?;
        let all = ChangeSelection::default();
        self.store.move_changes(here.run, ChangeState::Ready, ChangeState::Waiting, &all).await?;
        Ok((RunState::Planned, result))
    }

    /// One run: settle what is open, read the roster, decide, guard, write what need not wait.
    ///
    /// # Errors
    /// The roster or the store cannot be read. An ILS that cannot be asked is a run that failed, not an error: what
    /// was done before is done, and the report says so.
    pub async fn sync(&self, source: &mut dyn RosterSource) -> Result<RunReport, EngineError> {
        self.refuse_while_paused().await?;
        let here = self.begin("sync").await?;
        let outcome = self.sync_within(&here, source).await;
        self.end(&here, outcome).await
    }

    async fn sync_within(
        &self,
        here: &Here,
        source: &mut dyn RosterSource,
    ) -> Result<(RunState, RunResult), EngineError> {
        let (before, in_doubt) = match self.settle_and_resume(here).await? {
            Resumed::Through(before, in_doubt) => (*before, in_doubt),
            // A newer plan would take the place of what a person let through, and would wait for them once more.
            Resumed::CutShort(state, result) => return Ok((state, *result)),
        };
        // What was gone on with may have let the partnership through.
        let here = &Here { partnership: self.partnership().await?, ..*here };
        let before = self.look_for_handed_over(here, before).await?;
        let handed_over = handed_over::findings(&before);
        // Whatever comes of the roster: what was handed out long ago is not kept.
        let keep = Span::new().hours(i64::from(self.settings.pins.forget_days) * 24);
        if let Ok(long_ago) = here.now.checked_sub(keep) {
            self.store.forget_pins(here.partnership.id, long_ago).await?;
        }
        self.let_go(here).await?;
        let (facts, mut collected) = self.collect(here, Mode::Sync, source, in_doubt).await?;
        if collected.nothing_new() {
            collected.result.lookups += before.lookups;
            collected.result.writes += before.writes;
            collected.result.unsettled = self.store.open_intents(here.partnership.id).await?.len() as u64;
            collected.result.memory = self.memory(here).await?;
            return Ok(self.conclude(collected.result, Ending::Through));
        }
        collected.result.findings.extend(handed_over);
        let verdict = self.guard(here, &facts, &collected).await?;
        self.note_absences(here, is_new_roster(here, &facts), &mut collected, &verdict).await?;
        let head = self.head(here, &facts, &collected);
        self.store.write_plan(here.run, head.clone()).await?;
        let waits = self.make_wait(here, &verdict).await?;

        let mut result = std::mem::take(&mut collected.result);
        for count in &waits {
            result.shift(&count.school.1, Fate::Change(count.kind), Fate::Waiting, count.count);
        }
        result.waiting_for = verdict.waiting_for.clone();
        result.warnings = verdict.warnings.clone();
        result.memory = verdict.memory.clone();
        result.lookups += before.lookups;
        result.writes += before.writes;
        if !verdict.whole {
            let unasked = self.settings.guards.first_connection != GuardAction::Wait;
            let first = self.looks_at_first(here, &self.store.change_counts(here.run).await?);
            let through = here.partnership.let_through || (unasked && !first);
            self.store.write_taken(here.partnership.id, &head, through).await?;
        }
        // After the roster was taken: killed in between, it counts once too few for those who are missing, never twice.
        self.keep_absence(here, &facts, &collected, &verdict).await?;
        let (result, ending) = self.apply(here, result).await?;
        Ok(self.conclude(result, ending))
    }

    /// Lets changes of a plan through, and makes them: from the spool, each after a look-up. `digest`, where given, must
    /// be the plan's.
    ///
    /// # Errors
    /// Nothing of the plan waits, or it has expired or been superseded, or the store cannot be read.
    pub async fn approve(
        &self,
        run: RunId,
        selection: ChangeSelection,
        who: &str,
        digest: Option<&str>,
    ) -> Result<RunReport, EngineError> {
        self.refuse_while_paused().await?;
        let mut here = self.waiting_run(run, digest).await?;
        let found = self.store.run(run).await?;
        if found.result.waiting_for.iter().any(|what| what.guard == GuardName::FirstCards.word()) {
            // Who has seen how the first cards are needs no second look.
            here.partnership.let_through = true;
        }
        if roster_alone_waits(&found) {
            return self.accept_roster(&here, found, selection, who).await;
        }
        let mut result = found.result;
        // A plan's counts are of what would be done: all of it has waited until now.
        if found.state == RunState::Planned {
            for count in waiting(&self.store.change_counts(run).await?) {
                result.shift(&count.school.1, Fate::Change(count.kind), Fate::Waiting, count.count);
            }
        }
        let before = self.store.change_counts(run).await?;
        let selection = named(run, selection, &before)?;
        ready_again(found.state, &before, &mut result);
        if !waiting(&before).any(|count| is_meant(&selection, count)) {
            let why = "the school or kind that was named has no waiting change".to_owned();
            return Err(SelectionError::NothingWaits { run, why }.into());
        }
        // The word before the deed: cut short between the two, what was let through is gone on with, or still waits.
        let decision = PlanDecision {
            who: who.to_owned(),
            at: here.now,
            what: "approve".to_owned(),
            selection: selection.clone(),
        };
        self.store.write_decision(run, decision).await?;
        self.store.move_changes(run, ChangeState::Waiting, ChangeState::Ready, &selection).await?;
        let after = self.store.change_counts(run).await?;
        for count in waiting(&before) {
            let still = waiting(&after).find(|c| c.school == count.school && c.kind == count.kind);
            let through = count.count - still.map_or(0, |c| c.count);
            result.shift(&count.school.1, Fate::Waiting, Fate::Change(count.kind), through);
        }
        let nothing_waits = waiting(&after).next().is_none();
        if nothing_waits {
            result.waiting_for.clear();
            result.memory.accept();
        }
        if let Some(head) = &found.plan {
            // Also of what was let through in part the roster counts: an older one would undo it.
            let first = self.looks_at_first(&here, &after);
            self.store.write_taken(here.partnership.id, head, nothing_waits && !first).await?;
        }
        self.store.write_run(run, RunState::Running, &result, None).await?;
        let outcome = async {
            let (settled, _) = self.settle(&here, RunResult::default()).await?;
            result.lookups += settled.lookups;
            result.writes += settled.writes;
            let (result, ending) = self.apply(&here, result).await?;
            Ok(self.conclude(result, ending))
        }
        .await;
        self.end(&here, outcome).await
    }

    /// Lets the source go of what a run's roster was read from (archives a drop folder's file), if the run's plan is
    /// settled: everything of it was done, or dropped by a person. What came of it is noted in the run. Does nothing, and says
    /// nothing, for a source that has nothing to let go of. Killed before or in the middle of it, the next run reads the same
    /// roster once more, finds nothing to do, and lets it go.
    ///
    /// # Errors
    /// The store cannot be read. A source that cannot let go is a finding: the cards are made.
    pub async fn release_settled(
        &self,
        report: RunReport,
        source: &mut dyn RosterSource,
    ) -> Result<RunReport, EngineError> {
        let RunReport { partnership, run } = report;
        let cursor = run.plan.as_ref().and_then(|plan| plan.cursor.clone());
        let over = matches!(run.state, RunState::Done | RunState::DoneWithRejects);
        let (Some(cursor), true, None) = (cursor, over, run.superseded_by) else {
            return Ok(RunReport { partnership, run });
        };
        let open =
            |c: &ChangeCount| matches!(c.state, ChangeState::Ready | ChangeState::Waiting) && c.count > 0;
        if self.store.change_counts(run.id).await?.iter().any(open) {
            return Ok(RunReport { partnership, run });
        }
        let mut result = run.result.clone();
        // A write in doubt stands for a person for whom nothing was decided: a stream of changes would not name them again.
        if !result.findings.contains_key("write_unsettled") {
            let whole = result.stream.as_deref() == Some(Completeness::Snapshot.word());
            let full_at = whole.then_some(run.started_at);
            self.store.write_cursor(run.partnership, Some(&cursor), full_at).await?;
        }
        let dropped = self.store.decisions(run.id).await?.iter().any(|decision| decision.what == "discard");
        if result.counts.pending > 0 && !dropped {
            let message = "the roster's file stays: for some of its people nothing could be done yet";
            result.note("roster_kept", message, &Place::default());
        } else {
            match source.release(&Cursor(cursor)).await {
                Ok(findings) => {
                    for finding in &findings {
                        result.note(finding.code, &finding.message, &finding.place);
                    }
                }
                Err(error) => {
                    tracing::warn!(partnership = %partnership, run = %run.id, error = %error, "The roster's file could not be let go.");
                    let message = format!("the roster's file could not be put away: {error}; {}", error.hint);
                    result.note("roster_not_released", &message, &Place::default());
                }
            }
        }
        if result != run.result {
            self.store.write_run(run.id, run.state, &result, None).await?;
        }
        Ok(RunReport { partnership, run: Run { result, ..run } })
    }

    /// Accepts where and of when a roster is, where that alone waits and nothing would change.
    async fn accept_roster(
        &self,
        here: &Here,
        found: Run,
        selection: ChangeSelection,
        who: &str,
    ) -> Result<RunReport, EngineError> {
        let decision =
            PlanDecision { who: who.to_owned(), at: here.now, what: "approve".to_owned(), selection };
        self.store.write_decision(here.run, decision).await?;
        if let Some(head) = &found.plan {
            self.store.write_taken(here.partnership.id, head, true).await?;
        }
        let mut result = found.result;
        result.waiting_for.clear();
        result.memory.accept();
        let outcome = conclude(result, Ending::Through, false);
        self.end(here, Ok(outcome)).await
    }

    /// Drops changes of a plan that wait. Nothing was written of them, and nothing will be.
    ///
    /// # Errors
    /// Nothing of the plan waits, or the store cannot be read.
    pub async fn discard(
        &self,
        run: RunId,
        selection: ChangeSelection,
        who: &str,
    ) -> Result<RunReport, EngineError> {
        let here = self.waiting_run(run, None).await?;
        let before = self.store.change_counts(run).await?;
        let selection = named(run, selection, &before)?;
        let moved =
            self.store.move_changes(run, ChangeState::Waiting, ChangeState::Dropped, &selection).await?;
        if moved == 0 {
            let why = "the school or kind that was named has no waiting change".to_owned();
            return Err(SelectionError::NothingWaits { run, why }.into());
        }
        let decision =
            PlanDecision { who: who.to_owned(), at: here.now, what: "discard".to_owned(), selection };
        self.store.write_decision(run, decision).await?;
        let found = self.store.run(run).await?;
        let mut result = found.result;
        let after = self.store.change_counts(run).await?;
        for count in waiting(&before) {
            let still = waiting(&after).find(|c| c.school == count.school && c.kind == count.kind);
            let gone = count.count - still.map_or(0, |c| c.count);
            let from =
                if found.state == RunState::Planned { Fate::Change(count.kind) } else { Fate::Waiting };
            result.shift(&count.school.1, from, Fate::Pending, gone);
        }
        if waiting(&after).next().is_none() {
            result.waiting_for.clear();
        }
        let (state, result) = conclude(result, Ending::Through, false);
        self.end(&here, Ok((state, result))).await
    }

    // ---- the steps ----

    /// The partnership's row; refused where its cards are in another ILS.
    pub(crate) async fn partnership(&self) -> Result<Partnership, EngineError> {
        let settings = &self.settings;
        let partnership =
            self.store.partnership(&settings.permanent_id, &settings.ils, &settings.name).await?;
        if partnership.ils == settings.ils {
            return Ok(partnership);
        }
        Err(EngineError::OtherIls {
            name: settings.name.clone(),
            stored: partnership.ils,
            configured: settings.ils.clone(),
        })
    }

    pub(crate) async fn pauses(&self) -> Result<Pauses, EngineError> {
        let settings = &self.settings;
        let all = self.store.pauses().await?;
        Ok(Pauses::of(all, &settings.permanent_id, &settings.ils, &settings.timezone))
    }

    pub(crate) async fn refuse_while_paused(&self) -> Result<(), EngineError> {
        self.refuse_outside_agreement()?;
        let pauses = self.pauses().await?;
        let Some(pause) = pauses.on(self.world.clock.now()) else { return Ok(()) };
        Err(EngineError::Paused {
            name: self.settings.name.clone(),
            until: self.settings.timezone.to_datetime(pause.end()).strftime("%Y-%m-%d %H:%M").to_string(),
            reason: pause.asked.reason.clone(),
        })
    }

    /// Why the partnership was paused, where no run was done since.
    pub(crate) async fn after_pause(
        &self,
        here: &Here,
        pauses: &Pauses,
    ) -> Result<Option<String>, EngineError> {
        if pauses.ended_since(Some(Timestamp::MIN), here.now).is_none() {
            return Ok(None);
        }
        let runs = self.store.runs(Some(here.partnership.id), 200).await?;
        // New PINs, and a drop folder without a file, are no run of which anybody could say that it went well.
        let done = |run: &&Run| {
            run.plan.is_some() && matches!(run.state, RunState::Done | RunState::DoneWithRejects)
        };
        let last = runs.iter().find(done).map(|run| run.started_at);
        Ok(pauses.ended_since(last, here.now).map(str::to_owned))
    }

    pub(crate) async fn begin(&self, kind: &str) -> Result<Here, EngineError> {
        let partnership = self.partnership().await?;
        let now = self.world.clock.now();
        let run = self
            .store
            .begin_run(NewRun { partnership: partnership.id, kind: kind.to_owned(), started_at: now })
            .await?;
        Ok(Here { partnership, run, now, day: self.day(now) })
    }

    pub(crate) fn day(&self, now: Timestamp) -> Date {
        self.settings.timezone.to_datetime(now).date()
    }

    pub(crate) async fn end(
        &self,
        here: &Here,
        outcome: Result<(RunState, RunResult), EngineError>,
    ) -> Result<RunReport, EngineError> {
        let now = self.world.clock.now();
        match outcome {
            Ok((state, result)) => {
                self.store.write_run(here.run, state, &result, Some(now)).await?;
                let run = self.store.run(here.run).await?;
                tracing::info!(
                    partnership = %self.settings.name, run = %run.id, state = %state,
                    students = result.counts.students, writes = result.writes, lookups = result.lookups,
                    "The run has ended."
                );
                Ok(RunReport { partnership: self.settings.name.clone(), run })
            }
            Err(error) => {
                let result = RunResult {
                    error: Some(error.to_string()),
                    hint: Some(error.hint()),
                    ..self.store.run(here.run).await.map(|run| run.result).unwrap_or_default()
                };
                // The first error is the one to tell of; a store that cannot note it says so in the log.
                if let Err(second) =
                    self.store.write_run(here.run, RunState::Failed, &result, Some(now)).await
                {
                    tracing::error!(error = %second, run = %here.run, "The failed run could not be noted.");
                }
                Err(error)
            }
        }
    }

    /// The state of a run that has come to its end.
    pub(crate) fn conclude(&self, result: RunResult, ending: Ending) -> (RunState, RunResult) {
        conclude(result, ending, self.world.asked_to_stop())
    }

    pub(crate) fn applier<'a>(&'a self, here: &Here, result: RunResult) -> Applier<'a> {
        Applier::new(
            &*self.store,
            &*self.directory,
            &self.settings,
            (here.partnership.id, here.run),
            &self.world,
            result,
        )
        .until(self.until)
    }

    /// Settles open intents.
    async fn settle(
        &self,
        here: &Here,
        result: RunResult,
    ) -> Result<(RunResult, HashSet<Digest>), EngineError> {
        let applier = self.applier(here, result);
        let in_doubt = applier.settle_open().await?;
        Ok((applier.into_result().0, in_doubt))
    }

    /// Settles what earlier runs left open, then goes on with plans that a person let through and that were cut short.
    async fn settle_and_resume(&self, here: &Here) -> Result<Resumed, EngineError> {
        let (mut used, mut in_doubt) = self.settle(here, RunResult::default()).await?;
        for run in self.store.runs(Some(here.partnership.id), 50).await?.into_iter().rev() {
            let approved = run.id != here.run
                && run.plan.as_ref().is_some_and(|plan| here.now < plan.expires_at)
                && self.store.decisions(run.id).await?.iter().any(|d| d.what == "approve");
            if !approved {
                continue;
            }
            let counts = self.store.change_counts(run.id).await?;
            if ready(&counts) == 0 {
                continue;
            }
            self.world
                .progress
                .say(&format!("run {} was let through and cut short: going on with it", run.id));
            let there = Here { partnership: here.partnership.clone(), run: run.id, ..*here };
            let mut result = run.result;
            ready_again(run.state, &counts, &mut result);
            self.store.write_run(run.id, RunState::Running, &result, None).await?;
            let (lookups, writes) = (result.lookups, result.writes);
            let (result, ending) = self.apply(&there, result).await?;
            used.lookups += result.lookups - lookups;
            used.writes += result.writes - writes;
            let cut_short = !matches!(ending, Ending::Through);
            let (state, result) = self.conclude(result, ending);
            self.store.write_run(run.id, state, &result, Some(self.world.clock.now())).await?;
            let left = ready(&self.store.change_counts(run.id).await?);
            // Cut short as a whole, and not only for some, who are planned anew with what the roster says by now.
            if left > 0 && (cut_short || self.world.asked_to_stop()) {
                let message =
                    format!("run {}, which was let through, goes on: {left} of its changes are left", run.id);
                used.note("goes_on", &message, &Place::default());
                (used.error, used.hint) = (result.error, result.hint);
                return Ok(Resumed::CutShort(state, Box::new(used)));
            }
            in_doubt =
                self.store.open_intents(here.partnership.id).await?.into_iter().map(|i| i.person).collect();
        }
        Ok(Resumed::Through(Box::new(used), in_doubt))
    }

    pub(crate) async fn collect(
        &self,
        here: &Here,
        mode: Mode,
        source: &mut dyn RosterSource,
        in_doubt: HashSet<Digest>,
    ) -> Result<(RosterFacts, Collected), EngineError> {
        self.world.progress.phase(Phase::Reading, None);
        let pauses = self.pauses().await?;
        source.resume(self.resume_from(here));
        let facts = source.facts().await.map_err(EngineError::Source)?;
        let collector = Collector {
            store: &*self.store,
            settings: &self.settings,
            partnership: &here.partnership,
            run: here.run,
            mode,
            day: here.day,
            new_roster: is_new_roster(here, &facts),
            in_doubt,
            pauses: &pauses,
            state: facts.state,
            progress: &*self.world.progress,
        };
        let mut collected = collector.collect(source).await?;
        for finding in &facts.findings {
            collected.result.note(finding.code, &finding.message, &finding.place);
        }
        collected.result.stream = Some(collected.completeness.word().to_owned());
        Ok((facts, collected))
    }

    /// Where the source goes on from, and whether everything has to be read.
    fn resume_from(&self, here: &Here) -> Resume {
        let partnership = &here.partnership;
        let cursor = partnership.cursor.clone().map(Cursor);
        let every = if self.settings.rules.change_by_the_day() { 1 } else { self.settings.full_every };
        let due =
            |full_at: Timestamp| here.now.duration_since(full_at).as_hours() >= i64::from(every) * 24 - 2;
        let full = if cursor.is_none() {
            None
        } else if partnership.rules.is_some_and(|rules| rules != self.rules_digest()) {
            Some("the card rules were changed".to_owned())
        } else if partnership.full_at.is_none_or(due) {
            Some(format!("it is read in full every {every} days"))
        } else {
            None
        };
        Resume { cursor, full }
    }

    pub(crate) fn rules_digest(&self) -> Digest {
        self.store
            .digest_key()
            .digest(DigestKind::Decided, &[b"rules", self.settings.rules.written().as_bytes()])
    }

    fn head(&self, here: &Here, facts: &RosterFacts, collected: &Collected) -> PlanHead {
        let days = Span::new().hours(i64::from(self.settings.wait_days) * 24);
        PlanHead {
            digest: collected.digest.0.iter().map(|byte| format!("{byte:02x}")).collect(),
            as_of: facts.as_of,
            rules: self.rules_digest(),
            endpoint: facts.endpoint.clone(),
            day: here.day,
            expires_at: here.now.saturating_add(days).unwrap_or(here.now),
            cursor: collected.cursor.as_ref().map(|cursor| cursor.0.clone()),
        }
    }

    /// Puts what waits aside; how much of what.
    async fn make_wait(&self, here: &Here, verdict: &Verdict) -> Result<Vec<ChangeCount>, EngineError> {
        let counts = self.store.change_counts(here.run).await?;
        let waits: Vec<ChangeCount> = counts
            .into_iter()
            .filter(|c| c.state == ChangeState::Ready && verdict.waits(c.kind, &c.school.0))
            .collect();
        for count in &waits {
            let selection =
                ChangeSelection { school: Some(count.school.0.clone()), kind: Some(count.kind), ids: None };
            self.store.move_changes(here.run, ChangeState::Ready, ChangeState::Waiting, &selection).await?;
        }
        Ok(waits)
    }

    /// Keeps who is missing, by a roster that is whole and not in doubt; and who is there again.
    async fn keep_absence(
        &self,
        here: &Here,
        facts: &RosterFacts,
        collected: &Collected,
        verdict: &Verdict,
    ) -> Result<(), EngineError> {
        let mut writes = collected.back.clone();
        let new_roster = is_new_roster(here, facts);
        // Outside a school year nobody is missing from a school.
        let counts = new_roster && self.settings.dates.calendar.in_term(here.day);
        if collected.completeness != Completeness::Incomplete && counts && !verdict.whole {
            let school = |row: &LinkIndex| {
                collected.stored_schools.get(&row.school).map_or("", |(key, _)| key.as_str())
            };
            writes.extend(
                collected
                    .people
                    .unseen()
                    .filter(|row| row.state.is_live() && collected.is_missing(row))
                    .filter(|row| verdict.absence_counts(school(row)))
                    .map(|row| Missing {
                        link: row.link,
                        since: Some(row.missing_since.unwrap_or(here.day)),
                        feeds: row.feeds_missed.saturating_add(1),
                    }),
            );
        }
        if !writes.is_empty() {
            self.store.write_missing(writes).await?;
        }
        Ok(())
    }

    /// Makes every ready change of a run, then settles what had no answer.
    pub(crate) async fn apply(
        &self,
        here: &Here,
        result: RunResult,
    ) -> Result<(RunResult, Ending), EngineError> {
        let counts = self.store.change_counts(here.run).await?;
        let ready = ready(&counts);
        if ready == 0 {
            // An earlier run's writes may have lost their answers once more: then this run is not done either.
            let unsettled = self.store.open_intents(here.partnership.id).await?.len() as u64;
            return Ok((RunResult { unsettled, ..result }, Ending::Through));
        }
        self.world.progress.phase(Phase::Writing, Some(ready));
        let first = self.looks_at_first(here, &counts);
        let applier = self.applier(here, result);
        let question = if first { applier.make_first().await? } else { None };
        let waits = question.as_ref().filter(|_| self.settings.guards.first_cards == GuardAction::Wait);
        if waits.is_none() {
            applier.apply().await?;
        }
        if !applier.halted() {
            applier.settle_open().await?;
        }
        let over = applier.hours_over();
        let (mut result, halted) = applier.into_result();
        match question {
            Some(question) if self.settings.guards.first_cards == GuardAction::Wait => {
                self.wait_for_first(here, &mut result, question).await?;
            }
            Some(question) => result.warnings.push(question),
            None => {}
        }
        if first {
            self.first_are_well(here, &result).await?;
        }
        result.unsettled = self.store.open_intents(here.partnership.id).await?.len() as u64;
        // What was not begun, or has no known end yet, is for the next run.
        let mut left = 0;
        for count in self.store.change_counts(here.run).await? {
            if count.state == ChangeState::Ready {
                left += count.count;
                result.shift(&count.school.1, Fate::Change(count.kind), Fate::Pending, count.count);
            }
        }
        let ending = match halted {
            Some(error) => Ending::Halted(error),
            None if over && left > 0 => Ending::HoursOver,
            None => Ending::Through,
        };
        Ok((result, ending))
    }

    /// A run of this partnership of which something waits.
    async fn waiting_run(&self, run: RunId, digest: Option<&str>) -> Result<Here, EngineError> {
        let partnership = self.partnership().await?;
        let found = self.store.run(run).await?;
        if found.partnership != partnership.id {
            return Err(SelectionError::OtherPartnership(run).into());
        }
        let now = self.world.clock.now();
        let counts = self.store.change_counts(run).await?;
        let newer = self.store.runs(Some(partnership.id), 1).await?.first().map(|newest| newest.id);
        let roster_alone = newer == Some(run) && roster_alone_waits(&found);
        if waiting(&counts).next().is_none() && !roster_alone {
            let why = match newer {
                Some(newer) if newer != run => {
                    format!("it was done, discarded, or superseded by run {newer}")
                }
                _ => "it was done or discarded".to_owned(),
            };
            return Err(SelectionError::NothingWaits { run, why }.into());
        }
        if let Some(plan) = &found.plan {
            if now >= plan.expires_at {
                return Err(SelectionError::Expired { run, until: plan.expires_at }.into());
            }
            if let Some(asked) = digest
                && asked != plan.digest
            {
                let (found, asked) = (plan.digest.clone(), asked.to_owned());
                return Err(SelectionError::OtherDigest { run, found, asked }.into());
            }
        }
        Ok(Here { partnership, run, now, day: self.day(now) })
    }
}

/// How the making of changes came to its end.
pub(crate) enum Ending {
    /// Nothing is left that could be made.
    Through,
    /// The ILS cannot be asked any further.
    Halted(ConnectorError),
    /// The ILS's hours are over, and changes are left.
    HoursOver,
}

impl From<Option<ConnectorError>> for Ending {
    fn from(halted: Option<ConnectorError>) -> Self {
        halted.map_or(Self::Through, Self::Halted)
    }
}

/// What came of plans that a person had let through and that were cut short.
enum Resumed {
    /// They are made, as far as they can be: what was used for it, and whose writes are in doubt still.
    Through(Box<RunResult>, HashSet<Digest>),
    /// One was cut short once more: how this run ends.
    CutShort(RunState, Box<RunResult>),
}

/// What an earlier piece of work at a plan has left ready is about to be made, and is counted by its kind again.
fn ready_again(state: RunState, counts: &[ChangeCount], result: &mut RunResult) {
    if matches!(state, RunState::Running | RunState::Planned) {
        return;
    }
    for count in counts.iter().filter(|count| count.state == ChangeState::Ready) {
        result.shift(&count.school.1, Fate::Pending, Fate::Change(count.kind), count.count);
    }
    result.failed = counts.iter().filter(|c| c.state == ChangeState::Failed).map(|c| c.count).sum();
}

/// How many changes are ready to be made.
fn ready(counts: &[ChangeCount]) -> u64 {
    counts.iter().filter(|c| c.state == ChangeState::Ready).map(|c| c.count).sum()
}

fn waiting(counts: &[ChangeCount]) -> impl Iterator<Item = &ChangeCount> {
    counts.iter().filter(|c| c.state == ChangeState::Waiting && c.count > 0)
}

/// The school of a selection as the store knows it: by its code, its label, or its name alone, in small letters or capitals.
fn named(
    run: RunId,
    selection: ChangeSelection,
    counts: &[ChangeCount],
) -> Result<ChangeSelection, EngineError> {
    let Some(asked) = &selection.school else { return Ok(selection) };
    let there: BTreeSet<&(String, String)> = waiting(counts).map(|count| &count.school).collect();
    if there.iter().any(|(key, label)| key == asked || label == asked) {
        return Ok(selection);
    }
    let is_it = |(key, label): &&&(String, String)| {
        let name = label.strip_prefix(key.as_str()).unwrap_or(label).trim();
        [key, label, name].iter().any(|text| text.to_lowercase() == asked.trim().to_lowercase())
    };
    let found: Vec<_> = there.iter().filter(is_it).collect();
    if let [(key, _)] = found[..] {
        return Ok(ChangeSelection { school: Some(key.clone()), ..selection });
    }
    let mut names: Vec<&str> = there.iter().map(|(_, label)| label.as_str()).take(12).collect();
    if names.len() < there.len() {
        names.push("and others, which `rostercard show` lists");
    }
    let why = if found.is_empty() {
        format!("no school `{asked}` has a waiting change; these have: {}", names.join("; "))
    } else {
        format!("several schools are called `{asked}`: name one by its code, as `rostercard show` prints it")
    };
    Err(SelectionError::NothingWaits { run, why }.into())
}

/// Whether a selection may name changes like these.
fn is_meant(selection: &ChangeSelection, count: &ChangeCount) -> bool {
    selection.school.as_ref().is_none_or(|school| *school == count.school.0 || *school == count.school.1)
        && selection.kind.is_none_or(|kind| kind == count.kind)
}

/// Whether a roster is another one than the last that was taken, as far as it says when it is of.
fn is_new_roster(here: &Here, facts: &RosterFacts) -> bool {
    facts.as_of.is_none() || facts.as_of != here.partnership.as_of
}

/// Whether a guard, by its word, asks about how a roster is rather than about changes: a person can say yes to it though
/// nothing would change. People who are missing are changes of the ledger's; and nobody can say yes to an empty roster.
#[must_use]
pub fn is_about_the_roster(guard: &str) -> bool {
    const ABOUT_THE_ROSTER: [GuardName; 4] =
        [GuardName::EndpointChanged, GuardName::RosterOlder, GuardName::Rejects, GuardName::ConsentTurned];
    ABOUT_THE_ROSTER.iter().any(|about| about.word() == guard)
}

/// Whether a run waits for nothing but a yes to its roster.
fn roster_alone_waits(run: &Run) -> bool {
    let result = &run.result;
    run.state == RunState::Waiting
        && result.counts.waiting == 0
        && !result.waiting_for.is_empty()
        && result.waiting_for.iter().all(|what| is_about_the_roster(&what.guard))
}

/// The state of a run that has come to its end.
pub(crate) fn conclude(mut result: RunResult, ending: Ending, stopped: bool) -> (RunState, RunResult) {
    result.error = None;
    result.hint = None;
    let undone = result.failed + result.unsettled;
    let state = if let Ending::Halted(error) = ending {
        result.error = Some(error.message);
        result.hint = Some(error.hint);
        RunState::Failed
    } else if stopped {
        result.error = Some("the run was asked to stop before it was finished".to_owned());
        result.hint =
            Some("start it again: it goes on where it stopped, and nothing is done twice".to_owned());
        RunState::Failed
    } else if matches!(ending, Ending::HoursOver) {
        RunState::Unfinished
    } else if undone > 0 {
        result.error = Some(format!("{undone} changes could not be made or settled; the rest is done"));
        result.hint = Some("the next run tries them again; look at the ILS if it stays so".to_owned());
        RunState::Failed
    } else if result.counts.waiting > 0 || !result.waiting_for.is_empty() {
        RunState::Waiting
    } else if result.counts.reject > 0 {
        RunState::DoneWithRejects
    } else {
        RunState::Done
    };
    (state, result)
}
