//! What is checked after each run: the ledger before and after it, against a model of its own of who was missing from
//! what.
//!
//! The ledger is read as rows; whose a row is follows from the number on the card and for whom the ILS made that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use rostercard_core::digest::Digest;
use rostercard_core::field::Field;
use rostercard_core::patron::PatronValues;
use rostercard_core::ports::PatronFinder;
use rostercard_core::privacy::{BirthDate, Personal};
use rostercard_core::words::LinkState;
use rostercard_engine::{RunReport, person_key};
use rostercard_store::rows::LinkIndex;
use rostercard_store::{SqliteStore, Store, StoreError};

use crate::district::{Delivery, District, SCHOOLS};
use crate::ils::SimIls;
use crate::laws::{Court, Invariant};
use crate::partnership::{COLLAPSE, CREATES, GRACE, LAPSES, PARTNERSHIP, allowed};
use crate::power::{lock, wait_for};

/// The ledger at a moment.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rows: BTreeMap<Digest, LinkIndex>,
    /// The numbers of rows that have a patron and of which it is not known yet whose they are: opening a seal takes time.
    numbers: BTreeMap<Digest, String>,
    /// People with a write whose fate is not known.
    open: BTreeSet<Digest>,
}

impl Ledger {
    fn read(store: &SqliteStore, known: &BTreeMap<Digest, usize>) -> Result<Self, StoreError> {
        let Some(partnership) = wait_for(store.partnerships())?.pop() else {
            return Ok(Self::default());
        };
        let rows = wait_for(store.index(partnership.id))?;
        let unknown = |row: &&LinkIndex| row.state.has_patron() && !known.contains_key(&row.person);
        let people: Vec<Digest> = rows.iter().filter(unknown).map(|row| row.person).collect();
        let links =
            if people.is_empty() { Vec::new() } else { wait_for(store.links(partnership.id, &people))? };
        Ok(Self {
            rows: rows.into_iter().map(|row| (row.person, row)).collect(),
            numbers: links
                .into_iter()
                .filter_map(|link| Some((link.person, link.data.barcode?.into_revealed())))
                .collect(),
            open: wait_for(store.open_intents(partnership.id))?.into_iter().map(|i| i.person).collect(),
        })
    }

    /// What was learned since: rows that are others now, before and after.
    pub(crate) fn learned(&self, later: &Self) -> Vec<String> {
        let mut learned: Vec<String> = later
            .rows
            .iter()
            .filter(|(person, row)| self.rows.get(*person) != Some(*row))
            .map(|(person, row)| format!("{:?} is now {row:?}", self.rows.get(person)))
            .collect();
        if self.open != later.open {
            learned.push("other writes are in doubt".to_owned());
        }
        learned
    }

    /// Whether no write's fate is unknown.
    pub(crate) fn settled(&self) -> bool {
        self.open.is_empty()
    }

    fn live(&self) -> u64 {
        self.rows.values().filter(|row| row.state.is_live()).count() as u64
    }
}

/// Since when somebody is missing, and from how many rosters in a row.
#[derive(Debug, Clone, Copy)]
struct Missing {
    since: Date,
    feeds: u32,
}

/// Whether somebody was missing as long as the grace says.
fn long(missing: Option<&Missing>, day: Date) -> bool {
    missing.is_some_and(|missing| {
        let days = missing.since.until(day).map_or(0, |span| span.get_days());
        days >= i32::from(GRACE.0) && missing.feeds >= GRACE.1
    })
}

/// The watcher.
pub(crate) struct Watch {
    court: Arc<Court>,
    /// Whose a row of the ledger is.
    pupils: BTreeMap<Digest, usize>,
    missing: BTreeMap<usize, Missing>,
    /// The last roster, and who was counted as missing from it: the same one read twice is one roster.
    counted: Option<(jiff::Timestamp, BTreeSet<usize>)>,
    /// Who was missing from a roster that a person let through all the same.
    accepted: BTreeSet<usize>,
}

impl Watch {
    pub(crate) fn new(court: Arc<Court>) -> Self {
        Self {
            court,
            pupils: BTreeMap::new(),
            missing: BTreeMap::new(),
            counted: None,
            accepted: BTreeSet::new(),
        }
    }

    /// The ledger as it is.
    pub(crate) fn ledger(&self, store: &SqliteStore) -> Result<Ledger, StoreError> {
        Ledger::read(store, &self.pupils)
    }

    /// Learns whose the rows are.
    pub(crate) fn meet(&mut self, ledger: &Ledger, ils: &SimIls) {
        for (person, number) in &ledger.numbers {
            if let Some(pupil) = ils.made_for(number) {
                self.pupils.insert(*person, pupil);
            }
        }
    }

    /// Students whose card the ledger knows.
    pub(crate) fn known(&self, ledger: &Ledger) -> BTreeSet<usize> {
        let has = ledger.rows.values().filter(|row| row.state.has_patron());
        has.filter_map(|row| self.pupils.get(&row.person).copied()).collect()
    }

    /// Tells what the ledger learned of cards.
    pub(crate) fn tell(&self, before: &Ledger, after: &Ledger) {
        for (person, row) in &after.rows {
            let was = before.rows.get(person).map(|row| row.state);
            if was == Some(row.state) || (was.is_none() && row.state == LinkState::Made) {
                continue;
            }
            let was = was.map_or("new", LinkState::word);
            let who = self.pupils.get(person).map_or_else(|| "somebody".to_owned(), |p| format!("p{p}"));
            self.court.say(|| format!("   ledger: {who}, {was}, is {}", row.state));
        }
    }

    /// The ledger knows only what the ILS made.
    pub(crate) fn confirmed(&mut self, ledger: &Ledger, ils: &SimIls) {
        self.meet(ledger, ils);
        for person in ledger.rows.values().filter(|row| row.state.has_patron()).map(|row| row.person) {
            self.court.holds(Invariant::OnlyConfirmedInLedger, self.pupils.contains_key(&person), || {
                "the ledger has a card that the ILS has never made".to_owned()
            });
        }
    }

    pub(crate) fn adds_up(&self, report: &RunReport) {
        let result = &report.run.result;
        let by_school: u64 = result.by_school.values().map(|c| c.students).sum();
        let fine = |c: &rostercard_core::plan::Counts| {
            let sum = c.create + c.link + c.update + c.renew + c.lapse + c.restore + c.unchanged;
            sum + c.not_eligible + c.pending + c.waiting + c.review + c.reject == c.students
        };
        let all = fine(&result.counts) && result.by_school.values().all(fine);
        self.court.holds(Invariant::CountsAddUp, all && by_school == result.counts.students, || {
            format!("{:?}, by school {by_school}", result.counts)
        });
    }

    /// Whether so many with cards are missing that the roster as a whole must be doubted.
    pub(crate) fn too_many_missing(&self, ledger: &Ledger, delivery: &Delivery) -> bool {
        let mentioned = delivery.mentioned();
        // Somebody else may have the number of a card's student by now: then nobody is missing under it, and a person is asked.
        let key = crate::disk::key().digest_key();
        let numbers: BTreeSet<Digest> = delivery
            .people
            .iter()
            .map(|(_, pupil)| person_key(&key, PARTNERSHIP, &Personal::new(&pupil.id)))
            .collect();
        let missing = ledger
            .rows
            .values()
            .filter(|row| row.state.is_live() && !numbers.contains(&row.person))
            .filter_map(|row| self.pupils.get(&row.person))
            .filter(|pupil| !mentioned.contains(pupil) && !self.accepted.contains(pupil))
            .count() as u64;
        missing > allowed(COLLAPSE, ledger.live())
    }

    /// A person let a plan through: whoever is missing from its roster is missing with a yes to it, and counts as missing.
    pub(crate) fn let_through(&mut self, delivery: &Delivery, day: Date) {
        let mentioned = delivery.mentioned();
        let missing = self.pupils.values().copied().filter(|pupil| !mentioned.contains(pupil));
        self.accepted = missing.collect();
        self.count_missing(delivery, day);
    }

    /// Whoever is missing from a roster that is believed, once for each roster.
    fn count_missing(&mut self, delivery: &Delivery, day: Date) {
        if self.counted.as_ref().is_none_or(|(as_of, _)| *as_of != delivery.as_of) {
            self.counted = Some((delivery.as_of, BTreeSet::new()));
        }
        let mentioned = delivery.mentioned();
        let Some((_, counted)) = &mut self.counted else { return };
        for pupil in self.pupils.values().filter(|p| !mentioned.contains(p) && counted.insert(**p)) {
            let missing = self.missing.entry(*pupil).or_insert(Missing { since: day, feeds: 0 });
            missing.feeds += 1;
        }
    }

    /// A sync was made, whole or in part.
    pub(crate) fn sync(
        &mut self,
        delivery: &Delivery,
        (before, after): (&Ledger, &Ledger),
        (day, completed): (Date, bool),
        approval_open: bool,
        ils: &SimIls,
    ) {
        let newly = ils.sent().newly;
        let doubtful = delivery.is_doubtful() || self.too_many_missing(before, delivery);
        let mut lapsed = 0;
        if !doubtful {
            self.count_missing(delivery, day);
        }
        for (person, row) in &after.rows {
            let old = before.rows.get(person);
            let name = || self.pupils.get(person).map_or_else(|| "somebody".to_owned(), |p| format!("p{p}"));
            let grew = old.is_none_or(|old| old.feeds_missed < row.feeds_missed) && row.feeds_missed > 0;
            // A plan that was let through and cut short is gone on with first, with what it says of the missing.
            let let_through =
                approval_open && self.pupils.get(person).is_some_and(|pupil| self.accepted.contains(pupil));
            self.court.holds(Invariant::DoubtWithdrawsNobody, !(doubtful && grew) || let_through, || {
                format!("{} counts as missing by a {:?} roster", name(), delivery.kind)
            });
            let lapses = row.state == LinkState::Lapsed && old.is_none_or(|old| old.state != row.state);
            if row.state == LinkState::Made && old.is_some_and(|old| old.state == LinkState::Lapsed) {
                self.court.count("restores", 1);
            }
            if !lapses {
                continue;
            }
            self.court.count("lapses", 1);
            if before.open.contains(person) {
                // An earlier run decided it, and its write is settled now.
                continue;
            }
            lapsed += 1;
            self.court.holds(Invariant::DoubtWithdrawsNobody, !doubtful || approval_open, || {
                format!("{} lapses by a {:?} roster", name(), delivery.kind)
            });
            let missing = self.pupils.get(person).and_then(|p| self.missing.get(p));
            // A student whose number was changed is taken for another one, who left (S34 is not built yet).
            let changed = self.pupils.get(person).is_some_and(|p| ils.number_changed(*p));
            self.court.holds(Invariant::GraceFirst, long(missing, day) || approval_open || changed, || {
                format!("{} lapses; missing: {missing:?}", name())
            });
        }
        let settling: BTreeSet<usize> =
            before.open.iter().filter_map(|p| self.pupils.get(p).copied()).collect();
        for pupil in ils.sent().ended.difference(&settling).copied() {
            let missing = self.missing.get(&pupil);
            let changed = ils.number_changed(pupil);
            self.court.holds(
                Invariant::EndedOnlyOnLeaving,
                long(missing, day) || approval_open || changed,
                || format!("the card of p{pupil} is blocked or ended; missing: {missing:?}"),
            );
            let doubt = doubtful && !approval_open;
            self.court.holds(Invariant::DoubtWithdrawsNobody, !doubt, || {
                format!("the card of p{pupil} is blocked or ended by a {:?} roster", delivery.kind)
            });
        }
        if completed && !doubtful {
            for pupil in delivery.present() {
                self.missing.remove(&pupil);
            }
        }
        if !approval_open {
            let live = before.live();
            let (made, most) = (newly.len() as u64, allowed(CREATES, live));
            self.court.holds(Invariant::LimitsWait, made <= most, || {
                format!("{made} new cards at once, {most} go through without a person")
            });
            let most = allowed(LAPSES, live);
            self.court.holds(Invariant::LimitsWait, lapsed <= most, || {
                format!("{lapsed} lapses at once, {most} go through without a person")
            });
        }
    }

    /// When all is calm: everybody of the roster has their card, and it says what the roster says.
    pub(crate) fn nobody_lost(
        &self,
        district: &District,
        present: &BTreeSet<usize>,
        ledger: &Ledger,
        ils: &SimIls,
    ) {
        self.court.holds(Invariant::ComesToRest, ledger.open.is_empty(), || {
            format!("{} people with open intents", ledger.open.len())
        });
        let held = ils.held();
        let live: BTreeSet<usize> = ledger
            .rows
            .values()
            .filter(|row| row.state.is_live())
            .filter_map(|row| self.pupils.get(&row.person).copied())
            .collect();
        // What a person would name as the reason why somebody has no card, or why they are asked about them.
        let has_cause = |pupil: usize| {
            let truth = lock(&district.truth);
            let said = &truth.said[pupil];
            // Both names and the birth date, one after the other: between two writes that may be another person (S34).
            let another = said.surnames.len() > 1 && said.given.len() > 1 && said.born.len() > 1;
            ils.excuse(pupil).is_some() || said.number_changed || said.namesake || another
        };
        for pupil in present {
            let is = &district.pupils[*pupil];
            let Some(branch) = SCHOOLS[is.school].1 else { continue };
            if has_cause(*pupil) {
                continue;
            }
            let card = held.iter().find(|held| held.pupil == Some(*pupil));
            self.court.holds(Invariant::NobodyLost, card.is_some(), || format!("p{pupil} has no card"));
            let Some(card) = card else { continue };
            self.court.holds(Invariant::NobodyLost, live.contains(pupil), || {
                format!("the ledger does not look after the card of p{pupil}")
            });
            let should = PatronValues {
                surname: Some(Personal::new(&is.family)),
                given_name: Some(Personal::new(&is.given)),
                birth_date: Some(BirthDate::new(is.born)),
                home_branch: Some(branch.into()),
                category: Some("STUDENT".into()),
                ..PatronValues::default()
            };
            let fields =
                [Field::Surname, Field::GivenName, Field::BirthDate, Field::HomeBranch, Field::Category];
            // A card that staff upgraded is the family's own, and not kept up.
            let kept_up = |field: &Field| !card.upgraded && !card.touched.contains(field);
            for field in fields.into_iter().filter(kept_up) {
                let (want, is) = (ils.canonical(field, &should), card.values.canonical(field));
                self.court.holds(Invariant::NobodyLost, want.as_deref() == is.as_deref(), || {
                    format!("the card of p{pupil} has another {field} than the roster")
                });
            }
            let pin = card.pin.is_some();
            self.court.holds(Invariant::NobodyLost, pin, || format!("the card of p{pupil} has no PIN"));
        }
        let questions = ledger.rows.values().filter(|row| row.state == LinkState::Review).count();
        let causes = (0..district.pupils.len()).filter(|pupil| has_cause(*pupil)).count();
        self.court.holds(Invariant::NoQuestionForNothing, questions <= causes, || {
            format!("{questions} questions, {causes} causes")
        });
    }
}
