//! The reference pages and the JSON Schemas, made from the program itself: from what the readers of tables ask for, from the
//! annotated examples, from clap, from the metrics. It is part of the tests alone: they compare what is made with what is
//! committed, so that neither pages nor schemas can know another key than the program does.
//!
//! `ROSTERCARD_BLESS=1 cargo test -p rostercard --bin rostercard reference` writes them anew.

mod checking;
mod examples;
mod keys;
mod pages;
mod schema;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// Compares what was made with what is committed, or commits it.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says by the environment that files are to be written"
)]
fn same(name: &str, made: &str) {
    if std::env::var_os("ROSTERCARD_BLESS").is_some() {
        fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        fs::write(path(name), made).unwrap();
        return;
    }
    let there = fs::read_to_string(path(name)).unwrap_or_default();
    let differs = made.lines().zip(there.lines()).find(|(made, there)| made != there);
    assert!(
        made == there,
        "{name} is not what the program says: run ROSTERCARD_BLESS=1 cargo test -p rostercard --bin rostercard reference\n{differs:?}"
    );
}

#[test]
fn the_schemas_are_those_of_the_readers() {
    let keys = keys::all();
    same("config/schema/main.json", &schema::text(&keys.main, "rostercard.toml"));
    same("config/schema/partnership.json", &schema::text(&keys.partnership, "partnerships/NAME.toml"));
}

#[test]
fn the_pages_are_those_of_the_program() {
    let keys = keys::all();
    same("docs/reference/configuration.md", &pages::configuration(keys));
    same("docs/reference/commands.md", &pages::commands());
    same("docs/reference/exit-codes.md", &pages::exit_codes());
    same("docs/reference/metrics.md", &pages::metrics());
}

#[test]
fn every_key_is_in_an_annotated_example() {
    let keys = keys::all();
    let missing: Vec<&str> = keys
        .main
        .iter()
        .chain(&keys.partnership)
        // What stands between braces is explained where they open.
        .filter(|key| key.name != "*" && !key.is_table() && !key.inline)
        // A source named for several is one like any other.
        .filter(|key| !key.pattern.starts_with("sources."))
        .filter(|key| key.example.is_none() && key.default.is_none())
        .map(|key| key.pattern.as_str())
        .collect();
    assert!(missing.is_empty(), "no line of config/ shows them: {missing:?}");
}

/// The words of a line as a shell takes them apart; what stands behind ` #` is a comment.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            '#' if !quoted && words.last().is_some_and(String::is_empty) => break,
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Every command that stands in a block of a page can be typed: its names and flags are those of the program.
#[test]
fn every_command_of_the_pages_can_be_typed() {
    let mut pages = vec![path("README.md")];
    for folder in ["docs", "docs/connectors"] {
        pages.extend(fs::read_dir(path(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    let mut typed = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|ending| ending == "md")) {
        let text = fs::read_to_string(page).unwrap();
        for block in text.split("```console").skip(1).filter_map(|rest| rest.split("```").next()) {
            for line in block.lines().map(str::trim).filter(|line| line.starts_with("rostercard ")) {
                let words = words(&line.replace(" RUN", " 1"));
                if let Err(error) = <crate::cli::Cli as clap::Parser>::try_parse_from(&words) {
                    panic!("{}: {line}\n{error}", page.display());
                }
                typed += 1;
            }
        }
    }
    assert!(typed > 40, "{typed}");
}
