//! Twenty years of several zones against an oracle that only reads the wall clock, every five minutes: what is due, what a delay and
//! closed hours make of it.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rostercard_daemon::Schedule;
use rostercard_daemon::quiet::Hours;

/// A line, and what it means, said once more.
type Line = (&'static str, fn(DateTime) -> bool);

const LINES: &[Line] = &[
    ("30 4 * * MON-FRI", |t| at(t, 4, 30) && !matches!(t.weekday(), Weekday::Saturday | Weekday::Sunday)),
    ("30 2 * * *", |t| at(t, 2, 30)),
    ("0 0 * * *", |t| at(t, 0, 0)),
    ("45 23 1,15 * *", |t| at(t, 23, 45) && [1, 15].contains(&t.day())),
    ("*/20 1-3 * * 0", |t| {
        (1..=3).contains(&t.hour()) && t.minute() % 20 == 0 && t.weekday() == Weekday::Sunday
    }),
    ("15 1 13 * 5", |t| at(t, 1, 15) && (t.day() == 13 || t.weekday() == Weekday::Friday)),
    ("5 12 29 2 *", |t| at(t, 12, 5) && (t.month(), t.day()) == (2, 29)),
    ("10 * * 3,10 *", |t| t.minute() == 10 && [3, 10].contains(&t.month())),
];

fn at(time: DateTime, hour: i8, minute: i8) -> bool {
    (time.hour(), time.minute()) == (hour, minute)
}

const FIVE: SignedDuration = SignedDuration::from_mins(5);

/// Every moment of the years at which the clock shows a due time for the first time, or has just jumped over one.
fn oracle(zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Vec<Timestamp>> {
    let mut due = vec![Vec::new(); LINES.len()];
    let mut hit = vec![false; LINES.len()];
    let (mut now, mut shown) = (from, zone.to_datetime(from));
    while now < to {
        now += FIVE;
        let clock = zone.to_datetime(now);
        while shown < clock {
            shown = shown.checked_add(FIVE).unwrap();
            for (hit, (_, means)) in hit.iter_mut().zip(LINES) {
                *hit |= means(shown);
            }
        }
        for (hit, due) in hit.iter_mut().zip(&mut due) {
            if std::mem::take(hit) {
                due.push(now);
            }
        }
    }
    due
}

/// Every moment at which a schedule begins a run.
fn begun(schedule: &Schedule, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let mut all = Vec::new();
    let mut after = from;
    while let Some(next) = schedule.next_after(after).filter(|next| *next <= to) {
        assert!(next > after);
        all.push(next);
        after = next;
    }
    all
}

/// Says the first difference alone. The first days are left out: what was due just before them may have been moved into them.
fn same(found: &[Timestamp], wanted: &[Timestamp], what: &str) {
    let first: Timestamp = "2006-01-04T00:00:00Z".parse().unwrap();
    let settled = |all: &[Timestamp]| all.iter().copied().filter(|at| *at > first).collect::<Vec<_>>();
    let (found, wanted) = (settled(found), settled(wanted));
    let differ = found.iter().zip(&wanted).find(|(found, wanted)| found != wanted);
    assert!(differ.is_none(), "{what}: {differ:?}");
    assert_eq!(found.len(), wanted.len(), "{what}");
    assert!(!found.is_empty());
}

fn twenty_years(name: &str) {
    let zone = TimeZone::get(name).unwrap();
    let (from, to): (Timestamp, Timestamp) =
        ("2006-01-01T12:01:00Z".parse().unwrap(), "2026-01-01T12:00:00Z".parse().unwrap());
    // The oracle walks whole five minutes.
    let start: Timestamp = "2006-01-01T12:00:00Z".parse().unwrap();
    for ((line, _), due) in LINES.iter().zip(oracle(&zone, start, to)) {
        let plain = Schedule::new(line, zone.clone()).unwrap();
        same(&begun(&plain, from, to), &due, &format!("{line} in {name}"));
        // Later by the partnership's own delay; then out of closed hours; several that come to one moment are one run.
        let delayed = plain.delayed("oak", SignedDuration::from_hours(2));
        let delay = delayed.delay();
        let (quiet, allowed) = (vec![(2 * 60, 4 * 60 + 30)], vec![(22 * 60, 13 * 60)]);
        let open = |at: Timestamp| {
            let clock = zone.to_datetime(at);
            let minute = i32::from(clock.hour()) * 60 + i32::from(clock.minute());
            !(120..270).contains(&minute) && !(780..1_320).contains(&minute)
        };
        let mut wanted: Vec<Timestamp> = Vec::new();
        for at in &due {
            let mut begins = *at + delay;
            if !open(begins) {
                begins = Timestamp::from_second(begins.as_second() / 60 * 60).unwrap();
                while !open(begins) {
                    begins += SignedDuration::from_mins(1);
                }
            }
            if begins <= to && wanted.last() != Some(&begins) {
                wanted.push(begins);
            }
        }
        let moved = delayed.within(Hours::new(quiet, allowed)).unwrap();
        same(&begun(&moved, from, to), &wanted, &format!("{line} in {name}, moved"));
    }
}

macro_rules! zones {
    ($($test:ident $zone:literal,)+) => {
        $(#[test]
        fn $test() {
            twenty_years($zone);
        })+
    };
}

zones! {
    s25_twenty_years_of_los_angeles "America/Los_Angeles",
    s25_twenty_years_of_chicago "America/Chicago",
    s25_twenty_years_of_lord_howe_with_its_half_hours "Australia/Lord_Howe",
    s25_twenty_years_of_apia_with_a_day_left_out "Pacific/Apia",
    s25_twenty_years_of_santiago_where_midnight_is_skipped "America/Santiago",
    s25_twenty_years_of_casablanca_with_four_changes_a_year "Africa/Casablanca",
}

#[test]
fn a_delay_is_always_the_same_and_spreads_partnerships() {
    let most = SignedDuration::from_mins(10);
    let delay = |id: &str| Schedule::new("30 4 * * *", TimeZone::UTC).unwrap().delayed(id, most).delay();
    assert_eq!(delay("oak"), delay("oak"));
    let mut all: Vec<i64> = (0..200).map(|n| delay(&format!("district-{n}")).as_secs()).collect();
    assert!(all.iter().all(|seconds| (0..=600).contains(seconds)));
    all.sort_unstable();
    // No half of the ten minutes has less than a third of them.
    assert!((67..=133).contains(&all.partition_point(|seconds| *seconds <= 300)), "{all:?}");
    assert_eq!(
        Schedule::new("30 4 * * *", TimeZone::UTC).unwrap().delayed("oak", SignedDuration::ZERO).delay(),
        SignedDuration::ZERO
    );
}
