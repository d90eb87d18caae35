//! Answers that go wrong, each as it was seen or can be expected on a wire. The table of the specifications' folder and
//! this one must name the same documents.
#![expect(clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "a test that was skipped says so")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use proptest::prelude::*;
use rostercard_ncip::{
    Answer, Date, Place, ProblemClass, ProblemTable, ReadError, Reader, Service, Text, UserName, UserRecord,
};

/// The folder of sample documents, or `None` where it is not to hand.
#[expect(
    clippy::disallowed_methods,
    reason = "where the specifications are is said by the environment of a test"
)]
fn specifications() -> Option<PathBuf> {
    let root = std::env::var_os("ROSTERCARD_SPECS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"),
        PathBuf::from,
    );
    let folder = root.join("ncip");
    if folder.is_dir() {
        return Some(folder);
    }
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!must, "CI needs the specifications: set ROSTERCARD_SPECS");
    println!("skipped: no specifications here");
    None
}

fn read(service: Service, body: &[u8]) -> Result<Answer, ReadError> {
    Reader::default().read(service, body, None)
}

/// What an answer must lead to.
enum Want {
    Id(&'static str),
    Problem(ProblemClass),
    Refused(fn(&ReadError) -> bool),
}

use Service::{CreateUser, LookupUser, UpdateUser};
use Want::{Id, Refused};

#[test]
fn every_hostile_document_leads_where_it_must() {
    let Some(folder) = specifications() else { return };
    let rows: Vec<(&str, Service, Want)> = vec![
        ("00-ok-prefixed.xml", CreateUser, Id("1234")),
        ("01-ok-default-ns-unqualified-version.xml", CreateUser, Id("1234")),
        ("03-xxe-file.xml", CreateUser, Refused(|e| *e == ReadError::DocumentType)),
        ("04-xxe-http.xml", CreateUser, Refused(|e| *e == ReadError::DocumentType)),
        ("06-quadratic-entity.xml", CreateUser, Refused(|e| *e == ReadError::DocumentType)),
        ("07-external-dtd.xml", CreateUser, Id("1234")),
        ("09-bom-utf8.xml", CreateUser, Id("1234")),
        ("10-utf16le-bom.xml", CreateUser, Id("1234")),
        (
            "12-declared-utf8-but-latin1.xml",
            CreateUser,
            Refused(|e| *e == ReadError::NotText { encoding: "UTF-8" }),
        ),
        ("13-declared-latin1-but-utf8.xml", CreateUser, Want::Problem(ProblemClass::Duplicate)),
        ("15-html-error-200.html", CreateUser, Refused(|e| *e == ReadError::Html)),
        ("16-truncated.xml", CreateUser, Refused(|e| *e == ReadError::Truncated)),
        ("17-it-works.xml", CreateUser, Refused(|e| matches!(e, ReadError::NoResponse { .. }))),
        ("18-empty-element-name.xml", CreateUser, Refused(|e| matches!(e, ReadError::Malformed { .. }))),
        ("20-message-level-problem.xml", CreateUser, Want::Problem(ProblemClass::ThisRecord)),
        ("21-wrong-response-type.xml", CreateUser, Refused(|e| matches!(e, ReadError::WrongResponse { .. }))),
        ("23-both-problem-and-userid.xml", CreateUser, Want::Problem(ProblemClass::RetryLater)),
        ("24-empty-response-body.xml", CreateUser, Refused(|e| *e == ReadError::Empty)),
        ("26-trailing-garbage.xml", CreateUser, Refused(|e| *e == ReadError::Trailing)),
        ("27-different-id-echoed.xml", CreateUser, Id("9999")),
        ("29-problem-echoes-pin.xml", UpdateUser, Want::Problem(ProblemClass::ThisRecord)),
        ("30-unkown-user-typo.xml", LookupUser, Want::Problem(ProblemClass::Missing)),
    ];
    let table = std::fs::read_to_string(folder.join("hostile/EXPECT.tsv")).unwrap();
    let listed: BTreeSet<&str> = table.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    let tested: BTreeSet<&str> = rows.iter().map(|row| row.0).collect();
    assert_eq!(listed, tested, "the table and this test name different documents");

    for (file, service, want) in rows {
        let body = std::fs::read(folder.join("hostile").join(file)).unwrap();
        let answer = read(service, &body);
        let shown = format!("{answer:?}");
        assert!(!shown.contains("1234") && !shown.contains("9999"), "{file} prints a number: {shown}");
        match (want, answer) {
            (Id(id), Ok(Answer::User(user))) => assert_eq!(user.id.unwrap().value.reveal(), id, "{file}"),
            (Want::Problem(class), Ok(Answer::Problems(problems))) => {
                assert_eq!(ProblemTable::default().class_of_all(&problems), class, "{file}");
            }
            (Refused(as_wanted), Err(error)) => assert!(as_wanted(&error), "{file}: {error:?}"),
            (_, answer) => panic!("{file}: {answer:?}"),
        }
    }
}

#[test]
fn the_declared_encoding_is_believed() {
    let Some(folder) = specifications() else { return };
    let body = std::fs::read(folder.join("hostile/13-declared-latin1-but-utf8.xml")).unwrap();
    let Ok(Answer::Problems(problems)) = read(CreateUser, &body) else { panic!("a problem") };
    assert_eq!(problems.first.detail.as_ref().map(Text::reveal), Some("JosÃ©"));
}

#[test]
fn samples_of_real_responders_are_read() {
    let Some(folder) = specifications() else { return };
    let sample = |file: &str| std::fs::read(folder.join("samples").join(file)).unwrap();
    let user = |file: &str| match read(LookupUser, &sample(file)) {
        Ok(Answer::User(user)) => *user,
        other => panic!("{file}: {other:?}"),
    };
    let whole = user("olf-lib-ncip-client/ncipTwoUnstructuredName.xml");
    assert_eq!(whole.id.unwrap().value.reveal(), "reshare");
    assert_eq!(whole.fields.name, Some(UserName::Unstructured("Reshare Testing Purposes".into())));
    let branch = whole.fields.privileges.iter().find(|p| p.kind == "LIBRARY").unwrap();
    assert_eq!(branch.status.as_deref(), Some("g"));
    // An address with nothing in it is not one.
    assert_eq!(whole.fields.addresses.len(), 3);

    let toolkit = user("xc-toolkit/LookupUserResponseWCLSample1.xml");
    assert_eq!(toolkit.id.unwrap().value.reveal(), "91923040970919801912438");

    match read(LookupUser, &sample("xc-toolkit/ProblemResponseSample1.xml")) {
        Ok(Answer::Problems(problems)) => {
            assert_eq!(
                problems.to_string(),
                "Agency Authentication Failed (at FromAgencyAuthentication); Needed Data Missing (at FromAgencyId)"
            );
            assert_eq!(ProblemTable::default().class_of_all(&problems), ProblemClass::ThisTarget);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn samples_of_ncip_1_are_read() {
    let Some(folder) = specifications() else { return };
    let user = |file: &str| {
        let body = std::fs::read(folder.join("samples/olf-lib-ncip-client").join(file)).unwrap();
        match read(LookupUser, &body) {
            Ok(Answer::User(user)) => *user,
            other => panic!("{file}: {other:?}"),
        }
    };
    let blocked = user("ncipOneLookupUserXmlResponseBlockedExample.xml");
    let id = blocked.id.unwrap();
    assert_eq!((id.agency.as_deref(), id.value.reveal()), (Some("TNS"), "N55551212"));
    let [visible] = &blocked.fields.user_ids[..] else { panic!("one visible id") };
    assert_eq!(visible.kind.as_deref(), Some("Institution Id Number"));
    assert_eq!(blocked.fields.name, Some(UserName::Unstructured("Doe, Jane".into())));
    let status = blocked.fields.privileges.iter().find(|p| p.kind == "STATUS").unwrap();
    assert_eq!((status.agency.as_str(), status.status.as_deref()), ("TNS", Some("BLOCKED")));
    assert_eq!(status.valid_to, Date::new(2020, 6, 16));
    for file in [
        "ncipOneStructuredName.xml",
        "ncipOneStructuredAndUnstructuredName.xml",
        "ncipOneUnstructuredNameComma.xml",
        "ncipOneUnstructuredNameSpaces.xml",
        "ncipOneLookupUserXmlResponseExample.xml",
    ] {
        let user = user(file);
        assert!(user.id.is_some() && user.fields.name.is_some() && user.unreadable.is_empty(), "{file}");
    }
}

#[test]
fn errors_of_ncip_1_are_problems() {
    let response = |inside: &str| {
        format!("<NCIPMessage><LookupUserResponse>{inside}</LookupUserResponse></NCIPMessage>")
    };
    let unknown = "<ProcessingError><ProcessingErrorType><Scheme>s</Scheme><Value>Unknown User</Value></ProcessingErrorType>\
         <ProcessingErrorElement><ElementName>UniqueUserId</ElementName><ProcessingErrorElement><ElementName>\
         UserIdentifierValue</ElementName><ProcessingErrorValue>4711</ProcessingErrorValue></ProcessingErrorElement>\
         </ProcessingErrorElement></ProcessingError>";
    let syntax = "<MessagingError><MessagingErrorType><Scheme/><Value>Unknown Service</Value></MessagingErrorType>\
         <MessagingErrorElement><ElementName>NCIPMessage</ElementName></MessagingErrorElement></MessagingError>";
    let cases = [
        (
            response(&format!("<Problem>{unknown}</Problem>")),
            "Unknown User (at UserIdentifierValue)",
            ProblemClass::Missing,
        ),
        (response(unknown), "Unknown User (at UserIdentifierValue)", ProblemClass::Missing),
        (
            response(&format!("<Problem>{syntax}</Problem>")),
            "Unknown Service (at NCIPMessage)",
            ProblemClass::ThisTarget,
        ),
        (
            format!("<NCIPMessage><Problem>{syntax}{syntax}</Problem></NCIPMessage>"),
            "Unknown Service (at NCIPMessage); Unknown Service (at NCIPMessage)",
            ProblemClass::ThisTarget,
        ),
        (response("<Problem/>"), "a problem type that is not in the tables", ProblemClass::ThisRecord),
    ];
    for (body, shown, class) in cases {
        match read(LookupUser, body.as_bytes()) {
            Ok(Answer::Problems(problems)) => {
                assert_eq!(problems.to_string(), shown);
                assert_eq!(ProblemTable::default().class_of_all(&problems), class);
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn versions_are_read_from_either_root() {
    let list = "<LookupVersionResponse><FromAgencyId/><ToAgencyId/><VersionSupported>v2_02</VersionSupported>\
                <VersionSupported>v1_0</VersionSupported><ServiceSupported>Lookup User</ServiceSupported></LookupVersionResponse>";
    for root in ["NCIPMessage", "NCIPVersionMessage"] {
        let body = format!("<{root}>{list}</{root}>");
        let found = Reader::default().read_versions(body.as_bytes(), None).unwrap();
        assert_eq!(found.versions, ["v2_02", "v1_0"]);
        assert_eq!((found.lists(LookupUser), found.lists(CreateUser)), (Some(true), Some(false)));
    }
    let none = "<NCIPMessage><LookupVersionResponse><VersionSupported>2</VersionSupported></LookupVersionResponse></NCIPMessage>";
    assert_eq!(Reader::default().read_versions(none.as_bytes(), None).unwrap().lists(CreateUser), None);
    for body in [
        "<NCIPMessage>It works!</NCIPMessage>",
        "<html/>",
        "<a/>",
        "",
        "<NCIPMessage><LookupVersionResponse/></NCIPMessage>",
    ] {
        assert!(Reader::default().read_versions(body.as_bytes(), None).is_err(), "{body}");
    }
}

fn message(inside: &str) -> Vec<u8> {
    format!("<NCIPMessage xmlns='urn:other'>{inside}</NCIPMessage>").into_bytes()
}

#[test]
fn a_response_must_be_the_only_one_and_must_say_something() {
    let user = "<LookupUserResponse><UserId><UserIdentifierValue>1</UserIdentifierValue></UserId></LookupUserResponse>";
    assert!(matches!(read(LookupUser, &message(user)), Ok(Answer::User(_))));
    let rows = [
        (format!("{user}{user}"), ReadError::SeveralResponses),
        ("<LookupUserResponse/>".to_owned(), ReadError::NoUser { response: "LookupUserResponse" }),
        ("<Ext/>".to_owned(), ReadError::NoResponse { expected: "LookupUserResponse" }),
        (String::new(), ReadError::NoResponse { expected: "LookupUserResponse" }),
    ];
    for (inside, wanted) in rows {
        assert_eq!(read(LookupUser, &message(&inside)).unwrap_err(), wanted, "{inside}");
    }
    let twice = [message(user), message(user)].concat();
    assert_eq!(read(LookupUser, &twice).unwrap_err(), ReadError::Trailing);
    assert_eq!(read(LookupUser, b"<html><body/></html>").unwrap_err(), ReadError::Html);
    assert_eq!(read(LookupUser, b"<feed/>").unwrap_err(), ReadError::NotNcip);
    let mut small = Reader::default();
    small.limits.bytes = 10;
    assert_eq!(small.read(LookupUser, &message(user), None).unwrap_err(), ReadError::TooLong { limit: 10 });
}

#[test]
fn s03_an_answer_of_a_responder_that_broke_on_schemes_is_not_believed() {
    let answer = |agency: &str| {
        message(&format!(
            "<LookupUserResponse><ResponseHeader><FromAgencyId><AgencyId>L</AgencyId></FromAgencyId><ToAgencyId><AgencyId>\
             {agency}</AgencyId></ToAgencyId></ResponseHeader><Problem><ProblemType>\nUnknown User</ProblemType></Problem>\
             </LookupUserResponse>"
        ))
    };
    assert!(matches!(read(LookupUser, &answer("A")), Ok(Answer::Problems(_))));
    assert_eq!(read(LookupUser, &answer("HASH(0x561573d50ea0)")).unwrap_err(), ReadError::BrokenBySchemes);
}

#[test]
fn an_empty_id_on_success_is_no_id() {
    let inside = "<LookupUserResponse><UserId><UserIdentifierValue>\n</UserIdentifierValue></UserId></LookupUserResponse>";
    match read(LookupUser, &message(inside)) {
        Ok(Answer::User(user)) => assert_eq!(user.id, None),
        other => panic!("{other:?}"),
    }
}

fn lookup(optional: &str) -> UserRecord {
    let inside = format!(
        "<LookupUserResponse><UserId><UserIdentifierValue>1</UserIdentifierValue></UserId>\
         <UserOptionalFields>{optional}</UserOptionalFields></LookupUserResponse>"
    );
    match read(LookupUser, &message(&inside)) {
        Ok(Answer::User(user)) => *user,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_date_that_is_none_is_listed_and_not_guessed() {
    let user = lookup(
        "<DateOfBirth>2012-05-04</DateOfBirth>\
         <UserPrivilege><AgencyUserPrivilegeType>S</AgencyUserPrivilegeType><ValidToDate>2027-30-09</ValidToDate></UserPrivilege>\
         <UserPrivilege><AgencyUserPrivilegeType>T</AgencyUserPrivilegeType><ValidToDate>soon</ValidToDate></UserPrivilege>",
    );
    assert_eq!(user.fields.birth_date, Date::new(2012, 5, 4));
    assert_eq!(user.fields.privileges[0].valid_to, None);
    assert_eq!(user.unreadable, ["ValidToDate"]);
}

#[test]
fn old_forms_of_addresses_are_read() {
    let user = lookup(
        "<UserAddressInformation><UserAddressRoleType>Home</UserAddressRoleType><PhysicalAddress><StructuredAddress>\
         <Street>12 Main St</Street><Locality>Lakeside</Locality></StructuredAddress></PhysicalAddress>\
         </UserAddressInformation><UserAddressInformation><UserAddressRoleType>Home</UserAddressRoleType>\
         </UserAddressInformation>",
    );
    let [only] = &user.fields.addresses[..] else { panic!("one address") };
    let Place::Postal { address, .. } = &only.place else { panic!("in parts") };
    assert_eq!(address.line1.as_ref().map(Text::reveal), Some("12 Main St"));
    assert_eq!(user.unreadable, ["UserAddressInformation"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for service in [LookupUser, CreateUser, UpdateUser] {
            prop_assert!(read(service, &bytes).is_err());
        }
    }

    #[test]
    fn no_markup_makes_the_reader_panic(pieces in proptest::collection::vec(prop_oneof![
        Just("<NCIPMessage>"), Just("</NCIPMessage>"), Just("<LookupUserResponse>"), Just("</LookupUserResponse>"),
        Just("<Problem>"), Just("</Problem>"), Just("<UserId/>"), Just("<UserId>"), Just("</UserId>"), Just("<>"), Just("</>"),
        Just("<UserIdentifierValue>1"), Just("</UserIdentifierValue>"), Just("&amp;"), Just("&#x0;"), Just("&x;"), Just("&"),
        Just("<![CDATA["), Just("]]>"), Just("<!--"), Just("-->"), Just("<?xml version='1.0'?>"), Just("<!DOCTYPE a>"),
        Just("<a b='c"), Just("'"), Just("é"), Just("\0"), Just("<ncip:UserOptionalFields>"), Just("<DateOfBirth>２0"),
    ], 0..30)) {
        // Whatever comes out, it comes out.
        let text = pieces.concat();
        let answer = read(LookupUser, text.as_bytes());
        if let Ok(Answer::User(_)) = answer {
            prop_assert!(text.matches("<UserId").count() >= 1);
        }
    }

    #[test]
    fn a_message_cut_anywhere_is_never_a_success(at in 0usize..200) {
        let whole = message(
            "<CreateUserResponse><UserId><UserIdentifierValue>1234</UserIdentifierValue></UserId></CreateUserResponse>",
        );
        prop_assume!(at < whole.len());
        prop_assert!(read(CreateUser, &whole[..at]).is_err());
    }
}
