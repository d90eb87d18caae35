//! The checked settings of one ILS that speaks NCIP. Secrets come in resolved; nothing is read here.

use std::path::PathBuf;
use std::time::Duration;

use rostercard_core::ports::Text;
use rostercard_core::privacy::Secret;
use rostercard_ncip::{Dialect, Header, ProblemClass};
use rostercard_web::{ClientSettings, Endpoint, EndpointError, SetupError};
use thiserror::Error;

/// How a card's PIN reaches the ILS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PinWay {
    /// With the create, as an `AuthenticationInput` of type PIN. The schema allows that only beside a `Barcode Id`
    /// one in the place of the `UserId`.
    #[default]
    Create,
    /// By an update of its own after the create.
    Update,
    /// Not at all: the ILS has its own rule.
    None,
}

/// How privileges carry category, home branch, expiry and statistical codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivilegeMap {
    /// The privilege type whose status is the category (`PROFILE` in some ILSs), or `None` where the category is a
    /// privilege type itself. The privilege that carries the category carries the expiry, as its `ValidToDate`.
    pub category_kind: Option<String>,
    /// The privilege type whose status is the home branch.
    pub branch_kind: String,
    /// What the privilege types of statistical codes begin with; their status is the code.
    pub statistics_prefix: String,
    /// The status of a card that may be used; sent with a new card's category where that has no place of its own.
    pub active: String,
    /// The status of a card that is blocked.
    pub blocked: String,
}

impl Default for PrivilegeMap {
    /// The category is a privilege type; `LIBRARY`, `STAT:`, `Active`, `Blocked`.
    fn default() -> Self {
        Self {
            category_kind: None,
            branch_kind: "LIBRARY".to_owned(),
            statistics_prefix: "STAT:".to_owned(),
            active: "Active".to_owned(),
            blocked: "Blocked".to_owned(),
        }
    }
}

/// Everything there is to know about one ILS that speaks NCIP.
#[derive(Debug, Clone)]
pub struct NcipSettings {
    /// Where it listens. Path and query may hold a token, and are never shown.
    pub endpoint: Endpoint,
    /// Our agency's code there.
    pub from_agency: String,
    /// The library's agency code.
    pub to_agency: String,
    /// Our system's code there, where the ILS wants one.
    pub from_system: Option<String>,
    /// Our system's password there.
    pub from_system_authentication: Option<Secret>,
    /// Our agency's password there.
    pub from_agency_authentication: Option<Secret>,
    /// A profile agreed with the ILS.
    pub application_profile: Option<String>,
    /// How messages are spelt.
    pub dialect: Dialect,
    /// How privileges carry category, branch, expiry and codes.
    pub privileges: PrivilegeMap,
    /// What letters the ILS can hold; others are transliterated.
    pub text: Text,
    /// How the PIN travels.
    pub pin: PinWay,
    /// The time for one call.
    pub deadline: Duration,
    /// How many calls may be under way at once.
    pub connections: usize,
    /// The longest answer, in bytes.
    pub answer_limit: usize,
    /// A file of CAs that alone are trusted for this ILS.
    pub ca_file: Option<PathBuf>,
    /// What this ILS's own problem types mean.
    pub problems: Vec<(String, ProblemClass)>,
}

impl NcipSettings {
    /// Settings with the usual values for all but address and agencies.
    ///
    /// # Errors
    /// [`SettingsError`] where the URL will not do, or an agency is blank.
    pub fn new(
        url: &str,
        allow_http: bool,
        from_agency: &str,
        to_agency: &str,
    ) -> Result<Self, SettingsError> {
        for (key, value) in [("from_agency", from_agency), ("to_agency", to_agency)] {
            if value.trim().is_empty() {
                return Err(SettingsError::Blank { key });
            }
        }
        Ok(Self::of(Endpoint::parse(url, allow_http)?, from_agency, to_agency))
    }

    /// The same, of an address and agencies that were checked.
    pub(crate) fn of(endpoint: Endpoint, from_agency: &str, to_agency: &str) -> Self {
        let usual = ClientSettings::default();
        Self {
            endpoint,
            from_agency: from_agency.trim().to_owned(),
            to_agency: to_agency.trim().to_owned(),
            from_system: None,
            from_system_authentication: None,
            from_agency_authentication: None,
            application_profile: None,
            dialect: Dialect::default(),
            privileges: PrivilegeMap::default(),
            text: Text::Utf8,
            pin: PinWay::default(),
            deadline: usual.deadline,
            connections: usual.connections,
            answer_limit: usual.answer_limit,
            ca_file: None,
            problems: Vec::new(),
        }
    }

    pub(crate) fn header(&self) -> Header {
        let secret = |value: &Option<Secret>| value.as_ref().map(|s| s.reveal().into());
        Header {
            from_system: self.from_system.clone(),
            from_system_authentication: secret(&self.from_system_authentication),
            from_agency_authentication: secret(&self.from_agency_authentication),
            application_profile: self.application_profile.clone(),
            ..Header::new(&self.from_agency, &self.to_agency)
        }
    }

    pub(crate) fn client(&self) -> ClientSettings {
        ClientSettings {
            deadline: self.deadline,
            connections: self.connections,
            answer_limit: self.answer_limit,
            ca_file: self.ca_file.clone(),
            ..ClientSettings::default()
        }
    }
}

/// Why settings will not do. The fault is the configuration's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The URL.
    #[error("url: {0}")]
    Url(#[from] EndpointError),
    /// Something that must be said.
    #[error("{key} is blank")]
    Blank {
        /// The key of the configuration.
        key: &'static str,
    },
    /// TLS.
    #[error("{0}")]
    Client(#[from] SetupError),
}
