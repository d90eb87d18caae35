//! Files that nobody can read without the key: a row of sealed pieces, each bound to its file and place, the last one
//! marked as such, so that nothing can be cut off, moved or taken from another file unnoticed.
//!
//! How a piece is sealed is the program's matter ([`Seal`]); a source has no key.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// Seals and opens pieces of files.
pub trait Seal: Send + Sync + fmt::Debug {
    /// Seals a piece, which then opens at the same `place` alone.
    ///
    /// # Errors
    /// It could not be sealed; nothing is written then.
    fn seal(&self, place: &str, plain: &[u8]) -> io::Result<Vec<u8>>;

    /// Opens a piece.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where it was cut, changed or moved, or sealed with another key.
    fn open(&self, place: &str, sealed: &[u8]) -> io::Result<Vec<u8>>;
}

/// How many bytes are sealed at once.
const PIECE: usize = 64 * 1024;
/// More than any sealed piece has: a length above it is none.
const MOST: u32 = 1 << 20;

fn place(name: &str, piece: u64, last: bool) -> String {
    format!("{name}/{piece}/{}", if last { "last" } else { "more" })
}

/// A sealed file on its way to the disk.
pub(crate) struct SealedWriter {
    file: BufWriter<File>,
    seal: Arc<dyn Seal>,
    name: String,
    plain: Vec<u8>,
    piece: u64,
}

impl SealedWriter {
    /// Makes a private file at `path`; `name` is what it is bound to.
    pub(crate) fn create(path: &Path, name: String, seal: Arc<dyn Seal>) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Ok(Self { file: BufWriter::new(file), seal, name, plain: Vec::with_capacity(PIECE * 2), piece: 0 })
    }

    /// Adds bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.plain.extend_from_slice(bytes);
        while self.plain.len() > PIECE {
            let rest = self.plain.split_off(PIECE);
            let piece = std::mem::replace(&mut self.plain, rest);
            self.piece(&piece, false)?;
        }
        Ok(())
    }

    fn piece(&mut self, plain: &[u8], last: bool) -> io::Result<()> {
        let sealed = self.seal.seal(&place(&self.name, self.piece, last), plain)?;
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&sealed)?;
        self.piece += 1;
        Ok(())
    }

    /// Writes the rest, to the disk itself.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.plain);
        self.piece(&rest, true)?;
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }
}

/// A sealed file being read.
pub(crate) struct SealedReader {
    file: BufReader<File>,
    seal: Arc<dyn Seal>,
    name: String,
    plain: Vec<u8>,
    at: usize,
    piece: u64,
    /// The length of the next piece; `None` behind the last.
    next: Option<u32>,
}

impl SealedReader {
    /// Opens a file that was bound to `name`.
    pub(crate) fn open(path: &Path, name: String, seal: Arc<dyn Seal>) -> io::Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        // A file without a piece was cut: even an empty one has its last.
        let next = Some(length(&mut file)?.ok_or_else(cut)?);
        Ok(Self { file, seal, name, plain: Vec::new(), at: 0, piece: 0, next })
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a sealed file was cut or changed")
}

fn length(file: &mut BufReader<File>) -> io::Result<Option<u32>> {
    let mut bytes = [0; 4];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(cut()),
            n => filled += n,
        }
    }
    match u32::from_le_bytes(bytes) {
        length if length <= MOST => Ok(Some(length)),
        _ => Err(cut()),
    }
}

impl Read for SealedReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() {
            let Some(wanted) = self.next else { return Ok(0) };
            let mut sealed = vec![0; wanted as usize];
            self.file.read_exact(&mut sealed).map_err(|_| cut())?;
            self.next = length(&mut self.file)?;
            let place = place(&self.name, self.piece, self.next.is_none());
            self.plain = self.seal.open(&place, &sealed)?;
            self.piece += 1;
            self.at = 0;
        }
        let n = to.len().min(self.plain.len() - self.at);
        if let (Some(to), Some(from)) = (to.get_mut(..n), self.plain.get(self.at..self.at + n)) {
            to.copy_from_slice(from);
        }
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// No seal at all, but its places are held to.
    #[derive(Debug)]
    pub(crate) struct Plain;

    impl Seal for Plain {
        fn seal(&self, place: &str, plain: &[u8]) -> io::Result<Vec<u8>> {
            Ok([place.as_bytes(), b"|", plain].concat())
        }

        fn open(&self, place: &str, sealed: &[u8]) -> io::Result<Vec<u8>> {
            let rest = sealed.strip_prefix(place.as_bytes()).and_then(|rest| rest.strip_prefix(b"|"));
            rest.map(<[u8]>::to_vec).ok_or_else(cut)
        }
    }

    fn read(path: &Path, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        SealedReader::open(path, name.to_owned(), Arc::new(Plain))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn what_was_written_is_read_and_nothing_less() {
        let folder = tempfile::tempdir().unwrap();
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let path = folder.path().join(format!("{size}"));
            let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let mut writer = SealedWriter::create(&path, "g/users".to_owned(), Arc::new(Plain)).unwrap();
            bytes.chunks(10_007).for_each(|chunk| writer.add(chunk).unwrap());
            writer.finish().unwrap();
            assert_eq!(read(&path, "g/users").unwrap(), bytes);
            assert!(read(&path, "h/users").is_err());
            // Cut anywhere, even between two pieces, it is no file.
            let whole = std::fs::read(&path).unwrap();
            for cut in [0, 3, 4, whole.len() / 2, whole.len() - 1, PIECE + 13] {
                if cut < whole.len() {
                    std::fs::write(&path, &whole[..cut]).unwrap();
                    assert!(read(&path, "g/users").is_err(), "{size} cut at {cut}");
                }
            }
        }
    }
}
