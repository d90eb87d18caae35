//! What Koha's API says: statuses, bodies and headers, in its own words.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// One answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) headers: Vec<(&'static str, String)>,
    /// The barcode it was about, for the log.
    pub(super) barcode: String,
    /// What came of it, for the log.
    pub(super) outcome: &'static str,
}

impl Reply {
    pub(super) fn new(status: u16, body: Value, outcome: &'static str) -> Self {
        Self { status, body, headers: Vec::new(), barcode: String::new(), outcome }
    }

    /// A refusal with one sentence.
    pub(super) fn error(status: u16, error: impl Into<String>) -> Self {
        Self::new(status, json!({ "error": error.into() }), "refused")
    }

    /// A refusal by the specification's own check.
    pub(super) fn specification(message: impl Into<String>, path: impl Into<String>) -> Self {
        let one = json!({ "message": message.into(), "path": path.into() });
        Self::new(400, json!({ "errors": [one], "status": 400 }), "refused")
    }

    /// A login that may not.
    pub(super) fn may_not(permission: &Value) -> Self {
        let error = "Authorization failure. Missing required permission(s).";
        Self::new(403, json!({ "error": error, "required_permissions": permission }), "not allowed")
    }

    pub(super) fn about(mut self, barcode: &str) -> Self {
        barcode.clone_into(&mut self.barcode);
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The body as it is sent. A password's answer is an empty text.
    pub(super) fn text(&self) -> String {
        match self.status {
            204 => String::new(),
            _ => self.body.to_string(),
        }
    }

    pub(super) fn head(&self) -> HeaderMap {
        let mut out = HeaderMap::new();
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::try_from(value)) {
                out.insert(name, value);
            }
        }
        out
    }

    pub(super) fn response(&self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, self.head(), self.text()).into_response()
    }
}
