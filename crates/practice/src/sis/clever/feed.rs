//! The event feed: what differs between two states of the records, in the order of Clever's ids.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::book::Book;

/// All events, oldest first.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// Each with its id; the envelope is made when it is served.
    events: Vec<(String, Value)>,
    given: u64,
    /// The last id that is no longer kept.
    pub(super) forgotten: Option<String>,
}

impl Feed {
    /// Adds what differs.
    pub(super) fn tell(&mut self, before: &Book, after: &Book, now: Timestamp) {
        self.differences("schools", &before.schools, &after.schools, now);
        self.differences("users", &before.users, &after.users, now);
        if before.district != after.district {
            let (was, is) = (Value::Object(before.district.clone()), Value::Object(after.district.clone()));
            let previous = previous(&was, &is);
            self.push("districts.updated", &json!({ "object": is, "previous_attributes": previous }), now);
        }
    }

    fn differences(
        &mut self,
        thing: &str,
        before: &BTreeMap<String, Value>,
        after: &BTreeMap<String, Value>,
        now: Timestamp,
    ) {
        for (id, was) in before {
            match after.get(id) {
                None => self.push(&format!("{thing}.deleted"), &json!({ "object": was }), now),
                Some(is) if is != was => {
                    let data = json!({ "object": is, "previous_attributes": previous(was, is) });
                    self.push(&format!("{thing}.updated"), &data, now);
                }
                Some(_) => {}
            }
        }
        for (_, is) in after.iter().filter(|(id, _)| !before.contains_key(*id)) {
            self.push(&format!("{thing}.created"), &json!({ "object": is }), now);
        }
    }

    /// Adds an event; `previous_attributes` stand in `data` until it is served.
    pub(super) fn push(&mut self, kind: &str, data: &Value, now: Timestamp) {
        self.given += 1;
        let id = format!("{:08x}{:016x}", now.as_second().clamp(0, i64::from(u32::MAX)), self.given);
        let created = now.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        self.events.push((id.clone(), json!({ "id": id, "type": kind, "created": created, "data": data })));
    }

    pub(super) fn say_again(&mut self) {
        if let Some(last) = self.events.last().cloned() {
            self.events.push(last);
        }
    }

    pub(super) fn forget(&mut self) {
        if let Some((id, _)) = self.events.last() {
            self.forgotten = Some(id.clone());
        }
        self.events.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Events of these kinds of records (all where none is named), oldest first.
    pub(super) fn of<'f>(
        &'f self,
        kinds: &'f [String],
    ) -> impl DoubleEndedIterator<Item = &'f (String, Value)> {
        self.events.iter().filter(move |(_, event)| {
            let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
            kinds.is_empty() || kinds.iter().any(|wanted| kind.split('.').next() == Some(wanted))
        })
    }
}

/// What of an object is no longer so, as it was.
fn previous(was: &Value, is: &Value) -> Value {
    let (Some(was), Some(is)) = (was.as_object(), is.as_object()) else { return was.clone() };
    let mut before = Map::new();
    for (key, old) in was {
        match is.get(key) {
            Some(new) if new == old => {}
            Some(new) if new.is_object() && old.is_object() => {
                before.insert(key.clone(), previous(old, new));
            }
            _ => {
                before.insert(key.clone(), old.clone());
            }
        }
    }
    Value::Object(before)
}
