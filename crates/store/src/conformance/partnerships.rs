//! Cases about partnerships and schools.

use super::sample::{ILS, decided, head, link, moment, partnership, school};
use crate::Store;
use crate::rows::PartnershipId;
use crate::store::StoreError;

/// The same permanent id is the same partnership, whatever its name is by now.
pub async fn a_partnership_is_made_once(store: &impl Store) {
    let first = partnership(store).await;
    assert_eq!((first.permanent_id.as_str(), first.ils.as_str()), ("district-one", ILS));
    assert!(!first.let_through && first.rules.is_none() && first.endpoint.is_none() && first.as_of.is_none());
    let renamed = store.partnership("district-one", ILS, "renamed").await.unwrap();
    assert_eq!((renamed.id, renamed.name.as_str()), (first.id, "renamed"));
    let moved = store.partnership("district-one", "ils-two", "renamed").await.unwrap();
    assert_eq!(moved.ils, ILS, "its numbers are numbers of the ILS it was made with");
    let other = store.partnership("district-two", ILS, "two").await.unwrap();
    assert_ne!(other.id, first.id);
    assert_eq!(store.partnerships().await.unwrap(), [renamed, other]);
}

/// Rules and endpoint are those that were let through; the moment is that of the last roster that was taken (S36, S38).
pub async fn what_was_let_through_stays_until_something_else_is(store: &impl Store) {
    let id = partnership(store).await.id;
    store.write_taken(id, &head(1), false).await.unwrap();
    let waits = partnership(store).await;
    assert_eq!((waits.let_through, waits.rules, waits.endpoint), (false, None, None));
    assert_eq!(waits.as_of, Some(moment(1)));
    store.write_taken(id, &head(2), true).await.unwrap();
    store.write_taken(id, &head(3), false).await.unwrap();
    let through = partnership(store).await;
    assert!(through.let_through);
    assert_eq!(through.rules, Some(decided(1002)));
    assert_eq!(through.endpoint.as_deref(), Some("https://sis.example.org/2"));
    assert_eq!(through.as_of, Some(moment(3)));
    let nobody = store.write_taken(PartnershipId(999), &head(1), true).await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })), "{nobody:?}");
}

/// A school is known by its key, and shown by its last label.
pub async fn schools_have_the_label_they_had_last(store: &impl Store) {
    let id = partnership(store).await.id;
    store.write_links(id, vec![link(0), link(1), link(3)]).await.unwrap();
    let mut renamed = link(4);
    renamed.data.school = (school(1).0, "School One".to_owned());
    store.write_links(id, vec![renamed]).await.unwrap();
    let mut schools = store.schools(id).await.unwrap();
    schools.sort_by(|a, b| a.key.cmp(&b.key));
    let shown: Vec<_> = schools.iter().map(|s| (s.key.as_str(), s.label.as_str())).collect();
    assert_eq!(shown, [("school-0", "School 0"), ("school-1", "School One")]);
    let index = store.index(id).await.unwrap();
    assert!(index.iter().all(|row| schools.iter().any(|s| s.id == row.school)));
    let other = store.partnership("district-two", ILS, "two").await.unwrap();
    assert!(store.schools(other.id).await.unwrap().is_empty());
}
