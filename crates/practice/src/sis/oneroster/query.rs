//! The query of a collection: limit, offset, sort, fields, and the filter with its one logical word. Written from the
//! specification (1.2 REST binding, 3.4), and not from any client.

use jiff::Timestamp;
use serde_json::Value;

/// What is asked of a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
    pub(super) sort: Option<String>,
    pub(super) descending: bool,
    pub(super) fields: Vec<String>,
    pub(super) filter: Option<Filter>,
    /// The query as it came, for links.
    pub(super) raw: String,
}

/// `a='b' AND c>'d'`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    first: Term,
    second: Option<(bool, Term)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    field: String,
    operator: &'static str,
    value: String,
}

/// Why a query is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadQuery {
    /// The filter does not follow its grammar.
    Filter,
    /// A number is none.
    Number,
    /// A space was sent as a plus, or the percent-encoding is broken.
    Encoding,
}

/// Percent-decoding; a plus stays one, as RFC 3986 has it.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

impl Query {
    pub(super) fn parse(raw: &str) -> Result<Self, BadQuery> {
        let mut query = Self { raw: raw.to_owned(), ..Self::default() };
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value).ok_or(BadQuery::Encoding)?;
            match name {
                "limit" => query.limit = Some(value.parse().map_err(|_| BadQuery::Number)?),
                "offset" => query.offset = value.parse().map_err(|_| BadQuery::Number)?,
                "sort" => query.sort = Some(value),
                "orderBy" => query.descending = value == "desc",
                "fields" => query.fields = value.split(',').map(str::to_owned).collect(),
                "filter" => query.filter = Some(Filter::parse(&value).ok_or(BadQuery::Filter)?),
                _ => {}
            }
        }
        if query.limit == Some(0) {
            return Err(BadQuery::Number);
        }
        Ok(query)
    }
}

impl Filter {
    fn parse(text: &str) -> Option<Self> {
        for (word, and) in [(" AND ", true), (" OR ", false)] {
            // Behind a quote, so that a value may hold the word.
            if let Some((left, right)) = text.split_once(&format!("'{word}")) {
                return Some(Self {
                    first: Term::parse(&format!("{left}'"))?,
                    second: Some((and, Term::parse(right)?)),
                });
            }
        }
        Some(Self { first: Term::parse(text)?, second: None })
    }

    /// Whether a row passes; `modified` is when it last changed, whatever its text says.
    pub(super) fn passes(&self, row: &Value, modified: Timestamp) -> bool {
        let first = self.first.passes(row, modified);
        match &self.second {
            None => first,
            Some((true, second)) => first && second.passes(row, modified),
            Some((false, second)) => first || second.passes(row, modified),
        }
    }
}

impl Term {
    fn parse(text: &str) -> Option<Self> {
        let at = text.find(['=', '!', '<', '>', '~'])?;
        let (field, rest) = text.split_at(at);
        let operator = ["!=", ">=", "<=", "=", ">", "<", "~"].into_iter().find(|op| rest.starts_with(op))?;
        let value = rest.strip_prefix(operator)?.strip_prefix('\'')?.strip_suffix('\'')?;
        Some(Self { field: field.trim().to_owned(), operator, value: value.to_owned() })
    }

    fn passes(&self, row: &Value, modified: Timestamp) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let order = if self.field == "dateLastModified" {
            match self.value.parse::<Timestamp>() {
                Ok(wanted) => modified.cmp(&wanted),
                Err(_) => return false,
            }
        } else {
            let held = at(row, &self.field);
            if self.operator == "~" {
                return held.contains(&self.value);
            }
            held.as_str().cmp(self.value.as_str())
        };
        match self.operator {
            "=" => order == Equal,
            "!=" => order != Equal,
            ">" => order == Greater,
            ">=" => order != Less,
            "<" => order == Less,
            "<=" => order != Greater,
            _ => false,
        }
    }
}

/// A field by its path, as text; a list's elements with commas between.
fn at(row: &Value, path: &str) -> String {
    let field = path.split('.').try_fold(row, |value, name| match value {
        Value::Array(list) => list.first()?.get(name),
        value => value.get(name),
    });
    match field {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => {
            list.iter().map(|v| v.as_str().unwrap_or_default()).collect::<Vec<_>>().join(",")
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_pass_what_they_say() {
        let row = json!({ "familyName": "O'Brien", "role": "student", "orgs": [{ "sourcedId": "elm" }] });
        let noon: Timestamp = "2026-08-01T12:00:00Z".parse().unwrap();
        for (filter, passes) in [
            ("familyName='O'Brien'", true),
            ("familyName='O''Brien'", false),
            ("familyName~'Bri' AND role='student'", true),
            ("familyName~'Bri' AND role='teacher'", false),
            ("familyName='x' OR role='student'", true),
            ("orgs.sourcedId='elm'", true),
            ("dateLastModified>'2026-08-01T11:59:59.999Z'", true),
            ("dateLastModified>'2026-08-01T12:00:00.000Z'", false),
            ("dateLastModified>='2026-08-01T12:00:00.000Z'", true),
        ] {
            let parsed = Filter::parse(filter).expect(filter);
            assert_eq!(parsed.passes(&row, noon), passes, "{filter}");
        }
        for bad in ["", "role", "role='x", "role=x", "='x'AND"] {
            assert!(Filter::parse(bad).is_none_or(|f| f.first.field.is_empty()), "{bad}");
        }
    }

    #[test]
    fn a_plus_is_no_space() {
        assert_eq!(decode("a+b%20c%27").as_deref(), Some("a+b c'"));
        assert_eq!(decode("%zz"), None);
        assert_eq!(Query::parse("limit=0"), Err(BadQuery::Number));
        assert_eq!(Query::parse("filter=role"), Err(BadQuery::Filter));
    }
}
