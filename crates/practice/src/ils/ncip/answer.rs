//! What the ILS says back in NCIP 2.02: users and problems, valid against the schema in either style.

use super::request::Request;
use super::xml::Writer;
use crate::ils::patron::{Field, Patron, Refusal};

/// An NCIP problem, as its type and, where there is one, the element and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: &'static str,
    pub(crate) detail: String,
    pub(crate) element: Option<&'static str>,
    pub(crate) value: Option<String>,
}

impl Problem {
    pub(crate) fn new(kind: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), element: None, value: None }
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let (kind, field, value) = match refusal {
            Refusal::Duplicate => ("Duplicate User", Some(Field::Barcode), None),
            Refusal::UnknownPatron => ("Unknown User", Some(Field::Barcode), None),
            Refusal::Missing(field) => ("Needed Data Missing", Some(*field), None),
            Refusal::UnknownValue { field, value } => {
                ("Unknown Value From Known Scheme", Some(*field), Some(value.clone()))
            }
            Refusal::InvalidDate(field) => ("Invalid Date", Some(*field), None),
            Refusal::RuleViolated { field, .. } => ("Element Rule Violated", Some(*field), None),
            Refusal::CannotWrite => ("Temporary Processing Failure", None, None),
        };
        Self { kind, detail: refusal.to_string(), element: field.map(element), value }
    }
}

/// NCIP's name for a field.
fn element(field: Field) -> &'static str {
    match field {
        Field::Barcode => "UserIdentifierValue",
        Field::Surname => "Surname",
        Field::BirthDate => "DateOfBirth",
        Field::Expiry => "ValidToDate",
        Field::Category => "AgencyUserPrivilegeType",
        Field::HomeBranch => "UserPrivilegeStatusType",
        Field::Zip => "PostalCode",
        Field::Pin => "AuthenticationInputData",
        Field::Address => "UserAddressInformation",
        Field::Privilege => "UserPrivilege",
        Field::Block => "BlockOrTrap",
    }
}

/// A problem for the whole message.
pub(crate) fn message_problem(prefixed: bool, found: &Problem) -> String {
    let mut out = Writer::message(prefixed);
    problem(&mut out, found);
    out.finish()
}

/// A problem as the answer of one service.
pub(crate) fn service_problem(prefixed: bool, request: &Request, found: &Problem) -> String {
    response(prefixed, request, |out| problem(out, found))
}

/// Create and update answer with the user's id alone.
pub(crate) fn done(prefixed: bool, request: &Request, barcode: &str) -> String {
    response(prefixed, request, |out| user_id(out, request, "Barcode", barcode))
}

/// A look-up answers with the id and what was asked for.
pub(crate) fn found(prefixed: bool, request: &Request, patron: &Patron, elements: &[String]) -> String {
    response(prefixed, request, |out| {
        user_id(out, request, "Barcode", &patron.barcode);
        if !elements.is_empty() {
            out.element("UserOptionalFields", |out| {
                optional_fields(out, request, patron, elements);
            });
        }
    })
}

fn response(prefixed: bool, request: &Request, inside: impl FnOnce(&mut Writer)) -> String {
    let mut out = Writer::message(prefixed);
    out.element(&format!("{}Response", request.service), |out| {
        if let (Some(from), Some(to)) = (&request.from, &request.to) {
            out.element("ResponseHeader", |out| {
                out.element("FromAgencyId", |out| out.leaf("AgencyId", to));
                out.element("ToAgencyId", |out| out.leaf("AgencyId", from));
            });
        }
        inside(out);
    });
    out.finish()
}

fn problem(out: &mut Writer, found: &Problem) {
    out.element("Problem", |out| {
        out.leaf("ProblemType", found.kind);
        out.some("ProblemDetail", &found.detail);
        if let Some(element) = found.element {
            out.leaf("ProblemElement", element);
        }
        if let Some(value) = &found.value {
            out.leaf("ProblemValue", value);
        }
    });
}

fn agency(request: &Request) -> &str {
    request.to.as_deref().unwrap_or("PRACTICE")
}

fn user_id(out: &mut Writer, request: &Request, kind: &str, value: &str) {
    out.element("UserId", |out| {
        out.leaf("AgencyId", agency(request));
        out.leaf("UserIdentifierType", kind);
        out.leaf("UserIdentifierValue", value);
    });
}

fn optional_fields(out: &mut Writer, request: &Request, patron: &Patron, elements: &[String]) {
    let wanted = |name: &str| elements.iter().any(|e| e == name);
    if wanted("nameinformation") {
        out.element("NameInformation", |out| {
            out.element("PersonalNameInformation", |out| {
                out.element("StructuredPersonalUserName", |out| {
                    out.some("GivenName", &patron.given);
                    out.some("Initials", &patron.middle);
                    out.leaf("Surname", &patron.surname);
                    out.some("Suffix", &patron.suffix);
                });
            });
        });
    }
    if wanted("useraddressinformation") {
        addresses(out, patron);
    }
    if let (true, Some(date)) = (wanted("dateofbirth"), &patron.birth_date) {
        out.leaf("DateOfBirth", &midnight(date));
    }
    if wanted("userprivilege") {
        privileges(out, request, patron);
    }
    if wanted("blockortrap") {
        for block in &patron.blocks {
            out.element("BlockOrTrap", |out| {
                out.leaf("AgencyId", agency(request));
                out.leaf("BlockOrTrapType", block);
            });
        }
    }
    if wanted("userid") {
        user_id(out, request, "Barcode", &patron.barcode);
        if let Some(id) = &patron.student_id {
            user_id(out, request, "Institution Id Number", id);
        }
    }
}

fn addresses(out: &mut Writer, patron: &Patron) {
    for address in &patron.addresses {
        out.element("UserAddressInformation", |out| {
            out.leaf("UserAddressRoleType", "Home");
            out.element("PhysicalAddress", |out| {
                out.element("StructuredAddress", |out| {
                    out.leaf("Line1", &address.line1);
                    out.some("Line2", &address.line2);
                    out.some("Locality", &address.city);
                    out.some("Region", &address.state);
                    out.some("PostalCode", &address.zip);
                });
                out.leaf("PhysicalAddressType", "Postal Address");
            });
        });
    }
    let electronic = patron
        .emails
        .iter()
        .map(|e| ("Notice", "mailto", e))
        .chain(patron.phones.iter().map(|p| ("Home", "tel", p)));
    for (role, kind, data) in electronic {
        out.element("UserAddressInformation", |out| {
            out.leaf("UserAddressRoleType", role);
            out.element("ElectronicAddress", |out| {
                out.leaf("ElectronicAddressType", kind);
                out.leaf("ElectronicAddressData", data);
            });
        });
    }
}

fn privileges(out: &mut Writer, request: &Request, patron: &Patron) {
    let mut privilege = |kind: &str, expires: Option<&String>, status: &str| {
        out.element("UserPrivilege", |out| {
            out.leaf("AgencyId", agency(request));
            out.leaf("AgencyUserPrivilegeType", kind);
            if let Some(date) = expires {
                out.leaf("ValidToDate", &midnight(date));
            }
            out.element("UserPrivilegeStatus", |out| {
                out.leaf("UserPrivilegeStatusType", status);
            });
        });
    };
    if let Some(category) = &patron.category {
        privilege(category, patron.expires.as_ref(), if patron.blocked { "Blocked" } else { "Active" });
    }
    if let Some(branch) = &patron.home_branch {
        privilege("LIBRARY", None, branch);
    }
    for (name, code) in &patron.stat_codes {
        privilege(&format!("STAT:{name}"), None, code);
    }
}

fn midnight(date: &str) -> String {
    format!("{date}T00:00:00")
}
