//! The first bytes of a text file: a byte order mark that is taken off, or that says the file is no UTF-8.
//!
//! Guessing an encoding from the rest of the bytes is not done here; bytes that are not UTF-8 are found row by
//! row by whoever reads the rows, so that one bad name costs one row.

use std::io::{self, Chain, Cursor, Read};

use crate::error::PackageError;

/// Marks of encodings that are not read yet. UTF-32 stands before UTF-16, whose little-endian mark it begins with.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"PK\x03\x04", "a zip or a spreadsheet's own format"),
];
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// A text file without its byte order mark.
pub type Text<R> = Chain<Cursor<Vec<u8>>, R>;

/// Takes the mark off a UTF-8 file, and refuses one whose first bytes say that it is something else.
///
/// # Errors
/// [`PackageError::Encoding`] for the latter, and whatever stopped the reading.
pub fn open<R: Read>(file: &str, mut reader: R) -> Result<Text<R>, PackageError> {
    let first = first_bytes(&mut reader).map_err(|error| PackageError::from_read(file, error))?;
    if let Some((_, encoding)) = FOREIGN.iter().find(|(mark, _)| first.starts_with(mark)) {
        return Err(PackageError::Encoding { file: file.to_owned(), encoding });
    }
    let skip = if first.starts_with(UTF8_MARK) { UTF8_MARK.len() } else { 0 };
    let rest = first.get(skip..).unwrap_or_default().to_vec();
    Ok(Cursor::new(rest).chain(reader))
}

fn first_bytes(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(4);
    reader.take(4).read_to_end(&mut first)?;
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_taken_off_and_the_rest_is_whole() {
        for (bytes, text) in [
            (&b"\xef\xbb\xbfname"[..], "name"),
            (b"name", "name"),
            (b"\xef\xbb\xbf", ""),
            (b"", ""),
            (b"n", "n"),
        ] {
            let mut out = String::new();
            open("users.csv", bytes).unwrap().read_to_string(&mut out).unwrap();
            assert_eq!(out, text);
        }
    }

    #[test]
    fn other_encodings_are_named() {
        for (bytes, word) in [
            (&b"\xff\xfen\0"[..], "UTF-16"),
            (b"\xfe\xff\0n", "UTF-16"),
            (b"\xff\xfe\0\0", "UTF-32"),
            (b"PK\x03\x04", "spreadsheet"),
        ] {
            let error = open("users.csv", bytes).err().unwrap().to_string();
            assert!(error.contains(word) && error.starts_with("users.csv"), "{error}");
        }
    }
}
