//! `pins`: what becomes of the PINs of new cards. They lie sealed in the store until they are written to private files,
//! by school, for the library to print or send; and are forgotten once that was confirmed, or some days later.
//!
//! Never shown on the screen, never in `--json`.

mod files;
mod letters;

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use rostercard_config::Partnership;
use rostercard_core::digest::{Digest, DigestKey};
use rostercard_core::grade::Grade;
use rostercard_core::policy::{self, Decision, Today};
use rostercard_core::ports::{Completeness, FindKey, Lookup};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_core::student::Student;
use rostercard_engine::person_key;
use rostercard_store::Store;
use rostercard_store::rows::{Partnership as Known, PinBatchId};
use serde_json::json;

use crate::cli::{Global, PinsCommand, PinsExport, PinsReissue};
use crate::commands::run::{stoppable, tell};
use crate::exit::Exit;
use crate::machine::{self, Environment};
use crate::output::{Out, complain, counted};
use crate::roster::{self, Reader};
use crate::setup::Setup;

/// Runs a command about PINs.
pub(crate) async fn pins(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    command: &PinsCommand,
) -> Result<Exit, Exit> {
    match command {
        PinsCommand::List { partnership } => list(global, setup, partnership).await,
        PinsCommand::Export(args) => export(global, setup, environment, args).await,
        PinsCommand::Confirm { partnership, batch, all: _, who } => {
            let who = who.clone().unwrap_or_else(|| environment.login());
            confirm(global, setup, partnership, batch.map(PinBatchId), &who).await
        }
        PinsCommand::Reissue(args) => reissue(global, setup, environment, args).await,
    }
}

/// The partnership as the store knows it.
async fn known(
    global: &Global,
    setup: &Setup,
    store: &dyn Store,
    partnership: &Partnership,
) -> Result<Known, Exit> {
    let all = store.partnerships().await.map_err(|error| setup.store_error(&error))?;
    all.into_iter().find(|known| known.permanent_id == partnership.id.as_str()).ok_or_else(|| {
        complain(
            global.json,
            &format!("partnership {} has no card yet, and so no PIN", partnership.name),
            "`rostercard plan` shows what the first run would do",
        );
        Exit::Failed
    })
}

// ---- list ----

async fn list(global: &Global, setup: &Setup, name: &str) -> Result<Exit, Exit> {
    let partnership = setup.partnership(name)?;
    let Some(store) = setup.store_to_read()? else {
        return say_nothing(global, name);
    };
    let known = known(global, setup, &*store, partnership).await?;
    let error = |error| setup.store_error(&error);
    let pins = store.pins(known.id).await.map_err(error)?;
    let people: Vec<Digest> = pins.iter().map(|pin| pin.person).collect();
    let links = store.links(known.id, &people).await.map_err(error)?;
    let school: HashMap<Digest, String> =
        links.into_iter().map(|link| (link.person, link.data.school.1)).collect();
    let mut by_school: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for pin in &pins {
        let label = school.get(&pin.person).map_or("", String::as_str);
        let counts = by_school.entry(label).or_default();
        if pin.batch.is_none() { counts.0 += 1 } else { counts.1 += 1 }
    }
    let batches = store.pin_batches(known.id).await.map_err(error)?;
    if global.json {
        let schools: Vec<_> = by_school
            .iter()
            .map(|(school, (new, exported))| json!({ "school": school, "new": new, "exported": exported }))
            .collect();
        let batches: Vec<_> = batches
            .iter()
            .map(|b| {
                json!({
                    "batch": b.id.0, "at": b.at.to_string(), "who": b.who, "pins": b.pins, "kept": b.kept,
                    "confirmed_at": b.confirmed.as_ref().map(|c| c.0.to_string()),
                    "confirmed_by": b.confirmed.as_ref().map(|c| &c.1),
                })
            })
            .collect();
        Out::stdout().json(&json!({ "partnership": name, "schools": schools, "batches": batches }));
        return Ok(Exit::Done);
    }
    if by_school.is_empty() {
        return say_nothing(global, name);
    }
    let out = Out::stdout();
    out.line(&format!("{} kept for {name}:", counted(pins.len() as u64, "PIN is", "PINs are")));
    for (label, (new, exported)) in &by_school {
        out.line(&format!("  {label}: {new} not handed out yet, {exported} handed out and not confirmed"));
    }
    for batch in batches.iter().filter(|batch| batch.kept > 0) {
        out.line(&format!(
            "  batch {}: {} written out at {:.0} by {}; `rostercard pins confirm {name} --batch {}` forgets them",
            batch.id, batch.kept, batch.at, batch.who, batch.id
        ));
    }
    Ok(Exit::Done)
}

fn say_nothing(global: &Global, name: &str) -> Result<Exit, Exit> {
    if global.json {
        Out::stdout().json(&json!({ "partnership": name, "schools": [], "batches": [] }));
    } else {
        Out::stdout().line(&format!("No PIN is kept for {name}."));
    }
    Ok(Exit::Done)
}

// ---- export ----

/// What the files say of a person.
pub(crate) struct Recipient {
    pub(crate) student_id: Personal,
    pub(crate) given_name: Personal,
    pub(crate) family_name: Personal,
    pub(crate) grade: String,
    pub(crate) school: (String, String),
    /// Number and PIN, where there is a PIN to hand out.
    pub(crate) card: Option<(Personal, Secret)>,
}

/// Gathers those of a roster whom a letter or a line is for.
struct Recipients<'a> {
    key: &'a DigestKey,
    partnership: &'a Partnership,
    today: Date,
    cards: HashMap<Digest, (Personal, Secret)>,
    /// Everybody in the programme, for letters; else those with a PIN alone.
    everybody: bool,
    found: Vec<Recipient>,
}

impl Reader for Recipients<'_> {
    fn student(&mut self, student: Student) {
        let person = person_key(self.key, self.partnership.id.as_str(), &student.student_id);
        let card = self.cards.remove(&person);
        if card.is_none() && !self.everybody {
            return;
        }
        let school = student.school().map(|school| (school.key().to_owned(), school.label()));
        let recipient = Recipient {
            student_id: student.student_id.clone(),
            given_name: student.given_name.clone(),
            family_name: student.family_name.clone(),
            grade: student.grade.map(|grade| grade.to_string()).unwrap_or_default(),
            school: school.unwrap_or_default(),
            card,
        };
        let today = Today { date: self.today, held_expiry: None };
        if recipient.card.is_some()
            || matches!(policy::decide(student, &self.partnership.rules, today), Decision::Wanted(_))
        {
            self.found.push(recipient);
        }
    }
}

/// Whether a person means this school: by its key, its name, or both as they are shown.
fn is_school(meant: &str, (key, label): &(String, String)) -> bool {
    meant == key
        || meant == label
        || label.strip_prefix(key.as_str()).is_some_and(|name| name.trim_start() == meant)
}

async fn export(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &PinsExport,
) -> Result<Exit, Exit> {
    let partnership = setup.partnership(&args.partnership)?;
    let name = partnership.name.as_str();
    let mut source = setup.source_to_look_at(partnership)?;
    let store = setup.store()?;
    let known = known(global, setup, &*store, partnership).await?;
    let error = |error| setup.store_error(&error);

    let mut cards = HashMap::new();
    for kept in store.pins(known.id).await.map_err(error)? {
        if kept.batch.is_none() || args.again {
            cards.insert(kept.person, kept.pin);
        }
    }
    let people: Vec<Digest> = cards.keys().copied().collect();
    let mut with_number = HashMap::new();
    let mut schools = HashMap::new();
    for link in store.links(known.id, &people).await.map_err(error)? {
        let wanted = args.school.as_ref().is_none_or(|only| is_school(only, &link.data.school));
        if let (true, Some(barcode), Some(pin)) = (wanted, link.data.barcode, cards.remove(&link.person)) {
            with_number.insert(link.person, (barcode, pin));
            let grade = link.data.grade.and_then(Grade::from_code).map(|grade| grade.to_string());
            schools.insert(link.person, (link.data.school, grade.unwrap_or_default()));
        }
    }
    let people: Vec<Digest> = with_number.keys().copied().collect();
    if people.is_empty() {
        let hint = if args.again { "" } else { "--again writes out once more what was not confirmed yet" };
        let place = args.school.as_ref().map(|school| format!(" of {school}")).unwrap_or_default();
        complain(global.json, &format!("no PIN{place} waits to be handed out"), hint);
        return Err(Exit::Failed);
    }

    // Names come from the roster of today: the store has none.
    let mut recipients = Recipients {
        key: store.digest_key(),
        partnership,
        today: setup.today_of(partnership)?,
        cards: with_number,
        everybody: args.letters,
        found: Vec::new(),
    };
    let (_, completeness) = roster::read(&mut *source, &mut recipients).await.map_err(|error| {
        let hint = "the PINs stay where they are: without names nobody knows whose they are";
        complain(global.json, &format!("the roster cannot be read: {}", error.message), hint);
        crate::commands::run::source_exit(&error)
    })?;
    let Recipients { cards: mut left, mut found, .. } = recipients;
    // A file of additions that was used is put away, and nobody is missing for not being in it: then the ILS knows the names.
    let by_the_ils = completeness == Completeness::Delta && !left.is_empty();
    if by_the_ils {
        let (_, directory) = setup.ils(partnership.ils.as_str())?;
        let waiting: Vec<Digest> = left.keys().copied().collect();
        for person in waiting {
            let (Some((barcode, pin)), Some((school, grade))) = (left.get(&person), schools.get(&person))
            else {
                continue;
            };
            let Lookup::Found(patron) = directory.find(&FindKey::Barcode(barcode.clone())).await else {
                continue;
            };
            found.push(Recipient {
                student_id: patron.values.student_id.unwrap_or_default(),
                given_name: patron.values.given_name.unwrap_or_default(),
                family_name: patron.values.surname.unwrap_or_default(),
                grade: grade.clone(),
                school: school.clone(),
                card: Some((barcode.clone(), pin.clone())),
            });
            left.remove(&person);
        }
    }
    if let Some(only) = &args.school {
        found.retain(|one| one.card.is_some() || is_school(only, &one.school));
    }
    let missing = left.len();
    // A card is handed out at the school that the ledger knows; whoever is not in the roster today is left for later.
    let batch: Vec<Digest> = people.into_iter().filter(|person| !left.contains_key(person)).collect();
    if batch.is_empty() {
        let hint = "their PINs stay sealed; `rostercard pins reissue` sets new ones when they are back";
        complain(global.json, "nobody whose PIN waits is in the roster today, or found in the ILS", hint);
        return Err(Exit::Failed);
    }

    let folder = files::Folder::open(&args.out).map_err(|error| {
        complain(global.json, &error.to_string(), error.hint());
        Exit::Failed
    })?;
    let who = args.who.clone().unwrap_or_else(|| environment.login());
    let number = store.export_pins(known.id, &batch, machine::now(), &who).await.map_err(error)?;
    let library = &setup.main()?.library_of(partnership).name;
    let written = folder.write(library, name, number, found, args.letters).map_err(|error| {
        complain(global.json, &error.to_string(), error.hint());
        Exit::Failed
    })?;
    if global.json {
        Out::stdout().json(&json!({
            "partnership": name, "batch": number.0, "pins": batch.len(), "not_in_roster": missing,
            "names_from_ils": by_the_ils, "files": written,
        }));
        return Ok(Exit::Done);
    }
    let out = Out::stdout();
    out.line(&format!("Batch {number}: {} written out.", counted(batch.len() as u64, "PIN", "PINs")));
    for file in &written {
        out.line(&format!("  {file}"));
    }
    if missing > 0 {
        out.line(&format!(
            "{} not in the roster today: their PINs stay sealed.",
            counted(missing as u64, "person is", "people are")
        ));
    }
    if by_the_ils && args.letters {
        out.line(
            "The roster at hand does not have everybody, so there are letters for those with a new PIN alone: send them home by mail, \
             or the school learns who had a card before.",
        );
    }
    out.line(&format!(
        "Delete the files when they are printed or sent, and then: rostercard pins confirm {name} --batch {number}"
    ));
    Ok(Exit::Done)
}

// ---- confirm ----

async fn confirm(
    global: &Global,
    setup: &Setup,
    name: &str,
    batch: Option<PinBatchId>,
    who: &str,
) -> Result<Exit, Exit> {
    let partnership = setup.partnership(name)?;
    let store = setup.store()?;
    let known = known(global, setup, &*store, partnership).await?;
    let forgotten = store
        .confirm_pins(known.id, batch, machine::now(), who)
        .await
        .map_err(|error| setup.store_error(&error))?;
    if global.json {
        Out::stdout().json(&json!({ "partnership": name, "forgotten": forgotten }));
    } else {
        Out::stdout().line(&format!("{} forgotten.", counted(forgotten, "PIN is", "PINs are")));
    }
    Ok(Exit::Done)
}

// ---- reissue ----

async fn reissue(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &PinsReissue,
) -> Result<Exit, Exit> {
    let partnership = setup.partnership(&args.partnership)?;
    let mut students: Vec<Personal> = args.student_id.iter().map(Personal::new).collect();
    if let Some(file) = &args.file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            complain(
                global.json,
                &format!("{}: {error}", file.display()),
                "a text file with a student id a line",
            );
            Exit::Failed
        })?;
        students.extend(text.lines().filter_map(Personal::non_blank));
    }
    if students.is_empty() {
        complain(
            global.json,
            "no student id was given",
            "name them by --student-id, or a file with one a line by --file",
        );
        return Err(Exit::Usage);
    }
    let store = setup.store()?;
    let (engine, world) = setup.engine(partnership, store)?;
    let who = args.who.clone().unwrap_or_else(|| environment.login());
    tell(global, stoppable(&world, engine.reissue_pins(&students, &who)).await)
}
