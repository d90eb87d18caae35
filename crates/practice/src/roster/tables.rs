//! What stands in each file of a package: one function a file, one pass over the students each.
//!
//! Headers and values are those of the OneRoster CSV binding; in a bulk file `status` and `dateLastModified` are blank.

use std::io::{self, Write};
use std::path::Path;

use super::csv::Rows;
use super::days::Body;
use super::ids::{about, sourced_id};
use super::package::Written;
use super::people::{District, Educator, Student};
use super::{Spec, Version};

/// Writes a file of the package, and says how many students it met.
pub(super) type Fill = fn(&Day<'_>, &mut dyn Write) -> io::Result<u64>;

/// Every file OneRoster knows, with what fills it; None is absent.
pub(super) fn files(spec: &Spec) -> Vec<(&'static str, Option<Fill>)> {
    let with = |on: bool, fill: Fill| on.then_some(fill);
    let mut files: Vec<(&'static str, Option<Fill>)> = vec![
        ("academicSessions", with(spec.classes, sessions)),
        ("orgs", Some(orgs)),
        ("users", Some(if spec.version == Version::V1p1 { users_1p1 } else { users_1p2 })),
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

/// One day's roster, for all files to read from.
pub(super) struct Day<'a> {
    spec: &'a Spec,
    district: District,
    body: Body,
    district_id: String,
}

impl<'a> Day<'a> {
    pub(super) fn new(spec: &'a Spec) -> Self {
        let district = District::new(spec);
        let body = Body::on(spec, &district, spec.day);
        let district_id = sourced_id(spec.seed, about::DISTRICT_ID, 0, 0);
        Self { spec, district, body, district_id }
    }

    fn educators(&self) -> impl Iterator<Item = (u64, Educator)> {
        (0..self.district.educators(u64::from(self.spec.students))).map(|at| (at, self.district.educator(at)))
    }

    /// What the package will be found to hold.
    pub(super) fn written(&self, path: &Path, students: u64) -> Written {
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
        places.iter().map(|at| self.school_id(*at)).collect::<Vec<_>>().join(",")
    }
}

fn orgs(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let header = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId";
    let mut rows = Rows::start(out, header)?;
    rows.row(&[&day.district_id, "", "", &day.spec.district, "district", "99100090000000", ""])?;
    for school in &day.district.schools.all {
        rows.row(&[&school.sourced_id, "", "", &school.name, "school", &school.code, &day.district_id])?;
    }
    Ok(0)
}

const USERS_1P1: &str = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,\
        givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,\
        password";

const USERS_1P2: &str = "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,\
        middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,\
        userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,\
        primaryOrgSourcedId,pronouns";

/// Extension columns, after those of the specification: OneRoster has no address and no opt-out.
const METADATA: &str = "metadata.street,metadata.street2,metadata.city,metadata.state,metadata.zip,\
        metadata.protected,metadata.optOut";

fn users_1p1(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let mut rows = Rows::start(out, &format!("{USERS_1P1},{METADATA}"))?;
    let mut students = 0;
    for (_, s) in day.body.students(&day.district) {
        students += 1;
        rows.fields(&[&s.sourced_id, "", "", "true", &day.school_ids(&s.schools), "student", &s.username])
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
        rows.fields(&[&e.sourced_id, "", "", "true", &day.school_ids(&e.schools), role, &e.username, ""])
            .fields(&[&e.given, &e.family, "", &e.number, &email, "", "", "", "", ""])
            .fields(&[""; 7])
            .end()?;
    }
    Ok(students)
}

fn users_1p2(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let mut rows = Rows::start(out, &format!("{USERS_1P2},{METADATA}"))?;
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
        .fields(&[&s.number, &s.email, "", &s.phone, "", grade(s.grade), "", &master, &s.preferred, "", ""])
        .fields(&[day.school_id(s.schools.first().copied().unwrap_or(0)), ""]);
        metadata(&mut rows, &s)?;
    }
    for (_, e) in day.educators() {
        let email = format!("{}@staff.example.org", e.username);
        rows.fields(&[&e.sourced_id, "", "", "true", &e.username, "", &e.given, &e.family, "", &e.number])
            .fields(&[&email, "", "", "", "", "", "", "", "", ""])
            .fields(&[day.school_id(e.schools.first().copied().unwrap_or(0)), ""])
            .fields(&[""; 7])
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
    let header = "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,\
        orgSourcedId,userProfileSourcedId";
    let mut rows = Rows::start(out, header)?;
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
        write(&e.sourced_id, if e.principal { "principal" } else { "teacher" }, &e.schools)?;
    }
    Ok(0)
}

fn demographics(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let header = "sourcedId,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,asian,\
        blackOrAfricanAmerican,nativeHawaiianOrOtherPacificIslander,white,\
        demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity,countryOfBirthCode,\
        stateOfBirthAbbreviation,cityOfBirth,publicSchoolResidenceStatus";
    let mut rows = Rows::start(out, header)?;
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
    let header = "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,\
        schoolYear";
    let year = day.spec.first_school_year() + i16::try_from(day.body.years).unwrap_or(0);
    let (title, start, end) =
        (format!("{year}-{}", year + 1), format!("{year}-08-15"), format!("{}-06-15", year + 1));
    let row = [&session_id(day), "", "", &title, "schoolYear", &start, &end, "", &(year + 1).to_string()];
    Rows::start(out, header)?.row(&row)?;
    Ok(0)
}

fn courses(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let header = "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,\
        orgSourcedId,subjects,subjectCodes";
    let mut rows = Rows::start(out, header)?;
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
    let header = "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,\
        location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods";
    let mut rows = Rows::start(out, header)?;
    let session = session_id(day);
    for (place, school) in day.district.schools.all.iter().enumerate() {
        for at in (0..13).filter(|at| super::Level::of_grade(*at) == school.level) {
            let title = format!("Homeroom {}", grade(at));
            rows.fields(&[&class_id(day, place, at), "", "", &title, grade(at), &course_id(day, at), ""])
                .fields(&["homeroom", "", &school.sourced_id, &session, "", "", ""])
                .end()?;
        }
    }
    Ok(0)
}

fn enrollments(day: &Day<'_>, out: &mut dyn Write) -> io::Result<u64> {
    let header = "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,\
        primary,beginDate,endDate";
    let mut rows = Rows::start(out, header)?;
    for (_, s) in day.body.students(&day.district) {
        let school = s.schools.first().copied().unwrap_or(0);
        let id = format!("{}-e", s.sourced_id);
        rows.fields(&[&id, "", "", &class_id(day, school, s.grade), day.school_id(school), &s.sourced_id])
            .fields(&["student", "", "", ""])
            .end()?;
    }
    Ok(0)
}

fn session_id(day: &Day<'_>) -> String {
    sourced_id(day.spec.seed, about::OTHER_ID, 0, u64::from(day.body.years))
}

fn course_id(day: &Day<'_>, grade: u8) -> String {
    sourced_id(day.spec.seed, about::OTHER_ID, 1 + u64::from(grade), u64::from(day.body.years))
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
    const GRADES: [&str; 13] = ["KG", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"];
    GRADES.get(usize::from(at)).copied().unwrap_or("PS")
}

fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
