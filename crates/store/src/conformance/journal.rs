//! Cases about the journal: intents, numbers, settlements, PINs.

use futures_join::all;
use rostercard_core::plan::{ChangeKind, ChangeState};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_core::words::LinkState;

use super::sample::{
    CANARY, ILS, applied, change, create, head, intend, link, moment, number, partnership, person, range,
    ready_creates, run, values,
};
use crate::Store;
use crate::rows::{
    ChangeId, Intent, IntentEnd, IntentId, IntentKind, NewIntent, NumberDraw, PartnershipId, RunId,
    Settlement,
};
use crate::store::StoreError;

/// Waiting for many futures at once, without a crate for it.
mod futures_join {
    use std::pin::Pin;
    use std::task::Poll;

    /// The results of all, in order.
    pub(super) async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
        let mut waiting: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
        let mut results: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
        std::future::poll_fn(|context| {
            for (future, result) in waiting.iter_mut().zip(&mut results) {
                if result.is_none()
                    && let Poll::Ready(output) = future.as_mut().poll(context)
                {
                    *result = Some(output);
                }
            }
            if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        results.into_iter().flatten().collect()
    }
}

struct Scene {
    id: PartnershipId,
    run: RunId,
    changes: Vec<ChangeId>,
}

/// A partnership and a run with so many creates that are ready.
async fn scene(store: &impl Store, people: u32) -> Scene {
    let id = partnership(store).await.id;
    let run = run(store, id).await;
    store.write_plan(run, head(1)).await.unwrap();
    let changes = ready_creates(store, run, 0..people).await;
    Scene { id, run, changes }
}

impl Scene {
    fn create(&self, n: u32, number: NumberDraw) -> NewIntent {
        create(self.run, self.changes[n as usize], self.id, n, number)
    }

    fn given(&self, n: u32) -> NewIntent {
        self.create(n, NumberDraw::Given(number(n)))
    }

    fn end(&self, intent: &Intent, end: IntentEnd) -> Settlement {
        Settlement {
            intent: Some((intent.id, end)),
            change: None,
            link: None,
            pin: None,
            partnership: self.id,
            at: moment(20),
        }
    }
}

/// After a crash there is nothing else to settle from.
pub async fn an_open_intent_has_everything(store: &impl Store) {
    let scene = scene(store, 2).await;
    let first = intend(store, scene.create(0, NumberDraw::Next(range(100, 199)))).await.unwrap();
    let mut update = scene.given(1);
    update.kind = IntentKind::Update;
    update.pin = None;
    update.before = Some(values(7));
    let second = intend(store, update).await.unwrap();
    let open = store.open_intents(scene.id).await.unwrap();
    assert_eq!(
        open.iter().map(|intent| intent.id).collect::<Vec<_>>(),
        [first.id, second.id],
        "oldest first"
    );
    let found = &open[0];
    assert_eq!((found.run, found.change, found.partnership), (scene.run, scene.changes[0], scene.id));
    assert_eq!((found.person, found.kind, found.attempts), (person(0), IntentKind::Create, 1));
    assert_eq!((&found.barcode, found.barcode.reveal()), (&first.barcode, "100"));
    assert_eq!(found.pin.as_ref().map(Secret::reveal), Some(format!("{CANARY}-pin-0").as_str()));
    assert_eq!((&found.values, found.at), (&values(0), moment(10)));
    assert_eq!(found.fields, scene.given(0).fields);
    let planned = change(0, ChangeKind::Create, ChangeState::Ready);
    assert_eq!((found.planned.id, found.planned.person), (scene.changes[0], person(0)));
    assert_eq!((&found.planned.school, found.planned.decided), (&planned.school, planned.decided));
    assert_eq!(*found.planned.spool, *planned.spool);
    assert_eq!((open[1].kind, &open[1].barcode), (IntentKind::Update, &number(1)));
    assert!(open[1].pin.is_none());
    let other = store.partnership("district-two", ILS, "two").await.unwrap();
    assert!(store.open_intents(other.id).await.unwrap().is_empty());
}

/// S01: a change that is under way draws no second number. Another step of it is another step.
pub async fn a_step_is_never_intended_twice(store: &impl Store) {
    let scene = scene(store, 2).await;
    let draw = |n| scene.create(n, NumberDraw::Next(range(100, 199)));
    let first = intend(store, draw(0)).await.unwrap();
    let again = store.intend(vec![draw(1), draw(0)]).await;
    assert!(matches!(again, Err(StoreError::IntentOpen { .. })), "{again:?}");
    let twice = store.intend(vec![draw(1), draw(1)]).await;
    assert!(matches!(twice, Err(StoreError::IntentOpen { .. })), "{twice:?}");
    assert_eq!(store.open_intents(scene.id).await.unwrap().len(), 1, "all or none");
    let mut pin = scene.given(0);
    pin.kind = IntentKind::SetPin;
    intend(store, pin).await.unwrap();
    let other = intend(store, draw(1)).await.unwrap();
    assert_eq!(other.barcode.reveal(), "101", "what failed drew nothing");
    // Once it has ended it may be intended again, with another number: the first may be on a card.
    store.settle(vec![scene.end(&first, IntentEnd::NotWritten)]).await.unwrap();
    assert_eq!(intend(store, draw(0)).await.unwrap().barcode.reveal(), "102");
    // A change that is not there, or is another person's, is no change.
    let mut wrong = scene.given(0);
    wrong.person = person(1);
    assert!(matches!(store.intend(vec![wrong]).await, Err(StoreError::NotFound { .. })));
    let mut nowhere = scene.given(0);
    nowhere.change = ChangeId(999_999);
    assert!(matches!(store.intend(vec![nowhere]).await, Err(StoreError::NotFound { .. })));
}

/// In order, for all partnerships of an ILS together, each ILS for itself.
pub async fn numbers_are_drawn_once_and_in_order(store: &impl Store) {
    let scene = scene(store, 5).await;
    let draw = |n, range| scene.create(n, NumberDraw::Next(range));
    let batch = store.intend(vec![draw(0, range(100, 199)), draw(1, range(100, 199))]).await.unwrap();
    let drawn: Vec<_> = batch.iter().map(|intent| intent.barcode.reveal().to_owned()).collect();
    assert_eq!(drawn, ["100", "101"]);
    for (permanent_id, ils, expected) in [("district-two", ILS, "102"), ("district-three", "ils-two", "100")]
    {
        let id = store.partnership(permanent_id, ils, permanent_id).await.unwrap().id;
        let run = run(store, id).await;
        let changes = ready_creates(store, run, 0..1).await;
        let intent = create(run, changes[0], id, 0, NumberDraw::Next(range(100, 199)));
        assert_eq!(intend(store, intent).await.unwrap().barcode.reveal(), expected);
    }
    // A range that grew goes on; one that was moved begins at its start.
    assert_eq!(intend(store, draw(2, range(100, 299))).await.unwrap().barcode.reveal(), "103");
    assert_eq!(intend(store, draw(3, range(500, 599))).await.unwrap().barcode.reveal(), "500");
    let mut other_name = range(100, 199);
    other_name.name = "second".into();
    assert_eq!(
        intend(store, draw(4, other_name)).await.unwrap().barcode.reveal(),
        "104",
        "those under way are skipped"
    );
}

/// Used up is used up, and half a batch is not intended.
pub async fn a_range_that_is_used_up_says_so_and_nothing_is_intended(store: &impl Store) {
    let scene = scene(store, 3).await;
    let draws =
        |people: std::ops::Range<u32>| people.map(|n| scene.create(n, NumberDraw::Next(range(100, 101))));
    let error = store.intend(draws(0..3).collect()).await;
    assert!(matches!(&error, Err(StoreError::RangeUsedUp { range }) if range == "main"), "{error:?}");
    assert!(store.open_intents(scene.id).await.unwrap().is_empty());
    let batch = store.intend(draws(0..2).collect()).await.unwrap();
    assert_eq!(batch[1].barcode.reveal(), "101");
    for _ in 0..2 {
        let error = store.intend(draws(2..3).collect()).await;
        assert!(matches!(error, Err(StoreError::RangeUsedUp { .. })), "{error:?}");
    }
}

/// Numbers that somebody has already are passed over.
pub async fn numbers_of_ledger_and_journal_are_skipped(store: &impl Store) {
    let scene = scene(store, 3).await;
    let mut holder = link(50);
    holder.data.barcode = Some(Personal::new("100"));
    let mut lapsed = link(51);
    lapsed.data.barcode = Some(Personal::new("102"));
    lapsed.data.state = LinkState::Lapsed;
    store.write_links(scene.id, vec![holder, lapsed]).await.unwrap();
    let given = NumberDraw::Given(Personal::new("101"));
    intend(store, scene.create(0, given)).await.unwrap();
    let drawn = intend(store, scene.create(1, NumberDraw::Next(range(100, 199)))).await.unwrap();
    assert_eq!(drawn.barcode.reveal(), "103");
}

/// One number, one patron: also while a create is under way.
pub async fn a_create_with_another_persons_number_is_refused(store: &impl Store) {
    let scene = scene(store, 3).await;
    store.write_links(scene.id, vec![link(50), link(0)]).await.unwrap();
    let with = |n, of| scene.create(n, NumberDraw::Given(number(of)));
    let taken = store.intend(vec![with(1, 50)]).await;
    assert!(matches!(taken, Err(StoreError::PatronTaken)), "{taken:?}");
    intend(store, with(1, 1)).await.unwrap();
    let under_way = store.intend(vec![with(2, 1)]).await;
    assert!(matches!(under_way, Err(StoreError::PatronTaken)), "{under_way:?}");
    intend(store, with(0, 0)).await.unwrap();
    // A write to a patron that is there is no create: its number is whose it is.
    let mut update = with(2, 1);
    update.kind = IntentKind::Update;
    intend(store, update).await.unwrap();
}

/// Law 1: the same number, and how often is known.
pub async fn an_intent_is_sent_again_with_the_same_number(store: &impl Store) {
    let scene = scene(store, 2).await;
    let first = intend(store, scene.create(0, NumberDraw::Next(range(100, 199)))).await.unwrap();
    store.intend_again(&[first.id], moment(90)).await.unwrap();
    store.intend_again(&[first.id], moment(95)).await.unwrap();
    let open = store.open_intents(scene.id).await.unwrap();
    assert_eq!((open[0].attempts, open[0].at), (3, moment(95)));
    assert_eq!(open[0].barcode, first.barcode);
    store.settle(vec![scene.end(&first, IntentEnd::Rejected)]).await.unwrap();
    for id in [first.id, IntentId(999_999)] {
        let error = store.intend_again(&[id], moment(99)).await;
        assert!(matches!(error, Err(StoreError::NotFound { .. })), "{error:?}");
    }
}

/// The intent's end, the change's state, the ledger's row and the PIN become durable together.
pub async fn a_settlement_is_one(store: &impl Store) {
    let scene = scene(store, 1).await;
    store.write_links(scene.id, vec![super::sample::bare_link(0)]).await.unwrap();
    let row = store.index(scene.id).await.unwrap()[0].link;
    let missing = crate::rows::Missing { link: row, since: Some(super::sample::DAY), feeds: 2 };
    store.write_missing(vec![missing]).await.unwrap();
    let intent = intend(store, scene.given(0)).await.unwrap();
    store.settle(vec![applied(scene.id, intent.id, scene.changes[0], 0)]).await.unwrap();
    assert!(store.open_intents(scene.id).await.unwrap().is_empty());
    let done = store.changes(scene.run, ChangeState::Done, None, 10).await.unwrap();
    assert_eq!((done.len(), done[0].id, done[0].spool.len()), (1, scene.changes[0], 0));
    let links = store.links(scene.id, &[person(0)]).await.unwrap();
    assert_eq!((links[0].id, &links[0].data), (row, &link(0).data));
    assert_eq!((links[0].missing_since, links[0].feeds_missed), (None, 0));
    assert_eq!(store.pins_waiting(scene.id).await.unwrap(), 1);
}

/// A settlement that the ledger refuses leaves the intent open, and those beside it as they were.
pub async fn a_settlement_that_fails_changes_nothing(store: &impl Store) {
    let scene = scene(store, 2).await;
    let (first, second) =
        (intend(store, scene.given(0)).await.unwrap(), intend(store, scene.given(1)).await.unwrap());
    store.write_links(scene.id, vec![link(50)]).await.unwrap();
    let mut refused = applied(scene.id, second.id, scene.changes[1], 1);
    refused.link.as_mut().unwrap().data.barcode = Some(number(50));
    let error = store.settle(vec![applied(scene.id, first.id, scene.changes[0], 0), refused]).await;
    assert!(matches!(error, Err(StoreError::PatronTaken)), "{error:?}");
    let open = store.open_intents(scene.id).await.unwrap();
    assert_eq!(open.len(), 2);
    assert_eq!((open[0].planned.state, &open[0].values), (ChangeState::Ready, &values(0)));
    assert_eq!(store.index(scene.id).await.unwrap().len(), 1);
    assert_eq!(store.pins_waiting(scene.id).await.unwrap(), 0);
    let mut nowhere = applied(scene.id, first.id, scene.changes[0], 0);
    nowhere.change = Some((ChangeId(999_999), ChangeState::Done));
    assert!(matches!(store.settle(vec![nowhere]).await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.open_intents(scene.id).await.unwrap().len(), 2);
}

/// The same end twice is one end, another end is a mistake.
pub async fn an_end_is_told_once(store: &impl Store) {
    let scene = scene(store, 1).await;
    let intent = intend(store, scene.given(0)).await.unwrap();
    for _ in 0..2 {
        store.settle(vec![applied(scene.id, intent.id, scene.changes[0], 0)]).await.unwrap();
    }
    assert_eq!(store.index(scene.id).await.unwrap().len(), 1);
    assert_eq!(store.pins_waiting(scene.id).await.unwrap(), 1);
    let other = store.settle(vec![scene.end(&intent, IntentEnd::Rejected)]).await;
    assert!(matches!(other, Err(StoreError::NotFound { .. })), "{other:?}");
    let ghost = Intent { id: IntentId(999_999), barcode: number(0) };
    let other = store.settle(vec![scene.end(&ghost, IntentEnd::Applied)]).await;
    assert!(matches!(other, Err(StoreError::NotFound { .. })), "{other:?}");
}

/// S14: a PIN is its person's, by the link or by the intent of its own step; a new one takes the old one's place.
pub async fn a_pin_is_kept_until_it_is_handed_out(store: &impl Store) {
    let scene = scene(store, 2).await;
    for kind in [IntentKind::Create, IntentKind::SetPin] {
        let mut intent = scene.given(0);
        intent.kind = kind;
        let intent = intend(store, intent).await.unwrap();
        let mut settlement = scene.end(&intent, IntentEnd::Applied);
        if kind == IntentKind::SetPin {
            settlement.pin = Some(Secret::new("4711"));
        }
        store.settle(vec![settlement]).await.unwrap();
        assert_eq!(store.pins_waiting(scene.id).await.unwrap(), u64::from(kind == IntentKind::SetPin));
    }
    let mut again = scene.end(&intend(store, scene.given(0)).await.unwrap(), IntentEnd::Applied);
    again.pin = Some(Secret::new("4712"));
    store.settle(vec![again]).await.unwrap();
    assert_eq!(store.pins_waiting(scene.id).await.unwrap(), 1);
    let mut nobodys = scene.end(&intend(store, scene.given(1)).await.unwrap(), IntentEnd::Applied);
    nobodys.intent = None;
    nobodys.pin = Some(Secret::new("4713"));
    assert!(matches!(store.settle(vec![nobodys]).await, Err(StoreError::NotFound { .. })));
    let other = store.partnership("district-two", ILS, "two").await.unwrap();
    assert_eq!(store.pins_waiting(other.id).await.unwrap(), 0);
}

/// Many callers at once: nobody is lost, and one who fails is alone with it.
pub async fn two_hundred_at_once_are_all_kept(store: &impl Store) {
    const PEOPLE: u32 = 200;
    let scene = scene(store, PEOPLE).await;
    let intents = all((0..PEOPLE).map(|n| intend(store, scene.given(n)))).await;
    let intents: Vec<_> = intents.into_iter().map(Result::unwrap).collect();
    assert_eq!(store.open_intents(scene.id).await.unwrap().len(), PEOPLE as usize);
    let settled = all((0..PEOPLE).map(|n| {
        let mut settlement = applied(scene.id, intents[n as usize].id, scene.changes[n as usize], n);
        if n == 7 {
            settlement.change = Some((ChangeId(999_999), ChangeState::Done));
        }
        store.settle(vec![settlement])
    }))
    .await;
    for (n, result) in settled.iter().enumerate() {
        assert_eq!(result.is_ok(), n != 7, "{n}: {result:?}");
    }
    assert_eq!(store.index(scene.id).await.unwrap().len(), PEOPLE as usize - 1);
    let open = store.open_intents(scene.id).await.unwrap();
    assert_eq!(open.iter().map(|intent| intent.person).collect::<Vec<_>>(), [person(7)]);
}
