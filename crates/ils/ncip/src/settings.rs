//! The checked settings of one ILS that speaks NCIP. Secrets come in resolved; nothing is read here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rostercard_core::field::FieldSet;
use rostercard_core::ports::Text;
use rostercard_core::privacy::Secret;
use rostercard_ncip::{DateOrder, Dialect, Header, ProblemClass, VersionRoot};
use rostercard_web::{ClientSettings, Endpoint, EndpointError, Identity, Proxy, SetupError};
use thiserror::Error;

use crate::responder::Responder;
use crate::tcp::{TcpAddress, TcpAddressError};

/// Where a responder listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// HTTP or HTTPS. Path and query may hold a token, and are never shown.
    Http(Endpoint),
    /// Raw TCP.
    Tcp(TcpAddress),
}

impl Address {
    /// Scheme, host and port: what may be printed.
    #[must_use]
    pub fn origin(&self) -> String {
        match self {
            Self::Http(endpoint) => endpoint.origin(),
            Self::Tcp(address) => address.to_string(),
        }
    }

    /// Whether what is sent can be read on the way.
    #[must_use]
    pub fn is_readable_on_the_way(&self) -> bool {
        match self {
            Self::Http(endpoint) => endpoint.is_readable_on_the_way(),
            Self::Tcp(address) => address.is_readable_on_the_way(),
        }
    }
}

/// Whether a service is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Switch {
    /// As far as is known of this kind of responder.
    #[default]
    Auto,
    /// The library knows that its ILS has it.
    On,
    /// Never asked for.
    Off,
}

/// How a patron is named in a look-up or an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NamedBy {
    /// By its `UserId`.
    #[default]
    UserId,
    /// By an `AuthenticationInput` of type `Barcode Id`.
    BarcodeInput,
}

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
    /// The privilege type whose status says whether the card is blocked, or `None` where the category's own says it.
    pub status_kind: Option<String>,
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
            status_kind: None,
            statistics_prefix: "STAT:".to_owned(),
            active: "Active".to_owned(),
            blocked: "Blocked".to_owned(),
        }
    }
}

/// Everything there is to know about one ILS that speaks NCIP.
#[derive(Debug, Clone)]
pub struct NcipSettings {
    /// Where it listens.
    pub address: Address,
    /// What kind of responder it is; what is known of it is in the other settings already.
    pub responder: &'static Responder,
    /// Whether patrons are made through it.
    pub create: Switch,
    /// Whether patrons are changed through it.
    pub update: Switch,
    /// The fields that its `UpdateUser` takes.
    pub updates: FieldSet,
    /// The fields that its answers can hold.
    pub returns: FieldSet,
    /// How a patron is named in a look-up or an update.
    pub named_by: NamedBy,
    /// The `UserIdentifierType` of the number, where one is sent.
    pub id_kind: Option<String>,
    /// Whether a found user with an empty number is believed to be the one that was asked for.
    pub empty_id: bool,
    /// In which order its dates are.
    pub dates: DateOrder,
    /// Where it looks for a `LookupVersion`; `None`: it is not asked.
    pub lookup_version: Option<VersionRoot>,
    /// Our agency's code there.
    pub from_agency: String,
    /// The library's agency code.
    pub to_agency: String,
    /// The agency codes of branches that have their own, by the branch's code: a patron is made and changed at its home
    /// branch's agency. It is looked up at the library's.
    pub agencies: BTreeMap<String, String>,
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
    /// The certificate that we show this ILS.
    pub identity: Option<Identity>,
    /// Through whom this ILS is reached.
    pub proxy: Option<Proxy>,
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
        let address = if url.trim().starts_with(TcpAddress::SCHEME) {
            Address::Tcp(TcpAddress::parse(url, allow_http)?)
        } else {
            Address::Http(Endpoint::parse(url, allow_http)?)
        };
        Ok(Self::of(address, from_agency, to_agency))
    }

    /// Takes over what is known of a kind of responder.
    pub fn take(&mut self, responder: &'static Responder) {
        self.responder = responder;
        self.updates = responder.updates;
        self.returns = responder.returns;
        self.empty_id = responder.empty_id;
        self.dates = responder.dates;
        self.lookup_version = responder.lookup_version;
        self.dialect = Dialect {
            version: responder.version(),
            version_uri: responder.version_uri.to_owned(),
            style: responder.style,
            send_schemes: responder.schemes,
            elements: responder.elements,
            doctype: responder.doctype,
            address: responder.address,
            ..self.dialect.clone()
        };
        self.privileges.category_kind = responder.category_kind.map(str::to_owned);
        self.privileges.status_kind = responder.status_kind.map(str::to_owned);
        self.problems = responder.problems.iter().map(|&(kind, class)| (kind.to_owned(), class)).collect();
    }

    /// The same, of an address and agencies that were checked.
    pub(crate) fn of(address: Address, from_agency: &str, to_agency: &str) -> Self {
        let usual = ClientSettings::default();
        let mut settings = Self {
            address,
            responder: Responder::standard(),
            create: Switch::Auto,
            update: Switch::Auto,
            updates: FieldSet::EMPTY,
            returns: FieldSet::EMPTY,
            named_by: NamedBy::default(),
            id_kind: Some(rostercard_ncip::UserId::BARCODE.to_owned()),
            empty_id: false,
            dates: DateOrder::default(),
            lookup_version: None,
            from_agency: from_agency.trim().to_owned(),
            to_agency: to_agency.trim().to_owned(),
            agencies: BTreeMap::new(),
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
            identity: None,
            proxy: None,
            problems: Vec::new(),
        };
        settings.take(Responder::standard());
        settings
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
            identity: self.identity.clone(),
            proxy: self.proxy.clone(),
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
    /// The address of a responder over TCP.
    #[error("url: {0}")]
    Tcp(#[from] TcpAddressError),
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
