//! The pages under docs/ as a book: each is in the summary, each link leads somewhere. And the first cards, by the very commands of
//! the pages that promise them in 15 minutes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::practice::Practice;
use crate::support::roster::{deliver, district};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every page below a folder.
fn pages(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.insert(path);
        }
    }
    found
}

/// The text without its blocks of code, and without code between backticks.
fn prose(text: &str) -> String {
    let mut kept = String::new();
    let mut code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if !code {
            for (at, part) in line.split('`').enumerate() {
                if at % 2 == 0 {
                    kept.push_str(part);
                }
            }
            kept.push('\n');
        }
    }
    kept
}

/// Where the links of a page lead.
fn links(text: &str) -> Vec<String> {
    // A link's own text may be code.
    let targets = prose(&text.replace("`]", "]").replace("[`", "["));
    let parts = targets.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    parts.map(str::to_owned).collect()
}

/// The anchors of a page's headings, as the forge and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut code = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if let Some(title) = line.strip_prefix('#').filter(|_| !code) {
            let title = title.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            found.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
    }
    found
}

#[test]
fn every_page_is_in_the_book() {
    let docs = root().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let listed: BTreeSet<PathBuf> = links(&summary).iter().map(|link| docs.join(link)).collect();
    let mut there = pages(&docs);
    there.remove(&docs.join("SUMMARY.md"));
    assert_eq!(there.difference(&listed).collect::<Vec<_>>(), Vec::<&PathBuf>::new(), "not in SUMMARY.md");
    assert_eq!(listed.difference(&there).collect::<Vec<_>>(), Vec::<&PathBuf>::new(), "only in SUMMARY.md");
}

#[test]
fn every_link_leads_somewhere() {
    let root = root();
    let mut all = pages(&root.join("docs"));
    all.extend(["README.md", "ARCHITECTURE.md"].map(|name| root.join(name)));
    let mut broken = Vec::new();
    let mut tried = 0;
    for page in &all {
        let text = fs::read_to_string(page).unwrap();
        for link in
            links(&text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let there = target.exists()
                && (anchor.is_empty() || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor));
            if !there {
                broken.push(format!("{}: {link}", page.display()));
            }
            tried += 1;
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(tried > 60, "{tried}");
}

/// The commands of a section of a page, as they would be typed.
fn commands(page: &str, section: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
    let part =
        text.split(&format!("\n## {section}")).nth(1).unwrap().split("\n## ").next().unwrap().to_owned();
    let blocks = part.split("```console").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Types the commands of a page on a machine of its own; what the last one said.
fn type_all(page: &str, ils: &Practice, folder: &Path, between: impl Fn(&str)) -> String {
    let mut last = String::new();
    for typed in commands(page, "The first card in 15 minutes") {
        let place = folder.display().to_string();
        let line = typed
            .replace("/var/lib/rostercard", &format!("{place}/var"))
            .replace("https://ils.example.org/ncip", &ils.ncip_url())
            .replace(
                "rostercard ",
                &format!("{} --config {place}/etc/rostercard.toml ", env!("CARGO_BIN_EXE_rostercard")),
            )
            .replace(" init ", &format!(" init --state {place}/var/state "));
        let output = Command::new("sh").arg("-c").arg(&line).current_dir(folder).output().unwrap();
        last = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{typed}\n{last}{}", String::from_utf8_lossy(&output.stderr));
        between(&typed);
    }
    last
}

#[test]
fn the_first_cards_of_a_package_by_the_page_alone() {
    let ils = Practice::start();
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("var/rosters")).unwrap();
    deliver(&district(30, 3), 0, &place.path().join("var/rosters/woodland-usd.zip"));
    let partnership = place.path().join("etc/partnerships/woodland-usd.toml");
    type_all("connectors/oneroster-csv.md", &ils, place.path(), |typed| {
        fill_in(typed, place.path(), &partnership);
    });
    assert_eq!(ils.patrons().len(), 30);
}

#[test]
fn the_first_cards_of_a_file_by_the_page_alone() {
    let ils = Practice::start();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("roster.csv");
    let rows = "Student No,First,Last,Born,Grade,Campus\n100001,Ana,Lee,2014-05-06,05,Elm\n100002,Bo,Ray,2015-06-07,04,Ash\n";
    fs::write(&file, rows).unwrap();
    let partnership = place.path().join("etc/partnerships/valley-school.toml");
    type_all("connectors/csvdrop.md", &ils, place.path(), |typed| {
        if typed.contains(" init ") {
            // What the page says of the columns.
            let page = fs::read_to_string(root().join("docs/connectors/csvdrop.md")).unwrap();
            let columns =
                page.lines().map(str::trim).find(|line| line.starts_with("columns = {")).unwrap().to_owned();
            let text = fs::read_to_string(&partnership).unwrap();
            let lines: Vec<&str> = text
                .lines()
                .map(|line| if line.starts_with("columns = {") { columns.as_str() } else { line })
                .collect();
            fs::write(&partnership, lines.join("\n")).unwrap();
        }
        if typed.starts_with("cp ") {
            // As the page says, it is taken when it has not changed for two minutes.
            let there = place.path().join("var/drop/valley-school/roster.csv");
            let dropped = fs::File::options().write(true).open(there).unwrap();
            let hour = dropped.metadata().unwrap().modified().unwrap() - std::time::Duration::from_secs(3600);
            dropped.set_modified(hour).unwrap();
        }
        fill_in(typed, place.path(), &partnership);
    });
    assert_eq!(ils.patrons().len(), 2);
}

/// Fills in [homes] by what `source schools` prints, as a person would.
fn fill_in(typed: &str, place: &Path, partnership: &Path) {
    if !typed.contains("source schools") {
        return;
    }
    let name = partnership.file_stem().unwrap().to_str().unwrap();
    let config = place.join("etc/rostercard.toml").display().to_string();
    let printed =
        crate::support::rostercard(&["--config", &config, "source", "schools", name]).expect(0).stdout;
    let lines: Vec<String> = printed
        .lines()
        .filter(|line| line.starts_with("#\""))
        .map(|line| line.trim_start_matches('#').replacen("\"\"", "\"MAIN\"", 1))
        .collect();
    assert!(!lines.is_empty(), "{printed}");
    let text = fs::read_to_string(partnership).unwrap();
    fs::write(partnership, text.replace("\"Example Elementary School\" = \"MAIN\"", &lines.join("\n")))
        .unwrap();
}
