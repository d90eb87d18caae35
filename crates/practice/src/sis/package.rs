//! Reads a OneRoster CSV package, a zip or a folder, as tables of texts. It judges nothing: what is served from it is as
//! good as what was put in.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;

/// The files of a package, by name without `.csv`.
#[derive(Debug, Clone, Default)]
pub struct Package {
    tables: BTreeMap<String, Table>,
}

/// One file.
#[derive(Debug, Clone, Default)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<StringRecord>,
}

/// One row of a table.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    header: &'a [String],
    cells: &'a StringRecord,
}

/// Why a package could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the package `{}` could not be read: {source}", path.display())]
pub struct PackageError {
    /// The package.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl Package {
    /// Reads a zip or a folder.
    ///
    /// # Errors
    /// [`PackageError`], where there is none, or a file in it is no CSV.
    pub fn read(path: &Path) -> Result<Self, PackageError> {
        let read = || if path.is_dir() { Self::folder(path) } else { Self::zip(path) };
        read().map_err(|source| PackageError { path: path.to_owned(), source })
    }

    fn folder(path: &Path) -> io::Result<Self> {
        let mut package = Self::default();
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            if let Some(name) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".csv"))
            {
                package.tables.insert(name.to_owned(), Table::read(File::open(&path)?)?);
            }
        }
        Ok(package)
    }

    fn zip(path: &Path) -> io::Result<Self> {
        let mut zip = zip::ZipArchive::new(io::BufReader::new(File::open(path)?))?;
        let mut package = Self::default();
        for at in 0..zip.len() {
            let file = zip.by_index(at)?;
            let name = file.name()?.strip_suffix(".csv").map(str::to_owned);
            if let Some(name) = name {
                package.tables.insert(name, Table::read(file)?);
            }
        }
        Ok(package)
    }

    /// The rows of a file by its name without `.csv`; none where it is not there.
    pub fn rows(&self, name: &str) -> impl Iterator<Item = Row<'_>> {
        let table = self.tables.get(name);
        table.into_iter().flat_map(|t| t.rows.iter().map(|cells| Row { header: &t.header, cells }))
    }
}

impl Table {
    fn read(from: impl Read) -> io::Result<Self> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(from);
        let header = reader
            .headers()?
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').trim().to_owned())
            .collect();
        let rows = reader.records().collect::<Result<Vec<_>, _>>()?;
        Ok(Self { header, rows })
    }
}

impl<'a> Row<'a> {
    /// A cell by its column; empty where the column is not there.
    #[must_use]
    pub fn get(&self, column: &str) -> &'a str {
        let at = self.header.iter().position(|name| name == column);
        at.and_then(|at| self.cells.get(at)).unwrap_or_default()
    }

    /// The elements of a list cell.
    #[must_use]
    pub fn list(&self, column: &str) -> Vec<String> {
        self.get(column).split(',').map(str::trim).filter(|e| !e.is_empty()).map(str::to_owned).collect()
    }

    /// The columns `metadata.NAME`, by NAME.
    pub fn metadata(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let cells = self.cells;
        self.header
            .iter()
            .enumerate()
            .filter_map(move |(at, name)| Some((name.strip_prefix("metadata.")?, cells.get(at)?)))
    }
}
