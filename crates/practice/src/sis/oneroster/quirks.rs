//! The manners of OneRoster servers that really exist, one toggle for each. The default is a server as the
//! specification wants it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is asked of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// OAuth 2 client credentials.
    #[default]
    Oauth2,
    /// One bearer token for ever.
    Bearer,
    /// OAuth 1.0a, signed with either method.
    Oauth1,
    /// Nothing.
    Open,
}

/// How the client must say who it is at the token address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenAuth {
    /// In any way.
    #[default]
    Any,
    /// HTTP Basic with the values as they are.
    BasicRaw,
    /// HTTP Basic with the values form-encoded first.
    BasicEncoded,
    /// In the body.
    Post,
}

/// What `X-Total-Count` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Total {
    /// The number of rows that the query finds.
    #[default]
    Exact,
    /// The header is missing.
    None,
    /// The number of rows of this page.
    Page,
    /// The number of all rows, whatever the filter.
    Unfiltered,
    /// So many more than there are.
    TooMany(usize),
}

/// What the `Link` header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// First, last, next and prev, with the whole query.
    #[default]
    Good,
    /// The header is missing.
    None,
    /// Next without filter and sort.
    DropsFilter,
    /// No angle brackets, counting from one, a comma at the end.
    Malformed,
    /// Next is this page.
    Loops,
    /// There is always a next page.
    Endless,
    /// Next is on another server.
    Elsewhere,
}

/// How booleans are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Booleans {
    /// `"true"`.
    #[default]
    Text,
    /// `true`.
    Json,
    /// `1`.
    Number,
    /// `"TRUE"`.
    Upper,
}

/// The shape of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The object of 1.2, bare.
    #[default]
    Bare,
    /// The same in an object of its name.
    Wrapped,
    /// The array of 1.1.
    StatusInfoSet,
    /// 1.0: no prefix.
    Old,
    /// The minor code as a text where an object belongs.
    Flat,
    /// A page for people.
    Html,
}

/// What a fault does in place of the answer, or to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strike {
    /// A status, with a `Retry-After` as it stands here.
    Status {
        /// The HTTP status.
        status: u16,
        /// The header's value; none: the header is missing.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// A login page, with 200.
    LoginPage,
    /// The JSON ends in the middle, with the length that it has.
    Truncated,
    /// The connection ends in the middle of the body.
    Cut,
    /// The answer comes after so many milliseconds.
    Late(u64),
    /// Sends the asker to another address.
    Redirect(String),
}

/// A fault on some requests for rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The endpoint, such as `students`; none: any.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The first request it strikes, counted from one for its endpoint.
    #[serde(default = "one")]
    pub from: u64,
    /// How many requests it strikes.
    #[serde(default = "one")]
    pub times: u64,
    /// What it does.
    #[serde(rename = "do")]
    pub strike: Strike,
}

fn one() -> u64 {
    1
}

/// Something that happens to the rows while they are being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// After how many requests for users or students.
    pub after: u64,
    /// Whether the first user goes (or else a new one comes before all others).
    pub removes: bool,
    /// Whether it happens again and again.
    #[serde(default)]
    pub always: bool,
}

/// The manners of one server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// What is asked of a client.
    pub auth: Auth,
    /// How it must say who it is for a token.
    pub token_auth: TokenAuth,
    /// Seconds that a token is said to live; none: the answer says nothing.
    pub token_says: Option<u64>,
    /// `expires_in` is a text.
    pub token_says_in_text: bool,
    /// A token is good for so many requests.
    pub token_requests: Option<u64>,
    /// No token is ever good.
    pub refuses_tokens: bool,
    /// The scopes that are granted, whatever is asked; none: those asked.
    pub grants: Option<Vec<String>>,
    /// `/demographics` is forbidden.
    pub demographics_forbidden: bool,
    /// Seconds that the server's clock is ahead, in its `Date` header.
    pub clock_ahead: i64,

    /// The largest page, whatever is asked.
    pub clamp: Option<usize>,
    /// What `X-Total-Count` says.
    pub total: Total,
    /// What `Link` says.
    pub link: Link,
    /// Every page is the first one.
    pub ignores_offset: bool,
    /// Every page is as long as it can be.
    pub ignores_limit: bool,
    /// Each page begins with the last row of the one before.
    pub repeats_last: bool,
    /// Rows come and go in mid-walk.
    pub drift: Option<Drift>,

    /// Any filter is refused.
    pub rejects_filter: bool,
    /// Filters change nothing.
    pub ignores_filter: bool,
    /// A sort is refused.
    pub rejects_sort: bool,
    /// A selection of fields is refused.
    pub rejects_fields: bool,
    /// Hours that `dateLastModified` is ahead of what filters compare.
    pub skew_hours: i64,
    /// Users that are gone are never shown.
    pub hides_tombstones: bool,
    /// Tombstones are called `inactive`.
    pub inactive: bool,

    /// How booleans are written.
    pub booleans: Booleans,
    /// Ids that are numbers are JSON numbers.
    pub numeric_ids: bool,
    /// Empty values are `null`, and otherwise missing.
    pub nulls: bool,
    /// Lists of one are that one.
    pub single_objects: bool,
    /// The envelope's key, whatever the endpoint; `statusInfoSet` and counts come before it.
    pub envelope: Option<String>,
    /// Other keys in every record.
    pub extra_keys: bool,
    /// A byte order mark before the JSON, and no charset.
    pub bom: bool,
    /// Latin-1; `Some(true)` says so in the header.
    pub latin1: Option<bool>,
    /// References have relative addresses, or none.
    pub relative_hrefs: bool,
    /// Records replaced by these bytes, by `sourcedId`.
    pub raw: BTreeMap<String, String>,

    /// Endpoints that are not there: 404.
    pub missing: Vec<String>,
    /// Single records are not there: 404 for every id.
    pub no_singles: bool,
    /// An unknown id is 204 and not 404.
    pub unknown_is_204: bool,
    /// The shape of errors.
    pub errors: Shape,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
}

/// Names of the ready-made personalities, with what each is for.
pub const PERSONALITIES: &[(&str, &str)] = &[
    ("good", "as the specification wants it"),
    ("edfi", "no Link and no total, pages of 500, filters on role refused, demographics by their own scope"),
    ("classlink", "OAuth 1, empty texts for what is not there, a total"),
    ("gg4l", "Link without brackets that counts from one"),
    ("strict", "short tokens, scopes narrowed, no demographics"),
];

impl Quirks {
    /// A ready-made personality by its name in [`PERSONALITIES`].
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "good" => Self::default(),
            "edfi" => Self {
                clamp: Some(500),
                total: Total::None,
                link: Link::None,
                relative_hrefs: true,
                errors: Shape::Flat,
                hides_tombstones: true,
                ..Self::default()
            },
            "classlink" => Self { auth: Auth::Oauth1, ..Self::default() },
            "gg4l" => Self { link: Link::Malformed, total: Total::None, ..Self::default() },
            "strict" => Self {
                token_requests: Some(3),
                token_says: Some(60),
                demographics_forbidden: true,
                ..Self::default()
            },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_personality_exists() {
        for (name, _) in PERSONALITIES {
            assert!(Quirks::named(name).is_some(), "{name}");
        }
        assert_eq!(Quirks::named("nobody"), None);
    }
}
