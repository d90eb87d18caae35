//! The directory in conversation with a scripted server: each test says which requests must come, in which order, and how
//! each is answered.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::civil::date;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    CapabilityState, Creation, FieldChanges, FindKey, Lookup, Outcome, PatronFinder, PatronWriter,
    RejectionKind, Retry, Text,
};
use rostercard_core::privacy::{BirthDate, Personal, Secret};
use rostercard_ils_ncip::{NamedBy, NcipDirectory, NcipSettings, PinWay, Responder, Switch};
use rostercard_ncip::{DateOrder, ProblemClass};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a request is answered.
#[derive(Clone)]
enum Reply {
    /// With a response of the service that was asked for, with this inside.
    Says(String),
    /// With this document.
    Document(String),
    /// With this status and an empty body.
    Status(u16),
    /// By closing the connection once the request is read.
    HangsUp,
    /// Never.
    Silence,
}

use Reply::{Document, HangsUp, Says, Silence, Status};

struct Server {
    directory: NcipDirectory,
    requests: Arc<Mutex<Vec<String>>>,
    script: &'static str,
}

impl Server {
    /// The requests that came, after a check that they are those of the script and no others.
    fn requests(self) -> Vec<String> {
        let requests = self.requests.lock().unwrap().clone();
        let services: Vec<&str> = requests.iter().map(|r| service(r)).collect();
        assert_eq!(services.join(" "), self.script);
        requests
    }
}

fn service(request: &str) -> &'static str {
    ["LookupUser", "CreateUser", "UpdateUser", "LookupVersion"]
        .into_iter()
        .find(|name| request.contains(&format!("<ncip:{name}>")) || request.contains(&format!("<{name}>")))
        .unwrap_or_else(|| panic!("no known service: {request}"))
}

/// A server that answers its requests in this order, and a directory that speaks to it.
async fn server(script: &'static str, replies: Vec<Reply>, change: impl FnOnce(&mut NcipSettings)) -> Server {
    drop(rustls::crypto::ring::default_provider().install_default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ncip/T0KEN", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        let mut replies = replies.into_iter();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = take_request(&mut stream).await;
            let service = service(&request);
            seen.lock().unwrap().push(request);
            let (status, body) = match replies.next() {
                Some(Says(inside)) => {
                    (200, message(&format!("<{service}Response>{inside}</{service}Response>")))
                }
                Some(Document(whole)) => (200, whole),
                Some(Status(status)) => (status, String::new()),
                Some(HangsUp) | None => continue,
                Some(Silence) => {
                    tokio::spawn(async move {
                        std::future::pending::<()>().await;
                        drop(stream);
                    });
                    continue;
                }
            };
            let head =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body.as_bytes()).await.unwrap();
        }
    });
    let mut settings = NcipSettings::new(&url, false, "LAKESIDE-USD", "LAKELIB").unwrap();
    settings.deadline = Duration::from_millis(2_000);
    change(&mut settings);
    Server { directory: NcipDirectory::new(settings).unwrap(), requests, script }
}

async fn plain(script: &'static str, replies: Vec<Reply>) -> Server {
    server(script, replies, |_| {}).await
}

async fn take_request(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let n = stream.read(&mut buffer).await.unwrap();
        seen.extend_from_slice(&buffer[..n]);
        if n == 0 || seen.ends_with(b"Message>\n") {
            return String::from_utf8(seen).unwrap();
        }
    }
}

fn message(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><NCIPMessage xmlns=\"http://www.niso.org/2008/ncip\" \
         version=\"http://www.niso.org/schemas/ncip/v2_02/ncip_v2_02.xsd\">{inside}</NCIPMessage>"
    )
}

fn id(number: &str) -> String {
    format!(
        "<UserId><AgencyId>LAKELIB</AgencyId><UserIdentifierValue>{number}</UserIdentifierValue></UserId>"
    )
}

fn problem(kind: &str) -> Reply {
    Says(format!("<Problem><ProblemType>{kind}</ProblemType></Problem>"))
}

/// A patron as an ILS shows it.
fn shown(number: &str, surname: &str, expiry: &str) -> Reply {
    Says(format!(
        "{}<UserOptionalFields><NameInformation><PersonalNameInformation><StructuredPersonalUserName>\
         <GivenName>Zoë</GivenName><Surname>{surname}</Surname></StructuredPersonalUserName></PersonalNameInformation>\
         </NameInformation><UserAddressInformation><UserAddressRoleType>Notice</UserAddressRoleType><ElectronicAddress>\
         <ElectronicAddressType>mailto</ElectronicAddressType><ElectronicAddressData>zoe@example.org</ElectronicAddressData>\
         </ElectronicAddress></UserAddressInformation><DateOfBirth>2012-05-04T00:00:00</DateOfBirth><UserPrivilege>\
         <AgencyId>LAKELIB</AgencyId><AgencyUserPrivilegeType>STUDENT</AgencyUserPrivilegeType>\
         <ValidToDate>{expiry}T00:00:00</ValidToDate><UserPrivilegeStatus><UserPrivilegeStatusType>Active\
         </UserPrivilegeStatusType></UserPrivilegeStatus></UserPrivilege><UserPrivilege><AgencyId>LAKELIB</AgencyId>\
         <AgencyUserPrivilegeType>LIBRARY</AgencyUserPrivilegeType><UserPrivilegeStatus><UserPrivilegeStatusType>MAIN\
         </UserPrivilegeStatusType></UserPrivilegeStatus></UserPrivilege></UserOptionalFields>",
        id(number)
    ))
}

fn zoe() -> Reply {
    shown("20001", "Marsh", "2027-09-30")
}

fn values() -> PatronValues {
    PatronValues {
        barcode: Some(Personal::new("20001")),
        surname: Some(Personal::new("Marsh")),
        given_name: Some(Personal::new("Zoë")),
        birth_date: Some(BirthDate::new(date(2012, 5, 4))),
        email: Some(Personal::new("zoe@example.org")),
        category: Some("STUDENT".into()),
        home_branch: Some("MAIN".into()),
        expiry: Some(date(2027, 9, 30)),
        ..PatronValues::default()
    }
}

fn creation() -> Creation {
    Creation { values: values(), pin: Some(Secret::new("4711")) }
}

fn patron() -> Patron {
    Patron { id: Personal::new("20001"), values: values(), blocked: Some(false) }
}

fn key() -> FindKey {
    FindKey::Barcode(Personal::new("20001"))
}

fn one(field: Field, values: PatronValues) -> FieldChanges {
    FieldChanges { fields: FieldSet::of(&[field]), values }
}

/// No value of a person, no PIN and no token in what is printed.
fn tells_nothing(outcome: &impl std::fmt::Debug) {
    let shown = format!("{outcome:?}");
    for secret in ["Marsh", "Zoë", "4711", "T0KEN", "2012", "zoe@", "20001"] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}

#[tokio::test]
async fn a_found_patron_is_shown_as_the_ils_holds_it() {
    let server = plain("LookupUser", vec![zoe()]).await;
    let found = server.directory.find(&key()).await;
    tells_nothing(&found);
    let Lookup::Found(found) = found else { panic!("{found:?}") };
    assert!(*found == patron());
    assert_eq!(server.directory.capabilities().lookup.state, CapabilityState::Proven);
    let requests = server.requests();
    assert!(requests[0].contains("<ncip:UserIdentifierValue>20001</ncip:UserIdentifierValue>"));
    assert!(requests[0].contains(">Name Information<"));
}

#[tokio::test]
async fn s03_only_an_unknown_user_is_not_found() {
    let user = |inside: &str| message(&format!("<LookupUserResponse>{inside}</LookupUserResponse>"));
    let cases: Vec<(Reply, &str)> = vec![
        (problem("Unknown User"), "not_found"),
        (problem("Unkown User"), "not_found"),
        (problem("Non-Unique User"), "many"),
        (problem("User Access Denied"), "not_visible"),
        (problem("Temporary Processing Failure"), "unknown later"),
        (problem("PATRON_NOT_FOUND : 20001"), "unknown not_this_record"),
        (problem("Unsupported Service"), "unknown not_this_target"),
        (problem("Agency Authentication Failed"), "unknown not_this_target"),
        (Says("<Problem><ProblemType>Unknown User</ProblemType></Problem><Problem><ProblemType>Unknown Agency</ProblemType></Problem>".into()), "unknown not_this_target"),
        // Somebody else's record, nobody's, or a date that is none.
        (shown("20002", "Marsh", "2027-09-30"), "unknown not_this_record"),
        (Says("<UserId><UserIdentifierValue/></UserId>".into()), "unknown not_this_record"),
        (shown("20001", "Marsh", "2027-30-09"), "unknown not_this_record"),
        // Things that are no answer.
        (Document(message("It works!")), "unknown not_this_target"),
        (Document(String::new()), "unknown later"),
        (Document("<html><h1>Error</h1></html>".into()), "unknown later"),
        (Document(user(&id("20001")).repeat(2)), "unknown later"),
        (Document(user(&id("20001")).chars().take(200).collect()), "unknown later"),
        (Document(message("<CreateUserResponse/>")), "unknown later"),
        (Status(200), "unknown later"),
        (Status(302), "unknown not_this_target"),
        (Status(401), "unknown not_this_target"),
        (Status(404), "unknown not_this_target"),
        (Status(429), "unknown later"),
        (Status(500), "unknown later"),
        (Status(503), "unknown later"),
        (HangsUp, "unknown later"),
    ];
    for (n, (reply, wanted)) in cases.into_iter().enumerate() {
        let server = plain("LookupUser", vec![reply]).await;
        let found = server.directory.find(&key()).await;
        tells_nothing(&found);
        let got = match found {
            Lookup::Found(_) => "found".to_owned(),
            Lookup::Many => "many".to_owned(),
            Lookup::NotFound => "not_found".to_owned(),
            Lookup::NotVisible => "not_visible".to_owned(),
            Lookup::Unknown(error) => format!("unknown {}", error.retry),
        };
        assert_eq!(got, wanted, "case {n}");
        server.requests();
    }
}

#[tokio::test]
async fn a_number_that_is_among_a_users_other_numbers_is_the_users() {
    let reply = Says(format!(
        "{}<UserOptionalFields><UserId><UserIdentifierType>Barcode</UserIdentifierType>\
         <UserIdentifierValue>20001</UserIdentifierValue></UserId></UserOptionalFields>",
        id("internal-7")
    ));
    let server = plain("LookupUser", vec![reply]).await;
    let Lookup::Found(found) = server.directory.find(&key()).await else { panic!("found") };
    assert_eq!(found.id.reveal(), "20001");
}

#[tokio::test]
async fn a_create_is_read_back() {
    let server = plain("CreateUser LookupUser", vec![Says(id("20001")), zoe()]).await;
    let outcome = server.directory.create(&creation()).await;
    tells_nothing(&outcome);
    let Outcome::Applied(Some(held)) = outcome else { panic!("{outcome:?}") };
    assert!(held.values == values());
    assert_eq!(server.directory.capabilities().create.state, CapabilityState::Proven);
    let requests = server.requests();
    // The schema has no UserId beside a PIN: the number goes as an input too.
    let create = &requests[0];
    assert!(
        create.contains(">4711</ncip:AuthenticationInputData>") && create.contains(">Barcode Id<"),
        "{create}"
    );
    assert!(!create.contains("<ncip:UserId>"), "{create}");
    assert!(create.contains("<ncip:DateOfBirth>2012-05-04T00:00:00</ncip:DateOfBirth>"), "{create}");
    assert!(create.contains("application/xml; charset=\"utf-8\""), "{create}");
}

#[tokio::test]
async fn s14_without_a_pin_way_no_pin_is_sent() {
    let server = server("CreateUser LookupUser", vec![Says(id("20001")), zoe()], |s| {
        s.pin = PinWay::None;
    })
    .await;
    assert!(!server.directory.pin_with_create());
    assert_eq!(server.directory.capabilities().pin.state, CapabilityState::Off);
    let refused = server.directory.set_pin(&patron(), &Secret::new("4711")).await;
    assert!(matches!(refused, Outcome::Rejected(r) if r.field == Some(Field::Pin)));
    assert!(matches!(server.directory.create(&creation()).await, Outcome::Applied(Some(_))));
    let requests = server.requests();
    assert!(!requests[0].contains("4711") && requests[0].contains("<ncip:UserId>"), "{}", requests[0]);
}

#[tokio::test]
async fn s14_a_pin_may_be_a_step_of_its_own() {
    let server = server("UpdateUser", vec![Says(id("20001"))], |s| s.pin = PinWay::Update).await;
    assert!(!server.directory.pin_with_create());
    assert!(matches!(
        server.directory.set_pin(&patron(), &Secret::new("4711")).await,
        Outcome::Applied(None)
    ));
    assert!(server.requests()[0].contains(">4711</ncip:AuthenticationInputData>"));
}

#[tokio::test]
async fn a_create_ends_as_the_table_says() {
    let echo_pin = "<Problem><ProblemType>Element Rule Violated</ProblemType><ProblemElement>AuthenticationInputData\
                    </ProblemElement><ProblemValue>4711</ProblemValue></Problem>";
    let branch = "<Problem><ProblemType>Unknown Value From Known Scheme</ProblemType><ProblemElement>AgencyUserPrivilegeType\
                  </ProblemElement><ProblemValue>MAIN</ProblemValue></Problem>";
    let cases: Vec<(&'static str, Vec<Reply>, &str)> = vec![
        ("CreateUser", vec![problem("Duplicate User")], "rejected duplicate - not_this_record"),
        ("CreateUser", vec![Says(echo_pin.into())], "rejected field pin not_this_record"),
        ("CreateUser", vec![Says(branch.into())], "rejected field home_branch not_this_record"),
        ("CreateUser", vec![problem("Needed Data Missing")], "rejected record - not_this_record"),
        ("CreateUser", vec![problem("Temporary Processing Failure")], "rejected record - later"),
        ("CreateUser", vec![problem("Unsupported Service")], "rejected target - not_this_target"),
        ("CreateUser", vec![Status(404)], "rejected target - not_this_target"),
        ("CreateUser", vec![Status(429)], "rejected record - later"),
        // It works!, half an answer, two answers, an error page, nothing at all: nobody knows what was done.
        ("CreateUser", vec![Document(message("It works!"))], "unknown not_this_target"),
        (
            "CreateUser",
            vec![Document(message("<CreateUserResponse>").chars().take(150).collect())],
            "unknown later",
        ),
        (
            "CreateUser",
            vec![Document(
                message(&format!("<CreateUserResponse>{}</CreateUserResponse>", id("20001"))).repeat(2),
            )],
            "unknown later",
        ),
        ("CreateUser", vec![Status(500)], "unknown later"),
        ("CreateUser", vec![HangsUp], "unknown later"),
        ("CreateUser", vec![Silence], "unknown later"),
        // Acknowledged, and then not there, or not to be seen.
        ("CreateUser LookupUser", vec![Says(id("20001")), problem("Unknown User")], "unknown later"),
        ("CreateUser LookupUser", vec![Says(id("20001")), Status(503)], "applied, not read back"),
        (
            "CreateUser LookupUser",
            vec![Says("<UserId><UserIdentifierValue/></UserId>".into()), zoe()],
            "applied 20001",
        ),
    ];
    for (n, (script, replies, wanted)) in cases.into_iter().enumerate() {
        let server = plain(script, replies).await;
        let outcome = server.directory.create(&creation()).await;
        tells_nothing(&outcome);
        assert_eq!(in_words(&outcome), wanted, "case {n}");
        server.requests();
    }
}

fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied(Some(patron)) => {
            format!("applied {}", patron.values.barcode.as_ref().unwrap().reveal())
        }
        Outcome::Applied(None) => "applied, not read back".to_owned(),
        Outcome::AlreadySo(_) => "already so".to_owned(),
        Outcome::HandedOver { .. } => "handed over".to_owned(),
        Outcome::Rejected(r) => {
            format!("rejected {} {} {}", r.kind, r.field.map_or("-", Field::word), r.error.retry)
        }
        Outcome::NotSent(error) => format!("not sent {}", error.retry),
        Outcome::Unknown(error) => format!("unknown {}", error.retry),
    }
}

#[tokio::test]
async fn a_number_that_the_ils_cut_is_not_lost_and_nobody_else_is_taken_for_it() {
    let script = "CreateUser LookupUser LookupUser";
    let cut = vec![Says(id("2000")), problem("Unknown User"), shown("2000", "Mar", "2027-09-30")];
    let server = plain(script, cut).await;
    assert_eq!(in_words(&server.directory.create(&creation()).await), "applied 2000");
    server.requests();

    let somebody_else = vec![Says(id("777")), problem("Unknown User"), shown("777", "Quill", "2027-09-30")];
    let server = plain(script, somebody_else).await;
    assert_eq!(in_words(&server.directory.create(&creation()).await), "unknown not_this_record");
    server.requests();

    // Echoed wrongly, and yet there under its own number.
    let server = plain("CreateUser LookupUser", vec![Says(id("777")), zoe()]).await;
    assert_eq!(in_words(&server.directory.create(&creation()).await), "applied 20001");
    server.requests();
}

#[tokio::test]
async fn s12_what_cannot_be_sent_is_refused_here() {
    let server = plain("", Vec::new()).await;
    let mut nameless = creation();
    nameless.values.surname = None;
    assert_eq!(in_words(&server.directory.create(&nameless).await), "rejected field surname not_this_record");
    let mut odd = creation();
    odd.values.given_name = Some(Personal::new("Zo\u{7}ë"));
    assert_eq!(in_words(&server.directory.create(&odd).await), "rejected field given_name not_this_record");
    let mut numberless = creation();
    numberless.values.barcode = None;
    assert_eq!(
        in_words(&server.directory.create(&numberless).await),
        "rejected field barcode not_this_record"
    );
    server.requests();
}

#[tokio::test]
async fn a_connection_refused_sends_nothing() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/T0KEN", listener.local_addr().unwrap());
    drop(listener);
    let directory = NcipDirectory::new(NcipSettings::new(&url, false, "A", "B").unwrap()).unwrap();
    assert_eq!(in_words(&directory.create(&creation()).await), "not sent later");
    let change = one(Field::Email, PatronValues::default());
    assert_eq!(in_words(&directory.update(&patron(), &change).await), "not sent later");
    assert!(matches!(directory.find(&key()).await, Lookup::Unknown(e) if e.retry == Retry::Later));
    assert!(directory.check().await.is_err());
}

#[tokio::test]
async fn an_update_names_old_and_new_and_is_read_back() {
    let after = shown("20001", "Marsh", "2028-09-30");
    let server = plain("LookupUser UpdateUser LookupUser", vec![zoe(), Says(id("20001")), after]).await;
    let change =
        one(Field::Expiry, PatronValues { expiry: Some(date(2028, 9, 30)), ..PatronValues::default() });
    let outcome = server.directory.update(&patron(), &change).await;
    tells_nothing(&outcome);
    let Outcome::Applied(Some(held)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(held.values.expiry, Some(date(2028, 9, 30)));
    assert_eq!(server.directory.capabilities().update.state, CapabilityState::Proven);
    let update = server.requests().remove(1);
    let (delete, add) = update.split_once("</ncip:DeleteUserFields>").unwrap();
    assert!(delete.contains("2027-09-30T00:00:00") && !delete.contains("2028"), "{update}");
    assert!(add.contains("2028-09-30T00:00:00") && add.contains("STUDENT"), "{update}");
    assert!(!update.contains("zoe@example.org"), "only what changes: {update}");
}

#[tokio::test]
async fn an_update_ends_as_the_table_says() {
    let email = |text: &str| {
        one(Field::Email, PatronValues { email: Some(Personal::new(text)), ..PatronValues::default() })
    };
    let new = email("new@example.org");
    let whole = "LookupUser UpdateUser LookupUser";
    let cases: Vec<(&'static str, Vec<Reply>, &FieldChanges, &str)> = vec![
        (whole, vec![zoe(), Says(id("20001")), zoe()], &new, "applied 20001"),
        (whole, vec![zoe(), Says(id("20001")), Status(500)], &new, "applied, not read back"),
        ("LookupUser UpdateUser", vec![zoe(), Says(id("777"))], &new, "unknown not_this_record"),
        (
            "LookupUser UpdateUser",
            vec![zoe(), problem("Unsupported Service")],
            &new,
            "rejected target - not_this_target",
        ),
        (
            "LookupUser UpdateUser",
            vec![zoe(), problem("Unknown User")],
            &new,
            "rejected missing - not_this_record",
        ),
        ("LookupUser UpdateUser", vec![zoe(), HangsUp], &new, "unknown later"),
        (
            "LookupUser UpdateUser",
            vec![zoe(), Document(message("It works!"))],
            &new,
            "unknown not_this_target",
        ),
        ("LookupUser", vec![Status(503)], &new, "not sent later"),
        ("LookupUser", vec![problem("Unknown User")], &new, "rejected missing - not_this_record"),
    ];
    for (n, (script, replies, change, wanted)) in cases.into_iter().enumerate() {
        let server = plain(script, replies).await;
        let outcome = server.directory.update(&patron(), change).await;
        tells_nothing(&outcome);
        assert_eq!(in_words(&outcome), wanted, "case {n}");
        server.requests();
    }
}

#[tokio::test]
async fn nothing_is_sent_for_what_is_so_already() {
    let server = plain("LookupUser", vec![zoe()]).await;
    let same = one(Field::Email, values());
    assert_eq!(in_words(&server.directory.update(&patron(), &same).await), "already so");
    server.requests();
}

#[tokio::test]
async fn a_patron_that_moved_a_moment_ago_is_left_alone() {
    let server = plain("LookupUser", vec![shown("20001", "Quill", "2027-09-30")]).await;
    let change = one(
        Field::Surname,
        PatronValues { surname: Some(Personal::new("Marsh-Quill")), ..PatronValues::default() },
    );
    assert_eq!(in_words(&server.directory.update(&patron(), &change).await), "rejected record - later");
    server.requests();
    // Another field's change is nobody's concern here.
    let server = plain(
        "LookupUser UpdateUser LookupUser",
        vec![shown("20001", "Quill", "2027-09-30"), Says(id("20001")), zoe()],
    )
    .await;
    let change = one(
        Field::Email,
        PatronValues { email: Some(Personal::new("n@example.org")), ..PatronValues::default() },
    );
    assert_eq!(in_words(&server.directory.update(&patron(), &change).await), "applied 20001");
    server.requests();
}

#[tokio::test]
async fn fields_without_a_place_in_ncip_are_refused_or_left_out() {
    let server = plain("LookupUser UpdateUser LookupUser", vec![zoe(), Says(id("20001")), zoe()]).await;
    let note = PatronValues {
        note: Some(Personal::new("n")),
        email: Some(Personal::new("n@example.org")),
        ..PatronValues::default()
    };
    let alone = one(Field::Note, note.clone());
    let outcome = server.directory.update(&patron(), &alone).await;
    assert_eq!(in_words(&outcome), "rejected field note not_this_record");
    let both = FieldChanges { fields: FieldSet::of(&[Field::Note, Field::Email]), values: note };
    assert_eq!(in_words(&server.directory.update(&patron(), &both).await), "applied 20001");
    server.requests();
}

#[tokio::test]
async fn an_unsupported_service_is_remembered() {
    let server = plain("CreateUser", vec![problem("Unsupported Service")]).await;
    let outcome = server.directory.create(&creation()).await;
    assert!(matches!(&outcome, Outcome::Rejected(r) if r.kind == RejectionKind::Target));
    let capabilities = server.directory.capabilities();
    assert_eq!(capabilities.create.state, CapabilityState::Absent);
    assert_eq!(capabilities.pin.state, CapabilityState::Absent);
    assert_eq!(capabilities.update.state, CapabilityState::Claimed);
    assert!(!capabilities.create.usable() && !capabilities.find_by_person.usable());
}

#[tokio::test]
async fn a_refused_password_says_nothing_of_the_service() {
    let server = plain("CreateUser", vec![problem("System Authentication Failed")]).await;
    let outcome = server.directory.create(&creation()).await;
    assert!(matches!(&outcome, Outcome::Rejected(r) if r.kind == RejectionKind::Target));
    assert_eq!(server.directory.capabilities().create.state, CapabilityState::Claimed);
    server.requests();
}

#[tokio::test]
async fn a_library_may_say_what_its_ilss_problems_mean() {
    let server = server("LookupUser", vec![problem("PATRON_NOT_FOUND")], |s| {
        s.problems = vec![("Patron not found".to_owned(), ProblemClass::Missing)];
    })
    .await;
    assert!(matches!(server.directory.find(&key()).await, Lookup::NotFound));
}

#[tokio::test]
async fn a_check_shows_that_look_ups_work_and_writes_nothing() {
    let versions =
        "<VersionSupported>v2_02</VersionSupported><ServiceSupported>Lookup User</ServiceSupported>";
    let replies = vec![problem("Unknown User"), Says(versions.into()), problem("Unknown Agency")];
    let server = plain("LookupUser LookupVersion LookupUser", replies).await;
    let findings = server.directory.check().await.unwrap();
    assert_eq!(
        findings.iter().map(|f| f.code).collect::<Vec<_>>(),
        ["ncip_versions", "ncip_writes_unproven", "ncip_no_place"]
    );
    // What it lists is said, and not taken for the truth.
    let create = server.directory.capabilities().create;
    assert_eq!(create.state, CapabilityState::Claimed);
    assert!(create.why.contains("does not list CreateUser"), "{}", create.why);
    let error = server.directory.check().await.unwrap_err();
    assert_eq!(error.retry, Retry::NotThisTarget);
    assert!(error.message.contains("Unknown Agency"), "{error}");
    server.requests();
}

#[tokio::test]
async fn s12_an_ascii_ils_is_compared_in_its_own_letters() {
    let server = server("CreateUser LookupUser", vec![Says(id("20001")), zoe()], |s| {
        s.text = Text::Ascii;
    })
    .await;
    let canonical = |field| server.directory.canonical(field, &values());
    assert_eq!(canonical(Field::GivenName).as_deref(), Some("Zoe"));
    assert_eq!(canonical(Field::Email).as_deref(), Some("zoe@example.org"));
    assert_eq!(canonical(Field::MiddleName), None);
    server.directory.create(&creation()).await;
    assert!(server.requests()[0].contains("<ncip:GivenName>Zoe</ncip:GivenName>"));
}

/// A ready dialect.
fn kind(word: &'static str) -> impl FnOnce(&mut NcipSettings) {
    move |settings| settings.take(Responder::named(word).unwrap())
}

#[tokio::test]
async fn what_an_ils_has_not_is_not_sent_and_said_plainly() {
    for (word, sentence) in [
        (
            "koha",
            "Koha's NCIP server has no CreateUser: patrons are made by Koha's REST API, and NCIP verifies",
        ),
        ("evergreen", "Evergreen's NCIPServer has no CreateUser"),
        ("aleph", "Aleph's NCIP connector has no CreateUser"),
        ("alma", "Alma has no CreateUser"),
    ] {
        let server = server("", Vec::new(), kind(word)).await;
        let outcome = server.directory.create(&creation()).await;
        tells_nothing(&outcome);
        let Outcome::Rejected(rejection) = outcome else { panic!("{word}: {outcome:?}") };
        assert_eq!((rejection.kind, rejection.error.retry), (RejectionKind::Target, Retry::NotThisTarget));
        assert!(rejection.error.message.contains(sentence), "{}", rejection.error.message);
        let capabilities = server.directory.capabilities();
        assert_eq!(capabilities.create.state, CapabilityState::Absent);
        assert!(!capabilities.pin.usable());
        server.requests();
    }
    let server = server("", Vec::new(), |s| s.update = Switch::Off).await;
    let change = one(Field::Email, PatronValues::default());
    let outcome = server.directory.update(&patron(), &change).await;
    assert!(
        matches!(&outcome, Outcome::Rejected(r) if r.error.message.contains("update = \"off\"")),
        "{outcome:?}"
    );
    assert_eq!(server.directory.capabilities().update.state, CapabilityState::Off);
    server.requests();
}

#[tokio::test]
async fn a_service_that_was_refused_as_such_is_not_asked_for_again() {
    let server = plain("CreateUser", vec![problem("Unsupported Service")]).await;
    for _ in 0..3 {
        let outcome = server.directory.create(&creation()).await;
        assert_eq!(in_words(&outcome), "rejected target - not_this_target");
    }
    server.requests();
}

#[tokio::test]
async fn an_empty_number_is_believed_only_where_that_is_said() {
    let nameless = || Says("<UserId><UserIdentifierValue/></UserId>".to_owned());
    let server = server("LookupUser", vec![nameless()], kind("evergreen")).await;
    assert!(matches!(server.directory.find(&key()).await, Lookup::Found(p) if p.id.reveal() == "20001"));
    let server = plain("LookupUser", vec![nameless()]).await;
    let found = server.directory.find(&key()).await;
    assert!(matches!(&found, Lookup::Unknown(e) if e.hint.contains("empty_id = true")), "{found:?}");
    // Another number is another patron, wherever it stands.
    for other in [
        id("20002"),
        "<UserId><UserIdentifierValue/></UserId><UserOptionalFields><UserId><UserIdentifierValue>20002\
         </UserIdentifierValue></UserId></UserOptionalFields>"
            .to_owned(),
    ] {
        let server = self::server("LookupUser", vec![Says(other)], kind("evergreen")).await;
        assert!(matches!(server.directory.find(&key()).await, Lookup::Unknown(_)));
    }
}

#[tokio::test]
async fn only_what_an_ils_takes_is_sent_and_the_rest_is_said_once() {
    let server =
        server("LookupUser UpdateUser LookupUser", vec![zoe(), Says(id("20001")), zoe()], kind("aleph"))
            .await;
    let fields = FieldSet::of(&[Field::Email, Field::Expiry, Field::Surname]);
    let new = PatronValues {
        email: Some(Personal::new("new@example.org")),
        surname: Some(Personal::new("Quill")),
        expiry: Some(date(2028, 9, 30)),
        ..PatronValues::default()
    };
    let outcome = server.directory.update(&patron(), &FieldChanges { fields, values: new.clone() }).await;
    assert_eq!(in_words(&outcome), "applied 20001");
    let said: Vec<String> = server.directory.finish().await.unwrap().into_iter().map(|f| f.message).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("the expiry of one card was left out"), "{said:?}");
    let alone = FieldChanges { fields: FieldSet::of(&[Field::Surname]), values: new };
    let Outcome::Rejected(rejection) = server.directory.update(&patron(), &alone).await else {
        panic!("refused")
    };
    assert!(rejection.error.message.contains("does not take surname"), "{}", rejection.error.message);
    // Acknowledged, and nothing of it there: not believed.
    assert_eq!(server.directory.capabilities().update.state, CapabilityState::Disproven);
    let update = server.requests().remove(1);
    assert!(
        update.contains("new@example.org") && !update.contains("Quill") && !update.contains("2028"),
        "{update}"
    );
}

#[tokio::test]
async fn what_ncip_has_no_place_for_is_said_once_for_each_cause() {
    let again = || vec![Says(id("20001")), zoe()];
    let replies = [again(), again()].concat();
    let server = plain("CreateUser LookupUser CreateUser LookupUser", replies).await;
    let mut creation = creation();
    creation.values.note = Some(Personal::new("made by the school"));
    creation.values.student_id = Some(Personal::new("S-1"));
    for _ in 0..2 {
        assert_eq!(in_words(&server.directory.create(&creation).await), "applied 20001");
    }
    let said: Vec<String> = server.directory.finish().await.unwrap().into_iter().map(|f| f.message).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().all(|s| s.contains("of 2 cards was left out") && !s.contains("S-1")), "{said:?}");
    assert!(server.directory.finish().await.unwrap().is_empty());
    assert!(server.requests().iter().all(|r| !r.contains("made by the school")));
}

#[tokio::test]
async fn a_block_is_the_status_of_the_category_and_is_read_back() {
    let blocked = || match zoe() {
        Says(text) => Says(text.replace(">Active", ">Blocked")),
        _ => panic!("a response"),
    };
    let script = "LookupUser UpdateUser LookupUser LookupUser LookupUser UpdateUser LookupUser";
    let replies = vec![zoe(), Says(id("20001")), blocked(), blocked(), blocked(), Says(id("20001")), zoe()];
    let server = plain(script, replies).await;
    let Outcome::Applied(Some(held)) = server.directory.set_blocked(&patron(), true).await else {
        panic!("blocked")
    };
    assert_eq!(held.blocked, Some(true));
    assert_eq!(server.directory.capabilities().block.state, CapabilityState::Proven);
    assert!(matches!(server.directory.set_blocked(&patron(), true).await, Outcome::AlreadySo(_)));
    let Outcome::Applied(Some(held)) = server.directory.set_blocked(&patron(), false).await else {
        panic!("unblocked")
    };
    assert_eq!(held.blocked, Some(false));
    let requests = server.requests();
    let (delete, add) = requests[1].split_once("</ncip:DeleteUserFields>").unwrap();
    assert!(delete.contains(">Active<") && add.contains(">Blocked<") && add.contains("2027-09-30"), "{add}");
    assert!(!requests[1].contains("LIBRARY"), "only what changes");

    // Said yes, and did nothing.
    let server = plain("LookupUser UpdateUser LookupUser", vec![zoe(), Says(id("20001")), zoe()]).await;
    let Outcome::Applied(Some(held)) = server.directory.set_blocked(&patron(), true).await else {
        panic!("said so")
    };
    assert_eq!(held.blocked, Some(false));
    assert_eq!(server.directory.capabilities().block.state, CapabilityState::Disproven);
    let server = self::server("", Vec::new(), kind("koha")).await;
    let outcome = server.directory.set_blocked(&patron(), true).await;
    assert_eq!(in_words(&outcome), "rejected target - not_this_target");
    server.requests();
}

#[tokio::test]
async fn dates_are_in_the_order_that_the_ils_writes() {
    let swapped = || match shown("20001", "Marsh", "2027-30-09") {
        Says(text) => Says(text.replace("2012-05-04", "2012-04-05")),
        _ => panic!("a response"),
    };
    let server = server("LookupUser", vec![swapped()], |s| s.dates = DateOrder::YearDayMonth).await;
    let Lookup::Found(found) = server.directory.find(&key()).await else { panic!("found") };
    assert!(found.values == values());
    let server = plain("LookupUser", vec![swapped()]).await;
    let found = server.directory.find(&key()).await;
    assert!(
        matches!(&found, Lookup::Unknown(e) if e.hint.contains("dates = \"year_day_month\"")),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_patron_may_be_named_by_an_input() {
    let server = server("LookupUser", vec![zoe()], |s| s.named_by = NamedBy::BarcodeInput).await;
    assert!(matches!(server.directory.find(&key()).await, Lookup::Found(_)));
    let request = server.requests().remove(0);
    assert!(request.contains(">Barcode Id<") && !request.contains("<ncip:UserId>"), "{request}");
}

#[tokio::test]
async fn a_consortiums_patrons_are_written_at_their_branchs_agency() {
    let at_west = || match shown("20001", "Marsh", "2027-09-30") {
        Says(text) => Says(text.replace(">LAKELIB<", ">LAKELIB-W<").replace(">MAIN", ">WEST")),
        _ => panic!("a response"),
    };
    let script = "CreateUser LookupUser LookupUser UpdateUser LookupUser";
    let replies = vec![Says(id("20001")), at_west(), at_west(), Says(id("20001")), at_west()];
    let server = server(script, replies, |s| {
        s.agencies.insert("WEST".to_owned(), "LAKELIB-W".to_owned());
    })
    .await;
    let mut creation = creation();
    creation.values.home_branch = Some("WEST".into());
    let Outcome::Applied(Some(made)) = server.directory.create(&creation).await else { panic!("made") };
    assert!(made.values == creation.values, "its privileges are read at its branch's agency");
    let change = one(
        Field::Email,
        PatronValues { email: Some(Personal::new("n@example.org")), ..PatronValues::default() },
    );
    assert_eq!(in_words(&server.directory.update(&made, &change).await), "applied 20001");
    let requests = server.requests();
    for (n, agency) in [(0, "LAKELIB-W"), (1, "LAKELIB"), (3, "LAKELIB-W"), (4, "LAKELIB")] {
        let (_, to) = requests[n].split_once("<ncip:ToAgencyId>").unwrap();
        assert!(to.split("</ncip:ToAgencyId>").next().unwrap().contains(&format!(">{agency}</")), "{n}");
    }
    let (_, privileges) = requests[0].split_once("<ncip:UserPrivilege>").unwrap();
    assert!(
        privileges.contains(">LAKELIB-W</ncip:AgencyId>") && !privileges.contains(">LAKELIB</"),
        "{privileges}"
    );
}
