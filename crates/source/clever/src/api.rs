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
use rostercard_web::{Answer, Call, Client, Endpoint};
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
        let (mut failures, mut too_many, mut listed_again) = (0, 0, false);
        loop {
            let token = self.token().await?;
            if let Some(free_at) = self.free_at.take() {
                sleep_until(free_at).await;
            }
            let call = Call::get(address.clone())
                .header("authorization", &format!("Bearer {}", token.reveal()))
                .header("accept", "application/json");
            let sent = self.data.send(call).await;
            let mut wait = None;
            let failed = match sent {
                Err(error) if !error.may_pass() => {
                    let too_long = matches!(
                        error,
                        rostercard_web::WebError::Unknown {
                            why: rostercard_web::Unknown::TooLong { .. },
                            ..
                        }
                    );
                    return Err(if too_long {
                        Trouble::TooLong
                    } else {
                        Trouble::Failed(trouble::web(&error))
                    });
                }
                Err(error) => trouble::web(&error),
                Ok(answer) => {
                    let window = Window::of(&answer, self.now());
                    let patience = &self.settings.patience;
                    let pace = window.pace(patience.longest);
                    self.free_at = (!pace.is_zero()).then(|| Instant::now() + pace);
                    match answer.status {
                        200..=299 => match read(&answer.body) {
                            Some(read) => return Ok(read),
                            None => {
                                trouble::unwell(&self.origin(), "the answer is cut off, or none of Clever's")
                            }
                        },
                        401 if no_scope(&answer) => {
                            return Err(Trouble::Failed(trouble::no_scope(&self.origin())));
                        }
                        401 if listed_again => return Err(Trouble::Disconnected),
                        401 => {
                            listed_again = true;
                            self.token = None;
                            continue;
                        }
                        403 if no_scope(&answer) => {
                            return Err(Trouble::Failed(trouble::no_scope(&self.origin())));
                        }
                        404 => return Err(Trouble::NotFound),
                        413 => return Err(Trouble::TooLong),
                        429 => {
                            too_many += 1;
                            let otherwise =
                                backoff(too_many, patience.first, patience.longest, &self.settings.district);
                            let wait = window.too_many(answer.retry_after, otherwise, patience.longest);
                            if too_many > patience.too_many {
                                return Err(Trouble::Failed(trouble::unwell(
                                    &self.origin(),
                                    "there were too many requests (HTTP 429)",
                                )));
                            }
                            self.free_at = None;
                            sleep(wait).await;
                            continue;
                        }
                        status @ (500 | 502 | 503 | 504) => {
                            wait = answer.retry_after;
                            trouble::unwell(&self.origin(), &format!("Clever is unwell (HTTP {status})"))
                        }
                        status => return Err(Trouble::Refused(status)),
                    }
                }
            };
            failures += 1;
            let patience = &self.settings.patience;
            if failures >= patience.attempts {
                return Err(Trouble::Failed(failed));
            }
            let backoff = backoff(failures, patience.first, patience.longest, &self.settings.district);
            sleep(wait.map_or(backoff, |asked| asked.max(backoff).min(patience.longest))).await;
        }
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
        let path = format!("/oauth/tokens?owner_type=district&district={}", settings.district);
        let origin = settings.oauth.origin();
        let mut uri = path;
        for _ in 0..TOKEN_PAGES {
            let address =
                settings.oauth.join(&uri).map_err(|error| Trouble::Failed(trouble::link(&origin, error)))?;
            let answer = self.list_tokens(&address).await?;
            let Ok(list) = shapes::list(&answer.body) else {
                let message = "the answer is no list of tokens; is oauth_url right?";
                return Err(Trouble::Failed(trouble::unwell(&origin, message)));
            };
            let ours = list.data.iter().filter_map(|raw| shapes::record::<Token>(raw)).find(|token| {
                let owner = token.owner.0.as_ref();
                owner.is_some_and(|owner| {
                    owner.kind.get() == "district" && owner.id.get() == settings.district
                })
            });
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
            match list.next() {
                Some(next) => uri = next.to_owned(),
                None => break,
            }
        }
        Err(Trouble::Disconnected)
    }

    /// Asks for a page of tokens, with the same patience.
    async fn list_tokens(&self, address: &Endpoint) -> Result<Answer, Trouble> {
        let settings = &self.settings;
        let origin = settings.oauth.origin();
        let basic = Secret::new(STANDARD.encode(format!(
            "{}:{}",
            settings.client_id,
            settings.client_secret.reveal()
        )));
        let mut failures = 0;
        loop {
            let call = Call::get(address.clone())
                .header("authorization", &format!("Basic {}", basic.reveal()))
                .header("accept", "application/json");
            let mut asked = None;
            let failed = match self.tokens.send(call).await {
                Err(error) if !error.may_pass() => return Err(Trouble::Failed(trouble::web(&error))),
                Err(error) => trouble::web(&error),
                Ok(answer) => match answer.status {
                    200..=299 => return Ok(answer),
                    401 | 403 => return Err(Trouble::Failed(trouble::wrong_secret(&origin))),
                    status @ (429 | 500 | 502 | 503 | 504) => {
                        asked = answer.retry_after;
                        trouble::unwell(&origin, &format!("Clever gives no tokens (HTTP {status})"))
                    }
                    status => {
                        let error = Trouble::Refused(status).error(&origin, "the list of tokens");
                        return Err(Trouble::Failed(error));
                    }
                },
            };
            failures += 1;
            let patience = &settings.patience;
            if failures >= patience.attempts {
                return Err(Trouble::Failed(failed));
            }
            let wait = backoff(failures, patience.first, patience.longest, &settings.district);
            sleep(asked.map_or(wait, |asked: Duration| asked.max(wait).min(patience.longest))).await;
        }
    }
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
