//! What is asked of Koha's API: the request taken apart, before anybody is let in.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri, header};
use serde_json::Value;

/// One request.
pub(super) struct Request {
    pub(super) asked: Asked,
    pub(super) query: Vec<(String, String)>,
    pub(super) authorization: String,
    pub(super) embed: String,
    pub(super) body: Bytes,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Token,
    Find,
    Get(u64),
    Create,
    Update(u64),
    Delete(u64),
    Password(u64),
    Attributes(u64),
    Account(u64),
    Libraries,
    Categories,
    Other,
}

impl Asked {
    /// Its name in faults, counts and the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Token => "Token",
            Self::Find => "FindPatrons",
            Self::Get(_) => "GetPatron",
            Self::Create => "CreatePatron",
            Self::Update(_) => "UpdatePatron",
            Self::Delete(_) => "DeletePatron",
            Self::Password(_) => "SetPassword",
            Self::Attributes(_) => "PutAttributes",
            Self::Account(_) => "GetAccount",
            Self::Libraries => "ListLibraries",
            Self::Categories => "ListCategories",
            Self::Other => "other",
        }
    }
}

/// Pairs of a query or a form, decoded.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits: Vec<u8> = bytes.by_ref().take(2).collect();
                let value = std::str::from_utf8(&digits).ok().and_then(|d| u8::from_str_radix(d, 16).ok());
                out.push(value.unwrap_or(b'?'));
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Request {
    pub(super) fn of(method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Self {
        let path = uri.path().trim_start_matches("/api/v1").trim_matches('/');
        let parts: Vec<&str> = path.split('/').collect();
        let id = |text: &str| text.parse::<u64>().ok();
        let asked = match (method.as_str(), parts.as_slice()) {
            ("POST", ["oauth", "token"]) => Some(Asked::Token),
            ("GET", ["patrons"]) => Some(Asked::Find),
            ("POST", ["patrons"]) => Some(Asked::Create),
            ("GET", ["patrons", n]) => id(n).map(Asked::Get),
            ("PUT", ["patrons", n]) => id(n).map(Asked::Update),
            ("DELETE", ["patrons", n]) => id(n).map(Asked::Delete),
            ("POST", ["patrons", n, "password"]) => id(n).map(Asked::Password),
            ("PUT", ["patrons", n, "extended_attributes"]) => id(n).map(Asked::Attributes),
            ("GET", ["patrons", n, "account"]) => id(n).map(Asked::Account),
            ("GET", ["libraries"]) => Some(Asked::Libraries),
            ("GET", ["patron_categories"]) => Some(Asked::Categories),
            _ => None,
        };
        let header = |name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        Self {
            asked: asked.unwrap_or(Asked::Other),
            query: pairs(uri.query().unwrap_or_default()),
            authorization: header(header::AUTHORIZATION.as_str()),
            embed: header("x-koha-embed"),
            body,
        }
    }

    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}
