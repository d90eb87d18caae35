//! The arrows between the crates, read from `cargo metadata`: who may know whom.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const CORE: &str = "rostercard-core";
const STORE: &str = "rostercard-store";
const ENGINE: &str = "rostercard-engine";
const CONFIG: &str = "rostercard-config";
const WEB: &str = "rostercard-web";
const INTAKE: &str = "rostercard-intake";
const NCIP: &str = "rostercard-ncip";
const ONEROSTER: &str = "rostercard-oneroster";
const SIP2: &str = "rostercard-sip2";

/// Every crate: where it lies, and which of ours it may use. A new crate gets a line here.
const ARROWS: &[(&str, &str, &[&str])] = &[
    (CORE, "crates/core", &[]),
    (NCIP, "crates/protocol/ncip", &[]),
    (ONEROSTER, "crates/protocol/oneroster", &[]),
    (SIP2, "crates/protocol/sip2", &[]),
    (INTAKE, "crates/intake", &[]),
    (WEB, "crates/web", &[]),
    ("rostercard-practice", "crates/practice", &[]),
    ("rostercard-page", "crates/page", &[]),
    (CONFIG, "crates/config", &[CORE]),
    ("rostercard-conformance", "crates/conformance", &[CORE]),
    (STORE, "crates/store", &[CORE]),
    (ENGINE, "crates/engine", &[CORE, STORE]),
    ("rostercard-simulate", "crates/simulate", &[CORE, STORE, ENGINE]),
    ("rostercard-daemon", "crates/daemon", &[CORE, STORE, ENGINE]),
    ("rostercard-tell", "crates/tell", &[WEB]),
    ("rostercard-source-clever", "crates/source/clever", &[CORE, CONFIG, WEB]),
    ("rostercard-source-csvdrop", "crates/source/csvdrop", &[CORE, CONFIG, INTAKE]),
    ("rostercard-source-oneroster", "crates/source/oneroster", &[CORE, CONFIG, INTAKE, ONEROSTER, WEB]),
    ("rostercard-ils-export", "crates/ils/export", &[CORE, CONFIG]),
    ("rostercard-ils-koha", "crates/ils/koha", &[CORE, CONFIG, WEB]),
    ("rostercard-ils-ncip", "crates/ils/ncip", &[CORE, CONFIG, NCIP, WEB]),
    ("rostercard-ils-sip2", "crates/ils/sip2", &[CORE, CONFIG, SIP2]),
];

/// The one crate that may use all the others.
const PROGRAM: &str = "rostercard";

/// What does IO or runs tasks; a protocol is bytes in, messages out, and the core is plain functions.
const IO: &[&str] =
    &["tokio", "tokio-util", "reqwest", "axum", "rusqlite", "async-std", "smol", "hyper", "mio"];

struct Package {
    folder: String,
    /// Without those that only its tests, examples and benches use.
    uses: BTreeSet<String>,
}

fn metadata() -> Value {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--no-deps"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn packages() -> BTreeMap<String, Package> {
    let metadata = metadata();
    let root = metadata["workspace_root"].as_str().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let manifest = text(&package["manifest_path"]);
            let folder =
                manifest.strip_prefix(root).unwrap().trim_matches('/').trim_end_matches("/Cargo.toml");
            let uses = package["dependencies"].as_array().unwrap().iter();
            let uses = uses.filter(|used| used["kind"] != "dev").map(|used| text(&used["name"])).collect();
            (text(&package["name"]), Package { folder: folder.to_owned(), uses })
        })
        .collect()
}

#[test]
fn cargo_run_has_one_program_to_choose_from() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let binaries: Vec<&str> = packages
        .iter()
        .flat_map(|package| package["targets"].as_array().expect("targets"))
        .filter(|target| {
            target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"))
        })
        .filter_map(|target| target["name"].as_str())
        .collect();
    assert_eq!(binaries, ["rostercard"], "README's `cargo run -- demo` would not know which one is meant");
}

#[test]
fn crates_know_only_whom_they_may() {
    let packages = packages();
    let mut wrong = Vec::new();
    for (name, Package { folder, uses }) in &packages {
        let ours: BTreeSet<&str> =
            uses.iter().map(String::as_str).filter(|n| packages.contains_key(*n)).collect();
        if name == PROGRAM {
            continue;
        }
        let Some((_, expected, allowed)) = ARROWS.iter().find(|(known, ..)| known == name) else {
            wrong.push(format!("{name} has no line in the table of arrows"));
            continue;
        };
        if folder != expected {
            wrong.push(format!("{name} lies in {folder}, not in {expected}"));
        }
        wrong.extend(
            ours.iter()
                .filter(|used| !allowed.contains(used))
                .map(|used| format!("{name} must not know {used}")),
        );
    }
    for (name, ..) in ARROWS {
        if !packages.contains_key(*name) {
            wrong.push(format!("{name} is in the table of arrows and is no crate"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let program = &packages[PROGRAM].uses;
    for (name, folder, _) in ARROWS {
        let connector = folder.starts_with("crates/source/") || folder.starts_with("crates/ils/");
        assert!(
            !connector || program.contains(*name),
            "{name} is a connector that the program does not offer"
        );
    }
}

#[test]
fn protocols_and_the_core_do_no_io() {
    let packages = packages();
    let quiet = |folder: &str| folder == "crates/core" || folder.starts_with("crates/protocol/");
    let mut seen = 0;
    for (name, Package { folder, uses }) in packages.iter().filter(|(_, package)| quiet(&package.folder)) {
        seen += 1;
        let io: Vec<&String> = uses.iter().filter(|used| IO.contains(&used.as_str())).collect();
        assert!(io.is_empty(), "{name} ({folder}) uses {io:?}");
    }
    assert!(seen >= 3);
}

/// The faults that the simulator plants in the engine: no manifest asks for them but the simulator's feature, which is off
/// unless it is asked for by name.
#[test]
fn no_program_has_planted_bugs() {
    const PLANTED: &str = "planted-bugs";
    let metadata = metadata();
    let mut offered = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        for used in package["dependencies"].as_array().unwrap() {
            let asked = used["features"].as_array().unwrap();
            assert!(!asked.iter().any(|feature| feature == PLANTED), "{name} asks for {PLANTED}");
        }
        for (feature, enables) in package["features"].as_object().unwrap() {
            if feature == PLANTED {
                offered.insert(name.to_owned());
            }
            for enabled in enables.as_array().unwrap() {
                let plants = enabled.as_str().unwrap().ends_with(PLANTED);
                let allowed = name == "rostercard-simulate" && feature == PLANTED;
                assert!(!plants || allowed, "feature {feature} of {name} turns {PLANTED} on");
            }
        }
    }
    let expected = ["rostercard-engine", "rostercard-simulate"].map(str::to_owned);
    assert_eq!(offered, BTreeSet::from(expected));
}
