//! Numbers and ids of invented people, and the list of what the dice are thrown for.

use super::dice::Dice;

/// What a throw is about; two subjects never share dice.
pub(crate) mod about {
    pub(crate) const NUMBERS: u64 = 1;
    pub(crate) const SCHOOL_ID: u64 = 2;
    pub(crate) const SCHOOL_NAME: u64 = 3;
    pub(crate) const HOUSEHOLDS: u64 = 4;
    pub(crate) const FAMILY: u64 = 5;
    pub(crate) const GRADES: u64 = 6;
    pub(crate) const CHILD: u64 = 7;
    pub(crate) const NAMESAKE: u64 = 8;
    pub(crate) const ADDRESS: u64 = 9;
    pub(crate) const STUDENT_ID: u64 = 10;
    pub(crate) const CORRECTION: u64 = 11;
    pub(crate) const EDUCATOR: u64 = 12;
    pub(crate) const EDUCATOR_ID: u64 = 13;
    pub(crate) const DAYS: u64 = 14;
    pub(crate) const MASTER_ID: u64 = 15;
    pub(crate) const DISTRICT_ID: u64 = 16;
    pub(crate) const BIRTH: u64 = 17;
    pub(crate) const OTHER_ID: u64 = 18;
}

/// Student numbers: all different, spread over their range, so that about one in ten begins with a zero.
#[derive(Debug)]
pub(super) struct Numbers {
    width: usize,
    range: u64,
    step: u64,
    offset: u64,
}

impl Numbers {
    pub(super) fn new(students: u64, seed: u64) -> Self {
        let width = match students {
            0..=90_000 => 7,
            90_001..=900_000 => 8,
            _ => 9,
        };
        let range = 10_u64.pow(width);
        let mut dice = Dice::new(seed, about::NUMBERS, 0, 0);
        // Ends in 1, 3, 7 or 9, so it shares no factor with a power of ten and the walk meets each number once.
        let ending = [1, 3, 7, 9][(dice.below(4) % 4) as usize];
        let step = (range / 10 + dice.below(range / 20)) / 10 * 10 + ending;
        Self { width: width as usize, range, step, offset: dice.below(range) }
    }

    pub(super) fn of(&self, slot: u64) -> String {
        let number =
            (u128::from(slot) * u128::from(self.step) + u128::from(self.offset)) % u128::from(self.range);
        format!("{number:0width$}", width = self.width)
    }
}

/// An id in the shape of a UUID that means nothing.
pub(crate) fn sourced_id(seed: u64, kind: u64, at: u64, epoch: u64) -> String {
    let mut dice = Dice::new(seed, kind, at, epoch);
    let (a, b) = (dice.next(), dice.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        0x8000 | ((b >> 48) & 0x3fff),
        b & 0xffff_ffff_ffff
    )
}
