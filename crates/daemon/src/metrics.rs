//! What Prometheus reads. Labels are names of partnerships and words of ours, never a school's students or anything
//! about a person.

use std::fmt::Write;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use rostercard_core::plan::Counts;

use crate::health::{Health, State};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    partnership: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    partnership: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    partnership: String,
    kind: &'static str,
}

/// What a run was, for the counters.
#[derive(Debug)]
pub struct RunFacts<'r> {
    /// The partnership's name.
    pub partnership: &'r str,
    /// How it ended, in one word of ours.
    pub state: &'static str,
    /// Its counts.
    pub counts: &'r Counts,
    /// Writes to the ILS.
    pub writes: u64,
    /// Look-ups in the ILS.
    pub lookups: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// The daemon's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    runs: Family<InState, Counter>,
    changes: Family<OfKind, Counter>,
    writes: Family<Of, Counter>,
    lookups: Family<Of, Counter>,
    duration: Family<Of, Histogram, fn() -> Histogram>,
    rejects: Family<Of, Gauge>,
    waiting: Family<Of, Gauge>,
    roster_age: Family<Of, Gauge>,
    last_success: Family<Of, Gauge>,
    next_run: Family<Of, Gauge>,
    cards: Family<Of, Gauge>,
    state: Family<InState, Gauge>,
    scheduler: Gauge,
}

fn duration() -> Histogram {
    Histogram::new([1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0])
}

impl Metrics {
    /// None counted yet. `version` is the program's.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::with_prefix("rostercard");
        let all = Self {
            runs: Family::default(),
            changes: Family::default(),
            writes: Family::default(),
            lookups: Family::default(),
            duration: Family::new_with_constructor(duration),
            rejects: Family::default(),
            waiting: Family::default(),
            roster_age: Family::default(),
            last_success: Family::default(),
            next_run: Family::default(),
            cards: Family::default(),
            state: Family::default(),
            scheduler: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register(
            "build",
            "What is running",
            Info::new([("version".to_owned(), version.to_owned())]),
        );
        registry.register("runs", "Runs that ended, by how", all.runs.clone());
        registry.register("changes", "Changes made, by kind", all.changes.clone());
        registry.register("writes", "Writes to the ILS", all.writes.clone());
        registry.register("lookups", "Look-ups in the ILS", all.lookups.clone());
        registry.register_with_unit(
            "run_duration",
            "How long runs took",
            Unit::Seconds,
            all.duration.clone(),
        );
        registry.register("rejects", "Records that the last run rejected", all.rejects.clone());
        registry.register(
            "waiting_changes",
            "Changes of the last run that wait for a person",
            all.waiting.clone(),
        );
        registry.register_with_unit(
            "roster_age",
            "Age of the last roster",
            Unit::Seconds,
            all.roster_age.clone(),
        );
        registry.register_with_unit(
            "last_success_timestamp",
            "When a run last ended well",
            Unit::Seconds,
            all.last_success.clone(),
        );
        registry.register_with_unit(
            "next_run_timestamp",
            "When it runs next",
            Unit::Seconds,
            all.next_run.clone(),
        );
        registry.register("cards", "Cards that are looked after", all.cards.clone());
        registry.register("partnership_state", "1 for the state that it is in", all.state.clone());
        registry.register("scheduler_alive", "1 while the scheduler goes round", all.scheduler.clone());
        Self { registry, ..all }
    }

    /// Counts a run that has ended.
    pub fn ran(&self, run: &RunFacts<'_>) {
        let of = Of { partnership: run.partnership.to_owned() };
        let partnership = || run.partnership.to_owned();
        self.runs.get_or_create(&InState { partnership: partnership(), state: run.state }).inc();
        for (kind, count) in [
            ("create", run.counts.create),
            ("link", run.counts.link),
            ("update", run.counts.update),
            ("renew", run.counts.renew),
            ("lapse", run.counts.lapse),
            ("restore", run.counts.restore),
        ] {
            self.changes.get_or_create(&OfKind { partnership: partnership(), kind }).inc_by(count);
        }
        self.writes.get_or_create(&of).inc_by(run.writes);
        self.lookups.get_or_create(&of).inc_by(run.lookups);
        self.duration.get_or_create(&of).observe(run.seconds);
        self.rejects.get_or_create(&of).set(whole(run.counts.reject));
        self.waiting.get_or_create(&of).set(whole(run.counts.waiting));
    }

    /// All of them as text, with what health says now.
    #[must_use]
    pub fn text(&self, health: &Health) -> String {
        self.scheduler.set(health.scheduler_alive.into());
        // A partnership that was taken away is no longer spoken of.
        for family in [&self.roster_age, &self.last_success, &self.next_run, &self.cards] {
            family.clear();
        }
        self.state.clear();
        for one in &health.partnerships {
            let of = Of { partnership: one.name.clone() };
            let seconds = |at: Option<Timestamp>| at.map(Timestamp::as_second);
            for (family, value) in [
                (&self.roster_age, one.roster_age_s),
                (&self.last_success, seconds(one.last_success)),
                (&self.next_run, seconds(one.next_run)),
                (&self.cards, Some(whole(one.cards))),
            ] {
                if let Some(value) = value {
                    family.get_or_create(&of).set(value);
                }
            }
            for state in
                [State::Ok, State::Waiting, State::Stale, State::Failing, State::Paused, State::NeverRan]
            {
                let labels = InState { partnership: one.name.clone(), state: state.word() };
                self.state.get_or_create(&labels).set((state == one.state).into());
            }
        }
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
            // Writing to a string cannot fail.
            let _written = writeln!(text, "# the metrics cannot be written");
        }
        classic(&text)
    }
}

/// The text in Prometheus' own format, 0.0.4, which every scraper and `promtool` read. The library writes OpenMetrics, where a
/// counter's family has its name without `_total`, and an information's without `_info`.
fn classic(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "EOF"] | ["#", "UNIT", ..] => {}
            ["#", "TYPE", name, kind] => {
                let (end, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    other => ("", other),
                };
                // The help stands before it.
                if let Some(help) = lines.last_mut()
                    && let Some(words) = help.strip_prefix(&format!("# HELP {name} "))
                {
                    *help = format!("# HELP {name}{end} {words}");
                }
                lines.push(format!("# TYPE {name}{end} {kind}"));
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
