//! The six planted bugs: the simulator catches each of them, by the law that it breaks. Run with
//! `cargo test -p rostercard-simulate --features planted-bugs --test planted`.

mod support;

use rostercard_engine::{Bug, plant};
use rostercard_simulate::Invariant;
use support::{many, wanted};

/// A few hundred years are the budget.
const YEARS: u64 = 300;

#[expect(clippy::print_stdout, reason = "how soon each is caught is a figure for docs/simulation.md")]
fn caught(prepare: fn(), by: &[Invariant]) {
    let (seed, _) = wanted(YEARS);
    let lived = many(seed, 0..YEARS, Some(prepare));
    assert!(!lived.violations.is_empty(), "not caught in {} years", lived.years);
    let named = |violation: &String| by.iter().any(|i| violation.contains(&format!(": {i} (law")));
    let fitting = lived.violations.iter().find(|violation| named(violation));
    assert!(fitting.is_some(), "caught, but by another law:\n{}", lived.violations.join("\n\n"));
    let first = fitting.and_then(|violation| violation.lines().next()).unwrap_or_default();
    println!("caught after {} years: {first}", lived.years);
}

#[test]
fn a_lookup_error_taken_for_not_found_is_caught() {
    caught(|| plant(Some(Bug::ErrorIsNotFound)), &[Invariant::OnlyNotFoundCreates]);
}

#[test]
fn an_unknown_create_sent_again_at_once_with_a_new_number_is_caught() {
    let by = [
        Invariant::InDoubtSameNumber,
        Invariant::SettledNoSooner,
        Invariant::OneCardEach,
        Invariant::NoQuestionForNothing,
        Invariant::NobodyLost,
    ];
    caught(|| plant(Some(Bug::ResentAtOnce)), &by);
}

#[test]
fn a_ledger_written_before_the_outcome_is_caught() {
    caught(|| plant(Some(Bug::LedgerFirst)), &[Invariant::OnlyConfirmedInLedger]);
}

#[test]
fn a_guard_that_never_waits_is_caught() {
    let by = [Invariant::FirstLoadWaits, Invariant::LimitsWait, Invariant::DoubtWithdrawsNobody];
    caught(|| plant(Some(Bug::NothingWaits)), &by);
}

#[test]
fn a_pin_on_update_is_caught() {
    caught(|| plant(Some(Bug::PinOnUpdate)), &[Invariant::PinOnce]);
}

#[test]
fn the_sourced_id_as_the_persons_key_is_caught() {
    let by = [
        Invariant::OneCardEach,
        Invariant::GoneIsNotMadeAgain,
        Invariant::NoQuestionForNothing,
        Invariant::EndedOnlyOnLeaving,
        Invariant::GraceFirst,
    ];
    caught(|| plant(Some(Bug::SourcedIdIsTheKey)), &by);
}

/// Without a planted bug the same engine breaks nothing.
#[test]
fn the_feature_alone_changes_nothing() {
    let (seed, _) = wanted(0);
    let lived = many(seed, 0..30, None);
    assert!(lived.violations.is_empty(), "\n{}", lived.violations.join("\n\n"));
}
