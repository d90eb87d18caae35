//! `[calendar]`, `[agreement]`, `[lapse] graduates`, `[guards]` and `[[guards.expect]]`: what is read, and what is told.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::date;
use rostercard_config::{Code, Connectors, Loaded, Memory, Partnership, Severity, Style, load};
use rostercard_core::calendar::{Graduates, SchoolYear};
use rostercard_core::grade::Grade;
use rostercard_core::guard::{GuardAction, Guards};
use rostercard_core::plan::ChangeKind;

const MAIN: &str = r#"[library]
name = "Woodland Public Library"
timezone = "UTC"
[state]
path = "state"
key = { credential = "state-key" }
[ils.main]
id = "main-2026"
[ils.main.ncip]
url = "https://ils.example.org/ncip"
"#;

const OAK: &str = r#"id = "oak"
district = "Oak Unified"
ils = "main"
expected_every = "1d"
[source.oneroster_csv]
path = "/srv/rosters/oak"
[card]
model = "digital"
category = "STUDENT"
number = "77{student_id:0>8}"
pin = "random"
expires = "never"
[match]
existing = "separate"
[homes]
"Elm" = "MAIN"
"#;

fn read(more: &str) -> Loaded {
    let oak = format!("{OAK}{more}");
    let files = Memory::new([("etc/rostercard.toml", MAIN), ("etc/partnerships/oak.toml", oak.as_str())]);
    let connectors = Connectors { sources: &["oneroster_csv"], ils: &["ncip"] };
    load(&files, Path::new("etc/rostercard.toml"), &BTreeMap::new(), connectors)
}

fn right(more: &str) -> Partnership {
    let loaded = read(more);
    assert_eq!(loaded.problems.render(Style::Plain), "", "{more}");
    loaded.partnerships.into_iter().next().unwrap().1.unwrap()
}

#[test]
fn s11_a_school_year_is_of_every_year_or_of_one() {
    let every = right("[calendar]\nstarts = \"08-17\"\nends = \"06-10\"").dates.calendar;
    assert!(matches!(every.year, Some(SchoolYear::EveryYear { .. })));
    assert_eq!((every.settle_days, every.holidays.len()), (20, 0));
    let once = right(
        "[calendar]\nstarts = 2026-08-17\nends = \"2027-06-10\"\nsettle_days = 0\n\
         holidays = [2026-11-11, \"2026-11-23..2026-11-27\", \"2026-12-21 .. 2027-01-01\"]",
    )
    .dates
    .calendar;
    let (starts, ends) = (date(2026, 8, 17), date(2027, 6, 10));
    assert_eq!(once.year, Some(SchoolYear::Once { starts, ends }));
    assert_eq!(once.holidays[0], date(2026, 11, 11)..=date(2026, 11, 11));
    assert_eq!(once.holidays[2], date(2026, 12, 21)..=date(2027, 1, 1));
    assert_eq!(once.settle_days, 0);
    assert_eq!(right("").dates.calendar.year, None);
}

#[test]
fn agreements_graduates_and_expectations_are_read() {
    let oak = right(
        "[agreement]\nstarts = 2026-08-01\nends = 2029-07-31\non_end = \"freeze\"\n\
         [lapse]\ngraduates = \"like_others\"\nlast_grade = \"8\"\n\
         [guards]\ngrade = \"75%\"\nrejects = { percent = 5, at_least = 3, action = \"warn\" }\ngone = \"off\"\n\
         absent_fields = \"warn\"\nswapped_columns = \"40%\"\nconsent = \"5%\"\nroster_older = \"warn\"\n\
         roster_age = { age = \"3d\", action = \"warn\" }\n\
         [[guards.expect]]\nfrom = 2026-08-10\nuntil = 2026-09-11\nkinds = [\"create\", \"update\"]\ncount = 2500\n\
         reason = \"the new school year\"\n\
         [[guards.expect]]\nfrom = \"2027-06-01\"\nuntil = \"2027-06-30\"\nkinds = [\"lapse\"]\npercent = \"12%\"\n\
         reason = \"graduates\"",
    );
    let agreement = oak.dates.agreement;
    assert_eq!((agreement.starts, agreement.ends), (Some(date(2026, 8, 1)), Some(date(2029, 7, 31))));
    assert_eq!((oak.dates.graduates, oak.dates.last_grade), (Graduates::LikeOthers, Grade::number(8)));
    let guards = &oak.guards;
    assert_eq!(
        (guards.grade.percent, guards.swapped_columns.percent, guards.consent.percent),
        (75.0, 40.0, 5.0)
    );
    assert_eq!((guards.rejects.at_least, guards.rejects.action), (3, GuardAction::Warn));
    assert_eq!((guards.gone.action, guards.absent_fields.action), (GuardAction::Off, GuardAction::Warn));
    assert_eq!(guards.roster_older, GuardAction::Warn);
    assert_eq!((guards.roster_age, guards.roster_age_action), (Some(3 * 86_400), GuardAction::Warn));
    assert_eq!(guards.expect.len(), 2);
    assert_eq!(guards.expect[0].kinds, [ChangeKind::Create, ChangeKind::Update]);
    assert_eq!((guards.expect[0].count, guards.expect[1].percent), (Some(2_500), Some(12.0)));
    assert_eq!(oak.date_places.expect.len(), 2);
}

#[test]
fn s02_a_rhythm_is_a_limit_for_the_rosters_age() {
    for (more, age, action) in [
        ("", 36 * 3_600, GuardAction::Wait),
        ("[guards]\nroster_age = \"5d\"", 5 * 86_400, GuardAction::Wait),
        ("[guards]\nroster_age = \"off\"", 36 * 3_600, GuardAction::Off),
        ("[guards]\nroster_age = \"warn\"", 36 * 3_600, GuardAction::Warn),
    ] {
        let guards = right(more).guards;
        assert_eq!((guards.roster_age, guards.roster_age_action), (Some(age), action), "{more}");
    }
    assert_eq!(Guards::default().roster_age, None);
}

#[test]
fn what_is_wrong_with_dates_is_told_with_its_place() {
    let expect = |lines: &str| format!("[[guards.expect]]\nreason = \"August\"\n{lines}");
    let expected = "kinds = [\"create\"]\ncount = 5";
    for (more, code, key) in [
        ("[calendar]\nstarts = \"08-17\"".to_owned(), Code::MissingKey, "calendar.ends"),
        (
            "[calendar]\nstarts = \"08-17\"\nends = 2027-06-10".to_owned(),
            Code::Contradiction,
            "calendar.ends",
        ),
        (
            "[calendar]\nstarts = 2027-08-17\nends = 2027-06-10".to_owned(),
            Code::Contradiction,
            "calendar.ends",
        ),
        (
            "[calendar]\nstarts = \"17 August\"\nends = \"06-10\"".to_owned(),
            Code::BadValue,
            "calendar.starts",
        ),
        (
            "[calendar]\nholidays = [\"2026-11-27..2026-11-23\"]".to_owned(),
            Code::BadValue,
            "calendar.holidays[1]",
        ),
        (
            "[calendar]\nholidays = [2026-11-27, \"Easter\"]".to_owned(),
            Code::BadValue,
            "calendar.holidays[2]",
        ),
        ("[calendar]\nsettle_days = 900".to_owned(), Code::OutOfRange, "calendar.settle_days"),
        (
            "[agreement]\nstarts = 2027-08-01\nends = 2027-07-31".to_owned(),
            Code::Contradiction,
            "agreement.ends",
        ),
        ("[agreement]\non_end = \"purge\"".to_owned(), Code::UnknownWord, "agreement.on_end"),
        ("[lapse]\ngraduates = \"until_expire\"".to_owned(), Code::UnknownWord, "lapse.graduates"),
        ("[lapse]\nlast_grade = \"14\"".to_owned(), Code::BadValue, "lapse.last_grade"),
        ("[guards]\nroster_age = \"soon\"".to_owned(), Code::BadValue, "guards.roster_age"),
        ("[guards]\nreject = \"5%\"".to_owned(), Code::UnknownKey, "guards.reject"),
        (
            expect(&format!("from = 2026-09-01\nuntil = 2026-08-01\n{expected}")),
            Code::Contradiction,
            "guards.expect[1].until",
        ),
        (expect(&format!("from = 2026-09-01\n{expected}")), Code::MissingKey, "guards.expect[1].until"),
        (
            expect("from = 2026-08-01\nuntil = 2026-09-01\nkinds = [\"create\"]"),
            Code::MissingKey,
            "guards.expect[1].count",
        ),
        (
            expect("from = 2026-08-01\nuntil = 2026-09-01\nkinds = [\"pin\"]\ncount = 5"),
            Code::UnknownWord,
            "guards.expect[1].kinds[1]",
        ),
    ] {
        let loaded = read(&more);
        let found = loaded.problems.sorted();
        assert_eq!(found.len(), 1, "{more}: {}", loaded.problems.render(Style::Plain));
        assert_eq!(
            (found[0].severity, found[0].code, found[0].key.as_str()),
            (Severity::Error, code, key),
            "{more}"
        );
        assert!(loaded.partnerships[0].1.is_err(), "{more}");
    }
}
