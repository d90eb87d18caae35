//! Who somebody is beside the number: family name, given name and birth date, as keyed digests. By it one child is found
//! again under another number, or in another district of the same ILS. Never by it alone: namesakes are born on one day.

use crate::digest::{DigestKey, ValueDigest};
use crate::field::Field;
use crate::patron::PatronValues;
use crate::threeway::{FieldDigest, FieldDigests};

/// The fields by which a person is known beside the number.
pub const KNOWN_BY: [Field; 3] = [Field::Surname, Field::GivenName, Field::BirthDate];

/// The reason of a link without a card whose child has one by another district of the same ILS.
pub const CARD_ELSEWHERE: &str = "card_of_another_district";
/// The reason of a link whose card went to another district of the same ILS, with its child.
pub const MOVED_AWAY: &str = "moved_to_another_district";

/// Digests of names and birth date, in the order of [`KNOWN_BY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Who(pub [u64; 3]);

impl Who {
    /// Who a wanted patron is; `None` where something is missing.
    #[must_use]
    pub fn is(values: &PatronValues, key: &DigestKey) -> Option<Self> {
        let digest = |field: Field| Some(key.value(field, Some(&values.canonical(field)?)).0);
        Some(Self([digest(KNOWN_BY[0])?, digest(KNOWN_BY[1])?, digest(KNOWN_BY[2])?]))
    }

    /// Who a link's person was when the card was last written; `None` where that was not sent whole.
    #[must_use]
    pub fn was(digests: &FieldDigests) -> Option<Self> {
        let sent = KNOWN_BY.map(|field| digests.get(field).sent);
        (!sent.contains(&ValueDigest::NOTHING)).then(|| Self(sent.map(|digest| digest.0)))
    }

    /// Notes in a link without a card whom it is about.
    pub fn mark(self, digests: &mut FieldDigests) {
        for (field, sent) in KNOWN_BY.into_iter().zip(self.0) {
            let seen = digests.get(field).seen;
            digests.set(field, FieldDigest { sent: ValueDigest(sent), seen });
        }
    }

    /// Forgets whom a link is about, so that whoever comes next is no other person.
    pub fn forget(digests: &mut FieldDigests) {
        for field in KNOWN_BY {
            let seen = digests.get(field).seen;
            digests.set(field, FieldDigest { sent: ValueDigest::NOTHING, seen });
        }
    }

    /// Whether both names and the birth date are others: not a name that was corrected.
    #[must_use]
    pub fn is_wholly_another(self, was: Self) -> bool {
        self.0.iter().zip(&was.0).all(|(is, was)| is != was)
    }

    /// One number for an index. Two people may share it, so who is found by it is compared again.
    #[must_use]
    pub const fn short(self) -> i64 {
        let [surname, given_name, birth_date] = self.0;
        (surname.rotate_left(1) ^ given_name.rotate_left(23) ^ birth_date.rotate_left(47)).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::{BirthDate, Personal};
    use jiff::civil::date;

    fn values(surname: &str, given_name: &str, day: i8) -> PatronValues {
        PatronValues {
            surname: Some(Personal::new(surname)),
            given_name: Some(Personal::new(given_name)),
            birth_date: Some(BirthDate::new(date(2014, 5, day))),
            ..PatronValues::default()
        }
    }

    #[test]
    fn names_and_birth_date_say_who_somebody_is() {
        let key = DigestKey::new([3; 32]);
        let is = |s, g, d| Who::is(&values(s, g, d), &key).unwrap();
        let ada = is("Lovelace", "Ada", 1);
        assert_eq!(ada, is("Lovelace", "Ada", 1));
        assert_eq!(ada.short(), is("Lovelace", "Ada", 1).short());
        // Names that changed places are another person, by the short form too.
        assert_ne!(ada.short(), is("Ada", "Lovelace", 1).short());
        assert!(!is("Byron", "Ada", 1).is_wholly_another(ada));
        assert!(is("Babbage", "Charles", 2).is_wholly_another(ada));
        let unborn = PatronValues { birth_date: None, ..values("Lovelace", "Ada", 1) };
        assert_eq!(Who::is(&unborn, &key), None);
    }

    #[test]
    fn a_mark_is_read_back_and_forgotten() {
        let who = Who([1, 2, 3]);
        let mut digests = FieldDigests::default();
        assert_eq!(Who::was(&digests), None);
        who.mark(&mut digests);
        assert_eq!(Who::was(&digests), Some(who));
        Who::forget(&mut digests);
        assert_eq!(Who::was(&digests), None);
    }
}
