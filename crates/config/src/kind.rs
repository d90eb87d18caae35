//! The kinds of values a key can have: each reads one value, or says what it should have been.
//! A table of kinds stands here once, so that no connector parses a duration or a date in its own way.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::civil::Date;
use rostercard_core::rules::expiry;

use crate::document::{Node, Value};
use crate::names::Name;
use crate::place::Place;
use crate::problem::Code;
use crate::record::Shape;
use crate::suggest::{listed, nearest};

/// Why a value is not of its kind. The text never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What kind of problem it is.
    pub code: Code,
    /// What is wrong, as the end of a sentence that begins with the key: "must be ...".
    pub what: String,
    /// What to do.
    pub advice: String,
    /// The known word that was probably meant.
    pub meant: Option<String>,
    /// Which item of a list it is about, counted from 1, and where that is.
    pub item: Option<(usize, Place)>,
}

impl Wrong {
    /// A value of the right type that means nothing.
    pub fn value(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { code: Code::BadValue, what: what.into(), advice: advice.into(), meant: None, item: None }
    }

    fn kind(found: &Value, wanted: &str, example: &str) -> Self {
        Self {
            code: Code::WrongType,
            what: format!("must be {wanted}, this is {}", found.kind()),
            advice: format!("write it like this: {example}"),
            meant: None,
            item: None,
        }
    }

    fn range(what: String, advice: String) -> Self {
        Self { code: Code::OutOfRange, what, advice, meant: None, item: None }
    }
}

/// One kind of value.
pub trait Kind {
    /// What a value of this kind becomes.
    type Out;
    /// Reads a value.
    ///
    /// # Errors
    /// Where the value is not of this kind.
    fn read(&self, node: &Node) -> Result<Self::Out, Wrong>;

    /// What its values look like, for the schema and the reference page.
    fn shape(&self) -> Shape;
}

/// Text that is not empty.
#[derive(Clone, Copy, Debug)]
pub struct Text;

impl Kind for Text {
    type Out = String;
    fn shape(&self) -> Shape {
        Shape::Text
    }
    fn read(&self, node: &Node) -> Result<String, Wrong> {
        let text = string(node, "text", "\"...\"")?;
        if text.trim().is_empty() {
            return Err(Wrong::range(
                "must not be empty".into(),
                "write its value between the quotes, or remove the key".into(),
            ));
        }
        Ok(text.to_owned())
    }
}

/// A whole number within a range, both ends included.
#[derive(Clone, Debug)]
pub struct Integer(pub RangeInclusive<i64>);

impl Kind for Integer {
    type Out = i64;
    fn shape(&self) -> Shape {
        Shape::Integer(*self.0.start(), *self.0.end())
    }
    fn read(&self, node: &Node) -> Result<i64, Wrong> {
        let Value::Integer(number) = node.value else {
            return Err(Wrong::kind(
                &node.value,
                "a whole number",
                &format!("{} (without quotes)", self.0.start()),
            ));
        };
        if self.0.contains(&number) {
            return Ok(number);
        }
        let (from, to) = (self.0.start(), self.0.end());
        Err(if *to == i64::MAX {
            Wrong::range(format!("must be at least {from}"), format!("write {from} or more"))
        } else {
            Wrong::range(
                format!("must be from {from} to {to}"),
                format!("write a whole number from {from} to {to}"),
            )
        })
    }
}

/// True or false.
#[derive(Clone, Copy, Debug)]
pub struct Bool;

impl Kind for Bool {
    type Out = bool;
    fn shape(&self) -> Shape {
        Shape::Bool
    }
    fn read(&self, node: &Node) -> Result<bool, Wrong> {
        match node.value {
            Value::Bool(value) => Ok(value),
            _ => Err(Wrong::kind(&node.value, "true or false", "true (without quotes)")),
        }
    }
}

/// A percentage from 0 to 100: `"10%"`, or the bare number where the key itself says that it is one.
#[derive(Clone, Copy, Debug)]
pub struct Percent;

impl Kind for Percent {
    type Out = f64;
    fn shape(&self) -> Shape {
        Shape::Percent
    }
    fn read(&self, node: &Node) -> Result<f64, Wrong> {
        let percent = match &node.value {
            Value::Float(percent) => *percent,
            Value::Integer(whole) => i32::try_from(*whole).map_or(f64::NAN, f64::from),
            Value::String(text) => {
                let number = text.strip_suffix('%').map(str::trim);
                number.and_then(|number| number.parse::<f64>().ok()).unwrap_or(f64::NAN)
            }
            other => return Err(Wrong::kind(other, "a percentage", "\"10%\"")),
        };
        if (0.0..=100.0).contains(&percent) {
            return Ok(percent);
        }
        Err(Wrong::range("must be a percentage from 0% to 100%".into(), "write it like this: \"10%\"".into()))
    }
}

/// A span of time such as `"30s"`, `"5m"`, `"1h30m"`, `"7d"`, within a range.
#[derive(Clone, Debug)]
pub struct Span(pub RangeInclusive<Duration>);

impl Kind for Span {
    type Out = Duration;
    fn shape(&self) -> Shape {
        Shape::Span
    }
    fn read(&self, node: &Node) -> Result<Duration, Wrong> {
        let text = string(node, "a span of time", "\"30s\"")?;
        let Some(duration) = parse_span(text) else {
            return Err(Wrong::value(
                "is not a span of time",
                "write a number and its unit: \"500ms\", \"30s\", \"5m\", \"2h\", \"7d\" or \"1y\"",
            ));
        };
        if self.0.contains(&duration) {
            return Ok(duration);
        }
        let (from, to) = (show_span(*self.0.start()), show_span(*self.0.end()));
        Err(Wrong::range(
            format!("must be from {from} to {to}"),
            format!("write a span from \"{from}\" to \"{to}\""),
        ))
    }
}

/// Units of a span of time, in milliseconds.
const UNITS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    // As people say it of a roster: the leap day matters to none.
    ("y", 365 * 86_400_000),
];

fn parse_span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, tail) = tail.split_at_checked(letters)?;
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*millis)?)?;
        rest = tail.trim_start();
    }
    Some(Duration::from_millis(total))
}

fn show_span(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = UNITS.iter().rev().find(|(_, unit)| millis >= *unit && millis.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}

/// A date, written `2027-10-01`, with or without quotes.
#[derive(Clone, Copy, Debug)]
pub struct Day;

impl Kind for Day {
    type Out = Date;
    fn shape(&self) -> Shape {
        Shape::Day
    }
    fn read(&self, node: &Node) -> Result<Date, Wrong> {
        let text = match &node.value {
            Value::String(text) => text.clone(),
            Value::Datetime(date) if date.time.is_none() => date.to_string(),
            other => return Err(Wrong::kind(other, "a date", "\"2027-10-01\"")),
        };
        let strict = text.len() == 10;
        text.parse::<Date>().ok().filter(|_| strict).ok_or_else(|| {
            Wrong::value("is not a date of the calendar", "write year, month and day: \"2027-10-01\"")
        })
    }
}

/// A day of every year, written `"10-01"`.
#[derive(Clone, Copy, Debug)]
pub struct MonthDay;

impl Kind for MonthDay {
    type Out = expiry::MonthDay;
    fn shape(&self) -> Shape {
        Shape::MonthDay
    }
    fn read(&self, node: &Node) -> Result<expiry::MonthDay, Wrong> {
        let text = string(node, "a day of the year", "\"10-01\"")?;
        expiry::MonthDay::parse(text).ok_or_else(|| {
            Wrong::value(
                "is not a day of the year",
                "write month and day, two digits each: \"10-01\" is the first of October",
            )
        })
    }
}

/// One of a table of words, each standing for something.
#[derive(Clone, Copy, Debug)]
pub struct Word<'w, T>(pub &'w [(&'w str, T)]);

impl<T: Clone> Kind for Word<'_, T> {
    type Out = T;
    fn shape(&self) -> Shape {
        Shape::Words(self.0.iter().map(|(word, _)| (*word).to_owned()).collect())
    }
    fn read(&self, node: &Node) -> Result<T, Wrong> {
        let example = self.0.first().map_or("\"...\"".to_owned(), |(word, _)| format!("\"{word}\""));
        let text = string(node, "a word", &example)?;
        if let Some((_, meaning)) = self.0.iter().find(|(word, _)| *word == text) {
            return Ok(meaning.clone());
        }
        let words = || self.0.iter().map(|(word, _)| *word);
        Err(Wrong {
            code: Code::UnknownWord,
            what: "is not one of the words that can stand here".into(),
            advice: format!("write {}", listed(words())),
            meant: nearest(text, words()).map(str::to_owned),
            item: None,
        })
    }
}

/// The table of words of one of the core's vocabularies, for [`Word`].
#[must_use]
pub fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> Vec<(&'static str, T)> {
    all.iter().map(|value| (word(*value), *value)).collect()
}

/// The name of an ILS, a source or a partnership.
#[derive(Clone, Copy, Debug)]
pub struct AName;

impl Kind for AName {
    type Out = Name;
    fn shape(&self) -> Shape {
        Shape::Name
    }
    fn read(&self, node: &Node) -> Result<Name, Wrong> {
        let text = string(node, "a name", "\"main\"")?;
        Name::new(text).ok_or_else(|| Wrong {
            code: Code::BadName,
            what: "is not a name".into(),
            advice: "write lowercase letters, digits and hyphens alone".into(),
            meant: None,
            item: None,
        })
    }
}

/// A list of one kind; `empty` says whether it may have nothing in it.
#[derive(Clone, Copy, Debug)]
pub struct List<K> {
    /// What its items are.
    pub of: K,
    /// Whether it may be empty.
    pub empty: bool,
}

impl<K: Kind> Kind for List<K> {
    type Out = Vec<K::Out>;
    fn shape(&self) -> Shape {
        Shape::List(self.empty, Box::new(self.of.shape()))
    }
    fn read(&self, node: &Node) -> Result<Self::Out, Wrong> {
        let Value::Array(items) = &node.value else {
            return Err(Wrong::kind(&node.value, "a list", "[\"one\", \"two\"]"));
        };
        if items.is_empty() && !self.empty {
            return Err(Wrong::range(
                "must not be empty".into(),
                "name at least one, or remove the key".into(),
            ));
        }
        items
            .iter()
            .enumerate()
            .map(|(at, item)| {
                self.of
                    .read(item)
                    .map_err(|wrong| Wrong { item: Some((at + 1, item.place.clone())), ..wrong })
            })
            .collect()
    }
}

/// Text that a function of the caller's makes something of: a URL, a number template.
pub struct Parsed<F>(pub F);

impl<T, F: Fn(&str) -> Result<T, Wrong>> Kind for Parsed<F> {
    type Out = T;
    fn shape(&self) -> Shape {
        Shape::Text
    }
    fn read(&self, node: &Node) -> Result<T, Wrong> {
        let text = Text.read(node)?;
        (self.0)(&text)
    }
}

fn string<'n>(node: &'n Node, wanted: &str, example: &str) -> Result<&'n str, Wrong> {
    match &node.value {
        Value::String(text) => Ok(text),
        other => Err(Wrong::kind(other, wanted, example)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Node {
        Node { value: Value::String(value.into()), place: Place::Default }
    }

    #[test]
    fn spans_of_time() {
        let kind = Span(Duration::ZERO..=Duration::from_secs(7 * 86_400));
        for (written, millis) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("0s", 0),
            (" 5 m", 0),
        ] {
            let read = kind.read(&text(written)).map(|d| d.as_millis());
            assert_eq!(read.unwrap_or(0), millis, "{written}");
        }
        for bad in ["", "30", "s", "-1s", "1.5s", "1w", "99999999999999999999s", "8d", "1s!"] {
            assert!(kind.read(&text(bad)).is_err(), "{bad}");
        }
        assert_eq!(show_span(Duration::from_millis(90_000)), "90s");
        assert_eq!(show_span(Duration::ZERO), "0ms");
        assert_eq!(show_span(Duration::from_secs(730 * 86_400)), "2y");
        assert_eq!(parse_span("1y"), parse_span("365d"));
    }

    #[test]
    fn dates_and_yearly_days() {
        assert!(Day.read(&text("2027-10-01")).is_ok());
        for bad in ["2027-02-30", "27-10-01", "2027-10-01T00:00", "2027-10-1", "1 October"] {
            assert!(Day.read(&text(bad)).is_err(), "{bad}");
        }
        assert_eq!(MonthDay.read(&text("10-01")).ok(), expiry::MonthDay::new(10, 1));
        for bad in ["02-30", "13-01", "1-1", "10/01", "10-01-01", "é-01"] {
            assert!(MonthDay.read(&text(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn percentages() {
        for (written, percent) in
            [("10%", Some(10.0)), ("0%", Some(0.0)), ("2.5 %", Some(2.5)), ("101%", None), ("10", None)]
        {
            assert_eq!(Percent.read(&text(written)).ok(), percent, "{written}");
        }
        let float = |value| Node { value: Value::Float(value), place: Place::Default };
        assert_eq!(Percent.read(&float(0.25)).ok(), Some(0.25));
        assert!(Percent.read(&float(f64::NAN)).is_err());
    }

    #[test]
    fn a_wrong_value_is_never_repeated() {
        let words = Word(&[("random", ()), ("birth_date", ())]);
        for wrong in [
            words.read(&text("randum7")).err(),
            Integer(1..=3).read(&text("randum7")).err(),
            Day.read(&text("randum7")).err(),
            List { of: AName, empty: false }
                .read(&Node { value: Value::Array(vec![text("randum7!")]), place: Place::Default })
                .err(),
        ] {
            let told = format!("{wrong:?}");
            assert!(wrong.is_some() && !told.contains("randum7"), "{told}");
        }
        assert_eq!(words.read(&text("randon")).err().and_then(|w| w.meant).as_deref(), Some("random"));
    }
}
