//! Koha's REST API, the part that a directory of patrons needs, with the traps of a running Koha 23.05.
//!
//! Its own JSON and its own rules, over the register that all protocols share; the connector's are somebody else's. No
//! loans, no holds, no reports; no clock, so that a card made without an expiry always gets the same.

mod acts;
mod manners;
mod query;
mod record;
mod reply;
mod request;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub use self::manners::{KohaManners, KohaVersion};
pub(super) use self::query::folded;
use self::reply::Reply;
use self::request::Request;
use super::faults::{Struck, What};
use super::ncip::{cut, half, http};
use super::wire::Connection;
use super::{Shared, UnderWay};

/// What one Koha is, and whom it has let in.
pub(super) struct KohaState {
    manners: KohaManners,
    tokens: Mutex<Tokens>,
    workers: Option<Arc<Semaphore>>,
    /// The connections that have a worker, until they are closed.
    holding: Mutex<HashMap<usize, OwnedSemaphorePermit>>,
}

#[derive(Default)]
struct Tokens {
    given: u64,
    good: HashSet<String>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl KohaState {
    pub(super) fn new(manners: KohaManners) -> Self {
        let workers = (manners.workers > 0).then(|| Arc::new(Semaphore::new(manners.workers)));
        Self { manners, tokens: Mutex::default(), workers, holding: Mutex::default() }
    }

    fn new_token(&self) -> String {
        let mut tokens = locked(&self.tokens);
        tokens.given += 1;
        let token = format!("practice-token-{}", tokens.given);
        tokens.good.insert(token.clone());
        token
    }

    /// How many tokens were given.
    pub(super) fn tokens_given(&self) -> u64 {
        locked(&self.tokens).given
    }

    /// No token that was given is good any more, as after a restart.
    pub(super) fn forget_tokens(&self) {
        locked(&self.tokens).good.clear();
    }

    /// Who is not let in.
    fn turned_away(&self, authorization: &str) -> Option<Reply> {
        if let Some(token) = authorization.strip_prefix("Bearer ") {
            let good = locked(&self.tokens).good.contains(token);
            return (!good).then(|| Reply::error(401, "Authentication failure."));
        }
        let Some(pair) = authorization.strip_prefix("Basic ") else {
            return Some(Reply::error(401, "Authentication failure."));
        };
        if !self.manners.basic {
            return Some(Reply::error(401, "Basic authentication disabled"));
        }
        let right = format!("{}:{}", self.manners.user, self.manners.password);
        (base64(right.as_bytes()) != pair).then(|| {
            let body = serde_json::json!({ "error": "Invalid password", "required_permissions": null });
            Reply::new(403, body, "wrong password")
        })
    }

    /// Waits for a worker, which then belongs to the connection.
    async fn worker(self: &Arc<Self>, connection: &Connection) {
        let Some(workers) = &self.workers else { return };
        if locked(&self.holding).contains_key(&connection.id()) {
            return;
        }
        let Ok(permit) = Arc::clone(workers).acquire_owned().await else { return };
        locked(&self.holding).insert(connection.id(), permit);
        let (koha, connection) = (Arc::clone(self), connection.clone());
        tokio::spawn(async move {
            connection.gone().await;
            locked(&koha.holding).remove(&connection.id());
        });
    }
}

fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for piece in bytes.chunks(3) {
        let byte = |at: usize| u32::from(piece.get(at).copied().unwrap_or(0));
        let all = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let sign = SIGNS.get((all >> (18 - 6 * at) & 63) as usize).copied().unwrap_or(b'=');
            out.push(if at <= piece.len() { char::from(sign) } else { '=' });
        }
    }
    out
}

/// The routes below `/api/v1`.
pub(super) async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    limit: Extension<super::BodyLimit>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(bytes) = axum::body::to_bytes(body, limit.0.0).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let request = Request::of(&method, &uri, &headers, bytes);
    shared.koha.worker(&connection).await;
    let struck = shared.desk().arrived(request.asked.name());
    let _under_way = UnderWay(Arc::clone(&shared));
    if shared.is_down() {
        return cut(&connection);
    }
    let wait = shared.latency + Duration::from_millis(struck.delay_ms);
    let mut response = if wait.is_zero() && struck.what.is_none() {
        work(Arc::clone(&shared), connection, request, struck, wait).await
    } else {
        // On a task of its own: Koha does not stop doing what it was asked because the client went away.
        let task = tokio::spawn(work(Arc::clone(&shared), connection, request, struck, wait));
        task.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    };
    if shared.koha.manners.behind_web_server {
        response.headers_mut().insert(header::SERVER, HeaderValue::from_static("Apache/2.4.66 (Debian)"));
    }
    response
}

async fn work(
    shared: Arc<Shared>,
    connection: Connection,
    request: Request,
    struck: Struck,
    wait: Duration,
) -> Response {
    if !wait.is_zero() && !shared.pause(wait).await {
        return cut(&connection);
    }
    let Some(what) = struck.what else { return done(&shared, &request, None).response() };
    strike(&shared, &connection, request, what).await
}

/// Does what is asked, and notes it.
fn done(shared: &Shared, request: &Request, what: Option<&What>) -> Reply {
    let mut desk = shared.desk();
    let reply = acts::act(&shared.koha, &mut desk, request);
    desk.note(request.asked.name(), &reply.barcode, reply.outcome, what);
    reply
}

/// Answers a request as a fault wants it.
async fn strike(shared: &Arc<Shared>, connection: &Connection, request: Request, what: What) -> Response {
    let undone = || shared.desk().note(request.asked.name(), "", "nothing done", Some(&what));
    let wrong = |status| Reply::error(status, "Something went wrong, check the logs.").response();
    match what {
        What::Delay { .. } => done(shared, &request, Some(&what)).response(),
        What::Refuse => {
            undone();
            cut(connection)
        }
        What::DropAnswer => {
            done(shared, &request, Some(&what));
            cut(connection)
        }
        What::CommitLate { after_ms, hold_ms } => {
            let (gave_up, given_up) = oneshot::channel::<()>();
            let (late, connection) = (Arc::clone(shared), connection.clone());
            tokio::spawn(async move {
                // Ends by the drop of the other half: when the hold is over or the connection is gone.
                let _ended = given_up.await;
                if late.pause(Duration::from_millis(after_ms)).await {
                    done(&late, &request, Some(&what));
                }
            });
            tokio::select! {
                _ = shared.pause(Duration::from_millis(hold_ms)) => {}
                () = connection.gone() => {}
            }
            drop(gave_up);
            cut(&connection)
        }
        What::Unsupported => {
            undone();
            let one = serde_json::json!({ "message": "Not Found.", "path": "/" });
            Reply::new(404, serde_json::json!({ "errors": [one], "status": 404 }), "").response()
        }
        What::TemporaryFailure | What::Http500 => {
            undone();
            wrong(500)
        }
        What::Http503 => {
            undone();
            let mut response = http(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        What::Http { status, after_write } => {
            if after_write {
                done(shared, &request, Some(&what));
            } else {
                undone();
            }
            http(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
        What::Garbage => {
            let reply = done(shared, &request, Some(&what));
            (StatusCode::OK, reply.head(), "\u{1}{not json").into_response()
        }
        What::WrongUser => {
            let mut reply = done(shared, &request, Some(&what));
            reply.body = somebody_else(shared, &reply.body);
            reply.response()
        }
        What::AnswerTwice => {
            let reply = done(shared, &request, Some(&what));
            let twice = format!("{0}{0}", reply.text());
            (StatusCode::from_u16(reply.status).unwrap_or_default(), reply.head(), twice).into_response()
        }
        What::Stall | What::CutHalfway => {
            let reply = done(shared, &request, Some(&what));
            half(shared, &reply.text(), reply.head(), what == What::Stall)
        }
    }
}

/// The same answer about another patron.
fn somebody_else(shared: &Shared, body: &serde_json::Value) -> serde_json::Value {
    let desk = shared.desk();
    let asked = body.get("cardnumber").or_else(|| body.get(0)?.get("cardnumber"));
    let other = desk.register.all().find(|patron| asked.and_then(|a| a.as_str()) != Some(&patron.barcode));
    let Some(other) = other else { return body.clone() };
    let other = record::whole(other, shared.koha.manners.version, Some(Vec::new()));
    if body.is_array() { serde_json::json!([other]) } else { other }
}

#[cfg(test)]
mod tests {
    #[test]
    fn passwords_as_http_carries_them() {
        for (plain, wanted) in [("a:b", "YTpi"), ("ab:c", "YWI6Yw=="), ("abc:d", "YWJjOmQ="), ("", "")] {
            assert_eq!(super::base64(plain.as_bytes()), wanted);
        }
    }
}
