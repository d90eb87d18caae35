//! What can be wrong with a package. Every error names the file, says in
//! [`PackageError::hint`] what to do, and never shows contents.

use std::io;

/// Why a package, or one file in it, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// There is nothing at the configured path.
    #[error("{package}: there is no such file or folder")]
    NotFound {
        /// The path as configured.
        package: String,
    },
    /// The operating system refused.
    #[error("{place}: cannot be read ({source})")]
    Io {
        /// The package or the file in it.
        place: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file that is neither a folder nor a zip.
    #[error("{package}: this is neither a folder nor a zip")]
    NotAPackage {
        /// The path as configured.
        package: String,
    },
    /// An empty file where a zip should be.
    #[error("{package}: the file is empty")]
    Empty {
        /// The path as configured.
        package: String,
    },
    /// A zip without its central directory, which is written last.
    #[error(
        "{package}: the zip has no central directory, which is its last part: the upload is not finished, or broke off"
    )]
    HalfUploaded {
        /// The path as configured.
        package: String,
    },
    /// A zip whose structure is broken.
    #[error("{place}: the zip is damaged ({what})")]
    Damaged {
        /// The package or the file in it.
        place: String,
        /// What the zip reader found; it speaks of structure only.
        what: String,
    },
    /// More files than any roster has.
    #[error("{package}: more than {limit} files")]
    TooManyEntries {
        /// The path as configured.
        package: String,
        /// The cap.
        limit: usize,
    },
    /// One file is larger than its cap.
    #[error("{file}: larger than {limit} bytes when unpacked")]
    EntryTooLarge {
        /// The file in the package.
        file: String,
        /// The cap in bytes.
        limit: u64,
    },
    /// All files together are larger than their cap.
    #[error("{file}: the package is larger than {limit} bytes when unpacked")]
    PackageTooLarge {
        /// The file that was being read.
        file: String,
        /// The cap in bytes.
        limit: u64,
    },
    /// A file that unpacks to far more than text does.
    #[error("{file}: unpacks to more than {limit} times its size, as a zip bomb does")]
    Ratio {
        /// The file in the package.
        file: String,
        /// The cap.
        limit: u64,
    },
    /// A name that points outside the package.
    #[error("{package}: a file's name is not safe ({name}: {why})")]
    UnsafeName {
        /// The path as configured.
        package: String,
        /// The name, with anything unprintable escaped.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A symbolic link, which could point anywhere.
    #[error("{package}: {name} is a symbolic link")]
    Symlink {
        /// The path as configured.
        package: String,
        /// The link's name in the package.
        name: String,
    },
    /// Something that is no regular file: a pipe, a socket, a device.
    #[error("{package}: {name} is neither a file nor a folder")]
    Special {
        /// The path as configured.
        package: String,
        /// The name in the package.
        name: String,
    },
    /// A file that needs a password.
    #[error("{file}: the file is encrypted")]
    Encrypted {
        /// The file in the package.
        file: String,
    },
    /// A compression method other than stored and deflate.
    #[error("{file}: packed with a method that is not supported")]
    Method {
        /// The file in the package.
        file: String,
    },
    /// Two files of one name, of which only one could be right.
    #[error("{package}: {name} is there more than once")]
    Duplicate {
        /// The path as configured.
        package: String,
        /// The name.
        name: String,
    },
    /// A file that was asked for is not in the package.
    #[error("{file}: not in the package")]
    Missing {
        /// The file that was asked for.
        file: String,
    },
    /// The package was replaced or rewritten under our hands.
    #[error("{place}: changed while it was being read")]
    Changed {
        /// The package or the file in it.
        place: String,
    },
    /// The file is text, but not in UTF-8.
    #[error("{file}: the file is in {encoding}, not in UTF-8")]
    Encoding {
        /// The file in the package.
        file: String,
        /// What its byte order mark says.
        encoding: &'static str,
    },
}

impl PackageError {
    /// What to do next, as a sentence.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "Check the path, and whether the district has sent anything",
            Self::Io { .. } => "Check its permissions and its disk",
            Self::NotAPackage { .. } => "Ask the district for the zipped CSV files",
            Self::Empty { .. } => "Wait for the upload to end, or ask the district to send it again",
            Self::HalfUploaded { .. } => "Wait for the upload to end, or ask the district to send it again",
            Self::Damaged { .. } => "Ask the district to send it again",
            Self::TooManyEntries { .. } => "Ask the district for a package that holds the roster alone",
            Self::EntryTooLarge { .. } | Self::PackageTooLarge { .. } => {
                "Raise the limit if the roster really is that large"
            }
            Self::Ratio { .. } => "Nothing of it was used; ask the district what it sent",
            Self::UnsafeName { .. } => "Ask the district to zip the files alone",
            Self::Symlink { .. } => "Links are not followed, put the file itself there",
            Self::Special { .. } => "Put a regular file there",
            Self::Encrypted { .. } => {
                "Rostercard reads no passwords for zips, ask for it unencrypted over SFTP"
            }
            Self::Method { .. } => "Zip the files again with the usual method (deflate)",
            Self::Duplicate { .. } => "Which one is right cannot be known, send one",
            Self::Missing { .. } => "Ask the district for a complete one",
            Self::Changed { .. } => "Nothing of it was used, the next run reads it again",
            Self::Encoding { .. } => "Ask for an export as UTF-8",
        }
    }

    /// The error that a reader of an entry stopped with, if this was ours, or the operating system's as it is.
    #[must_use]
    pub fn from_read(file: &str, error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Damaged { place: file.to_owned(), what: "it ends too early".to_owned() }
            }
            // Not the operating system's own, so the unpacker's: a broken stream, a checksum that does not match.
            Err(source) if source.raw_os_error().is_none() => {
                Self::Damaged { place: file.to_owned(), what: source.to_string() }
            }
            Err(source) => Self::Io { place: file.to_owned(), source },
        }
    }

    /// Whether waiting for the upload to finish may be all that is needed.
    #[must_use]
    pub fn may_be_unfinished(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::Empty { .. } | Self::HalfUploaded { .. } | Self::Changed { .. }
        )
    }
}
