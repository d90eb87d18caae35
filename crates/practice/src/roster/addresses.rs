//! Where invented families live: mostly in a street, a few at a post office box, under a substitute, or nowhere known.

use super::dice::Dice;
use super::ids::about;
use super::people::Address;
use super::words::{STREET_KINDS, STREETS, TOWNS};

/// The address of a household.
pub(super) fn address(seed: u64, household: u64) -> Address {
    let mut dice = Dice::new(seed, about::ADDRESS, household, 0);
    let kind = dice.below(1_000);
    if kind < 12 {
        return Address::default();
    }
    let (city, zips) = TOWNS.get(dice.below(9).min(dice.below(6)) as usize).copied().unwrap_or(TOWNS[0]);
    let mut zip = dice.pick(zips).to_owned();
    if dice.chance(4, 100) {
        zip = format!("{zip}-{:04}", dice.below(10_000));
    }
    let state = "CA".to_owned();
    let city = city.to_owned();
    let number = 1 + dice.below(9_800);
    match kind {
        12..18 => {
            let street = format!("PO Box {}", 80_000 + dice.below(900));
            Address { street, city, state, zip, protected: true, ..Address::default() }
        }
        18..30 => {
            let box_word = dice.pick(&["PO Box", "P.O. Box", "P O BOX"]);
            Address { street: format!("{box_word} {number}"), city, state, zip, ..Address::default() }
        }
        _ => {
            let street = format!("{number} {} {}", dice.pick(STREETS), dice.pick(STREET_KINDS));
            let street2 = match dice.below(100) {
                0..14 => format!("Apt {}", 1 + dice.below(240)),
                14..17 => format!("Unit {}", dice.pick(&["A", "B", "C", "D, rear"])),
                17..18 => format!("# {}", 1 + dice.below(60)),
                _ => String::new(),
            };
            Address { street, street2, city, state, zip, protected: false }
        }
    }
}
