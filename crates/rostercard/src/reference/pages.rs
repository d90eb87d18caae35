//! The pages of docs/reference.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::CommandFactory;
use jiff::Timestamp;
use rostercard_config::Shape;
use rostercard_core::plan::Counts;
use rostercard_daemon::health::{Facts, judge, overall};
use rostercard_daemon::metrics::{Metrics, RunFacts};

use super::keys::{Key, Keys};
use crate::cli::Cli;
use crate::exit::Exit;

/// What stands at the head of each page.
const MADE: &str =
    "This page is made from the program by a test; what is wrong with it is wrong with the program.\n";

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}

/// Every key.
pub(super) fn configuration(keys: &Keys) -> String {
    let mut page = format!(
        "# Every key of the configuration\n\n{MADE}\n\
         The annotated files are in [config/](../../config/). For an editor that knows JSON Schema (taplo, Even Better TOML) there are\n\
         [config/schema/](../../config/schema/) and `rostercard schema`. `rostercard check` knows more: which keys go together, and what a text must\n\
         look like.\n\n\
         *Unless said* is what holds where a key is left out; a value in italics is an example. **must** be there: its table is refused without it.\n\n"
    );
    for (title, keys) in [("rostercard.toml", &keys.main), ("partnerships/NAME.toml", &keys.partnership)] {
        writeln!(page, "## {title}\n").unwrap();
        let told = sections(keys).into_iter();
        // A table of tables with names of one's own says nothing that they do not.
        for (tables, rows) in told.filter(|(_, rows)| !tables_alone(rows)) {
            let headings: Vec<String> = tables.iter().map(|table| heading(table, keys)).collect();
            writeln!(page, "### {}\n", headings.join(", ")).unwrap();
            for table in &tables {
                let told = keys.iter().find(|key| key.pattern == table.trim_end_matches("[]"));
                if let Some(comment) =
                    told.map(|key| cell(&key.comment)).filter(|text| !text.is_empty() && tables.len() == 1)
                {
                    writeln!(page, "{comment}\n").unwrap();
                }
            }
            writeln!(
                page,
                "| key | what can stand there | unless said | what it is |\n| --- | --- | --- | --- |"
            )
            .unwrap();
            for key in rows {
                let name = if key.name == "*" { "*any name*".to_owned() } else { format!("`{}`", key.name) };
                let shapes: Vec<String> = key.shapes.iter().map(words).collect();
                let otherwise = match (&key.default, &key.example) {
                    (Some(default), _) => format!("`{}`", cell(default)),
                    (None, _) if key.required => "**must** be there".to_owned(),
                    (None, Some(example)) if !key.is_table() && !example.is_empty() => {
                        format!("*`{}`*", cell(example))
                    }
                    _ => String::new(),
                };
                writeln!(
                    page,
                    "| {name} | {} | {otherwise} | {} |",
                    shapes.join("; or "),
                    cell(&key.comment)
                )
                .unwrap();
            }
            page.push('\n');
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// Whether a section says nothing that others do not: names of one's own, or sources under another name.
fn tables_alone(rows: &[&Key]) -> bool {
    rows.iter().all(|key| (key.name == "*" && key.is_table()) || key.table.starts_with("sources.*."))
}

/// Tables with their keys; tables whose keys are all alike once, together.
fn sections(keys: &[Key]) -> Vec<(Vec<&str>, Vec<&Key>)> {
    let mut all: Vec<(Vec<&str>, Vec<&Key>)> = Vec::new();
    let mut order: Vec<&str> = Vec::new();
    let mut of: BTreeMap<&str, Vec<&Key>> = BTreeMap::new();
    for key in keys {
        if !of.contains_key(key.table.as_str()) {
            order.push(&key.table);
        }
        of.entry(&key.table).or_default().push(key);
    }
    for table in order {
        let rows = of.remove(table).unwrap();
        let alike = |a: &[&Key], b: &[&Key]| {
            let row = |key: &Key| (key.name.clone(), key.shapes.clone(), key.required);
            a.iter().map(|key| row(key)).eq(b.iter().map(|key| row(key)))
        };
        let together =
            all.iter_mut().find(|(_, other)| rows[0].inline && other[0].inline && alike(&rows, other));
        match together {
            Some((tables, _)) => tables.push(table),
            None => all.push((vec![table], rows)),
        }
    }
    all
}

/// A table as it is written.
fn heading(table: &str, keys: &[Key]) -> String {
    if table.is_empty() {
        return "At the top".to_owned();
    }
    let written = table.replace(".*", ".NAME");
    let inline = keys.iter().any(|key| key.table == table && key.inline);
    match written.strip_suffix("[]") {
        Some(list) => format!("`[[{}]]`", list.replace("[]", "")),
        None if inline => format!("`{} = {{ .. }}`", written.replace("[]", "")),
        None => format!("`[{}]`", written.replace("[]", "")),
    }
}

fn words(shape: &Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Integer(from, i64::MAX) => format!("{from} or more"),
        Shape::Integer(from, to) => format!("{from} to {to}"),
        Shape::Bool => "`true` or `false`".to_owned(),
        Shape::Percent => "a percentage: `\"10%\"`, `10`".to_owned(),
        Shape::Span => "a span of time: `\"30s\"`, `\"2h\"`, `\"7d\"`".to_owned(),
        Shape::Day => "a date: `2027-10-01`".to_owned(),
        Shape::MonthDay => "a day of every year: `\"10-01\"`".to_owned(),
        Shape::AnyDay => "a day of every year, `\"10-01\"`, or a date".to_owned(),
        Shape::TextOrNumber => "text or a number".to_owned(),
        Shape::Words(all) => {
            all.iter().map(|word| format!("`\"{}\"`", cell(word))).collect::<Vec<_>>().join(", ")
        }
        Shape::Name => "lowercase letters, digits, hyphens".to_owned(),
        Shape::List(_, of) => format!("a list: {}", words(of)),
        Shape::Secret => {
            "a secret: `{ credential = \"..\" }`, `{ file = \"..\" }` or `{ env = \"..\" }`".to_owned()
        }
        Shape::Table => "a table, below".to_owned(),
        Shape::Tables => "a list of tables, below".to_owned(),
        Shape::TextOrTable => "text; or a table, below".to_owned(),
        other => panic!("no words for {other:?}"),
    }
}

/// Every command, from clap.
pub(super) fn commands() -> String {
    let mut page = format!(
        "# Every command\n\n{MADE}\nWhat they end with is on the page of [exit codes](exit-codes.md).\n\n"
    );
    let mut program = Cli::command();
    program.build();
    page.push_str("## For every command\n\n");
    arguments(&mut page, &program, true);
    for command in program.get_subcommands() {
        one(&mut page, command, "rostercard");
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn one(page: &mut String, command: &clap::Command, before: &str) {
    if command.get_name() == "help" || command.is_hide_set() {
        return;
    }
    let name = format!("{before} {}", command.get_name());
    writeln!(page, "## `{name}`\n").unwrap();
    if let Some(about) = command.get_about() {
        writeln!(
            page,
            "{}{}\n",
            cell(&about.to_string()),
            if about.to_string().ends_with('.') { "" } else { "." }
        )
        .unwrap();
    }
    arguments(page, command, false);
    for inner in command.get_subcommands() {
        one(page, inner, &name);
    }
}

fn arguments(page: &mut String, command: &clap::Command, global: bool) {
    let shown: Vec<&clap::Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version")
        .filter(|arg| global || !arg.is_global_set())
        .collect();
    if shown.is_empty() {
        return;
    }
    page.push_str("| argument | what it is |\n| --- | --- |\n");
    for arg in shown {
        let value = arg
            .get_value_names()
            .and_then(|names| names.first())
            .map(ToString::to_string)
            .unwrap_or_default();
        let takes = arg.get_action().takes_values();
        let mut written = match arg.get_long() {
            Some(long) if takes => format!("--{long} {value}"),
            Some(long) => format!("--{long}"),
            None => value,
        };
        if arg.is_positional() && !arg.is_required_set() {
            written = format!("[{written}]");
        }
        let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let words: Vec<String> =
            arg.get_possible_values().iter().map(|word| format!("`{}`", word.get_name())).collect();
        if takes && !words.is_empty() {
            help = format!("{help} One of {}.", words.join(", "));
        }
        let defaults: Vec<String> =
            arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
        if takes && !defaults.is_empty() {
            help = format!("{help} Unless said: {}.", defaults.join(", "));
        }
        let must = if arg.is_required_set() && !arg.is_positional() { " (must be said)" } else { "" };
        writeln!(page, "| `{}` | {}{must} |", cell(&written), cell(&help)).unwrap();
    }
    page.push('\n');
}

/// What each exit code means, and what whoever runs it does.
fn meaning(exit: Exit) -> (&'static str, &'static str) {
    match exit {
        Exit::Done => ("done", "nothing"),
        Exit::Failed => (
            "failed; what was done is done, and the next run goes on",
            "read the message; run it again when its cause is gone",
        ),
        Exit::Rejects => (
            "done, with records of the roster that were rejected",
            "`rostercard rejects` lists them for the district",
        ),
        Exit::Waiting => ("changes wait for approval", "`rostercard show RUN`, then `approve` or `discard`"),
        Exit::Usage => ("the command line is wrong", "the message says what was meant, or `--help` does"),
        Exit::Later => (
            "try again later: another rostercard is at work, a roster is not whole yet, an ILS cannot be reached, its hours are over, or it is paused",
            "run it again; the daemon does so by itself",
        ),
        Exit::Configuration => {
            ("the configuration is wrong", "`rostercard check`; the unit for systemd does not start it again")
        }
    }
}

/// Every exit code.
pub(super) fn exit_codes() -> String {
    let all = [
        Exit::Done,
        Exit::Failed,
        Exit::Rejects,
        Exit::Waiting,
        Exit::Usage,
        Exit::Later,
        Exit::Configuration,
    ];
    let mut page = format!(
        "# Exit codes\n\n{MADE}\nThey are stable: scripts and systemd may rely on them.\n\n| code | meaning | what to do |\n| --- | --- | --- |\n"
    );
    let help = Cli::command().get_after_help().map(ToString::to_string).unwrap_or_default();
    for exit in all {
        let (what, then) = meaning(exit);
        assert!(help.contains(&format!("{} ", exit.code())), "--help does not know {}", exit.code());
        writeln!(page, "| {} | {what} | {then} |", exit.code()).unwrap();
    }
    page
}

/// Every metric, from the text that Prometheus reads.
pub(super) fn metrics() -> String {
    let metrics = Metrics::new("x");
    let counts = Counts::default();
    metrics.ran(&RunFacts {
        partnership: "x",
        state: "done",
        counts: &counts,
        writes: 1,
        lookups: 1,
        seconds: 1.0,
    });
    let at = Timestamp::UNIX_EPOCH;
    let facts = Facts {
        name: "x".into(),
        roster_as_of: Some(at),
        last_success: Some(at),
        next_run: Some(at),
        ..Facts::default()
    };
    let text = metrics.text(&overall(vec![judge(facts, at)], true));
    let mut page = format!(
        "# Metrics\n\n{MADE}\n`GET /metrics`, where `[http] listen` says; the text format of Prometheus. Labels are names of partnerships and words of ours: never\n\
         anything about a person.\n\n| metric | type | labels | what it is |\n| --- | --- | --- | --- |\n"
    );
    let mut helps: BTreeMap<&str, &str> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            helps.insert(name, help);
        }
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let samples = text.lines().filter(|line| {
            line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name}_bucket{{"))
        });
        let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for sample in samples {
            let inside = sample
                .split_once('{')
                .and_then(|(_, rest)| rest.split_once('}'))
                .map_or("", |(inside, _)| inside);
            for (label, value) in inside.split(',').filter_map(|pair| pair.split_once('=')) {
                let values = labels.entry(label).or_default();
                if !values.contains(&value) {
                    values.push(value);
                    values.sort_unstable();
                }
            }
        }
        let labels: Vec<String> = labels
            .into_iter()
            .filter(|(label, _)| *label != "le")
            .map(|(label, values)| match values.len() {
                1 => format!("`{label}`"),
                _ => format!("`{label}` ({})", values.join(", ").replace('"', "")),
            })
            .collect();
        let help = helps.get(name).copied().unwrap_or_default().trim_end_matches('.');
        writeln!(page, "| `{name}` | {kind} | {} | {} |", labels.join(", "), cell(help)).unwrap();
    }
    page
}
