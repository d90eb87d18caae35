//! `report --years`: what came of each year's runs, by partnership. Runs that are kept and runs that are gone are counted together,
//! so that a year says the same before and after its runs went, and after the partnership was purged. It counts runs, not cards that
//! are there today; small counts are held back as in a report, and cards that were made are never told from those that were linked.

use std::collections::BTreeMap;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use rostercard_core::plan::RunState;
use rostercard_store::Store;
use rostercard_store::keep::Year;
use rostercard_store::rows::RunResult;
use serde_json::{Value, json};

use crate::cli::{Global, Report, ReportFormat};
use crate::exit::Exit;
use crate::output::complain;
use crate::setup::Setup;

/// Counts of a purged partnership below this are held back: its own `[report] small_cells` went with its file.
const SMALL_CELLS: u64 = 10;

/// All runs that a store can be expected to hold.
const ALL_RUNS: usize = 10_000_000;

/// What is counted, for scripts and for people. Runs are no count of people and always shown.
const COLUMNS: [(&str, &str); 5] = [
    ("cards", "new cards"),
    ("updated", "updated"),
    ("renewed", "renewed"),
    ("lapsed", "lapsed"),
    ("restored", "restored"),
];

/// A year of a partnership, as it is shown.
struct Line {
    partnership: String,
    purged: bool,
    year: i16,
    runs: u64,
    /// In the order of [`COLUMNS`]; `None` where it is held back.
    counts: [Option<u64>; COLUMNS.len()],
    least: u64,
}

/// The report as text in a format.
pub(super) async fn years(
    global: &Global,
    setup: &Setup,
    store: &dyn Store,
    args: &Report,
) -> Result<String, Exit> {
    let format = if global.json { ReportFormat::Json } else { args.format };
    if format == ReportFormat::Html {
        complain(global.json, "years are not written as HTML", "take --format text, csv or json");
        return Err(Exit::Usage);
    }
    let lines = lines(setup, store, args).await?;
    if let (Some(name), true) = (&args.partnership, lines.is_empty()) {
        // One that is there and has not run yet has no years; a name that nobody knows is a mistake.
        setup.partnership(name)?;
    }
    let library = setup.main()?.library_names();
    Ok(match format {
        ReportFormat::Csv => csv_of(&lines),
        ReportFormat::Json => {
            json!({ "library": library, "years": lines.iter().map(as_json).collect::<Vec<_>>() }).to_string()
        }
        ReportFormat::Text | ReportFormat::Html => in_words(&library, &lines),
    })
}

async fn lines(setup: &Setup, store: &dyn Store, args: &Report) -> Result<Vec<Line>, Exit> {
    let error = |error| setup.store_error(&error);
    let mut all: BTreeMap<(String, i16), Year> = BTreeMap::new();
    for year in store.years().await.map_err(error)? {
        all.insert((year.partnership.clone(), year.year), year);
    }
    let known = store.partnerships().await.map_err(error)?;
    for partnership in &known {
        for run in store.runs(Some(partnership.id), ALL_RUNS).await.map_err(error)? {
            let year = jiff::tz::TimeZone::UTC.to_datetime(run.started_at).year();
            let entry = all.entry((partnership.permanent_id.clone(), year)).or_default();
            // As the store does when it lets a run go: a plan alone came to nothing.
            if run.state != RunState::Planned {
                add(entry, &run.result);
            }
        }
    }
    let purges = store.purges().await.map_err(error)?;
    let mut lines = Vec::new();
    for ((id, year), counts) in &all {
        let configured = setup
            .loaded
            .partnerships
            .iter()
            .filter_map(|(_, partnership)| partnership.as_ref().ok())
            .find(|partnership| partnership.id.as_str() == id);
        let purged = purges.iter().find(|purge| purge.permanent_id == *id);
        let name = match (purged, configured) {
            (Some(purge), _) => purge.name.clone(),
            (None, Some(partnership)) => partnership.name.as_str().to_owned(),
            (None, None) => {
                known.iter().find(|row| row.permanent_id == *id).map_or(id, |row| &row.name).clone()
            }
        };
        if args.partnership.as_ref().is_some_and(|only| *only != name && only != id) {
            continue;
        }
        let own = configured.map_or(SMALL_CELLS, |partnership| u64::from(partnership.small_cells));
        let least = if args.internal { 0 } else { own };
        lines.push(line(name, purged.is_some(), *year, counts, least));
    }
    Ok(lines)
}

fn add(year: &mut Year, result: &RunResult) {
    let counts = &result.counts;
    year.runs += 1;
    year.created += counts.create;
    year.linked += counts.link;
    year.updated += counts.update;
    year.renewed += counts.renew;
    year.lapsed += counts.lapse;
    year.restored += counts.restore;
}

fn line(partnership: String, purged: bool, year: i16, counts: &Year, least: u64) -> Line {
    let shown = |count: u64| (count == 0 || count >= least).then_some(count);
    // Made and linked are one: which children had a card before is nobody's business.
    let cards = counts.created + counts.linked;
    let counts_shown = [cards, counts.updated, counts.renewed, counts.lapsed, counts.restored].map(shown);
    Line { partnership, purged, year, runs: counts.runs, counts: counts_shown, least }
}

fn number(count: Option<u64>) -> String {
    count.map_or_else(|| "*".to_owned(), |count| count.to_string())
}

fn in_words(library: &str, lines: &[Line]) -> String {
    if lines.is_empty() {
        return "No run is noted, and so there are no years.".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["partnership", "year", "runs"].into_iter().chain(COLUMNS.map(|(_, title)| title)));
    for line in lines {
        let name =
            if line.purged { format!("{} (purged)", line.partnership) } else { line.partnership.clone() };
        let mut cells = vec![name, line.year.to_string(), line.runs.to_string()];
        cells.extend(line.counts.iter().copied().map(number));
        table.add_row(cells);
    }
    let note = match lines.iter().map(|line| line.least).max() {
        Some(0) | None => "Small counts are shown: for the library alone.".to_owned(),
        Some(least) => format!("* fewer than {least}."),
    };
    format!("{library}, by year (UTC)\n\n{}\n\n{note}\n", table.trim_fmt())
}

fn csv_of(lines: &[Line]) -> String {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let mut write = |cells: Vec<String>| drop(csv.write_record(cells));
    let heads = ["partnership", "purged", "year", "runs"].into_iter().chain(COLUMNS.map(|(key, _)| key));
    write(heads.map(str::to_owned).collect());
    for line in lines {
        let purged = if line.purged { "yes" } else { "no" };
        let mut cells =
            vec![line.partnership.clone(), purged.to_owned(), line.year.to_string(), line.runs.to_string()];
        cells.extend(line.counts.iter().copied().map(number));
        write(cells);
    }
    // A list in memory takes whatever is written to it.
    String::from_utf8(csv.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn as_json(line: &Line) -> Value {
    let mut value = json!({
        "partnership": line.partnership, "purged": line.purged, "year": line.year, "runs": line.runs,
        "held_back_below": line.least,
    });
    if let Value::Object(map) = &mut value {
        map.extend(
            COLUMNS.iter().zip(line.counts).map(|((key, _), count)| ((*key).to_owned(), json!(count))),
        );
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn year() -> Year {
        Year { year: 2026, runs: 3, created: 7, linked: 40, updated: 4, lapsed: 10, ..Year::default() }
    }

    #[test]
    fn s21_years_hold_small_counts_back_and_add_linked_to_made() {
        let shown = line("oak".into(), true, 2026, &year(), 10);
        assert_eq!(shown.counts, [Some(47), None, Some(0), Some(10), Some(0)]);
        assert_eq!(
            csv_of(&[shown]),
            "partnership,purged,year,runs,cards,updated,renewed,lapsed,restored\noak,yes,2026,3,47,*,0,10,0\n"
        );
        let inside = line("oak".into(), false, 2026, &year(), 0);
        assert_eq!(inside.counts[1], Some(4));
        assert!(in_words("Oak Library", &[inside]).contains("for the library alone"));
    }

    #[test]
    fn without_a_run_it_says_so() {
        assert!(in_words("Oak Library", &[]).contains("No run is noted"));
    }
}
