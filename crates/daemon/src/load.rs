//! A load under way, and when it will be finished: at the speed so far, in the hours that its ILS allows. It guesses nothing where
//! too little was made to know a speed.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::quiet::Hours;

/// A speed is known after so many changes.
const ENOUGH: u64 = 20;
/// A load that takes longer than this has no end that anybody could plan with: in minutes.
const LONGEST: i64 = 400 * 24 * 60;

/// Changes of a run that are being made.
#[derive(Debug, Clone)]
pub struct Load {
    /// How many are made.
    pub made: u64,
    /// How many are left.
    pub left: u64,
    /// Since when they are made: since a person let them through, or the run began.
    pub since: Timestamp,
    /// The hours of the ILS.
    pub hours: Hours,
    /// The library's time zone.
    pub zone: TimeZone,
}

impl Load {
    /// When all of it will be made, if it goes on as it did since its beginning. `None` where too little is made to tell, or the
    /// end is more than a year away.
    #[must_use]
    pub fn finishes(&self, now: Timestamp) -> Option<Timestamp> {
        if self.left == 0 || self.made < ENOUGH {
            return None;
        }
        let worked = self.open_minutes(self.since).take_while(|minute| *minute < now).count();
        // What was made in less than a minute took a minute: a guess that is too late harms nobody.
        let worked = u64::try_from(worked).unwrap_or(u64::MAX).max(1);
        let needed = (u128::from(self.left) * u128::from(worked)).div_ceil(u128::from(self.made));
        let last = usize::try_from(needed.saturating_sub(1)).ok()?;
        self.open_minutes(now).nth(last)?.checked_add(SignedDuration::from_mins(1)).ok()
    }

    /// The minutes from a moment on in which the ILS may be written to.
    fn open_minutes(&self, from: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let minutes = (0..LONGEST).map_while(move |n| from.checked_add(SignedDuration::from_mins(n)).ok());
        minutes.filter(|minute| self.hours.closed(*minute, &self.zone).is_none())
    }

    /// How far it is, and when it will be finished, in words.
    #[must_use]
    pub fn in_words(&self, now: Timestamp) -> String {
        let all = self.made + self.left;
        let mut text = format!("{} of {all} changes are made", self.made);
        if let Some(end) = self.finishes(now) {
            let clock = self.zone.to_datetime(end).strftime("%Y-%m-%d %H:%M");
            text.push_str(&format!("; at this speed the last one by {clock}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(made: u64, left: u64, since: &str, allowed: &[(u16, u16)]) -> Load {
        let hours = Hours::new(Vec::new(), allowed.to_vec());
        Load { made, left, since: since.parse().unwrap(), hours, zone: TimeZone::UTC }
    }

    #[test]
    fn a_load_ends_at_the_speed_so_far() {
        let now = "2026-11-24T02:00:00Z".parse().unwrap();
        for (made, left, allowed, end) in [
            // An hour for 600: two hours for 1,200.
            (600, 1_200, &[][..], Some("2026-11-24T04:00:00Z")),
            // Half the hour was closed, so the speed is twice that; and the night ends at three.
            (600, 1_200, &[(90, 180)][..], Some("2026-11-24T03:00:00Z")),
            // The rest is for the next night.
            (600, 1_800, &[(90, 180)][..], Some("2026-11-25T02:00:00Z")),
            (19, 1_200, &[][..], None),
            (600, 0, &[][..], None),
            (20, 900_000_000, &[][..], None),
        ] {
            let load = load(made, left, "2026-11-24T01:00:00Z", allowed);
            assert_eq!(
                load.finishes(now).map(|at| at.to_string()).as_deref(),
                end,
                "{made} {left} {allowed:?}"
            );
        }
    }

    #[test]
    fn it_is_told_on_the_librarys_clock() {
        let now = "2026-11-24T02:00:00Z".parse().unwrap();
        let mut load = load(600, 1_200, "2026-11-24T01:00:00Z", &[]);
        load.zone = TimeZone::fixed(jiff::tz::offset(-8));
        assert_eq!(
            load.in_words(now),
            "600 of 1800 changes are made; at this speed the last one by 2026-11-23 20:00"
        );
        load.made = 3;
        assert_eq!(load.in_words(now), "3 of 1203 changes are made");
    }
}
