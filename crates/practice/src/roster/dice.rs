//! Repeatable dice: every throw is a pure function of the seed and of what the throw is about.
//!
//! Not for secrets. A roster of a million students is never held in memory, so every student must be
//! computable from their place alone; that is what these keyed throws are for.

/// A short run of repeatable throws.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice for one subject: `about` says what is drawn, `a` and `b` for whom.
    pub(crate) fn new(seed: u64, about: u64, a: u64, b: u64) -> Self {
        let mut state = seed;
        for part in [about, a, b] {
            state = scramble(state ^ scramble(part.wrapping_add(0x9E37_79B9_7F4A_7C15)));
        }
        Self(state)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        scramble(self.0)
    }

    /// A number below `limit`; 0 where `limit` is 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // The high half of a wide product is even enough for names and streets, and has no slow division.
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// True about `share` times in `of`.
    pub(crate) fn chance(&mut self, share: u64, of: u64) -> bool {
        self.below(of) < share
    }

    /// One of a list; the empty string where the list is empty.
    pub(crate) fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        let at = self.below(list.len() as u64) as usize;
        list.get(at).copied().unwrap_or("")
    }
}

/// The finaliser of SplitMix64: every input bit reaches every output bit.
fn scramble(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_repeat_and_differ_by_subject() {
        assert_eq!(Dice::new(1, 2, 3, 4).next(), Dice::new(1, 2, 3, 4).next());
        for other in
            [Dice::new(2, 2, 3, 4), Dice::new(1, 3, 3, 4), Dice::new(1, 2, 4, 4), Dice::new(1, 2, 3, 5)]
        {
            assert_ne!(Dice::new(1, 2, 3, 4).next(), other.clone().next());
        }
    }

    #[test]
    fn below_stays_below_and_reaches_everything() {
        let mut seen = [0u32; 7];
        let mut dice = Dice::new(5, 0, 0, 0);
        for _ in 0..7_000 {
            seen[dice.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|n| (800..1200).contains(n)), "{seen:?}");
        assert_eq!(dice.below(0), 0);
    }
}
