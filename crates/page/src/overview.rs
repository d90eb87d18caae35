//! The first page: what needs a person today, then the partnerships and the ILSs.

use maud::{Markup, html};

use crate::chart::{bars, meter};
use crate::layout::{badge, moment_or, needs, number, page, scrolling, with_code};
use crate::view::{Frame, IlsRow, Overview, PartnershipRow};

/// Shows it.
#[must_use]
pub fn overview(frame: &Frame, view: &Overview) -> String {
    let body = html! {
        h1 { "Today" }
        @if !view.scheduler_alive {
            div.notice.bad role="alert" {
                p { strong { "The scheduler does not go round." } " No run begins by itself: restart the service, and look at its log." }
            }
        }
        section aria-labelledby="needs" {
            h2 #needs { "What needs a person" }
            @if view.needs.is_empty() {
                p.calm-box { span aria-hidden="true" { "✓ " } "Nothing needs you today." }
            } @else {
                (needs(&view.needs, false))
            }
        }
        section aria-labelledby="partnerships" {
            h2 #partnerships { "Partnerships" }
            @if view.partnerships.is_empty() {
                p { "There is none that this token may see." }
            } @else {
                (scrolling("Partnerships", &partnerships(&view.partnerships)))
            }
        }
        section aria-labelledby="ils" {
            h2 #ils { "ILSs" }
            @if view.ils.is_empty() { p { "There is none." } } @else { (scrolling("ILSs", &systems(&view.ils))) }
        }
    };
    page(frame, "Today", "/", &body)
}

fn partnerships(rows: &[PartnershipRow]) -> Markup {
    html! {
        table.wide {
            caption.hidden { "Partnerships: state, roster, runs and cards" }
            thead {
                tr {
                    th scope="col" { "Partnership" }
                    th scope="col" { "State" }
                    th scope="col" { "Roster of" }
                    th scope="col" { "Last success" }
                    th scope="col" { "Next run" }
                    th scope="col" { "Cards" }
                    th.n scope="col" { "Missing" }
                    th scope="col" { "Changes by run" }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" {
                            a href={ "/partnership/" (row.name) } { (row.name) } br; span.quiet { (row.district) }
                        }
                        td.why { (badge(row.standing)) br; span.quiet { (with_code(&row.why)) } }
                        td {
                            (moment_or(row.roster.as_ref(), "none yet"))
                            @if row.roster_late { br; span.warn { "late" } }
                            @if let Some(rhythm) = &row.rhythm { br; span.quiet { "due every " (rhythm) } }
                        }
                        td { (moment_or(row.last_success.as_ref(), "none yet")) }
                        td {
                            @if row.at_work { span.warn { "under way" } } @else {
                                (moment_or(row.next_run.as_ref(), "by hand alone"))
                            }
                        }
                        td { (cards(row)) }
                        td.n { (number(row.missing)) }
                        td { (bars(&row.history, "Changes", false)) }
                    }
                }
            }
        }
    }
}

/// Cards against the enrolment.
pub(crate) fn cards(row: &PartnershipRow) -> Markup {
    html! {
        strong { (number(row.cards)) }
        @if let Some(enrolment) = row.enrolment { " " span.quiet { "of " (enrolment) } }
        @if let Some((words, percent)) = &row.share { br; (meter(*percent)) " " span.quiet { (words) } }
    }
}

fn systems(rows: &[IlsRow]) -> Markup {
    html! {
        table.wide {
            caption.hidden { "ILSs: how they answered the last runs" }
            thead {
                tr {
                    th scope="col" { "ILS" }
                    th scope="col" { "State" }
                    th scope="col" { "Last answered a run" }
                    th.n scope="col" { "Writes not settled" }
                    th scope="col" { "Partnerships" }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { (row.name) br; span.quiet { (row.connector) } }
                        td.why { (badge(row.standing)) br; span.quiet { (with_code(&row.why)) } }
                        td { (moment_or(row.answered.as_ref(), "not yet")) }
                        td.n { (number(crate::view::Count::Exact(row.unsettled))) }
                        td { (row.partnerships.join(", ")) }
                    }
                }
            }
        }
    }
}
