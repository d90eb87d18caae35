//! S20 and S27, and what else is kept, moved, restored and forgotten, by command: backups and restores that are killed in
//! the middle, purges of which no byte stays, one student's inventory, the audit log.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::practice::Practice;
use crate::support::roster::{Child, TWO_HOMES, number, send};
use crate::support::{Library, Ran};

/// Words that stand nowhere by chance.
const GIVEN: &str = "Zyxwigiven";
const FAMILY: &str = "Qqfamilyq";
const FIRST_ID: u32 = 7_310_000;

/// Children whom a search finds.
fn canaries(count: u32) -> Vec<Child> {
    (0..count)
        .map(|n| Child {
            id: format!("{}", FIRST_ID + n),
            given: format!("{GIVEN}{n}"),
            family: format!("{FAMILY}{n}"),
            birth: "2013-02-28".to_owned(),
            school: if n % 2 == 0 { "elm" } else { "ash" },
        })
        .collect()
}

/// A library with a card for each of these.
fn with_cards(ils: &Practice, roster: &[Child]) -> Library {
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.let_all_through();
    library.edit("rostercard.toml", "[state]\n", "[state]\nbackups = 3\n");
    send(roster, &library.package());
    let made = library.json(&["sync", "oak"], 0);
    assert_eq!(made["counts"]["create"], roster.len());
    library
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(below(&path)),
            false => found.push(path),
        }
    }
    found
}

/// The files of the state in which one of these words is.
fn found_in(library: &Library, words: &[String]) -> Vec<PathBuf> {
    let has = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        words.iter().any(|word| bytes.windows(word.len()).any(|window| window == word.as_bytes()))
    };
    below(&library.path("state")).into_iter().filter(has).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn log_of(library: &Library) -> Vec<(String, String)> {
    let log = library.json(&["audit"], 0);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    log["audit"].as_array().unwrap().iter().map(|e| (text(&e["what"]), text(&e["who"]))).collect()
}

fn states(library: &Library) -> i64 {
    library.json(&["status"], 0)["partnerships"][0]["cards"].as_i64().unwrap_or_else(|| {
        let status = library.json(&["status"], 0);
        panic!("no count of cards: {status}")
    })
}

// ---- S27: backup and restore ----

#[test]
fn s27_a_restored_store_waits_and_says_why() {
    let ils = Practice::start();
    let roster = canaries(6);
    let library = with_cards(&ils, &roster[..4]);
    let copy = library.path("copy.db").display().to_string();
    let made = library.run(&["backup", &copy, "--as", "pat"]).expect(0);
    assert!(made.stdout.contains("4 cards of 1 partnership, checked"), "{}", made.both());
    assert_eq!(mode(Path::new(&copy)), 0o600);
    library.run(&["backup", &copy]).expect(1).says(&["is there already", "name another file"]);

    send(&roster, &library.package());
    assert_eq!(library.json(&["sync", "oak"], 0)["counts"]["create"], 2);
    let restored = library.json(&["restore", &copy, "--as", "kim"], 0);
    assert_eq!((&restored["cards"], &restored["old_was_read"]), (&json!(4), &json!(true)));
    let kept = PathBuf::from(restored["kept"].as_str().unwrap());
    assert_eq!((kept.is_file(), mode(&kept)), (true, 0o600));

    ils.reset_counts();
    let waits = library.json(&["sync", "oak"], 3);
    let why = &waits["waiting_for"][0];
    assert_eq!(
        (&why["guard"], &why["found"], &waits["writes"]),
        (&json!("after_restore"), &json!(2), &json!(0))
    );
    assert!(why["likely_cause"].as_str().unwrap().contains("was restored on"), "{why}");
    assert!(why["likely_cause"].as_str().unwrap().contains("by kim"), "{why}");
    assert_eq!(ils.messages(), 0, "nothing was asked and nothing written");
    // Let through, the cards that came since are found, and no second one is made.
    library.run(&["approve", &waits["run"].to_string()]);
    assert_eq!((ils.counts().created, ils.patrons().len()), (0, 6));
    let log = log_of(&library);
    assert!(log.contains(&("backup".into(), "pat".into())), "what was done since is not forgotten: {log:?}");
    assert!(log.contains(&("restore".into(), "kim".into())), "{log:?}");
}

#[test]
fn s27_a_restore_refuses_a_wrong_key_and_what_is_no_backup() {
    let ils = Practice::start();
    let library = with_cards(&ils, &canaries(2));
    let copy = library.path("copy.db").display().to_string();
    library.run(&["backup", &copy]).expect(0);
    let nothing = library.path("nothing.db").display().to_string();
    library.run(&["restore", &nothing]).expect(1).says(&["there is no such file"]);
    let noise = library.path("noise.db");
    fs::write(&noise, [b'x'; 9_000]).unwrap();
    library.run(&["restore", &noise.display().to_string()]).expect(1).says(&["noise.db"]);
    let key = library.path("state.key");
    let right = fs::read(&key).unwrap();
    fs::write(&key, format!("{:064x}\n", 7)).unwrap();
    library.run(&["restore", &copy]).expect(78).says(&["another key"]);
    fs::write(&key, right).unwrap();
    assert_eq!(states(&library), 2);
    assert!(
        !below(&library.path("state")).iter().any(|file| file.to_string_lossy().contains("before-restore"))
    );
}

/// Killed at a hundred moments, one whole store is there: the one before, or the backup's.
#[test]
fn s27_a_restore_that_is_killed_leaves_one_whole_store() {
    let ils = Practice::start();
    let roster = canaries(40);
    let library = with_cards(&ils, &roster[..30]);
    let copy = library.path("copy.db").display().to_string();
    library.run(&["backup", &copy]).expect(0);
    send(&roster, &library.package());
    library.run(&["sync", "oak"]).expect(0);
    let (mut killed, mut of_before, mut of_backup) = (0, 0, 0);
    for n in 0..30_u64 {
        // A restore takes some 60 ms here, half of it before anything is touched.
        killed += u32::from(library.start(&["restore", &copy]).kill_after(Duration::from_millis(10 + n * 4)));
        match states(&library) {
            40 => of_before += 1,
            30 => of_backup += 1,
            other => panic!("a store with {other} cards after {n} kills"),
        }
        library.run(&["runs"]).expect(0);
    }
    println!(
        "{killed} of 30 killed at work; {of_before} times the store before, {of_backup} times the backup's"
    );
    assert!(killed > 0, "every kill came too late");
    library.run(&["restore", &copy]).expect(0);
    assert_eq!(states(&library), 30);
    let waits = library.json(&["sync", "oak"], 3);
    assert_eq!(waits["waiting_for"][0]["guard"], "after_restore");
    let left = below(&library.path("state"));
    assert!(!left.iter().any(|file| file.to_string_lossy().ends_with(".restoring")), "{left:?}");
}

#[test]
fn s27_every_day_has_a_backup_and_old_ones_go() {
    let ils = Practice::start();
    let library = with_cards(&ils, &canaries(2));
    let folder = library.path("state/backups");
    // The first sync has made the store itself: from the second on there is something to copy.
    assert!(!folder.exists());
    library.run(&["sync", "oak"]).expect(0);
    let today = folder.join(format!("rostercard-{}.db", crate::support::today()));
    assert_eq!((mode(&today), mode(&folder)), (0o600, 0o700));
    let first = fs::metadata(&today).unwrap().modified().unwrap();
    library.run(&["sync", "oak"]).expect(0);
    assert_eq!(fs::metadata(&today).unwrap().modified().unwrap(), first, "one a day");
    for day in ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"] {
        fs::copy(&today, folder.join(format!("rostercard-{day}.db"))).unwrap();
    }
    fs::write(folder.join("mine.txt"), "mine").unwrap();
    fs::remove_file(&today).unwrap();
    library.run(&["sync", "oak"]).expect(0);
    let mut names: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let newest = today.file_name().unwrap().to_str().unwrap();
    let decisions = format!("{newest}.decisions");
    assert_eq!(
        names,
        ["mine.txt", "rostercard-2026-01-03.db", "rostercard-2026-01-04.db", newest, &decisions]
    );
    // It is a backup like any other.
    let restored = library.json(&["restore", &today.display().to_string()], 0);
    assert_eq!(restored["cards"], 2);
}

// ---- S20: purge ----

#[test]
fn s20_a_purge_removes_every_byte_and_certifies_it() {
    let ils = Practice::start();
    let roster = canaries(12);
    let library = with_cards(&ils, &roster);
    library.run(&["sync", "oak"]).expect(0);
    let copy = library.path("copy.db").display().to_string();
    library.run(&["backup", &copy, "--as", "pat"]).expect(0);
    library.run(&["restore", &copy]).expect(0);
    // Digests and sealed bytes stand in the files as they are; names stand nowhere, and so cannot show that they are gone.
    let store = library.path("state/rostercard.db");
    let bytes = fs::read(&store).unwrap();
    let schools: Vec<String> = ["Elm School", "Ash School"].map(str::to_owned).to_vec();
    let mut words: Vec<String> = [GIVEN, FAMILY].map(str::to_owned).to_vec();
    words.extend(roster.iter().flat_map(|child| [child.id.clone(), number(&child.id)]));
    assert_eq!(found_in(&library, &words), Vec::<PathBuf>::new());
    assert!(found_in(&library, &schools).len() >= 3, "store, daily backup, and the store before the restore");

    // First it is shown, and nothing done.
    let shown = library.run(&["purge", "oak"]).expect(64);
    assert!(shown.stdout.contains("12  links between students and patrons"), "{}", shown.both());
    assert!(shown.stderr.contains("nothing was removed"), "{}", shown.both());
    let shown = library.json(&["purge", "oak"], 64);
    assert_eq!(shown["would_remove"]["link"], 12);
    assert_eq!(states(&library), 12);

    let years = library.json(&["report", "oak", "--years"], 0);
    assert_eq!((&years["years"][0]["cards"], &years["years"][0]["purged"]), (&json!(12), &json!(false)));

    let certificate = library.path("certificate.txt");
    let done = library
        .json(&["purge", "oak", "--yes", "--as", "kim", "--out", &certificate.display().to_string()], 0);
    assert_eq!((&done["removed"]["link"], &done["kept_in_ils"]["made"]), (&json!(12), &json!(12)));
    assert_eq!(done["file_still_there"], true);
    assert_eq!(ils.patrons().len(), 12, "nothing is deleted in the ILS");
    assert_eq!(found_in(&library, &[schools, words].concat()), Vec::<PathBuf>::new());
    let left = below(&library.path("state"));
    assert!(!left.iter().any(|file| file.to_string_lossy().contains("before-restore")), "{left:?}");
    let now = fs::read(&store).unwrap();
    assert!(now.len() < bytes.len(), "it was written anew: {} of {} bytes", now.len(), bytes.len());

    let text = fs::read_to_string(&certificate).unwrap();
    for part in ["12  links between students", "12  made: cards that were made", "by kim", "by pat, to /"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert_eq!(mode(&certificate), 0o600);
    // The year's counts survive, the same as before.
    let after = library.json(&["report", "--years"], 0);
    let counts = |report: &Value| (report["years"][0]["runs"].clone(), report["years"][0]["cards"].clone());
    assert_eq!((counts(&after), &after["years"][0]["purged"]), (counts(&years), &json!(true)));
    library.run(&["report", "oak", "--years"]).expect(0).says(&["oak (purged)", "* fewer than 10"]);
    library.run(&["report", "--years", "--format", "html"]).expect(64);
    // The log survives, and the id is never used again.
    let log = log_of(&library);
    assert!(log.contains(&("purge".into(), "kim".into())), "{log:?}");
    let refused = library.json(&["sync", "oak"], 1);
    assert!(refused["error"].as_str().unwrap().contains("was removed for good"), "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("another `id`"), "{refused}");
    // Again is no error, and says the same.
    let again = library.path("again.txt");
    library.run(&["purge", "oak", "--yes", "--out", &again.display().to_string()]).expect(0);
    assert_eq!(fs::read_to_string(&again).unwrap(), text);
    library.run(&["purge", "elm", "--yes"]).expect(1).says(&["nothing of a partnership `elm`"]);
}

#[test]
fn s20_a_purge_that_is_killed_is_finished_by_the_next() {
    let schools: Vec<String> = ["Elm School", "Ash School"].map(str::to_owned).to_vec();
    let mut killed = 0;
    for n in 0..8_u64 {
        let ils = Practice::start();
        let library = with_cards(&ils, &canaries(12));
        library.run(&["sync", "oak"]).expect(0);
        let out = library.path("certificate.txt").display().to_string();
        let purge = ["purge", "oak", "--yes", "--out", &out];
        killed += u32::from(library.start(&purge).kill_after(Duration::from_millis(15 + n * 8)));
        // Whole, whatever it has.
        library.run(&["status"]).expect(0);
        library.run(&["audit"]).expect(0);
        library.run(&purge).expect(0);
        assert_eq!(found_in(&library, &schools), Vec::<PathBuf>::new(), "{n}");
        let text = fs::read_to_string(&out).unwrap();
        assert!(text.contains("What was removed") && text.contains("BLAKE3"), "{text}");
        library.run(&["audit"]).expect(0).says(&["purge"]);
    }
    println!("{killed} of 8 killed at work");
}

#[test]
fn s20_the_name_is_typed_or_nothing_happens_and_a_gone_file_is_no_hindrance() {
    let ils = Practice::start();
    let library = with_cards(&ils, &canaries(3));
    fs::remove_file(library.path("partnerships/oak.toml")).unwrap();
    let out = library.path("state");
    let ran = library.run(&["purge", "oak", "--yes"]).expect(0);
    assert!(!ran.stdout.contains("is still there"), "{}", ran.both());
    let name = format!("purged-oak-{}.txt", crate::support::today());
    assert!(out.join(&name).is_file(), "{}", ran.both());
    assert!(ran.stdout.contains(&name), "{}", ran.both());
}

#[test]
fn s20_a_purge_is_refused_while_a_write_has_no_known_end() {
    use rostercard_practice::ils::{Fault, What, When};
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.let_all_through();
    library.hurry("300ms", "600s");
    send(&canaries(2), &library.package());
    let drop = Fault { service: Some("CreateUser".into()), when: When::Always, what: What::DropAnswer };
    ils.fault(drop);
    // It waits for the moment at which it may look again, and is killed meanwhile.
    let sync = library.start(&["sync", "oak"]);
    for _ in 0..2_000 {
        if ils.counts().creates >= 2 {
            break;
        }
        ils.pause(Duration::from_millis(10));
    }
    assert!(sync.kill_after(Duration::from_secs(2)));
    for command in [&["purge", "oak", "--yes"][..], &["forget", "oak", "7310000", "--yes"]] {
        library.run(command).expect(1).says(&["no known end yet", "rostercard sync"]);
    }
    let copy = library.path("copy.db").display().to_string();
    library.run(&["backup", &copy]).expect(0);
    library.run(&["restore", &copy]).expect(1).says(&["no known end yet", "--anyway"]);
    library.run(&["restore", &copy, "--anyway"]).expect(0);
}

// ---- one student ----

fn silent(ran: &Ran, words: &[&str]) {
    for word in words {
        assert!(!ran.stdout.contains(word) && !ran.stderr.contains(word), "{word}: {}", ran.both());
    }
}

#[test]
fn a_students_inventory_has_no_value_unless_it_is_asked_for() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    send(&canaries(2), &library.package());
    library.run(&["sync", "oak"]).expect(3);
    let id = FIRST_ID.to_string();
    let values = [GIVEN, FAMILY, "2013-02-28", "Elm School"];
    // Before there is a card, the plan alone knows the student.
    let plain = library.run(&["inventory", "oak", &id]).expect(0);
    assert!(
        plain.stdout.contains("what that change wants: ") && plain.stdout.contains("surname"),
        "{}",
        plain.both()
    );
    silent(&plain, &values);
    let shown = library.run(&["inventory", "oak", &id, "--reveal"]).expect(0);
    for value in values {
        assert!(shown.stdout.contains(value), "{value}: {}", shown.both());
    }
    let waiting = library.json(&["sync", "oak"], 3);
    library.run(&["approve", &waiting["run"].to_string()]).expect(0);
    let plain = library.run(&["inventory", "oak", &id]).expect(0);
    for part in [
        "the card's number",
        "sealed",
        "the PIN of the new card",
        "digest",
        "how the student and the patron stand",
    ] {
        assert!(plain.stdout.contains(part), "{part}: {}", plain.both());
    }
    silent(&plain, &[GIVEN, FAMILY, "2013-02-28", &number(&id), "Elm School"]);
    let all = library.json(&["inventory", "oak", &id, "--reveal"], 0);
    let value = |what: &str| {
        let item = all["items"].as_array().unwrap().iter().find(|item| item["what"] == what);
        item.unwrap_or_else(|| panic!("no {what}: {all}"))["value"].clone()
    };
    assert_eq!(value("the card's number, and its digest"), json!(number(&id)));
    assert_eq!(value("school"), "1001 Elm School");
    let pins: Vec<String> = ils.patrons().into_iter().filter_map(|patron| patron.pin).collect();
    assert!(
        !pins.is_empty() && pins.iter().all(|pin| !all.to_string().contains(&format!("\"{pin}\""))),
        "{all}"
    );
    let nobody = library.json(&["inventory", "oak", "1"], 0);
    assert_eq!((&nobody["held"], &nobody["items"]), (&json!(false), &json!([])));
    let log = log_of(&library);
    assert_eq!(log.iter().filter(|(what, _)| what == "reveal").count(), 2, "{log:?}");
}

#[test]
fn a_student_is_forgotten_and_the_card_stays() {
    let ils = Practice::start();
    let roster = canaries(3);
    let library = with_cards(&ils, &roster);
    let (first, second) = (roster[0].id.as_str(), roster[1].id.as_str());
    library.run(&["forget", "oak", first]).expect(64).says(&["nothing was removed", "--yes"]);
    assert_eq!(states(&library), 3);
    let gone = library.run(&["forget", "oak", first, "--yes", "--as", "pat"]).expect(0);
    assert!(
        gone.stdout.contains("The card in the ILS stays") && gone.stdout.contains("--opt-out"),
        "{}",
        gone.both()
    );
    assert_eq!(library.json(&["inventory", "oak", first], 0)["held"], false);
    assert_eq!((states(&library), ils.patrons().len()), (2, 3));
    library.run(&["forget", "oak", first, "--yes"]).expect(1).says(&["nothing is stored"]);
    // With a no, nothing comes of the roster any more, and a digest alone is kept.
    let gone = library.json(&["forget", "oak", second, "--yes", "--opt-out"], 0);
    assert_eq!((&gone["opted_out"], &gone["card_in_ils"]), (&json!(true), &json!(true)));
    ils.reset_counts();
    let next = library.run(&["--json", "sync", "oak"]).json();
    assert_eq!((&next["counts"]["create"], ils.counts().created), (&json!(0), 0), "{next}");
    let kept = library.json(&["inventory", "oak", second, "--reveal"], 0);
    let items = kept["items"].as_array().unwrap();
    assert!(items.iter().any(|item| item["what"].as_str().unwrap().contains("wish")), "{kept}");
    assert!(
        !items
            .iter()
            .any(|item| item["kept_as"] == "sealed" && item["what"].as_str().unwrap().contains("number")),
        "{kept}"
    );
    let log = log_of(&library);
    assert_eq!(log.iter().filter(|(what, _)| what == "forget").count(), 2, "{log:?}");
}

// ---- the audit log ----

#[test]
fn the_audit_log_says_who_did_what_and_nothing_about_anybody() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.edit("rostercard.toml", "[ils.main.ncip]", "[ils.main.ncip]\npin = \"update\"");
    let roster = canaries(3);
    send(&roster, &library.package());
    library.run(&["audit"]).expect(0).says(&["Nothing is noted."]);
    let plan = library.json(&["plan", "oak"], 0);
    library.run(&["discard", &plan["run"].to_string(), "--as", "ann"]).expect(0);
    let plan = library.json(&["plan", "oak"], 0);
    library.run(&["approve", &plan["run"].to_string(), "--as", "ben"]).expect(0);
    let until = crate::support::today().checked_add(jiff::Span::new().days(3)).unwrap().to_string();
    library.run(&["pause", "--everything", "--until", &until, "--reason", "x", "--as", "cat"]).expect(0);
    library.run(&["resume", "--everything", "--as", "dan"]).expect(0);
    let out = library.path("pins").display().to_string();
    library.run(&["pins", "export", "oak", "--out", &out, "--as", "eve"]).expect(0);
    library.run(&["pins", "confirm", "oak", "--all", "--as", "fay"]).expect(0);
    library.run(&["pins", "reissue", "oak", "--student-id", &roster[0].id, "--as", "gus"]).expect(0);
    library.run(&["explain", "oak", &roster[0].id, "--reveal"]).expect(0);
    library.run(&["source", "students", "oak", "--reveal"]).expect(0);
    library.run(&["ils", "find", "main", "--barcode", &number(&roster[0].id), "--reveal"]).expect(0);
    library.run(&["explain", "oak", &roster[0].id]).expect(0);

    let ran = library.run(&["audit"]).expect(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let told = [
        "ann  discard oak, run 1",
        "ben  approve oak, run 2",
        "cat  pause: everything until ",
        "dan  resume: everything",
        "eve  export_pins oak: batch 1, 3 PINs",
        "fay  confirm_pins oak: every batch, 3 PINs forgotten",
        "gus  reissue oak, run 3",
        "reveal oak: explain",
        "reveal oak: source students",
        "reveal: ils find main",
    ];
    assert_eq!(lines.len(), told.len(), "{}", ran.both());
    for (line, part) in lines.iter().zip(told) {
        assert!(line.contains(part), "{part}: {}", ran.both());
    }
    silent(&ran, &[GIVEN, FAMILY, &roster[0].id]);
    let tomorrow = crate::support::today().checked_add(jiff::Span::new().days(1)).unwrap().to_string();
    assert_eq!(library.json(&["audit", "--since", &tomorrow], 0)["audit"], json!([]));
    let newest = library.json(&["audit", "--most", "1"], 0);
    assert_eq!(newest["audit"][0]["what"], "reveal");
    library.run(&["audit", "--since", "soon"]).expect(64).says(&["is no day"]);
}
