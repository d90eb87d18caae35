//! Delta packages: a district that sends them day by day, what of it comes out, and what is left of it on the disk.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use proptest::prelude::*;
use rostercard_core::field::{Field, FieldRules, Ownership};
use rostercard_core::ports::{
    Completeness, ConnectorError, Cursor, Record, Resume, RosterPage, RosterSource,
};
use rostercard_core::privacy::Personal;
use rostercard_core::student::{Damaged, GivenAddress, Student};
use rostercard_source_oneroster::{Images, OneRosterCsv, Seal, Settings};

use crate::support::{
    DEMOGRAPHICS, ORGS, Package, ROLES, TODAY, USERS_1_1, USERS_1_2, everything, read_path,
};

/// Hides bytes, holds to their place, and breaks down when it is told to.
#[derive(Debug)]
struct Hide {
    key: u8,
    /// So many pieces are sealed yet.
    left: AtomicI64,
}

impl Hide {
    fn for_ever() -> Arc<Self> {
        Arc::new(Self { key: 0x5a, left: AtomicI64::new(i64::MAX) })
    }
}

impl Seal for Hide {
    fn seal(&self, place: &str, plain: &[u8]) -> io::Result<Vec<u8>> {
        if self.left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Err(io::Error::other("killed"));
        }
        let hidden = plain.iter().map(|byte| byte ^ self.key);
        Ok(place.bytes().chain([b'|']).chain(hidden).collect())
    }

    fn open(&self, place: &str, sealed: &[u8]) -> io::Result<Vec<u8>> {
        let rest = sealed.strip_prefix(place.as_bytes()).and_then(|rest| rest.strip_prefix(b"|"));
        let bytes: Option<Vec<u8>> = rest.map(|rest| rest.iter().map(|byte| byte ^ self.key).collect());
        bytes.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "sealed for another place"))
    }
}

/// Midnight before the first package.
const START: &str = "2026-11-01T00:00:00Z";

/// A district that puts packages into a folder, and a library that reads them.
struct District {
    packages: tempfile::TempDir,
    state: tempfile::TempDir,
    settings: Settings,
    rules: FieldRules,
    cursor: Option<Cursor>,
    now: Timestamp,
}

/// What came out of one reading.
#[derive(Debug)]
struct Came {
    completeness: Completeness,
    students: BTreeMap<String, Student>,
    gone: Vec<String>,
    damaged: Vec<Damaged>,
    codes: Vec<&'static str>,
    messages: String,
    cursor: Option<Cursor>,
    as_of: Option<Timestamp>,
}

impl Came {
    fn ids(&self) -> Vec<&str> {
        self.students.keys().map(String::as_str).collect()
    }

    fn has(&self, code: &str) -> bool {
        self.codes.contains(&code)
    }
}

impl District {
    fn new() -> Self {
        let packages = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(packages.path());
        settings.deltas = true;
        Self {
            settings,
            packages,
            state: tempfile::tempdir().unwrap(),
            rules: everything(),
            cursor: None,
            now: "2026-11-24T12:00:00Z".parse().unwrap(),
        }
    }

    /// Puts a package into the folder, as of some hours after the start.
    fn send(&self, name: &str, hour: u64, package: &Package) -> PathBuf {
        let path = self.packages.path().join(name);
        package.zip_to(&path);
        dated(&path, hour);
        path
    }

    fn images(&self, seal: Arc<dyn Seal>) -> Images {
        Images::new(self.state.path().join("oak"), seal, self.now)
    }

    fn source(&self, images: Images, full: Option<&str>) -> OneRosterCsv {
        let mut source =
            OneRosterCsv::new(self.settings.clone(), self.rules.clone(), TODAY).with_images(images);
        source.resume(Resume { cursor: self.cursor.clone(), full: full.map(str::to_owned) });
        source
    }

    fn read(&self) -> Came {
        self.try_read(self.images(Hide::for_ever()), None).unwrap()
    }

    fn read_fully(&self) -> Came {
        self.try_read(self.images(Hide::for_ever()), Some("it is due")).unwrap()
    }

    /// Everybody of the kept roster, as somebody sees it who looks.
    fn look(&self) -> Came {
        self.try_read(self.images(Hide::for_ever()).to_look_at(), None).unwrap()
    }

    fn try_read(&self, images: Images, full: Option<&str>) -> Result<Came, ConnectorError> {
        run(drain(self.source(images, full)))
    }

    /// Everything of a reading is done.
    fn settle(&mut self, came: &Came) {
        let cursor = came.cursor.clone().unwrap();
        run(self.source(self.images(Hide::for_ever()), None).release(&cursor)).unwrap();
        self.cursor = Some(cursor);
    }

    fn read_and_settle(&mut self) -> Came {
        let came = self.read();
        self.settle(&came);
        came
    }

    fn images_there(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.state.path().join("oak")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// All bytes that are kept, as who has the key sees them.
    fn kept(&self) -> String {
        let mut bytes = Vec::new();
        for image in self.images_there() {
            for file in fs::read_dir(self.state.path().join("oak").join(image)).unwrap() {
                bytes.extend(fs::read(file.unwrap().path()).unwrap().into_iter().map(|byte| byte ^ 0x5a));
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn dated(path: &Path, hour: u64) {
    let seconds = START.parse::<Timestamp>().unwrap().as_second();
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(start + Duration::from_secs(hour * 3600)).unwrap();
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

async fn drain(mut source: OneRosterCsv) -> Result<Came, ConnectorError> {
    let facts = source.facts().await?;
    let (mut students, mut gone, mut damaged) = (BTreeMap::new(), Vec::new(), Vec::new());
    loop {
        match source.next_page().await? {
            RosterPage::Records(records) => {
                for record in records {
                    match record {
                        Record::Student(student) => {
                            let id = student.student_id.reveal().to_owned();
                            assert!(students.insert(id, *student).is_none(), "a student id came twice");
                        }
                        Record::Gone { student_id, source_ids } => {
                            assert_eq!(source_ids.len(), 1);
                            gone.push(student_id.unwrap().reveal().to_owned());
                        }
                        Record::Damaged(record) => damaged.push(*record),
                    }
                }
            }
            RosterPage::End { completeness, cursor, findings } => {
                let all: Vec<_> = facts.findings.into_iter().chain(findings).collect();
                gone.sort();
                return Ok(Came {
                    completeness,
                    students,
                    gone,
                    damaged,
                    codes: all.iter().map(|finding| finding.code).collect(),
                    messages: all.iter().map(|finding| format!("{finding}\n")).collect(),
                    cursor,
                    as_of: facts.as_of,
                });
            }
        }
    }
}

/// A student's row of 1.1 in a delta.
fn change(user: u32, status: &str, when: &str, family: &str, school: &str) -> String {
    format!(
        "u{user},{status},{when},true,{school},student,user{user},,Given{user},{family},,{user},,,,,05,secret\n"
    )
}

/// The same in a bulk package.
fn row(user: u32, family: &str, school: &str) -> String {
    change(user, "", "", family, school)
}

fn births(rows: &str) -> String {
    format!("{DEMOGRAPHICS}\n{rows}")
}

/// A package with everybody.
fn bulk(rows: &str) -> Package {
    let born: String = rows
        .lines()
        .filter_map(|line| line.split(',').next())
        .map(|id| format!("{id},,,2015-03-04,\n"))
        .collect();
    Package::of_users(rows).file("demographics", &births(&born))
}

/// A package with changes of users alone.
fn delta(rows: &str) -> Package {
    Package::new("1.1").file("users", &format!("{USERS_1_1}\n{rows}")).declare("users", "delta")
}

fn day(n: u32) -> String {
    format!("2026-11-{n:02}T08:00:00.000Z")
}

/// Three students, read and done.
fn three() -> District {
    let mut district = District::new();
    let rows = [row(1, "Ng", "s1"), row(2, "Li", "s1"), row(3, "Ko", "s2")].concat();
    district.send("a.zip", 24, &bulk(&rows));
    let came = district.read_and_settle();
    assert_eq!((came.completeness, came.ids()), (Completeness::Snapshot, vec!["1", "2", "3"]));
    district
}

#[test]
fn c2_deltas_after_a_bulk_change_whom_they_name() {
    let mut district = three();
    assert_eq!(district.read().completeness, Completeness::Delta, "the same package again is nothing new");
    let nothing = district.read();
    assert!(nothing.has("no_new_file") && nothing.students.is_empty() && nothing.cursor.is_none());
    assert_eq!(nothing.as_of, None);

    let rows = [
        change(2, "active", &day(3), "Lindt", "s2"),
        change(4, "active", &day(3), "Po", "s1"),
        change(3, "tobedeleted", &day(3), "Ko", "s2"),
    ];
    district.send("b.zip", 72, &delta(&rows.concat()));
    let came = district.read_and_settle();
    assert_eq!((came.completeness, came.ids()), (Completeness::Delta, vec!["2", "4"]));
    assert_eq!(came.gone, ["3"]);
    assert_eq!(came.as_of.unwrap().to_string(), "2026-11-04T00:00:00Z");
    let li = &came.students["2"];
    assert_eq!((li.family_name.reveal(), li.school().unwrap().name.as_str()), ("Lindt", "Lee Middle"));
    assert!(li.birth_date.is_some(), "what the package does not have stays");
    assert_eq!(li.row.as_ref().unwrap().file.as_ref(), "users.csv (as kept)");

    // The day after, the next change goes on from there; and everybody is known when everybody is asked for.
    district.send("c.zip", 96, &delta(&change(3, "active", &day(4), "Ko", "s1")));
    let came = district.read_and_settle();
    assert_eq!((came.ids(), came.gone.len()), (vec!["3"], 0), "back again, with the same number");
    let all = district.read_fully();
    assert_eq!((all.completeness, all.ids()), (Completeness::Delta, vec!["1", "2", "3", "4"]));
    assert!(all.has("full_read_asked") && all.gone.is_empty());
    assert_eq!(district.images_there().len(), 1, "what is done is not kept twice");

    // A new bulk is the whole truth again.
    district.send("d.zip", 120, &bulk(&[row(1, "Ng", "s1"), row(4, "Po", "s1")].concat()));
    let came = district.read_and_settle();
    assert_eq!((came.completeness, came.ids()), (Completeness::Snapshot, vec!["1", "4"]));
}

#[test]
fn c2_a_delta_without_a_beginning_is_refused() {
    let district = District::new();
    district.send("a.zip", 24, &delta(&change(1, "active", &day(1), "Ng", "s1")));
    let error = district.try_read(district.images(Hide::for_ever()), None).unwrap_err();
    assert!(error.message.contains("there is no roster yet") && error.message.contains("a.zip"), "{error}");
    assert!(error.hint.contains("bulk export"));
    assert!(district.images_there().is_empty());
    // 1.2 on top of 1.1 is none either.
    let district = three();
    let users = format!("{USERS_1_2}\nu1,active,{},true,ana,,Ana,Ng,,1,,,,,05,x,m1,,,,,\n", day(3));
    district.send("b.zip", 72, &Package::new("1.2").file("users", &users).declare("users", "delta"));
    let error = district.try_read(district.images(Hide::for_ever()), None).unwrap_err();
    assert!(error.message.contains("a delta of OneRoster 1.2, and the roster is of 1.1"), "{error}");
}

#[test]
fn c3_each_file_has_a_mode_of_its_own() {
    let mut district = three();
    // All users and a change to an organisation: a snapshot, with the birth dates of before.
    let orgs = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n\
                s1,active,2026-11-03,Douglass Academy,school,1001,d\n";
    let users = format!("{USERS_1_1}\n{}{}", row(1, "Ng", "s1"), row(2, "Li", "s2"));
    let mixed = Package::new("1.1").file("users", &users).file("orgs", orgs).declare("orgs", "delta");
    district.send("b.zip", 72, &mixed);
    let came = district.read_and_settle();
    assert_eq!((came.completeness, came.ids()), (Completeness::Snapshot, vec!["1", "2"]));
    let ng = &came.students["1"];
    assert_eq!(ng.school().unwrap().name, "Douglass Academy");
    assert_eq!(came.students["2"].school().unwrap().name, "Lee Middle", "what is not named stays");
    assert!(ng.birth_date.is_some());
    assert!(!district.kept().contains("u3,"), "who has left leaves no birth date behind");

    // A change to a user and all birth dates: everybody is looked at, and nobody is missing.
    let users = format!("{USERS_1_1}\n{}", change(4, "active", &day(4), "Po", "s1"));
    let mixed = Package::new("1.1")
        .file("users", &users)
        .declare("users", "delta")
        .file("demographics", &births("u1,,,2014-01-02,\nu4,,,2016-01-02,\n"));
    district.send("c.zip", 96, &mixed);
    let came = district.read_and_settle();
    assert_eq!((came.completeness, came.ids()), (Completeness::Delta, vec!["1", "2", "4"]));
    assert!(came.students["2"].birth_date.is_none() && came.gone.is_empty());
    assert_eq!(came.students["4"].birth_date.unwrap().reveal(), jiff::civil::date(2016, 1, 2));

    // A change to one birth date alone names whose it is.
    let born = births(&format!("u1,active,{},2013-01-02,\n", day(5)));
    district.send(
        "d.zip",
        120,
        &Package::new("1.1").file("demographics", &born).declare("demographics", "delta"),
    );
    let came = district.read_and_settle();
    assert_eq!(came.ids(), ["1"]);
    assert_eq!(came.students["1"].birth_date.unwrap().reveal(), jiff::civil::date(2013, 1, 2));
}

#[test]
fn c3_roles_change_without_their_users() {
    let mut district = District::new();
    let users = format!(
        "{USERS_1_2}\nu1,,,true,ana,,Ana,Ng,,1,,,,,05,x,m1,,,,,\nu2,,,true,bo,,Bo,Li,,2,,,,,06,x,m2,,,,,\n\
         p1,,,true,gua,,Guardia,Nname,,,,,,,,x,m3,,,,,\n"
    );
    let roles = format!(
        "{ROLES}\nr1,,,u1,primary,student,,,s1,\nr2,,,u2,primary,student,,,s1,\nr3,,,p1,primary,guardian,,,s1,\n"
    );
    let whole = Package::new("1.2").file("orgs", ORGS).file("users", &users).file("roles", &roles);
    district.send("a.zip", 24, &whole);
    assert_eq!(district.read_and_settle().ids(), ["1", "2"]);
    assert!(!district.kept().contains("Guardia"), "who gets no card leaves no name");

    let roles =
        |rows: &str| Package::new("1.2").file("roles", &format!("{ROLES}\n{rows}")).declare("roles", "delta");
    let moved = format!(
        "r1,active,{0},u1,primary,student,,,s2,\nr2,tobedeleted,{0},u2,primary,student,,,s1,\n",
        day(3)
    );
    district.send("b.zip", 72, &roles(&moved));
    let came = district.read_and_settle();
    assert_eq!((came.ids(), came.gone.clone()), (vec!["1"], vec!["2".to_owned()]));
    assert_eq!(came.students["1"].school().unwrap().name, "Lee Middle");
    // What was said of the part before it was deleted comes late, and is no new part.
    district.send("b2.zip", 80, &roles(&format!("r2,active,{},u2,primary,student,,,s1,\n", day(2))));
    let came = district.read_and_settle();
    assert!(came.has("delta_row_older") && came.students.is_empty(), "{:?}", came.codes);
    // A new part for who had none brings the whole person.
    district.send("c.zip", 96, &roles(&format!("r9,active,{},u2,primary,student,,,s2,\n", day(4))));
    let came = district.read_and_settle();
    assert_eq!((came.ids(), came.gone.len()), (vec!["2"], 0));
    assert_eq!(came.students["2"].given_name.reveal(), "Bo");
}

#[test]
fn c12_the_same_package_again_is_nothing_new() {
    let mut district = three();
    let package = delta(&change(2, "tobedeleted", &day(3), "Li", "s1"));
    district.send("b.zip", 72, &package);
    assert_eq!(district.read_and_settle().gone, ["2"]);
    // Sent again, later and under another name; and once more after the one it is a copy of has gone.
    let copy = district.send("copy-of-b.zip", 96, &package);
    fs::copy(district.packages.path().join("b.zip"), &copy).unwrap();
    dated(&copy, 96);
    assert!(district.read().has("no_new_file"));
    fs::remove_file(district.packages.path().join("b.zip")).unwrap();
    assert!(district.read().has("no_new_file"));
    // Used packages may all be removed.
    for entry in fs::read_dir(district.packages.path()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert!(district.read().has("no_new_file"));
    assert_eq!(district.look().ids(), ["1", "3"]);
}

#[test]
fn c13_older_than_the_last_whole_package_is_passed_over() {
    let mut district = three();
    district.send("c.zip", 96, &bulk(&[row(1, "Ng", "s1"), row(2, "Li", "s1")].concat()));
    assert_eq!(district.read_and_settle().ids(), ["1", "2"]);
    // A whole package of two days before, and a delta of that time, come late.
    let all: String = (1..9).map(|n| row(n, "Old", "s1")).collect();
    district.send("b.zip", 48, &bulk(&all));
    district.send("b2.zip", 50, &delta(&change(1, "tobedeleted", &day(3), "Ng", "s1")));
    let came = district.read();
    assert!(came.messages.contains("b.zip") && came.messages.contains("b2.zip"), "{}", came.messages);
    assert!(came.has("package_older") && came.students.is_empty() && came.gone.is_empty());
    assert_eq!(district.look().ids(), ["1", "2"]);
    // Of two whole packages that are both new, the newer counts, and nothing is made of the other.
    district.send("d.zip", 120, &bulk(&all));
    district.send("e.zip", 121, &bulk(&row(7, "New", "s1")));
    assert_eq!(district.read().ids(), ["7"]);
}

#[test]
fn c14_of_deltas_in_any_order_the_rows_dates_decide() {
    let mut district = three();
    let newer = [
        change(1, "active", &day(6), "Newest", "s1"),
        change(2, "tobedeleted", &day(6), "Li", "s1"),
        change(3, "active", &day(4), "Ko", "s2"),
    ];
    district.send("c.zip", 144, &delta(&newer.concat()));
    assert_eq!(district.read_and_settle().gone, ["2"]);
    // The package of the day before comes now.
    let older = [
        change(1, "active", &day(5), "Older", "s2"),
        change(2, "active", &day(5), "Li", "s2"),
        change(3, "active", &day(5), "Kosta", "s2"),
        change(4, "active", &day(5), "Po", "s1"),
    ];
    district.send("b.zip", 120, &delta(&older.concat()));
    let came = district.read_and_settle();
    assert!(came.has("package_late") && came.has("delta_row_older"), "{:?}", came.codes);
    assert_eq!(came.ids(), ["1", "3", "4"], "who is named is looked at");
    assert_eq!(came.students["1"].family_name.reveal(), "Newest");
    assert_eq!(came.students["3"].family_name.reveal(), "Kosta");
    assert!(came.gone.is_empty() && district.look().ids() == ["1", "3", "4"]);
    // Within one package too, in whatever order its rows are.
    let twice = [
        change(4, "active", &day(8), "Last", "s1"),
        change(4, "active", &day(7), "First", "s1"),
        change(3, "tobedeleted", &day(7), "Kosta", "s2"),
        change(3, "active", &day(8), "Kosta", "s2"),
    ];
    district.send("d.zip", 192, &delta(&twice.concat()));
    let came = district.read_and_settle();
    assert_eq!(came.students["4"].family_name.reveal(), "Last");
    assert!(came.gone.is_empty() && came.students.contains_key("3"));
}

#[test]
fn c15_a_lost_package_shows_and_withdraws_nobody() {
    let mut district = three();
    // The package that brought 8 was lost: the one that deletes 8 speaks of what was never there.
    district.send("c.zip", 96, &delta(&change(8, "tobedeleted", &day(4), "Gone", "s1")));
    let came = district.read_and_settle();
    assert!(
        came.has("delta_of_unknown") && came.messages.contains("may have been lost"),
        "{}",
        came.messages
    );
    assert!(came.students.is_empty() && came.gone.is_empty());
    // Said once more, it is known.
    district.send("d.zip", 120, &delta(&change(8, "tobedeleted", &day(5), "Gone", "s1")));
    assert!(!district.read_and_settle().has("delta_of_unknown"));
    // A birth date that is deleted a day after whose it was is no sign of a lost package.
    district.send("d2.zip", 122, &delta(&change(3, "tobedeleted", &day(5), "Ko", "s2")));
    assert_eq!(district.read_and_settle().gone, ["3"]);
    let born = births(&format!("u3,tobedeleted,{},2015-03-04,\n", day(5)));
    district.send(
        "d3.zip",
        124,
        &Package::new("1.1").file("demographics", &born).declare("demographics", "delta"),
    );
    let came = district.read_and_settle();
    assert!(!came.has("delta_of_unknown") && came.students.is_empty(), "{:?}", came.codes);
    // What cannot be read, or has no date, no status or no id, is said, and costs itself alone.
    let odd = format!(
        "u1,active,{},true,s1,student,user1,,Given1,Ng\n{}{}{}",
        day(6),
        change(2, "", &day(6), "Lindt", "s1"),
        change(3, "active", "", "Kosta", "s2"),
        change(4, "active", &day(6), "Po", "s1").replacen("u4", "", 1),
    );
    district.send("e.zip", 144, &delta(&odd));
    let came = district.read_and_settle();
    for code in ["delta_row_lost", "delta_status_missing", "delta_date_missing", "delta_row_without_id"] {
        assert!(came.has(code), "{code}: {:?}", came.codes);
    }
    assert_eq!((came.ids(), came.gone.len(), came.damaged.len()), (vec!["2", "3"], 0, 1));
    assert_eq!(came.completeness, Completeness::Delta);
    assert_eq!(district.look().ids(), ["1", "2", "3"]);
    // Without a whole package for weeks, one is asked for.
    district.now = "2026-12-24T12:00:00Z".parse().unwrap();
    assert!(district.read().has("whole_package_due"));
}

#[test]
fn c21_a_day_without_a_time_is_all_of_its_hours() {
    let mut district = three();
    district.send("b.zip", 72, &delta(&change(1, "active", "2026-11-03", "Day", "s1")));
    assert_eq!(district.read_and_settle().students["1"].family_name.reveal(), "Day");
    // The same day, with a time or without: the later package counts; the day before does not.
    district.send("c.zip", 74, &delta(&change(1, "active", "2026-11-03T02:00:00.000Z", "Time", "s1")));
    assert_eq!(district.read_and_settle().students["1"].family_name.reveal(), "Time");
    district.send("d.zip", 76, &delta(&change(1, "active", "2026-11-03", "Again", "s1")));
    assert_eq!(district.read_and_settle().students["1"].family_name.reveal(), "Again");
    district.send("e.zip", 78, &delta(&change(1, "active", "2026-11-01", "Before", "s1")));
    let came = district.read_and_settle();
    assert_eq!(came.students["1"].family_name.reveal(), "Again");
    assert!(came.has("delta_row_older"));
}

#[test]
fn what_waits_is_said_again_with_what_came_since() {
    let mut district = three();
    district.send("b.zip", 72, &delta(&change(1, "active", &day(3), "First", "s1")));
    let waits = district.read();
    assert_eq!(waits.ids(), ["1"]);
    assert_eq!(district.read().cursor, waits.cursor, "nothing is done: the same again");
    district.send("c.zip", 96, &delta(&change(2, "tobedeleted", &day(4), "Li", "s1")));
    let both = district.read();
    assert_eq!((both.ids(), both.gone.clone()), (vec!["1"], vec!["2".to_owned()]));
    assert_eq!(district.images_there().len(), 3);
    // The first is let through after all: then the second alone is left.
    district.settle(&waits);
    let rest = district.read_and_settle();
    assert_eq!((rest.students.len(), rest.gone), (0, vec!["2".to_owned()]));
    assert_eq!(district.images_there().len(), 1);
}

#[test]
fn a_number_that_changed_ends_the_old_one() {
    let mut district = three();
    let renumbered = change(1, "active", &day(3), "Ng", "s1").replace(",1,,,,,05", ",901,,,,,05");
    district.send("b.zip", 72, &delta(&renumbered));
    let came = district.read_and_settle();
    assert_eq!((came.ids(), came.gone.clone()), (vec!["901"], vec!["1".to_owned()]));
}

#[test]
fn of_a_person_with_two_ids_one_may_go() {
    let mut district = District::new();
    let second = row(2, "Ng", "s2").replace(",2,,,,,05", ",1,,,,,05").replace("Given2", "Given1");
    district.send("a.zip", 24, &bulk(&[row(1, "Ng", "s1"), second].concat()));
    assert_eq!(district.read_and_settle().students["1"].schools.len(), 2);
    district.send("b.zip", 72, &delta(&change(2, "tobedeleted", &day(3), "Ng", "s2")));
    let came = district.read_and_settle();
    assert!(came.gone.is_empty());
    assert_eq!(came.students["1"].schools.len(), 1);
}

#[test]
fn a_package_that_cannot_be_read_stops_the_run_until_a_whole_one_comes() {
    let district = three();
    let path = district.send("b.zip", 72, &delta(&change(1, "active", &day(3), "First", "s1")));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    dated(&path, 72);
    district.send("c.zip", 96, &delta(&change(2, "active", &day(4), "Second", "s1")));
    let error = district.try_read(district.images(Hide::for_ever()), None).unwrap_err();
    assert!(error.message.contains("b.zip"), "{error}");
    assert_eq!(district.images_there().len(), 1, "nothing was made of what came after it");
    district.send("d.zip", 120, &bulk(&row(5, "New", "s1")));
    let came = district.read();
    assert!(came.has("package_passed_over"));
    assert_eq!((came.completeness, came.ids()), (Completeness::Snapshot, vec!["5"]));
}

#[test]
fn c11_a_package_that_came_a_moment_ago_waits() {
    let mut district = three();
    district.send("b.zip", 72, &delta(&change(1, "active", &day(3), "First", "s1")));
    district.now = "2026-11-04T00:01:00Z".parse().unwrap();
    let came = district.read();
    assert!(came.has("file_not_ready") && came.students.is_empty(), "{:?}", came.codes);
    district.now = "2026-11-04T00:03:00Z".parse().unwrap();
    assert_eq!(district.read().ids(), ["1"]);
}

#[test]
fn one_zip_that_is_written_over_and_one_folder_will_do_too() {
    let mut district = District::new();
    let path = district.send("roster.zip", 24, &bulk(&row(1, "Ng", "s1")));
    district.settings.path = Some(path);
    assert_eq!(district.read_and_settle().completeness, Completeness::Snapshot);
    district.send("roster.zip", 72, &delta(&change(2, "active", &day(3), "Li", "s1")));
    assert_eq!(district.read_and_settle().ids(), ["2"]);
    assert!(district.read().has("no_new_file"));

    let mut district = District::new();
    let folder = bulk(&row(1, "Ng", "s1")).folder();
    district.settings.path = Some(folder.path().to_owned());
    assert_eq!(district.read_and_settle().ids(), ["1"]);
    assert!(district.read().has("no_new_file"));
}

#[test]
fn without_deltas_nothing_is_kept() {
    let mut district = District::new();
    district.settings.deltas = false;
    let path = district.send("a.zip", 24, &bulk(&row(1, "Ng", "s1")));
    district.settings.path = Some(path);
    assert_eq!(district.read().ids(), ["1"]);
    assert!(district.images_there().is_empty());
}

#[test]
fn another_key_or_other_fields_need_a_whole_package() {
    let mut district = three();
    fs::remove_file(district.packages.path().join("a.zip")).unwrap();
    district.send("b.zip", 72, &delta(&change(1, "active", &day(3), "First", "s1")));
    let other = Arc::new(Hide { key: 1, left: AtomicI64::new(i64::MAX) });
    let error = district.try_read(district.images(other), None).unwrap_err();
    assert!(error.message.contains("there is no roster yet"), "{error}");
    let rules = std::mem::take(&mut district.rules);
    let error = district.try_read(district.images(Hide::for_ever()), None).unwrap_err();
    assert!(error.message.contains("there is no roster yet"), "{error}");
    district.send("c.zip", 96, &bulk(&row(1, "Ng", "s1")));
    let came = district.read_and_settle();
    assert!(came.has("roster_image_of_other_settings"), "{:?}", came.codes);
    assert_eq!(came.completeness, Completeness::Snapshot);
    district.rules = rules;

    // A store of an older day knows an image that is not there any more: everybody is looked at.
    let mut district = three();
    let old = district.cursor.clone();
    district.send("b.zip", 72, &delta(&change(2, "tobedeleted", &day(3), "Li", "s1")));
    district.read_and_settle();
    district.send("c.zip", 96, &delta(&change(1, "active", &day(4), "Nguyen", "s1")));
    district.read_and_settle();
    district.cursor = old;
    let came = district.read();
    assert!(came.has("roster_image_not_linked"));
    assert_eq!((came.completeness, came.ids()), (Completeness::Delta, vec!["1", "3"]));
}

/// Wherever a run is killed, the next one comes to what an undisturbed one would have.
#[test]
fn killed_at_every_step_it_comes_to_the_same() {
    let rows = [
        change(2, "active", &day(3), "Lindt", "s2"),
        change(3, "tobedeleted", &day(3), "Ko", "s2"),
        change(4, "active", &day(3), "Po", "s1"),
    ];
    let (first, second) = (delta(&rows.concat()), delta(&change(1, "tobedeleted", &day(4), "Ng", "s1")));
    let mut kills = 0;
    for pieces in 0.. {
        let mut district = three();
        district.send("b.zip", 72, &first);
        district.send("c.zip", 96, &second);
        let seal = Arc::new(Hide { key: 0x5a, left: AtomicI64::new(pieces) });
        let killed = district.try_read(district.images(seal), None).is_err();
        kills += usize::from(killed);
        let came = district.read();
        assert_eq!((came.ids(), came.gone.clone()), (vec!["2", "4"], vec!["1".to_owned(), "3".to_owned()]));
        // Killed before the cursor was noted: the same again. Killed before anything was let go: that is done later.
        assert_eq!(district.read().cursor, came.cursor);
        district.cursor = came.cursor.clone();
        assert!(district.read().has("no_new_file"));
        district.settle(&came);
        assert_eq!(district.images_there().len(), 1, "no half-written image stays");
        assert_eq!(district.look().ids(), ["2", "4"]);
        if !killed {
            break;
        }
    }
    assert!(kills >= 12, "{kills}");
}

#[test]
fn an_image_that_was_cut_is_not_used_and_that_is_said() {
    let district = three();
    let head = district.state.path().join("oak").join(&district.images_there()[0]).join("head");
    let bytes = fs::read(&head).unwrap();
    fs::write(&head, &bytes[..bytes.len() / 2]).unwrap();
    let came = district.read();
    assert!(came.has("roster_image_broken"), "{:?}", came.codes);
    assert!(came.has("no_new_file"), "made anew of the same package, it is the same");
    assert!(!district.read().has("roster_image_broken"));
    assert_eq!(district.look().ids(), ["1", "2", "3"]);
}

#[test]
fn only_what_may_be_read_is_kept_and_nobody_sees_it_without_the_key() {
    let mut district = District::new();
    district.rules = FieldRules::default();
    district.rules.set(Field::Email, Ownership::None);
    let mut rows = row(1, "Qqfamilyq", "s1");
    rows = rows.replace(",1,,,,,05,secret", ",1,jjmail@example.org,5550177,5550178,p1,05,hunter2pass");
    let guardian = "p1,,,true,s1,guardian,kklogin,,Zyxwiguardian,Rd,,,g@example.org,,,u1,,secret\n";
    let born = births("u1,,,2013-02-28,female\np1,,,1985-02-28,male\n");
    let package = Package::of_users(&format!("{rows}{guardian}")).file("demographics", &born);
    district.send("a.zip", 24, &package);
    assert_eq!(district.read_and_settle().ids(), ["1"]);
    let kept = district.kept();
    assert!(kept.contains("Qqfamilyq") && kept.contains("2013-02-28"));
    for word in ["jjmail", "5550177", "5550178", "hunter2", "kklogin", "Zyxwi", "1985", "female", "g@exa"] {
        assert!(!kept.contains(word), "{word} is kept");
    }
    for image in district.images_there() {
        assert!(image.bytes().all(|byte| byte.is_ascii_hexdigit()));
        for file in fs::read_dir(district.state.path().join("oak").join(image)).unwrap() {
            use std::os::unix::fs::PermissionsExt;
            let path = file.unwrap().path();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let bytes = fs::read(&path).unwrap();
            for word in ["Qqfamilyq", "2013-02-28", "u1,"] {
                assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
            }
        }
    }
    // Who is deleted leaves an id, and no birth date.
    district.send("b.zip", 72, &delta(&change(1, "tobedeleted", &day(3), "Qqfamilyq", "s1")));
    district.read_and_settle();
    let kept = district.kept();
    assert!(!kept.contains("Qqfamilyq") && !kept.contains("2013-02-28"), "{kept}");
}

#[test]
fn addresses_go_with_their_columns_and_never_without_the_mark() {
    let mut district = District::new();
    district.settings.columns.street = Some("Home Street".to_owned());
    district.settings.columns.protected = Some("Secret".to_owned());
    let users = |rows: &[(String, &str, &str)]| {
        let mut text = format!("{USERS_1_1},Home Street,metadata.zip,Secret\n");
        for (row, street, mark) in rows {
            text += &format!("{},{street},95695,{mark}\n", row.trim_end());
        }
        text
    };
    let text = users(&[(row(1, "Ng", "s1"), "1 Elm", "no"), (row(2, "Li", "s1"), "2 Elm", "yes")]);
    district.send("a.zip", 24, &Package::new("1.1").file("orgs", ORGS).file("users", &text));
    let came = district.read_and_settle();
    let street = |came: &Came, id: &str| match &came.students[id].address {
        GivenAddress::Given(address) => address.street.reveal().to_owned(),
        other => format!("{other:?}"),
    };
    assert_eq!((street(&came, "1"), street(&came, "2")), ("1 Elm".to_owned(), "Protected".to_owned()));
    let text = users(&[(change(1, "active", &day(3), "Ng", "s1"), "3 Elm", "no")]);
    district.send("b.zip", 72, &Package::new("1.1").file("users", &text).declare("users", "delta"));
    assert_eq!(street(&district.read_and_settle(), "1"), "3 Elm");
    let text =
        users(&[(change(1, "active", &day(4), "Ng", "s1"), "4 Elm", "no")]).replace(",Secret", ",Other");
    district.send("c.zip", 96, &Package::new("1.1").file("users", &text).declare("users", "delta"));
    let came = district.read_and_settle();
    assert_eq!(street(&came, "1"), "None");
    assert!(came.has("protected_column_missing") && !district.kept().contains("4 Elm"), "{:?}", came.codes);
}

#[test]
fn s20_one_student_is_found_in_it_and_taken_out_and_so_is_all() {
    let mut district = three();
    district.send("b.zip", 72, &delta(&change(2, "active", &day(3), "Lindt", "s2")));
    district.read();
    let images = district.images(Hide::for_ever());
    let two = Personal::new("2");
    let kept = images.about(&two).unwrap();
    let files: Vec<&str> = kept.iter().map(|kept| kept.file).collect();
    assert_eq!(files, ["demographics.csv", "users.csv"]);
    assert!(kept[1].values.reveal().contains("Lindt") && kept[0].values.reveal().contains("2015-03-04"));
    assert!(!format!("{kept:?}").contains("Lindt"));
    assert!(images.about(&Personal::new("22")).unwrap().is_empty());

    assert_eq!(images.forget(&two).unwrap(), 4, "two rows in each of two images");
    assert!(images.about(&two).unwrap().is_empty());
    let bytes = district.kept();
    assert!(!bytes.contains("u2,") && !bytes.contains("Lindt") && !bytes.contains("Given2"), "{bytes}");
    assert_eq!(images.forget(&two).unwrap(), 0);
    // The roster goes on without them, and nobody else is touched.
    assert_eq!(district.look().ids(), ["1", "3"]);
    district.send("c.zip", 96, &delta(&change(1, "active", &day(4), "Nguyen", "s1")));
    let came = district.read_and_settle();
    assert_eq!((came.ids(), came.gone.len()), (vec!["1"], 0));

    let folder = district.state.path().join("oak");
    assert!(Images::remove(&folder).unwrap() && !folder.exists());
    assert!(!Images::remove(&folder).unwrap());
}

/// What a user is after some days, by a model that knows nothing of images.
#[derive(Debug, Clone)]
struct Step {
    user: u32,
    gone: bool,
    family: String,
    school: &'static str,
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step =
        (1..6u32, prop::bool::weighted(0.3), "[A-C\",é ]{1,4}", prop::sample::select(vec!["s1", "s2"]))
            .prop_map(|(user, gone, family, school)| Step {
                user,
                gone,
                family: format!("F{family}"),
                school,
            });
    prop::collection::vec(prop::collection::vec(step, 0..5), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A bulk and any deltas after it are the bulk that the district would have sent instead; and whoever differs from one
    /// reading to the next was named by it.
    #[test]
    fn c23_deltas_come_to_what_a_bulk_would_have_said(days in steps(), settled in prop::collection::vec(any::<bool>(), 6)) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut district = District::new();
        let mut model: BTreeMap<u32, (String, &str)> = BTreeMap::from([(1, ("Ng".to_owned(), "s1")), (2, ("Li".to_owned(), "s2"))]);
        let whole = |model: &BTreeMap<u32, (String, &str)>| {
            let rows: String = model.iter().map(|(user, (family, school))| row(*user, &quoted(family), school)).collect();
            Package::of_users(&format!("{rows}t1,,,true,s1,teacher,,,Tea,Cher,,T1,,,,,,\n"))
        };
        district.send("0.zip", 1, &whole(&model));
        district.read_and_settle();
        let mut seen: BTreeMap<String, (String, String)> = told(&district.look());
        for (n, day_steps) in days.iter().enumerate() {
            // Somebody who stays as she is makes each package another one than that of the day before.
            let mut rows = format!("t1,active,{},true,s1,teacher,,,Tea,Cher,,T1,,,,,,\n", day(2 + u32::try_from(n).unwrap()));
            for (second, step) in day_steps.iter().enumerate() {
                let when = format!("2026-11-{:02}T08:00:{second:02}.000Z", 2 + n);
                let status = if step.gone { "tobedeleted" } else { "active" };
                rows += &change(step.user, status, &when, &quoted(&step.family), step.school);
                if step.gone { model.remove(&step.user); } else { model.insert(step.user, (step.family.clone(), step.school)); }
            }
            district.send(&format!("{}.zip", n + 1), 24 * (n as u64 + 1), &delta(&rows));
            let came = district.read();
            prop_assert_eq!(came.completeness, Completeness::Delta);
            if settled[n] {
                for gone in &came.gone { seen.remove(gone); }
                seen.extend(told(&came));
                district.settle(&came);
                let expected = told(&district.look());
                prop_assert_eq!(&seen, &expected);
            }
        }
        let (_keep, zip) = whole(&model).zip();
        let bulk = read_path(&zip).unwrap();
        let bulk: Vec<Student> = bulk.students.into_iter().map(|student| Student { row: None, ..student }).collect();
        let mut looked: Vec<Student> = district.look().students.into_values().map(|student| Student { row: None, ..student }).collect();
        looked.sort_by_key(|student| student.source_ids[0].reveal().to_owned());
        let mut bulk_sorted = bulk;
        bulk_sorted.sort_by_key(|student| student.source_ids[0].reveal().to_owned());
        prop_assert_eq!(looked, bulk_sorted);
    }
}

fn told(came: &Came) -> BTreeMap<String, (String, String)> {
    let one = |(id, student): (&String, &Student)| {
        let school = student.school().map(|school| school.name.clone()).unwrap_or_default();
        (id.clone(), (student.family_name.reveal().to_owned(), school))
    };
    came.students.iter().map(one).collect()
}
