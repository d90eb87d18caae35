//! What happened since a cursor: the feed is folded, and whoever was touched is asked for as he or she is now.
//!
//! An event's own object is used for nothing but telling whose it is: it may be old, stripped, or from before a field was shared.

use jiff::Timestamp;
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{Completeness, ConnectorError, Record, RosterPage};
use rostercard_core::privacy::Personal;
use rostercard_core::student::Damaged;

use crate::api::{Api, escaped};
use crate::cursor::Mark;
use crate::digest::{Came, Seen};
use crate::events::{Fold, Share, Touched};
use crate::map::Mapped;
use crate::pages::Pages;
use crate::settings::StudentIdFrom;
use crate::shapes::{self, User};
use crate::source::Desk;
use crate::trouble::Trouble;

/// So many events are asked for at once.
const EVENTS: u32 = 1_000;
/// From so many stripped people on, it is the district and no accident.
const MASS: u64 = 10;

/// A reading of what happened.
#[derive(Debug)]
pub(crate) struct Delta {
    mark: Mark,
    student_id: StudentIdFrom,
    done: bool,
}

/// What comes next.
pub(crate) enum Next {
    /// A page, or the end.
    Page(RosterPage),
    /// The feed cannot be relied on, and why.
    ReadEverything(Finding),
}

/// A user as it is now; `None` where Clever says that there is none.
pub(crate) async fn fetch(api: &mut Api, id: &str) -> Result<Option<User>, Trouble> {
    let address = api.address(&format!("users/{}", escaped(id)))?;
    match api.ask(&address, |body| shapes::single::<User>(body)).await {
        Ok(user) => Ok(Some(user)),
        Err(Trouble::NotFound) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

fn everything(code: &'static str, message: impl Into<String>) -> Next {
    Next::ReadEverything(Finding::new(code, Place::file("events"), message))
}

impl Delta {
    pub(crate) fn new(mark: Mark, student_id: StudentIdFrom) -> Self {
        Self { mark, student_id, done: false }
    }

    pub(crate) async fn next_page(&mut self, desk: &mut Desk) -> Result<Next, ConnectorError> {
        if self.done {
            let cursor = self.mark.cursor();
            let page = RosterPage::End { completeness: Completeness::Delta, cursor, findings: Vec::new() };
            return Ok(Next::Page(page));
        }
        let mut fold = Fold::new(self.student_id, desk.settings.educators);
        let path = "events?record_type=users";
        let mut pages = Pages::new(path, "the event feed", EVENTS, self.mark.event.clone());
        let mut first = true;
        loop {
            match pages.next(&mut desk.api, |raw| fold.add(raw)).await {
                Ok(true) => first = false,
                Ok(false) => break,
                // The event that the cursor names is no longer kept, or the feed was switched off.
                Err(Trouble::NotFound | Trouble::Refused(400 | 403 | 405 | 410 | 501)) if first => {
                    let message = "the event feed does not know where it was left, or is switched off: everything was read";
                    return Ok(everything("events_lost", message));
                }
                Err(trouble) => return Err(pages.error(&desk.api, trouble)),
            }
            if fold.touched.len() > desk.settings.one_by_one {
                let message = format!(
                    "more than {} people changed: everything was read instead of each of them",
                    desk.settings.one_by_one
                );
                return Ok(everything("many_events", message));
            }
        }
        if fold.damaged > 0 {
            let message = format!(
                "{} could not be read: everything was read",
                counted(fold.damaged, "event", "events")
            );
            return Ok(everything("events_unreadable", message));
        }
        let last = pages.last().map(str::to_owned);
        self.mark.read = desk.now.as_second();
        let mut told = Told::default();
        let mut records = Vec::new();
        let mut gone: Vec<(String, Touched)> = Vec::new();
        desk.mapper.read_from("changed users");
        for (row, (id, touched)) in (1..).zip(std::mem::take(&mut fold.touched)) {
            let fetched = fetch(&mut desk.api, &id).await;
            let user = fetched.map_err(|trouble| trouble.error(&desk.api.origin(), "a user"))?;
            let Some(user) = user else {
                gone.push((id, touched));
                continue;
            };
            if let Some(why) = self.person(&user, touched, row, desk, &mut told, &mut records) {
                return Ok(why);
            }
        }
        let left = self.tombstones(gone, desk, &told, &mut records);
        let as_of = desk.as_of.map(Timestamp::as_second);
        // Absence is counted by rosters, and this is still the one of the last time: then those who left are told again with the
        // next, and the feed is left where it was.
        if left == 0 || as_of.is_none() || as_of != self.mark.as_of {
            self.mark.event = last.or(self.mark.event.take());
            self.mark.as_of = as_of;
        }
        told.say(desk);
        if fold.skipped > 0 {
            let message = "events about other things than students and school staff were passed over";
            desk.mapper.tally.count("events_passed_over", Place::file("events"), message);
        }
        self.done = true;
        Ok(Next::Page(RosterPage::Records(records)))
    }

    /// Somebody who is there. `Some` where only a reading of everything helps.
    fn person(
        &self,
        user: &User,
        touched: Touched,
        row: u64,
        desk: &mut Desk,
        told: &mut Told,
        records: &mut Vec<Record>,
    ) -> Option<Next> {
        let standing = desk.mapper.standing(user, row)?;
        let id_now = desk.mapper.student_id(&standing);
        let renumbered =
            touched.numbers_before.iter().any(|before| !id_now.is_empty() && before.reveal() != id_now);
        if renumbered {
            let message = "somebody's student id was changed: everything was read, so that the old one is not left behind";
            return Some(everything("student_id_changed", message));
        }
        told.touched += 1;
        let lost: Vec<Share> = touched
            .shared_before
            .into_iter()
            .filter(|share| !share.is_in(user, standing.part, self.student_id))
            .collect();
        told.lost(&lost);
        let record = if lost.iter().any(|share| share.decides()) {
            // The card stays as it is: absent is not empty.
            let known = Personal::non_blank(id_now)
                .or(touched.student_id)
                .or_else(|| touched.numbers_before.into_iter().next());
            let fields: Vec<&str> = lost.iter().map(|share| share.field()).collect();
            let message = format!(
                "what was there is no longer shared ({}): the card stays as it is; ask the district whether that was meant",
                fields.join(", ")
            );
            let finding = Finding::new("fields_unshared", Place::line("changed users", row), message);
            Mapped::Damaged(Box::new(Damaged { student_id: known, school: None, finding }))
        } else {
            desk.mapper.user(user, row)
        };
        match record {
            Mapped::Left => {}
            Mapped::Person(student) => match told.seen.came(&student) {
                Came::New => records.push(Record::Student(student)),
                Came::Again | Came::Other => {
                    let message = "two users have one student id: the first of them counts";
                    desk.mapper.tally.count(
                        "student_id_of_two_people",
                        Place::line("changed users", row),
                        message,
                    );
                }
            },
            Mapped::Damaged(damaged) => {
                let id = damaged.student_id.as_ref().map(Personal::reveal);
                if id.is_none_or(|id| told.seen.damaged(id) == Came::New) {
                    records.push(Record::Damaged(damaged));
                }
            }
        }
        None
    }

    /// Those whom Clever no longer has, and how many. Who is there under another id of Clever's has not gone.
    fn tombstones(
        &self,
        gone: Vec<(String, Touched)>,
        desk: &Desk,
        told: &Told,
        records: &mut Vec<Record>,
    ) -> usize {
        if !desk.running {
            return 0;
        }
        let before = records.len();
        for (id, touched) in gone {
            if touched.student_id.as_ref().is_some_and(|number| told.seen.has(number.reveal())) {
                continue;
            }
            records
                .push(Record::Gone { student_id: touched.student_id, source_ids: vec![Personal::new(id)] });
        }
        records.len() - before
    }
}

/// What is said of a reading as a whole.
#[derive(Debug, Default)]
struct Told {
    seen: Seen,
    touched: u64,
    stripped: u64,
    by_field: std::collections::BTreeMap<Share, u64>,
}

impl Told {
    fn lost(&mut self, lost: &[Share]) {
        self.stripped += u64::from(!lost.is_empty());
        for share in lost {
            *self.by_field.entry(*share).or_default() += 1;
        }
    }

    fn say(&self, desk: &mut Desk) {
        if self.stripped < MASS || self.stripped * 4 < self.touched {
            return;
        }
        let fields: Vec<String> =
            self.by_field.iter().map(|(share, count)| format!("{} ({count})", share.field())).collect();
        let message = format!(
            "the district seems to have stopped sharing {}, of {}: nothing is blanked; ask it whether that was meant",
            fields.join(", "),
            counted(self.stripped, "person", "people")
        );
        desk.mapper.tally.count("fields_unshared_by_many", Place::file("events"), message);
    }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
