//! Layers: the program's defaults, rostercard.toml over them, `ROSTERCARD__...` variables over both. The layering
//! itself is the `config` crate's; here is what it cannot know: which keys the environment may set, and the place
//! that each value came from.
//!
//! Only fixed keys can be set by the environment, and nothing is parsed out of a variable beyond the type its key has:
//! no tables, no lists, no names of ILSs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use config::{Config, ConfigError, Map, Source, Value as Layered, ValueKind};

use crate::document::{Entry, Node, Table, Value};
use crate::place::Place;
use crate::problem::{Code, Problem, Problems};
use crate::suggest::nearest;

/// What the environment's variables of ours begin with.
pub const PREFIX: &str = "ROSTERCARD__";

/// The type that a fixed key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixedType {
    /// Text, as it is.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Bool,
    /// One way to refer to a secret; setting one replaces the reference of the file, whichever way that went.
    Reference,
}

/// A key of rostercard.toml that always has the same path, so that a variable can set it.
#[derive(Clone, Copy, Debug)]
pub struct FixedKey {
    /// Its path, such as `["library", "name"]`.
    pub path: &'static [&'static str],
    /// Its type.
    pub kind: FixedType,
    /// What it is where nobody says.
    pub default: Option<&'static str>,
}

impl FixedKey {
    /// The variable that sets it: `ROSTERCARD__LIBRARY__NAME`.
    #[must_use]
    pub fn variable(&self) -> String {
        let parts: Vec<String> = self.path.iter().map(|part| part.to_uppercase()).collect();
        format!("{PREFIX}{}", parts.join("__"))
    }
}

/// Lays the defaults under a file's tree and the environment over it. What is wrong with a variable is told to
/// `problems`. The tree that comes back still knows every place.
#[must_use]
pub fn layered(
    file: &Node,
    keys: &[FixedKey],
    environment: &BTreeMap<String, String>,
    problems: &Problems,
) -> Node {
    let mut index = Index::default();
    let mut builder = Config::builder();
    for key in keys {
        if let Some(value) = key.default.and_then(|text| parsed(text, key.kind)) {
            let node = Node { value, place: Place::Default };
            builder = builder.add_source(Layer(index.nested(key.path, node, &beginning(file))));
        }
    }
    let from_environment = variables(file, keys, environment, problems);
    // A reference is one value: the environment's replaces the file's whole.
    let replaced: Vec<&[&str]> = from_environment
        .iter()
        .filter(|(key, _)| key.kind == FixedType::Reference)
        .filter_map(|(key, _)| key.path.split_last().map(|(_, parent)| parent))
        .collect();
    builder = builder.add_source(Layer(index.tree(&mut Vec::new(), file, &replaced)));
    for (key, node) in from_environment {
        let place = node.place.clone();
        builder = builder.add_source(Layer(index.nested(key.path, node, &place)));
    }
    // The tree as it is, not through serde, which would lose where each value came from.
    let built = builder.build().and_then(|config| config.collect());
    match built.map(|mut roots| roots.remove(ROOT)) {
        Ok(Some(root)) => index.restore(&[], root),
        // The layers are made of values alone, so the crate has nothing to refuse; if it ever did, the file stands.
        Ok(None) | Err(_) => file.clone(),
    }
}

/// The variables of ours, each with its key; those that set nothing, or not what their key takes, are told.
fn variables<'k>(
    file: &Node,
    keys: &'k [FixedKey],
    environment: &BTreeMap<String, String>,
    problems: &Problems,
) -> Vec<(&'k FixedKey, Node)> {
    let known: Vec<(String, &FixedKey)> = keys.iter().map(|key| (key.variable(), key)).collect();
    let mut set = Vec::new();
    for (name, text) in environment.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let place = Place::Variable(Arc::from(name.as_str()));
        let Some((_, key)) = known.iter().find(|(variable, _)| variable == name) else {
            let names = || known.iter().map(|(variable, _)| variable.as_str());
            let advice = format!("remove it; these can be set: {}", names().collect::<Vec<_>>().join(", "));
            let mut problem =
                Problem::error(Code::UnknownVariable, place, "", "this variable sets nothing", advice);
            // Nearly all of a long name is always alike, so that only what follows the prefix is compared.
            let own = |name: &str| name.strip_prefix(PREFIX).unwrap_or_default().to_owned();
            let tails: Vec<String> = names().map(own).collect();
            if let Some(tail) = nearest(&own(name), tails.iter().map(String::as_str)) {
                problem.advice.insert(0, format!("did you mean `{PREFIX}{tail}`?"));
            }
            problems.add(problem);
            continue;
        };
        let path = key.path.join(".");
        let Some(value) = parsed(text, key.kind) else {
            let wanted = if key.kind == FixedType::Integer { "a whole number" } else { "`true` or `false`" };
            let message = format!("must be {wanted}");
            let advice = format!("set {name} to {wanted}, or unset it");
            problems.add(Problem::error(Code::WrongType, place, path, message, advice));
            continue;
        };
        // Laid over a file whose table is none, the variable would hide that mistake.
        if let Some((at, stray)) = not_a_table(file, key.path) {
            let message = format!("must be a table, this is {}", stray.value.kind());
            let advice = format!("write [{at}] on a line of its own, and what belongs to it below");
            problems.add(Problem::error(Code::WrongType, stray.place.clone(), at, message, advice));
        }
        set.push((*key, Node { value, place }));
    }
    set
}

fn parsed(text: &str, kind: FixedType) -> Option<Value> {
    match kind {
        FixedType::Text | FixedType::Reference => Some(Value::String(text.to_owned())),
        FixedType::Integer => text.parse().ok().map(Value::Integer),
        FixedType::Bool => text.parse().ok().map(Value::Bool),
    }
}

fn not_a_table<'n>(file: &'n Node, path: &[&str]) -> Option<(String, &'n Node)> {
    let mut node = file;
    let (_, parents) = path.split_last()?;
    for depth in 0..parents.len() {
        let Value::Table(table) = &node.value else {
            return None;
        };
        node = &table.get(path.get(depth)?)?.node;
        if !matches!(node.value, Value::Table(_)) {
            // A secret in clear where a reference belongs is told by whoever reads it.
            let is_reference = depth + 1 == parents.len() && parents.len() > 1;
            return (!is_reference).then(|| (path.get(..=depth).unwrap_or_default().join("."), node));
        }
    }
    None
}

/// Everything lies under one root, so that the `config` crate never takes a configured name for a path expression.
const ROOT: &str = "r";

#[derive(Clone, Debug)]
struct Layer(Layered);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Layered>, ConfigError> {
        Ok(Map::from([(ROOT.to_owned(), self.0.clone())]))
    }
}

/// What the `config` crate cannot carry: the nodes themselves, and the places of names and tables by key path.
/// A layered value's origin is the number of its node, so values go through the layers as they were.
#[derive(Default)]
struct Index {
    leaves: Vec<Node>,
    places: HashMap<Vec<String>, (Place, Place)>,
}

impl Index {
    fn leaf(&mut self, path: &[String], key_place: Place, node: Node) -> Layered {
        self.places.insert(path.to_vec(), (key_place, node.place.clone()));
        self.leaves.push(node);
        Layered::new(Some(&(self.leaves.len() - 1).to_string()), ValueKind::Nil)
    }

    fn nested(&mut self, path: &[&str], node: Node, around: &Place) -> Layered {
        let full: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        for depth in 1..full.len() {
            let prefix = full.get(..depth).unwrap_or_default().to_vec();
            // A table that the file has keeps its place there, unless this layer comes from the environment and
            // nothing was there.
            self.places.entry(prefix).or_insert_with(|| (around.clone(), around.clone()));
        }
        let mut value = self.leaf(&full, node.place.clone(), node);
        for part in full.iter().rev() {
            value = Layered::new(None, ValueKind::Table(Map::from([(part.clone(), value)])));
        }
        value
    }

    fn tree(&mut self, path: &mut Vec<String>, node: &Node, replaced: &[&[&str]]) -> Layered {
        let Value::Table(table) = &node.value else {
            return self.leaf(path, node.place.clone(), node.clone());
        };
        let mut map = Map::new();
        for entry in table.iter() {
            path.push(entry.name.clone());
            if !replaced.iter().any(|gone| path.iter().map(String::as_str).eq(gone.iter().copied())) {
                let value = self.tree(path, &entry.node, replaced);
                self.places.insert(path.clone(), (entry.key_place.clone(), entry.node.place.clone()));
                map.insert(entry.name.clone(), value);
            }
            path.pop();
        }
        self.places.insert(path.clone(), (node.place.clone(), node.place.clone()));
        Layered::new(None, ValueKind::Table(map))
    }

    fn restore(&self, path: &[String], value: Layered) -> Node {
        let origin = value.origin().and_then(|origin| origin.parse::<usize>().ok());
        if let Some(leaf) = origin.and_then(|number| self.leaves.get(number)) {
            return leaf.clone();
        }
        let place_of =
            |path: &[String]| self.places.get(path).cloned().unwrap_or((Place::Default, Place::Default));
        let ValueKind::Table(map) = value.kind else {
            return Node { value: Value::Table(Arc::default()), place: place_of(path).1 };
        };
        let mut entries: Vec<Entry> = map
            .into_iter()
            .map(|(name, value)| {
                let mut path = path.to_vec();
                path.push(name.clone());
                let node = self.restore(&path, value);
                Entry { name, key_place: place_of(&path).0, node }
            })
            .collect();
        entries.sort_by(|a, b| (order(&a.key_place), &a.name).cmp(&(order(&b.key_place), &b.name)));
        Node { value: Value::Table(Arc::new(Table::new(entries))), place: place_of(path).1 }
    }
}

/// Where something is missing that nobody began to say: at the beginning of the file.
fn beginning(file: &Node) -> Place {
    match &file.place {
        Place::File { file, .. } => Place::File { file: *file, span: 0..0 },
        other => other.clone(),
    }
}

/// The order of a file first, whatever came from elsewhere after it.
fn order(place: &Place) -> usize {
    match place {
        Place::File { span, .. } => span.start,
        Place::Variable(_) | Place::Path(_) | Place::Default => usize::MAX,
    }
}
