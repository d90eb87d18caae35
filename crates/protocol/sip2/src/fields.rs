//! Variable fields: two characters of code, text, a delimiter. Kept in order, with repeats, the unknown ones too.

use std::fmt;

use crate::value::Value;
use crate::wire::Wire;

/// The two characters that name a variable field: capital letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldCode([u8; 2]);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        impl FieldCode {
            $($(#[$doc])* pub const $name: Self = Self(*$code);)*
        }
    };
}

codes! {
    /// Institution.
    INSTITUTION = b"AO",
    /// Patron identifier: the card's number.
    PATRON = b"AA",
    /// The terminal's password.
    TERMINAL_PASSWORD = b"AC",
    /// The patron's password: the PIN.
    PATRON_PASSWORD = b"AD",
    /// Personal name, for display.
    NAME = b"AE",
    /// Screen message.
    SCREEN = b"AF",
    /// Print line.
    PRINT = b"AG",
    /// Why a card is blocked.
    BLOCKED_MESSAGE = b"AL",
    /// Library name.
    LIBRARY = b"AM",
    /// Home branch, in servers that send it.
    HOME_BRANCH = b"AQ",
    /// Terminal location.
    TERMINAL = b"AN",
    /// Home address.
    ADDRESS = b"BD",
    /// E-mail address.
    EMAIL = b"BE",
    /// Telephone.
    PHONE = b"BF",
    /// Whether the patron is valid: Y or N.
    VALID_PATRON = b"BL",
    /// Which messages the server says it supports.
    SUPPORTED = b"BX",
    /// Login name.
    LOGIN = b"CN",
    /// Login password.
    LOGIN_PASSWORD = b"CO",
    /// Login location.
    LOCATION = b"CP",
    /// Whether the patron's password was right: Y or N.
    VALID_PASSWORD = b"CQ",
}

impl FieldCode {
    /// A code; none where it is not two capital letters or digits.
    #[must_use]
    pub fn new(code: [u8; 2]) -> Option<Self> {
        code.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()).then_some(Self(code))
    }

    /// A code from text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::new(text.as_bytes().try_into().ok()?)
    }

    /// The two characters.
    #[must_use]
    pub fn get(self) -> [u8; 2] {
        self.0
    }
}

impl fmt::Display for FieldCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(self.0[0]), char::from(self.0[1]))
    }
}

impl fmt::Debug for FieldCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The variable fields of a message, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(FieldCode, Value)>);

impl Fields {
    /// No field.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// These, and one more at the end.
    #[must_use]
    pub fn with(mut self, code: FieldCode, value: impl Into<Value>) -> Self {
        self.push(code, value.into());
        self
    }

    /// Adds one at the end.
    pub fn push(&mut self, code: FieldCode, value: Value) {
        self.0.push((code, value));
    }

    /// The first of this code.
    #[must_use]
    pub fn get(&self, code: FieldCode) -> Option<&Value> {
        self.all(code).next()
    }

    /// All of this code.
    pub fn all(&self, code: FieldCode) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |(c, _)| *c == code).map(|(_, value)| value)
    }

    /// The first of this code as Y or N; none where it is absent or says something else.
    #[must_use]
    pub fn yes_no(&self, code: FieldCode) -> Option<bool> {
        match self.get(code)?.reveal().trim() {
            "Y" | "y" => Some(true),
            "N" | "n" => Some(false),
            _ => None,
        }
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &(FieldCode, Value)> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads them. A piece that begins like no field belongs to the text before it: a delimiter in a name. None where
    /// there is no text before it. The second is whether a letter could not be read.
    pub(crate) fn read(bytes: &[u8], wire: &Wire) -> Option<(Self, bool)> {
        let mut fields = Vec::new();
        let mut lossy = false;
        let bytes = bytes.strip_suffix(&[wire.delimiter.byte()]).unwrap_or(bytes);
        if bytes.is_empty() {
            return Some((Self(fields), false));
        }
        for piece in bytes.split(|b| *b == wire.delimiter.byte()) {
            let coded =
                piece.split_first_chunk::<2>().and_then(|(c, rest)| Some((FieldCode::new(*c)?, rest)));
            let raw = coded.map_or(piece, |(_, rest)| rest);
            let (text, replaced) = wire.encoding.decode(raw);
            lossy |= replaced;
            match coded {
                Some((code, _)) => fields.push((code, Value::from(text))),
                None => fields.last_mut()?.1.rejoin(char::from(wire.delimiter.byte()), &text),
            }
        }
        Some((Self(fields), lossy))
    }
}

impl FromIterator<(FieldCode, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (FieldCode, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}
