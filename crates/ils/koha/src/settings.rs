//! The checked settings of one Koha. Secrets come in resolved; nothing is read here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rostercard_core::privacy::Secret;
use rostercard_core::words::Code;
use rostercard_web::{
    ClientAuth, ClientSettings, Endpoint, EndpointError, Login, OAuth, OAuthSettings, Reuse, SetupError,
};
use secrecy::SecretString;
use thiserror::Error;

/// Where the API lies below Koha's address.
const API: &str = "/api/v1";
/// The longest answer, in bytes: a hundred patrons with their attributes take less than half of it.
const ANSWER_LIMIT: usize = 4 << 20;

/// How Rostercard logs in.
#[derive(Debug, Clone)]
pub enum KohaLogin {
    /// An API key of a Koha patron: OAuth 2 client credentials.
    OAuth {
        /// The key's client id.
        client_id: String,
        /// The key's secret.
        client_secret: Secret,
    },
    /// A Koha patron's own user name and password, by HTTP Basic.
    Basic {
        /// The user name.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// Where a statistical code is kept in a patron's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeHome {
    /// An extended attribute of this type.
    Attribute(String),
    /// The first statistical field (`sort1`).
    Statistics1,
    /// The second statistical field (`sort2`).
    Statistics2,
}

/// Where Koha keeps what it has no field of its own for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttributeMap {
    /// The type of the extended attribute that holds the student id; without one it is neither kept nor searched by.
    pub student_id: Option<String>,
    /// Where each statistical code is kept, by its name in `[card] statistics`; one without a place is not kept.
    pub codes: BTreeMap<Code, CodeHome>,
}

impl AttributeMap {
    /// Whether any value is kept in an extended attribute, so that answers must hold them.
    #[must_use]
    pub fn uses_attributes(&self) -> bool {
        self.types().next().is_some()
    }

    /// The types of all extended attributes that are used.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        let codes = self.codes.values().filter_map(|home| match home {
            CodeHome::Attribute(kind) => Some(kind.as_str()),
            CodeHome::Statistics1 | CodeHome::Statistics2 => None,
        });
        self.student_id.as_deref().into_iter().chain(codes)
    }
}

/// What a new patron's user id is. One is always sent, or Koha makes one of the child's name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UserIdWay {
    /// The card's number.
    #[default]
    Number,
    /// The roster's user name where there is one and `[fields] user_name` lets it in; else the card's number.
    Roster,
}

/// Everything there is to know about one Koha.
#[derive(Debug, Clone)]
pub struct KohaSettings {
    /// The API's base address, ending with a slash.
    pub endpoint: Endpoint,
    /// How Rostercard logs in.
    pub login: KohaLogin,
    /// Where student id and statistical codes are kept.
    pub attributes: AttributeMap,
    /// What a new patron's user id is.
    pub user_id: UserIdWay,
    /// Whether a connection serves more than one call.
    pub reuse: Reuse,
    /// The time for one call. Koha commits what it was asked after the asker gave up, so this is long.
    pub deadline: Duration,
    /// How many calls may be under way at once. More than 4 make Koha slower, not faster.
    pub connections: usize,
    /// The longest answer, in bytes.
    pub answer_limit: usize,
    /// A file of CAs that alone are trusted for this ILS.
    pub ca_file: Option<PathBuf>,
}

impl KohaSettings {
    /// Settings with the usual values for all but address and login. `url` is Koha's address, as staff open it; the API is
    /// below it.
    ///
    /// # Errors
    /// [`SettingsError`] where the URL will not do.
    pub fn new(url: &str, allow_http: bool, login: KohaLogin) -> Result<Self, SettingsError> {
        Ok(Self::of(api(url, allow_http)?, login))
    }

    pub(crate) fn of(endpoint: Endpoint, login: KohaLogin) -> Self {
        let usual = ClientSettings::default();
        Self {
            endpoint,
            login,
            attributes: AttributeMap::default(),
            user_id: UserIdWay::default(),
            reuse: Reuse::default(),
            deadline: usual.deadline,
            connections: usual.connections,
            answer_limit: ANSWER_LIMIT,
            ca_file: None,
        }
    }

    pub(crate) fn wire(&self) -> ClientSettings {
        ClientSettings {
            deadline: self.deadline,
            connections: self.connections,
            answer_limit: self.answer_limit,
            ca_file: self.ca_file.clone(),
            // Starman closes an idle connection after a second; ours is given up well before.
            idle: Duration::from_millis(500),
            ..ClientSettings::default()
        }
    }

    pub(crate) fn login(&self) -> Result<Login, SettingsError> {
        let secret = |secret: &Secret| SecretString::from(secret.reveal().to_owned());
        Ok(match &self.login {
            KohaLogin::Basic { user, password } => {
                Login::Basic { user: user.clone(), password: secret(password) }
            }
            KohaLogin::OAuth { client_id, client_secret } => {
                let settings = OAuthSettings {
                    token_url: self.endpoint.join("oauth/token")?,
                    client_id: client_id.clone(),
                    client_secret: secret(client_secret),
                    scopes: Vec::new(),
                    // Koha's token address wants both in the body.
                    auth: ClientAuth::Post,
                };
                Login::OAuth(Box::new(OAuth::new(settings, self.wire())?))
            }
        })
    }
}

/// The API's base address below Koha's, which may name the API itself.
pub(crate) fn api(url: &str, allow_http: bool) -> Result<Endpoint, EndpointError> {
    let url = url.trim().trim_end_matches('/');
    let url = url.strip_suffix(API).unwrap_or(url);
    if url.contains(['?', '#']) {
        return Err(EndpointError::NotAUrl);
    }
    Endpoint::parse(&format!("{url}{API}/"), allow_http)
}

/// Why settings will not do. The fault is the configuration's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The URL.
    #[error("url: {0}")]
    Url(#[from] EndpointError),
    /// TLS.
    #[error("{0}")]
    Client(#[from] SetupError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_below_kohas_address() {
        for url in
            ["https://koha.example.org", "https://koha.example.org/", " https://koha.example.org/api/v1/ "]
        {
            let wanted = Endpoint::parse("https://koha.example.org/api/v1/", false).unwrap();
            assert_eq!(api(url, false), Ok(wanted), "{url}");
        }
        assert_eq!(api("https://koha.example.org/?x=1", false), Err(EndpointError::NotAUrl));
        assert_eq!(api("http://koha.example.org", false), Err(EndpointError::PlainHttp));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let login = KohaLogin::OAuth { client_id: "id".into(), client_secret: Secret::new("s3cret") };
        let settings = KohaSettings::new("https://koha.example.org", false, login).unwrap();
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
