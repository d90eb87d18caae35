//! How invented names are put together, corrected and made into logins. Who gets which is decided in `people`.

use super::dice::Dice;
use super::words::{BACKS, FRONTS, TRADITIONS, Tradition};

/// A child's name.
pub(super) struct Name {
    pub(super) given: &'static str,
    pub(super) middle: &'static str,
    pub(super) family: String,
    pub(super) girl: bool,
}

pub(super) fn tradition(dice: &mut Dice) -> &'static Tradition {
    let mut at = dice.below(TRADITIONS.iter().map(|t| t.weight).sum());
    for tradition in TRADITIONS {
        if at < tradition.weight {
            return tradition;
        }
        at -= tradition.weight;
    }
    &TRADITIONS[0]
}

pub(super) fn surname(tradition: &Tradition, dice: &mut Dice) -> String {
    let english = std::ptr::eq(tradition, &TRADITIONS[0]);
    let one = |dice: &mut Dice| {
        if english && dice.chance(7, 10) {
            format!("{}{}", dice.pick(FRONTS), dice.pick(BACKS))
        } else {
            dice.pick(tradition.surnames).to_owned()
        }
    };
    let first = one(dice);
    match dice.below(100) {
        0..5 => format!("{first}-{}", one(dice)),
        5..10 if !english => format!("{first} {}", one(dice)),
        _ => first,
    }
}

pub(super) fn whole(list: &[(&'static str, &'static str)], girl: bool, dice: &mut Dice) -> Name {
    let (given, family) = list.get(dice.below(list.len() as u64) as usize).copied().unwrap_or(("", ""));
    Name { given, middle: "", family: family.to_owned(), girl }
}

/// A correction is one of those a school office makes: another given name, or a second surname added or dropped.
pub(super) fn correct(name: &mut Name, mut dice: Dice) {
    let english = &TRADITIONS[0];
    if dice.chance(1, 2) && !name.given.is_empty() {
        let before = name.given;
        let pool = if name.girl { english.girls } else { english.boys };
        for _ in 0..8 {
            name.given = dice.pick(pool);
            if name.given != before {
                return;
            }
        }
    }
    name.family = match name.family.rsplit_once('-') {
        Some((first, _)) if !first.is_empty() => first.to_owned(),
        _ => format!("{}-{}", name.family, dice.pick(english.surnames)),
    };
}

/// What some children go by.
pub(super) fn preferred(given: &str, dice: &mut Dice) -> String {
    let wants = dice.chance(3, 100);
    let short: String = given.chars().take(3).collect();
    if wants && given.chars().count() > 4 { format!("{short}y") } else { String::new() }
}

/// First letter, surname, number: plain lower-case letters and digits, and unique because the number is.
pub(super) fn username(given: &str, family: &str, number: &str) -> String {
    let mut name = String::with_capacity(20);
    let mut plain = |word: &str, most: usize| {
        let ascii;
        let word = if word.is_ascii() {
            word
        } else {
            ascii = deunicode::deunicode(word);
            &ascii
        };
        name.extend(
            word.chars().filter(char::is_ascii_alphanumeric).take(most).map(|c| c.to_ascii_lowercase()),
        );
    };
    plain(given, 1);
    plain(family, 7);
    name.push_str(number.trim_start_matches('E'));
    name
}
