//! What is on the page, gathered from the store and the configuration: numbers, moments and words. No name, id or number of a
//! student is read here but the changes of a run, of which only the fields are counted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rostercard_config::{Partnership, Severity};
use rostercard_core::calendar::AgreementState;
use rostercard_core::plan::{ChangeKind, ChangeState, Counts, RunState};
use rostercard_core::reason::Reason;
use rostercard_core::review::{ReviewAnswer, answers_to, question_of};
use rostercard_core::suppress::{share, suppress};
use rostercard_core::words::LinkState;
use rostercard_daemon::health::{Facts, Standing as Judged, State, judge};
use rostercard_page::access::{Deed, Holder};
use rostercard_page::view::{
    AnswerChoice, AuditRow, Bar, Count, Decision, Grid, GuardRow, IlsRow, List, Moment, Need, NeedKind,
    Overview, PartnershipRow, PartnershipView, PauseRow, ReviewRow, RunRow, RunView, Standing, Tone,
};
use rostercard_store::rows::{LinkCell, PartnershipId, PauseScope, Run, RunId};
use rostercard_store::{Store, StoreError};

use super::{Daemon, lock, of};
use crate::commands::report;
use crate::commands::run::state_in_words;
use crate::commands::status::facts;
use crate::machine;

/// So many runs are in a list or a chart.
const RUNS: usize = 30;
/// So many reviews are on a page.
const REVIEWS: usize = 50;
/// The fields of so many changes are counted.
const CHANGES: usize = 10_000;
/// So many entries of the audit log are on its page.
const ENTRIES: usize = 200;

/// A partnership, as far as the page needs it.
struct About<'a> {
    partnership: &'a Partnership,
    id: Option<PartnershipId>,
    judged: Judged,
    runs: Vec<Run>,
    cells: Vec<LinkCell>,
    zone: TimeZone,
    now: Timestamp,
    least: u64,
}

impl About<'_> {
    fn count(&self, count: u64) -> Count {
        Count::of(count, self.least)
    }

    fn moment(&self, at: Timestamp) -> Moment {
        Moment::new(at, &self.zone, self.now)
    }

    fn cards(&self) -> u64 {
        self.cells.iter().filter(|cell| cell.state.is_live()).map(|cell| cell.count).sum()
    }

    /// How many open reviews there are by question.
    fn questions(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for cell in &self.cells {
            let asked = matches!(cell.state, LinkState::Review | LinkState::Gone | LinkState::Linked);
            if let Some(question) = cell.reason.as_deref().filter(|_| asked).and_then(question_of) {
                *counts.entry(question.code()).or_default() += cell.count;
            }
        }
        counts
    }
}

fn said(error: &StoreError) -> String {
    format!("the store cannot be read: {error}")
}

/// A list of which small numbers, and what would tell them, are held back.
fn list(title: &str, of: &str, rows: Vec<(String, u64)>, least: u64) -> List {
    let counts: Vec<u64> = rows.iter().map(|(_, count)| *count).collect();
    let (shown, sum) = suppress(&counts, least);
    let rows =
        rows.into_iter().zip(shown).map(|((name, _), shown)| (name, shown.map_or(Count::Held, Count::Exact)));
    let total = counts.iter().sum();
    List {
        title: title.to_owned(),
        of: of.to_owned(),
        rows: rows.collect(),
        total: sum.then(|| Count::of(total, least)),
    }
}

const fn standing(state: State) -> Standing {
    match state {
        State::Ok => Standing::Ok,
        State::Waiting => Standing::Waiting,
        State::Stale => Standing::Late,
        State::Failing => Standing::Failing,
        State::Paused => Standing::Paused,
        State::NeverRan => Standing::NeverRan,
    }
}

const fn tone(state: RunState) -> Tone {
    match state {
        RunState::Done | RunState::DoneWithRejects => Tone::Good,
        RunState::Waiting => Tone::Waiting,
        RunState::Failed => Tone::Bad,
        RunState::Planned | RunState::Running | RunState::Unfinished => Tone::Quiet,
    }
}

/// A run's open changes, where it can still be decided about.
fn open(run: &Run, now: Timestamp) -> bool {
    matches!(run.state, RunState::Waiting | RunState::Planned)
        && run.superseded_by.is_none()
        && run.plan.as_ref().is_some_and(|plan| now < plan.expires_at)
}

fn waiting(run: &Run) -> u64 {
    let counts = &run.result.counts;
    if run.state == RunState::Planned { counts.changes() + counts.waiting } else { counts.waiting }
}

/// What a kind of change is called.
const fn kind_words(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Create => "new cards",
        ChangeKind::Link => "links to existing cards",
        ChangeKind::Update => "changed cards",
        ChangeKind::Renew => "renewals",
        ChangeKind::Lapse => "lapses",
        ChangeKind::Restore => "cards that come back",
        ChangeKind::Pin => "new PINs",
        ChangeKind::Undo => "taken back",
        ChangeKind::Note => "notes for the ledger alone",
    }
}

const fn means(answer: ReviewAnswer) -> &'static str {
    match answer {
        ReviewAnswer::Link => "the card with this number is this student's",
        ReviewAnswer::Separate => "make a card of its own, whoever else is in the ILS",
        ReviewAnswer::Skip => "make no card",
        ReviewAnswer::Again => "the cause is gone: try again with the next run",
        ReviewAnswer::Relink => "the patron has this number now",
        ReviewAnswer::Recreate => "make the card again",
        ReviewAnswer::Leave => "look after this card no longer",
        ReviewAnswer::Same => "it is one and the same person",
    }
}

type Column = (&'static str, fn(&Counts) -> u64);
const OUTCOMES: [Column; 12] = [
    ("new cards", |c| c.create),
    ("linked", |c| c.link),
    ("changed", |c| c.update),
    ("renewed", |c| c.renew),
    ("brought back", |c| c.restore),
    ("lapsed", |c| c.lapse),
    ("unchanged", |c| c.unchanged),
    ("not in the programme", |c| c.not_eligible),
    ("waiting", |c| c.waiting),
    ("pending", |c| c.pending),
    ("review", |c| c.review),
    ("rejected", |c| c.reject),
];

impl Daemon {
    fn reader(&self) -> Result<Option<std::sync::Arc<dyn Store>>, String> {
        self.first.store_to_read().map_err(|_| "the store cannot be read".to_owned())
    }

    async fn about<'a>(
        &self,
        setup: &crate::setup::Setup,
        store: Option<&dyn Store>,
        partnership: &'a Partnership,
        holder: &Holder,
    ) -> Result<About<'a>, StoreError> {
        let now = machine::now();
        let facts = facts(setup, store, partnership).await?;
        let next_run = self.control.next_runs().remove(partnership.name.as_str());
        let judged = judge(Facts { next_run, ..facts }, now);
        let (mut id, mut runs, mut cells) = (None, Vec::new(), Vec::new());
        if let Some(store) = store {
            let known = store.partnerships().await?;
            if let Some(row) = known.into_iter().find(|row| row.permanent_id == partnership.id.as_str()) {
                id = Some(row.id);
                runs = store.runs(Some(row.id), RUNS).await?;
                cells = store.link_cells(row.id).await?;
            }
        }
        let main = setup.loaded.main.as_ref().ok();
        let zone = main.map_or(TimeZone::UTC, |main| main.library_of(partnership).timezone.clone());
        let all = holder.may(Deed::SeeSmallNumbers);
        let least = if all { 0 } else { u64::from(partnership.small_cells) };
        Ok(About { partnership, id, judged, runs, cells, zone, now, least })
    }

    /// The first page, as far as a holder sees it.
    pub(super) async fn overview(&self, holder: &Holder) -> Result<Overview, String> {
        let (good, broken, newest) = {
            let now = lock(&self.now);
            (now.good.clone(), now.broken.clone(), now.newest.clone())
        };
        let store = self.reader()?;
        let mut view = Overview {
            scheduler_alive: rostercard_daemon::health::alive(self.control.heartbeat(), machine::now()),
            ..Overview::default()
        };
        if let Some(newest) = newest {
            let problems = newest.loaded.problems.sorted();
            let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
            if errors > 0 {
                view.needs.push(Need {
                    kind: NeedKind::Trouble,
                    partnership: None,
                    text: Count::Exact(errors as u64)
                        .counted("mistake is in the configuration", "mistakes are in the configuration"),
                    hint: "What was right before goes on as it was.".to_owned(),
                    link: None,
                    command: Some("rostercard check".to_owned()),
                });
            }
        }
        let mut ils: BTreeMap<String, IlsRow> = BTreeMap::new();
        for (name, setup) in good.iter().filter(|(name, _)| holder.sees(name)) {
            let Some(partnership) = of(setup, name) else { continue };
            let about = self.about(setup, store.as_deref(), partnership, holder).await;
            let about = about.map_err(|error| said(&error))?;
            view.needs.extend(self.needs(store.as_deref(), &about).await.map_err(|error| said(&error))?);
            view.partnerships.push(self.row(&about));
            asked(&mut ils, setup, &about);
        }
        for name in broken.into_iter().filter(|name| holder.sees(name)) {
            let judged = judge(Facts { name, broken: true, ..Facts::default() }, machine::now());
            view.needs.push(Need {
                kind: NeedKind::Trouble,
                partnership: None,
                text: format!("Partnership {} cannot run: its file has mistakes.", judged.name),
                hint: String::new(),
                link: None,
                command: Some("rostercard check".to_owned()),
            });
        }
        view.needs.sort_by_key(|need| need.kind);
        view.ils = ils.into_values().collect();
        Ok(view)
    }

    fn row(&self, about: &About<'_>) -> PartnershipRow {
        let judged = &about.judged;
        let name = about.partnership.name.as_str();
        let last_whole = about.runs.iter().find(|run| run.result.stream.as_deref() == Some("snapshot"));
        let enrolment = last_whole.map(|run| run.result.roster);
        let cards = about.cards();
        let shared = enrolment.and_then(|all| {
            let percent = cards.saturating_mul(100).checked_div(all)?;
            Some((share(cards, all, about.least)?, u8::try_from(percent.min(100)).ok()?))
        });
        let late = about
            .partnership
            .expected_every
            .zip(judged.roster_age_s)
            .is_some_and(|_| judged.state == State::Stale && judged.why.starts_with("the roster is"));
        let why = match judged.state {
            State::Waiting if about.least > 0 => "changes wait for approval".to_owned(),
            _ => judged.why.clone(),
        };
        PartnershipRow {
            name: name.to_owned(),
            district: about.partnership.district.clone(),
            standing: standing(judged.state),
            why,
            roster: judged
                .roster_age_s
                .and_then(|age| about.now.checked_sub(jiff::SignedDuration::from_secs(age)).ok())
                .map(|at| about.moment(at)),
            rhythm: about.partnership.expected_every.map(rhythm),
            roster_late: late,
            last_success: judged.last_success.map(|at| about.moment(at)),
            next_run: judged.next_run.map(|at| about.moment(at)),
            at_work: self.turn(name).try_lock().is_err(),
            schedule: judged.schedule.clone(),
            cards: about.count(cards),
            enrolment: enrolment.map(|all| about.count(all)),
            share: shared,
            missing: about.count(about.runs.first().map_or(0, |run| run.result.absent)),
            history: bars(about, 14, |run| run.result.counts.changes()),
        }
    }

    async fn needs(&self, store: Option<&dyn Store>, about: &About<'_>) -> Result<Vec<Need>, StoreError> {
        let name = about.partnership.name.as_str();
        let need =
            |kind, text: String, hint: String, link: Option<(String, &str)>, command: Option<String>| Need {
                kind,
                partnership: Some(name.to_owned()),
                text,
                hint,
                link: link.map(|(path, words)| (path, words.to_owned())),
                command,
            };
        let mut needs = Vec::new();
        if matches!(about.judged.state, State::Failing | State::Stale) {
            let run = about.runs.first().map(|run| (format!("/run/{}", run.id), "See the last run"));
            let hint = about.runs.first().and_then(|run| run.result.hint.clone()).unwrap_or_default();
            needs.push(need(NeedKind::Trouble, about.judged.why.clone(), hint, run, None));
        }
        for run in about.runs.iter().filter(|run| open(run, about.now)) {
            let (count, guards) = (waiting(run), &run.result.waiting_for);
            if count == 0 && guards.is_empty() {
                continue;
            }
            let text = match count {
                0 => format!("Run {} waits for a person.", run.id),
                _ => format!(
                    "{} for approval, run {}.",
                    about.count(count).counted("change waits", "changes wait"),
                    run.id
                ),
            };
            let mut why: Vec<&str> = guards.iter().map(|what| what.guard.as_str()).collect();
            why.dedup();
            let hint = if why.is_empty() { String::new() } else { format!("Why: {}", why.join(", ")) };
            let link = Some((format!("/run/{}", run.id), "Look at it and decide"));
            needs.push(need(NeedKind::Waiting, text, hint, link, None));
        }
        let link = || Some((format!("/partnership/{name}#reviews"), "Look at the reviews"));
        let questions = about.questions();
        let gone = questions.get("gone").copied().unwrap_or(0);
        let others: u64 = questions.values().sum::<u64>() - gone;
        if gone > 0 {
            let text = about
                .count(gone)
                .counted("patron is not in the ILS any more", "patrons are not in the ILS any more");
            needs.push(need(
                NeedKind::Gone,
                text,
                "Merged, deleted or re-numbered by staff.".to_owned(),
                link(),
                None,
            ));
        }
        if others > 0 {
            let text = about.count(others).counted("question is open", "questions are open");
            needs.push(need(NeedKind::Review, text, String::new(), link(), None));
        }
        let mut pending: BTreeMap<&str, u64> = BTreeMap::new();
        for cell in about.cells.iter().filter(|cell| cell.state == LinkState::Pending) {
            if let Some(reason) = cell.reason.as_deref() {
                *pending.entry(reason).or_default() += cell.count;
            }
        }
        for (reason, count) in pending {
            let (hint, command) = match reason {
                "school_without_home" => (
                    "Their school has no line in `[homes]`.",
                    Some(format!("rostercard source schools {name}")),
                ),
                "student_without_school" => ("The roster names no school for them: ask the district.", None),
                _ => ("The next run looks at them again.", None),
            };
            let text = about.count(count).counted("student has no card yet", "students have no card yet");
            needs.push(need(NeedKind::Pending, text, hint.to_owned(), None, command));
        }
        if let (Some(store), Some(id)) = (store, about.id) {
            let kept = store.pins_waiting(id).await?;
            let out: u64 = store.pin_batches(id).await?.iter().map(|batch| batch.kept).sum();
            let ways = [
                (
                    kept.saturating_sub(out),
                    "PIN was not handed out yet",
                    "PINs were not handed out yet",
                    "export",
                    " --out pins",
                ),
                (
                    out.min(kept),
                    "PIN was handed out and not confirmed",
                    "PINs were handed out and not confirmed",
                    "confirm",
                    "",
                ),
            ];
            for (count, one, many, command, more) in ways.into_iter().filter(|(count, ..)| *count > 0) {
                let command = Some(format!("rostercard pins {command} {name}{more}"));
                needs.push(need(
                    NeedKind::Pins,
                    about.count(count).counted(one, many),
                    String::new(),
                    None,
                    command,
                ));
            }
        }
        let today = about.zone.to_datetime(about.now).date();
        if let AgreementState::EndsSoon(ends, left) = about.partnership.dates.agreement.on(today) {
            needs.push(need(
                NeedKind::Soon,
                format!("The agreement ends on {ends}, in {left} days."),
                String::new(),
                None,
                None,
            ));
        }
        if let Some(over) = about.partnership.dates.calendar.over_since(today) {
            let text = format!("The school year of the calendar is over since {over}.");
            needs.push(need(
                NeedKind::Soon,
                text,
                "No card lapses until the next one is written.".to_owned(),
                None,
                None,
            ));
        }
        needs.sort_by_key(|need| need.kind);
        Ok(needs)
    }

    /// A partnership's page; `None` where the holder sees none of that name.
    pub(super) async fn partnership_view(
        &self,
        holder: &Holder,
        name: &str,
    ) -> Result<Option<PartnershipView>, String> {
        let setup = lock(&self.now).good.get(name).cloned().filter(|_| holder.sees(name));
        let found = setup.as_ref().and_then(|setup| Some((setup, of(setup, name)?)));
        let Some((setup, partnership)) = found else { return Ok(None) };
        let store = self.reader()?;
        let about =
            self.about(setup, store.as_deref(), partnership, holder).await.map_err(|error| said(&error))?;
        let mut missing_since = None;
        let (mut reviews, mut more_reviews) = (Vec::new(), 0);
        let mut paused = Vec::new();
        let today = about.zone.to_datetime(about.now).date();
        if let (Some(store), Some(id)) = (store.as_deref(), about.id) {
            let index = store.index(id).await.map_err(|error| said(&error))?;
            missing_since =
                index.iter().filter(|row| row.state.is_live()).filter_map(|row| row.missing_since).min();
            if holder.may(Deed::Answer) {
                let people: Vec<_> = index
                    .iter()
                    .filter(|row| {
                        matches!(row.state, LinkState::Review | LinkState::Gone | LinkState::Linked)
                    })
                    .map(|row| row.person)
                    .collect();
                (reviews, more_reviews) = open_reviews(store, id, &people, about.questions().values().sum())
                    .await
                    .map_err(|error| said(&error))?;
            }
        }
        if let Some(store) = store.as_deref() {
            let ils = setup.loaded.main.as_ref().ok().and_then(|main| main.ils(&partnership.ils));
            let (own, ils) = (partnership.id.as_str(), ils.map_or("", |ils| ils.id.as_str()));
            for pause in store.pauses().await.map_err(|error| said(&error))? {
                if !pause.is_on(about.now) || !pause.asked.scope.holds_for(own, ils) {
                    continue;
                }
                let what = match &pause.asked.scope {
                    PauseScope::Everything => "everything",
                    PauseScope::Ils(_) => "its ILS",
                    PauseScope::Partnership(_) => "this partnership",
                };
                paused.push(PauseRow {
                    what: what.to_owned(),
                    until: about.zone.to_datetime(pause.end()).date().to_string(),
                    who: pause.asked.who.clone(),
                    reason: pause.asked.reason.clone(),
                    own: matches!(pause.asked.scope, PauseScope::Partnership(_)),
                });
            }
        }
        let questions = about
            .questions()
            .into_iter()
            .filter_map(|(code, count)| Some((Reason::Review(question_of(code)?).to_string(), count)));
        let figures = report::gather(&about.cells, None, about.least);
        let held = |count: Option<u64>| count.map_or(Count::Held, Count::Exact);
        let cards = figures.sections.iter().map(|section| List {
            title: section.title.to_owned(),
            of: match section.key {
                "schools" => "School",
                "grades" => "Grade",
                "models" => "Kind",
                _ => "Why",
            }
            .to_owned(),
            rows: section.rows.iter().map(|row| (row.name.clone(), held(row.count))).collect(),
            total: (section.key != "without").then(|| held(figures.cards)),
        });
        let day = |days: i64| today.checked_add(jiff::Span::new().days(days)).unwrap_or(today).to_string();
        Ok(Some(PartnershipView {
            needs: self.needs(store.as_deref(), &about).await.map_err(|error| said(&error))?,
            calendar: calendar(&about, missing_since, today),
            pauses: paused,
            pause_days: (day(1), day(366)),
            cards: cards.collect(),
            least: about.least,
            questions: list("Open questions", "Question", questions.collect(), about.least),
            reviews,
            more_reviews,
            runs: about.runs.iter().map(|run| run_row(&about, run)).collect(),
            changes: bars(&about, RUNS, |run| run.result.counts.changes()),
            rosters: bars(&about, RUNS, |run| run.result.roster),
            row: self.row(&about),
        }))
    }

    /// The partnership of a run, and the digest of its plan; `None` where the holder sees none of that number.
    pub(super) async fn owner(
        &self,
        holder: &Holder,
        run: RunId,
    ) -> Result<Option<(String, String)>, String> {
        let Some(store) = self.reader()? else { return Ok(None) };
        Ok(self
            .found(&*store, holder, run)
            .await?
            .map(|(name, _, run)| (name, run.plan.map(|plan| plan.digest).unwrap_or_default())))
    }

    async fn found(
        &self,
        store: &dyn Store,
        holder: &Holder,
        run: RunId,
    ) -> Result<Option<(String, std::sync::Arc<crate::setup::Setup>, Run)>, String> {
        let run = match store.run(run).await {
            Ok(run) => run,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(said(&error)),
        };
        let known = store.partnerships().await.map_err(|error| said(&error))?;
        let Some(row) = known.into_iter().find(|row| row.id == run.partnership) else { return Ok(None) };
        let good = lock(&self.now).good.clone();
        let found = good.into_iter().find(|(name, setup)| {
            holder.sees(name) && of(setup, name).is_some_and(|p| p.id.as_str() == row.permanent_id)
        });
        Ok(found.map(|(name, setup)| (name, setup, run)))
    }

    /// A run's page; `None` where the holder sees none of that number.
    pub(super) async fn run_view(&self, holder: &Holder, run: RunId) -> Result<Option<RunView>, String> {
        let Some(store) = self.reader()? else { return Ok(None) };
        let Some((name, setup, run)) = self.found(&*store, holder, run).await? else { return Ok(None) };
        let Some(partnership) = of(&setup, &name) else { return Ok(None) };
        let about =
            self.about(&setup, Some(&*store), partnership, holder).await.map_err(|error| said(&error))?;
        let all = about.least == 0;
        let result = &run.result;
        let counts = &result.counts;
        let outcomes = if all {
            let rows = OUTCOMES
                .iter()
                .map(|(name, of)| ((*name).to_owned(), of(counts)))
                .filter(|(_, count)| *count > 0);
            list("Everybody", "What", rows.collect(), 0)
        } else {
            // Without a sum and without the rest, none of these can be told from the others.
            let some =
                [("changes", counts.changes()), ("waiting", counts.waiting), ("rejected", counts.reject)];
            let rows = some.into_iter().map(|(name, count)| (name.to_owned(), about.count(count)));
            List {
                title: "What happened".to_owned(),
                of: "What".to_owned(),
                rows: rows.collect(),
                total: None,
            }
        };
        let by_school = Grid {
            columns: OUTCOMES.iter().map(|(name, _)| (*name).to_owned()).collect(),
            rows: result
                .by_school
                .iter()
                .map(|(school, counts)| (school.clone(), OUTCOMES.iter().map(|(_, of)| of(counts)).collect()))
                .collect(),
        };
        let changes = result.by_school.iter().map(|(school, counts)| (school.clone(), counts.changes()));
        let planned = store.change_counts(run.id).await.map_err(|error| said(&error))?;
        let waits: Vec<_> = planned
            .iter()
            .filter(|count| count.state == ChangeState::Waiting && count.kind != ChangeKind::Note)
            .collect();
        let decision = open(&run, about.now).then(|| decision(&about, &run, &waits)).flatten();
        let decided = store.decisions(run.id).await.map_err(|error| said(&error))?;
        let fields = fields(&*store, &run, &planned, about.least).await.map_err(|error| said(&error))?;
        let guard = |waits: bool| {
            let list = if waits { &result.waiting_for } else { &result.warnings };
            list.iter().map(move |what| (what, waits))
        };
        let guards = guard(true).chain(guard(false)).map(|(what, waits)| GuardRow {
            guard: what.guard.clone(),
            about: [
                what.kind.as_ref().map(|kind| format!("({kind})")),
                what.school.as_ref().map(|school| format!("at {school}")),
            ]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
            found: about.count(what.found),
            limit: what.limit.filter(|_| all),
            cause: all.then(|| what.likely_cause.clone()),
            waits,
        });
        let findings = result.findings.iter().map(|(code, finding)| {
            (code.clone(), all.then(|| finding.message.clone()), about.count(finding.count))
        });
        let work = [
            ("Look-ups", result.lookups),
            ("Writes", result.writes),
            ("Left as staff changed it", result.staff_won),
            ("Failed, tried again", result.failed),
            ("Outcome not known yet", result.unsettled),
        ];
        let waiting_by_school =
            (all && !waits.is_empty() && decision.is_some()).then(|| waiting_grid(&waits));
        Ok(Some(RunView {
            partnership: name,
            row: run_row(&about, &run),
            ended: run.finished_at.map(|at| about.moment(at)),
            superseded_by: run.superseded_by.map(|newer| newer.0),
            error: result.error.clone().map(|error| (error, result.hint.clone().unwrap_or_default())),
            outcomes,
            by_school: all.then(|| by_school.without_empty_columns()),
            changes_by_school: list("Changes by school", "School", changes.collect(), about.least),
            waiting_by_school,
            fields,
            guards: guards.collect(),
            findings: findings.collect(),
            work: if all { work.map(|(name, count)| (name.to_owned(), count)).to_vec() } else { Vec::new() },
            decisions: decided
                .into_iter()
                .map(|decision| {
                    let school = decision
                        .selection
                        .school
                        .map(|school| format!(", school {school}"))
                        .unwrap_or_default();
                    let kind = decision.selection.kind.map(|kind| format!(", {kind}")).unwrap_or_default();
                    (about.moment(decision.at), decision.who, format!("{}{school}{kind}", decision.what))
                })
                .collect(),
            decision,
            least: about.least,
        }))
    }

    /// The newest entries of the audit log, newest first.
    pub(super) async fn audit_rows(&self) -> Result<Vec<AuditRow>, String> {
        let Some(store) = self.reader()? else { return Ok(Vec::new()) };
        let entries = store.audit(None, ENTRIES).await.map_err(|error| said(&error))?;
        let good = lock(&self.now).good.clone();
        let zone =
            self.first.loaded.main.as_ref().map_or(TimeZone::UTC, |main| main.library.timezone.clone());
        let now = machine::now();
        let name_of = |id: String| {
            let named =
                good.iter().find(|(name, setup)| of(setup, name).is_some_and(|p| p.id.as_str() == id));
            named.map_or(id.clone(), |(name, _)| name.clone())
        };
        Ok(entries
            .into_iter()
            .rev()
            .map(|entry| AuditRow {
                at: Moment::new(entry.at, &zone, now),
                who: entry.who,
                what: entry.what,
                partnership: entry.partnership.map(name_of).unwrap_or_default(),
                run: entry.run.map(|run| run.0),
                detail: entry.detail,
            })
            .collect())
    }
}

fn rhythm(every: std::time::Duration) -> String {
    let hours = every.as_secs() / 3_600;
    match (hours / 24, hours % 24) {
        (1, 0) => "day".to_owned(),
        (days, 0) if days > 0 => format!("{days} days"),
        _ => format!("{hours} hours"),
    }
}

/// The last runs, oldest first.
fn bars(about: &About<'_>, most: usize, of: impl Fn(&Run) -> u64) -> Vec<Bar> {
    let bar = |run: &Run| Bar {
        run: run.id.0,
        day: about.zone.to_datetime(run.started_at).date().to_string(),
        count: about.count(of(run)),
        tone: tone(run.state),
    };
    let mut bars: Vec<Bar> = about.runs.iter().take(most).map(bar).collect();
    bars.reverse();
    bars
}

fn run_row(about: &About<'_>, run: &Run) -> RunRow {
    let counts = &run.result.counts;
    let state = match run.superseded_by {
        Some(newer) => format!("{}, superseded by run {newer}", run.state.word()),
        None => state_in_words(run.state).to_owned(),
    };
    RunRow {
        number: run.id.0,
        kind: run.kind.clone(),
        began: about.moment(run.started_at),
        tone: if run.superseded_by.is_some() { Tone::Quiet } else { tone(run.state) },
        state,
        changes: about.count(counts.changes()),
        waiting: about.count(counts.waiting),
        rejects: about.count(counts.reject),
        roster: about.count(run.result.roster),
    }
}

fn decision(
    about: &About<'_>,
    run: &Run,
    waits: &[&rostercard_store::rows::ChangeCount],
) -> Option<Decision> {
    let plan = run.plan.as_ref()?;
    let total: u64 = waits.iter().map(|count| count.count).sum();
    let roster = !run.result.waiting_for.is_empty()
        && run.result.waiting_for.iter().all(|what| rostercard_engine::is_about_the_roster(&what.guard));
    if total == 0 && !roster {
        return None;
    }
    let (mut schools, mut kinds) = (BTreeMap::new(), BTreeMap::new());
    for count in waits {
        *schools.entry(count.school.clone()).or_insert(0) += count.count;
        *kinds.entry(count.kind).or_insert(0) += count.count;
    }
    Some(Decision {
        digest: plan.digest.clone(),
        waiting: about.count(total),
        schools: schools.into_iter().map(|((key, label), count)| (key, label, count)).collect(),
        kinds: kinds
            .into_iter()
            .map(|(kind, count)| (kind.word().to_owned(), kind_words(kind).to_owned(), count))
            .collect(),
        until: about.moment(plan.expires_at),
        about_the_roster: total == 0,
    })
}

fn waiting_grid(waits: &[&rostercard_store::rows::ChangeCount]) -> Grid {
    let kinds: Vec<ChangeKind> = ChangeKind::ALL
        .iter()
        .copied()
        .filter(|kind| waits.iter().any(|count| count.kind == *kind))
        .collect();
    let mut rows: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for count in waits {
        let row = rows.entry(count.school.1.clone()).or_insert_with(|| vec![0; kinds.len()]);
        if let Some(cell) = kinds.iter().position(|kind| *kind == count.kind).and_then(|at| row.get_mut(at)) {
            *cell += count.count;
        }
    }
    Grid {
        columns: kinds.into_iter().map(|kind| kind_words(kind).to_owned()).collect(),
        rows: rows.into_iter().collect(),
    }
}

/// Changed fields, counted; `None` where there are too many.
async fn fields(
    store: &dyn Store,
    run: &Run,
    planned: &[rostercard_store::rows::ChangeCount],
    least: u64,
) -> Result<Option<Vec<(String, Count)>>, StoreError> {
    let updates = |state| {
        planned.iter().filter(move |count| count.state == state).any(|count| count.kind == ChangeKind::Update)
    };
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    for state in [ChangeState::Waiting, ChangeState::Ready, ChangeState::Done, ChangeState::Failed] {
        let all: u64 = planned.iter().filter(|count| count.state == state).map(|count| count.count).sum();
        if !updates(state) {
            continue;
        }
        if all > CHANGES as u64 {
            return Ok(None);
        }
        for change in store.changes(run.id, state, None, CHANGES).await? {
            for field in change.fields.iter().filter(|_| change.kind == ChangeKind::Update) {
                *counts.entry(field.word()).or_default() += 1;
            }
        }
    }
    Ok(Some(
        counts.into_iter().map(|(field, count)| (field.replace('_', " "), Count::of(count, least))).collect(),
    ))
}

async fn open_reviews(
    store: &dyn Store,
    id: PartnershipId,
    people: &[rostercard_core::digest::Digest],
    all: u64,
) -> Result<(Vec<ReviewRow>, u64), StoreError> {
    let mut open = Vec::new();
    for some in people.chunks(1_000) {
        if open.len() >= REVIEWS {
            break;
        }
        for link in store.links(id, some).await? {
            let Some(question) = link.data.reason.as_deref().and_then(question_of) else { continue };
            let answers = answers_to(&question).iter().map(|answer| AnswerChoice {
                word: answer.word(),
                means: means(*answer),
                takes_number: answer.needs_number(),
            });
            open.push(ReviewRow {
                number: link.id.0,
                school: link.data.school.1,
                answers: answers.collect(),
                question: Reason::Review(question).to_string(),
            });
        }
    }
    open.sort_by(|a, b| (&a.school, a.number).cmp(&(&b.school, b.number)));
    open.truncate(REVIEWS);
    let more = all.saturating_sub(open.len() as u64);
    Ok((open, more))
}

/// What the calendar, the grace and the agreement say today.
fn calendar(
    about: &About<'_>,
    missing_since: Option<jiff::civil::Date>,
    today: jiff::civil::Date,
) -> Vec<(String, String)> {
    let (dates, lapse) = (&about.partnership.dates, &about.partnership.lapse);
    let calendar = &dates.calendar;
    let missing = about.runs.first().map_or(0, |run| run.result.absent);
    let mut facts = vec![(
        "Missing from the roster".to_owned(),
        match missing_since.filter(|_| missing > 0) {
            Some(since) => format!(
                "{}, the first since {since} ({} days that count)",
                about.count(missing),
                calendar.school_days(since, today)
            ),
            None => about.count(missing).to_string(),
        },
    )];
    let unit = if calendar.year.is_some() { "school days" } else { "days" };
    facts
        .push(("Grace".to_owned(), format!("{} {unit} and {} rosters", lapse.grace_days, lapse.grace_feeds)));
    facts.push((
        "School year".to_owned(),
        match (calendar.year, calendar.year_of(today)) {
            (None, _) => "no calendar: every day counts".to_owned(),
            (Some(_), Some((starts, ends))) => format!("{starts} to {ends}"),
            (Some(_), None) => "outside of one: nothing lapses".to_owned(),
        },
    ));
    let lapses = if calendar.may_lapse(today) { "yes" } else { "not today" };
    facts.push(("May cards lapse".to_owned(), lapses.to_owned()));
    facts.push((
        "Agreement".to_owned(),
        match dates.agreement.on(today) {
            AgreementState::NotYet(starts) => format!("begins on {starts}"),
            AgreementState::Ended(ends) => format!("ended on {ends}"),
            AgreementState::EndsSoon(ends, left) => format!("ends on {ends}, in {left} days"),
            AgreementState::InForce => {
                dates.agreement.ends.map_or("in force".to_owned(), |ends| format!("until {ends}"))
            }
        },
    ));
    facts
}

/// What the last runs say of an ILS.
fn asked(systems: &mut BTreeMap<String, IlsRow>, setup: &crate::setup::Setup, about: &About<'_>) {
    let name = about.partnership.ils.as_str();
    let connector = setup.loaded.main.as_ref().ok().and_then(|main| main.ils(&about.partnership.ils));
    let row = systems.entry(name.to_owned()).or_insert_with(|| IlsRow {
        name: name.to_owned(),
        connector: connector.map(|ils| ils.connector.clone()).unwrap_or_default(),
        standing: Standing::NeverRan,
        why: "no run has asked it yet".to_owned(),
        answered: None,
        partnerships: Vec::new(),
        unsettled: 0,
    });
    row.partnerships.push(about.partnership.name.as_str().to_owned());
    let worked = |run: &&Run| run.result.lookups + run.result.writes > 0;
    if let Some(run) = about.runs.iter().filter(worked).find(|run| run.state != RunState::Failed) {
        let answered = about.moment(run.finished_at.unwrap_or(run.started_at));
        if row.answered.as_ref().is_none_or(|other| other.iso < answered.iso) {
            row.answered = Some(answered);
        }
        if row.standing == Standing::NeverRan {
            (row.standing, row.why) = (Standing::Ok, "it answered the last run that asked it".to_owned());
        }
    }
    if let Some(run) = about.runs.iter().find(|run| run.kind == "sync") {
        row.unsettled += run.result.unsettled;
        if let (RunState::Failed, Some(error)) = (run.state, &run.result.error) {
            (row.standing, row.why) =
                (Standing::Failing, format!("run {} of {}: {error}", run.id, about.partnership.name));
        }
    }
}
