//! The client itself: one deadline a call, a capped body, no redirects, no retries.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{fmt, fs, io};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Certificate, Method, redirect, retry};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::error::{Started, classify};
use crate::retry_after::retry_after;
use crate::way::{Identity, Proxy};
use crate::{Endpoint, NotSent, Unknown, WebError};

/// The most room that is made for an answer before it comes.
const ROOM: usize = 1 << 20;

/// Whole answers that all clients have got.
static ANSWERS: AtomicU64 = AtomicU64::new(0);

/// How many whole answers all clients of this process have got: a sign that something goes on.
#[must_use]
pub fn answers() -> u64 {
    ANSWERS.load(Ordering::Relaxed)
}

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The time for a whole call, from connecting to the answer's last byte.
    pub deadline: Duration,
    /// The time for connecting, TLS included; four fifths of the deadline at most, so that a server that never lets us in
    /// is known to have got nothing.
    pub connect_deadline: Duration,
    /// The longest answer that is read, in bytes after decompression.
    pub answer_limit: usize,
    /// How many calls may be under way at once; more wait their turn, which does not count against their deadline.
    pub connections: usize,
    /// How long an idle connection is kept. Short, because a server that closes it at the very moment it is used again
    /// leaves an outcome unknown.
    pub idle: Duration,
    /// A file of PEM certificates. Where it is given, its CAs alone are trusted, and the system's are not.
    pub ca_file: Option<PathBuf>,
    /// What this machine proves itself with, where the server asks for a certificate.
    pub identity: Option<Identity>,
    /// Through whom every call goes. None is taken from the environment.
    pub proxy: Option<Proxy>,
    /// The `User-Agent`.
    pub user_agent: String,
}

impl Default for ClientSettings {
    /// 30 s a call, 10 s to connect, 1 MiB, 4 connections kept 3 s idle, the system's CAs.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            connect_deadline: Duration::from_secs(10),
            answer_limit: 1 << 20,
            connections: 4,
            idle: Duration::from_secs(3),
            ca_file: None,
            identity: None,
            proxy: None,
            user_agent: concat!("rostercard/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Why a client could not be set up. The fault is this machine's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The file of CAs could not be read.
    #[error("the CA file {path} could not be read")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of CAs holds none.
    #[error("the CA file {path} holds no certificate in PEM form")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The certificate or the key of this machine could not be read.
    #[error("the client certificate's file {path} could not be read")]
    IdentityFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The two files are no certificate with its key.
    #[error("{certificate} and {key} are not a certificate and its private key, both in PEM form")]
    Identity {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The proxy's address.
    #[error("the proxy's address cannot be used; it should look like http://proxy.example.org:3128")]
    Proxy,
    /// The program did not install a TLS provider.
    #[error("no TLS provider is installed; the program must do that first of all")]
    NoProvider,
    /// TLS could not be set up: as a rule there is no store of trusted certificates on this machine.
    #[error("TLS could not be set up; are the system's CA certificates installed?")]
    Tls,
}

/// A client for the calls to one server.
pub struct Client {
    http: reqwest::Client,
    base: Endpoint,
    settings: ClientSettings,
    turns: Semaphore,
}

impl Client {
    /// Sets up a client for an endpoint's server.
    ///
    /// # Errors
    /// [`SetupError`] where TLS cannot be set up as asked.
    pub fn new(endpoint: Endpoint, settings: ClientSettings) -> Result<Self, SetupError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(SetupError::NoProvider);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(&settings.user_agent)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(settings.connect_deadline.min(settings.deadline * 4 / 5))
            .pool_max_idle_per_host(settings.connections)
            .pool_idle_timeout(settings.idle);
        if let Some(path) = &settings.ca_file {
            builder = builder.tls_certs_only(certificates(path)?);
        } else if endpoint.is_plain() {
            // No certificate is ever checked, so a machine without any must do.
            builder = builder.tls_certs_only([]);
        }
        if let Some(identity) = &settings.identity {
            builder = builder.identity(identity.read()?);
        }
        if let Some(proxy) = &settings.proxy {
            builder = builder.proxy(proxy.to_reqwest()?);
        }
        let http = builder.build().map_err(|_| SetupError::Tls)?;
        let turns = Semaphore::new(settings.connections.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Self { http, base: endpoint, settings, turns })
    }

    /// The endpoint that the client was set up for.
    pub fn endpoint(&self) -> &Endpoint {
        &self.base
    }

    /// Sends a call and reads its answer, whatever its status.
    ///
    /// # Errors
    /// [`WebError`] where no whole answer came.
    pub async fn send(&self, call: Call) -> Result<Answer, WebError> {
        let origin = self.base.origin();
        if call.endpoint.origin() != origin || call.broken {
            return Err(WebError::NotSent { origin, why: NotSent::BadRequest });
        }
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await.ok();
        let until = Instant::now() + self.settings.deadline;
        let late = |_| WebError::Unknown {
            origin: origin.clone(),
            why: Unknown::Deadline { seconds: self.settings.deadline.as_secs() },
        };
        let mut request = self.http.request(call.method, call.endpoint.url().clone()).headers(call.headers);
        if let Some(body) = call.body {
            request = request.body(body);
        }
        let mut response = timeout_at(until, request.send())
            .await
            .map_err(late)?
            .map_err(|error| classify(&error, &origin, Started::Sending))?;

        let too_long = || WebError::Unknown {
            origin: origin.clone(),
            why: Unknown::TooLong { limit: self.settings.answer_limit },
        };
        // What the server says of the length only serves to give up early; what counts is what comes.
        let announced = response.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |length| length > self.settings.answer_limit) {
            return Err(too_long());
        }
        // Room for most answers at once, and never for what is only said to come.
        let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0).min(ROOM));
        while let Some(piece) = timeout_at(until, response.chunk())
            .await
            .map_err(late)?
            .map_err(|error| classify(&error, &origin, Started::Reading))?
        {
            if body.len().saturating_add(piece.len()) > self.settings.answer_limit {
                return Err(too_long());
            }
            body.extend_from_slice(&piece);
        }
        ANSWERS.fetch_add(1, Ordering::Relaxed);
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers()),
            content_type: content_type.map(str::to_owned),
            redirects: response.status().is_redirection() && response.headers().contains_key(LOCATION),
            headers: std::mem::take(response.headers_mut()),
            body,
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn certificates(path: &PathBuf) -> Result<Vec<Certificate>, SetupError> {
    let pem = fs::read(path).map_err(|source| SetupError::CaFile { path: path.clone(), source })?;
    let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(SetupError::NoCertificate { path: path.clone() });
    }
    Ok(certificates)
}

/// One request. Its `Debug` shows method, scheme, host and port only.
pub struct Call {
    method: Method,
    endpoint: Endpoint,
    headers: HeaderMap,
    body: Option<Bytes>,
    broken: bool,
}

impl Call {
    /// A GET.
    pub fn get(endpoint: Endpoint) -> Self {
        Self { method: Method::GET, endpoint, headers: HeaderMap::new(), body: None, broken: false }
    }

    /// A POST of a body.
    pub fn post(endpoint: Endpoint, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, body: Some(body.into()), ..Self::get(endpoint) }
            .header("content-type", content_type)
    }

    /// A PUT of a body.
    pub fn put(endpoint: Endpoint, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { method: Method::PUT, ..Self::post(endpoint, content_type, body) }
    }

    /// A PATCH with a body.
    pub fn patch(endpoint: Endpoint, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { method: Method::PATCH, ..Self::post(endpoint, content_type, body) }
    }

    /// The same call with a header. The value is kept out of every print. One that HTTP cannot carry makes the call fail
    /// before it is sent.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                self.headers.insert(name, value);
            }
            _ => self.broken = true,
        }
        self
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {:?})", self.method, self.endpoint)
    }
}

/// A whole answer, of any status. Its `Debug` does not show the body.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The `Content-Type`.
    pub content_type: Option<String>,
    /// Whether it sends the asker elsewhere. That is never followed.
    pub redirects: bool,
    /// The body, decompressed.
    pub body: Vec<u8>,
    headers: HeaderMap,
}

impl Answer {
    /// An answer with nothing but a status and a body, for those who judge answers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            retry_after: None,
            content_type: None,
            redirects: false,
            body: body.into(),
            headers: HeaderMap::new(),
        }
    }

    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's value, whatever the case of its name: the first one, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The charset that the `Content-Type` names.
    pub fn charset(&self) -> Option<&str> {
        let parameters = self.content_type.as_deref()?.split(';').skip(1);
        let mut named = parameters.filter_map(|parameter| parameter.split_once('='));
        let (_, value) = named.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
        Some(value.trim().trim_matches(['"', '\''])).filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_is_found_among_the_parameters() {
        let cases = [
            ("application/xml; charset=\"utf-8\"", Some("utf-8")),
            ("text/html; foo=bar;Charset = ISO-8859-1", Some("ISO-8859-1")),
            ("application/xml", None),
            ("application/xml; charset=", None),
        ];
        for (value, wanted) in cases {
            let answer = Answer { content_type: Some(value.to_owned()), ..Answer::new(200, "") };
            assert_eq!(answer.charset(), wanted, "{value}");
        }
    }
}
