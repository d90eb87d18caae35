//! When a contact is told: at once when something begins, again while it lasts, once when it is over; never the same twice,
//! and with a bound on tries. Pure: the time and what was told before come in.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

/// A digest of what something was about.
pub type Digest = [u8; 16];

/// What people can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Changes wait for a person.
    Waiting,
    /// A run failed, or cannot be made.
    Failed,
    /// A roster is late, or no run has ended well for long.
    Late,
    /// The district has to correct records.
    Rejects,
    /// A secret or an agreement ends.
    Ends,
}

impl Kind {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Waiting, Self::Failed, Self::Late, Self::Rejects, Self::Ends];

    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Rejects => "rejects",
            Self::Ends => "ends",
        }
    }

    /// The kind of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }

    /// How long after a message the next comes, while it lasts.
    #[must_use]
    pub const fn remind(self) -> Option<SignedDuration> {
        match self {
            Self::Waiting | Self::Failed => Some(SignedDuration::from_hours(24)),
            Self::Late => Some(SignedDuration::from_hours(7 * 24)),
            Self::Rejects | Self::Ends => None,
        }
    }

    /// Whether it is said that it is well again. Of what a person has decided, the person knows.
    #[must_use]
    pub const fn says_over(self) -> bool {
        matches!(self, Self::Failed | Self::Late)
    }
}

/// The partnership that something is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its permanent id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// One guard that lets changes wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// The guard's word.
    pub guard: String,
    /// The kind of change, where it is about one.
    pub kind: Option<String>,
    /// The school, where it is about one.
    pub school: Option<String>,
    /// What was found, in words or a count.
    pub found: String,
    /// What it likely comes from.
    pub cause: String,
}

/// One record that the district has to correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectLine {
    /// The district's own id of the record. In letters to that district alone; empty where it is not known.
    pub id: String,
    /// The school, as people know it.
    pub school: String,
    /// File and row, where they are known.
    pub place: String,
    /// The field, where it is about one.
    pub field: String,
    /// The rule's code.
    pub rule: String,
}

/// Something that a contact is to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Changes wait.
    Waiting {
        /// The run.
        run: i64,
        /// How many; none where the roster as a whole is in doubt.
        changes: u64,
        /// Why.
        why: Vec<Waits>,
        /// When the plan is dropped, where it has a term.
        until: Option<Timestamp>,
    },
    /// A run failed, or cannot be made.
    Failed {
        /// Why, in words without anybody's data.
        why: String,
        /// What to do.
        hint: String,
        /// When a run last ended well.
        last_success: Option<Timestamp>,
    },
    /// A roster is late.
    Late {
        /// Why, in words.
        why: String,
    },
    /// Records to correct that were not told of before.
    Rejects {
        /// Those that are new.
        new: Vec<RejectLine>,
        /// How many there are in all.
        all: u64,
    },
    /// Something ends, or several things.
    Ends(Vec<End>),
}

/// A secret or an agreement that ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What, as the configuration says it.
    pub what: String,
    /// Its last day.
    pub on: Date,
    /// Days until then; negative once it is over.
    pub days: i64,
}

/// Something that is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// The partnership, where it is about one.
    pub about: Option<About>,
    /// What kind.
    pub kind: Kind,
    /// What.
    pub what: What,
}

impl Situation {
    /// A digest of what makes it another situation than yesterday's. The run's number does not, for each night makes a new plan;
    /// nor does how many changes wait.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut parts: Vec<String> = Vec::new();
        match &self.what {
            What::Waiting { why, .. } => parts.extend(why.iter().map(|why| {
                let of = |text: &Option<String>| text.clone().unwrap_or_default();
                format!("{}\0{}\0{}", why.guard, of(&why.kind), of(&why.school))
            })),
            // The same fault is told in other words each time: with other counts, or another minute.
            What::Failed { .. } | What::Late { .. } => {}
            What::Rejects { new, .. } => {
                parts.extend(new.iter().map(|line| format!("{}\0{}", line.id, line.rule)));
            }
            What::Ends(ends) => {
                parts.extend(ends.iter().map(|end| {
                    format!("{}\0{}\0{}", end.what, end.on, step_of(end.days).unwrap_or(i64::MAX))
                }));
            }
        }
        parts.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.kind.word().as_bytes());
        for part in parts {
            hasher.update(&[0xff]);
            hasher.update(part.as_bytes());
        }
        let mut digest = Digest::default();
        hasher.finalize_xof().fill(&mut digest);
        digest
    }
}

/// Days before an end at which it is told.
pub const END_STEPS: [i64; 5] = [30, 14, 7, 1, -1];

/// At which of the steps an end is, so many days before it.
#[must_use]
pub fn step_of(days: i64) -> Option<i64> {
    END_STEPS.iter().copied().rev().find(|step| days <= *step)
}

/// What is known of a kind at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It is so.
    Is(Situation),
    /// It is not so.
    Not,
    /// It cannot be told now: the partnership is paused, or something worse hides it.
    Unknown,
}

/// What a contact was told of one kind, about one partnership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The contact's name.
    pub contact: String,
    /// The permanent id of the partnership; empty where it was about the whole.
    pub partnership: String,
    /// What kind.
    pub kind: Kind,
    /// What it was about.
    pub digest: Digest,
    /// Since when it is so.
    pub since: Timestamp,
    /// When the contact was last told.
    pub told_at: Option<Timestamp>,
    /// Whether it is so no longer.
    pub over: bool,
    /// Messages that failed since.
    pub tries: u32,
    /// When the next is tried.
    pub retry_at: Option<Timestamp>,
}

/// Why a contact is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It has begun.
    Begins,
    /// It is another than before.
    Changed,
    /// It is still so.
    Reminder,
    /// It is over.
    Over,
}

/// What is to be done about one kind of one partnership for one contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// It is over, and nobody has to be told.
    Settle,
    /// The contact is told.
    Tell(News),
}

/// A contact is not told oftener of one thing, whatever it does in between.
pub const AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// How long until a message that failed is tried again. After the last it is given up.
pub const BACK_OFF: [SignedDuration; 7] = [
    SignedDuration::from_mins(1),
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(15),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(4),
    SignedDuration::from_hours(12),
    SignedDuration::from_hours(24),
];
/// A moment that lies further ahead was noted by a clock that was wrong.
const WRONG_CLOCK: SignedDuration = SignedDuration::from_hours(25);

fn passed(since: Timestamp, time: SignedDuration, now: Timestamp) -> bool {
    let gone = now.duration_since(since);
    gone >= time || -gone > WRONG_CLOCK
}

/// What is to be done.
#[must_use]
pub fn step(kind: Kind, seen: &Seen, memory: Option<&Memory>, now: Timestamp) -> Step {
    let waits_for_retry =
        |memory: &Memory| memory.retry_at.is_some_and(|at| at > now && at.duration_since(now) <= WRONG_CLOCK);
    match (seen, memory) {
        (Seen::Unknown, _) | (Seen::Not, None) => Step::Nothing,
        (Seen::Is(_), None) => Step::Tell(News::Begins),
        (_, Some(memory)) if waits_for_retry(memory) => match seen {
            // Never told and over already: there is nothing left to tell.
            Seen::Not if memory.told_at.is_none() => Step::Settle,
            _ => Step::Nothing,
        },
        (Seen::Is(situation), Some(memory)) => {
            let Some(told_at) = memory.told_at else { return Step::Tell(News::Begins) };
            if memory.over {
                let again = passed(told_at, AGAIN, now);
                return if again { Step::Tell(News::Begins) } else { Step::Nothing };
            }
            if memory.digest != situation.digest() && passed(told_at, AGAIN, now) {
                return Step::Tell(News::Changed);
            }
            match kind.remind() {
                Some(every) if passed(told_at, every, now) => Step::Tell(News::Reminder),
                _ => Step::Nothing,
            }
        }
        (Seen::Not, Some(memory)) if memory.over => Step::Nothing,
        (Seen::Not, Some(memory)) if kind.says_over() && memory.told_at.is_some() => Step::Tell(News::Over),
        (Seen::Not, Some(_)) => Step::Settle,
    }
}

/// What is remembered after it was done. `went` says whether the message went out; of a step without one it counts for nothing.
#[must_use]
pub fn remembered(
    (contact, partnership, kind): (&str, &str, Kind),
    (step, seen): (Step, &Seen),
    memory: Option<&Memory>,
    went: bool,
    now: Timestamp,
) -> Option<Memory> {
    let digest = match (seen, memory) {
        (Seen::Is(situation), _) => situation.digest(),
        (_, Some(memory)) => memory.digest,
        (_, None) => return None,
    };
    let news = match step {
        Step::Nothing => return None,
        Step::Settle => None,
        Step::Tell(news) => Some(news),
    };
    let lasts = memory.filter(|memory| !memory.over);
    let before = Memory {
        contact: contact.to_owned(),
        partnership: partnership.to_owned(),
        kind,
        digest,
        since: lasts.map_or(now, |memory| memory.since),
        told_at: memory.and_then(|memory| memory.told_at),
        over: false,
        tries: 0,
        retry_at: None,
    };
    let Some(news) = news else { return Some(Memory { over: true, ..before }) };
    let over = news == News::Over;
    if went {
        return Some(Memory { told_at: Some(now), over, ..before });
    }
    let tries = memory.map_or(0, |memory| memory.tries) + 1;
    let wait = usize::try_from(tries).ok().and_then(|tries| BACK_OFF.get(tries - 1));
    Some(match wait.and_then(|wait| now.checked_add(*wait).ok()) {
        // What it was about stays what the contact knows, and one that began anew is still to be told.
        Some(at) => Memory {
            digest: lasts.map_or(digest, |memory| memory.digest),
            told_at: before.told_at.filter(|_| lasts.is_some()),
            tries,
            retry_at: Some(at),
            ..before
        },
        // Given up: as if it had been told, so that a reminder comes when one is due.
        None => Memory { told_at: Some(now), over, ..before },
    })
}
