//! NCIP 2.02 over HTTP POST, the responder's side: LookupUser, CreateUser, UpdateUser, and a Problem for all else.
//!
//! Its own reader and writer on purpose; the connector's are somebody else's. No 1.x, no raw TCP, no LookupVersion yet.

mod answer;
mod request;
mod xml;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::oneshot;

use self::answer::Problem;
use self::request::{Asked, Request};
use super::faults::{Struck, What};
use super::patron::Refusal;
use super::wire::Connection;
use super::{Desk, Shared, UnderWay};

/// What a request led to: the document to send, and how to say so in the log.
struct Reply {
    document: String,
    outcome: String,
    barcode: String,
}

/// The `/ncip` route.
pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    limit: Extension<super::BodyLimit>,
    body: Body,
) -> Response {
    let Ok(bytes) = axum::body::to_bytes(body, limit.0.0).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let read = request::read(&bytes);
    let service = read.as_ref().map_or("", |r| r.service.as_str());
    let struck = shared.desk().arrived(service);
    let _under_way = UnderWay(Arc::clone(&shared));
    if shared.is_down() {
        connection.cut();
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let wait = shared.latency + Duration::from_millis(struck.delay_ms);
    if wait.is_zero() && struck.what.is_none() {
        // Nothing to wait for, so nothing that could be given up half-way.
        return work(shared, connection, read, struck, wait).await;
    }
    // On a task of its own: an ILS does not stop doing what it was asked because the client went away.
    let task = tokio::spawn(work(Arc::clone(&shared), connection.clone(), read, struck, wait));
    task.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn work(
    shared: Arc<Shared>,
    connection: Connection,
    read: Result<Request, xml::XmlError>,
    struck: Struck,
    wait: Duration,
) -> Response {
    if !wait.is_zero() && !shared.pause(wait).await {
        return cut(&connection);
    }
    let request = match read {
        Ok(request) => request,
        Err(error) => {
            let problem = Problem::new("Invalid Message Syntax Error", error.to_string());
            let document = answer::message_problem(shared.prefixed, &problem);
            let mut desk = shared.desk();
            desk.counts.problems += 1;
            desk.note("?", "", problem.kind, None);
            return document_response(document);
        }
    };
    let Some(what) = struck.what else {
        let reply = act(&shared, &request);
        shared.desk().note(&request.service, &reply.barcode, &reply.outcome, None);
        return document_response(reply.document);
    };
    strike(&shared, &connection, request, what).await
}

/// Answers a request as a fault wants it.
async fn strike(shared: &Arc<Shared>, connection: &Connection, request: Request, what: What) -> Response {
    let name = request.service.clone();
    let done = |when: bool| {
        let reply = when.then(|| act(shared, &request));
        let (barcode, outcome) = reply
            .as_ref()
            .map_or((String::new(), "nothing done"), |r| (r.barcode.clone(), r.outcome.as_str()));
        shared.desk().note(&name, &barcode, outcome, Some(&what));
        reply.map_or_else(String::new, |r| r.document)
    };
    let problem = |kind: &'static str| {
        let problem = Problem::new(kind, "the practice ILS was told to say so");
        document_response(answer::service_problem(shared.prefixed, &request, &problem))
    };
    match what {
        What::Delay { .. } => document_response(done(true)),
        What::Refuse => {
            done(false);
            cut(connection)
        }
        What::DropAnswer => {
            done(true);
            cut(connection)
        }
        What::CommitLate { after_ms, hold_ms } => {
            let held = Duration::from_millis(hold_ms);
            let (gave_up, given_up) = oneshot::channel::<()>();
            let connection = connection.clone();
            let late = Arc::clone(shared);
            tokio::spawn(async move {
                // Ends by the drop of the other half: when the hold is over or the connection is gone.
                let _ended = given_up.await;
                if late.pause(Duration::from_millis(after_ms)).await {
                    let reply = act(&late, &request);
                    late.desk().note(&name, &reply.barcode, &reply.outcome, Some(&what));
                }
            });
            tokio::select! {
                _ = shared.pause(held) => {}
                () = connection.gone() => {}
            }
            drop(gave_up);
            cut(&connection)
        }
        What::AnswerTwice => {
            let document = done(true);
            document_response(format!("{document}\n{document}"))
        }
        What::Unsupported => {
            done(false);
            shared.desk().counts.unsupported += 1;
            problem("Unsupported Service")
        }
        What::TemporaryFailure => {
            done(false);
            problem("Temporary Processing Failure")
        }
        What::Http500 => {
            done(false);
            http(StatusCode::INTERNAL_SERVER_ERROR)
        }
        What::Http503 => {
            done(false);
            let mut response = http(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        What::Http { status, after_write } => {
            done(after_write);
            http(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
        What::Garbage => {
            done(true);
            document_response("\u{1}\u{2}<not << xml & \u{0}".to_owned())
        }
        What::WrongUser => {
            done(true);
            document_response(somebody_else(shared, &request))
        }
        What::Stall => {
            let document = done(true);
            half(shared, &document, xml_headers(), true)
        }
        What::CutHalfway => {
            let document = done(true);
            half(shared, &document, xml_headers(), false)
        }
    }
}

/// Does what is asked and says so.
fn act(shared: &Shared, request: &Request) -> Reply {
    let prefixed = shared.prefixed;
    let mut desk = shared.desk();
    let refused = |desk: &mut Desk, refusal: &Refusal, barcode: &str| {
        let problem = Problem::from(refusal);
        desk.counts.problems += 1;
        if *refusal == Refusal::Duplicate {
            desk.counts.duplicates_refused += 1;
        }
        let document = answer::service_problem(prefixed, request, &problem);
        Reply { document, outcome: problem.kind.to_owned(), barcode: barcode.to_owned() }
    };
    if let Some(problem) = shared.turned_away(request) {
        desk.counts.problems += 1;
        let document = answer::service_problem(prefixed, request, &problem);
        return Reply { document, outcome: problem.kind.to_owned(), barcode: String::new() };
    }
    match &request.asked {
        Asked::Lookup { barcode, pin, elements } => {
            let found = desk.register.find(barcode);
            let wrong_pin = found.is_some_and(|patron| pin.is_some() && *pin != patron.pin);
            match found {
                Some(_) if wrong_pin => {
                    desk.counts.problems += 1;
                    let problem = Problem::new("User Authentication Failed", "the PIN is not the patron's");
                    let document = answer::service_problem(prefixed, request, &problem);
                    Reply { document, outcome: problem.kind.to_owned(), barcode: barcode.clone() }
                }
                Some(patron) => Reply {
                    document: answer::found(prefixed, request, patron, elements),
                    outcome: "found".to_owned(),
                    barcode: barcode.clone(),
                },
                None => refused(&mut desk, &Refusal::UnknownPatron, barcode),
            }
        }
        Asked::Create(draft) => {
            match desk.register.create((**draft).clone(), "ncip").map(|p| p.barcode.clone()) {
                Ok(barcode) => {
                    desk.counts.created += 1;
                    Reply {
                        document: answer::done(prefixed, request, &barcode),
                        outcome: "created".to_owned(),
                        barcode,
                    }
                }
                Err(refusal) => refused(&mut desk, &refusal, &draft.barcode),
            }
        }
        Asked::Update { barcode, delete, add } => {
            let changed = desk.register.change(barcode, "update", "ncip", |patron| {
                delete.delete_from(patron)?;
                add.add_to(patron);
                Ok(())
            });
            match changed.map(|p| p.barcode.clone()) {
                Ok(barcode) => {
                    desk.counts.updated += 1;
                    let document = answer::done(prefixed, request, &barcode);
                    Reply { document, outcome: "updated".to_owned(), barcode }
                }
                Err(refusal) => refused(&mut desk, &refusal, barcode),
            }
        }
        Asked::Wrong(refusal) => refused(&mut desk, refusal, ""),
        Asked::Other => {
            desk.counts.problems += 1;
            desk.counts.unsupported += 1;
            let problem =
                Problem::new("Unsupported Service", "this ILS looks up, creates and updates users only");
            let document = answer::message_problem(prefixed, &problem);
            Reply { document, outcome: problem.kind.to_owned(), barcode: String::new() }
        }
    }
}

impl Shared {
    /// Whether the sender may speak here at all.
    fn turned_away(&self, request: &Request) -> Option<Problem> {
        if self.secret.as_ref().is_some_and(|secret| !request.secrets.contains(secret)) {
            return Some(Problem::new("System Authentication Failed", "the sender did not prove who it is"));
        }
        let stranger = |agency: &String| request.to.as_ref() != Some(agency);
        if self.agency.as_ref().is_some_and(stranger) {
            return Some(Problem {
                element: Some("ToAgencyId"),
                ..Problem::new("Unknown Agency", "not an agency of ours")
            });
        }
        None
    }
}

/// The same answer about another patron: where there is one, its whole record; else an id that nobody asked for.
fn somebody_else(shared: &Shared, request: &Request) -> String {
    let asked = match &request.asked {
        Asked::Lookup { barcode, .. } | Asked::Update { barcode, .. } => barcode.as_str(),
        Asked::Create(draft) => draft.barcode.as_str(),
        Asked::Wrong(_) | Asked::Other => "",
    };
    let desk = shared.desk();
    let other = desk.register.all().find(|p| p.barcode != asked);
    match (&request.asked, other) {
        (Asked::Lookup { elements, .. }, Some(other)) => {
            answer::found(shared.prefixed, request, other, elements)
        }
        (_, Some(other)) => answer::done(shared.prefixed, request, &other.barcode),
        (_, None) => answer::done(shared.prefixed, request, &format!("9{asked}")),
    }
}

/// Closes the connection; what is returned is never sent.
pub(super) fn cut(connection: &Connection) -> Response {
    connection.cut();
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

fn document_response(document: String) -> Response {
    (xml_headers(), document).into_response()
}

fn xml_headers() -> HeaderMap {
    HeaderMap::from_iter([(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/xml; charset=\"utf-8\""),
    )])
}

pub(super) fn http(status: StatusCode) -> Response {
    let page =
        format!("<html><body><h1>{status}</h1><p>The practice ILS was told to fail.</p></body></html>");
    (status, [(header::CONTENT_TYPE, "text/html")], page).into_response()
}

/// Half of a document under the length of the whole: then silence, or the end of the connection.
pub(super) fn half(shared: &Arc<Shared>, document: &str, mut headers: HeaderMap, silent: bool) -> Response {
    let half = Bytes::copy_from_slice(document.as_bytes().get(..document.len() / 2).unwrap_or_default());
    let shared = Arc::clone(shared);
    let body = stream::unfold(Some(half), move |rest| {
        let shared = Arc::clone(&shared);
        async move {
            match rest {
                Some(bytes) => Some((Ok(bytes), None)),
                None => {
                    if silent {
                        shared.stopping().await;
                    } else {
                        // Long enough for the first half to leave before the end of the connection is noticed.
                        shared.pause(Duration::from_millis(20)).await;
                    }
                    Some((Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted)), None))
                }
            }
        }
    });
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(document.len()));
    (headers, Body::from_stream(body)).into_response()
}
