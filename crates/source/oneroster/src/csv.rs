//! The port's side of the CSV source: facts first, then pages from a thread that reads ahead by a few.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;
use rostercard_core::field::FieldRules;
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{
    Completeness, ConnectorError, Cursor, Resume, RosterFacts, RosterPage, RosterSource, SourceState,
};
use rostercard_oneroster::{Columns, Demographics, Mode, Orgs, Roles, Users, Version};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::spawn_blocking;

use crate::delta::{self, Given, Images};
use crate::error;
use crate::open::{self, Opened};
use crate::read::{self, Sent};
use crate::settings::Settings;
use crate::tally::from_protocol;

/// Pages read ahead: enough that reading never waits for a decision that takes a little longer.
const AHEAD: usize = 3;

/// A bulk OneRoster CSV package as a roster source.
///
/// The roster's moment ([`RosterFacts::as_of`]) is the newest modification time of the folder's files, or that of the
/// zip: the times inside a zip have no time zone, and `dateLastModified` is of rows, not of the export.
#[derive(Debug)]
pub struct OneRosterCsv {
    settings: Arc<Settings>,
    rules: Arc<FieldRules>,
    today: Date,
    /// Where the roster is kept that delta packages change.
    images: Option<Images>,
    from: Resume,
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Opened(Box<Opened>),
    Given(Box<Given>),
    Reading(Receiver<Sent>),
    /// There is nothing to fetch: the last roster stands.
    Nothing,
    Ended,
}

impl OneRosterCsv {
    /// A source over the package that `settings` name. Fields that `rules` do not allow are never copied; `today`
    /// decides which roles of 1.2 are current.
    #[must_use]
    pub fn new(settings: Settings, rules: FieldRules, today: Date) -> Self {
        Self {
            settings: Arc::new(settings),
            rules: Arc::new(rules),
            today,
            images: None,
            from: Resume::default(),
            state: State::New,
        }
    }

    /// The same with images of the roster, which delta packages change. Used where the settings say that there are any.
    #[must_use]
    pub fn with_images(mut self, images: Images) -> Self {
        self.images = Some(images).filter(|_| self.settings.deltas);
        self
    }

    async fn prepare(&self, images: Images) -> Result<Given, ConnectorError> {
        let (settings, rules, from) = (self.settings.clone(), self.rules.clone(), self.from.clone());
        let work = move || delta::prepare(&settings, &rules, &images, &from);
        spawn_blocking(work).await.map_err(|_| error::lost())?
    }

    fn give(&self, given: Given) -> Receiver<Sent> {
        let (pages, receiver) = channel(AHEAD);
        let (settings, rules, today) = (self.settings.clone(), self.rules.clone(), self.today);
        drop(spawn_blocking(move || delta::run(given, &settings, &rules, today, &pages)));
        receiver
    }

    /// Opens the package, away from the async threads.
    async fn open(&self) -> Result<Opened, ConnectorError> {
        let settings = self.settings.clone();
        let work = move || {
            let mut opened = open::open(&settings)?;
            opened.findings.extend(read::check_roles(&opened)?);
            Ok(opened)
        };
        spawn_blocking(work).await.map_err(|_| error::lost())?
    }

    fn start(&self, opened: Box<Opened>) -> Receiver<Sent> {
        let (pages, receiver) = channel(AHEAD);
        let (settings, rules, today) = (self.settings.clone(), self.rules.clone(), self.today);
        // It ends by itself: at the roster's end, or soon after nobody receives any more.
        drop(spawn_blocking(move || {
            read::run(&opened, &settings, &rules, today, &pages);
        }));
        receiver
    }
}

#[async_trait]
impl RosterSource for OneRosterCsv {
    fn resume(&mut self, from: Resume) {
        self.from = from;
    }

    async fn facts(&mut self) -> Result<RosterFacts, ConnectorError> {
        if self.settings.path.is_none() {
            self.state = State::Nothing;
            return Ok(RosterFacts {
                as_of: None,
                state: SourceState::Running,
                description: "OneRoster CSV".to_owned(),
                endpoint: self.settings.endpoint(),
                findings: import_only(),
            });
        }
        if let Some(images) = self.images.clone() {
            let given = self.prepare(images).await?;
            let head = &given.image.head;
            let facts = RosterFacts {
                as_of: head.as_of.filter(|_| given.what != delta::What::Nothing),
                state: SourceState::Running,
                description: described(head.version, head.system.as_deref()),
                endpoint: self.settings.endpoint(),
                findings: given.findings.clone(),
            };
            self.state = State::Given(Box::new(given));
            return Ok(facts);
        }
        let opened = self.open().await?;
        let facts = RosterFacts {
            as_of: opened.modified(),
            state: SourceState::Running,
            description: described(opened.manifest.version, opened.manifest.system_name.as_deref()),
            endpoint: self.settings.endpoint(),
            findings: opened.findings.clone(),
        };
        self.state = State::Opened(Box::new(opened));
        Ok(facts)
    }

    async fn next_page(&mut self) -> Result<RosterPage, ConnectorError> {
        let mut pages = match std::mem::replace(&mut self.state, State::Ended) {
            State::New => match self.images.clone() {
                Some(images) => self.give(self.prepare(images).await?),
                None => self.start(Box::new(self.open().await?)),
            },
            State::Given(given) => self.give(*given),
            State::Opened(opened) => self.start(opened),
            State::Reading(pages) => pages,
            State::Nothing => {
                return Ok(RosterPage::End {
                    completeness: Completeness::Delta,
                    cursor: None,
                    findings: Vec::new(),
                });
            }
            State::Ended => return Err(error::lost()),
        };
        let page = pages.recv().await.ok_or_else(error::lost)??;
        if matches!(page, RosterPage::Records(_)) {
            self.state = State::Reading(pages);
        }
        Ok(page)
    }

    async fn release(&mut self, cursor: &Cursor) -> Result<Vec<Finding>, ConnectorError> {
        if let Some(images) = self.images.clone() {
            let cursor = cursor.clone();
            let work = move || delta::released(&images, &cursor);
            spawn_blocking(work).await.map_err(|_| error::lost())??;
        }
        Ok(Vec::new())
    }

    async fn check(&mut self) -> Result<Vec<Finding>, ConnectorError> {
        if self.settings.path.is_none() {
            return Ok(import_only());
        }
        if let Some(images) = self.images.clone() {
            let settings = self.settings.clone();
            let work = move || {
                let (mut findings, newest) = delta::look_at(&settings, &images)?;
                newest.iter().try_for_each(|opened| headers(opened, &mut findings))?;
                Ok(findings)
            };
            return spawn_blocking(work).await.map_err(|_| error::lost())?;
        }
        let opened = self.open().await?;
        let work = move || {
            let mut findings = opened.findings.clone();
            headers(&opened, &mut findings)?;
            Ok(findings)
        };
        spawn_blocking(work).await.map_err(|_| error::lost())?
    }
}

fn import_only() -> Vec<Finding> {
    let message = "rosters of this partnership are given by `rostercard import`: the last one stands";
    vec![Finding::new("import_only", Place::default(), message)]
}

/// Reads the files' headers alone.
fn headers(opened: &Opened, findings: &mut Vec<Finding>) -> Result<(), ConnectorError> {
    header::<Orgs>(opened, findings)?;
    header::<Users>(opened, findings)?;
    header::<Demographics>(opened, findings)?;
    if opened.manifest.version == Version::V1_2 {
        header::<Roles>(opened, findings)?;
    }
    Ok(())
}

fn header<C: Columns>(opened: &Opened, findings: &mut Vec<Finding>) -> Result<(), ConnectorError> {
    if opened.manifest.mode(C::FILE) == Mode::Absent {
        return Ok(());
    }
    opened.table::<C, _>(|_, odd| {
        findings.extend(odd.into_iter().map(from_protocol));
        Ok(())
    })
}

/// What the source says it is: the SIS's name as the manifest gives it, and the form.
fn described(version: Version, system: Option<&str>) -> String {
    let form = format!("OneRoster {} CSV", version.as_str());
    match system {
        Some(name) => {
            let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
            format!("{name}, {form}")
        }
        None => form,
    }
}
