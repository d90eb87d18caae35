//! A district's OneRoster server to a library's NCIP: the built program between a practice SIS and a practice ILS.

use std::collections::BTreeMap;

use rostercard_practice::roster::{Spec, changes, generate, schools};
use rostercard_practice::sis::oneroster::{
    Auth, BEARER, CLIENT_ID, CLIENT_SECRET, Fault, Link, OneRoster, Quirks, Strike, Total,
};
use rostercard_practice::sis::package::Package;
use rostercard_practice::sis::{Running, Sis};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::support::practice::Practice;
use crate::support::roster::{branch as support_branch, deliver, district, homes, number};
use crate::support::{Library, Program, adds_up, rostercard};

/// A practice SIS with a runtime of its own.
pub(crate) struct PracticeSis {
    pub(crate) running: Running,
    pub(crate) district: OneRoster,
    _runtime: Runtime,
}

impl PracticeSis {
    pub(crate) fn start(spec: &Spec, quirks: Quirks) -> Self {
        let folder = tempfile::tempdir().unwrap();
        generate(spec, folder.path()).unwrap();
        let district = OneRoster::of(&Package::read(folder.path()).unwrap(), quirks);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = runtime.block_on(Sis::start(([127, 0, 0, 1], 0).into(), district.mounts())).unwrap();
        Self { running, district, _runtime: runtime }
    }

    /// The records of another day, all of them marked as changed then where they are other than before.
    pub(crate) fn turn(&self, spec: &Spec) {
        let folder = tempfile::tempdir().unwrap();
        generate(spec, folder.path()).unwrap();
        let fresh = OneRoster::of(&Package::read(folder.path()).unwrap(), Quirks::default());
        let mut book = fresh.edit(|book| book.clone());
        let now = now();
        self.district.edit(|old| {
            let before: BTreeMap<String, _> =
                old.users.drain(..).map(|user| (user.id.clone(), user)).collect();
            for user in &mut book.users {
                if before.get(&user.id) != Some(user) {
                    user.modified = now;
                }
            }
            // Whoever is not there any more is a tombstone.
            let there: std::collections::BTreeSet<String> = book.users.iter().map(|u| u.id.clone()).collect();
            for (id, mut user) in before {
                if !there.contains(&id) {
                    user.gone = true;
                    user.modified = now;
                    book.users.push(user);
                }
            }
            *old = book;
        });
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the program reads the clock, and so must the server that it asks"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// A library whose roster comes from a practice SIS; `keys` are more keys of its table.
fn library(ils: &Practice, sis: &PracticeSis, spec: &Spec, keys: &str) -> Library {
    let library = Library::new(&ils.ncip_url(), &homes(spec));
    let path = format!("path = \"{}\"", library.package().display());
    let secret = library.path("sis.secret");
    std::fs::write(&secret, CLIENT_SECRET).unwrap();
    private(&secret);
    let table = format!(
        "url = \"{}\"\nversion = \"1.2\"\ntoken_url = \"{}\"\nclient_id = \"{CLIENT_ID}\"\n\
         client_secret = {{ file = \"sis.secret\" }}\n{keys}",
        sis.running.url("oneroster_1_2"),
        sis.running.url("token"),
    );
    library.edit("partnerships/oak.toml", "[source.oneroster_csv]", "[source.oneroster]");
    library.edit("partnerships/oak.toml", &path, &table);
    library
}

fn private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn s01_s10_s29_a_district_by_rest_and_the_days_after() {
    let (ils, spec) = (Practice::start(), district(120, 11));
    let sis = PracticeSis::start(&spec, Quirks::default());
    let library = library(&ils, &sis, &spec, "page_size = 25\n");
    library
        .run(&["check", "--online"])
        .expect(0)
        .says(&["a token was given for", "filters by dateLastModified work"]);
    let first = library.first_load();
    adds_up(&first);
    assert_eq!(first["counts"]["create"], 120, "{first}");

    // The second run reads changes alone, finds none, and asks the ILS nothing.
    drop(sis.district.take_log());
    ils.reset_counts();
    let second = library.json(&["sync", "oak"], 0);
    assert_eq!((&second["writes"], ils.messages()), (&json!(0), 0), "{second}");
    let asked = sis.district.take_log();
    assert!(asked.iter().any(|a| a.endpoint == "students" && a.target.contains("&filter=dateLastModified")));
    assert!(asked.len() < 10, "{asked:?}");

    // The next day: newcomers, leavers, moves, corrected names.
    let tomorrow = Spec { day: 1, ..spec.clone() };
    let expected = changes(&spec, 0, 1);
    sis.turn(&tomorrow);
    let third = library.json(&["sync", "oak"], 0);
    adds_up(&third);
    assert_eq!(third["counts"]["create"], expected.newcomers.len(), "{third}");
    assert_eq!(ils.patrons().len(), 120 + expected.newcomers.len());
    assert_eq!(third["counts"]["lapse"], 0, "nobody is lapsed for a day's absence");
    let branch = |student: &str| ils.patron(&number(student)).unwrap().home_branch.unwrap();
    let places = schools(&spec);
    for moved in &expected.moves {
        let place = places.iter().position(|school| school.sourced_id == moved.to).unwrap();
        assert_eq!(branch(&moved.number), support_branch(place));
    }
}

#[test]
fn s36_c23_the_same_roster_by_csv_and_by_rest_gives_the_same_students() {
    for version in ["1.1", "1.2"] {
        let ils = Practice::start();
        let mut spec = Spec { two_schools: true, ..district(150, 5) };
        if version == "1.1" {
            spec.version = rostercard_practice::roster::Version::V1p1;
        }
        let sis = PracticeSis::start(&spec, Quirks::default());
        let by_rest = library(&ils, &sis, &spec, "page_size = 40\npeople = \"users\"\n");
        let by_csv = Library::new(&ils.ncip_url(), &homes(&spec));
        if version == "1.1" {
            by_rest.edit("partnerships/oak.toml", "version = \"1.2\"", "version = \"1.1\"");
            by_rest.edit("partnerships/oak.toml", "/rostering/v1p2", "/v1p1");
        }
        deliver(&spec, 0, &by_csv.package());
        let lines = |library: &Library| {
            library.append(
                "partnerships/oak.toml",
                "[fields]\nemail = \"school\"\nphone = \"school\"\naddress = \"school\"\n[eligible]\nroles = [\"student\", \"educator\"]",
            );
            let ran = library.run(&["--json", "source", "students", "oak", "--reveal"]).expect(0);
            let mut lines: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
            let end: Value = serde_json::from_str(&lines.pop().unwrap()).unwrap();
            assert_eq!(end["completeness"], "snapshot", "{end}");
            lines.sort();
            lines
        };
        let (csv, rest) = (lines(&by_csv), lines(&by_rest));
        assert!(csv.len() > 150 && csv.iter().any(|line| line.contains("\"educator\"")));
        assert_eq!(csv, rest, "OneRoster {version}");
    }
}

#[test]
fn s02_s11_s24_nothing_is_lost_on_a_bad_day() {
    let (ils, spec) = (Practice::start(), district(60, 3));
    let sis = PracticeSis::start(&spec, Quirks::default());
    let library = library(&ils, &sis, &spec, "page_size = 20\nincremental = false\n");
    assert_eq!(library.first_load()["counts"]["create"], 60);
    let patrons = ils.patrons();
    let students = Some("students".to_owned());
    let strike = |strike, from, times| Fault { endpoint: students.clone(), from, times, strike };
    let status = |status, retry_after: Option<&str>| Strike::Status {
        status,
        retry_after: retry_after.map(str::to_owned),
    };
    // What passes: the run ends well.
    for fault in [
        strike(status(429, Some("0")), 2, 2),
        strike(status(503, Some("0")), 2, 2),
        strike(Strike::LoginPage, 2, 1),
        strike(Strike::Truncated, 2, 1),
        strike(Strike::Cut, 2, 1),
        strike(status(401, None), 2, 1),
    ] {
        sis.district.quirks(|quirks| quirks.faults = vec![fault.clone()]);
        let run = library.json(&["sync", "oak"], 0);
        assert_eq!((&run["writes"], &run["counts"]["unchanged"]), (&json!(0), &json!(60)), "{fault:?} {run}");
    }
    // What does not: the run ends with its exit code, and nobody is missed.
    for (quirks, code) in [
        (Quirks { faults: vec![strike(status(403, None), 1, 999)], ..Quirks::default() }, 1),
        (Quirks { refuses_tokens: true, ..Quirks::default() }, 1),
        (Quirks { ignores_offset: true, total: Total::None, link: Link::None, ..Quirks::default() }, 1),
    ] {
        sis.district.quirks(|held| *held = quirks.clone());
        let ran = library.run(&["sync", "oak"]);
        assert!(ran.code != Some(0), "{quirks:?}: {}", ran.both());
        assert!([1, 75, 78].contains(&ran.code.unwrap()), "{code}: {}", ran.both());
        assert!(!ran.both().contains(CLIENT_SECRET), "{}", ran.both());
    }
    // Half the roster without a word, and an empty one: nobody is lapsed.
    sis.district.quirks(|held| *held = Quirks::default());
    sis.district.edit(|book| book.users.truncate(book.users.len() / 2));
    let half = library.json(&["sync", "oak"], 3);
    assert_eq!(half["counts"]["lapse"], 0, "{half}");
    sis.district.edit(|book| book.users.clear());
    let ran = library.run(&["sync", "oak"]);
    assert!(ran.code != Some(0), "{}", ran.both());
    assert_eq!(ils.patrons(), patrons);
}

#[test]
fn s24_a_server_that_cannot_filter_is_read_in_full_each_night() {
    let (ils, spec) = (Practice::start(), district(40, 4));
    let sis =
        PracticeSis::start(&spec, Quirks { ignores_filter: true, auth: Auth::Bearer, ..Quirks::default() });
    let library = library(&ils, &sis, &spec, "");
    let secret = library.path("sis.token");
    std::fs::write(&secret, BEARER).unwrap();
    private(&secret);
    let token_url = format!("token_url = \"{}\"\nclient_id = \"{CLIENT_ID}\"\n", sis.running.url("token"));
    library.edit("partnerships/oak.toml", &token_url, "auth = \"bearer\"\n");
    library.edit(
        "partnerships/oak.toml",
        "client_secret = { file = \"sis.secret\" }",
        "token = { file = \"sis.token\" }",
    );
    assert_eq!(library.first_load()["counts"]["create"], 40);
    let second = library.json(&["sync", "oak"], 0);
    assert_eq!((&second["writes"], &second["counts"]["unchanged"]), (&json!(0), &json!(40)), "{second}");
    assert!(second["findings"]["filter_not_possible"]["count"].as_u64() > Some(0), "{second}");
}

#[test]
fn what_is_served_by_the_program_is_read_by_the_program() {
    let spec = district(30, 9);
    let ils = Practice::start();
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("roster.zip").display().to_string();
    rostercard(&["practice", "roster", "--students", "30", "--seed", "9", "--out", &package]).expect(0);
    let mut sis =
        Serving::start(&["--package", &package, "--personality", "edfi", "--quirks", "{\"clamp\":7}"]);
    let line = sis.line();
    let library = Library::new(&ils.ncip_url(), &homes(&spec));
    let path = format!("path = \"{}\"", library.package().display());
    let secret = library.path("sis.secret");
    std::fs::write(&secret, line["client_secret"].as_str().unwrap()).unwrap();
    private(&secret);
    let table = format!(
        "url = {}\nversion = \"1.1\"\ntoken_url = {}\nclient_id = {}\nclient_secret = {{ file = \"sis.secret\" }}",
        line["oneroster_1_1"], line["token"], line["client_id"]
    );
    library.edit("partnerships/oak.toml", "[source.oneroster_csv]", "[source.oneroster]");
    library.edit("partnerships/oak.toml", &path, &table);
    library.run(&["check", "--online"]).expect(0).says(&["page_size = 7", "neither a total nor Link"]);
    let plan = library.json(&["plan", "oak"], 0);
    assert_eq!(plan["counts"]["create"], 30, "{plan}");
    rostercard(&["practice", "sis", "--package", &package, "--personality", "nobody"])
        .expect(64)
        .says(&["there is no such personality", "edfi"]);
    rostercard(&["practice", "sis", "--package", "/nowhere.zip"]).expect(1);
}

/// `practice sis` at work.
struct Serving {
    child: std::process::Child,
}

impl Serving {
    fn start(args: &[&str]) -> Self {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rostercard"));
        command.args(["practice", "sis", "--listen", "127.0.0.1:0"]).args(args);
        Self { child: command.stdout(std::process::Stdio::piped()).spawn().unwrap() }
    }

    /// The line with its addresses.
    fn line(&mut self) -> Value {
        use std::io::BufRead as _;
        let mut line = String::new();
        std::io::BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Nothing of what a server sends beside what is allowed is anywhere afterwards.
#[test]
fn b15_canaries_are_nowhere() {
    let (ils, spec) = (Practice::start(), district(30, 6));
    let sis = PracticeSis::start(&spec, Quirks { demographics_forbidden: true, ..Quirks::default() });
    let library = library(&ils, &sis, &spec, "");
    let mut said = String::new();
    for args in [
        ["check", "--online"].as_slice(),
        &["--log", "debug", "plan", "oak"],
        &["--json", "source", "students", "oak"],
    ] {
        let ran = Program::start(&with_config(&library, args), &[]).end();
        said.push_str(&ran.both());
    }
    library.first_load();
    for entry in std::fs::read_dir(library.path("state")).unwrap() {
        said.push_str(&String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()));
    }
    for canary in ["CANARY", "practice-token", CLIENT_SECRET] {
        assert!(!said.contains(canary), "{canary} was said");
    }
}

fn with_config(library: &Library, args: &[&str]) -> Vec<String> {
    let config = library.path("rostercard.toml").display().to_string();
    ["--config".to_owned(), config].into_iter().chain(args.iter().map(|a| (*a).to_owned())).collect()
}
