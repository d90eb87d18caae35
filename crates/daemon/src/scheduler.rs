//! The scheduler: which partnership's run is due, one at a time for each, caught up once where it was missed, and tried
//! again where it could not be made.
//!
//! [`Board`] is the pure half: times in, names out. [`run`] is the loop around it. Neither reads a clock of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rostercard_engine::Clock;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::schedule::Schedule;

/// How long until a run that could not be made is tried again: the first time, the second, the third. Then it is left to
/// the schedule.
const BACK_OFF: [SignedDuration; 3] =
    [SignedDuration::from_mins(5), SignedDuration::from_mins(15), SignedDuration::from_mins(60)];
/// The clock is looked at this often, so that a machine that slept, or a clock that was set, is noticed soon.
const TICK: Duration = Duration::from_secs(15);
/// A clock that was further ahead than this was wrong: waiting for that time to come again would be for ever.
const WRONG_CLOCK: SignedDuration = SignedDuration::from_hours(25);

/// What came of a run, as far as the scheduler has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It ended, well or not: the next is the schedule's.
    Ended,
    /// It could not be made now: an ILS that was down, a roster that was not there, a store in use.
    TryLater,
}

/// Whoever makes the runs.
#[async_trait]
pub trait Runs: Send + Sync {
    /// One run of a partnership, to its end. Told to stop by other means, it ends early.
    async fn run(&self, partnership: &str) -> Outcome;
}

/// One partnership on the board.
#[derive(Debug, Clone)]
pub struct Job {
    /// The partnership's name.
    pub name: String,
    /// When it runs.
    pub schedule: Schedule,
    /// When its last run began; without one, nothing was missed.
    pub last_run: Option<Timestamp>,
}

#[derive(Debug)]
struct Entry {
    schedule: Schedule,
    /// What was due up to this moment has been run.
    through: Timestamp,
    retry: Option<Timestamp>,
    tries: usize,
    running: bool,
}

/// What is due when.
#[derive(Debug, Default)]
pub struct Board {
    entries: BTreeMap<String, Entry>,
}

impl Board {
    /// Puts up these jobs in place of those that are there. What was run already stays known by name.
    pub fn set(&mut self, jobs: Vec<Job>, now: Timestamp) {
        let mut old = std::mem::take(&mut self.entries);
        for job in jobs {
            let known = old.remove(&job.name);
            let entry = match known {
                Some(entry) => Entry { schedule: job.schedule, ..entry },
                None => Entry {
                    schedule: job.schedule,
                    through: job.last_run.unwrap_or(now),
                    retry: None,
                    tries: 0,
                    running: false,
                },
            };
            self.entries.insert(job.name, entry);
        }
    }

    /// The partnerships that have to begin now. They count as begun.
    pub fn begin_due(&mut self, now: Timestamp) -> Vec<String> {
        let mut due = Vec::new();
        for (name, entry) in &mut self.entries {
            if entry.through.duration_since(now) > WRONG_CLOCK {
                tracing::warn!(partnership = name, "The clock was far ahead, and was set back.");
                entry.through = now;
            }
            // A retry that a clock set back has put out of reach is as wrong as that clock was.
            if entry.retry.is_some_and(|at| at.duration_since(now) > WRONG_CLOCK) {
                entry.retry = None;
            }
            if !entry.running && next(entry).is_some_and(|at| at <= now) {
                entry.through = entry.through.max(now);
                entry.retry = None;
                entry.running = true;
                due.push(name.clone());
            }
        }
        due
    }

    /// A run is under way, whatever this board was told: a partnership that was taken off and put up again meanwhile.
    pub fn at_work(&mut self, name: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.running = true;
        }
    }

    /// A run has ended.
    pub fn ended(&mut self, name: &str, outcome: Outcome, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.running = false;
        match outcome {
            Outcome::Ended => entry.tries = 0,
            Outcome::TryLater => {
                entry.retry = BACK_OFF.get(entry.tries).and_then(|wait| now.checked_add(*wait).ok());
                // After the last try the schedule begins anew.
                entry.tries = if entry.retry.is_some() { entry.tries + 1 } else { 0 };
            }
        }
    }

    /// When a partnership runs next.
    #[must_use]
    pub fn next_run(&self, name: &str) -> Option<Timestamp> {
        self.entries.get(name).and_then(next)
    }

    /// When the next of all is due, of those that are not at work.
    #[must_use]
    pub fn next_of_all(&self) -> Option<Timestamp> {
        self.entries.values().filter(|entry| !entry.running).filter_map(next).min()
    }

    /// Every partnership with its next run.
    #[must_use]
    pub fn next_runs(&self) -> BTreeMap<String, Timestamp> {
        self.entries.iter().filter_map(|(name, entry)| Some((name.clone(), next(entry)?))).collect()
    }
}

/// The sooner of the schedule and a retry.
fn next(entry: &Entry) -> Option<Timestamp> {
    let scheduled = entry.schedule.next_after(entry.through);
    entry.retry.into_iter().chain(scheduled).min()
}

/// What the rest of the daemon sees of the scheduler, and how it tells it of a new configuration.
#[derive(Debug, Default)]
pub struct Control {
    inner: Mutex<Inner>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    jobs: Option<Vec<Job>>,
    heartbeat: Option<Timestamp>,
    next: BTreeMap<String, Timestamp>,
}

impl Control {
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts up other jobs; runs under way go on.
    pub fn set_jobs(&self, jobs: Vec<Job>) {
        self.with(|inner| inner.jobs = Some(jobs));
        self.wake.notify_one();
    }

    /// When the scheduler last went round.
    #[must_use]
    pub fn heartbeat(&self) -> Option<Timestamp> {
        self.with(|inner| inner.heartbeat)
    }

    /// Every scheduled partnership's next run.
    #[must_use]
    pub fn next_runs(&self) -> BTreeMap<String, Timestamp> {
        self.with(|inner| inner.next.clone())
    }
}

/// Runs what is due until it is told to stop, and then waits for the runs under way.
pub async fn run(control: Arc<Control>, runs: Arc<dyn Runs>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let mut board = Board::default();
    let mut working = JoinSet::new();
    let mut names: HashMap<_, String> = HashMap::new();
    while !stop.is_cancelled() {
        let now = clock.now();
        if let Some(jobs) = control.with(|inner| inner.jobs.take()) {
            board.set(jobs, now);
            for name in names.values() {
                board.at_work(name);
            }
        }
        for name in board.begin_due(now) {
            let (runs, partnership) = (runs.clone(), name.clone());
            let task = working.spawn(async move { runs.run(&partnership).await });
            names.insert(task.id(), name);
        }
        control.with(|inner| {
            inner.heartbeat = Some(now);
            inner.next = board.next_runs();
        });
        let until = board.next_of_all().map_or(TICK, |at| {
            Duration::try_from(at.duration_since(now))
                .unwrap_or_default()
                .clamp(Duration::from_millis(10), TICK)
        });
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            Some(ended) = working.join_next_with_id() => {
                let (id, outcome) = match ended {
                    Ok((id, outcome)) => (id, outcome),
                    // A fault of ours in one run is no reason to end the others.
                    Err(fault) => (fault.id(), Outcome::Ended),
                };
                if let Some(name) = names.remove(&id) {
                    board.ended(&name, outcome, clock.now());
                }
            }
            () = control.wake.notified() => {}
            () = clock.sleep(until) => {}
        }
    }
    while working.join_next().await.is_some() {}
}
