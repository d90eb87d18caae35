//! What a practice ILS accepts, and what it does to what it accepts: as real ones do, each in its own way.
//!
//! Checks refuse aloud; caps and the character set change values silently, which only read-back can show.

use serde::{Deserialize, Serialize};

use super::patron::{Field, Patron, Refusal};

/// The letters an ILS can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charset {
    /// All of Unicode.
    #[default]
    Utf8,
    /// ASCII alone; every other letter becomes `?`.
    Ascii,
}

/// Whose NCIP responder it is: what it answers to at all, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Responder {
    /// One that does all that the standard has for users, in NCIP 2.02 and 1.0.
    #[default]
    Full,
    /// Koha's: look-ups alone; "It works!" for the rest; an error page for prefixed names. `secret` is in its path.
    Koha,
    /// Evergreen's NCIPServer: look-ups alone; any scheme breaks it; a found user has no number.
    Evergreen,
    /// Aleph's connector: look-ups, and updates of e-mail, phone and one postal address; schemes are demanded.
    Aleph,
    /// Voyager's, as the old ones are: look-ups alone, in NCIP 1.0.
    Voyager,
}

/// The manners of one ILS. The default accepts everything and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Personality {
    /// The agency that messages must be for; none: any.
    pub agency: Option<String>,
    /// What FromSystemAuthentication or FromAgencyAuthentication must say; none: nothing is asked.
    pub secret: Option<String>,
    /// Known patron types; empty: any.
    pub categories: Vec<String>,
    /// Known branches; empty: any.
    pub branches: Vec<String>,
    /// Known ZIP codes, of which the first five characters count; empty: any.
    pub zips: Vec<String>,
    /// Fewest characters of a PIN; 0 with `refuse_trivial_pins` off: no rule.
    pub pin_min: usize,
    /// Refuse 1111, 1234, 4321, 2020.
    pub refuse_trivial_pins: bool,
    /// Given names are cut after so many characters.
    pub given_max: Option<usize>,
    /// Surnames are cut after so many characters.
    pub surname_max: Option<usize>,
    /// Barcodes are cut after so many characters.
    pub barcode_max: Option<usize>,
    /// Which letters can be held.
    pub charset: Charset,
    /// Answers carry the `ncip:` prefix on every element, instead of a default namespace.
    pub prefixed: bool,
    /// Whose NCIP responder it is.
    pub responder: Responder,
}

/// Names of the ready-made personalities, with what each is for.
pub const PERSONALITIES: &[(&str, &str)] = &[
    ("open", "accepts everything and keeps it as it came"),
    ("koha", "NCIP as Koha's server speaks it: look-ups alone, and \"It works!\" for the rest"),
    ("evergreen", "NCIP as Evergreen's NCIPServer speaks it: look-ups alone, and no number in the answer"),
    ("aleph", "NCIP as Aleph's connector speaks it: look-ups, and updates of e-mail, phone and address"),
    ("voyager", "NCIP 1.0 as the old responders speak it: look-ups alone"),
    ("strict", "PINs of four and more, no trivial ones; answers with prefixed names"),
    (
        "old",
        "ASCII only, surnames cut at 20, given names at 15 and barcodes at 14 characters, without a word",
    ),
];

impl Personality {
    /// A ready-made personality by its name in [`PERSONALITIES`].
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "open" => Some(Self::default()),
            "koha" => Some(Self { responder: Responder::Koha, ..Self::default() }),
            "evergreen" => Some(Self { responder: Responder::Evergreen, ..Self::default() }),
            "aleph" => Some(Self { responder: Responder::Aleph, prefixed: true, ..Self::default() }),
            "voyager" => Some(Self { responder: Responder::Voyager, ..Self::default() }),
            "strict" => {
                Some(Self { pin_min: 4, refuse_trivial_pins: true, prefixed: true, ..Self::default() })
            }
            "old" => Some(Self {
                given_max: Some(15),
                surname_max: Some(20),
                barcode_max: Some(14),
                charset: Charset::Ascii,
                ..Self::default()
            }),
            _ => None,
        }
    }

    /// Refuses what this ILS refuses.
    pub(crate) fn check(&self, patron: &Patron) -> Result<(), Refusal> {
        if patron.barcode.is_empty() {
            return Err(Refusal::Missing(Field::Barcode));
        }
        if patron.surname.is_empty() {
            return Err(Refusal::Missing(Field::Surname));
        }
        let known = |list: &[String], value: &str| list.is_empty() || list.iter().any(|k| k == value);
        if let Some(code) = patron.category.as_ref().filter(|code| !known(&self.categories, code)) {
            return Err(Refusal::UnknownValue { field: Field::Category, value: code.clone() });
        }
        if let Some(code) = patron.home_branch.as_ref().filter(|code| !known(&self.branches, code)) {
            return Err(Refusal::UnknownValue { field: Field::HomeBranch, value: code.clone() });
        }
        for address in patron.addresses.iter().filter(|a| !a.zip.is_empty()) {
            let short: String = address.zip.chars().take(5).collect();
            if !known(&self.zips, &short) {
                return Err(Refusal::UnknownValue { field: Field::Zip, value: address.zip.clone() });
            }
        }
        Ok(())
    }

    /// Refuses a PIN that is too short or too plain. Only a PIN that is being set is looked at.
    pub(crate) fn check_pin(&self, pin: &str) -> Result<(), Refusal> {
        let refused = |rule| Err(Refusal::RuleViolated { field: Field::Pin, rule });
        if pin.chars().count() < self.pin_min {
            return refused("the PIN is too short");
        }
        if self.refuse_trivial_pins && is_trivial(pin) {
            return refused("the PIN is too easy to guess");
        }
        Ok(())
    }

    /// Does to a record what this ILS does without saying so.
    pub(crate) fn squeeze(&self, patron: &mut Patron) {
        let cut = |value: &mut String, most: Option<usize>| {
            if let Some((at, _)) = most.and_then(|most| value.char_indices().nth(most)) {
                value.truncate(at);
            }
        };
        cut(&mut patron.given, self.given_max);
        cut(&mut patron.surname, self.surname_max);
        cut(&mut patron.barcode, self.barcode_max);
        if self.charset == Charset::Ascii {
            let texts = [&mut patron.given, &mut patron.middle, &mut patron.surname, &mut patron.suffix]
                .into_iter()
                .chain(&mut patron.emails)
                .chain(&mut patron.phones)
                .chain(patron.addresses.iter_mut().flat_map(|a| [&mut a.line1, &mut a.line2, &mut a.city]));
            for text in texts.filter(|t| !t.is_ascii()) {
                *text = text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
            }
        }
    }
}

/// One character again and again, a run up or down, or the same half twice.
fn is_trivial(pin: &str) -> bool {
    let chars: Vec<i64> = pin.chars().map(|c| i64::from(u32::from(c))).collect();
    let steps: Vec<i64> = chars.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
    let even = |step: i64| steps.iter().all(|s| *s == step);
    let (left, right) = chars.split_at(chars.len() / 2);
    even(0) || even(1) || even(-1) || left == right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trivial_pins() {
        for (pin, trivial) in [
            ("1111", true),
            ("1234", true),
            ("4321", true),
            ("2020", true),
            ("2907", false),
            ("12341", false),
        ] {
            assert_eq!(is_trivial(pin), trivial, "{pin}");
        }
    }

    #[test]
    fn every_listed_personality_exists() {
        for (name, _) in PERSONALITIES {
            assert!(Personality::named(name).is_some(), "{name}");
        }
        assert_eq!(Personality::named("nobody"), None);
    }

    #[test]
    fn caps_cut_whole_characters_and_ascii_leaves_question_marks() {
        let old = Personality::named("old").unwrap();
        let mut patron = Patron {
            given: "Zoë".into(),
            surname: "Ñandú-Ñandú-Ñandú-Ñandú".into(),
            barcode: "1234567890123456".into(),
            ..Patron::default()
        };
        old.squeeze(&mut patron);
        assert_eq!(
            (patron.given.as_str(), patron.surname.as_str(), patron.barcode.as_str()),
            ("Zo?", "?and?-?and?-?and?-?a", "12345678901234")
        );
    }
}
