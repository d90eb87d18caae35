//! SIP2 through the built program: probes that tell the truth about each server, look-ups, and an export that SIP2 verifies.

use std::path::PathBuf;

use rostercard_practice::ils::{Fault, Options, Patron, SIP2_PERSONALITIES, Sip2Personality, What, When};
use serde_json::{Value, json};

use crate::support::practice::Practice;
use crate::support::roster::{TWO_HOMES, children, number, send};
use crate::support::{Library, adds_up};

fn practice(personality: &str) -> Practice {
    let sip2_personality = Sip2Personality {
        login: Some(("sync".to_owned(), "secret".to_owned())),
        ..Sip2Personality::named(personality).unwrap()
    };
    let ils = Practice::start_with(Options {
        sip2: Some("127.0.0.1:0".parse().unwrap()),
        sip2_personality,
        ..Options::default()
    });
    for (barcode, given) in [("29999", "Probe"), ("20001", "Ana")] {
        let patron = Patron {
            barcode: barcode.to_owned(),
            surname: "Lee".to_owned(),
            given: given.to_owned(),
            pin: Some("4711".to_owned()),
            category: Some("STUDENT".to_owned()),
            home_branch: Some("MAIN".to_owned()),
            expires: Some("2027-10-01".to_owned()),
            ..Patron::default()
        };
        ils.add(patron).unwrap();
    }
    ils
}

/// The lines of `[ils.main.sip2]` for a practice ILS.
fn sip2_table(ils: &Practice, more: &str) -> String {
    let port = ils.sip2_address().unwrap().port();
    format!(
        "[ils.main.sip2]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"off\"\ninstitution = \"OAK\"\nlogin = \"sync\"\n\
         password = {{ file = \"sip2.secret\" }}\n{more}\n"
    )
}

/// A library whose ILS has these tables instead of NCIP.
fn library(top: &str, tables: &str) -> Library {
    let library = Library::new("http://127.0.0.1:9/ncip", TWO_HOMES);
    let path = library.path("rostercard.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("[ils.main.ncip]").unwrap();
    let (_, limits) = rest.split_once("[ils.main.limits]").unwrap();
    std::fs::write(&path, format!("{before}{top}\n{tables}\n[ils.main.limits]{limits}")).unwrap();
    let secret = library.path("sip2.secret");
    std::fs::write(&secret, "secret\n").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    library
}

fn sip2_library(ils: &Practice, more: &str) -> Library {
    let library = library("", &sip2_table(ils, more));
    library.hurry("1s", "2s");
    library
}

const PROBE: &str = "probe_card = \"29999\"\n[ils.main.sip2.block]\nreason = \"a probe\"";

#[test]
fn a_probe_tells_the_truth_about_each_server() {
    for (name, _) in SIP2_PERSONALITIES {
        let ils = practice(name);
        let library = sip2_library(&ils, PROBE);
        let probe = library.json(&["ils", "probe", "main"], 0);
        let state = |what: &str| probe["capabilities"][what]["state"].as_str().unwrap().to_owned();
        let told = probe.to_string();
        assert_eq!(probe["reachable"], true, "{name}: {told}");
        assert_eq!((state("create"), state("update")), ("absent".to_owned(), "absent".to_owned()), "{name}");
        let (lookup, block, unblock) = match *name {
            // It answers 01 and 25 and does neither.
            "koha" => ("proven", "disproven", "claimed"),
            // It says by BX that it has no 01, and never says clearly that a number is nobody's.
            "rero" => ("disproven", "absent", "absent"),
            "pysip2" => ("disproven", "proven", "proven"),
            // The answer to the third look-up is late, which is a message lost, and not an effect missing.
            "late" => ("proven", "claimed", "claimed"),
            _ => ("proven", "proven", "proven"),
        };
        assert_eq!(
            (state("lookup"), state("block"), state("unblock")),
            (lookup.into(), block.into(), unblock.into()),
            "{name}: {told}"
        );
        let probed = ils.patron("29999").unwrap();
        assert!(*name == "late" || probed.blocks.is_empty(), "{name}: the probe card is as it was");
        assert!(!told.contains("29999") && !told.contains("secret"), "{told}");
    }
}

#[test]
fn cards_are_found_by_number_with_what_the_server_sends() {
    let ils = practice("evergreen");
    let library = sip2_library(&ils, "dialect = \"evergreen\"\nencoding = \"utf-8\"");
    let found = library.json(&["ils", "find", "main", "--barcode", "20001"], 0);
    assert_eq!(found["lookup"], "found");
    assert_eq!(
        found["patron"],
        json!({ "id": "20001", "barcode": "20001", "category": "STUDENT", "home_branch": "MAIN", "expires": "2027-10-01", "blocked": false })
    );
    let none = library.json(&["ils", "find", "main", "--barcode", "4"], 0);
    assert_eq!(none["lookup"], "not_found");
    // No AD in a look-up, not even an empty one: no card is locked by being looked up.
    let ils = practice("koha");
    let library = sip2_library(&ils, "dialect = \"koha\"");
    for _ in 0..4 {
        let found = library.json(&["ils", "find", "main", "--barcode", "20001"], 0);
        assert_eq!(found["patron"]["blocked"], false);
    }
}

#[test]
fn a_server_that_fails_is_unknown_and_never_not_found() {
    let ils = practice("pysip2");
    let library = sip2_library(&ils, "");
    let answer = library.json(&["ils", "find", "main", "--barcode", "4"], 75);
    assert_eq!(answer["lookup"], "unknown", "{answer}");
    for what in [What::Stall, What::WrongUser, What::Garbage, What::CutHalfway] {
        ils.clear_faults();
        ils.fault(Fault {
            service: Some("PatronInformation".to_owned()),
            when: When::Always,
            what: what.clone(),
        });
        let answer = library.json(&["ils", "find", "main", "--barcode", "20001"], 75);
        assert_eq!(answer["lookup"], "unknown", "{what:?}: {answer}");
    }
    // A login that is refused is tried once.
    ils.clear_faults();
    std::fs::write(library.path("sip2.secret"), "another\n").unwrap();
    library.run(&["ils", "find", "main", "--barcode", "20001"]).expect(75).says(&["refused the login"]);
}

/// An export in Koha's form, verified over SIP2.
fn export_library(ils: &Practice) -> Library {
    let tables = format!(
        "[ils.main.export]\nfolder = \"outbox\"\npreset = \"koha\"\n\n{}",
        sip2_table(ils, "dialect = \"koha\"\nencoding = \"utf-8\"")
    );
    let library = library("create = \"export\"\nverify = \"sip2\"", &tables);
    library.let_all_through();
    library
}

/// Files of the outbox that a loader would take.
fn outbox(library: &Library) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(library.path("outbox")) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "csv"));
    files.sort();
    files
}

fn count(run: &Value, what: &str) -> u64 {
    run["counts"][what].as_u64().unwrap()
}

#[test]
fn an_export_is_loaded_by_night_and_seen_over_sip2() {
    let ils = practice("correct");
    let library = export_library(&ils);
    library.run(&["check"]).expect(0).says(&["The configuration is right."]);
    send(&children(12), &library.package());
    let online = library.run(&["check", "--online"]).expect(0);
    assert!(online.both().contains("leave patrons alone that are there already"), "{}", online.both());
    let run = library.json(&["sync", "oak"], 0);
    adds_up(&run);
    assert_eq!(ils.patrons().len(), 2, "nothing is made over SIP2");
    let files = outbox(&library);
    assert_eq!(files.len(), 1);
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert_eq!(text.lines().count(), 13);
    let manifest = files[0].with_extension("manifest.json");
    let manifest: Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    assert_eq!(manifest["cards"], 12);

    // Before the loader has run, nobody is handed over again.
    let again = library.json(&["sync", "oak"], 0);
    adds_up(&again);
    assert_eq!((count(&again, "create"), count(&again, "pending")), (0, 12), "{again}");
    assert_eq!(outbox(&library), files);

    // The library's loader takes the file by night, and SIP2 then finds every card.
    let report = ils.load(&text);
    assert_eq!((report.made, report.wrong), (12, None));
    for child in children(12) {
        let card = number(&child.id);
        let found = library.json(&["ils", "find", "main", "--barcode", &card], 0);
        assert_eq!((&found["lookup"], &found["patron"]["home_branch"]), (&"found".into(), &"MAIN".into()));
        assert!(ils.patron(&card).unwrap().pin.is_some());
    }
    let seen = library.json(&["sync", "oak"], 0);
    adds_up(&seen);
    assert_eq!(
        (count(&seen, "create"), count(&seen, "pending"), count(&seen, "unchanged")),
        (0, 0, 12),
        "{seen}"
    );
    assert!(
        seen["findings"]["handed_over_seen"]["message"].as_str().unwrap().starts_with("12 cards"),
        "{seen}"
    );
    let quiet = library.json(&["sync", "oak"], 0);
    assert_eq!((&quiet["lookups"], count(&quiet, "unchanged")), (&json!(0), 12), "{quiet}");
    assert_eq!(outbox(&library).len(), 1, "nothing is handed over a second time");
}

#[test]
fn s22_a_new_card_is_tried_as_a_vendor_would() {
    let ils = practice("correct");
    let ncip = format!(
        "[ils.main.ncip]\nurl = \"{}\"\nfrom_agency = \"ROSTERCARD\"\nto_agency = \"MAIN\"\n\n{}",
        ils.ncip_url(),
        sip2_table(&ils, "dialect = \"koha\"\ncheck_new_pins = true")
    );
    let library = library("create = \"ncip\"\nverify = \"sip2\"", &ncip);
    library.let_all_through();
    library.hurry("2s", "4s");
    send(&children(6), &library.package());
    // Some of six cards do not show over SIP2 when they are looked up as a vendor would.
    ils.fault(Fault {
        service: Some("PatronInformation".to_owned()),
        when: When::Every(3),
        what: What::Garbage,
    });
    let ran = library.run(&["sync", "oak"]);
    assert!(ran.both().contains("not found over sip2"), "{}", ran.both());
    ils.clear_faults();
    assert!(ils.patrons().len() > 2);
    // And where all is well, nothing is said.
    let fine = practice("correct");
    let tables = ncip.replace(&ils.ncip_url(), &fine.ncip_url()).replace(
        &ils.sip2_address().unwrap().port().to_string(),
        &fine.sip2_address().unwrap().port().to_string(),
    );
    let library = self::library("create = \"ncip\"\nverify = \"sip2\"", &tables);
    library.let_all_through();
    send(&children(6), &library.package());
    let ran = library.run(&["sync", "oak"]).expect(0);
    assert!(!ran.both().contains("over sip2"), "{}", ran.both());
    assert_eq!(fine.patrons().len(), 8);
}

#[test]
fn ways_that_make_no_sense_are_said_with_their_place() {
    let ils = practice("correct");
    let export = "[ils.main.export]\nfolder = \"outbox\"\npreset = \"koha\"\n";
    let sip2 = sip2_table(&ils, "");
    for (top, tables, says) in [
        ("", export.to_owned(), "an export cannot be looked up"),
        ("", format!("{export}\n{sip2}"), "`create` is missing|create"),
        ("create = \"export\"", format!("{export}\n{sip2}"), "an export cannot be looked up"),
        ("create = \"sip2\"", format!("{export}\n{sip2}"), "this way is not used"),
        ("create = \"exprot\"\nverify = \"sip2\"", format!("{export}\n{sip2}"), "did you mean `export`?"),
    ] {
        let ran = library(top, &tables).run(&["check"]).expect(78);
        assert!(says.split('|').any(|says| ran.both().contains(says)), "{says}\n{}", ran.both());
    }
}
