//! Everybody: the feed's newest event first, so that nothing that happens meanwhile is lost, then the users page by page.

use std::collections::HashSet;

use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{Completeness, ConnectorError, Fault, Record, Retry, RosterPage};
use rostercard_core::privacy::Personal;
use serde_json::value::RawValue;

use crate::api::Api;
use crate::cursor::Mark;
use crate::digest::{Came, Seen, Short, short};
use crate::map::Mapped;
use crate::pages::Pages;
use crate::settings::Settings;
use crate::shapes::{self, Count, Event, User};
use crate::source::Desk;
use crate::trouble::Trouble;

/// A reading of everybody.
#[derive(Debug)]
pub(crate) struct Full {
    how: String,
    /// Where the feed was before; `None` before it was asked.
    baseline: Option<Baseline>,
    /// Collections still to be read, the next one last.
    roles: Vec<&'static str>,
    pages: Option<Pages>,
    users: HashSet<Short>,
    seen: Seen,
    row: u64,
    received: u64,
    announced: u64,
    /// A record that nobody can be told by: then nobody may be missed.
    somebody_unknown: bool,
}

/// Where the event feed was before the users were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Baseline {
    /// After this event.
    Event(String),
    /// There was none: the feed's beginning.
    Empty,
    /// There is no feed.
    Off,
}

/// Asks for the feed's newest event. An empty feed is a baseline too; one that may not be read is said aloud.
pub(crate) async fn baseline(api: &mut Api) -> Result<(Baseline, Option<Finding>), ConnectorError> {
    let what = "the newest event";
    let origin = api.origin();
    let address =
        api.address("events?ending_before=last&limit=1").map_err(|trouble| trouble.error(&origin, what))?;
    let newest = |body: &[u8]| {
        let list = shapes::list(body).ok()?;
        let event = list.data.last().map(|raw| shapes::record::<Event<'_>>(raw));
        Some(event.map(|event| event.map(|event| event.id.get().to_owned()).unwrap_or_default()))
    };
    match api.ask(&address, newest).await {
        Ok(None) => Ok((Baseline::Empty, None)),
        Ok(Some(id)) if id.is_empty() => Err(ConnectorError::new(
            Fault::Network,
            Retry::Later,
            format!("{origin}: the newest event has no id"),
            "Report it to Clever; incremental = false reads everything each time",
        )),
        Ok(Some(id)) => Ok((Baseline::Event(id), None)),
        Err(Trouble::NotFound | Trouble::Refused(400 | 403 | 405 | 501)) => {
            let message = "Clever gives the app no events: everything is read each time. Enable events in the app's settings at \
                           Clever, or write incremental = false";
            Ok((Baseline::Off, Some(Finding::new("events_off", Place::file("events"), message))))
        }
        Err(trouble) => Err(trouble.error(&origin, what)),
    }
}

impl Full {
    pub(crate) fn new(settings: &Settings, how: String) -> Self {
        let roles: &[&str] = if settings.educators { &["staff", "teacher", "student"] } else { &["student"] };
        Self {
            how,
            baseline: (!settings.incremental).then_some(Baseline::Off),
            roles: roles.to_vec(),
            pages: None,
            users: HashSet::new(),
            seen: Seen::default(),
            row: 0,
            received: 0,
            announced: 0,
            somebody_unknown: false,
        }
    }

    pub(crate) async fn next_page(&mut self, desk: &mut Desk) -> Result<RosterPage, ConnectorError> {
        if self.row == 0 {
            desk.mapper.read_from("users");
        }
        if self.baseline.is_none() {
            let (baseline, finding) = baseline(&mut desk.api).await?;
            if let Some(finding) = finding {
                desk.mapper.tally.count(finding.code, finding.place, finding.message);
            }
            self.baseline = Some(baseline);
        }
        loop {
            let mut pages = match self.pages.take() {
                Some(pages) => pages,
                None => {
                    let Some(role) = self.roles.pop() else { return Ok(self.end(desk)) };
                    self.announced = self.announced.saturating_add(announced(&mut desk.api, role).await?);
                    let path = format!("users?role={role}");
                    Pages::new(path, "the list of users", desk.settings.page_size, None)
                }
            };
            let mut records = Vec::new();
            let Desk { api, mapper, .. } = desk;
            let read = pages.next(api, |raw| self.user(raw, mapper, &mut records)).await;
            match read {
                Ok(true) => self.pages = Some(pages),
                Ok(false) => {}
                Err(trouble) => return Err(pages.error(&desk.api, trouble)),
            }
            if !records.is_empty() {
                return Ok(RosterPage::Records(records));
            }
        }
    }

    fn user(&mut self, raw: &RawValue, mapper: &mut crate::map::Mapper, records: &mut Vec<Record>) {
        self.row += 1;
        self.received += 1;
        let place = || Place::line("users", self.row);
        let Some(user) = shapes::record::<User>(raw) else {
            self.somebody_unknown = true;
            let message =
                "a user is no object, or names a field twice; nobody is withdrawn after this reading";
            records.push(Record::Damaged(Box::new(rostercard_core::student::Damaged {
                student_id: None,
                school: None,
                finding: Finding::new("user_unreadable", place(), message),
            })));
            return;
        };
        // Pages of a roster that changes meanwhile, and people who are teachers and other staff at once.
        if !user.id.is_blank() && !self.users.insert(short(&[user.id.get().as_bytes()])) {
            return;
        }
        match mapper.user(&user, self.row) {
            Mapped::Left => {}
            Mapped::Person(student) => match self.seen.came(&student) {
                Came::New => records.push(Record::Student(student)),
                Came::Again => {
                    let message = "a person is there twice under two ids of Clever's; once is enough";
                    mapper.tally.count("person_twice", place(), message);
                }
                Came::Other => {
                    let message = "two people have one student id: only the first gets a card, the district has to tell them apart";
                    mapper.tally.count("student_id_of_two_people", place(), message);
                }
            },
            Mapped::Damaged(damaged) => {
                let id = damaged.student_id.as_ref().map(Personal::reveal);
                self.somebody_unknown |= id.is_none();
                // One record a student id.
                if id.is_none_or(|id| self.seen.damaged(id) == Came::New) {
                    records.push(Record::Damaged(damaged));
                }
            }
        }
    }

    fn end(&mut self, desk: &mut Desk) -> RosterPage {
        let mut findings = Vec::new();
        let mut whole = !self.somebody_unknown;
        // Clever counts at another moment than it lists; a few more or less are nothing.
        let least = self.announced.saturating_sub(5.max(self.announced / 100));
        if self.received < least {
            whole = false;
            let message = format!(
                "Clever counts {} users and listed {}: the list is not whole, and nobody is withdrawn after it",
                self.announced, self.received
            );
            findings.push(Finding::new("fewer_than_counted", Place::file("users"), message));
        }
        if self.seen.len() == 0 {
            whole = false;
            let message = "Clever lists nobody: that is no roster, and nobody is withdrawn after it";
            findings.push(Finding::new("no_students", Place::file("users"), message));
        }
        let event = match self.baseline.take() {
            Some(Baseline::Event(id)) => Some(Some(id)),
            Some(Baseline::Empty) => Some(None),
            Some(Baseline::Off) | None => None,
        };
        // After a reading that was not whole, the next one is of everybody again.
        let mark = event.filter(|_| whole).map(|event| {
            Mark::new(
                event,
                (desk.now, desk.as_of),
                desk.mapper.schools_digest(),
                std::mem::take(&mut self.how),
            )
        });
        RosterPage::End {
            completeness: if whole { Completeness::Snapshot } else { Completeness::Incomplete },
            cursor: mark.and_then(|mark| mark.cursor()),
            findings,
        }
    }
}

/// How many users Clever counts; 0 where it does not say.
async fn announced(api: &mut Api, role: &str) -> Result<u64, ConnectorError> {
    let origin = api.origin();
    let what = "the number of users";
    let address = api.address(&format!("users?role={role}&count=true&limit=1"));
    let address = address.map_err(|trouble| trouble.error(&origin, what))?;
    let counted = api.ask(&address, |body| {
        let count = serde_json::from_slice::<Count>(body).ok()?;
        Some(count.count.get().parse::<u64>().unwrap_or(0))
    });
    match counted.await {
        Ok(count) => Ok(count),
        // A count is a help, not a need.
        Err(Trouble::Refused(_) | Trouble::NotFound) => Ok(0),
        Err(trouble) => Err(trouble.error(&origin, what)),
    }
}
