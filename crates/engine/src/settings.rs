//! What a run must know of its partnership and its ILS: checked, plain data.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use rostercard_core::calendar::Dates;
use rostercard_core::guard::Guards;
use rostercard_core::matching::Extract;
use rostercard_core::rules::number::NumberRange;
use rostercard_core::rules::{CardRules, OnLeaving};
use rostercard_core::words::Code;

/// How long a person may be missing before the card is no longer looked after. Both must have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// Days since the person was first missing; school days, where there is a calendar.
    pub days: u16,
    /// Complete rosters in a row without the person.
    pub feeds: u32,
}

impl Default for Grace {
    fn default() -> Self {
        Self { days: 14, feeds: 5 }
    }
}

/// What an ILS can bear.
#[derive(Debug, Clone, PartialEq)]
pub struct IlsLimits {
    /// Requests under way at once.
    pub connections: usize,
    /// How long after an unanswered write its fate is looked up: not before the ILS can no longer be committing it.
    pub settle_after: Duration,
    /// Requests a second at most; `None` for as many as it answers.
    pub rate: Option<u16>,
}

impl IlsLimits {
    /// The wait before an unanswered write is looked up where nothing else is said: twice the deadline, and at least a
    /// minute.
    #[must_use]
    pub fn settle_after(deadline: Duration) -> Duration {
        (deadline * 2).max(Duration::from_secs(60))
    }
}

/// What becomes of PINs after their cards were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinSettings {
    /// Days after which PINs that were handed out are forgotten, confirmed or not.
    pub forget_days: u16,
    /// So many cards get new PINs at once; more wait for approval.
    pub reissue_at_once: u64,
}

impl Default for PinSettings {
    fn default() -> Self {
        Self { forget_days: 30, reissue_at_once: 25 }
    }
}

/// One partnership, ready to run.
#[derive(Debug, Clone)]
pub struct PartnershipSettings {
    /// Its permanent id: people and links are known under it.
    pub permanent_id: String,
    /// Its name, for messages.
    pub name: String,
    /// The permanent id of its ILS.
    pub ils: String,
    /// Its rules about cards.
    pub rules: CardRules,
    /// Every range of numbers that the rules name.
    pub ranges: BTreeMap<Code, NumberRange>,
    /// Its guards.
    pub guards: Guards,
    /// Its grace for people who are missing.
    pub grace: Grace,
    /// Its school calendar, the agreement's dates, and what becomes of those who finish school.
    pub dates: Dates,
    /// The library's time zone: what day it is.
    pub timezone: TimeZone,
    /// What becomes of the card of somebody who left.
    pub on_leaving: OnLeaving,
    /// An extract of the ILS's patrons, for looking where the ILS can be searched by number only.
    pub extract: Option<Arc<Extract>>,
    /// What becomes of PINs.
    pub pins: PinSettings,
    /// How many days a plan may wait for approval.
    pub wait_days: u16,
    /// After so many days a source that gives changes alone is read in full again. Daily where the rules depend on the day.
    pub full_every: u16,
    /// What its ILS can bear.
    pub limits: IlsLimits,
}
