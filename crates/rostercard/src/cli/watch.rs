//! The commands by which people watch and are told.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

/// What belongs to watching and telling.
#[derive(Debug, Subcommand)]
pub(crate) enum WatchCommand {
    /// Who is told of what, and whether a message reaches them.
    Contacts {
        #[command(subcommand)]
        command: ContactsCommand,
    },
    /// One line and an exit code, for Nagios, Icinga and their kin: 0 ok, 1 warning, 2 critical, 3 unknown.
    Healthcheck(Healthcheck),
    /// When the partnerships run next, in words.
    Schedule(Schedule),
    /// One page of Markdown for a successor: contacts, partnerships, decisions, what ends, where things are. No student is in it.
    Handbook(Handbook),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContactsCommand {
    /// Who is told of what.
    List,
    /// Send a test message, and say what came of it.
    Test {
        /// The contact, by its name; everybody otherwise.
        name: Option<String>,
    },
    /// Tell everybody who is to be told now. The daemon does it each minute; this is for those who sync from a timer.
    Tell,
}

#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    /// Ask the daemon: the address of its `[http] listen`. Otherwise it is judged from the store, as `status` does.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// No answer within this time is critical.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) deadline: Duration,
    /// Only this partnership.
    #[arg(long, value_name = "NAME")]
    pub(crate) partnership: Option<String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<u64>().ok().filter(|seconds| (1..=300).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "write whole seconds, 1 to 300".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Schedule {
    /// The partnership: the name of its file; all of them otherwise.
    pub(crate) partnership: Option<String>,
    /// How many runs of each.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) next: u8,
}

#[derive(Debug, Args)]
pub(crate) struct Handbook {
    /// A file, which must not be there yet; otherwise it is printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write over the file where it is there.
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
}
