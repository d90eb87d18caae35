//! A partnership's page: how it stands, its cards, its reviews, its calendar and its runs; pausing.

use maud::{Markup, html};

use crate::access::Deed;
use crate::chart::bars;
use crate::layout::{
    badge, held_back, list, moment, moment_or, needs, number, page, run_badge, scrolling, with_code,
};
use crate::overview::cards;
use crate::view::{Frame, PartnershipView, PauseRow, ReviewRow, RunRow};

/// Shows it.
#[must_use]
pub fn partnership(frame: &Frame, view: &PartnershipView) -> String {
    let row = &view.row;
    let body = html! {
        p.trail { a href="/" { "Today" } }
        h1 { (row.name) }
        p.lead { (row.district) " · " (badge(row.standing)) " " (with_code(&row.why)) }
        @if !view.needs.is_empty() {
            section aria-labelledby="needs" {
                h2 #needs { "What needs a person" }
                (needs(&view.needs, true))
            }
        }
        section aria-labelledby="stands" {
            h2 #stands { "How it stands" }
            dl.facts {
                div { dt { "Cards" } dd { (cards(row)) } }
                div { dt { "Roster of" } dd {
                    (moment_or(row.roster.as_ref(), "none yet"))
                    @if row.roster_late { br; span.warn { "late" } }
                    @if let Some(rhythm) = &row.rhythm { br; span.quiet { "due every " (rhythm) } }
                } }
                div { dt { "Last success" } dd { (moment_or(row.last_success.as_ref(), "none yet")) } }
                div { dt { "Next run" } dd {
                    @if row.at_work { span.warn { "under way" } } @else { (moment_or(row.next_run.as_ref(), "by hand alone")) }
                    @if let Some(schedule) = &row.schedule { br; code { (schedule) } }
                } }
                @for (name, value) in &view.calendar { div { dt { (name) } dd { (value) } } }
            }
        }
        (reviews(frame, view))
        section aria-labelledby="runs" {
            h2 #runs { "Runs" }
            div.charts {
                figure { figcaption { "Changes" } (bars(&view.changes, "Changes", true)) }
                figure { figcaption { "People in the roster" } (bars(&view.rosters, "People in the roster", true)) }
            }
            @if view.runs.is_empty() { p { "There was no run yet." } } @else { (scrolling("Runs", &runs(&view.runs))) }
        }
        section aria-labelledby="cards" {
            h2 #cards { "Cards" }
            (held_back(view.least))
            div.columns { @for one in &view.cards { (list(one)) } }
        }
        (pauses(frame, view))
    };
    page(frame, &row.name, "", &body)
}

fn reviews(frame: &Frame, view: &PartnershipView) -> Markup {
    html! {
        section #reviews aria-labelledby="questions" {
            h2 #questions { "Reviews" }
            @if view.questions.rows.is_empty() {
                p.quiet { "No question is open." }
            } @else {
                (list(&view.questions))
            }
            @if !view.reviews.is_empty() {
                p {
                    "No name is shown here. Whose it is says " code { "rostercard review list " (view.row.name) " --students" }
                    ". Nothing is written to the ILS by an answer: the next run does what follows from it."
                }
                @for review in &view.reviews { (one_review(frame, &view.row.name, review)) }
                @if view.more_reviews > 0 {
                    p { (view.more_reviews) " more: " code { "rostercard review list " (view.row.name) } }
                }
            } @else if !view.questions.rows.is_empty() && frame.may(Deed::Answer) {
                p { "They are listed by " code { "rostercard review list " (view.row.name) } "." }
            }
        }
    }
}

fn one_review(frame: &Frame, partnership: &str, review: &ReviewRow) -> Markup {
    let id = format!("review-{}", review.number);
    let number = format!("number-{}", review.number);
    let takes_number = review.answers.iter().any(|answer| answer.takes_number);
    html! {
        form.review method="post" action={ "/partnership/" (partnership) "/review/" (review.number) } {
            fieldset {
                legend { "Review " (review.number) ", " (review.school) }
                input type="hidden" name="form" value=(frame.form);
                p { (with_code(&review.question)) }
                p.quiet { "Look it up: " code { "rostercard review show " (partnership) " --review " (review.number) " --reveal" } }
                @for (at, answer) in review.answers.iter().enumerate() {
                    p.choice {
                        input type="radio" name="answer" id={ (id) "-" (at) } value=(answer.word) required;
                        label for={ (id) "-" (at) } { strong { (answer.word) } ": " (answer.means) }
                    }
                }
                @if takes_number {
                    p.field {
                        label for=(number) { "Number of the card, for " (numbered(review)) }
                        input type="text" name="barcode" id=(number) autocomplete="off" spellcheck="false" maxlength="64";
                    }
                }
                button type="submit" { "Answer review " (review.number) }
            }
        }
    }
}

fn numbered(review: &ReviewRow) -> String {
    let words: Vec<&str> =
        review.answers.iter().filter(|answer| answer.takes_number).map(|answer| answer.word).collect();
    words.join(" or ")
}

fn runs(rows: &[RunRow]) -> Markup {
    html! {
        table.wide {
            caption.hidden { "The last runs, newest first" }
            thead {
                tr {
                    th scope="col" { "Run" }
                    th scope="col" { "What" }
                    th scope="col" { "Began" }
                    th scope="col" { "State" }
                    th.n scope="col" { "In the roster" }
                    th.n scope="col" { "Changes" }
                    th.n scope="col" { "Waiting" }
                    th.n scope="col" { "Rejected" }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { a href={ "/run/" (row.number) } { "Run " (row.number) } }
                        td { (row.kind) }
                        td { (moment(&row.began)) }
                        td { (run_badge(row.tone, &row.state)) }
                        td.n { (number(row.roster)) }
                        td.n { (number(row.changes)) }
                        td.n { (number(row.waiting)) }
                        td.n { (number(row.rejects)) }
                    }
                }
            }
        }
    }
}

fn pauses(frame: &Frame, view: &PartnershipView) -> Markup {
    let path = format!("/partnership/{}", view.row.name);
    let own = view.pauses.iter().any(|pause| pause.own);
    html! {
        section aria-labelledby="pauses" {
            h2 #pauses { "Pause" }
            @if view.pauses.is_empty() { p.quiet { "Nothing is paused." } }
            @for pause in &view.pauses { (in_force(pause)) }
            @if frame.may(Deed::Pause) {
                @if own {
                    form.act method="post" action={ (path) "/resume" } {
                        input type="hidden" name="form" value=(frame.form);
                        p { "Of the first run's changes after a pause, more than a few wait for approval." }
                        button type="submit" { "Resume " (view.row.name) }
                    }
                } @else {
                    form.act method="post" action={ (path) "/pause" } {
                        input type="hidden" name="form" value=(frame.form);
                        p { "While it is paused nothing is written, and the grace of those who are missing stands still." }
                        div.fields {
                            p.field {
                                label for="until" { "Until the beginning of" }
                                input type="date" name="until" id="until" required min=(view.pause_days.0) max=(view.pause_days.1);
                            }
                            p.field.grow {
                                label for="reason" { "Why" }
                                input type="text" name="reason" id="reason" required maxlength="200" autocomplete="off";
                            }
                            button type="submit" { "Pause " (view.row.name) }
                        }
                    }
                }
            }
        }
    }
}

fn in_force(pause: &PauseRow) -> Markup {
    html! { p { "Paused: " (pause.what) ", until " (pause.until) ", by " (pause.who) ": " (pause.reason) } }
}
