//! What a roster says of the families' wishes, counted: a column that is suddenly blank, missing or turned around shows in
//! the shares and in nothing else (S35).

use super::{GuardName, Guards, PlanFacts, Verdict, doubt, raise};
use crate::ports::Completeness;
use crate::student::Consent;

/// How many people of a roster have which mark. Counts alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Consents {
    /// The roster has no such column.
    pub not_said: u64,
    /// There is a column, and nothing in it.
    pub blank: u64,
    /// The family wants a card, or does not mind.
    pub granted: u64,
    /// The family wants none.
    pub refused: u64,
}

impl Consents {
    /// Counts a person.
    pub fn add(&mut self, consent: Consent) {
        *match consent {
            Consent::NotSaid => &mut self.not_said,
            Consent::Blank => &mut self.blank,
            Consent::Granted => &mut self.granted,
            Consent::Refused => &mut self.refused,
        } += 1;
    }

    /// Everybody.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.not_said + self.blank + self.granted + self.refused
    }

    /// Whether any family said anything.
    #[must_use]
    pub fn says_anything(&self) -> bool {
        self.granted + self.refused > 0
    }

    fn parts(&self) -> [u64; 4] {
        [self.not_said, self.blank, self.granted, self.refused]
    }

    /// How many people more have one mark than would have it if nothing had changed but their number.
    fn moved_since(&self, before: &Self) -> u64 {
        let (now, then) = (u128::from(self.all()), u128::from(before.all()));
        if then == 0 {
            return 0;
        }
        let grown = self.parts().into_iter().zip(before.parts());
        grown
            .map(|(count, before)| u128::from(count).saturating_sub(u128::from(before) * now / then))
            .max()
            .and_then(|most| u64::try_from(most).ok())
            .unwrap_or(0)
    }
}

/// So many marks may go at once with those who had them.
const MARKS: u64 = 3;

/// Compares with the last roster that was taken.
pub(super) fn look(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    let (now, before) = (&facts.consent, &facts.memory.consent);
    if facts.completeness != Completeness::Snapshot || !before.says_anything() || now.all() == 0 {
        return;
    }
    let (found, allowed) = (now.moved_since(before), guards.consent.allows(now.all()));
    // Of an opt-out column only the few marks are not blank: their going is no shift of shares, and is told all the same.
    let silent = !now.says_anything() && before.granted + before.refused >= MARKS;
    if found <= allowed && !silent {
        return;
    }
    let (found, allowed) = if silent { (before.granted + before.refused, 0) } else { (found, allowed) };
    let cause = if now.not_said == now.all() {
        "the opt-out column is missing from the roster: no column is no consent".to_owned()
    } else if !now.says_anything() {
        "the opt-out column is blank for everybody: blank is not consent".to_owned()
    } else {
        format!(
            "{} of {} families want no card by this roster, {} of {} by the last one: is the opt-out column turned around?",
            now.refused,
            now.all(),
            before.refused,
            before.all()
        )
    };
    let what = doubt(GuardName::ConsentTurned, Some(allowed), found, cause);
    raise(verdict, guards.consent.action, what, |v| v.whole = true);
}
