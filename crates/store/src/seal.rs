//! Sealing: how a value is kept that must be kept, but must not be read by who holds the file alone.
//!
//! XChaCha20-Poly1305 with a random nonce for every value. The place of a value (its column and its row's people and
//! ids) is authenticated with it, so that a sealed value that is moved to another row or column does not open. The key
//! is derived from the store's key and shares nothing with the keys of digests. Nothing here knows a database.

use std::fmt;
use std::io;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rostercard_core::digest::DigestKey;
use zeroize::{Zeroize, Zeroizing};

/// The store's key: 32 secret bytes that lie outside the store. Digests and seals have keys derived from it.
pub struct StoreKey([u8; 32]);

impl StoreKey {
    /// Wraps 32 secret bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key of the store's digests. Its id is what a store is recognised by.
    #[must_use]
    pub fn digest_key(&self) -> DigestKey {
        DigestKey::new(self.0)
    }

    /// Another key, for one purpose.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.0)
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(…)")
    }
}

impl Drop for StoreKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Where random bytes come from. The program passes the operating system's.
pub trait Entropy: Send + Sync {
    /// Fills a buffer.
    ///
    /// # Errors
    /// There are no random bytes. Nothing is sealed then, and nothing written.
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()>;
}

impl<F> Entropy for F
where
    F: Fn(&mut [u8]) -> io::Result<()> + Send + Sync,
{
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        self(bytes)
    }
}

/// Why a value could not be sealed or opened. Says nothing of the value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("no random bytes could be had: {0}")]
    Entropy(io::Error),
    #[error("a value could not be sealed")]
    Seal,
    #[error("the sealed value of {0} does not open: it was cut, changed or moved")]
    Open(&'static str),
}

/// Where a sealed value lies: its column, and what names its row.
pub(crate) struct Place<'a> {
    /// Table and column.
    pub(crate) column: &'static str,
    /// The row's ids and people, in a fixed order for each column.
    pub(crate) row: &'a [&'a [u8]],
}

impl Place<'_> {
    /// The associated data. Lengths go before the parts, so that two places never look the same.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        for part in std::iter::once(self.column.as_bytes()).chain(self.row.iter().copied()) {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// The form of a sealed value: this byte, the nonce, the sealed bytes with their tag.
const FORM: u8 = 1;
const NONCE: usize = 24;

/// Seals and opens.
pub(crate) struct Sealer {
    cipher: XChaCha20Poly1305,
    entropy: Arc<dyn Entropy>,
}

impl Sealer {
    pub(crate) fn new(key: &StoreKey, entropy: Arc<dyn Entropy>) -> Self {
        let derived = Zeroizing::new(blake3::derive_key("rostercard 2026 seal of a store's values", &key.0));
        Self { cipher: XChaCha20Poly1305::new((&*derived).into()), entropy }
    }

    pub(crate) fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE];
        self.entropy.fill(&mut nonce).map_err(SealError::Entropy)?;
        let payload = Payload { msg: plain, aad: &place.bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Seal)?;
        let mut bytes = Vec::with_capacity(1 + NONCE + sealed.len());
        bytes.push(FORM);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    pub(crate) fn open(&self, place: &Place<'_>, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let fail = || SealError::Open(place.column);
        let rest = bytes.strip_prefix(&[FORM]).ok_or_else(fail)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or_else(fail)?;
        let payload = Payload { msg: sealed, aad: &place.bytes() };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| fail())
    }
}

/// Several values as one, to be sealed together: each with its length, a missing one told from an empty one.
pub(crate) fn pack(parts: &[Option<&[u8]>]) -> Zeroizing<Vec<u8>> {
    let size = parts.iter().map(|part| 4 + part.map_or(0, <[u8]>::len)).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    for part in parts {
        // A value of 4 GiB does not exist; were there one, it would be packed as missing and not as another.
        let part =
            part.and_then(|bytes| Some((u32::try_from(bytes.len()).ok().filter(|n| *n != MISSING)?, bytes)));
        match part {
            Some((length, part)) => {
                bytes.extend_from_slice(&length.to_le_bytes());
                bytes.extend_from_slice(part);
            }
            None => bytes.extend_from_slice(&MISSING.to_le_bytes()),
        }
    }
    bytes
}

const MISSING: u32 = u32::MAX;

/// Takes packed values apart again; `None` where the bytes are not packed values.
pub(crate) fn unpack(mut bytes: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        if length == MISSING {
            parts.push(None);
            bytes = rest;
            continue;
        }
        let (part, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        parts.push(Some(part));
        bytes = rest;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    fn sealer(key: u8) -> Sealer {
        let count = AtomicU64::new(0);
        let entropy = move |bytes: &mut [u8]| {
            let n = count.fetch_add(1, Ordering::Relaxed).to_le_bytes();
            bytes.iter_mut().zip(n.iter().cycle()).for_each(|(b, n)| *b = *n);
            Ok(())
        };
        Sealer::new(&StoreKey::new([key; 32]), Arc::new(entropy))
    }

    fn at<'a>(column: &'static str, row: &'a [&'a [u8]]) -> Place<'a> {
        Place { column, row }
    }

    #[test]
    fn opens_only_in_its_own_place_and_with_its_own_key() {
        let (ours, other) = (sealer(1), sealer(2));
        let sealed = ours.seal(&at("pin.sealed", &[b"ab", b"c"]), b"4711").unwrap();
        assert!(!sealed.windows(4).any(|w| w == b"4711"));
        assert_eq!(*ours.open(&at("pin.sealed", &[b"ab", b"c"]), &sealed).unwrap(), b"4711");
        for place in [
            at("pin.sealed", &[b"a", b"bc"]),
            at("pin.sealed", &[b"ab", b"d"]),
            at("pin.sealed", &[b"ab"]),
            at("intent.sealed", &[b"ab", b"c"]),
        ] {
            assert!(ours.open(&place, &sealed).is_err());
        }
        assert!(other.open(&at("pin.sealed", &[b"ab", b"c"]), &sealed).is_err());
    }

    #[test]
    fn the_same_value_is_never_sealed_alike() {
        let sealer = sealer(1);
        let place = at("pin.sealed", &[b"a"]);
        assert_ne!(sealer.seal(&place, b"4711").unwrap(), sealer.seal(&place, b"4711").unwrap());
    }

    #[test]
    fn without_random_bytes_nothing_is_sealed() {
        let none = |_: &mut [u8]| Err(io::Error::other("none"));
        let sealer = Sealer::new(&StoreKey::new([1; 32]), Arc::new(none));
        let error = sealer.seal(&at("pin.sealed", &[]), b"4711").unwrap_err();
        assert!(matches!(error, SealError::Entropy(_)));
    }

    #[test]
    fn keys_do_not_show() {
        assert_eq!(format!("{:?}", StoreKey::new([9; 32])), "StoreKey(…)");
    }

    proptest! {
        #[test]
        fn packed_values_come_apart_again(parts in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)), 0..6)) {
            let borrowed: Vec<Option<&[u8]>> = parts.iter().map(Option::as_deref).collect();
            let packed = pack(&borrowed);
            prop_assert_eq!(unpack(&packed).unwrap(), borrowed);
        }

        #[test]
        fn other_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _parts = unpack(&bytes);
            prop_assert!(sealer(1).open(&at("pin.sealed", &[]), &bytes).is_err());
        }

        #[test]
        fn a_changed_byte_is_noticed(at_byte in 0usize..49, flip in 1u8..) {
            let sealer = sealer(1);
            let place = at("pin.sealed", &[b"a"]);
            let mut sealed = sealer.seal(&place, b"47110815").unwrap();
            prop_assert_eq!(sealed.len(), 49);
            sealed[at_byte] ^= flip;
            prop_assert!(sealer.open(&place, &sealed).is_err());
        }
    }
}
