//! The daemon tells people: after each run, and each minute besides, for reminders, late rosters and what ends.

use std::sync::Arc;
use std::time::Duration;

use rostercard_engine::{Phase, Progress};
use tokio_util::sync::CancellationToken;

use super::{Daemon, lock, of};
use crate::setup::Setup;
use crate::telling::{Known, Round, Teller, Tellers};

/// How often it is looked at who is to be told, whatever runs.
const EVERY: Duration = Duration::from_secs(60);
/// How often it is looked at whether answers came over the web.
const WEB: Duration = Duration::from_secs(2);

/// Tells the daemon that something of a run went on.
pub(super) struct Beats {
    pub(super) daemon: Arc<Daemon>,
    pub(super) run: String,
}

impl Beats {
    fn beat(&self) {
        self.daemon.control.pulse().beat(&self.run, self.daemon.world.clock.now());
    }
}

impl Progress for Beats {
    fn phase(&self, _: Phase, _: Option<u64>) {
        self.beat();
    }

    fn advance(&self, _: u64) {
        self.beat();
    }

    fn say(&self, message: &str) {
        tracing::info!(partnership = self.run, "{message}");
        self.beat();
    }
}

/// A roster that is walked page by page over the web shows nothing until it is whole: its pages show that it goes on.
pub(super) async fn feel_the_web(daemon: Arc<Daemon>) {
    let mut before = rostercard_web::answers();
    loop {
        daemon.world.clock.sleep(WEB).await;
        let answers = rostercard_web::answers();
        if answers != before {
            before = answers;
            daemon.control.pulse().beat_all(daemon.world.clock.now());
        }
    }
}

/// Tells people until it is told to stop.
pub(super) async fn tell_people(daemon: Arc<Daemon>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // On a thread of its own, as runs are: a roster may be read for it.
        let (here, inside) = (tokio::runtime::Handle::current(), daemon.clone());
        match tokio::task::spawn_blocking(move || here.block_on(round(&inside))).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => tracing::error!("{why}"),
            Err(fault) => tracing::error!(%fault, "People cannot be told: this is a fault of Rostercard."),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = daemon.somebody_to_tell.notified() => {}
            () = daemon.world.clock.sleep(EVERY) => {}
        }
    }
}

async fn round(daemon: &Daemon) -> Result<(), String> {
    let (latest, good, broken) = {
        let now = lock(&daemon.now);
        (now.latest.clone(), now.good.clone(), now.broken.clone())
    };
    let Some(latest) = latest else { return Ok(()) };
    let setups: Vec<Arc<Setup>> = std::iter::once(latest.clone()).chain(good.values().cloned()).collect();
    if setups.iter().all(|setup| setup.tellers.all().is_empty()) {
        return Ok(());
    }
    let said = |_| "People cannot be told: the store cannot be read.".to_owned();
    let store = daemon.first.store_to_read().map_err(said)?;
    let now = daemon.world.clock.now();
    let mut known: Vec<Known<'_>> = broken.iter().map(|name| Known::broken(name)).collect();
    for (name, setup) in &good {
        let Some(partnership) = of(setup, name) else { continue };
        let trouble = lock(&daemon.trouble).get(name).cloned();
        let gathered = Known::gather(setup, store.as_deref(), partnership, trouble.as_ref(), now).await;
        known.push(gathered.map_err(|error| format!("People cannot be told: {error}"))?);
    }
    // The library's contacts are those of now; a partnership whose file has mistakes goes on with its own.
    let theirs = good.iter().flat_map(|(name, setup)| {
        let whose = move |teller: &&Teller| teller.partnership.as_ref() == Some(name);
        setup.tellers.all().iter().filter(whose).map(|teller| (&setup.tellers, teller))
    });
    let tellers: Vec<(&Tellers, &Teller)> = latest
        .tellers
        .all()
        .iter()
        .filter(|teller| teller.partnership.is_none())
        .map(|teller| (&latest.tellers, teller))
        .chain(theirs)
        .collect();
    let (path, key) = (daemon.first.store_path().map_err(said)?, daemon.first.store_key().map_err(said)?);
    let round = Round { path, key, store: store.as_deref(), setup: &latest, known: &known, now };
    let told = round.tell(&tellers).await.map_err(|error| format!("People cannot be told: {error}"))?;
    for told in told {
        match told.result {
            Ok(()) => tracing::info!(contact = told.contact, "Told: {}", told.subject),
            Err(error) => {
                tracing::error!(contact = told.contact, %error, hint = error.hint(), "A message did not go out.");
            }
        }
    }
    Ok(())
}
