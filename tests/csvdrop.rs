//! A district's own file, by configuration alone: a workbook, an export in the manner of Aeries, Clever's `students.csv`; what a
//! spreadsheet did to it; and the drop folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::support::Library;
use crate::support::practice::Practice;

const HOMES: &str = "\"100\" = \"MAIN\"\n\"200\" = \"EAST\"";

/// A library whose roster is a file or folder of the district's own.
fn library(ils: &Practice, path: &str, keys: &str) -> Library {
    let library = Library::new(&ils.ncip_url(), HOMES);
    let path = library.path(path).display().to_string();
    library.edit("partnerships/oak.toml", "[source.oneroster_csv]", &format!("[source.csvdrop]\n{keys}"));
    library.edit("partnerships/oak.toml", &library.package().display().to_string(), &path);
    library
}

/// A file that has not changed for an hour.
fn settled(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    let hour = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(3600);
    file.set_modified(hour).unwrap();
}

/// Card number: surname, given name, birth date, branch.
fn held(ils: &Practice) -> BTreeMap<String, [String; 4]> {
    let text = |value: Option<String>| value.unwrap_or_default();
    ils.patrons()
        .into_iter()
        .map(|p| (p.barcode, [p.surname, p.given, text(p.birth_date), text(p.home_branch)]))
        .collect()
}

fn person(surname: &str, given: &str, born: &str, branch: &str) -> [String; 4] {
    [surname, given, born, branch].map(str::to_owned)
}

/// A workbook with one sheet. A cell is text; `=n:` makes it a number, `=d:` a date by its day number, `=e:` an error.
fn workbook(rows: &[&[&str]]) -> Vec<u8> {
    let mut sheet = String::from(
        "<?xml version=\"1.0\"?><worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>",
    );
    for (row, cells) in rows.iter().enumerate() {
        sheet.push_str(&format!("<row r=\"{}\">", row + 1));
        for (column, cell) in cells.iter().enumerate() {
            let at = format!("{}{}", char::from(b'A' + u8::try_from(column).unwrap()), row + 1);
            sheet.push_str(&match cell.split_once(':') {
                Some(("=n", number)) => format!("<c r=\"{at}\"><v>{number}</v></c>"),
                Some(("=d", day)) => format!("<c r=\"{at}\" s=\"1\"><v>{day}</v></c>"),
                Some(("=e", error)) => format!("<c r=\"{at}\" t=\"e\"><v>{error}</v></c>"),
                _ => format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{cell}</t></is></c>"),
            });
        }
        sheet.push_str("</row>");
    }
    sheet.push_str("</sheetData></worksheet>");
    let parts = [
        (
            "[Content_Types].xml",
            "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
             <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
             <Default Extension=\"xml\" ContentType=\"application/xml\"/></Types>",
        ),
        (
            "_rels/.rels",
            "<?xml version=\"1.0\"?><Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
             <Relationship Id=\"r1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" \
             Target=\"xl/workbook.xml\"/></Relationships>",
        ),
        (
            "xl/workbook.xml",
            "<?xml version=\"1.0\"?><workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
             xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>\
             <sheet name=\"Roster\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>",
        ),
        (
            "xl/_rels/workbook.xml.rels",
            "<?xml version=\"1.0\"?><Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
             <Relationship Id=\"r1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" \
             Target=\"worksheets/sheet1.xml\"/>\
             <Relationship Id=\"r2\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles\" \
             Target=\"styles.xml\"/></Relationships>",
        ),
        (
            "xl/styles.xml",
            "<?xml version=\"1.0\"?><styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">\
             <cellXfs count=\"2\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>",
        ),
        ("xl/worksheets/sheet1.xml", sheet.as_str()),
    ];
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in parts {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_districts_workbook_goes_in() {
    let ils = Practice::start();
    let keys = "holds = \"snapshot\"\nid_width = 6\nid_pad = true\ngrades = { \"Kinder\" = \"KG\" }\n\
                columns = { student_id = \"Pupil No.\", family_name = \"Surname\", given_name = \"First\", birth_date = \"Born\", \
                grade = \"Year\", school = \"Site\", school_name = \"Site Name\" }";
    let library = library(&ils, "roster.xlsx", keys);
    let book = workbook(&[
        &["Pupil No.", "Surname", "First", "Born", "Year", "Site", "Site Name", "Lunch"],
        &["=n:4711", "O'Hara", "Zoë", "=d:41765", "Kinder", "=n:100", "Elm", "free"],
        &["004712", "Núñez", "María José", "2013-02-28", "=n:6", "200", "Ash", "no"],
    ]);
    settled(&library.path("roster.xlsx"), &book);
    library.run(&["check", "--online"]).expect(0).says(&["columns that are not used, and not read: Lunch"]);
    assert_eq!(library.first_load()["counts"]["create"], 2);
    let expected = BTreeMap::from([
        ("7700004711".to_owned(), person("O'Hara", "Zoë", "2014-05-06", "MAIN")),
        ("7700004712".to_owned(), person("Núñez", "María José", "2013-02-28", "EAST")),
    ]);
    assert_eq!(held(&ils), expected);
    let again = library.json(&["sync", "oak"], 0);
    assert_eq!((&again["writes"], &again["lookups"]), (&json!(0), &json!(0)));
}

#[test]
fn an_export_in_the_manner_of_aeries_goes_in() {
    let ils = Practice::start();
    let library = library(&ils, "stu.txt", "holds = \"snapshot\"\npreset = \"aeries\"");
    // Tabs, and the letters of Windows.
    let text = "Student ID\tLast Name\tFirst Name\tMiddle Name\tBirthdate\tGrade\tSchool Code\tSchool Name\r\n\
                100234\tNúñez\tMaría\t\t2/28/2013\t7\t100\tElm\r\n\
                100235\tO’Hara\tZoë\tAnn\t5/6/2014\tTK\t200\tAsh\r\n";
    let bytes: Vec<u8> =
        text.chars().map(|c| if c == '’' { 0x92 } else { u8::try_from(u32::from(c)).unwrap() }).collect();
    settled(&library.path("stu.txt"), &bytes);
    let plan = library.json(&["plan", "oak"], 0);
    assert_eq!(plan["findings"]["encoding_guessed"]["count"], 1, "{plan}");
    library.json(&["approve", &plan["run"].to_string()], 0);
    let expected = BTreeMap::from([
        ("7700100234".to_owned(), person("Núñez", "María", "2013-02-28", "MAIN")),
        ("7700100235".to_owned(), person("O’Hara", "Zoë", "2014-05-06", "EAST")),
    ]);
    assert_eq!(held(&ils), expected);
}

#[test]
fn clevers_students_file_goes_in() {
    let ils = Practice::start();
    let library = library(&ils, "students.csv", "holds = \"snapshot\"\npreset = \"clever\"");
    let text = "\u{feff}\"Student_id\",\"State_id\",\"Student_number\",\"School_id\",\"Student_city\",\"Dob\",\"First_name\",\
                \"Middle_name\",\"Last_name\",\"Gender\",\"Grade\",\"Frl_status\"\n\
                \"9001\",\"s1\",\"100234\",\"100\",\"Oakton\",\"02/28/2013\",\"Ann\",\"\",\"de la Cruz, Jr.\",\"F\",\"7\",\"Y\"\n";
    settled(&library.path("students.csv"), text.as_bytes());
    library.first_load();
    let expected =
        BTreeMap::from([("7700100234".to_owned(), person("de la Cruz, Jr.", "Ann", "2013-02-28", "MAIN"))]);
    assert_eq!(held(&ils), expected);
    // What the agreement does not need was never read.
    let students = library.run(&["--json", "source", "students", "oak", "--reveal"]).expect(0);
    assert!(!students.stdout.contains("Oakton") && !students.stdout.contains("Frl"), "{}", students.stdout);
}

#[test]
fn s07_what_a_spreadsheet_spoilt_is_named_by_file_row_and_column() {
    let ils = Practice::start();
    let keys = "holds = \"snapshot\"\nid_width = 6\n\
                columns = { student_id = \"ID\", family_name = \"Last\", given_name = \"First\", birth_date = \"Born\", grade = \"Gr\", school = \"Site\" }";
    let library = library(&ils, "roster.csv", keys);
    let rows = [
        "ID,Last,First,Born,Gr,Site",
        "100234,Oak,Ann,2013-02-28,7,100",
        "1.00235E+05,Oak,Ben,2013-02-28,7,100",
        "4711,Oak,Cleo,2013-02-28,7,100",
        "100236.0,Oak,Dan,2013-02-28,7,100",
        "100237,Oak,Eve,41333,7,100",
        "100238,#N/A,Fay,2013-02-28,7,100",
        "100239,Oak,Gus,2013-02-28,7",
        "100240,MuÃ±oz,Hal,2013-02-28,7,100",
        "100241,Oak,Ida,2/30/2013,7,100",
        "100242,Oak,Jon,2013-02-28,Seventh,100",
        "100234,Elm,Other,2012-01-01,7,100",
    ];
    settled(&library.path("roster.csv"), rows.join("\n").as_bytes());
    let plan = library.json(&["plan", "oak"], 0);
    let finding = |code: &str| -> Value { plan["findings"][code]["places"].clone() };
    for (code, place) in [
        ("id_in_scientific_notation", "roster.csv:3 (ID)"),
        ("id_lost_zeros", "roster.csv:4 (ID)"),
        ("id_with_decimals", "roster.csv:5 (ID)"),
        ("date_as_number", "roster.csv:6 (Born)"),
        ("formula_error", "roster.csv:7 (Last)"),
        ("row_width", "roster.csv:8"),
        ("wrong_encoding", "roster.csv:9 (Last)"),
        ("birth_date_unclear", "roster.csv:10 (Born)"),
        ("grade_unknown", "roster.csv:11 (Gr)"),
        ("duplicate_student_id", "roster.csv:2"),
    ] {
        let places = finding(code).to_string();
        assert!(places.contains(place.split(' ').next().unwrap()), "{code}: {places} in {plan}");
        if let Some((_, column)) = place.split_once(' ') {
            assert!(places.contains(column.trim_matches(['(', ')'])), "{code}: {places}");
        }
    }
    // The rest goes on: three are good enough for a card, and nobody's number was mended.
    assert_eq!((&plan["counts"]["create"], &plan["counts"]["reject"]), (&json!(3), &json!(7)), "{plan}");
    let said = plan.to_string();
    assert!(!said.contains("100235") && !said.contains("Oak,"), "{said}");
}

#[test]
fn s13_a_missing_or_protected_address_is_never_taken_from_elsewhere() {
    let ils = Practice::start();
    let keys = "holds = \"snapshot\"\n\
                columns = { student_id = \"ID\", family_name = \"Last\", given_name = \"First\", birth_date = \"Born\", school = \"Site\", \
                street = \"Street\", city = \"City\", state = \"State\", zip = \"Zip\", protected = \"Safe at Home\" }";
    let library = library(&ils, "roster.csv", keys);
    library.append("partnerships/oak.toml", "[fields]\naddress = \"school\"");
    let rows = "ID,Last,First,Born,Site,Street,City,State,Zip,Safe at Home\n\
                100234,Oak,Ann,2013-02-28,100,1 Elm St,Oakton,CA,95695,\n\
                100235,Oak,Ben,2013-02-28,100,,,,,\n\
                100236,Oak,Cleo,2013-02-28,100,9 Hidden Rd,Oakton,CA,95695,Y\n";
    settled(&library.path("roster.csv"), rows.as_bytes());
    let students = library.run(&["--json", "source", "students", "oak", "--reveal"]).expect(0);
    let line = |id: &str| -> Value {
        let found = students.stdout.lines().find(|line| line.contains(id)).unwrap();
        serde_json::from_str(found).unwrap()
    };
    assert_eq!(line("100234")["address"]["street"], "1 Elm St");
    assert_eq!((&line("100235")["address"], &line("100236")["address"]), (&Value::Null, &json!("protected")));
    assert!(!students.stdout.contains("Hidden"));
}

#[test]
fn s40_a_file_in_the_drop_folder_is_used_once() {
    let ils = Practice::start();
    let keys = "holds = \"additions\"\npreset = \"powerschool\"\nready = { after = \"2m\" }";
    let library = library(&ils, "drop", keys);
    fs::create_dir(library.path("drop")).unwrap();
    let header = "Student_Number,Last_Name,First_Name,DOB,Grade_Level,SchoolID\n";
    let whole = "100234,Oak,Ann,02/28/2013,7,100\n100235,Oak,Ben,03/01/2013,7,200\n1.0E+05,Oak,Cleo,03/01/2013,7,200\n";
    let names = |folder: &str| -> Vec<String> {
        let Ok(files) = fs::read_dir(library.path(folder)) else { return Vec::new() };
        let mut names: Vec<String> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };

    // Nothing yet; then one that is still being sent.
    let none = library.json(&["sync", "oak"], 0);
    assert_eq!(none["findings"]["no_new_file"]["count"], 1, "{none}");
    fs::write(library.path("drop/autumn.csv"), format!("{header}{whole}")).unwrap();
    let early = library.json(&["sync", "oak"], 0);
    assert_eq!(
        (&early["findings"]["file_not_ready"]["count"], &early["roster"]["students"]),
        (&json!(1), &json!(0))
    );

    // Whole: its plan waits, and the file stays until somebody has decided.
    settled(&library.path("drop/autumn.csv"), format!("{header}{whole}").as_bytes());
    let waiting = library.json(&["sync", "oak"], 3);
    assert_eq!(waiting["counts"]["waiting"], 2);
    assert_eq!(names("drop"), ["autumn.csv"]);
    let done = library.json(&["approve", &waiting["run"].to_string()], 2);
    assert_eq!(
        (&done["counts"]["create"], &done["findings"]["file_archived"]["count"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(names("drop"), ["archive"]);
    assert!(names("drop/archive")[0].ends_with("-autumn.csv"), "{:?}", names("drop/archive"));

    // What was used can still be looked at: names for the PINs, and what the school has to correct.
    let explained = library.json(&["explain", "oak", "100234"], 0);
    assert!(explained["roster"]["place"].as_str().unwrap().ends_with("-autumn.csv:2"), "{explained}");
    assert_eq!(library.json(&["rejects", "oak"], 2)["rejects"][0]["rule"], "id_in_scientific_notation");
    let out = library.path("pins").display().to_string();
    let handed = library.json(&["pins", "export", "oak", "--out", &out], 0);
    assert_eq!((&handed["pins"], &handed["names_from_ils"]), (&json!(2), &json!(false)), "{handed}");
    let lists: String = handed["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| fs::read_to_string(file.as_str().unwrap()).unwrap())
        .collect();
    for patron in ils.patrons() {
        let line = format!("{},{},{},{}", patron.surname, patron.given, "07", "");
        assert!(lists.contains(line.trim_end_matches(',')), "{lists}");
        assert!(lists.contains(&format!("{},{}", patron.barcode, patron.pin.unwrap())), "{lists}");
    }

    // Twelve newcomers in January are twelve newcomers, and the others are not missing.
    let newcomers: String =
        (0..12).map(|n| format!("{},New,Comer{n},04/05/2014,5,100\n", 200_300 + n)).collect();
    settled(&library.path("drop/january.csv"), format!("{header}{newcomers}").as_bytes());
    let january = library.json(&["sync", "oak"], 0);
    assert_eq!(
        (&january["counts"]["create"], &january["roster"]["absent"]),
        (&json!(12), &json!(0)),
        "{january}"
    );
    assert_eq!(january["counts"]["students"], 14);
    assert_eq!((names("drop").len(), names("drop/archive").len()), (1, 2));
    assert_eq!(held(&ils).len(), 14);
    library.run(&["sync", "oak"]).expect(0).says(&["no new file has come"]);
    assert_eq!(held(&ils).len(), 14);
}

#[test]
fn a_wrong_header_says_what_is_there() {
    let ils = Practice::start();
    let library = library(
        &ils,
        "roster.csv",
        "holds = \"snapshot\"\ncolumns = { student_id = \"Student_Numer\", school = \"Site\" }",
    );
    settled(&library.path("roster.csv"), b"Student_Number,Site\n100234,100\n");
    library.run(&["sync", "oak"]).expect(1).says(&[
        "has no column `Student_Numer`",
        "did you mean `Student_Number`?",
        "Student_Number, Site",
    ]);
    assert_eq!(ils.messages(), 0);
}

#[test]
fn s40_stale_is_measured_against_the_rosters_own_rhythm() {
    let ils = Practice::start();
    let library = library(&ils, "roster.csv", "holds = \"snapshot\"\npreset = \"powerschool\"");
    let path = library.path("roster.csv");
    let rows =
        "Student_Number,Last_Name,First_Name,DOB,Grade_Level,SchoolID\n100234,Oak,Ann,02/28/2013,7,100\n";
    settled(&path, rows.as_bytes());
    let file = fs::File::options().write(true).open(&path).unwrap();
    let day = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(2 * 86_400);
    file.set_modified(day).unwrap();
    library.first_load();
    // Two days old: late for a roster of every night, and not for one of every year.
    for (every, state) in [("1d", "stale"), ("365d", "ok")] {
        let line = format!("ils = \"main\"\nexpected_every = \"{every}\"");
        library.edit("partnerships/oak.toml", "ils = \"main\"", &line);
        let oak = &library.json(&["status"], 0)["partnerships"][0];
        assert_eq!(oak["state"], state, "{oak}");
        assert!(state == "ok" || oak["why"].as_str().unwrap().contains("2 days old"), "{oak}");
        library.edit("partnerships/oak.toml", &line, "ils = \"main\"");
    }
}

#[test]
fn names_for_pins_come_from_the_ils_where_the_file_was_shredded() {
    let ils = Practice::start();
    let keys = "holds = \"additions\"\npreset = \"powerschool\"\nafter_use = \"shred\"";
    let library = library(&ils, "drop", keys);
    fs::create_dir(library.path("drop")).unwrap();
    let rows =
        "Student_Number,Last_Name,First_Name,DOB,Grade_Level,SchoolID\n100234,Oak,Ann,02/28/2013,7,100\n";
    settled(&library.path("drop/autumn.csv"), rows.as_bytes());
    library.first_load();
    assert_eq!(fs::read_dir(library.path("drop")).unwrap().count(), 0, "nothing is left of the file");
    let out = library.path("pins").display().to_string();
    let handed = library.json(&["pins", "export", "oak", "--out", &out], 0);
    assert_eq!((&handed["pins"], &handed["names_from_ils"]), (&json!(1), &json!(true)), "{handed}");
    let list = fs::read_to_string(handed["files"][0].as_str().unwrap()).unwrap();
    let patron = ils.patrons().remove(0);
    assert!(list.contains(&format!("Oak,Ann,07,100,{},{}", patron.barcode, patron.pin.unwrap())), "{list}");
}
