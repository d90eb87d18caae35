//! Collect, decide, plan: a roster's stream against the ledger, into changes and their counts.
//!
//! Reads and compares; writes nothing to the ILS and asks it nothing. With [`Mode::Sync`] the ledger learns reasons
//! (rejects, what waits for a home) as they are found; with [`Mode::Plan`] it learns nothing at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use jiff::civil::Date;
use rostercard_core::consent;
use rostercard_core::digest::{Digest, DigestHasher, DigestKey, DigestKind};
use rostercard_core::field::FieldSet;
use rostercard_core::finding::Place;
use rostercard_core::guard::{Consents, SchoolFacts};
use rostercard_core::patron::WantedPatron;
use rostercard_core::plan::{ChangeKind, ChangeState, kind_of};
use rostercard_core::policy::{self, Decision, Today};
use rostercard_core::ports::{Completeness, Cursor, FetchOne, Record, RosterPage, RosterSource, SourceState};
use rostercard_core::privacy::Personal;
use rostercard_core::reason::{NotEligible, Reason, Reject, Review};
use rostercard_core::spool;
use rostercard_core::student::{Consent, Damaged, School, Student};
use rostercard_core::threeway::{FieldDigests, changed_wishes, digests_after};
use rostercard_core::who::Who;
use rostercard_core::words::LinkState;
use rostercard_store::Store;
use rostercard_store::rows::{
    ChangeId, ChangeSelection, Link, LinkData, LinkId, LinkIndex, LinkWrite, Missing, NewChange, Partnership,
    RunId, RunResult, SchoolId,
};
use zeroize::Zeroizing;

use crate::absence;
use crate::answered;
use crate::error::EngineError;
use crate::lapse::restored;
use crate::pauses::Pauses;
use crate::people::People;
use crate::renumbered::{self, Newcomer, Newcomers};
use crate::schools::Schools;
use crate::settings::{Grace, PartnershipSettings};
use crate::tally::{Fate, NO_SCHOOL, Tally};
use crate::undo::UNDONE;
use crate::wishes::Wishes;
use crate::world::Progress;

/// Whether the ledger learns what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Plan,
    Sync,
    /// As [`Mode::Plan`], and questions about cards that are there are looked at anew.
    Adopt,
}

/// What was collected.
pub(crate) struct Collected {
    /// What the stream was.
    pub(crate) completeness: Completeness,
    /// Counts as if every change were made.
    pub(crate) result: RunResult,
    /// For the guards.
    pub(crate) schools: BTreeMap<String, SchoolFacts>,
    /// The plan's digest.
    pub(crate) digest: Digest,
    /// The ledger's people, and who of them was there.
    pub(crate) people: People,
    /// The ledger's schools.
    pub(crate) stored_schools: HashMap<SchoolId, (String, String)>,
    /// People who are there again after having been missing, with nothing else to change.
    pub(crate) back: Vec<Missing>,
    /// What the source is to let go of once the plan is settled.
    pub(crate) cursor: Option<Cursor>,
    /// People of whom a delta said that they have left.
    pub(crate) tombstones: HashSet<Digest>,
    /// What the roster says of the families' wishes.
    pub(crate) consents: Consents,
    /// Links of people who are planned to lapse.
    pub(crate) lapsing: HashSet<LinkId>,
}

impl Collected {
    /// Whether there was nothing to read: an empty drop folder. Then the last roster stands, and so does its plan.
    pub(crate) fn nothing_new(&self) -> bool {
        self.completeness == Completeness::Delta
            && self.cursor.is_none()
            && self.result.roster == 0
            && self.result.counts.reject == 0
    }

    /// Whether somebody of the ledger who was not met is missing, by what the stream was.
    pub(crate) fn is_missing(&self, row: &LinkIndex) -> bool {
        match self.completeness {
            Completeness::Snapshot => true,
            // Who is not in a delta is not missing from anything, but who was said to have left has not come back.
            Completeness::Delta => row.missing_since.is_some() || self.tombstones.contains(&row.person),
            Completeness::Incomplete => false,
        }
    }
}

/// The work of collecting.
pub(crate) struct Collector<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) settings: &'a PartnershipSettings,
    pub(crate) partnership: &'a Partnership,
    pub(crate) run: RunId,
    pub(crate) mode: Mode,
    pub(crate) day: Date,
    /// Whether this is another roster than the last one that was taken: the same one read twice is one roster.
    pub(crate) new_roster: bool,
    /// People with a write whose fate is not known: nothing is planned for them.
    pub(crate) in_doubt: HashSet<Digest>,
    pub(crate) pauses: &'a Pauses,
    /// What the source says of itself: only one that is running withdraws anybody.
    pub(crate) state: SourceState,
    pub(crate) progress: &'a dyn Progress,
}

/// A change that is not in the store yet, or only just.
struct Planned {
    change: NewChange,
    number: Option<Digest>,
    place: Place,
}

/// A student whose number was asked for in this plan already.
struct Claim {
    person: Digest,
    /// Where the planned create is; `None` once both were rejected.
    first: Option<First>,
    school: (String, String),
    place: Place,
}

/// Where the first of several claims to a number is.
enum First {
    /// Not in the store yet.
    Planned,
    /// In the store.
    Stored(ChangeId),
}

/// What collects on the way.
pub(crate) struct Work {
    pub(crate) result: RunResult,
    pub(crate) schools: BTreeMap<String, SchoolFacts>,
    met: Schools,
    people: People,
    /// Newcomers of this roster, so that nobody comes twice.
    new_people: HashSet<Digest>,
    claims: HashMap<Digest, Claim>,
    planned: Vec<Planned>,
    /// Changes in the store that another student's claim has undone.
    drops: Vec<ChangeId>,
    notes: Vec<LinkWrite>,
    back: Vec<Missing>,
    running: Digest,
    damaged_without_id: bool,
    /// People of whom a delta said that they have left.
    tombstones: HashSet<Digest>,
    /// The source's ids of people of whom it said so without a number.
    gone_ids: HashSet<Digest>,
    wishes: Wishes,
    /// People for whom a card is planned, by who they are; gathered only where somebody could have had one before.
    newcomers: Newcomers,
    /// How many people the source was asked for one by one.
    asked: usize,
    /// People for whom the source could not say this time whether they have left.
    unsure: HashSet<Digest>,
    /// People whose card another district looked after, and does no longer.
    again: HashSet<Digest>,
    consents: Consents,
    lapsing: HashSet<LinkId>,
}

impl Work {
    /// Somebody who was missing is there again, whatever becomes of what the roster says of them: a grace counts rosters in a
    /// row. Of a card that was handed over, the same columns say how long it was looked for.
    fn is_there(&mut self, held: &LinkIndex) {
        if held.missing_since.is_some() && !matches!(held.state, LinkState::Pending | LinkState::Lapsed) {
            self.back.push(Missing { link: held.link, since: None, feeds: 0 });
        }
    }
}

/// A student of a page who needs a closer look.
struct Closer {
    position: usize,
    /// What the roster says of the family's wish.
    said: Consent,
    decision: Decision,
    print: Digest,
    place: Place,
    school: Option<Arc<School>>,
    grade: Option<u8>,
}

/// Whole links are read in batches of this size.
const PEOPLE: usize = 1_000;
/// The most people a source is asked for one by one in a run; the others stay as they are until the next.
const MOST_ASKED: usize = 500;
/// Notes are written in batches of this size.
const NOTES: usize = 2_000;

impl Collector<'_> {
    /// Reads the whole stream.
    pub(crate) async fn collect(&self, source: &mut dyn RosterSource) -> Result<Collected, EngineError> {
        let key = self.store.digest_key();
        let stored_schools: HashMap<SchoolId, (String, String)> = self
            .store
            .schools(self.partnership.id)
            .await?
            .into_iter()
            .map(|school| (school.id, (school.key, school.label)))
            .collect();
        // The ledger is read while the source makes its first pass.
        let (index, first) = tokio::join!(self.store.index(self.partnership.id), source.next_page());
        let people = People::new(index?);
        let again = self.card_no_longer_elsewhere(people.rows()).await?;
        let mut work = Work {
            result: RunResult::default(),
            schools: live_by_school(people.rows(), &stored_schools),
            met: Schools::new(),
            people,
            new_people: HashSet::new(),
            claims: HashMap::new(),
            planned: Vec::new(),
            drops: Vec::new(),
            notes: Vec::new(),
            back: Vec::new(),
            running: Digest([0; 16]),
            damaged_without_id: false,
            tombstones: HashSet::new(),
            gone_ids: HashSet::new(),
            wishes: Wishes::new(self.store.wishes(self.partnership.id).await?),
            newcomers: Newcomers::default(),
            asked: 0,
            unsure: HashSet::new(),
            again,
            consents: Consents::default(),
            lapsing: HashSet::new(),
        };
        let mut hashers = (key.hasher(DigestKind::Person), key.hasher(DigestKind::Decided));
        let mut page = first;
        let (mut completeness, cursor) = loop {
            match page.map_err(EngineError::Source)? {
                RosterPage::Records(records) => {
                    self.progress.advance(records.len() as u64);
                    self.page(records, &mut work, &mut hashers).await?;
                    page = source.next_page().await;
                }
                RosterPage::End { completeness, cursor, findings } => {
                    for finding in &findings {
                        work.result.note(finding.code, &finding.message, &finding.place);
                    }
                    break (completeness, cursor);
                }
            }
        };
        if self.state != SourceState::Running {
            let message = format!("the source says that it is {}: nobody is withdrawn", self.state);
            work.result.note("source_not_running", &message, &Place::default());
            completeness = Completeness::Incomplete;
        }
        if work.result.roster == 0 && completeness == Completeness::Snapshot {
            // Whatever the source says: nobody is missing from a roster with nobody in it.
            completeness = Completeness::Incomplete;
        }
        if work.damaged_without_id && completeness == Completeness::Snapshot {
            completeness = Completeness::Incomplete;
        }
        self.find_gone(&mut work).await?;
        if completeness != Completeness::Incomplete {
            self.ask_again(completeness, source, &mut work, &mut hashers).await?;
        }
        self.flush_planned(&mut work).await?;
        self.flush_notes(&mut work).await?;
        let learned = work.wishes.learned();
        if self.mode == Mode::Sync && !learned.is_empty() {
            self.store.write_wishes(self.partnership.id, learned).await?;
        }
        let met = std::mem::replace(&mut work.met, Schools::new());
        met.add_to(&mut work.result, &mut work.schools);
        self.absent(completeness, &mut work, &stored_schools).await?;
        Ok(Collected {
            completeness,
            result: work.result,
            schools: work.schools,
            digest: work.running,
            people: work.people,
            stored_schools,
            back: work.back,
            cursor,
            tombstones: work.tombstones,
            consents: work.consents,
            lapsing: work.lapsing,
        })
    }

    async fn page(
        &self,
        records: Vec<Record>,
        work: &mut Work,
        hashers: &mut (DigestHasher, DigestHasher),
    ) -> Result<(), EngineError> {
        let people: Vec<Digest> = records
            .iter()
            .map(|record| match record {
                Record::Student(student) => self.person(crate::planted::key(student), &mut hashers.0),
                Record::Damaged(_) | Record::Gone { .. } => Digest([0; 16]),
            })
            .collect();
        let positions = work.people.find_all(&people);
        let mut closer = Vec::new();
        for (record, who) in records.into_iter().zip(people.into_iter().zip(positions)) {
            match record {
                Record::Student(student) => self.student(*student, who, work, &mut hashers.1, &mut closer)?,
                Record::Damaged(damaged) => self.damaged(&damaged, work, &mut hashers.0),
                Record::Gone { student_id, source_ids } => {
                    if let Some(student_id) = &student_id {
                        work.tombstones.insert(self.person(student_id, &mut hashers.0));
                    }
                    work.gone_ids.extend(source_ids.iter().map(|id| self.alias(id)));
                }
            }
        }
        self.look_closer(closer, work).await?;
        self.flush_planned(work).await?;
        if work.notes.len() >= NOTES {
            self.flush_notes(work).await?;
        }
        Ok(())
    }

    fn person(&self, student_id: &Personal, hasher: &mut DigestHasher) -> Digest {
        hasher.clear();
        hasher.part(self.settings.permanent_id.as_bytes());
        hasher.part(student_id.reveal().as_bytes());
        hasher.finish()
    }

    fn student(
        &self,
        student: Student,
        (person, position): (Digest, Option<usize>),
        work: &mut Work,
        print_hasher: &mut DigestHasher,
        closer: &mut Vec<Closer>,
    ) -> Result<(), EngineError> {
        let rules = &self.settings.rules;
        work.result.roster += 1;
        // Made only for who needs it: a place is a text.
        let row = student.row.clone();
        let place = || row.as_ref().map(Place::from).unwrap_or_default();
        for finding in &student.findings {
            let at = if finding.place == Place::default() { place() } else { finding.place.clone() };
            work.result.note(finding.code, &finding.message, &at);
        }
        let (school, grade) =
            (student.school().cloned(), student.grade.map(rostercard_core::grade::Grade::code));
        let school = school.as_ref();
        let met = work.met.arrive(school);
        work.met.carry(met, &student);
        work.consents.add(student.consent);
        let held_expiry = position.and_then(|p| work.people.row(p).expiry);
        let said = student.consent;
        let noted = work.wishes.of(person, &student, self.store.digest_key());
        let decision = match consent::allowed(rules.programme, said, noted) {
            Ok(()) => policy::decide(student, rules, Today { date: self.day, held_expiry }),
            Err(reason) => Decision::No(Reason::NotEligible(reason)),
        };
        if self.in_doubt.contains(&person) {
            if let Some(position) = position {
                work.people.see(position);
                let held = *work.people.row(position);
                work.is_there(&held);
            }
            let message = "a write for this person had no answer and could not be settled yet";
            work.result.note("write_unsettled", message, &place());
            work.result.count(&work.met.label(met), Fate::Pending);
            return Ok(());
        }
        let Some(position) = position else {
            if !work.new_people.insert(person) {
                // The source's contract is that every id comes once; this is a source's bug, and not a second card.
                work.result.note("student_id_twice", "a student id came twice from the source", &place());
                return Ok(());
            }
            return self.newcomer(
                person,
                decision,
                &work.met.label(met),
                school,
                place(),
                work,
                print_hasher,
            );
        };
        if work.people.see(position) {
            work.result.note("student_id_twice", "a student id came twice from the source", &place());
            return Ok(());
        }
        let print = policy::fingerprint(&decision, &rules.fields, print_hasher);
        let held = *work.people.row(position);
        work.is_there(&held);
        let anew =
            (self.mode == Mode::Adopt && held.state == LinkState::Review) || work.again.contains(&person);
        if held.decided == print && held.state != LinkState::Lapsed && !anew {
            let fate = unchanged_fate(&decision, held.state);
            if let Decision::No(reason) = &decision
                && !matches!(reason, Reason::NotEligible(_))
            {
                work.result.note(reason.code(), &reason.to_string(), &place());
            }
            match fate {
                Fate::Unchanged => work.met.unchanged(met),
                other => work.result.count(&work.met.label(met), other),
            }
            return Ok(());
        }
        let school = school.cloned();
        closer.push(Closer { position, said, decision, print, place: place(), school, grade });
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `student`, split off to be read on its own")]
    fn newcomer(
        &self,
        person: Digest,
        decision: Decision,
        label: &str,
        school: Option<&Arc<School>>,
        place: Place,
        work: &mut Work,
        print_hasher: &mut DigestHasher,
    ) -> Result<(), EngineError> {
        let print = policy::fingerprint(&decision, &self.settings.rules.fields, print_hasher);
        match decision {
            Decision::Wanted(wanted) => {
                self.plan_create(person, &wanted, print, place, work)?;
            }
            // Nothing is kept of those who are not in the programme: that costs nothing to decide again. But a no of the
            // roster's outlives the mark, which may be blank tomorrow.
            Decision::No(Reason::NotEligible(why)) if why != (NotEligible::OptedOut { by_roster: true }) => {
                work.result.count(label, Fate::NotEligible);
            }
            Decision::No(reason) => {
                if !matches!(reason, Reason::NotEligible(_)) {
                    work.result.note(reason.code(), &reason.to_string(), &place);
                }
                work.result.count(label, Fate::of(&reason));
                work.notes.push(LinkWrite {
                    person,
                    data: without_card(
                        state_of(&reason),
                        print,
                        Some(reason.code()),
                        school.map_or_else(no_school, |s| named(s)),
                    ),
                });
            }
        }
        Ok(())
    }

    fn plan_create(
        &self,
        person: Digest,
        wanted: &WantedPatron,
        print: Digest,
        place: Place,
        work: &mut Work,
    ) -> Result<(), EngineError> {
        let key = self.store.digest_key();
        for finding in &wanted.findings {
            work.result.note(finding.code, &finding.message, &place);
        }
        let school = named(&wanted.school);
        let number = policy::given_number(wanted).map(|number| number_digest(key, number));
        if let Some(number) = number
            && let Some(claim) = work.claims.get_mut(&number)
        {
            // Two students of one roster, one number: neither gets it.
            if let Some(first) = claim.first.take() {
                let (first_person, first_school, first_place) =
                    (claim.person, claim.school.clone(), claim.place.clone());
                match first {
                    First::Planned => work.planned.retain(|p| p.change.person != first_person),
                    First::Stored(change) => work.drops.push(change),
                }
                uncount(work, &first_school, ChangeKind::Create, Fate::Reject);
                reject_collision(work, first_person, first_school, &first_place);
            }
            work.result.count(&school.1, Fate::Reject);
            reject_collision(work, person, school, &place);
            return Ok(());
        }
        if let Some(number) = number {
            let first = Some(First::Planned);
            let claim = Claim { person, first, school: school.clone(), place: place.clone() };
            work.claims.insert(number, claim);
        }
        if !work.people.rows().is_empty()
            && let Some(who) = Who::is(&wanted.values, key)
        {
            let (school, place) = (school.clone(), place.clone());
            work.newcomers.add(who, Newcomer { person, school, decided: print, place, change: None });
        }
        self.push(
            work,
            person,
            None,
            ChangeKind::Create,
            school,
            FieldSet::EMPTY,
            print,
            spool::encode(wanted)?,
            number,
            place,
        );
        graded(
            work,
            &wanted.school,
            ChangeKind::Create,
            wanted.grade.map(rostercard_core::grade::Grade::code),
        );
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a change, gathered in one place")]
    fn push(
        &self,
        work: &mut Work,
        person: Digest,
        link: Option<LinkId>,
        kind: ChangeKind,
        school: (String, String),
        fields: FieldSet,
        decided: Digest,
        spool: Zeroizing<Vec<u8>>,
        number: Option<Digest>,
        place: Place,
    ) {
        work.result.count(&school.1, Fate::Change(kind));
        let facts = school_facts(&mut work.schools, &school.0, || school.1.clone());
        facts.plan(kind, None);
        work.running = self
            .store
            .digest_key()
            .digest(DigestKind::Decided, &[&work.running.0, &person.0, kind.word().as_bytes(), &decided.0]);
        work.planned.push(Planned {
            change: NewChange {
                person,
                link,
                kind,
                state: ChangeState::Ready,
                school,
                fields,
                decided,
                spool,
            },
            number,
            place,
        });
    }

    fn damaged(&self, damaged: &Damaged, work: &mut Work, hasher: &mut DigestHasher) {
        work.result.roster += 1;
        let finding = &damaged.finding;
        work.result.note(finding.code, &finding.message, &finding.place);
        let label = damaged.school.as_ref().map_or_else(|| NO_SCHOOL.to_owned(), ToString::to_string);
        work.result.count(&label, Fate::Reject);
        let Some(student_id) = &damaged.student_id else {
            work.damaged_without_id = true;
            return;
        };
        let person = self.person(student_id, hasher);
        // The person is in the roster, whatever is wrong with the record: never missing for that.
        if let Some(position) = work.people.find(person) {
            work.people.see(position);
            let held = *work.people.row(position);
            work.is_there(&held);
            return;
        }
        if work.new_people.insert(person) {
            let reason = Reason::Reject(Reject::Record { code: finding.code.to_owned() });
            let print = policy::fingerprint(
                &Decision::No(reason.clone()),
                &self.settings.rules.fields,
                &mut self.store.digest_key().hasher(DigestKind::Decided),
            );
            let school = damaged.school.as_ref().map_or_else(no_school, |s| (s.to_string(), s.to_string()));
            let data = without_card(LinkState::Rejected, print, Some(reason.code()), school);
            work.notes.push(LinkWrite { person, data });
        }
    }

    /// People of the ledger for whom something was decided anew.
    async fn look_closer(&self, closer: Vec<Closer>, work: &mut Work) -> Result<(), EngineError> {
        if closer.is_empty() {
            return Ok(());
        }
        let people: Vec<Digest> = closer.iter().map(|c| work.people.row(c.position).person).collect();
        let links: HashMap<Digest, Link> = self
            .store
            .links(self.partnership.id, &people)
            .await?
            .into_iter()
            .map(|l| (l.person, l))
            .collect();
        for item in closer {
            let person = work.people.row(item.position).person;
            let Some(link) = links.get(&person) else {
                return Err(EngineError::Internal("a link of the index is not in the ledger"));
            };
            self.known_person(item, link, work)?;
        }
        Ok(())
    }

    fn known_person(&self, item: Closer, link: &Link, work: &mut Work) -> Result<(), EngineError> {
        let Closer { said, decision, print, place, school, grade, .. } = item;
        let key = self.store.digest_key();
        let label = school.as_ref().map_or_else(|| NO_SCHOOL.to_owned(), |s| s.label());
        let person = link.person;
        // A no of the roster's holds until the roster says yes: a mark that is blank by now is none.
        let no_of_roster = NotEligible::OptedOut { by_roster: true }.code();
        if link.data.reason.as_deref() == Some(no_of_roster)
            && said != Consent::Granted
            && said != Consent::Refused
        {
            work.result.count(&label, Fate::NotEligible);
            return Ok(());
        }
        let wanted = match decision {
            Decision::Wanted(wanted) => wanted,
            Decision::No(Reason::NotEligible(why @ NotEligible::OptedOut { .. }))
                if link.data.state.is_live() =>
            {
                self.opted_out(link, &why, print, &place, work);
                return Ok(());
            }
            Decision::No(reason) => {
                // The card, where there is one, stays as it is; the ledger keeps the reason.
                if !matches!(reason, Reason::NotEligible(_)) {
                    work.result.note(reason.code(), &reason.to_string(), &place);
                }
                work.result.count(&label, Fate::of(&reason));
                let mut data = link.data.clone();
                data.decided = print;
                // A question about a card stays that question, and a card that was handed over is still looked for.
                let asked = data.barcode.is_some() && !data.state.has_patron();
                if !asked {
                    data.reason = Some(reason.code().to_owned());
                }
                if !asked && !data.state.has_patron() {
                    data.state = state_of(&reason);
                }
                if let Some(school) = &school {
                    data.school = named(school);
                }
                if data != link.data || link.missing_since.is_some() {
                    work.notes.push(LinkWrite { person, data });
                }
                return Ok(());
            }
        };
        if link.data.reason.as_deref() == Some(UNDONE) && link.data.decided == print {
            // What was taken back stays so until something about the student or the rules changes.
            work.result.count(&label, Fate::Unchanged);
            return Ok(());
        }
        let another = match (Who::is(&wanted.values, key), Who::was(&link.data.digests)) {
            (Some(is), Some(was)) => is.is_wholly_another(was),
            _ => false,
        };
        let asks = Reason::Review(Review::AnotherPerson);
        let asked = link.data.state == LinkState::Review && link.data.reason.as_deref() == Some(asks.code());
        if another && (asked || link.data.state.is_live() || link.data.state == LinkState::Lapsed) {
            work.result.note(asks.code(), &asks.to_string(), &place);
            if link.data.state.is_live() {
                // Not before the guards have looked: a column that has moved makes everybody another person.
                let school = named(&wanted.school);
                school_facts(&mut work.schools, &school.0, || school.1.clone()).reviews += 1;
                let spool = absence::question(asks.code());
                self.push(
                    work,
                    person,
                    Some(link.id),
                    ChangeKind::Note,
                    school,
                    FieldSet::EMPTY,
                    print,
                    spool,
                    None,
                    place,
                );
                return Ok(());
            }
            work.result.count(&label, Fate::Review);
            if !asked {
                let mut data = link.data.clone();
                (data.state, data.decided) = (LinkState::Review, print);
                data.reason = Some(asks.code().to_owned());
                work.notes.push(LinkWrite { person, data });
            }
            return Ok(());
        }
        let mut corrected = None;
        if asked {
            // The district has corrected it: the card goes on as it was.
            let mut link = link.clone();
            (link.data.state, link.data.reason) = (LinkState::Made, None);
            work.notes.push(LinkWrite { person, data: link.data.clone() });
            corrected = Some(link);
        }
        let link = corrected.as_ref().unwrap_or(link);
        match link.data.state {
            LinkState::Pending
            | LinkState::Review
            | LinkState::Rejected
            | LinkState::OptedOut
            | LinkState::Skipped
                if link.data.barcode.is_none() && !answered::is_final(link.data.reason.as_deref()) =>
            {
                return self.plan_create(person, &wanted, print, place, work);
            }
            LinkState::Gone | LinkState::Review => {
                let reason = Reason::Review(Review::Gone);
                work.result.note(reason.code(), &reason.to_string(), &place);
                work.result.count(&label, Fate::Review);
                return Ok(());
            }
            LinkState::OptedOut | LinkState::Skipped => {
                work.result.count(&label, Fate::Unchanged);
                return Ok(());
            }
            LinkState::Pending | LinkState::Rejected => {
                work.result.count(&label, Fate::Pending);
                return Ok(());
            }
            LinkState::Made | LinkState::Linked | LinkState::Adopted | LinkState::Lapsed => {}
        }
        let own = (restored(&link.data) == LinkState::Linked)
            .then(|| self.settings.rules.fields.for_own_card(self.settings.rules.agreed));
        let rules = own.as_ref().unwrap_or(&self.settings.rules.fields);
        let fields = changed_wishes(&wanted.values, &link.data.digests, rules, key);
        let kind = match (link.data.state, kind_of(fields)) {
            (LinkState::Lapsed, _) => ChangeKind::Restore,
            (_, kind) => kind,
        };
        let lacks = self.look_at_content(&wanted, link, fields, work);
        if kind == ChangeKind::Note && !lacks {
            work.result.count(&label, Fate::Unchanged);
            let mut data = link.data.clone();
            data.decided = print;
            data.reason = None;
            data.school = named(&wanted.school);
            data.grade = grade;
            data.model = Some(wanted.model);
            data.digests = digests_after(&data.digests, &wanted.values, None, FieldSet::EMPTY, key);
            work.notes.push(LinkWrite { person, data });
            return Ok(());
        }
        for finding in &wanted.findings {
            work.result.note(finding.code, &finding.message, &place);
        }
        let school = named(&wanted.school);
        self.push(
            work,
            person,
            Some(link.id),
            kind,
            school,
            fields,
            print,
            spool::encode(&wanted)?,
            None,
            place,
        );
        graded(work, &wanted.school, kind, grade);
        Ok(())
    }

    /// The family of somebody with a card said no: a card of ours lapses at once; one that is the family's own is a question
    /// for staff (S08).
    fn opted_out(&self, link: &Link, why: &NotEligible, print: Digest, place: &Place, work: &mut Work) {
        let label = link.data.school.1.clone();
        if matches!(link.data.state, LinkState::Made | LinkState::Adopted) {
            let spool = Zeroizing::new(why.code().as_bytes().to_vec());
            self.push(
                work,
                link.person,
                Some(link.id),
                ChangeKind::Lapse,
                link.data.school.clone(),
                FieldSet::EMPTY,
                print,
                spool,
                None,
                place.clone(),
            );
            return;
        }
        let reason = Reason::Review(Review::OptOutOnOwnCard);
        work.result.note(reason.code(), &reason.to_string(), place);
        work.result.count(&label, Fate::Review);
        let data = LinkData { decided: print, reason: Some(reason.code().to_owned()), ..link.data.clone() };
        if data != link.data {
            work.notes.push(LinkWrite { person: link.person, data });
        }
    }

    /// Puts planned changes into the store, after asking which of the numbers are somebody else's already.
    async fn flush_planned(&self, work: &mut Work) -> Result<(), EngineError> {
        let drops = std::mem::take(&mut work.drops);
        if !drops.is_empty() {
            let selection = ChangeSelection { ids: Some(drops), ..ChangeSelection::default() };
            self.store.move_changes(self.run, ChangeState::Ready, ChangeState::Dropped, &selection).await?;
        }
        let planned = std::mem::take(&mut work.planned);
        if planned.is_empty() {
            return Ok(());
        }
        let planned = self.without_taken(planned, work).await?;
        let keys: Vec<(Digest, Option<Digest>)> =
            planned.iter().map(|p| (p.change.person, p.number)).collect();
        let ids = self.store.add_changes(self.run, planned.into_iter().map(|p| p.change).collect()).await?;
        for ((person, number), id) in keys.into_iter().zip(ids) {
            work.newcomers.stored(person, id);
            if let Some(claim) = number.and_then(|n| work.claims.get_mut(&n))
                && claim.person == person
            {
                claim.first = Some(First::Stored(id));
            }
        }
        Ok(())
    }

    /// Takes out creates whose number belongs to another person of this ILS's ledger: a question for a person.
    async fn without_taken(
        &self,
        planned: Vec<Planned>,
        work: &mut Work,
    ) -> Result<Vec<Planned>, EngineError> {
        let mut numbers = Vec::new();
        for item in planned.iter().filter(|p| p.number.is_some()) {
            let wanted = spool::decode(&item.change.spool)?;
            numbers.extend(policy::given_number(&wanted).cloned());
        }
        if numbers.is_empty() {
            return Ok(planned);
        }
        let key = self.store.digest_key();
        let taken: HashMap<Digest, Digest> = self
            .store
            .numbers_in_use(&self.settings.ils, &numbers)
            .await?
            .into_iter()
            .map(|(number, person)| (number_digest(key, &number), person))
            .collect();
        let mut kept = Vec::with_capacity(planned.len());
        for item in planned {
            match item.number.and_then(|n| taken.get(&n)) {
                Some(owner)
                    if *owner != item.change.person
                        && !self.perhaps_moved(&spool::decode(&item.change.spool)?).await? =>
                {
                    let reason = Reason::Review(Review::NumberTaken);
                    let NewChange { person, school, decided, .. } = item.change;
                    uncount(work, &school, ChangeKind::Create, Fate::Review);
                    work.result.note(reason.code(), &reason.to_string(), &item.place);
                    let data = without_card(LinkState::Review, decided, Some(reason.code()), school);
                    work.notes.push(LinkWrite { person, data });
                }
                _ => kept.push(item),
            }
        }
        Ok(kept)
    }

    async fn flush_notes(&self, work: &mut Work) -> Result<(), EngineError> {
        let notes = std::mem::take(&mut work.notes);
        if self.mode == Mode::Sync && !notes.is_empty() {
            self.store.write_links(self.partnership.id, notes).await?;
        }
        Ok(())
    }

    /// A source's own id, within this run.
    fn alias(&self, source_id: &Personal) -> Digest {
        self.store.digest_key().digest(DigestKind::Identity, &[b"alias", source_id.reveal().as_bytes()])
    }

    /// Finds whom tombstones without a number are about. The ledger keeps a source's ids sealed, so its rows are opened one by
    /// one: a second for half a million, and only on days on which somebody has left.
    async fn find_gone(&self, work: &mut Work) -> Result<(), EngineError> {
        if work.gone_ids.is_empty() {
            return Ok(());
        }
        let people: Vec<Digest> =
            work.people.unseen().filter(|row| row.state.has_patron()).map(|row| row.person).collect();
        for some in people.chunks(PEOPLE) {
            for link in self.store.links(self.partnership.id, some).await? {
                if link.data.source_ids.iter().any(|id| work.gone_ids.contains(&self.alias(id))) {
                    work.tombstones.insert(link.person);
                }
            }
        }
        Ok(())
    }

    /// Asks the source about people whose grace is over, one by one, before anything is made of their absence (S29).
    async fn ask_again(
        &self,
        completeness: Completeness,
        source: &mut dyn RosterSource,
        work: &mut Work,
        hashers: &mut (DigestHasher, DigestHasher),
    ) -> Result<(), EngineError> {
        let grace = self.settings.grace;
        let people: Vec<Digest> = work
            .people
            .unseen()
            .filter(|row| row.state.is_live() && self.grace_passed(row, grace))
            .map(|row| row.person)
            .collect();
        for some in people.chunks(PEOPLE) {
            for link in self.store.links(self.partnership.id, some).await? {
                // A mass of them is for the guards, not for a source that answers one question at a time.
                let keeps = self.keeps_card(link.data.grade, link.missing_since, link.data.expiry);
                if link.data.source_ids.is_empty() || keeps || work.asked >= MOST_ASKED {
                    continue;
                }
                match source.fetch_one(&link.data.source_ids).await {
                    FetchOne::NotPossible => return Ok(()),
                    FetchOne::NotFound => {}
                    FetchOne::Unknown => {
                        work.unsure.insert(link.person);
                    }
                    FetchOne::Found(student) => {
                        let message = "missing from the roster, and still there when the source was asked for the person";
                        work.result.note("still_in_source", message, &Place::default());
                        work.tombstones.remove(&link.person);
                        if completeness == Completeness::Snapshot {
                            work.result.note(
                                "roster_not_whole",
                                "the roster says it is whole, and is not",
                                &Place::default(),
                            );
                        }
                        self.page(vec![Record::Student(student)], work, hashers).await?;
                    }
                }
                work.asked += 1;
            }
        }
        Ok(())
    }

    /// People of the ledger who are not in the roster: counted, and planned to lapse once their grace has passed.
    async fn absent(
        &self,
        completeness: Completeness,
        work: &mut Work,
        stored: &HashMap<SchoolId, (String, String)>,
    ) -> Result<(), EngineError> {
        let mut lapsing = Vec::new();
        let absent: Vec<LinkIndex> =
            work.people.unseen().filter(|row| row.state.is_live()).copied().collect();
        let grace = self.settings.grace;
        self.perhaps_renumbered(completeness, &absent, work).await?;
        for row in absent {
            let school = stored.get(&row.school).cloned().unwrap_or_else(no_school);
            let left = completeness == Completeness::Delta && work.tombstones.contains(&row.person);
            // Who is not in a delta is not missing from anything, nor is anybody while a source is not running.
            if self.state == SourceState::Running && (completeness != Completeness::Delta || left) {
                work.result.absent += 1;
                let facts = school_facts(&mut work.schools, &school.0, || school.1.clone());
                facts.absent += 1;
                facts.absent_before += u64::from(row.missing_since.is_some());
            }
            let missing = match completeness {
                Completeness::Snapshot => true,
                Completeness::Delta => left || row.missing_since.is_some(),
                Completeness::Incomplete => false,
            };
            if row.state != LinkState::Linked && work.wishes.says_no(row.person) {
                // The family's word needs no roster and no grace.
                lapsing.push((row, school, NotEligible::OptedOut { by_roster: false }.code()));
            } else if missing && self.grace_passed(&row, grace) && !work.unsure.contains(&row.person) {
                lapsing.push((row, school, ""));
            } else {
                work.result.count(&school.1, Fate::Unchanged);
            }
        }
        for leaver in self.leaving(lapsing, work).await? {
            let (row, school) = (leaver.row, leaver.school.clone());
            work.lapsing.insert(row.link);
            let (link, spool) = (Some(row.link), Zeroizing::new(leaver.why.as_bytes().to_vec()));
            self.push(
                work,
                row.person,
                link,
                ChangeKind::Lapse,
                school,
                FieldSet::EMPTY,
                row.decided,
                spool,
                None,
                Place::default(),
            );
            leaver.count(&mut work.schools);
        }
        self.flush_planned(work).await
    }

    /// Newcomers who have the names and the birth date of somebody who is missing: questions, no second cards (S34).
    async fn perhaps_renumbered(
        &self,
        completeness: Completeness,
        absent: &[LinkIndex],
        work: &mut Work,
    ) -> Result<(), EngineError> {
        if work.newcomers.is_empty() || completeness == Completeness::Incomplete {
            return Ok(());
        }
        let missing: Vec<Digest> = absent
            .iter()
            .filter(|row| completeness == Completeness::Snapshot || work.tombstones.contains(&row.person))
            .map(|row| row.person)
            .collect();
        for some in missing.chunks(PEOPLE) {
            for link in self.store.links(self.partnership.id, some).await? {
                let Some(who) = Who::was(&link.data.digests) else { continue };
                for newcomer in work.newcomers.take(&who) {
                    let reason = Reason::Review(Review::PerhapsRenumbered);
                    uncount(work, &newcomer.school, ChangeKind::Create, Fate::Review);
                    work.result.note(reason.code(), &reason.to_string(), &newcomer.place);
                    work.planned.retain(|planned| planned.change.person != newcomer.person);
                    work.drops.extend(newcomer.change);
                    work.notes.push(renumbered::review(&newcomer, &who));
                }
            }
        }
        self.flush_notes(work).await
    }

    /// Whether somebody who is missing today as well has been missing long enough. Paused days do not count, nor do days without
    /// school; and outside a school year and in its first days nobody has.
    fn grace_passed(&self, row: &LinkIndex, grace: Grace) -> bool {
        let feeds = row.feeds_missed.saturating_add(u32::from(self.new_roster));
        let days = row
            .missing_since
            .map_or(0, |since| self.pauses.open_days(since, self.day, &self.settings.dates.calendar));
        self.settings.dates.calendar.may_lapse(self.day)
            && row.missing_since.is_some()
            && days >= i64::from(grace.days)
            && feeds >= grace.feeds
    }
}

fn live_by_school(
    rows: &[LinkIndex],
    stored: &HashMap<SchoolId, (String, String)>,
) -> BTreeMap<String, SchoolFacts> {
    let mut live: HashMap<SchoolId, u64> = HashMap::new();
    for row in rows.iter().filter(|row| row.state.is_live()) {
        *live.entry(row.school).or_default() += 1;
    }
    let mut schools = BTreeMap::new();
    for (id, count) in live {
        let (key, label) = stored.get(&id).cloned().unwrap_or_else(no_school);
        let facts = SchoolFacts { label, live: count, ..SchoolFacts::default() };
        schools.insert(key, facts);
    }
    schools
}

pub(crate) fn school_facts<'m>(
    schools: &'m mut BTreeMap<String, SchoolFacts>,
    key: &str,
    label: impl FnOnce() -> String,
) -> &'m mut SchoolFacts {
    if !schools.contains_key(key) {
        schools.insert(key.to_owned(), SchoolFacts { label: label(), ..SchoolFacts::default() });
    }
    schools.entry(key.to_owned()).or_default()
}

/// Counts a planned change in its grade.
fn graded(work: &mut Work, school: &School, kind: ChangeKind, grade: Option<u8>) {
    if let (Some(facts), Some(grade)) = (work.schools.get_mut(school.key()), grade) {
        *facts.grades.entry((kind, grade)).or_default() += 1;
    }
}

/// Takes a planned change out of the counts and of what the guards see.
fn uncount(work: &mut Work, school: &(String, String), kind: ChangeKind, to: Fate) {
    work.result.shift(&school.1, Fate::Change(kind), to, 1);
    if let Some(facts) = work.schools.get_mut(&school.0) {
        facts.unplan(kind, None);
    }
}

/// Rejects one side of a collision.
fn reject_collision(work: &mut Work, person: Digest, school: (String, String), place: &Place) {
    let reject = Reject::NumberCollides;
    work.result.note(reject.code(), &reject.to_string(), place);
    // The fingerprint of no decision: looked at again tomorrow, when the other one may be gone.
    let data = without_card(LinkState::Rejected, Digest([0; 16]), Some(reject.code()), school);
    work.notes.push(LinkWrite { person, data });
}

/// A number within the plan; only compared with others of its kind.
fn number_digest(key: &DigestKey, number: &Personal) -> Digest {
    key.digest(DigestKind::Identity, &[b"plan", number.reveal().as_bytes()])
}

fn unchanged_fate(decision: &Decision, state: LinkState) -> Fate {
    match (decision, state) {
        (Decision::No(Reason::NotEligible(NotEligible::OptedOut { .. })), LinkState::Linked) => Fate::Review,
        (Decision::No(reason), _) => Fate::of(reason),
        (_, LinkState::Review | LinkState::Gone) => Fate::Review,
        (_, LinkState::Rejected) => Fate::Reject,
        (_, LinkState::Pending) => Fate::Pending,
        _ => Fate::Unchanged,
    }
}

fn state_of(reason: &Reason) -> LinkState {
    match reason {
        Reason::NotEligible(NotEligible::OptedOut { .. }) => LinkState::OptedOut,
        Reason::NotEligible(_) => LinkState::Skipped,
        Reason::Pending(_) => LinkState::Pending,
        Reason::Reject(_) => LinkState::Rejected,
        Reason::Review(_) => LinkState::Review,
    }
}

fn named(school: &School) -> (String, String) {
    (school.key().to_owned(), school.label())
}

fn no_school() -> (String, String) {
    (String::new(), NO_SCHOOL.to_owned())
}

/// A ledger row for somebody without a card.
pub(crate) fn without_card(
    state: LinkState,
    decided: Digest,
    reason: Option<&str>,
    school: (String, String),
) -> LinkData {
    LinkData {
        state,
        decided,
        reason: reason.map(str::to_owned),
        school,
        grade: None,
        model: None,
        category: None,
        branch: None,
        expiry: None,
        digests: FieldDigests::default(),
        source_ids: Vec::new(),
        patron_id: None,
        barcode: None,
        user_name: None,
    }
}
