//! What the answer to a look-up means. Only an answer that agrees with itself says that there is no such card: a server
//! that fails answers `BL` N as well.

use crate::fields::{FieldCode, Fields};
use crate::fixed::{PatronFlag, PatronFlags};
use crate::message::PatronInformationResponse;

/// What a 64 (or 24, or 26) means for the card that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is such a card.
    Found,
    /// There is none, and everything in the answer agrees.
    NotFound,
    /// Nobody can tell.
    Unclear(Doubt),
}

/// Why nobody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Neither a name nor BL.
    #[error("the answer says neither that the patron is valid nor a name")]
    NothingSaid,
    /// BL is N, and nothing is denied.
    #[error("the answer says that there is no such patron, and denies nothing: so do servers that failed")]
    NothingDenied,
    /// BL is N, and there is a name.
    #[error("the answer says that the patron is not valid, and names one")]
    Named,
    /// A screen message speaks of an error.
    #[error("the answer says that there is no such patron, and its message speaks of an error")]
    ErrorSaid,
    /// BL is neither Y nor N.
    #[error("the answer's BL is neither Y nor N")]
    OddValidity,
}

/// Parts of screen messages that say that a number is nobody's.
const NOBODY: [&str; 10] = [
    "does not exist",
    "not be located",
    "not be found",
    "not found",
    "not on file",
    "unknown borrower",
    "unknown patron",
    "no such",
    "not registered",
    "invalid patron",
];
/// Parts of screen messages that say that the server failed.
const FAILED: [&str; 11] = [
    "error",
    "not supported",
    "unavailable",
    "not available",
    "try again",
    "timeout",
    "timed out",
    "exception",
    "problem",
    "offline",
    "not implemented",
];
/// What stands for a name where there is none.
const NO_NAME: [&str; 4] = ["", "no name", "unknown", "patron not found"];

/// What a 64 means.
#[must_use]
pub fn judge(answer: &PatronInformationResponse) -> Verdict {
    judge_fields(answer.flags, &answer.fields)
}

/// The same for any answer with flags.
#[must_use]
pub fn judge_fields(flags: PatronFlags, fields: &Fields) -> Verdict {
    let name = fields.get(FieldCode::NAME).map(crate::value::Value::reveal).unwrap_or_default();
    let name = name.trim_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation()).to_lowercase();
    let named = !NO_NAME.contains(&name.as_str());
    let says = |parts: &[&str]| {
        let screens = fields.all(FieldCode::SCREEN).chain(fields.all(FieldCode::PRINT));
        screens
            .map(|text| text.reveal().to_lowercase())
            .any(|text| parts.iter().any(|part| text.contains(part)))
    };
    match fields.yes_no(FieldCode::VALID_PATRON) {
        Some(true) => Verdict::Found,
        None if fields.get(FieldCode::VALID_PATRON).is_some_and(|bl| !bl.is_blank()) => {
            Verdict::Unclear(Doubt::OddValidity)
        }
        None if named => Verdict::Found,
        None => Verdict::Unclear(Doubt::NothingSaid),
        Some(false) if says(&NOBODY) && flags.is_set(PatronFlag::ChargeDenied) => Verdict::NotFound,
        Some(false) if says(&FAILED) => Verdict::Unclear(Doubt::ErrorSaid),
        Some(false) if named => Verdict::Unclear(Doubt::Named),
        Some(false) if !flags.is_set(PatronFlag::ChargeDenied) => Verdict::Unclear(Doubt::NothingDenied),
        Some(false) => Verdict::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::Chars;

    #[test]
    fn only_an_answer_that_agrees_with_itself_says_no() {
        let (denied, clear) = (b"YYYY          ", b"              ");
        for (flags, fields, wanted) in [
            (clear, "AEAna Lee|BLY", Verdict::Found),
            (denied, "AEAna Lee|BLY|AFPatron has blocks.", Verdict::Found),
            (denied, "AE|BLN", Verdict::NotFound),
            (denied, "AE, |BLN|AFPatron does not exist.", Verdict::NotFound),
            (denied, "AENo Name|BLN|AFYour library card number cannot be located.", Verdict::NotFound),
            (clear, "AE|BLN", Verdict::Unclear(Doubt::NothingDenied)),
            (clear, "BLN|AFINTERNAL SERVER ERROR", Verdict::Unclear(Doubt::ErrorSaid)),
            (denied, "BLN|AFCOMMAND NOT SUPPORTED", Verdict::Unclear(Doubt::ErrorSaid)),
            (denied, "AEAna Lee|BLN", Verdict::Unclear(Doubt::Named)),
            (clear, "AEAna Lee", Verdict::Found),
            (clear, "AE", Verdict::Unclear(Doubt::NothingSaid)),
            (clear, "AEAna Lee|BL?", Verdict::Unclear(Doubt::OddValidity)),
        ] {
            let wire = crate::wire::Wire::default();
            let (read, _) = Fields::read(fields.as_bytes(), &wire).unwrap();
            let flags = Chars::new(*flags).unwrap();
            assert_eq!(judge_fields(flags, &read), wanted, "{fields}");
        }
    }
}
