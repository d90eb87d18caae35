//! Dice: the one source of chance. SplitMix64, so that a seed means the same on every machine and in every version.

/// Numbers that look random and follow from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Dice {
    /// Dice of a year of a seed: years do not depend on each other, so that one can be replayed alone.
    pub(crate) fn of_year(seed: u64, year: u64) -> Self {
        let mut dice = Self(seed ^ year.wrapping_mul(0xA24B_AED4_963E_E407));
        dice.next();
        dice
    }

    /// Dice of their own, so that a new use of chance in one place does not change what happens in another.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where that is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }

    /// A position in something of a length.
    pub(crate) fn position(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// Yes, so many times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = self.position(of.len());
        of.get(at).copied()
    }

    /// One of several, each with a weight.
    pub(crate) fn weighted<T: Copy>(&mut self, of: &[(u64, T)]) -> Option<T> {
        let mut left = self.below(of.iter().map(|(weight, _)| weight).sum());
        for (weight, what) in of {
            if left < *weight {
                return Some(*what);
            }
            left -= weight;
        }
        of.last().map(|(_, what)| *what)
    }

    /// Random bytes.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let next = self.next().to_le_bytes();
            chunk.copy_from_slice(&next[..chunk.len()]);
        }
    }
}
