//! partnerships/NAME.toml: one agreement between a district and the library, read into the core's rules.
//! What the ILS can do with them is judged elsewhere; here is only what the file itself can tell.

mod card;
mod dates;
mod guards;
mod people;

use std::path::PathBuf;
use std::time::Duration;

use rostercard_core::calendar::Dates;
use rostercard_core::consent::Programme;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::guard::Guards;
use rostercard_core::rules::{CardRules, Existing, OnLeaving};

pub use dates::DatePlaces;

use crate::hours::{AnHours, Hours};
use crate::kind::{AName, Integer, List, Parsed, Span, Text, Word, Wrong, words};
use crate::main_file::{MainRead, read_id};
use crate::names::Name;
use crate::place::{Place, Placed};
use crate::problem::{Code, Problem};
use crate::reader::{OpaqueTable, TableReader, TextOrTable};
use crate::suggest::listed;
use crate::telling::{self, Contact, Ends};

/// Counts below this are held back in reports.
const SMALL_CELLS: u16 = 10;
/// The fields that a library may agree to have added to families' own cards. Never what the family or staff look after.
const AGREED: &[Field] =
    &[Field::StudentId, Field::Statistics, Field::Note, Field::Email, Field::Phone, Field::Address];
/// Those that are, unless said otherwise.
const AGREED_UNLESS_SAID: &[Field] = &[Field::StudentId, Field::Statistics];
/// Days after which an extract of the ILS's patrons is too old, unless said otherwise.
const EXTRACT_DAYS: u16 = 14;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Days after which a source that gives changes alone is read in full again, unless said otherwise.
const FULL_EVERY: u16 = 7;

/// Whole days, at least one.
fn days(span: Duration) -> u16 {
    u16::try_from(span.as_secs() / DAY.as_secs()).unwrap_or(u16::MAX).max(1)
}

/// One partnership, read and checked.
#[derive(Clone, Debug)]
pub struct Partnership {
    /// Its name: that of its file.
    pub name: Name,
    /// Its permanent id, by which the store knows it; the name, where none was written.
    pub id: Name,
    /// The district, as people know it.
    pub district: String,
    /// The library, where rostercard.toml names several.
    pub library: Option<Name>,
    /// The ILS, by its name.
    pub ils: Name,
    /// When it runs: a crontab line of five fields, checked by its shape alone. None: by hand only.
    pub schedule: Option<Placed<String>>,
    /// A run begins up to so long after its time, by a delay that is always the same for the partnership.
    pub jitter: Duration,
    /// Hours in which no run begins, on the library's clock: one that is due then begins at their end.
    pub quiet: Vec<Hours>,
    /// `[[contacts]]`: who is told of this partnership, besides the library's own.
    pub contacts: Vec<Contact>,
    /// `[[ends]]`: what ends on a day, such as the source's secret.
    pub ends: Vec<Ends>,
    /// How often a new roster comes, where that was said: a roster older than this, and half as much again, is late.
    pub expected_every: Option<Duration>,
    /// A source that gives changes alone (OneRoster REST, Clever) is read in full again after so many days.
    pub full_every: u16,
    /// Which connector reads the roster, such as `oneroster_csv`.
    pub source: String,
    /// The source connector's own table.
    pub source_table: OpaqueTable,
    /// The name of the source, where it is one of rostercard.toml's (`source = "NAME"`) that several partnerships may use.
    pub shared_source: Option<Name>,
    /// The schools that are this partnership's, where its source has those of others too, each as it is written and where:
    /// those of `[eligible] schools`, or else of `[homes]`.
    pub own_schools: Vec<(String, Place)>,
    /// `[card]`, `[[card.for]]`, `[eligible]`, `[homes]`, `[fields]`, `[match]`.
    pub rules: CardRules,
    /// `[guards]`.
    pub guards: Guards,
    /// `[lapse]`.
    pub lapse: LapseRules,
    /// `[calendar]`, `[agreement]`, and what `[lapse]` says of graduates.
    pub dates: Dates,
    /// Where dates stand that pass.
    pub date_places: DatePlaces,
    /// `[match]`.
    pub matching: Matching,
    /// `[pins]`.
    pub pins: PinsRules,
    /// `[report] small_cells`: the smallest count that a report shows.
    pub small_cells: u16,
    /// Where the partnership begins, for problems that are about the whole of it.
    pub place: Place,
    /// Where the number of `[card]` is said, and then that of each `[[card.for]]`.
    pub number_places: Vec<Place>,
    /// Where `[homes]` begins.
    pub homes_place: Place,
}

/// `[match]`: what becomes of cards that students already have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// The library's choice.
    pub existing: Existing,
    /// Where it was said.
    pub place: Place,
    /// Which fields may be added to a card that is the family's own.
    pub adds: FieldSet,
    /// A dated extract of the ILS's patrons, as CSV, for an ILS that can be searched by number only.
    pub extract: Option<PathBuf>,
    /// After so many days an extract is too old to say that somebody is new.
    pub extract_days: u16,
}

/// `[lapse]`: when a student counts as gone, and what then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LapseRules {
    /// Days for which a student must be missing; school days, where there is a `[calendar]`.
    pub grace_days: u16,
    /// Complete rosters from which a student must be missing.
    pub grace_feeds: u16,
    /// What then.
    pub then: OnLeaving,
    /// Where that was said.
    pub then_place: Option<Place>,
}

impl Default for LapseRules {
    fn default() -> Self {
        Self { grace_days: 30, grace_feeds: 3, then: OnLeaving::NotRenewed, then_place: None }
    }
}

/// `[pins]`: what becomes of PINs after their cards were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinsRules {
    /// Days after which PINs that were handed out are forgotten, confirmed or not.
    pub forget_days: u16,
    /// So many cards get new PINs at once; more wait for approval.
    pub reissue_at_once: u16,
}

impl Default for PinsRules {
    fn default() -> Self {
        Self { forget_days: 30, reissue_at_once: 25 }
    }
}

fn pins(mut table: TableReader<'_>) -> PinsRules {
    let default = PinsRules::default();
    let small = |number: Option<Placed<i64>>, otherwise: u16| {
        number.and_then(|number| u16::try_from(number.value).ok()).unwrap_or(otherwise)
    };
    let forget_days = table.optional("forget_days", &Integer(1..=365));
    let reissue_at_once = table.optional("reissue_at_once", &Integer(0..=10_000));
    table.finish();
    PinsRules {
        forget_days: small(forget_days, default.forget_days),
        reissue_at_once: small(reissue_at_once, default.reissue_at_once),
    }
}

/// Reads a partnership's file.
pub(crate) fn read(
    name: &Name,
    mut top: TableReader<'_>,
    sources: &[&str],
    main: &MainRead,
) -> Option<Partnership> {
    let place = top.place().clone();
    let id = read_id(&mut top, name);
    let district = top.required("district", &Text, "\"Woodland Joint Unified School District\"");
    let library = library(&mut top, main);
    let ils = top.required("ils", &AName, "\"main\"");
    let schedule = top.optional("schedule", &Parsed(schedule));
    let jitter = top.or("jitter", &Span(Duration::ZERO..=HOUR.saturating_mul(6)), Duration::ZERO);
    let quiet = top.optional("quiet", &List { of: AnHours, empty: true });
    let contacts = telling::contacts(&mut top, false);
    telling::mail_is_there(&contacts, !main.no_mail, top.problems());
    let ends = telling::ends(&mut top);
    let expected_every = top.optional("expected_every", &Span(HOUR..=HOUR.saturating_mul(24 * 730)));
    let full_every = top.optional("full_every", &Span(DAY..=DAY.saturating_mul(92)));
    let source = source(&mut top, sources, main);
    if let Some(ils) = &ils {
        known_ils(ils, main, &top);
    }
    let ils_found = ils.as_ref().and_then(|name| main.ils.iter().find(|ils| ils.name == name.value));
    let fields = people::fields(&mut top);
    let (homes, listed_homes) = people::homes(&mut top);
    let eligible_place = top.place_of("eligible");
    let homes_place = top.place_of("homes");
    let eligible = people::eligible(&mut top, homes.as_ref());
    let own_schools = match &eligible.schools {
        Some(schools) => schools.iter().map(|school| (school.clone(), eligible_place.clone())).collect(),
        None => {
            let taken = |school: &&(String, Place)| !eligible.not_schools.contains(&school.0);
            listed_homes.iter().filter(taken).cloned().collect()
        }
    };
    let card = top
        .required_table(
            "card",
            "say what card students get: add a line [card], and below it model, category, ...",
        )
        .and_then(|table| card::read(table, &fields, ils_found.map(|ils| ils.number_max)));
    let programme = top.table("optout").map(optout).unwrap_or_default();
    let matching = top
        .required_table(
            "match",
            "say what becomes of cards that students already have: see `existing` below [match]",
        )
        .and_then(matching);
    let (mut guards, expect) = top.table("guards").map(guards::read).unwrap_or_default();
    // A roster that is late by its rhythm is late, whether or not a limit was written.
    let late = |every: &Placed<Duration>| every.value.as_secs() + every.value.as_secs() / 2;
    guards.roster_age = guards.roster_age.or(expected_every.as_ref().map(late));
    let mut dates = Dates::default();
    let place_of = |name: &str| top.place_of(name);
    let date_places = DatePlaces { agreement: place_of("agreement"), calendar: place_of("calendar"), expect };
    if let Some(table) = top.table("calendar") {
        dates.calendar = dates::calendar(table);
    }
    if let Some(table) = top.table("agreement") {
        dates.agreement = dates::agreement(table);
    }
    let lapse = top.table("lapse").map(|table| lapse(table, &mut dates)).unwrap_or_default();
    let pins = top.table("pins").map(pins).unwrap_or_default();
    let small_cells = top.table("report").map(|mut table| {
        let least = table.optional("small_cells", &Integer(2..=1_000));
        table.finish();
        least
    });
    let small_cells =
        small_cells.flatten().and_then(|least| u16::try_from(least.value).ok()).unwrap_or(SMALL_CELLS);
    let whole = top.finish();

    let (Source { connector: source, table: source_table, shared: shared_source }, card) = (source?, card?);
    let library = library?;
    let rules = CardRules {
        card: card.rule,
        card_for: card.card_for,
        eligible,
        homes: homes?,
        fields,
        names: card.names,
        address: card.address,
        existing: matching.as_ref()?.existing,
        agreed: matching.as_ref()?.adds,
        programme,
        number_max: ils_found?.number_max,
    };
    let (name, district, ils) = (name.clone(), district?.value, ils?.value);
    whole.then_some(Partnership {
        name,
        id,
        district,
        library,
        ils,
        schedule,
        jitter: jitter.value,
        quiet: quiet.map(|quiet| quiet.value).unwrap_or_default(),
        contacts,
        ends,
        expected_every: expected_every.map(|every| every.value),
        full_every: full_every.map_or(FULL_EVERY, |every| days(every.value)),
        source,
        source_table,
        shared_source,
        own_schools,
        rules,
        guards,
        lapse,
        dates,
        date_places,
        matching: matching?,
        pins,
        small_cells,
        place,
        number_places: card.numbers,
        homes_place,
    })
}

/// The source of a partnership: a table of its own, or one that rostercard.toml names.
struct Source {
    connector: String,
    table: OpaqueTable,
    shared: Option<Name>,
}

fn source(top: &mut TableReader<'_>, connectors: &[&str], main: &MainRead) -> Option<Source> {
    const ADVICE: &str = "say where the roster comes from: add a table such as [source.oneroster_csv]";
    if !top.has("source") {
        top.missing("source", ADVICE);
        return None;
    }
    let named = match top.text_or_table("source")? {
        TextOrTable::Table(mut table) => {
            let source = table.one_table_of(connectors, "a roster source");
            table.finish();
            return source.map(|(connector, table)| Source { connector, table, shared: None });
        }
        TextOrTable::Text(named) => named,
    };
    let found = main.sources.iter().find(|source| source.name.as_str() == named.value);
    if let Some(found) = found {
        let (connector, table) = (found.connector.clone(), found.table.clone());
        return Some(Source { connector, table, shared: Some(found.name.clone()) });
    }
    // One with mistakes in it was told where it stands.
    if !main.sources_names.iter().any(|name| name.as_str() == named.value) {
        let names = || main.sources_names.iter().map(Name::as_str);
        let advice = if main.sources_names.is_empty() {
            format!("add it to rostercard.toml, as a table such as [sources.{}.oneroster_csv]", "NAME")
        } else {
            format!("write {}, or add a table below [sources] in rostercard.toml", listed(names()))
        };
        let problem =
            Problem::about(&named, Code::UnknownWord, "rostercard.toml names no such source", advice);
        top.problems().add(problem.did_you_mean(&named.value, names()));
    } else {
        top.problems().add(Problem::about(
            &named,
            Code::Contradiction,
            "this source has mistakes in rostercard.toml",
            "mend them there",
        ));
    }
    None
}

/// `library`: which of several it is. `None` where that cannot be told.
#[expect(clippy::option_option, reason = "a mistake, and a configuration with one library, are two things")]
fn library(top: &mut TableReader<'_>, main: &MainRead) -> Option<Option<Name>> {
    let named = top.optional("library", &AName);
    let names = || main.libraries.iter().map(Name::as_str);
    match (named, main.libraries.as_slice()) {
        (None, []) => Some(None),
        // There is only one that can be meant.
        (None, [one]) => Some(Some(one.clone())),
        (None, _) => {
            if !top.has("library") {
                top.missing(
                    "library",
                    &format!("say whose agreement this is: library = one of {}", listed(names())),
                );
            }
            None
        }
        (Some(named), _) if main.libraries.contains(&named.value) => Some(Some(named.value)),
        (Some(named), []) => {
            // Where rostercard.toml could not be read at all, that was told already.
            if main.main.is_some() {
                top.problems().add(Problem::about(
                    &named,
                    Code::UnknownWord,
                    "rostercard.toml has one [library], which has no name",
                    "remove this line, or write [libraries.NAME] there instead of [library]",
                ));
            }
            None
        }
        (Some(named), _) => {
            let problem = Problem::about(
                &named,
                Code::UnknownWord,
                "rostercard.toml names no such library",
                format!("write {}, or add the library to rostercard.toml", listed(names())),
            );
            top.problems().add(problem.did_you_mean(named.value.as_str(), names()));
            None
        }
    }
}

fn known_ils(ils: &Placed<Name>, main: &MainRead, top: &TableReader<'_>) {
    // Where rostercard.toml could not be read at all, that was told already.
    if main.ils_names.is_empty() || main.ils_names.contains(&ils.value) {
        return;
    }
    let names = || main.ils_names.iter().map(Name::as_str);
    top.problems().add(
        Problem::about(
            ils,
            Code::UnknownWord,
            "rostercard.toml names no such ILS",
            format!("write {}, or add the ILS to rostercard.toml", listed(names())),
        )
        .did_you_mean(ils.value.as_str(), names()),
    );
}

/// The shape of a crontab line; what it means is judged where it is used.
fn schedule(text: &str) -> Result<String, Wrong> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let shaped = |field: &&str| {
        field.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'/' | b',' | b'-'))
    };
    if fields.len() == 5 && fields.iter().all(shaped) {
        return Ok(fields.join(" "));
    }
    Err(Wrong::value(
        "is not a line of a crontab",
        "write five fields, minute, hour, day, month, day of the week: \"30 4 * * MON-FRI\" is 4:30 on working days",
    ))
}

fn matching(mut table: TableReader<'_>) -> Option<Matching> {
    if !table.has("existing") {
        // The one choice that has no default: each of the three is wrong for somebody.
        table.missing(
            "existing",
            "choose one of three:\n\
             existing = \"separate\" makes a card of its own beside any other\n\
             existing = \"link\" adds the agreed fields to the card that is there\n\
             existing = \"skip\" makes none, and reports it",
        );
    }
    let existing = table.optional("existing", &Word(&words(Existing::ALL, Existing::word)));
    let adds = table.optional("adds", &List { of: Word(&words(AGREED, Field::word)), empty: true });
    let extract = table.optional("extract", &Text).map(|path| PathBuf::from(path.value));
    let extract_days = table.optional("extract_days", &Integer(1..=366));
    table.finish();
    let existing = existing?;
    Some(Matching {
        existing: existing.value,
        place: existing.place,
        adds: adds.map_or_else(|| FieldSet::of(AGREED_UNLESS_SAID), |adds| adds.value.into_iter().collect()),
        extract,
        extract_days: extract_days.and_then(|days| u16::try_from(days.value).ok()).unwrap_or(EXTRACT_DAYS),
    })
}

/// `[optout]`.
fn optout(mut table: TableReader<'_>) -> Programme {
    let programme = table.or("programme", &Word(&words(Programme::ALL, Programme::word)), Programme::OptOut);
    table.finish();
    programme.value
}

fn lapse(mut table: TableReader<'_>, dates: &mut Dates) -> LapseRules {
    let default = LapseRules::default();
    let small = |number: Option<Placed<i64>>, otherwise: u16| {
        number.and_then(|number| u16::try_from(number.value).ok()).unwrap_or(otherwise)
    };
    let days = table.optional("grace_days", &Integer(1..=730));
    let feeds = table.optional("grace_feeds", &Integer(1..=100));
    dates::graduates(&mut table, dates);
    let then = table.optional("then", &Word(&words(OnLeaving::ALL, OnLeaving::word)));
    let (then, then_place) = match then {
        Some(then) => (then.value, Some(then.place)),
        None => (default.then, None),
    };
    if let Some(days) = days.as_ref().filter(|days| days.value < 7 && then != OnLeaving::NotRenewed) {
        table.problems().add(
            Problem::about(
                days,
                Code::Unwise,
                "a student who is missing from the roster for a holiday would lose the card",
                "write at least 7 days; 30 are usual",
            )
            .as_warning(),
        );
    }
    table.finish();
    LapseRules {
        grace_days: small(days, default.grace_days),
        grace_feeds: small(feeds, default.grace_feeds),
        then,
        then_place,
    }
}
