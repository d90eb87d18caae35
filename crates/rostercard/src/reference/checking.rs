//! The schemas are tried: the annotated examples and the ready-made programmes keep to them, and a misspelt key is refused by
//! them and by the program alike. The validator knows as much of JSON Schema as they use.

use rostercard_config::{Document, Problems, Style, Value as Toml};
use serde_json::{Value, json};

use super::examples::{self, MAIN};
use super::keys::{self, Files, partnership_with};
use super::schema;
use crate::cli::init::Approach;

/// The file as JSON, as an editor sees it.
fn json_of(text: &str) -> Value {
    let problems = Problems::new();
    let document = Document::parse("x.toml", text.as_bytes().to_vec(), &problems);
    let root = document.root.as_ref().unwrap_or_else(|| panic!("{}", problems.render(Style::Plain)));
    value(&root.value)
}

fn value(of: &Toml) -> Value {
    match of {
        Toml::String(text) => json!(text),
        Toml::Integer(number) => json!(number),
        Toml::Float(number) => json!(number),
        Toml::Bool(bool) => json!(bool),
        Toml::Datetime(date) => json!(date.to_string()),
        Toml::Array(items) => items.iter().map(|item| value(&item.value)).collect(),
        Toml::Table(table) => {
            table.iter().map(|entry| (entry.name.clone(), value(&entry.node.value))).collect()
        }
    }
}

/// What of a value a schema refuses: each with its path.
fn refused(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |what: &str| wrong.push(format!("{path}: {what}"));
    let fits = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("{other} is no type"),
    };
    if schema["type"].as_str().is_some_and(|kind| !fits(kind)) {
        say("of another type");
        return wrong;
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        say("no such word");
    }
    let below = |key: &str, than: Option<f64>| than.zip(schema[key].as_f64()).is_some_and(|(a, b)| a < b);
    let above = |key: &str, than: Option<f64>| than.zip(schema[key].as_f64()).is_some_and(|(a, b)| a > b);
    if below("minimum", value.as_f64()) || above("maximum", value.as_f64()) {
        say("out of range");
    }
    let count = |number: Option<usize>| number.map(|number| u32::try_from(number).unwrap().into());
    let size = count(value.as_object().map(serde_json::Map::len));
    if below("minItems", count(value.as_array().map(Vec::len)))
        || below("minLength", count(value.as_str().map(str::len)))
        || below("minProperties", size)
        || above("maxProperties", size)
    {
        say("too many or too few");
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        if value.get(key.as_str().unwrap()).is_none() {
            say(&format!("{key} is missing"));
        }
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        wrong.extend(refused(&schema["items"], item, &format!("{path}[{number}]")));
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let at = format!("{path}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(known), _) => wrong.extend(refused(known, inner, &at)),
            (None, Value::Bool(false)) => wrong.push(format!("{at}: nothing is known by this name")),
            (None, others) => wrong.extend(refused(others, inner, &at)),
        }
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let all: Vec<Vec<String>> = choices.iter().map(|choice| refused(choice, value, path)).collect();
        if !all.iter().any(Vec::is_empty) {
            // What came furthest is what was meant.
            wrong.extend(all.into_iter().max_by_key(|all| all.first().map_or(0, String::len)).unwrap());
        }
    }
    wrong
}

#[test]
fn examples_and_programmes_keep_to_the_schemas() {
    let keys = keys::all();
    let (main, partnership) = (schema::object(&keys.main, ""), schema::object(&keys.partnership, ""));
    for whole in [false, true] {
        for (name, text) in examples::files(whole) {
            let schema = if name == MAIN { &main } else { &partnership };
            assert_eq!(refused(schema, &json_of(&text), ""), Vec::<String>::new(), "{name}");
        }
    }
    for (word, approach, _) in Approach::ALL {
        assert_eq!(refused(&partnership, &json_of(approach.text()), ""), Vec::<String>::new(), "{word}");
    }
}

#[test]
fn a_misspelt_key_is_refused_by_both() {
    let all = keys::all();
    let (main, partnership) = (schema::object(&all.main, ""), schema::object(&all.partnership, ""));
    let known = all.main.iter().chain(&all.partnership).map(|key| key.pattern.clone()).collect();
    let files = examples::files(true);
    let mut tried = 0;
    for (name, text) in &files {
        for line in examples::lines(text).into_iter().filter(|line| !line.key.is_empty()) {
            let full =
                if line.table.is_empty() { line.key.clone() } else { format!("{}.{}", line.table, line.key) };
            // A school, a statistical code: any name is one.
            if keys::pattern(&full, &known).is_none_or(|pattern| pattern.ends_with('*')) {
                continue;
            }
            // Where a table takes other names besides, a misspelt one is one of those, to both.
            let around = format!("{}.*", keys::table_of(&keys::pattern(&full, &known).unwrap()).0);
            if known.contains(&around) {
                continue;
            }
            let mut misspelt = keys::alone(name, text);
            let written =
                text.get(line.at.clone()).unwrap().replacen(&line.key, &format!("{}q", line.key), 1);
            misspelt.get_mut(name).unwrap().replace_range(line.at.clone(), &written);
            let schema = if name == MAIN { &main } else { &partnership };
            let wrong = refused(schema, &json_of(&misspelt[name]), "");
            assert!(wrong.iter().any(|wrong| wrong.contains(&format!("{}q", line.key))), "{full}: {wrong:?}");
            let problems = keys::read(&misspelt, Problems::new()).1;
            let told = problems.render(Style::Plain);
            assert!(problems.has_errors() && told.contains(&format!("{}q", line.key)), "{full}: {told}");
            tried += 1;
        }
    }
    assert!(tried > 150, "{tried} keys were tried");
}

#[test]
fn what_the_readers_refuse_by_kind_the_schema_refuses() {
    let all = keys::all();
    let schema = schema::object(&all.partnership, "");
    let csv = "oneroster_csv]\npath = \"x\"\n";
    let card = "number = \"7{student_id}\"\npin = \"none\"\nexpires = \"never\"";
    for (top, source, card, more, wrong) in [
        ("", csv, card, "", false),
        ("full_every = 7", csv, card, "", true),
        ("full_every = \"7d\"", csv, card, "", false),
        ("", csv, card, "[lapse]\ngrace_days = 0", true),
        ("", csv, card, "[lapse]\nthen = \"delete\"", true),
        ("", csv, card, "[guards]\ncreate = { percent = 200 }", true),
        ("", csv, "pin = \"none\"\nexpires = \"never\"", "", true),
        ("", "csvdrop]\npath = \"x\"\n", card, "", true),
        ("", "oneroster_csv]\npath = \"\"\n", card, "", true),
        (
            "",
            "clever]\ndistrict = \"55108ad78349a40100000022\"\nclient_id = \"x\"\nclient_secret = \"x\"\n",
            card,
            "",
            true,
        ),
    ] {
        let text = partnership_with(top, source, card, more);
        let by_schema = refused(&schema, &json_of(&text), "");
        assert_eq!(!by_schema.is_empty(), wrong, "{text}\n{by_schema:?}");
        let main = examples::files(false).remove(MAIN).unwrap();
        let files = Files::from([(MAIN.to_owned(), main), ("partnerships/x.toml".to_owned(), text.clone())]);
        assert_eq!(keys::read(&files, Problems::new()).1.has_errors(), wrong, "{text}");
    }
}
