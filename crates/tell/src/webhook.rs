//! A webhook: the letter as JSON, by one POST, to `https` or to this machine. Signed with a secret, or with the secret in a header
//! of its own. Redirects are not followed, and no answer but a 2xx counts.

use std::time::Duration;

use jiff::Timestamp;
use ring::hmac;
use rostercard_web::{Call, Client, ClientSettings, Endpoint};
use secrecy::{ExposeSecret, SecretString};

use crate::TellError;
use crate::letter::Letter;

/// How a receiver knows that a message is ours.
#[derive(Debug, Clone, Default)]
pub enum Signing {
    /// It does not: the address itself is the secret.
    #[default]
    None,
    /// `X-Rostercard-Signature: sha256=HEX`, the HMAC with SHA-256 of the moment in `X-Rostercard-Timestamp`, a full stop and the
    /// body.
    Hmac(SecretString),
    /// The secret stands in this header.
    Header(String, SecretString),
}

/// The way to one receiver.
#[derive(Debug)]
pub struct Webhook {
    client: Client,
    signing: Signing,
}

impl Webhook {
    /// Sets it up; nothing is connected yet.
    ///
    /// # Errors
    /// [`TellError::Settings`]: the address cannot be used. It is not repeated, for it may be a secret.
    pub fn new(url: &str, signing: Signing, deadline: Duration) -> Result<Self, TellError> {
        let wrong = |why: String| TellError::Settings { why };
        let endpoint = Endpoint::parse(url, false).map_err(|_| {
            wrong("a webhook's address begins with https:// and has no user in it".to_owned())
        })?;
        let settings = ClientSettings {
            deadline,
            connect_deadline: deadline.min(Duration::from_secs(10)),
            answer_limit: 64 * 1024,
            connections: 1,
            ..ClientSettings::default()
        };
        let client = Client::new(endpoint, settings).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { client, signing })
    }

    /// Sends one letter.
    ///
    /// # Errors
    /// [`TellError`]. After [`TellError::NoAnswer`] the receiver may have it; `Idempotency-Key` is the same when it comes again.
    pub async fn send(&self, letter: &Letter) -> Result<(), TellError> {
        let body = letter.json().to_string();
        let call = Call::post(self.client.endpoint().clone(), "application/json", body.clone())
            .header("idempotency-key", &letter.id());
        let call = match &self.signing {
            Signing::None => call,
            Signing::Hmac(secret) => {
                let (moment, signature) = sign(secret, letter.at, &body);
                call.header("x-rostercard-timestamp", &moment).header("x-rostercard-signature", &signature)
            }
            Signing::Header(name, secret) => call.header(name, secret.expose_secret()),
        };
        let server = self.client.endpoint().origin();
        let answer = self.client.send(call).await.map_err(|error| TellError::NoAnswer {
            server: server.clone(),
            why: match error {
                rostercard_web::WebError::NotSent { why, .. } => why.to_string(),
                rostercard_web::WebError::Unknown { why, .. } => why.to_string(),
            },
        })?;
        if answer.is_success() {
            return Ok(());
        }
        let later = matches!(answer.status, 408 | 425 | 429 | 500..=599);
        let why = if answer.redirects {
            format!("status {}, which sends elsewhere: name the final address", answer.status)
        } else {
            format!("status {}", answer.status)
        };
        Err(TellError::Refused { server, why, later })
    }
}

/// The moment in seconds since 1970, and the signature of it and a body.
#[must_use]
pub fn sign(secret: &SecretString, at: Timestamp, body: &str) -> (String, String) {
    let moment = at.as_second().to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    let tag = hmac::sign(&key, format!("{moment}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    (moment, format!("sha256={hex}"))
}
