//! Card policy: the pure rules that turn a student into a wanted patron, or into a reason why not.
//!
//! [`decide`] is a plain function of the student, the rules and the day. It knows nothing of what the ILS holds; what
//! may be written over that is [`crate::threeway`]'s matter.

use jiff::civil::Date;

use crate::digest::{Digest, DigestHasher};
use crate::field::{Field, FieldRules, FieldSet};
use crate::finding::{Finding, Place};
use crate::patron::{Number, PatronValues, WantedPatron};
use crate::privacy::Personal;
use crate::reason::{NotEligible, Pending, Reason, Reject};
use crate::rules::{CardFor, CardRule, CardRules, NameChoice, PoBox, Selector, names_school};
use crate::student::{Address, GivenAddress, School, Student};
use crate::words::Role;

/// What card policy says about a student.
#[derive(Debug, Clone)]
pub enum Decision {
    /// There should be this patron.
    Wanted(Box<WantedPatron>),
    /// There should be none, or not yet, for this reason. A card that exists is left as it is.
    No(Reason),
}

/// What [`decide`] needs beside the student and the rules.
#[derive(Debug, Clone, Copy)]
pub struct Today {
    /// The day of the run, in the library's time zone.
    pub date: Date,
    /// When the student's card expires now, by the ledger, where there is a card.
    pub held_expiry: Option<Date>,
}

/// Decides about one student, whose values become the patron's.
#[must_use]
pub fn decide(student: Student, rules: &CardRules, today: Today) -> Decision {
    match wanted(student, rules, today) {
        Ok(patron) => Decision::Wanted(Box::new(patron)),
        Err(reason) => Decision::No(reason),
    }
}

fn wanted(student: Student, rules: &CardRules, today: Today) -> Result<WantedPatron, Reason> {
    let Some(school) = student.school().cloned() else {
        return Err(Reason::Pending(Pending::NoSchool));
    };
    eligible(&student, &school, rules, today.date).map_err(Reason::NotEligible)?;
    let age = student.birth_date.and_then(|born| born.age_on(today.date));
    let rule = card_rule(&student, &school, age, rules);
    let names = names(&student, rules.names).map_err(Reason::Reject)?;
    let number = rule.number.apply(&student.student_id, rules.number_max).map_err(Reason::Reject)?;
    let Some(branch) = rules.homes.branch(&school) else {
        return Err(Reason::Pending(Pending::NoHome { school: school.label() }));
    };

    let mut findings = Vec::new();
    let (pin, pin_replaced) = rule.pin.apply(&student.student_id, student.birth_date);
    if pin_replaced {
        findings.push(Finding::new(
            "pin_replaced",
            Place::default(),
            "the PIN could not be made by the rule (no birth date, or it would be trivial): a random one takes its place",
        ));
    }
    let fields = &rules.fields;
    let address =
        if fields.allows(Field::Address) { choose_address(&student, rules, &mut findings) } else { None };
    let allowed = |field, value: Option<Personal>| value.filter(|_| fields.allows(field));
    let values = PatronValues {
        barcode: None,
        user_name: allowed(Field::UserName, student.user_name),
        surname: Some(names.surname),
        given_name: names.given,
        middle_name: if fields.allows(Field::MiddleName) { names.middle } else { None },
        birth_date: student.birth_date.filter(|_| fields.allows(Field::BirthDate)),
        email: allowed(Field::Email, student.email),
        phone: allowed(Field::Phone, student.phone),
        address,
        student_id: Some(student.student_id).filter(|_| fields.allows(Field::StudentId)),
        category: Some(rule.category.clone()),
        home_branch: Some(branch.clone()),
        expiry: rule.expires.apply(today.date, student.grade, today.held_expiry),
        statistics: rule
            .statistics
            .iter()
            .map(|(name, code)| (name.clone(), code.apply(&school, student.grade, student.role)))
            .filter(|(_, code)| !code.is_empty())
            .collect(),
        note: rule.note.as_deref().map(Personal::new),
    };
    let fallback_address = rules.address.fallback.clone().filter(|f| values.address.as_ref() != Some(f));
    Ok(WantedPatron {
        model: rule.model,
        role: student.role,
        number,
        fallback_address: fallback_address.filter(|_| values.address.is_some()),
        values,
        pin,
        source_ids: student.source_ids,
        school,
        grade: student.grade,
        findings,
    })
}

/// Whether the student is in the programme at all.
fn eligible(student: &Student, school: &School, rules: &CardRules, today: Date) -> Result<(), NotEligible> {
    let eligible = &rules.eligible;
    if !eligible.roles.contains(&student.role) {
        return Err(NotEligible::Role);
    }
    let listed = eligible.schools.as_ref().is_none_or(|schools| names_school(schools, school));
    if !listed || names_school(&eligible.not_schools, school) {
        return Err(NotEligible::School { school: school.label() });
    }
    if student.role == Role::Student {
        if eligible.grades.as_ref().is_some_and(|grades| !student.grade.is_some_and(|g| grades.contains(g))) {
            return Err(NotEligible::Grade);
        }
        let age = student.birth_date.and_then(|born| born.age_on(today));
        if eligible.ages.as_ref().is_some_and(|ages| !age.is_some_and(|a| ages.contains(&a))) {
            return Err(NotEligible::Age);
        }
    }
    Ok(())
}

/// `[card]`, with the first `[[card.for]]` whose selector holds. Borrowed where there is none, which is the rule.
fn card_rule<'r>(
    student: &Student,
    school: &School,
    age: Option<u8>,
    rules: &'r CardRules,
) -> std::borrow::Cow<'r, CardRule> {
    match rules.card_for.iter().find(|card_for| holds(&card_for.selector, student, school, age)) {
        None => std::borrow::Cow::Borrowed(&rules.card),
        Some(card_for) => std::borrow::Cow::Owned(patched(&rules.card, card_for)),
    }
}

fn patched(card: &CardRule, card_for: &CardFor) -> CardRule {
    let mut rule = card.clone();
    card_for.apply_to(&mut rule);
    rule
}

fn holds(selector: &Selector, student: &Student, school: &School, age: Option<u8>) -> bool {
    let zip = match &student.address {
        GivenAddress::Given(address) => address.zip.reveal().trim().get(..5),
        GivenAddress::None | GivenAddress::Protected => None,
    };
    selector.grades.as_ref().is_none_or(|grades| student.grade.is_some_and(|g| grades.contains(g)))
        && selector.schools.as_ref().is_none_or(|schools| names_school(schools, school))
        && selector.roles.as_ref().is_none_or(|roles| roles.contains(&student.role))
        && selector.ages.as_ref().is_none_or(|ages| age.is_some_and(|a| ages.contains(&a)))
        && selector.zips.as_ref().is_none_or(|zips| zip.is_some_and(|zip| zips.contains(zip)))
}

struct Names {
    surname: Personal,
    given: Option<Personal>,
    middle: Option<Personal>,
}

/// The names for the card. One name alone becomes the surname, which every ILS demands; nothing is cut or changed but
/// for white space at the ends and runs of it within.
fn names(student: &Student, choice: NameChoice) -> Result<Names, Reject> {
    let preferred = student.preferred.as_ref().filter(|_| choice == NameChoice::Preferred);
    let given = preferred.and_then(|p| p.given.as_ref()).unwrap_or(&student.given_name);
    let family = preferred.and_then(|p| p.family.as_ref()).unwrap_or(&student.family_name);
    let middle = preferred.and_then(|p| p.middle.as_ref()).or(student.middle_name.as_ref());
    let given = tidy(given)?;
    let family = tidy(family)?;
    let middle = middle.map(tidy).transpose()?.flatten();
    match (given, family) {
        (given, Some(surname)) => Ok(Names { surname, given, middle }),
        (Some(only), None) => Ok(Names { surname: only, given: None, middle }),
        (None, None) => Err(Reject::NameMissing),
    }
}

/// A name without white space at its ends and with single blanks within; `None` where nothing is left.
fn tidy(name: &Personal) -> Result<Option<Personal>, Reject> {
    let text = name.reveal();
    if is_plainly_tidy(text) {
        return Ok(Some(name.clone()));
    }
    if text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return Err(Reject::NameDamaged);
    }
    let spaced = text.starts_with(char::is_whitespace)
        || text.ends_with(char::is_whitespace)
        || text.contains("  ")
        || text.chars().any(|c| c.is_whitespace() && c != ' ');
    if !spaced {
        return Ok(Some(name.clone()).filter(|n| !n.is_empty()));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    Ok(Some(Personal::new(words.join(" "))).filter(|n| !n.is_empty()))
}

/// Whether a name is tidy at a glance, as nearly all are: no control characters, no white space but single blanks
/// between words. Other white space starts with one of the bytes that are let through to the thorough look.
fn is_plainly_tidy(text: &str) -> bool {
    let mut after_blank = true;
    for byte in text.bytes() {
        match byte {
            b' ' if after_blank => return false,
            b' ' => after_blank = true,
            // 0xC2, 0xE1 to 0xE3 begin every control character and white space beyond ASCII.
            0..0x20 | 0x7F | 0xC2 | 0xE1..=0xE3 => return false,
            _ => after_blank = false,
        }
    }
    !after_blank
}

/// The address for the card: the student's own where it can be used, else the fallback, flagged. Never one from
/// anywhere else.
fn choose_address(student: &Student, rules: &CardRules, findings: &mut Vec<Finding>) -> Option<Address> {
    let address_rules = &rules.address;
    let (code, why) = match &student.address {
        GivenAddress::Protected => ("address_protected", "the family's address is protected"),
        GivenAddress::None => ("address_missing", "the roster has no address"),
        GivenAddress::Given(address) if address.street.is_empty() || address.zip.is_empty() => {
            ("address_incomplete", "the address has no street or no ZIP code")
        }
        GivenAddress::Given(address)
            if address_rules.po_box == PoBox::Fallback && is_po_box(&address.street) =>
        {
            ("address_po_box", "the address is a PO box")
        }
        GivenAddress::Given(address) => {
            let zip = address.zip.reveal().trim();
            let known =
                |zips: &std::collections::BTreeSet<String>| zip.get(..5).is_some_and(|z| zips.contains(z));
            if address_rules.known_zips.as_ref().is_none_or(known) {
                return Some(address.clone());
            }
            ("address_zip_unknown", "the ILS does not know the address's ZIP code")
        }
    };
    let done =
        if address_rules.fallback.is_some() { "the fallback address is used" } else { "the card has none" };
    findings.push(Finding::new(code, Place::default(), format!("{why}: {done}")));
    address_rules.fallback.clone()
}

/// `PO Box 12`, `P.O. Box 12`, `Post Office Box 12`.
fn is_po_box(street: &Personal) -> bool {
    let letters: String =
        street.reveal().chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    letters.starts_with("pobox") || letters.starts_with("postofficebox")
}

/// The keyed fingerprint of a decision: of everything that would make a run do something if it changed. A changed
/// rule changes it like a changed student. The number and the PIN are not in it, because they stay on the card; nor
/// are fields that are the library's once the card is made.
#[must_use]
pub fn fingerprint(decision: &Decision, fields: &FieldRules, hasher: &mut DigestHasher) -> Digest {
    hasher.clear();
    match decision {
        Decision::Wanted(wanted) => {
            hasher.part(b"wanted");
            hasher.part(wanted.model.word().as_bytes());
            hasher.part(wanted.school.key().as_bytes());
            hasher.part(&[wanted.grade.map_or(0, crate::grade::Grade::code)]);
            let kept: FieldSet = fields.kept_up();
            for field in kept.iter() {
                hasher.part(&[field as u8]);
                hasher.optional(wanted.values.canonical(field).as_deref());
            }
        }
        Decision::No(reason) => {
            hasher.part(b"no");
            hasher.part(reason.code().as_bytes());
            // The numbers in a reason ("12 characters where 10 fit") are part of what is reported.
            hasher.part(format!("{reason:?}").as_bytes());
        }
    }
    hasher.finish()
}

/// The number a decision asks for, where it follows from the student.
#[must_use]
pub fn given_number(wanted: &WantedPatron) -> Option<&Personal> {
    match &wanted.number {
        Number::Given(number) => Some(number),
        Number::Issued { .. } => None,
    }
}

#[cfg(test)]
mod tests;
