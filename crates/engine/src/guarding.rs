//! What the guards are told of a run, and what one run leaves for the guards of the next.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rostercard_core::calendar::AgreementState;
use rostercard_core::guard::{self, GuardAction, GuardName, Memory, PlanFacts, Verdict, WaitingFor};
use rostercard_core::plan::ChangeKind;
use rostercard_core::ports::RosterFacts;

use crate::collect::Collected;
use crate::engine::{Engine, Here};
use crate::error::EngineError;

/// In so many runs the last memory is looked for: a drop folder without a file is looked at every few minutes.
const RUNS: [usize; 2] = [5, 500];

impl Engine {
    /// Asks the guards about a plan.
    pub(crate) async fn guard(
        &self,
        here: &Here,
        facts: &RosterFacts,
        collected: &Collected,
    ) -> Result<Verdict, EngineError> {
        let after_pause = self.after_pause(here, &self.pauses().await?).await?;
        let partnership = &here.partnership;
        let endpoint_changed = partnership
            .endpoint
            .clone()
            .filter(|before| *before != facts.endpoint)
            .map(|before| (before, facts.endpoint.clone()));
        let calendar = &self.settings.dates.calendar;
        let mut schools = collected.schools.clone();
        for (key, school) in &mut schools {
            // A damaged record names its school as it can: by its label, or by its code.
            let rejects =
                |name: &String| collected.result.by_school.get(name).map_or(0, |counts| counts.reject);
            school.rejects = rejects(&school.label) + if *key == school.label { 0 } else { rejects(key) };
        }
        let facts = PlanFacts {
            completeness: collected.completeness,
            source_state: facts.state,
            as_of: facts.as_of,
            last_as_of: partnership.as_of,
            closed_days: facts.as_of.map_or(0, |as_of| self.closed_days(self.day(as_of), here.day)),
            in_term: calendar.in_term(here.day),
            first_connection: !partnership.let_through,
            rules_changed: partnership.rules.is_some_and(|rules| rules != self.rules_digest()),
            endpoint_changed,
            after_pause,
            after_restore: self.after_restore(here).await?,
            records: collected.result.roster,
            rejects: collected.result.counts.reject,
            consent: collected.consents,
            schools,
            live_by_grade: self.live_by_grade(here, collected).await?,
            memory: self.memory(here).await?,
            ..PlanFacts::new(here.now, here.day)
        };
        let mut verdict = crate::planted::verdict(guard::evaluate(&facts, &self.settings.guards));
        if let AgreementState::EndsSoon(ends, left) = self.settings.dates.agreement.on(here.day) {
            verdict.warnings.push(WaitingFor {
                guard: GuardName::AgreementEnds.word().to_owned(),
                kind: None,
                limit: None,
                found: u64::try_from(left).unwrap_or(0),
                school: None,
                likely_cause: format!(
                    "the agreement ends on {ends}, in {left} days: nothing is written after it, until [agreement] has new dates"
                ),
            });
        }
        Ok(verdict)
    }

    /// Why nothing may be written today by the agreement's dates.
    pub(crate) fn refuse_outside_agreement(&self) -> Result<(), EngineError> {
        let today = self.day(self.world.clock.now());
        match self.settings.dates.agreement.forbids(today) {
            None => Ok(()),
            Some(why) => Err(EngineError::Frozen { name: self.settings.name.clone(), why }),
        }
    }

    /// What the last run that looked at a roster has left.
    pub(crate) async fn memory(&self, here: &Here) -> Result<Memory, EngineError> {
        for most in RUNS {
            let runs = self.store.runs(Some(here.partnership.id), most).await?;
            // A run that looked at no roster (new PINs, one that failed) has nothing to tell.
            let told =
                runs.into_iter().find(|run| run.id != here.run && run.result.memory != Memory::default());
            if let Some(run) = told {
                return Ok(run.result.memory);
            }
        }
        Ok(Memory::default())
    }

    /// Days without school between a roster and the run. None, where there is no calendar.
    fn closed_days(&self, as_of: Date, day: Date) -> u64 {
        let calendar = &self.settings.dates.calendar;
        if calendar.year.is_none() {
            return 0;
        }
        let all = as_of.until(day).map_or(0, |span| i64::from(span.get_days()));
        u64::try_from(all - calendar.school_days(as_of, day)).unwrap_or(0)
    }

    /// Live cards by grade, where there are changes enough for a grade to be over its limit.
    async fn live_by_grade(
        &self,
        here: &Here,
        collected: &Collected,
    ) -> Result<BTreeMap<u8, u64>, EngineError> {
        let guards = &self.settings.guards;
        let planned = |kind: ChangeKind| collected.schools.values().map(|s| s.planned(kind)).sum::<u64>();
        let mut live = BTreeMap::new();
        if guards.grade.action == GuardAction::Off
            || !ChangeKind::ALL.iter().any(|kind| planned(*kind) > guards.grade.at_least)
        {
            return Ok(live);
        }
        for cell in self.store.link_cells(here.partnership.id).await? {
            if let Some(grade) = cell.grade.filter(|_| cell.state.is_live()) {
                *live.entry(grade).or_default() += cell.count;
            }
        }
        Ok(live)
    }
}
