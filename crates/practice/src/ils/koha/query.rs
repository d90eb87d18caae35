//! Koha's searches: parameters that match a part of a value unless told otherwise, and `q`, which matches whole values.
//!
//! Equality is MariaDB's `utf8mb4_unicode_ci`: without case, without accents, without blanks at the ends.

use deunicode::deunicode;
use serde_json::Value;

use super::record::property;
use crate::ils::patron::Patron;

/// The form in which values are equal to the database.
pub(in crate::ils) fn folded(text: &str) -> String {
    deunicode(text.trim()).to_lowercase()
}

/// Why a search is refused: a column that is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoSuchColumn;

/// How a parameter matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    Contains,
    Exact,
    StartsWith,
    EndsWith,
}

impl Match {
    pub(super) fn named(name: Option<&str>) -> Self {
        match name {
            Some("exact") => Self::Exact,
            Some("starts_with") => Self::StartsWith,
            Some("ends_with") => Self::EndsWith,
            _ => Self::Contains,
        }
    }

    /// Whether a property matches a parameter.
    pub(super) fn holds(self, patron: &Patron, name: &str, wanted: &str) -> bool {
        let held = folded(&property(patron, name).unwrap_or_default());
        let wanted = folded(wanted);
        match self {
            Self::Contains => held.contains(&wanted),
            Self::Exact => held == wanted,
            Self::StartsWith => held.starts_with(&wanted),
            Self::EndsWith => held.ends_with(&wanted),
        }
    }
}

/// Whether `q` speaks of extended attributes, which it may only where they are embedded.
pub(super) fn speaks_of_attributes(q: &Value) -> bool {
    match q {
        Value::Object(map) => map.keys().any(|key| key.starts_with("extended_attributes.")),
        Value::Array(list) => list.iter().any(speaks_of_attributes),
        _ => false,
    }
}

/// Whether a patron fits `q`: a list is "or", an object is "and".
pub(super) fn fits(patron: &Patron, q: &Value) -> Result<bool, NoSuchColumn> {
    match q {
        Value::Array(list) => list.iter().try_fold(false, |found, one| Ok(found | fits(patron, one)?)),
        Value::Object(map) => {
            let mut all = true;
            for (name, wanted) in map.iter().filter(|(name, _)| !name.starts_with("extended_attributes.")) {
                if name == "patron_id" {
                    all &= is(Some(&patron.id.to_string()), wanted);
                    continue;
                }
                if !super::record::knows(super::manners::KohaVersion::New, name) {
                    return Err(NoSuchColumn);
                }
                all &= is(property(patron, name).as_deref(), wanted);
            }
            if speaks_of_attributes(q) {
                all &= patron.koha.attributes.iter().any(|attribute| attribute_fits(attribute, q));
            }
            Ok(all)
        }
        _ => Err(NoSuchColumn),
    }
}

/// Whether one attribute is what `q` asks of attributes.
pub(super) fn attribute_fits((kind, value): &(String, String), q: &Value) -> bool {
    let Value::Object(map) = q else { return true };
    map.iter().all(|(name, wanted)| match name.strip_prefix("extended_attributes.") {
        Some("code" | "type") => is(Some(kind), wanted),
        Some("value" | "attribute") => is(Some(value), wanted),
        Some(_) => false,
        None => true,
    })
}

fn is(held: Option<&str>, wanted: &Value) -> bool {
    match wanted {
        Value::Null => held.is_none(),
        Value::String(text) => held.is_some_and(|held| folded(held) == folded(text)),
        Value::Number(number) => held == Some(number.to_string().as_str()),
        Value::Array(list) => list.iter().any(|one| is(held, one)),
        Value::Object(map) => map.iter().all(|(operator, value)| match operator.as_str() {
            "=" => is(held, value),
            "!=" => !is(held, value),
            "-like" | "like" => value.as_str().is_some_and(|pattern| {
                held.is_some_and(|held| folded(held).contains(&folded(pattern.trim_matches('%'))))
            }),
            _ => false,
        }),
        Value::Bool(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patron() -> Patron {
        let mut patron = Patron {
            barcode: "PUT1".into(),
            surname: "Nguyễn".into(),
            birth_date: Some("2015-01-02".into()),
            ..Patron::default()
        };
        patron.koha.attributes = vec![("STUDENTID".into(), "7".into()), ("SCHOOL".into(), "0012".into())];
        patron
    }

    #[test]
    fn whole_values_without_case_and_accents() {
        let cases = [
            (json!({"cardnumber": "put1"}), true),
            (json!({"cardnumber": " PÜT1 "}), true),
            (json!({"cardnumber": "PUT"}), false),
            (json!({"cardnumber": ["x", "PUT1"]}), true),
            (json!({"surname": "NGUYEN", "date_of_birth": "2015-01-02"}), true),
            (json!({"surname": "NGUYEN", "date_of_birth": "2015-01-03"}), false),
            (json!([{"cardnumber": "x"}, {"surname": "nguyen"}]), true),
            (json!({"firstname": null}), true),
            (json!({"surname": {"-like": "%guy%"}}), true),
            (json!({"extended_attributes.code": "STUDENTID", "extended_attributes.value": "7"}), true),
            (json!({"extended_attributes.code": "SCHOOL", "extended_attributes.value": "7"}), false),
        ];
        for (q, wanted) in cases {
            assert_eq!(fits(&patron(), &q), Ok(wanted), "{q}");
        }
        assert_eq!(fits(&patron(), &json!({"bogus": 1})), Err(NoSuchColumn));
        assert!(Match::named(None).holds(&patron(), "cardnumber", "UT"), "the default looks for parts");
    }
}
