//! What is expected on certain dates: `[[guards.expect]]`. August has many newcomers, and nobody is to be asked about each
//! school of them.

use jiff::civil::Date;

use super::Guards;
use crate::plan::ChangeKind;

/// One expectation. From its first day to its last, both included, it is the limit for its kinds of change.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub until: Date,
    /// The kinds of change.
    pub kinds: Vec<ChangeKind>,
    /// Percent of the cards there are (at a school and in a grade, of those there), 0 and up: newcomers may be more than
    /// everybody who was there.
    pub percent: Option<f64>,
    /// So many changes, in all.
    pub count: Option<u64>,
    /// Why, in the words of who wrote it.
    pub reason: String,
}

impl Expectation {
    /// Whether it holds on a day.
    #[must_use]
    pub fn holds_on(&self, day: Date) -> bool {
        self.from <= day && day <= self.until
    }

    /// How many changes go through, out of so many cards: whichever of share and number is more.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of people are far below 2^52, and a share is never negative; casts of floats saturate"
    )]
    pub fn allows(&self, live: u64) -> u64 {
        let share = self.percent.map_or(0, |percent| (live as f64 * percent.max(0.0) / 100.0).floor() as u64);
        share.max(self.count.unwrap_or(0))
    }

    /// When and why, in words.
    pub(super) fn in_words(&self) -> String {
        format!("from {} to {} ({})", self.from, self.until, self.reason)
    }
}

impl Guards {
    /// The expectation for a kind of change that lets most through on a day, and how many.
    #[must_use]
    pub fn expected(&self, kind: ChangeKind, day: Date, live: u64) -> Option<(&Expectation, u64)> {
        self.expect
            .iter()
            .filter(|expectation| expectation.holds_on(day) && expectation.kinds.contains(&kind))
            .map(|expectation| (expectation, expectation.allows(live)))
            .max_by_key(|(_, allowed)| *allowed)
    }
}
