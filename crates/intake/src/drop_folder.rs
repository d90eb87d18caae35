//! A drop folder: where a district, or somebody at the library, puts files. One is taken only when it is whole, and put away
//! only when the plan that was made of it is settled.
//!
//! Whole is what a marker file says, or what has not changed for a while. Links are never followed, hidden and half-sent files
//! never looked at. Which of several files is the roster is for the caller to say.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// When a file is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// It has not changed for so long.
    After(Duration),
    /// There is a file of the same name with this at its end: `roster.csv.done`.
    Marker(String),
}

/// What becomes of a file that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterUse {
    /// It goes to the folder `archive` beside it.
    Archive,
    /// It is written over once and deleted. On flash storage and snapshots, old copies may remain.
    Shred,
    /// It stays where it is.
    Keep,
}

/// Names that a transfer gives to files that are not whole yet.
const UNFINISHED: [&str; 6] = [".part", ".tmp", ".filepart", ".crdownload", ".swp", "~"];
const ARCHIVE: &str = "archive";

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Its name.
    pub name: String,
    /// When it was last changed.
    pub modified: SystemTime,
    /// Its length in bytes.
    pub length: u64,
}

/// What lies in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files that are whole, oldest first.
    pub ready: Vec<Dropped>,
    /// Files that are not, each with why.
    pub waiting: Vec<(String, &'static str)>,
    /// What is not looked at: links and folders that are not the archive.
    pub ignored: Vec<String>,
}

/// Lists what lies in a folder at a moment. `endings` are what file names may end with, without the dot.
///
/// # Errors
/// The folder cannot be read.
pub fn list(folder: &Path, endings: &[&str], ready: &Ready, now: SystemTime) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for item in fs::read_dir(folder)? {
        let item = item?;
        let name = item.file_name().to_string_lossy().into_owned();
        let lower = name.to_ascii_lowercase();
        if name.starts_with('.') || UNFINISHED.iter().any(|end| lower.ends_with(end)) {
            continue;
        }
        let about = fs::symlink_metadata(item.path())?;
        if !about.is_file() {
            if name != ARCHIVE {
                listing.ignored.push(name);
            }
            continue;
        }
        if !endings.iter().any(|end| lower.rsplit_once('.').is_some_and(|(_, found)| found == *end)) {
            continue;
        }
        let modified = about.modified()?;
        let why = match ready {
            Ready::After(_) if about.len() == 0 => Some("it is empty"),
            Ready::After(quiet) => match now.duration_since(modified) {
                Ok(age) if age >= *quiet => None,
                Ok(_) => Some("it was changed a moment ago"),
                Err(_) => Some("its time is in the future: is the clock right?"),
            },
            Ready::Marker(end) => {
                (!folder.join(format!("{name}{end}")).is_file()).then_some("its marker is not there")
            }
        };
        match why {
            None => listing.ready.push(Dropped { name, modified, length: about.len() }),
            Some(why) => listing.waiting.push((name, why)),
        }
    }
    listing.ready.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
    listing.waiting.sort();
    Ok(listing)
}

/// The files that lie in a folder's archive, in the order in which they were put away.
///
/// # Errors
/// The archive cannot be read. One that is not there has nothing in it.
pub fn archived(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    match fs::read_dir(folder.join(ARCHIVE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(items) => {
            for item in items {
                let item = item?;
                if item.file_type()?.is_file() && !item.file_name().to_string_lossy().starts_with('.') {
                    files.push(item.path());
                }
            }
        }
    }
    // Each name begins with its moment.
    files.sort();
    Ok(files)
}

/// The BLAKE3 of a file's bytes, in hexadecimal: by it a file is known to be the one that was read.
///
/// # Errors
/// The file cannot be read.
pub fn fingerprint(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hasher.finalize().to_hex().to_string());
        }
        hasher.update(buffer.get(..n).unwrap_or_default());
    }
}

/// What became of a file that was to be put away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutAway {
    /// It lies in the archive, under this name.
    Archived(String),
    /// It is gone.
    Shredded,
    /// It stays, as was asked.
    Kept,
    /// Another file lies there by now: it stays, and is the next roster.
    Changed,
    /// It was not there any more.
    Missing,
}

/// Puts away a file of a folder that was used, if it is still the one that was read; and its marker. `stamp` begins its name
/// in the archive.
///
/// # Errors
/// The disk said no. Then the file is where it was, or in the archive, and doing it again does the rest.
pub fn put_away(
    folder: &Path,
    name: &str,
    read: &str,
    after: AfterUse,
    marker: Option<&str>,
    stamp: &str,
) -> io::Result<PutAway> {
    let path = folder.join(name);
    match fs::symlink_metadata(&path) {
        Ok(about) if about.is_file() => {}
        Ok(_) => return Ok(PutAway::Changed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(PutAway::Missing),
        Err(error) => return Err(error),
    }
    if fingerprint(&path)? != read {
        return Ok(PutAway::Changed);
    }
    let done = match after {
        AfterUse::Keep => return Ok(PutAway::Kept),
        AfterUse::Archive => archive(folder, &path, &format!("{stamp}-{name}"))?,
        AfterUse::Shred => {
            shred(&path)?;
            PutAway::Shredded
        }
    };
    if let Some(end) = marker {
        match fs::remove_file(folder.join(format!("{name}{end}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(done)
}

fn archive(folder: &Path, path: &Path, name: &str) -> io::Result<PutAway> {
    let to = folder.join(ARCHIVE);
    if !to.exists() {
        std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(&to)?;
    }
    let free = (0..1000)
        .map(|n| if n == 0 { name.to_owned() } else { format!("{name}.{n}") })
        .find(|name| !to.join(name).exists())
        .ok_or_else(|| io::Error::other("the archive holds too many files of this name"))?;
    let target = to.join(&free);
    match fs::rename(path, &target) {
        Ok(()) => {}
        // Another disk: copied whole, then taken away.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy_over(path, &target)?,
        Err(error) => return Err(error),
    }
    File::open(&to)?.sync_all()?;
    Ok(PutAway::Archived(format!("{ARCHIVE}/{free}")))
}

fn copy_over(from: &Path, to: &PathBuf) -> io::Result<()> {
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    copy.sync_all()?;
    fs::remove_file(from)
}

fn shred(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let mut left = file.metadata()?.len();
    let zeros = vec![0; 64 * 1024];
    while left > 0 {
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all(zeros.get(..n).unwrap_or_default())?;
        left -= n as u64;
    }
    file.sync_all()?;
    drop(file);
    fs::remove_file(path)
}
