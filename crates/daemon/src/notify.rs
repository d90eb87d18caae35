//! What systemd is told, where it started the daemon. Without its socket nothing is said, and nothing is wrong.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rostercard_engine::Clock;
use sd_notify::NotifyState;

use crate::scheduler::Control;

/// Started, or done with reloading. `status` is a line for `systemctl status`.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is being read again.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "The service manager cannot be told of the reload."),
    }
}

/// Stopping: writes under way are finished first.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping; writes under way are finished first")]);
}

/// How often the watchdog wants to hear of us, where the unit has one.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Feeds the watchdog for as long as the scheduler goes round and no run hangs.
pub async fn feed(every: Duration, control: Arc<Control>, clock: Arc<dyn Clock>) {
    // On a thread of its own: where nobody reads the socket, telling blocks, and nothing else of the daemon may wait for it.
    let (beat, beats) = std::sync::mpsc::sync_channel::<()>(1);
    let teller = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        for () in beats {
            tell(&[NotifyState::Watchdog]);
        }
    });
    if let Err(error) = teller {
        tracing::error!(%error, "The watchdog cannot be fed.");
        return;
    }
    loop {
        let now: Timestamp = clock.now();
        if control.is_well(now) {
            // Full: the last one was not even taken yet.
            let _taken = beat.try_send(());
        }
        clock.sleep(every / 2).await;
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "The service manager cannot be told.");
    }
}
