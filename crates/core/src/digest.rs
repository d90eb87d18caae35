//! Keyed digests: how the store recognises people, patrons and values without holding them.
//!
//! BLAKE3 in keyed mode, cut to 128 bits for keys and fingerprints and to 64 bits for single fields. The key lies
//! outside the store; without it a digest of a birth date could be tried out. Each kind of digest has its own key
//! derived from that one, so that digests of different kinds can never be compared with each other.

use std::fmt;

use zeroize::Zeroize;

use crate::field::Field;

/// A 128-bit digest: a person key, a decided fingerprint, a barcode within an ILS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 16]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to tell rows apart in a test's output; not a value about a person.
        write!(f, "Digest({:02x}{:02x}{:02x}{:02x}…)", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

/// What a digest is of; each has its own derived key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestKind {
    /// A person within a roster source: the source and the student id.
    Person = 0,
    /// A decided fingerprint.
    Decided = 1,
    /// A number, user name or record id within an ILS.
    Identity = 2,
    /// A single field's canonical value.
    Value = 3,
}

/// The key of the store's digests.
pub struct DigestKey {
    derived: [[u8; 32]; 4],
    id: [u8; 8],
}

impl DigestKey {
    /// Derives the keys from 32 secret bytes.
    #[must_use]
    pub fn new(mut secret: [u8; 32]) -> Self {
        let derive = |context: &str| blake3::derive_key(context, &secret);
        let derived = [
            derive("rostercard 2026 digest of a person"),
            derive("rostercard 2026 digest of a decision"),
            derive("rostercard 2026 digest of an identity in an ILS"),
            derive("rostercard 2026 digest of a field's value"),
        ];
        let id = derive("rostercard 2026 id of a key");
        let mut short = [0; 8];
        short.copy_from_slice(&id[..8]);
        secret.zeroize();
        Self { derived, id: short }
    }

    /// A name for the key that tells nothing of it: rows carry it, so that a wrong key is noticed.
    #[must_use]
    pub fn id(&self) -> [u8; 8] {
        self.id
    }

    /// The digest of parts, in order; no two different lists of parts have the same input.
    #[must_use]
    pub fn digest(&self, kind: DigestKind, parts: &[&[u8]]) -> Digest {
        let mut hasher = self.hasher(kind);
        for part in parts {
            hasher.part(part);
        }
        hasher.finish()
    }

    /// A hasher for a digest whose parts come one by one.
    #[must_use]
    pub fn hasher(&self, kind: DigestKind) -> DigestHasher {
        DigestHasher { key: self.derived[kind as usize], buffer: Vec::with_capacity(256) }
    }

    /// The 64-bit digest of a field's canonical value. Never 0, which stands for "nothing".
    #[must_use]
    pub fn value(&self, field: Field, canonical: Option<&str>) -> ValueDigest {
        let Some(text) = canonical else {
            return ValueDigest::NOTHING;
        };
        let digest = self.digest(DigestKind::Value, &[field.word().as_bytes(), text.as_bytes()]);
        let mut short = [0; 8];
        short.copy_from_slice(&digest.0[..8]);
        ValueDigest(u64::from_le_bytes(short).max(1))
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(…)")
    }
}

impl Drop for DigestKey {
    fn drop(&mut self) {
        self.derived.zeroize();
    }
}

/// Collects the parts of one digest. See [`DigestKey::hasher`].
///
/// The parts are gathered first and hashed in one go, which for a student's few hundred bytes is several times
/// faster than feeding BLAKE3 in pieces.
pub struct DigestHasher {
    key: [u8; 32],
    buffer: Vec<u8>,
}

impl DigestHasher {
    /// Adds a part: its length goes before it, so that parts cannot run into each other.
    pub fn part(&mut self, part: &[u8]) {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        self.buffer.extend_from_slice(&length.to_le_bytes());
        self.buffer.extend_from_slice(part);
    }

    /// Adds a part that may be missing, which differs from an empty one.
    pub fn optional(&mut self, part: Option<&str>) {
        match part {
            Some(text) => self.part(text.as_bytes()),
            None => self.buffer.extend_from_slice(&u32::MAX.to_le_bytes()),
        }
    }

    /// The digest of what was added.
    #[must_use]
    pub fn finish(&self) -> Digest {
        let hash = blake3::keyed_hash(&self.key, &self.buffer);
        let mut short = [0; 16];
        short.copy_from_slice(&hash.as_bytes()[..16]);
        Digest(short)
    }

    /// Forgets the parts and keeps the memory, for the next student.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }
}

impl fmt::Debug for DigestHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestHasher(…)")
    }
}

impl Drop for DigestHasher {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// The 64-bit digest of one field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValueDigest(pub u64);

impl ValueDigest {
    /// The field holds nothing.
    pub const NOTHING: Self = Self(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = DigestKey::new([7; 32]);
        let of = |parts: &[&[u8]]| key.digest(DigestKind::Person, parts);
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"", b""]), of(&[b""]));
        assert_eq!(of(&[b"ab", b"c"]), of(&[b"ab", b"c"]));
        let mut hasher = key.hasher(DigestKind::Person);
        hasher.optional(None);
        let missing = hasher.finish();
        hasher.clear();
        hasher.optional(Some(""));
        assert_ne!(missing, hasher.finish());
    }

    #[test]
    fn kinds_and_keys_differ() {
        let (a, b) = (DigestKey::new([1; 32]), DigestKey::new([2; 32]));
        assert_ne!(a.digest(DigestKind::Person, &[b"x"]), a.digest(DigestKind::Identity, &[b"x"]));
        assert_ne!(a.digest(DigestKind::Person, &[b"x"]), b.digest(DigestKind::Person, &[b"x"]));
        assert_ne!(a.id(), b.id());
        assert_ne!(a.value(Field::Email, Some("x")), a.value(Field::Phone, Some("x")));
        assert_eq!(a.value(Field::Email, None), ValueDigest::NOTHING);
    }
}
