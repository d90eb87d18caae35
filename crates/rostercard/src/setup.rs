//! From configuration files to something that runs: read, checked, connected.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;
use rostercard_config::{
    Code, Disk, Ils, Loaded, Main, Name, OpaqueTable, Partnership, Problem, Problems, Style, load,
};
use rostercard_core::field::Field;
use rostercard_core::ports::{FindBy, PatronDirectory, RosterSource};
use rostercard_core::privacy::Secret;
use rostercard_core::rules::number::{NumberRange, NumberRule};
use rostercard_core::rules::{Existing, OnLeaving};
use rostercard_core::words::{Code as Word, Role};
use rostercard_daemon::quiet::{self, Window};
use rostercard_daemon::{Schedule, ScheduleError};
use rostercard_engine::{Engine, Grace, IlsLimits, Keep, PartnershipSettings, PinSettings, World};
use rostercard_source_oneroster::Images;
use rostercard_store::keep::AuditEntry;
use rostercard_store::{SqliteStore, Store, StoreError, StoreKey};

use crate::cli::Global;
use crate::connectors::{CONNECTORS, IlsSettings, Reading, SourceSettings};
use crate::dates;
use crate::exit::Exit;
use crate::extract;
use crate::machine::{self, Environment, SystemClock, SystemEntropy};
use crate::output::{Out, complain};
use crate::progress::Shown;
use crate::shared::{Schools, Shared, Turns};
use crate::telling::Tellers;
use crate::watched::Watched;

/// The store's file in the folder that `[state] path` names.
pub(crate) const STORE_FILE: &str = "rostercard.db";
/// How many days a plan waits for approval.
const WAIT_DAYS: u16 = 7;

/// The configuration, read and checked as far as it can be without asking anybody.
pub(crate) struct Setup {
    /// What was read.
    pub(crate) loaded: Loaded,
    /// ILSs whose tables are right, by name.
    pub(crate) ils: BTreeMap<String, IlsSettings>,
    /// Sources whose tables are right, by partnership.
    pub(crate) sources: BTreeMap<String, SourceSettings>,
    /// Who is told.
    pub(crate) tellers: Tellers,
    /// The store's key, where it could be read.
    key: Option<Secret>,
    /// The page's tokens that could be read, by their names.
    pub(crate) tokens: Vec<(String, Secret)>,
    /// Directories that runs wrote through since the last [`Self::hand_over`].
    writers: Mutex<Vec<Arc<dyn PatronDirectory>>>,
    /// Turns at the sources of several partnerships.
    turns: Turns,
    global: Global,
}

impl Setup {
    /// Reads everything.
    pub(crate) fn read(global: &Global, environment: &Environment) -> Self {
        let mut loaded = load(&Disk, &global.config, environment.variables(), CONNECTORS);
        let secrets = environment.secrets(&global.config);
        let problems = &loaded.problems;
        let mut ils = BTreeMap::new();
        let mut key = None;
        let mut tokens = Vec::new();
        if let Ok(main) = &loaded.main {
            key = main.state.key.resolve(&secrets, problems);
            tokens = crate::tokens::read(&loaded, &main.http, &secrets);
            let base = global.config.parent().unwrap_or(Path::new(""));
            for one in &main.ils {
                let with = Reading { secrets: &secrets, zone: zone_of(main, one, &loaded), base };
                if let Some(settings) = IlsSettings::read(one, &with, problems) {
                    ils.insert(one.name.as_str().to_owned(), settings);
                }
            }
        }
        let mut sources = BTreeMap::new();
        let mut broken = Vec::new();
        let mut named = BTreeSet::new();
        for (name, partnership) in &loaded.partnerships {
            let Ok(partnership) = partnership else { continue };
            let educators = partnership.rules.eligible.roles.contains(&Role::Educator);
            let wanted = (educators, partnership.rules.fields.allows(Field::BirthDate));
            let (name_of_source, table) = (&partnership.source, &partnership.source_table);
            // What is wrong with a source of several partnerships is told once.
            let (again, unheard) = (partnership.shared_source.clone(), Problems::new());
            let again = again.is_some_and(|source| !named.insert(source));
            let told = if again { &unheard } else { problems };
            let mut source = SourceSettings::read(name_of_source, table, wanted, &secrets, told);
            if let Some(source) = source.as_mut().filter(|_| users_of(partnership, &loaded) > 1) {
                shared_files(source, table, told);
            }
            let source = source.filter(|_| !(again && unheard.has_errors()));
            let zone = loaded.main.as_ref().ok().map(|main| main.library_of(partnership).timezone.clone());
            let today = zone.clone().unwrap_or(TimeZone::UTC).to_datetime(machine::now()).date();
            dates::look(partnership, today, problems);
            let possible = possible(partnership, &ils, problems)
                & comes(partnership, zone, loaded.main.as_ref().ok(), problems);
            match source {
                Some(source) if possible => {
                    sources.insert(name.clone(), source);
                }
                _ => broken.push(name.clone()),
            }
        }
        unused_sources(&loaded, problems);
        for name in broken {
            loaded.break_partnership(&name);
        }
        let tellers = Tellers::read(&loaded, &secrets, global.config.parent().unwrap_or(Path::new("")));
        let (writers, turns) = (Mutex::default(), Turns::default());
        Self { loaded, ils, sources, tellers, key, tokens, writers, turns, global: global.clone() }
    }

    /// Prints every problem; how many errors and warnings.
    pub(crate) fn print_problems(&self, style: Style) {
        if !self.loaded.problems.is_empty() {
            Out::stderr().line(self.loaded.problems.render(style).trim_end());
        }
    }

    /// rostercard.toml; without it the problems are printed.
    pub(crate) fn main(&self) -> Result<&Main, Exit> {
        self.loaded.main.as_ref().map_err(|_| {
            self.print_problems(Style::Plain);
            Exit::Configuration
        })
    }

    /// A partnership that can run; otherwise it is said why not.
    pub(crate) fn partnership(&self, name: &str) -> Result<&Partnership, Exit> {
        self.main()?;
        match self.loaded.partnerships.iter().find(|(n, _)| n == name) {
            Some((_, Ok(partnership))) => Ok(partnership),
            Some((_, Err(broken))) => {
                self.print_problems(Style::Plain);
                complain(self.global.json, &format!("partnership {name} cannot run: {broken}"), "");
                Err(Exit::Configuration)
            }
            None => {
                let names: Vec<&str> = self.loaded.partnerships.iter().map(|(n, _)| n.as_str()).collect();
                let hint = match closest(name, &names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if names.is_empty() => {
                        "there is none yet: `rostercard init` writes a first".to_owned()
                    }
                    None => format!("there are: {}", names.join(", ")),
                };
                complain(self.global.json, &format!("there is no partnership `{name}`"), &hint);
                Err(Exit::Usage)
            }
        }
    }

    /// An ILS that can be asked; otherwise it is said why not.
    pub(crate) fn ils(&self, name: &str) -> Result<(&Ils, Arc<dyn PatronDirectory>), Exit> {
        let main = self.main()?;
        let found = Name::new(name).and_then(|name| main.ils(&name));
        let Some(ils) = found else {
            let names: Vec<&str> = main.ils.iter().map(|ils| ils.name.as_str()).collect();
            let hint = format!("rostercard.toml has: {}", names.join(", "));
            complain(self.global.json, &format!("there is no ILS `{name}`"), &hint);
            return Err(Exit::Usage);
        };
        let Some(settings) = self.ils.get(name) else {
            self.print_problems(Style::Plain);
            complain(
                self.global.json,
                &format!("ILS {name} cannot be asked: its configuration has mistakes"),
                "",
            );
            return Err(Exit::Configuration);
        };
        let directory = settings.connect().map_err(|why| {
            complain(
                self.global.json,
                &format!("ILS {name} cannot be asked: {why}"),
                "see [ils] in rostercard.toml",
            );
            Exit::Configuration
        })?;
        Ok((ils, directory))
    }

    /// A partnership's source.
    pub(crate) fn source(&self, partnership: &Partnership) -> Result<Box<dyn RosterSource>, Exit> {
        let today = self.today_of(partnership)?;
        let settings = self.sources.get(partnership.name.as_str()).ok_or(Exit::Configuration)?;
        let images = self.images(partnership, settings)?;
        let source = settings.open(&partnership.rules.fields, today, machine::now(), images);
        Ok(self.own_part(partnership, source))
    }

    /// Of a source that several partnerships have, what is this one's; any other as it is.
    pub(crate) fn own_part(
        &self,
        partnership: &Partnership,
        source: Box<dyn RosterSource>,
    ) -> Box<dyn RosterSource> {
        let all = self.loaded.partnerships.iter().filter_map(|(_, partnership)| partnership.as_ref().ok());
        match Schools::of(partnership, all) {
            Some(schools) => Box::new(Shared::new(source, schools, &self.turns)),
            None => source,
        }
    }

    /// A partnership's source, to be looked at: files that were used and put away are in it too.
    pub(crate) fn source_to_look_at(&self, partnership: &Partnership) -> Result<Box<dyn RosterSource>, Exit> {
        let today = self.today_of(partnership)?;
        let settings = self.sources.get(partnership.name.as_str()).ok_or(Exit::Configuration)?;
        let images = self.images(partnership, settings)?;
        let source = settings.look(&partnership.rules.fields, today, machine::now(), images);
        Ok(self.own_part(partnership, source))
    }

    /// The kept roster, where the source has one.
    fn images(&self, partnership: &Partnership, source: &SourceSettings) -> Result<Option<Images>, Exit> {
        if !source.keeps_roster() {
            return Ok(None);
        }
        self.not_as_root(&self.main()?.state.path)?;
        crate::images::of(self, partnership.id.as_str()).map(Some)
    }

    /// The day at a partnership's library.
    pub(crate) fn today_of(&self, partnership: &Partnership) -> Result<jiff::civil::Date, Exit> {
        Ok(self.main()?.library_of(partnership).timezone.to_datetime(machine::now()).date())
    }

    /// The day by which what is about no partnership alone is counted.
    pub(crate) fn today(&self) -> Result<jiff::civil::Date, Exit> {
        Ok(self.main()?.library.timezone.to_datetime(machine::now()).date())
    }

    /// Whether the store's key could be read.
    pub(crate) fn has_key(&self) -> bool {
        self.key.as_ref().is_some_and(|text| parse_key(text.reveal()).is_some())
    }

    /// The store's key.
    pub(crate) fn store_key(&self) -> Result<StoreKey, Exit> {
        let key = self.key.as_ref().and_then(|text| parse_key(text.reveal()));
        key.ok_or_else(|| {
            self.print_problems(Style::Plain);
            let hint = "the key is 64 hexadecimal digits: `rostercard init` makes one, `openssl rand -hex 32` does too";
            complain(self.global.json, "the store has no key that can be used: see [state] key", hint);
            Exit::Configuration
        })
    }

    /// Where the store is.
    pub(crate) fn store_path(&self) -> Result<PathBuf, Exit> {
        Ok(self.main()?.state.path.join(STORE_FILE))
    }

    /// The store, to write to. One process at a time.
    pub(crate) fn store(&self) -> Result<Arc<dyn Store>, Exit> {
        let (path, key) = (self.store_path()?, self.store_key()?);
        if let Some(folder) = path.parent() {
            self.not_as_root(folder)?;
        }
        match SqliteStore::open_writer(&path, &key, Arc::new(machine::random)) {
            Ok(store) => Ok(Arc::new(store)),
            Err(error) => Err(self.store_error(&error)),
        }
    }

    /// Refuses root where the state is another user's.
    fn not_as_root(&self, state: &Path) -> Result<(), Exit> {
        let Some(owner) = machine::foreign_to_root(state) else { return Ok(()) };
        let message =
            format!("the store belongs to user {owner}: what root makes in it would shut the daemon out");
        let hint = "run it as that user: `sudo -u rostercard rostercard ..`, or `sudo rostercard-as-service ..`, which has the daemon's credentials too";
        complain(self.global.json, &message, hint);
        Err(Exit::Usage)
    }

    /// The store, to read from, whoever writes to it. `None` where there is none yet.
    pub(crate) fn store_to_read(&self) -> Result<Option<Arc<dyn Store>>, Exit> {
        let (path, key) = (self.store_path()?, self.store_key()?);
        if !path.exists() {
            return Ok(None);
        }
        match SqliteStore::open_reader(&path, &key) {
            Ok(store) => Ok(Some(Arc::new(store))),
            Err(error) => Err(self.store_error(&error)),
        }
    }

    /// Notes in the audit log what a person does, whoever writes to the store. Where there is no store yet, nothing is
    /// known that could be noted.
    pub(crate) fn note(&self, entry: &AuditEntry) -> Result<(), Exit> {
        match SqliteStore::note_beside(&self.store_path()?, &self.store_key()?, entry) {
            Ok(()) | Err(StoreError::NoStore { .. }) => Ok(()),
            Err(error) => Err(self.store_error(&error)),
        }
    }

    /// Notes that values about people are shown to somebody; before they are.
    pub(crate) fn note_reveal(
        &self,
        environment: &Environment,
        partnership: Option<&Partnership>,
        detail: &str,
    ) -> Result<(), Exit> {
        self.note(&AuditEntry {
            at: machine::now(),
            who: environment.login(),
            what: "reveal".to_owned(),
            partnership: partnership.map(|partnership| partnership.id.as_str().to_owned()),
            run: None,
            detail: detail.to_owned(),
        })
    }

    /// Notes what a person did about a partnership that no decision about a plan tells of.
    pub(crate) fn note_done(
        &self,
        environment: &Environment,
        who: Option<&String>,
        partnership: &Partnership,
        what: &str,
    ) -> Result<(), Exit> {
        self.note(&AuditEntry {
            at: machine::now(),
            who: who.cloned().unwrap_or_else(|| environment.login()),
            what: what.to_owned(),
            partnership: Some(partnership.id.as_str().to_owned()),
            run: None,
            detail: String::new(),
        })
    }

    /// Says what is wrong with the store.
    pub(crate) fn store_error(&self, error: &StoreError) -> Exit {
        complain(self.global.json, &error.to_string(), error.hint());
        match error {
            StoreError::Busy { .. } => Exit::Later,
            StoreError::WrongKey { .. } => Exit::Configuration,
            _ => Exit::Failed,
        }
    }

    /// An engine for a partnership.
    pub(crate) fn engine(
        &self,
        partnership: &Partnership,
        store: Arc<dyn Store>,
    ) -> Result<(Engine, World), Exit> {
        let progress = Arc::new(Shown::fitting(self.global.json));
        let world = World::new(Arc::new(SystemClock), Arc::new(SystemEntropy), progress);
        Ok((self.engine_in(partnership, store, world.clone())?, world))
    }

    /// Ends what runs wrote through: an export hands its file over, connections are closed. What there is to know about it
    /// is said. Whether all went well; what did not is gone on with by the next run.
    pub(crate) async fn hand_over(&self) -> bool {
        let writers = std::mem::take(&mut *self.writers.lock().unwrap_or_else(PoisonError::into_inner));
        self.finish(writers).await
    }

    /// The same for these alone: what another run writes through meanwhile is left to it.
    pub(crate) async fn finish(&self, writers: Vec<Arc<dyn PatronDirectory>>) -> bool {
        let mut well = true;
        for directory in writers {
            match directory.finish().await {
                Ok(findings) if self.global.json => findings.iter().for_each(|finding| {
                    tracing::info!(code = finding.code, "{finding}");
                }),
                Ok(findings) => findings.iter().for_each(|finding| Out::stderr().line(&finding.to_string())),
                Err(error) => {
                    complain(self.global.json, &error.message, &error.hint);
                    well = false;
                }
            }
        }
        well
    }

    /// An engine for a partnership, in a world of the caller's.
    pub(crate) fn engine_in(
        &self,
        partnership: &Partnership,
        store: Arc<dyn Store>,
        world: World,
    ) -> Result<Engine, Exit> {
        let (engine, directory) = self.engine_and_directory(partnership, store, world)?;
        self.writers.lock().unwrap_or_else(PoisonError::into_inner).push(directory);
        Ok(engine)
    }

    /// The same with what it writes through, which the caller ends by [`Self::finish`].
    pub(crate) fn engine_and_directory(
        &self,
        partnership: &Partnership,
        store: Arc<dyn Store>,
        world: World,
    ) -> Result<(Engine, Arc<dyn PatronDirectory>), Exit> {
        let (ils, directory) = self.ils(partnership.ils.as_str())?;
        let watched = Arc::new(Watched { inner: Arc::clone(&directory), progress: world.progress.clone() });
        let main = self.main()?;
        let extract = match &partnership.matching.extract {
            Some(path) if partnership.rules.existing != Existing::Separate => {
                let most = partnership.matching.extract_days;
                let read =
                    extract::read(path, most, machine::now(), store.digest_key()).map_err(|error| {
                        complain(self.global.json, &error.to_string(), error.hint());
                        Exit::Failed
                    })?;
                Some(Arc::new(read))
            }
            _ => None,
        };
        let settings = PartnershipSettings {
            permanent_id: partnership.id.as_str().to_owned(),
            name: partnership.name.as_str().to_owned(),
            ils: ils.id.as_str().to_owned(),
            rules: partnership.rules.clone(),
            ranges: ranges(partnership),
            guards: partnership.guards.clone(),
            dates: partnership.dates.clone(),
            grace: Grace { days: partnership.lapse.grace_days, feeds: partnership.lapse.grace_feeds.into() },
            timezone: main.library_of(partnership).timezone.clone(),
            pins: PinSettings {
                forget_days: partnership.pins.forget_days,
                reissue_at_once: partnership.pins.reissue_at_once.into(),
            },
            wait_days: WAIT_DAYS,
            full_every: partnership.full_every,
            on_leaving: partnership.lapse.then,
            extract,
            limits: IlsLimits {
                connections: ils.limits.connections.into(),
                settle_after: ils.limits.settle_after,
                rate: ils.limits.rate,
            },
        };
        let keep = Keep { undo_days: main.state.undo_days, run_days: main.state.run_days };
        let engine = Engine::new(store, watched, settings, world).keeping(keep);
        Ok((engine, directory))
    }
}

/// Whether the ILS can do what a partnership asks; what it cannot is a problem with a place.
fn possible(partnership: &Partnership, ils: &BTreeMap<String, IlsSettings>, problems: &Problems) -> bool {
    let mut possible = true;
    // Nothing is asked over the wire: what cannot be connected at all is told where it is used.
    let Some(directory) = ils.get(partnership.ils.as_str()).and_then(|ils| ils.connect().ok()) else {
        return true;
    };
    let capabilities = directory.capabilities();
    let by_person = [FindBy::StudentId, FindBy::Email, FindBy::NameAndBirthDate];
    let searchable = by_person.iter().any(|by| directory.finds_by().contains(by));
    let existing = partnership.rules.existing;
    if existing != Existing::Separate && !searchable && partnership.matching.extract.is_none() {
        let why = &capabilities.find_by_person.why;
        problems.add(Problem::error(
            Code::Impossible,
            partnership.matching.place.clone(),
            "match.existing",
            format!("existing = \"{existing}\" cannot be kept: a child's existing card cannot be found through this ILS ({why})"),
            "name a dated extract of the ILS's patrons in `extract`, or write existing = \"separate\", which makes a card of its \
             own beside any other",
        ));
        possible = false;
    }
    let refused = match partnership.lapse.then {
        OnLeaving::Block if !capabilities.block.usable() => Some(capabilities.block.why.clone()),
        OnLeaving::Expire if !capabilities.update.usable() => Some(capabilities.update.why.clone()),
        OnLeaving::NotRenewed | OnLeaving::Expire | OnLeaving::Block => None,
    };
    if let Some(why) = refused {
        let then = partnership.lapse.then;
        problems.add(Problem::error(
            Code::Impossible,
            partnership.lapse.then_place.clone().unwrap_or_else(|| partnership.place.clone()),
            "lapse.then",
            format!("then = \"{then}\" cannot be done in this ILS: {why}"),
            "leave `then` out, or write then = \"not_renewed\": the card then ends on the day it would have ended",
        ));
        possible = false;
    }
    possible
}

/// Whether a partnership's schedule ever comes; one that does not is a problem with a place.
fn comes(
    partnership: &Partnership,
    zone: Option<TimeZone>,
    main: Option<&Main>,
    problems: &Problems,
) -> bool {
    let Some(line) = &partnership.schedule else { return true };
    let hours = main.and_then(|main| main.ils(&partnership.ils)).map(|ils| &ils.limits.hours[..]);
    let read = Schedule::new(&line.value, zone.unwrap_or(TimeZone::UTC))
        .and_then(|schedule| within(schedule, partnership, hours.unwrap_or_default()));
    let Err(why) = read else { return true };
    if why == ScheduleError::NoHours {
        let advice = "look at `quiet` in this file and at `hours` below [ils.NAME.limits] in rostercard.toml";
        problems.add(Problem::about(line, Code::Contradiction, why.to_string(), advice));
        return false;
    }
    problems.add(Problem::about(
        line,
        Code::BadValue,
        why.to_string(),
        "write five fields, minute, hour, day, month, day of the week: \"30 4 * * MON-FRI\" is 4:30 on working days",
    ));
    false
}

/// The hours of a partnership's ILS.
pub(crate) fn hours_of(partnership: &Partnership, main: &Main) -> quiet::Hours {
    let hours = main.ils(&partnership.ils).map(|ils| &ils.limits.hours[..]).unwrap_or_default();
    quiet::Hours::new(Vec::new(), windows(hours))
}

/// From when on a run that begins now begins no change: the end of its ILS's hours, or now where they are over.
pub(crate) fn until(partnership: &Partnership, main: &Main) -> Option<jiff::Timestamp> {
    hours_of(partnership, main).shut(machine::now(), &main.library_of(partnership).timezone)
}

fn windows(hours: &[rostercard_config::Hours]) -> Vec<Window> {
    hours.iter().map(|hours| (hours.from, hours.to)).collect()
}

/// A partnership's schedule on its library's clock.
pub(crate) fn schedule_of(partnership: &Partnership, main: &Main) -> Option<(String, Schedule)> {
    let line = partnership.schedule.as_ref()?.value.clone();
    let schedule = Schedule::new(&line, main.library_of(partnership).timezone.clone()).ok()?;
    let hours = main.ils(&partnership.ils).map(|ils| &ils.limits.hours[..]).unwrap_or_default();
    let schedule = within(schedule, partnership, hours).ok()?;
    let most = jiff::SignedDuration::try_from(partnership.jitter).unwrap_or_default();
    Some((line, schedule.delayed(partnership.id.as_str(), most)))
}

/// A schedule that keeps a partnership's quiet hours and its ILS's hours.
fn within(
    schedule: Schedule,
    partnership: &Partnership,
    hours: &[rostercard_config::Hours],
) -> Result<Schedule, ScheduleError> {
    schedule.within(quiet::Hours::new(windows(&partnership.quiet), windows(hours)))
}

/// The time zone of an ILS: that of the libraries whose partnerships use it, which is one unless somebody is very far away.
fn zone_of<'m>(main: &'m Main, ils: &Ils, loaded: &Loaded) -> &'m TimeZone {
    let user = loaded.partnerships.iter().filter_map(|(_, partnership)| partnership.as_ref().ok());
    let user = user.into_iter().find(|partnership| partnership.ils == ils.name);
    user.map_or(&main.library.timezone, |partnership| &main.library_of(partnership).timezone)
}

/// How many partnerships have the source that this one has.
fn users_of(partnership: &Partnership, loaded: &Loaded) -> usize {
    let shared = partnership.shared_source.as_ref();
    let users = loaded.partnerships.iter().filter_map(|(_, other)| other.as_ref().ok());
    users.filter(|other| shared.is_some() && other.shared_source.as_ref() == shared).count()
}

/// Files of a source that several partnerships read have to stay until all have: they are not put away.
fn shared_files(source: &mut SourceSettings, table: &OpaqueTable, problems: &Problems) {
    if let Some(word) = source.keep_files() {
        problems.add(Problem::error(
            Code::Contradiction,
            table.place().clone(),
            format!("{}.after_use", table.key()),
            format!(
                "after_use = \"{word}\" would take the files away from the other partnerships of this source"
            ),
            "remove the line: files of a source that several partnerships read stay where they are",
        ));
    }
}

/// Sources that are named, and that no partnership has.
fn unused_sources(loaded: &Loaded, problems: &Problems) {
    let Ok(main) = &loaded.main else { return };
    // A partnership with mistakes may be the one that has it.
    if loaded.partnerships.iter().any(|(_, partnership)| partnership.is_err()) {
        return;
    }
    let used: Vec<_> = loaded
        .partnerships
        .iter()
        .filter_map(|(_, partnership)| partnership.as_ref().ok()?.shared_source.as_ref())
        .collect();
    for source in main.sources.iter().filter(|source| !used.contains(&&source.name)) {
        problems.add(Problem::warning(
            Code::Unwise,
            source.place.clone(),
            format!("sources.{}", source.name),
            "no partnership has this source",
            format!("write source = \"{}\" in a partnership's file, or remove the table", source.name),
        ));
    }
}

/// Every range of numbers that a partnership's rules name.
fn ranges(partnership: &Partnership) -> BTreeMap<Word, NumberRange> {
    let rules = &partnership.rules;
    std::iter::once(&rules.card.number)
        .chain(rules.card_for.iter().filter_map(|card_for| card_for.patch.number.as_ref()))
        .filter_map(|number| match number {
            NumberRule::Range(range) => Some((range.name.clone(), range.clone())),
            NumberRule::Template(_) => None,
        })
        .collect()
}

/// 64 hexadecimal digits.
fn parse_key(text: &str) -> Option<StoreKey> {
    let digits = text.trim();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(StoreKey::new(bytes))
}

/// The name that was most likely meant.
fn closest<'n>(typed: &str, names: &[&'n str]) -> Option<&'n str> {
    names
        .iter()
        .map(|name| (strsim::jaro_winkler(typed, name), *name))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
