//! NCIP conversations with the practice ILS over a real socket, in hand-written XML.

use std::path::Path;

use crate::client::*;
use rostercard_practice::ils::{Options, Patron, Personality};

fn with(personality: Personality) -> Options {
    Options { personality, ..Options::default() }
}

fn everything() -> String {
    [
        postal("12 Main St", "00011"),
        electronic("mailto", "zoe@students.example.org"),
        electronic("tel", "555-0100"),
        "<DateOfBirth>2012-05-04T00:00:00</DateOfBirth>".to_owned(),
        category("STUDENT", "2027-09-30T00:00:00", "Active"),
        privilege("LIBRARY", "MAIN"),
        privilege("STAT:school", "S01"),
        "<BlockOrTrap><AgencyId>LIB</AgencyId><BlockOrTrapType>Block Check Out</BlockOrTrapType></BlockOrTrap>".to_owned(),
        "<Ext><UserId><UserIdentifierType>Institution Id Number</UserIdentifierType>\
         <UserIdentifierValue>0012345</UserIdentifierValue></UserId></Ext>"
            .to_owned(),
    ]
    .concat()
}

#[tokio::test]
async fn a_patron_is_made_found_and_kept_whole_under_any_prefix() {
    for prefix in [None, Some("ncip"), Some("n2")] {
        let ils = ils(Options::default()).await;
        let style = |message: String| prefix.map_or(message.clone(), |p| prefixed(&message, p));
        let answer = ncip(&ils, &style(lookup("770012345"))).await;
        assert_eq!(problem(&answer).as_deref(), Some("Unknown User"));
        let answer = ncip(&ils, &style(create_with("770012345", &everything()))).await;
        assert_eq!(
            (problem(&answer), text(&answer, "UserIdentifierValue").as_deref()),
            (None, Some("770012345"))
        );
        assert!(answer.contains("<CreateUserResponse>"));

        let patron = ils.patron("770012345").unwrap();
        assert_eq!(
            (patron.given.as_str(), patron.middle.as_str(), patron.surname.as_str()),
            ("Zoë", "Marie", "O'Brien & Co")
        );
        assert_eq!(patron.birth_date.as_deref(), Some("2012-05-04"));
        assert_eq!(
            (patron.category.as_deref(), patron.expires.as_deref()),
            (Some("STUDENT"), Some("2027-09-30"))
        );
        assert_eq!(
            (patron.home_branch.as_deref(), patron.stat_codes["school"].as_str()),
            (Some("MAIN"), "S01")
        );
        assert_eq!(
            (patron.emails.as_slice(), patron.phones.as_slice()),
            (&["zoe@students.example.org".to_owned()][..], &["555-0100".to_owned()][..])
        );
        assert_eq!(
            (patron.addresses[0].line1.as_str(), patron.addresses[0].zip.as_str()),
            ("12 Main St", "00011")
        );
        assert_eq!((patron.blocks.as_slice(), patron.blocked), (&["Block Check Out".to_owned()][..], false));
        assert_eq!(patron.student_id.as_deref(), Some("0012345"));

        let answer = ncip(&ils, &style(lookup("770012345"))).await;
        for part in [
            "<Surname>O'Brien &amp; Co</Surname>",
            "<DateOfBirth>2012-05-04T00:00:00</DateOfBirth>",
            "<ValidToDate>2027-09-30T00:00:00</ValidToDate>",
            "<AgencyUserPrivilegeType>LIBRARY</AgencyUserPrivilegeType>",
            "<UserPrivilegeStatusType>MAIN</UserPrivilegeStatusType>",
            "<PostalCode>00011</PostalCode>",
            "<UserIdentifierValue>0012345</UserIdentifierValue>",
            "<ToAgencyId><AgencyId>DISTRICT</AgencyId></ToAgencyId>",
        ] {
            assert!(answer.contains(part), "{part} in {answer}");
        }
        let counts = ils.counts();
        assert_eq!(
            (counts.lookups, counts.creates, counts.created, counts.problems, counts.patrons),
            (2, 1, 1, 1, 1)
        );
        ils.stop().await;
    }
}

#[tokio::test]
async fn a_look_up_tells_only_what_was_asked_for() {
    let ils = ils(Options::default()).await;
    ncip(&ils, &create_with("1", &everything())).await;
    let bare = message(&format!("<LookupUser>{HEADER}{}</LookupUser>", user("1")));
    let answer = ncip(&ils, &bare).await;
    assert_eq!(text(&answer, "UserIdentifierValue").as_deref(), Some("1"));
    assert!(!answer.contains("UserOptionalFields") && !answer.contains("Zoë"));
    let born = message(&format!(
        "<LookupUser>{HEADER}{}<UserElementType>DateOfBirth</UserElementType></LookupUser>",
        user("1")
    ));
    let answer = ncip(&ils, &born).await;
    assert!(answer.contains("2012-05-04") && !answer.contains("Zoë") && !answer.contains("example.org"));
}

#[tokio::test]
async fn what_is_wrong_is_answered_with_its_own_problem() {
    let personality = Personality {
        categories: vec!["STUDENT".into()],
        branches: vec!["MAIN".into()],
        zips: vec!["00011".into()],
        pin_min: 4,
        refuse_trivial_pins: true,
        ..Personality::default()
    };
    let ils = ils(with(personality)).await;
    ncip(&ils, &create("1")).await;
    let no_surname = create("2").replace("<Surname>O&apos;Brien &amp; Co</Surname>", "<Surname/>");
    let no_name = message(&format!("<CreateUser>{HEADER}{}</CreateUser>", user("2")));
    let no_id = create("").replace("<UserIdentifierValue></UserIdentifierValue>", "<UserIdentifierValue/>");
    let date_only = create("2").replace("2027-09-30T00:00:00", "2027-09-30");
    let swapped = create("2").replace("2027-09-30", "2027-30-09");
    let cases: Vec<(String, &str, Option<&str>, Option<&str>)> = vec![
        (create("1"), "Duplicate User", Some("UserIdentifierValue"), None),
        (update("9", "", &name("A", "B")), "Unknown User", Some("UserIdentifierValue"), None),
        (no_surname, "Needed Data Missing", Some("Surname"), None),
        (no_name, "Needed Data Missing", Some("Surname"), None),
        (no_id, "Needed Data Missing", Some("UserIdentifierValue"), None),
        (date_only, "Invalid Date", Some("ValidToDate"), None),
        (swapped, "Invalid Date", Some("ValidToDate"), None),
        (
            create_with("2", &category("ADULT", "2027-09-30T00:00:00", "Active")),
            "Unknown Value From Known Scheme",
            Some("AgencyUserPrivilegeType"),
            Some("ADULT"),
        ),
        (
            create_with("2", &privilege("LIBRARY", "NOWHERE")),
            "Unknown Value From Known Scheme",
            Some("UserPrivilegeStatusType"),
            Some("NOWHERE"),
        ),
        (
            create_with("2", &postal("1 Elm St", "99999")),
            "Unknown Value From Known Scheme",
            Some("PostalCode"),
            Some("99999"),
        ),
        (
            create_with("2", &authentication("PIN", "123")),
            "Element Rule Violated",
            Some("AuthenticationInputData"),
            None,
        ),
        (
            create_with("2", &authentication("PIN", "2020")),
            "Element Rule Violated",
            Some("AuthenticationInputData"),
            None,
        ),
        (
            update("1", &electronic("mailto", "not-there@example.org"), ""),
            "Element Rule Violated",
            Some("UserAddressInformation"),
            None,
        ),
        (message("<RequestItem/>"), "Unsupported Service", None, None),
        (
            "<NCIPMessage xmlns=\"http://www.niso.org/2008/ncip\"><LookupUser>".into(),
            "Invalid Message Syntax Error",
            None,
            None,
        ),
        ("It works!".into(), "Invalid Message Syntax Error", None, None),
        (lookup("1").replace("2008/ncip", "2009/other"), "Invalid Message Syntax Error", None, None),
    ];
    for (sent, kind, element, value) in cases {
        let answer = ncip(&ils, &sent).await;
        assert_eq!(problem(&answer).as_deref(), Some(kind), "{sent}\n{answer}");
        assert_eq!(
            (text(&answer, "ProblemElement").as_deref(), text(&answer, "ProblemValue").as_deref()),
            (element, value),
            "{sent}"
        );
    }
    assert_eq!(ils.counts().duplicates_refused, 1);
    assert_eq!(ils.patrons().len(), 1, "nothing was made");
    ncip(&ils, &create_with("3", &postal("1 Elm St", "00011-1234"))).await;
    assert_eq!(ils.patrons().len(), 2, "ZIP+4 of a known ZIP is known");
}

#[tokio::test]
async fn an_update_deletes_old_values_first_and_replaces_single_ones() {
    let ils = ils(Options::default()).await;
    ncip(&ils, &create_with("1", &(everything() + &electronic("mailto", "family@example.org")))).await;
    let delete = electronic("mailto", "zoe@students.example.org");
    let add = [
        name("Zoë", "Nguyễn"),
        electronic("mailto", "zoe.nguyen@students.example.org"),
        "<DateOfBirth>2012-05-05T00:00:00</DateOfBirth>".to_owned(),
        category("STUDENT18", "2028-09-30T00:00:00", "Blocked"),
        privilege("LIBRARY", "EAST"),
        privilege("STAT:grade", "08"),
    ]
    .concat();
    let answer = ncip(&ils, &update("1", &delete, &add)).await;
    assert_eq!((problem(&answer), text(&answer, "UserIdentifierValue").as_deref()), (None, Some("1")));
    let patron = ils.patron("1").unwrap();
    assert_eq!(patron.emails, ["family@example.org", "zoe.nguyen@students.example.org"]);
    assert_eq!((patron.surname.as_str(), patron.birth_date.as_deref()), ("Nguyễn", Some("2012-05-05")));
    assert_eq!(
        (patron.category.as_deref(), patron.expires.as_deref(), patron.blocked),
        (Some("STUDENT18"), Some("2028-09-30"), true)
    );
    assert_eq!(
        (patron.home_branch.as_deref(), patron.stat_codes.len(), patron.addresses.len()),
        (Some("EAST"), 2, 1)
    );
    assert_eq!(
        patron.history.iter().map(|w| (w.kind.as_str(), w.sequence)).collect::<Vec<_>>(),
        [("create", 1), ("update", 2)]
    );
    // One wrong part, and nothing of the whole is done.
    let delete = electronic("mailto", "zoe@students.example.org");
    let answer = ncip(&ils, &update("1", &delete, &name("Not", "Done"))).await;
    assert_eq!(problem(&answer).as_deref(), Some("Element Rule Violated"));
    assert_eq!(ils.patron("1").unwrap(), patron);
}

#[tokio::test]
async fn pins_come_in_authentication_input_are_proved_by_look_up_and_never_told() {
    let ils = ils(Options::default()).await;
    // With a UserId the schema has no room for a PIN; it may come in place of the UserId, or in Ext.
    let in_place = message(&format!(
        "<CreateUser>{HEADER}{}{}{}</CreateUser>",
        authentication("Barcode Id", "1"),
        authentication("PIN", "7391"),
        name("A", "B")
    ));
    let in_ext = create_with("2", &format!("<Ext>{}</Ext>", authentication("PIN", "7391")));
    let beside = create("3").replace("</UserId>", &format!("</UserId>{}", authentication("PIN", "7391")));
    for (sent, barcode) in [(in_place, "1"), (in_ext, "2"), (beside, "3")] {
        assert_eq!(problem(&ncip(&ils, &sent).await), None, "{sent}");
        assert_eq!(ils.patron(barcode).unwrap().pin.as_deref(), Some("7391"));
        let prove = |pin: &str| {
            message(&format!(
                "<LookupUser>{HEADER}{}{}<UserElementType>Authentication Input</UserElementType></LookupUser>",
                authentication("Barcode Id", barcode),
                authentication("PIN", pin)
            ))
        };
        let right = ncip(&ils, &prove("7391")).await;
        assert_eq!((problem(&right), right.contains("7391")), (None, false));
        let wrong = ncip(&ils, &prove("1937")).await;
        assert_eq!(
            (problem(&wrong).as_deref(), wrong.contains("1937")),
            (Some("User Authentication Failed"), false)
        );
    }
    ncip(&ils, &update("1", "", &authentication("PIN", "8462"))).await;
    assert_eq!(ils.patron("1").unwrap().pin.as_deref(), Some("8462"));
}

#[tokio::test]
async fn an_old_ils_cuts_and_rewrites_without_a_word() {
    let ils = ils(with(Personality::named("old").unwrap())).await;
    let sent = create("12345678901234567").replace("O&apos;Brien &amp; Co", "Featherstonehaugh-Cholmondeley");
    let answer = ncip(&ils, &sent).await;
    assert_eq!(
        (problem(&answer), text(&answer, "UserIdentifierValue").as_deref()),
        (None, Some("12345678901234"))
    );
    let patron = ils.patron("12345678901234").unwrap();
    assert_eq!((patron.given.as_str(), patron.surname.as_str()), ("Zo?", "Featherstonehaugh-Ch"));
    let answer = ncip(&ils, &create("12345678901234999")).await;
    assert_eq!(problem(&answer).as_deref(), Some("Duplicate User"), "two long numbers become one");
}

#[tokio::test]
async fn an_ils_may_ask_who_is_speaking() {
    let personality =
        Personality { agency: Some("LIB".into()), secret: Some("s3".into()), ..Personality::default() };
    let ils = ils(with(personality)).await;
    assert_eq!(problem(&ncip(&ils, &lookup("1")).await).as_deref(), Some("System Authentication Failed"));
    let proved = |m: String| {
        m.replace("<FromAgencyId>", "<FromSystemAuthentication>s3</FromSystemAuthentication><FromAgencyId>")
    };
    assert_eq!(problem(&ncip(&ils, &proved(lookup("1"))).await).as_deref(), Some("Unknown User"));
    let elsewhere = proved(lookup("1")).replace("<ToAgencyId><AgencyId>LIB", "<ToAgencyId><AgencyId>OTHER");
    assert_eq!(problem(&ncip(&ils, &elsewhere).await).as_deref(), Some("Unknown Agency"));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "where the specifications are is told by the environment")]
async fn every_answer_is_valid_against_the_schema() {
    let specs = std::env::var("ROSTERCARD_SPECS").unwrap_or_else(|_| "../../../shared/data".to_owned());
    let Ok(schema) = std::fs::read_to_string(Path::new(&specs).join("ncip/xsd/ncip_v2_02.xsd")) else {
        assert!(std::env::var("CI").is_err(), "no specifications in CI");
        eprintln!("skipped: no specifications here");
        return;
    };
    let schema = uppsala::parse(&schema).unwrap();
    let judge = uppsala::XsdValidator::from_schema(&schema).unwrap();
    let errors = |document: &str| judge.validate(&uppsala::parse(document).unwrap()).len();
    assert!(errors(&message("<LookupUserResponse><Nonsense/></LookupUserResponse>")) > 0, "the judge bites");
    for manners in ["open", "strict"] {
        let ils = ils(with(Personality::named(manners).unwrap())).await;
        let mononym = Patron { barcode: "5".into(), surname: "Sukarsono".into(), ..Patron::default() };
        ils.add(mononym).unwrap();
        for sent in [
            create_with("1", &everything()),
            create("1"),
            lookup("1"),
            lookup("2"),
            lookup("5"),
            message("<RequestItem/>"),
            update("1", &electronic("tel", "555-0100"), &name("A", "B")),
            update("7", "", ""),
            "rubbish".into(),
        ] {
            let answer = ncip(&ils, &sent).await;
            assert_eq!(errors(&answer), 0, "{answer}");
        }
    }
}
