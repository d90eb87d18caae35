//! What a running Koha does that nobody expects, each with what must come of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::date;
use rostercard_core::field::Field;
use rostercard_core::patron::PatronValues;
use rostercard_core::ports::{
    Creation, FindKey, Lookup, Outcome, PatronFinder, PatronWriter, RejectionKind, Retry,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_ils_koha::KohaDirectory;
use rostercard_practice::ils::{Ils, Options, Patron as Held, Personality, What};
use rostercard_web::Reuse;
use tokio::task::JoinSet;

use crate::support::{
    applied, barcode, changes, creation, directory, found, koha, make, next, rejected, some, values,
};

#[tokio::test]
async fn s07_a_number_that_koha_would_cut_is_not_sent() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    let refused = rejected(ils.create(&creation(&"7".repeat(33))).await);
    assert_eq!((refused.kind, refused.field), (RejectionKind::Field, Some(Field::Barcode)));
    assert_eq!((koha.counts().creates, koha.patrons().len()), (0, 0));
    assert!(applied(ils.create(&creation(&"7".repeat(32))).await).values.barcode == some(&"7".repeat(32)));
}

#[tokio::test]
async fn s07_a_number_that_was_cut_all_the_same_is_seen_by_reading_back() {
    // A Koha whose column somebody made shorter. Its 201 echoes the whole number.
    let personality = Personality { barcode_max: Some(9), ..Personality::default() };
    let koha = Ils::start(Options { personality, ..Options::default() }).await.unwrap();
    let ils = directory(&koha, |_| {});
    let made = applied(ils.create(&creation("7700000001")).await);
    assert_eq!(made.values.barcode, some("770000000"), "what Koha really holds is said");
}

#[tokio::test]
async fn duplicates_of_numbers_and_of_user_ids_are_told_apart() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    make(&ils, values("7700000001")).await;
    let other = |number: &str| PatronValues { student_id: some(&format!("x{number}")), ..values(number) };
    let refuse = async |number: &str| {
        let creation = Creation { values: other(number), pin: None };
        let no = rejected(ils.create(&creation).await);
        (no.kind, no.field)
    };
    // 400 "Problem with": our own user id, because our own patron is there.
    assert_eq!(refuse("7700000001").await, (RejectionKind::Duplicate, Some(Field::Barcode)));
    // 409: the number is there, with another user id.
    koha.edit("7700000001", |patron| patron.koha.userid = "zoe".into()).unwrap();
    assert_eq!(refuse("7700000001").await, (RejectionKind::Duplicate, Some(Field::Barcode)));
    // 400 "Problem with": somebody else logs in by this number.
    koha.edit("7700000001", |patron| patron.koha.userid = "7700000002".into()).unwrap();
    assert_eq!(refuse("7700000002").await, (RejectionKind::Duplicate, Some(Field::UserName)));
    assert_eq!(koha.patrons().len(), 1);
}

#[tokio::test]
async fn numbers_are_the_same_without_case_and_accents() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    let made = make(&ils, values("PUT1")).await;
    assert_eq!(found(&ils, &barcode("pu\u{308}t1 ")).await, made);
    for other in ["put1", "PÜT1"] {
        assert_eq!(found(&ils, &barcode(other)).await, made, "{other}: it is taken, so it is found");
        let again = PatronValues { student_id: None, ..values(other) };
        let no = rejected(ils.create(&Creation { values: again, pin: None }).await);
        assert_eq!(no.kind, RejectionKind::Duplicate, "{other}");
    }
}

#[tokio::test]
async fn a_create_that_commits_after_we_gave_up_is_found_and_not_made_twice() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |s| s.deadline = Duration::from_millis(300));
    make(&ils, values("7700000000")).await;
    koha.fault(next("CreatePatron", What::CommitLate { after_ms: 200, hold_ms: 5_000 }));
    assert!(matches!(ils.create(&creation("7700000001")).await, Outcome::Unknown(_)));
    assert!(matches!(ils.find(&barcode("7700000001")).await, Lookup::NotFound), "not yet");
    let late = async {
        while koha.patron("7700000001").is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), late).await.unwrap();
    // Sent again, Koha says "Problem with", as of a user id: it is our own success.
    let no = rejected(ils.create(&creation("7700000001")).await);
    assert_eq!((no.kind, no.field), (RejectionKind::Duplicate, Some(Field::Barcode)));
    found(&ils, &barcode("7700000001")).await;
    assert_eq!(koha.patrons().len(), 2);
}

#[tokio::test]
async fn s03_whatever_is_no_answer_is_never_not_found_and_never_no() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |s| s.deadline = Duration::from_millis(500));
    make(&ils, values("7700000000")).await;
    let faults = [
        What::Refuse,
        What::DropAnswer,
        What::TemporaryFailure,
        What::Http500,
        What::Http503,
        What::Http { status: 502, after_write: true },
        What::Http { status: 504, after_write: false },
        What::Http { status: 408, after_write: true },
        What::Http { status: 200, after_write: true },
        What::Garbage,
        What::Stall,
        What::CutHalfway,
        What::WrongUser,
        What::AnswerTwice,
    ];
    for (n, what) in faults.into_iter().enumerate() {
        koha.fault(next("FindPatrons", what.clone()));
        let lookup = ils.find(&barcode("7700000000")).await;
        if what != What::WrongUser {
            assert!(matches!(lookup, Lookup::Unknown(_)), "{what:?}: {lookup:?}");
        }
        koha.clear_faults();
        let number = format!("77000001{n:02}");
        koha.fault(next("CreatePatron", what.clone()));
        let outcome = ils.create(&creation(&number)).await;
        koha.clear_faults();
        let there = koha.patron(&number).is_some();
        match (&outcome, there) {
            (Outcome::Unknown(_), _) | (Outcome::Applied(_), true) => {}
            (Outcome::NotSent(_) | Outcome::Rejected(_), false) => {}
            _ => panic!("{what:?}: {outcome:?}, and it is there: {there}"),
        }
        koha.fault(next("UpdatePatron", what.clone()));
        let patron = found(&ils, &barcode("7700000000")).await;
        let new = PatronValues { surname: some(&format!("Marsh{n}")), ..PatronValues::default() };
        let outcome = ils.update(&patron, &changes(&[Field::Surname], new)).await;
        koha.clear_faults();
        let there = koha.patron("7700000000").unwrap().surname == format!("Marsh{n}");
        match (&outcome, there) {
            (Outcome::Unknown(_), _) | (Outcome::Applied(_), true) => {}
            (Outcome::NotSent(_) | Outcome::Rejected(_), false) => {}
            _ => panic!("{what:?}: {outcome:?}, and it is there: {there}"),
        }
    }
    koha.set_down(true);
    assert!(matches!(ils.find(&barcode("7700000000")).await, Lookup::Unknown(_)));
}

#[tokio::test]
async fn an_answer_about_somebody_else_is_not_believed() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    make(&ils, values("7700000001")).await;
    make(&ils, PatronValues { email: some("b@example.org"), ..values("7700000002") }).await;
    for key in [
        barcode("7700000001"),
        FindKey::Email(Personal::new("zoe+a&b@example.org")),
        FindKey::StudentId(Personal::new("s7700000001")),
        FindKey::UserName(Personal::new("7700000001")),
    ] {
        koha.fault(next("FindPatrons", What::WrongUser));
        let lookup = ils.find(&key).await;
        assert!(matches!(lookup, Lookup::Unknown(_)), "{}: {lookup:?}", key.by());
    }
}

#[tokio::test]
async fn a_token_that_ended_is_replaced_and_nothing_is_done_twice() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    make(&ils, values("7700000000")).await;
    koha.forget_koha_tokens();
    make(&ils, values("7700000001")).await;
    assert_eq!((koha.koha_tokens(), koha.patrons().len(), koha.counts().created), (2, 2, 2));
    // A token address that fails: nothing was sent, and it may pass.
    koha.forget_koha_tokens();
    koha.fault(next("Token", What::Http500));
    let Outcome::NotSent(error) = ils.create(&creation("7700000002")).await else { panic!("not sent") };
    assert_eq!(error.retry, Retry::Later);
    make(&ils, values("7700000002")).await;
}

#[tokio::test]
async fn s14_a_pin_is_a_step_of_its_own_and_kohas_rules_are_named() {
    let strict = koha(|m| (m.pin_min, m.pin_strong) = (8, true)).await;
    let ils = directory(&strict, |_| {});
    assert!(!ils.pin_with_create());
    let patron = make(&ils, values("7700000001")).await;
    for (pin, word) in [("2907", "shorter"), ("29071234", "weak"), (" 2907Abc", "does not accept")] {
        let no = rejected(ils.set_pin(&patron, &Secret::new(pin)).await);
        assert_eq!((no.kind, no.field), (RejectionKind::Field, Some(Field::Pin)));
        assert!(no.error.message.contains(word) && !no.error.message.contains(pin), "{}", no.error.message);
    }
    let plain = koha(|_| {}).await;
    let ils = directory(&plain, |_| {});
    let patron = make(&ils, values("7700000001")).await;
    assert!(matches!(ils.set_pin(&patron, &Secret::new("2907")).await, Outcome::Applied(_)));
    assert_eq!(plain.patron("7700000001").unwrap().pin.as_deref(), Some("2907"));
    // A create that could not be read back leaves the number in the place of the id.
    let by_number = rostercard_core::patron::Patron { id: Personal::new("7700000001"), ..patron.clone() };
    assert!(matches!(ils.set_pin(&by_number, &Secret::new("2908")).await, Outcome::Applied(_)));
    assert_eq!(plain.patron("7700000001").unwrap().pin.as_deref(), Some("2908"));
    let gone = rostercard_core::patron::Patron { id: Personal::new("4711"), ..patron };
    assert_eq!(rejected(ils.set_pin(&gone, &Secret::new("2907")).await).kind, RejectionKind::Missing);
}

#[tokio::test]
async fn a_patron_that_the_login_does_not_see_is_named_as_such_and_not_tried_for_ever() {
    let koha = koha(|m| m.see_all = false).await;
    let theirs = Held {
        barcode: "7700000001".into(),
        surname: "Quill".into(),
        category: Some("STUDENT".into()),
        home_branch: Some("EAST".into()),
        ..Held::default()
    };
    koha.add(theirs).unwrap();
    let ils = directory(&koha, |_| {});
    assert!(matches!(ils.find(&barcode("7700000001")).await, Lookup::NotFound), "so Koha says");
    let no = rejected(ils.create(&creation("7700000001")).await);
    assert_eq!((no.kind, no.error.retry), (RejectionKind::Duplicate, Retry::NotThisRecord));
    assert!(no.error.message.contains("not visible") && no.error.hint.contains("from_any_libraries"));
    assert!(matches!(ils.find(&barcode("7700000001")).await, Lookup::NotVisible), "once it is known");
    assert!(matches!(ils.find_many(&[Personal::new("7700000001")]).await[..], [Lookup::NotVisible]));
    let findings = ils.finish().await.unwrap();
    assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["koha_not_visible"]);
    assert!(ils.finish().await.unwrap().is_empty(), "said once");
    // Made in another library, it is gone from sight: the run is to stop, not to make more of them.
    let east = PatronValues { home_branch: Some("EAST".into()), ..values("7700000002") };
    let Outcome::Unknown(error) = ils.create(&Creation { values: east, pin: None }).await else {
        panic!("not read back")
    };
    assert_eq!(error.retry, Retry::NotThisTarget);
    assert!(error.hint.contains("view_borrower_infos_from_any_libraries"));
    make(&ils, values("7700000003")).await;
}

#[tokio::test]
async fn s28_what_a_category_costs_is_said_once_and_changed_once() {
    let koha = koha(|m| {
        m.fees.insert("STARTER".into(), 500);
    })
    .await;
    let ils = directory(&koha, |_| {});
    let patron = make(&ils, values("7700000001")).await;
    assert!(ils.finish().await.unwrap().is_empty(), "a free category");
    let starter = PatronValues { category: Some("STARTER".into()), ..PatronValues::default() };
    let after = applied(ils.update(&patron, &changes(&[Field::Category], starter.clone())).await);
    assert_eq!(koha.patron("7700000001").unwrap().koha.debt, 500);
    let again = ils.update(&after, &changes(&[Field::Category], starter)).await;
    assert!(matches!(again, Outcome::AlreadySo(_)));
    // A change of anything else sends the category along, as it is.
    let new = PatronValues { surname: some("Marsh"), ..PatronValues::default() };
    applied(ils.update(&after, &changes(&[Field::Surname], new)).await);
    assert_eq!(koha.patron("7700000001").unwrap().koha.debt, 500, "charged once");
    let findings = ils.finish().await.unwrap();
    assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["koha_fee"]);
    assert!(findings[0].message.contains("category STARTER") && findings[0].message.contains("5.00"));
    for number in ["7700000002", "7700000003"] {
        let starter = PatronValues { category: Some("STARTER".into()), ..values(number) };
        make(&ils, starter).await;
    }
    assert_eq!(ils.finish().await.unwrap().len(), 1, "for the first of many");
}

#[tokio::test]
async fn refusals_name_the_field() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    make(&ils, values("7700000000")).await;
    let cases = [
        (
            PatronValues { category: Some("NOBODY".into()), ..values("1") },
            RejectionKind::Field,
            Field::Category,
        ),
        (
            PatronValues { home_branch: Some("WEST".into()), ..values("1") },
            RejectionKind::Field,
            Field::HomeBranch,
        ),
        (PatronValues { surname: None, ..values("1") }, RejectionKind::Field, Field::Surname),
        (
            PatronValues { student_id: some("S7700000000"), ..values("1") },
            RejectionKind::Duplicate,
            Field::StudentId,
        ),
    ];
    for (values, kind, field) in cases {
        let no = rejected(ils.create(&Creation { values, pin: None }).await);
        assert_eq!((no.kind, no.field), (kind, Some(field)));
    }
    let odd = directory(&koha, |s| s.attributes.student_id = Some("NOTYPE".into()));
    let no = rejected(odd.create(&creation("1")).await);
    assert_eq!(no.kind, RejectionKind::Target);
    assert!(no.error.message.contains("NOTYPE"));
    assert_eq!(koha.patrons().len(), 1);
}

#[tokio::test]
async fn half_a_change_is_not_called_nothing() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    let patron = make(&ils, values("7700000001")).await;
    let both =
        PatronValues { category: Some("NOBODY".into()), student_id: some("s2"), ..PatronValues::default() };
    let wanted = changes(&[Field::Category, Field::StudentId], both);
    assert!(matches!(ils.update(&patron, &wanted).await, Outcome::Unknown(_)));
    // The next night the half that is done is not sent again, and the refusal is a plain one.
    let patron = found(&ils, &barcode("7700000001")).await;
    assert_eq!(patron.values.student_id, some("s2"));
    assert_eq!(rejected(ils.update(&patron, &wanted).await).field, Some(Field::Category));
}

#[tokio::test]
async fn signs_that_tear_sip2_messages_are_not_sent() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    let torn = PatronValues { surname: some("O'Hara|\rSmith"), ..values("7700000001") };
    let made = make(&ils, torn.clone()).await;
    assert_eq!(made.values.surname, some("O'Hara Smith"));
    assert_eq!(ils.canonical(Field::Surname, &torn).as_deref(), Some("O'Hara Smith"));
}

#[tokio::test]
async fn a_patron_that_is_gone_is_missing() {
    let koha = koha(|_| {}).await;
    let ils = directory(&koha, |_| {});
    let patron = make(&ils, values("7700000001")).await;
    koha.delete("7700000001").unwrap();
    let new = PatronValues { expiry: Some(date(2028, 1, 1)), ..PatronValues::default() };
    let no = rejected(ils.update(&patron, &changes(&[Field::Expiry], new)).await);
    assert_eq!(no.kind, RejectionKind::Missing);
    assert!(matches!(ils.find(&FindKey::PatronId(patron.id)).await, Lookup::NotFound));
}

#[tokio::test]
async fn eight_at_once_of_one_card_make_one() {
    let koha = koha(|_| {}).await;
    let ils = Arc::new(directory(&koha, |s| s.connections = 8));
    let mut all = JoinSet::new();
    for _ in 0..8 {
        let ils = Arc::clone(&ils);
        all.spawn(async move { ils.create(&creation("7700000001")).await });
    }
    let outcomes = all.join_all().await;
    assert_eq!(outcomes.iter().filter(|o| matches!(o, Outcome::Applied(_))).count(), 1);
    let duplicate = |o: &&Outcome| matches!(o, Outcome::Rejected(no) if no.kind == RejectionKind::Duplicate);
    assert_eq!(outcomes.iter().filter(duplicate).count(), 7);
}

/// So many cards at once; how many calls were lost.
async fn load(ils: &Arc<KohaDirectory>, cards: u32) -> usize {
    let mut all = JoinSet::new();
    for n in 0..cards {
        let ils = Arc::clone(ils);
        all.spawn(async move { ils.create(&creation(&format!("78{n:08}"))).await });
    }
    all.join_all().await.iter().filter(|outcome| !matches!(outcome, Outcome::Applied(Some(_)))).count()
}

#[tokio::test]
async fn more_connections_than_workers_are_no_trouble_without_a_web_server_between() {
    let with_two_workers = async || koha(|m| (m.workers, m.behind_web_server) = (2, false)).await;
    let koha = with_two_workers().await;
    let ils = Arc::new(directory(&koha, |_| {}));
    assert_eq!(load(&ils, 40).await, 0);
    // Nor do our idle connections keep anybody else waiting.
    let other = directory(&koha, |s| s.deadline = Duration::from_millis(400));
    found(&other, &barcode("7800000000")).await;
    // Kept open, two connections would have both workers, and the other two nobody.
    let trap = with_two_workers().await;
    let ils = Arc::new(directory(&trap, |s| {
        (s.reuse, s.deadline) = (Reuse::Always, Duration::from_millis(400));
    }));
    assert!(load(&ils, 400).await > 0, "the trap is one");
}
