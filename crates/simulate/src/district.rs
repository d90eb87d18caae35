//! A simulated district: its students through a year, and the rosters that it delivers, good and bad.
//!
//! Every personal value carries a mark ([`MARK`], [`ID_MARK`]), so that one that slips into a report is found.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::grade::Grade;
use rostercard_core::ports::{
    Completeness, ConnectorError, Fault, Record, Retry, RosterFacts, RosterPage, RosterSource, SourceState,
};
use rostercard_core::privacy::{BirthDate, Personal};
use rostercard_core::student::{Consent, Damaged, GivenAddress, School, Student};
use rostercard_core::words::Role;

use crate::dice::Dice;
use crate::power::{Power, lock, yield_now};

/// In every name and e-mail address.
pub(crate) const MARK: &str = "Zq";
/// In every student id, and so in every number made of one.
const ID_MARK: &str = "9041";
/// What every student id of a year begins with: there are fewer than a hundred.
pub(crate) const FIRST_IDS: &str = "904100";

/// The schools; the last one has no home branch.
pub(crate) const SCHOOLS: [(&str, Option<&str>); 4] =
    [("A", Some("MAIN")), ("B", Some("EAST")), ("C", Some("WEST")), ("D", None)];

/// A student as the district has it today.
#[derive(Debug, Clone)]
pub(crate) struct Pupil {
    pub(crate) id: String,
    pub(crate) sourced: String,
    pub(crate) given: String,
    pub(crate) middle: Option<String>,
    pub(crate) family: String,
    pub(crate) born: Date,
    pub(crate) school: usize,
    pub(crate) grade: u8,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) enrolled: bool,
}

/// What the district ever said of a student, in any roster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub(crate) surnames: BTreeSet<String>,
    pub(crate) given: BTreeSet<String>,
    pub(crate) middle: BTreeSet<String>,
    pub(crate) born: BTreeSet<Date>,
    pub(crate) branches: BTreeSet<&'static str>,
    /// The student id was changed, swapped or used again (S34).
    pub(crate) number_changed: bool,
    /// Somebody else has the very same names and birth date: where that one left, a person is asked whether they are one.
    pub(crate) namesake: bool,
}

/// What everybody would agree on: whose a student id is, what was ever said of whom.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// Whose a student id is, or was last.
    pub(crate) ids: BTreeMap<String, usize>,
    pub(crate) said: Vec<Said>,
    /// Students whose patron the ledger knew after the last run.
    pub(crate) known: BTreeSet<usize>,
}

/// The district.
#[derive(Debug)]
pub(crate) struct District {
    pub(crate) pupils: Vec<Pupil>,
    pub(crate) truth: Arc<Mutex<Truth>>,
    /// Whether student ids are ever changed or swapped.
    pub(crate) numbers_change: bool,
    dice: Dice,
    next: u32,
    /// Whole rosters of former days, for the day on which an old one comes again.
    past: VecDeque<(Timestamp, Vec<Pupil>)>,
}

const SYLLABLES: [&str; 12] = ["ma", "lo", "ri", "ne", "ta", "sho", "bel", "gu", "kin", "da", "wes", "yu"];

impl District {
    pub(crate) fn new(mut dice: Dice, students: usize, truth: Arc<Mutex<Truth>>) -> Self {
        let numbers_change = dice.chance(250);
        let mut district =
            Self { pupils: Vec::new(), truth, numbers_change, dice, next: 0, past: VecDeque::new() };
        for _ in 0..students {
            district.newcomer();
        }
        // Twins and namesakes from the beginning.
        district.twin(false);
        district.twin(true);
        district
    }

    fn name(&mut self) -> String {
        let mut name = MARK.to_owned();
        for _ in 0..2 + self.dice.below(2) {
            name.push_str(self.dice.pick(&SYLLABLES).unwrap_or("ma"));
        }
        name
    }

    /// The id that the next newcomer will have.
    pub(crate) fn next_id(&self) -> String {
        format!("{ID_MARK}{:04}", self.next + 1)
    }

    fn add(&mut self, pupil: Pupil) -> usize {
        let index = self.pupils.len();
        {
            let mut truth = lock(&self.truth);
            truth.ids.insert(pupil.id.clone(), index);
            truth.said.push(Said::default());
        }
        self.pupils.push(pupil);
        index
    }

    pub(crate) fn newcomer(&mut self) -> usize {
        let id = self.next_id();
        self.next += 1;
        let (given, family) = (self.name(), self.name());
        let middle = self.dice.chance(300).then(|| self.name());
        let school = match self.dice.below(20) {
            0 => 3,
            other => usize::try_from(other % 3).unwrap_or(0),
        };
        let grade = u8::try_from(self.dice.below(12)).unwrap_or(0) + 1;
        let born = self.birthday();
        let email = self.dice.chance(600).then(|| format!("{}@{MARK}.example", id.to_lowercase()));
        let phone = self.dice.chance(500).then(|| format!("+1-{id}"));
        self.add(Pupil {
            sourced: format!("u-{}-0", self.next),
            id,
            given,
            middle,
            family,
            born,
            school,
            grade,
            email,
            phone,
            enrolled: true,
        })
    }

    fn birthday(&mut self) -> Date {
        let year = 2008 + i16::try_from(self.dice.below(10)).unwrap_or(0);
        let month = 1 + i8::try_from(self.dice.below(12)).unwrap_or(0);
        let day = 1 + i8::try_from(self.dice.below(28)).unwrap_or(0);
        date(year, month, day)
    }

    /// A twin of somebody; or somebody with the very same names and birth date.
    fn twin(&mut self, namesake: bool) -> Option<usize> {
        let of = self.somebody()?;
        let other = self.pupils.get(of)?.clone();
        let new = self.newcomer();
        let pupil = self.pupils.get_mut(new)?;
        (pupil.family, pupil.born) = (other.family, other.born);
        pupil.school = other.school;
        if namesake {
            pupil.given = other.given;
            pupil.middle = other.middle;
            let mut truth = lock(&self.truth);
            truth.said[new].namesake = true;
            truth.said[of].namesake = true;
        }
        Some(new)
    }

    /// Somebody who is enrolled.
    pub(crate) fn somebody(&mut self) -> Option<usize> {
        let there: Vec<usize> = (0..self.pupils.len()).filter(|i| self.pupils[*i].enrolled).collect();
        self.dice.pick(&there)
    }

    /// What happens in the district between two feeds; as sentences.
    pub(crate) fn pass(&mut self, day: Date, school_year_begins: bool) -> Vec<String> {
        let mut news = Vec::new();
        if school_year_begins {
            for pupil in &mut self.pupils {
                pupil.grade += 1;
                if pupil.grade > 12 {
                    pupil.enrolled = false;
                }
            }
            news.push(format!("{day}: the school year begins, everybody is a grade up"));
            if self.dice.chance(500) {
                for pupil in &mut self.pupils {
                    pupil.sourced.push('n');
                }
                news.push("every sourcedId is re-issued".to_owned());
            }
            for _ in 0..3 + self.dice.below(8) {
                let new = self.newcomer();
                news.push(format!("p{new} comes"));
            }
        }
        let events = [0, 0, 1, 1, 1, 2, 2, 3, 4];
        for _ in 0..self.dice.pick(&events).unwrap_or(1) {
            news.extend(self.event());
        }
        news
    }

    fn event(&mut self) -> Option<String> {
        #[derive(Clone, Copy)]
        enum Event {
            Come,
            Leave,
            Return,
            Move,
            Name,
            Birth,
            Sourced,
            Twin,
            Namesake,
            Contact,
            Swap,
            Corrected,
        }
        let event = self.dice.weighted(&[
            (18, Event::Come),
            (10, Event::Leave),
            (8, Event::Return),
            (22, Event::Move),
            (14, Event::Name),
            (3, Event::Birth),
            (8, Event::Sourced),
            (2, Event::Twin),
            (2, Event::Namesake),
            (10, Event::Contact),
            (2, Event::Swap),
            (2, Event::Corrected),
        ])?;
        match event {
            Event::Come => Some(format!("p{} comes", self.newcomer())),
            Event::Twin => self.twin(false).map(|new| format!("p{new} comes, a twin")),
            Event::Namesake => self.twin(true).map(|new| format!("p{new} comes, a namesake")),
            Event::Return => {
                let gone: Vec<usize> = (0..self.pupils.len())
                    .filter(|i| !self.pupils[*i].enrolled && self.pupils[*i].grade <= 12)
                    .collect();
                let who = self.dice.pick(&gone)?;
                self.pupils[who].enrolled = true;
                Some(format!("p{who} comes back"))
            }
            Event::Swap | Event::Corrected if !self.numbers_change => None,
            Event::Swap => {
                let (one, other) = (self.somebody()?, self.somebody()?);
                if one == other {
                    return None;
                }
                let id = self.pupils[one].id.clone();
                self.pupils[one].id = std::mem::replace(&mut self.pupils[other].id, id);
                self.number_changed(&[one, other]);
                Some(format!("the student ids of p{one} and p{other} are swapped"))
            }
            Event::Corrected => {
                let who = self.somebody()?;
                let id = self.next_id();
                self.next += 1;
                self.pupils[who].id = id;
                self.number_changed(&[who]);
                Some(format!("p{who} has another student id"))
            }
            _ => {
                let who = self.somebody()?;
                let name = self.name();
                let born = self.birthday();
                let school = self.dice.position(SCHOOLS.len());
                let given = self.dice.chance(500);
                let pupil = self.pupils.get_mut(who)?;
                let what = match event {
                    Event::Leave => {
                        pupil.enrolled = false;
                        "leaves".to_owned()
                    }
                    Event::Move => {
                        pupil.school = school;
                        format!("moves to school {}", SCHOOLS[school].0)
                    }
                    Event::Name if given => {
                        pupil.given = name;
                        "has another given name".to_owned()
                    }
                    Event::Name => {
                        pupil.family = name;
                        "has another family name".to_owned()
                    }
                    Event::Birth => {
                        pupil.born = born;
                        "has another birth date".to_owned()
                    }
                    Event::Sourced => {
                        pupil.sourced.push('r');
                        "has another sourcedId".to_owned()
                    }
                    _ => {
                        pupil.email = Some(format!("{}@{MARK}.example", name.to_lowercase()));
                        pupil.phone = Some(format!("+1-{ID_MARK}-{}", name.len()));
                        "has other contacts".to_owned()
                    }
                };
                Some(format!("p{who} {what}"))
            }
        }
    }

    fn number_changed(&mut self, who: &[usize]) {
        let mut truth = lock(&self.truth);
        for index in who {
            truth.ids.insert(self.pupils[*index].id.clone(), *index);
            truth.said[*index].number_changed = true;
        }
    }

    /// Today's roster, or what is delivered in its place. `absent_allowed` is how many may be missing before the
    /// roster as a whole must be doubted.
    pub(crate) fn deliver(&mut self, kind: Feed, as_of: Timestamp) -> Delivery {
        let today: Vec<(usize, Pupil)> =
            self.pupils.iter().cloned().enumerate().filter(|(_, p)| p.enrolled).collect();
        self.past.push_back((as_of, self.pupils.clone()));
        if self.past.len() > 8 {
            self.past.pop_front();
        }
        let mut delivery = Delivery {
            kind,
            as_of,
            people: today,
            damaged: BTreeSet::new(),
            nameless: 0,
            unshared: false,
            completeness: Completeness::Snapshot,
            state: SourceState::Running,
            fails_after: None,
        };
        match kind {
            Feed::Good => {}
            Feed::Mistake => {
                for _ in 0..1 + self.dice.below(3) {
                    let at = self.dice.position(delivery.people.len());
                    if delivery.people.len() > 1 {
                        delivery.people.remove(at);
                    }
                }
            }
            Feed::Damaged => {
                for _ in 0..1 + self.dice.below(4) {
                    delivery.damaged.insert(self.dice.position(delivery.people.len()));
                }
            }
            Feed::Nameless => {
                delivery.nameless = 1 + self.dice.position(3);
                let at = self.dice.position(delivery.people.len());
                if delivery.people.len() > 1 {
                    delivery.people.remove(at);
                }
            }
            Feed::Unshared => delivery.unshared = true,
            Feed::Empty => delivery.people.clear(),
            Feed::HeaderOnly => {
                delivery.people.clear();
                delivery.completeness = Completeness::Incomplete;
            }
            Feed::Half => {
                let parity = self.dice.position(2);
                let mut at = 0;
                delivery.people.retain(|_| {
                    at += 1;
                    at % 2 == parity
                });
            }
            Feed::NoSchool => {
                let school = self.dice.position(3);
                delivery.people.retain(|(_, p)| p.school != school);
            }
            Feed::Old => {
                if let Some((when, pupils)) = self.past.front().cloned() {
                    delivery.as_of = when;
                    delivery.people = pupils.into_iter().enumerate().filter(|(_, p)| p.enrolled).collect();
                }
            }
            Feed::Broken => delivery.fails_after = Some(self.dice.position(delivery.people.len())),
            Feed::Incomplete => {
                delivery.completeness = Completeness::Incomplete;
                let keep = self.dice.position(delivery.people.len());
                delivery.people.truncate(keep);
            }
            Feed::SourcePaused => {
                delivery.state = SourceState::Paused;
                let keep = self.dice.position(delivery.people.len());
                delivery.people.truncate(keep);
            }
        }
        let mut truth = lock(&self.truth);
        for (index, pupil) in &delivery.people {
            let said = &mut truth.said[*index];
            said.surnames.insert(pupil.family.clone());
            said.given.insert(pupil.given.clone());
            said.middle.extend(pupil.middle.clone());
            said.born.insert(pupil.born);
            said.branches.extend(SCHOOLS[pupil.school].1);
        }
        drop(truth);
        delivery
    }
}

/// What a day's roster is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    /// As it should be.
    Good,
    /// One to three students are missing by mistake.
    Mistake,
    /// Some rows are damaged; their ids can be read.
    Damaged,
    /// Some rows are damaged, and it cannot be told whose they are.
    Nameless,
    /// The district no longer shares contacts and middle names.
    Unshared,
    /// Nobody.
    Empty,
    /// A header only: it does not even say that it is whole.
    HeaderOnly,
    /// Every other student.
    Half,
    /// A whole school is not there.
    NoSchool,
    /// One of the last weeks is delivered again.
    Old,
    /// The transfer breaks off.
    Broken,
    /// It says itself that it is not whole.
    Incomplete,
    /// The district paused the source.
    SourcePaused,
}

/// A roster that is delivered; it can be read as often as the engine is started.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) kind: Feed,
    pub(crate) as_of: Timestamp,
    pub(crate) people: Vec<(usize, Pupil)>,
    /// Positions in `people` of rows that are damaged.
    pub(crate) damaged: BTreeSet<usize>,
    nameless: usize,
    unshared: bool,
    pub(crate) completeness: Completeness,
    pub(crate) state: SourceState,
    pub(crate) fails_after: Option<usize>,
}

impl Delivery {
    /// Students who are in it and can be read.
    pub(crate) fn present(&self) -> BTreeSet<usize> {
        let readable =
            |(at, (index, _)): (usize, &(usize, Pupil))| (!self.damaged.contains(&at)).then_some(*index);
        self.people.iter().enumerate().filter_map(readable).collect()
    }

    /// Students who are in it at all.
    pub(crate) fn mentioned(&self) -> BTreeSet<usize> {
        self.people.iter().map(|(index, _)| *index).collect()
    }

    /// Whether it says of itself, or shows, that it is not a whole and current roster. Whether so many are missing that
    /// it must be doubted is another question.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.completeness != Completeness::Snapshot
            || self.state != SourceState::Running
            || self.nameless > 0
            || self.fails_after.is_some()
            || self.people.is_empty()
            || self.kind == Feed::Old
    }

    /// The source that reads it.
    pub(crate) fn source(&self, power: Arc<Power>) -> DeliverySource {
        let mut records = VecDeque::new();
        for (at, (_, pupil)) in self.people.iter().enumerate() {
            records.push_back(if self.damaged.contains(&at) {
                damaged(Some(Personal::new(&pupil.id)))
            } else {
                Record::Student(Box::new(student(pupil, self.unshared)))
            });
        }
        records.extend((0..self.nameless).map(|_| damaged(None)));
        let facts = RosterFacts {
            as_of: Some(self.as_of),
            state: self.state,
            description: "a simulated district".to_owned(),
            endpoint: "simulated".to_owned(),
            findings: Vec::new(),
        };
        DeliverySource {
            records,
            facts,
            completeness: self.completeness,
            fails_after: self.fails_after,
            power,
            sent: 0,
        }
    }
}

fn damaged(student_id: Option<Personal>) -> Record {
    let finding = Finding::new("row_width", Place::default(), "the row has fewer columns than the header");
    Record::Damaged(Box::new(Damaged { student_id, school: None, finding }))
}

fn student(pupil: &Pupil, unshared: bool) -> Student {
    let shared = |value: &Option<String>| value.as_deref().filter(|_| !unshared).map(Personal::new);
    let name = SCHOOLS[pupil.school].0;
    let school = School {
        source_id: format!("org-{name}"),
        code: Some(name.to_owned()),
        name: format!("School {name}"),
    };
    Student {
        student_id: Personal::new(&pupil.id),
        source_ids: vec![Personal::new(&pupil.sourced)],
        role: Role::Student,
        given_name: Personal::new(&pupil.given),
        middle_name: shared(&pupil.middle),
        family_name: Personal::new(&pupil.family),
        preferred: None,
        birth_date: Some(BirthDate::new(pupil.born)),
        grade: Grade::number(pupil.grade),
        schools: vec![Arc::new(school)],
        primary_school: Some(0),
        user_name: None,
        email: shared(&pupil.email),
        phone: shared(&pupil.phone),
        address: GivenAddress::None,
        consent: Consent::NotSaid,
        findings: Vec::new(),
        row: None,
    }
}

/// A delivery that is being read.
pub(crate) struct DeliverySource {
    records: VecDeque<Record>,
    facts: RosterFacts,
    completeness: Completeness,
    fails_after: Option<usize>,
    power: Arc<Power>,
    sent: usize,
}

#[async_trait]
impl RosterSource for DeliverySource {
    async fn facts(&mut self) -> Result<RosterFacts, ConnectorError> {
        self.power.step().await;
        Ok(self.facts.clone())
    }

    async fn next_page(&mut self) -> Result<RosterPage, ConnectorError> {
        self.power.step().await;
        yield_now().await;
        if self.fails_after.is_some_and(|after| self.sent >= after) {
            let (what, hint) = ("the transfer broke off", "ask the district to send it again");
            return Err(ConnectorError::new(Fault::District, Retry::Later, what, hint));
        }
        if self.records.is_empty() {
            return Ok(RosterPage::End {
                completeness: self.completeness,
                cursor: None,
                findings: Vec::new(),
            });
        }
        let take = self.records.len().min(7);
        self.sent += take;
        Ok(RosterPage::Records(self.records.drain(..take).collect()))
    }

    async fn check(&mut self) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }
}
