//! What `check` says besides of what can be used and still cannot work: numbers that two children could get, or that could be
//! the library's own; schools that had no home in the last run; files that others can read or write. All are warnings.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rostercard_config::{Code, Partnership, Place, Problem};
use rostercard_core::privacy::Personal;
use rostercard_core::rules::number::{CheckDigit, NumberRange, NumberRule, NumberTemplate};

use crate::commands::check::some;
use crate::setup::{STORE_FILE, Setup};

/// The longest student id that is tried.
const LONGEST: usize = 32;

/// Looks at everything, and adds what it finds to the problems.
pub(crate) async fn look(setup: &Setup, config: &Path) {
    numbers(setup);
    files(setup, config);
    homes(setup).await;
}

/// What numbers a rule makes: how they begin and end, and how long they are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Form {
    prefix: String,
    suffix: String,
    shortest: usize,
    longest: usize,
}

impl Form {
    fn of(rule: &NumberRule, most: usize) -> Option<Self> {
        match rule {
            NumberRule::Template(template) => Self::of_template(template, most),
            NumberRule::Range(range) => Some(Self::of_range(range)),
        }
    }

    /// Tried out: of two ids of the same length, what is the same in both numbers is the template's own.
    fn of_template(template: &NumberTemplate, most: usize) -> Option<Self> {
        let make = |digit: &str, length: usize| {
            let made = template.apply(&Personal::new(digit.repeat(length)), most).ok()?;
            Some(made.reveal().to_owned())
        };
        let lengths: Vec<usize> = (1..=LONGEST).filter(|length| make("1", *length).is_some()).collect();
        let (first, last) = (*lengths.first()?, *lengths.last()?);
        let (one, two) = (make("1", last)?, make("2", last)?);
        let same = |a: &mut dyn Iterator<Item = char>, b: &mut dyn Iterator<Item = char>| -> String {
            a.zip(b).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
        };
        let suffix = match template.check_digit {
            CheckDigit::None => same(&mut one.chars().rev(), &mut two.chars().rev()),
            // It comes last, and may be anything.
            CheckDigit::Mod10 => String::new(),
        };
        Some(Self {
            prefix: same(&mut one.chars(), &mut two.chars()),
            suffix: suffix.chars().rev().collect(),
            shortest: make("1", first)?.chars().count(),
            longest: one.chars().count(),
        })
    }

    fn of_range(range: &NumberRange) -> Self {
        let written = |number: u64| format!("{number:0>width$}", width = range.width);
        let (first, last) = (written(range.first), written(range.last));
        let prefix = first.chars().zip(last.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
        let length = range.width + usize::from(range.check_digit != CheckDigit::None);
        Self { prefix, suffix: String::new(), shortest: length, longest: length }
    }

    /// Whether both can make the same number.
    fn meets(&self, other: &Self) -> bool {
        let begins = |a: &Self, b: &Self| a.prefix.starts_with(&b.prefix);
        let ends = |a: &Self, b: &Self| a.suffix.ends_with(&b.suffix);
        self.shortest <= other.longest
            && other.shortest <= self.longest
            && (begins(self, other) || begins(other, self))
            && (ends(self, other) || ends(other, self))
    }

    /// Whether it can make a number that begins so.
    fn can_begin(&self, own: &str) -> bool {
        own.chars().count() <= self.longest && (self.prefix.starts_with(own) || own.starts_with(&self.prefix))
    }
}

/// The rules of a partnership that make numbers, each with its place and key.
fn rules(partnership: &Partnership) -> Vec<(&NumberRule, &Place, String)> {
    let mut places = partnership.number_places.iter();
    let mut all = Vec::new();
    if let Some(place) = places.next() {
        all.push((&partnership.rules.card.number, place, "card.number".to_owned()));
    }
    for (at, (card_for, place)) in partnership.rules.card_for.iter().zip(places).enumerate() {
        if let Some(number) = &card_for.patch.number {
            all.push((number, place, format!("card.for[{}].number", at + 1)));
        }
    }
    all
}

fn numbers(setup: &Setup) {
    let problems = &setup.loaded.problems;
    let good: Vec<&Partnership> =
        setup.loaded.partnerships.iter().filter_map(|(_, partnership)| partnership.as_ref().ok()).collect();
    for (at, partnership) in good.iter().enumerate() {
        let ils = setup.loaded.main.as_ref().ok().and_then(|main| main.ils(&partnership.ils));
        for (rule, place, key) in rules(partnership) {
            let Some(form) = Form::of(rule, partnership.rules.number_max) else { continue };
            let own = ils.into_iter().flat_map(|ils| &ils.own_barcodes).find(|own| form.can_begin(own));
            // A range of its own barcodes is what a library may hand out.
            if own.is_some() && matches!(rule, NumberRule::Template(_)) {
                problems.add(Problem::warning(
                    Code::Unwise,
                    place.clone(),
                    key.clone(),
                    "a student id could make one of the library's own barcodes, as `own_barcodes` says how they begin",
                    "begin the number with digits with which none of them does: \"77{student_id:0>8}\"",
                ));
            }
            for other in good.iter().take(at).filter(|other| other.ils == partnership.ils) {
                let met = rules(other).into_iter().find(|(theirs, ..)| {
                    let shared = matches!((rule, theirs), (NumberRule::Range(a), NumberRule::Range(b)) if a.name == b.name);
                    !shared && Form::of(theirs, other.rules.number_max).is_some_and(|theirs| theirs.meets(&form))
                });
                if let Some((_, there, _)) = met {
                    problems.add(
                        Problem::warning(
                            Code::Unwise,
                            place.clone(),
                            key.clone(),
                            format!("a child of this district could get the number of one of partnership `{}`", other.name),
                            "student ids are unique within one district alone: begin each district's numbers with digits of its own, \
                             such as \"77{student_id:0>8}\" and \"78{student_id:0>8}\"",
                        )
                        .and_at(there.clone(), "the other one's number"),
                    );
                }
            }
        }
    }
}

/// Files that decide who gets a card, and those that hold what is known.
fn files(setup: &Setup, config: &Path) {
    let problems = &setup.loaded.problems;
    let mode = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
    let at = |path: &Path| Place::Path(Arc::from(path.display().to_string().as_str()));
    let folder = config.parent().unwrap_or(Path::new("")).join("partnerships");
    let mut written = vec![config.to_owned(), folder.clone()];
    for (name, _) in &setup.loaded.partnerships {
        written.push(folder.join(format!("{name}.toml")));
    }
    for path in written.iter().filter(|path| mode(path) & 0o002 != 0) {
        problems.add(Problem::warning(
            Code::Unwise,
            at(path),
            "",
            "every user of this machine can write here, and so decide who gets a card",
            format!("take that away: chmod o-w {}", path.display()),
        ));
    }
    let Ok(main) = &setup.loaded.main else { return };
    let state = &main.state.path;
    for path in [state.clone(), state.join(STORE_FILE), state.join("backups")] {
        if mode(&path) & 0o007 != 0 {
            problems.add(Problem::warning(
                Code::Unwise,
                at(&path),
                "state.path",
                "other users of this machine can read what Rostercard keeps",
                format!(
                    "let its owner alone: chmod {} {}",
                    if path.is_dir() { "700" } else { "600" },
                    path.display()
                ),
            ));
        }
    }
}

/// Schools of the last run that had no home, and have none now.
async fn homes(setup: &Setup) {
    // Where the store cannot be read, the runs say so, and a broken main file was told; a configuration is checked without one too.
    let readable =
        setup.loaded.main.is_ok() && setup.store_path().is_ok_and(|path| path.exists()) && setup.has_key();
    let Some(store) = readable.then(|| setup.store_to_read().ok()).flatten().flatten() else { return };
    let Ok(known) = store.partnerships().await else { return };
    for (_, partnership) in &setup.loaded.partnerships {
        let Ok(partnership) = partnership else { continue };
        let Some(row) = known.iter().find(|row| row.permanent_id == partnership.id.as_str()) else {
            continue;
        };
        let Ok(runs) = store.runs(Some(row.id), 1).await else { continue };
        let Some(run) = runs.first().filter(|run| run.result.findings.contains_key("school_without_home"))
        else {
            continue;
        };
        let named = |label: &str| {
            let (code, name) = label.split_once(' ').unwrap_or((label, label));
            partnership.rules.homes.iter().any(|(school, _)| [label, code, name].contains(&school))
        };
        let without: Vec<(&str, u64)> = run
            .result
            .by_school
            .iter()
            .filter(|(label, counts)| counts.pending > 0 && !named(label))
            .map(|(label, counts)| (label.as_str(), counts.pending))
            .collect();
        if without.is_empty() {
            continue;
        }
        let people: u64 = without.iter().map(|(_, people)| people).sum();
        setup.loaded.problems.add(Problem::warning(
            Code::MissingKey,
            partnership.homes_place.clone(),
            "homes",
            format!(
                "in run {} {people} of these schools waited for a home: {}",
                run.id,
                some(without.iter().map(|(label, _)| *label))
            ),
            format!("`rostercard source schools {}` prints the lines to add", partnership.name),
        ));
    }
}

#[cfg(test)]
mod tests {
    use rostercard_core::words::Code as Word;

    use super::*;

    fn template(text: &str) -> Form {
        Form::of_template(&NumberTemplate::parse(text).unwrap(), 14).unwrap()
    }

    #[test]
    fn what_a_template_makes_is_found_by_trying() {
        let form = template("77{student_id:0>8}");
        assert_eq!(
            (form.prefix.as_str(), form.suffix.as_str(), form.shortest, form.longest),
            ("77", "", 10, 10)
        );
        let form = template("A{student_id}-B");
        assert_eq!(
            (form.prefix.as_str(), form.suffix.as_str(), form.shortest, form.longest),
            ("A", "-B", 4, 14)
        );
        let mut checked = NumberTemplate::parse("7{student_id}").unwrap();
        checked.check_digit = CheckDigit::Mod10;
        checked.student_id_min = 6;
        let form = Form::of_template(&checked, 14).unwrap();
        assert_eq!((form.prefix.as_str(), form.suffix.as_str(), form.shortest), ("7", "", 8));
    }

    #[test]
    fn which_numbers_can_meet() {
        for (one, other, meet) in [
            ("77{student_id:0>8}", "77{student_id:0>8}", true),
            ("77{student_id:0>8}", "78{student_id:0>8}", false),
            ("7{student_id:0>9}", "77{student_id:0>8}", true),
            ("77{student_id:0>8}", "77{student_id:0>9}", false),
            ("{student_id}", "77{student_id:0>8}", true),
            ("{student_id}", "W{student_id}", true),
            ("{student_id}W", "{student_id}A", false),
        ] {
            let (one_form, other_form) = (template(one), template(other));
            assert_eq!(one_form.meets(&other_form), meet, "{one} {other}");
            assert_eq!(other_form.meets(&one_form), meet, "{other} {one}");
        }
        let range = NumberRange {
            name: Word::new("main"),
            first: 21_234_000_000_000,
            last: 21_234_000_099_999,
            width: 14,
            check_digit: CheckDigit::None,
        };
        let range = Form::of_range(&range);
        assert_eq!(range.prefix, "212340000");
        assert!(range.meets(&template("{student_id}")) && !range.meets(&template("77{student_id:0>8}")));
        assert!(
            template("{student_id}").can_begin("21234") && !template("77{student_id:0>8}").can_begin("21234")
        );
        assert!(template("2{student_id:0>13}").can_begin("21234"));
    }
}
