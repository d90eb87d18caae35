//! A partnership in words: district, library, ILS, source, schedule, agreement, card programme, homes. From its file alone; what a
//! connector's table says stays its own crate's matter.

use rostercard_config::{Main, Partnership};
use rostercard_core::consent::Programme;
use rostercard_core::rules::expiry::ExpiryRule;
use rostercard_core::rules::number::NumberRule;
use rostercard_core::rules::pin::PinRule;
use rostercard_core::rules::{CardRule, Existing, OnLeaving};

use super::write::{code, words};

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
        what.extend(patch.pin.as_ref().map(|pin| pin_of(pin).to_owned()));
        what.extend(patch.expires.as_ref().map(expires));
        if what.is_empty() {
            what.push("other statistics or another note".to_owned());
        }
        facts.push(("Other cards", format!("{who}: {}", what.join(", "))));
    }
    facts.push(("Who gets one", programme(partnership)));
    facts.push(("Cards that are there already", existing(rules.existing).to_owned()));
    facts.push(("Who leaves", leaving(partnership)));
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
        Some(line) => format!("{} on the clock of {clock}; in words: `rostercard schedule`", code(&line.value)),
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

const fn number_of(rule: &NumberRule) -> &'static str {
    match rule {
        NumberRule::Template(_) => "made from the student id",
        NumberRule::Range(_) => "from a range of the library's",
    }
}

const fn pin_of(rule: &PinRule) -> &'static str {
    match rule {
        PinRule::None => "no PIN from here",
        PinRule::Random { .. } => "a random PIN",
        PinRule::BirthDate { .. } => "a PIN from the birth date",
        PinRule::StudentId { .. } => "a PIN from the student id",
    }
}

fn expires(rule: &ExpiryRule) -> String {
    match rule {
        ExpiryRule::EveryYear { .. } => "expires on a day of each year".to_owned(),
        ExpiryRule::Graduation { last_grade, .. } => format!("expires at the end of grade {last_grade}"),
        ExpiryRule::Span { days, .. } => format!("expires after {days} days, renewed while in the roster"),
        ExpiryRule::Never => "does not expire".to_owned(),
    }
}

fn selected(selector: &rostercard_core::rules::Selector) -> String {
    let mut parts = Vec::new();
    if let Some(roles) = &selector.roles {
        parts.push(roles.iter().map(|role| role.word()).collect::<Vec<_>>().join(", "));
    }
    if selector.grades.is_some() {
        parts.push("some grades".to_owned());
    }
    if let Some(ages) = &selector.ages {
        parts.push(format!("ages {} to {}", ages.start(), ages.end()));
    }
    if let Some(schools) = &selector.schools {
        parts.push(format!("{} schools", schools.len()));
    }
    if selector.zips.is_some() {
        parts.push("some ZIP codes".to_owned());
    }
    if parts.is_empty() { "everybody".to_owned() } else { parts.join("; ") }
}

fn programme(partnership: &Partnership) -> String {
    let eligible = &partnership.rules.eligible;
    let mut text: String = eligible.roles.iter().map(|role| role.word()).collect::<Vec<_>>().join(", ");
    if eligible.grades.is_some() {
        text.push_str(" of some grades");
    }
    if let Some(schools) = &eligible.schools {
        text.push_str(&format!(" of {} schools", schools.len()));
    }
    if let Some(ages) = &eligible.ages {
        text.push_str(&format!(" aged {} to {}", ages.start(), ages.end()));
    }
    text.push_str(match partnership.rules.programme {
        Programme::OptOut => "; everybody whose family did not say no",
        Programme::OptIn => "; only those whose family said yes",
    });
    text
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
