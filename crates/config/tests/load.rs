//! A whole configuration: what is read, what is told, and that one partnership's mistakes stop it alone.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;
use rostercard_config::{
    Code, Connectors, Loaded, MachineSecrets, Memory, Partnership, SecretFault, SecretStore as _, SecretWay,
    Severity, Style, Text, load,
};
use rostercard_core::field::{Field, Ownership};
use rostercard_core::guard::GuardAction;
use rostercard_core::privacy::Secret;
use rostercard_core::rules::Existing;
use rostercard_core::rules::expiry::ExpiryRule;
use rostercard_core::rules::number::NumberRule;
use rostercard_core::rules::pin::PinRule;
use rostercard_core::words::CardModel;

const MAIN: &str = r#"[library]
name = "Woodland Public Library"
timezone = "UTC"

[state]
path = "state"
key = { credential = "state-key" }

[ils.main]
id = "main-2026"

[ils.main.ncip]
url = "https://ils.example.org/ncip"
password = { credential = "ncip" }

[ils.main.limits]
connections = 4
deadline = "40s"
"#;

const WOODLAND: &str = r#"id = "woodland-usd"
district = "Woodland Joint Unified School District"
ils = "main"
schedule = "30 4 * * MON-FRI"

[source.oneroster_csv]
path = "/srv/rosters/woodland"

[card]
model = "digital"
category = "STUDENT"
number = "77{student_id:0>8}"
pin = "random"
expires = { every_year = "10-01" }

[match]
existing = "separate"

[homes]
"Douglass Middle" = "MAIN"
"#;

const CONNECTORS: Connectors<'static> = Connectors { sources: &["oneroster_csv"], ils: &["ncip"] };

fn load_files(files: &[(&str, &str)], environment: &[(&str, &str)]) -> Loaded {
    let files = Memory::new(files.iter().map(|(path, text)| (*path, *text)));
    let environment: BTreeMap<String, String> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(&files, Path::new("etc/rostercard.toml"), &environment, CONNECTORS)
}

fn load_partnership(text: &str) -> Loaded {
    load_files(&[("etc/rostercard.toml", MAIN), ("etc/partnerships/woodland-usd.toml", text)], &[])
}

fn told(loaded: &Loaded) -> String {
    loaded.problems.render(Style::Plain)
}

/// WOODLAND with one line replaced, read without a problem.
fn with(line: &str, replacement: &str) -> Partnership {
    assert!(WOODLAND.contains(line), "{line}");
    let loaded = load_partnership(&WOODLAND.replace(line, replacement));
    assert!(!loaded.problems.has_errors(), "{}", told(&loaded));
    loaded.partnerships.into_iter().next().unwrap().1.unwrap()
}

/// What is told about WOODLAND with one line replaced: code and key of each problem.
fn problems_with(line: &str, replacement: &str) -> Vec<(Severity, Code, String)> {
    assert!(WOODLAND.contains(line), "{line}");
    let loaded = load_partnership(&WOODLAND.replace(line, replacement));
    loaded
        .problems
        .sorted()
        .into_iter()
        .map(|problem| (problem.severity, problem.code, problem.key))
        .collect()
}

#[test]
fn a_first_programme_is_read() {
    let loaded = load_partnership(WOODLAND);
    assert_eq!(told(&loaded), "");
    let main = loaded.main.unwrap();
    assert_eq!(main.library.name, "Woodland Public Library");
    assert_eq!(main.state.path, Path::new("etc/state"));
    let ils = main.ils.first().unwrap();
    assert_eq!((ils.id.as_str(), ils.connector.as_str(), ils.number_max), ("main-2026", "ncip", 14));
    assert_eq!(ils.limits.connections, 4);
    assert_eq!(ils.limits.settle_after, Duration::from_secs(80));
    let (name, partnership) = loaded.partnerships.into_iter().next().unwrap();
    let partnership = partnership.unwrap();
    assert_eq!(
        (name.as_str(), partnership.id.as_str(), partnership.source.as_str()),
        ("woodland-usd", "woodland-usd", "oneroster_csv")
    );
    let rules = &partnership.rules;
    assert_eq!((rules.card.model, rules.card.category.as_str()), (CardModel::Digital, "STUDENT"));
    assert_eq!((rules.existing, rules.number_max), (Existing::Separate, 14));
    assert_eq!(rules.card.pin, PinRule::Random { digits: 4 });
    assert!(matches!(rules.card.expires, ExpiryRule::EveryYear { .. }));
    assert_eq!(rules.homes.iter().count(), 1);

    // The connectors' tables are read by their own crates, from the same places.
    let problems = rostercard_config::Problems::new();
    let mut table = partnership.source_table.reader(&problems);
    assert_eq!(table.required("path", &Text, "\"x\"").unwrap().value, "/srv/rosters/woodland");
    assert!(table.finish());
}

#[test]
fn every_way_to_say_a_rule() {
    let number = |text: &str| with("number = \"77{student_id:0>8}\"", text).rules.card.number;
    assert!(matches!(
        number("number = { template = \"{student_id:0>9}\", check_digit = \"mod10\", student_id_min = 5 }"),
        NumberRule::Template(t) if t.student_id_min == 5
    ));
    assert!(matches!(
        number("number = { range = \"cards\", first = 1, last = 500, width = 8 }"),
        NumberRule::Range(r) if (r.first, r.last, r.width) == (1, 500, 8)
    ));
    let pin = |text: &str| with("pin = \"random\"", text).rules.card.pin;
    assert_eq!(pin("pin = \"none\""), PinRule::None);
    assert_eq!(pin("pin = { random = 6 }"), PinRule::Random { digits: 6 });
    assert_eq!(pin("pin = { student_id = 5 }"), PinRule::StudentId { last: 5 });
    assert!(matches!(pin("pin = { birth_date = \"mmdd\" }"), PinRule::BirthDate { .. }));
    let expires = |text: &str| with("expires = { every_year = \"10-01\" }", text).rules.card.expires;
    assert_eq!(expires("expires = \"never\""), ExpiryRule::Never);
    assert_eq!(expires("expires = { days = 365 }"), ExpiryRule::Span { days: 365, renew_before: 30 });
    assert!(matches!(expires("expires = { graduation = \"06-30\" }"), ExpiryRule::Graduation { .. }));

    let more = with(
        "[homes]",
        r#"[card.statistics]
SCHOOL = "{school}"

[card.address]
po_box = "fallback"
fallback = { street = "250 First Street", city = "Woodland", state = "CA", zip = "95695" }

[[card.for]]
grades = ["K", "1-5", 6]
category = "JUVENILE"

[[card.for]]
ages = "18-20"
schools = ["Douglass Middle"]
pin = "none"

[eligible]
roles = ["student", "educator"]
not_schools = ["Old School"]

[fields]
email = "fill"
address = "school"

[guards]
create = "15%"
renew = { percent = 50 }
rules_changed = "warn"
roster_age = "7d"

[lapse]
grace_days = 45
then = "expire"

[homes]"#,
    );
    let rules = &more.rules;
    assert_eq!((rules.card_for.len(), rules.card.statistics.len(), rules.eligible.roles.len()), (2, 1, 2));
    assert_eq!(rules.fields.owner(Field::Email), Ownership::Fill);
    assert!(rules.address.fallback.is_some());
    assert_eq!(more.guards.create.percent, 15.0);
    assert_eq!((more.guards.renew.percent, more.guards.renew.action), (50.0, GuardAction::Wait));
    assert_eq!((more.guards.rules_changed, more.guards.roster_age), (GuardAction::Warn, Some(7 * 86_400)));
    assert_eq!(more.lapse.grace_days, 45);
    // Nothing configured about a place shows in a text about the rules.
    assert!(!format!("{more:?}").contains("First Street"));
}

#[test]
fn five_mistakes_in_two_files_in_one_pass() {
    let main = MAIN
        .replace("timezone = \"UTC\"", "timezone = \"Mars\"")
        .replace("[ils.main.ncip]", "[ils.main.ncp]");
    let partnership = WOODLAND
        .replace("model = \"digital\"", "model = \"digitl\"")
        .replace("77{student_id:0>8}", "77")
        .replace("existing = \"separate\"\n", "");
    let loaded = load_files(
        &[("etc/rostercard.toml", &main), ("etc/partnerships/woodland-usd.toml", &partnership)],
        &[],
    );
    assert!(loaded.main.is_err() && loaded.partnerships.iter().all(|(_, result)| result.is_err()));
    // What a machine knows of time zones differs, so that line is left out.
    let told = told(&loaded).replace("this machine has no time zones", "...");
    let without_zone =
        told.split("\n\n").filter(|problem| !problem.contains("timezone")).collect::<Vec<_>>().join("\n\n");
    assert_snapshot!(without_zone, @r#"
    error[unknown-key]: ils.main.ncp: this is no known name for a way to reach this ILS
      --> etc/rostercard.toml:12:11
       |
    12 | [ils.main.ncp]
       |           ^^^
       |
       = help: did you mean `ncip`?
       = help: add a table for one of `ncip`, such as [ils.main.ncip]

    error[unknown-word]: card.model: is not one of the words that can stand here
      --> etc/partnerships/woodland-usd.toml:10:9
       |
    10 | model = "digitl"
       |         ^^^^^^^^
       |
       = help: did you mean `digital`?
       = help: write `full`, `starter`, `digital` or `educator`

    error[bad-value]: card.number: has no {student_id} in it, so every student would get the same number
      --> etc/partnerships/woodland-usd.toml:12:10
       |
    12 | number = "77"
       |          ^^^^
       |
       = help: write it like "77{student_id:0>8}": 77, then the student id filled with zeros to 8 characters

    error[missing-key]: match.existing: is missing
      --> etc/partnerships/woodland-usd.toml:16:2
       |
    16 | [match]
       |  ^^^^^
       |
       = help: choose one of three:
       = help: existing = "separate" makes a card of its own beside any other
       = help: existing = "link" adds the agreed fields to the card that is there
       = help: existing = "skip" makes none, and reports it

    5 errors
    "#);
}

#[test]
fn a_mistake_in_one_partnership_stops_that_one_alone() {
    let loaded = load_files(
        &[
            ("etc/rostercard.toml", MAIN),
            ("etc/partnerships/a.toml", "district = "),
            ("etc/partnerships/b.toml", &WOODLAND.replace("\"woodland-usd\"", "\"b\"")),
            ("etc/partnerships/c.toml", &WOODLAND.replace("model", "modle")),
            ("etc/partnerships/Not A Name.toml", WOODLAND),
            ("etc/partnerships/woodland.toml", WOODLAND),
            ("etc/partnerships/woodland-again.toml", WOODLAND),
            ("etc/partnerships/.hidden.toml", "junk"),
            ("etc/partnerships/woodland.toml~", "junk"),
            ("etc/partnerships/old/x.toml", "junk"),
        ],
        &[],
    );
    assert!(loaded.main.is_ok());
    let results: Vec<(&str, bool)> =
        loaded.partnerships.iter().map(|(name, result)| (name.as_str(), result.is_ok())).collect();
    assert_eq!(
        results,
        [
            ("Not A Name", false),
            ("a", false),
            ("b", true),
            ("c", false),
            ("woodland-again", true),
            ("woodland", false)
        ]
    );
    assert_snapshot!(told(&loaded), @r#"
    error[bad-name]: this file's name is not the name of a partnership
    --> etc/partnerships/Not A Name.toml
     = help: for example not-a-name.toml
     = help: name it by lowercase letters, digits and hyphens alone, and then .toml

    error[syntax]: TOML: string values must be quoted, expected literal string
     --> etc/partnerships/a.toml:1:12
      |
    1 | district = 
      |            ^
      |
      = help: write text between two double quotes on one line: name = "value"

    error[unknown-key]: card.modle: nothing is known by this name, and `model` is missing
      --> etc/partnerships/c.toml:10:1
       |
    10 | modle = "digital"
       | ^^^^^
       |
       = help: did you mean `model`?
       = help: known here: `model`, `category`, `number`, `pin`, `expires`, `note`, `statistics`, `names`, `address` or `for`

    error[twice]: id: partnership `woodland-again` has the same id
     --> etc/partnerships/woodland.toml:1:1
      |
    1 | id = "woodland-usd"
      | ^
      |
     ::: etc/partnerships/woodland-again.toml:1:1
      |
    1 | id = "woodland-usd"
      | - the other one
      |
      = help: give each its own: the links in the store hang on it

    4 errors
    "#);
}

#[test]
fn nothing_there_at_all() {
    assert_snapshot!(told(&load_files(&[], &[])), @r#"
    error[unreadable]: there is no such file
    --> etc/rostercard.toml
     = help: make one by `rostercard init`, or name another by --config FILE

    warning[missing-key]: there is no partnership yet, so nothing is done
    --> etc/partnerships
     = help: add a file for each district's agreement: `rostercard init` writes the first

    1 error, 1 warning
    "#);
    assert_snapshot!(told(&load_files(&[("etc/rostercard.toml", "")], &[])), @r#"
    warning[missing-key]: there is no partnership yet, so nothing is done
    --> etc/partnerships
     = help: add a file for each district's agreement: `rostercard init` writes the first

    error[missing-key]: state.key: is missing
    --> etc/rostercard.toml:1:1
     = help: add this line: key = { credential = "NAME" }

    error[missing-key]: library: is missing
    --> etc/rostercard.toml:1:1
     = help: add a line [library], and below it name = "..." and timezone = "..."

    error[missing-key]: ils: is missing
    --> etc/rostercard.toml:1:1
     = help: name your ILS: add a table such as [ils.main.ncip]

    3 errors, 1 warning
    "#);
}

#[test]
fn the_environment_is_laid_over_the_main_file() {
    let loaded = load_files(
        &[("etc/rostercard.toml", MAIN), ("etc/partnerships/woodland-usd.toml", WOODLAND)],
        &[
            ("ROSTERCARD__LIBRARY__NAME", "Another Library"),
            ("ROSTERCARD__STATE__PATH", "/srv/state"),
            ("ROSTERCARD__STATE__KEY__FILE", "/srv/key"),
        ],
    );
    assert_eq!(told(&loaded), "");
    let main = loaded.main.unwrap();
    assert_eq!(
        (main.library.name.as_str(), main.state.path.as_path()),
        ("Another Library", Path::new("/srv/state"))
    );
    assert!(matches!(main.state.key.way(), SecretWay::File(path) if path == Path::new("/srv/key")));

    let loaded = load_files(&[("etc/rostercard.toml", MAIN)], &[("ROSTERCARD__LIBRARY__TIMEZON", "UTC")]);
    assert!(loaded.main.is_err());
    assert!(told(&loaded).contains("did you mean `ROSTERCARD__LIBRARY__TIMEZONE`?"), "{}", told(&loaded));
}

#[test]
fn what_can_be_seen_without_a_network_is_seen() {
    use Severity::{Error, Warning};
    let homes = "\"Douglass Middle\" = \"MAIN\"";
    for (line, replacement, expected) in [
        ("number = \"77{student_id:0>8}\"", "number = \"77\"", (Error, Code::BadValue, "card.number")),
        (
            "number = \"77{student_id:0>8}\"",
            "number = \"77{studentid}\"",
            (Error, Code::BadValue, "card.number"),
        ),
        (
            "number = \"77{student_id:0>8}\"",
            "number = \"77{student_id:0>13}\"",
            (Error, Code::Contradiction, "card.number"),
        ),
        ("number = \"77{student_id:0>8}\"", "number = {}", (Error, Code::Exclusive, "card.number")),
        (
            "number = \"77{student_id:0>8}\"",
            "number = { range = \"a\", first = 9, last = 8 }",
            (Error, Code::Contradiction, "card.number.last"),
        ),
        (
            "number = \"77{student_id:0>8}\"",
            "number = { range = \"a\", first = 1, last = 100, width = 2 }",
            (Error, Code::Contradiction, "card.number.width"),
        ),
        ("pin = \"random\"", "pin = \"1234\"", (Error, Code::UnknownWord, "card.pin")),
        ("pin = \"random\"", "pin = { random = 3 }", (Error, Code::OutOfRange, "card.pin.random")),
        ("pin = \"random\"", "pin = { student_id = 4 }", (Warning, Code::Unwise, "card.pin")),
        (
            "expires = { every_year = \"10-01\" }",
            "expires = \"2025-10-01\"",
            (Error, Code::Past, "card.expires"),
        ),
        (
            "expires = { every_year = \"10-01\" }",
            "expires = { every_year = \"10-01\", days = 3 }",
            (Error, Code::Exclusive, "card.expires"),
        ),
        (
            "expires = { every_year = \"10-01\" }",
            "expires = { every_year = \"10-01\", rollover = \"10-01\" }",
            (Error, Code::Contradiction, "card.expires.rollover"),
        ),
        (
            "expires = { every_year = \"10-01\" }",
            "expires = { days = 10, renew_before = 10 }",
            (Error, Code::Contradiction, "card.expires.renew_before"),
        ),
        (
            homes,
            "\"Douglass Middle\" = \"MAIN\"\n\"douglass  middle\" = \"EAST\"",
            (Error, Code::Twice, "homes.\"douglass  middle\""),
        ),
        (homes, "", (Warning, Code::OutOfRange, "homes")),
        (
            homes,
            "\"A\" = \"B\"\n[[card.for]]\ncategory = \"X\"",
            (Error, Code::MissingKey, "card.for[1].grades"),
        ),
        (
            homes,
            "\"A\" = \"B\"\n[[card.for]]\ngrades = [\"K\"]",
            (Warning, Code::Contradiction, "card.for[1].category"),
        ),
        (
            homes,
            "\"A\" = \"B\"\n[[card.for]]\nnote = \"x\"\ngrades = [\"5-K\"]",
            (Error, Code::BadValue, "card.for[1].grades[1]"),
        ),
        (homes, "\"A\" = \"B\"\n[eligible]\nages = \"18-13\"", (Error, Code::BadValue, "eligible.ages")),
        (
            homes,
            "\"A\" = \"B\"\n[eligible]\nschools = [\"A\"]\nnot_schools = [\"A\"]",
            (Error, Code::Contradiction, "eligible.not_schools"),
        ),
        (
            homes,
            "\"A\" = \"B\"\n[eligible]\nschools = [\"C\"]",
            (Warning, Code::Contradiction, "eligible.schools"),
        ),
        (homes, "\"A\" = \"B\"\n[fields]\npin = \"ours\"", (Error, Code::Contradiction, "fields.pin")),
        (homes, "\"A\" = \"B\"\n[guards]\nlapse = \"off\"", (Warning, Code::Unwise, "guards.lapse")),
        (homes, "\"A\" = \"B\"\n[guards]\ncreate = \"lots\"", (Error, Code::OutOfRange, "guards.create")),
        (
            homes,
            "\"A\" = \"B\"\n[lapse]\nthen = \"block\"\ngrace_days = 1",
            (Warning, Code::Unwise, "lapse.grace_days"),
        ),
        (
            homes,
            "\"A\" = \"B\"\n[card.statistics]\nX = \"{scool}\"",
            (Error, Code::BadValue, "card.statistics.X"),
        ),
        (
            homes,
            "\"A\" = \"B\"\n[card.address]\npo_box = \"accept\"",
            (Warning, Code::Contradiction, "card.address.fallback"),
        ),
        ("existing = \"separate\"", "", (Error, Code::MissingKey, "match.existing")),
        ("ils = \"main\"", "ils = \"man\"", (Error, Code::UnknownWord, "ils")),
        ("schedule = \"30 4 * * MON-FRI\"", "schedule = \"daily\"", (Error, Code::BadValue, "schedule")),
        (
            "ils = \"main\"",
            "ils = \"main\"\nexpected_every = \"5m\"",
            (Error, Code::OutOfRange, "expected_every"),
        ),
        ("id = \"woodland-usd\"", "", (Warning, Code::MissingKey, "id")),
        (
            "[source.oneroster_csv]",
            "[source.oneroster-csv]",
            (Error, Code::UnknownKey, "source.oneroster-csv"),
        ),
        ("[source.oneroster_csv]", "[source.clever]", (Error, Code::MissingKey, "source")),
    ] {
        let found = problems_with(line, replacement);
        let (severity, code, key) = expected;
        assert!(found.contains(&(severity, code, key.to_owned())), "{replacement}: {found:?}");
        let unexpected = if replacement.contains("clever") { 2 } else { 1 };
        assert_eq!(found.len(), unexpected, "{replacement}: {found:?}");
    }
}

#[test]
fn what_can_be_seen_in_the_main_file_is_seen() {
    use Severity::{Error, Warning};
    let second = "\n[ils.east]\nid = \"main-2026\"\n[ils.east.ncip]\nurl = \"x\"\n";
    for (line, replacement, expected) in [
        ("deadline = \"40s\"\n", second, (Error, Code::Twice, "ils.east.id")),
        (
            "deadline = \"40s\"",
            "settle_after = \"30s\"",
            (Error, Code::Contradiction, "ils.main.limits.settle_after"),
        ),
        (
            "deadline = \"40s\"",
            "deadline = \"90s\"\nsettle_after = \"2m\"",
            (Error, Code::Contradiction, "ils.main.limits.settle_after"),
        ),
        (
            "deadline = \"40s\"",
            "deadline = \"300ms\"\nsettle_after = \"900ms\"",
            (Warning, Code::Contradiction, "ils.main.limits.settle_after"),
        ),
        ("deadline = \"40s\"", "rate = 0", (Error, Code::OutOfRange, "ils.main.limits.rate")),
        ("deadline = \"40s\"", "dedline = \"40s\"", (Error, Code::UnknownKey, "ils.main.limits.dedline")),
        ("id = \"main-2026\"", "", (Warning, Code::MissingKey, "ils.main.id")),
        ("id = \"main-2026\"", "id = \"Main\"", (Error, Code::BadName, "ils.main.id")),
        (
            "id = \"main-2026\"",
            "id = \"m\"\nnumber_max = 3",
            (Error, Code::OutOfRange, "ils.main.number_max"),
        ),
        (
            "deadline = \"40s\"\n",
            "\n[ils.\"East Side\".ncip]\nurl = \"x\"\n",
            (Error, Code::BadName, "ils.\"East Side\""),
        ),
        (
            "deadline = \"40s\"\n",
            "\n[ils.main.sip2]\nhost = \"x\"\n",
            (Error, Code::MissingKey, "ils.main.create"),
        ),
        ("id = \"main-2026\"", "id = \"m\"\nverify = \"sip3\"", (Error, Code::BadValue, "ils.main.verify")),
        ("key = { credential = \"state-key\" }", "", (Error, Code::MissingKey, "state.key")),
        (
            "key = { credential = \"state-key\" }",
            "key = { credential = \"../x\" }",
            (Error, Code::BadName, "state.key"),
        ),
        ("timezone = \"UTC\"", "timezone = \"Woodland\"", (Error, Code::BadValue, "library.timezone")),
        ("timezone = \"UTC\"", "", (Error, Code::MissingKey, "library.timezone")),
        ("name = \"Woodland Public Library\"", "name = \" \"", (Error, Code::OutOfRange, "library.name")),
    ] {
        assert!(MAIN.contains(line), "{line}");
        let main = MAIN.replace(line, replacement);
        let files =
            Memory::new([("etc/rostercard.toml", main.as_str()), ("etc/partnerships/w.toml", WOODLAND)]);
        let connectors = Connectors { ils: &["ncip", "sip2"], ..CONNECTORS };
        let loaded = load(&files, Path::new("etc/rostercard.toml"), &BTreeMap::new(), connectors);
        let found: Vec<_> = loaded
            .problems
            .sorted()
            .into_iter()
            .map(|problem| (problem.severity, problem.code, problem.key))
            .collect();
        assert_eq!(found, [(expected.0, expected.1, expected.2.to_owned())], "{replacement}");
        assert_eq!(loaded.main.is_err(), expected.0 == Error, "{replacement}");
    }
}

#[test]
fn a_pin_for_all_is_never_shown() {
    let loaded = load_partnership(&WOODLAND.replace("pin = \"random\"", "pin = \"8462\""));
    assert!(!told(&loaded).contains("8462"), "{}", told(&loaded));
}

#[test]
fn a_secret_under_a_mistyped_name_is_never_shown() {
    let main = MAIN.replace("key = { credential = \"state-key\" }", "kye = \"hunter2\"");
    let loaded = load_files(&[("etc/rostercard.toml", &main)], &[]);
    let told = told(&loaded);
    assert!(told.contains("did you mean `key`?") && !told.contains("hunter2"), "{told}");
}

#[test]
fn secrets_are_fetched_from_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("state-key", b"s3cret\r\n");
    write("empty", b"\n");
    write("binary", b"\xff\xfe");
    write("large", &vec![b'x'; 70_000]);
    let store = MachineSecrets {
        credentials: Some(folder.path().to_owned()),
        base: folder.path().to_owned(),
        variables: BTreeMap::from([("KEY".to_owned(), "v4lue\n".to_owned())]),
    };
    for (reference, expected, code) in [
        ("{ credential = \"state-key\" }", Some("s3cret"), None),
        ("{ env = \"KEY\" }", Some("v4lue"), None),
        ("{ env = \"NO\" }", None, Some(Code::SecretMissing)),
        ("{ credential = \"none\" }", None, Some(Code::SecretMissing)),
        ("{ credential = \"empty\" }", None, Some(Code::SecretMissing)),
        ("{ credential = \"binary\" }", None, Some(Code::SecretMissing)),
        ("{ file = \"large\" }", None, Some(Code::SecretMissing)),
        ("{ file = \".\" }", None, Some(Code::SecretMissing)),
    ] {
        let main = MAIN.replace("{ credential = \"state-key\" }", reference);
        let loaded = load_files(&[("etc/rostercard.toml", &main)], &[]);
        let key = loaded.main.as_ref().unwrap().state.key.resolve(&store, &loaded.problems);
        assert_eq!(key.as_ref().map(Secret::reveal), expected, "{reference}");
        let codes: Vec<Code> = loaded.problems.sorted().iter().map(|problem| problem.code).collect();
        assert_eq!(codes.contains(&Code::SecretMissing), code.is_some(), "{reference}: {codes:?}");
        let told = told(&loaded);
        assert!(!told.contains("s3cret") && !told.contains("v4lue") && !told.contains("xxxx"), "{told}");
    }
    // A name never leads out of the folder, however it got here.
    for name in ["../x", "/etc/hostname", ".."] {
        assert_eq!(
            store.read(&SecretWay::Credential(name.to_owned())).err(),
            Some(SecretFault::Missing),
            "{name}"
        );
    }
    let none = MachineSecrets::default().read(&SecretWay::Credential("a".to_owned()));
    assert_eq!(none.err(), Some(SecretFault::NoCredentials));
    assert!(!format!("{store:?}").contains("v4lue"));
}

#[cfg(unix)]
#[test]
fn a_secret_that_others_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "x").unwrap();
    for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let main = MAIN.replace("{ credential = \"state-key\" }", "{ file = \"key\" }");
        let loaded =
            load_files(&[("etc/rostercard.toml", &main), ("etc/partnerships/w.toml", WOODLAND)], &[]);
        let store = MachineSecrets { base: PathBuf::from(folder.path()), ..MachineSecrets::default() };
        assert!(loaded.main.as_ref().unwrap().state.key.resolve(&store, &loaded.problems).is_some());
        assert_eq!(told(&loaded).contains("chmod 600"), warned, "{mode:o}");
    }
}

proptest! {
    /// Any stretch of a good configuration replaced by anything: no panic, and nothing is refused in silence.
    #[test]
    fn a_broken_configuration_always_says_why(
        at in 0usize..400, length in 0usize..30, junk in "[a-z=\"\\[\\]{}\n#0-9 .é]{0,12}", in_main in any::<bool>()
    ) {
        let mut files = [MAIN.to_owned(), WOODLAND.to_owned()];
        let text = if in_main { &mut files[0] } else { &mut files[1] };
        let start = at.min(text.len());
        text.replace_range(start..(start + length).min(text.len()), &junk);
        let loaded = load_files(
            &[("etc/rostercard.toml", &files[0]), ("etc/partnerships/woodland-usd.toml", &files[1])], &[],
        );
        let refused = loaded.main.is_err() || loaded.partnerships.iter().any(|(_, result)| result.is_err());
        prop_assert_eq!(refused, loaded.problems.has_errors(), "{}", told(&loaded));
        for problem in loaded.problems.sorted() {
            prop_assert!(!problem.advice.is_empty() && !problem.message.is_empty());
        }
    }
}
