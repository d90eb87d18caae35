//! The client: tokens, requests, patience. One request at a time, each tried again where Clever is at fault, none where it
//! says no. It knows nothing of students.
//!
//! A token is listed by the district's id when it is first needed, and listed once more where the data host says 401: tokens are
//! rotated, and never end by themselves. It goes to the data host alone; redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rostercard_core::ports::ConnectorError;
use rostercard_core::privacy::Secret;
use rostercard_web::{Answer, Call, Client, Endpoint, Unknown, WebError};
use tokio::time::{Instant, sleep, sleep_until};

use crate::rate::{Window, backoff};
use crate::settings::Settings;
use crate::shapes::{self, Text, Token};
use crate::trouble::{self, Trouble};

/// So many pages of tokens are looked through; one app has one token a district.
const TOKEN_PAGES: usize = 50;

/// The client of one run.
#[derive(Debug)]
pub(crate) struct Api {
    settings: Arc<Settings>,
    data: Client,
    tokens: Client,
    token: Option<Secret>,
    /// No request before this moment.
    free_at: Option<Instant>,
    started: (Timestamp, Instant),
}

/// How often one request was tried.
#[derive(Debug, Default)]
struct Tries {
    failures: u32,
    too_many: u32,
}

/// What comes after an answer.
enum Step<R> {
    /// It can be used.
    Take(R),
    /// The same once more, after so long.
    Wait(Duration),
    /// 401: whoever asks is not known.
    Stranger,
    /// What is asked for is not in the token's scopes.
    NoScope,
    /// There is no going on.
    End(Trouble),
}

impl Api {
    pub(crate) fn new(settings: Arc<Settings>, now: Timestamp) -> Result<Self, ConnectorError> {
        let client = |endpoint: &Endpoint| {
            Client::new(endpoint.clone(), settings.wire()).map_err(|error| trouble::setup(&error))
        };
        let (data, tokens) = (client(&settings.api)?, client(&settings.oauth)?);
        Ok(Self { settings, data, tokens, token: None, free_at: None, started: (now, Instant::now()) })
    }

    /// Scheme, host and port of the data.
    pub(crate) fn origin(&self) -> String {
        self.settings.api.origin()
    }

    /// The address of a collection or an object: `users?role=student`.
    pub(crate) fn address(&self, path: &str) -> Result<Endpoint, Trouble> {
        self.link(&format!("{}/{path}", self.settings.version.path()))
    }

    /// The address that a link of an answer means: a path, or a whole address of the same host.
    pub(crate) fn link(&self, uri: &str) -> Result<Endpoint, Trouble> {
        let endpoint = self.settings.api.join(uri);
        endpoint.map_err(|error| Trouble::Failed(trouble::link(&self.origin(), error)))
    }

    /// Asks, until `read` can make something of the answer.
    pub(crate) async fn ask<R>(
        &mut self,
        address: &Endpoint,
        mut read: impl FnMut(&[u8]) -> Option<R> + Send,
    ) -> Result<R, Trouble> {
        let mut tries = Tries::default();
        let mut listed_again = false;
        loop {
            let token = self.token().await?;
            if let Some(free_at) = self.free_at.take() {
                sleep_until(free_at).await;
            }
            let sent = self.data.send(call(address, &format!("Bearer {}", token.reveal()))).await;
            let step = self.judge(&sent, &self.origin(), &mut tries, &mut read);
            // After too many requests the wait is the step's own.
            if let (Ok(answer), false) = (&sent, matches!(step, Step::Wait(_))) {
                let pace = Window::of(answer, self.now()).pace(self.settings.patience.longest);
                self.free_at = (!pace.is_zero()).then(|| Instant::now() + pace);
            }
            match step {
                Step::Take(read) => return Ok(read),
                Step::End(trouble) => return Err(trouble),
                Step::Wait(time) => sleep(time).await,
                Step::NoScope => return Err(Trouble::Failed(trouble::no_scope(&self.origin()))),
                Step::Stranger if listed_again => return Err(Trouble::Disconnected),
                Step::Stranger => {
                    listed_again = true;
                    self.token = None;
                }
            }
        }
    }

    /// What is to be made of an answer, or of none.
    fn judge<R>(
        &self,
        sent: &Result<Answer, WebError>,
        origin: &str,
        tries: &mut Tries,
        read: &mut impl FnMut(&[u8]) -> Option<R>,
    ) -> Step<R> {
        let (patience, district) = (&self.settings.patience, &self.settings.district);
        let mut asked = None;
        let failed = match sent {
            Err(WebError::Unknown { why: Unknown::TooLong { .. }, .. }) => {
                return Step::End(Trouble::TooLong);
            }
            Err(error) if !error.may_pass() => return Step::End(Trouble::Failed(trouble::web(error))),
            Err(error) => trouble::web(error),
            Ok(answer) => match answer.status {
                200..=299 => match read(&answer.body) {
                    Some(read) => return Step::Take(read),
                    None => trouble::unwell(origin, "the answer is cut off, or none of Clever's"),
                },
                401 | 403 if no_scope(answer) => return Step::NoScope,
                401 => return Step::Stranger,
                404 => return Step::End(Trouble::NotFound),
                413 => return Step::End(Trouble::TooLong),
                429 => {
                    tries.too_many += 1;
                    if tries.too_many > patience.too_many {
                        let what = "there were too many requests (HTTP 429)";
                        return Step::End(Trouble::Failed(trouble::unwell(origin, what)));
                    }
                    let otherwise = backoff(tries.too_many, patience.first, patience.longest, district);
                    let window = Window::of(answer, self.now());
                    return Step::Wait(window.too_many(answer.retry_after, otherwise, patience.longest));
                }
                status @ (500 | 502 | 503 | 504) => {
                    asked = answer.retry_after;
                    trouble::unwell(origin, &format!("Clever is unwell (HTTP {status})"))
                }
                status => return Step::End(Trouble::Refused(status)),
            },
        };
        tries.failures += 1;
        if tries.failures >= patience.attempts {
            return Step::End(Trouble::Failed(failed));
        }
        let wait = backoff(tries.failures, patience.first, patience.longest, district);
        Step::Wait(asked.map_or(wait, |asked| asked.max(wait).min(patience.longest)))
    }

    /// Now, by the clock that was passed in and the time since.
    fn now(&self) -> Timestamp {
        let (then, started) = self.started;
        then.checked_add(started.elapsed()).unwrap_or(then)
    }

    /// The token that is held, or a new one.
    async fn token(&mut self) -> Result<Secret, Trouble> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        let token = self.find_token().await?;
        self.token = Some(token.clone());
        Ok(token)
    }

    /// Looks for the district's token among those that Clever lists.
    async fn find_token(&self) -> Result<Secret, Trouble> {
        let settings = &self.settings;
        let origin = settings.oauth.origin();
        let mut uri = format!("/oauth/tokens?owner_type=district&district={}", settings.district);
        for _ in 0..TOKEN_PAGES {
            let address =
                settings.oauth.join(&uri).map_err(|error| Trouble::Failed(trouble::link(&origin, error)))?;
            let (ours, next) = self.list_tokens(&address).await?;
            if let Some(token) = ours {
                let scopes: Vec<&str> = token.scopes.0.iter().map(Text::get).collect();
                let reads = |scope: &&str| matches!(*scope, "read:sis" | "read:students" | "read:users");
                if !scopes.is_empty() && !scopes.iter().any(reads) {
                    return Err(Trouble::Failed(trouble::no_scope(&origin)));
                }
                if token.access_token.is_blank() {
                    return Err(Trouble::Disconnected);
                }
                return Ok(Secret::new(token.access_token.get()));
            }
            match next {
                Some(next) => uri = next,
                None => break,
            }
        }
        Err(Trouble::Disconnected)
    }

    /// Asks for a page of tokens, with the same patience: the district's, and where it goes on.
    async fn list_tokens(&self, address: &Endpoint) -> Result<(Option<Token>, Option<String>), Trouble> {
        let settings = &self.settings;
        let origin = settings.oauth.origin();
        let app = format!("{}:{}", settings.client_id, settings.client_secret.reveal());
        let basic = Secret::new(STANDARD.encode(app));
        let is_ours = |token: &Token| {
            let owner = token.owner.0.as_ref();
            owner.is_some_and(|owner| owner.kind.get() == "district" && owner.id.get() == settings.district)
        };
        let mut read = |body: &[u8]| {
            let list = shapes::list(body).ok()?;
            let ours = list.data.iter().filter_map(|raw| shapes::record::<Token>(raw)).find(is_ours);
            Some((ours, list.next().map(str::to_owned)))
        };
        let mut tries = Tries::default();
        loop {
            let sent = self.tokens.send(call(address, &format!("Basic {}", basic.reveal()))).await;
            match self.judge(&sent, &origin, &mut tries, &mut read) {
                Step::Take(read) => return Ok(read),
                Step::Wait(time) => sleep(time).await,
                Step::Stranger | Step::NoScope | Step::End(Trouble::Refused(403)) => {
                    return Err(Trouble::Failed(trouble::wrong_secret(&origin)));
                }
                Step::End(trouble) => {
                    return Err(Trouble::Failed(trouble.error(&origin, "the list of tokens")));
                }
            }
        }
    }
}

/// A call with whoever asks.
fn call(address: &Endpoint, authorization: &str) -> Call {
    Call::get(address.clone()).header("authorization", authorization).header("accept", "application/json")
}

/// Whether a refusal is about what the token may read. The body's own words are looked at and never passed on.
fn no_scope(answer: &Answer) -> bool {
    String::from_utf8_lossy(&answer.body).contains("scope")
}

/// A value within a query: everything but letters, digits, `-`, `.`, `_` and `~` is escaped.
pub(crate) fn escaped(value: &str) -> String {
    value.bytes().fold(String::with_capacity(value.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}
