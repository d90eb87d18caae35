//! `schedule`: the next runs in words, and what moves them or lets them come to nothing: delay, quiet hours, hours of the ILS, pauses,
//! the agreement, days without school.

use jiff::Timestamp;
use jiff::civil::DateTime;
use rostercard_config::{Main, Partnership};
use rostercard_daemon::quiet::Closed;
use rostercard_store::rows::Pause;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::watch::Schedule as Args;
use crate::exit::Exit;
use crate::machine;
use crate::output::{Out, complain};
use crate::setup::{Setup, schedule_of};

/// One run to come.
struct Coming {
    at: Timestamp,
    here: DateTime,
    /// What moves it, or what becomes of it.
    notes: Vec<String>,
    /// Whether anything is written then, as far as that is known today.
    writes: bool,
}

/// Prints when partnerships run next.
pub(crate) async fn schedule(global: &Global, setup: &Setup, args: &Args) -> Result<Exit, Exit> {
    let main = setup.main()?;
    if let Some(name) = &args.partnership {
        setup.partnership(name)?;
    }
    let pauses = match setup.store_to_read()? {
        Some(store) => store.pauses().await.map_err(|error| setup.store_error(&error))?,
        None => Vec::new(),
    };
    let now = machine::now();
    let mut list: Vec<Value> = Vec::new();
    let meant = |name: &String| args.partnership.as_ref().is_none_or(|only| only == name);
    for (name, partnership) in setup.loaded.partnerships.iter().filter(|(name, _)| meant(name)) {
        let Ok(partnership) = partnership else {
            list.push(json!({ "name": name, "schedule": null, "next": [], "why": "its configuration has mistakes" }));
            if !global.json {
                Out::stdout().line(&format!(
                    "{name}: does not run: its configuration has mistakes, see `rostercard check`"
                ));
            }
            continue;
        };
        let Some((line, runs)) = coming(partnership, main, &pauses, now, args.next) else {
            list.push(json!({ "name": name, "schedule": null, "next": [], "why": "by hand only" }));
            if !global.json {
                Out::stdout().line(&format!("{name}: by hand only; it has no schedule"));
            }
            continue;
        };
        let json_runs: Vec<Value> = runs
            .iter()
            .map(|run| {
                json!({ "at": run.at.to_string(), "local": run.here.to_string(), "writes": run.writes, "notes": run.notes })
            })
            .collect();
        let timezone = &main.library_of(partnership).timezone_name;
        list.push(json!({ "name": name, "schedule": line, "timezone": timezone, "next": json_runs }));
        if !global.json {
            Out::stdout().line(&format!(
                "{name}: {line}, on the clock of {}",
                main.library_of(partnership).timezone_name
            ));
            for run in &runs {
                Out::stdout().line(&format!("  {}{}", in_words(run, now), notes(run)));
            }
        }
    }
    if list.is_empty() {
        complain(global.json, "there is no partnership yet", "`rostercard init` writes a first");
        return Err(Exit::Configuration);
    }
    if global.json {
        Out::stdout().json(&json!({ "partnerships": list }));
    }
    Ok(Exit::Done)
}

/// The next runs of a partnership, with its line; none where it has no schedule.
fn coming(
    partnership: &Partnership,
    main: &Main,
    pauses: &[Pause],
    now: Timestamp,
    most: u8,
) -> Option<(String, Vec<Coming>)> {
    let (line, schedule) = schedule_of(partnership, main)?;
    let ils = main.ils(&partnership.ils).map_or("", |ils| ils.id.as_str());
    let zone = &main.library_of(partnership).timezone;
    let clock = |at: Timestamp| zone.to_datetime(at);
    let time = |at: Timestamp| format!("{:02}:{:02}", clock(at).hour(), clock(at).minute());
    let mut runs = Vec::new();
    let mut after = now;
    for _ in 0..most {
        let Some(due) = schedule.due_after(after) else { break };
        after = due.begins;
        let here = clock(due.begins);
        let (mut notes, mut writes) = (Vec::new(), true);
        match due.moved {
            Some(Closed::Quiet) => notes.push(format!("moved from {} by quiet hours", time(due.written))),
            Some(Closed::Ils) => {
                notes.push(format!(
                    "moved from {} by the hours of ILS {}",
                    time(due.written),
                    partnership.ils
                ));
            }
            None if schedule.delay().as_secs() >= 60 => {
                notes.push(format!("{} minutes after its time, by jitter", schedule.delay().as_mins()));
            }
            None => {}
        }
        // A time that daylight saving skips is due when the clock goes on.
        let just_after = due.written.checked_add(jiff::SignedDuration::from_nanos(1)).unwrap_or(due.written);
        if zone.preceding(just_after).next().is_some_and(|change| change.timestamp() == due.written) {
            notes.push("the clock changes just then".to_owned());
        }
        let holds = |pause: &&Pause| {
            pause.is_on(due.begins) && pause.asked.scope.holds_for(partnership.id.as_str(), ils)
        };
        if let Some(pause) = pauses.iter().filter(holds).max_by_key(|pause| pause.end()) {
            notes.push(format!("paused until {}: {}", clock(pause.end()).date(), pause.asked.reason));
            writes = false;
        }
        let dates = &partnership.dates;
        if let Some(why) = dates.agreement.forbids(here.date()) {
            notes.push(format!("{why}: nothing is written"));
            writes = false;
        }
        if dates.calendar.year.is_some()
            && dates.calendar.school_days(here.date().yesterday().unwrap_or(here.date()), here.date()) == 0
        {
            notes.push("no day of school: it counts for no grace".to_owned());
        }
        runs.push(Coming { at: due.begins, here, notes, writes });
    }
    Some((line, runs))
}

fn in_words(run: &Coming, now: Timestamp) -> String {
    let minutes = run.at.duration_since(now).as_mins();
    let wait = match minutes {
        ..60 => format!("in {minutes} minutes"),
        60..2_880 => format!("in {} hours", minutes / 60),
        _ => format!("in {} days", minutes / 1_440),
    };
    let (date, here) = (run.here.date(), run.here);
    let day = match date.weekday() {
        jiff::civil::Weekday::Monday => "Monday",
        jiff::civil::Weekday::Tuesday => "Tuesday",
        jiff::civil::Weekday::Wednesday => "Wednesday",
        jiff::civil::Weekday::Thursday => "Thursday",
        jiff::civil::Weekday::Friday => "Friday",
        jiff::civil::Weekday::Saturday => "Saturday",
        jiff::civil::Weekday::Sunday => "Sunday",
    };
    format!("{day} {date} {:02}:{:02}, {wait}", here.hour(), here.minute())
}

fn notes(run: &Coming) -> String {
    if run.notes.is_empty() { String::new() } else { format!(" ({})", run.notes.join("; ")) }
}
