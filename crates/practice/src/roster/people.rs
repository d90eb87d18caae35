//! Who lives in the district: every student and educator as a pure function of the seed and their place.
//!
//! Places come in blocks of sixteen, split into households; a household shares a surname, an address and an area.
//! The first block of a student body is laid out by hand, so that even a small roster has its twins, namesakes and odd names.

use std::fmt;

use jiff::civil::Date;

use super::Spec;
use super::addresses::address;
use super::days::Overlay;
use super::dice::Dice;
use super::ids::{Numbers, about, sourced_id};
use super::names::{Name, correct, preferred, surname, tradition, username, whole};
use super::schools::Schools;
use super::words::{LONG_NAMES, MONONYMS, OTHER_SCRIPTS, SUFFIXES, TRADITIONS};

const BLOCK: u64 = 16;
/// Households of the first block: twins, then six only children, a family of three, a pair, three only children.
const FIRST_BLOCK: &[u8] = &[2, 1, 1, 1, 1, 1, 1, 3, 2, 1, 1, 1];

/// Where somebody lives, as the roster tells it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// House number and street, or a post office box; empty where the roster has no address.
    pub street: String,
    /// Apartment; mostly empty.
    pub street2: String,
    /// Town.
    pub city: String,
    /// State, two letters.
    pub state: String,
    /// ZIP code, with leading zeros, sometimes ZIP+4.
    pub zip: String,
    /// The address is a substitute: where the family lives must not be known.
    pub protected: bool,
}

/// One student of one day's roster.
#[derive(Clone, PartialEq, Eq)]
pub struct Student {
    /// The OneRoster sourcedId.
    pub sourced_id: String,
    /// The lasting student number, with leading zeros.
    pub number: String,
    /// Given name; empty for those who have one name only.
    pub given: String,
    /// Middle name; often empty.
    pub middle: String,
    /// Family name.
    pub family: String,
    /// The name the child goes by; mostly empty.
    pub preferred: String,
    /// Birth date.
    pub birth: Date,
    /// Grade, 0 is kindergarten.
    pub grade: u8,
    /// Places in [`schools`](super::schools) of the school and, for a few, of a second one.
    pub schools: Vec<usize>,
    /// Login name, unique.
    pub username: String,
    /// E-mail address at a domain that cannot exist; empty for the youngest.
    pub email: String,
    /// The family's phone; sometimes empty.
    pub phone: String,
    /// Where the family lives.
    pub address: Address,
    /// The family does not want a card.
    pub opt_out: bool,
    /// For the demographics file; of no use to a library.
    pub(crate) girl: bool,
}

/// One teacher or principal.
#[derive(Clone, PartialEq, Eq)]
pub struct Educator {
    /// The OneRoster sourcedId.
    pub sourced_id: String,
    /// The staff number.
    pub number: String,
    /// Given name.
    pub given: String,
    /// Family name.
    pub family: String,
    /// Login name, unique.
    pub username: String,
    /// Places in [`schools`](super::schools), the main one first; a few work in two.
    pub schools: Vec<usize>,
    /// Runs the school rather than a class.
    pub principal: bool,
}

/// The people are invented, but the habit is kept: nothing personal in what may end in a log.
macro_rules! redacted_debug {
    ($($kind:ident),*) => {$(
        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($kind), " { .. }"))
            }
        }
    )*};
}
redacted_debug!(Address, Student, Educator);

/// Everything that is the same for all students of a roster.
#[derive(Debug)]
pub(crate) struct District {
    pub(crate) schools: Schools,
    seed: u64,
    start_year: i16,
    numbers: Numbers,
    yearly_ids: bool,
    two_schools: bool,
}

struct Household {
    first: u64,
    size: u8,
    place: u8,
}

impl District {
    pub(crate) fn new(spec: &Spec) -> Self {
        Self {
            schools: Schools::plan(u64::from(spec.students), spec.seed),
            seed: spec.seed,
            start_year: spec.first_school_year(),
            numbers: Numbers::new(u64::from(spec.students), spec.seed),
            yearly_ids: spec.yearly_ids,
            two_schools: spec.two_schools,
        }
    }

    /// The student at `slot`, with what the days have changed; `joined` and `years` count the rollovers before the
    /// student came and until today.
    pub(crate) fn student(&self, slot: u64, overlay: &Overlay, joined: u32, years: u32) -> Student {
        let home = household(self.seed, slot);
        let name = self.name(slot, &home, overlay.corrections);
        let grade = self.grade(slot, overlay, years - joined);
        let school = self.school(slot, overlay, grade);
        let mut schools = vec![school];
        // All of a child's own throws are made here, whatever the grade, so that a new grade changes nothing else.
        let mut own = Dice::new(self.seed, about::CHILD, slot, 1);
        let (no_email, opt_out) = (own.chance(4, 100), own.chance(2, 100));
        let preferred = preferred(name.given, &mut own);
        if self.two_schools && grade >= 11 && own.chance(3, 100) {
            schools.extend(other_school(&self.schools, grade, school, &mut own));
        }
        let number = self.number(slot);
        // The login is given once and does not follow a corrected name.
        let login = if overlay.corrections == 0 { None } else { Some(self.name(slot, &home, 0)) };
        let login = login.as_ref().unwrap_or(&name);
        let username = username(login.given, &login.family, &number);
        let email = match grade {
            0..=1 => String::new(),
            _ if no_email => String::new(),
            _ => format!("{username}@students.example.org"),
        };
        let mut family = Dice::new(self.seed, about::ADDRESS, home.first, 1);
        let phone =
            if family.chance(8, 100) { String::new() } else { format!("555-01{:02}", family.below(100)) };
        let epoch = if self.yearly_ids { u64::from(years) } else { 0 };
        Student {
            sourced_id: sourced_id(self.seed, about::STUDENT_ID, slot, epoch),
            preferred,
            given: name.given.to_owned(),
            middle: name.middle.to_owned(),
            family: name.family,
            birth: self.birth(slot, overlay, joined),
            grade,
            schools,
            username,
            email,
            phone,
            address: address(self.seed, home.first),
            opt_out,
            girl: name.girl,
            number,
        }
    }

    /// The lasting student number of a slot.
    pub(crate) fn number(&self, slot: u64) -> String {
        self.numbers.of(slot)
    }

    /// The grade after so many rollovers; 13 and more have graduated.
    pub(crate) fn grade(&self, slot: u64, overlay: &Overlay, rollovers: u32) -> u8 {
        self.first_grade(slot, overlay).saturating_add(u8::try_from(rollovers).unwrap_or(u8::MAX))
    }

    /// Which school, after moves.
    pub(crate) fn school(&self, slot: u64, overlay: &Overlay, grade: u8) -> usize {
        let area = overlay.area.unwrap_or_else(|| self.area(household(self.seed, slot).first));
        self.schools.of(area, grade)
    }

    /// An area whose school for this grade is another than today's.
    pub(crate) fn another_area(&self, slot: u64, overlay: &Overlay, grade: u8, dice: &mut Dice) -> u64 {
        let (now, areas) = (self.school(slot, overlay, grade), self.schools.areas());
        let from = dice.below(areas);
        (0..areas)
            .map(|k| (from + k) % areas)
            .find(|&area| self.schools.of(area, grade) != now)
            .unwrap_or(from)
    }

    fn area(&self, household: u64) -> u64 {
        let areas = self.schools.areas();
        let mut dice = Dice::new(self.seed, about::FAMILY, household, 9);
        // Some areas are fuller than others: a quarter of the families live in the first half twice over.
        if dice.chance(1, 4) { dice.below(areas.div_ceil(2)) } else { dice.below(areas) }
    }

    fn first_grade(&self, slot: u64, overlay: &Overlay) -> u8 {
        if overlay.kindergartner {
            return 0;
        }
        if let Some((other, true)) = self.namesake(slot) {
            return self.first_grade(other, &Overlay::default());
        }
        let home = household(self.seed, slot);
        let mut dice = Dice::new(self.seed, about::GRADES, home.first, 0);
        let eldest = dice.below(13);
        let twins = home.is_twins(self.seed);
        // Two grades and more between brothers and sisters, so that nobody is born too soon after another.
        let gap = match home.place {
            0 => 0,
            1 if twins => 0,
            place => u64::from(place) * 2 + Dice::new(self.seed, about::GRADES, slot, 1).below(2),
        };
        ((eldest + gap) % 13) as u8
    }

    fn birth(&self, slot: u64, overlay: &Overlay, joined: u32) -> Date {
        let (slot, overlay) = match self.namesake(slot) {
            Some((other, true)) if !overlay.kindergartner => (other, &Overlay::default()),
            _ => (slot, overlay),
        };
        let home = household(self.seed, slot);
        let of = if home.place == 1 && home.is_twins(self.seed) { home.first } else { slot };
        let grade = i16::from(self.first_grade(slot, overlay));
        let year = self.start_year + i16::try_from(joined).unwrap_or(0) - 5 - grade;
        // A kindergartner is five on the first of September.
        let cutoff = Date::new(year, 9, 1).unwrap_or(Date::ZERO);
        let mut dice = Dice::new(self.seed, about::BIRTH, of, 0);
        // One in fifty was held back a year and is older than the class.
        let held_back = if dice.chance(1, 50) { 365 } else { 0 };
        let days = i64::try_from(dice.below(365)).unwrap_or(0) + held_back;
        cutoff.checked_sub(jiff::Span::new().days(days)).unwrap_or(cutoff)
    }

    /// Whose name this child happens to have, and whether the birth date is the same too.
    fn namesake(&self, slot: u64) -> Option<(u64, bool)> {
        match slot {
            3 => return Some((2, false)),
            5 => return Some((4, true)),
            0..BLOCK => return None,
            _ => {}
        }
        let mut dice = Dice::new(self.seed, about::NAMESAKE, slot, 0);
        if !dice.chance(1, 1_500) || household(self.seed, slot).size != 1 {
            return None;
        }
        let other = dice.below(slot);
        // Names are followed one step only.
        (self.namesake(other).is_none()).then(|| (other, dice.chance(1, 8)))
    }

    fn name(&self, slot: u64, home: &Household, corrections: u16) -> Name {
        let mut name = match self.namesake(slot) {
            Some((other, _)) => self.own_name(other, &household(self.seed, other)),
            None => self.own_name(slot, home),
        };
        for round in 0..corrections {
            correct(&mut name, Dice::new(self.seed, about::CORRECTION, slot, u64::from(round)));
        }
        name
    }

    fn own_name(&self, slot: u64, home: &Household) -> Name {
        let mut family = Dice::new(self.seed, about::FAMILY, home.first, 0);
        let tradition = tradition(&mut family);
        let surname = surname(tradition, &mut family);
        let mut dice = Dice::new(self.seed, about::CHILD, slot, 0);
        let girl = dice.chance(1, 2);
        // Odd names go to only children: a family keeps its one surname.
        let only_child = home.size == 1;
        let odd = if only_child { dice.below(8_000) } else { u64::MAX };
        match (slot, odd) {
            (6, _) | (BLOCK.., 0..8) => {
                return Name { given: "", middle: "", family: dice.pick(MONONYMS).to_owned(), girl };
            }
            (14, _) | (BLOCK.., 8..12) => return whole(LONG_NAMES, girl, &mut dice),
            (15, _) | (BLOCK.., 12..27) => return whole(OTHER_SCRIPTS, girl, &mut dice),
            _ => {}
        }
        let english = TRADITIONS.first().unwrap_or(tradition);
        let first_name = |dice: &mut Dice| {
            let from = if dice.chance(7, 10) { tradition } else { english };
            dice.pick(if girl { from.girls } else { from.boys })
        };
        let mut given = first_name(&mut dice);
        // Brothers and sisters, and twins above all, never share a given name.
        if home.place > 0 {
            let elder = self.own_name_given(slot - 1, home.first);
            for _ in 0..8 {
                if !elder.contains(&given) {
                    break;
                }
                given = first_name(&mut dice);
            }
        }
        let middle = if dice.chance(6, 10) { first_name(&mut dice) } else { "" };
        let family = match slot {
            7 => "O'Brien".to_owned(),
            13 => format!("{surname}-{}", dice.pick(english.surnames)),
            _ => surname,
        };
        let family = if only_child && !girl && dice.chance(1, 100) {
            format!("{family}{}", dice.pick(SUFFIXES))
        } else {
            family
        };
        Name { given, middle, family, girl }
    }

    /// Given names of the household's children up to `last`.
    fn own_name_given(&self, last: u64, first: u64) -> Vec<&'static str> {
        (first..=last)
            .map(|slot| self.own_name(slot, &Household { first, size: 0, place: (slot - first) as u8 }).given)
            .collect()
    }

    /// How many educators the roster has: a principal for each school, and a teacher for about 18 students.
    pub(crate) fn educators(&self, students: u64) -> u64 {
        self.schools.all.len() as u64 + students.div_ceil(18)
    }

    /// One educator.
    pub(crate) fn educator(&self, at: u64) -> Educator {
        let schools = self.schools.all.len() as u64;
        let principal = at < schools;
        let mut dice = Dice::new(self.seed, about::EDUCATOR, at, 0);
        let school = if principal { at } else { dice.below(schools) };
        let mut places = vec![school as usize];
        if !principal && (at == schools || dice.chance(5, 100)) {
            places.push(((school + 1 + dice.below(schools - 1)) % schools) as usize);
        }
        let tradition = tradition(&mut dice);
        let family = surname(tradition, &mut dice);
        let given = if dice.chance(2, 3) { dice.pick(tradition.girls) } else { dice.pick(tradition.boys) };
        let number = format!("E{:06}", 100 + at * 7);
        Educator {
            sourced_id: sourced_id(self.seed, about::EDUCATOR_ID, at, 0),
            username: username(given, &family, &number),
            given: given.to_owned(),
            family,
            schools: places,
            principal,
            number,
        }
    }
}

impl Household {
    fn is_twins(&self, seed: u64) -> bool {
        self.size >= 2
            && (self.first == 0 || Dice::new(seed, about::HOUSEHOLDS, self.first, 7).chance(4, 100))
    }
}

/// The household a slot belongs to.
fn household(seed: u64, slot: u64) -> Household {
    let (block, within) = (slot / BLOCK, slot % BLOCK);
    let mut dice = Dice::new(seed, about::HOUSEHOLDS, block, 3);
    let mut sizes = FIRST_BLOCK.iter();
    let mut start = 0;
    loop {
        let drawn = match dice.below(100) {
            0..50 => 1,
            50..82 => 2,
            82..95 => 3,
            _ => 4,
        };
        let size = if block == 0 { sizes.next().copied().map_or(1, u64::from) } else { drawn };
        let size = size.min(BLOCK - start);
        if within < start + size {
            return Household {
                first: block * BLOCK + start,
                size: size as u8,
                place: (within - start) as u8,
            };
        }
        start += size;
    }
}

/// A second school of the same kind, for those who take classes elsewhere too.
fn other_school(schools: &Schools, grade: u8, not: usize, dice: &mut Dice) -> Option<usize> {
    let area = dice.below(schools.areas());
    let other = schools.of(area, grade);
    (other != not).then_some(other)
}
