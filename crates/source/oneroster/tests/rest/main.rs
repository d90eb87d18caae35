//! The REST source against the practice SIS: every case of the table in `CASES.md` that concerns the client, by number.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

mod auth;
mod changes;
mod http;
mod identity;
mod openapi;
mod paging;
mod payload;
mod support;

/// The table of cases names tests that are there, and leaves no case out.
#[test]
fn the_table_of_cases_is_right() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("CASES.md")).unwrap();
    let mut code = String::new();
    for folder in [
        "tests/csv",
        "tests/rest",
        "src/rest",
        "../../protocol/oneroster/src/rest",
        "../../protocol/oneroster/tests",
        "../../../tests",
    ] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                code.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut rows = 0;
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| --")) {
        rows += 1;
        let tests = row.rsplit(" | ").next().unwrap();
        for name in tests.split('`').skip(1).step_by(2) {
            let is_test = name.contains('_') && !name.contains(['/', '.', '-']);
            assert!(!is_test || code.contains(&format!("fn {name}(")), "there is no test `{name}`");
        }
    }
    let listed = |case: String| table.contains(&format!("\n| {case} |"));
    for (letter, last) in [('A', 12), ('P', 17), ('F', 14), ('B', 15), ('H', 10), ('I', 8)] {
        for number in 1..=last {
            assert!(listed(format!("{letter}{number}")), "{letter}{number} is not in the table");
        }
    }
    assert!(rows > 76);
}
