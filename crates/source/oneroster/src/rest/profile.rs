//! What `check --online` says of a server: how it logs us in, pages, filters and errs, and what that means for the
//! configuration. It reads a page here and there, and one collection of people at most, and keeps nothing.

use std::collections::{BTreeSet, HashSet};

use jiff::{SignedDuration, Timestamp};
use rostercard_core::field::Field;
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::ConnectorError;
use rostercard_oneroster::rest::page::{self, Piece};
use rostercard_oneroster::rest::query::Query;
use rostercard_oneroster::rest::record::{Birth, User, names};

use super::form::moment;
use super::server::{Failure, Got, Server};
use super::settings::Login;
use super::source::{OneRosterRest, fail};
use super::walk::{self, Collection};
use crate::index::Key;
use crate::settings::StudentIdFrom;

/// Rows that are looked at.
const SAMPLE: usize = 500;

/// Fields of a user that are known and never copied, with those that rules may allow.
const NEVER: &[&str] = &["password", "userProfiles", "agents", "resources", "pronouns"];

struct Said(Vec<Finding>);

impl Said {
    fn say(&mut self, code: &'static str, message: impl Into<String>) {
        self.0.push(Finding::new(code, Place::default(), message));
    }
}

/// A sample of a collection.
struct Sample {
    users: Vec<User<'static>>,
    names: BTreeSet<String>,
    total: Option<u64>,
    has_link: bool,
}

/// Tries what a read needs, and says what the server is like.
pub(super) async fn profile(source: &mut OneRosterRest) -> Result<Vec<Finding>, ConnectorError> {
    let mut said = Said(Vec::new());
    let schools = source.schools().await?;
    let server = source.server()?;
    said.say("profile_server", format!("{} organisations are listed at {}", schools.len(), server.origin()));
    scopes(source, &server, &mut said).await;
    let (collection, sample) = people(&server).await?;
    if collection.name != walk::STUDENTS.name {
        said.say(
            "profile_people",
            "there is no /students: /users is read, and roles are looked at here; people = \"users\"",
        );
    }
    paging(source, &server, collection, &sample, &mut said).await?;
    filters(&server, collection, &sample, &mut said).await?;
    identity(source, &sample, &mut said);
    births(source, &server, &sample, &mut said).await?;
    dropped(source, &sample, &mut said);
    let noticed = server.noticed();
    if noticed.limits {
        said.say("profile_rate", "the server says how many requests it takes, and that is kept to");
    }
    if let Some(ahead) = noticed.ahead.filter(|ahead| ahead.abs() > SignedDuration::from_mins(5)) {
        let side = if ahead.is_positive() { "ahead of" } else { "behind" };
        let minutes = (ahead.abs().as_secs() + 30) / 60;
        said.say("profile_clock", format!("the server's clock is {minutes} minutes {side} this machine's"));
    }
    said.say("profile_requests", format!("{} requests were made for this", noticed.requests));
    Ok(said.0)
}

async fn scopes(source: &OneRosterRest, server: &Server, said: &mut Said) {
    let Login::OAuth2 { scopes, .. } = &source.settings().login else {
        said.say("profile_login", "the login is accepted; it has no scopes");
        return;
    };
    match server.granted().await {
        None => said.say(
            "profile_scopes",
            "a token was given, and no word about its scopes: those that were asked for",
        ),
        Some(granted) => {
            let short = |scope: &String| scope.rsplit('/').next().unwrap_or_default().to_owned();
            let all = granted.iter().map(short).collect::<Vec<_>>().join(", ");
            said.say("profile_scopes", format!("a token was given for: {all}"));
            let missing: Vec<String> = scopes.iter().filter(|s| !granted.contains(s)).map(short).collect();
            if !missing.is_empty() {
                let missing = missing.join(", ");
                said.say(
                    "scopes_narrowed",
                    format!("the token lacks scopes that were asked for: {missing}; the district has to grant them, or take them out of scopes"),
                );
            }
        }
    }
}

async fn people(server: &Server) -> Result<(Collection, Sample), ConnectorError> {
    let query = Query { sorted: true, ..Query::default() };
    for collection in [walk::STUDENTS, walk::USERS] {
        let mut got = server.get(collection.name, &query.page(SAMPLE, 0)).await;
        if let Err(Failure::Refused { status: 400 | 422, .. }) = got {
            got = server.get(collection.name, &Query::default().page(SAMPLE, 0)).await;
        }
        match got {
            Ok(got) => return Ok((collection, sample(server, collection, &got)?)),
            Err(Failure::Refused { status: 404 | 405 | 501, .. }) if collection.name == "students" => {}
            Err(failure) => return Err(fail(server, collection, failure)),
        }
    }
    Ok((walk::USERS, Sample { users: Vec::new(), names: BTreeSet::new(), total: None, has_link: false }))
}

fn sample(server: &Server, collection: Collection, got: &Got) -> Result<Sample, ConnectorError> {
    let mut sample =
        Sample { users: Vec::new(), names: BTreeSet::new(), total: got.total, has_link: got.has_link };
    if got.nothing {
        return Ok(sample);
    }
    let text = page::text(&got.body, got.charset.as_deref());
    let page = page::split(&text, collection.keys).map_err(|why| walk::no_page(server, collection, why))?;
    for piece in &page.pieces {
        if let Piece::Record(bytes) = piece {
            sample.names.extend(names(bytes));
            sample.users.push(User::read(bytes, &[]).into_owned());
        }
    }
    Ok(sample)
}

async fn paging(
    source: &OneRosterRest,
    server: &Server,
    collection: Collection,
    sample: &Sample,
    said: &mut Said,
) -> Result<(), ConnectorError> {
    let rows = sample.users.len();
    let headers = match (sample.total, sample.has_link) {
        (Some(total), true) => format!("X-Total-Count ({total}) and Link"),
        (Some(total), false) => format!("X-Total-Count ({total})"),
        (None, true) => "Link, and no total".to_owned(),
        (None, false) => "neither a total nor Link: an empty page ends a walk".to_owned(),
    };
    said.say(
        "profile_paging",
        format!("a page of {SAMPLE} was asked for and {rows} rows came; pages have {headers}"),
    );
    let more = sample.total.is_some_and(|total| total > rows as u64);
    if rows < SAMPLE && (more || (sample.total.is_none() && rows > 0)) {
        // Whether there are more behind a short page tells a clamp from an end.
        let got =
            server.get(collection.name, &Query { sorted: true, ..Query::default() }.page(1, rows)).await;
        let behind = match got {
            Ok(got) => !self::sample(server, collection, &got)?.users.is_empty(),
            Err(Failure::Refused { .. }) => false,
            Err(failure) => return Err(fail(server, collection, failure)),
        };
        if behind {
            said.say("profile_clamp", format!("the server gives {rows} rows at most; page_size = {rows}"));
        }
    } else if source.settings().page_size > SAMPLE {
        said.say("profile_clamp", format!("pages of {SAMPLE} come whole; larger ones were not tried"));
    }
    Ok(())
}

async fn filters(
    server: &Server,
    collection: Collection,
    sample: &Sample,
    said: &mut Said,
) -> Result<(), ConnectorError> {
    let newest = sample.users.iter().filter_map(|user| moment(&user.head.modified)).max();
    let Some(newest) = newest else {
        said.say(
            "profile_filter",
            "no row says when it changed: changes alone cannot be read; incremental = false",
        );
        return Ok(());
    };
    let mut works = Vec::new();
    for operator in [">", ">=", "="] {
        let filter = format!("dateLastModified{operator}'{newest:.3}'");
        let query = Query { filter: Some(filter), ..Query::default() };
        match server.get(collection.name, &query.page(SAMPLE, 0)).await {
            Ok(got) => {
                let found = self::sample(server, collection, &got)?;
                let older =
                    found.users.iter().filter_map(|user| moment(&user.head.modified)).any(|at| at < newest);
                works.push((operator, !older, found.users.len()));
            }
            Err(Failure::Refused { .. }) => {}
            Err(failure) => return Err(fail(server, collection, failure)),
        }
    }
    if works.is_empty() {
        said.say(
            "profile_filter",
            "filters by dateLastModified are refused: everything is read each time; incremental = false",
        );
        return Ok(());
    }
    if works.iter().any(|(_, filters, _)| !filters) {
        said.say(
            "profile_filter",
            "filters by dateLastModified change nothing: everything is read each time; incremental = false",
        );
        return Ok(());
    }
    let operators = works.iter().map(|(operator, ..)| *operator).collect::<Vec<_>>().join(" ");
    said.say("profile_filter", format!("filters by dateLastModified work: {operators}"));
    skew(server, collection, newest, said).await
}

/// Whether filters compare another time than rows show: a row's own time must be found an hour before it.
async fn skew(
    server: &Server,
    collection: Collection,
    newest: Timestamp,
    said: &mut Said,
) -> Result<(), ConnectorError> {
    for hours in [0, 1, 4, 8, 12, 16, 24] {
        let since = newest - SignedDuration::from_hours(hours) - SignedDuration::from_secs(1);
        let query = Query { filter: Some(format!("dateLastModified>'{since:.3}'")), ..Query::default() };
        let found = match server.get(collection.name, &query.page(1, 0)).await {
            Ok(got) => !sample(server, collection, &got)?.users.is_empty(),
            Err(Failure::Refused { .. }) => return Ok(()),
            Err(failure) => return Err(fail(server, collection, failure)),
        };
        if found && hours == 0 {
            said.say("profile_skew", "dateLastModified and the filter mean the same time");
            return Ok(());
        }
        if found {
            let message = format!(
                "rows show a time up to {hours} hours ahead of what filters compare; the overlap covers it"
            );
            said.say("profile_skew", message);
            return Ok(());
        }
    }
    said.say(
        "profile_skew",
        "rows show a time more than 24 hours ahead of what filters compare: changes would be missed; incremental = false",
    );
    Ok(())
}

fn identity(source: &OneRosterRest, sample: &Sample, said: &mut Said) {
    let users = &sample.users;
    let gone = users.iter().filter(|user| user.head.is_gone()).count();
    said.say(
        "profile_tombstones",
        match gone {
            0 => "no tombstone among the rows that were looked at: who left may only be found by a full read"
                .to_owned(),
            gone => format!("{gone} of {} rows are tombstones", users.len()),
        },
    );
    let kinds: BTreeSet<&str> =
        users.iter().flat_map(|u| u.user_ids.iter().map(|(kind, _)| &**kind)).collect();
    let mut ids = vec![
        ("identifier".to_owned(), StudentIdFrom::Identifier),
        ("userMasterIdentifier".to_owned(), StudentIdFrom::UserMasterIdentifier),
    ];
    // A kind is a word of the district's; one that looks like an id of a person is not repeated.
    let plain = |kind: &&&str| kind.len() <= 30 && kind.chars().filter(char::is_ascii_digit).count() < 4;
    ids.extend(
        kinds
            .iter()
            .filter(plain)
            .map(|kind| (format!("userIds:{kind}"), StudentIdFrom::UserIds((*kind).to_owned()))),
    );
    for (name, from) in ids {
        let values: Vec<&str> =
            users.iter().map(|user| value(user, &from)).filter(|v| !v.is_empty()).collect();
        if values.is_empty() {
            continue;
        }
        let different: HashSet<Key> = values.iter().map(|value| Key::of(value)).collect();
        let chosen = if from == source.settings().student_id { " (chosen)" } else { "" };
        said.say(
            "profile_student_id",
            format!(
                "{name}{chosen}: {} of {} people have it, {} different; student_id = \"{name}\"",
                values.len(),
                users.len(),
                different.len()
            ),
        );
    }
}

fn value<'u>(user: &'u User<'_>, from: &StudentIdFrom) -> &'u str {
    match from {
        StudentIdFrom::Identifier => user.identifier.trim(),
        StudentIdFrom::UserMasterIdentifier => user.master_identifier.trim(),
        StudentIdFrom::UserIds(kind) => {
            user.user_ids.iter().find(|(k, _)| k == kind).map_or("", |(_, id)| id.trim())
        }
        StudentIdFrom::SourcedId | StudentIdFrom::Username => "",
    }
}

async fn births(
    source: &OneRosterRest,
    server: &Server,
    sample: &Sample,
    said: &mut Said,
) -> Result<(), ConnectorError> {
    if !source.rules().allows(Field::BirthDate) {
        said.say("profile_birth_dates", "birth dates may not be read, and are not asked for");
        return Ok(());
    }
    let query = Query { fields: walk::DEMOGRAPHICS.fields, ..Query::default() };
    let mut got = server.get(walk::DEMOGRAPHICS.name, &query.page(SAMPLE, 0)).await;
    if let Err(Failure::Refused { status: 400 | 422, .. }) = got {
        said.say(
            "profile_fields",
            "the server does not select fields: all of demographics is sent, and all but birth dates dropped",
        );
        got = server.get(walk::DEMOGRAPHICS.name, &Query::default().page(SAMPLE, 0)).await;
    }
    let got = match got {
        Ok(got) => got,
        Err(Failure::Refused { status, trouble }) => {
            said.say(
                "demographics_forbidden",
                format!("demographics are not given (HTTP {status}): {trouble}; the district has to grant roster-demographics.readonly"),
            );
            return Ok(());
        }
        Err(failure) => return Err(fail(server, walk::DEMOGRAPHICS, failure)),
    };
    let text = page::text(&got.body, got.charset.as_deref());
    let rows: Vec<Birth<'_>> = match page::split(&text, walk::DEMOGRAPHICS.keys) {
        Ok(page) => page
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Record(bytes) => Some(Birth::read(bytes)),
                Piece::Broken => None,
            })
            .collect(),
        Err(_) if got.nothing => Vec::new(),
        Err(why) => return Err(walk::no_page(server, walk::DEMOGRAPHICS, why)),
    };
    let known: HashSet<Key> = rows
        .iter()
        .filter(|birth| rostercard_oneroster::date(&birth.birth_date).day().is_some())
        .map(|birth| Key::of(birth.head.source_id.trim()))
        .collect();
    let of_sample =
        sample.users.iter().filter(|user| known.contains(&Key::of(user.head.source_id.trim()))).count();
    said.say(
        "profile_birth_dates",
        format!(
            "{} of {} rows of demographics have a birth date, {of_sample} of them of people in the sample",
            known.len(),
            rows.len()
        ),
    );
    Ok(())
}

fn dropped(source: &OneRosterRest, sample: &Sample, said: &mut Said) {
    let rules = source.rules();
    let guarded = [
        ("email", Field::Email),
        ("phone", Field::Phone),
        ("sms", Field::Phone),
        ("middleName", Field::MiddleName),
    ];
    let sent: Vec<&str> = NEVER
        .iter()
        .copied()
        .chain(guarded.iter().filter(|(_, field)| !rules.allows(*field)).map(|(name, _)| *name))
        .filter(|name| sample.names.contains(*name))
        .collect();
    if !sent.is_empty() {
        said.say("profile_dropped", format!("the server sends what is never copied: {}", sent.join(", ")));
    }
    if sample.names.contains("metadata") && rules.allows(Field::Address) {
        said.say(
            "profile_metadata",
            "there is metadata: [source.oneroster.columns] says where in it an address lies",
        );
    }
}
