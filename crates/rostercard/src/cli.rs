//! The command line. Its doc comments are the help.

pub(crate) mod init;
pub(crate) mod people;
pub(crate) mod watch;

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
    /// Write a starting configuration: asks on a terminal, or takes flags. Nothing that is there is written over.
    Init(Box<init::Init>),
    /// The JSON Schema of the configuration's files, for editors.
    Schema {
        /// Which file.
        #[arg(value_enum, default_value = "main")]
        of: SchemaOf,
    },
    /// Find every problem in the configuration.
    Check(Check),
    /// What a sync would do, by school and reason; writes nothing to the ILS.
    Plan(OnePartnership),
    /// One run now.
    Sync(Sync),
    /// One run over a file that somebody gives: everybody, or newcomers. The file stays where it is.
    Import(Import),
    /// The daemon: every partnership by its schedule, until it is stopped.
    Run,
    /// Let waiting changes through, and make them.
    Approve(Approve),
    /// Drop waiting changes: nothing was written of them, and nothing will be.
    Discard(Discard),
    /// Pause a partnership, an ILS or everything until a day: nothing is written, and grace stands still.
    Pause(Pause),
    /// End a pause before its time.
    Resume(Paused),
    /// Copy the state store to a file, while others use it.
    Backup(Backup),
    /// Put a backup in the place of the state store; the next run of each partnership waits.
    Restore(Restore),
    /// Remove everything of a partnership from the store and its backups, with a certificate. Cards in the ILS stay.
    Purge(Purge),
    /// What is stored about one student, in words.
    Inventory(Inventory),
    /// Remove everything about one student from the store. The card in the ILS stays.
    Forget(Forget),
    /// Who approved, paused, revealed, restored, purged ..
    Audit(Audit),
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
    /// One person, from the roster through the rules and the ledger to the ILS.
    Explain(Explain),
    /// What a district has to correct, as CSV for the district.
    Rejects(Rejects),
    /// Cards by school and grade, for boards and funders; small counts are held back.
    Report(Report),
    /// Hand out the PINs of new cards.
    Pins {
        #[command(subcommand)]
        command: PinsCommand,
    },
    #[command(flatten)]
    People(people::PeopleCommand),
    /// Print completions for a shell: bash, zsh, fish ..
    Completions(Completions),
    /// The names of the partnerships' files, a line each, for completions.
    #[command(hide = true)]
    Names,
    /// Write the manual pages, for packages.
    #[command(hide = true)]
    Manual(Manual),
    #[command(flatten)]
    Watch(watch::WatchCommand),
    /// Practice systems that speak the real protocols, with invented people.
    Practice {
        #[command(subcommand)]
        command: PracticeCommand,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// The folder; made where it is not there.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// The date on the pages: 2026-11-24.
    #[arg(long, value_name = "DAY")]
    pub(crate) date: String,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SchemaOf {
    /// rostercard.toml
    Main,
    /// partnerships/*.toml
    Partnership,
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
pub(crate) struct Sync {
    /// The partnership: the name of its file.
    pub(crate) partnership: String,
    /// Write at once, whatever the hours of the ILS.
    #[arg(long)]
    pub(crate) now: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The partnership: the name of its file.
    pub(crate) partnership: String,
    /// The file: a table, or a OneRoster package, as the partnership's source has it.
    pub(crate) file: PathBuf,
    /// What the file holds. As additions nobody is missing for not being in it; as whole, who is not in it is missing.
    #[arg(long = "as", value_name = "WHAT", value_enum, default_value = "additions")]
    pub(crate) holds: Holds,
    /// Who imports; your login otherwise.
    #[arg(long = "by", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

/// What a file that is imported holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Holds {
    /// Everybody.
    Whole,
    /// Newcomers and changes.
    Additions,
}

impl Holds {
    /// The word, as it is written.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Additions => "additions",
        }
    }
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
    /// Write at once, whatever the hours of the ILS.
    #[arg(long)]
    pub(crate) now: bool,
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

/// What is paused.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct PauseScope {
    /// This partnership.
    #[arg(long, value_name = "NAME")]
    pub(crate) partnership: Option<String>,
    /// Every partnership of this ILS.
    #[arg(long, value_name = "NAME")]
    pub(crate) ils: Option<String>,
    /// Everything.
    #[arg(long)]
    pub(crate) everything: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    pub(crate) scope: PauseScope,
    /// The day on which it goes on, at its beginning: 2026-12-01.
    #[arg(long, value_name = "DAY")]
    pub(crate) until: String,
    /// Why, in a few words without names of people; shown in `status` and in messages.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Who pauses; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Paused {
    #[command(flatten)]
    pub(crate) scope: PauseScope,
    /// Who ends it; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file, which must not be there yet.
    pub(crate) file: PathBuf,
    /// Who makes it; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup.
    pub(crate) file: PathBuf,
    /// Also where writes of the present store have no known end: what came of them is then found out by nobody.
    #[arg(long)]
    pub(crate) anyway: bool,
    /// Who restores; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// The partnership: the name of its file, or what it was called when it last ran.
    pub(crate) partnership: String,
    /// Do it, and do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Where the certificate goes; beside the store otherwise.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Who purges; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Inventory {
    /// The partnership: the name of its file, or what it was called when it last ran.
    pub(crate) partnership: String,
    /// The student id, as the roster writes it.
    pub(crate) student_id: String,
    /// Show the values too.
    #[arg(long)]
    pub(crate) reveal: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// The partnership: the name of its file, or what it was called when it last ran.
    pub(crate) partnership: String,
    /// The student id, as the roster writes it.
    pub(crate) student_id: String,
    /// Keep, as a digest alone, that no card is wanted.
    #[arg(long)]
    pub(crate) opt_out: bool,
    /// Do it, and do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Who asks for it; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// From the beginning of this day on: 2026-11-01.
    #[arg(long, value_name = "DAY")]
    pub(crate) since: Option<String>,
    /// At most so many, the newest.
    #[arg(long, default_value_t = 200)]
    pub(crate) most: usize,
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
    /// The schools of a partnership's roster, as a table of homes to fill in.
    Schools {
        /// The partnership: the name of its file.
        partnership: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum IlsCommand {
    /// What an ILS can do, and how that is known. Writes nothing, save to the probe card where the ILS's table names one.
    Probe {
        /// The ILS, by its name in rostercard.toml.
        ils: String,
    },
    /// The library has moved to another ILS: carry a partnership's cards over to the one that its file names now.
    Migrate(people::Certain),
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

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The partnership: the name of its file.
    #[arg(requires = "student_id")]
    pub(crate) partnership: Option<String>,
    /// The student id, as the roster writes it.
    #[arg(conflicts_with = "barcode")]
    pub(crate) student_id: Option<String>,
    /// A card's number instead.
    #[arg(long, value_name = "NUMBER", conflicts_with = "partnership")]
    pub(crate) barcode: Option<String>,
    /// Ask the ILS too.
    #[arg(long)]
    pub(crate) online: bool,
    /// Show name, birth date and numbers too.
    #[arg(long)]
    pub(crate) reveal: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rejects {
    /// The partnership: the name of its file.
    pub(crate) partnership: String,
    /// A file, which must not be there yet; otherwise it is printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReportFormat {
    Text,
    Csv,
    Json,
    Html,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The partnership: the name of its file; all of them otherwise.
    pub(crate) partnership: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ReportFormat,
    /// A file, which must not be there yet; otherwise it is printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Show small counts too. Never hand such a report on.
    #[arg(long)]
    pub(crate) internal: bool,
    /// What the runs of each year came to instead, those of purged partnerships too. Not as HTML.
    #[arg(long)]
    pub(crate) years: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PinsCommand {
    /// How many PINs are kept, by school, and which batches were written out.
    List {
        /// The partnership: the name of its file.
        partnership: String,
    },
    /// Write PINs to private files, by school, for printing or sending.
    Export(PinsExport),
    /// Forget PINs that have reached their students.
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Confirm {
        /// The partnership: the name of its file.
        partnership: String,
        /// Those of this batch.
        #[arg(long, group = "which", value_name = "NUMBER")]
        batch: Option<i64>,
        /// Those of every batch.
        #[arg(long, group = "which")]
        all: bool,
        /// Who confirms; your login otherwise.
        #[arg(long = "as", value_name = "NAME")]
        who: Option<String>,
    },
    /// Set new random PINs on cards that were made here.
    Reissue(PinsReissue),
}

#[derive(Debug, Args)]
pub(crate) struct PinsExport {
    /// The partnership: the name of its file.
    pub(crate) partnership: String,
    /// The folder; made where it is not there, for its owner alone.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Only this school's: its code, or its name as `show` prints it.
    #[arg(long, value_name = "SCHOOL")]
    pub(crate) school: Option<String>,
    /// Letters to print too: one for everybody of the school who is in the programme, so that none tells who had a card.
    #[arg(long)]
    pub(crate) letters: bool,
    /// Also what was written out before and not confirmed.
    #[arg(long)]
    pub(crate) again: bool,
    /// Who does it; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PinsReissue {
    /// The partnership: the name of its file.
    pub(crate) partnership: String,
    /// A student id; may be given several times.
    #[arg(long, value_name = "ID")]
    pub(crate) student_id: Vec<String>,
    /// A text file with a student id a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Who asks for it; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PracticeCommand {
    /// A practice ILS; prints a JSON line with its addresses once it listens. Port 0 picks one.
    Ils {
        /// Where NCIP listens.
        #[arg(long, default_value = "127.0.0.1:0")]
        ncip: SocketAddr,
        /// Where NCIP listens for messages over raw TCP, as the oldest systems do; not at all where it is not said.
        #[arg(long, value_name = "ADDR")]
        ncip_tcp: Option<SocketAddr>,
        /// Where Koha's REST API listens; the same address serves both. Its API key is rostercard and practice.
        #[arg(long, default_value = "127.0.0.1:0")]
        koha: SocketAddr,
        /// Where SIP2 listens; it does not otherwise.
        #[arg(long)]
        sip2: Option<SocketAddr>,
        /// How SIP2 behaves.
        #[arg(long, value_name = "PERSONALITY", requires = "sip2")]
        sip2_personality: Option<String>,
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
    /// A practice SIS that serves a package over REST; prints a JSON line with its addresses once it listens.
    Sis {
        /// Where it listens; port 0 picks one.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// A OneRoster CSV package: a zip or a folder, as `practice roster` writes it.
        #[arg(long, value_name = "PATH")]
        package: PathBuf,
        /// How it behaves.
        #[arg(long)]
        personality: Option<String>,
        /// How it behaves besides: a JSON object of toggles, such as {"clamp": 100, "total": "none"}.
        #[arg(long, value_name = "JSON")]
        quirks: Option<String>,
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
