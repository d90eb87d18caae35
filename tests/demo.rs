//! The first thing anybody types, and what README.md tells them to type.

use std::path::Path;

use crate::support::rostercard;

#[test]
fn the_demo_ends_well_and_says_the_numbers() {
    let ran = rostercard(&["demo", "--students", "60"]).expect(0).says(&[
        "60 students",
        "60 cards to make",
        "Nothing was written.",
        "60 cards made",
        "The ILS now has 60 patrons",
        "The ILS was not even asked.",
        "1 newcomer",
        "1 leaver",
        "1 move to another school",
        "1 corrected name",
        "61 students have been given a card, each exactly one",
    ]);
    assert!(ran.stderr.is_empty() || !ran.stderr.contains("error"), "{}", ran.both());
}

/// Commands of README.md's fenced blocks: words after the program's name, up to a comment.
fn commands(readme: &str) -> Vec<Vec<String>> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in readme.lines() {
        let line = line.trim().trim_start_matches("$ ");
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let typed = line.strip_prefix("rostercard ").or_else(|| line.strip_prefix("cargo run --release -- "));
        if let (true, Some(typed)) = (fenced, typed) {
            let typed = typed.split(" #").next().unwrap_or_default();
            // As a shell would: what stands between quotation marks is one word.
            let mut words = Vec::new();
            for (at, piece) in typed.split('"').enumerate() {
                if at % 2 == 1 {
                    words.push(piece.to_owned());
                } else {
                    words.extend(piece.split_whitespace().map(str::to_owned));
                }
            }
            found.push(words);
        }
    }
    found
}

#[test]
fn fenced_commands_are_found() {
    let text = "rostercard no\n```console\n$ rostercard plan oak   # what for\nrostercard demo\nls\n```\nrostercard no\n";
    assert_eq!(commands(text), [vec!["plan", "oak"], vec!["demo"]]);
}

#[test]
fn what_the_pages_tell_to_type_is_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for page in ["README.md", "docs/guide.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap().replace("\\\n", " ");
        let found = commands(&text);
        assert!(!found.is_empty(), "{page} has no command in a fenced block");
        for command in found {
            // With `--help` behind it nothing is done, and an unknown command or option before it is still an error.
            let args: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
            let ran = rostercard(&args);
            assert_eq!(ran.code, Some(0), "{page} says `rostercard {}`: {}", command.join(" "), ran.both());
        }
    }
}
