//! What went wrong on the wire, in the words of a connector's error: whose side it is on, and what helps.

use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_sip2::{DecodeError, Failure, Refused};

/// A session that ended, as an error.
pub(crate) fn of(failure: Failure, origin: &str) -> ConnectorError {
    let (fault, retry, hint) = match failure {
        Failure::LoginRejected => (
            Fault::Operator,
            Retry::NotThisTarget,
            "Check login and password; the server may also refuse for its own reasons: every licence in use, an address or a \
             location that it does not know. It is not tried again by itself, so that no account is locked.",
        ),
        Failure::Offline => (
            Fault::Ils,
            Retry::NotThisTarget,
            "The server is there, the library system behind it is not. Nothing was written; try again later.",
        ),
        Failure::UnsupportedVersion => (
            Fault::Ils,
            Retry::NotThisTarget,
            "SIP 1.00 cannot look a patron up: ask the vendor for SIP 2.00.",
        ),
        Failure::Timeout { .. } => (
            Fault::Network,
            Retry::Later,
            "The server may have no connection free, or may not know the message. See its log, and the number of its licences.",
        ),
        Failure::Closed => (
            Fault::Network,
            Retry::Later,
            "Servers close the connection at messages that they do not know, when a session is too old, and when they fail.",
        ),
        Failure::Unreadable(DecodeError::Http) => (
            Fault::Operator,
            Retry::NotThisTarget,
            "Write the host and port of the SIP2 service; this one is a web server's.",
        ),
        Failure::Unreadable(DecodeError::Checksum { .. }) => (
            Fault::Ils,
            Retry::NotThisRecord,
            "Where the server's sums are wrong for letters with accents, try another `encoding`, or checksum = \"lenient\".",
        ),
        Failure::Unreadable(_) | Failure::Unexpected { .. } | Failure::Unasked => (
            Fault::Ils,
            Retry::NotThisRecord,
            "Show the server's vendor this message; a log of the server shows what it sent.",
        ),
        Failure::PatronMismatch => (
            Fault::Ils,
            Retry::NotThisRecord,
            "Look the number up by hand. Where the server looks up by user names too, aliases = true takes such answers.",
        ),
        Failure::Sequence | Failure::Retired => (
            Fault::Ils,
            Retry::Later,
            "The answer may be another question's, so it was not used, and the connection was closed.",
        ),
        Failure::Undetected => (
            Fault::Operator,
            Retry::NotThisTarget,
            "Turn error detection on in the server, or write error_detection = \"auto\".",
        ),
        Failure::ResendLimit | Failure::NotRepeated => (
            Fault::Ils,
            Retry::NotThisRecord,
            "Compare `encoding`, `delimiter` and `error_detection` with the server's settings.",
        ),
    };
    ConnectorError::new(fault, retry, format!("{origin}: {failure}"), hint)
}

/// A question that was not taken, as an error; nothing was sent.
pub(crate) fn refused(refused: Refused, origin: &str) -> ConnectorError {
    let (fault, retry, hint) = match refused {
        Refused::Encode(_) | Refused::NoPatron => (
            Fault::District,
            Retry::NotThisRecord,
            "Correct the value in the roster, or set a rule for it; nothing was sent.",
        ),
        Refused::Busy | Refused::Ended | Refused::Exhausted => {
            (Fault::Rostercard, Retry::Later, "Nothing was sent; it is tried again later.")
        }
    };
    ConnectorError::new(fault, retry, format!("{origin}: {refused}"), hint)
}
