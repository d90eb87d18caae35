//! `contacts`: who is told of what, a test message to them, and a round of telling for those who have no daemon.

use rostercard_daemon::health::{Facts, judge};
use rostercard_tell::Kind;
use serde_json::json;

use crate::cli::Global;
use crate::cli::watch::ContactsCommand;
use crate::exit::Exit;
use crate::machine;
use crate::output::{Out, complain};
use crate::setup::Setup;
use crate::telling::{Known, Round, Teller, letter, library_of};

/// Lists contacts, tries them, or tells them.
pub(crate) async fn contacts(
    global: &Global,
    setup: &Setup,
    command: &ContactsCommand,
) -> Result<Exit, Exit> {
    let main = setup.main()?;
    let tellers = &setup.tellers;
    if tellers.all().is_empty() {
        let hint = "add [[contacts]] to rostercard.toml or to a partnership's file; see docs/telling.md";
        complain(global.json, "nobody is told: there are no contacts", hint);
        return Err(Exit::Configuration);
    }
    match command {
        ContactsCommand::List => {
            let list: Vec<_> = tellers.all().iter().map(as_json).collect();
            if global.json {
                Out::stdout().json(&json!({ "contacts": list }));
            } else {
                tellers.all().iter().for_each(|teller| Out::stdout().line(&in_words(teller)));
            }
            Ok(Exit::Done)
        }
        ContactsCommand::Test { name } => {
            let meant: Vec<&Teller> = tellers
                .all()
                .iter()
                .filter(|one| name.as_ref().is_none_or(|name| one.name == *name))
                .collect();
            if meant.is_empty() {
                let names: Vec<&str> = tellers.all().iter().map(|one| one.name.as_str()).collect();
                complain(
                    global.json,
                    "there is no such contact",
                    &format!("there are: {}", names.join(", ")),
                );
                return Err(Exit::Usage);
            }
            let mut results = Vec::new();
            let mut well = true;
            for teller in meant {
                let (library, zone) = library_of(main, setup, teller);
                let sent =
                    tellers.send(teller, &letter(teller, &library, zone, machine::now(), Vec::new())).await;
                well &= sent.is_ok();
                match &sent {
                    Ok(()) if !global.json => {
                        Out::stdout().line(&format!(
                            "{}: handed over to {}",
                            teller.name,
                            teller.way_in_words()
                        ));
                    }
                    Err(error) if !global.json => {
                        Out::stderr().line(&format!("{}: {error}\nhint: {}", teller.name, error.hint()));
                    }
                    _ => {}
                }
                let error = sent.as_ref().err();
                results.push(json!({
                    "contact": teller.name, "sent": sent.is_ok(), "error": error.map(ToString::to_string),
                    "hint": error.map(rostercard_tell::TellError::hint),
                }));
            }
            if global.json {
                Out::stdout().json(&json!({ "contacts": results }));
            }
            Ok(if well { Exit::Done } else { Exit::Failed })
        }
        ContactsCommand::Tell => tell(global, setup).await,
    }
}

async fn tell(global: &Global, setup: &Setup) -> Result<Exit, Exit> {
    let store = setup.store_to_read()?;
    let Some(store) = store else {
        complain(
            global.json,
            "there is no store yet in which it is remembered what was told",
            "the first `rostercard plan` makes it",
        );
        return Err(Exit::Later);
    };
    let now = machine::now();
    let mut known = Vec::new();
    for (name, partnership) in &setup.loaded.partnerships {
        known.push(match partnership {
            Err(_) => Known::broken(name),
            Ok(partnership) => Known::gather(setup, Some(&*store), partnership, None, now)
                .await
                .map_err(|error| setup.store_error(&error))?,
        });
    }
    let (path, key) = (setup.store_path()?, setup.store_key()?);
    let round = Round { path, key, store: Some(&*store), setup, known: &known, now };
    let everybody: Vec<_> = setup.tellers.all().iter().map(|teller| (&setup.tellers, teller)).collect();
    let told = round.tell(&everybody).await.map_err(|error| setup.store_error(&error))?;
    let well = told.iter().all(|told| told.result.is_ok());
    if global.json {
        let list: Vec<_> = told
            .iter()
            .map(|told| {
                let error = told.result.as_ref().err().map(ToString::to_string);
                json!({ "contact": told.contact, "subject": told.subject, "sent": told.result.is_ok(), "error": error })
            })
            .collect();
        Out::stdout().json(&json!({ "told": list }));
    } else if told.is_empty() {
        Out::stdout().line("There is nothing new to tell anybody.");
    } else {
        for told in &told {
            match &told.result {
                Ok(()) => Out::stdout().line(&format!("{}: {}", told.contact, told.subject)),
                Err(error) => {
                    Out::stderr().line(&format!(
                        "{}: not told: {error}\nhint: {}",
                        told.contact,
                        error.hint()
                    ));
                }
            }
        }
    }
    Ok(if well { Exit::Done } else { Exit::Failed })
}

fn of_what(teller: &Teller) -> Vec<&'static str> {
    teller.kinds.iter().map(|kind: &Kind| kind.word()).collect()
}

fn as_json(teller: &Teller) -> serde_json::Value {
    json!({
        "name": teller.name, "way": teller.way_in_words(), "tell": of_what(teller), "partnership": teller.partnership,
        "district": teller.district, "deputy": teller.deputy,
    })
}

fn in_words(teller: &Teller) -> String {
    let whose = match (&teller.partnership, teller.district) {
        (None, _) => "every partnership".to_owned(),
        (Some(name), false) => name.clone(),
        (Some(name), true) => format!("{name}, of the district"),
    };
    let deputy = if teller.deputy { "; a deputy" } else { "" };
    format!("{} ({}): {}; {whose}{deputy}", teller.name, teller.way_in_words(), of_what(teller).join(", "))
}

/// How a partnership whose file has mistakes stands.
pub(crate) fn broken(name: &str) -> rostercard_daemon::health::Standing {
    judge(Facts { name: name.to_owned(), broken: true, ..Facts::default() }, machine::now())
}
