//! Writing: creates, updates, PINs and blocks, each read back. What is known not to be there is not sent.

use async_trait::async_trait;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::Finding;
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    CapabilityState, ConnectorError, Creation, Fault, FieldChanges, Lookup, Outcome, PatronFinder as _,
    PatronWriter, Rejection, RejectionKind, Retry,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_ncip::{
    AuthenticationInput, CreateUser, Fields, Privilege, Problem, ProblemClass, Problems, Request, Service,
    UpdateUser, UserId, UserName, UserRecord, Who, WriteError,
};

use crate::answer::{Meaning, refusal};
use crate::difference::{Obstacle, difference};
use crate::directory::{Asked, NcipDirectory, Seen, names, words};
use crate::map::{PLACELESS, WRITABLE, field_of_element};
use crate::repertoire::fit;
use crate::settings::PinWay;

impl NcipDirectory {
    fn rejected(&self, kind: RejectionKind, field: Option<Field>, error: ConnectorError) -> Outcome {
        Outcome::Rejected(Rejection { kind, field, error })
    }

    /// The request that makes a patron.
    pub(crate) fn creation(&self, number: &str, creation: &Creation) -> Request {
        let agency = self.agency_of(&creation.values);
        let mapping = self.mapping_at(agency);
        let who = match &creation.pin {
            Some(pin) if self.pin_with_create() => Who::Authentication(vec![
                AuthenticationInput::barcode(number),
                AuthenticationInput::pin(pin.reveal()),
            ]),
            Some(_) | None => self.who(number, agency),
        };
        Request::CreateUser(CreateUser {
            who: Some(who),
            name: UserName::Structured(mapping.name(&creation.values)),
            fields: mapping.fields(&creation.values),
        })
    }

    /// Why a service is not even asked for, where it is known not to be there.
    fn not_offered(&self, service: Service) -> Option<Outcome> {
        let capability = self.known.service(&self.settings, service);
        if !matches!(capability.state, CapabilityState::Absent | CapabilityState::Off) {
            return None;
        }
        let error = ConnectorError::new(
            Fault::Operator,
            Retry::NotThisTarget,
            format!("{}: {} was not sent: {}", self.origin(), service.name(), capability.why),
            "Let another way of this ILS write; if this one has the service after all, write create = \"on\" or update = \"on\".",
        );
        Some(self.rejected(RejectionKind::Target, None, error))
    }

    fn gone(&self) -> Outcome {
        let error = ConnectorError::new(
            Fault::Ils,
            Retry::NotThisRecord,
            format!("{}: the patron to change is no longer found", self.origin()),
            "See in the ILS whether it was merged, deleted or given another number.",
        );
        self.rejected(RejectionKind::Missing, None, error)
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
                self.known.learn(Service::CreateUser, CapabilityState::Proven);
                Outcome::Applied(Some(patron))
            }
            (Seen::Not(Lookup::NotFound), Some(other)) => self.read_back_under(other, values).await,
            (Seen::Not(Lookup::NotFound), None) => {
                self.known.learn(Service::CreateUser, CapabilityState::Disproven);
                Outcome::Unknown(ConnectorError::new(
                    Fault::Ils,
                    Retry::Later,
                    format!(
                        "{}: CreateUser was acknowledged, but the patron is not found afterwards",
                        self.origin()
                    ),
                    "The ILS may be slow to show new patrons: it is looked up again later. If it stays so, ask its vendor.",
                ))
            }
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
        let what = if fields.iter().any(|field| WRITABLE.contains(field)) {
            format!("{}: the UpdateUser of this ILS does not take {}", self.origin(), words(fields))
        } else {
            format!("NCIP cannot change {}", words(fields))
        };
        let error = ConnectorError::new(
            Fault::Operator,
            Retry::NotThisRecord,
            what,
            "Set these fields to \"library\" or \"none\" in [fields], or let another way of this ILS write.",
        );
        self.rejected(RejectionKind::Field, fields.iter().next(), error)
    }
}

/// Which of these fields hold something else now than when the patron was looked up.
fn moved(before: &PatronValues, now: &PatronValues, fields: FieldSet) -> bool {
    fields.iter().any(|field| before.canonical(field) != now.canonical(field))
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
        if let Some(outcome) = self.not_offered(Service::CreateUser) {
            return outcome;
        }
        let mut placeless: FieldSet =
            values.present().iter().filter(|field| PLACELESS.contains(*field)).collect();
        if creation.pin.is_some() && !self.pin_with_create() && self.settings.pin == PinWay::None {
            placeless.insert(Field::Pin);
        }
        self.known.left_out(placeless);
        let asked = self.ask(&self.creation(number, creation), self.agency_of(values)).await;
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
        if let Some(outcome) = self.not_offered(Service::UpdateUser) {
            return outcome;
        }
        let agency = self.agency_of(&patron.values);
        let request = UpdateUser {
            who: self.who(patron.id.reveal(), agency),
            delete: Fields::default(),
            add: Fields { authentication: vec![AuthenticationInput::pin(pin.reveal())], ..Fields::default() },
        };
        let asked = self.ask(&Request::UpdateUser(request), agency).await;
        match self.not_done(Service::UpdateUser, asked, &PatronValues::default()) {
            Ok(_) => Outcome::Applied(None),
            Err(outcome) => outcome,
        }
    }

    async fn update(&self, patron: &Patron, changes: &FieldChanges) -> Outcome {
        if let Some(outcome) = self.not_offered(Service::UpdateUser) {
            return outcome;
        }
        let taken = |field: &Field| WRITABLE.contains(*field) && self.settings.updates.contains(*field);
        let fields: FieldSet = changes.fields.iter().filter(taken).collect();
        if fields.is_empty() {
            return self.without_place(changes.fields);
        }
        self.known.left_out(changes.fields.iter().filter(|field| !taken(field)).collect());
        let changes = FieldChanges { fields, values: changes.values.clone() };
        let number = patron.id.reveal();

        // Old values have to be named exactly, with roles and types that a patron's values do not hold.
        let (now, record) = match self.see(number).await {
            Seen::Found(now, record) => (now, record),
            Seen::Not(Lookup::Unknown(error)) => return Outcome::NotSent(error),
            Seen::Not(_) => return self.gone(),
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
        let agency = self.agency_of(&now.values);
        let difference = match difference(self.mapping_at(agency), &record.fields, &changes) {
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
        let request =
            UpdateUser { who: self.who(number, agency), delete: difference.delete, add: difference.add };
        let asked = self.ask(&Request::UpdateUser(request), agency).await;
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
                let seen: FieldSet = fields.iter().filter(|field| self.returns().contains(*field)).collect();
                if !seen.is_empty() && seen.iter().all(held) {
                    self.known.learn(Service::UpdateUser, CapabilityState::Proven);
                } else if !seen.is_empty() && !moved(&now.values, &patron.values, seen) {
                    // Acknowledged, and nothing of it done.
                    self.known.learn(Service::UpdateUser, CapabilityState::Disproven);
                }
                Outcome::Applied(Some(patron))
            }
            Seen::Not(_) => Outcome::Applied(None),
        }
    }

    async fn set_blocked(&self, patron: &Patron, blocked: bool) -> Outcome {
        let can = self.known.block(&self.settings);
        if !can.usable() {
            let error = ConnectorError::new(
                Fault::Operator,
                Retry::NotThisTarget,
                format!("{}: a card is not blocked through NCIP: {}", self.origin(), can.why),
                "Write [lapse] then = \"not_renewed\" or then = \"expire\".",
            );
            return self.rejected(RejectionKind::Target, None, error);
        }
        let number = patron.id.reveal();
        let (now, record) = match self.see(number).await {
            Seen::Found(now, record) => (now, record),
            Seen::Not(Lookup::Unknown(error)) => return Outcome::NotSent(error),
            Seen::Not(_) => return self.gone(),
        };
        let agency = self.agency_of(&now.values);
        let Some((old, new)) = self.mapping_at(agency).blocked(&record.fields, blocked) else {
            let error = ConnectorError::new(
                Fault::Ils,
                Retry::NotThisRecord,
                format!("{}: the patron has no category at this agency to carry a block", self.origin()),
                "Block the card in the ILS by hand.",
            );
            return self.rejected(RejectionKind::Record, None, error);
        };
        if old.as_ref() == Some(&new) {
            return Outcome::AlreadySo(now);
        }
        let privileges = |privilege: Option<Privilege>| Fields {
            privileges: privilege.into_iter().collect(),
            ..Fields::default()
        };
        let request =
            UpdateUser { who: self.who(number, agency), delete: privileges(old), add: privileges(Some(new)) };
        let asked = self.ask(&Request::UpdateUser(request), agency).await;
        if let Err(outcome) = self.not_done(Service::UpdateUser, asked, &PatronValues::default()) {
            return outcome;
        }
        match self.see(number).await {
            Seen::Found(patron, _) => {
                // Other blocks may stand beside ours, so an unblocking proves nothing by what is still blocked.
                match (blocked, patron.blocked) {
                    (true, Some(true)) => self.known.learn_block(CapabilityState::Proven),
                    (true, _) => self.known.learn_block(CapabilityState::Disproven),
                    (false, _) => {}
                }
                Outcome::Applied(Some(patron))
            }
            Seen::Not(_) => Outcome::Applied(None),
        }
    }

    async fn finish(&self) -> Result<Vec<Finding>, ConnectorError> {
        Ok(self.known.take_left_out(&self.origin()))
    }
}
