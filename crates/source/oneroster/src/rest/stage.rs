//! Users as they came over REST, kept in the form that the CSV package has them in: one staging model, one way from there
//! to students, so that the same roster by either way gives the same people.
//!
//! Rows are held as the cells that they would be, with allowed fields only, about a hundred bytes a person, until the walk
//! is proven. Nothing of a walk that failed is ever given on.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rostercard_core::ports::{ConnectorError, Record};
use rostercard_core::privacy::Personal;
use rostercard_oneroster::rest::record::Flaw;
use rostercard_oneroster::{LaidOut, Users, Version};

use super::form::{Form, Formed, Gone, HEADER, What};
use super::laid::{self, LaidRows};
use crate::error;
use crate::index::{ByKey, Index, Key, repeated};
use crate::read::Twice;
use crate::roles::Part;
use crate::schools::Schools;
use crate::settings::ExtraColumns;
use crate::tally::Tally;

/// Of fewer rows than this, which ids are there twice is looked for at the end alone.
const FEW: usize = 2_000;

/// The settings' columns by the names that [`Staged::csv`] has for them.
pub(crate) fn columns(columns: &ExtraColumns) -> ExtraColumns {
    let name = |named: &Option<String>| {
        named.as_ref().map(|name| {
            let plain = name.trim().trim_start_matches('/').to_lowercase().replace('/', ".");
            if plain.starts_with("metadata.") { plain } else { format!("metadata.{plain}") }
        })
    };
    ExtraColumns {
        street: name(&columns.street),
        street2: name(&columns.street2),
        city: name(&columns.city),
        state: name(&columns.state),
        zip: name(&columns.zip),
        birth_date: name(&columns.birth_date),
        protected: name(&columns.protected),
    }
}

struct Row {
    key: Key,
    /// Of the student id.
    student: Key,
    start: usize,
    modified: Option<Timestamp>,
    /// Another row came in its stead.
    void: bool,
    /// It was longer than any row may be.
    too_long: bool,
    flaw: Option<Flaw>,
}

/// Users on their way in.
pub(crate) struct Stage {
    version: Version,
    form: Form,
    pub(crate) schools: Schools,
    pub(crate) tally: Tally,
    cells: Vec<u8>,
    rows: Vec<Row>,
    parts: Parts,
    /// Which of the wanted paths below `metadata` anybody had.
    metadata: u32,
    pub(crate) gone: Vec<Gone>,
    /// Rows told by the walk under way: their places here, by their numbers.
    numbers: Vec<u32>,
    /// What was here before the walk under way.
    before: Mark,
    /// Student ids of the walk under way, and whether one of them, or a `sourcedId`, may be there more than once.
    students: HashSet<Key, ByKey>,
    twice: bool,
    /// The oldest row.
    pub(crate) oldest: Option<Timestamp>,
    pub(crate) broken: u64,
}

/// A row's number that has no place.
const NOWHERE: u32 = u32::MAX;

#[derive(Default)]
struct Parts {
    keys: Vec<Key>,
    parts: Vec<Part>,
    /// The rows they are of.
    rows: Vec<u32>,
}

#[derive(Default, Clone, Copy)]
struct Mark {
    cells: usize,
    rows: usize,
    parts: usize,
    gone: usize,
}

/// Users, ready for the way that CSV goes.
pub(crate) struct Staged {
    /// `users.csv`, as it would be.
    table: LaidOut<Users>,
    cells: Vec<u8>,
    rows: Vec<Row>,
    /// Roles by user, where the version has them apart.
    pub(crate) parts: Option<Index<Part>>,
    pub(crate) schools: Schools,
    pub(crate) tally: Tally,
    pub(crate) gone: Vec<Gone>,
    /// What is wrong with a row, by its line.
    pub(crate) flaws: HashMap<u64, Flaw>,
    /// Ids that are there more than once.
    pub(crate) twice: Twice,
}

impl Stage {
    pub(crate) fn new(version: Version, form: Form, schools: Schools) -> Self {
        Self {
            version,
            form,
            schools,
            tally: Tally::default(),
            cells: Vec::new(),
            rows: Vec::new(),
            parts: Parts::default(),
            metadata: 0,
            gone: Vec::new(),
            numbers: Vec::new(),
            before: Mark::default(),
            students: HashSet::default(),
            twice: false,
            oldest: None,
            broken: 0,
        }
    }

    /// A walk begins; what the walks before it brought stays. `role` is what a user without any role is. The form is what
    /// its users are to be brought into.
    pub(crate) fn next_walk(&mut self, role: &'static str) -> Form {
        self.form = self.form.of_role(role);
        self.before = Mark {
            cells: self.cells.len(),
            rows: self.rows.len(),
            parts: self.parts.keys.len(),
            gone: self.gone.len(),
        };
        self.numbers.clear();
        self.form.clone()
    }

    /// The walk begins anew.
    pub(crate) fn again(&mut self) {
        self.cells.truncate(self.before.cells);
        self.rows.truncate(self.before.rows);
        self.parts.keys.truncate(self.before.parts);
        self.parts.parts.truncate(self.before.parts);
        self.parts.rows.truncate(self.before.parts);
        self.gone.truncate(self.before.gone);
        self.numbers.clear();
        self.students.clear();
        self.oldest = None;
        self.broken = 0;
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The `sourcedId`s so far.
    pub(crate) fn source_ids(&self) -> HashSet<Key> {
        self.rows.iter().filter(|row| !row.void).map(|row| row.key).collect()
    }

    /// The `sourcedId`s of rows that are not among `known`.
    pub(crate) fn ids_without(&self, known: &HashSet<Key>) -> Vec<String> {
        let rows = self.rows.iter().filter(|row| !row.void && !known.contains(&row.key));
        rows.filter_map(|row| {
            let id = laid::first(self.cells.get(row.start..)?, self.width())?;
            // One with a comma or a quote follows no grammar of ids.
            std::str::from_utf8(id)
                .ok()
                .filter(|id| !id.is_empty() && !id.contains(['"', ',']))
                .map(str::to_owned)
        })
        .collect()
    }

    fn width(&self) -> usize {
        HEADER.len() + self.form.wanted.len()
    }

    /// What users are brought into.
    pub(crate) fn form(&self) -> &Form {
        &self.form
    }

    /// Takes a user. `again` is the number of a row with the same `sourcedId` and other contents: the newer one counts,
    /// and where none is newer, both, which is then one question for the district.
    pub(crate) fn take(&mut self, user: Formed, again: Option<u32>) {
        let Formed { key, student, modified, flaw, what } = user;
        if let Some(modified) = modified {
            self.oldest = Some(self.oldest.map_or(modified, |oldest| oldest.min(modified)));
        }
        self.twice |= again.is_some();
        let earlier = again.and_then(|number| self.numbers.get(number as usize).copied());
        if let Some(row) = earlier.and_then(|earlier| self.rows.get_mut(earlier as usize)) {
            match (row.modified, modified) {
                (Some(old), Some(new)) if new < old => {
                    self.numbers.push(NOWHERE);
                    return;
                }
                (Some(old), Some(new)) if new > old => row.void = true,
                _ => {}
            }
        }
        let (cells, parts, metadata) = match what {
            What::Row { cells, parts, metadata } => (cells, parts, metadata),
            What::Gone(gone) => {
                self.numbers.push(NOWHERE);
                self.gone.push(gone);
                return;
            }
        };
        // More than four thousand million rows are no district.
        let place = u32::try_from(self.rows.len()).unwrap_or(NOWHERE);
        self.numbers.push(place);
        for part in parts {
            let org = part.org.unwrap_or_else(|id| self.schools.number(&id));
            let part = Part { org, kind: part.kind, primary: part.primary, current: part.current };
            self.parts.keys.push(key);
            self.parts.parts.push(part);
            self.parts.rows.push(place);
        }
        self.metadata |= metadata;
        self.twice |= !self.students.insert(student);
        let (start, too_long) = (self.cells.len(), cells.is_none());
        self.cells.extend_from_slice(cells.as_deref().unwrap_or_default());
        self.rows.push(Row { key, student, start, modified, void: false, too_long, flaw });
    }

    /// Everything that came, ready to be read as CSV is.
    ///
    /// # Errors
    /// None that a server could bring about: the columns are this source's own.
    pub(crate) fn finish(self) -> Result<Staged, ConnectorError> {
        let Self { rows, mut parts, cells, schools, tally, gone, metadata, .. } = self;
        let extra = self.form.wanted.iter().enumerate().map(|(at, path)| {
            // A column that nobody has is not there: a mark of protected addresses that nobody has is missing.
            match metadata >> at.min(31) & 1 {
                1 => format!("metadata.{path}"),
                _ => format!("metadata.-{at}-"),
            }
        });
        let extra: Vec<String> = extra.collect();
        let names = HEADER.into_iter().chain(extra.iter().map(String::as_str));
        let (table, _) = LaidOut::open(self.version, names).map_err(error::read)?;
        let parts = (self.version == Version::V1_2).then(|| {
            if rows.iter().any(|row| row.void) {
                let of_void = |row: u32| rows.get(row as usize).is_none_or(|row| row.void);
                let kept: Vec<bool> = parts.rows.iter().map(|row| !of_void(*row)).collect();
                let mut keep = kept.iter();
                parts.keys.retain(|_| keep.next().is_some_and(|keep| *keep));
                let mut keep = kept.iter();
                parts.parts.retain(|_| keep.next().is_some_and(|keep| *keep));
            }
            Index::new(parts.keys, parts.parts)
        });
        let (mut flaws, mut line) = (HashMap::new(), 1);
        for row in rows.iter().filter(|row| !row.void) {
            line += 1;
            if let Some(flaw) = row.flaw {
                flaws.insert(line, flaw);
            }
        }
        let twice = match self.twice || self.before.rows > 0 || rows.len() < FEW {
            true => twice(&rows),
            false => Twice::default(),
        };
        Ok(Staged { table, cells, rows, parts, schools, tally, gone, flaws, twice })
    }
}

/// The ids that are there more than once.
fn twice(rows: &[Row]) -> Twice {
    let none = Key::of("");
    let rows = || rows.iter().filter(|row| !row.void && !row.too_long);
    let ids = |key: fn(&Row) -> Key| repeated(rows().map(key).filter(|key| *key != none).collect());
    Twice { student_ids: ids(|row| row.student), source_ids: ids(|row| row.key) }
}

impl Staged {
    /// The table that the rows are of.
    pub(crate) fn table(&self) -> &LaidOut<Users> {
        &self.table
    }

    /// The rows that count.
    pub(crate) fn rows(&self) -> impl crate::read::Rows {
        let ends = self.rows.iter().skip(1).map(|row| row.start).chain([self.cells.len()]);
        let counted = self.rows.iter().zip(ends).filter(|(row, _)| !row.void);
        let rows = counted.map(|(row, end)| self.cells.get(row.start..end).filter(|_| !row.too_long));
        LaidRows::new(&self.table, rows)
    }
}

impl Gone {
    /// The tombstone as a record, unless the person is still there under another id.
    pub(crate) fn record(self, there: &HashSet<Key>) -> Option<Record> {
        if !self.student_id.is_empty() && there.contains(&Key::of(&self.student_id)) {
            return None;
        }
        if self.student_id.is_empty() && self.source_id.is_empty() {
            return None;
        }
        let source_ids = Personal::non_blank(&self.source_id).into_iter().collect();
        Some(Record::Gone { student_id: Personal::non_blank(&self.student_id), source_ids })
    }
}
