//! `healthcheck`: one line, an exit code and performance data, as Nagios and Icinga want them. What cannot be told is never ok.

use std::fmt::Write as _;
use std::time::Duration;

use rostercard_daemon::health::{Standing, State, judge};
use rostercard_web::{Call, Client, ClientSettings, Endpoint};
use serde_json::Value;

use crate::cli::watch::Healthcheck;
use crate::commands::contacts::broken;
use crate::commands::status::facts;
use crate::exit::Exit;
use crate::machine;
use crate::output::Out;
use crate::setup::Setup;

/// What a monitor makes of it. The numbers are Nagios's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Ok,
    Warning,
    /// Nothing can be told: worse than a warning, for it may be anything.
    Unknown,
    Critical,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The exit codes of this command are Nagios's, which are other words for the same numbers.
    const fn exit(self) -> Exit {
        match self {
            Self::Ok => Exit::Done,
            Self::Warning => Exit::Failed,
            Self::Critical => Exit::Rejects,
            Self::Unknown => Exit::Waiting,
        }
    }

    fn of(state: &str) -> Self {
        match state {
            "ok" | "paused" => Self::Ok,
            "waiting" | "stale" | "never_ran" => Self::Warning,
            "failing" => Self::Critical,
            _ => Self::Unknown,
        }
    }
}

/// One partnership, as far as a monitor wants to know.
struct One {
    name: String,
    state: String,
    why: String,
    cards: u64,
    roster_age: Option<i64>,
}

impl From<Standing> for One {
    fn from(standing: Standing) -> Self {
        Self {
            state: standing.state.word().to_owned(),
            name: standing.name,
            why: standing.why,
            cards: standing.cards,
            roster_age: standing.roster_age_s,
        }
    }
}

/// Judges, and prints one line.
pub(crate) async fn healthcheck(setup: impl FnOnce() -> Setup, args: &Healthcheck) -> Result<Exit, Exit> {
    let found = match &args.url {
        Some(url) => ask(url, args.deadline).await,
        None => match tokio::time::timeout(args.deadline, judged(&setup())).await {
            Ok(found) => found,
            Err(_) => Err((Verdict::Critical, "the store gave no answer within the deadline".to_owned())),
        },
    };
    let (verdict, line) = match found {
        Ok(all) => summed_up(all, args.partnership.as_deref()),
        Err((verdict, why)) => (verdict, why),
    };
    Out::stdout().line(&format!("ROSTERCARD {} - {line}", verdict.word()));
    Ok(verdict.exit())
}

/// From the store, as `status` does.
async fn judged(setup: &Setup) -> Result<Vec<One>, (Verdict, String)> {
    let unknown = |why: &str| (Verdict::Unknown, why.to_owned());
    if setup.loaded.main.is_err() {
        return Err(unknown("rostercard.toml has mistakes or cannot be read: see `rostercard check`"));
    }
    let store =
        setup.store_to_read().map_err(|_| unknown("the store cannot be read: see `rostercard status`"))?;
    let mut all = Vec::new();
    for (name, partnership) in &setup.loaded.partnerships {
        all.push(match partnership {
            Err(_) => broken(name),
            Ok(partnership) => {
                let facts = facts(setup, store.as_deref(), partnership).await;
                judge(
                    facts.map_err(|_| unknown("the store cannot be read: see `rostercard status`"))?,
                    machine::now(),
                )
            }
        });
    }
    Ok(all.into_iter().map(One::from).collect())
}

/// From the daemon.
async fn ask(url: &str, deadline: Duration) -> Result<Vec<One>, (Verdict, String)> {
    let unknown = |why: String| (Verdict::Unknown, why);
    let critical = |why: String| (Verdict::Critical, why);
    let settings = ClientSettings { deadline, connections: 1, ..ClientSettings::default() };
    let endpoint = Endpoint::parse(url, true).map_err(|error| unknown(error.to_string()))?;
    let health = endpoint.join("/health").map_err(|error| unknown(error.to_string()))?;
    let client = Client::new(endpoint, settings).map_err(|error| unknown(error.to_string()))?;
    let answer =
        client.send(Call::get(health)).await.map_err(|error| critical(format!("no answer: {error}")))?;
    if !answer.is_success() {
        return Err(critical(format!("the daemon says status {}: see its log", answer.status)));
    }
    let health: Value = serde_json::from_slice(&answer.body)
        .map_err(|_| unknown("what answers there is no Rostercard: its answer is no JSON".to_owned()))?;
    match health["scheduler_alive"].as_bool() {
        Some(true) => {}
        Some(false) => {
            return Err(critical(
                "the scheduler hangs: nothing runs until the daemon is restarted".to_owned(),
            ));
        }
        None => {
            return Err(unknown(
                "what answers there is no Rostercard: it does not speak of a scheduler".to_owned(),
            ));
        }
    }
    let list = health["partnerships"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(list
        .iter()
        .map(|one| One {
            name: text(&one["name"]),
            state: text(&one["state"]),
            why: text(&one["why"]),
            cards: one["cards"].as_u64().unwrap_or(0),
            roster_age: one["roster_age_s"].as_i64(),
        })
        .collect())
}

fn summed_up(all: Vec<One>, only: Option<&str>) -> (Verdict, String) {
    let all: Vec<One> = all.into_iter().filter(|one| only.is_none_or(|name| one.name == name)).collect();
    if all.is_empty() {
        let why = match only {
            Some(name) => format!("there is no partnership {name}"),
            None => "there is no partnership yet".to_owned(),
        };
        return (Verdict::Unknown, why);
    }
    let verdict = all.iter().map(|one| Verdict::of(&one.state)).max().unwrap_or(Verdict::Unknown);
    // The worst first, so that a pager's line ends after what matters.
    let mut odd: Vec<&One> = all.iter().filter(|one| Verdict::of(&one.state) != Verdict::Ok).collect();
    odd.sort_by_key(|one| (std::cmp::Reverse(Verdict::of(&one.state)), one.name.clone()));
    let mut line = match &odd[..] {
        [] if all.len() == 1 => {
            format!("{}: {}", all.first().map_or("", |one| &one.name), all.first().map_or("", |one| &one.why))
        }
        [] => format!("{} partnerships", all.len()),
        odd => odd
            .iter()
            .map(|one| format!("{} {}: {}", one.name, one.state, one.why))
            .collect::<Vec<_>>()
            .join("; "),
    };
    // A bar begins the performance data, and a line's end the rest.
    line.retain(|c| c != '|' && !c.is_control());
    line.push_str(" | ");
    let states = [State::Ok, State::Waiting, State::Stale, State::Failing, State::Paused, State::NeverRan];
    // Writing to a string cannot fail.
    let _written = write!(line, "partnerships={}", all.len());
    for state in states.map(State::word) {
        let _written = write!(line, " {state}={}", all.iter().filter(|one| one.state == state).count());
    }
    let _written = write!(line, " cards={}", all.iter().map(|one| one.cards).sum::<u64>());
    if let Some(oldest) = all.iter().filter_map(|one| one.roster_age).max() {
        let _written = write!(line, " oldest_roster={}s", oldest.max(0));
    }
    (verdict, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, state: &str) -> One {
        One {
            name: name.into(),
            state: state.into(),
            why: "why | it is\nso".into(),
            cards: 5,
            roster_age: Some(60),
        }
    }

    #[test]
    fn the_worst_counts_and_what_is_not_known_is_never_ok() {
        for (states, wanted, code) in [
            (&["ok", "paused"][..], Verdict::Ok, 0),
            (&["ok", "waiting"], Verdict::Warning, 1),
            (&["stale"], Verdict::Warning, 1),
            (&["never_ran"], Verdict::Warning, 1),
            (&["waiting", "failing", "ok"], Verdict::Critical, 2),
            (&["ok", "a word of a later version"], Verdict::Unknown, 3),
            (&[""], Verdict::Unknown, 3),
            (&[], Verdict::Unknown, 3),
        ] {
            let all = states.iter().enumerate().map(|(n, state)| one(&format!("p{n}"), state)).collect();
            let (verdict, line) = summed_up(all, None);
            assert_eq!((verdict, verdict.exit().code()), (wanted, code), "{states:?}: {line}");
            assert!(line.matches('|').count() <= 1 && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn the_line_begins_with_the_worst_and_ends_with_numbers() {
        let all = vec![one("ash", "ok"), one("elm", "waiting"), one("oak", "failing")];
        let (_, line) = summed_up(all, None);
        assert!(line.starts_with("oak failing: why  it isso; elm waiting:"), "{line}");
        assert!(
            line.ends_with("partnerships=3 ok=1 waiting=1 stale=0 failing=1 paused=0 never_ran=0 cards=15 oldest_roster=60s"),
            "{line}"
        );
        assert_eq!(summed_up(vec![one("ash", "ok"), one("oak", "failing")], Some("ash")).0, Verdict::Ok);
        assert_eq!(summed_up(vec![one("ash", "ok")], Some("elm")).0, Verdict::Unknown);
    }
}
