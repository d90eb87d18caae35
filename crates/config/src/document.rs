//! A TOML file as a tree in which every name and every value knows its place.
//! Syntax mistakes become problems, as many as the parser can find; a file with any of them has no tree.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::place::{FileId, Place};
use crate::problem::{Code, Problem, Problems};
use crate::sensitive;

/// A value with its place.
#[derive(Clone)]
pub struct Node {
    /// What was said.
    pub value: Value,
    /// Where: the value's own place, for a table the place of its header or braces.
    pub place: Place,
}

/// What a TOML value is.
#[derive(Clone)]
pub enum Value {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A date, a time or both.
    Datetime(toml::value::Datetime),
    /// A list.
    Array(Vec<Node>),
    /// Names and their values, shared so that a connector's part can be handed on.
    Table(Arc<Table>),
}

impl Value {
    /// What this is, in the words of an error message.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Bool(_) => "true or false",
            Self::Datetime(_) => "a date or time",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Shows the kind alone: the value may be a secret.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.value, self.place)
    }
}

/// Names and their values, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Table {
    entries: Vec<Entry>,
}

/// One name and its value.
#[derive(Clone)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// Where the name stands.
    pub key_place: Place,
    /// Its value.
    pub node: Node,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry at {:?}", self.key_place)
    }
}

impl Table {
    /// A table of these entries.
    #[must_use]
    pub fn new(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    /// All entries, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The entry of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// One file, parsed.
#[derive(Debug)]
pub struct Document {
    /// The file.
    pub file: FileId,
    /// Its top table; none where the file could not be parsed, which [`Problems`] then says.
    pub root: Option<Node>,
}

impl Document {
    /// Parses one file's bytes. What is wrong with them is told to `problems`.
    pub fn parse(path: &str, bytes: Vec<u8>, problems: &Problems) -> Self {
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return not_utf8(path, &error, problems),
        };
        let file = problems.add_file(path, text.clone());
        // The parser counts from behind a byte order mark; blanks in its place keep every span true.
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => format!("   {rest}"),
            None => text,
        };
        let (tree, errors) = DeTable::parse_recoverable(&text);
        let before = problems.mark();
        for error in &errors {
            problems.add(syntax_problem(file, &text, error));
        }
        let root = table_node(file, &tree, &text, problems);
        if problems.failed_since(&before) {
            if let Some(span) = sensitive::span_in_broken_text(&text) {
                problems.hide(&Place::File { file, span });
            }
            return Self { file, root: None };
        }
        for span in sensitive::spans_of_secrets(&root) {
            problems.hide(&Place::File { file, span });
        }
        Self { file, root: Some(root) }
    }
}

fn not_utf8(path: &str, error: &std::string::FromUtf8Error, problems: &Problems) -> Document {
    let at = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    // Up to the first bad byte the lossy text is the file, so the place is right; nothing of it is shown, though.
    let file = problems.add_file(path, text.clone());
    problems.hide(&Place::File { file, span: 0..text.len() });
    problems.add(Problem::error(
        Code::NotUtf8,
        Place::File { file, span: at..at },
        "",
        "this file is not UTF-8 text from here on",
        "save it as UTF-8 (without a byte order mark) in your editor",
    ));
    Document { file, root: None }
}

fn syntax_problem(file: FileId, text: &str, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let span = span.start.min(text.len())..span.end.min(text.len());
    // The parser's own words may quote what stands there, and that may be a secret: only its fixed phrases are used.
    let message = error.message().lines().next().unwrap_or_default();
    let quoting = message.contains('`') && !span.is_empty() && {
        let there = text.get(span.clone()).unwrap_or_default().trim();
        there.chars().count() > 2 && message.contains(there)
    };
    let message = if quoting || message.is_empty() { "this is not valid TOML" } else { message };
    Problem::error(
        Code::Syntax,
        Place::File { file, span },
        "",
        format!("TOML: {message}"),
        advice_on_syntax(message),
    )
}

/// What helps against the parser's commonest complaints, by a word in them.
const SYNTAX_ADVICE: [(&str, &str); 7] = [
    ("duplicate key", "say it once: remove one of the two, or merge them"),
    ("string", "write text between two double quotes on one line: name = \"value\""),
    ("array", "write a list as [\"one\", \"two\"], with a comma between its items"),
    ("inline table", "write it as { name = \"value\", other = \"value\" }, closed by a brace"),
    ("table", "write a table's name in brackets on a line of its own: [card]"),
    ("newline", "put each `name = value` on a line of its own"),
    ("assignment", "write it as: name = \"value\""),
];

fn advice_on_syntax(message: &str) -> &'static str {
    SYNTAX_ADVICE
        .iter()
        .find(|(word, _)| message.contains(word))
        .map_or("write it as: name = \"value\", text always in double quotes", |(_, advice)| advice)
}

fn table_node(file: FileId, table: &Spanned<DeTable<'_>>, text: &str, problems: &Problems) -> Node {
    table_of(file, table.get_ref(), table.span(), text, problems)
}

fn table_of(file: FileId, table: &DeTable<'_>, span: Range<usize>, text: &str, problems: &Problems) -> Node {
    let mut entries: Vec<(usize, Entry)> = table
        .iter()
        .map(|(key, value)| {
            let key_span = key.span();
            let entry = Entry {
                name: key.get_ref().clone().into_owned(),
                key_place: Place::File { file, span: key_span.clone() },
                node: node(file, value, text, problems),
            };
            (key_span.start, entry)
        })
        .collect();
    entries.sort_by_key(|(start, _)| *start);
    Node {
        value: Value::Table(Arc::new(Table::new(entries.into_iter().map(|(_, entry)| entry).collect()))),
        place: Place::File { file, span },
    }
}

fn node(file: FileId, value: &Spanned<DeValue<'_>>, text: &str, problems: &Problems) -> Node {
    let span = value.span();
    let place = Place::File { file, span: span.clone() };
    let value = match value.get_ref() {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(value) => Value::Datetime(*value),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| node(file, item, text, problems)).collect())
        }
        DeValue::Table(table) => return table_of(file, table, span, text, problems),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => return too_large(place, problems),
        },
        DeValue::Float(digits) => match digits.as_str().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => return too_large(place, problems),
        },
    };
    Node { value, place }
}

fn too_large(place: Place, problems: &Problems) -> Node {
    problems.add(Problem::error(
        Code::OutOfRange,
        place.clone(),
        "",
        "this number is too large",
        "write a smaller number, or put it between double quotes if it is a code",
    ));
    Node { value: Value::Integer(0), place }
}
