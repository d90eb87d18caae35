//! People's work around the runs: wishes, reviews, taking cards over, taking a run back, moving house.

mod moves;
mod review;
mod wishes;

use rostercard_config::Partnership;
use rostercard_core::privacy::Personal;
use rostercard_store::Store;
use rostercard_store::rows::PartnershipId;

use crate::cli::Global;
use crate::cli::people::{PeopleCommand, WishCommand};
use crate::exit::Exit;
use crate::machine::Environment;
use crate::output::complain;
use crate::setup::Setup;

pub(crate) use moves::migrate;

/// Runs one of the commands.
pub(crate) async fn people(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    command: &PeopleCommand,
) -> Result<Exit, Exit> {
    match command {
        PeopleCommand::Optout { command } => wish(global, setup, environment, command, false).await,
        PeopleCommand::Optin { command } => wish(global, setup, environment, command, true).await,
        PeopleCommand::Review { command } => review::review(global, setup, environment, command).await,
        PeopleCommand::Relink { whose, barcode } => {
            review::resolve(global, setup, environment, whose, "relink", Some(barcode)).await
        }
        PeopleCommand::Recreate(whose) => {
            review::resolve(global, setup, environment, whose, "recreate", None).await
        }
        PeopleCommand::Leave(whose) => {
            review::resolve(global, setup, environment, whose, "leave", None).await
        }
        PeopleCommand::Adopt(args) => moves::adopt(global, setup, environment, args).await,
        PeopleCommand::Undo { run } => moves::undo(global, setup, *run).await,
        PeopleCommand::Rebind(args) => moves::rebind(global, setup, environment, args).await,
    }
}

async fn wish(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    command: &WishCommand,
    wants: bool,
) -> Result<Exit, Exit> {
    match command {
        WishCommand::Add(args) => wishes::add(global, setup, environment, args, wants).await,
        WishCommand::Remove(args) => wishes::remove(global, setup, environment, args, wants).await,
        WishCommand::List { partnership } => wishes::list(global, setup, partnership, wants).await,
    }
}

/// The partnership's row, made where there is none yet: a wish is taken before anybody is in a roster.
async fn row(setup: &Setup, store: &dyn Store, partnership: &Partnership) -> Result<PartnershipId, Exit> {
    let (ils, _) = setup.ils(partnership.ils.as_str())?;
    let made = store.partnership(partnership.id.as_str(), ils.id.as_str(), partnership.name.as_str()).await;
    Ok(made.map_err(|error| setup.store_error(&error))?.id)
}

/// The student ids of the command line and of a file with one a line.
fn students(
    global: &Global,
    given: &[String],
    file: Option<&std::path::Path>,
) -> Result<Vec<Personal>, Exit> {
    let mut students: Vec<Personal> = given.iter().filter_map(|id| Personal::non_blank(id)).collect();
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let hint = "a text file in UTF-8 with a student id a line";
            complain(global.json, &format!("{}: {error}", file.display()), hint);
            Exit::Failed
        })?;
        students.extend(text.trim_start_matches('\u{feff}').lines().filter_map(Personal::non_blank));
    }
    if students.is_empty() {
        let hint = "name them one after the other, or a file with one a line by --file";
        complain(global.json, "no student id was given", hint);
        return Err(Exit::Usage);
    }
    Ok(students)
}
