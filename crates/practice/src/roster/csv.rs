//! Writes rows as RFC 4180 says: commas, CRLF, quotes where a field needs them. It reads nothing.

use std::io::{self, Write};

/// A writer of rows.
pub(crate) struct Rows<W: Write> {
    out: W,
    line: Vec<u8>,
    fields: usize,
}

impl<W: Write> Rows<W> {
    /// Starts a file with its header row, given as it is to stand there.
    pub(crate) fn start(out: W, header: &str) -> io::Result<Self> {
        let mut rows = Self { out, line: Vec::with_capacity(512), fields: 0 };
        rows.line.extend_from_slice(header.as_bytes());
        rows.end()?;
        Ok(rows)
    }

    /// Adds one field to the row under way.
    pub(crate) fn field(&mut self, value: &str) -> &mut Self {
        if self.fields > 0 {
            self.line.push(b',');
        }
        self.fields += 1;
        let plain = !value.bytes().any(|b| matches!(b, b',' | b'"' | b'\r' | b'\n'))
            && !value.starts_with(' ')
            && !value.ends_with(' ');
        if plain {
            self.line.extend_from_slice(value.as_bytes());
        } else {
            self.line.push(b'"');
            for byte in value.bytes() {
                if byte == b'"' {
                    self.line.push(b'"');
                }
                self.line.push(byte);
            }
            self.line.push(b'"');
        }
        self
    }

    /// Adds several fields.
    pub(crate) fn fields(&mut self, values: &[&str]) -> &mut Self {
        for value in values {
            self.field(value);
        }
        self
    }

    /// Ends the row.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.line.extend_from_slice(b"\r\n");
        self.out.write_all(&self.line)?;
        self.line.clear();
        self.fields = 0;
        Ok(())
    }

    /// Writes a whole row.
    pub(crate) fn row(&mut self, values: &[&str]) -> io::Result<()> {
        self.fields(values).end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_only_where_they_must_be() {
        let mut out = Vec::new();
        let mut rows = Rows::start(&mut out, "a,b").unwrap();
        rows.row(&["plain", "Smith, Jr."]).unwrap();
        rows.row(&["say \"hi\"", "two\nlines"]).unwrap();
        rows.row(&["", " led"]).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "a,b\r\nplain,\"Smith, Jr.\"\r\n\"say \"\"hi\"\"\",\"two\nlines\"\r\n,\" led\"\r\n"
        );
    }
}
