//! `rostercard import`: rosters that a person gives, once a year and a few in between.

use std::fs;

use serde_json::json;

use crate::support::Library;
use crate::support::practice::Practice;

const HOMES: &str = "\"100\" = \"MAIN\"\n\"200\" = \"EAST\"";
const HEADER: &str = "Student_Number,Last_Name,First_Name,DOB,Grade_Level,SchoolID\n";

/// A library with a school that sends spreadsheets by mail.
fn library(ils: &Practice) -> Library {
    let library = Library::new(&ils.ncip_url(), HOMES);
    let path = format!("path = \"{}\"", library.package().display());
    library.edit("partnerships/oak.toml", "[source.oneroster_csv]", "[source.csvdrop]");
    library.edit("partnerships/oak.toml", &path, "import_only = true\npreset = \"powerschool\"");
    library.edit("partnerships/oak.toml", "ils = \"main\"", "ils = \"main\"\nexpected_every = \"1y\"");
    library
}

fn students(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("{},Oak,Child{n},02/28/2013,7,100\n", 100_000 + n)).collect()
}

/// A file of these students, by its path.
fn file(library: &Library, name: &str, rows: &str) -> String {
    let path = library.path(name);
    fs::write(&path, format!("{HEADER}{rows}")).unwrap();
    path.display().to_string()
}

#[test]
fn s40_a_spreadsheet_once_a_year_and_twelve_newcomers_in_january() {
    let ils = Practice::start();
    let library = library(&ils);
    library.run(&["check", "--online"]).expect(0).says(&["are given by `rostercard import`"]);

    // Nothing to fetch is nothing wrong, by hand and by the daemon's eyes.
    let none = library.json(&["sync", "oak"], 0);
    assert_eq!(none["findings"]["import_only"]["count"], 1, "{none}");
    assert_eq!(library.json(&["status"], 0)["partnerships"][0]["state"], "ok");

    // Everybody, in autumn. The guards are those of any run, and a second file does not push the first one aside.
    let autumn = file(&library, "autumn.csv", &students(0..80));
    let waiting = library.json(&["import", "oak", &autumn, "--as", "whole"], 3);
    assert_eq!((&waiting["counts"]["waiting"], &waiting["writes"]), (&json!(80), &json!(0)), "{waiting}");
    let january = file(&library, "january.csv", &students(80..92));
    let run = waiting["run"].to_string();
    library.run(&["import", "oak", &january]).expect(3).says(&[&format!("changes of run {run} wait")]);
    library.json(&["approve", &run], 0);
    assert_eq!(ils.patrons().len(), 80);
    assert!(fs::exists(&autumn).unwrap(), "the file is whoever's who gave it");

    // Twelve newcomers, in January: additions unless said otherwise.
    let newcomers = library.json(&["import", "oak", &january], 0);
    assert_eq!(
        (&newcomers["counts"]["create"], &newcomers["counts"]["unchanged"], &newcomers["roster"]["absent"]),
        (&json!(12), &json!(80), &json!(0)),
        "{newcomers}"
    );
    assert_eq!(newcomers["findings"]["imported"]["places"], json!(["january.csv"]));
    assert_eq!((ils.patrons().len(), fs::exists(&january).unwrap()), (92, true));

    // The same file again, and a night of the daemon's: nothing more.
    let again = library.json(&["import", "oak", &january], 0);
    assert_eq!((&again["writes"], &again["lookups"]), (&json!(0), &json!(0)), "{again}");
    library.json(&["sync", "oak"], 0);
    let oak = &library.json(&["status"], 0)["partnerships"][0];
    assert_eq!((&oak["state"], &oak["cards"]), (&json!("ok"), &json!(92)), "{oak}");
    let audit = library.json(&["audit"], 0).to_string();
    assert!(audit.contains("import as whole") && audit.contains("import as additions"), "{audit}");
}

#[test]
fn s40_twelve_taken_for_everybody_withdraw_nobody() {
    let ils = Practice::start();
    let library = library(&ils);
    let autumn = file(&library, "autumn.csv", &students(0..80));
    let run = library.json(&["import", "oak", &autumn, "--as", "whole"], 3)["run"].to_string();
    library.json(&["approve", &run], 0);
    let january = file(&library, "january.csv", &students(80..92));
    let wrong = library.json(&["import", "oak", &january, "--as", "whole"], 3);
    assert_eq!(wrong["waiting_for"][0]["guard"], "roster_collapsed", "{wrong}");
    assert_eq!((&wrong["counts"]["lapse"], &wrong["writes"]), (&json!(0), &json!(0)));
    // Said rightly, the next one goes through once the wrong one is dropped.
    library.run(&["discard", &wrong["run"].to_string()]).expect(0);
    assert_eq!(library.json(&["import", "oak", &january, "--as", "additions"], 0)["counts"]["create"], 12);
    assert_eq!(ils.patrons().len(), 92);
}

#[test]
fn s40_a_file_with_nobody_in_it_or_for_another_source_says_so() {
    let ils = Practice::start();
    let library = library(&ils);
    let empty = file(&library, "empty.csv", "");
    for holds in ["whole", "additions"] {
        library
            .run(&["import", "oak", &empty, "--as", holds])
            .expect(1)
            .says(&["empty.csv has nobody in it"]);
    }
    let nowhere = library.path("nowhere.csv").display().to_string();
    library.run(&["import", "oak", &nowhere]).expect(64).says(&["nowhere.csv"]);
    library.run(&["import", "oak", &empty, "--as", "all"]).expect(64);
    assert_eq!(ils.messages(), 0);
    let rest = "[source.oneroster]\nurl = \"https://sis.example.org/ims/oneroster/rostering/v1p2\"\nversion = \"1.2\"\n\
                auth = \"bearer\"\ntoken = { file = \"state.key\" }";
    library.edit(
        "partnerships/oak.toml",
        "[source.csvdrop]\nimport_only = true\npreset = \"powerschool\"",
        rest,
    );
    library.run(&["import", "oak", &empty]).expect(64).says(&["[source.oneroster]", "rostercard sync"]);
}

#[test]
fn s40_a_oneroster_package_is_imported_as_additions() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), HOMES);
    let path = format!("path = \"{}\"", library.package().display());
    library.edit("partnerships/oak.toml", &path, "import_only = true");
    let out = library.package().display().to_string();
    let roster = |seed: &str, students: &str| {
        let args = ["practice", "roster", "--students", students, "--seed", seed, "--out", &out];
        library.run(&args).expect(0);
    };
    roster("3", "60");
    let homes = library.run(&["--json", "import", "oak", &out, "--as", "whole"]);
    // Whatever the practice district's schools are called: each gets a home.
    let plan = homes.json();
    let schools: Vec<String> = plan["by_school"]
        .as_object()
        .unwrap()
        .keys()
        .map(|label| label.split(' ').next().unwrap().to_owned())
        .collect();
    let lines: Vec<String> = schools.iter().map(|code| format!("\"{code}\" = \"MAIN\"")).collect();
    library.edit("partnerships/oak.toml", HOMES, &lines.join("\n"));
    let run = library.json(&["import", "oak", &out, "--as", "whole"], 3)["run"].to_string();
    library.json(&["approve", &run], 0);
    let cards = ils.patrons().len() as u64;
    assert!(cards > 30, "{cards}");
    // Another district's package would be half of everybody missing as whole; as additions it takes nobody away.
    fs::remove_file(library.package()).unwrap();
    roster("3", "90");
    let more = library.run(&["--json", "import", "oak", &out]).json();
    assert_eq!((&more["roster"]["absent"], &more["counts"]["lapse"]), (&json!(0), &json!(0)), "{more}");
    assert_eq!(more["findings"]["imported"]["count"], 1, "{more}");
}
