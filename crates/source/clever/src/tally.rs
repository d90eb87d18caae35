//! What is odd too often to say each time: counted by code, with the first place.

use std::collections::BTreeMap;

use rostercard_core::finding::{Finding, Place};

/// Counts of findings.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<&'static str, (u64, Finding)>);

impl Tally {
    /// Counts one occurrence.
    pub(crate) fn count(&mut self, code: &'static str, place: Place, message: impl Into<String>) {
        self.0.entry(code).or_insert_with(|| (0, Finding::new(code, place, message))).0 += 1;
    }

    /// The findings, each with how often.
    pub(crate) fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.0)
            .into_values()
            .map(|(count, mut first)| {
                if count > 1 {
                    first.message = format!("{} ({count} times, here the first)", first.message);
                }
                first
            })
            .collect()
    }
}
