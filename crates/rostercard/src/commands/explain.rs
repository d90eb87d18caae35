//! `explain`: one person, from the roster through the rules and the ledger to the ILS. Writes nothing, and shows neither name
//! nor birth date unless it is asked to.

use rostercard_config::Partnership;
use rostercard_core::digest::{Digest, DigestKey, DigestKind};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::grade::Grade;
use rostercard_core::plan::{ChangeState, kind_of};
use rostercard_core::policy::{self, Decision, Today};
use rostercard_core::ports::{Completeness, FindKey, Lookup};
use rostercard_core::privacy::Personal;
use rostercard_core::reason::Reason;
use rostercard_core::student::{Damaged, Student};
use rostercard_core::threeway::changed_wishes;
use rostercard_core::words::LinkState;
use rostercard_engine::person_key;
use rostercard_store::Store;
use rostercard_store::rows::{Link, PartnershipId, PastChange};
use serde_json::{Value, json};

use crate::cli::{Explain, Global};
use crate::exit::Exit;
use crate::machine::Environment;
use crate::output::{Out, complain};
use crate::roster::{self, Reader};
use crate::setup::Setup;

/// So many planned changes are told.
const CHANGES: usize = 10;

/// What is known of a person.
struct Known {
    roster: Result<Option<InRoster>, String>,
    /// The roster has changes alone, or no new file has come: who is not in it is not missing.
    delta: bool,
    link: Option<Link>,
    changes: Vec<PastChange>,
    open_write: bool,
}

/// What the roster says of a person.
enum InRoster {
    Student(Box<Student>),
    Damaged(Finding),
}

/// Looks for one person in a roster.
struct Search<'a> {
    key: &'a DigestKey,
    partnership: &'a str,
    person: Digest,
    found: Option<InRoster>,
}

impl Search<'_> {
    fn is(&self, student_id: &Personal) -> bool {
        person_key(self.key, self.partnership, student_id) == self.person
    }
}

impl Reader for Search<'_> {
    fn student(&mut self, student: Student) {
        if self.is(&student.student_id) {
            self.found = Some(InRoster::Student(Box::new(student)));
        }
    }

    fn damaged(&mut self, damaged: Damaged) {
        if damaged.student_id.as_ref().is_some_and(|id| self.is(id)) {
            self.found = Some(InRoster::Damaged(damaged.finding));
        }
    }
}

/// Explains a person.
pub(crate) async fn explain(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &Explain,
) -> Result<Exit, Exit> {
    let Some(store) = setup.store_to_read()? else {
        let hint = "the first `rostercard plan` or `sync` makes it";
        complain(global.json, "there is no store yet, and so nothing is known of anybody", hint);
        return Err(Exit::Failed);
    };
    let (name, person) = match (&args.partnership, &args.student_id, &args.barcode) {
        (Some(name), Some(student_id), _) => {
            let partnership = setup.partnership(name)?;
            let id = Personal::new(student_id.trim());
            (name.clone(), person_key(store.digest_key(), partnership.id.as_str(), &id))
        }
        (_, _, Some(barcode)) => by_barcode(global, setup, &*store, &Personal::new(barcode.trim())).await?,
        _ => {
            let hint = "rostercard explain PARTNERSHIP STUDENT-ID, or rostercard explain --barcode NUMBER";
            complain(global.json, "nobody was named", hint);
            return Err(Exit::Usage);
        }
    };
    let partnership = setup.partnership(&name)?;
    if args.reveal {
        setup.note_reveal(environment, Some(partnership), "explain")?;
    }
    let error = |error| setup.store_error(&error);
    let row = store
        .partnerships()
        .await
        .map_err(error)?
        .into_iter()
        .find(|row| row.permanent_id == partnership.id.as_str());
    let known = known(setup, &*store, partnership, row.map(|row| row.id), person).await?;
    let ils = match (&known.link, args.online) {
        (Some(link), true) => match &link.data.barcode {
            Some(barcode) => Some(online(setup, partnership, barcode).await?),
            None => None,
        },
        _ => None,
    };
    let value = as_json(setup, &*store, partnership, &known, ils.as_ref(), args.reveal)?;
    if global.json {
        Out::stdout().json(&value);
    } else {
        in_words(&value);
    }
    Ok(Exit::Done)
}

/// Whose card this is, in any partnership.
async fn by_barcode(
    global: &Global,
    setup: &Setup,
    store: &dyn Store,
    barcode: &Personal,
) -> Result<(String, Digest), Exit> {
    let error = |error| setup.store_error(&error);
    let rows = store.partnerships().await.map_err(error)?;
    for row in &rows {
        let numbers = std::slice::from_ref(barcode);
        for (_, person) in store.numbers_in_use(&row.ils, numbers).await.map_err(error)? {
            if store.links(row.id, &[person]).await.map_err(error)?.is_empty() {
                continue;
            }
            let named =
                setup.loaded.partnerships.iter().filter_map(|(name, p)| Some((name, p.as_ref().ok()?)));
            if let Some((name, _)) = named.clone().find(|(_, p)| p.id.as_str() == row.permanent_id) {
                return Ok((name.clone(), person));
            }
            let hint = "its file is not in partnerships/ any more, or has mistakes";
            complain(global.json, &format!("this card is of partnership {}", row.name), hint);
            return Err(Exit::Failed);
        }
    }
    let hint = "`rostercard ils find ILS --barcode NUMBER` asks the ILS; a card of the library's own is not in the ledger";
    complain(global.json, "the ledger has no card with this number", hint);
    Err(Exit::Failed)
}

async fn known(
    setup: &Setup,
    store: &dyn Store,
    partnership: &Partnership,
    row: Option<PartnershipId>,
    person: Digest,
) -> Result<Known, Exit> {
    let error = |error| setup.store_error(&error);
    let mut known =
        Known { roster: Ok(None), delta: false, link: None, changes: Vec::new(), open_write: false };
    if let Some(row) = row {
        known.link = store.links(row, &[person]).await.map_err(error)?.pop();
        known.changes = store.past_changes(row, person, CHANGES).await.map_err(error)?;
        let open = store.open_intents(row).await.map_err(error)?;
        known.open_write = open.iter().any(|intent| intent.person == person);
    }
    let mut source = setup.source_to_look_at(partnership)?;
    let mut search =
        Search { key: store.digest_key(), partnership: partnership.id.as_str(), person, found: None };
    known.roster = match roster::read(&mut *source, &mut search).await {
        Ok((_, completeness)) => {
            known.delta = completeness == Completeness::Delta;
            Ok(search.found)
        }
        Err(error) => Err(error.message),
    };
    Ok(known)
}

/// What the ILS holds under a number now.
async fn online(setup: &Setup, partnership: &Partnership, barcode: &Personal) -> Result<Value, Exit> {
    let (_, directory) = setup.ils(partnership.ils.as_str())?;
    Ok(match directory.find(&FindKey::Barcode(barcode.clone())).await {
        Lookup::Found(patron) => json!({
            "lookup": "found",
            "category": patron.values.category.as_ref().map(ToString::to_string),
            "branch": patron.values.home_branch.as_ref().map(ToString::to_string),
            "expires": patron.values.expiry.map(|day| day.to_string()),
            "blocked": patron.blocked,
        }),
        Lookup::NotFound => json!({ "lookup": "not_found" }),
        Lookup::Many => json!({ "lookup": "unknown", "why": "the ILS has several patrons with this number" }),
        Lookup::NotVisible => {
            json!({ "lookup": "unknown", "why": "the ILS does not show the patron to this login" })
        }
        Lookup::Unknown(error) => json!({ "lookup": "unknown", "why": error.message }),
    })
}

fn as_json(
    setup: &Setup,
    store: &dyn Store,
    partnership: &Partnership,
    known: &Known,
    ils: Option<&Value>,
    reveal: bool,
) -> Result<Value, Exit> {
    let day = setup.today_of(partnership)?;
    let link = known.link.as_ref();
    let mut decision = None;
    let roster = match &known.roster {
        Err(why) => json!({ "found": null, "why": why }),
        Ok(None) if known.delta => json!({
            "found": false, "why": "the roster has newcomers and changes alone, or no new file has come",
        }),
        Ok(None) => json!({ "found": false }),
        Ok(Some(InRoster::Damaged(finding))) => {
            decision = Some(Decision::No(Reason::Reject(rostercard_core::reason::Reject::Record {
                code: finding.code.to_owned(),
            })));
            json!({ "found": true, "place": finding.place.to_string(), "damaged": finding.message })
        }
        Ok(Some(InRoster::Student(student))) => {
            let held_expiry = link.and_then(|link| link.data.expiry);
            let today = Today { date: day, held_expiry };
            decision = Some(policy::decide((**student).clone(), &partnership.rules, today));
            let place = student.row.as_ref().map(Place::from);
            let findings: Vec<String> = student.findings.iter().map(ToString::to_string).collect();
            let mut value = json!({
                "found": true,
                "place": place.map(|place| place.to_string()),
                "role": student.role.word(),
                "grade": student.grade.map(|grade| grade.to_string()),
                "school": student.school().map(|school| school.label()),
                "noticed": findings,
            });
            if let (true, Some(object)) = (reveal, value.as_object_mut()) {
                object.insert("student_id".to_owned(), json!(student.student_id.reveal()));
                object.insert("given_name".to_owned(), json!(student.given_name.reveal()));
                object.insert("family_name".to_owned(), json!(student.family_name.reveal()));
                let born = student.birth_date.map(|date| date.reveal().to_string());
                object.insert("birth_date".to_owned(), json!(born));
            }
            value
        }
    };
    let waiting = known.changes.iter().find(|change| change.state == ChangeState::Waiting);
    let history: Vec<Value> = known
        .changes
        .iter()
        .map(
            |change| json!({ "run": change.run.0, "kind": change.kind.word(), "state": change.state.word() }),
        )
        .collect();
    let rules = match &decision {
        None => Value::Null,
        Some(Decision::Wanted(wanted)) => json!({
            "card": true,
            "model": wanted.model.word(),
            "category": wanted.values.category.as_ref().map(ToString::to_string),
            "branch": wanted.values.home_branch.as_ref().map(ToString::to_string),
            "expires": wanted.values.expiry.map(|day| day.to_string()),
        }),
        Some(Decision::No(reason)) => json!({
            "card": false, "code": reason.code(), "why": reason.to_string(), "what_to_do": what_to_do(reason),
        }),
    };
    let ledger = link.map(|link| {
        let data = &link.data;
        json!({
            "state": data.state.word(),
            "reason": data.reason,
            "model": data.model.map(rostercard_core::words::CardModel::word),
            "category": data.category.as_ref().map(ToString::to_string),
            "branch": data.branch.as_ref().map(ToString::to_string),
            "school": data.school.1,
            "grade": data.grade.and_then(Grade::from_code).map(|grade| grade.to_string()),
            "expires": data.expiry.map(|day| day.to_string()),
            "missing_since": link.missing_since.map(|day| day.to_string()),
            "feeds_missed": link.feeds_missed,
            "barcode": data.barcode.as_ref().filter(|_| reveal).map(Personal::reveal),
        })
    });
    let next = next(store, partnership, decision.as_ref(), known, waiting.is_some());
    Ok(json!({
        "partnership": partnership.name.as_str(),
        "roster": roster,
        "rules": rules,
        "ledger": ledger,
        "open_write": known.open_write,
        "waiting_in": waiting.map(|change| change.run.0),
        "next_run": next,
        "history": history,
        "ils": ils,
    }))
}

/// What the next run would do for the person, in words.
fn next(
    store: &dyn Store,
    partnership: &Partnership,
    decision: Option<&Decision>,
    known: &Known,
    waits: bool,
) -> String {
    if known.open_write {
        return "settle a write whose answer never came, by a look-up".to_owned();
    }
    if waits {
        return "plan the change anew; until then it waits for approval".to_owned();
    }
    let key = store.digest_key();
    let link = known.link.as_ref();
    let has_patron = link.is_some_and(|link| link.data.state.has_patron());
    match (decision, link) {
        (None, _) if known.roster.is_err() => "nothing: the roster cannot be read".to_owned(),
        (None, Some(link)) if known.delta && link.data.state.is_live() => {
            "nothing: the card stays; this roster has newcomers and changes alone".to_owned()
        }
        (None, None) => {
            "nothing: the student is in neither roster nor ledger; is the id written as the roster writes it?"
                .to_owned()
        }
        (None, Some(link)) if link.data.state.is_live() => {
            let grace = &partnership.lapse;
            format!(
                "count the student as missing; after {} days and {} rosters without the student the card is not renewed any more",
                grace.grace_days, grace.grace_feeds
            )
        }
        (None, Some(_)) => "nothing: the student is not in the roster".to_owned(),
        (Some(Decision::No(_)), _) if has_patron => "nothing: the card stays as it is".to_owned(),
        (Some(Decision::No(_)), _) => "nothing: there is no card to be made".to_owned(),
        (Some(Decision::Wanted(_)), None) => "make a card, if the number is free".to_owned(),
        (Some(Decision::Wanted(wanted)), Some(link)) => match link.data.state {
            LinkState::Lapsed => "bring the card back".to_owned(),
            LinkState::Gone => {
                "nothing: the patron is gone from the ILS, which is a question for a person".to_owned()
            }
            LinkState::Review => "nothing while nothing changes: it is a question for a person".to_owned(),
            state if !state.has_patron() => "make a card, if the number is free".to_owned(),
            _ => {
                let mut hasher = key.hasher(DigestKind::Decided);
                let decided = Decision::Wanted(wanted.clone());
                let print = policy::fingerprint(&decided, &partnership.rules.fields, &mut hasher);
                if print == link.data.decided {
                    return "nothing: the card is as it should be".to_owned();
                }
                let fields =
                    changed_wishes(&wanted.values, &link.data.digests, &partnership.rules.fields, key);
                let names: Vec<&str> = fields.iter().map(rostercard_core::field::Field::word).collect();
                match kind_of(fields) {
                    _ if names.is_empty() => "note what changed; the card stays as it is".to_owned(),
                    kind => format!("{kind}: {}", names.join(", ")),
                }
            }
        },
    }
}

/// What helps, by whose side it is.
pub(crate) fn what_to_do(reason: &Reason) -> &'static str {
    match reason {
        Reason::NotEligible(_) => "nothing is wrong: [eligible] says who is in the programme",
        Reason::Pending(_) => {
            "give the school its branch in [homes]; `rostercard source schools` prints the lines"
        }
        Reason::Reject(_) => "the district corrects it in its system; `rostercard rejects` lists all of them",
        Reason::Review(_) => "look at the patron in the ILS's staff client",
    }
}

fn in_words(value: &Value) {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let out = Out::stdout();
    let roster = &value["roster"];
    let of = |value: &Value, key: &str| text(&value[key]);
    match roster["found"].as_bool() {
        None => out.line(&format!("Roster: it cannot be read: {}", of(roster, "why").unwrap_or_default())),
        Some(false) => {
            let why = of(roster, "why").map(|why| format!(": {why}")).unwrap_or_default();
            out.line(&format!("Roster: not in it{why}."));
        }
        Some(true) => {
            let parts: Vec<String> = [
                "place",
                "role",
                "grade",
                "school",
                "student_id",
                "given_name",
                "family_name",
                "birth_date",
                "damaged",
            ]
            .iter()
            .filter_map(|key| Some(format!("{} {}", key.replace('_', " "), of(roster, key)?)))
            .collect();
            out.line(&format!("Roster: {}.", parts.join(", ")));
            for noticed in roster["noticed"].as_array().into_iter().flatten() {
                out.line(&format!("  noticed: {}", text(noticed).unwrap_or_default()));
            }
        }
    }
    let pairs = |from: &Value, keys: &[&str]| -> String {
        let parts: Vec<String> = keys
            .iter()
            .filter_map(|key| Some(format!("{} {}", key.replace('_', " "), of(from, key)?)))
            .collect();
        parts.join(", ")
    };
    let rules = &value["rules"];
    match rules["card"].as_bool() {
        None => {}
        Some(true) => {
            out.line(&format!(
                "Rules: a card: {}.",
                pairs(rules, &["model", "category", "branch", "expires"])
            ));
        }
        Some(false) => out.line(&format!(
            "Rules: no card: {}. {}.",
            of(rules, "why").unwrap_or_default(),
            of(rules, "what_to_do").unwrap_or_default()
        )),
    }
    let ledger = &value["ledger"];
    if ledger.is_null() {
        out.line("Ledger: nothing.");
    } else {
        let keys = [
            "state",
            "reason",
            "model",
            "category",
            "branch",
            "school",
            "grade",
            "expires",
            "missing_since",
            "barcode",
        ];
        out.line(&format!("Ledger: {}.", pairs(ledger, &keys)));
    }
    for past in value["history"].as_array().into_iter().flatten() {
        out.line(&format!(
            "  run {}: {}, {}",
            past["run"],
            of(past, "kind").unwrap_or_default(),
            of(past, "state").unwrap_or_default()
        ));
    }
    if let Some(run) = value["waiting_in"].as_i64() {
        out.line(&format!("Waiting: a change waits for approval in run {run}."));
    }
    let ils = &value["ils"];
    if !ils.is_null() {
        out.line(&format!(
            "ILS: {}.",
            pairs(ils, &["lookup", "why", "category", "branch", "expires", "blocked"])
        ));
    }
    out.line(&format!("The next run would: {}.", of(value, "next_run").unwrap_or_default()));
}
