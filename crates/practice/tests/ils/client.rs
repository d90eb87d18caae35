//! A plain HTTP client over one socket, and NCIP messages written by hand: nothing of the ILS's own code.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rostercard_practice::ils::{Ils, Options, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back: the status and the body. An error where the connection ended before a whole answer.
pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    let mut socket = TcpStream::connect(address).await?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: practice\r\nConnection: close\r\nContent-Type: application/xml\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(body.as_bytes()).await?;
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut bytes)).await;
    read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let length =
        head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
    if length.is_some_and(|length| body.len() < length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

/// Posts an NCIP message and returns the document.
pub(crate) async fn ncip(ils: &Running, message: &str) -> String {
    let (status, body) = http(ils.ncip_address(), "POST", "/ncip", message).await.unwrap();
    assert_eq!(status, 200, "{body}");
    body
}

/// An ILS on loopback.
pub(crate) async fn ils(options: Options) -> Running {
    Ils::start(options).await.unwrap()
}

const NCIP: &str = "http://www.niso.org/2008/ncip";

/// A message with a default namespace.
pub(crate) fn message(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <NCIPMessage xmlns=\"http://www.niso.org/2008/ncip\" xmlns:ncip=\"http://www.niso.org/2008/ncip\" \
         ncip:version=\"http://www.niso.org/schemas/ncip/v2_02/ncip_v2_02.xsd\">{inside}</NCIPMessage>"
    )
}

/// The same message with a prefix on every element.
pub(crate) fn prefixed(message: &str, prefix: &str) -> String {
    let mut out = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        out.push('<');
        let (slash, name) = match after.strip_prefix('/') {
            Some(name) => ("/", name),
            None => ("", after),
        };
        out.push_str(slash);
        if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            out.push_str(prefix);
            out.push(':');
        }
        rest = name;
    }
    out.push_str(rest);
    let bound = if prefix == "ncip" { String::new() } else { format!("xmlns:{prefix}=\"{NCIP}\"") };
    out.replace(&format!("xmlns=\"{NCIP}\""), &bound)
}

pub(crate) const HEADER: &str = "<InitiationHeader><FromAgencyId><AgencyId>DISTRICT</AgencyId></FromAgencyId>\
     <ToAgencyId><AgencyId>LIB</AgencyId></ToAgencyId></InitiationHeader>";

pub(crate) fn user(barcode: &str) -> String {
    format!("<UserId><AgencyId>LIB</AgencyId><UserIdentifierValue>{barcode}</UserIdentifierValue></UserId>")
}

pub(crate) fn lookup(barcode: &str) -> String {
    let elements = [
        "Name Information",
        "User Address Information",
        "Date Of Birth",
        "User Privilege",
        "Block Or Trap",
        "User Id",
    ];
    let elements: String =
        elements.iter().map(|e| format!("<UserElementType>{e}</UserElementType>")).collect();
    message(&format!("<LookupUser>{HEADER}{}{elements}</LookupUser>", user(barcode)))
}

pub(crate) fn name(given: &str, surname: &str) -> String {
    format!(
        "<NameInformation><PersonalNameInformation><StructuredPersonalUserName><GivenName>{given}</GivenName>\
         <Initials>Marie</Initials><Surname>{surname}</Surname></StructuredPersonalUserName>\
         </PersonalNameInformation></NameInformation>"
    )
}

pub(crate) fn electronic(kind: &str, data: &str) -> String {
    format!(
        "<UserAddressInformation><UserAddressRoleType>Notice</UserAddressRoleType><ElectronicAddress>\
         <ElectronicAddressType>{kind}</ElectronicAddressType><ElectronicAddressData>{data}</ElectronicAddressData>\
         </ElectronicAddress></UserAddressInformation>"
    )
}

pub(crate) fn postal(line1: &str, zip: &str) -> String {
    format!(
        "<UserAddressInformation><UserAddressRoleType>Home</UserAddressRoleType><PhysicalAddress><StructuredAddress>\
         <Line1>{line1}</Line1><Line2>Apt 4</Line2><Locality>Larkfield</Locality><Region>CA</Region>\
         <PostalCode>{zip}</PostalCode></StructuredAddress><PhysicalAddressType>Postal Address</PhysicalAddressType>\
         </PhysicalAddress></UserAddressInformation>"
    )
}

pub(crate) fn category(code: &str, expires: &str, status: &str) -> String {
    format!(
        "<UserPrivilege><AgencyId>LIB</AgencyId><AgencyUserPrivilegeType>{code}</AgencyUserPrivilegeType>\
         <ValidToDate>{expires}</ValidToDate><UserPrivilegeStatus><UserPrivilegeStatusType>{status}\
         </UserPrivilegeStatusType></UserPrivilegeStatus></UserPrivilege>"
    )
}

pub(crate) fn privilege(kind: &str, status: &str) -> String {
    format!(
        "<UserPrivilege><AgencyId>LIB</AgencyId><AgencyUserPrivilegeType>{kind}</AgencyUserPrivilegeType>\
         <UserPrivilegeStatus><UserPrivilegeStatusType>{status}</UserPrivilegeStatusType></UserPrivilegeStatus>\
         </UserPrivilege>"
    )
}

pub(crate) fn authentication(kind: &str, data: &str) -> String {
    format!(
        "<AuthenticationInput><AuthenticationInputData>{data}</AuthenticationInputData>\
         <AuthenticationDataFormatType>text/plain</AuthenticationDataFormatType>\
         <AuthenticationInputType>{kind}</AuthenticationInputType></AuthenticationInput>"
    )
}

/// A small CreateUser with these further fields after the name.
pub(crate) fn create_with(barcode: &str, rest: &str) -> String {
    message(&format!(
        "<CreateUser>{HEADER}{}{}{rest}</CreateUser>",
        user(barcode),
        name("Zoë", "O&apos;Brien &amp; Co")
    ))
}

pub(crate) fn create(barcode: &str) -> String {
    create_with(barcode, &category("STUDENT", "2027-09-30T00:00:00", "Active"))
}

pub(crate) fn update(barcode: &str, delete: &str, add: &str) -> String {
    let part = |name: &str, inside: &str| match inside {
        "" => String::new(),
        _ => format!("<{name}>{inside}</{name}>"),
    };
    let (delete, add) = (part("DeleteUserFields", delete), part("AddUserFields", add));
    message(&format!("<UpdateUser>{HEADER}{}{delete}{add}</UpdateUser>", user(barcode)))
}

/// The text between the first pair of such tags, prefix or none.
pub(crate) fn text(document: &str, element: &str) -> Option<String> {
    let start = [format!("<{element}>"), format!("<ncip:{element}>")]
        .iter()
        .find_map(|tag| document.find(tag).map(|at| at + tag.len()))?;
    let rest = document.get(start..)?;
    Some(rest.get(..rest.find('<')?)?.to_owned())
}

/// The type of the first problem.
pub(crate) fn problem(document: &str) -> Option<String> {
    text(document, "ProblemType")
}
