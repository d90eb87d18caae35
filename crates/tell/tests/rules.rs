//! When people are told: by table, and as properties of random weeks.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rostercard_tell::rules::{AGAIN, BACK_OFF, remembered, step, step_of};
use rostercard_tell::{About, End, Kind, Memory, News, Seen, Situation, Step, Waits, What};

fn start() -> Timestamp {
    "2026-11-24T04:30:00Z".parse().unwrap()
}

fn after(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

fn waiting(guard: &str, run: i64) -> Seen {
    let why = vec![Waits {
        guard: guard.into(),
        kind: Some("create".into()),
        school: None,
        found: "40".into(),
        cause: "August?".into(),
    }];
    let what = What::Waiting { run, changes: 40 + run.unsigned_abs(), why, until: None };
    Seen::Is(Situation { about: None, kind: Kind::Waiting, what })
}

fn failed(why: &str) -> Seen {
    let what = What::Failed { why: why.into(), hint: String::new(), last_success: None };
    Seen::Is(Situation { about: None, kind: Kind::Failed, what })
}

/// Plays a story: at each minute what is so, and whether mail goes out; what was told, and when.
fn play(kind: Kind, story: &[(i64, Seen, bool)]) -> Vec<(i64, News, bool)> {
    let mut memory: Option<Memory> = None;
    let mut told = Vec::new();
    for (minute, seen, goes) in story {
        let now = after(*minute);
        let todo = step(kind, seen, memory.as_ref(), now);
        if let Step::Tell(news) = todo {
            told.push((*minute, news, *goes));
        }
        memory = remembered(("pat", "oak", kind), (todo, seen), memory.as_ref(), *goes, now).or(memory);
    }
    told
}

#[test]
fn s39_what_waits_is_told_at_once_and_daily_and_not_oftener() {
    use News::{Begins, Changed, Reminder};
    let day = 24 * 60;
    // Each hour another run makes the plan anew: it is the same that waits.
    let mut story: Vec<_> =
        (0..72).map(|hour| (hour * 60, waiting("first_connection", hour), true)).collect();
    let told = play(Kind::Waiting, &story);
    assert_eq!(told, [(0, Begins, true), (day, Reminder, true), (2 * day, Reminder, true)]);
    // Another guard is other news; it waits for nobody's day.
    story.push((72 * 60 + 30, waiting("rejects", 80), true));
    let told = play(Kind::Waiting, &story);
    assert_eq!(told.last(), Some(&(72 * 60 + 30, Changed, true)), "{told:?}");
    // Decided: whoever decided knows. What waits a week later is told at once.
    story.push((75 * 60, Seen::Not, true));
    story.push((250 * 60, waiting("rejects", 90), true));
    let told = play(Kind::Waiting, &story);
    assert_eq!(told[told.len() - 1], (250 * 60, Begins, true));
    assert_eq!(told.len(), 5, "{told:?}");
}

#[test]
fn a_failure_is_told_once_and_its_end_once() {
    use News::{Begins, Over, Reminder};
    let told = play(
        Kind::Failed,
        &[
            (0, Seen::Not, true),
            (10, failed("run 7: the ILS cannot be reached"), true),
            (15, failed("run 8: the ILS did not answer 3 times"), true),
            (30, Seen::Unknown, true),
            (100, failed("run 9"), true),
            (24 * 60 + 10, failed("run 20"), true),
            (24 * 60 + 20, Seen::Not, true),
            (24 * 60 + 21, Seen::Not, true),
            // It comes and goes: not again within the hour.
            (24 * 60 + 22, failed("run 22"), true),
            (24 * 60 + 23, Seen::Not, true),
            (24 * 60 + 70, failed("run 23"), true),
            (24 * 60 + 81, failed("run 23"), true),
        ],
    );
    assert_eq!(
        told,
        [
            (10, Begins, true),
            (24 * 60 + 10, Reminder, true),
            (24 * 60 + 20, Over, true),
            (24 * 60 + 81, Begins, true)
        ]
    );
}

#[test]
fn a_pause_is_no_recovery() {
    let told =
        play(Kind::Failed, &[(0, failed("x"), true), (60, Seen::Unknown, true), (90, Seen::Unknown, true)]);
    assert_eq!(told.len(), 1);
}

#[test]
fn mail_that_does_not_go_out_is_tried_again_with_a_bound() {
    // Each minute for four days, and nothing goes.
    let story: Vec<_> = (0..4 * 24 * 60).map(|minute| (minute, failed("x"), false)).collect();
    let told = play(Kind::Failed, &story);
    let gaps: Vec<i64> = told.windows(2).map(|two| two[1].0 - two[0].0).collect();
    let wanted: Vec<i64> = BACK_OFF.iter().map(SignedDuration::as_mins).collect();
    assert_eq!(&gaps[..7], &wanted[..], "{told:?}");
    assert!(told.iter().take(8).all(|(_, news, _)| *news == News::Begins));
    // It goes at the third try: no further one.
    let story: Vec<_> = (0..60).map(|minute| (minute, failed("x"), minute >= 6)).collect();
    assert_eq!(play(Kind::Failed, &story).iter().map(|told| told.0).collect::<Vec<_>>(), [0, 1, 6]);
    // Over before anybody could be told: nobody is.
    let mut story: Vec<_> = (0..4).map(|minute| (minute, failed("x"), false)).collect();
    story.extend((4..200).map(|minute| (minute, Seen::Not, true)));
    assert_eq!(play(Kind::Failed, &story).iter().filter(|told| told.2).count(), 0);
}

#[test]
fn ends_are_told_at_their_steps() {
    for (days, step) in [
        (31, None),
        (30, Some(30)),
        (15, Some(30)),
        (14, Some(14)),
        (7, Some(7)),
        (2, Some(7)),
        (1, Some(1)),
        (0, Some(1)),
        (-1, Some(-1)),
        (-90, Some(-1)),
    ] {
        assert_eq!(step_of(days), step, "{days}");
    }
    let on = "2027-06-30".parse().unwrap();
    let story: Vec<_> = (-5..=40)
        .rev()
        .map(|days: i64| {
            let ends = vec![End { what: "the agreement".into(), on, days }];
            let situation = Situation { about: None, kind: Kind::Ends, what: What::Ends(ends) };
            let seen = if days > 30 { Seen::Not } else { Seen::Is(situation) };
            ((40 - days) * 1_440, seen, true)
        })
        .collect();
    let told: Vec<i64> = play(Kind::Ends, &story).iter().map(|told| 40 - told.0 / 1_440).collect();
    assert_eq!(told, [30, 14, 7, 1, -1]);
}

#[test]
fn a_clock_that_was_years_ahead_silences_nobody_for_years() {
    let far = 3 * 365 * 24 * 60;
    let told = play(
        Kind::Waiting,
        &[(far, waiting("a", 1), true), (0, waiting("a", 2), true), (60, waiting("a", 3), true)],
    );
    assert_eq!(told.len(), 2, "{told:?}");
    let told =
        play(Kind::Failed, &[(far, failed("a"), false), (0, failed("a"), true), (60, failed("a"), true)]);
    assert_eq!(told.len(), 2, "{told:?}");
}

fn seen(kind: Kind, what: u8) -> Seen {
    let about = Some(About { id: "oak".into(), name: "oak".into() });
    match what {
        0 => Seen::Not,
        1 => Seen::Unknown,
        n if kind == Kind::Waiting => waiting(["a", "b"][usize::from(n % 2)], n.into()),
        n => Seen::Is(Situation { about, kind, what: What::Late { why: format!("{n}") } }),
    }
}

proptest! {
    #[test]
    fn in_random_weeks_nobody_is_flooded_and_nobody_is_left_in_the_dark(
        kind in prop::sample::select(vec![Kind::Waiting, Kind::Failed, Kind::Late]),
        story in prop::collection::vec((1i64..300, 0u8..6, prop::bool::weighted(0.8)), 1..200),
    ) {
        let mut minute = 0;
        let story: Vec<_> = story
            .into_iter()
            .map(|(gap, what, goes)| { minute += gap; (minute, seen(kind, what), goes) })
            .collect();
        let told = play(kind, &story);
        let went: Vec<_> = told.iter().filter(|told| told.2).collect();
        for two in went.windows(2) {
            // An end may come soon after a beginning; everything else keeps its distance.
            let over = two[1].1 == News::Over;
            prop_assert!(over || two[1].0 - two[0].0 >= AGAIN.as_mins(), "{:?}", told);
            prop_assert!(!(over && two[0].1 == News::Over), "over twice: {:?}", told);
        }
        // What is so at the first look, and mail goes: told at once.
        if let Some((at, Seen::Is(_), true)) = story.iter().find(|one| matches!(one.1, Seen::Is(_)) || !one.2)
            && story.iter().take_while(|one| one.0 < *at).all(|one| !matches!(one.1, Seen::Is(_)))
        {
            prop_assert_eq!(went.first().map(|told| told.0), Some(*at));
        }
        prop_assert!(went.first().is_none_or(|first| first.1 == News::Begins), "{:?}", told);
        prop_assert!(kind != Kind::Waiting || told.iter().all(|told| told.1 != News::Over));
    }
}
