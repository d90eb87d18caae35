//! Whether a family wants a card: what the roster says, what was noted by hand, and which of the two kinds of programme it
//! is. Any no is a no; only in an opt-in programme does it take a yes.

use crate::digest::{Digest, DigestHasher};
use crate::patron::PatronValues;
use crate::privacy::{BirthDate, Personal};
use crate::reason::NotEligible;
use crate::student::{Consent, Student};
use crate::words::vocabulary;

vocabulary! {
    /// What it takes for a card.
    #[derive(Default)]
    Programme {
        /// Everybody gets one who did not say no.
        #[default]
        OptOut = "opt_out",
        /// Only those get one who said yes.
        OptIn = "opt_in",
    }
}

/// Whether there may be a card. `noted` is the wish that was noted by hand, if any.
///
/// # Errors
/// There may be none, and why.
pub fn allowed(programme: Programme, said: Consent, noted: Option<bool>) -> Result<(), NotEligible> {
    match (noted, said, programme) {
        (Some(false), _, _) => Err(NotEligible::OptedOut { by_roster: false }),
        (_, Consent::Refused, _) => Err(NotEligible::OptedOut { by_roster: true }),
        (Some(true), _, _) | (_, Consent::Granted, _) | (_, _, Programme::OptOut) => Ok(()),
        // Blank is not consent.
        (None, Consent::Blank | Consent::NotSaid, Programme::OptIn) => Err(NotEligible::NoConsent),
    }
}

/// A person known by everything but the number: given name, family name and birth date, without regard to case and accents.
/// `None` without a birth date or without a name: then nobody is recognised by it.
#[must_use]
pub fn identity(
    given: &Personal,
    family: &Personal,
    born: Option<BirthDate>,
    hasher: &mut DigestHasher,
) -> Option<Digest> {
    let born = born?;
    let fold = |name: &Personal| -> String {
        deunicode::deunicode(name.reveal())
            .chars()
            .filter(|c| c.is_alphanumeric())
            .map(|c| c.to_ascii_lowercase())
            .collect()
    };
    let (given, family) = (zeroize::Zeroizing::new(fold(given)), zeroize::Zeroizing::new(fold(family)));
    if given.is_empty() && family.is_empty() {
        return None;
    }
    hasher.clear();
    hasher.part(given.as_bytes());
    hasher.part(family.as_bytes());
    hasher.part(born.reveal().to_string().as_bytes());
    Some(hasher.finish())
}

/// [`identity`] of a student of a roster, by the legal name.
#[must_use]
pub fn identity_of(student: &Student, hasher: &mut DigestHasher) -> Option<Digest> {
    identity(&student.given_name, &student.family_name, student.birth_date, hasher)
}

/// [`identity`] of what a patron's record holds.
#[must_use]
pub fn identity_of_patron(values: &PatronValues, hasher: &mut DigestHasher) -> Option<Digest> {
    let empty = Personal::new("");
    let part = |name: &Option<Personal>| name.clone().unwrap_or_else(|| empty.clone());
    identity(&part(&values.given_name), &part(&values.surname), values.birth_date, hasher)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::digest::{DigestKey, DigestKind};

    #[test]
    fn s35_any_no_is_a_no_and_blank_is_no_yes() {
        use Consent::{Blank, Granted, NotSaid, Refused};
        use Programme::{OptIn, OptOut};
        let by_hand = Err("opted_out");
        let by_roster = Err("opted_out_in_roster");
        for (programme, said, noted, expected) in [
            (OptOut, NotSaid, None, Ok(())),
            (OptOut, Blank, None, Ok(())),
            (OptOut, Granted, None, Ok(())),
            (OptOut, Refused, None, by_roster),
            (OptOut, Granted, Some(false), by_hand),
            (OptOut, Refused, Some(true), by_roster),
            (OptIn, NotSaid, None, Err("no_consent")),
            (OptIn, Blank, None, Err("no_consent")),
            (OptIn, Granted, None, Ok(())),
            (OptIn, Blank, Some(true), Ok(())),
            (OptIn, Refused, Some(true), by_roster),
            (OptIn, Granted, Some(false), by_hand),
        ] {
            let found = allowed(programme, said, noted).map_err(|reason| reason.code());
            assert_eq!(found, expected, "{programme} {said} {noted:?}");
        }
    }

    #[test]
    fn a_person_is_the_same_under_other_spellings_and_another_one_is_not() {
        let key = DigestKey::new([7; 32]);
        let mut hasher = key.hasher(DigestKind::Identity);
        let mut of = |given: &str, family: &str, born| {
            identity(&Personal::new(given), &Personal::new(family), born, &mut hasher)
        };
        let born = Some(BirthDate::new(date(2012, 2, 29)));
        let one = of("Zo\u{eb}", "O'Brien-Lee", born);
        assert!(one.is_some());
        assert_eq!(one, of("zoe", "OBRIEN LEE", born));
        assert_ne!(one, of("Zoe", "Obrien", born));
        assert_ne!(one, of("Zoe", "Obrienlee", Some(BirthDate::new(date(2012, 3, 1)))));
        // The border between the names counts.
        assert_ne!(of("Ann", "Elee", born), of("Anne", "Lee", born));
        assert_eq!((of("Zoe", "Lee", None), of("-", "", born)), (None, None));
    }
}
