//! How many messages a second one core writes and reads: `cargo bench -p rostercard-ncip`.
#![expect(clippy::expect_used, reason = "a bench stops at the first surprise")]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rostercard_ncip::{
    Address, Answer, AuthenticationInput, CreateUser, Date, Dialect, Fields, Header, LookupUser, Place,
    PostalAddress, Privilege, Reader, Request, Service, StructuredName, UserElement, UserId, UserName, Who,
    encode,
};

fn main() {
    divan::main();
}

/// A student as a library keeps one: name, address, e-mail, birth date, category, branch, two codes, a PIN.
fn create() -> Request {
    let privilege = |kind: &str, status: &str| Privilege {
        agency: "LAKELIB".into(),
        kind: kind.into(),
        status: Some(status.into()),
        ..Privilege::default()
    };
    let postal = PostalAddress {
        line1: Some("12 Main St".into()),
        locality: Some("Lakeside".into()),
        region: Some("CA".into()),
        postal_code: Some("94000".into()),
        ..PostalAddress::default()
    };
    let fields = Fields {
        addresses: vec![
            Address {
                role: "Home".into(),
                place: Place::Postal { kind: "Postal Address".into(), address: postal },
            },
            Address {
                role: "Notice".into(),
                place: Place::Electronic { kind: "mailto".into(), data: "zoe@students.example.org".into() },
            },
        ],
        birth_date: Date::new(2012, 2, 29),
        privileges: vec![
            Privilege { valid_to: Date::new(2027, 9, 30), ..privilege("STUDENT", "Active") },
            privilege("LIBRARY", "MAIN"),
            privilege("STAT:district", "WJUSD"),
            privilege("STAT:school", "0012"),
        ],
        ..Fields::default()
    };
    Request::CreateUser(CreateUser {
        who: Some(Who::Authentication(vec![
            AuthenticationInput::barcode("20001000123456"),
            AuthenticationInput::pin("2907"),
        ])),
        name: UserName::Structured(StructuredName {
            given: Some("Zoë".into()),
            initials: Some("María".into()),
            surname: "O'Brien & Nguyễn".into(),
            ..StructuredName::default()
        }),
        fields,
    })
}

/// The same student as an answer to a look-up.
fn answer(dialect: &Dialect) -> Vec<u8> {
    let header = Header::new("LAKESIDE-USD", "LAKELIB");
    let request =
        String::from_utf8(encode(&create(), &header, dialect).expect("it can be written").into_bytes())
            .expect("it is text");
    let name = if dialect.version == rostercard_ncip::Version::V1 { "" } else { "ncip:" };
    let fields = request
        .split_once(&format!("<{name}NameInformation>"))
        .and_then(|(_, rest)| rest.split_once(&format!("</{name}CreateUser>")))
        .expect("it has fields")
        .0;
    let (root, _) = request.split_once(&format!("<{name}CreateUser>")).expect("it has a root");
    let id = if name.is_empty() { "UniqueUserId" } else { "ncip:UserId" };
    format!(
        "{root}<{name}LookupUserResponse><{id}><{name}UserIdentifierValue>20001000123456</{name}UserIdentifierValue></{id}>\
         <{name}UserOptionalFields><{name}NameInformation>{fields}</{name}UserOptionalFields>\
         </{name}LookupUserResponse></{name}NCIPMessage>"
    )
    .into_bytes()
}

#[divan::bench]
fn encode_create(bencher: Bencher<'_, '_>) {
    let (request, header, dialect) = (create(), Header::new("LAKESIDE-USD", "LAKELIB"), Dialect::default());
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| encode(black_box(&request), &header, &dialect));
}

#[divan::bench]
fn encode_create_v1(bencher: Bencher<'_, '_>) {
    let (request, header, dialect) = (create(), Header::new("LAKESIDE-USD", "LAKELIB"), Dialect::v1());
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| encode(black_box(&request), &header, &dialect));
}

#[divan::bench]
fn encode_lookup(bencher: Bencher<'_, '_>) {
    let request = Request::LookupUser(LookupUser {
        who: Who::Id(UserId::barcode("LAKELIB", "20001000123456")),
        elements: UserElement::ALL.to_vec(),
    });
    let (header, dialect) = (Header::new("LAKESIDE-USD", "LAKELIB"), Dialect::default());
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| encode(black_box(&request), &header, &dialect));
}

fn read(bencher: Bencher<'_, '_>, body: &[u8]) {
    let reader = Reader::default();
    assert!(matches!(reader.read(Service::LookupUser, body, None), Ok(Answer::User(_))));
    bencher
        .counter(ItemsCount::new(1usize))
        .bench_local(|| reader.read(Service::LookupUser, black_box(body), None));
}

#[divan::bench]
fn decode_a_found_patron(bencher: Bencher<'_, '_>) {
    read(bencher, &answer(&Dialect::default()));
}

#[divan::bench]
fn decode_a_found_patron_v1(bencher: Bencher<'_, '_>) {
    read(bencher, &answer(&Dialect::v1()));
}

#[divan::bench]
fn decode_not_found(bencher: Bencher<'_, '_>) {
    let body = b"<NCIPMessage xmlns='http://www.niso.org/2008/ncip'><LookupUserResponse><Problem><ProblemType>Unknown User\
                 </ProblemType><ProblemElement>UserIdentifierValue</ProblemElement></Problem></LookupUserResponse></NCIPMessage>";
    let reader = Reader::default();
    bencher
        .counter(ItemsCount::new(1usize))
        .bench_local(|| reader.read(Service::LookupUser, black_box(body.as_slice()), None));
}
