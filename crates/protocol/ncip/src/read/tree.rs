//! Text to a tree of elements: names without prefixes, text joined, attributes and comments dropped.
//!
//! quick-xml alone would accept half a document, an element without a name, and anything after the end; the rules that
//! make a document whole are here. A document type that only points elsewhere is passed over and never fetched (NCIP 1.x
//! sends one); one that defines entities is refused, and of references only XML's own five and numbers are resolved.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use super::{Limits, ReadError};
use crate::Text;

/// An element, whole. Names, and text in one piece, are the document's own.
#[derive(Debug, Default)]
pub(crate) struct Element<'d> {
    /// Its name, without prefix.
    pub(crate) name: &'d str,
    /// The text right below it, joined.
    text: Cow<'d, str>,
    /// The elements right below it.
    pub(crate) children: Vec<Self>,
}

impl<'d> Element<'d> {
    pub(crate) fn child(&self, name: &'static str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn children_named(&self, name: &'static str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The element's text without white space around it; NCIP 1.x has it one level down, beside its scheme.
    pub(crate) fn value(&self) -> &str {
        let holder = self.child("Value").unwrap_or(self);
        // XML's white space alone: a name may end in a no-break space.
        holder.text.trim_matches([' ', '\t', '\r', '\n'])
    }

    /// The text of the first child of this name that has any.
    pub(crate) fn text_of(&self, name: &'static str) -> Option<Text> {
        self.code_of(name).map(Text::new)
    }

    /// The same, for codes that may be printed.
    pub(crate) fn code_of(&self, name: &'static str) -> Option<&str> {
        self.children_named(name).map(Self::value).find(|value| !value.is_empty())
    }
}

/// Takes a whole document apart.
pub(crate) fn parse(text: &str, limits: Limits) -> Result<Element<'_>, ReadError> {
    if text.trim().is_empty() {
        return Err(ReadError::Empty);
    }
    if looks_like_html(text) {
        return Err(ReadError::Html);
    }
    let mut reader = Reader::from_str(text);
    let mut building = Building { document: text, limits, open: Vec::new(), root: None, elements: 0 };
    loop {
        let event = reader.read_event();
        let offset = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let malformed = |what| ReadError::Malformed { what, offset };
        match event.map_err(|error| refusal(&error, offset))? {
            Event::Start(start) => building.open(start.local_name().as_ref(), offset)?,
            Event::Empty(start) => {
                building.open(start.local_name().as_ref(), offset)?;
                building.close();
            }
            Event::End(_) => building.close(),
            Event::Text(piece) => building.text(&piece.xml10_content())?,
            Event::CData(piece) => building.text(&piece.xml10_content())?,
            Event::GeneralRef(reference) => {
                building.text(resolve(&reference).ok_or(malformed("an unknown entity"))?.as_str())?;
            }
            Event::DocType(kind) => {
                let defines = kind.contains('[');
                if defines || building.root.is_some() || !building.open.is_empty() {
                    return Err(ReadError::DocumentType);
                }
            }
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof => return building.finish(),
        }
    }
}

struct Building<'d> {
    document: &'d str,
    limits: Limits,
    open: Vec<Element<'d>>,
    root: Option<Element<'d>>,
    elements: usize,
}

impl<'d> Building<'d> {
    /// The piece of the document that this is a view of: what the reader lends is only lent until its next event. `None`
    /// where it is a copy, such as text whose line ends were made one.
    fn own(&self, piece: &str) -> Option<&'d str> {
        let start = piece.as_ptr().addr().checked_sub(self.document.as_ptr().addr())?;
        // The bytes are compared, so that no copy is ever taken for a view.
        self.document.get(start..start.checked_add(piece.len())?).filter(|own| *own == piece)
    }

    fn open(&mut self, name: &str, offset: usize) -> Result<(), ReadError> {
        if self.root.is_some() {
            return Err(ReadError::Trailing);
        }
        let named = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
        if !named {
            return Err(ReadError::Malformed { what: "an element without a name", offset });
        }
        if self.open.len() >= self.limits.depth {
            return Err(ReadError::TooMuch { what: "levels of elements", limit: self.limits.depth });
        }
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(ReadError::TooMuch { what: "elements", limit: self.limits.elements });
        }
        // Names are never copies.
        let name =
            self.own(name).ok_or(ReadError::Malformed { what: "an element without a name", offset })?;
        self.open.push(Element { name, ..Element::default() });
        Ok(())
    }

    fn close(&mut self) {
        // An end without a start cannot come: the reader compares the names.
        if let Some(done) = self.open.pop() {
            match self.open.last_mut() {
                Some(parent) => parent.children.push(done),
                None => self.root = Some(done),
            }
        }
    }

    fn text(&mut self, piece: &str) -> Result<(), ReadError> {
        let own = self.own(piece);
        match self.open.last_mut() {
            Some(element) if element.text.is_empty() => {
                element.text = own.map_or_else(|| Cow::Owned(piece.to_owned()), Cow::Borrowed);
            }
            Some(element) => element.text.to_mut().push_str(piece),
            None if piece.trim().is_empty() => {}
            None if self.root.is_some() => return Err(ReadError::Trailing),
            None => return Err(ReadError::NotNcip),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element<'d>, ReadError> {
        if !self.open.is_empty() {
            return Err(ReadError::Truncated);
        }
        self.root.ok_or(ReadError::NotNcip)
    }
}

fn resolve(reference: &BytesRef<'_>) -> Option<String> {
    if reference.is_char_ref() {
        return reference.resolve_char_ref().ok().flatten().map(String::from);
    }
    resolve_xml_entity(&reference.xml10_content()).map(str::to_owned)
}

/// What the reader complains of, in words that hold nothing of the document.
fn refusal(error: &Error, offset: usize) -> ReadError {
    let what = match error {
        Error::Syntax(
            SyntaxError::UnclosedTag
            | SyntaxError::UnclosedComment
            | SyntaxError::UnclosedCData
            | SyntaxError::UnclosedDoctype
            | SyntaxError::UnclosedSingleQuotedAttributeValue
            | SyntaxError::UnclosedDoubleQuotedAttributeValue,
        ) => return ReadError::Truncated,
        Error::IllFormed(IllFormedError::MissingEndTag(_)) => return ReadError::Truncated,
        Error::IllFormed(IllFormedError::MismatchedEndTag { .. }) => "an end that does not match its start",
        Error::IllFormed(IllFormedError::UnmatchedEndTag(_)) => "an end without a start",
        Error::IllFormed(IllFormedError::UnclosedReference) => "a bare ampersand",
        _ => "a construct that is not XML",
    };
    ReadError::Malformed { what, offset }
}

fn looks_like_html(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(14).flat_map(char::to_lowercase).collect();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(text: &str) -> Result<Element<'_>, ReadError> {
        parse(text, Limits::default())
    }

    #[test]
    fn text_in_pieces_is_joined() {
        let cases = [
            ("<a>1<![CDATA[23]]>4</a>", "1234"),
            ("<a>O&apos;Brien &amp; &#x4E;&#103;uy</a>", "O'Brien & Nguy"),
            ("<a>1<!-- 2 -->3<?pi 4?></a>", "13"),
            ("<a>\n  x y \r\n</a>", "x y"),
            ("<x:a xmlns:x='urn:x'>q</x:a>", "q"),
            ("<a><Scheme>s</Scheme><Value> v </Value></a>", "v"),
            ("<a/>", ""),
        ];
        for (text, wanted) in cases {
            assert_eq!(root(text).unwrap().value(), wanted, "{text}");
        }
    }

    #[test]
    fn only_a_whole_document_is_one() {
        let cases = [
            ("", ReadError::Empty),
            (" \n\t ", ReadError::Empty),
            ("It works!", ReadError::NotNcip),
            ("<!-- nothing -->", ReadError::NotNcip),
            ("<a><b></b>", ReadError::Truncated),
            ("<a", ReadError::Truncated),
            ("<a><![CDATA[x", ReadError::Truncated),
            ("<a/><b/>", ReadError::Trailing),
            ("<a/>x", ReadError::Trailing),
            ("<a/>&amp;", ReadError::Trailing),
            ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", ReadError::DocumentType),
            ("<a/><!DOCTYPE a SYSTEM 'urn:x'>", ReadError::DocumentType),
            ("<!doctype HTML><p>", ReadError::Html),
        ];
        for (text, wanted) in cases {
            assert_eq!(root(text).unwrap_err(), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_said_without_its_text() {
        for text in [
            "<></>",
            "<a>&zoe;</a>",
            "<a>&#0;</a>",
            "<a>&#xD800;</a>",
            "<a></zoe>",
            "</zoe>",
            "<a>zoe & b</a>",
        ] {
            let error = root(text).unwrap_err();
            assert!(matches!(error, ReadError::Malformed { .. }), "{text}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("zoe"), "{text}: {error:?}");
        }
    }

    #[test]
    fn nesting_and_number_are_capped() {
        let deep = |n: usize| "<a>".repeat(n) + &"</a>".repeat(n);
        assert!(root(&deep(64)).is_ok());
        assert!(matches!(root(&deep(65)).unwrap_err(), ReadError::TooMuch { limit: 64, .. }));
        assert!(matches!(root(&deep(100_000)).unwrap_err(), ReadError::TooMuch { limit: 64, .. }));
        let wide = format!("<a>{}</a>", "<b/>".repeat(50_000));
        assert!(matches!(root(&wide).unwrap_err(), ReadError::TooMuch { limit: 50_000, .. }));
    }
}
