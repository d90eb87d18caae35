//! `handbook` by the built program: what a successor finds in it, and that neither a child nor a secret is.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::practice::Practice;
use crate::support::roster::{Child, TWO_HOMES, number, send};
use crate::support::{Library, today};

/// Words that stand nowhere by chance.
const GIVEN: &str = "Zyxwigiven";
const FAMILY: &str = "Qqfamilyq";
const BIRTH: &str = "2013-02-28";
const FIRST_ID: u32 = 7_310_000;
/// A secret that somebody wrote into the file, and one that stands where it belongs.
const IN_CLEAR: &str = "hunter2zzclear";
const IN_FILE: &str = "hunter2zzfile";

fn canaries(count: u32) -> Vec<Child> {
    (0..count)
        .map(|n| Child {
            id: format!("{}", FIRST_ID + n),
            given: format!("{GIVEN}{n}"),
            family: format!("{FAMILY}{n}"),
            birth: BIRTH.to_owned(),
            school: if n % 2 == 0 { "elm" } else { "ash" },
        })
        .collect()
}

/// A library with people to tell, secrets and ends.
fn library(ils: &Practice) -> Library {
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    fs::write(library.path("kim.token"), format!("{IN_FILE}{}\n", "0".repeat(40))).unwrap();
    fs::set_permissions(library.path("kim.token"), fs::Permissions::from_mode(0o600)).unwrap();
    library.append(
        "rostercard.toml",
        "[[contacts]]\nname = \"Kim | deputy\"\nwebhook = \"https://chat.example.org/hook/hunter2zzhook\"\ntell = [\"waiting\"]\ndeputy = true\n\
         [[ends]]\nwhat = \"the API key of the ILS\"\non = 2099-06-30\n\
         [http.tokens.kim]\nrole = \"approver\"\ntoken = { file = \"kim.token\" }",
    );
    library.append("partnerships/oak.toml", "[agreement]\nstarts = 2020-07-01\nends = 2098-06-30");
    library
}

/// The page's lines from a heading to the next of its kind.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let rest =
        page.split_once(&format!("\n## {heading}")).unwrap_or_else(|| panic!("no {heading} in {page}")).1;
    rest.split("\n## ").next().unwrap()
}

fn nothing_of_a_child_or_a_secret(page: &str, library: &Library) {
    let key = fs::read_to_string(library.path("state.key")).unwrap();
    let mut words = vec![GIVEN.to_owned(), FAMILY.to_owned(), BIRTH.to_owned(), key.trim().to_owned()];
    words.extend([IN_CLEAR, IN_FILE, "hunter2zz"].map(str::to_owned));
    for n in 0..20 {
        let id = (FIRST_ID + n).to_string();
        words.extend([number(&id), id]);
    }
    for word in words {
        assert!(!page.contains(&word), "{word} in\n{page}");
    }
}

#[test]
fn a_successor_finds_what_was_agreed_decided_and_where_things_are_and_no_child() {
    let ils = Practice::start();
    let library = library(&ils);
    // Before the first run there is no store, and a handbook all the same.
    let early = library.run(&["handbook"]).expect(0).stdout;
    assert!(section(&early, "What was decided").contains("Nothing is noted."), "{early}");
    assert!(section(&early, "How it stands").contains("never ran"), "{early}");

    send(&canaries(12), &library.package());
    library.run(&["sync", "oak"]).expect(3);
    library.run(&["approve", "1", "--only-school", "1001 Elm School", "--as", "pat"]).expect(3);
    library.run(&["approve", "1", "--as", "pat"]).expect(0);
    // The day's second run: there was no store that the first could have copied.
    library.run(&["sync", "oak"]).expect(0);
    library.run(&["optout", "add", "oak", &FIRST_ID.to_string(), "--as", "kim"]).expect(0);
    library.run(&["explain", "oak", &(FIRST_ID + 1).to_string(), "--reveal"]).expect(0);
    let until = today().tomorrow().unwrap().to_string();
    library
        .run(&["pause", "--partnership", "oak", "--until", &until, "--reason", "stocktaking", "--as", "kim"])
        .expect(0);
    library.run(&["backup", &library.path("copy.db").display().to_string(), "--as", "pat"]).expect(0);

    let page = library.run(&["handbook"]).expect(0).stdout;
    nothing_of_a_child_or_a_secret(&page, &library);
    assert!(page.starts_with("# Rostercard at Oak Library: handbook\n"), "{page}");
    let day = today().to_string();
    for (heading, parts) in [
        ("How it stands", &["| oak | paused | ", "by kim: stocktaking", " | 12 | "][..]),
        (
            "What ends",
            &["| 2098-06-30 | in ", "| oak | the agreement |", "| the library | the API key of the ILS |"],
        ),
        (
            "Who is told",
            &[
                "| Kim \\| deputy | a webhook | waiting | every partnership | deputy |",
                "`rostercard approve RUN`",
                "| kim | approver | every partnership |",
            ],
        ),
        ("Libraries", &["| Oak Library | `UTC` |", "| `main` | ncip | at any time | oak |"]),
        (
            "Partnerships",
            &[
                "### oak\n",
                "- **District**: Oak Unified.",
                "- **ILS**: `main`, by ncip.",
                "- **Roster**: a OneRoster package",
                "`30 4 * * MON-FRI` on the clock of `UTC`",
                "2020-07-01 to 2098-06-30",
                "number made from the student id",
                "everybody whose family did not say no",
                "| `MAIN` | Elm School |",
                "| `EAST` | Ash School |",
            ],
        ),
        (
            "What was decided",
            &[
                "| pat | oak | approved run 1: school ",
                "| pat | oak | approved run 1 |",
                "| kim | oak | paused: ",
                "| oak | families' wishes noted | 1 | ",
                "| oak | values about people looked at | 1 | ",
                "backups made by hand | 1 | ",
                &day,
            ],
        ),
        (
            "Where the secrets are",
            &[
                "| rostercard.toml | `state.key` | file ",
                "| rostercard.toml | `http.tokens.kim.token` | file kim.token |",
            ],
        ),
        (
            "Where things are",
            &["rostercard.db`", "state.key`", "the newest is `rostercard-", "the newest 7 daily ones"],
        ),
    ] {
        for part in parts {
            assert!(
                section(&page, heading).contains(part),
                "{part} is not in {heading}:\n{}",
                section(&page, heading)
            );
        }
    }
    // What ends first stands first.
    let ends = section(&page, "What ends");
    assert!(ends.find("the agreement").unwrap() < ends.find("the API key").unwrap(), "{ends}");
    // Each table has as many cells in each line as it has heads.
    let mut heads = 0;
    for line in page.lines() {
        let cells = line.replace("\\|", "").matches('|').count();
        assert!(heads == 0 || !line.starts_with('|') || cells == heads, "{line}");
        heads = if line.starts_with('|') { cells } else { 0 };
    }
    assert_eq!(library.json(&["handbook"], 0)["handbook"].as_str().unwrap().trim_end(), page.trim_end());

    // A purge takes the partnership's rows; who decided what stays.
    library.run(&["purge", "oak", "--yes", "--as", "pat"]).expect(0);
    fs::remove_file(library.path("partnerships/oak.toml")).unwrap();
    let after = library.run(&["handbook"]).expect(0).stdout;
    nothing_of_a_child_or_a_secret(&after, &library);
    let decided = section(&after, "What was decided");
    for part in ["| pat | oak (purged) | purged: ", "| pat | oak (purged) | approved run 1 |"] {
        assert!(decided.contains(part), "{decided}");
    }
    assert!(section(&after, "Partnerships").contains("`rostercard init`"), "{after}");
}

#[test]
fn a_file_is_for_its_owner_alone_and_written_over_only_with_force() {
    let ils = Practice::start();
    let library = library(&ils);
    let out = library.path("handbook.md");
    let path = out.display().to_string();
    library.run(&["handbook", "--out", &path]).expect(0).says(&["only you may read it"]);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&out), 0o600);
    fs::write(&out, "notes of somebody's own").unwrap();
    library.run(&["handbook", "--out", &path]).expect(64).says(&["is there already", "--force"]);
    assert_eq!(fs::read_to_string(&out).unwrap(), "notes of somebody's own");
    fs::set_permissions(&out, fs::Permissions::from_mode(0o644)).unwrap();
    let written = library.json(&["handbook", "--out", &path, "--force"], 0);
    let text = fs::read_to_string(&out).unwrap();
    assert_eq!((written["bytes"].as_u64(), mode(&out)), (Some(text.len() as u64), 0o600));
    assert!(text.starts_with("# Rostercard at Oak Library"), "{text}");
    assert!(!library.path("handbook.md.part").exists());
    // A file that leads elsewhere is a file that is there.
    let link = library.path("link.md");
    std::os::unix::fs::symlink(library.path("nowhere.md"), &link).unwrap();
    library.run(&["handbook", "--out", &link.display().to_string()]).expect(64).says(&["is there already"]);
    library.run(&["handbook", "--out", &library.path("no/where.md").display().to_string()]).expect(1);
    library.run(&["handbook", "--force"]).expect(64);
}

#[test]
fn a_partnership_with_mistakes_is_said_to_have_them_and_clear_secrets_are_not_shown() {
    let ils = Practice::start();
    let library = library(&ils);
    library.append("partnerships/oak.toml", "no_such_key = 1");
    library.append(
        "rostercard.toml",
        &format!(
            "[ils.west]\nid = \"west\"\n[ils.west.sip2]\nhost = \"127.0.0.1\"\ntls = \"off\"\nlogin = \"l\"\npassword = \"{IN_CLEAR}\""
        ),
    );
    let ran = library.run(&["handbook"]).expect(0);
    assert!(!ran.both().contains("hunter2zz"), "{}", ran.both());
    assert!(section(&ran.stdout, "Partnerships").contains("Its file has mistakes"), "{}", ran.stdout);
    assert!(section(&ran.stdout, "How it stands").contains("| oak | failing | "), "{}", ran.stdout);
    let secrets = section(&ran.stdout, "Where the secrets are");
    assert!(secrets.contains("| `ils.west.sip2.password` | in clear, in the file itself"), "{secrets}");
    // Without a library there is nothing to write of.
    library.append("rostercard.toml", "[htttp]");
    library.run(&["handbook"]).expect(78);
}
