//! `ils probe` and `ils find`: what an ILS can do, and what it holds.

use rostercard_core::ports::{Capability, FindKey, Lookup};
use rostercard_core::privacy::Personal;
use serde_json::{Value, json};

use crate::cli::{Global, IlsCommand};
use crate::exit::Exit;
use crate::machine::Environment;
use crate::output::{Out, complain};
use crate::setup::Setup;

/// Asks an ILS.
pub(crate) async fn ils(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    command: &IlsCommand,
) -> Result<Exit, Exit> {
    match command {
        IlsCommand::Probe { ils } => probe(global, setup, ils).await,
        IlsCommand::Migrate(args) => crate::commands::people::migrate(global, setup, environment, args).await,
        IlsCommand::Find { ils, barcode, reveal } => {
            if *reveal {
                setup.ils(ils)?;
                setup.note_reveal(environment, None, &format!("ils find {ils}"))?;
            }
            find(global, setup, ils, barcode, *reveal).await
        }
    }
}

async fn probe(global: &Global, setup: &Setup, name: &str) -> Result<Exit, Exit> {
    let (_, directory) = setup.ils(name)?;
    let answer = directory.check().await;
    let capabilities = directory.capabilities();
    let listed: [(&str, &Capability); 7] = [
        ("lookup", &capabilities.lookup),
        ("create", &capabilities.create),
        ("update", &capabilities.update),
        ("block", &capabilities.block),
        ("unblock", &capabilities.unblock),
        ("pin", &capabilities.pin),
        ("find_by_person", &capabilities.find_by_person),
    ];
    let (reachable, problems, hint) = match &answer {
        Ok(findings) => (true, findings.iter().map(ToString::to_string).collect(), ""),
        Err(error) => (false, vec![error.message.clone()], error.hint.as_str()),
    };
    if global.json {
        let capabilities: serde_json::Map<String, Value> = listed
            .iter()
            .map(|(name, c)| ((*name).to_owned(), json!({ "state": c.state.word(), "why": c.why })))
            .collect();
        Out::stdout().json(&json!({
            "ils": name, "capabilities": capabilities, "reachable": reachable, "problems": problems,
        }));
    } else {
        for (capability, c) in listed {
            Out::stdout().line(&format!("{capability:<15} {:<10} {}", c.state.word(), c.why));
        }
        let reached = if reachable { "The ILS answers." } else { "The ILS could not be asked." };
        Out::stdout().line(reached);
        for problem in &problems {
            Out::stdout().line(&format!("  {problem}"));
        }
        if !hint.is_empty() {
            Out::stdout().line(&format!("hint: {hint}"));
        }
    }
    Ok(if reachable { Exit::Done } else { Exit::Later })
}

async fn find(global: &Global, setup: &Setup, name: &str, barcode: &str, reveal: bool) -> Result<Exit, Exit> {
    let (_, directory) = setup.ils(name)?;
    let lookup = directory.find(&FindKey::Barcode(Personal::new(barcode))).await;
    let (word, why, exit) = match &lookup {
        Lookup::Found(_) => ("found", None, Exit::Done),
        Lookup::NotFound => ("not_found", None, Exit::Done),
        Lookup::Many => {
            ("unknown", Some("the ILS has several patrons with this number".to_owned()), Exit::Failed)
        }
        Lookup::NotVisible => (
            "unknown",
            Some("the ILS has the patron and does not show it to this login".to_owned()),
            Exit::Failed,
        ),
        Lookup::Unknown(error) => ("unknown", Some(error.message.clone()), Exit::Later),
    };
    let patron = match &lookup {
        Lookup::Found(patron) => Some(patron),
        _ => None,
    };
    if global.json {
        let patron = patron.map(|p| {
            let mut value = json!({
                "id": p.id.reveal(),
                "barcode": p.values.barcode.as_ref().map(Personal::reveal),
                "category": p.values.category.as_ref().map(ToString::to_string),
                "home_branch": p.values.home_branch.as_ref().map(ToString::to_string),
                "expires": p.values.expiry.map(|d| d.to_string()),
                "blocked": p.blocked,
            });
            if let (true, Some(object)) = (reveal, value.as_object_mut()) {
                let text = |v: &Option<Personal>| v.as_ref().map(|v| v.reveal().to_owned());
                object.insert("surname".to_owned(), json!(text(&p.values.surname)));
                object.insert("given_name".to_owned(), json!(text(&p.values.given_name)));
                let born = p.values.birth_date.map(|d| d.reveal().to_string());
                object.insert("birth_date".to_owned(), json!(born));
            }
            value
        });
        Out::stdout().json(&json!({ "lookup": word, "why": why, "patron": patron }));
        return Ok(exit);
    }
    match (&lookup, patron) {
        (_, Some(p)) => {
            let code = |c: Option<String>| c.unwrap_or_else(|| "(none)".to_owned());
            let mut line = format!(
                "Found: category {}, home branch {}, expires {}{}",
                code(p.values.category.as_ref().map(ToString::to_string)),
                code(p.values.home_branch.as_ref().map(ToString::to_string)),
                code(p.values.expiry.map(|d| d.to_string())),
                if p.blocked == Some(true) { ", blocked" } else { "" }
            );
            if reveal {
                let text =
                    |v: &Option<Personal>| v.as_ref().map(|v| v.reveal().to_owned()).unwrap_or_default();
                line.push_str(&format!("; {}, {}", text(&p.values.surname), text(&p.values.given_name)));
            }
            Out::stdout().line(&line);
        }
        (Lookup::NotFound, _) => Out::stdout().line("Not found: the ILS has no patron with this number."),
        (Lookup::Unknown(error), _) => complain(false, &error.message, &error.hint),
        _ => complain(
            false,
            why.as_deref().unwrap_or_default(),
            "look at the patron in the ILS's staff client",
        ),
    }
    Ok(exit)
}
