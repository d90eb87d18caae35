//! `[guards]`: the limits at which changes wait for a person. `create = "10%"`, `"warn"`, `"off"`, or
//! `{ percent = 10, at_least = 25, action = "wait" }`; what is not said keeps the core's default.

use std::time::Duration;

use rostercard_core::guard::{GuardAction, Guards, Limit};

use crate::kind::{Integer, Kind as _, Percent, Span, Word, words};
use crate::problem::{Code, Problem};
use crate::reader::{TableReader, TextOrTable};

/// The limits, each with where it is kept.
type Limits = [(&'static str, fn(&mut Guards) -> &mut Limit); 10];
const LIMITS: Limits = [
    ("after_pause", |guards| &mut guards.after_pause),
    ("create", |guards| &mut guards.create),
    ("link", |guards| &mut guards.link),
    ("update", |guards| &mut guards.update),
    ("renew", |guards| &mut guards.renew),
    ("lapse", |guards| &mut guards.lapse),
    ("restore", |guards| &mut guards.restore),
    ("school", |guards| &mut guards.school),
    ("roster_collapse", |guards| &mut guards.roster_collapse),
    ("school_collapse", |guards| &mut guards.school_collapse),
];

/// The switches, each with where it is kept.
type Switches = [(&'static str, fn(&mut Guards) -> &mut GuardAction); 3];
const SWITCHES: Switches = [
    ("first_connection", |guards| &mut guards.first_connection),
    ("rules_changed", |guards| &mut guards.rules_changed),
    ("endpoint_changed", |guards| &mut guards.endpoint_changed),
];

/// What keeps a broken roster from ending cards: turned off, there is nothing left that would.
const LIFELINES: [&str; 3] = ["roster_collapse", "school_collapse", "lapse"];

pub(super) fn read(mut table: TableReader<'_>) -> Guards {
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
    let hour = Duration::from_secs(3600);
    if let Some(age) = table.optional("roster_age", &Span(hour..=hour * 24 * 400)) {
        guards.roster_age = Some(age.value.as_secs());
    }
    table.finish();
    guards
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
