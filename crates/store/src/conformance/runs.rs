//! Cases about runs and decisions.

use rostercard_core::guard::WaitingFor;
use rostercard_core::plan::{ChangeKind, RunState};

use super::sample::{head, moment, partnership, run};
use crate::Store;
use crate::rows::{
    ChangeId, ChangeSelection, FindingCount, NewRun, PartnershipId, PlanDecision, RunId, RunResult,
};
use crate::store::StoreError;

fn result() -> RunResult {
    let mut result = RunResult {
        writes: 3,
        roster: 72,
        error: Some("the ILS is down".to_owned()),
        waiting_for: vec![WaitingFor {
            guard: "changes".to_owned(),
            kind: Some("create".to_owned()),
            limit: Some(25),
            found: 72,
            school: None,
            likely_cause: "a first load".to_owned(),
        }],
        ..RunResult::default()
    };
    result.counts.students = 72;
    result.by_school.insert("School 1".to_owned(), result.counts);
    let finding = FindingCount {
        count: 2,
        message: "no home for school".to_owned(),
        places: vec!["users.csv:3:1".to_owned()],
    };
    result.findings.insert("no_home".to_owned(), finding);
    result
}

/// What a run is, what its plan rests on and what came of it come back.
pub async fn a_run_comes_back_as_it_was_written(store: &impl Store) {
    let id = partnership(store).await.id;
    let number = run(store, id).await;
    let begun = store.run(number).await.unwrap();
    assert_eq!((begun.partnership, begun.kind.as_str(), begun.started_at), (id, "sync", moment(0)));
    assert_eq!((begun.state, begun.finished_at, begun.plan), (RunState::Running, None, None));
    assert_eq!(begun.result, RunResult::default());

    store.write_plan(number, head(1)).await.unwrap();
    for state in RunState::ALL {
        store.write_run(number, *state, &result(), None).await.unwrap();
        assert_eq!(store.run(number).await.unwrap().state, *state);
    }
    store.write_run(number, RunState::Done, &result(), Some(moment(5))).await.unwrap();
    let done = store.run(number).await.unwrap();
    assert_eq!((done.state, done.finished_at), (RunState::Done, Some(moment(5))));
    assert_eq!((done.plan, done.result, done.superseded_by), (Some(head(1)), result(), None));

    let nobody = NewRun { partnership: PartnershipId(999), kind: "sync".to_owned(), started_at: moment(0) };
    assert!(matches!(store.begin_run(nobody).await, Err(StoreError::NotFound { .. })));
    let missing = RunId(999);
    assert!(matches!(store.run(missing).await, Err(StoreError::NotFound { .. })));
    assert!(matches!(store.write_plan(missing, head(1)).await, Err(StoreError::NotFound { .. })));
    let written = store.write_run(missing, RunState::Done, &result(), None).await;
    assert!(matches!(written, Err(StoreError::NotFound { .. })));
    assert!(matches!(store.add_changes(missing, Vec::new()).await, Err(StoreError::NotFound { .. })));
}

/// The last runs, of one partnership or of all.
pub async fn the_newest_runs_come_first(store: &impl Store) {
    let one = partnership(store).await.id;
    let two = store.partnership("district-two", "ils-two", "two").await.unwrap().id;
    let mut numbers = Vec::new();
    for partnership in [one, two, one, one] {
        numbers.push(run(store, partnership).await);
    }
    assert!(numbers.is_sorted(), "a later run has a greater number");
    let ids = |runs: Vec<crate::rows::Run>| runs.into_iter().map(|run| run.id).collect::<Vec<_>>();
    let [a, b, c, d] = numbers[..] else { unreachable!() };
    assert_eq!(ids(store.runs(None, 10).await.unwrap()), [d, c, b, a]);
    assert_eq!(ids(store.runs(Some(one), 2).await.unwrap()), [d, c]);
    assert_eq!(ids(store.runs(Some(two), 10).await.unwrap()), [b]);
    assert!(store.runs(None, 0).await.unwrap().is_empty());
}

/// Who decided what, and when (approvals carry who and when).
pub async fn decisions_are_kept_in_order(store: &impl Store) {
    let id = partnership(store).await.id;
    let number = run(store, id).await;
    let decision = |what: &str, selection| PlanDecision {
        who: "librarian".to_owned(),
        at: moment(1),
        what: what.to_owned(),
        selection,
    };
    let narrow = ChangeSelection {
        school: Some("School 1".to_owned()),
        kind: Some(ChangeKind::Create),
        ids: Some(vec![ChangeId(1), ChangeId(2)]),
    };
    let decisions = [decision("approve", narrow), decision("discard", ChangeSelection::default())];
    for decision in &decisions {
        store.write_decision(number, decision.clone()).await.unwrap();
    }
    assert_eq!(store.decisions(number).await.unwrap(), decisions);
    let nobody = store.write_decision(RunId(999), decisions[0].clone()).await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })));
}
