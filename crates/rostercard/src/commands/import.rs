//! `import`: one run over a file that somebody gives, for rosters that come once a year by mail (S40). It goes through the
//! guards, and waits, like any other run.

use rostercard_core::plan::RunState;
use rostercard_core::ports::RosterSource;
use rostercard_store::Store;

use crate::cli::{Global, Holds, Import};
use crate::commands::run::{sync_from, tell};
use crate::exit::Exit;
use crate::imported::Imported;
use crate::machine::{self, Environment};
use crate::output::complain;
use crate::setup::Setup;

/// Imports a file.
pub(crate) async fn import(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &Import,
) -> Result<Exit, Exit> {
    let partnership = setup.partnership(&args.partnership)?;
    let whole = args.holds == Holds::Whole;
    let settings = setup.sources.get(partnership.name.as_str()).ok_or(Exit::Configuration)?;
    if settings.keeps_roster() {
        let message = format!(
            "partnership {} has deltas = true: packages change the roster that is kept of those before, and an import would not be in it",
            partnership.name
        );
        let hint = "put the package where [source.oneroster_csv] path is, and `rostercard sync` takes it in its turn";
        complain(global.json, &message, hint);
        return Err(Exit::Usage);
    }
    let Some((settings, endpoint)) = settings.for_file(&args.file, whole) else {
        let message = format!(
            "partnership {} has its rosters from [source.{}], which is asked and not given files",
            partnership.name, partnership.source
        );
        let hint = "`rostercard sync` reads it; files are for partnerships with [source.csvdrop] or [source.oneroster_csv]";
        complain(global.json, &message, hint);
        return Err(Exit::Usage);
    };
    if let Err(error) = std::fs::metadata(&args.file) {
        complain(global.json, &format!("{}: {error}", args.file.display()), "name the file that was sent");
        return Err(Exit::Usage);
    }
    let fields = &partnership.rules.fields;
    let source = settings.open(fields, setup.today_of(partnership)?, machine::now(), None);
    let source = setup.own_part(partnership, source);
    let name = args.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut source: Box<dyn RosterSource> = Box::new(Imported::new(source, endpoint, whole, name));
    if !whole && let Some(run) = waiting(setup, partnership.id.as_str()).await? {
        let message = format!(
            "changes of run {run} wait for approval, and an import of additions would take their place"
        );
        let hint = format!(
            "decide first: `rostercard approve {run}` or `rostercard discard {run}`; then import this file"
        );
        complain(global.json, &message, &hint);
        return Err(Exit::Waiting);
    }
    crate::commands::backup::daily(setup)?;
    let store = setup.store()?;
    setup.note_done(
        environment,
        args.who.as_ref(),
        partnership,
        &format!("import as {}", args.holds.word()),
    )?;
    let outcome = sync_from(setup, partnership, store, &mut *source, false).await?;
    let handed_over = setup.hand_over().await;
    let exit = tell(global, outcome)?;
    Ok(if handed_over { exit } else { Exit::Failed })
}

/// The run whose changes wait: those of a file that is given once would be lost under the next one.
async fn waiting(setup: &Setup, permanent_id: &str) -> Result<Option<i64>, Exit> {
    let Some(store) = setup.store_to_read()? else { return Ok(None) };
    waiting_in(&*store, permanent_id).await.map_err(|error| setup.store_error(&error))
}

async fn waiting_in(
    store: &dyn Store,
    permanent_id: &str,
) -> Result<Option<i64>, rostercard_store::StoreError> {
    let known = store.partnerships().await?.into_iter().find(|known| known.permanent_id == permanent_id);
    let Some(known) = known else { return Ok(None) };
    let now = machine::now();
    let runs = store.runs(Some(known.id), 100).await?;
    let waits = runs.iter().find(|run| {
        run.state == RunState::Waiting
            && run.superseded_by.is_none()
            && run.result.counts.waiting > 0
            && run.plan.as_ref().is_none_or(|plan| now < plan.expires_at)
    });
    Ok(waits.map(|run| run.id.0))
}
