//! Small packages written by the tests, and a source read to its end.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::civil::{Date, date};
use rostercard_core::field::{Field, FieldRules, Ownership};
use rostercard_core::finding::Finding;
use rostercard_core::ports::{Completeness, ConnectorError, Record, RosterPage, RosterSource};
use rostercard_core::privacy::Personal;
use rostercard_core::student::{Damaged, Student};
use rostercard_source_oneroster::{OneRosterCsv, Settings};

/// The day on which all tests run.
pub(crate) const TODAY: Date = date(2026, 11, 24);

pub(crate) const ORGS: &str = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId
d,,,Woodland Unified,district,57,
s1,,,Douglass Middle,school,1001,d
s2,,,Lee Middle,school,1002,d
s3,,,Empty High,school,1003,d
";

pub(crate) const USERS_1_1: &str = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,\
givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password";

pub(crate) const USERS_1_2: &str = "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,\
middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,\
preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns";

pub(crate) const ROLES: &str = "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId";

pub(crate) const DEMOGRAPHICS: &str = "sourcedId,status,dateLastModified,birthDate,sex";

/// A package to be written.
#[derive(Clone)]
pub(crate) struct Package {
    version: &'static str,
    modes: Vec<(&'static str, &'static str)>,
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Package {
    pub(crate) fn new(version: &'static str) -> Self {
        Self { version, modes: Vec::new(), files: Vec::new() }
    }

    /// 1.1 with two schools and these rows of users, without demographics.
    pub(crate) fn of_users(rows: &str) -> Self {
        Self::new("1.1").file("orgs", ORGS).file("users", &format!("{USERS_1_1}\n{rows}"))
    }

    pub(crate) fn file(self, name: &'static str, text: &str) -> Self {
        self.bytes(name, text.as_bytes())
    }

    pub(crate) fn bytes(mut self, name: &'static str, bytes: &[u8]) -> Self {
        self.modes.push((name, "bulk"));
        self.files.push((name, bytes.to_vec()));
        self
    }

    pub(crate) fn declare(mut self, name: &'static str, mode: &'static str) -> Self {
        self.modes.retain(|(known, _)| *known != name);
        self.modes.push((name, mode));
        self
    }

    fn all(&self) -> Vec<(String, Vec<u8>)> {
        let mut manifest =
            format!("propertyName,value\nmanifest.version,1.0\noneroster.version,{}\n", self.version);
        for (name, mode) in &self.modes {
            manifest += &format!("file.{name},{mode}\n");
        }
        manifest += "source.systemName,Practice SIS\n";
        let mut files = vec![("manifest.csv".to_owned(), manifest.into_bytes())];
        files.extend(self.files.iter().map(|(name, bytes)| (format!("{name}.csv"), bytes.clone())));
        files
    }

    pub(crate) fn folder(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in self.all() {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    pub(crate) fn zip(&self) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roster.zip");
        self.zip_to(&path);
        (folder, path)
    }

    /// Writes the package as a zip.
    pub(crate) fn zip_to(&self, path: &Path) {
        let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
        for (name, bytes) in self.all() {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(&bytes).unwrap();
        }
        zip.finish().unwrap();
    }

    /// The package as a folder, read with the usual settings.
    pub(crate) fn read(&self) -> Roster {
        self.read_with(|_| {})
    }

    pub(crate) fn read_with(&self, change: impl FnOnce(&mut Settings)) -> Roster {
        self.try_read(change).unwrap()
    }

    pub(crate) fn try_read(&self, change: impl FnOnce(&mut Settings)) -> Result<Roster, ConnectorError> {
        let folder = self.folder();
        let mut settings = Settings::new(folder.path());
        change(&mut settings);
        read(settings, everything())
    }
}

/// Rules that allow every field.
pub(crate) fn everything() -> FieldRules {
    let mut rules = FieldRules::default();
    for field in FieldRules::CHOOSABLE {
        rules.set(*field, Ownership::School);
    }
    assert!(rules.allows(Field::Email));
    rules
}

/// A roster, read.
#[derive(Debug)]
pub(crate) struct Roster {
    pub(crate) description: String,
    pub(crate) opening: Vec<Finding>,
    pub(crate) students: Vec<Student>,
    pub(crate) damaged: Vec<Damaged>,
    pub(crate) completeness: Completeness,
    pub(crate) findings: Vec<Finding>,
}

impl Roster {
    pub(crate) fn student(&self, id: &str) -> &Student {
        let mut found = self.students.iter().filter(|student| student.student_id.reveal() == id);
        let first = found.next().unwrap();
        assert!(found.next().is_none(), "one id twice");
        first
    }

    pub(crate) fn ids(&self) -> Vec<&str> {
        self.students.iter().map(|student| student.student_id.reveal()).collect()
    }

    pub(crate) fn codes(&self) -> Vec<&'static str> {
        self.findings.iter().map(|finding| finding.code).collect()
    }

    pub(crate) fn finding(&self, code: &str) -> &Finding {
        self.findings.iter().find(|finding| finding.code == code).unwrap()
    }

    /// Each damaged record's id, code and place.
    pub(crate) fn damages(&self) -> Vec<(Option<&str>, &'static str, String)> {
        self.damaged
            .iter()
            .map(|damaged| {
                let id = damaged.student_id.as_ref().map(Personal::reveal);
                (id, damaged.finding.code, damaged.finding.place.to_string())
            })
            .collect()
    }
}

pub(crate) fn read_path(path: &Path) -> Result<Roster, ConnectorError> {
    read(Settings::new(path), everything())
}

/// Reads a source to its end.
pub(crate) fn read(settings: Settings, rules: FieldRules) -> Result<Roster, ConnectorError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut source = OneRosterCsv::new(settings, rules, TODAY);
        let facts = source.facts().await?;
        let (mut students, mut damaged) = (Vec::new(), Vec::new());
        loop {
            match source.next_page().await? {
                RosterPage::Records(page) => {
                    assert!(page.len() <= 4_000, "a page is a few thousand at most");
                    for record in page {
                        match record {
                            Record::Student(student) => students.push(*student),
                            Record::Damaged(record) => damaged.push(*record),
                            Record::Gone { .. } => unreachable!("a bulk package has no tombstones"),
                        }
                    }
                }
                RosterPage::End { completeness, cursor, findings } => {
                    assert_eq!(cursor, None);
                    let (description, opening) = (facts.description, facts.findings);
                    return Ok(Roster { description, opening, students, damaged, completeness, findings });
                }
            }
        }
    })
}
