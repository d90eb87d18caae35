//! `inventory` and `forget`: what is stored about one student, for a family's or a district's request, and how it is removed.
//!
//! Without `--reveal` only what kinds of things there are is said, never a value. A PIN is never shown: `pins export` writes
//! those. The patron in the ILS is the library's, and stays.

use jiff::{Span, Timestamp};
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::grade::Grade;
use rostercard_core::patron::PatronValues;
use rostercard_core::privacy::Personal;
use rostercard_core::spool;
use rostercard_core::threeway::FieldDigests;
use rostercard_core::words::CardModel;
use rostercard_engine::person_key;
use rostercard_source_oneroster::Kept;
use rostercard_store::keep::{AuditEntry, Held, HeldWrite};
use rostercard_store::rows::{IntentEnd, IntentKind, Link, Partnership as Known, Wish};
use rostercard_store::{SqliteStore, Store};
use serde_json::{Value, json};

use crate::cli::{self, Global};
use crate::commands::purge::{stored, typed, unknown};
use crate::exit::Exit;
use crate::images;
use crate::machine::{self, Environment};
use crate::output::{Out, complain, counted};
use crate::setup::Setup;

/// How a thing is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it is: a code, a count, a date.
    Plain,
    /// Sealed with the store's key.
    Sealed,
    /// As a keyed digest, which cannot be turned back.
    Digest,
}

impl Form {
    fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sealed => "sealed",
            Self::Digest => "digest",
        }
    }
}

/// A thing that is stored about a student.
struct Item {
    what: String,
    form: Form,
    /// Until when, in words.
    until: String,
    /// Its value, for who may see it. A digest has none.
    value: Option<String>,
}

/// The partnership of the store, or why not.
async fn known(global: &Global, setup: &Setup, store: &dyn Store, name: &str) -> Result<Known, Exit> {
    match stored(setup, store, name).await? {
        Some(known) => Ok(known),
        None => Err(unknown(global, setup, store, name).await?),
    }
}

fn no_store(global: &Global) -> Exit {
    complain(global.json, "there is no store yet, and so nothing is stored about anybody", "");
    Exit::Failed
}

/// Says what is stored about a student.
pub(crate) async fn inventory(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &cli::Inventory,
) -> Result<Exit, Exit> {
    let main = setup.main()?;
    let Some(store) = setup.store_to_read()? else { return Err(no_store(global)) };
    let known = known(global, setup, &*store, &args.partnership).await?;
    if args.reveal {
        setup.note(&AuditEntry {
            at: machine::now(),
            who: environment.login(),
            what: "reveal".to_owned(),
            partnership: Some(known.permanent_id.clone()),
            run: None,
            detail: "inventory".to_owned(),
        })?;
    }
    let id = Personal::new(args.student_id.trim());
    let person = person_key(store.digest_key(), &known.permanent_id, &id);
    let held = store.held(known.id, person).await.map_err(|error| setup.store_error(&error))?;
    let mut items = items(&held, main.state.undo_days);
    in_roster(&kept(global, setup, &known, &id)?, &mut items);
    let copies = crate::commands::backup::own_copies(&main.state.path).len() as u64;
    if global.json {
        let held = !items.is_empty();
        let items: Vec<Value> = items
            .iter()
            .map(|item| {
                json!({
                    "what": item.what, "kept_as": item.form.word(), "until": item.until,
                    "value": item.value.as_ref().filter(|_| args.reveal),
                })
            })
            .collect();
        Out::stdout().json(&json!({
            "partnership": known.name, "held": held, "items": items, "copies_of_the_store": copies,
        }));
        return Ok(Exit::Done);
    }
    let out = Out::stdout();
    if items.is_empty() {
        out.line(&format!(
            "Nothing is stored about this student of {}. Is the id written as the roster writes it?",
            known.name
        ));
        return Ok(Exit::Done);
    }
    out.line(&format!("Stored about this student of {}:", known.name));
    for item in &items {
        let value = match (&item.value, args.reveal) {
            (Some(value), true) => format!(": {value}"),
            _ => String::new(),
        };
        out.line(&format!("  {}{value} ({}; {})", item.what, item.form.word(), item.until));
    }
    out.line("Names, birth date, address and contacts are stored nowhere but where it says so above.");
    if copies > 0 {
        out.line(&format!(
            "The same, as of their days, is in {} of the store; `[state] backups` says how many are kept.",
            counted(copies, "backup", "backups")
        ));
    }
    if !args.reveal {
        out.line("--reveal shows the values too, and is noted in the audit log.");
    }
    Ok(Exit::Done)
}

/// What the roster that is kept for delta packages has of a student.
fn kept(global: &Global, setup: &Setup, known: &Known, id: &Personal) -> Result<Vec<Kept>, Exit> {
    images::of(setup, &known.permanent_id)?.about(id).map_err(|why| roster_error(global, &why))
}

fn roster_error(global: &Global, why: &std::io::Error) -> Exit {
    let hint =
        "look at the owner and the permissions of the folder `rosters` beside the store, and do it again";
    complain(global.json, &format!("the roster kept for delta packages: {why}"), hint);
    Exit::Failed
}

fn in_roster(kept: &[Kept], items: &mut Vec<Item>) {
    for row in kept {
        items.push(Item {
            what: format!("a row of {} in the roster that is kept for delta packages", row.file),
            form: Form::Sealed,
            until: "until the district's packages delete or replace it".to_owned(),
            value: Some(row.values.reveal().to_owned()),
        });
    }
}

const WITH_THE_LINK: &str = "until the student is forgotten or the partnership purged";

/// Everything that is held, thing by thing.
fn items(held: &Held, undo_days: u16) -> Vec<Item> {
    let mut items = Vec::new();
    if let Some(link) = &held.link {
        of_link(link, &mut items);
    }
    let mut add = |what: String, form, until: String, value| items.push(Item { what, form, until, value });
    if let Some((since, batch)) = &held.pin {
        let written = batch.map(|batch| format!(", written out in batch {batch}")).unwrap_or_default();
        add(
            format!("the PIN of the new card, since {since:.0}{written}; shown by `pins export` alone"),
            Form::Sealed,
            "until it is confirmed, or some days after it was handed out".to_owned(),
            None,
        );
    }
    for change in &held.changes {
        let school = Some(change.school.clone());
        let words = format!("a planned change in run {}: {}, {}", change.run, change.kind, change.state);
        add(words, Form::Plain, "as long as its run is kept".to_owned(), school);
        if change.spool.is_empty() {
            continue;
        }
        let (what, value) = match spool::decode(&change.spool) {
            Ok(wanted) => (names(wanted.values.present()), Some(shown(&wanted.values))),
            Err(_) => ("what cannot be read".to_owned(), None),
        };
        let until = "until the change is made, dropped or expired".to_owned();
        add(format!("what that change wants: {what}"), Form::Sealed, until, value);
    }
    for write in &held.writes {
        of_write(write, undo_days, &mut add);
    }
    if let Some(wish) = &held.wish {
        let words = if wish.wants { "the family wants a card" } else { "the family said no to a card" };
        let value = format!("{words}, noted {:.0} by {} ({})", wish.at, wish.who, wish.origin);
        let until = "until it is ended; a no stays when the student is forgotten";
        add("the family's wish, under a key".to_owned(), Form::Digest, until.to_owned(), Some(value));
    }
    for answer in &held.answers {
        let value = format!("{}: {}, {:.0} by {}", answer.question, answer.answer, answer.at, answer.who);
        add(
            "an answer to a review, under a key".to_owned(),
            Form::Digest,
            WITH_THE_LINK.to_owned(),
            Some(value),
        );
    }
    items
}

fn of_write(write: &HeldWrite, undo_days: u16, add: &mut impl FnMut(String, Form, String, Option<String>)) {
    let kind = match write.kind {
        IntentKind::Create => "a new patron",
        IntentKind::SetPin => "a PIN",
        IntentKind::Update => "changed fields",
        IntentKind::Block => "a block",
        IntentKind::Unblock => "the end of a block",
    };
    let ended = match write.ended {
        None => "its end is not known yet".to_owned(),
        Some((IntentEnd::Applied, at)) => format!("written {at:.0}"),
        Some((IntentEnd::Rejected, at)) => format!("refused by the ILS {at:.0}"),
        Some((IntentEnd::NotWritten, at)) => format!("not written, {at:.0}"),
    };
    let fields = names(write.fields);
    let fields = if fields.is_empty() { String::new() } else { format!(" ({fields})") };
    add(
        format!("a write to the ILS in run {}: {kind}{fields}, {ended}; and the number's digest", write.run),
        Form::Plain,
        "as long as its run is kept".to_owned(),
        None,
    );
    if write.unsettled_values {
        let until = "until its end is known".to_owned();
        add("what that write sends: values, number, PIN".to_owned(), Form::Sealed, until, None);
    }
    if let Some(before) = &write.before {
        let until = match write.ended.and_then(|(_, at)| after(at, undo_days)) {
            Some(at) => format!("until the first sync after {at:.0}"),
            None => format!("until {undo_days} days after it has ended"),
        };
        let what = format!("what the patron held before that write: {}", names(before.present()));
        add(what, Form::Sealed, until, Some(shown(before)));
    }
}

fn after(at: Timestamp, days: u16) -> Option<Timestamp> {
    at.checked_add(Span::new().hours(i64::from(days) * 24)).ok()
}

fn of_link(link: &Link, items: &mut Vec<Item>) {
    let data = &link.data;
    let mut add = |what: &str, form, value: Option<String>| {
        items.push(Item { what: what.to_owned(), form, until: WITH_THE_LINK.to_owned(), value });
    };
    add("who the student is, as a key", Form::Digest, None);
    add("how the student and the patron stand", Form::Plain, Some(data.state.word().to_owned()));
    let plain = [
        ("why", data.reason.clone()),
        ("school", Some(data.school.1.clone())),
        ("grade", data.grade.and_then(Grade::from_code).map(|grade| grade.to_string())),
        ("card model", data.model.map(CardModel::word).map(str::to_owned)),
        ("category", data.category.as_ref().map(ToString::to_string)),
        ("home branch", data.branch.as_ref().map(ToString::to_string)),
        ("the day the card expires", data.expiry.map(|day| day.to_string())),
        ("since when missing from the roster", link.missing_since.map(|day| day.to_string())),
    ];
    for (what, value) in plain {
        if value.is_some() {
            add(what, Form::Plain, value);
        }
    }
    let revealed = |value: &Personal| value.reveal().to_owned();
    if !data.source_ids.is_empty() {
        let ids: Vec<String> = data.source_ids.iter().map(revealed).collect();
        add("the roster's ids of the student", Form::Sealed, Some(ids.join(", ")));
    }
    for (what, value) in [
        ("the ILS's id of the patron", &data.patron_id),
        ("the card's number, and its digest", &data.barcode),
        ("the user name", &data.user_name),
    ] {
        if let Some(value) = value {
            add(what, Form::Sealed, Some(revealed(value)));
        }
    }
    let none = FieldDigests::default();
    let compared: Vec<&str> = Field::ALL
        .iter()
        .filter(|field| data.digests.get(**field) != none.get(**field))
        .map(|field| field.word())
        .collect();
    if !compared.is_empty() {
        let what = format!("what was sent and what the ILS then held, of: {}", compared.join(", "));
        add(&what, Form::Digest, None);
    }
    add("the fingerprint of what was last decided", Form::Digest, None);
}

fn names(fields: FieldSet) -> String {
    let names: Vec<&str> =
        Field::ALL.iter().filter(|field| fields.contains(**field)).map(|field| field.word()).collect();
    names.join(", ")
}

/// The values of a patron, for who may see them.
fn shown(values: &PatronValues) -> String {
    let all: Vec<String> = Field::ALL
        .iter()
        .filter_map(|field| Some(format!("{} {}", field.word(), values.canonical(*field)?)))
        .collect();
    all.join("; ")
}

const ROSTER_HAS_IT: &str = "While the roster has the student, the next run takes them for a newcomer, whose number is taken: --opt-out keeps a digest \
     alone, so that no card is made and nothing is asked.";

/// Removes everything that is stored about a student.
pub(crate) async fn forget(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &cli::Forget,
) -> Result<Exit, Exit> {
    let error = |error| setup.store_error(&error);
    let main = setup.main()?;
    let Some(reader) = setup.store_to_read()? else { return Err(no_store(global)) };
    let known = known(global, setup, &*reader, &args.partnership).await?;
    let id = Personal::new(args.student_id.trim());
    let person = person_key(reader.digest_key(), &known.permanent_id, &id);
    let held = reader.held(known.id, person).await.map_err(error)?;
    let has_card = held.link.as_ref().is_some_and(|link| link.data.state.has_patron());
    drop(reader);
    let in_roster = kept(global, setup, &known, &id)?.len() as u64;
    if held.is_empty() && in_roster == 0 {
        let hint = "is the id written as the roster writes it?";
        complain(global.json, &format!("nothing is stored about this student of {}", known.name), hint);
        return Err(Exit::Failed);
    }
    if !args.yes {
        let count = items(&held, main.state.undo_days).len() as u64 + in_roster;
        if !global.json {
            let out = Out::stdout();
            out.line(&format!(
                "{} of {} would be removed for good; `rostercard inventory` lists them. A card in the ILS stays.",
                counted(count, "thing about this student", "things about this student"),
                known.name
            ));
            out.line("Type yes to remove them:");
        }
        if global.json || typed() != "yes" {
            complain(
                global.json,
                "nothing was removed",
                "add --yes to remove it for good; it cannot be undone",
            );
            return Err(Exit::Usage);
        }
    }
    let who = args.who.clone().unwrap_or_else(|| environment.login());
    let store = setup.store()?;
    if args.opt_out {
        // Noted first: a no that is there stays when the student is forgotten.
        let (at, who, origin) = (machine::now(), who.clone(), "command".to_owned());
        let no = Wish { person, identity: None, wants: false, at, who, origin };
        store.write_wishes(known.id, vec![no]).await.map_err(error)?;
    }
    let removed = store.forget(known.id, person, machine::now(), &who).await.map_err(error)?;
    // While nobody else writes to the store, nobody makes another roster of this one.
    let from_roster =
        images::of(setup, &known.permanent_id)?.forget(&id).map_err(|why| roster_error(global, &why))?;
    let no_card = store.held(known.id, person).await.map_err(error)?.wish.is_some_and(|wish| !wish.wants);
    drop(store);
    SqliteStore::scrub(&setup.store_path()?, &setup.store_key()?).map_err(error)?;
    let copies = crate::commands::backup::own_copies(&main.state.path).len() as u64;
    if global.json {
        let rows: serde_json::Map<String, Value> =
            removed.iter().map(|removed| (removed.table.clone(), json!(removed.rows))).collect();
        Out::stdout().json(&json!({
            "partnership": known.name, "removed": rows, "card_in_ils": has_card, "opted_out": no_card, "rows_of_kept_rosters": from_roster, "copies_of_the_store": copies,
        }));
        return Ok(Exit::Done);
    }
    let out = Out::stdout();
    let rows: u64 = removed.iter().map(|removed| removed.rows).sum();
    out.line(&format!("Forgotten: {} about this student of {}.", counted(rows, "row", "rows"), known.name));
    if from_roster > 0 {
        out.line(&format!(
            "{} went from the roster that is kept for delta packages. When the district names the student again, they are in it again.",
            counted(from_roster, "row", "rows")
        ));
    }
    if has_card {
        out.line("The card in the ILS stays, and is the library's: staff can end or delete it there.");
    }
    if no_card {
        out.line("That no card is wanted is kept, as a digest alone: no card is made again.");
    } else {
        out.line(ROSTER_HAS_IT);
    }
    if copies > 0 {
        out.line(&format!(
            "The student is still in {} of the store made before: daily backups go by themselves (`[state] backups`), a store that a \
             restore kept is yours to delete.",
            counted(copies, "copy", "copies")
        ));
    }
    Ok(Exit::Done)
}
