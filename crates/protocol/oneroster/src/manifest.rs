//! `manifest.csv`: the version, and for every file whether it is absent, whole (bulk) or a delta (CSV binding,
//! section on the manifest).

use std::io::Read;

use crate::finding::{Code, Finding, ReadError};
use crate::records::{Record, Records, Step};

/// The manifest's own name.
const FILE: &str = "manifest.csv";
/// Far more rows than a manifest of any version has.
const MAX_ROWS: usize = 1_000;

/// A version of OneRoster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.1
    V1_1,
    /// 1.2, its corrections included.
    V1_2,
}

impl Version {
    /// As people write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// Reads `1.1`, `1.2`, `1.2.1`, `v1p2`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.trim().trim_start_matches(['v', 'V']).replace('p', ".");
        let mut parts = plain.split('.');
        match (parts.next(), parts.next()) {
            (Some("1"), Some("1")) => Some(Self::V1_1),
            (Some("1"), Some("2")) => Some(Self::V1_2),
            _ => None,
        }
    }
}

/// What the manifest says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Not in the package.
    #[default]
    Absent,
    /// The whole truth about its subject: what is not in it is not.
    Bulk,
    /// What changed: what is not in it stays as it was.
    Delta,
}

impl Mode {
    /// As the manifest writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Bulk => "bulk",
            Self::Delta => "delta",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Absent, Self::Bulk, Self::Delta]
            .into_iter()
            .find(|mode| mode.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

/// Every file that a manifest may speak of, without `.csv`, and the versions that have it.
pub const FILES: &[(&str, &[Version])] = {
    const BOTH: &[Version] = &[Version::V1_1, Version::V1_2];
    const NEW: &[Version] = &[Version::V1_2];
    &[
        ("academicSessions", BOTH),
        ("categories", BOTH),
        ("classes", BOTH),
        ("classResources", BOTH),
        ("courses", BOTH),
        ("courseResources", BOTH),
        ("demographics", BOTH),
        ("enrollments", BOTH),
        ("lineItemLearningObjectiveIds", NEW),
        ("lineItems", BOTH),
        ("lineItemScoreScales", NEW),
        ("orgs", BOTH),
        ("resources", BOTH),
        ("resultLearningObjectiveIds", NEW),
        ("results", BOTH),
        ("resultScoreScales", NEW),
        ("roles", NEW),
        ("scoreScales", NEW),
        ("userProfiles", NEW),
        ("userResources", NEW),
        ("users", BOTH),
    ]
};

/// Properties other than `file.*`.
const PROPERTIES: &[&str] =
    &["manifest.version", "oneroster.version", "source.systemName", "source.systemCode"];

/// What a package declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The version of OneRoster.
    pub version: Version,
    /// The name of the system that made the package, where it says so.
    pub system_name: Option<String>,
    /// That system's code.
    pub system_code: Option<String>,
    /// By the order of [`FILES`].
    modes: Vec<Mode>,
}

impl Manifest {
    /// What a package without a manifest is taken to say, where somebody chose so: its files are whole, and the
    /// version is as given.
    #[must_use]
    pub fn assumed<'a>(version: Version, files: impl IntoIterator<Item = &'a str>) -> Self {
        let mut modes = vec![Mode::Absent; FILES.len()];
        for file in files {
            if let Some(at) = FILES.iter().position(|(name, _)| file.strip_suffix(".csv") == Some(name)) {
                modes[at] = Mode::Bulk;
            }
        }
        Self { version, system_name: None, system_code: None, modes }
    }

    /// What is said of a file, by its name with or without `.csv`. What is not said is absent.
    #[must_use]
    pub fn mode(&self, file: &str) -> Mode {
        let name = file.strip_suffix(".csv").unwrap_or(file);
        FILES
            .iter()
            .zip(&self.modes)
            .find(|((known, _), _)| *known == name)
            .map_or(Mode::Absent, |(_, mode)| *mode)
    }

    /// The declared files, with `.csv`, in the order of [`FILES`].
    pub fn declared(&self) -> impl Iterator<Item = (String, Mode)> {
        let declared = FILES.iter().zip(&self.modes).filter(|(_, mode)| **mode != Mode::Absent);
        declared.map(|((name, _), mode)| (format!("{name}.csv"), *mode))
    }

    /// Reads a manifest, with everything that is odd about it.
    ///
    /// # Errors
    /// [`ReadError::Unusable`] with every finding where one of them refuses, and [`ReadError::Io`].
    pub fn read(input: impl Read) -> Result<(Self, Vec<Finding>), ReadError> {
        let mut reading = Reading::default();
        let mut records = Records::new(input);
        let mut first = true;
        for _ in 0..=MAX_ROWS {
            let line = records.line();
            let step = records.next_step().map_err(|source| ReadError::Io {
                file: FILE.to_owned(),
                line,
                source,
            })?;
            match step {
                None => return reading.finish(),
                Some(Step::Record(record)) => reading.row(record, first),
                Some(Step::Damaged { line, .. }) => reading.note(Code::ManifestRowWidthMismatch, line),
            }
            first = false;
        }
        reading.note(Code::ManifestTooLong, 1);
        reading.finish()
    }

    /// Compares what is declared with what is in the package: `present` are its file names.
    #[must_use]
    pub fn compare<'a>(&self, present: impl IntoIterator<Item = &'a str> + Clone) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (file, _) in self.declared() {
            if !present.clone().into_iter().any(|name| name == file) {
                findings.push(Finding::file(Code::ManifestFileMissing, file));
            }
        }
        for name in present {
            // Only files that OneRoster knows: a read-me beside them is nobody's business.
            let known = FILES.iter().any(|(file, _)| name.strip_suffix(".csv") == Some(file));
            if known && self.mode(name) == Mode::Absent {
                findings.push(Finding::file(Code::ManifestFileUnexpected, name));
            }
        }
        findings
    }
}

#[derive(Default)]
struct Reading {
    version: Option<Version>,
    manifest_version: Option<String>,
    system_name: Option<String>,
    system_code: Option<String>,
    modes: [Option<Mode>; FILES.len()],
    findings: Vec<Finding>,
}

impl Reading {
    fn note(&mut self, code: Code, line: u64) {
        self.findings.push(Finding::file(code, FILE).line(line));
    }

    fn row(&mut self, record: Record<'_>, first: bool) {
        let line = record.line;
        let cell = |at| record.get(at).unwrap_or_default().trim();
        let (name, value) = (cell(0), cell(1));
        if first {
            if name.eq_ignore_ascii_case("propertyName") && value.eq_ignore_ascii_case("value") {
                return;
            }
            self.note(Code::ManifestInvalidHeader, line);
        }
        // Some exports end each row in further commas; cells that say nothing are no reason to lose the row.
        if record.len() < 2 || (2..record.len()).any(|at| !cell(at).is_empty()) {
            self.note(Code::ManifestRowWidthMismatch, line);
            return;
        }
        let file =
            name.get(..5).filter(|start| start.eq_ignore_ascii_case("file.")).and_then(|_| name.get(5..));
        if let Some(file) = file {
            let at = FILES.iter().position(|(known, _)| known.eq_ignore_ascii_case(file));
            let Some((at, (known, _))) = at.and_then(|at| Some((at, FILES.get(at)?))) else {
                self.note(Code::ManifestUnknownProperty, line);
                return;
            };
            match (Mode::parse(value), self.modes[at]) {
                (None, _) => {
                    self.findings
                        .push(Finding::file(Code::ManifestInvalidFileMode, FILE).line(line).column(known));
                }
                (Some(mode), Some(before)) if mode != before => {
                    self.findings
                        .push(Finding::file(Code::ManifestDuplicateProperty, FILE).line(line).column(known));
                }
                (Some(mode), _) => self.modes[at] = Some(mode),
            }
            return;
        }
        let Some(property) = PROPERTIES.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            // The header row of a manifest without the right names was reported already.
            if !first {
                self.note(Code::ManifestUnknownProperty, line);
            }
            return;
        };
        self.property(property, value, line);
    }

    fn property(&mut self, property: &'static str, value: &str, line: u64) {
        let differs = match property {
            "manifest.version" => set(&mut self.manifest_version, value.to_owned()),
            "source.systemName" => set(&mut self.system_name, value.to_owned()),
            "source.systemCode" => set(&mut self.system_code, value.to_owned()),
            _ => match Version::parse(value) {
                Some(version) => set(&mut self.version, version),
                None => {
                    self.findings.push(
                        Finding::file(Code::ManifestInvalidOneRosterVersion, FILE)
                            .line(line)
                            .column(property),
                    );
                    return;
                }
            },
        };
        if differs {
            self.findings
                .push(Finding::file(Code::ManifestDuplicateProperty, FILE).line(line).column(property));
        }
    }

    fn finish(mut self) -> Result<(Manifest, Vec<Finding>), ReadError> {
        let invalid = |finding: &Finding| finding.code == Code::ManifestInvalidOneRosterVersion;
        if self.version.is_none() && !self.findings.iter().any(invalid) {
            let finding =
                Finding::file(Code::ManifestInvalidOneRosterVersion, FILE).column("oneroster.version");
            self.findings.push(finding);
        }
        if self.manifest_version.as_deref() != Some("1.0") {
            self.findings.push(Finding::file(Code::ManifestInvalidVersion, FILE).column("manifest.version"));
        }
        let version = self.version.unwrap_or(Version::V1_1);
        let missing: Vec<&str> = FILES
            .iter()
            .zip(&self.modes)
            .filter(|((_, versions), mode)| mode.is_none() && versions.contains(&version))
            .map(|((name, _), _)| *name)
            .collect();
        if !missing.is_empty() {
            let list = missing.iter().map(|name| format!("file.{name}")).collect::<Vec<_>>().join(", ");
            self.findings.push(Finding::file(Code::ManifestMissingProperty, FILE).detail(list));
        }
        if self.findings.iter().any(|finding| finding.code.refuses()) {
            self.findings.sort_by_key(|finding| !finding.code.refuses());
            return Err(ReadError::Unusable(self.findings));
        }
        let named = |name: Option<String>| name.filter(|name| !name.is_empty());
        let manifest = Manifest {
            version,
            system_name: named(self.system_name),
            system_code: named(self.system_code),
            modes: self.modes.iter().map(|mode| mode.unwrap_or_default()).collect(),
        };
        Ok((manifest, self.findings))
    }
}

/// Sets what was not set, and says whether it was, to something else.
fn set<T: PartialEq>(slot: &mut Option<T>, value: T) -> bool {
    match slot {
        Some(before) => *before != value,
        None => {
            *slot = Some(value);
            false
        }
    }
}
