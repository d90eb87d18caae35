//! What is so, of one partnership, for those who are told. Judged from the store and the configuration, where `status` judges from
//! too; the daemon adds what only it knows.

use jiff::Timestamp;
use jiff::civil::Date;
use rostercard_config::{Ends, Partnership};
use rostercard_core::calendar::AgreementState;
use rostercard_core::plan::RunState;
use rostercard_core::words::LinkState;
use rostercard_daemon::health::{State, judge};
use rostercard_store::rows::{PartnershipId, Run, RunId};
use rostercard_store::{Store, StoreError};
use rostercard_tell::rules::END_STEPS;
use rostercard_tell::{About, Digest, End, Kind, RejectLine, Seen, Situation, Waits, What};

use crate::commands::status::facts;
use crate::setup::Setup;

/// The codes of what a district has to correct.
const REJECTS: [&str; 11] = [
    "number_missing",
    "number_damaged",
    "number_character",
    "number_too_short",
    "number_too_long",
    "number_collides",
    "name_missing",
    "name_damaged",
    "birth_date_missing",
    "grade_missing",
    "refused_by_ils",
];
/// So many links are read at a time.
const BATCH: usize = 500;

/// What is known of one partnership at this moment.
pub(crate) struct Known<'s> {
    /// The configuration by which it runs; none where that has mistakes.
    pub(crate) setup: Option<&'s Setup>,
    /// The partnership.
    pub(crate) about: About,
    /// Its row in the store, once it has one.
    pub(crate) row: Option<PartnershipId>,
    /// What is so.
    seen: Vec<(Kind, Seen)>,
    /// The last run that has read a roster to its end: whose rejects are told.
    pub(crate) read_by: Option<RunId>,
}

impl<'s> Known<'s> {
    /// What is known of a kind.
    pub(crate) fn of(&self, kind: Kind) -> &Seen {
        self.seen.iter().find(|(other, _)| *other == kind).map_or(&Seen::Unknown, |(_, seen)| seen)
    }

    /// A partnership whose file has mistakes.
    pub(crate) fn broken(name: &str) -> Self {
        let about = About { id: name.to_owned(), name: name.to_owned() };
        let what = What::Failed {
            why: "its configuration has mistakes".to_owned(),
            hint: "`rostercard check` names each with its place and says what to do".to_owned(),
            last_success: None,
        };
        let seen = Seen::Is(Situation { about: Some(about.clone()), kind: Kind::Failed, what });
        Self { setup: None, about, row: None, seen: vec![(Kind::Failed, seen)], read_by: None }
    }

    /// What the store and the configuration know. `trouble` is why its last run could not even begin.
    pub(crate) async fn gather(
        setup: &'s Setup,
        store: Option<&dyn Store>,
        partnership: &Partnership,
        trouble: Option<&String>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let about =
            About { id: partnership.id.as_str().to_owned(), name: partnership.name.as_str().to_owned() };
        let today = setup.today_of(partnership).ok();
        let ends = today.map_or(Seen::Unknown, |today| ends_of(partnership, &about, today));
        let mut known = Self {
            setup: Some(setup),
            about: about.clone(),
            row: None,
            seen: vec![(Kind::Ends, ends)],
            read_by: None,
        };
        let is = |kind, what| Seen::Is(Situation { about: Some(about.clone()), kind, what });
        let facts = facts(setup, store, partnership).await?;
        if let Some(why) = trouble {
            let hint = "`rostercard check --online` and the daemon's log say more".to_owned();
            let what = What::Failed { why: why.clone(), hint, last_success: facts.last_success };
            known.seen.push((Kind::Failed, is(Kind::Failed, what)));
        }
        let Some(store) = store else { return Ok(known) };
        let row = store.partnerships().await?.into_iter().find(|row| row.permanent_id == about.id);
        let Some(row) = row else { return Ok(known) };
        known.row = Some(row.id);
        let runs = store.runs(Some(row.id), 100).await?;
        known.read_by = runs
            .iter()
            .find(|run| run.kind == "sync" && run.finished_at.is_some() && run.state != RunState::Failed)
            .map(|run| run.id);
        if facts.paused.is_some() {
            return Ok(known);
        }
        let last = runs.iter().find(|run| run.kind == "sync");
        known.seen.push((
            Kind::Waiting,
            waiting(&runs, last, now).map_or(Seen::Not, |what| is(Kind::Waiting, what)),
        ));
        if trouble.is_none() {
            known.seen.push((Kind::Failed, failed(last, facts.last_success, is)));
        }
        let standing = judge(facts, now);
        let late = match standing.state {
            State::Stale => is(Kind::Late, What::Late { why: standing.why }),
            State::Ok => Seen::Not,
            // Something worse is told already, and nobody knows of the roster.
            State::Waiting | State::Failing | State::Paused | State::NeverRan => Seen::Unknown,
        };
        known.seen.push((Kind::Late, late));
        Ok(known)
    }
}

fn failed(last: Option<&Run>, last_success: Option<Timestamp>, is: impl Fn(Kind, What) -> Seen) -> Seen {
    let Some(last) = last else { return Seen::Unknown };
    let stopped = |error: &String| error.starts_with("the run was asked to stop");
    match last.state {
        // Under way, or cut short by us: nobody knows yet.
        RunState::Running => Seen::Unknown,
        RunState::Failed if last.result.error.as_ref().is_some_and(stopped) => Seen::Unknown,
        RunState::Failed => {
            let why = last.result.error.clone().unwrap_or_else(|| "it failed".to_owned());
            let hint = last.result.hint.clone().unwrap_or_default();
            is(Kind::Failed, What::Failed { why: format!("run {}: {why}", last.id), hint, last_success })
        }
        RunState::Planned
        | RunState::Waiting
        | RunState::Done
        | RunState::DoneWithRejects
        | RunState::Unfinished => Seen::Not,
    }
}

/// The plan that waits, where one does: of changes, or of a roster that is in doubt.
fn waiting(runs: &[Run], last: Option<&Run>, now: Timestamp) -> Option<What> {
    let open = |run: &&Run| {
        run.state == RunState::Waiting
            && run.superseded_by.is_none()
            && run.plan.as_ref().is_none_or(|plan| now < plan.expires_at)
    };
    let changes = runs.iter().filter(open).find(|run| run.result.counts.waiting > 0);
    let run = changes.or_else(|| last.filter(open))?;
    let why = run.result.waiting_for.iter().map(|why| Waits {
        guard: why.guard.clone(),
        kind: why.kind.clone(),
        school: why.school.clone(),
        found: match why.limit {
            Some(limit) => format!("{}, and {limit} go through unasked", why.found),
            None => why.found.to_string(),
        },
        cause: why.likely_cause.clone(),
    });
    Some(What::Waiting {
        run: run.id.0,
        changes: run.result.counts.waiting,
        why: why.collect(),
        until: run.plan.as_ref().map(|plan| plan.expires_at),
    })
}

/// What ends soon of a list.
pub(super) fn ending(ends: &[Ends], today: Date) -> Vec<End> {
    let soon = |ends: &Ends| {
        let days = days_until(today, ends.on);
        (days <= END_STEPS[0]).then(|| End { what: ends.what.clone(), on: ends.on, days })
    };
    ends.iter().filter_map(soon).collect()
}

fn days_until(today: Date, on: Date) -> i64 {
    today.until(on).map_or(0, |span| i64::from(span.get_days()))
}

fn ends_of(partnership: &Partnership, about: &About, today: Date) -> Seen {
    let mut ends = ending(&partnership.ends, today);
    let on = match partnership.dates.agreement.on(today) {
        AgreementState::EndsSoon(on, days) if days <= END_STEPS[0] => Some(on),
        AgreementState::Ended(on) => Some(on),
        AgreementState::EndsSoon(..) | AgreementState::NotYet(_) | AgreementState::InForce => None,
    };
    ends.extend(on.map(|on| End { what: "the agreement".to_owned(), on, days: days_until(today, on) }));
    if ends.is_empty() {
        return Seen::Not;
    }
    Seen::Is(Situation { about: Some(about.clone()), kind: Kind::Ends, what: What::Ends(ends) })
}

/// A record that is rejected now.
pub(super) struct Rejected {
    pub(super) person: rostercard_core::digest::Digest,
    pub(super) line: RejectLine,
}

/// Every record of a partnership that the ledger holds as rejected. It does not hold the district's ids.
pub(super) async fn rejected(store: &dyn Store, row: PartnershipId) -> Result<Vec<Rejected>, StoreError> {
    // Whose record is rejected keeps the card that is there, with the reason beside it. Counts say whether there is anybody, so that a
    // district without such records costs no look at each card.
    let with_card = |state: LinkState, reason: Option<&String>| {
        state.has_patron() && reason.is_some_and(|reason| REJECTS.contains(&reason.as_str()))
    };
    let cells = store.link_cells(row).await?;
    let some_with_card = cells.iter().any(|cell| with_card(cell.state, cell.reason.as_ref()));
    let people: Vec<_> = store
        .index(row)
        .await?
        .into_iter()
        .filter(|link| link.state == LinkState::Rejected || some_with_card && link.state.has_patron())
        .map(|link| link.person)
        .collect();
    let mut all = Vec::new();
    for people in people.chunks(BATCH) {
        for link in store.links(row, people).await? {
            let (state, reason) = (link.data.state, link.data.reason.as_ref());
            if state != LinkState::Rejected && !with_card(state, reason) {
                continue;
            }
            let (school, rule) = (link.data.school.1, link.data.reason.unwrap_or_default());
            let (id, place, field) = (String::new(), String::new(), String::new());
            all.push(Rejected { person: link.person, line: RejectLine { id, school, place, field, rule } });
        }
    }
    Ok(all)
}

/// By what it is remembered that a run's rejects were looked at.
pub(super) fn run_digest(run: RunId) -> Digest {
    let mut digest = Digest::default();
    for (byte, value) in digest.iter_mut().zip(run.0.to_be_bytes()) {
        *byte = value;
    }
    digest
}
