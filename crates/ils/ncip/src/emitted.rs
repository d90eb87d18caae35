//! Everything that is sent, for any patron and every ready dialect, is valid: by NISO's three schemas of NCIP 2, or by the
//! DTD of NCIP 1.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::civil::date;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use rostercard_core::patron::PatronValues;
use rostercard_core::ports::{Creation, FieldChanges};
use rostercard_core::privacy::{BirthDate, Personal, Secret};
use rostercard_core::student::Address;
use rostercard_core::words::Code;
use rostercard_ncip::{
    AddressForm, Fields, LookupUser, Request, Style, UpdateUser, UserElement, UserName, Version, VersionRoot,
    encode, encode_lookup_version,
};

use crate::difference::difference;
use crate::map::WRITABLE;
use crate::{NamedBy, NcipDirectory, NcipSettings, RESPONDERS};

const NUMBER: &str = "20001000123456";

/// The folder of NISO's schemas, or `None` where it is not to hand.
#[expect(
    clippy::disallowed_methods,
    reason = "where the specifications are is said by the environment of a test"
)]
fn specifications() -> Option<PathBuf> {
    let root = std::env::var_os("ROSTERCARD_SPECS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"),
        PathBuf::from,
    );
    let folder = root.join("ncip/xsd");
    if folder.is_dir() {
        return Some(folder);
    }
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!must, "CI needs the specifications: set ROSTERCARD_SPECS");
    println!("skipped: no specifications here");
    None
}

/// Texts as people have them and as attackers would.
fn text() -> impl Strategy<Value = Personal> {
    let texts = prop_oneof![
        4 => "[A-Za-zÀ-ž'’ -]{1,24}",
        2 => "[\\PC]{1,24}",
        1 => Just("]]><![CDATA[&amp;&#x41;".to_owned()),
        1 => Just("👩🏽‍🎓 مريم ‏שרה 𝒵".to_owned()),
        1 => Just("x".repeat(3_000)),
    ];
    texts.prop_filter("nothing left", |t| !t.trim().is_empty()).prop_map(Personal::new)
}

prop_compose! {
    fn values()(
        names in (text(), option::of(text()), option::of(text())),
        contact in (option::of(text()), option::of(text())),
        address in option::of((text(), option::of(text()), text(), text(), text())),
        days in (option::of((1950i16..2100, 1i8..13, 1i8..29)), option::of((2020i16..2100, 1i8..13, 1i8..29))),
        codes in ("[A-Z0-9]{1,8}", option::of("[A-Z0-9]{1,8}")),
        statistics in proptest::collection::btree_map("[a-z]{1,6}", "[A-Z0-9]{1,6}", 0..3),
    ) -> PatronValues {
        PatronValues {
            barcode: Some(Personal::new(NUMBER)),
            surname: Some(names.0),
            given_name: names.1,
            middle_name: names.2,
            birth_date: days.0.map(|(y, m, d)| BirthDate::new(date(y, m, d))),
            email: contact.0,
            phone: contact.1,
            address: address.map(|(street, street2, city, state, zip)| Address { street, street2, city, state, zip }),
            category: Some(Code::new(codes.0)),
            home_branch: codes.1.map(Code::new),
            expiry: days.1.map(|(y, m, d)| date(y, m, d)),
            statistics: statistics.into_iter().map(|(k, v)| (Code::new(k), Code::new(v))).collect::<BTreeMap<_, _>>(),
            note: Some(Personal::new("has no place")),
            ..PatronValues::default()
        }
    }
}

/// A directory for every ready dialect, and its twists.
fn directories() -> Vec<NcipDirectory> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut all = Vec::new();
    for responder in RESPONDERS {
        for (address, named_by) in [
            (AddressForm::Lines, NamedBy::UserId),
            (AddressForm::Street, NamedBy::BarcodeInput),
            (AddressForm::Text, NamedBy::UserId),
        ] {
            let mut settings = NcipSettings::new("http://127.0.0.1:9/", false, "USD", "LAKELIB").unwrap();
            settings.take(responder);
            // The DOCTYPE itself is no part of what is judged, and the judge would go looking for what it names.
            settings.dialect.doctype = false;
            settings.dialect.address = address;
            settings.named_by = named_by;
            all.push(NcipDirectory::new(settings).unwrap());
        }
    }
    all
}

/// Every request that a directory would send of these two patrons.
fn requests(directory: &NcipDirectory, old: &PatronValues, new: &PatronValues) -> Vec<Request> {
    let mapping = directory.mapping();
    let pins = [None, Some(Secret::new("2907"))];
    let creates = pins.map(|pin| directory.creation(NUMBER, &Creation { values: old.clone(), pin }));
    let there = Fields { name: Some(UserName::Structured(mapping.name(old))), ..mapping.fields(old) };
    let changes = FieldChanges { fields: WRITABLE, values: new.clone() };
    let change = difference(mapping, &there, &changes).unwrap();
    let update = (!change.is_empty()).then(|| {
        let who = directory.who(NUMBER, "LAKELIB");
        Request::UpdateUser(UpdateUser { who, delete: change.delete, add: change.add })
    });
    let lookup = LookupUser { who: directory.who(NUMBER, "LAKELIB"), elements: UserElement::ALL.to_vec() };
    creates.into_iter().chain(update).chain([Request::LookupUser(lookup)]).collect()
}

#[test]
fn everything_that_is_sent_is_valid() {
    let Some(folder) = specifications() else { return };
    let judges: Vec<uppsala::XsdValidator> = ["ncip_v2_0.xsd", "ncip_v2_01.xsd", "ncip_v2_02.xsd"]
        .into_iter()
        .map(|schema| {
            let text = std::fs::read_to_string(folder.join(schema)).unwrap();
            uppsala::XsdValidator::from_schema(&uppsala::parse(&text).unwrap()).unwrap()
        })
        .collect();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut old = Vec::new();
    let (mut judged, mut valid_styles) = (0, 0);
    for directory in directories() {
        let dialect = &directory.settings.dialect;
        for _ in 0..8 {
            let (a, b) = (values(), values()).new_tree(&mut runner).unwrap().current();
            for request in requests(&directory, &a, &b) {
                let body = match encode(&request, &directory.header, dialect) {
                    Ok(body) => body,
                    // What XML cannot carry is refused before it is sent.
                    Err(rostercard_ncip::WriteError::ControlCharacter { .. }) => continue,
                    Err(error) => panic!("{error}"),
                };
                let document = String::from_utf8(body.into_bytes()).unwrap();
                match dialect.version {
                    Version::V1 => old.push(document),
                    Version::V2 => {
                        assert_ne!(dialect.style, Style::UnqualifiedVersion, "no ready dialect is invalid");
                        let parsed = uppsala::parse(&document).unwrap();
                        for judge in &judges {
                            let faults = judge.validate(&parsed);
                            assert!(faults.is_empty(), "{faults:?}");
                        }
                        judged += 1;
                    }
                }
            }
            valid_styles += 1;
        }
        let versions = encode_lookup_version(&directory.header, dialect, VersionRoot::Standard);
        assert!(versions.is_ok());
    }
    assert!(judged > 300 && old.len() > 100 && valid_styles > 200, "{judged} and {} were judged", old.len());
    by_the_dtd(&folder.join("ncip_v1_0.dtd"), &old);
}

/// xmllint's judgement of messages of NCIP 1. In CI it must be there.
#[expect(
    clippy::disallowed_methods,
    reason = "whether a judge may be missing is said by the environment of a test"
)]
fn by_the_dtd(dtd: &std::path::Path, documents: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..documents.len()).map(|n| folder.path().join(format!("{n}.xml"))).collect();
    for (file, document) in files.iter().zip(documents) {
        std::fs::write(file, document).unwrap();
    }
    let judge = std::process::Command::new("xmllint")
        .args(["--nonet", "--noout", "--dtdvalid"])
        .arg(dtd)
        .args(&files)
        .output();
    match judge {
        Ok(judged) => assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr)),
        Err(_) => {
            let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!must, "CI needs xmllint (libxml2-utils)");
            println!("skipped: no xmllint here");
        }
    }
}
