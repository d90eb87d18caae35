//! The machine: the clock, randomness, the environment, the log. Nothing else in Rostercard touches these.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rostercard_config::MachineSecrets;
use rostercard_engine::{Clock, Entropy};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::Global;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Now.
#[expect(clippy::disallowed_methods, reason = "the program is the one place that reads the clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// The system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        fill(bytes);
    }
}

/// Fills bytes from the system's randomness.
#[expect(
    clippy::panic,
    reason = "without randomness a PIN or a key would be guessable: there is no going on"
)]
pub(crate) fn fill(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        panic!("the system gives no randomness: {error}");
    }
}

/// Fills bytes from the system's randomness, or says that there is none.
pub(crate) fn random(bytes: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(bytes).map_err(std::io::Error::other)
}

/// Whether a person sits at both ends: questions are seen, and answered.
pub(crate) fn is_a_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// What comes in by standard input, by lines.
pub(crate) fn lines() -> impl std::io::BufRead {
    std::io::BufReader::new(std::io::stdin())
}

/// The environment, read once.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Reads it.
    #[expect(clippy::disallowed_methods, reason = "the program is the one place that reads the environment")]
    pub(crate) fn read() -> Self {
        // A variable that is not UTF-8 is none of ours.
        let variables = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect();
        Self { variables }
    }

    /// All of it.
    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// The secrets that the configuration at `config` can name.
    pub(crate) fn secrets(&self, config: &Path) -> MachineSecrets {
        MachineSecrets {
            credentials: self.variables.get("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            base: config.parent().unwrap_or(Path::new("")).to_owned(),
            variables: self.variables.clone(),
        }
    }

    /// The login of whoever started the program; behind `sudo`, of whoever that was.
    pub(crate) fn login(&self) -> String {
        ["SUDO_USER", "LOGNAME", "USER"]
            .iter()
            .find_map(|name| self.variables.get(*name).filter(|v| !v.is_empty()))
            .cloned()
            .unwrap_or_else(|| "unknown".to_owned())
    }
}

/// The number of the user that a folder belongs to, where root is at work there and it is another's: what root makes in
/// it, that user could not open.
pub(crate) fn foreign_to_root(folder: &Path) -> Option<u32> {
    let ours = std::fs::metadata("/proc/self").ok()?.uid();
    let theirs = std::fs::metadata(folder).ok()?.uid();
    (ours == 0 && theirs != 0).then_some(theirs)
}

/// Starts the log, where one is wanted; the daemon has one unasked. Where systemd reads its standard error, the daemon
/// writes to the journal itself, so that fields can be searched.
pub(crate) fn start_logging(global: &Global, daemon: bool) {
    let level = match (&global.log, daemon) {
        (Some(level), _) => level.as_str(),
        (None, true) => "info",
        (None, false) => return,
    };
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let under_systemd = Environment::read().variables.contains_key("JOURNAL_STREAM");
    if daemon
        && under_systemd
        && !global.json
        && let Ok(journal) = tracing_journald::layer()
    {
        tracing_subscriber::registry().with(filter).with(journal).init();
        return;
    }
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    if global.json { log.json().init() } else { log.init() }
}
