//! How one Koha is set up: its version, its logins, what it charges and what it demands.

use std::collections::BTreeMap;

/// Which Koha it is, as far as its API differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KohaVersion {
    /// Before 22.11: it knows no `middle_name`.
    Old,
    /// 23.05: no list of categories.
    #[default]
    V23_05,
    /// Later: `/patron_categories`, and a few properties more.
    New,
}

/// A Koha's manners. The default is a plain 23.05 that an API key and a password open, whose categories let PINs of four
/// digits be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KohaManners {
    /// The version.
    pub version: KohaVersion,
    /// Whether API keys are turned on (`RESTOAuth2ClientCredentials`).
    pub oauth: bool,
    /// Whether passwords are turned on (`RESTBasicAuth`).
    pub basic: bool,
    /// The API key's id.
    pub client_id: String,
    /// The API key's secret.
    pub client_secret: String,
    /// The login's user name.
    pub user: String,
    /// The login's password.
    pub password: String,
    /// The login may see and make patrons (`borrowers:edit_borrowers`).
    pub edit: bool,
    /// The login may change patrons and set passwords (the whole of `borrowers`).
    pub all_borrowers: bool,
    /// The login's library. Without `see_all` it sees no patron of another.
    pub library: String,
    /// The login sees patrons of every library (`view_borrower_infos_from_any_libraries`).
    pub see_all: bool,
    /// Fewest characters of a password.
    pub pin_min: usize,
    /// Passwords must have capitals, small letters and digits.
    pub pin_strong: bool,
    /// Enrolment fees by category, in hundredths; also charged for a change into it.
    pub fees: BTreeMap<String, i64>,
    /// Types of extended attributes, and whether their values are unique.
    pub attribute_types: BTreeMap<String, bool>,
    /// How many connections are served at once; a connection keeps its worker until it is closed. 0: no limit.
    pub workers: usize,
    /// A web server stands before Koha's workers and says so.
    pub behind_web_server: bool,
}

impl Default for KohaManners {
    fn default() -> Self {
        Self {
            version: KohaVersion::default(),
            oauth: true,
            basic: true,
            client_id: "rostercard".into(),
            client_secret: "practice".into(),
            user: "rostercard".into(),
            password: "practice".into(),
            edit: true,
            all_borrowers: true,
            library: "MAIN".into(),
            see_all: true,
            pin_min: 4,
            pin_strong: false,
            fees: BTreeMap::new(),
            attribute_types: [("STUDENTID", true), ("SCHOOL", false), ("GRADE", false), ("DISTRICT", false)]
                .into_iter()
                .map(|(kind, unique)| (kind.to_owned(), unique))
                .collect(),
            workers: 0,
            behind_web_server: true,
        }
    }
}
