//! OAuth 2 client credentials (RFC 6749, 4.4): a token for a server's API, fetched when needed and kept until it ends.
//!
//! The grant itself is the `oauth2` crate's; what goes over the wire goes through our own [`Client`], so deadline, size cap,
//! TLS and the rule against redirects hold for tokens too. A token is sent nowhere by this module: its user puts it on the
//! calls to its own server. Nothing here retries.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oauth2::basic::{BasicClient, BasicRequestTokenError};
use oauth2::{
    AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, Scope, TokenResponse,
    TokenUrl, http,
};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::{Call, Client, ClientSettings, Endpoint, SetupError, WebError};

/// A token that does not say how long it lives is fetched anew after this.
const UNSAID: Duration = Duration::from_secs(300);
/// A token is not used in the last part of its life, so that it does not end on the way.
const EARLY: Duration = Duration::from_secs(30);
/// An answer with a token is never longer than this, in bytes.
const LONGEST: usize = 64 * 1024;
/// An error code is kept up to this length: a server may put anything there.
const CODE: usize = 40;

/// How a client says who it is at the token address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// HTTP Basic (RFC 6749, 2.3.1). What servers must understand.
    #[default]
    Basic,
    /// HTTP Basic with id and secret as they are, not form-encoded first: what many servers understand instead. It differs
    /// only where one of them has more than letters and digits.
    BasicRaw,
    /// `client_id` and `client_secret` in the body.
    Post,
}

/// What a token is asked with.
#[derive(Debug, Clone)]
pub struct OAuthSettings {
    /// The token address, with its query where it has one.
    pub token_url: Endpoint,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: SecretString,
    /// The scopes that are asked for; none where the list is empty.
    pub scopes: Vec<String>,
    /// How the client says who it is.
    pub auth: ClientAuth,
}

/// A token to put on a call. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Bearer {
    token: SecretString,
    number: u64,
}

impl Bearer {
    /// The value of the `Authorization` header.
    pub fn header(&self) -> String {
        format!("Bearer {}", self.token.expose_secret())
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer(#{})", self.number)
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OAuthError {
    /// The token address gave no whole answer.
    #[error("no token: {0}")]
    Web(WebError),
    /// It said no, with a code of RFC 6749, 5.2 where it gave one.
    #[error("{origin}: no token was given: {code} (HTTP {status})")]
    Refused {
        /// Scheme, host and port.
        origin: String,
        /// The HTTP status.
        status: u16,
        /// The error's code, such as `invalid_client`.
        code: String,
    },
    /// What it answered holds no token.
    #[error("{origin}: the answer holds no token (HTTP {status}); is the token address right?")]
    NoToken {
        /// Scheme, host and port.
        origin: String,
        /// The HTTP status.
        status: u16,
    },
    /// The token is no Bearer token.
    #[error("{origin}: the token is of a kind that is not known here; only Bearer tokens are")]
    OtherKind {
        /// Scheme, host and port.
        origin: String,
    },
}

impl OAuthError {
    /// Whether waiting may help, without anybody doing something.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Web(error) => error.may_pass(),
            Self::Refused { status, code, .. } => {
                *status == 429 || *status >= 500 || code == "temporarily_unavailable"
            }
            Self::NoToken { status, .. } => *status == 429 || *status >= 500,
            Self::OtherKind { .. } => false,
        }
    }

    /// What to do next, as a sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Web(error) => error.hint(),
            Self::Refused { code, .. } => match code.as_str() {
                "invalid_client" | "unauthorized_client" => {
                    "Check client_id and client_secret; the key may have been replaced or may have ended."
                }
                "invalid_scope" => "Check the scopes in the configuration against those that were granted.",
                _ => "Ask whoever runs the server what it has against this client.",
            },
            Self::NoToken { .. } => "Check the token address in the configuration.",
            Self::OtherKind { .. } => "Ask the vendor for OAuth 2 client credentials with Bearer tokens.",
        }
    }
}

impl From<WebError> for OAuthError {
    fn from(error: WebError) -> Self {
        Self::Web(error)
    }
}

/// A token that is held.
struct Held {
    bearer: Bearer,
    until: Instant,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    fetched: u64,
    granted: Option<Vec<String>>,
}

/// Fetches tokens, and keeps the last.
pub struct OAuth {
    client: Arc<Client>,
    settings: OAuthSettings,
    state: Mutex<State>,
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl OAuth {
    /// Ready to fetch. `wire` says how its calls behave; the token address may be another server than the API's.
    ///
    /// # Errors
    /// [`SetupError`] where TLS cannot be set up as asked.
    pub fn new(settings: OAuthSettings, wire: ClientSettings) -> Result<Self, SetupError> {
        let wire = ClientSettings { answer_limit: LONGEST, connections: 1, ..wire };
        let client = Arc::new(Client::new(settings.token_url.clone(), wire)?);
        Ok(Self { client, settings, state: Mutex::default() })
    }

    /// The token that is held, or a new one. Several askers at once cause one request.
    ///
    /// # Errors
    /// [`OAuthError`] where there is none to be had.
    pub async fn token(&self) -> Result<Bearer, OAuthError> {
        let mut state = self.state.lock().await;
        if let Some(held) = state.held.as_ref().filter(|held| Instant::now() < held.until) {
            return Ok(held.bearer.clone());
        }
        state.held = None;
        let asked = Instant::now();
        let (token, lives, granted) = self.fetch().await?;
        state.fetched += 1;
        state.granted = granted;
        let bearer = Bearer { token, number: state.fetched };
        // Of a short life, four fifths are used.
        let used = lives.saturating_sub(EARLY).max(lives.mul_f32(0.8).min(EARLY * 4));
        state.held =
            Some(Held { bearer: bearer.clone(), until: asked + used.min(Duration::from_secs(86_400)) });
        Ok(bearer)
    }

    /// Forgets a token that the API would not take, so that the next [`Self::token`] fetches another. Does nothing where
    /// another was fetched meanwhile.
    pub async fn forget(&self, bearer: &Bearer) {
        let mut state = self.state.lock().await;
        if state.held.as_ref().is_some_and(|held| held.bearer.number == bearer.number) {
            state.held = None;
        }
    }

    /// The scopes that came with the last token, where the server said them.
    pub async fn granted(&self) -> Option<Vec<String>> {
        self.state.lock().await.granted.clone()
    }

    async fn fetch(&self) -> Result<(SecretString, Duration, Option<Vec<String>>), OAuthError> {
        let settings = &self.settings;
        let origin = settings.token_url.origin();
        let no_token = |status| OAuthError::NoToken { origin: origin.clone(), status };
        let url = TokenUrl::new(settings.token_url.url().to_string()).map_err(|_| no_token(0))?;
        let client = BasicClient::new(ClientId::new(settings.client_id.clone()))
            .set_client_secret(ClientSecret::new(settings.client_secret.expose_secret().to_owned()))
            .set_token_uri(url)
            .set_auth_type(match settings.auth {
                ClientAuth::Basic | ClientAuth::BasicRaw => AuthType::BasicAuth,
                ClientAuth::Post => AuthType::RequestBody,
            });
        let raw = (settings.auth == ClientAuth::BasicRaw).then(|| {
            let pair = format!("{}:{}", settings.client_id, settings.client_secret.expose_secret());
            SecretString::from(format!("Basic {}", STANDARD.encode(pair)))
        });
        let wire = Wire { client: Arc::clone(&self.client), endpoint: settings.token_url.clone(), raw };
        let status = Arc::new(std::sync::atomic::AtomicU16::new(0));
        let seen = Arc::clone(&status);
        let send = move |request: HttpRequest| {
            let (wire, seen) = (wire.clone(), Arc::clone(&seen));
            async move {
                let response = wire.send(request).await?;
                seen.store(response.status().as_u16(), std::sync::atomic::Ordering::Relaxed);
                Ok::<_, WireError>(response)
            }
        };
        let scopes = settings.scopes.iter().cloned().map(Scope::new);
        let answer = client.exchange_client_credentials().add_scopes(scopes).request_async(&send).await;
        let status = status.load(std::sync::atomic::Ordering::Relaxed);
        match answer {
            Ok(token) => {
                if *token.token_type() != oauth2::basic::BasicTokenType::Bearer {
                    return Err(OAuthError::OtherKind { origin });
                }
                let lives = token.expires_in().unwrap_or(UNSAID);
                let granted = token.scopes().map(|all| all.iter().map(|scope| scope.to_string()).collect());
                Ok((SecretString::from(token.access_token().secret().clone()), lives, granted))
            }
            Err(error) => Err(refused(error, origin.clone(), status).unwrap_or_else(|| no_token(status))),
        }
    }
}

/// What a refusal comes to; nothing of its free text is kept, which may repeat what was sent.
fn refused(error: BasicRequestTokenError<WireError>, origin: String, status: u16) -> Option<OAuthError> {
    match error {
        RequestTokenError::Request(WireError(error)) => Some(OAuthError::Web(error)),
        RequestTokenError::ServerResponse(response) => {
            let code: String = response
                .error()
                .to_string()
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
                .take(CODE)
                .collect();
            Some(OAuthError::Refused { origin, status, code })
        }
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => None,
    }
}

/// Our client, in the shape that the `oauth2` crate asks for.
#[derive(Clone)]
struct Wire {
    client: Arc<Client>,
    endpoint: Endpoint,
    /// The header of [`ClientAuth::BasicRaw`].
    raw: Option<SecretString>,
}

/// An error on the way, for the `oauth2` crate.
#[derive(Debug, Error)]
#[error(transparent)]
struct WireError(WebError);

impl Wire {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, WireError> {
        let (parts, body) = request.into_parts();
        // Asked once an hour: a connection that is kept meanwhile may hold a worker of the server's that calls wait for.
        let mut call = Call::post(self.endpoint.clone(), "application/x-www-form-urlencoded", body)
            .header("connection", "close");
        for name in [http::header::AUTHORIZATION, http::header::ACCEPT] {
            if let Some(value) = parts.headers.get(&name).and_then(|value| value.to_str().ok()) {
                call = call.header(name.as_str(), value);
            }
        }
        if let Some(raw) = &self.raw {
            call = call.header("authorization", raw.expose_secret());
        }
        let answer = self.client.send(call).await.map_err(WireError)?;
        let mut response = HttpResponse::new(lenient(answer.body));
        // A status outside HTTP's own is a server that is none.
        *response.status_mut() =
            http::StatusCode::from_u16(answer.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
        // Tokens are JSON, and some servers say otherwise.
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        Ok(response)
    }
}

/// The answer as RFC 6749, 5.1 has it, where a server writes `expires_in` as a text or leaves the kind of its token out.
fn lenient(body: Vec<u8>) -> Vec<u8> {
    use serde_json::Value;
    let Ok(Value::Object(mut answer)) = serde_json::from_slice(&body) else { return body };
    if !answer.contains_key("access_token") {
        return body;
    }
    answer.entry("token_type").or_insert_with(|| Value::from("bearer"));
    match answer.get("expires_in") {
        None | Some(Value::Number(_)) => {}
        Some(other) => match other.as_str().and_then(|text| text.trim().parse::<u64>().ok()) {
            Some(seconds) => drop(answer.insert("expires_in".to_owned(), seconds.into())),
            None => drop(answer.remove("expires_in")),
        },
    }
    serde_json::to_vec(&answer).unwrap_or(body)
}
