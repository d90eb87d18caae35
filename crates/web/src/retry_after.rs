//! The `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date. A date is measured against the answer's own
//! `Date`, so that no clock is needed here and the server's may be wrong.

use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// How long the server asks to be left alone, if it does.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let value = text(RETRY_AFTER)?;
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = rfc2822::parse(value).ok()?.timestamp();
    let now = rfc2822::parse(text(DATE)?).ok()?.timestamp();
    Some(Duration::from_secs(u64::try_from(until.as_second().saturating_sub(now.as_second())).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let now = Some("Tue, 24 Nov 2026 05:00:00 GMT");
        let cases = [
            ("120", None, Some(120)),
            (" 0 ", None, Some(0)),
            ("Tue, 24 Nov 2026 05:01:30 GMT", now, Some(90)),
            ("Tue, 24 Nov 2026 04:00:00 GMT", now, Some(0)),
            ("Tue, 24 Nov 2026 05:01:30 GMT", None, None),
            ("soon", now, None),
            ("-5", None, None),
        ];
        for (value, date, wanted) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            assert_eq!(retry_after(&headers).map(|d| d.as_secs()), wanted, "{value}");
        }
    }
}
