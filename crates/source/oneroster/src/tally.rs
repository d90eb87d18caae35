//! What is odd too often to say each time: counted by code, with the first place.

use std::collections::BTreeMap;

use rostercard_core::finding::{Finding, Place};
use rostercard_oneroster as oneroster;

/// Counts of findings, and whether anything makes the stream incomplete.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// By code and file.
    counted: BTreeMap<(&'static str, &'static str), Counted>,
    /// Why the stream must not make anybody absent.
    incomplete: Vec<&'static str>,
}

#[derive(Debug)]
struct Counted {
    count: u64,
    first: Finding,
}

impl Tally {
    /// Counts one occurrence at a line of a file; line 0 is the file as a whole.
    pub(crate) fn count(&mut self, code: &'static str, file: &'static str, line: u64, message: &str) {
        self.count_with(code, file, || {
            let place = if line == 0 { Place::file(file) } else { Place::line(file, line) };
            Finding::new(code, place, message)
        });
    }

    /// Counts one of the protocol's codes at a line.
    pub(crate) fn count_code(
        &mut self,
        code: oneroster::Code,
        file: &'static str,
        line: u64,
        column: Option<&str>,
    ) {
        self.count_with(code.code(), file, || {
            let place = column.iter().fold(Place::line(file, line), |place, column| place.at(*column));
            Finding::new(code.code(), place, code.sentence())
        });
    }

    /// Keeps findings of the protocol about a file as they are.
    pub(crate) fn add(&mut self, file: &'static str, findings: Vec<oneroster::Finding>) {
        for finding in findings {
            self.count_with(finding.code.code(), file, || from_protocol(finding));
        }
    }

    fn count_with(&mut self, code: &'static str, file: &'static str, first: impl FnOnce() -> Finding) {
        match self.counted.get_mut(&(code, file)) {
            Some(counted) => counted.count += 1,
            None => {
                self.counted.insert((code, file), Counted { count: 1, first: first() });
            }
        }
    }

    /// Says that the stream is not everything there is. A code is kept once.
    pub(crate) fn incomplete(&mut self, why: &'static str) {
        if !self.incomplete.contains(&why) {
            self.incomplete.push(why);
        }
    }

    /// Says more about a code that was counted.
    pub(crate) fn say(&mut self, code: &'static str, more: impl std::fmt::Display) {
        for ((counted, _), held) in &mut self.counted {
            if *counted == code {
                held.first.message = format!("{}: {more}", held.first.message);
            }
        }
    }

    /// Adds what another one counted.
    pub(crate) fn absorb(&mut self, other: Self) {
        for (key, counted) in other.counted {
            self.counted.entry(key).and_modify(|held| held.count += counted.count).or_insert(counted);
        }
        other.incomplete.into_iter().for_each(|why| self.incomplete(why));
    }

    pub(crate) fn is_incomplete(&self) -> bool {
        !self.incomplete.is_empty()
    }

    /// The findings, by code; one for all occurrences of a code.
    pub(crate) fn into_findings(self) -> Vec<Finding> {
        let said = |Counted { count, mut first }: Counted| {
            if count > 1 {
                first.message = format!("{} ({count} times, here the first)", first.message);
            }
            first
        };
        let mut findings: Vec<Finding> = self.counted.into_values().map(said).collect();
        if !self.incomplete.is_empty() {
            let why = self.incomplete.join(", ");
            let message =
                format!("the roster does not count as whole, so that nobody is withdrawn for it: {why}");
            findings.push(Finding::new("roster_incomplete", Place::default(), message));
        }
        findings
    }
}

/// A finding of the protocol in the core's type.
pub(crate) fn from_protocol(finding: oneroster::Finding) -> Finding {
    let message = finding.message();
    let place =
        Place { file: Some(finding.file), line: finding.line, column: finding.column.map(str::to_owned) };
    Finding::new(finding.code.code(), place, message)
}
