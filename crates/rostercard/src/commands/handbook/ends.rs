//! What ends, in order of date: agreements, and whatever stands under `[[ends]]`. Pauses are no ends: `status` tells of them.

use jiff::civil::Date;
use rostercard_config::Main;

use super::One;

/// Something that ends.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    /// Its last day.
    pub(super) on: Date,
    /// Whose: the library's, or a partnership's.
    pub(super) whose: String,
    /// What.
    pub(super) what: String,
}

/// All of it.
pub(super) fn all(main: &Main, partnerships: &[One<'_>]) -> Vec<End> {
    let mut all: Vec<End> = main
        .ends
        .iter()
        .map(|end| End { on: end.on, whose: "the library".to_owned(), what: end.what.clone() })
        .collect();
    for one in partnerships {
        let Some(partnership) = one.partnership else { continue };
        let whose = || one.name.to_owned();
        all.extend(partnership.ends.iter().map(|end| End {
            on: end.on,
            whose: whose(),
            what: end.what.clone(),
        }));
        let agreement = partnership.dates.agreement.ends;
        all.extend(agreement.map(|on| End { on, whose: whose(), what: "the agreement".to_owned() }));
    }
    all.sort();
    all
}

/// How long until then.
pub(super) fn wait(today: Date, on: Date) -> String {
    match today.until(on).map_or(0, |span| span.get_days()) {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        days @ 2.. => format!("in {days} days"),
        days => format!("ended {} days ago", days.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn waits_are_told_in_days() {
        let today = date(2026, 11, 24);
        for (on, told) in [
            (date(2026, 11, 24), "today"),
            (date(2026, 11, 25), "tomorrow"),
            (date(2027, 6, 30), "in 218 days"),
            (date(2026, 11, 20), "ended 4 days ago"),
        ] {
            assert_eq!(wait(today, on), told);
        }
    }
}
