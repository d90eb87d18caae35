//! `pause` and `resume`: a holiday, an upgrade week-end, a tornado.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rostercard_config::{Main, Name};
use rostercard_store::rows::{NewPause, PauseScope};
use serde_json::json;

use crate::cli::{self, Global};
use crate::exit::Exit;
use crate::machine::{self, Environment};
use crate::output::{Out, complain};
use crate::setup::Setup;

/// The longest pause, in days: one that is forgotten should end by itself before the next school year does.
const LONGEST: i32 = 366;

/// Pauses something.
pub(crate) async fn pause(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &cli::Pause,
) -> Result<Exit, Exit> {
    let main = setup.main()?;
    let scope = scope(global, setup, main, &args.scope)?;
    let now = machine::now();
    let timezone = &main.library.timezone;
    let usage = |what: &str, hint: &str| {
        complain(global.json, what, hint);
        Exit::Usage
    };
    let (day, until, reason) =
        checked(timezone, now, &args.until, &args.reason).map_err(|(what, hint)| usage(&what, hint))?;
    let store = setup.store()?;
    store
        .pause(NewPause {
            scope,
            since: now,
            until,
            reason,
            who: args.who.clone().unwrap_or_else(|| environment.login()),
        })
        .await
        .map_err(|error| setup.store_error(&error))?;
    if global.json {
        Out::stdout().json(&json!({ "paused": named(&args.scope), "until": until.to_string() }));
    } else {
        let what = named(&args.scope);
        Out::stdout().line(&format!(
            "Paused: {what}, until {day}. Nothing is written meanwhile, and the grace of those who are missing stands still."
        ));
    }
    Ok(Exit::Done)
}

/// The day on which a pause ends, the moment of it, and its reason; or what is wrong with them, and what to do.
pub(crate) fn checked(
    timezone: &TimeZone,
    now: Timestamp,
    until: &str,
    reason: &str,
) -> Result<(Date, Timestamp, String), (String, &'static str)> {
    let today = timezone.to_datetime(now).date();
    let day: Date = until
        .parse()
        .map_err(|_| (format!("`{until}` is no day"), "write year, month and day: --until 2026-12-01"))?;
    let length = today.until(day).map_or(0, |span| span.get_days());
    if length < 1 {
        return Err((format!("{day} is not after today, {today}"), "name the day on which it goes on"));
    }
    if length > LONGEST {
        return Err((
            format!("{day} is more than a year away"),
            "a pause is for a time; a partnership that has ended is a file less in partnerships/",
        ));
    }
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().any(char::is_control) || reason.chars().count() > 200 {
        return Err((
            "a pause needs a reason, of one line and at most 200 letters".to_owned(),
            "add --reason",
        ));
    }
    let moment = timezone.to_timestamp(day.at(0, 0, 0, 0));
    let moment = moment.map_err(|_| (format!("{day} cannot be reckoned with"), ""))?;
    Ok((day, moment, reason.to_owned()))
}

/// Ends a pause.
pub(crate) async fn resume(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &cli::Paused,
) -> Result<Exit, Exit> {
    let main = setup.main()?;
    let scope = scope(global, setup, main, &args.scope)?;
    let store = setup.store()?;
    let who = args.who.clone().unwrap_or_else(|| environment.login());
    let ended =
        store.resume(&scope, machine::now(), &who).await.map_err(|error| setup.store_error(&error))?;
    let what = named(&args.scope);
    if ended == 0 {
        let hint = "pauses are ended as they were made: --partnership, --ils or --everything; `rostercard status` shows them";
        complain(global.json, &format!("{what} is not paused"), hint);
        return Err(Exit::Usage);
    }
    if global.json {
        Out::stdout().json(&json!({ "resumed": what, "pauses": ended }));
    } else {
        Out::stdout().line(&format!(
            "Goes on: {what}. Of the first run's changes, more than a few wait for approval."
        ));
    }
    Ok(Exit::Done)
}

/// The scope by permanent ids.
fn scope(global: &Global, setup: &Setup, main: &Main, args: &cli::PauseScope) -> Result<PauseScope, Exit> {
    if let Some(name) = &args.partnership {
        return Ok(PauseScope::Partnership(setup.partnership(name)?.id.as_str().to_owned()));
    }
    let Some(name) = &args.ils else { return Ok(PauseScope::Everything) };
    let Some(ils) = Name::new(name).and_then(|name| main.ils(&name)) else {
        let names: Vec<&str> = main.ils.iter().map(|ils| ils.name.as_str()).collect();
        let hint = format!("rostercard.toml has: {}", names.join(", "));
        complain(global.json, &format!("there is no ILS `{name}`"), &hint);
        return Err(Exit::Usage);
    };
    Ok(PauseScope::Ils(ils.id.as_str().to_owned()))
}

fn named(args: &cli::PauseScope) -> String {
    match (&args.partnership, &args.ils) {
        (Some(name), _) => format!("partnership {name}"),
        (_, Some(name)) => format!("ILS {name}"),
        (None, None) => "everything".to_owned(),
    }
}
