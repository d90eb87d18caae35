//! A district at Clever: everybody at first, events from then on, states in which nobody is withdrawn; and the program killed
//! in the middle.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rostercard_practice::ils::Patron;
use rostercard_practice::roster::{Spec, changes, generate, students};
use rostercard_practice::sis::clever::{Book, CLIENT_ID, CLIENT_SECRET, Clever, DISTRICT};
use rostercard_practice::sis::package::Package;
use rostercard_practice::sis::{Running, Sis};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::support::practice::Practice;
use crate::support::roster;
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
        book.add_student(
            &user(n),
            &format!("{}", 4000 + n),
            (&name.0, &name.1),
            &format!("{}/{}/2015", 1 + n % 12, 1 + n % 28),
            school,
        );
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
    let library = cloud.library(&ils, &homes, "{student_id:0>10}");
    library.append("partnerships/oak.toml", "[fields]\nemail = \"fill\"");
    library.run(&["check", "--online"]).expect(0).says(&["roster of oak: reached"]);
    cloud.asked();
    ils.reset_counts();

    let plan = library.json(&["plan", "oak"], 0);
    assert_eq!((&plan["counts"]["students"], &plan["counts"]["create"]), (&json!(700), &json!(700)));
    adds_up(&plan);
    assert_eq!(ils.messages(), 0);
    let asked = cloud.asked();
    assert!(
        asked[0].contains("/v3.1/events?ending_before=last&limit=1"),
        "the baseline comes first: {asked:?}"
    );
    assert_eq!(
        asked.iter().filter(|target| target.contains("/users?") && target.contains("limit=300")).count(),
        3,
        "{asked:?}"
    );

    let made = library.json(&["approve", &plan["run"].to_string()], 0);
    assert_eq!((&made["state"], &made["counts"]["create"]), (&json!("done"), &json!(700)));
    let patrons = by_number(&ils);
    assert_eq!(patrons.len(), 700);
    let (mut apostrophes, mut several, mut without_birth) = (0, 0, 0);
    for user in &users {
        let part = &user["roles"]["student"];
        let number = format!("77{:0>10}", part["sis_id"].as_str().unwrap());
        let patron = &patrons[&number];
        assert_eq!(patron.surname, user["name"]["last"].as_str().unwrap().trim());
        assert_eq!(patron.given, user["name"]["first"].as_str().unwrap().trim());
        assert_eq!(patron.emails, [user["email"].as_str().unwrap()]);
        assert_eq!(
            patron.home_branch.as_deref(),
            Some(branches[&part["school"].as_str().unwrap().to_owned()])
        );
        let born: Option<Vec<u32>> =
            part["dob"].as_str().map(|dob| dob.split('/').map(|piece| piece.parse().unwrap()).collect());
        let born = born.map(|parts| format!("{:04}-{:02}-{:02}", parts[2], parts[0], parts[1]));
        assert_eq!(patron.birth_date, born, "{number}");
        apostrophes += u32::from(patron.surname.contains('\''));
        several += u32::from(part["schools"].as_array().unwrap().len() > 1);
        without_birth += u32::from(born.is_none());
    }
    assert!(
        apostrophes > 0 && several == 165 && without_birth == 1,
        "{apostrophes} {several} {without_birth}"
    );

    // The 51-character user name is whole.
    let revealed = library.run(&["--json", "source", "students", "oak", "--reveal"]).expect(0).stdout;
    let longest = revealed
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["user_name"].as_str().map(str::len))
        .max();
    assert_eq!(longest, Some(51));

    // S01: from now on only events are asked for, and nothing is written.
    cloud.asked();
    ils.reset_counts();
    for _ in 0..2 {
        let again = library.json(&["sync", "oak"], 0);
        assert_eq!(
            (&again["state"], &again["writes"], &again["lookups"]),
            (&json!("done"), &json!(0), &json!(0))
        );
        let asked = cloud.asked();
        assert!(
            !asked.is_empty() && asked.iter().all(|target| target.starts_with("/v3.1/events?")),
            "{asked:?}"
        );
    }
    assert_eq!(ils.messages(), 0);
}

/// Another night: Clever has read the SIS again, and this is what was different.
fn night(cloud: &Cloud, number: u32, change: impl FnOnce(&mut Book)) {
    cloud.clever.edit(|book| {
        let moment = format!("2026-11-24T06:{number:02}:00.000Z");
        book.district.insert("last_sync".to_owned(), json!(moment));
        change(book);
    });
}

/// A library with cards for everybody of a small district.
fn going(students: u32) -> (Cloud, Practice, Library) {
    let cloud = Cloud::start(district(students));
    let ils = Practice::start();
    let library = cloud.library(&ils, HOMES, "{student_id:0>8}");
    let made = library.first_load();
    assert_eq!((&made["state"], &made["counts"]["create"]), (&json!("done"), &json!(students)));
    cloud.asked();
    ils.reset_counts();
    (cloud, ils, library)
}

fn names(ils: &Practice) -> BTreeMap<String, String> {
    ils.patrons().into_iter().map(|p| (p.barcode, format!("{} {}", p.given, p.surname))).collect()
}

#[test]
fn cl_52_to_57_events_come_in_and_nobody_gets_a_second_card() {
    let (cloud, ils, library) = going(60);
    let users = |asked: &[String]| asked.iter().filter(|target| target.starts_with("/v3.1/users/")).count();

    // Somebody new, somebody renamed, somebody moved.
    night(&cloud, 1, |book| {
        book.add_student(&user(99), "4999", ("New", "Comer"), "1/2/2016", "5f00000000000000000000a1");
        book.user(&user(3), |user| user["name"]["last"] = json!("O'Hara"));
        book.student(&user(4), "school", json!("5f00000000000000000000a2"));
        book.student(&user(4), "schools", json!(["5f00000000000000000000a2"]));
    });
    let sync = library.json(&["sync", "oak"], 0);
    adds_up(&sync);
    assert_eq!((&sync["counts"]["create"], &sync["counts"]["update"]), (&json!(1), &json!(2)), "{sync}");
    let asked = cloud.asked();
    assert!(users(&asked) == 3 && !asked.iter().any(|target| target.contains("role=")), "{asked:?}");
    let patrons = by_number(&ils);
    assert_eq!(patrons["7700004003"].surname, "O'Hara");
    assert_eq!(patrons["7700004004"].home_branch.as_deref(), Some("EAST"));
    assert_eq!(patrons["7700004999"].given, "New");

    // The same event once more, and events about other things: nothing.
    cloud.clever.say_again();
    cloud.clever.tell("sections.updated", &json!({ "object": { "id": "5f0000000000000000000b01" } }));
    ils.reset_counts();
    let sync = library.json(&["sync", "oak"], 0);
    assert_eq!((&sync["state"], &sync["writes"]), (&json!("done"), &json!(0)));
    assert_eq!(ils.messages(), 0);

    // Somebody leaves; the card lapses by not being renewed, and comes back as it was when the same person is there again.
    night(&cloud, 2, |book| drop(book.users.remove(&user(5))));
    library.json(&["sync", "oak"], 0);
    night(&cloud, 3, |_| {});
    library.json(&["sync", "oak"], 0);
    let told = library.run(&["explain", "oak", "4005"]).expect(0);
    assert!(told.stdout.contains("lapsed") || told.stdout.contains("missing"), "{}", told.both());
    night(&cloud, 4, |book| {
        book.add_student(&user(5), "4005", ("Given5", "Family5"), "6/6/2015", "5f00000000000000000000a2");
    });
    library.json(&["sync", "oak"], 0);
    assert_eq!(ils.patrons().len(), 61);
    assert_eq!(ils.counts().created, 0);

    // CL-57: the same person under another id of Clever's is the same card.
    night(&cloud, 5, |book| {
        book.users.remove(&user(6));
        book.add_student(&user(600), "4006", ("Given6", "Family6"), "7/7/2015", "5f00000000000000000000a1");
    });
    let sync = library.json(&["sync", "oak"], 0);
    assert_eq!((&sync["state"], &sync["counts"]["create"]), (&json!("done"), &json!(0)));
    night(&cloud, 6, |_| {});
    library.json(&["sync", "oak"], 0);
    assert_eq!(ils.patrons().len(), 61);
    assert_eq!(ils.counts().created, 0);
}

#[test]
fn s23_cl_58_a_district_that_unshares_a_field_blanks_nobody() {
    let (cloud, ils, library) = going(60);
    let before = names(&ils);
    for (turn, (nested, pointer)) in [
        (false, "/roles/student/dob"),
        (true, "/name"),
        (false, "/roles/student/grade"),
        (true, "/roles/student/schools"),
    ]
    .into_iter()
    .enumerate()
    {
        cloud.clever.manners(|manners| manners.nested_previous = nested);
        let turn = u32::try_from(turn).unwrap();
        night(&cloud, 10 + turn, |book| book.unshare(pointer));
        if pointer.ends_with("schools") {
            night(&cloud, 20, |book| book.unshare("/roles/student/school"));
        }
        // A mass of them waits.
        let sync = library.json(&["sync", "oak"], 3);
        assert_eq!(sync["waiting_for"][0]["guard"], "rejects", "{pointer}: {sync}");
        assert_eq!(
            (&sync["writes"], &sync["counts"]["reject"]),
            (&json!(0), &json!(60)),
            "{pointer}: {sync}"
        );
        let shown = library.run(&["show", &sync["run"].to_string()]).expect(0);
        assert!(shown.stdout.contains("fields_unshared_by_many"), "{}", shown.both());
    }
    assert_eq!(names(&ils), before);
    assert!(ils.patrons().iter().all(|patron| patron.birth_date.is_some()));
    assert_eq!(ils.counts().updated, 0);
}

#[test]
fn cl_03_cl_73_nobody_is_withdrawn_from_a_district_that_is_not_running() {
    let (cloud, ils, library) = going(40);
    for (turn, state) in ["paused", "pending", "error", "something new"].into_iter().enumerate() {
        // Everybody is gone from Clever, as far as it says.
        let users = std::sync::Mutex::new(BTreeMap::new());
        night(&cloud, 1 + 3 * u32::try_from(turn).unwrap(), |book| {
            book.state(state);
            std::mem::swap(&mut book.users, &mut users.lock().unwrap());
        });
        for _ in 0..2 {
            // Whether such a run counts as waiting is the guards' to say.
            let ran = library.run(&["--json", "sync", "oak"]);
            assert!(matches!(ran.code, Some(0 | 3)), "{state}: {}", ran.both());
            let sync = ran.json();
            assert_eq!(
                (&sync["writes"], &sync["counts"]["lapse"]),
                (&json!(0), &json!(0)),
                "{state}: {sync}"
            );
            let shown = library.run(&["show", &sync["run"].to_string()]).expect(0);
            assert!(shown.stdout.contains("nobody is withdrawn"), "{state}: {}", shown.both());
        }
        night(&cloud, 2 + 3 * u32::try_from(turn).unwrap(), |book| {
            book.state("running");
            std::mem::swap(&mut book.users, &mut users.lock().unwrap());
        });
        let sync = library.json(&["sync", "oak"], 0);
        assert_eq!((&sync["writes"], &sync["counts"]["lapse"]), (&json!(0), &json!(0)), "{state}: {sync}");
    }
    cloud.clever.connected(false);
    for _ in 0..3 {
        let ran = library.run(&["sync", "oak"]).says(&["nobody is withdrawn"]);
        assert!(matches!(ran.code, Some(0..=3)), "{}", ran.both());
    }
    assert_eq!(ils.messages_to_write(), 0);
    // CL-04: another token, and all is as it was.
    cloud.clever.connected(true);
    let sync = library.json(&["sync", "oak"], 0);
    assert_eq!((&sync["state"], &sync["writes"]), (&json!("done"), &json!(0)));
}

#[test]
fn cl_70_cl_72_a_roster_that_collapses_ends_no_card() {
    let (cloud, ils, library) = going(60);
    // A third is deleted: over a tenth of the type, and over the floor for small districts.
    night(&cloud, 1, |book| (1..=20).for_each(|n| drop(book.users.remove(&user(n)))));
    library.run(&["sync", "oak"]);
    night(&cloud, 2, |_| {});
    let sync = library.json(&["sync", "oak"], 3);
    assert_eq!((&sync["counts"]["lapse"], &sync["writes"]), (&json!(0), &json!(0)), "{sync}");
    assert!(sync["waiting_for"].as_array().is_some_and(|all| !all.is_empty()), "{sync}");
    assert_eq!(ils.messages_to_write(), 0);
}

#[test]
fn cl_62_a_lost_feed_is_said_aloud_and_everything_is_read() {
    let (cloud, ils, library) = going(30);
    night(&cloud, 1, |book| book.user(&user(2), |user| user["name"]["middle"] = json!("Q")));
    library.json(&["sync", "oak"], 0);
    cloud.asked();
    // Clever forgets events after 30 days, the one among them that was read last.
    night(&cloud, 2, |book| book.user(&user(1), |user| user["name"]["first"] = json!("Zoë")));
    cloud.clever.forget_events();
    let sync = library.json(&["sync", "oak"], 0);
    assert_eq!(sync["counts"]["update"], json!(1), "{sync}");
    let asked = cloud.asked();
    assert!(asked.iter().any(|target| target.contains("users?role=student")), "{asked:?}");
    let shown = library.run(&["show", &sync["run"].to_string()]).expect(0);
    assert!(shown.stdout.contains("everything was read"), "{}", shown.both());
    assert!(by_number(&ils).values().any(|patron| patron.given == "Zoë"));
}

#[test]
fn cl_06_cl_92_no_token_no_secret_and_nobody_is_in_the_log() {
    let (cloud, _ils, library) = going(12);
    night(&cloud, 1, |book| book.user(&user(1), |user| user["name"]["first"] = json!("Zoraida")));
    let token = cloud.clever.token().unwrap();
    for args in [["--log", "trace", "sync", "oak"], ["--log", "trace", "check", "--online"]] {
        let ran = library.run(&args);
        for canary in [token.as_str(), CLIENT_SECRET, "Zoraida", "Family1", "7700004001", "/2015", &user(1)] {
            assert!(
                !ran.stdout.contains(canary) && !ran.stderr.contains(canary),
                "{canary} in {}",
                ran.both()
            );
        }
    }
}

/// The records of a day of a practice district.
fn day_of(spec: &Spec, day: u32) -> Book {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.zip");
    generate(&Spec { day, ..spec.clone() }, &path).unwrap();
    Book::of(&Package::read(&path).unwrap())
}

#[test]
fn a_practice_district_of_400_and_the_days_after_by_events_alone() {
    let spec = roster::district(400, 11);
    let cloud = Cloud::start(day_of(&spec, 0));
    let ils = Practice::start();
    let library = cloud.library(&ils, &roster::homes(&spec), "{student_id:0>8}");
    let made = library.first_load();
    assert_eq!((&made["state"], &made["counts"]["create"]), (&json!("done"), &json!(400)));
    cloud.asked();
    for day in 1..=3 {
        let today = day_of(&spec, day);
        night(&cloud, day, |book| book.users = today.users.clone());
        let what = changes(&spec, day - 1, day);
        let sync = library.json(&["sync", "oak"], 0);
        adds_up(&sync);
        assert_eq!(sync["counts"]["create"], json!(what.newcomers.len()), "day {day}: {sync}");
        let asked = cloud.asked();
        assert!(!asked.iter().any(|target| target.contains("role=")), "{asked:?}");
        let patrons = by_number(&ils);
        for student in students(&Spec { day, ..spec.clone() }) {
            let patron = &patrons[&roster::number(&student.number)];
            let whole = format!("{}{}", patron.given, patron.surname);
            assert!(
                whole == format!("{}{}", student.given, student.family),
                "the names of {}",
                student.number
            );
            assert_eq!(patron.home_branch.as_deref(), Some(roster::branch(student.schools[0])));
            assert_eq!(patron.birth_date, Some(student.birth.to_string()));
        }
    }
    ils.reset_counts();
    let again = library.json(&["sync", "oak"], 0);
    assert_eq!((&again["writes"], &again["lookups"], ils.messages()), (&json!(0), &json!(0), 0));
}

/// Rounds of a library each, killed to bits; each by one of [`HANDS`].
const ROUNDS: u64 = 3;
const HANDS: u64 = 3;
/// Kills in the first load and in each night.
const KILLS: [u64; 2] = [5, 3];
const NIGHTS: u32 = 5;

/// Where the kills of a round landed.
#[derive(Debug, Clone, Copy, Default)]
struct Landed {
    /// While Clever was read, or before the first write.
    reading: u32,
    /// After the ILS was written to.
    writing: u32,
    /// When all was done.
    late: u32,
}

/// Kills runs when they have asked Clever and the ILS so and so often, whatever the machine's speed.
struct Killer<'a> {
    cloud: &'a Cloud,
    ils: &'a Practice,
    library: &'a Library,
    seed: u64,
    n: u64,
    landed: Landed,
}

impl Killer<'_> {
    /// Kills so many runs, each at a moment of the first `messages`.
    fn kill(&mut self, times: u64, messages: u64) {
        const STEP: Duration = Duration::from_millis(1);
        for _ in 0..times {
            self.n += 1;
            let mixed = (self.seed * 31 + self.n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
            self.cloud.clever.take_log();
            let (before, written) = (self.ils.messages(), self.ils.messages_to_write());
            let mut read = 0;
            let run = self.library.start(&["sync", "oak"]);
            // A run that has less left to do than that is done before, and then nothing more comes.
            let mut still = 0;
            let mut last = 0;
            while last <= mixed % messages && still < 400 {
                self.ils.pause(STEP);
                read += self.cloud.clever.take_log().len() as u64;
                let now = read + self.ils.messages() - before;
                still = if now == last { still + u32::from(now > 0) } else { 0 };
                last = now;
            }
            let killed = run.kill_after(Duration::from_micros(mixed % 5_000));
            let place = match (killed, self.ils.messages_to_write() > written) {
                (false, _) => &mut self.landed.late,
                (true, true) => &mut self.landed.writing,
                (true, false) => &mut self.landed.reading,
            };
            *place += 1;
        }
    }
}

/// Runs until nothing is left to do.
fn until_done(library: &Library) {
    for _ in 0..15 {
        let ran = library.run(&["--json", "sync", "oak"]);
        if ran.code == Some(0) && ran.json()["counts"]["pending"] == 0 {
            return;
        }
        assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.both());
    }
    panic!("still not done");
}

fn killed_to_bits(seed: u64) -> Landed {
    let mut book = district(30);
    let cloud = Cloud::start(book.clone());
    let ils = Practice::start_with(rostercard_practice::ils::Options {
        latency: Duration::from_millis(15),
        ..Default::default()
    });
    let library = cloud.library(&ils, HOMES, "{student_id:0>8}");
    library.let_all_through();
    library.hurry("1s", "2s");
    let mut killer =
        Killer { cloud: &cloud, ils: &ils, library: &library, seed, n: 0, landed: Landed::default() };
    killer.kill(KILLS[0], 60);
    until_done(&library);
    for turn in 1..=NIGHTS {
        let change = |book: &mut Book| {
            for k in 0..5 {
                let number = turn * 5 + k;
                book.user(&user(number), |user| user["name"]["first"] = json!(format!("Turn{turn}")));
                let name = format!("New{turn}x{k}");
                book.add_student(
                    &user(1000 + number),
                    &format!("{}", 7000 + number),
                    (&name, "Comer"),
                    "3/4/2016",
                    "5f00000000000000000000a1",
                );
            }
        };
        change(&mut book);
        night(&cloud, turn, change);
        killer.kill(KILLS[1], 30);
        until_done(&library);
    }
    let mut wanted: Vec<String> = book
        .users
        .values()
        .map(|user| {
            format!("{} {}", user["name"]["first"].as_str().unwrap(), user["name"]["last"].as_str().unwrap())
        })
        .collect();
    let mut held: Vec<String> = names(&ils).into_values().collect();
    wanted.sort_unstable();
    held.sort_unstable();
    assert_eq!(held, wanted, "round {seed}");
    killer.landed
}

#[test]
fn cl_53_cl_99_killed_in_the_middle_no_event_is_lost_and_no_card_made_twice() {
    let hands: Vec<_> = (0..HANDS)
        .map(|hand| {
            std::thread::spawn(move || {
                (0..ROUNDS).map(|round| killed_to_bits(hand * ROUNDS + round)).collect::<Vec<_>>()
            })
        })
        .collect();
    let all: Vec<Landed> = hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect();
    let sum = |part: fn(&Landed) -> u32| all.iter().map(part).sum::<u32>();
    let (reading, writing) = (sum(|l| l.reading), sum(|l| l.writing));
    println!(
        "kills: {reading} while reading, {writing} while writing, {} when all was done",
        sum(|l| l.late)
    );
    assert!(reading > 30 && writing > 30, "hardly a kill landed in a run: the moments are badly spread");
}
