//! A collection, page by page: by the `next` link wherever it stands, on the same host alone, never in a circle, and in smaller
//! pieces where Clever says that they are too large.

use std::collections::HashSet;

use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_web::Endpoint;
use serde_json::value::RawValue;

use crate::api::{Api, escaped};
use crate::digest::{Short, short};
use crate::shapes::{self, Text};
use crate::trouble::Trouble;

/// More pages than any district has.
const MOST: usize = 100_000;
/// Fewer than so many records at once are not asked for.
const LEAST: u32 = 10;

/// Where a reading of a collection is.
#[derive(Debug)]
pub(crate) struct Pages {
    /// Path and query, without limit and place.
    path: String,
    /// For messages: `the list of users`.
    what: &'static str,
    limit: u32,
    next: Next,
    /// The last record's id, from which smaller pieces go on.
    last: Option<String>,
    seen: HashSet<Short>,
}

#[derive(Debug)]
enum Next {
    /// By limit and place.
    Own,
    /// By Clever's own link.
    Link(Endpoint),
    End,
}

/// What a page said besides its records.
struct Told {
    next: Option<String>,
    last: Option<String>,
}

/// A record's id.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Identity {
    id: Text,
}

impl Pages {
    /// From the beginning, or after a record.
    pub(crate) fn new(
        path: impl Into<String>,
        what: &'static str,
        limit: u32,
        after: Option<String>,
    ) -> Self {
        Self { path: path.into(), what, limit, next: Next::Own, last: after, seen: HashSet::new() }
    }

    /// The next page: each record is handed to `each`. `false` where there was none.
    pub(crate) async fn next(
        &mut self,
        api: &mut Api,
        mut each: impl FnMut(&RawValue) + Send,
    ) -> Result<bool, Trouble> {
        loop {
            let address = match &self.next {
                Next::End => return Ok(false),
                Next::Link(address) => address.clone(),
                Next::Own => {
                    let joint = if self.path.contains('?') { '&' } else { '?' };
                    let mut path = format!("{}{joint}limit={}", self.path, self.limit);
                    if let Some(last) = &self.last {
                        path.push_str(&format!("&starting_after={}", escaped(last)));
                    }
                    api.address(&path)?
                }
            };
            let read = |body: &[u8]| {
                let list = shapes::list(body).ok()?;
                list.data.iter().for_each(|raw| each(raw));
                let last = list.data.last().and_then(|raw| shapes::record::<Identity>(raw));
                let last = last.map(|record| record.id.get().to_owned()).filter(|id| !id.is_empty());
                Some(Told { next: list.next().map(str::to_owned), last })
            };
            match api.ask(&address, read).await {
                Ok(told) => {
                    self.last = told.last.or(self.last.take());
                    self.next = match told.next {
                        None => Next::End,
                        Some(uri) => Next::Link(self.follow(api, &uri)?),
                    };
                    return Ok(true);
                }
                Err(Trouble::TooLong) if self.limit > LEAST => {
                    self.limit = (self.limit / 2).max(LEAST);
                    self.next = Next::Own;
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn follow(&mut self, api: &Api, uri: &str) -> Result<Endpoint, Trouble> {
        let address = api.link(uri)?;
        if self.seen.len() >= MOST || !self.seen.insert(short(&[uri.as_bytes()])) {
            return Err(Trouble::Failed(ConnectorError::new(
                Fault::Network,
                Retry::Later,
                format!(
                    "{}: {} goes in a circle: a page leads to one that was read already",
                    api.origin(),
                    self.what
                ),
                "Report it to Clever with the time of this run; nothing was withdrawn",
            )));
        }
        Ok(address)
    }

    /// The trouble as an error of the source.
    pub(crate) fn error(&self, api: &Api, trouble: Trouble) -> ConnectorError {
        trouble.error(&api.origin(), self.what)
    }

    /// The last record's id so far.
    pub(crate) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }
}
