//! Finding, making, changing, and what is known before a run.

use std::collections::BTreeMap;

use crate::support::{
    applied, attributes, barcode, changes, creation, directory, found, koha, make, rejected, some, values,
};
use jiff::civil::date;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::patron::PatronValues;
use rostercard_core::ports::{CapabilityState, FindBy, FindKey, Lookup, Outcome, PatronFinder, PatronWriter};
use rostercard_core::privacy::{BirthDate, Personal, Secret};
use rostercard_ils_koha::{CodesInUse, KohaLogin, UserIdWay};
use rostercard_practice::ils::{InKoha, KohaVersion, Patron as Held};

#[tokio::test]
async fn a_card_is_made_whole_and_read_back() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    let made = applied(ils.create(&creation("7700004711")).await);
    for field in ils.returns().iter() {
        assert_eq!(
            made.values.canonical(field).map(String::from),
            ils.canonical(field, &values("7700004711")),
            "{field}"
        );
    }
    assert_eq!(made.blocked, Some(false));
    let held = koha.patron("7700004711").unwrap();
    assert_eq!(held.koha.userid, "7700004711", "never a login of the child's name");
    assert_eq!((held.expires.as_deref(), held.note.as_str()), (Some("2027-09-30"), "Student card"));
    assert_eq!(held.stat_codes, BTreeMap::from([("statistics_1".to_owned(), "7".to_owned())]));
    let pair = |kind: &str, value: &str| (kind.to_owned(), value.to_owned());
    assert_eq!(held.koha.attributes, [pair("STUDENTID", "s7700004711"), pair("SCHOOL", "0012")]);
    // What it knows, the create, the read-back, and once for its category what it cost.
    let counts = koha.counts();
    assert_eq!((counts.creates, counts.lookups, counts.updates), (1, 2, 0));
    applied(ils.create(&creation("7700004712")).await);
    assert_eq!(koha.counts().lookups, 3, "every further card is two calls");
    assert_eq!(found(&ils, &barcode("7700004711")).await, made);
    assert_eq!(ils.capabilities().create.state, CapabilityState::Proven);
    assert_eq!(koha.koha_tokens(), 1);
}

#[tokio::test]
async fn each_key_finds_exactly() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |s| s.user_id = UserIdWay::Roster);
    let first = make(&ils, values("7700000001")).await;
    let second = PatronValues {
        user_name: some("other"),
        email: some("other@example.org"),
        given_name: some("Zo"),
        ..values("77000000012")
    };
    let second = make(&ils, second).await;
    let person = |surname: &str, given: &str, day| FindKey::NameAndBirthDate {
        surname: Personal::new(surname),
        given_name: Personal::new(given),
        birth_date: BirthDate::new(day),
    };
    let born = date(2012, 2, 29);
    let cases = [
        (barcode("7700000001"), Some(&first)),
        (barcode("77000000012"), Some(&second)),
        (barcode("770000000"), None),
        (FindKey::PatronId(first.id.clone()), Some(&first)),
        (FindKey::PatronId(Personal::new("4711")), None),
        (FindKey::UserName(Personal::new("zoe.nguyen")), Some(&first)),
        (FindKey::UserName(Personal::new("zoe.nguye")), None),
        (FindKey::Email(Personal::new("zoe+a&b@example.org")), Some(&first)),
        (FindKey::Email(Personal::new("@example.org")), None),
        (FindKey::StudentId(Personal::new("s7700000001")), Some(&first)),
        (FindKey::StudentId(Personal::new("s770000000")), None),
        (person("O'Brien & <Nguyễn>", "Zoë", born), Some(&first)),
        (person("O'Brien & <Nguyễn>", "Zo", born), Some(&second)),
        (person("O'Brien & <Nguyễn>", "Z", born), None),
        (person("O'Brien", "Zoë", born), None),
        (person("O'Brien & <Nguyễn>", "Zoë", date(2012, 3, 1)), None),
    ];
    for (key, wanted) in cases {
        match (ils.find(&key).await, wanted) {
            (Lookup::Found(patron), Some(wanted)) => assert_eq!(&*patron, wanted, "{}", key.by()),
            (Lookup::NotFound, None) => {}
            (other, _) => panic!("{}: {other:?}", key.by()),
        }
    }
    assert_eq!(ils.finds_by().len(), 6);
    let plain = directory(&koha, |s| s.attributes.student_id = None);
    assert!(!plain.finds_by().contains(&FindBy::StudentId));
    assert!(matches!(plain.find(&FindKey::StudentId(Personal::new("s1"))).await, Lookup::Unknown(_)));
}

#[tokio::test]
async fn s06_twins_namesakes_and_shared_addresses_are_never_crossed() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    let child = |number: &str, given: Option<&str>| PatronValues {
        given_name: given.map(Personal::new),
        email: some("family@example.org"),
        ..values(number)
    };
    let mia = make(&ils, child("1", Some("Mia"))).await;
    let ben = make(&ils, child("2", Some("Ben"))).await;
    let only = make(&ils, child("3", None)).await;
    let person = |given: &str| FindKey::NameAndBirthDate {
        surname: Personal::new("O'Brien & <Nguyễn>"),
        given_name: Personal::new(given),
        birth_date: BirthDate::new(date(2012, 2, 29)),
    };
    for (given, wanted) in [("Mia", &mia), ("Ben", &ben), ("", &only)] {
        assert_eq!(&found(&ils, &person(given)).await, wanted);
    }
    assert!(matches!(ils.find(&FindKey::Email(Personal::new("family@example.org"))).await, Lookup::Many));
    make(&ils, child("4", Some("MÍA"))).await;
    assert!(matches!(ils.find(&person("Mia")).await, Lookup::Many), "a namesake to Koha is one to us");
}

#[tokio::test]
async fn many_are_found_in_few_requests() {
    let koha = koha(|_| {}).await;
    for n in 0..150 {
        let held = Held { barcode: format!("77{n:05}"), surname: "Marsh".into(), ..Held::default() };
        koha.add(held).unwrap();
    }
    let ils = directory(&koha, |_| {});
    let numbers: Vec<Personal> = (100..350).map(|n| Personal::new(format!("77{n:05}"))).collect();
    let all = ils.find_many(&numbers).await;
    assert_eq!((all.len(), koha.counts().lookups), (250, 3));
    for (number, lookup) in numbers.iter().zip(&all) {
        match lookup {
            Lookup::Found(patron) => assert_eq!(patron.values.barcode.as_ref(), Some(number)),
            Lookup::NotFound => assert!(number.reveal() >= "7700150"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(all.iter().filter(|lookup| matches!(lookup, Lookup::Found(_))).count(), 50);
    koha.set_down(true);
    assert!(ils.find_many(&numbers).await.iter().all(|lookup| matches!(lookup, Lookup::Unknown(_))));
}

#[tokio::test]
async fn s05_a_change_leaves_what_staff_and_family_look_after() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    make(&ils, values("7700000001")).await;
    // A parent signed: staff gave another category, a note, a phone number of their own, an attribute.
    koha.edit("7700000001", |patron| {
        patron.category = Some("STARTER".into());
        patron.note = "signed 3/12".into();
        patron.phones = vec!["family".into()];
        patron.koha.attributes.push(("DISTRICT".into(), "of staff's".into()));
        patron.koha.userid = "chosen".into();
    })
    .unwrap();
    let patron = found(&ils, &barcode("7700000001")).await;
    let wanted = PatronValues {
        surname: some("Marsh"),
        statistics: BTreeMap::from([("grade".into(), "8".into()), ("school".into(), "0013".into())]),
        ..PatronValues::default()
    };
    koha.reset_counts();
    let after = applied(ils.update(&patron, &changes(&[Field::Surname, Field::Statistics], wanted)).await);
    assert_eq!(after.values.surname, some("Marsh"));
    let held = koha.patron("7700000001").unwrap();
    assert_eq!(
        (held.category.as_deref(), held.note.as_str(), held.phones[0].as_str()),
        (Some("STARTER"), "signed 3/12", "family")
    );
    assert_eq!((held.koha.userid.as_str(), held.expires.as_deref()), ("chosen", Some("2027-09-30")));
    let kinds: Vec<(&str, &str)> =
        held.koha.attributes.iter().map(|(kind, value)| (kind.as_str(), value.as_str())).collect();
    assert_eq!(kinds, [("STUDENTID", "s7700000001"), ("SCHOOL", "0013"), ("DISTRICT", "of staff's")]);
    assert_eq!((koha.counts().lookups, koha.counts().updates), (2, 2));
}

#[tokio::test]
async fn what_is_so_already_is_not_written() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    let patron = make(&ils, values("7700000001")).await;
    koha.reset_counts();
    let mut fields = ils.returns();
    fields.remove(Field::Barcode);
    let same = rostercard_core::ports::FieldChanges { fields, values: values("7700000001") };
    assert!(matches!(ils.update(&patron, &same).await, Outcome::AlreadySo(_)));
    assert_eq!(koha.counts().updates, 0);
}

#[tokio::test]
async fn s09_a_card_ends_and_comes_back_by_its_expiry_and_note() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    let patron = make(&ils, values("7700000001")).await;
    let ended = PatronValues {
        expiry: Some(date(2026, 11, 23)),
        note: some("left the roster"),
        ..PatronValues::default()
    };
    let fields = [Field::Expiry, Field::Note];
    let lapsed = applied(ils.update(&patron, &changes(&fields, ended)).await);
    assert_eq!(lapsed.values.expiry, Some(date(2026, 11, 23)), "a day that is past is kept");
    let back = applied(ils.update(&lapsed, &changes(&fields, values("7700000001"))).await);
    assert_eq!(back, patron, "the same card, as it was");
    assert_eq!(ils.capabilities().block.state, CapabilityState::Absent);
}

#[tokio::test]
async fn a_change_by_somebody_else_a_moment_ago_is_not_overwritten() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    let patron = make(&ils, values("7700000001")).await;
    koha.edit("7700000001", |patron| patron.emails = vec!["family@example.org".into()]).unwrap();
    let new = PatronValues { email: some("new@example.org"), ..PatronValues::default() };
    let refused = rejected(ils.update(&patron, &changes(&[Field::Email], new)).await);
    assert_eq!(refused.error.retry, rostercard_core::ports::Retry::Later);
    assert_eq!(koha.patron("7700000001").unwrap().emails, ["family@example.org"]);
}

#[tokio::test]
async fn a_password_is_as_good_a_login_as_a_key() {
    let koha = koha(|_| {}).await;
    let basic =
        |password: &str| KohaLogin::Basic { user: "rostercard".into(), password: Secret::new(password) };
    let ils = directory(&koha, |s| s.login = basic("practice"));
    make(&ils, values("7700000001")).await;
    assert_eq!(koha.koha_tokens(), 0);
    let wrong = directory(&koha, |s| s.login = basic("hunter2"));
    let Lookup::Unknown(error) = wrong.find(&barcode("7700000001")).await else { panic!("not let in") };
    assert!(error.message.contains("password is wrong") && !error.message.contains("hunter2"));
}

#[tokio::test]
async fn older_versions_are_sent_nothing_that_they_do_not_know() {
    let koha = koha(|m| m.version = KohaVersion::Old).await;
    let ils = directory(&koha, |_| {});
    let made = make(&ils, values("7700000001")).await;
    assert_eq!(made.values.middle_name, None);
    assert!(!ils.returns().contains(Field::MiddleName), "and it is not compared");
    let codes: Vec<&str> = ils.finish().await.unwrap().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["koha_property_unknown"], "it is said at the end of the run");
    // A directory that has seen no patron yet learns it before the change is sent.
    let fresh = directory(&koha, |_| {});
    let new = PatronValues { surname: some("Marsh"), ..values("7700000001") };
    let after = fresh.update(&made, &changes(&[Field::Surname, Field::MiddleName], new)).await;
    assert_eq!(applied(after).values.surname, some("Marsh"));
}

#[tokio::test]
async fn newer_versions_are_no_trouble_either() {
    let koha = koha(|m| {
        m.version = KohaVersion::New;
        m.pin_strong = true;
        m.pin_min = 8;
        m.fees.insert("STARTER".into(), 500);
    })
    .await;
    let ils = directory(&koha, |_| {});
    make(&ils, values("7700000001")).await;
    assert!(ils.check().await.unwrap().is_empty());
    let codes = CodesInUse {
        categories: vec!["STUDENT".into(), "STARTER".into(), "student".into()],
        branches: vec!["MAIN".into(), "WEST".into()],
        statistics: vec!["grade".into(), "homeroom".into()],
    };
    let findings = ils.check_codes(&codes).await.unwrap();
    let got: Vec<(&str, bool)> = findings
        .iter()
        .map(|f| {
            let names = ["WEST", "student", "homeroom", "STARTER", "STUDENT"];
            (f.code, names.iter().any(|name| f.message.contains(name)))
        })
        .collect();
    let wanted = [
        "koha_no_library",
        "koha_strong_pins",
        "koha_long_pins",
        "koha_fee",
        "koha_strong_pins",
        "koha_long_pins",
        "koha_no_category",
        "koha_code_without_place",
    ];
    assert_eq!(got, wanted.map(|code| (code, true)));
}

#[tokio::test]
async fn check_says_what_is_missing_before_a_run() {
    let codes = CodesInUse { categories: vec!["STUDENT".into()], ..CodesInUse::default() };
    // All is well, as far as 23.05 tells.
    let well = koha(|_| {}).await;
    let held = Held {
        barcode: "1".into(),
        surname: "Marsh".into(),
        category: Some("STUDENT".into()),
        home_branch: Some("EAST".into()),
        koha: InKoha {
            attributes: vec![("STUDENTID".into(), "1".into()), ("SCHOOL".into(), "1".into())],
            ..InKoha::default()
        },
        ..Held::default()
    };
    well.add(held.clone()).unwrap();
    let ils = directory(&well, |_| {});
    assert!(ils.check().await.unwrap().is_empty());
    let findings: Vec<&str> = ils.check_codes(&codes).await.unwrap().iter().map(|f| f.code).collect();
    assert_eq!(findings, ["koha_categories_unlisted"]);
    assert_eq!((well.counts().created, well.counts().updated), (0, 0), "nothing was written");

    // A login that may not create, or not change.
    for (edit, all, permission) in [(true, false, "permission borrowers"), (false, true, "edit_borrowers")] {
        let koha = koha(|m| (m.edit, m.all_borrowers) = (edit, all)).await;
        let error = directory(&koha, |_| {}).check().await.unwrap_err();
        assert!(error.message.contains(permission), "{}", error.message);
        assert_eq!(koha.counts().created, 0);
    }
    // A login that sees nobody, and codes that nobody has.
    let blind = koha(|m| m.see_all = false).await;
    blind.add(held).unwrap();
    let ils = directory(&blind, |_| {});
    let findings: Vec<&str> = ils.check().await.unwrap().iter().map(|f| f.code).collect();
    assert_eq!(findings, ["koha_sees_nobody", "koha_attribute_unseen", "koha_attribute_unseen"]);
    let findings: Vec<&str> = ils.check_codes(&codes).await.unwrap().iter().map(|f| f.code).collect();
    assert_eq!(findings, ["koha_category_unseen", "koha_categories_unlisted"]);
    // Keys and passwords that are turned off, or wrong.
    let off = koha(|m| (m.oauth, m.basic) = (false, false)).await;
    let error = directory(&off, |_| {}).check().await.unwrap_err();
    assert!(error.hint.contains("RESTOAuth2ClientCredentials"), "{}", error.hint);
    let basic = KohaLogin::Basic { user: "rostercard".into(), password: Secret::new("practice") };
    let error = directory(&off, |s| s.login = basic).check().await.unwrap_err();
    assert!(error.hint.contains("RESTBasicAuth"), "{}", error.hint);
    let stale = KohaLogin::OAuth { client_id: "rostercard".into(), client_secret: Secret::new("stale") };
    let error = directory(&well, |s| s.login = stale).check().await.unwrap_err();
    assert!(error.hint.contains("Manage API keys") && error.retry.word() == "not_this_target");
}

#[tokio::test]
async fn nothing_about_a_person_is_shown() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |s| s.attributes = attributes());
    let made = make(&ils, values("7700000001")).await;
    let twice = ils.create(&creation("7700000001")).await;
    let shown = format!("{ils:?} {made:?} {twice:?} {:?}", ils.capabilities());
    for part in ["7700000001", "Zoë", "Nguy", "example.org", "Main St", "2012", "practice-token"] {
        assert!(!shown.contains(part), "{part} in {shown}");
    }
    assert_eq!(FieldSet::of(&[Field::Barcode]).iter().count(), 1);
}
