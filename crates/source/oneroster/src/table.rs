//! `[source.oneroster_csv]`: how the configuration says what [`Settings`] hold. Every mistake is told with its place.

use std::path::PathBuf;

use rostercard_config::{Bool, Code, Parsed, TableReader, Text, Word, Wrong};
use rostercard_oneroster::Version;

use crate::settings::{ExtraColumns, Settings, StudentIdFrom};

/// The versions that a package without a manifest can be read as.
const VERSIONS: [(&str, Version); 2] = [("1.1", Version::V1_1), ("1.2", Version::V1_2)];

/// Reads the table; `educators` says whether the partnership wants teachers and other school staff too. `None` where
/// something is wrong; `table`'s problems then say what.
pub fn read(mut table: TableReader<'_>, educators: bool) -> Option<Settings> {
    let import_only = table.or("import_only", &Bool, false).value;
    let path = match (import_only, table.has("path")) {
        (false, true) => table.optional("path", &Text),
        (false, false) => {
            table.missing(
                "path",
                "choose one of two:\n\
                 path = \"/var/lib/rostercard/rosters/district.zip\" is a zip, or a folder\n\
                 import_only = true if there is none: each package is then given by `rostercard import`",
            );
            None
        }
        (true, true) => {
            table.node("path");
            table.complain(
                "path",
                Code::Contradiction,
                "this is a package that is fetched, and import_only = true says that none is",
                "remove this line, or import_only",
            );
            None
        }
        (true, false) => None,
    };
    let student_id = student_id(&mut table);
    let without_manifest = table.optional("without_manifest", &Word(&VERSIONS)).map(|v| v.value);
    let deltas = table.or("deltas", &Bool, false).value;
    if deltas && import_only {
        table.complain(
            "deltas",
            Code::Contradiction,
            "changes go on from what lies at `path`, and import_only = true says that nothing does",
            "remove this line, or name the folder of the packages instead of import_only",
        );
    }
    let columns = table.table("columns").map(columns).unwrap_or_default();
    if !table.finish() {
        return None;
    }
    Some(Settings {
        student_id,
        columns,
        educators,
        without_manifest,
        deltas,
        path: path.map(|path| PathBuf::from(path.value)),
        ..Settings::new(PathBuf::new())
    })
}

/// `student_id`, in both tables.
pub(crate) fn student_id(table: &mut TableReader<'_>) -> StudentIdFrom {
    let kind = Parsed(|text: &str| {
        text.parse::<StudentIdFrom>().map_err(|_| {
            Wrong::value(
                "names none of the ids that a roster has",
                "write identifier, sourcedId, username, userMasterIdentifier, or userIds:KIND",
            )
        })
    });
    table.or("student_id", &kind, StudentIdFrom::default()).value
}

pub(crate) fn columns(mut table: TableReader<'_>) -> ExtraColumns {
    let mut column = |name: &str| table.optional(name, &Text).map(|t| t.value);
    let columns = ExtraColumns {
        street: column("street"),
        street2: column("street2"),
        city: column("city"),
        state: column("state"),
        zip: column("zip"),
        birth_date: column("birth_date"),
        protected: column("protected"),
    };
    table.finish();
    columns
}

#[cfg(test)]
mod tests {
    use rostercard_config::{Document, Problems, Style};

    use super::*;

    fn read_text(text: &str) -> (Option<Settings>, String) {
        let problems = Problems::new();
        let document = Document::parse("woodland.toml", text.as_bytes().to_vec(), &problems);
        let settings = TableReader::top(&document, &problems).and_then(|table| read(table, false));
        (settings, problems.render(Style::Plain))
    }

    #[test]
    fn what_can_be_said() {
        let (settings, problems) = read_text(
            "path = \"a.zip\"\nstudent_id = \"userIds:stateId\"\nwithout_manifest = \"1.1\"\ndeltas = true\n\
             [columns]\nstreet = \"metadata.addr\"\n",
        );
        let settings = settings.expect(&problems);
        assert_eq!(settings.student_id, StudentIdFrom::UserIds("stateId".into()));
        assert_eq!(settings.columns.street.as_deref(), Some("metadata.addr"));
        assert!(settings.without_manifest.is_some() && !settings.educators && settings.deltas);
    }

    #[test]
    fn s40_a_package_once_a_year_needs_no_place() {
        let (settings, problems) = read_text("import_only = true\n");
        assert!(settings.expect(&problems).path.is_none());
        let (none, problems) = read_text("import_only = true\npath = \"a.zip\"\n");
        assert!(none.is_none() && problems.contains("none is"), "{problems}");
        let (none, problems) = read_text("import_only = true\ndeltas = true\n");
        assert!(none.is_none() && problems.contains("what lies at"), "{problems}");
    }

    #[test]
    fn every_mistake_is_told() {
        let (settings, problems) =
            read_text("pfad = \"a.zip\"\nstudent_id = \"number\"\n[columns]\nstret = \"x\"\n");
        assert!(settings.is_none());
        for part in ["path", "names none of the ids", "street"] {
            assert!(problems.contains(part), "{part} is not in\n{problems}");
        }
    }
}
