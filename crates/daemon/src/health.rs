//! How the partnerships stand, judged from facts. It asks nobody: the facts and the time are passed in, so that
//! `rostercard status` and the daemon's page say the same.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rostercard_core::plan::RunState;
use serde::{Serialize, Serializer};

use crate::load::Load;
use crate::schedule::Schedule;

/// A scheduler that has not gone round for so long hangs.
pub const HEARTBEAT_MAX: SignedDuration = SignedDuration::from_secs(90);
/// How long after a run was due its success may be missing.
const OVERDUE: SignedDuration = SignedDuration::from_hours(24);

/// How a partnership stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The last run ended well.
    Ok,
    /// Changes wait for a person.
    Waiting,
    /// A run was due and none has succeeded for a day, or the roster is older than its rhythm allows.
    Stale,
    /// The last run failed, or the configuration has mistakes.
    Failing,
    /// A person paused it.
    Paused,
    /// No run wrote anything yet.
    NeverRan,
}

impl State {
    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Waiting => "waiting",
            Self::Stale => "stale",
            Self::Failing => "failing",
            Self::Paused => "paused",
            Self::NeverRan => "never_ran",
        }
    }
}

/// A partnership's last run.
#[derive(Debug, Clone)]
pub struct LastRun {
    /// Its number.
    pub number: i64,
    /// How it ended.
    pub state: RunState,
    /// How many changes wait.
    pub waiting: u64,
    /// What went wrong, in words without anybody's data.
    pub error: Option<String>,
    /// What of it is being made, and what is left.
    pub load: Option<Load>,
}

/// What is known of a partnership.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// Its configuration has mistakes.
    pub broken: bool,
    /// A run of it is under way in which nothing has gone on since, for longer than is allowed.
    pub hung_since: Option<Timestamp>,
    /// Until when it is paused, by whom and why, in words.
    pub paused: Option<String>,
    /// Its schedule, as it is written and as it is read.
    pub schedule: Option<(String, Schedule)>,
    /// When the scheduler will run it, where one is asked; otherwise the schedule says.
    pub next_run: Option<Timestamp>,
    /// The last run that was no mere plan, or else the last plan.
    pub last: Option<LastRun>,
    /// When a run last ended well.
    pub last_success: Option<Timestamp>,
    /// When its roster was made.
    pub roster_as_of: Option<Timestamp>,
    /// How often a new roster is to come, where that was said.
    pub roster_every: Option<Duration>,
    /// Days without school since its roster was made, which count for nothing.
    pub closed_days: u64,
    /// What will have to be done soon, in words: an agreement that ends.
    pub soon: Option<String>,
    /// Cards that are looked after.
    pub cards: u64,
}

/// How a partnership stands, as `status --json` and `/health` print it.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// The state.
    pub state: State,
    /// When a run last ended well.
    #[serde(serialize_with = "in_words")]
    pub last_success: Option<Timestamp>,
    /// The age of its roster, in seconds.
    pub roster_age_s: Option<i64>,
    /// Its schedule, as it is written.
    pub schedule: Option<String>,
    /// When it runs next.
    #[serde(serialize_with = "in_words")]
    pub next_run: Option<Timestamp>,
    /// Cards that are looked after.
    pub cards: u64,
    /// Why it is in that state.
    pub why: String,
}

fn in_words<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.to_string()).serialize(serializer)
}

/// The daemon as a whole, as `/health` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// The worst of the partnerships' states, `failing` where the scheduler hangs; `ok` where there is none.
    pub state: State,
    /// Whether the scheduler goes round.
    pub scheduler_alive: bool,
    /// The partnerships.
    pub partnerships: Vec<Standing>,
}

/// Judges one partnership.
#[must_use]
pub fn judge(facts: Facts, now: Timestamp) -> Standing {
    let (state, mut why) = state(&facts, now);
    if let Some(soon) = &facts.soon {
        why = format!("{why}; {soon}");
    }
    let next_run =
        facts.next_run.or_else(|| facts.schedule.as_ref().and_then(|(_, schedule)| schedule.next_after(now)));
    Standing {
        name: facts.name,
        state,
        last_success: facts.last_success,
        roster_age_s: facts.roster_as_of.map(|as_of| now.duration_since(as_of).as_secs()),
        schedule: facts.schedule.map(|(line, _)| line),
        next_run: next_run.filter(|_| !facts.broken),
        cards: facts.cards,
        why,
    }
}

fn state(facts: &Facts, now: Timestamp) -> (State, String) {
    if let Some(since) = facts.hung_since {
        let why = format!("its run hangs: nothing has gone on since {since:.0}");
        return (State::Failing, why);
    }
    if facts.broken {
        return (State::Failing, "its configuration has mistakes: see `rostercard check`".to_owned());
    }
    // A pause says more than what was before it.
    if let Some(paused) = &facts.paused {
        return (State::Paused, paused.clone());
    }
    let Some(last) = &facts.last else {
        return (State::NeverRan, "no run yet: `rostercard plan` shows what the first would do".to_owned());
    };
    let run = last.number;
    match last.state {
        RunState::Planned => (State::NeverRan, format!("run {run} is a plan: `rostercard approve {run}`")),
        RunState::Failed => {
            (State::Failing, format!("run {run}: {}", last.error.as_deref().unwrap_or("it failed")))
        }
        RunState::Waiting if last.waiting == 0 => {
            (State::Waiting, format!("run {run} waits for a person: `rostercard show {run}` says why"))
        }
        RunState::Waiting => {
            let what = if last.waiting == 1 { "change waits" } else { "changes wait" };
            (State::Waiting, format!("{} {what} of run {run} for approval", last.waiting))
        }
        // Work that goes on is late only where its roster is; how far it is says when it ends.
        RunState::Running | RunState::Unfinished
            if let Some(load) = last.load.as_ref().filter(|load| load.left > 0) =>
        {
            let how = if last.state == RunState::Running {
                "is under way"
            } else {
                "goes on in the hours of the ILS"
            };
            (State::Ok, format!("run {run} {how}: {}", load.in_words(now)))
        }
        RunState::Done | RunState::DoneWithRejects | RunState::Running | RunState::Unfinished => {
            match overdue(facts, now) {
                _ if let Some(age) = old_roster(facts, now) => (
                    State::Stale,
                    format!("the roster is {age} days old: the district's export may have stopped"),
                ),
                Some(due) => {
                    (State::Stale, format!("a run was due at {due:.0}, and none has ended well since"))
                }
                None if last.state == RunState::Unfinished => {
                    (State::Ok, format!("run {run} goes on with the next run, in the hours of the ILS"))
                }
                None if last.state == RunState::Running => {
                    (State::Ok, format!("run {run} is under way, or was cut short; the next one goes on"))
                }
                None => (State::Ok, format!("run {run} is done")),
            }
        }
    }
}

/// The first run that was due after the last success, where that is too long ago.
fn overdue(facts: &Facts, now: Timestamp) -> Option<Timestamp> {
    let (_, schedule) = facts.schedule.as_ref()?;
    let due = schedule.next_after(facts.last_success?)?;
    (now.duration_since(due) > OVERDUE).then_some(due)
}

/// The age in days of a roster that is later than its rhythm, and half as much again, allows.
fn old_roster(facts: &Facts, now: Timestamp) -> Option<i64> {
    let every = SignedDuration::try_from(facts.roster_every?).ok()?;
    let closed = SignedDuration::from_hours(24 * i64::try_from(facts.closed_days).unwrap_or(0));
    let age = now.duration_since(facts.roster_as_of?) - closed;
    (age > every + every / 2).then_some(age.as_hours() / 24)
}

/// Whether a scheduler with this heartbeat goes round.
#[must_use]
pub fn alive(heartbeat: Option<Timestamp>, now: Timestamp) -> bool {
    // One from the future is of a clock that was set back: the next one is at most a tick away.
    heartbeat.is_some_and(|at| now.duration_since(at) <= HEARTBEAT_MAX)
}

/// The whole.
#[must_use]
pub fn overall(partnerships: Vec<Standing>, scheduler_alive: bool) -> Health {
    let rank = |state: &State| match state {
        State::Ok => 0,
        State::NeverRan => 1,
        State::Paused | State::Waiting => 2,
        State::Stale => 3,
        State::Failing => 4,
    };
    let worst = partnerships.iter().map(|p| p.state).max_by_key(rank).unwrap_or(State::Ok);
    let state = if scheduler_alive { worst } else { State::Failing };
    Health { state, scheduler_alive, partnerships }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn facts(state: RunState) -> Facts {
        let line = "30 4 * * *";
        Facts {
            name: "oak".into(),
            schedule: Some((line.into(), Schedule::new(line, TimeZone::UTC).unwrap())),
            last: Some(LastRun {
                number: 7,
                state,
                waiting: 2,
                error: Some("the ILS did not answer".into()),
                load: None,
            }),
            last_success: Some("2026-11-20T04:31:00Z".parse().unwrap()),
            ..Facts::default()
        }
    }

    #[test]
    fn states_are_told_from_the_last_run_and_from_time() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (state, now, wanted) in [
            (RunState::Done, "2026-11-20T12:00:00Z", State::Ok),
            (RunState::Done, "2026-11-22T04:00:00Z", State::Ok),
            (RunState::Done, "2026-11-22T04:31:00Z", State::Stale),
            (RunState::Running, "2026-11-22T04:31:00Z", State::Stale),
            (RunState::Failed, "2026-11-20T12:00:00Z", State::Failing),
            (RunState::Waiting, "2026-11-20T12:00:00Z", State::Waiting),
            (RunState::Planned, "2026-11-20T12:00:00Z", State::NeverRan),
        ] {
            let standing = judge(facts(state), at(now));
            assert_eq!(standing.state, wanted, "{state:?} at {now}: {}", standing.why);
            assert!(standing.next_run.is_some_and(|next| next > at(now)));
        }
        let paused = Facts { paused: Some("until Monday".into()), ..facts(RunState::Failed) };
        assert_eq!(judge(paused, at("2026-11-20T12:00:00Z")).state, State::Paused);
        let broken = judge(Facts { broken: true, ..facts(RunState::Done) }, at("2026-11-20T12:00:00Z"));
        assert_eq!((broken.state, broken.next_run), (State::Failing, None));
    }

    #[test]
    fn a_scheduler_that_hangs_is_not_healthy() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        assert!(!alive(None, now));
        assert!(alive(Some(now - SignedDuration::from_secs(90)), now));
        assert!(!alive(Some(now - SignedDuration::from_secs(91)), now));
        let good = judge(facts(RunState::Done), now);
        assert_eq!(overall(vec![good.clone()], true).state, State::Ok);
        assert_eq!(overall(vec![good], false).state, State::Failing);
    }
}
