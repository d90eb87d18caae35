//! The ledger's people in memory, for the time of one run: found by their key, and which of them the roster had.
//!
//! This is what a run's memory grows with: about 80 bytes a link.

use hashbrown::HashTable;
use rostercard_core::digest::Digest;
use rostercard_store::rows::LinkIndex;

/// The links of a partnership, to be looked up by person.
pub(crate) struct People {
    rows: Vec<LinkIndex>,
    table: HashTable<u32>,
    seen: Vec<bool>,
}

/// A keyed digest is as good as a hash gets.
fn hash(person: Digest) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&person.0[..8]);
    u64::from_le_bytes(bytes)
}

impl People {
    pub(crate) fn new(rows: Vec<LinkIndex>) -> Self {
        let mut table = HashTable::with_capacity(rows.len());
        for (position, row) in rows.iter().enumerate() {
            // A partnership has far fewer than 2^32 people; one that had more would find the rest as newcomers,
            // whose numbers are then found to be in use.
            if let Ok(position) = u32::try_from(position) {
                table.insert_unique(hash(row.person), position, |p| hash(rows[*p as usize].person));
            }
        }
        let seen = vec![false; rows.len()];
        Self { rows, table, seen }
    }

    /// The position of a person's link.
    pub(crate) fn find(&self, person: Digest) -> Option<usize> {
        self.table.find(hash(person), |p| self.rows[*p as usize].person == person).map(|p| *p as usize)
    }

    /// The positions of many people's links. In one go, because each look-up waits for memory several times, and a
    /// processor waits for many at once if nothing stands between them: a third of the engine's time, when it was
    /// done one by one.
    pub(crate) fn find_all(&self, people: &[Digest]) -> Vec<Option<usize>> {
        people.iter().map(|person| self.find(*person)).collect()
    }

    /// A link.
    pub(crate) fn row(&self, position: usize) -> &LinkIndex {
        &self.rows[position]
    }

    /// Notes that the roster has the person; whether it had already.
    pub(crate) fn see(&mut self, position: usize) -> bool {
        std::mem::replace(&mut self.seen[position], true)
    }

    /// Every link.
    pub(crate) fn rows(&self) -> &[LinkIndex] {
        &self.rows
    }

    /// The links whose person the roster did not have.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = &LinkIndex> {
        self.rows.iter().zip(&self.seen).filter(|(_, seen)| !**seen).map(|(row, _)| row)
    }
}
