//! `source schools`: the schools of a roster as a `[homes]` table to fill in.

use std::collections::BTreeMap;

use rostercard_core::student::{School, Student};
use serde_json::json;

use crate::cli::Global;
use crate::exit::Exit;
use crate::output::{Out, complain, counted};
use crate::roster::{self, Reader};
use crate::setup::Setup;

/// The schools of a roster by their keys, and how many people each has.
#[derive(Default)]
pub(crate) struct Schools(pub(crate) BTreeMap<String, (School, u64)>);

impl Reader for Schools {
    fn student(&mut self, student: Student) {
        let Some(school) = student.school() else { return };
        self.0.entry(school.key().to_owned()).or_insert_with(|| ((**school).clone(), 0)).1 += 1;
    }
}

/// Prints the table: schools without a home first.
pub(crate) async fn schools(global: &Global, setup: &Setup, name: &str) -> Result<Exit, Exit> {
    let partnership = setup.partnership(name)?;
    let mut source = setup.source_to_look_at(partnership)?;
    let mut schools = Schools::default();
    roster::read(&mut *source, &mut schools).await.map_err(|error| {
        complain(global.json, &error.message, &error.hint);
        crate::commands::run::source_exit(&error)
    })?;
    let homes = &partnership.rules.homes;
    let (at_home, without): (Vec<_>, Vec<_>) =
        schools.0.into_values().partition(|(school, _)| homes.branch(school).is_some());
    if global.json {
        let list: Vec<_> = without
            .iter()
            .chain(&at_home)
            .map(|(school, students)| {
                json!({
                    "key": school.key(), "name": school.name, "code": school.code, "students": students,
                    "branch": homes.branch(school).map(ToString::to_string),
                })
            })
            .collect();
        Out::stdout().json(&json!({ "partnership": name, "schools": list }));
        return Ok(Exit::Done);
    }
    let out = Out::stdout();
    let branches: Vec<String> = homes.branches().map(ToString::to_string).collect();
    out.line("[homes]");
    if !without.is_empty() {
        let known = if branches.is_empty() {
            String::new()
        } else {
            format!("; branches so far: {}", branches.join(", "))
        };
        out.line(&format!(
            "# {} without a home: write the branch, and take the # away{known}",
            counted(without.len() as u64, "school is", "schools are")
        ));
    }
    for (school, students) in &without {
        out.line(&format!("#{} = {}    # {}", quoted(school.key()), quoted(""), comment(school, *students)));
    }
    for (school, students) in &at_home {
        let branch = homes.branch(school).map(ToString::to_string).unwrap_or_default();
        out.line(&format!(
            "{} = {}    # {}",
            quoted(&written(homes, school)),
            quoted(&branch),
            comment(school, *students)
        ));
    }
    // Schools that the roster does not name today keep their lines.
    let named = |key: &str| at_home.iter().any(|(school, _)| written(homes, school) == key);
    for (school, branch) in homes.iter().filter(|(school, _)| !named(school)) {
        out.line(&format!(
            "{} = {}    # nobody in the roster today",
            quoted(school),
            quoted(branch.as_str())
        ));
    }
    Ok(Exit::Done)
}

/// As the configuration names a school now.
fn written(homes: &rostercard_core::rules::Homes, school: &School) -> String {
    let names = [Some(school.source_id.as_str()), school.code.as_deref(), Some(school.name.as_str())];
    names
        .into_iter()
        .flatten()
        .find(|name| homes.iter().any(|(written, _)| written == *name))
        .unwrap_or_else(|| school.key())
        .to_owned()
}

fn comment(school: &School, students: u64) -> String {
    let name: String = school.name.chars().filter(|c| !c.is_control()).collect();
    let students = counted(students, "student", "students");
    if name.is_empty() { students } else { format!("{name}, {students}") }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
