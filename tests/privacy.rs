//! Law 7: what is personal is in no stream, no log and no file of ours, however badly a run goes.

use std::path::{Path, PathBuf};

use rostercard_practice::ils::{Fault, What, When};

use crate::support::practice::Practice;
use crate::support::roster::{Child, TWO_HOMES, files, zipped};
use crate::support::{Library, Ran};

/// Words that stand nowhere by chance. Each kind is looked for in every form that a program might give it.
const GIVEN: &str = "Zyxwigiven";
const FAMILY: &str = "Qqfamilyq";
const MIDDLE: &str = "Vvmiddlev";
const MAIL: &str = "jjmailbox";
const PHONE: &str = "5550177";
const LOGIN: &str = "kkloginname";
const STREET: &str = "Xxstreetxx";
/// Of a day that no card expires on and no run happens on.
const BIRTHS: [&str; 3] = ["2013-02-28", "20130228", "2013-02-28T"];

const FIRST_ID: u32 = 7_310_000;

fn canaries() -> Vec<String> {
    let mut words: Vec<String> =
        [GIVEN, FAMILY, MIDDLE, MAIL, PHONE, LOGIN, STREET].map(str::to_owned).to_vec();
    words.extend(BIRTHS.map(str::to_owned));
    words
}

fn roster(change: impl Fn(&str) -> String) -> Vec<u8> {
    let children: Vec<Child> = (0..30)
        .map(|n| Child {
            id: format!("{}", FIRST_ID + n),
            given: format!("{GIVEN}{n}"),
            family: format!("{FAMILY}{n}"),
            birth: BIRTHS[0].to_owned(),
            school: "elm",
        })
        .collect();
    let mut all = files(&children);
    let users = String::from_utf8(all["users.csv"].clone()).unwrap();
    let mut lines: Vec<String> = users.lines().map(str::to_owned).collect();
    lines[0].push_str(",metadata.street,metadata.city,metadata.state,metadata.zip");
    for (n, line) in lines.iter_mut().enumerate().skip(1) {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        cells[6] = format!("{LOGIN}{n}");
        cells[10] = format!("{MIDDLE}{n}");
        cells[12] = format!("{MAIL}{n}@example.org");
        cells[13] = format!("{PHONE}{n:03}");
        cells[14] = format!("{PHONE}{n:03}");
        *line = format!("{},{n} {STREET},Town,CA,95695", cells.join(","));
    }
    let text = change(&format!("{}\n", lines.join("\n")));
    all.insert("users.csv".to_owned(), text.into_bytes());
    zipped(&all)
}

/// Every file below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(below(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Looks for the canaries, and for words that are only personal once a card was made.
fn silent(library: &Library, what: &str, ran: &Ran, more: &[String]) {
    let words: Vec<String> = canaries().into_iter().chain(more.iter().cloned()).collect();
    for word in &words {
        for (stream, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
            let at = text.lines().find(|line| line.contains(word.as_str()));
            assert!(at.is_none(), "{what}: {word} on {stream}: {}", at.unwrap_or_default());
        }
    }
    let state = library.path("state");
    if !state.exists() {
        return;
    }
    for file in below(&state) {
        let bytes = std::fs::read(&file).unwrap();
        for word in &words {
            let found = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!found, "{what}: {word} in {}", file.display());
        }
    }
}

#[test]
fn nothing_personal_is_said_or_kept_in_clear() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.append(
        "partnerships/oak.toml",
        "[fields]\nemail = \"school\"\nphone = \"school\"\naddress = \"school\"\nmiddle_name = \"school\"",
    );
    library.edit(
        "partnerships/oak.toml",
        "[card]\n",
        "[source.oneroster_csv.columns]\nstreet = \"metadata.street\"\ncity = \"metadata.city\"\nstate = \"metadata.state\"\nzip = \"metadata.zip\"\n\n[card]\n",
    );
    library.run(&["check"]).expect(0);
    library.hurry("500ms", "1s");
    std::fs::write(library.package(), roster(str::to_owned)).unwrap();
    let traced = |args: &[&str]| {
        let args: Vec<&str> = ["--log", "trace"].iter().chain(args).copied().collect();
        library.run(&args)
    };
    let steps = |what: &str, code: i32, args: &[&str], more: &[String]| {
        let ran = traced(args);
        assert_eq!(ran.code, Some(code), "{what}: {}", ran.both());
        silent(&library, what, &ran, more);
    };

    // The ids that the district knows a child by, and the card numbers that are made of them. A listing shows the ids, for
    // that is what it is for.
    let ids: Vec<String> = (0..30).map(|n| format!("{}", FIRST_ID + n)).collect();
    steps("listing", 0, &["--json", "source", "students", "oak"], &[]);

    // Before there is a card: everything fails that can.
    steps("plan", 0, &["plan", "oak"], &ids);
    assert!(traced(&["ils", "probe", "main"]).stderr.contains("TRACE"), "the log is on");
    steps("wait", 3, &["--json", "sync", "oak"], &ids);
    ils.set_down(true);
    steps("down", 1, &["approve", "2"], &ids);
    ils.set_down(false);
    for what in [
        What::Http500,
        What::Garbage,
        What::WrongUser,
        What::Unsupported,
        What::TemporaryFailure,
        What::DropAnswer,
    ] {
        let name = format!("{what:?}");
        ils.fault(Fault { service: None, when: When::Chance { percent: 40, seed: 9 }, what });
        let ran = traced(&["--json", "sync", "oak"]);
        assert!(ran.code.is_some_and(|code| [0, 1, 3].contains(&code)), "{name}: {}", ran.both());
        silent(&library, &name, &ran, &ids);
        ils.clear_faults();
    }
    let mut runs = 0;
    while ils.counts().patrons < 30 && runs < 5 {
        let ran = traced(&["sync", "oak"]);
        silent(&library, "sync", &ran, &ids);
        if ran.code == Some(3) {
            let listed = library.json(&["runs"], 0);
            let newest = listed["runs"][0]["run"].to_string();
            let ran = traced(&["approve", &newest]);
            silent(&library, "approve", &ran, &ids);
        }
        runs += 1;
    }

    // The canaries did come to the ILS, so they were there to be told.
    let patrons = ils.patrons();
    assert_eq!(patrons.len(), 30);
    let patron = &patrons[0];
    assert!(
        patron.given.starts_with(GIVEN)
            && patron.surname.starts_with(FAMILY)
            && patron.middle.starts_with(MIDDLE)
    );
    assert!(patron.emails[0].starts_with(MAIL) && patron.phones[0].starts_with(PHONE));
    assert!(patron.addresses[0].line1.ends_with(STREET));
    assert_eq!(patron.birth_date.as_deref(), Some(BIRTHS[0]));

    assert!(patrons.iter().all(|p| ids.iter().any(|id| p.barcode.ends_with(id))));

    steps("again", 0, &["--json", "sync", "oak"], &ids);
    for (what, args) in [("status", &["status"][..]), ("runs", &["runs"]), ("show", &["--json", "show", "1"])]
    {
        steps(what, 0, args, &ids);
    }
    steps("find", 0, &["ils", "find", "main", "--barcode", "1"], &[]);

    // What is asked every day: a list for the district has its own ids, and PINs go to files alone.
    let out = library.path("handed").display().to_string();
    let pins: Vec<String> =
        patrons.iter().filter_map(|patron| patron.pin.clone()).filter(|pin| pin.len() > 6).collect();
    let numbers: Vec<String> = patrons.iter().map(|patron| patron.barcode.clone()).chain(pins).collect();
    for (what, args) in [
        ("explain", &["--json", "explain", "oak", ids[3].as_str(), "--online"][..]),
        ("explain by number", &["explain", "--barcode", patrons[0].barcode.as_str()]),
        ("schools", &["source", "schools", "oak"]),
        ("report", &["report", "oak", "--internal"]),
        ("rejects", &["rejects", "oak"]),
        ("pins", &["pins", "list", "oak"]),
        ("handing out", &["pins", "export", "oak", "--out", out.as_str(), "--letters"]),
        ("handed out", &["pins", "confirm", "oak", "--all"]),
        ("pause", &["pause", "--everything", "--until", "2999-01-01", "--reason", "x"]),
    ] {
        let ran = traced(args);
        assert!(ran.code.is_some_and(|code| [0, 64].contains(&code)), "{what}: {}", ran.both());
        silent(&library, what, &ran, &[ids.clone(), numbers.clone()].concat());
    }

    // Damaged rows, corrected names, and an ILS that refuses the correction.
    std::fs::write(
        library.package(),
        roster(|users| users.replacen(&format!("{FAMILY}3,"), &format!("{FAMILY}3,one,too,many,"), 1)),
    )
    .unwrap();
    steps("damaged", 2, &["sync", "oak"], &ids);
    std::fs::write(library.package(), roster(|users| users.replace(GIVEN, &format!("{GIVEN}new")))).unwrap();
    ils.fault(Fault { service: Some("UpdateUser".into()), when: When::Always, what: What::Unsupported });
    let ran = traced(&["sync", "oak"]);
    silent(&library, "refused", &ran, &ids);
    ils.clear_faults();
    // What people decide, and what is kept: reviews, wishes, the way back, copies, the audit log, one child's rows.
    ils.delete(&patrons[5].barcode).unwrap();
    steps("another change", 3, &["--json", "sync", "oak"], &ids);
    let waiting = library.json(&["runs"], 0)["runs"][0]["run"].to_string();
    steps("it goes through", 0, &["--json", "approve", &waiting], &ids);
    let backup = library.path("state/copy.db").display().to_string();
    let newest = library.json(&["runs"], 0)["runs"][0]["run"].to_string();
    let all = [ids.clone(), numbers.clone()].concat();
    let six = ids[6].as_str();
    for (what, args) in [
        ("reviews", &["review", "list", "oak"][..]),
        ("a review", &["--json", "review", "show", "oak", ids[5].as_str()]),
        ("left", &["leave", "oak", ids[5].as_str()]),
        ("a no", &["optout", "add", "oak", six]),
        ("noes", &["--json", "optout", "list", "oak"]),
        ("the no is done", &["--json", "sync", "oak"]),
        ("the way back", &["undo", newest.as_str()]),
        ("taking over", &["adopt", "oak"]),
        ("new numbers", &["rebind", "oak"]),
        ("backup", &["backup", backup.as_str()]),
        ("inventory", &["inventory", "oak", six]),
        ("forgetting", &["forget", "oak", six, "--yes"]),
        ("audit", &["--json", "audit"]),
    ] {
        let ran = traced(args);
        assert!(ran.code.is_some_and(|code| code != 101), "{what}: {}", ran.both());
        assert!(!ran.both().contains("Usage:"), "{what}: {}", ran.both());
        silent(&library, what, &ran, &all);
    }
    assert!(
        library.path("state/copy.db").exists(),
        "the backup was among the files that were looked through"
    );
    // And a broken configuration beside it.
    library.edit("partnerships/oak.toml", "[card]", "[crad]");
    steps("configuration", 78, &["sync", "oak"], &ids);
}
