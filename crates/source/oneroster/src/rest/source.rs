//! The port's side of the REST source: organisations first, then everybody or what changed, then the pages.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rostercard_core::field::{Field, FieldRules};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{
    Completeness, ConnectorError, FetchOne, Record, Resume, Retry, RosterFacts, RosterPage, RosterSource,
    SourceState,
};
use rostercard_core::privacy::Personal;
use rostercard_oneroster::rest::query::changed_since;
use rostercard_oneroster::{Columns as _, Orgs};
use tokio::sync::mpsc::Receiver;

use super::births::{BirthRow, Births};
use super::cursor::{Cursor, digest, fnv};
use super::emit::{self, Kind};
use super::form::Form;
use super::server::{Failure, RealWaits, Server, Waits};
use super::settings::RestSettings;
use super::stage::Stage;
use super::walk::{self, Collection, Event, How, OrgRow};
use crate::born::Born;
use crate::error;
use crate::index::Index;
use crate::read::Sent;
use crate::schools::{Listed, Schools};
use crate::tally::Tally;

/// Rows that are older than the filter asked for by more than this were not filtered: no time zone is so far away.
const NOT_FILTERED: SignedDuration = SignedDuration::from_hours(36);
/// A OneRoster server as a roster source.
///
/// A full read is a snapshot only where every collection was proven to have come whole; a read of changes is a delta
/// and fetches the other half of each person who changed. See the crate's table of cases for what servers do.
pub struct OneRosterRest {
    pub(super) settings: Arc<RestSettings>,
    pub(super) rules: Arc<FieldRules>,
    pub(super) today: Date,
    now: Timestamp,
    waits: Arc<dyn Waits>,
    from: Resume,
    server: Option<Arc<Server>>,
    schools: Option<Schools>,
    /// What was noticed before people were read.
    pub(super) early: Tally,
    state: State,
}

enum State {
    New,
    Reading(Receiver<Sent>),
    Ended,
}

impl std::fmt::Debug for OneRosterRest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneRosterRest").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why changes alone are not read.
enum Full {
    /// Nothing else was asked for.
    First,
    /// This, which is said.
    Because(&'static str, String),
}

impl OneRosterRest {
    /// A source over the server that `settings` name. Fields that `rules` do not allow are never copied; `today` decides
    /// which roles of 1.2 are current, `now` is the time now.
    #[must_use]
    pub fn new(settings: RestSettings, rules: FieldRules, today: Date, now: Timestamp) -> Self {
        Self {
            settings: Arc::new(settings),
            rules: Arc::new(rules),
            today,
            now,
            waits: Arc::new(RealWaits),
            from: Resume::default(),
            server: None,
            schools: None,
            early: Tally::default(),
            state: State::New,
        }
    }

    /// The same, waiting in another way.
    #[must_use]
    pub fn with_waits(mut self, waits: Arc<dyn Waits>) -> Self {
        self.waits = waits;
        self
    }

    pub(super) fn server(&mut self) -> Result<Arc<Server>, ConnectorError> {
        if let Some(server) = &self.server {
            return Ok(Arc::clone(server));
        }
        let server = Server::new(Arc::clone(&self.settings), self.now, Arc::clone(&self.waits))?;
        Ok(Arc::clone(self.server.insert(Arc::new(server))))
    }

    pub(super) fn rules(&self) -> &FieldRules {
        &self.rules
    }

    pub(super) fn settings(&self) -> &RestSettings {
        &self.settings
    }

    /// The organisations, read once. `/schools` serves where a server has no `/orgs`.
    pub(super) async fn schools(&mut self) -> Result<Schools, ConnectorError> {
        if let Some(schools) = &self.schools {
            return Ok(schools.clone());
        }
        let server = self.server()?;
        let mut schools = Schools::default();
        let mut tally = Tally::default();
        let mut line = 1;
        let how = How::all(());
        for collection in [walk::ORGS, walk::SCHOOLS] {
            let mut take = |event: Event<OrgRow>| {
                match event {
                    Event::Start => (schools, tally, line) = (Schools::default(), Tally::default(), 1),
                    Event::Row { item, .. } => {
                        line += 1;
                        let listed = Listed {
                            id: &item.id,
                            kind: &item.kind,
                            code: &item.code,
                            name: &item.name,
                            gone: item.gone,
                            line,
                        };
                        schools.list(&listed, &mut tally);
                    }
                    Event::Broken => {
                        tally.count("org_broken", Orgs::FILE, 0, "an organisation could not be read");
                    }
                }
                ControlFlow::Continue(())
            };
            match walk::walk(&server, collection, &how, &mut take).await {
                Ok(_) => break,
                Err(Failure::Refused { status: 403 | 404, .. }) if collection.name == walk::ORGS.name => {}
                Err(Failure::Refused { status: 404, .. }) => {
                    let message =
                        "the server has neither /orgs nor /schools: schools are known by their ids alone";
                    tally.count("orgs_absent", Orgs::FILE, 0, message);
                }
                Err(failure) => return Err(fail(&server, collection, failure)),
            }
        }
        if schools.len() == 0 {
            tally.count("orgs_absent", Orgs::FILE, 0, "the server lists no organisation");
        }
        self.early = tally;
        Ok(self.schools.insert(schools).clone())
    }

    /// Whether changes alone will do, and since when.
    fn since(&self) -> Result<(Cursor, Timestamp), Full> {
        let Some(cursor) = &self.from.cursor else { return Err(Full::First) };
        let because = |code, why: &str| Err(Full::Because(code, why.to_owned()));
        if let Some(why) = &self.from.full {
            return because("full_read_asked", why);
        }
        if !self.settings.incremental {
            return Err(Full::First);
        }
        let Some(cursor) = Cursor::read(cursor) else {
            return because("cursor_not_known", "where the last read ended is not known any more");
        };
        if cursor.settings != digest(&self.settings) {
            return because("settings_changed", "the source's settings have changed");
        }
        if cursor.mark > self.now + SignedDuration::from_hours(1) {
            return because("cursor_in_future", "the last read was later than now, by this machine's clock");
        }
        let age = self.now.duration_since(cursor.full);
        let due = SignedDuration::try_from(self.settings.full_every).unwrap_or(SignedDuration::MAX);
        if age >= due {
            return because("full_read_due", "the last full read is older than full_every");
        }
        if cursor.several > 0 {
            return because(
                "several_source_ids",
                "persons have several sourcedIds here, and a change to one of them does not show the others",
            );
        }
        let overlap = SignedDuration::try_from(self.settings.overlap).unwrap_or_default();
        let since = cursor.mark - overlap;
        Ok((cursor, since))
    }

    /// Reads everything that is to be read, and starts to give it out.
    async fn start(&mut self) -> Result<Receiver<Sent>, ConnectorError> {
        let schools = self.schools().await?;
        let full = match self.since() {
            Ok((cursor, since)) => match self.changes(schools.clone(), &cursor, since).await? {
                Ok(pages) => return Ok(pages),
                Err(full) => full,
            },
            Err(full) => full,
        };
        self.everything(schools, full).await
    }

    /// The moment that the next read of changes goes on from: when this one began, by whichever clock is behind.
    fn mark(&self, server: &Server) -> Timestamp {
        server.noticed().date.map_or(self.now, |date| date.min(self.now))
    }

    async fn everything(&mut self, schools: Schools, full: Full) -> Result<Receiver<Sent>, ConnectorError> {
        let server = self.server()?;
        let born = self.births(&server, None).await?;
        let mut stage = self.stage(schools);
        stage.tally = std::mem::take(&mut self.early);
        if let Full::Because(code, why) = full {
            stage.tally.count(code, "", 0, "everything was read, not changes alone");
            stage.tally.say(code, why);
        }
        self.people(&server, None, &mut stage, &mut |_| ControlFlow::Continue(())).await?;
        let mark = self.mark(&server);
        let cursor = Cursor { mark, full: mark, several: 0, settings: digest(&self.settings) };
        Ok(self.give_out(stage, born, Kind::Full { cursor }))
    }

    /// What changed; or why everything has to be read after all.
    async fn changes(
        &mut self,
        schools: Schools,
        cursor: &Cursor,
        since: Timestamp,
    ) -> Result<Result<Receiver<Sent>, Full>, ConnectorError> {
        let server = self.server()?;
        let filter = changed_since(since);
        let mut stage = self.stage(schools);
        let mut unfiltered = false;
        let mut look = |stage: &Stage| {
            unfiltered = stage.oldest.is_some_and(|oldest| oldest < since - NOT_FILTERED);
            if unfiltered { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let read = self.people_or_refusal(&server, Some(&filter), &mut stage, &mut look).await;
        let no_filter = |why: &str| Ok(Err(Full::Because("filter_not_possible", why.to_owned())));
        match read {
            Err(Failure::Refused { .. }) => {
                return no_filter("the server refuses to filter by dateLastModified");
            }
            Err(failure) => return Err(fail(&server, walk::STUDENTS, failure)),
            Ok(()) if unfiltered => return no_filter("the server does not filter by dateLastModified"),
            Ok(()) => {}
        }
        let mut born = None;
        if self.rules.allows(Field::BirthDate) {
            match self.changed_births(&server, &filter, &mut stage).await? {
                Some(index) => born = Some(index),
                None => return no_filter("more people changed than can be asked for one by one"),
            }
        }
        stage.tally.absorb(std::mem::take(&mut self.early));
        let cursor = Cursor { mark: self.mark(&server).max(cursor.mark), ..cursor.clone() };
        Ok(Ok(self.give_out(stage, born, Kind::Delta { cursor })))
    }

    fn stage(&self, schools: Schools) -> Stage {
        let form = Form::new(&self.settings, &self.rules, self.today, &schools);
        Stage::new(self.settings.version, form, schools)
    }

    fn give_out(&self, stage: Stage, born: Option<Index<Born>>, kind: Kind) -> Receiver<Sent> {
        emit::start(Arc::clone(&self.settings), Arc::clone(&self.rules), stage, born, kind)
    }

    async fn fetch(&mut self, source_ids: &[Personal]) -> Result<FetchOne, ConnectorError> {
        let schools = self.schools().await?;
        let server = self.server()?;
        let mut stage = self.stage(schools);
        stage.next_walk("student");
        let mut births = Births::default();
        for id in source_ids {
            if !self.one_user(&server, id.reveal(), &mut stage).await? {
                continue;
            }
            if self.rules.allows(Field::BirthDate)
                && let Ok(Some(item)) =
                    walk::one::<BirthRow>(&server, walk::DEMOGRAPHICS, id.reveal(), &()).await
            {
                births.take(Event::Row { item, again: None }, self.today);
            }
        }
        if stage.len() == 0 {
            return Ok(FetchOne::NotFound);
        }
        let born = self.rules.allows(Field::BirthDate).then(|| births.index());
        let cursor = Cursor { mark: self.now, full: self.now, several: 0, settings: 0 };
        let mut pages = self.give_out(stage, born, Kind::Delta { cursor });
        let mut found = Vec::new();
        while let Some(page) = pages.recv().await {
            if let RosterPage::Records(records) = page? {
                found.extend(records);
            }
        }
        Ok(match found.pop() {
            Some(Record::Student(student)) if found.is_empty() => FetchOne::Found(student),
            // It is there, and it is no student any more, or it is damaged.
            None => FetchOne::NotFound,
            Some(_) => FetchOne::Unknown,
        })
    }
}

/// A failure that ends the reading.
pub(super) fn fail(server: &Server, collection: Collection, failure: Failure) -> ConnectorError {
    match failure {
        Failure::Error(error) => error,
        Failure::Refused { status, trouble } => server.refused(collection.name, status, &trouble),
    }
}

#[async_trait]
impl RosterSource for OneRosterRest {
    fn resume(&mut self, from: Resume) {
        self.from = from;
    }

    async fn facts(&mut self) -> Result<RosterFacts, ConnectorError> {
        self.schools().await?;
        let server = self.server()?;
        let path = fnv(&self.settings.url) & 0xffff_ffff;
        Ok(RosterFacts {
            as_of: Some(self.mark(&server)),
            state: SourceState::Running,
            description: format!("OneRoster {} REST", self.settings.version.as_str()),
            endpoint: format!("{} (service #{path:08x})", server.origin()),
            findings: Vec::new(),
        })
    }

    async fn next_page(&mut self) -> Result<RosterPage, ConnectorError> {
        let mut pages = match std::mem::replace(&mut self.state, State::Ended) {
            State::New => self.start().await?,
            State::Reading(pages) => pages,
            State::Ended => return Err(error::lost()),
        };
        let page = pages.recv().await.ok_or_else(error::lost)??;
        if matches!(page, RosterPage::Records(_)) {
            self.state = State::Reading(pages);
        }
        Ok(page)
    }

    async fn fetch_one(&mut self, source_ids: &[Personal]) -> FetchOne {
        match self.fetch(source_ids).await {
            Ok(found) => found,
            // A server that refuses will refuse tomorrow: waiting for its word would keep who left for ever.
            Err(error) if error.retry == Retry::NotThisTarget => FetchOne::NotPossible,
            Err(_) => FetchOne::Unknown,
        }
    }

    async fn check(&mut self) -> Result<Vec<Finding>, ConnectorError> {
        super::profile::profile(self).await
    }
}

/// What a stream was, for its end.
pub(super) fn completeness(kind: &Kind, whole: bool) -> Completeness {
    match (kind, whole) {
        (_, false) => Completeness::Incomplete,
        (Kind::Full { .. }, true) => Completeness::Snapshot,
        (Kind::Delta { .. }, true) => Completeness::Delta,
    }
}

/// A place in a collection: CSV's names of files are not this source's.
pub(super) fn place(mut place: Place) -> Place {
    place.file = place.file.map(|file| match file.as_str() {
        "users.csv" | "roles.csv" => "users".to_owned(),
        "orgs.csv" => "orgs".to_owned(),
        "demographics.csv" => "demographics".to_owned(),
        other => other.to_owned(),
    });
    place.file = place.file.filter(|file| !file.is_empty());
    place.line = place.line.map(line);
    place
}

/// A row of a collection, by the line that it would have in a file. A file's first line is its header; a collection has
/// none.
pub(super) fn line(line: u64) -> u64 {
    line.saturating_sub(1).max(1)
}
