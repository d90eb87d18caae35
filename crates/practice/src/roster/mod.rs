//! OneRoster bulk packages of invented districts.
//!
//! The same [`Spec`] gives the same bytes, on every machine. Students are computed one by one and written as they come,
//! so a million of them need little memory. Day 1 is day 0 with a few newcomers, leavers, moves and corrected names;
//! [`changes`] says which, so that a test can know what should happen.
//!
//! It writes OneRoster 1.1 and 1.2 CSV packages (bulk, never delta), and nothing that reads them.
//!
//! ```no_run
//! use std::path::Path;
//! use rostercard_practice::roster::{Spec, generate};
//!
//! let today = generate(&Spec::new(500, 7), Path::new("day0.zip"))?;
//! let tomorrow = generate(&Spec { day: 1, ..Spec::new(500, 7) }, Path::new("day1.zip"))?;
//! # Ok::<(), rostercard_practice::roster::RosterError>(())
//! ```

mod addresses;
mod csv;
mod days;
mod dice;
mod ids;
mod names;
mod package;
mod people;
mod schools;
mod tables;
mod words;

use std::path::PathBuf;

use jiff::civil::Date;

pub use days::{Changes, Move};
pub use package::{Written, generate};
pub use people::{Address, Educator, Student};
pub use schools::{Level, School};

/// Which OneRoster a package follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// OneRoster 1.1: roles and schools in users.csv.
    #[default]
    V1p1,
    /// OneRoster 1.2: roles and schools in roles.csv.
    V1p2,
}

/// What roster to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Students on day 0; later days keep about as many.
    pub students: u32,
    /// Another seed, another district.
    pub seed: u64,
    /// Days since the start.
    pub day: u32,
    /// OneRoster version of the package.
    pub version: Version,
    /// The date of day 0. Birth dates fit the school year this falls in (which begins in August).
    pub start: Date,
    /// The day on which everybody goes up a grade and grade 12 leaves; again every 365 days. None: it never comes.
    pub rollover: Option<u32>,
    /// New sourcedIds with every new school year, as some student systems make them. Student numbers last.
    pub yearly_ids: bool,
    /// A few students of grades 11 and 12 are in two schools.
    pub two_schools: bool,
    /// Write academicSessions, courses, classes and enrollments too (a homeroom each); else the manifest says absent.
    pub classes: bool,
    /// Name of the district.
    pub district: String,
}

impl Spec {
    /// Day 0 of a OneRoster 1.1 roster with nothing unusual switched on.
    #[must_use]
    pub fn new(students: u32, seed: u64) -> Self {
        Self {
            students,
            seed,
            day: 0,
            version: Version::V1p1,
            start: jiff::civil::date(2026, 9, 1),
            rollover: None,
            yearly_ids: false,
            two_schools: false,
            classes: false,
            district: "Larkfield Unified School District".to_owned(),
        }
    }

    /// The year in which the school year of day 0 began.
    pub(crate) fn first_school_year(&self) -> i16 {
        if self.start.month() >= 8 { self.start.year() } else { self.start.year() - 1 }
    }

    /// How many new school years have begun by this day.
    pub(crate) fn rollovers(&self, day: u32) -> u32 {
        match self.rollover {
            Some(first) if day >= first.max(1) => 1 + (day - first.max(1)) / 365,
            _ => 0,
        }
    }
}

/// All students of the day, computed as they are asked for, in the order of the package.
pub fn students(spec: &Spec) -> impl Iterator<Item = Student> + use<> {
    let district = people::District::new(spec);
    let body = days::Body::on(spec, &district, spec.day);
    (0..body.slots).filter_map(move |slot| body.student(&district, slot))
}

/// The schools of the district, which are the same on every day.
#[must_use]
pub fn schools(spec: &Spec) -> Vec<School> {
    people::District::new(spec).schools.all
}

/// What differs between the rosters of two days of one district; `spec.day` is not looked at.
/// A `from` after `to` is the same as the other way round, so the earlier day is always the one before.
#[must_use]
pub fn changes(spec: &Spec, from: u32, to: u32) -> Changes {
    days::between(spec, from.min(to), from.max(to))
}

/// A seeded throw for others of this crate: true about `percent` times in a hundred.
pub(crate) fn chance(seed: u64, at: u64, percent: u64) -> bool {
    dice::Dice::new(seed, at, 0, 0).chance(percent, 100)
}

/// Why a package could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// The disk or the folder said no.
    #[error("the practice roster could not be written to `{}`: {source}", path.display())]
    Write {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
