//! The whole chain by REST at both ends: a district's OneRoster service, the built program, and a library's Koha.

use std::time::Duration;

use rostercard_practice::roster::{Spec, students};
use rostercard_practice::sis::oneroster::{CLIENT_ID, CLIENT_SECRET, Quirks};
use serde_json::json;

use crate::koha::{by_number, koha, library, quiet};
use crate::rest::PracticeSis;
use crate::support::roster::{district, homes, number};
use crate::support::{Library, adds_up};

/// Lets the library's roster come from a practice SIS instead of a package.
fn by_rest(library: &Library, sis: &PracticeSis) {
    use std::os::unix::fs::PermissionsExt as _;
    let secret = library.path("sis.secret");
    std::fs::write(&secret, CLIENT_SECRET).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let path = format!("path = \"{}\"", library.package().display());
    let table = format!(
        "url = \"{}\"\nversion = \"1.2\"\ntoken_url = \"{}\"\nclient_id = \"{CLIENT_ID}\"\n\
         client_secret = {{ file = \"sis.secret\" }}\npage_size = 40",
        sis.running.url("oneroster_1_2"),
        sis.running.url("token"),
    );
    library.edit("partnerships/oak.toml", "[source.oneroster_csv]", "[source.oneroster]");
    library.edit("partnerships/oak.toml", &path, &table);
}

#[test]
fn s01_s10_from_oneroster_rest_to_kohas_rest_killed_between_and_quiet_the_second_time() {
    let spec = district(120, 23);
    let (koha, sis) = (koha(|_| {}), PracticeSis::start(&spec, Quirks::default()));
    let library = library(&koha, &homes(&spec));
    by_rest(&library, &sis);
    library.hurry("2s", "4s");
    library.let_all_through();
    library.run(&["check", "--online"]).expect(0).says(&["ILS main: reached", "a token was given for"]);

    // Killed again and again in the middle of the first load.
    let mut killed = 0;
    for wait in [150, 250, 350, 450, 600] {
        let sync = library.start(&["sync", "oak"]);
        killed += u32::from(sync.kill_after(Duration::from_millis(wait)));
    }
    assert!(killed > 0, "no run was killed at work");
    for _ in 0..3 {
        let run = library.json(&["sync", "oak"], 0);
        adds_up(&run);
        if run["writes"] == json!(0) {
            break;
        }
    }
    let patrons = by_number(&koha);
    assert_eq!(patrons.len(), 120, "one card each");
    for student in students(&spec) {
        let patron = &patrons[&number(&student.number)];
        assert_eq!(patron.surname, student.family, "names arrive whole");
        assert!(patron.pin.is_some(), "each card has its PIN");
    }
    quiet(&library, &koha);

    // A day later: whoever moved, came or was corrected, and nobody else.
    let tomorrow = Spec { day: 1, ..spec.clone() };
    sis.turn(&tomorrow);
    let day = library.json(&["sync", "oak"], 0);
    adds_up(&day);
    assert!(day["writes"].as_u64().unwrap() > 0 && day["writes"].as_u64().unwrap() < 60, "{day}");
    for student in students(&tomorrow) {
        assert!(koha.patron(&number(&student.number)).is_some());
    }
    quiet(&library, &koha);
}
