//! Packages as districts send them, from file to record.

mod deltas;
mod support;

use jiff::civil::date;
use proptest::prelude::*;
use rostercard_core::field::{Field, FieldRules, Ownership};
use rostercard_core::ports::{Completeness, Fault, Retry, RosterPage, RosterSource};
use rostercard_core::privacy::Personal;
use rostercard_core::student::GivenAddress;
use rostercard_core::words::Role;
use rostercard_source_oneroster::{OneRosterCsv, Settings, StudentIdFrom, Version};
use support::{DEMOGRAPHICS, ORGS, Package, ROLES, TODAY, USERS_1_1, USERS_1_2, everything, read, read_path};

/// A student's row of 1.1, with an id, names and schools.
fn row(source_id: &str, number: &str, given: &str, family: &str, schools: &str) -> String {
    format!("{source_id},,,true,\"{schools}\",student,u{number},,{given},{family},,{number},,,,,05,secret\n")
}

#[test]
fn a_1_1_package_becomes_students_and_educators() {
    let users = format!(
        "{USERS_1_1}\n\
         u1,,,true,s1,student,ana.ng,\"{{stateId:9001}}\",Ana,Ng,Q,00123,ana@example.org,,555-0100,p1,\"05,06\",secret\n\
         u2,,,false,\"s2, s1\",student,bo.li,,Bo,Li,,00124,,555-0199,,,KG,secret\n\
         t1,,,true,s1,teacher,tea.cher,,Tea,Cher,,E77,tea@example.org,,,,,secret\n\
         p1,,,true,s1,guardian,gua.rd,,Gua,Rd,,,g@example.org,,,u1,,secret\n"
    );
    let demographics = format!("{DEMOGRAPHICS}\nu1,,,2015-03-04,female\nu2,,,2019-10-11T00:00:00Z,male\n");
    let package =
        Package::new("1.1").file("orgs", ORGS).file("users", &users).file("demographics", &demographics);
    let (_keep, zip) = package.zip();
    for roster in [package.read(), read_path(&zip).unwrap()] {
        assert_eq!(roster.description, "Practice SIS, OneRoster 1.1 CSV");
        assert_eq!(roster.completeness, Completeness::Snapshot);
        assert_eq!(roster.ids(), ["00123", "00124", "E77"]);
        let ana = roster.student("00123");
        assert_eq!((ana.given_name.reveal(), ana.family_name.reveal()), ("Ana", "Ng"));
        assert_eq!(ana.middle_name.as_ref().unwrap().reveal(), "Q");
        assert_eq!(ana.source_ids[0].reveal(), "u1");
        assert_eq!(ana.role, Role::Student);
        assert_eq!(ana.birth_date.unwrap().reveal(), date(2015, 3, 4));
        assert_eq!(ana.grade.unwrap().to_string(), "05");
        assert_eq!(ana.school().unwrap().code.as_deref(), Some("1001"));
        assert_eq!(ana.email.as_ref().unwrap().reveal(), "ana@example.org");
        assert_eq!(ana.phone.as_ref().unwrap().reveal(), "555-0100");
        assert_eq!(ana.user_name.as_ref().unwrap().reveal(), "ana.ng");
        assert_eq!(ana.row.as_ref().unwrap().line, 2);
        // enabledUser=false is no leaving, a date with a time is a date, and the text number stands in for the phone.
        let bo = roster.student("00124");
        assert_eq!(bo.birth_date.unwrap().reveal(), date(2019, 10, 11));
        assert_eq!(bo.phone.as_ref().unwrap().reveal(), "555-0199");
        assert_eq!(
            bo.schools.iter().map(|school| school.name.as_str()).collect::<Vec<_>>(),
            ["Lee Middle", "Douglass Middle"]
        );
        assert_eq!(bo.primary_school, Some(0));
        assert_eq!(bo.findings[0].code, "several_schools_none_primary");
        assert_eq!(roster.student("E77").role, Role::Educator);
        assert_eq!(roster.finding("family_skipped").place.line, Some(5));
        assert!(roster.finding("school_without_students").message.contains("Empty High"));
    }
}

#[test]
fn a_1_2_package_has_its_roles_apart() {
    let users = format!(
        "{USERS_1_2}\n\
         u1,,,true,ana,,Ana,Ng,,1,,,,,05,x,m1,Annie,,,s2,she\n\
         u2,,,true,bo,,Bo,Li,,2,,,,,06,x,m2,,,,,\n\
         u3,,,true,cy,,Cy,Ko,,3,,,,,07,x,m3,,,,,\n\
         u4,,,true,di,,Di,Mo,,4,,,,,08,x,m4,,,,,\n\
         u5,,,true,ed,,Ed,No,,,,,,,,x,m5,,,,,\n\
         t1,,,true,tea,,Tea,Cher,,T1,,,,,,x,m6,,,,,\n"
    );
    let roles = format!(
        "{ROLES}\n\
         r1,,,u1,primary,student,,,s1,\n\
         r2,,,u1,primary,student,,,s2,\n\
         r3,,,u2,secondary,student,,,s1,\n\
         r4,,,u2,primary,student,2026-08-15,2027-06-10,s2,\n\
         r5,,,u3,primary,student,2025-08-15,2026-11-24,s1,\n\
         r6,,,t1,primary,principal,,2026-11-25,s1,\n\
         r7,,,t1,secondary,parent,,,s2,\n\
         r8,,,u9,primary,student,,,s1,\n"
    );
    let roster = Package::new("1.2").file("orgs", ORGS).file("users", &users).file("roles", &roles).read();
    // u3's role ended today (the last day does not count); u5 has neither role nor number; u4 has no role at all.
    assert_eq!(roster.ids(), ["1", "2", "T1"]);
    assert_eq!(roster.damages(), [(Some("4"), "user_without_role", "users.csv:5:sourcedId".to_owned())]);
    assert_eq!(roster.completeness, Completeness::Snapshot);
    let ana = roster.student("1");
    assert_eq!(ana.school().unwrap().name, "Lee Middle", "primaryOrgSourcedId decides");
    assert_eq!(ana.preferred.as_ref().unwrap().given.as_ref().unwrap().reveal(), "Annie");
    let bo = roster.student("2");
    assert_eq!((bo.schools.len(), bo.school().unwrap().name.as_str()), (2, "Lee Middle"));
    assert!(bo.findings.is_empty(), "the one primary role decides");
    let tea = roster.student("T1");
    assert_eq!((tea.role, tea.schools.len()), (Role::Educator, 1));
    for code in ["roles_not_current", "user_without_role_and_id", "role_of_unknown_user"] {
        assert!(roster.codes().contains(&code), "{code}: {:?}", roster.findings);
    }
}

#[test]
fn c20_1_2_without_roles() {
    let old = format!("{USERS_1_1}\n{}", row("u1", "1", "Ana", "Ng", "s1"));
    let roster = Package::new("1.2").file("orgs", ORGS).file("users", &old).read();
    assert_eq!(roster.ids(), ["1"]);
    assert!(roster.opening.iter().any(|finding| finding.code == "roles_absent"));
    let new = format!("{USERS_1_2}\nu1,,,true,ana,,Ana,Ng,,1,,,,,05,x,m1,,,,,\n");
    let error = Package::new("1.2").file("orgs", ORGS).file("users", &new).try_read(|_| {}).unwrap_err();
    assert!(error.message.starts_with("roles.csv"), "{error}");
}

#[test]
fn the_student_id_comes_from_where_the_district_says() {
    let users =
        format!("{USERS_1_2}\nu1,,,true,ana,\"{{LDAP:x}},{{stateId: 009 }}\",Ana,Ng,,1,,,,,05,x,m1,,,,,\n");
    let roles = format!("{ROLES}\nr1,,,u1,primary,student,,,s1,\n");
    let package = Package::new("1.2").file("orgs", ORGS).file("users", &users).file("roles", &roles);
    for (from, id) in [
        (StudentIdFrom::Identifier, "1"),
        (StudentIdFrom::SourcedId, "u1"),
        (StudentIdFrom::Username, "ana"),
        (StudentIdFrom::UserMasterIdentifier, "m1"),
        (StudentIdFrom::UserIds("STATEID".to_owned()), "009"),
    ] {
        assert_eq!(package.read_with(|settings| settings.student_id = from).ids(), [id]);
    }
}

#[test]
fn i1_one_person_in_two_schools_is_one_record() {
    let demographics = format!("{DEMOGRAPHICS}\na,,,2015-03-04,\nb,,,2015-03-04,\n");
    let users = format!(
        "{USERS_1_1}\n{}{}{}",
        row("a", "7", "Zo\u{eb}", "Ng", "s1"),
        row("x", "8", "Other", "Child", "s1"),
        row("b", "7", "ZOE\u{308}", "ng", "s2"),
    );
    let package =
        Package::new("1.1").file("orgs", ORGS).file("users", &users).file("demographics", &demographics);
    let roster = package.read();
    assert_eq!(roster.completeness, Completeness::Snapshot);
    assert_eq!(roster.students.len(), 2);
    let zoe = roster.student("7");
    assert_eq!(zoe.source_ids.iter().map(Personal::reveal).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(zoe.schools.len(), 2);
    assert_eq!(zoe.school().unwrap().source_id, "s1");
    assert_eq!(
        zoe.findings.iter().map(|finding| finding.code).collect::<Vec<_>>(),
        ["several_schools_none_primary"]
    );
}

#[test]
fn s06_different_people_under_one_number_are_never_crossed() {
    let demographics =
        format!("{DEMOGRAPHICS}\na,,,2015-03-04,\nb,,,2015-03-04,\nc,,,2014-01-01,\nd,,,2016-01-01,\n");
    let users = format!(
        "{USERS_1_1}\n{}{}{}{}{}",
        // Twins.
        row("a", "7", "Ana", "Ng", "s1"),
        row("b", "7", "Bea", "Ng", "s1"),
        // Namesakes, by the birth date.
        row("c", "8", "Cy", "Ko", "s1"),
        row("d", "8", "Cy", "Ko", "s2"),
        row("e", "9", "Good", "Child", "s2"),
    );
    let package =
        Package::new("1.1").file("orgs", ORGS).file("users", &users).file("demographics", &demographics);
    let roster = package.read();
    assert_eq!(roster.ids(), ["9"]);
    assert_eq!(
        roster.damages(),
        [
            (Some("7"), "duplicate_student_id", "users.csv:2".to_owned()),
            (Some("8"), "duplicate_student_id", "users.csv:4".to_owned())
        ]
    );
    assert!(roster.damaged[0].finding.message.contains("line 3"));
    assert_eq!(roster.completeness, Completeness::Snapshot, "both ids were seen");
}

#[test]
fn i4_one_sourced_id_for_two_students() {
    let users = format!(
        "{}{}{}",
        row("a", "1", "Ana", "Ng", "s1"),
        row("a", "2", "Bo", "Li", "s1"),
        row("c", "3", "Cy", "Ko", "s1")
    );
    let roster = Package::of_users(&users).read();
    assert_eq!(roster.ids(), ["3"]);
    let damages = roster.damages();
    assert_eq!(
        damages.iter().map(|(id, code, _)| (id.unwrap(), *code)).collect::<Vec<_>>(),
        [("1", "duplicate_sourced_id"), ("2", "duplicate_sourced_id")]
    );
}

#[test]
fn a_constant_in_the_id_column_is_one_damaged_record() {
    // So many that work which grows with their square would be noticed.
    let users: String = (0..60_000).map(|n| row(&format!("u{n}"), "0", "Ana", "Ng", "s1")).collect();
    let roster = Package::of_users(&users).read();
    assert!(roster.students.is_empty());
    assert_eq!(roster.damages(), [(Some("0"), "duplicate_student_id", "users.csv:2".to_owned())]);
}

#[test]
fn every_id_comes_once_over_many_pages() {
    // Every tenth person is in two schools, far apart in the file.
    let first: String =
        (0..9_000).map(|n| row(&format!("u{n}"), &n.to_string(), "Ana", "Ng", "s1")).collect();
    let second: String =
        (0..900).map(|n| row(&format!("v{n}"), &(n * 10).to_string(), "Ana", "Ng", "s2")).collect();
    let roster = Package::of_users(&(first + &second)).read();
    assert_eq!(roster.students.len(), 9_000);
    let mut ids: Vec<u32> = roster.ids().iter().map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(0..9_000));
    assert_eq!(roster.students.iter().filter(|student| student.schools.len() == 2).count(), 900);
    assert_eq!(roster.completeness, Completeness::Snapshot);
}

#[test]
fn s02_a_header_alone_is_no_roster() {
    let roster = Package::of_users("").read();
    assert_eq!(roster.completeness, Completeness::Incomplete);
    assert_eq!(roster.finding("table_missing_data_rows").place.file.as_deref(), Some("users.csv"));
    assert!(roster.finding("roster_incomplete").message.contains("table_missing_data_rows"));
}

#[test]
fn s02_an_empty_file_is_refused() {
    let error = Package::new("1.1").file("orgs", ORGS).file("users", "").try_read(|_| {}).unwrap_err();
    assert!(error.message.contains("users.csv") && error.message.contains("empty"), "{error}");
    assert_eq!(error.fault, Fault::District);
}

#[test]
fn s02_a_transfer_that_broke_off_is_no_roster() {
    let package = Package::of_users(&row("u1", "1", "Ana", "Ng", "s1"));
    let (_keep, path) = package.zip();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 30]).unwrap();
    let error = read_path(&path).unwrap_err();
    assert_eq!((error.fault, error.retry), (Fault::District, Retry::Later), "{error}");
    assert!(error.message.contains("not finished"), "{error}");
    // A folder's file cut within a row: what is left of the row could be anybody's.
    let users = row("u1", "1", "Ana", "Ng", "s1") + "u2,,,true,s1,student,u2,,Bo,";
    let roster = Package::of_users(&users).read();
    assert_eq!(roster.ids(), ["1"]);
    assert_eq!(roster.damages(), [(None, "row_width_mismatch", "users.csv:3".to_owned())]);
    assert_eq!(roster.completeness, Completeness::Incomplete);
}

#[test]
fn s02_a_declared_file_that_is_missing_stops_everything() {
    let package = Package::of_users(&row("u1", "1", "Ana", "Ng", "s1")).declare("enrollments", "bulk");
    let error = package.try_read(|_| {}).unwrap_err();
    assert!(error.message.starts_with("enrollments.csv"), "{error}");
    let package = Package::new("1.1").file("orgs", ORGS);
    assert!(package.try_read(|_| {}).unwrap_err().message.starts_with("users.csv"));
}

#[test]
fn c3_deltas_are_refused_and_named() {
    for file in ["users", "demographics"] {
        let package = Package::of_users(&row("u1", "1", "Ana", "Ng", "s1"))
            .file("demographics", &format!("{DEMOGRAPHICS}\n"))
            .declare(file, "delta");
        let error = package.try_read(|_| {}).unwrap_err();
        assert!(error.message.contains(&format!("{file}.csv: its mode is delta")), "{error}");
        assert!(error.message.contains("nothing was read"));
    }
    // What is not read may be a delta.
    let package = Package::of_users(&row("u1", "1", "Ana", "Ng", "s1"))
        .file("enrollments", "x\n")
        .declare("enrollments", "delta");
    assert_eq!(package.read().completeness, Completeness::Snapshot);
}

#[test]
fn c4_a_package_without_a_manifest() {
    let package = Package::of_users(&row("u1", "1", "Ana", "Ng", "s1"));
    let folder = package.folder();
    std::fs::remove_file(folder.path().join("manifest.csv")).unwrap();
    assert!(read_path(folder.path()).unwrap_err().message.starts_with("manifest.csv"));
    let mut settings = Settings::new(folder.path());
    settings.without_manifest = Some(Version::V1_1);
    assert_eq!(read(settings, everything()).unwrap().ids(), ["1"]);
}

#[test]
fn c5_a_file_that_is_present_and_absent_is_ignored() {
    let demographics = format!("{DEMOGRAPHICS}\nu1,,,2015-03-04,\n");
    let package = Package::of_users(&row("u1", "1", "Ana", "Ng", "s1"))
        .file("demographics", &demographics)
        .declare("demographics", "absent");
    let roster = package.read();
    assert_eq!(roster.student("1").birth_date, None);
    assert!(roster.opening.iter().any(|finding| finding.code == "manifest_file_unexpected"));
    assert!(roster.codes().contains(&"demographics_absent"));
}

#[test]
fn c18_a_row_that_is_not_utf8_is_damaged_and_seen() {
    let mut bytes = format!("{USERS_1_1}\n").into_bytes();
    bytes.extend_from_slice(b"u1,,,true,s1,student,u1,,Mar\xeda,Ng,,1,,,,,05,\n");
    bytes.extend_from_slice(row("u2", "2", "Bo", "Li", "s1").as_bytes());
    let roster = Package::new("1.1").file("orgs", ORGS).bytes("users", &bytes).read();
    assert_eq!(roster.ids(), ["2"]);
    assert_eq!(roster.damages(), [(Some("1"), "row_invalid_utf8", "users.csv:2".to_owned())]);
    assert_eq!(roster.completeness, Completeness::Snapshot, "the person was seen");
    // A file in UTF-16 is said to be one.
    let wide: Vec<u8> = "\u{feff}sourcedId".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let error = Package::new("1.1").file("orgs", ORGS).bytes("users", &wide).try_read(|_| {}).unwrap_err();
    assert!(error.message.contains("UTF-16"), "{error}");
}

#[test]
fn c22_status_in_a_bulk_file() {
    let users = "u1,active,2026-01-01,true,s1,student,a,,Ana,Ng,,1,,,,,05,\n\
                 u2,tobedeleted,2026-01-01,true,s1,student,b,,Bo,Li,,2,,,,,05,\n\
                 u3,inactive,,true,s1,student,c,,Cy,Ko,,3,,,,,05,\n";
    let roster = Package::of_users(users).read();
    assert_eq!(roster.ids(), ["1"]);
    assert_eq!(roster.completeness, Completeness::Snapshot);
    assert!(roster.finding("user_tobedeleted").message.contains("2 times"));
    assert!(roster.codes().contains(&"row_field_forbidden_in_bulk"));
}

#[test]
fn somebody_without_an_id_could_be_anybody() {
    let educator = "t1,,,true,s1,teacher,t,,Tea,Cher,,,,,,,,\n";
    let users = row("u1", "1", "Ana", "Ng", "s1");
    let roster = Package::of_users(&(users.clone() + &row("u2", "", "Bo", "Li", "s1"))).read();
    assert_eq!(roster.completeness, Completeness::Incomplete);
    assert_eq!(roster.damages(), [(None, "missing_student_id", "users.csv:3:identifier".to_owned())]);
    let package = Package::of_users(&(users + educator));
    assert_eq!(package.read().completeness, Completeness::Incomplete);
    let students_only = package.read_with(|settings| settings.educators = false);
    assert_eq!(students_only.completeness, Completeness::Snapshot);
    assert_eq!(students_only.ids(), ["1"]);
}

#[test]
fn a_broken_row_of_roles_withdraws_nobody() {
    let users = format!("{USERS_1_2}\nu1,,,true,ana,,Ana,Ng,,1,,,,,05,x,m1,,,,,\n");
    let roles = format!("{ROLES}\nr1,,,u1,primary,student,,,s1,\nr2,,,u2,primary\n");
    let roster = Package::new("1.2").file("orgs", ORGS).file("users", &users).file("roles", &roles).read();
    assert_eq!(roster.ids(), ["1"]);
    assert_eq!(roster.completeness, Completeness::Incomplete);
    assert_eq!(roster.finding("row_width_mismatch").place.to_string(), "roles.csv:3");
}

#[test]
fn dates_that_are_none_are_named_and_unknown() {
    let users: String =
        ["1", "2", "3", "4"].iter().map(|n| row(&format!("u{n}"), n, "Ana", "Ng", "s1")).collect();
    let demographics =
        format!("{DEMOGRAPHICS}\nu1,,,03/04/2015,\nu2,,,1900-01-01,\nu3,,,2031-01-01,\nu4,,,,\n");
    let package = Package::new("1.1")
        .file("orgs", ORGS)
        .file("users", &format!("{USERS_1_1}\n{users}"))
        .file("demographics", &demographics);
    let roster = package.read();
    for (id, code, line) in
        [("1", "row_invalid_date", 2), ("2", "row_placeholder_date", 3), ("3", "birth_date_in_future", 4)]
    {
        let student = roster.student(id);
        assert_eq!(student.birth_date, None);
        assert_eq!((student.findings[0].code, student.findings[0].place.line), (code, Some(line)));
    }
    assert!(roster.student("4").findings.is_empty());
    assert_eq!(roster.completeness, Completeness::Snapshot);
}

#[test]
fn s13_addresses_come_from_extension_columns() {
    let header = format!(
        "{USERS_1_1},metadata.street,metadata.street2,metadata.City,metadata.state,metadata.zip,metadata.protected"
    );
    let line = |n: &str, rest: &str| {
        row(&format!("u{n}"), n, "Ana", "Ng", "s1").trim_end().to_owned() + "," + rest + "\n"
    };
    let users = format!(
        "{header}\n{}{}{}{}",
        line("1", "12 Oak St,Apt 4,Woodland,CA,95695,false"),
        line("2", "13 Oak St,,Woodland,CA,95695,TRUE"),
        line("3", "14 Oak St,,Woodland,CA,95695,safe at home"),
        line("4", ",,,CA,,"),
    );
    let package = Package::new("1.1").file("orgs", ORGS).file("users", &users);
    let roster = package.read();
    let GivenAddress::Given(address) = &roster.student("1").address else { unreachable!("an address") };
    assert_eq!(
        (address.street.reveal(), address.city.reveal(), address.zip.reveal()),
        ("12 Oak St", "Woodland", "95695")
    );
    assert_eq!(address.street2.as_ref().unwrap().reveal(), "Apt 4");
    assert_eq!(roster.student("2").address, GivenAddress::Protected);
    assert_eq!(
        roster.student("3").address,
        GivenAddress::Protected,
        "a mark that is not understood protects"
    );
    assert_eq!(roster.student("4").address, GivenAddress::None);
    // The mark's column is named, and not there: no address at all.
    let unmarked =
        package.read_with(|settings| settings.columns.protected = Some("metadata.confidential".to_owned()));
    assert!(unmarked.students.iter().all(|student| student.address == GivenAddress::None));
    assert!(unmarked.codes().contains(&"protected_column_missing"));
}

#[test]
fn what_is_not_allowed_is_never_copied() {
    let header = format!("{USERS_1_1},metadata.street");
    let users = format!(
        "{header}\nu1,,,true,s1,student,ana.ng,,Ana,Ng,Quinn,1,ana@example.org,555,556,,05,secret,12 Oak St\n"
    );
    let demographics = format!("{DEMOGRAPHICS}\nu1,,,2015-03-04,female\n");
    let folder = Package::new("1.1")
        .file("orgs", ORGS)
        .file("users", &users)
        .file("demographics", &demographics)
        .folder();
    let mut rules = FieldRules::default();
    rules.set(Field::MiddleName, Ownership::None);
    rules.set(Field::BirthDate, Ownership::None);
    rules.set(Field::UserName, Ownership::None);
    let roster = read(Settings::new(folder.path()), rules).unwrap();
    let student = roster.student("1");
    assert_eq!(student.given_name.reveal(), "Ana");
    assert_eq!(
        (&student.middle_name, &student.email, &student.phone, &student.user_name),
        (&None, &None, &None, &None)
    );
    assert_eq!((student.birth_date, &student.address), (None, &GivenAddress::None));
}

#[test]
fn s15_a_school_that_is_not_listed_keeps_its_students() {
    let roster = Package::of_users(&row("u1", "1", "Ana", "Ng", "s9")).read();
    assert_eq!(roster.student("1").school().unwrap().key(), "s9");
    assert!(roster.finding("org_not_listed").message.contains("s9"));
    // A district is no school.
    let roster = Package::of_users(&row("u1", "1", "Ana", "Ng", "d,s1")).read();
    assert_eq!(roster.student("1").schools.len(), 1);
}

#[test]
fn s12_names_are_kept_whole() {
    let names = ["O'Brien-N\u{fa}\u{f1}ez", "\u{5f20}", "Nguy\u{1ec5}n", "van der Berg", "Zo\u{eb}"];
    let users: String = names
        .iter()
        .enumerate()
        .map(|(n, name)| row(&format!("u{n}"), &n.to_string(), name, "", "s1"))
        .collect();
    let roster = Package::of_users(&users).read();
    for (n, name) in names.iter().enumerate() {
        assert_eq!(roster.student(&n.to_string()).given_name.reveal(), *name);
    }
}

#[test]
fn nothing_personal_in_any_finding() {
    let users = "zelda1,bogus,,true,s1,student,zelda.q,zelda,Zelda,Quux,,zelda77,zelda@example.org,,,,zeldagrade,zeldapass\n\
                 zelda2,,,true,s1,student,zelda.r,,Zelda,Quux,,,,,,,,\n\
                 zelda3,,,true,s1,student,zelda.s,,Zelda,Quux\n\
                 zelda4,,,true,s1,zeldarole,zelda.t,,Zelda,Quux,,zelda78,,,,,,\n\
                 zelda5,,,true,s1,student,z,,Zelda,Quux,,zelda79,,,,,,\n\
                 zelda6,,,true,s1,student,z,,Zelma,Quux,,zelda79,,,,,,\n";
    let demographics = format!("{DEMOGRAPHICS}\nzelda1,,,zelda-day,\nzelda5,,\"zelda\n");
    let package = Package::new("1.1")
        .file("orgs", ORGS)
        .file("users", &format!("{USERS_1_1}\n{users}"))
        .file("demographics", &demographics);
    let roster = package.read();
    let shown = format!("{roster:?}").to_lowercase();
    assert!(roster.findings.len() > 3 && roster.damaged.len() > 2);
    assert!(!shown.contains("zelda") && !shown.contains("zelma") && !shown.contains("quux"), "{shown}");
}

#[test]
fn a_reader_that_is_gone_stops_the_reading() {
    let users: String =
        (0..40_000).map(|n| row(&format!("u{n}"), &n.to_string(), "Ana", "Ng", "s1")).collect();
    let folder = Package::of_users(&users).folder();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut source = OneRosterCsv::new(Settings::new(folder.path()), everything(), TODAY);
        assert!(matches!(source.next_page().await.unwrap(), RosterPage::Records(_)));
    });
    // Waits for the blocking thread: it would never end if it did not notice.
    drop(runtime);
}

#[test]
fn check_reads_headers_alone() {
    let package = Package::of_users("").file("demographics", &format!("{DEMOGRAPHICS}\n"));
    let folder = package.folder();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let check = |path: &std::path::Path| {
        let mut source = OneRosterCsv::new(Settings::new(path), everything(), TODAY);
        runtime.block_on(source.check())
    };
    let codes: Vec<_> = check(folder.path())
        .unwrap()
        .iter()
        .map(|finding| (finding.code, finding.place.file.clone().unwrap()))
        .collect();
    assert!(codes.contains(&("manifest_missing_property", "manifest.csv".to_owned())));
    assert!(codes.contains(&("schema_missing_header", "demographics.csv".to_owned())) || !codes.is_empty());
    std::fs::write(folder.path().join("users.csv"), "givenName\n").unwrap();
    assert!(check(folder.path()).unwrap_err().message.contains("sourcedId"));
    let nowhere = check(&folder.path().join("none")).unwrap_err();
    assert_eq!((nowhere.fault, nowhere.retry), (Fault::Operator, Retry::Later));
}

/// The folder of specifications and samples, where there is one. CI must have it.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the samples are")]
fn samples() -> Option<std::path::PathBuf> {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    let folder = std::env::var_os("ROSTERCARD_SPECS").map_or(beside, std::path::PathBuf::from);
    if folder.join("oneroster").is_dir() {
        return Some(folder.join("oneroster/csv/gospelnerd-v1p1-school-small"));
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no specifications here");
    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    {
        println!("skipped: no specifications here");
    }
    None
}

#[test]
fn a_package_of_another_maker_as_folder_and_as_zip() {
    let Some(folder) = samples() else { return };
    let zip = folder.join("oneroster-school-small.zip");
    let both = [read_path(&folder).unwrap(), read_path(&zip).unwrap()];
    for roster in &both {
        let count = |role| roster.students.iter().filter(|student| student.role == role).count();
        assert_eq!((count(Role::Student), count(Role::Educator), roster.damaged.len()), (72, 7, 0));
        assert_eq!(roster.completeness, Completeness::Snapshot);
        assert!(
            roster.students.iter().all(|student| student.school().unwrap().code.as_deref() == Some("1000"))
        );
        let students = || roster.students.iter().filter(|student| student.role == Role::Student);
        assert!(students().all(|student| student.birth_date.is_some() && student.grade.is_some()));
        assert!(roster.codes().contains(&"row_field_forbidden_in_bulk"), "it fills status in a bulk file");
    }
    assert_eq!(both[0].students, both[1].students);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands between two good rows, they come out, and nothing panics.
    #[test]
    fn any_bytes_as_users(bad in prop::collection::vec(prop_oneof![2 => prop::sample::select(b"\",\n\rab1".to_vec()), 1 => any::<u8>()], 0..120)) {
        let mut bytes = format!("{USERS_1_1}\n{}", row("first", "11111", "Ana", "Ng", "s1")).into_bytes();
        bytes.extend_from_slice(&bad);
        bytes.extend_from_slice(format!("\n{}", row("last", "22222", "Bo", "Li", "s1")).as_bytes());
        let roster = Package::new("1.1").file("orgs", ORGS).bytes("users", &bytes).read();
        for id in ["11111", "22222"] {
            prop_assert!(roster.ids().contains(&id));
        }
        let without_id = roster.damaged.iter().any(|damaged| damaged.student_id.is_none());
        prop_assert_eq!(without_id, roster.completeness == Completeness::Incomplete);
    }

    /// Random bytes for a whole file: an error or a roster, never a panic.
    #[test]
    fn any_file_is_survived(which in 0_usize..3, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let name = ["users", "orgs", "demographics"][which];
        let mut package = Package::new("1.1");
        for (file, text) in [("users", format!("{USERS_1_1}\n")), ("orgs", ORGS.to_owned()), ("demographics", format!("{DEMOGRAPHICS}\n"))] {
            package = if file == name { package.bytes(file, &bytes) } else { package.file(file, &text) };
        }
        match package.try_read(|_| {}) {
            Ok(roster) => prop_assert_eq!(roster.completeness, Completeness::Incomplete),
            Err(error) => prop_assert!(!error.message.is_empty() && !error.hint.is_empty()),
        }
    }
}
