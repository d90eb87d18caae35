//! How far a run is: bars on a terminal, plain lines elsewhere, nothing where a script reads.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use rostercard_engine::{Phase, Progress};

use crate::output::Out;

/// The program's progress.
pub(crate) enum Shown {
    /// A bar.
    Bar(Mutex<ProgressBar>),
    /// Lines.
    Lines,
    /// Nothing.
    Nothing,
}

impl Shown {
    /// What fits: standard error is looked at, so that standard output stays clean.
    pub(crate) fn fitting(json: bool) -> Self {
        match (json, std::io::stderr().is_terminal()) {
            (true, _) => Self::Nothing,
            (false, true) => Self::Bar(Mutex::new(ProgressBar::hidden())),
            (false, false) => Self::Lines,
        }
    }
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Settling => "Settling writes that had no answer",
        Phase::Reading => "Reading the roster",
        Phase::Writing => "Writing to the ILS",
    }
}

impl Progress for Shown {
    fn phase(&self, phase: Phase, total: Option<u64>) {
        match self {
            Self::Nothing => {}
            Self::Lines => match total {
                Some(total) => Out::stderr().line(&format!("{} ({total})", words(phase))),
                None => Out::stderr().line(words(phase)),
            },
            Self::Bar(bar) => {
                let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
                bar.finish_and_clear();
                let (next, template) = match total {
                    Some(total) => (ProgressBar::new(total), "{msg} {wide_bar} {pos}/{len} {eta}"),
                    None => (ProgressBar::new_spinner(), "{spinner} {msg} {pos}"),
                };
                if let Ok(style) = ProgressStyle::with_template(template) {
                    next.set_style(style);
                }
                next.set_message(words(phase));
                *bar = next;
            }
        }
    }

    fn advance(&self, count: u64) {
        if let Self::Bar(bar) = self {
            bar.lock().unwrap_or_else(PoisonError::into_inner).inc(count);
        }
    }

    fn say(&self, message: &str) {
        match self {
            Self::Nothing => {}
            Self::Lines => Out::stderr().line(message),
            Self::Bar(bar) => bar.lock().unwrap_or_else(PoisonError::into_inner).println(message),
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.get_mut().unwrap_or_else(PoisonError::into_inner).finish_and_clear();
        }
    }
}
