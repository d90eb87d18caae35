//! `demo`: a practice district and a practice ILS, and what Rostercard does between them, told in words.
//!
//! Nothing is played: the roster is a OneRoster package on the disk, the ILS speaks NCIP on a socket, and every step is
//! the command a library would type, run by the same code.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rostercard_core::plan::RunState;
use rostercard_core::rules::Existing;
use rostercard_engine::RunReport;
use rostercard_practice::ils::{Ils, Options, Running};
use rostercard_practice::roster::{Spec, Version, changes, generate, schools};
use rostercard_store::rows::ChangeSelection;

use crate::cli::init::Approach;
use crate::cli::{Demo, Global};
use crate::commands::init::{self, MainStart, PartnershipStart, SourceStart, WayStart};
use crate::commands::run::What;
use crate::exit::Exit;
use crate::machine::Environment;
use crate::output::{Out, complain, counted};
use crate::setup::Setup;

/// The practice partnership's name.
const PARTNERSHIP: &str = "larkfield-usd";

/// Shows it all.
pub(crate) async fn demo(args: &Demo) -> Result<Exit, Exit> {
    let temporary =
        tempfile::tempdir().map_err(|error| failed(&format!("no folder for the demo: {error}")))?;
    let folder = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    let stage = Stage::set(args, folder).await?;
    let result = stage.play().await;
    if result.is_ok() && args.keep.is_some() {
        say(&format!(
            "\nThe files are in {}. The practice ILS's page stays open at {} until Ctrl-C.",
            stage.folder.display(),
            stage.ils.page_url()
        ));
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
    stage.ils.stop().await;
    result
}

fn failed(message: &str) -> Exit {
    complain(false, message, "name another folder by --keep");
    Exit::Failed
}

fn say(text: &str) {
    Out::stdout().line(text);
}

struct Stage {
    folder: PathBuf,
    ils: Running,
    global: Global,
    spec: Spec,
}

impl Stage {
    async fn set(args: &Demo, folder: PathBuf) -> Result<Self, Exit> {
        let ils = Ils::start(Options::default()).await.map_err(|error| failed(&error.to_string()))?;
        let spec = Spec { version: Version::V1p2, ..Spec::new(args.students, args.seed) };
        let global = Global { config: folder.join("rostercard.toml"), json: false, log: None };
        Ok(Self { folder, ils, global, spec })
    }

    async fn play(&self) -> Result<Exit, Exit> {
        let schools = schools(&self.spec);
        say("Rostercard demo. Everybody in it is invented.\n");
        say(&format!(
            "1. A district, {}, sends a roster: a OneRoster package of {} and {}.",
            self.spec.district,
            counted(u64::from(self.spec.students), "student", "students"),
            counted(schools.len() as u64, "school", "schools"),
        ));
        self.deliver(0)?;
        say(&format!(
            "   A library's ILS listens: a practice one, at {}, with no patron yet. Its page: {}",
            self.ils.ncip_url(),
            self.ils.page_url()
        ));
        let homes: Vec<(String, String)> = schools
            .iter()
            .enumerate()
            .map(|(i, school)| (school.name.clone(), if i % 2 == 0 { "MAIN" } else { "EAST" }.to_owned()))
            .collect();
        let main = MainStart {
            library: "Larkfield Public Library".to_owned(),
            timezone: "UTC".to_owned(),
            state: self.folder.join("state").display().to_string(),
            way: WayStart::Ncip { url: self.ils.ncip_url() },
        };
        let partnership = PartnershipStart {
            name: PARTNERSHIP.to_owned(),
            district: self.spec.district.clone(),
            ils: "main".to_owned(),
            approach: Approach::Digital,
            existing: Existing::Separate,
            source: SourceStart::OneRosterCsv { path: self.package().display().to_string() },
            homes,
        };
        init::write(&self.folder, Some(&main), &partnership).map_err(|error| failed(&error))?;
        say(
            "   `rostercard init` has written the configuration; each school has a home branch, MAIN or EAST.\n",
        );

        say("2. What would a sync do? `rostercard plan larkfield-usd`");
        let planned = self.run(What::Plan).await?;
        told(&planned);
        say("   Nothing was written. The first load of a partnership is always looked at by a person.\n");

        say(&format!("3. A person lets it through: `rostercard approve {}`", planned.run.id));
        let approved = self.approve(&planned).await?;
        told(&approved);
        self.shelf();

        say("\n4. The next night the same roster comes: `rostercard sync larkfield-usd`");
        let again = self.run(What::Sync { now: true }).await?;
        told(&again);
        if again.run.result.writes + again.run.result.lookups != 0 {
            return Err(failed("the second run wrote to the ILS, which it must not"));
        }
        say("   The ILS was not even asked.\n");

        let moved = changes(&self.spec, 0, 1);
        say(&format!(
            "5. A day later the roster has changed: {}, {}, {}, {}.",
            counted(moved.newcomers.len() as u64, "newcomer", "newcomers"),
            counted(moved.leavers.len() as u64, "leaver", "leavers"),
            counted(moved.moves.len() as u64, "move to another school", "moves to other schools"),
            counted(moved.corrected.len() as u64, "corrected name", "corrected names"),
        ));
        self.deliver(1)?;
        let later = self.run(What::Sync { now: true }).await?;
        told(&later);
        say(
            "   Who left keeps the card for now: it is not renewed once the grace is over, and never deleted.",
        );
        self.shelf();

        say("\n6. And once more: `rostercard sync larkfield-usd`");
        let last = self.run(What::Sync { now: true }).await?;
        told(&last);
        let cards = self.ils.counts().patrons;
        let expected = u64::from(self.spec.students) + moved.newcomers.len() as u64;
        if last.run.state != RunState::Done || cards != expected || last.run.result.writes != 0 {
            return Err(failed(&format!("the demo ended with {cards} cards where {expected} were expected")));
        }
        say(&format!(
            "\n{cards} students have been given a card, each exactly one. That is all there is to it."
        ));
        Ok(Exit::Done)
    }

    fn package(&self) -> PathBuf {
        self.folder.join("roster.zip")
    }

    /// Writes the roster of a day, as the district's export would.
    fn deliver(&self, day: u32) -> Result<(), Exit> {
        let fresh = self.folder.join(format!("day-{day}.zip"));
        let package: &Path = &self.package();
        generate(&Spec { day, ..self.spec.clone() }, &fresh).map_err(|error| failed(&error.to_string()))?;
        std::fs::rename(&fresh, package).map_err(|error| failed(&format!("{}: {error}", package.display())))
    }

    async fn run(&self, what: What) -> Result<RunReport, Exit> {
        let setup = Setup::read(&self.global, &Environment::read());
        let partnership = setup.partnership(PARTNERSHIP)?;
        let mut source = setup.source(partnership)?;
        let (engine, _) = setup.engine(partnership, setup.store()?)?;
        let outcome = match what {
            What::Plan => engine.plan(&mut *source).await,
            What::Sync { .. } => engine.sync(&mut *source).await,
        };
        outcome.map_err(|error| failed(&error.to_string()))
    }

    async fn approve(&self, planned: &RunReport) -> Result<RunReport, Exit> {
        let setup = Setup::read(&self.global, &Environment::read());
        let partnership = setup.partnership(PARTNERSHIP)?;
        let (engine, _) = setup.engine(partnership, Arc::clone(&setup.store()?))?;
        let all = ChangeSelection::default();
        engine.approve(planned.run.id, all, "demo", None).await.map_err(|error| failed(&error.to_string()))
    }

    /// What the ILS holds, by branch.
    fn shelf(&self) {
        let patrons = self.ils.patrons();
        let at =
            |branch: &str| patrons.iter().filter(|p| p.home_branch.as_deref() == Some(branch)).count() as u64;
        say(&format!(
            "   The ILS now has {}: {} at MAIN, {} at EAST.",
            counted(patrons.len() as u64, "patron", "patrons"),
            at("MAIN"),
            at("EAST")
        ));
    }
}

/// A run in an indented line, and what was noticed.
fn told(report: &RunReport) {
    let result = &report.run.result;
    let counts = &result.counts;
    let planned = report.run.state == RunState::Planned;
    let (make, change) = if planned { (" to make", " to change") } else { (" made", " changed") };
    let cards = |count, what| format!("{}{what}", counted(count, "card", "cards"));
    let parts: Vec<String> = [
        (counts.create, cards(counts.create, make)),
        (counts.update, cards(counts.update, change)),
        (counts.renew, cards(counts.renew, " renewed")),
        (counts.unchanged, format!("{} unchanged", counts.unchanged)),
        (counts.waiting, format!("{} waiting", counts.waiting)),
        (counts.not_eligible, format!("{} not in the programme", counts.not_eligible)),
        (counts.pending, format!("{} not done yet", counts.pending)),
        (counts.review, counted(counts.review, "question for a person", "questions for a person")),
        (counts.reject, format!("{} rejected", counts.reject)),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(_, text)| text)
    .collect();
    let mut line = format!("   {}", parts.join(", "));
    if !planned {
        line.push_str(&format!(
            "; the ILS was asked {} and written to {}",
            counted(result.lookups, "time", "times"),
            counted(result.writes, "time", "times")
        ));
    }
    line.push('.');
    say(&line);
    // That teachers are in the roster and not in the programme is no news of any one run.
    for (code, finding) in result.findings.iter().filter(|(code, _)| *code != "educators_skipped") {
        let times = counted(finding.count, "time", "times");
        say(&format!("   Noticed, {times}: {} ({code})", finding.message));
    }
}
