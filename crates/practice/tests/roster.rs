//! The practice rosters, read back with the `csv` and `zip` crates, which share nothing with the writer.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::Path;

use proptest::prelude::*;
use rostercard_practice::roster::{Level, Spec, Student, Version, changes, generate, schools, students};

/// A row by column name.
type Row = HashMap<String, String>;

fn rows(bytes: &[u8]) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().unwrap().clone();
    reader
        .records()
        .map(|record| {
            header.iter().map(str::to_owned).zip(record.unwrap().iter().map(str::to_owned)).collect()
        })
        .collect()
}

fn file(folder: &Path, name: &str) -> Vec<Row> {
    rows(&fs::read(folder.join(name)).unwrap())
}

fn folder_of(spec: &Spec) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    generate(spec, folder.path()).unwrap();
    folder
}

fn all_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
        })
        .collect()
}

/// Every student of a package, by number: school, names, grade, as the files say.
fn by_number(spec: &Spec) -> BTreeMap<String, (String, [String; 3], String)> {
    let folder = folder_of(spec);
    let schools: HashMap<String, String> = match spec.version {
        Version::V1p1 => HashMap::new(),
        Version::V1p2 => file(folder.path(), "roles.csv")
            .into_iter()
            .filter(|r| r["roleType"] == "primary" && r["role"] == "student")
            .map(|r| (r["userSourcedId"].clone(), r["orgSourcedId"].clone()))
            .collect(),
    };
    file(folder.path(), "users.csv")
        .into_iter()
        .filter_map(|row| {
            let school = match spec.version {
                Version::V1p1 if row["role"] != "student" => return None,
                Version::V1p1 => row["orgSourcedIds"].split(',').next().unwrap().to_owned(),
                Version::V1p2 => schools.get(&row["sourcedId"])?.clone(),
            };
            let names = [row["givenName"].clone(), row["middleName"].clone(), row["familyName"].clone()];
            Some((row["identifier"].clone(), (school, names, row["grades"].clone())))
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_another_district() {
    for version in [Version::V1p1, Version::V1p2] {
        let spec = Spec { version, day: 2, classes: true, ..Spec::new(300, 11) };
        let (one, two) = (folder_of(&spec), folder_of(&spec));
        assert_eq!(all_files(one.path()), all_files(two.path()));
        let other = folder_of(&Spec { seed: 12, ..spec.clone() });
        assert_ne!(all_files(one.path())["users.csv"], all_files(other.path())["users.csv"]);

        let zips = tempfile::tempdir().unwrap();
        let (a, b) = (zips.path().join("a.zip"), zips.path().join("b.zip"));
        generate(&spec, &a).unwrap();
        generate(&spec, &b).unwrap();
        assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
        assert_eq!(fs::read_dir(zips.path()).unwrap().count(), 2, "nothing half-written is left");
    }
}

#[test]
fn a_zip_holds_the_files_of_the_folder() {
    let spec = Spec { version: Version::V1p2, ..Spec::new(120, 4) };
    let folder = folder_of(&spec);
    let path = folder.path().join("package.zip");
    let expected = all_files(folder.path());
    let written = generate(&spec, &path).unwrap();
    assert_eq!((written.students, written.path.as_path()), (120, path.as_path()));
    let mut archive = zip::ZipArchive::new(fs::File::open(&path).unwrap()).unwrap();
    let mut found = BTreeMap::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        found.insert(entry.name().unwrap().into_owned(), bytes);
    }
    assert_eq!(found, expected);
}

#[test]
fn the_manifest_names_every_file_and_says_the_truth() {
    for (version, classes) in [(Version::V1p1, false), (Version::V1p2, false), (Version::V1p1, true)] {
        let folder = folder_of(&Spec { version, classes, ..Spec::new(50, 3) });
        let files = all_files(folder.path());
        let mut bulk = 0;
        for row in file(folder.path(), "manifest.csv") {
            let Some(name) = row["propertyName"].strip_prefix("file.") else {
                continue;
            };
            let there = files.contains_key(&format!("{name}.csv"));
            assert_eq!(there, row["value"] == "bulk", "{name}");
            bulk += usize::from(there);
        }
        assert_eq!(bulk + 1, files.len(), "no file without its row");
        assert_eq!(files.contains_key("enrollments.csv"), classes);
    }
}

#[test]
fn a_smaller_package_in_the_same_folder_leaves_no_file_behind() {
    let folder = folder_of(&Spec { classes: true, ..Spec::new(20, 1) });
    generate(&Spec::new(20, 1), folder.path()).unwrap();
    assert!(!folder.path().join("enrollments.csv").exists());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "where the specifications are is told by the environment")]
fn headers_are_those_of_the_specification() {
    let specs = std::env::var("ROSTERCARD_SPECS").unwrap_or_else(|_| "../../../shared/data".to_owned());
    let Ok(text) = fs::read_to_string(Path::new(&specs).join("oneroster/csv_headers.json")) else {
        assert!(std::env::var("CI").is_err(), "no specifications in CI");
        eprintln!("skipped: no specifications here");
        return;
    };
    let headers: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (version, key) in [(Version::V1p1, "1.1"), (Version::V1p2, "1.2")] {
        let folder = folder_of(&Spec { version, classes: true, ..Spec::new(10, 3) });
        let mut checked = 0;
        for (name, bytes) in all_files(folder.path()) {
            let Some(expected) = headers[key][&name].as_array() else {
                continue;
            };
            let mut reader = csv::Reader::from_reader(bytes.as_slice());
            let found: Vec<_> = reader
                .headers()
                .unwrap()
                .iter()
                .filter(|h| !h.starts_with("metadata."))
                .map(str::to_owned)
                .collect();
            assert_eq!(
                found,
                expected.iter().map(|h| h.as_str().unwrap().to_owned()).collect::<Vec<_>>(),
                "{name}"
            );
            checked += 1;
        }
        assert!(checked >= 7, "{checked}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_bulk_rows_have_no_status() {
    for version in [Version::V1p1, Version::V1p2] {
        let spec = Spec { version, classes: true, two_schools: true, ..Spec::new(900, 21) };
        let folder = folder_of(&spec);
        let ids = |name: &str| -> HashSet<String> {
            let all: Vec<_> = file(folder.path(), name).into_iter().map(|r| r["sourcedId"].clone()).collect();
            let unique: HashSet<_> = all.iter().cloned().collect();
            assert_eq!(unique.len(), all.len(), "{name}");
            unique
        };
        let (orgs, users, classes) = (ids("orgs.csv"), ids("users.csv"), ids("classes.csv"));
        let (courses, sessions) = (ids("courses.csv"), ids("academicSessions.csv"));
        for row in file(folder.path(), "enrollments.csv") {
            assert!(classes.contains(&row["classSourcedId"]));
            assert!(users.contains(&row["userSourcedId"]));
            assert!(orgs.contains(&row["schoolSourcedId"]));
        }
        for row in file(folder.path(), "classes.csv") {
            assert!(courses.contains(&row["courseSourcedId"]) && sessions.contains(&row["termSourcedIds"]));
        }
        let demographics = ids("demographics.csv");
        assert!(demographics.is_subset(&users));
        assert_eq!(demographics.len(), 900);
        let mut in_two_schools = 0;
        for row in file(folder.path(), "users.csv") {
            assert_eq!(
                (row["status"].as_str(), row["dateLastModified"].as_str(), row["password"].as_str()),
                ("", "", "")
            );
            if version == Version::V1p1 {
                let schools: Vec<_> = row["orgSourcedIds"].split(',').collect();
                assert!(schools.iter().all(|s| orgs.contains(*s)));
                in_two_schools += usize::from(schools.len() == 2);
            } else {
                assert!(orgs.contains(&row["primaryOrgSourcedId"]));
            }
        }
        if version == Version::V1p2 {
            let mut roles: HashMap<String, usize> = HashMap::new();
            for row in file(folder.path(), "roles.csv") {
                assert!(users.contains(&row["userSourcedId"]) && orgs.contains(&row["orgSourcedId"]));
                *roles.entry(row["userSourcedId"].clone()).or_default() += 1;
            }
            assert_eq!(roles.len(), users.len(), "everybody has a role");
            in_two_schools = roles.values().filter(|n| **n == 2).count();
        }
        assert!(in_two_schools > 0, "some educators, and here students, are in two schools");
    }
}

/// The oracle of [`changes`] against what the packages themselves say.
fn check_changes(spec: &Spec, from: u32, to: u32) {
    let before = by_number(&Spec { day: from, ..spec.clone() });
    let after = by_number(&Spec { day: to, ..spec.clone() });
    let told = changes(spec, from, to);
    let set = |list: &[String]| list.iter().cloned().collect::<HashSet<_>>();
    let new: HashSet<_> = after.keys().filter(|n| !before.contains_key(*n)).cloned().collect();
    let gone: HashSet<_> = before.keys().filter(|n| !after.contains_key(*n)).cloned().collect();
    assert_eq!((set(&told.newcomers), set(&told.leavers)), (new, gone));
    let both = || before.iter().filter_map(|(n, b)| Some((n, b, after.get(n)?)));
    let renamed: HashSet<_> = both().filter(|(_, b, a)| b.1 != a.1).map(|(n, ..)| n.clone()).collect();
    let promoted: HashSet<_> = both().filter(|(_, b, a)| b.2 != a.2).map(|(n, ..)| n.clone()).collect();
    assert_eq!((set(&told.corrected), set(&told.promoted)), (renamed, promoted));
    let moved: HashMap<_, _> = both()
        .filter(|(_, b, a)| b.0 != a.0)
        .map(|(n, b, a)| (n.clone(), (b.0.clone(), a.0.clone())))
        .collect();
    assert_eq!(told.moves.into_iter().map(|m| (m.number, (m.from, m.to))).collect::<HashMap<_, _>>(), moved);
}

#[test]
fn the_next_day_differs_by_exactly_what_changes_tells() {
    for version in [Version::V1p1, Version::V1p2] {
        let spec = Spec { version, ..Spec::new(700, 5) };
        check_changes(&spec, 0, 1);
        check_changes(&spec, 1, 9);
    }
    let day = changes(&Spec::new(500, 5), 0, 1);
    let kinds =
        [day.newcomers.len(), day.leavers.len(), day.moves.len(), day.corrected.len(), day.promoted.len()];
    assert_eq!(kinds, [1, 1, 1, 1, 0], "one of each kind in a small district");
    let day = changes(&Spec::new(40_000, 5), 3, 4);
    let kinds =
        [day.newcomers.len(), day.leavers.len(), day.moves.len(), day.corrected.len(), day.promoted.len()];
    assert_eq!(kinds, [20, 20, 20, 20, 0], "0.2 % in all in a larger one");
    assert_eq!(
        changes(&Spec::new(500, 5), 4, 4),
        changes(&Spec::new(500, 6), 4, 4),
        "nothing changes in no time"
    );
}

#[test]
fn a_new_school_year_promotes_everybody_and_keeps_the_district_its_size() {
    let spec = Spec { rollover: Some(3), yearly_ids: true, ..Spec::new(1_300, 8) };
    check_changes(&spec, 2, 3);
    check_changes(&spec, 0, 370);
    let (june, august) =
        (students(&Spec { day: 2, ..spec.clone() }), students(&Spec { day: 3, ..spec.clone() }));
    let (june, august): (Vec<Student>, Vec<Student>) = (june.collect(), august.collect());
    assert!(june.len().abs_diff(august.len()) < 60, "{} {}", june.len(), august.len());
    assert!(august.iter().any(|s| s.grade == 0), "there are new kindergartners");
    let old: HashMap<_, _> = june.iter().map(|s| (&s.number, s)).collect();
    let mut stayed = 0;
    for now in &august {
        let Some(before) = old.get(&now.number) else {
            continue;
        };
        stayed += 1;
        assert_eq!((now.grade, now.birth), (before.grade + 1, before.birth));
        assert_eq!(
            (&now.username, now.opt_out, &now.address),
            (&before.username, before.opt_out, &before.address)
        );
        assert_ne!(now.sourced_id, before.sourced_id, "this student system makes new ids every year");
    }
    assert!(stayed > 1_100, "{stayed}");
}

#[test]
fn even_a_small_roster_has_twins_namesakes_and_odd_names() {
    for seed in 0..40 {
        let all: Vec<Student> = students(&Spec::new(72, seed)).collect();
        assert_eq!(all.len(), 72);
        let (a, b) = (&all[0], &all[1]);
        assert_eq!(
            (&a.family, a.birth, &a.schools, &a.address),
            (&b.family, b.birth, &b.schools, &b.address)
        );
        assert_ne!(a.given, b.given, "twins");
        let name = |s: &Student| (s.given.clone(), s.middle.clone(), s.family.clone());
        assert_eq!(name(&all[2]), name(&all[3]));
        assert_eq!((name(&all[4]), all[4].birth, all[4].grade), (name(&all[5]), all[5].birth, all[5].grade));
        assert!(all[6].given.is_empty() && !all[6].family.is_empty(), "one name only");
        assert!(all[7].family.contains('\''));
        assert!(all[13].family.contains('-'));
        assert!(all[14].family.len() > 40);
        assert!(all[15].family.chars().all(|c| !c.is_ascii()), "another script");
    }
}

#[test]
fn a_larger_roster_has_families_accents_boxes_and_leading_zeros() {
    let all: Vec<Student> = students(&Spec::new(20_000, 2)).collect();
    let share = |what: &dyn Fn(&Student) -> bool| all.iter().filter(|s| what(s)).count();
    let families: HashSet<_> = all.iter().map(|s| (&s.family, &s.address.street, &s.phone)).collect();
    assert!(families.len() < 15_500, "brothers and sisters share surname and address: {}", families.len());
    assert!((500..9_500).contains(&share(&|s| !s.family.is_ascii() || !s.given.is_ascii())));
    assert!((1_000..3_500).contains(&share(&|s| s.number.starts_with('0'))));
    assert!((100..900).contains(&share(&|s| s.address.street.to_lowercase().contains(" box "))));
    assert!((60..600).contains(&share(&|s| s.address.street.is_empty())));
    assert!((20..400).contains(&share(&|s| s.address.protected)));
    assert!((200..700).contains(&share(&|s| s.opt_out)));
    assert!(share(&|s| s.family.ends_with("Jr.")) > 5);
    let mut same: HashMap<_, usize> = HashMap::new();
    for s in &all {
        *same.entry((&s.given, &s.family, s.birth)).or_default() += 1;
    }
    let pairs = same.values().filter(|n| **n > 1).count();
    assert!((1..40).contains(&pairs), "a few share name and birth date: {pairs}");
}

#[test]
fn birth_dates_fit_grades_and_schools_have_a_believable_size() {
    let spec = Spec::new(30_000, 17);
    let schools = schools(&spec);
    let mut sizes = vec![0usize; schools.len()];
    for s in students(&spec) {
        let turned_five = 2026 - i16::from(s.grade) - 5;
        let oldest = jiff::civil::date(turned_five - 2, 9, 1);
        assert!(
            s.birth > oldest && s.birth <= jiff::civil::date(turned_five, 9, 1),
            "{} in {}",
            s.birth,
            s.grade
        );
        assert_eq!(schools[s.schools[0]].level, Level::of_grade(s.grade));
        sizes[s.schools[0]] += 1;
    }
    for (school, size) in schools.iter().zip(&sizes) {
        let fits = match school.level {
            Level::Elementary => 200..900,
            Level::Middle => 300..1_400,
            Level::High => 500..3_000,
        };
        assert!(fits.contains(size), "{} has {size}", school.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any small district, on any day, in either version: numbers and ids are unique, and the oracle tells the truth.
    #[test]
    fn small_districts_are_sound(
        size in 0u32..60, seed: u64, day in 0u32..40, ahead in 0u32..20, rollover in proptest::option::of(0u32..50),
        newer: bool, two_schools: bool,
    ) {
        let version = if newer { Version::V1p2 } else { Version::V1p1 };
        let spec = Spec { version, day, rollover, two_schools, ..Spec::new(size, seed) };
        let all: Vec<Student> = students(&spec).collect();
        let unique = |of: &dyn Fn(&Student) -> String| all.iter().map(of).collect::<HashSet<_>>().len();
        prop_assert_eq!(unique(&|s| s.number.clone()), all.len());
        prop_assert_eq!(unique(&|s| s.sourced_id.clone()), all.len());
        prop_assert_eq!(unique(&|s| s.username.clone()), all.len());
        prop_assert!(all.iter().all(|s| !s.family.is_empty() && s.number.len() == 7 && s.grade <= 12));
        check_changes(&spec, day, day + ahead);
    }
}
