//! `adopt`, `undo`, `rebind`, `ils migrate`: each shows first, and does it only when told so.

use rostercard_engine::Moved;
use rostercard_store::rows::RunId;
use serde_json::json;

use crate::cli::Global;
use crate::cli::people::Certain;
use crate::commands::decide::engine_of;
use crate::commands::run::{stoppable, tell};
use crate::exit::Exit;
use crate::machine::Environment;
use crate::output::{Out, counted};
use crate::setup::Setup;

pub(super) async fn adopt(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &Certain,
) -> Result<Exit, Exit> {
    let partnership = setup.partnership(&args.partnership)?;
    let mut source = setup.source_to_look_at(partnership)?;
    let (engine, world) = setup.engine(partnership, setup.store()?)?;
    let outcome = stoppable(&world, engine.adopt(&mut *source, !args.yes)).await;
    let exit = tell(global, outcome)?;
    if args.yes {
        setup.note_done(environment, args.who.as_ref(), partnership, "adopt")?;
    }
    if !args.yes && !global.json {
        Out::stdout().line(
            "Nothing was linked yet: `link` says how many cards would be taken over, `differs_..` what they hold otherwise \
             (which stays). Do it with --yes.",
        );
    }
    Ok(exit)
}

pub(super) async fn undo(global: &Global, setup: &Setup, run: i64) -> Result<Exit, Exit> {
    let (engine, world, _) = engine_of(global, setup, RunId(run)).await?;
    tell(global, stoppable(&world, engine.undo(RunId(run))).await)
}

pub(super) async fn rebind(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &Certain,
) -> Result<Exit, Exit> {
    let partnership = setup.partnership(&args.partnership)?;
    let (engine, _) = setup.engine(partnership, setup.store()?)?;
    let who = args.who.clone().unwrap_or_else(|| environment.login());
    match engine.rebind(!args.yes, &who).await {
        Ok(moved) if args.yes => {
            setup.note_done(environment, Some(&who), partnership, "rebind")?;
            Ok(said(global, &args.partnership, moved, true))
        }
        Ok(moved) => Ok(said(global, &args.partnership, moved, false)),
        Err(error) => tell(global, Err(error)),
    }
}

/// `ils migrate`.
pub(crate) async fn migrate(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &Certain,
) -> Result<Exit, Exit> {
    let partnership = setup.partnership(&args.partnership)?;
    let (engine, world) = setup.engine(partnership, setup.store()?)?;
    match stoppable(&world, engine.migrate(!args.yes)).await {
        Ok(moved) if args.yes => {
            setup.note_done(environment, args.who.as_ref(), partnership, "migrate")?;
            Ok(said(global, &args.partnership, moved, true))
        }
        Ok(moved) => Ok(said(global, &args.partnership, moved, false)),
        Err(error) => tell(global, Err(error)),
    }
}

fn said(global: &Global, partnership: &str, moved: Moved, done: bool) -> Exit {
    if global.json {
        Out::stdout().json(&json!({
            "partnership": partnership, "done": done, "moved": moved.moved, "unclear": moved.unclear,
            "not_there": moved.not_there,
        }));
        return Exit::Done;
    }
    let out = Out::stdout();
    let (go, went) = ("would go along", "went along");
    out.line(&format!("{} {}.", counted(moved.moved, "card", "cards"), if done { went } else { go }));
    if moved.unclear > 0 {
        out.line(&format!("{} stay reviews: nobody, or more than one, is like them.", moved.unclear));
    }
    if moved.not_there > 0 {
        out.line(&format!(
            "{} are not in the ILS that the partnership's file names: they become reviews.",
            moved.not_there
        ));
    }
    if !done {
        out.line("Nothing was changed yet. Do it with --yes.");
    }
    Exit::Done
}
