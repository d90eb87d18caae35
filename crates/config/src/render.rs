//! Problems as people and scripts see them: with file, line, column and a caret, or as JSON.
//! A line that touches a secret is never shown, in whole or in part; its place and its key are.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::renderer::DEFAULT_TERM_WIDTH;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value as Json, json};

use crate::place::Place;
use crate::problem::{Inner, Problem, Problems, Severity, SourceFile};

/// How problems are drawn for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Plain ASCII, for logs and pipes.
    #[default]
    Plain,
    /// With the terminal's colours.
    Coloured,
}

impl Problems {
    /// All problems, the way a compiler shows them, and a line that counts them. Empty where there is none.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let problems = self.sorted();
        let inner = self.lock();
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        }
        .term_width(DEFAULT_TERM_WIDTH);
        let mut text = String::new();
        for problem in &problems {
            text.push_str(&draw(problem, &inner, &renderer));
            text.push_str("\n\n");
        }
        text.push_str(&tally(&problems));
        text
    }

    /// All problems as a JSON array; keys as in [`Problem`], lines and columns (in characters) counted from 1.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let problems = self.sorted();
        let inner = self.lock();
        problems
            .iter()
            .map(|problem| {
                let mut object = place_json(&problem.place, &inner);
                object["severity"] = json!(severity_word(problem.severity));
                object["code"] = json!(problem.code.as_str());
                object["key"] = if problem.key.is_empty() { Json::Null } else { json!(problem.key) };
                object["message"] = json!(problem.message);
                object["advice"] = json!(problem.advice);
                object["also"] = problem
                    .also
                    .iter()
                    .map(|(place, label)| {
                        let mut object = place_json(place, &inner);
                        object["message"] = json!(label);
                        object
                    })
                    .collect();
                object
            })
            .collect()
    }
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn tally(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let counts = [(errors, "error"), (problems.len() - errors, "warning")];
    let words: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    if words.is_empty() { String::new() } else { format!("{}\n", words.join(", ")) }
}

/// Where a place is, counted for people: line, column, the line's text and the place within it.
struct Spot<'f> {
    path: &'f str,
    line: usize,
    column: usize,
    /// The line, unless it must not be shown.
    shown: Option<(&'f str, Range<usize>)>,
    /// Whether it must not be shown because of a secret.
    secret: bool,
}

fn spot<'f>(source: &'f SourceFile, span: &Range<usize>) -> Spot<'f> {
    let text: &str = &source.text;
    let start = floor(text, span.start);
    let head = text.get(..start).unwrap_or_default();
    let line_start = head.rfind('\n').map_or(0, |at| at + 1);
    let rest = text.get(line_start..).unwrap_or_default();
    let mut line_text = rest.split('\n').next().unwrap_or_default();
    line_text = line_text.strip_suffix('\r').unwrap_or(line_text);
    let line_end = line_start + line_text.len();
    // A byte order mark is no column of the first line.
    let mark = if line_start == 0 && line_text.starts_with('\u{feff}') { 3 } else { 0 };
    let line_start = line_start + mark;
    let line_text = line_text.get(mark..).unwrap_or_default();
    let from = start.clamp(line_start, line_end.max(line_start)) - line_start;
    let to = floor(text, span.end).clamp(line_start + from, line_end.max(line_start + from)) - line_start;
    let secret = source.hidden.iter().any(|hidden| hidden.start <= line_end && hidden.end >= line_start);
    let before = line_text.get(..from).unwrap_or_default();
    Spot {
        path: &source.path,
        line: head.matches('\n').count() + 1,
        column: before.chars().count() + 1,
        shown: (!secret && !line_text.trim().is_empty()).then_some((line_text, from..to)),
        secret,
    }
}

/// The nearest character boundary at or before a byte.
fn floor(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

fn draw(problem: &Problem, inner: &Inner, renderer: &Renderer) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut title = String::new();
    if !problem.key.is_empty() {
        // Writing to a String cannot fail.
        write!(title, "{}: ", problem.key).unwrap_or_default();
    }
    title.push_str(&problem.message);
    let mut group = Group::with_title(level.primary_title(title).id(problem.code.as_str()));
    group = at(group, &problem.place, inner, AnnotationKind::Primary, None);
    for (place, label) in &problem.also {
        group = at(group, place, inner, AnnotationKind::Context, Some(label));
    }
    for advice in &problem.advice {
        group = group.element(Level::HELP.message(advice.clone()));
    }
    renderer.render(&[group])
}

fn at<'a>(
    group: Group<'a>,
    place: &'a Place,
    inner: &'a Inner,
    kind: AnnotationKind,
    label: Option<&'a String>,
) -> Group<'a> {
    let origin = |path: String| Origin::path(path);
    match place {
        Place::Default => group,
        Place::Variable(name) => group.element(origin(format!("environment variable {name}"))),
        Place::Path(path) => group.element(origin(path.to_string())),
        Place::File { file, span } => {
            let Some(source) = inner.files.get(file.0) else {
                return group;
            };
            let spot = spot(source, span);
            match spot.shown {
                Some((text, within)) => {
                    let annotation = kind.span(within).label(label.map(String::as_str));
                    group.element(
                        Snippet::source(text).path(spot.path).line_start(spot.line).annotation(annotation),
                    )
                }
                None => {
                    let at = origin(spot.path.to_owned()).line(spot.line).char_column(spot.column);
                    let note = label.cloned().or_else(|| spot.secret.then(|| NOT_SHOWN.to_owned()));
                    match note {
                        Some(note) => group.element(at).element(Level::NOTE.message(note)),
                        None => group.element(at),
                    }
                }
            }
        }
    }
}

const NOT_SHOWN: &str = "the line is not shown, because it may hold a secret";

fn place_json(place: &Place, inner: &Inner) -> Json {
    match place {
        Place::Default => json!({}),
        Place::Variable(name) => json!({ "variable": &**name }),
        Place::Path(path) => json!({ "file": &**path }),
        Place::File { file, span } => match inner.files.get(file.0) {
            None => json!({}),
            Some(source) => {
                let spot = spot(source, span);
                json!({ "file": spot.path, "line": spot.line, "column": spot.column })
            }
        },
    }
}
