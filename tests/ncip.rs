//! NCIP as it is out there, through the whole program: what a responder cannot do is said before it matters, in a sentence,
//! and is never tried child by child.

use rostercard_practice::ils::{self, Fault, Options, Personality, What, When};
use serde_json::{Value, json};

use crate::support::Library;
use crate::support::practice::Practice;
use crate::support::roster::{TWO_HOMES, children, number, send};

fn practice(personality: &str) -> Practice {
    Practice::start_with(Options {
        personality: Personality::named(personality).unwrap(),
        ncip_tcp: Some(([127, 0, 0, 1], 0).into()),
        ..Options::default()
    })
}

/// A library with a ready dialect, and a roster of six children.
fn library(url: &str, responder: &str) -> Library {
    let library = Library::new(url, TWO_HOMES);
    let line = format!("[ils.main.ncip]\nresponder = \"{responder}\"");
    library.edit("rostercard.toml", "[ils.main.ncip]", &line);
    library.let_all_through();
    send(&children(6), &library.package());
    library
}

fn at_the_desk(ils: &Practice, barcode: &str) {
    let patron = ils::Patron {
        barcode: barcode.to_owned(),
        given: "Zoë".to_owned(),
        surname: "Marsh".to_owned(),
        category: Some("STUDENT".to_owned()),
        home_branch: Some("MAIN".to_owned()),
        expires: Some("2027-09-30".to_owned()),
        ..ils::Patron::default()
    };
    ils.add(patron).unwrap();
}

/// The states of what an ILS can do.
fn states(probe: &Value) -> Value {
    let can = &probe["capabilities"];
    json!(["lookup", "create", "update", "block", "pin"].map(|name| can[name]["state"].clone()))
}

#[test]
fn a_responder_that_cannot_create_is_said_to_before_it_matters() {
    for (personality, sentence) in [
        (
            "koha",
            "Koha's NCIP server has no CreateUser: patrons are made by Koha's REST API, and NCIP verifies",
        ),
        (
            "evergreen",
            "Evergreen's NCIPServer has no CreateUser: patrons are made by Evergreen's patron loader",
        ),
        ("aleph", "Aleph's NCIP connector has no CreateUser: patrons are made by Aleph's patron loader"),
        (
            "voyager",
            "Voyager's NCIP responder has no CreateUser: patrons are made by Voyager's patron update",
        ),
    ] {
        let ils = practice(personality);
        let url = if personality == "voyager" { ils.ncip_tcp_url().unwrap() } else { ils.ncip_url() };
        let library = library(&url, personality);
        library.run(&["check"]).expect(0).says(&["no card can be made this way", sentence]);
        library.run(&["check", "--online"]).expect(0).says(&[sentence]);
        let probe = library.json(&["ils", "probe", "main"], 0);
        let update = if personality == "aleph" { "claimed" } else { "absent" };
        assert_eq!(states(&probe), json!(["proven", "absent", update, "absent", "absent"]), "{probe}");
        assert!(probe["capabilities"]["create"]["why"].as_str().unwrap().contains(sentence), "{probe}");
        assert!(probe["reachable"].as_bool().unwrap());

        // NCIP's dependable part works.
        at_the_desk(&ils, "770000001");
        let found = library.json(&["ils", "find", "main", "--barcode", "770000001"], 0);
        assert_eq!(found["lookup"], "found", "{personality}: {found}");
        let found = library.json(&["ils", "find", "main", "--barcode", "770000002"], 0);
        assert_eq!(found["lookup"], "not_found", "{personality}: {found}");

        // A run says it once, in a sentence, and sends nothing in vain.
        ils.reset_counts();
        let run = library.run(&["sync", "oak"]).expect(1);
        run.says(&["has no CreateUser"]);
        assert_eq!(ils.counts().creates, 0, "{personality}");
        assert!(ils.counts().lookups <= 6, "{personality}: {:?}", ils.counts());
        assert_eq!(ils.patrons().len(), 1);
    }
}

#[test]
fn a_dead_target_is_told_once_and_not_asked_child_by_child() {
    for what in [What::Unsupported, What::Http { status: 401, after_write: false }] {
        let ils = practice("open");
        let library = library(&ils.ncip_url(), "standard");
        ils.fault(Fault { service: Some("CreateUser".into()), when: When::Always, what: what.clone() });
        let ran = library.run(&["sync", "oak"]).expect(1);
        let both = ran.both();
        let told = if what == What::Unsupported { "Unsupported Service" } else { "HTTP 401" };
        assert!(both.contains(told), "{both}");
        assert!(ils.counts().creates <= 4, "no more than were under way: {:?}", ils.counts());
        assert!(ils.patrons().is_empty());
        // Mended, the next run makes every card.
        ils.clear_faults();
        let run = library.json(&["sync", "oak"], 0);
        assert_eq!((&run["counts"]["create"], ils.patrons().len()), (&json!(6), 6), "{run}");
    }
}

#[test]
fn the_oldest_responders_are_served_too() {
    let ils = practice("open");
    let library = library(&ils.ncip_tcp_url().unwrap(), "standard");
    let old = "responder = \"standard\"\nversion = \"1.0\"";
    library.edit("rostercard.toml", "responder = \"standard\"", old);
    library.append(
        "rostercard.toml",
        "[ils.main.ncip.privileges]\ncategory_kind = \"PROFILE\"\nstatus_kind = \"STATUS\"",
    );
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!((&run["counts"]["create"], ils.patrons().len()), (&json!(6), 6), "{run}");
    assert_eq!(ils.patron(&number("4001")).unwrap().home_branch.as_deref(), Some("MAIN"));
    // And nothing the second time.
    ils.reset_counts();
    library.json(&["sync", "oak"], 0);
    assert_eq!(ils.messages(), 0);
    let probe = library.json(&["ils", "probe", "main"], 0);
    let said = probe["problems"].to_string();
    assert!(said.contains("it says that it speaks") && said.contains("ncip_v1_0.dtd"), "{said}");
}
