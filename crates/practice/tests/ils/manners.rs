//! The practice ILS in the manner of real responders, as they were seen on a wire; and NCIP 1.

use std::path::Path;

use rostercard_practice::ils::{Options, Patron, Personality, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::*;

async fn start(personality: &str) -> Running {
    let any = Some(([127, 0, 0, 1], 0).into());
    let personality = Personality::named(personality).unwrap();
    let ils = ils(Options { personality, ncip_tcp: any, ..Options::default() }).await;
    let patron = Patron {
        barcode: "1".into(),
        given: "Zoë".into(),
        surname: "O'Brien & Co".into(),
        emails: vec!["zoe&max@example.org".into()],
        category: Some("STUDENT".into()),
        home_branch: Some("MAIN".into()),
        expires: Some("2027-09-30".into()),
        ..Patron::default()
    };
    ils.add(patron).unwrap();
    ils
}

#[tokio::test]
async fn kohas_manner() {
    let ils = start("koha").await;
    let answer = ncip(&ils, &lookup("1")).await;
    for part in [
        "<UserIdentifierValue>1</UserIdentifierValue>",
        "<ElectronicAddressData>zoe&max@example.org</ElectronicAddressData>",
        "<ValidToDate>2027-30-09</ValidToDate>",
        "<UserPrivilege><AgencyUserPrivilegeType>PROFILE</AgencyUserPrivilegeType>",
    ] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    assert!(!answer.contains("ResponseHeader") && !answer.contains("ncip:version"), "{answer}");
    assert_eq!(problem(&ncip(&ils, &lookup("2")).await).as_deref(), Some("Unkown User"));
    for sent in [create("2"), update("1", "", &electronic("tel", "1")), message("<RequestItem/>")] {
        assert!(ncip(&ils, &sent).await.contains("It works!"));
    }
    let (status, page) =
        http(ils.ncip_address(), "POST", "/ncip", &prefixed(&lookup("1"), "ncip")).await.unwrap();
    assert!(status == 500 && page.contains("<html>"), "{status} {page}");
    assert_eq!(ils.patrons().len(), 1);
}

#[tokio::test]
async fn evergreens_manner() {
    let ils = start("evergreen").await;
    let answer = ncip(&ils, &lookup("1")).await;
    assert!(answer.contains("<UserIdentifierValue></UserIdentifierValue>"), "{answer}");
    assert!(answer.contains("zoe&amp;max@example.org") && !answer.contains("UserPrivilege"), "{answer}");
    let unknown = ncip(&ils, &lookup("2")).await;
    assert!(unknown.contains("<ProblemType>\nUnknown User</ProblemType>"), "{unknown}");
    let schemes = lookup("1").replace("<AgencyId>LIB", "<AgencyId ncip:Scheme=\"urn:x\">LIB");
    let broken = ncip(&ils, &schemes).await;
    assert!(broken.contains("HASH(0x") && broken.contains("User with barcode  unknown"), "{broken}");
    assert!(ncip(&ils, "rubbish").await.contains("<>"));
    let refused = ncip(&ils, &create("2")).await;
    assert!(refused.contains("\nUnsupported Service</ProblemType>"), "{refused}");
    assert_eq!((ils.patrons().len(), ils.counts().unsupported), (1, 1));
}

#[tokio::test]
async fn alephs_manner() {
    let ils = start("aleph").await;
    let scheme = |message: String| {
        message.replace("<ToAgencyId><AgencyId>", "<ToAgencyId><AgencyId ncip:Scheme=\"urn:agencies\">")
    };
    assert_eq!(problem(&ncip(&ils, &lookup("1")).await).as_deref(), Some("Unknown Scheme"));
    assert_eq!(problem(&ncip(&ils, &scheme(create("2"))).await).as_deref(), Some("Unsupported Service"));
    let name = scheme(update("1", "", &name("A", "B")));
    assert_eq!(problem(&ncip(&ils, &name).await).as_deref(), Some("UpdateUserService failed."));
    let two = scheme(update("1", "", &[postal("1 A St", "1"), postal("2 B St", "2")].concat()));
    assert_eq!(problem(&ncip(&ils, &two).await).as_deref(), Some("UpdateUserService failed."));
    assert_eq!(problem(&ncip(&ils, &scheme(update("1", "", &electronic("tel", "555")))).await), None);
    assert_eq!(ils.patron("1").unwrap().phones, ["555"]);
}

/// A message of NCIP 1.
fn old(service: &str, inside: &str) -> String {
    let agency =
        |code: &str| format!("<UniqueAgencyId><Scheme>s</Scheme><Value>{code}</Value></UniqueAgencyId>");
    format!(
        "<?xml version=\"1.0\"?><!DOCTYPE NCIPMessage SYSTEM \"urn:dtd\"><NCIPMessage version=\"v1\"><{service}>\
         <InitiationHeader><FromAgencyId>{}</FromAgencyId><ToAgencyId>{}</ToAgencyId></InitiationHeader>\
         <UniqueUserId>{}<UserIdentifierValue>1</UserIdentifierValue></UniqueUserId>{inside}</{service}></NCIPMessage>\n",
        agency("A"),
        agency("LIB"),
        agency("LIB")
    )
}

fn old_lookup() -> String {
    let elements = [
        "Name Information",
        "User Privilege",
        "Visible User Id",
        "User Address Information",
        "Block Or Trap",
    ]
    .map(|e| format!("<UserElementType><Scheme>s</Scheme><Value>{e}</Value></UserElementType>"));
    old("LookupUser", &elements.concat())
}

#[tokio::test]
async fn voyagers_manner_over_tcp() {
    let ils = start("voyager").await;
    let address = ils.ncip_tcp_url().unwrap();
    let mut stream = TcpStream::connect(address.strip_prefix("tcp://").unwrap()).await.unwrap();
    // Two exchanges on one connection, in pieces.
    for _ in 0..2 {
        let message = old_lookup();
        let (first, second) = message.split_at(50);
        stream.write_all(first.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        stream.write_all(second.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let mut piece = [0; 4096];
        while !answer.contains("</NCIPMessage>") {
            let n = stream.read(&mut piece).await.unwrap();
            assert!(n > 0, "{answer}");
            answer.push_str(&String::from_utf8_lossy(&piece[..n]));
        }
        for part in [
            "<UniqueUserId><UniqueAgencyId><Scheme>",
            "<VisibleUserIdentifier>1</VisibleUserIdentifier>",
            "<Value>PROFILE</Value></AgencyUserPrivilegeType><ValidToDate>2027-09-30T00:00:00</ValidToDate>",
        ] {
            assert!(answer.contains(part), "{part} in {answer}");
        }
    }
    let new = ncip(&ils, &lookup("1")).await;
    assert!(
        new.contains("<ProcessingErrorType><Scheme>urn:practice</Scheme><Value>Missing Version"),
        "{new}"
    );
}

#[tokio::test]
async fn versions_are_told_where_they_are_looked_for() {
    let inside = "<LookupVersion><FromAgencyId><UniqueAgencyId><Scheme/><Value>A</Value></UniqueAgencyId></FromAgencyId>\
                  <ToAgencyId><UniqueAgencyId><Scheme/><Value>LIB</Value></UniqueAgencyId></ToAgencyId></LookupVersion>";
    let standard = format!("<NCIPVersionMessage version=\"v\">{inside}</NCIPVersionMessage>");
    let open = start("open").await;
    let answer = ncip(&open, &standard).await;
    assert!(
        answer.contains("<NCIPVersionMessage") && answer.contains("<ServiceSupported>CreateUser<"),
        "{answer}"
    );
    let koha = start("koha").await;
    assert!(ncip(&koha, &standard).await.contains("It works!"));
    let answer = ncip(&koha, &message("<LookupVersion/>")).await;
    assert!(answer.contains("VersionSupported") && !answer.contains("CreateUser"), "{answer}");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "where the specifications are is told by the environment")]
async fn answers_of_ncip_1_are_valid_by_its_dtd() {
    let specs = std::env::var("ROSTERCARD_SPECS").unwrap_or_else(|_| "../../../shared/data".to_owned());
    let dtd = Path::new(&specs).join("ncip/xsd/ncip_v1_0.dtd");
    if !dtd.is_file() {
        assert!(std::env::var("CI").is_err(), "no specifications in CI");
        eprintln!("skipped: no specifications here");
        return;
    }
    let ils = start("open").await;
    let folder = tempfile::tempdir().unwrap();
    let unknown = old_lookup().replace("<UserIdentifierValue>1<", "<UserIdentifierValue>2<");
    for (n, sent) in [old_lookup(), unknown, old("RequestItem", "")].iter().enumerate() {
        let answer = ncip(&ils, sent).await;
        let file = folder.path().join(format!("{n}.xml"));
        std::fs::write(&file, &answer).unwrap();
        let judge = std::process::Command::new("xmllint")
            .args(["--nonet", "--noout", "--dtdvalid"])
            .arg(&dtd)
            .arg(&file)
            .output();
        match judge {
            Ok(judged) => {
                assert!(judged.status.success(), "{answer}\n{}", String::from_utf8_lossy(&judged.stderr));
            }
            Err(_) => assert!(std::env::var("CI").is_err(), "no xmllint in CI"),
        }
    }
}
