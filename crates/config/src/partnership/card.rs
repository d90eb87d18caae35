//! `[card]` and `[[card.for]]`: what card students get, and who gets another. One reader serves both: what `[card]`
//! must say, a `[[card.for]]` may.

use std::collections::BTreeMap;

use rostercard_core::field::{Field, FieldRules};
use rostercard_core::grade::Grade;
use rostercard_core::privacy::Personal;
use rostercard_core::reason::Reject;
use rostercard_core::rules::expiry::{ExpiryRule, MonthDay as YearlyDay};
use rostercard_core::rules::number::{CheckDigit, NumberRange, NumberRule, NumberTemplate, TemplateError};
use rostercard_core::rules::pin::{BirthDateForm, DEFAULT_DIGITS, PinRule};
use rostercard_core::rules::{
    AddressRules, CardFor, CardPatch, CardRule, CodeTemplate, NameChoice, PoBox, Selector,
};
use rostercard_core::student::Address;
use rostercard_core::words::{CardModel, Code};

use super::people;
use crate::kind::{Integer, MonthDay, Parsed, Text, Word, Wrong, words};
use crate::names::Name;
use crate::place::{Place, Placed};
use crate::problem::{Code as Problems, Problem};
use crate::reader::{TableReader, TextOrTable};
use crate::suggest::{listed, nearest};

/// `[card]`, read.
pub(super) struct CardRead {
    pub(super) rule: CardRule,
    pub(super) card_for: Vec<CardFor>,
    pub(super) names: NameChoice,
    pub(super) address: AddressRules,
    /// Where the number of `[card]` is said, and then that of each `[[card.for]]`, or the table where it says none.
    pub(super) numbers: Vec<Place>,
}

/// What `[card]` must say, each with an example for the advice.
const MUST: [(&str, &str); 5] = [
    ("model", "model = \"digital\""),
    ("category", "category = \"STUDENT\""),
    ("number", "number = \"77{student_id:0>8}\""),
    ("pin", "pin = \"random\""),
    ("expires", "expires = { every_year = \"10-01\" }"),
];

pub(super) fn read(
    mut table: TableReader<'_>,
    fields: &FieldRules,
    number_max: Option<usize>,
) -> Option<CardRead> {
    for (key, example) in MUST {
        if !table.has(key) {
            table.missing(key, &format!("add this line: {example}"));
        }
    }
    let mut numbers = vec![table.place_of("number")];
    let patch = patch(&mut table, fields, number_max);
    let names = table.or("names", &Word(&words(NameChoice::ALL, NameChoice::word)), NameChoice::Legal).value;
    let address = match table.table("address") {
        Some(address) => read_address(address, fields),
        None => AddressRules::default(),
    };
    let card_for = table.tables("for").into_iter().filter_map(|table| {
        let place = table.place_of("number");
        let read = read_for(table, fields, number_max)?;
        numbers.push(place);
        Some(read)
    });
    let card_for = card_for.collect();
    table.finish();
    let rule = CardRule {
        model: patch.model?,
        category: patch.category?,
        number: patch.number?,
        pin: patch.pin?,
        expires: patch.expires?,
        statistics: patch.statistics,
        note: patch.note,
    };
    Some(CardRead { rule, card_for, names, address, numbers })
}

fn patch(table: &mut TableReader<'_>, fields: &FieldRules, number_max: Option<usize>) -> CardPatch {
    let model = table.optional("model", &Word(&words(CardModel::ALL, CardModel::word)));
    let category = table.optional("category", &Text);
    let number = number(table, number_max);
    let pin = pin(table, fields);
    let expires = expires(table);
    let note = table.optional("note", &Text);
    let mut statistics = BTreeMap::new();
    if let Some(mut codes) = table.table("statistics") {
        for (name, template) in codes.map(&Parsed(statistic)) {
            statistics.insert(Code::new(&name.value), template.value);
        }
        codes.finish();
    }
    CardPatch {
        model: model.map(|model| model.value),
        category: category.map(|category| Code::new(category.value)),
        number,
        pin,
        expires,
        statistics,
        note: note.map(|note| note.value),
    }
}

fn statistic(text: &str) -> Result<CodeTemplate, Wrong> {
    CodeTemplate::parse(text).map_err(|variable| {
        let known = CodeTemplate::VARIABLES.iter().copied();
        let braced: Vec<String> = known.clone().map(|name| format!("{{{name}}}")).collect();
        Wrong {
            meant: nearest(&variable, known).map(|name| format!("{{{name}}}")),
            ..Wrong::value(
                "has something between braces that is no variable here",
                format!("the variables are {}", listed(braced.iter().map(String::as_str))),
            )
        }
    })
}

fn read_for(mut table: TableReader<'_>, fields: &FieldRules, number_max: Option<usize>) -> Option<CardFor> {
    let selector = Selector {
        grades: people::grades(&mut table),
        schools: people::set(&mut table, "schools"),
        roles: people::roles(&mut table),
        ages: people::ages(&mut table),
        zips: people::zips(&mut table, "zips"),
    };
    let said = ["grades", "schools", "roles", "ages", "zips"].iter().any(|key| table.has(key));
    let patch = patch(&mut table, fields, number_max);
    if !said {
        table.problems().add(Problem::error(
            Problems::MissingKey,
            table.place().clone(),
            table.key("grades"),
            "this does not say who it is for",
            "add grades, schools, roles, ages or zips; what is for everybody belongs into [card]",
        ));
    } else if patch == CardPatch::default() {
        table.problems().add(Problem::warning(
            Problems::Contradiction,
            table.place().clone(),
            table.key("category"),
            "nothing is different for these students",
            "add what is different, such as category = \"...\", or remove this [[card.for]]",
        ));
    }
    table.finish().then_some(CardFor { selector, patch })
}

/// `number = "77{student_id:0>8}"`, `{ template = .., check_digit = .., student_id_min = .. }` or
/// `{ range = .., first = .., last = .., check_digit = .. }`.
fn number(table: &mut TableReader<'_>, number_max: Option<usize>) -> Option<NumberRule> {
    const HOW: &str =
        "write number = \"77{student_id:0>8}\", or number = { range = \"name\", first = 1, last = 9999 }";
    let at = table.place_of("number");
    let (rule, place, key) = match table.text_or_table("number")? {
        TextOrTable::Text(text) => {
            let key = text.key.clone();
            match template(&text.value) {
                Ok(template) => (NumberRule::Template(template), text.place, key),
                Err(wrong) => {
                    let mut problem = Problem::error(wrong.code, text.place, key, wrong.what, wrong.advice);
                    if let Some(meant) = wrong.meant {
                        problem.advice.insert(0, format!("did you mean `{meant}`?"));
                    }
                    table.problems().add(problem);
                    return None;
                }
            }
        }
        TextOrTable::Table(mut inner) => {
            let key = table.key("number");
            let check = inner.optional("check_digit", &Word(&words(CheckDigit::ALL, CheckDigit::word)));
            let check_digit = check.map_or(CheckDigit::None, |check| check.value);
            let rule = match (inner.has("template"), inner.has("range")) {
                (true, false) => templated(&mut inner, check_digit),
                (false, true) => ranged(&mut inner, check_digit),
                _ => {
                    let said = "exactly one of `template` and `range` must be said";
                    table.complain("number", Problems::Exclusive, said, HOW);
                    return None;
                }
            };
            if !inner.finish() {
                return None;
            }
            (rule?, at, key)
        }
    };
    if let Some(most) = number_max
        && !fits(&rule, most)
    {
        table.problems().add(Problem::error(
            Problems::Contradiction,
            place,
            key,
            format!("even the shortest number made by this is longer than the {most} characters that the ILS holds"),
            "shorten it, or write number_max = ... below the ILS in rostercard.toml if it holds more",
        ));
        return None;
    }
    Some(rule)
}

fn template(text: &str) -> Result<NumberTemplate, Wrong> {
    NumberTemplate::parse(text).map_err(|error| {
        let (what, meant) = match &error {
            TemplateError::NoVariable => {
                ("has no {student_id} in it, so every student would get the same number".to_owned(), None)
            }
            TemplateError::Twice => ("has {student_id} in it twice".to_owned(), None),
            TemplateError::Unknown(_) => (
                "has something between braces that is no variable here".to_owned(),
                Some("{student_id}".to_owned()),
            ),
            TemplateError::Padding(_) => ("has a padding that cannot be read".to_owned(), None),
            TemplateError::Brace => ("has a brace without its fellow".to_owned(), None),
            TemplateError::Character(_) => (
                "has a character that cannot be on a card: letters A to Z, digits and hyphens can".to_owned(),
                None,
            ),
        };
        let advice =
            "write it like \"77{student_id:0>8}\": 77, then the student id filled with zeros to 8 characters";
        Wrong { meant, ..Wrong::value(what, advice) }
    })
}

fn templated(table: &mut TableReader<'_>, check_digit: CheckDigit) -> Option<NumberRule> {
    let shortest = table.optional("student_id_min", &Integer(1..=32));
    let mut template = table.optional("template", &Parsed(template))?.value;
    template.check_digit = check_digit;
    if let Some(length) = shortest.and_then(|shortest| usize::try_from(shortest.value).ok()) {
        template.student_id_min = length;
    }
    Some(NumberRule::Template(template))
}

fn ranged(table: &mut TableReader<'_>, check_digit: CheckDigit) -> Option<NumberRule> {
    // Eighteen digits fit a number of TOML, and no barcode has more.
    let positive = Integer(0..=999_999_999_999_999_999);
    let name = table.optional("range", &Parsed(range_name));
    let first = table.required("first", &positive, "21234000100000");
    let last = table.required("last", &positive, "21234000199999");
    let width = table.optional("width", &Integer(1..=18));
    let (name, first, last) = (name?, first?, last?);
    let digits = last.value.to_string().len();
    if first.value > last.value {
        table.problems().add(
            Problem::about(
                &last,
                Problems::Contradiction,
                "the range ends before it begins",
                "write the smaller number as first, the larger as last",
            )
            .and_at(first.place, "it begins here"),
        );
        return None;
    }
    let width = match width {
        None => digits,
        Some(width) => {
            let said = usize::try_from(width.value).unwrap_or_default();
            if said < digits {
                table.problems().add(Problem::about(
                    &width,
                    Problems::Contradiction,
                    format!("the last number has more digits than this: {digits}"),
                    format!("write width = {digits} or more, or leave it out"),
                ));
                return None;
            }
            said
        }
    };
    let number = |placed: &Placed<i64>| u64::try_from(placed.value).ok();
    Some(NumberRule::Range(NumberRange {
        name: Code::new(name.value.as_str()),
        first: number(&first)?,
        last: number(&last)?,
        width,
        check_digit,
    }))
}

fn range_name(text: &str) -> Result<Name, Wrong> {
    Name::new(text).ok_or_else(|| {
        Wrong::value(
            "is not a name",
            "write lowercase letters, digits and hyphens alone, such as \"student-cards\"",
        )
    })
}

/// Whether the shortest number of a rule is no longer than an ILS holds.
fn fits(rule: &NumberRule, most: usize) -> bool {
    match rule {
        NumberRule::Template(template) => {
            let shortest = Personal::new("1".repeat(template.student_id_min));
            !matches!(template.apply(&shortest, most), Err(Reject::NumberTooLong { .. }))
        }
        NumberRule::Range(range) => range.width + usize::from(range.check_digit != CheckDigit::None) <= most,
    }
}

/// `pin = "random"`, `"none"`, or `{ random = 6 }`, `{ birth_date = "mmdd" }`, `{ student_id = 4 }`.
fn pin(table: &mut TableReader<'_>, fields: &FieldRules) -> Option<PinRule> {
    const WORDS: [&str; 2] = ["random", "none"];
    const HOW: &str = "write pin = \"random\" or \"none\", or { random = 6 }, { birth_date = \"mmdd\" } or { student_id = 4 }";
    let (rule, place) = match table.text_or_table("pin")? {
        TextOrTable::Text(text) => match text.value.as_str() {
            "random" => {
                return Some(PinRule::Random { digits: DEFAULT_DIGITS });
            }
            "none" => return Some(PinRule::None),
            other => {
                let what = "is no rule for making PINs";
                table
                    .problems()
                    .add(Problem::about(&text, Problems::UnknownWord, what, HOW).did_you_mean(other, WORDS));
                return None;
            }
        },
        TextOrTable::Table(mut inner) => {
            let digits = Integer(4..=12);
            let random = inner.optional("random", &digits);
            let birth_date =
                inner.optional("birth_date", &Word(&words(BirthDateForm::ALL, BirthDateForm::word)));
            let student_id = inner.optional("student_id", &digits);
            let small = |digits: Placed<i64>| u8::try_from(digits.value).unwrap_or(DEFAULT_DIGITS);
            let said = ["random", "birth_date", "student_id"].iter().filter(|key| inner.has(key)).count();
            let place = inner.place().clone();
            let whole = inner.finish();
            if said != 1 {
                if whole {
                    table.complain(
                        "pin",
                        Problems::Exclusive,
                        "exactly one way to make a PIN must be said",
                        HOW,
                    );
                }
                return None;
            }
            let rule = random
                .map(|digits| PinRule::Random { digits: small(digits) })
                .or_else(|| birth_date.map(|form| PinRule::BirthDate { form: form.value }))
                .or_else(|| student_id.map(|last| PinRule::StudentId { last: small(last) }));
            (rule.filter(|_| whole)?, place)
        }
    };
    worth(&rule, &place, table, fields);
    Some(rule)
}

/// What a PIN that can be known is worth, said once.
fn worth(rule: &PinRule, place: &Place, table: &TableReader<'_>, fields: &FieldRules) {
    let (what, who) = match rule {
        PinRule::None | PinRule::Random { .. } => return,
        PinRule::BirthDate { .. } => ("a birth date", "whoever knows the child's birthday"),
        PinRule::StudentId { .. } => ("the student id", "whoever sees the card or a class list"),
    };
    if matches!(rule, PinRule::BirthDate { .. }) && !fields.allows(Field::BirthDate) {
        table.problems().add(Problem::error(
            Problems::Contradiction,
            place.clone(),
            table.key("pin"),
            "the PIN is made of the birth date, which [fields] says is not read",
            "write pin = \"random\", or allow birth_date below [fields]",
        ));
        return;
    }
    table.problems().add(Problem::warning(
        Problems::Unwise,
        place.clone(),
        table.key("pin"),
        format!("a PIN made of {what} is known to {who}"),
        "write pin = \"random\" unless the agreement asks for this",
    ));
}

/// `expires = "never"`, `{ every_year = "10-01", rollover = "07-01" }`, `{ graduation = "06-30", last_grade = 12 }`
/// or `{ days = 365, renew_before = 30 }`.
fn expires(table: &mut TableReader<'_>) -> Option<ExpiryRule> {
    const HOW: &str =
        "write expires = { every_year = \"10-01\" }, { graduation = \"06-30\" }, { days = 365 } or \"never\"";
    match table.text_or_table("expires")? {
        TextOrTable::Text(text) if text.value == "never" => Some(ExpiryRule::Never),
        TextOrTable::Text(text) => {
            let problem = match text.value.parse::<jiff::civil::Date>() {
                // One date for all is over one day, and then every new card is expired when it is made.
                Ok(date) => Problem::about(
                    &text,
                    Problems::Past,
                    "one date is over one day, and all cards made later would be expired from the start",
                    format!(
                        "write the day of each year: expires = {{ every_year = \"{:02}-{:02}\" }}",
                        date.month(),
                        date.day()
                    ),
                ),
                Err(_) => Problem::about(&text, Problems::UnknownWord, "is no rule for expiry", HOW)
                    .did_you_mean(&text.value, ["never"]),
            };
            table.problems().add(problem);
            None
        }
        TextOrTable::Table(mut inner) => {
            let (key, place) = (table.key("expires"), inner.place().clone());
            let every_year = inner.optional("every_year", &MonthDay);
            let rollover = inner.optional("rollover", &MonthDay);
            let graduation = inner.optional("graduation", &MonthDay);
            let last_grade = inner.optional("last_grade", &people::GradeKind);
            let days = inner.optional("days", &Integer(1..=3653));
            let renew_before = inner.optional("renew_before", &Integer(0..=3652));
            // Each way, and what belongs to it alone.
            let ways = [("every_year", "rollover"), ("graduation", "last_grade"), ("days", "renew_before")];
            let said: Vec<&(&str, &str)> = ways.iter().filter(|(way, _)| inner.has(way)).collect();
            let stray = ways.iter().any(|way| inner.has(way.1) && !said.contains(&way));
            let fit = said.len() == 1 && !stray;
            if !inner.finish() {
                return None;
            }
            if !fit {
                table.problems().add(Problem::error(
                    Problems::Exclusive,
                    place,
                    key,
                    "exactly one rule for expiry must be said, and only what belongs to it",
                    HOW,
                ));
                return None;
            }
            if let Some(on) = every_year {
                yearly(&on, rollover, table)
            } else if let Some(on) = graduation {
                let last = last_grade.map(|grade| grade.value).or_else(|| Grade::number(12))?;
                Some(ExpiryRule::Graduation { on: on.value, last_grade: last })
            } else {
                span(days?, renew_before, table)
            }
        }
    }
}

fn yearly(
    on: &Placed<YearlyDay>,
    rollover: Option<Placed<YearlyDay>>,
    table: &TableReader<'_>,
) -> Option<ExpiryRule> {
    let Some(rollover) = rollover else {
        return Some(ExpiryRule::every_year(on.value));
    };
    if rollover.value == on.value {
        table.problems().add(
            Problem::about(
                &rollover,
                Problems::Contradiction,
                "the rollover is the day itself: it must lie before it",
                "write the day from which new cards get the next year's date, such as three months before, or leave \
                 it out",
            )
            .and_at(on.place.clone(), "the day is said here"),
        );
        return None;
    }
    Some(ExpiryRule::EveryYear { on: on.value, rollover: rollover.value })
}

fn span(days: Placed<i64>, renew_before: Option<Placed<i64>>, table: &TableReader<'_>) -> Option<ExpiryRule> {
    let before = renew_before.as_ref().map_or_else(|| (days.value / 12).min(30), |before| before.value);
    if before >= days.value {
        let at = renew_before.unwrap_or(days);
        table.problems().add(Problem::about(
            &at,
            Problems::Contradiction,
            "cards would be renewed before they were made, that is, every night",
            "write fewer days for renew_before than for days",
        ));
        return None;
    }
    let small = |days: i64| u16::try_from(days).ok();
    Some(ExpiryRule::Span { days: small(days.value)?, renew_before: small(before)? })
}

/// `[card.address]`: fallback, PO boxes, known ZIP codes.
fn read_address(mut table: TableReader<'_>, fields: &FieldRules) -> AddressRules {
    if !fields.allows(Field::Address) {
        table.problems().add(Problem::warning(
            Problems::Contradiction,
            table.place().clone(),
            table.key("fallback"),
            "[fields] says that addresses are not read, so only the fallback can ever be used",
            "write address = \"school\" below [fields], or remove what is not needed here",
        ));
    }
    let fallback = table.table("fallback").and_then(|mut inner| {
        let street = inner.required("street", &Text, "\"250 First Street\"");
        let street2 = inner.optional("street2", &Text);
        let city = inner.required("city", &Text, "\"Woodland\"");
        let state = inner.required("state", &Text, "\"CA\"");
        let zip = inner.required("zip", &Text, "\"95695\"");
        inner.finish();
        let personal = |text: Placed<String>| Personal::new(text.value);
        Some(Address {
            street: personal(street?),
            street2: street2.map(personal),
            city: personal(city?),
            state: personal(state?),
            zip: personal(zip?),
        })
    });
    let po_box = table.or("po_box", &Word(&words(PoBox::ALL, PoBox::word)), PoBox::Accept);
    let known_zips = people::zips(&mut table, "known_zips");
    if po_box.value == PoBox::Fallback && !table.has("fallback") {
        table.problems().add(Problem::about(
            &po_box,
            Problems::Contradiction,
            "there is no fallback to put in a PO box's place",
            "add the library's own address: [card.address.fallback]",
        ));
    }
    table.finish();
    AddressRules { fallback, po_box: po_box.value, known_zips }
}
