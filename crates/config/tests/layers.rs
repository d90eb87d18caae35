//! Defaults, file, environment: who wins, and what is said about mistakes.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use insta::assert_snapshot;
use rostercard_config::{
    Bool, Clear, Document, FixedKey, FixedType, Integer, Place, Problems, SecretWay, Style, TableReader,
    Text, layered,
};

const KEYS: [FixedKey; 7] = [
    FixedKey { path: &["library", "name"], kind: FixedType::Text, default: None },
    FixedKey { path: &["library", "branches"], kind: FixedType::Integer, default: Some("1") },
    FixedKey { path: &["library", "open"], kind: FixedType::Bool, default: Some("true") },
    FixedKey { path: &["state", "path"], kind: FixedType::Text, default: Some("/var/lib/rostercard") },
    FixedKey { path: &["state", "key", "credential"], kind: FixedType::Reference, default: None },
    FixedKey { path: &["state", "key", "file"], kind: FixedType::Reference, default: None },
    FixedKey { path: &["state", "key", "env"], kind: FixedType::Reference, default: None },
];

struct Read {
    name: Option<String>,
    name_place: Option<Place>,
    branches: Option<i64>,
    open: Option<bool>,
    path: Option<String>,
    key: Option<SecretWay>,
    told: String,
}

fn read(text: &str, environment: &[(&str, &str)]) -> Read {
    let problems = Problems::new();
    let mut document = Document::parse("rostercard.toml", text.as_bytes().to_vec(), &problems);
    let environment: BTreeMap<String, String> =
        environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    document.root = Some(layered(document.root.as_ref().unwrap(), &KEYS, &environment, &problems));
    let mut top = TableReader::top(&document, &problems).unwrap();
    let mut read = Read {
        name: None,
        name_place: None,
        branches: None,
        open: None,
        path: None,
        key: None,
        told: String::new(),
    };
    if let Some(mut library) = top.table("library") {
        let name = library.optional("name", &Text);
        read.name_place = name.as_ref().map(|name| name.place.clone());
        read.name = name.map(|name| name.value);
        read.branches = library.optional("branches", &Integer(1..=100)).map(|n| n.value);
        read.open = library.optional("open", &Bool).map(|n| n.value);
        library.finish();
    }
    if let Some(mut state) = top.table("state") {
        read.path = state.optional("path", &Text).map(|path| path.value);
        read.key = state.secret("key", Clear::Refused).map(|key| key.way().clone());
        state.finish();
    }
    top.finish();
    read.told = problems.render(Style::Plain);
    read
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let text = "[library]\nname = \"A\"\nbranches = 2\n";
    let read_plain = read(text, &[]);
    assert_eq!(read_plain.told, "");
    assert_eq!(
        (read_plain.name.as_deref(), read_plain.branches, read_plain.open),
        (Some("A"), Some(2), Some(true))
    );
    assert_eq!(read_plain.path.as_deref(), Some("/var/lib/rostercard"));
    assert!(matches!(read_plain.name_place, Some(Place::File { .. })));

    let over = read(
        text,
        &[
            ("ROSTERCARD__LIBRARY__NAME", "{ not = \"parsed\" }"),
            ("ROSTERCARD__LIBRARY__BRANCHES", "7"),
            ("ROSTERCARD__LIBRARY__OPEN", "false"),
            ("ROSTERCARD_SPECS", "not ours to read"),
            ("PATH", "/bin"),
        ],
    );
    assert_eq!(over.told, "");
    assert_eq!(over.name.as_deref(), Some("{ not = \"parsed\" }"));
    assert_eq!((over.branches, over.open), (Some(7), Some(false)));
    assert!(matches!(over.name_place, Some(Place::Variable(name)) if &*name == "ROSTERCARD__LIBRARY__NAME"));
}

#[test]
fn a_reference_in_the_environment_replaces_that_of_the_file() {
    let read =
        read("[state]\nkey = { file = \"/a\" }\n", &[("ROSTERCARD__STATE__KEY__CREDENTIAL", "state-key")]);
    assert_eq!(read.told, "");
    assert!(matches!(read.key, Some(SecretWay::Credential(name)) if name == "state-key"));
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    let read = read(
        "[library]\nname = \"A\"\n",
        &[
            ("ROSTERCARD__LIBRARY__NAM", "x"),
            ("ROSTERCARD__LIBRARY__BRANCHES", "0"),
            ("ROSTERCARD__LIBRARY__OPEN", "yes"),
            ("ROSTERCARD__ILS__MAIN__URL", "x"),
            ("ROSTERCARD__STATE__KEY__ENV", "not a name"),
        ],
    );
    assert_snapshot!(read.told, @r#"
    error[unknown-variable]: this variable sets nothing
    --> environment variable ROSTERCARD__ILS__MAIN__URL
     = help: remove it; these can be set: ROSTERCARD__LIBRARY__NAME, ROSTERCARD__LIBRARY__BRANCHES, ROSTERCARD__LIBRARY__OPEN, ROSTERCARD__STATE__PATH, ROSTERCARD__STATE__KEY__CREDENTIAL, ROSTERCARD__STATE__KEY__FILE, ROSTERCARD__STATE__KEY__ENV

    error[unknown-variable]: this variable sets nothing
    --> environment variable ROSTERCARD__LIBRARY__NAM
     = help: did you mean `ROSTERCARD__LIBRARY__NAME`?
     = help: remove it; these can be set: ROSTERCARD__LIBRARY__NAME, ROSTERCARD__LIBRARY__BRANCHES, ROSTERCARD__LIBRARY__OPEN, ROSTERCARD__STATE__PATH, ROSTERCARD__STATE__KEY__CREDENTIAL, ROSTERCARD__STATE__KEY__FILE, ROSTERCARD__STATE__KEY__ENV

    error[wrong-type]: library.open: must be `true` or `false`
    --> environment variable ROSTERCARD__LIBRARY__OPEN
     = help: set ROSTERCARD__LIBRARY__OPEN to `true` or `false`, or unset it

    error[out-of-range]: library.branches: must be from 1 to 100
    --> environment variable ROSTERCARD__LIBRARY__BRANCHES
     = help: write a whole number from 1 to 100

    error[bad-name]: state.key: this cannot be the name of a credential or a variable
    --> environment variable ROSTERCARD__STATE__KEY__ENV
     = help: write its name alone (letters, digits, `.`, `_` and `-`), not the secret and not a path

    5 errors
    "#);
}

#[test]
fn the_places_of_the_file_survive_the_layering() {
    let read = read(
        "\"a.b\" = 1\n\"c[0]\" = 2\nlibrary = 3\n[state]\npaht = \"x\"\nkey = \"hunter2\"\n",
        &[("ROSTERCARD__LIBRARY__NAME", "B")],
    );
    assert!(!read.told.contains("hunter2"));
    assert_snapshot!(read.told, @r#"
    error[unknown-key]: "a.b": nothing is known by this name
     --> rostercard.toml:1:1
      |
    1 | "a.b" = 1
      | ^^^^^
      |
      = help: known here: `library` or `state`

    error[unknown-key]: "c[0]": nothing is known by this name
     --> rostercard.toml:2:1
      |
    2 | "c[0]" = 2
      | ^^^^^^
      |
      = help: known here: `library` or `state`

    error[wrong-type]: library: must be a table, this is a whole number
     --> rostercard.toml:3:11
      |
    3 | library = 3
      |           ^
      |
      = help: write [library] on a line of its own, and what belongs to it below

    error[unknown-key]: state.paht: nothing is known by this name
     --> rostercard.toml:5:1
      |
    5 | paht = "x"
      | ^^^^
      |
      = help: did you mean `path`?
      = help: known here: `path` or `key`

    error[secret-in-clear]: state.key: a secret must not be written here in clear
    --> rostercard.toml:6:7
     = note: the line is not shown, because it may hold a secret
     = help: write { credential = "NAME" }, { file = "/path" } or { env = "NAME" }

    5 errors
    "#);
}
