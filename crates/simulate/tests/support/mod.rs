//! Living many years on as many threads as there are processors.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rostercard_simulate::live;

/// What came of many years.
#[derive(Default)]
pub(crate) struct Lived {
    pub(crate) figures: BTreeMap<&'static str, u64>,
    /// Every violation, as a person reads it, by year.
    pub(crate) violations: Vec<String>,
    /// How many years were lived.
    pub(crate) years: u64,
}

/// The seed and the number of years, from the environment where it says so.
#[expect(clippy::disallowed_methods, reason = "a test may be asked for other years than usual")]
pub(crate) fn wanted(years: u64) -> (u64, u64) {
    let number = |name: &str, default| {
        let text = std::env::var(name).ok()?;
        Some(text.parse().unwrap_or(default))
    };
    (
        number("ROSTERCARD_SIMULATE_SEED", 1).unwrap_or(1),
        number("ROSTERCARD_SIMULATE_YEARS", years).unwrap_or(years),
    )
}

/// Lives years of a seed. With `until`, stops once a violation's text has been seen that contains it.
pub(crate) fn many(seed: u64, years: Range<u64>, until: Option<fn()>) -> Lived {
    let next = AtomicU64::new(years.start);
    let found = AtomicBool::new(false);
    let lived = Mutex::new((Lived::default(), BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                if let Some(prepare) = until {
                    prepare();
                }
                loop {
                    let year = next.fetch_add(1, Ordering::Relaxed);
                    if year >= years.end || (until.is_some() && found.load(Ordering::Relaxed)) {
                        return;
                    }
                    let came = live(seed, year, false);
                    let mut lived = lived.lock().unwrap_or_else(PoisonError::into_inner);
                    lived.0.years += 1;
                    for (what, times) in came.figures {
                        *lived.0.figures.entry(what).or_default() += times;
                    }
                    if let Some(violation) = came.violation {
                        found.store(true, Ordering::Relaxed);
                        lived.1.insert(year, violation.to_string());
                    }
                }
            });
        }
    });
    let (mut lived, violations) = lived.into_inner().unwrap_or_else(PoisonError::into_inner);
    lived.violations = violations.into_values().collect();
    lived
}
