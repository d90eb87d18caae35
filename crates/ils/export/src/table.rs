//! `[ils.NAME.export]`: how the configuration says what [`ExportSettings`] hold. Every mistake is told with its place.

use std::path::Path;

use rostercard_config::{Parsed, TableReader, Text, Word, Wrong};

use crate::directory::ExportSettings;
use crate::layout::{self, Column, PRESETS, Preset};

/// Reads the table of an ILS's export. `ils` is the ILS's name, with which the names of its files begin; a folder that is
/// not absolute counts from `base`. `None` where something is wrong; the table's problems then say what.
pub fn read(mut table: TableReader<'_>, ils: &str, base: &Path) -> Option<ExportSettings> {
    let presets: Vec<(&str, &Preset)> = PRESETS.iter().map(|preset| (preset.name, preset)).collect();
    let folder = table.required("folder", &Text, "\"/var/lib/rostercard/export/main\"");
    let preset = table.required("preset", &Word(&presets), "\"generic\"");
    let date = table.optional("date", &Parsed(date));
    let delimiter = table.optional("delimiter", &Parsed(delimiter));
    let mut columns = Vec::new();
    if let Some(mut named) = table.table("columns") {
        for (name, text) in named.map(&Parsed(template)) {
            columns.push(Column { name: name.value, text: text.value });
        }
        if !columns.iter().any(|column| column.text == "{barcode}") {
            named.missing(
                "barcode",
                "one column must hold the card's number alone: add a line such as barcode = \"{barcode}\"",
            );
        }
        named.finish();
    }
    if !table.finish() {
        return None;
    }
    let preset = preset?.value;
    let mut layout = preset.layout();
    if !columns.is_empty() {
        layout.columns = columns;
    }
    if let Some(date) = date {
        layout.date = date.value;
    }
    if let Some(delimiter) = delimiter {
        layout.delimiter = delimiter.value;
    }
    Some(ExportSettings {
        folder: base.join(folder?.value),
        prefix: format!("rostercard-{ils}-"),
        preset: preset.name.to_owned(),
        keeps: preset.keeps.to_owned(),
        layout,
    })
}

fn template(text: &str) -> Result<String, Wrong> {
    if layout::is_known(text) {
        return Ok(text.to_owned());
    }
    let places: Vec<&str> = layout::PLACES.iter().map(|(name, _)| *name).collect();
    Err(Wrong::value(
        "names a place that is not known",
        format!(
            "write text with places in braces, such as \"{{surname}}, {{given_name}}\"; there are: {}",
            places.join(", ")
        ),
    ))
}

fn date(text: &str) -> Result<String, Wrong> {
    let known = ["%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d", "%m-%d-%Y"];
    if known.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(Wrong::value("is not a way to write days", format!("write one of {}", known.join(", "))))
}

fn delimiter(text: &str) -> Result<u8, Wrong> {
    match text {
        "," | ";" | "\t" | "|" => Ok(text.bytes().next().unwrap_or(b',')),
        _ => Err(Wrong::value("is not a delimiter", "write \",\", \";\", \"|\" or \"\\t\"")),
    }
}

#[cfg(test)]
mod tests {
    use rostercard_config::{Document, Problems, Style};

    use super::*;

    fn read_text(text: &str) -> (Option<ExportSettings>, String) {
        let problems = Problems::new();
        let document = Document::parse("rostercard.toml", text.as_bytes().to_vec(), &problems);
        let settings =
            TableReader::top(&document, &problems).and_then(|table| read(table, "main", Path::new("/base")));
        (settings, problems.render(Style::Plain))
    }

    #[test]
    fn a_preset_and_columns_of_ones_own() {
        let (settings, problems) = read_text("folder = \"out\"\npreset = \"koha\"");
        let settings = settings.expect(&problems);
        assert_eq!(settings.folder, Path::new("/base/out"));
        assert!(settings.layout.takes_pin() && settings.layout.columns.len() == 17);
        let own = "folder = \"/out\"\npreset = \"generic\"\ndelimiter = \";\"\ndate = \"%m/%d/%Y\"\n\
                   [columns]\nCARD = \"{barcode}\"\nNAME = \"{surname}, {given_name}\"\n";
        let (settings, problems) = read_text(own);
        let settings = settings.expect(&problems);
        assert_eq!((settings.layout.columns.len(), settings.layout.delimiter), (2, b';'));
        assert!(!settings.layout.takes_pin());
    }

    #[test]
    fn every_mistake_is_told() {
        let (settings, problems) =
            read_text("preset = \"kohha\"\ndate = \"%B\"\n[columns]\nNAME = \"{name}\"\n");
        assert!(settings.is_none());
        for part in ["folder", "`koha`", "way to write days", "place that is not known", "number alone"] {
            assert!(problems.contains(part), "{part} is not in\n{problems}");
        }
    }
}
