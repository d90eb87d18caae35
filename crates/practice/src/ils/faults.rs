//! Faults on demand: what goes wrong, for which requests, by script and never by chance alone (chances are seeded).

use serde::{Deserialize, Serialize};

/// One scripted fault. As JSON: `{"service": "CreateUser", "when": {"nth": 3}, "do": "drop_answer"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The service it is for, such as `CreateUser`; none: every one.
    #[serde(default)]
    pub service: Option<String>,
    /// Which of the requests for that service, counted from when the fault was set.
    #[serde(default)]
    pub when: When,
    /// What goes wrong.
    #[serde(rename = "do")]
    pub what: What,
}

/// Which requests a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// All of them.
    Always,
    /// The next so many.
    Next(u64),
    /// That one only, from 1.
    Nth(u64),
    /// Every so manieth: `every: 3` strikes the third, the sixth, ...
    Every(u64),
    /// So many in a hundred, the same ones for the same seed.
    Chance {
        /// 0 to 100.
        percent: u8,
        /// Another seed, other requests.
        seed: u64,
    },
}

impl Default for When {
    fn default() -> Self {
        Self::Next(1)
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The ILS takes its time, then does as asked, whether or not the client still waits.
    Delay {
        /// For how long.
        ms: u64,
    },
    /// The connection is closed without an answer and nothing was done.
    Refuse,
    /// It is done, and the connection is closed without an answer.
    DropAnswer,
    /// No answer; it is done only some time after the client gave up.
    CommitLate {
        /// How long after the connection ended.
        after_ms: u64,
        /// How long the client is left waiting before the connection is closed, unless it gives up by itself.
        #[serde(default)]
        hold_ms: u64,
    },
    /// It is done, and the answer comes twice in one body.
    AnswerTwice,
    /// The ILS says that it does not know this service. Nothing was done.
    Unsupported,
    /// HTTP 500 with a page for people. Nothing was done.
    #[serde(rename = "http_500")]
    Http500,
    /// HTTP 503 with Retry-After. Nothing was done.
    #[serde(rename = "http_503")]
    Http503,
    /// Any HTTP status, before or after it was done.
    Http {
        /// The status.
        status: u16,
        /// Do first, then fail.
        #[serde(default)]
        after_write: bool,
    },
    /// It is done, and the answer is no XML.
    Garbage,
    /// It is done, and the answer is about somebody else.
    WrongUser,
    /// It is done, and the answer stops half-way and never goes on.
    Stall,
    /// It is done, and the connection is closed half-way through the answer.
    CutHalfway,
    /// The ILS says Temporary Processing Failure. Nothing was done.
    TemporaryFailure,
}

/// A fault in force, with what it has seen and done.
#[derive(Debug, Clone, Serialize)]
pub struct Armed {
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
    /// Requests of its service since it was set.
    pub seen: u64,
    /// How many of them it struck.
    pub struck: u64,
}

/// All faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Armed>);

/// What strikes one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Struck {
    pub(crate) delay_ms: u64,
    pub(crate) what: Option<What>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(Armed { fault, seen: 0, struck: 0 });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn all(&self) -> &[Armed] {
        &self.0
    }

    /// Counts a request, and says what strikes it: delays add up, of the others the first one set wins.
    pub(crate) fn strike(&mut self, service: &str) -> Struck {
        let mut result = Struck::default();
        for armed in self.0.iter_mut().filter(|a| a.fault.service.as_deref().is_none_or(|s| s == service)) {
            armed.seen += 1;
            let strikes = match armed.fault.when {
                When::Always => true,
                When::Next(n) => armed.seen <= n,
                When::Nth(n) => armed.seen == n,
                When::Every(n) => n > 0 && armed.seen.is_multiple_of(n),
                When::Chance { percent, seed } => crate::roster::chance(seed, armed.seen, u64::from(percent)),
            };
            if !strikes {
                continue;
            }
            match (&armed.fault.what, &result.what) {
                (What::Delay { ms }, _) => result.delay_ms += ms,
                (what, None) => result.what = Some(what.clone()),
                (_, Some(_)) => continue,
            }
            armed.struck += 1;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(when: When, requests: usize) -> Vec<usize> {
        let mut faults = Faults::default();
        faults.add(Fault { service: Some("CreateUser".into()), when, what: What::Refuse });
        (1..=requests)
            .filter(|_| {
                assert_eq!(faults.strike("LookupUser"), Struck::default(), "another service is not counted");
                faults.strike("CreateUser").what.is_some()
            })
            .collect()
    }

    #[test]
    fn each_script_strikes_its_own_requests() {
        assert_eq!(strikes(When::Always, 3), [1, 2, 3]);
        assert_eq!(strikes(When::Next(2), 5), [1, 2]);
        assert_eq!(strikes(When::Nth(4), 6), [4]);
        assert_eq!(strikes(When::Every(3), 7), [3, 6]);
        assert_eq!(strikes(When::Every(0), 7), [0usize; 0]);
        let some = strikes(When::Chance { percent: 30, seed: 7 }, 1_000);
        assert!((230..370).contains(&some.len()), "{}", some.len());
        assert_eq!(some, strikes(When::Chance { percent: 30, seed: 7 }, 1_000));
        assert_ne!(some, strikes(When::Chance { percent: 30, seed: 8 }, 1_000));
    }

    #[test]
    fn delays_add_up_and_the_first_other_fault_wins() {
        let mut faults = Faults::default();
        for what in [What::Delay { ms: 5 }, What::DropAnswer, What::Delay { ms: 7 }, What::Garbage] {
            faults.add(Fault { service: None, when: When::Always, what });
        }
        assert_eq!(faults.strike("X"), Struck { delay_ms: 12, what: Some(What::DropAnswer) });
        assert_eq!(faults.all().iter().map(|a| a.struck).collect::<Vec<_>>(), [1, 1, 1, 0]);
    }

    #[test]
    fn faults_read_as_the_page_says() {
        let fault: Fault = serde_json::from_str(
            r#"{"service": "CreateUser", "when": {"every": 3}, "do": {"commit_late": {"after_ms": 50}}}"#,
        )
        .unwrap();
        assert_eq!(fault.what, What::CommitLate { after_ms: 50, hold_ms: 0 });
        let fault: Fault = serde_json::from_str(r#"{"do": "http_503"}"#).unwrap();
        assert_eq!((fault.service, fault.when, fault.what), (None, When::Next(1), What::Http503));
        assert!(serde_json::from_str::<Fault>(r#"{"do": "explode"}"#).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"do": "refuse", "wen": "always"}"#).is_err());
    }
}
