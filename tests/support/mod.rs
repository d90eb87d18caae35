//! A library's folder, a practice ILS, and the built program between them. Everything is bounded in time, every child
//! is killed when its test is done, every port is one that the system picks.

pub(crate) mod post;
pub(crate) mod practice;
pub(crate) mod roster;

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// No command of these tests takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the program ended, and what it said.
pub(crate) struct Ran {
    /// The exit code; none where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Standard output's last line as JSON.
    pub(crate) fn json(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.both()))
    }

    /// Both streams.
    pub(crate) fn both(&self) -> String {
        format!("exit {:?}\nstdout: {}\nstderr: {}", self.code, self.stdout, self.stderr)
    }

    /// Ends the test where the exit code is another.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.both());
        self
    }

    /// Ends the test where one of these is nowhere in what was said.
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.stdout.contains(part) || self.stderr.contains(part),
                "`{part}` was not said\n{}",
                self.both()
            );
        }
        self
    }
}

/// The program at work. Dropped, it is killed.
pub(crate) struct Program {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Program {
    /// Starts the program.
    pub(crate) fn start<S: AsRef<OsStr>>(args: &[S], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rostercard"));
        command.args(args).envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = read_to_end(child.stdout.take().unwrap());
        let stderr = read_to_end(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ran {
        let Ok(stdout) = self.stdout.recv_timeout(PATIENCE) else {
            self.child.kill().unwrap();
            let stderr = self.stderr.recv_timeout(PATIENCE).unwrap_or_default();
            panic!("the program did not end in time; it said: {stderr}");
        };
        let stderr = self.stderr.recv_timeout(PATIENCE).unwrap();
        Ran { code: self.child.wait().unwrap().code(), stdout, stderr }
    }

    /// Its number, for signals.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it by SIGKILL after so long. Whether it was still at work then.
    pub(crate) fn kill_after(mut self, delay: Duration) -> bool {
        // Its output ends when it does; until then this is a wait for the moment.
        let _ended = self.stdout.recv_timeout(delay);
        self.child.kill().unwrap();
        // Whoever was ended by a signal has no code.
        self.child.wait().unwrap().code().is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn read_to_end(mut stream: impl Read + Send + 'static) -> Receiver<String> {
    let (told, hear) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        // Nobody listens any more where the test has ended.
        let _unheard = told.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    hear
}

/// Runs the program without a configuration.
pub(crate) fn rostercard<S: AsRef<OsStr>>(args: &[S]) -> Ran {
    Program::start(args, &[]).end()
}

/// A library with one partnership, `oak`, in a folder of its own.
pub(crate) struct Library {
    folder: TempDir,
}

impl Library {
    /// Writes a configuration by `rostercard init`; `homes` are lines of `[homes]`.
    pub(crate) fn new(ncip: &str, homes: &str) -> Self {
        let library = Self { folder: tempfile::tempdir().unwrap() };
        let path = |name: &str| library.path(name).display().to_string();
        let (out, package, state) = (path(""), path("roster.zip"), path("state"));
        rostercard(&[
            "init",
            "--existing",
            "separate",
            "--out",
            &out,
            "--library",
            "Oak Library",
            "--timezone",
            "UTC",
            "--partnership",
            "oak",
            "--district",
            "Oak Unified",
            "--package",
            &package,
            "--ncip",
            ncip,
            "--state",
            &state,
        ])
        .expect(0);
        library.edit("partnerships/oak.toml", "\"Example Elementary School\" = \"MAIN\"", homes);
        library
    }

    /// A path in the library's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the district puts its package.
    pub(crate) fn package(&self) -> PathBuf {
        self.path("roster.zip")
    }

    /// Replaces a piece of a configuration file, which must be there.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        std::fs::write(&path, text.replace(from, to)).unwrap();
    }

    /// Adds lines to a configuration file.
    pub(crate) fn append(&self, file: &str, lines: &str) {
        let path = self.path(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}\n{lines}\n")).unwrap();
    }

    /// The first load is not looked at, and no number of new cards is too many.
    pub(crate) fn let_all_through(&self) {
        self.append(
            "partnerships/oak.toml",
            "[guards]\nfirst_connection = \"off\"\ncreate = \"off\"\nschool = \"off\"",
        );
    }

    /// Deadlines for an ILS that lives on this machine.
    pub(crate) fn hurry(&self, deadline: &str, settle_after: &str) {
        let limits = format!("deadline = \"{deadline}\"\nsettle_after = \"{settle_after}\"");
        self.edit("rostercard.toml", "deadline = \"30s\"", &limits);
    }

    /// Starts the program on this library's configuration.
    pub(crate) fn start(&self, args: &[&str]) -> Program {
        self.start_in(args, &[])
    }

    /// The same with variables in the environment.
    pub(crate) fn start_in(&self, args: &[&str], environment: &[(&str, &str)]) -> Program {
        let config = self.path("rostercard.toml").display().to_string();
        let args: Vec<&str> = ["--config", &config].iter().chain(args).copied().collect();
        Program::start(&args, environment)
    }

    /// Runs the program on this library's configuration.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.start(args).end()
    }

    /// Runs it with `--json`; its JSON.
    pub(crate) fn json(&self, args: &[&str], code: i32) -> Value {
        let args: Vec<&str> = ["--json"].iter().chain(args).copied().collect();
        self.run(&args).expect(code).json()
    }

    /// Plans and lets everything through.
    pub(crate) fn first_load(&self) -> Value {
        let plan = self.json(&["plan", "oak"], 0);
        self.json(&["approve", &plan["run"].to_string()], 0)
    }
}

/// The folder of specifications and samples, where there is one. CI must have it.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the samples are")]
pub(crate) fn samples() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("ROSTERCARD_SPECS").map_or(beside, PathBuf::from);
    if folder.join("oneroster").is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no specifications here");
    println!("skipped: no specifications here");
    None
}

/// Today in UTC, the libraries' time zone here.
#[expect(
    clippy::disallowed_methods,
    reason = "the program reads the clock, and so must who checks its dates"
)]
pub(crate) fn today() -> jiff::civil::Date {
    jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date()
}

/// The hour of the day in UTC, for hours that are open or closed at this moment.
#[expect(
    clippy::disallowed_methods,
    reason = "the program reads the clock, and so must who checks its dates"
)]
pub(crate) fn hour() -> i8 {
    jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).hour()
}

/// The counts of a run, all that must add up to `students`.
pub(crate) fn sum_of_counts(counts: &Value) -> u64 {
    let parts = [
        "create",
        "link",
        "update",
        "renew",
        "lapse",
        "restore",
        "unchanged",
        "not_eligible",
        "pending",
        "waiting",
        "review",
        "reject",
    ];
    parts
        .iter()
        .map(|part| counts[part].as_u64().unwrap_or_else(|| panic!("no count `{part}`: {counts}")))
        .sum()
}

/// Ends the test where the counts of a run do not add up, in all and by school.
pub(crate) fn adds_up(run: &Value) {
    assert_eq!(run["counts"]["students"], sum_of_counts(&run["counts"]), "{run}");
    let schools = run["by_school"].as_object().unwrap();
    for key in run["counts"].as_object().unwrap().keys() {
        let by_school: u64 = schools.values().map(|counts| counts[key].as_u64().unwrap()).sum();
        assert_eq!(run["counts"][key], by_school, "{key} of {run}");
    }
    for counts in schools.values() {
        assert_eq!(counts["students"], sum_of_counts(counts), "{run}");
    }
}
