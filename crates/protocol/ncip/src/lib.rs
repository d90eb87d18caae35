//! NCIP (NISO Z39.83) patron messages, built and read.
//!
//! [`encode`] turns a [`Request`] into the bytes of one `NCIPMessage`; [`Reader::read`] turns the bytes of an answer
//! into an [`Answer`]. How one responder wants its messages spelt is a [`Dialect`]. What a refusal means for the one
//! who asked is a [`ProblemClass`].
//!
//! One model serves NCIP 2.0, 2.01, 2.02 and 1.0; a [`Version`] says which is written, and both are always read.
//!
//! Nothing here opens a socket, reads a clock or knows what a partnership is. The crate deliberately does not check
//! answers against the schema: no responder in use sends answers that would pass.
//!
//! ```
//! use rostercard_ncip::{Dialect, Header, LookupUser, Request, UserElement, UserId, Who, encode};
//!
//! let request = Request::LookupUser(LookupUser {
//!     who: Who::Id(UserId::barcode("LAKELIB", "20001000123456")),
//!     elements: UserElement::ALL.to_vec(),
//! });
//! let body = encode(&request, &Header::new("LAKESIDE-USD", "LAKELIB"), &Dialect::default())?;
//! assert!(body.reveal().ends_with(b"</ncip:NCIPMessage>\n"));
//! # Ok::<(), rostercard_ncip::WriteError>(())
//! ```

mod date;
mod dialect;
mod model;
mod problem;
mod read;
mod schemes;
mod text;
mod write;

pub use date::{Date, DateOrder};
pub use dialect::{AddressForm, Dialect, ElementSpelling, Style, Version};
pub use model::{
    Address, AuthenticationInput, Block, CreateUser, Fields, Header, LookupUser, Place, PostalAddress,
    Privilege, Request, Service, StructuredName, UpdateUser, UserElement, UserId, UserName, UserRecord, Who,
};
pub use problem::{Problem, ProblemClass, ProblemTable, Problems};
pub use read::{Answer, Limits, ReadError, Reader, Versions};
pub use text::Text;
pub use write::{Body, VersionRoot, WriteError, encode, encode_lookup_version};

#[cfg(test)]
mod roundtrip;
