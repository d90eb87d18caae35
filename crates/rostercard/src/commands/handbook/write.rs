//! The handbook as Markdown: its sections, each from what the configuration and the store say. Names that people wrote are kept from
//! being read as Markdown.

mod decisions;

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rostercard_config::{Hours, Main, PageRole, Partnership, SecretWay};

use super::{Book, One, ends, partnership, references};
use crate::commands::backup::own_copies;
use crate::setup::STORE_FILE;
use crate::telling::Teller;

/// What a deputy may do, and what for; the same as messages to deputies say.
const DEPUTY: [(&str, &str); 5] = [
    ("rostercard approve RUN", "lets waiting changes through, whole or by `--only-school`"),
    ("rostercard discard RUN", "drops them: nothing is written"),
    ("rostercard pause ..", "stops a partnership, an ILS or everything until a day"),
    ("rostercard relink ..", "says which patron a student is"),
    ("rostercard optout ..", "notes that a family said no"),
];

/// The first week's commands.
const FIRST: [(&str, &str); 8] = [
    ("rostercard status", "how every partnership stands"),
    ("rostercard show RUN", "what waits, and why"),
    ("rostercard schedule", "when each runs next, in words"),
    ("rostercard check --online", "every mistake in the configuration; asks each ILS and each roster"),
    ("rostercard contacts test", "whether messages reach people"),
    ("rostercard explain PARTNERSHIP STUDENT-ID", "why a child has a card, or none"),
    ("rostercard backup FILE", "a copy of the store, now"),
    ("rostercard audit", "who decided what"),
];

/// The whole text.
pub(super) fn text_of(book: &Book<'_>) -> String {
    let mut page = Page::default();
    let main = book.main;
    let today = main.library.timezone.to_datetime(book.now).date();
    page.line(&format!("# Rostercard at {}: handbook", words(&main.library_names())));
    page.line(&format!(
        "Written on {today} by `rostercard handbook` (rostercard {}), from the configuration and the store; made anew at any time. \
         It is for whoever looks after Rostercard next. No student is in it, and no secret: only where the secrets are.",
        env!("CARGO_PKG_VERSION")
    ));
    standings(&mut page, book);
    endings(&mut page, book, today);
    contacts(&mut page, book);
    libraries(&mut page, book);
    page.line("## Partnerships");
    if book.all.is_empty() {
        page.line("There is none yet: `rostercard init` writes a first.");
    }
    for one in book.all {
        about(&mut page, main, one);
    }
    decisions::section(&mut page, book);
    secrets(&mut page, book);
    places(&mut page, book);
    page.line("## What you will use first");
    page.table(&["command", "for"], FIRST.map(|(command, what)| vec![code(command), what.to_owned()]));
    page.line("What to do by what has happened: `docs/operations.md` of Rostercard's guide.");
    page.text
}

fn standings(page: &mut Page, book: &Book<'_>) {
    page.line("## How it stands");
    let rows: Vec<Vec<String>> = book
        .all
        .iter()
        .map(|one| {
            let standing = &one.standing;
            let zone = zone_of(book.main, one);
            let moment = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| minute(zone, at));
            vec![
                words(one.name),
                words(&standing.state.word().replace('_', " ")),
                words(&standing.why),
                standing.cards.to_string(),
                moment(standing.last_success),
                moment(standing.next_run),
            ]
        })
        .collect();
    if rows.is_empty() {
        page.line("No partnership has a file yet.");
        return;
    }
    page.table(&["partnership", "state", "why", "cards", "last success", "next run"], rows);
}

fn endings(page: &mut Page, book: &Book<'_>, today: Date) {
    page.line("## What ends, and when");
    let rows: Vec<Vec<String>> = ends::all(book.main, book.all)
        .iter()
        .map(|end| vec![end.on.to_string(), ends::wait(today, end.on), words(&end.whose), words(&end.what)])
        .collect();
    if rows.is_empty() {
        page.line(
            "No end is written down. Agreements, certificates and keys have one: `[agreement] ends` and `[[ends]]` let contacts be told \
             before it comes.",
        );
        return;
    }
    page.table(&["last day", "", "whose", "what"], rows);
}

fn contacts(page: &mut Page, book: &Book<'_>) {
    page.line("## Who is told of what");
    let row = |teller: &Teller| {
        let whose = teller.partnership.as_deref().map_or_else(|| "every partnership".to_owned(), words);
        let role = match (teller.district, teller.deputy) {
            (true, _) => "of the district",
            (false, true) => "deputy",
            (false, false) => "",
        };
        let told: Vec<&str> = teller.kinds.iter().map(|kind| kind.word()).collect();
        vec![words(&teller.name), words(teller.way_in_words()), told.join(", "), whose, role.to_owned()]
    };
    let rows: Vec<Vec<String>> = book.tellers.iter().map(row).collect();
    if rows.is_empty() {
        page.line(
            "Nobody: there are no `[[contacts]]`. What waits or fails is seen by `rostercard status` alone.",
        );
    } else {
        page.table(&["name", "by", "told of", "about", ""], rows);
    }
    page.line(
        "A deputy stands in for the administrator. With a login of their own (`--as NAME` says who they are) they may use these; the \
         configuration is not theirs to change, and what waits does no harm:",
    );
    page.table(
        &["command", "what it does"],
        DEPUTY.map(|(command, what)| vec![code(command), what.to_owned()]),
    );
    let tokens = &book.main.http.tokens;
    if !tokens.is_empty() {
        page.line("Who may log in to the status page:");
        let rows = tokens.iter().map(|token| {
            let role = match token.role {
                PageRole::Viewer => "viewer",
                PageRole::Approver => "approver",
                PageRole::Administrator => "administrator",
            };
            let sees = token.partnerships.as_ref().map_or_else(
                || "every partnership".to_owned(),
                |names| names.value.iter().map(|name| words(name.as_str())).collect::<Vec<_>>().join(", "),
            );
            vec![words(token.name.as_str()), role.to_owned(), sees]
        });
        page.table(&["token", "role", "sees"], rows);
    }
}

fn libraries(page: &mut Page, book: &Book<'_>) {
    let main = book.main;
    page.line("## Libraries and their ILSs");
    let mut rows = Vec::new();
    if main.libraries.is_empty() {
        rows.push(vec![words(&main.library.name), code(&main.library.timezone_name)]);
    }
    rows.extend(
        main.libraries.iter().map(|(_, library)| vec![words(&library.name), code(&library.timezone_name)]),
    );
    page.table(&["library", "clock"], rows);
    let rows = main.ils.iter().map(|ils| {
        let ways: Vec<&str> = std::iter::once(ils.connector.as_str())
            .chain(ils.others.iter().map(|(connector, _)| connector.as_str()))
            .collect();
        let users: Vec<String> = book
            .all
            .iter()
            .filter(|one| one.partnership.is_some_and(|partnership| partnership.ils == ils.name))
            .map(|one| words(one.name))
            .collect();
        let begins = hours(&ils.limits.hours).unwrap_or_else(|| "at any time".to_owned());
        vec![code(ils.name.as_str()), ways.join(", "), begins, users.join(", ")]
    });
    page.table(&["ILS", "by", "runs may begin", "partnerships"], rows);
    page.line("What each can do: `rostercard ils probe NAME`.");
}

fn about(page: &mut Page, main: &Main, one: &One<'_>) {
    let Some(partnership) = one.partnership else {
        page.line(&format!("### {}", words(one.name)));
        page.line("Its file has mistakes, and so it does not run: `rostercard check` names them.");
        return;
    };
    page.line(&format!("### {}", words(one.name)));
    let facts = partnership::facts(main, partnership);
    let lines: Vec<String> = facts.iter().map(|(title, text)| format!("- **{title}**: {text}.")).collect();
    page.line(&lines.join("\n"));
    homes(page, partnership);
}

fn homes(page: &mut Page, partnership: &Partnership) {
    let homes = &partnership.rules.homes;
    let rows: Vec<Vec<String>> = homes
        .branches()
        .map(|branch| {
            let schools: Vec<String> =
                homes.iter().filter(|(_, home)| *home == branch).map(|(school, _)| words(school)).collect();
            vec![code(branch.as_str()), schools.join("; ")]
        })
        .collect();
    if rows.is_empty() {
        page.line("No school has a home branch: `rostercard source schools` prints them to fill in.");
    } else {
        page.table(&["home branch", "schools"], rows);
    }
}

fn secrets(page: &mut Page, book: &Book<'_>) {
    page.line("## Where the secrets are");
    let names: Vec<&str> = book.all.iter().map(|one| one.name).collect();
    let rows: Vec<Vec<String>> = references::all(book.config, &names)
        .into_iter()
        .map(|one| vec![words(&one.file), code(&one.key), words(&one.way)])
        .collect();
    if rows.is_empty() {
        page.line("The files name none.");
    } else {
        page.table(&["file", "key", "where"], rows);
    }
    page.line(
        "A credential is a file that the unit hands to the daemon: `systemctl cat rostercard` shows which. A relative path counts from the \
         folder of the configuration. What has an end stands above; what has none written down may end all the same.",
    );
}

fn places(page: &mut Page, book: &Book<'_>) {
    let state = &book.main.state;
    page.line("## Where things are");
    let key = match state.key.way() {
        SecretWay::Credential(name) => format!("the credential {}", code(name)),
        SecretWay::File(path) => format!("the file {}", code(&path.display().to_string())),
        SecretWay::Env(name) => format!("the environment variable {}", code(name)),
        SecretWay::Clear(_) => "in the configuration, in clear".to_owned(),
    };
    let backups = state.path.join("backups");
    let daily = match state.backups {
        0 => "none is made by itself".to_owned(),
        1 => format!("the newest daily one is kept in {}", code(&backups.display().to_string())),
        most => format!("the newest {most} daily ones are kept in {}", code(&backups.display().to_string())),
    };
    let newest = own_copies(&state.path)
        .into_iter()
        .filter(|path| path.parent() == Some(&*backups) && path.extension().is_some_and(|end| end == "db"))
        .max();
    let newest = newest
        .and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
        .map_or_else(|| "there is none now".to_owned(), |name| format!("the newest is {}", code(&name)));
    let rows = [
        ("Configuration", format!("{}, and `partnerships/` beside it", code(&absolute(book.config)))),
        ("The store", code(&state.path.join(STORE_FILE).display().to_string())),
        (
            "Its key",
            format!(
                "{key}. Without it neither the store nor a backup can be read: keep a copy, never beside the backups"
            ),
        ),
        (
            "Backups",
            format!(
                "{daily}; {newest}. They lie on the same disk: who copies them elsewhere, and where to, is not known here"
            ),
        ),
        ("Restoring", "`rostercard restore FILE`, with the daemon stopped; the next runs wait".to_owned()),
        (
            "The status page",
            book.main.http.listen.map_or_else(|| "off".to_owned(), |at| code(&format!("http://{at}/"))),
        ),
    ];
    let lines: Vec<String> = rows.iter().map(|(title, text)| format!("- **{title}**: {text}.")).collect();
    page.line(&lines.join("\n"));
}

/// A path that says the same wherever it is read.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// The clock of a partnership's library.
fn zone_of<'m>(main: &'m Main, one: &One<'_>) -> &'m TimeZone {
    one.partnership.map_or(&main.library.timezone, |partnership| &main.library_of(partnership).timezone)
}

fn minute(zone: &TimeZone, at: Timestamp) -> String {
    zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string()
}

/// `20:00 to 06:00`; `None` where no hours are named.
pub(super) fn hours(list: &[Hours]) -> Option<String> {
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let spans: Vec<String> =
        list.iter().map(|hours| format!("{} to {}", clock(hours.from), clock(hours.to))).collect();
    (!spans.is_empty()).then(|| spans.join(", "))
}

/// What somebody wrote, so that it is read as it stands: on one line, and no Markdown.
pub(super) fn words(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' => safe.extend(['\\', c]),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// What is typed or read by machines. It may stand in a table too.
pub(super) fn code(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() || c == '`' { ' ' } else { c }).collect();
    format!("`{}`", plain.trim().replace('|', "\\|"))
}

/// A page that grows.
#[derive(Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// A paragraph, a heading or a list.
    pub(super) fn line(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// A table; its cells are safe already.
    pub(super) fn table(&mut self, heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let mut lines =
            vec![format!("| {} |", heads.join(" | ")), format!("|{}", " --- |".repeat(heads.len()))];
        lines.extend(rows.into_iter().map(|cells| format!("| {} |", cells.join(" | "))));
        self.line(&lines.join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_no_markdown() {
        assert_eq!(words("A|B *c* <b>\n# d"), "A\\|B \\*c\\* \\<b\\> # d");
        assert_eq!(code("a`b|c\n"), "`a b\\|c`");
    }

    #[test]
    fn tables_have_a_cell_for_each_head() {
        let mut page = Page::default();
        page.line("# T");
        page.table(&["a", "b"], [vec!["1".to_owned(), "2".to_owned()]]);
        assert_eq!(page.text, "# T\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n");
    }

    #[test]
    fn hours_are_told_by_the_clock() {
        assert_eq!(hours(&[Hours { from: 1200, to: 360 }]).as_deref(), Some("20:00 to 06:00"));
        assert_eq!(hours(&[]), None);
    }
}
