//! The REST source against a bare loop of the HTTP library over the same pages: `cargo bench -p
//! rostercard-source-oneroster --bench rest`. 200,000 students in pages of 500 from the practice SIS, which is a process
//! of its own, so that memory is this one's alone. What was learned is in `README.md` beside this file.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench stops at the first surprise")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::date;
use rostercard_core::field::{Field, FieldRules, Ownership};
use rostercard_core::ports::{Completeness, RosterPage, RosterSource};
use rostercard_core::privacy::Secret;
use rostercard_oneroster::Version;
use rostercard_practice::sis::Sis;
use rostercard_practice::sis::oneroster::{Auth, BEARER, Birth, Book, OneRoster, Org, Quirks, Role, User};
use rostercard_source_oneroster::rest::{Login, OneRosterRest, RestSettings};
use rostercard_web::Endpoint;

/// The program's own allocator, for the server and the bare loop too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STUDENTS: usize = 200_000;
const PAGE: usize = 500;
const ROUNDS: usize = 5;
/// Said to the process that serves.
const SERVE: &str = "serve-a-practice-district";

#[expect(clippy::disallowed_methods, reason = "the bench starts itself once more as the server")]
fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if std::env::args().any(|arg| arg == SERVE) {
        runtime.block_on(serve());
        return;
    }
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let (mut server, url) = start();
    runtime.block_on(measure(&url));
    server.kill().unwrap();
    let _reaped = server.wait();
}

fn start() -> (Child, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.arg(SERVE).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

async fn serve() {
    let modified = "2026-08-15T00:00:00Z".parse().unwrap();
    let users = (0..STUDENTS).map(|n| User {
        id: format!("{:08x}-0000-4000-8000-{n:012x}", n.wrapping_mul(0x9e37_79b1) & 0xffff_ffff),
        modified,
        username: format!("given{n}.family"),
        user_ids: vec![("stateId".to_owned(), format!("{n:010}"))],
        given: format!("Given{n}"),
        family: format!("Family{}", n % 977),
        identifier: format!("{n:07}"),
        email: format!("given{n}@students.example.org"),
        grades: vec![format!("{:02}", n % 12 + 1)],
        roles: vec![Role {
            role: "student".to_owned(),
            org: format!("school-{}", n % 100),
            primary: true,
            ..Role::default()
        }],
        ..User::default()
    });
    let users: Vec<User> = users.collect();
    let births = users.iter().enumerate().map(|(n, user)| Birth {
        id: user.id.clone(),
        modified,
        birth_date: format!("{}-{:02}-{:02}", 2008 + n % 12, n % 12 + 1, n % 28 + 1),
        ..Birth::default()
    });
    let orgs = (0..100).map(|n| Org {
        id: format!("school-{n}"),
        name: format!("School {n}"),
        kind: "school".to_owned(),
        identifier: format!("{n:05}"),
        ..Org::default()
    });
    let book = Book { orgs: orgs.collect(), births: births.collect(), users };
    let district = OneRoster::with(book, Quirks { auth: Auth::Bearer, ..Quirks::default() });
    let running = Sis::start(([127, 0, 0, 1], 0).into(), district.mounts()).await.unwrap();
    println!("{}", running.url("oneroster_1_2"));
    std::future::pending::<()>().await;
}

/// What a reading cost.
#[derive(Clone, Copy, Default)]
struct Cost {
    whole: Duration,
    /// Up to the first students: from there on nothing is on the wire any more.
    proven: Duration,
    /// Of this process, on all its threads.
    processor: Duration,
}

async fn measure(url: &str) {
    let mut rules = FieldRules::default();
    for with_births in [false, true] {
        rules.set(Field::BirthDate, if with_births { Ownership::School } else { Ownership::None });
        let collections: &[&str] = if with_births { &["demographics", "students"] } else { &["students"] };
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let one = loop_alone(url, collections).await;
            let before = memory("VmRSS");
            let two = source(url, &rules).await;
            // The first round warms up.
            if round > 0 {
                bare.push(one);
                ours.push(two);
            } else {
                println!("memory: {before} kB before the first reading, {} kB at most", memory("VmHWM"));
            }
        }
        println!("{}", collections.join(" and "));
        for (bare, ours) in bare.iter().zip(&ours) {
            println!(
                "  bare loop {:.2} s (processor {:.2} s), source {:.2} s (proven after {:.2} s, processor {:.2} s): {:.0} %",
                bare.whole.as_secs_f64(),
                bare.processor.as_secs_f64(),
                ours.whole.as_secs_f64(),
                ours.proven.as_secs_f64(),
                ours.processor.as_secs_f64(),
                100.0 * bare.whole.as_secs_f64() / ours.whole.as_secs_f64()
            );
        }
        let (bare, ours) = (median(&bare), median(&ours));
        let rate = |time: Duration| STUDENTS as f64 / time.as_secs_f64();
        println!(
            "  medians: bare loop {:.2} s ({:.0}/s), source {:.2} s ({:.0}/s): {:.0} %",
            bare.as_secs_f64(),
            rate(bare),
            ours.as_secs_f64(),
            rate(ours),
            100.0 * bare.as_secs_f64() / ours.as_secs_f64()
        );
    }
}

fn median(costs: &[Cost]) -> Duration {
    let mut times: Vec<Duration> = costs.iter().map(|cost| cost.whole).collect();
    times.sort();
    times[times.len() / 2]
}

/// Every page, read to its last byte and thrown away.
async fn loop_alone(url: &str, collections: &[&str]) -> Cost {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let (begun, used) = (Instant::now(), processor());
    for collection in collections {
        for page in 0..STUDENTS.div_ceil(PAGE) {
            let fields = match *collection {
                "demographics" => "&fields=sourcedId%2Cstatus%2CdateLastModified%2CbirthDate",
                _ => "",
            };
            let offset = page * PAGE;
            let target =
                format!("{url}/{collection}?limit={PAGE}&offset={offset}&sort=sourcedId&orderBy=asc{fields}");
            let mut response =
                client.get(target).header("authorization", format!("Bearer {BEARER}")).send().await.unwrap();
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.unwrap() {
                body.extend_from_slice(&chunk);
            }
            assert!(body.len() > 10_000);
        }
    }
    Cost { whole: begun.elapsed(), proven: Duration::ZERO, processor: processor() - used }
}

async fn source(url: &str, rules: &FieldRules) -> Cost {
    let endpoint = Endpoint::parse(&format!("{url}/"), false).unwrap();
    let login = Login::Bearer(Secret::new(BEARER));
    let settings = RestSettings { page_size: PAGE, ..RestSettings::of(url, endpoint, Version::V1_2, login) };
    let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    let mut source = OneRosterRest::new(settings, rules.clone(), date(2026, 11, 24), now);
    let (begun, used) = (Instant::now(), processor());
    source.facts().await.unwrap();
    let (mut students, mut proven) = (0, Duration::ZERO);
    loop {
        match source.next_page().await.unwrap() {
            RosterPage::Records(records) => {
                if students == 0 {
                    proven = begun.elapsed();
                }
                students += records.len();
            }
            RosterPage::End { completeness, findings, .. } => {
                assert_eq!(completeness, Completeness::Snapshot, "{findings:?}");
                break;
            }
        }
    }
    assert_eq!(students, STUDENTS);
    Cost { whole: begun.elapsed(), proven, processor: processor() - used }
}

/// The time that this process has had of all processors; 100 ticks a second, as Linux counts for programs.
fn processor() -> Duration {
    let status = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold anything.
    let behind = status.rsplit(')').next().unwrap_or_default();
    let ticks = behind.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// A line of this process's status, in kB.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
    value.and_then(|v| v.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
