//! Telling people, by the built program and real SMTP: S39, failures and recoveries, rejects for a district, and nobody's data in
//! any of it.

use rostercard_practice::mail::{Manner, Message};
use std::time::Duration;

use crate::daemon::Daemon;
use crate::support::Library;
use crate::support::post::Post;
use crate::support::practice::Practice;
use crate::support::roster::{Child, TWO_HOMES, children, send};

const PAT: &str = "[[contacts]]\nname = \"Pat\"\nmail = \"pat@library.example\"";
const KIM: &str =
    "[[contacts]]\nname = \"Kim\"\nmail = \"Kim <kim@library.example>\"\ntell = [\"waiting\"]\ndeputy = true";
const DISTRICT: &str =
    "[[contacts]]\nname = \"Data office\"\nmail = \"data@district.example\"\ndistrict = true";

fn library(ils: &Practice, post: &Post, contacts: &[&str]) -> Library {
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.edit("partnerships/oak.toml", "30 4 * * MON-FRI", "30 4 1 1 *");
    post.serve(&library);
    contacts.iter().for_each(|contact| library.append("rostercard.toml", contact));
    send(&children(12), &library.package());
    library
}

/// Ends the test where anything of a child is in a message, as it came or decoded.
fn nobody_is_in(messages: &[Message], ids_too: bool) {
    for message in messages {
        let all = format!("{}\n{}", message.raw, message.text());
        for word in ["Given", "Family", "2015-", "770000"] {
            assert!(!all.contains(word), "{word} is in {all}");
        }
        for id in 4001..4030 {
            assert!(!ids_too || !all.contains(&id.to_string()), "{id} is in {all}");
        }
    }
}

fn to(message: &Message) -> &str {
    &message.to[0]
}

fn tomorrow() -> String {
    crate::support::today().tomorrow().unwrap().to_string()
}

#[test]
fn s39_those_in_the_contacts_are_told_at_once_and_a_deputy_decides() {
    let (ils, post) = (Practice::start(), Post::start());
    let library = library(&ils, &post, &[PAT, KIM]);
    library.run(&["check"]).expect(0);
    library.run(&["sync", "oak"]).expect(3);
    assert_eq!(ils.counts().patrons, 0);
    let daemon = Daemon::start(&library);
    let mut got = post.wait_for(2);
    got.sort_by_key(|message| to(message).to_owned());
    assert_eq!([to(&got[0]), to(&got[1])], ["kim@library.example", "pat@library.example"]);
    for message in &got {
        assert_eq!(message.header("subject").unwrap(), "Rostercard: oak: 12 changes wait for you");
        for part in ["first_connection", "rostercard approve 1", "--only-school"] {
            assert!(message.text().contains(part), "no `{part}` in {}", message.text());
        }
    }
    for command in ["approve RUN", "discard RUN", "pause ...", "relink ...", "optout ..."] {
        assert!(got[0].text().contains(command), "{}", got[0].text());
        assert!(!got[1].text().contains("You stand in"));
    }
    nobody_is_in(&got, true);
    // Neither a reload nor a restart tells it twice.
    daemon.signal("-HUP");
    daemon.hears("READY=1");
    post.pause(Duration::from_secs(1));
    daemon.stop();
    let daemon = Daemon::start_again(&library);
    post.pause(Duration::from_secs(2));
    assert_eq!(post.take(), []);
    // The deputy lets it through, while the daemon runs, and it is known who did.
    library.run(&["approve", "1", "--as", "kim"]).expect(0);
    assert_eq!(ils.counts().patrons, 12);
    library.run(&["audit"]).expect(0).says(&["kim", "approve"]);
    library
        .run(&["pause", "--partnership", "oak", "--until", &tomorrow(), "--reason", "holiday", "--as", "kim"])
        .expect(0);
    library.run(&["contacts", "tell"]).expect(0).says(&["nothing new"]);
    daemon.stop();
    assert_eq!(post.take(), []);
}

#[test]
fn a_failure_and_its_end_are_told_and_mail_that_fails_is_not_sent_each_time() {
    let (ils, post) = (Practice::start(), Post::start());
    let library = library(&ils, &post, &[PAT]);
    library.let_all_through();
    library.hurry("500ms", "1s");
    library.run(&["sync", "oak"]).expect(0);
    library.run(&["contacts", "tell"]).expect(0).says(&["nothing new"]);
    ils.set_down(true);
    send(&children(13), &library.package());
    library.run(&["sync", "oak"]).expect(1);
    library.run(&["contacts", "tell"]).expect(0).says(&["Pat: Rostercard: oak: the run failed"]);
    library.run(&["contacts", "tell"]).expect(0).says(&["nothing new"]);
    ils.set_down(false);
    library.run(&["sync", "oak"]).expect(0);
    // The mail server refuses: it is said, and tried again later, not each time.
    for manner in [Manner::Refuses, Manner::Hangs] {
        post.set_manner(manner);
        let before = post.connections();
        let ran = library.run(&["contacts", "tell"]);
        if manner == Manner::Refuses {
            ran.expect(1).says(&["Pat: not told", "refused the message: code 550"]);
            assert_eq!(post.connections(), before + 1);
        } else {
            ran.expect(0).says(&["nothing new"]);
            assert_eq!(post.connections(), before);
        }
    }
    post.set_manner(Manner::Takes);
    post.pause(Duration::from_secs(61));
    library.run(&["contacts", "tell"]).expect(0).says(&["Pat: Rostercard: oak runs again"]);
    let got = post.take();
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[0].text().contains("Nothing is lost"), "{}", got[0].text());
    nobody_is_in(&got, true);
}

#[test]
fn rejects_are_told_once_each_and_the_district_reads_only_its_own_ids() {
    let (ils, post) = (Practice::start(), Post::start());
    let library = library(&ils, &post, &[PAT]);
    library.let_all_through();
    library.append("partnerships/oak.toml", "rejects = \"off\"");
    library.append("partnerships/oak.toml", DISTRICT);
    let nameless = |child: &mut Child| (child.given, child.family) = (String::new(), String::new());
    let mut class = children(12);
    nameless(&mut class[2]);
    send(&class, &library.package());
    library.run(&["sync", "oak"]).expect(2);
    library.run(&["contacts", "tell"]).expect(0);
    let mut got = post.take();
    got.sort_by_key(|message| to(message).to_owned());
    assert_eq!([to(&got[0]), to(&got[1])], ["data@district.example", "pat@library.example"]);
    let (district, pat) = (got[0].text(), got[1].text());
    assert!(
        district.contains("4003, 1001 Elm School, users.csv:4, ") && district.contains(", name_missing"),
        "{district}"
    );
    for word in [" card", "cards", "approve", "rostercard ", "4002", "u4003"] {
        assert!(!district.contains(word), "`{word}` is none of the district's business: {district}");
    }
    assert!(
        pat.contains("1 record newly rejected, 1 in all") && pat.contains("rostercard rejects oak"),
        "{pat}"
    );
    nobody_is_in(&got[1..], true);
    nobody_is_in(&got, false);
    // The same list again is no news; a new one is told alone.
    library.run(&["sync", "oak"]).expect(2);
    library.run(&["contacts", "tell"]).expect(0).says(&["nothing new"]);
    nameless(&mut class[7]);
    send(&class, &library.package());
    library.run(&["sync", "oak"]).expect(2);
    library.run(&["contacts", "tell"]).expect(0);
    let got = post.take();
    let district = got.iter().find(|message| to(message).starts_with("data@")).unwrap().text();
    assert!(district.contains("4008, 1001 Elm School") && !district.contains("4003"), "{district}");
    // What is kept of it goes with the child, and with the partnership.
    library.run(&["--json", "inventory", "oak", "4008"]).expect(0);
    library.run(&["forget", "oak", "4008", "--yes"]);
    library.run(&["contacts", "tell"]).expect(0).says(&["nothing new"]);
}

#[test]
fn contacts_are_listed_tried_and_checked() {
    let (ils, post) = (Practice::start(), Post::start());
    let library = library(&ils, &post, &[PAT, KIM]);
    library.append("partnerships/oak.toml", DISTRICT);
    library.run(&["contacts", "list"]).expect(0).says(&[
        "Pat (pat@library.example): waiting, failed, late, rejects, ends; every partnership",
        "a deputy",
        "rejects; oak, of the district",
    ]);
    let tried = library.json(&["contacts", "test"], 0);
    assert!(tried["contacts"].as_array().unwrap().iter().all(|one| one["sent"] == true), "{tried}");
    let got = post.take();
    assert_eq!(got.len(), 3);
    assert!(
        got.iter()
            .all(|message| message.header("subject").unwrap() == "Rostercard at Oak Library: a test message")
    );
    post.set_manner(Manner::Later);
    library.run(&["contacts", "test", "Pat"]).expect(1).says(&["code 451, for now", "tried again"]);
    library.run(&["contacts", "test", "Nobody"]).expect(64).says(&["there are: Pat, Kim, Data office"]);
    for (file, wrong, says) in [
        ("rostercard.toml", "[[contacts]]\nname = \"A\"\nmail = \"a.example\"", "is not a mail address"),
        ("rostercard.toml", "[[contacts]]\nname = \"A\"", "say how they are reached"),
        ("rostercard.toml", "[[contacts]]\nname = \"Pat\"\nmail = \"a@b.example\"", "same name"),
        (
            "rostercard.toml",
            "[[contacts]]\nname = \"A\"\nwebhook = \"http://a.example/\"",
            "is not an address of https",
        ),
        (
            "rostercard.toml",
            "[[contacts]]\nname = \"A\"\nwebhook = \"https://a.example/\"\nsecret = \"s3cret\"",
            "secret",
        ),
        (
            "rostercard.toml",
            "[[contacts]]\nname = \"A\"\nmail = \"a@b.example\"\ntell = [\"wating\"]",
            "did you mean `waiting`?",
        ),
        (
            "rostercard.toml",
            "[[contacts]]\nname = \"A\"\nmail = \"a@b.example\"\ndistrict = true",
            "one partnership's records",
        ),
        (
            "partnerships/oak.toml",
            "[[contacts]]\nname = \"A\"\nmail = \"a@b.example\"\ndistrict = true\ntell = [\"waiting\"]",
            "of its own records",
        ),
        ("rostercard.toml", "[[ends]]\nwhat = \"the key\"\non = \"June\"", "date"),
    ] {
        let before = std::fs::read_to_string(library.path(file)).unwrap();
        library.append(file, wrong);
        let ran = library.run(&["check"]).expect(78).says(&[says]);
        assert!(!ran.both().contains("s3cret"));
        std::fs::write(library.path(file), before).unwrap();
    }
    library.edit("rostercard.toml", "server = \"127.0.0.1\"", "server = \"mail.example.org\"");
    library.run(&["check"]).expect(78).says(&["on this machine alone"]);
}

#[test]
fn what_ends_is_told_and_a_broken_file_too() {
    let (ils, post) = (Practice::start(), Post::start());
    let library = library(&ils, &post, &[PAT]);
    library.let_all_through();
    let soon = crate::support::today().checked_add(jiff::ToSpan::days(9)).unwrap();
    library.append("rostercard.toml", &format!("[[ends]]\nwhat = \"the API key of the ILS\"\non = {soon}"));
    library.append("partnerships/oak.toml", &format!("[agreement]\nends = {soon}"));
    library.run(&["sync", "oak"]).expect(0);
    std::fs::write(library.path("partnerships/ash.toml"), "district = 7").unwrap();
    library.run(&["contacts", "tell"]);
    let got = post.take();
    let text = got[0].text();
    for part in [
        "the API key of the ILS ends in 9 days",
        "oak: the agreement ends in 9 days",
        "ash does not run: its configuration has mistakes",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert_eq!(got[0].header("subject").unwrap(), "Rostercard: 1 failed, 2 ending soon");
}
