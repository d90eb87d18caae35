//! Clever for practice: its Data API 3.0 and 3.1 with tokens and an event feed that follows every change of the roster, and a
//! toggle or a fault for each way in which a client can be surprised ([`Manners`], [`Fault`]).
//!
//! Served are tokens, districts, schools, users and events. Sections, courses, terms, resources and attendance are not: to a
//! library they say nothing. Written from Clever's documents; it shares nothing with the connector.

mod book;
mod feed;
mod manners;
mod query;
mod serve;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

pub use book::{Book, id};
pub use manners::{Fault, Links, Manners, What};

use super::Mount;
use super::package::Package;
use feed::Feed;

/// The district's id.
pub const DISTRICT: &str = "55108ad78349a40100000022";
/// What the practice Clever knows its client by.
pub const CLIENT_ID: &str = "practice-app";
/// And its secret.
pub const CLIENT_SECRET: &str = "practice-app-secret";

/// What its clock says at first: events and the windows for rates are dated by it.
const START: &str = "2026-11-24T08:00:00Z";

/// Something that happens just before a request is answered.
type Before = Box<dyn FnOnce(&Clever) + Send>;

/// Everything that changes, under one lock.
struct Desk {
    book: Book,
    feed: Feed,
    manners: Manners,
    faults: Vec<(Fault, u64)>,
    before: Vec<(String, Before)>,
    /// Paths and queries since the last [`Clever::take_log`].
    log: Vec<String>,
    /// How often the token was rotated; none: the district has disconnected the app.
    token: Option<u32>,
    /// Requests in this window, and when it began.
    window: (u64, Instant),
    /// The clock's beginning.
    started: (Timestamp, Instant),
}

/// A practice Clever; copies share its records and manners.
#[derive(Clone)]
pub struct Clever {
    desk: Arc<Mutex<Desk>>,
}

impl std::fmt::Debug for Clever {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clever").finish_non_exhaustive()
    }
}

impl Clever {
    /// One with these records. The feed is empty: nothing has happened yet.
    #[must_use]
    pub fn with(book: Book) -> Self {
        let now = Instant::now();
        let start = START.parse().unwrap_or_default();
        let desk = Desk {
            book,
            feed: Feed::default(),
            manners: Manners::default(),
            faults: Vec::new(),
            before: Vec::new(),
            log: Vec::new(),
            token: Some(0),
            window: (0, now),
            started: (start, now),
        };
        Self { desk: Arc::new(Mutex::new(desk)) }
    }

    /// One with the records of a package.
    #[must_use]
    pub fn of(package: &Package) -> Self {
        Self::with(Book::of(package))
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What [`super::Sis`] serves; its address is the host of both the data and the tokens.
    #[must_use]
    pub fn mounts(&self) -> Vec<Mount> {
        vec![Mount { name: "clever", path: "", routes: serve::routes(self) }]
    }

    /// Changes the manners.
    pub fn manners(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.desk().manners);
    }

    /// Orders a fault.
    pub fn fault(&self, fault: Fault) {
        self.desk().faults.push((fault, 0));
    }

    /// Forgets all faults.
    pub fn mend(&self) {
        self.desk().faults.clear();
    }

    /// Does something just before the next request is answered whose path and query contain a text.
    pub fn before(&self, on: &str, what: impl FnOnce(&Self) + Send + 'static) {
        self.desk().before.push((on.to_owned(), Box::new(what)));
    }

    /// Changes records; the feed tells what differs.
    pub fn edit(&self, change: impl FnOnce(&mut Book)) {
        let mut desk = self.desk();
        let before = desk.book.clone();
        change(&mut desk.book);
        let now = desk.now();
        let Desk { book, feed, .. } = &mut *desk;
        feed.tell(&before, book, now);
    }

    /// The same with an event feed that says nothing of it: events were switched off meanwhile.
    pub fn edit_silently(&self, change: impl FnOnce(&mut Book)) {
        change(&mut self.desk().book);
    }

    /// Puts events of the test's own making at the feed's end; ids are given.
    pub fn tell(&self, kind: &str, data: &Value) {
        let mut desk = self.desk();
        let now = desk.now();
        desk.feed.push(kind, data, now);
    }

    /// Says the last event once more under the same id.
    pub fn say_again(&self) {
        self.desk().feed.say_again();
    }

    /// Forgets all events so far, as Clever does after 30 days.
    pub fn forget_events(&self) {
        self.desk().feed.forget();
    }

    /// How many events there are.
    #[must_use]
    pub fn events(&self) -> usize {
        self.desk().feed.len()
    }

    /// The token is another one from now on.
    pub fn rotate(&self) {
        let mut desk = self.desk();
        desk.token = desk.token.map(|token| token + 1);
    }

    /// The district takes its permission away, or gives it back.
    pub fn connected(&self, connected: bool) {
        self.desk().token = connected.then_some(7);
    }

    /// The paths and queries that were asked for since the last call.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.desk().log)
    }

    /// The token as it is now.
    #[must_use]
    pub fn token(&self) -> Option<String> {
        self.desk().bearer()
    }
}

impl Desk {
    fn now(&self) -> Timestamp {
        let (then, started) = self.started;
        then.checked_add(started.elapsed()).unwrap_or(then)
    }

    fn bearer(&self) -> Option<String> {
        self.token.map(|turn| format!("practice{turn:032x}"))
    }

    /// Counts a request: how many are left in the window, and in how long it ends; none left: too many.
    fn count(&mut self) -> (Option<u64>, Duration) {
        let length = self.manners.window;
        if self.window.1.elapsed() >= length {
            self.window = (0, Instant::now());
        }
        self.window.0 += 1;
        let rest = length.saturating_sub(self.window.1.elapsed());
        (self.manners.limit.checked_sub(self.window.0), rest)
    }
}
