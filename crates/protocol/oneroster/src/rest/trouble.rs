//! What an error's body says, in any of the shapes that servers give it, as one sentence of ours.
//!
//! The servers' own descriptions are not kept: they repeat what was asked, and that may name a person.

use std::fmt;

use super::json::{Node, read, white};

/// The longest code that is kept where it is none of the specification's.
const CODE: usize = 40;

/// What an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The minor code, such as `invalid_filter_field`; empty where none was said. Letters, digits and `_` alone.
    pub code: String,
    /// Whether the body is a page for people.
    pub html: bool,
}

/// Minor codes of the specification and their like, with what each means.
const CODES: &[(&str, &str)] = &[
    ("fullsuccess", "it says that all went well"),
    ("invalidfilterfield", "the filter names a field that the server does not filter by"),
    ("invalidselectionfield", "a field that was selected or sorted by is not known to the server"),
    ("invalidsortfield", "the server does not sort by that field"),
    ("invaliddata", "the server calls the request invalid"),
    ("unauthorisedrequest", "the server does not accept the login"),
    ("unauthorizedrequest", "the server does not accept the login"),
    ("unauthorised", "the server does not accept the login"),
    ("unauthorized", "the server does not accept the login"),
    ("forbidden", "the login may not read this"),
    ("serverbusy", "the server is busy"),
    ("unknownobject", "the server does not know what was asked for"),
    ("internalservererror", "something went wrong inside the server"),
];

fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

impl Trouble {
    /// Reads an error's body: the object of 1.2 bare or wrapped, the `statusInfoSet` of 1.1, the form of 1.0, a flat
    /// code, a page, or anything else.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let start = white(body, 0);
        let html = body.get(start) == Some(&b'<');
        let code = read(body, start).ok().and_then(|(node, _)| code(&node, 0)).unwrap_or_default();
        let kept = code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(CODE).collect();
        Self { code: kept, html }
    }

    /// Whether the code is one of these, however it is spelt.
    #[must_use]
    pub fn is(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| plain(code) == plain(&self.code))
    }
}

/// The minor code, wherever it is.
fn code(node: &Node<'_>, depth: usize) -> Option<String> {
    if depth > 4 {
        return None;
    }
    for name in ["imsx_CodeMinor", "codeMinor", "imsx_codeMinorFieldValue", "error"] {
        match node.get(name) {
            Some(object @ Node::Object(_)) => {
                let fields = object.get("imsx_codeMinorField").map(Node::elements).unwrap_or_default();
                let value = fields.iter().find_map(|field| field.get("imsx_codeMinorFieldValue"));
                if let Some(value) = value {
                    return Some(value.text().into_owned());
                }
            }
            Some(value) if !value.text().is_empty() => return Some(value.text().into_owned()),
            _ => {}
        }
    }
    ["imsx_StatusInfo", "statusInfoSet", "statusInfo"]
        .iter()
        .filter_map(|name| node.get(name))
        .chain(match node {
            Node::List(list) => list.first(),
            _ => None,
        })
        .flat_map(Node::elements)
        .find_map(|inner| code(inner, depth + 1))
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = CODES.iter().find(|(code, _)| *code == plain(&self.code)).map(|(_, sentence)| *sentence);
        match (known, self.code.is_empty(), self.html) {
            (Some(sentence), ..) => write!(f, "{sentence} ({})", self.code),
            (None, false, _) => write!(f, "the server says {}", self.code),
            (None, true, true) => f.write_str("a web page came instead of an answer"),
            (None, true, false) => f.write_str("the server does not say why"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn h9_every_shape() {
        let field = "{\"imsx_codeMinorField\":[{\"imsx_codeMinorFieldName\":\"TargetEndSystem\",\
                     \"imsx_codeMinorFieldValue\":\"invalid_filter_field\"}]}";
        let bare = format!(
            "{{\"imsx_codeMajor\":\"failure\",\"imsx_description\":\"x\",\"imsx_CodeMinor\":{field}}}"
        );
        for body in [
            bare.clone(),
            format!("{{\"imsx_StatusInfo\":{bare}}}"),
            format!("{{\"statusInfoSet\":[{bare}]}}"),
            "{\"codeMajor\":\"failure\",\"codeMinor\":\"invalid_filter_field\",\"severity\":\"error\"}"
                .to_owned(),
            "{\"imsx_codeMajor\":\"failure\",\"imsx_codeMinor\":\"invalid_filter_field\"}".to_owned(),
            format!("[{bare}]"),
        ] {
            let trouble = Trouble::read(body.as_bytes());
            assert_eq!(trouble.code, "invalid_filter_field", "{body}");
            assert!(trouble.to_string().starts_with("the filter names a field"), "{trouble}");
        }
        assert!(Trouble::read(b"  <html>").html);
        assert_eq!(Trouble::read(b"{\"error\":\"Zo\xc3\xab 4711!\"}").code, "Zo4711");
        assert_eq!(Trouble::read(b"").to_string(), "the server does not say why");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..120)) {
            prop_assert!(!Trouble::read(&body).to_string().is_empty());
        }
    }
}
