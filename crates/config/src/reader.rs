//! Reads one table key by key. A mistake becomes a problem and the reading goes on, so that one pass finds them all;
//! at the end, every key that nobody asked for is a problem too.
//!
//! ```
//! use rostercard_config::{Document, Integer, Problems, TableReader, Text};
//!
//! let problems = Problems::new();
//! let document = Document::parse("x.toml", b"name = \"Main\"\nconections = 3".to_vec(), &problems);
//! let mut table = TableReader::top(&document, &problems).unwrap();
//! let name = table.required("name", &Text, "\"Woodland Public Library\"");
//! let connections = table.optional("connections", &Integer(1..=64));
//! table.finish();
//! assert_eq!(name.unwrap().value, "Main");
//! assert!(connections.is_none());
//! assert!(problems.render(Default::default()).contains("did you mean `connections`?"));
//! ```

use std::sync::Arc;

use crate::document::{Document, Entry, Node, Table, Value};
use crate::kind::{Kind, Text};
use crate::place::{Place, Placed, join};
use crate::problem::{Code, Mark, Problem, Problems};
use crate::record::{self, Shape};
use crate::secret::{self, Clear, SecretRef};
use crate::sensitive::is_secret_name;
use crate::suggest::{listed, nearest};

/// A table on its way to the crate that knows what its keys mean: a connector's.
#[derive(Clone)]
pub struct OpaqueTable {
    table: Arc<Table>,
    place: Place,
    path: String,
    /// Its path as it is recorded.
    pattern: String,
}

/// Shows which it is, and nothing of what is in it.
impl std::fmt::Debug for OpaqueTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpaqueTable({})", self.pattern)
    }
}

impl OpaqueTable {
    /// Starts to read it.
    pub fn reader<'a>(&'a self, problems: &'a Problems) -> TableReader<'a> {
        TableReader::new(&self.table, self.place.clone(), self.path.clone(), self.pattern.clone(), problems)
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its key path, such as `ils.main.ncip`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.path
    }
}

/// Text, or a table that says more: both are common for one key (`number`, `expires`, a home).
#[derive(Debug)]
pub enum TextOrTable<'a> {
    /// Text.
    Text(Placed<String>),
    /// A table.
    Table(TableReader<'a>),
}

/// Reads one table. Ask for each key it may have, then [`finish`](Self::finish).
#[derive(Debug)]
#[must_use = "unknown keys are found by `finish` alone"]
pub struct TableReader<'a> {
    table: &'a Arc<Table>,
    place: Place,
    path: String,
    /// The path with `*` for names that are the configuration's own, and `[]` for each of a list: see [`record`].
    pattern: String,
    problems: &'a Problems,
    known: Vec<String>,
    /// Whether all keys were asked for, whatever they are.
    all_taken: bool,
    missing: Vec<(String, String)>,
    mark: Mark,
}

impl<'a> TableReader<'a> {
    /// Reads the top table of a file; none where the file could not be parsed (which was told).
    pub fn top(document: &'a Document, problems: &'a Problems) -> Option<Self> {
        let Value::Table(table) = &document.root.as_ref()?.value else {
            return None;
        };
        // What is missing from a whole file is missing at its beginning.
        let place = Place::File { file: document.file, span: 0..0 };
        Some(Self::new(table, place, String::new(), String::new(), problems))
    }

    pub(crate) fn new(
        table: &'a Arc<Table>,
        place: Place,
        path: String,
        pattern: String,
        problems: &'a Problems,
    ) -> Self {
        Self {
            table,
            place,
            path,
            pattern,
            problems,
            known: Vec::new(),
            all_taken: false,
            missing: Vec::new(),
            mark: problems.mark(),
        }
    }

    /// Where problems go.
    #[must_use]
    pub fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// Where this table is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The key path of a key of this table.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// Whether a key is there, whatever its value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.table.get(name).is_some()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.iter().next().is_none()
    }

    /// The place of a key's name, or of the table where the key is not there.
    #[must_use]
    pub fn place_of(&self, name: &str) -> Place {
        self.table.get(name).map_or_else(|| self.place.clone(), |entry| entry.key_place.clone())
    }

    /// A key's value as it stands. What can stand there is not recorded: whoever asks like this has no kind for it.
    pub fn node(&mut self, name: &str) -> Option<&'a Node> {
        self.know(name);
        self.table.get(name).map(|entry| &entry.node)
    }

    fn entry(&mut self, name: &str, shape: impl FnOnce() -> Shape) -> Option<&'a Entry> {
        self.know(name);
        self.record(name, shape);
        self.table.get(name)
    }

    /// A key that may be there.
    pub fn optional<K: Kind>(&mut self, name: &str, kind: &K) -> Option<Placed<K::Out>> {
        let node = &self.entry(name, || kind.shape())?.node;
        self.read(name, node, kind)
    }

    /// A key that must be there; `example` is a value for the advice, as it would be written.
    pub fn required<K: Kind>(&mut self, name: &str, kind: &K, example: &str) -> Option<Placed<K::Out>> {
        if !self.has(name) {
            self.missing(name, &format!("add this line: {name} = {example}"));
        }
        self.optional(name, kind)
    }

    /// A key that may be there, or what it is otherwise.
    pub fn or<K: Kind>(&mut self, name: &str, kind: &K, otherwise: K::Out) -> Placed<K::Out> {
        let key = self.key(name);
        self.optional(name, kind).unwrap_or(Placed { value: otherwise, place: Place::Default, key })
    }

    fn read<K: Kind>(&self, name: &str, node: &Node, kind: &K) -> Option<Placed<K::Out>> {
        let key = self.key(name);
        match kind.read(node) {
            Ok(value) => Some(Placed { value, place: node.place.clone(), key }),
            Err(wrong) => {
                let (key, place) = match wrong.item {
                    Some((number, place)) => (format!("{key}[{number}]"), place),
                    None => (key, node.place.clone()),
                };
                let mut problem = Problem::error(wrong.code, place, key, wrong.what, wrong.advice);
                if let Some(word) = wrong.meant {
                    problem.advice.insert(0, format!("did you mean `{word}`?"));
                }
                self.problems.add(problem);
                None
            }
        }
    }

    /// Says that a key is missing from this table, with a line or more of advice. It is told by [`finish`](Self::finish), which knows whether the key
    /// is there mistyped.
    pub fn missing(&mut self, name: &str, advice: &str) {
        self.know(name);
        self.problems.record_required(&self.pattern_of(name));
        self.missing.push((name.to_owned(), advice.to_owned()));
    }

    /// A table inside this one, if it is there.
    pub fn table(&mut self, name: &str) -> Option<Self> {
        let pattern = self.pattern_of(name);
        let Some(entry) = self.entry(name, || Shape::Table) else {
            return self.blank(&pattern);
        };
        let key = self.key(name);
        self.as_table(&entry.node, entry.key_place.clone(), key, pattern)
    }

    /// A table with nothing in it, in the place of one that is not there, so that what is asked of it is recorded; none
    /// where nothing is recorded.
    fn blank(&self, pattern: &str) -> Option<Self> {
        let blank = || {
            Self::new(
                record::nothing(),
                Place::Default,
                pattern.to_owned(),
                pattern.to_owned(),
                self.problems,
            )
        };
        self.problems.is_recording().then(blank)
    }

    /// The path of a key of this table, as it is recorded.
    fn pattern_of(&self, name: &str) -> String {
        if self.pattern.is_empty() { name.to_owned() } else { format!("{}.{name}", self.pattern) }
    }

    fn record(&self, name: &str, shape: impl FnOnce() -> Shape) {
        if self.problems.is_recording() {
            let said = match &self.place {
                Place::Default => None,
                _ => Some(self.has(name)),
            };
            self.problems.record(&self.pattern_of(name), shape(), said);
        }
    }

    /// A table that must be there; `advice` says what to add.
    pub fn required_table(&mut self, name: &str, advice: &str) -> Option<Self> {
        if !self.has(name) {
            self.missing(name, advice);
        }
        self.table(name)
    }

    /// A table inside this one, for another crate to read.
    pub fn opaque(&mut self, name: &str) -> Option<OpaqueTable> {
        let reader = self.table(name)?;
        Some(OpaqueTable {
            table: Arc::clone(reader.table),
            place: reader.place.clone(),
            path: reader.path.clone(),
            pattern: reader.pattern.clone(),
        })
    }

    /// A secret, by reference. `clear` says whether it may also be written in clear.
    pub fn secret(&mut self, name: &str, clear: Clear) -> Option<SecretRef> {
        let node = &self.entry(name, || Shape::Secret)?.node;
        secret::read(node, &self.key(name), clear, self.problems)
    }

    /// A secret that must be there.
    pub fn required_secret(&mut self, name: &str, clear: Clear) -> Option<SecretRef> {
        if !self.has(name) {
            self.missing(name, &format!("add this line: {name} = {{ credential = \"NAME\" }}"));
        }
        self.secret(name, clear)
    }

    /// The tables of an array of tables (`[[card.for]]`), none where it is not there.
    pub fn tables(&mut self, name: &str) -> Vec<Self> {
        let pattern = format!("{}[]", self.pattern_of(name));
        let Some(entry) = self.entry(name, || Shape::Tables) else {
            return self.blank(&pattern).into_iter().collect();
        };
        let (node, key) = (&entry.node, self.key(name));
        let Value::Array(items) = &node.value else {
            self.wrong_type(
                &node.place,
                &key,
                "a list of tables",
                &node.value,
                &format!("begin each with [[{key}]]"),
            );
            return Vec::new();
        };
        items
            .iter()
            .enumerate()
            .filter_map(|(at, item)| {
                self.as_table(item, item.place.clone(), format!("{key}[{}]", at + 1), pattern.clone())
            })
            .collect()
    }

    /// Text, or a table that says more.
    pub fn text_or_table(&mut self, name: &str) -> Option<TextOrTable<'a>> {
        let pattern = self.pattern_of(name);
        match self.entry(name, || Shape::TextOrTable) {
            Some(entry) => self.entry_text_or_table(entry, pattern),
            None => self.blank(&pattern).map(TextOrTable::Table),
        }
    }

    fn entry_text_or_table(&self, entry: &'a Entry, pattern: String) -> Option<TextOrTable<'a>> {
        match &entry.node.value {
            Value::Table(_) => {
                let key = self.key(&entry.name);
                self.as_table(&entry.node, entry.key_place.clone(), key, pattern).map(TextOrTable::Table)
            }
            _ => self.read(&entry.name, &entry.node, &Text).map(TextOrTable::Text),
        }
    }

    /// All keys of this table that were not asked for, each with its value: a table whose keys are the configuration's
    /// own words, such as `[homes]`.
    pub fn map<K: Kind>(&mut self, kind: &K) -> Vec<(Placed<String>, Placed<K::Out>)> {
        let rest = self.rest(|| kind.shape());
        let read = rest.into_iter().map(|(name, entry)| (name, self.read(&entry.name, &entry.node, kind)));
        read.filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// The same where each value may be text or a table.
    pub fn map_text_or_table(&mut self) -> Vec<(Placed<String>, TextOrTable<'a>)> {
        let rest = self.rest(|| Shape::TextOrTable);
        let pattern = self.pattern_of(record::ANY);
        let read =
            rest.into_iter().map(|(name, entry)| (name, self.entry_text_or_table(entry, pattern.clone())));
        read.filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// The same where each value must be a table: `main` of `[ils.main]`.
    pub fn map_tables(&mut self) -> Vec<(Placed<String>, Self)> {
        let rest = self.rest(|| Shape::Table);
        let pattern = self.pattern_of(record::ANY);
        let read = rest.into_iter().map(|(name, entry)| {
            let table =
                self.as_table(&entry.node, entry.key_place.clone(), name.key.clone(), pattern.clone());
            (name, table)
        });
        read.filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn rest(&mut self, shape: impl FnOnce() -> Shape) -> Vec<(Placed<String>, &'a Entry)> {
        self.all_taken = true;
        self.record(record::ANY, shape);
        let unasked = self.table.iter().filter(|entry| !self.known.contains(&entry.name));
        let placed = unasked.map(|entry| {
            let (value, place, key) = (entry.name.clone(), entry.key_place.clone(), self.key(&entry.name));
            (Placed { value, place, key }, entry)
        });
        placed.collect()
    }

    fn know(&mut self, name: &str) {
        if !self.known.iter().any(|known| known == name) {
            self.known.push(name.to_owned());
        }
    }

    /// One or more of these tables must be there: which connectors, in the order of `names`. `what` says what they are.
    pub fn tables_of(&mut self, names: &[&str], what: &str) -> Vec<(String, OpaqueTable)> {
        let present: Vec<String> =
            names.iter().filter(|name| self.has(name)).map(|name| (*name).to_owned()).collect();
        match present.len() {
            0 | 1 => self.one_table_of(names, what).into_iter().collect(),
            _ => {
                names.iter().for_each(|name| self.know(name));
                present.into_iter().filter_map(|name| self.opaque(&name).map(|table| (name, table))).collect()
            }
        }
    }

    /// Exactly one of these tables must be there: which connector. `what` says what they are ("an ILS's connector").
    pub fn one_table_of(&mut self, names: &[&str], what: &str) -> Option<(String, OpaqueTable)> {
        names.iter().for_each(|name| self.know(name));
        let mut present = self.table.iter().filter(|entry| names.contains(&entry.name.as_str()));
        let Some(first) = present.next() else {
            let example = names.first().map_or_else(String::new, |name| self.key(name));
            let advice =
                format!("add a table for one of {}, such as [{example}]", listed(names.iter().copied()));
            // Mistyped, it is one mistake, not two.
            let typed = self.table.iter().find(|entry| {
                !self.known.contains(&entry.name) && nearest(&entry.name, names.iter().copied()).is_some()
            });
            let problem = match typed {
                Some(entry) => {
                    self.know(&entry.name);
                    let key = self.key(&entry.name);
                    let message = format!("this is no known name for {what}");
                    Problem::error(Code::UnknownKey, entry.key_place.clone(), key, message, advice)
                        .did_you_mean(&entry.name, names.iter().copied())
                }
                None => {
                    let message = format!("{what} is missing");
                    Problem::error(Code::MissingKey, self.place.clone(), self.path.clone(), message, advice)
                }
            };
            self.problems.add(problem);
            return None;
        };
        if let Some(second) = present.next() {
            self.problems.add(
                Problem::error(
                    Code::Exclusive,
                    second.key_place.clone(),
                    self.key(&second.name),
                    format!("there can be only one: {what} was already said"),
                    "remove one of the two tables",
                )
                .and_at(first.key_place.clone(), "said here first"),
            );
            return None;
        }
        let name = first.name.clone();
        let table = self.opaque(&name)?;
        Some((name, table))
    }

    fn as_table(&self, node: &'a Node, place: Place, key: String, pattern: String) -> Option<Self> {
        let Value::Table(table) = &node.value else {
            self.wrong_type(
                &node.place,
                &key,
                "a table",
                &node.value,
                &format!("write [{key}] on a line of its own, and what belongs to it below"),
            );
            return None;
        };
        Some(Self::new(table, place, key, pattern, self.problems))
    }

    fn wrong_type(&self, place: &Place, key: &str, wanted: &str, found: &Value, advice: &str) {
        self.problems.add(Problem::error(
            Code::WrongType,
            place.clone(),
            key,
            format!("must be {wanted}, this is {}", found.kind()),
            advice,
        ));
    }

    /// Adds an error at a key of this table.
    pub fn complain(&self, name: &str, code: Code, message: impl Into<String>, advice: impl Into<String>) {
        let place = self.table.get(name).map_or_else(|| self.place.clone(), |entry| entry.node.place.clone());
        self.problems.add(Problem::error(code, place, self.key(name), message, advice));
    }

    /// Ends the reading: each key that was not asked for is a problem, and so is each that is missing; a mistyped
    /// required key is one problem, not two. Says whether no error was added since the reader was made, by it or by
    /// those it handed out meanwhile.
    pub fn finish(self) -> bool {
        let mut missing = self.missing.clone();
        let unasked = self.table.iter().filter(|entry| !self.known.contains(&entry.name));
        for entry in unasked.filter(|_| !self.all_taken) {
            let known = || self.known.iter().map(String::as_str);
            // What is missing is meant sooner than what is there already.
            let absent =
                nearest(&entry.name, missing.iter().map(|(name, _)| name.as_str())).map(str::to_owned);
            let meant = absent.clone().or_else(|| nearest(&entry.name, known()).map(str::to_owned));
            if meant.as_deref().is_some_and(is_secret_name) {
                // A mistyped name of a secret: what follows it is one.
                self.problems.hide(&entry.key_place);
                self.problems.hide(&entry.node.place);
            }
            let advice = if self.known.is_empty() {
                "remove it: nothing can be said here".to_owned()
            } else {
                format!("known here: {}", listed(known()))
            };
            let mut message = "nothing is known by this name".to_owned();
            if let Some(absent) = absent {
                message = format!("{message}, and `{absent}` is missing");
                missing.retain(|(name, _)| *name != absent);
            }
            let mut problem = Problem::error(
                Code::UnknownKey,
                entry.key_place.clone(),
                self.key(&entry.name),
                message,
                advice,
            );
            if let Some(word) = meant {
                problem.advice.insert(0, format!("did you mean `{word}`?"));
            }
            self.problems.add(problem);
        }
        for (name, advice) in missing {
            let (place, key) = (self.place.clone(), self.key(&name));
            let mut problem = Problem::error(Code::MissingKey, place, key, "is missing", "");
            problem.advice = advice.lines().map(str::to_owned).collect();
            self.problems.add(problem);
        }
        !self.problems.failed_since(&self.mark)
    }
}
