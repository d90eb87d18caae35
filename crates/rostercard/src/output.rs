//! Where words go: standard output for what was asked for, standard error for what is said besides.
//!
//! A reader that went away (`rostercard runs | head`) is no failure.

use std::io::Write;

use serde::Serialize;

/// One of the two streams.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Out {
    /// What was asked for.
    Stdout,
    /// What is said besides.
    Stderr,
}

impl Out {
    /// Standard output.
    pub(crate) const fn stdout() -> Self {
        Self::Stdout
    }

    /// Standard error.
    pub(crate) const fn stderr() -> Self {
        Self::Stderr
    }

    /// Writes a line.
    pub(crate) fn line(self, text: &str) {
        let text = format!("{text}\n");
        // Nobody is left to be told where a stream is closed.
        drop(match self {
            Self::Stdout => std::io::stdout().write_all(text.as_bytes()),
            Self::Stderr => std::io::stderr().write_all(text.as_bytes()),
        });
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.line(&text),
            Err(error) => Self::Stderr.line(&format!("error: this cannot be said in JSON: {error}")),
        }
    }
}

/// Prints an error with what to do about it.
pub(crate) fn complain(json: bool, message: &str, hint: &str) {
    if json {
        Out::stdout().json(&serde_json::json!({ "error": message, "hint": hint }));
    }
    Out::stderr().line(&format!("error: {message}"));
    if !hint.is_empty() {
        Out::stderr().line(&format!("hint: {hint}"));
    }
}

/// `1 card`, `2 cards`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
