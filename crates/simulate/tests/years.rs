//! Some hundreds of school years, each with every fault on, on every run of the tests.
//!
//! `ROSTERCARD_SIMULATE_SEED` chooses the seed, `ROSTERCARD_SIMULATE_YEARS` how many; a failure prints both and the
//! command that replays it.

mod support;

use rostercard_simulate::{Invariant, live};
use support::{many, wanted};

/// What a few hundred years must have seen, or the simulator is asleep.
const SEEN: &[&str] = &[
    "acts of staff",
    "answers lost",
    "approve",
    "cards blocked or ended",
    "cards changed",
    "cards made",
    "clock jumps",
    "discard",
    "disks that lied",
    "double starts",
    "feeds",
    "lapses",
    "messages answered with an error",
    "messages done late",
    "messages lost on their way",
    "messages that never left",
    "pauses",
    "plan",
    "power cuts",
    "restores",
    "second runs",
    "sync",
    "writes that found the disk full",
];

#[test]
fn s01_s02_s03_s05_s09_s25_s26_s33_s37_no_law_is_broken_in_hundreds_of_years() {
    let (seed, years) = wanted(300);
    let lived = many(seed, 0..years, None);
    assert!(lived.violations.is_empty(), "\n{}", lived.violations.join("\n\n"));
    if years >= 200 {
        for what in SEEN {
            assert!(lived.figures.get(what).is_some_and(|times| *times > 0), "never seen: {what}");
        }
        assert!(lived.figures["feeds"] >= years * 60, "years that ended early");
    }
}

#[test]
fn a_year_is_the_same_every_time() {
    let (seed, _) = wanted(1);
    for year in 0..6 {
        let (one, other) = (live(seed, year, true), live(seed, year, true));
        assert!(one.trace.len() > 200, "year {year} has no trace");
        for (line, again) in one.trace.iter().zip(&other.trace) {
            assert_eq!(line, again, "year {year}");
        }
        assert_eq!(one.trace.len(), other.trace.len());
        assert_eq!(one.figures, other.figures);
        assert_eq!(one.violation, other.violation);
    }
    assert_ne!(live(seed, 0, true).trace, live(seed, 1, true).trace);
}

#[test]
fn every_law_has_an_invariant_and_every_invariant_a_sentence() {
    for law in 1..=9 {
        assert!(Invariant::ALL.iter().any(|invariant| invariant.law() == law), "law {law}");
    }
    for invariant in Invariant::ALL {
        assert!(invariant.says().ends_with('.') && invariant.law() <= 9, "{invariant}");
        let twice = Invariant::ALL.iter().filter(|other| other.word() == invariant.word()).count();
        assert_eq!(twice, 1, "{invariant}");
    }
}

/// docs/simulation.md lists every invariant.
#[test]
fn the_page_lists_every_invariant() {
    let page = include_str!("../../../docs/simulation.md");
    for invariant in Invariant::ALL {
        let line = format!("| `{invariant}` | {} | {} |", invariant.law(), invariant.says());
        assert!(page.contains(&line), "docs/simulation.md has no line\n{line}");
    }
}
