//! What people do on the page, by the functions that the commands use. One partnership has one turn: while a run of it is
//! under way nothing is done, and whoever asked is told to try again.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use rostercard_core::privacy::Personal;
use rostercard_core::review::ReviewAnswer;
use rostercard_engine::{EngineError, RunReport, Whose};
use rostercard_page::view::Notice;
use rostercard_store::StoreError;
use rostercard_store::rows::{ChangeSelection, LinkId, NewPause, PauseScope, RunId};

use super::{Daemon, lock, of};
use crate::commands::decide::{Decided, drop_changes, let_through};
use crate::commands::pause::checked;
use crate::commands::run::state_in_words;
use crate::exit::Exit;
use crate::machine;
use crate::setup::until;

/// How long a run that is under way is waited for.
const TURN: Duration = Duration::from_secs(3);
/// How long somebody waits for what was begun; it goes on by itself.
const WAIT: Duration = Duration::from_secs(8);

/// What is asked.
pub(super) enum Asked {
    Approve { run: RunId, selection: ChangeSelection, digest: String },
    Discard { run: RunId, selection: ChangeSelection },
    Answer { number: i64, answer: ReviewAnswer, barcode: Option<Personal> },
    Pause { until: String, reason: String },
    Resume,
}

/// What came of it: the status and what is said. 200 where it is done, 202 where it goes on.
pub(super) type Said = (StatusCode, Notice);

fn bad(status: StatusCode, text: impl Into<String>, hint: impl Into<String>) -> Said {
    (status, Notice::bad(text, hint))
}

fn busy() -> Said {
    let hint = "one process writes to the store at a time: try again when the run is over";
    bad(StatusCode::SERVICE_UNAVAILABLE, "a run is under way", hint)
}

/// Does it, and waits for a while.
pub(super) async fn act(daemon: &Arc<Daemon>, partnership: &str, who: &str, asked: Asked) -> Said {
    let turn = tokio::time::timeout(TURN, daemon.turn(partnership).lock_owned()).await;
    let Ok(turn) = turn else { return busy() };
    if daemon.world.asked_to_stop() {
        return bad(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping", "try again when it runs");
    }
    let (own, name, who) = (daemon.clone(), partnership.to_owned(), who.to_owned());
    let here = tokio::runtime::Handle::current();
    let (told, hear) = tokio::sync::oneshot::channel();
    // On a thread of its own, as a run is; it goes on when nobody waits any more.
    daemon.acting.spawn_blocking(move || {
        let said = here.block_on(own.done(&name, &who, asked));
        drop(turn);
        tracing::info!(
            partnership = name,
            who,
            status = said.0.as_u16(),
            "Somebody did something on the page."
        );
        // Nobody waits for it any more: the page shows how it went.
        drop(told.send(said));
    });
    match tokio::time::timeout(WAIT, hear).await {
        Ok(Ok(said)) => said,
        Ok(Err(_)) => bad(StatusCode::INTERNAL_SERVER_ERROR, "it ended unexpectedly", "see the log"),
        Err(_) => (
            StatusCode::ACCEPTED,
            Notice::good("It is begun, and goes on: open this page again to see how far it is."),
        ),
    }
}

impl Daemon {
    async fn done(&self, name: &str, who: &str, asked: Asked) -> Said {
        match self.try_it(name, who, asked).await {
            Ok(said) | Err(said) => said,
        }
    }

    async fn try_it(&self, name: &str, who: &str, asked: Asked) -> Result<Said, Said> {
        let setup = lock(&self.now).good.get(name).cloned();
        let found = setup.as_ref().and_then(|setup| Some((setup, of(setup, name)?)));
        let Some((setup, partnership)) = found else {
            return Err(bad(
                StatusCode::CONFLICT,
                "its configuration has mistakes",
                "see `rostercard check`",
            ));
        };
        let store = self.store().map_err(told)?;
        let asked = match asked {
            Asked::Pause { until, reason } => {
                let main = setup.main().map_err(told)?;
                let now = machine::now();
                let zone = &main.library_of(partnership).timezone;
                let (day, until, reason) = checked(zone, now, &until, &reason)
                    .map_err(|(what, hint)| bad(StatusCode::BAD_REQUEST, what, hint))?;
                let scope = PauseScope::Partnership(partnership.id.as_str().to_owned());
                let pause = NewPause { scope, since: now, until, reason, who: who.to_owned() };
                store.pause(pause).await.map_err(|error| stored(&error))?;
                return Ok((StatusCode::OK, Notice::good(format!("{name} is paused until {day}."))));
            }
            Asked::Resume => {
                let scope = PauseScope::Partnership(partnership.id.as_str().to_owned());
                let ended =
                    store.resume(&scope, machine::now(), who).await.map_err(|error| stored(&error))?;
                if ended == 0 {
                    return Err(bad(StatusCode::CONFLICT, format!("{name} is not paused by itself"), ""));
                }
                return Ok((StatusCode::OK, Notice::good(format!("{name} goes on."))));
            }
            other => other,
        };
        let mut source = setup.source(partnership).map_err(told)?;
        let made = setup.engine_and_directory(partnership, store, self.world.clone());
        let (engine, directory) = made.map_err(told)?;
        let engine = engine.until(until(partnership, setup.main().map_err(told)?));
        let outcome = match asked {
            Asked::Approve { run, selection, digest } => {
                let decided = Decided { run, selection, who, digest: Some(&digest) };
                let_through(&engine, &mut *source, decided)
                    .await
                    .map(|report| decided_words(&report, "Approved"))
            }
            Asked::Discard { run, selection } => {
                let decided = Decided { run, selection, who, digest: None };
                drop_changes(&engine, &mut *source, decided)
                    .await
                    .map(|report| decided_words(&report, "Discarded"))
            }
            Asked::Answer { number, answer, barcode } => {
                let whose = Whose::Number(LinkId(number));
                let answered = engine.answer(whose, answer, barcode.as_ref(), who).await;
                answered.map(|review| {
                    let number = review.number;
                    format!(
                        "Review {number} is answered with `{answer}`. The next run does what follows from it."
                    )
                })
            }
            Asked::Pause { .. } | Asked::Resume => Ok(String::new()),
        };
        drop(engine);
        let handed_over = setup.finish(vec![directory]).await;
        match outcome {
            Ok(text) if handed_over => Ok((StatusCode::OK, Notice::good(text))),
            Ok(text) => {
                let hint =
                    "a file could not be handed over to the ILS: see the log. The next run goes on with it";
                Ok((StatusCode::OK, Notice { hint: hint.to_owned(), ..Notice::good(text) }))
            }
            Err(error) => Err(refused(&error)),
        }
    }
}

fn decided_words(report: &RunReport, did: &str) -> String {
    let (run, state) = (report.run.id, state_in_words(report.run.state));
    format!("{did}. Run {run}: {state}.")
}

/// What kept something from being begun was said in the log already.
fn told(exit: Exit) -> Said {
    match exit {
        Exit::Later => busy(),
        Exit::Configuration => {
            bad(StatusCode::CONFLICT, "its configuration has mistakes", "see `rostercard check`, and the log")
        }
        _ => bad(StatusCode::INTERNAL_SERVER_ERROR, "it could not be begun", "the log says why"),
    }
}

fn stored(error: &StoreError) -> Said {
    match error {
        StoreError::Busy { .. } => busy(),
        other => bad(StatusCode::INTERNAL_SERVER_ERROR, other.to_string(), other.hint()),
    }
}

fn refused(error: &EngineError) -> Said {
    let status = match error {
        EngineError::Selection(_) | EngineError::Paused { .. } | EngineError::Frozen { .. } => {
            StatusCode::CONFLICT
        }
        EngineError::Source(_) | EngineError::Store(StoreError::Busy { .. }) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    bad(status, error.to_string(), error.hint())
}
