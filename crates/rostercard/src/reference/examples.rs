//! The annotated configuration in config/, line by line: what is said of each key, and what it is unless said.

use std::collections::BTreeMap;
use std::fs;

use super::path;

/// rostercard.toml.
pub(super) const MAIN: &str = "rostercard.toml";

/// A line with its key no longer commented out. Explanations begin with a blank after the sign.
pub(super) fn uncommented(line: &str) -> &str {
    match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '[' || c == '"') => key,
        _ => line,
    }
}

/// The annotated files by their names: as they are, or with every key that they show.
pub(super) fn files(whole: bool) -> BTreeMap<String, String> {
    let mut names = vec![MAIN.to_owned()];
    for entry in fs::read_dir(path("config/partnerships")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".toml") {
            names.push(format!("partnerships/{name}"));
        }
    }
    let read = |name: &String| {
        let text = fs::read_to_string(path("config").join(name)).unwrap();
        let lines: Vec<&str> =
            text.lines().map(|line| if whole { uncommented(line) } else { line }).collect();
        (name.clone(), lines.join("\n"))
    };
    names.iter().map(read).collect()
}

/// A key's line.
pub(super) struct Line {
    /// Its table as it is written: `card`, `card.for[]`, `ils.main.ncip`.
    pub(super) table: String,
    /// The key; empty for a table's own line.
    pub(super) key: String,
    /// The value as it is written.
    pub(super) value: String,
    /// What is said of it.
    pub(super) comment: String,
    /// Where it is in its file, in bytes.
    pub(super) at: std::ops::Range<usize>,
}

/// The lines of a file in which nothing is commented out.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    let (mut table, mut at) = (String::new(), 0);
    let mut before = String::new();
    for line in text.split_inclusive('\n') {
        let range = at..at + line.trim_end_matches('\n').len();
        at += line.len();
        let line = line.trim_end();
        let (said, comment) = split(line);
        if said.is_empty() {
            // Words that stand below a key, under its own comment, belong to it.
            match found.last_mut() {
                Some(last) if line.starts_with("    ") && !comment.is_empty() => {
                    last.comment = format!("{}; {comment}", last.comment);
                }
                _ => before = if line.starts_with("# ") { comment.to_owned() } else { String::new() },
            }
            continue;
        }
        if let Some(header) = said.strip_prefix('[') {
            let name = header.trim_matches(['[', ']']);
            table = if header.starts_with('[') { format!("{name}[]") } else { name.to_owned() };
            found.push(Line {
                table: table.clone(),
                key: String::new(),
                value: String::new(),
                comment: comment.to_owned(),
                at: range,
            });
        } else if let Some((key, value)) = said.split_once('=') {
            let comment = if comment.is_empty() { before.as_str() } else { comment };
            found.push(Line {
                table: table.clone(),
                key: key.trim().trim_matches('"').to_owned(),
                value: value.trim().to_owned(),
                comment: comment.to_owned(),
                at: range,
            });
        }
        before.clear();
    }
    found
}

/// What a line says, and the comment behind it.
fn split(line: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => {
                return (line.get(..at).unwrap().trim(), line.get(at + 1..).unwrap().trim());
            }
            _ => {}
        }
    }
    (line.trim(), "")
}

#[test]
fn lines_keys_and_comments() {
    let text =
        "# A file.\n\n# One thing.\na = \"#\" # said\n    # and more\nb = 1\n[[t.for]] # whom\n\"x y\" = 2";
    let lines = lines(text);
    let all: Vec<String> = lines
        .iter()
        .map(|l| format!("{}|{}|{}|{}|{}", l.table, l.key, l.value, l.comment, l.at.len()))
        .collect();
    assert_eq!(all, ["|a|\"#\"|said; and more|14", "|b|1||5", "t.for[]|||whom|16", "t.for[]|x y|2||9"]);
}
