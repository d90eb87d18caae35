//! Requests to bytes, in the order that the schema demands and in the spelling that the dialect asks for.
//!
//! What the schema forbids is refused here, before anything is sent. What is sent is always UTF-8.

mod xml;

use std::fmt;

use thiserror::Error;

use crate::model::{
    Address, AuthenticationInput, Block, CreateUser, Fields, Header, LookupUser, Place, PostalAddress,
    Privilege, Request, UpdateUser, UserId, UserName, Who,
};
use crate::{Dialect, ElementSpelling, Text, schemes};
use xml::Xml;

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

type Written = Result<(), WriteError>;

fn write_header(out: &mut Xml, header: &Header, dialect: &Dialect) -> Written {
    let agencies = dialect.agency_scheme.as_deref();
    out.open("InitiationHeader");
    if let Some(system) = &header.from_system {
        out.code("FromSystemId", None, system)?;
    }
    optional(out, "FromSystemAuthentication", header.from_system_authentication.as_ref())?;
    out.open("FromAgencyId");
    out.code("AgencyId", agencies, &header.from_agency)?;
    out.close("FromAgencyId");
    optional(out, "FromAgencyAuthentication", header.from_agency_authentication.as_ref())?;
    out.open("ToAgencyId");
    out.code("AgencyId", agencies, &header.to_agency)?;
    out.close("ToAgencyId");
    if let Some(profile) = &header.application_profile {
        out.code("ApplicationProfileType", None, profile)?;
    }
    out.close("InitiationHeader");
    Ok(())
}

fn lookup(out: &mut Xml, message: &LookupUser, dialect: &Dialect) -> Written {
    who(out, &message.who, dialect)?;
    for element in &message.elements {
        let value = match dialect.elements {
            ElementSpelling::Spaced => element.spaced().to_owned(),
            ElementSpelling::Joined => element.spaced().replace(' ', ""),
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
    out.open("UserId");
    if let Some(agency) = &id.agency {
        out.code("AgencyId", dialect.agency_scheme.as_deref(), agency)?;
    }
    if let Some(kind) = &id.kind {
        out.code("UserIdentifierType", Some(schemes::USER_IDENTIFIER_TYPE), kind)?;
    }
    needed(out, "UserIdentifierValue", &id.value)?;
    out.close("UserId");
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
        address(out, item)?;
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

fn address(out: &mut Xml, address: &Address) -> Written {
    out.open("UserAddressInformation");
    out.code("UserAddressRoleType", Some(schemes::USER_ADDRESS_ROLE_TYPE), &address.role)?;
    match &address.place {
        Place::Postal { kind, address } => {
            out.open("PhysicalAddress");
            postal(out, address)?;
            out.code("PhysicalAddressType", Some(schemes::PHYSICAL_ADDRESS_TYPE), kind)?;
            out.close("PhysicalAddress");
        }
        Place::PostalText { kind, format, data } => {
            out.open("PhysicalAddress");
            out.open("UnstructuredAddress");
            out.code("UnstructuredAddressType", Some(schemes::UNSTRUCTURED_ADDRESS_TYPE), format)?;
            out.lines("UnstructuredAddressData", data.reveal())?;
            out.close("UnstructuredAddress");
            out.code("PhysicalAddressType", Some(schemes::PHYSICAL_ADDRESS_TYPE), kind)?;
            out.close("PhysicalAddress");
        }
        Place::Electronic { kind, data } => {
            out.open("ElectronicAddress");
            out.code("ElectronicAddressType", Some(schemes::ELECTRONIC_ADDRESS_TYPE), kind)?;
            needed(out, "ElectronicAddressData", data)?;
            out.close("ElectronicAddress");
        }
    }
    out.close("UserAddressInformation");
    Ok(())
}

fn postal(out: &mut Xml, address: &PostalAddress) -> Written {
    out.open("StructuredAddress");
    // The schema has no structured address without a first line; an empty one says that it is not known.
    out.text("Line1", address.line1.as_ref().map_or("", Text::reveal))?;
    let parts = [
        ("Line2", &address.line2),
        ("Locality", &address.locality),
        ("Region", &address.region),
        ("Country", &address.country),
        ("PostalCode", &address.postal_code),
        ("CareOf", &address.care_of),
    ];
    for (element, value) in parts {
        optional(out, element, value.as_ref())?;
    }
    out.close("StructuredAddress");
    Ok(())
}

fn privilege(out: &mut Xml, privilege: &Privilege, dialect: &Dialect) -> Written {
    out.open("UserPrivilege");
    out.code("AgencyId", dialect.agency_scheme.as_deref(), &privilege.agency)?;
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
    out.code("AgencyId", dialect.agency_scheme.as_deref(), &block.agency)?;
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
