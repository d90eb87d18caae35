//! What happens from day to day: newcomers, leavers, moves between schools, corrected names, and new school years.
//!
//! A day's roster is the first day's with a few overlays, found by playing the days in order. The overlays are the
//! only thing held in memory, about 0.2 % of the students for each day.

use std::collections::{BTreeMap, HashSet};

use super::Spec;
use super::dice::Dice;
use super::ids::about;
use super::people::{District, Student};

/// What the days have done to one student.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Overlay {
    pub(crate) gone: bool,
    pub(crate) area: Option<u64>,
    pub(crate) corrections: u16,
    pub(crate) kindergartner: bool,
}

/// A student who changed schools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The student's number.
    pub number: String,
    /// sourcedId of the school before.
    pub from: String,
    /// sourcedId of the school after.
    pub to: String,
}

/// What differs between the rosters of two days, by student number, each list in the order of the roster.
/// One student can be in several lists, but newcomers and leavers are in no other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the later roster only.
    pub newcomers: Vec<String>,
    /// In the earlier roster only.
    pub leavers: Vec<String>,
    /// In another school now.
    pub moves: Vec<Move>,
    /// With another name now.
    pub corrected: Vec<String>,
    /// In another grade now, because a new school year began.
    pub promoted: Vec<String>,
}

/// Newcomers of one day: slots from `first` on.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    first: u64,
    rollovers: u32,
    kindergarten_from: u64,
}

/// The student body of one day.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) overlays: BTreeMap<u64, Overlay>,
    arrivals: Vec<Arrival>,
    pub(crate) slots: u64,
    pub(crate) years: u32,
    /// A standing empty overlay to lend out.
    none: Overlay,
    kindergartner: Overlay,
}

impl Body {
    /// Plays the days from the start to `day`.
    pub(crate) fn on(spec: &Spec, district: &District, day: u32) -> Self {
        let students = u64::from(spec.students);
        let mut body = Self {
            overlays: BTreeMap::new(),
            arrivals: vec![Arrival { first: 0, rollovers: 0, kindergarten_from: u64::MAX }],
            slots: students,
            years: 0,
            none: Overlay::default(),
            kindergartner: Overlay { kindergartner: true, ..Overlay::default() },
        };
        if students > 0 {
            for today in 1..=day {
                body.play(spec, district, today, students);
            }
        }
        body
    }

    fn play(&mut self, spec: &Spec, district: &District, today: u32, students: u64) {
        let new_year = spec.rollovers(today) > self.years;
        self.years = spec.rollovers(today);
        // A quarter of 0.2 % for each of the four kinds.
        let each = (students * 5 / 10_000).max(1);
        let mut touched = HashSet::new();
        for kind in 0..3 {
            for nth in 0..each {
                let mut dice = Dice::new(spec.seed, about::DAYS + (kind << 8), u64::from(today), nth);
                let Some(slot) = self.someone(district, &mut dice, &touched) else {
                    continue;
                };
                touched.insert(slot);
                let before = self.overlay(slot).clone();
                let after = match kind {
                    0 => Overlay { gone: true, ..before },
                    1 => {
                        let grade = district.grade(slot, &before, self.years - self.joined(slot));
                        let area = district.another_area(slot, &before, grade, &mut dice);
                        Overlay { area: Some(area), ..before }
                    }
                    _ => Overlay { corrections: before.corrections.saturating_add(1), ..before },
                };
                self.overlays.insert(slot, after);
            }
        }
        let first = self.slots;
        let beginners = if new_year { students / 13 } else { 0 };
        self.slots += each + beginners;
        self.arrivals.push(Arrival { first, rollovers: self.years, kindergarten_from: first + each });
    }

    /// Somebody who is there and to whom nothing has happened today.
    fn someone(&self, district: &District, dice: &mut Dice, touched: &HashSet<u64>) -> Option<u64> {
        let from = dice.below(self.slots);
        (0..self.slots)
            .map(|k| (from + k) % self.slots)
            .find(|slot| !touched.contains(slot) && self.is_present(district, *slot))
    }

    fn arrival(&self, slot: u64) -> Arrival {
        let at = self.arrivals.partition_point(|a| a.first <= slot);
        self.arrivals.get(at.saturating_sub(1)).copied().unwrap_or(Arrival {
            first: 0,
            rollovers: 0,
            kindergarten_from: u64::MAX,
        })
    }

    fn joined(&self, slot: u64) -> u32 {
        self.arrival(slot).rollovers
    }

    fn overlay(&self, slot: u64) -> &Overlay {
        if let Some(overlay) = self.overlays.get(&slot) {
            return overlay;
        }
        let kindergarten = self.arrivals.len() > 1 && slot >= self.arrival(slot).kindergarten_from;
        if kindergarten { &self.kindergartner } else { &self.none }
    }

    fn is_present(&self, district: &District, slot: u64) -> bool {
        let overlay = self.overlay(slot);
        slot < self.slots
            && !overlay.gone
            && (self.years == 0 || district.grade(slot, overlay, self.years - self.joined(slot)) <= 12)
    }

    /// The student at a slot, where there is one today.
    pub(crate) fn student(&self, district: &District, slot: u64) -> Option<Student> {
        self.is_present(district, slot)
            .then(|| district.student(slot, self.overlay(slot), self.joined(slot), self.years))
    }

    /// All students of the day, computed one by one.
    pub(crate) fn students<'a>(
        &'a self,
        district: &'a District,
    ) -> impl Iterator<Item = (u64, Student)> + 'a {
        (0..self.slots).filter_map(|slot| Some((slot, self.student(district, slot)?)))
    }
}

/// What differs between two days' rosters.
pub(crate) fn between(spec: &Spec, from: u32, to: u32) -> Changes {
    let district = District::new(spec);
    let (early, late) = (Body::on(spec, &district, from), Body::on(spec, &district, to));
    let slots: Vec<u64> = if early.years == late.years {
        let mut slots: Vec<u64> = late.overlays.keys().copied().filter(|slot| *slot < early.slots).collect();
        slots.extend(early.slots..late.slots);
        slots
    } else {
        (0..late.slots).collect()
    };
    let mut changes = Changes::default();
    let school = |at: &Student| {
        let place = at.schools.first().copied().unwrap_or(0);
        district.schools.all.get(place).map(|s| s.sourced_id.clone()).unwrap_or_default()
    };
    for slot in slots {
        let before = (slot < early.slots).then(|| early.student(&district, slot)).flatten();
        match (before, late.student(&district, slot)) {
            (None, None) => {}
            (None, Some(new)) => changes.newcomers.push(new.number),
            (Some(old), None) => changes.leavers.push(old.number),
            (Some(old), Some(new)) => {
                if (&old.given, &old.middle, &old.family) != (&new.given, &new.middle, &new.family) {
                    changes.corrected.push(new.number.clone());
                }
                if old.grade != new.grade {
                    changes.promoted.push(new.number.clone());
                }
                let (from, to) = (school(&old), school(&new));
                if from != to {
                    changes.moves.push(Move { number: new.number, from, to });
                }
            }
        }
    }
    changes
}
