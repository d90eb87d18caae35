//! Answers from bytes: decoded, then taken apart whole, then understood. Anything doubtful is an error, because the one
//! who asked must then look again instead of believing that a write was done.
//!
//! Namespaces are not compared and the schema is not enforced: no responder in use would pass.

mod decode;
mod problem;
mod tree;
mod user;
mod versions;

use std::borrow::Cow;

use thiserror::Error;

#[cfg(test)]
pub(crate) use self::user::{Notes, fields};
pub(crate) use tree::{Element, parse};
pub use versions::Versions;

use crate::{DateOrder, Problems, Service, UserRecord};

/// How much is read before giving up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest answer, in bytes.
    pub bytes: usize,
    /// How deep elements may be nested.
    pub depth: usize,
    /// How many elements there may be.
    pub elements: usize,
}

impl Default for Limits {
    /// 1 MiB, 64 deep, 50,000 elements: a user with thousands of loans passes.
    fn default() -> Self {
        Self { bytes: 1 << 20, depth: 64, elements: 50_000 }
    }
}

/// What a responder answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It did what was asked.
    User(Box<UserRecord>),
    /// It refused.
    Problems(Problems),
}

/// Why an answer was not understood. After a write, each of these means that the outcome is not known.
///
/// Nothing of the answer's text is repeated here, for it may hold anything.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The answer is longer than the limit.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// There was no answer in the answer.
    #[error("the answer is empty")]
    Empty,
    /// The answer names an encoding that nobody knows.
    #[error("the answer says that it is in an encoding that is not known")]
    UnknownEncoding,
    /// The bytes are not what they are said to be.
    #[error("the answer is not valid {encoding}, which it says it is")]
    NotText {
        /// The encoding that was named or assumed.
        encoding: &'static str,
    },
    /// A web page, as servers send when they fail.
    #[error("the answer is an HTML page, not NCIP; is the address right, and is the NCIP service running?")]
    Html,
    /// The answer defines entities of its own, which no honest responder does.
    #[error("the answer carries a document type with definitions of its own; it was not read")]
    DocumentType,
    /// The answer is nested too deeply or has too many elements.
    #[error("the answer has more than {limit} {what}")]
    TooMuch {
        /// What there was too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The answer is not well-formed.
    #[error("the answer is not well-formed XML: {what}, at character {offset}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where, in the decoded text.
        offset: usize,
    },
    /// The answer ends before it is whole.
    #[error("the answer ends in the middle")]
    Truncated,
    /// Something follows the answer.
    #[error("something follows the end of the answer")]
    Trailing,
    /// Well-formed, but not an NCIP message.
    #[error("the answer is not an NCIP message")]
    NotNcip,
    /// A message with nothing in it, such as "It works!": the service that was asked for does not exist there.
    #[error("the answer holds no {expected}; the ILS seems not to know this service")]
    NoResponse {
        /// What should have been there.
        expected: &'static str,
    },
    /// A response to another question.
    #[error("the answer holds another response than {expected}")]
    WrongResponse {
        /// What should have been there.
        expected: &'static str,
    },
    /// An agency that is a reference into the responder's memory: it did not understand the schemes that it was sent, and
    /// looked for something else than what was asked for.
    #[error(
        "the answer names an agency that is none; the ILS seems to break on schemes, so that its answer cannot be believed"
    )]
    BrokenBySchemes,
    /// Several responses in one message.
    #[error("the answer holds several responses")]
    SeveralResponses,
    /// A response that neither names a user nor refuses.
    #[error("{response} names no user and no problem")]
    NoUser {
        /// The response.
        response: &'static str,
    },
}

/// Reads answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reader {
    /// How much is read before giving up.
    pub limits: Limits,
    /// In which order the responder writes a date's parts.
    pub dates: DateOrder,
}

impl Reader {
    /// Reads the answer to a request of this service. `charset` is what the `Content-Type` header said, if anything.
    ///
    /// # Errors
    /// [`ReadError`] for everything that is not one whole, expected response or a problem.
    pub fn read(&self, service: Service, body: &[u8], charset: Option<&str>) -> Result<Answer, ReadError> {
        let text = self.text(body, charset)?;
        self.answer(service, &parse(&text, self.limits)?)
    }

    /// Reads the answer to a `LookupVersion`, in either root.
    ///
    /// # Errors
    /// [`ReadError`] for everything that is not one whole list of versions; a problem is [`ReadError::NoResponse`] too,
    /// because it says no more than that there is no such list.
    pub fn read_versions(&self, body: &[u8], charset: Option<&str>) -> Result<Versions, ReadError> {
        let text = self.text(body, charset)?;
        versions::versions(&parse(&text, self.limits)?)
    }

    fn text<'b>(&self, body: &'b [u8], charset: Option<&str>) -> Result<Cow<'b, str>, ReadError> {
        if body.len() > self.limits.bytes {
            return Err(ReadError::TooLong { limit: self.limits.bytes });
        }
        decode::decode(body, charset)
    }

    fn answer(&self, service: Service, root: &Element<'_>) -> Result<Answer, ReadError> {
        if root.name != "NCIPMessage" {
            return Err(if root.name.eq_ignore_ascii_case("html") {
                ReadError::Html
            } else {
                ReadError::NotNcip
            });
        }
        if let Some(problems) = problem::problems(root) {
            return Ok(Answer::Problems(problems));
        }
        let expected = service.response_name();
        let mut responses = root.children.iter().filter(|child| child.name != "Ext");
        let response = responses.next().ok_or(ReadError::NoResponse { expected })?;
        if response.name != expected {
            return Err(ReadError::WrongResponse { expected });
        }
        if responses.next().is_some() {
            return Err(ReadError::SeveralResponses);
        }
        // Whatever is said of a user that was looked for under no number is said of nobody.
        if response.child("ResponseHeader").is_some_and(is_broken) {
            return Err(ReadError::BrokenBySchemes);
        }
        // A refusal beside a user is a refusal.
        if let Some(problems) = problem::problems(response) {
            return Ok(Answer::Problems(problems));
        }
        user::record(response, expected, self.dates).map(|record| Answer::User(Box::new(record)))
    }
}

/// Whether a header has a Perl reference where an agency should be, as Evergreen's server writes it.
fn is_broken(header: &Element<'_>) -> bool {
    let agencies = header.children.iter().filter_map(|child| child.code_of("AgencyId"));
    agencies.into_iter().any(|code| code.starts_with("HASH(0x"))
}
