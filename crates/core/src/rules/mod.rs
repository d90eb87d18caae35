//! A partnership's rules, checked and ready to apply: what `[card]`, `[[card.for]]`, `[homes]`, `[fields]` and
//! `[match]` say. Plain data; [`crate::policy`] applies it. How it is written in TOML is `rostercard-config`'s matter.

pub mod expiry;
pub mod number;
pub mod pin;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use expiry::ExpiryRule;
use number::NumberRule;
use pin::PinRule;

use crate::consent::Programme;
use crate::field::{FieldRules, FieldSet};
use crate::grade::GradeSet;
use crate::privacy::Personal;
use crate::student::{Address, School};
use crate::words::{CardModel, Code, Role, vocabulary};

vocabulary! {
    /// Which name goes on the card where a roster has a preferred one.
    NameChoice {
        /// The legal name.
        Legal = "legal",
        /// The preferred name, part by part, where there is one.
        Preferred = "preferred",
    }
}

vocabulary! {
    /// What to do where the child may already have a card. There is no default: the library must choose.
    Existing {
        /// A card of its own beside any other.
        Separate = "separate",
        /// Link the existing patron and add only the agreed fields.
        Link = "link",
        /// No card; report.
        Skip = "skip",
    }
}

vocabulary! {
    /// What to do with a PO box as the only address.
    PoBox {
        /// Take it.
        Accept = "accept",
        /// Put the fallback address in its place.
        Fallback = "fallback",
    }
}

/// One card: what `[card]` says, or `[card]` with one `[[card.for]]` applied.
#[derive(Debug, Clone, PartialEq)]
pub struct CardRule {
    /// What the card lets its holder do.
    pub model: CardModel,
    /// Category (patron type) in the ILS.
    pub category: Code,
    /// How the number is made.
    pub number: NumberRule,
    /// How the PIN is made.
    pub pin: PinRule,
    /// When the card expires.
    pub expires: ExpiryRule,
    /// Statistical codes by name; the values may use the variables of [`CodeTemplate`].
    pub statistics: BTreeMap<Code, CodeTemplate>,
    /// A note for the library's staff on new cards.
    pub note: Option<String>,
}

/// A statistical code's value: fixed text with `{school}` (the school's code), `{grade}` and `{role}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeTemplate(String);

impl CodeTemplate {
    /// The variables that may stand in it.
    pub const VARIABLES: &'static [&'static str] = &["school", "grade", "role"];

    /// Takes a template after checking its variables.
    ///
    /// # Errors
    /// The unknown variable's name, or the text from an unclosed brace on.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').ok_or_else(|| after.to_owned())?;
            if !Self::VARIABLES.contains(&name) {
                return Err(name.to_owned());
            }
            rest = tail;
        }
        Ok(Self(text.to_owned()))
    }

    /// The value for a student.
    #[must_use]
    pub fn apply(&self, school: &School, grade: Option<crate::grade::Grade>, role: Role) -> Code {
        if !self.0.contains('{') {
            return Code::new(&self.0);
        }
        let grade = grade.map(|g| g.to_string()).unwrap_or_default();
        Code::new(
            self.0
                .replace("{school}", school.key())
                .replace("{grade}", &grade)
                .replace("{role}", role.word()),
        )
    }
}

/// Who a `[[card.for]]` is for. Everything that is said must hold; what is not said holds for everybody.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selector {
    /// Grades.
    pub grades: Option<GradeSet>,
    /// Schools, by sourcedId, code or name.
    pub schools: Option<BTreeSet<String>>,
    /// Roles.
    pub roles: Option<Vec<Role>>,
    /// Ages in whole years, on the day of the run.
    pub ages: Option<RangeInclusive<u8>>,
    /// The first five digits of the address's ZIP code.
    pub zips: Option<BTreeSet<String>>,
}

/// What a `[[card.for]]` says differently from `[card]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CardPatch {
    /// See [`CardRule::model`].
    pub model: Option<CardModel>,
    /// See [`CardRule::category`].
    pub category: Option<Code>,
    /// See [`CardRule::number`].
    pub number: Option<NumberRule>,
    /// See [`CardRule::pin`].
    pub pin: Option<PinRule>,
    /// See [`CardRule::expires`].
    pub expires: Option<ExpiryRule>,
    /// Statistical codes that are added or take the place of those of the same name.
    pub statistics: BTreeMap<Code, CodeTemplate>,
    /// See [`CardRule::note`].
    pub note: Option<String>,
}

/// One `[[card.for]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CardFor {
    /// Who it is for.
    pub selector: Selector,
    /// What is different for them.
    pub patch: CardPatch,
}

impl CardFor {
    /// Puts what is different over a card rule.
    pub fn apply_to(&self, rule: &mut CardRule) {
        let patch = &self.patch;
        if let Some(model) = patch.model {
            rule.model = model;
        }
        if let Some(category) = &patch.category {
            rule.category = category.clone();
        }
        if let Some(number) = &patch.number {
            rule.number = number.clone();
        }
        if let Some(pin) = &patch.pin {
            rule.pin = pin.clone();
        }
        if let Some(expires) = &patch.expires {
            rule.expires = expires.clone();
        }
        if patch.note.is_some() {
            rule.note.clone_from(&patch.note);
        }
        rule.statistics.extend(patch.statistics.clone());
    }
}

/// Who is in the programme at all: `[eligible]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Eligible {
    /// Roles; students alone unless said otherwise.
    pub roles: Vec<Role>,
    /// Grades; all unless said. Asked of students only.
    pub grades: Option<GradeSet>,
    /// Schools by sourcedId, code or name; all unless said.
    pub schools: Option<BTreeSet<String>>,
    /// Schools that are not in the programme.
    pub not_schools: BTreeSet<String>,
    /// Ages in whole years; all unless said. Asked of students only.
    pub ages: Option<RangeInclusive<u8>>,
}

impl Default for Eligible {
    fn default() -> Self {
        Self {
            roles: vec![Role::Student],
            grades: None,
            schools: None,
            not_schools: BTreeSet::new(),
            ages: None,
        }
    }
}

/// `[homes]`: school to branch. A school is named by its sourcedId, its code or its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Homes(BTreeMap<String, Code>);

impl Homes {
    /// The map as written.
    #[must_use]
    pub fn new(homes: BTreeMap<String, Code>) -> Self {
        Self(homes)
    }

    /// The home branch of a school's students. The sourcedId is looked for first, then the code, then the name.
    #[must_use]
    pub fn branch(&self, school: &School) -> Option<&Code> {
        self.0
            .get(&school.source_id)
            .or_else(|| self.0.get(school.code.as_deref()?))
            .or_else(|| self.0.get(&school.name))
    }

    /// Every branch that is named, each once.
    pub fn branches(&self) -> impl Iterator<Item = &Code> {
        self.0.values().collect::<BTreeSet<_>>().into_iter()
    }

    /// Every school that is named, with its branch.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Code)> {
        self.0.iter().map(|(school, branch)| (school.as_str(), branch))
    }
}

/// Whether a school is named in a set, by its sourcedId, code or name.
#[must_use]
pub(crate) fn names_school(set: &BTreeSet<String>, school: &School) -> bool {
    set.contains(&school.source_id)
        || school.code.as_ref().is_some_and(|code| set.contains(code))
        || set.contains(&school.name)
}

/// What to do about addresses: `[card.address]`. Asked only where [`FieldRules`] allow addresses.
#[derive(Debug, Clone, PartialEq)]
pub struct AddressRules {
    /// The address a card gets where the student has none that can be used, such as the library's own.
    pub fallback: Option<Address>,
    /// What to do with a PO box.
    pub po_box: PoBox,
    /// The ZIP codes that the ILS knows, where it refuses others.
    pub known_zips: Option<BTreeSet<String>>,
}

impl Default for AddressRules {
    fn default() -> Self {
        Self { fallback: None, po_box: PoBox::Accept, known_zips: None }
    }
}

vocabulary! {
    /// What becomes of a card whose student left, after the grace: `[lapse] then`. Never of one that is the family's own.
    #[derive(Default)]
    OnLeaving {
        /// It is not renewed, and ends on the day it would have ended.
        #[default]
        NotRenewed = "not_renewed",
        /// It expires at once.
        Expire = "expire",
        /// It is blocked.
        Block = "block",
    }
}

/// All the rules of a partnership that decide about cards.
#[derive(Debug, Clone, PartialEq)]
pub struct CardRules {
    /// `[card]`.
    pub card: CardRule,
    /// `[[card.for]]`, in order: the first whose selector holds is applied, and no other.
    pub card_for: Vec<CardFor>,
    /// `[eligible]`.
    pub eligible: Eligible,
    /// `[homes]`.
    pub homes: Homes,
    /// `[fields]`.
    pub fields: FieldRules,
    /// `[card] names`.
    pub names: NameChoice,
    /// `[card.address]`.
    pub address: AddressRules,
    /// `[match] existing`.
    pub existing: Existing,
    /// `[match] adds`: the fields that may be added to a card that is the family's own, or that staff upgraded.
    pub agreed: FieldSet,
    /// `[optout] programme`.
    pub programme: Programme,
    /// The longest number that the ILS holds, in characters.
    pub number_max: usize,
}

impl CardRules {
    /// Whether what is decided about a student can change with the day while the roster says the same: by age, or by an
    /// expiry that is renewed late. Then a source that gives changes alone is read in full every day (S17).
    #[must_use]
    pub fn change_by_the_day(&self) -> bool {
        let late =
            |rule: &ExpiryRule| matches!(rule, ExpiryRule::Span { renew_before, .. } if *renew_before < 14);
        self.eligible.ages.is_some()
            || late(&self.card.expires)
            || self
                .card_for
                .iter()
                .any(|one| one.selector.ages.is_some() || one.patch.expires.as_ref().is_some_and(late))
    }

    /// A text that is the same for the same rules, for noticing that rules have changed (S38): to be digested, not shown.
    #[must_use]
    pub fn written(&self) -> String {
        // `Debug` hides the fallback address, so it is said apart.
        let fallback = self.address.fallback.as_ref().map(|address| {
            let line2 = address.street2.as_ref().map_or("", Personal::reveal);
            [
                address.street.reveal(),
                line2,
                address.city.reveal(),
                address.state.reveal(),
                address.zip.reveal(),
            ]
            .join("\u{1f}")
        });
        format!("{self:?}\u{1e}{}", fallback.unwrap_or_default())
    }
}
