//! The directory: look-ups of one ILS, and what it is known to be able to do. Writes are in [`crate::writer`].

use std::borrow::Cow;

use async_trait::async_trait;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    Capabilities, Capability, CapabilityState, ConnectorError, Fault, FindKey, Lookup, PatronFinder, Retry,
};
use rostercard_core::privacy::Personal;
use rostercard_ncip::{
    AddressForm, AuthenticationInput, DateOrder, Header, Limits, LookupUser, Problem, ProblemClass,
    ProblemTable, Reader, Request, Service, UserElement, UserId, UserRecord, Who, WriteError, encode,
    encode_lookup_version,
};

use crate::answer::{Meaning, refusal, understand};
use crate::known::Known;
use crate::map::{Mapping, PLACELESS};
use crate::repertoire::fit;
use crate::settings::{NamedBy, NcipSettings, PinWay, SettingsError};
use crate::wire::{NoAnswer, Wire};

/// Patrons of one ILS, over NCIP.
#[derive(Debug)]
pub struct NcipDirectory {
    pub(crate) settings: NcipSettings,
    wire: Wire,
    pub(crate) header: Header,
    problems: ProblemTable,
    reader: Reader,
    pub(crate) known: Known,
}

/// What became of a request.
pub(crate) enum Asked {
    Answered(Meaning),
    NotBuilt(WriteError),
    NotSent(ConnectorError),
    Unanswered(ConnectorError),
}

/// A look-up, with the elements that the values came from: an update has to name old values exactly.
pub(crate) enum Seen {
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
            wire: Wire::new(&settings)?,
            header: settings.header(),
            problems: ProblemTable::with(settings.problems.iter().cloned()),
            reader: Reader {
                limits: Limits { bytes: settings.answer_limit, ..Limits::default() },
                dates: settings.dates,
            },
            known: Known::default(),
            settings,
        })
    }

    /// How values travel at the library's own agency.
    pub(crate) fn mapping(&self) -> Mapping<'_> {
        self.mapping_at(&self.settings.to_agency)
    }

    /// How values travel at an agency.
    pub(crate) fn mapping_at<'a>(&'a self, agency: &'a str) -> Mapping<'a> {
        let NcipSettings { agencies, privileges, text, dialect, .. } = &self.settings;
        Mapping { agency, branches: agencies, privileges, text: *text, address: dialect.address }
    }

    /// The agency at which a patron is made and changed: its home branch's, where that has its own.
    pub(crate) fn agency_of(&self, values: &PatronValues) -> &str {
        let own = values.home_branch.as_ref().and_then(|branch| self.settings.agencies.get(branch.as_str()));
        own.unwrap_or(&self.settings.to_agency)
    }

    pub(crate) fn origin(&self) -> String {
        self.settings.address.origin()
    }

    /// Sends one request to an agency, once.
    pub(crate) async fn ask(&self, request: &Request, agency: &str) -> Asked {
        let header = if agency == self.header.to_agency {
            Cow::Borrowed(&self.header)
        } else {
            Cow::Owned(Header { to_agency: agency.to_owned(), ..self.header.clone() })
        };
        let body = match encode(request, &header, &self.settings.dialect) {
            Ok(body) => body,
            Err(error) => return Asked::NotBuilt(error),
        };
        match self.wire.send(body, &self.origin()).await {
            Ok(answer) => {
                let service = request.service();
                let meaning = understand(service, &answer, self.reader, &self.problems, &self.origin());
                match &meaning {
                    Meaning::Refused(ProblemClass::ThisTarget, problems)
                        if problems.iter().any(Problem::denies_service) =>
                    {
                        self.known.learn(service, CapabilityState::Absent);
                    }
                    // "It works!": acknowledged, and nothing done.
                    Meaning::Doubt(error) if error.retry == Retry::NotThisTarget => {
                        self.known.learn(service, CapabilityState::Disproven);
                    }
                    _ => {}
                }
                Asked::Answered(meaning)
            }
            Err(NoAnswer { sent: false, error }) => Asked::NotSent(error),
            Err(NoAnswer { sent: true, error }) => Asked::Unanswered(error),
        }
    }

    pub(crate) fn who(&self, number: &str, agency: &str) -> Who {
        match self.settings.named_by {
            NamedBy::UserId => Who::Id(UserId {
                agency: Some(agency.to_owned()),
                kind: self.settings.id_kind.clone(),
                value: number.into(),
            }),
            NamedBy::BarcodeInput => Who::Authentication(vec![AuthenticationInput::barcode(number)]),
        }
    }

    pub(crate) async fn see(&self, number: &str) -> Seen {
        let agency = &self.settings.to_agency;
        let request = LookupUser { who: self.who(number, agency), elements: UserElement::ALL.to_vec() };
        let unknown = |error| Seen::Not(Lookup::Unknown(error));
        match self.ask(&Request::LookupUser(request), agency).await {
            Asked::NotBuilt(error) => unknown(self.unbuildable(&error)),
            Asked::NotSent(error) | Asked::Unanswered(error) => unknown(error),
            Asked::Answered(Meaning::TurnedAway(error) | Meaning::Doubt(error)) => unknown(error),
            Asked::Answered(Meaning::Refused(class, problems)) => {
                if matches!(class, ProblemClass::Missing) {
                    self.known.learn(Service::LookupUser, CapabilityState::Proven);
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
                    self.known.learn(Service::LookupUser, CapabilityState::Proven);
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
        let nameless = record.id.is_none() && record.fields.user_ids.is_empty();
        if !(names(record, number) || (nameless && self.settings.empty_id)) {
            let hint = if nameless {
                "If this ILS always leaves the number out, as Evergreen's NCIPServer does, write empty_id = true."
            } else {
                "Look the number up in the ILS by hand, and show its vendor this message."
            };
            return doubt(
                "LookupUser was answered with a patron of another number, or of none".to_owned(),
                hint,
            );
        }
        if !record.unreadable.is_empty() {
            let hint = match self.settings.dates {
                DateOrder::YearMonthDay => {
                    "Correct the value in the ILS; if its NCIP service writes the day before the month, write dates = \"year_day_month\"."
                }
                DateOrder::YearDayMonth => {
                    "Correct the value in the ILS; if its NCIP service writes the month before the day, write dates = \"year_month_day\"."
                }
            };
            let what = record.unreadable.join(", a ");
            return doubt(format!("the patron's record has a {what} that cannot be understood"), hint);
        }
        None
    }

    pub(crate) fn unbuildable(&self, error: &WriteError) -> ConnectorError {
        let hint = "Correct the value in the roster, or set a rule for it; nothing was sent.";
        ConnectorError::new(Fault::District, Retry::NotThisRecord, error.to_string(), hint)
    }

    /// Asks what the ILS speaks, where such a question is known to be answered or at least to do no harm. No answer is
    /// no news: most have none.
    async fn ask_versions(&self) {
        let Some(root) = self.settings.lookup_version else { return };
        let Ok(body) = encode_lookup_version(&self.header, &self.settings.dialect, root) else { return };
        if let Ok(answer) = self.wire.send(body, &self.origin()).await
            && answer.is_success()
            && let Ok(versions) = self.reader.read_versions(&answer.body, answer.charset())
        {
            self.known.learn_versions(versions);
        }
    }

    /// What people should know of this ILS before the first run.
    fn remarks(&self) -> Vec<Finding> {
        let mut remarks = Vec::new();
        let origin = self.origin();
        let mut remark = |code, text: String| {
            remarks.push(Finding::new(code, Place::default(), format!("{origin}: {text}")));
        };
        if self.settings.address.is_readable_on_the_way() {
            remark(
                "ils_plain_http",
                "plain http or TCP: patrons' names and PINs can be read on the way; use https or a VPN"
                    .to_owned(),
            );
        }
        if let Some(versions) = self.known.versions() {
            // A responder may write anything there; what is printed is short and plain.
            let plain =
                |text: &String| text.chars().filter(char::is_ascii_graphic).take(80).collect::<String>();
            let listed: Vec<String> = versions.iter().take(8).map(plain).collect();
            remark("ncip_versions", format!("it says that it speaks {}", listed.join(", ")));
        }
        let create = self.known.service(&self.settings, Service::CreateUser);
        let update = self.known.service(&self.settings, Service::UpdateUser);
        if !create.usable() {
            remark("ncip_cannot_create", format!("no card can be made through NCIP: {}", create.why));
        }
        if !update.usable() {
            remark("ncip_cannot_update", format!("no patron can be changed through NCIP: {}", update.why));
        } else if self.settings.updates != crate::map::WRITABLE {
            let taken = words(self.settings.updates);
            remark(
                "ncip_updates_some",
                format!("its UpdateUser takes {taken} alone; all else stays as it is"),
            );
        }
        if create.state == CapabilityState::Claimed || update.state == CapabilityState::Claimed {
            let services: Vec<&str> = [("CreateUser", &create), ("UpdateUser", &update)]
                .into_iter()
                .filter(|(_, capability)| capability.state == CapabilityState::Claimed)
                .map(|(name, _)| name)
                .collect();
            remark(
                "ncip_writes_unproven",
                format!(
                    "LookupUser works; whether {} does is only known once it was tried, because few systems have it: \
                     let the first plan through for one school",
                    services.join(" or ")
                ),
            );
        }
        let unseen: FieldSet =
            crate::map::READABLE.iter().filter(|field| !self.returns().contains(*field)).collect();
        if !unseen.is_empty() {
            remark(
                "ncip_not_returned",
                format!(
                    "its answers do not hold {}: these cannot be read back, and are compared with what was sent",
                    words(unseen)
                ),
            );
        }
        remark(
            "ncip_no_place",
            format!("NCIP has no place for {}: they are left out, and counted", words(PLACELESS)),
        );
        remarks
    }
}

/// Fields in words, with commas.
pub(crate) fn words(fields: FieldSet) -> String {
    fields.iter().map(Field::word).collect::<Vec<_>>().join(", ")
}

/// Whether a record is that of a number: the number that was echoed, or one of the others in it.
pub(crate) fn names(record: &UserRecord, number: &str) -> bool {
    let ids = record.id.iter().chain(&record.fields.user_ids);
    ids.into_iter().any(|id| id.value.reveal() == number)
}

#[async_trait]
impl PatronFinder for NcipDirectory {
    fn capabilities(&self) -> Capabilities {
        let service = |service| self.known.service(&self.settings, service);
        let (create, update) = (service(Service::CreateUser), service(Service::UpdateUser));
        let (way, why) = match self.settings.pin {
            PinWay::Create => (create.state, "the PIN goes with CreateUser; NCIP cannot read it back"),
            PinWay::Update => (update.state, "the PIN goes with an UpdateUser; NCIP cannot read it back"),
            PinWay::None => (CapabilityState::Off, "pin = \"none\": the ILS has its own rule"),
        };
        // A PIN is never seen again, so nothing can prove it.
        let pin = if way == CapabilityState::Proven { CapabilityState::Claimed } else { way };
        let block = self.known.block(&self.settings);
        Capabilities {
            lookup: service(Service::LookupUser),
            create,
            update,
            unblock: block.clone(),
            block,
            pin: Capability::new(pin, why),
            find_by_person: Capability::new(
                CapabilityState::Absent,
                "NCIP looks patrons up by their number alone",
            ),
        }
    }

    fn returns(&self) -> FieldSet {
        let mut returns = self.settings.returns;
        if self.settings.dialect.address == AddressForm::Text {
            returns.remove(Field::Address);
        }
        returns
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
                out.canonical(field).map(Cow::into_owned)
            }
            _ => values.canonical(field).map(Cow::into_owned),
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
        // A number that nobody has: the answer shows login and service without showing a patron.
        if let Seen::Not(Lookup::Unknown(error)) = self.see("0").await {
            return Err(error);
        }
        self.ask_versions().await;
        Ok(self.remarks())
    }
}
