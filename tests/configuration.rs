//! From `init` to the first cards, with every ready-made programme, every source and every way to an ILS; and what `check` says
//! of what can be used and still cannot work.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rostercard_practice::ils::Patron;
use rostercard_practice::roster::students;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::koha::koha;
use crate::support::practice::Practice;
use crate::support::roster::{deliver, district, homes};
use crate::support::{Ran, adds_up, rostercard};

/// A folder that `init` writes into.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// `init` with these arguments, for the partnership `oak`.
    fn init(&self, args: &[&str]) -> Ran {
        let (out, state, package) = (self.path("etc"), self.path("state"), self.path("roster.zip"));
        let fixed = ["init", "--out", &out, "--partnership", "oak", "--district", "Oak Unified"];
        let main = ["--state", &state, "--timezone", "UTC", "--package", &package];
        rostercard(&[&fixed[..], &main[..], args].concat())
    }

    fn run(&self, args: &[&str]) -> Ran {
        let config = self.path("etc/rostercard.toml");
        rostercard(&[&["--config", &config], args].concat())
    }

    fn json(&self, args: &[&str], code: i32) -> Value {
        self.run(&[&["--json"], args].concat()).expect(code).json()
    }

    fn secret(&self, name: &str, secret: &str) {
        let path = self.folder.path().join("etc").join(name);
        fs::write(&path, format!("{secret}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.path().join("etc").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`:\n{text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    }

    /// check, plan, approve, and a second night without a word.
    fn first_cards(&self) -> Value {
        self.run(&["check"]).expect(0).says(&["The configuration is right. 1 of 1 partnership can run."]);
        let plan = self.json(&["plan", "oak"], 0);
        let made = self.json(&["approve", &plan["run"].to_string()], 0);
        assert_eq!(made["state"], "done", "{made}");
        adds_up(&made);
        let again = self.json(&["sync", "oak"], 0);
        assert_eq!((&again["writes"], &again["lookups"]), (&json!(0), &json!(0)), "{again}");
        made
    }
}

const EXAMPLE: &str = "\"Example Elementary School\" = \"MAIN\"";

#[test]
fn every_ready_made_programme_makes_cards() {
    for (approach, number) in [
        ("digital-card", (|id| format!("77{id:0>8}")) as fn(&str) -> String),
        ("student-id-card", str::to_owned),
        ("starter-card", |id| format!("77{id:0>8}")),
    ] {
        let ils = Practice::start();
        let spec = district(80, 5);
        let place = Place::new();
        place.init(&["--approach", approach, "--existing", "separate", "--ncip", &ils.ncip_url()]).expect(0);
        deliver(&spec, 0, &place.folder.path().join("roster.zip"));
        place.run(&["check", "--online"]).expect(0).says(&["no home, so they wait", "source schools oak"]);
        place.edit("partnerships/oak.toml", EXAMPLE, &homes(&spec));
        let online = place.run(&["check", "--online"]).expect(0);
        assert!(!online.both().contains("no home"), "{}", online.both());
        let made = place.first_cards();
        assert_eq!(made["counts"]["create"], 80, "{approach}: {made}");
        let numbers: Vec<String> = ils.patrons().into_iter().map(|patron| patron.barcode).collect();
        for student in students(&spec) {
            assert!(numbers.contains(&number(&student.number)), "{approach}");
        }
        if approach == "starter-card" {
            let categories: Vec<_> = ils.patrons().into_iter().filter_map(|patron| patron.category).collect();
            assert!(["STARTER", "TEEN"].iter().all(|one| categories.iter().any(|c| c == one)));
        }
    }
}

#[test]
fn educators_have_a_programme_of_their_own_beside_the_students() {
    let ils = Practice::start();
    let spec = district(80, 5);
    let place = Place::new();
    place.init(&["--existing", "separate", "--ncip", &ils.ncip_url()]).expect(0);
    deliver(&spec, 0, &place.folder.path().join("roster.zip"));
    place.edit("partnerships/oak.toml", EXAMPLE, &homes(&spec));
    place.first_cards();
    let (out, package) = (place.path("etc"), place.path("roster.zip"));
    let args = [
        "init",
        "--only-partnership",
        "--out",
        &out,
        "--partnership",
        "oak-educators",
        "--package",
        &package,
    ];
    rostercard(&[&args[..], &["--approach", "educator-card", "--existing", "separate"]].concat()).expect(0);
    place.edit("partnerships/oak-educators.toml", EXAMPLE, &homes(&spec));
    place.run(&["check"]).expect(0).says(&["The configuration is right. 2 of 2 partnerships can run."]);
    let plan = place.json(&["plan", "oak-educators"], 0);
    let made = place.json(&["approve", &plan["run"].to_string()], 0);
    assert_eq!(
        (&made["state"], made["counts"]["create"].as_u64() > Some(3)),
        (&json!("done"), true),
        "{made}"
    );
    adds_up(&made);
    let educators = ils.patrons().into_iter().filter(|patron| patron.barcode.starts_with("991")).count();
    assert_eq!(made["counts"]["create"], educators as u64);
    assert_eq!(ils.patrons().len(), 80 + educators);
}

#[test]
fn linked_cards_are_the_familys_and_the_others_are_new() {
    let koha = koha(|_| {});
    let spec = district(40, 9);
    let place = Place::new();
    place
        .init(&["--approach", "linked-card", "--koha", &koha.koha_url(), "--koha-client", "rostercard"])
        .expect(0)
        .says(&["koha.secret"]);
    place.secret("koha.secret", "practice");
    deliver(&spec, 0, &place.folder.path().join("roster.zip"));
    place.edit("partnerships/oak.toml", EXAMPLE, &homes(&spec));
    let child = students(&spec).next().unwrap();
    let mut patron = Patron {
        barcode: "29000000000001".to_owned(),
        surname: child.family.clone(),
        given: child.given.clone(),
        birth_date: Some(child.birth.to_string()),
        category: Some("STUDENT".to_owned()),
        home_branch: Some("MAIN".to_owned()),
        pin: Some("4711".to_owned()),
        ..Patron::default()
    };
    patron.koha.attributes = vec![("STUDENTID".to_owned(), child.number.clone())];
    koha.add(patron).unwrap();
    let plan = place.json(&["plan", "oak"], 0);
    let made = place.json(&["approve", &plan["run"].to_string()], 0);
    adds_up(&made);
    assert_eq!((&made["counts"]["link"], &made["counts"]["create"]), (&json!(1), &json!(39)), "{made}");
    let there = koha.patron("29000000000001").unwrap();
    assert_eq!((there.pin.as_deref(), koha.patrons().len()), (Some("4711"), 40));
    // Through an ILS that can be searched by number alone it cannot be, and that is said before anything is tried.
    let ncip = Place::new();
    ncip.init(&["--approach", "linked-card", "--ncip", "http://127.0.0.1:9/ncip"]).expect(0);
    ncip.run(&["check"]).expect(78).says(&["existing = \"link\" cannot be kept", "extract"]);
}

#[test]
fn an_example_of_a_clients_id_is_said_to_be_one() {
    let example = "in place of client_id's example";
    let clever = Place::new();
    clever
        .init(&["--existing", "separate", "--source", "clever", "--ncip", "http://127.0.0.1:9/ncip"])
        .expect(0)
        .says(&[example]);
    let own = Place::new();
    let ran = own
        .init(&[
            "--existing",
            "separate",
            "--source",
            "clever",
            "--sis-client",
            "ours",
            "--ncip",
            "http://127.0.0.1:9/ncip",
        ])
        .expect(0);
    assert!(!ran.both().contains(example), "{}", ran.both());
}

#[test]
fn what_init_writes_for_every_source_and_way_passes_check() {
    let sources: [(&[&str], Option<&str>); 5] = [
        (&["--source", "oneroster-csv"], None),
        (&["--source", "oneroster"], Some("sis.secret")),
        (&["--source", "clever"], Some("clever.secret")),
        (&["--source", "csvdrop", "--holds", "additions"], None),
        (&["--source", "csvdrop", "--holds", "snapshot", "--preset", "aeries"], None),
    ];
    let ways: [(&[&str], Option<&str>); 3] = [
        (&["--ils", "ncip"], None),
        (&["--ils", "koha"], Some("koha.secret")),
        (&["--ils", "sip2+export", "--sip2", "localhost:6001", "--loader", "koha"], Some("sip2.secret")),
    ];
    for (source, secret) in sources {
        for (way, another) in ways {
            let place = Place::new();
            let said = place.init(&[source, way, &["--existing", "separate"]].concat()).expect(0);
            let said = said.says(&["check --online", "source schools oak", "plan oak"]);
            for secret in [secret, another].into_iter().flatten() {
                assert!(said.stdout.contains(&format!("/{secret}:  install -m 600")), "{}", said.both());
                place.run(&["check"]).expect(78).says(&["this secret could not be had"]);
                place.secret(secret, "s3cret");
            }
            place.run(&["check"]).expect(0).says(&["The configuration is right."]);
        }
    }
}

#[test]
fn what_could_do_harm_has_no_default() {
    let place = Place::new();
    let words = ["--existing separate", "--existing link", "--existing skip"];
    place.init(&[]).expect(64).says(&["--existing is not said, and has no default"]).says(&words);
    let holds = ["--source", "csvdrop", "--existing", "separate"];
    place.init(&holds).expect(64).says(&["--holds is not said", "--holds snapshot", "--holds additions"]);
    place.init(&["--existing", "merge"]).expect(64);
    place.init(&["--existing", "separate", "--timezone", "Los Angeles"]).expect(64);
    place.init(&["--existing", "separate", "--ncip", "ils.example.org"]).expect(64).says(&["https://"]);
    assert!(!Path::new(&place.path("etc")).exists(), "nothing was written");
}

#[test]
fn nothing_is_written_over_and_only_its_owner_reads_the_key() {
    let place = Place::new();
    place.init(&["--existing", "separate"]).expect(0);
    let mode = |name: &str| fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("etc/state.key"), 0o600);
    assert_eq!(mode("etc/rostercard.toml") & 0o027, 0);
    let key = fs::read(place.path("etc/state.key")).unwrap();
    place.init(&["--existing", "separate"]).expect(1).says(&["nothing that is there is written over"]);
    assert_eq!(fs::read(place.path("etc/state.key")).unwrap(), key);
    let scripts = Place::new();
    let said = scripts
        .init(&["--json", "--existing", "separate", "--koha", "https://koha.example.org"])
        .expect(0)
        .json();
    assert_eq!(said["written"].as_array().map(Vec::len), Some(3), "{said}");
    assert!(said["secrets_to_write"][0].as_str().unwrap().ends_with("etc/koha.secret"));
    // Whatever of it is there already, nothing is written beside it.
    fs::remove_file(place.path("etc/rostercard.toml")).unwrap();
    place.init(&["--existing", "separate"]).expect(1);
    assert!(!Path::new(&place.path("etc/rostercard.toml")).exists());
    let other = Place::new();
    let out = other.path("etc");
    let args = ["init", "--only-partnership", "--existing", "separate", "--out", &out];
    rostercard(&args).expect(1).says(&["rostercard.toml: it is not there"]);
}

/// The program with lines on its standard input.
fn asked(args: &[&str], lines: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rostercard"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended before it read everything.
    let _read = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn it_asks_and_what_is_wrong_it_asks_again() {
    let place = Place::new();
    let (out, state) = (place.path("etc"), place.path("state"));
    let args = ["init", "--ask", "--out", &out, "--state", &state];
    // Library, zone (wrong, then right), partnership (wrong, then right), district, programme, existing (nothing, wrong, right),
    // source, path, holds, preset, ILS, address, client.
    let lines = "Oak Library\nMars/Crater\nUTC\nOak Unified\noak\n\n3\n\n9\nskip\ncsvdrop\n/srv/oak\n2\naeries\n2\nhttps://koha.example.org\nkey-1\n";
    let ran = asked(&args, lines).expect(0);
    let ran = ran.says(&[
        "write an area and a city",
        "write oak-unified",
        "write a number from 1 to 3, or the word",
    ]);
    assert!(ran.stdout.contains("who has a card gets none"), "{}", ran.both());
    let text = fs::read_to_string(place.path("etc/partnerships/oak.toml")).unwrap();
    for part in [
        "model = \"starter\"",
        "existing = \"skip\"",
        "holds = \"additions\"",
        "preset = \"aeries\"",
        "My School District",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    place.secret("koha.secret", "s3cret");
    place.run(&["check"]).expect(0).says(&["The configuration is right."]);
    // Who goes away in the middle leaves nothing behind.
    let other = Place::new();
    let out = other.path("etc");
    asked(&["init", "--ask", "--out", &out], "Oak Library\nUTC\n").expect(64).says(&["nothing was written"]);
    assert!(!Path::new(&out).exists());
}

#[test]
fn the_schema_is_printed() {
    for (of, file) in [("main", "main.json"), ("partnership", "partnership.json")] {
        let printed = rostercard(&["schema", of]).expect(0).stdout;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/schema").join(file);
        assert_eq!(printed, fs::read_to_string(path).unwrap());
        let schema: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(schema["additionalProperties"], false);
    }
}

#[test]
fn check_finds_numbers_that_two_children_could_get() {
    let place = Place::new();
    place.init(&["--existing", "separate"]).expect(0);
    let (out, package) = (place.path("etc"), place.path("ash.zip"));
    let args = ["init", "--only-partnership", "--existing", "separate", "--out", &out, "--package", &package];
    let mut other = args.to_vec();
    other.extend(["--partnership", "ash", "--approach", "student-id-card"]);
    rostercard(&other).expect(0);
    let ran = place.run(&["check"]).expect(0);
    let ran = ran.says(&[
        "could get the number of one of partnership `ash`",
        "oak.toml:",
        "the other one's number",
        "1 warning",
    ]);
    assert!(ran.stderr.contains("number = \"77{student_id:0>8}\""), "{}", ran.both());
    place.edit(
        "partnerships/ash.toml",
        "{ template = \"{student_id}\", student_id_min = 6 }",
        "\"78{student_id:0>8}\"",
    );
    place.run(&["check"]).expect(0).says(&["The configuration is right."]);
    // The library's own barcodes.
    place.edit("rostercard.toml", "[ils.main]\n", "[ils.main]\nown_barcodes = [\"21234\", \"780\"]\n");
    let ran = place.run(&["check"]).expect(0).says(&["one of the library's own barcodes", "ash.toml:"]);
    assert!(!ran.stderr.contains("oak.toml"), "{}", ran.both());
    // What fits no card at all is refused.
    place.edit("partnerships/ash.toml", "78{student_id:0>8}", "78{student_id:0>18}");
    place.run(&["check"]).expect(78).says(&["longer than the 14 characters that the ILS holds"]);
}

#[test]
fn check_finds_files_that_others_can_read_or_write() {
    let place = Place::new();
    place.init(&["--existing", "separate"]).expect(0);
    let open =
        |name: &str, mode: u32| fs::set_permissions(place.path(name), Permissions::from_mode(mode)).unwrap();
    open("etc/partnerships/oak.toml", 0o666);
    place.run(&["check"]).expect(0).says(&["every user of this machine can write here", "chmod o-w"]);
    open("etc/partnerships/oak.toml", 0o640);
    fs::create_dir(place.path("state")).unwrap();
    open("state", 0o755);
    place
        .run(&["check"])
        .expect(0)
        .says(&["other users of this machine can read what Rostercard keeps", "chmod 700"]);
    open("state", 0o700);
    open("etc/state.key", 0o644);
    place
        .run(&["check"])
        .expect(0)
        .says(&["other users of this machine can read this secret's file", "chmod 600"]);
    open("etc/state.key", 0o600);
    place.run(&["check"]).expect(0).says(&["The configuration is right."]);
}

#[test]
fn check_remembers_which_schools_had_no_home() {
    let ils = Practice::start();
    let spec = district(80, 5);
    let place = Place::new();
    place.init(&["--existing", "separate", "--ncip", &ils.ncip_url()]).expect(0);
    deliver(&spec, 0, &place.folder.path().join("roster.zip"));
    let lines = homes(&spec);
    let (first, rest) = lines.split_once('\n').unwrap();
    place.edit("partnerships/oak.toml", EXAMPLE, rest);
    let school = first.split('"').nth(1).unwrap();
    place.run(&["plan", "oak"]).expect(0);
    place.run(&["check"]).expect(0).says(&["waited for a home", school, "oak.toml:", "source schools oak"]);
    place.edit("partnerships/oak.toml", "[homes] ", &format!("[homes]\n{first}\n#"));
    place.run(&["check"]).expect(0).says(&["The configuration is right."]);
}
