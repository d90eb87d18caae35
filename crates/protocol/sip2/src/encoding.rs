//! The four encodings that SIP2 servers use. Nothing is ever cut inside a letter, and what cannot be read becomes U+FFFD.

/// How letters travel. SIP 2.00 says code page 850; many servers send something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// Seven bits.
    Ascii,
    /// ISO 8859-1.
    Latin1,
    /// DOS code page 850, the specification's own.
    #[default]
    Cp850,
    /// UTF-8.
    Utf8,
}

/// A letter that an encoding has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a letter cannot be written in {0:?}")]
pub struct Unencodable(pub Encoding);

/// Bytes 0x80 to 0xFF of code page 850.
#[rustfmt::skip]
const CP850: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å',
    'É', 'æ', 'Æ', 'ô', 'ö', 'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', 'ø', '£', 'Ø', '×', 'ƒ',
    'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '®', '¬', '½', '¼', '¡', '«', '»',
    '░', '▒', '▓', '│', '┤', 'Á', 'Â', 'À', '©', '╣', '║', '╗', '╝', '¢', '¥', '┐',
    '└', '┴', '┬', '├', '─', '┼', 'ã', 'Ã', '╚', '╔', '╩', '╦', '╠', '═', '╬', '¤',
    'ð', 'Ð', 'Ê', 'Ë', 'È', 'ı', 'Í', 'Î', 'Ï', '┘', '┌', '█', '▄', '¦', 'Ì', '▀',
    'Ó', 'ß', 'Ô', 'Ò', 'õ', 'Õ', 'µ', 'þ', 'Þ', 'Ú', 'Û', 'Ù', 'ý', 'Ý', '¯', '´',
    '\u{ad}', '±', '‗', '¾', '¶', '§', '÷', '¸', '°', '¨', '·', '¹', '³', '²', '■', '\u{a0}',
];

impl Encoding {
    /// Appends text in this encoding; where a letter cannot be written, nothing useful was appended.
    ///
    /// # Errors
    /// [`Unencodable`] where the encoding has no place for a letter.
    pub fn encode(self, text: &str, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        if self == Self::Utf8 || text.is_ascii() {
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        for letter in text.chars() {
            out.push(self.byte(letter).ok_or(Unencodable(self))?);
        }
        Ok(())
    }

    /// Whether a letter can be written.
    #[must_use]
    pub fn holds(self, letter: char) -> bool {
        self == Self::Utf8 || self.byte(letter).is_some()
    }

    fn byte(self, letter: char) -> Option<u8> {
        if letter.is_ascii() {
            return u8::try_from(letter).ok();
        }
        match self {
            Self::Ascii | Self::Utf8 => None,
            Self::Latin1 => u8::try_from(u32::from(letter)).ok(),
            Self::Cp850 => CP850.iter().position(|c| *c == letter).and_then(|at| u8::try_from(at + 128).ok()),
        }
    }

    /// Reads text; the second is whether something could not be read and was replaced.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> (String, bool) {
        if bytes.is_ascii() || self == Self::Utf8 {
            let text = String::from_utf8_lossy(bytes);
            let lossy = matches!(text, std::borrow::Cow::Owned(_));
            return (text.into_owned(), lossy);
        }
        let mut lossy = false;
        let letter = |byte: &u8| match (self, *byte) {
            (_, byte) if byte.is_ascii() => char::from(byte),
            (Self::Latin1, byte) => char::from(byte),
            (Self::Cp850, byte) => {
                CP850.get(usize::from(byte) - 128).copied().unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            (Self::Ascii | Self::Utf8, _) => {
                lossy = true;
                char::REPLACEMENT_CHARACTER
            }
        };
        let text = bytes.iter().map(letter).collect();
        (text, lossy)
    }

    /// The longest beginning of a text that takes at most so many bytes, ending between letters.
    #[must_use]
    pub fn fit(self, text: &str, most: usize) -> &str {
        let mut taken = 0;
        for (at, letter) in text.char_indices() {
            taken += if self == Self::Utf8 { letter.len_utf8() } else { 1 };
            if taken > most {
                return text.get(..at).unwrap_or(text);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Encoding; 4] = [Encoding::Ascii, Encoding::Latin1, Encoding::Cp850, Encoding::Utf8];

    #[test]
    fn letters_of_code_page_850() {
        let mut out = Vec::new();
        Encoding::Cp850.encode("Zoë Peña", &mut out).unwrap();
        assert_eq!(out, b"Zo\x89 Pe\xa4a");
        assert_eq!(Encoding::Cp850.decode(&out), ("Zoë Peña".to_owned(), false));
    }

    #[test]
    fn every_byte_is_read_and_most_are_written_back() {
        for encoding in [Encoding::Latin1, Encoding::Cp850] {
            for byte in 0..=u8::MAX {
                let (text, lossy) = encoding.decode(&[byte]);
                let mut back = Vec::new();
                encoding.encode(&text, &mut back).unwrap();
                assert_eq!((back, lossy), (vec![byte], false), "{encoding:?} {byte}");
            }
        }
        assert_eq!(Encoding::Ascii.decode(b"a\x80"), ("a\u{fffd}".to_owned(), true));
        assert_eq!(Encoding::Utf8.decode(b"a\xeb|"), ("a\u{fffd}|".to_owned(), true));
    }

    #[test]
    fn what_has_no_place_is_refused() {
        for encoding in ALL {
            let refused = encoding.encode("Łódź", &mut Vec::new()).is_err();
            assert_eq!(refused, encoding != Encoding::Utf8, "{encoding:?}");
        }
    }

    #[test]
    fn nothing_is_cut_inside_a_letter() {
        assert_eq!(Encoding::Utf8.fit("Peña", 3), "Pe");
        assert_eq!(Encoding::Utf8.fit("Peña", 4), "Peñ");
        assert_eq!(Encoding::Cp850.fit("Peña", 3), "Peñ");
        assert_eq!(Encoding::Cp850.fit("Peña", 300), "Peña");
        assert_eq!(Encoding::Utf8.fit("ñ", 0), "");
    }
}
