//! The cursor: the last event that was read, and when. It holds nothing about a person.

use jiff::Timestamp;
use rostercard_core::field::{Field, FieldRules};
use rostercard_core::ports::Cursor;
use serde::{Deserialize, Serialize};

use crate::digest::short;
use crate::settings::Settings;

/// The form of the text; another one is not understood, and everything is read.
const FORM: u32 = 1;
/// Clever keeps events for 30 days; a cursor this old, in seconds, is not relied on.
const STALE: i64 = 25 * 86_400;

/// Where the event feed was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// [`FORM`].
    form: u32,
    /// The last event's id; none where the feed was empty.
    pub(crate) event: Option<String>,
    /// When the feed was last read, in seconds since 1970.
    pub(crate) read: i64,
    /// Of which moment the roster was, in seconds since 1970, where Clever said so.
    pub(crate) as_of: Option<i64>,
    /// A digest of the schools as they were: rules may name them.
    pub(crate) schools: String,
    /// A digest of how users are read.
    pub(crate) how: String,
}

impl Mark {
    pub(crate) fn new(
        event: Option<String>,
        (now, as_of): (Timestamp, Option<Timestamp>),
        schools: String,
        how: String,
    ) -> Self {
        let as_of = as_of.map(Timestamp::as_second);
        Self { form: FORM, event, read: now.as_second(), as_of, schools, how }
    }

    /// As the engine keeps it.
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        serde_json::to_string(self).ok().map(Cursor)
    }

    /// Reads a cursor; `None` where it is none of ours.
    pub(crate) fn parse(cursor: &Cursor) -> Option<Self> {
        serde_json::from_str::<Self>(&cursor.0).ok().filter(|mark| mark.form == FORM)
    }

    /// Why everything has to be read all the same: a finding's code and sentence.
    pub(crate) fn worn(
        &self,
        now: Timestamp,
        schools: &str,
        how: &str,
    ) -> Option<(&'static str, &'static str)> {
        if now.as_second().saturating_sub(self.read) >= STALE {
            let message = "the event feed was last read more than 25 days ago, and Clever keeps events for 30: everything was read";
            return Some(("events_expired", message));
        }
        if self.how != how {
            return Some((
                "reading_changed",
                "users are read in another way than before: everything was read",
            ));
        }
        if self.schools != schools {
            let message = "a school came, went, or has another code or name: everything was read";
            return Some(("schools_changed", message));
        }
        None
    }
}

/// A digest of whatever decides how a user is read.
pub(crate) fn how(settings: &Settings, rules: &FieldRules) -> String {
    let allowed: Vec<u8> = Field::ALL.iter().map(|field| u8::from(rules.allows(*field))).collect();
    let digest = short(&[
        settings.district.as_bytes(),
        settings.api.origin().as_bytes(),
        settings.version.path().as_bytes(),
        settings.student_id.field().as_bytes(),
        &[u8::from(settings.educators)],
        &allowed,
    ]);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn mark() -> Mark {
        Mark::new(Some("e1".to_owned()), (Timestamp::UNIX_EPOCH, None), "s".to_owned(), "h".to_owned())
    }

    fn after(days: i64) -> Timestamp {
        Timestamp::from_second(days * DAY).unwrap()
    }

    #[test]
    fn cl_62_a_cursor_wears_out() {
        let code =
            |mark: &Mark, days, schools, how| mark.worn(after(days), schools, how).map(|(code, _)| code);
        assert_eq!(code(&mark(), 1, "s", "h"), None);
        assert_eq!(code(&mark(), 24, "s", "h"), None);
        assert_eq!(code(&mark(), 1, "other", "h"), Some("schools_changed"));
        assert_eq!(code(&mark(), 1, "s", "other"), Some("reading_changed"));
        assert_eq!(code(&mark(), 25, "s", "h"), Some("events_expired"));
        // A clock that went back makes nothing older.
        assert_eq!(code(&mark(), -3, "s", "h"), None);
    }

    #[test]
    fn a_cursor_comes_back_and_nothing_else_is_one() {
        let cursor = mark().cursor().unwrap();
        assert_eq!(Mark::parse(&cursor), Some(mark()));
        for text in ["", "{}", "null", "e1", &cursor.0.replace("\"form\":1", "\"form\":2")] {
            assert_eq!(Mark::parse(&Cursor(text.to_owned())), None, "{text}");
        }
    }
}
