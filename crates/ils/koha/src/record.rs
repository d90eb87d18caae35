//! A patron as Koha's API gives it: a JSON object, read leniently and shown to nobody.
//!
//! Properties differ between Koha's versions, and their types between its endpoints: a date comes as a date or with a time
//! of day, a flag as `true`, `1` or `"1"`. What is not understood is said, never guessed. No mapping to the core's words is
//! done here.

use std::fmt;

use jiff::civil::Date;
use serde_json::{Map, Value};

/// The property that carries Koha's own number of the record.
pub(crate) const PATRON_ID: &str = "patron_id";
/// The property, and the embed, of the extended attributes.
pub(crate) const ATTRIBUTES: &str = "extended_attributes";

/// One extended attribute.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// The attribute type's code.
    pub(crate) kind: String,
    /// What it holds.
    pub(crate) value: String,
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attribute({})", self.kind)
    }
}

/// One patron's record.
#[derive(Clone)]
pub(crate) struct Record {
    id: u64,
    properties: Map<String, Value>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record(…)")
    }
}

/// Why a body is no patron, or a property cannot be understood. Names properties, never values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) &'static str);

impl Record {
    /// A patron of JSON.
    pub(crate) fn read(value: Value) -> Result<Self, Unreadable> {
        let Value::Object(properties) = value else { return Err(Unreadable("body")) };
        let id = properties.get(PATRON_ID).and_then(number).ok_or(Unreadable(PATRON_ID))?;
        Ok(Self { id, properties })
    }

    /// Koha's own number of the record.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Whether the record has such a property, be it empty. What a record has not, its version of Koha does not know.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.properties.contains_key(name)
    }

    /// The names of all properties.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.properties.keys().map(String::as_str)
    }

    /// A property as it came.
    pub(crate) fn raw(&self, name: &str) -> Option<&Value> {
        self.properties.get(name)
    }

    /// Whether a property is missing, null or empty.
    pub(crate) fn is_blank(&self, name: &str) -> bool {
        match self.properties.get(name) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(_) => false,
        }
    }

    #[cfg(test)]
    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.properties)
    }

    /// A text; `None` where it is missing, null or empty.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, Unreadable> {
        match self.properties.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(Unreadable(name)),
        }
    }

    /// A day, of a date or a date with a time of day; `None` where it is missing, null, empty or MySQL's zero date.
    pub(crate) fn date(&self, name: &'static str) -> Result<Option<Date>, Unreadable> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let (day, rest) = text.split_at_checked(10).ok_or(Unreadable(name))?;
        if day == "0000-00-00" {
            return Ok(None);
        }
        if !(rest.is_empty() || rest.starts_with(['T', ' '])) {
            return Err(Unreadable(name));
        }
        day.parse().map(Some).map_err(|_| Unreadable(name))
    }

    /// A flag; `None` where it is missing or null.
    pub(crate) fn flag(&self, name: &'static str) -> Option<bool> {
        match self.properties.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::Number(number) => Some(number.as_u64() != Some(0)),
            Value::String(text) => Some(!matches!(text.as_str(), "" | "0" | "false")),
            _ => None,
        }
    }

    /// The extended attributes, where the answer holds them.
    pub(crate) fn attributes(&self) -> Result<Option<Vec<Attribute>>, Unreadable> {
        let list = match self.properties.get(ATTRIBUTES) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(Unreadable(ATTRIBUTES)),
        };
        list.iter().map(attribute).collect::<Option<Vec<_>>>().map(Some).ok_or(Unreadable(ATTRIBUTES))
    }
}

fn attribute(value: &Value) -> Option<Attribute> {
    let text = |name: &str| match value.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some(String::new()),
        _ => None,
    };
    Some(Attribute { kind: text("type")?, value: text("value")? })
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The records of a search's answer.
pub(crate) fn read_list(body: &[u8]) -> Result<Vec<Record>, Unreadable> {
    match serde_json::from_slice(body) {
        Ok(Value::Array(list)) => list.into_iter().map(Record::read).collect(),
        _ => Err(Unreadable("body")),
    }
}

/// The record of an answer that holds one.
pub(crate) fn read_one(body: &[u8]) -> Result<Record, Unreadable> {
    serde_json::from_slice(body).map_err(|_| Unreadable("body")).and_then(Record::read)
}

/// Koha's own number in the answer to a create: in its body, or at the end of its `Location`.
pub(crate) fn new_id(body: &[u8], location: Option<&str>) -> Option<u64> {
    let in_body = serde_json::from_slice::<Value>(body).ok().and_then(|body| number(body.get(PATRON_ID)?));
    in_body.or_else(|| location?.rsplit('/').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn record(value: Value) -> Record {
        Record::read(value).unwrap()
    }

    #[test]
    fn dates_come_with_and_without_a_time_of_day() {
        let day = Some(jiff::civil::date(2027, 11, 24));
        let cases = [
            (json!("2027-11-24"), Ok(day)),
            (json!("2027-11-24T01:55:39"), Ok(day)),
            (json!("2027-11-24T01:55:39+00:00"), Ok(day)),
            (json!("2027-11-24 01:55:39"), Ok(day)),
            (json!(null), Ok(None)),
            (json!(""), Ok(None)),
            (json!("0000-00-00"), Ok(None)),
            (json!("2027-11-2x"), Err(Unreadable("expiry_date"))),
            (json!("2027-11-244"), Err(Unreadable("expiry_date"))),
            (json!("24.11.2027"), Err(Unreadable("expiry_date"))),
            (json!("é2027-11-2"), Err(Unreadable("expiry_date"))),
            (json!(20271124), Err(Unreadable("expiry_date"))),
        ];
        for (value, wanted) in cases {
            let got = record(json!({"patron_id": 1, "expiry_date": value})).date("expiry_date");
            assert_eq!(got, wanted, "{value}");
        }
    }

    #[test]
    fn flags_and_ids_come_in_several_types() {
        let got =
            record(json!({"patron_id": "12", "a": true, "b": 1, "c": "1", "d": 0, "e": "0", "f": null}));
        assert_eq!(got.id(), 12);
        let flags = ["a", "b", "c", "d", "e", "f", "g"].map(|name| got.flag(name));
        assert_eq!(flags, [Some(true), Some(true), Some(true), Some(false), Some(false), None, None]);
    }

    #[test]
    fn what_is_no_patron_is_not_read_as_one() {
        for body in ["", "{}", "[]", "null", "\"x\"", "{\"patron_id\":-1}", "<html>", "[{\"patron_id\":1}]"] {
            assert!(read_one(body.as_bytes()).is_err(), "{body}");
        }
        for body in ["", "{}", "[1]", "[{}]", "[{\"patron_id\":1},{}]", "<html>"] {
            assert!(read_list(body.as_bytes()).is_err(), "{body}");
        }
        assert!(read_list(b"[]").unwrap().is_empty());
        let odd = record(json!({"patron_id": 1, "surname": 7, "extended_attributes": [{"type": 7}]}));
        assert_eq!(odd.text("surname"), Err(Unreadable("surname")));
        assert_eq!(odd.attributes(), Err(Unreadable("extended_attributes")));
    }

    #[test]
    fn a_new_patrons_number_is_in_the_body_or_the_location() {
        assert_eq!(new_id(b"{\"patron_id\":7}", None), Some(7));
        assert_eq!(new_id(b"{}", Some("/api/v1/patrons/8")), Some(8));
        assert_eq!(new_id(b"<html>", Some("/api/v1/patrons/")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _read = (read_one(&bytes).is_ok(), read_list(&bytes).is_ok(), new_id(&bytes, None));
        }

        #[test]
        fn any_date_text_is_read_or_refused(text in "\\PC{0,14}") {
            let _read = record(json!({"patron_id": 1, "x": text})).date("x");
        }
    }
}
