//! The audit log, what is held about one person, how long things stay, and purges.

use jiff::Timestamp;
use rostercard_core::plan::{ChangeKind, ChangeState, Counts, RunState};

use super::sample::{
    applied, change, create, head, intend, link, moment, number, partnership, person, ready_creates, run,
    values,
};
use crate::keep::{AuditEntry, Decided, DecidedWhat, Retention};
use crate::rows::{
    Answer, ChangeSelection, IntentEnd, IntentKind, NewPause, NewRun, NumberDraw, PartnershipId, PauseScope,
    PlanDecision, RunId, RunResult, Settlement, Wish,
};
use crate::store::{Store, StoreError};

/// Keeps everything, but what a case wants gone.
fn keep_all() -> Retention {
    Retention { before_values: Timestamp::MIN, plans: Timestamp::MIN, runs: Timestamp::MIN }
}

/// An update that was made, with what was there before.
async fn updated(store: &impl Store, id: PartnershipId, n: u32, end: IntentEnd, at: i64) -> RunId {
    let run = run(store, id).await;
    let row =
        store.add_changes(run, vec![change(n, ChangeKind::Update, ChangeState::Ready)]).await.unwrap()[0];
    let mut intent = create(run, row, id, n, NumberDraw::Given(number(n)));
    (intent.kind, intent.before, intent.pin) = (IntentKind::Update, Some(values(n)), None);
    let intent = intend(store, intent).await.unwrap().id;
    let settlement =
        Settlement { intent: Some((intent, end)), pin: None, at: moment(at), ..applied(id, intent, row, n) };
    store.settle(vec![settlement]).await.unwrap();
    run
}

/// What people do is in the log, with who, when and about what; and what is added by hand.
pub async fn the_audit_log_has_who_did_what(store: &impl Store) {
    let id = partnership(store).await.id;
    let run = run(store, id).await;
    let changes = ready_creates(store, run, 0..1).await;
    let intent =
        intend(store, create(run, changes[0], id, 0, NumberDraw::Given(number(0)))).await.unwrap().id;
    store.settle(vec![applied(id, intent, changes[0], 0)]).await.unwrap();

    let selection = ChangeSelection { school: Some("school-1".into()), ..ChangeSelection::default() };
    let decision = PlanDecision { who: "pat".into(), at: moment(1), what: "approve".into(), selection };
    store.write_decision(run, decision).await.unwrap();
    let pause = NewPause {
        scope: PauseScope::Ils("main".into()),
        since: moment(2),
        until: moment(200),
        reason: "words of somebody".into(),
        who: "kim".into(),
    };
    store.pause(pause.clone()).await.unwrap();
    store.resume(&PauseScope::Everything, moment(3), "nobody").await.unwrap();
    store.resume(&pause.scope, moment(4), "lee").await.unwrap();
    let batch = store.export_pins(id, &[person(0)], moment(5), "pat").await.unwrap();
    store.confirm_pins(id, Some(batch), moment(6), "pat").await.unwrap();
    let entry = AuditEntry {
        at: moment(7),
        who: "max".into(),
        what: "reveal".into(),
        partnership: None,
        run: None,
        detail: "explain".into(),
    };
    store.write_audit(entry.clone()).await.unwrap();

    let log = store.audit(None, 100).await.unwrap();
    let told: Vec<(&str, &str, Option<&str>, Option<RunId>)> =
        log.iter().map(|e| (e.what.as_str(), e.who.as_str(), e.partnership.as_deref(), e.run)).collect();
    let one = Some("district-one");
    assert_eq!(
        told,
        [
            ("approve", "pat", one, Some(run)),
            ("pause", "kim", None, None),
            ("resume", "lee", None, None),
            ("export_pins", "pat", one, None),
            ("confirm_pins", "pat", one, None),
            ("reveal", "max", None, None),
        ]
    );
    assert_eq!(log[0].detail, "school school-1");
    assert!(log[1].detail.starts_with("ILS main until 20"), "{}", log[1].detail);
    assert!(log.iter().all(|e| !e.detail.contains("words of somebody")), "a reason is a person's own words");
    assert_eq!(log[5], entry);
    assert_eq!(store.audit(Some(moment(6)), 100).await.unwrap(), log[4..]);
    assert_eq!(store.audit(None, 2).await.unwrap(), log[4..], "the newest");
}

/// What was there before an update goes some days after the update; what is not known to have ended stays.
pub async fn before_values_go_after_their_time(store: &impl Store) {
    let id = partnership(store).await.id;
    updated(store, id, 0, IntentEnd::Applied, 100).await;
    updated(store, id, 1, IntentEnd::Applied, 200).await;
    let open = run(store, id).await;
    let row =
        store.add_changes(open, vec![change(2, ChangeKind::Update, ChangeState::Ready)]).await.unwrap()[0];
    let mut intent = create(open, row, id, 2, NumberDraw::Given(number(2)));
    (intent.kind, intent.before) = (IntentKind::Update, Some(values(2)));
    intend(store, intent).await.unwrap();

    let limits = |at| Retention { before_values: moment(at), ..keep_all() };
    assert_eq!(store.retain(limits(100)).await.unwrap().before_values, 0);
    let kept = store.held(id, person(0)).await.unwrap().writes.remove(0);
    assert_eq!((kept.before, kept.ended), (Some(values(0)), Some((IntentEnd::Applied, moment(100)))));
    let gone = store.retain(limits(101)).await.unwrap();
    assert_eq!((gone.before_values, gone.spools, gone.runs), (1, 0, 0));
    assert_eq!(store.held(id, person(0)).await.unwrap().writes.remove(0).before, None);
    assert!(store.held(id, person(1)).await.unwrap().writes[0].before.is_some());
    assert_eq!(store.retain(limits(1_000_000)).await.unwrap().before_values, 1);
    assert!(store.held(id, person(2)).await.unwrap().writes[0].before.is_some(), "it has not ended");
}

/// What a plan wanted goes when the plan can no longer be approved; what a write without a known end needs stays.
pub async fn what_an_expired_plan_wanted_goes(store: &impl Store) {
    let id = partnership(store).await.id;
    let number_of = run(store, id).await;
    let changes = ready_creates(store, number_of, 0..2).await;
    store.write_plan(number_of, head(1)).await.unwrap();
    intend(store, create(number_of, changes[1], id, 1, NumberDraw::Given(number(1)))).await.unwrap();
    let wanted = async |n| !store.held(id, person(n)).await.unwrap().changes[0].spool.is_empty();

    let until = head(1).expires_at;
    let just_before = until.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap();
    let limits = |plans| Retention { plans, ..keep_all() };
    assert_eq!(store.retain(limits(just_before)).await.unwrap().spools, 0);
    assert!(wanted(0).await);
    assert_eq!(store.retain(limits(until)).await.unwrap().spools, 1);
    assert!(!wanted(0).await && wanted(1).await);
    assert_eq!(store.open_intents(id).await.unwrap().len(), 1);
    let counts = store.change_counts(number_of).await.unwrap();
    assert!(counts.iter().all(|count| count.state == ChangeState::Ready), "how they stand is still told");
}

fn result(create: u64) -> RunResult {
    let counts = Counts { students: create, create, ..Counts::default() };
    RunResult { counts, writes: create, lookups: 2 * create, ..RunResult::default() }
}

async fn done_run(store: &impl Store, partnership: PartnershipId, at: i64, create: u64) -> RunId {
    let new = NewRun { partnership, kind: "sync".to_owned(), started_at: moment(at) };
    let run = store.begin_run(new).await.unwrap();
    store.write_plan(run, head(1)).await.unwrap();
    store.write_run(run, RunState::Done, &result(create), Some(moment(at + 1))).await.unwrap();
    run
}

/// Runs go after their time, with their changes, writes and decisions; their counts stay, by year.
pub async fn old_runs_go_and_their_counts_stay(store: &impl Store) {
    let id = partnership(store).await.id;
    let first = updated(store, id, 0, IntentEnd::Applied, 1).await;
    store.write_plan(first, head(1)).await.unwrap();
    store.write_run(first, RunState::Done, &result(3), Some(moment(1))).await.unwrap();
    let decision = PlanDecision {
        who: "pat".into(),
        at: moment(1),
        what: "approve".into(),
        selection: ChangeSelection::default(),
    };
    store.write_decision(first, decision).await.unwrap();
    let second = done_run(store, id, 100, 4).await;
    let newest = done_run(store, id, 200, 5).await;

    let limits = |at| Retention { runs: moment(at), ..keep_all() };
    assert_eq!(store.retain(limits(0)).await.unwrap().runs, 0);
    assert_eq!(store.retain(limits(150)).await.unwrap().runs, 2);
    let left: Vec<RunId> = store.runs(Some(id), 10).await.unwrap().iter().map(|run| run.id).collect();
    assert_eq!(left, [newest]);
    assert!(matches!(store.run(first).await, Err(StoreError::NotFound { .. })));
    assert!(store.past_changes(id, person(0), 10).await.unwrap().is_empty());
    let held = store.held(id, person(0)).await.unwrap();
    assert!(held.writes.is_empty() && held.link.is_some(), "the card stays");
    let years = store.years().await.unwrap();
    assert_eq!(years.len(), 1);
    let year = &years[0];
    assert_eq!((year.partnership.as_str(), year.year, year.runs), ("district-one", 2026, 2));
    assert_eq!((year.created, year.writes, year.lookups), (7, 7, 14));
    assert_eq!(store.audit(None, 9).await.unwrap()[0].run, Some(first), "the log stays");
    let new = run(store, id).await;
    assert!(new.0 > newest.0 && new != second, "a number is not used twice");
}

/// However old they are: a partnership's newest run, its newest that was done, and what is open.
pub async fn what_is_open_or_newest_stays(store: &impl Store) {
    let id = partnership(store).await.id;
    let gone = done_run(store, id, 10, 1).await;
    let open = run(store, id).await;
    let changes = ready_creates(store, open, 0..1).await;
    intend(store, create(open, changes[0], id, 0, NumberDraw::Given(number(0)))).await.unwrap();
    let done = done_run(store, id, 20, 1).await;
    let failed = run(store, id).await;
    store.write_run(failed, RunState::Failed, &result(0), Some(moment(31))).await.unwrap();
    let all = Retention { before_values: Timestamp::MAX, plans: Timestamp::MAX, runs: Timestamp::MAX };
    assert_eq!(store.retain(all).await.unwrap().runs, 1);
    let left: Vec<RunId> = store.runs(Some(id), 10).await.unwrap().iter().map(|run| run.id).collect();
    assert_eq!(left, [failed, done, open], "and not {gone}");
    assert_eq!(store.open_intents(id).await.unwrap().len(), 1);
    assert_eq!(store.retain(all).await.unwrap().runs, 0, "twice is once");
}

/// A person of whom the store has everything that it can have.
async fn known_person(store: &impl Store, id: PartnershipId, n: u32) {
    updated(store, id, n, IntentEnd::Applied, 100).await;
    let made = run(store, id).await;
    let row = store.add_changes(made, vec![change(n, ChangeKind::Pin, ChangeState::Ready)]).await.unwrap()[0];
    let mut intent = create(made, row, id, n, NumberDraw::Given(number(n)));
    intent.kind = IntentKind::SetPin;
    let intent = intend(store, intent).await.unwrap().id;
    store.settle(vec![applied(id, intent, row, n)]).await.unwrap();
}

/// Everything about a person is told, and gone when it is forgotten; others stay, and so do the runs.
pub async fn everything_about_a_person_is_told_and_forgotten(store: &impl Store) {
    let id = partnership(store).await.id;
    for n in 0..3 {
        known_person(store, id, n).await;
    }
    let held = store.held(id, person(1)).await.unwrap();
    assert_eq!(held.link.unwrap().data, link(1).data);
    let kinds: Vec<ChangeKind> = held.changes.iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::Pin, ChangeKind::Update], "newest first");
    assert!(held.changes.iter().all(|c| c.state == ChangeState::Done && c.spool.is_empty()));
    assert_eq!(held.writes.len(), 2);
    assert!(held.writes.iter().all(|write| !write.unsettled_values));
    assert_eq!(held.writes[1].before, Some(values(1)));
    assert_eq!(held.pin, Some((moment(20), None)));
    assert!(store.held(id, person(9)).await.unwrap().is_empty());

    let runs = store.runs(Some(id), 100).await.unwrap().len();
    let removed = store.forget(id, person(1), moment(300), "pat").await.unwrap();
    let rows: Vec<(&str, u64)> = removed.iter().map(|r| (r.table.as_str(), r.rows)).collect();
    assert_eq!(
        rows,
        [
            ("pin", 1),
            ("intent", 2),
            ("change", 2),
            ("link", 1),
            ("link_detail", 1),
            ("answer", 0),
            ("told_reject", 0),
            ("wish", 0)
        ]
    );
    assert!(store.held(id, person(1)).await.unwrap().is_empty());
    assert_eq!(store.index(id).await.unwrap().len(), 2);
    assert!(!store.held(id, person(2)).await.unwrap().is_empty());
    assert_eq!(store.runs(Some(id), 100).await.unwrap().len(), runs);
    assert!(store.numbers_in_use(super::sample::ILS, &[number(1)]).await.unwrap().is_empty());
    let entry = store.audit(None, 1).await.unwrap().remove(0);
    assert_eq!((entry.what.as_str(), entry.who.as_str(), entry.at), ("forget", "pat", moment(300)));
    assert_eq!(entry.detail, "one student, 7 rows");
    let again = store.forget(id, person(1), moment(301), "pat").await;
    assert!(matches!(again, Err(StoreError::NotFound { .. })), "{again:?}");
    // Whose write is not settled cannot be forgotten: the card may come to be.
    let open = run(store, id).await;
    let changes = ready_creates(store, open, 5..6).await;
    intend(store, create(open, changes[0], id, 5, NumberDraw::Given(number(5)))).await.unwrap();
    let refused = store.forget(id, person(5), moment(302), "pat").await;
    assert!(matches!(refused, Err(StoreError::Unsettled { writes: 1 })), "{refused:?}");
    assert!(!store.held(id, person(5)).await.unwrap().is_empty(), "all or nothing");
}

/// A run's counts add up after somebody who waited was forgotten, and nothing of theirs can be approved.
pub async fn a_person_who_waits_is_taken_from_the_plan(store: &impl Store) {
    let id = partnership(store).await.id;
    for (state, kind) in [(RunState::Waiting, "sync"), (RunState::Planned, "plan")] {
        let new = NewRun { partnership: id, kind: kind.to_owned(), started_at: moment(0) };
        let number_of = store.begin_run(new).await.unwrap();
        let rows = (0..2).map(|n| change(n, ChangeKind::Create, ChangeState::Waiting)).collect();
        store.add_changes(number_of, rows).await.unwrap();
        store.write_plan(number_of, head(1)).await.unwrap();
        let counts = match state {
            RunState::Planned => Counts { students: 2, create: 2, ..Counts::default() },
            _ => Counts { students: 2, waiting: 2, ..Counts::default() },
        };
        let school = super::sample::school(1).1;
        let result =
            RunResult { counts, by_school: [(school.clone(), counts)].into(), ..RunResult::default() };
        store.write_run(number_of, state, &result, Some(moment(1))).await.unwrap();
        store.forget(id, person(1), moment(2), "pat").await.unwrap();
        let found = store.run(number_of).await.unwrap();
        for counts in [found.result.counts, found.result.by_school[&school]] {
            assert!(counts.add_up(), "{counts:?}");
            assert_eq!((counts.pending, counts.waiting + counts.create), (1, 1), "{state}");
        }
        let left = store.change_counts(number_of).await.unwrap();
        assert_eq!(left.iter().map(|count| count.count).sum::<u64>(), 1);
        store.forget(id, person(0), moment(3), "pat").await.unwrap();
    }
}

/// A purge takes everything of its partnership and nothing of another's; the log, the counts by year and the numbers
/// that were drawn stay, and the id is never used again.
pub async fn s20_a_purge_leaves_nothing_of_a_partnership(store: &impl Store) {
    let id = partnership(store).await.id;
    let other = store.partnership("district-two", "ils-two", "two").await.unwrap().id;
    for n in 0..3 {
        known_person(store, id, n).await;
        known_person(store, other, n + 50).await;
    }
    let own = done_run(store, id, 5, 3).await;
    done_run(store, other, 5, 3).await;
    store.export_pins(id, &[person(0)], moment(50), "pat").await.unwrap();
    let pause = |scope| NewPause {
        scope,
        since: moment(1),
        until: moment(2),
        reason: "a reason".into(),
        who: "pat".into(),
    };
    store.pause(pause(PauseScope::Partnership("district-one".into()))).await.unwrap();
    store.pause(pause(PauseScope::Everything)).await.unwrap();
    let kept = store.state_counts(id).await.unwrap();

    let shown = store.purge_preview(id).await.unwrap();
    let purge = store.purge(id, moment(400), "kim").await.unwrap();
    assert_eq!(shown, purge.removed, "what is shown is what is done");
    let rows = |table: &str| purge.removed.iter().find(|r| r.table == table).unwrap().rows;
    assert_eq!(
        [
            "link",
            "link_detail",
            "school",
            "run",
            "intent",
            "change",
            "pin",
            "pin_batch",
            "pause",
            "partnership"
        ]
        .map(rows),
        [3, 3, 3, 7, 6, 6, 3, 1, 1, 1]
    );
    assert_eq!(
        (purge.permanent_id.as_str(), purge.name.as_str(), purge.ils.as_str()),
        ("district-one", "one", "ils-one")
    );
    assert_eq!(purge.kept, kept);
    assert_eq!(store.purges().await.unwrap(), std::slice::from_ref(&purge));

    let known: Vec<PartnershipId> = store.partnerships().await.unwrap().iter().map(|p| p.id).collect();
    assert_eq!(known, [other]);
    assert!(store.index(id).await.unwrap().is_empty() && store.schools(id).await.unwrap().is_empty());
    assert!(store.runs(Some(id), 10).await.unwrap().is_empty() && store.pins(id).await.unwrap().is_empty());
    assert!(store.held(id, person(0)).await.unwrap().is_empty());
    assert!(matches!(store.run(own).await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.pauses().await.unwrap().len(), 1);
    assert_eq!(store.index(other).await.unwrap().len(), 3);
    assert_eq!(store.held(other, person(50)).await.unwrap().writes.len(), 2);
    let years = store.years().await.unwrap();
    assert_eq!((years.len(), years[0].partnership.as_str(), years[0].created), (1, "district-one", 3));
    let last = store.audit(None, 1).await.unwrap().remove(0);
    assert_eq!((last.what.as_str(), last.who.as_str()), ("purge", "kim"));
    assert!(store.audit(None, 100).await.unwrap().iter().any(|entry| entry.what == "export_pins"));

    let again = store.partnership("district-one", "ils-one", "one").await;
    assert!(matches!(again, Err(StoreError::Purged { .. })), "{again:?}");
    assert!(matches!(store.purge(id, moment(500), "kim").await, Err(StoreError::NotFound { .. })));
    let new = store.partnership("district-three", "ils-one", "one").await.unwrap().id;
    assert!(store.index(new).await.unwrap().is_empty() && store.runs(Some(new), 9).await.unwrap().is_empty());
}

/// A family's wish.
fn wish(n: u32, wants: bool, at: i64) -> Wish {
    let (identity, who, origin) = (Some(person(n + 700)), "pat".to_owned(), "command".to_owned());
    Wish { person: person(n), identity, wants, at: moment(at), who, origin }
}

/// What people decided goes to a file and comes back from it; taken twice is taken once, and of two wishes of a person the
/// later one holds.
pub async fn s27_decisions_are_mirrored_and_taken_once(store: &impl Store) {
    let id = partnership(store).await.id;
    store.write_wishes(id, vec![wish(1, false, 100), wish(2, true, 100)]).await.unwrap();
    store.write_wishes(id, vec![wish(1, true, 200)]).await.unwrap();
    let answer = |n: u32, at| Answer {
        person: person(n),
        question: "two_patrons".into(),
        answer: "skip".into(),
        at: moment(at),
        who: "kim".into(),
    };
    store.write_answers(id, vec![answer(3, 50)], Vec::new()).await.unwrap();
    assert_eq!(store.end_wishes(id, &[person(8)], moment(60), "lee").await.unwrap(), 0);
    let log = store.audit(None, 9).await.unwrap();
    let told: Vec<(&str, &str, &str)> =
        log.iter().map(|e| (e.what.as_str(), e.who.as_str(), e.detail.as_str())).collect();
    assert_eq!(
        told,
        [
            ("wish", "pat", "2 noted, by command"),
            ("wish", "pat", "1 noted, by command"),
            ("answer", "kim", "1 given")
        ]
    );
    let mirrored = store.decisions_to_mirror().await.unwrap();
    assert_eq!(mirrored.len(), 4, "those that have ended too");
    assert!(mirrored.iter().all(|one| one.partnership == "district-one" && one.ils == "ils-one"));
    assert_eq!(store.take_mirrored(mirrored.clone()).await.unwrap(), 0, "they are there");
    assert_eq!(store.decisions_to_mirror().await.unwrap(), mirrored);

    // Of a newer day: a no that the store does not have, an answer, and a partnership that it does not know.
    let mut newer = mirrored.clone();
    let no = |n, at, partnership: &str| Decided {
        partnership: partnership.into(),
        ils: "ils-one".into(),
        name: "x".into(),
        person: person(n),
        at: moment(at),
        who: "lee".into(),
        what: DecidedWhat::Wish { identity: None, wants: false, origin: "file".into(), ended: None },
    };
    newer.push(no(2, 300, "district-one"));
    newer.push(no(9, 300, "district-nine"));
    // An older one than what holds is noted, and does not hold.
    newer.push(no(1, 150, "district-one"));
    assert_eq!(store.take_mirrored(newer.clone()).await.unwrap(), 3);
    assert_eq!(store.take_mirrored(newer).await.unwrap(), 0, "twice is once");
    let mut holds: Vec<(u32, bool)> = Vec::new();
    for wish in store.wishes(id).await.unwrap() {
        let n = (0..10).find(|n| person(*n) == wish.person).unwrap();
        holds.push((n, wish.wants));
    }
    holds.sort_unstable();
    assert_eq!(holds, [(1, true), (2, false)]);
    let nine = store.partnership("district-nine", "ils-one", "x").await.unwrap().id;
    assert_eq!(store.wishes(nine).await.unwrap().len(), 1);
    assert_eq!(store.answers(id).await.unwrap(), [answer(3, 50)]);
    // Of a partnership that was purged nothing comes back.
    store.purge(nine, moment(400), "kim").await.unwrap();
    assert_eq!(store.take_mirrored(vec![no(9, 300, "district-nine")]).await.unwrap(), 0);
    // A family's no outlives that the student is forgotten; a yes does not.
    store.forget(id, person(2), moment(500), "pat").await.unwrap();
    assert!(store.held(id, person(2)).await.unwrap().wish.is_some_and(|wish| !wish.wants));
    store.forget(id, person(1), moment(501), "pat").await.unwrap();
    assert!(store.held(id, person(1)).await.unwrap().is_empty());
    store.forget(id, person(3), moment(502), "pat").await.unwrap();
    assert!(store.answers(id).await.unwrap().is_empty());
}

/// What is not known to be written or not must be found out first.
pub async fn s20_a_purge_waits_for_open_writes(store: &impl Store) {
    let id = partnership(store).await.id;
    let open = run(store, id).await;
    let changes = ready_creates(store, open, 0..2).await;
    for n in 0..2 {
        intend(store, create(open, changes[n as usize], id, n, NumberDraw::Given(number(n)))).await.unwrap();
    }
    let refused = store.purge(id, moment(1), "kim").await;
    assert!(matches!(refused, Err(StoreError::Unsettled { writes: 2 })), "{refused:?}");
    assert_eq!(store.open_intents(id).await.unwrap().len(), 2);
    assert!(store.purges().await.unwrap().is_empty() && store.audit(None, 9).await.unwrap().is_empty());
}
