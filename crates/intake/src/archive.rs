//! A zip as a package: its central directory read and judged before a single byte is unpacked.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::PackageError;
use crate::limits::Limits;
use crate::names;
use crate::package::Found;

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const EMPTY_ARCHIVE: &[u8] = b"PK\x05\x06";

/// Opens the zip's central directory.
pub(crate) fn open(package: &str, path: &Path) -> Result<ZipArchive<File>, PackageError> {
    let io = |source| PackageError::Io { place: package.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let first = first_bytes(&mut file).map_err(io)?;
    if first.is_empty() {
        return Err(PackageError::Empty { package: package.to_owned() });
    }
    if !first.starts_with(LOCAL_HEADER) && !first.starts_with(EMPTY_ARCHIVE) {
        // A first few bytes of a zip are not enough to know it by.
        return Err(match LOCAL_HEADER.starts_with(&first) {
            true => PackageError::HalfUploaded { package: package.to_owned() },
            false => PackageError::NotAPackage { package: package.to_owned() },
        });
    }
    ZipArchive::new(file).map_err(|error| match error {
        ZipError::Io(source) if source.kind() != io::ErrorKind::UnexpectedEof => io(source),
        // The directory is a zip's last part, so a beginning without an end is an upload without an end.
        _ => PackageError::HalfUploaded { package: package.to_owned() },
    })
}

/// Lists the archive's files and refuses what must not be unpacked.
pub(crate) fn list(
    package: &str,
    archive: &mut ZipArchive<File>,
    limits: &Limits,
) -> Result<Vec<Found>, PackageError> {
    if archive.len() > limits.entries {
        return Err(PackageError::TooManyEntries { package: package.to_owned(), limit: limits.entries });
    }
    if archive.has_duplicate_names() {
        // The reader keeps one of the two, so that which name it was is no longer known.
        return Err(PackageError::Duplicate { package: package.to_owned(), name: "a file".to_owned() });
    }
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(|error| from_zip(package, error))?;
        let name = file.name().map_err(|error| from_zip(package, error))?.into_owned();
        if let Some(why) = names::unsafe_because(&name) {
            let name = name.escape_debug().to_string();
            return Err(PackageError::UnsafeName { package: package.to_owned(), name, why });
        }
        if file.is_dir() || names::is_noise(&name) {
            continue;
        }
        if file.is_symlink() {
            return Err(PackageError::Symlink { package: package.to_owned(), name });
        }
        if file.encrypted() {
            return Err(PackageError::Encrypted { file: name });
        }
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        found.push(Found { name, index, stamp: None, packed: Some(file.compressed_size()) });
    }
    Ok(found)
}

/// A zip reader's error in our words.
pub(crate) fn from_zip(place: &str, error: ZipError) -> PackageError {
    let place = place.to_owned();
    match error {
        ZipError::Io(source) => PackageError::from_read(&place, source),
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            PackageError::Method { file: place }
        }
        ZipError::InvalidPassword => PackageError::Encrypted { file: place },
        other => PackageError::Damaged { place, what: other.to_string() },
    }
}

fn first_bytes(file: &mut File) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(4);
    file.by_ref().take(4).read_to_end(&mut first)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(first)
}
