//! One OneRoster server, asked politely: one request at a time, with a login that is renewed when it dies, again after a
//! wait where that may help, and never at another address than its own.
//!
//! It judges statuses and nothing of what an answer holds, beyond whether it is a page for people.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_oneroster::rest::oauth1::Signer;
use rostercard_oneroster::rest::trouble::Trouble;
use rostercard_web::{
    Answer, Bearer, Call, Client, ClientSettings, OAuth, OAuthError, OAuthSettings, SetupError, Side,
    WebError,
};
use secrecy::SecretString;
use tokio::time::Instant;

use super::settings::{Login, RestSettings};

/// The first wait where a server does not say how long; each next one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// No single wait is longer than this, whatever a server asks.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// A clock that is off by more than this is worth a word where a login is refused.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Waiting, so that tests need not.
#[async_trait]
pub trait Waits: Send + Sync {
    /// Waits.
    async fn wait(&self, time: Duration);
}

/// Waits as long as it is asked to.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealWaits;

#[async_trait]
impl Waits for RealWaits {
    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// An answer of success.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) body: Vec<u8>,
    pub(crate) charset: Option<String>,
    pub(crate) total: Option<u64>,
    pub(crate) has_link: bool,
    /// 204: there is nothing.
    pub(crate) nothing: bool,
}

impl Got {
    /// An answer with nothing in it.
    pub(crate) fn nothing() -> Self {
        Self { body: Vec::new(), charset: None, total: None, has_link: false, nothing: true }
    }
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server refused this request, for good: what that means depends on what was asked.
    Refused { status: u16, trouble: Trouble },
    /// Anything else.
    Error(ConnectorError),
}

/// What was noticed of the server so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noticed {
    /// Its clock at the first answer.
    pub(crate) date: Option<Timestamp>,
    /// How far its clock was ahead of ours then.
    pub(crate) ahead: Option<SignedDuration>,
    /// Requests sent, in all.
    pub(crate) requests: u64,
    /// Times that it asked for patience.
    pub(crate) busy: u64,
    /// Names of headers that it limits its clients by.
    pub(crate) limits: bool,
    /// Time waited.
    waited: Duration,
    /// To wait before the next request.
    pause: Duration,
}

enum Auth {
    OAuth2(Box<OAuth>),
    Fixed(String),
    OAuth1,
}

pub(crate) struct Server {
    client: Client,
    auth: Auth,
    pub(crate) settings: Arc<RestSettings>,
    waits: Arc<dyn Waits>,
    now: Timestamp,
    started: Instant,
    dice: AtomicU64,
    noticed: Mutex<Noticed>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Server {
    /// Ready to ask. `now` is the time now.
    pub(crate) fn new(
        settings: Arc<RestSettings>,
        now: Timestamp,
        waits: Arc<dyn Waits>,
    ) -> Result<Self, ConnectorError> {
        let wire = ClientSettings {
            deadline: settings.deadline,
            answer_limit: settings.answer_limit,
            connections: 1,
            idle: Duration::from_secs(30),
            ca_file: settings.ca_file.clone(),
            ..ClientSettings::default()
        };
        let auth = match &settings.login {
            Login::OAuth2 { token_url, client_id, client_secret, scopes, auth } => {
                let oauth = OAuthSettings {
                    token_url: token_url.clone(),
                    client_id: client_id.clone(),
                    client_secret: SecretString::from(client_secret.reveal().to_owned()),
                    scopes: scopes.clone(),
                    auth: *auth,
                };
                Auth::OAuth2(Box::new(OAuth::new(oauth, wire.clone()).map_err(|e| setup(&e))?))
            }
            Login::Bearer(token) => Auth::Fixed(format!("Bearer {}", token.reveal())),
            Login::OAuth1 { .. } => Auth::OAuth1,
        };
        let client = Client::new(settings.endpoint.clone(), wire).map_err(|e| setup(&e))?;
        let seed = u64::try_from(now.as_nanosecond().unsigned_abs() & u128::from(u64::MAX)).unwrap_or(1);
        Ok(Self {
            client,
            auth,
            settings,
            waits,
            now,
            started: Instant::now(),
            dice: AtomicU64::new(seed),
            noticed: Mutex::default(),
        })
    }

    pub(crate) fn noticed(&self) -> Noticed {
        self.notes().clone()
    }

    fn notes(&self) -> MutexGuard<'_, Noticed> {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scopes that the last token came with, where there are tokens and the server said them.
    pub(crate) async fn granted(&self) -> Option<Vec<String>> {
        match &self.auth {
            Auth::OAuth2(oauth) => oauth.granted().await,
            Auth::Fixed(_) | Auth::OAuth1 => None,
        }
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        self.client.endpoint().origin()
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        self.now + SignedDuration::try_from(self.started.elapsed()).unwrap_or_default()
    }

    /// Asks for a path below the service, with a query that is encoded already.
    pub(crate) async fn get(&self, path: &str, query: &str) -> Result<Got, Failure> {
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let mut renewed = false;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let pause = std::mem::take(&mut self.notes().pause);
            if !pause.is_zero() {
                self.wait(pause).await?;
            }
            let (call, bearer) = self.call(&target).await?;
            self.notes().requests += 1;
            let last = attempt >= self.settings.attempts;
            let answer = match self.client.send(call).await {
                Ok(answer) => answer,
                Err(error) if error.may_pass() && !last => {
                    self.wait(self.backoff(attempt)).await?;
                    continue;
                }
                Err(error) => return Err(Failure::Error(unanswered(&error))),
            };
            self.look_at(&answer);
            match answer.status {
                204 => return Ok(got(answer, true)),
                200..300 if !is_page(&answer) => return Ok(got(answer, false)),
                401 if !renewed => {
                    renewed = true;
                    match (&self.auth, bearer) {
                        (Auth::OAuth2(oauth), Some(bearer)) => oauth.forget(&bearer).await,
                        // What never changes is not asked again, but a signature has another number each time.
                        (Auth::Fixed(_), _) => return Err(Failure::Error(self.unknown(&answer))),
                        _ => {}
                    }
                    continue;
                }
                401 => return Err(Failure::Error(self.unknown(&answer))),
                200..300 | 408 | 425 | 429 | 500 | 502..=504 if !last => {
                    let busy = matches!(answer.status, 429 | 503);
                    self.notes().busy += u64::from(busy);
                    if (200..300).contains(&answer.status) && !std::mem::replace(&mut renewed, true) {
                        // A login page may be a session that ended.
                        if let (Auth::OAuth2(oauth), Some(bearer)) = (&self.auth, bearer) {
                            oauth.forget(&bearer).await;
                        }
                    }
                    let asked = answer.retry_after.map(|time| time.min(LONGEST_WAIT));
                    self.wait(asked.unwrap_or_else(|| self.backoff(attempt))).await?;
                }
                200..300 => return Err(Failure::Error(self.login_page())),
                408 | 425 | 429 | 500 | 502..=504 => return Err(Failure::Error(self.busy(&answer, attempt))),
                300..=399 => return Err(Failure::Error(self.elsewhere(answer.status))),
                status => return Err(Failure::Refused { status, trouble: Trouble::read(&answer.body) }),
            }
        }
    }

    async fn call(&self, target: &str) -> Result<(Call, Option<Bearer>), Failure> {
        let endpoint = self.client.endpoint().join(target).map_err(|_| {
            Failure::Error(ConnectorError::new(
                Fault::Rostercard,
                Retry::NotThisRecord,
                format!("{}: an address could not be built", self.origin()),
                "Report it with the log of this run",
            ))
        })?;
        let call = Call::get(endpoint).header("accept", "application/json");
        match &self.auth {
            Auth::OAuth2(oauth) => {
                let bearer = self.token(oauth).await?;
                Ok((call.header("authorization", &bearer.header()), Some(bearer)))
            }
            Auth::Fixed(header) => Ok((call.header("authorization", header), None)),
            Auth::OAuth1 => {
                let header = self.signature(target).unwrap_or_default();
                Ok((call.header("authorization", &header), None))
            }
        }
    }

    fn signature(&self, target: &str) -> Option<String> {
        let Login::OAuth1 { method, key, secret } = &self.settings.login else { return None };
        let signer = Signer { method: *method, key, secret: secret.reveal() };
        let nonce = format!("{:016x}{:016x}", self.throw(), self.throw());
        signer.header(&format!("{}/{target}", self.settings.url), &nonce, self.now().as_second())
    }

    async fn token(&self, oauth: &OAuth) -> Result<Bearer, Failure> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match oauth.token().await {
                Ok(bearer) => return Ok(bearer),
                Err(error) if error.may_pass() && attempt < self.settings.attempts => {
                    self.wait(self.backoff(attempt)).await?;
                }
                Err(error) => return Err(Failure::Error(no_token(&error))),
            }
        }
    }

    /// Waits, within the patience of one reading.
    async fn wait(&self, time: Duration) -> Result<(), Failure> {
        let waited = {
            let mut notes = self.notes();
            notes.waited += time;
            notes.waited
        };
        if waited > self.settings.patience {
            return Err(Failure::Error(ConnectorError::new(
                Fault::District,
                Retry::Later,
                format!("{}: the server asks for more patience than one reading has", self.origin()),
                "Nothing was lost; read at another hour, or ask the SIS's vendor for a higher limit",
            )));
        }
        self.waits.wait(time).await;
        Ok(())
    }

    /// Waits a little before a page is asked for again.
    pub(crate) async fn wait_a_little(&self, attempt: u32) -> Result<(), Failure> {
        self.wait(self.backoff(attempt)).await
    }

    /// Up to twice as long each time: full jitter, so that a fleet does not come back at once.
    fn backoff(&self, attempt: u32) -> Duration {
        let most = FIRST_WAIT.saturating_mul(1 << attempt.min(8)).min(LONGEST_WAIT);
        let thousandths = u32::try_from(self.throw() % 1000).unwrap_or(0);
        FIRST_WAIT / 4 + most * thousandths / 1000
    }

    /// A number that was not thrown before. It hides nothing; it only must differ.
    fn throw(&self) -> u64 {
        let state = self.dice.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn look_at(&self, answer: &Answer) {
        let date = answer.header("date").and_then(|text| Some(rfc2822::parse(text).ok()?.timestamp()));
        let now = self.now();
        let number = |names: [&str; 2]| {
            names.iter().find_map(|name| answer.header(name)?.split(',').next()?.trim().parse::<u64>().ok())
        };
        let left = number(["ratelimit-remaining", "x-ratelimit-remaining"]);
        let reset = number(["ratelimit-reset", "x-ratelimit-reset"]);
        let mut notes = self.notes();
        if notes.date.is_none() {
            notes.date = date;
            notes.ahead = date.map(|date| date.duration_since(now));
        }
        notes.limits |= left.is_some();
        if left == Some(0)
            && answer.is_success()
            && let Some(seconds) = reset.filter(|seconds| *seconds <= LONGEST_WAIT.as_secs())
        {
            notes.pause = Duration::from_secs(seconds);
        }
    }

    fn unknown(&self, answer: &Answer) -> ConnectorError {
        let trouble = Trouble::read(&answer.body);
        let ahead = self.notes().ahead.filter(|ahead| ahead.abs() > SKEW);
        let mut message = format!("{}: the login was not accepted (HTTP 401): {trouble}", self.origin());
        let hint = match (ahead, &self.auth) {
            (Some(ahead), Auth::OAuth1) => {
                let side = if ahead.is_positive() { "ahead of" } else { "behind" };
                let off = (ahead.abs().as_secs() + 30) / 60;
                message.push_str(&format!("; the server's clock is {off} minutes {side} this machine's"));
                "Set this machine's clock: a signature carries the time"
            }
            (_, Auth::OAuth2(_)) => {
                "A new token did not help: check client_id, the scopes, and whether the district still shares its roster"
            }
            (_, Auth::Fixed(_)) => "The token may have been replaced or may have ended: ask for a new one",
            (_, Auth::OAuth1) => {
                "Check client_id, client_secret, and the method in auth: oauth1_sha1 or oauth1_sha256"
            }
        };
        ConnectorError::new(Fault::Operator, Retry::NotThisTarget, message, hint)
    }

    fn login_page(&self) -> ConnectorError {
        ConnectorError::new(
            Fault::District,
            Retry::Later,
            format!(
                "{}: a web page came where JSON was asked for, such as a login page or a proxy's",
                self.origin()
            ),
            "Check the url in the configuration; if it is right, the SIS or a proxy before it is at fault",
        )
    }

    fn busy(&self, answer: &Answer, attempts: u32) -> ConnectorError {
        let trouble = Trouble::read(&answer.body);
        let status = answer.status;
        ConnectorError::new(
            Fault::District,
            Retry::Later,
            format!("{}: HTTP {status} after {attempts} attempts: {trouble}", self.origin()),
            "Nothing was lost; it is tried again with the next run. If it stays so, ask the SIS's vendor",
        )
    }

    fn elsewhere(&self, status: u16) -> ConnectorError {
        ConnectorError::new(
            Fault::District,
            Retry::NotThisTarget,
            format!(
                "{}: the server sends the asker elsewhere (HTTP {status}), which is never followed",
                self.origin()
            ),
            "Write the final address into url; a login is not sent to another server than that",
        )
    }

    /// What a refusal comes to where nobody has another use for it.
    pub(crate) fn refused(&self, path: &str, status: u16, trouble: &Trouble) -> ConnectorError {
        // Ids in a path name people.
        let what = path.split('/').next().unwrap_or_default();
        let hint = match status {
            403 => "Ask the district to grant this client the scopes in the configuration",
            404 => {
                "Check the url and version in the configuration, and whether the SIS's OneRoster module is licensed"
            }
            _ => "Ask the SIS's vendor what it has against this request",
        };
        ConnectorError::new(
            Fault::District,
            Retry::NotThisTarget,
            format!("{}: /{what} was refused (HTTP {status}): {trouble}", self.origin()),
            hint,
        )
    }
}

fn got(answer: Answer, nothing: bool) -> Got {
    Got {
        charset: answer.charset().map(str::to_owned),
        total: answer.header("x-total-count").and_then(|text| text.trim().parse().ok()),
        has_link: answer.header("link").is_some(),
        nothing,
        body: answer.body,
    }
}

/// A page for people.
fn is_page(answer: &Answer) -> bool {
    let first =
        answer.body.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf));
    first == Some(&b'<')
}

fn setup(error: &SetupError) -> ConnectorError {
    ConnectorError::new(
        Fault::Operator,
        Retry::NotThisTarget,
        error.to_string(),
        "See [source.oneroster] ca_file, and the system's certificates",
    )
}

fn unanswered(error: &WebError) -> ConnectorError {
    let fault = match error.side() {
        Side::Operator => Fault::Operator,
        Side::Network => Fault::Network,
        Side::Server => Fault::District,
    };
    let retry = if error.may_pass() { Retry::Later } else { Retry::NotThisTarget };
    ConnectorError::new(fault, retry, error.to_string(), error.hint())
}

fn no_token(error: &OAuthError) -> ConnectorError {
    let retry = if error.may_pass() { Retry::Later } else { Retry::NotThisTarget };
    let fault = match error {
        OAuthError::Web(web) => return unanswered(web),
        OAuthError::Refused { .. } | OAuthError::NoToken { .. } => Fault::Operator,
        _ => Fault::District,
    };
    ConnectorError::new(fault, retry, error.to_string(), error.hint())
}
