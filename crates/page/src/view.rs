//! What is on the page. Numbers, names of districts and schools, moments and words; there is no type for anything about
//! one student.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::access::{Deed, Holder};

/// A number of people or cards, or that it is small and held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// The number.
    Exact(u64),
    /// From one to less than this.
    Under(u64),
    /// Held back, so that a small one beside it cannot be worked out.
    Held,
}

impl Count {
    /// A number; held back where it is from one to less than `least` (0: none is).
    #[must_use]
    pub const fn of(count: u64, least: u64) -> Self {
        if count > 0 && count < least { Self::Under(least) } else { Self::Exact(count) }
    }

    /// Whether it is none.
    #[must_use]
    pub const fn is_none(self) -> bool {
        matches!(self, Self::Exact(0))
    }

    /// `1 card`, `2 cards`, `fewer than 10 cards`.
    #[must_use]
    pub fn counted(self, one: &str, many: &str) -> String {
        match self {
            Self::Exact(1) => format!("1 {one}"),
            Self::Held => format!("some {many}"),
            Self::Exact(_) | Self::Under(_) => format!("{self} {many}"),
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(count) => f.write_str(&grouped(*count)),
            Self::Under(least) => write!(f, "fewer than {least}"),
            Self::Held => f.write_str("held back"),
        }
    }
}

/// `1234567` as `1,234,567`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A moment, as people read it and as machines do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// For the `datetime` attribute.
    pub iso: String,
    /// `2026-11-24 04:30`, on the library's clock.
    pub words: String,
    /// `3 hours ago`, `in 5 minutes`.
    pub away: String,
}

impl Moment {
    /// A moment, seen from now on the library's clock.
    #[must_use]
    pub fn new(at: Timestamp, zone: &TimeZone, now: Timestamp) -> Self {
        Self {
            iso: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            words: zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string(),
            away: away(at.duration_since(now)),
        }
    }
}

fn away(distance: SignedDuration) -> String {
    let seconds = distance.as_secs().unsigned_abs();
    let (count, unit) = match seconds {
        0..60 => return if distance.is_negative() { "just now".to_owned() } else { "now".to_owned() },
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let many = if count == 1 { "" } else { "s" };
    if distance.is_negative() {
        format!("{count} {unit}{many} ago")
    } else {
        format!("in {count} {unit}{many}")
    }
}

/// Something that is said at the top of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whether it went well.
    pub good: bool,
    /// What happened.
    pub text: String,
    /// What to do, where there is something to do.
    pub hint: String,
}

impl Notice {
    /// Something went well.
    pub fn good(text: impl Into<String>) -> Self {
        Self { good: true, text: text.into(), hint: String::new() }
    }

    /// Something did not.
    pub fn bad(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { good: false, text: text.into(), hint: hint.into() }
    }
}

/// What is around every page.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The library's name.
    pub library: String,
    /// The program's version.
    pub version: &'static str,
    /// When the page was made.
    pub made: Moment,
    /// Who looks at it; nobody on the page for logging in.
    pub who: Option<Holder>,
    /// What every form carries.
    pub form: String,
    /// What is said first.
    pub notice: Option<Notice>,
}

impl Frame {
    /// Whether whoever looks at it may do something.
    #[must_use]
    pub fn may(&self, deed: Deed) -> bool {
        self.who.as_ref().is_some_and(|who| who.may(deed))
    }
}

/// How a partnership stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The last run ended well.
    Ok,
    /// Changes wait for a person.
    Waiting,
    /// A run or a roster is late.
    Late,
    /// The last run failed, or the configuration has mistakes.
    Failing,
    /// A person paused it, or the agreement is not in force.
    Paused,
    /// No run wrote anything yet.
    NeverRan,
}

impl Standing {
    /// The words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ok => "in order",
            Self::Waiting => "waiting",
            Self::Late => "late",
            Self::Failing => "failing",
            Self::Paused => "paused",
            Self::NeverRan => "not begun",
        }
    }
}

/// Why something needs a person, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeedKind {
    /// Something does not work.
    Trouble,
    /// Changes wait for approval.
    Waiting,
    /// Patrons of ours are not there any more.
    Gone,
    /// Questions that only a person can answer.
    Review,
    /// The library has to say something first.
    Pending,
    /// PINs have not reached their students.
    Pins,
    /// Something comes soon.
    Soon,
}

impl NeedKind {
    /// The words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Trouble => "Trouble",
            Self::Waiting => "Waiting",
            Self::Gone => "Gone",
            Self::Review => "Review",
            Self::Pending => "Pending",
            Self::Pins => "PINs",
            Self::Soon => "Soon",
        }
    }
}

/// Something that needs a person today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Why.
    pub kind: NeedKind,
    /// The partnership's name; none where it is about all.
    pub partnership: Option<String>,
    /// What, in a sentence.
    pub text: String,
    /// What to know of it, or to do.
    pub hint: String,
    /// Where on the page it goes on, and what stands there.
    pub link: Option<(String, String)>,
    /// The command that helps.
    pub command: Option<String>,
}

/// The first page.
#[derive(Debug, Clone, Default)]
pub struct Overview {
    /// What needs a person today.
    pub needs: Vec<Need>,
    /// The partnerships.
    pub partnerships: Vec<PartnershipRow>,
    /// The ILSs.
    pub ils: Vec<IlsRow>,
    /// Whether the scheduler goes round.
    pub scheduler_alive: bool,
}

/// A partnership as the first page has it.
#[derive(Debug, Clone)]
pub struct PartnershipRow {
    /// Its name.
    pub name: String,
    /// Its district.
    pub district: String,
    /// How it stands.
    pub standing: Standing,
    /// Why.
    pub why: String,
    /// When its roster was made.
    pub roster: Option<Moment>,
    /// How often one is to come.
    pub rhythm: Option<String>,
    /// Whether the roster is late.
    pub roster_late: bool,
    /// When a run last ended well.
    pub last_success: Option<Moment>,
    /// When it runs next.
    pub next_run: Option<Moment>,
    /// A run is under way now.
    pub at_work: bool,
    /// Its schedule, as it is written.
    pub schedule: Option<String>,
    /// Cards that are looked after.
    pub cards: Count,
    /// People in the last whole roster.
    pub enrolment: Option<Count>,
    /// The share in words, and as a number from 0 to 100 where it may be drawn.
    pub share: Option<(String, u8)>,
    /// People with cards who were missing from the last roster.
    pub missing: Count,
    /// Changes of the last runs, oldest first.
    pub history: Vec<Bar>,
}

/// A run in a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// The run's number.
    pub run: i64,
    /// The day.
    pub day: String,
    /// How many; a small one that is held back is drawn as none.
    pub count: Count,
    /// How the run ended.
    pub tone: Tone,
}

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Well.
    Good,
    /// It waits.
    Waiting,
    /// It failed.
    Bad,
    /// Nothing was written.
    Quiet,
}

/// An ILS.
#[derive(Debug, Clone)]
pub struct IlsRow {
    /// Its name.
    pub name: String,
    /// Which way it is reached.
    pub connector: String,
    /// How it is, in a word.
    pub standing: Standing,
    /// How it is, in a sentence.
    pub why: String,
    /// When it last answered a run.
    pub answered: Option<Moment>,
    /// Its partnerships that are shown.
    pub partnerships: Vec<String>,
    /// Writes whose outcome is not known yet.
    pub unsettled: u64,
}

/// A name and its number.
pub type Row = (String, Count);

/// A list whose numbers add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// What it is.
    pub title: String,
    /// What its first column has.
    pub of: String,
    /// Its rows.
    pub rows: Vec<Row>,
    /// The sum, where it may be shown.
    pub total: Option<Count>,
}

/// A table of numbers whose rows and columns add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grid {
    /// The columns' names.
    pub columns: Vec<String>,
    /// Each row's name and its numbers.
    pub rows: Vec<(String, Vec<u64>)>,
}

impl Grid {
    /// The sum of each column.
    #[must_use]
    pub fn totals(&self) -> Vec<u64> {
        let sum = |at: usize| self.rows.iter().filter_map(|(_, counts)| counts.get(at)).sum();
        (0..self.columns.len()).map(sum).collect()
    }

    /// Without the columns that are all none.
    #[must_use]
    pub fn without_empty_columns(self) -> Self {
        let totals = self.totals();
        let kept = |at: &usize| totals.get(*at).is_some_and(|total| *total > 0);
        let pick = |counts: &[u64]| -> Vec<u64> {
            (0..counts.len()).filter(kept).filter_map(|at| counts.get(at).copied()).collect()
        };
        let columns =
            self.columns.iter().enumerate().filter(|(at, _)| kept(at)).map(|(_, name)| name.clone());
        Self {
            columns: columns.collect(),
            rows: self.rows.iter().map(|(name, counts)| (name.clone(), pick(counts))).collect(),
        }
    }
}

/// A pause that is in force.
#[derive(Debug, Clone)]
pub struct PauseRow {
    /// What is paused: this partnership, its ILS, everything.
    pub what: String,
    /// Until which day.
    pub until: String,
    /// By whom.
    pub who: String,
    /// Why.
    pub reason: String,
    /// Whether it is this partnership's own, and can be ended here.
    pub own: bool,
}

/// An open review: a question, and nobody's name.
#[derive(Debug, Clone)]
pub struct ReviewRow {
    /// Its number.
    pub number: i64,
    /// The school.
    pub school: String,
    /// The question, in a sentence.
    pub question: String,
    /// What may be answered here.
    pub answers: Vec<AnswerChoice>,
}

/// An answer to a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerChoice {
    /// The word.
    pub word: &'static str,
    /// What it means.
    pub means: &'static str,
    /// Whether it takes the number of a card, which whoever answers has to know.
    pub takes_number: bool,
}

/// A run in a list.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its number.
    pub number: i64,
    /// What it is.
    pub kind: String,
    /// When it began.
    pub began: Moment,
    /// How it ended.
    pub tone: Tone,
    /// The same in words.
    pub state: String,
    /// Changes made, or planned.
    pub changes: Count,
    /// Changes that wait.
    pub waiting: Count,
    /// Records that were rejected.
    pub rejects: Count,
    /// People in the roster.
    pub roster: Count,
}

/// A partnership's page.
#[derive(Debug, Clone)]
pub struct PartnershipView {
    /// What the first page has of it.
    pub row: PartnershipRow,
    /// What needs a person.
    pub needs: Vec<Need>,
    /// Calendar, grace and agreement: what, and how it is.
    pub calendar: Vec<(String, String)>,
    /// Pauses in force.
    pub pauses: Vec<PauseRow>,
    /// The first day that may be the end of a pause, and the last.
    pub pause_days: (String, String),
    /// Cards by school, grade and kind.
    pub cards: Vec<List>,
    /// Numbers below this are held back; 0: none is.
    pub least: u64,
    /// The open reviews by question.
    pub questions: List,
    /// The first of the open reviews; empty for whoever may not answer them.
    pub reviews: Vec<ReviewRow>,
    /// How many more there are.
    pub more_reviews: u64,
    /// The last runs, newest first.
    pub runs: Vec<RunRow>,
    /// Changes of the last runs, oldest first.
    pub changes: Vec<Bar>,
    /// People in the roster at the last runs, oldest first.
    pub rosters: Vec<Bar>,
}

/// What a guard said.
#[derive(Debug, Clone)]
pub struct GuardRow {
    /// Which.
    pub guard: String,
    /// Which kind of change, and at which school.
    pub about: String,
    /// How many there are.
    pub found: Count,
    /// How many go through.
    pub limit: Option<u64>,
    /// The likely cause; none where it would tell small numbers.
    pub cause: Option<String>,
    /// Whether it waits, or is said only.
    pub waits: bool,
}

/// What can be decided about a run.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The digest of the plan that is shown: what is decided is about this one.
    pub digest: String,
    /// How many changes wait.
    pub waiting: Count,
    /// Schools with waiting changes: key, name, how many.
    pub schools: Vec<(String, String, u64)>,
    /// Kinds with waiting changes: word, what they are, how many.
    pub kinds: Vec<(String, String, u64)>,
    /// Until when.
    pub until: Moment,
    /// No change waits: it is about the roster, and approving says that it is the right one.
    pub about_the_roster: bool,
}

/// A run's page.
#[derive(Debug, Clone)]
pub struct RunView {
    /// Its partnership.
    pub partnership: String,
    /// What the list has of it.
    pub row: RunRow,
    /// When it ended.
    pub ended: Option<Moment>,
    /// The run that took its place.
    pub superseded_by: Option<i64>,
    /// Why it failed, and what to do.
    pub error: Option<(String, String)>,
    /// Everybody, by what became of them.
    pub outcomes: List,
    /// The same by school; none where small numbers are held back.
    pub by_school: Option<Grid>,
    /// Changes by school, in one number each.
    pub changes_by_school: List,
    /// What waits, by school and kind; none where nothing waits, or where small numbers are held back.
    pub waiting_by_school: Option<Grid>,
    /// Changed fields: one change may have several. None where there are too many to count here.
    pub fields: Option<Vec<Row>>,
    /// What guards said.
    pub guards: Vec<GuardRow>,
    /// What was noticed, by rule: code, message, how often.
    pub findings: Vec<(String, Option<String>, Count)>,
    /// The ILS: look-ups, writes, left to staff, failed, not known yet.
    pub work: Vec<(String, u64)>,
    /// Decisions: when, who, what.
    pub decisions: Vec<(Moment, String, String)>,
    /// What can be decided now.
    pub decision: Option<Decision>,
    /// Numbers below this are held back; 0: none is.
    pub least: u64,
}

/// An entry of the audit log.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// When.
    pub at: Moment,
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
    /// The partnership's name, where it was about one.
    pub partnership: String,
    /// The run, where it was about one.
    pub run: Option<i64>,
    /// What else is to be said.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_held_back_and_large_ones_are_readable() {
        for (count, least, shown) in [
            (0, 10, "0"),
            (1, 10, "fewer than 10"),
            (9, 10, "fewer than 10"),
            (10, 10, "10"),
            (3, 0, "3"),
            (999, 0, "999"),
            (1_000, 0, "1,000"),
            (1_234_567, 0, "1,234,567"),
        ] {
            assert_eq!(Count::of(count, least).to_string(), shown);
        }
        assert_eq!(Count::of(1, 0).counted("card", "cards"), "1 card");
        assert_eq!(Count::of(2, 10).counted("card", "cards"), "fewer than 10 cards");
    }

    #[test]
    fn moments_are_on_the_librarys_clock() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (at, away) in [
            ("2026-11-24T11:59:30Z", "just now"),
            ("2026-11-24T11:59:00Z", "1 minute ago"),
            ("2026-11-24T05:00:00Z", "7 hours ago"),
            ("2026-11-20T12:00:00Z", "4 days ago"),
            ("2026-11-24T17:30:00Z", "in 5 hours"),
            ("2026-11-24T12:00:10Z", "now"),
        ] {
            assert_eq!(Moment::new(at.parse().unwrap(), &TimeZone::UTC, now).away, away, "{at}");
        }
        let zone = TimeZone::fixed(jiff::tz::offset(-8));
        let moment = Moment::new(now, &zone, now);
        assert_eq!(
            (moment.words.as_str(), moment.iso.as_str()),
            ("2026-11-24 04:00", "2026-11-24T12:00:00Z")
        );
    }

    #[test]
    fn grids_add_up_and_lose_their_empty_columns() {
        let grid = Grid {
            columns: vec!["create".into(), "update".into(), "lapse".into()],
            rows: vec![("Elm".into(), vec![2, 0, 1]), ("Ash".into(), vec![3, 0, 0])],
        };
        assert_eq!(grid.totals(), [5, 0, 1]);
        let grid = grid.without_empty_columns();
        assert_eq!((grid.columns.len(), grid.totals()), (2, vec![5, 1]));
        assert_eq!(grid.rows[1].1, [3, 0]);
    }
}
