//! One table of text: a CSV, TSV or pipe file of any encoding, or a sheet of an XLSX workbook, as rows of cells.
//!
//! Rows are told apart by line; what the columns mean is not known here. CSV files are read in one go and little memory; a
//! workbook is held in memory, and its size is bounded before it is opened.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use calamine::{Data, Reader as _, Xlsx};
use thiserror::Error;

use crate::decode::{Decoded, Detected, Encoding, detect};

/// The longest CSV file that is read, in bytes.
const LONGEST: u64 = 4 << 30;
/// The longest workbook, packed and unpacked, in bytes.
const WORKBOOK: (u64, u64) = (64 << 20, 512 << 20);
/// What may stand between cells, where it has to be found out.
const DELIMITERS: [u8; 4] = [b',', b'\t', b'|', b';'];

/// What is known of a table beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// What stands between the cells; found out from the header where it is not said.
    pub delimiter: Option<u8>,
    /// The encoding; found out where it is not said.
    pub encoding: Option<Encoding>,
    /// A workbook's sheet; its only one with anything in it where it is not said.
    pub sheet: Option<String>,
}

/// Why a table cannot be read.
#[derive(Debug, Error)]
pub enum TableError {
    /// The disk said no.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("{file} is empty")]
    Empty {
        /// The file.
        file: String,
    },
    /// It is too long.
    #[error("{file} is longer than the {limit} MB that are read")]
    TooLong {
        /// The file.
        file: String,
        /// The limit, in millions of bytes.
        limit: u64,
    },
    /// It is no workbook, or a damaged one.
    #[error("{file} is no workbook that can be read (XLSX): {why}")]
    Workbook {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// The sheet is not there, or it is not clear which.
    #[error("{file}: {why}; it has the sheets {sheets}")]
    Sheet {
        /// The file.
        file: String,
        /// Why.
        why: String,
        /// What there is.
        sheets: String,
    },
    /// It is of a format that is not read.
    #[error("{file} is {what}, which is not read")]
    Format {
        /// The file.
        file: String,
        /// What it is.
        what: &'static str,
    },
}

impl TableError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "look at the path and its permissions",
            Self::Empty { .. } => "the export or the transfer broke off: ask for the file again",
            Self::TooLong { .. } => "is it the right file? a roster of a million students is about 200 MB",
            Self::Workbook { .. } => "open it in a spreadsheet program and save it as XLSX or CSV",
            Self::Sheet { .. } => "name the sheet: sheet = \"...\"",
            Self::Format { .. } => "save it as CSV or XLSX",
        }
    }

    /// Whether it may be a file whose transfer has not ended.
    #[must_use]
    pub fn may_be_unfinished(&self) -> bool {
        matches!(self, Self::Empty { .. } | Self::Workbook { .. })
    }
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Text, as it stands.
    Text(String),
    /// A number of a workbook.
    Number(f64),
    /// A date of a workbook, as `2014-05-06`.
    Date(String),
    /// A formula's error.
    Error,
}

impl Cell {
    /// Its text, trimmed; a whole number without decimals. Nothing for an error.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.trim().to_owned(),
            Self::Number(number) if is_whole(*number) => format!("{number:.0}"),
            Self::Number(number) => number.to_string(),
            Self::Date(date) => date.clone(),
            Self::Error => String::new(),
        }
    }
}

/// Whether a number is whole and was kept exactly.
#[must_use]
pub fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its first line in the file, or its row in the sheet, from 1.
    pub line: u64,
    /// The cells.
    pub cells: Vec<Cell>,
}

/// A table that was opened: its header was read, its rows are next.
pub struct Table {
    /// The header's cells, trimmed.
    pub header: Vec<String>,
    /// The line of the header.
    pub header_line: u64,
    /// What was found out about the encoding, for a text file whose encoding was not said.
    pub detected: Option<Detected>,
    /// Whether it is a workbook, whose numbers may have lost their zeros.
    pub workbook: bool,
    rows: Rows,
    file: String,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("file", &self.file)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

enum Rows {
    Text(Box<csv::StringRecordsIntoIter<Decoded<BufReader<File>>>>),
    Sheet(std::vec::IntoIter<Line>),
}

impl Table {
    /// Opens a table and reads its header: the first row with anything in it.
    ///
    /// # Errors
    /// [`TableError`] where there is no header to be read.
    pub fn open(path: &Path, options: &TableOptions) -> Result<Self, TableError> {
        let file =
            path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        let io = |source| TableError::Io { file: file.clone(), source };
        let mut first = [0; 8];
        let mut opened = File::open(path).map_err(io)?;
        let length = opened.metadata().map_err(io)?.len();
        let n = opened.read(&mut first).map_err(io)?;
        if length == 0 || n == 0 {
            return Err(TableError::Empty { file });
        }
        if first.starts_with(b"PK\x03\x04") {
            return Self::workbook(path, file, options, length);
        }
        if first.starts_with(b"\xd0\xcf\x11\xe0") {
            return Err(TableError::Format { file, what: "an old Excel workbook (XLS), or a protected one" });
        }
        if first.starts_with(b"%PDF") {
            return Err(TableError::Format { file, what: "a PDF" });
        }
        if length > LONGEST {
            return Err(TableError::TooLong { file, limit: LONGEST / 1_000_000 });
        }
        Self::text(path, &file, options)
    }

    fn text(path: &Path, file: &str, options: &TableOptions) -> Result<Self, TableError> {
        let io = |source| TableError::Io { file: file.to_owned(), source };
        let open = || File::open(path).map(BufReader::new).map_err(io);
        let detected = match options.encoding {
            Some(_) => None,
            None => Some(detect(open()?).map_err(io)?),
        };
        let encoding = options.encoding.or(detected.map(|d| d.encoding)).unwrap_or(Encoding::Utf8);
        let delimiter = match options.delimiter {
            Some(delimiter) => delimiter,
            None => delimiter_of(Decoded::new(open()?, encoding)).map_err(io)?,
        };
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .from_reader(Decoded::new(open()?, encoding));
        let mut table = Self {
            header: Vec::new(),
            header_line: 0,
            detected,
            workbook: false,
            rows: Rows::Text(Box::new(reader.into_records())),
            file: file.to_owned(),
        };
        table.read_header()?;
        Ok(table)
    }

    fn workbook(path: &Path, file: String, options: &TableOptions, length: u64) -> Result<Self, TableError> {
        let (packed, unpacked) = WORKBOOK;
        let wrong = |why: String| TableError::Workbook { file: file.clone(), why };
        if length > packed {
            return Err(TableError::TooLong { file, limit: packed / 1_000_000 });
        }
        let io = |source| TableError::Io { file: file.clone(), source };
        let bytes = std::fs::read(path).map_err(io)?;
        bounded(&bytes, unpacked).map_err(wrong)?;
        // Its messages are of the format, never of a cell.
        let mut book: Xlsx<_> =
            Xlsx::new(io::Cursor::new(bytes)).map_err(|error| wrong(error.to_string()))?;
        let names = book.sheet_names();
        let sheets = || names.join(", ");
        let mut found = None;
        for name in &names {
            if options.sheet.as_ref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(name)) {
                continue;
            }
            let range = book.worksheet_range(name).map_err(|error| wrong(error.to_string()))?;
            if range.is_empty() && options.sheet.is_none() {
                continue;
            }
            if found.is_some() {
                let why = "more than one sheet has something in it".to_owned();
                return Err(TableError::Sheet { file, why, sheets: sheets() });
            }
            found = Some(range);
        }
        let Some(range) = found else {
            return match &options.sheet {
                Some(name) => {
                    let why = format!("there is no sheet `{name}`");
                    Err(TableError::Sheet { file, why, sheets: sheets() })
                }
                None => Err(TableError::Empty { file }),
            };
        };
        let first = u64::from(range.start().map_or(0, |start| start.0)) + 1;
        let rows: Vec<Line> = (first..)
            .zip(range.rows())
            .map(|(line, cells)| Line { line, cells: cells.iter().map(cell).collect() })
            .collect();
        let mut table = Self {
            header: Vec::new(),
            header_line: 0,
            detected: None,
            workbook: true,
            rows: Rows::Sheet(rows.into_iter()),
            file: file.clone(),
        };
        table.read_header()?;
        Ok(table)
    }

    fn read_header(&mut self) -> Result<(), TableError> {
        loop {
            let Some(line) = self.next_line()? else {
                return Err(TableError::Empty { file: self.file.clone() });
            };
            self.header = line.cells.iter().map(Cell::text).collect();
            self.header_line = line.line;
            if self.header.iter().any(|cell| !cell.is_empty()) {
                return Ok(());
            }
        }
    }

    /// The next row with anything in it; nothing at the end.
    ///
    /// # Errors
    /// What stopped the reading.
    pub fn next_line(&mut self) -> Result<Option<Line>, TableError> {
        loop {
            let line = match &mut self.rows {
                Rows::Text(records) => match records.next() {
                    None => return Ok(None),
                    Some(Err(error)) => {
                        let source = match error.into_kind() {
                            csv::ErrorKind::Io(source) => source,
                            // Decoded text is UTF-8, and rows may be of any width.
                            _ => io::Error::other("the rows cannot be told apart"),
                        };
                        return Err(TableError::Io { file: self.file.clone(), source });
                    }
                    Some(Ok(record)) => Line {
                        line: record.position().map_or(0, csv::Position::line),
                        cells: record.iter().map(|cell| Cell::Text(cell.to_owned())).collect(),
                    },
                },
                Rows::Sheet(rows) => match rows.next() {
                    None => return Ok(None),
                    Some(line) => line,
                },
            };
            if line.cells.iter().any(|cell| !matches!(cell, Cell::Text(text) if text.trim().is_empty())) {
                return Ok(Some(line));
            }
        }
    }
}

fn cell(data: &Data) -> Cell {
    match data {
        Data::Empty => Cell::Text(String::new()),
        Data::String(text) | Data::DurationIso(text) => Cell::Text(text.clone()),
        #[expect(clippy::cast_precision_loss, reason = "a number beyond 2^53 is found not to be whole")]
        Data::Int(number) => Cell::Number(*number as f64),
        Data::Float(number) => Cell::Number(*number),
        Data::Bool(yes) => Cell::Text(if *yes { "TRUE" } else { "FALSE" }.to_owned()),
        Data::DateTime(date) if date.is_datetime() => {
            let (year, month, day, ..) = date.to_ymd_hms_milli();
            Cell::Date(format!("{year:04}-{month:02}-{day:02}"))
        }
        Data::DateTime(duration) => Cell::Number(duration.as_f64()),
        Data::DateTimeIso(text) => Cell::Date(text.chars().take(10).collect()),
        Data::Error(_) => Cell::Error,
    }
}

/// Whether a workbook unpacks to no more than so many bytes.
fn bounded(bytes: &[u8], most: u64) -> Result<(), String> {
    let mut zip =
        zip::ZipArchive::new(io::Cursor::new(bytes)).map_err(|_| "it is no whole zip".to_owned())?;
    if zip.len() > 10_000 {
        return Err("it has too many parts".to_owned());
    }
    let mut left = most;
    for at in 0..zip.len() {
        let part = zip.by_index(at).map_err(|_| "one of its parts is damaged".to_owned())?;
        // What a part says of its size may be a lie, so it is counted.
        let unpacked = io::copy(&mut part.take(left + 1), &mut io::sink())
            .map_err(|_| "one of its parts is damaged".to_owned())?;
        left = left.checked_sub(unpacked).ok_or("it unpacks to more than is read")?;
    }
    Ok(())
}

/// What stands most often between the cells of the first line, outside of quotation marks; a comma where nothing does.
fn delimiter_of(mut text: impl Read) -> io::Result<u8> {
    let mut first = vec![0; 64 * 1024];
    let mut filled = 0;
    while let Some(rest) = first.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match text.read(rest)? {
            0 => break,
            n => filled += n,
        }
    }
    let mut counts = [0_usize; DELIMITERS.len()];
    let (mut quoted, mut begun) = (false, false);
    for byte in first.iter().take(filled) {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted && begun => break,
            byte if !quoted => {
                begun |= !byte.is_ascii_whitespace();
                if let Some(count) =
                    DELIMITERS.iter().position(|d| d == byte).and_then(|at| counts.get_mut(at))
                {
                    *count += 1;
                }
            }
            _ => {}
        }
    }
    // The first of equals: a comma before a tab.
    let best = counts.iter().max().copied().unwrap_or(0);
    let at = counts.iter().position(|count| *count == best).unwrap_or(0);
    Ok(DELIMITERS.get(at).copied().unwrap_or(b','))
}
