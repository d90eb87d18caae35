//! Is this a roster to be believed at all? Its age, its place, how many people it has lost; and the moments at which a
//! person looks whatever the numbers.

use super::{
    GuardAction, GuardName, Guards, KINDS, Memory, PlanFacts, SchoolFacts, Verdict, WaitingFor, doubt, raise,
};
use crate::plan::ChangeKind;
use crate::ports::{Completeness, SourceState};

/// The roster as a whole.
pub(super) fn look(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    moments(facts, guards, verdict);
    age(facts, guards, verdict);
    collapse(facts, guards, verdict);
}

fn moments(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    let changes = facts.changes();
    if facts.first_connection && changes > 0 {
        let cause = "this partnership has no card yet: look at the plan by school, then approve it, whole or one school first";
        let what = doubt(GuardName::FirstConnection, Some(0), changes, cause);
        raise(verdict, guards.first_connection, what, |v| v.whole = true);
    }
    if facts.rules_changed && changes > 0 {
        let cause = "the card rules, homes or field rules were changed since the last run: look at the plan, then approve it";
        let what = doubt(GuardName::RulesChanged, Some(0), changes, cause);
        raise(verdict, guards.rules_changed, what, |v| v.whole = true);
    }
    if let Some((before, now)) = &facts.endpoint_changed {
        let cause = format!(
            "the roster was read from {before} before and is read from {now} now: is it the same district?"
        );
        let what = doubt(GuardName::EndpointChanged, None, changes, cause);
        raise(verdict, guards.endpoint_changed, what, |v| v.whole = true);
    }
    let small = guards.after_pause.allows(facts.live());
    if let Some(reason) = &facts.after_pause
        && changes > small
    {
        let cause = format!(
            "this is the first run after a pause ({reason}): look at what has piled up, then approve it"
        );
        let what = doubt(GuardName::AfterPause, Some(small), changes, cause);
        raise(verdict, guards.after_pause.action, what, |v| v.whole = true);
    }
    // No setting turns this one off: what was done since the backup was made is known to the ILS alone.
    if let Some(what) = &facts.after_restore
        && changes > 0
    {
        let cause = format!(
            "{what}: who got a card since then is new to the store; look at the plan against the ILS, then approve it"
        );
        let what = doubt(GuardName::AfterRestore, Some(0), changes, cause);
        raise(verdict, GuardAction::Wait, what, |v| v.whole = true);
    }
}

fn age(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    let Some(as_of) = facts.as_of else { return };
    if let Some(last) = facts.last_as_of
        && as_of < last
    {
        let cause =
            format!("this roster is of {as_of}, the last one was of {last}: an old file was delivered again");
        let what = doubt(GuardName::RosterOlder, None, facts.changes(), cause);
        raise(verdict, guards.roster_older, what, |v| v.whole = true);
    }
    let Some(oldest) = guards.roster_age else { return };
    let age = u64::try_from(facts.now.duration_since(as_of).as_secs()).unwrap_or(0);
    let age = age.saturating_sub(facts.closed_days.saturating_mul(DAY));
    if age > oldest {
        let free = match facts.closed_days {
            0 => "",
            _ => ", days without school left out",
        };
        let cause = format!(
            "this roster is of {as_of}, {} old{free}, and may be {} old at most: the district's export may have stopped",
            span(age),
            span(oldest)
        );
        let what = doubt(GuardName::RosterAge, Some(oldest), age, cause);
        raise(verdict, guards.roster_age_action, what, |v| v.whole = true);
    }
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// Seconds in words: hours below two days, days from there on.
fn span(seconds: u64) -> String {
    if seconds < 2 * DAY { format!("{} hours", seconds / HOUR) } else { format!("{} days", seconds / DAY) }
}

/// Outside a school year nobody counts as missing and nothing lapses: then it is only said.
fn in_season(action: GuardAction, facts: &PlanFacts) -> GuardAction {
    match action {
        GuardAction::Wait if !facts.in_term => GuardAction::Warn,
        action => action,
    }
}

fn collapse(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    let roster: u64 = facts.sum(|school| school.roster);
    let (live, absent) = (facts.live(), facts.sum(|school| school.absent));
    let delta = facts.completeness == Completeness::Delta;
    // In a delta, those are absent of whom the source says that they have left.
    let counts = facts.completeness != Completeness::Incomplete;
    let limit = guards.roster_collapse;
    // A file with a header only does not even count as whole, and is no less in doubt for that.
    // A source that is not running says so itself: that it gives nobody is no news.
    let running = facts.source_state == SourceState::Running;
    let nobody = roster == 0 && facts.records == 0 && !delta && running;
    if live == 0 || !(counts || nobody) {
        return;
    }
    let allowed = limit.allows(live);
    let action = in_season(limit.action, facts);
    // A delta does not say again who has left before, and nobody can accept an empty roster.
    let weighed = facts.completeness == Completeness::Snapshot && !nobody;
    let accepted = if weighed {
        let before = facts.sum(|school| school.absent_before);
        verdict.memory.weigh((GuardName::RosterCollapsed, action), None, (absent, before), allowed)
    } else {
        0
    };
    if !(nobody || absent > allowed + accepted) {
        return;
    }
    let empty = facts.schools_in_words(|school| school.live > 0 && school.roster == 0);
    let cause = if delta {
        format!(
            "the source says that {absent} of {live} people with cards have left at once: a school or a grade that is no \
             longer shared"
        )
    } else if nobody {
        format!("the roster has nobody in it: an export that failed, or a file with a header only; {empty}")
    } else if empty.is_empty() {
        format!(
            "{absent} of {live} people with cards are missing: an export cut short, or last year's roster"
        )
    } else {
        format!("{absent} of {live} people with cards are missing; {empty}")
    };
    let what = doubt(GuardName::RosterCollapsed, Some(allowed + accepted), absent, cause);
    raise(verdict, action, what, |v| {
        v.whole = true;
        v.shrunk = counts && !nobody;
    });
    // Whoever says that it is right says so of its schools, too.
    if weighed {
        shrunken_schools(facts, guards, &mut verdict.memory);
    }
}

/// Schools that have lost more people than they may, each with its key and its limit.
fn shrunken_schools<'f>(
    facts: &'f PlanFacts,
    guards: &Guards,
    memory: &mut Memory,
) -> Vec<(&'f String, &'f SchoolFacts, u64)> {
    let mut shrunken = Vec::new();
    for (key, school) in facts.schools.iter().filter(|(_, school)| school.live > 0) {
        let emptied = school.roster == 0 && school.absent > 0 && school.live >= 5;
        let allowed = if emptied { 0 } else { guards.school_collapse.allows(school.live) };
        let action = in_season(guards.school_collapse.action, facts);
        let absent = (school.absent, school.absent_before);
        let accepted = memory.weigh((GuardName::SchoolCollapsed, action), Some(key), absent, allowed);
        if school.absent > allowed + accepted {
            shrunken.push((key, school, allowed + accepted));
        }
    }
    shrunken
}

/// School by school.
pub(super) fn schools(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    if facts.completeness != Completeness::Snapshot {
        return;
    }
    let limit = guards.school_collapse;
    for (key, school, allowed) in shrunken_schools(facts, guards, &mut verdict.memory) {
        let what = WaitingFor {
            kind: Some(ChangeKind::Lapse.word().to_owned()),
            school: Some(school.label.clone()),
            ..doubt(
                GuardName::SchoolCollapsed,
                Some(allowed),
                school.absent,
                format!(
                    "{}: a school left out of the export, closed or merged",
                    school.in_words(key, &facts.memory)
                ),
            )
        };
        raise(verdict, in_season(limit.action, facts), what, |v| {
            v.collapsed.insert(key.clone());
            // Its missing people are notes of the ledger's until their grace is over.
            v.schools.extend([(key.clone(), ChangeKind::Lapse), (key.clone(), ChangeKind::Note)]);
        });
    }
}

/// Lets everything of a school wait.
pub(super) fn whole_school(verdict: &mut Verdict, key: &str) {
    for kind in KINDS.into_iter().chain([ChangeKind::Note]) {
        verdict.schools.insert((key.to_owned(), kind));
    }
}
