//! Files as districts send them, and files that nobody should send: nothing panics, and one bad row loses no other.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use jiff::civil::date;
use proptest::prelude::*;
use rostercard_core::field::{Field, FieldRules, Ownership};
use rostercard_core::ports::{Completeness, ConnectorError, Record, RosterPage, RosterSource};
use rostercard_core::student::{Damaged, Student};
use rostercard_source_csvdrop::{Column, CsvDrop, Holds, Settings};

struct All {
    students: Vec<Student>,
    damaged: Vec<Damaged>,
    completeness: Completeness,
    codes: Vec<&'static str>,
}

fn settings(path: &Path, holds: Holds) -> Settings {
    let columns = [
        (Column::StudentId, "id"),
        (Column::FamilyName, "last"),
        (Column::GivenName, "first"),
        (Column::BirthDate, "born"),
        (Column::Grade, "grade"),
        (Column::School, "school"),
        (Column::Email, "email"),
    ];
    let columns = columns.into_iter().map(|(column, name)| (column, name.to_owned())).collect();
    Settings { columns, ..Settings::new(path.to_owned(), holds) }
}

const HEADER: &str = "id,last,first,born,grade,school,email\n";
const ANN: &str = "1001,Oak,Ann,2014-05-06,6,100,\n";

fn source(settings: Settings, rules: FieldRules) -> CsvDrop {
    CsvDrop::new(settings, rules, date(2026, 11, 24), "2099-01-01T00:00:00Z".parse().unwrap())
}

async fn read_all(settings: Settings, rules: FieldRules) -> Result<All, ConnectorError> {
    let mut source = source(settings, rules);
    let facts = source.facts().await?;
    let mut all = All {
        students: Vec::new(),
        damaged: Vec::new(),
        completeness: Completeness::Incomplete,
        codes: facts.findings.iter().map(|finding| finding.code).collect(),
    };
    loop {
        match source.next_page().await? {
            RosterPage::Records(records) => {
                for record in records {
                    match record {
                        Record::Student(student) => all.students.push(*student),
                        Record::Damaged(damaged) => all.damaged.push(*damaged),
                        Record::Gone { .. } => unreachable!("a file has no tombstones"),
                    }
                }
            }
            RosterPage::End { completeness, findings, .. } => {
                all.completeness = completeness;
                all.codes.extend(findings.iter().map(|finding| finding.code));
                return Ok(all);
            }
        }
    }
}

fn read_bytes(bytes: &[u8], rules: FieldRules) -> Result<All, ConnectorError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.csv");
    std::fs::write(&path, bytes).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(read_all(settings(&path, Holds::Snapshot), rules))
}

#[test]
fn a_field_that_is_not_allowed_is_never_copied() {
    let row = format!("{HEADER}1001,Oak,Ann,2014-05-06,6,100,ann@example.org\n");
    let student = read_bytes(row.as_bytes(), FieldRules::default()).unwrap().students.remove(0);
    assert_eq!((student.email, student.given_name.reveal()), (None, "Ann"));
    let mut rules = FieldRules::default();
    rules.set(Field::Email, Ownership::Fill);
    rules.set(Field::BirthDate, Ownership::None);
    let student = read_bytes(row.as_bytes(), rules).unwrap().students.remove(0);
    assert_eq!((student.email.unwrap().reveal(), student.birth_date), ("ann@example.org", None));
}

#[test]
fn s02_a_header_alone_is_no_roster_and_an_empty_file_is_refused() {
    let header = read_bytes(HEADER.as_bytes(), FieldRules::default()).unwrap();
    assert_eq!((header.students.len(), header.completeness), (0, Completeness::Incomplete));
    assert!(header.codes.contains(&"roster_incomplete"));
    for (bytes, says) in [
        (&b""[..], "empty"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", "XLS"),
        (b"PK\x03\x04 and nothing more", "XLSX"),
    ] {
        assert!(read_bytes(bytes, FieldRules::default()).is_err_and(|error| error.message.contains(says)));
    }
}

#[test]
fn one_person_of_two_schools_is_one_record_and_two_people_under_one_number_are_none() {
    let rows = format!(
        "{HEADER}{ANN}1002,Elm,Ben,2014-05-06,6,100,\n1001,Oak,Ann,,6,200,\n1002,Elm,Cleo,2014-05-06,6,100,\n"
    );
    let all = read_bytes(rows.as_bytes(), FieldRules::default()).unwrap();
    assert_eq!((all.students.len(), all.students[0].schools.len()), (1, 2));
    assert_eq!((all.damaged.len(), all.damaged[0].finding.code), (1, "duplicate_student_id"));
    assert_eq!(all.completeness, Completeness::Snapshot, "both are known to be there");
}

#[test]
fn a_quotation_mark_that_is_not_closed_is_found() {
    let mut rows = format!("{HEADER}{ANN}1002,\"Elm,Ben,2014-05-06,6,100,\n");
    for n in 0..200 {
        rows.push_str(&format!("{},Ash,Kid{n},2014-05-06,6,100,\n", 2000 + n));
    }
    let all = read_bytes(rows.as_bytes(), FieldRules::default()).unwrap();
    // What was swallowed is not missing: the file does not count as whole.
    assert_eq!((all.students.len(), all.damaged.len(), all.completeness), (1, 1, Completeness::Incomplete));
}

#[tokio::test]
async fn of_additions_the_later_file_counts() {
    let folder = tempfile::tempdir().unwrap();
    for (age, name, first) in [(7200, "b.csv", "Anna"), (3600, "a.csv", "Annabel")] {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{HEADER}{}", ANN.replace("Ann", first))).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let time = file.metadata().unwrap().modified().unwrap() - std::time::Duration::from_secs(age);
        file.set_modified(time).unwrap();
    }
    // Half sent, hidden, and a link: none of them is looked at.
    for name in ["c.csv.part", ".d.csv", "e.pdf"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    std::os::unix::fs::symlink(folder.path().join("a.csv"), folder.path().join("f.csv")).unwrap();
    let all = read_all(settings(folder.path(), Holds::Additions), FieldRules::default()).await.unwrap();
    assert_eq!((all.students.len(), all.students[0].given_name.reveal()), (1, "Annabel"));
    assert_eq!((all.completeness, all.codes.contains(&"file_ignored")), (Completeness::Delta, true));
    // Of snapshots the newest counts, and the older one is said.
    let all = read_all(settings(folder.path(), Holds::Snapshot), FieldRules::default()).await.unwrap();
    assert_eq!((all.students[0].given_name.reveal(), all.codes.contains(&"older_files")), ("Annabel", true));
}

#[tokio::test]
async fn s02_a_file_that_is_written_while_it_is_read_is_no_roster() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.csv");
    std::fs::write(&path, format!("{HEADER}{ANN}")).unwrap();
    for holds in [Holds::Snapshot, Holds::Additions] {
        let mut written = source(settings(&path, holds), FieldRules::default());
        written.facts().await.unwrap();
        std::fs::write(&path, format!("{HEADER}{ANN}{}", ANN.replace("1001", "1002"))).unwrap();
        let error = loop {
            match written.next_page().await {
                Ok(RosterPage::Records(_)) => {}
                Ok(RosterPage::End { .. }) => unreachable!("half a file counts as a roster"),
                Err(error) => break error,
            }
        };
        assert!(error.message.contains("changed while it was read"), "{error:?}");
        std::fs::write(&path, format!("{HEADER}{ANN}")).unwrap();
    }
}

#[tokio::test]
async fn a_file_that_was_replaced_meanwhile_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.csv");
    let read = format!("{HEADER}{ANN}");
    std::fs::write(&path, &read).unwrap();
    let settings = settings(folder.path(), Holds::Snapshot);
    let mut dropped = source(settings.clone(), FieldRules::default());
    dropped.facts().await.unwrap();
    let cursor = loop {
        if let RosterPage::End { cursor, .. } = dropped.next_page().await.unwrap() {
            break cursor.unwrap();
        }
    };
    std::fs::write(&path, read.replace(",6,", ",7,")).unwrap();
    let findings = dropped.release(&cursor).await.unwrap();
    assert_eq!((findings[0].code, path.exists()), ("file_changed", true));
    // The one that was read is put away, once and again.
    std::fs::write(&path, &read).unwrap();
    assert_eq!(dropped.release(&cursor).await.unwrap()[0].code, "file_archived");
    assert!(dropped.release(&cursor).await.unwrap().is_empty() && !path.exists());
    // Shredded, nothing is left of it.
    std::fs::write(&path, &read).unwrap();
    let shred = Settings { after_use: Some(rostercard_intake::drop_folder::AfterUse::Shred), ..settings };
    let mut shredding = source(shred, FieldRules::default());
    assert_eq!(shredding.release(&cursor).await.unwrap()[0].code, "file_shredded");
    assert!(!path.exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), header in any::<bool>()) {
        let mut file = if header { HEADER.as_bytes().to_vec() } else { Vec::new() };
        file.extend(bytes);
        drop(read_bytes(&file, FieldRules::default()));
    }

    /// Whatever stands in one row, as long as it has no quotation mark and no end of line: the others are read.
    #[test]
    fn one_bad_row_loses_no_other(row in "[^\"\r\n]{0,80}", at in 0_usize..6) {
        let mut lines: Vec<String> = (0..5).map(|n| format!("{},Oak,Kid{n},2014-05-06,6,100,", 1000 + n)).collect();
        lines.insert(at.min(5), row);
        let file = format!("{HEADER}{}\n", lines.join("\n"));
        let all = read_bytes(file.as_bytes(), FieldRules::default()).unwrap();
        for n in 0..5 {
            let id = format!("{}", 1000 + n);
            let found = all.students.iter().any(|student| student.student_id.reveal() == id)
                // The row may name one of them too: then nobody can tell whose it is.
                || all.damaged.iter().any(|damaged| damaged.student_id.as_ref().is_some_and(|d| d.reveal() == id));
            prop_assert!(found, "{id} is lost");
        }
    }
}
