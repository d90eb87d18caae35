//! A person's decisions about a run's plan: what goes through, what is dropped, and what the source may let go of then.

use std::collections::BTreeSet;

use rostercard_core::finding::Place;
use rostercard_core::guard::GuardName;
use rostercard_core::plan::{ChangeState, RunState};
use rostercard_core::ports::{Completeness, Cursor, RosterSource};
use rostercard_store::rows::{ChangeCount, ChangeSelection, PlanDecision, Run, RunId, RunResult};

use crate::engine::{Ending, Engine, Here, RunReport, conclude, ready_again, waiting};
use crate::error::{EngineError, SelectionError};
use crate::tally::{Fate, Tally};

impl Engine {
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
