//! `check`: every problem in the configuration; with `--online`, every login, permission and package too.

use std::collections::BTreeSet;

use rostercard_config::{Partnership, Severity, Style};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::ConnectorError;
use rostercard_core::student::Student;
use rostercard_ils_koha::CodesInUse;
use serde_json::json;

use crate::cli::{Check, Global};
use crate::commands::schools::Schools;
use crate::connectors::SourceSettings;
use crate::doubts;
use crate::exit::Exit;
use crate::output::{Out, counted};
use crate::roster::{self, Reader};
use crate::setup::Setup;

/// What asking one machine or reading one package came to.
struct Asked {
    what: String,
    findings: Vec<Finding>,
    error: Option<ConnectorError>,
}

/// Checks.
pub(crate) async fn check(global: &Global, setup: &Setup, args: &Check) -> Result<Exit, Exit> {
    doubts::look(setup, &global.config).await;
    let problems = setup.loaded.problems.sorted();
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count() as u64;
    let warnings = problems.len() as u64 - errors;
    let asked = if args.online { ask(setup).await } else { Vec::new() };
    let unreachable = asked.iter().filter(|a| a.error.is_some()).count() as u64;
    if global.json {
        let online: Vec<_> = asked
            .iter()
            .map(|a| {
                json!({
                    "what": a.what,
                    "ok": a.error.is_none(),
                    "error": a.error.as_ref().map(|e| &e.message),
                    "hint": a.error.as_ref().map(|e| &e.hint),
                    "fault": a.error.as_ref().map(|e| e.fault.word()),
                    "findings": a.findings.iter().map(|f| json!({
                        "code": f.code, "place": f.place.to_string(), "message": f.message,
                    })).collect::<Vec<_>>(),
                })
            })
            .collect();
        Out::stdout().json(&json!({
            "errors": errors, "warnings": warnings, "problems": setup.loaded.problems.to_json(), "online": online,
        }));
    } else {
        setup.print_problems(Style::Plain);
        for one in &asked {
            match &one.error {
                None => Out::stdout().line(&format!("{}: reached", one.what)),
                Some(error) => Out::stdout().line(&format!("{}: {error}\n  hint: {}", one.what, error.hint)),
            }
            for finding in &one.findings {
                Out::stdout().line(&format!("  {finding}"));
            }
        }
        Out::stdout().line(&summary(setup, errors, warnings, unreachable));
    }
    Ok(match (errors, unreachable) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Later,
        _ => Exit::Configuration,
    })
}

fn summary(setup: &Setup, errors: u64, warnings: u64, unreachable: u64) -> String {
    let good = setup.loaded.partnerships.iter().filter(|(_, p)| p.is_ok()).count() as u64;
    let all = setup.loaded.partnerships.len() as u64;
    let mut text = match (errors, warnings) {
        (0, 0) => "The configuration is right.".to_owned(),
        (0, _) => format!("The configuration can be used; {}.", counted(warnings, "warning", "warnings")),
        _ => format!(
            "{} and {} to look at.",
            counted(errors, "mistake to mend", "mistakes to mend"),
            counted(warnings, "warning", "warnings")
        ),
    };
    text.push_str(&format!(" {good} of {} can run.", counted(all, "partnership", "partnerships")));
    if unreachable > 0 {
        text.push_str(&format!(" {} could not be reached.", counted(unreachable, "system", "systems")));
    }
    text
}

/// Asks every ILS and looks at every roster whose configuration is right.
async fn ask(setup: &Setup) -> Vec<Asked> {
    let mut asked = Vec::new();
    for name in setup.ils.keys() {
        let Ok((_, directory)) = setup.ils(name) else { continue };
        let what = format!("ILS {name}");
        let mut found = directory.check().await;
        if let (Ok(findings), Some(settings)) = (&mut found, setup.ils.get(name)) {
            match settings.check_codes(&codes_in_use(setup, name)).await {
                Ok(more) => findings.extend(more),
                Err(error) => found = Err(error),
            }
        }
        asked.push(match found {
            Ok(findings) => Asked { what, findings, error: None },
            Err(error) => Asked { what, findings: Vec::new(), error: Some(error) },
        });
    }
    for (name, partnership) in &setup.loaded.partnerships {
        let Ok(partnership) = partnership else { continue };
        let Ok(mut source) = setup.source(partnership) else { continue };
        let what = format!("roster of {name}");
        let mut found = source.check().await;
        if let Ok(findings) = &mut found {
            findings.extend(odd_schools(setup, partnership).await);
            findings.extend(homeless(setup, partnership).await);
        }
        asked.push(match found {
            Ok(findings) => Asked { what, findings, error: None },
            Err(error) => Asked { what, findings: Vec::new(), error: Some(error) },
        });
    }
    asked
}

/// The schools of the roster as it is now that have no home, as one finding. Where it cannot be read to its end, the run says so.
async fn homeless(setup: &Setup, partnership: &Partnership) -> Option<Finding> {
    let mut source = setup.source_to_look_at(partnership).ok()?;
    let mut schools = Schools::default();
    roster::read(&mut *source, &mut schools).await.ok()?;
    let homes = &partnership.rules.homes;
    let without: Vec<(String, u64)> = schools
        .0
        .into_values()
        .filter(|(school, _)| homes.branch(school).is_none())
        .map(|(school, students)| (school.label(), students))
        .collect();
    let people = without.iter().map(|(_, students)| students).sum();
    (!without.is_empty()).then(|| {
        Finding::new(
            "school_without_home",
            Place::default(),
            format!(
                "{} with {} no home, so they wait: {}. `rostercard source schools {}` prints the lines to add to [homes]",
                counted(without.len() as u64, "school", "schools"),
                counted(people, "person has", "people have"),
                some(without.iter().map(|(label, _)| label.as_str())),
                partnership.name,
            ),
        )
    })
}

/// The first few of a list.
pub(crate) fn some<'l>(labels: impl Iterator<Item = &'l str>) -> String {
    let all: Vec<&str> = labels.collect();
    let shown: Vec<&str> = all.iter().take(5).copied().collect();
    let more = all.len().saturating_sub(shown.len());
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    format!("{}{more}", shown.join("; "))
}

/// Schools of a roster of several partnerships that nobody takes, or two: only the whole roster tells, so that it is asked
/// where it is at hand.
async fn odd_schools(setup: &Setup, partnership: &Partnership) -> Vec<Finding> {
    let files = setup.sources.get(partnership.name.as_str()).is_some_and(SourceSettings::is_files);
    let mut odd = OddSchools::default();
    if partnership.shared_source.is_some()
        && files
        && let Ok(mut source) = setup.source_to_look_at(partnership)
    {
        // A roster that cannot be read was told.
        drop(roster::read(&mut *source, &mut odd).await);
    }
    odd.0
}

#[derive(Default)]
struct OddSchools(Vec<Finding>);

impl Reader for OddSchools {
    fn student(&mut self, _: Student) {}
    fn finding(&mut self, finding: &Finding) {
        if finding.code.starts_with("school_of_") {
            self.0.push(finding.clone());
        }
    }
}

/// The codes that the partnerships of an ILS use, each once.
fn codes_in_use(setup: &Setup, ils: &str) -> CodesInUse {
    let (mut categories, mut branches, mut statistics) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let partnerships =
        setup.loaded.partnerships.iter().filter_map(|(_, partnership)| partnership.as_ref().ok());
    for partnership in partnerships.filter(|partnership| partnership.ils.as_str() == ils) {
        let rules = &partnership.rules;
        let patches = || rules.card_for.iter().map(|card_for| &card_for.patch);
        categories.insert(rules.card.category.clone());
        categories.extend(patches().filter_map(|patch| patch.category.clone()));
        branches.extend(rules.homes.branches().cloned());
        statistics.extend(rules.card.statistics.keys().cloned());
        statistics.extend(patches().flat_map(|patch| patch.statistics.keys().cloned()));
    }
    CodesInUse {
        categories: categories.into_iter().collect(),
        branches: branches.into_iter().collect(),
        statistics: statistics.into_iter().collect(),
    }
}
