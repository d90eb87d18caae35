//! OneRoster 1.1 and 1.2 over REST: rostering, read-only, from one set of records, with a toggle for each way in which
//! real servers stray from the specification ([`Quirks`]).
//!
//! Both versions are served at once, below `/ims/oneroster/v1p1` and `/ims/oneroster/rostering/v1p2`, with tokens at
//! `/oauth/token`. There are orgs, schools, users, students, teachers and demographics, as collections and singly.
//! Gradebook, resources, classes and enrollments are not served.

mod answer;
mod auth;
mod book;
mod query;
mod quirks;
mod render;
mod serve;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use auth::{BEARER, CLIENT_ID, CLIENT_SECRET};
pub use book::{Birth, Book, Org, Role, User};
pub use quirks::{
    Auth, Booleans, Drift, Fault, Link, PERSONALITIES, Quirks, Shape, Strike, TokenAuth, Total,
};

use super::Mount;
use super::package::Package;
use auth::Tokens;

/// Where 1.1 is.
pub const PATH_1P1: &str = "/ims/oneroster/v1p1";
/// Where 1.2 is.
pub const PATH_1P2: &str = "/ims/oneroster/rostering/v1p2";
/// Where tokens are given.
pub const PATH_TOKEN: &str = "/oauth/token";

/// A request for rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `students`, `demographics`, ..
    pub endpoint: String,
    /// The path and query, as they came.
    pub target: String,
    /// The status it was answered with; 0 where the connection was cut.
    pub status: u16,
}

/// Everything that changes, under one lock.
struct Desk {
    book: Book,
    quirks: Quirks,
    tokens: Tokens,
    log: Vec<Asked>,
    /// Requests by endpoint, for faults.
    counts: HashMap<String, u64>,
    /// Places of the rows that a query without paging finds; forgotten when a record changes.
    found: HashMap<String, Arc<Vec<usize>>>,
    /// The time that the server believes it is, where a test says it; else the machine's.
    now: Option<jiff::Timestamp>,
}

/// A OneRoster server's records and manners; copies share them.
#[derive(Clone)]
pub struct OneRoster {
    desk: Arc<Mutex<Desk>>,
}

impl std::fmt::Debug for OneRoster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneRoster").finish_non_exhaustive()
    }
}

impl OneRoster {
    /// One with the records of a package.
    #[must_use]
    pub fn of(package: &Package, quirks: Quirks) -> Self {
        Self::with(Book::of(package), quirks)
    }

    /// One with these records.
    #[must_use]
    pub fn with(book: Book, quirks: Quirks) -> Self {
        let desk = Desk {
            book,
            quirks,
            tokens: Tokens::default(),
            log: Vec::new(),
            counts: HashMap::new(),
            found: HashMap::new(),
            now: None,
        };
        Self { desk: Arc::new(Mutex::new(desk)) }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What [`super::Sis`] serves.
    #[must_use]
    pub fn mounts(&self) -> Vec<Mount> {
        serve::mounts(self)
    }

    /// Changes the manners; faults count anew.
    pub fn quirks(&self, change: impl FnOnce(&mut Quirks)) {
        let mut desk = self.desk();
        change(&mut desk.quirks);
        desk.counts.clear();
    }

    /// Changes records.
    pub fn edit<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        let mut desk = self.desk();
        desk.found.clear();
        change(&mut desk.book)
    }

    /// Says what time the server believes it is, in its `Date` header.
    pub fn set_now(&self, now: jiff::Timestamp) {
        self.desk().now = Some(now);
    }

    /// The requests for rows since the last call.
    #[must_use]
    pub fn take_log(&self) -> Vec<Asked> {
        std::mem::take(&mut self.desk().log)
    }

    /// How many tokens were given.
    #[must_use]
    pub fn tokens_given(&self) -> u64 {
        self.desk().tokens.given()
    }

    /// The scopes that were asked for last.
    #[must_use]
    pub fn scopes_asked(&self) -> Vec<String> {
        self.desk().tokens.asked.clone()
    }
}
