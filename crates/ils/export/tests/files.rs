//! Files: whole, private, gone on with after a kill, no card twice.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rostercard_core::field::Field;
use rostercard_core::patron::PatronValues;
use rostercard_core::ports::{Creation, FindKey, Lookup, Outcome, PatronFinder, PatronWriter, RejectionKind};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_ils_export::{ExportDirectory, ExportSettings, PRESETS};

fn settings(folder: &Path, preset: &str) -> ExportSettings {
    let preset = PRESETS.iter().find(|p| p.name == preset).unwrap();
    ExportSettings {
        folder: folder.to_owned(),
        prefix: "rostercard-main-".to_owned(),
        preset: preset.name.to_owned(),
        keeps: preset.keeps.to_owned(),
        layout: preset.layout(),
    }
}

fn directory(folder: &Path, preset: &str) -> ExportDirectory {
    let clock = Arc::new(|| "2026-11-24T04:30:00Z".parse().unwrap());
    ExportDirectory::new(settings(folder, preset), clock)
}

fn creation(number: &str) -> Creation {
    let some = |text: &str| Some(Personal::new(text));
    let values = PatronValues {
        barcode: some(number),
        surname: some("O'Brien"),
        given_name: some("Zoë"),
        category: Some("STUDENT".into()),
        home_branch: Some("MAIN".into()),
        ..PatronValues::default()
    };
    Creation { values, pin: Some(Secret::new("4711")) }
}

async fn hand_over(directory: &ExportDirectory, number: &str) {
    let outcome = directory.create(&creation(number)).await;
    assert!(matches!(outcome, Outcome::HandedOver { .. }), "{outcome:?}");
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

#[test]
fn a_file_is_put_in_place_whole_private_and_with_a_manifest() {
    run(async {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("export");
        let directory = directory(&folder, "koha");
        assert!(directory.finish().await.unwrap().is_empty(), "nothing to hand over");
        hand_over(&directory, "7700000001").await;
        hand_over(&directory, "7700000002").await;
        hand_over(&directory, "7700000001").await;
        assert_eq!(files(&folder), ["rostercard-main-20261124T043000Z.part"], "no loader takes half a file");
        let findings = directory.finish().await.unwrap();
        assert!(findings[0].message.starts_with("2 new cards were handed over"), "{findings:?}");
        let base = "rostercard-main-20261124T043000Z";
        assert_eq!(files(&folder), [format!("{base}.csv"), format!("{base}.manifest.json")]);
        let bytes = std::fs::read(folder.join(format!("{base}.csv"))).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("7700000002,,O'Brien,Zoë,,,MAIN,STUDENT") && text.contains(",4711\n"));
        let manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join(format!("{base}.manifest.json"))).unwrap())
                .unwrap();
        assert_eq!((&manifest["cards"], &manifest["layout"]), (&2.into(), &"koha".into()));
        assert_eq!(manifest["blake3"], blake3::hash(&bytes).to_hex().to_string());
        for name in files(&folder) {
            let mode = std::fs::metadata(folder.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        let manifest = manifest.to_string();
        assert!(!manifest.contains("Brien") && !manifest.contains("7700"), "nothing personal in a manifest");
    });
}

#[test]
fn a_run_that_was_killed_is_gone_on_with_and_no_card_is_handed_over_twice() {
    run(async {
        for preset in ["generic", "symphony"] {
            let folder = tempfile::tempdir().unwrap();
            let killed = directory(folder.path(), preset);
            hand_over(&killed, "7700000001").await;
            hand_over(&killed, "7700000002").await;
            // Killed: the file stays, its lock goes.
            drop(killed);
            let part = folder.path().join(&files(folder.path())[0]);
            let whole = std::fs::read(&part).unwrap();
            // The power went in the middle of a third card.
            let torn = if preset == "symphony" {
                "FORM=LDUSER\n.USER_ID. |a7700000003\n.USER_LAST_N"
            } else {
                "7700000003,O'Bri"
            };
            std::fs::write(&part, [&whole, torn.as_bytes()].concat()).unwrap();

            let next = directory(folder.path(), preset);
            hand_over(&next, "7700000002").await;
            hand_over(&next, "7700000003").await;
            next.finish().await.unwrap();
            let names = files(folder.path());
            assert_eq!(names.len(), 2, "{names:?}");
            let file = names.iter().find(|name| !name.ends_with(".json")).unwrap();
            let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
            for number in ["7700000001", "7700000002", "7700000003"] {
                assert_eq!(text.matches(number).count(), 1, "{preset}: {text}");
            }
            if preset == "symphony" {
                assert!(text.starts_with("*** DOCUMENT BOUNDARY ***\nFORM=LDUSER\n"));
                assert_eq!(text.matches("BOUNDARY").count(), 3);
            }
            // Killed after the file was put in place, before anybody noted it: not again.
            let again = directory(folder.path(), preset);
            hand_over(&again, "7700000003").await;
            again.finish().await.unwrap();
            assert_eq!(files(folder.path()), names);
        }
    });
}

#[test]
fn what_was_left_behind_is_handed_over_by_a_run_without_new_cards() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let killed = directory(folder.path(), "generic");
        hand_over(&killed, "7700000001").await;
        drop(killed);
        assert_eq!(directory(folder.path(), "generic").finish().await.unwrap().len(), 1);
        assert_eq!(files(folder.path()).len(), 2);
    });
}

#[test]
fn two_at_a_time_have_a_file_each() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (directory(folder.path(), "generic"), directory(folder.path(), "generic"));
        hand_over(&one, "7700000001").await;
        hand_over(&other, "7700000002").await;
        assert_eq!(one.finish().await.unwrap().len(), 1);
        assert_eq!(other.finish().await.unwrap().len(), 1);
        assert_eq!(files(folder.path()).len(), 4);
    });
}

#[test]
fn what_cannot_stand_in_a_file_is_refused_and_nothing_can_be_looked_up() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let directory = directory(folder.path(), "symphony");
        let mut odd = creation("7700000001");
        odd.values.given_name = Some(Personal::new("Zoë|Ann"));
        let Outcome::Rejected(rejection) = directory.create(&odd).await else { panic!() };
        assert_eq!((rejection.kind, rejection.field), (RejectionKind::Field, Some(Field::GivenName)));
        assert!(!rejection.error.message.contains("Zo"));
        let lookup = directory.find(&FindKey::Barcode(Personal::new("7700000001"))).await;
        assert!(matches!(lookup, Lookup::Unknown(_)), "a file never says that there is no such card");
        assert!(files(folder.path()).is_empty());
    });
}

#[test]
fn a_folder_that_cannot_be_written_is_the_operators_to_mend() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let directory = directory(&file, "generic");
        assert!(directory.check().await.is_err());
        assert!(matches!(directory.create(&creation("1")).await, Outcome::NotSent(_)));
    });
}
