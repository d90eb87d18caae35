//! The main job from end to end: a district's roster goes in, library cards come out, and nothing is done twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::civil::date;
use rostercard_practice::ils::{Options, Patron, Personality};
use rostercard_practice::roster::{changes, schools, students};
use serde_json::{Value, json};

use crate::support::practice::Practice;
use crate::support::roster::{
    Child, TWO_HOMES, add_columns, branch, children, deliver, district, files, homes, number, send, zipped,
};
use crate::support::{Library, adds_up, rostercard, samples, today};

/// The package of another maker: one elementary school, 72 students.
const SCHOOL: &str = "Nectarine Whitmore Elementary School";

fn school_small() -> Option<PathBuf> {
    Some(samples()?.join("oneroster/csv/gospelnerd-v1p1-school-small"))
}

/// A library whose district sends that package.
fn library(ils: &Practice, package: &Path) -> Library {
    let library = Library::new(&ils.ncip_url(), &format!("\"{SCHOOL}\" = \"NORTH\""));
    let configured = library.package().display().to_string();
    library.edit("partnerships/oak.toml", &configured, &package.display().to_string());
    // This district's numbers have nine digits.
    library.edit("partnerships/oak.toml", "{student_id:0>8}", "{student_id:0>9}");
    library
}

/// The columns of a CSV file by their names, row by row.
fn rows(file: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(file).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// 1 October as it is meant from July of the year before on.
fn expiry() -> String {
    let today = today();
    let year = if today >= date(today.year(), 7, 1) { today.year() + 1 } else { today.year() };
    date(year, 10, 1).to_string()
}

/// Every patron of the ILS is a student of the package, and the other way round.
fn compare(ils: &Practice, folder: &Path) {
    let births: BTreeMap<String, String> = rows(&folder.join("demographics.csv"))
        .into_iter()
        .map(|row| (row["sourcedId"].clone(), row["birthDate"].clone()))
        .collect();
    let mut patrons: BTreeMap<String, Patron> =
        ils.patrons().into_iter().map(|patron| (patron.barcode.clone(), patron)).collect();
    let students: Vec<_> =
        rows(&folder.join("users.csv")).into_iter().filter(|row| row["role"] == "student").collect();
    assert_eq!(students.len(), 72);
    assert_eq!(patrons.len(), 72);
    for student in students {
        let barcode = format!("77{:0>9}", student["identifier"]);
        let patron = patrons.remove(&barcode).unwrap_or_else(|| panic!("nobody has card {barcode}"));
        assert_eq!(patron.given, student["givenName"]);
        assert_eq!(patron.middle, student["middleName"]);
        assert_eq!(patron.surname, student["familyName"]);
        assert_eq!(patron.birth_date.as_ref(), Some(&births[&student["sourcedId"]]));
        assert_eq!(patron.category.as_deref(), Some("STUDENT"));
        assert_eq!(patron.home_branch.as_deref(), Some("NORTH"));
        assert_eq!(patron.expires, Some(expiry()));
        assert!(!patron.blocked);
        let pin = patron.pin.unwrap();
        assert!(pin.len() >= 4 && pin.bytes().all(|b| b.is_ascii_digit()), "{}", pin.len());
    }
    assert!(patrons.is_empty());
}

/// init, check, plan, approve, sync: as an administrator does it.
fn whole_way(package: &Path, folder: &Path) {
    let ils = Practice::start();
    let library = library(&ils, package);
    library.run(&["check"]).expect(0).says(&["The configuration is right. 1 of 1 partnership can run."]);
    library.run(&["check", "--online"]).expect(0).says(&["ILS main: reached", "roster of oak: reached"]);
    ils.reset_counts();

    // S19: the plan says by school what would be made, and nothing is written.
    let plan = library.json(&["plan", "oak"], 0);
    assert_eq!(plan["state"], "planned");
    assert_eq!((&plan["counts"]["students"], &plan["counts"]["create"]), (&json!(72), &json!(72)));
    assert_eq!(plan["writes"], 0);
    let school = plan["by_school"].as_object().unwrap();
    let names: Vec<&String> = school.keys().collect();
    assert!(names.len() == 1 && names[0].contains(SCHOOL), "{names:?}");
    adds_up(&plan);
    assert_eq!(ils.messages(), 0, "a plan asks the ILS nothing");
    library.run(&["plan", "oak"]).expect(0).says(&[
        "72  new cards to make",
        "Nothing was written.",
        "rostercard approve",
    ]);

    // S19: neither does a sync write before somebody approves.
    let sync = library.json(&["sync", "oak"], 3);
    assert_eq!((&sync["state"], &sync["counts"]["waiting"]), (&json!("waiting"), &json!(72)));
    assert_eq!(sync["waiting_for"][0]["guard"], "first_connection");
    assert_eq!(ils.messages(), 0);
    adds_up(&sync);

    let run = sync["run"].to_string();
    library.run(&["approve", &run, "--digest", "0000"]).expect(64).says(&["digest"]);
    let digest = sync["digest"].as_str().unwrap();
    let made = library.json(&["approve", &run, "--digest", digest, "--as", "Ms Ito"], 0);
    assert_eq!((&made["state"], &made["counts"]["create"]), (&json!("done"), &json!(72)));
    adds_up(&made);
    compare(&ils, folder);
    assert_eq!(ils.counts().created, 72);

    // S01: the same roster again costs the ILS nothing.
    ils.reset_counts();
    for _ in 0..2 {
        let again = library.json(&["sync", "oak"], 0);
        assert_eq!((&again["state"], &again["counts"]["unchanged"]), (&json!("done"), &json!(72)));
        assert_eq!((&again["writes"], &again["lookups"]), (&json!(0), &json!(0)));
        adds_up(&again);
    }
    assert_eq!(ils.messages(), 0);
    library.run(&["approve", &run]).expect(64).says(&["nothing of run"]);
}

#[test]
fn s01_s19_the_package_of_another_maker_as_a_zip() {
    let Some(folder) = school_small() else { return };
    whole_way(&folder.join("oneroster-school-small.zip"), &folder);
}

#[test]
fn s01_s19_the_package_of_another_maker_as_a_folder() {
    let Some(folder) = school_small() else { return };
    // Beside the files lies the zip, as districts leave it; a folder of CSV files alone is read here.
    let own = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "csv") {
            std::fs::copy(&path, own.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    whole_way(own.path(), &folder);
}

/// What a practice student's patron must look like.
fn wanted(student: &rostercard_practice::roster::Student) -> (String, String, String) {
    // Who has one name only has it as the surname.
    let (given, surname) = match (student.given.as_str(), student.family.as_str()) {
        ("", only) | (only, "") => (String::new(), only.to_owned()),
        (given, family) => (given.to_owned(), family.to_owned()),
    };
    (given, student.middle.clone(), surname)
}

fn by_number(ils: &Practice) -> BTreeMap<String, Patron> {
    ils.patrons().into_iter().map(|patron| (patron.barcode.clone(), patron)).collect()
}

#[test]
fn s01_s06_s12_a_district_of_400_and_the_day_after() {
    let ils = Practice::start();
    let spec = district(400, 11);
    let library = Library::new(&ils.ncip_url(), &homes(&spec));
    let package = library.package().display().to_string();
    let roster =
        rostercard(&["practice", "roster", "--students", "400", "--seed", "11", "--out", &package]).expect(0);
    assert_eq!(roster.json()["students"], 400);
    let made = library.first_load();
    assert_eq!((&made["state"], &made["counts"]["create"]), (&json!("done"), &json!(400)));
    adds_up(&made);

    let before = by_number(&ils);
    assert_eq!(before.len(), 400);
    let mut scripts = 0;
    for student in students(&spec) {
        let patron = &before[&number(&student.number)];
        let found = (patron.given.clone(), patron.middle.clone(), patron.surname.clone());
        assert!(found == wanted(&student), "the names of {} came changed", student.number);
        scripts += u32::from(!format!("{}{}", student.given, student.family).is_ascii());
        assert_eq!(patron.home_branch.as_deref(), Some(branch(student.schools[0])));
        assert_eq!(patron.birth_date, Some(student.birth.to_string()));
    }
    // S12: there was something to be lost.
    assert!(scripts >= 10, "{scripts} names are not ASCII");

    deliver(&spec, 1, &library.package());
    let day = changes(&spec, 0, 1);
    assert!(
        !(day.newcomers.is_empty()
            || day.leavers.is_empty()
            || day.moves.is_empty()
            || day.corrected.is_empty())
    );
    ils.reset_counts();
    let next = library.json(&["sync", "oak"], 0);
    adds_up(&next);
    assert_eq!(next["counts"]["create"], day.newcomers.len());
    assert_eq!(next["roster"]["absent"], day.leavers.len());
    let after = by_number(&ils);
    let names = |at: &Patron| (at.given.clone(), at.middle.clone(), at.surname.clone());
    let place_of = |id: &str| schools(&spec).iter().position(|school| school.sourced_id == id).unwrap();
    for newcomer in &day.newcomers {
        assert!(!before.contains_key(&number(newcomer)) && after.contains_key(&number(newcomer)));
    }
    for moved in &day.moves {
        let patron = &after[&number(&moved.number)];
        assert_eq!(patron.home_branch.as_deref(), Some(branch(place_of(&moved.to))));
        assert_eq!(patron.id, before[&number(&moved.number)].id);
        assert_eq!(patron.pin, before[&number(&moved.number)].pin, "a PIN is set once");
    }
    for corrected in &day.corrected {
        let (old, new) = (&before[&number(corrected)], &after[&number(corrected)]);
        assert!(old.id == new.id && names(old) != names(new));
    }
    for leaver in &day.leavers {
        let (old, new) = (&before[&number(leaver)], &after[&number(leaver)]);
        assert!(old == new, "who left keeps the card as it was");
    }
    for student in students(&rostercard_practice::roster::Spec { day: 1, ..spec.clone() }) {
        assert!(names(&after[&number(&student.number)]) == wanted(&student));
    }
    let touched = |n: &&String| {
        day.moves.iter().any(|m| number(&m.number) == **n) || day.corrected.iter().any(|c| number(c) == **n)
    };
    for (barcode, old) in before.iter().filter(|(barcode, _)| !touched(barcode)) {
        assert!(after[barcode] == *old, "{barcode} was touched for nothing");
    }
    assert_eq!(after.len(), 400 + day.newcomers.len());

    ils.reset_counts();
    let third = library.json(&["sync", "oak"], 0);
    assert_eq!((&third["writes"], &third["lookups"]), (&json!(0), &json!(0)));
    adds_up(&third);
    assert_eq!(ils.messages(), 0);
}

#[test]
fn s15_a_school_without_a_home_waits_with_one_clear_message() {
    let ils = Practice::start();
    let spec = district(60, 3);
    let known: String = homes(&spec).lines().skip(1).map(|line| format!("{line}\n")).collect();
    let library = Library::new(&ils.ncip_url(), &known);
    deliver(&spec, 0, &library.package());
    let left_out = schools(&spec)[0].clone();
    let there = students(&spec).filter(|s| s.schools[0] == 0).count() as u64;
    assert!(there > 0);
    let made = library.json(&["plan", "oak"], 0);
    let run = made["run"].to_string();
    library.run(&["show", &run]).expect(0).says(&[&left_out.name, "[homes]"]);
    let made = library.json(&["approve", &run], 0);
    adds_up(&made);
    let message = &made["findings"]["school_without_home"];
    assert_eq!((&made["counts"]["pending"], &message["count"]), (&json!(there), &json!(there)));
    assert_eq!(ils.counts().patrons, 60 - there);
    // Given a home, they get their cards, and nobody else is written to.
    library.append("partnerships/oak.toml", &format!("\"{}\" = \"SOUTH\"", left_out.name));
    let waits = library.json(&["sync", "oak"], 3);
    assert_eq!(waits["waiting_for"][0]["guard"], "rules_changed", "{waits}");
    library.json(&["approve", &waits["run"].to_string()], 0);
    let south = ils.patrons().iter().filter(|p| p.home_branch.as_deref() == Some("SOUTH")).count() as u64;
    assert_eq!((south, ils.counts().patrons), (there, 60));
}

#[test]
fn s07_a_number_that_is_too_long_is_rejected_and_never_cut() {
    let Some(folder) = school_small() else { return };
    let ils = Practice::start();
    let library = library(&ils, &folder.join("oneroster-school-small.zip"));
    library.edit("partnerships/oak.toml", "{student_id:0>9}", "{student_id:0>8}");
    library.let_all_through();
    // Everybody is rejected: that waits for a person, who says that it is so.
    let waits = library.json(&["sync", "oak"], 3);
    assert_eq!(waits["waiting_for"][0]["guard"], "rejects", "{waits}");
    let run = library.json(&["approve", &waits["run"].to_string()], 2);
    assert_eq!((&run["state"], &run["counts"]["reject"]), (&json!("done_with_rejects"), &json!(72)));
    assert_eq!(run["findings"]["number_too_long"]["count"], 72);
    assert_eq!(run["findings"]["number_too_long"]["places"][0], "users.csv:3");
    adds_up(&run);
    assert_eq!(ils.messages(), 0);
}

#[test]
fn s06_twins_and_namesakes_get_a_card_each_and_are_never_crossed() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    let child = |id: &str, given: &str, school| Child {
        id: id.to_owned(),
        given: given.to_owned(),
        family: "Okafor".to_owned(),
        birth: "2015-05-05".to_owned(),
        school,
    };
    // Twins at one school, and two of one name and birth date at two.
    let mut all = vec![
        child("101", "Ada", "elm"),
        child("102", "Ida", "elm"),
        child("103", "Mary", "elm"),
        child("104", "Mary", "ash"),
    ];
    send(&all, &library.package());
    let made = library.first_load();
    assert_eq!(made["counts"]["create"], 4, "{made}");
    let before = by_number(&ils);
    let held = |at: &BTreeMap<String, Patron>, id: &str| {
        let patron = &at[&number(id)];
        (patron.id, patron.given.clone(), patron.home_branch.clone().unwrap())
    };
    assert_eq!(held(&before, "103").1, held(&before, "104").1);
    assert_eq!((held(&before, "103").2.as_str(), held(&before, "104").2.as_str()), ("MAIN", "EAST"));

    // One twin is corrected into the other's name, and one namesake moves to the other's school.
    all[0].given = "Ida".to_owned();
    all[2].school = "ash";
    send(&all, &library.package());
    let next = library.json(&["sync", "oak"], 0);
    assert_eq!((&next["counts"]["update"], &next["counts"]["create"]), (&json!(2), &json!(0)), "{next}");
    let after = by_number(&ils);
    assert_eq!(held(&after, "101"), (held(&before, "101").0, "Ida".to_owned(), "MAIN".to_owned()));
    assert_eq!(held(&after, "103"), (held(&before, "103").0, "Mary".to_owned(), "EAST".to_owned()));
    assert!(
        before[&number("102")] == after[&number("102")] && before[&number("104")] == after[&number("104")]
    );

    // One of them leaves: the other's card is the other's.
    all.remove(2);
    send(&all, &library.package());
    let last = library.json(&["sync", "oak"], 0);
    assert_eq!((&last["writes"], &last["roster"]["absent"]), (&json!(0), &json!(1)), "{last}");
    assert!(by_number(&ils) == after);
}

#[test]
fn s13_a_bad_address_gets_the_fallback_and_a_word_and_holds_nobody_up() {
    let zips = vec!["95695".to_owned(), "95776".to_owned()];
    let ils = Practice::start_with(Options {
        personality: Personality { zips, ..Personality::default() },
        ..Options::default()
    });
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.append(
        "partnerships/oak.toml",
        "[fields]\naddress = \"school\"\n\n[source.oneroster_csv.columns]\nstreet = \"metadata.street\"\n\
         city = \"metadata.city\"\nstate = \"metadata.state\"\nzip = \"metadata.zip\"\n\
         protected = \"metadata.protected\"\n\n[card.address]\npo_box = \"fallback\"\n\n[card.address.fallback]\n\
         street = \"250 First Street\"\ncity = \"Woodland\"\nstate = \"CA\"\nzip = \"95695\"",
    );
    library.run(&["check"]).expect(0);
    let addresses = [
        "1 Elm Street,Woodland,CA,95776,false",
        ",,,,false",
        "PO Box 12,Woodland,CA,95776,false",
        "2 Hidden Lane,Woodland,CA,95776,true",
        "3 Far Road,Reno,NV,89501,false",
    ];
    let mut all = files(&children(5));
    let names = "metadata.street,metadata.city,metadata.state,metadata.zip,metadata.protected";
    add_columns(&mut all, names, |n| addresses[n].to_owned());
    std::fs::write(library.package(), zipped(&all)).unwrap();
    let made = library.first_load();
    adds_up(&made);
    assert_eq!(made["counts"]["create"], 5, "{made}");
    let after = by_number(&ils);
    let street = |n: usize| after[&number(&children(5)[n].id)].addresses[0].line1.clone();
    assert_eq!(street(0), "1 Elm Street");
    for n in 1..5 {
        assert_eq!(street(n), "250 First Street", "child {n}");
    }
    for code in ["address_missing", "address_po_box", "address_protected"] {
        assert_eq!(made["findings"][code]["count"], 1, "{code}: {made}");
    }
    // Whose address the ILS refused is told too, and nothing is tried again the next night.
    ils.reset_counts();
    let again = library.json(&["sync", "oak"], 0);
    assert_eq!((&again["writes"], ils.messages()), (&json!(0), 0), "{again}");
}

#[test]
fn every_question_is_answered_in_json() {
    let ils = Practice::start();
    let spec = district(40, 5);
    let library = Library::new(&ils.ncip_url(), &homes(&spec));
    deliver(&spec, 0, &library.package());

    let status = library.json(&["status"], 0);
    assert_eq!(status["partnerships"][0]["state"], "never_ran");
    assert_eq!(library.json(&["runs"], 0), json!({ "runs": [] }));

    let listing = library.run(&["--json", "source", "students", "oak"]).expect(0);
    let lines: Vec<Value> = listing.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (end, people) = lines.split_last().unwrap();
    assert_eq!((&end["completeness"], &end["students"]), (&json!("snapshot"), &json!(40)));
    assert_eq!(people.len(), 40);
    for key in ["student_id", "source_ids", "role", "schools", "primary_school", "grade", "status"] {
        assert!(people.iter().all(|person| !person[key].is_null() || key == "grade"), "{key}");
    }
    assert!(
        people.iter().all(|person| person.get("given_name").is_none()),
        "names only where they are asked for"
    );
    let revealed = library.run(&["--json", "source", "students", "oak", "--reveal"]).expect(0);
    let first: Value = serde_json::from_str(revealed.stdout.lines().next().unwrap()).unwrap();
    let student = students(&spec).find(|s| Some(s.number.as_str()) == first["student_id"].as_str()).unwrap();
    assert_eq!(first["birth_date"], student.birth.to_string());

    let probe = library.json(&["ils", "probe", "main"], 0);
    assert_eq!((&probe["ils"], &probe["reachable"]), (&json!("main"), &json!(true)));
    for capability in ["lookup", "create", "update", "block", "unblock", "pin"] {
        let state = probe["capabilities"][capability]["state"].as_str().unwrap();
        assert!(
            ["proven", "claimed", "disproven", "absent", "off"].contains(&state),
            "{capability}: {state}"
        );
    }

    let plan = library.json(&["plan", "oak"], 0);
    let dropped = library.json(&["discard", &plan["run"].to_string()], 0);
    adds_up(&dropped);
    library.run(&["approve", &plan["run"].to_string()]).expect(64);
    assert_eq!(ils.messages_to_write(), 0, "discarded changes are not made");

    let made = library.first_load();
    assert_eq!(made["counts"]["create"], 40);
    let status = library.json(&["status"], 0);
    let oak = &status["partnerships"][0];
    assert_eq!((&oak["name"], &oak["state"], &oak["cards"]), (&json!("oak"), &json!("ok"), &json!(40)));
    assert!(oak["last_success"].is_string() && oak["roster_age_s"].is_number(), "{oak}");
    let runs = library.json(&["runs", "oak"], 0);
    assert!(runs["runs"].as_array().unwrap().len() >= 2, "{runs}");
    let shown = library.json(&["show", &made["run"].to_string()], 0);
    assert_eq!(shown, made);

    let card = number(&student.number);
    let found = library.json(&["ils", "find", "main", "--barcode", &card], 0);
    assert_eq!(found["lookup"], "found");
    let patron = &found["patron"];
    assert_eq!((&patron["barcode"], &patron["category"]), (&json!(card), &json!("STUDENT")));
    assert_eq!(
        (&patron["home_branch"], &patron["expires"]),
        (&json!(branch(student.schools[0])), &json!(expiry()))
    );
    assert!(patron.get("surname").is_none());
    let nobody = library.json(&["ils", "find", "main", "--barcode", "99"], 0);
    assert_eq!((&nobody["lookup"], &nobody["patron"]), (&json!("not_found"), &Value::Null));
    ils.set_down(true);
    let unknown = library.json(&["ils", "find", "main", "--barcode", &card], 75);
    assert_eq!(unknown["lookup"], "unknown", "S03: a failed look-up is never `not found`");
    assert_eq!(library.json(&["ils", "probe", "main"], 75)["reachable"], false);
}
