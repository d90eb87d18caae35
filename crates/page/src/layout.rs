//! What is around every page: head, landmarks, the bar at the top, what is said first; and what several pages share.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::access::Deed;
use crate::view::{Count, Frame, Grid, List, Moment, Need, Notice, Standing, Tone};

/// The style sheet.
pub const STYLE: &str = include_str!("page.css");
/// The icon.
pub const ICON: &str = concat!(
    r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect x="2" y="6" width="28" height="20" rx="4" fill="#1d5c8f"/>"##,
    r##"<rect x="2" y="11" width="28" height="4" fill="#fff" opacity=".85"/><rect x="6" y="19" width="9" height="3" rx="1" fill="#fff"/></svg>"##
);

/// A page. `here` is the path of the entry of the bar that it belongs to.
pub(crate) fn page(frame: &Frame, title: &str, here: &str, body: &Markup) -> String {
    let entries = [("/", "Today"), ("/audit", "Audit log")];
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (frame.library) }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href={ "/page.css?v=" (frame.version) };
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    div.inner {
                        p.brand { span.mark aria-hidden="true" {} span { (frame.library) } span.quiet { "Rostercard" } }
                        @if let Some(who) = &frame.who {
                            nav aria-label="Pages" {
                                ul {
                                    @for (path, name) in entries {
                                        @if path != "/audit" || frame.may(Deed::Audit) {
                                            li { a href=(path) aria-current=[(path == here).then_some("page")] { (name) } }
                                        }
                                    }
                                }
                            }
                            form.out method="post" action="/logout" {
                                input type="hidden" name="form" value=(frame.form);
                                span.who { (who.name) ", " (who.role.word()) }
                                button.plain type="submit" { "Log out" }
                            }
                        }
                    }
                }
                main #main tabindex="-1" {
                    @if let Some(said) = &frame.notice { (notice(said)) }
                    (body)
                }
                footer {
                    p { "Rostercard " (frame.version) " · made " (moment(&frame.made)) }
                    p { "No student's name, id or card number is on these pages." }
                }
            }
        }
    }
    .into_string()
}

fn notice(notice: &Notice) -> Markup {
    let (class, role, word) =
        if notice.good { ("good", "status", "Done") } else { ("bad", "alert", "Not done") };
    html! {
        div class={ "notice " (class) } role=(role) {
            p { strong { (word) ": " } (notice.text) }
            @if !notice.hint.is_empty() { p { (with_code(&notice.hint)) } }
        }
    }
}

/// A page that says one thing: what was refused, or is not there.
#[must_use]
pub fn message(frame: &Frame, title: &str, text: &str, hint: &str) -> String {
    let body = html! {
        div.message {
            h1 { (title) }
            p { (with_code(text)) }
            @if !hint.is_empty() { p { (with_code(hint)) } }
            p { a href="/" { "Back to today" } }
        }
    };
    page(frame, title, "", &body)
}

/// Text in which what stands between two backticks is a command or a word to be typed.
pub(crate) fn with_code(text: &str) -> Markup {
    let pieces = text.split('`').enumerate();
    html! { @for (at, piece) in pieces { @if at % 2 == 1 { code { (piece) } } @else { (piece) } } }
}

/// A moment: the day and the hour, and how long ago that is.
pub(crate) fn moment(moment: &Moment) -> Markup {
    html! { time datetime=(moment.iso) { (moment.words) } " " span.quiet { "(" (moment.away) ")" } }
}

/// The same in a table, on two lines.
pub(crate) fn moment_or(at: Option<&Moment>, otherwise: &str) -> Markup {
    html! {
        @match at {
            Some(at) => { time datetime=(at.iso) { (at.words) } br; span.quiet { (at.away) } }
            None => span.quiet { (otherwise) }
        }
    }
}

/// How something stands: a word, a sign and a colour, the word first of all.
pub(crate) fn badge(standing: Standing) -> Markup {
    let (class, sign) = match standing {
        Standing::Ok => ("good", "✓"),
        Standing::Waiting => ("wait", "!"),
        Standing::Late => ("wait", "◷"),
        Standing::Failing => ("bad", "✕"),
        Standing::Paused | Standing::NeverRan => ("calm", "○"),
    };
    html! { span class={ "badge " (class) } { span aria-hidden="true" { (sign) } " " (standing.words()) } }
}

/// The same for a run.
pub(crate) fn run_badge(tone: Tone, words: &str) -> Markup {
    let (class, sign) = match tone {
        Tone::Good => ("good", "✓"),
        Tone::Waiting => ("wait", "!"),
        Tone::Bad => ("bad", "✕"),
        Tone::Quiet => ("calm", "○"),
    };
    html! { span class={ "badge " (class) } { span aria-hidden="true" { (sign) } " " (words) } }
}

/// A number, right-aligned by its class.
pub(crate) fn number(count: Count) -> Markup {
    html! {
        @match count {
            Count::Exact(0) => span.none { "0" },
            Count::Exact(_) => (count),
            Count::Under(_) | Count::Held => span.quiet { (count) },
        }
    }
}

/// A table that scrolls sideways by itself, and by the keyboard.
pub(crate) fn scrolling(caption: &str, table: &Markup) -> Markup {
    html! { div.scroll role="region" tabindex="0" aria-label={ "Table: " (caption) } { (table) } }
}

/// A list with its sum.
pub(crate) fn list(list: &List) -> Markup {
    html! {
        @if list.rows.is_empty() {
            p.quiet { (list.title) ": none." }
        } @else {
            table.list {
                caption { (list.title) }
                thead { tr { th scope="col" { (list.of) } th.n scope="col" { "Number" } } }
                tbody {
                    @for (name, count) in &list.rows {
                        tr { th scope="row" { (name) } td.n { (number(*count)) } }
                    }
                }
                @if let Some(total) = list.total {
                    tfoot { tr { th scope="row" { "In all" } td.n { (number(total)) } } }
                }
            }
        }
    }
}

/// A table of numbers with its sums.
pub(crate) fn grid(caption: &str, of: &str, grid: &Grid) -> Markup {
    let totals = grid.totals();
    let table = html! {
        table {
            caption { (caption) }
            thead {
                tr {
                    th scope="col" { (of) }
                    @for column in &grid.columns { th.n scope="col" { (column) } }
                    th.n scope="col" { "In all" }
                }
            }
            tbody {
                @for (name, counts) in &grid.rows {
                    tr {
                        th scope="row" { (name) }
                        @for count in counts { td.n { (number(Count::Exact(*count))) } }
                        td.n { (number(Count::Exact(counts.iter().sum()))) }
                    }
                }
            }
            tfoot {
                tr {
                    th scope="row" { "In all" }
                    @for total in &totals { td.n { (number(Count::Exact(*total))) } }
                    td.n { (number(Count::Exact(totals.iter().sum()))) }
                }
            }
        }
    };
    scrolling(caption, &table)
}

/// What needs a person.
pub(crate) fn needs(needs: &[Need], about_one: bool) -> Markup {
    html! {
        ul.needs {
            @for need in needs {
                @let class = match need.kind {
                    crate::view::NeedKind::Trouble => "bad",
                    crate::view::NeedKind::Soon => "calm",
                    _ => "wait",
                };
                li class=(class) {
                    p.what {
                        span.kind { (need.kind.words()) }
                        @if let (false, Some(name)) = (about_one, &need.partnership) {
                            " " a.name href={ "/partnership/" (name) } { (name) }
                        }
                    }
                    p.text { (with_code(&need.text)) }
                    @if !need.hint.is_empty() { p.quiet { (with_code(&need.hint)) } }
                    @if let Some((path, words)) = &need.link { p { a href=(path) { (words) } } }
                    @if let Some(command) = &need.command { p.command { code { (command) } } }
                }
            }
        }
    }
}

/// What is said where small numbers are held back.
pub(crate) fn held_back(least: u64) -> Markup {
    html! {
        @if least > 0 {
            p.quiet {
                "Numbers below " (least) " are held back, and with them as many others as it takes that they cannot be worked out."
            }
        }
    }
}

/// A drawing that is made elsewhere.
pub(crate) fn drawn(svg: String) -> Markup {
    PreEscaped(svg)
}
