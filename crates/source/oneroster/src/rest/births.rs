//! Birth dates over REST: all of them, or those of whoever changed, and what is said where they are not given.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::civil::Date;
use rostercard_core::field::Field;
use rostercard_core::ports::ConnectorError;
use rostercard_oneroster::rest::record::{Birth, Flaw};
use rostercard_oneroster::{Columns as _, DateCell, Demographics, date};

use super::people::sentence;
use super::server::{Failure, Server};
use super::source::{OneRosterRest, fail};
use super::stage::Stage;
use super::walk::{self, Event, How, Item, Walked};
use crate::born::Born;
use crate::index::{Index, Key};
use crate::tally::Tally;

/// More people than this are not asked for one by one: then everything is read.
const MANY: usize = 300;

impl OneRosterRest {
    /// Birth dates of those who changed, and those whose birth date alone changed as people; `None` where it is too many.
    pub(super) async fn changed_births(
        &self,
        server: &Server,
        filter: &str,
        stage: &mut Stage,
    ) -> Result<Option<Index<Born>>, ConnectorError> {
        let mut born = Births::default();
        let mut ids: Vec<String> = Vec::new();
        let how = How { filter: Some(filter.to_owned()), by: Arc::default() };
        let today = self.today;
        let mut take = |event: Event<BirthRow>| {
            match &event {
                Event::Start => ids.clear(),
                Event::Row { item, .. } => ids.push(item.id.clone()),
                Event::Broken => {}
            }
            born.take(event, today);
            if ids.len() > MANY { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match walk::walk(server, walk::DEMOGRAPHICS, &how, &mut take).await {
            Ok(walked) if walked.stopped => return Ok(None),
            Ok(walked) => born.doubt(walked),
            Err(Failure::Refused { status: 403 | 404, trouble }) => {
                born.forbidden(&trouble.to_string());
                stage.tally.absorb(born.tally);
                return Ok(Some(Index::default()));
            }
            Err(Failure::Refused { .. }) => return Ok(None),
            Err(failure) => return Err(fail(server, walk::DEMOGRAPHICS, failure)),
        }
        // A birth date that changed alone: the person is asked for.
        let there = stage.source_ids();
        stage.next_walk("student");
        for id in ids.iter().filter(|id| !there.contains(&Key::of(id))) {
            self.one_user(server, id, stage).await?;
        }
        // A person who changed alone: the birth date is asked for.
        let known: HashSet<Key> = born.keys.iter().copied().collect();
        let missing: Vec<String> = stage.ids_without(&known);
        if missing.len() > MANY {
            return Ok(None);
        }
        let mut found = 0;
        for id in &missing {
            match walk::one::<BirthRow>(server, walk::DEMOGRAPHICS, id, &()).await {
                Ok(Some(item)) => {
                    found += 1;
                    born.take(Event::Row { item, again: None }, today);
                }
                Ok(None) => {}
                Err(failure) => return Err(fail(server, walk::DEMOGRAPHICS, failure)),
            }
        }
        if found == 0 && !missing.is_empty() {
            // Perhaps nobody has one; perhaps the server gives none singly, and nobody may lose a birth date for that.
            let how = How::all(());
            let mut take = |event: Event<BirthRow>| {
                born.take(event, today);
                ControlFlow::Continue(())
            };
            let walked = walk::walk(server, walk::DEMOGRAPHICS, &how, &mut take).await;
            born.doubt(walked.map_err(|failure| fail(server, walk::DEMOGRAPHICS, failure))?);
        }
        stage.tally.absorb(std::mem::take(&mut born.tally));
        Ok(Some(born.index()))
    }

    /// Birth dates, where they may be read.
    pub(super) async fn births(
        &mut self,
        server: &Server,
        filter: Option<String>,
    ) -> Result<Option<Index<Born>>, ConnectorError> {
        if !self.rules.allows(Field::BirthDate) {
            return Ok(None);
        }
        let mut births = Births::default();
        let today = self.today;
        let how = How { filter, by: Arc::default() };
        let mut take = |event: Event<BirthRow>| {
            births.take(event, today);
            ControlFlow::Continue(())
        };
        match walk::walk(server, walk::DEMOGRAPHICS, &how, &mut take).await {
            Ok(walked) => births.doubt(walked),
            Err(Failure::Refused { status: 403 | 404, trouble }) => births.forbidden(&trouble.to_string()),
            Err(failure) => return Err(fail(server, walk::DEMOGRAPHICS, failure)),
        }
        self.early.absorb(std::mem::take(&mut births.tally));
        Ok(Some(births.index()))
    }
}

/// A record of demographics.
pub(super) struct BirthRow {
    /// The user's `sourcedId`.
    id: String,
    flaw: Option<Flaw>,
    /// Whether there was anything where the date should be.
    has_date: bool,
    day: DateCell,
    gone: bool,
}

impl Item for BirthRow {
    type By = ();

    fn read(bytes: &[u8], (): &()) -> (Self, Option<Key>) {
        let birth = Birth::read(bytes);
        let row = Self {
            id: birth.head.source_id.trim().to_owned(),
            flaw: birth.head.flaw,
            has_date: !birth.birth_date.is_empty(),
            day: date(&birth.birth_date),
            gone: birth.head.is_gone(),
        };
        let key = (!row.id.is_empty()).then(|| Key::of(&row.id));
        (row, key)
    }
}

/// Birth dates on their way in.
#[derive(Default)]
pub(super) struct Births {
    keys: Vec<Key>,
    days: Vec<Born>,
    line: u64,
    tally: Tally,
}

impl Births {
    pub(super) fn take(&mut self, event: Event<BirthRow>, today: Date) {
        match event {
            Event::Start => *self = Self::default(),
            Event::Row { item, .. } => {
                self.line += 1;
                let BirthRow { id, flaw, has_date, day, gone } = item;
                if let Some(flaw) = flaw {
                    self.tally.count(flaw.code(), Demographics::FILE, self.line + 1, flaw.sentence());
                    if id.is_empty() || !has_date {
                        self.tally.incomplete(flaw.code());
                        return;
                    }
                }
                if gone {
                    return;
                }
                if id.is_empty() {
                    let message = "demographics without a sourcedId; they were left out";
                    self.tally.count("demographics_without_id", Demographics::FILE, self.line + 1, message);
                    return;
                }
                self.keys.push(Key::of(&id));
                self.days.push(Born::new(day, self.line + 1, today));
            }
            Event::Broken => {
                self.tally.count("record_broken", Demographics::FILE, 0, "something in a page is no record");
                self.tally.incomplete("record_broken");
            }
        }
    }

    fn doubt(&mut self, walked: Walked) {
        for doubt in walked.doubts() {
            self.tally.count(doubt, Demographics::FILE, 0, sentence(doubt));
            self.tally.incomplete(doubt);
        }
    }

    fn forbidden(&mut self, why: &str) {
        let message = "nobody's birth date is known: demographics are not given to this client";
        self.tally.count("demographics_forbidden", Demographics::FILE, 0, message);
        let more = format!("{why}; the district has to grant the scope roster-demographics.readonly");
        self.tally.say("demographics_forbidden", more);
    }

    pub(super) fn index(self) -> Index<Born> {
        Index::new(self.keys, self.days)
    }
}
