//! An ILS in memory: unique numbers, read-back, and faults by script or by chance.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::Finding;
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    Capabilities, Capability, CapabilityState, ConnectorError, Creation, Fault, FieldChanges, FindBy,
    FindKey, Lookup, Outcome, PatronFinder, PatronWriter, Rejection, RejectionKind, Retry,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_engine::Clock;

use super::FakeClock;
use super::crash::Power;

/// A patron as this ILS holds it.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) values: PatronValues,
    pub(crate) pin: Option<String>,
    /// How many different PINs it had. The same one set again does no harm.
    pub(crate) pins_set: u32,
    /// How often the record was written.
    pub(crate) writes: u32,
    /// Whether the card is blocked.
    pub(crate) blocked: bool,
}

/// What happens to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// Nothing.
    None,
    /// It never leaves.
    NotSent,
    /// Nothing is done, and no answer comes.
    LostBefore,
    /// It is done, and no answer comes.
    LostAfter,
    /// It is done so much later, and no answer comes.
    Late(Duration),
}

/// What the ILS refuses for good.
type Refusal = Box<dyn Fn(&Creation) -> Option<(RejectionKind, Option<Field>)> + Send>;
/// What the ILS makes of a new patron.
type Habit = Box<dyn Fn(&mut PatronValues) + Send>;
/// What happens to a message, by its name and count.
type Script = Box<dyn FnMut(&str) -> Mishap + Send>;

struct State {
    patrons: BTreeMap<String, Held>,
    late: Vec<(Timestamp, Creation)>,
    script: Script,
    refusal: Refusal,
    habit: Habit,
    down: bool,
    not_now: bool,
    lookups: u64,
    creates: u64,
    updates: u64,
    duplicates: u64,
    /// Numbers of which the last look-up said that nobody has them.
    free: std::collections::BTreeSet<String>,
    unproven: u64,
}

pub(crate) struct FakeIls {
    state: Mutex<State>,
    clock: Arc<FakeClock>,
    /// Whether PINs travel with the create.
    pub(crate) pin_with_create: std::sync::atomic::AtomicBool,
    /// Whether it can be searched by more than the number.
    searchable: std::sync::atomic::AtomicBool,
    /// Whether new cards are for a loader to make.
    hands_over: std::sync::atomic::AtomicBool,
    /// Cuts the power when told.
    pub(crate) power: Arc<Power>,
}

fn error() -> ConnectorError {
    ConnectorError::new(Fault::Network, Retry::Later, "no answer", "look at the network")
}

fn refused() -> ConnectorError {
    ConnectorError::new(Fault::Ils, Retry::NotThisRecord, "the ILS said no", "look at the record")
}

impl FakeIls {
    pub(crate) fn new(clock: Arc<FakeClock>) -> Self {
        Self {
            state: Mutex::new(State {
                patrons: BTreeMap::new(),
                late: Vec::new(),
                script: Box::new(|_| Mishap::None),
                refusal: Box::new(|_| None),
                habit: Box::new(|_| ()),
                down: false,
                not_now: false,
                lookups: 0,
                creates: 0,
                updates: 0,
                duplicates: 0,
                free: std::collections::BTreeSet::new(),
                unproven: 0,
            }),
            clock,
            pin_with_create: true.into(),
            searchable: true.into(),
            hands_over: false.into(),
            power: Arc::default(),
        }
    }

    pub(crate) fn script(&self, script: impl FnMut(&str) -> Mishap + Send + 'static) {
        self.state.lock().unwrap().script = Box::new(script);
    }

    pub(crate) fn calm(&self) {
        self.script(|_| Mishap::None);
        self.state.lock().unwrap().down = false;
    }

    pub(crate) fn refuse(
        &self,
        refusal: impl Fn(&Creation) -> Option<(RejectionKind, Option<Field>)> + Send + 'static,
    ) {
        self.state.lock().unwrap().refusal = Box::new(refusal);
    }

    /// New patrons are kept otherwise than they were sent.
    pub(crate) fn keeps(&self, habit: impl Fn(&mut PatronValues) + Send + 'static) {
        self.state.lock().unwrap().habit = Box::new(habit);
    }

    /// Creates are answered "not now", for certain.
    pub(crate) fn not_now(&self, not_now: bool) {
        self.state.lock().unwrap().not_now = not_now;
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    pub(crate) fn held(&self, barcode: &str) -> Option<Held> {
        self.commit_late();
        self.state.lock().unwrap().patrons.get(barcode).cloned()
    }

    pub(crate) fn patrons(&self) -> Vec<(String, Held)> {
        self.commit_late();
        self.state.lock().unwrap().patrons.iter().map(|(b, h)| (b.clone(), h.clone())).collect()
    }

    /// Looks-ups, creates, updates since the last call.
    pub(crate) fn take_counts(&self) -> (u64, u64, u64) {
        let mut state = self.state.lock().unwrap();
        let counts = (state.lookups, state.creates, state.updates);
        (state.lookups, state.creates, state.updates) = (0, 0, 0);
        counts
    }

    pub(crate) fn duplicates(&self) -> u64 {
        self.state.lock().unwrap().duplicates
    }

    /// Creates whose number the last look-up had not found free.
    pub(crate) fn unproven(&self) -> u64 {
        self.state.lock().unwrap().unproven
    }

    /// Staff change a patron.
    pub(crate) fn staff(&self, barcode: &str, change: impl FnOnce(&mut PatronValues)) {
        change(&mut self.state.lock().unwrap().patrons.get_mut(barcode).unwrap().values);
    }

    /// Staff add a patron.
    pub(crate) fn staff_add(&self, barcode: &str, surname: &str) {
        let values = PatronValues {
            barcode: Some(Personal::new(barcode)),
            surname: Some(Personal::new(surname)),
            ..PatronValues::default()
        };
        let held = Held { values, pin: None, pins_set: 0, writes: 0, blocked: false };
        self.state.lock().unwrap().patrons.insert(barcode.to_owned(), held);
    }

    /// Whether it can be searched by more than the number.
    pub(crate) fn searchable(&self, searchable: bool) {
        self.searchable.store(searchable, std::sync::atomic::Ordering::Relaxed);
    }

    /// Whether new cards are for a loader to make.
    pub(crate) fn hand_over(&self, hands_over: bool) {
        self.hands_over.store(hands_over, std::sync::atomic::Ordering::Relaxed);
    }

    /// Staff block a card.
    pub(crate) fn block(&self, barcode: &str) {
        self.state.lock().unwrap().patrons.get_mut(barcode).unwrap().blocked = true;
    }

    /// Staff delete a patron.
    pub(crate) fn staff_delete(&self, barcode: &str) {
        self.state.lock().unwrap().patrons.remove(barcode).unwrap();
    }

    /// What was accepted and not yet done is done when its time has come.
    fn commit_late(&self) {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        let due: Vec<Creation> = {
            let (due, later) = std::mem::take(&mut state.late).into_iter().partition(|(at, _)| *at <= now);
            state.late = later;
            let due: Vec<(Timestamp, Creation)> = due;
            due.into_iter().map(|(_, creation)| creation).collect()
        };
        for creation in due {
            make(&mut state, &creation);
        }
    }

    /// A search by something else than the number.
    fn search(&self, key: &FindKey, mishap: Mishap) -> Lookup {
        let mut state = self.state.lock().unwrap();
        state.lookups += 1;
        if mishap != Mishap::None {
            return Lookup::Unknown(error());
        }
        let fits = |values: &PatronValues| match key {
            FindKey::StudentId(id) => values.student_id.as_ref() == Some(id),
            FindKey::Email(email) => values.email.as_ref() == Some(email),
            FindKey::UserName(name) => values.user_name.as_ref() == Some(name),
            FindKey::NameAndBirthDate { surname, given_name, birth_date } => {
                values.surname.as_ref() == Some(surname)
                    && values.given_name.as_ref() == Some(given_name)
                    && values.birth_date == Some(*birth_date)
            }
            FindKey::Barcode(_) | FindKey::PatronId(_) => false,
        };
        let mut found = state.patrons.values().filter(|held| fits(&held.values));
        match (found.next(), found.next()) {
            (None, _) => Lookup::NotFound,
            (Some(held), None) => Lookup::Found(patron(held)),
            (Some(_), Some(_)) => Lookup::Many,
        }
    }

    fn mishap(&self, service: &str) -> Mishap {
        let mut state = self.state.lock().unwrap();
        if state.down {
            return Mishap::NotSent;
        }
        (state.script)(service)
    }
}

/// Makes a patron unless the number is taken.
fn make(state: &mut State, creation: &Creation) -> bool {
    let barcode = creation.values.barcode.as_ref().unwrap().reveal().to_owned();
    if state.patrons.contains_key(&barcode) {
        state.duplicates += 1;
        return false;
    }
    let pin = creation.pin.as_ref().map(|p| p.reveal().to_owned());
    let pins_set = u32::from(pin.is_some());
    let mut values = creation.values.clone();
    (state.habit)(&mut values);
    state.patrons.insert(barcode, Held { values, pin, pins_set, writes: 1, blocked: false });
    true
}

fn patron(held: &Held) -> Box<Patron> {
    let id = held.values.barcode.clone().unwrap();
    Box::new(Patron { id, values: held.values.clone(), blocked: Some(held.blocked) })
}

#[async_trait]
impl PatronFinder for FakeIls {
    fn capabilities(&self) -> Capabilities {
        let claimed = || Capability::new(CapabilityState::Claimed, "a fake can do everything");
        Capabilities {
            lookup: claimed(),
            create: claimed(),
            update: claimed(),
            block: claimed(),
            unblock: claimed(),
            pin: claimed(),
            find_by_person: claimed(),
        }
    }

    fn finds_by(&self) -> &'static [FindBy] {
        if self.searchable.load(std::sync::atomic::Ordering::Relaxed) {
            FindBy::ALL
        } else {
            &[FindBy::Barcode]
        }
    }

    fn returns(&self) -> FieldSet {
        let mut all = FieldSet::ALL;
        all.remove(Field::Pin);
        all
    }

    async fn find(&self, key: &FindKey) -> Lookup {
        self.power.step().await;
        tokio::task::yield_now().await;
        self.commit_late();
        let mishap = self.mishap("find");
        let (FindKey::Barcode(barcode) | FindKey::PatronId(barcode)) = key else {
            let lookup = self.search(key, mishap);
            self.power.step().await;
            return lookup;
        };
        let lookup = {
            let mut state = self.state.lock().unwrap();
            state.lookups += 1;
            state.free.remove(barcode.reveal());
            if mishap == Mishap::None && !state.patrons.contains_key(barcode.reveal()) {
                state.free.insert(barcode.reveal().to_owned());
            }
            match mishap {
                Mishap::None => match state.patrons.get(barcode.reveal()) {
                    Some(held) => Lookup::Found(patron(held)),
                    None => Lookup::NotFound,
                },
                _ => Lookup::Unknown(error()),
            }
        };
        self.power.step().await;
        lookup
    }

    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl PatronWriter for FakeIls {
    fn pin_with_create(&self) -> bool {
        self.pin_with_create.load(std::sync::atomic::Ordering::Relaxed)
    }

    async fn create(&self, creation: &Creation) -> Outcome {
        self.power.step().await;
        tokio::task::yield_now().await;
        self.commit_late();
        let mishap = self.mishap("create");
        let outcome = {
            let mut state = self.state.lock().unwrap();
            state.creates += 1;
            let number = creation.values.barcode.as_ref().unwrap().reveal();
            let proven = state.free.remove(number);
            state.unproven += u64::from(!proven);
            if state.not_now {
                let kind = RejectionKind::Record;
                return Outcome::Rejected(Rejection { kind, field: None, error: error() });
            }
            if let (Mishap::None | Mishap::LostAfter | Mishap::Late(_), Some((kind, field))) =
                (mishap, (state.refusal)(creation))
            {
                return Outcome::Rejected(Rejection { kind, field, error: refused() });
            }
            match mishap {
                Mishap::NotSent => Outcome::NotSent(error()),
                Mishap::LostBefore => Outcome::Unknown(error()),
                Mishap::LostAfter => {
                    make(&mut state, creation);
                    Outcome::Unknown(error())
                }
                Mishap::Late(delay) => {
                    let at = self.clock.now().checked_add(delay).unwrap();
                    state.late.push((at, creation.clone()));
                    Outcome::Unknown(error())
                }
                Mishap::None if self.hands_over.load(std::sync::atomic::Ordering::Relaxed) => {
                    Outcome::HandedOver { batch: "tonight".into() }
                }
                Mishap::None if make(&mut state, creation) => {
                    let barcode = creation.values.barcode.as_ref().unwrap().reveal();
                    Outcome::Applied(Some(patron(&state.patrons[barcode])))
                }
                Mishap::None => {
                    let kind = RejectionKind::Duplicate;
                    Outcome::Rejected(Rejection { kind, field: None, error: refused() })
                }
            }
        };
        self.power.step().await;
        outcome
    }

    async fn set_pin(&self, patron: &Patron, pin: &Secret) -> Outcome {
        self.power.step().await;
        let mishap = self.mishap("set_pin");
        let outcome = {
            let mut state = self.state.lock().unwrap();
            let barcode = patron.values.barcode.as_ref().unwrap().reveal();
            let held = state.patrons.get_mut(barcode).unwrap();
            match mishap {
                Mishap::NotSent => Outcome::NotSent(error()),
                Mishap::LostBefore => Outcome::Unknown(error()),
                other => {
                    held.pins_set += u32::from(held.pin.as_deref() != Some(pin.reveal()));
                    held.pin = Some(pin.reveal().to_owned());
                    if other == Mishap::None { Outcome::Applied(None) } else { Outcome::Unknown(error()) }
                }
            }
        };
        self.power.step().await;
        outcome
    }

    async fn set_blocked(&self, target: &Patron, blocked: bool) -> Outcome {
        self.power.step().await;
        let mishap = self.mishap("block");
        let outcome = {
            let mut state = self.state.lock().unwrap();
            state.updates += 1;
            let barcode = target.values.barcode.as_ref().unwrap().reveal();
            let held = state.patrons.get_mut(barcode).unwrap();
            match mishap {
                Mishap::NotSent => Outcome::NotSent(error()),
                Mishap::LostBefore => Outcome::Unknown(error()),
                other => {
                    held.blocked = blocked;
                    if other == Mishap::None {
                        Outcome::Applied(Some(patron(held)))
                    } else {
                        Outcome::Unknown(error())
                    }
                }
            }
        };
        self.power.step().await;
        outcome
    }

    async fn update(&self, target: &Patron, changes: &FieldChanges) -> Outcome {
        self.power.step().await;
        tokio::task::yield_now().await;
        let mishap = self.mishap("update");
        let outcome = {
            let mut state = self.state.lock().unwrap();
            state.updates += 1;
            let barcode = target.values.barcode.as_ref().unwrap().reveal();
            let held = state.patrons.get_mut(barcode).unwrap();
            match mishap {
                Mishap::NotSent => Outcome::NotSent(error()),
                Mishap::LostBefore => Outcome::Unknown(error()),
                other => {
                    for field in changes.fields.iter() {
                        held.values.take(field, &changes.values);
                    }
                    held.writes += 1;
                    if other == Mishap::None {
                        Outcome::Applied(Some(patron(held)))
                    } else {
                        Outcome::Unknown(error())
                    }
                }
            }
        };
        self.power.step().await;
        outcome
    }
}
