//! Who and where: `[eligible]`, `[homes]`, `[fields]`, and the ways to name grades, schools, roles, ages and ZIP codes
//! that `[[card.for]]` shares with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use rostercard_core::field::{Field, FieldRules, Ownership};
use rostercard_core::grade::{Grade, GradeSet};
use rostercard_core::rules::{Eligible, Homes};
use rostercard_core::words::{Code, Role};

use crate::document::{Node, Value};
use crate::kind::{Kind, List, Parsed, Text, Word, Wrong, words};
use crate::place::Place;
use crate::problem::{Code as Problems, Problem};
use crate::reader::TableReader;
use crate::record::Shape;
use crate::suggest::listed;

/// `[fields]`: what may be read, and who owns it.
pub(super) fn fields(top: &mut TableReader<'_>) -> FieldRules {
    let mut rules = FieldRules::default();
    let Some(mut table) = top.table("fields") else {
        return rules;
    };
    let owners = words(Ownership::ALL, Ownership::word);
    for field in FieldRules::CHOOSABLE {
        if let Some(owner) = table.optional(field.word(), &Word(&owners)) {
            rules.set(*field, owner.value);
        }
    }
    for field in [Field::Pin, Field::Barcode] {
        if table.has(field.word()) {
            table.node(field.word());
            table.complain(
                field.word(),
                Problems::Contradiction,
                "nobody owns this field: it is set when a card is made, and never by a sync again",
                "remove this line",
            );
        }
    }
    table.finish();
    rules
}

/// `[homes]`: school to branch; and every school that it names, with its place.
pub(super) fn homes(top: &mut TableReader<'_>) -> (Option<Homes>, Vec<(String, Place)>) {
    let Some(mut table) = top.required_table(
        "homes",
        "add a line [homes], and below it each school with its branch: \"Douglass Middle\" = \"MAIN\"",
    ) else {
        return (None, Vec::new());
    };
    let read = table.map(&Text);
    if read.is_empty() && table.is_empty() {
        table.problems().add(Problem::warning(
            Problems::OutOfRange,
            table.place().clone(),
            "homes",
            "no school has a home, so every student waits",
            "add each school with its branch: \"Douglass Middle\" = \"MAIN\"",
        ));
    }
    // TOML refuses the same name twice; the same school in two spellings is as wrong, and harder to see.
    let alike = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let mut seen = BTreeMap::new();
    let mut homes = BTreeMap::new();
    let mut listed = Vec::new();
    for (school, branch) in read {
        if let Some(first) = seen.insert(alike(&school.value), school.place.clone()) {
            table.problems().add(
                Problem::about(
                    &school,
                    Problems::Twice,
                    "this school is listed twice",
                    "keep the line that spells it as the roster does, and remove the other",
                )
                .and_at(first, "listed here first"),
            );
        }
        listed.push((school.value.clone(), school.place));
        homes.insert(school.value, Code::new(branch.value));
    }
    table.finish();
    (Some(Homes::new(homes)), listed)
}

/// `[eligible]`: who is in the programme at all.
pub(super) fn eligible(top: &mut TableReader<'_>, homes: Option<&Homes>) -> Eligible {
    let Some(mut table) = top.table("eligible") else {
        return Eligible::default();
    };
    let schools = set(&mut table, "schools");
    let not_schools = set(&mut table, "not_schools").unwrap_or_default();
    if let Some(both) =
        schools.as_ref().map(|schools| schools.intersection(&not_schools).count()).filter(|n| *n > 0)
    {
        table.complain(
            "not_schools",
            Problems::Contradiction,
            format!("{both} of these schools are listed as eligible too"),
            "list each school in `schools` or in `not_schools`, not in both",
        );
    }
    if let (Some(schools), Some(homes)) = (&schools, homes) {
        let named: BTreeSet<&str> = homes.iter().map(|(school, _)| school).collect();
        let homeless = schools.iter().filter(|school| !named.contains(school.as_str())).count();
        if homeless > 0 {
            table.problems().add(Problem::warning(
                Problems::Contradiction,
                table.place_of("schools"),
                table.key("schools"),
                format!("{homeless} of these schools have no home by the name used here, so their students may wait"),
                "add them to [homes], spelt alike in both places",
            ));
        }
    }
    let eligible = Eligible {
        roles: roles(&mut table).unwrap_or_else(|| Eligible::default().roles),
        grades: grades(&mut table),
        schools,
        not_schools,
        ages: ages(&mut table),
    };
    table.finish();
    eligible
}

/// A list of texts, as a set.
pub(super) fn set(table: &mut TableReader<'_>, key: &str) -> Option<BTreeSet<String>> {
    table.optional(key, &List { of: Text, empty: false }).map(|list| list.value.into_iter().collect())
}

/// `roles = ["student", "educator"]`.
pub(super) fn roles(table: &mut TableReader<'_>) -> Option<Vec<Role>> {
    let roles = words(Role::ALL, Role::word);
    table.optional("roles", &List { of: Word(&roles), empty: false }).map(|list| list.value)
}

/// `zips = ["95695"]`.
pub(super) fn zips(table: &mut TableReader<'_>, key: &str) -> Option<BTreeSet<String>> {
    let zip = |text: &str| {
        let five = text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
        five.then(|| text.to_owned()).ok_or_else(|| {
            Wrong::value("is not a ZIP code", "write its first five digits, between quotes: \"95695\"")
        })
    };
    table.optional(key, &List { of: Parsed(zip), empty: false }).map(|list| list.value.into_iter().collect())
}

/// `grades = ["K", "1-5", 6]`.
pub(super) fn grades(table: &mut TableReader<'_>) -> Option<GradeSet> {
    table.optional("grades", &List { of: Band, empty: false }).map(|list| GradeSet::new(list.value))
}

const GRADES: &str = "write a grade such as \"PK\", \"K\" or \"7\", or a band such as \"K-5\"";

/// One grade: a number or a word.
pub(super) struct GradeKind;

impl Kind for GradeKind {
    type Out = Grade;
    fn shape(&self) -> Shape {
        Shape::TextOrNumber
    }
    fn read(&self, node: &Node) -> Result<Grade, Wrong> {
        Grade::parse(&text_or_number(node)?).ok_or_else(|| Wrong::value("is not a grade", GRADES))
    }
}

struct Band;

impl Kind for Band {
    type Out = RangeInclusive<Grade>;
    fn shape(&self) -> Shape {
        Shape::TextOrNumber
    }
    fn read(&self, node: &Node) -> Result<Self::Out, Wrong> {
        GradeSet::parse_entry(&text_or_number(node)?).ok_or_else(|| {
            Wrong::value("is not a grade, nor a band of grades from the lower to the higher", GRADES)
        })
    }
}

fn text_or_number(node: &Node) -> Result<String, Wrong> {
    match node.value {
        Value::Integer(number) => Ok(number.to_string()),
        _ => Text.read(node),
    }
}

/// `ages = "13-17"`, both ends included, or one age.
pub(super) fn ages(table: &mut TableReader<'_>) -> Option<RangeInclusive<u8>> {
    table.optional("ages", &Ages).map(|ages| ages.value)
}

struct Ages;

impl Kind for Ages {
    type Out = RangeInclusive<u8>;
    fn shape(&self) -> Shape {
        Shape::TextOrNumber
    }
    fn read(&self, node: &Node) -> Result<Self::Out, Wrong> {
        let text = text_or_number(node)?;
        let (from, to) = text.split_once('-').unwrap_or((&text, &text));
        let age = |text: &str| text.trim().parse::<u8>().ok().filter(|age| *age <= 120);
        match (age(from), age(to)) {
            (Some(from), Some(to)) if from <= to => Ok(from..=to),
            _ => {
                let examples = listed(["\"13-17\"", "\"18\""]);
                Err(Wrong::value("is not an age, nor a span of ages", format!("write it like {examples}")))
            }
        }
    }
}
