//! Clever's own specification between the source and the practice Clever: every request of the one and every answer of the other
//! is held against it by `prism`. Events and tokens are not in that specification and are served without it.
//!
//! The specification and the program are not part of this project: without them these tests are skipped, but not in CI.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rostercard_core::ports::{Completeness, FetchOne, Resume, RosterSource};
use rostercard_core::privacy::Personal;
use rostercard_practice::sis::clever::{Book, Fault, What};
use rostercard_web::Endpoint;
use serde_json::json;

use crate::support::{Here, district, read, source, user};

/// The folder of specifications and samples.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the samples are")]
fn samples() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    std::env::var_os("ROSTERCARD_SPECS").map_or(beside, PathBuf::from)
}

/// Whether nothing may be left out.
#[expect(clippy::disallowed_methods, reason = "CI says that it is CI by the environment")]
fn ci() -> bool {
    std::env::var("CI").as_deref() == Ok("true")
}

/// A `prism` at work. Dropped, it is killed.
struct Prism {
    child: Child,
    url: String,
}

impl Prism {
    /// Starts it with these words; `None` where it or the specification is missing here.
    fn start(words: &[&str], upstream: Option<&str>) -> Option<Self> {
        let specification = samples().join("clever/v3.1-client-basepath-inlined.yml");
        let missing = |what: &str| {
            assert!(!ci(), "there is no {what} here");
            println!("skipped: there is no {what} here");
        };
        if !specification.is_file() {
            missing("specification");
            return None;
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("prism");
        command.arg(words[0]).arg(&specification).args(upstream).args(&words[1..]);
        command.args(["-h", "127.0.0.1", "-p", &free.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else {
            missing("`prism`");
            return None;
        };
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listens = lines.by_ref().map_while(Result::ok).any(|line| line.contains("is listening"));
        assert!(listens, "prism ended before it listened");
        // Whoever writes to a pipe that nobody reads stands still.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(Self { child, url: format!("http://127.0.0.1:{free}") })
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[tokio::test]
async fn cl_95_96_requests_and_answers_are_as_clevers_specification_says() {
    let mut book = district(45);
    if let Ok(demo) = std::fs::read_to_string(samples().join("clever/demo-district-users-v3.1-DERIVED.json"))
    {
        let demo = Book::of_users(&demo).unwrap();
        book.schools.extend(demo.schools);
        book.users.extend(demo.users);
    }
    book.student(&user(1), "preferred_name", json!({ "first": "Bob", "middle": "", "last": "" }));
    let users = book.users.len();
    let here = Here::start(book).await;
    let Some(prism) = Prism::start(&["proxy", "--errors"], Some(&here.running.url("clever"))) else { return };
    let mut settings = here.settings();
    settings.api = Endpoint::parse(&prism.url, false).unwrap();
    settings.educators = true;
    settings.page_size = 250;
    let whole = read(source(settings.clone()), Resume::default()).await.unwrap();
    assert_eq!((whole.students.len(), whole.completeness), (users, Completeness::Snapshot));
    let mut one = source(settings.clone());
    let checked = one.check().await.unwrap();
    assert!(checked.iter().all(|finding| finding.code == "events_off"), "{checked:?}");
    assert!(matches!(one.fetch_one(&[Personal::new(user(1))]).await, FetchOne::Found(_)));
    assert!(matches!(one.fetch_one(&[Personal::new("5f00")]).await, FetchOne::NotFound));

    // That something is looked at at all: an answer that is not of the specification does not come through.
    let wrong = json!({ "data": [{ "data": { "id": "x", "roles": { "student": { "grade": "05" } } } }], "links": [] });
    here.cloud.fault(Fault::always("/users?role=student&limit", What::Body(wrong.to_string())));
    assert!(read(source(settings), Resume::default()).await.is_err());
}

#[tokio::test]
async fn cl_97_answers_made_up_by_the_specification_do_no_harm() {
    let here = Here::start(district(1)).await;
    let Some(prism) = Prism::start(&["mock", "-d", "--errors"], None) else { return };
    let mut settings = here.settings();
    settings.api = Endpoint::parse(&prism.url, false).unwrap();
    settings.patience.attempts = 1;
    for _ in 0..40 {
        // Whatever comes, it ends, and says nothing about anybody who has gone.
        if let Ok(read) = read(source(settings.clone()), Resume::default()).await {
            assert!(read.gone.is_empty());
        }
    }
}
