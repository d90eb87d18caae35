//! The whole source against what the `csv` crate alone costs for the same files: `cargo bench -p
//! rostercard-source-oneroster`. What was learned is in `README.md` beside this file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench stops at the first surprise")]

use std::fmt::Write;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::ItemsCount;
use jiff::civil::date;
use rostercard_core::field::{Field, FieldRules, Ownership};
use rostercard_core::ports::{Completeness, RosterPage, RosterSource};
use rostercard_source_oneroster::{OneRosterCsv, Settings};

const STUDENTS: usize = 200_000;

fn main() {
    divan::main();
}

struct Packages {
    folder: tempfile::TempDir,
    zip: PathBuf,
}

/// One package of 1.2 as a folder and as a zip: every file that the source reads, each student with an address.
static PACKAGES: LazyLock<Packages> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let mut users =
        "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,\
        identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,\
        preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns,metadata.street,metadata.city,\
        metadata.state,metadata.zip\n"
            .to_owned();
    let mut roles =
        "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,\
        userProfileSourcedId\n"
            .to_owned();
    let mut demographics =
        "sourcedId,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,asian,\
        blackOrAfricanAmerican,nativeHawaiianOrOtherPacificIslander,white,demographicRaceTwoOrMoreRaces,\
        hispanicOrLatinoEthnicity,countryOfBirthCode,stateOfBirthAbbreviation,cityOfBirth,\
        publicSchoolResidenceStatus\n"
            .to_owned();
    let mut orgs = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n".to_owned();
    for school in 0..100 {
        writeln!(orgs, "school-{school},,,School {school},school,{school:05},").unwrap();
    }
    for n in 0..STUDENTS {
        let id = format!("{:08x}-0000-4000-8000-{n:012x}", n.wrapping_mul(0x9e37_79b1) & 0xffff_ffff);
        let (school, grade, year) = (n % 100, n % 12 + 1, 2008 + n % 12);
        writeln!(
            users,
            "{id},,,true,given{n}.family,{{stateId:{n:010}}},Given{n},Family-{school},M,{n:07},\
             given{n}@students.example.org,,555-{:04},,{grade:02},,,,,,school-{school},,{n} Oak Street,Woodland,CA,95695",
            n % 10_000
        )
        .unwrap();
        writeln!(roles, "r{n},,,{id},primary,student,,,school-{school},").unwrap();
        writeln!(demographics, "{id},,,{year}-{:02}-{:02},,,,,,,,,,,,", n % 12 + 1, n % 28 + 1).unwrap();
    }
    let manifest = "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\nfile.orgs,bulk\nfile.users,bulk\n\
        file.roles,bulk\nfile.demographics,bulk\n";
    let files = [
        ("manifest.csv", manifest.to_owned()),
        ("orgs.csv", orgs),
        ("users.csv", users),
        ("roles.csv", roles),
        ("demographics.csv", demographics),
    ];
    let zip = folder.path().with_extension("zip");
    let mut writer = zip::ZipWriter::new(File::create(&zip).unwrap());
    for (name, text) in files {
        fs::write(folder.path().join(name), &text).unwrap();
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
    Packages { folder, zip }
});

/// The measure: the `csv` crate's raw records of users, roles and demographics, each file once.
#[divan::bench(sample_count = 10)]
fn bare_csv(bencher: Bencher<'_, '_>) {
    let folder = PACKAGES.folder.path();
    bencher.counter(ItemsCount::new(STUDENTS)).bench(|| {
        let mut records = 0;
        for name in ["users.csv", "roles.csv", "demographics.csv"] {
            let mut reader = csv::Reader::from_path(folder.join(name)).unwrap();
            let mut record = csv::ByteRecord::new();
            while reader.read_byte_record(&mut record).unwrap() {
                records += 1;
            }
        }
        assert_eq!(records, STUDENTS * 3);
    });
}

/// The same files through the whole source to records, which are dropped.
#[divan::bench(sample_count = 10)]
fn source_from_folder(bencher: Bencher<'_, '_>) {
    let folder = PACKAGES.folder.path();
    bencher.counter(ItemsCount::new(STUDENTS)).bench(|| whole(folder, FieldRules::default()));
}

/// The same with every field allowed: contact data and addresses too.
#[divan::bench(sample_count = 10)]
fn source_from_folder_all_fields(bencher: Bencher<'_, '_>) {
    let mut rules = FieldRules::default();
    for field in [Field::Email, Field::Phone, Field::Address] {
        rules.set(field, Ownership::School);
    }
    bencher.counter(ItemsCount::new(STUDENTS)).bench(|| whole(PACKAGES.folder.path(), rules.clone()));
}

/// The same from the zip, which is unpacked twice for users.csv.
#[divan::bench(sample_count = 10)]
fn source_from_zip(bencher: Bencher<'_, '_>) {
    let zip = PACKAGES.zip.as_path();
    bencher.counter(ItemsCount::new(STUDENTS)).bench(|| whole(zip, FieldRules::default()));
}

fn whole(path: &Path, rules: FieldRules) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut source = OneRosterCsv::new(Settings::new(path), rules, date(2026, 11, 24));
        source.facts().await.unwrap();
        let mut records = 0;
        loop {
            match source.next_page().await.unwrap() {
                RosterPage::Records(page) => records += page.len(),
                RosterPage::End { completeness: Completeness::Snapshot, .. } => break,
                RosterPage::End { findings, .. } => panic!("not a snapshot: {findings:?}"),
            }
        }
        assert_eq!(records, STUDENTS);
    });
}
