//! NCIP 2.02 and 1.0 over HTTP POST and raw TCP, the responder's side: LookupUser, CreateUser, UpdateUser, LookupVersion,
//! and a Problem for all else; or what a personality makes of them.
//!
//! Its own reader and writer on purpose; the connector's are somebody else's.

mod answer;
mod request;
mod tcp;
mod templates;
mod xml;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::oneshot;

use self::answer::Problem;
use self::request::{Asked, Request};
use super::faults::{Struck, What};
use super::patron::Refusal;
use super::personality::{Personality, Responder};
use super::wire::Connection;
use super::{Desk, Shared, UnderWay};

pub(super) use tcp::serve_tcp;
use xml::Form;

/// How NCIP is spoken here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    responder: Responder,
    prefixed: bool,
}

impl Manner {
    pub(super) fn of(personality: &Personality) -> Self {
        Self { responder: personality.responder, prefixed: personality.prefixed }
    }

    /// The form of an answer: that of the question, in this ILS's style.
    fn form(self, v1: bool) -> Form {
        Form { v1: v1 || self.responder == Responder::Voyager, prefixed: self.prefixed }
    }

    /// The services that there are.
    fn services(self) -> &'static [&'static str] {
        match self.responder {
            Responder::Full => &["LookupUser", "CreateUser", "UpdateUser"],
            Responder::Aleph => &["LookupUser", "UpdateUser"],
            Responder::Koha | Responder::Evergreen | Responder::Voyager => &["LookupUser"],
        }
    }
}

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
    token: Option<Path<String>>,
    body: Body,
) -> Response {
    let Ok(bytes) = axum::body::to_bytes(body, limit.0.0).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let token = token.map(|Path(token)| token);
    if shared.ncip.responder == Responder::Koha {
        // Its token is in the path, and whoever has it not is told that all is well.
        if shared.secret.is_some() && shared.secret != token {
            return "It works!".into_response();
        }
    } else if token.is_some() {
        return StatusCode::NOT_FOUND.into_response();
    }
    message(shared, connection, &bytes).await
}

/// Answers one message, however it came.
async fn message(shared: Arc<Shared>, connection: Connection, bytes: &[u8]) -> Response {
    let read = request::read(bytes);
    let service = read.as_ref().map_or("", |r| r.service.as_str());
    let struck = shared.desk().arrived(service);
    let _under_way = UnderWay(Arc::clone(&shared));
    if shared.is_down() {
        connection.cut();
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if let Some(choked) = choked(&shared, read.as_ref(), bytes) {
        shared.desk().note("?", "", "choked", None);
        return choked;
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

/// What becomes of messages that this responder cannot even read, though others can.
fn choked(shared: &Shared, read: Result<&Request, &xml::XmlError>, bytes: &[u8]) -> Option<Response> {
    let text = String::from_utf8_lossy(bytes);
    match (shared.ncip.responder, read) {
        (Responder::Koha, _) if text.contains(":NCIPMessage") => {
            Some(http(StatusCode::INTERNAL_SERVER_ERROR))
        }
        (Responder::Evergreen, Err(_)) => Some(document_response(templates::evergreen_unreadable())),
        (Responder::Evergreen, Ok(request)) if request.doctype => {
            Some(document_response(templates::evergreen_unreadable()))
        }
        // Any scheme, and the number is looked for in the wrong place.
        (Responder::Evergreen, Ok(request)) if text.contains("Scheme=") => {
            let (kind, detail) = ("Unknown User", "User with barcode  unknown");
            Some(document_response(templates::evergreen_problem(request, true, kind, detail)))
        }
        (Responder::Aleph, Ok(request)) if !text.contains("Scheme=") => {
            let problem = Problem::new("Unknown Scheme", "a scheme is missing");
            Some(document_response(answer::service_problem(shared.ncip.form(false), request, &problem)))
        }
        (Responder::Voyager, Ok(request)) if !request.v1 => {
            let problem = Problem::new("Missing Version", "only NCIP 1 is spoken here");
            Some(document_response(answer::message_problem(shared.ncip.form(true), &problem)))
        }
        (
            Responder::Full | Responder::Koha | Responder::Evergreen | Responder::Aleph | Responder::Voyager,
            _,
        ) => None,
    }
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
            let document = answer::message_problem(shared.ncip.form(false), &problem);
            let mut desk = shared.desk();
            desk.counts.problems += 1;
            desk.note("?", "", problem.kind, None);
            return document_response(document);
        }
    };
    let Some(what) = struck.what else {
        let reply = act(&shared, &request);
        shared.desk().note(&request.service, &reply.barcode, &reply.outcome, None);
        let mut response = document_response(reply.document);
        if shared.ncip.responder == Responder::Koha {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, html);
        }
        return response;
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
        document_response(answer::service_problem(shared.ncip.form(request.v1), &request, &problem))
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
    let (form, responder) = (shared.ncip.form(request.v1), shared.ncip.responder);
    let mut desk = shared.desk();
    let refused = |desk: &mut Desk, refusal: &Refusal, barcode: &str| {
        let problem = Problem::from(refusal);
        desk.counts.problems += 1;
        if *refusal == Refusal::Duplicate {
            desk.counts.duplicates_refused += 1;
        }
        let document = match responder {
            Responder::Koha if *refusal == Refusal::UnknownPatron => templates::koha_unknown_user(request),
            Responder::Evergreen => {
                templates::evergreen_problem(request, false, problem.kind, &problem.detail)
            }
            _ => answer::service_problem(form, request, &problem),
        };
        Reply { document, outcome: problem.kind.to_owned(), barcode: barcode.to_owned() }
    };
    let knows = shared.ncip.services().contains(&request.service.as_str());
    let asks_versions = matches!(request.asked, Asked::Versions { .. });
    if !knows && !asks_versions && responder != Responder::Full {
        desk.counts.problems += 1;
        desk.counts.unsupported += 1;
        let problem = Problem::new("Unsupported Service", "this ILS does not do that");
        let document = match responder {
            Responder::Koha => templates::koha_it_works(request.v1),
            Responder::Evergreen => {
                templates::evergreen_problem(request, false, problem.kind, &problem.detail)
            }
            Responder::Full | Responder::Aleph | Responder::Voyager => {
                answer::service_problem(form, request, &problem)
            }
        };
        return Reply { document, outcome: problem.kind.to_owned(), barcode: String::new() };
    }
    if let Some(problem) = shared.turned_away(request) {
        desk.counts.problems += 1;
        let document = answer::service_problem(form, request, &problem);
        return Reply { document, outcome: problem.kind.to_owned(), barcode: String::new() };
    }
    match &request.asked {
        Asked::Lookup { barcode, pin, elements, spelt } => {
            let found = desk.register.find(barcode);
            let wrong_pin = found.is_some_and(|patron| pin.is_some() && *pin != patron.pin);
            match found {
                Some(_) if wrong_pin => {
                    desk.counts.problems += 1;
                    let problem = Problem::new("User Authentication Failed", "the PIN is not the patron's");
                    let document = answer::service_problem(form, request, &problem);
                    Reply { document, outcome: problem.kind.to_owned(), barcode: barcode.clone() }
                }
                Some(patron) => Reply {
                    document: match responder {
                        Responder::Koha => templates::koha_found(request, patron, spelt),
                        Responder::Evergreen => templates::evergreen_found(request, patron, elements),
                        Responder::Full | Responder::Aleph | Responder::Voyager => {
                            answer::found(form, request, patron, elements)
                        }
                    },
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
                        document: answer::done(form, request, &barcode),
                        outcome: "created".to_owned(),
                        barcode,
                    }
                }
                Err(refusal) => refused(&mut desk, &refusal, &draft.barcode),
            }
        }
        Asked::Update { delete, add, .. }
            if responder == Responder::Aleph && (delete.beyond_contacts() || add.beyond_contacts()) =>
        {
            desk.counts.problems += 1;
            let problem = Problem::new("UpdateUserService failed.", "only one address can be changed");
            let document = answer::service_problem(form, request, &problem);
            Reply { document, outcome: problem.kind.to_owned(), barcode: String::new() }
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
                    let document = answer::done(form, request, &barcode);
                    Reply { document, outcome: "updated".to_owned(), barcode }
                }
                Err(refusal) => refused(&mut desk, &refusal, barcode),
            }
        }
        Asked::Wrong(refusal) => refused(&mut desk, refusal, ""),
        Asked::Versions { standard } => {
            // Koha's and Evergreen's look for it in the wrong root, and know no other.
            let elsewhere = matches!(responder, Responder::Koha | Responder::Evergreen) && *standard;
            let document = match responder {
                Responder::Koha if elsewhere => templates::koha_it_works(request.v1),
                Responder::Evergreen if elsewhere => templates::evergreen_unreadable(),
                _ => answer::versions(form, request, *standard, shared.ncip.services()),
            };
            Reply { document, outcome: "versions".to_owned(), barcode: String::new() }
        }
        Asked::Other => {
            desk.counts.problems += 1;
            desk.counts.unsupported += 1;
            let problem =
                Problem::new("Unsupported Service", "this ILS looks up, creates and updates users only");
            // NCIP 1 has no problems but in responses.
            let document = if form.v1 {
                answer::service_problem(form, request, &problem)
            } else {
                answer::message_problem(form, &problem)
            };
            Reply { document, outcome: problem.kind.to_owned(), barcode: String::new() }
        }
    }
}

impl Shared {
    /// Whether the sender may speak here at all.
    fn turned_away(&self, request: &Request) -> Option<Problem> {
        // Koha's is in the path.
        let asked = self.secret.as_ref().filter(|_| self.ncip.responder != Responder::Koha);
        if matches!(request.asked, Asked::Versions { .. }) {
            return None;
        }
        if asked.is_some_and(|secret| !request.secrets.contains(secret)) {
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
        Asked::Wrong(_) | Asked::Versions { .. } | Asked::Other => "",
    };
    let form = shared.ncip.form(request.v1);
    let desk = shared.desk();
    let other = desk.register.all().find(|p| p.barcode != asked);
    match (&request.asked, other) {
        (Asked::Lookup { elements, .. }, Some(other)) => answer::found(form, request, other, elements),
        (_, Some(other)) => answer::done(form, request, &other.barcode),
        (_, None) => answer::done(form, request, &format!("9{asked}")),
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
