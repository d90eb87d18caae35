//! Puts a roster into files: a folder of CSV files, or a zip of them, with the manifest that OneRoster asks for.
//!
//! Headers and rules are those of the OneRoster CSV binding; in a bulk file `status` and `dateLastModified` are blank.
//! Each file is one pass over the students.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::csv::Rows;
use super::days::Body;
use super::people::{District, Educator, Student, about, sourced_id};
use super::{RosterError, Spec, Version};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The zip or the folder.
    pub path: PathBuf,
    /// Students in it.
    pub students: u64,
    /// Educators in it.
    pub educators: u64,
    /// Schools in it.
    pub schools: u64,
}

/// Writes the package: a zip where `out` ends in `.zip`, else a folder, which is made where it is missing.
///
/// # Errors
/// Where a file cannot be written. A zip is put in place only when it is whole.
pub fn generate(spec: &Spec, out: &Path) -> Result<Written, RosterError> {
    let written = if out.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip")) {
        into_zip(spec, out)
    } else {
        into_folder(spec, out)
    };
    written.map_err(|source| RosterError::Write {
        path: out.to_owned(),
        source,
    })
}

/// Writes a file of the package, and says how many students it met.
type Fill = fn(&Day<'_>, &mut dyn Write) -> io::Result<u64>;

/// Every file OneRoster knows, with what fills it; None is absent.
fn files(spec: &Spec) -> Vec<(&'static str, Option<Fill>)> {
    let with = |on: bool, fill: Fill| on.then_some(fill);
    let mut files: Vec<(&'static str, Option<Fill>)> = vec![
        ("academicSessions", with(spec.classes, sessions)),
        ("orgs", Some(orgs)),
        (
            "users",
            Some(if spec.version == Version::V1p1 {
                users_1p1
            } else {
                users_1p2
            }),
        ),
        ("courses", with(spec.classes, courses)),
        ("classes", with(spec.classes, classes)),
        ("enrollments", with(spec.classes, enrollments)),
        ("demographics", Some(demographics)),
        ("categories", None),
        ("classResources", None),
        ("courseResources", None),
        ("lineItems", None),
        ("resources", None),
        ("results", None),
    ];
    if spec.version == Version::V1p2 {
        files.push(("roles", Some(roles)));
        for absent in [
            "userProfiles",
            "userResources",
            "scoreScales",
            "lineItemScoreScales",
            "resultScoreScales",
            "lineItemLearningObjectiveIds",
            "resultLearningObjectiveIds",
        ] {
            files.push((absent, None));
        }
    }
    files
}

struct Day<'a> {
    spec: &'a Spec,
    district: District,
    body: Body,
    district_id: String,
}

impl<'a> Day<'a> {
    fn new(spec: &'a Spec) -> Self {
        let district = District::new(spec);
        let body = Body::on(spec, &district, spec.day);
        let district_id = sourced_id(spec.seed, about::DISTRICT_ID, 0, 0);
        Self {
            spec,
            district,
            body,
            district_id,
        }
    }

    fn educators(&self) -> impl Iterator<Item = (u64, Educator)> {
        (0..self.district.educators(u64::from(self.spec.students))).map(|at| (at, self.district.educator(at)))
    }

    fn written(&self, path: &Path, students: u64) -> Written {
        Written {
            path: path.to_owned(),
            students,
            educators: self.district.educators(u64::from(self.spec.students)),
            schools: self.district.schools.all.len() as u64,
        }
    }

    fn school_id(&self, place: usize) -> &str {
        self.district.schools.all.get(place).map_or("", |s| &s.sourced_id)
    }

    fn school_ids(&self, places: &[usize]) -> String {
        places
            .iter()
            .map(|at| self.school_id(*at))
            .collect::<Vec<_>>()
            .join(",")
    }
}

fn into_folder(spec: &Spec, out: &Path) -> io::Result<Written> {
    let day = Day::new(spec);
    fs::create_dir_all(out)?;
    let mut students = 0;
    for (name, fill) in files(spec) {
        let path = out.join(format!("{name}.csv"));
        let Some(fill) = fill else {
            // A file of an earlier, larger package would contradict the manifest.
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => continue,
            }
        };
        let mut file = BufWriter::with_capacity(1 << 17, File::create(&path)?);
        students = students.max(fill(&day, &mut file)?);
        file.flush()?;
    }
    // The manifest comes last: whoever waits for it finds the rest complete.
    let mut file = File::create(out.join("manifest.csv"))?;
    manifest(spec, &mut file)?;
    Ok(day.written(out, students))
}

fn into_zip(spec: &Spec, out: &Path) -> io::Result<Written> {
    let day = Day::new(spec);
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = out.with_extension("zip.part");
    let mut zip = zip::ZipWriter::new(BufWriter::with_capacity(1 << 17, File::create(&partial)?));
    // No dates inside, so that the same seed gives the same bytes.
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(3))
        .large_file(spec.students > 5_000_000)
        .last_modified_time(zip::DateTime::default());
    zip.start_file("manifest.csv", options)?;
    manifest(spec, &mut zip)?;
    let mut students = 0;
    for (name, fill) in files(spec) {
        if let Some(fill) = fill {
            zip.start_file(format!("{name}.csv"), options)?;
            let mut buffered = BufWriter::with_capacity(1 << 17, &mut zip);
            students = students.max(fill(&day, &mut buffered)?);
            buffered.flush()?;
        }
    }
    zip.finish()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    fs::rename(&partial, out)?;
    Ok(day.written(out, students))
}

fn manifest(spec: &Spec, out: &mut dyn Write) -> io::Result<()> {
    let version = match spec.version {
        Version::V1p1 => "1.1",
        Version::V1p2 => "1.2",
    };
    let mut rows = Rows::start(out, &["propertyName", "value"])?;
    rows.row(&["manifest.version", "1.0"])?;
    rows.row(&["oneroster.version", version])?;
    for (name, fill) in files(spec) {
        rows.row(&[
            &format!("file.{name}"),
            if fill.is_some() { "bulk" } else { "absent" },
        ])?;
    }
    rows.row(&["source.systemName", "Rostercard practice SIS"])?;
    rows.row(&["source.systemCode", "practice"])
}

fn orgs(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let header = [
        "sourcedId",
        "status",
        "dateLastModified",
        "name",
        "type",
        "identifier",
        "parentSourcedId",
    ];
    let mut rows = Rows::start(out, &header)?;
    rows.row(&[
        &day.district_id,
        "",
        "",
        &day.spec.district,
        "district",
        "99100090000000",
        "",
    ])?;
    for school in &day.district.schools.all {
        rows.row(&[
            &school.sourced_id,
            "",
            "",
            &school.name,
            "school",
            &school.code,
            &day.district_id,
        ])?;
    }
    Ok(0)
}

const USERS_1P1: &[&str] = &[
    "sourcedId",
    "status",
    "dateLastModified",
    "enabledUser",
    "orgSourcedIds",
    "role",
    "username",
    "userIds",
    "givenName",
    "familyName",
    "middleName",
    "identifier",
    "email",
    "sms",
    "phone",
    "agentSourcedIds",
    "grades",
    "password",
];

const USERS_1P2: &[&str] = &[
    "sourcedId",
    "status",
    "dateLastModified",
    "enabledUser",
    "username",
    "userIds",
    "givenName",
    "familyName",
    "middleName",
    "identifier",
    "email",
    "sms",
    "phone",
    "agentSourcedIds",
    "grades",
    "password",
    "userMasterIdentifier",
    "preferredGivenName",
    "preferredMiddleName",
    "preferredFamilyName",
    "primaryOrgSourcedId",
    "pronouns",
];

/// Extension columns, after those of the specification: OneRoster has no address and no opt-out.
const METADATA: &[&str] = &[
    "metadata.street",
    "metadata.street2",
    "metadata.city",
    "metadata.state",
    "metadata.zip",
    "metadata.protected",
    "metadata.optOut",
];

fn users_1p1(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let mut rows = Rows::start(out, &[USERS_1P1, METADATA].concat())?;
    let mut students = 0;
    for (_, s) in day.body.students(&day.district) {
        students += 1;
        rows.fields(&[
            &s.sourced_id,
            "",
            "",
            "true",
            &day.school_ids(&s.schools),
            "student",
            &s.username,
        ])
        .field(&user_ids(&s))
        .fields(&[
            &s.given,
            &s.family,
            &s.middle,
            &s.number,
            &s.email,
            "",
            &s.phone,
            "",
            grade(s.grade),
            "",
        ]);
        metadata(&mut rows, &s)?;
    }
    for (_, e) in day.educators() {
        let role = if e.principal { "administrator" } else { "teacher" };
        let email = format!("{}@staff.example.org", e.username);
        rows.fields(&[
            &e.sourced_id,
            "",
            "",
            "true",
            &day.school_ids(&e.schools),
            role,
            &e.username,
            "",
        ])
        .fields(&[&e.given, &e.family, "", &e.number, &email, "", "", "", "", ""])
        .fields(&[""; METADATA.len()])
        .end()?;
    }
    Ok(students)
}

fn users_1p2(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let mut rows = Rows::start(out, &[USERS_1P2, METADATA].concat())?;
    let mut students = 0;
    for (slot, s) in day.body.students(&day.district) {
        students += 1;
        let master = sourced_id(day.spec.seed, about::MASTER_ID, slot, 0);
        rows.fields(&[
            &s.sourced_id,
            "",
            "",
            "true",
            &s.username,
            &user_ids(&s),
            &s.given,
            &s.family,
            &s.middle,
        ])
        .fields(&[
            &s.number,
            &s.email,
            "",
            &s.phone,
            "",
            grade(s.grade),
            "",
            &master,
            &s.preferred,
            "",
            "",
        ])
        .fields(&[day.school_id(s.schools.first().copied().unwrap_or(0)), ""]);
        metadata(&mut rows, &s)?;
    }
    for (_, e) in day.educators() {
        let email = format!("{}@staff.example.org", e.username);
        rows.fields(&[
            &e.sourced_id,
            "",
            "",
            "true",
            &e.username,
            "",
            &e.given,
            &e.family,
            "",
            &e.number,
        ])
        .fields(&[&email, "", "", "", "", "", "", "", "", ""])
        .fields(&[day.school_id(e.schools.first().copied().unwrap_or(0)), ""])
        .fields(&[""; METADATA.len()])
        .end()?;
    }
    Ok(students)
}

fn metadata<W: Write>(rows: &mut Rows<W>, s: &Student) -> io::Result<()> {
    let a = &s.address;
    rows.fields(&[&a.street, &a.street2, &a.city, &a.state, &a.zip])
        .fields(&[boolean(a.protected), boolean(s.opt_out)])
        .end()
}

fn roles(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let header = [
        "sourcedId",
        "status",
        "dateLastModified",
        "userSourcedId",
        "roleType",
        "role",
        "beginDate",
        "endDate",
        "orgSourcedId",
        "userProfileSourcedId",
    ];
    let mut rows = Rows::start(out, &header)?;
    let mut write = |user: &str, role: &str, schools: &[usize]| {
        for (nth, school) in schools.iter().enumerate() {
            let kind = if nth == 0 { "primary" } else { "secondary" };
            let id = format!("{user}-r{nth}");
            rows.row(&[&id, "", "", user, kind, role, "", "", day.school_id(*school), ""])?;
        }
        io::Result::Ok(())
    };
    for (_, s) in day.body.students(&day.district) {
        write(&s.sourced_id, "student", &s.schools)?;
    }
    for (_, e) in day.educators() {
        write(
            &e.sourced_id,
            if e.principal { "principal" } else { "teacher" },
            &e.schools,
        )?;
    }
    Ok(0)
}

fn demographics(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let header = [
        "sourcedId",
        "status",
        "dateLastModified",
        "birthDate",
        "sex",
        "americanIndianOrAlaskaNative",
        "asian",
        "blackOrAfricanAmerican",
        "nativeHawaiianOrOtherPacificIslander",
        "white",
        "demographicRaceTwoOrMoreRaces",
        "hispanicOrLatinoEthnicity",
        "countryOfBirthCode",
        "stateOfBirthAbbreviation",
        "cityOfBirth",
        "publicSchoolResidenceStatus",
    ];
    let mut rows = Rows::start(out, &header)?;
    for (_, s) in day.body.students(&day.district) {
        // The columns a library must never keep are filled, so that a reader which keeps them is found out.
        let sex = if s.girl { "female" } else { "male" };
        rows.fields(&[&s.sourced_id, "", "", &s.birth.to_string(), sex])
            .fields(&[
                "false",
                "false",
                "false",
                "false",
                "false",
                "true",
                "false",
                "US",
                "CA",
                "Larkfield",
                "",
            ])
            .end()?;
    }
    Ok(0)
}

fn sessions(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let header = [
        "sourcedId",
        "status",
        "dateLastModified",
        "title",
        "type",
        "startDate",
        "endDate",
        "parentSourcedId",
        "schoolYear",
    ];
    let year = day.spec.first_school_year() + i16::try_from(day.body.years).unwrap_or(0);
    let (title, start, end) = (
        format!("{year}-{}", year + 1),
        format!("{year}-08-15"),
        format!("{}-06-15", year + 1),
    );
    let row = [
        &session_id(day),
        "",
        "",
        &title,
        "schoolYear",
        &start,
        &end,
        "",
        &(year + 1).to_string(),
    ];
    Rows::start(out, &header)?.row(&row)?;
    Ok(0)
}

fn courses(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let header = [
        "sourcedId",
        "status",
        "dateLastModified",
        "schoolYearSourcedId",
        "title",
        "courseCode",
        "grades",
        "orgSourcedId",
        "subjects",
        "subjectCodes",
    ];
    let mut rows = Rows::start(out, &header)?;
    let session = session_id(day);
    for at in 0..13 {
        let title = format!("Homeroom {}", grade(at));
        let code = format!("HR{}", grade(at));
        rows.row(&[
            &course_id(day, at),
            "",
            "",
            &session,
            &title,
            &code,
            grade(at),
            &day.district_id,
            "",
            "",
        ])?;
    }
    Ok(0)
}

fn classes(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let header = [
        "sourcedId",
        "status",
        "dateLastModified",
        "title",
        "grades",
        "courseSourcedId",
        "classCode",
        "classType",
        "location",
        "schoolSourcedId",
        "termSourcedIds",
        "subjects",
        "subjectCodes",
        "periods",
    ];
    let mut rows = Rows::start(out, &header)?;
    let session = session_id(day);
    for (place, school) in day.district.schools.all.iter().enumerate() {
        for at in (0..13).filter(|at| super::Level::of_grade(*at) == school.level) {
            let title = format!("Homeroom {}", grade(at));
            rows.fields(&[
                &class_id(day, place, at),
                "",
                "",
                &title,
                grade(at),
                &course_id(day, at),
                "",
            ])
            .fields(&["homeroom", "", &school.sourced_id, &session, "", "", ""])
            .end()?;
        }
    }
    Ok(0)
}

fn enrollments(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let header = [
        "sourcedId",
        "status",
        "dateLastModified",
        "classSourcedId",
        "schoolSourcedId",
        "userSourcedId",
        "role",
        "primary",
        "beginDate",
        "endDate",
    ];
    let mut rows = Rows::start(out, &header)?;
    for (_, s) in day.body.students(&day.district) {
        let school = s.schools.first().copied().unwrap_or(0);
        let id = format!("{}-e", s.sourced_id);
        rows.fields(&[
            &id,
            "",
            "",
            &class_id(day, school, s.grade),
            day.school_id(school),
            &s.sourced_id,
        ])
        .fields(&["student", "", "", ""])
        .end()?;
    }
    Ok(0)
}

fn session_id(day: &Day<'_>) -> String {
    sourced_id(day.spec.seed, about::OTHER_ID, 0, u64::from(day.body.years))
}

fn course_id(day: &Day<'_>, grade: u8) -> String {
    sourced_id(
        day.spec.seed,
        about::OTHER_ID,
        1 + u64::from(grade),
        u64::from(day.body.years),
    )
}

fn class_id(day: &Day<'_>, school: usize, grade: u8) -> String {
    let at = 100 + school as u64 * 16 + u64::from(grade);
    sourced_id(day.spec.seed, about::OTHER_ID, at, u64::from(day.body.years))
}

/// The userIds list: a state number beside the district's own.
fn user_ids(s: &Student) -> String {
    format!("{{stateId:9{}}},{{local:{}}}", s.number, s.number)
}

/// Grades as the CEDS vocabulary spells them.
fn grade(at: u8) -> &'static str {
    const GRADES: [&str; 13] = [
        "KG", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12",
    ];
    GRADES.get(usize::from(at)).copied().unwrap_or("PS")
}

fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
