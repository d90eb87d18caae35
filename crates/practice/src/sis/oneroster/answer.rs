//! Answers on their way out: headers, errors in their shapes, bodies that break.

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::quirks::{Quirks, Shape, Strike};

/// An answer that is being made.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(status: u16, value: &Value) -> Self {
        let kind = ("content-type", "application/json; charset=utf-8".to_owned());
        Self { status, headers: vec![kind], body: value.to_string().into_bytes() }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn page(status: u16, text: &str) -> Self {
        let kind = ("content-type", "text/html".to_owned());
        let body = format!("<!DOCTYPE html><html><body><h1>{text}</h1></body></html>").into_bytes();
        Self { status, headers: vec![kind], body }
    }

    /// An error with a minor code of the specification.
    pub(super) fn error(quirks: &Quirks, status: u16, minor: &str) -> Self {
        let text = "CANARY-description";
        let field =
            json!([{ "imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": minor }]);
        let info = json!({
            "imsx_codeMajor": "failure", "imsx_severity": "error", "imsx_description": text,
            "imsx_CodeMinor": { "imsx_codeMinorField": field },
        });
        let value = match quirks.errors {
            Shape::Bare => info,
            Shape::Wrapped => json!({ "imsx_StatusInfo": info }),
            Shape::StatusInfoSet => json!({ "statusInfoSet": [info] }),
            Shape::Old => {
                json!({ "codeMajor": "failure", "codeMinor": minor, "severity": "error", "description": text })
            }
            Shape::Flat => {
                json!({ "imsx_codeMajor": "failure", "imsx_severity": "error", "imsx_codeMinor": minor })
            }
            Shape::Html => return Self::page(status, "Something went wrong"),
        };
        Self::json(status, &value)
    }

    /// A status that a fault orders: a page for people, as gateways send them.
    pub(super) fn fault(status: u16, retry_after: Option<&str>, now: Timestamp) -> Self {
        let mut reply = Self::page(status, "Busy");
        if let Some(value) = retry_after {
            let value = match value.strip_prefix("in ").and_then(|s| s.parse::<i64>().ok()) {
                // A date, so many seconds from now.
                Some(seconds) => date(now + SignedDuration::from_secs(seconds)),
                None => value.to_owned(),
            };
            reply.headers.push(("retry-after", value));
        }
        reply
    }

    /// The answer, with the fault that is done to it.
    pub(super) fn send(mut self, now: Timestamp, strike: Option<&Strike>) -> Response<Body> {
        self.headers.push(("date", date(now)));
        let half = self.body.len() / 2;
        let body = match strike {
            Some(Strike::Truncated) => {
                self.body.truncate(half);
                Body::from(self.body)
            }
            Some(Strike::Cut) => {
                self.headers.push(("content-length", self.body.len().to_string()));
                self.body.truncate(half);
                let pieces = [Ok(Bytes::from(self.body)), Err(std::io::Error::other("cut"))];
                Body::from_stream(futures::stream::iter(pieces))
            }
            _ => Body::from(self.body),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// A date as HTTP writes it.
fn date(at: Timestamp) -> String {
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}
