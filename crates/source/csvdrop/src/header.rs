//! Finding the columns in a file's header.

use std::collections::BTreeMap;

use rostercard_core::ports::{ConnectorError, Fault, Retry};

use crate::columns::Column;
use crate::settings::Settings;

/// Where each column is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    at: BTreeMap<Column, usize>,
    /// The header's own names, for messages.
    pub(crate) names: Vec<String>,
}

impl Layout {
    pub(crate) fn has(&self, column: Column) -> bool {
        self.at.contains_key(&column)
    }

    pub(crate) fn place(&self, column: Column) -> Option<usize> {
        self.at.get(&column).copied()
    }

    /// The file's own name of a column.
    pub(crate) fn name(&self, column: Column) -> &str {
        self.place(column).and_then(|at| self.names.get(at)).map_or_else(|| column.key(), String::as_str)
    }

    /// Columns of the file that mean nothing here.
    pub(crate) fn unused(&self) -> Vec<&str> {
        let used = |at: &usize| self.at.values().any(|used| used == at);
        self.names.iter().enumerate().filter(|(at, _)| !used(at)).map(|(_, name)| name.as_str()).collect()
    }
}

/// Names are compared without regard to case and to what stands between words.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric() || *c == '.').flat_map(char::to_lowercase).collect()
}

/// Finds the columns.
pub(crate) fn layout(header: &[String], file: &str, settings: &Settings) -> Result<Layout, ConnectorError> {
    let refuse = |message: String, hint: String| {
        Err(ConnectorError::new(Fault::District, Retry::NotThisTarget, message, hint))
    };
    let names: Vec<String> = header.iter().map(|name| plain(name)).collect();
    let mut at = BTreeMap::new();
    let find = |wanted: &str| -> Vec<usize> {
        let exact: Vec<usize> = header
            .iter()
            .enumerate()
            .filter(|(_, n)| n.trim().eq_ignore_ascii_case(wanted.trim()))
            .map(|(at, _)| at)
            .collect();
        if !exact.is_empty() {
            return exact;
        }
        let wanted = plain(wanted);
        names.iter().enumerate().filter(|(_, name)| **name == wanted).map(|(at, _)| at).collect()
    };
    for (column, name) in &settings.columns {
        match find(name)[..] {
            [one] => {
                at.insert(*column, one);
            }
            [] => {
                let near = header
                    .iter()
                    .map(|found| (strsim::jaro_winkler(&plain(found), &plain(name)), found))
                    .filter(|(score, _)| *score > 0.8)
                    .max_by(|a, b| a.0.total_cmp(&b.0));
                let meant = near.map(|(_, found)| format!("did you mean `{found}`? ")).unwrap_or_default();
                return refuse(
                    format!("{file} has no column `{name}` ({} of the configuration)", column.key()),
                    format!("{meant}its header has: {}", listed(header)),
                );
            }
            _ => {
                return refuse(
                    format!("{file} has the column `{name}` more than once"),
                    "Ask the district to name its columns apart; nothing of this file was used".to_owned(),
                );
            }
        }
    }
    for (column, usual) in settings.preset.map(crate::columns::Preset::names).unwrap_or_default() {
        if at.contains_key(column) {
            continue;
        }
        if let Some([one, ..]) =
            usual.iter().map(|name| find(name)).find(|found| !found.is_empty()).as_deref()
        {
            at.insert(*column, *one);
        }
    }
    let layout = Layout { at, names: header.to_vec() };
    for (needed, column) in [
        (layout.has(Column::StudentId), "student_id"),
        (layout.has(Column::School) || layout.has(Column::SchoolName), "school"),
    ] {
        if !needed {
            return refuse(
                format!("{file}: no column is known to be the {column}"),
                format!("name it: columns = {{ {column} = \"...\" }}; its header has: {}", listed(header)),
            );
        }
    }
    Ok(layout)
}

/// A header for a message. Names of columns are no values about people, but a file without a header would have some here: then
/// nothing that looks like a value is repeated.
fn listed(header: &[String]) -> String {
    let value = |name: &String| name.chars().filter(char::is_ascii_digit).count() > 2 || name.contains('@');
    if header.iter().any(value) {
        return "none, as it seems: its first row looks like a student's".to_owned();
    }
    let mut text: Vec<&str> =
        header.iter().map(String::as_str).filter(|name| !name.is_empty()).take(40).collect();
    if header.len() > 40 {
        text.push("...");
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Preset;
    use crate::settings::Holds;

    fn header(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn settings(columns: &[(Column, &str)], preset: Option<Preset>) -> Settings {
        let columns = columns.iter().map(|(column, name)| (*column, (*name).to_owned())).collect();
        Settings { columns, preset, ..Settings::new("x".into(), Holds::Snapshot) }
    }

    #[test]
    fn columns_are_found_whatever_their_case() {
        let settings = settings(&[(Column::StudentId, "student id"), (Column::School, "SCHOOL")], None);
        let found = layout(&header("School,Student_ID,Extra"), "x.csv", &settings).unwrap();
        assert_eq!((found.place(Column::School), found.place(Column::StudentId)), (Some(0), Some(1)));
        assert_eq!(found.unused(), ["Extra"]);
        assert_eq!(found.name(Column::StudentId), "Student_ID");
    }

    #[test]
    fn presets_know_usual_exports_and_the_configuration_counts_first() {
        let clever =
            header("School_id,Student_id,Student_number,Last_name,First_name,Grade,Dob,Student_email");
        let found = layout(&clever, "x", &settings(&[], Some(Preset::Clever))).unwrap();
        assert_eq!((found.place(Column::StudentId), found.place(Column::SourceId)), (Some(2), Some(1)));
        let own = settings(&[(Column::StudentId, "student_id")], Some(Preset::Clever));
        assert_eq!(layout(&clever, "x", &own).unwrap().place(Column::StudentId), Some(1));
        let aeries = header("STU.SC,STU.ID,STU.LN,STU.FN,STU.BD,STU.GR");
        let found = layout(&aeries, "x", &settings(&[], Some(Preset::Aeries))).unwrap();
        assert_eq!((found.place(Column::School), found.place(Column::Grade)), (Some(0), Some(5)));
        let power = header("Student_Number,First_Name,Last_Name,DOB,Grade_Level,SchoolID");
        assert!(layout(&power, "x", &settings(&[], Some(Preset::PowerSchool))).is_ok());
    }

    #[test]
    fn what_is_missing_is_said_with_what_is_there() {
        let wrong = settings(&[(Column::StudentId, "Student_Numer"), (Column::School, "School")], None);
        let error = layout(&header("Student_Number,School"), "x.csv", &wrong).unwrap_err();
        assert!(
            error.message.contains("Student_Numer") && error.hint.contains("did you mean `Student_Number`?")
        );
        let twice = settings(&[(Column::StudentId, "id"), (Column::School, "School")], None);
        assert!(layout(&header("ID,Id,School"), "x", &twice).unwrap_err().message.contains("more than once"));
        let none = layout(&header("ID,School"), "x", &settings(&[], None)).unwrap_err();
        assert!(none.message.contains("student_id") && none.hint.contains("ID, School"));
        // A file without a header: its first student is not repeated.
        let first = layout(&header("100234,Ann,Oak"), "x", &settings(&[], None)).unwrap_err();
        assert!(!first.hint.contains("Ann") && first.hint.contains("looks like a student"));
    }
}
