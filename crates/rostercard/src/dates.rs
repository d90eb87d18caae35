//! What `check` says of dates: agreements that end, school years that are over, expectations that are over or never come.
//! They are warnings: nothing is wrong with the file, but with the day.

use jiff::civil::Date;
use rostercard_config::{Code, Partnership, Problem, Problems};
use rostercard_core::calendar::AgreementState;

/// Looks at the dates of a partnership on a day.
pub(crate) fn look(partnership: &Partnership, today: Date, problems: &Problems) {
    let (dates, places) = (&partnership.dates, &partnership.date_places);
    let about = |place: &rostercard_config::Place, code, key: &str, what: String, advice: &str| {
        problems.add(Problem::warning(code, place.clone(), key, what, advice));
    };
    match dates.agreement.on(today) {
        AgreementState::InForce => {}
        AgreementState::NotYet(starts) => {
            let what = format!("the agreement begins on {starts}: nothing is written before");
            about(
                &places.agreement,
                Code::Unwise,
                "agreement.starts",
                what,
                "`rostercard plan` works meanwhile",
            );
        }
        AgreementState::EndsSoon(ends, left) => {
            let what = format!("the agreement ends on {ends}, in {left} days: nothing is written after");
            about(
                &places.agreement,
                Code::Unwise,
                "agreement.ends",
                what,
                "is it renewed? then write its new last day",
            );
        }
        AgreementState::Ended(ends) => {
            let what = format!(
                "the agreement ended on {ends}: nothing is written any more, and cards stay as they are"
            );
            about(
                &places.agreement,
                Code::Past,
                "agreement.ends",
                what,
                "was it renewed? then write its new last day",
            );
        }
    }
    if let Some(ends) = dates.calendar.over_since(today) {
        let what =
            format!("the school year was over on {ends}: no card lapses until the next one is written");
        about(
            &places.calendar,
            Code::Past,
            "calendar.ends",
            what,
            "write the next year's days, or \"MM-DD\" for every year",
        );
    }
    for (number, (expected, place)) in partnership.guards.expect.iter().zip(&places.expect).enumerate() {
        let key = format!("guards.expect[{}]", number + 1);
        if expected.until < today {
            let what = format!("this was over on {}: the usual limits hold again", expected.until);
            about(place, Code::Past, &key, what, "write the next dates, or take it out");
        } else if dates.agreement.ends.is_some_and(|ends| ends < expected.from) {
            let what = format!("this never comes: the agreement ends before {}", expected.from);
            about(
                place,
                Code::Contradiction,
                &key,
                what,
                "write dates before the agreement's end, or take it out",
            );
        }
    }
}
