//! Who is who: cards that are there already, twins, numbers that were corrected or given again, patrons that are gone; and
//! what a person's answer makes of it.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod support;

use jiff::civil::date;
use rostercard_core::field::{Field, Ownership};
use rostercard_core::plan::RunState;
use rostercard_core::privacy::{BirthDate, Personal};
use rostercard_core::reason::Review;
use rostercard_core::review::ReviewAnswer;
use rostercard_core::rules::Existing;
use rostercard_core::words::LinkState;
use rostercard_engine::{EngineError, OpenReview, RunReport, SelectionError, Whose};
use rostercard_store::Store;
use rostercard_store::rows::Link;
use support::ils::Mishap;
use support::{Kid, SETTLE_AFTER, Town, kid, kids};

fn barcode(kid: &Kid) -> String {
    format!("77{:0>8}", kid.id)
}

async fn link(town: &Town, id: &str) -> Option<Link> {
    town.store.links(town.partnership().await, &[town.key_of(id)]).await.unwrap().pop()
}

async fn only_review(town: &Town) -> OpenReview {
    let mut reviews = town.engine().reviews().await.unwrap();
    assert_eq!(reviews.len(), 1, "{reviews:?}");
    reviews.remove(0)
}

async fn answer(town: &Town, said: ReviewAnswer, barcode: Option<&str>) -> Result<OpenReview, EngineError> {
    let number = barcode.map(Personal::new);
    let review = only_review(town).await;
    town.engine().answer(Whose::Number(review.number), said, number.as_ref(), "pat").await
}

/// A town whose library links to cards that are there.
fn linking() -> Town {
    let mut town = Town::new().open();
    town.settings.rules.existing = Existing::Link;
    for field in [Field::StudentId, Field::Email] {
        town.settings.rules.fields.set(field, Ownership::Library);
    }
    town
}

/// A family's own card for a student.
fn own_card(town: &Town, number: &str, kid: &Kid, student_id: Option<&str>) {
    town.ils.staff_add(number, &kid.family);
    town.ils.staff(number, |values| {
        values.given_name = Some(Personal::new(&kid.given));
        values.birth_date = Some(BirthDate::new(date(kid.born.0, kid.born.1, kid.born.2)));
        values.student_id = student_id.map(Personal::new);
        values.category = Some("JUV".into());
        values.home_branch = Some("NORTH".into());
        values.expiry = Some(date(2031, 1, 1));
        values.phone = Some(Personal::new("530 555 0199"));
    });
}

fn counts(report: &RunReport) -> (u64, u64, u64, u64) {
    let counts = report.run.result.counts;
    (counts.create, counts.link, counts.review, report.run.result.writes)
}

#[tokio::test]
async fn s04_a_card_of_the_familys_is_linked_and_only_the_agreed_fields_are_added() {
    let town = linking();
    let people = kids(4);
    own_card(&town, "F-1", &people[0], Some(&people[0].id));
    own_card(&town, "F-2", &people[1], None);
    let before = [town.ils.held("F-1").unwrap(), town.ils.held("F-2").unwrap()];
    let report = town.sync(&people).await;
    // The second agrees by names and birth date alone: a question.
    assert_eq!(counts(&report), (2, 1, 1, 2));
    for (number, before) in ["F-1", "F-2"].iter().zip(&before) {
        let after = town.ils.held(number).unwrap();
        assert_eq!((after.values, after.pin), (before.values.clone(), before.pin.clone()), "{number}");
    }
    let linked = link(&town, &people[0].id).await.unwrap();
    assert_eq!(linked.data.state, LinkState::Linked);
    assert_eq!(linked.data.barcode.unwrap().reveal(), "F-1");
    assert_eq!(counts(&town.sync(&people).await).3, 0, "nothing the second time");
    // Whatever the roster says of the linked child from now on, the card stays the family's.
    let mut changed = people.clone();
    (changed[0].family, changed[0].school) = ("Renamed".into(), "B".into());
    assert_eq!(counts(&town.sync(&changed).await).3, 0);
    assert_eq!(town.ils.held("F-1").unwrap().values, before[0].values);

    answer(&town, ReviewAnswer::Link, Some("F-2")).await.unwrap();
    let report = town.sync(&changed).await;
    assert_eq!(report.run.result.counts.review, 0);
    let held = town.ils.held("F-2").unwrap().values;
    assert_eq!(held.student_id.unwrap().reveal(), people[1].id, "the agreed field was empty and is filled");
    assert_eq!((held.category, held.expiry), (before[1].values.category.clone(), before[1].values.expiry));
    assert_eq!(counts(&town.sync(&changed).await).3, 0);
}

#[tokio::test]
async fn s04_skip_makes_none_beside_it_and_separate_does_not_look() {
    for (existing, made, found) in [(Existing::Skip, 3, 1), (Existing::Separate, 4, 0)] {
        let mut town = linking();
        town.settings.rules.existing = existing;
        let people = kids(4);
        own_card(&town, "F-1", &people[0], Some(&people[0].id));
        let report = town.sync(&people).await;
        assert_eq!(report.run.result.counts.create, made, "{existing}");
        assert_eq!(report.run.result.counts.not_eligible, found, "{existing}");
        let again = town.sync(&people).await;
        assert_eq!((again.run.result.lookups, again.run.result.writes), (0, 0), "{existing}");
    }
}

#[tokio::test]
async fn s03_a_search_that_failed_makes_no_card() {
    let town = linking();
    let people = kids(3);
    let mut calls = 0;
    town.ils.script(move |service| {
        calls += u32::from(service == "find");
        if calls == 1 && service == "find" { Mishap::LostBefore } else { Mishap::None }
    });
    let report = town.sync(&people).await;
    assert_eq!((report.run.state, report.run.result.failed), (RunState::Failed, 1));
    assert_eq!(town.ils.patrons().len(), 2);
    assert_eq!(town.sync(&people).await.run.result.counts.create, 1);
}

#[tokio::test]
async fn s06_twins_and_namesakes_are_never_crossed() {
    let town = linking();
    let twin = |id: &str, given: &str| Kid { born: (2014, 3, 3), ..kid(id, given, "Byrd", "A") };
    let people = [twin("1001", "Ada"), twin("1002", "Ida"), twin("1003", "Ada")];
    own_card(&town, "F-1", &people[0], Some("1001"));
    own_card(&town, "F-9", &people[2], Some("9999"));
    let report = town.sync(&people).await;
    // Ada 1001 is linked by her number; Ida is another; Ada 1003 has a namesake born the same day, twice.
    assert_eq!(counts(&report), (1, 1, 1, 1));
    assert_eq!(only_review(&town).await.question, Review::PossiblePatron);
    answer(&town, ReviewAnswer::Separate, None).await.unwrap();
    let report = town.sync(&people).await;
    assert_eq!(counts(&report), (1, 0, 0, 1));
    assert_eq!(link(&town, "1003").await.unwrap().data.state, LinkState::Made);
    assert_eq!(counts(&town.sync(&people).await), (0, 0, 0, 0));
    let answers = town.store.answers(town.partnership().await).await.unwrap();
    assert_eq!((answers.len(), answers[0].answer.as_str(), answers[0].who.as_str()), (1, "separate", "pat"));
}

#[tokio::test]
async fn s31_an_extract_finds_what_the_ils_cannot_be_searched_for() {
    use rostercard_core::matching::Extract;
    use rostercard_core::patron::PatronValues;
    let mut town = linking();
    let people = kids(3);
    own_card(&town, "F-1", &people[0], None);
    let mut row: PatronValues = town.ils.held("F-1").unwrap().values;
    row.student_id = Some(Personal::new(&people[0].id));
    town.ils.searchable(false);
    town.settings.extract = Some(std::sync::Arc::new(Extract::new(vec![row], town.store.digest_key())));
    let report = town.sync(&people).await;
    assert_eq!(counts(&report), (2, 1, 0, 3), "the student number of the extract is added to the card");
}

#[tokio::test]
async fn s05_a_card_that_staff_upgraded_is_the_familys_own_from_then_on() {
    let town = Town::new().open();
    let mut people = kids(30);
    town.sync(&people).await;
    town.ils.staff(&barcode(&people[0]), |values| {
        values.category = Some("JUV-FULL".into());
        values.phone = Some(Personal::new("530 555 0111"));
        values.expiry = Some(date(2032, 1, 1));
    });
    (people[0].family, people[0].school) = ("Renamed".into(), "C".into());
    let before = town.ils.held(&barcode(&people[0])).unwrap().values;
    let report = town.sync(&people).await;
    assert_eq!(report.run.result.writes, 0);
    assert!(report.run.result.findings.contains_key("upgraded_by_staff"));
    assert_eq!(town.ils.held(&barcode(&people[0])).unwrap().values, before);
    assert_eq!(link(&town, &people[0].id).await.unwrap().data.state, LinkState::Linked);
    // It is said once, and the card never lapses.
    let report = town.sync(&people).await;
    assert!(!report.run.result.findings.contains_key("upgraded_by_staff"));
    for _ in 0..40 {
        town.clock.days(1);
        town.sync(&people[1..]).await;
    }
    assert_eq!(town.ils.held(&barcode(&people[0])).unwrap().values, before);
    assert_eq!(link(&town, &people[0].id).await.unwrap().data.reason.as_deref(), Some("unlinked"));
}

#[tokio::test]
async fn s05_a_card_that_staff_upgraded_before_it_was_first_read_is_the_familys_own() {
    let town = Town::new().open();
    let people = kids(3);
    // The card was made, nobody heard of it, and nobody could look.
    let mut lost = false;
    town.ils.script(move |service| {
        lost |= service == "create";
        if lost { Mishap::LostAfter } else { Mishap::None }
    });
    town.sync(&people).await;
    town.ils.calm();
    town.ils.staff(&barcode(&people[0]), |values| values.category = Some("JUV-FULL".into()));
    town.clock.advance(SETTLE_AFTER * 2);
    let report = town.sync(&people).await;
    assert!(link(&town, &people[0].id).await.is_some(), "{:?}", report.run.result);
    for _ in 0..2 {
        town.clock.days(1);
        town.sync(&people).await;
    }
    assert_eq!(link(&town, &people[0].id).await.unwrap().data.state, LinkState::Linked);
    assert_eq!(town.ils.held(&barcode(&people[0])).unwrap().values.category, Some("JUV-FULL".into()));
    assert_eq!(town.ils.patrons().len(), 3);
}

#[tokio::test]
async fn s33_a_patron_that_is_gone_is_a_question_with_three_answers() {
    for said in [ReviewAnswer::Relink, ReviewAnswer::Recreate, ReviewAnswer::Leave] {
        let town = Town::new().open();
        let mut people = kids(30);
        town.sync(&people).await;
        let old = town.ils.held(&barcode(&people[0])).unwrap();
        town.ils.staff_delete(&barcode(&people[0]));
        town.ils.staff_add("NEW-CARD", &people[0].family);
        town.ils.staff("NEW-CARD", |values| {
            *values = old.values.clone();
            values.barcode = Some(Personal::new("NEW-CARD"));
        });
        people[0].family = "Renamed".into();
        assert_eq!(counts(&town.sync(&people).await), (0, 0, 1, 0));
        assert_eq!(counts(&town.sync(&people).await), (0, 0, 1, 0), "never made again by itself");
        assert_eq!(only_review(&town).await.question, Review::Gone);
        let wrong = answer(&town, ReviewAnswer::Same, None).await.unwrap_err();
        assert!(wrong.to_string().contains("relink, recreate, leave"), "{wrong}");
        let missing = answer(&town, ReviewAnswer::Relink, Some("NOBODY")).await.unwrap_err();
        assert!(matches!(missing, EngineError::Selection(SelectionError::Review { .. })), "{missing}");
        let taken = answer(&town, ReviewAnswer::Relink, Some(&barcode(&people[1]))).await.unwrap_err();
        assert!(taken.to_string().contains("another person"), "{taken}");
        answer(&town, said, Some("NEW-CARD")).await.unwrap();
        let report = town.sync(&people).await;
        let state = link(&town, &people[0].id).await.unwrap().data.state;
        match said {
            ReviewAnswer::Relink => {
                assert_eq!((report.run.result.counts.update, state), (1, LinkState::Made));
                let held = town.ils.held("NEW-CARD").unwrap().values;
                assert_eq!(held.surname.unwrap().reveal(), "Renamed");
            }
            ReviewAnswer::Recreate => assert_eq!((counts(&report), state), ((1, 0, 0, 1), LinkState::Made)),
            _ => assert_eq!((counts(&report), state), ((0, 0, 0, 0), LinkState::Skipped)),
        }
        assert_eq!(counts(&town.sync(&people).await).3, 0);
        assert!(town.engine().reviews().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn s34_a_corrected_number_is_one_person_and_keeps_the_card() {
    let town = Town::new().open();
    let people = kids(30);
    town.sync(&people).await;
    let mut corrected = people.clone();
    corrected[0].id = "555555".into();
    assert_eq!(counts(&town.sync(&corrected).await), (0, 0, 1, 0), "no second card");
    assert_eq!(counts(&town.sync(&corrected).await), (0, 0, 1, 0));
    assert_eq!(only_review(&town).await.question, Review::PerhapsRenumbered);
    answer(&town, ReviewAnswer::Same, None).await.unwrap();
    let report = town.sync(&corrected).await;
    assert_eq!(counts(&report), (0, 0, 0, 0));
    let kept = link(&town, "555555").await.unwrap();
    assert_eq!(
        (kept.data.state, kept.data.barcode.unwrap().reveal()),
        (LinkState::Made, &*barcode(&people[0]))
    );
    assert!(link(&town, &people[0].id).await.is_none());
    assert_eq!(town.ils.patrons().len(), 30);
}

#[tokio::test]
async fn s34_two_children_who_are_not_one_get_two_cards() {
    let town = Town::new().open();
    let people = kids(30);
    town.sync(&people).await;
    let mut other = people.clone();
    other[0].id = "555555".into();
    town.sync(&other).await;
    answer(&town, ReviewAnswer::Separate, None).await.unwrap();
    // The next roster has both.
    other.push(people[0].clone());
    assert_eq!(counts(&town.sync(&other).await), (1, 0, 0, 1));
    assert_eq!(town.ils.patrons().len(), 31);
}

#[tokio::test]
async fn s34_swapped_numbers_are_two_questions_and_a_corrected_name_is_none() {
    let town = Town::new().open();
    let mut people = kids(30);
    town.sync(&people).await;
    // A name alone, or a birth date alone, is a correction.
    people[5].family = "Married".into();
    people[6].born = (2013, 1, 1);
    assert_eq!(town.sync(&people).await.run.result.counts.update, 2);
    (people[0].given, people[0].family, people[0].born) = ("Ada".into(), "Byrd".into(), (2010, 1, 1));
    (people[1].given, people[1].family, people[1].born) = ("Max".into(), "Cole".into(), (2015, 9, 9));
    assert_eq!(counts(&town.sync(&people).await), (0, 0, 2, 0));
    assert_eq!(counts(&town.sync(&people).await), (0, 0, 2, 0));
    let reviews = town.engine().reviews().await.unwrap();
    assert!(reviews.iter().all(|review| review.question == Review::AnotherPerson));
    // One was the same person after all; the other's roster is corrected again.
    let person = town.key_of(&people[0].id);
    town.engine().answer(Whose::Person(person), ReviewAnswer::Same, None, "pat").await.unwrap();
    people[1] = kids(30)[1].clone();
    let report = town.sync(&people).await;
    assert_eq!((report.run.result.counts.update, report.run.result.counts.review), (1, 0));
    assert_eq!(town.patron(&barcode(&people[0])).values.surname.unwrap().reveal(), "Byrd");
    assert_eq!(link(&town, &people[1].id).await.unwrap().data.state, LinkState::Made);
}

#[tokio::test]
async fn s32_a_number_that_is_taken_can_be_taken_over_and_nothing_is_written() {
    let town = Town::new().open();
    let people = kids(5);
    own_card(&town, &barcode(&people[0]), &people[0], None);
    let before = town.ils.held(&barcode(&people[0])).unwrap().values;
    assert_eq!(counts(&town.sync(&people).await), (4, 0, 1, 4));
    answer(&town, ReviewAnswer::Link, Some(&barcode(&people[0]))).await.unwrap();
    assert_eq!(counts(&town.sync(&people).await), (0, 0, 0, 0));
    assert_eq!(link(&town, &people[0].id).await.unwrap().data.state, LinkState::Adopted);
    assert_eq!(town.ils.held(&barcode(&people[0])).unwrap().values, before);
}

#[tokio::test]
async fn s04_twins_of_the_roster_are_no_question_to_each_other_whoever_comes_first() {
    let town = linking();
    let twin = |id: &str, given: &str| Kid { born: (2014, 3, 3), ..kid(id, given, "Byrd", "A") };
    // One after another, so that the first has a card when the second is looked for.
    let namesakes = [twin("1001", "Ada"), twin("1002", "Ada")];
    let first = town.sync(&namesakes[..1]).await;
    assert_eq!(counts(&first), (1, 0, 0, 1));
    assert_eq!(counts(&town.sync(&namesakes).await), (1, 0, 0, 1));
    // Somebody of the same names and birth date who comes when the other has left may be the same child.
    assert_eq!(town.sync(&namesakes[1..]).await.run.result.absent, 1);
    let third = [namesakes[1].clone(), twin("1003", "Ada")];
    assert_eq!(town.sync(&third).await.run.result.counts.review, 1);
}
