//! What the ILS says back: users and problems, valid against the schema in either style, or by the DTD of NCIP 1.

use super::request::Request;
use super::xml::{Form, Writer};
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
pub(crate) fn message_problem(form: Form, found: &Problem) -> String {
    let mut out = Writer::message(form);
    problem(&mut out, found);
    out.finish()
}

/// A problem as the answer of one service.
pub(crate) fn service_problem(form: Form, request: &Request, found: &Problem) -> String {
    response(form, request, |out| problem(out, found))
}

/// What this ILS speaks, in the root in which it was asked.
pub(crate) fn versions(form: Form, request: &Request, standard: bool, services: &[&str]) -> String {
    let form = Form { v1: form.v1 || standard, ..form };
    let mut out = Writer::message(form);
    out.element("LookupVersionResponse", |out| {
        for (element, code) in
            [("FromAgencyId", request.to.as_deref()), ("ToAgencyId", request.from.as_deref())]
        {
            out.element(element, |out| out.leaf("AgencyId", code.unwrap_or("PRACTICE")));
        }
        for uri in ["ncip/v1_0/imp1/dtd/ncip_v1_0.dtd", "schemas/ncip/v2_02/ncip_v2_02.xsd"] {
            out.leaf("VersionSupported", &format!("http://www.niso.org/{uri}"));
        }
        for service in services {
            out.leaf("ServiceSupported", service);
        }
    });
    let document = out.finish();
    if standard { document.replace("NCIPMessage", "NCIPVersionMessage") } else { document }
}

/// Create and update answer with the user's id alone.
pub(crate) fn done(form: Form, request: &Request, barcode: &str) -> String {
    response(form, request, |out| user_id(out, request, "Barcode", barcode))
}

/// A look-up answers with the id and what was asked for.
pub(crate) fn found(form: Form, request: &Request, patron: &Patron, elements: &[String]) -> String {
    response(form, request, |out| {
        user_id(out, request, "Barcode", &patron.barcode);
        if !elements.is_empty() {
            out.element("UserOptionalFields", |out| {
                optional_fields(out, request, patron, elements);
            });
        }
    })
}

fn response(form: Form, request: &Request, inside: impl FnOnce(&mut Writer)) -> String {
    let mut out = Writer::message(form);
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
    if out.v1() {
        return out.element("Problem", |out| {
            out.element("ProcessingError", |out| {
                out.leaf("ProcessingErrorType", found.kind);
                out.element("ProcessingErrorElement", |out| {
                    out.leaf("ElementName", found.element.unwrap_or("NCIPMessage"));
                    if let Some(value) = &found.value {
                        out.leaf("ProcessingErrorValue", value);
                    }
                });
            });
        });
    }
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
    if out.v1() {
        return out.element("UniqueUserId", |out| {
            out.leaf("AgencyId", agency(request));
            out.leaf("UserIdentifierValue", value);
        });
    }
    out.element("UserId", |out| {
        out.leaf("AgencyId", agency(request));
        out.leaf("UserIdentifierType", kind);
        out.leaf("UserIdentifierValue", value);
    });
}

fn optional_fields(out: &mut Writer, request: &Request, patron: &Patron, elements: &[String]) {
    let wanted = |name: &str| elements.iter().any(|e| e == name);
    if out.v1() && wanted("userid") {
        let ids = [("Barcode", Some(&patron.barcode)), ("Institution Id Number", patron.student_id.as_ref())];
        for (kind, value) in ids {
            let Some(value) = value else { continue };
            out.element("VisibleUserId", |out| {
                out.element("VisibleUserIdentifierType", |out| {
                    out.leaf("Scheme", "urn:practice");
                    out.leaf("Value", kind);
                });
                out.leaf("VisibleUserIdentifier", value);
            });
        }
    }
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
    if !out.v1() && wanted("userid") {
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

/// The full dialect, where the category is a privilege of its own; NCIP 1 has it as the status of a profile, as the old
/// responders do.
fn privileges(out: &mut Writer, request: &Request, patron: &Patron) {
    let profile = out.v1();
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
    let status = if patron.blocked { "Blocked" } else { "Active" };
    match &patron.category {
        Some(category) if profile => {
            privilege("PROFILE", patron.expires.as_ref(), category);
            privilege("STATUS", None, status);
        }
        Some(category) => privilege(category, patron.expires.as_ref(), status),
        None => {}
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
