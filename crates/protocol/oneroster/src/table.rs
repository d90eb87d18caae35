//! A file of rows: its header resolved once, then rows one at a time, each cell asked for by its column.

use std::io::Read;

use crate::columns::Columns;
use crate::finding::{Code, Finding, ReadError};
use crate::header::{Extra, Layout};
use crate::manifest::Version;
use crate::records::{Record, Records, Step};
use crate::scalars::{self, DateCell, Status};

/// A file that is being read.
#[derive(Debug)]
pub struct Table<C, R> {
    records: Records<R>,
    layout: Layout<C>,
}

/// A row whose cells are certain.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a, C> {
    record: Record<'a>,
    layout: &'a Layout<C>,
}

/// A row that cannot be used.
#[derive(Debug, Clone, Copy)]
pub struct DamagedRow<'a, C> {
    /// The line it begins on.
    pub line: u64,
    /// What is wrong with it.
    pub code: Code,
    /// Its cells, where their places are certain. Those that are not UTF-8 read as empty.
    pub cells: Option<Row<'a, C>>,
}

/// What stands on a line of a file.
#[derive(Debug, Clone, Copy)]
pub enum Line<'a, C> {
    /// A row.
    Row(Row<'a, C>),
    /// A row that cannot be used. The stream goes on behind it.
    Damaged(DamagedRow<'a, C>),
}

impl<C: Columns, R: Read> Table<C, R> {
    /// Reads the header. The findings say what is odd about it.
    ///
    /// # Errors
    /// [`ReadError::Unusable`] where the header is missing or lacks a column that is needed; [`ReadError::Io`].
    pub fn open(version: Version, input: R) -> Result<(Self, Vec<Finding>), ReadError> {
        let mut records = Records::new(input);
        let io = |source| ReadError::Io { file: C::FILE.to_owned(), line: 1, source };
        let (layout, findings) = match records.next_step().map_err(io)? {
            None => (None, vec![Finding::file(Code::TableEmpty, C::FILE)]),
            Some(Step::Damaged { line, .. }) => {
                (None, vec![Finding::file(Code::TableBrokenHeader, C::FILE).line(line)])
            }
            Some(Step::Record(header)) => Layout::resolve(&header, version),
        };
        let Some(layout) = layout else {
            return Err(ReadError::Unusable(findings));
        };
        records.set_width(layout.width());
        Ok((Self { records, layout }, findings))
    }

    /// Where the columns lie.
    #[must_use]
    pub fn layout(&self) -> &Layout<C> {
        &self.layout
    }

    /// The next row; `None` at the file's end.
    ///
    /// # Errors
    /// [`ReadError::Io`] alone.
    pub fn next_line(&mut self) -> Result<Option<Line<'_, C>>, ReadError> {
        let layout = &self.layout;
        let line = self.records.line();
        let step = self.records.next_step();
        match step.map_err(|source| ReadError::Io { file: C::FILE.to_owned(), line, source })? {
            None => Ok(None),
            Some(Step::Record(record)) => Ok(Some(Line::Row(Row { record, layout }))),
            Some(Step::Damaged { line, code, cells }) => {
                let cells = cells.map(|record| Row { record, layout });
                Ok(Some(Line::Damaged(DamagedRow { line, code, cells })))
            }
        }
    }
}

/// A table whose rows are laid out already, cell by cell, and need no search for commas and quotes.
#[derive(Debug)]
pub struct LaidOut<C> {
    layout: Layout<C>,
}

impl<C: Columns> LaidOut<C> {
    /// A table with these columns. The findings say what is odd about them.
    ///
    /// # Errors
    /// [`ReadError::Unusable`] where a column is missing that is needed.
    pub fn open<'n>(
        version: Version,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<(Self, Vec<Finding>), ReadError> {
        let (mut data, mut ends) = (Vec::new(), Vec::new());
        for name in names {
            data.extend_from_slice(name.as_bytes());
            ends.push(data.len());
        }
        match Layout::resolve(&Record::new(1, &data, &ends), version) {
            (Some(layout), findings) => Ok((Self { layout }, findings)),
            (None, findings) => Err(ReadError::Unusable(findings)),
        }
    }

    /// Where the columns lie.
    #[must_use]
    pub fn layout(&self) -> &Layout<C> {
        &self.layout
    }

    /// A row: its cells one after the other, and where each ends.
    #[must_use]
    pub fn line<'a>(&'a self, line: u64, cells: &'a [u8], ends: &'a [usize]) -> Line<'a, C> {
        let layout = &self.layout;
        let damaged = |code, cells| Line::Damaged(DamagedRow { line, code, cells });
        if ends.len() != layout.width() {
            return damaged(Code::RowWidthMismatch, None);
        }
        let record = Record::new(line, cells, ends);
        match record.is_text() {
            true => Line::Row(Row { record, layout }),
            false => damaged(Code::RowInvalidUtf8, Some(Row { record, layout })),
        }
    }

    /// A row that was longer than [`crate::MAX_RECORD`].
    #[must_use]
    pub fn too_long(&self, line: u64) -> Line<'_, C> {
        Line::Damaged(DamagedRow { line, code: Code::RowTooLong, cells: None })
    }
}

impl<'a, C: Columns> Row<'a, C> {
    /// The line the row begins on.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.record.line
    }

    /// A cell, without white space around it; empty where the column is not there. Ids are text: leading zeros and
    /// letters' case stay.
    #[must_use]
    pub fn get(&self, column: C) -> &'a str {
        self.layout.position(column).and_then(|at| self.record.get(at)).unwrap_or_default().trim()
    }

    /// A cell by the exact name of its column in the specification; empty where the file or the specification has none.
    #[must_use]
    pub fn named(&self, name: &str) -> &'a str {
        let at = C::ALL.iter().position(|column| column.name == name);
        let at = at.and_then(|index| self.layout.position_of(index));
        at.and_then(|at| self.record.get(at)).unwrap_or_default().trim()
    }

    /// Whether a cell is UTF-8; true where the column is not there. Asked of a damaged row.
    #[must_use]
    pub fn is_text(&self, column: C) -> bool {
        self.layout.position(column).is_none_or(|at| self.record.get(at).is_some())
    }

    /// A cell of a column outside the specification.
    #[must_use]
    pub fn extra(&self, column: Extra) -> &'a str {
        self.record.get(usize::from(column.0)).unwrap_or_default().trim()
    }

    /// The elements of a list cell.
    pub fn list(&self, column: C) -> impl Iterator<Item = &'a str> + Clone + use<'a, C> {
        scalars::list(self.get(column))
    }

    /// A date cell.
    #[must_use]
    pub fn date(&self, column: C) -> DateCell {
        scalars::date(self.get(column))
    }

    /// A boolean cell.
    #[must_use]
    pub fn boolean(&self, column: C) -> Option<bool> {
        scalars::boolean(self.get(column))
    }

    /// A status cell.
    #[must_use]
    pub fn status(&self, column: C) -> Status {
        Status::parse(self.get(column))
    }
}
