//! A district at Clever: everybody at first, events from then on, states in which nobody is withdrawn; and the program killed
//! in the middle.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rostercard_practice::ils::Patron;
use rostercard_practice::sis::clever::{Book, CLIENT_ID, CLIENT_SECRET, Clever, DISTRICT, Manners};
use rostercard_practice::sis::{Running, Sis};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::support::practice::Practice;
use crate::support::{Library, adds_up, samples};

/// A practice Clever with a runtime of its own.
struct Cloud {
    clever: Clever,
    // Dropped in this order: the listener needs the runtime to stop.
    running: Running,
    _runtime: Runtime,
}

impl Cloud {
    fn start(book: Book) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (clever, running) = runtime.block_on(async {
            let clever = Clever::with(book);
            let running = Sis::start(([127, 0, 0, 1], 0).into(), clever.mounts()).await.unwrap();
            (clever, running)
        });
        Self { clever, running, _runtime: runtime }
    }

    /// A library whose district is this one.
    fn library(&self, ils: &Practice, homes: &str, number: &str) -> Library {
        let library = Library::new(&ils.ncip_url(), homes);
        let secret = library.path("clever.secret");
        fs::write(&secret, format!("{CLIENT_SECRET}\n")).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let url = self.running.url("clever");
        let table = format!(
            "[source.clever]\ndistrict = \"{DISTRICT}\"\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret = {{ file = \"clever.secret\" }}\napi_url = \"{url}\"\noauth_url = \"{url}\"\npage_size = 300\n"
        );
        let oak = "partnerships/oak.toml";
        library.edit(oak, "[source.oneroster_csv]", &table);
        let text = fs::read_to_string(library.path(oak)).unwrap();
        let package = library.package().display().to_string();
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains(&package)).collect();
        fs::write(library.path(oak), lines.join("\n")).unwrap();
        library.edit(oak, "{student_id:0>8}", number);
        library
    }

    /// What was asked for, without tokens, the district and the schools, which every run asks for.
    fn asked(&self) -> Vec<String> {
        let always = |target: &String| {
            ["/oauth/", "/v3.1/districts/", "/v3.1/schools"].iter().any(|start| target.starts_with(start))
        };
        self.clever.take_log().into_iter().filter(|target| !always(target)).collect()
    }
}

fn by_number(ils: &Practice) -> BTreeMap<String, Patron> {
    ils.patrons().into_iter().map(|patron| (patron.barcode.clone(), patron)).collect()
}

/// A small district: so many students in two schools.
fn district(students: u32) -> Book {
    let mut book = Book::empty();
    book.add_school("5f00000000000000000000a1", "Elm School", "1001");
    book.add_school("5f00000000000000000000a2", "Ash School", "1002");
    for n in 1..=students {
        let school = if n % 2 == 0 { "5f00000000000000000000a1" } else { "5f00000000000000000000a2" };
        let name = (format!("Given{n}"), format!("Family{n}"));
        book.add_student(&user(n), &format!("{}", 4000 + n), (&name.0, &name.1), &format!("{}/{}/2015", 1 + n % 12, 1 + n % 28), school);
    }
    book
}

/// The id of the n-th user.
fn user(n: u32) -> String {
    format!("5f0000000000000000{n:06x}")
}

const HOMES: &str = "\"1001\" = \"MAIN\"\n\"1002\" = \"EAST\"";

#[test]
fn cl_49_the_demo_district_of_700_students() {
    let Some(samples) = samples() else { return };
    let text = fs::read_to_string(samples.join("clever/demo-district-users-v3.1-DERIVED.json")).unwrap();
    let book = Book::of_users(&text).unwrap();
    assert_eq!(book.users.len(), 700);
    let branches: BTreeMap<&String, &str> =
        book.schools.keys().enumerate().map(|(n, id)| (id, ["MAIN", "EAST", "NORTH"][n % 3])).collect();
    let homes = branches.iter().fold(String::new(), |mut lines, (id, branch)| {
        writeln!(lines, "\"{id}\" = \"{branch}\"").unwrap();
        lines
    });
    let users: Vec<Value> = book.users.values().cloned().collect();
    let cloud = Cloud::start(book.clone());
    let ils = Practice::start();
    let library = cloud.library(&ils, &homes, "{student_id:0>9}");
    library.append("partnerships/oak.toml", "[fields]\nemail = \"fill\"");
    library.run(&["check", "--online"]).expect(0).says(&["roster of oak: reached"]);
    cloud.clever.take_log();

    let plan = library.json(&["plan", "oak"], 0);
    assert_eq!((&plan["counts"]["students"], &plan["counts"]["create"]), (&json!(700), &json!(700)));
    adds_up(&plan);
    assert_eq!(ils.messages(), 0);
    let asked = cloud.asked();
    assert!(asked[0].contains("/v3.1/events?ending_before=last&limit=1"), "the baseline comes first: {asked:?}");
    assert_eq!(asked.iter().filter(|target| target.contains("/users?role=student&limit=300")).count(), 3, "{asked:?}");

    let made = library.json(&["approve", &plan["run"].to_string()], 0);
    assert_eq!((&made["state"], &made["counts"]["create"]), (&json!("done"), &json!(700)));
    let patrons = by_number(&ils);
    assert_eq!(patrons.len(), 700);
    let (mut apostrophes, mut several, mut without_birth) = (0, 0, 0);
    for user in &users {
        let part = &user["roles"]["student"];
        let number = format!("77{:0>9}", part["sis_id"].as_str().unwrap());
        let patron = &patrons[&number];
        assert_eq!(patron.surname, user["name"]["last"].as_str().unwrap().trim());
        assert_eq!(patron.given, user["name"]["first"].as_str().unwrap().trim());
        assert_eq!(patron.emails, [user["email"].as_str().unwrap()]);
        assert_eq!(patron.home_branch.as_deref(), Some(branches[&part["school"].as_str().unwrap().to_owned()]));
        let born: Option<Vec<u32>> =
            part["dob"].as_str().map(|dob| dob.split('/').map(|piece| piece.parse().unwrap()).collect());
        let born = born.map(|parts| format!("{:04}-{:02}-{:02}", parts[2], parts[0], parts[1]));
        assert_eq!(patron.birth_date, born, "{number}");
        apostrophes += u32::from(patron.surname.contains('\''));
        several += u32::from(part["schools"].as_array().unwrap().len() > 1);
        without_birth += u32::from(born.is_none());
    }
    assert!(apostrophes > 0 && several == 165 && without_birth == 1, "{apostrophes} {several} {without_birth}");

    // The 51-character user name is whole.
    let revealed = library.run(&["--json", "source", "students", "oak", "--reveal"]).expect(0).stdout;
    let longest = revealed
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["user_name"].as_str().map(str::len))
        .max();
    assert_eq!(longest, Some(51));

    // S01: from now on only events are asked for, and nothing is written.
    cloud.clever.take_log();
    ils.reset_counts();
    for _ in 0..2 {
        let again = library.json(&["sync", "oak"], 0);
        assert_eq!((&again["state"], &again["writes"], &again["lookups"]), (&json!("done"), &json!(0), &json!(0)));
        let asked = cloud.asked();
        assert!(!asked.is_empty() && asked.iter().all(|target| target.starts_with("/v3.1/events?")), "{asked:?}");
    }
    assert_eq!(ils.messages(), 0);
}
