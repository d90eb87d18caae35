//! What people decided about people.

use rostercard_core::digest::Digest;
use rostercard_core::words::LinkState;

use super::sample::{ILS, link, moment, partnership};
use crate::Store;
use crate::rows::{Answer, Wish};
use crate::store::StoreError;

fn person(number: u8) -> Digest {
    Digest([number; 16])
}

/// A wish holds until somebody ends it or says the opposite; said twice it is one, and learns who it is about.
pub async fn a_wish_holds_until_it_is_ended(store: &impl Store) {
    let id = partnership(store).await.id;
    let wish = Wish {
        person: person(1),
        identity: None,
        wants: false,
        at: moment(10),
        who: "pat".into(),
        origin: "command".into(),
    };
    assert_eq!(store.write_wishes(id, vec![wish.clone()]).await.unwrap(), 1);
    let again = Wish { identity: Some(person(9)), at: moment(20), origin: "file".into(), ..wish.clone() };
    assert_eq!(store.write_wishes(id, vec![again]).await.unwrap(), 0);
    let held = Wish { identity: Some(person(9)), ..wish.clone() };
    assert_eq!(store.wishes(id).await.unwrap(), [held]);
    let yes = Wish { wants: true, at: moment(25), ..wish.clone() };
    assert_eq!(store.write_wishes(id, vec![yes.clone()]).await.unwrap(), 1);
    assert_eq!(store.wishes(id).await.unwrap(), [yes]);
    assert_eq!(store.end_wishes(id, &[person(1), person(2)], moment(30), "kim").await.unwrap(), 1);
    assert!(store.wishes(id).await.unwrap().is_empty());
    let other = store.partnership("district-two", ILS, "two").await.unwrap();
    assert!(store.wishes(other.id).await.unwrap().is_empty());
}

/// Answers come with what the ledger learns of them.
pub async fn answers_are_kept_with_what_the_ledger_learns(store: &impl Store) {
    let id = partnership(store).await.id;
    let mut write = link(0);
    let answer = Answer {
        person: write.person,
        question: "gone".into(),
        answer: "leave".into(),
        at: moment(1),
        who: "pat".into(),
    };
    write.data.state = LinkState::Skipped;
    store.write_answers(id, vec![answer.clone()], vec![write.clone()]).await.unwrap();
    assert_eq!(store.answers(id).await.unwrap(), [answer]);
    assert_eq!(store.links(id, &[write.person]).await.unwrap()[0].data, write.data);
}

/// A person with a new number keeps the link; two may swap their numbers; nobody's card is taken away.
pub async fn links_go_along_with_new_keys(store: &impl Store) {
    let id = partnership(store).await.id;
    let (one, two, three) = (link(0), link(1), link(2));
    store.write_links(id, vec![one.clone(), two.clone(), three.clone()]).await.unwrap();
    store.rekey(id, vec![(one.person, two.person), (two.person, one.person)]).await.unwrap();
    let links = store.links(id, &[one.person, two.person]).await.unwrap();
    assert_eq!((&links[0].data, &links[1].data), (&two.data, &one.data));
    let taken = store.rekey(id, vec![(one.person, three.person)]).await;
    assert!(matches!(taken, Err(StoreError::PatronTaken)), "{taken:?}");
    assert_eq!(store.links(id, &[one.person]).await.unwrap()[0].data, two.data, "all or none");
    store.rekey(id, vec![(three.person, person(77))]).await.unwrap();
    assert_eq!(store.links(id, &[person(77)]).await.unwrap()[0].data, three.data);
    assert!(store.links(id, &[three.person]).await.unwrap().is_empty());
    assert_eq!(store.index(id).await.unwrap().len(), 3);
}

/// Where a source goes on from stays until it is written anew.
pub async fn a_cursor_stays_until_a_newer_one(store: &impl Store) {
    let id = partnership(store).await.id;
    store.write_cursor(id, Some("one"), Some(moment(5))).await.unwrap();
    store.write_cursor(id, Some("two"), None).await.unwrap();
    let held = partnership(store).await;
    assert_eq!((held.cursor.as_deref(), held.full_at), (Some("two"), Some(moment(5))));
}

/// A partnership moves to another ILS with its links.
pub async fn a_partnership_moves_with_its_links(store: &impl Store) {
    let id = partnership(store).await.id;
    let mut moved = link(0);
    store.write_links(id, vec![moved.clone()]).await.unwrap();
    moved.data.patron_id = Some(rostercard_core::privacy::Personal::new("new-4711"));
    store.move_ils(id, "ils-two", vec![moved.clone()]).await.unwrap();
    assert_eq!(partnership(store).await.ils, "ils-two");
    assert_eq!(store.links(id, &[moved.person]).await.unwrap()[0].data, moved.data);
    let number = moved.data.barcode.unwrap();
    assert!(store.numbers_in_use(ILS, std::slice::from_ref(&number)).await.unwrap().is_empty());
    assert_eq!(store.numbers_in_use("ils-two", &[number]).await.unwrap().len(), 1);
}
