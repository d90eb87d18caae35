//! Records out of bytes: a driver of `csv-core` that keeps the raw bytes of the record at hand, so that a broken one
//! costs itself and not its neighbours.
//!
//! A quote that is never closed makes any CSV reader swallow the rows after it, up to the next quote or the end of a
//! file of gigabytes. Here a record that spans lines must be quoted to the letter and have the header's width; else
//! its first line alone is damaged and reading goes on at the next. No record may be longer than [`MAX_RECORD`], so
//! memory is bounded whatever the bytes are. Work is too: a damaged record is given up once it has more cells than the
//! header, so that no byte is read more often than there are columns.

use std::io::{self, Read};
use std::str;

use csv_core::ReadRecordResult;

use crate::finding::Code;
use crate::quoting;

/// The longest record that is read, in bytes.
pub const MAX_RECORD: usize = 1 << 20;
const CHUNK: usize = 64 * 1024;

/// A record: its cells, borrowed from the reader.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The line it begins on, the first of the file being 1.
    pub line: u64,
    data: &'a [u8],
    ends: &'a [usize],
    /// All cells as text, where all of them are UTF-8.
    text: Option<&'a str>,
}

impl<'a> Record<'a> {
    pub(crate) fn new(line: u64, data: &'a [u8], ends: &'a [usize]) -> Self {
        let text = str::from_utf8(data).ok();
        // Cells that are broken in the middle of a character can look whole side by side.
        let text = text.filter(|text| text.is_ascii() || ends.iter().all(|end| text.is_char_boundary(*end)));
        Self { line, data, ends, text }
    }

    /// How many cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no cell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether every cell is UTF-8.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.text.is_some()
    }

    /// A cell as text; `None` where there is none or it is not UTF-8.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&'a str> {
        let end = *self.ends.get(at)?;
        let start = match at.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        match self.text {
            Some(text) => text.get(start..end),
            None => str::from_utf8(self.data.get(start..end)?).ok(),
        }
    }
}

impl std::fmt::Debug for Record<'_> {
    /// Shows where the record is, not what it says.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("line", &self.line)
            .field("cells", &self.ends.len())
            .finish_non_exhaustive()
    }
}

/// One step through a file.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// A record of the right width, all of it text.
    Record(Record<'a>),
    /// A record that cannot be used.
    Damaged {
        /// The line it begins on.
        line: u64,
        /// What is wrong.
        code: Code,
        /// Its cells, where their places are certain: it has the right width, and is not UTF-8 throughout.
        cells: Option<Record<'a>>,
    },
}

/// The records of a file.
pub struct Records<R> {
    input: R,
    core: csv_core::Reader,
    /// Raw bytes; those from `start` to `filled` are not used up yet.
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    /// Whether `input` has no more.
    ended: bool,
    /// The line at `start`.
    line: u64,
    /// Whether the last line ended in a carriage return, so that a line feed belongs to it.
    after_cr: bool,
    /// Whether lines end in a carriage return alone.
    cr_lines: bool,
    data: Vec<u8>,
    ends: Vec<usize>,
    width: Option<usize>,
}

/// How one record ended.
enum Taken {
    /// It is whole: up to this byte of the buffer, with so much data and so many cells, over this many line feeds.
    /// `at_end` where the file ended it, and no line end.
    Whole { to: usize, data: usize, cells: usize, feeds: u64, at_end: bool },
    /// It has too many cells, and was not read to its end.
    TooWide,
    /// It is longer than a record may be.
    TooLong,
    /// There is none.
    None,
}

impl<R: Read> Records<R> {
    /// Reads `input` from its beginning. A UTF-8 byte order mark is skipped.
    pub fn new(input: R) -> Self {
        Self {
            input,
            core: csv_core::Reader::new(),
            buffer: vec![0; CHUNK],
            start: 0,
            filled: 0,
            ended: false,
            line: 1,
            after_cr: false,
            cr_lines: false,
            data: vec![0; 4096],
            ends: vec![0; 64],
            width: None,
        }
    }

    /// From here on, records must have this many cells.
    pub fn set_width(&mut self, width: usize) {
        self.width = Some(width);
        self.ends.resize(width + 2, 0);
    }

    /// The line that is read next.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next record; `None` at the end. Blank lines are skipped.
    ///
    /// # Errors
    /// Only what `input` itself says.
    pub fn next_step(&mut self) -> io::Result<Option<Step<'_>>> {
        self.skip_line_ends()?;
        let line = self.line;
        let (to, data, cells, feeds, at_end) = match self.take()? {
            Taken::None => return Ok(None),
            Taken::Whole { to, data, cells, feeds, at_end } => (to, data, cells, feeds, at_end),
            taken @ (Taken::TooWide | Taken::TooLong) => {
                let short = self.discard_line()?;
                // A whole line within the limit was not too long itself: something in it ran on over its end.
                let code = match taken {
                    Taken::TooLong if short => Code::RowBrokenQuotes,
                    Taken::TooLong => Code::RowTooLong,
                    _ => Code::RowWidthMismatch,
                };
                return Ok(Some(Step::Damaged { line, code, cells: None }));
            }
        };
        let raw = self.buffer.get(self.start..to).unwrap_or_default();
        let ends_in_feed = u64::from(!at_end && raw.last() == Some(&b'\n'));
        let spans_lines = feeds > ends_in_feed || (self.cr_lines && self.data[..data].contains(&b'\r'));
        let right_width = self.width.is_none_or(|width| width == cells);
        let broken_quotes = (spans_lines || at_end) && !quoting::is_strict(raw);
        if spans_lines && (broken_quotes || !right_width) {
            self.discard_line()?;
            return Ok(Some(Step::Damaged { line, code: Code::RowBrokenQuotes, cells: None }));
        }
        self.after_cr = raw.last() == Some(&b'\r');
        self.start = to;
        self.line += feeds;
        if broken_quotes {
            return Ok(Some(Step::Damaged { line, code: Code::RowBrokenQuotes, cells: None }));
        }
        if !right_width {
            return Ok(Some(Step::Damaged { line, code: Code::RowWidthMismatch, cells: None }));
        }
        let record = Record::new(line, &self.data[..data], &self.ends[..cells]);
        Ok(Some(match record.is_text() {
            true => Step::Record(record),
            false => Step::Damaged { line, code: Code::RowInvalidUtf8, cells: Some(record) },
        }))
    }

    /// Reads one record into `data` and `ends`, leaving its raw bytes where they are.
    fn take(&mut self) -> io::Result<Taken> {
        let (mut at, mut data, mut cells) = (self.start, 0, 0);
        let line = self.core.line();
        loop {
            if at == self.filled && !self.ended {
                if self.filled - self.start >= MAX_RECORD {
                    return Ok(Taken::TooLong);
                }
                at -= self.fill()?;
                continue;
            }
            let input = &self.buffer[at..self.filled];
            let input_is_empty = input.is_empty();
            let (result, read, wrote, ended) =
                self.core.read_record(input, &mut self.data[data..], &mut self.ends[cells..]);
            at += read;
            data += wrote;
            cells += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                // What comes out is no longer than what went in, which is bounded.
                ReadRecordResult::OutputFull => self.data.resize(self.data.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if self.width.is_some() || self.ends.len() > MAX_RECORD => {
                    return Ok(Taken::TooWide);
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    let at_end = input_is_empty;
                    let feeds = self.core.line() - line;
                    return Ok(Taken::Whole { to: at, data, cells, feeds, at_end });
                }
                ReadRecordResult::End => return Ok(Taken::None),
            }
        }
    }

    /// Reads more bytes behind those at hand, and says by how much these moved to the front.
    fn fill(&mut self) -> io::Result<usize> {
        let mut moved = 0;
        if self.start == self.filled {
            moved = self.start;
            (self.start, self.filled) = (0, 0);
        } else if self.filled == self.buffer.len() {
            if self.start > 0 {
                moved = self.start;
                self.buffer.copy_within(self.start..self.filled, 0);
                self.filled -= moved;
                self.start = 0;
            }
            if self.filled * 2 > self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        loop {
            match self.input.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(moved);
        }
    }

    /// Goes over line ends and blank lines, counting.
    fn skip_line_ends(&mut self) -> io::Result<()> {
        loop {
            while let Some(byte) = self.buffer[..self.filled].get(self.start) {
                match byte {
                    b'\n' => {
                        self.line += 1;
                        self.after_cr = false;
                    }
                    _ => {
                        if self.after_cr {
                            self.line += 1;
                            self.cr_lines = true;
                        }
                        self.after_cr = *byte == b'\r';
                        if !self.after_cr {
                            return Ok(());
                        }
                    }
                }
                self.start += 1;
            }
            if self.ended {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Goes on behind the end of the line at `start`, with a reader that has forgotten the quote it was in. Says
    /// whether the line was no longer than a record may be.
    fn discard_line(&mut self) -> io::Result<bool> {
        let mut length = 0;
        loop {
            let rest = &self.buffer[self.start..self.filled];
            match rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                Some(end) => {
                    // The line end itself is left for `skip_line_ends`, which counts it.
                    length += end;
                    self.start += end;
                    break;
                }
                None => {
                    length += rest.len();
                    self.start = self.filled;
                    if self.ended {
                        break;
                    }
                    self.fill()?;
                }
            }
        }
        self.core.reset();
        self.after_cr = false;
        Ok(length < MAX_RECORD)
    }
}

impl<R> std::fmt::Debug for Records<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records")
            .field("line", &self.line)
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}
