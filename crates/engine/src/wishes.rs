//! The wishes of families that were noted by hand, for the time of one run: found by the student number, and by names and
//! birth date where the number has changed.

use hashbrown::HashMap;
use rostercard_core::consent::identity_of;
use rostercard_core::digest::{Digest, DigestKey, DigestKind};
use rostercard_core::student::Student;
use rostercard_store::rows::Wish;

/// The wishes of a partnership.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    by_person: HashMap<Digest, Wish>,
    by_identity: HashMap<Digest, bool>,
    learned: Vec<Wish>,
}

impl Wishes {
    pub(crate) fn new(wishes: Vec<Wish>) -> Self {
        let by_identity =
            wishes.iter().filter_map(|wish| wish.identity.map(|identity| (identity, wish.wants))).collect();
        let by_person = wishes.into_iter().map(|wish| (wish.person, wish)).collect();
        Self { by_person, by_identity, learned: Vec::new() }
    }

    /// What was noted about a student. Where the number is known and the identity is not yet, it is learned.
    pub(crate) fn of(&mut self, person: Digest, student: &Student, key: &DigestKey) -> Option<bool> {
        // The rule is that nothing was noted about anybody, and then nothing is worked out either.
        if self.by_person.is_empty() {
            return None;
        }
        let identity = identity_of(student, &mut key.hasher(DigestKind::Identity));
        let Some(wish) = self.by_person.get(&person) else {
            return self.by_identity.get(&identity?).copied();
        };
        if let (None, Some(_)) = (wish.identity, identity) {
            self.learned.push(Wish { identity, ..wish.clone() });
        }
        Some(wish.wants)
    }

    /// Whether it was noted that a family wants no card.
    pub(crate) fn says_no(&self, person: Digest) -> bool {
        self.by_person.get(&person).is_some_and(|wish| !wish.wants)
    }

    /// Wishes whose identity is known by now.
    pub(crate) fn learned(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.learned)
    }
}
