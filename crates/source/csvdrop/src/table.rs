//! `[source.csvdrop]`: how the configuration says what [`Settings`] hold. Every mistake is told with its place.

use std::path::PathBuf;
use std::time::Duration;

use rostercard_config::{Integer, Parsed, Span, TableReader, Text, Word, Wrong};
use rostercard_core::grade::Grade;
use rostercard_intake::drop_folder::{AfterUse, Ready};
use rostercard_intake::{Encoding, TableOptions};

use crate::columns::{Column, Preset};
use crate::settings::{DateOrder, Holds, Settings};

const HOLDS: [(&str, Holds); 2] = [("snapshot", Holds::Snapshot), ("additions", Holds::Additions)];
const DELIMITERS: [(&str, u8); 8] = [
    (",", b','),
    (";", b';'),
    ("|", b'|'),
    ("\t", b'\t'),
    ("comma", b','),
    ("semicolon", b';'),
    ("pipe", b'|'),
    ("tab", b'\t'),
];
const ENCODINGS: [(&str, Encoding); 6] = [
    ("utf-8", Encoding::Utf8),
    ("windows-1252", Encoding::Windows1252),
    ("latin1", Encoding::Windows1252),
    ("utf-16", Encoding::Utf16Le),
    ("utf-16le", Encoding::Utf16Le),
    ("utf-16be", Encoding::Utf16Be),
];
const DATES: [(&str, DateOrder); 3] =
    [("mdy", DateOrder::Mdy), ("dmy", DateOrder::Dmy), ("iso", DateOrder::Iso)];
const AFTER: [(&str, AfterUse); 3] =
    [("archive", AfterUse::Archive), ("shred", AfterUse::Shred), ("keep", AfterUse::Keep)];

/// Reads the table; `educators` says whether the partnership wants teachers and other school staff too. `None` where
/// something is wrong; `table`'s problems then say what.
pub fn read(mut table: TableReader<'_>, educators: bool) -> Option<Settings> {
    let import_only = table.or("import_only", &rostercard_config::Bool, false);
    let path = if import_only.value {
        only_by_import(&mut table);
        None
    } else if table.has("path") {
        table.optional("path", &Text)
    } else {
        table.missing(
            "path",
            "choose one of two:\n\
             path = \"/var/lib/rostercard/drop/my-district\" is a folder where files are put, or one file\n\
             import_only = true if there is none: each file is then given by `rostercard import`",
        );
        None
    };
    if !import_only.value && !table.has("holds") {
        table.missing(
            "holds",
            "choose one of two:\n\
             holds = \"snapshot\" if each file has everybody: who is not in it is missing\n\
             holds = \"additions\" if a file has newcomers and changes alone",
        );
    }
    // Of a file that is imported, whoever imports it says what it holds.
    let holds = table
        .optional("holds", &Word(&HOLDS))
        .map(|holds| holds.value)
        .or(import_only.value.then_some(Holds::Additions));
    let preset = table.optional("preset", &Word(Preset::ALL)).map(|preset| preset.value);
    let columns = table.table("columns").map(|mut inner| {
        let found = Column::ALL
            .iter()
            .filter_map(|(key, column)| Some((*column, inner.optional(key, &Text)?.value)))
            .collect::<std::collections::BTreeMap<_, _>>();
        inner.finish();
        found
    });
    if columns.is_none() && preset.is_none() {
        table.missing(
            "columns",
            "say which column is what: columns = { student_id = \"...\", given_name = \"...\", school = \"...\" }, or name a \
             preset: clever, aeries, powerschool",
        );
    }
    let options = TableOptions {
        delimiter: table.optional("delimiter", &Word(&DELIMITERS)).map(|d| d.value),
        encoding: table.optional("encoding", &Word(&ENCODINGS)).map(|e| e.value),
        sheet: table.optional("sheet", &Text).map(|s| s.value),
    };
    let dates = table.or("dates", &Word(&DATES), DateOrder::default()).value;
    let id_width = table.optional("id_width", &Integer(1..=32)).and_then(|w| usize::try_from(w.value).ok());
    let id_pad = table.or("id_pad", &rostercard_config::Bool, false).value;
    let grade = Parsed(|text: &str| {
        Grade::parse(text).ok_or_else(|| {
            Wrong::value("is no grade", "write a grade such as \"KG\", \"TK\", \"PK\" or \"05\"")
        })
    });
    let grades = table.table("grades").map(|mut inner| {
        let found: std::collections::BTreeMap<String, Grade> =
            inner.map(&grade).into_iter().map(|(word, grade)| (word.value, grade.value)).collect();
        inner.finish();
        found
    });
    let ready = table.table("ready").map(|mut inner| {
        let after = inner.optional("after", &Span(Duration::from_secs(1)..=Duration::from_secs(86_400)));
        let marker = inner.optional("marker", &Text);
        let ready = match (marker, after) {
            (Some(_), Some(_)) => {
                inner.complain(
                    "after",
                    rostercard_config::Code::Exclusive,
                    "a file is whole by one sign alone",
                    "write { after = \"2m\" } or { marker = \".done\" }",
                );
                None
            }
            (Some(marker), None) => Some(Ready::Marker(marker.value)),
            (None, Some(after)) => Some(Ready::After(after.value)),
            (None, None) => None,
        };
        inner.finish();
        ready
    });
    let after_use = table.optional("after_use", &Word(&AFTER)).map(|after| after.value);
    if !table.finish() {
        return None;
    }
    let mut settings = Settings::new(PathBuf::new(), holds?);
    settings.path = path.map(|path| PathBuf::from(path.value));
    settings.preset = preset;
    settings.columns = columns.unwrap_or_default();
    settings.table = options;
    settings.dates = dates;
    settings.id_width = id_width;
    settings.id_pad = id_pad;
    settings.grades = grades.unwrap_or_default();
    if let Some(ready) = ready.flatten() {
        settings.ready = ready;
    }
    settings.after_use = after_use;
    settings.educators = educators;
    Some(settings)
}

/// Refuses the keys that are about a place where files are put.
fn only_by_import(table: &mut TableReader<'_>) {
    for key in ["path", "holds", "ready", "after_use"] {
        if table.has(key) {
            table.node(key);
            table.complain(
                key,
                rostercard_config::Code::Contradiction,
                "this is about files that are fetched, and import_only = true says that none is",
                "remove this line, or import_only",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use rostercard_config::{Document, Problems, Style};

    use super::*;

    fn read_text(text: &str) -> (Option<Settings>, String) {
        let problems = Problems::new();
        let document = Document::parse("oak.toml", text.as_bytes().to_vec(), &problems);
        let settings = TableReader::top(&document, &problems).and_then(|table| read(table, false));
        (settings, problems.render(Style::Plain))
    }

    #[test]
    fn what_can_be_said() {
        let (settings, problems) = read_text(
            "path = \"drop\"\nholds = \"additions\"\npreset = \"aeries\"\ndelimiter = \"tab\"\nencoding = \"utf-16\"\n\
             dates = \"dmy\"\nid_width = 7\nid_pad = true\nafter_use = \"shred\"\nready = { marker = \".done\" }\n\
             columns = { student_id = \"Nr\" }\ngrades = { \"Kinder\" = \"KG\" }\n",
        );
        let settings = settings.expect(&problems);
        assert_eq!((settings.holds, settings.preset), (Holds::Additions, Some(Preset::Aeries)));
        assert_eq!(
            (settings.table.delimiter, settings.table.encoding),
            (Some(b'\t'), Some(Encoding::Utf16Le))
        );
        assert_eq!((settings.dates, settings.id_width, settings.id_pad), (DateOrder::Dmy, Some(7), true));
        assert_eq!(
            (settings.ready, settings.after_use),
            (Ready::Marker(".done".into()), Some(AfterUse::Shred))
        );
        assert_eq!(settings.columns[&Column::StudentId], "Nr");
        assert_eq!(settings.grades.get("Kinder").copied(), Grade::parse("KG"));
    }

    #[test]
    fn s40_a_file_once_a_year_needs_no_place() {
        let (settings, problems) = read_text("import_only = true\npreset = \"clever\"\n");
        let settings = settings.expect(&problems);
        assert!(settings.path.is_none());
        let one = settings.for_file("autumn.csv".into(), Holds::Snapshot);
        assert_eq!((one.holds, one.after_use), (Holds::Snapshot, Some(AfterUse::Keep)));
        assert!(one.path.is_some() && one.preset == settings.preset);
    }

    #[test]
    fn every_mistake_is_told() {
        let (settings, problems) = read_text(
            "path = \"drop\"\npreset = \"clevr\"\nready = { after = \"2m\", marker = \".x\" }\ncolumns = { studentid = \"x\" }\n\
             grades = { K = \"kinder garden\" }\n",
        );
        assert!(settings.is_none());
        for part in ["holds = \"snapshot\"", "clever", "one sign alone", "student_id", "is no grade"] {
            assert!(problems.contains(part), "{part} is not in\n{problems}");
        }
        let (none, problems) = read_text("preset = \"clever\"\n");
        assert!(none.is_none() && problems.contains("import_only = true"), "{problems}");
        let (none, problems) = read_text("import_only = true\npath = \"drop\"\npreset = \"clever\"\n");
        assert!(none.is_none() && problems.contains("none is"), "{problems}");
        let (none, problems) = read_text("path = \"drop\"\nholds = \"snapshot\"\n");
        assert!(none.is_none() && problems.contains("name a preset"), "{problems}");
    }
}
