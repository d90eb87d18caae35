//! One file of a package as a stream of bytes that counts itself and stops at the caps.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::PackageError;
use crate::limits::Limits;

/// How much of a package was unpacked so far, shared by all its readers. A file that is read twice counts once.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    total: AtomicU64,
    entries: Vec<AtomicU64>,
}

impl Budget {
    pub(crate) fn new(limits: Limits, entries: usize) -> Self {
        Self { limits, total: AtomicU64::new(0), entries: (0..entries).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Notes that `entry` was read up to `bytes`, and says how much the package has given in all.
    fn note(&self, entry: usize, bytes: u64) -> u64 {
        let before = self.entries.get(entry).map_or(0, |seen| seen.fetch_max(bytes, Ordering::Relaxed));
        let more = bytes.saturating_sub(before);
        self.total.fetch_add(more, Ordering::Relaxed).saturating_add(more)
    }
}

/// The bytes under a reader: a file as it lies there, or one being unpacked.
pub(crate) enum Bytes<'a> {
    Plain(&'a mut File),
    Packed(Box<zip::read::ZipFile<'a, File>>),
}

/// A file of the package, being read. Errors of the caps come out as [`io::Error`]s that carry a
/// [`PackageError`]; [`PackageError::from_read`] takes it out again.
pub struct EntryReader<'a> {
    pub(crate) bytes: Bytes<'a>,
    pub(crate) budget: &'a Budget,
    pub(crate) index: usize,
    pub(crate) name: &'a str,
    /// The packed size, where there is one.
    pub(crate) packed: Option<u64>,
    pub(crate) count: u64,
}

impl EntryReader<'_> {
    /// The bytes read so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    fn over(&self, total: u64) -> Option<PackageError> {
        let limits = &self.budget.limits;
        let file = || self.name.to_owned();
        if self.count > limits.entry_bytes {
            return Some(PackageError::EntryTooLarge { file: file(), limit: limits.entry_bytes });
        }
        if total > limits.total_bytes {
            return Some(PackageError::PackageTooLarge { file: file(), limit: limits.total_bytes });
        }
        let packed = self.packed?;
        (self.count > Limits::RATIO_FROM && self.count / limits.ratio.max(1) > packed)
            .then(|| PackageError::Ratio { file: file(), limit: limits.ratio })
    }
}

impl Read for EntryReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.bytes {
            Bytes::Plain(file) => file.read(buffer)?,
            Bytes::Packed(file) => file.read(buffer)?,
        };
        self.count += read as u64;
        let total = self.budget.note(self.index, self.count);
        match self.over(total) {
            None => Ok(read),
            Some(error) => Err(io::Error::other(error)),
        }
    }
}

impl std::fmt::Debug for EntryReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EntryReader")
            .field("name", &self.name)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
