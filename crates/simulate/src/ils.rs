//! A simulated ILS: unique numbers, read-back in its own form, and a wire on which everything goes wrong that can. What
//! the engine sends is held against the laws here, at the moment at which it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::Finding;
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    Capabilities, Capability, CapabilityState, ConnectorError, Creation, Fault, FieldChanges, FindBy,
    FindKey, Lookup, Outcome, PatronFinder, PatronWriter, Rejection, RejectionKind, Retry,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_engine::{Clock, World};

use crate::dice::Dice;
use crate::district::Truth;
use crate::laws::{Court, Invariant};
use crate::power::{Power, SimClock, lock, yield_now};

/// How long the client waits for an answer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// How long after a create without an answer its fate is looked up: twice the deadline. The ILS commits sooner or never.
pub(crate) const SETTLE_AFTER: Duration = Duration::from_secs(60);

/// Fields that the roster owns outright.
const SCHOOLS_OWN: [Field; 5] =
    [Field::Surname, Field::GivenName, Field::MiddleName, Field::BirthDate, Field::Phone];
/// Fields that Rostercard keeps up unless staff changed them.
const OURS: [Field; 4] = [Field::Category, Field::HomeBranch, Field::Expiry, Field::Statistics];

/// How an ILS keeps and shows what it is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Personality {
    /// Names are kept in capitals.
    pub(crate) capitals: bool,
    /// Surnames are cut to so many letters.
    pub(crate) cut: Option<usize>,
    /// Birth dates and telephones cannot be read.
    pub(crate) discreet: bool,
    /// The PIN travels with the create.
    pub(crate) pin_with_create: bool,
}

/// A patron's record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    pub(crate) values: PatronValues,
    pub(crate) pin: Option<String>,
    /// Whether somebody else than Rostercard set the PIN last.
    pub(crate) own_pin: bool,
    /// Whether the PIN that came with the card is known to have been set, where that is a step of its own.
    pub(crate) pin_settled: bool,
    /// For whom Rostercard made it; `None` where staff did.
    pub(crate) pupil: Option<usize>,
    /// What was there after Rostercard's last write, field by field.
    pub(crate) ours: BTreeMap<Field, Option<String>>,
    /// Fields that staff ever touched.
    pub(crate) touched: BTreeSet<Field>,
    /// Whether it is blocked, and by Rostercard.
    pub(crate) blocked: Option<bool>,
    /// Staff made it a family's card.
    pub(crate) upgraded: bool,
}

/// What goes wrong on the wire in one run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WireFaults {
    /// So many messages in a thousand meet with a mishap.
    pub(crate) per_mille: u64,
    /// Nothing leaves the machine.
    pub(crate) down: bool,
    /// Every create is answered "not now".
    pub(crate) not_now: bool,
    /// The login is wrong: every write is refused.
    pub(crate) login: bool,
    /// After so many messages somebody asks the run to stop.
    pub(crate) stop_after: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mishap {
    None,
    /// It never leaves.
    NotSent,
    /// It gets lost on its way.
    LostBefore,
    /// It is done, and the answer gets lost.
    LostAfter,
    /// It is done so much later, and no answer comes.
    Late(Duration),
    /// The ILS says "not now".
    NotNow,
}

/// What staff do.
#[derive(Clone, Copy)]
enum Act {
    Name,
    Contact,
    Upgrade,
    Branch,
    Extend,
    Delete,
    Merge,
    Renumber,
    Pin,
    Block,
    Add,
}

enum Later {
    Create(Creation),
    Update(u64, FieldChanges),
}

/// A create whose fate is not known to the client.
#[derive(Debug)]
struct Doubt {
    number: String,
    pin: Option<String>,
    at: Timestamp,
    /// A look-up that came late enough said that it is not there.
    ripe: bool,
}

/// What was sent in one run.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sent {
    pub(crate) lookups: u64,
    pub(crate) writes: u64,
    /// Students for whom a create was sent that had none sent before.
    pub(crate) newly: BTreeSet<usize>,
    /// Students whose card was blocked, or was given an end that is today or in the past.
    pub(crate) ended: BTreeSet<usize>,
}

struct State {
    held: BTreeMap<u64, Held>,
    next: u64,
    late: Vec<(Timestamp, Later)>,
    dice: Dice,
    faults: WireFaults,
    messages: u64,
    world: Option<World>,
    sent: Sent,
    /// Numbers of which the last look-up said that nobody has them.
    free: BTreeSet<String>,
    doubts: BTreeMap<usize, Doubt>,
    /// Students for whom a create was ever sent.
    asked: BTreeSet<usize>,
    /// The numbers of the cards that were made for each student.
    landed: BTreeMap<usize, BTreeSet<String>>,
    /// Students whose records this ILS refuses, for good.
    refuses: BTreeSet<usize>,
    /// Students of whom something was refused for good.
    refused: BTreeSet<usize>,
    /// Students whose patron staff took away, or whose number staff used.
    by_staff: BTreeSet<usize>,
    /// Students of whose card a lying disk made the ledger forget.
    forgotten: BTreeSet<usize>,
}

/// The ILS.
pub(crate) struct SimIls {
    state: Mutex<State>,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) power: Arc<Power>,
    pub(crate) personality: Personality,
    truth: Arc<Mutex<Truth>>,
    court: Arc<Court>,
}

fn no_answer() -> ConnectorError {
    ConnectorError::new(Fault::Network, Retry::Later, "no answer came in time", "look at the network")
}

fn refusal(kind: RejectionKind, retry: Retry, field: Option<Field>) -> Outcome {
    let error = ConnectorError::new(Fault::Ils, retry, "the ILS said no", "look at the record");
    Outcome::Rejected(Rejection { kind, field, error })
}

fn text(values: &PatronValues, field: Field) -> Option<String> {
    values.canonical(field).map(std::borrow::Cow::into_owned)
}

impl SimIls {
    pub(crate) fn new(
        mut dice: Dice,
        clock: Arc<SimClock>,
        power: Arc<Power>,
        truth: Arc<Mutex<Truth>>,
        court: Arc<Court>,
    ) -> Self {
        let personality = Personality {
            capitals: dice.chance(300),
            cut: dice.chance(200).then_some(9),
            discreet: dice.chance(200),
            pin_with_create: dice.chance(600),
        };
        let state = State {
            held: BTreeMap::new(),
            next: 0,
            late: Vec::new(),
            faults: WireFaults::default(),
            messages: 0,
            world: None,
            sent: Sent::default(),
            free: BTreeSet::new(),
            doubts: BTreeMap::new(),
            asked: BTreeSet::new(),
            landed: BTreeMap::new(),
            refuses: (0..90).filter(|_| dice.chance(20)).collect(),
            refused: BTreeSet::new(),
            by_staff: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            dice,
        };
        Self { state: Mutex::new(state), clock, power, personality, truth, court }
    }

    // ---- for the year ----

    /// A run begins, with these faults; it can be asked to stop through its world.
    pub(crate) fn begin(&self, faults: WireFaults, world: World) {
        let mut state = lock(&self.state);
        state.faults = faults;
        state.messages = 0;
        state.world = Some(world);
        state.sent = Sent::default();
    }

    /// Every intent has ended: no PIN is in doubt.
    pub(crate) fn settled(&self) {
        for held in lock(&self.state).held.values_mut() {
            held.pin_settled = true;
        }
    }

    /// What was sent since the run began.
    pub(crate) fn sent(&self) -> Sent {
        lock(&self.state).sent.clone()
    }

    /// Everything that was accepted and whose time has come is done.
    pub(crate) fn commit_late(&self) {
        let now = self.clock.truth();
        let mut state = lock(&self.state);
        let (due, later) = std::mem::take(&mut state.late).into_iter().partition(|(at, _)| *at <= now);
        state.late = later;
        let due: Vec<(Timestamp, Later)> = due;
        for (_, what) in due {
            match what {
                Later::Create(creation) => {
                    self.make(&mut state, &creation);
                }
                Later::Update(id, changes) => {
                    self.change(&mut state, id, &changes);
                }
            }
        }
    }

    /// The records, for checking.
    pub(crate) fn held(&self) -> Vec<Held> {
        self.commit_late();
        lock(&self.state).held.values().cloned().collect()
    }

    /// For whom a card with this number was ever made.
    pub(crate) fn made_for(&self, number: &str) -> Option<usize> {
        self.commit_late();
        let state = lock(&self.state);
        state.landed.iter().find(|(_, numbers)| numbers.contains(number)).map(|(pupil, _)| *pupil)
    }

    /// The disk had lied: what the ledger knows after the crash is all that it knows.
    pub(crate) fn ledger_forgot(&self, known: &BTreeSet<usize>) {
        self.commit_late();
        let mut state = lock(&self.state);
        let landed: Vec<usize> = state.landed.keys().copied().filter(|p| !known.contains(p)).collect();
        let doubtful: Vec<usize> = state.doubts.keys().copied().collect();
        state.forgotten.extend(landed.into_iter().chain(doubtful));
        state.doubts.clear();
        // What the ledger thinks it wrote last is older than what is there.
        for held in state.held.values_mut() {
            let now: BTreeMap<Field, Option<String>> =
                held.ours.keys().map(|field| (*field, text(&held.values, *field))).collect();
            held.ours = now;
            held.pin_settled = false;
        }
    }

    /// Why a student may have no card that the ledger knows.
    pub(crate) fn excuse(&self, pupil: usize) -> Option<&'static str> {
        let state = lock(&self.state);
        [
            (&state.refused, "the ILS refused something of the student"),
            (&state.by_staff, "staff took the patron away, or used the number"),
            (&state.forgotten, "a lying disk made the ledger forget"),
        ]
        .into_iter()
        .find(|(who, _)| who.contains(&pupil))
        .map(|(_, why)| why)
    }

    // ---- staff ----

    /// Staff do something to some patron; as a sentence. `known` are the students whose cards the ledger knows,
    /// `next_id` is the id of a student to come.
    pub(crate) fn staff(&self, dice: &mut Dice, next_id: &str) -> Option<String> {
        self.commit_late();
        let mut state = lock(&self.state);
        let ids: Vec<u64> = state.held.keys().copied().collect();
        let id = dice.pick(&ids);
        let act = dice.weighted(&[
            (20, Act::Name),
            (20, Act::Contact),
            (16, Act::Upgrade),
            (16, Act::Branch),
            (16, Act::Extend),
            (3, Act::Delete),
            (2, Act::Merge),
            (4, Act::Renumber),
            (8, Act::Pin),
            (3, Act::Block),
            (3, Act::Add),
        ])?;
        if matches!(act, Act::Add) {
            // A card that staff made with a number that a student to come would get.
            let number = format!("77{next_id}");
            let pupil = { lock(&self.truth).said.len() };
            let id = state.next;
            state.next += 1;
            let values = PatronValues {
                barcode: Some(Personal::new(number)),
                surname: Some(Personal::new("Zqforeign")),
                ..PatronValues::default()
            };
            state.held.insert(id, Held { values, own_pin: true, ..Held::default() });
            state.by_staff.insert(pupil);
            return Some(format!("staff make a card with the number that p{pupil} would get"));
        }
        let id = id?;
        let known = {
            let truth = lock(&self.truth);
            state.held.get(&id)?.pupil.is_some_and(|p| truth.known.contains(&p))
        };
        if matches!(act, Act::Delete | Act::Merge | Act::Renumber) {
            let held = state.held.get(&id)?;
            let pupil = held.pupil?;
            // The rest of this year's students keep their cards, or it would be the ILS that is in doubt (S33).
            if state.by_staff.len() > 8 {
                return None;
            }
            state.by_staff.insert(pupil);
            if !known {
                // The ledger has not learned of the card yet; nobody can know that it was there.
                state.landed.remove(&pupil);
                state.forgotten.insert(pupil);
            }
            return Some(match act {
                Act::Renumber => {
                    let number = format!("88{:08}", state.next);
                    state.next += 1;
                    let held = state.held.get_mut(&id)?;
                    held.values.barcode = Some(Personal::new(number));
                    format!("staff give the card of p{pupil} another number")
                }
                _ => {
                    state.held.remove(&id);
                    format!("staff delete or merge the card of p{pupil}")
                }
            });
        }
        let word = dice.below(1_000);
        let held = state.held.get_mut(&id)?;
        let done = self.act_on(act, held, known, word);
        if done.is_some() && !known {
            // Nobody can tell what staff did to a card before it was read for the first time from what the ILS did to it.
            held.ours = held.ours.keys().map(|field| (*field, text(&held.values, *field))).collect();
        }
        done
    }

    fn act_on(&self, act: Act, held: &mut Held, known: bool, word: u64) -> Option<String> {
        let who = held.pupil.map_or_else(|| "a foreign patron".to_owned(), |p| format!("p{p}"));
        let touch = |held: &mut Held, field: Field| {
            held.touched.insert(field);
        };
        Some(match act {
            Act::Name => {
                held.values.surname = Some(Personal::new(format!("Zqstaff{word}")));
                touch(held, Field::Surname);
                format!("staff change the surname of {who}")
            }
            Act::Contact => {
                held.values.email = Some(Personal::new(format!("Zq{word}@family.example")));
                held.values.phone = Some(Personal::new(format!("+1-9041-{word}")));
                touch(held, Field::Email);
                touch(held, Field::Phone);
                format!("staff change the contacts of {who}")
            }
            Act::Upgrade => {
                held.values.category = Some("ADULT".into());
                held.values.expiry = held.values.expiry.map(|day| day.saturating_add(Span::new().years(2)));
                touch(held, Field::Category);
                touch(held, Field::Expiry);
                held.upgraded = true;
                format!("staff upgrade the card of {who}")
            }
            Act::Branch => {
                let branch = if word.is_multiple_of(3) { "WEST" } else { "BOOKMOBILE" };
                held.values.home_branch = Some(branch.into());
                touch(held, Field::HomeBranch);
                format!("staff set the home branch of {who} to {branch}")
            }
            Act::Block => {
                // On a card that we blocked, a second block cannot be seen: there is one flag.
                held.blocked.get_or_insert(false);
                format!("staff block the card of {who}")
            }
            Act::Extend => {
                held.values.expiry = held.values.expiry.map(|day| day.saturating_add(Span::new().days(45)));
                touch(held, Field::Expiry);
                format!("staff extend the card of {who}")
            }
            _ => {
                // Whether a PIN in doubt was set cannot be read back, so it is set once more; that it takes the place of one
                // that a family chose meanwhile is a gap that nobody can close.
                if !known || !held.pin_settled {
                    return None;
                }
                held.pin = Some(format!("{word:04}"));
                held.own_pin = true;
                format!("{who} chooses a PIN")
            }
        })
    }

    // ---- within ----

    /// The machine's day.
    fn day(&self) -> Date {
        TimeZone::UTC.to_datetime(self.clock.now()).date()
    }

    /// A value as this ILS keeps it.
    fn form(&self, field: Field, value: String) -> String {
        let value = match (field, self.personality.cut) {
            (Field::Surname, Some(cut)) => value.chars().take(cut).collect(),
            _ => value,
        };
        let name = matches!(field, Field::Surname | Field::GivenName | Field::MiddleName);
        if name && self.personality.capitals { value.to_uppercase() } else { value }
    }

    fn keep(&self, into: &mut PatronValues, field: Field, from: &PatronValues) {
        into.take(field, from);
        let kept = |value: &Option<Personal>| {
            value.as_ref().map(|v| Personal::new(self.form(field, v.reveal().to_owned())))
        };
        match field {
            Field::Surname => into.surname = kept(&into.surname),
            Field::GivenName => into.given_name = kept(&into.given_name),
            Field::MiddleName => into.middle_name = kept(&into.middle_name),
            _ => {}
        }
    }

    /// Makes a patron unless the number is taken; its id.
    fn make(&self, state: &mut State, creation: &Creation) -> Option<u64> {
        let number = creation.values.barcode.as_ref()?.reveal().to_owned();
        let taken = |held: &Held| held.values.barcode.as_ref().is_some_and(|b| b.reveal() == number);
        if state.held.values().any(taken) {
            self.court.count("creates refused as duplicates", 1);
            return None;
        }
        let pupil = self.whose(creation)?;
        let id = state.next;
        state.next += 1;
        let mut values = PatronValues::default();
        for field in Field::ALL {
            self.keep(&mut values, *field, &creation.values);
        }
        let ours = OURS.iter().map(|field| (*field, text(&values, *field))).collect();
        let pin = creation.pin.as_ref().map(|pin| pin.reveal().to_owned());
        state.held.insert(id, Held { values, pin, pupil: Some(pupil), ours, ..Held::default() });
        let cards = state.landed.entry(pupil).or_default();
        cards.insert(number);
        let cards = cards.len();
        self.court.count("cards made", 1);
        let excused = state.forgotten.contains(&pupil) || self.number_changed(pupil);
        self.court.holds(Invariant::OneCardEach, cards == 1 || excused, || {
            format!("p{pupil} has {cards} cards now")
        });
        Some(id)
    }

    fn change(&self, state: &mut State, id: u64, changes: &FieldChanges) -> Option<()> {
        let held = state.held.get_mut(&id)?;
        for field in changes.fields.iter() {
            self.keep(&mut held.values, field, &changes.values);
            if OURS.contains(&field) {
                held.ours.insert(field, text(&held.values, field));
            }
        }
        Some(())
    }

    fn whose(&self, creation: &Creation) -> Option<usize> {
        let id = creation.values.student_id.as_ref()?;
        lock(&self.truth).ids.get(id.reveal()).copied()
    }

    /// S34 is not built yet: a student whose number was changed or swapped is taken for another one. Remove this
    /// exception with it.
    pub(crate) fn number_changed(&self, pupil: usize) -> bool {
        lock(&self.truth).said.get(pupil).is_some_and(|said| said.number_changed)
    }

    /// Whether names and birth date that are sent are the student's own, of any time.
    fn own_names(&self, pupil: usize, values: &PatronValues, fields: FieldSet) -> bool {
        let truth = lock(&self.truth);
        let Some(said) = truth.said.get(pupil) else { return false };
        let own = |field: Field, value: Option<&Personal>, known: &BTreeSet<String>| {
            !fields.contains(field) || value.is_none_or(|v| known.contains(v.reveal()))
        };
        own(Field::Surname, values.surname.as_ref(), &said.surnames)
            && own(Field::GivenName, values.given_name.as_ref(), &said.given)
            && own(Field::MiddleName, values.middle_name.as_ref(), &said.middle)
            && (!fields.contains(Field::BirthDate)
                || values.birth_date.is_none_or(|born| said.born.contains(&born.reveal())))
    }

    fn patron(&self, id: u64, held: &Held) -> Box<Patron> {
        let mut values = PatronValues::default();
        for field in self.returns().iter() {
            values.take(field, &held.values);
        }
        Box::new(Patron {
            id: Personal::new(format!("P{id}")),
            values,
            blocked: Some(held.blocked.is_some()),
        })
    }

    /// A message begins: time passes, others may go first, and it is drawn what becomes of it.
    async fn message(&self, service: &'static str) -> Mishap {
        self.power.step().await;
        let yields = lock(&self.state).dice.below(3);
        for _ in 0..yields {
            yield_now().await;
        }
        self.clock.advance(Duration::from_millis(120));
        self.commit_late();
        let mut state = lock(&self.state);
        state.messages += 1;
        if state.faults.stop_after == Some(state.messages)
            && let Some(world) = &state.world
        {
            self.court.say(|| "somebody asks the run to stop".to_owned());
            world.ask_to_stop();
        }
        let state = &mut *state;
        if state.faults.down {
            return Mishap::NotSent;
        }
        if !state.dice.chance(state.faults.per_mille) {
            return Mishap::None;
        }
        let late = Duration::from_millis(state.dice.below(59_000));
        let mishap = state.dice.pick(&[
            Mishap::NotSent,
            Mishap::LostBefore,
            Mishap::LostAfter,
            Mishap::LostAfter,
            Mishap::Late(late),
            Mishap::Late(late),
            Mishap::NotNow,
        ]);
        let mishap = mishap.unwrap_or(Mishap::None);
        self.court.count(
            match mishap {
                Mishap::NotSent => "messages that never left",
                Mishap::LostBefore => "messages lost on their way",
                Mishap::LostAfter => "answers lost",
                Mishap::Late(_) => "messages done late",
                Mishap::NotNow => "messages answered with an error",
                Mishap::None => "messages",
            },
            1,
        );
        self.court.say(|| format!("{service}: {mishap:?}"));
        mishap
    }

    /// The client has given up on an answer.
    fn give_up(&self) -> ConnectorError {
        self.clock.advance(DEADLINE);
        no_answer()
    }

    /// What a create has to answer to before anything comes of it.
    fn judge_create(&self, state: &mut State, creation: &Creation, left: Timestamp) -> Option<usize> {
        let pupil = self.whose(creation);
        self.court.holds(Invariant::NeverCrossed, pupil.is_some(), || {
            "a create for a student id that nobody has".to_owned()
        });
        let (pupil, number) = (pupil?, creation.values.barcode.as_ref()?.reveal().to_owned());
        let proven = state.free.remove(&number);
        self.court.holds(Invariant::OnlyNotFoundCreates, proven, || {
            format!("a create for p{pupil}, and the last look-up of its number did not say \"not found\"")
        });
        let changed = self.number_changed(pupil);
        let own = self.own_names(pupil, &creation.values, FieldSet::ALL);
        self.court.holds(Invariant::NeverCrossed, own || changed, || {
            format!("a create for p{pupil} with names or a birth date that are not theirs")
        });
        let known = lock(&self.truth).known.contains(&pupil);
        let excused = changed || state.forgotten.contains(&pupil);
        self.court.holds(Invariant::GoneIsNotMadeAgain, !known || excused, || {
            format!("a create for p{pupil}, whose card the ledger knows")
        });
        let pin = creation.pin.as_ref().map(|pin| pin.reveal().to_owned());
        if let Some(doubt) = state.doubts.get(&pupil).filter(|doubt| !doubt.ripe && !changed) {
            let same = doubt.number == number && doubt.pin == pin;
            self.court.holds(Invariant::InDoubtSameNumber, same, || {
                format!("a create for p{pupil} with another number or PIN, while an earlier one is in doubt")
            });
            self.court.holds(Invariant::SettledNoSooner, !same, || {
                format!("a create for p{pupil} is sent again while the earlier one can still land")
            });
        }
        if state.asked.insert(pupil) {
            state.sent.newly.insert(pupil);
        }
        state.doubts.insert(pupil, Doubt { number, pin, at: left, ripe: false });
        Some(pupil)
    }

    /// What an update has to answer to.
    fn judge_update(&self, sent: &mut Sent, held: &Held, changes: &FieldChanges) {
        let Some(pupil) = held.pupil else {
            self.court
                .broken(Invariant::ForeignPatrons, || "an update of a patron that staff made".to_owned());
            return;
        };
        let changed = self.number_changed(pupil);
        let own = self.own_names(pupil, &changes.values, changes.fields);
        self.court.holds(Invariant::NeverCrossed, own || changed, || {
            format!("an update of p{pupil}'s card with somebody else's names or birth date")
        });
        for field in changes.fields.iter() {
            let (there, new) = (text(&held.values, field), text(&changes.values, field));
            if field == Field::Pin {
                self.court.broken(Invariant::PinOnce, || format!("an update of p{pupil} carries a PIN"));
                continue;
            }
            self.court.holds(Invariant::NothingBlanked, new.is_some(), || {
                format!("an update of p{pupil} empties the {field}")
            });
            if OURS.contains(&field) {
                let after_ours = held.ours.get(&field).cloned().flatten();
                self.court.holds(Invariant::StaffsChangeStays, there == after_ours, || {
                    format!("an update of p{pupil} writes the {field}, which staff changed")
                });
            } else if field == Field::Email {
                self.court.holds(Invariant::StaffsChangeStays, there.is_none(), || {
                    format!("an update of p{pupil} overwrites the {field}")
                });
            } else {
                self.court.holds(Invariant::OnlyClaimedFields, SCHOOLS_OWN.contains(&field), || {
                    format!("an update of p{pupil} writes the {field}")
                });
            }
        }
        if changes.fields.contains(Field::Expiry)
            && changes.values.expiry.is_some_and(|day| day <= self.day())
        {
            self.ends(sent, held, pupil);
        }
    }

    /// A card is blocked or ended.
    fn ends(&self, sent: &mut Sent, held: &Held, pupil: usize) {
        sent.ended.insert(pupil);
        self.court.count("cards blocked or ended", 1);
        self.court.holds(Invariant::FamilysOwn, !held.upgraded, || {
            format!("the card of p{pupil}, which staff upgraded, is blocked or ended")
        });
    }
}

#[async_trait]
impl PatronFinder for SimIls {
    fn capabilities(&self) -> Capabilities {
        let claimed = || Capability::new(CapabilityState::Claimed, "a simulated ILS can do everything");
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

    fn returns(&self) -> FieldSet {
        let mut all = FieldSet::ALL;
        all.remove(Field::Pin);
        if self.personality.discreet {
            all.remove(Field::BirthDate);
            all.remove(Field::Phone);
        }
        all
    }

    fn finds_by(&self) -> &'static [FindBy] {
        &[FindBy::Barcode, FindBy::PatronId]
    }

    fn canonical(&self, field: Field, values: &PatronValues) -> Option<String> {
        text(values, field).map(|value| self.form(field, value))
    }

    async fn find(&self, key: &FindKey) -> Lookup {
        let mishap = self.message("look-up").await;
        let lookup = {
            let mut state = lock(&self.state);
            let state = &mut *state;
            state.sent.lookups += 1;
            let found = match key {
                FindKey::Barcode(number) => {
                    state.free.remove(number.reveal());
                    let has = |h: &Held| h.values.barcode.as_ref() == Some(number);
                    state.held.iter_mut().find(|(_, held)| has(held))
                }
                FindKey::PatronId(id) => {
                    state.held.iter_mut().find(|(key, _)| id.reveal() == format!("P{key}"))
                }
                other => return other.not_possible("the simulated ILS"),
            };
            match (mishap, found) {
                (Mishap::NotSent | Mishap::NotNow, _) => Lookup::Unknown(no_answer()),
                (Mishap::LostBefore | Mishap::LostAfter | Mishap::Late(_), _) => {
                    Lookup::Unknown(self.give_up())
                }
                (Mishap::None, Some((id, held))) => {
                    // What staff set to what is wanted as well is agreed upon from then on.
                    if let Some(pupil) = held.pupil {
                        let branch = text(&held.values, Field::HomeBranch);
                        let truth = lock(&self.truth);
                        let wanted = truth
                            .said
                            .get(pupil)
                            .is_some_and(|said| branch.as_deref().is_some_and(|b| said.branches.contains(b)));
                        if wanted {
                            held.ours.insert(Field::HomeBranch, branch);
                        }
                        state.doubts.remove(&pupil);
                    }
                    Lookup::Found(self.patron(*id, held))
                }
                (Mishap::None, None) => {
                    let FindKey::Barcode(number) = key else { return Lookup::NotFound };
                    state.free.insert(number.reveal().to_owned());
                    let now = self.clock.truth();
                    for doubt in state.doubts.values_mut().filter(|d| d.number == number.reveal()) {
                        let waited = Duration::try_from(now.duration_since(doubt.at)).unwrap_or_default();
                        doubt.ripe |= waited >= SETTLE_AFTER;
                    }
                    Lookup::NotFound
                }
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
impl PatronWriter for SimIls {
    fn pin_with_create(&self) -> bool {
        self.personality.pin_with_create
    }

    async fn create(&self, creation: &Creation) -> Outcome {
        let left = self.clock.truth();
        let mishap = self.message("create").await;
        let outcome = {
            let mut state = lock(&self.state);
            let state = &mut *state;
            state.sent.writes += 1;
            let pupil = self.judge_create(state, creation, left);
            let number = creation.values.barcode.as_ref().map_or("", Personal::reveal);
            self.court.say(|| format!("create for p{} with number {number}", pupil.unwrap_or(usize::MAX)));
            let faults = state.faults;
            let refuses = pupil.is_some_and(|p| state.refuses.contains(&p));
            let reaches = !matches!(mishap, Mishap::NotSent | Mishap::LostBefore);
            if refuses
                && reaches
                && let Some(pupil) = pupil
            {
                state.refused.insert(pupil);
            }
            let answer = match mishap {
                Mishap::NotSent => Outcome::NotSent(no_answer()),
                Mishap::LostBefore => Outcome::Unknown(self.give_up()),
                _ if faults.login => refusal(RejectionKind::Target, Retry::NotThisTarget, None),
                Mishap::NotNow => refusal(RejectionKind::Record, Retry::Later, None),
                _ if faults.not_now => refusal(RejectionKind::Record, Retry::Later, None),
                Mishap::LostAfter | Mishap::Late(_) if refuses => Outcome::Unknown(self.give_up()),
                _ if refuses => refusal(RejectionKind::Field, Retry::NotThisRecord, Some(Field::Surname)),
                Mishap::LostAfter => {
                    self.make(state, creation);
                    Outcome::Unknown(self.give_up())
                }
                Mishap::Late(delay) => {
                    let at = left.checked_add(delay).unwrap_or(Timestamp::MAX);
                    state.late.push((at, Later::Create(creation.clone())));
                    Outcome::Unknown(self.give_up())
                }
                Mishap::None => match self.make(state, creation) {
                    Some(id) => match state.held.get(&id) {
                        Some(held) => Outcome::Applied(Some(self.patron(id, held))),
                        None => Outcome::Applied(None),
                    },
                    None => refusal(RejectionKind::Duplicate, Retry::NotThisRecord, None),
                },
            };
            if !matches!(answer, Outcome::Unknown(_))
                && let Some(pupil) = pupil
            {
                state.doubts.remove(&pupil);
            }
            answer
        };
        self.power.step().await;
        outcome
    }

    async fn set_pin(&self, patron: &Patron, pin: &Secret) -> Outcome {
        let mishap = self.message("set PIN").await;
        let outcome = {
            let mut state = lock(&self.state);
            state.sent.writes += 1;
            let found = state.held.iter_mut().find(|(id, _)| patron.id.reveal() == format!("P{id}"));
            match (mishap, found) {
                (Mishap::NotSent, _) => Outcome::NotSent(no_answer()),
                (Mishap::LostBefore, _) => Outcome::Unknown(self.give_up()),
                (Mishap::NotNow, _) => refusal(RejectionKind::Record, Retry::Later, None),
                (_, None) => refusal(RejectionKind::Missing, Retry::NotThisRecord, None),
                (mishap, Some((_, held))) => {
                    let first = !held.own_pin && held.pin.as_deref().is_none_or(|old| old == pin.reveal());
                    self.court.holds(Invariant::PinOnce, first, || {
                        format!("the PIN of p{} is set over another one", held.pupil.unwrap_or(usize::MAX))
                    });
                    held.pin = Some(pin.reveal().to_owned());
                    if mishap == Mishap::None {
                        Outcome::Applied(None)
                    } else {
                        Outcome::Unknown(self.give_up())
                    }
                }
            }
        };
        self.power.step().await;
        outcome
    }

    async fn update(&self, patron: &Patron, changes: &FieldChanges) -> Outcome {
        let left = self.clock.truth();
        let mishap = self.message("update").await;
        let outcome = {
            let mut state = lock(&self.state);
            let state = &mut *state;
            state.sent.writes += 1;
            let id = state.held.keys().copied().find(|id| patron.id.reveal() == format!("P{id}"));
            let held = id.and_then(|id| state.held.get(&id));
            if let Some(held) = held {
                self.judge_update(&mut state.sent, held, changes);
                let fields: Vec<&str> = changes.fields.iter().map(Field::word).collect();
                self.court.say(|| {
                    format!("update of p{}: {}", held.pupil.unwrap_or(usize::MAX), fields.join(", "))
                });
            }
            let pupil = held.and_then(|held| held.pupil);
            let refuses = pupil.is_some_and(|p| state.refuses.contains(&p));
            match (mishap, id) {
                (Mishap::NotSent, _) => Outcome::NotSent(no_answer()),
                (Mishap::LostBefore, _) => Outcome::Unknown(self.give_up()),
                _ if state.faults.login => refusal(RejectionKind::Target, Retry::NotThisTarget, None),
                (Mishap::NotNow, _) => refusal(RejectionKind::Record, Retry::Later, None),
                (_, None) => refusal(RejectionKind::Missing, Retry::NotThisRecord, None),
                _ if refuses => {
                    state.refused.extend(pupil);
                    refusal(RejectionKind::Field, Retry::NotThisRecord, None)
                }
                (Mishap::Late(delay), Some(id)) => {
                    let at = left.checked_add(delay).unwrap_or(Timestamp::MAX);
                    state.late.push((at, Later::Update(id, changes.clone())));
                    Outcome::Unknown(self.give_up())
                }
                (mishap, Some(id)) => {
                    self.change(state, id, changes);
                    self.court.count("cards changed", 1);
                    match (mishap, state.held.get(&id)) {
                        (Mishap::None, Some(held)) => Outcome::Applied(Some(self.patron(id, held))),
                        _ => Outcome::Unknown(self.give_up()),
                    }
                }
            }
        };
        self.power.step().await;
        outcome
    }

    async fn set_blocked(&self, patron: &Patron, blocked: bool) -> Outcome {
        let mishap = self.message("block").await;
        let outcome = {
            let mut state = lock(&self.state);
            let state = &mut *state;
            state.sent.writes += 1;
            let found = state.held.iter_mut().find(|(id, _)| patron.id.reveal() == format!("P{id}"));
            match (mishap, found) {
                (Mishap::NotSent, _) => Outcome::NotSent(no_answer()),
                (Mishap::LostBefore, _) => Outcome::Unknown(self.give_up()),
                (Mishap::NotNow, _) => refusal(RejectionKind::Record, Retry::Later, None),
                (_, None) => refusal(RejectionKind::Missing, Retry::NotThisRecord, None),
                (mishap, Some((id, held))) => {
                    let who = held.pupil.unwrap_or(usize::MAX);
                    self.court.say(|| format!("block of p{who}: {blocked}"));
                    if blocked {
                        self.ends(&mut state.sent, held, who);
                    }
                    self.court.holds(
                        Invariant::StaffsBlockStays,
                        blocked || held.blocked != Some(false),
                        || format!("the block that staff set on the card of p{who} is taken away"),
                    );
                    held.blocked = blocked.then_some(held.blocked.unwrap_or(true));
                    match mishap {
                        Mishap::None => Outcome::Applied(Some(self.patron(*id, held))),
                        _ => Outcome::Unknown(self.give_up()),
                    }
                }
            }
        };
        self.power.step().await;
        outcome
    }
}
