//! The package: what a district sent, listed once, and opened file by file as often as needed.

use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zip::ZipArchive;

use crate::error::PackageError;
use crate::limits::Limits;
use crate::reader::{Budget, Bytes, EntryReader};
use crate::{archive, folder, names};

/// In which form a package came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder of files.
    Folder,
    /// One zip.
    Zip,
}

/// A file of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name within the package, without the sub-folder that the whole package may lie in.
    pub name: String,
}

/// A file that lies in the package's folders and is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Its path.
    pub name: String,
}

/// What tells a file from the one that replaced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(crate) fn of(about: &Metadata) -> Self {
        Self { length: about.len(), modified: about.modified().ok() }
    }
}

/// A file as the folder or the zip lists it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: String,
    /// Its number in the zip.
    pub(crate) index: usize,
    /// In a folder, what the file looked like when it was listed.
    pub(crate) stamp: Option<Stamp>,
    /// In a zip, its packed size.
    pub(crate) packed: Option<u64>,
}

/// A folder or a zip whose names were checked. It holds no file open; a file that changed between two openings is
/// an error, so that two passes over a roster see the same roster.
#[derive(Debug)]
pub struct Package {
    path: PathBuf,
    label: String,
    kind: Kind,
    root: String,
    stamp: Stamp,
    found: Vec<Found>,
    entries: Vec<Entry>,
    ignored: Vec<Ignored>,
    budget: Budget,
}

impl Package {
    /// Opens the folder or zip at `path` and checks the names of everything in it. No file is unpacked.
    ///
    /// # Errors
    /// Where there is no package, where it is not whole, or where it holds what must not be opened; see
    /// [`PackageError`].
    pub fn open(path: &Path, limits: Limits) -> Result<Self, PackageError> {
        let label = path.display().to_string();
        let about = fs::metadata(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => PackageError::NotFound { package: label.clone() },
            _ => PackageError::Io { place: label.clone(), source },
        })?;
        let (kind, found) = if about.is_dir() {
            (Kind::Folder, folder::list(&label, path, &limits)?)
        } else if about.is_file() {
            (Kind::Zip, archive::list(&label, &mut archive::open(&label, path)?, &limits)?)
        } else {
            return Err(PackageError::NotAPackage { package: label });
        };
        let root = names::root_of(&found.iter().map(|file| file.name.as_str()).collect::<Vec<_>>());
        let (mut inside, mut ignored) = (Vec::new(), Vec::new());
        for mut file in found {
            match file.name.strip_prefix(root.as_str()) {
                Some(rest) if !rest.contains('/') => {
                    file.name = rest.to_owned();
                    inside.push(file);
                }
                _ => ignored.push(Ignored { name: file.name }),
            }
        }
        if let Some(name) = names::duplicate(inside.iter().map(|file| file.name.as_str())) {
            return Err(PackageError::Duplicate { package: label, name: name.to_owned() });
        }
        let entries = inside.iter().map(|file| Entry { name: file.name.clone() }).collect();
        let budget = Budget::new(limits, inside.len());
        let stamp = Stamp::of(&about);
        Ok(Self { path: path.to_owned(), label, kind, root, stamp, found: inside, entries, ignored, budget })
    }

    /// Folder or zip.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The package's files, noise and files in further sub-folders left out.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Files in sub-folders beside the package's own files, which are not read.
    #[must_use]
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }

    /// Whether a file of exactly this name is there.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.found.iter().any(|file| file.name == name)
    }

    /// When the package was made, as far as its files tell: the newest modification time of a folder's files, or
    /// that of the zip itself. The times inside a zip have no time zone, and many programs set none at all.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        match self.kind {
            Kind::Zip => self.stamp.modified,
            Kind::Folder => self.found.iter().filter_map(|file| file.stamp?.modified).max(),
        }
    }

    /// Opens a file. What comes back is read with [`Opened::reader`].
    ///
    /// # Errors
    /// Where there is no such file, it changed since the package was opened, or it cannot be read.
    pub fn open_entry(&self, name: &str) -> Result<Opened<'_>, PackageError> {
        let missing = || PackageError::Missing { file: name.to_owned() };
        let number = self.found.iter().position(|file| file.name == name).ok_or_else(missing)?;
        let found = self.found.get(number).ok_or_else(missing)?;
        let inner = match self.kind {
            Kind::Folder => {
                let path = self.path.join(&self.root).join(&found.name);
                self.unchanged(&path, found)?;
                let io = |source| PackageError::Io { place: found.name.clone(), source };
                Inner::Plain(File::open(path).map_err(io)?)
            }
            Kind::Zip => {
                self.whole_unchanged()?;
                Inner::Packed(Box::new(archive::open(&self.label, &self.path)?))
            }
        };
        Ok(Opened { inner, found, number, budget: &self.budget })
    }

    /// Says that nothing changed since the package was opened: to be asked once everything was read.
    ///
    /// # Errors
    /// [`PackageError::Changed`] with the name of what did.
    pub fn verify_unchanged(&self) -> Result<(), PackageError> {
        match self.kind {
            Kind::Zip => self.whole_unchanged(),
            Kind::Folder => self
                .found
                .iter()
                .try_for_each(|found| self.unchanged(&self.path.join(&self.root).join(&found.name), found)),
        }
    }

    fn whole_unchanged(&self) -> Result<(), PackageError> {
        match fs::metadata(&self.path) {
            Ok(about) if Stamp::of(&about) == self.stamp => Ok(()),
            _ => Err(PackageError::Changed { place: self.label.clone() }),
        }
    }

    fn unchanged(&self, path: &Path, found: &Found) -> Result<(), PackageError> {
        match fs::symlink_metadata(path) {
            Ok(about) if about.is_file() && Some(Stamp::of(&about)) == found.stamp => Ok(()),
            _ => Err(PackageError::Changed { place: found.name.clone() }),
        }
    }
}

enum Inner {
    Plain(File),
    Packed(Box<ZipArchive<File>>),
}

/// A file that is open and not yet read. It owns what its reader borrows.
pub struct Opened<'p> {
    inner: Inner,
    found: &'p Found,
    number: usize,
    budget: &'p Budget,
}

impl Opened<'_> {
    /// The file's bytes, from the beginning on the first call.
    ///
    /// # Errors
    /// Where the zip's own header of the file is damaged, or packed in a way that is not read.
    pub fn reader(&mut self) -> Result<EntryReader<'_>, PackageError> {
        let name = self.found.name.as_str();
        let bytes = match &mut self.inner {
            Inner::Plain(file) => Bytes::Plain(file),
            Inner::Packed(zip) => Bytes::Packed(Box::new(
                zip.by_index(self.found.index).map_err(|error| archive::from_zip(name, error))?,
            )),
        };
        let packed = self.found.packed;
        Ok(EntryReader { bytes, budget: self.budget, index: self.number, name, packed, count: 0 })
    }
}

impl std::fmt::Debug for Opened<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("name", &self.found.name).finish_non_exhaustive()
    }
}
