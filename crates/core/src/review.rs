//! Questions that only a person can answer, and what can be answered to each.

use crate::reason::Review;
use crate::words::vocabulary;

vocabulary! {
    /// What a person can answer to a review.
    ReviewAnswer {
        /// The patron with this number is the student.
        Link = "link",
        /// A card of its own is to be made, whoever else is in the ILS.
        Separate = "separate",
        /// No card is to be made.
        Skip = "skip",
        /// The cause is gone: try again with the next run.
        Again = "again",
        /// A patron that is gone has this number now.
        Relink = "relink",
        /// A patron that is gone is to be made again.
        Recreate = "recreate",
        /// A patron that is gone, or a card that is the family's own, is no longer looked after.
        Leave = "leave",
        /// The person who has a card under another number, or by another district, is this one: that card stays the card.
        Same = "same",
    }
}

impl ReviewAnswer {
    /// Whether a number belongs to it.
    #[must_use]
    pub const fn needs_number(self) -> bool {
        matches!(self, Self::Link | Self::Relink)
    }
}

/// Every question that there is.
const QUESTIONS: &[Review] = &[
    Review::NumberTaken,
    Review::SeveralPatrons,
    Review::NotVisible,
    Review::Gone,
    Review::OptOutOnOwnCard,
    Review::PossiblePatron,
    Review::PerhapsRenumbered,
    Review::PerhapsMoved,
    Review::AnotherPerson,
    Review::NotLoaded,
];

/// The question that a link's reason is, where it is one.
#[must_use]
pub fn question_of(code: &str) -> Option<Review> {
    QUESTIONS.iter().find(|review| review.code() == code).cloned()
}

/// What may be answered to a question, the usual answer first.
#[must_use]
pub fn answers_to(question: &Review) -> &'static [ReviewAnswer] {
    use ReviewAnswer::{Again, Leave, Link, Recreate, Relink, Same, Separate, Skip};
    match question {
        Review::NumberTaken => &[Link, Again, Skip],
        Review::SeveralPatrons | Review::NotVisible => &[Again, Skip],
        Review::Gone => &[Relink, Recreate, Leave],
        Review::OptOutOnOwnCard => &[Leave],
        Review::PossiblePatron => &[Link, Separate, Skip],
        Review::PerhapsRenumbered | Review::PerhapsMoved => &[Same, Separate, Skip],
        Review::AnotherPerson => &[Same, Leave],
        Review::NotLoaded => &[Again, Leave],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_found_by_its_code_and_takes_an_answer() {
        for question in QUESTIONS {
            assert_eq!(question_of(question.code()).as_ref(), Some(question));
            assert!(!answers_to(question).is_empty());
        }
        assert_eq!(question_of("school_without_home"), None);
    }
}
