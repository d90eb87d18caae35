//! JSON as servers really send it: a scanner that finds where a value ends, and a small tree for the values that are
//! wanted. Grammar is kept to; letters are not: control characters in texts, and bytes that are no UTF-8, do not stop
//! the scanner. Numbers stay the text that they were, because an id of thirty digits is one.
//!
//! It is not a general parser: depth is bounded, and whoever wants one value skips all others without copying them.

use std::borrow::Cow;

/// The deepest nesting that is followed.
pub const DEPTH: usize = 64;

/// Why a value ends nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Something stands where the grammar has no place for it, or it is nested too deeply.
    Broken,
    /// The bytes ended.
    End,
}

/// What the scanner noticed of an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// A `sourcedId` among its own keys.
    pub id: bool,
    /// Inside of it an object that is a record of its own: one with `sourcedId`, and `status` or `dateLastModified`.
    pub record_inside: bool,
}

/// A value that was wanted.
#[derive(Clone, PartialEq, Eq)]
pub enum Node<'a> {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(&'a str),
    /// A text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Self>),
    /// An object's members, in their order.
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl std::fmt::Debug for Node<'_> {
    /// The kind alone: values are of people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool(..)",
            Self::Number(_) => "Number(..)",
            Self::Text(_) => "Text(..)",
            Self::List(_) => "List(..)",
            Self::Object(_) => "Object(..)",
        })
    }
}

impl<'a> Node<'a> {
    /// A scalar as text: `null`, objects and longer lists are empty, a list of one is that one.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Null | Self::Object(_) => Cow::Borrowed(""),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Number(text) => Cow::Borrowed(text),
            Self::Text(text) => Cow::Borrowed(text),
            Self::List(list) => match list.as_slice() {
                [only] => only.text(),
                _ => Cow::Borrowed(""),
            },
        }
    }

    /// The same, handed over.
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Null | Self::Object(_) => Cow::Borrowed(""),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Number(text) => Cow::Borrowed(text),
            Self::Text(text) => text,
            Self::List(mut list) => match list.pop() {
                Some(only) if list.is_empty() => only.into_text(),
                _ => Cow::Borrowed(""),
            },
        }
    }

    /// A member of an object, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// A member of an object, handed over.
    pub fn take(self, name: &str) -> Option<Self> {
        let Self::Object(members) = self else { return None };
        members.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The elements of a list, handed over.
    pub fn into_elements(self) -> impl Iterator<Item = Self> {
        let (one, list) = match self {
            Self::Null => (None, Vec::new()),
            Self::List(list) => (None, list),
            one => (Some(one), Vec::new()),
        };
        one.into_iter().chain(list)
    }

    /// The elements of a list; one value alone is a list of one, and `null` of none.
    pub fn elements(&self) -> &[Self] {
        match self {
            Self::Null => &[],
            Self::List(list) => list,
            one => std::slice::from_ref(one),
        }
    }
}

/// The place of the next byte that is no white space.
pub fn white(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// The place behind the value that begins at `at`, and what was seen in it where it is an object.
///
/// # Errors
/// [`Stop`], where no value ends.
pub fn skip(bytes: &[u8], at: usize) -> Result<(usize, Seen), Stop> {
    let mut seen = Seen::default();
    let end = value(bytes, at, 0, &mut seen)?;
    Ok((end, seen))
}

fn value(bytes: &[u8], at: usize, depth: usize, seen: &mut Seen) -> Result<usize, Stop> {
    match bytes.get(at).ok_or(Stop::End)? {
        b'"' => string(bytes, at),
        b'{' | b'[' if depth == DEPTH => Err(Stop::Broken),
        b'[' => {
            let mut at = white(bytes, at + 1);
            if bytes.get(at) == Some(&b']') {
                return Ok(at + 1);
            }
            loop {
                at = white(bytes, value(bytes, at, depth + 1, seen)?);
                match bytes.get(at).ok_or(Stop::End)? {
                    b',' => at = white(bytes, at + 1),
                    b']' => return Ok(at + 1),
                    _ => return Err(Stop::Broken),
                }
            }
        }
        b'{' => {
            let (mut id, mut mark) = (false, false);
            let mut at = white(bytes, at + 1);
            if bytes.get(at) != Some(&b'}') {
                loop {
                    let end = key(bytes, at)?;
                    let name = bytes.get(at + 1..end - 1).unwrap_or_default();
                    id |= name.eq_ignore_ascii_case(b"sourcedId");
                    mark |= name.eq_ignore_ascii_case(b"status")
                        || name.eq_ignore_ascii_case(b"dateLastModified");
                    at = colon(bytes, end)?;
                    at = white(bytes, value(bytes, at, depth + 1, seen)?);
                    match bytes.get(at).ok_or(Stop::End)? {
                        b',' => at = white(bytes, at + 1),
                        b'}' => break,
                        _ => return Err(Stop::Broken),
                    }
                }
            }
            if depth == 0 {
                seen.id = id;
            } else {
                seen.record_inside |= id && mark;
            }
            Ok(at + 1)
        }
        b't' => literal(bytes, at, b"true"),
        b'f' => literal(bytes, at, b"false"),
        b'n' => literal(bytes, at, b"null"),
        b'-' | b'0'..=b'9' => {
            let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
            let length = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| is_part(byte)).count();
            Ok(at + length)
        }
        _ => Err(Stop::Broken),
    }
}

/// The place behind a key, which is a string.
fn key(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    match bytes.get(at).ok_or(Stop::End)? {
        b'"' => string(bytes, at),
        _ => Err(Stop::Broken),
    }
}

/// The place of the value behind a colon.
fn colon(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    let at = white(bytes, at);
    match bytes.get(at).ok_or(Stop::End)? {
        b':' => Ok(white(bytes, at + 1)),
        _ => Err(Stop::Broken),
    }
}

fn string(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    let mut at = at + 1;
    loop {
        // Most texts are plain: eight bytes at a time, up to the first quote or backslash.
        while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*eight);
            let marks = zeros(word ^ (LOW * b'"' as u64)) | zeros(word ^ (LOW * b'\\' as u64));
            if marks != 0 {
                at += (marks.trailing_zeros() / 8) as usize;
                break;
            }
            at += 8;
        }
        match bytes.get(at).ok_or(Stop::End)? {
            b'"' => return Ok(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The lowest bit of each of eight bytes.
const LOW: u64 = 0x0101_0101_0101_0101;

/// Of eight bytes the highest bit of each that is zero. Above the lowest such byte there may be more bits than zeros.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & (LOW << 7)
}

fn literal(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, Stop> {
    let there = bytes.get(at..).unwrap_or_default();
    if there.starts_with(word) {
        return Ok(at + word.len());
    }
    Err(if word.starts_with(there) { Stop::End } else { Stop::Broken })
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadText {
    /// Bytes that are no UTF-8.
    Utf8,
    /// An escape that stands for no character.
    Escape,
}

/// The text between two quotes.
///
/// # Errors
/// [`BadText`], where it is none.
pub fn unescape(inside: &[u8]) -> Result<Cow<'_, str>, BadText> {
    let text = std::str::from_utf8(inside).map_err(|_| BadText::Utf8)?;
    if !text.contains('\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut all = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            all.push(c);
            continue;
        }
        match rest.next().ok_or(BadText::Escape)? {
            c @ ('"' | '\\' | '/') => all.push(c),
            'b' => all.push('\u{8}'),
            'f' => all.push('\u{c}'),
            'n' => all.push('\n'),
            'r' => all.push('\r'),
            't' => all.push('\t'),
            'u' => all.push(escaped(&mut rest)?),
            _ => return Err(BadText::Escape),
        }
    }
    Ok(Cow::Owned(all))
}

/// The character of `\uXXXX`, or of two of them.
fn escaped(rest: &mut std::str::Chars<'_>) -> Result<char, BadText> {
    let mut four = || {
        let digits = rest.as_str().get(..4).ok_or(BadText::Escape)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let unit = u16::from_str_radix(digits, 16).ok().filter(|_| plain).ok_or(BadText::Escape)?;
        *rest = rest.as_str().get(4..).unwrap_or_default().chars();
        Ok(unit)
    };
    let first = four()?;
    let mut units = vec![first];
    if (0xd800..0xdc00).contains(&first) {
        let mut ahead = rest.clone();
        if ahead.next() == Some('\\') && ahead.next() == Some('u') {
            *rest = ahead;
            let mut four = || {
                let digits = rest.as_str().get(..4).ok_or(BadText::Escape)?;
                let unit = u16::from_str_radix(digits, 16).map_err(|_| BadText::Escape)?;
                *rest = rest.as_str().get(4..).unwrap_or_default().chars();
                Ok(unit)
            };
            units.push(four()?);
        }
    }
    let mut decoded = char::decode_utf16(units);
    match (decoded.next(), decoded.next()) {
        (Some(Ok(c)), None) => Ok(c),
        // A half of a pair alone stands for nothing.
        _ => Err(BadText::Escape),
    }
}

/// The value that begins at `at`, and the place behind it.
///
/// # Errors
/// [`Wrong`], where it is none, or a text in it is none.
pub fn read(bytes: &[u8], at: usize) -> Result<(Node<'_>, usize), Wrong> {
    node(bytes, at, 0)
}

/// Why a value could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// The grammar.
    Grammar(Stop),
    /// A text.
    Text(BadText),
}

impl From<Stop> for Wrong {
    fn from(stop: Stop) -> Self {
        Self::Grammar(stop)
    }
}

impl From<BadText> for Wrong {
    fn from(bad: BadText) -> Self {
        Self::Text(bad)
    }
}

fn node(bytes: &[u8], at: usize, depth: usize) -> Result<(Node<'_>, usize), Wrong> {
    match bytes.get(at).ok_or(Stop::End)? {
        b'{' | b'[' if depth == DEPTH => Err(Stop::Broken.into()),
        b'[' => {
            let mut list = Vec::new();
            let mut at = white(bytes, at + 1);
            if bytes.get(at) == Some(&b']') {
                return Ok((Node::List(list), at + 1));
            }
            loop {
                let (element, end) = node(bytes, at, depth + 1)?;
                list.push(element);
                at = white(bytes, end);
                match bytes.get(at).ok_or(Stop::End)? {
                    b',' => at = white(bytes, at + 1),
                    b']' => return Ok((Node::List(list), at + 1)),
                    _ => return Err(Stop::Broken.into()),
                }
            }
        }
        b'{' => {
            let mut all = Vec::new();
            let end = members(bytes, at, |name, at| {
                let (value, end) = node(bytes, at, depth + 1)?;
                all.push((name, value));
                Ok(end)
            })?;
            Ok((Node::Object(all), end))
        }
        first => {
            let end = value(bytes, at, depth, &mut Seen::default())?;
            let inside = bytes.get(at..end).unwrap_or_default();
            let value = match first {
                b'"' => Node::Text(unescape(inside.get(1..inside.len() - 1).unwrap_or_default())?),
                b't' => Node::Bool(true),
                b'f' => Node::Bool(false),
                b'n' => Node::Null,
                _ => Node::Number(std::str::from_utf8(inside).map_err(|_| BadText::Utf8)?),
            };
            Ok((value, end))
        }
    }
}

/// Goes through an object's members: `each` has the key and the place of its value, and says the place behind it.
///
/// # Errors
/// [`Wrong`], where the object or one of its keys is none, or `each` says so.
pub fn members<'a>(
    bytes: &'a [u8],
    at: usize,
    mut each: impl FnMut(Cow<'a, str>, usize) -> Result<usize, Wrong>,
) -> Result<usize, Wrong> {
    if bytes.get(at).ok_or(Stop::End)? != &b'{' {
        return Err(Stop::Broken.into());
    }
    let mut at = white(bytes, at + 1);
    if bytes.get(at) == Some(&b'}') {
        return Ok(at + 1);
    }
    loop {
        let end = key(bytes, at)?;
        let name = unescape(bytes.get(at + 1..end - 1).unwrap_or_default())?;
        at = white(bytes, each(name, colon(bytes, end)?)?);
        match bytes.get(at).ok_or(Stop::End)? {
            b',' => at = white(bytes, at + 1),
            b'}' => return Ok(at + 1),
            _ => return Err(Stop::Broken.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &str) -> String {
        read(bytes.as_bytes(), 0).unwrap().0.text().into_owned()
    }

    #[test]
    fn scalars_are_text() {
        for (json, wanted) in [
            ("\"Zo\\u00eb \\\"Z\\\"\"", "Zoë \"Z\""),
            ("\"\\ud83d\\ude00\"", "😀"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("1.20E+10", "1.20E+10"),
            ("true", "true"),
            ("null", ""),
            ("[\"a\"]", "a"),
            ("[\"a\",\"b\"]", ""),
            ("{}", ""),
            ("\"a\tb\"", "a\tb"),
        ] {
            assert_eq!(text(json), wanted, "{json}");
        }
    }

    #[test]
    fn what_ends_nowhere() {
        for (json, stop) in [
            ("{\"a\":", Stop::End),
            ("{\"a\" 1}", Stop::Broken),
            ("[1,,2]", Stop::Broken),
            ("nul", Stop::End),
            ("nil", Stop::Broken),
            ("\"abc", Stop::End),
            ("\"abc\\", Stop::End),
            ("", Stop::End),
            ("{a:1}", Stop::Broken),
        ] {
            assert_eq!(skip(json.as_bytes(), 0).unwrap_err(), stop, "{json}");
        }
        let deep = "[".repeat(DEPTH + 1);
        assert_eq!(skip(deep.as_bytes(), 0).unwrap_err(), Stop::Broken);
    }

    #[test]
    fn a_text_ends_at_its_quote_however_long_it_is() {
        // Around the steps of eight bytes, with bytes that differ from a mark by one bit or by a borrow.
        for length in 0..40 {
            for filler in ["a", "!", "#", "]", "\\\"", "\\\\", "\u{a3}", "\0"] {
                let inside = filler.repeat(length);
                let json = format!("\"{inside}\"\"");
                assert_eq!(skip(json.as_bytes(), 0).unwrap().0, inside.len() + 2, "{json}");
                let open = format!("\"{inside}");
                assert_eq!(skip(open.as_bytes(), 0).unwrap_err(), Stop::End, "{open}");
            }
        }
    }

    #[test]
    fn texts_that_are_none() {
        for json in ["\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\x\"", "\"\\u12\"", "\"\\u+123\""] {
            assert_eq!(read(json.as_bytes(), 0).unwrap_err(), Wrong::Text(BadText::Escape), "{json}");
        }
        assert_eq!(read(b"\"\xff\"", 0).unwrap_err(), Wrong::Text(BadText::Utf8));
    }

    #[test]
    fn a_record_inside_is_seen_and_a_reference_is_none() {
        let seen = |json: &str| skip(json.as_bytes(), 0).unwrap().1;
        let reference = "{\"sourcedId\":1,\"orgs\":[{\"sourcedId\":\"x\",\"href\":\"\",\"type\":\"org\"}]}";
        assert_eq!(seen(reference), Seen { id: true, record_inside: false });
        let swallowed = "{\"a\":[1,{\"sourcedId\":\"x\",\"status\":\"active\"}]}";
        assert_eq!(seen(swallowed), Seen { id: false, record_inside: true });
    }
}
