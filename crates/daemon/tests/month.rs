//! A simulated month: an ILS that is gone for two days, an export that stops, changes that wait, a pause, a machine that is off.
//! Each noon, health says what is so; the table below is what is so.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rostercard_core::plan::RunState;
use rostercard_daemon::health::{Facts, LastRun, State, alive, judge};
use rostercard_daemon::{Control, Job, Outcome, Runs, Schedule, run};
use rostercard_engine::Clock;
use tokio_util::sync::CancellationToken;

const ZONE: &str = "America/Los_Angeles";

fn day_of(now: Timestamp) -> Date {
    TimeZone::get(ZONE).unwrap().to_datetime(now).date()
}

fn march(days: std::ops::RangeInclusive<i8>, now: Timestamp) -> bool {
    (date(2026, 3, *days.start())..=date(2026, 3, *days.end())).contains(&day_of(now))
}

/// What happens in this month, and what each noon is to be.
const NOONS: [State; 31] = {
    use State::{Failing as F, Ok as O, Paused as P, Stale as S, Waiting as W};
    [
        O, O, O, O, //
        F, F, // 5 and 6: the ILS is gone
        O, O, O, // 9: the export stops; a roster of the day before is not late yet
        S, S, S, // 10 to 12: now it is
        O, O, //
        W, // 15: changes wait, until somebody approves them on the 16th
        W, O, //
        P, P, P, // 18 to 20: a pause
        O, O, //
        O, O, O, // 23 and 24: the machine is off, and nobody asks; on the 25th it has caught up
        O, O, O, O, O, O,
    ]
};

/// The district, the library and the machine.
struct World {
    now: Mutex<Timestamp>,
    facts: Mutex<Facts>,
    runs: Mutex<Vec<Timestamp>>,
    wrong: Mutex<Vec<String>>,
    noons: Mutex<usize>,
    control: Arc<Control>,
    stop: CancellationToken,
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        let before = self.now();
        let mut after = before.checked_add(duration).unwrap();
        // Off from the evening of the 22nd until the 25th, eleven o'clock.
        if march(23..=24, after) {
            after = TimeZone::get(ZONE).unwrap().to_timestamp(date(2026, 3, 25).at(11, 0, 0, 0)).unwrap();
        }
        *self.now.lock().unwrap() = after;
        let zone = TimeZone::get(ZONE).unwrap();
        let noon = zone.to_timestamp(day_of(after).at(12, 0, 0, 0)).unwrap();
        if before < noon && noon <= after {
            self.look(after);
        }
        if day_of(after) >= date(2026, 4, 1) {
            self.stop.cancel();
        }
    }
}

impl World {
    fn look(&self, now: Timestamp) {
        let mut facts = self.facts.lock().unwrap().clone();
        facts.next_run = self.control.next_runs().get("oak").copied();
        facts.paused = march(18..=20, now).then(|| "until 2026-03-21, by pat: an upgrade".to_owned());
        if march(16..=16, now) && facts.last.as_ref().is_some_and(|last| last.waiting > 0) {
            // Approved at three in the afternoon, after this look.
            let mut later = self.facts.lock().unwrap();
            later.last =
                Some(LastRun { number: 15, state: RunState::Done, waiting: 0, error: None, load: None });
            later.last_success = Some(now);
        }
        let day = day_of(now);
        let expected = NOONS[usize::try_from(day.day()).unwrap() - 1];
        let standing = judge(facts, now);
        let next = standing.next_run.unwrap();
        let at = TimeZone::get(ZONE).unwrap().to_datetime(next);
        *self.noons.lock().unwrap() += 1;
        if standing.state != expected
            || standing.why.is_empty()
            || at != day.tomorrow().unwrap().at(4, 30, 0, 0)
        {
            self.wrong.lock().unwrap().push(format!("{day}: {standing:?}, and it is {expected:?}"));
        }
        if !alive(self.control.heartbeat(), now) {
            self.wrong.lock().unwrap().push(format!("{day}: the scheduler is said to hang"));
        }
    }
}

#[async_trait]
impl Runs for World {
    async fn run(&self, _: &str) -> Outcome {
        let now = self.now();
        self.runs.lock().unwrap().push(now);
        if march(18..=20, now) {
            return Outcome::Ended;
        }
        let mut facts = self.facts.lock().unwrap();
        let number = facts.last.as_ref().map_or(1, |last| last.number + 1);
        let mut last = LastRun { number, state: RunState::Done, waiting: 0, error: None, load: None };
        let mut outcome = Outcome::Ended;
        if march(5..=6, now) {
            last.state = RunState::Failed;
            last.error = Some("the ILS cannot be reached".to_owned());
            outcome = Outcome::TryLater;
        } else if march(15..=16, now) {
            (last.state, last.waiting) = (RunState::Waiting, 40);
        } else {
            facts.last_success = Some(now);
        }
        if !march(9..=12, now) {
            facts.roster_as_of = Some(now - SignedDuration::from_hours(1));
        }
        facts.last = Some(last);
        outcome
    }
}

#[test]
fn health_tells_the_truth_each_noon_of_a_month() {
    let zone = TimeZone::get(ZONE).unwrap();
    let schedule = Schedule::new("30 4 * * *", zone.clone()).unwrap();
    let control = Arc::new(Control::default());
    let facts = Facts {
        name: "oak".to_owned(),
        schedule: Some(("30 4 * * *".to_owned(), schedule.clone())),
        roster_every: Some(Duration::from_secs(86_400)),
        ..Facts::default()
    };
    let world = Arc::new(World {
        now: Mutex::new(zone.to_timestamp(date(2026, 3, 1).at(0, 0, 0, 0)).unwrap()),
        facts: Mutex::new(facts),
        runs: Mutex::default(),
        wrong: Mutex::default(),
        noons: Mutex::default(),
        control: control.clone(),
        stop: CancellationToken::new(),
    });
    control.set_jobs(vec![Job { name: "oak".to_owned(), schedule, last_run: None }]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(run(control, world.clone(), world.clone(), world.stop.clone()));
    assert_eq!(*world.wrong.lock().unwrap(), Vec::<String>::new());
    assert_eq!(
        *world.noons.lock().unwrap(),
        29,
        "each noon but those of the two days on which the machine was off"
    );
    // 29 days of one run; on each of the two days without the ILS three more tries.
    let runs = world.runs.lock().unwrap();
    assert_eq!(runs.len(), 29 + 2 * 3, "{runs:?}");
}
