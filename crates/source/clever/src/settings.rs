//! The checked settings of one district at Clever. Secrets come in resolved; nothing is read here.

use std::path::PathBuf;
use std::time::Duration;

use rostercard_core::privacy::Secret;
use rostercard_web::{ClientSettings, Endpoint};

/// Where Clever's data is, unless a test or a proxy says otherwise.
pub const API: &str = "https://api.clever.com";
/// Where Clever's tokens are.
pub const OAUTH: &str = "https://clever.com";

/// A version of the Data API. Their paths are the same; 3.1 has more fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// 3.0: no preferred names.
    V3_0,
    /// 3.1.
    #[default]
    V3_1,
}

impl Version {
    /// As it stands in paths.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::V3_0 => "v3.0",
            Self::V3_1 => "v3.1",
        }
    }
}

/// Which of Clever's fields is the district's lasting number for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StudentIdFrom {
    /// `sis_id`: the SIS's own id, unique within the district, and always there. A teacher's too; other staff's is `staff_id`.
    #[default]
    SisId,
    /// `student_number`: the number that students know, where the district sends it. Of teachers `teacher_number`.
    StudentNumber,
    /// `state_id`: the state's number.
    StateId,
}

impl StudentIdFrom {
    /// The field's name, for messages.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::SisId => "sis_id",
            Self::StudentNumber => "student_number",
            Self::StateId => "state_id",
        }
    }
}

/// How patient the client is. Nothing here changes what is read, only how long a bad day may take.
#[derive(Debug, Clone)]
pub struct Patience {
    /// How often one request is tried where Clever is at fault (500, 502, 503, 504, no answer), in all.
    pub attempts: u32,
    /// The wait after the first failure; doubled each time.
    pub first: Duration,
    /// The longest wait, whatever Clever asks for: its window for rates is a minute.
    pub longest: Duration,
    /// How often Clever may say that there were too many requests before the reading is given up.
    pub too_many: u32,
}

impl Default for Patience {
    /// 5 attempts, 1 s doubled, 90 s at most, 10 times too many.
    fn default() -> Self {
        Self { attempts: 5, first: Duration::from_secs(1), longest: Duration::from_secs(90), too_many: 10 }
    }
}

/// Everything there is to know about one district at Clever.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Clever's id of the district: it finds the district's token again after a rotation.
    pub district: String,
    /// The app's id at Clever.
    pub client_id: String,
    /// The app's secret.
    pub client_secret: Secret,
    /// Where the data is.
    pub api: Endpoint,
    /// Where the tokens are.
    pub oauth: Endpoint,
    /// Which version is asked for.
    pub version: Version,
    /// Which field is the district's lasting number.
    pub student_id: StudentIdFrom,
    /// Whether teachers and other school staff are read too.
    pub educators: bool,
    /// Whether changes are read from the event feed; if not, everything is read each time.
    pub incremental: bool,
    /// How many users are asked for at once, 1 to 10,000.
    pub page_size: u32,
    /// Where more people than this changed, everything is read instead of one by one.
    pub one_by_one: usize,
    /// The time for one answer.
    pub deadline: Duration,
    /// A file of CAs that alone are trusted.
    pub ca_file: Option<PathBuf>,
    /// How patient the client is.
    pub patience: Patience,
}

impl Settings {
    /// Settings with the usual values for all but whose data it is.
    #[must_use]
    pub fn new(
        district: &str,
        client_id: &str,
        client_secret: Secret,
        api: Endpoint,
        oauth: Endpoint,
    ) -> Self {
        Self {
            district: district.to_owned(),
            client_id: client_id.to_owned(),
            client_secret,
            api,
            oauth,
            version: Version::default(),
            student_id: StudentIdFrom::default(),
            educators: false,
            incremental: true,
            page_size: 2_000,
            one_by_one: 1_000,
            deadline: Duration::from_secs(60),
            ca_file: None,
            patience: Patience::default(),
        }
    }

    /// How the wire behaves. One request at a time: Clever counts them, and pages depend on each other.
    pub(crate) fn wire(&self) -> ClientSettings {
        ClientSettings {
            deadline: self.deadline,
            // 10,000 users with everything a district may share are about 30 MB.
            answer_limit: 64 << 20,
            connections: 1,
            ca_file: self.ca_file.clone(),
            ..ClientSettings::default()
        }
    }
}
