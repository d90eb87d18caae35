//! A report as text, CSV, JSON and HTML. What is held back is a `*`; in JSON it is null.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::json;

use super::{Figures, Row, Section};
use crate::cli::ReportFormat;

const STYLE: &str = "
body { font: 11pt/1.4 sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 2em; width: 100% }
caption { font-weight: bold; text-align: left; padding: .3em 0 }
th, td { border-bottom: 1px solid #999; padding: .3em .6em; text-align: left }
td:not(:first-child), th:not(:first-child) { text-align: right }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee } }
@media print { body { background: #fff; color: #000 } }
";

/// The report in a format.
pub(super) fn text_of(library: &str, all: &[Figures], format: ReportFormat) -> String {
    match format {
        ReportFormat::Text => all.iter().map(in_words).collect::<Vec<_>>().join("\n\n"),
        ReportFormat::Csv => csv_of(all),
        ReportFormat::Json => {
            json!({ "library": library, "partnerships": all.iter().map(as_json).collect::<Vec<_>>() })
                .to_string()
        }
        ReportFormat::Html => page(library, all),
    }
}

fn number(count: Option<u64>) -> String {
    count.map_or_else(|| "*".to_owned(), |count| count.to_string())
}

fn has_enrolment(section: &Section) -> bool {
    section.rows.iter().any(|row| row.enrolment.is_some())
}

/// The third-graders, whom California's initiative asks for by themselves.
fn third_graders(figures: &Figures) -> Option<&Row> {
    figures.sections.iter().find(|section| section.key == "grades")?.rows.iter().find(|row| row.name == "03")
}

fn note(figures: &Figures) -> String {
    if figures.least == 0 {
        return "Small counts are shown: for the library alone.".to_owned();
    }
    format!("* fewer than {}, or held back so that those cannot be worked out.", figures.least)
}

fn headline(figures: &Figures) -> String {
    let share = figures.share.as_ref().map(|share| format!(", {share} of the enrolment")).unwrap_or_default();
    format!("{} cards{share}", number(figures.cards))
}

fn in_words(figures: &Figures) -> String {
    let mut text =
        format!("{} ({}), {}\n{}\n", figures.district, figures.partnership, figures.day, headline(figures));
    if let Some(row) = third_graders(figures) {
        let share = row.share.as_ref().map(|share| format!(", {share} of the enrolment")).unwrap_or_default();
        text.push_str(&format!("third-graders: {} cards{share}\n", number(row.count)));
    }
    for section in figures.sections.iter().filter(|section| !section.rows.is_empty()) {
        text.push_str(&format!("\n{}\n", section.title));
        let mut table = Table::new();
        table.load_style(NOTHING);
        for row in &section.rows {
            let mut cells = vec![row.name.clone(), number(row.count)];
            if has_enrolment(section) {
                cells.push(row.enrolment.map(|enrolled| format!("of {enrolled}")).unwrap_or_default());
                cells.push(row.share.clone().unwrap_or_default());
            }
            table.add_row(cells);
        }
        text.push_str(&table.trim_fmt());
        text.push('\n');
    }
    text.push_str(&format!("\n{}", note(figures)));
    text
}

fn csv_of(all: &[Figures]) -> String {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let mut write = |cells: [&str; 7]| drop(csv.write_record(cells));
    write(["partnership", "day", "list", "name", "count", "enrolment", "share"]);
    for figures in all {
        let enrolled = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
        let share = |share: &Option<String>| share.clone().unwrap_or_default();
        write([
            &figures.partnership,
            &figures.day,
            "all",
            "cards",
            &number(figures.cards),
            &enrolled(figures.enrolment),
            &share(&figures.share),
        ]);
        for section in &figures.sections {
            for row in &section.rows {
                write([
                    &figures.partnership,
                    &figures.day,
                    section.key,
                    &row.name,
                    &number(row.count),
                    &enrolled(row.enrolment),
                    &share(&row.share),
                ]);
            }
        }
    }
    // A list in memory takes whatever is written to it.
    String::from_utf8(csv.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn as_json(figures: &Figures) -> serde_json::Value {
    let rows = |section: &Section| -> Vec<serde_json::Value> {
        section
            .rows
            .iter()
            .map(|row| {
                json!({ "name": row.name, "count": row.count, "enrolment": row.enrolment, "share": row.share })
            })
            .collect()
    };
    let lists: serde_json::Map<String, serde_json::Value> =
        figures.sections.iter().map(|section| (section.key.to_owned(), json!(rows(section)))).collect();
    json!({
        "partnership": figures.partnership, "district": figures.district, "day": figures.day, "cards": figures.cards,
        "enrolment": figures.enrolment, "share": figures.share, "third_graders": third_graders(figures).and_then(|row| row.count),
        "held_back_below": figures.least, "lists": lists,
    })
}

fn page(library: &str, all: &[Figures]) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Student cards of " (library) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Student cards of " (library) }
                @for figures in all {
                    h2 { (figures.district) }
                    p { (figures.day) ": " (headline(figures)) "." }
                    @if let Some(row) = third_graders(figures) { p { "Third-graders: " (number(row.count)) " cards." } }
                    @for section in figures.sections.iter().filter(|section| !section.rows.is_empty()) { (table(section)) }
                    p { (note(figures)) }
                }
            }
        }
    }
    .into_string()
}

fn table(section: &Section) -> Markup {
    let enrolment = has_enrolment(section);
    html! {
        table {
            caption { (section.title) }
            thead {
                tr {
                    th scope="col" { "" }
                    th scope="col" { "count" }
                    @if enrolment { th scope="col" { "enrolment" } th scope="col" { "share" } }
                }
            }
            tbody {
                @for row in &section.rows {
                    tr {
                        th scope="row" { (row.name) }
                        td { (number(row.count)) }
                        @if enrolment {
                            td { @if let Some(enrolled) = row.enrolment { (enrolled) } }
                            td { @if let Some(share) = &row.share { (share) } }
                        }
                    }
                }
            }
        }
    }
}
