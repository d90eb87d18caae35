//! The audit log.

use maud::html;

use crate::layout::{moment, page, scrolling};
use crate::view::{AuditRow, Frame};

/// Shows who did what, newest first.
#[must_use]
pub fn audit(frame: &Frame, rows: &[AuditRow]) -> String {
    let table = html! {
        table.wide {
            caption.hidden { "Audit log, newest first" }
            thead {
                tr {
                    th scope="col" { "When" }
                    th scope="col" { "Who" }
                    th scope="col" { "What" }
                    th scope="col" { "Partnership" }
                    th scope="col" { "Run" }
                    th scope="col" { "Besides" }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { (moment(&row.at)) }
                        td { (row.who) }
                        td { (row.what) }
                        td { (row.partnership) }
                        td { @if let Some(run) = row.run { a href={ "/run/" (run) } { "Run " (run) } } }
                        td { (row.detail) }
                    }
                }
            }
        }
    };
    let body = html! {
        h1 { "Audit log" }
        p { "The newest entries; all of them: " code { "rostercard audit" } ". Nothing can be taken out of it." }
        @if rows.is_empty() { p { "Nothing is noted yet." } } @else { (scrolling("Audit log", &table)) }
    };
    page(frame, "Audit log", "/audit", &body)
}
