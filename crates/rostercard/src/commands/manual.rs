//! The hidden `manual`: the pages that the package puts beside the program, made from the command line itself, so that they cannot
//! tell of a command that is not there. Nothing here reads a configuration.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::cli::{Cli, Global, Manual};
use crate::exit::Exit;
use crate::output::complain;

/// What each exit code means; the manual's EXIT STATUS.
const CODES: &[(Exit, &str)] = &[
    (Exit::Done, "Done."),
    (Exit::Failed, "Failed. What is done is done, and the next run goes on."),
    (Exit::Rejects, "Done, with records that the district has to correct."),
    (Exit::Waiting, "Changes wait for approval."),
    (Exit::Usage, "The command line is wrong."),
    (
        Exit::Later,
        "Try again later: another rostercard is at work, a roster is not whole yet, an ILS cannot be reached, its hours are over, or it is paused.",
    ),
    (
        Exit::Configuration,
        "The configuration is wrong. systemd does not start the daemon again after this one.",
    ),
];

/// The manual's FILES.
const FILES: &[(&str, &str)] = &[
    (
        "/etc/rostercard/rostercard.toml",
        "The library, the store, the ILSs, the listener. rostercard check finds every mistake in it.",
    ),
    ("/etc/rostercard/partnerships/*.toml", "One agreement between a district and the library each."),
    (
        "/etc/rostercard/state.key",
        "The key of the store, as rostercard init makes it. Keep a copy in a safe place: without it the store cannot be read.",
    ),
    ("/var/lib/rostercard", "The store: one file and a lock, and daily copies in backups/."),
    ("/usr/share/doc/rostercard", "The guide, the annotated configuration, samples for monitoring and SFTP."),
];

/// The manual's ENVIRONMENT.
const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "ROSTERCARD__LIBRARY__NAME, ROSTERCARD__LIBRARY__TIMEZONE, ROSTERCARD__STATE__PATH, ROSTERCARD__STATE__KEY__FILE",
        "Win over the same keys of rostercard.toml.",
    ),
    (
        "CREDENTIALS_DIRECTORY",
        "Where systemd puts the credentials that the configuration names by { credential = \"NAME\" }.",
    ),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC, JOURNAL_STREAM",
        "Set by systemd for the daemon: where it says that it is ready and alive, and that its log goes to the journal.",
    ),
    ("SUDO_USER, LOGNAME, USER", "Who approves, discards, pauses, where --as does not say it."),
];

/// Writes the manual pages.
pub(crate) fn manual(global: &Global, args: &Manual) -> Result<Exit, Exit> {
    write_pages(&args.out, &args.date).map(|()| Exit::Done).map_err(|error| {
        let hint = "name another folder by --out";
        complain(global.json, &format!("the manual pages cannot be written: {error}"), hint);
        Exit::Failed
    })
}

fn write_pages(folder: &Path, date: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write_page(&command, folder, date)
}

/// A command's page, and those of the commands below it.
fn write_page(command: &Command, folder: &Path, date: &str) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_page(below, folder, date)?;
    }
    let whole = command.get_name() == "rostercard";
    let page = Man::new(command.clone())
        .date(date)
        .source(concat!("rostercard ", env!("CARGO_PKG_VERSION")))
        .manual("Rostercard");
    let mut bytes = Vec::new();
    page.render_title(&mut bytes)?;
    page.render_name_section(&mut bytes)?;
    page.render_synopsis_section(&mut bytes)?;
    page.render_description_section(&mut bytes)?;
    page.render_options_section(&mut bytes)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        page.render_subcommands_section(&mut bytes)?;
    }
    let mut end = Roff::new();
    if whole {
        end.control("SH", ["EXIT STATUS"]);
        for (exit, meaning) in CODES {
            end.control("TP", []).text([bold(exit.code().to_string())]).text([roman(*meaning)]);
        }
        for (heading, list) in [("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)] {
            end.control("SH", [heading]);
            for (name, meaning) in list {
                end.control("TP", []).text([italic(*name)]).text([roman(*meaning)]);
            }
        }
        end.control("SH", ["SEE ALSO"]);
        end.text([
            bold("systemctl"),
            roman("(1), "),
            bold("systemd-creds"),
            roman("(1), "),
            bold("journalctl"),
            roman("(1)"),
        ]);
        end.text([roman("/usr/share/doc/rostercard/install.md and guide.md")]);
    } else {
        end.control("SH", ["SEE ALSO"]);
        end.text([bold("rostercard"), roman("(1), which has the exit codes, the files and the environment")]);
    }
    end.to_writer(&mut bytes)?;
    // The library ends a line both before and after a blank one, which `mandoc -T lint` complains of.
    let text = String::from_utf8_lossy(&bytes).replace(".br\n\n.br\n", "\n");
    fs::write(folder.join(page.get_filename()), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_the_first_has_every_code() {
        let folder = tempfile::tempdir().unwrap();
        write_pages(folder.path(), "2026-11-24").unwrap();
        let page = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let first = page("rostercard.1");
        for (exit, _) in CODES {
            assert!(first.contains(&format!("\\fB{}\\fR", exit.code())), "no {} in {first}", exit.code());
        }
        for heading in ["EXIT STATUS", "FILES", "ENVIRONMENT", "SEE ALSO"] {
            assert!(first.contains(heading), "no {heading}");
        }
        assert!(first.contains("2026-11-24") && !first.contains("manual\\fR"), "{first}");
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let page = page(&format!("rostercard-{}.1", command.get_name()));
            assert!(page.contains("SEE ALSO"));
        }
        assert!(page("rostercard-ils-find.1").contains("barcode"));
    }
}
