//! How a patron's values travel in Koha's properties. The only place that knows.
//!
//! | value | property |
//! | --- | --- |
//! | barcode | `cardnumber` |
//! | user name | `userid`; the number where there is none, because Koha would make one of the child's name |
//! | surname, given name, middle name | `surname`, `firstname`, `middle_name` |
//! | birth date, expiry | `date_of_birth`, `expiry_date` |
//! | e-mail, phone | `email`, `phone` |
//! | address | `address`, `address2`, `city`, `state`, `postal_code` |
//! | category, home branch | `category_id`, `library_id` |
//! | student id | an extended attribute of the type that the settings name |
//! | statistical codes | extended attributes, `statistics_1` or `statistics_2`, as the settings say |
//! | note | `staff_notes` |
//! | blocked | `restricted` or `patron_card_lost`, in answers only |

use jiff::civil::Date;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::privacy::{BirthDate, Personal};
use rostercard_core::student::Address;
use rostercard_core::words::Code;
use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization;

use crate::record::{ATTRIBUTES, Attribute, Record, Unreadable};
use crate::settings::{AttributeMap, CodeHome, UserIdWay};

/// Fields that are one text each, their properties, and how many letters Koha's table holds; it cuts what is longer without
/// a word.
pub(crate) const TEXTS: [(Field, &str, Option<usize>); 10] = [
    (Field::Barcode, "cardnumber", Some(32)),
    (Field::UserName, "userid", Some(75)),
    (Field::Surname, "surname", None),
    (Field::GivenName, "firstname", None),
    (Field::MiddleName, MIDDLE_NAME, None),
    (Field::Email, "email", None),
    (Field::Phone, "phone", None),
    (Field::Category, "category_id", Some(10)),
    (Field::HomeBranch, "library_id", Some(10)),
    (Field::Note, "staff_notes", None),
];
/// The properties of an address, in the order of [`parts`].
const ADDRESS: [&str; 5] = ["address", "address2", "city", "state", "postal_code"];
/// The one property that not every version that is in use knows.
pub(crate) const MIDDLE_NAME: &str = "middle_name";
/// What an extended attribute and a statistical field hold, in letters.
const LONGEST_CODE: usize = 80;
const LONGEST_ATTRIBUTE: usize = 255;

/// What a field's property is called, for a refusal that names it.
pub(crate) fn field_of_property(property: &str) -> Option<Field> {
    let text = TEXTS.iter().find(|(_, name, _)| *name == property).map(|(field, ..)| *field);
    text.or(match property {
        "date_of_birth" => Some(Field::BirthDate),
        "expiry_date" => Some(Field::Expiry),
        "statistics_1" | "statistics_2" => Some(Field::Statistics),
        _ if ADDRESS.contains(&property) => Some(Field::Address),
        _ => None,
    })
}

/// How one Koha's values travel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapping<'a> {
    pub(crate) attributes: &'a AttributeMap,
    pub(crate) user_id: UserIdWay,
    /// Whether this version knows `middle_name`.
    pub(crate) middle_name: bool,
}

/// A name as Koha may hold it: composed, and without signs that would tear a SIP2 message apart later.
pub(crate) fn clean(text: &str) -> String {
    text.nfc()
        .map(|c| if c.is_control() || c == '|' { ' ' } else { c })
        .collect::<String>()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn cleaned(value: Option<&Personal>) -> Option<String> {
    Some(clean(value?.reveal())).filter(|text| !text.is_empty())
}

fn parts(address: &Address) -> [Option<String>; 5] {
    [
        Some(&address.street),
        address.street2.as_ref(),
        Some(&address.city),
        Some(&address.state),
        Some(&address.zip),
    ]
    .map(cleaned)
}

/// Values to properties.
impl Mapping<'_> {
    /// The fields that an answer can hold.
    pub(crate) fn returns(&self) -> FieldSet {
        let mut fields = FieldSet::of(&[
            Field::Barcode,
            Field::Surname,
            Field::GivenName,
            Field::BirthDate,
            Field::Email,
            Field::Phone,
            Field::Address,
            Field::Category,
            Field::HomeBranch,
            Field::Expiry,
            Field::Note,
        ]);
        for (field, held) in [
            (Field::MiddleName, self.middle_name),
            (Field::UserName, self.user_id == UserIdWay::Roster),
            (Field::StudentId, self.attributes.student_id.is_some()),
            (Field::Statistics, !self.attributes.codes.is_empty()),
        ] {
            if held {
                fields.insert(field);
            }
        }
        fields
    }

    /// The fields that an update can change: all that come back, but the number, which is never changed by itself.
    pub(crate) fn writable(&self) -> FieldSet {
        let mut fields = self.returns();
        fields.remove(Field::Barcode);
        fields
    }

    /// A text field's value as Koha is to hold it.
    fn text(&self, field: Field, values: &PatronValues) -> Option<String> {
        match field {
            // Exactly as the journal holds it, or not at all.
            Field::Barcode => values.barcode.as_ref().map(|number| number.reveal().to_owned()),
            Field::UserName => match self.user_id {
                UserIdWay::Number => None,
                UserIdWay::Roster => cleaned(values.user_name.as_ref()),
            },
            Field::Surname => cleaned(values.surname.as_ref()),
            Field::GivenName => cleaned(values.given_name.as_ref()),
            Field::MiddleName => cleaned(values.middle_name.as_ref()).filter(|_| self.middle_name),
            Field::Email => cleaned(values.email.as_ref()),
            Field::Phone => cleaned(values.phone.as_ref()),
            Field::Category => values.category.as_ref().map(|code| code.as_str().to_owned()),
            Field::HomeBranch => values.home_branch.as_ref().map(|code| code.as_str().to_owned()),
            // A note may have lines.
            Field::Note => values.note.as_ref().map(|note| note.reveal().trim().to_owned()),
            _ => None,
        }
        .filter(|text| !text.is_empty())
    }

    /// The values in the form in which Koha holds and returns them.
    pub(crate) fn fitted(&self, values: &PatronValues) -> PatronValues {
        let text = |field| self.text(field, values).map(Personal::new);
        PatronValues {
            barcode: text(Field::Barcode),
            user_name: text(Field::UserName),
            surname: text(Field::Surname),
            given_name: text(Field::GivenName),
            middle_name: text(Field::MiddleName),
            birth_date: values.birth_date,
            email: text(Field::Email),
            phone: text(Field::Phone),
            address: values.address.as_ref().and_then(|address| address_of(parts(address))),
            student_id: cleaned(values.student_id.as_ref())
                .filter(|_| self.attributes.student_id.is_some())
                .map(Personal::new),
            category: values.category.clone(),
            home_branch: values.home_branch.clone(),
            expiry: values.expiry,
            statistics: values
                .statistics
                .iter()
                .filter(|(name, _)| self.attributes.codes.contains_key(*name))
                .map(|(name, code)| (name.clone(), code.clone()))
                .collect(),
            note: text(Field::Note),
        }
    }

    /// Every property of some fields, with `null` where there is nothing. Extended attributes are not among them.
    pub(crate) fn properties(&self, fields: FieldSet, values: &PatronValues) -> Map<String, Value> {
        let mut out = Map::new();
        for (field, name, _) in TEXTS.iter().filter(|(field, ..)| fields.contains(*field)) {
            // Without a user id of the roster's there is nothing to change: the number stays.
            if *field != Field::UserName || self.text(*field, values).is_some() {
                out.insert((*name).to_owned(), json!(self.text(*field, values)));
            }
        }
        let day = |day: Option<Date>| json!(day.map(|day| day.to_string()));
        if fields.contains(Field::BirthDate) {
            out.insert("date_of_birth".to_owned(), day(values.birth_date.map(BirthDate::reveal)));
        }
        if fields.contains(Field::Expiry) {
            out.insert("expiry_date".to_owned(), day(values.expiry));
        }
        if fields.contains(Field::Address) {
            let parts = values.address.as_ref().map(parts).unwrap_or_default();
            out.extend(ADDRESS.iter().zip(parts).map(|(name, part)| ((*name).to_owned(), json!(part))));
        }
        if fields.contains(Field::Statistics) {
            for (name, home) in &self.attributes.codes {
                let property = match home {
                    CodeHome::Attribute(_) => continue,
                    CodeHome::Statistics1 => "statistics_1",
                    CodeHome::Statistics2 => "statistics_2",
                };
                // A code that is not wanted is not ours to take away.
                if let Some(code) = values.statistics.get(name) {
                    out.insert(property.to_owned(), json!(code.as_str()));
                }
            }
        }
        out
    }

    /// The extended attributes of some fields: their types with what they are to hold.
    pub(crate) fn wanted_attributes(
        &self,
        fields: FieldSet,
        values: &PatronValues,
    ) -> Vec<(&str, Option<String>)> {
        let mut out = Vec::new();
        if let Some(kind) =
            self.attributes.student_id.as_deref().filter(|_| fields.contains(Field::StudentId))
        {
            out.push((kind, cleaned(values.student_id.as_ref())));
        }
        if fields.contains(Field::Statistics) {
            for (name, home) in &self.attributes.codes {
                if let (CodeHome::Attribute(kind), Some(code)) = (home, values.statistics.get(name)) {
                    out.push((kind.as_str(), Some(code.as_str().to_owned())));
                }
            }
        }
        out
    }

    /// The body of a create: what there is, and nothing else.
    pub(crate) fn create(&self, values: &PatronValues) -> Map<String, Value> {
        let mut body = self.properties(FieldSet::ALL, values);
        body.retain(|_, value| !value.is_null());
        if !body.contains_key("userid")
            && let Some(number) = self.text(Field::Barcode, values)
        {
            body.insert("userid".to_owned(), json!(number));
        }
        let attributes: Vec<Value> = self
            .wanted_attributes(FieldSet::ALL, values)
            .into_iter()
            .filter_map(|(kind, value)| Some(json!({ "type": kind, "value": value? })))
            .collect();
        if !attributes.is_empty() {
            body.insert(ATTRIBUTES.to_owned(), Value::Array(attributes));
        }
        body
    }

    /// The first field that Koha would cut, or that it must have and is not there.
    pub(crate) fn obstacle(&self, fields: FieldSet, values: &PatronValues) -> Option<(Field, Obstacle)> {
        let longer = |text: &str, most: usize| text.chars().nth(most).is_some();
        let number = self.text(Field::Barcode, values).filter(|_| fields.contains(Field::Barcode));
        if number.is_some_and(|number| clean(&number) != number) {
            return Some((Field::Barcode, Obstacle::Odd));
        }
        for (field, _, most) in TEXTS.iter().filter(|(field, ..)| fields.contains(*field)) {
            let text = self.text(*field, values);
            let needed = matches!(field, Field::Surname | Field::Category | Field::HomeBranch);
            if needed && text.is_none() {
                return Some((*field, Obstacle::Missing));
            }
            if let (Some(text), Some(most)) = (&text, most)
                && longer(text, *most)
            {
                return Some((*field, Obstacle::TooLong(*most)));
            }
        }
        if fields.contains(Field::Statistics)
            && values.statistics.values().any(|code| longer(code.as_str(), LONGEST_CODE))
        {
            return Some((Field::Statistics, Obstacle::TooLong(LONGEST_CODE)));
        }
        let student_id = values.student_id.as_ref().filter(|_| fields.contains(Field::StudentId));
        student_id
            .is_some_and(|id| longer(id.reveal(), LONGEST_ATTRIBUTE))
            .then_some((Field::StudentId, Obstacle::TooLong(LONGEST_ATTRIBUTE)))
    }
}

/// Why a field cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Koha must have it.
    Missing,
    /// It holds blanks at its ends or control characters, which would not come back as they were sent.
    Odd,
    /// It is longer than Koha's table holds, in letters; Koha would cut it without a word.
    TooLong(usize),
}

/// Properties to values.
impl Mapping<'_> {
    /// A patron as a record shows it.
    pub(crate) fn patron(&self, record: &Record) -> Result<Patron, Unreadable> {
        let text = |name| Ok(record.text(name)?.map(Personal::new));
        let code = |name| Ok(record.text(name)?.map(Code::new));
        let mut values = PatronValues {
            barcode: text("cardnumber")?,
            user_name: text("userid")?,
            surname: text("surname")?,
            given_name: text("firstname")?,
            middle_name: text(MIDDLE_NAME)?,
            birth_date: record.date("date_of_birth")?.map(BirthDate::new),
            email: text("email")?,
            phone: text("phone")?,
            category: code("category_id")?,
            home_branch: code("library_id")?,
            expiry: record.date("expiry_date")?,
            note: text("staff_notes")?,
            ..PatronValues::default()
        };
        let mut parts = [None, None, None, None, None];
        for (part, name) in parts.iter_mut().zip(ADDRESS) {
            *part = record.text(name)?.map(str::to_owned);
        }
        values.address = address_of(parts);
        let attributes = record.attributes()?.unwrap_or_default();
        let held = |kind: &str| {
            attributes.iter().find(|held| held.kind == kind && !held.value.is_empty()).map(|held| &held.value)
        };
        values.student_id = self.attributes.student_id.as_deref().and_then(held).map(Personal::new);
        for (name, home) in &self.attributes.codes {
            let code = match home {
                CodeHome::Attribute(kind) => held(kind).map(Code::new),
                CodeHome::Statistics1 => code("statistics_1")?,
                CodeHome::Statistics2 => code("statistics_2")?,
            };
            if let Some(code) = code {
                values.statistics.insert(name.clone(), code);
            }
        }
        let flags = [record.flag("restricted"), record.flag("patron_card_lost")];
        let blocked = flags.into_iter().flatten().reduce(|a, b| a || b);
        Ok(Patron { id: Personal::new(record.id().to_string()), values, blocked })
    }
}

fn address_of(parts: [Option<String>; 5]) -> Option<Address> {
    if parts.iter().all(Option::is_none) {
        return None;
    }
    let [street, street2, city, state, zip] = parts.map(|part| part.map(Personal::new));
    Some(Address {
        street: street.unwrap_or_default(),
        street2,
        city: city.unwrap_or_default(),
        state: state.unwrap_or_default(),
        zip: zip.unwrap_or_default(),
    })
}

/// The extended attributes as Koha is sent them.
pub(crate) fn attributes_body(attributes: &[Attribute]) -> Value {
    attributes.iter().map(|held| json!({ "type": held.kind, "value": held.value })).collect()
}

#[cfg(test)]
mod tests;
