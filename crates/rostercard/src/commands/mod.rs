//! The commands, one module each.

mod audit;
mod backup;
pub(crate) mod check;
mod child;
mod completions;
mod contacts;
mod daemon;
mod decide;
mod demo;
mod explain;
mod handbook;
mod healthcheck;
mod ils;
mod import;
mod init;
mod manual;
mod pause;
mod people;
mod pins;
mod practice;
mod purge;
pub(crate) mod rejects;
mod report;
mod run;
mod runs;
mod schedule;
mod schema;
mod schools;
mod source;
pub(crate) mod status;

use crate::cli::watch::WatchCommand;
use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::machine::Environment;
use crate::setup::Setup;

/// Runs a command.
pub(crate) async fn run(cli: Cli) -> Exit {
    let environment = Environment::read();
    let global = cli.global;
    let setup = || Setup::read(&global, &environment);
    let result = match cli.command {
        Command::Demo(args) => demo::demo(&args).await,
        Command::Init(args) => init::init(&global, &args),
        Command::Schema { of } => schema::schema(of),
        Command::Check(args) => check::check(&global, &setup(), &args).await,
        Command::Plan(args) => run::run(&global, &setup(), &args.partnership, run::What::Plan).await,
        Command::Sync(args) => {
            run::run(&global, &setup(), &args.partnership, run::What::Sync { now: args.now }).await
        }
        Command::Import(args) => import::import(&global, &setup(), &environment, &args).await,
        Command::Run => daemon::daemon(&global, &environment).await,
        Command::Approve(args) => decide::approve(&global, &setup(), &environment, &args).await,
        Command::Discard(args) => decide::discard(&global, &setup(), &environment, &args).await,
        Command::Pause(args) => pause::pause(&global, &setup(), &environment, &args).await,
        Command::Resume(args) => pause::resume(&global, &setup(), &environment, &args).await,
        Command::Backup(args) => backup::backup(&global, &setup(), &environment, &args),
        Command::Restore(args) => backup::restore(&global, &setup(), &environment, &args),
        Command::Purge(args) => purge::purge(&global, &setup(), &environment, &args).await,
        Command::Inventory(args) => child::inventory(&global, &setup(), &environment, &args).await,
        Command::Forget(args) => child::forget(&global, &setup(), &environment, &args).await,
        Command::Audit(args) => audit::audit(&global, &setup(), &args).await,
        Command::Status => status::status(&global, &setup()).await,
        Command::Runs(args) => runs::runs(&global, &setup(), &args).await,
        Command::Show(args) => runs::show(&global, &setup(), &args).await,
        Command::Source { command } => source::source(&global, &setup(), &environment, &command).await,
        Command::Ils { command } => ils::ils(&global, &setup(), &environment, &command).await,
        Command::Explain(args) => explain::explain(&global, &setup(), &environment, &args).await,
        Command::Rejects(args) => rejects::rejects(&global, &setup(), &args).await,
        Command::Report(args) => report::report(&global, &setup(), &args).await,
        Command::Pins { command } => pins::pins(&global, &setup(), &environment, &command).await,
        Command::People(command) => people::people(&global, &setup(), &environment, &command).await,
        Command::Completions(args) => Ok(completions::completions(&args)),
        Command::Names => Ok(completions::names(&global)),
        Command::Manual(args) => manual::manual(&global, &args),
        Command::Watch(WatchCommand::Contacts { command }) => {
            contacts::contacts(&global, &setup(), &command).await
        }
        Command::Watch(WatchCommand::Healthcheck(args)) => healthcheck::healthcheck(setup, &args).await,
        Command::Watch(WatchCommand::Schedule(args)) => schedule::schedule(&global, &setup(), &args).await,
        Command::Watch(WatchCommand::Handbook(args)) => handbook::handbook(&global, &setup(), &args).await,
        Command::Practice { command } => practice::practice(&global, &command).await,
    };
    result.unwrap_or_else(|exit| exit)
}
