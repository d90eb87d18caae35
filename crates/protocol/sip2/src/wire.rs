//! How one server wants its messages, and the buffer that cuts what arrives into frames.

use crate::checksum::ChecksumRule;
use crate::encoding::Encoding;

/// What ends a message that is sent. What is received may end either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Terminator {
    /// A carriage return, as the specification says.
    #[default]
    Cr,
    /// A carriage return and a line feed.
    CrLf,
}

impl Terminator {
    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> &'static [u8] {
        match self {
            Self::Cr => b"\r",
            Self::CrLf => b"\r\n",
        }
    }
}

/// How one server wants its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// What stands behind each variable field.
    pub delimiter: Delimiter,
    /// How letters travel.
    pub encoding: Encoding,
    /// What ends a message that is sent.
    pub terminator: Terminator,
    /// Which sums are believed.
    pub checksum: ChecksumRule,
    /// The longest message that is read or sent, in bytes without its end.
    pub frame_limit: usize,
    /// The longest text of one field that is sent, in bytes.
    pub value_limit: usize,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            delimiter: Delimiter::default(),
            encoding: Encoding::default(),
            terminator: Terminator::default(),
            checksum: ChecksumRule::default(),
            frame_limit: 65_536,
            value_limit: 255,
        }
    }
}

/// What stands behind each variable field: ASCII punctuation, which alone can be told from what a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delimiter(u8);

impl Delimiter {
    /// A delimiter; none where it is not ASCII punctuation.
    #[must_use]
    pub fn new(byte: u8) -> Option<Self> {
        byte.is_ascii_punctuation().then_some(Self(byte))
    }

    /// The byte.
    #[must_use]
    pub fn byte(self) -> u8 {
        self.0
    }
}

impl Default for Delimiter {
    fn default() -> Self {
        Self(b'|')
    }
}

/// More arrived without an end than a message may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {limit} bytes came without the end of a message")]
pub struct FrameTooLong {
    /// The limit.
    pub limit: usize,
}

/// Cuts what arrives into frames. Never holds more than the limit and one end.
#[derive(Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    limit: usize,
}

impl Framer {
    /// An empty one.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), limit }
    }

    /// Takes bytes in, up to the end of the next frame: how many were taken, and the frame that they ended (without its
    /// end). Ends and line feeds before a frame are skipped.
    ///
    /// # Errors
    /// [`FrameTooLong`] where the limit is passed.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(usize, Option<Vec<u8>>), FrameTooLong> {
        let mut skipped = 0;
        if self.buffer.is_empty() {
            skipped = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n' | 0)).count();
        }
        let rest = bytes.get(skipped..).unwrap_or_default();
        let end = rest.iter().position(|b| *b == b'\r');
        let piece = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if self.buffer.len() + piece.len() > self.limit {
            return Err(FrameTooLong { limit: self.limit });
        }
        if self.buffer.capacity() < self.buffer.len() + piece.len() {
            // Grown in steps, and never past the limit.
            let wanted = (2 * (self.buffer.len() + piece.len())).min(self.limit);
            self.buffer.reserve_exact(wanted - self.buffer.len());
        }
        self.buffer.extend_from_slice(piece);
        let taken = skipped + piece.len() + usize::from(end.is_some());
        Ok((taken, end.map(|_| std::mem::take(&mut self.buffer))))
    }

    /// How many bytes of an unfinished frame there are.
    #[must_use]
    pub fn partial(&self) -> usize {
        self.buffer.len()
    }

    /// How many bytes are set aside.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(chunks: &[&[u8]]) -> Vec<String> {
        let mut framer = Framer::new(100);
        let mut out = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while !rest.is_empty() {
                let (taken, frame) = framer.take(rest).unwrap();
                rest = &rest[taken..];
                out.extend(frame.map(|f| String::from_utf8(f).unwrap()));
            }
        }
        out
    }

    #[test]
    fn frames_however_they_are_cut_and_ended() {
        assert_eq!(frames(&[b"\r\n\n941\r\n98", b"Y\r", b"\n96\r"]), ["941", "98Y", "96"]);
        assert_eq!(frames(&[b"9", b"4", b"1", b"\r"]), ["941"]);
        assert!(frames(&[b"None"]).is_empty());
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let mut framer = Framer::new(10);
        assert!(framer.take(b"0123456789").is_ok());
        assert!(framer.capacity() <= 10);
        assert_eq!(framer.take(b"x"), Err(FrameTooLong { limit: 10 }));
        assert_eq!(framer.take(b"\r").unwrap().1.as_deref(), Some(&b"0123456789"[..]));
    }
}
