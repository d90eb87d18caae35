//! Three-way comparison, field by field: what we sent and the ILS then held, what is there now, and what is wanted.
//!
//! `sent` is the digest of what was asked for; `seen` is the digest of the directory's canonical form of what
//! read-back showed. Staff changed a field only if what is there now differs from `seen`: an ILS that cuts or rewrites
//! a value is no editor. Nothing is ever blanked: a value that is absent from the roster is not an empty one (S23).

use crate::digest::{DigestKey, ValueDigest};
use crate::field::{Field, FieldRules, FieldSet, Ownership};
use crate::patron::PatronValues;
use crate::ports::{FieldChanges, PatronFinder};

/// The digests the ledger keeps of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldDigest {
    /// Of what was asked for.
    pub sent: ValueDigest,
    /// Of the directory's canonical form of what read-back showed.
    pub seen: ValueDigest,
}

/// The digests of all fields of one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldDigests([FieldDigest; Field::ALL.len()]);

impl Default for FieldDigests {
    fn default() -> Self {
        Self([FieldDigest { sent: ValueDigest::NOTHING, seen: ValueDigest::NOTHING }; Field::ALL.len()])
    }
}

/// Bytes that one field takes in the stored form: its number, `sent`, `seen`.
const STORED: usize = 17;

impl FieldDigests {
    /// The digests of a field.
    #[must_use]
    pub fn get(&self, field: Field) -> FieldDigest {
        self.0[field as usize]
    }

    /// Sets the digests of a field.
    pub fn set(&mut self, field: Field, digest: FieldDigest) {
        self.0[field as usize] = digest;
    }

    /// The stored form: fields that hold something, 17 bytes each (number, `sent`, `seen`, little-endian).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(STORED * 10);
        for field in Field::ALL {
            let digest = self.get(*field);
            if digest.sent != ValueDigest::NOTHING || digest.seen != ValueDigest::NOTHING {
                bytes.push(*field as u8);
                bytes.extend_from_slice(&digest.sent.0.to_le_bytes());
                bytes.extend_from_slice(&digest.seen.0.to_le_bytes());
            }
        }
        bytes
    }

    /// Reads the stored form; `None` where it is not one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut digests = Self::default();
        let (chunks, rest) = bytes.as_chunks::<STORED>();
        for chunk in chunks {
            let field = *Field::ALL.get(usize::from(chunk[0]))?;
            let (sent, seen) = (chunk[1..9].try_into().ok()?, chunk[9..17].try_into().ok()?);
            digests.set(
                field,
                FieldDigest {
                    sent: ValueDigest(u64::from_le_bytes(sent)),
                    seen: ValueDigest(u64::from_le_bytes(seen)),
                },
            );
        }
        rest.is_empty().then_some(digests)
    }
}

/// Which fields' wishes differ from what was sent last: what an update is planned for, without asking the ILS.
#[must_use]
pub fn changed_wishes(
    wanted: &PatronValues,
    digests: &FieldDigests,
    rules: &FieldRules,
    key: &DigestKey,
) -> FieldSet {
    let differs = |field: &Field| match wanted.canonical(*field) {
        None => false,
        text @ Some(_) => key.value(*field, text.as_deref()) != digests.get(*field).sent,
    };
    rules.kept_up().iter().filter(differs).collect()
}

/// What a three-way comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreeWay {
    /// What is to be written.
    pub write: FieldChanges,
    /// Fields where a change by the library's staff stays, and ours is dropped.
    pub staff_won: FieldSet,
    /// Fields that hold what is wanted already.
    pub already: FieldSet,
}

/// Compares a wanted patron with the one just looked up.
#[must_use]
pub fn compare(
    wanted: &PatronValues,
    there: &PatronValues,
    digests: &FieldDigests,
    rules: &FieldRules,
    directory: &(impl PatronFinder + ?Sized),
    key: &DigestKey,
) -> ThreeWay {
    let returns = directory.returns();
    let mut result = ThreeWay {
        write: FieldChanges { fields: FieldSet::EMPTY, values: PatronValues::default() },
        staff_won: FieldSet::EMPTY,
        already: FieldSet::EMPTY,
    };
    for field in rules.kept_up().iter() {
        let Some(wish) = wanted.canonical(field) else {
            continue;
        };
        let before = digests.get(field);
        let wish_changed = key.value(field, Some(&wish)) != before.sent;
        let owner = rules.owner(field);
        if !returns.contains(field) {
            // Nothing to compare with: written when the wish changed, and only what the roster owns outright or
            // what this program alone sets.
            if wish_changed && matches!(owner, Ownership::School | Ownership::Ours) {
                result.write.fields.insert(field);
                result.write.values.take(field, wanted);
            }
            continue;
        }
        let held = there.canonical(field);
        if held.as_deref() == directory.canonical(field, wanted).as_deref() {
            result.already.insert(field);
            continue;
        }
        let staff_changed = before.seen != key.value(field, held.as_deref());
        let write = match owner {
            Ownership::School => true,
            Ownership::Fill => held.is_none(),
            Ownership::Ours if !wish_changed => false,
            Ownership::Ours => {
                if staff_changed {
                    result.staff_won.insert(field);
                }
                !staff_changed
            }
            Ownership::Library | Ownership::None => false,
        };
        if write {
            result.write.fields.insert(field);
            result.write.values.take(field, wanted);
        }
    }
    result
}

/// The digests to keep after a write (or after finding that nothing was to do): `sent` becomes the wish of every
/// field that is kept up, `seen` what read-back showed for the fields in `fresh`; other fields keep their `seen`.
#[must_use]
pub fn digests_after(
    before: &FieldDigests,
    wanted: &PatronValues,
    read_back: Option<&PatronValues>,
    fresh: FieldSet,
    key: &DigestKey,
) -> FieldDigests {
    let mut after = *before;
    for field in Field::ALL.iter().copied() {
        let mut digest = before.get(field);
        if let wish @ Some(_) = wanted.canonical(field) {
            digest.sent = key.value(field, wish.as_deref());
        }
        if fresh.contains(field)
            && let Some(values) = read_back
        {
            digest.seen = key.value(field, values.canonical(field).as_deref());
        }
        after.set(field, digest);
    }
    after
}

#[cfg(test)]
mod tests;
