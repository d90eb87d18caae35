//! Joins by id without keeping ids: hashes in the order of their file, with a table of places beside them.
//!
//! A million students cost 36 bytes each. Files are usually in the same order as the users they belong to, so the
//! entry after the last one found is tried first; that touches no memory at random, and was worth a fifth of the whole
//! reading. Two different ids of one hash are not thought of: among ten million ids the chance is below 10^-20.

use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

/// The hash of an id. Only for joins within one reading; never stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key([u64; 2]);

impl Hash for Key {
    /// Half of it is enough.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// Maps and sets by [`Key`]: what is a hash already is not hashed again.
pub(crate) type ByKey = BuildHasherDefault<Hashed>;

/// See [`ByKey`].
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= mixed(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A quick mixture of any bytes: for telling one from another where nobody gains from making them alike.
pub(crate) fn mixed(bytes: &[u8]) -> u64 {
    let mut mixed = 0x9e37_79b9_7f4a_7c15 ^ bytes.len() as u64;
    let mut mix = |word: u64| {
        let wide = u128::from(mixed ^ word) * 0xa076_1d64_78bd_642f;
        mixed = (wide ^ (wide >> 64)) as u64;
    };
    let (words, rest) = bytes.as_chunks();
    words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
    if !rest.is_empty() {
        let mut word = [0; 8];
        word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        mix(u64::from_le_bytes(word));
    }
    mixed
}

/// The bit of a key that is not hash: whether its entry is one of several.
const SEVERAL: u64 = 1;

/// The most values of one key that are looked at; the last ones, where there are more.
const MOST: usize = 1_000;

impl Key {
    /// Half of it is `SipHash`, the other half a quick mixture that has nothing in common with it.
    pub(crate) fn of(id: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(id.as_bytes());
        Self([hasher.finish(), mixed(id.as_bytes()) & !SEVERAL])
    }
}

impl Key {
    /// Something that is another for another set of keys, when all of it are put together by exclusive or.
    pub(crate) fn bits(self) -> u128 {
        (u128::from(self.0[0]) << 64) | u128::from(self.0[1])
    }
}

/// Values by key. Values of one key stay in the order they came in.
#[derive(Debug, Default)]
pub(crate) struct Index<T> {
    /// In the order they came in.
    keys: Vec<Key>,
    values: Vec<T>,
    /// By the keys' last bits, the place of the last entry of a key plus one; zero where there is none. Never more
    /// than half full.
    table: Vec<u32>,
    /// For each entry, the place of the entry of the same key before it plus one.
    before: Vec<u32>,
    /// The place after the one found last.
    next: usize,
    /// The values of a key that has several.
    found: Vec<T>,
}

impl<T: Copy> Index<T> {
    pub(crate) fn new(keys: Vec<Key>, values: Vec<T>) -> Self {
        let size = (keys.len() * 2).next_power_of_two().max(2);
        let before = vec![0; keys.len()];
        let mut index = Self { keys, values, table: vec![0; size], before, next: 0, found: Vec::new() };
        for at in 0..index.keys.len() {
            let key = index.keys[at];
            let mut slot = index.slot(key);
            while let Some(other) = place(index.table[slot]) {
                if index.is(other, key) {
                    // In the other's stead, so that a million entries of one key are no million steps each.
                    index.keys[other].0[1] |= SEVERAL;
                    index.keys[at].0[1] |= SEVERAL;
                    index.before[at] = index.table[slot];
                    break;
                }
                slot = (slot + 1) & (size - 1);
            }
            // More than four thousand million entries do not fit in any package's cap.
            index.table[slot] = u32::try_from(at + 1).unwrap_or(0);
        }
        index
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The values of a key.
    pub(crate) fn get(&mut self, key: Key) -> &[T] {
        // Where the key is the next one, and the only one of its kind, there is nothing to look for.
        if self.keys.get(self.next) == Some(&key) {
            self.next += 1;
            return self.values.get(self.next - 1..self.next).unwrap_or_default();
        }
        self.found.clear();
        if self.table.is_empty() {
            return &[];
        }
        let mut slot = self.slot(key);
        while let Some(other) = place(self.table[slot]) {
            if self.is(other, key) {
                self.next = other + 1;
                let chain = std::iter::successors(Some(other), |at| place(self.before[*at])).take(MOST);
                self.found.extend(chain.map(|at| self.values[at]));
                self.found.reverse();
                break;
            }
            slot = (slot + 1) & (self.table.len() - 1);
        }
        &self.found
    }

    fn slot(&self, key: Key) -> usize {
        key.0[0] as usize & (self.table.len() - 1)
    }

    fn is(&self, at: usize, key: Key) -> bool {
        let other = self.keys[at].0;
        other[0] == key.0[0] && other[1] & !SEVERAL == key.0[1]
    }
}

/// The place that a number in the tables stands for.
fn place(number: u32) -> Option<usize> {
    (number as usize).checked_sub(1)
}

/// The keys that are there more than once, with how often.
pub(crate) fn repeated(keys: Vec<Key>) -> Index<u32> {
    let values = vec![(); keys.len()];
    let all = Index::new(keys, values);
    let several = all.keys.iter().filter(|key| key.0[1] & SEVERAL != 0);
    let mut several: Vec<Key> = several.map(|key| Key([key.0[0], key.0[1] & !SEVERAL])).collect();
    drop(all);
    several.sort_unstable();
    let often = |run: &[Key]| u32::try_from(run.len()).unwrap_or(u32::MAX);
    let (keys, often) = several.chunk_by(|a, b| a == b).map(|run| (run[0], often(run))).unzip();
    Index::new(keys, often)
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
            let keys = || ids.iter().map(|id| Key::of(id)).collect::<Vec<_>>();
            let mut index = Index::new(keys(), (0..ids.len()).collect());
            // In the order of the ids, against it, and in the order of the file.
            let forwards = map.keys().copied().chain(map.keys().rev().copied()).chain(ids.iter().map(String::as_str));
            for id in forwards {
                prop_assert_eq!(index.get(Key::of(id)), map[id].as_slice());
            }
            prop_assert!(index.get(Key::of("other")).is_empty());
            let mut twice = repeated(keys());
            for (id, places) in &map {
                let often = twice.get(Key::of(id)).first().map_or(1, |often| *often as usize);
                prop_assert_eq!(often, places.len());
            }
        }
    }

    #[test]
    fn an_entry_is_24_bytes() {
        assert_eq!(size_of::<Key>(), 16);
        assert_eq!(size_of::<crate::born::Born>(), 8);
        assert_eq!(size_of::<crate::roles::Part>(), 8);
    }

    #[test]
    fn keys_differ_in_both_halves() {
        let mut halves = std::collections::HashSet::new();
        for n in 0..20_000 {
            let key = Key::of(&format!("{n:05}"));
            assert!(halves.insert(key.0[0]) && halves.insert(key.0[1]), "{n}");
        }
        assert_ne!(Key::of("a"), Key::of("a\0"));
    }
}
