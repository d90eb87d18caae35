//! One district and several libraries, several districts and one library.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::Library;
use crate::support::practice::Practice;

const HEADER: &str = "Student_Number,Last_Name,First_Name,DOB,Grade_Level,SchoolID\n";

/// A roster file whose last change was so many seconds ago.
fn deliver(library: &Library, name: &str, children: &[(u32, &str)], seconds_ago: u64) {
    deliver_families(library, name, "Oak", children, seconds_ago);
}

/// The same of children who all have this family name.
fn deliver_families(library: &Library, name: &str, family: &str, children: &[(u32, &str)], seconds_ago: u64) {
    let rows: String = children
        .iter()
        .map(|(id, school)| format!("{id},{family},Child{id},02/28/2013,7,{school}\n"))
        .collect();
    let path = library.path(name);
    fs::write(&path, format!("{HEADER}{rows}")).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(now() - Duration::from_secs(seconds_ago)).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "files are as old as the machine's clock says")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// A partnership's file.
fn partnership(library: &Library, name: &str, head: &str, number: &str, homes: &str) {
    let text = format!(
        "id = \"{name}\"\ndistrict = \"District of {name}\"\n{head}\n[card]\nmodel = \"digital\"\ncategory = \"STUDENT\"\n\
         number = \"{number}\"\npin = \"random\"\nexpires = {{ every_year = \"10-01\" }}\n[match]\nexisting = \"separate\"\n\
         [guards]\nfirst_connection = \"off\"\ncreate = \"off\"\nschool = \"off\"\n[lapse]\ngrace_days = 1\ngrace_feeds = 2\n\
         [homes]\n{homes}\n"
    );
    fs::write(library.path(&format!("partnerships/{name}.toml")), text).unwrap();
}

/// One district, three libraries with an ILS each: elm has school 100, ash 200, fir 300.
fn three(ils: &[Practice; 3]) -> Library {
    let library = Library::new(&ils[0].ncip_url(), "");
    fs::remove_file(library.path("partnerships/oak.toml")).unwrap();
    let named = "[libraries.elm]\nname = \"Elm Library\"\ntimezone = \"Pacific/Pago_Pago\"\n\n\
                 [libraries.ash]\nname = \"Ash Library\"\ntimezone = \"UTC\"\n\n\
                 [libraries.fir]\nname = \"Fir Library\"\ntimezone = \"UTC\"\n";
    library.edit("rostercard.toml", "[library]\nname = \"Oak Library\"\ntimezone = \"UTC\"\n", named);
    let path = library.path("district.csv").display().to_string();
    library.append(
        "rostercard.toml",
        &format!(
            "[sources.district.csvdrop]\npath = \"{path}\"\nholds = \"snapshot\"\npreset = \"powerschool\""
        ),
    );
    for (at, name) in ["elm", "ash", "fir"].into_iter().enumerate() {
        let url = ils[at].ncip_url();
        library.append(
            "rostercard.toml",
            &format!("[ils.{name}]\nid = \"{name}\"\n[ils.{name}.ncip]\nurl = \"{url}\"\nfrom_agency = \"R\"\nto_agency = \"M\""),
        );
        let head = format!("library = \"{name}\"\nils = \"{name}\"\nsource = \"district\"");
        let homes = format!("\"{}00\" = \"MAIN\"", at + 1);
        partnership(&library, name, &head, "77{student_id:0>8}", &homes);
    }
    library
}

fn numbers(ils: &Practice) -> BTreeSet<String> {
    ils.patrons().into_iter().map(|patron| patron.barcode).collect()
}

fn count(run: &Value, name: &str) -> u64 {
    run["counts"][name].as_u64().unwrap()
}

/// Two at elm, two at ash, one at fir.
const AUTUMN: [(u32, &str); 5] =
    [(100_001, "100"), (100_002, "100"), (100_003, "200"), (100_004, "200"), (100_005, "300")];

#[test]
fn s10_a_student_who_moves_to_another_librarys_school_gets_its_card_and_keeps_the_old_one_for_the_grace() {
    let ils = [Practice::start(), Practice::start(), Practice::start()];
    let library = three(&ils);
    deliver(&library, "district.csv", &AUTUMN, 500);
    library.run(&["check", "--online"]).expect(0).says(&["3 of 3 partnerships"]);
    for (name, cards) in [("elm", 2), ("ash", 2), ("fir", 1)] {
        let run = library.json(&["sync", name], 0);
        assert_eq!((count(&run, "create"), count(&run, "students")), (cards, cards), "{run}");
    }
    assert_eq!(numbers(&ils[1]), BTreeSet::from(["7700100003".to_owned(), "7700100004".to_owned()]));

    // One moves from elm to ash: there a card is made, here the old one stays through the grace.
    let mut moved = AUTUMN;
    moved[0].1 = "200";
    deliver(&library, "district.csv", &moved, 400);
    let (ash, elm) = (library.json(&["sync", "ash"], 0), library.json(&["sync", "elm"], 0));
    assert_eq!((count(&ash, "create"), count(&ash, "unchanged")), (1, 2), "{ash}");
    assert_eq!((count(&elm, "lapse"), &elm["roster"]["absent"]), (0, &json!(1)), "{elm}");
    assert!(numbers(&ils[0]).contains("7700100001") && numbers(&ils[1]).contains("7700100001"));
    let explained = library.json(&["explain", "elm", "100001"], 0).to_string();
    assert!(explained.contains("\"made\""), "{explained}");

    // A day later, by elm's clock, and a roster later: it lapses by elm's rule, and ash's stays.
    library.edit("rostercard.toml", "Pacific/Pago_Pago", "Pacific/Kiritimati");
    deliver(&library, "district.csv", &moved, 300);
    let (elm, ash) = (library.json(&["sync", "elm"], 0), library.json(&["sync", "ash"], 0));
    assert_eq!((count(&elm, "lapse"), count(&elm, "unchanged")), (1, 1), "{elm}");
    assert_eq!((count(&ash, "lapse"), count(&ash, "unchanged")), (0, 3), "{ash}");
    // Nobody at fir has noticed anything, and going back brings the same card back.
    assert_eq!(library.json(&["sync", "fir"], 0)["writes"], 0);
    deliver(&library, "district.csv", &AUTUMN, 200);
    let back = library.json(&["sync", "elm"], 0);
    assert_eq!((count(&back, "restore"), count(&back, "create")), (1, 0), "{back}");
    assert_eq!(numbers(&ils[0]).len(), 2);
}

#[test]
fn s15_a_school_that_two_partnerships_or_none_take_is_found() {
    let ils = [Practice::start(), Practice::start(), Practice::start()];
    let library = three(&ils);
    // By the check, where two spell it alike: both stop, and the third goes on.
    library.edit("partnerships/ash.toml", "\"200\" = \"MAIN\"", "\"200\" = \"MAIN\"\n\"100\" = \"MAIN\"");
    library.run(&["check"]).expect(78).says(&[
        "has this school too",
        "taken here first",
        "1 of 3 partnerships",
    ]);
    library.edit("partnerships/ash.toml", "\n\"100\" = \"MAIN\"", "");
    // By the run, where the roster tells.
    let mut roster = AUTUMN;
    roster[4].1 = "900";
    deliver(&library, "district.csv", &roster, 500);
    library
        .run(&["check", "--online"])
        .expect(0)
        .says(&["no partnership of source `district` takes this school"]);
    for name in ["elm", "ash", "fir"] {
        let run = library.json(&["sync", name], 0);
        assert_eq!(run["findings"]["school_of_nobody"]["places"], json!(["900"]), "{run}");
        assert_eq!((count(&run, "pending"), count(&run, "create")), (1, if name == "fir" { 0 } else { 2 }));
    }
    assert!(ils[2].patrons().is_empty());
    library.run(&["source", "schools", "fir"]).expect(0).says(&["#\"900\" = \"\""]);
}

#[test]
fn what_is_wrong_with_names_is_told_where_it_stands() {
    let ils = [Practice::start(), Practice::start(), Practice::start()];
    let library = three(&ils);
    library.edit("partnerships/elm.toml", "library = \"elm\"\n", "");
    library.edit("partnerships/ash.toml", "library = \"ash\"", "library = \"asch\"");
    library.edit("partnerships/fir.toml", "source = \"district\"", "source = \"distrct\"");
    library.run(&["check"]).expect(78).says(&[
        "library = one of `elm`, `ash` or `fir`",
        "did you mean `ash`?",
        "did you mean `district`?",
    ]);
    // A drop folder's files would be put away by the first of the three.
    let library = three(&ils);
    library.edit("rostercard.toml", "holds = \"snapshot\"", "holds = \"snapshot\"\nafter_use = \"archive\"");
    let said = library.run(&["check"]).expect(78).says(&["take the files away from the other partnerships"]);
    assert_eq!(said.stderr.matches("after_use = \"archive\" would").count(), 1, "once: {}", said.both());
    // [library] beside [libraries] is one too many.
    let library = three(&ils);
    library.append("rostercard.toml", "[library]\nname = \"One\"\ntimezone = \"UTC\"");
    library.run(&["check"]).expect(78).says(&["not both"]);
}

#[test]
fn s07_nine_districts_with_the_same_student_numbers_and_one_library() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), "");
    fs::remove_file(library.path("partnerships/oak.toml")).unwrap();
    let children: Vec<(u32, &str)> = (0..6).map(|n| (4_711 + n, "100")).collect();
    for district in 1..=9 {
        let name = format!("district-{district}");
        let file = format!("{name}.csv");
        let path = library.path(&file).display().to_string();
        let head = format!(
            "ils = \"main\"\n[source.csvdrop]\npath = \"{path}\"\nholds = \"snapshot\"\npreset = \"powerschool\""
        );
        partnership(&library, &name, &head, &format!("7{district}{{student_id:0>8}}"), "\"100\" = \"MAIN\"");
        // Other children: who has the same names and birth date in two districts of one ILS would be a question.
        deliver_families(&library, &file, &format!("Oak{district}"), &children, 500);
    }
    library.run(&["check", "--online"]).expect(0).says(&["9 of 9 partnerships"]);
    for district in 1..=9 {
        assert_eq!(count(&library.json(&["sync", &format!("district-{district}")], 0), "create"), 6);
    }
    let wanted: BTreeSet<String> =
        (1..=9).flat_map(|district| (0..6).map(move |n| format!("7{district}{:0>8}", 4_711 + n))).collect();
    assert_eq!(numbers(&ils), wanted);
    // Each knows its own people alone: to none of them are the others missing.
    for district in 1..=9 {
        assert_eq!(library.json(&["sync", &format!("district-{district}")], 0)["writes"], 0);
    }
    let report = library.json(&["report"], 0).to_string();
    assert!(report.contains("district-9"), "{report}");
}
