//! `run`: the daemon. It puts the scheduler, the listener, the signals and the store together.
//!
//! The store is open for writing only while a run is under way, so that a person can `approve` in between. `[state]` and
//! `[http]` are those of the start; everything else is read again at SIGHUP, each partnership for itself.

mod acting;
mod gather;
mod page;
mod people;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use rostercard_config::{Partnership, Style};
use rostercard_core::plan::RunState;
use rostercard_core::ports::Retry;
use rostercard_daemon::health::{Facts, Health, alive, judge, overall};
use rostercard_daemon::http::{Inside, serve};
use rostercard_daemon::metrics::{Metrics, RunFacts};
use rostercard_daemon::{Control, Job, Outcome, Runs, notify};
use rostercard_engine::{EngineError, Quiet, RunReport, World};
use rostercard_page::door::Door;
use rostercard_store::{Store, StoreError};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::Global;
use crate::commands::status::facts;
use crate::exit::Exit;
use crate::machine::{self, Environment, SystemClock, SystemEntropy};
use crate::output::complain;
use crate::setup::{Setup, schedule_of, until};

/// Runs until SIGTERM or Ctrl-C.
pub(crate) async fn daemon(global: &Global, environment: &Environment) -> Result<Exit, Exit> {
    let setup = Arc::new(Setup::read(global, environment));
    let main = setup.main()?;
    setup.print_problems(Style::Plain);
    // Made here, and its key tried, so that a wrong one is said now and not in the night.
    drop(setup.store()?);
    let mut signals = Signals::new().map_err(|error| {
        complain(global.json, &format!("signals cannot be received: {error}"), "");
        Exit::Failed
    })?;
    let listener = match main.http.listen {
        None => None,
        Some(at) => Some(TcpListener::bind(at).await.map_err(|error| {
            let hint = "is another program there already? See [http] listen in rostercard.toml";
            complain(global.json, &format!("the daemon cannot listen at {at}: {error}"), hint);
            Exit::Configuration
        })?),
    };
    if let Some(at) = listener.as_ref().and_then(|listener| listener.local_addr().ok()) {
        tracing::info!(%at, "Listening.");
    }
    let world = World::new(Arc::new(SystemClock), Arc::new(SystemEntropy), Arc::new(Quiet));
    let daemon = Arc::new(Daemon {
        first: setup.clone(),
        now: Mutex::default(),
        turns: Mutex::default(),
        trouble: Mutex::default(),
        somebody_to_tell: Notify::new(),
        writer: Mutex::new(None),
        control: Arc::default(),
        metrics: Metrics::new(env!("CARGO_PKG_VERSION")),
        world: world.clone(),
        at_work: Mutex::default(),
        door: Mutex::default(),
        acting: TaskTracker::new(),
    });
    let put_up = daemon.take_over(&setup).await?;
    let stop = CancellationToken::new();
    let clock = world.clock.clone();
    let scheduler = tokio::spawn(rostercard_daemon::run(
        daemon.control.clone(),
        Arc::new(Making(daemon.clone())),
        clock.clone(),
        stop.clone(),
    ));
    let serving = listener.map(|listener| {
        tokio::spawn(serve(listener, daemon.clone(), page::routes(daemon.clone()), stop.clone()))
    });
    let telling = tokio::spawn(people::tell_people(daemon.clone(), stop.clone()));
    let feeling = tokio::spawn(people::feel_the_web(daemon.clone()));
    let feeding =
        notify::watchdog().map(|every| tokio::spawn(notify::feed(every, daemon.control.clone(), clock)));
    notify::ready(&put_up);
    tracing::info!("{put_up}");
    while signals.next().await == Asked::Reload {
        notify::reloading();
        let words = daemon.reload(global, environment).await;
        tracing::info!("{words}");
        notify::ready(&words);
    }
    notify::stopping();
    tracing::info!("Stopping: writes under way are finished first.");
    world.ask_to_stop();
    stop.cancel();
    daemon.acting.close();
    let finished = async { tokio::join!(scheduler, daemon.acting.wait()).0 };
    let exit = tokio::select! {
        ended = finished => if ended.is_ok() { Exit::Done } else { Exit::Failed },
        () = signals.again() => Exit::Failed,
    };
    let tasks = [Some(telling.abort_handle()), Some(feeling.abort_handle())];
    let others = [serving.map(|task| task.abort_handle()), feeding.map(|task| task.abort_handle())];
    tasks.into_iter().chain(others).flatten().for_each(|task| task.abort());
    Ok(exit)
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// Asked to stop a second time.
    async fn again(&mut self) {
        while self.next().await == Asked::Reload {}
    }
}

/// The partnerships as they run now.
#[derive(Default)]
struct Now {
    /// Each with the configuration that last checked for it.
    good: BTreeMap<String, Arc<Setup>>,
    /// Those that have none.
    broken: Vec<String>,
    /// The configuration that was last taken over: whose library and contacts count.
    latest: Option<Arc<Setup>>,
    /// The configuration that was read last, with its mistakes.
    newest: Option<Arc<Setup>>,
}

struct Daemon {
    /// The configuration of the start: where the store is.
    first: Arc<Setup>,
    now: Mutex<Now>,
    /// Whose turn it is at each ILS: runs at one ILS come one after the other, so that its limits hold whatever the schedules say;
    /// and at each source that several share, so that nobody waits inside a run for one.
    turns: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Why the last run of a partnership could not even begin.
    trouble: Mutex<BTreeMap<String, String>>,
    /// A run has ended, or the configuration was read: people may have to be told.
    somebody_to_tell: Notify,
    /// The store, while a run has it.
    writer: Mutex<Option<Weak<dyn Store>>>,
    control: Arc<Control>,
    metrics: Metrics,
    world: World,
    /// Whose turn it is at each partnership: a run's, or a person's on the page.
    at_work: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Who may see the page.
    door: Mutex<Door>,
    /// What people do on the page, to be waited for at the end.
    acting: TaskTracker,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn of<'s>(setup: &'s Setup, name: &str) -> Option<&'s Partnership> {
    setup.loaded.partnerships.iter().find(|(other, _)| other == name)?.1.as_ref().ok()
}

impl Daemon {
    /// Reads the configuration again. What checks is taken over; what does not keeps what it had.
    async fn reload(&self, global: &Global, environment: &Environment) -> String {
        let setup = Arc::new(Setup::read(global, environment));
        setup.print_problems(Style::Plain);
        if setup.loaded.main.is_err() {
            return "rostercard.toml has mistakes: everything goes on as it was".to_owned();
        }
        match self.take_over(&setup).await {
            Ok(words) => words,
            Err(_) => "the store cannot be read: everything goes on as it was".to_owned(),
        }
    }

    /// Takes over a configuration; what it came to, in words.
    async fn take_over(&self, setup: &Arc<Setup>) -> Result<String, Exit> {
        let mut next = Now { latest: Some(setup.clone()), ..Now::default() };
        let mut kept = 0;
        for (name, partnership) in &setup.loaded.partnerships {
            let old = lock(&self.now).good.get(name).cloned();
            match (partnership, old) {
                (Ok(_), _) => {
                    next.good.insert(name.clone(), setup.clone());
                }
                (Err(_), Some(old)) => {
                    kept += 1;
                    tracing::warn!(partnership = name, "Its file has mistakes: it goes on as it was.");
                    next.good.insert(name.clone(), old);
                }
                (Err(_), None) => {
                    tracing::error!(partnership = name, "Its file has mistakes: it does not run.");
                    next.broken.push(name.clone());
                }
            }
        }
        let mut jobs = Vec::new();
        let store = self.first.store_to_read()?;
        for (name, setup) in &next.good {
            let (Some(partnership), Ok(main)) = (of(setup, name), &setup.loaded.main) else { continue };
            let Some((_, schedule)) = schedule_of(partnership, main) else { continue };
            let last_run = match &store {
                Some(store) => {
                    let last = last_run(&**store, partnership.id.as_str()).await;
                    last.map_err(|error| self.first.store_error(&error))?
                }
                None => None,
            };
            jobs.push(Job { name: name.clone(), schedule, last_run });
        }
        let mut words = format!("{} partnerships, {} of them by a schedule", next.good.len(), jobs.len());
        if kept > 0 {
            words.push_str(&format!("; {kept} with mistakes go on as they were"));
        }
        if !next.broken.is_empty() {
            words.push_str(&format!("; {} cannot run: see `rostercard check`", next.broken.len()));
        }
        if let Ok(main) = &setup.loaded.main {
            let most =
                jiff::SignedDuration::try_from(main.daemon.hung_after).unwrap_or(jiff::SignedDuration::MAX);
            self.control.pulse().set_most(most);
        }
        next.newest = Some(setup.clone());
        *lock(&self.now) = next;
        page::take_tokens(&mut lock(&self.door), setup);
        self.control.set_jobs(jobs);
        self.somebody_to_tell.notify_one();
        Ok(words)
    }

    /// The store, opened where no other run has it already.
    fn store(&self) -> Result<Arc<dyn Store>, Exit> {
        let mut writer = lock(&self.writer);
        if let Some(store) = writer.as_ref().and_then(Weak::upgrade) {
            return Ok(store);
        }
        let store = self.first.store()?;
        *writer = Some(Arc::downgrade(&store));
        Ok(store)
    }

    /// The turn at a partnership.
    fn turn(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        lock(&self.at_work).entry(name.to_owned()).or_default().clone()
    }

    async fn attempt(self: &Arc<Self>, name: &str) -> Result<Result<RunReport, EngineError>, Exit> {
        let setup = lock(&self.now).good.get(name).cloned().ok_or(Exit::Configuration)?;
        let partnership = setup.partnership(name)?;
        let mut source = setup.source(partnership)?;
        crate::commands::backup::daily(&self.first)?;
        let mut world = self.world.clone();
        world.progress = Arc::new(people::Beats { daemon: self.clone(), run: name.to_owned() });
        let (engine, directory) = setup.engine_and_directory(partnership, self.store()?, world)?;
        let engine = engine.until(until(partnership, setup.main()?));
        let outcome = match engine.sync(&mut *source).await {
            Ok(report) => engine.release_settled(report, &mut *source).await,
            Err(error) => Err(error),
        };
        // What could not be handed over was said; the next run goes on with it.
        let _said = setup.finish(vec![directory]).await;
        Ok(outcome)
    }

    /// The turns that a partnership's run waits for, always in the same order: at its ILS, and at a source that it shares.
    fn turns(&self, name: &str) -> Vec<Arc<tokio::sync::Mutex<()>>> {
        let setup = lock(&self.now).good.get(name).cloned();
        let keys = setup.as_ref().and_then(|setup| of(setup, name)).map(|partnership| {
            let source = partnership.shared_source.as_ref().map(|source| format!("source {source}"));
            std::iter::once(format!("ILS {}", partnership.ils)).chain(source).collect::<Vec<_>>()
        });
        let mut turns = lock(&self.turns);
        keys.unwrap_or_default().into_iter().map(|key| turns.entry(key).or_default().clone()).collect()
    }

    /// Notes why a run could not even begin, or that one could.
    fn note_trouble(&self, name: &str, why: Option<String>) {
        let mut trouble = lock(&self.trouble);
        match why {
            Some(why) => trouble.insert(name.to_owned(), why),
            None => trouble.remove(name),
        };
    }

    fn count(&self, name: &str, state: &'static str, report: Option<&RunReport>, seconds: f64) {
        let nothing = rostercard_core::plan::Counts::default();
        let result = report.map(|report| &report.run.result);
        self.metrics.ran(&RunFacts {
            partnership: name,
            state,
            counts: result.map_or(&nothing, |result| &result.counts),
            writes: result.map_or(0, |result| result.writes),
            lookups: result.map_or(0, |result| result.lookups),
            seconds,
        });
    }
}

/// When the last sync began; a plan shows nobody to have been missed.
async fn last_run(store: &dyn Store, permanent_id: &str) -> Result<Option<jiff::Timestamp>, StoreError> {
    let Some(known) = store.partnerships().await?.into_iter().find(|p| p.permanent_id == permanent_id) else {
        return Ok(None);
    };
    let runs = store.runs(Some(known.id), 100).await?;
    Ok(runs.iter().find(|run| run.kind == "sync").or(runs.first()).map(|run| run.started_at))
}

/// Makes the runs, each on a thread of its own: the compiler cannot prove of a run's future that it may change threads.
struct Making(Arc<Daemon>);

#[async_trait]
impl Runs for Making {
    async fn run(&self, name: &str) -> Outcome {
        // Whoever waits for a turn is not at work yet.
        let mut turns = Vec::new();
        for turn in self.0.turns(name) {
            turns.push(turn.lock_owned().await);
        }
        if self.0.world.asked_to_stop() {
            return Outcome::Ended;
        }
        tracing::info!(partnership = name, "The run begins.");
        let _turn = self.0.turn(name).lock_owned().await;
        let began = self.0.world.clock.now();
        self.0.control.pulse().beat(name, began);
        let (daemon, partnership) = (self.0.clone(), name.to_owned());
        let here = tokio::runtime::Handle::current();
        let attempt = tokio::task::spawn_blocking(move || here.block_on(daemon.attempt(&partnership))).await;
        self.0.control.pulse().ended(name);
        drop(turns);
        let outcome = self.0.tell(name, attempt.unwrap_or(Err(Exit::Failed)), began);
        self.0.somebody_to_tell.notify_one();
        outcome
    }
}

impl Daemon {
    /// Counts a run and logs it; what the scheduler makes of it.
    fn tell(
        &self,
        name: &str,
        attempt: Result<Result<RunReport, EngineError>, Exit>,
        began: jiff::Timestamp,
    ) -> Outcome {
        let seconds = self.world.clock.now().duration_since(began).as_secs_f64().max(0.0);
        match attempt {
            Ok(Ok(report)) => {
                self.note_trouble(name, None);
                self.count(name, report.run.state.word(), Some(&report), seconds);
                if report.run.state == RunState::Waiting {
                    tracing::warn!(partnership = name, run = report.run.id.0, "Changes wait for approval.");
                }
                // An ILS that could not be asked ends a run as failed; stopped by us, it goes on at the next start.
                let failed = report.run.state == RunState::Failed && !self.world.asked_to_stop();
                match report.run.state {
                    RunState::Unfinished => Outcome::Unfinished,
                    _ if failed => Outcome::TryLater,
                    _ => Outcome::Ended,
                }
            }
            Ok(Err(error @ (EngineError::Paused { .. } | EngineError::Frozen { .. }))) => {
                self.count(name, "paused", None, seconds);
                tracing::info!(partnership = name, %error, "Nothing is done while it stands still.");
                Outcome::Ended
            }
            Ok(Err(error)) => {
                self.count(name, "failed", None, seconds);
                tracing::error!(partnership = name, %error, hint = error.hint(), "The run failed.");
                // A source that says no has its words in the run's row; a store that is in use is nobody's trouble.
                let told =
                    matches!(&error, EngineError::Source(_) | EngineError::Store(StoreError::Busy { .. }));
                self.note_trouble(name, (!told).then(|| error.to_string()));
                let later = match &error {
                    EngineError::Source(error) => error.retry == Retry::Later,
                    EngineError::Store(error) => matches!(error, StoreError::Busy { .. }),
                    _ => false,
                };
                if later { Outcome::TryLater } else { Outcome::Ended }
            }
            Err(exit) => {
                let why =
                    format!("the run could not begin (exit code {}): the daemon's log says why", exit.code());
                self.note_trouble(name, (exit != Exit::Later).then_some(why));
                self.count(name, "not_begun", None, seconds);
                tracing::error!(partnership = name, code = exit.code(), "The run could not begin.");
                if exit == Exit::Later { Outcome::TryLater } else { Outcome::Ended }
            }
        }
    }
}

#[async_trait]
impl Inside for Daemon {
    async fn health(&self) -> Result<Health, String> {
        let (good, broken) = {
            let now = lock(&self.now);
            (now.good.clone(), now.broken.clone())
        };
        let unreadable = |_| "the store cannot be read: see the log".to_owned();
        let store = self.first.store_to_read().map_err(unreadable)?;
        let mut next_runs = self.control.next_runs();
        let time = machine::now();
        let hung = self.control.pulse().hung(time);
        let mut standings = Vec::new();
        for (name, setup) in &good {
            let Some(partnership) = of(setup, name) else { continue };
            let facts =
                facts(setup, store.as_deref(), partnership).await.map_err(|error| error.to_string())?;
            let (next_run, hung_since) = (next_runs.remove(name), hung.get(name).copied());
            standings.push(judge(Facts { next_run, hung_since, ..facts }, time));
        }
        for name in broken {
            standings.push(judge(Facts { name, broken: true, ..Facts::default() }, time));
        }
        Ok(overall(standings, alive(self.control.heartbeat(), time)))
    }

    fn alive(&self) -> bool {
        self.control.is_well(machine::now())
    }

    fn metrics(&self, health: &Health) -> String {
        self.metrics.text(health)
    }
}
