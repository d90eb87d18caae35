//! The daemon as a program: what it answers, what it tells systemd, how it reloads and ends, and S25 with real cards.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rostercard_practice::ils::Options;
use serde_json::Value;

use crate::support::practice::Practice;
use crate::support::roster::{TWO_HOMES, children, deliver, district, homes, send};
use crate::support::{Library, Program};

/// A daemon with a listener, and the socket of a service manager that the test plays.
pub(crate) struct Daemon {
    pub(crate) program: Program,
    pub(crate) port: u16,
    manager: UnixDatagram,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Daemon {
    pub(crate) fn start(library: &Library) -> Self {
        let port = free_port();
        library.append("rostercard.toml", &format!("[http]\nlisten = \"127.0.0.1:{port}\""));
        Self::start_at(library, port)
    }

    fn start_at(library: &Library, port: u16) -> Self {
        let socket = library.path("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let socket = socket.display().to_string();
        let environment = [("NOTIFY_SOCKET", socket.as_str()), ("WATCHDOG_USEC", "2000000")];
        let program = library.start_in(&["--log", "trace", "run"], &environment);
        let daemon = Self { program, port, manager };
        daemon.hears("READY=1");
        daemon
    }

    /// Waits until the service manager is told so; what was said then.
    pub(crate) fn hears(&self, what: &str) -> String {
        let mut buffer = [0; 4096];
        for _ in 0..200 {
            let length = self.manager.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.contains(what) {
                return text;
            }
        }
        panic!("{what} was never said");
    }

    /// Starts it once more, on the configuration that an earlier one has made.
    pub(crate) fn start_again(library: &Library) -> Self {
        let socket = library.path("notify");
        fs::remove_file(&socket).unwrap();
        let text = fs::read_to_string(library.path("rostercard.toml")).unwrap();
        let port = text.split("[http]\n").nth(1).unwrap().lines().next().unwrap();
        let port = port.trim_end_matches('"').rsplit(':').next().unwrap().parse().unwrap();
        Self::start_at(library, port)
    }

    /// Whether the service manager was told so since it last listened.
    pub(crate) fn heard_already(&self, what: &str) -> bool {
        self.manager.set_nonblocking(true).unwrap();
        let mut buffer = [0; 4096];
        let mut found = false;
        while let Ok(length) = self.manager.recv(&mut buffer) {
            found |= String::from_utf8_lossy(&buffer[..length]).contains(what);
        }
        self.manager.set_nonblocking(false).unwrap();
        found
    }

    /// Reads what was said meanwhile, as a service manager does all the time.
    pub(crate) fn drain(&self) {
        self.manager.set_nonblocking(true).unwrap();
        let mut buffer = [0; 4096];
        while self.manager.recv(&mut buffer).is_ok() {}
        self.manager.set_nonblocking(false).unwrap();
    }

    /// The status code and the body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path)
    }

    fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub(crate) fn health(&self) -> Value {
        let (code, body) = self.get("/health");
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.program.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Stops it, which takes it no time; what it has said. Nobody of the class is in it.
    pub(crate) fn stop(self) {
        let asked = Instant::now();
        self.signal("-TERM");
        self.hears("STOPPING=1");
        let ran = self.program.end().expect(0);
        assert!(ran.stderr.contains("INFO"), "the log is on");
        for name in ["Given", "Family", "2015-"] {
            assert!(!ran.both().contains(name), "{name} is in what the daemon says");
        }
        assert!(asked.elapsed() < Duration::from_secs(10));
    }
}

fn library(ils: &Practice, schedule: &str) -> Library {
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.let_all_through();
    library.edit("partnerships/oak.toml", "30 4 * * MON-FRI", schedule);
    send(&children(12), &library.package());
    library
}

/// Prometheus' own tool reads the metrics, and has nothing to say about them.
#[expect(clippy::disallowed_methods, reason = "CI says by the environment that nothing may be skipped")]
fn promtool_says_nothing(metrics: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut tool) = command.spawn() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no promtool here");
        println!("skipped: no promtool here");
        return;
    };
    tool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let ended = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.trim().is_empty(), "{said}\n{metrics}");
}

#[test]
fn it_answers_reloads_and_ends() {
    let ils = Practice::start();
    let library = library(&ils, "30 4 1 1 *");
    let daemon = Daemon::start(&library);
    daemon.hears("WATCHDOG=1");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(daemon.get(path).0, 200, "{path}");
    }
    assert_eq!(daemon.ask("POST", "/health").0, 405);
    assert!(daemon.get("/").1.contains("Nobody can log in yet"));
    let oak = &daemon.health()["partnerships"][0];
    assert_eq!((oak["name"].as_str(), oak["state"].as_str()), (Some("oak"), Some("never_ran")));
    assert!(oak["next_run"].as_str().unwrap().contains("-01-01T04:30:00Z"), "{oak}");
    // It lets go of the store between runs: a person can work.
    library.run(&["sync", "oak"]).expect(0);
    assert_eq!(ils.counts().patrons, 12);
    let health = daemon.health();
    assert_eq!(
        (health["state"].as_str(), health["partnerships"][0]["cards"].as_u64()),
        (Some("ok"), Some(12))
    );
    let metrics = daemon.get("/metrics").1;
    for line in [
        "rostercard_cards{partnership=\"oak\"} 12",
        "rostercard_partnership_state{partnership=\"oak\",state=\"ok\"} 1",
        "rostercard_scheduler_alive 1",
        "rostercard_build_info{version=",
    ] {
        assert!(metrics.contains(line), "no `{line}` in {metrics}");
    }
    promtool_says_nothing(&metrics);
    // A file with a mistake goes on as it was; a mended one is taken over.
    library.edit("partnerships/oak.toml", "30 4 1 1 *", "30 4 30 2 *");
    daemon.signal("-HUP");
    assert!(daemon.hears("RELOADING=1").contains("MONOTONIC_USEC="));
    assert!(daemon.hears("READY=1").contains("go on as they were"));
    let oak = &daemon.health()["partnerships"][0];
    assert!(oak["next_run"].as_str().unwrap().contains("-01-01T04:30:00Z"), "{oak}");
    library.edit("partnerships/oak.toml", "30 4 30 2 *", "15 6 2 1 *");
    daemon.signal("-HUP");
    daemon.hears("READY=1");
    for _ in 0..100 {
        if daemon.health()["partnerships"][0]["next_run"].as_str().unwrap().contains("-01-02T06:15:00Z") {
            return daemon.stop();
        }
        ils.pause(Duration::from_millis(50));
    }
    panic!("the mended file was not taken over");
}

#[test]
fn a_schedule_that_never_comes_is_a_mistake_at_its_place() {
    let ils = Practice::start();
    let library = library(&ils, "30 4 30 2 *");
    library.run(&["check"]).expect(78).says(&["partnerships/oak.toml", "schedule", "never comes"]);
}

#[test]
fn a_port_that_is_taken_and_a_broken_main_file_are_78() {
    let ils = Practice::start();
    let library = library(&ils, "30 4 * * *");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    library.append("rostercard.toml", &format!("[http]\nlisten = \"{at}\""));
    library.run(&["run"]).expect(78).says(&["cannot listen at", "[http] listen"]);
    library.append("rostercard.toml", "[htttp]");
    library.run(&["run"]).expect(78).says(&["htttp"]);
}

#[test]
fn s25_a_run_that_was_missed_is_caught_up_at_the_start_and_can_be_stopped_in_the_middle() {
    let ils = Practice::start_with(Options { latency: Duration::from_millis(300), ..Options::default() });
    let library = library(&ils, "* * * * *");
    library.run(&["plan", "oak"]).expect(0);
    // The next whole minute passes while nobody runs.
    ils.pause(Duration::from_secs(61));
    let daemon = Daemon::start(&library);
    let begun = Instant::now();
    while ils.counts().patrons < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing was caught up");
        ils.pause(Duration::from_millis(20));
    }
    // Meanwhile nobody else writes, and is told why.
    library.run(&["sync", "oak"]).expect(75).says(&["another rostercard is at work", "daemon"]);
    // The writes under way are finished; the rest is for the next run, and nobody is made twice.
    daemon.stop();
    let made = ils.counts().patrons;
    assert!((2..12).contains(&made), "{made}");
    let rest = library.json(&["sync", "oak"], 0);
    assert_eq!(rest["counts"]["create"].as_u64(), Some(12 - made), "{rest}");
    let counts = ils.counts();
    assert_eq!((counts.patrons, counts.creates), (12, 12));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "CI says by the environment that nothing may be skipped")]
fn the_unit_is_right_and_confined() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/rostercard.service");
    let Ok(ran) = Command::new("systemd-analyze").args(["security", "--offline=true"]).arg(&unit).output()
    else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no systemd-analyze here");
        println!("skipped: no systemd-analyze here");
        return;
    };
    let text = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(!text.contains("Failed to parse") && !text.contains("Unknown key"), "{text}");
    let level = text.split("exposure level for rostercard.service: ").nth(1).unwrap();
    let level: f64 = level.split(' ').next().unwrap().parse().unwrap();
    assert!(level <= 1.5, "{level}");
}

/// A real quarter of an hour, or as many minutes as ROSTERCARD_SOAK_MINUTES says: each minute another roster, every third the ILS
/// is gone. After each run health says what is so, which this test knows. Opt in: it takes its time.
#[test]
#[ignore = "takes a real quarter of an hour"]
#[expect(clippy::disallowed_methods, reason = "the environment says how long")]
fn soak_health_tells_the_truth_while_the_ils_comes_and_goes() {
    let minutes: u32 =
        std::env::var("ROSTERCARD_SOAK_MINUTES").ok().and_then(|m| m.parse().ok()).unwrap_or(15);
    let ils = Practice::start();
    let spec = district(400, 3);
    let library = Library::new(&ils.ncip_url(), &homes(&spec));
    library.append(
        "partnerships/oak.toml",
        "[guards]\nfirst_connection = \"off\"\ncreate = \"off\"\nupdate = \"off\"\nschool = \"off\"",
    );
    library.edit("partnerships/oak.toml", "30 4 * * MON-FRI", "* * * * *");
    library.hurry("2s", "5s");
    deliver(&spec, 0, &library.package());
    library.run(&["sync", "oak"]);
    let daemon = Daemon::start(&library);
    let pid = daemon.program.id();
    let held = |what: &str| -> u64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let files = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let newest = || library.json(&["runs", "oak", "--most", "1"], 0)["runs"][0].clone();
    let mut truth = Vec::new();
    for minute in 1..=minutes {
        let up = minute % 3 != 0;
        ils.set_down(!up);
        let before = newest()["run"].as_i64().unwrap();
        deliver(&spec, minute, &library.package());
        // The next run on this roster ends within the next minute and a little.
        let begun = Instant::now();
        let ended = loop {
            let run = newest();
            if run["run"].as_i64().unwrap() > before && run["finished_at"].is_string() {
                break run;
            }
            assert!(begun.elapsed() < Duration::from_secs(110), "no run came in minute {minute}");
            assert_eq!(daemon.get("/healthz").0, 200);
            daemon.drain();
            ils.pause(Duration::from_millis(500));
        };
        let health = daemon.health();
        let said = health["partnerships"][0]["state"].as_str().unwrap().to_owned();
        let expected = if up { "ok" } else { "failing" };
        truth.push((
            minute,
            up,
            ended["state"].clone(),
            said.clone(),
            held("VmRSS:"),
            held("Threads:"),
            files(),
        ));
        println!("{:?}", truth.last().unwrap());
        assert_eq!(said, expected, "minute {minute}: {health} {ended}");
        assert_eq!(health["scheduler_alive"], true);
    }
    // Once all is up again, the ILS has exactly the cards of the last roster and of those who left.
    ils.set_down(false);
    let (first, last) = (&truth[0], truth.last().unwrap());
    assert!(last.4 < first.4 * 2 && last.6 <= first.6 + 4, "memory or files grow: {first:?} {last:?}");
    let cards = daemon.health()["partnerships"][0]["cards"].as_u64().unwrap();
    assert!(cards >= 400 && ils.counts().patrons >= cards);
    daemon.stop();
}
