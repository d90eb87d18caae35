//! The few lines of XML writing that the messages need: names qualified as the dialect asks, text escaped, characters
//! that XML cannot carry refused.

use super::WriteError;
use crate::{Dialect, Style, Version};

const NAMESPACE: &str = "http://www.niso.org/2008/ncip";

/// A document being written.
pub(super) struct Xml {
    out: String,
    element_prefix: &'static str,
    attribute_prefix: &'static str,
    schemes: bool,
}

impl Xml {
    /// Begins the document and opens its root.
    pub(super) fn start(dialect: &Dialect) -> Result<Self, WriteError> {
        let Version::V2 = dialect.version;
        let (element_prefix, attribute_prefix, namespaces) = match dialect.style {
            Style::Prefixed => ("ncip:", "ncip:", "xmlns:ncip"),
            Style::DefaultNamespace => ("", "ncip:", "xmlns"),
            Style::UnqualifiedVersion => ("", "", "xmlns"),
        };
        let mut xml = Self {
            out: String::with_capacity(4096),
            element_prefix,
            attribute_prefix,
            schemes: dialect.send_schemes,
        };
        xml.out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<");
        xml.push_name("NCIPMessage");
        xml.push_attribute(namespaces, NAMESPACE)?;
        if dialect.style == Style::DefaultNamespace {
            xml.push_attribute("xmlns:ncip", NAMESPACE)?;
        }
        let version = if attribute_prefix.is_empty() { "version" } else { "ncip:version" };
        xml.push_attribute(version, &dialect.version_uri)?;
        xml.out.push('>');
        Ok(xml)
    }

    /// Closes the root and gives the document.
    pub(super) fn finish(mut self) -> String {
        self.close("NCIPMessage");
        self.out.push('\n');
        self.out
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

    /// A `SchemeValuePair`: a code, with the URI of the list that it comes from where such are sent.
    pub(super) fn code(
        &mut self,
        name: &'static str,
        scheme: Option<&str>,
        value: &str,
    ) -> Result<(), WriteError> {
        if value.trim().is_empty() {
            return Err(WriteError::Empty { element: name });
        }
        self.out.push('<');
        self.push_name(name);
        if let Some(scheme) = scheme.filter(|_| self.schemes) {
            let attribute = if self.attribute_prefix.is_empty() { "Scheme" } else { "ncip:Scheme" };
            self.push_attribute(attribute, scheme)?;
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
