//! The routes: who asks, what goes wrong, and the answers.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query as Pairs, State};
use axum::http::{HeaderMap, Response, Uri};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::fmt::rfc2822;
use serde_json::{Value, json};

use super::manners::{Fault, What};
use super::query::Query;
use super::{CLIENT_ID, CLIENT_SECRET, Clever, DISTRICT, Desk};

/// What 3.0 does not have.
const NEW_IN_3_1: [&str; 7] = [
    "disability",
    "frl_status",
    "gifted_status",
    "home_language",
    "home_language_code",
    "iep_status",
    "preferred_name",
];

/// An answer before it is sent.
struct Answer {
    status: u16,
    body: Value,
    /// What stands in the place of the body.
    text: Option<String>,
    headers: Vec<(&'static str, String)>,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self { status: 200, body, text: None, headers: Vec::new() }
    }

    fn no(status: u16, message: &str) -> Self {
        Self { status, ..Self::ok(json!({ "message": message })) }
    }

    fn send(self) -> Response<Body> {
        let kind = if self.text.as_ref().is_some_and(|text| text.starts_with('<')) {
            "text/html"
        } else {
            "application/json"
        };
        let body = self.text.unwrap_or_else(|| self.body.to_string());
        let mut response = Response::builder().status(self.status).header("content-type", kind);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(body)).unwrap_or_default()
    }
}

pub(super) fn routes(clever: &Clever) -> Router {
    let mut routes = Router::new().route("/oauth/tokens", get(tokens));
    for version in ["v3.0", "v3.1"] {
        routes = routes
            .route(&format!("/{version}/{{things}}"), get(many))
            .route(&format!("/{version}/{{things}}/{{id}}"), get(single));
    }
    routes.with_state(clever.clone())
}

type Asked = Pairs<Vec<(String, String)>>;

async fn tokens(State(clever): State<Clever>, uri: Uri, headers: HeaderMap, pairs: Asked) -> Response<Body> {
    answer(&clever, &uri, |desk| {
        let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")));
        if header(&headers, "authorization") != basic {
            return Answer::no(401, "the app is not known");
        }
        let wanted = |name: &str| pairs.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let mut all =
            vec![("55108ad78349a40100000001".to_owned(), "practice-of-another-district".to_owned())];
        all.extend(desk.bearer().map(|token| (DISTRICT.to_owned(), token)));
        if let (Some(district), false) = (wanted("district"), desk.manners.all_tokens) {
            all.retain(|(owner, _)| owner == district);
        }
        let data: Vec<Value> = all
            .into_iter()
            .map(|(owner, token)| {
                json!({
                    "id": super::id(&owner), "created": "2026-08-02T22:42:10.533Z",
                    "owner": { "type": "district", "id": owner },
                    "access_token": token, "scopes": desk.manners.scopes,
                })
            })
            .collect();
        Answer::ok(json!({ "data": data, "links": [{ "rel": "self", "uri": uri.to_string() }] }))
    })
    .await
}

async fn many(
    State(clever): State<Clever>,
    Path(things): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    pairs: Asked,
) -> Response<Body> {
    answer(&clever, &uri, |desk| {
        if let Some(refused) = stranger(desk, &headers) {
            return refused;
        }
        let query = match Query::read(&pairs.0, &desk.manners) {
            Ok(query) => query,
            Err((status, message)) => return Answer::no(status, message),
        };
        let version = uri.path().split('/').nth(1).unwrap_or_default().to_owned();
        let host = header(&headers, "host");
        list(desk, &things, &query, &version, uri.path(), host)
    })
    .await
}

fn list(desk: &Desk, things: &str, query: &Query, version: &str, path: &str, host: &str) -> Answer {
    let district = Value::Object(desk.book.district.clone());
    let district_id = DISTRICT.to_owned();
    let in_role = |user: &Value| match &query.role {
        None => true,
        Some(role) => user.pointer(&format!("/roles/{role}")).is_some(),
    };
    let records: Vec<(&String, &Value)> = match things {
        "districts" => vec![(&district_id, &district)],
        "schools" => desk.book.schools.iter().collect(),
        "users" => desk.book.users.iter().filter(|(_, user)| in_role(user)).collect(),
        "events" if desk.manners.events => {
            let lost = desk.feed.forgotten.as_ref();
            if query.starting_after.as_ref().is_some_and(|after| lost.is_some_and(|lost| after <= lost)) {
                return Answer::no(404, "the event is no longer kept");
            }
            desk.feed.of(&query.record_types).map(|(id, event)| (id, event)).collect()
        }
        "events" => return Answer::no(403, "events are not enabled"),
        _ => return Answer::no(404, "there is no such collection"),
    };
    if query.count {
        return match desk.manners.count_off_by {
            None => Answer::no(400, "counting is not offered"),
            Some(off) => {
                let count = i64::try_from(records.len()).unwrap_or(i64::MAX).saturating_add(off);
                Answer::ok(json!({ "count": count, "data": [], "links": [] }))
            }
        };
    }
    let (data, links) = query.page(path, host, &records, &desk.manners);
    let data: Vec<Value> = data
        .into_iter()
        .map(|record| {
            let id = record.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            json!({ "data": shown(record, things, version, desk), "uri": format!("/{version}/{things}/{id}") })
        })
        .collect();
    let mut body = json!({ "data": data });
    if let (false, Some(body)) = (links.is_null(), body.as_object_mut()) {
        body.insert("links".to_owned(), links);
    }
    Answer::ok(body)
}

async fn single(
    State(clever): State<Clever>,
    Path((things, id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    answer(&clever, &uri, |desk| {
        if let Some(refused) = stranger(desk, &headers) {
            return refused;
        }
        let version = uri.path().split('/').nth(1).unwrap_or_default();
        let found = match things.as_str() {
            "districts" if id == DISTRICT => Some(Value::Object(desk.book.district.clone())),
            "schools" => desk.book.schools.get(&id).cloned(),
            "users" => desk.book.users.get(&id).cloned(),
            _ => None,
        };
        match found {
            None => Answer::no(404, "there is none of this id"),
            Some(record) => {
                let shown = shown(record, &things, version, desk);
                Answer::ok(json!({ "data": shown, "links": [{ "rel": "self", "uri": uri.path() }] }))
            }
        }
    })
    .await
}

/// A record as a version has it.
fn shown(mut record: Value, things: &str, version: &str, desk: &Desk) -> Value {
    if things == "events" {
        let previous = record.get_mut("data").and_then(Value::as_object_mut).and_then(|data| {
            if desk.manners.nested_previous { None } else { data.remove("previous_attributes") }
        });
        if let (Some(previous), Some(event)) = (previous, record.as_object_mut()) {
            event.insert("previous_attributes".to_owned(), previous);
        }
        return record;
    }
    if let (true, Some(part)) =
        (version == "v3.0", record.pointer_mut("/roles/student").and_then(Value::as_object_mut))
    {
        for field in NEW_IN_3_1 {
            part.remove(field);
        }
        part.remove("section_504_status");
    }
    record
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whoever has not the token.
fn stranger(desk: &Desk, headers: &HeaderMap) -> Option<Answer> {
    let token = desk.bearer().map(|token| format!("Bearer {token}"));
    let known = token.is_some_and(|token| header(headers, "authorization") == token);
    (!known).then(|| Answer::no(401, "invalid token"))
}

/// Counts the request, lets happen what was ordered, and sends the answer.
async fn answer(clever: &Clever, uri: &Uri, make: impl FnOnce(&Desk) -> Answer) -> Response<Body> {
    let target = uri.path_and_query().map_or("/", |all| all.as_str()).to_owned();
    let first = {
        let mut desk = clever.desk();
        desk.log.push(target.clone());
        let at = desk.before.iter().position(|(on, _)| target.contains(on.as_str()));
        at.map(|at| desk.before.remove(at).1)
    };
    if let Some(first) = first {
        first(clever);
    }
    let (mut answer, what) = {
        let mut desk = clever.desk();
        let what = strike(&mut desk.faults, &target);
        let (left, rest) = desk.count();
        let now = desk.now();
        let reset =
            now.as_second().saturating_add(i64::try_from(rest.as_secs_f64().ceil() as u64).unwrap_or(0));
        let mut answer = match left {
            Some(_) => make(&desk),
            None => Answer::no(429, "too many requests"),
        };
        let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
        let (mut limit, mut remaining, mut reset) = (desk.manners.limit, left.unwrap_or(0), Some(reset));
        match &what {
            Some(What::Status(status)) => answer = Answer::no(*status, "ordered by the test"),
            Some(What::Refusal(status, message)) => answer = Answer::no(*status, message),
            Some(What::Html(status)) => {
                answer = Answer {
                    text: Some("<html><body>Oops</body></html>".to_owned()),
                    ..Answer::no(*status, "")
                };
            }
            Some(What::TooMany { reset_in, retry_after }) => {
                answer = Answer::no(429, "too many requests");
                answer.headers.extend(retry_after.clone().map(|value| ("retry-after", value)));
                remaining = 0;
                reset = reset_in.map(|seconds| now.as_second().saturating_add(seconds));
            }
            Some(What::Half) => {
                let text = answer.body.to_string();
                answer.text = Some(text.chars().take(text.chars().count() / 2).collect());
            }
            Some(What::Redirect(to)) => {
                answer = Answer::no(302, "elsewhere");
                answer.headers.push(("location", to.clone()));
            }
            Some(What::Body(body)) => answer.text = Some(body.clone()),
            Some(What::Window(of, left, seconds)) => {
                (limit, remaining) = (*of, *left);
                reset = Some(now.as_second().saturating_add(*seconds));
            }
            Some(What::Slow(_)) | None => {}
        }
        answer.headers.push(("date", date));
        answer.headers.push(("x-ratelimit-bucket", "bearer".to_owned()));
        answer.headers.push(("x-ratelimit-limit", limit.to_string()));
        answer.headers.push(("x-ratelimit-remaining", remaining.to_string()));
        answer.headers.extend(reset.map(|reset| ("x-ratelimit-reset", reset.to_string())));
        (answer, what)
    };
    if let Some(What::Slow(time)) = what {
        tokio::time::sleep(time).await;
    }
    answer.headers.push(("x-request-id", super::id(&target)));
    answer.send()
}

/// The fault that strikes a request.
fn strike(faults: &mut [(Fault, u64)], target: &str) -> Option<What> {
    let mut struck = None;
    for (fault, seen) in faults.iter_mut().filter(|(fault, _)| target.contains(&fault.on)) {
        *seen += 1;
        let until = if fault.times == 0 { u64::MAX } else { fault.from.saturating_add(fault.times) };
        if struck.is_none() && *seen >= fault.from && *seen < until {
            struck = Some(fault.what.clone());
        }
    }
    struck
}
