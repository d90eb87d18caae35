//! A patron of the register as Koha's API shows it, property by property, and as a body changes it.

use deunicode::deunicode;
use serde_json::{Map, Value, json};

use super::manners::KohaVersion;
use crate::ils::patron::{Patron, Postal};

/// The properties that can be set, and the column each is.
const TEXTS: &[&str] = &[
    "cardnumber",
    "userid",
    "surname",
    "firstname",
    "middle_name",
    "email",
    "phone",
    "address",
    "address2",
    "city",
    "state",
    "postal_code",
    "category_id",
    "library_id",
    "statistics_1",
    "statistics_2",
    "staff_notes",
    "date_of_birth",
    "expiry_date",
];
/// Properties that are known and kept nowhere here.
const IDLE: &[&str] =
    &["title", "other_name", "initials", "street_number", "mobile", "country", "privacy", "lang"];
/// Properties that may not be in a body.
pub(super) const READ_ONLY: &[&str] = &["restricted", "anonymized"];
/// Properties of later versions.
const NEW: &[&str] = &["protected", "preferred_name"];

/// What must be in every body.
pub(super) const REQUIRED: [&str; 3] = ["surname", "category_id", "library_id"];

/// Koha's column for card numbers.
const CARDNUMBER: usize = 32;

/// Whether a version knows a property at all.
pub(super) fn knows(version: KohaVersion, name: &str) -> bool {
    match name {
        "middle_name" => version != KohaVersion::Old,
        "patron_id" | "patron_card_lost" | "incorrect_address" | "updated_on" => true,
        _ if NEW.contains(&name) => version == KohaVersion::New,
        _ => TEXTS.contains(&name) || IDLE.contains(&name) || READ_ONLY.contains(&name),
    }
}

/// A property of a patron; `None` where it holds nothing.
pub(super) fn property(patron: &Patron, name: &str) -> Option<String> {
    let address = |part: fn(&Postal) -> &String| patron.addresses.first().map(part).cloned();
    let value = match name {
        "cardnumber" => Some(patron.barcode.clone()),
        "userid" => Some(patron.koha.userid.clone()),
        "surname" => Some(patron.surname.clone()),
        "firstname" => Some(patron.given.clone()),
        "middle_name" => Some(patron.middle.clone()),
        "email" => patron.emails.first().cloned(),
        "phone" => patron.phones.first().cloned(),
        "address" => address(|a| &a.line1),
        "address2" => address(|a| &a.line2),
        "city" => address(|a| &a.city),
        "state" => address(|a| &a.state),
        "postal_code" => address(|a| &a.zip),
        "category_id" => patron.category.clone(),
        "library_id" => patron.home_branch.clone(),
        "statistics_1" | "statistics_2" => patron.stat_codes.get(name).cloned(),
        "staff_notes" => Some(patron.note.clone()),
        "date_of_birth" => patron.birth_date.clone(),
        "expiry_date" => patron.expires.clone(),
        _ => None,
    };
    value.filter(|value| !value.is_empty())
}

/// A patron as `GET` shows it: every property, `null` where there is nothing.
pub(super) fn whole(
    patron: &Patron,
    version: KohaVersion,
    attributes: Option<Vec<&(String, String)>>,
) -> Value {
    let mut out = Map::new();
    for name in TEXTS.iter().chain(IDLE).filter(|name| knows(version, name)) {
        out.insert((*name).to_owned(), json!(property(patron, name)));
    }
    if version == KohaVersion::New {
        out.insert("protected".into(), json!(false));
        out.insert("preferred_name".into(), json!(property(patron, "firstname")));
    }
    out.insert("patron_id".into(), json!(patron.id));
    out.insert("restricted".into(), json!(patron.blocked || !patron.blocks.is_empty()));
    out.insert("patron_card_lost".into(), json!(patron.koha.card_lost));
    out.insert("incorrect_address".into(), json!(null));
    out.insert("anonymized".into(), json!(false));
    out.insert("updated_on".into(), json!("2026-11-24T00:00:00+00:00"));
    if let Some(attributes) = attributes {
        out.insert("extended_attributes".into(), listed(attributes));
    }
    Value::Object(out)
}

/// What a `201` shows: what was sent, with dates that have grown a time of day.
pub(super) fn echo(body: &Map<String, Value>, id: u64) -> Value {
    let mut out = body.clone();
    out.insert("patron_id".into(), json!(id));
    out.insert("updated_on".into(), json!(null));
    if let Some(Value::String(day)) = out.get_mut("expiry_date") {
        day.push_str("T01:55:39");
    }
    Value::Object(out)
}

/// Extended attributes as JSON.
pub(super) fn listed<'a>(attributes: impl IntoIterator<Item = &'a (String, String)>) -> Value {
    attributes
        .into_iter()
        .zip(1..)
        .map(|((kind, value), id)| json!({ "extended_attribute_id": id, "type": kind, "value": value }))
        .collect()
}

/// Takes over what a body says. `null` empties, what is not there stays. `Err` names a property of the wrong type.
pub(super) fn apply(patron: &mut Patron, body: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in body {
        if matches!(name.as_str(), "extended_attributes") || IDLE.contains(&name.as_str()) {
            continue;
        }
        if name == "patron_card_lost" {
            patron.koha.card_lost = value.as_bool().unwrap_or(false);
            continue;
        }
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            _ => return Err(name.clone()),
        };
        set(patron, name, text);
    }
    Ok(())
}

fn set(patron: &mut Patron, name: &str, text: String) {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let one = |list: &mut Vec<String>, text: String| {
        list.clear();
        list.extend(some(text));
    };
    if ["address", "address2", "city", "state", "postal_code"].contains(&name) {
        if patron.addresses.is_empty() {
            patron.addresses.push(Postal::default());
        }
        if let Some(address) = patron.addresses.first_mut() {
            match name {
                "address" => address.line1 = text,
                "address2" => address.line2 = text,
                "city" => address.city = text,
                "state" => address.state = text,
                _ => address.zip = text,
            }
        }
        patron.addresses.retain(|address| *address != Postal::default());
        return;
    }
    match name {
        // MariaDB, not in strict mode: what is too long is cut, and nobody is told.
        "cardnumber" => patron.barcode = text.chars().take(CARDNUMBER).collect(),
        "userid" => patron.koha.userid = text,
        "surname" => patron.surname = text,
        "firstname" => patron.given = text,
        "middle_name" => patron.middle = text,
        "email" => one(&mut patron.emails, text),
        "phone" => one(&mut patron.phones, text),
        "category_id" => patron.category = some(text),
        "library_id" => patron.home_branch = some(text),
        "statistics_1" | "statistics_2" => match some(text) {
            Some(text) => drop(patron.stat_codes.insert(name.to_owned(), text)),
            None => drop(patron.stat_codes.remove(name)),
        },
        "staff_notes" => patron.note = text,
        "date_of_birth" => patron.birth_date = some(text),
        "expiry_date" => patron.expires = some(text),
        _ => {}
    }
}

/// The user id that Koha makes where none is given: of the name, with a number where it is taken.
pub(super) fn made_userid(patron: &Patron, taken: impl Fn(&str) -> bool) -> String {
    let plain = |text: &str| {
        deunicode(text).to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect::<String>()
    };
    let base = format!("{}.{}", plain(&patron.given), plain(&patron.surname));
    let mut candidates = std::iter::once(base.clone()).chain((1u64..).map(|n| format!("{base}{n}")));
    candidates.find(|userid| !taken(userid)).unwrap_or(base)
}
