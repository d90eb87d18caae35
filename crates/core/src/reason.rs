//! Typed reasons why a student has no card, or why a card was left as it is. Each has a stable code for counts and
//! scripts, a sentence, and says what helps. None holds a value about a person.

use std::fmt;

/// Why a student gets no card, by the library's own rules. Nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NotEligible {
    /// Students, or educators, are not in the programme.
    Role,
    /// The school is not in the programme.
    School {
        /// The school, as a person would want it named.
        school: String,
    },
    /// The grade is not in the programme.
    Grade,
    /// Too young or too old for the programme.
    Age,
    /// The family said no.
    OptedOut {
        /// The roster says so; else it was noted by hand.
        by_roster: bool,
    },
    /// The programme takes a yes, and there is none.
    NoConsent,
}

/// What a student waits for before there can be a card. The library has to say something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pending {
    /// The school has no line in `[homes]`.
    NoHome {
        /// The school, as a person would want it named.
        school: String,
    },
    /// The roster names no school for the student.
    NoSchool,
}

/// Why the district's data does not allow a card. The district has to correct something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reject {
    /// There is no student id.
    NumberMissing,
    /// The student id looks like what a spreadsheet makes of a number (`1.23E+05`, `12345.0`).
    NumberDamaged,
    /// The student id has a character that cannot be on a card.
    NumberCharacter,
    /// The student id is shorter than every id of the district: leading zeros were lost.
    NumberTooShort {
        /// Its length.
        length: usize,
        /// The shortest length that the partnership allows.
        least: usize,
    },
    /// The student id, or the number made of it, is too long. It is never cut.
    NumberTooLong {
        /// Its length.
        length: usize,
        /// The longest that fits.
        most: usize,
    },
    /// Two students of the roster would get the same number.
    NumberCollides,
    /// Neither a given nor a family name.
    NameMissing,
    /// A name has characters that are no text (control characters).
    NameDamaged,
    /// The birth date is needed by the programme's rules, and is missing or unbelievable.
    BirthDateMissing,
    /// The grade is needed by the programme's rules, and is missing or unknown.
    GradeMissing,
    /// The record could not be read; the code is the source's finding.
    Record {
        /// The finding's code.
        code: String,
    },
    /// The ILS refused the record.
    RefusedByIls {
        /// Which field, by its word, or `record`.
        field: String,
    },
}

/// A question only a person can answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Review {
    /// The number already belongs to a patron that Rostercard did not make. It may be last year's load of the same
    /// child, or somebody else.
    NumberTaken,
    /// The ILS has several patrons with the number.
    SeveralPatrons,
    /// The ILS has the patron but does not let this login see it.
    NotVisible,
    /// A patron of ours is no longer there: merged, deleted or re-numbered by staff.
    Gone,
    /// The family said no, and the card is the family's own or was upgraded by staff.
    OptOutOnOwnCard,
    /// There is a patron who may be this student, and not enough agrees to be sure.
    PossiblePatron,
    /// A person with the same names and birth date has left under another number: perhaps the number was corrected.
    PerhapsRenumbered,
    /// A person with the same names and birth date has a card by another district of the same ILS, and nothing else agrees.
    PerhapsMoved,
    /// The names and the birth date under this number are another person's than they were.
    AnotherPerson,
    /// A card was handed over to the ILS's loader long ago, and is not there.
    NotLoaded,
}

/// Any of the reasons, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not eligible.
    NotEligible(NotEligible),
    /// Waits for the library.
    Pending(Pending),
    /// Rejected.
    Reject(Reject),
    /// A question for a person.
    Review(Review),
}

impl NotEligible {
    /// Its stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Role => "role_not_in_programme",
            Self::School { .. } => "school_not_in_programme",
            Self::Grade => "grade_not_in_programme",
            Self::Age => "age_not_in_programme",
            Self::OptedOut { by_roster: false } => "opted_out",
            Self::OptedOut { by_roster: true } => "opted_out_in_roster",
            Self::NoConsent => "no_consent",
        }
    }
}

impl Pending {
    /// Its stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoHome { .. } => "school_without_home",
            Self::NoSchool => "student_without_school",
        }
    }
}

impl Reject {
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NumberMissing => "number_missing",
            Self::NumberDamaged => "number_damaged",
            Self::NumberCharacter => "number_character",
            Self::NumberTooShort { .. } => "number_too_short",
            Self::NumberTooLong { .. } => "number_too_long",
            Self::NumberCollides => "number_collides",
            Self::NameMissing => "name_missing",
            Self::NameDamaged => "name_damaged",
            Self::BirthDateMissing => "birth_date_missing",
            Self::GradeMissing => "grade_missing",
            Self::Record { code } => code,
            Self::RefusedByIls { .. } => "refused_by_ils",
        }
    }

    /// The field the district should look at, by the roster's word for it.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::NumberMissing
            | Self::NumberDamaged
            | Self::NumberCharacter
            | Self::NumberTooShort { .. }
            | Self::NumberTooLong { .. }
            | Self::NumberCollides => "student_id",
            Self::NameMissing | Self::NameDamaged => "name",
            Self::BirthDateMissing => "birth_date",
            Self::GradeMissing => "grade",
            Self::Record { .. } => "record",
            Self::RefusedByIls { field } => field,
        }
    }
}

impl Review {
    /// Its stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NumberTaken => "number_taken",
            Self::SeveralPatrons => "several_patrons",
            Self::NotVisible => "not_visible",
            Self::Gone => "gone",
            Self::OptOutOnOwnCard => "opt_out_on_own_card",
            Self::PossiblePatron => "possible_patron",
            Self::PerhapsRenumbered => "perhaps_renumbered",
            Self::PerhapsMoved => "perhaps_moved",
            Self::AnotherPerson => "another_person",
            Self::NotLoaded => "not_loaded",
        }
    }
}

impl Reason {
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotEligible(reason) => reason.code(),
            Self::Pending(reason) => reason.code(),
            Self::Reject(reason) => reason.code(),
            Self::Review(reason) => reason.code(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEligible(NotEligible::Role) => f.write_str("the programme is not for people of this role"),
            Self::NotEligible(NotEligible::School { school }) => write!(f, "school {school} is not in the programme"),
            Self::NotEligible(NotEligible::Grade) => f.write_str("the grade is not in the programme"),
            Self::NotEligible(NotEligible::Age) => f.write_str("the age is not in the programme"),
            Self::NotEligible(NotEligible::OptedOut { by_roster: false }) => {
                f.write_str("the family said no: it was noted with `rostercard optout`")
            }
            Self::NotEligible(NotEligible::OptedOut { by_roster: true }) => {
                f.write_str("the family said no: the roster says so")
            }
            Self::NotEligible(NotEligible::NoConsent) => {
                f.write_str("the programme takes a yes from the family, and there is none")
            }
            Self::Pending(Pending::NoHome { school }) => write!(
                f,
                "school {school} has no home branch yet: give it a line in [homes]; its students wait until then"
            ),
            Self::Pending(Pending::NoSchool) => {
                f.write_str("the roster names no school for the student, so there is no home branch: ask the district")
            }
            Self::Reject(reject) => reject.fmt(f),
            Self::Review(Review::NumberTaken) => f.write_str(
                "the number already belongs to a patron that Rostercard did not make: an earlier load, or somebody else",
            ),
            Self::Review(Review::SeveralPatrons) => f.write_str("the ILS has several patrons with this number"),
            Self::Review(Review::NotVisible) => {
                f.write_str("the ILS has this patron but does not show it to Rostercard's login")
            }
            Self::Review(Review::OptOutOnOwnCard) => f.write_str(
                "the family said no, and the card is the family's own or was upgraded by staff: it was left as it is",
            ),
            Self::Review(Review::PossiblePatron) => f.write_str(
                "the ILS has a patron who may be this student, and not enough agrees to be sure",
            ),
            Self::Review(Review::PerhapsRenumbered) => f.write_str(
                "somebody with the same names and birth date is no longer in the roster under another number: one person?",
            ),
            Self::Review(Review::PerhapsMoved) => f.write_str(
                "somebody with the same names and birth date has a card by another district of this ILS: one person?",
            ),
            Self::Review(Review::NotLoaded) => f.write_str(
                "the card was handed over to the ILS's loader two weeks ago or more, and is not in the ILS",
            ),
            Self::Review(Review::AnotherPerson) => f.write_str(
                "both the names and the birth date under this number have changed: perhaps another person by now",
            ),
            Self::Review(Review::Gone) => f.write_str(
                "the patron was made by Rostercard and is no longer there: merged, deleted or re-numbered by staff",
            ),
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NumberMissing => f.write_str("there is no student id"),
            Self::NumberDamaged => f.write_str(
                "the student id was damaged by a spreadsheet: format the column as text and export again",
            ),
            Self::NumberCharacter => f.write_str("the student id has a character that cannot be on a card"),
            Self::NumberTooShort { length, least } => {
                write!(
                    f,
                    "the student id has {length} characters, at least {least} are expected: leading zeros lost?"
                )
            }
            Self::NumberTooLong { length, most } => {
                write!(f, "the number would have {length} characters and only {most} fit; it is never cut")
            }
            Self::NumberCollides => f.write_str("another student of the roster would get the same number"),
            Self::NameMissing => f.write_str("there is neither a given nor a family name"),
            Self::NameDamaged => f.write_str("the name has characters that are no text"),
            Self::BirthDateMissing => {
                f.write_str("the birth date is missing or unbelievable, and the programme needs it")
            }
            Self::GradeMissing => f.write_str("the grade is missing or unknown, and the programme needs it"),
            Self::Record { code } => write!(f, "the record could not be read ({code})"),
            Self::RefusedByIls { field } => write!(f, "the ILS refused the {field}"),
        }
    }
}
