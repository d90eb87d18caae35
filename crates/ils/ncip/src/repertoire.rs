//! The letters that an ILS can hold. Others are transliterated on purpose, letter by letter, so that the same name always
//! comes out the same.

use deunicode::deunicode_char;
use rostercard_core::ports::Text;
use unicode_normalization::UnicodeNormalization;

/// The text as an ILS with this repertoire can hold it: composed, and without white space at the ends, which XML does
/// not carry reliably.
pub(crate) fn fit(text: &str, repertoire: Text) -> String {
    let composed = text.nfc();
    let out: String = match repertoire {
        Text::Utf8 => composed.collect(),
        Text::Latin1 => composed.map(|c| keep_or_spell(c, u32::from(c) <= 0xff)).collect(),
        Text::Ascii => composed.map(|c| keep_or_spell(c, c.is_ascii())).collect(),
    };
    out.trim().to_owned()
}

fn keep_or_spell(c: char, keep: bool) -> String {
    if keep { c.to_string() } else { deunicode_char(c).unwrap_or_default().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s12_names_are_kept_where_they_can_be_and_spelt_where_not() {
        let cases = [
            ("Zoë", Text::Utf8, "Zoë"),
            ("Zoe\u{308}", Text::Utf8, "Zoë"),
            ("Zoe\u{308}", Text::Latin1, "Zoë"),
            ("Zoë", Text::Ascii, "Zoe"),
            ("Nguyễn", Text::Latin1, "Nguyen"),
            ("Müller-Łuczak", Text::Latin1, "Müller-Luczak"),
            ("O’Brien", Text::Ascii, "O'Brien"),
            ("Ольга", Text::Ascii, "Ol'ga"),
            (" Zoë ", Text::Utf8, "Zoë"),
        ];
        for (text, repertoire, wanted) in cases {
            assert_eq!(fit(text, repertoire), wanted, "{text} {repertoire}");
        }
    }
}
