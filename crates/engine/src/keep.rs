//! How long things are kept, and what a restored store means for a run.
//!
//! Every sync begins by letting go of what is older than it is to be kept, of all partnerships: a partnership that does not
//! run any more is no reason to keep what a child's record held a year ago.

use jiff::{Span, Timestamp};
use rostercard_core::plan::RunState;
use rostercard_store::keep::Retention;
use rostercard_store::rows::Run;

use crate::engine::{Engine, Here};
use crate::error::EngineError;

/// How many days things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Days for which what a field held before an update is kept, so that a run can be undone.
    pub undo_days: u16,
    /// Days for which runs are kept, with their changes and writes; their counts stay, by year.
    pub run_days: u16,
}

impl Default for Keep {
    fn default() -> Self {
        Self { undo_days: 14, run_days: 400 }
    }
}

impl Engine {
    /// The same engine, that keeps things as long as this. Otherwise it is [`Keep::default`].
    #[must_use]
    pub fn keeping(self, keep: Keep) -> Self {
        Self { keep, ..self }
    }

    /// Lets go of what is older than it is to be kept.
    pub(crate) async fn let_go(&self, here: &Here) -> Result<(), EngineError> {
        let before = |days: u16| {
            here.now.checked_sub(Span::new().hours(i64::from(days) * 24)).unwrap_or(Timestamp::MIN)
        };
        let limits = Retention {
            before_values: before(self.keep.undo_days),
            plans: here.now,
            runs: before(self.keep.run_days),
        };
        let gone = self.store.retain(limits).await?;
        if gone.before_values + gone.spools + gone.runs > 0 {
            tracing::info!(
                before_values = gone.before_values,
                plans = gone.spools,
                runs = gone.runs,
                "Let go of what is older than it is kept."
            );
        }
        Ok(())
    }

    /// What was restored, in words, where no run of the partnership was done since.
    pub(crate) async fn after_restore(&self, here: &Here) -> Result<Option<String>, EngineError> {
        let Some(last) = self.store.restores().await?.pop() else { return Ok(None) };
        let runs = self.store.runs(Some(here.partnership.id), 200).await?;
        let done = |run: &&Run| {
            run.plan.is_some() && matches!(run.state, RunState::Done | RunState::DoneWithRejects)
        };
        if runs.iter().find(done).is_some_and(|run| run.started_at >= last.at) {
            return Ok(None);
        }
        let day = |at: Timestamp| self.settings.timezone.to_datetime(at).date();
        let of = last.backup_at.map(|at| format!(" of {}", day(at))).unwrap_or_default();
        let unknown = if last.decisions_known {
            ""
        } else {
            ", without what families and staff have decided since: note every no again before anything is made"
        };
        Ok(Some(format!("a backup{of} was restored on {} by {}{unknown}", day(last.at), last.who)))
    }
}
