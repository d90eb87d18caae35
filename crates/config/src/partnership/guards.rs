//! `[guards]`: the limits at which changes wait for a person. `create = "10%"`, `"warn"`, `"off"`, or
//! `{ percent = 10, at_least = 25, action = "wait" }`; what is not said keeps the core's default.

use std::time::Duration;

use rostercard_core::guard::{Expectation, GuardAction, Guards, Limit};
use rostercard_core::plan::ChangeKind;

use crate::kind::{Day, Integer, Kind as _, List, Percent, Span, Text, Word, words};
use crate::place::Place;
use crate::problem::{Code, Problem};
use crate::reader::{TableReader, TextOrTable};

/// The limits, each with where it is kept.
type Limits = [(&'static str, fn(&mut Guards) -> &mut Limit); 17];
const LIMITS: Limits = [
    ("after_pause", |guards| &mut guards.after_pause),
    ("create", |guards| &mut guards.create),
    ("link", |guards| &mut guards.link),
    ("update", |guards| &mut guards.update),
    ("renew", |guards| &mut guards.renew),
    ("lapse", |guards| &mut guards.lapse),
    ("restore", |guards| &mut guards.restore),
    ("school", |guards| &mut guards.school),
    ("grade", |guards| &mut guards.grade),
    ("roster_collapse", |guards| &mut guards.roster_collapse),
    ("school_collapse", |guards| &mut guards.school_collapse),
    ("rejects", |guards| &mut guards.rejects),
    ("reviews", |guards| &mut guards.reviews),
    ("gone", |guards| &mut guards.gone),
    ("absent_fields", |guards| &mut guards.absent_fields),
    ("swapped_columns", |guards| &mut guards.swapped_columns),
    ("consent", |guards| &mut guards.consent),
];

/// The switches, each with where it is kept.
type Switches = [(&'static str, fn(&mut Guards) -> &mut GuardAction); 5];
const SWITCHES: Switches = [
    ("first_connection", |guards| &mut guards.first_connection),
    ("first_cards", |guards| &mut guards.first_cards),
    ("rules_changed", |guards| &mut guards.rules_changed),
    ("endpoint_changed", |guards| &mut guards.endpoint_changed),
    ("roster_older", |guards| &mut guards.roster_older),
];

/// What keeps a broken roster from ending cards: turned off, there is nothing left that would.
const LIFELINES: [&str; 3] = ["roster_collapse", "school_collapse", "lapse"];

/// The guards, and where each expectation stands.
pub(super) fn read(mut table: TableReader<'_>) -> (Guards, Vec<Place>) {
    let mut guards = Guards::default();
    let actions = words(GuardAction::ALL, GuardAction::word);
    for (key, place) in SWITCHES {
        if let Some(action) = table.optional(key, &Word(&actions)) {
            *place(&mut guards) = action.value;
        }
    }
    for (key, place) in LIMITS {
        limit(&mut table, key, place(&mut guards));
    }
    for key in LIFELINES {
        let off =
            LIMITS.iter().any(|(name, place)| *name == key && place(&mut guards).action == GuardAction::Off);
        if off {
            table.problems().add(Problem::warning(
                Code::Unwise,
                table.place_of(key),
                table.key(key),
                "with this guard off, half a roster ends cards and nobody is asked",
                "write a limit instead, such as \"20%\"",
            ));
        }
    }
    roster_age(&mut table, &mut guards);
    let mut places = Vec::new();
    for expected in table.tables("expect") {
        let place = expected.place().clone();
        if let Some(expectation) = expectation(expected) {
            guards.expect.push(expectation);
            places.push(place);
        }
    }
    table.finish();
    (guards, places)
}

/// `roster_age = "3d"`, `"warn"`, `"off"`, or `{ age = "3d", action = "warn" }`.
fn roster_age(table: &mut TableReader<'_>, guards: &mut Guards) {
    let hour = Duration::from_secs(3600);
    let span = Span(hour..=hour * 24 * 400);
    match table.text_or_table("roster_age") {
        None => {}
        Some(TextOrTable::Text(text)) => match GuardAction::from_word(&text.value) {
            Some(action) => guards.roster_age_action = action,
            None => guards.roster_age = table.optional("roster_age", &span).map(|age| age.value.as_secs()),
        },
        Some(TextOrTable::Table(mut inner)) => {
            let actions = words(GuardAction::ALL, GuardAction::word);
            guards.roster_age = inner.optional("age", &span).map(|age| age.value.as_secs());
            guards.roster_age_action = inner.or("action", &Word(&actions), GuardAction::Wait).value;
            inner.finish();
        }
    }
}

/// The kinds of change that can be expected.
const KINDS: [ChangeKind; 6] = [
    ChangeKind::Create,
    ChangeKind::Link,
    ChangeKind::Update,
    ChangeKind::Renew,
    ChangeKind::Lapse,
    ChangeKind::Restore,
];

/// One `[[guards.expect]]`.
fn expectation(mut table: TableReader<'_>) -> Option<Expectation> {
    let from = table.required("from", &Day, "2026-08-10");
    let until = table.required("until", &Day, "2026-09-11");
    let kinds = words(&KINDS, ChangeKind::word);
    let kinds = table.required("kinds", &List { of: Word(&kinds), empty: false }, "[\"create\", \"update\"]");
    let percent = table.optional("percent", &Percent);
    let count = table.optional("count", &Integer(1..=10_000_000));
    let reason = table.required("reason", &Text, "\"the new school year\"");
    if !table.has("percent") && !table.has("count") {
        table.missing(
            "count",
            "say how many are expected: count = 2500, or percent = \"40%\" of the cards there are",
        );
    }
    if let (Some(from), Some(until)) = (&from, &until)
        && until.value < from.value
    {
        table.complain(
            "until",
            Code::Contradiction,
            "it is over before it begins",
            "write a day after `from`",
        );
    }
    table.finish();
    let count = count.and_then(|count| u64::try_from(count.value).ok());
    Some(Expectation {
        from: from?.value,
        until: until?.value,
        kinds: kinds?.value,
        percent: percent.map(|percent| percent.value),
        count,
        reason: reason?.value,
    })
}

fn limit(table: &mut TableReader<'_>, key: &str, limit: &mut Limit) {
    match table.text_or_table(key) {
        None => {}
        Some(TextOrTable::Text(text)) => {
            if let Some(action) = GuardAction::from_word(&text.value) {
                limit.action = action;
                return;
            }
            let node = crate::document::Node {
                value: crate::document::Value::String(text.value.clone()),
                place: text.place.clone(),
            };
            match Percent.read(&node) {
                Ok(percent) => {
                    limit.percent = percent;
                    limit.action = GuardAction::Wait;
                }
                Err(wrong) => {
                    let advice = "write a share such as \"10%\", or `wait`, `warn` or `off`";
                    let known = GuardAction::ALL.iter().map(|action| action.word());
                    table.problems().add(
                        Problem::about(&text, wrong.code, wrong.what, advice)
                            .did_you_mean(&text.value, known),
                    );
                }
            }
        }
        Some(TextOrTable::Table(mut inner)) => {
            let actions = words(GuardAction::ALL, GuardAction::word);
            limit.percent = inner.or("percent", &Percent, limit.percent).value;
            let at_least = inner.optional("at_least", &Integer(0..=1_000_000));
            if let Some(at_least) = at_least.and_then(|number| u64::try_from(number.value).ok()) {
                limit.at_least = at_least;
            }
            limit.action = inner.or("action", &Word(&actions), GuardAction::Wait).value;
            inner.finish();
        }
    }
}
