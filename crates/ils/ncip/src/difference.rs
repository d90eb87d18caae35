//! What an update takes away and what it adds: only what differs from what is there, and exact old values.

use rostercard_core::field::{Field, FieldSet};
use rostercard_core::ports::FieldChanges;
use rostercard_ncip::{Address, Fields, Privilege, UserName};

use crate::map::{Mapping, date, email_in, phone_in, postal_in};

/// The two halves of an update.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Difference {
    pub(crate) delete: Fields,
    pub(crate) add: Fields,
}

impl Difference {
    pub(crate) fn is_empty(&self) -> bool {
        self.delete.is_empty() && self.add.is_empty()
    }

    fn address(&mut self, old: Option<&Address>, new: Option<Address>) {
        // The role that is there stays: it is the library's word for the same thing.
        let new =
            new.map(|new| Address { role: old.map_or(new.role, |old| old.role.clone()), place: new.place });
        if old != new.as_ref() {
            self.delete.addresses.extend(old.cloned());
            self.add.addresses.extend(new);
        }
    }

    fn privilege(&mut self, old: Option<&Privilege>, new: Option<Privilege>) {
        if old != new.as_ref() {
            self.delete.privileges.extend(old.cloned());
            self.add.privileges.extend(new);
        }
    }
}

/// A field that cannot be written as things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The ILS shows the name in one piece, so a part of it cannot be changed alone.
    NameInOnePiece(Field),
    /// An expiry travels with a category, and there is none.
    ExpiryWithoutCategory,
}

/// Compares what is there with what is to be.
pub(crate) fn difference(
    mapping: Mapping<'_>,
    there: &Fields,
    changes: &FieldChanges,
) -> Result<Difference, Obstacle> {
    let mut out = Difference::default();
    let (wanted, values) = (changes.fields, &changes.values);
    name(mapping, there, changes, &mut out)?;
    if wanted.contains(Field::BirthDate) {
        let new = values.birth_date.and_then(|born| date(born.reveal()));
        if new != there.birth_date {
            // An added birth date replaces; only an emptied one is taken away.
            out.add.birth_date = new;
            out.delete.birth_date = there.birth_date.filter(|_| new.is_none());
        }
    }
    if wanted.contains(Field::Address) {
        out.address(postal_in(there, mapping.address), mapping.postal(values));
    }
    if wanted.contains(Field::Email) {
        out.address(email_in(there), mapping.email(values));
    }
    if wanted.contains(Field::Phone) {
        out.address(phone_in(there), mapping.phone(values));
    }
    category(mapping, there, changes, &mut out)?;
    if wanted.contains(Field::HomeBranch) {
        out.privilege(mapping.branch_in(there), values.home_branch.as_ref().map(|code| mapping.branch(code)));
    }
    if wanted.contains(Field::Statistics) {
        // Codes under other names may be the library's own and stay.
        for (name, code) in &values.statistics {
            let old = mapping
                .statistics_in(there)
                .find(|(n, _)| n.eq_ignore_ascii_case(name.as_str()))
                .map(|(_, p)| p);
            let new = match old {
                Some(old) => Privilege { status: Some(code.as_str().to_owned()), ..old.clone() },
                None => mapping.statistic(name, code),
            };
            out.privilege(old, Some(new));
        }
    }
    Ok(out)
}

fn name(
    mapping: Mapping<'_>,
    there: &Fields,
    changes: &FieldChanges,
    out: &mut Difference,
) -> Result<(), Obstacle> {
    const PARTS: FieldSet = FieldSet::of(&[Field::Surname, Field::GivenName, Field::MiddleName]);
    let asked = |field| changes.fields.contains(field);
    let Some(first) = PARTS.iter().find(|part| asked(*part)) else {
        return Ok(());
    };
    let wanted = mapping.name(&changes.values);
    let mut parts = match &there.name {
        Some(UserName::Structured(parts)) => parts.clone(),
        // Without the other parts a new name would lose them.
        Some(UserName::Unstructured(_)) if PARTS.iter().all(asked) => wanted.clone(),
        Some(UserName::Unstructured(_)) => return Err(Obstacle::NameInOnePiece(first)),
        None => wanted.clone(),
    };
    if asked(Field::Surname) {
        parts.surname = wanted.surname;
    }
    if asked(Field::GivenName) {
        parts.given = wanted.given;
    }
    if asked(Field::MiddleName) {
        parts.initials = wanted.initials;
    }
    let new = UserName::Structured(parts);
    if there.name.as_ref() != Some(&new) {
        out.add.name = Some(new);
    }
    Ok(())
}

fn category(
    mapping: Mapping<'_>,
    there: &Fields,
    changes: &FieldChanges,
    out: &mut Difference,
) -> Result<(), Obstacle> {
    let (category, expiry) =
        (changes.fields.contains(Field::Category), changes.fields.contains(Field::Expiry));
    if !category && !expiry {
        return Ok(());
    }
    let old = mapping.category_in(there);
    let mut new = match (category, changes.values.category.as_ref(), old) {
        (true, Some(code), Some(old)) => Some(mapping.recategorised(old, code)),
        (true, Some(code), None) => Some(mapping.category(code)),
        (true, None, _) => None,
        (false, _, Some(old)) => Some(old.clone()),
        (false, _, None) => return Err(Obstacle::ExpiryWithoutCategory),
    };
    if expiry && let Some(new) = &mut new {
        new.valid_to = changes.values.expiry.and_then(date);
    }
    out.privilege(old, new);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::date as ymd;
    use rostercard_core::patron::PatronValues;
    use rostercard_core::ports::Text as Repertoire;
    use rostercard_core::privacy::{BirthDate, Personal};
    use rostercard_ncip::{AddressForm, Date, Place, StructuredName};

    use super::*;
    use crate::PrivilegeMap;

    fn privilege(kind: &str, status: &str) -> Privilege {
        Privilege {
            agency: "L".into(),
            kind: kind.into(),
            status: Some(status.into()),
            ..Privilege::default()
        }
    }

    fn electronic(role: &str, kind: &str, data: &str) -> Address {
        Address { role: role.into(), place: Place::Electronic { kind: kind.into(), data: data.into() } }
    }

    fn there() -> Fields {
        Fields {
            name: Some(UserName::Structured(StructuredName {
                prefix: Some("Dr".into()),
                given: Some("Zoe".into()),
                surname: "Marsh".into(),
                suffix: Some("Jr".into()),
                ..StructuredName::default()
            })),
            addresses: vec![
                electronic("Work", "mailto", "old@example.org"),
                electronic("Home", "mailto", "family@example.org"),
            ],
            birth_date: Date::new(2012, 5, 4),
            privileges: vec![
                Privilege { valid_to: Date::new(2026, 9, 30), ..privilege("STARTER", "Blocked") },
                privilege("LIBRARY", "MAIN"),
                privilege("STAT:grade", "3"),
                privilege("STAT:summer", "YES"),
            ],
            ..Fields::default()
        }
    }

    fn of(fields: &[Field], values: PatronValues) -> Result<Difference, Obstacle> {
        of_those(&there(), fields, values)
    }

    fn of_those(there: &Fields, fields: &[Field], values: PatronValues) -> Result<Difference, Obstacle> {
        let map = PrivilegeMap::default();
        let (text, address) = (Repertoire::Utf8, AddressForm::Lines);
        let branches = &crate::map::NO_BRANCHES;
        let mapping = Mapping { agency: "L", branches, privileges: &map, text, address };
        difference(mapping, there, &FieldChanges { fields: FieldSet::of(fields), values })
    }

    #[test]
    fn what_is_so_already_is_not_sent() {
        let values = PatronValues {
            surname: Some(Personal::new("Marsh")),
            given_name: Some(Personal::new("Zoe")),
            birth_date: Some(BirthDate::new(ymd(2012, 5, 4))),
            email: Some(Personal::new("old@example.org")),
            category: Some("STARTER".into()),
            expiry: Some(ymd(2026, 9, 30)),
            home_branch: Some("MAIN".into()),
            statistics: BTreeMap::from([("grade".into(), "3".into())]),
            ..PatronValues::default()
        };
        let fields = [
            Field::Surname,
            Field::GivenName,
            Field::MiddleName,
            Field::BirthDate,
            Field::Email,
            Field::Phone,
            Field::Address,
            Field::Category,
            Field::Expiry,
            Field::HomeBranch,
            Field::Statistics,
        ];
        assert_eq!(of(&fields, values), Ok(Difference::default()));
    }

    #[test]
    fn a_name_is_replaced_whole_and_keeps_what_is_not_ours() {
        let values = PatronValues { surname: Some(Personal::new("Quill")), ..PatronValues::default() };
        let got = of(&[Field::Surname], values).unwrap();
        let Some(UserName::Structured(name)) = &got.add.name else { panic!("a name") };
        assert_eq!(name.surname.reveal(), "Quill");
        assert_eq!(
            (&name.prefix, &name.given, &name.suffix),
            (&Some("Dr".into()), &Some("Zoe".into()), &Some("Jr".into()))
        );
        assert!(got.delete.is_empty(), "an added name replaces");
    }

    #[test]
    fn a_contact_is_exchanged_for_exactly_the_old_one() {
        let values =
            PatronValues { email: Some(Personal::new("new@example.org")), ..PatronValues::default() };
        let got = of(&[Field::Email], values).unwrap();
        assert_eq!(got.delete.addresses, [electronic("Work", "mailto", "old@example.org")]);
        assert_eq!(got.add.addresses, [electronic("Work", "mailto", "new@example.org")]);
        // The family's own second address is not touched.
        let phone = PatronValues { phone: Some(Personal::new("+1-555-0100")), ..PatronValues::default() };
        let got = of(&[Field::Phone], phone).unwrap();
        assert!(got.delete.is_empty());
        assert_eq!(got.add.addresses, [electronic("Home", "tel", "+1-555-0100")]);
        let emptied = of(&[Field::Email], PatronValues::default()).unwrap();
        assert_eq!((emptied.delete.addresses.len(), emptied.add.addresses.len()), (1, 0));
    }

    #[test]
    fn a_new_category_or_expiry_leaves_a_block_standing() {
        let old = there().privileges[0].clone();
        let category = PatronValues { category: Some("FULL".into()), ..PatronValues::default() };
        let got = of(&[Field::Category], category).unwrap();
        assert_eq!(got.delete.privileges, std::slice::from_ref(&old));
        assert_eq!(got.add.privileges, [Privilege { kind: "FULL".into(), ..old.clone() }]);
        let expiry = PatronValues { expiry: Some(ymd(2027, 9, 30)), ..PatronValues::default() };
        let got = of(&[Field::Expiry], expiry.clone()).unwrap();
        assert_eq!(got.add.privileges, [Privilege { valid_to: Date::new(2027, 9, 30), ..old }]);
        assert_eq!(
            of_those(&Fields::default(), &[Field::Expiry], expiry),
            Err(Obstacle::ExpiryWithoutCategory)
        );
    }

    #[test]
    fn statistical_codes_of_other_names_stay() {
        let values = PatronValues {
            statistics: BTreeMap::from([("grade".into(), "4".into()), ("school".into(), "S1".into())]),
            ..PatronValues::default()
        };
        let got = of(&[Field::Statistics], values).unwrap();
        assert_eq!(got.delete.privileges, [privilege("STAT:grade", "3")]);
        assert_eq!(got.add.privileges, [privilege("STAT:grade", "4"), privilege("STAT:school", "S1")]);
    }

    #[test]
    fn a_part_of_a_name_in_one_piece_is_not_guessed_at() {
        let whole = Fields { name: Some(UserName::Unstructured("Zoe Marsh".into())), ..Fields::default() };
        let values = PatronValues { surname: Some(Personal::new("Quill")), ..PatronValues::default() };
        assert_eq!(
            of_those(&whole, &[Field::Surname], values.clone()),
            Err(Obstacle::NameInOnePiece(Field::Surname))
        );
        let all = [Field::Surname, Field::GivenName, Field::MiddleName];
        assert!(of_those(&whole, &all, values).unwrap().add.name.is_some());
    }
}
