//! Lines of an image: CSV as this crate writes it, one line a row, quoted only where it must be. Read back by hand, because
//! a line that is only carried on need not become a row.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::rest::form::moment;
use crate::settings::StudentIdFrom;

/// Where the ids of a user lie in an image's line, by [`super::cells::USERS`].
pub(crate) const USERNAME: usize = 4;
const USER_IDS: usize = 5;
const IDENTIFIER: usize = 9;
const MASTER: usize = 14;

/// The cells of a line.
pub(crate) fn split(line: &str) -> Vec<Cow<'_, str>> {
    let mut cells = Vec::with_capacity(24);
    let mut rest = line;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut from = 0;
            let end = loop {
                match quoted.get(from..).and_then(|text| text.find('"')) {
                    None => break quoted.len(),
                    Some(at) if quoted.as_bytes().get(from + at + 1) == Some(&b'"') => from += at + 2,
                    Some(at) => break from + at,
                }
            };
            let cell = quoted.get(..end).unwrap_or_default();
            cells.push(if cell.contains('"') {
                Cow::Owned(cell.replace("\"\"", "\""))
            } else {
                Cow::Borrowed(cell)
            });
            match quoted.get(end + 1..).and_then(|rest| rest.strip_prefix(',')) {
                Some(more) => rest = more,
                None => return cells,
            }
        } else {
            match rest.split_once(',') {
                Some((cell, more)) => {
                    cells.push(Cow::Borrowed(cell));
                    rest = more;
                }
                None => {
                    cells.push(Cow::Borrowed(rest));
                    return cells;
                }
            }
        }
    }
}

/// Cells as a line, without its end.
pub(crate) fn join<T: AsRef<str>>(cells: &[T]) -> String {
    let mut line = Vec::with_capacity(128);
    for (at, cell) in cells.iter().enumerate() {
        write(&mut line, at > 0, cell.as_ref(), false);
    }
    // What was text is text.
    String::from_utf8(line).unwrap_or_default()
}

/// The student id in the cells of a user.
pub(crate) fn student_id<'a>(from: &StudentIdFrom, cells: &'a [Cow<'_, str>]) -> &'a str {
    let cell = |at: usize| cells.get(at).map_or("", AsRef::as_ref);
    match from {
        StudentIdFrom::Identifier => cell(IDENTIFIER),
        StudentIdFrom::SourcedId => cell(0),
        StudentIdFrom::Username => cell(USERNAME),
        StudentIdFrom::UserMasterIdentifier => cell(MASTER),
        StudentIdFrom::UserIds(_) => {
            cell(USER_IDS).split_once(':').map_or("", |(_, id)| id.strip_suffix('}').unwrap_or(id))
        }
    }
}

/// A moment as precisely as it was said: a day is all of its hours, in any time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When {
    earliest: Timestamp,
    latest: Timestamp,
}

impl When {
    /// Reads `dateLastModified`; none where it says no moment.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(day) = text.parse::<Date>()
            && text.len() <= 10
        {
            let at = |day: Date| TimeZone::UTC.to_timestamp(day.into()).ok();
            let after = at(day.checked_add(Span::new().days(1)).ok()?)?;
            return Some(Self { earliest: at(day)?, latest: after });
        }
        let at = moment(text)?;
        Some(Self { earliest: at, latest: at })
    }

    /// Whether it certainly is before another.
    pub(crate) fn before(self, other: Self) -> bool {
        self.latest < other.earliest
    }
}

/// Adds a cell as CSV; line breaks become spaces.
fn write(cells: &mut Vec<u8>, comma: bool, value: &str, flawed: bool) {
    if comma {
        cells.push(b',');
    }
    let value = value.trim();
    let quoted = value.bytes().any(|byte| matches!(byte, b',' | b'"'));
    if quoted {
        cells.push(b'"');
    }
    for byte in value.bytes() {
        match byte {
            b'"' => cells.extend_from_slice(b"\"\""),
            b'\r' | b'\n' => cells.push(b' '),
            byte => cells.push(byte),
        }
    }
    if flawed {
        cells.push(0xff);
    }
    if quoted {
        cells.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_are_csv() {
        let mut cells = Vec::new();
        write(&mut cells, false, " a\"b,\n ", false);
        write(&mut cells, true, "plain", true);
        assert_eq!(cells, b"\"a\"\"b,\",plain\xff");
    }

    proptest! {
        #[test]
        fn cells_come_back(cells in proptest::collection::vec("[a-c\",é ]{0,4}", 1..6)) {
            let trimmed: Vec<&str> = cells.iter().map(|cell| cell.trim()).collect();
            let line = join(&cells);
            prop_assert_eq!(split(&line), trimmed);
        }

        #[test]
        fn any_line_is_some_cells(line in "[a-b\",]{0,12}") {
            prop_assert!(!split(&line).is_empty());
        }
    }

    #[test]
    fn c21_a_day_is_all_of_its_hours() {
        let when = |text| When::read(text).unwrap();
        assert!(when("2026-11-02").before(when("2026-11-04")));
        assert!(!when("2026-11-03").before(when("2026-11-03T10:00:00Z")));
        assert!(!when("2026-11-03T10:00:00Z").before(when("2026-11-03")));
        assert!(when("2026-11-03T10:00:00Z").before(when("2026-11-03T10:00:00.001Z")));
        assert_eq!((When::read(""), When::read("soon")), (None, None));
    }
}
