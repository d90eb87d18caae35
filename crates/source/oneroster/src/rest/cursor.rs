//! Where the next read goes on from: moments and a digest of the settings, nothing about a person.

use std::fmt::Write as _;

use jiff::Timestamp;
use rostercard_core::ports;

use super::settings::RestSettings;

/// A cursor, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// When the last read began, by the earlier of the server's clock and ours.
    pub(crate) mark: Timestamp,
    /// When the last full read began.
    pub(crate) full: Timestamp,
    /// Persons who had several `sourcedId`s then: a change to one of them does not show the others.
    pub(crate) several: u64,
    /// [`digest`] of the settings that it was read with.
    pub(crate) settings: u64,
}

impl Cursor {
    pub(crate) fn write(&self) -> ports::Cursor {
        let Self { mark, full, several, settings } = self;
        let mut text = String::from("oneroster1");
        // Writing into a text does not fail.
        let _ok = write!(text, " {mark} {full} {several} {settings:016x}");
        ports::Cursor(text)
    }

    /// `None` where it is none of ours.
    pub(crate) fn read(cursor: &ports::Cursor) -> Option<Self> {
        let mut parts = cursor.0.split(' ');
        let own = parts.next() == Some("oneroster1");
        let cursor = Self {
            mark: parts.next()?.parse().ok()?,
            full: parts.next()?.parse().ok()?,
            several: parts.next()?.parse().ok()?,
            settings: u64::from_str_radix(parts.next()?, 16).ok()?,
        };
        (own && parts.next().is_none()).then_some(cursor)
    }
}

/// A digest of what decides who is read and how: with another one, changes alone are not enough.
pub(crate) fn digest(settings: &RestSettings) -> u64 {
    let text = format!(
        "{} {:?} {:?} {:?} {:?} {}",
        settings.url,
        settings.version,
        settings.people,
        settings.student_id,
        settings.columns,
        settings.educators
    );
    fnv(&text)
}

/// FNV-1a: the same on every machine and in every version, which the standard library's hash does not promise.
pub(crate) fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_nothing_else_is_one() {
        let cursor = Cursor {
            mark: "2026-11-24T04:30:00Z".parse().unwrap(),
            full: "2026-11-20T04:30:00Z".parse().unwrap(),
            several: 3,
            settings: fnv("x"),
        };
        assert_eq!(Cursor::read(&cursor.write()), Some(cursor.clone()));
        for other in ["", "oneroster1", "drop 1 2", "oneroster1 a b c d"] {
            assert_eq!(Cursor::read(&ports::Cursor(other.to_owned())), None, "{other}");
        }
        assert_eq!(Cursor::read(&ports::Cursor(format!("{} x", cursor.write().0))), None);
        assert_eq!(fnv(""), 0xcbf2_9ce4_8422_2325);
    }
}
