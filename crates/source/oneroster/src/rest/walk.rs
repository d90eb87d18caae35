//! A collection read to its proven end: page by page, each row once, again where rows moved under way.
//!
//! The rules of paging are [`paging`]'s; what a row means is its taker's. While one page is read and taken, the next one is
//! already on its way: still one request at a time, and at most one too many at a collection's end.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;
use std::sync::Arc;

use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_oneroster::rest::page::{self, NoPage, Piece};
use rostercard_oneroster::rest::paging::{Arrived, Ask, Next, Proof, Walk};
use rostercard_oneroster::rest::query::Query;
use rostercard_oneroster::rest::record::Org;
use rostercard_oneroster::rest::trouble::Trouble;
use tokio::task::spawn_blocking;

use super::server::{Failure, Got, Server};
use crate::error;
use crate::index::{ByKey, Key, mixed};

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
    /// What decides how it is read.
    type By: Send + Sync + 'static;

    /// Reads it; and the key of its `sourcedId`, where it has one.
    fn read(bytes: &[u8], by: &Self::By) -> (Self, Option<Key>);
}

/// An organisation's record.
pub(crate) struct OrgRow {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) gone: bool,
}

impl Item for OrgRow {
    type By = ();

    fn read(bytes: &[u8], (): &()) -> (Self, Option<Key>) {
        let org = Org::read(bytes);
        let own = |text: &str| text.trim().to_owned();
        let row = Self {
            id: own(&org.head.source_id),
            kind: own(&org.kind),
            code: own(&org.identifier),
            name: own(&org.name),
            gone: org.head.is_gone(),
        };
        let key = (!row.id.is_empty()).then(|| Key::of(&row.id));
        (row, key)
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

/// How a collection is asked for, and its records read.
#[derive(Debug)]
pub(crate) struct How<T: Item> {
    pub(crate) filter: Option<String>,
    pub(crate) by: Arc<T::By>,
}

impl<T: Item> How<T> {
    /// All of it.
    pub(crate) fn all(by: T::By) -> Self {
        Self { filter: None, by: Arc::new(by) }
    }
}

/// Reads a collection. `take` gets every row, and may end the walk.
pub(crate) async fn walk<T: Item>(
    server: &Server,
    collection: Collection,
    how: &How<T>,
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
    how: &How<T>,
    query: &Query,
    walked: &mut Walked,
    take: &mut (dyn FnMut(Event<T>) -> ControlFlow<()> + Send),
) -> Result<(Option<Proof>, u128), Failure> {
    let mut walk = Walk::new(server.settings.page_size);
    let mut taking = Taking::default();
    let mut ahead: Option<(Ask, Result<Got, Failure>)> = None;
    let ask_for = async |ask: Ask| server.get(collection.name, &query.page(ask.limit, ask.offset)).await;
    loop {
        let ask = walk.ask();
        let mut fetched = match ahead.take() {
            Some((asked, got)) if asked == ask => Some(got),
            _ => None,
        };
        let mut fetches = 0;
        let arrived = loop {
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
            let by = Arc::clone(&how.by);
            let parse = spawn_blocking(move || Parsed::<T>::of(&got, collection.keys, &by));
            // Reading and taking go on beside the next request, so that nothing stands between two of them.
            let judge = async {
                match parse.await.map_err(|_| Failure::Error(error::lost()))? {
                    Ok(parsed) if parsed.whole => Ok(Judged::Taken(taking.page(parsed, take))),
                    // Not retried for ever: a page with a broken record stays so.
                    Ok(parsed) if fetches >= FETCHES && !parsed.truncated && !parsed.rows.is_empty() => {
                        walked.malformed = true;
                        Ok(Judged::Taken(taking.page(parsed, take)))
                    }
                    Err(NoPage::NoList) => Err(Failure::Error(no_page(server, collection, NoPage::NoList))),
                    Ok(_) if fetches >= FETCHES => Err(Failure::Error(truncated(server, collection))),
                    Err(why) if fetches >= FETCHES => Err(Failure::Error(no_page(server, collection, why))),
                    Ok(_) | Err(_) => Ok(Judged::Again),
                }
            };
            let judged = match walk.guess() {
                Some(guess) => {
                    let (judged, next) = tokio::join!(judge, ask_for(guess));
                    ahead = Some((guess, next));
                    judged
                }
                None => judge.await,
            };
            match judged? {
                Judged::Taken(Some(arrived)) => break Arrived { total, ..arrived },
                Judged::Taken(None) => return Ok((None, taking.set)),
                Judged::Again => {
                    ahead = None;
                    server.wait_a_little(fetches).await?;
                }
            }
        };
        let next = walk.page(arrived);
        walked.largest_page = walked.largest_page.max(walk.largest_page());
        walked.total = walk.total();
        match next {
            Next::Ask(_) => {}
            Next::End(proof) => return Ok((Some(proof), taking.set)),
            // Nobody is missed for want of a school's name.
            Next::OffsetIgnored if collection.keys == ORG_KEYS => {
                return Ok((Some(Proof::Whole), taking.set));
            }
            Next::OffsetIgnored => return Err(Failure::Error(offset_ignored(server, collection))),
        }
    }
}

/// What became of a page.
enum Judged {
    /// Its rows were taken; none is said where the taker ended the walk.
    Taken(Option<Arrived>),
    /// It has to be asked for again.
    Again,
}

/// The rows of a walk, as they are taken.
#[derive(Default)]
struct Taking {
    /// The contents of each row that came, and its number.
    seen: HashMap<Key, (u64, u32), ByKey>,
    /// All keys together.
    set: u128,
    last: Option<Key>,
    told: u32,
}

impl Taking {
    /// Tells a page's rows, each once; `None` where the taker wants no more.
    fn page<T>(
        &mut self,
        parsed: Parsed<T>,
        take: &mut (dyn FnMut(Event<T>) -> ControlFlow<()> + Send),
    ) -> Option<Arrived> {
        let rows = parsed.rows.len() + parsed.broken;
        let meets = parsed.rows.first().map(|row| row.key) == self.last && self.last.is_some();
        self.last = parsed.rows.last().map(|row| row.key).or(self.last);
        // What is no record is somebody, and always new.
        let (mut fresh, mut other) = (parsed.broken, 0);
        for _ in 0..parsed.broken {
            if take(Event::Broken).is_break() {
                return None;
            }
        }
        for Parsing { item, key, hash } in parsed.rows {
            let again = match self.seen.entry(key) {
                Entry::Vacant(new) => {
                    new.insert((hash, self.told));
                    fresh += 1;
                    self.set ^= key.bits();
                    None
                }
                Entry::Occupied(known) if known.get().0 == hash => continue,
                Entry::Occupied(mut known) => {
                    other += 1;
                    let (_, number) = known.insert((hash, self.told));
                    Some(number)
                }
            };
            if take(Event::Row { item, again }).is_break() {
                return None;
            }
            self.told = self.told.saturating_add(1);
        }
        Some(Arrived { rows, fresh, other, meets, total: None })
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
    /// Of its bytes.
    hash: u64,
}

impl<T: Item> Parsed<T> {
    fn of(got: &Got, keys: &[&str], by: &T::By) -> Result<Self, NoPage> {
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
            let (item, key) = T::read(bytes, by);
            let hash = mixed(bytes);
            // Without an id, one record is another where its bytes are.
            let key = key.unwrap_or_else(|| Key::of(&format!("\u{0}{hash:x}")));
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
    by: &T::By,
) -> Result<Option<T>, Failure> {
    if matches!(id, "" | "." | "..") {
        // In a path these mean something else.
        return Ok(None);
    }
    let path = format!("{}/{}", collection.name, rostercard_oneroster::rest::query::encode(id));
    match server.get(&path, "").await {
        Ok(got) if got.nothing => Ok(None),
        Ok(got) => match Parsed::of(&got, collection.keys, by) {
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
