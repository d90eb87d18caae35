//! Sequence numbers: 0 to 9 and round again, and never such that an old answer could be taken for a new one.
//!
//! Some servers answer a message with the same number and sum as the last one by their last answer. And an answer that
//! comes a second time, late, must not fit the question of that moment. So a number is passed over whose recent
//! questions had the same sum, or were about the same patron.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::value::Value;

/// How many questions are remembered for each number.
const REMEMBERED: usize = 16;

/// What was asked with each number of late.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    next: u8,
    used: [VecDeque<(u16, u64)>; 10],
}

impl Sequence {
    /// Picks the number for a question: `sum_with` says what its sum would be. None where each would repeat a question.
    pub(super) fn pick(&mut self, about: Option<&Value>, sum_with: impl Fn(u8) -> u16) -> Option<u8> {
        let whom = mark(about);
        let in_turn = (0..10).map(|step| (self.next + step) % 10);
        let candidates: Vec<(u8, u16)> = in_turn
            .map(|number| (number, sum_with(number)))
            .filter(|(n, sum)| !self.repeats(*n, *sum))
            .collect();
        let fresh = candidates.iter().find(|(number, _)| whom == 0 || !self.asked(*number, whom));
        // With every number taken for this patron, the one asked longest ago.
        let (number, sum) = *fresh.or_else(|| candidates.iter().max_by_key(|(n, _)| self.since(*n, whom)))?;
        if let Some(used) = self.used.get_mut(usize::from(number)) {
            if used.len() == REMEMBERED {
                used.pop_front();
            }
            used.push_back((sum, whom));
        }
        self.next = (number + 1) % 10;
        Some(number)
    }

    /// Whether a patron was asked for with this number of late.
    pub(super) fn asked_with(&self, number: u8, about: Option<&Value>) -> bool {
        self.asked(number, mark(about))
    }

    fn of(&self, number: u8) -> impl DoubleEndedIterator<Item = &(u16, u64)> + ExactSizeIterator {
        static NONE: VecDeque<(u16, u64)> = VecDeque::new();
        self.used.get(usize::from(number)).unwrap_or(&NONE).iter()
    }

    fn repeats(&self, number: u8, sum: u16) -> bool {
        self.of(number).any(|(used, _)| *used == sum)
    }

    fn asked(&self, number: u8, whom: u64) -> bool {
        self.of(number).any(|(_, used)| *used == whom)
    }

    fn since(&self, number: u8, whom: u64) -> usize {
        self.of(number).rev().position(|(_, used)| *used == whom).unwrap_or(REMEMBERED)
    }
}

/// What a patron is remembered by; 0 for none.
fn mark(about: Option<&Value>) -> u64 {
    about.map_or(0, |about| {
        let mut hasher = DefaultHasher::new();
        about.hash(&mut hasher);
        hasher.finish() | 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_round_and_no_pair_comes_twice() {
        let mut sequence = Sequence::default();
        let numbers: Vec<u8> = (0..12_u16)
            .map(|n| {
                sequence
                    .pick(Some(&Value::from(format!("S{n}"))), |number| n * 31 + u16::from(number))
                    .unwrap()
            })
            .collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    }

    #[test]
    fn a_question_repeated_in_every_number_is_refused() {
        let mut sequence = Sequence::default();
        let picked: Vec<Option<u8>> =
            (0..11).map(|_| sequence.pick(Some(&Value::from("S1")), u16::from)).collect();
        assert_eq!(picked.iter().filter(|p| p.is_some()).count(), 10);
        assert_eq!(picked.last(), Some(&None));
    }

    #[test]
    fn a_patron_asked_for_again_gets_another_number() {
        let mut sequence = Sequence::default();
        let mut sum = 0;
        let mut ask = |whom: &str| {
            sum += 100;
            let base = sum;
            sequence.pick(Some(&Value::from(whom)), |number| base + u16::from(number)).unwrap()
        };
        let first = ask("S1");
        for n in 0..9 {
            ask(&format!("X{n}"));
        }
        assert_ne!(ask("S1"), first, "ten questions later the number would have been the same");
    }
}
