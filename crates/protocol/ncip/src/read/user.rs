//! What a response says of a user. Unknown elements are passed over; what cannot be understood is listed, not guessed.

use super::ReadError;
use super::tree::Element;
use crate::model::{
    Address, Block, Fields, Place, PostalAddress, Privilege, StructuredName, UserId, UserName, UserRecord,
};
use crate::{Date, DateOrder, Text};

/// How values are understood, and which could not be.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    dates: DateOrder,
    /// The names of elements that were there and could not be understood.
    pub(crate) unreadable: Vec<&'static str>,
}

/// The user of a response.
pub(super) fn record(
    response: &Element<'_>,
    name: &'static str,
    dates: DateOrder,
) -> Result<UserRecord, ReadError> {
    // NCIP 1.x says UniqueUserId.
    let id = response
        .child("UserId")
        .or_else(|| response.child("UniqueUserId"))
        .ok_or(ReadError::NoUser { response: name })?;
    let mut notes = Notes { dates, unreadable: Vec::new() };
    let mut fields = match response.child("UserOptionalFields") {
        Some(optional) => fields(optional, &mut notes),
        None => Fields::default(),
    };
    // Some responders of NCIP 1 put these beside the optional fields.
    fields.user_ids.extend(response.children_named("VisibleUserId").filter_map(visible_user_id));
    Ok(UserRecord { id: user_id(id), fields, unreadable: notes.unreadable })
}

/// What is optional in a response; a request's fields have the same form.
pub(crate) fn fields(parent: &Element<'_>, notes: &mut Notes) -> Fields {
    Fields {
        authentication: Vec::new(),
        name: parent.child("NameInformation").and_then(name),
        addresses: parent
            .children_named("UserAddressInformation")
            .filter_map(|e| address(e, notes))
            .collect(),
        birth_date: date(parent, "DateOfBirth", notes),
        languages: parent.children_named("UserLanguage").map(|e| e.value().to_owned()).collect(),
        privileges: parent.children_named("UserPrivilege").map(|e| privilege(e, notes)).collect(),
        blocks: parent.children_named("BlockOrTrap").map(block).collect(),
        user_ids: parent
            .children_named("UserId")
            .filter_map(user_id)
            .chain(parent.children_named("VisibleUserId").filter_map(visible_user_id))
            .collect(),
    }
}

/// The agency right below an element, in either version's form.
fn agency(element: &Element<'_>) -> Option<String> {
    let unique = || element.child("UniqueAgencyId").map(Element::value).filter(|value| !value.is_empty());
    element.code_of("AgencyId").or_else(unique).map(str::to_owned)
}

fn visible_user_id(element: &Element<'_>) -> Option<UserId> {
    Some(UserId {
        agency: agency(element),
        kind: element.code_of("VisibleUserIdentifierType").map(str::to_owned),
        value: element.text_of("VisibleUserIdentifier")?,
    })
}

fn user_id(element: &Element<'_>) -> Option<UserId> {
    Some(UserId {
        agency: agency(element),
        kind: element.code_of("UserIdentifierType").map(str::to_owned),
        value: element.text_of("UserIdentifierValue")?,
    })
}

fn name(element: &Element<'_>) -> Option<UserName> {
    let personal = element.child("PersonalNameInformation")?;
    let structured = personal.child("StructuredPersonalUserName").map(|parts| StructuredName {
        prefix: parts.text_of("Prefix"),
        given: parts.text_of("GivenName"),
        initials: parts.text_of("Initials"),
        surname: parts.text_of("Surname").unwrap_or_default(),
        suffix: parts.text_of("Suffix"),
    });
    structured
        .map(UserName::Structured)
        .or_else(|| personal.text_of("UnstructuredPersonalUserName").map(UserName::Unstructured))
}

fn address(element: &Element<'_>, notes: &mut Notes) -> Option<Address> {
    let role = element.code_of("UserAddressRoleType").unwrap_or_default().to_owned();
    let place = if let Some(electronic) = element.child("ElectronicAddress") {
        let kind = electronic.code_of("ElectronicAddressType").unwrap_or_default().to_owned();
        electronic.text_of("ElectronicAddressData").map(|data| Place::Electronic { kind, data })
    } else if let Some(physical) = element.child("PhysicalAddress") {
        let kind = physical.code_of("PhysicalAddressType").unwrap_or_default().to_owned();
        if let Some(parts) = physical.child("StructuredAddress") {
            Some(Place::Postal { kind, address: postal(parts) })
        } else {
            physical.child("UnstructuredAddress").and_then(|whole| {
                let format = whole.code_of("UnstructuredAddressType").unwrap_or_default().to_owned();
                whole.text_of("UnstructuredAddressData").map(|data| Place::PostalText { kind, format, data })
            })
        }
    } else {
        notes.unreadable.push("UserAddressInformation");
        None
    };
    // An address with nothing in it is no address, as responders send for people who gave none.
    place.map(|place| Address { role, place })
}

fn postal(parts: &Element<'_>) -> PostalAddress {
    PostalAddress {
        line1: parts.text_of("Line1").or_else(|| parts.text_of("Street")),
        line2: parts
            .text_of("Line2")
            .or_else(|| parts.text_of("PostOfficeBox"))
            .or_else(|| parts.text_of("LocationWithinBuilding")),
        locality: parts.text_of("Locality"),
        region: parts.text_of("Region"),
        country: parts.text_of("Country"),
        postal_code: parts.text_of("PostalCode"),
        care_of: parts.text_of("CareOf"),
    }
}

fn privilege(element: &Element<'_>, notes: &mut Notes) -> Privilege {
    let status = element.child("UserPrivilegeStatus").and_then(|s| s.code_of("UserPrivilegeStatusType"));
    Privilege {
        agency: agency(element).unwrap_or_default(),
        kind: element.code_of("AgencyUserPrivilegeType").unwrap_or_default().to_owned(),
        valid_from: date(element, "ValidFromDate", notes),
        valid_to: date(element, "ValidToDate", notes),
        status: status.map(str::to_owned),
        description: element.text_of("UserPrivilegeDescription"),
    }
}

fn block(element: &Element<'_>) -> Block {
    Block {
        agency: agency(element).unwrap_or_default(),
        kind: element.code_of("BlockOrTrapType").unwrap_or_default().to_owned(),
    }
}

/// A date, or a note that there was something that is none.
fn date(parent: &Element<'_>, name: &'static str, notes: &mut Notes) -> Option<Date> {
    let text: Text = parent.text_of(name)?;
    let date = Date::read_in(text.reveal(), notes.dates);
    if date.is_none() && !notes.unreadable.contains(&name) {
        notes.unreadable.push(name);
    }
    date
}
