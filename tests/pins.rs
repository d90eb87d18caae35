//! PINs from the first card to the letter: sealed in the store, private in files, forgotten when they have arrived.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::Library;
use crate::support::practice::Practice;
use crate::support::roster::{TWO_HOMES, children, number, send};

/// Card number and PIN as the ILS holds them.
fn in_the_ils(ils: &Practice) -> BTreeMap<String, String> {
    ils.patrons().into_iter().map(|patron| (patron.barcode, patron.pin.unwrap())).collect()
}

/// Whether these bytes lie in any file of the store.
fn in_the_store(library: &Library, words: impl Iterator<Item = String>) -> Option<String> {
    let files: Vec<Vec<u8>> = fs::read_dir(library.path("state"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| fs::read(path).unwrap())
        .collect();
    words
        .into_iter()
        .find(|word| files.iter().any(|file| file.windows(word.len()).any(|w| w == word.as_bytes())))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Card number and PIN as an exported list has them.
fn listed(path: &str) -> BTreeMap<String, String> {
    let mut csv = csv::Reader::from_path(path).unwrap();
    assert_eq!(
        csv.headers().unwrap(),
        &["student_id", "family_name", "given_name", "grade", "school", "barcode", "pin"][..]
    );
    csv.records()
        .map(|row| {
            let row = row.unwrap();
            assert_eq!(row[5], number(&row[0]));
            assert!(row[1].starts_with("Family") && row[2].starts_with("Given"), "{row:?}");
            (row[5].to_owned(), row[6].to_owned())
        })
        .collect()
}

#[test]
fn s14_pins_go_to_the_library_once_and_are_forgotten() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.edit("partnerships/oak.toml", "pin = \"random\"", "pin = { random = 12 }");
    library.let_all_through();
    let mut class = children(6);
    class[5].school = "ash";
    send(&class, &library.package());
    library.run(&["pins", "list", "oak"]).expect(0).says(&["No PIN is kept"]);
    library.run(&["sync", "oak"]).expect(0);
    let pins = in_the_ils(&ils);
    assert_eq!(in_the_store(&library, pins.values().cloned()), None, "a PIN lies in clear in the store");

    let list = library.json(&["pins", "list", "oak"], 0);
    assert_eq!(list["schools"].as_array().unwrap().len(), 2, "{list}");
    assert!(!pins.values().any(|pin| list.to_string().contains(pin)));

    // One school first, with letters.
    let folder = library.path("pins");
    let out = folder.display().to_string();
    let first =
        library.json(&["pins", "export", "oak", "--out", &out, "--school", "Elm School", "--letters"], 0);
    assert_eq!((&first["pins"], &first["not_in_roster"]), (&5.into(), &0.into()), "{first}");
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<&str> = first["files"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    let (mut handed, mut letters) = (BTreeMap::new(), String::new());
    for file in &files {
        assert_eq!(mode(Path::new(file)), 0o600, "{file}");
        if file.ends_with(".csv") {
            handed = listed(file);
        } else {
            letters = fs::read_to_string(file).unwrap();
        }
    }
    assert_eq!(handed.len(), 5);
    assert!(handed.iter().all(|(card, pin)| pins[card] == *pin && letters.contains(pin.as_str())));

    // The rest, and then nothing is left that was not handed out.
    let second = library.json(&["pins", "export", "oak", "--out", &out], 0);
    assert_eq!(second["pins"], 1);
    library.run(&["pins", "export", "oak", "--out", &out]).expect(1).says(&["no PIN waits", "--again"]);
    let again = library.json(&["pins", "export", "oak", "--out", &out, "--again"], 0);
    assert_eq!(again["pins"], 6, "nothing is lost while nothing is confirmed");

    // Letters now tell nothing of who still had a PIN to get: everybody has one, of the same shape.
    let batch = again["batch"].to_string();
    assert_eq!(library.json(&["pins", "confirm", "oak", "--batch", &batch], 0)["forgotten"], 6);
    assert_eq!(library.json(&["pins", "confirm", "oak", "--all"], 0)["forgotten"], 0);
    library.run(&["pins", "confirm", "oak", "--batch", "99"]).expect(1).says(&["there is no batch 99"]);
    library.run(&["pins", "export", "oak", "--out", &out, "--again"]).expect(1);
    assert_eq!(in_the_ils(&ils), pins, "handing out changes nothing in the ILS");

    // A letter was lost. How PINs were set when the cards were made says nothing of whether they can be changed.
    library.run(&["pins", "reissue", "oak", "--student-id", "4001"]).expect(64).says(&["pin = \"update\""]);
    library.edit("rostercard.toml", "[ils.main.ncip]", "[ils.main.ncip]\npin = \"update\"");
    let reissued = library.json(&["pins", "reissue", "oak", "--student-id", "4001", "--as", "pat"], 0);
    assert_eq!((&reissued["kind"], &reissued["counts"]["update"]), (&"pins".into(), &1.into()), "{reissued}");
    let now = in_the_ils(&ils);
    let changed: Vec<&String> =
        now.iter().filter(|(card, pin)| pins[*card] != **pin).map(|(card, _)| card).collect();
    assert_eq!(changed, [&number("4001")]);
    let last = library.json(&["pins", "export", "oak", "--out", &out, "--letters"], 0);
    let files = last["files"].as_array().unwrap();
    let csv = files.iter().filter_map(|f| f.as_str()).find(|f| f.ends_with(".csv")).unwrap();
    assert_eq!(listed(csv), BTreeMap::from([(number("4001"), now[&number("4001")].clone())]));
    let page =
        files.iter().filter_map(|f| f.as_str()).find(|f| f.contains("elm") && f.ends_with(".html")).unwrap();
    assert_eq!(fs::read_to_string(page).unwrap().matches("<section>").count(), 5, "a letter for everybody");
    library.run(&["sync", "oak"]).expect(0);
    assert_eq!(in_the_ils(&ils), now, "a sync sets no PIN again");
}

#[test]
fn pins_say_what_is_wrong() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.let_all_through();
    send(&children(2), &library.package());
    let out = library.path("open").display().to_string();
    library.run(&["pins", "export", "oak", "--out", &out]).expect(1).says(&["has no card yet"]);
    library.run(&["sync", "oak"]).expect(0);
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o755)).unwrap();
    library.run(&["pins", "export", "oak", "--out", &out]).expect(1).says(&["others may read", "0700"]);
    library.edit("rostercard.toml", "[ils.main.ncip]", "[ils.main.ncip]\npin = \"update\"");
    let refused =
        library.run(&["pins", "reissue", "oak", "--student-id", "4001", "--student-id", "99887"]).expect(64);
    assert!(
        refused.stderr.contains("the 2. student id") && !refused.both().contains("99887"),
        "{}",
        refused.both()
    );
    library.run(&["pins", "reissue", "oak"]).expect(64).says(&["no student id was given"]);
    library.run(&["pins", "confirm", "oak"]).expect(64);
    // Without the roster nobody knows whose PIN it is: they stay.
    fs::remove_file(library.package()).unwrap();
    let private = library.path("private").display().to_string();
    let later = library.run(&["pins", "export", "oak", "--out", &private]);
    assert!(later.code != Some(0) && later.stderr.contains("the roster cannot be read"), "{}", later.both());
    assert_eq!(library.json(&["pins", "list", "oak"], 0)["batches"].as_array().unwrap().len(), 0);
}
