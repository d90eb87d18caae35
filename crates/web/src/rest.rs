//! What every REST API needs once: who we are on every call, a token that ended replaced, answers by class.
//!
//! A [`Rest`] sends an [`Ask`] below one base address, with the login on it, and gives the whole [`Answer`], whose
//! [`Answer::class`] says what kind of answer it is. The only request that is ever sent again is one that was answered
//! 401 with a token that was not fresh: the server let nobody in, so it cannot have done anything.
//!
//! It deliberately reads no bodies (each API has its own), retries nothing else, and knows no API.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::form_urlencoded::Serializer;

use crate::{
    Answer, Call, Client, ClientSettings, Endpoint, NotSent, OAuth, OAuthError, SetupError, Side, WebError,
};

/// How a call says who it comes from.
#[derive(Debug)]
pub enum Login {
    /// HTTP Basic (RFC 7617).
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// A Bearer token (RFC 6750), fetched and kept.
    OAuth(Box<OAuth>),
}

/// Whether a connection serves more than one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reuse {
    /// It does, for as long as [`ClientSettings::idle`] says.
    Always,
    /// It does not. For servers whose worker belongs to a connection until it is closed: with more connections than
    /// workers, the rest would wait for ever.
    Never,
    /// Only once an answer's `Server` header has named a web server that stands before the workers.
    #[default]
    BehindWebServer,
}

/// Web servers that answer for others, as their `Server` header begins.
const FRONTS: [&str; 6] = ["apache", "nginx", "caddy", "haproxy", "cloudflare", "openresty"];

/// The kinds of answers that a caller must tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// 2xx.
    Success,
    /// 3xx: it is somewhere else. Never followed.
    Elsewhere,
    /// 401 or 407: it does not know who we are. Nothing was done.
    NotLetIn,
    /// 403: it knows, and we may not. Nothing was done.
    NotAllowed,
    /// 404, 405 or 410: there is no such thing, or no such service.
    Missing,
    /// 409: it contradicts what is there.
    Conflict,
    /// 429: too many requests. Nothing was done.
    TooMany,
    /// Another 4xx: it does not take this request. Nothing was done.
    Refused,
    /// 408, 5xx and what is no status: whether anything was done is not known.
    Failed,
}

impl Class {
    /// The class of a status.
    pub fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Success,
            300..=399 => Self::Elsewhere,
            401 | 407 => Self::NotLetIn,
            403 => Self::NotAllowed,
            404 | 405 | 410 => Self::Missing,
            409 => Self::Conflict,
            429 => Self::TooMany,
            408 => Self::Failed,
            400..=499 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

impl Answer {
    /// What kind of answer it is, by its status alone.
    pub fn class(&self) -> Class {
        Class::of(self.status)
    }

    /// Whether the body is a page for people, which no API gives: a proxy's, or a web server's at the wrong path.
    pub fn is_page(&self) -> bool {
        let named =
            self.content_type.as_deref().is_some_and(|kind| kind.trim_start().starts_with("text/html"));
        named || self.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RestError {
    /// There is no token to ask with: nothing was sent.
    #[error(transparent)]
    Token(OAuthError),
    /// The call itself.
    #[error(transparent)]
    Web(WebError),
}

impl RestError {
    /// Whether it is certain that the request was not sent.
    pub fn nothing_sent(&self) -> bool {
        matches!(self, Self::Token(_) | Self::Web(WebError::NotSent { .. }))
    }

    /// Whose side it is on.
    pub fn side(&self) -> Side {
        match self {
            Self::Token(OAuthError::Web(error)) | Self::Web(error) => error.side(),
            Self::Token(error) if error.may_pass() => Side::Server,
            Self::Token(_) => Side::Operator,
        }
    }

    /// Whether waiting may help, without anybody doing something.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Token(error) => error.may_pass(),
            Self::Web(error) => error.may_pass(),
        }
    }

    /// What to do next, as a sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Token(error) => error.hint(),
            Self::Web(error) => error.hint(),
        }
    }
}

/// What is asked: a method, a path below the base address, a query, a body. Its `Debug` shows the method alone, because
/// paths and queries hold people's numbers and names.
#[derive(Clone)]
pub struct Ask {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    json: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Put,
    Patch,
}

impl Ask {
    fn new(method: Method, path: impl Into<String>, json: Vec<u8>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), headers: Vec::new(), json }
    }

    /// A GET of a path below the base address, without a slash before it.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path, Vec::new())
    }

    /// A POST of JSON.
    pub fn post(path: impl Into<String>, json: Vec<u8>) -> Self {
        Self::new(Method::Post, path, json)
    }

    /// A PUT of JSON.
    pub fn put(path: impl Into<String>, json: Vec<u8>) -> Self {
        Self::new(Method::Put, path, json)
    }

    /// A PATCH with JSON.
    pub fn patch(path: impl Into<String>, json: Vec<u8>) -> Self {
        Self::new(Method::Patch, path, json)
    }

    /// The same with a parameter in the query, encoded here.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn call(&self, base: &Endpoint) -> Option<Call> {
        let mut path = self.path.clone();
        if !self.query.is_empty() {
            let query = Serializer::new(String::new()).extend_pairs(&self.query).finish();
            path = format!("{path}?{query}");
        }
        let endpoint = base.join(&path).ok()?;
        let json = || self.json.clone();
        let kind = "application/json";
        let call = match self.method {
            Method::Get => Call::get(endpoint),
            Method::Post => Call::post(endpoint, kind, json()),
            Method::Put => Call::put(endpoint, kind, json()),
            Method::Patch => Call::patch(endpoint, kind, json()),
        };
        let call = call.header("accept", kind);
        Some(self.headers.iter().fold(call, |call, (name, value)| call.header(name, value)))
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ask({:?})", self.method)
    }
}

/// The calls to one API, by one login.
#[derive(Debug)]
pub struct Rest {
    client: Client,
    base: Endpoint,
    login: Login,
    reuse: Reuse,
    fronted: AtomicBool,
}

impl Rest {
    /// Ready to ask. `base` ends with a slash; paths are taken below it.
    ///
    /// # Errors
    /// [`SetupError`] where TLS cannot be set up as asked.
    pub fn new(base: Endpoint, login: Login, wire: ClientSettings, reuse: Reuse) -> Result<Self, SetupError> {
        let client = Client::new(base.clone(), wire)?;
        Ok(Self { client, base, login, reuse, fronted: AtomicBool::new(false) })
    }

    /// The base address.
    pub fn base(&self) -> &Endpoint {
        &self.base
    }

    /// Asks, and gives the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`RestError`] where there is no whole answer, or no token to ask with.
    pub async fn send(&self, ask: &Ask) -> Result<Answer, RestError> {
        let oauth = match &self.login {
            Login::Basic { user, password } => {
                let pair = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
                return self.once(ask, &format!("Basic {pair}")).await;
            }
            Login::OAuth(oauth) => oauth,
        };
        let bearer = oauth.token().await.map_err(RestError::Token)?;
        let answer = self.once(ask, &bearer.header()).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        // The token ended sooner than it said, or the server was started anew and forgot it. Nobody was let in, so nothing
        // was done.
        oauth.forget(&bearer).await;
        let bearer = oauth.token().await.map_err(RestError::Token)?;
        self.once(ask, &bearer.header()).await
    }

    async fn once(&self, ask: &Ask, authorization: &str) -> Result<Answer, RestError> {
        let not_built =
            || RestError::Web(WebError::NotSent { origin: self.base.origin(), why: NotSent::BadRequest });
        let mut call = ask.call(&self.base).ok_or_else(not_built)?.header("authorization", authorization);
        if !self.reuses() {
            call = call.header("connection", "close");
        }
        let answer = self.client.send(call).await.map_err(RestError::Web)?;
        if self.reuse == Reuse::BehindWebServer && is_front(answer.header("server")) {
            self.fronted.store(true, Ordering::Relaxed);
        }
        Ok(answer)
    }

    /// Whether connections are used again at present.
    pub fn reuses(&self) -> bool {
        match self.reuse {
            Reuse::Always => true,
            Reuse::Never => false,
            Reuse::BehindWebServer => self.fronted.load(Ordering::Relaxed),
        }
    }
}

fn is_front(server: Option<&str>) -> bool {
    let server = server.unwrap_or_default().to_ascii_lowercase();
    FRONTS.iter().any(|front| server.starts_with(front))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_class() {
        let cases = [
            (200, Class::Success),
            (204, Class::Success),
            (302, Class::Elsewhere),
            (400, Class::Refused),
            (401, Class::NotLetIn),
            (403, Class::NotAllowed),
            (404, Class::Missing),
            (405, Class::Missing),
            (408, Class::Failed),
            (409, Class::Conflict),
            (422, Class::Refused),
            (429, Class::TooMany),
            (500, Class::Failed),
            (502, Class::Failed),
            (503, Class::Failed),
            (999, Class::Failed),
            (0, Class::Failed),
        ];
        for (status, class) in cases {
            assert_eq!(Class::of(status), class, "{status}");
        }
    }

    #[test]
    fn a_page_is_known_by_its_type_or_its_first_sign() {
        assert!(Answer::new(502, "  <html>").is_page());
        assert!(!Answer::new(200, "{\"a\":\"<b>\"}").is_page() && !Answer::new(204, "").is_page());
        let mut named = Answer::new(200, "ok");
        named.content_type = Some("text/html;charset=UTF-8".into());
        assert!(named.is_page());
    }

    #[test]
    fn values_in_a_query_are_encoded_and_nothing_is_shown() {
        let base = Endpoint::parse("https://ils.example.org/api/v1/", false).unwrap();
        let ask = Ask::get("patrons").query("q", "{\"surname\":\"Zoë & ?#=/+%\"}");
        let shown = format!("{ask:?} {:?}", ask.call(&base));
        assert!(!shown.contains("Zo") && !shown.contains("surname"), "{shown}");
        let text = Serializer::new(String::new()).extend_pairs(&ask.query).finish();
        let back: Vec<(String, String)> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        assert_eq!(back, ask.query);
        assert!(Ask::get("//evil.example.org/").call(&base).is_none());
    }

    #[test]
    fn only_known_web_servers_stand_before_workers() {
        assert!(is_front(Some("Apache/2.4.57 (Debian)")) && is_front(Some("nginx")));
        assert!(!is_front(Some("Starman")) && !is_front(None));
    }
}
