//! A page of a collection, taken apart into the bytes of its records.
//!
//! A record that is no JSON costs itself and nothing else: where the page is not well formed, records are found again by
//! their beginnings. What a record says is [`super::record`]'s to read; here nothing is copied.

use std::borrow::Cow;

use super::json::{Stop, skip, white};

/// A page's records, as bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Page<'a> {
    /// What stands in the list, in its order.
    pub pieces: Vec<Piece<'a>>,
    /// Whether the page as a whole is JSON.
    pub whole: bool,
    /// Whether it is none because it ends in the middle.
    pub truncated: bool,
}

impl std::fmt::Debug for Page<'_> {
    /// Counts alone.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page({} pieces, whole: {})", self.pieces.len(), self.whole)
    }
}

/// One thing in a page's list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// An object.
    Record(&'a [u8]),
    /// Something that is none: whose it was cannot be known.
    Broken,
}

impl std::fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Record(_) => "Record(..)",
            Self::Broken => "Broken",
        })
    }
}

/// Why an answer holds no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPage {
    /// It is a page for people: of a login, a gateway, a proxy.
    #[error("a web page came where JSON was asked for, such as a login page or a proxy's")]
    Html,
    /// It is no JSON at all.
    #[error("the answer is no JSON")]
    NotJson,
    /// It is JSON without the list that was asked for.
    #[error("the answer is JSON without the list that was asked for")]
    NoList,
}

/// The answer's text. A charset that is named and is not UTF-8 is decoded; bytes that are wrong in what should be UTF-8
/// stay as they are, and cost the records they are in.
#[must_use]
pub fn text<'a>(body: &'a [u8], charset: Option<&str>) -> Cow<'a, [u8]> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if std::str::from_utf8(body).is_ok() {
        return Cow::Borrowed(body);
    }
    let named = charset.and_then(|name| encoding_rs::Encoding::for_label(name.as_bytes()));
    match named {
        Some(encoding) if encoding != encoding_rs::UTF_8 => {
            Cow::Owned(encoding.decode_without_bom_handling(body).0.into_owned().into_bytes())
        }
        _ => Cow::Borrowed(body),
    }
}

/// Takes a page apart. `keys` are the names that its list may have, whatever the case of their letters.
///
/// # Errors
/// [`NoPage`], where there is no list to be found.
pub fn split<'a>(body: &'a [u8], keys: &[&str]) -> Result<Page<'a>, NoPage> {
    let start = white(body, 0);
    match body.get(start) {
        Some(b'<') => return Err(NoPage::Html),
        Some(b'{' | b'[') => {}
        _ => return Err(NoPage::NotJson),
    }
    match well_formed(body, start, keys) {
        Ok(Some(pieces)) => Ok(Page { pieces, whole: true, truncated: false }),
        Ok(None) => Err(NoPage::NoList),
        Err((stop, list)) => {
            // Before the list is found, nothing says that this is a page at all.
            let list = list.ok_or(NoPage::NotJson)?;
            Ok(Page { pieces: recover(body, list), whole: false, truncated: stop == Stop::End })
        }
    }
}

/// Why a page is not well formed, and where its list begins.
type Broken = (Stop, Option<usize>);

/// The pieces of a page that is JSON from end to end; `None` where it has no list.
fn well_formed<'a>(body: &'a [u8], start: usize, keys: &[&str]) -> Result<Option<Vec<Piece<'a>>>, Broken> {
    let mut found: Option<Vec<Piece<'a>>> = None;
    let end;
    if body.get(start) == Some(&b'[') {
        let (pieces, behind) = list(body, start).map_err(|stop| (stop, Some(start)))?;
        found = Some(pieces);
        end = behind;
    } else {
        let mut list_at = None;
        let mut at = white(body, start + 1);
        if body.get(at) == Some(&b'}') {
            return Ok(None);
        }
        loop {
            let broken = |stop| (stop, list_at);
            let (behind, _) = skip(body, at).map_err(broken)?;
            let name = body.get(at..behind).and_then(|key| key.strip_prefix(b"\"")?.strip_suffix(b"\""));
            let Some(name) = name else { return Err(broken(Stop::Broken)) };
            at = white(body, behind);
            match body.get(at) {
                Some(b':') => at = white(body, at + 1),
                Some(_) => return Err(broken(Stop::Broken)),
                None => return Err(broken(Stop::End)),
            }
            let wanted = keys.iter().any(|key| name.eq_ignore_ascii_case(key.as_bytes()));
            if wanted && matches!(body.get(at), Some(b'[' | b'{' | b'n')) {
                list_at = list_at.or(Some(at));
                let (mut pieces, behind) = list(body, at).map_err(|stop| (stop, list_at))?;
                found.get_or_insert_with(Vec::new).append(&mut pieces);
                at = behind;
            } else {
                let (behind, seen) = skip(body, at).map_err(broken)?;
                if seen.record_inside && list_at.is_some() {
                    // Records outside of the list: one of its elements ended it too early.
                    return Err((Stop::Broken, list_at));
                }
                at = behind;
            }
            at = white(body, at);
            match body.get(at) {
                Some(b',') => at = white(body, at + 1),
                Some(b'}') => break,
                Some(_) => return Err((Stop::Broken, list_at)),
                None => return Err((Stop::End, list_at)),
            }
        }
        end = at + 1;
    }
    match body.get(white(body, end)) {
        None => Ok(found),
        // Something behind the end: an element closed more than it opened.
        Some(_) => Err((Stop::Broken, Some(start))),
    }
}

/// A list's elements, each well formed; one object alone is a list of one, and `null` of none.
fn list(body: &[u8], at: usize) -> Result<(Vec<Piece<'_>>, usize), Stop> {
    let piece = |at: usize, end: usize| match body.get(at) {
        Some(b'{') => Piece::Record(body.get(at..end).unwrap_or_default()),
        _ => Piece::Broken,
    };
    match body.get(at) {
        Some(b'[') => {}
        Some(b'{') => {
            let (end, _) = skip(body, at)?;
            return Ok((vec![piece(at, end)], end));
        }
        _ => return Ok((Vec::new(), skip(body, at)?.0)),
    }
    let mut pieces = Vec::new();
    let mut at = white(body, at + 1);
    if body.get(at) == Some(&b']') {
        return Ok((pieces, at + 1));
    }
    loop {
        let (end, _) = skip(body, at)?;
        pieces.push(piece(at, end));
        at = white(body, end);
        match body.get(at).ok_or(Stop::End)? {
            b',' => at = white(body, at + 1),
            b']' => return Ok((pieces, at + 1)),
            _ => return Err(Stop::Broken),
        }
    }
}

/// Finds records by their beginnings: every object that is well formed, has a `sourcedId`, and has swallowed no other
/// record. What stands between two of them is one broken piece.
fn recover(body: &[u8], from: usize) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut at = from;
    let (mut gap, mut closed) = (false, false);
    let is_list = body.get(from) == Some(&b'[');
    if is_list {
        at += 1;
    }
    while let Some(byte) = body.get(at) {
        if *byte == b'{'
            && let Ok((end, seen)) = skip(body, at)
            && seen.id
            && !seen.record_inside
        {
            // Brackets between records are of something that was broken; behind the last one they are the page's own.
            if std::mem::take(&mut gap) || std::mem::take(&mut closed) {
                pieces.push(Piece::Broken);
            }
            closed = false;
            pieces.push(Piece::Record(body.get(at..end).unwrap_or_default()));
            at = end;
            continue;
        }
        closed |= matches!(byte, b']' | b'}');
        gap |= !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b']' | b'}');
        at += 1;
    }
    if gap {
        pieces.push(Piece::Broken);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYS: &[&str] = &["users", "user"];

    fn ids(page: &Page<'_>) -> Vec<String> {
        page.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Record(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Piece::Broken => "broken".to_owned(),
            })
            .collect()
    }

    fn record(id: u32) -> String {
        format!(
            "{{\"sourcedId\":\"{id}\",\"status\":\"active\",\"name\":\"a\\\"]}}b\",\"orgs\":[{{\"sourcedId\":\"x\"}}]}}"
        )
    }

    #[test]
    fn b5_b6_envelopes() {
        let (a, b) = (record(1), record(2));
        for (body, wanted) in [
            (format!("{{\"users\":[{a}, {b}]}}"), vec![a.clone(), b.clone()]),
            (format!("{{\"total\":[1],\"Users\":[{a}],\"users\":[]}}"), vec![a.clone()]),
            (format!("{{\"user\":{a}}}"), vec![a.clone()]),
            (format!("[{a},{b}]\n"), vec![a.clone(), b.clone()]),
            ("{\"users\":null}".to_owned(), vec![]),
            ("{\"users\":[]}".to_owned(), vec![]),
            (format!("{{\"users\":[null,{b}]}}"), vec!["broken".to_owned(), b.clone()]),
        ] {
            let page = split(body.as_bytes(), KEYS).expect(&body);
            assert!(page.whole, "{body}");
            assert_eq!(ids(&page), wanted, "{body}");
        }
    }

    #[test]
    fn b12_what_is_no_page() {
        for (body, why) in [
            ("<!DOCTYPE html><html>", NoPage::Html),
            ("  <html>", NoPage::Html),
            ("", NoPage::NotJson),
            ("Unauthorized", NoPage::NotJson),
            ("{}", NoPage::NoList),
            ("{\"orgs\":[]}", NoPage::NoList),
            ("{\"us", NoPage::NotJson),
        ] {
            assert_eq!(split(body.as_bytes(), KEYS).unwrap_err(), why, "{body}");
        }
    }

    #[test]
    fn b13_a_page_that_ends_in_the_middle_says_so() {
        let body = format!("{{\"users\":[{},{}]}}", record(1), record(2));
        for length in body.find('[').unwrap() + 1..body.len() {
            let page = split(body.get(..length).unwrap().as_bytes(), KEYS).unwrap();
            assert!(page.truncated && !page.whole, "{length}");
        }
    }

    #[test]
    fn b11_charsets() {
        let latin = b"{\"users\":[{\"name\":\"Zo\xeb\"}]}";
        assert_eq!(&*text(latin, Some("iso-8859-1")), "{\"users\":[{\"name\":\"Zoë\"}]}".as_bytes());
        assert_eq!(&*text(latin, Some("utf-8")), latin);
        assert_eq!(&*text(b"\xef\xbb\xbf{}", None), b"{}");
    }

    proptest! {
        /// No byte sequence in a record loses the other records of its page.
        #[test]
        fn b9_no_bytes_in_a_record_lose_another(
            before in 0_u32..4,
            after in 0_u32..4,
            hostile in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                prop::collection::vec(prop::sample::select(br#"{}[]",:\ a1n"#.to_vec()), 0..40),
                prop::collection::vec(
                    prop::sample::select(vec![
                        "{", "}", "[", "]", "\"", ",", ":", "\\", "{\"sourcedId\":", "\"x\"", "\"status\":1",
                        "[1", "null", "\\u", "\"users\":[",
                    ]),
                    0..14,
                ).prop_map(|parts| parts.concat().into_bytes()),
            ],
        ) {
            let good: Vec<String> = (0..before + after).map(record).collect();
            let mut records: Vec<&[u8]> = good.iter().map(String::as_bytes).collect();
            records.insert(before as usize, &hostile);
            let body = [b"{\"users\":[", records.join(&b","[..]).as_slice(), b"]}"].concat();
            let page = split(&body, KEYS).unwrap();
            for wanted in &good {
                let is = |piece: &Piece<'_>| *piece == Piece::Record(wanted.as_bytes());
                prop_assert!(page.pieces.iter().any(is), "{}", String::from_utf8_lossy(&body));
            }
        }

        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(page) = split(&body, KEYS) {
                prop_assert!(page.pieces.len() <= body.len());
            }
        }
    }
}
