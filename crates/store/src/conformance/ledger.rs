//! Cases about the ledger.

use jiff::civil::date;
use rostercard_core::who::Who;
use rostercard_core::words::LinkState;

use super::sample::{DAY, ILS, bare_link, link, number, partnership, person};
use crate::Store;
use crate::rows::{LinkId, LinkWrite, Missing, PartnershipId};
use crate::store::StoreError;

/// Everything that a link holds comes back, and everybody else is left out.
pub async fn links_come_back_as_they_were_written(store: &impl Store) {
    let id = partnership(store).await.id;
    store.write_links(id, vec![link(1), bare_link(2), link(3)]).await.unwrap();
    let links = store.links(id, &[person(2), person(99), person(1)]).await.unwrap();
    assert_eq!(links.len(), 2);
    for (found, written) in links.iter().zip([bare_link(2), link(1)]) {
        assert_eq!(found.person, written.person);
        assert_eq!(found.data, written.data);
        assert_eq!((found.missing_since, found.feeds_missed), (None, 0));
    }
    let other = store.partnership("district-two", ILS, "two").await.unwrap();
    assert!(store.links(other.id, &[person(1)]).await.unwrap().is_empty());
    let nobody = store.write_links(PartnershipId(999), vec![bare_link(1)]).await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })), "{nobody:?}");
}

/// The narrow rows agree with the whole ones, and come in the order in which a run joins them.
pub async fn the_index_is_in_order_of_people(store: &impl Store) {
    let id = partnership(store).await.id;
    let other = store.partnership("district-two", "ils-two", "two").await.unwrap();
    let written: Vec<_> = (0..500).map(|n| if n % 7 == 0 { bare_link(n) } else { link(n) }).collect();
    store.write_links(id, written.clone()).await.unwrap();
    store.write_links(other.id, vec![link(1)]).await.unwrap();
    let index = store.index(id).await.unwrap();
    assert_eq!(index.len(), 500);
    assert!(index.is_sorted_by(|a, b| a.person < b.person));
    for write in &written {
        let at = index.binary_search_by(|row| row.person.cmp(&write.person)).unwrap();
        let row = index[at];
        assert_eq!(
            (row.decided, row.state, row.expiry),
            (write.data.decided, write.data.state, write.data.expiry)
        );
        assert_eq!((row.missing_since, row.feeds_missed), (None, 0));
        let whole = store.links(id, &[write.person]).await.unwrap().remove(0);
        assert_eq!(whole.id, row.link);
    }
    assert_eq!(store.index(other.id).await.unwrap().len(), 1);
}

/// Written again, a link is changed, keeps its row, and is there again.
pub async fn a_person_has_one_link_in_a_partnership(store: &impl Store) {
    let id = partnership(store).await.id;
    store.write_links(id, vec![bare_link(1)]).await.unwrap();
    let before = store.index(id).await.unwrap()[0];
    let missing = Missing { link: before.link, since: Some(DAY), feeds: 3 };
    store.write_missing(vec![missing]).await.unwrap();
    store.write_links(id, vec![link(1)]).await.unwrap();
    let links = store.links(id, &[person(1)]).await.unwrap();
    assert_eq!(links.len(), 1);
    assert_eq!((links[0].id, &links[0].data), (before.link, &link(1).data));
    assert_eq!((links[0].missing_since, links[0].feeds_missed), (None, 0));
    // And in another partnership of another ILS, another one.
    let other = store.partnership("district-two", "ils-two", "two").await.unwrap();
    store.write_links(other.id, vec![link(1)]).await.unwrap();
    assert_ne!(store.index(other.id).await.unwrap()[0].link, before.link);
}

/// S09: a grace is counted in days and in complete feeds.
pub async fn missing_people_are_noted_and_come_back(store: &impl Store) {
    let id = partnership(store).await.id;
    store.write_links(id, vec![link(1), link(2)]).await.unwrap();
    let index = store.index(id).await.unwrap();
    let missing = |link, since, feeds| Missing { link, since, feeds };
    let notes = vec![
        missing(index[0].link, Some(DAY), 1),
        missing(index[1].link, Some(date(1969, 12, 31)), 4_000_000_000),
    ];
    store.write_missing(notes).await.unwrap();
    let noted = store.index(id).await.unwrap();
    assert_eq!((noted[0].missing_since, noted[0].feeds_missed), (Some(DAY), 1));
    assert_eq!((noted[1].missing_since, noted[1].feeds_missed), (Some(date(1969, 12, 31)), 4_000_000_000));
    let whole = store.links(id, &[noted[0].person]).await.unwrap();
    assert_eq!((whole[0].missing_since, whole[0].feeds_missed), (Some(DAY), 1));
    store.write_missing(vec![missing(index[0].link, None, 0)]).await.unwrap();
    assert_eq!(store.index(id).await.unwrap()[0], index[0]);
    // One link that is not there, and none of the batch is written.
    let batch = vec![missing(index[0].link, Some(DAY), 9), missing(LinkId(999_999), Some(DAY), 9)];
    assert!(matches!(store.write_missing(batch).await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.index(id).await.unwrap()[0], index[0]);
}

/// S07: one number is one person's in all partnerships of an ILS, and another's in another ILS.
pub async fn no_two_people_have_one_number_in_an_ils(store: &impl Store) {
    let id = partnership(store).await.id;
    let same_ils = store.partnership("district-two", ILS, "two").await.unwrap().id;
    let other_ils = store.partnership("district-three", "ils-two", "three").await.unwrap().id;
    store.write_links(id, vec![link(1)]).await.unwrap();
    let mut thief = link(2);
    thief.data.barcode = Some(number(1));
    for partnership in [id, same_ils] {
        let error = store.write_links(partnership, vec![thief.clone()]).await;
        assert!(matches!(error, Err(StoreError::PatronTaken)), "{error:?}");
        assert!(store.links(partnership, &[person(2)]).await.unwrap().is_empty());
    }
    store.write_links(other_ils, vec![thief.clone()]).await.unwrap();
    store.write_links(id, vec![link(2)]).await.unwrap();
    let error = store.write_links(id, vec![thief]).await;
    assert!(matches!(error, Err(StoreError::PatronTaken)), "a change to it too: {error:?}");
    // Two without a number do not share one.
    store.write_links(id, vec![bare_link(3), bare_link(4)]).await.unwrap();

    let numbers = [number(1), number(77), number(2)];
    let used = store.numbers_in_use(ILS, &numbers).await.unwrap();
    assert_eq!(used, [(number(1), person(1)), (number(2), person(2))]);
    let used = store.numbers_in_use("ils-two", &numbers).await.unwrap();
    assert_eq!(used, [(number(1), person(2))]);
    // A number that was given up is free.
    let mut renumbered = link(1);
    renumbered.data.barcode = Some(number(50));
    store.write_links(id, vec![renumbered]).await.unwrap();
    assert!(store.numbers_in_use(ILS, &[number(1)]).await.unwrap().is_empty());
}

/// All of a batch, or none of it.
pub async fn a_batch_of_links_is_written_whole_or_not_at_all(store: &impl Store) {
    let id = partnership(store).await.id;
    let mut thief = link(2);
    thief.data.barcode = Some(number(1));
    let error = store.write_links(id, vec![link(1), thief]).await;
    assert!(matches!(error, Err(StoreError::PatronTaken)), "{error:?}");
    assert!(store.index(id).await.unwrap().is_empty());
    store.write_links(id, Vec::new()).await.unwrap();
}

/// Who has the names and the birth date of a child of another partnership is found, in the same ILS only.
pub async fn one_child_is_found_in_another_partnership(store: &impl Store) {
    let (id, who) = (partnership(store).await.id, Who([7, 8, 9]));
    let other = store.partnership("district-two", ILS, "two").await.unwrap().id;
    let far = store.partnership("district-three", "ils-two", "three").await.unwrap().id;
    let mut here = link(1);
    who.mark(&mut here.data.digests);
    store.write_links(id, vec![here.clone(), link(2)]).await.unwrap();
    let found = store.alike_elsewhere(other, who).await.unwrap();
    let found: Vec<_> = found.iter().map(|(id, link)| (*id, link.person, &link.data)).collect();
    assert_eq!(found, [(id, here.person, &here.data)]);
    assert!(store.alike_elsewhere(id, who).await.unwrap().is_empty(), "its own people are not elsewhere");
    assert!(store.alike_elsewhere(far, who).await.unwrap().is_empty(), "in another ILS");
    // The index's number is short: another child that shares it is not the same.
    let namesake = Who([8_u64.rotate_left(23).rotate_right(1), 7_u64.rotate_left(1).rotate_right(23), 9]);
    assert_eq!(namesake.short(), who.short());
    assert!(store.alike_elsewhere(other, namesake).await.unwrap().is_empty());
    Who::forget(&mut here.data.digests);
    store.write_links(id, vec![here]).await.unwrap();
    assert!(store.alike_elsewhere(other, who).await.unwrap().is_empty());
}

/// A card has one owner at any time, and its PIN goes along.
pub async fn a_card_goes_to_another_partnership_with_its_pin(store: &impl Store) {
    let id = super::pins::cards(store, 1..3).await;
    let other = store.partnership("district-two", ILS, "two").await.unwrap().id;
    let held = store.links(id, &[person(1)]).await.unwrap()[0].data.clone();
    let mut left = bare_link(1);
    left.data.state = LinkState::Skipped;
    let taken = LinkWrite { person: person(71), data: held.clone() };
    store.hand_over((id, left.clone()), (other, taken)).await.unwrap();
    assert_eq!(store.links(other, &[person(71)]).await.unwrap()[0].data, held);
    assert_eq!(store.links(id, &[person(1)]).await.unwrap()[0].data, left.data);
    let pins = store.pins(other).await.unwrap();
    assert_eq!(
        pins.iter().map(|kept| (kept.person, kept.pin.reveal())).collect::<Vec<_>>(),
        [(person(71), "1001")]
    );
    assert_eq!(store.pins_waiting(id).await.unwrap(), 1);
    // What cannot be done whole is not done at all.
    let thief =
        LinkWrite { person: person(72), data: store.links(id, &[person(2)]).await.unwrap()[0].data.clone() };
    let error = store.hand_over((id, left.clone()), (other, thief)).await;
    assert!(matches!(error, Err(StoreError::PatronTaken)), "{error:?}");
    assert!(store.links(other, &[person(72)]).await.unwrap().is_empty());
}

/// Counts by state.
pub async fn links_are_counted_by_state(store: &impl Store) {
    let id = partnership(store).await.id;
    assert!(store.state_counts(id).await.unwrap().is_empty());
    for (i, state) in LinkState::ALL.iter().enumerate() {
        let n = u32::try_from(i).unwrap();
        let links = (0..=n).map(|k| {
            let mut link = bare_link(n * 100 + k);
            link.data.state = *state;
            link
        });
        store.write_links(id, links.collect()).await.unwrap();
    }
    let counts = store.state_counts(id).await.unwrap();
    assert_eq!(counts.len(), LinkState::ALL.len());
    for count in counts {
        let at = LinkState::ALL.iter().position(|state| *state == count.state).unwrap();
        assert_eq!(count.count, at as u64 + 1);
    }
}

/// Links that are alike are counted together, whoever they are.
pub async fn links_are_counted_for_reports(store: &impl Store) {
    let id = partnership(store).await.id;
    let alike = |n: u32| {
        let mut write = link(n);
        write.data.school = ("1".into(), "1 Oak".into());
        write.data.grade = Some(10);
        write
    };
    let mut other = alike(3);
    other.data.grade = Some(11);
    store.write_links(id, vec![alike(1), alike(2), other]).await.unwrap();
    let cells = store.link_cells(id).await.unwrap();
    let counts: Vec<_> = cells.iter().map(|cell| (cell.school.1.as_str(), cell.grade, cell.count)).collect();
    assert_eq!(counts, [("1 Oak", Some(10), 2), ("1 Oak", Some(11), 1)]);
    assert_eq!((cells[0].state, cells[0].model), (link(1).data.state, link(1).data.model));
}
