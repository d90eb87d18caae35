//! The directory: look-ups by number, blocks with proof, and creates by a vendor's extension, each read back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::civil::Date;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    Capabilities, Capability, CapabilityState, ConnectorError, Creation, Fault, FieldChanges, FindKey,
    Lookup, Outcome, PatronFinder, PatronWriter, Rejection, RejectionKind, Retry,
};
use rostercard_core::privacy::{BirthDate, Personal, Secret};
use rostercard_core::route::{Authenticator, LetsIn};
use rostercard_core::words::Code;
use rostercard_sip2::{
    BlockPatron, Call, Failure, FieldCode, Fields, Message, Number, PatronEnable, PatronFlag, PatronFlags,
    PatronInformation, PatronInformationResponse, Summary, Supports, Verdict, YesNo, day, judge,
    judge_fields,
};

use crate::connection::Asked;
use crate::extension::Filling;
use crate::fault;
use crate::letters::fit;
use crate::pool::Pool;
use crate::settings::{Clock, Sip2Settings, TlsSettings};
use crate::tls::TlsError;

/// A number that is nobody's, to see how a server says so.
const NOBODY: &str = "0";

/// Cards of one ILS, over SIP2.
pub struct Sip2Directory {
    settings: Sip2Settings,
    clock: Clock,
    pool: Pool,
    known: Mutex<Known>,
}

/// What has been learnt of the server since the start.
#[derive(Debug, Clone, Default)]
struct Known {
    lookup: Learnt,
    create: Learnt,
    block: Learnt,
    unblock: Learnt,
    blocked: u32,
}

/// What is known of one capability.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Learnt {
    #[default]
    Nothing,
    Proven,
    Disproven(String),
}

/// What a check of a PIN showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinCheck {
    /// The card and its PIN let their holder in.
    Right,
    /// The card is there, the PIN is another.
    Wrong,
    /// Nobody can tell.
    Unknown(ConnectorError),
}

/// A card that was looked up, with its flags.
struct Seen {
    patron: Box<Patron>,
    flags: PatronFlags,
}

impl std::fmt::Debug for Sip2Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sip2Directory").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Sip2Directory {
    /// Sets up the directory. Nothing is sent yet.
    ///
    /// # Errors
    /// [`TlsError`] where TLS cannot be set up as asked.
    pub fn new(settings: Sip2Settings, clock: Clock) -> Result<Self, TlsError> {
        Ok(Self { pool: Pool::new(&settings)?, known: Mutex::default(), settings, clock })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn origin(&self) -> String {
        self.settings.origin()
    }

    fn stamp(&self) -> Option<rostercard_sip2::Stamp> {
        self.settings.clock.stamp((self.clock)())
    }

    /// AO, AA and AC, which every message about a patron has; AC also where it is empty, because servers want it.
    fn fields(&self, number: &str) -> Fields {
        Fields::new()
            .with(FieldCode::INSTITUTION, self.settings.institution.as_str())
            .with(FieldCode::PATRON, number)
            .with(FieldCode::TERMINAL_PASSWORD, self.settings.terminal_password.reveal())
    }

    fn call(
        &self,
        message: impl Into<Message>,
        answered_by: &str,
        number: &str,
        repeatable: bool,
    ) -> Option<Call> {
        Some(Call {
            message: message.into(),
            answered_by: rostercard_sip2::Code::parse(answered_by)?,
            about: Some(number.into()),
            repeatable,
            deadline: self.settings.deadline,
        })
    }

    async fn ask(&self, call: Option<Call>) -> Asked {
        match call {
            Some(call) => self.pool.ask(&self.settings, call).await,
            None => Asked::NotSent(self.error(
                Fault::Rostercard,
                Retry::NotThisTarget,
                "a message without a number",
                "Report this as a mistake in Rostercard.",
            )),
        }
    }

    fn error(&self, fault: Fault, retry: Retry, what: &str, hint: &str) -> ConnectorError {
        ConnectorError::new(fault, retry, format!("{}: {what}", self.origin()), hint)
    }

    /// Asks for a card, with a PIN only where one is to be checked.
    async fn information(
        &self,
        number: &str,
        pin: Option<&Secret>,
    ) -> Result<PatronInformationResponse, ConnectorError> {
        let mut fields = self.fields(number);
        if let Some(pin) = pin {
            fields.push(FieldCode::PATRON_PASSWORD, pin.reveal().into());
        }
        let message = PatronInformation {
            language: Number::new(1),
            date: self.stamp(),
            summary: Summary::BLANK,
            fields,
        };
        match self.ask(self.call(message, "64", number, true)).await {
            Asked::Answer(message) => match *message {
                Message::PatronInformationResponse(answer) => Ok(answer),
                _ => Err(fault::of(Failure::Unasked, &self.origin())),
            },
            Asked::NotSent(error) => Err(error),
            Asked::Failed(failure) => Err(fault::of(failure, &self.origin())),
        }
    }

    async fn see(&self, number: &str) -> Result<Seen, Lookup> {
        let answer = self.information(number, None).await.map_err(Lookup::Unknown)?;
        match judge(&answer) {
            Verdict::Found => {
                self.clear_answer();
                Ok(Seen { patron: Box::new(self.patron(number, &answer)), flags: answer.flags })
            }
            Verdict::NotFound => {
                self.clear_answer();
                Err(Lookup::NotFound)
            }
            Verdict::Unclear(doubt) => Err(Lookup::Unknown(self.error(
                Fault::Ils,
                Retry::NotThisRecord,
                &doubt.to_string(),
                "Look the number up in the ILS by hand; nothing is made while nobody can tell.",
            ))),
        }
    }

    /// A look-up was answered clearly. What a check found missing is not made good by one card that is there.
    fn clear_answer(&self) {
        let mut known = self.known();
        if known.lookup == Learnt::Nothing {
            known.lookup = Learnt::Proven;
        }
    }

    /// A card as SIP2 shows it. The name is for display alone and is not even taken.
    fn patron(&self, number: &str, answer: &PatronInformationResponse) -> Patron {
        let get = |code: Option<FieldCode>| {
            answer
                .fields
                .get(code?)
                .filter(|value| !value.is_blank())
                .map(|value| value.reveal().trim().to_owned())
        };
        let date = |code| {
            let (year, month, day) = day(&get(code)?)?;
            Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
        };
        let fields = self.settings.fields;
        let own = get(Some(FieldCode::PATRON)).unwrap_or_else(|| number.to_owned());
        Patron {
            id: Personal::new(own.clone()),
            values: PatronValues {
                barcode: Some(Personal::new(own)),
                birth_date: date(fields.birth_date).map(BirthDate::new),
                category: get(fields.category).map(Code::new),
                home_branch: get(fields.home_branch).map(Code::new),
                expiry: date(fields.expiry),
                ..PatronValues::default()
            },
            blocked: Some(answer.flags.is_set(PatronFlag::ChargeDenied)),
        }
    }

    /// Checks a card's PIN, as a vendor of e-books would. Never called by a sync: some servers lock a card after a few
    /// wrong ones.
    pub async fn check_pin(&self, number: &str, pin: &Secret) -> PinCheck {
        match self.information(number, Some(pin)).await {
            Err(error) => PinCheck::Unknown(error),
            Ok(answer) => match (judge(&answer), answer.fields.yes_no(FieldCode::VALID_PASSWORD)) {
                (Verdict::Found, Some(true)) => PinCheck::Right,
                (Verdict::Found, Some(false)) => PinCheck::Wrong,
                _ => PinCheck::Unknown(self.error(
                    Fault::Ils,
                    Retry::NotThisRecord,
                    "the answer does not say whether the PIN is right",
                    "Try the card in a service that asks for the PIN.",
                )),
            },
        }
    }

    fn refuse(
        &self,
        kind: RejectionKind,
        field: Option<Field>,
        fault: Fault,
        what: &str,
        hint: &str,
    ) -> Outcome {
        let retry = if kind == RejectionKind::Target { Retry::NotThisTarget } else { Retry::NotThisRecord };
        Outcome::Rejected(Rejection { kind, field, error: self.error(fault, retry, what, hint) })
    }

    /// Blocks a card, or enables one, and compares the flags before and after.
    async fn switch(&self, patron: &Patron, blocked: bool) -> Outcome {
        let number = patron.id.reveal();
        let before = match self.see(number).await {
            Ok(seen) => seen,
            Err(Lookup::NotFound) => return self.missing(),
            Err(Lookup::Unknown(error)) => return Outcome::NotSent(error),
            Err(_) => return self.missing(),
        };
        if before.flags.is_set(PatronFlag::ChargeDenied) == blocked {
            return Outcome::AlreadySo(before.patron);
        }
        if blocked {
            let mut known = self.known();
            if known.blocked >= self.settings.block.max_per_run {
                drop(known);
                return self.refuse(
                    RejectionKind::Target,
                    None,
                    Fault::Operator,
                    "as many cards were blocked in this run as max_per_run permits",
                    "See whether so many are right; then raise max_per_run in the table `block`.",
                );
            }
            known.blocked += 1;
        } else if let Some(other) = before.flags.set().find(|flag| !PatronFlag::PRIVILEGES.contains(flag)) {
            // Servers clear every flag at a 25, also those that the library's staff or a fine set.
            return self.refuse(
                RejectionKind::Record,
                None,
                Fault::Operator,
                &format!("the card has a block that is not Rostercard's ({other:?}), and enabling would clear it too"),
                "Let the library's staff see to the card; it was left as it is.",
            );
        }
        let call = if blocked {
            let mut fields = Fields::new().with(FieldCode::INSTITUTION, self.settings.institution.as_str());
            let reason = fit(&self.settings.block.reason, self.settings.wire.encoding);
            let reason = self.settings.wire.encoding.fit(&reason, self.settings.wire.value_limit).to_owned();
            fields.push(FieldCode::BLOCKED_MESSAGE, reason.into());
            fields.push(FieldCode::PATRON, number.into());
            fields.push(FieldCode::TERMINAL_PASSWORD, self.settings.terminal_password.reveal().into());
            let message = BlockPatron { card_retained: YesNo(false), date: self.stamp(), fields };
            self.call(message, "24", number, false)
        } else {
            let message = PatronEnable { date: self.stamp(), fields: self.fields(number) };
            self.call(message, "26", number, false)
        };
        let answered = match self.ask(call).await {
            Asked::NotSent(error) => return Outcome::NotSent(error),
            Asked::Failed(failure) => Err(failure),
            Asked::Answer(answer) => Ok(match &*answer {
                Message::PatronStatusResponse(a) => judge_fields(a.flags, &a.fields),
                Message::PatronEnableResponse(a) => judge_fields(a.flags, &a.fields),
                _ => Verdict::Found,
            }),
        };
        if answered == Ok(Verdict::NotFound) {
            return self.missing();
        }
        // Whatever the answer said: what the card shows now is what counts.
        match (self.see(number).await, answered) {
            (Ok(after), answered) if after.flags.is_set(PatronFlag::ChargeDenied) == blocked => {
                let proven = if answered.is_ok() { Learnt::Proven } else { Learnt::Nothing };
                let mut known = self.known();
                let place = if blocked { &mut known.block } else { &mut known.unblock };
                if *place != Learnt::Proven {
                    *place = proven;
                }
                drop(known);
                Outcome::Applied(Some(after.patron))
            }
            (Ok(_), Ok(_)) => {
                let message = if blocked { "01" } else { "25" };
                let why = format!("the server acknowledged {message}, and the card is as it was");
                let mut known = self.known();
                let place = if blocked { &mut known.block } else { &mut known.unblock };
                *place = Learnt::Disproven(why.clone());
                drop(known);
                self.refuse(
                    RejectionKind::Target,
                    None,
                    Fault::Ils,
                    &format!("no effect: {why}"),
                    "This server does not do what it acknowledges: let another way of this ILS block cards, or let them run out.",
                )
            }
            // It may still be carried out.
            (Ok(_), Err(failure)) => Outcome::Unknown(fault::of(failure, &self.origin())),
            (Err(Lookup::NotFound), _) => self.missing(),
            (Err(Lookup::Unknown(error)), _) => Outcome::Unknown(error),
            (Err(_), _) => Outcome::Applied(None),
        }
    }

    fn missing(&self) -> Outcome {
        self.refuse(
            RejectionKind::Missing,
            None,
            Fault::Ils,
            "the card is not found any more",
            "See in the ILS whether it was merged, deleted or given another number.",
        )
    }

    /// What is claimed of a message: by the configuration, and by the server's BX.
    fn switchable(&self, learnt: &Learnt, what: Supports, message: &str) -> Capability {
        if !self.settings.block.enabled {
            return Capability::new(CapabilityState::Off, "block.enabled = false");
        }
        match learnt {
            Learnt::Proven => {
                Capability::new(CapabilityState::Proven, format!("{message} worked, and a look-up showed it"))
            }
            Learnt::Disproven(why) => Capability::new(CapabilityState::Disproven, why.clone()),
            Learnt::Nothing => match self.pool.status().and_then(|status| status.supports(what)) {
                Some(false) => Capability::new(
                    CapabilityState::Absent,
                    format!("the server says (BX) that it does not support {message}"),
                ),
                Some(true) => Capability::new(
                    CapabilityState::Claimed,
                    format!(
                        "the server says (BX) that it supports {message}; some say so and do nothing: only a read-back proves it"
                    ),
                ),
                None => Capability::new(
                    CapabilityState::Claimed,
                    format!(
                        "the server does not say whether it supports {message}; a read-back will show it"
                    ),
                ),
            },
        }
    }

    /// Tries blocking and enabling on the library's own card, and says what was seen.
    async fn try_card(&self, number: &str, findings: &mut Vec<Finding>) {
        let mut note = |message: String| {
            findings.push(Finding::new("sip2_probe_card", Place::default(), message));
        };
        let seen = match self.see(number).await {
            Ok(seen) => seen,
            Err(Lookup::Unknown(error)) => {
                return note(format!("the probe card could not be looked up: {error}"));
            }
            Err(_) => return note("the probe card is not found: see probe_card".to_owned()),
        };
        if seen.flags.set().next().is_some() {
            return note("the probe card has blocks of its own, so nothing was tried on it".to_owned());
        }
        for blocked in [true, false] {
            let capabilities = self.capabilities();
            let capability = if blocked { capabilities.block } else { capabilities.unblock };
            if !capability.usable() {
                return note(format!("nothing was tried on the probe card: {}", capability.why));
            }
            match self.switch(&seen.patron, blocked).await {
                Outcome::Applied(_) | Outcome::AlreadySo(_) => {}
                Outcome::Rejected(Rejection { error, .. })
                | Outcome::NotSent(error)
                | Outcome::Unknown(error) => {
                    let what = if blocked { "blocked" } else { "enabled again" };
                    return note(format!("the probe card could not be {what}: {error}"));
                }
                Outcome::HandedOver { .. } => {}
            }
        }
    }

    async fn create_by_extension(&self, creation: &Creation, number: &str) -> Outcome {
        let Some(extension) = &self.settings.create else {
            return self.refuse(
                RejectionKind::Target,
                None,
                Fault::Operator,
                "SIP2 has no message that makes a patron, and no extension is configured",
                "Say how this ILS makes patrons: create = \"export\" (or another way) and verify = \"sip2\" in the ILS's table.",
            );
        };
        if let Learnt::Disproven(why) = self.known().create.clone() {
            let hint = "See the vendor's document for the message, and correct the table `create`.";
            return self.refuse(RejectionKind::Target, None, Fault::Ils, &why, hint);
        }
        let filling = Filling {
            institution: &self.settings.institution,
            terminal_password: &self.settings.terminal_password,
            values: &creation.values,
            pin: creation.pin.as_ref(),
            stamp: self.stamp(),
        };
        let message = match extension.build(&filling, &self.settings.wire) {
            Ok(message) => message,
            Err(not_built) => {
                let kind =
                    if not_built.field.is_some() { RejectionKind::Field } else { RejectionKind::Record };
                let name = not_built.field.map_or("a field", Field::word);
                let hint = "Correct the value in the roster, or set a rule for it; nothing was sent.";
                let what = format!("{name} {}", not_built.what);
                return self.refuse(kind, not_built.field, Fault::District, &what, hint);
            }
        };
        let response = extension.response.to_string();
        let asked = self.ask(self.call(Message::Other(message), &response, number, false)).await;
        let answered = match asked {
            Asked::NotSent(error) => return Outcome::NotSent(error),
            Asked::Failed(failure) => Err(failure),
            Asked::Answer(answer) => Ok(matches!(&*answer, Message::Other(other) if extension.worked(other))),
        };
        match (self.see(number).await, answered) {
            (Ok(seen), _) => {
                self.known().create = Learnt::Proven;
                Outcome::Applied(Some(seen.patron))
            }
            (Err(Lookup::NotFound), Ok(false)) => self.refuse(
                RejectionKind::Record,
                None,
                Fault::Ils,
                "the server refused to make the patron",
                "See the server's log for the reason.",
            ),
            (Err(Lookup::NotFound), Ok(true)) => Outcome::Unknown(self.error(
                Fault::Ils,
                Retry::Later,
                "the server says that it made the patron, and the card is not found afterwards",
                "It is looked up again later. If it stays so, ask the vendor.",
            )),
            (Err(Lookup::NotFound), Err(failure)) => {
                if matches!(failure, Failure::Closed | Failure::NotRepeated) {
                    let why = format!("the server did not take the configured message: {failure}");
                    self.known().create = Learnt::Disproven(why);
                }
                Outcome::Unknown(fault::of(failure, &self.origin()))
            }
            (Err(Lookup::Unknown(_)), Err(failure)) => Outcome::Unknown(fault::of(failure, &self.origin())),
            (Err(Lookup::Unknown(error)), Ok(_)) => Outcome::Unknown(error),
            (Err(_), _) => Outcome::Applied(None),
        }
    }

    fn cannot_change(&self, fields: FieldSet) -> Outcome {
        let names: Vec<&str> = fields.iter().map(Field::word).collect();
        self.refuse(
            RejectionKind::Field,
            fields.iter().next(),
            Fault::Operator,
            &format!("SIP2 cannot change {}", names.join(", ")),
            "Set these fields to \"library\" or \"none\" in [fields], or let another way of this ILS write.",
        )
    }
}

#[async_trait]
impl PatronFinder for Sip2Directory {
    fn capabilities(&self) -> Capabilities {
        let known = self.known().clone();
        let absent = |why: &str| Capability::new(CapabilityState::Absent, why);
        let lookup = match known.lookup {
            Learnt::Proven => Capability::new(CapabilityState::Proven, "63 was answered clearly"),
            Learnt::Disproven(why) => Capability::new(CapabilityState::Disproven, why),
            Learnt::Nothing => Capability::new(CapabilityState::Claimed, "SIP 2.00 has 63"),
        };
        let create = match (&self.settings.create, known.create) {
            (None, _) => {
                absent("SIP 2.00 has no message that makes a patron; let an export or another way do it")
            }
            (Some(_), Learnt::Proven) => Capability::new(
                CapabilityState::Proven,
                "the vendor's extension worked, and a look-up showed it",
            ),
            (Some(_), Learnt::Disproven(why)) => Capability::new(CapabilityState::Disproven, why),
            (Some(_), Learnt::Nothing) => {
                Capability::new(CapabilityState::Claimed, "the configuration says so (the table `create`)")
            }
        };
        let pin = match &self.settings.create {
            Some(extension) if extension.takes_pin() => {
                Capability::new(CapabilityState::Claimed, "the PIN goes with the vendor's extension")
            }
            Some(_) | None => absent("SIP 2.00 cannot set a PIN"),
        };
        Capabilities {
            lookup,
            create,
            update: absent("SIP 2.00 cannot change a patron's fields"),
            block: self.switchable(&known.block, Supports::BlockPatron, "01"),
            unblock: self.switchable(&known.unblock, Supports::PatronEnable, "25"),
            pin,
            find_by_person: absent("SIP2 looks cards up by their number alone"),
        }
    }

    fn returns(&self) -> FieldSet {
        let fields = self.settings.fields;
        let mut returned = FieldSet::of(&[Field::Barcode]);
        for (code, field) in [
            (fields.expiry, Field::Expiry),
            (fields.birth_date, Field::BirthDate),
            (fields.category, Field::Category),
            (fields.home_branch, Field::HomeBranch),
        ] {
            if code.is_some() {
                returned.insert(field);
            }
        }
        returned
    }

    async fn find(&self, key: &FindKey) -> Lookup {
        let (FindKey::Barcode(number) | FindKey::PatronId(number)) = key else {
            return key.not_possible("SIP2");
        };
        match self.see(number.reveal()).await {
            Ok(seen) => Lookup::Found(seen.patron),
            Err(lookup) => lookup,
        }
    }

    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        let mut findings = Vec::new();
        let origin = self.origin();
        let mut note = |code, message: String| {
            findings.push(Finding::new(code, Place::default(), format!("{origin}: {message}")));
        };
        let near = matches!(self.settings.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if self.settings.tls == TlsSettings::Off && !near {
            note(
                "ils_plain",
                "no TLS: cards, names and PINs can be read on the way; use TLS, stunnel or a VPN".to_owned(),
            );
        }
        // A number that nobody has: the answer shows login and service without showing a patron.
        match self.information(NOBODY, None).await {
            Err(error) => return Err(error),
            Ok(answer) => match judge(&answer) {
                Verdict::NotFound => self.known().lookup = Learnt::Proven,
                Verdict::Found => {
                    self.known().lookup = Learnt::Disproven(format!(
                        "the server finds a patron for the number {NOBODY}, which is nobody's"
                    ));
                    note(
                        "sip2_finds_nobody",
                        format!(
                            "a patron is found for the number {NOBODY}: does the server look up by other ids, or by parts?"
                        ),
                    );
                }
                Verdict::Unclear(doubt) => {
                    self.known().lookup =
                        Learnt::Disproven(format!("asked for a number that is nobody's: {doubt}"));
                    note(
                        "sip2_no_clear_no",
                        format!(
                            "asked for a number that is nobody's: {doubt}; cards that are there can be found, but no new card can be made on such an answer"
                        ),
                    );
                }
            },
        }
        if let Some(status) = self.pool.status()
            && !status.status_update.0
        {
            note(
                "sip2_status_update",
                "the server says that it does not take changes of status (98)".to_owned(),
            );
        }
        if self.settings.block.enabled {
            match &self.settings.probe_card {
                Some(card) => self.try_card(card, &mut findings).await,
                None => note(
                    "sip2_block_unproven",
                    "whether blocking works is known once it was tried: name a card of the library's own as probe_card".to_owned(),
                ),
            }
        }
        self.pool.close_idle();
        Ok(findings)
    }
}

#[async_trait]
impl Authenticator for Sip2Directory {
    async fn lets_in(&self, number: &Personal, pin: &Secret) -> LetsIn {
        match self.check_pin(number.reveal(), pin).await {
            PinCheck::Right => LetsIn::Yes,
            PinCheck::Wrong => LetsIn::No,
            PinCheck::Unknown(_) => LetsIn::Unknown,
        }
    }
}

#[async_trait]
impl PatronWriter for Sip2Directory {
    fn pin_with_create(&self) -> bool {
        self.settings.create.as_ref().is_some_and(crate::extension::Extension::takes_pin)
    }

    fn no_later_pin(&self) -> Option<String> {
        Some("SIP2 cannot set the PIN of a card that is there; let another way of this ILS do it".to_owned())
    }

    async fn create(&self, creation: &Creation) -> Outcome {
        match creation
            .values
            .barcode
            .as_ref()
            .map(Personal::reveal)
            .filter(|number| !number.trim().is_empty())
        {
            Some(number) => self.create_by_extension(creation, number).await,
            None => self.refuse(
                RejectionKind::Field,
                Some(Field::Barcode),
                Fault::Rostercard,
                "a card without a number cannot be made",
                "Report this as a mistake in Rostercard.",
            ),
        }
    }

    async fn set_pin(&self, _patron: &Patron, _pin: &Secret) -> Outcome {
        self.cannot_change(FieldSet::of(&[Field::Pin]))
    }

    async fn update(&self, _patron: &Patron, changes: &FieldChanges) -> Outcome {
        self.cannot_change(changes.fields)
    }

    async fn set_blocked(&self, patron: &Patron, blocked: bool) -> Outcome {
        let capabilities = self.capabilities();
        let capability = if blocked { capabilities.block } else { capabilities.unblock };
        if !capability.usable() {
            let hint = "Let another way of this ILS block cards, or let them run out: [lapse] then = \"not_renewed\".";
            return self.refuse(RejectionKind::Target, None, Fault::Operator, &capability.why, hint);
        }
        self.switch(patron, blocked).await
    }

    async fn finish(&self) -> Result<Vec<Finding>, ConnectorError> {
        self.pool.close_idle();
        let mut known = self.known();
        known.blocked = 0;
        let mut findings = Vec::new();
        for learnt in [&known.block, &known.unblock, &known.create] {
            if let Learnt::Disproven(why) = learnt {
                let message = format!("{}: {why}", self.origin());
                findings.push(Finding::new("ils_no_effect", Place::default(), message));
            }
        }
        Ok(findings)
    }
}
