//! What an update sends: only what differs from what is there. Everything else in the record is somebody else's.

use rostercard_core::field::FieldSet;
use rostercard_core::patron::PatronValues;
use serde_json::{Map, Value, json};

use crate::map::Mapping;
use crate::record::{Attribute, Record, Unreadable};

/// What Koha must have in every change, be it as it was.
const ALWAYS: [&str; 3] = ["surname", "library_id", "category_id"];

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Difference {
    /// The properties that change; `null` empties one.
    pub(crate) properties: Map<String, Value>,
    /// All extended attributes as they are to be, where one of them changes: Koha replaces them all at once.
    pub(crate) attributes: Option<Vec<Attribute>>,
}

impl Difference {
    pub(crate) fn is_empty(&self) -> bool {
        self.properties.is_empty() && self.attributes.is_none()
    }

    /// Whether the category changes, which may cost the patron a fee.
    pub(crate) fn changes_category(&self) -> bool {
        self.properties.contains_key("category_id")
    }

    /// The body of the change: what changes, and what Koha must have. A change of the rest would be an overwriting of what
    /// staff may be writing at this moment.
    pub(crate) fn body(&self, record: &Record) -> Map<String, Value> {
        let mut body = self.properties.clone();
        for name in ALWAYS {
            if !body.contains_key(name) {
                body.insert(name.to_owned(), json!(record.text(name).ok().flatten()));
            }
        }
        body
    }
}

/// Compares wanted values of some fields with a record.
pub(crate) fn difference(
    mapping: Mapping<'_>,
    record: &Record,
    fields: FieldSet,
    values: &PatronValues,
) -> Result<Difference, Unreadable> {
    let there = mapping.patron(record)?.values;
    let there = mapping.properties(fields, &there);
    let mut properties = mapping.properties(fields, values);
    // What is there was not cleaned when staff wrote it, so the record itself is looked at too.
    properties.retain(|name, value| there.get(name) != Some(value) && !is_so(record, name, value));
    Ok(Difference { properties, attributes: attributes(mapping, record, fields, values)? })
}

fn is_so(record: &Record, name: &str, value: &Value) -> bool {
    record.raw(name) == Some(value) || (value.is_null() && record.is_blank(name))
}

fn attributes(
    mapping: Mapping<'_>,
    record: &Record,
    fields: FieldSet,
    values: &PatronValues,
) -> Result<Option<Vec<Attribute>>, Unreadable> {
    let wanted = mapping.wanted_attributes(fields, values);
    if wanted.is_empty() {
        return Ok(None);
    }
    // Without those that are there, replacing them all would take the others away.
    let there = record.attributes()?.ok_or(Unreadable(crate::record::ATTRIBUTES))?;
    let mut after = there.clone();
    for (kind, value) in wanted {
        // A type that may come several times: the first is ours, as it is when it is read.
        let place = after.iter().position(|held| held.kind == kind);
        match (place, value) {
            (Some(at), Some(value)) => after[at].value = value,
            (Some(at), None) => {
                after.remove(at);
            }
            (None, Some(value)) => after.push(Attribute { kind: kind.to_owned(), value }),
            (None, None) => {}
        }
    }
    Ok((after != there).then_some(after))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rostercard_core::field::Field;
    use rostercard_core::privacy::{BirthDate, Personal};
    use rostercard_core::student::Address;

    use super::*;
    use crate::settings::{AttributeMap, CodeHome, UserIdWay};

    fn map() -> AttributeMap {
        AttributeMap {
            student_id: Some("STUDENTID".into()),
            codes: BTreeMap::from([
                ("school".into(), CodeHome::Attribute("SCHOOL".into())),
                ("grade".into(), CodeHome::Statistics1),
            ]),
        }
    }

    fn mapping(map: &AttributeMap) -> Mapping<'_> {
        Mapping { attributes: map, user_id: UserIdWay::Number, middle_name: true }
    }

    fn there() -> Record {
        Record::read(json!({
            "patron_id": 5, "cardnumber": "7700000001", "userid": "zoe.marsh", "surname": "Marsh", "firstname": "Zoe",
            "middle_name": null, "email": "family@example.org", "phone": "", "address": "12 Main St", "address2": null,
            "city": "Lakeside", "state": "CA", "postal_code": "94000", "date_of_birth": "2012-05-04",
            "expiry_date": "2026-10-01", "category_id": "STARTER", "library_id": "MAIN", "statistics_1": "3",
            "statistics_2": "LIBRARY", "staff_notes": "ask mother", "restricted": false, "anonymized": false,
            "extended_attributes": [
                {"type": "LANG", "value": "es", "extended_attribute_id": 1},
                {"type": "STUDENTID", "value": "1", "extended_attribute_id": 2},
                {"type": "SCHOOL", "value": "0012", "extended_attribute_id": 3},
            ],
        }))
        .unwrap()
    }

    fn of(fields: &[Field], values: &PatronValues) -> Difference {
        difference(mapping(&map()), &there(), FieldSet::of(fields), values).unwrap()
    }

    #[test]
    fn what_is_so_already_is_not_sent() {
        let map = map();
        let values = mapping(&map).patron(&there()).unwrap().values;
        let fields = mapping(&map).writable();
        assert_eq!(difference(mapping(&map), &there(), fields, &values), Ok(Difference::default()));
    }

    #[test]
    fn a_change_sends_itself_and_what_koha_must_have() {
        let values =
            PatronValues { email: Some(Personal::new("new@example.org")), ..PatronValues::default() };
        let got = of(&[Field::Email], &values);
        assert_eq!(Value::Object(got.properties.clone()), json!({"email": "new@example.org"}));
        assert!(got.attributes.is_none());
        let body = json!({"email": "new@example.org", "surname": "Marsh", "library_id": "MAIN", "category_id": "STARTER"});
        assert_eq!(Value::Object(got.body(&there())), body);
        let emptied = of(&[Field::Email, Field::Phone], &PatronValues::default());
        assert_eq!(Value::Object(emptied.properties), json!({"email": null}));
    }

    #[test]
    fn other_peoples_attributes_stay_when_ours_change() {
        let values = PatronValues {
            statistics: BTreeMap::from([("school".into(), "0013".into()), ("grade".into(), "4".into())]),
            ..PatronValues::default()
        };
        let got = of(&[Field::Statistics], &values);
        assert_eq!(Value::Object(got.properties), json!({"statistics_1": "4"}));
        let held: Vec<(String, String)> =
            got.attributes.unwrap().into_iter().map(|held| (held.kind, held.value)).collect();
        let pair = |kind: &str, value: &str| (kind.to_owned(), value.to_owned());
        assert_eq!(held, [pair("LANG", "es"), pair("STUDENTID", "1"), pair("SCHOOL", "0013")]);
    }

    #[test]
    fn attributes_that_were_not_shown_are_not_replaced() {
        let bare = Record::read(json!({"patron_id": 5, "surname": "Marsh"})).unwrap();
        let values = PatronValues { student_id: Some(Personal::new("2")), ..PatronValues::default() };
        let got = difference(mapping(&map()), &bare, FieldSet::of(&[Field::StudentId]), &values);
        assert_eq!(got, Err(Unreadable("extended_attributes")));
    }

    #[test]
    fn a_code_that_is_not_wanted_is_not_taken_away() {
        assert!(of(&[Field::Statistics], &PatronValues::default()).is_empty());
    }

    #[test]
    fn an_address_is_changed_part_by_part() {
        let values = PatronValues {
            address: Some(Address {
                street: Personal::new("12  Main St"),
                street2: Some(Personal::new("Apt 4")),
                city: Personal::new("Lakeside"),
                state: Personal::new("CA"),
                zip: Personal::new("94000"),
            }),
            birth_date: Some(BirthDate::new(jiff::civil::date(2012, 5, 5))),
            ..PatronValues::default()
        };
        let got = of(&[Field::Address, Field::BirthDate], &values);
        assert_eq!(
            Value::Object(got.properties),
            json!({"address2": "Apt 4", "date_of_birth": "2012-05-05"})
        );
    }

    proptest! {
        #[test]
        fn a_change_once_made_is_no_change_any_more(
            surname in "[A-Za-z|ëü \t]{1,12}x", note in "\\PC{0,12}", grade in "[a-z0-9]{1,3}", id in "[a-z0-9]{1,5}"
        ) {
            let map = map();
            let values = PatronValues {
                surname: Some(Personal::new(surname)),
                note: Some(Personal::new(note)),
                student_id: Some(Personal::new(id)),
                statistics: BTreeMap::from([("grade".into(), grade.as_str().into())]),
                ..PatronValues::default()
            };
            let fields = FieldSet::of(&[Field::Surname, Field::Note, Field::StudentId, Field::Statistics]);
            let got = difference(mapping(&map), &there(), fields, &values).unwrap();
            let mut after = there().into_value();
            for (name, value) in &got.properties {
                after[name] = value.clone();
            }
            if let Some(list) = &got.attributes {
                after["extended_attributes"] = crate::map::attributes_body(list);
            }
            let after = Record::read(after).unwrap();
            prop_assert_eq!(difference(mapping(&map), &after, fields, &values), Ok(Difference::default()));
        }
    }
}
