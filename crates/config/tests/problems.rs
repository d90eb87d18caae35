//! Problems as people see them: one pass, places, advice.

use std::time::Duration;

use insta::assert_snapshot;
use rostercard_config::{
    AName, Bool, Clear, Day, Document, Integer, List, Percent, Problems, Span, Style, TableReader, Text, Word,
};

/// Reads a table that has one key of each kind.
fn read(text: &str) -> Problems {
    let problems = Problems::new();
    let document = Document::parse("rostercard.toml", text.as_bytes().to_vec(), &problems);
    if let Some(mut top) = TableReader::top(&document, &problems) {
        if let Some(mut library) = top.required_table("library", "add [library]") {
            library.required("name", &Text, "\"Woodland Public Library\"");
            library.required("timezone", &Text, "\"America/Los_Angeles\"");
            library.optional("opened", &Day);
            library.finish();
        }
        if let Some(mut ils) = top.table("ils") {
            ils.optional("main", &AName);
            ils.optional("connections", &Integer(1..=64));
            ils.optional("deadline", &Span(Duration::from_secs(1)..=Duration::from_secs(600)));
            ils.optional("verify", &Bool);
            ils.optional("model", &Word(&[("full", 1), ("starter", 2), ("digital", 3)]));
            ils.optional("schools", &List { of: Text, empty: false });
            ils.optional("creates", &Percent);
            ils.secret("client_secret", Clear::Refused);
            ils.secret("practice_password", Clear::Warned);
            ils.finish();
        }
        top.finish();
    }
    problems
}

fn rendered(text: &str) -> String {
    read(text).render(Style::Plain)
}

#[test]
fn five_mistakes_in_one_pass() {
    assert_snapshot!(rendered(
        "[library]\nname = \"Woodland\"\ntimezon = \"America/Los_Angeles\"\n\n\
         [ils]\nconnections = \"three\"\ndeadline = \"30\"\nmodel = \"digitl\"\nschools = []\n"
    ), @r#"
    error[unknown-key]: library.timezon: nothing is known by this name, and `timezone` is missing
     --> rostercard.toml:3:1
      |
    3 | timezon = "America/Los_Angeles"
      | ^^^^^^^
      |
      = help: did you mean `timezone`?
      = help: known here: `name`, `timezone` or `opened`

    error[wrong-type]: ils.connections: must be a whole number, this is text
     --> rostercard.toml:6:15
      |
    6 | connections = "three"
      |               ^^^^^^^
      |
      = help: write it like this: 1 (without quotes)

    error[bad-value]: ils.deadline: is not a span of time
     --> rostercard.toml:7:12
      |
    7 | deadline = "30"
      |            ^^^^
      |
      = help: write a number and its unit: "500ms", "30s", "5m", "2h", "7d" or "1y"

    error[unknown-word]: ils.model: is not one of the words that can stand here
     --> rostercard.toml:8:9
      |
    8 | model = "digitl"
      |         ^^^^^^^^
      |
      = help: did you mean `digital`?
      = help: write `full`, `starter` or `digital`

    error[out-of-range]: ils.schools: must not be empty
     --> rostercard.toml:9:11
      |
    9 | schools = []
      |           ^^
      |
      = help: name at least one, or remove the key

    5 errors
    "#);
}

#[test]
fn a_broken_file_tells_all_that_the_parser_finds() {
    assert_snapshot!(rendered("[library\nname = \"Woodland\"\ntimezone = America\n\n[ils]\nmodel = \n"), @r#"
    error[syntax]: TOML: unclosed table, expected `]`
     --> rostercard.toml:1:9
      |
    1 | [library
      |         ^
      |
      = help: write a table's name in brackets on a line of its own: [card]

    error[syntax]: TOML: string values must be quoted, expected literal string
     --> rostercard.toml:6:9
      |
    6 | model = 
      |         ^
      |
      = help: write text between two double quotes on one line: name = "value"

    2 errors
    "#);
}

#[test]
fn a_key_said_twice() {
    assert_snapshot!(rendered("[library]\nname = \"A\"\nname = \"B\"\ntimezone = \"UTC\"\n"), @r#"
    error[syntax]: TOML: duplicate key
     --> rostercard.toml:3:1
      |
    3 | name = "B"
      | ^^^^
      |
      = help: say it once: remove one of the two, or merge them

    1 error
    "#);
}

#[test]
fn a_file_that_is_not_utf8() {
    let problems = Problems::new();
    Document::parse("x.toml", b"a = 1\nname = \"Caf\xe9\"\n".to_vec(), &problems);
    assert_snapshot!(problems.render(Style::Plain), @r#"
    error[not-utf8]: this file is not UTF-8 text from here on
    --> x.toml:2:12
     = note: the line is not shown, because it may hold a secret
     = help: save it as UTF-8 (without a byte order mark) in your editor

    1 error
    "#);
}

#[test]
fn line_ends_marks_tabs_and_wide_letters_keep_the_column() {
    // A byte order mark, CRLF line ends, a tab, letters of several bytes before the mistake.
    let text = "\u{feff}nmae = 1\r\n[library]\r\nname = \"A\"\r\ntimezone = \"UTC\"\r\n[ils]\r\n\tconnections = 0\r\n\
                schools = [\"Zoë\", \"日本\", 7]\r\n";
    assert_snapshot!(rendered(text), @r#"
    error[unknown-key]: nmae: nothing is known by this name
     --> rostercard.toml:1:1
      |
    1 | nmae = 1
      | ^^^^
      |
      = help: known here: `library` or `ils`

    error[out-of-range]: ils.connections: must be from 1 to 64
     --> rostercard.toml:6:16
      |
    6 |     connections = 0
      |                   ^
      |
      = help: write a whole number from 1 to 64

    error[wrong-type]: ils.schools[3]: must be text, this is a whole number
     --> rostercard.toml:7:25
      |
    7 | schools = ["Zoë", "日本", 7]
      |                           ^
      |
      = help: write it like this: "..."

    3 errors
    "#);
    let json = read(text).to_json();
    let places: Vec<(u64, u64)> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["line"].as_u64().unwrap(), p["column"].as_u64().unwrap()))
        .collect();
    assert_eq!(places, [(1, 1), (6, 16), (7, 25)]);
}

#[test]
fn as_json() {
    let json = read("[library]\nname = \"\"\ntimezone = \"UTC\"\nopened = 2027-02-30\n").to_json();
    assert_snapshot!(serde_json::to_string_pretty(&json).unwrap(), @r#"
    [
      {
        "advice": [
          "write it as: name = \"value\", text always in double quotes"
        ],
        "also": [],
        "code": "syntax",
        "column": 10,
        "file": "rostercard.toml",
        "key": null,
        "line": 4,
        "message": "TOML: invalid date, expected day between 01 and 28",
        "severity": "error"
      }
    ]
    "#);
}

#[test]
fn secrets_are_refused_in_clear_and_never_shown() {
    assert_snapshot!(rendered(
        "[library]\nname = \"A\"\ntimezone = \"UTC\"\n\
         [ils]\nclient_secret = \"hunter2\"\npractice_password = \"hunter3\"\n"
    ), @r#"
    error[secret-in-clear]: ils.client_secret: a secret must not be written here in clear
    --> rostercard.toml:5:17
     = note: the line is not shown, because it may hold a secret
     = help: write { credential = "NAME" }, { file = "/path" } or { env = "NAME" }

    warning[secret-in-clear]: ils.practice_password: a secret is written here in clear
    --> rostercard.toml:6:21
     = note: the line is not shown, because it may hold a secret
     = help: write { credential = "NAME" }, { file = "/path" } or { env = "NAME" } unless this is a practice server's

    1 error, 1 warning
    "#);
    for line in [
        "client_secret = { credential = \"hunter2 is it\" }",
        "client_secret = { hunter2 = \"x\" }",
        "client_secret = { credential = \"koha\", hunter2 = 1 }",
        "client_secret = [\"hunter2\"]",
        "client_secret = \"hunter2",
        "client_secret = hunter2",
        "client_secrt = \"hunter2\"",
        "clientsecret = { file = \"\", env = \"hunter2\" }",
        "model = { secret = \"hunter2\" }",
        "model = \"https://me:hunter2@host/\"",
        "practice_password = \"\"\"\nhunter2\n\"\"\"\nmodel = 7",
        "practice_password = \"\"\"\nhunter2\nmodel = 7",
        "main = \"x\"\napi_key = \"hunter2\"",
        "pin = \"hunter2\"",
    ] {
        let problems = read(&format!("[library]\nname = \"A\"\ntimezone = \"UTC\"\n[ils]\n{line}\n"));
        let told = problems.render(Style::Plain);
        assert!(problems.has_errors() || line.starts_with("practice"), "{line}");
        assert!(!told.contains("hunter2"), "{line}\n{told}");
        assert!(!problems.to_json().to_string().contains("hunter2"), "{line}");
        assert!(told.contains("rostercard.toml:"), "{told}");
    }
}

#[test]
fn references_and_rules_are_no_secrets() {
    let told = rendered(
        "[library]\nname = \"A\"\ntimezone = \"UTC\"\n[ils]\nclient_secret = { credential = \"koha\" }\nx = 1\n",
    );
    assert!(told.contains("6 | x = 1"), "{told}");
    let told = rendered("[library]\nname = \"A\"\ntimezone = \"UTC\"\nlogin = { credential = \"koha\" }\n");
    assert!(told.contains("4 | login = { credential"), "{told}");
    let told = rendered("x = 1 # before\n[ils]\nmain = { pin = \"random\" }\n");
    assert!(told.contains("3 | main = { pin = \"random\" }"), "{told}");
    let told = rendered("pni = \"random\"\n[library]\nname = \"A\"\ntimezone = \"UTC\"\n");
    assert!(told.contains("pni = \"random\""), "{told}");
}

#[test]
fn everything_says_what_to_do() {
    for text in [
        "",
        "=",
        "[library]",
        "library = 1",
        "[[library]]",
        "[ils]\nmain = \"X\"",
        "[ils]\ncreates = 7",
        "a.b.c = 99999999999999999999",
        "[ils]\nclient_secret = 7",
        "[ils]\nverify = \"yes\"",
        "\u{0}",
        "[a]\n[a]",
        "x = [1,",
        "x = {a=1",
        "é = 1",
    ] {
        let problems = read(text);
        assert!(problems.has_errors(), "{text}");
        for problem in problems.sorted() {
            assert!(
                problem.advice.iter().all(|line| line.len() > 10) && !problem.advice.is_empty(),
                "{problem:?}"
            );
            assert!(!problem.message.is_empty(), "{problem:?}");
        }
        assert!(problems.render(Style::Plain).contains("help: "), "{text}");
    }
}

#[test]
fn hostile_shapes_are_told_and_bounded() {
    let deep_keys = format!("{} = 1\n", vec!["a"; 5_000].join("."));
    let deep_lists = format!("x = {}", "[".repeat(5_000));
    let deep_tables = format!("x = {}", "{a=".repeat(5_000));
    let many_keys: String = (0..5_000).map(|n| format!("k{n} = 1\n")).collect();
    let many_errors = "x = \n".repeat(5_000);
    let long_line = format!("x = \"{}\"", "x".repeat(1_000_000));
    for text in [deep_keys, deep_lists, deep_tables, many_keys, many_errors, long_line] {
        let problems = read(&text);
        let told = problems.render(Style::Plain);
        assert!(problems.has_errors());
        assert!(problems.sorted().len() <= 300, "{}", problems.sorted().len());
        assert!(told.len() < 3_000_000, "{}", told.len());
    }
    assert!(rendered(&"x = \n".repeat(5_000)).contains("more problems in this file"));
}
