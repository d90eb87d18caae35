//! PINs that wait to be handed out.

use rostercard_core::digest::Digest;
use rostercard_core::plan::{ChangeKind, ChangeState};
use rostercard_core::privacy::Secret;

use super::sample::{applied, change, create, intend, moment, partnership, person, run};
use crate::rows::{NumberDraw, PartnershipId, PinBatchId, Settlement};
use crate::store::{Store, StoreError};

/// Cards with PINs `1000`, `1001`, ...
pub(super) async fn cards(store: &impl Store, people: std::ops::Range<u32>) -> PartnershipId {
    let id = partnership(store).await.id;
    let run = run(store, id).await;
    for n in people {
        let row =
            store.add_changes(run, vec![change(n, ChangeKind::Create, ChangeState::Ready)]).await.unwrap()[0];
        let number = NumberDraw::Given(super::sample::number(n));
        let intent = intend(store, create(run, row, id, n, number)).await.unwrap();
        let settlement = Settlement {
            pin: Some(Secret::new(format!("{}", 1000 + n))),
            at: moment(i64::from(n)),
            ..applied(id, intent.id, row, n)
        };
        store.settle(vec![settlement]).await.unwrap();
    }
    id
}

async fn kept(store: &impl Store, id: PartnershipId) -> Vec<(Digest, String, Option<PinBatchId>)> {
    let pins = store.pins(id).await.unwrap();
    pins.into_iter().map(|kept| (kept.person, kept.pin.reveal().to_owned(), kept.batch)).collect()
}

/// A PIN is there, again and again, until the batch in which it was handed out is confirmed or old.
pub async fn pins_are_kept_until_their_batch_is_confirmed(store: &impl Store) {
    let id = cards(store, 0..4).await;
    let mut all = kept(store, id).await;
    all.sort_by(|a, b| a.1.cmp(&b.1));
    let expected: Vec<_> = (0..4).map(|n| (person(n), format!("{}", 1000 + n), None)).collect();
    assert_eq!(all, expected);

    let first = store.export_pins(id, &[person(0), person(1)], moment(100), "pat").await.unwrap();
    let second = store.export_pins(id, &[person(1), person(2)], moment(200), "kim").await.unwrap();
    let batches = store.pin_batches(id).await.unwrap();
    assert_eq!(
        batches.iter().map(|b| (b.id, b.pins, b.kept)).collect::<Vec<_>>(),
        [(first, 2, 1), (second, 2, 2)]
    );
    assert_eq!((batches[0].who.as_str(), batches[0].at), ("pat", moment(100)));
    assert_eq!(store.pins_waiting(id).await.unwrap(), 4, "exported is not yet handed out");

    let nobody = store.export_pins(id, &[person(0), person(9)], moment(300), "pat").await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })), "{nobody:?}");
    assert_eq!(store.pin_batches(id).await.unwrap().len(), 2, "all or none");

    assert_eq!(store.confirm_pins(id, Some(second), moment(400), "pat").await.unwrap(), 2);
    assert_eq!(store.confirm_pins(id, Some(second), moment(401), "pat").await.unwrap(), 0);
    let unknown = store.confirm_pins(id, Some(PinBatchId(999)), moment(400), "pat").await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
    assert_eq!(store.pins_waiting(id).await.unwrap(), 2);
    assert_eq!(store.pin_batches(id).await.unwrap()[1].confirmed.as_ref().map(|c| c.1.as_str()), Some("pat"));

    assert_eq!(store.forget_pins(id, moment(100)).await.unwrap(), 0);
    assert_eq!(store.forget_pins(id, moment(101)).await.unwrap(), 1);
    assert_eq!(
        kept(store, id).await,
        [(person(3), "1003".to_owned(), None)],
        "never handed out, never forgotten"
    );
    assert_eq!(store.confirm_pins(id, None, moment(500), "pat").await.unwrap(), 0);
}

/// A PIN that was set anew has not been handed out.
pub async fn a_new_pin_is_in_no_batch(store: &impl Store) {
    let id = cards(store, 0..1).await;
    store.export_pins(id, &[person(0)], moment(100), "pat").await.unwrap();
    let run = run(store, id).await;
    let row = store.add_changes(run, vec![change(0, ChangeKind::Pin, ChangeState::Ready)]).await.unwrap()[0];
    let mut new = create(run, row, id, 0, NumberDraw::Given(super::sample::number(0)));
    new.kind = crate::rows::IntentKind::SetPin;
    let intent = intend(store, new).await.unwrap();
    let settlement =
        Settlement { link: None, pin: Some(Secret::new("7777")), ..applied(id, intent.id, row, 0) };
    store.settle(vec![settlement]).await.unwrap();
    assert_eq!(kept(store, id).await, [(person(0), "7777".to_owned(), None)]);
    assert_eq!(store.confirm_pins(id, None, moment(500), "pat").await.unwrap(), 0);
}
