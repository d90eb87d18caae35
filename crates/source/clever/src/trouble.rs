//! What a request can come to other than an answer, and how that is said.

use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_web::{EndpointError, SetupError, Side, WebError};

/// What a request came to.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The district's token is gone: the district, or Clever, took the permission away.
    Disconnected,
    /// 404: it is not there, or not shared.
    NotFound,
    /// 413, or an answer longer than is read: fewer records are to be asked for.
    TooLong,
    /// Clever says for certain that it will not do this.
    Refused(u16),
    /// Anything else.
    Failed(ConnectorError),
}

impl Trouble {
    /// The trouble as an error of the source; `what` is what was asked for, such as `the list of users`.
    pub(crate) fn error(self, origin: &str, what: &str) -> ConnectorError {
        match self {
            Self::Failed(error) => error,
            Self::Disconnected => disconnected(origin),
            Self::NotFound => ConnectorError::new(
                Fault::Operator,
                Retry::NotThisTarget,
                format!("{origin}: {what} is not there (HTTP 404)"),
                "A whole collection that is missing means the wrong app or the wrong product: check client_id, version and district, \
                 and that the app has Secure Sync",
            ),
            Self::TooLong => ConnectorError::new(
                Fault::Network,
                Retry::Later,
                format!("{origin}: {what} is too long even in small pieces (HTTP 413, or more than 64 MiB)"),
                "Report it to Clever with the time of this run; nothing was withdrawn",
            ),
            Self::Refused(status) => ConnectorError::new(
                Fault::Operator,
                Retry::NotThisTarget,
                format!("{origin}: {what} was refused (HTTP {status})"),
                "Check in Clever's dashboard what the app may read; HTTP 403 means that it has no Secure Sync with this district",
            ),
        }
    }
}

/// The district's token is gone.
pub(crate) fn disconnected(origin: &str) -> ConnectorError {
    ConnectorError::new(
        Fault::District,
        Retry::NotThisTarget,
        format!(
            "{origin}: Clever lists no token that opens this district: it has not authorised the app, or has disconnected it"
        ),
        "Ask the district to authorise the app in Clever's dashboard, and check `district`; no card is ended meanwhile",
    )
}

/// The app itself is not known.
pub(crate) fn wrong_secret(origin: &str) -> ConnectorError {
    ConnectorError::new(
        Fault::Operator,
        Retry::NotThisTarget,
        format!("{origin}: Clever does not take the app's id and secret (HTTP 401)"),
        "Check client_id and client_secret; Clever replaces a secret that it has seen in an e-mail",
    )
}

/// The token may not read rosters.
pub(crate) fn no_scope(origin: &str) -> ConnectorError {
    ConnectorError::new(
        Fault::Operator,
        Retry::NotThisTarget,
        format!("{origin}: the district's token may not read rosters: it lacks the scope read:sis"),
        "The app needs Secure Sync with this district: ask Clever, or the district's administrator",
    )
}

/// No whole answer came.
pub(crate) fn web(error: &WebError) -> ConnectorError {
    let fault = match error.side() {
        Side::Operator => Fault::Operator,
        Side::Network | Side::Server => Fault::Network,
    };
    let retry = if error.may_pass() { Retry::Later } else { Retry::NotThisTarget };
    ConnectorError::new(fault, retry, error.to_string(), error.hint())
}

/// Clever is at fault, and stayed so.
pub(crate) fn unwell(origin: &str, what: &str) -> ConnectorError {
    ConnectorError::new(
        Fault::Network,
        Retry::Later,
        format!("{origin}: {what}, however often it was asked"),
        "Clever may be having a bad day (status.clever.com); the next run tries again, and nothing is withdrawn meanwhile",
    )
}

/// A link that leads elsewhere.
pub(crate) fn link(origin: &str, error: EndpointError) -> ConnectorError {
    ConnectorError::new(
        Fault::Network,
        Retry::NotThisTarget,
        format!("{origin}: the link to the next page cannot be followed: {error}"),
        "The token goes to Clever's own host alone; check api_url, or report it to Clever",
    )
}

/// TLS could not be set up.
pub(crate) fn setup(error: &SetupError) -> ConnectorError {
    ConnectorError::new(
        Fault::Operator,
        Retry::NotThisTarget,
        error.to_string(),
        "Check `ca_file`, and that the system's CA certificates are installed",
    )
}
