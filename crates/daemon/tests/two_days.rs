//! Forty-eight simulated hours of nine partnerships, by a seed: runs that end, fail, cannot be made, take hours, or hang; a reload in
//! the middle. Each minute what is said of it is held against what is so, which this test knows.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rostercard_daemon::health::{Facts, State, judge};
use rostercard_daemon::quiet::Hours;
use rostercard_daemon::{Control, Job, Outcome, Runs, Schedule, run};
use rostercard_engine::Clock;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const ZONE: &str = "America/Los_Angeles";
const LINES: [&str; 9] = [
    "*/30 * * * *",
    "15 * * * *",
    "0 */2 * * *",
    "30 4 * * *",
    "30 12 * * *",
    "5 13 * * *",
    "45 23 * * *",
    "30 2 * * *",
    "0 0,12 * * *",
];
/// Quiet hours of all of them: noon to one.
const QUIET: (u16, u16) = (12 * 60, 13 * 60);

/// The paused clock of the runtime: it jumps to whatever is waited for next.
struct Virtual {
    start: Timestamp,
    began: Instant,
}

#[async_trait]
impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        self.start + SignedDuration::try_from(self.began.elapsed()).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    CannotBeMade,
    TakesHours,
    Hangs,
}

#[derive(Debug, Default)]
struct Truth {
    /// Every run: who, when it began and ended.
    runs: Vec<(String, Timestamp, Option<Timestamp>, Fate)>,
    /// When something last went on in those that are at work.
    at_work: BTreeMap<String, Timestamp>,
}

struct World {
    clock: Arc<Virtual>,
    control: Arc<Control>,
    truth: Mutex<Truth>,
    seed: u64,
}

impl World {
    fn fate(&self, name: &str, number: usize) -> Fate {
        let text = format!("{}/{name}/{number}", self.seed);
        let mixed = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, b| (sum ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        match (mixed >> 40) % 20 {
            0..=11 => Fate::Done,
            12..=16 => Fate::CannotBeMade,
            17 | 18 => Fate::TakesHours,
            _ => Fate::Hangs,
        }
    }

    fn beat(&self, name: &str) {
        let now = self.clock.now();
        self.control.pulse().beat(name, now);
        self.truth.lock().unwrap().at_work.insert(name.to_owned(), now);
    }
}

#[async_trait]
impl Runs for World {
    async fn run(&self, name: &str) -> Outcome {
        let (row, fate) = {
            let mut truth = self.truth.lock().unwrap();
            assert!(!truth.at_work.contains_key(name), "{name} runs twice at once");
            let number = truth.runs.iter().filter(|run| run.0 == name).count();
            let fate = self.fate(name, number);
            truth.runs.push((name.to_owned(), self.clock.now(), None, fate));
            (truth.runs.len() - 1, fate)
        };
        self.beat(name);
        let minutes = |n: u64| self.clock.sleep(Duration::from_secs(60 * n));
        match fate {
            Fate::Done => minutes(3).await,
            Fate::CannotBeMade => minutes(1).await,
            Fate::TakesHours => {
                for _ in 0..150 {
                    minutes(1).await;
                    self.beat(name);
                }
            }
            Fate::Hangs => minutes(47).await,
        }
        let now = self.clock.now();
        self.control.pulse().ended(name);
        let mut truth = self.truth.lock().unwrap();
        truth.at_work.remove(name);
        truth.runs[row].2 = Some(now);
        if fate == Fate::CannotBeMade { Outcome::TryLater } else { Outcome::Ended }
    }
}

fn jobs() -> Vec<Job> {
    let zone = TimeZone::get(ZONE).unwrap();
    let job = |(n, line): (usize, &&str)| {
        let name = format!("p{n}");
        let schedule =
            Schedule::new(line, zone.clone()).unwrap().delayed(&name, SignedDuration::from_mins(10));
        Job { name, schedule: schedule.within(Hours::new(vec![QUIET], Vec::new())).unwrap(), last_run: None }
    };
    LINES.iter().enumerate().map(job).collect()
}

fn two_days(seed: u64) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        // The clock changes in these days: on the 8th of March, at two.
        let start: Timestamp = "2026-03-07T12:00:00Z".parse().unwrap();
        let clock = Arc::new(Virtual { start, began: Instant::now() });
        let control = Arc::new(Control::default());
        let world =
            Arc::new(World { clock: clock.clone(), control: control.clone(), truth: Mutex::default(), seed });
        let stop = CancellationToken::new();
        control.set_jobs(jobs());
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        let scheduler = tokio::spawn(run(control.clone(), world.clone(), clock.clone(), stop.clone()));
        for minute in 0..48 * 60 {
            tokio::time::sleep(Duration::from_secs(60)).await;
            let now = clock.now();
            if minute % 333 == 0 {
                control.set_jobs(jobs());
            }
            let quiet_for: BTreeMap<String, SignedDuration> = {
                let truth = world.truth.lock().unwrap();
                truth.at_work.iter().map(|(name, at)| (name.clone(), now.duration_since(*at))).collect()
            };
            let hangs =
                |name: &str| quiet_for.get(name).is_some_and(|gone| *gone > SignedDuration::from_mins(15));
            let hung = control.pulse().hung(now);
            for n in 0..LINES.len() {
                let name = format!("p{n}");
                assert_eq!(
                    hung.contains_key(&name),
                    hangs(&name),
                    "seed {seed}, minute {minute}: {name}, {quiet_for:?}"
                );
                let facts = Facts { hung_since: hung.get(&name).copied(), ..Facts::default() };
                assert_eq!(judge(facts, now).state == State::Failing, hangs(&name));
            }
            assert_eq!(control.is_well(now), hung.is_empty(), "seed {seed}, minute {minute}");
            // One for the scheduler, one for each run, and none that was forgotten.
            assert_eq!(tasks() - before, 1 + quiet_for.len(), "seed {seed}, minute {minute}");
        }
        stop.cancel();
        scheduler.await.unwrap();
        assert_eq!(tasks(), before, "seed {seed}: tasks are left");
        check(&world.truth.lock().unwrap(), start, clock.now(), seed);
    });
}

/// Nothing begins in quiet hours; each begins when it is due, or as soon as the one before it lets it, or as a further try.
fn check(truth: &Truth, start: Timestamp, end: Timestamp, seed: u64) {
    let zone = TimeZone::get(ZONE).unwrap();
    let tries = [5, 15, 60].map(SignedDuration::from_mins);
    let slack = SignedDuration::from_secs(16);
    for Job { name, schedule, .. } in jobs() {
        let runs: Vec<_> = truth.runs.iter().filter(|run| run.0 == name).collect();
        let mut through = start;
        for (n, (_, began, ended, _)) in runs.iter().enumerate() {
            let here = zone.to_datetime(*began);
            assert!(here.hour() != 12, "seed {seed}: {name} began in quiet hours: {here}");
            let due = schedule.next_after(through).unwrap();
            let before = n.checked_sub(1).map(|n| runs[n]);
            let free = before.and_then(|before| before.2).unwrap_or(start);
            let scheduled = schedule.open(due.max(free));
            let again = before.filter(|before| before.3 == Fate::CannotBeMade).and_then(|before| before.2);
            let late = |from: Timestamp| {
                began.duration_since(from) >= SignedDuration::ZERO && began.duration_since(from) <= slack
            };
            let tried = again.is_some_and(|end| tries.iter().any(|wait| late(schedule.open(end + *wait))));
            assert!(
                late(scheduled) || tried,
                "seed {seed}: {name} began at {began}, was due at {due}, free at {free}"
            );
            through = through.max(*began);
            assert!(ended.is_some(), "a run was left behind");
        }
        // And nothing was forgotten: what is due by now has begun, unless the last one is at work so long.
        let next = schedule.next_after(through).unwrap();
        let busy = runs.last().and_then(|run| run.2).unwrap_or(start);
        assert!(
            schedule.open(next.max(busy)) + slack >= end - SignedDuration::from_hours(3),
            "seed {seed}: {name} is overdue since {next}"
        );
        assert!(!runs.is_empty());
    }
}

#[test]
fn s25_health_tells_the_truth_each_minute_of_two_days_whatever_becomes_of_runs() {
    for seed in 0..6 {
        two_days(seed);
    }
}
