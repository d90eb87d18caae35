//! S26: two runs of one library at once, because a person starts one by hand. One refuses with a clear message, and
//! whoever only looks is never in the way.

use std::time::Duration;

use rostercard_practice::ils::{Fault, Options, What, When};
use serde_json::{Value, json};

use crate::support::practice::Practice;
use crate::support::roster::{TWO_HOMES, children, send};
use crate::support::{Library, Program};

/// A library whose first `sync` is at the ILS, which holds its first create until the fault is over.
fn under_way() -> (Practice, Library) {
    let ils = Practice::start_with(Options { latency: Duration::from_millis(2), ..Options::default() });
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.let_all_through();
    send(&children(40), &library.package());
    (ils, library)
}

/// Waits, bounded, until the ILS has been asked to make somebody.
fn until_creating(ils: &Practice) {
    for _ in 0..2_000 {
        if ils.counts().creates > 0 {
            return;
        }
        ils.pause(Duration::from_millis(10));
    }
    panic!("the sync never came to the ILS");
}

#[test]
fn s26_a_second_sync_refuses_and_makes_no_second_card() {
    let (ils, library) = under_way();
    ils.fault(Fault {
        service: Some("CreateUser".into()),
        when: When::Next(1),
        what: What::Delay { ms: 4_000 },
    });
    let first = library.start(&["--json", "sync", "oak"]);
    until_creating(&ils);
    for command in [["sync", "oak"], ["plan", "oak"], ["approve", "1"], ["discard", "1"]] {
        let refused = library.json(&command, 75);
        let (error, hint) = (refused["error"].as_str().unwrap(), refused["hint"].as_str().unwrap());
        assert!(error.contains("another") && !hint.is_empty(), "{refused}");
    }
    let first = first.end().expect(0).json();
    assert_eq!((&first["state"], &first["counts"]["create"]), (&json!("done"), &json!(40)));
    let counts = ils.counts();
    assert_eq!((counts.creates, counts.created, counts.patrons), (40, 40, 40));
    assert_eq!(library.json(&["sync", "oak"], 0)["counts"]["unchanged"], 40);
}

#[test]
fn s26_two_at_the_same_moment_make_each_card_once() {
    let (ils, library) = under_way();
    let both = [library.start(&["sync", "oak"]), library.start(&["sync", "oak"])].map(Program::end);
    let mut codes = both.each_ref().map(|ran| ran.code.unwrap());
    codes.sort_unstable();
    // Both may do their work one after the other, where one was that quick.
    assert!(codes == [0, 75] || codes == [0, 0], "{}\n{}", both[0].both(), both[1].both());
    let counts = ils.counts();
    assert_eq!((counts.created, counts.duplicates_refused, counts.patrons), (40, 0, 40));
}

#[test]
fn s26_whoever_looks_is_not_in_the_way() {
    let (ils, library) = under_way();
    ils.fault(Fault {
        service: Some("CreateUser".into()),
        when: When::Next(1),
        what: What::Delay { ms: 4_000 },
    });
    let sync = library.start(&["--json", "sync", "oak"]);
    until_creating(&ils);
    let status = library.json(&["status"], 0);
    assert!(status["partnerships"][0]["why"].as_str().unwrap().contains("under way"), "{status}");
    let runs = library.json(&["runs"], 0);
    let run = &runs["runs"][0];
    assert_eq!((&run["state"], &run["finished_at"]), (&json!("running"), &Value::Null));
    let shown = library.json(&["show", &run["run"].to_string()], 0);
    assert_eq!(shown["state"], "running");
    library.run(&["source", "students", "oak"]).expect(0).says(&["40 people"]);
    library.run(&["check", "--online"]).expect(0);
    library.run(&["ils", "find", "main", "--barcode", "99"]).expect(0);
    sync.end().expect(0);
    assert_eq!(ils.counts().patrons, 40);
}
