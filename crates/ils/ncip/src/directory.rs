//! The directory: look-ups, creates and updates of one ILS, each write read back.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    Capabilities, Capability, CapabilityState, ConnectorError, Creation, Fault, FieldChanges, FindKey,
    Lookup, Outcome, PatronFinder, PatronWriter, Rejection, RejectionKind, Retry,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_ncip::{
    AuthenticationInput, Body, CreateUser, Fields, Header, Limits, LookupUser, Problem, ProblemClass,
    ProblemTable, Problems, Reader, Request, Service, UpdateUser, UserElement, UserId, UserName, UserRecord,
    Who, WriteError, encode,
};
use rostercard_web::{Call, Client, WebError};

use crate::answer::{Meaning, on_the_way, refusal, understand};
use crate::difference::{Obstacle, difference};
use crate::map::{Mapping, READABLE, WRITABLE, field_of_element};
use crate::repertoire::fit;
use crate::settings::{NcipSettings, PinWay, SettingsError};

/// Patrons of one ILS, over NCIP.
#[derive(Debug)]
pub struct NcipDirectory {
    settings: NcipSettings,
    client: Client,
    header: Header,
    problems: ProblemTable,
    reader: Reader,
    known: Mutex<Known>,
}

/// What has been learnt of the ILS since the start.
#[derive(Debug, Clone, Copy)]
struct Known {
    lookup: CapabilityState,
    create: CapabilityState,
    update: CapabilityState,
}

/// What became of a request.
enum Asked {
    Answered(Meaning),
    NotBuilt(WriteError),
    NotSent(ConnectorError),
    Unanswered(ConnectorError),
}

/// A look-up, with the elements that the values came from: an update has to name old values exactly.
enum Seen {
    Found(Box<Patron>, Box<UserRecord>),
    Not(Lookup),
}

impl NcipDirectory {
    /// Sets up the directory. Nothing is sent yet.
    ///
    /// # Errors
    /// [`SettingsError`] where TLS cannot be set up as asked.
    pub fn new(settings: NcipSettings) -> Result<Self, SettingsError> {
        Ok(Self {
            client: Client::new(settings.endpoint.clone(), settings.client())?,
            header: settings.header(),
            problems: ProblemTable::with(settings.problems.iter().cloned()),
            reader: Reader { limits: Limits { bytes: settings.answer_limit, ..Limits::default() } },
            known: Mutex::new(Known {
                lookup: CapabilityState::Claimed,
                create: CapabilityState::Claimed,
                update: CapabilityState::Claimed,
            }),
            settings,
        })
    }

    fn mapping(&self) -> Mapping<'_> {
        let NcipSettings { to_agency, privileges, text, .. } = &self.settings;
        Mapping { agency: to_agency, privileges, text: *text }
    }

    fn origin(&self) -> String {
        self.settings.endpoint.origin()
    }

    fn learn(&self, service: Service, state: CapabilityState) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match service {
            Service::LookupUser => &mut known.lookup,
            Service::CreateUser => &mut known.create,
            Service::UpdateUser => &mut known.update,
        };
        *place = state;
    }

    /// Sends one request, once.
    async fn ask(&self, request: &Request) -> Asked {
        let body = match encode(request, &self.header, &self.settings.dialect) {
            Ok(body) => body,
            Err(error) => return Asked::NotBuilt(error),
        };
        let call = Call::post(self.settings.endpoint.clone(), Body::CONTENT_TYPE, body.into_bytes());
        match self.client.send(call).await {
            Ok(answer) => {
                let service = request.service();
                let meaning = understand(service, &answer, self.reader, &self.problems, &self.origin());
                if let Meaning::Refused(ProblemClass::ThisTarget, problems) = &meaning
                    && problems.iter().any(Problem::denies_service)
                {
                    self.learn(service, CapabilityState::Absent);
                }
                Asked::Answered(meaning)
            }
            Err(error @ WebError::NotSent { .. }) => Asked::NotSent(on_the_way(&error)),
            Err(error @ WebError::Unknown { .. }) => Asked::Unanswered(on_the_way(&error)),
        }
    }

    fn who(&self, number: &str) -> Who {
        Who::Id(UserId::barcode(&self.settings.to_agency, number))
    }

    async fn see(&self, number: &str) -> Seen {
        let request = LookupUser { who: self.who(number), elements: UserElement::ALL.to_vec() };
        let unknown = |error| Seen::Not(Lookup::Unknown(error));
        match self.ask(&Request::LookupUser(request)).await {
            Asked::NotBuilt(error) => unknown(self.unbuildable(&error)),
            Asked::NotSent(error) | Asked::Unanswered(error) => unknown(error),
            Asked::Answered(Meaning::TurnedAway(error) | Meaning::Doubt(error)) => unknown(error),
            Asked::Answered(Meaning::Refused(class, problems)) => {
                if matches!(class, ProblemClass::Missing) {
                    self.learn(Service::LookupUser, CapabilityState::Proven);
                }
                Seen::Not(match class {
                    ProblemClass::Missing => Lookup::NotFound,
                    ProblemClass::NotUnique => Lookup::Many,
                    ProblemClass::NotVisible => Lookup::NotVisible,
                    ProblemClass::ThisTarget
                    | ProblemClass::RetryLater
                    | ProblemClass::ThisRecord
                    | ProblemClass::Duplicate => {
                        Lookup::Unknown(refusal(Service::LookupUser, class, &problems, &self.origin()))
                    }
                })
            }
            Asked::Answered(Meaning::User(record)) => match self.doubts(number, &record) {
                Some(error) => unknown(error),
                None => {
                    self.learn(Service::LookupUser, CapabilityState::Proven);
                    Seen::Found(Box::new(self.mapping().patron(number, &record)), record)
                }
            },
        }
    }

    /// Why an answer to a look-up is not to be believed.
    fn doubts(&self, number: &str, record: &UserRecord) -> Option<ConnectorError> {
        let doubt = |what: String, hint: &str| {
            Some(ConnectorError::new(
                Fault::Ils,
                Retry::NotThisRecord,
                format!("{}: {what}", self.origin()),
                hint,
            ))
        };
        if !names(record, number) {
            return doubt(
                "LookupUser was answered with a patron of another number, or of none".to_owned(),
                "Look the number up in the ILS by hand, and show its vendor this message.",
            );
        }
        if !record.unreadable.is_empty() {
            return doubt(
                format!(
                    "the patron's record has a {} that cannot be understood",
                    record.unreadable.join(", a ")
                ),
                "Correct the value in the ILS, or its NCIP service's date format.",
            );
        }
        None
    }

    fn unbuildable(&self, error: &WriteError) -> ConnectorError {
        let hint = "Correct the value in the roster, or set a rule for it; nothing was sent.";
        ConnectorError::new(Fault::District, Retry::NotThisRecord, error.to_string(), hint)
    }

    fn rejected(&self, kind: RejectionKind, field: Option<Field>, error: ConnectorError) -> Outcome {
        Outcome::Rejected(Rejection { kind, field, error })
    }

    /// A write that was not done: refused, turned away, never sent, or in doubt.
    fn not_done(
        &self,
        service: Service,
        asked: Asked,
        values: &PatronValues,
    ) -> Result<Box<UserRecord>, Outcome> {
        Err(match asked {
            Asked::Answered(Meaning::User(record)) => return Ok(record),
            Asked::Answered(Meaning::Doubt(error)) | Asked::Unanswered(error) => Outcome::Unknown(error),
            Asked::Answered(Meaning::TurnedAway(error)) => {
                let kind = match error.retry {
                    Retry::NotThisTarget => RejectionKind::Target,
                    Retry::Later | Retry::NotThisRecord => RejectionKind::Record,
                };
                self.rejected(kind, None, error)
            }
            Asked::Answered(Meaning::Refused(class, problems)) => {
                let field = self.field_of(&problems, values);
                let kind = match class {
                    ProblemClass::ThisTarget => RejectionKind::Target,
                    ProblemClass::Duplicate => RejectionKind::Duplicate,
                    ProblemClass::Missing => RejectionKind::Missing,
                    ProblemClass::ThisRecord if field.is_some() => RejectionKind::Field,
                    ProblemClass::ThisRecord
                    | ProblemClass::RetryLater
                    | ProblemClass::NotUnique
                    | ProblemClass::NotVisible => RejectionKind::Record,
                };
                self.rejected(kind, field, refusal(service, class, &problems, &self.origin()))
            }
            Asked::NotBuilt(error) => {
                let field = match &error {
                    WriteError::NoSurname => Some(Field::Surname),
                    WriteError::ControlCharacter { element } | WriteError::Empty { element } => {
                        field_of_element(element)
                    }
                    _ => None,
                };
                let kind = if field.is_some() { RejectionKind::Field } else { RejectionKind::Record };
                self.rejected(kind, field, self.unbuildable(&error))
            }
            Asked::NotSent(error) => Outcome::NotSent(error),
        })
    }

    /// Which field a refusal is about: by the value that it repeats, else by the element that it names.
    fn field_of(&self, problems: &Problems, values: &PatronValues) -> Option<Field> {
        const TELLING: FieldSet =
            FieldSet::of(&[Field::Category, Field::HomeBranch, Field::Email, Field::Phone, Field::Barcode]);
        let by_value = |problem: &Problem| {
            let refused = problem.value.as_ref()?.reveal();
            let mut fits =
                TELLING.iter().filter(|field| values.canonical(*field).as_deref() == Some(refused));
            // Where two fields hold the same, the element has to say.
            fits.next().filter(|_| fits.next().is_none())
        };
        let by_element = |problem: &Problem| field_of_element(problem.known_element()?);
        problems.iter().find_map(by_value).or_else(|| problems.iter().find_map(by_element))
    }

    /// What there is after an acknowledged create.
    async fn read_back_new(&self, number: &str, echoed: Option<&UserId>, values: &PatronValues) -> Outcome {
        let other = echoed.map(|id| id.value.reveal()).filter(|echoed| *echoed != number);
        match (self.see(number).await, other) {
            (Seen::Found(patron, _), _) => {
                self.learn(Service::CreateUser, CapabilityState::Proven);
                Outcome::Applied(Some(patron))
            }
            (Seen::Not(Lookup::NotFound), Some(other)) => self.read_back_under(other, values).await,
            (Seen::Not(Lookup::NotFound), None) => Outcome::Unknown(ConnectorError::new(
                Fault::Ils,
                Retry::Later,
                format!(
                    "{}: CreateUser was acknowledged, but the patron is not found afterwards",
                    self.origin()
                ),
                "The ILS may be slow to show new patrons: it is looked up again later. If it stays so, ask its vendor.",
            )),
            (Seen::Not(_), _) => Outcome::Applied(None),
        }
    }

    /// The ILS acknowledged a create with another number than the one sent. If the patron there is the one that was
    /// sent, that is what the ILS really holds, and it must not be lost; if it is somebody else, nobody can tell.
    async fn read_back_under(&self, other: &str, values: &PatronValues) -> Outcome {
        match self.see(other).await {
            Seen::Found(patron, _) if self.same_person(values, &patron.values) => {
                Outcome::Applied(Some(patron))
            }
            Seen::Found(..) | Seen::Not(_) => Outcome::Unknown(ConnectorError::new(
                Fault::Ils,
                Retry::NotThisRecord,
                format!(
                    "{}: CreateUser was acknowledged with another number than the one sent",
                    self.origin()
                ),
                "Look both numbers up in the ILS by hand; a number too long for it may have been cut.",
            )),
        }
    }

    /// Whether what is held can be what was sent, as far as an ILS that cuts names and replaces letters lets one see.
    fn same_person(&self, sent: &PatronValues, held: &PatronValues) -> bool {
        let text = |value: &Option<Personal>| value.as_ref().map(|v| fit(v.reveal(), self.settings.text));
        let alike = |sent: &Option<Personal>, held: &Option<Personal>| match (text(sent), text(held)) {
            (Some(sent), Some(held)) => held.chars().zip(sent.chars()).all(|(h, s)| h == s || h == '?'),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        sent.birth_date == held.birth_date
            && held.surname.is_some()
            && alike(&sent.surname, &held.surname)
            && alike(&sent.given_name, &held.given_name)
    }

    fn without_place(&self, fields: FieldSet) -> Outcome {
        let names: Vec<&str> = fields.iter().map(Field::word).collect();
        let error = ConnectorError::new(
            Fault::Operator,
            Retry::NotThisRecord,
            format!("NCIP cannot change {}", names.join(", ")),
            "Set these fields to \"library\" or \"none\" in [fields], or let another way of this ILS write.",
        );
        self.rejected(RejectionKind::Field, fields.iter().next(), error)
    }
}

/// Whether a record is that of a number: the number that was echoed, or one of the others in it.
fn names(record: &UserRecord, number: &str) -> bool {
    let ids = record.id.iter().chain(&record.fields.user_ids);
    ids.into_iter().any(|id| id.value.reveal() == number)
}

/// Which of these fields hold something else now than when the patron was looked up.
fn moved(before: &PatronValues, now: &PatronValues, fields: FieldSet) -> bool {
    fields.iter().any(|field| before.canonical(field) != now.canonical(field))
}

#[async_trait]
impl PatronFinder for NcipDirectory {
    fn capabilities(&self) -> Capabilities {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let service = |state, name: &str| {
            let why = match state {
                CapabilityState::Proven => format!("{name} worked, and a look-up showed it"),
                CapabilityState::Absent => format!("the ILS refused {name} as such; another way must do it"),
                CapabilityState::Claimed | CapabilityState::Disproven | CapabilityState::Off => {
                    format!("NCIP has {name}; whether this ILS has it is known once it was tried")
                }
            };
            Capability::new(state, why)
        };
        let (pin, why) = match self.settings.pin {
            PinWay::Create => (known.create, "the PIN goes with CreateUser; NCIP cannot read it back"),
            PinWay::Update => (known.update, "the PIN goes with an UpdateUser; NCIP cannot read it back"),
            PinWay::None => (CapabilityState::Off, "pin = \"none\": the ILS has its own rule"),
        };
        // A PIN is never seen again, so nothing can prove it.
        let pin = if pin == CapabilityState::Proven { CapabilityState::Claimed } else { pin };
        let absent = |why| Capability::new(CapabilityState::Absent, why);
        Capabilities {
            lookup: service(known.lookup, "LookupUser"),
            create: service(known.create, "CreateUser"),
            update: service(known.update, "UpdateUser"),
            block: absent("this connector does not block patrons; a card ends by its expiry"),
            unblock: absent("this connector does not unblock patrons"),
            pin: Capability::new(pin, why),
            find_by_person: absent("NCIP looks patrons up by their number alone"),
        }
    }

    fn returns(&self) -> FieldSet {
        READABLE
    }

    fn canonical(&self, field: Field, values: &PatronValues) -> Option<String> {
        let fitted =
            |value: Option<&Personal>| self.mapping().fit(value).map(|text| text.reveal().to_owned());
        match field {
            Field::Surname => fitted(values.surname.as_ref()),
            Field::GivenName => fitted(values.given_name.as_ref()),
            Field::MiddleName => fitted(values.middle_name.as_ref()),
            Field::Address => {
                let mut out = values.clone();
                let part = |value: &Personal| Personal::new(fit(value.reveal(), self.settings.text));
                if let Some(address) = &mut out.address {
                    for part_of in
                        [&mut address.street, &mut address.city, &mut address.state, &mut address.zip]
                    {
                        *part_of = part(part_of);
                    }
                    address.street2 = address.street2.as_ref().map(part).filter(|line| !line.is_empty());
                }
                out.canonical(field).map(std::borrow::Cow::into_owned)
            }
            _ => values.canonical(field).map(std::borrow::Cow::into_owned),
        }
    }

    async fn find(&self, key: &FindKey) -> Lookup {
        // NCIP knows no other id than the number, so the two are one.
        let (FindKey::Barcode(number) | FindKey::PatronId(number)) = key else {
            return key.not_possible("NCIP");
        };
        match self.see(number.reveal()).await {
            Seen::Found(patron, _) => Lookup::Found(patron),
            Seen::Not(lookup) => lookup,
        }
    }

    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        let mut findings = Vec::new();
        if self.settings.endpoint.is_readable_on_the_way() {
            findings.push(Finding::new(
                "ils_plain_http",
                Place::default(),
                format!(
                    "{}: plain http: patrons' names and PINs can be read on the way; use https or a VPN",
                    self.origin()
                ),
            ));
        }
        // A number that nobody has: the answer shows login and service without showing a patron.
        if let Seen::Not(Lookup::Unknown(error)) = self.see("0").await {
            return Err(error);
        }
        findings.push(Finding::new(
            "ncip_writes_unproven",
            Place::default(),
            format!(
                "{}: LookupUser works; whether CreateUser and UpdateUser do is only known once they were tried, \
                 because few systems have them: let the first plan through for one school",
                self.origin()
            ),
        ));
        Ok(findings)
    }
}

#[async_trait]
impl PatronWriter for NcipDirectory {
    fn pin_with_create(&self) -> bool {
        self.settings.pin == PinWay::Create
    }

    async fn create(&self, creation: &Creation) -> Outcome {
        let values = &creation.values;
        let Some(number) = values.barcode.as_ref().map(Personal::reveal).filter(|number| !number.is_empty())
        else {
            return self.rejected(
                RejectionKind::Field,
                Some(Field::Barcode),
                ConnectorError::new(
                    Fault::Rostercard,
                    Retry::NotThisRecord,
                    "a card without a number cannot be made",
                    "Report this as a mistake in Rostercard.",
                ),
            );
        };
        let who = match &creation.pin {
            Some(pin) if self.pin_with_create() => Who::Authentication(vec![
                AuthenticationInput::barcode(number),
                AuthenticationInput::pin(pin.reveal()),
            ]),
            Some(_) | None => self.who(number),
        };
        let request = CreateUser {
            who: Some(who),
            name: UserName::Structured(self.mapping().name(values)),
            fields: self.mapping().fields(values),
        };
        let asked = self.ask(&Request::CreateUser(request)).await;
        match self.not_done(Service::CreateUser, asked, values) {
            Ok(record) => self.read_back_new(number, record.id.as_ref(), values).await,
            Err(outcome) => outcome,
        }
    }

    fn no_later_pin(&self) -> Option<String> {
        (self.settings.pin != PinWay::Update).then(|| {
            "this ILS is said to take a PIN with the create alone; if it takes one by UpdateUser too, write pin = \"update\""
                .to_owned()
        })
    }

    async fn set_pin(&self, patron: &Patron, pin: &Secret) -> Outcome {
        if self.settings.pin != PinWay::Update {
            return self.without_place(FieldSet::of(&[Field::Pin]));
        }
        let request = UpdateUser {
            who: self.who(patron.id.reveal()),
            delete: Fields::default(),
            add: Fields { authentication: vec![AuthenticationInput::pin(pin.reveal())], ..Fields::default() },
        };
        let asked = self.ask(&Request::UpdateUser(request)).await;
        match self.not_done(Service::UpdateUser, asked, &PatronValues::default()) {
            Ok(_) => Outcome::Applied(None),
            Err(outcome) => outcome,
        }
    }

    async fn update(&self, patron: &Patron, changes: &FieldChanges) -> Outcome {
        let fields: FieldSet = changes.fields.iter().filter(|field| WRITABLE.contains(*field)).collect();
        if fields.is_empty() {
            return self.without_place(changes.fields);
        }
        let changes = FieldChanges { fields, values: changes.values.clone() };
        let number = patron.id.reveal();

        // Old values have to be named exactly, with roles and types that a patron's values do not hold.
        let (now, record) = match self.see(number).await {
            Seen::Found(now, record) => (now, record),
            Seen::Not(Lookup::Unknown(error)) => return Outcome::NotSent(error),
            Seen::Not(_) => {
                let error = ConnectorError::new(
                    Fault::Ils,
                    Retry::NotThisRecord,
                    format!("{}: the patron to change is no longer found", self.origin()),
                    "See in the ILS whether it was merged, deleted or given another number.",
                );
                return self.rejected(RejectionKind::Missing, None, error);
            }
        };
        if moved(&patron.values, &now.values, fields) {
            let error = ConnectorError::new(
                Fault::Ils,
                Retry::Later,
                format!("{}: the patron was changed by somebody else a moment ago", self.origin()),
                "It is compared anew in the next run.",
            );
            return self.rejected(RejectionKind::Record, None, error);
        }
        let difference = match difference(self.mapping(), &record.fields, &changes) {
            Ok(difference) => difference,
            Err(obstacle) => {
                let (field, what) = match obstacle {
                    Obstacle::NameInOnePiece(field) => {
                        (field, "the ILS shows the name in one piece, so that a part of it cannot be changed")
                    }
                    Obstacle::ExpiryWithoutCategory => {
                        (Field::Expiry, "the patron has no category at this agency to carry an expiry")
                    }
                };
                let hint = "Change it in the ILS by hand, or let another way of this ILS write.";
                let error = ConnectorError::new(
                    Fault::Ils,
                    Retry::NotThisRecord,
                    format!("{}: {what}", self.origin()),
                    hint,
                );
                return self.rejected(RejectionKind::Field, Some(field), error);
            }
        };
        if difference.is_empty() {
            return Outcome::AlreadySo(now);
        }
        let request = UpdateUser { who: self.who(number), delete: difference.delete, add: difference.add };
        let asked = self.ask(&Request::UpdateUser(request)).await;
        let acknowledged = match self.not_done(Service::UpdateUser, asked, &changes.values) {
            Ok(record) => record,
            Err(outcome) => return outcome,
        };
        if acknowledged.id.as_ref().is_some_and(|id| !names(&record, id.value.reveal())) {
            return Outcome::Unknown(ConnectorError::new(
                Fault::Ils,
                Retry::NotThisRecord,
                format!(
                    "{}: UpdateUser was acknowledged for another patron than the one named",
                    self.origin()
                ),
                "Look at the patron in the ILS by hand, and show its vendor this message.",
            ));
        }
        match self.see(number).await {
            Seen::Found(patron, _) => {
                let held = |field| {
                    self.canonical(field, &changes.values).as_deref()
                        == patron.values.canonical(field).as_deref()
                };
                if fields.iter().all(held) {
                    self.learn(Service::UpdateUser, CapabilityState::Proven);
                }
                Outcome::Applied(Some(patron))
            }
            Seen::Not(_) => Outcome::Applied(None),
        }
    }
}
