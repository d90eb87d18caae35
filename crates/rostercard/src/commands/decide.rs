//! `approve` and `discard`: a person's decision about what waits.

use rostercard_core::plan::ChangeKind;
use rostercard_core::ports::RosterSource;
use rostercard_engine::{Engine, EngineError, RunReport, World};
use rostercard_store::rows::{ChangeSelection, RunId};

use crate::cli::{Approve, Discard, Global};
use crate::commands::run::{stoppable, tell};
use crate::exit::Exit;
use crate::machine::Environment;
use crate::output::complain;
use crate::setup::{Setup, until};

/// Lets changes through.
pub(crate) async fn approve(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &Approve,
) -> Result<Exit, Exit> {
    let selection = selection(global, args.only_school.as_deref(), args.only_kind.as_deref())?;
    let who = args.who.clone().unwrap_or_else(|| environment.login());
    let (engine, world, mut source) = engine_of(global, setup, RunId(args.run)).await?;
    let asked = Decided { run: RunId(args.run), selection, who: &who, digest: args.digest.as_deref() };
    let engine = if args.now { engine.until(None) } else { engine };
    let outcome = stoppable(&world, let_through(&engine, &mut *source, asked)).await;
    let handed_over = setup.hand_over().await;
    let exit = tell(global, outcome)?;
    Ok(if handed_over { exit } else { Exit::Failed })
}

/// Drops changes.
pub(crate) async fn discard(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &Discard,
) -> Result<Exit, Exit> {
    let selection = selection(global, args.only_school.as_deref(), args.only_kind.as_deref())?;
    let who = args.who.clone().unwrap_or_else(|| environment.login());
    let (engine, _, mut source) = engine_of(global, setup, RunId(args.run)).await?;
    let asked = Decided { run: RunId(args.run), selection, who: &who, digest: None };
    tell(global, drop_changes(&engine, &mut *source, asked).await)
}

/// What a person decided about a plan, at the command line or on the page.
pub(crate) struct Decided<'a> {
    /// The run whose plan it is.
    pub(crate) run: RunId,
    /// Which of its changes.
    pub(crate) selection: ChangeSelection,
    /// Who.
    pub(crate) who: &'a str,
    /// The digest of the plan that was looked at, where it is bound to one.
    pub(crate) digest: Option<&'a str>,
}

/// Lets changes through, makes them, and lets the source go of what is settled.
pub(crate) async fn let_through(
    engine: &Engine,
    source: &mut dyn RosterSource,
    asked: Decided<'_>,
) -> Result<RunReport, EngineError> {
    let report = engine.approve(asked.run, asked.selection, asked.who, asked.digest).await?;
    engine.release_settled(report, source).await
}

/// Drops changes, and lets the source go of what is settled.
pub(crate) async fn drop_changes(
    engine: &Engine,
    source: &mut dyn RosterSource,
    asked: Decided<'_>,
) -> Result<RunReport, EngineError> {
    let report = engine.discard(asked.run, asked.selection, asked.who).await?;
    engine.release_settled(report, source).await
}

/// What is wrong with a word for a kind of change: a sentence and its hint.
pub(crate) fn selected(
    school: Option<&str>,
    kind: Option<&str>,
) -> Result<ChangeSelection, (String, &'static str)> {
    let kind = match kind {
        None => None,
        Some(word) => match ChangeKind::from_word(word) {
            Some(kind) if kind != ChangeKind::Note => Some(kind),
            _ => {
                let hint = "kinds are: create, link, update, renew, lapse, restore, pin";
                return Err((format!("there is no kind of change `{word}`"), hint));
            }
        },
    };
    Ok(ChangeSelection { school: school.map(str::to_owned), kind, ids: None })
}

fn selection(global: &Global, school: Option<&str>, kind: Option<&str>) -> Result<ChangeSelection, Exit> {
    selected(school, kind).map_err(|(what, hint)| {
        complain(global.json, &what, hint);
        Exit::Usage
    })
}

/// The engine and the source of the partnership that a run belongs to.
pub(crate) async fn engine_of(
    global: &Global,
    setup: &Setup,
    run: RunId,
) -> Result<(Engine, World, Box<dyn RosterSource>), Exit> {
    setup.main()?;
    let store = setup.store()?;
    let found = store.run(run).await.map_err(|error| setup.store_error(&error))?;
    let known = store.partnerships().await.map_err(|error| setup.store_error(&error))?;
    let permanent_id = known.into_iter().find(|p| p.id == found.partnership).map(|p| p.permanent_id);
    let name = setup
        .loaded
        .partnerships
        .iter()
        .filter_map(|(name, p)| Some((name, p.as_ref().ok()?)))
        .find(|(_, p)| Some(p.id.as_str()) == permanent_id.as_deref())
        .map(|(name, _)| name.clone());
    let Some(name) = name else {
        let id = permanent_id.unwrap_or_default();
        let hint = "is its file in partnerships/ still there, without mistakes, and with the same `id`?";
        complain(global.json, &format!("run {run} belongs to partnership id `{id}`, which cannot run"), hint);
        return Err(Exit::Configuration);
    };
    let partnership = setup.partnership(&name)?;
    let source = setup.source(partnership)?;
    let (engine, world) = setup.engine(partnership, store)?;
    let engine = engine.until(until(partnership, setup.main()?));
    Ok((engine, world, source))
}
