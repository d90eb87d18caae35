//! What can go wrong on the way, told apart by what it means for a write, with whose side it is on and what to do.

use std::error::Error as StdError;
use std::{fmt, io};

use rustls::{CertificateError, Error as TlsError};
use thiserror::Error;

/// No whole answer came. Names scheme, host and port, and nothing else of the request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WebError {
    /// Nothing was sent: trying again cannot do anything twice.
    #[error("{origin}: nothing was sent: {why}")]
    NotSent {
        /// Scheme, host and port.
        origin: String,
        /// Why.
        why: NotSent,
    },
    /// The request was sent, at least in part. Whether it was acted upon is not known.
    #[error("{origin}: the request was sent and not answered: {why}")]
    Unknown {
        /// Scheme, host and port.
        origin: String,
        /// Why.
        why: Unknown,
    },
}

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotSent {
    /// The request itself cannot be sent.
    #[error("the request could not be built")]
    BadRequest,
    /// The host has no address.
    #[error("the host name could not be resolved")]
    NoSuchHost,
    /// Nobody listens there.
    #[error("the connection was refused")]
    Refused,
    /// No connection within the time for connecting.
    #[error("no connection within the time allowed for connecting")]
    ConnectTimeout,
    /// The server's certificate is not to be trusted.
    #[error("the server's certificate is not trusted: {0}")]
    Certificate(&'static str),
    /// The connection could not be secured, for another reason.
    #[error("the connection could not be secured (TLS)")]
    Tls,
    /// No connection, for another reason.
    #[error("no connection could be made")]
    NoConnection,
}

/// Why the outcome is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unknown {
    /// The deadline passed.
    #[error("the deadline of {seconds} s passed")]
    Deadline {
        /// The deadline, in whole seconds.
        seconds: u64,
    },
    /// The connection ended before the answer did.
    #[error("the connection was closed before the answer was whole")]
    Closed,
    /// The answer, decompressed, is longer than allowed.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// What came is no HTTP, or its compression is broken.
    #[error("what came back is not HTTP, or is damaged")]
    Damaged,
}

/// Whose side an error is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This machine's configuration.
    Operator,
    /// The network between, or nobody can tell.
    Network,
    /// The server asked.
    Server,
}

impl WebError {
    /// Whose side it is on.
    pub fn side(&self) -> Side {
        match self {
            Self::NotSent { why, .. } => match why {
                NotSent::BadRequest | NotSent::NoSuchHost => Side::Operator,
                NotSent::Certificate(_) | NotSent::Tls | NotSent::Refused => Side::Server,
                NotSent::ConnectTimeout | NotSent::NoConnection => Side::Network,
            },
            Self::Unknown { why, .. } => match why {
                Unknown::Deadline { .. } | Unknown::TooLong { .. } | Unknown::Damaged => Side::Server,
                Unknown::Closed => Side::Network,
            },
        }
    }

    /// Whether waiting may help, without anybody doing something.
    pub fn may_pass(&self) -> bool {
        !matches!(
            self,
            Self::NotSent { why: NotSent::BadRequest | NotSent::Certificate(_), .. }
                | Self::Unknown { why: Unknown::TooLong { .. }, .. }
        )
    }

    /// What to do next, as a sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotSent { why, .. } => match why {
                NotSent::BadRequest => "Check the URL and the header values in the configuration.",
                NotSent::NoSuchHost => {
                    "Check the host name in the configuration, and this machine's name server."
                }
                NotSent::Refused => "Check the port, and whether the service is running there.",
                NotSent::ConnectTimeout | NotSent::NoConnection => {
                    "Check the way there: firewall, VPN, and whether the server is up."
                }
                NotSent::Certificate(_) => {
                    "Renew the server's certificate, or name the CA that issued it in `ca_file`."
                }
                NotSent::Tls => "Check that the port speaks TLS 1.2 or later.",
            },
            Self::Unknown { why, .. } => match why {
                Unknown::Deadline { .. } => "See whether the server is overloaded, or raise the deadline.",
                Unknown::Closed => {
                    "See the server's log; a proxy or a firewall between may close connections too."
                }
                Unknown::TooLong { .. } => {
                    "See what the server answers; raise the limit if the answer is right."
                }
                Unknown::Damaged => "Check that the URL leads to the right service.",
            },
        }
    }
}

/// What an error of the HTTP library means. Its own text is not kept: it may hold the URL.
pub(crate) fn classify(error: &reqwest::Error, origin: &str, started: Started) -> WebError {
    let origin = origin.to_owned();
    if error.is_builder() {
        return WebError::NotSent { origin, why: NotSent::BadRequest };
    }
    if started == Started::Sending && error.is_connect() {
        return WebError::NotSent { origin, why: no_connection(error) };
    }
    let damaged = error.is_decode() || causes(error).any(is_parse_error);
    // A body that breaks off while it is being decompressed is both; that it broke off says more.
    let broke_off = causes(error).any(|e| {
        e.downcast_ref::<io::Error>().is_some_and(|io| {
            matches!(
                io.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
            )
        })
    });
    let why = if damaged && !broke_off { Unknown::Damaged } else { Unknown::Closed };
    WebError::Unknown { origin, why }
}

/// How far a call had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    /// The head of the answer had not come.
    Sending,
    /// The body was being read.
    Reading,
}

fn no_connection(error: &reqwest::Error) -> NotSent {
    if error.is_dns() {
        return NotSent::NoSuchHost;
    }
    if let Some(tls) = causes(error).find_map(as_tls) {
        return match tls {
            TlsError::InvalidCertificate(certificate) => NotSent::Certificate(in_words(certificate)),
            _ => NotSent::Tls,
        };
    }
    if error.is_timeout() {
        return NotSent::ConnectTimeout;
    }
    let refused = |e: &Cause| {
        e.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused)
    };
    if causes(error).any(refused) { NotSent::Refused } else { NotSent::NoConnection }
}

fn in_words(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host name"
        }
        CertificateError::UnknownIssuer => "its issuer is not known here",
        CertificateError::Revoked => "it was revoked",
        _ => "it does not pass the checks",
    }
}

type Cause = dyn StdError + 'static;

/// An error and all that caused it.
fn causes(error: &Cause) -> impl Iterator<Item = &Cause> {
    std::iter::successors(Some(error), |error| cause(*error))
}

/// What an `io::Error` wraps is a cause too, though its `source` does not say so.
fn cause(error: &Cause) -> Option<&Cause> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn as_tls(error: &Cause) -> Option<&TlsError> {
    error.downcast_ref::<TlsError>()
}

/// hyper's errors are not ours to name, but its parser's say what they are.
fn is_parse_error(error: &Cause) -> bool {
    let text = fmt::format(format_args!("{error:?}"));
    text.starts_with("hyper::Error(Parse")
}
