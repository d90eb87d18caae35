//! The schools of an invented district: how many, of which kind, and who goes where.
//!
//! Attendance areas nest: some elementary schools feed one middle school, some middle schools one high school,
//! so that brothers and sisters live in one area and a child's next school follows from the last.

use super::dice::Dice;
use super::ids::about;
use super::words::{SCHOOL_FIRST, SCHOOL_SECOND};

/// The kind of a school, by the grades it teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Kindergarten to grade 5.
    Elementary,
    /// Grades 6 to 8.
    Middle,
    /// Grades 9 to 12.
    High,
}

impl Level {
    /// The kind of school that teaches `grade` (0 is kindergarten).
    #[must_use]
    pub fn of_grade(grade: u8) -> Self {
        match grade {
            0..=5 => Self::Elementary,
            6..=8 => Self::Middle,
            _ => Self::High,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Elementary => "Elementary School",
            Self::Middle => "Middle School",
            Self::High => "High School",
        }
    }
}

/// One school.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct School {
    /// The OneRoster sourcedId.
    pub sourced_id: String,
    /// The state's code: 14 digits, of a county that does not exist.
    pub code: String,
    /// The name, which no other school of the district has.
    pub name: String,
    /// Which grades it teaches.
    pub level: Level,
}

/// All schools of a district, elementary schools first, and the nesting of their areas.
#[derive(Debug)]
pub(crate) struct Schools {
    pub(crate) all: Vec<School>,
    areas: usize,
    middles: usize,
    highs: usize,
}

impl Schools {
    /// Schools for so many students: elementary schools of about 450, middle schools of 700, high schools of 1,400,
    /// and two of each at least, so that a student can always move.
    pub(crate) fn plan(students: u64, seed: u64) -> Self {
        let count = |grades: u64, size: u64| (students * grades).div_ceil(13 * size).max(2) as usize;
        let (areas, middles, highs) = (count(6, 450), count(3, 700), count(4, 1_400));
        let levels = [(Level::Elementary, areas), (Level::Middle, middles), (Level::High, highs)];
        let mut all = Vec::with_capacity(areas + middles + highs);
        for (level, how_many) in levels {
            for _ in 0..how_many {
                let at = all.len() as u64;
                all.push(School {
                    sourced_id: super::ids::sourced_id(seed, about::SCHOOL_ID, at, 0),
                    code: format!("9910009{:07}", 6_000_000 + at * 13),
                    name: name(seed, at, level),
                    level,
                });
            }
        }
        Self { all, areas, middles, highs }
    }

    /// How many attendance areas there are.
    pub(crate) fn areas(&self) -> u64 {
        self.areas as u64
    }

    /// Which school a child of this grade living in this area goes to.
    pub(crate) fn of(&self, area: u64, grade: u8) -> usize {
        let area = (area as usize).min(self.areas - 1);
        let middle = area * self.middles / self.areas;
        let high = middle * self.highs / self.middles;
        match Level::of_grade(grade) {
            Level::Elementary => area,
            Level::Middle => self.areas + middle,
            Level::High => self.areas + self.middles + high.min(self.highs - 1),
        }
    }
}

/// A name that differs from every other: a walk through all pairs of words, numbered once they are used up.
fn name(seed: u64, at: u64, level: Level) -> String {
    let (firsts, seconds) = (SCHOOL_FIRST.len() as u64, SCHOOL_SECOND.len() as u64);
    let pairs = firsts * seconds;
    // 1,103 shares no factor with 1,600, so the walk meets every pair once.
    let place = (Dice::new(seed, about::SCHOOL_NAME, 0, 0).below(pairs) + at * 1_103) % pairs;
    let first = SCHOOL_FIRST.get((place / seconds) as usize).copied().unwrap_or("");
    let second = SCHOOL_SECOND.get((place % seconds) as usize).copied().unwrap_or("");
    let round = at / pairs;
    let number = if round == 0 { String::new() } else { format!(" No. {}", round + 1) };
    format!("{first} {second}{number} {}", level.word())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_and_codes_are_unique_in_every_size() {
        for students in [0, 1, 500, 20_000, 1_000_000, 3_000_000] {
            let schools = Schools::plan(students, 9);
            let names: HashSet<_> = schools.all.iter().map(|s| &s.name).collect();
            let codes: HashSet<_> = schools.all.iter().map(|s| &s.code).collect();
            assert_eq!((names.len(), codes.len()), (schools.all.len(), schools.all.len()));
            assert!(schools.all.iter().all(|s| s.code.len() == 14));
        }
    }

    #[test]
    fn every_area_and_grade_has_a_school_of_the_right_kind_and_every_school_has_an_area() {
        for students in [0, 30, 2_000, 60_000, 1_000_000] {
            let schools = Schools::plan(students, 1);
            let mut used = HashSet::new();
            for area in 0..schools.areas() {
                for grade in 0..=12 {
                    let at = schools.of(area, grade);
                    assert_eq!(schools.all[at].level, Level::of_grade(grade));
                    used.insert(at);
                }
            }
            assert_eq!(used.len(), schools.all.len(), "{students}");
        }
    }
}
