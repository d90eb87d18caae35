//! A district that sends what has changed: OneRoster CSV deltas from the first bulk to the next, what waits, what is killed,
//! what is left on the disk, and how one student and all of it are removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::practice::Practice;
use crate::support::roster::{Child, TWO_HOMES, children, files, number, zipped};
use crate::support::{Library, adds_up};

/// Words that stand nowhere by chance.
const GIVEN: &str = "Zyxwigiven";
const FAMILY: &str = "Qqfamilyq";
const BIRTH: &str = "2013-02-28";
const FIRST_ID: u32 = 7_310_000;

fn canary(n: u32) -> Child {
    Child {
        id: format!("{}", FIRST_ID + n),
        given: format!("{GIVEN}{n}"),
        family: format!("{FAMILY}{n}"),
        birth: BIRTH.to_owned(),
        school: if n.is_multiple_of(2) { "elm" } else { "ash" },
    }
}

fn canaries(range: std::ops::Range<u32>) -> Vec<Child> {
    range.map(canary).collect()
}

/// A district of deltas, and its library.
struct District {
    library: Library,
    /// Each package is an hour younger than the one before.
    hour: u64,
}

impl District {
    fn new(ils: &Practice) -> Self {
        let library = Library::new(&ils.ncip_url(), TWO_HOMES);
        fs::create_dir(library.path("packages")).unwrap();
        let path = |path: PathBuf| format!("path = \"{}\"", path.display());
        let to = format!("{}\ndeltas = true", path(library.path("packages")));
        library.edit("partnerships/oak.toml", &path(library.package()), &to);
        Self { library, hour: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> PathBuf {
        self.hour += 1;
        let path = self.library.path(&format!("packages/{:03}.zip", self.hour));
        fs::write(&path, bytes).unwrap();
        dated(&path, 200 - self.hour);
        path
    }

    fn bulk(&mut self, children: &[Child]) {
        self.put(&zipped(&files(children)));
    }

    /// A package that says of each child whether it is there.
    fn delta(&mut self, changes: &[(Child, bool)]) -> PathBuf {
        let when = format!("2026-09-01T{:02}:{:02}:00.000Z", self.hour / 60, self.hour % 60);
        let all: Vec<Child> = changes.iter().map(|(child, _)| child.clone()).collect();
        let mut package = files(&all);
        package.remove("orgs.csv");
        let manifest = String::from_utf8(package["manifest.csv"].clone()).unwrap();
        let manifest = manifest
            .replace("file.users,bulk", "file.users,delta")
            .replace("file.demographics,bulk", "file.demographics,delta")
            .replace("file.orgs,bulk", "file.orgs,absent");
        package.insert("manifest.csv".to_owned(), manifest.into_bytes());
        for file in ["users.csv", "demographics.csv"] {
            let text = String::from_utf8(package[file].clone()).unwrap();
            let lines = text.lines().enumerate().map(|(n, line)| match n.checked_sub(1) {
                None => format!("{line}\n"),
                Some(child) => {
                    let status = if changes[child].1 { "active" } else { "tobedeleted" };
                    format!("{}\n", line.replacen(",,,", &format!(",{status},{when},"), 1))
                }
            });
            package.insert(file.to_owned(), lines.collect::<String>().into_bytes());
        }
        self.put(&zipped(&package))
    }

    fn sync(&self, code: i32) -> Value {
        let run = self.library.json(&["sync", "oak"], code);
        adds_up(&run);
        self.nothing_in_clear();
        run
    }

    fn rosters(&self) -> PathBuf {
        self.library.path("state/rosters")
    }

    fn images(&self) -> Vec<PathBuf> {
        let Ok(partnerships) = fs::read_dir(self.rosters()) else { return Vec::new() };
        let folders = partnerships.map(|entry| entry.unwrap().path());
        folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path()).collect()
    }

    /// No word of a child is in the state.
    fn nothing_in_clear(&self) {
        for file in below(&self.library.path("state")) {
            let bytes = fs::read(&file).unwrap();
            for word in [GIVEN, FAMILY, BIRTH, "731000"] {
                let found = bytes.windows(word.len()).any(|window| window == word.as_bytes());
                assert!(!found, "{word} in {}", file.display());
            }
        }
    }
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(below(&path)) } else { found.push(path) }
    }
    found
}

/// A file that was last changed some hours ago.
fn dated(path: &Path, hours: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    let now: SystemTime = file.metadata().unwrap().modified().unwrap();
    file.set_modified(now - Duration::from_secs(hours * 3600)).unwrap();
}

fn surname(ils: &Practice, child: &Child) -> String {
    ils.patrons().into_iter().find(|patron| patron.barcode == number(&child.id)).unwrap().surname
}

#[test]
fn c2_c15_a_district_of_deltas_from_its_first_bulk_to_the_next() {
    let ils = Practice::start();
    let mut district = District::new(&ils);
    let library_check = |district: &District| district.library.run(&["check", "--online"]);

    // Deltas alone are no roster.
    let early = district.delta(&[(canary(1), true)]);
    district.library.run(&["sync", "oak"]).expect(1).says(&["there is no roster yet", "bulk export"]);
    fs::remove_file(early).unwrap();

    // The first load waits for a person, and to look at it keeps it too.
    let everybody = canaries(0..40);
    district.bulk(&everybody);
    library_check(&district).expect(0).says(&["no roster is kept yet"]);
    let plan = district.library.json(&["plan", "oak"], 0);
    assert_eq!((&plan["counts"]["create"], &plan["writes"]), (&json!(40), &json!(0)), "{plan}");
    district.nothing_in_clear();
    district.library.json(&["approve", &plan["run"].to_string()], 0);
    assert_eq!((ils.patrons().len(), district.images().len()), (40, 1));
    library_check(&district).expect(0).says(&["the roster that deltas change is of"]);

    // One is renamed, one comes, one goes; nobody else is spoken of.
    let renamed = Child { family: format!("{FAMILY}new"), ..canary(3) };
    district.delta(&[(renamed.clone(), true), (canary(40), true), (canary(5), false)]);
    let run = district.sync(0);
    assert_eq!((&run["counts"]["update"], &run["counts"]["create"]), (&json!(1), &json!(1)), "{run}");
    assert_eq!((surname(&ils, &renamed), ils.patrons().len()), (format!("{FAMILY}new"), 41));
    let gone = district.library.json(&["explain", "oak", &canary(5).id], 0);
    assert!(gone.to_string().contains("missing"), "{gone}");
    assert_eq!(district.images().len(), 1);

    // The next day: who went is back, and nothing is written for it.
    district.delta(&[(canary(5), true)]);
    let run = district.sync(0);
    assert_eq!((&run["writes"], &run["counts"]["lapse"]), (&json!(0), &json!(0)), "{run}");
    let back = district.library.json(&["explain", "oak", &canary(5).id], 0);
    assert_ne!(back, gone);

    // A package that was there already, under another name and of a later day; and none at all.
    let again = district.library.path("packages/003.zip");
    let bytes = fs::read(again).unwrap();
    district.put(&bytes);
    ils.reset_counts();
    let run = district.sync(0);
    assert_eq!((&run["writes"], &run["lookups"], ils.messages()), (&json!(0), &json!(0), 0), "{run}");
    assert_eq!(run["findings"]["no_new_file"]["count"], 1, "{run}");

    // A package was lost: what it brought is deleted, and was never there.
    district.delta(&[(canary(90), false)]);
    let run = district.sync(0);
    assert_eq!(run["findings"]["delta_of_unknown"]["count"], 1, "{run}");
    assert_eq!((&run["writes"], &run["counts"]["lapse"]), (&json!(0), &json!(0)), "{run}");

    // Whoever looks sees everybody, and changes nothing.
    let seen = district.library.json(&["source", "students", "oak"], 0);
    assert_eq!((&seen["students"], &seen["completeness"]), (&json!(41), &json!("snapshot")), "{seen}");

    // A new bulk is the whole truth: who is not in it is missing.
    let mut rest = canaries(0..38);
    rest[3] = renamed;
    district.bulk(&rest);
    let run = district.sync(0);
    assert_eq!((&run["roster"]["absent"], &run["counts"]["create"]), (&json!(3), &json!(0)), "{run}");
    assert_eq!(ils.patrons().len(), 41, "nobody is deleted");
}

#[test]
fn what_waits_stays_and_is_approved_with_what_came_since() {
    let ils = Practice::start();
    let mut district = District::new(&ils);
    district.bulk(&canaries(0..40));
    district.library.first_load();
    // Too many newcomers at once.
    let newcomers: Vec<_> = canaries(100..140).into_iter().map(|child| (child, true)).collect();
    district.delta(&newcomers);
    let first = district.sync(3);
    assert_eq!((&first["counts"]["waiting"], &first["writes"]), (&json!(40), &json!(0)), "{first}");
    assert_eq!(district.images().len(), 2, "what is not done can be read again");
    // A day later one of them is renamed and one has left again; what waits is the newest.
    let renamed = Child { family: format!("{FAMILY}new"), ..canary(101) };
    district.delta(&[(renamed.clone(), true), (canary(102), false)]);
    let second = district.sync(3);
    assert_eq!(second["counts"]["waiting"], 39, "{second}");
    let done = district.library.json(&["approve", &second["run"].to_string()], 0);
    assert_eq!(done["counts"]["create"], 39, "{done}");
    assert_eq!((surname(&ils, &renamed), ils.patrons().len()), (format!("{FAMILY}new"), 79));
    assert_eq!(district.images().len(), 1, "what is done is let go");
    district.nothing_in_clear();
    let quiet = district.sync(0);
    assert_eq!(
        (&quiet["writes"], &quiet["findings"]["no_new_file"]["count"]),
        (&json!(0), &json!(1)),
        "{quiet}"
    );
    // What a person drops is dropped, and the next package goes on from there.
    district.delta(&canaries(200..240).into_iter().map(|child| (child, true)).collect::<Vec<_>>());
    let third = district.sync(3);
    district.library.run(&["discard", &third["run"].to_string()]).expect(0);
    district.delta(&[(canary(300), true)]);
    assert_eq!(district.sync(0)["counts"]["create"], 1);
    assert_eq!(ils.patrons().len(), 80);
}

#[test]
fn a_file_by_hand_is_put_where_the_packages_lie() {
    let ils = Practice::start();
    let mut district = District::new(&ils);
    district.bulk(&canaries(0..3));
    district.library.first_load();
    let file = district.library.path("packages/001.zip").display().to_string();
    district.library.run(&["import", "oak", &file]).expect(64).says(&["deltas = true", "put the package"]);
}

#[test]
fn s20_one_student_is_found_in_the_kept_roster_and_forgotten_and_all_is_purged() {
    let ils = Practice::start();
    let mut district = District::new(&ils);
    let everybody = canaries(0..6);
    district.bulk(&everybody);
    district.library.first_load();
    let library = &district.library;
    let id = everybody[2].id.as_str();
    let plain = library.run(&["inventory", "oak", id]).expect(0);
    let said = plain.both();
    assert!(
        said.contains("a row of users.csv in the roster that is kept for delta packages (sealed"),
        "{said}"
    );
    assert!(!said.contains(GIVEN) && !said.contains(BIRTH), "{said}");
    let shown = library.run(&["inventory", "oak", id, "--reveal"]).expect(0);
    assert!(shown.stdout.contains(&format!("{FAMILY}2")) && shown.stdout.contains(BIRTH), "{}", shown.both());

    let gone = library.json(&["forget", "oak", id, "--yes", "--opt-out"], 0);
    assert_eq!(gone["rows_of_kept_rosters"], 2, "{gone}");
    let left = library.json(&["inventory", "oak", id, "--reveal"], 0);
    assert!(!left.to_string().contains("users.csv") && !left.to_string().contains(GIVEN), "{left}");
    let seen = library.run(&["source", "students", "oak"]).expect(0);
    assert!(!seen.stdout.contains(id) && seen.stdout.contains(&everybody[3].id), "{}", seen.both());

    let certificate = library.path("certificate.txt");
    library.run(&["purge", "oak", "--yes", "--out", &certificate.display().to_string()]).expect(0);
    assert!(district.images().is_empty());
    let text = fs::read_to_string(&certificate).unwrap();
    assert!(text.contains("kept for delta packages"), "{text}");
    district.nothing_in_clear();
}

#[test]
fn s01_a_run_that_is_killed_anywhere_loses_no_delta_and_makes_no_second_card() {
    let roster = children(60);
    let (mut killed, mut at_work) = (0, 0);
    for round in 0..4_u64 {
        let ils = Practice::start();
        let mut district = District::new(&ils);
        district.library.let_all_through();
        district.library.hurry("500ms", "1s");
        district.bulk(&roster[..30]);
        let mut kill = |district: &District, delay: u64| {
            at_work += 1;
            killed +=
                u32::from(district.library.start(&["sync", "oak"]).kill_after(Duration::from_millis(delay)));
        };
        (0..3).for_each(|n| kill(&district, 20 + round * 23 + n * 110));
        district.delta(&roster[30..50].iter().map(|child| (child.clone(), true)).collect::<Vec<_>>());
        (0..3).for_each(|n| kill(&district, 25 + round * 29 + n * 90));
        let renamed = Child { family: "Renamed".to_owned(), ..roster[1].clone() };
        district.delta(&[(renamed.clone(), true), (roster[2].clone(), false)]);
        kill(&district, 30 + round * 40);
        let mut last = Value::Null;
        for _ in 0..12 {
            let ran = district.library.run(&["--json", "sync", "oak"]);
            last = ran.json();
            if ran.code == Some(0) && last["writes"] == 0 && last["findings"].get("no_new_file").is_some() {
                break;
            }
            ils.pause(Duration::from_millis(400));
        }
        assert!(last["findings"].get("no_new_file").is_some(), "{last}");
        let mut numbers: Vec<String> = ils.patrons().into_iter().map(|patron| patron.barcode).collect();
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), ils.patrons().len(), "round {round}: a number twice");
        // Who left before any run got as far as to make the card needs none.
        let gone = numbers.iter().any(|number| number.ends_with(&roster[2].id));
        assert_eq!(numbers.len(), 49 + usize::from(gone), "round {round}");
        assert_eq!(surname(&ils, &renamed), "Renamed");
        assert_eq!(district.images().len(), 1, "round {round}");
    }
    println!("{killed} of {at_work} killed at work");
}
