//! `optout` and `optin`: what families said. Kept as digests, with who and when; done by the next run.

use rostercard_core::digest::Digest;
use rostercard_engine::person_key;
use rostercard_store::rows::Wish;
use serde_json::json;

use crate::cli::Global;
use crate::cli::people::WishAdd;
use crate::exit::Exit;
use crate::machine::{self, Environment};
use crate::output::{Out, counted};
use crate::setup::Setup;

pub(super) async fn add(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &WishAdd,
    wants: bool,
) -> Result<Exit, Exit> {
    let partnership = setup.partnership(&args.partnership)?;
    let students = super::students(global, &args.student_id, args.file.as_deref())?;
    let store = setup.store()?;
    let row = super::row(setup, &*store, partnership).await?;
    let who = args.who.clone().unwrap_or_else(|| environment.login());
    let origin = if args.file.is_some() { "file" } else { "command" };
    let wish = |id| Wish {
        person: person_key(store.digest_key(), partnership.id.as_str(), id),
        identity: None,
        wants,
        at: machine::now(),
        who: who.clone(),
        origin: origin.to_owned(),
    };
    let given = students.len();
    let new = store
        .write_wishes(row, students.iter().map(wish).collect())
        .await
        .map_err(|error| setup.store_error(&error))?;
    if global.json {
        Out::stdout().json(&json!({ "partnership": args.partnership, "noted": new, "given": given }));
        return Ok(Exit::Done);
    }
    let out = Out::stdout();
    let noted = counted(new, "wish is", "wishes are");
    let known = given as u64 - new.min(given as u64);
    let before = if known > 0 { format!(", {known} noted before") } else { String::new() };
    out.line(&format!("{noted} noted{before}."));
    out.line(if wants {
        "The next run makes the cards of those who are in the roster and in the programme."
    } else {
        "No card is made for them. A card that is there lapses with the next run; one that is the family's own becomes a review."
    });
    Ok(Exit::Done)
}

pub(super) async fn remove(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &WishAdd,
    wants: bool,
) -> Result<Exit, Exit> {
    let partnership = setup.partnership(&args.partnership)?;
    let students = super::students(global, &args.student_id, args.file.as_deref())?;
    let store = setup.store()?;
    let row = super::row(setup, &*store, partnership).await?;
    let who = args.who.clone().unwrap_or_else(|| environment.login());
    let error = |error| setup.store_error(&error);
    let held = store.wishes(row).await.map_err(error)?;
    let people: Vec<Digest> = students
        .iter()
        .map(|id| person_key(store.digest_key(), partnership.id.as_str(), id))
        .filter(|person| held.iter().any(|wish| wish.person == *person && wish.wants == wants))
        .collect();
    let ended = store.end_wishes(row, &people, machine::now(), &who).await.map_err(error)?;
    if global.json {
        Out::stdout()
            .json(&json!({ "partnership": args.partnership, "removed": ended, "given": students.len() }));
        return Ok(Exit::Done);
    }
    Out::stdout().line(&format!(
        "{} taken back, of {}.",
        counted(ended, "wish is", "wishes are"),
        counted(students.len() as u64, "student id", "student ids")
    ));
    Ok(if ended == students.len() as u64 { Exit::Done } else { Exit::Failed })
}

pub(super) async fn list(global: &Global, setup: &Setup, name: &str, wants: bool) -> Result<Exit, Exit> {
    let partnership = setup.partnership(name)?;
    let error = |error| setup.store_error(&error);
    let mut wishes = Vec::new();
    if let Some(store) = setup.store_to_read()? {
        let rows = store.partnerships().await.map_err(error)?;
        if let Some(row) = rows.into_iter().find(|row| row.permanent_id == partnership.id.as_str()) {
            wishes = store.wishes(row.id).await.map_err(error)?;
        }
    }
    wishes.retain(|wish| wish.wants == wants);
    if global.json {
        let list: Vec<_> = wishes
            .iter()
            .map(|wish| {
                json!({
                    "at": wish.at.to_string(), "who": wish.who, "origin": wish.origin,
                    "met_in_roster": wish.identity.is_some(),
                })
            })
            .collect();
        Out::stdout().json(&json!({ "partnership": name, "wishes": list }));
        return Ok(Exit::Done);
    }
    let out = Out::stdout();
    out.line(&format!("{}.", counted(wishes.len() as u64, "wish", "wishes")));
    for wish in &wishes {
        let met = if wish.identity.is_some() { "met in a roster" } else { "not met in a roster yet" };
        out.line(&format!(
            "  {}  {}  by {}  {met}",
            wish.at.strftime("%Y-%m-%d %H:%M"),
            wish.origin,
            wish.who
        ));
    }
    Ok(Exit::Done)
}
