//! The partnership that is simulated: its rules and limits, drawn from the seed where there is a choice.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use rostercard_core::calendar::Dates;
use rostercard_core::consent::Programme;
use rostercard_core::field::{Field, FieldRules, FieldSet, Ownership};
use rostercard_core::guard::{Guards, Limit};
use rostercard_core::rules::expiry::{ExpiryRule, MonthDay};
use rostercard_core::rules::number::{CheckDigit, NumberRange, NumberRule, NumberTemplate};
use rostercard_core::rules::pin::PinRule;
use rostercard_core::rules::{
    AddressRules, CardRule, CardRules, Eligible, Existing, Homes, NameChoice, OnLeaving,
};
use rostercard_core::words::{CardModel, Code};
use rostercard_engine::{Grace, IlsLimits, PartnershipSettings, PinSettings};

use crate::dice::Dice;
use crate::district::SCHOOLS;
use crate::ils::SETTLE_AFTER;

/// Percent and number of changes that go through without a person.
pub(crate) const CREATES: (u64, u64) = (10, 6);
/// The same for lapses.
pub(crate) const LAPSES: (u64, u64) = (5, 4);
/// The partnership's permanent id.
pub(crate) const PARTNERSHIP: &str = "simulated";
/// The same for people who are missing from the roster as a whole.
pub(crate) const COLLAPSE: (u64, u64) = (20, 10);
/// Days and complete rosters before a card lapses.
pub(crate) const GRACE: (u16, u32) = (14, 3);

/// How many a limit lets through.
pub(crate) fn allowed((percent, at_least): (u64, u64), live: u64) -> u64 {
    (live * percent / 100).max(at_least)
}

fn limit((percent, at_least): (u64, u64)) -> Limit {
    Limit::wait(f64::from(u32::try_from(percent).unwrap_or(0)), at_least)
}

/// The settings of a year; `None` where the rules cannot be written, which would be a fault of this program's.
pub(crate) fn settings(dice: &mut Dice) -> Option<PartnershipSettings> {
    let range = NumberRange {
        name: "main".into(),
        first: 9_041_000,
        last: 9_041_999,
        width: 9,
        check_digit: CheckDigit::Mod10,
    };
    let number = if dice.chance(500) {
        NumberRule::Range(range.clone())
    } else {
        NumberRule::Template(NumberTemplate::parse("77{student_id:0>8}").ok()?)
    };
    let homes =
        SCHOOLS.iter().filter_map(|(school, branch)| Some(((*school).to_owned(), Code::new((*branch)?))));
    let mut fields = FieldRules::default();
    fields.set(Field::Email, Ownership::Fill);
    fields.set(Field::Phone, Ownership::School);
    let rules = CardRules {
        card: CardRule {
            model: CardModel::Digital,
            category: "STUDENT".into(),
            number,
            pin: PinRule::Random { digits: 4 },
            expires: ExpiryRule::every_year(MonthDay::parse("10-01")?),
            statistics: BTreeMap::new(),
            note: None,
        },
        card_for: Vec::new(),
        eligible: Eligible::default(),
        homes: Homes::new(homes.collect()),
        fields,
        names: NameChoice::Legal,
        address: AddressRules::default(),
        existing: Existing::Separate,
        number_max: 14,
        programme: Programme::OptOut,
        agreed: FieldSet::of(&[Field::StudentId]),
    };
    let guards = Guards {
        create: limit(CREATES),
        lapse: limit(LAPSES),
        roster_collapse: limit(COLLAPSE),
        ..Guards::default()
    };
    Some(PartnershipSettings {
        permanent_id: PARTNERSHIP.into(),
        name: "simulated".into(),
        ils: "main".into(),
        rules,
        ranges: [("main".into(), range)].into(),
        guards,
        on_leaving: dice.pick(&[
            OnLeaving::NotRenewed,
            OnLeaving::NotRenewed,
            OnLeaving::Expire,
            OnLeaving::Block,
        ])?,
        grace: Grace { days: GRACE.0, feeds: GRACE.1 },
        timezone: TimeZone::UTC,
        pins: PinSettings::default(),
        wait_days: 7,
        full_every: 7,
        extract: None,
        dates: Dates::default(),
        limits: IlsLimits {
            connections: 1 + dice.position(3),
            settle_after: SETTLE_AFTER,
            rate: dice.chance(200).then_some(5),
        },
    })
}
