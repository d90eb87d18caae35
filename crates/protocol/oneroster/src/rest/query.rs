//! What is asked of a collection, byte for byte: every value is percent-encoded here once, so that nothing encodes it
//! again, neither the HTTP library nor a signature.

use jiff::Timestamp;

/// Percent-encodes all but the unreserved characters of RFC 3986; a space is `%20`.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            all.push(char::from(byte));
        } else {
            let hex = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0').to_ascii_uppercase();
            all.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    all
}

/// A query without its place in the walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// The filter, not encoded.
    pub filter: Option<String>,
    /// Whether rows are to come in the order of their `sourcedId`.
    pub sorted: bool,
    /// The fields that are wanted; all, where there are none.
    pub fields: &'static [&'static str],
}

impl Query {
    /// The query of one page.
    #[must_use]
    pub fn page(&self, limit: usize, offset: usize) -> String {
        let mut text = format!("limit={limit}&offset={offset}");
        if self.sorted {
            text.push_str("&sort=sourcedId&orderBy=asc");
        }
        if let Some(filter) = &self.filter {
            text.push_str("&filter=");
            text.push_str(&encode(filter));
        }
        if !self.fields.is_empty() {
            text.push_str("&fields=");
            text.push_str(&encode(&self.fields.join(",")));
        }
        text
    }
}

/// The filter for what changed after a moment. It says nothing of `status`, because that would hide tombstones.
#[must_use]
pub fn changed_since(moment: Timestamp) -> String {
    format!("dateLastModified>'{moment:.3}'")
}

/// A value between quotes for an equality filter; `None` where it cannot be said, since there is no escape for a quote.
#[must_use]
pub fn equals(field: &str, value: &str) -> Option<String> {
    (!value.contains('\'')).then(|| format!("{field}='{value}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_the_exact_bytes() {
        let since = "2026-08-01T00:00:00Z".parse().unwrap();
        let query = Query { filter: Some(changed_since(since)), ..Query::default() };
        assert_eq!(
            query.page(500, 0),
            "limit=500&offset=0&filter=dateLastModified%3E%272026-08-01T00%3A00%3A00.000Z%27"
        );
        let query = Query { sorted: true, fields: &["sourcedId", "birthDate"], ..Query::default() };
        assert_eq!(
            query.page(1, 2),
            "limit=1&offset=2&sort=sourcedId&orderBy=asc&fields=sourcedId%2CbirthDate"
        );
        assert_eq!(encode("O'Brien + Óscar"), "O%27Brien%20%2B%20%C3%93scar");
        assert_eq!(equals("identifier", "0471").as_deref(), Some("identifier='0471'"));
        assert_eq!(equals("familyName", "O'Brien"), None);
    }
}
