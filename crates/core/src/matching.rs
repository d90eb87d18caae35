//! Whether a patron that a look-up found is the student: the match ladder.
//!
//! Each way of looking needs an agreement that is independent of it. Names and a birth date alone never make two people one:
//! there are twins with like names, and namesakes born on one day (S06). What is not sure is a question for a person.

use crate::digest::{DigestHasher, DigestKey, DigestKind};
use crate::patron::PatronValues;
use crate::ports::{FindBy, FindKey};
use crate::privacy::Personal;
use crate::words::vocabulary;

vocabulary! {
    /// What a found patron is to a student.
    Verdict {
        /// The same person.
        Same = "same",
        /// Perhaps; only a person can tell.
        Perhaps = "perhaps",
        /// Another person.
        Another = "another",
    }
}

/// The ways of looking for a student's own patron, in the order in which they are tried.
pub const LADDER: &[FindBy] = &[FindBy::StudentId, FindBy::Email, FindBy::NameAndBirthDate];

/// What to look for a student's own patron by; `None` where the student has no such value.
#[must_use]
pub fn key(by: FindBy, wanted: &PatronValues, student_id: Option<&Personal>) -> Option<FindKey> {
    match by {
        FindBy::StudentId => student_id.cloned().map(FindKey::StudentId),
        FindBy::Email => wanted.email.clone().map(FindKey::Email),
        FindBy::NameAndBirthDate => Some(FindKey::NameAndBirthDate {
            surname: wanted.surname.clone()?,
            given_name: wanted.given_name.clone()?,
            birth_date: wanted.birth_date?,
        }),
        FindBy::Barcode | FindBy::PatronId | FindBy::UserName => None,
    }
}

/// How two values compare: `None` where one of them is not known.
type Compared = Option<bool>;

/// What agrees between a student and a patron.
struct Agreement {
    surname: Compared,
    given_name: Compared,
    birth_date: Compared,
    student_id: Compared,
    email: Compared,
    phone: Compared,
    address: Compared,
}

fn fold(text: &str) -> String {
    deunicode::deunicode(text)
        .chars()
        .filter(|c| c.is_alphanumeric())
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

impl Agreement {
    fn of(wanted: &PatronValues, there: &PatronValues) -> Self {
        fn text(one: Option<&Personal>, other: Option<&Personal>) -> Compared {
            let (one, other) = (fold(one?.reveal()), fold(other?.reveal()));
            if one.is_empty() || other.is_empty() { None } else { Some(one == other) }
        }
        let digits = |value: &Option<Personal>| {
            value.as_ref().map(|phone| {
                let digits: String = phone.reveal().chars().filter(char::is_ascii_digit).collect();
                // With and without the country's 1.
                Personal::new(digits.strip_prefix('1').filter(|rest| rest.len() == 10).unwrap_or(&digits))
            })
        };
        let street = |values: &PatronValues| {
            values
                .address
                .as_ref()
                .map(|a| Personal::new(format!("{} {}", a.street.reveal(), zip5(a.zip.reveal()))))
        };
        Self {
            surname: text(wanted.surname.as_ref(), there.surname.as_ref()),
            given_name: text(wanted.given_name.as_ref(), there.given_name.as_ref()),
            birth_date: wanted.birth_date.zip(there.birth_date).map(|(one, other)| one == other),
            student_id: wanted
                .student_id
                .as_ref()
                .zip(there.student_id.as_ref())
                .map(|(one, other)| one.reveal().trim() == other.reveal().trim()),
            email: text(wanted.email.as_ref(), there.email.as_ref()),
            phone: text(digits(&wanted.phone).as_ref(), digits(&there.phone).as_ref()),
            address: text(street(wanted).as_ref(), street(there).as_ref()),
        }
    }

    fn names_agree(&self) -> bool {
        self.surname == Some(true) && self.given_name != Some(false)
    }

    fn names_differ(&self) -> bool {
        self.surname == Some(false) && self.given_name != Some(true)
    }
}

fn zip5(zip: &str) -> &str {
    zip.trim().get(..5).unwrap_or_default()
}

/// Whether the patron that was found is the student.
#[must_use]
pub fn judge(by: FindBy, wanted: &PatronValues, there: &PatronValues) -> Verdict {
    let agreement = Agreement::of(wanted, there);
    match by {
        // The district's own number: one of names and birth date has to agree, for numbers are given again.
        FindBy::StudentId | FindBy::Barcode | FindBy::PatronId | FindBy::UserName => {
            match (agreement.names_agree(), agreement.birth_date) {
                (true, None | Some(true)) => Verdict::Same,
                (false, Some(true)) if !agreement.names_differ() => Verdict::Same,
                _ => Verdict::Perhaps,
            }
        }
        // A family shares an address: without the names it is a parent's or a sibling's card.
        FindBy::Email => match (agreement.names_agree(), agreement.given_name, agreement.birth_date) {
            (true, Some(true), None | Some(true)) => Verdict::Same,
            _ => Verdict::Another,
        },
        FindBy::NameAndBirthDate => {
            // What the look-up says agrees has to agree here as well: an ILS's search may be wider than it was asked.
            if !agreement.names_agree() || agreement.birth_date == Some(false) {
                return Verdict::Another;
            }
            let more = [agreement.student_id, agreement.email, agreement.phone, agreement.address];
            match agreement.student_id {
                Some(false) => Verdict::Perhaps,
                _ if more.contains(&Some(true)) => Verdict::Same,
                _ => Verdict::Perhaps,
            }
        }
    }
}

/// An extract of an ILS's patrons, for looking where the ILS can be searched by number only. Holds the patrons of the
/// extract for the time of a run; is never stored.
#[derive(Debug, Default)]
pub struct Extract {
    patrons: Vec<PatronValues>,
    found_by: std::collections::HashMap<(FindBy, crate::digest::Digest), Vec<usize>>,
}

impl Extract {
    /// Takes an extract's patrons; those without a number are of no use and are left out.
    #[must_use]
    pub fn new(patrons: Vec<PatronValues>, key: &DigestKey) -> Self {
        let mut extract = Self::default();
        let mut hasher = key.hasher(DigestKind::Identity);
        for patron in patrons.into_iter().filter(|patron| patron.barcode.is_some()) {
            let position = extract.patrons.len();
            for by in LADDER {
                if let Some(key) = self::key(*by, &patron, patron.student_id.as_ref()) {
                    extract.found_by.entry((*by, digest(&key, &mut hasher))).or_default().push(position);
                }
            }
            extract.patrons.push(patron);
        }
        extract
    }

    /// The patrons that have this, as the extract has them.
    #[must_use]
    pub fn find(&self, key: &FindKey, digests: &DigestKey) -> Vec<&PatronValues> {
        let digest = digest(key, &mut digests.hasher(DigestKind::Identity));
        let found = self.found_by.get(&(key.by(), digest)).map_or(&[][..], Vec::as_slice);
        found.iter().filter_map(|position| self.patrons.get(*position)).collect()
    }

    /// How many patrons it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.patrons.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patrons.is_empty()
    }
}

fn digest(key: &FindKey, hasher: &mut DigestHasher) -> crate::digest::Digest {
    hasher.clear();
    hasher.part(b"match");
    match key {
        FindKey::Barcode(text)
        | FindKey::PatronId(text)
        | FindKey::StudentId(text)
        | FindKey::UserName(text) => {
            hasher.part(text.reveal().trim().as_bytes());
        }
        FindKey::Email(email) => hasher.part(email.reveal().trim().to_lowercase().as_bytes()),
        FindKey::NameAndBirthDate { surname, given_name, birth_date } => {
            hasher.part(fold(surname.reveal()).as_bytes());
            hasher.part(fold(given_name.reveal()).as_bytes());
            hasher.part(birth_date.reveal().to_string().as_bytes());
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::privacy::BirthDate;

    fn values(surname: &str, given: &str, year: i16) -> PatronValues {
        PatronValues {
            barcode: Some(Personal::new("20001")),
            surname: Some(Personal::new(surname)),
            given_name: Some(Personal::new(given)),
            birth_date: Some(BirthDate::new(date(year, 5, 6))),
            ..PatronValues::default()
        }
    }

    #[test]
    fn s06_the_ladder() {
        let ada = || values("Byrd", "Ada", 2012);
        let with = |change: fn(&mut PatronValues)| {
            let mut values = ada();
            change(&mut values);
            values
        };
        let id = |v: &mut PatronValues| v.student_id = Some(Personal::new("4711"));
        let other_id = |v: &mut PatronValues| v.student_id = Some(Personal::new("4712"));
        let phone = |v: &mut PatronValues| v.phone = Some(Personal::new("(530) 555-0100"));
        let phone1 = |v: &mut PatronValues| v.phone = Some(Personal::new("+1 530 555 0100"));
        let unborn = |v: &mut PatronValues| v.birth_date = None;
        let nameless = |v: &mut PatronValues| (v.surname, v.given_name) = (None, None);
        for (by, wanted, there, expected, why) in [
            (
                FindBy::NameAndBirthDate,
                ada(),
                ada(),
                Verdict::Perhaps,
                "names and birth date alone never link",
            ),
            (FindBy::NameAndBirthDate, with(id), with(id), Verdict::Same, "and the student number"),
            (FindBy::NameAndBirthDate, with(id), with(other_id), Verdict::Perhaps, "another number"),
            (FindBy::NameAndBirthDate, with(phone), with(phone1), Verdict::Same, "and the phone"),
            (FindBy::NameAndBirthDate, with(id), values("Byrd", "Ida", 2012), Verdict::Another, "a twin"),
            (FindBy::StudentId, ada(), ada(), Verdict::Same, "number, names, birth date"),
            (FindBy::StudentId, ada(), with(unborn), Verdict::Same, "number and names"),
            (FindBy::StudentId, ada(), with(nameless), Verdict::Same, "number and birth date"),
            (
                FindBy::StudentId,
                ada(),
                values("Cole", "Ada", 2012),
                Verdict::Same,
                "a family name that changed",
            ),
            (
                FindBy::StudentId,
                ada(),
                values("Cole", "Max", 2012),
                Verdict::Perhaps,
                "another person's names",
            ),
            (FindBy::StudentId, ada(), values("Byrd", "Ada", 2011), Verdict::Perhaps, "another birth date"),
            (FindBy::StudentId, with(nameless), with(unborn), Verdict::Perhaps, "nothing to compare"),
            (FindBy::Email, ada(), ada(), Verdict::Same, "e-mail and names"),
            (FindBy::Email, ada(), values("Byrd", "Eve", 1980), Verdict::Another, "a parent's card"),
            (FindBy::Email, ada(), with(nameless), Verdict::Another, "e-mail alone"),
        ] {
            assert_eq!(judge(by, &wanted, &there), expected, "{why}");
        }
        assert_eq!(
            judge(
                FindBy::StudentId,
                &values("O\u{2019}Brien", "Zo\u{eb}", 2012),
                &values("OBRIEN", "ZOE", 2012)
            ),
            Verdict::Same
        );
    }

    #[test]
    fn an_extract_is_searched_by_each_way() {
        let key = DigestKey::new([3; 32]);
        let mut one = values("Byrd", "Ada", 2012);
        one.student_id = Some(Personal::new("4711"));
        one.email = Some(Personal::new("Ada@Example.org"));
        let twin = values("Byrd", "Ida", 2012);
        let numberless = PatronValues { barcode: None, ..values("No", "Number", 2012) };
        let extract = Extract::new(vec![one.clone(), twin.clone(), one.clone(), numberless], &key);
        assert_eq!(extract.len(), 3);
        let wanted = PatronValues { email: Some(Personal::new("ada@example.org")), ..one };
        for by in LADDER {
            let key_by = super::key(*by, &wanted, wanted.student_id.as_ref()).unwrap();
            assert_eq!(extract.find(&key_by, &key).len(), 2, "{by}");
        }
        let by_name = super::key(FindBy::NameAndBirthDate, &twin, None).unwrap();
        assert_eq!(extract.find(&by_name, &key).len(), 1);
        assert!(super::key(FindBy::StudentId, &twin, None).is_none());
    }
}
