//! S01: `sync` is killed at hundreds of random moments, against an ILS that answers late, commits late and loses answers.
//! Whatever was lost, the next runs find it, and every student has exactly one patron.
//!
//! The moments are seeded, but a machine is not: where a kill lands differs from run to run, and what must hold does
//! not. Every single step of the journal is killed in the engine's own tests.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rostercard_practice::ils::{Fault, Options, What, When};
use rostercard_practice::roster::{Spec, Student, students};
use serde_json::Value;

use crate::support::Library;
use crate::support::practice::Practice;
use crate::support::roster::{branch, deliver, district, homes, number};

/// Libraries that are killed to bits, one after the other, by each of [`HANDS`].
const ROUNDS: u64 = 10;
/// How many do so at the same time.
const HANDS: u64 = 4;
/// Kills before a library is let go on in peace, on the first day and on the second.
const KILLS: [u64; 2] = [4, 2];
/// Children in each library's roster.
const STUDENTS: u32 = 40;
/// A run that is never finished is a run that goes wrong.
const RERUNS: usize = 12;

/// A small generator: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// How the numbers of a round come about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Numbers {
    /// From the student number: a second card would have the same number.
    Template,
    /// From a range: a second card would have another, so only the journal prevents it.
    Range,
}

/// What goes wrong with writes at the ILS, besides the kills.
fn faults(seed: u64) -> Vec<Fault> {
    let strike = |service: &str, percent, what| Fault {
        service: Some(service.to_owned()),
        when: When::Chance { percent, seed },
        what,
    };
    vec![
        // Later than the client gives up, and well before the journal may be settled.
        strike("CreateUser", 8, What::CommitLate { after_ms: 250, hold_ms: 100 }),
        strike("CreateUser", 8, What::DropAnswer),
        strike("UpdateUser", 20, What::CommitLate { after_ms: 250, hold_ms: 100 }),
        strike("UpdateUser", 20, What::DropAnswer),
    ]
}

/// How many kills found the program at work, and how many came when it was done.
#[derive(Default)]
struct Tally {
    killed: u64,
    too_late: u64,
}

fn tallied<'a>(tally: &'a Mutex<Tally>, killed: bool) -> std::sync::MutexGuard<'a, Tally> {
    let mut tally = tally.lock().unwrap();
    match killed {
        true => tally.killed += 1,
        false => tally.too_late += 1,
    }
    tally
}

/// Runs until nothing is left to be done. A run that says it is done has left nobody without a card.
fn until_done(library: &Library, ils: &Practice, cards: usize, what: &str) -> Value {
    let mut last = String::new();
    for _ in 0..RERUNS {
        let ran = library.run(&["--json", "sync", "oak"]);
        if ran.code == Some(0) {
            assert_eq!(ils.patrons().len(), cards, "{what}: not done, though it says so: {}", ran.both());
        }
        // A write that was settled only at the end of its run counts as pending in it, and as unchanged in the next.
        if ran.code == Some(0) && ran.json()["counts"]["pending"] == 0 {
            return ran.json();
        }
        assert!(matches!(ran.code, Some(0 | 1)), "{what}: {}", ran.both());
        last = ran.both();
    }
    panic!("{what}: still not done after {RERUNS} runs; the last said {last}");
}

type Who = (String, String, String);

fn who(student: &Student) -> Who {
    let (given, surname) = match (student.given.as_str(), student.family.as_str()) {
        ("", only) | (only, "") => ("", only),
        both => both,
    };
    (given.to_owned(), surname.to_owned(), student.birth.to_string())
}

/// Every student has exactly one patron with the right values, nobody else has one, and nobody's number is another's.
fn exactly_one_each(ils: &Practice, spec: &Spec, gone: &[Student], numbers: Numbers, what: &str) {
    let mut expected: BTreeMap<Who, Vec<Option<&str>>> = BTreeMap::new();
    let day: Vec<Student> = students(spec).collect();
    for student in day.iter().chain(gone) {
        expected.entry(who(student)).or_default().push(Some(branch(student.schools[0])));
    }
    let patrons = ils.patrons();
    let mut found: BTreeMap<Who, Vec<Option<&str>>> = BTreeMap::new();
    for patron in &patrons {
        let birth = patron.birth_date.clone().unwrap_or_default();
        let key = (patron.given.clone(), patron.surname.clone(), birth);
        found.entry(key).or_default().push(patron.home_branch.as_deref());
        assert!(patron.pin.is_some(), "{what}: a patron without a PIN");
    }
    found.values_mut().chain(expected.values_mut()).for_each(|list| list.sort_unstable());
    assert!(
        found == expected,
        "{what}: {} patrons for {} students, or not theirs",
        patrons.len(),
        day.len() + gone.len()
    );
    let mut barcodes: Vec<&str> = patrons.iter().map(|p| p.barcode.as_str()).collect();
    barcodes.sort_unstable();
    let all = barcodes.len();
    barcodes.dedup();
    assert_eq!(barcodes.len(), all, "{what}: a number twice");
    if numbers == Numbers::Template {
        let mut right: Vec<String> = day.iter().chain(gone).map(|s| number(&s.number)).collect();
        right.sort_unstable();
        assert!(barcodes == right, "{what}: numbers that are nobody's");
    }
}

fn library(ils: &Practice, spec: &Spec, numbers: Numbers) -> Library {
    let library = Library::new(&ils.ncip_url(), &homes(spec));
    library.let_all_through();
    library.hurry("300ms", "900ms");
    if numbers == Numbers::Range {
        let range = "number = { range = \"cards\", first = 21234000100000, last = 21234000199999 }";
        library.edit("partnerships/oak.toml", "number = \"77{student_id:0>8}\"", range);
    }
    library.run(&["check"]).expect(0);
    library
}

/// One library: a first load that is killed again and again, then the day after.
fn round(seed: u64, tally: &Mutex<Tally>) {
    let numbers = if seed.is_multiple_of(2) { Numbers::Template } else { Numbers::Range };
    let what = format!("seed {seed}, {numbers:?}");
    let ils = Practice::start_with(Options {
        latency: Duration::from_millis(3),
        faults: faults(seed),
        ..Options::default()
    });
    let spec = district(STUDENTS, seed);
    let library = library(&ils, &spec, numbers);
    let mut dice = Dice(seed);
    let mut gone: Vec<Student> = Vec::new();
    // About how long a run takes here; learned as it goes, so that kills land all over it.
    let mut length = 400;
    for (day, kills) in (0u32..).zip(KILLS) {
        deliver(&spec, day, &library.package());
        let today = Spec { day, ..spec.clone() };
        if day > 0 {
            let still: Vec<String> = students(&today).map(|s| s.number).collect();
            let before = students(&Spec { day: day - 1, ..spec.clone() });
            gone.extend(before.filter(|student| !still.contains(&student.number)));
        }
        for _ in 0..kills {
            let delay = dice.below(length);
            let killed = library.start(&["sync", "oak"]).kill_after(Duration::from_millis(delay));
            drop(tallied(tally, killed));
            if !killed {
                length = (length / 2).max(120);
            }
        }
        let end = until_done(&library, &ils, students(&today).count() + gone.len(), &what);
        let counts = &end["counts"];
        assert_eq!(
            counts["students"],
            end["roster"]["students"].as_u64().unwrap() + end["roster"]["absent"].as_u64().unwrap(),
            "{what}: {end}"
        );
        let open = ["pending", "waiting", "review", "reject"].iter().any(|count| counts[count] != 0);
        assert!(end["unsettled"] == 0 && !open, "{what}: {end}");
        // What the ILS still had under way when everybody else was done changes nothing more.
        exactly_one_each(&ils, &today, &gone, numbers, &what);
        ils.reset_counts();
        let again = library.json(&["sync", "oak"], 0);
        assert!(again["writes"] == 0 && again["lookups"] == 0 && ils.messages() == 0, "{what}: {again}");
        exactly_one_each(&ils, &today, &gone, numbers, &what);
    }
}

#[test]
fn s01_killed_at_hundreds_of_moments_every_student_has_one_patron() {
    let tally = Mutex::new(Tally::default());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for hand in 0..HANDS {
            let tally = &tally;
            scope.spawn(move || {
                for n in 0..ROUNDS {
                    round(1_000 + hand * ROUNDS + n, tally);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!(
        "{} killed at work, {} done before that, in {:?}",
        tally.killed,
        tally.too_late,
        began.elapsed()
    );
    assert_eq!(tally.killed + tally.too_late, HANDS * ROUNDS * (KILLS[0] + KILLS[1]));
    assert!(tally.killed * 2 > tally.too_late, "hardly a kill came in time: the moments are badly spread");
}
