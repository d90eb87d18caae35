//! `source students`: what a roster source says, person by person.

use std::collections::BTreeMap;

use rostercard_core::finding::Finding;
use rostercard_core::ports::{Completeness, Record, RosterPage};
use rostercard_core::privacy::Personal;
use rostercard_core::student::{GivenAddress, Student};
use serde_json::{Value, json};

use crate::cli::{Global, SourceCommand};
use crate::commands::run::source_exit;
use crate::exit::Exit;
use crate::machine::Environment;
use crate::output::{Out, complain, counted};
use crate::setup::Setup;

/// Lists the people of a roster.
pub(crate) async fn source(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    command: &SourceCommand,
) -> Result<Exit, Exit> {
    let (partnership, reveal) = match command {
        SourceCommand::Students { partnership, reveal } => (partnership, reveal),
        SourceCommand::Schools { partnership } => {
            return crate::commands::schools::schools(global, setup, partnership).await;
        }
    };
    let partnership = setup.partnership(partnership)?;
    let mut source = setup.source_to_look_at(partnership)?;
    if *reveal {
        setup.note_reveal(environment, Some(partnership), "source students")?;
    }
    let mut findings: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut examples: BTreeMap<&'static str, String> = BTreeMap::new();
    let mut note = |finding: &Finding| {
        *findings.entry(finding.code).or_default() += 1;
        examples.entry(finding.code).or_insert_with(|| finding.to_string());
    };
    let failed = |error: rostercard_core::ports::ConnectorError| {
        complain(global.json, &error.message, &error.hint);
        source_exit(&error)
    };
    source.facts().await.map_err(failed)?.findings.iter().for_each(&mut note);
    let mut students = 0u64;
    let (completeness, cursor) = loop {
        match source.next_page().await.map_err(failed)? {
            RosterPage::Records(records) => {
                for record in &records {
                    match record {
                        Record::Student(student) => {
                            students += 1;
                            student.findings.iter().for_each(&mut note);
                            line(global, student, *reveal);
                        }
                        Record::Damaged(damaged) => note(&damaged.finding),
                        Record::Gone { .. } => {}
                    }
                }
            }
            RosterPage::End { completeness, cursor, findings } => {
                findings.iter().for_each(&mut note);
                break (completeness, cursor.map(|c| c.0));
            }
        }
    };
    if global.json {
        Out::stdout().json(&json!({
            "completeness": completeness.word(), "students": students, "findings": findings, "cursor": cursor,
        }));
    } else {
        for (code, count) in &findings {
            Out::stdout().line(&format!("{code} ({}): {}", counted(*count, "time", "times"), examples[code]));
        }
        let whole = match completeness {
            Completeness::Snapshot => "the whole roster",
            Completeness::Delta => "changes only",
            Completeness::Incomplete => "not the whole roster: nobody is withdrawn because of it",
        };
        Out::stdout().line(&format!("{}: {whole}", counted(students, "person", "people")));
    }
    Ok(Exit::Done)
}

fn line(global: &Global, student: &Student, reveal: bool) {
    if global.json {
        Out::stdout().json(&as_json(student, reveal));
        return;
    }
    let school = student.school().map(|s| s.label()).unwrap_or_default();
    let grade = student.grade.map(|g| g.to_string()).unwrap_or_default();
    let mut text = format!("{}\t{}\t{grade}\t{school}", student.student_id.reveal(), student.role);
    if reveal {
        text.push_str(&format!("\t{}, {}", student.family_name.reveal(), student.given_name.reveal()));
    }
    Out::stdout().line(&text);
}

/// A student as `--json` prints it; names and birth date only when revealed.
fn as_json(student: &Student, reveal: bool) -> Value {
    let ids: Vec<&str> = student.source_ids.iter().map(Personal::reveal).collect();
    let schools: Vec<&str> = student.schools.iter().map(|s| s.key()).collect();
    let mut value = json!({
        "student_id": student.student_id.reveal(),
        "source_ids": ids,
        "role": student.role.word(),
        "schools": schools,
        "primary_school": student.school().map(|s| s.key()),
        "grade": student.grade.map(|g| g.to_string()),
        "status": "active",
    });
    if let (true, Some(object)) = (reveal, value.as_object_mut()) {
        let text = |v: &Option<Personal>| v.as_ref().map(|v| v.reveal().to_owned());
        let address = match &student.address {
            GivenAddress::None => Value::Null,
            GivenAddress::Protected => json!("protected"),
            GivenAddress::Given(a) => json!({
                "street": a.street.reveal(), "street2": text(&a.street2), "city": a.city.reveal(),
                "state": a.state.reveal(), "zip": a.zip.reveal(),
            }),
        };
        object.insert("given_name".to_owned(), json!(student.given_name.reveal()));
        object.insert("middle_name".to_owned(), json!(text(&student.middle_name)));
        object.insert("family_name".to_owned(), json!(student.family_name.reveal()));
        object.insert("birth_date".to_owned(), json!(student.birth_date.map(|d| d.reveal().to_string())));
        object.insert("user_name".to_owned(), json!(text(&student.user_name)));
        object.insert("email".to_owned(), json!(text(&student.email)));
        object.insert("phone".to_owned(), json!(text(&student.phone)));
        object.insert("address".to_owned(), address);
    }
    value
}
