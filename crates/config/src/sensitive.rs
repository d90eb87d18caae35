//! Which names belong to secrets, and which stretches of a file hold one: such lines are never shown.
//! It errs towards hiding: a hidden line costs a look into the file, a shown one a new password.

use std::ops::Range;

use crate::document::{Node, Value};
use crate::place::Place;

/// Words that make a name a secret's wherever they stand in it, and however they were mistyped by one letter.
const WORDS: [&str; 6] = ["secret", "password", "passwd", "passphrase", "token", "credential"];
/// Words that do so where they end a part of the name: `api_key`, `apikey`, `pin`, but not `Keystone` or `Pinewood`.
const ENDINGS: [&str; 4] = ["key", "keys", "pin", "pins"];
/// The one exception: rules about PINs that are no PIN.
const PIN_RULES: [&str; 6] = ["random", "birth_date", "number", "student_id", "none", "template"];
/// The ways in which a secret may be referred to.
pub(crate) const REFERENCES: [&str; 3] = ["credential", "file", "env"];

/// Whether a value under this name is to be treated as a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
        || parts(name).any(|part| {
            ENDINGS.iter().any(|ending| part.ends_with(ending))
                || part == "pincode"
                || part == "keyfile"
                || (part.chars().count() >= 4
                    && part.chars().count() <= 20
                    && WORDS.iter().any(|word| strsim::damerau_levenshtein(&part, word) <= 1))
        })
}

/// The stretches of a file, from its tree, that hold a secret in clear.
pub(crate) fn spans_of_secrets(root: &Node) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    walk("", root, false, &mut found);
    found
}

fn walk(name: &str, node: &Node, inherited: bool, found: &mut Vec<Range<usize>>) {
    let secret = inherited || is_secret_name(name);
    match &node.value {
        Value::Table(_) if is_reference(node) => {}
        Value::Table(table) => {
            for entry in table.iter() {
                walk(&entry.name, &entry.node, secret, found);
                // A secret may have been written where the name stands.
                if secret && let Place::File { span, .. } = &entry.key_place {
                    found.push(span.clone());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk("", item, secret, found)),
        Value::String(text) if secret && name.contains("pin") && PIN_RULES.contains(&text.as_str()) => {}
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Bool(_) | Value::Datetime(_) => {
            let url_with_login =
                matches!(&node.value, Value::String(text) if text.contains("://") && text.contains('@'));
            if (secret || url_with_login)
                && let Place::File { span, .. } = &node.place
            {
                found.push(span.clone());
            }
        }
    }
}

/// Whether this is `{ credential = "NAME" }` or one of its kin, with nothing else in it.
fn is_reference(node: &Node) -> bool {
    let Value::Table(table) = &node.value else {
        return false;
    };
    let mut entries = table.iter();
    let (Some(only), None) = (entries.next(), entries.next()) else {
        return false;
    };
    REFERENCES.contains(&only.name.as_str())
        && matches!(&only.node.value, Value::String(text) if only.name == "file" || crate::names::is_reference_name(text))
}

/// In a file that could not be parsed no tree says where its secrets are, nor where a pasted one ends.
/// So everything from the first line that may hold one is taken to be secret.
pub(crate) fn span_in_broken_text(text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if may_hold_secret(line) {
            return Some(start..text.len());
        }
        start += line.len();
    }
    None
}

fn may_hold_secret(line: &str) -> bool {
    if line.contains("-----BEGIN") || (line.contains("://") && line.contains('@')) {
        return true;
    }
    // A line that is nothing but a reference, or nothing but a rule, is safe however it is spelt before the `=`.
    if let Some((name, value)) = line.split_once('=') {
        let value = value.trim();
        let inner = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).map(str::trim);
        if let Some((way, quoted)) = inner.and_then(|inner| inner.split_once('='))
            && REFERENCES.contains(&way.trim())
            && unquoted(quoted).is_some_and(crate::names::is_reference_name)
        {
            return false;
        }
        if name.trim() == "pin" && unquoted(value).is_some_and(|word| PIN_RULES.contains(&word)) {
            return false;
        }
    }
    // The whole line is searched, not the name alone: in a broken line nobody knows where the name ends.
    is_secret_name(line)
}

fn unquoted(text: &str) -> Option<&str> {
    text.trim().strip_prefix('"')?.strip_suffix('"')
}

/// The parts of a name: `apiKey`, `api_key` and `api-key` are `api` and `key`.
fn parts(name: &str) -> impl Iterator<Item = String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            parts.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(last) = parts.last_mut()
        {
            last.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    parts.into_iter().filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_secret_names_even_mistyped() {
        for name in [
            "client_secret",
            "client_secrt",
            "clientSecret",
            "password",
            "pasword",
            "api_key",
            "apikey",
            "key",
            "token",
            "tokens",
            "toekn",
            "pin",
            "staff_pin",
            "pincode",
            "SECRET",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in
            ["Pinewood Elementary", "Keystone High", "client_id", "category", "number", "url", "", "timezone"]
        {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_broken_file_is_hidden_from_its_first_secret_on() {
        for (text, from) in [
            ("a = 1\nclient_secret = \"x\nb = 2\n", Some(6)),
            ("client_secret = { credential = \"koha\" }\nb = \n", None),
            ("pin = \"random\"\nb = \n", None),
            ("pin = \"1234\"\nb = \n", Some(0)),
            ("url = \"https://me:word@host/\nb = 1", Some(0)),
            ("client_secret = { credential = \"s p a c e\" }\n", Some(0)),
        ] {
            assert_eq!(span_in_broken_text(text).map(|span| span.start), from, "{text}");
        }
    }
}
