//! Records as JSON of 1.1 and 1.2, in the manner that the quirks ask for.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::book::{Birth, Org, User};
use super::quirks::{Booleans, Quirks};

/// Which version's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Version {
    V1p1,
    V1p2,
}

pub(super) struct Renderer<'a> {
    pub(super) quirks: &'a Quirks,
    pub(super) version: Version,
    /// The path that references count from.
    pub(super) base: &'static str,
}

impl Renderer<'_> {
    pub(super) fn org(&self, org: &Org) -> Value {
        let mut row = self.start(&org.id, false, Timestamp::UNIX_EPOCH);
        self.text(&mut row, "name", &org.name);
        self.text(&mut row, "type", &org.kind);
        self.text(&mut row, "identifier", &org.identifier);
        if !org.parent.is_empty() {
            row.insert("parent".to_owned(), self.reference("orgs", "org", &org.parent));
        }
        self.end(row)
    }

    pub(super) fn user(&self, user: &User) -> Value {
        let mut row = self.start(&user.id, user.gone, user.modified);
        row.insert("enabledUser".to_owned(), self.boolean(true));
        self.text(&mut row, "username", &user.username);
        let ids = user.user_ids.iter().map(|(kind, id)| json!({ "type": kind, "identifier": id })).collect();
        self.list(&mut row, "userIds", ids);
        self.text(&mut row, "givenName", &user.given);
        self.text(&mut row, "familyName", &user.family);
        self.text(&mut row, "middleName", &user.middle);
        self.text(&mut row, "identifier", &user.identifier);
        self.text(&mut row, "email", &user.email);
        self.text(&mut row, "sms", &user.sms);
        self.text(&mut row, "phone", &user.phone);
        // What a client must never keep is filled, so that one that keeps it is found out.
        self.text(&mut row, "password", "CANARY-password");
        self.list(&mut row, "grades", user.grades.iter().map(|grade| json!(grade)).collect());
        match self.version {
            Version::V1p1 => {
                self.text(&mut row, "role", user.roles.first().map_or("", |r| &r.role));
                let orgs = user.roles.iter().map(|r| self.reference("orgs", "org", &r.org)).collect();
                self.list(&mut row, "orgs", orgs);
            }
            Version::V1p2 => self.only_1p2(&mut row, user),
        }
        if !user.metadata.is_empty() {
            let metadata = user.metadata.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            row.insert("metadata".to_owned(), Value::Object(metadata));
        }
        self.end(row)
    }

    fn only_1p2(&self, row: &mut Map<String, Value>, user: &User) {
        self.text(row, "userMasterIdentifier", &user.master);
        let [given, middle, family] = &user.preferred;
        self.text(row, "preferredFirstName", given);
        self.text(row, "preferredMiddleName", middle);
        self.text(row, "preferredLastName", family);
        let roles = user
            .roles
            .iter()
            .map(|role| {
                let mut value = json!({
                    "roleType": if role.primary { "primary" } else { "secondary" },
                    "role": role.role,
                    "org": self.reference("orgs", "org", &role.org),
                });
                for (name, day) in [("beginDate", &role.begin), ("endDate", &role.end)] {
                    if !day.is_empty() {
                        value[name] = json!(day);
                    }
                }
                value
            })
            .collect();
        self.list(row, "roles", roles);
        if !user.primary_org.is_empty() {
            row.insert("primaryOrg".to_owned(), self.reference("orgs", "org", &user.primary_org));
        }
        let profile = json!({
            "profileId": format!("https://sis.example.org/profiles/{}", user.id), "profileType": "app", "vendorId": "practice",
            "credentials": [{ "type": "plain", "username": user.username, "password": "CANARY-credential" }],
        });
        self.list(row, "userProfiles", vec![profile]);
    }

    pub(super) fn birth(&self, birth: &Birth) -> Value {
        let mut row = self.start(&birth.id, birth.gone, birth.modified);
        self.text(&mut row, "birthDate", &birth.birth_date);
        self.text(&mut row, "sex", &birth.sex);
        for flag in ["americanIndianOrAlaskaNative", "asian", "white", "hispanicOrLatinoEthnicity"] {
            row.insert(flag.to_owned(), self.boolean(flag == "white"));
        }
        self.text(&mut row, "cityOfBirth", "CANARY-birthplace");
        self.end(row)
    }

    fn start(&self, id: &str, gone: bool, modified: Timestamp) -> Map<String, Value> {
        let mut row = Map::new();
        row.insert("sourcedId".to_owned(), self.id(id));
        let status = match (gone, self.quirks.inactive) {
            (false, _) => "active",
            (true, false) => "tobedeleted",
            (true, true) => "inactive",
        };
        row.insert("status".to_owned(), json!(status));
        let shown = modified + SignedDuration::from_hours(self.quirks.skew_hours);
        row.insert("dateLastModified".to_owned(), json!(format!("{shown:.3}")));
        row
    }

    fn end(&self, mut row: Map<String, Value>) -> Value {
        if self.quirks.extra_keys {
            row.insert("tenant_id".to_owned(), json!(7));
            row.insert("zz".to_owned(), json!({ "sourcedId": "nested", "list": [1, [2, { "a": null }]] }));
        }
        Value::Object(row)
    }

    fn id(&self, id: &str) -> Value {
        match id.parse::<u64>() {
            Ok(number) if self.quirks.numeric_ids && number.to_string() == id => json!(number),
            _ => json!(id),
        }
    }

    fn text(&self, row: &mut Map<String, Value>, name: &str, value: &str) {
        if !value.is_empty() {
            let id = name == "identifier";
            row.insert(name.to_owned(), if id { self.id(value) } else { json!(value) });
        } else if self.quirks.nulls {
            row.insert(name.to_owned(), Value::Null);
        }
    }

    fn list(&self, row: &mut Map<String, Value>, name: &str, mut list: Vec<Value>) {
        if self.quirks.single_objects && list.len() == 1 {
            row.insert(name.to_owned(), list.remove(0));
        } else if !list.is_empty() || !self.quirks.nulls {
            row.insert(name.to_owned(), Value::Array(list));
        } else {
            row.insert(name.to_owned(), Value::Null);
        }
    }

    fn boolean(&self, value: bool) -> Value {
        match self.quirks.booleans {
            Booleans::Text => json!(value.to_string()),
            Booleans::Json => json!(value),
            Booleans::Number => json!(u8::from(value)),
            Booleans::Upper => json!(value.to_string().to_uppercase()),
        }
    }

    fn reference(&self, endpoint: &str, kind: &str, id: &str) -> Value {
        if self.quirks.relative_hrefs {
            return json!({ "href": format!("/{endpoint}/{id}"), "sourcedId": self.id(id), "type": kind });
        }
        let href = format!("https://sis.example.org{}/{endpoint}/{id}", self.base);
        json!({ "href": href, "sourcedId": self.id(id), "type": kind })
    }
}

/// The keys that were asked for, and nothing else.
pub(super) fn select(row: &mut Value, fields: &[String]) {
    if let (Some(row), false) = (row.as_object_mut(), fields.is_empty()) {
        row.retain(|name, _| fields.iter().any(|field| field == name));
    }
}
