//! Requests to bytes, in the order that the schema demands and in the spelling that the dialect asks for.
//!
//! What the schema forbids is refused here, before anything is sent. What is sent is always UTF-8.

mod address;
mod xml;

use std::fmt;

use thiserror::Error;

use crate::model::{
    AuthenticationInput, Block, CreateUser, Fields, Header, LookupUser, Privilege, Request, UpdateUser,
    UserId, UserName, Who,
};
use crate::{Dialect, ElementSpelling, Text, UserElement, Version, schemes};
use address::address;
use xml::Xml;

/// In which root a `LookupVersion` is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VersionRoot {
    /// `NCIPVersionMessage`, as its own schema has it.
    #[default]
    Standard,
    /// `NCIPMessage`, where Koha's and Evergreen's servers look for it.
    Message,
}

/// The bytes of one message, with a `Debug` that shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Vec<u8>);

impl Body {
    /// What the body is, for a `Content-Type` header.
    pub const CONTENT_TYPE: &'static str = "application/xml; charset=\"utf-8\"";

    /// The bytes, on their way to the wire.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// The bytes themselves, on their way to the wire.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// Why a request was not built. The fault is the record's, nothing was sent, and no value is repeated here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// NCIP cannot carry a person without a surname.
    #[error("the name has no surname, which NCIP demands; set a rule for people with one name")]
    NoSurname,
    /// XML cannot carry the character, and no ILS wants it.
    #[error("the value of {element} holds a control character; correct it in the roster")]
    ControlCharacter {
        /// Where it was to be written.
        element: &'static str,
    },
    /// The element must not be empty.
    #[error("the value of {element} is empty, and it is needed")]
    Empty {
        /// Where it was to be written.
        element: &'static str,
    },
    /// The value has no place in this message.
    #[error("{element} has no place in {service}")]
    Misplaced {
        /// What it was.
        element: &'static str,
        /// The message.
        service: &'static str,
    },
    /// An update that would change nothing.
    #[error("the update holds no field to delete or to add")]
    NothingToUpdate,
}

/// Builds the bytes of one `NCIPMessage`.
///
/// # Errors
/// [`WriteError`] where the schema or XML itself forbids what the request holds.
pub fn encode(request: &Request, header: &Header, dialect: &Dialect) -> Result<Body, WriteError> {
    let mut out = Xml::start(dialect)?;
    let service = request.service().name();
    out.open(service);
    write_header(&mut out, header, dialect)?;
    match request {
        Request::LookupUser(message) => lookup(&mut out, message, dialect)?,
        Request::CreateUser(message) => create(&mut out, message, dialect)?,
        Request::UpdateUser(message) => update(&mut out, message, dialect)?,
    }
    out.close(service);
    Ok(Body(out.finish().into_bytes()))
}

/// Builds the bytes of one `LookupVersion`, which asks what a responder speaks.
///
/// # Errors
/// [`WriteError`] where an agency is blank or holds what XML cannot carry.
pub fn encode_lookup_version(
    header: &Header,
    dialect: &Dialect,
    root: VersionRoot,
) -> Result<Body, WriteError> {
    let mut out = match root {
        VersionRoot::Standard => Xml::start_version(schemes::VERSION_MESSAGE, dialect)?,
        VersionRoot::Message => Xml::start(dialect)?,
    };
    out.open("LookupVersion");
    for (element, code) in [("FromAgencyId", &header.from_agency), ("ToAgencyId", &header.to_agency)] {
        out.open(element);
        agency(&mut out, code, dialect)?;
        out.close(element);
    }
    out.close("LookupVersion");
    Ok(Body(out.finish().into_bytes()))
}

type Written = Result<(), WriteError>;

/// An agency: `AgencyId`, or `UniqueAgencyId` in NCIP 1.
fn agency(out: &mut Xml, code: &str, dialect: &Dialect) -> Written {
    let element = match out.version() {
        Version::V1 => "UniqueAgencyId",
        Version::V2 => "AgencyId",
    };
    out.code(element, dialect.agency_scheme.as_deref(), code)
}

fn write_header(out: &mut Xml, header: &Header, dialect: &Dialect) -> Written {
    out.open("InitiationHeader");
    if let Some(system) = &header.from_system {
        out.code("FromSystemId", None, system)?;
    }
    optional(out, "FromSystemAuthentication", header.from_system_authentication.as_ref())?;
    out.open("FromAgencyId");
    agency(out, &header.from_agency, dialect)?;
    out.close("FromAgencyId");
    optional(out, "FromAgencyAuthentication", header.from_agency_authentication.as_ref())?;
    out.open("ToAgencyId");
    agency(out, &header.to_agency, dialect)?;
    out.close("ToAgencyId");
    if let Some(profile) = &header.application_profile {
        out.code("ApplicationProfileType", None, profile)?;
    }
    out.close("InitiationHeader");
    Ok(())
}

fn lookup(out: &mut Xml, message: &LookupUser, dialect: &Dialect) -> Written {
    who(out, &message.who, dialect)?;
    if message.elements.is_empty() && out.version() == Version::V1 {
        return Err(WriteError::Empty { element: "UserElementType" });
    }
    for element in &message.elements {
        let value = match (out.version(), element) {
            (Version::V1, UserElement::UserId) => "Visible User Id",
            (Version::V1, UserElement::PreviousUserId) => continue,
            _ => element.spaced(),
        };
        let value = match dialect.elements {
            ElementSpelling::Spaced => value.to_owned(),
            ElementSpelling::Joined => value.replace(' ', ""),
        };
        out.code("UserElementType", Some(schemes::USER_ELEMENT_TYPE), &value)?;
    }
    Ok(())
}

fn create(out: &mut Xml, message: &CreateUser, dialect: &Dialect) -> Written {
    let service = "CreateUser";
    if message.fields.name.is_some() {
        return Err(WriteError::Misplaced { element: "a second NameInformation", service });
    }
    if !message.fields.authentication.is_empty() {
        return Err(WriteError::Misplaced {
            element: "AuthenticationInput beside the other fields",
            service,
        });
    }
    no_user_ids(&message.fields, service)?;
    if let Some(named) = &message.who {
        who(out, named, dialect)?;
        if let (Version::V1, Who::Id(UserId { kind: Some(kind), value, .. })) = (out.version(), named) {
            visible_user_id(out, kind, value)?;
        }
    }
    name(out, &message.name)?;
    rest_of_fields(out, &message.fields, dialect)
}

fn update(out: &mut Xml, message: &UpdateUser, dialect: &Dialect) -> Written {
    if message.delete.is_empty() && message.add.is_empty() {
        return Err(WriteError::NothingToUpdate);
    }
    who(out, &message.who, dialect)?;
    for (element, fields) in [("DeleteUserFields", &message.delete), ("AddUserFields", &message.add)] {
        no_user_ids(fields, "UpdateUser")?;
        if fields.is_empty() {
            continue;
        }
        out.open(element);
        for input in &fields.authentication {
            authentication(out, input)?;
        }
        if let Some(user) = &fields.name {
            name(out, user)?;
        }
        rest_of_fields(out, fields, dialect)?;
        out.close(element);
    }
    Ok(())
}

fn no_user_ids(fields: &Fields, service: &'static str) -> Written {
    if fields.user_ids.is_empty() {
        return Ok(());
    }
    Err(WriteError::Misplaced { element: "a further UserId", service })
}

fn who(out: &mut Xml, who: &Who, dialect: &Dialect) -> Written {
    match who {
        Who::Id(id) => user_id(out, id, dialect),
        Who::Authentication(inputs) if inputs.is_empty() => {
            Err(WriteError::Empty { element: "AuthenticationInput" })
        }
        Who::Authentication(inputs) => inputs.iter().try_for_each(|input| authentication(out, input)),
    }
}

fn user_id(out: &mut Xml, id: &UserId, dialect: &Dialect) -> Written {
    if out.version() == Version::V1 {
        // The kind has no place here; a create says it in a VisibleUserId beside.
        let code = id.agency.as_deref().ok_or(WriteError::Empty { element: "UniqueAgencyId" })?;
        out.open("UniqueUserId");
        agency(out, code, dialect)?;
        needed(out, "UserIdentifierValue", &id.value)?;
        out.close("UniqueUserId");
        return Ok(());
    }
    out.open("UserId");
    if let Some(code) = &id.agency {
        agency(out, code, dialect)?;
    }
    if let Some(kind) = &id.kind {
        out.code("UserIdentifierType", Some(schemes::USER_IDENTIFIER_TYPE), kind)?;
    }
    needed(out, "UserIdentifierValue", &id.value)?;
    out.close("UserId");
    Ok(())
}

/// What a create of NCIP 1 says of the number's kind.
fn visible_user_id(out: &mut Xml, kind: &str, value: &Text) -> Written {
    out.open("VisibleUserId");
    out.code("VisibleUserIdentifierType", Some(schemes::USER_IDENTIFIER_TYPE), kind)?;
    needed(out, "VisibleUserIdentifier", value)?;
    out.close("VisibleUserId");
    Ok(())
}

fn authentication(out: &mut Xml, input: &AuthenticationInput) -> Written {
    out.open("AuthenticationInput");
    needed(out, "AuthenticationInputData", &input.data)?;
    out.code("AuthenticationDataFormatType", Some(schemes::AUTHENTICATION_DATA_FORMAT_TYPE), &input.format)?;
    out.code("AuthenticationInputType", Some(schemes::AUTHENTICATION_INPUT_TYPE), &input.kind)?;
    out.close("AuthenticationInput");
    Ok(())
}

fn name(out: &mut Xml, user: &UserName) -> Written {
    out.open("NameInformation");
    out.open("PersonalNameInformation");
    match user {
        UserName::Unstructured(whole) => needed(out, "UnstructuredPersonalUserName", whole)?,
        UserName::Structured(parts) => {
            if parts.surname.is_blank() {
                return Err(WriteError::NoSurname);
            }
            out.open("StructuredPersonalUserName");
            optional(out, "Prefix", parts.prefix.as_ref())?;
            optional(out, "GivenName", parts.given.as_ref())?;
            optional(out, "Initials", parts.initials.as_ref())?;
            out.text("Surname", parts.surname.reveal())?;
            optional(out, "Suffix", parts.suffix.as_ref())?;
            out.close("StructuredPersonalUserName");
        }
    }
    out.close("PersonalNameInformation");
    out.close("NameInformation");
    Ok(())
}

/// What CreateUser, AddUserFields and DeleteUserFields have in common, in the schema's order.
fn rest_of_fields(out: &mut Xml, fields: &Fields, dialect: &Dialect) -> Written {
    for item in &fields.addresses {
        address(out, item, dialect)?;
    }
    if let Some(date) = fields.birth_date {
        out.text("DateOfBirth", &date.to_date_time())?;
    }
    for language in &fields.languages {
        out.code("UserLanguage", Some(schemes::USER_LANGUAGE), language)?;
    }
    for item in &fields.privileges {
        privilege(out, item, dialect)?;
    }
    for item in &fields.blocks {
        block(out, item, dialect)?;
    }
    Ok(())
}

fn privilege(out: &mut Xml, privilege: &Privilege, dialect: &Dialect) -> Written {
    out.open("UserPrivilege");
    agency(out, &privilege.agency, dialect)?;
    out.code("AgencyUserPrivilegeType", dialect.privilege_scheme.as_deref(), &privilege.kind)?;
    if let Some(date) = privilege.valid_from {
        out.text("ValidFromDate", &date.to_date_time())?;
    }
    if let Some(date) = privilege.valid_to {
        out.text("ValidToDate", &date.to_date_time())?;
    }
    if let Some(status) = &privilege.status {
        out.open("UserPrivilegeStatus");
        out.code("UserPrivilegeStatusType", Some(schemes::USER_PRIVILEGE_STATUS_TYPE), status)?;
        out.close("UserPrivilegeStatus");
    }
    optional(out, "UserPrivilegeDescription", privilege.description.as_ref())?;
    out.close("UserPrivilege");
    Ok(())
}

fn block(out: &mut Xml, block: &Block, dialect: &Dialect) -> Written {
    out.open("BlockOrTrap");
    agency(out, &block.agency, dialect)?;
    out.code("BlockOrTrapType", Some(schemes::BLOCK_OR_TRAP_TYPE), &block.kind)?;
    out.close("BlockOrTrap");
    Ok(())
}

fn optional(out: &mut Xml, element: &'static str, value: Option<&Text>) -> Written {
    match value {
        Some(value) => out.text(element, value.reveal()),
        None => Ok(()),
    }
}

fn needed(out: &mut Xml, element: &'static str, value: &Text) -> Written {
    if value.is_blank() {
        return Err(WriteError::Empty { element });
    }
    out.text(element, value.reveal())
}

#[cfg(test)]
mod tests;
