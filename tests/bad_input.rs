//! Bad input: packages that are broken or odd, and configurations with mistakes. One clear message that names the
//! place, the right exit code, the rest goes on, and no patron is touched.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::support::practice::Practice;
use crate::support::roster::{Child, TWO_HOMES, children, files, send, zipped};
use crate::support::{Library, adds_up, rostercard};

type Files = BTreeMap<String, Vec<u8>>;

/// A library whose 30 children of Elm School and 30 of Ash School have their cards.
fn with_cards(ils: &Practice) -> (Library, Vec<Child>) {
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    let all = two_schools();
    send(&all, &library.package());
    let made = library.first_load();
    assert_eq!(made["counts"]["create"], 60, "{made}");
    ils.reset_counts();
    (library, all)
}

fn two_schools() -> Vec<Child> {
    let mut all = children(60);
    for child in &mut all[30..] {
        child.school = "ash";
    }
    all
}

/// A package as it should be, with one file replaced.
fn with_file(name: &str, change: impl FnOnce(&str) -> Vec<u8>) -> Vec<u8> {
    let mut all = files(&two_schools());
    let text = String::from_utf8(all[name].clone()).unwrap();
    all.insert(name.to_owned(), change(&text));
    zipped(&all)
}

fn without(name: &str) -> Vec<u8> {
    let mut all = files(&two_schools());
    all.remove(name).unwrap();
    zipped(&all)
}

/// A zip of stored files, with one more whose name no tool of good will would write.
fn with_name(name: &str) -> Vec<u8> {
    let mut all: Files = files(&two_schools());
    all.insert(name.to_owned(), b"sourcedId\n".to_vec());
    zipped(&all)
}

/// Every file is said to be encrypted, in its own header and in the directory at the end.
fn encrypted() -> Vec<u8> {
    let mut bytes = zipped(&files(&two_schools()));
    for (signature, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let found: Vec<usize> =
            bytes.windows(4).enumerate().filter(|(_, w)| w == signature).map(|(at, _)| at).collect();
        for at in found {
            bytes[at + flags] |= 1;
        }
    }
    bytes
}

/// A few kilobytes that unpack to 64 MB.
fn bomb() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let deflated = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in files(&two_schools()) {
        zip.start_file(&name, deflated).unwrap();
        zip.write_all(&bytes).unwrap();
        if name == "users.csv" {
            let megabyte = vec![b'a'; 1 << 20];
            for _ in 0..64 {
                zip.write_all(&megabyte).unwrap();
            }
        }
    }
    let bytes = zip.finish().unwrap().into_inner();
    assert!(bytes.len() < 300_000, "{} bytes are no bomb", bytes.len());
    bytes
}

#[test]
fn s02_a_broken_package_is_refused_by_name_and_touches_nobody() {
    let ils = Practice::start();
    let (library, all) = with_cards(&ils);
    let before = ils.patrons();
    let whole = zipped(&files(&all));
    // Exit 75 where a later try may find it whole, 1 where the district has to send another.
    let cases: Vec<(&str, Vec<u8>, i32, &[&str])> = vec![
        (
            "no zip",
            b"this is a letter, not a zip\n".repeat(40),
            1,
            &["roster.zip", "neither a folder nor a zip"],
        ),
        ("empty", Vec::new(), 75, &["roster.zip", "the file is empty"]),
        ("truncated", whole[..whole.len() / 2].to_vec(), 75, &["roster.zip", "broke off"]),
        ("path upwards", with_name("../evil.csv"), 1, &["../evil.csv", "outside the package"]),
        ("absolute path", with_name("/etc/evil.csv"), 1, &["/etc/evil.csv", "absolute"]),
        ("bomb", bomb(), 1, &["users.csv", "zip bomb"]),
        ("encrypted", encrypted(), 1, &["demographics.csv", "encrypted"]),
        ("no manifest", without("manifest.csv"), 1, &["manifest.csv", "not in the package"]),
        (
            "missing file",
            without("demographics.csv"),
            1,
            &["demographics.csv", "the manifest declares the file"],
        ),
        (
            "wrong header",
            with_file("users.csv", |text| text.replacen("sourcedId", "sourcdId", 1).into_bytes()),
            1,
            &["users.csv:1:sourcedId", "missing"],
        ),
        (
            "another kind of file",
            with_file("users.csv", |_| b"Name;Born;School\nA;B;C\n".to_vec()),
            1,
            &["users.csv:1", "header"],
        ),
        ("no header", with_file("users.csv", |_| Vec::new()), 1, &["users.csv", "without even a header"]),
    ];
    for (name, package, code, parts) in cases {
        std::fs::write(library.package(), package).unwrap();
        let ran = library.run(&["sync", "oak"]);
        assert_eq!(ran.code, Some(code), "{name}: {}", ran.both());
        let ran = ran.says(parts).says(&["hint: "]);
        assert!(!ran.both().contains("panicked"), "{name}: {}", ran.both());
        library.run(&["source", "students", "oak"]).expect(code).says(parts);
        library.run(&["status"]).expect(1).says(&["failing"]).says(&parts[..1]);
        assert!(ils.patrons() == before, "{name} changed a patron");
    }
    // `check --online` reads no rows, and says what it found all the same.
    std::fs::write(library.package(), without("manifest.csv")).unwrap();
    library
        .run(&["check", "--online"])
        .expect(75)
        .says(&["roster of oak: manifest.csv", "ILS main: reached"]);
    // The whole roster settles everything.
    send(&all, &library.package());
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!((&run["counts"]["unchanged"], &run["roster"]["absent"]), (&json!(60), &json!(0)));
    assert!(ils.patrons() == before);
}

/// The line of users.csv (from 1, the header) at which the n-th child stands.
fn line(n: usize) -> usize {
    n + 1
}

#[test]
fn a_damaged_row_is_named_and_the_others_go_on() {
    type Change = fn(&str) -> Vec<u8>;
    let cases: [(&str, Change, &str); 3] = [
        (
            "row_width_mismatch",
            |text| text.replace("Given7,Family7,", "Given7,Family7,one,too,many,").into_bytes(),
            "users.csv:8",
        ),
        (
            "row_invalid_utf8",
            |text| {
                let (before, after) = text.split_once("Given7,").unwrap();
                [before.as_bytes(), b"Giv\xe9n7,", after.as_bytes()].concat()
            },
            "users.csv:8",
        ),
        (
            "duplicate_student_id",
            |text| {
                let row = text.lines().nth(7).unwrap();
                format!("{text}{}\n", row.replace("Given7,Family7", "Other,Person")).into_bytes()
            },
            "users.csv:8",
        ),
    ];
    assert_eq!(line(7), 8);
    for (code, change, place) in cases {
        let ils = Practice::start();
        let library = Library::new(&ils.ncip_url(), TWO_HOMES);
        library.let_all_through();
        std::fs::write(library.package(), with_file("users.csv", change)).unwrap();
        let run = library.json(&["sync", "oak"], 2);
        adds_up(&run);
        let counts = &run["counts"];
        assert_eq!((&counts["create"], &counts["reject"]), (&json!(59), &json!(1)), "{code}: {run}");
        let places = run["findings"][code]["places"].as_array().unwrap_or_else(|| panic!("no {code}: {run}"));
        assert!(places[0].as_str().unwrap().starts_with(place), "{places:?}");
        assert_eq!(ils.counts().patrons, 59);
        // Mended, the last one gets the card, and the others nothing.
        send(&two_schools(), &library.package());
        let mended = library.json(&["sync", "oak"], 0);
        assert_eq!((&mended["counts"]["create"], &mended["counts"]["unchanged"]), (&json!(1), &json!(59)));
    }
}

#[test]
fn a_damaged_row_takes_no_card_away() {
    let ils = Practice::start();
    let (library, _) = with_cards(&ils);
    let before = ils.patrons();
    let package =
        with_file("users.csv", |text| text.replace("Given7,Family7,", "Given7,Family7,x,").into_bytes());
    std::fs::write(library.package(), package).unwrap();
    for _ in 0..3 {
        let run = library.json(&["sync", "oak"], 2);
        adds_up(&run);
        assert!(run["counts"]["lapse"] == 0 && run["writes"] == 0, "{run}");
    }
    assert!(ils.patrons() == before);
}

/// What waits, and that nobody was asked, written to, or counted as missing by it.
fn waits(library: &Library, ils: &Practice, guard: &str) -> Value {
    let before = ils.patrons();
    let run = library.json(&["sync", "oak"], 3);
    assert_eq!((&run["state"], &run["counts"]["lapse"]), (&json!("waiting"), &json!(0)), "{run}");
    let found = run["waiting_for"].as_array().unwrap().iter().any(|w| w["guard"] == guard);
    assert!(found, "{guard} is not among {}", run["waiting_for"]);
    assert_eq!(ils.messages(), 0);
    assert!(ils.patrons() == before);
    adds_up(&run);
    run
}

#[test]
fn s02_a_roster_with_a_header_only_waits() {
    let ils = Practice::start();
    let (library, all) = with_cards(&ils);
    send(&[], &library.package());
    let run = waits(&library, &ils, "roster_collapsed");
    library.run(&["show", &run["run"].to_string()]).expect(0).says(&["nobody in it", "Elm School"]);
    library.run(&["status"]).expect(0).says(&["waiting"]);
    send(&all, &library.package());
    assert_eq!(library.json(&["sync", "oak"], 0)["counts"]["unchanged"], 60);
}

#[test]
fn s02_half_the_schools_wait_and_the_missing_one_is_named() {
    let ils = Practice::start();
    let (library, all) = with_cards(&ils);
    send(&all[..30], &library.package());
    let run = waits(&library, &ils, "roster_collapsed");
    let text = library.run(&["show", &run["run"].to_string()]).expect(0).says(&["Ash School"]).stdout;
    let cause = text.split("This waits for a person:").nth(1).unwrap();
    assert!(cause.contains("Ash School"), "{text}");
}

fn date_back(package: &Path) {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    std::fs::File::options().write(true).open(package).unwrap().set_modified(then).unwrap();
}

#[test]
fn s02_last_years_file_after_a_newer_one_waits() {
    let ils = Practice::start();
    let (library, mut all) = with_cards(&ils);
    all.truncate(58);
    all[3].school = "ash";
    send(&all, &library.package());
    date_back(&library.package());
    let run = waits(&library, &ils, "roster_older");
    let text = library.run(&["show", &run["run"].to_string()]).expect(0).says(&["2020-09-13"]).stdout;
    assert!(text.contains("an old file was delivered again"), "{text}");
    assert_eq!(run["counts"]["waiting"], 1, "the move of one child waits");
}

/// A configuration with two partnerships, `oak` and `elm`.
fn two_partnerships() -> Library {
    let library = Library::new("http://127.0.0.1:9/ncip", TWO_HOMES);
    std::fs::copy(library.path("partnerships/oak.toml"), library.path("partnerships/elm.toml")).unwrap();
    library.edit("partnerships/elm.toml", "id = \"oak\"", "id = \"elm\"");
    send(&children(3), &library.package());
    library.run(&["check"]).expect(0).says(&["2 of 2 partnerships can run"]);
    library
}

#[test]
fn five_mistakes_in_two_files_are_told_in_one_pass() {
    let library = two_partnerships();
    library.edit("rostercard.toml", "timezone = \"UTC\"", "timezone = \"Los_Angeles\"");
    library.edit("rostercard.toml", "deadline = ", "dedline = ");
    library.edit("partnerships/oak.toml", "\"30 4 * * MON-FRI\"", "\"30 4 * *\"");
    library.edit("partnerships/oak.toml", "\"digital\"", "\"digitl\"");
    library.edit("partnerships/oak.toml", "every_year", "every_yaer");
    let ran = library.run(&["check"]).expect(78).says(&[
        "rostercard.toml:5:12",
        "rostercard.toml:22:1",
        "oak.toml:17:12",
        "oak.toml:23:9",
        "oak.toml:27:13",
        "did you mean `America/Los_Angeles`?",
        "did you mean `deadline`?",
        "did you mean `digital`?",
        "did you mean `every_year`?",
        "^^^",
        "5 errors",
        "5 mistakes to mend",
    ]);
    assert_eq!(ran.stderr.matches("error[").count(), 5, "{}", ran.stderr);
    let listed = library.json(&["check"], 78);
    let places: Vec<(&str, u64, u64)> = listed["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["file"].as_str().unwrap(), p["line"].as_u64().unwrap(), p["column"].as_u64().unwrap()))
        .map(|(file, line, column)| (file.rsplit('/').next().unwrap(), line, column))
        .collect();
    let expected = [
        ("rostercard.toml", 5, 12),
        ("rostercard.toml", 22, 1),
        ("oak.toml", 17, 12),
        ("oak.toml", 23, 9),
        ("oak.toml", 27, 13),
    ];
    assert_eq!(places, expected);
    // Nothing runs on such a main file, and every command says so in the same words.
    library.run(&["sync", "elm"]).expect(78).says(&["rostercard.toml:5:12"]);
}

#[test]
fn a_mistake_in_one_partnership_stops_that_one_alone() {
    let library = two_partnerships();
    library.edit("partnerships/elm.toml", "number = ", "nubmer = ");
    library.run(&["check"]).expect(78).says(&[
        "elm.toml",
        "did you mean `number`?",
        "1 of 2 partnerships can run",
    ]);
    library.run(&["sync", "elm"]).expect(78).says(&["elm.toml", "partnership elm cannot run"]);
    assert_eq!(library.json(&["plan", "oak"], 0)["counts"]["create"], 3);
    let status = library.json(&["status"], 1);
    let states: Vec<&Value> =
        status["partnerships"].as_array().unwrap().iter().map(|p| &p["state"]).collect();
    assert_eq!(states[0], "failing");
}

#[test]
fn link_over_ncip_is_refused_by_check_with_its_reason() {
    let library = two_partnerships();
    for choice in ["link", "skip"] {
        let text = format!("existing = \"{choice}\"");
        library.edit("partnerships/elm.toml", "existing = \"separate\"", &text);
        library.run(&["check"]).expect(78).says(&[
            "elm.toml",
            &format!("{text} cannot be kept"),
            "NCIP looks patrons up by their number alone",
            "write existing = \"separate\"",
            "extract",
        ]);
        library.run(&["plan", "elm"]).expect(78);
        library.edit("partnerships/elm.toml", &text, "existing = \"separate\"");
    }
    // The choice has no default.
    library.edit("partnerships/elm.toml", "existing = \"separate\"", "");
    library.run(&["check"]).expect(78).says(&["match", "existing"]);
}

#[test]
fn wrong_words_on_the_command_line_are_usage_errors() {
    let library = two_partnerships();
    library.run(&["plan", "okk"]).expect(64).says(&["there is no partnership `okk`", "oak"]);
    library.run(&["sync", "oaks"]).expect(64).says(&["did you mean `oak`?"]);
    library.run(&["plann", "oak"]).expect(64).says(&["plann", "plan"]);
    library.run(&["plan", "oak", "--jsn"]).expect(64).says(&["--json"]);
    library.run(&["show", "one"]).expect(64);
    library
        .run(&["approve", "1", "--only-kind", "creat"])
        .expect(64)
        .says(&["there is no kind of change `creat`"]);
    library
        .run(&["ils", "find", "mian", "--barcode", "1"])
        .expect(64)
        .says(&["there is no ILS `mian`", "main"]);
    let error = library.json(&["plan", "okk"], 64);
    assert!(error["error"].is_string() && error["hint"].is_string(), "{error}");
    rostercard::<&str>(&[]).expect(64);
    rostercard(&["--help"]).expect(0).says(&["Exit codes"]);
    rostercard(&["--version"]).expect(0);
}

#[test]
fn a_missing_configuration_says_what_to_do() {
    let nowhere = tempfile::tempdir().unwrap();
    let config = nowhere.path().join("rostercard.toml").display().to_string();
    for command in [vec!["check"], vec!["sync", "oak"], vec!["status"], vec!["runs"], vec!["show", "1"]] {
        let args: Vec<&str> = ["--config", &config].into_iter().chain(command).collect();
        rostercard(&args).expect(78).says(&[&config, "there is no such file", "rostercard init"]);
    }
    // `init` writes nothing over.
    let library = two_partnerships();
    let out = library.path("").display().to_string();
    rostercard(&["init", "--existing", "separate", "--out", &out])
        .expect(1)
        .says(&["nothing that is there is written over"]);
    rostercard(&["init", "--partnership", "Oak Hill"]).expect(64).says(&["oak-hill"]);
}

#[test]
fn the_environment_goes_over_the_file_and_a_misspelt_variable_is_told() {
    let library = two_partnerships();
    let elsewhere = library.path("elsewhere").display().to_string();
    library.start_in(&["plan", "oak"], &[("ROSTERCARD__STATE__PATH", &elsewhere)]).end().expect(0);
    assert!(library.path("elsewhere/rostercard.db").is_file() && !library.path("state").exists());
    let misspelt = [("ROSTERCARD__STATE__PTAH", elsewhere.as_str())];
    library
        .start_in(&["check"], &misspelt)
        .end()
        .expect(78)
        .says(&["environment variable ROSTERCARD__STATE__PTAH", "did you mean `ROSTERCARD__STATE__PATH`?"]);
    let wrong = [("ROSTERCARD__LIBRARY__TIMEZONE", "Mars/Base")];
    library
        .start_in(&["check"], &wrong)
        .end()
        .expect(78)
        .says(&["environment variable ROSTERCARD__LIBRARY__TIMEZONE"]);
}

#[test]
fn secrets_are_never_echoed() {
    let library = two_partnerships();
    let secret = "hunter2hunter2";
    // In clear where only a reference may stand, in a line with another mistake, and as a key that is none.
    library.edit("rostercard.toml", "key = { file = \"state.key\" }", &format!("key = \"{secret}\""));
    library.edit(
        "rostercard.toml",
        "to_agency = \"MAIN\"",
        &format!("to_agency = \"MAIN\"\nsecrt = \"{secret}\""),
    );
    let listed = library.run(&["--json", "check"]).expect(78);
    let told = library.run(&["check"]).expect(78).says(&["rostercard.toml"]);
    let traced = library.run(&["--log", "trace", "sync", "oak"]).expect(78);
    for ran in [listed, told, traced] {
        assert!(!ran.both().contains(secret), "{}", ran.both());
    }
    // A key that is no key.
    let library = two_partnerships();
    std::fs::write(library.path("state.key"), secret).unwrap();
    let ran = library.run(&["--log", "trace", "sync", "oak"]).expect(78).says(&["64 hexadecimal digits"]);
    assert!(!ran.both().contains(secret), "{}", ran.both());
}
