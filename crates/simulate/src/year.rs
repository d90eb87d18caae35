//! One school year: sixty feeds, and everything that happens between and within them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rostercard_core::plan::RunState;
use rostercard_engine::{Engine, EngineError, PartnershipSettings, Quiet, RunReport, World};
use rostercard_store::rows::{ChangeSelection, NewPause, PauseScope, RunId};
use rostercard_store::{Store, StoreError};

use crate::check::{Ledger, Watch};
use crate::dice::Dice;
use crate::disk::{Disk, DiskFaults, HardStore};
use crate::district::{Delivery, District, FIRST_IDS, Feed, MARK, Truth};
use crate::ils::{SimIls, WireFaults};
use crate::laws::{Court, Invariant, Violation};
use crate::partnership;
use crate::power::{Ended, Power, SimClock, SimEntropy, drive, lock, wait_for};

/// Feeds in a year.
pub const FEEDS: u32 = 60;
/// Students with whom a year begins, without the twin and the namesake that join them.
pub const STUDENTS: usize = 40;

/// What came of a year.
#[derive(Debug, Clone, Default)]
pub struct Year {
    /// The first law that was broken.
    pub violation: Option<Violation>,
    /// What the year had to bear, and what was done: counts by name.
    pub figures: BTreeMap<&'static str, u64>,
    /// Everything that happened, where it was asked for.
    pub trace: Vec<String>,
}

/// Lives one year of a seed. The same seed and year give the same in every detail.
#[must_use]
pub fn live(seed: u64, year: u64, trace: bool) -> Year {
    let court = Arc::new(Court::default());
    if trace {
        court.keep_all();
    }
    let dice = Dice::of_year(seed, year);
    if let Err(error) = School::begin(dice, Arc::clone(&court)).and_then(|mut school| school.year()) {
        court.broken(Invariant::OpensAgain, || format!("the store cannot be used: {error}"));
    }
    let (violation, figures, trace) = court.close(seed, year);
    Year { violation, figures, trace }
}

/// What a person asks of the program.
#[derive(Debug, Clone)]
enum Job {
    Sync,
    Plan,
    Approve(RunId, ChangeSelection, Option<String>),
    Discard(RunId, ChangeSelection),
}

impl Job {
    const fn word(&self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Plan => "plan",
            Self::Approve(..) => "approve",
            Self::Discard(..) => "discard",
        }
    }
}

/// What goes wrong in one run.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    wire: WireFaults,
    disk: DiskFaults,
    /// The power fails after so many steps.
    power: Option<u64>,
}

/// How a run ended, for what comes next.
enum Came {
    Report(Box<RunReport>),
    Error(EngineError),
    Crash,
}

/// Everything that outlives a process.
struct School {
    dice: Dice,
    court: Arc<Court>,
    clock: Arc<SimClock>,
    power: Arc<Power>,
    entropy: Arc<SimEntropy>,
    truth: Arc<Mutex<Truth>>,
    ils: Arc<SimIls>,
    district: District,
    settings: PartnershipSettings,
    disk: Disk,
    watch: Watch,
    /// Whether a person has let anything through.
    let_through: bool,
    /// An approval may have been cut short: the next run goes on with it.
    approval_open: bool,
    /// Since when and until when, by the machine's clock.
    paused: Option<(Timestamp, Timestamp)>,
}

impl School {
    fn begin(mut dice: Dice, court: Arc<Court>) -> Result<Self, StoreError> {
        // The first of August of a year that matters to nobody.
        let start = Timestamp::from_second(1_785_556_800).unwrap_or(Timestamp::UNIX_EPOCH);
        let clock = Arc::new(SimClock::new(start));
        let power = Arc::new(Power::default());
        let truth = Arc::new(Mutex::new(Truth::default()));
        let settings = partnership::settings(&mut dice).ok_or_else(|| StoreError::NotFound {
            what: "number template or day of the year in the simulated rules".to_owned(),
        })?;
        let disk = Disk::new(dice.chance(250), dice.fork())?;
        let district = District::new(dice.fork(), STUDENTS, Arc::clone(&truth));
        let ils = SimIls::new(
            dice.fork(),
            Arc::clone(&clock),
            Arc::clone(&power),
            Arc::clone(&truth),
            Arc::clone(&court),
        );
        let entropy = Arc::new(SimEntropy(Mutex::new(dice.fork())));
        court.say(|| {
            format!(
                "numbers {}, store in {}, on leaving {}, {:?}",
                if matches!(settings.rules.card.number, rostercard_core::rules::number::NumberRule::Range(_))
                {
                    "from a range"
                } else {
                    "by template"
                },
                if disk.in_file() { "a file" } else { "memory" },
                settings.on_leaving,
                ils.personality
            )
        });
        Ok(Self {
            watch: Watch::new(Arc::clone(&court)),
            dice,
            court,
            clock,
            power,
            entropy,
            truth,
            ils: Arc::new(ils),
            district,
            settings,
            disk,
            let_through: false,
            approval_open: false,
            paused: None,
        })
    }

    fn year(&mut self) -> Result<(), StoreError> {
        for step in 1..=FEEDS {
            self.court.step(step);
            self.feed(step)?;
            if self.court.is_over() {
                return Ok(());
            }
        }
        self.court.step(FEEDS + 1);
        self.calm()
    }

    // ---- a day ----

    fn feed(&mut self, step: u32) -> Result<(), StoreError> {
        let hours = if self.dice.chance(30) { 24 * 20 } else { 20 + self.dice.below(24 * 10) };
        self.clock.advance(Duration::from_secs(hours * 3_600 + self.dice.below(3_600)));
        let day = TimeZone::UTC.to_datetime(self.clock.truth()).date();
        for line in self.district.pass(day, step == 3) {
            self.court.say(|| line);
        }
        for _ in 0..self.dice.pick(&[0, 0, 0, 1, 1, 2, 4]).unwrap_or(0) {
            let next_id = self.district.next_id();
            let act = self.ils.staff(&mut self.dice, &next_id);
            if let Some(line) = act {
                self.court.count("acts of staff", 1);
                self.court.say(|| line);
            }
        }
        self.clock_jumps();
        self.maybe_pause()?;
        let kind = self.dice.weighted(&[
            (60, Feed::Good),
            (8, Feed::Mistake),
            (6, Feed::Damaged),
            (3, Feed::Nameless),
            (4, Feed::Unshared),
            (2, Feed::Empty),
            (2, Feed::HeaderOnly),
            (3, Feed::Half),
            (3, Feed::NoSchool),
            (3, Feed::Old),
            (2, Feed::Broken),
            (2, Feed::Incomplete),
            (2, Feed::SourcePaused),
        ]);
        let delivery = self.district.deliver(kind.unwrap_or(Feed::Good), self.clock.truth());
        self.court.count("feeds", 1);
        self.court.say(|| format!("{day}: {:?} roster with {} people", delivery.kind, delivery.people.len()));
        self.double_start();
        let job = if self.dice.chance(60) { Job::Plan } else { Job::Sync };
        self.work_through(&job, &delivery)
    }

    /// The machine's clock goes wrong, or right again.
    fn clock_jumps(&mut self) {
        let seconds = match self.dice.below(60) {
            0 => 3_600,
            1 => -3_600,
            2 => 86_400 * 2,
            3 => -86_400,
            4..=9 => 0,
            _ => return,
        };
        self.court.count("clock jumps", u64::from(seconds != 0));
        self.court.say(|| format!("the machine's clock is wrong by {seconds} s"));
        self.clock.wrong_by(seconds);
    }

    /// Somebody pauses the partnership for some days.
    fn maybe_pause(&mut self) -> Result<(), StoreError> {
        if !self.dice.chance(15) {
            return Ok(());
        }
        let now = self.clock.machine();
        let until = now.checked_add(Duration::from_secs(86_400 * (1 + self.dice.below(9)))).unwrap_or(now);
        let store = self.disk.open()?;
        let pause = NewPause {
            scope: PauseScope::Partnership("simulated".to_owned()),
            since: now,
            until,
            reason: "a holiday".to_owned(),
            who: "administrator".to_owned(),
        };
        wait_for(store.pause(pause))?;
        self.paused = Some((now, until));
        self.court.count("pauses", 1);
        self.court.say(|| format!("somebody pauses the partnership until {until}"));
        Ok(())
    }

    /// A second program is started on the same store.
    fn double_start(&mut self) {
        if !self.disk.in_file() || !self.dice.chance(30) || self.disk.open().is_err() {
            return;
        }
        self.court.count("double starts", 1);
        let second = self.disk.second_start();
        let refused = matches!(second, Some(Err(StoreError::Busy { .. })));
        self.court.holds(Invariant::OneProcess, refused, || "a second program got the store".to_owned());
    }

    /// A job, started again after a crash or an error as a daemon would, then what a person makes of it.
    fn work_through(&mut self, job: &Job, delivery: &Delivery) -> Result<(), StoreError> {
        for attempt in 0..4 {
            let calm = attempt == 3 || self.dice.chance(400);
            let faults = if calm { Faults::default() } else { self.faults() };
            let came = self.one(job, delivery, faults)?;
            if self.court.is_over() {
                return Ok(());
            }
            let again = match came {
                Came::Crash | Came::Error(_) => true,
                Came::Report(report) if report.run.state == RunState::Failed => true,
                Came::Report(report) => {
                    let clean = calm && matches!(job, Job::Sync);
                    if clean && self.dice.chance(300) {
                        self.twice(&report, delivery)?;
                    }
                    return self.person(*report, delivery);
                }
            };
            if !again || self.dice.chance(250) {
                return Ok(());
            }
            let seconds = if self.dice.chance(500) { 1 } else { 600 + self.dice.below(7_200) };
            self.clock.advance(Duration::from_secs(seconds));
        }
        Ok(())
    }

    fn faults(&mut self) -> Faults {
        let dice = &mut self.dice;
        let mut faults = Faults::default();
        match dice.below(10) {
            0..=4 => faults.wire.per_mille = dice.pick(&[30, 100, 300]).unwrap_or(30),
            5 => faults.wire.down = true,
            6 => faults.wire.not_now = true,
            7 => faults.wire.login = dice.chance(400),
            8 => faults.wire.stop_after = Some(1 + dice.below(30)),
            _ => {}
        }
        if dice.chance(350) {
            let steps = dice.pick(&[12, 60, 250]).unwrap_or(60);
            faults.power = Some(dice.below(steps));
        }
        match dice.below(12) {
            0 => faults.disk.full = Some((1 + dice.below(60), 1 + dice.below(8))),
            1..=4 if faults.power.is_some() => faults.disk.lies_from = Some(1 + dice.below(50)),
            _ => {}
        }
        faults
    }

    /// The same roster once more, right after a run that ended well.
    fn twice(&mut self, first: &RunReport, delivery: &Delivery) -> Result<(), StoreError> {
        if !matches!(first.run.state, RunState::Done | RunState::DoneWithRejects | RunState::Waiting) {
            return Ok(());
        }
        let before = self.ledger()?;
        self.court.count("second runs", 1);
        let Came::Report(second) = self.one(&Job::Sync, delivery, Faults::default())? else {
            return Ok(());
        };
        let after = self.ledger()?;
        let writes = self.ils.sent().writes + second.run.result.writes;
        self.court.holds(Invariant::SecondRunWritesNothing, writes == 0, || format!("{writes} writes"));
        let learned = before.learned(&after);
        self.court.holds(Invariant::SecondRunWritesNothing, learned.is_empty(), || learned.join("; "));
        self.person(*second, delivery)
    }

    /// What a person makes of changes that wait: nobody approves what came of a roster that is plainly wrong.
    fn person(&mut self, report: RunReport, delivery: &Delivery) -> Result<(), StoreError> {
        if !matches!(report.run.state, RunState::Waiting | RunState::Planned) || self.court.is_over() {
            return Ok(());
        }
        let ledger = self.ledger()?;
        let wrong = delivery.is_doubtful() || self.watch.too_many_missing(&ledger, delivery);
        let selection = if self.dice.chance(250) {
            ChangeSelection { school: Some("A".to_owned()), ..ChangeSelection::default() }
        } else {
            ChangeSelection::default()
        };
        let run = report.run.id;
        let digest = report.run.plan.map(|plan| plan.digest);
        let job = match self.dice.below(10) {
            0..=6 if !wrong => Job::Approve(run, selection, digest),
            7 => Job::Discard(run, selection),
            _ => return Ok(()),
        };
        self.clock.advance(Duration::from_secs(self.dice.below(86_400)));
        let faults = if self.dice.chance(600) { Faults::default() } else { self.faults() };
        self.one(&job, delivery, faults)?;
        Ok(())
    }

    // ---- a run ----

    fn ledger(&mut self) -> Result<Ledger, StoreError> {
        self.watch.ledger(&*self.disk.open()?)
    }

    /// One run of the true engine, with its faults; then everything is held against the laws.
    fn one(&mut self, job: &Job, delivery: &Delivery, faults: Faults) -> Result<Came, StoreError> {
        let before = self.ledger()?;
        let now = self.clock.machine();
        let world = World::new(Arc::clone(&self.clock) as _, Arc::clone(&self.entropy) as _, Arc::new(Quiet));
        self.ils.begin(faults.wire, world.clone());
        self.court.say(|| format!("{} with {faults:?}", job.word()));
        let store = Arc::new(HardStore::new(&mut self.disk, Arc::clone(&self.power), faults.disk)?);
        let engine = Engine::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::clone(&self.ils) as _,
            self.settings.clone(),
            world,
        );
        self.power.fails_after(faults.power);
        let mut source = delivery.source(Arc::clone(&self.power));
        let ended = drive(&self.power, async {
            match job {
                Job::Sync => engine.sync(&mut source).await,
                Job::Plan => engine.plan(&mut source).await,
                Job::Approve(run, selection, digest) => {
                    engine.approve(*run, selection.clone(), "administrator", digest.as_deref()).await
                }
                Job::Discard(run, selection) => {
                    engine.discard(*run, selection.clone(), "administrator").await
                }
            }
        });
        self.power.fails_after(None);
        drop(engine);
        let (lied, refused) = (store.lied(), store.refused());
        drop(store);
        self.court.count("writes that found the disk full", refused);
        self.court.count(job.word(), 1);
        let came = match ended {
            Ended::Done(Ok(report)) => Came::Report(Box::new(report)),
            Ended::Done(Err(error)) => Came::Error(error),
            Ended::Cut => Came::Crash,
            Ended::Hung => {
                self.court.broken(Invariant::NeverHangs, || format!("a {} waits for nothing", job.word()));
                Came::Crash
            }
        };
        let mut went_back = false;
        if matches!(came, Came::Crash) {
            self.court.count("power cuts", 1);
            self.disk.close();
            if lied {
                self.disk.go_back()?;
                self.court.count("disks that lied", 1);
                went_back = true;
            }
            self.court
                .say(|| format!("the power fails{}", if lied { ", and the disk had lied" } else { "" }));
        }
        let after = self.ledger()?;
        if went_back {
            self.watch.meet(&after, &self.ils);
            self.ils.ledger_forgot(&self.watch.known(&after));
        }
        if after.settled() {
            self.ils.settled();
        }
        self.judge(job, delivery, &came, (&before, &after), (now, went_back));
        lock(&self.truth).known = self.watch.known(&after);
        Ok(came)
    }

    fn judge(
        &mut self,
        job: &Job,
        delivery: &Delivery,
        came: &Came,
        (before, after): (&Ledger, &Ledger),
        (now, went_back): (Timestamp, bool),
    ) {
        let sent = self.ils.sent();
        self.court.count("look-ups", sent.lookups);
        self.court.count("writes", sent.writes);
        self.watch.confirmed(after, &self.ils);
        self.watch.tell(before, after);
        match came {
            Came::Report(report) => {
                let counts = report.run.result.counts;
                self.court.say(|| format!("-> {} {counts:?}", report.run.state));
                for waits in &report.run.result.waiting_for {
                    self.court.say(|| {
                        format!("   waits for {}: {:?} of {:?}", waits.guard, waits.found, waits.limit)
                    });
                }
                self.watch.adds_up(report);
                self.impersonal(&format!("{:?}", report.run.result));
            }
            Came::Error(error) => {
                self.court.say(|| format!("-> {error}"));
                self.impersonal(&format!("{error} {error:?} {}", error.hint()));
            }
            Came::Crash => {}
        }
        let quiet = sent.lookups + sent.writes == 0;
        if matches!(job, Job::Plan | Job::Discard(..)) {
            self.court.holds(Invariant::LookingWritesNothing, quiet, || {
                format!("{} look-ups and {} writes of a {}", sent.lookups, sent.writes, job.word())
            });
        }
        if matches!(job, Job::Sync | Job::Approve(..))
            && self.paused.is_some_and(|(since, until)| since <= now && now < until)
        {
            self.court.holds(Invariant::PausedIsQuiet, quiet, || {
                format!("{} look-ups and {} writes", sent.lookups, sent.writes)
            });
        }
        let completed = matches!(came, Came::Report(_));
        let day = TimeZone::UTC.to_datetime(now).date();
        if matches!(job, Job::Sync) {
            if !self.let_through {
                self.court.holds(Invariant::FirstLoadWaits, sent.writes == 0, || {
                    format!("{} writes before a person let anything through", sent.writes)
                });
            }
            if !went_back {
                self.watch.sync(delivery, (before, after), (day, completed), self.approval_open, &self.ils);
            }
        }
        let well = match came {
            Came::Report(report) => report.run.state != RunState::Failed,
            _ => false,
        };
        match job {
            // A plan that was let through is gone on with by the next run, until one came to its end.
            Job::Approve(..) => {
                let begun =
                    !matches!(came, Came::Error(EngineError::Paused { .. } | EngineError::Selection(_)));
                if begun {
                    self.watch.let_through(delivery, day);
                    self.let_through = true;
                    self.approval_open = !well;
                }
            }
            Job::Sync if well => self.approval_open = false,
            _ => {}
        }
        if went_back {
            // What the disk forgot may have been an approval, or that it was carried out.
            self.approval_open = self.let_through;
        }
    }

    /// Nothing personal is in what people and logs get to see.
    fn impersonal(&self, text: &str) {
        let shown = [MARK, "ZQ", FIRST_IDS].iter().any(|mark| text.contains(mark));
        self.court.holds(Invariant::NothingPersonalInReports, !shown, || {
            "a personal value is in a report or an error".to_owned()
        });
    }

    // ---- the end ----

    /// All faults are over, people approve what waits; then everybody has what they should have.
    fn calm(&mut self) -> Result<(), StoreError> {
        self.clock.wrong_by(0);
        self.clock.advance(Duration::from_secs(86_400 * 12));
        let mut last = None;
        for run in 0..11 {
            // The last ones on one day: what was due that day, such as the yearly renewal, is done, and then all rests.
            if run < 9 {
                self.clock.advance(Duration::from_secs(86_400 * 3));
            }
            let delivery = self.district.deliver(Feed::Good, self.clock.truth());
            let mut came = self.one(&Job::Sync, &delivery, Faults::default())?;
            if let Came::Report(report) = &came
                && report.run.state == RunState::Waiting
            {
                let digest = report.run.plan.as_ref().map(|plan| plan.digest.clone());
                let approve = Job::Approve(report.run.id, ChangeSelection::default(), digest);
                self.one(&approve, &delivery, Faults::default())?;
                came = self.one(&Job::Sync, &delivery, Faults::default())?;
            }
            if self.court.is_over() {
                return Ok(());
            }
            last = match came {
                Came::Report(report) => Some(report),
                _ => None,
            };
        }
        let rests = last.as_ref().is_some_and(|report| {
            let done = matches!(report.run.state, RunState::Done | RunState::DoneWithRejects);
            done && report.run.result.writes == 0 && report.run.result.unsettled == 0
        });
        self.court.holds(Invariant::ComesToRest, rests, || {
            let last = last.as_ref().map(|report| (report.run.state, &report.run.result));
            format!("the last run: {last:?}")
        });
        let present: BTreeSet<usize> =
            (0..self.district.pupils.len()).filter(|i| self.district.pupils[*i].enrolled).collect();
        let ledger = self.ledger()?;
        self.watch.nobody_lost(&self.district, &present, &ledger, &self.ils);
        Ok(())
    }
}
