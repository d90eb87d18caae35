//! How many creates a second the practice ILS takes over loopback: `cargo run --release --example ncip_speed`.
//! The client writes ready-made bytes and looks for the end of each answer, so that the ILS is what is measured.

#![expect(clippy::print_stdout, reason = "a measurement for people at a terminal")]

use std::time::Instant;

use rostercard_practice::ils::{Ils, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const EACH: usize = 10_000;
const CONNECTIONS: usize = 8;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    for (kept, file) in
        [("in memory", None), ("with a patrons file", Some(folder.path().join("patrons.jsonl")))]
    {
        let ils = Ils::start(Options { patrons_file: file, ..Options::default() }).await?;
        for (what, service) in [("creates", create as fn(usize) -> String), ("look-ups", lookup)] {
            let started = Instant::now();
            let mut clients = tokio::task::JoinSet::new();
            for client in 0..CONNECTIONS {
                clients.spawn(talk(ils.ncip_address(), client, service));
            }
            while let Some(done) = clients.join_next().await {
                done??;
            }
            let (all, time) = (CONNECTIONS * EACH, started.elapsed());
            println!("{kept}: {all} {what} in {time:.1?}, {:.0}/s", all as f64 / time.as_secs_f64());
        }
        let counts = ils.counts();
        println!("{kept}: {} patrons, {} problems", counts.patrons, counts.problems);
        ils.stop().await;
    }
    Ok(())
}

async fn talk(
    address: std::net::SocketAddr,
    client: usize,
    service: fn(usize) -> String,
) -> std::io::Result<()> {
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 16];
    for nth in 0..EACH {
        let body = service(client * EACH + nth);
        let request =
            format!("POST /ncip HTTP/1.1\r\nHost: practice\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        socket.write_all(request.as_bytes()).await?;
        let mut filled = 0;
        while !buffer.get(..filled).is_some_and(|b| b.ends_with(b"</NCIPMessage>")) {
            let read = socket.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
        }
    }
    Ok(())
}

fn message(inside: &str) -> String {
    format!("<NCIPMessage xmlns=\"http://www.niso.org/2008/ncip\">{inside}</NCIPMessage>")
}

fn user(number: usize) -> String {
    format!(
        "<UserId><AgencyId>LIB</AgencyId><UserIdentifierValue>77{number:08}</UserIdentifierValue></UserId>"
    )
}

fn create(number: usize) -> String {
    message(&format!(
        "<CreateUser>{}<NameInformation><PersonalNameInformation><StructuredPersonalUserName>\
         <GivenName>Zoë</GivenName><Initials>Marie</Initials><Surname>O&apos;Brien</Surname>\
         </StructuredPersonalUserName></PersonalNameInformation></NameInformation>\
         <UserAddressInformation><UserAddressRoleType>Home</UserAddressRoleType><PhysicalAddress><StructuredAddress>\
         <Line1>12 Main St</Line1><Locality>Larkfield</Locality><Region>CA</Region><PostalCode>00011</PostalCode>\
         </StructuredAddress><PhysicalAddressType>Postal Address</PhysicalAddressType></PhysicalAddress>\
         </UserAddressInformation><DateOfBirth>2012-05-04T00:00:00</DateOfBirth>\
         <UserPrivilege><AgencyId>LIB</AgencyId><AgencyUserPrivilegeType>STUDENT</AgencyUserPrivilegeType>\
         <ValidToDate>2027-09-30T00:00:00</ValidToDate></UserPrivilege>\
         <UserPrivilege><AgencyId>LIB</AgencyId><AgencyUserPrivilegeType>LIBRARY</AgencyUserPrivilegeType>\
         <UserPrivilegeStatus><UserPrivilegeStatusType>MAIN</UserPrivilegeStatusType></UserPrivilegeStatus>\
         </UserPrivilege></CreateUser>",
        user(number)
    ))
}

fn lookup(number: usize) -> String {
    message(&format!(
        "<LookupUser>{}<UserElementType>Name Information</UserElementType>\
         <UserElementType>User Privilege</UserElementType><UserElementType>User Address Information</UserElementType>\
         <UserElementType>Date Of Birth</UserElementType></LookupUser>",
        user(number)
    ))
}
