//! What the readers of all tables ask for, written down while they read: from this the JSON Schema and the reference page
//! are made, so that neither can know another key than the program does.
//!
//! [`Problems::recording`] begins it. While it lasts nothing is a problem, and a table that is not there is read as one
//! with nothing in it. Keys are known by patterns: `ils.*.limits.rate`, `card.for[].grades`, `homes.*`. It judges nothing:
//! which keys belong together, and what a text must look like, only the reading itself tells.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::document::Table;

/// In a pattern: any name, one of the configuration's own.
pub(crate) const ANY: &str = "*";

/// What can stand at a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Shape {
    /// Text that is not empty; what it must look like is the reader's matter.
    Text,
    /// A whole number from one up to another; no upper end where that is [`i64::MAX`].
    Integer(i64, i64),
    /// True or false.
    Bool,
    /// A percentage: `"10%"`, or a number from 0 to 100.
    Percent,
    /// A span of time: `"30s"`.
    Span,
    /// A date, with or without quotes.
    Day,
    /// A day of every year: `"10-01"`.
    MonthDay,
    /// Text, or a whole number in its place: a grade, an age.
    TextOrNumber,
    /// A day of every year, or a date.
    AnyDay,
    /// One of these words.
    Words(Vec<String>),
    /// The name of an ILS, a source or a partnership.
    Name,
    /// A list; whether it may be empty, and of what.
    List(bool, Box<Self>),
    /// A reference to a secret.
    Secret,
    /// A table.
    Table,
    /// A list of tables.
    Tables,
    /// Text, or a table that says more.
    TextOrTable,
}

/// One key, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What can stand there: one shape, or several where it depends on other keys.
    pub shapes: Vec<Shape>,
    /// Whether a table without it was refused, at least once.
    pub missed: bool,
    /// Whether it was there, at least once.
    pub present: bool,
    /// Whether a table that really was there did without it.
    pub absent: bool,
    /// Its turn among all keys: readers ask in the order of the manual.
    pub turn: usize,
}

/// All keys by their patterns.
pub(crate) type Record = BTreeMap<String, Recorded>;

/// Notes that a key was asked for. `said` is whether it is in its table, none where there is no such table.
pub(crate) fn note(record: &mut Record, pattern: &str, shape: Shape, said: Option<bool>) {
    let key = entry(record, pattern);
    if !key.shapes.contains(&shape) {
        key.shapes.push(shape);
    }
    key.present |= said == Some(true);
    key.absent |= said == Some(false);
}

/// Notes that a key was missed.
pub(crate) fn note_missed(record: &mut Record, pattern: &str) {
    entry(record, pattern).missed = true;
}

fn entry<'r>(record: &'r mut Record, pattern: &str) -> &'r mut Recorded {
    let turn = record.len();
    record.entry(pattern.to_owned()).or_insert(Recorded {
        shapes: Vec::new(),
        missed: false,
        present: false,
        absent: false,
        turn,
    })
}

/// A table with nothing in it.
pub(crate) fn nothing() -> &'static Arc<Table> {
    static NOTHING: LazyLock<Arc<Table>> = LazyLock::new(Arc::default);
    &NOTHING
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clear, Document, Integer, Problems, TableReader, Text};

    #[test]
    fn what_is_asked_for_is_written_down_whether_it_is_there_or_not() {
        let problems = Problems::recording();
        let document = Document::parse("x.toml", b"name = \"Main\"".to_vec(), &problems);
        let mut top = TableReader::top(&document, &problems).unwrap();
        top.required("name", &Text, "\"x\"");
        let mut limits = top.table("limits").unwrap();
        limits.required("rate", &Integer(1..=9), "1");
        limits.required_secret("key", Clear::Refused);
        assert!(limits.finish(), "nothing is a problem");
        for mut item in top.tables("for") {
            item.map(&Text);
        }
        assert!(top.finish());
        let record = problems.recorded();
        let key = |pattern: &str| record.get(pattern).unwrap().clone();
        assert_eq!(key("name").shapes, [Shape::Text]);
        assert!(!key("name").missed);
        assert_eq!(key("limits.rate").shapes, [Shape::Integer(1, 9)]);
        assert!(key("limits.rate").missed && !key("limits.rate").absent, "its table is not there");
        assert!(key("limits").absent);
        assert_eq!(key("limits.key").shapes, [Shape::Secret]);
        assert_eq!(key("for").shapes, [Shape::Tables]);
        assert_eq!(key("for[].*").shapes, [Shape::Text]);
        assert!(Problems::new().recorded().is_empty());
    }
}
