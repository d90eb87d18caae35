//! What a package changed: whom it named, what was odd. It is kept with the image that the package made, until the plan that
//! was made of it is settled.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use rostercard_core::finding::{Finding, Place};
use rostercard_core::privacy::Personal;
use rostercard_core::student::Damaged;
use rostercard_oneroster::Code;

use super::image::{CHANGES, Draft, Image};
use super::line;
use crate::tally::Tally;

/// What can be odd about a package as a change, beside what the protocol knows.
const NOTES: &[(&str, &str)] = &[
    ("delta_row_older", "a row is older than what is kept; it was left out"),
    ("delta_status_missing", "a row of a delta has no status that is known; it counts as active"),
    (
        "delta_date_missing",
        "a row of a delta has no dateLastModified; it was taken in the order of the packages",
    ),
    (
        "delta_of_unknown",
        "a delta deletes what was never there: a package may have been lost; ask for a whole one",
    ),
    (
        "delta_row_without_id",
        "a row of a delta has no sourcedId; it was left out, and the district has to send it again",
    ),
    (
        "delta_row_lost",
        "a row of a delta cannot be read; what it changed is not known until the district sends it again",
    ),
    ("role_without_ids", "a row of roles.csv names no user or no organisation; it was left out"),
    (
        "protected_column_missing",
        "the column that marks protected addresses is missing; no address was read from the package",
    ),
    ("row_tobedeleted", "a row of a bulk file is marked tobedeleted; it was read as not there"),
];

/// What a package changed.
#[derive(Default)]
pub(crate) struct Changes {
    /// Whether everybody may have changed.
    pub(crate) all: bool,
    /// `sourcedId`s of users of whom something was said.
    pub(crate) touched: Vec<String>,
    /// Student id and `sourcedId` of those of them who were there before.
    pub(crate) before: Vec<(String, String)>,
    /// Users who could not be read: what is wrong, the line, the student id.
    pub(crate) damaged: Vec<(Code, u64, String)>,
    /// Why a package with everybody in it does not show who is absent.
    pub(crate) doubts: Vec<Code>,
    /// By code and file: how often, and where first.
    notes: BTreeMap<(&'static str, &'static str), (u64, u64)>,
}

impl fmt::Debug for Changes {
    /// Counts alone: whose the ids are is nobody's to see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, touched, before, damaged, .. } = self;
        let mut shown = f.debug_struct("Changes");
        shown.field("all", all).field("touched", &touched.len()).field("before", &before.len());
        shown.field("damaged", &damaged.len()).finish_non_exhaustive()
    }
}

impl Changes {
    pub(crate) fn note(&mut self, code: &'static str, file: &'static str, line: u64) {
        self.notes.entry((code, file)).or_insert((0, line)).0 += 1;
    }

    /// Takes in what another package changed.
    pub(crate) fn add(&mut self, other: Self) {
        self.all |= other.all;
        self.touched.extend(other.touched);
        self.before.extend(other.before);
        self.damaged.extend(other.damaged);
        self.doubts.extend(other.doubts);
        for (key, (count, line)) in other.notes {
            self.notes.entry(key).or_insert((0, line)).0 += count;
        }
    }

    /// The users who could not be read, as records.
    pub(crate) fn records(&self) -> Vec<Damaged> {
        let record = |(code, line, id): &(Code, u64, String)| Damaged {
            student_id: Personal::non_blank(id),
            school: None,
            finding: Finding::new(code.code(), Place::line("users.csv", *line), code.sentence()),
        };
        self.damaged.iter().map(record).collect()
    }

    /// What was odd, and what makes a whole package doubtful.
    pub(crate) fn say(&self, tally: &mut Tally) {
        for ((code, file), (count, line)) in &self.notes {
            let message = NOTES.iter().find(|(known, _)| known == code).map_or("", |(_, message)| *message);
            (0..*count).for_each(|_| tally.count(code, file, *line, message));
        }
        self.doubts.iter().for_each(|code| tally.incomplete(code.code()));
        if self.damaged.iter().any(|(_, _, id)| id.trim().is_empty()) {
            tally.incomplete(Code::RowWidthMismatch.code());
        }
    }

    pub(crate) fn write(&self, draft: &Draft) -> io::Result<()> {
        let mut file = draft.file(CHANGES)?;
        let mut put = |cells: &[&str]| file.add(format!("{}\n", line::join(cells)).as_bytes());
        put(&["what"])?;
        if self.all {
            put(&["all"])?;
        }
        self.touched.iter().try_for_each(|id| put(&["touched", id]))?;
        self.before.iter().try_for_each(|(student, id)| put(&["before", student, id]))?;
        for (code, line, id) in &self.damaged {
            put(&["damaged", code.code(), &line.to_string(), id])?;
        }
        self.doubts.iter().try_for_each(|code| put(&["doubt", code.code()]))?;
        for ((code, in_file), (count, line)) in &self.notes {
            put(&["note", code, in_file, &count.to_string(), &line.to_string()])?;
        }
        file.finish()
    }

    pub(crate) fn read(image: &Image) -> io::Result<Self> {
        let mut changes = Self::default();
        image.lines(CHANGES, |text| {
            let cells = line::split(text);
            let cell = |at: usize| cells.get(at).map_or("", AsRef::as_ref);
            let number = |at: usize| cell(at).parse().unwrap_or(0);
            let code = || Code::ALL.iter().copied().find(|code| code.code() == cell(1));
            match cell(0) {
                "all" => changes.all = true,
                "touched" => changes.touched.push(cell(1).to_owned()),
                "before" => changes.before.push((cell(1).to_owned(), cell(2).to_owned())),
                "damaged" => {
                    changes.damaged.extend(code().map(|code| (code, number(2), cell(3).to_owned())));
                }
                "doubt" => changes.doubts.extend(code()),
                _ => {
                    let known = NOTES.iter().find(|(known, _)| *known == cell(1));
                    let file = super::keep::FILES.iter().find(|file| **file == cell(2));
                    if let (Some((code, _)), Some(file)) = (known, file) {
                        changes.notes.insert((code, file), (number(3), number(4)));
                    }
                }
            }
            Ok(())
        })?;
        Ok(changes)
    }
}
