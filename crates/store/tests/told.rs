//! What contacts were told: written beside a writer, kept in place of what was there, and gone with whom it was about.

mod common;

use common::{key, open};
use rostercard_core::digest::Digest;
use rostercard_store::conformance::sample::{moment, partnership};
use rostercard_store::keep::Told;
use rostercard_store::{SqliteStore, Store, StoreError};

fn told(contact: &str, partnership: &str, kind: &str) -> Told {
    Told {
        contact: contact.into(),
        partnership: partnership.into(),
        kind: kind.into(),
        digest: Digest([7; 16]),
        since: moment(100),
        told_at: Some(moment(101)),
        over: false,
        tries: 2,
        retry_at: Some(moment(160)),
    }
}

#[tokio::test]
async fn what_was_told_is_remembered_beside_a_writer_and_goes_with_its_partnership() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let nobody = SqliteStore::told_beside(&path, &key());
    assert!(matches!(nobody, Err(StoreError::NoStore { .. })));
    // Somebody else has the store for writing all the while.
    let writer = open(&path).unwrap();
    let row = partnership(&writer).await.id;
    let id = writer.partnerships().await.unwrap().pop().unwrap().permanent_id;
    let all = vec![told("Kim", "", "ends"), told("Pat", &id, "failed"), told("Pat", &id, "waiting")];
    SqliteStore::note_told_beside(&path, &key(), &all).unwrap();
    assert_eq!(SqliteStore::told_beside(&path, &key()).unwrap(), all);
    let newer = Told { over: true, told_at: None, tries: 0, retry_at: None, ..all[1].clone() };
    SqliteStore::note_told_beside(&path, &key(), std::slice::from_ref(&newer)).unwrap();
    assert_eq!(SqliteStore::told_beside(&path, &key()).unwrap()[1], newer);

    let rejects = |n: u8| (1..=n).map(|n| (Digest([n; 16]), "name_missing".to_owned())).collect::<Vec<_>>();
    let known = |contact: &str| SqliteStore::told_rejects_beside(&path, &key(), row, contact).unwrap();
    SqliteStore::note_told_rejects_beside(&path, &key(), row, "Pat", &rejects(3)).unwrap();
    SqliteStore::note_told_rejects_beside(&path, &key(), row, "Pat", &rejects(2)).unwrap();
    assert_eq!((known("Pat"), known("Kim")), (rejects(2), Vec::new()));
    // A student is forgotten, here too.
    let removed = writer.forget(row, Digest([1; 16]), moment(200), "pat").await.unwrap();
    assert!(removed.iter().any(|removed| removed.table == "told_reject" && removed.rows == 1), "{removed:?}");
    assert_eq!(known("Pat"), rejects(2)[1..].to_vec());
    // And a purge takes the partnership's, and leaves what is about the whole.
    writer.purge(row, moment(300), "pat").await.unwrap();
    assert_eq!(SqliteStore::told_beside(&path, &key()).unwrap(), all[..1].to_vec());
    assert_eq!(known("Pat"), Vec::new());
}
