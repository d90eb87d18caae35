//! The queries of lists: limit, place, filters; and the page that they come to.

use serde_json::{Value, json};

use super::manners::{Links, Manners};

/// A list's query.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    pub(super) limit: Option<u64>,
    pub(super) starting_after: Option<String>,
    pub(super) ending_before: Option<String>,
    pub(super) role: Option<String>,
    pub(super) record_types: Vec<String>,
    pub(super) school: Option<String>,
    pub(super) count: bool,
}

/// The roles of users.
const ROLES: [&str; 5] = ["contact", "district_admin", "staff", "student", "teacher"];

impl Query {
    /// Reads one; what Clever would refuse is its status and message.
    pub(super) fn read(pairs: &[(String, String)], manners: &Manners) -> Result<Self, (u16, &'static str)> {
        let mut query = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "limit" => {
                    let limit: u64 = value.parse().map_err(|_| (400, "limit must be a number"))?;
                    if limit > manners.most {
                        return Err((413, "limit is too large"));
                    }
                    query.limit = Some(limit.max(1));
                }
                "starting_after" => query.starting_after = Some(value.clone()),
                "ending_before" => query.ending_before = Some(value.clone()),
                "role" if ROLES.contains(&value.as_str()) => query.role = Some(value.clone()),
                "role" => return Err((400, "there is no such role")),
                "record_type" => query.record_types.push(value.clone()),
                "school" => query.school = Some(value.clone()),
                "count" => query.count = value == "true",
                _ => return Err((400, "there is no such parameter")),
            }
        }
        Ok(query)
    }

    /// The page of records that are in the order of their ids, with its links.
    pub(super) fn page(
        &self,
        path: &str,
        host: &str,
        records: &[(&String, &Value)],
        manners: &Manners,
    ) -> (Vec<Value>, Value) {
        let limit = usize::try_from(self.limit.unwrap_or(100)).unwrap_or(usize::MAX);
        let chosen: Vec<&(&String, &Value)> = match (&self.starting_after, &self.ending_before) {
            (_, Some(before)) => {
                let earlier = records.iter().filter(|(id, _)| before == "last" || *id < before);
                let mut page: Vec<_> = earlier.rev().take(limit).collect();
                page.reverse();
                page
            }
            (Some(after), None) => records.iter().filter(|(id, _)| *id > after).take(limit).collect(),
            (None, None) => records.iter().take(limit).collect(),
        };
        let last = chosen.last().map(|(id, _)| (*id).clone());
        let more = match &last {
            Some(last) if self.ending_before.is_none() => {
                records.iter().any(|(id, _)| *id > last) || (manners.eager_next && chosen.len() == limit)
            }
            _ => false,
        };
        let data = chosen.iter().map(|(_, value)| (*value).clone()).collect();
        (data, self.links(path, host, more.then_some(last).flatten(), manners))
    }

    fn links(&self, path: &str, host: &str, next_after: Option<String>, manners: &Manners) -> Value {
        let uri = |after: Option<&str>| {
            let mut parts = Vec::new();
            parts.extend(self.limit.map(|limit| format!("limit={limit}")));
            parts.extend(self.role.as_ref().map(|role| format!("role={role}")));
            parts.extend(self.record_types.iter().map(|kind| format!("record_type={kind}")));
            parts.extend(after.map(|after| format!("starting_after={after}")));
            format!("{path}?{}", parts.join("&"))
        };
        let own = uri(self.starting_after.as_deref());
        let next = next_after.map(|after| match manners.links {
            Links::Usual | Links::Shuffled | Links::Missing => uri(Some(&after)),
            Links::Absolute => format!("http://{host}{}", uri(Some(&after))),
            Links::Elsewhere => format!("https://elsewhere.example.org{}", uri(Some(&after))),
            Links::Circle => own.clone(),
        });
        let mut links = vec![json!({ "rel": "self", "uri": own })];
        links.extend(next.map(|uri| json!({ "rel": "next", "uri": uri })));
        if let Some(after) = &self.starting_after {
            links.push(json!({ "rel": "prev", "uri": format!("{path}?ending_before={after}") }));
        }
        match manners.links {
            Links::Missing => Value::Null,
            Links::Shuffled => {
                links.reverse();
                Value::Array(links)
            }
            Links::Usual | Links::Absolute | Links::Elsewhere | Links::Circle => Value::Array(links),
        }
    }
}
