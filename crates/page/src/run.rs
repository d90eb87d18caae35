//! A run's page: what became of everybody, by kind, school, field and rule; and deciding about what waits.

use maud::{Markup, html};

use crate::access::Deed;
use crate::layout::{grid, held_back, list, moment, number, page, run_badge, scrolling, with_code};
use crate::view::{Count, Decision, Frame, GuardRow, RunView};

/// Shows it.
#[must_use]
pub fn run(frame: &Frame, view: &RunView) -> String {
    let title = format!("Run {}", view.row.number);
    let body = html! {
        p.trail { a href="/" { "Today" } " › " a href={ "/partnership/" (view.partnership) } { (view.partnership) } }
        h1 { (title) }
        p.lead {
            (run_badge(view.row.tone, &view.row.state)) " " (view.row.kind) " of " (view.partnership)
            ", began " (moment(&view.row.began))
            @if let Some(ended) = &view.ended { ", ended " (moment(ended)) }
        }
        @if let Some(newer) = view.superseded_by {
            p { a href={ "/run/" (newer) } { "Run " (newer) } " has taken its place: nothing of this one can be approved any more." }
        }
        @if let Some((error, hint)) = &view.error {
            div.notice.bad { p { strong { "It failed: " } (with_code(error)) } @if !hint.is_empty() { p { (with_code(hint)) } } }
        }
        @if view.guards.iter().any(|guard| guard.waits) {
            section aria-labelledby="waits" {
                h2 #waits { "Why it waits" }
                (guards(&view.guards, true))
            }
        }
        @if let Some(decision) = &view.decision { (decide(frame, view, decision)) }
        section aria-labelledby="everybody" {
            h2 #everybody { "What became of everybody" }
            (held_back(view.least))
            div.columns {
                (list(&view.outcomes))
                @if view.by_school.is_none() { (list(&view.changes_by_school)) }
            }
            @if let Some(by_school) = &view.by_school { (grid("By school", "School", by_school)) }
        }
        section aria-labelledby="fields" {
            h2 #fields { "Changed fields" }
            @match &view.fields {
                None => p { "There are too many changes to count their fields here." },
                Some(rows) if rows.is_empty() => p.quiet { "No field of a card changed." },
                Some(rows) => {
                    table.list {
                        caption { "Cards by changed field; one card may have several" }
                        thead { tr { th scope="col" { "Field" } th.n scope="col" { "Cards" } } }
                        tbody { @for (name, count) in rows { tr { th scope="row" { (name) } td.n { (number(*count)) } } } }
                    }
                }
            }
        }
        @if view.guards.iter().any(|guard| !guard.waits) {
            section aria-labelledby="warned" { h2 #warned { "To be looked at" } (guards(&view.guards, false)) }
        }
        section aria-labelledby="noticed" {
            h2 #noticed { "Noticed, by rule" }
            @if view.findings.is_empty() { p.quiet { "Nothing." } } @else {
                (findings(&view.findings))
                p.quiet {
                    "Which records they are, for the district: " code { "rostercard rejects " (view.partnership) " --out rejects.csv" }
                }
            }
        }
        section aria-labelledby="work" {
            h2 #work { "What was asked of the ILS" }
            dl.facts { @for (name, count) in &view.work { div { dt { (name) } dd { (number(Count::Exact(*count))) } } } }
        }
        @if !view.decisions.is_empty() {
            section aria-labelledby="decided" {
                h2 #decided { "Decided" }
                ul { @for (at, who, what) in &view.decisions { li { (moment(at)) ": " strong { (who) } " " (what) } } }
            }
        }
    };
    page(frame, &title, "", &body)
}

fn guards(rows: &[GuardRow], waits: bool) -> Markup {
    html! {
        ul.needs {
            @for row in rows.iter().filter(|row| row.waits == waits) {
                li class=(if waits { "wait" } else { "calm" }) {
                    p.what { span.kind { (row.guard) } @if !row.about.is_empty() { " " (row.about) } }
                    p.text {
                        (number(row.found))
                        @if let Some(limit) = row.limit { ", where " (limit) " go through unasked" }
                    }
                    @if let Some(cause) = &row.cause { p.quiet { (with_code(cause)) } }
                }
            }
        }
    }
}

fn findings(rows: &[(String, Option<String>, Count)]) -> Markup {
    let table = html! {
        table {
            caption.hidden { "What was noticed, by rule" }
            thead { tr { th scope="col" { "Rule" } th scope="col" { "What it says" } th.n scope="col" { "Number" } } }
            tbody {
                @for (code, message, count) in rows {
                    tr {
                        th scope="row" { code { (code) } }
                        td { @if let Some(message) = message { (with_code(message)) } }
                        td.n { (number(*count)) }
                    }
                }
            }
        }
    };
    scrolling("Noticed, by rule", &table)
}

fn decide(frame: &Frame, view: &RunView, decision: &Decision) -> Markup {
    html! {
        section aria-labelledby="decide" {
            h2 #decide { "Decide" }
            @if decision.about_the_roster {
                p { "No change waits. Approving says that this roster is the right one." }
            } @else {
                p {
                    strong { (decision.waiting.counted("change waits", "changes wait")) }
                    ", until " (moment(&decision.until)) "."
                }
            }
            @if let Some(waiting) = &view.waiting_by_school { (grid("What waits, by school and kind", "School", waiting)) }
            @if frame.may(Deed::Decide) {
                (forms(frame, view.row.number, decision))
            } @else {
                p.quiet { "An approver decides." }
            }
        }
    }
}

fn forms(frame: &Frame, run: i64, decision: &Decision) -> Markup {
    html! {
        form.act method="post" action={ "/run/" (run) "/decide" } {
            fieldset {
                legend { "What you looked at is what is decided about: a plan that has changed meanwhile is refused." }
                input type="hidden" name="form" value=(frame.form);
                input type="hidden" name="digest" value=(decision.digest);
                @if !decision.about_the_roster {
                    div.fields {
                        p.field.grow {
                            label for="school" { "School" }
                            select name="school" id="school" {
                                option value="" { "all schools (" (decision.waiting) ")" }
                                @for (key, name, count) in &decision.schools { option value=(key) { (name) " (" (count) ")" } }
                            }
                        }
                        p.field {
                            label for="kind" { "Kind of change" }
                            select name="kind" id="kind" {
                                option value="" { "all kinds (" (decision.waiting) ")" }
                                @for (word, name, count) in &decision.kinds { option value=(word) { (name) " (" (count) ")" } }
                            }
                        }
                    }
                }
                p.choice {
                    input type="checkbox" name="looked" id="looked" value="yes" required;
                    label for="looked" { "I have looked at what this would do." }
                }
                p.buttons {
                    button.main type="submit" name="what" value="approve" { "Approve" }
                    @if !decision.about_the_roster { button type="submit" name="what" value="discard" { "Discard" } }
                }
                @if !decision.about_the_roster {
                    p.quiet { "Approving makes the changes, each after a look-up. Discarding drops them: nothing is written, and the next run plans anew." }
                }
            }
        }
    }
}
