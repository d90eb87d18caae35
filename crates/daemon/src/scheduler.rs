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

use crate::health;
use crate::pulse::Pulse;
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
    /// The hours of the ILS were over before everything was made: it goes on when they begin again.
    Unfinished,
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
            if !entry.running && next(entry, now).is_some_and(|at| at <= now) {
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
            Outcome::Unfinished => {
                // Never at once: an hour that is open by this clock was closed by the run's.
                let soon = now.checked_add(BACK_OFF[0]).unwrap_or(now);
                entry.retry = Some(entry.schedule.open(soon));
                entry.tries = 0;
            }
        }
    }

    /// When a partnership runs next.
    #[must_use]
    pub fn next_run(&self, name: &str, now: Timestamp) -> Option<Timestamp> {
        self.entries.get(name).and_then(|entry| next(entry, now))
    }

    /// When the next of all is due, of those that are not at work.
    #[must_use]
    pub fn next_of_all(&self, now: Timestamp) -> Option<Timestamp> {
        self.entries.values().filter(|entry| !entry.running).filter_map(|entry| next(entry, now)).min()
    }

    /// Every partnership with its next run.
    #[must_use]
    pub fn next_runs(&self, now: Timestamp) -> BTreeMap<String, Timestamp> {
        self.entries.iter().filter_map(|(name, entry)| Some((name.clone(), next(entry, now)?))).collect()
    }
}

/// The sooner of the schedule and a retry. What is overdue in hours that are closed begins at their end.
fn next(entry: &Entry, now: Timestamp) -> Option<Timestamp> {
    let scheduled = entry.schedule.next_after(entry.through);
    let due = entry.retry.into_iter().chain(scheduled).min()?;
    Some(entry.schedule.open(if due < now && entry.schedule.closed(now).is_some() { now } else { due }))
}

/// What the rest of the daemon sees of the scheduler, and how it tells it of a new configuration.
#[derive(Debug, Default)]
pub struct Control {
    inner: Mutex<Inner>,
    wake: Notify,
    pulse: Pulse,
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

    /// The pulse of the runs under way.
    #[must_use]
    pub const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Whether the scheduler goes round and no run hangs: only then is the watchdog fed.
    #[must_use]
    pub fn is_well(&self, now: Timestamp) -> bool {
        health::alive(self.heartbeat(), now) && self.pulse.hung(now).is_empty()
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
            inner.next = board.next_runs(now);
        });
        let until = board.next_of_all(now).map_or(TICK, |at| {
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

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use jiff::{Span, ToSpan};

    use super::*;

    struct Fake {
        now: Mutex<Timestamp>,
        stop: CancellationToken,
        end: Timestamp,
    }

    #[async_trait]
    impl Clock for Fake {
        fn now(&self) -> Timestamp {
            *self.now.lock().unwrap()
        }

        async fn sleep(&self, duration: Duration) {
            // A wait that loses against the end of a run takes no time.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            let mut now = self.now.lock().unwrap();
            *now = now.checked_add(duration).unwrap();
            if *now >= self.end {
                self.stop.cancel();
            }
        }
    }

    /// Notes when each run began; in the hours of `down` it can make none.
    struct Noted {
        clock: Arc<Fake>,
        runs: Mutex<Vec<(String, Timestamp)>>,
        down: Option<(Timestamp, Timestamp)>,
    }

    #[async_trait]
    impl Runs for Noted {
        async fn run(&self, partnership: &str) -> Outcome {
            let now = self.clock.now();
            self.runs.lock().unwrap().push((partnership.to_owned(), now));
            let down = self.down.is_some_and(|(from, to)| (from..to).contains(&now));
            if down { Outcome::TryLater } else { Outcome::Ended }
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn job(name: &str, line: &str, zone: &str, last_run: Option<&str>) -> Job {
        let schedule = Schedule::new(line, TimeZone::get(zone).unwrap()).unwrap();
        Job { name: name.into(), schedule, last_run: last_run.map(at) }
    }

    /// Runs these jobs from one moment to another; when each run of a partnership began.
    fn simulate(jobs: Vec<Job>, from: &str, to: &str, down: Option<(&str, &str)>) -> Vec<(String, String)> {
        let stop = CancellationToken::new();
        let clock = Arc::new(Fake { now: Mutex::new(at(from)), stop: stop.clone(), end: at(to) });
        let down = down.map(|(from, to)| (at(from), at(to)));
        let noted = Arc::new(Noted { clock: clock.clone(), runs: Mutex::default(), down });
        let control = Arc::new(Control::default());
        control.set_jobs(jobs);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(control.clone(), noted.clone(), clock, stop));
        assert!(control.heartbeat().is_some());
        noted.runs.lock().unwrap().iter().map(|(name, at)| (name.clone(), at.to_string())).collect()
    }

    #[test]
    fn s25_a_month_with_a_change_of_the_clock_has_exactly_its_runs() {
        let la = "America/Los_Angeles";
        let jobs = vec![job("ash", "30 4 * * MON-FRI", la, None), job("elm", "30 2 * * *", la, None)];
        let ran = simulate(jobs, "2026-03-01T08:00:00Z", "2026-04-01T07:00:00Z", None);
        let mut wanted = Vec::new();
        for day in 1..=31i8 {
            let date = jiff::civil::date(2026, 3, day);
            // On the 8th, 2:30 is skipped: it is run at 3:00, at 10:00 in UTC.
            let hour = if day < 8 { 10 } else { 9 };
            let elm = if day == 8 { date.at(10, 0, 0, 0) } else { date.at(hour, 30, 0, 0) };
            wanted.push(("elm".to_owned(), format!("{elm}Z")));
            if !matches!(date.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday) {
                let ash = date.at(if day < 8 { 12 } else { 11 }, 30, 0, 0);
                wanted.push(("ash".to_owned(), format!("{ash}Z")));
            }
        }
        assert_eq!(ran, wanted);
    }

    #[test]
    fn s25_what_was_missed_is_caught_up_once() {
        // The daemon was off for four nights.
        let jobs = vec![job("ash", "30 4 * * *", "UTC", Some("2026-11-20T04:30:00Z"))];
        let ran = simulate(jobs, "2026-11-24T09:00:00Z", "2026-11-25T12:00:00Z", None);
        let begun: Vec<&str> = ran.iter().map(|(_, at)| at.as_str()).collect();
        assert_eq!(begun, ["2026-11-24T09:00:00Z", "2026-11-25T04:30:00Z"]);
        // One that never ran has missed nothing.
        let jobs = vec![job("ash", "30 4 * * *", "UTC", None)];
        assert_eq!(simulate(jobs, "2026-11-24T09:00:00Z", "2026-11-25T04:00:00Z", None), []);
    }

    #[test]
    fn a_run_that_could_not_be_made_is_tried_three_times_and_then_left_to_the_schedule() {
        let jobs = || vec![job("ash", "30 4 * * *", "UTC", None)];
        let (from, to) = ("2026-11-24T00:00:00Z", "2026-11-26T00:00:00Z");
        let begun = |down| {
            let ran = simulate(jobs(), from, to, Some(down));
            ran.into_iter().map(|(_, at)| at).collect::<Vec<_>>()
        };
        let day =
            ["2026-11-24T04:30:00Z", "2026-11-24T04:35:00Z", "2026-11-24T04:50:00Z", "2026-11-24T05:50:00Z"];
        let next = "2026-11-25T04:30:00Z";
        assert_eq!(begun((from, "2026-11-25T00:00:00Z")), [&day[..], &[next]].concat());
        assert_eq!(begun((from, "2026-11-24T04:40:00Z")), [&day[..3], &[next]].concat());
    }

    #[test]
    fn s18_a_load_that_its_hours_cut_short_goes_on_when_they_begin_again() {
        let mut board = Board::default();
        let hours = crate::quiet::Hours::new(Vec::new(), vec![(22 * 60, 6 * 60)]);
        let job = job("ash", "30 4 * * *", "UTC", None);
        let job = Job { schedule: job.schedule.within(hours).unwrap(), ..job };
        board.set(vec![job], at("2026-11-24T04:00:00Z"));
        assert_eq!(board.begin_due(at("2026-11-24T04:30:00Z")), ["ash"]);
        board.ended("ash", Outcome::Unfinished, at("2026-11-24T06:00:10Z"));
        let next = board.next_run("ash", at("2026-11-24T06:00:10Z"));
        assert_eq!(next, Some(at("2026-11-24T22:00:00Z")));
        // By a clock that differs it is open still: not at once all the same.
        board.ended("ash", Outcome::Unfinished, at("2026-11-24T05:00:00Z"));
        assert_eq!(board.next_run("ash", at("2026-11-24T05:00:00Z")), Some(at("2026-11-24T05:05:00Z")));
    }

    #[test]
    fn s25_a_clock_that_jumps_back_runs_no_minute_twice() {
        let mut board = Board::default();
        let begin = at("2026-11-24T04:29:00Z");
        board.set(vec![job("ash", "30 4 * * *", "UTC", None)], begin);
        let step = |board: &mut Board, now: Timestamp| {
            let due = board.begin_due(now);
            for name in &due {
                board.ended(name, Outcome::Ended, now);
            }
            due.len()
        };
        assert_eq!(step(&mut board, begin), 0);
        assert_eq!(step(&mut board, begin + Span::new().minutes(1)), 1);
        for minutes in [-90, 0, 1, 2, 600] {
            assert_eq!(step(&mut board, begin + minutes.minutes()), 0, "{minutes}");
        }
        assert_eq!(step(&mut board, begin + 1441.minutes()), 1);
        // A clock that was years ahead for a moment: one run then, and every night's afterwards.
        assert_eq!(step(&mut board, at("2031-01-01T00:00:00Z")), 1);
        assert_eq!(step(&mut board, at("2026-11-25T12:00:00Z")), 0);
        assert_eq!(step(&mut board, at("2026-11-26T04:30:00Z")), 1);
    }

    #[test]
    fn one_run_of_a_partnership_at_a_time_even_if_it_was_taken_off_meanwhile() {
        let mut board = Board::default();
        let now = at("2026-11-24T04:30:00Z");
        let jobs = || vec![job("ash", "* * * * *", "UTC", Some("2026-11-24T04:29:00Z"))];
        board.set(jobs(), now);
        assert_eq!(board.begin_due(now), ["ash"]);
        let later = now + 2.minutes();
        assert!(board.begin_due(later).is_empty());
        board.set(Vec::new(), later);
        board.set(jobs(), later);
        board.at_work("ash");
        assert!(board.begin_due(later).is_empty());
        board.ended("ash", Outcome::Ended, later);
        assert_eq!(board.begin_due(later), ["ash"]);
    }
}
