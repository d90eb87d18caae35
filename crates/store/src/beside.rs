//! Sealing for files that lie beside the store: what a roster source has to keep between runs. Their key is derived from the
//! store's and shares nothing with those of its values and digests. Which files there are, where they lie and what is in
//! them is the source's and the program's matter.

use std::fmt;
use std::io;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::seal::{Entropy, StoreKey};

/// The form of a sealed piece: this byte, the nonce, the sealed bytes with their tag.
const FORM: u8 = 1;
const NONCE: usize = 24;

/// Seals and opens pieces of files beside the store: XChaCha20-Poly1305, a random nonce for each piece.
pub struct FileSealer {
    cipher: XChaCha20Poly1305,
    entropy: Arc<dyn Entropy>,
}

impl FileSealer {
    /// A sealer with a key of its own, derived from the store's.
    #[must_use]
    pub fn new(key: &StoreKey, entropy: Arc<dyn Entropy>) -> Self {
        let derived = Zeroizing::new(key.derive("rostercard 2026 seal of files beside a store"));
        Self { cipher: XChaCha20Poly1305::new((&*derived).into()), entropy }
    }

    /// Seals a piece. It opens at the same `place` alone.
    ///
    /// # Errors
    /// There are no random bytes.
    pub fn seal(&self, place: &str, plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        self.entropy.fill(&mut nonce)?;
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| io::Error::other("a piece could not be sealed"))?;
        let mut bytes = Vec::with_capacity(1 + NONCE + sealed.len());
        bytes.push(FORM);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    /// Opens a piece.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where it was cut, changed or moved, or sealed with another key.
    pub fn open(&self, place: &str, sealed: &[u8]) -> io::Result<Vec<u8>> {
        let fail = || {
            let why =
                "a sealed file does not open: it was cut, changed or moved, or the store's key is another";
            io::Error::new(io::ErrorKind::InvalidData, why)
        };
        let rest = sealed.strip_prefix(&[FORM]).ok_or_else(fail)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or_else(fail)?;
        let payload = Payload { msg: sealed, aad: place.as_bytes() };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| fail())
    }
}

impl fmt::Debug for FileSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileSealer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(key: u8) -> FileSealer {
        let same = |bytes: &mut [u8]| {
            bytes.fill(7);
            Ok(())
        };
        FileSealer::new(&StoreKey::new([key; 32]), Arc::new(same))
    }

    #[test]
    fn a_piece_opens_in_its_place_with_its_key_alone() {
        let sealed = sealer(1).seal("a/users/0", b"Ana Ng").unwrap();
        assert!(!sealed.windows(3).any(|w| w == b"Ana"));
        assert_eq!(sealer(1).open("a/users/0", &sealed).unwrap(), b"Ana Ng");
        assert!(
            sealer(1).open("a/users/1", &sealed).is_err() && sealer(2).open("a/users/0", &sealed).is_err()
        );
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert!(sealer(1).open("a/users/0", &other).is_err(), "{at}");
            assert!(sealer(1).open("a/users/0", &sealed[..at]).is_err(), "{at}");
        }
    }

    #[test]
    fn without_random_bytes_nothing_is_sealed() {
        let none = |_: &mut [u8]| Err(io::Error::other("none"));
        assert!(FileSealer::new(&StoreKey::new([1; 32]), Arc::new(none)).seal("a", b"x").is_err());
    }
}
