//! How the practice Clever behaves, and what goes wrong on demand.

use std::time::Duration;

/// What the links of a list look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Links {
    /// Paths; self, next, prev.
    #[default]
    Usual,
    /// Paths; next before self.
    Shuffled,
    /// Whole addresses of this host.
    Absolute,
    /// Next is on another host.
    Elsewhere,
    /// Next is the same page, for ever.
    Circle,
    /// There are none.
    Missing,
}

/// What is not as usual.
#[derive(Debug, Clone)]
pub struct Manners {
    /// Requests in a window.
    pub limit: u64,
    /// The window's length.
    pub window: Duration,
    /// The most records at once; more asked for is 413.
    pub most: u64,
    /// The links of lists.
    pub links: Links,
    /// A full last page has a next link, which leads to an empty page.
    pub eager_next: bool,
    /// Events keep what was before within `data`, as recorded feeds do, and not beside it, as the specification says.
    pub nested_previous: bool,
    /// The list of tokens is everybody's, whatever district is asked for.
    pub all_tokens: bool,
    /// How many users too many are counted; none: counting is not offered.
    pub count_off_by: Option<i64>,
    /// Whether there is a feed.
    pub events: bool,
    /// What the token may read.
    pub scopes: Vec<String>,
}

impl Default for Manners {
    /// As Clever's documents say.
    fn default() -> Self {
        Self {
            limit: 1_200,
            window: Duration::from_secs(60),
            most: 10_000,
            links: Links::Usual,
            eager_next: false,
            nested_previous: false,
            all_tokens: false,
            count_off_by: Some(0),
            events: true,
            scopes: ["read:sis", "read:user_id"].map(str::to_owned).to_vec(),
        }
    }
}

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A text that path and query contain.
    pub on: String,
    /// From which such request on, counted from 1.
    pub from: u64,
    /// How many in a row; 0: all that come.
    pub times: u64,
    /// What.
    pub what: What,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A status with Clever's own body for errors.
    Status(u16),
    /// A status with a message of the test's.
    Refusal(u16, String),
    /// A status with a page of HTML.
    Html(u16),
    /// 429 with these headers: the window's end in seconds from now, and `Retry-After`.
    TooMany {
        /// Seconds until the window ends.
        reset_in: Option<i64>,
        /// `Retry-After` as it stands.
        retry_after: Option<String>,
    },
    /// The first half of the answer.
    Half,
    /// A redirect to another address.
    Redirect(String),
    /// This body, with status 200.
    Body(String),
    /// The answer takes so long.
    Slow(Duration),
    /// These headers for the window, with an answer that is right: limit, remaining, seconds until it ends.
    Window(u64, u64, i64),
}

impl Fault {
    /// Once, at the first request whose path and query contain a text.
    #[must_use]
    pub fn once(on: &str, what: What) -> Self {
        Self { on: on.to_owned(), from: 1, times: 1, what }
    }

    /// At every such request.
    #[must_use]
    pub fn always(on: &str, what: What) -> Self {
        Self { times: 0, ..Self::once(on, what) }
    }
}
