//! The official OpenAPI file of OneRoster 1.2, where it is at hand: the practice SIS answers as it says, and the client
//! asks only what it knows. The checker below knows as much of JSON Schema as that file uses.

use std::path::Path;

use rostercard_core::ports::FetchOne;
use rostercard_practice::sis::oneroster::{Auth, BEARER, Quirks, Role};
use rostercard_source_oneroster::RestSettings;
use serde_json::{Value, json};

use crate::support::{District, birth, book, now};

/// The file, or nothing where there is none. CI must have it.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the samples are")]
fn specification() -> Option<Value> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    let folder = std::env::var_os("ROSTERCARD_SPECS").map_or(beside, Into::into);
    let path = folder.join("oneroster/onerosterv1p2rostersservice_openapi3_v1p0.json");
    let found = std::fs::read(path).ok().map(|bytes| serde_json::from_slice(&bytes).unwrap());
    assert!(found.is_some() || std::env::var("CI").as_deref() != Ok("true"), "no specification here");
    if found.is_none() {
        println!("skipped: no specification here");
    }
    found
}

/// What is wrong with a value, by its path.
fn check(all: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return check(all, all.pointer(pointer).unwrap(), value, at, wrong);
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(ways) = schema[word].as_array() {
            let fits = ways.iter().any(|way| {
                let mut inner = Vec::new();
                check(all, way, value, at, &mut inner);
                inner.is_empty()
            });
            if !fits {
                wrong.push(format!("{at}: none of {word}"));
            }
        }
    }
    let is = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !is {
        wrong.push(format!("{at}: no {}", schema["type"]));
        return;
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        wrong.push(format!("{at}: {value} is none of the words"));
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str()) {
        // The one pattern of the file: words of one's own.
        assert!(pattern.contains("ext:"), "{pattern}");
        if !text.starts_with("ext:") {
            wrong.push(format!("{at}: {text} has no ext:"));
        }
    }
    match (schema["format"].as_str(), value.as_str()) {
        (Some("date"), Some(text)) if text.parse::<jiff::civil::Date>().is_err() => {
            wrong.push(format!("{at}: {text} is no date"));
        }
        (Some("date-time"), Some(text))
            if text.parse::<jiff::Timestamp>().is_err() || !text.ends_with('Z') =>
        {
            wrong.push(format!("{at}: {text} is no time in UTC"));
        }
        (Some("uri"), Some(text)) if !text.contains("://") => wrong.push(format!("{at}: {text} is no URI")),
        _ => {}
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                wrong.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, inner) in object {
            match &schema["properties"][name] {
                Value::Null if schema["additionalProperties"] == json!(false) => {
                    wrong.push(format!("{at}: {name} is not known"));
                }
                Value::Null => {}
                known => check(all, known, inner, &format!("{at}.{name}"), wrong),
            }
        }
    }
    for (number, inner) in value.as_array().into_iter().flatten().enumerate() {
        check(all, &schema["items"], inner, &format!("{at}[{number}]"), wrong);
    }
    if let (Some(least), Some(list)) = (schema["minItems"].as_u64(), value.as_array())
        && (list.len() as u64) < least
    {
        wrong.push(format!("{at}: fewer than {least}"));
    }
}

#[test]
fn the_checker_notices() {
    let schema = json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "type": "string", "enum": ["x"] }, "b": { "type": "array", "minItems": 1 } },
    });
    for (value, count) in [
        (json!({ "a": "x" }), 0),
        (json!({ "a": "y" }), 1),
        (json!({ "a": 1 }), 1),
        (json!({ "c": 1 }), 2),
        (json!({ "a": "x", "b": [] }), 1),
        (json!([]), 1),
    ] {
        let mut wrong = Vec::new();
        check(&schema, &schema, &value, "", &mut wrong);
        assert_eq!(wrong.len(), count, "{value}: {wrong:?}");
    }
}

/// An answer of the practice SIS, as it is.
async fn get(district: &District, path: &str, token: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let url = format!("{}{path}", district.running.url("oneroster_1_2"));
    let mut response =
        client.get(url).header("authorization", format!("Bearer {token}")).send().await.unwrap();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        body.extend_from_slice(&chunk);
    }
    (response.status().as_u16(), serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn the_practice_sis_answers_as_the_specification_says() {
    let Some(all) = specification() else { return };
    let mut book = book(12);
    book.users[0].gone = true;
    book.users[1].primary_org = "elm".into();
    book.users[1].roles.push(Role { role: "ext:monitor".into(), org: "elm".into(), ..Role::default() });
    book.users[1].roles[0].end = "2027-06-30".into();
    book.users[1].metadata = vec![("street".into(), "1 Elm".into())];
    let quirks = Quirks { auth: Auth::Bearer, ..Quirks::default() };
    let district = District::with(book, quirks).await;
    let mut checked = 0;
    for (path, target, token) in [
        ("/orgs", "/orgs", BEARER),
        ("/orgs/{sourcedId}", "/orgs/elm", BEARER),
        ("/schools", "/schools?limit=2", BEARER),
        ("/users", "/users?limit=20&sort=sourcedId&orderBy=asc", BEARER),
        ("/users/{sourcedId}", "/users/u00002", BEARER),
        ("/students", "/students?filter=dateLastModified%3E%272026-08-01T00%3A00%3A00.000Z%27", BEARER),
        ("/students/{sourcedId}", "/students/u00001", BEARER),
        ("/teachers", "/teachers", BEARER),
        ("/demographics", "/demographics", BEARER),
        ("/demographics/{sourcedId}", "/demographics/u00002", BEARER),
        ("/students", "/students?filter=broken", BEARER),
        ("/students", "/students", "wrong"),
        ("/students/{sourcedId}", "/students/nobody", BEARER),
    ] {
        let (status, body) = get(&district, target, token).await;
        let answer = &all["paths"][path]["get"]["responses"][status.to_string()];
        let schema = &answer["content"]["application/json"]["schema"];
        assert!(!schema.is_null(), "{target} answers {status}, which {path} does not know");
        let mut wrong = Vec::new();
        check(&all, schema, &body, path, &mut wrong);
        assert_eq!(wrong, Vec::<String>::new(), "{target}: {body}");
        checked += 1;
    }
    district.sis.quirks(|quirks| quirks.demographics_forbidden = true);
    let (status, body) = get(&district, "/demographics", BEARER).await;
    let schema = &all["components"]["schemas"]["imsx_StatusInfoDType"];
    let mut wrong = Vec::new();
    check(&all, schema, &body, "403", &mut wrong);
    assert_eq!((status, wrong, checked), (403, Vec::new(), 13));
}

#[tokio::test]
async fn the_client_asks_only_what_the_specification_knows() {
    let Some(all) = specification() else { return };
    let district = District::start(25, Quirks::default()).await;
    let settings = RestSettings { educators: true, ..district.settings() };
    let first = district.try_read(settings.clone()).await.unwrap();
    district.sis.edit(|book| {
        book.users[0].modified = now();
        book.births[4] = rostercard_practice::sis::oneroster::Birth { modified: now(), ..birth(5) };
    });
    let second = district.go_on(settings, first.cursor.as_ref()).await;
    assert_eq!(second.students.len(), 2);
    assert!(matches!(district.fetch("u00002").await, FetchOne::Found(_)));
    let log = district.sis.take_log();
    assert!(log.len() > 12);
    for asked in &log {
        let target = asked.target.strip_prefix("/ims/oneroster/rostering/v1p2").unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = match path.trim_start_matches('/').split_once('/') {
            Some((collection, _)) => format!("/{collection}/{{sourcedId}}"),
            None => path.to_owned(),
        };
        let operation = &all["paths"][&path]["get"];
        assert!(operation.is_object(), "{path} is not known");
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap();
            let known = operation["parameters"].as_array().unwrap().iter().find(|p| p["name"] == name);
            let schema = &known.unwrap_or_else(|| panic!("{path} does not know {name}"))["schema"];
            if schema["type"] == "integer" {
                let number: i64 = value.parse().unwrap();
                assert!(schema["minimum"].as_i64().is_none_or(|least| number >= least), "{pair}");
            }
            if let Some(words) = schema["enum"].as_array() {
                assert!(words.contains(&json!(value)), "{pair}");
            }
            assert!(!value.contains(['+', ' ', '\'', '>']), "{pair} is not encoded");
        }
        assert_eq!(asked.status, 200, "{asked:?}");
    }
}
