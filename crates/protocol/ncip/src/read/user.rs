//! What a response says of a user. Unknown elements are passed over; what cannot be understood is listed, not guessed.

use super::ReadError;
use super::tree::Element;
use crate::model::{
    Address, Block, Fields, Place, PostalAddress, Privilege, StructuredName, UserId, UserName, UserRecord,
};
use crate::{Date, Text};

/// The user of a response.
pub(super) fn record(response: &Element, name: &'static str) -> Result<UserRecord, ReadError> {
    // NCIP 1.x says UniqueUserId.
    let id = response
        .child("UserId")
        .or_else(|| response.child("UniqueUserId"))
        .ok_or(ReadError::NoUser { response: name })?;
    let mut unreadable = Vec::new();
    let fields = match response.child("UserOptionalFields") {
        Some(optional) => fields(optional, &mut unreadable),
        None => Fields::default(),
    };
    Ok(UserRecord { id: user_id(id), fields, unreadable })
}

/// What is optional in a response; a request's fields have the same form.
pub(crate) fn fields(parent: &Element, unreadable: &mut Vec<&'static str>) -> Fields {
    Fields {
        authentication: Vec::new(),
        name: parent.child("NameInformation").and_then(name),
        addresses: parent
            .children_named("UserAddressInformation")
            .filter_map(|e| address(e, unreadable))
            .collect(),
        birth_date: date(parent, "DateOfBirth", unreadable),
        languages: parent.children_named("UserLanguage").map(|e| e.value().to_owned()).collect(),
        privileges: parent.children_named("UserPrivilege").map(|e| privilege(e, unreadable)).collect(),
        blocks: parent.children_named("BlockOrTrap").map(block).collect(),
        user_ids: parent.children_named("UserId").filter_map(user_id).collect(),
    }
}

fn user_id(element: &Element) -> Option<UserId> {
    let unique = element.child("UniqueAgencyId").map(Element::value).filter(|value| !value.is_empty());
    Some(UserId {
        agency: element.code_of("AgencyId").or(unique).map(str::to_owned),
        kind: element.code_of("UserIdentifierType").map(str::to_owned),
        value: element.text_of("UserIdentifierValue")?,
    })
}

fn name(element: &Element) -> Option<UserName> {
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

fn address(element: &Element, unreadable: &mut Vec<&'static str>) -> Option<Address> {
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
        unreadable.push("UserAddressInformation");
        None
    };
    // An address with nothing in it is no address, as responders send for people who gave none.
    place.map(|place| Address { role, place })
}

fn postal(parts: &Element) -> PostalAddress {
    PostalAddress {
        line1: parts.text_of("Line1").or_else(|| parts.text_of("Street")),
        line2: parts.text_of("Line2").or_else(|| parts.text_of("PostOfficeBox")),
        locality: parts.text_of("Locality"),
        region: parts.text_of("Region"),
        country: parts.text_of("Country"),
        postal_code: parts.text_of("PostalCode"),
        care_of: parts.text_of("CareOf"),
    }
}

fn privilege(element: &Element, unreadable: &mut Vec<&'static str>) -> Privilege {
    let status = element.child("UserPrivilegeStatus").and_then(|s| s.code_of("UserPrivilegeStatusType"));
    Privilege {
        agency: element.code_of("AgencyId").unwrap_or_default().to_owned(),
        kind: element.code_of("AgencyUserPrivilegeType").unwrap_or_default().to_owned(),
        valid_from: date(element, "ValidFromDate", unreadable),
        valid_to: date(element, "ValidToDate", unreadable),
        status: status.map(str::to_owned),
        description: element.text_of("UserPrivilegeDescription"),
    }
}

fn block(element: &Element) -> Block {
    Block {
        agency: element.code_of("AgencyId").unwrap_or_default().to_owned(),
        kind: element.code_of("BlockOrTrapType").unwrap_or_default().to_owned(),
    }
}

/// A date, or a note that there was something that is none.
fn date(parent: &Element, name: &'static str, unreadable: &mut Vec<&'static str>) -> Option<Date> {
    let text: Text = parent.text_of(name)?;
    let date = Date::read(text.reveal());
    if date.is_none() && !unreadable.contains(&name) {
        unreadable.push(name);
    }
    date
}
