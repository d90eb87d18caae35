//! How long to leave Clever alone, from what its answers say of the window for rates. Pure: no clock, no waiting.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use rostercard_web::Answer;

/// What an answer says of the window: 1,200 requests a minute for each token, counted anew when the window ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// Requests in a whole window.
    pub(crate) limit: Option<u64>,
    /// Requests left in this one.
    pub(crate) remaining: Option<u64>,
    /// When it ends, in seconds since 1970.
    pub(crate) reset: Option<i64>,
    /// The moment of the answer by Clever's own clock, so that ours may be wrong.
    pub(crate) now: i64,
}

impl Window {
    /// Reads the headers; `ours` stands in where the answer has no date.
    pub(crate) fn of(answer: &Answer, ours: Timestamp) -> Self {
        let number = |name: &str| answer.header(name).and_then(|value| value.trim().parse::<u64>().ok());
        let theirs = answer.header("date").and_then(|date| rfc2822::parse(date).ok());
        Self {
            limit: number("x-ratelimit-limit"),
            remaining: number("x-ratelimit-remaining"),
            reset: answer.header("x-ratelimit-reset").and_then(|value| value.trim().parse().ok()),
            now: theirs.map_or(ours.as_second(), |date| date.timestamp().as_second()),
        }
    }

    /// How long the window still lasts; nothing where it has ended, and never longer than `longest`, whatever is said.
    fn rest(self, longest: Duration) -> Option<Duration> {
        let seconds = self.reset?.saturating_sub(self.now);
        Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(longest))
    }

    /// The wait before the next request, so that the limit is not reached: what is left of the window is shared among the last
    /// tenth of its requests.
    pub(crate) fn pace(self, longest: Duration) -> Duration {
        let (Some(remaining), Some(rest)) = (self.remaining, self.rest(longest)) else {
            return Duration::ZERO;
        };
        let scarce = self.limit.map_or(remaining == 0, |limit| remaining.saturating_mul(10) < limit);
        if !scarce {
            return Duration::ZERO;
        }
        rest / u32::try_from(remaining.saturating_add(1)).unwrap_or(u32::MAX)
    }

    /// The wait after too many requests: what the answer asks for, the end of the window, or `otherwise`; never less than that
    /// where the window is said to have ended already, and never longer than `longest`.
    pub(crate) fn too_many(
        self,
        retry_after: Option<Duration>,
        otherwise: Duration,
        longest: Duration,
    ) -> Duration {
        let asked = retry_after.or_else(|| self.rest(longest)).unwrap_or(otherwise);
        asked.max(otherwise).min(longest)
    }
}

/// The wait after the `failures`-th failure in a row, counted from 1: doubled each time, with up to a quarter more that differs
/// between districts, so that they do not all come back at once.
pub(crate) fn backoff(failures: u32, first: Duration, longest: Duration, district: &str) -> Duration {
    let doubled = first.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let hash = district.bytes().fold(failures, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let more = doubled.min(longest).saturating_mul(hash % 256) / 1024;
    doubled.saturating_add(more).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(90);
    const SECOND: Duration = Duration::from_secs(1);

    fn window(remaining: u64, reset: i64) -> Window {
        Window { limit: Some(1200), remaining: Some(remaining), reset: Some(reset), now: 1000 }
    }

    #[test]
    fn cl_20_to_22_too_many_requests() {
        let none = Window { now: 1000, ..Window::default() };
        for (window, retry_after, seconds) in
            [(window(0, 1030), None, 30), (window(0, 1030), Some(7), 7), (none, Some(7), 7), (none, None, 1)]
        {
            let wait = window.too_many(retry_after.map(Duration::from_secs), SECOND, LONGEST);
            assert_eq!(wait.as_secs(), seconds, "{window:?} {retry_after:?}");
        }
    }

    #[test]
    fn cl_23_the_last_tenth_of_a_window_is_shared_out() {
        assert_eq!(window(1200, 1060).pace(LONGEST), Duration::ZERO);
        assert_eq!(window(120, 1060).pace(LONGEST), Duration::ZERO);
        assert_eq!(window(59, 1060).pace(LONGEST), SECOND);
        assert_eq!(window(0, 1060).pace(LONGEST), SECOND * 60);
        assert_eq!(Window::default().pace(LONGEST), Duration::ZERO);
        // A whole window spent at this pace is never overdrawn.
        let (mut left, mut clock) = (119u64, 0f64);
        while left > 0 && clock < 60.0 {
            let rest = Window { limit: Some(1200), remaining: Some(left), reset: Some(60), now: 0 };
            clock += rest.pace(LONGEST).as_secs_f64() * (60.0 - clock) / 60.0;
            left -= 1;
        }
        assert!(clock <= 60.0);
    }

    #[test]
    fn cl_24_a_reset_in_the_past_or_far_away_is_clamped() {
        assert_eq!(window(0, 10).too_many(None, SECOND, LONGEST), SECOND);
        assert_eq!(window(0, i64::MAX).too_many(None, SECOND, LONGEST), LONGEST);
        assert_eq!(window(0, i64::MIN).pace(LONGEST), Duration::ZERO);
        assert_eq!(window(0, i64::MAX).pace(LONGEST), LONGEST);
        let forever = Some(Duration::from_secs(u64::MAX));
        assert_eq!(window(0, 1030).too_many(forever, SECOND, LONGEST), LONGEST);
    }

    #[test]
    fn cl_30_waits_grow_within_bounds_and_differ() {
        let waits: Vec<Duration> =
            (1..=40).map(|n| backoff(n, SECOND, LONGEST, "55108ad78349a40100000022")).collect();
        assert!(waits.windows(2).all(|w| w[0] <= w[1] || w[1] == LONGEST), "{waits:?}");
        assert!(waits[0] >= SECOND && waits[0] <= SECOND * 5 / 4);
        assert_eq!(waits[39], LONGEST);
        assert_ne!(backoff(1, SECOND, LONGEST, "a1"), backoff(1, SECOND, LONGEST, "b7"));
    }
}
