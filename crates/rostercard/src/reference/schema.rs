//! The JSON Schema (draft 7) of a file, from its keys. It is what editors check while somebody types; `rostercard check` knows
//! more: which keys go together, and what a text must look like.

use rostercard_config::Shape;
use serde_json::{Map, Value, json};

use super::keys::Key;

/// The schema as it is committed.
pub(super) fn text(keys: &[Key], file: &str) -> String {
    let mut schema = object(keys, "");
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!(format!("Rostercard: {file}"));
    format!("{}\n", serde_json::to_string_pretty(&schema).unwrap())
}

/// The schema of a table.
pub(super) fn object(keys: &[Key], table: &str) -> Value {
    let mut properties = Map::new();
    let mut others = json!(false);
    let mut required = Vec::new();
    for key in keys.iter().filter(|key| key.table == table) {
        let mut schema = any_of(key.shapes.iter().map(|shape| of(shape, keys, &key.pattern)).collect());
        if !key.comment.is_empty() {
            schema["description"] = json!(key.comment);
        }
        if let Some(default) = key.default.as_deref().and_then(plain) {
            schema["default"] = default;
        }
        if key.name == "*" {
            others = schema;
            continue;
        }
        if key.required {
            required.push(json!(key.name));
        }
        properties.insert(key.name.clone(), schema);
    }
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": others });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn any_of(mut all: Vec<Value>) -> Value {
    match all.len() {
        1 => all.remove(0),
        _ => json!({ "anyOf": all }),
    }
}

fn of(shape: &Shape, keys: &[Key], pattern: &str) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string", "minLength": 1 }),
        Shape::Integer(from, i64::MAX) => json!({ "type": "integer", "minimum": from }),
        Shape::Integer(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Percent => json!({ "anyOf": [
            { "type": "string", "pattern": "^[0-9.]+ *%$" },
            { "type": "number", "minimum": 0, "maximum": 100 },
        ]}),
        Shape::Span => json!({ "type": "string", "pattern": "^( *[0-9]+(ms|s|m|h|d))+ *$" }),
        // Editors hand on TOML's own dates as text.
        Shape::Day => json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}" }),
        Shape::MonthDay => json!({ "type": "string", "pattern": "^[0-9]{2}-[0-9]{2}$" }),
        Shape::AnyDay => json!({ "type": "string", "pattern": "^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$" }),
        Shape::TextOrNumber => {
            json!({ "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "integer" }] })
        }
        Shape::Words(words) => json!({ "enum": words }),
        Shape::Name => json!({ "type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" }),
        Shape::List(empty, of_what) => {
            let least = u8::from(!*empty);
            json!({ "type": "array", "minItems": least, "items": of(of_what, keys, pattern) })
        }
        Shape::Secret => json!({
            "type": "object",
            "description": "where the secret is: a systemd credential, a file, or a variable",
            "properties": {
                "credential": { "type": "string", "minLength": 1 },
                "file": { "type": "string", "minLength": 1 },
                "env": { "type": "string", "minLength": 1 },
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        }),
        Shape::Table => object(keys, pattern),
        Shape::Tables => json!({ "type": "array", "items": object(keys, &format!("{pattern}[]")) }),
        Shape::TextOrTable => {
            json!({ "anyOf": [{ "type": "string", "minLength": 1 }, object(keys, pattern)] })
        }
        other => panic!("no schema for {other:?}"),
    }
}

/// A value as it is written, where it is plain: text, a number, true or false.
fn plain(value: &str) -> Option<Value> {
    // What TOML and JSON have in common.
    serde_json::from_str(value).ok()
}
