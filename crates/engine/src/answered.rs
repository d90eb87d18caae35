//! What a person answered to a review, as the ledger keeps it in a link's reason: it stands until somebody answers anew.

/// No card is to be made for this student.
pub(crate) const SKIP: &str = "answered_skip";
/// The patron that is gone stays gone.
pub(crate) const LEAVE: &str = "answered_leave";
/// A card of its own is to be made, whoever else is in the ILS.
pub(crate) const SEPARATE: &str = "answered_separate";
/// The library makes no card beside one that is there (`[match] existing = "skip"`), and one is there.
pub(crate) const HAS_CARD: &str = "has_card_already";

/// Whether a reason says that nothing is to be done for the person, whatever the roster says.
pub(crate) fn is_final(reason: Option<&str>) -> bool {
    matches!(reason, Some(SKIP | LEAVE | HAS_CARD))
}
