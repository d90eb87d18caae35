//! A vendor's own message that makes a patron, as its document says it. None is shipped: SIP 2.00 has no such message, and
//! a number that is guessed does something else at another vendor's server.

use rostercard_core::field::Field;
use rostercard_core::patron::PatronValues;
use rostercard_core::privacy::{Personal, Secret};
use rostercard_sip2::{BuildError, Code, FieldCode, Fields, Other, Stamp, Wire};

use crate::letters::fit;

/// One part of the fixed fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FixedPart {
    /// The time, 18 characters.
    Date,
    /// Text as it is.
    Text(String),
}

/// What shows in the answer that the patron was made. It is read back all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    /// The place in the answer's fixed part, counted from 0 behind its number.
    pub at: usize,
    /// The character there.
    pub equals: char,
}

/// The message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its number.
    pub request: Code,
    /// The number of its answer.
    pub response: Code,
    /// Its fixed fields.
    pub fixed: Vec<FixedPart>,
    /// Its variable fields: a code, and text with `{places}` for values.
    pub fields: Vec<(FieldCode, String)>,
    /// What shows that it worked.
    pub ok: Success,
}

/// Why the message was not built. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotBuilt {
    /// Which value it is about, where that is known.
    pub(crate) field: Option<Field>,
    /// What is wrong, as the end of a sentence.
    pub(crate) what: &'static str,
}

/// Names of the places in a field's text, and the values they are of.
pub(crate) const PLACES: [(&str, Option<Field>); 16] = [
    ("institution", None),
    ("terminal_password", None),
    ("barcode", Some(Field::Barcode)),
    ("pin", Some(Field::Pin)),
    ("user_name", Some(Field::UserName)),
    ("surname", Some(Field::Surname)),
    ("given_name", Some(Field::GivenName)),
    ("middle_name", Some(Field::MiddleName)),
    ("birth_date", Some(Field::BirthDate)),
    ("email", Some(Field::Email)),
    ("phone", Some(Field::Phone)),
    ("address", Some(Field::Address)),
    ("student_id", Some(Field::StudentId)),
    ("category", Some(Field::Category)),
    ("home_branch", Some(Field::HomeBranch)),
    ("expiry", Some(Field::Expiry)),
];

/// What the places are filled from.
pub(crate) struct Filling<'a> {
    pub(crate) institution: &'a str,
    pub(crate) terminal_password: &'a Secret,
    pub(crate) values: &'a PatronValues,
    pub(crate) pin: Option<&'a Secret>,
    pub(crate) stamp: Option<Stamp>,
}

impl Filling<'_> {
    fn value(&self, name: &str) -> String {
        let v = self.values;
        let text = |value: &Option<Personal>| value.as_ref().map(|v| v.reveal().to_owned());
        let compact = |date: jiff::civil::Date| date.strftime("%Y%m%d").to_string();
        let value = match name {
            "institution" => Some(self.institution.to_owned()),
            "terminal_password" => Some(self.terminal_password.reveal().to_owned()),
            "barcode" => text(&v.barcode),
            "pin" => self.pin.map(|pin| pin.reveal().to_owned()),
            "user_name" => text(&v.user_name),
            "surname" => text(&v.surname),
            "given_name" => text(&v.given_name),
            "middle_name" => text(&v.middle_name),
            "birth_date" => v.birth_date.map(|date| compact(date.reveal())),
            "email" => text(&v.email),
            "phone" => text(&v.phone),
            "address" => v.address.as_ref().map(|a| {
                let street2 = a.street2.as_ref().map_or("", Personal::reveal);
                let parts = [a.street.reveal(), street2, a.city.reveal(), a.state.reveal(), a.zip.reveal()];
                parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
            }),
            "student_id" => text(&v.student_id),
            "category" => v.category.as_ref().map(ToString::to_string),
            "home_branch" => v.home_branch.as_ref().map(ToString::to_string),
            "expiry" => v.expiry.map(compact),
            _ => None,
        };
        value.unwrap_or_default()
    }
}

/// Splits a text at its places: text and names by turns.
fn pieces(template: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        PLACES.iter().find(|(known, _)| *known == name)?;
        out.push((text.to_owned(), Some(name.to_owned())));
        rest = after;
    }
    out.push((rest.to_owned(), None));
    Some(out)
}

/// Whether each place of a text is one that can be filled.
pub(crate) fn is_known(template: &str) -> bool {
    pieces(template).is_some()
}

impl Extension {
    /// Whether the PIN goes with it.
    pub(crate) fn takes_pin(&self) -> bool {
        self.fields.iter().any(|(_, template)| template.contains("{pin}"))
    }

    /// Builds the message. A value that cannot travel refuses the whole: nothing is cut.
    pub(crate) fn build(&self, filling: &Filling<'_>, wire: &Wire) -> Result<Other, NotBuilt> {
        let mut fixed = String::new();
        for part in &self.fixed {
            match (part, &filling.stamp) {
                (FixedPart::Text(text), _) => fixed.push_str(text),
                (FixedPart::Date, Some(stamp)) => {
                    let ((y, mo, d), (h, mi, s)) = (stamp.date(), stamp.time());
                    fixed.push_str(&format!("{y:04}{mo:02}{d:02}    {h:02}{mi:02}{s:02}"));
                }
                (FixedPart::Date, None) => fixed.push_str(&" ".repeat(18)),
            }
        }
        let delimiter = char::from(wire.delimiter.byte());
        let mut fields = Fields::new();
        for (code, template) in &self.fields {
            let mut text = String::new();
            let mut about = None;
            for (before, place) in pieces(template).unwrap_or_default() {
                text.push_str(&before);
                let Some(name) = place else { continue };
                let field = PLACES.iter().find(|(known, _)| *known == name).and_then(|(_, field)| *field);
                let value = fit(&filling.value(&name), wire.encoding);
                if value.contains(|c: char| c == delimiter || c.is_control()) {
                    let what = "holds a delimiter or a control character";
                    return Err(NotBuilt { field, what });
                }
                about = field.or(about);
                text.push_str(&value);
            }
            if wire.encoding.fit(&text, wire.value_limit).len() < text.len() {
                return Err(NotBuilt { field: about, what: "is longer than SIP2 carries" });
            }
            fields.push(*code, text.into());
        }
        Other::build(self.request, &fixed, &fields, wire).map_err(|error| match error {
            BuildError::Forbidden => {
                NotBuilt { field: None, what: "has a delimiter in a fixed part of the configured message" }
            }
        })
    }

    /// Whether an answer says that it worked.
    pub(crate) fn worked(&self, answer: &Other) -> bool {
        answer.body.reveal().chars().nth(self.ok.at) == Some(self.ok.equals)
    }
}
