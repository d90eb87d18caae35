//! Hours of the day in which no run begins, on a library's wall clock, and when the next other minute is.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Minutes of the day, from the first to before the second; over midnight where the first is the later one.
pub type Window = (u16, u16);

/// No stretch of closed minutes is longer than this, unless the whole day is closed: a day, and what daylight saving adds.
const LONGEST: i64 = 27 * 60;

/// Why a run does not begin at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The partnership's quiet hours.
    Quiet,
    /// Hours that the ILS does not allow.
    Ils,
}

/// When no run begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hours {
    quiet: Vec<Window>,
    allowed: Vec<Window>,
}

impl Hours {
    /// `quiet` is closed; where `allowed` names any hours, so is what is in none of them.
    #[must_use]
    pub fn new(quiet: Vec<Window>, allowed: Vec<Window>) -> Self {
        Self { quiet, allowed }
    }

    /// Whether any minute of the day is left.
    #[must_use]
    pub fn leave_any(&self) -> bool {
        (0..1_440).any(|minute| self.why(minute).is_none())
    }

    fn why(&self, minute: u16) -> Option<Closed> {
        let within = |(from, to): &Window| {
            if from < to { (*from..*to).contains(&minute) } else { minute >= *from || minute < *to }
        };
        if self.quiet.iter().any(within) {
            return Some(Closed::Quiet);
        }
        (!self.allowed.is_empty() && !self.allowed.iter().any(within)).then_some(Closed::Ils)
    }

    /// Why no run begins at this moment, where none does.
    #[must_use]
    pub fn closed(&self, at: Timestamp, zone: &TimeZone) -> Option<Closed> {
        if self.quiet.is_empty() && self.allowed.is_empty() {
            return None;
        }
        let clock = zone.to_datetime(at);
        let minute = u16::try_from(i32::from(clock.hour()) * 60 + i32::from(clock.minute())).unwrap_or(0);
        self.why(minute)
    }

    /// The first moment from this one on at which a run may begin. `None` only where the whole day is closed, or the calendar ends.
    #[must_use]
    pub fn open(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.walk(at, zone, 1).map(|(open, _)| open)
    }

    /// From when on no run begins, counted from a moment: that moment where none does now. `None` where none ever is kept from
    /// beginning.
    #[must_use]
    pub fn shut(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.closed(at, zone).is_some() {
            return Some(at);
        }
        let minute = Timestamp::from_second(at.as_second().div_euclid(60) * 60).ok()?;
        let later = (1..LONGEST).map_while(|n| minute.checked_add(SignedDuration::from_mins(n)).ok());
        later.into_iter().find(|minute| self.closed(*minute, zone).is_some())
    }

    /// The beginning of the closed stretch in which a moment lies; the moment itself where it lies in none.
    #[must_use]
    pub fn since(&self, at: Timestamp, zone: &TimeZone) -> Timestamp {
        self.walk(at, zone, -1).map_or(at, |(_, last)| last)
    }

    /// Minute by minute forwards or backwards to the first one that is open; that minute, and the last that was not.
    fn walk(&self, at: Timestamp, zone: &TimeZone, step: i64) -> Option<(Timestamp, Timestamp)> {
        if self.closed(at, zone).is_none() {
            return Some((at, at));
        }
        let minute = SignedDuration::from_mins(1);
        let mut now = Timestamp::from_second(at.as_second().div_euclid(60) * 60).ok()?;
        for _ in 0..LONGEST {
            let last = now;
            now = now.checked_add(minute * i32::try_from(step).ok()?).ok()?;
            if self.closed(now, zone).is_none() {
                return Some((now, last));
            }
        }
        None
    }
}
