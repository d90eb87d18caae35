//! `status`: how the partnerships stand. What is told of them is judged where the daemon's is, in its crate.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rostercard_config::Partnership;
use rostercard_core::calendar::AgreementState;
use rostercard_core::plan::{ChangeState, RunState};
use rostercard_daemon::health::{Facts, LastRun, Standing, State, judge};
use rostercard_daemon::load::Load;
use rostercard_store::rows::{Pause, Run};
use rostercard_store::{Store, StoreError};
use serde_json::json;

use crate::cli::Global;
use crate::exit::Exit;
use crate::machine;
use crate::output::{Out, counted};
use crate::setup::{Setup, hours_of, schedule_of};

/// Shows how every partnership stands.
pub(crate) async fn status(global: &Global, setup: &Setup) -> Result<Exit, Exit> {
    setup.main()?;
    let store = setup.store_to_read()?;
    let mut standings: Vec<Standing> = Vec::new();
    for (name, partnership) in &setup.loaded.partnerships {
        let facts = match partnership {
            Err(_) => Facts { name: name.clone(), broken: true, ..Facts::default() },
            Ok(partnership) => facts(setup, store.as_deref(), partnership)
                .await
                .map_err(|error| setup.store_error(&error))?,
        };
        standings.push(judge(facts, machine::now()));
    }
    if global.json {
        Out::stdout().json(&json!({ "partnerships": standings }));
    } else if standings.is_empty() {
        Out::stdout().line("There is no partnership yet: `rostercard init` writes a first.");
    } else {
        for s in &standings {
            let cards = counted(s.cards, "card", "cards");
            let mut line = format!("{}: {} ({}), {cards}", s.name, s.state.word(), s.why);
            if let Some(at) = s.last_success {
                line.push_str(&format!(", last success {at:.0}"));
            }
            if let Some(at) = s.next_run {
                line.push_str(&format!(", next run due {at:.0}"));
            }
            Out::stdout().line(&line);
        }
    }
    Ok(if standings.iter().any(|s| s.state == State::Failing) { Exit::Failed } else { Exit::Done })
}

/// Until when a partnership is paused, by whom and why.
async fn paused(
    setup: &Setup,
    store: &dyn Store,
    partnership: &Partnership,
) -> Result<Option<String>, StoreError> {
    let Ok(main) = &setup.loaded.main else { return Ok(None) };
    let ils = main.ils(&partnership.ils).map_or("", |ils| ils.id.as_str());
    let now = machine::now();
    let pauses = store.pauses().await?;
    let holds =
        |pause: &&Pause| pause.is_on(now) && pause.asked.scope.holds_for(partnership.id.as_str(), ils);
    Ok(pauses.iter().filter(holds).max_by_key(|pause| pause.end()).map(|pause| {
        let until = main.library_of(partnership).timezone.to_datetime(pause.end()).date();
        format!("until {until}, by {}: {}", pause.asked.who, pause.asked.reason)
    }))
}

/// What the calendar and the agreement say of a day.
fn dates(facts: &mut Facts, partnership: &Partnership, today: Date) {
    let dates = &partnership.dates;
    // An agreement that is over says more than a pause.
    if let Some(why) = dates.agreement.forbids(today) {
        facts.paused = Some(format!("{why}: nothing is written"));
    }
    if let AgreementState::EndsSoon(ends, _) = dates.agreement.on(today) {
        facts.soon = Some(format!("the agreement ends on {ends}"));
    }
    if let Some(as_of) = facts.roster_as_of.filter(|_| dates.calendar.year.is_some()) {
        let since = TimeZone::UTC.to_datetime(as_of).date();
        let all = since.until(today).map_or(0, |span| i64::from(span.get_days()));
        facts.closed_days = u64::try_from(all - dates.calendar.school_days(since, today)).unwrap_or(0);
    }
}

/// What the store and the configuration know of a partnership.
pub(crate) async fn facts(
    setup: &Setup,
    store: Option<&dyn Store>,
    partnership: &Partnership,
) -> Result<Facts, StoreError> {
    let schedule = setup.loaded.main.as_ref().ok().and_then(|main| schedule_of(partnership, main));
    let mut facts = Facts { name: partnership.name.as_str().to_owned(), schedule, ..Facts::default() };
    let Some(store) = store else { return Ok(facts) };
    let id = partnership.id.as_str();
    let Some(known) = store.partnerships().await?.into_iter().find(|p| p.permanent_id == id) else {
        return Ok(facts);
    };
    let counts = store.state_counts(known.id).await?;
    facts.cards = counts.iter().filter(|c| c.state.is_live()).map(|c| c.count).sum();
    let runs = store.runs(Some(known.id), 100).await?;
    let succeeded = |run: &&Run| {
        (run.kind == "sync" || run.plan.is_some())
            && matches!(run.state, RunState::Done | RunState::DoneWithRejects)
    };
    facts.last_success = runs.iter().find(succeeded).and_then(|run| run.finished_at);
    facts.roster_as_of = known.as_of;
    facts.roster_every = partnership.expected_every;
    facts.paused = paused(setup, store, partnership).await?;
    if let Ok(today) = setup.today_of(partnership) {
        dates(&mut facts, partnership, today);
    }
    // New PINs are no sync, and a drop folder without a new file leaves a plan waiting that is older than its own run.
    let now = machine::now();
    let waits = |run: &&Run| {
        run.state == RunState::Waiting
            && run.superseded_by.is_none()
            && run.result.counts.waiting > 0
            && run.plan.as_ref().is_none_or(|plan| now < plan.expires_at)
    };
    let synced = |run: &&Run| run.kind == "sync";
    let last = runs.iter().find(synced);
    let last = match last {
        Some(last) if last.state == RunState::Failed => Some(last),
        last => runs.iter().find(waits).or(last).or(runs.first()),
    };
    if let Some(run) = last {
        facts.last = Some(LastRun {
            number: run.id.0,
            state: run.state,
            waiting: run.result.counts.waiting,
            error: run.result.error.clone(),
            load: load(setup, store, partnership, &runs).await?,
        });
    }
    Ok(facts)
}

/// The plan that is being made, where one is: the newest that is under way or was cut short.
async fn load(
    setup: &Setup,
    store: &dyn Store,
    partnership: &Partnership,
    runs: &[Run],
) -> Result<Option<Load>, StoreError> {
    let Ok(main) = &setup.loaded.main else { return Ok(None) };
    let at_work = |run: &&Run| {
        run.plan.is_some()
            && run.superseded_by.is_none()
            && matches!(run.state, RunState::Running | RunState::Unfinished)
    };
    let Some(run) = runs.iter().find(at_work) else { return Ok(None) };
    let (mut made, mut left) = (0, 0);
    for count in store.change_counts(run.id).await? {
        match count.state {
            ChangeState::Ready => left += count.count,
            ChangeState::Done | ChangeState::Settled | ChangeState::Failed => made += count.count,
            ChangeState::Waiting | ChangeState::Dropped => {}
        }
    }
    let decisions = store.decisions(run.id).await?;
    let through =
        decisions.iter().filter(|decision| decision.what == "approve").map(|decision| decision.at).min();
    Ok(Some(Load {
        made,
        left,
        since: through.unwrap_or(run.started_at),
        hours: hours_of(partnership, main),
        zone: main.library_of(partnership).timezone.clone(),
    }))
}
