//! A partnership in words: district, library, ILS, source, schedule, agreement, card programme, homes. From its file alone; what a
//! connector's table says stays its own crate's matter.

use std::collections::BTreeSet;

use rostercard_config::{Main, Partnership};
use rostercard_core::consent::Programme;
use rostercard_core::field::{Field, Ownership};
use rostercard_core::grade::{Grade, GradeSet};
use rostercard_core::rules::expiry::{ExpiryRule, MonthDay};
use rostercard_core::rules::number::NumberRule;
use rostercard_core::rules::pin::PinRule;
use rostercard_core::rules::{CardRule, Existing, OnLeaving, Selector};

use super::write::{code, hours, words};

/// So many names of a list are written out.
const NAMED: usize = 8;

/// Lines of a list, each with its title.
pub(super) fn facts(main: &Main, partnership: &Partnership) -> Vec<(&'static str, String)> {
    let rules = &partnership.rules;
    let library = main.library_of(partnership);
    let ils = main.ils(&partnership.ils).map_or_else(
        || code(partnership.ils.as_str()),
        |ils| {
            let others: Vec<&str> = ils.others.iter().map(|(connector, _)| connector.as_str()).collect();
            let also = if others.is_empty() { String::new() } else { format!(", and {}", others.join(", ")) };
            format!("{}, by {}{also}", code(ils.name.as_str()), ils.connector)
        },
    );
    let mut facts = vec![
        ("District", words(&partnership.district)),
        ("Library", format!("{}, on the clock of {}", words(&library.name), library.timezone_name)),
        ("ILS", ils),
        ("Roster", source(partnership)),
        ("Runs", runs(partnership, &library.timezone_name)),
        ("Agreement", agreement(partnership)),
        ("Cards", card(&rules.card)),
    ];
    for other in &rules.card_for {
        let (patch, who) = (&other.patch, selected(&other.selector));
        let mut what = Vec::new();
        what.extend(patch.model.map(|model| format!("a {} card", model.word())));
        what.extend(patch.category.as_ref().map(|category| format!("category {}", code(category.as_str()))));
        what.extend(patch.number.as_ref().map(|number| format!("number {}", number_of(number))));
        what.extend(patch.pin.as_ref().map(pin_of));
        what.extend(patch.expires.as_ref().map(expires));
        if what.is_empty() {
            what.push("other statistics or another note".to_owned());
        }
        facts.push(("Other cards", format!("{who}: {}", what.join(", "))));
    }
    facts.push(("Who gets one", programme(partnership)));
    facts.push(("Cards that are there already", existing(rules.existing).to_owned()));
    facts.push(("Who leaves", leaving(partnership)));
    facts.push(("What the roster keeps up", kept_up(partnership)));
    facts
}

fn source(partnership: &Partnership) -> String {
    let kind = match partnership.source.as_str() {
        "oneroster" => "OneRoster over REST",
        "oneroster_csv" => "a OneRoster package",
        "clever" => "Clever",
        "csvdrop" => "the district's own file",
        other => other,
    };
    let mut text = kind.to_owned();
    if let Some(name) = &partnership.shared_source {
        text.push_str(&format!(", the source {} that others may use too", code(name.as_str())));
    }
    if let Some(every) = partnership.expected_every {
        text.push_str(&format!("; a new one is expected every {} hours", every.as_secs() / 3600));
    }
    text
}

fn runs(partnership: &Partnership, clock: &str) -> String {
    match &partnership.schedule {
        None => "by hand only".to_owned(),
        Some(line) => {
            let mut text = format!("{} on the clock of {}", code(&line.value), code(clock));
            if let minutes @ 1.. = partnership.jitter.as_secs() / 60 {
                text.push_str(&format!(", up to {minutes} minutes later"));
            }
            if let Some(quiet) = hours(&partnership.quiet) {
                text.push_str(&format!(", not from {quiet}"));
            }
            text.push_str("; in words: `rostercard schedule`");
            text
        }
    }
}

fn agreement(partnership: &Partnership) -> String {
    let agreement = &partnership.dates.agreement;
    match (agreement.starts, agreement.ends) {
        (None, None) => "no dates are written down: see `[agreement]`".to_owned(),
        (Some(starts), None) => format!("since {starts}; no end is written down"),
        (None, Some(ends)) => format!("until {ends}"),
        (Some(starts), Some(ends)) => format!("{starts} to {ends}"),
    }
}

fn card(rule: &CardRule) -> String {
    format!(
        "a {} card of category {}; number {}; {}; {}",
        rule.model.word(),
        code(rule.category.as_str()),
        number_of(&rule.number),
        pin_of(&rule.pin),
        expires(&rule.expires)
    )
}

fn number_of(rule: &NumberRule) -> String {
    match rule {
        NumberRule::Template(_) => "made from the student id".to_owned(),
        NumberRule::Range(range) => {
            format!("from the range {}, {} to {}", code(range.name.as_str()), range.first, range.last)
        }
    }
}

fn pin_of(rule: &PinRule) -> String {
    match rule {
        PinRule::None => "no PIN from here".to_owned(),
        PinRule::Random { digits } => format!("a random PIN of {digits} digits"),
        PinRule::BirthDate { .. } => "a PIN from the birth date".to_owned(),
        PinRule::StudentId { .. } => "a PIN from the student id".to_owned(),
    }
}

fn expires(rule: &ExpiryRule) -> String {
    match rule {
        ExpiryRule::EveryYear { on, .. } => format!("expires on {} of each year", day(*on)),
        ExpiryRule::Graduation { on, last_grade } => {
            format!("expires on {} of the year in which grade {last_grade} is finished", day(*on))
        }
        ExpiryRule::Span { days, renew_before } => format!(
            "expires after {days} days, renewed {renew_before} days before while the student is in the roster"
        ),
        ExpiryRule::Never => "does not expire".to_owned(),
    }
}

/// A leap year has every day that a year can have.
fn day(on: MonthDay) -> String {
    on.in_year(2000).strftime("%-d %B").to_string()
}

/// `KG to 05, 08`.
fn grades_of(set: &GradeSet) -> String {
    let mut bands: Vec<(Grade, Grade)> = Vec::new();
    let mut went_on = false;
    for grade in (0..=u8::MAX).filter_map(Grade::from_code) {
        let inside = set.contains(grade);
        match bands.last_mut().filter(|_| went_on) {
            Some(band) if inside => band.1 = grade,
            _ if inside => bands.push((grade, grade)),
            _ => {}
        }
        went_on = inside;
    }
    let shown =
        bands.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from} to {to}") });
    shown.collect::<Vec<_>>().join(", ")
}

/// A list of names, or how many there are.
fn listed(names: &BTreeSet<String>, what: &str) -> String {
    if names.len() > NAMED {
        return format!("{} {what}", names.len());
    }
    format!("{what} {}", names.iter().map(|name| words(name)).collect::<Vec<_>>().join(", "))
}

fn selected(selector: &Selector) -> String {
    let mut parts = Vec::new();
    if let Some(roles) = &selector.roles {
        parts.push(roles.iter().map(|role| role.word()).collect::<Vec<_>>().join(", "));
    }
    parts.extend(selector.grades.as_ref().map(|grades| format!("grades {}", grades_of(grades))));
    parts.extend(selector.ages.as_ref().map(|ages| format!("ages {} to {}", ages.start(), ages.end())));
    parts.extend(selector.schools.as_ref().map(|schools| listed(schools, "schools")));
    parts.extend(selector.zips.as_ref().map(|zips| listed(zips, "ZIP codes")));
    if parts.is_empty() { "everybody".to_owned() } else { parts.join("; ") }
}

fn programme(partnership: &Partnership) -> String {
    let eligible = &partnership.rules.eligible;
    let mut parts = vec![eligible.roles.iter().map(|role| role.word()).collect::<Vec<_>>().join(", ")];
    parts.extend(eligible.grades.as_ref().map(|grades| format!("grades {}", grades_of(grades))));
    parts.extend(eligible.ages.as_ref().map(|ages| format!("ages {} to {}", ages.start(), ages.end())));
    parts.extend(eligible.schools.as_ref().map(|schools| listed(schools, "schools")));
    if !eligible.not_schools.is_empty() {
        parts.push(format!("not {}", listed(&eligible.not_schools, "schools")));
    }
    let who = match partnership.rules.programme {
        Programme::OptOut => "everybody whose family did not say no",
        Programme::OptIn => "only those whose family said yes",
    };
    format!("{}; {who}", parts.join("; "))
}

/// The fields that the roster owns, and those that are ours; the rest is the library's once a card is made.
fn kept_up(partnership: &Partnership) -> String {
    let owned = |owner: Ownership| {
        let fields = Field::ALL.iter().filter(|field| partnership.rules.fields.owner(**field) == owner);
        fields.map(|field| field.word().replace('_', " ")).collect::<Vec<_>>().join(", ")
    };
    let (school, ours) = (owned(Ownership::School), owned(Ownership::Ours));
    match (school.as_str(), ours.as_str()) {
        ("", "") => "nothing".to_owned(),
        (school, "") => school.to_owned(),
        ("", ours) => format!("nothing; by the rules of the file: {ours}"),
        (school, ours) => format!("{school}; by the rules of the file: {ours}"),
    }
}

const fn existing(existing: Existing) -> &'static str {
    match existing {
        Existing::Separate => "stay as they are; the student gets a card of their own beside them",
        Existing::Link => "are linked; only the agreed fields are added",
        Existing::Skip => "stay as they are; no other is made",
    }
}

fn leaving(partnership: &Partnership) -> String {
    let rules = &partnership.lapse;
    let then = match rules.then {
        OnLeaving::NotRenewed => "the card is not renewed",
        OnLeaving::Expire => "the card expires",
        OnLeaving::Block => "the card is blocked",
    };
    format!("after {} days and {} rosters without the student, {then}", rules.grace_days, rules.grace_feeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_are_told_as_bands() {
        let set = |entries: &[&str]| {
            GradeSet::new(entries.iter().map(|text| GradeSet::parse_entry(text).unwrap()).collect())
        };
        for (entries, told) in [
            (&["K-5"][..], "KG to 05"),
            (&["8"], "08"),
            (&["TK-2", "11-12"], "TK to 02, 11 to 12"),
            (&[], ""),
        ] {
            assert_eq!(grades_of(&set(entries)), told);
        }
    }

    #[test]
    fn expiry_is_told_with_its_day() {
        let on = MonthDay::new(10, 1).unwrap();
        assert_eq!(expires(&ExpiryRule::every_year(on)), "expires on 1 October of each year");
    }

    #[test]
    fn long_lists_are_counted() {
        let names = |count: usize| (0..count).map(|n| format!("S{n}")).collect::<BTreeSet<String>>();
        assert_eq!(listed(&names(2), "schools"), "schools S0, S1");
        assert_eq!(listed(&names(9), "schools"), "9 schools");
    }
}
