//! What spreadsheets do to a roster, found in the text of a cell: numbers in scientific notation, zeros that were lost, dates
//! that became numbers, formula errors, letters of a wrong encoding. Nothing is mended here: a mended number is a guess.

/// Damage to a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// `1.23E+05`: the last digits are gone.
    Scientific,
    /// `12345.0`: a number that was taken for one to reckon with.
    Decimals,
    /// `12,345`: a number with separators.
    Separators,
    /// `#N/A`, `#REF!`, `#####`.
    Formula,
    /// `44927` where a date belongs.
    DateAsNumber,
    /// `Ã©` where `é` was.
    Mojibake,
    /// Bytes that mean nothing in the file's encoding.
    Undecodable,
    /// A control character.
    Control,
    /// A cell that goes on over many lines: a quotation mark that was never closed.
    Unclosed,
}

impl Damage {
    /// Its stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Scientific => "id_in_scientific_notation",
            Self::Decimals => "id_with_decimals",
            Self::Separators => "id_with_separators",
            Self::Formula => "formula_error",
            Self::DateAsNumber => "date_as_number",
            Self::Mojibake => "wrong_encoding",
            Self::Undecodable => "not_text",
            Self::Control => "control_character",
            Self::Unclosed => "quote_not_closed",
        }
    }

    /// What it is, and what the district should do, without the value.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Scientific => {
                "a spreadsheet turned the number into scientific notation and its last digits are lost; export it as text"
            }
            Self::Decimals => {
                "a spreadsheet turned the number into one with decimals; export the column as text"
            }
            Self::Separators => "the number has separators; export the column as text",
            Self::Formula => "the cell holds a spreadsheet's error instead of a value",
            Self::DateAsNumber => {
                "a spreadsheet's day number stands where a date belongs; format the column as a date, or as text"
            }
            Self::Mojibake => "the text was saved in one encoding and read in another; export it as UTF-8",
            Self::Undecodable => "the cell holds bytes that are no text in the file's encoding",
            Self::Control => "the cell holds a control character",
            Self::Unclosed => "a quotation mark is not closed: the cell has swallowed the rows after it",
        }
    }
}

/// What is wrong with a cell that holds a number which names somebody.
#[must_use]
pub fn in_id(text: &str) -> Option<Damage> {
    in_any(text).or_else(|| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let scientific = text.split_once(['e', 'E']).is_some_and(|(mantissa, exponent)| {
            let plain = mantissa.trim_start_matches(['+', '-']).replacen(['.', ','], "", 1);
            digits(&plain) && mantissa.contains(['.', ',']) && digits(exponent.trim_start_matches(['+', '-']))
                || digits(&plain) && exponent.starts_with('+') && digits(exponent.trim_start_matches('+'))
        });
        if scientific {
            return Some(Damage::Scientific);
        }
        if let Some((whole, decimals)) = text.rsplit_once('.')
            && digits(whole)
            && !decimals.is_empty()
            && decimals.bytes().all(|b| b == b'0')
        {
            return Some(Damage::Decimals);
        }
        let groups: Vec<&str> = text.split(',').collect();
        let grouped = groups.len() > 1
            && groups.first().is_some_and(|first| digits(first) && first.len() <= 3)
            && groups.iter().skip(1).all(|group| digits(group) && group.len() == 3);
        grouped.then_some(Damage::Separators)
    })
}

/// What is wrong with a cell that holds a date.
#[must_use]
pub fn in_date(text: &str) -> Option<Damage> {
    in_any(text).or_else(|| {
        // Days since 1900: 10,000 is of 1927, 60,000 of 2064. Eight digits are a date without hyphens.
        let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
        let number = whole.len() == 5 && whole.bytes().all(|b| b.is_ascii_digit());
        (number && ("10000"..="60000").contains(&whole)).then_some(Damage::DateAsNumber)
    })
}

/// What is wrong with a cell that holds any text.
#[must_use]
pub fn in_any(text: &str) -> Option<Damage> {
    const ERRORS: [&str; 9] =
        ["#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#ERROR!"];
    if text.contains('\u{fffd}') {
        return Some(Damage::Undecodable);
    }
    let formula = text.starts_with('#')
        && (ERRORS.iter().any(|error| text.eq_ignore_ascii_case(error))
            || (text.len() > 1 && text.bytes().all(|b| b == b'#')));
    if formula {
        return Some(Damage::Formula);
    }
    if text.len() > 2_000 && text.contains('\n') {
        return Some(Damage::Unclosed);
    }
    text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')).then_some(Damage::Control)
}

/// Whether a name looks as if its letters were read in a wrong encoding: `Ã` and `Â` before what UTF-8's second bytes become.
#[must_use]
pub fn mojibake(text: &str) -> Option<Damage> {
    let mut before = ' ';
    for c in text.chars() {
        let second = matches!(
            c,
            '\u{80}'
                ..='\u{bf}'
                    | '€'
                    | '‚'
                    | 'ƒ'
                    | '„'
                    | '…'
                    | '†'
                    | '‡'
                    | 'ˆ'
                    | '‰'
                    | 'Š'
                    | '‹'
                    | 'Œ'
                    | 'Ž'
                    | '‘'
                    | '’'
                    | '“'
                    | '”'
                    | '•'
                    | '–'
                    | '—'
                    | '˜'
                    | '™'
                    | 'š'
                    | '›'
                    | 'œ'
                    | 'ž'
                    | 'Ÿ'
        );
        if matches!(before, 'Ã' | 'Â' | 'Å' | 'Ä') && second {
            return Some(Damage::Mojibake);
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn s07_numbers_that_a_spreadsheet_spoilt() {
        for (text, damage) in [
            ("1.23E+05", Some(Damage::Scientific)),
            ("1.23457E+11", Some(Damage::Scientific)),
            ("1,23E+5", Some(Damage::Scientific)),
            ("5E+10", Some(Damage::Scientific)),
            ("123456.0", Some(Damage::Decimals)),
            ("123456.00", Some(Damage::Decimals)),
            ("1,234,567", Some(Damage::Separators)),
            ("#N/A", Some(Damage::Formula)),
            ("######", Some(Damage::Formula)),
            ("12\u{0}34", Some(Damage::Control)),
            ("12\u{fffd}34", Some(Damage::Undecodable)),
            ("0001234", None),
            ("E12345", None),
            ("12E45", None),
            ("1E5", None),
            ("A-12.5", None),
            ("", None),
        ] {
            assert_eq!(in_id(text), damage, "{text}");
        }
    }

    #[test]
    fn dates_that_became_numbers() {
        for (text, damage) in [
            ("44927", Some(Damage::DateAsNumber)),
            ("41000.0", Some(Damage::DateAsNumber)),
            ("20140506", None),
            ("2014-05-06", None),
            ("5/6/2014", None),
            ("99999", None),
            ("#VALUE!", Some(Damage::Formula)),
        ] {
            assert_eq!(in_date(text), damage, "{text}");
        }
    }

    #[test]
    fn letters_of_a_wrong_encoding() {
        for (name, spoilt) in [
            ("NÃºÃ±ez", true),
            ("ZoÃ«", true),
            ("Â", false),
            ("Núñez", false),
            ("Ângela", false),
            ("Ã", false),
            ("ANDRÃ‰", true),
        ] {
            assert_eq!(mojibake(name).is_some(), spoilt, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = (in_id(&text), in_date(&text), in_any(&text), mojibake(&text));
        }

        #[test]
        fn plain_numbers_are_whole(text in "[0-9]{1,20}|[A-Z][0-9]{3,9}") {
            prop_assert_eq!(in_id(&text), None);
        }
    }
}
