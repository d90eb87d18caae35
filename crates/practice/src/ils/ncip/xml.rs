//! XML as the practice ILS reads it: a small tree of elements in the NCIP namespace, under any prefix or none.
//!
//! A message of NCIP 1 has no namespace; it is told by its root, and read as if its names and schemes were those of 2.
//! A whole document or nothing: unclosed, cut, doubled or foreign documents are refused, and so is a DOCTYPE with
//! anything in it. Only the predefined entities and character references are resolved.

use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

/// The namespace of NCIP 2.
pub(crate) const NAMESPACE: &str = "http://www.niso.org/2008/ncip";
const DEEPEST: usize = 64;

/// An element: its local name, its own text, its children.
#[derive(Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    text: String,
    pub(crate) children: Vec<Self>,
}

/// A whole document.
#[derive(Default)]
pub(crate) struct Document {
    /// Its root, in the words of NCIP 2.
    pub(crate) root: Element,
    /// Whether it is one of NCIP 1.
    pub(crate) v1: bool,
    /// Whether it began with a DOCTYPE.
    pub(crate) doctype: bool,
}

/// Why a document was refused; no part of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("the message is not UTF-8")]
    NotUtf8,
    #[error("the message is not well-formed")]
    IllFormed,
    #[error("a DOCTYPE is not accepted")]
    Doctype,
    #[error("an element is not in the NCIP namespace")]
    Namespace,
    #[error("elements are nested too deeply")]
    TooDeep,
    #[error("there is text outside the message")]
    OutsideText,
    #[error("a character is not allowed in XML")]
    Character,
}

impl Element {
    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.name == name)
    }

    /// All children of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// The element at the end of a path of names.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The text at the end of a path, where it is not empty.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).map(Self::text).filter(|t| !t.is_empty())
    }

    /// The element's own text, without the white space around it.
    pub(crate) fn text(&self) -> &str {
        self.text.trim()
    }

    /// This element and everything below it.
    pub(crate) fn descendants(&self) -> Vec<&Self> {
        let mut found = vec![self];
        let mut at = 0;
        while let Some(element) = found.get(at).copied() {
            found.extend(&element.children);
            at += 1;
        }
        found
    }
}

/// What NCIP 1 calls by other names.
const NAMES: [(&str, &str); 5] = [
    ("UniqueAgencyId", "AgencyId"),
    ("UniqueUserId", "UserId"),
    ("VisibleUserId", "UserId"),
    ("VisibleUserIdentifierType", "UserIdentifierType"),
    ("VisibleUserIdentifier", "UserIdentifierValue"),
];

/// An element of NCIP 1 in the words of 2: names, and a scheme with its value as one text.
fn in_new_words(element: &mut Element) {
    if let Some((_, new)) = NAMES.iter().find(|(old, _)| *old == element.name) {
        element.name = (*new).to_owned();
    }
    if let [scheme, value] = element.children.as_mut_slice()
        && scheme.name == "Scheme"
        && value.name == "Value"
    {
        element.text = std::mem::take(&mut value.text);
        element.children.clear();
    }
    element.children.iter_mut().for_each(in_new_words);
}

/// Reads a whole document; the root may be of any name.
pub(crate) fn read(bytes: &[u8]) -> Result<Document, XmlError> {
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError::NotUtf8)?;
    let mut reader = NsReader::from_str(text.strip_prefix('\u{FEFF}').unwrap_or(text));
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let (mut v1, mut doctype) = (false, false);
    // Inside Ext anything may stand.
    let mut ext_depth = None;
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|_| XmlError::IllFormed)?;
        match event {
            Event::Start(start) => {
                let ours = matches!(namespace, ResolveResult::Bound(Namespace(uri)) if uri == NAMESPACE);
                if root.is_some() || open.len() >= DEEPEST {
                    return Err(if root.is_some() { XmlError::IllFormed } else { XmlError::TooDeep });
                }
                let nobodys = matches!(namespace, ResolveResult::Unbound);
                if open.is_empty() {
                    let name = start.local_name();
                    v1 = nobodys && matches!(name.as_ref(), "NCIPMessage" | "NCIPVersionMessage");
                }
                if !(ours || v1 && nobodys || ext_depth.is_some()) {
                    return Err(XmlError::Namespace);
                }
                if start.attributes().any(|a| a.is_err()) {
                    return Err(XmlError::IllFormed);
                }
                let name = start.local_name().into_inner().to_owned();
                if name.is_empty() {
                    return Err(XmlError::IllFormed);
                }
                if name == "Ext" && ext_depth.is_none() {
                    ext_depth = Some(open.len());
                }
                open.push(Element { name, ..Element::default() });
            }
            Event::End(_) => {
                let done = open.pop().ok_or(XmlError::IllFormed)?;
                if ext_depth == Some(open.len()) {
                    ext_depth = None;
                }
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => root = Some(done),
                }
            }
            Event::Text(piece) => add(&mut open, &piece.xml10_content())?,
            Event::CData(piece) => add(&mut open, &piece.xml10_content())?,
            Event::GeneralRef(reference) => {
                let named = match &*reference {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => reference.resolve_char_ref().map_err(|_| XmlError::IllFormed)?,
                };
                let mut buffer = [0; 4];
                if open.is_empty() {
                    return Err(XmlError::OutsideText);
                }
                add(&mut open, named.ok_or(XmlError::IllFormed)?.encode_utf8(&mut buffer))?;
            }
            Event::DocType(kind) => {
                if kind.contains('[') || root.is_some() || !open.is_empty() {
                    return Err(XmlError::Doctype);
                }
                doctype = true;
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Empty(_) => return Err(XmlError::IllFormed),
            Event::Eof => break,
        }
    }
    let mut root = root.filter(|_| open.is_empty()).ok_or(XmlError::IllFormed)?;
    if v1 {
        in_new_words(&mut root);
    } else if doctype {
        return Err(XmlError::Doctype);
    }
    Ok(Document { root, v1, doctype })
}

fn add(open: &mut [Element], piece: &str) -> Result<(), XmlError> {
    if !piece.chars().all(is_xml_char) {
        return Err(XmlError::Character);
    }
    match open.last_mut() {
        Some(element) => element.text.push_str(piece),
        None if piece.trim().is_empty() => {}
        None => return Err(XmlError::OutsideText),
    }
    Ok(())
}

/// Whether XML 1.0 can hold the character at all.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Form {
    /// NCIP 1: no namespace, a scheme and a value.
    pub(crate) v1: bool,
    /// Every name with the `ncip:` prefix, instead of a default namespace.
    pub(crate) prefixed: bool,
}

/// The elements that hold a scheme and a value in NCIP 1.
const CODES: [&str; 12] = [
    "AgencyId",
    "AgencyUserPrivilegeType",
    "BlockOrTrapType",
    "ElectronicAddressType",
    "PhysicalAddressType",
    "UnstructuredAddressType",
    "UserAddressRoleType",
    "UserIdentifierType",
    "UserLanguage",
    "UserPrivilegeStatusType",
    "ProcessingErrorType",
    "MessagingErrorType",
];

/// Writes elements in one form.
pub(crate) struct Writer {
    out: String,
    prefix: &'static str,
    v1: bool,
}

impl Writer {
    /// Starts an NCIPMessage.
    pub(crate) fn message(form: Form) -> Self {
        let mut out = String::with_capacity(1_024);
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        if form.v1 {
            out.push_str("<NCIPMessage version=\"http://www.niso.org/ncip/v1_0/imp1/dtd/ncip_v1_0.dtd\">");
            return Self { out, prefix: "", v1: true };
        }
        let prefix = if form.prefixed { "ncip:" } else { "" };
        let default = if form.prefixed { String::new() } else { format!(" xmlns=\"{NAMESPACE}\"") };
        out.push_str(&format!(
            "<{prefix}NCIPMessage{default} xmlns:ncip=\"{NAMESPACE}\" \
             ncip:version=\"http://www.niso.org/schemas/ncip/v2_02/ncip_v2_02.xsd\">"
        ));
        Self { out, prefix, v1: false }
    }

    /// Whether this is NCIP 1.
    pub(crate) fn v1(&self) -> bool {
        self.v1
    }

    /// Ends it.
    pub(crate) fn finish(mut self) -> String {
        self.tag("</", "NCIPMessage");
        self.out
    }

    /// An element with what `inside` writes.
    pub(crate) fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.tag("<", name);
        inside(self);
        self.tag("</", name);
    }

    /// An element with text.
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        if self.v1 && CODES.contains(&name) {
            let name = if name == "AgencyId" { "UniqueAgencyId" } else { name };
            self.tag("<", name);
            self.out.push_str("<Scheme>urn:practice</Scheme><Value>");
            self.text(text);
            self.out.push_str("</Value>");
            self.tag("</", name);
            return;
        }
        self.tag("<", name);
        self.text(text);
        self.tag("</", name);
    }

    /// An element with text, where there is any.
    pub(crate) fn some(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.leaf(name, text);
        }
    }

    fn tag(&mut self, bracket: &str, name: &str) {
        for part in [bracket, self.prefix, name, ">"] {
            self.out.push_str(part);
        }
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                c if is_xml_char(c) => self.out.push(c),
                // What staff typed by accident must not break the answer.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn any_prefix_and_text_in_pieces() {
        let ns = NAMESPACE;
        for text in [
            format!(
                "<NCIPMessage xmlns='{ns}'><A> O&apos;Brien &amp; <![CDATA[<Co>]]>&#233; </A></NCIPMessage>"
            ),
            format!(
                "\u{FEFF}<?xml version='1.0'?><n:NCIPMessage xmlns:n='{ns}'><n:A>O&#39;Brien<!-- x --> &amp; &lt;Co>é</n:A></n:NCIPMessage>\n"
            ),
        ] {
            let root = read(text.as_bytes()).map_err(|e| format!("{e} {text}")).unwrap().root;
            assert_eq!((root.name.as_str(), root.text_at(&["A"])), ("NCIPMessage", Some("O'Brien & <Co>é")));
        }
    }

    #[test]
    fn anything_but_one_whole_document_is_refused() {
        let ns = format!("xmlns='{NAMESPACE}'");
        let deep = format!("<a {ns}>{}", "<b>".repeat(80));
        for (text, error) in [
            ("", XmlError::IllFormed),
            ("It works!", XmlError::OutsideText),
            ("<a/>", XmlError::Namespace),
            ("<a xmlns='urn:other'/>", XmlError::Namespace),
            (&format!("<a {ns}><b></a>"), XmlError::IllFormed),
            (&format!("<a {ns}><b>"), XmlError::IllFormed),
            (&format!("<a {ns}/><a {ns}/>"), XmlError::IllFormed),
            (&format!("<a {ns}/>rest"), XmlError::OutsideText),
            (&format!("<a {ns}>&unknown;</a>"), XmlError::IllFormed),
            (&format!("<a {ns}>&#1;</a>"), XmlError::Character),
            (&format!("<!DOCTYPE a [<!ENTITY x 'y'>]><a {ns}>&x;</a>"), XmlError::Doctype),
            (&deep, XmlError::TooDeep),
        ] {
            assert_eq!(read(text.as_bytes()).err(), Some(error), "{text}");
        }
        assert_eq!(read(b"<a>\xff</a>").err(), Some(XmlError::NotUtf8));
    }

    #[test]
    fn inside_ext_anything_may_stand() {
        let text = format!("<a xmlns='{NAMESPACE}'><Ext><x:y xmlns:x='urn:x'>1</x:y></Ext><b>2</b></a>");
        let root = read(text.as_bytes()).unwrap().root;
        assert_eq!((root.text_at(&["Ext", "y"]), root.text_at(&["b"])), (Some("1"), Some("2")));
        let after = format!("<a xmlns='{NAMESPACE}'><Ext/><b xmlns='urn:x'/></a>");
        assert_eq!(read(after.as_bytes()).err(), Some(XmlError::Namespace));
    }

    #[test]
    fn ncip_1_is_read_in_the_words_of_2() {
        let text = "<!DOCTYPE NCIPMessage SYSTEM 'urn:x'><NCIPMessage><A><UniqueAgencyId><Scheme>s</Scheme><Value> v \
                    </Value></UniqueAgencyId><UniqueUserId><UserIdentifierValue>1</UserIdentifierValue></UniqueUserId></A></NCIPMessage>";
        let document = read(text.as_bytes()).unwrap();
        assert!(document.v1 && document.doctype);
        assert_eq!(document.root.text_at(&["A", "AgencyId"]), Some("v"));
        assert_eq!(document.root.text_at(&["A", "UserId", "UserIdentifierValue"]), Some("1"));
        let new = format!("<!DOCTYPE a SYSTEM 'urn:x'><a xmlns='{NAMESPACE}'/>");
        assert_eq!(read(new.as_bytes()).err(), Some(XmlError::Doctype));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[<>/a-c&;! \\[\\]='\"-]{0,60}") {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                prop_assert!(read(bytes).is_ok_and(|document| !document.root.name.is_empty()) || read(bytes).is_err());
            }
        }

        #[test]
        fn what_is_written_reads_back(text: String, prefixed: bool, v1: bool) {
            let mut writer = Writer::message(Form { prefixed, v1 });
            writer.leaf("AgencyId", &text);
            let root = read(writer.finish().as_bytes()).unwrap().root;
            let expected: String = text.chars().filter(|c| is_xml_char(*c)).collect();
            // XML itself turns CR and CRLF into LF.
            let expected = expected.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(root.children[0].text(), expected.trim());
        }
    }
}
