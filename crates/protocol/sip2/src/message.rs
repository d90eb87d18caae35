//! The messages about patrons and sessions, each with its fixed fields typed and its variable fields as they came.

use std::cell::Cell;

use crate::fields::Fields;
use crate::fixed::{Chars, Fixed, Number, OneZero, PatronFlags, Stamp, Summary, Version, YesNo};
use crate::value::Value;
use crate::wire::Wire;

/// The number of a message: two digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub(crate) [u8; 2]);

impl Code {
    /// A number; none where it is not two digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::new(text.as_bytes().try_into().ok()?)
    }

    pub(crate) fn new(code: [u8; 2]) -> Option<Self> {
        code.iter().all(u8::is_ascii_digit).then_some(Self(code))
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", char::from(self.0[0]), char::from(self.0[1]))
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A message that is not one of those known here: a vendor's extension. Its body is everything behind its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its number.
    pub code: Code,
    /// Everything behind it, delimiters included, without error detection.
    pub body: Value,
}

/// What may not stand in a message that is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A text holds a delimiter, an end of message or another control character.
    #[error("a field holds a delimiter or a control character")]
    Forbidden,
}

impl Other {
    /// Puts one together from its fixed part and its fields.
    ///
    /// # Errors
    /// Where a part holds a delimiter or a control character.
    pub fn build(code: Code, fixed: &str, fields: &Fields, wire: &Wire) -> Result<Self, BuildError> {
        let delimiter = char::from(wire.delimiter.byte());
        let clean = |text: &str| !text.contains(|c: char| c == delimiter || c.is_control());
        let mut body = fixed.to_owned();
        if !clean(fixed) {
            return Err(BuildError::Forbidden);
        }
        for (code, value) in fields.iter() {
            if !clean(value.reveal()) {
                return Err(BuildError::Forbidden);
            }
            body.push_str(&code.to_string());
            body.push_str(value.reveal());
            body.push(delimiter);
        }
        Ok(Self { code, body: body.into() })
    }

    /// Its fixed part of so many characters, and its fields; none where they are not there.
    #[must_use]
    pub fn split(&self, fixed: usize, wire: &Wire) -> Option<(String, Fields)> {
        let body = self.body.reveal();
        let at = body.char_indices().nth(fixed).map_or(body.len(), |(at, _)| at);
        let (head, rest) = body.split_at_checked(at)?;
        if head.chars().count() < fixed {
            return None;
        }
        let text = Wire { encoding: crate::encoding::Encoding::Utf8, ..*wire };
        Some((head.to_owned(), Fields::read(rest.as_bytes(), &text)?.0))
    }
}

/// The next fixed field.
fn next<T: Fixed>(rest: &Cell<&[u8]>) -> Option<T> {
    let (piece, after) = rest.get().split_at_checked(T::WIDTH)?;
    rest.set(after);
    T::read(piece)
}

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident = $code:literal { $($(#[$fdoc:meta])* $field:ident: $kind:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $name {
                $($(#[$fdoc])* pub $field: $kind,)*
                /// The variable fields.
                pub fields: Fields,
            }
        )*

        /// A message, whoever sends it.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Message {
            $($(#[$doc])* $name($name),)*
            /// Any other.
            Other(Other),
        }

        impl Message {
            /// Its number.
            #[must_use]
            pub fn code(&self) -> Code {
                match self {
                    $(Self::$name(_) => Code(*$code),)*
                    Self::Other(other) => other.code,
                }
            }

            /// Its variable fields; none for a message that is not known here.
            #[must_use]
            pub fn fields(&self) -> Option<&Fields> {
                match self {
                    $(Self::$name(message) => Some(&message.fields),)*
                    Self::Other(_) => None,
                }
            }

            /// How many bytes the number and the fixed fields of a message take; none for one not known here.
            pub(crate) fn head(code: Code) -> Option<usize> {
                match &code.0 {
                    $($code => Some(2 $(+ <$kind as Fixed>::WIDTH)*),)*
                    _ => None,
                }
            }

            /// Appends number and fixed fields.
            pub(crate) fn write_head(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.code().0);
                match self {
                    $(Self::$name($name { $($field,)* fields: _ }) => { $($field.write(out);)* })*
                    Self::Other(_) => {}
                }
            }

            /// Reads a message without its error detection. The error is the fixed field that is not as it should be;
            /// the second is whether a letter could not be read.
            pub(crate) fn read(code: Code, body: &[u8], wire: &Wire) -> Result<(Self, bool), &'static str> {
                match &code.0 {
                    $($code => {
                        let rest = Cell::new(body);
                        $(let $field: $kind = next(&rest).ok_or(stringify!($field))?;)*
                        let (fields, lossy) = Fields::read(rest.get(), wire).ok_or("fields")?;
                        Ok((Self::$name($name { $($field,)* fields }), lossy))
                    })*
                    _ => {
                        let (body, lossy) = wire.encoding.decode(body);
                        Ok((Self::Other(Other { code, body: body.into() }), lossy))
                    }
                }
            }
        }

        $(impl From<$name> for Message {
            fn from(message: $name) -> Self {
                Self::$name(message)
            }
        })*
    };
}

messages! {
    /// 93: logs a client in. CN, CO, CP.
    Login = b"93" {
        /// How the login name is encrypted; 0 is not at all.
        user_algorithm: Chars<1>,
        /// How the password is encrypted; 0 is not at all.
        password_algorithm: Chars<1>,
    }
    /// 94: the answer to 93.
    LoginResponse = b"94" {
        /// Whether the login was taken.
        ok: OneZero,
    }
    /// 99: asks how the server is.
    ScStatus = b"99" {
        /// 0: the client is well.
        status: Chars<1>,
        /// The most characters of a line.
        print_width: Number<3>,
        /// The edition that the client speaks.
        version: Version,
    }
    /// 98: the answer to 99. BX says which messages are supported.
    AcsStatus = b"98" {
        /// Whether the server is connected to the library's system.
        online: YesNo,
        /// Whether items may be returned.
        checkin: YesNo,
        /// Whether items may be lent.
        checkout: YesNo,
        /// Whether items may be renewed.
        renewal: YesNo,
        /// Whether patrons' status may be changed (01 and 25).
        status_update: YesNo,
        /// Whether the server works off-line.
        offline: YesNo,
        /// Time-out, in tenths of a second.
        timeout: Number<3>,
        /// How often to try again.
        retries: Number<3>,
        /// The server's time.
        date: Option<Stamp>,
        /// The edition that the server speaks.
        version: Version,
    }
    /// 23: asks for a patron's status. AO, AA, AC, AD.
    PatronStatus = b"23" {
        /// Language; 000 is not known.
        language: Number<3>,
        /// The client's time.
        date: Option<Stamp>,
    }
    /// 24: the answer to 23, and to 01.
    PatronStatusResponse = b"24" {
        /// The fourteen flags.
        flags: PatronFlags,
        /// Language.
        language: Number<3>,
        /// The server's time.
        date: Option<Stamp>,
    }
    /// 63: asks for a patron. AO, AA, AC, AD.
    PatronInformation = b"63" {
        /// Language.
        language: Number<3>,
        /// The client's time.
        date: Option<Stamp>,
        /// Which list is wanted.
        summary: Summary,
    }
    /// 64: the answer to 63.
    PatronInformationResponse = b"64" {
        /// The fourteen flags.
        flags: PatronFlags,
        /// Language.
        language: Number<3>,
        /// The server's time.
        date: Option<Stamp>,
        /// How many holds.
        holds: Number<4>,
        /// How many overdue.
        overdue: Number<4>,
        /// How many lent.
        charged: Number<4>,
        /// How many fines.
        fines: Number<4>,
        /// How many recalled.
        recalls: Number<4>,
        /// How many holds that cannot be filled.
        unavailable: Number<4>,
    }
    /// 01: blocks a card. AO, AL, AA, AC. Answered by 24.
    BlockPatron = b"01" {
        /// Whether the machine kept the card.
        card_retained: YesNo,
        /// The client's time.
        date: Option<Stamp>,
    }
    /// 25: enables a card again. AO, AA, AC, AD.
    PatronEnable = b"25" {
        /// The client's time.
        date: Option<Stamp>,
    }
    /// 26: the answer to 25.
    PatronEnableResponse = b"26" {
        /// The fourteen flags.
        flags: PatronFlags,
        /// Language.
        language: Number<3>,
        /// The server's time.
        date: Option<Stamp>,
    }
    /// 35: ends a patron's session. AO, AA, AC, AD.
    EndSession = b"35" {
        /// The client's time.
        date: Option<Stamp>,
    }
    /// 36: the answer to 35.
    EndSessionResponse = b"36" {
        /// Whether the session was ended.
        ended: YesNo,
        /// The server's time.
        date: Option<Stamp>,
    }
    /// 97: the client asks the server to send its last message again.
    ResendFromServer = b"97" {}
    /// 96: the server asks the client to send its last message again.
    ResendFromClient = b"96" {}
}

/// Which of the messages a server says it supports, by its place in the BX of a 98.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supports {
    /// 23.
    PatronStatus = 0,
    /// 11.
    Checkout = 1,
    /// 09.
    Checkin = 2,
    /// 01.
    BlockPatron = 3,
    /// 99.
    Status = 4,
    /// 97.
    Resend = 5,
    /// 93.
    Login = 6,
    /// 63.
    PatronInformation = 7,
    /// 35.
    EndSession = 8,
    /// 37.
    FeePaid = 9,
    /// 17.
    ItemInformation = 10,
    /// 19.
    ItemStatusUpdate = 11,
    /// 25.
    PatronEnable = 12,
    /// 15.
    Hold = 13,
    /// 29.
    Renew = 14,
    /// 65.
    RenewAll = 15,
}

impl AcsStatus {
    /// Whether the server says that it supports a message. None where it says nothing, and where BX is too short.
    #[must_use]
    pub fn supports(&self, what: Supports) -> Option<bool> {
        let said = self.fields.get(crate::fields::FieldCode::SUPPORTED)?;
        match said.reveal().as_bytes().get(what as usize)? {
            b'Y' | b'y' => Some(true),
            b'N' | b'n' => Some(false),
            _ => None,
        }
    }
}
