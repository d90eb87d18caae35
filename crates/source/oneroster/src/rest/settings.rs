//! What a partnership says about its OneRoster server, checked. Reading it from TOML is [`crate::rest::table`]'s.

use std::path::PathBuf;
use std::time::Duration;

use rostercard_core::privacy::Secret;
use rostercard_oneroster::Version;
use rostercard_oneroster::rest::oauth1::Method;
use rostercard_web::{ClientAuth, Endpoint};

use crate::settings::{ExtraColumns, StudentIdFrom};

/// Settings of the REST source.
#[derive(Debug, Clone)]
pub struct RestSettings {
    /// The service's full address, as the SIS's screen shows it, without a slash at the end.
    pub url: String,
    /// The same, checked.
    pub endpoint: Endpoint,
    /// Which version's form is asked for and expected.
    pub version: Version,
    /// How the server knows us.
    pub login: Login,
    /// Rows a page, at most 10,000; servers may give fewer.
    pub page_size: usize,
    /// Where people are read from.
    pub people: PeopleFrom,
    /// Which of a user's ids is the student id.
    pub student_id: StudentIdFrom,
    /// Where values lie in `metadata` that OneRoster has no field for.
    pub columns: ExtraColumns,
    /// Whether teachers and other school staff are read too.
    pub educators: bool,
    /// Whether only changes are read between full reads.
    pub incremental: bool,
    /// How far before the last read changes are asked for.
    pub overlap: Duration,
    /// How old the last full read may be before the next one reads everything.
    pub full_every: Duration,
    /// Whether totals that the server says count for nothing.
    pub ignore_total: bool,
    /// The time for one answer.
    pub deadline: Duration,
    /// The longest answer, in bytes after decompression.
    pub answer_limit: usize,
    /// CAs to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How often a page is asked for before it is given up.
    pub attempts: u32,
    /// The longest time in all that one reading waits for a server which asks for patience.
    pub patience: Duration,
}

impl RestSettings {
    /// The usual settings for a service.
    #[must_use]
    pub fn of(url: &str, endpoint: Endpoint, version: Version, login: Login) -> Self {
        Self {
            url: url.trim().trim_end_matches('/').to_owned(),
            endpoint,
            version,
            login,
            page_size: 500,
            people: PeopleFrom::Students,
            student_id: StudentIdFrom::Identifier,
            columns: ExtraColumns::default(),
            educators: false,
            incremental: true,
            overlap: Duration::from_secs(24 * 3600),
            full_every: Duration::from_secs(7 * 24 * 3600),
            ignore_total: false,
            deadline: Duration::from_secs(60),
            answer_limit: 64 << 20,
            ca_file: None,
            attempts: 6,
            patience: Duration::from_secs(30 * 60),
        }
    }
}

/// How the server knows us.
#[derive(Debug, Clone)]
pub enum Login {
    /// OAuth 2 client credentials.
    OAuth2 {
        /// Where tokens are given, with its query.
        token_url: Endpoint,
        /// The client's id.
        client_id: String,
        /// The client's secret.
        client_secret: Secret,
        /// The scopes to ask for; none at all where the list is empty.
        scopes: Vec<String>,
        /// How the client says who it is.
        auth: ClientAuth,
    },
    /// A token that stays.
    Bearer(Secret),
    /// OAuth 1.0a.
    OAuth1 {
        /// The signature's method.
        method: Method,
        /// The consumer key.
        key: String,
        /// The consumer's secret.
        secret: Secret,
    },
}

/// Where people are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeopleFrom {
    /// `/students`, and `/teachers` where educators are wanted; `/users` where the server has neither.
    Students,
    /// `/users`, with a role filter of our own: principals and counsellors come only so.
    Users,
}
