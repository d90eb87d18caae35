//! The form in which a wanted patron is sealed into the store's spool until its change is made. Bytes in, bytes out;
//! sealing itself is the store's.
//!
//! This is the one place where personal values are written out as text, and they are wiped again with the buffer.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::grade::Grade;
use crate::patron::{Number, PatronValues, PinWish, WantedPatron};
use crate::privacy::{BirthDate, Personal, Secret};
use crate::student::{Address, School};
use crate::words::{CardModel, Code, Role};

/// The spooled bytes are not what this program wrote.
#[derive(Debug, thiserror::Error)]
#[error("a spooled patron cannot be read back: {0}")]
pub struct SpoolError(String);

#[derive(Serialize, Deserialize)]
struct SpooledAddress {
    street: String,
    street2: Option<String>,
    city: String,
    state: String,
    zip: String,
}

#[derive(Serialize, Deserialize)]
struct SpooledValues {
    barcode: Option<String>,
    user_name: Option<String>,
    surname: Option<String>,
    given_name: Option<String>,
    middle_name: Option<String>,
    birth_date: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    address: Option<SpooledAddress>,
    student_id: Option<String>,
    category: Option<String>,
    home_branch: Option<String>,
    expiry: Option<String>,
    statistics: BTreeMap<String, String>,
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
enum SpooledNumber {
    Given(String),
    Issued(String),
}

#[derive(Serialize, Deserialize)]
enum SpooledPin {
    None,
    Random(u8),
    Given(String, u8),
}

#[derive(Serialize, Deserialize)]
struct Spooled {
    model: String,
    role: String,
    number: SpooledNumber,
    values: SpooledValues,
    pin: SpooledPin,
    fallback_address: Option<SpooledAddress>,
    source_ids: Vec<String>,
    school: (String, Option<String>, String),
    grade: Option<u8>,
}

/// Writes a wanted patron out, to be sealed. Findings are not spooled; they were reported when the plan was made.
///
/// # Errors
/// Never on what this program makes; a library's error is passed on.
pub fn encode(wanted: &WantedPatron) -> Result<Zeroizing<Vec<u8>>, SpoolError> {
    let spooled = Spooled {
        model: wanted.model.word().to_owned(),
        role: wanted.role.word().to_owned(),
        number: match &wanted.number {
            Number::Given(number) => SpooledNumber::Given(number.reveal().to_owned()),
            Number::Issued { range } => SpooledNumber::Issued(range.as_str().to_owned()),
        },
        values: values_out(&wanted.values),
        pin: match &wanted.pin {
            PinWish::None => SpooledPin::None,
            PinWish::Random { digits } => SpooledPin::Random(*digits),
            PinWish::Given { pin, fallback_digits } => {
                SpooledPin::Given(pin.reveal().to_owned(), *fallback_digits)
            }
        },
        fallback_address: wanted.fallback_address.as_ref().map(address_out),
        source_ids: wanted.source_ids.iter().map(|id| id.reveal().to_owned()).collect(),
        school: (wanted.school.source_id.clone(), wanted.school.code.clone(), wanted.school.name.clone()),
        grade: wanted.grade.map(Grade::code),
    };
    to_bytes(&spooled)
}

/// Reads a wanted patron back.
///
/// # Errors
/// The bytes are not what [`encode`] wrote.
pub fn decode(bytes: &[u8]) -> Result<WantedPatron, SpoolError> {
    let spooled: Spooled = from_bytes(bytes)?;
    let word = |what: &str| SpoolError(format!("the {what} is none that this version knows"));
    let (source_id, code, name) = spooled.school;
    Ok(WantedPatron {
        model: CardModel::from_word(&spooled.model).ok_or_else(|| word("model"))?,
        role: Role::from_word(&spooled.role).ok_or_else(|| word("role"))?,
        number: match spooled.number {
            SpooledNumber::Given(number) => Number::Given(Personal::new(number)),
            SpooledNumber::Issued(range) => Number::Issued { range: Code::new(range) },
        },
        values: values_in(spooled.values)?,
        pin: match spooled.pin {
            SpooledPin::None => PinWish::None,
            SpooledPin::Random(digits) => PinWish::Random { digits },
            SpooledPin::Given(pin, fallback_digits) => {
                PinWish::Given { pin: Secret::new(pin), fallback_digits }
            }
        },
        fallback_address: spooled.fallback_address.map(address_in),
        source_ids: spooled.source_ids.into_iter().map(Personal::new).collect(),
        school: Arc::new(School { source_id, code, name }),
        grade: spooled.grade.and_then(Grade::from_code),
        findings: Vec::new(),
    })
}

/// Writes a record's values out, to be sealed: what a create will send, or what was there before a write.
///
/// # Errors
/// Never on what this program makes; a library's error is passed on.
pub fn encode_values(values: &PatronValues) -> Result<Zeroizing<Vec<u8>>, SpoolError> {
    to_bytes(&values_out(values))
}

/// Reads a record's values back.
///
/// # Errors
/// The bytes are not what [`encode_values`] wrote.
pub fn decode_values(bytes: &[u8]) -> Result<PatronValues, SpoolError> {
    values_in(from_bytes(bytes)?)
}

fn to_bytes(value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, SpoolError> {
    // Errors name types and places, never values: these types have no custom messages.
    serde_json::to_vec(value).map(Zeroizing::new).map_err(|e| SpoolError(format!("{:?}", e.classify())))
}

fn from_bytes<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, SpoolError> {
    serde_json::from_slice(bytes)
        .map_err(|e| SpoolError(format!("{:?} at byte {}", e.classify(), e.column())))
}

fn values_out(values: &PatronValues) -> SpooledValues {
    let text = |value: &Option<Personal>| value.as_ref().map(|v| v.reveal().to_owned());
    let code = |value: &Option<Code>| value.as_ref().map(|v| v.as_str().to_owned());
    SpooledValues {
        barcode: text(&values.barcode),
        user_name: text(&values.user_name),
        surname: text(&values.surname),
        given_name: text(&values.given_name),
        middle_name: text(&values.middle_name),
        birth_date: values.birth_date.map(|d| d.reveal().to_string()),
        email: text(&values.email),
        phone: text(&values.phone),
        address: values.address.as_ref().map(address_out),
        student_id: text(&values.student_id),
        category: code(&values.category),
        home_branch: code(&values.home_branch),
        expiry: values.expiry.map(|d| d.to_string()),
        statistics: values.statistics.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        note: text(&values.note),
    }
}

fn values_in(values: SpooledValues) -> Result<PatronValues, SpoolError> {
    let date = |text: Option<String>| {
        text.map(|t| t.parse::<Date>().map_err(|_| SpoolError("a date".to_owned()))).transpose()
    };
    Ok(PatronValues {
        barcode: values.barcode.map(Personal::new),
        user_name: values.user_name.map(Personal::new),
        surname: values.surname.map(Personal::new),
        given_name: values.given_name.map(Personal::new),
        middle_name: values.middle_name.map(Personal::new),
        birth_date: date(values.birth_date)?.map(BirthDate::new),
        email: values.email.map(Personal::new),
        phone: values.phone.map(Personal::new),
        address: values.address.map(address_in),
        student_id: values.student_id.map(Personal::new),
        category: values.category.map(Code::new),
        home_branch: values.home_branch.map(Code::new),
        expiry: date(values.expiry)?,
        statistics: values.statistics.into_iter().map(|(k, v)| (Code::new(k), Code::new(v))).collect(),
        note: values.note.map(Personal::new),
    })
}

fn address_out(address: &Address) -> SpooledAddress {
    SpooledAddress {
        street: address.street.reveal().to_owned(),
        street2: address.street2.as_ref().map(|s| s.reveal().to_owned()),
        city: address.city.reveal().to_owned(),
        state: address.state.reveal().to_owned(),
        zip: address.zip.reveal().to_owned(),
    }
}

fn address_in(address: SpooledAddress) -> Address {
    Address {
        street: Personal::new(address.street),
        street2: address.street2.map(Personal::new),
        city: Personal::new(address.city),
        state: Personal::new(address.state),
        zip: Personal::new(address.zip),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(name in ".{1,30}", number in "[0-9]{1,14}", pin in "[0-9]{4}", street in ".{0,20}") {
            let address = Address { street: Personal::new(street), ..Address::default() };
            let wanted = WantedPatron {
                model: CardModel::Starter,
                role: Role::Student,
                number: Number::Given(Personal::new(&number)),
                values: PatronValues {
                    surname: Some(Personal::new(&name)),
                    birth_date: Some(BirthDate::new(date(2012, 2, 29))),
                    expiry: Some(date(2027, 10, 1)),
                    address: Some(address.clone()),
                    statistics: BTreeMap::from([(Code::new("A"), Code::new("B"))]),
                    ..PatronValues::default()
                },
                pin: PinWish::Given { pin: Secret::new(&pin), fallback_digits: 4 },
                fallback_address: Some(address),
                source_ids: vec![Personal::new("u-1"), Personal::new("u-2")],
                school: Arc::new(School { source_id: "s".into(), code: None, name }),
                grade: Grade::number(6),
                findings: Vec::new(),
            };
            let back = decode(&encode(&wanted).unwrap()).unwrap();
            prop_assert_eq!(&back.values, &wanted.values);
            prop_assert_eq!(&back.number, &wanted.number);
            prop_assert_eq!(&back.school, &wanted.school);
            prop_assert_eq!(back.grade, wanted.grade);
            prop_assert_eq!(&back.fallback_address, &wanted.fallback_address);
            let same_pin = matches!(back.pin, PinWish::Given { pin: p, .. } if p.reveal() == pin);
            prop_assert!(same_pin);
            prop_assert_eq!(&back.source_ids, &wanted.source_ids);
            prop_assert_eq!(decode_values(&encode_values(&wanted.values).unwrap()).unwrap(), wanted.values);
        }

        #[test]
        fn other_bytes_are_refused_without_showing_them(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(decode(&bytes).is_err());
        }
    }

    #[test]
    fn an_error_shows_no_value() {
        let error = decode(br#"{"model":"Zoe","role":"student"}"#).err().unwrap().to_string();
        assert!(!error.contains("Zoe"), "{error}");
    }
}
