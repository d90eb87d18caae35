//! The pulse of the runs under way: when each last went on. One in which nothing goes on for long hangs, however well the
//! scheduler goes round.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Who is at work, and when something last went on.
#[derive(Debug)]
pub struct Pulse(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// A run in which nothing goes on for longer hangs.
    most: SignedDuration,
    runs: BTreeMap<String, Timestamp>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self(Mutex::new(Inner { most: SignedDuration::from_mins(15), runs: BTreeMap::new() }))
    }
}

impl Pulse {
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on a run hangs after so long.
    pub fn set_most(&self, most: SignedDuration) {
        self.with(|inner| inner.most = most);
    }

    /// A run begins, or something of it went on: an answer came, rows were read, a change was made.
    pub fn beat(&self, run: &str, now: Timestamp) {
        self.with(|inner| inner.runs.insert(run.to_owned(), now));
    }

    /// Something went on of which it cannot be told for which run: an answer came over the web.
    pub fn beat_all(&self, now: Timestamp) {
        self.with(|inner| inner.runs.values_mut().for_each(|at| *at = now));
    }

    /// A run has ended.
    pub fn ended(&self, run: &str) {
        self.with(|inner| inner.runs.remove(run));
    }

    /// The runs that hang, each with when it last went on.
    #[must_use]
    pub fn hung(&self, now: Timestamp) -> BTreeMap<String, Timestamp> {
        self.with(|inner| {
            let hangs = |at: &Timestamp| now.duration_since(*at) > inner.most;
            inner.runs.iter().filter(|(_, at)| hangs(at)).map(|(run, at)| (run.clone(), *at)).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_in_which_nothing_goes_on_hangs_and_one_that_goes_on_does_not() {
        let start: Timestamp = "2026-11-24T04:30:00Z".parse().unwrap();
        let at = |minutes| start + SignedDuration::from_mins(minutes);
        let pulse = Pulse::default();
        pulse.beat("ash", at(0));
        pulse.beat("oak", at(0));
        assert!(pulse.hung(at(15)).is_empty());
        pulse.beat("oak", at(14));
        assert_eq!(pulse.hung(at(16)), BTreeMap::from([("ash".to_owned(), at(0))]));
        pulse.beat_all(at(16));
        assert!(pulse.hung(at(31)).is_empty());
        assert_eq!(pulse.hung(at(32)).len(), 2);
        pulse.ended("ash");
        pulse.ended("oak");
        // Nobody at work: nothing can hang, for however long.
        assert!(pulse.hung(at(90_000)).is_empty());
        // A clock that was set back makes nobody hang.
        pulse.beat("ash", at(60));
        assert!(pulse.hung(at(0)).is_empty());
        pulse.set_most(SignedDuration::from_secs(1));
        assert_eq!(pulse.hung(at(61)).len(), 1);
    }
}
