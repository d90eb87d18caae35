//! Watching the daemon: `healthcheck` as a monitor runs it, a run that hangs, a file with mistakes, `schedule` in words.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rostercard_practice::ils::Options;

use crate::daemon::Daemon;
use crate::support::Library;
use crate::support::practice::Practice;
use crate::support::roster::{TWO_HOMES, children, send};

fn library(ncip: &str, schedule: &str) -> Library {
    let library = Library::new(ncip, TWO_HOMES);
    library.let_all_through();
    library.edit("partnerships/oak.toml", "30 4 * * MON-FRI", schedule);
    send(&children(12), &library.package());
    library
}

#[test]
fn a_monitor_is_told_the_truth_and_silence_is_never_ok() {
    let ils = Practice::start();
    let library = library(&ils.ncip_url(), "30 4 1 1 *");
    library
        .run(&["healthcheck"])
        .expect(1)
        .says(&["ROSTERCARD WARNING - oak never_ran", "| partnerships=1 "]);
    library.run(&["sync", "oak"]).expect(0);
    let ran = library.run(&["healthcheck"]).expect(0).says(&[
        "ROSTERCARD OK - oak: run 1 is done | ",
        " ok=1 ",
        " cards=12",
    ]);
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.both());
    let daemon = Daemon::start(&library);
    let url = format!("http://127.0.0.1:{}", daemon.port);
    let ask = ["healthcheck", "--url", &url, "--deadline", "2"];
    library.run(&ask).expect(0).says(&["ROSTERCARD OK"]);
    library.run(&["healthcheck", "--url", &url, "--partnership", "elm"]).expect(3).says(&["UNKNOWN"]);
    // The ILS fails; the daemon and the store say the same.
    ils.set_down(true);
    send(&children(13), &library.package());
    library.hurry("300ms", "1s");
    library.run(&["sync", "oak"]).expect(1);
    for args in [&ask[..], &["healthcheck"]] {
        library.run(args).expect(2).says(&["ROSTERCARD CRITICAL - oak failing: run 2"]);
    }
    // The daemon stands still: no answer within the deadline.
    daemon.signal("-STOP");
    let begun = Instant::now();
    library.run(&ask).expect(2).says(&["CRITICAL - no answer"]);
    assert!(begun.elapsed() < Duration::from_secs(20));
    daemon.signal("-CONT");
    daemon.stop();
    library.run(&ask).expect(2).says(&["refused"]);
    // A configuration that cannot be read is nobody's health.
    library.append("rostercard.toml", "[htttp]");
    library.run(&["healthcheck"]).expect(3).says(&["ROSTERCARD UNKNOWN"]);
}

/// The container's own line, as its shell runs it; the program there has its configuration where it looks for it.
fn container_is_healthy(library: &Library, url: &str) -> bool {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/Containerfile");
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find(|line| line.starts_with("HEALTHCHECK ")).unwrap();
    let command = line.split_once(" CMD ").unwrap().1;
    let config = library.path("rostercard.toml").display().to_string();
    let program = format!("rostercard() {{ \"$PROGRAM\" --config \"$CONFIG\" \"$@\"; }}\n{command}");
    let ran = std::process::Command::new("/bin/sh")
        .args(["-c", &program])
        .envs([("PROGRAM", env!("CARGO_BIN_EXE_rostercard")), ("CONFIG", &config), ("HEALTH_URL", url)])
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(said.starts_with("ROSTERCARD ") && said.lines().count() == 1, "{said}");
    // An engine knows 0 and 1, and keeps 2 for itself.
    assert!(matches!(ran.status.code(), Some(0 | 1)), "{:?}: {said}", ran.status);
    ran.status.success()
}

#[test]
fn a_container_is_healthy_while_something_waits_and_not_when_a_run_fails_or_nobody_answers() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.edit("partnerships/oak.toml", "30 4 * * MON-FRI", "30 4 1 1 *");
    library.hurry("300ms", "1s");
    send(&children(12), &library.package());
    assert!(container_is_healthy(&library, ""), "it never ran");
    library.run(&["sync", "oak"]).expect(3);
    assert!(container_is_healthy(&library, ""), "the first load waits");
    library.run(&["approve", "1"]).expect(0);
    assert!(container_is_healthy(&library, ""), "all is well");
    let daemon = Daemon::start(&library);
    let url = format!("http://127.0.0.1:{}", daemon.port);
    assert!(container_is_healthy(&library, &url), "and the daemon says so");
    daemon.stop();
    assert!(!container_is_healthy(&library, &url), "nobody answers");
    ils.set_down(true);
    send(&children(13), &library.package());
    library.run(&["sync", "oak"]).expect(1);
    assert!(!container_is_healthy(&library, ""), "the run failed");
    library.append("rostercard.toml", "[htttp]");
    assert!(!container_is_healthy(&library, ""), "it cannot be told");
}

#[test]
fn a_run_that_hangs_is_not_healthy_and_the_watchdog_is_not_fed() {
    // An ILS that lets everybody in and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap();
    let library = library(&format!("http://{at}/ncip"), "* * * * *");
    library.append("rostercard.toml", "[daemon]\nhung_after = \"2s\"");
    library.hurry("120s", "240s");
    let daemon = Daemon::start(&library);
    daemon.hears("WATCHDOG=1");
    assert_eq!(daemon.get("/healthz").0, 200);
    let begun = Instant::now();
    let oak = loop {
        let oak = daemon.health()["partnerships"][0].clone();
        if oak["why"].as_str().unwrap().contains("hangs") {
            break oak;
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "{oak}");
        daemon.drain();
        pause(Duration::from_millis(200));
    };
    assert_eq!(oak["state"], "failing", "{oak}");
    assert_eq!(daemon.get("/healthz").0, 503);
    let url = format!("http://127.0.0.1:{}", daemon.port);
    library.run(&["healthcheck", "--url", &url]).expect(2).says(&["CRITICAL - oak failing: its run hangs"]);
    // The supervisor hears nothing for longer than its patience of two seconds, and would start it anew.
    daemon.drain();
    pause(Duration::from_secs(4));
    assert!(!daemon.heard_already("WATCHDOG=1"), "the watchdog was fed while a run hangs");
}

fn pause(time: Duration) {
    let (_keep, wait) = std::sync::mpsc::channel::<()>();
    // Nobody sends: this is a wait.
    let _nothing = wait.recv_timeout(time);
}

#[test]
fn a_file_with_mistakes_stops_its_own_partnership_alone() {
    let ils = Practice::start();
    let library = library(&ils.ncip_url(), "30 4 1 1 *");
    std::fs::write(library.path("partnerships/ash.toml"), "district = 7").unwrap();
    let daemon = Daemon::start(&library);
    let states = || {
        let health = daemon.health();
        let all = health["partnerships"].as_array().unwrap().clone();
        let of = |name: &str| {
            all.iter().find(|one| one["name"] == name).map(|one| one["state"].as_str().unwrap().to_owned())
        };
        (of("ash"), of("oak"))
    };
    assert_eq!(states(), (Some("failing".into()), Some("never_ran".into())));
    // Mended, it is taken over; rostercard.toml with a mistake changes nothing.
    let oak = std::fs::read_to_string(library.path("partnerships/oak.toml")).unwrap();
    let id = oak.lines().find(|line| line.starts_with("id = ")).unwrap();
    std::fs::write(library.path("partnerships/ash.toml"), oak.replace(id, "id = \"ash\"")).unwrap();
    daemon.signal("-HUP");
    daemon.hears("READY=1");
    assert_eq!(states().0.as_deref(), Some("never_ran"));
    library.append("rostercard.toml", "[htttp]");
    daemon.signal("-HUP");
    assert!(daemon.hears("READY=1").contains("everything goes on as it was"));
    assert_eq!(states().1.as_deref(), Some("never_ran"));
    daemon.stop();
}

#[test]
fn the_next_runs_are_told_in_words() {
    let ils = Practice::start();
    let library = library(&ils.ncip_url(), "30 12 * * *");
    library.edit("partnerships/oak.toml", "schedule =", "quiet = [\"12:00-13:00\"]\nschedule =");
    let one = library.run(&["schedule"]).expect(0).says(&[
        "oak: 30 12 * * *, on the clock of UTC",
        "13:00, in ",
        "moved from 12:30 by quiet hours",
    ]);
    assert_eq!(one.stdout.lines().count(), 4, "{}", one.both());
    library.run(&["sync", "oak"]).expect(0);
    library
        .run(&[
            "pause",
            "--partnership",
            "oak",
            "--until",
            &crate::support::today().checked_add(jiff::ToSpan::days(30)).unwrap().to_string(),
            "--reason",
            "a holiday",
        ])
        .expect(0);
    let json = library.json(&["schedule", "oak", "--next", "2"], 0);
    let next = json["partnerships"][0]["next"].as_array().unwrap();
    assert_eq!((next.len(), &next[0]["writes"]), (2, &false.into()), "{json}");
    assert!(next[0]["notes"][1].as_str().unwrap().contains("a holiday"), "{json}");
    // The ILS's own hours, and hours that leave nothing.
    library.edit("rostercard.toml", "deadline = \"30s\"", "deadline = \"30s\"\nhours = [\"20:00-06:00\"]");
    library.run(&["schedule"]).expect(0).says(&["20:00, in ", "moved from 12:30"]);
    library.edit("partnerships/oak.toml", "12:00-13:00", "19:00-07:00");
    library.run(&["check"]).expect(78).says(&["leave no minute of the day", "quiet"]);
    library.edit("partnerships/oak.toml", "\"19:00-07:00\"", "\"12:00-25:00\"");
    library.run(&["schedule"]).expect(0).says(&["oak: does not run"]);
    library.run(&["check"]).expect(78).says(&["is not a span of hours"]);
}

#[test]
fn runs_at_one_ils_come_one_after_the_other() {
    let ils = Practice::start_with(Options { latency: Duration::from_millis(60), ..Options::default() });
    let library = library(&ils.ncip_url(), "* * * * *");
    library.edit("rostercard.toml", "connections = 4", "connections = 1");
    let oak = std::fs::read_to_string(library.path("partnerships/oak.toml")).unwrap();
    let id = oak.lines().find(|line| line.starts_with("id = ")).unwrap();
    let ash = oak.replace(id, "id = \"ash\"").replace("roster.zip", "ash.zip");
    // Other children: a child of two districts would be a question.
    send(&children(24)[12..], &library.path("ash.zip"));
    std::fs::write(library.path("partnerships/ash.toml"), ash).unwrap();
    let daemon = Daemon::start(&library);
    let begun = Instant::now();
    while ils.counts().patrons < 24 {
        assert!(begun.elapsed() < Duration::from_secs(110), "{:?}", ils.counts());
        daemon.drain();
        pause(Duration::from_millis(200));
    }
    assert_eq!(ils.counts().most_at_once, 1, "one connection is one connection, whoever runs");
    daemon.stop();
}
