//! Changes and their counts: what a run would do, and did.

use std::ops::AddAssign;

use crate::field::{Field, FieldSet};
use crate::words::vocabulary;

vocabulary! {
    /// A kind of change. Guards, counts, approvals and messages speak of these.
    ChangeKind {
        /// A new patron.
        Create = "create",
        /// An existing patron is linked.
        Link = "link",
        /// Fields of a patron change.
        Update = "update",
        /// Only the expiry changes, to a later day.
        Renew = "renew",
        /// The card is no longer renewed, or ends.
        Lapse = "lapse",
        /// A lapsed card comes back.
        Restore = "restore",
        /// A card gets a new PIN, because a person asked for it. Never planned by a sync; counted as `update`.
        Pin = "pin",
        /// What a run wrote is taken back, because a person asked for it. Never planned by a sync; counted as `update`.
        Undo = "undo",
        /// Nothing changes in the ILS; the ledger alone learns something (a new school with the same branch, a reason
        /// that changed). Counted as `unchanged`.
        Note = "note",
    }
}

/// What kind of change a set of changed fields makes, for a card that is not lapsed.
#[must_use]
pub fn kind_of(changed: FieldSet) -> ChangeKind {
    let mut rest = changed;
    rest.remove(Field::Expiry);
    match (rest.is_empty(), changed.contains(Field::Expiry)) {
        (true, true) => ChangeKind::Renew,
        (true, false) => ChangeKind::Note,
        (false, _) => ChangeKind::Update,
    }
}

/// How many of everything. Each person who was considered is in exactly one of the counts below `students`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Everybody considered: the roster, and the ledger's people who are not in it.
    pub students: u64,
    /// New patrons.
    pub create: u64,
    /// Existing patrons linked.
    pub link: u64,
    /// Patrons changed.
    pub update: u64,
    /// Cards renewed.
    pub renew: u64,
    /// Cards that lapse.
    pub lapse: u64,
    /// Cards that come back.
    pub restore: u64,
    /// Nothing to do.
    pub unchanged: u64,
    /// Not in the programme.
    pub not_eligible: u64,
    /// Waiting for the library to say something, such as a home for a school.
    pub pending: u64,
    /// Changes that wait for approval.
    pub waiting: u64,
    /// Questions only a person can answer.
    pub review: u64,
    /// Rejected: the district has to correct something.
    pub reject: u64,
}

impl Counts {
    /// The count of a kind of change.
    pub fn of(&mut self, kind: ChangeKind) -> &mut u64 {
        match kind {
            ChangeKind::Create => &mut self.create,
            ChangeKind::Link => &mut self.link,
            ChangeKind::Update | ChangeKind::Pin | ChangeKind::Undo => &mut self.update,
            ChangeKind::Renew => &mut self.renew,
            ChangeKind::Lapse => &mut self.lapse,
            ChangeKind::Restore => &mut self.restore,
            ChangeKind::Note => &mut self.unchanged,
        }
    }

    /// Everything but `students`, added up.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.changes()
            + self.unchanged
            + self.not_eligible
            + self.pending
            + self.waiting
            + self.review
            + self.reject
    }

    /// The changes that are to be made, or were.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.create + self.link + self.update + self.renew + self.lapse + self.restore
    }

    /// Whether everybody is counted exactly once.
    #[must_use]
    pub fn add_up(&self) -> bool {
        self.sum() == self.students
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.students += other.students;
        self.create += other.create;
        self.link += other.link;
        self.update += other.update;
        self.renew += other.renew;
        self.lapse += other.lapse;
        self.restore += other.restore;
        self.unchanged += other.unchanged;
        self.not_eligible += other.not_eligible;
        self.pending += other.pending;
        self.waiting += other.waiting;
        self.review += other.review;
        self.reject += other.reject;
    }
}

vocabulary! {
    /// The state of a run.
    RunState {
        /// Under way, or was when the program was killed.
        Running = "running",
        /// A plan was made; nothing was written.
        Planned = "planned",
        /// Some or all changes wait for approval; the rest is done.
        Waiting = "waiting",
        /// Done.
        Done = "done",
        /// Done, with rejected records.
        DoneWithRejects = "done_with_rejects",
        /// Failed: what happened is said with it; what was done before is done.
        Failed = "failed",
        /// The hours of the ILS were over before everything was made: the rest is ready, and the next run goes on with it.
        Unfinished = "unfinished",
    }
}

vocabulary! {
    /// Where a planned change stands.
    ChangeState {
        /// To be made.
        Ready = "ready",
        /// Waits for approval.
        Waiting = "waiting",
        /// Made.
        Done = "done",
        /// Could not be made this time; the next run tries again.
        Failed = "failed",
        /// Became a question for a person, or a reject.
        Settled = "settled",
        /// The plan was discarded, superseded or expired before it was made.
        Dropped = "dropped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_changed_fields() {
        assert_eq!(kind_of(FieldSet::EMPTY), ChangeKind::Note);
        assert_eq!(kind_of(FieldSet::of(&[Field::Expiry])), ChangeKind::Renew);
        assert_eq!(kind_of(FieldSet::of(&[Field::Expiry, Field::Surname])), ChangeKind::Update);
        assert_eq!(kind_of(FieldSet::of(&[Field::HomeBranch])), ChangeKind::Update);
    }

    #[test]
    fn counts_add_up() {
        let mut counts = Counts { students: 3, unchanged: 1, ..Counts::default() };
        *counts.of(ChangeKind::Create) += 1;
        assert!(!counts.add_up());
        *counts.of(ChangeKind::Note) += 1;
        assert!(counts.add_up());
        let mut twice = counts;
        twice += counts;
        assert_eq!((twice.students, twice.unchanged, twice.create), (6, 4, 2));
    }
}
