//! SIP 2.00 for patrons: messages, checksums, encodings, and the session as a state machine.
//!
//! [`encode`] and [`decode`] turn a [`Message`] into the bytes of a frame and back; [`Framer`] cuts what arrives into
//! frames; [`Session`] is a client's side of a connection, without the connection: bytes and times go in, bytes and
//! events come out. [`judge`] says what an answer to a look-up means.
//!
//! Nothing here opens a socket, reads a clock or knows what a partnership is. It deliberately has no messages about
//! items (loans, returns, holds), and none that SIP 2.00 does not have: a vendor's extension is an [`Other`], whose
//! number and fields come from the vendor's document.
//!
//! ```
//! use rostercard_sip2::{FieldCode, Fields, Message, Number, PatronInformation, Summary, Trail, Wire, decode, encode};
//!
//! let question = Message::from(PatronInformation {
//!     language: Number::new(1),
//!     date: None,
//!     summary: Summary::BLANK,
//!     fields: Fields::new().with(FieldCode::INSTITUTION, "PLS").with(FieldCode::PATRON, "29999000000017"),
//! });
//! let frame = encode(&question, &Wire::default(), Trail::Sequenced(2))?;
//! assert!(frame.starts_with(b"63001") && frame.ends_with(b"AY2AZF458"), "{}", String::from_utf8_lossy(&frame));
//! assert_eq!(decode(&frame, &Wire::default()).unwrap().message, question);
//! # Ok::<(), rostercard_sip2::EncodeError>(())
//! ```

mod checksum;
mod codec;
mod dialect;
mod encoding;
mod fields;
mod fixed;
mod judge;
mod message;
mod session;
mod value;
mod wire;

pub use checksum::{ChecksumRule, Summed, Trail, checksum, checksum_of_code_points};
pub use codec::{DecodeError, Decoded, EncodeError, decode, encode};
pub use dialect::{Day, Dialect, DialectFields, day};
pub use encoding::{Encoding, Unencodable};
pub use fields::{FieldCode, Fields};
pub use fixed::{Chars, Number, OneZero, PatronFlag, PatronFlags, Stamp, Summary, Version, YesNo, Zone};
pub use judge::{Doubt, Verdict, judge, judge_fields};
pub use message::{
    AcsStatus, BlockPatron, BuildError, Code, EndSession, EndSessionResponse, Login, LoginResponse, Message,
    Other, PatronEnable, PatronEnableResponse, PatronInformation, PatronInformationResponse, PatronStatus,
    PatronStatusResponse, ResendFromClient, ResendFromServer, ScStatus, Supports,
};
pub use session::{
    Call, Credentials, ErrorDetection, Event, Failure, Notices, Refused, Session, SessionConfig, State,
};
pub use value::Value;
pub use wire::{Delimiter, FrameTooLong, Framer, Terminator, Wire};
