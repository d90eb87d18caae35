//! docs/scenarios.md names the tests of each scenario: all of them, and none that is not there.

use std::collections::BTreeSet;
use std::path::Path;

/// Scenarios of which the page may say that there is nothing yet.
const NOT_YET: &[&str] = &[];

/// The names of functions in a folder's sources that begin with a scenario's number.
fn gather(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                gather(&path, found);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            found.extend(functions.filter(|name| is_scenario(name)).map(str::to_owned));
        }
    }
}

/// `s07_..`
fn is_scenario(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() > 4
        && bytes[0] == b's'
        && bytes[1..3].iter().all(u8::is_ascii_digit)
        && bytes[3] == b'_'
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[test]
fn every_scenario_has_its_tests_and_the_page_names_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut tests = BTreeSet::new();
    gather(&root.join("crates"), &mut tests);
    gather(&root.join("tests"), &mut tests);
    let page = std::fs::read_to_string(root.join("docs/scenarios.md")).unwrap();
    let mut named = BTreeSet::new();
    for number in 1..=40 {
        let title = format!("## S{number:02} ");
        let section = page.split(&title).nth(1).unwrap_or_else(|| panic!("no section {title}"));
        let section = section.split("\n## ").next().unwrap();
        let here: BTreeSet<String> =
            section.split('`').skip(1).step_by(2).filter(|n| is_scenario(n)).map(str::to_owned).collect();
        let tag = format!("S{number:02}");
        if NOT_YET.contains(&tag.as_str()) {
            assert!(section.contains("Not yet"), "{tag}");
        } else {
            assert!(!here.is_empty(), "{tag} has no test");
        }
        let prefix = format!("s{number:02}_");
        assert!(here.iter().all(|name| name.contains(&prefix)), "{tag} names a test of another scenario");
        named.extend(here);
    }
    let missing: Vec<_> = tests.difference(&named).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
    let gone: Vec<_> = named.difference(&tests).collect();
    assert!(gone.is_empty(), "on the page and nowhere else: {gone:?}");
}
