//! When Koha takes two texts for the same: MariaDB's `utf8mb4_unicode_ci` compares without case, without accents and
//! without blanks at the ends, in searches and in unique keys alike.
//!
//! It is imitated as far as names and numbers need it; a doubtful pair counts as different, and Koha's own unique keys
//! then have the last word.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The form in which texts are the same to Koha.
pub(crate) fn fold(text: &str) -> String {
    text.trim().nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// Whether Koha takes two texts for the same.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a == b || fold(a) == fold(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_blanks_at_the_ends_do_not_count() {
        for other in ["put1", "PUT1 ", " PUT1", "PÜT1", "Pu\u{308}t1"] {
            assert!(same(other, "PUT1"), "{other}");
        }
        for other in ["PUT11", "PU T1", "PUT", ""] {
            assert!(!same(other, "PUT1"), "{other}");
        }
    }
}
