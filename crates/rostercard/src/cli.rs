//! The command line. Its doc comments are the help.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Student rosters in, library cards out.
#[derive(Debug, Parser)]
#[command(
    name = "rostercard",
    version,
    about,
    max_term_width = 100,
    after_help = "Exit codes: 0 done; 1 failed; 2 done, with rejected rows; 3 changes wait for approval; \
                  64 usage; 75 try again later; 78 configuration."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The configuration; partnerships/ lies beside it.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/rostercard/rostercard.toml")]
    pub(crate) config: PathBuf,
    /// Print JSON, for scripts.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Write a log to standard error: error, warn, info, debug or trace. Never holds a value about a person.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A practice district and a practice ILS, cards made before your eyes.
    Demo(Demo),
    /// Write a starting configuration.
    Init(Init),
    /// Find every problem in the configuration.
    Check(Check),
    /// What a sync would do, by school and reason; writes nothing to the ILS.
    Plan(OnePartnership),
    /// One run now.
    Sync(OnePartnership),
    /// The daemon: every partnership by its schedule, until it is stopped.
    Run,
    /// Let waiting changes through, and make them.
    Approve(Approve),
    /// Drop waiting changes: nothing was written of them, and nothing will be.
    Discard(Discard),
    /// How the partnerships stand.
    Status,
    /// The last runs.
    Runs(Runs),
    /// One run: counts by school, what waits and why, what was noticed.
    Show(Show),
    /// What a roster source says.
    Source {
        #[command(subcommand)]
        command: SourceCommand,
    },
    /// What an ILS can do, and what it holds.
    Ils {
        #[command(subcommand)]
        command: IlsCommand,
    },
    /// Practice systems that speak the real protocols, with invented people.
    Practice {
        #[command(subcommand)]
        command: PracticeCommand,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many students the practice district has.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(20..=20_000))]
    pub(crate) students: u32,
    /// Another number, another district.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Keep the files of the demo in this folder, and leave the practice ILS's page open until Ctrl-C.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where the configuration goes; it must not be there yet.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// The library's name.
    #[arg(long, default_value = "My Library")]
    pub(crate) library: String,
    /// The library's time zone.
    #[arg(long, default_value = "America/Los_Angeles")]
    pub(crate) timezone: String,
    /// The partnership's name: lowercase letters, digits, hyphens.
    #[arg(long, default_value = "my-district")]
    pub(crate) partnership: String,
    /// The district's name.
    #[arg(long, default_value = "My School District")]
    pub(crate) district: String,
    /// The district's OneRoster package: a zip or a folder.
    #[arg(long, value_name = "PATH", default_value = "/var/lib/rostercard/rosters/my-district.zip")]
    pub(crate) package: PathBuf,
    /// The ILS's NCIP address.
    #[arg(long, value_name = "URL", default_value = "https://ils.example.org/ncip")]
    pub(crate) ncip: String,
    /// The folder of the state store.
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/rostercard")]
    pub(crate) state: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Try every login, permission and code too.
    #[arg(long)]
    pub(crate) online: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OnePartnership {
    /// The partnership: the name of its file.
    pub(crate) partnership: String,
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The run, by its number.
    pub(crate) run: i64,
    /// Only this school's changes: its code, or its name as `show` prints it.
    #[arg(long, value_name = "SCHOOL")]
    pub(crate) only_school: Option<String>,
    /// Only this kind of change: create, update, renew, lapse or restore.
    #[arg(long, value_name = "KIND")]
    pub(crate) only_kind: Option<String>,
    /// The digest of the plan that was looked at; another one is refused.
    #[arg(long)]
    pub(crate) digest: Option<String>,
    /// Who approves; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Discard {
    /// The run, by its number.
    pub(crate) run: i64,
    /// Only this school's changes: its code, or its name as `show` prints it.
    #[arg(long, value_name = "SCHOOL")]
    pub(crate) only_school: Option<String>,
    /// Only this kind of change: create, update, renew, lapse or restore.
    #[arg(long, value_name = "KIND")]
    pub(crate) only_kind: Option<String>,
    /// Who discards; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// Of this partnership alone.
    pub(crate) partnership: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 20)]
    pub(crate) most: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The run, by its number.
    pub(crate) run: i64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Every person of a partnership's roster; with --json a line each, and a last line that says whether it was whole.
    Students {
        /// The partnership: the name of its file.
        partnership: String,
        /// Show names and birth dates. Never send such a listing by mail.
        #[arg(long)]
        reveal: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum IlsCommand {
    /// What an ILS can do, and how that is known. Writes nothing.
    Probe {
        /// The ILS, by its name in rostercard.toml.
        ils: String,
    },
    /// Look one card up.
    Find {
        /// The ILS, by its name in rostercard.toml.
        ils: String,
        /// The card's number.
        #[arg(long)]
        barcode: String,
        /// Show the patron's name and birth date too.
        #[arg(long)]
        reveal: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PracticeCommand {
    /// A practice ILS; prints a JSON line with its addresses once it listens. Port 0 picks one.
    Ils {
        /// Where NCIP listens.
        #[arg(long, default_value = "127.0.0.1:0")]
        ncip: SocketAddr,
        /// Where its page listens; the same address serves both.
        #[arg(long, default_value = "127.0.0.1:0")]
        page: SocketAddr,
        /// Keep the patrons in this file.
        #[arg(long, value_name = "FILE")]
        patrons: Option<PathBuf>,
        /// How long every answer takes, in milliseconds.
        #[arg(long, default_value_t = 0)]
        latency_ms: u64,
        /// How it behaves.
        #[arg(long)]
        personality: Option<String>,
    },
    /// Write the OneRoster package of a practice district.
    Roster {
        /// How many students.
        #[arg(long)]
        students: u32,
        /// Another number, another district.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The day after the start: each day a few people come, go, move and are corrected.
        #[arg(long, default_value_t = 0)]
        day: u32,
        /// A folder, or a file whose name ends in .zip.
        #[arg(long)]
        out: PathBuf,
        /// The version of OneRoster: 1.1 or 1.2.
        #[arg(long, default_value = "1.2")]
        oneroster: String,
    },
}
