//! Encodings of text files: found out, then read as UTF-8.
//!
//! A byte order mark decides; without one, a file that is UTF-8 from end to end is UTF-8, one with a zero in every other byte
//! is UTF-16, and anything else is taken for Windows-1252, which is said. What the bytes mean in other encodings is not
//! guessed.

use std::io::{self, Read};

use encoding_rs::{Decoder, Encoding as Coding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// The encoding of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// Windows-1252, of which Latin-1 is a part.
    Windows1252,
    /// UTF-16, little end first.
    Utf16Le,
    /// UTF-16, big end first.
    Utf16Be,
}

impl Encoding {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Windows1252 => "Windows-1252",
            Self::Utf16Le => "UTF-16 (little-endian)",
            Self::Utf16Be => "UTF-16 (big-endian)",
        }
    }

    fn coding(self) -> &'static Coding {
        match self {
            Self::Utf8 => UTF_8,
            Self::Windows1252 => WINDOWS_1252,
            Self::Utf16Le => UTF_16LE,
            Self::Utf16Be => UTF_16BE,
        }
    }
}

/// What was found out about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detected {
    /// The encoding.
    pub encoding: Encoding,
    /// Whether it was only taken to be so, because it is nothing else.
    pub guessed: bool,
}

/// Finds out the encoding of a file by reading it once, with little memory.
///
/// # Errors
/// What stopped the reading.
pub fn detect(mut file: impl Read) -> io::Result<Detected> {
    let mut buffer = vec![0; 64 * 1024];
    let mut checked = Checked::default();
    let mut first = true;
    loop {
        let n = fill(&mut file, &mut buffer)?;
        let bytes = buffer.get(..n).unwrap_or_default();
        if first {
            first = false;
            for (mark, encoding) in [
                (&b"\xef\xbb\xbf"[..], Encoding::Utf8),
                (b"\xff\xfe", Encoding::Utf16Le),
                (b"\xfe\xff", Encoding::Utf16Be),
            ] {
                if bytes.starts_with(mark) {
                    return Ok(Detected { encoding, guessed: false });
                }
            }
            // Letters of the Latin alphabet in UTF-16 have a zero each.
            match bytes.get(..4) {
                Some([a, 0, b, 0]) if *a != 0 && *b != 0 => {
                    return Ok(Detected { encoding: Encoding::Utf16Le, guessed: true });
                }
                Some([0, a, 0, b]) if *a != 0 && *b != 0 => {
                    return Ok(Detected { encoding: Encoding::Utf16Be, guessed: true });
                }
                _ => {}
            }
        }
        if n == 0 {
            let encoding = if checked.ended_well() { Encoding::Utf8 } else { Encoding::Windows1252 };
            return Ok(Detected { encoding, guessed: encoding != Encoding::Utf8 });
        }
        if !checked.go_on(bytes) {
            return Ok(Detected { encoding: Encoding::Windows1252, guessed: true });
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether pieces of a file are UTF-8, though a character may lie across two of them.
#[derive(Default)]
struct Checked {
    left: Vec<u8>,
}

impl Checked {
    fn go_on(&mut self, bytes: &[u8]) -> bool {
        let mut all = std::mem::take(&mut self.left);
        all.extend_from_slice(bytes);
        match std::str::from_utf8(&all) {
            Ok(_) => true,
            Err(error) if error.error_len().is_none() => {
                self.left = all.split_off(error.valid_up_to());
                true
            }
            Err(_) => false,
        }
    }

    fn ended_well(&self) -> bool {
        self.left.is_empty()
    }
}

/// A file of any of the encodings, read as UTF-8. Bytes that mean nothing become U+FFFD, for whoever reads the rows to find;
/// a byte order mark is taken off.
pub struct Decoded<R> {
    file: R,
    decoder: Decoder,
    raw: Vec<u8>,
    ready: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    /// Reads `file` as `encoding`.
    pub fn new(file: R, encoding: Encoding) -> Self {
        let decoder = encoding.coding().new_decoder_with_bom_removal();
        Self { file, decoder, raw: vec![0; 32 * 1024], ready: Vec::new(), at: 0, ended: false }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() && !self.ended {
            let n = fill(&mut self.file, &mut self.raw)?;
            self.ended = n < self.raw.len();
            let raw = self.raw.get(..n).unwrap_or_default();
            let mut text = String::with_capacity(
                self.decoder.max_utf8_buffer_length(raw.len()).unwrap_or(raw.len().saturating_mul(3) + 16),
            );
            // The room is enough for all of it, so one call does.
            let (_, _, _) = self.decoder.decode_to_string(raw, &mut text, self.ended);
            self.ready = text.into_bytes();
            self.at = 0;
        }
        let rest = self.ready.get(self.at..).unwrap_or_default();
        let n = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Núñez, Zoë – O’Hara\n";

    fn utf16(text: &str, little: bool, mark: bool) -> Vec<u8> {
        let marked = if mark { "\u{feff}" } else { "" };
        let units = marked.encode_utf16().chain(text.encode_utf16());
        units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    }

    #[test]
    fn every_encoding_is_found_and_read() {
        let (windows, _, _) = WINDOWS_1252.encode(TEXT);
        let cases: [(Vec<u8>, Encoding, bool); 7] = [
            (TEXT.into(), Encoding::Utf8, false),
            (format!("\u{feff}{TEXT}").into(), Encoding::Utf8, false),
            (windows.into_owned(), Encoding::Windows1252, true),
            (utf16(TEXT, true, true), Encoding::Utf16Le, false),
            (utf16(TEXT, false, true), Encoding::Utf16Be, false),
            (utf16(&format!("ab{TEXT}"), true, false), Encoding::Utf16Le, true),
            (Vec::new(), Encoding::Utf8, false),
        ];
        for (bytes, encoding, guessed) in cases {
            let found = detect(&bytes[..]).unwrap();
            assert_eq!(found, Detected { encoding, guessed });
            let mut text = String::new();
            Decoded::new(&bytes[..], found.encoding).read_to_string(&mut text).unwrap();
            assert!(bytes.is_empty() || text.ends_with(TEXT), "{encoding:?}: {text:?}");
            assert!(!text.contains('\u{feff}'));
        }
    }

    #[test]
    fn a_character_across_two_pieces_is_one() {
        // 'a' and then only two-byte letters: they lie across every even boundary.
        let long = format!("a{}", "é".repeat(200_000));
        assert_eq!(detect(long.as_bytes()).unwrap().encoding, Encoding::Utf8);
        let mut back = String::new();
        Decoded::new(long.as_bytes(), Encoding::Utf8).read_to_string(&mut back).unwrap();
        assert!(back == long);
        let cut = &long.as_bytes()[..long.len() - 1];
        assert_eq!(detect(cut).unwrap().encoding, Encoding::Windows1252);
    }

    #[test]
    fn bytes_that_mean_nothing_are_marked() {
        let mut text = String::new();
        Decoded::new(&b"a\xffb"[..], Encoding::Utf8).read_to_string(&mut text).unwrap();
        assert_eq!(text, "a\u{fffd}b");
    }
}
