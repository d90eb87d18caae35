//! The page for people and the JSON for tests: patrons, counts, log, faults, and what staff do at the desk.
//!
//! Everybody here is invented, so names are shown. No login: a practice ILS belongs on loopback.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::faults::Fault;
use super::patron::{Patron, Refusal};
use super::{Counts, Desk, Shared, merge};

/// How many patrons the page shows at once.
const SHOWN: usize = 300;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(page))
        .route("/patrons.json", get(patrons))
        .route("/counts.json", get(async |State(s): State<Arc<Shared>>| Json(s.desk().counts())))
        .route("/log.json", get(async |State(s): State<Arc<Shared>>| Json(s.desk().log.clone())))
        .route("/practice/patrons", post(staff))
        .route("/practice/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/practice/reset-counts", post(reset_counts))
        .route("/practice/down", post(down))
        .route("/practice/load", post(load))
}

/// All patrons as one JSON list, the oldest first.
async fn patrons(State(shared): State<Arc<Shared>>) -> Response {
    // Written under the lock, so that nobody's record is copied first.
    let body = serde_json::to_vec(&shared.desk().register.all().collect::<Vec<_>>());
    match body {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A file of new patrons, as the loader would take it.
async fn load(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let report = super::loader::load(&mut shared.desk().register, &body);
    let refused: Vec<_> = report
        .rows
        .iter()
        .filter_map(|row| Some(json!({ "line": row.line, "why": row.refused.as_ref()? })))
        .collect();
    let status = if report.wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    (status, Json(json!({ "made": report.made, "refused": refused, "wrong": report.wrong }))).into_response()
}

/// What staff do, as JSON: `{"add": {..}}`, `{"edit": {"barcode": .., "set": {..}}}`, `{"delete": {"barcode": ..}}`,
/// `{"merge": {"from": .., "into": ..}}`. The fields are those of `/patrons.json`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Staff {
    Add(Map<String, Value>),
    Edit { barcode: String, set: Map<String, Value> },
    Delete { barcode: String },
    Merge { from: String, into: String },
}

async fn staff(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let asked = match serde_json::from_str(&body) {
        Ok(asked) => asked,
        Err(error) => return wrong(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let mut desk = shared.desk();
    match at_the_desk(&mut desk, asked) {
        Ok(patron) => Json(patron).into_response(),
        Err(Wrong::Fields(why)) => wrong(StatusCode::BAD_REQUEST, &why),
        Err(Wrong::Refused(Refusal::UnknownPatron)) => {
            wrong(StatusCode::NOT_FOUND, "there is no such patron")
        }
        Err(Wrong::Refused(refusal)) => wrong(StatusCode::CONFLICT, &refusal.to_string()),
    }
}

enum Wrong {
    Fields(String),
    Refused(Refusal),
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn at_the_desk(desk: &mut Desk, asked: Staff) -> Result<Patron, Wrong> {
    match asked {
        Staff::Add(fields) => {
            let draft = with(&Patron::default(), fields)?;
            Ok(desk.register.create(draft, "staff")?.clone())
        }
        Staff::Edit { barcode, set } => {
            let after = with(desk.register.find(&barcode).ok_or(Refusal::UnknownPatron)?, set)?;
            let changed = desk.register.change(&barcode, "edit", "staff", |patron| {
                *patron = after;
                Ok(())
            });
            Ok(changed?.clone())
        }
        Staff::Delete { barcode } => Ok(desk.register.delete(&barcode)?),
        Staff::Merge { from, into } => Ok(merge(desk, &from, &into)?),
    }
}

/// A patron with some fields set anew.
fn with(patron: &Patron, set: Map<String, Value>) -> Result<Patron, Wrong> {
    let fields = |error: serde_json::Error| Wrong::Fields(error.to_string());
    let mut value = serde_json::to_value(patron).map_err(fields)?;
    if let Value::Object(all) = &mut value {
        all.extend(set);
    }
    serde_json::from_value(value).map_err(fields)
}

fn wrong(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

async fn faults(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.desk().faults.all()).into_response()
}

/// One fault, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    More(Vec<Value>),
    One(Value),
}

async fn add_faults(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let read = serde_json::from_str(&body).and_then(|asked| {
        let values = match asked {
            OneOrMore::More(values) => values,
            OneOrMore::One(value) => vec![value],
        };
        values.into_iter().map(serde_json::from_value::<Fault>).collect::<Result<Vec<_>, _>>()
    });
    match read {
        Ok(faults) => {
            let mut desk = shared.desk();
            for fault in faults {
                desk.faults.add(fault);
            }
            Json(desk.faults.all()).into_response()
        }
        Err(error) => wrong(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.desk().faults.clear();
    StatusCode::NO_CONTENT
}

async fn reset_counts(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.desk().counts = Counts::default();
    StatusCode::NO_CONTENT
}

/// `{"down": true}`: NCIP connections are closed without an answer until `{"down": false}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Down {
    down: bool,
}

async fn down(State(shared): State<Arc<Shared>>, body: String) -> Response {
    match serde_json::from_str::<Down>(&body) {
        Ok(asked) => {
            shared.down.store(asked.down, Ordering::SeqCst);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => wrong(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// Which patrons the page shows.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Filter {
    branch: Option<String>,
    category: Option<String>,
}

async fn page(State(shared): State<Arc<Shared>>, Query(filter): Query<Filter>) -> Html<String> {
    let desk = shared.desk();
    let counts = desk.counts();
    let (mut branches, mut categories) = (BTreeMap::new(), BTreeMap::new());
    for patron in desk.register.all() {
        *branches.entry(code(&patron.home_branch)).or_insert(0u64) += 1;
        *categories.entry(code(&patron.category)).or_insert(0u64) += 1;
    }
    let wanted =
        |wanted: &Option<String>, has: &Option<String>| wanted.as_deref().is_none_or(|w| w == code(has));
    let shown = desk
        .register
        .all()
        .rev()
        .filter(|p| wanted(&filter.branch, &p.home_branch) && wanted(&filter.category, &p.category))
        .take(SHOWN);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Practice ILS" }
                style { (STYLE) }
            }
            body {
                h1 { "Practice ILS" }
                p { "A library system for practice. Everybody in it is invented, so names and PINs are shown." }
                p {
                    (counts.patrons) " patrons; since the start " (counts.lookups) " look-ups, " (counts.created)
                    " made, " (counts.updated) " changed, " (counts.problems) " problems, " (counts.faults) " faults."
                }
                (tally("Home branch", "branch", &branches))
                (tally("Category", "category", &categories))
                h2 { "Patrons" }
                @if counts.patrons > SHOWN as u64 { p { "The newest " (SHOWN) " of those chosen are shown." } }
                table {
                    thead { tr {
                        @for head in ["Barcode", "Surname", "Given", "Middle", "Born", "Category", "Branch", "Expires",
                            "Status", "PIN", "Address", "E-mail", "Phone", "Codes", "Writes"] { th { (head) } }
                    } }
                    tbody { @for patron in shown { (row(patron)) } }
                }
                h2 { "Last messages" }
                table {
                    thead { tr { @for head in ["No.", "Message", "Barcode", "Outcome", "Fault"] { th { (head) } } } }
                    tbody {
                        @for entry in desk.log.iter().rev() {
                            tr {
                                td { (entry.number) }
                                td { (entry.service) }
                                td { (entry.barcode) }
                                td { (entry.outcome) }
                                td { @if let Some(what) = &entry.fault { (format!("{what:?}")) } }
                            }
                        }
                    }
                }
            }
        }
    };
    Html(page.into_string())
}

const STYLE: &str = "body{font:15px sans-serif;margin:2em}table{border-collapse:collapse;margin-bottom:1em}\
                     th,td{border:1px solid #bbb;padding:.2em .5em;text-align:left;vertical-align:top}\
                     th{background:#eee}tr:nth-child(even) td{background:#f8f8f8}";

fn code(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("none")
}

fn tally(title: &str, key: &str, counts: &BTreeMap<&str, u64>) -> Markup {
    html! {
        table {
            thead { tr { th { (title) } th { "Patrons" } } }
            tbody {
                @for (code, count) in counts {
                    tr { td { a href={ "/?" (key) "=" (in_link(code)) } { (code) } } td { (count) } }
                }
            }
        }
    }
}

/// A code as a link carries it.
fn in_link(code: &str) -> String {
    let mut out = String::new();
    for byte in code.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn row(patron: &Patron) -> Markup {
    let status = if patron.blocked { "Blocked" } else { "Active" };
    html! {
        tr {
            td { (patron.barcode) }
            td { (patron.surname) @if !patron.suffix.is_empty() { " " (patron.suffix) } }
            td { (patron.given) }
            td { (patron.middle) }
            td { (patron.birth_date.as_deref().unwrap_or("")) }
            td { (patron.category.as_deref().unwrap_or("")) }
            td { (patron.home_branch.as_deref().unwrap_or("")) }
            td { (patron.expires.as_deref().unwrap_or("")) }
            td { (status) @for block in &patron.blocks { "; " (block) } }
            td { (patron.pin.as_deref().unwrap_or("")) }
            td {
                @for a in &patron.addresses {
                    (a.line1) " " (a.line2) @if !a.city.is_empty() { ", " } (a.city) " " (a.state) " " (a.zip)
                }
            }
            td { (patron.emails.join(", ")) }
            td { (patron.phones.join(", ")) }
            td { @for (name, code) in &patron.stat_codes { (name) "=" (code) " " } }
            td { @for write in &patron.history { (write.kind) " (" (write.by) ") " } }
        }
    }
}
