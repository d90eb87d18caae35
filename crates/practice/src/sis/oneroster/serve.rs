//! The endpoints: who may, what is asked, which rows, and in which manner.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Response, Uri};
use axum::routing::{get, post};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::answer::Reply;
use super::auth;
use super::query::{BadQuery, Query};
use super::quirks::{Link, Strike, Total};
use super::render::{Renderer, Version, select};
use super::{Asked, Desk, OneRoster, PATH_1P1, PATH_1P2, PATH_TOKEN};
use crate::sis::Mount;

/// The page that the specification gives to those who ask for none.
const USUAL_LIMIT: usize = 100;

/// Each endpoint with its envelope.
const ENDPOINTS: &[(&str, &str, &str)] = &[
    ("orgs", "orgs", "org"),
    ("schools", "orgs", "org"),
    ("users", "users", "user"),
    ("students", "users", "user"),
    ("teachers", "users", "user"),
    ("demographics", "demographics", "demographics"),
];

pub(super) fn mounts(district: &OneRoster) -> Vec<Mount> {
    let mut routes = Router::new().route(PATH_TOKEN, post(token));
    for (path, version) in [(PATH_1P1, Version::V1p1), (PATH_1P2, Version::V1p2)] {
        let many = move |state, headers, uri, raw, Path(endpoint): Path<String>| {
            answer(state, headers, uri, raw, version, endpoint, None)
        };
        let single = move |state, headers, uri, raw, Path((endpoint, id)): Path<(String, String)>| {
            answer(state, headers, uri, raw, version, endpoint, Some(id))
        };
        routes = routes
            .route(&format!("{path}/{{endpoint}}"), get(many))
            .route(&format!("{path}/{{endpoint}}/{{id}}"), get(single));
    }
    let routes = routes.with_state(district.clone());
    let empty = Router::new;
    vec![
        Mount { name: "oneroster_1_1", path: PATH_1P1, routes },
        Mount { name: "oneroster_1_2", path: PATH_1P2, routes: empty() },
        Mount { name: "token", path: PATH_TOKEN, routes: empty() },
    ]
}

async fn token(State(district): State<OneRoster>, headers: HeaderMap, body: String) -> Response<Body> {
    let mut desk = district.desk();
    let now = desk.now();
    let quirks = desk.quirks.clone();
    let (status, value) = desk.tokens.give(&quirks, &headers, &body);
    Reply::json(status, &value).send(now, None)
}

async fn answer(
    State(district): State<OneRoster>,
    headers: HeaderMap,
    uri: Uri,
    RawQuery(raw): RawQuery,
    version: Version,
    endpoint: String,
    id: Option<String>,
) -> Response<Body> {
    let raw = raw.unwrap_or_default();
    let (reply, strike, now) = {
        let mut desk = district.desk();
        let strike = desk.strike(&endpoint);
        let reply = desk.reply(&headers, &uri, &raw, version, &endpoint, id.as_deref(), strike.as_ref());
        let status = if strike == Some(Strike::Cut) { 0 } else { reply.status };
        let target = uri.path_and_query().map_or_else(String::new, ToString::to_string);
        desk.log.push(Asked { endpoint, target, status });
        desk.drift();
        (reply, strike, desk.now())
    };
    if let Some(Strike::Late(milliseconds)) = strike {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    reply.send(now, strike.as_ref())
}

impl Desk {
    #[expect(
        clippy::disallowed_methods,
        reason = "a server stamps its answers; tests say the time themselves"
    )]
    fn now(&self) -> Timestamp {
        let now = self.now.unwrap_or_else(Timestamp::now);
        now + SignedDuration::from_secs(self.quirks.clock_ahead)
    }

    /// Counts a request, and says what strikes it.
    fn strike(&mut self, endpoint: &str) -> Option<Strike> {
        let any = self.counts.entry(String::new()).or_default();
        *any += 1;
        let any = *any;
        let own = self.counts.entry(endpoint.to_owned()).or_default();
        *own += 1;
        let own = *own;
        self.quirks.faults.iter().find_map(|fault| {
            let number = match &fault.endpoint {
                None => any,
                Some(wanted) if wanted == endpoint => own,
                Some(_) => return None,
            };
            (number >= fault.from && number < fault.from + fault.times).then(|| fault.strike.clone())
        })
    }

    /// Rows come and go while they are read.
    fn drift(&mut self) {
        let asked = self.counts.get("students").copied().unwrap_or(0)
            + self.counts.get("users").copied().unwrap_or(0);
        let Some(drift) = self.quirks.drift.filter(|drift| {
            asked > 0 && (asked == drift.after || (drift.always && asked.is_multiple_of(drift.after)))
        }) else {
            return;
        };
        self.found.clear();
        if drift.removes {
            let first = self.book.users.iter().position(|user| user.is("student"));
            if let Some(at) = first {
                self.book.users.remove(at);
            }
        } else if let Some(mut user) = self.book.users.first().cloned() {
            user.id = format!("!drift-{asked}");
            user.identifier = format!("drift{asked}");
            self.book.users.insert(0, user);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "it is a request, taken apart")]
    fn reply(
        &mut self,
        headers: &HeaderMap,
        uri: &Uri,
        raw: &str,
        version: Version,
        endpoint: &str,
        id: Option<&str>,
        strike: Option<&Strike>,
    ) -> Reply {
        let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        match strike {
            Some(Strike::Status { status, retry_after }) => {
                return Reply::fault(*status, retry_after.as_deref(), self.now());
            }
            Some(Strike::LoginPage) => return Reply::page(200, "Please log in"),
            Some(Strike::Redirect(to)) => {
                let mut reply = Reply::empty(302);
                reply.headers.push(("location", to.clone()));
                return reply;
            }
            _ => {}
        }
        let quirks = self.quirks.clone();
        let asked = auth::Asked { host, path: uri.path(), query: raw };
        if !self.tokens.admits(&quirks, headers, &asked) {
            return Reply::error(&quirks, 401, "unauthorisedrequest");
        }
        let known = ENDPOINTS.iter().find(|(name, ..)| *name == endpoint);
        let Some((_, many, single)) = known.filter(|_| !quirks.missing.iter().any(|m| m == endpoint)) else {
            return Reply::error(&quirks, 404, "unknownobject");
        };
        if quirks.no_singles && id.is_some() {
            return Reply::error(&quirks, 404, "unknownobject");
        }
        if endpoint == "demographics" && quirks.demographics_forbidden {
            return Reply::error(&quirks, 403, "forbidden");
        }
        let query = match Query::parse(raw) {
            Ok(query) => query,
            Err(BadQuery::Filter) => return Reply::error(&quirks, 400, "invalid_filter_field"),
            Err(_) => return Reply::error(&quirks, 400, "invaliddata"),
        };
        if quirks.rejects_filter && query.filter.is_some() {
            return Reply::error(&quirks, 400, "invalid_filter_field");
        }
        if (quirks.rejects_fields && !query.fields.is_empty())
            || (quirks.rejects_sort && query.sort.is_some())
        {
            return Reply::error(&quirks, 400, "invalid_selection_field");
        }
        match id {
            Some(id) => self.single(&query, version, endpoint, single, id),
            None => self.many(&query, version, endpoint, many, (host, uri.path())),
        }
    }

    fn single(&self, query: &Query, version: Version, endpoint: &str, envelope: &str, id: &str) -> Reply {
        let at = (0..self.rows(endpoint)).find(|at| self.id(endpoint, *at) == id && self.has(endpoint, *at));
        let Some(mut row) = at.and_then(|at| self.row(version, endpoint, at)) else {
            return match self.quirks.unknown_is_204 {
                true => Reply::empty(204),
                false => Reply::error(&self.quirks, 404, "unknownobject"),
            };
        };
        select(&mut row, &query.fields);
        Reply::json(200, &json!({ envelope: row }))
    }

    fn many(
        &mut self,
        query: &Query,
        version: Version,
        endpoint: &str,
        envelope: &str,
        (host, path): (&str, &str),
    ) -> Reply {
        let quirks = self.quirks.clone();
        let found = self.found(query, version, endpoint);
        let limit = match (query.limit, quirks.ignores_limit) {
            (_, true) => usize::MAX,
            (limit, false) => limit.unwrap_or(USUAL_LIMIT).min(quirks.clamp.unwrap_or(usize::MAX)),
        };
        let mut offset = if quirks.ignores_offset { 0 } else { query.offset };
        if quirks.repeats_last && offset > 0 && offset < found.len() {
            offset -= 1;
        }
        let page: Vec<usize> = found.iter().skip(offset).take(limit).copied().collect();
        let mut rows = Vec::with_capacity(page.len() * 700);
        for (nth, at) in page.iter().enumerate() {
            if nth > 0 {
                rows.push(b',');
            }
            if let Some(raw) = quirks.raw.get(self.id(endpoint, *at)) {
                rows.extend_from_slice(raw.as_bytes());
            } else if let Some(mut row) = self.row(version, endpoint, *at) {
                select(&mut row, &query.fields);
                rows.extend_from_slice(row.to_string().as_bytes());
            }
        }
        let single = quirks.single_objects && page.len() == 1;
        let (open, close) = if single { ("", "") } else { ("[", "]") };
        let name = quirks.envelope.as_deref().unwrap_or(envelope);
        let before = match quirks.envelope {
            Some(_) => format!(
                "\"totalCount\":{},\"statusInfoSet\":[{{\"imsx_codeMajor\":\"success\"}}],",
                found.len()
            ),
            None => String::new(),
        };
        let mut body = format!("{{{before}\"{name}\":{open}").into_bytes();
        body.append(&mut rows);
        body.extend_from_slice(format!("{close}}}").as_bytes());
        let mut reply = Reply::json(200, &Value::Null);
        reply.body = body;
        if quirks.bom {
            reply.body.splice(0..0, [0xef, 0xbb, 0xbf]);
            reply.headers = vec![("content-type", "application/json".to_owned())];
        }
        if let Some(said) = quirks.latin1 {
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            reply.body = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
            let kind =
                if said { "application/json; charset=iso-8859-1" } else { "application/json; charset=utf-8" };
            reply.headers = vec![("content-type", kind.to_owned())];
        }
        let total = match quirks.total {
            Total::Exact => Some(found.len()),
            Total::None => None,
            Total::Page => Some(page.len()),
            Total::Unfiltered => Some(self.rows(endpoint)),
            Total::TooMany(more) => Some(found.len() + more),
        };
        reply.headers.extend(total.map(|total| ("x-total-count", total.to_string())));
        reply
            .headers
            .extend(link(quirks.link, query, host, path, limit, found.len()).map(|link| ("link", link)));
        reply
    }

    /// The places of the rows that a query finds, before paging.
    fn found(&mut self, query: &Query, version: Version, endpoint: &str) -> Arc<Vec<usize>> {
        let filter = query.filter.as_ref().filter(|_| !self.quirks.ignores_filter);
        let plain = filter.is_none();
        let key = format!("{endpoint} {:?} {}", query.sort, query.descending);
        if let Some(found) = self.found.get(&key).filter(|_| plain) {
            return Arc::clone(found);
        }
        let passes = |at: usize| {
            let Some(filter) = filter else { return true };
            self.row(version, endpoint, at)
                .is_some_and(|row| filter.passes(&row, self.modified(endpoint, at)))
        };
        let mut found: Vec<usize> =
            (0..self.rows(endpoint)).filter(|at| self.has(endpoint, *at) && passes(*at)).collect();
        if query.sort.as_deref() == Some("sourcedId") {
            found.sort_by(|a, b| self.id(endpoint, *a).cmp(self.id(endpoint, *b)));
        }
        if query.descending {
            found.reverse();
        }
        let found = Arc::new(found);
        if plain {
            self.found.insert(key, Arc::clone(&found));
        }
        found
    }

    fn rows(&self, endpoint: &str) -> usize {
        match endpoint {
            "orgs" | "schools" => self.book.orgs.len(),
            "demographics" => self.book.births.len(),
            _ => self.book.users.len(),
        }
    }

    /// Whether a record belongs to an endpoint.
    fn has(&self, endpoint: &str, at: usize) -> bool {
        match endpoint {
            "schools" => self.book.orgs.get(at).is_some_and(|org| org.kind == "school"),
            "orgs" | "demographics" => true,
            _ => self.book.users.get(at).is_some_and(|user| {
                (!user.gone || !self.quirks.hides_tombstones)
                    && match endpoint {
                        "students" => user.is("student"),
                        "teachers" => user.is("teacher"),
                        _ => true,
                    }
            }),
        }
    }

    fn id(&self, endpoint: &str, at: usize) -> &str {
        let id = match endpoint {
            "orgs" | "schools" => self.book.orgs.get(at).map(|org| &org.id),
            "demographics" => self.book.births.get(at).map(|birth| &birth.id),
            _ => self.book.users.get(at).map(|user| &user.id),
        };
        id.map_or("", String::as_str)
    }

    fn modified(&self, endpoint: &str, at: usize) -> Timestamp {
        let modified = match endpoint {
            "orgs" | "schools" => None,
            "demographics" => self.book.births.get(at).map(|birth| birth.modified),
            _ => self.book.users.get(at).map(|user| user.modified),
        };
        modified.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn row(&self, version: Version, endpoint: &str, at: usize) -> Option<Value> {
        let base = if version == Version::V1p1 { PATH_1P1 } else { PATH_1P2 };
        let renderer = Renderer { quirks: &self.quirks, version, base };
        match endpoint {
            "orgs" | "schools" => self.book.orgs.get(at).map(|org| renderer.org(org)),
            "demographics" => self.book.births.get(at).map(|birth| renderer.birth(birth)),
            _ => self.book.users.get(at).map(|user| renderer.user(user)),
        }
    }
}

/// The `Link` header.
fn link(link: Link, query: &Query, host: &str, path: &str, limit: usize, found: usize) -> Option<String> {
    let kept: Vec<&str> = query
        .raw
        .split('&')
        .filter(|p| !p.is_empty() && !p.starts_with("offset=") && !p.starts_with("limit="))
        .collect();
    let kept = if link == Link::DropsFilter { String::new() } else { kept.join("&") };
    let at = |offset: usize| {
        let more = if kept.is_empty() { String::new() } else { format!("&{kept}") };
        format!("http://{host}{path}?limit={limit}&offset={offset}{more}")
    };
    let next = query.offset.saturating_add(limit);
    let text = match link {
        Link::None => return None,
        Link::Malformed => format!("{}; rel=\"next\",", at(next + 1)),
        Link::Loops => format!("<{}>; rel=\"next\"", at(query.offset)),
        Link::Endless => format!("<{}>; rel=\"next\"", at(next)),
        Link::Elsewhere => format!("<https://evil.example.org{path}?offset={next}>; rel=\"next\""),
        Link::Good | Link::DropsFilter => {
            let mut all = vec![format!("<{}>; rel=\"first\"", at(0))];
            if next < found {
                all.push(format!("<{}>; rel=\"next\"", at(next)));
            }
            if query.offset > 0 {
                all.push(format!("<{}>; rel=\"prev\"", at(query.offset.saturating_sub(limit))));
            }
            all.join(", ")
        }
    };
    Some(text)
}
