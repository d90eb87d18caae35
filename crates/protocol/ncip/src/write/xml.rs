//! The few lines of XML writing that the messages need: names qualified as the dialect asks, text escaped, characters
//! that XML cannot carry refused.

use super::WriteError;
use crate::{Dialect, Style, Version};

const NAMESPACE: &str = "http://www.niso.org/2008/ncip";
const DOCTYPE: &str = "<!DOCTYPE NCIPMessage PUBLIC \"-//NISO//NCIP DTD Version 1.0//EN\" \
                       \"http://www.niso.org/ncip/v1_0/imp1/dtd/ncip_v1_0.dtd\">\n";

/// A document being written.
pub(super) struct Xml {
    out: String,
    root: &'static str,
    element_prefix: &'static str,
    scheme_attribute: &'static str,
    version: Version,
    schemes: bool,
}

impl Xml {
    /// Begins an `NCIPMessage`.
    pub(super) fn start(dialect: &Dialect) -> Result<Self, WriteError> {
        let (element_prefix, attribute_prefix, namespaces) = match (dialect.version, dialect.style) {
            (Version::V1, _) => ("", "", ""),
            (Version::V2, Style::Prefixed) => ("ncip:", "ncip:", "xmlns:ncip"),
            (Version::V2, Style::DefaultNamespace) => ("", "ncip:", "xmlns"),
            (Version::V2, Style::UnqualifiedVersion) => ("", "", "xmlns"),
        };
        let mut xml = Self::document("NCIPMessage", dialect);
        xml.element_prefix = element_prefix;
        if dialect.version == Version::V1 && dialect.doctype {
            xml.out.push_str(DOCTYPE);
        }
        xml.out.push('<');
        xml.push_name("NCIPMessage");
        if !namespaces.is_empty() {
            xml.push_attribute(namespaces, NAMESPACE)?;
        }
        if namespaces == "xmlns" && !attribute_prefix.is_empty() {
            xml.push_attribute("xmlns:ncip", NAMESPACE)?;
        }
        let qualified = !attribute_prefix.is_empty();
        xml.scheme_attribute = if qualified { "ncip:Scheme" } else { "Scheme" };
        xml.push_attribute(if qualified { "ncip:version" } else { "version" }, &dialect.version_uri)?;
        xml.out.push('>');
        Ok(xml)
    }

    /// Begins an `NCIPVersionMessage`, which has no namespace and is written as NCIP 1 is, whatever the dialect.
    pub(super) fn start_version(uri: &str, dialect: &Dialect) -> Result<Self, WriteError> {
        let mut xml = Self::document("NCIPVersionMessage", dialect);
        xml.version = Version::V1;
        xml.out.push_str("<NCIPVersionMessage");
        xml.push_attribute("version", uri)?;
        xml.out.push('>');
        Ok(xml)
    }

    fn document(root: &'static str, dialect: &Dialect) -> Self {
        let mut out = String::with_capacity(4096);
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        Self {
            out,
            root,
            element_prefix: "",
            scheme_attribute: "Scheme",
            version: dialect.version,
            schemes: dialect.send_schemes,
        }
    }

    /// Closes the root and gives the document.
    pub(super) fn finish(mut self) -> String {
        self.close(self.root);
        self.out.push('\n');
        self.out
    }

    /// Which NCIP the document is in.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn open(&mut self, name: &'static str) {
        self.out.push('<');
        self.push_name(name);
        self.out.push('>');
    }

    pub(super) fn close(&mut self, name: &'static str) {
        self.out.push_str("</");
        self.push_name(name);
        self.out.push('>');
    }

    /// An element with text in it, and no line ends.
    pub(super) fn text(&mut self, name: &'static str, value: &str) -> Result<(), WriteError> {
        self.open(name);
        self.push_escaped(name, value, false)?;
        self.close(name);
        Ok(())
    }

    /// An element with text in it that may hold line ends.
    pub(super) fn lines(&mut self, name: &'static str, value: &str) -> Result<(), WriteError> {
        self.open(name);
        self.push_escaped(name, value, true)?;
        self.close(name);
        Ok(())
    }

    /// A `SchemeValuePair`: a code, with the URI of the list that it comes from where such are sent. In NCIP 1 both are
    /// elements, and both must be there.
    pub(super) fn code(
        &mut self,
        name: &'static str,
        scheme: Option<&str>,
        value: &str,
    ) -> Result<(), WriteError> {
        if value.trim().is_empty() {
            return Err(WriteError::Empty { element: name });
        }
        let scheme = scheme.filter(|_| self.schemes);
        if self.version == Version::V1 {
            self.open(name);
            self.text("Scheme", scheme.unwrap_or_default())?;
            self.open("Value");
            self.push_escaped(name, value, false)?;
            self.close("Value");
            self.close(name);
            return Ok(());
        }
        self.out.push('<');
        self.push_name(name);
        if let Some(scheme) = scheme {
            self.push_attribute(self.scheme_attribute, scheme)?;
        }
        self.out.push('>');
        self.push_escaped(name, value, false)?;
        self.close(name);
        Ok(())
    }

    fn push_name(&mut self, name: &'static str) {
        self.out.push_str(self.element_prefix);
        self.out.push_str(name);
    }

    fn push_attribute(&mut self, name: &'static str, value: &str) -> Result<(), WriteError> {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        self.push_escaped(name, value, false)?;
        self.out.push('"');
        Ok(())
    }

    fn push_escaped(&mut self, element: &'static str, value: &str, lines: bool) -> Result<(), WriteError> {
        // Nothing to escape in most values, and letters are pushed in one piece.
        if value.bytes().all(|b| b.is_ascii_alphanumeric() || b" -./:_,#+'".contains(&b)) {
            self.out.push_str(value);
            return Ok(());
        }
        for c in value.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                // Always: "]]>" must not stand in text.
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\n' if lines => self.out.push('\n'),
                // Noncharacters are no XML, control characters no one's name.
                '\u{fffe}' | '\u{ffff}' => return Err(WriteError::ControlCharacter { element }),
                c if c.is_control() => return Err(WriteError::ControlCharacter { element }),
                c => self.out.push(c),
            }
        }
        Ok(())
    }
}
