//! One run from end to end, and a person's decisions about it.

use std::sync::Arc;

use hashbrown::HashSet;
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use rostercard_core::digest::{Digest, DigestKind};
use rostercard_core::finding::Place;
use rostercard_core::guard::{GuardAction, Verdict};
use rostercard_core::plan::{ChangeState, RunState};
use rostercard_core::ports::{
    Completeness, ConnectorError, Cursor, PatronDirectory, Resume, RosterFacts, RosterSource,
};
use rostercard_store::Store;
use rostercard_store::rows::{
    ChangeCount, ChangeSelection, LinkIndex, Missing, NewRun, Partnership, PlanHead, Run, RunId, RunResult,
};

use crate::apply::Applier;
use crate::collect::{Collected, Collector, Mode};
use crate::error::EngineError;
use crate::handed_over;
use crate::keep::Keep;
use crate::pauses::Pauses;
use crate::settings::PartnershipSettings;
use crate::tally::{Fate, Tally};
use crate::world::{Phase, World};

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
    pub(crate) async fn settle(
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
pub(crate) fn ready_again(state: RunState, counts: &[ChangeCount], result: &mut RunResult) {
    if matches!(state, RunState::Running | RunState::Planned) {
        return;
    }
    for count in counts.iter().filter(|count| count.state == ChangeState::Ready) {
        result.shift(&count.school.1, Fate::Pending, Fate::Change(count.kind), count.count);
    }
    result.failed = counts.iter().filter(|c| c.state == ChangeState::Failed).map(|c| c.count).sum();
}

/// How many changes are ready to be made.
pub(crate) fn ready(counts: &[ChangeCount]) -> u64 {
    counts.iter().filter(|c| c.state == ChangeState::Ready).map(|c| c.count).sum()
}

pub(crate) fn waiting(counts: &[ChangeCount]) -> impl Iterator<Item = &ChangeCount> {
    counts.iter().filter(|c| c.state == ChangeState::Waiting && c.count > 0)
}

/// Whether a roster is another one than the last that was taken, as far as it says when it is of.
fn is_new_roster(here: &Here, facts: &RosterFacts) -> bool {
    facts.as_of.is_none() || facts.as_of != here.partnership.as_of
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
