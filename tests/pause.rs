//! S37: pauses by command: a holiday, an upgrade week-end.

use serde_json::json;

use crate::support::Library;
use crate::support::practice::Practice;
use crate::support::roster::{TWO_HOMES, children, send};

#[test]
fn s37_a_pause_holds_every_write_until_it_is_ended() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.let_all_through();
    send(&children(3), &library.package());
    let pause = ["pause", "--ils", "main", "--until", "2999-01-01", "--reason", "upgrade"];
    let far = library.run(&pause).expect(64);
    assert!(far.stderr.contains("more than a year away"), "{}", far.both());
    let today = crate::support::today().checked_add(jiff::Span::new().days(30)).unwrap().to_string();
    let ran = library
        .run(&["pause", "--ils", "main", "--until", &today, "--reason", "the ILS is upgraded", "--as", "pat"])
        .expect(0);
    assert!(ran.stdout.contains(&format!("Paused: ILS main, until {today}")), "{}", ran.both());

    let refused = library.json(&["sync", "oak"], 75);
    assert!(refused["error"].as_str().unwrap().contains("the ILS is upgraded"), "{refused}");
    assert_eq!(ils.counts().creates, 0);
    // What writes nothing still works, and says so where it matters.
    library.run(&["plan", "oak"]).expect(0);
    let status = library.json(&["status"], 0);
    assert_eq!(status["partnerships"][0]["state"], "paused", "{status}");
    assert!(status["partnerships"][0]["why"].as_str().unwrap().contains("the ILS is upgraded"));

    // It is ended as it was made.
    library.run(&["resume", "--everything"]).expect(64).says(&["is not paused"]);
    library.run(&["resume", "--ils", "main"]).expect(0);
    assert_eq!(library.json(&["sync", "oak"], 0)["counts"]["create"], json!(3));
}

#[test]
fn s37_a_pause_says_what_is_wrong_with_it() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    for (args, says) in [
        (["pause", "--everything", "--until", "soon", "--reason", "x"].as_slice(), "is no day"),
        (&["pause", "--everything", "--until", "2020-01-01", "--reason", "x"], "is not after today"),
        (&["pause", "--everything", "--until", "2999-01-01", "--reason", " "], "more than a year away"),
        (&["pause", "--ils", "mian", "--until", "2999-01-01", "--reason", "x"], "there is no ILS `mian`"),
        (
            &["pause", "--partnership", "oakk", "--until", "2999-01-01", "--reason", "x"],
            "did you mean `oak`?",
        ),
        (&["pause", "--until", "2999-01-01", "--reason", "x"], "--everything"),
        (
            &["pause", "--everything", "--ils", "main", "--until", "2999-01-01", "--reason", "x"],
            "cannot be used",
        ),
    ] {
        library.run(args).expect(64).says(&[says]);
    }
}
