//! The directory: look-ups by every key that Koha can be searched by, creates and changes, each read back.
//!
//! A create is two calls (the patron, and what became of it); its PIN is a third, a step of its own. A change is three:
//! what is there now, the change, what became of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    Capabilities, Capability, CapabilityState, ConnectorError, Creation, Fault, FieldChanges, FindBy,
    FindKey, Lookup, Outcome, PatronFinder, PatronWriter, Rejection, RejectionKind, Retry,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_core::words::Code;
use rostercard_web::Answer;
use serde_json::{Map, Value, json};

use crate::answer::{Meaning, What};
use crate::api::{Api, Asked, Searched, Seen};
use crate::difference::{Difference, difference};
use crate::fold::{fold, same};
use crate::map::{MIDDLE_NAME, Mapping, Obstacle, clean};
use crate::record::{ATTRIBUTES, Record, Unreadable, new_id};
use crate::settings::{KohaSettings, SettingsError};

/// The most patrons that a look-up reads: enough to see that there are several, and to leave namesakes out.
const SEVERAL: usize = 50;
/// How many numbers [`KohaDirectory::find_many`] asks for in one request.
const AT_ONCE: usize = 100;
/// How many numbers are remembered as taken by patrons that this login does not see.
const HIDDEN: usize = 10_000;
/// What helps where a login does not see a patron.
pub(crate) const SEE_ALL: &str = "Grant the login borrowers:view_borrower_infos_from_any_libraries in Koha, or have the patron looked at by somebody \
     who sees it.";

/// Patrons of one Koha.
#[derive(Debug)]
pub struct KohaDirectory {
    pub(crate) settings: KohaSettings,
    pub(crate) api: Api,
    known: Mutex<Known>,
    /// Held while it is asked what this version knows, so that the first creates cause one request; true once it was asked.
    asked: tokio::sync::Mutex<bool>,
}

/// What has been learnt of this Koha since the start.
struct Known {
    lookup: CapabilityState,
    create: CapabilityState,
    update: CapabilityState,
    search: CapabilityState,
    /// The properties of a patron in this version; `None` until one was seen.
    properties: Option<Arc<BTreeSet<String>>>,
    /// Categories whose fee was looked at, with how the cards came into them.
    fees: HashSet<(Code, What)>,
    /// Numbers, folded, that are taken by patrons that this login does not see.
    hidden: HashSet<String>,
    findings: BTreeMap<&'static str, BTreeSet<String>>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

/// A look-up, with the record that the patron came from.
enum Looked {
    Found(Box<Patron>, Box<Record>),
    Not(Lookup),
}

impl KohaDirectory {
    /// Sets up the directory. Nothing is sent yet.
    ///
    /// # Errors
    /// [`SettingsError`] where TLS cannot be set up as asked.
    pub fn new(settings: KohaSettings) -> Result<Self, SettingsError> {
        Ok(Self {
            api: Api::new(&settings)?,
            known: Mutex::new(Known {
                lookup: CapabilityState::Claimed,
                create: CapabilityState::Claimed,
                update: CapabilityState::Claimed,
                search: CapabilityState::Claimed,
                properties: None,
                fees: HashSet::new(),
                hidden: HashSet::new(),
                findings: BTreeMap::new(),
            }),
            asked: tokio::sync::Mutex::new(false),
            settings,
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mapping(&self) -> Mapping<'_> {
        let middle_name = self.known().properties.as_ref().is_none_or(|names| names.contains(MIDDLE_NAME));
        Mapping { attributes: &self.settings.attributes, user_id: self.settings.user_id, middle_name }
    }

    pub(crate) fn origin(&self) -> String {
        self.api.origin()
    }

    /// Notes something for the end of the run, once.
    fn note(&self, code: &'static str, message: String) {
        self.known().findings.entry(code).or_default().insert(message);
    }

    /// Learns from a record which properties this version knows.
    pub(crate) fn learn_properties(&self, record: &Record) {
        let mut known = self.known();
        if known.properties.is_none() {
            known.properties = Some(Arc::new(record.names().map(str::to_owned).collect()));
        }
    }

    /// What this version knows, asked for once: a property that it does not know would make it refuse the whole patron.
    async fn properties(&self) -> Result<Option<Arc<BTreeSet<String>>>, ConnectorError> {
        let known = || self.known().properties.clone();
        if let Some(properties) = known() {
            return Ok(Some(properties));
        }
        let mut asked = self.asked.lock().await;
        if *asked || known().is_some() {
            return Ok(known());
        }
        match self.api.anybody().await {
            Searched::Found(list, _) => {
                if let Some(record) = list.first() {
                    self.learn_properties(record);
                }
                *asked = true;
                Ok(known())
            }
            Searched::Failed(error) => Err(error),
        }
    }

    // ---- finding ----

    fn read(&self, record: Record) -> Looked {
        self.learn_properties(&record);
        match self.mapping().patron(&record) {
            Ok(patron) => Looked::Found(Box::new(patron), Box::new(record)),
            Err(Unreadable(property)) => {
                Looked::Not(Lookup::Unknown(self.api.unreadable(What::Read, property)))
            }
        }
    }

    /// Looks up by a query. `is_it` says of a record whether it is what was asked for: what is not shows that the query
    /// was not understood as it was meant, and then nobody can tell.
    async fn look(&self, query: Value, is_it: impl Fn(&Record) -> Result<bool, Unreadable>) -> Looked {
        let unknown = |error| Looked::Not(Lookup::Unknown(error));
        let mut list = match self.api.search(&query, SEVERAL).await {
            Searched::Failed(error) => return unknown(error),
            Searched::Found(list, _) => list,
        };
        for record in &list {
            match is_it(record) {
                Ok(true) => {}
                Ok(false) => return unknown(self.searched_loosely()),
                Err(Unreadable(property)) => return unknown(self.api.unreadable(What::Search, property)),
            }
        }
        match (list.pop(), list.is_empty()) {
            (Some(record), true) => self.read(record),
            (Some(_), false) => Looked::Not(Lookup::Many),
            (None, _) => Looked::Not(Lookup::NotFound),
        }
    }

    fn searched_loosely(&self) -> ConnectorError {
        ConnectorError::new(
            Fault::Ils,
            Retry::NotThisTarget,
            format!(
                "{}: a search for one patron found others too: this Koha does not understand exact searches",
                self.origin()
            ),
            "Show this message to whoever runs Koha; versions from 20.05 on understand `q`.",
        )
    }

    async fn by_number(&self, number: &str) -> Looked {
        let looked = self
            .look(json!({ "cardnumber": number }), |record| {
                Ok(record.text("cardnumber")?.is_some_and(|held| same(held, number)))
            })
            .await;
        match looked {
            Looked::Not(Lookup::NotFound) if self.known().hidden.contains(&fold(number)) => {
                Looked::Not(Lookup::NotVisible)
            }
            looked => looked,
        }
    }

    async fn by_id(&self, id: &Personal) -> Looked {
        let Ok(number) = id.reveal().parse() else {
            return Looked::Not(Lookup::Unknown(ConnectorError::new(
                Fault::Rostercard,
                Retry::NotThisRecord,
                "the id that is kept of this patron is none of Koha's",
                "Look it up by its number.",
            )));
        };
        match self.api.patron(number).await {
            Seen::Found(record) => self.read(*record),
            Seen::NoPatron => Looked::Not(Lookup::NotFound),
            Seen::Failed(error) => Looked::Not(Lookup::Unknown(error)),
        }
    }

    async fn by_text(&self, property: &'static str, text: &str) -> Looked {
        let text = text.trim();
        let mut query = Map::new();
        query.insert(property.to_owned(), json!(text));
        self.look(Value::Object(query), |record| {
            Ok(record.text(property)?.is_some_and(|held| same(held, text)))
        })
        .await
    }

    async fn by_student_id(&self, kind: &str, id: &str) -> Looked {
        let id = id.trim();
        let query = json!({ "extended_attributes.code": kind, "extended_attributes.value": id });
        let looked = self
            .look(query, |record| {
                let attributes = record.attributes()?.ok_or(Unreadable(ATTRIBUTES))?;
                Ok(attributes.iter().any(|held| held.kind == kind && same(&held.value, id)))
            })
            .await;
        match looked {
            // Such a search shows the attributes that it was made by, and no others.
            Looked::Found(patron, _) => self.by_id(&patron.id).await,
            not @ Looked::Not(_) => not,
        }
    }

    async fn by_person(&self, surname: &str, given: &str, born: jiff::civil::Date) -> Looked {
        let (surname, given) = (clean(surname), clean(given));
        let query = json!({ "surname": surname, "date_of_birth": born.to_string() });
        let is_it = |record: &Record| {
            Ok(record.text("surname")?.is_some_and(|held| same(held, &surname))
                && record.date("date_of_birth")? == Some(born))
        };
        let list = match self.api.search(&query, SEVERAL).await {
            Searched::Failed(error) => return Looked::Not(Lookup::Unknown(error)),
            Searched::Found(list, _) => list,
        };
        // Twins share both, so the given name is compared here; a name that is missing is a name of its own.
        let mut namesakes = Vec::new();
        let full = list.len() >= SEVERAL;
        for record in list {
            let given_held = record.text("firstname").map(|held| held.unwrap_or_default().to_owned());
            match (is_it(&record), given_held) {
                (Ok(true), Ok(held)) => {
                    if same(&held, &given) {
                        namesakes.push(record);
                    }
                }
                (Ok(false), _) => return Looked::Not(Lookup::Unknown(self.searched_loosely())),
                (Err(Unreadable(property)), _) | (_, Err(Unreadable(property))) => {
                    return Looked::Not(Lookup::Unknown(self.api.unreadable(What::Search, property)));
                }
            }
        }
        match (namesakes.pop(), namesakes.is_empty()) {
            (Some(record), true) if !full => self.read(record),
            (Some(_), _) => Looked::Not(Lookup::Many),
            // More than were read: the one that was meant may be among the rest.
            (None, _) if full => Looked::Not(Lookup::Many),
            (None, _) => Looked::Not(Lookup::NotFound),
        }
    }

    async fn look_up(&self, key: &FindKey) -> Looked {
        match key {
            FindKey::Barcode(number) => self.by_number(number.reveal()).await,
            FindKey::PatronId(id) => self.by_id(id).await,
            FindKey::UserName(name) => self.by_text("userid", name.reveal()).await,
            FindKey::Email(address) => self.by_text("email", address.reveal()).await,
            FindKey::StudentId(id) => match self.settings.attributes.student_id.as_deref() {
                Some(kind) => self.by_student_id(kind, id.reveal()).await,
                None => Looked::Not(key.not_possible("Koha, without [ils.NAME.koha.attributes] student_id,")),
            },
            FindKey::NameAndBirthDate { surname, given_name, birth_date } => {
                self.by_person(surname.reveal(), given_name.reveal(), birth_date.reveal()).await
            }
        }
    }

    /// Looks many numbers up at once, a hundred a request: several hundred a second where one by one takes as many
    /// requests. The answers are in the order of the numbers.
    pub async fn find_many(&self, numbers: &[Personal]) -> Vec<Lookup> {
        let mut out = Vec::with_capacity(numbers.len());
        for batch in numbers.chunks(AT_ONCE) {
            let asked: Vec<&str> = batch.iter().map(Personal::reveal).collect();
            // One more than could be there shows that the query was not understood.
            let list = match self.api.search(&json!({ "cardnumber": asked }), AT_ONCE + 1).await {
                Searched::Found(list, _) => list,
                Searched::Failed(error) => {
                    out.extend(batch.iter().map(|_| Lookup::Unknown(error.clone())));
                    continue;
                }
            };
            let mut held: HashMap<String, Vec<Record>> = HashMap::new();
            let mut unreadable = None;
            for record in list {
                match record.text("cardnumber") {
                    Ok(number) => held.entry(fold(number.unwrap_or_default())).or_default().push(record),
                    Err(Unreadable(property)) => unreadable = Some(property),
                }
            }
            let asked: HashSet<String> = asked.iter().map(|number| fold(number)).collect();
            let error = match unreadable {
                Some(property) => Some(self.api.unreadable(What::Search, property)),
                None => held.keys().any(|number| !asked.contains(number)).then(|| self.searched_loosely()),
            };
            for number in batch {
                out.push(match (&error, held.get(&fold(number.reveal())).map(Vec::as_slice)) {
                    (Some(error), _) => Lookup::Unknown(error.clone()),
                    (None, Some([one])) => match self.read(one.clone()) {
                        Looked::Found(patron, _) => Lookup::Found(patron),
                        Looked::Not(lookup) => lookup,
                    },
                    (None, Some([_, _, ..])) => Lookup::Many,
                    (None, Some([]) | None) => {
                        let hidden = self.known().hidden.contains(&fold(number.reveal()));
                        if hidden { Lookup::NotVisible } else { Lookup::NotFound }
                    }
                });
            }
        }
        out
    }

    // ---- writing ----

    fn rejected(&self, kind: RejectionKind, field: Option<Field>, error: ConnectorError) -> Outcome {
        Outcome::Rejected(Rejection { kind, field, error })
    }

    /// A field that is not sent, because Koha would cut or refuse it.
    fn unsendable(&self, (field, obstacle): (Field, Obstacle)) -> Outcome {
        let (what, hint) = match obstacle {
            Obstacle::Missing => {
                (format!("Koha must have the {field}"), "Correct it in the roster, or set a rule for it.")
            }
            Obstacle::Odd => (
                format!("the {field} holds blanks at its ends or control characters"),
                "Correct it in the roster, or the rule that makes it.",
            ),
            Obstacle::TooLong(most) => (
                format!(
                    "the {field} is longer than the {most} characters that Koha holds; it would be cut without a word"
                ),
                "Correct it in the roster, or the rule that makes it.",
            ),
        };
        let error = ConnectorError::new(Fault::District, Retry::NotThisRecord, what, hint);
        self.rejected(RejectionKind::Field, Some(field), error)
    }

    /// The answer to a write that was done; else what became of it.
    fn done(&self, asked: Asked) -> Result<Answer, Outcome> {
        Err(match asked {
            Asked::Answered(Meaning::Done(answer)) => return Ok(answer),
            Asked::Answered(Meaning::Refused(no)) => Outcome::Rejected(no),
            Asked::Answered(Meaning::NoPatron) => self.rejected(
                RejectionKind::Missing,
                None,
                ConnectorError::new(
                    Fault::Ils,
                    Retry::NotThisRecord,
                    format!("{}: the patron to change is no longer found", self.origin()),
                    "See in Koha whether it was merged, deleted or moved out of the login's sight.",
                ),
            ),
            Asked::Answered(Meaning::Doubt(error)) | Asked::Unanswered(error) => Outcome::Unknown(error),
            Asked::NotSent(error) => Outcome::NotSent(error),
        })
    }

    /// What there is after an acknowledged create.
    async fn read_back_new(&self, number: &str, answer: &Answer) -> Outcome {
        let Some(id) = new_id(&answer.body, answer.header("location")) else {
            return match self.by_number(number).await {
                Looked::Found(patron, _) => self.proven(patron),
                Looked::Not(_) => Outcome::Unknown(self.api.unreadable(What::Create, "no patron_id")),
            };
        };
        match self.api.patron(id).await {
            Seen::Found(record) => match self.read(*record) {
                Looked::Found(patron, _) => self.proven(patron),
                Looked::Not(_) => Outcome::Applied(None),
            },
            // It is there and this login does not see it: so it would be with every further card of this branch.
            Seen::NoPatron => Outcome::Unknown(ConnectorError::new(
                Fault::Operator,
                Retry::NotThisTarget,
                format!("{}: a patron was made, but is not visible to this login", self.origin()),
                SEE_ALL,
            )),
            Seen::Failed(_) => Outcome::Applied(None),
        }
    }

    fn proven(&self, patron: Box<Patron>) -> Outcome {
        self.known().create = CapabilityState::Proven;
        Outcome::Applied(Some(patron))
    }

    /// A create that was refused because something is there already: of whom the number is, or that it cannot be seen.
    async fn duplicate(&self, number: &str, mut no: Rejection) -> Outcome {
        match self.by_number(number).await {
            // Koha looks at the user id first, so "Problem with" may be about the very same patron: our own, where an
            // earlier answer was lost.
            Looked::Found(..) => no.field = Some(Field::Barcode),
            Looked::Not(Lookup::NotFound | Lookup::NotVisible) if no.field == Some(Field::Barcode) => {
                let mut known = self.known();
                if known.hidden.len() < HIDDEN {
                    known.hidden.insert(fold(number));
                }
                drop(known);
                let message =
                    format!("{}: a patron has this number, but is not visible to this login", self.origin());
                self.note("koha_not_visible", format!("{message}. {SEE_ALL}"));
                no.error = ConnectorError::new(Fault::Operator, Retry::NotThisRecord, message, SEE_ALL);
            }
            Looked::Not(_) => {}
        }
        Outcome::Rejected(no)
    }

    /// Looks once for each category whether coming into it costs money, and notes it for the end of the run.
    async fn fee(&self, patron: &Patron, what: What) {
        let Some(category) = &patron.values.category else { return };
        if !self.known().fees.insert((category.clone(), what)) {
            return;
        }
        let Ok(id) = patron.id.reveal().parse() else { return };
        let owes = self.api.owes(id).await;
        if let Some(owes) = owes.filter(|owes| *owes > 0) {
            let coming = if what == What::Create { "a new card" } else { "a change into this category" };
            self.note(
                "koha_fee",
                format!(
                    "category {category}: the patron owes {}.{:02} after {coming}: set its enrolment fee to 0 in Koha, or every such child is charged",
                    owes / 100,
                    owes % 100
                ),
            );
        }
    }

    /// The record as it is now, before a change.
    async fn now(&self, patron: &Patron) -> Result<(Box<Patron>, Box<Record>), Outcome> {
        let missing = || {
            let error = ConnectorError::new(
                Fault::Ils,
                Retry::NotThisRecord,
                format!("{}: the patron to change is no longer found", self.origin()),
                "See in Koha whether it was merged, deleted or moved out of the login's sight.",
            );
            self.rejected(RejectionKind::Missing, None, error)
        };
        let looked = match &patron.values.barcode {
            // Where a create could not be read back, the number stands for the id.
            Some(number) if *number == patron.id => self.by_number(number.reveal()).await,
            _ => self.by_id(&patron.id).await,
        };
        match looked {
            Looked::Found(patron, record) => Ok((patron, record)),
            Looked::Not(Lookup::Unknown(error)) => Err(Outcome::NotSent(error)),
            Looked::Not(_) => Err(missing()),
        }
    }

    /// Sends a change: the attributes first, because they alone can be refused for what is in another record.
    async fn send(&self, record: &Record, difference: &Difference) -> Result<(), Outcome> {
        if let Some(all) = &difference.attributes {
            self.done(self.api.replace_attributes(record.id(), all).await)?;
        }
        if difference.properties.is_empty() {
            return Ok(());
        }
        match self.done(self.api.update(record.id(), difference.body(record)).await) {
            Ok(_) => Ok(()),
            // Half of it is done, so it is not true that nothing was written.
            Err(Outcome::Rejected(no)) if difference.attributes.is_some() => Err(Outcome::Unknown(no.error)),
            Err(Outcome::NotSent(error)) if difference.attributes.is_some() => Err(Outcome::Unknown(error)),
            Err(outcome) => Err(outcome),
        }
    }
}

/// Which of these fields hold something else now than when the patron was looked up.
fn moved(before: &PatronValues, now: &PatronValues, fields: FieldSet) -> bool {
    fields.iter().any(|field| before.canonical(field) != now.canonical(field))
}

#[async_trait]
impl PatronFinder for KohaDirectory {
    fn capabilities(&self) -> Capabilities {
        let known = self.known();
        let service = |state, done: &str| {
            let why = match state {
                CapabilityState::Proven => format!("{done}, and it was read back"),
                _ => "Koha's REST API has it; whether this login may is known once `check --online` or a run has asked"
                    .to_owned(),
            };
            Capability::new(state, why)
        };
        let absent = |why: &str| Capability::new(CapabilityState::Absent, why);
        let with = if self.settings.attributes.student_id.is_some() {
            "by student id, user id, e-mail address, and name with birth date"
        } else {
            "by user id, e-mail address, and name with birth date; by student id too, once [ils.NAME.koha.attributes] names its attribute"
        };
        Capabilities {
            lookup: service(known.lookup, "a look-up was answered"),
            create: service(known.create, "a patron was made"),
            update: service(known.update, "a patron was changed"),
            block: absent("Koha's REST API cannot restrict a patron; a card ends by its expiry"),
            unblock: absent("Koha's REST API cannot lift a restriction; a card comes back by its expiry"),
            pin: Capability::new(
                CapabilityState::Claimed,
                "the PIN is Koha's password, set after the create by a call of its own; it cannot be read back",
            ),
            find_by_person: Capability::new(known.search, format!("patrons are found {with}")),
        }
    }

    fn returns(&self) -> FieldSet {
        self.mapping().returns()
    }

    fn finds_by(&self) -> &'static [FindBy] {
        const ALL: &[FindBy] = &[
            FindBy::Barcode,
            FindBy::PatronId,
            FindBy::UserName,
            FindBy::Email,
            FindBy::NameAndBirthDate,
            FindBy::StudentId,
        ];
        match self.settings.attributes.student_id {
            Some(_) => ALL,
            None => ALL.split_last().map_or(ALL, |(_, rest)| rest),
        }
    }

    fn canonical(&self, field: Field, values: &PatronValues) -> Option<String> {
        self.mapping().fitted(values).canonical(field).map(std::borrow::Cow::into_owned)
    }

    async fn find(&self, key: &FindKey) -> Lookup {
        let looked = self.look_up(key).await;
        let certain = !matches!(looked, Looked::Not(Lookup::Unknown(_)));
        if certain {
            let mut known = self.known();
            known.lookup = CapabilityState::Proven;
            if !matches!(key.by(), FindBy::Barcode | FindBy::PatronId) {
                known.search = CapabilityState::Proven;
            }
        }
        match looked {
            Looked::Found(patron, _) => Lookup::Found(patron),
            Looked::Not(lookup) => lookup,
        }
    }

    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        crate::check::check(self).await
    }
}

#[async_trait]
impl PatronWriter for KohaDirectory {
    fn pin_with_create(&self) -> bool {
        false
    }

    async fn create(&self, creation: &Creation) -> Outcome {
        let values = &creation.values;
        let Some(number) = values.barcode.as_ref().map(Personal::reveal).filter(|number| !number.is_empty())
        else {
            let error = ConnectorError::new(
                Fault::Rostercard,
                Retry::NotThisRecord,
                "a card without a number cannot be made",
                "Report this as a mistake in Rostercard.",
            );
            return self.rejected(RejectionKind::Field, Some(Field::Barcode), error);
        };
        let properties = match self.properties().await {
            Ok(properties) => properties,
            Err(error) => return Outcome::NotSent(error),
        };
        let mapping = self.mapping();
        if let Some(obstacle) = mapping.obstacle(FieldSet::ALL, values) {
            return self.unsendable(obstacle);
        }
        if values.middle_name.is_some() && !mapping.middle_name {
            self.note(
                "koha_property_unknown",
                format!("this version of Koha has no {MIDDLE_NAME}: it is not kept"),
            );
        }
        let mut body = mapping.create(values);
        let known = |name: &str| match &properties {
            Some(names) => names.contains(name) || name == ATTRIBUTES,
            // Nobody was seen to learn from: what only newer versions know stays out.
            None => name != MIDDLE_NAME,
        };
        let unknown: Vec<String> = body.keys().filter(|name| !known(name)).cloned().collect();
        for name in unknown {
            body.remove(&name);
            self.note("koha_property_unknown", format!("this version of Koha has no {name}: it is not kept"));
        }
        let lost =
            values.statistics.keys().filter(|name| !self.settings.attributes.codes.contains_key(*name));
        for name in lost {
            self.note(
                "koha_code_without_place",
                format!("the statistical code `{name}` has no place in Koha: name one in [ils.NAME.koha.attributes]"),
            );
        }
        match self.done(self.api.create(body).await) {
            Ok(answer) => {
                let outcome = self.read_back_new(number, &answer).await;
                if let Outcome::Applied(Some(patron)) = &outcome {
                    self.fee(patron, What::Create).await;
                }
                outcome
            }
            Err(Outcome::Rejected(no)) if no.kind == RejectionKind::Duplicate => {
                self.duplicate(number, no).await
            }
            Err(outcome) => outcome,
        }
    }

    async fn set_pin(&self, patron: &Patron, pin: &Secret) -> Outcome {
        let id = match (&patron.values.barcode, patron.id.reveal().parse()) {
            (Some(number), Ok(id)) if *number != patron.id => id,
            (None, Ok(id)) => id,
            _ => match self.now(patron).await {
                Ok((_, record)) => record.id(),
                Err(outcome) => return outcome,
            },
        };
        match self.done(self.api.password(id, pin).await) {
            Ok(_) => Outcome::Applied(None),
            Err(outcome) => outcome,
        }
    }

    async fn update(&self, patron: &Patron, changes: &FieldChanges) -> Outcome {
        let mapping = self.mapping();
        let writable = mapping.writable();
        let fields: FieldSet = changes.fields.iter().filter(|field| writable.contains(*field)).collect();
        if fields.is_empty() {
            let names: Vec<&str> = changes.fields.iter().map(Field::word).collect();
            let error = ConnectorError::new(
                Fault::Operator,
                Retry::NotThisRecord,
                format!("Koha has no place for {}, or it is not changed by itself", names.join(", ")),
                "Set these fields to \"library\" or \"none\" in [fields], or name their place in [ils.NAME.koha.attributes].",
            );
            return self.rejected(RejectionKind::Field, changes.fields.iter().next(), error);
        }
        if let Some(obstacle) = mapping.obstacle(fields, &changes.values) {
            return self.unsendable(obstacle);
        }
        let (now, record) = match self.now(patron).await {
            Ok(now) => now,
            Err(outcome) => return outcome,
        };
        // The record has shown what this version knows.
        let mapping = self.mapping();
        let fields: FieldSet = fields.iter().filter(|field| mapping.writable().contains(*field)).collect();
        if moved(&patron.values, &now.values, fields) {
            let error = ConnectorError::new(
                Fault::Ils,
                Retry::Later,
                format!("{}: the patron was changed by somebody else a moment ago", self.origin()),
                "It is compared anew in the next run.",
            );
            return self.rejected(RejectionKind::Record, None, error);
        }
        let difference = match difference(mapping, &record, fields, &changes.values) {
            Ok(difference) => difference,
            Err(Unreadable(property)) => {
                return Outcome::NotSent(self.api.unreadable(What::Read, property));
            }
        };
        if difference.is_empty() {
            return Outcome::AlreadySo(now);
        }
        if let Err(outcome) = self.send(&record, &difference).await {
            return outcome;
        }
        match self.by_id(&now.id).await {
            Looked::Found(after, _) => {
                let held = |field| {
                    self.canonical(field, &changes.values) == after.values.canonical(field).map(String::from)
                };
                if fields.iter().all(held) {
                    self.known().update = CapabilityState::Proven;
                }
                if difference.changes_category() {
                    self.fee(&after, What::Update).await;
                }
                Outcome::Applied(Some(after))
            }
            Looked::Not(_) => Outcome::Applied(None),
        }
    }

    async fn finish(&self) -> Result<Vec<Finding>, ConnectorError> {
        let findings = std::mem::take(&mut self.known().findings);
        let finding = |code, message| Finding::new(code, Place::default(), message);
        Ok(findings
            .into_iter()
            .flat_map(|(code, messages)| messages.into_iter().map(move |message| finding(code, message)))
            .collect())
    }
}
