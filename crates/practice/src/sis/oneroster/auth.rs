//! Who is asking: tokens by OAuth 2 client credentials, a token for ever, or a signature of OAuth 1.0a, checked here
//! from RFC 5849 and RFC 6749 and with nothing of the client's.

use std::collections::HashMap;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use super::query::decode;
use super::quirks::{Auth, Quirks, TokenAuth};

/// What the practice SIS knows its client by.
pub const CLIENT_ID: &str = "rostercard-practice";
/// The client's secret. It guards invented people.
pub const CLIENT_SECRET: &str = "practice secret&/ü";
/// The token of those who have one for ever.
pub const BEARER: &str = "practice-bearer";

/// The tokens that were given.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    given: u64,
    uses: HashMap<String, u64>,
    /// The scopes asked for last.
    pub(super) asked: Vec<String>,
}

impl Tokens {
    /// How many were given.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// Answers at the token address: a status and a body.
    pub(super) fn give(&mut self, quirks: &Quirks, headers: &HeaderMap, body: &str) -> (u16, Value) {
        let form: HashMap<String, String> = body
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter_map(|(name, value)| Some((name.to_owned(), decode(&value.replace('+', " "))?)))
            .collect();
        let said = |name: &str| form.get(name).map_or("", String::as_str);
        if said("grant_type") != "client_credentials" {
            return (400, json!({ "error": "unsupported_grant_type" }));
        }
        let basic = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
            .and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
        let raw = format!("{CLIENT_ID}:{CLIENT_SECRET}");
        let is_raw = basic.as_deref() == Some(raw.as_str());
        let encoded = basic.as_deref().and_then(|text| {
            let (id, secret) = text.split_once(':')?;
            Some((decode(&id.replace('+', " "))?, decode(&secret.replace('+', " "))?))
        });
        let is_encoded = !is_raw && encoded.is_some_and(|(id, s)| id == CLIENT_ID && s == CLIENT_SECRET);
        let posted = said("client_id") == CLIENT_ID && said("client_secret") == CLIENT_SECRET;
        let known = match quirks.token_auth {
            TokenAuth::Any => is_raw || is_encoded || posted,
            TokenAuth::BasicRaw => is_raw,
            TokenAuth::BasicEncoded => is_encoded,
            TokenAuth::Post => posted && basic.is_none(),
        };
        if !known {
            return (401, json!({ "error": "invalid_client" }));
        }
        self.given += 1;
        self.asked = said("scope").split_whitespace().map(str::to_owned).collect();
        let token = format!("practice-token-{}", self.given);
        self.uses.insert(token.clone(), 0);
        let scopes = quirks.grants.clone().unwrap_or_else(|| self.asked.clone());
        let mut answer = json!({ "access_token": token, "token_type": "bearer" });
        if !scopes.is_empty() {
            answer["scope"] = json!(scopes.join(" "));
        }
        if let Some(seconds) = quirks.token_says {
            answer["expires_in"] =
                if quirks.token_says_in_text { json!(seconds.to_string()) } else { json!(seconds) };
        }
        (200, answer)
    }

    /// Whether a request for rows may be answered.
    pub(super) fn admits(&mut self, quirks: &Quirks, headers: &HeaderMap, asked: &Asked<'_>) -> bool {
        if quirks.refuses_tokens {
            return false;
        }
        let header = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        match quirks.auth {
            Auth::Open => true,
            Auth::Bearer => header == format!("Bearer {BEARER}"),
            Auth::Oauth1 => signed(header, asked),
            Auth::Oauth2 => {
                let Some(uses) = header.strip_prefix("Bearer ").and_then(|token| self.uses.get_mut(token))
                else {
                    return false;
                };
                *uses += 1;
                quirks.token_requests.is_none_or(|most| *uses <= most)
            }
        }
    }
}

/// A request, as a signature sees it.
pub(super) struct Asked<'a> {
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            all.push(char::from(byte));
        } else {
            all.push_str(&format!("%{byte:02X}"));
        }
        all
    })
}

/// RFC 5849, 3.4: the base string, and the signature over it.
fn signed(header: &str, asked: &Asked<'_>) -> bool {
    let Some(fields) = header.strip_prefix("OAuth ") else { return false };
    let mut said: Vec<(String, String)> = fields
        .split(',')
        .filter_map(|field| field.trim().split_once('='))
        .filter_map(|(name, value)| Some((name.to_owned(), decode(value.trim_matches('"'))?)))
        .collect();
    let value = |wanted: &str| said.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let (signature, method) = (value("oauth_signature"), value("oauth_signature_method"));
    let complete = ["oauth_nonce", "oauth_timestamp"].iter().all(|name| value(name).is_some());
    if !complete || value("oauth_consumer_key").as_deref() != Some(CLIENT_ID) {
        return false;
    }
    let algorithm = match method.as_deref() {
        Some("HMAC-SHA1") => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Some("HMAC-SHA256") => hmac::HMAC_SHA256,
        _ => return false,
    };
    said.retain(|(name, _)| name != "oauth_signature" && name != "realm");
    for pair in asked.query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        said.push((decode(name).unwrap_or_default(), decode(value).unwrap_or_default()));
    }
    let mut pairs: Vec<(String, String)> = said.iter().map(|(n, v)| (encode(n), encode(v))).collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(n, v)| format!("{n}={v}")).collect();
    let url = format!("http://{}{}", asked.host.to_lowercase(), asked.path);
    let base = format!("GET&{}&{}", encode(&url), encode(&pairs.join("&")));
    let key = hmac::Key::new(algorithm, format!("{}&", encode(CLIENT_SECRET)).as_bytes());
    let made = STANDARD.encode(hmac::sign(&key, base.as_bytes()));
    signature.as_deref() == Some(made.as_str())
}
