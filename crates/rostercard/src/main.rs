//! Rostercard: student rosters in, library cards out.
//!
//! The program: it composes the crates, and is the one place that reads the clock, the environment and the arguments,
//! and that prints. [`cli`] has the command line, [`commands`] one module a command, [`connectors`] the registry of
//! what `[source.X]` and `[ils.NAME.X]` may be, [`setup`] the way from configuration files to something that runs.

mod cli;
mod commands;
mod connectors;
mod dates;
mod doubts;
mod exit;
mod extract;
mod images;
mod imported;
mod machine;
mod output;
mod progress;
#[cfg(test)]
mod reference;
mod roster;
mod setup;
mod shared;
mod telling;
mod tokens;
mod watched;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::output::Out;

/// A roster is read on one thread and decided on another, so that every student's memory is taken here and given back
/// there. The system's allocator has the two wait for each other at each: with it, a million students take twice as long.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; everything else is a usage error, 64 and not clap's 2, which is taken.
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return match error.print() {
                Ok(()) => code.into(),
                Err(_) => Exit::Failed.into(),
            };
        }
    };
    machine::start_logging(&cli.global, matches!(cli.command, cli::Command::Run));
    // The one TLS provider, before anything makes a client. Only a second call could fail.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::warn!("A TLS provider was installed already.");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            Out::stderr().line(&format!("error: the machine gives no threads: {error}"));
            return Exit::Failed.into();
        }
    };
    let exit = runtime.block_on(commands::run(cli));
    // Readers of a killed source may still hang on a disk; they are not waited for.
    runtime.shutdown_background();
    exit.into()
}
