//! Joins by id without keeping ids: 128-bit hashes in one vector, grouped by their first bits.
//!
//! A million students cost 24 bytes each, and a look-up touches one or two places in memory. Two different ids of one
//! hash are not thought of: among a hundred million ids the chance is below 10^-22.

use std::hash::{DefaultHasher, Hasher};

/// The hash of an id. Only for joins within one reading; never stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key([u64; 2]);

impl Key {
    pub(crate) fn of(id: &str) -> Self {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(salt);
            hasher.write(id.as_bytes());
            hasher.finish()
        };
        Self([half(1), half(2)])
    }
}

/// Values by key. Values of one key stay in the order they came in.
#[derive(Debug, Default)]
pub(crate) struct Index<T> {
    entries: Vec<(Key, T)>,
    /// Where the entries of each group begin; one more than there are groups.
    starts: Vec<u32>,
    /// How far to shift a key's first word to have its group.
    shift: u32,
}

impl<T: Copy + Default> Index<T> {
    pub(crate) fn new(entries: Vec<(Key, T)>) -> Self {
        // About one entry a group.
        let bits = entries.len().max(2).ilog2().min(28);
        let shift = u64::BITS - bits;
        let group = |key: Key| (key.0[0] >> shift) as usize;
        let mut starts = vec![0_u32; (1 << bits) + 1];
        for (key, _) in &entries {
            starts[group(*key) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut sorted = vec![(Key::default(), T::default()); entries.len()];
        for (key, value) in entries {
            let place = &mut next[group(key)];
            sorted[*place as usize] = (key, value);
            *place += 1;
        }
        for pair in starts.windows(2) {
            let (from, to) = (pair[0] as usize, pair[1] as usize);
            if to - from > 1 {
                sorted[from..to].sort_by_key(|(key, _)| *key);
            }
        }
        Self {
            entries: sorted,
            starts,
            shift,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entries of a key.
    pub(crate) fn get(&self, key: Key) -> &[(Key, T)] {
        if self.entries.is_empty() {
            return &[];
        }
        let group = (key.0[0] >> self.shift) as usize;
        let entries = &self.entries[self.starts[group] as usize..self.starts[group + 1] as usize];
        let from = entries.partition_point(|(other, _)| *other < key);
        let count = entries[from..]
            .iter()
            .take_while(|(other, _)| *other == key)
            .count();
        &entries[from..from + count]
    }

    /// The entries of each key, key by key.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &[(Key, T)]> {
        self.entries.chunk_by(|(a, _), (b, _)| a == b)
    }
}

/// The keys that are there more than once, with how often.
pub(crate) fn repeated(keys: Vec<(Key, ())>) -> Index<u32> {
    let all = Index::new(keys);
    let often = |run: &[(Key, ())]| u32::try_from(run.len()).unwrap_or(u32::MAX);
    Index::new(
        all.runs()
            .filter(|run| run.len() > 1)
            .map(|run| (run[0].0, often(run)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_index_is_a_map(ids in prop::collection::vec("[a-d]{0,3}", 0..200)) {
            let mut map: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for (at, id) in ids.iter().enumerate() {
                map.entry(id).or_default().push(at);
            }
            let index = Index::new(ids.iter().enumerate().map(|(at, id)| (Key::of(id), at)).collect());
            for (id, places) in &map {
                let found: Vec<usize> = index.get(Key::of(id)).iter().map(|(_, at)| *at).collect();
                prop_assert_eq!(&found, places);
            }
            prop_assert!(index.get(Key::of("other")).is_empty());
            let twice = repeated(ids.iter().map(|id| (Key::of(id), ())).collect());
            for (id, places) in &map {
                let often = twice.get(Key::of(id)).first().map_or(1, |(_, often)| *often as usize);
                prop_assert_eq!(often, places.len());
            }
        }
    }

    #[test]
    fn an_entry_is_24_bytes() {
        assert_eq!(size_of::<(Key, crate::born::Born)>(), 24);
        assert_eq!(size_of::<(Key, crate::roles::Part)>(), 24);
    }
}
