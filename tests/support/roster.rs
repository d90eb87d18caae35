//! OneRoster packages for these tests: of practice districts, and small ones written by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use rostercard_practice::roster::{Spec, Version, generate, schools};
use zip::write::SimpleFileOptions;

/// A practice district of OneRoster 1.2.
pub(crate) fn district(students: u32, seed: u64) -> Spec {
    Spec { version: Version::V1p2, ..Spec::new(students, seed) }
}

/// Puts the package of a day where the program looks for it, whole at once.
pub(crate) fn deliver(spec: &Spec, day: u32, to: &Path) {
    let fresh = to.with_extension("fresh.zip");
    generate(&Spec { day, ..spec.clone() }, &fresh).unwrap();
    std::fs::rename(fresh, to).unwrap();
}

/// The branch of a school, by its place: MAIN and EAST in turn.
pub(crate) fn branch(place: usize) -> &'static str {
    ["MAIN", "EAST"][place % 2]
}

/// The lines of `[homes]` for a practice district.
pub(crate) fn homes(spec: &Spec) -> String {
    schools(spec).iter().enumerate().fold(String::new(), |mut lines, (place, school)| {
        writeln!(lines, "\"{}\" = \"{}\"", school.name, branch(place)).unwrap();
        lines
    })
}

/// The card number that the starting configuration gives.
pub(crate) fn number(student_id: &str) -> String {
    format!("77{student_id:0>8}")
}

/// A student of a roster written by hand.
#[derive(Clone)]
pub(crate) struct Child {
    pub(crate) id: String,
    pub(crate) given: String,
    pub(crate) family: String,
    pub(crate) birth: String,
    pub(crate) school: &'static str,
}

/// A class of children with plain names, in `Elm School`.
pub(crate) fn children(count: u32) -> Vec<Child> {
    (1..=count)
        .map(|n| Child {
            id: format!("{}", 4000 + n),
            given: format!("Given{n}"),
            family: format!("Family{n}"),
            birth: format!("2015-{:02}-{:02}", 1 + n % 12, 1 + n % 28),
            school: "elm",
        })
        .collect()
}

/// Two schools; `[homes]` for them.
pub(crate) const TWO_HOMES: &str = "\"Elm School\" = \"MAIN\"\n\"Ash School\" = \"EAST\"";

/// The files of a OneRoster 1.1 package, by name, to be bent by a test.
pub(crate) fn files(children: &[Child]) -> BTreeMap<String, Vec<u8>> {
    let mut users =
        "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,\
                     familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password\n"
            .to_owned();
    let mut births = "sourcedId,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,asian,\
                      blackOrAfricanAmerican,nativeHawaiianOrOtherPacificIslander,white,demographicRaceTwoOrMoreRaces,\
                      hispanicOrLatinoEthnicity,countryOfBirthCode,stateOfBirthAbbreviation,cityOfBirth,\
                      publicSchoolResidenceStatus\n"
        .to_owned();
    for Child { id, given, family, birth, school } in children {
        writeln!(users, "u{id},,,true,{school},student,user{id},,{given},{family},,{id},,,,,03,").unwrap();
        writeln!(births, "u{id},,,{birth},,,,,,,,,,,,").unwrap();
    }
    let orgs = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n\
                elm,,,Elm School,school,1001,\nash,,,Ash School,school,1002,\n";
    let mut manifest = "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\n".to_owned();
    for name in [
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
        let mode = if ["demographics", "orgs", "users"].contains(&name) { "bulk" } else { "absent" };
        writeln!(manifest, "file.{name},{mode}").unwrap();
    }
    manifest.push_str("source.systemName,Test SIS\nsource.systemCode,test\n");
    [
        ("manifest.csv", manifest),
        ("orgs.csv", orgs.to_owned()),
        ("users.csv", users),
        ("demographics.csv", births),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text.into_bytes()))
    .collect()
}

/// Adds columns to users.csv: their names, and what stands in them for each child in turn.
pub(crate) fn add_columns(
    files: &mut BTreeMap<String, Vec<u8>>,
    names: &str,
    cells: impl Fn(usize) -> String,
) {
    let users = String::from_utf8(files["users.csv"].clone()).unwrap();
    let text = users.lines().enumerate().fold(String::new(), |mut text, (n, line)| {
        let more = if n == 0 { names.to_owned() } else { cells(n - 1) };
        writeln!(text, "{line},{more}").unwrap();
        text
    });
    files.insert("users.csv".to_owned(), text.into_bytes());
}

/// A zip of files.
pub(crate) fn zipped(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Puts a package of children where the program looks for it.
pub(crate) fn send(children: &[Child], to: &Path) {
    std::fs::write(to, zipped(&files(children))).unwrap();
}
