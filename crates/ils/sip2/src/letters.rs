//! The letters that a server's encoding can hold. Others are spelt on purpose, the same name always the same way.

use deunicode::deunicode_char;
use rostercard_sip2::Encoding;
use unicode_normalization::UnicodeNormalization;

/// A text as the encoding can write it: composed, trimmed, what has no place spelt in plain letters.
pub(crate) fn fit(text: &str, encoding: Encoding) -> String {
    let spelt = |letter: char| {
        if encoding.holds(letter) {
            letter.to_string()
        } else {
            deunicode_char(letter).unwrap_or_default().to_owned()
        }
    };
    text.nfc().map(spelt).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s12_names_are_kept_where_they_can_be_and_spelt_where_not() {
        for (text, encoding, wanted) in [
            ("Zoe\u{308}", Encoding::Cp850, "Zoë"),
            ("Zoë", Encoding::Ascii, "Zoe"),
            ("Łuczak", Encoding::Latin1, "Luczak"),
            ("Nguyễn", Encoding::Cp850, "Nguyen"),
            ("Nguyễn", Encoding::Utf8, "Nguyễn"),
        ] {
            assert_eq!(fit(text, encoding), wanted);
        }
    }
}
