//! The words: a letter of one or more pieces of news, as a subject, as text, and as JSON. Pure, short, and without a value
//! about a person, but for a district's own ids of its own rejects.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::rules::{About, End, Kind, News, What};

/// More lines than these are not written out in a letter to a district.
const MOST_LINES: usize = 200;
/// More reasons than these are not written out.
const MOST_REASONS: usize = 12;

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Why it is told now.
    pub news: News,
    /// What kind.
    pub kind: Kind,
    /// The partnership, where it is about one.
    pub about: Option<About>,
    /// What; none where it is over.
    pub what: Option<What>,
    /// Since when it is so.
    pub since: Timestamp,
}

/// What one contact is told at one time.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The contact's name.
    pub contact: String,
    /// The library's name.
    pub library: String,
    /// The library's time zone, in which times are told.
    pub zone: TimeZone,
    /// Whether it goes to the district: nothing but its own records is in it.
    pub district: bool,
    /// Whether its reader stands in for the administrator.
    pub deputy: bool,
    /// When it is written.
    pub at: Timestamp,
    /// The news. At least one, but for a test message.
    pub items: Vec<Item>,
}

impl Letter {
    /// The subject.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.items[..] {
            [] => format!("Rostercard at {}: a test message", self.library),
            [one] => headline(one),
            several => {
                let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
                for item in several.iter().filter(|item| item.news != News::Over) {
                    *kinds.entry(item.kind).or_default() += 1;
                }
                let over = several.iter().filter(|item| item.news == News::Over).count();
                let mut parts: Vec<String> =
                    kinds.iter().map(|(kind, count)| format!("{count} {}", in_short(*kind))).collect();
                if over > 0 {
                    parts.push(format!("{over} well again"));
                }
                format!("Rostercard: {}", parts.join(", "))
            }
        }
    }

    /// The text, in lines of at most about 90 characters, ending with one that says whom it is from.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if self.items.is_empty() {
            text.push_str(
                "This is a test message, asked for by `rostercard contacts test`. Nothing has happened, and there is \
                 nothing to do.\n",
            );
        }
        for (n, item) in self.items.iter().enumerate() {
            if n > 0 {
                text.push('\n');
            }
            if self.items.len() > 1 {
                let _written = writeln!(text, "## {}\n", headline(item));
            }
            self.item(&mut text, item);
        }
        let waits = self.items.iter().any(|item| item.kind == Kind::Waiting);
        if self.deputy && !self.district && (waits || self.items.is_empty()) {
            text.push_str(DEPUTY);
        }
        let _written = write!(
            text,
            "\n-- \nRostercard at {}, {}. You get this because you are `{}` in its contacts.\n",
            self.library,
            self.time(self.at),
            self.contact
        );
        text
    }

    /// The same as JSON. `text` is there for chats that show it as it is.
    #[must_use]
    pub fn json(&self) -> Value {
        let items: Vec<Value> = self.items.iter().map(|item| self.item_json(item)).collect();
        json!({
            "version": 1,
            "library": self.library,
            "contact": self.contact,
            "at": self.at.to_string(),
            "subject": self.subject(),
            "text": format!("{}\n\n{}", self.subject(), self.text()),
            "test": self.items.is_empty(),
            "items": items,
        })
    }

    /// The same for the same news, so that one that was sent twice can be told: in hexadecimal.
    #[must_use]
    pub fn id(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.contact.as_bytes());
        for item in &self.items {
            let about = item.about.as_ref().map_or("", |about| about.id.as_str());
            hasher.update(
                format!("\0{about}\0{:?}\0{}\0{}", item.news, item.kind.word(), item.since).as_bytes(),
            );
            if item.news == News::Reminder || self.items.is_empty() {
                hasher.update(TimeZone::UTC.to_datetime(self.at).date().to_string().as_bytes());
            }
        }
        if self.items.is_empty() {
            hasher.update(self.at.to_string().as_bytes());
        }
        hasher.finalize().to_hex().chars().take(32).collect()
    }

    fn time(&self, at: Timestamp) -> String {
        let at = self.zone.to_datetime(at);
        format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute())
    }

    fn item(&self, text: &mut String, item: &Item) {
        let name = name(item);
        let since = self.time(item.since);
        // Writing to a string cannot fail.
        let _written = match (&item.what, item.news) {
            (None, _) => writeln!(
                text,
                "{} (it was so since {since}). There is nothing to do.",
                match item.kind {
                    Kind::Late => format!("{name}: the roster is on time again"),
                    _ => format!("{name}: a run ended well again"),
                }
            ),
            (Some(What::Waiting { run, changes, why, until }), news) => {
                let _written = writeln!(
                    text,
                    "{} of {name}, run {run}, for a person to look at them{}.",
                    match changes {
                        0 => "The roster waits".to_owned(),
                        1 => "1 change waits".to_owned(),
                        n => format!("{n} changes wait"),
                    },
                    if news == News::Reminder { format!("; since {since}") } else { String::new() }
                );
                if let Some(until) = until {
                    let _written = writeln!(
                        text,
                        "On {} the plan is dropped; the next run makes it anew.",
                        self.time(*until)
                    );
                }
                text.push_str("\nWhy:\n");
                for why in why.iter().take(MOST_REASONS) {
                    let of = |word: &str, value: &Option<String>| {
                        value.as_ref().map(|value| format!(", {word} {value}")).unwrap_or_default()
                    };
                    let _written = writeln!(
                        text,
                        "- {}{}{}: {}\n  {}",
                        why.guard,
                        of("kind", &why.kind),
                        of("at", &why.school),
                        why.found,
                        why.cause
                    );
                }
                if why.len() > MOST_REASONS {
                    let _written = writeln!(text, "- and {} more", why.len() - MOST_REASONS);
                }
                writeln!(
                    text,
                    "\nWhat to do:\n    rostercard show {run}\n    rostercard approve {run}      (--only-school NAME \
                     starts with one school)\n    rostercard discard {run}"
                )
            }
            (Some(What::Failed { why, hint, last_success }), _) => {
                let _written = writeln!(text, "{name} does not run: {why}.");
                if !hint.is_empty() {
                    let _written = writeln!(text, "{}.", sentence(hint));
                }
                let last = last_success.map_or("never".to_owned(), |at| self.time(at));
                writeln!(
                    text,
                    "It is so since {since}; a run last ended well: {last}. Nothing is lost: what was done is done, and the next \
                     run goes on.\n\nWhat to do:\n    rostercard status\n    rostercard check --online"
                )
            }
            (Some(What::Late { why }), _) => writeln!(
                text,
                "{name}: {why}.\nNobody loses a card by it. It is so since {since}.\n\nWhat to do:\n    rostercard status\n    \
                 ask the district whether its export still runs"
            ),
            (Some(What::Rejects { new, all }), _) => {
                self.rejects(text, &name, new, *all);
                Ok(())
            }
            (Some(What::Ends(ends)), _) => {
                for End { what, on, days } in ends {
                    let when = match days {
                        days if *days < 0 => format!("ended on {on}"),
                        0 => format!("ends today, {on}"),
                        1 => format!("ends tomorrow, {on}"),
                        days => format!("ends in {days} days, on {on}"),
                    };
                    let of = item.about.as_ref().map(|about| format!("{}: ", about.name)).unwrap_or_default();
                    let _written = writeln!(text, "{of}{what} {when}.");
                }
                writeln!(text, "\nRenew it in time, and write the new date in the configuration.")
            }
        };
    }

    fn rejects(&self, text: &mut String, name: &str, new: &[crate::rules::RejectLine], all: u64) {
        let records =
            |count: u64| if count == 1 { "1 record".to_owned() } else { format!("{count} records") };
        let new_ones = u64::try_from(new.len()).unwrap_or(u64::MAX);
        if self.district {
            let _written = writeln!(
                text,
                "{} of your roster cannot be used by the library as they stand, and were not told of before.\nPlease correct \
                 them in your system; the next roster settles it. The ids are your own.\n",
                records(new_ones)
            );
            text.push_str("id, school, file and row, field, rule\n");
            for line in new.iter().take(MOST_LINES) {
                let id = if line.id.is_empty() { "(ask the library)" } else { &line.id };
                let _written =
                    writeln!(text, "{id}, {}, {}, {}, {}", line.school, line.place, line.field, line.rule);
            }
            if new.len() > MOST_LINES {
                let _written =
                    writeln!(text, "and {} more: the library has the whole list", new.len() - MOST_LINES);
            }
            return;
        }
        let _written = writeln!(text, "{name}: {} newly rejected, {all} in all. By rule:", records(new_ones));
        let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
        for line in new {
            *rules.entry(&line.rule).or_default() += 1;
        }
        for (rule, count) in rules {
            let _written = writeln!(text, "{count:>9}  {rule}");
        }
        let _written = writeln!(
            text,
            "\nWhat to do:\n    rostercard rejects {name} --out rejects.csv     (the list for the district)"
        );
    }

    fn item_json(&self, item: &Item) -> Value {
        let mut value = json!({
            "kind": item.kind.word(),
            "news": match item.news {
                News::Begins => "begins",
                News::Changed => "changed",
                News::Reminder => "reminder",
                News::Over => "over",
            },
            "partnership": item.about.as_ref().map(|about| &about.name),
            "since": item.since.to_string(),
        });
        let more = match &item.what {
            None => json!({}),
            Some(What::Waiting { run, changes, until, why }) => json!({
                "run": run, "changes": changes, "until": until.map(|at| at.to_string()),
                "guards": why.iter().map(|why| &why.guard).collect::<Vec<_>>(),
            }),
            Some(What::Failed { why, hint, last_success }) => json!({
                "why": why, "hint": hint, "last_success": last_success.map(|at| at.to_string()),
            }),
            Some(What::Late { why }) => json!({ "why": why }),
            Some(What::Rejects { new, all }) => {
                let mut value = json!({ "new": new.len(), "all": all });
                if self.district {
                    value = json!({ "new": new.len(), "records": new.iter().map(|line| json!({
                        "id": line.id, "school": line.school, "place": line.place, "field": line.field, "rule": line.rule,
                    })).collect::<Vec<_>>() });
                }
                value
            }
            Some(What::Ends(ends)) => json!({ "ends": ends.iter().map(|end| json!({
                "what": end.what, "on": end.on.to_string(), "days": end.days,
            })).collect::<Vec<_>>() }),
        };
        if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
            value.extend(more);
        }
        value
    }
}

const DEPUTY: &str = "
You stand in for the administrator. With your own login (`--as NAME` says who you are) you may
    rostercard approve RUN          let waiting changes through, whole or --only-school NAME
    rostercard discard RUN          drop them: nothing is written
    rostercard pause ...            stop a partnership, an ILS or everything until a day
    rostercard relink ...           say which patron a student is
    rostercard optout ...           note that a family said no
Leave the rules as they are: files of the configuration are the administrator's. When in doubt, do nothing:
what waits does no harm, and is made anew by the next run.
";

fn name(item: &Item) -> String {
    item.about.as_ref().map_or("the library".to_owned(), |about| about.name.clone())
}

fn in_short(kind: Kind) -> &'static str {
    match kind {
        Kind::Waiting => "waiting",
        Kind::Failed => "failed",
        Kind::Late => "late",
        Kind::Rejects => "with new rejects",
        Kind::Ends => "ending soon",
    }
}

/// One line that says it all.
fn headline(item: &Item) -> String {
    let name = name(item);
    let still = if item.news == News::Reminder { "still " } else { "" };
    let said = match &item.what {
        None if item.kind == Kind::Late => format!("{name}: the roster is on time again"),
        None => format!("{name} runs again"),
        Some(What::Waiting { changes: 0, .. }) => format!("{name}: a roster {still}waits for you"),
        Some(What::Waiting { changes: 1, .. }) => format!("{name}: 1 change {still}waits for you"),
        Some(What::Waiting { changes, .. }) => format!("{name}: {changes} changes {still}wait for you"),
        Some(What::Failed { .. }) => {
            format!("{name}: the run {}failed", if still.is_empty() { "" } else { "has again " })
        }
        Some(What::Late { .. }) => format!("{name}: the roster is {still}late"),
        Some(What::Rejects { new, .. }) if new.len() == 1 => format!("{name}: 1 new record to correct"),
        Some(What::Rejects { new, .. }) => format!("{name}: {} new records to correct", new.len()),
        Some(What::Ends(ends)) => {
            let of = item.about.as_ref().map(|about| format!("{}: ", about.name)).unwrap_or_default();
            match &ends[..] {
                [one] => {
                    let verb = if one.days < 0 { "ended" } else { "ends" };
                    format!("{of}{} {verb} on {}", one.what, one.on)
                }
                several => format!("{of}{} things end soon", several.len()),
            }
        }
    };
    format!("Rostercard: {said}")
}

/// With a capital letter, for the beginning of a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
