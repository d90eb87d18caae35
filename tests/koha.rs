//! The whole way to Koha's REST API: the built binary between a roster and a practice Koha that has a running one's traps.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rostercard_practice::ils::{Fault, KohaManners, KohaVersion, Options, Patron, Personality, What, When};
use rostercard_practice::roster::students;
use serde_json::{Value, json};

use crate::support::practice::Practice;
use crate::support::roster::{Child, TWO_HOMES, branch, children, deliver, district, homes, number, send};
use crate::support::{Library, adds_up};

/// A practice Koha with the codes that the starting configuration uses.
fn koha(change: impl FnOnce(&mut KohaManners)) -> Practice {
    let mut koha_manners = KohaManners::default();
    change(&mut koha_manners);
    let codes = |codes: [&str; 2]| codes.map(str::to_owned).to_vec();
    let personality = Personality {
        categories: codes(["STUDENT", "STARTER"]),
        branches: codes(["MAIN", "EAST"]),
        ..Personality::default()
    };
    Practice::start_with(Options { personality, koha_manners, ..Options::default() })
}

/// A library whose ILS is that Koha, with an API key.
fn library(koha: &Practice, homes: &str) -> Library {
    let library = Library::new(&koha.koha_url(), homes);
    let key = library.path("koha.secret");
    fs::write(&key, "practice\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let file = library.path("rostercard.toml");
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once("[ils.main.ncip]").unwrap();
    let (_, after) = rest.split_once("[ils.main.limits]").unwrap();
    let table = format!(
        "[ils.main.koha]\nurl = \"{}\"\nclient_id = \"rostercard\"\nclient_secret = {{ file = \"koha.secret\" }}\n\
         [ils.main.koha.attributes]\nstudent_id = \"STUDENTID\"\nschool = \"SCHOOL\"\ngrade = \"statistics_1\"\n\n",
        koha.koha_url()
    );
    fs::write(&file, format!("{before}{table}[ils.main.limits]{after}")).unwrap();
    let statistics = "[card.statistics]\nschool = \"{school}\"\ngrade = \"{grade}\"\n\n[match]";
    library.edit("partnerships/oak.toml", "[match]", statistics);
    library
}

fn by_number(koha: &Practice) -> BTreeMap<String, Patron> {
    koha.patrons().into_iter().map(|patron| (patron.barcode.clone(), patron)).collect()
}

/// A second run that finds nothing to do asks Koha nothing.
fn quiet(library: &Library, koha: &Practice) {
    koha.reset_counts();
    let again = library.json(&["sync", "oak"], 0);
    assert_eq!((&again["writes"], &again["lookups"]), (&json!(0), &json!(0)), "{again}");
    adds_up(&again);
    assert_eq!(koha.messages(), 0);
}

#[test]
fn s01_s14_s19_cards_in_koha_and_not_a_word_the_second_time() {
    let koha = koha(|_| {});
    let spec = district(120, 11);
    let library = library(&koha, &homes(&spec));
    deliver(&spec, 0, &library.package());
    library.run(&["check"]).expect(0).says(&["The configuration is right."]);
    let online = library.run(&["check", "--online"]).expect(0);
    let online = online.says(&["ILS main: reached", "no patron has category STUDENT yet", "enrolment fee"]);
    assert!(!online.both().contains("practice-token"));
    let probe = library.json(&["ils", "probe", "main"], 0);
    assert_eq!(probe["capabilities"]["create"]["state"], "claimed", "{probe}");
    assert_eq!(probe["capabilities"]["block"]["state"], "absent");
    assert_eq!((koha.counts().created, koha.counts().updated), (0, 0));

    let waiting = library.json(&["sync", "oak"], 3);
    koha.reset_counts();
    let made = library.json(&["approve", &waiting["run"].to_string()], 0);
    assert_eq!((&made["state"], &made["counts"]["create"]), (&json!("done"), &json!(120)), "{made}");
    adds_up(&made);
    // A look-up, the patron, what became of it, the PIN; beside that, what this Koha knows, and what its category costs.
    let counts = koha.counts();
    assert_eq!((counts.creates, counts.updates, counts.lookups), (120, 120, 240 + 1));
    assert!(counts.most_at_once <= 4);
    let patrons = by_number(&koha);
    for student in students(&spec) {
        let patron = &patrons[&number(&student.number)];
        assert_eq!(patron.koha.userid, patron.barcode, "no login of the child's name");
        let pin = patron.pin.as_deref().unwrap();
        assert!(pin.len() >= 4 && pin.bytes().all(|b| b.is_ascii_digit()));
        assert_eq!(patron.birth_date, Some(student.birth.to_string()));
        assert_eq!(patron.category.as_deref(), Some("STUDENT"));
        assert_eq!(patron.home_branch.as_deref(), Some(branch(student.schools[0])));
        let id = ("STUDENTID".to_owned(), student.number.clone());
        assert!(patron.koha.attributes.contains(&id) && patron.koha.attributes.len() == 2);
        assert!(patron.stat_codes.contains_key("statistics_1") && patron.expires.is_some());
    }
    quiet(&library, &koha);
    let found = library.json(&["ils", "find", "main", "--barcode", patrons.keys().next().unwrap()], 0);
    assert_eq!((&found["lookup"], &found["patron"]["category"]), (&json!("found"), &json!("STUDENT")));
    let exported = library.path("pins").display().to_string();
    library.run(&["pins", "export", "oak", "--out", &exported]).expect(0);
    assert!(patrons.values().all(|patron| patron.history.len() == 2), "made, and given a PIN, once");
}

#[test]
fn s10_s11_a_day_later_only_what_changed_is_written() {
    let koha = koha(|_| {});
    let spec = district(150, 5);
    let library = library(&koha, &homes(&spec));
    library.let_all_through();
    deliver(&spec, 0, &library.package());
    library.json(&["sync", "oak"], 0);
    let before = by_number(&koha);
    deliver(&spec, 1, &library.package());
    let next = library.json(&["sync", "oak"], 0);
    adds_up(&next);
    let day = rostercard_practice::roster::changes(&spec, 0, 1);
    let after = by_number(&koha);
    assert_eq!(after.len(), 150 + day.newcomers.len());
    for moved in &day.moves {
        let (old, new) = (&before[&number(&moved.number)], &after[&number(&moved.number)]);
        assert_eq!((old.id, &old.pin), (new.id, &new.pin));
        assert_ne!(old.koha.attributes, new.koha.attributes, "the school's code moved too");
    }
    for corrected in &day.corrected {
        assert_eq!(before[&number(corrected)].id, after[&number(corrected)].id);
    }
    for leaver in &day.leavers {
        assert!(before[&number(leaver)] == after[&number(leaver)], "S09: who left keeps the card as it was");
    }
    quiet(&library, &koha);
}

#[test]
fn s05_what_staff_changed_stays_and_an_upgraded_card_is_the_familys() {
    let koha = koha(|_| {});
    let library = library(&koha, TWO_HOMES);
    library.let_all_through();
    let mut class = children(3);
    send(&class, &library.package());
    library.json(&["sync", "oak"], 0);
    let at_the_desk = |id: &str, category: &str| {
        koha.edit(&number(id), |patron| {
            patron.category = Some(category.to_owned());
            patron.expires = Some("2030-01-01".into());
            patron.note = "signed".into();
            patron.emails = vec!["family@example.org".into()];
            patron.koha.attributes.push(("DISTRICT".into(), "staff's".into()));
        })
        .unwrap()
    };
    // One card is upgraded; of another only the expiry and what is the family's is changed.
    let upgraded = at_the_desk("4001", "STARTER");
    let longer = at_the_desk("4002", "STUDENT");
    for child in &mut class[..2] {
        (child.given, child.school) = ("Zoë".into(), "ash");
    }
    send(&class, &library.package());
    let next = library.json(&["sync", "oak"], 0);
    assert_eq!(next["findings"]["upgraded_by_staff"]["count"], 1, "{next}");
    assert_eq!(next["counts"]["update"], 1, "{next}");
    assert!(koha.patron(&number("4001")).unwrap() == upgraded, "nothing of it is ours any more");
    let patron = koha.patron(&number("4002")).unwrap();
    assert_eq!((patron.given.as_str(), patron.home_branch.as_deref()), ("Zoë", Some("EAST")));
    assert_eq!(
        (&patron.expires, &patron.note, &patron.emails, &patron.pin, &patron.category),
        (&longer.expires, &longer.note, &longer.emails, &longer.pin, &longer.category)
    );
    assert!(patron.koha.attributes.contains(&("DISTRICT".to_owned(), "staff's".to_owned())));
    quiet(&library, &koha);
}

#[test]
fn s06_twins_and_namesakes_get_a_card_each() {
    let koha = koha(|_| {});
    let library = library(&koha, TWO_HOMES);
    let child = |id: &str, given: &str, school| Child {
        id: id.to_owned(),
        given: given.to_owned(),
        family: "Okafor".to_owned(),
        birth: "2015-05-05".to_owned(),
        school,
    };
    let mut all = vec![
        child("101", "Ada", "elm"),
        child("102", "Ida", "elm"),
        child("103", "Mary", "elm"),
        child("104", "Mary", "ash"),
    ];
    send(&all, &library.package());
    assert_eq!(library.first_load()["counts"]["create"], 4);
    let before = by_number(&koha);
    all[0].given = "Ida".to_owned();
    send(&all, &library.package());
    assert_eq!(library.json(&["sync", "oak"], 0)["counts"]["update"], 1);
    let after = by_number(&koha);
    assert_eq!((after.len(), after[&number("101")].given.as_str()), (4, "Ida"));
    assert!(["102", "103", "104"].iter().all(|id| before[&number(id)] == after[&number(id)]));
}

/// Cards that children have from elsewhere: one with the district's student number, one with the same name and birth date
/// and no more.
fn family_cards(koha: &Practice) -> [Patron; 2] {
    let card = |n: u32, attributes: Vec<(String, String)>| {
        let mut patron = Patron {
            barcode: format!("2123400000{n}"),
            given: format!("Given{n}"),
            surname: format!("FAMILY{n}"),
            birth_date: Some(format!("2015-{:02}-{:02}", 1 + n % 12, 1 + n % 28)),
            category: Some("STARTER".into()),
            home_branch: Some("EAST".into()),
            expires: Some("2031-05-05".into()),
            emails: vec!["family@example.org".into()],
            pin: Some("0815".into()),
            note: "signed".into(),
            ..Patron::default()
        };
        patron.koha.attributes = attributes;
        koha.add(patron).unwrap()
    };
    [card(1, vec![("STUDENTID".into(), "4001".into())]), card(2, Vec::new())]
}

#[test]
fn s04_s06_s31_a_family_card_is_linked_where_it_is_sure_and_asked_about_where_it_is_not() {
    let koha = koha(|_| {});
    let [known, namesake] = family_cards(&koha);
    let library = library(&koha, TWO_HOMES);
    library.let_all_through();
    library.edit("partnerships/oak.toml", "existing = \"separate\"", "existing = \"link\"");
    send(&children(3), &library.package());
    library.run(&["check"]).expect(0);
    let run = library.run(&["--json", "sync", "oak"]).json();
    adds_up(&run);
    let counts = &run["counts"];
    assert_eq!(
        (&counts["link"], &counts["review"], &counts["create"]),
        (&json!(1), &json!(1), &json!(1)),
        "{run}"
    );
    assert_eq!(koha.patrons().len(), 3);
    assert!(koha.patron(&number("4003")).is_some(), "who has none gets one");
    // Under "link" only what was agreed on is added: everything of the family's stays.
    let linked = koha.patron(&known.barcode).unwrap();
    assert_eq!(
        (&linked.category, &linked.home_branch, &linked.expires, &linked.pin, &linked.emails, &linked.note),
        (&known.category, &known.home_branch, &known.expires, &known.pin, &known.emails, &known.note)
    );
    assert_eq!((&linked.surname, &linked.koha.userid), (&known.surname, &known.koha.userid));
    assert!(koha.patron(&namesake.barcode).unwrap() == namesake, "name and birth date alone never link");
    koha.reset_counts();
    let again = library.run(&["--json", "sync", "oak"]).json();
    assert_eq!((&again["writes"], koha.messages_to_write()), (&json!(0), 0), "{again}");
    // The child moves and is renamed: the family's card is not the school's to change.
    let mut class = children(3);
    (class[0].given, class[0].school) = ("Zoë".into(), "ash");
    send(&class, &library.package());
    library.run(&["--json", "sync", "oak"]);
    assert!(koha.patron(&known.barcode).unwrap() == linked);
}

#[test]
fn s04_no_card_is_made_beside_one_where_the_library_chose_so() {
    let koha = koha(|_| {});
    let [known, _] = family_cards(&koha);
    let library = library(&koha, TWO_HOMES);
    library.let_all_through();
    library.edit("partnerships/oak.toml", "existing = \"separate\"", "existing = \"skip\"");
    send(&children(1), &library.package());
    let run = library.run(&["--json", "sync", "oak"]).json();
    assert_eq!((&run["counts"]["not_eligible"], &run["writes"]), (&json!(1), &json!(0)), "{run}");
    assert!(koha.patron(&known.barcode).unwrap() == known && koha.patrons().len() == 2);
    koha.reset_counts();
    library.run(&["--json", "sync", "oak"]);
    assert_eq!(koha.messages(), 0, "the answer is remembered");
}

#[test]
fn s03_s04_a_search_that_fails_is_no_reason_to_make_a_card() {
    let koha = koha(|_| {});
    family_cards(&koha);
    let library = library(&koha, TWO_HOMES);
    library.let_all_through();
    library.edit("partnerships/oak.toml", "existing = \"separate\"", "existing = \"link\"");
    send(&children(2), &library.package());
    koha.fault(Fault { service: Some("FindPatrons".into()), when: When::Always, what: What::Http500 });
    let ran = library.run(&["--json", "sync", "oak"]);
    assert_ne!(ran.code, Some(0));
    assert_eq!((koha.patrons().len(), koha.messages_to_write()), (2, 0));
    koha.clear_faults();
    let run = library.run(&["--json", "sync", "oak"]).json();
    assert_eq!(
        (&run["counts"]["link"], &run["counts"]["review"], koha.patrons().len()),
        (&json!(1), &json!(1), 2),
        "{run}"
    );
}

#[test]
fn s09_who_left_keeps_the_card_and_who_comes_back_has_the_same() {
    let koha = koha(|_| {});
    let library = library(&koha, TWO_HOMES);
    library.let_all_through();
    let class = children(5);
    send(&class, &library.package());
    library.json(&["sync", "oak"], 0);
    let before = by_number(&koha);
    send(&class[1..], &library.package());
    for _ in 0..2 {
        library.run(&["sync", "oak"]);
    }
    assert!(by_number(&koha) == before, "not renewed, and not touched");
    send(&class, &library.package());
    library.run(&["sync", "oak"]);
    let after = by_number(&koha);
    assert_eq!(after.len(), 5);
    let (old, new) = (&before[&number("4001")], &after[&number("4001")]);
    assert_eq!((old.id, &old.pin, &old.expires), (new.id, &new.pin, &new.expires));
    quiet(&library, &koha);
}

#[test]
fn s14_pins_that_koha_refuses_are_told_and_nowhere_shown() {
    let koha = koha(|m| (m.pin_min, m.pin_strong) = (8, true));
    let library = library(&koha, TWO_HOMES);
    library.let_all_through();
    send(&children(3), &library.package());
    let ran = library.run(&["--json", "sync", "oak"]);
    let made = ran.json();
    assert_eq!((&made["counts"]["create"], koha.patrons().len()), (&json!(3), 3), "{made}");
    assert_eq!(made["findings"]["pin_not_set"]["count"], 3, "{made}");
    assert!(made["findings"].to_string().contains("PIN is shorter than Koha demands"), "{made}");
    assert!(koha.patrons().iter().all(|patron| patron.pin.is_none()));
    quiet(&library, &koha);
}

#[test]
fn s28_a_category_is_changed_once_and_check_says_what_it_costs() {
    let koha = koha(|m| {
        m.version = KohaVersion::New;
        m.fees.insert("STARTER".into(), 250);
    });
    let library = library(&koha, TWO_HOMES);
    library.let_all_through();
    library.append("partnerships/oak.toml", "rules_changed = \"off\"");
    send(&children(4), &library.package());
    library.json(&["sync", "oak"], 0);
    library.edit("partnerships/oak.toml", "category = \"STUDENT\"", "category = \"STARTER\"");
    library.run(&["check", "--online"]).expect(0).says(&["category STARTER has an enrolment fee of 2.50"]);
    library.run(&["--json", "sync", "oak"]);
    let debts = || koha.patrons().iter().map(|patron| patron.koha.debt).collect::<Vec<_>>();
    assert_eq!(debts(), [250; 4], "what Koha charges for it, once");
    let mut class = children(4);
    class[0].given = "Zoë".into();
    send(&class, &library.package());
    library.json(&["sync", "oak"], 0);
    assert_eq!(debts(), [250; 4], "a corrected name costs nothing");
    quiet(&library, &koha);
}

#[test]
fn s32_last_years_cards_are_taken_over_and_nothing_is_written() {
    let koha = koha(|_| {});
    let library = library(&koha, TWO_HOMES);
    library.let_all_through();
    send(&children(4), &library.package());
    // Two were loaded last year, with our numbers; one number is somebody else's.
    for (n, surname) in [(1, "Family1"), (2, "Family2"), (3, "Quill")] {
        let loaded = Patron {
            barcode: number(&format!("400{n}")),
            given: format!("Given{n}"),
            surname: surname.to_owned(),
            birth_date: Some(if n == 3 {
                "1980-01-01".to_owned()
            } else {
                format!("2015-{:02}-{:02}", 1 + n, 1 + n)
            }),
            category: Some("STUDENT".into()),
            home_branch: Some("MAIN".into()),
            ..Patron::default()
        };
        koha.add(loaded).unwrap();
    }
    let before = by_number(&koha);
    let taken = library.run(&["--json", "adopt", "oak", "--yes"]);
    assert!(by_number(&koha) == before, "{}", taken.both());
    assert_eq!(taken.json()["counts"]["link"], 2, "{}", taken.both());
    let run = library.run(&["--json", "sync", "oak"]).json();
    assert_eq!((&run["counts"]["create"], koha.patrons().len()), (&json!(1), 4), "{run}");
    assert!(koha.patron(&number("4003")).unwrap() == before[&number("4003")]);
}

#[test]
fn s33_a_patron_that_staff_deleted_is_a_question_and_never_made_again() {
    let koha = koha(|_| {});
    let library = library(&koha, TWO_HOMES);
    library.let_all_through();
    let mut class = children(4);
    send(&class, &library.package());
    library.json(&["sync", "oak"], 0);
    koha.delete(&number("4001")).unwrap();
    class[0].given = "Zoë".into();
    send(&class, &library.package());
    let next = library.run(&["--json", "sync", "oak"]).json();
    assert_eq!((&next["counts"]["review"], koha.patrons().len()), (&json!(1), 3), "{next}");
    let again = library.run(&["--json", "sync", "oak"]).json();
    assert_eq!((&again["writes"], koha.patrons().len()), (&json!(0), 3), "{again}");
}

#[test]
fn a_patron_of_another_library_is_a_question_and_not_a_loop() {
    let koha = koha(|m| m.see_all = false);
    let library = library(&koha, "\"Elm School\" = \"MAIN\"\n\"Ash School\" = \"MAIN\"");
    library.let_all_through();
    let theirs = Patron {
        barcode: number("4001"),
        surname: "Quill".into(),
        category: Some("STARTER".into()),
        home_branch: Some("EAST".into()),
        ..Patron::default()
    };
    koha.add(theirs).unwrap();
    send(&children(30), &library.package());
    library.run(&["check", "--online"]).expect(0).says(&["view_borrower_infos_from_any_libraries"]);
    let run = library.run(&["--json", "sync", "oak"]).json();
    assert_eq!((&run["counts"]["create"], &run["counts"]["review"]), (&json!(29), &json!(1)), "{run}");
    quiet(&library, &koha);
}

#[test]
fn a_login_that_may_not_stops_the_run_at_once_and_says_what_it_lacks() {
    let koha = koha(|m| m.edit = false);
    let library = library(&koha, TWO_HOMES);
    library.let_all_through();
    send(&children(30), &library.package());
    let ran = library.run(&["--json", "sync", "oak"]);
    assert_ne!(ran.code, Some(0));
    assert!(ran.both().contains("borrowers:edit_borrowers"), "{}", ran.both());
    assert!(koha.counts().lookups <= 8, "it was not asked thirty times: {:?}", koha.counts());
}

/// Runs until nothing is left to be done.
fn until_done(library: &Library, what: &str) -> Value {
    let mut last = String::new();
    for _ in 0..15 {
        let ran = library.run(&["--json", "sync", "oak"]);
        assert!(matches!(ran.code, Some(0 | 1)), "{what}: {}", ran.both());
        if ran.code == Some(0) && ran.json()["counts"]["pending"] == 0 {
            return ran.json();
        }
        last = ran.both();
    }
    panic!("{what}: still not done; the last said {last}");
}

#[test]
fn s03_koha_that_fails_in_mid_run_makes_no_second_card_and_loses_none() {
    let koha = koha(|_| {});
    let library = library(&koha, TWO_HOMES);
    library.let_all_through();
    library.hurry("300ms", "900ms");
    send(&children(40), &library.package());
    let every =
        |service: &str, n, what| Fault { service: Some(service.to_owned()), when: When::Every(n), what };
    for fault in [
        every("FindPatrons", 7, What::Http500),
        every("FindPatrons", 11, What::Http { status: 502, after_write: false }),
        every("GetPatron", 9, What::Garbage),
        every("CreatePatron", 5, What::DropAnswer),
        every("CreatePatron", 7, What::CommitLate { after_ms: 250, hold_ms: 100 }),
        every("SetPassword", 6, What::DropAnswer),
    ] {
        koha.fault(fault);
    }
    let end = until_done(&library, "with faults");
    adds_up(&end);
    koha.clear_faults();
    assert_eq!((koha.patrons().len(), koha.counts().created), (40, 40));
    assert!(koha.patrons().iter().all(|patron| patron.pin.is_some()), "and each has its PIN");
    quiet(&library, &koha);
}

/// A small generator: the same numbers for the same seed.
fn dice(seed: &mut u64, limit: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (z ^ (z >> 27)) % limit
}

#[test]
fn s01_killed_again_and_again_every_student_has_one_card_in_koha() {
    for round in 0..6 {
        let koha = koha(|_| {});
        let library = library(&koha, TWO_HOMES);
        library.let_all_through();
        library.hurry("300ms", "900ms");
        let class = children(30);
        send(&class, &library.package());
        let chance = |service: &str, percent, what| Fault {
            service: Some(service.to_owned()),
            when: When::Chance { percent, seed: round },
            what,
        };
        koha.fault(Fault { service: None, when: When::Always, what: What::Delay { ms: 3 } });
        koha.fault(chance("CreatePatron", 8, What::CommitLate { after_ms: 250, hold_ms: 100 }));
        koha.fault(chance("CreatePatron", 8, What::DropAnswer));
        koha.fault(chance("SetPassword", 8, What::DropAnswer));
        let mut seed = round;
        for _ in 0..4 {
            library.start(&["sync", "oak"]).kill_after(Duration::from_millis(60 + dice(&mut seed, 400)));
        }
        let end = until_done(&library, &format!("round {round}"));
        assert_eq!(end["unsettled"], 0, "round {round}: {end}");
        let patrons = by_number(&koha);
        assert_eq!((patrons.len(), koha.patrons().len()), (30, 30), "round {round}");
        for child in &class {
            let patron = &patrons[&number(&child.id)];
            assert_eq!((&patron.given, &patron.surname), (&child.given, &child.family));
            assert!(patron.pin.is_some(), "round {round}: a patron without a PIN");
            assert_eq!(patron.koha.userid, patron.barcode);
        }
        koha.clear_faults();
        quiet(&library, &koha);
    }
}
