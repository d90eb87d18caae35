//! The laws as invariants: one table of names, each with its law's number and what it says; and the court, where
//! whoever sees one broken says so.
//!
//! Nothing here asks the engine or the core what would have been right.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Mutex;

use crate::power::lock;

macro_rules! invariants {
    ($($name:ident = $word:literal, $law:literal, $says:literal;)+) => {
        /// An invariant that is checked while years go by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Invariant {
            $(#[doc = $says] $name,)+
        }

        impl Invariant {
            /// Every invariant.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name, for reports.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// The number of the law that it stands for; 0 where it is not a law's but the run's own promise.
            #[must_use]
            pub const fn law(self) -> u8 {
                match self { $(Self::$name => $law),+ }
            }

            /// What it says.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$name => $says),+ }
            }
        }
    };
}

invariants! {
    OneCardEach = "one_card_each", 1, "No student ever gets a second card.";
    NobodyLost = "nobody_lost", 1, "When all is calm again, everybody of the roster has a card that the ledger knows, or a reason that a person would name.";
    SecondRunWritesNothing = "second_run_writes_nothing", 1, "A run of the same roster right after a finished one writes nothing and leaves the ledger as it is.";
    ComesToRest = "comes_to_rest", 1, "When all is calm again, a run ends done, with no write and no open intent.";
    InDoubtSameNumber = "in_doubt_same_number", 1, "A create whose fate is not known is sent again only with the same number and PIN.";
    SettledNoSooner = "settled_no_sooner", 1, "A create whose fate is not known is sent again only after a look-up that came late enough said that it is not there.";
    OneProcess = "one_process", 1, "A second program on the same store is refused.";
    OpensAgain = "opens_again", 1, "After any crash the store opens and is whole.";
    NeverHangs = "never_hangs", 1, "A run always ends, or the power fails.";
    OnlyNotFoundCreates = "only_not_found_creates", 2, "A create is sent only if the last look-up of its number said that nobody has it.";
    GoneIsNotMadeAgain = "gone_is_not_made_again", 2, "A patron that the ledger knows and the ILS has lost is never made again by itself.";
    DoubtWithdrawsNobody = "doubt_withdraws_nobody", 3, "A roster that is empty, partial, stale, broken off or paused makes nobody missing and lapses nobody.";
    StaffsChangeStays = "staffs_change_stays", 4, "A field that staff changed since our last write is not written, unless the roster owns it outright.";
    OnlyClaimedFields = "only_claimed_fields", 4, "An update writes only fields that the partnership claims; never the number.";
    PinOnce = "pin_once", 4, "A PIN is set with the card at most, and never by an update.";
    ForeignPatrons = "foreign_patrons", 4, "A patron that Rostercard did not make is never written to.";
    NothingBlanked = "nothing_blanked", 4, "What a roster no longer says is never emptied in the ILS.";
    EndedOnlyOnLeaving = "ended_only_on_leaving", 5, "A card is blocked or ended only where the library chose so, and only where its student left and the grace is over.";
    FamilysOwn = "familys_own", 5, "A card that staff upgraded is neither blocked nor ended.";
    StaffsBlockStays = "staffs_block_stays", 5, "A block that staff set is never taken away.";
    GraceFirst = "grace_first", 5, "Nobody lapses who was not missing for the days and the complete rosters in a row that the grace says.";
    NeverCrossed = "never_crossed", 6, "A patron never gets another student's names or birth date.";
    NoQuestionForNothing = "no_question_for_nothing", 6, "Nobody is put to a person as a question without a cause.";
    NothingPersonalInReports = "nothing_personal_in_reports", 7, "No name, number or contact is in a report or an error.";
    OnlyConfirmedInLedger = "only_confirmed_in_ledger", 8, "The ledger knows only patrons that the ILS is known to have made.";
    CountsAddUp = "counts_add_up", 9, "Everybody is in exactly one count, as a whole and by school.";
    FirstLoadWaits = "first_load_waits", 0, "Nothing is written for a partnership before a person let it through.";
    LimitsWait = "limits_wait", 0, "More new cards or lapses than the guards allow wait for a person.";
    PausedIsQuiet = "paused_is_quiet", 0, "While a partnership is paused, the ILS is not asked and not written to.";
    LookingWritesNothing = "looking_writes_nothing", 0, "A plan and a discard neither ask nor write to the ILS.";
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A broken law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// The year of the seed, from 0.
    pub year: u64,
    /// The step of the year, from 1.
    pub step: u32,
    /// What was broken.
    pub invariant: Invariant,
    /// How it shows.
    pub detail: String,
    /// What happened last, oldest first.
    pub trace: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {} year {} step {}: {} (law {}) is broken: {}",
            self.seed,
            self.year,
            self.step,
            self.invariant,
            self.invariant.law(),
            self.detail
        )?;
        writeln!(f, "  {}", self.invariant.says())?;
        for line in &self.trace {
            writeln!(f, "  | {line}")?;
        }
        write!(
            f,
            "replay: cargo run -p rostercard-simulate --example years -- --seed {} --year {} --trace",
            self.seed, self.year
        )
    }
}

/// Lines of the trace that a violation shows.
const LAST: usize = 60;

/// Where broken laws are told, with what happened before; and where it is counted what the year had to bear.
#[derive(Debug, Default)]
pub(crate) struct Court {
    broken: Mutex<Option<Violation>>,
    lines: Mutex<VecDeque<String>>,
    all: Mutex<Option<Vec<String>>>,
    step: Mutex<u32>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Court {
    /// Keeps every line, not only the last.
    pub(crate) fn keep_all(&self) {
        *lock(&self.all) = Some(Vec::new());
    }

    pub(crate) fn step(&self, step: u32) {
        *lock(&self.step) = step;
    }

    /// Something happened.
    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        let line = format!("{:>3} {}", *lock(&self.step), line());
        if let Some(all) = &mut *lock(&self.all) {
            all.push(line.clone());
        }
        let mut lines = lock(&self.lines);
        if lines.len() == LAST {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// Something happened that is worth counting.
    pub(crate) fn count(&self, what: &'static str, times: u64) {
        *lock(&self.counts).entry(what).or_default() += times;
    }

    /// An invariant is broken. The first one is kept: the rest follows from it.
    pub(crate) fn broken(&self, invariant: Invariant, detail: impl FnOnce() -> String) {
        let mut broken = lock(&self.broken);
        if broken.is_none() {
            let (step, detail) = (*lock(&self.step), detail());
            let trace = lock(&self.lines).iter().cloned().collect();
            *broken = Some(Violation { seed: 0, year: 0, step, invariant, detail, trace });
        }
    }

    /// Holds something against an invariant.
    pub(crate) fn holds(&self, invariant: Invariant, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            self.broken(invariant, detail);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        lock(&self.broken).is_some()
    }

    /// The verdict, the figures, and the whole trace where it was kept.
    pub(crate) fn close(
        &self,
        seed: u64,
        year: u64,
    ) -> (Option<Violation>, BTreeMap<&'static str, u64>, Vec<String>) {
        let violation = lock(&self.broken).take().map(|violation| Violation { seed, year, ..violation });
        let all = lock(&self.all).take().unwrap_or_default();
        (violation, std::mem::take(&mut *lock(&self.counts)), all)
    }
}
