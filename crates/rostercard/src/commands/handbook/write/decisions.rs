//! What was decided in the last year. Decisions about a whole partnership are listed; what was done about single people is counted alone,
//! and so is every word that this page does not know.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rostercard_store::keep::AuditEntry;

use super::super::Book;
use super::{Page, minute, words};

/// So many are listed, the newest.
const LISTED: usize = 200;

/// Decisions about more than single people, and how they are told. One of `import` says as what.
const DECISIONS: [(&str, &str); 9] = [
    ("approve", "approved"),
    ("discard", "discarded"),
    ("pause", "paused"),
    ("resume", "ended a pause"),
    ("restore", "restored"),
    ("purge", "purged"),
    ("adopt", "took cards over"),
    ("rebind", "gave students their new ids"),
    ("migrate", "carried cards over to another ILS"),
];

/// What is counted, in words.
const COUNTED: [(&str, &str); 9] = [
    ("wish", "families' wishes noted"),
    ("end_wish", "wishes ended"),
    ("answer", "reviews answered"),
    ("reissue", "new PINs asked for"),
    ("export_pins", "PINs written out"),
    ("confirm_pins", "PINs confirmed"),
    ("reveal", "values about people looked at"),
    ("forget", "students forgotten"),
    ("backup", "backups made by hand"),
];

/// How a decision is told; `None` where it is counted alone.
fn told(what: &str) -> Option<&str> {
    if let Some(holds) = what.strip_prefix("import as ") {
        return match holds {
            "whole" => Some("imported a file with everybody"),
            "additions" => Some("imported a file of newcomers"),
            _ => None,
        };
    }
    DECISIONS.iter().find(|(word, _)| *word == what).map(|(_, told)| *told)
}

pub(super) fn section(page: &mut Page, book: &Book<'_>) {
    page.line("## What was decided in the last year");
    let zone = &book.main.library.timezone;
    let (listed, counted): (Vec<&AuditEntry>, Vec<&AuditEntry>) =
        book.decisions.iter().partition(|entry| told(&entry.what).is_some());
    let about = |entry: &AuditEntry| {
        entry.partnership.as_ref().map_or_else(|| "-".to_owned(), |id| words(book.name_of(id)))
    };
    if book.decisions.is_empty() {
        page.line("Nothing is noted.");
        return;
    }
    let older = listed.len().saturating_sub(LISTED);
    if !listed.is_empty() {
        let rows = listed.iter().rev().take(LISTED).map(|entry| {
            let mut what = told(&entry.what).unwrap_or_default().to_owned();
            if let Some(run) = entry.run {
                what.push_str(&format!(" run {run}"));
            }
            if !entry.detail.is_empty() {
                what.push_str(&format!(": {}", words(&entry.detail)));
            }
            vec![minute(zone, entry.at), words(&entry.who), about(entry), what]
        });
        page.table(&["when", "who", "partnership", "what"], rows);
    }
    if older > 0 {
        page.line(&format!("{older} older ones are left out here."));
    }
    let mut counts: BTreeMap<(String, String), (usize, Date)> = BTreeMap::new();
    for entry in counted {
        let known = COUNTED.iter().find(|(word, _)| *word == entry.what);
        let what = known.map_or_else(|| words(&entry.what), |(_, told)| (*told).to_owned());
        let day = zone.to_datetime(entry.at).date();
        let (count, last) = counts.entry((about(entry), what)).or_insert((0, day));
        *count += 1;
        *last = day.max(*last);
    }
    if !counts.is_empty() {
        page.line("What was done about single people, and copies that were made, as a count:");
        let rows = counts
            .into_iter()
            .map(|((whose, what), (count, last))| vec![whose, what, count.to_string(), last.to_string()]);
        page.table(&["partnership", "what", "times", "last on"], rows);
    }
    page.line("All of it, in order: `rostercard audit`. What runs came to in each year: `rostercard report --years`.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_single_people_or_unknown_is_counted() {
        for (word, _) in COUNTED {
            assert_eq!(told(word), None, "{word}");
        }
        assert_eq!(told("a word of a later version"), None);
        assert_eq!(told("import as whole"), Some("imported a file with everybody"));
        assert_eq!(told("approve"), Some("approved"));
    }
}
