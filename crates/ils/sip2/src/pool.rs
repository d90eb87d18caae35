//! The connections to one server: few, kept, tried before they are used, and never opened in haste after a failure.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_sip2::{AcsStatus, Call, Failure};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use crate::connection::{Asked, Connection, SharedTls};
use crate::settings::Sip2Settings;
use crate::tls::{self, TlsError};

/// The longest wait between two connections that fail.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(10);

/// The connections.
pub(crate) struct Pool {
    tls: SharedTls,
    permits: Semaphore,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    idle: Vec<Connection>,
    /// An error that no new connection can mend: a wrong login.
    fatal: Option<ConnectorError>,
    failures: u32,
    not_before: Option<Instant>,
    status: Option<AcsStatus>,
}

impl Pool {
    pub(crate) fn new(settings: &Sip2Settings) -> Result<Self, TlsError> {
        Ok(Self {
            tls: tls::set_up(&settings.tls, &settings.host)?.map(Arc::new),
            permits: Semaphore::new(settings.max_connections.max(1)),
            kept: Mutex::default(),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the server last said of itself.
    pub(crate) fn status(&self) -> Option<AcsStatus> {
        self.kept().status.clone()
    }

    /// Asks a question. One that may be repeated is asked once more where a kept or fresh connection was closed under it.
    pub(crate) async fn ask(&self, settings: &Sip2Settings, call: Call) -> Asked {
        let Ok(_permit) = self.permits.acquire().await else { return Asked::NotSent(closed(settings)) };
        let mut tries = 0;
        loop {
            let mut connection = match self.connection(settings).await {
                Ok(connection) => connection,
                Err(error) => return Asked::NotSent(error),
            };
            let asked = connection.ask(call.clone(), &settings.origin()).await;
            if connection.is_open() {
                self.kept().idle.push(connection);
            }
            match asked {
                // No number was left on this connection; nothing was sent. It is dropped, another has all of them.
                Err(_) if tries < 2 => self.kept().idle.clear(),
                Err(refused) => return Asked::NotSent(crate::fault::refused(refused, &settings.origin())),
                Ok(Asked::Failed(Failure::Closed)) if call.repeatable && tries == 0 => {}
                Ok(asked) => return asked,
            }
            tries += 1;
        }
    }

    /// A connection that can be asked.
    async fn connection(&self, settings: &Sip2Settings) -> Result<Connection, ConnectorError> {
        loop {
            let kept = self.kept().idle.pop();
            let Some(mut connection) = kept else { break };
            if connection.is_good(settings.keepalive).await {
                return Ok(connection);
            }
        }
        let not_before = {
            let kept = self.kept();
            if let Some(fatal) = &kept.fatal {
                return Err(fatal.clone());
            }
            kept.not_before
        };
        if let Some(not_before) = not_before {
            sleep_until(not_before).await;
        }
        let opened = Connection::open(settings, self.tls.as_deref()).await;
        let mut kept = self.kept();
        match opened {
            Ok(connection) => {
                (kept.failures, kept.not_before) = (0, None);
                if connection.status.is_some() {
                    kept.status.clone_from(&connection.status);
                }
                Ok(connection)
            }
            Err(error) => {
                if error.retry == Retry::NotThisTarget && error.fault == Fault::Operator {
                    kept.fatal = Some(error.clone());
                }
                let wait = settings.back_off.saturating_mul(1 << kept.failures.min(10)).min(LONGEST_BACK_OFF);
                kept.failures += 1;
                kept.not_before = Some(Instant::now() + wait);
                Err(error)
            }
        }
    }

    /// Closes what nobody uses: many servers have a licence for each connection.
    pub(crate) fn close_idle(&self) {
        self.kept().idle.clear();
    }
}

fn closed(settings: &Sip2Settings) -> ConnectorError {
    let message = format!("{}: the connections were closed", settings.origin());
    ConnectorError::new(Fault::Rostercard, Retry::Later, message, "Start it again.")
}
