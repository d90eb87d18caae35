//! rostercard.toml: the library, the state store, the ILSs. What a connector's table means is its own crate's matter.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::hours::{AnHours, Hours};
use crate::http::{self, Http};
use crate::kind::{AName, Integer, List, Parsed, Span, Text, Wrong};
use crate::layers::{FixedKey, FixedType};
use crate::load::Connectors;
use crate::names::Name;
use crate::partnership::Partnership;
use crate::place::{Place, Placed};
use crate::problem::{Code, Problem, Problems};
use crate::reader::{OpaqueTable, TableReader};
use crate::secret::{Clear, SecretRef};
use crate::suggest::{listed, nearest};
use crate::telling::{self, Contact, Ends, MailTable};

/// The keys of rostercard.toml that the environment may set, with the program's defaults.
pub const FIXED_KEYS: [FixedKey; 6] = [
    FixedKey { path: &["library", "name"], kind: FixedType::Text, default: None },
    FixedKey { path: &["library", "timezone"], kind: FixedType::Text, default: None },
    FixedKey { path: &["state", "path"], kind: FixedType::Text, default: Some("/var/lib/rostercard") },
    FixedKey { path: &["state", "key", "credential"], kind: FixedType::Reference, default: None },
    FixedKey { path: &["state", "key", "file"], kind: FixedType::Reference, default: None },
    FixedKey { path: &["state", "key", "env"], kind: FixedType::Reference, default: None },
];

/// `[library]`: the institution whose ILS holds the patrons.
#[derive(Clone, Debug)]
pub struct Library {
    /// Its name, as people know it.
    pub name: String,
    /// Its time zone, in which all days are counted.
    pub timezone: TimeZone,
    /// The time zone's name, such as `America/Los_Angeles`.
    pub timezone_name: String,
}

/// `[state]`: where the ledger and the journal are kept.
#[derive(Clone, Debug)]
pub struct State {
    /// The folder of the store; a relative path counts from the folder of rostercard.toml.
    pub path: PathBuf,
    /// The key that seals what is personal in it.
    pub key: SecretRef,
    /// So many daily backups are kept beside the store; 0: none is made.
    pub backups: u16,
    /// Days for which what a field held before an update is kept.
    pub undo_days: u16,
    /// Days for which runs are kept, with their changes and writes; their counts stay.
    pub run_days: u16,
}

/// As many daily backups as a week has days.
const BACKUPS: u16 = 7;
/// Two weeks: a run that went wrong is noticed before.
const UNDO_DAYS: u16 = 14;
/// A school year and a month: this August's load can be held against last August's.
const RUN_DAYS: u16 = 400;

/// `[daemon]`: how the daemon watches itself.
#[derive(Clone, Copy, Debug)]
pub struct DaemonTable {
    /// A run in which nothing went on for so long hangs: the daemon is not healthy, and its watchdog is no longer fed.
    pub hung_after: Duration,
}

impl Default for DaemonTable {
    fn default() -> Self {
        Self { hung_after: HUNG_AFTER }
    }
}

/// More than the longest deadline of an ILS, and some.
const HUNG_AFTER: Duration = Duration::from_secs(15 * 60);

/// `[ils.NAME]`: one ILS, and how it is reached.
#[derive(Clone, Debug)]
pub struct Ils {
    /// Its name in the configuration.
    pub name: Name,
    /// Its permanent id, by which the store knows it; the name, where none was written.
    pub id: Name,
    /// Which connector reaches it, such as `ncip`; where there are several ways, the one that makes cards.
    pub connector: String,
    /// The connector's own table.
    pub table: OpaqueTable,
    /// The other ways to reach it, by their connectors.
    pub others: Vec<(String, OpaqueTable)>,
    /// Which way looks cards up, and says whether a new one is there; the one that makes them where nothing is said.
    pub verify: Option<String>,
    /// `[ils.NAME.limits]`.
    pub limits: Limits,
    /// The longest card number that it holds, in characters.
    pub number_max: usize,
    /// What the library's own barcodes begin with.
    pub own_barcodes: Vec<String>,
    /// Where it is said.
    pub place: Place,
}

/// `[ils.NAME.limits]`: what an ILS may be asked to bear.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The hours in which its runs may begin, on the library's clock; at any time where nothing is said.
    pub hours: Vec<Hours>,
    /// Requests under way at a time.
    pub connections: u16,
    /// How long an answer is waited for.
    pub deadline: Duration,
    /// How long after an answer that never came the ILS may still carry out the request: no less than twice the
    /// deadline; less than a minute is warned of.
    pub settle_after: Duration,
    /// Requests a second, at most; as many as it can answer where nothing is said.
    pub rate: Option<u16>,
}

/// No ILS has committed later than this after its client gave up, as long as the deadline was shorter.
const SETTLE_AT_LEAST: Duration = Duration::from_secs(60);
const DEADLINE: Duration = Duration::from_secs(30);
/// The shortest span that can be meant.
const SHORTEST: Duration = Duration::from_millis(100);

impl Default for Limits {
    fn default() -> Self {
        Self {
            hours: Vec::new(),
            connections: 2,
            deadline: DEADLINE,
            settle_after: SETTLE_AT_LEAST,
            rate: None,
        }
    }
}

/// The longest card number of an ILS that does not say: that of the usual 14-digit barcode.
const NUMBER_MAX: usize = 14;

/// `[sources.NAME]`: a roster source that is named once, for several partnerships.
#[derive(Clone, Debug)]
pub struct SharedSource {
    /// Its name in the configuration.
    pub name: Name,
    /// Which connector reads it, such as `oneroster_csv`.
    pub connector: String,
    /// The connector's own table.
    pub table: OpaqueTable,
    /// Where it is said.
    pub place: Place,
}

/// rostercard.toml, read.
#[derive(Clone, Debug)]
pub struct Main {
    /// `[library]`, or the first of `[libraries]`: the one whose clock counts for what is about no partnership alone, such as
    /// daily backups.
    pub library: Library,
    /// `[libraries.NAME]`, in the order of the file; none where there is one `[library]` for all.
    pub libraries: Vec<(Name, Library)>,
    /// `[sources.NAME]`, in the order of the file.
    pub sources: Vec<SharedSource>,
    /// `[state]`.
    pub state: State,
    /// `[http]`.
    pub http: Http,
    /// `[daemon]`.
    pub daemon: DaemonTable,
    /// `[mail]`.
    pub mail: Option<MailTable>,
    /// `[[contacts]]`: who is told of every partnership.
    pub contacts: Vec<Contact>,
    /// `[[ends]]`: what ends on a day.
    pub ends: Vec<Ends>,
    /// `[ils.NAME]`, in the order of the file.
    pub ils: Vec<Ils>,
}

impl Main {
    /// The library of a partnership.
    #[must_use]
    pub fn library_of(&self, partnership: &Partnership) -> &Library {
        let named = partnership.library.as_ref();
        let found = self.libraries.iter().find(|(name, _)| Some(name) == named);
        found.map_or(&self.library, |(_, library)| library)
    }

    /// The names of all libraries, as people know them.
    #[must_use]
    pub fn library_names(&self) -> String {
        if self.libraries.is_empty() {
            return self.library.name.clone();
        }
        self.libraries.iter().map(|(_, library)| library.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The ILS of this name.
    #[must_use]
    pub fn ils(&self, name: &Name) -> Option<&Ils> {
        self.ils.iter().find(|ils| ils.name == *name)
    }
}

/// What could be read of rostercard.toml: the whole, or at least its ILSs, so that partnerships can be checked
/// against them all the same.
#[derive(Default)]
pub(crate) struct MainRead {
    pub(crate) main: Option<Main>,
    /// Every name under `[libraries]`, with mistakes in it or not.
    pub(crate) libraries: Vec<Name>,
    /// `[sources.NAME]` without mistakes.
    pub(crate) sources: Vec<SharedSource>,
    /// Every name under `[sources]`, with mistakes in it or not.
    pub(crate) sources_names: Vec<Name>,
    pub(crate) ils: Vec<Ils>,
    /// Whether it is known that no mail can be sent.
    pub(crate) no_mail: bool,
    /// Every name under `[ils]`, with mistakes in it or not.
    pub(crate) ils_names: Vec<Name>,
}

/// Reads rostercard.toml. `connectors` are the tables by which an ILS can be reached, `base` is the file's folder.
pub(crate) fn read(mut top: TableReader<'_>, connectors: Connectors<'_>, base: &Path) -> MainRead {
    let (library, libraries, libraries_names) = libraries(&mut top);
    let (sources, sources_names) = read_sources(&mut top, connectors.sources);
    let state = top
        .required_table("state", "add a line [state], and below it key = { credential = \"state-key\" }")
        .and_then(|table| read_state(table, base));
    let http = top.table("http").map(http::read).unwrap_or_default();
    let daemon = top.table("daemon").map(read_daemon).unwrap_or_default();
    let no_mail = !top.has("mail");
    let mail = top.table("mail").and_then(telling::mail);
    let contacts = telling::contacts(&mut top, true);
    telling::mail_is_there(&contacts, !no_mail, top.problems());
    let ends = telling::ends(&mut top);
    let mut ils = Vec::new();
    let mut ils_names = Vec::new();
    if let Some(mut table) = top.required_table("ils", "name your ILS: add a table such as [ils.main.ncip]") {
        let all = table.map_tables();
        if all.is_empty() {
            let advice = "name your ILS: add a table such as [ils.main.ncip]";
            let place = table.place().clone();
            table.problems().add(Problem::error(Code::MissingKey, place, "ils", "no ILS is named", advice));
        }
        for (name, table) in all {
            let known = name_of(&name, table.problems());
            ils_names.extend(known.clone());
            ils.extend(known.and_then(|name| read_ils(name, table, connectors.ils)));
        }
        table.finish();
        same_ids(&ils, top.problems());
    }
    let whole = top.finish();
    let main = match (library, state) {
        (Some(library), Some(state)) if whole => Some(Main {
            library,
            libraries,
            sources: sources.clone(),
            state,
            http,
            daemon,
            mail,
            contacts,
            ends,
            ils: ils.clone(),
        }),
        _ => None,
    };
    MainRead { main, libraries: libraries_names, sources, sources_names, ils, no_mail, ils_names }
}

/// `[library]`, or `[libraries.NAME]`: the one whose clock counts for the whole, all that have names, and all names.
fn libraries(top: &mut TableReader<'_>) -> (Option<Library>, Vec<(Name, Library)>, Vec<Name>) {
    const ONE: &str = "add a line [library], and below it name = \"...\" and timezone = \"...\"";
    // Where nothing is there it is asked for all the same, so that it is recorded.
    let named = top.has("libraries");
    let Some(mut table) = top.table("libraries").filter(|_| named) else {
        return (top.required_table("library", ONE).and_then(read_library), Vec::new(), Vec::new());
    };
    let mut names = Vec::new();
    let mut libraries = Vec::new();
    for (name, table) in table.map_tables() {
        let known = name_of(&name, table.problems());
        names.extend(known.clone());
        let library = read_library(table);
        libraries.extend(known.zip(library));
    }
    if table.is_empty() {
        let advice = "name each library: [libraries.elm], and below it name = \"...\" and timezone = \"...\"";
        let place = table.place().clone();
        top.problems().add(Problem::error(
            Code::MissingKey,
            place,
            "libraries",
            "no library is named",
            advice,
        ));
    }
    table.finish();
    if let Some(stray) = top.table("library") {
        let problem = Problem::error(
            Code::Exclusive,
            stray.place().clone(),
            "library",
            "there is [library] for one library, or [libraries.NAME] for several, not both",
            "give this one a name of its own: [libraries.NAME]",
        );
        top.problems().add(problem.and_at(top.place_of("libraries"), "the others"));
        // What stands in it is read, so that its own mistakes are told too.
        let _read = read_library(stray);
    }
    (libraries.first().map(|(_, library)| library.clone()), libraries, names)
}

/// `[sources.NAME.CONNECTOR]`.
fn read_sources(top: &mut TableReader<'_>, connectors: &[&str]) -> (Vec<SharedSource>, Vec<Name>) {
    let (mut sources, mut names) = (Vec::new(), Vec::new());
    let Some(mut all) = top.table("sources") else { return (sources, names) };
    for (name, mut table) in all.map_tables() {
        let known = name_of(&name, table.problems());
        names.extend(known.clone());
        let place = table.place().clone();
        let source = table.one_table_of(connectors, "a roster source");
        table.finish();
        if let (Some(name), Some((connector, table))) = (known, source) {
            sources.push(SharedSource { name, connector, table, place });
        }
    }
    all.finish();
    (sources, names)
}

/// A name from a key, or a problem.
pub(crate) fn name_of(name: &Placed<String>, problems: &Problems) -> Option<Name> {
    let found = Name::new(&name.value);
    if found.is_none() {
        let mut problem = Problem::about(
            name,
            Code::BadName,
            "this is not a name",
            "write lowercase letters, digits and hyphens alone",
        );
        if let Some(better) = Name::suggest(&name.value) {
            problem.advice.insert(0, format!("for example `{better}`"));
        }
        problems.add(problem);
    }
    found
}

fn read_library(mut table: TableReader<'_>) -> Option<Library> {
    let name = table.required("name", &Text, "\"Woodland Public Library\"");
    let timezone = table.required("timezone", &Parsed(time_zone), "\"America/Los_Angeles\"");
    table.finish();
    let (timezone_name, timezone) = timezone?.value;
    Some(Library { name: name?.value, timezone, timezone_name })
}

fn time_zone(name: &str) -> Result<(String, TimeZone), Wrong> {
    if let Ok(zone) = TimeZone::get(name) {
        return Ok((name.to_owned(), zone));
    }
    let database = jiff::tz::db();
    if database.available().next().is_none() {
        return Err(Wrong::value(
            "cannot be looked up: this machine has no time zones",
            "install the package tzdata, or write \"UTC\"",
        ));
    }
    let known: Vec<String> = database.available().map(|name| name.to_string()).collect();
    // `Los_Angeles` is meant as often as a mistyped `America/Los_Angeles`.
    let city = |full: &str| full.rsplit('/').next().unwrap_or_default().to_owned();
    let meant = nearest(name, known.iter().map(String::as_str)).map(str::to_owned).or_else(|| {
        let cities: Vec<String> = known.iter().map(|full| city(full)).collect();
        let near = nearest(&city(name), cities.iter().map(String::as_str))?;
        known.iter().find(|full| city(full) == near).cloned()
    });
    let wrong = Wrong::value(
        "is not a time zone that this machine knows",
        "write an area and a city, as in \"America/Los_Angeles\"",
    );
    Err(Wrong { meant, ..wrong })
}

fn read_state(mut table: TableReader<'_>, base: &Path) -> Option<State> {
    let path = table.required("path", &Text, "\"/var/lib/rostercard\"");
    let key = table.required_secret("key", Clear::Refused);
    let small = |number: Option<Placed<i64>>, otherwise: u16| {
        number.and_then(|number| u16::try_from(number.value).ok()).unwrap_or(otherwise)
    };
    let backups = small(table.optional("backups", &Integer(0..=366)), BACKUPS);
    let undo_days = small(table.optional("undo_days", &Integer(0..=366)), UNDO_DAYS);
    let run_days = small(table.optional("run_days", &Integer(30..=3_660)), RUN_DAYS);
    table.finish();
    Some(State { path: base.join(path?.value), key: key?, backups, undo_days, run_days })
}

fn read_daemon(mut table: TableReader<'_>) -> DaemonTable {
    let longest = Duration::from_secs(24 * 3600);
    let hung_after = table.or("hung_after", &Span(Duration::from_secs(1)..=longest), HUNG_AFTER);
    table.finish();
    DaemonTable { hung_after: hung_after.value }
}

fn read_ils(name: Name, mut table: TableReader<'_>, connectors: &[&str]) -> Option<Ils> {
    let place = table.place().clone();
    let id = read_id(&mut table, &name);
    let number_max = table.optional("number_max", &Integer(4..=64));
    let own_barcodes = table.optional("own_barcodes", &List { of: Text, empty: true });
    let limits = table.table("limits").map(read_limits);
    let ways = table.tables_of(connectors, "a way to reach this ILS");
    let create = read_way(&mut table, "create", &ways);
    let verify = read_way(&mut table, "verify", &ways);
    if ways.len() > 1 && !table.has("create") {
        let names: Vec<&str> = ways.iter().map(|(name, _)| name.as_str()).collect();
        let first = names.first().copied().unwrap_or_default();
        let advice =
            format!("there are {}: add this line: create = \"{first}\"", listed(names.iter().copied()));
        table.missing("create", &advice);
    }
    let whole = table.finish();
    let mut others = ways;
    let at =
        create.as_ref().and_then(|create| others.iter().position(|(name, _)| name == create)).unwrap_or(0);
    if others.is_empty() {
        return None;
    }
    let (connector, table) = others.remove(at);
    let number_max = number_max.and_then(|number| usize::try_from(number.value).ok()).unwrap_or(NUMBER_MAX);
    whole.then(|| Ils {
        id,
        name,
        connector,
        table,
        others,
        verify,
        limits: limits.unwrap_or_default(),
        number_max,
        own_barcodes: own_barcodes.map(|own| own.value).unwrap_or_default(),
        place,
    })
}

/// A key that names one of an ILS's ways.
fn read_way(table: &mut TableReader<'_>, key: &str, ways: &[(String, OpaqueTable)]) -> Option<String> {
    let named = table.optional(key, &Text)?;
    if ways.iter().any(|(name, _)| *name == named.value) {
        return Some(named.value);
    }
    let names: Vec<&str> = ways.iter().map(|(name, _)| name.as_str()).collect();
    let mut problem = Problem::about(
        &named,
        Code::BadValue,
        "is not one of this ILS's ways",
        format!("write one of {}, or add a table for it", listed(names.iter().copied())),
    );
    if let Some(near) = nearest(&named.value, names.iter().copied()) {
        problem.advice.insert(0, format!("did you mean `{near}`?"));
    }
    table.problems().add(problem);
    None
}

/// The permanent id, or the name and a warning.
pub(crate) fn read_id(table: &mut TableReader<'_>, name: &Name) -> Name {
    if !table.has("id") {
        table.problems().add(Problem::warning(
            Code::MissingKey,
            table.place().clone(),
            table.key("id"),
            format!(
                "no permanent id is written, so the name `{name}` serves: renamed, it would lose its links"
            ),
            format!("add this line and never change it: id = \"{name}\""),
        ));
    }
    table.optional("id", &AName).map_or_else(|| name.clone(), |id| id.value)
}

fn read_limits(mut table: TableReader<'_>) -> Limits {
    let connections = table.optional("connections", &Integer(1..=64));
    let deadline = table.or("deadline", &Span(SHORTEST..=Duration::from_secs(600)), DEADLINE).value;
    let least = deadline.saturating_mul(2).max(SETTLE_AT_LEAST);
    let settle_after = table.or("settle_after", &Span(SHORTEST..=Duration::from_secs(86_400)), least);
    let rate = table.optional("rate", &Integer(1..=10_000));
    let hours = table.optional("hours", &List { of: AnHours, empty: false });
    if settle_after.value < least {
        let problem = Problem::about(
            &settle_after,
            Code::Contradiction,
            "is shorter than an ILS may take to carry out a request that was given up",
            format!("write at least twice the deadline and a minute: \"{}s\"", least.as_secs()),
        );
        // Under a minute is for those who know their ILS, such as a practice one; under twice the deadline is for nobody.
        let knowing = settle_after.value >= deadline.saturating_mul(2);
        table.problems().add(if knowing { problem.as_warning() } else { problem });
    }
    table.finish();
    let default = Limits::default();
    let small = |number: Placed<i64>| u16::try_from(number.value).ok();
    Limits {
        hours: hours.map(|hours| hours.value).unwrap_or_default(),
        connections: connections.and_then(small).unwrap_or(default.connections),
        deadline,
        settle_after: settle_after.value,
        rate: rate.and_then(small),
    }
}

fn same_ids(all: &[Ils], problems: &Problems) {
    for (at, ils) in all.iter().enumerate() {
        if let Some(other) = all.iter().take(at).find(|other| other.id == ils.id) {
            problems.add(
                Problem::error(
                    Code::Twice,
                    ils.place.clone(),
                    format!("ils.{}.id", ils.name),
                    "two ILSs have the same id",
                    "give each its own: the links in the store hang on it",
                )
                .and_at(other.place.clone(), "the other one"),
            );
        }
    }
}
