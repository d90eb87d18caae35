//! The annotated configuration in config/: it can be used as it stands, and with every line that is commented out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use crate::support::rostercard;

const FILES: &[&str] = &[
    "rostercard.toml",
    "partnerships/ash-usd.toml",
    "partnerships/hill-usd.toml",
    "partnerships/valley-school.toml",
    "partnerships/woodland-usd.toml",
];

/// A copy of config/ with a key, each line put through `change`.
fn copied(change: impl Fn(&str) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    fs::create_dir(folder.path().join("partnerships")).unwrap();
    for file in FILES {
        let text = fs::read_to_string(config.join(file)).unwrap();
        let text: Vec<String> = text.lines().map(&change).collect();
        fs::write(folder.path().join(file), text.join("\n")).unwrap();
    }
    let secrets = [
        ("state.key", format!("{:064x}\n", 7)),
        ("sis.secret", "s3cret\n".into()),
        ("clever.secret", "s3cret\n".into()),
        ("kim.token", format!("{:064x}\n", 8)),
    ];
    for (name, secret) in secrets {
        let path = folder.path().join(name);
        fs::write(&path, secret).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

fn check(folder: &TempDir) -> crate::support::Ran {
    let config = folder.path().join("rostercard.toml").display().to_string();
    rostercard(&["--config", &config, "check"])
}

/// A line with its key no longer commented out. Explanations begin with a blank after the sign.
fn uncommented(line: &str) -> String {
    match line.strip_prefix('#') {
        // These name credentials, which only a unit of systemd has.
        Some(key)
            if ["from_system_secret", "from_agency_secret", "proxy_secret", "terminal_password"]
                .iter()
                .any(|s| key.starts_with(s)) =>
        {
            line.to_owned()
        }
        // So does this one, which its login cannot do without.
        Some(key) if key.starts_with("client_secret") => {
            "client_secret = { file = \"state.key\" }".to_owned()
        }
        // A login needs its password, which is a credential too.
        Some(key) if ["login", "password", "location"].iter().any(|name| key.starts_with(name)) => {
            line.to_owned()
        }
        Some(key) if key.starts_with("address = ") => "address = \"school\"".to_owned(),
        Some(key) if key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '[' || c == '"') => {
            key.to_owned()
        }
        _ => line.to_owned(),
    }
}

#[test]
fn the_annotated_configuration_is_right() {
    let ran =
        check(&copied(str::to_owned)).expect(0).says(&["The configuration is right.", "4 of 4 partnerships"]);
    assert!(ran.stderr.is_empty(), "{}", ran.both());
}

#[test]
fn every_key_that_it_shows_is_right() {
    let ran = check(&copied(uncommented)).expect(0).says(&["The configuration is right."]);
    assert!(ran.stderr.is_empty(), "{}", ran.both());
}

#[test]
fn the_test_would_notice_a_wrong_key() {
    check(&copied(|line| line.replace("#number_max", "number_maximum"))).expect(78).says(&["number_max"]);
}
