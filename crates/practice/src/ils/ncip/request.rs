//! What an NCIP request asks for, in the ILS's own words.
//!
//! The "full" dialect: the first kind of UserPrivilege is the patron type with its expiry and status, one named
//! `LIBRARY` holds the home branch, those named `STAT:<name>` statistical codes. NCIP has no fields for these.

use super::xml::{self, Document, Element, XmlError};
use crate::ils::patron::{Field, Patron, Postal, Refusal};

/// A request that could be read.
pub(crate) struct Request {
    /// Name of the message, such as `LookupUser`.
    pub(crate) service: String,
    /// Who sends it, and to whom; as the message says.
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    /// What the sender proves itself with.
    pub(crate) secrets: Vec<String>,
    /// Whether it is one of NCIP 1.
    pub(crate) v1: bool,
    /// Whether it began with a DOCTYPE.
    pub(crate) doctype: bool,
    pub(crate) asked: Asked,
}

/// What is asked for.
pub(crate) enum Asked {
    /// The patron with this barcode, and this PIN where one is sent.
    Lookup {
        barcode: String,
        pin: Option<String>,
        /// The elements that are wanted, without spaces and case.
        elements: Vec<String>,
        /// The same as they were spelt.
        spelt: Vec<String>,
    },
    Create(Box<Patron>),
    Update {
        barcode: String,
        delete: Box<Fields>,
        add: Box<Fields>,
    },
    /// Well-formed, but something is wrong with it.
    Wrong(Refusal),
    /// Which versions the ILS speaks; `standard`: in the root that the standard has for it.
    Versions {
        standard: bool,
    },
    /// A service this ILS has not.
    Other,
}

/// The fields of a user as a message carries them.
#[derive(Default)]
pub(crate) struct Fields {
    name: Option<Name>,
    birth_date: Option<String>,
    contacts: Vec<Contact>,
    privileges: Vec<Privilege>,
    blocks: Vec<String>,
    pin: Option<String>,
}

struct Name {
    given: String,
    middle: String,
    surname: String,
    suffix: String,
}

enum Contact {
    Email(String),
    Phone(String),
    Postal(Postal),
}

enum Privilege {
    Category {
        code: String,
        expires: Option<String>,
        blocked: Option<bool>,
    },
    /// The category as the status of a profile, as old responders have it.
    Profile {
        code: String,
        expires: Option<String>,
    },
    /// Whether the card is blocked, where that is a privilege of its own.
    Status(bool),
    Branch(String),
    Stat {
        name: String,
        code: String,
    },
}

/// Reads a message. What cannot be read at all is an error; what can, but is wrong, is [`Asked::Wrong`].
pub(crate) fn read(bytes: &[u8]) -> Result<Request, XmlError> {
    let Document { root, v1, doctype } = xml::read(bytes)?;
    let standard = root.name == "NCIPVersionMessage";
    let message = match root.children.as_slice() {
        [message] if root.name == "NCIPMessage" || standard => message,
        _ => return Err(XmlError::IllFormed),
    };
    let header = message.child("InitiationHeader");
    let head = |path: &[&str]| header.and_then(|h| h.text_at(path)).map(str::to_owned);
    let secrets = [head(&["FromSystemAuthentication"]), head(&["FromAgencyAuthentication"])];
    let asked = match message.name.as_str() {
        "LookupVersion" => Ok(Asked::Versions { standard }),
        _ if standard => return Err(XmlError::IllFormed),
        "LookupUser" => lookup(message),
        "CreateUser" => create(message),
        "UpdateUser" => update(message),
        _ => Ok(Asked::Other),
    };
    Ok(Request {
        service: message.name.clone(),
        from: head(&["FromAgencyId", "AgencyId"]),
        to: head(&["ToAgencyId", "AgencyId"]),
        secrets: secrets.into_iter().flatten().collect(),
        v1,
        doctype,
        asked: asked.unwrap_or_else(Asked::Wrong),
    })
}

/// The card number: of UserId, or of an AuthenticationInput, since the schema lets a message carry only one of the two.
fn barcode(message: &Element) -> Result<String, Refusal> {
    let value =
        message.text_at(&["UserId", "UserIdentifierValue"]).or_else(|| authentication(message, "barcodeid"));
    value.map(str::to_owned).ok_or(Refusal::Missing(Field::Barcode))
}

fn authentication<'a>(from: &'a Element, kind: &str) -> Option<&'a str> {
    from.all("AuthenticationInput")
        .find(|a| a.text_at(&["AuthenticationInputType"]).map(plain).as_deref() == Some(kind))
        .and_then(|a| a.text_at(&["AuthenticationInputData"]))
}

fn lookup(message: &Element) -> Result<Asked, Refusal> {
    let spelt: Vec<String> = message.all("UserElementType").map(|e| e.text().to_owned()).collect();
    // NCIP 1 says what a library card shows.
    let elements = spelt.iter().map(|e| plain(e).replace("visibleuserid", "userid")).collect();
    let pin = authentication(message, "pin").map(str::to_owned);
    Ok(Asked::Lookup { barcode: barcode(message)?, pin, elements, spelt })
}

fn create(message: &Element) -> Result<Asked, Refusal> {
    let fields = Fields::read(message)?;
    let mut patron =
        Patron { barcode: barcode(message)?, student_id: student_id(message), ..Patron::default() };
    if fields.name.is_none() {
        return Err(Refusal::Missing(Field::Surname));
    }
    fields.add_to(&mut patron);
    Ok(Asked::Create(Box::new(patron)))
}

fn update(message: &Element) -> Result<Asked, Refusal> {
    let part = |name| message.child(name).map_or_else(|| Ok(Fields::default()), Fields::read);
    let (delete, add) = (Box::new(part("DeleteUserFields")?), Box::new(part("AddUserFields")?));
    Ok(Asked::Update { barcode: barcode(message)?, delete, add })
}

/// The student number has no place in CreateUser but in Ext.
fn student_id(message: &Element) -> Option<String> {
    let ids = message.child("Ext")?.descendants().into_iter().filter(|e| e.name == "UserId");
    ids.filter(|id| id.text_at(&["UserIdentifierType"]).map(plain).as_deref() == Some("institutionidnumber"))
        .find_map(|id| id.text_at(&["UserIdentifierValue"]).map(str::to_owned))
}

/// Element and type names are compared without spaces and case: `Name Information` is `NameInformation`.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

impl Fields {
    /// Whether there is anything but e-mail, phones and at most one postal address in it.
    pub(crate) fn beyond_contacts(&self) -> bool {
        let postal = self.contacts.iter().filter(|c| matches!(c, Contact::Postal(_))).count();
        postal > 1
            || self.name.is_some()
            || self.birth_date.is_some()
            || !self.privileges.is_empty()
            || !self.blocks.is_empty()
            || self.pin.is_some()
    }

    fn read(from: &Element) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        if let Some(name) = from.child("NameInformation") {
            fields.name = Some(Name::read(name)?);
        }
        if let Some(date) = from.child("DateOfBirth") {
            fields.birth_date = Some(date_of(date.text()).ok_or(Refusal::InvalidDate(Field::BirthDate))?);
        }
        for address in from.all("UserAddressInformation") {
            fields.contacts.push(Contact::read(address)?);
        }
        for privilege in from.all("UserPrivilege") {
            fields.privileges.push(Privilege::read(privilege)?);
        }
        for block in from.all("BlockOrTrap") {
            let kind = block.text_at(&["BlockOrTrapType"]).ok_or(Refusal::Missing(Field::Block))?;
            fields.blocks.push(kind.to_owned());
        }
        fields.pin = authentication(from, "pin").map(str::to_owned);
        // A message with a UserId has no AuthenticationInput beside it in the schema, so the PIN of a new patron may
        // come in Ext.
        if let (None, Some(ext)) = (&fields.pin, from.child("Ext")) {
            let found = ext.descendants().into_iter().find(|e| e.name == "AuthenticationInput");
            fields.pin = found.and_then(|a| a.text_at(&["AuthenticationInputData"])).map(str::to_owned);
        }
        Ok(fields)
    }

    /// Adds everything: single values replace, of the others one more is kept, but never the same twice.
    pub(crate) fn add_to(&self, patron: &mut Patron) {
        if let Some(name) = &self.name {
            patron.given.clone_from(&name.given);
            patron.middle.clone_from(&name.middle);
            patron.surname.clone_from(&name.surname);
            patron.suffix.clone_from(&name.suffix);
        }
        if self.birth_date.is_some() {
            patron.birth_date.clone_from(&self.birth_date);
        }
        for contact in &self.contacts {
            match contact {
                Contact::Email(email) => add_once(&mut patron.emails, email),
                Contact::Phone(phone) => add_once(&mut patron.phones, phone),
                Contact::Postal(postal) => add_once(&mut patron.addresses, postal),
            }
        }
        for privilege in &self.privileges {
            match privilege {
                // The privilege is replaced whole: an expiry that is not said again is no expiry.
                Privilege::Category { code, expires, blocked } => {
                    patron.category = Some(code.clone());
                    patron.expires.clone_from(expires);
                    patron.blocked = blocked.unwrap_or(false);
                }
                Privilege::Profile { code, expires } => {
                    patron.category = Some(code.clone());
                    patron.expires.clone_from(expires);
                }
                Privilege::Status(blocked) => patron.blocked = *blocked,
                Privilege::Branch(code) => patron.home_branch = Some(code.clone()),
                Privilege::Stat { name, code } => {
                    patron.stat_codes.insert(name.clone(), code.clone());
                }
            }
        }
        for block in &self.blocks {
            add_once(&mut patron.blocks, block);
        }
        if self.pin.is_some() {
            patron.pin.clone_from(&self.pin);
        }
    }

    /// Removes exact old values; one that is not there is refused, since the sender did not know the patron.
    pub(crate) fn delete_from(&self, patron: &mut Patron) -> Result<(), Refusal> {
        let there = |found: bool, field| {
            let rule = "the value to delete is not there";
            if found { Ok(()) } else { Err(Refusal::RuleViolated { field, rule }) }
        };
        for contact in &self.contacts {
            let found = match contact {
                Contact::Email(email) => remove(&mut patron.emails, email),
                Contact::Phone(phone) => remove(&mut patron.phones, phone),
                Contact::Postal(postal) => remove(&mut patron.addresses, postal),
            };
            there(found, Field::Address)?;
        }
        for privilege in &self.privileges {
            let found = match privilege {
                Privilege::Category { code, expires, .. } => {
                    let same = patron.category.as_ref() == Some(code)
                        && (expires.is_none() || *expires == patron.expires);
                    if same {
                        (patron.category, patron.expires, patron.blocked) = (None, None, false);
                    }
                    same
                }
                Privilege::Profile { code, expires } => {
                    let same = patron.category.as_ref() == Some(code)
                        && (expires.is_none() || *expires == patron.expires);
                    if same {
                        (patron.category, patron.expires) = (None, None);
                    }
                    same
                }
                Privilege::Status(blocked) => {
                    let same = patron.blocked == *blocked;
                    patron.blocked = false;
                    same
                }
                Privilege::Branch(code) => patron.home_branch.take_if(|now| now == code).is_some(),
                Privilege::Stat { name, code } => {
                    patron.stat_codes.get(name) == Some(code) && patron.stat_codes.remove(name).is_some()
                }
            };
            there(found, Field::Privilege)?;
        }
        for block in &self.blocks {
            there(remove(&mut patron.blocks, block), Field::Block)?;
        }
        if self.birth_date.is_some() {
            patron.birth_date = None;
        }
        if self.pin.is_some() {
            patron.pin = None;
        }
        // A name cannot be taken away, only replaced.
        Ok(())
    }
}

impl Name {
    fn read(from: &Element) -> Result<Self, Refusal> {
        let missing = Refusal::Missing(Field::Surname);
        let personal = from.child("PersonalNameInformation").ok_or_else(|| missing.clone())?;
        let text = |name: &str| {
            personal.text_at(&["StructuredPersonalUserName", name]).unwrap_or_default().to_owned()
        };
        if let Some(unstructured) = personal.text_at(&["UnstructuredPersonalUserName"])
            && personal.child("StructuredPersonalUserName").is_none()
        {
            let surname = unstructured.to_owned();
            return Ok(Self { surname, given: String::new(), middle: String::new(), suffix: String::new() });
        }
        let name = Self {
            given: text("GivenName"),
            middle: text("Initials"),
            surname: text("Surname"),
            suffix: text("Suffix"),
        };
        if name.surname.is_empty() { Err(missing) } else { Ok(name) }
    }
}

impl Contact {
    fn read(from: &Element) -> Result<Self, Refusal> {
        let missing = Refusal::Missing(Field::Address);
        if let Some(electronic) = from.child("ElectronicAddress") {
            let data =
                electronic.text_at(&["ElectronicAddressData"]).ok_or_else(|| missing.clone())?.to_owned();
            return match electronic.text_at(&["ElectronicAddressType"]).map(plain).as_deref() {
                Some("mailto") => Ok(Self::Email(data)),
                Some("tel" | "sms") => Ok(Self::Phone(data)),
                Some(_) => Err(Refusal::UnknownValue { field: Field::Address, value: String::new() }),
                None => Err(missing),
            };
        }
        let structured = from.at(&["PhysicalAddress", "StructuredAddress"]).ok_or(missing)?;
        let text = |name: &str| structured.text_at(&[name]).unwrap_or_default().to_owned();
        let line1 = structured.text_at(&["Line1"]).or(structured.text_at(&["Street"]));
        Ok(Self::Postal(Postal {
            line1: line1.unwrap_or_default().to_owned(),
            line2: text("Line2"),
            city: text("Locality"),
            state: text("Region"),
            zip: text("PostalCode"),
        }))
    }
}

impl Privilege {
    fn read(from: &Element) -> Result<Self, Refusal> {
        let missing = || Refusal::Missing(Field::Privilege);
        from.text_at(&["AgencyId"]).ok_or_else(missing)?;
        let kind = from.text_at(&["AgencyUserPrivilegeType"]).ok_or_else(missing)?;
        let status = from.text_at(&["UserPrivilegeStatus", "UserPrivilegeStatusType"]);
        if kind == "LIBRARY" {
            return Ok(Self::Branch(status.ok_or_else(missing)?.to_owned()));
        }
        if let Some(name) = kind.strip_prefix("STAT:") {
            return Ok(Self::Stat { name: name.to_owned(), code: status.ok_or_else(missing)?.to_owned() });
        }
        let expires = match from.child("ValidToDate") {
            Some(date) => Some(date_of(date.text()).ok_or(Refusal::InvalidDate(Field::Expiry))?),
            None => None,
        };
        if kind == "PROFILE" {
            return Ok(Self::Profile { code: status.ok_or_else(missing)?.to_owned(), expires });
        }
        let blocked = match status.map(plain).as_deref() {
            None => None,
            Some("active") => Some(false),
            Some("blocked") => Some(true),
            Some(_) => {
                let value = status.unwrap_or_default().to_owned();
                return Err(Refusal::UnknownValue { field: Field::Privilege, value });
            }
        };
        if kind == "STATUS" {
            return Ok(Self::Status(blocked.ok_or_else(missing)?));
        }
        Ok(Self::Category { code: kind.to_owned(), expires, blocked })
    }
}

/// The day of an xs:dateTime; a day alone is none, as the schema says.
fn date_of(text: &str) -> Option<String> {
    let (day, time) = text.split_once('T')?;
    let date: jiff::civil::Date = day.parse().ok()?;
    let clock: String = time.chars().take(8).collect();
    clock.parse::<jiff::civil::Time>().ok()?;
    Some(date.to_string())
}

fn add_once<T: PartialEq + Clone>(list: &mut Vec<T>, value: &T) {
    if !list.contains(value) {
        list.push(value.clone());
    }
}

fn remove<T: PartialEq>(list: &mut Vec<T>, value: &T) -> bool {
    let at = list.iter().position(|v| v == value);
    at.map(|at| list.remove(at)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_date_times_are_dates() {
        for (text, day) in [
            ("2027-09-30T00:00:00", Some("2027-09-30")),
            ("2027-09-30T00:00:00Z", Some("2027-09-30")),
            ("2024-02-29T12:30:00-07:00", Some("2024-02-29")),
            ("2027-09-30", None),
            ("2027-30-09T00:00:00", None),
            ("2025-02-29T00:00:00", None),
            ("2027-09-30T", None),
            ("", None),
        ] {
            assert_eq!(date_of(text).as_deref(), day, "{text}");
        }
    }
}
