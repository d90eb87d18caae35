//! Addresses: electronic, postal in parts, postal in one piece.

use super::xml::Xml;
use super::{WriteError, Written, needed, optional};
use crate::model::{Address, Place, PostalAddress};
use crate::{AddressForm, Dialect, Text, schemes};

/// One address, in the form that the dialect asks for where it is in parts.
pub(super) fn address(out: &mut Xml, address: &Address, dialect: &Dialect) -> Written {
    out.open("UserAddressInformation");
    out.code("UserAddressRoleType", Some(schemes::USER_ADDRESS_ROLE_TYPE), &address.role)?;
    match &address.place {
        Place::Postal { kind, address } => {
            out.open("PhysicalAddress");
            match dialect.address {
                AddressForm::Lines | AddressForm::Street => postal(out, address, dialect.address)?,
                AddressForm::Text => {
                    unstructured(out, PostalAddress::IN_LINES, address.in_one_piece().reveal())?;
                }
            }
            out.code("PhysicalAddressType", Some(schemes::PHYSICAL_ADDRESS_TYPE), kind)?;
            out.close("PhysicalAddress");
        }
        Place::PostalText { kind, format, data } => {
            out.open("PhysicalAddress");
            unstructured(out, format, data.reveal())?;
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

fn unstructured(out: &mut Xml, format: &str, data: &str) -> Written {
    if data.trim().is_empty() {
        return Err(WriteError::Empty { element: "UnstructuredAddressData" });
    }
    out.open("UnstructuredAddress");
    out.code("UnstructuredAddressType", Some(schemes::UNSTRUCTURED_ADDRESS_TYPE), format)?;
    out.lines("UnstructuredAddressData", data)?;
    out.close("UnstructuredAddress");
    Ok(())
}

fn postal(out: &mut Xml, address: &PostalAddress, form: AddressForm) -> Written {
    out.open("StructuredAddress");
    // The schema has no structured address without a first line; an empty one says that it is not known.
    let line1 = address.line1.as_ref().map_or("", Text::reveal);
    if form == AddressForm::Street {
        optional(out, "LocationWithinBuilding", address.line2.as_ref())?;
        out.text("Street", line1)?;
    } else {
        out.text("Line1", line1)?;
        optional(out, "Line2", address.line2.as_ref())?;
    }
    let parts = [
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
