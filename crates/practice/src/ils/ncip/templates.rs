//! Answers of responders that print templates instead of writing XML, mistakes and all, as they were seen on running ones.
//!
//! The mistakes are the point: a client that is right on these is right on the real ones.

use super::request::Request;
use crate::ils::patron::Patron;

const HEAD_1: &str = "<NCIPMessage version=\"http://www.niso.org/ncip/v1_0/imp1/dtd/ncip_v1_0.dtd\">";
/// The version attribute is not qualified, as nearly everybody has it.
const HEAD_2: &str = "<NCIPMessage xmlns=\"http://www.niso.org/2008/ncip\" \
                      version=\"http://www.niso.org/schemas/ncip/v2_02/ncip_v2_02.xsd\">";

fn document(v1: bool, inside: &str) -> String {
    let head = if v1 { HEAD_1 } else { HEAD_2 };
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{head}\n{inside}</NCIPMessage>\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Koha's: any service that it has not.
pub(super) fn koha_it_works(v1: bool) -> String {
    document(v1, "It works!")
}

/// Koha's: nobody has this number. The spelling is theirs.
pub(super) fn koha_unknown_user(request: &Request) -> String {
    let kind = if request.v1 {
        "<Problem><ProcessingError><ProcessingErrorType><Scheme>s</Scheme><Value>Unkown User</Value>\
         </ProcessingErrorType><ProcessingErrorElement><ElementName>UserIdentifierValue</ElementName>\
         </ProcessingErrorElement></ProcessingError></Problem>"
    } else {
        "<Problem><ProblemType>Unkown User</ProblemType><ProblemDetail>User is not known</ProblemDetail></Problem>"
    };
    document(request.v1, &format!("<{0}Response>\n{kind}\n</{0}Response>", request.service))
}

/// Koha's: a user. No header, the blocks before the addresses, privileges without an agency, e-mail and phone as they
/// are, and dates with the day before the month.
pub(super) fn koha_found(request: &Request, patron: &Patron, spelt: &[String]) -> String {
    let wanted = |name: &str| spelt.iter().any(|e| e == name);
    let mut fields = String::new();
    if wanted("Name Information") {
        fields.push_str(&format!(
            "<NameInformation><PersonalNameInformation><StructuredPersonalUserName><GivenName>{}</GivenName>\
             <Surname>{}</Surname></StructuredPersonalUserName></PersonalNameInformation></NameInformation>\n",
            escaped(&patron.given),
            escaped(&patron.surname)
        ));
    }
    if wanted("Block Or Trap") {
        for block in &patron.blocks {
            fields.push_str(&format!(
                "<BlockOrTrap><AgencyId/><BlockOrTrapType>{}</BlockOrTrapType></BlockOrTrap>\n",
                escaped(block)
            ));
        }
    }
    if wanted("User Address Information") {
        for address in &patron.addresses {
            fields.push_str(&format!(
                "<UserAddressInformation><UserAddressRoleType>Multi-Purpose</UserAddressRoleType><PhysicalAddress>\
                 <StructuredAddress><Line1>{}</Line1><Line2>{}</Line2><Locality>{}</Locality><Region>{}</Region>\
                 <PostalCode>{}</PostalCode></StructuredAddress><PhysicalAddressType>Postal Address\
                 </PhysicalAddressType></PhysicalAddress></UserAddressInformation>\n",
                escaped(&address.line1),
                escaped(&address.line2),
                escaped(&address.city),
                escaped(&address.state),
                escaped(&address.zip)
            ));
        }
        let contacts =
            patron.emails.iter().map(|e| ("mailto", e)).chain(patron.phones.iter().map(|p| ("tel", p)));
        for (kind, data) in contacts {
            fields.push_str(&format!(
                "<UserAddressInformation><UserAddressRoleType>Multi-Purpose</UserAddressRoleType><ElectronicAddress>\
                 <ElectronicAddressType>{kind}</ElectronicAddressType><ElectronicAddressData>{data}\
                 </ElectronicAddressData></ElectronicAddress></UserAddressInformation>\n"
            ));
        }
    }
    if let (true, Some(date)) = (wanted("Date Of Birth"), &patron.birth_date) {
        fields.push_str(&format!("<DateOfBirth>{}</DateOfBirth>\n", swapped(date)));
    }
    if wanted("User Privilege") {
        let mut privilege = |kind: &str, expires: Option<&String>, status: &str| {
            let expires = expires
                .map(|date| format!("<ValidToDate>{}</ValidToDate>", swapped(date)))
                .unwrap_or_default();
            fields.push_str(&format!(
                "<UserPrivilege><AgencyUserPrivilegeType>{kind}</AgencyUserPrivilegeType>{expires}<UserPrivilegeStatus>\
                 <UserPrivilegeStatusType>{}</UserPrivilegeStatusType></UserPrivilegeStatus></UserPrivilege>\n",
                escaped(status)
            ));
        };
        privilege("LIBRARY", None, patron.home_branch.as_deref().unwrap_or_default());
        privilege("PROFILE", patron.expires.as_ref(), patron.category.as_deref().unwrap_or_default());
    }
    let id = if request.v1 { "UniqueUserId" } else { "UserId" };
    let barcode = escaped(&patron.barcode);
    let user = format!(
        "<LookupUserResponse>\n<{id}><UserIdentifierValue>{barcode}</UserIdentifierValue></{id}>\n\
         <UserOptionalFields>\n{fields}</UserOptionalFields>\n</LookupUserResponse>"
    );
    document(request.v1, &user)
}

/// `2027-09-30` as the example configuration of Koha's server has it: `2027-30-09`.
fn swapped(date: &str) -> String {
    match date.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] => format!("{year}-{day}-{month}"),
        _ => date.to_owned(),
    }
}

/// Evergreen's: a request that it cannot parse, or one with a DOCTYPE, which it tries to fetch.
pub(super) fn evergreen_unreadable() -> String {
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<>\n  <Problem><ProblemType>\n</ProblemType></Problem>\n</>\n".to_owned()
}

/// The header of Evergreen's answers. An agency with a scheme is a reference to it, and no agency.
fn evergreen_header(request: &Request, schemes: bool) -> String {
    let agency = |code: Option<&str>| {
        if schemes { "HASH(0x561573d50ea0)".to_owned() } else { escaped(code.unwrap_or_default()) }
    };
    format!(
        "<ResponseHeader><FromAgencyId><AgencyId>{}</AgencyId></FromAgencyId><ToAgencyId><AgencyId>{}</AgencyId>\
         </ToAgencyId></ResponseHeader>\n",
        agency(request.to.as_deref()),
        agency(request.from.as_deref())
    )
}

/// Evergreen's: a problem. Its type begins with the end of a line.
pub(super) fn evergreen_problem(request: &Request, schemes: bool, kind: &str, detail: &str) -> String {
    let header = evergreen_header(request, schemes);
    document(
        false,
        &format!(
            "<{0}Response>\n{header}<Problem>\n<ProblemType>\n{kind}</ProblemType>\n<ProblemDetail>{detail}\
             </ProblemDetail>\n<ProblemElement>NULL</ProblemElement>\n<ProblemValue>NULL</ProblemValue>\n</Problem>\n</{0}Response>",
            request.service
        ),
    )
}

/// Evergreen's: a user. The number is empty, and privileges are inside what is printed for users with a language.
pub(super) fn evergreen_found(request: &Request, patron: &Patron, elements: &[String]) -> String {
    let wanted = |name: &str| elements.iter().any(|e| e == name);
    let mut fields = String::new();
    if wanted("nameinformation") {
        fields.push_str(&format!(
            "<NameInformation><PersonalNameInformation><StructuredPersonalUserName><GivenName>{}</GivenName>\
             <Initials>{}</Initials><Surname>{}</Surname></StructuredPersonalUserName></PersonalNameInformation></NameInformation>\n",
            escaped(&patron.given),
            escaped(&patron.middle),
            escaped(&patron.surname)
        ));
    }
    if wanted("useraddressinformation") {
        for address in &patron.addresses {
            fields.push_str(&format!(
                "<UserAddressInformation><UserAddressRoleType>Home</UserAddressRoleType><PhysicalAddress>\
                 <StructuredAddress><Line1>{}</Line1><Line2>{}</Line2><Locality>{}</Locality><Region>{}</Region>\
                 <PostalCode>{}</PostalCode></StructuredAddress><PhysicalAddressType>Postal Address\
                 </PhysicalAddressType></PhysicalAddress></UserAddressInformation>\n",
                escaped(&address.line1),
                escaped(&address.line2),
                escaped(&address.city),
                escaped(&address.state),
                escaped(&address.zip)
            ));
        }
        let contacts =
            patron.emails.iter().map(|e| ("mailto", e)).chain(patron.phones.iter().map(|p| ("tel", p)));
        for (kind, data) in contacts {
            let data = escaped(data);
            fields.push_str(&format!(
                "<UserAddressInformation><UserAddressRoleType>Home</UserAddressRoleType><ElectronicAddress>\
                 <ElectronicAddressType>{kind}</ElectronicAddressType><ElectronicAddressData>{data}\
                 </ElectronicAddressData></ElectronicAddress></UserAddressInformation>\n"
            ));
        }
    }
    if let (true, Some(date)) = (wanted("dateofbirth"), &patron.birth_date) {
        fields.push_str(&format!("<DateOfBirth>{date}T00:00:00</DateOfBirth>\n"));
    }
    if wanted("blockortrap") {
        for block in &patron.blocks {
            fields.push_str(&format!(
                "<BlockOrTrap><AgencyId>L</AgencyId><BlockOrTrapType>{}</BlockOrTrapType></BlockOrTrap>\n",
                escaped(block)
            ));
        }
    }
    let header = evergreen_header(request, false);
    document(
        false,
        &format!(
            "<LookupUserResponse>\n{header}<UserId><UserIdentifierValue></UserIdentifierValue></UserId>\n\
             <UserOptionalFields>\n{fields}</UserOptionalFields>\n</LookupUserResponse>"
        ),
    )
}
