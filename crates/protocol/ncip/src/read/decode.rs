//! Bytes to text. A byte order mark is believed first, then the HTTP header, then the XML declaration, then UTF-8.
//!
//! The mark goes before the header (RFC 7303, section 3): a mark cannot be there by accident, a server's default charset
//! often is. Bytes that do not fit are an error, never replaced: a name with a hole in it would be compared and written.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::ReadError;

/// How far into the bytes an XML declaration may reach.
const DECLARATION: usize = 256;

pub(super) fn decode<'a>(body: &'a [u8], charset: Option<&str>) -> Result<Cow<'a, str>, ReadError> {
    if let Some((encoding, mark)) = Encoding::for_bom(body) {
        return whole(encoding, body.get(mark..).unwrap_or_default());
    }
    let named = match charset.map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => Some(by_name(name.trim_matches(['"', '\'']))?),
        None => None,
    };
    let encoding = match named.or_else(|| wide(body)) {
        Some(encoding) => encoding,
        None => declared(body)?.unwrap_or(UTF_8),
    };
    whole(encoding, body)
}

fn whole<'a>(encoding: &'static Encoding, body: &'a [u8]) -> Result<Cow<'a, str>, ReadError> {
    encoding
        .decode_without_bom_handling_and_without_replacement(body)
        .ok_or(ReadError::NotText { encoding: encoding.name() })
}

fn by_name(name: &str) -> Result<&'static Encoding, ReadError> {
    Encoding::for_label_no_replacement(name.as_bytes()).ok_or(ReadError::UnknownEncoding)
}

/// UTF-16 without a mark shows itself by the zero beside its first `<`.
fn wide(body: &[u8]) -> Option<&'static Encoding> {
    match body {
        [b'<', 0, ..] => Some(UTF_16LE),
        [0, b'<', ..] => Some(UTF_16BE),
        _ => None,
    }
}

/// The encoding that the XML declaration names, if there is one and it names one.
fn declared(body: &[u8]) -> Result<Option<&'static Encoding>, ReadError> {
    let start = body.trim_ascii_start();
    let start = start.get(..DECLARATION).unwrap_or(start);
    if !start.starts_with(b"<?xml") {
        return Ok(None);
    }
    let Some(end) = start.windows(2).position(|pair| pair == b"?>") else {
        return Ok(None);
    };
    let declaration = String::from_utf8_lossy(start.get(..end).unwrap_or_default());
    let Some((_, value)) = declaration.split_once("encoding") else {
        return Ok(None);
    };
    let value = value.trim_start().trim_start_matches('=').trim_start();
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return Ok(None);
    };
    let name = value.trim_start_matches(quote).split(quote).next().unwrap_or_default();
    let encoding = by_name(name)?;
    // The declaration itself was read as ASCII, so it cannot be UTF-16 whatever it says.
    Ok(Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_wins_then_the_header_then_the_declaration() {
        let latin1 = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>";
        let utf8 = "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><a>é</a>";
        let marked = [b"\xef\xbb\xbf".as_slice(), "<a>é</a>".as_bytes()].concat();
        let wide: Vec<u8> = "<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let cases: [(&[u8], Option<&str>, &str); 7] = [
            (latin1, None, "<a>é</a>"),
            (latin1, Some("windows-1252"), "<a>é</a>"),
            (utf8.as_bytes(), Some("\"utf-8\""), "<a>é</a>"),
            (utf8.as_bytes(), None, "<a>Ã©</a>"),
            (&marked, Some("iso-8859-1"), "<a>é</a>"),
            (&wide, None, "<a>é</a>"),
            ("<?xml version='1.0' encoding='UTF-16'?><a>é</a>".as_bytes(), None, "<a>é</a>"),
        ];
        for (bytes, charset, wanted) in cases {
            let text = decode(bytes, charset).unwrap();
            assert!(text.ends_with(wanted), "{text}");
        }
    }

    #[test]
    fn bytes_that_do_not_fit_are_an_error() {
        let not_utf8 = ReadError::NotText { encoding: "UTF-8" };
        assert_eq!(decode(b"<a>\xe9</a>", None).unwrap_err(), not_utf8);
        assert_eq!(decode(b"<a>\xe9</a>", Some("utf-8")).unwrap_err(), not_utf8);
        assert_eq!(decode(b"<a/>", Some("klingon")).unwrap_err(), ReadError::UnknownEncoding);
        assert_eq!(
            decode(b"<?xml version='1.0' encoding='klingon'?><a/>", None).unwrap_err(),
            ReadError::UnknownEncoding
        );
    }
}
