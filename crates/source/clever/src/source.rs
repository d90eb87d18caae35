//! The port's side: the district's state, which way is read, the pages, and one person asked for again.
//!
//! A first reading, and one every few days, is of everybody; in between only the event feed is asked. Where the district is not
//! running, nobody is said to have gone, and the cursor stays where it is.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rostercard_core::field::FieldRules;
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{
    Completeness, ConnectorError, FetchOne, Resume, RosterFacts, RosterPage, RosterSource, SourceState,
};
use rostercard_core::privacy::Personal;
use serde_json::value::RawValue;

use crate::api::Api;
use crate::cursor::{Mark, how};
use crate::delta::{self, Delta};
use crate::full::Full;
use crate::map::{Mapped, Mapper};
use crate::pages::Pages;
use crate::settings::Settings;
use crate::shapes::{self, District, User};
use crate::trouble::Trouble;

/// Everything that a reading needs.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) settings: Arc<Settings>,
    pub(crate) now: Timestamp,
    pub(crate) api: Api,
    pub(crate) mapper: Mapper,
    /// When Clever last read the SIS.
    pub(crate) as_of: Option<Timestamp>,
    /// Whether the district is running: if not, nobody is said to have gone.
    pub(crate) running: bool,
}

/// A district at Clever as a roster source.
#[derive(Debug)]
pub struct Clever {
    settings: Arc<Settings>,
    rules: Arc<FieldRules>,
    today: Date,
    now: Timestamp,
    resume: Resume,
    desk: Option<Desk>,
    state: State,
    /// What is said with the end.
    findings: Vec<Finding>,
}

#[derive(Debug)]
enum State {
    New,
    /// The token is gone: there is nothing to read.
    Nothing,
    Full(Box<Full>),
    Delta(Box<Delta>),
    Ended,
}

impl Clever {
    /// A source of the district that `settings` name. Fields that `rules` do not allow are never copied; `now` is the moment of
    /// the run, and `today` says which birth dates are in the future.
    #[must_use]
    pub fn new(settings: Settings, rules: FieldRules, today: Date, now: Timestamp) -> Self {
        Self {
            settings: Arc::new(settings),
            rules: Arc::new(rules),
            today,
            now,
            resume: Resume::default(),
            desk: None,
            state: State::New,
            findings: Vec::new(),
        }
    }

    /// The client and the schools, fetched once.
    async fn desk(&mut self) -> Result<(&mut Desk, District), Trouble> {
        let mut api = Api::new(Arc::clone(&self.settings), self.now).map_err(Trouble::Failed)?;
        let address = api.address(&format!("districts/{}", self.settings.district))?;
        let district = api.ask(&address, |body| shapes::single::<District>(body)).await?;
        let mut mapper = Mapper::new(Arc::clone(&self.settings), Arc::clone(&self.rules), self.today);
        let mut pages = Pages::new("schools", "the list of schools", self.settings.page_size, None);
        let mut learn = |raw: &RawValue| {
            if let Some(school) = shapes::record::<shapes::School>(raw) {
                mapper.school(&school);
            }
        };
        loop {
            match pages.next(&mut api, &mut learn).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(Trouble::Disconnected) => return Err(Trouble::Disconnected),
                Err(trouble) => return Err(Trouble::Failed(pages.error(&api, trouble))),
            }
        }
        let desk = Desk {
            settings: Arc::clone(&self.settings),
            now: self.now,
            api,
            mapper,
            as_of: district.last_sync.get().parse().ok(),
            running: state_of(district.state.get()).0 == SourceState::Running,
        };
        Ok((self.desk.insert(desk), district))
    }

    fn error(&self, trouble: Trouble, what: &str) -> ConnectorError {
        trouble.error(&self.settings.api.origin(), what)
    }

    fn endpoint(&self) -> String {
        let settings = &self.settings;
        format!("{} {} district {}", settings.api.origin(), settings.version.path(), settings.district)
    }

    /// Which way is read: from the cursor, or everything, and why.
    fn way(&self, mapper: &Mapper) -> (Option<Mark>, Option<(&'static str, String)>) {
        let told = |(code, message): (&'static str, &str)| Some((code, message.to_owned()));
        if !self.settings.incremental {
            return (None, None);
        }
        let Some(cursor) = &self.resume.cursor else { return (None, None) };
        let Some(mark) = Mark::parse(cursor) else {
            return (
                None,
                told((
                    "cursor_unknown",
                    "where the event feed was left is not understood: everything was read",
                )),
            );
        };
        if let Some(why) = &self.resume.full {
            return (None, Some(("full_reading", format!("everything was read: {why}"))));
        }
        let worn = mark.worn(self.now, &mapper.schools_digest(), &how(&self.settings, &self.rules));
        match worn {
            Some(why) => (None, told(why)),
            None => (Some(mark), None),
        }
    }
}

/// The district's state in the core's words, and whether the word is known.
fn state_of(word: &str) -> (SourceState, bool) {
    match word {
        "running" | "success" | "" => (SourceState::Running, true),
        "paused" => (SourceState::Paused, true),
        "pending" => (SourceState::Pending, true),
        "error" => (SourceState::Error, true),
        // What is not known is not trusted to be a roster of today.
        _ => (SourceState::Error, false),
    }
}

/// What the district's state means, as findings; codes and dates alone.
fn about_state(district: &District, now: Timestamp) -> Vec<Finding> {
    let place = || Place::file("districts").at("state");
    let dated = |text: &str| text.parse::<Timestamp>().ok().map(|at| at.strftime("%Y-%m-%d").to_string());
    let (state, known) = state_of(district.state.get());
    let last = dated(district.last_sync.get())
        .map_or_else(String::new, |day| format!("; Clever last read its SIS on {day}"));
    let mut findings = Vec::new();
    match state {
        SourceState::Running | SourceState::Disconnected => {}
        SourceState::Paused => {
            let since =
                dated(district.pause_start.get()).map_or_else(String::new, |day| format!(" since {day}"));
            let until =
                dated(district.pause_end.get()).map_or_else(String::new, |day| format!(", until {day}"));
            let message =
                format!("Clever has paused the district{since}{until}{last}: nobody is withdrawn meanwhile");
            findings.push(Finding::new("district_paused", place(), message));
        }
        SourceState::Pending => {
            let message = format!(
                "Clever waits for the district to mend something in its connection{last}: nobody is withdrawn meanwhile"
            );
            findings.push(Finding::new("district_pending", place(), message));
        }
        SourceState::Error if known => {
            let message =
                format!("Clever could not read the district's SIS{last}: nobody is withdrawn meanwhile");
            findings.push(Finding::new("district_error", place(), message));
        }
        SourceState::Error => {
            let message = format!(
                "Clever says a state of the district that is not known here{last}: nobody is withdrawn meanwhile"
            );
            findings.push(Finding::new("district_state_unknown", place(), message));
        }
    }
    let synced = district.last_sync.get().parse::<Timestamp>().ok();
    if synced.is_some_and(|at| at > now + SignedDuration::from_hours(24)) {
        let message = "Clever says that it read the SIS in the future; is this machine's clock right?";
        findings.push(Finding::new("last_sync_in_future", Place::file("districts").at("last_sync"), message));
    }
    findings
}

#[async_trait]
impl RosterSource for Clever {
    fn resume(&mut self, from: Resume) {
        self.resume = from;
    }

    async fn facts(&mut self) -> Result<RosterFacts, ConnectorError> {
        let now = self.now;
        let endpoint = self.endpoint();
        let district = match self.desk().await {
            Ok((_, district)) => district,
            Err(Trouble::Disconnected) => {
                self.state = State::Nothing;
                let error = self.error(Trouble::Disconnected, "the district");
                let message = format!("{error}; {}", error.hint);
                return Ok(RosterFacts {
                    as_of: None,
                    state: SourceState::Disconnected,
                    description: "Clever, disconnected".to_owned(),
                    endpoint,
                    findings: vec![Finding::new("district_disconnected", Place::file("tokens"), message)],
                });
            }
            Err(trouble) => return Err(self.error(trouble, "the district")),
        };
        let mut findings = about_state(&district, now);
        let Some(desk) = &self.desk else { return Err(self.error(Trouble::NotFound, "the district")) };
        let (mark, why) = self.way(&desk.mapper);
        if let Some((code, message)) = why {
            findings.push(Finding::new(code, Place::file("events"), message));
        }
        self.state = match mark {
            Some(mark) => State::Delta(Box::new(Delta::new(mark, self.settings.student_id))),
            None => State::Full(Box::new(Full::new(&self.settings, how(&self.settings, &self.rules)))),
        };
        let sis = Some(district.sis_type.get()).filter(|sis| !sis.is_empty());
        Ok(RosterFacts {
            as_of: desk.as_of,
            state: state_of(district.state.get()).0,
            description: format!(
                "Clever {}{}",
                self.settings.version.path(),
                sis.map_or_else(String::new, |sis| format!(" of {sis}"))
            ),
            endpoint,
            findings,
        })
    }

    async fn next_page(&mut self) -> Result<RosterPage, ConnectorError> {
        loop {
            let page = match (&mut self.state, &mut self.desk) {
                (State::Full(full), Some(desk)) => full.next_page(desk).await?,
                (State::Delta(delta), Some(desk)) => match delta.next_page(desk).await? {
                    delta::Next::Page(page) => page,
                    delta::Next::ReadEverything(why) => {
                        self.findings.push(why);
                        self.state = State::Full(Box::new(Full::new(
                            &self.settings,
                            how(&self.settings, &self.rules),
                        )));
                        continue;
                    }
                },
                (State::Nothing, _) => RosterPage::End {
                    completeness: Completeness::Incomplete,
                    cursor: self.resume.cursor.clone(),
                    findings: Vec::new(),
                },
                _ => RosterPage::End {
                    completeness: Completeness::Incomplete,
                    cursor: None,
                    findings: Vec::new(),
                },
            };
            return Ok(match page {
                RosterPage::Records(records) => RosterPage::Records(records),
                RosterPage::End { completeness, mut cursor, mut findings } => {
                    self.state = State::Ended;
                    if let Some(desk) = &mut self.desk {
                        findings.extend(desk.mapper.tally.take());
                        if !desk.running {
                            cursor = self.resume.cursor.clone();
                        }
                    }
                    findings.append(&mut self.findings);
                    let running = self.desk.as_ref().is_some_and(|desk| desk.running);
                    let completeness = if running { completeness } else { Completeness::Incomplete };
                    RosterPage::End { completeness, cursor, findings }
                }
            });
        }
    }

    async fn fetch_one(&mut self, source_ids: &[Personal]) -> FetchOne {
        // A district that is not running says nothing about anybody's absence.
        if self.desk.is_none() && self.desk().await.is_err() {
            return FetchOne::Unknown;
        }
        let Some(desk) = &mut self.desk else { return FetchOne::Unknown };
        let mut missing = 0;
        for id in source_ids {
            match delta::fetch(&mut desk.api, id.reveal()).await {
                Ok(Some(user)) => {
                    if let Mapped::Person(student) = desk.mapper.user(&user, 1) {
                        return FetchOne::Found(student);
                    }
                }
                Ok(None) => missing += 1,
                Err(_) => return FetchOne::Unknown,
            }
        }
        // Of nobody nothing can be said.
        if missing == source_ids.len() && missing > 0 { FetchOne::NotFound } else { FetchOne::Unknown }
    }

    async fn check(&mut self) -> Result<Vec<Finding>, ConnectorError> {
        let now = self.now;
        let district = match self.desk().await {
            Ok((_, district)) => district,
            Err(trouble) => return Err(self.error(trouble, "the district")),
        };
        let mut findings = about_state(&district, now);
        let Some(desk) = &mut self.desk else { return Ok(findings) };
        if desk.mapper.schools() == 0 {
            let message = "the district shares no school with the app: nobody would have a home";
            findings.push(Finding::new("no_schools", Place::file("schools"), message));
        }
        let mut pages = Pages::new("users?role=student", "the list of users", 1, None);
        let mut students = 0;
        let read = pages
            .next(&mut desk.api, |raw| students += u64::from(shapes::record::<User>(raw).is_some()))
            .await;
        read.map_err(|trouble| pages.error(&desk.api, trouble))?;
        if students == 0 {
            let message = "the district shares no student with the app";
            findings.push(Finding::new("no_students", Place::file("users"), message));
        }
        if self.settings.incremental
            && let Some(finding) = crate::full::baseline(&mut desk.api).await?.1
        {
            findings.push(finding);
        }
        Ok(findings)
    }
}
