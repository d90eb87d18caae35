//! Manifests as exports write them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use rostercard_oneroster::{Code, Finding, Manifest, Mode, ReadError, Version};

const START: &str = "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\n";

fn read(text: &str) -> (Manifest, Vec<Finding>) {
    Manifest::read(text.as_bytes()).unwrap()
}

fn codes(findings: &[Finding]) -> Vec<Code> {
    findings.iter().map(|finding| finding.code).collect()
}

fn refused(text: &str) -> Vec<Finding> {
    match Manifest::read(text.as_bytes()) {
        Err(ReadError::Unusable(findings)) => findings,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn modes_are_per_file() {
    let (manifest, findings) = read(&format!("{START}file.users,bulk\nfile.orgs,delta\nfile.roles,absent\n"));
    assert_eq!(manifest.version, Version::V1_2);
    assert_eq!(manifest.mode("users"), Mode::Bulk);
    assert_eq!(manifest.mode("orgs.csv"), Mode::Delta);
    assert_eq!(manifest.mode("roles.csv"), Mode::Absent);
    assert_eq!(manifest.mode("demographics.csv"), Mode::Absent);
    assert_eq!(
        manifest.declared().collect::<Vec<_>>(),
        [("orgs.csv".into(), Mode::Delta), ("users.csv".into(), Mode::Bulk)]
    );
    // What is not said counts as absent, and is said.
    assert_eq!(codes(&findings), [Code::ManifestMissingProperty]);
    assert!(findings[0].detail.as_ref().unwrap().contains("file.demographics"));
}

#[test]
fn a_whole_1_1_manifest_has_nothing_odd() {
    let mut text =
        "\u{feff}propertyName,value\r\nmanifest.version,1.0\r\noneroster.version,1.1\r\n".to_owned();
    for file in [
        "academicSessions",
        "categories",
        "classes",
        "classResources",
        "courses",
        "courseResources",
        "demographics",
        "enrollments",
        "lineItems",
        "orgs",
        "resources",
        "results",
        "users",
    ] {
        text += &format!("file.{file},bulk\r\n");
    }
    text += "source.systemName,Practice SIS\r\nsource.systemCode,practice";
    let (manifest, findings) = read(&text);
    assert_eq!(findings, []);
    assert_eq!(manifest.system_name.as_deref(), Some("Practice SIS"));
    assert_eq!(manifest.system_code.as_deref(), Some("practice"));
}

#[test]
fn every_oddity_has_its_code_and_line() {
    let table: &[(&str, Code, Option<u64>)] = &[
        ("property,val\nmanifest.version,1.0\noneroster.version,1.1\n", Code::ManifestInvalidHeader, Some(1)),
        (
            "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\nfile.users\n",
            Code::ManifestRowWidthMismatch,
            Some(4),
        ),
        (
            "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\nfile.users,bulk,x\n",
            Code::ManifestRowWidthMismatch,
            Some(4),
        ),
        (
            "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\nfile.pupils,bulk\n",
            Code::ManifestUnknownProperty,
            Some(4),
        ),
        (
            "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\nflavour,sour\n",
            Code::ManifestUnknownProperty,
            Some(4),
        ),
        (
            "propertyName,value\nmanifest.version,2.0\noneroster.version,1.1\n",
            Code::ManifestInvalidVersion,
            None,
        ),
        (
            "propertyName,value\noneroster.version,1.1\nmanifest.version,1.0\n",
            Code::ManifestMissingProperty,
            None,
        ),
    ];
    for (text, code, line) in table {
        let (_, findings) = read(text);
        let found = findings.iter().find(|finding| finding.code == *code);
        assert_eq!(found.map(|finding| finding.line), Some(*line), "{text}: {findings:?}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_everything_else_beside_it() {
    let table: &[(&str, Code)] = &[
        ("", Code::ManifestInvalidOneRosterVersion),
        ("propertyName,value\nmanifest.version,1.0\n", Code::ManifestInvalidOneRosterVersion),
        ("propertyName,value\noneroster.version,2.0\n", Code::ManifestInvalidOneRosterVersion),
        ("propertyName,value\noneroster.version,1.1\nfile.users,whole\n", Code::ManifestInvalidFileMode),
        (
            "propertyName,value\noneroster.version,1.1\nfile.users,bulk\nfile.users,delta\n",
            Code::ManifestDuplicateProperty,
        ),
        (
            "propertyName,value\noneroster.version,1.1\noneroster.version,1.2\n",
            Code::ManifestDuplicateProperty,
        ),
    ];
    for (text, code) in table {
        let findings = refused(text);
        assert_eq!(findings[0].code, *code, "{text}");
        assert!(findings.len() > 1, "the rest was not said: {text}");
    }
    let endless = format!("{START}{}", "file.users,bulk\n".repeat(2_000));
    assert_eq!(refused(&endless)[0].code, Code::ManifestTooLong);
}

#[test]
fn the_same_property_twice_with_one_value_is_no_contradiction() {
    let (manifest, _) = read(&format!("{START}file.users,bulk\nFile.Users,BULK\n"));
    assert_eq!(manifest.mode("users"), Mode::Bulk);
}

#[test]
fn versions() {
    for (text, version) in [
        ("1.1", Some(Version::V1_1)),
        ("1.2", Some(Version::V1_2)),
        ("1.2.1", Some(Version::V1_2)),
        ("v1p2", Some(Version::V1_2)),
        ("1.0", None),
        ("", None),
        ("1", None),
        ("11", None),
    ] {
        assert_eq!(Version::parse(text), version, "{text}");
    }
}

#[test]
fn declared_and_present_are_compared() {
    let (manifest, _) = read(&format!("{START}file.users,bulk\nfile.orgs,bulk\n"));
    let findings = manifest.compare(["users.csv", "classes.csv", "readme.csv", "Orgs.csv"]);
    let said: Vec<_> = findings.iter().map(|finding| (finding.code, finding.file.as_str())).collect();
    assert_eq!(
        said,
        [(Code::ManifestFileMissing, "orgs.csv"), (Code::ManifestFileUnexpected, "classes.csv")]
    );
}

#[test]
fn no_finding_repeats_a_cell() {
    // Another file under the manifest's name: its cells are children's.
    let text = "sourcedId,givenName\n4711,Zelda\nZelda,Quux\noneroster.version,Zelda\nfile.Zelda,bulk\nfile.users,Zelda\n";
    let shown = refused(text).iter().map(|finding| format!("{finding} {finding:?}")).collect::<String>();
    assert!(!shown.contains("Zelda") && !shown.contains("4711"), "{shown}");
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        match Manifest::read(bytes.as_slice()) {
            Ok((manifest, _)) => prop_assert!(manifest.declared().count() <= rostercard_oneroster::FILES.len()),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
