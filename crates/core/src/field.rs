//! The fields of a patron, and who owns each.
//!
//! One list of fields serves policy, digests, three-way comparison, connectors and messages. Ownership decides what
//! is read from a roster at all ([`FieldRules::allows`]) and what may be written after creation
//! ([`crate::threeway`]).

use crate::words::vocabulary;

vocabulary! {
    /// A field of a patron's record, as far as Rostercard is concerned with it.
    Field {
        /// The card's number.
        Barcode = "barcode",
        /// The name used to log in, where the ILS has one beside the number.
        UserName = "user_name",
        /// Family name.
        Surname = "surname",
        /// Given name.
        GivenName = "given_name",
        /// Middle name.
        MiddleName = "middle_name",
        /// Birth date.
        BirthDate = "birth_date",
        /// E-mail address.
        Email = "email",
        /// Telephone number.
        Phone = "phone",
        /// Postal address.
        Address = "address",
        /// The district's student number, as an attribute beside the barcode.
        StudentId = "student_id",
        /// Category (patron type).
        Category = "category",
        /// Home branch.
        HomeBranch = "home_branch",
        /// The day the card expires.
        Expiry = "expiry",
        /// Statistical codes: district, school, grade band, programme.
        Statistics = "statistics",
        /// A note for the library's staff.
        Note = "note",
        /// The PIN. Set at creation at most, never compared.
        Pin = "pin",
    }
}

/// A set of fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FieldSet(u32);

impl FieldSet {
    /// No field.
    pub const EMPTY: Self = Self(0);
    /// Every field.
    pub const ALL: Self = Self((1 << Field::ALL.len()) - 1);

    /// The set of these fields.
    #[must_use]
    pub const fn of(fields: &[Field]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < fields.len() {
            bits |= 1 << fields[i] as u32;
            i += 1;
        }
        Self(bits)
    }

    /// Whether a field is in the set.
    #[must_use]
    pub const fn contains(self, field: Field) -> bool {
        self.0 & (1 << field as u32) != 0
    }

    /// Adds a field.
    pub fn insert(&mut self, field: Field) {
        self.0 |= 1 << field as u32;
    }

    /// Takes a field out.
    pub fn remove(&mut self, field: Field) {
        self.0 &= !(1 << field as u32);
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The fields, in the order of [`Field::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(move |field| self.contains(*field))
    }

    /// The set as a number, for the store.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set a stored number stands for; unknown bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }
}

impl FromIterator<Field> for FieldSet {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        let mut set = Self::EMPTY;
        for field in fields {
            set.insert(field);
        }
        set
    }
}

vocabulary! {
    /// Who owns a field, and so what a sync may do to it after the card was made.
    Ownership {
        /// The roster owns it outright: what the school says is written, and a change by the library's staff is put back.
        School = "school",
        /// Set when the card is made, and the library's from then on.
        Library = "library",
        /// Written only where the ILS holds nothing.
        Fill = "fill",
        /// Rostercard keeps it up, but a change by the library's staff stays.
        Ours = "ours",
        /// Not used, and not even read from the roster.
        None = "none",
    }
}

/// Who owns which field in a partnership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRules([Ownership; Field::ALL.len()]);

impl Default for FieldRules {
    /// Names and birth date are the school's, what the programme sets is ours, contact data is not read at all.
    fn default() -> Self {
        let mut rules = Self([Ownership::None; Field::ALL.len()]);
        for (field, owner) in [
            (Field::Barcode, Ownership::Library),
            (Field::UserName, Ownership::Library),
            (Field::Surname, Ownership::School),
            (Field::GivenName, Ownership::School),
            (Field::MiddleName, Ownership::School),
            (Field::BirthDate, Ownership::School),
            (Field::StudentId, Ownership::Library),
            (Field::Category, Ownership::Ours),
            (Field::HomeBranch, Ownership::Ours),
            (Field::Expiry, Ownership::Ours),
            (Field::Statistics, Ownership::Ours),
            (Field::Note, Ownership::Library),
            (Field::Pin, Ownership::Library),
        ] {
            rules.set(field, owner);
        }
        rules
    }
}

impl FieldRules {
    /// Fields whose ownership a partnership may choose in `[fields]`. The barcode and the PIN are never changed by a
    /// sync, and a number that changes is a question for a person, so they are not here.
    pub const CHOOSABLE: &'static [Field] = &[
        Field::UserName,
        Field::Surname,
        Field::GivenName,
        Field::MiddleName,
        Field::BirthDate,
        Field::Email,
        Field::Phone,
        Field::Address,
        Field::StudentId,
        Field::Category,
        Field::HomeBranch,
        Field::Expiry,
        Field::Statistics,
        Field::Note,
    ];

    /// Says who owns a field.
    pub fn set(&mut self, field: Field, owner: Ownership) {
        self.0[field as usize] = owner;
    }

    /// Who owns a field.
    #[must_use]
    pub fn owner(&self, field: Field) -> Ownership {
        self.0[field as usize]
    }

    /// Whether a field may be read from a roster at all. Sources drop what is not allowed at the edge, before
    /// anything is stored or logged.
    #[must_use]
    pub fn allows(&self, field: Field) -> bool {
        self.owner(field) != Ownership::None
    }

    /// The rules for a card that is the family's own: the agreed fields are added where the ILS holds nothing, and nothing else
    /// is ever written (S04, S05).
    #[must_use]
    pub fn for_own_card(&self, agreed: FieldSet) -> Self {
        let mut rules = Self([Ownership::Library; Field::ALL.len()]);
        for field in agreed.iter().filter(|field| self.allows(*field)) {
            rules.set(field, Ownership::Fill);
        }
        rules
    }

    /// The fields whose changes matter after the card was made.
    #[must_use]
    pub fn kept_up(&self) -> FieldSet {
        Field::ALL
            .iter()
            .copied()
            .filter(|field| {
                matches!(self.owner(*field), Ownership::School | Ownership::Ours | Ownership::Fill)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pin_and_barcode_are_never_kept_up() {
        let kept = FieldRules::default().kept_up();
        assert!(!kept.contains(Field::Pin) && !kept.contains(Field::Barcode));
        assert!(
            !FieldRules::CHOOSABLE.contains(&Field::Pin) && !FieldRules::CHOOSABLE.contains(&Field::Barcode)
        );
        assert!(kept.contains(Field::Surname) && !kept.contains(Field::Email));
    }

    #[test]
    fn sets() {
        let set = FieldSet::of(&[Field::Email, Field::Surname]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Field::Surname, Field::Email]);
        assert_eq!(FieldSet::from_bits(set.bits()), set);
        assert_eq!(FieldSet::ALL.iter().count(), Field::ALL.len());
    }
}
