//! What an administrator asks every day: why has this child no card, what goes back to the district, which schools have no
//! home, how many cards are there.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::support::Library;
use crate::support::practice::Practice;
use crate::support::roster::{
    Child, TWO_HOMES, children, deliver, district, files, homes, number, send, zipped,
};

/// A class in two schools; one child at a school without a home, one whose number is no number.
fn class() -> Vec<Child> {
    let mut class = children(6);
    class[4].school = "ash";
    class[5].id = "1.23E+05".to_owned();
    class
}

fn library(ils: &Practice) -> Library {
    let library = Library::new(&ils.ncip_url(), "\"Elm School\" = \"MAIN\"");
    library.let_all_through();
    send(&class(), &library.package());
    library
}

#[test]
fn explain_says_how_each_child_stands() {
    let ils = Practice::start();
    let library = library(&ils);
    library.run(&["explain", "oak", "4001"]).expect(1).says(&["there is no store yet"]);
    library.run(&["sync", "oak"]);
    let explain = |args: &[&str]| library.json(&[&["explain"], args].concat(), 0);

    let card = explain(&["oak", "4001", "--online"]);
    assert_eq!((&card["roster"]["found"], &card["rules"]["card"]), (&json!(true), &json!(true)), "{card}");
    assert_eq!((&card["ledger"]["state"], &card["ledger"]["branch"]), (&json!("made"), &json!("MAIN")));
    assert_eq!((&card["ils"]["lookup"], &card["ils"]["branch"]), (&json!("found"), &json!("MAIN")));
    assert_eq!(card["next_run"], "nothing: the card is as it should be");
    assert!(card["roster"]["place"].as_str().unwrap().starts_with("users.csv:"));
    // No name, no number, unless it is asked for.
    let said = card.to_string();
    assert!(!said.contains("Given1") && !said.contains(&number("4001")) && !said.contains("2015"), "{said}");
    let revealed = explain(&["oak", "4001", "--reveal"]);
    assert_eq!(
        (&revealed["roster"]["given_name"], &revealed["ledger"]["barcode"]),
        (&json!("Given1"), &json!(number("4001")))
    );

    let by_number = explain(&["--barcode", &number("4001")]);
    assert_eq!((&by_number["partnership"], &by_number["ledger"]), (&json!("oak"), &card["ledger"]));
    library
        .run(&["explain", "--barcode", "999"])
        .expect(1)
        .says(&["the ledger has no card with this number"]);

    let homeless = explain(&["oak", "4005"]);
    assert_eq!(
        (&homeless["rules"]["card"], &homeless["rules"]["code"]),
        (&json!(false), &json!("school_without_home")),
        "{homeless}"
    );
    assert!(homeless["rules"]["what_to_do"].as_str().unwrap().contains("[homes]"));
    let spoilt = explain(&["oak", "1.23E+05"]);
    assert_eq!(spoilt["rules"]["code"], "number_damaged", "{spoilt}");
    let unknown = explain(&["oak", "9999"]);
    assert_eq!((&unknown["roster"]["found"], &unknown["ledger"]), (&json!(false), &Value::Null));
    assert!(unknown["next_run"].as_str().unwrap().contains("neither roster nor ledger"));

    // Moved, corrected, gone: what the next run would do, before it does it.
    library.append("partnerships/oak.toml", "");
    let mut next = class();
    next[0].given = "Anna".to_owned();
    next.remove(1);
    send(&next, &library.package());
    assert_eq!(explain(&["oak", "4001"])["next_run"], "update: given_name");
    assert!(explain(&["oak", "4002"])["next_run"].as_str().unwrap().contains("count the student as missing"));
    library
        .run(&["explain", "oak", "4001"])
        .expect(0)
        .says(&["Ledger: state made", "The next run would: update: given_name."]);
    library.run(&["explain", "oak"]).expect(64);
}

#[test]
fn explain_says_that_a_change_waits() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    send(&children(2), &library.package());
    let waiting = library.json(&["sync", "oak"], 3);
    let explained = library.json(&["explain", "oak", "4001"], 0);
    assert_eq!(explained["waiting_in"], waiting["run"], "{explained}");
    assert!(explained["next_run"].as_str().unwrap().contains("waits for approval"));
}

#[test]
fn s21_a_reject_shows_the_district_its_own_id_the_field_and_the_rule() {
    let ils = Practice::start();
    let library = library(&ils);
    let ran = library.run(&["rejects", "oak"]).expect(2);
    let mut csv = csv::Reader::from_reader(ran.stdout.as_bytes());
    let rows: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1, "{}", ran.stdout);
    assert_eq!(
        (&rows[0][0], &rows[0][1], &rows[0][3], &rows[0][5]),
        ("rejected", "users.csv", "1.23E+05", "number_damaged")
    );
    assert!(rows[0][2].parse::<u32>().unwrap() > 1);
    for private in ["Given", "Family", "2015", "Elm", &number("4001")] {
        assert!(!ran.stdout.contains(private), "{}", ran.stdout);
    }
    let out = library.path("rejects.csv").display().to_string();
    library.run(&["rejects", "oak", "--out", &out]).expect(2).says(&["1 reject"]);
    assert_eq!(fs::read_to_string(&out).unwrap().trim_end(), ran.stdout.trim_end());
    library.run(&["rejects", "oak", "--out", &out]).expect(1).says(&["could not be written"]);
    assert_eq!(library.json(&["rejects", "oak"], 2)["rejects"][0]["student_id"], "1.23E+05");
    assert_eq!(ils.messages(), 0);
}

#[test]
fn students_who_would_get_one_number_are_all_in_the_list() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    let mut class = children(4);
    // 0004001 and 4001 are two ids, and one number of eight digits.
    class[1].id = "0004001".to_owned();
    class[2].id = "04001".to_owned();
    send(&class, &library.package());
    let list = library.json(&["rejects", "oak"], 2);
    let mut ids: Vec<&str> =
        list["rejects"].as_array().unwrap().iter().map(|line| line["student_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["0004001", "04001", "4001"], "{list}");
    let run = library.json(&["plan", "oak"], 0);
    assert_eq!(run["counts"]["reject"], 3, "the run says the same: {run}");
}

#[test]
fn every_damaged_row_is_in_the_list_for_the_district() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    let mut all = files(&children(60));
    let users = String::from_utf8(all["users.csv"].clone()).unwrap();
    // Thirty rows with a cell too many: each is named, not only the first twenty.
    let users: String =
        users
            .lines()
            .enumerate()
            .map(|(n, line)| {
                if (1..=30).contains(&n) {
                    format!("{line},one cell too many\n")
                } else {
                    format!("{line}\n")
                }
            })
            .collect();
    all.insert("users.csv".to_owned(), users.into_bytes());
    fs::write(library.package(), zipped(&all)).unwrap();
    let list = library.json(&["rejects", "oak"], 2);
    let rows: Vec<u64> =
        list["rejects"].as_array().unwrap().iter().filter_map(|line| line["row"].as_u64()).collect();
    assert_eq!(rows, (2..=31).collect::<Vec<u64>>(), "{list}");
}

#[test]
fn s15_schools_without_a_home_come_first_in_a_table_to_fill_in() {
    let ils = Practice::start();
    let library = library(&ils);
    let ran = library.run(&["source", "schools", "oak"]).expect(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "[homes]");
    assert!(lines[1].contains("1 school is without a home") && lines[1].contains("MAIN"), "{}", ran.stdout);
    assert!(lines[2].starts_with('#') && lines[2].contains("Ash School, 1 student"), "{}", ran.stdout);
    assert!(
        lines[3].starts_with("\"Elm School\" = \"MAIN\"") && lines[3].contains("5 students"),
        "{}",
        ran.stdout
    );
    // Filled in, it is a configuration.
    let filled = ran.stdout.replace("\n#\"", "\n\"").replace("= \"\"", "= \"EAST\"");
    let table = filled.strip_prefix("[homes]").unwrap();
    library.edit("partnerships/oak.toml", "\"Elm School\" = \"MAIN\"", table);
    library.run(&["check"]).expect(0);
    let schools = library.json(&["source", "schools", "oak"], 0);
    assert!(
        schools["schools"].as_array().unwrap().iter().all(|school| school["branch"].is_string()),
        "{schools}"
    );
}

#[test]
fn s21_a_report_agrees_with_the_roster_and_holds_small_counts_back() {
    let ils = Practice::start();
    let spec = district(150, 7);
    let library = Library::new(&ils.ncip_url(), &homes(&spec));
    library.let_all_through();
    deliver(&spec, 0, &library.package());
    library.run(&["sync", "oak"]);
    // Counted by itself: what the source says of each student whose card the ILS has.
    let cards: Vec<String> = ils.patrons().into_iter().map(|patron| patron.barcode).collect();
    let listed = library.run(&["--json", "source", "students", "oak"]).expect(0);
    let mut grades: BTreeMap<String, u64> = BTreeMap::new();
    for line in listed.stdout.lines() {
        let student: Value = serde_json::from_str(line).unwrap();
        if student["student_id"].as_str().is_some_and(|id| cards.contains(&number(id))) {
            *grades.entry(student["grade"].as_str().unwrap_or("no grade").to_owned()).or_default() += 1;
        }
    }
    let rows = |report: &Value, list: &str| -> BTreeMap<String, Option<u64>> {
        let rows = report["partnerships"][0]["lists"][list].as_array().unwrap().iter();
        rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row["count"].as_u64())).collect()
    };
    let inside = library.json(&["report", "oak", "--internal"], 0);
    assert_eq!(
        rows(&inside, "grades"),
        grades.iter().map(|(grade, count)| (grade.clone(), Some(*count))).collect()
    );
    assert_eq!(inside["partnerships"][0]["cards"], cards.len());
    assert_eq!(inside["partnerships"][0]["third_graders"].as_u64(), grades.get("03").copied());

    let outside = library.json(&["report", "oak"], 0);
    for (list, counts) in [("grades", rows(&outside, "grades")), ("schools", rows(&outside, "schools"))] {
        assert!(counts.values().flatten().all(|count| *count >= 10), "{list}: {counts:?}");
        let held = counts.values().filter(|count| count.is_none()).count();
        assert!(held != 1, "one alone can be worked out: {counts:?}");
    }
    assert!(grades.values().any(|count| *count < 10), "the district has small grades: {grades:?}");

    let text = library.run(&["report", "oak"]).expect(0).stdout;
    assert!(text.contains("Cards by school") && text.contains("* fewer than 10"), "{text}");
    let csv = library.run(&["report", "--format", "csv"]).expect(0).stdout;
    assert!(csv.starts_with("partnership,day,list,name,count,enrolment,share"), "{csv}");
    let out = library.path("report.html").display().to_string();
    library.run(&["report", "--format", "html", "--out", &out]).expect(0);
    let html = fs::read_to_string(&out).unwrap();
    assert!(html.contains("<caption>Cards by grade</caption>") && !html.contains("http"), "{html}");
    for word in ["linked", "made", "adopted"] {
        assert!(!html.contains(word) && !text.contains(word) && !csv.contains(word), "{word}");
    }
}
