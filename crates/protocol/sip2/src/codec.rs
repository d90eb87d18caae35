//! Messages to bytes and back.

use crate::checksum::{self, Summed, Trail};
use crate::encoding::Unencodable;
use crate::fields::FieldCode;
use crate::message::{Code, Message};
use crate::wire::Wire;

/// Why a message cannot be sent. Nothing of it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A text holds the delimiter, an end of message, or another control character.
    #[error("field {field} holds a delimiter or a control character")]
    Forbidden {
        /// Which field.
        field: FieldCode,
    },
    /// A text is longer than the server takes.
    #[error("field {field} is longer than {limit} bytes")]
    TooLong {
        /// Which field.
        field: FieldCode,
        /// The limit.
        limit: usize,
    },
    /// A letter has no place in the encoding.
    #[error("field {field}: {source}")]
    Letter {
        /// Which field.
        field: FieldCode,
        /// What has no place.
        source: Unencodable,
    },
    /// A message that is not known here holds what cannot travel.
    #[error("message {code} holds a control character or a letter that cannot be written")]
    Body {
        /// Its number.
        code: Code,
    },
    /// The message would be longer than the limit.
    #[error("message {code} is longer than {limit} bytes")]
    MessageTooLong {
        /// Its number.
        code: Code,
        /// The limit.
        limit: usize,
    },
    /// The end of the message would be read as error detection.
    #[error("message {code} ends in what looks like a checksum")]
    Ambiguous {
        /// Its number.
        code: Code,
    },
}

/// Why a frame is no message. Holds nothing of what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is the answer of a web server.
    #[error("the port speaks HTTP, not SIP2")]
    Http,
    /// It does not begin with a message's number.
    #[error("what came is no SIP2 message ({length} bytes of something else)")]
    NotAMessage {
        /// How long it is.
        length: usize,
    },
    /// The sum is wrong.
    #[error("message {code} has a wrong checksum")]
    Checksum {
        /// The number it bears.
        code: Code,
    },
    /// A fixed field is not as it should be, or the first variable field has no code.
    #[error("message {code} is malformed: its {what} cannot be read")]
    Malformed {
        /// Its number.
        code: Code,
        /// Which field.
        what: &'static str,
    },
    /// It is longer than the limit.
    #[error("a message of more than {limit} bytes came")]
    TooLong {
        /// The limit.
        limit: usize,
    },
}

/// A message that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The message.
    pub message: Message,
    /// What stood at its end.
    pub trail: Trail,
    /// How its sum was right.
    pub summed: Summed,
    /// Whether letters could not be read and were replaced.
    pub lossy: bool,
}

/// Writes a message with its trail, without its end.
///
/// # Errors
/// [`EncodeError`] where a value must not or cannot travel.
pub fn encode(message: &Message, wire: &Wire, trail: Trail) -> Result<Vec<u8>, EncodeError> {
    let code = message.code();
    let mut out = Vec::with_capacity(160);
    message.write_head(&mut out);
    if let Message::Other(other) = message {
        let body = other.body.reveal();
        if body.contains(char::is_control) || wire.encoding.encode(body, &mut out).is_err() {
            return Err(EncodeError::Body { code });
        }
    }
    for (field, value) in message.fields().into_iter().flat_map(crate::fields::Fields::iter) {
        let (field, text) = (*field, value.reveal());
        if text.contains(|c: char| c == char::from(wire.delimiter.byte()) || c.is_control()) {
            return Err(EncodeError::Forbidden { field });
        }
        out.extend_from_slice(&field.get());
        let from = out.len();
        wire.encoding.encode(text, &mut out).map_err(|source| EncodeError::Letter { field, source })?;
        if out.len() - from > wire.value_limit {
            return Err(EncodeError::TooLong { field, limit: wire.value_limit });
        }
        out.push(wire.delimiter.byte());
    }
    let length = out.len();
    checksum::append(&mut out, trail);
    if out.len() > wire.frame_limit {
        return Err(EncodeError::MessageTooLong { code, limit: wire.frame_limit });
    }
    let read = checksum::find(&out, wire.delimiter.byte(), Message::head(code));
    if (read.trail, read.length) != (trail, length) {
        return Err(EncodeError::Ambiguous { code });
    }
    Ok(out)
}

/// Reads a frame (without its end). The sum is looked at first: nothing of a frame with a wrong one is read.
///
/// # Errors
/// [`DecodeError`] where it is no message.
pub fn decode(frame: &[u8], wire: &Wire) -> Result<Decoded, DecodeError> {
    if frame.len() > wire.frame_limit {
        return Err(DecodeError::TooLong { limit: wire.frame_limit });
    }
    let code = frame.split_first_chunk::<2>().and_then(|(code, _)| Code::new(*code));
    let Some(code) = code else {
        let http = frame.starts_with(b"HTTP/");
        return Err(if http { DecodeError::Http } else { DecodeError::NotAMessage { length: frame.len() } });
    };
    let read = checksum::find(frame, wire.delimiter.byte(), Message::head(code));
    let summed = checksum::verify(frame, read.sum, wire.checksum, wire.encoding)
        .ok_or(DecodeError::Checksum { code })?;
    let body = frame.get(2..read.length).unwrap_or_default();
    let (message, lossy) =
        Message::read(code, body, wire).map_err(|what| DecodeError::Malformed { code, what })?;
    Ok(Decoded { message, trail: read.trail, summed, lossy })
}
