//! Private files by school: each written whole under another name, then renamed; readable by their owner alone; never over
//! a file that is there.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rostercard_store::rows::PinBatchId;
use thiserror::Error;

use super::Recipient;
use super::letters;

/// Why the files could not be written.
#[derive(Debug, Error)]
pub(crate) enum FilesError {
    /// Others could read it.
    #[error("others may read the folder {0}")]
    Open(PathBuf),
    /// The disk said no.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// A file of this name is there.
    #[error("{0} is there already")]
    There(PathBuf),
}

impl FilesError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Open(_) => {
                "PINs go into a folder of mode 0700: chmod 700, or name one that is not there yet"
            }
            Self::Io(..) => {
                "look at the folder and the disk; the PINs are still kept: export them with --again"
            }
            Self::There(_) => {
                "move it away, or name another folder; the PINs are still kept: export them with --again"
            }
        }
    }
}

/// A folder that its owner alone can read.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Opens the folder, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, FilesError> {
        let io = |error| FilesError::Io(path.to_owned(), error);
        if !path.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        }
        let mode = fs::metadata(path).map_err(io)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(FilesError::Open(path.to_owned()));
        }
        Ok(Self(path.to_owned()))
    }

    /// Writes a list, and letters where they are wanted, for each school; their names.
    pub(crate) fn write(
        &self,
        library: &str,
        partnership: &str,
        batch: PinBatchId,
        recipients: Vec<Recipient>,
        with_letters: bool,
    ) -> Result<Vec<String>, FilesError> {
        let mut schools: BTreeMap<(String, String), Vec<Recipient>> = BTreeMap::new();
        for recipient in recipients {
            schools.entry(recipient.school.clone()).or_default().push(recipient);
        }
        let mut written = Vec::new();
        for ((key, label), mut people) in schools {
            let by_name = |one: &Recipient| {
                (one.grade.clone(), one.family_name.reveal().to_owned(), one.given_name.reveal().to_owned())
            };
            people.sort_by_cached_key(by_name);
            let stem = format!("{partnership}-batch{batch}-{}", slug(&key, &label));
            if people.iter().any(|one| one.card.is_some()) {
                written.push(self.put(&format!("{stem}.csv"), &list(&label, &people)?)?);
            }
            if with_letters {
                written.push(
                    self.put(&format!("{stem}.html"), letters::page(library, &label, &people).as_bytes())?,
                );
            }
        }
        Ok(written)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<String, FilesError> {
        let path = self.0.join(name);
        let io = |error| FilesError::Io(path.clone(), error);
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(&self.0).map_err(io)?;
        file.write_all(bytes).map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        file.persist_noclobber(&path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => FilesError::There(path.clone()),
            _ => FilesError::Io(path.clone(), error.error),
        })?;
        Ok(path.display().to_string())
    }
}

/// The list of a school as CSV, UTF-8.
fn list(school: &str, people: &[Recipient]) -> Result<Vec<u8>, FilesError> {
    let wrong = |error: csv::Error| FilesError::Io(PathBuf::from("the list"), io::Error::other(error));
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["student_id", "family_name", "given_name", "grade", "school", "barcode", "pin"])
        .map_err(wrong)?;
    for one in people {
        let Some((barcode, pin)) = &one.card else { continue };
        csv.write_record([
            cell(one.student_id.reveal()),
            cell(one.family_name.reveal()),
            cell(one.given_name.reveal()),
            cell(&one.grade),
            cell(school),
            cell(barcode.reveal()),
            cell(pin.reveal()),
        ])
        .map_err(wrong)?;
    }
    csv.into_inner()
        .map_err(|error| FilesError::Io(PathBuf::from("the list"), io::Error::other(error.to_string())))
}

/// A cell that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// A school's part of a file name.
fn slug(key: &str, label: &str) -> String {
    let text = if label.is_empty() { "no-school" } else { label };
    let mut slug = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    // Names in other letters, and two schools of one name, are told apart by their key.
    let short = sum_of(key);
    if slug.is_empty() {
        format!("school-{short}")
    } else {
        format!("{}-{short}", slug.chars().take(40).collect::<String>())
    }
}

/// A few digits that stand for a key: a file's name need not be guessed back.
fn sum_of(key: &str) -> String {
    let mut sum: u32 = 0x811c_9dc5;
    for byte in key.bytes() {
        sum = (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    format!("{sum:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_plain_and_of_one_school_each() {
        assert!(slug("0123", "0123 Douglass / Middle").starts_with("0123-douglass-middle-"));
        assert!(slug("9", "學校").starts_with("school-"));
        assert!(slug("", "").starts_with("no-school-"));
        assert_ne!(slug("1", "Oak"), slug("2", "Oak"));
        assert!(slug("1", "../../etc/passwd").starts_with("etc-passwd-"));
    }

    #[test]
    fn no_cell_is_a_formula() {
        for (text, safe) in
            [("=1+1", "'=1+1"), ("@x", "'@x"), ("-5", "'-5"), ("O'Hara", "O'Hara"), ("0042", "0042")]
        {
            assert_eq!(cell(text), safe);
        }
    }
}
