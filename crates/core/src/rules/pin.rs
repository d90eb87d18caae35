//! The PIN of a new card. Random is the one that protects anybody; those made of a birth date or a number are there
//! because programmes use them, and are replaced by random digits where they cannot be made or are trivial. A missing
//! birth date never means one PIN for all.

use crate::patron::PinWish;
use crate::privacy::{BirthDate, Personal, Secret};
use crate::words::vocabulary;

vocabulary! {
    /// How a birth date becomes a PIN.
    BirthDateForm {
        /// Month and day.
        Mmdd = "mmdd",
        /// Month, day, year.
        Mmddyyyy = "mmddyyyy",
        /// Month, year.
        Mmyyyy = "mmyyyy",
    }
}

/// How a PIN is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinRule {
    /// None; the ILS has its own rule.
    None,
    /// Random digits.
    Random {
        /// How many, 4 to 12.
        digits: u8,
    },
    /// From the birth date.
    BirthDate {
        /// In which form.
        form: BirthDateForm,
    },
    /// The last digits of the student id.
    StudentId {
        /// How many, 4 to 12.
        last: u8,
    },
}

/// The length of a random PIN where nothing else is said: what a telephone keypad and every ILS accept.
pub const DEFAULT_DIGITS: u8 = 4;

impl PinRule {
    /// The PIN a student's new card gets, and whether a random one had to take its place (missing birth date, trivial).
    #[must_use]
    pub fn apply(&self, student_id: &Personal, birth_date: Option<BirthDate>) -> (PinWish, bool) {
        let (made, digits) = match self {
            Self::None => return (PinWish::None, false),
            Self::Random { digits } => return (PinWish::Random { digits: *digits }, false),
            Self::BirthDate { form } => {
                let digits = match form {
                    BirthDateForm::Mmdd => 4,
                    BirthDateForm::Mmddyyyy => 8,
                    BirthDateForm::Mmyyyy => 6,
                };
                (birth_date.map(|date| of_birth_date(date, *form)), digits)
            }
            Self::StudentId { last } => {
                let digits: String = student_id.reveal().chars().filter(char::is_ascii_digit).collect();
                let start = digits.len().checked_sub(usize::from(*last));
                (start.and_then(|start| digits.get(start..).map(str::to_owned)), *last)
            }
        };
        match made {
            Some(pin) if !is_trivial(&pin) => {
                (PinWish::Given { pin: Secret::new(pin), fallback_digits: digits }, false)
            }
            _ => (PinWish::Random { digits }, true),
        }
    }
}

fn of_birth_date(date: BirthDate, form: BirthDateForm) -> String {
    let date = date.reveal();
    match form {
        BirthDateForm::Mmdd => format!("{:02}{:02}", date.month(), date.day()),
        BirthDateForm::Mmddyyyy => format!("{:02}{:02}{:04}", date.month(), date.day(), date.year()),
        BirthDateForm::Mmyyyy => format!("{:02}{:04}", date.month(), date.year()),
    }
}

/// Whether a PIN is one that ILSs refuse and anybody would try first: one digit over and over, a run up or down, a
/// pair repeated, a year of this or the last century.
#[must_use]
pub fn is_trivial(pin: &str) -> bool {
    let digits: Vec<i16> = pin.bytes().map(i16::from).collect();
    if digits.len() < 2 {
        return true;
    }
    let steps: Vec<i16> = digits.windows(2).map(|w| w[1] - w[0]).collect();
    let one_step = |step: i16| steps.iter().all(|s| *s == step);
    if one_step(0) || one_step(1) || one_step(-1) {
        return true;
    }
    let pair_repeated = digits.len().is_multiple_of(2) && digits.chunks(2).all(|pair| pair == &digits[..2]);
    let year = pin.len() == 4 && (pin.starts_with("19") || pin.starts_with("20"));
    pair_repeated || year
}

/// Draws a PIN of so many digits that is not trivial, from random bytes that `random` fills in. Every PIN that is not
/// trivial is equally likely.
pub fn draw(digits: u8, mut random: impl FnMut(&mut [u8])) -> Secret {
    let digits = usize::from(digits.clamp(4, 12));
    loop {
        let mut pin = String::with_capacity(digits);
        while pin.len() < digits {
            let mut byte = [0];
            random(&mut byte);
            // 250 is the largest multiple of 10 a byte holds; what lies above would make small digits likelier.
            if byte[0] < 250 {
                pin.push(char::from(b'0' + byte[0] % 10));
            }
        }
        if !is_trivial(&pin) {
            return Secret::new(pin);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn s14_trivial_pins_are_known() {
        for pin in ["0000", "1111", "1234", "4321", "1212", "2020", "1987", "9", ""] {
            assert!(is_trivial(pin), "{pin}");
        }
        for pin in ["4071", "0506", "1357", "05062014"] {
            assert!(!is_trivial(pin), "{pin}");
        }
    }

    #[test]
    fn s14_no_birth_date_means_a_random_pin_not_one_for_all() {
        let rule = PinRule::BirthDate { form: BirthDateForm::Mmdd };
        let id = Personal::new("123456");
        let (wish, replaced) = rule.apply(&id, None);
        assert!(matches!(wish, PinWish::Random { digits: 4 }) && replaced);
        let (wish, replaced) = rule.apply(&id, Some(BirthDate::new(date(2014, 5, 6))));
        assert!(matches!(wish, PinWish::Given { pin, .. } if pin.reveal() == "0506") && !replaced);
        // 12 December is a pair repeated, which an ILS would refuse.
        let (wish, replaced) = rule.apply(&id, Some(BirthDate::new(date(2014, 12, 12))));
        assert!(matches!(wish, PinWish::Random { digits: 4 }) && replaced);
    }

    #[test]
    fn last_digits_of_the_student_id() {
        let rule = PinRule::StudentId { last: 4 };
        let pin = |id: &str| match rule.apply(&Personal::new(id), None).0 {
            PinWish::Given { pin, .. } => Some(pin.reveal().to_owned()),
            _ => None,
        };
        assert_eq!(pin("A-00739205").as_deref(), Some("9205"));
        assert_eq!(pin("205"), None);
    }

    #[test]
    fn drawn_pins_use_every_digit_and_are_never_trivial() {
        let mut state = 1u32;
        let mut seen = [false; 10];
        for _ in 0..500 {
            let pin = draw(4, |bytes| {
                for byte in bytes {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *byte = (state >> 24) as u8;
                }
            });
            assert_eq!(pin.reveal().len(), 4);
            assert!(!is_trivial(pin.reveal()));
            for byte in pin.reveal().bytes() {
                seen[usize::from(byte - b'0')] = true;
            }
        }
        assert_eq!(seen, [true; 10]);
    }
}
