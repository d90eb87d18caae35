//! A collection read to its proven end: page by page, each row once, again where rows moved under way.
//!
//! The rules of paging are [`paging`]'s; what a row means is its taker's. While one page is read, the next one is
//! already on its way: still one request at a time, and at most one too many at a collection's end.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_oneroster::rest::page::{self, NoPage, Piece};
use rostercard_oneroster::rest::paging::{Arrived, Ask, Next, Proof, Walk};
use rostercard_oneroster::rest::query::Query;
use rostercard_oneroster::rest::record::{Birth, Head, Org, User};
use rostercard_oneroster::rest::trouble::Trouble;
use tokio::task::spawn_blocking;

use super::server::{Failure, Got, Server};
use crate::error;
use crate::index::Key;

/// How often a collection is walked before rows that move are given up on.
const WALKS: u32 = 3;
/// How often a page is asked for that is no whole JSON.
const FETCHES: u32 = 3;

/// A collection: its endpoint, the names that its list may have, the fields that are enough.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Collection {
    pub(crate) name: &'static str,
    pub(crate) keys: &'static [&'static str],
    pub(crate) fields: &'static [&'static str],
}

const USER_KEYS: &[&str] = &["users", "user", "students", "student", "teachers", "teacher"];
const ORG_KEYS: &[&str] = &["orgs", "org", "schools", "school"];

pub(crate) const ORGS: Collection = Collection { name: "orgs", keys: ORG_KEYS, fields: &[] };
pub(crate) const SCHOOLS: Collection = Collection { name: "schools", keys: ORG_KEYS, fields: &[] };
pub(crate) const USERS: Collection = Collection { name: "users", keys: USER_KEYS, fields: &[] };
pub(crate) const STUDENTS: Collection = Collection { name: "students", keys: USER_KEYS, fields: &[] };
pub(crate) const TEACHERS: Collection = Collection { name: "teachers", keys: USER_KEYS, fields: &[] };
/// Race, sex and birth place are not even asked for.
pub(crate) const DEMOGRAPHICS: Collection = Collection {
    name: "demographics",
    keys: &["demographics", "demographic"],
    fields: &["sourcedId", "status", "dateLastModified", "birthDate"],
};

/// A record of some collection.
pub(crate) trait Item: Send + Sized + 'static {
    fn read(bytes: &[u8], wanted: &[String]) -> Self;
    fn head(&self) -> &Head;
}

impl Item for User {
    fn read(bytes: &[u8], wanted: &[String]) -> Self {
        Self::read(bytes, wanted)
    }
    fn head(&self) -> &Head {
        &self.head
    }
}

impl Item for Org {
    fn read(bytes: &[u8], _: &[String]) -> Self {
        Self::read(bytes)
    }
    fn head(&self) -> &Head {
        &self.head
    }
}

impl Item for Birth {
    fn read(bytes: &[u8], _: &[String]) -> Self {
        Self::read(bytes)
    }
    fn head(&self) -> &Head {
        &self.head
    }
}

/// What a walk tells its taker.
pub(crate) enum Event<T> {
    /// It begins, or begins anew: what was taken so far is void.
    Start,
    /// A row, and the number of an earlier one with the same `sourcedId` and other contents: rows are numbered from zero
    /// as they are told.
    Row { item: T, again: Option<u32> },
    /// Something in a page that is no record.
    Broken,
}

/// What a collection turned out to be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Walked {
    /// Why it may not be everything; none where it is proven to be.
    pub(crate) doubt: Option<&'static str>,
    /// Whether a page was no whole JSON.
    pub(crate) malformed: bool,
    /// The largest page.
    pub(crate) largest_page: usize,
    /// The total that the server said.
    pub(crate) total: Option<u64>,
    /// Whether pages had `Link`.
    pub(crate) has_link: bool,
    /// Whether the taker ended it.
    pub(crate) stopped: bool,
    /// Whether the server would not sort, or not select fields.
    pub(crate) no_sort: bool,
    pub(crate) no_fields: bool,
}

impl Walked {
    /// Why it may not be everything, in codes.
    pub(crate) fn doubts(self) -> impl Iterator<Item = &'static str> {
        self.doubt.into_iter().chain(self.malformed.then_some("page_malformed"))
    }
}

/// How a collection is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct How {
    pub(crate) filter: Option<String>,
    /// Paths below `metadata` that are wanted.
    pub(crate) wanted: Arc<[String]>,
}

/// Reads a collection. `take` gets every row, and may end the walk.
pub(crate) async fn walk<T: Item>(
    server: &Server,
    collection: Collection,
    how: &How,
    take: &mut (dyn FnMut(Event<T>) -> ControlFlow<()> + Send),
) -> Result<Walked, Failure> {
    let mut walked = Walked::default();
    let mut query = Query { filter: how.filter.clone(), sorted: true, fields: collection.fields };
    let mut sets = Vec::new();
    for _ in 0..WALKS {
        let (proof, set) = loop {
            if take(Event::Start).is_break() {
                walked.stopped = true;
                return Ok(walked);
            }
            match once(server, collection, how, &query, &mut walked, take).await {
                Err(Failure::Refused { status: 400 | 422, trouble }) if simpler(&mut query, &trouble) => {}
                other => break other?,
            }
        };
        walked.no_sort = !query.sorted;
        walked.no_fields = query.fields.is_empty() && !collection.fields.is_empty();
        // The same rows twice running are what there is, however unsteady the pages were.
        let steady = sets.last() == Some(&set);
        sets.push(set);
        match proof {
            None => {
                walked.stopped = true;
                return Ok(walked);
            }
            Some(Proof::Whole) => {
                walked.doubt = None;
                return Ok(walked);
            }
            Some(Proof::Drifted) if steady => {
                walked.doubt = None;
                return Ok(walked);
            }
            Some(Proof::Drifted) => walked.doubt = Some("rows_moved_while_read"),
            Some(Proof::Short { .. }) if steady => {
                walked.doubt = Some("total_not_reached");
                return Ok(walked);
            }
            Some(Proof::Short { .. }) => walked.doubt = Some("total_not_reached"),
        }
    }
    Ok(walked)
}

/// Takes away what the server may not like: whether there was something to take.
fn simpler(query: &mut Query, trouble: &Trouble) -> bool {
    if query.filter.is_some() && trouble.is(&["invalid_filter_field"]) {
        return false;
    }
    if !query.fields.is_empty() && (trouble.is(&["invalid_selection_field"]) || !query.sorted) {
        query.fields = &[];
        return true;
    }
    std::mem::take(&mut query.sorted)
}

/// One walk; no proof where the taker ended it.
async fn once<T: Item>(
    server: &Server,
    collection: Collection,
    how: &How,
    query: &Query,
    walked: &mut Walked,
    take: &mut (dyn FnMut(Event<T>) -> ControlFlow<()> + Send),
) -> Result<(Option<Proof>, u128), Failure> {
    let mut walk = Walk::new(server.settings.page_size);
    let mut seen: HashMap<Key, (u64, u32)> = HashMap::new();
    let (mut set, mut last, mut told) = (0_u128, None, 0_u32);
    let mut ahead: Option<(Ask, Result<Got, Failure>)> = None;
    let ask_for = async |ask: Ask| server.get(collection.name, &query.page(ask.limit, ask.offset)).await;
    loop {
        let ask = walk.ask();
        let mut fetched = match ahead.take() {
            Some((asked, got)) if asked == ask => Some(got),
            _ => None,
        };
        let mut fetches = 0;
        let page = loop {
            fetches += 1;
            let got = match fetched.take() {
                Some(got) => got,
                None => ask_for(ask).await,
            };
            let got = match got {
                // Behind the last row some say that there is nothing.
                Err(Failure::Refused { status: 404, .. }) if walk.came() > 0 => Got::nothing(),
                other => other?,
            };
            let total = got.total.filter(|_| !server.settings.ignore_total);
            walked.has_link |= got.has_link;
            let wanted = Arc::clone(&how.wanted);
            let parse = spawn_blocking(move || Parsed::<T>::of(&got, collection.keys, &wanted));
            let parsed = match walk.guess() {
                Some(guess) => {
                    let (parsed, next) = tokio::join!(parse, ask_for(guess));
                    ahead = Some((guess, next));
                    parsed
                }
                None => parse.await,
            };
            match parsed.map_err(|_| Failure::Error(error::lost()))? {
                Ok(parsed) if parsed.whole => break (parsed, total),
                // Not retried for ever: a page with a broken record stays so.
                Ok(parsed) if fetches >= FETCHES && !parsed.truncated && !parsed.rows.is_empty() => {
                    walked.malformed = true;
                    break (parsed, total);
                }
                Err(NoPage::NoList) => {
                    return Err(Failure::Error(no_page(server, collection, NoPage::NoList)));
                }
                Ok(_) if fetches >= FETCHES => return Err(Failure::Error(truncated(server, collection))),
                Err(why) if fetches >= FETCHES => {
                    return Err(Failure::Error(no_page(server, collection, why)));
                }
                Ok(_) | Err(_) => {
                    ahead = None;
                    server.wait_a_little(fetches).await?;
                }
            }
        };
        let (parsed, total) = page;
        let rows = parsed.rows.len() + parsed.broken;
        let meets = parsed.rows.first().map(|row| row.key) == last && last.is_some();
        last = parsed.rows.last().map(|row| row.key).or(last);
        // What is no record is somebody, and always new.
        let (mut fresh, mut other) = (parsed.broken, 0);
        for _ in 0..parsed.broken {
            if take(Event::Broken).is_break() {
                return Ok((None, set));
            }
        }
        for Parsing { item, key, hash } in parsed.rows {
            let again = match seen.entry(key) {
                Entry::Vacant(new) => {
                    new.insert((hash, told));
                    fresh += 1;
                    set ^= key.bits();
                    None
                }
                Entry::Occupied(known) if known.get().0 == hash => continue,
                Entry::Occupied(mut known) => {
                    other += 1;
                    let (_, number) = known.insert((hash, told));
                    Some(number)
                }
            };
            if take(Event::Row { item, again }).is_break() {
                return Ok((None, set));
            }
            told = told.saturating_add(1);
        }
        let next = walk.page(Arrived { rows, fresh, other, meets, total });
        walked.largest_page = walked.largest_page.max(walk.largest_page());
        walked.total = walk.total();
        match next {
            Next::Ask(_) => {}
            Next::End(proof) => return Ok((Some(proof), set)),
            // Nobody is missed for want of a school's name.
            Next::OffsetIgnored if collection.keys == ORG_KEYS => return Ok((Some(Proof::Whole), set)),
            Next::OffsetIgnored => return Err(Failure::Error(offset_ignored(server, collection))),
        }
    }
}

/// A page's records, read.
struct Parsed<T> {
    rows: Vec<Parsing<T>>,
    broken: usize,
    whole: bool,
    truncated: bool,
}

struct Parsing<T> {
    item: T,
    key: Key,
    hash: u64,
}

impl<T: Item> Parsed<T> {
    fn of(got: &Got, keys: &[&str], wanted: &[String]) -> Result<Self, NoPage> {
        if got.nothing {
            return Ok(Self { rows: Vec::new(), broken: 0, whole: true, truncated: false });
        }
        let text = page::text(&got.body, got.charset.as_deref());
        let page = page::split(&text, keys)?;
        let mut rows = Vec::with_capacity(page.pieces.len());
        let mut broken = 0;
        for piece in &page.pieces {
            let Piece::Record(bytes) = piece else {
                broken += 1;
                continue;
            };
            let item = T::read(bytes, wanted);
            let mut hasher = DefaultHasher::new();
            hasher.write(bytes);
            let hash = hasher.finish();
            let id = item.head().source_id.trim();
            // Without an id, one record is another where its bytes are.
            let key = if id.is_empty() { Key::of(&format!("\u{0}{hash:x}")) } else { Key::of(id) };
            rows.push(Parsing { item, key, hash });
        }
        Ok(Self { rows, broken, whole: page.whole, truncated: page.truncated })
    }
}

/// One record by its id; `None` where the server says that there is none.
pub(crate) async fn one<T: Item>(
    server: &Server,
    collection: Collection,
    id: &str,
    wanted: &[String],
) -> Result<Option<T>, Failure> {
    if matches!(id, "" | "." | "..") {
        // In a path these mean something else.
        return Ok(None);
    }
    let path = format!("{}/{}", collection.name, rostercard_oneroster::rest::query::encode(id));
    match server.get(&path, "").await {
        Ok(got) if got.nothing => Ok(None),
        Ok(got) => match Parsed::of(&got, collection.keys, wanted) {
            Ok(parsed) if parsed.whole => Ok(parsed.rows.into_iter().next().map(|row| row.item)),
            Ok(_) => Err(Failure::Error(truncated(server, collection))),
            Err(why) => Err(Failure::Error(no_page(server, collection, why))),
        },
        Err(Failure::Refused { status: 404 | 410, .. }) => Ok(None),
        Err(failure) => Err(failure),
    }
}

pub(crate) fn no_page(server: &Server, collection: Collection, why: NoPage) -> ConnectorError {
    ConnectorError::new(
        Fault::District,
        Retry::Later,
        format!("{}: /{}: {why}", server.origin(), collection.name),
        "Check the url and version in the configuration; if they are right, ask the SIS's vendor",
    )
}

fn truncated(server: &Server, collection: Collection) -> ConnectorError {
    ConnectorError::new(
        Fault::District,
        Retry::Later,
        format!(
            "{}: /{}: the JSON ends in the middle, each time it is asked for",
            server.origin(),
            collection.name
        ),
        "Nothing was used of it; it is tried again with the next run. A smaller page_size may help",
    )
}

fn offset_ignored(server: &Server, collection: Collection) -> ConnectorError {
    ConnectorError::new(
        Fault::District,
        Retry::NotThisTarget,
        format!("{}: /{} gives the same rows for every offset", server.origin(), collection.name),
        "Raise page_size above the number of people, or ask the SIS's vendor; nothing was used of it",
    )
}
