//! Cases about plans, their changes and the spool.

use rostercard_core::plan::{ChangeKind, ChangeState, RunState};

use super::sample::{
    applied, change, create, head, intend, number, partnership, person, ready_creates, run, school,
};
use crate::Store;
use crate::rows::{ChangeId, ChangeSelection, IntentEnd, NumberDraw, RunId, RunResult, Settlement};

async fn in_state(store: &impl Store, run: RunId, state: ChangeState) -> Vec<ChangeId> {
    let changes = store.changes(run, state, None, usize::MAX).await.unwrap();
    changes.into_iter().map(|change| change.id).collect()
}

async fn spooled(store: &impl Store, run: RunId, state: ChangeState) -> usize {
    let changes = store.changes(run, state, None, usize::MAX).await.unwrap();
    changes.iter().filter(|change| !change.spool.is_empty()).count()
}

/// In the order of their rows, so many at a time, each as it was added.
pub async fn changes_come_in_pages(store: &impl Store) {
    let id = partnership(store).await.id;
    let number = run(store, id).await;
    let new = |n| {
        let mut change = change(n, ChangeKind::ALL[n as usize % ChangeKind::ALL.len()], ChangeState::Ready);
        if n == 3 {
            change.spool.clear();
        }
        change
    };
    let ids = store.add_changes(number, (0..25).map(new).collect()).await.unwrap();
    assert!(ids.is_sorted_by(|a, b| a < b));
    let waiting =
        store.add_changes(number, vec![change(30, ChangeKind::Lapse, ChangeState::Waiting)]).await.unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.changes(number, ChangeState::Ready, after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 10);
        after = Some(last.id);
        seen.extend(page);
    }
    assert_eq!(seen.iter().map(|change| change.id).collect::<Vec<_>>(), ids);
    for (n, found) in (0..).zip(&seen) {
        let new = new(n);
        assert_eq!((found.person, found.kind, found.state), (new.person, new.kind, new.state));
        assert_eq!((&found.school, found.fields, found.decided), (&new.school, new.fields, new.decided));
        assert_eq!(*found.spool, *new.spool);
    }
    assert_eq!(in_state(store, number, ChangeState::Waiting).await, waiting);
    assert!(in_state(store, run(store, id).await, ChangeState::Ready).await.is_empty());
}

/// By school, kind and state.
pub async fn changes_are_counted(store: &impl Store) {
    let id = partnership(store).await.id;
    let number = run(store, id).await;
    let changes = [
        change(0, ChangeKind::Create, ChangeState::Ready),
        change(3, ChangeKind::Create, ChangeState::Ready),
        change(6, ChangeKind::Create, ChangeState::Waiting),
        change(1, ChangeKind::Lapse, ChangeState::Ready),
    ];
    store.add_changes(number, changes.into()).await.unwrap();
    let mut counts: Vec<_> = store
        .change_counts(number)
        .await
        .unwrap()
        .into_iter()
        .map(|c| (c.school, c.kind, c.state, c.count))
        .collect();
    counts.sort();
    assert_eq!(
        counts,
        [
            (school(0), ChangeKind::Create, ChangeState::Ready, 2),
            (school(0), ChangeKind::Create, ChangeState::Waiting, 1),
            (school(1), ChangeKind::Lapse, ChangeState::Ready, 1),
        ]
    );
}

/// S38: let through for one school, or one kind, or some rows; by the school's key or its label.
pub async fn only_what_is_selected_moves(store: &impl Store) {
    let id = partnership(store).await.id;
    let number = run(store, id).await;
    let kinds = [ChangeKind::Create, ChangeKind::Update];
    let changes = (0..12).map(|n| change(n, kinds[n as usize % 2], ChangeState::Waiting));
    let ids = store.add_changes(number, changes.collect()).await.unwrap();
    let select =
        |school: Option<&str>, kind, ids| ChangeSelection { school: school.map(str::to_owned), kind, ids };
    let moved = async |from, to, selection| store.move_changes(number, from, to, &selection).await.unwrap();
    let (waiting, ready) = (ChangeState::Waiting, ChangeState::Ready);
    assert_eq!(moved(waiting, ready, select(Some("school-1"), Some(ChangeKind::Update), None)).await, 2);
    assert_eq!(in_state(store, number, ready).await, [ids[1], ids[7]]);
    assert_eq!(moved(waiting, ready, select(Some("School 1"), None, None)).await, 2);
    assert_eq!(
        moved(waiting, ready, select(None, None, Some(vec![ids[0], ids[1]]))).await,
        1,
        "one was ready"
    );
    assert_eq!(moved(waiting, ready, select(None, None, Some(Vec::new()))).await, 0);
    assert_eq!(moved(waiting, ready, select(Some("nowhere"), None, None)).await, 0);
    assert_eq!(moved(waiting, ready, ChangeSelection::default()).await, 7);
    assert_eq!(spooled(store, number, ready).await, 12, "what is still to be made is kept");
    let other = run(store, id).await;
    let everything = ChangeSelection::default();
    assert_eq!(store.move_changes(other, ready, waiting, &everything).await.unwrap(), 0);
}

/// What nothing can need any more is wiped.
pub async fn a_change_that_is_over_loses_its_spool(store: &impl Store) {
    let id = partnership(store).await.id;
    let everything = ChangeSelection::default();
    for state in ChangeState::ALL {
        let number = run(store, id).await;
        ready_creates(store, number, 0..3).await;
        store.move_changes(number, ChangeState::Ready, *state, &everything).await.unwrap();
        let over = matches!(state, ChangeState::Done | ChangeState::Settled | ChangeState::Dropped);
        assert_eq!(spooled(store, number, *state).await, if over { 0 } else { 3 }, "{state}");
    }
    // By a settlement too.
    for state in [ChangeState::Done, ChangeState::Settled, ChangeState::Failed] {
        let number = run(store, id).await;
        let changes = ready_creates(store, number, 0..1).await;
        let settlement = Settlement {
            intent: None,
            change: Some((changes[0], state)),
            link: None,
            pin: None,
            partnership: id,
            at: super::sample::moment(1),
        };
        store.settle(vec![settlement]).await.unwrap();
        assert_eq!(in_state(store, number, state).await, changes);
        assert_eq!(spooled(store, number, state).await, usize::from(state == ChangeState::Failed));
    }
}

/// A newer plan drops what was left of older ones, and says so with them.
pub async fn a_newer_plan_supersedes_an_older_one(store: &impl Store) {
    let id = partnership(store).await.id;
    let other = store.partnership("district-two", "ils-two", "two").await.unwrap().id;
    let (finished, old, elsewhere) = (run(store, id).await, run(store, id).await, run(store, other).await);
    for number in [finished, old, elsewhere] {
        store.write_plan(number, head(1)).await.unwrap();
    }
    let done = store.add_changes(finished, vec![change(1, ChangeKind::Create, ChangeState::Done)]);
    done.await.unwrap();
    let states = [ChangeState::Ready, ChangeState::Waiting, ChangeState::Failed, ChangeState::Ready];
    for number in [old, elsewhere] {
        let changes = (0..).zip(states).map(|(n, state)| change(n, ChangeKind::Create, state));
        store.add_changes(number, changes.collect()).await.unwrap();
    }
    store.write_run(old, RunState::Waiting, &RunResult::default(), None).await.unwrap();

    let new = run(store, id).await;
    assert_eq!(
        store.run(old).await.unwrap().superseded_by,
        None,
        "a run that has no plan yet supersedes nothing"
    );
    store.write_plan(new, head(2)).await.unwrap();
    let after = store.run(old).await.unwrap();
    assert_eq!((after.state, after.superseded_by), (RunState::Waiting, Some(new)));
    assert_eq!(in_state(store, old, ChangeState::Dropped).await.len(), 3);
    assert_eq!(in_state(store, old, ChangeState::Failed).await.len(), 1);
    assert_eq!(
        spooled(store, old, ChangeState::Dropped).await + spooled(store, old, ChangeState::Failed).await,
        0
    );
    assert_eq!(store.run(finished).await.unwrap().superseded_by, None);
    assert_eq!(store.run(elsewhere).await.unwrap().superseded_by, None);
    assert_eq!(spooled(store, elsewhere, ChangeState::Ready).await, 2, "another partnership's plan stays");
    // An older run that writes its plan late takes nothing of a newer one.
    ready_creates(store, new, 0..2).await;
    store.write_plan(old, head(3)).await.unwrap();
    assert_eq!(spooled(store, new, ChangeState::Ready).await, 2);
    assert_eq!(store.run(new).await.unwrap().superseded_by, None);
}

/// A write whose answer never came is settled with what was wanted, whatever became of its plan.
pub async fn an_open_intent_keeps_what_settling_needs(store: &impl Store) {
    let id = partnership(store).await.id;
    let old = run(store, id).await;
    let changes = ready_creates(store, old, 0..4).await;
    let mut intents = Vec::new();
    for n in 0..3 {
        let intent = create(old, changes[n as usize], id, n, NumberDraw::Given(number(n)));
        intents.push(intend(store, intent).await.unwrap().id);
    }
    let new = run(store, id).await;
    store.write_plan(new, head(2)).await.unwrap();
    assert_eq!(in_state(store, old, ChangeState::Dropped).await, changes);
    assert_eq!(spooled(store, old, ChangeState::Dropped).await, 3);
    let open = store.open_intents(id).await.unwrap();
    assert_eq!(open.len(), 3);
    assert_eq!(open[0].planned.state, ChangeState::Dropped);
    assert!(!open[0].planned.spool.is_empty());

    store.settle(vec![applied(id, intents[0], changes[0], 0)]).await.unwrap();
    assert_eq!(in_state(store, old, ChangeState::Done).await, changes[..1]);
    // Not written: dropped already, where nothing is said of the change, or failed. The newer plan says what is wanted.
    let not_written = |n: usize, change| Settlement {
        intent: Some((intents[n], IntentEnd::NotWritten)),
        change,
        link: None,
        pin: None,
        partnership: id,
        at: super::sample::moment(30),
    };
    let failed = Some((changes[2], ChangeState::Failed));
    store.settle(vec![not_written(1, None), not_written(2, failed)]).await.unwrap();
    assert_eq!(in_state(store, old, ChangeState::Dropped).await, [changes[1], changes[3]]);
    for state in ChangeState::ALL {
        assert_eq!(spooled(store, old, *state).await, 0, "{state}");
    }
    let people: Vec<_> = store.index(id).await.unwrap().iter().map(|row| row.person).collect();
    assert_eq!(people, [person(0)]);
}

/// What was planned for one person is found without looking at everybody's.
pub async fn a_persons_changes_are_found_newest_first(store: &impl Store) {
    let id = partnership(store).await.id;
    let (first, second) = (run(store, id).await, run(store, id).await);
    store
        .add_changes(
            first,
            vec![
                change(1, ChangeKind::Create, ChangeState::Done),
                change(2, ChangeKind::Create, ChangeState::Done),
            ],
        )
        .await
        .unwrap();
    store.add_changes(second, vec![change(1, ChangeKind::Update, ChangeState::Waiting)]).await.unwrap();
    let found = store.past_changes(id, person(1), 10).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|past| (past.run, past.kind, past.state)).collect();
    let newest = (second, ChangeKind::Update, ChangeState::Waiting);
    assert_eq!(found, [newest, (first, ChangeKind::Create, ChangeState::Done)]);
    assert_eq!(store.past_changes(id, person(1), 1).await.unwrap().len(), 1);
    assert!(store.past_changes(id, person(9), 10).await.unwrap().is_empty());
}
