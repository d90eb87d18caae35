//! The requests that are made of Koha: paths, queries, bodies. One call each; what an answer means is [`crate::answer`]'s.

use rostercard_core::ports::ConnectorError;
use rostercard_core::privacy::Secret;
use rostercard_web::{Answer, Ask, Rest};
use serde_json::{Map, Value, json};

use crate::answer::{Meaning, What, on_the_way, understand};
use crate::map::attributes_body;
use crate::record::{ATTRIBUTES, Attribute, Record, Unreadable, read_list, read_one};
use crate::settings::{AttributeMap, KohaSettings, SettingsError};

/// The header that asks for what is not a patron's own column.
const EMBED: &str = "x-koha-embed";
/// An id that no patron has; Koha's column ends here.
pub(crate) const NOBODY: u64 = 2_147_483_647;

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Asked {
    /// A whole answer came.
    Answered(Meaning),
    /// It certainly never left.
    NotSent(ConnectorError),
    /// It left, and no whole answer came.
    Unanswered(ConnectorError),
}

/// What a search came to.
#[derive(Debug)]
pub(crate) enum Searched {
    /// These, and how many patrons this login sees in all, where Koha says so.
    Found(Vec<Record>, Option<u64>),
    /// Nobody can tell.
    Failed(ConnectorError),
}

/// What a read of one record came to.
#[derive(Debug)]
pub(crate) enum Seen {
    /// It is there.
    Found(Box<Record>),
    /// It is not there, or this login does not see it.
    NoPatron,
    /// Nobody can tell.
    Failed(ConnectorError),
}

/// Koha's API, by one login.
#[derive(Debug)]
pub(crate) struct Api {
    rest: Rest,
    attributes: AttributeMap,
}

impl Api {
    pub(crate) fn new(settings: &KohaSettings) -> Result<Self, SettingsError> {
        let rest = Rest::new(settings.endpoint.clone(), settings.login()?, settings.wire(), settings.reuse)?;
        Ok(Self { rest, attributes: settings.attributes.clone() })
    }

    pub(crate) fn origin(&self) -> String {
        self.rest.base().origin()
    }

    pub(crate) fn is_readable_on_the_way(&self) -> bool {
        self.rest.base().is_readable_on_the_way()
    }

    /// Asks once.
    pub(crate) async fn ask(&self, what: What, ask: &Ask) -> Asked {
        let origin = self.origin();
        match self.rest.send(ask).await {
            Ok(answer) => Asked::Answered(understand(what, answer, &self.attributes, &origin)),
            Err(error) if error.nothing_sent() => Asked::NotSent(on_the_way(&error, &origin)),
            Err(error) => Asked::Unanswered(on_the_way(&error, &origin)),
        }
    }

    fn with_attributes(&self, ask: Ask) -> Ask {
        if self.attributes.uses_attributes() { ask.header(EMBED, ATTRIBUTES) } else { ask }
    }

    /// The patrons that a query finds, whole values only: `_match` guards against versions that would look for parts, and
    /// who calls compares what came with what was asked for.
    pub(crate) async fn search(&self, query: &Value, most: usize) -> Searched {
        let ask = Ask::get("patrons")
            .query("_match", "exact")
            .query("_per_page", most.to_string())
            .query("q", query.to_string());
        self.searched(&self.with_attributes(ask)).await
    }

    /// Any one patron that this login sees.
    pub(crate) async fn anybody(&self) -> Searched {
        self.searched(&Ask::get("patrons").query("_per_page", "1")).await
    }

    async fn searched(&self, ask: &Ask) -> Searched {
        match self.read(What::Search, ask).await {
            Ok(answer) => {
                let base = answer.header("x-base-total-count").and_then(|count| count.trim().parse().ok());
                match read_list(&answer.body) {
                    Ok(list) => Searched::Found(list, base),
                    Err(Unreadable(what)) => Searched::Failed(self.unreadable(What::Search, what)),
                }
            }
            Err(error) => Searched::Failed(error),
        }
    }

    /// One record, with its extended attributes where any are used.
    pub(crate) async fn patron(&self, id: u64) -> Seen {
        match self.ask(What::Read, &self.with_attributes(Ask::get(format!("patrons/{id}")))).await {
            Asked::Answered(Meaning::Done(answer)) => match read_one(&answer.body) {
                Ok(record) if record.id() == id => Seen::Found(Box::new(record)),
                Ok(_) => Seen::Failed(self.unreadable(What::Read, "another patron's patron_id")),
                Err(Unreadable(what)) => Seen::Failed(self.unreadable(What::Read, what)),
            },
            Asked::Answered(Meaning::NoPatron) => Seen::NoPatron,
            Asked::Answered(Meaning::Refused(no)) => Seen::Failed(no.error),
            Asked::Answered(Meaning::Doubt(error)) | Asked::NotSent(error) | Asked::Unanswered(error) => {
                Seen::Failed(error)
            }
        }
    }

    /// A read that must succeed.
    pub(crate) async fn read(&self, what: What, ask: &Ask) -> Result<Answer, ConnectorError> {
        match self.ask(what, ask).await {
            Asked::Answered(Meaning::Done(answer)) => Ok(answer),
            Asked::Answered(Meaning::Refused(no)) => Err(no.error),
            Asked::Answered(Meaning::NoPatron) => Err(self.unreadable(what, "a patron that is not found")),
            Asked::Answered(Meaning::Doubt(error)) | Asked::NotSent(error) | Asked::Unanswered(error) => {
                Err(error)
            }
        }
    }

    pub(crate) fn unreadable(&self, what: What, property: &str) -> ConnectorError {
        use rostercard_core::ports::{Fault, Retry};
        ConnectorError::new(
            Fault::Ils,
            Retry::NotThisRecord,
            format!(
                "{}: {} was answered in a way that cannot be understood: {property}",
                self.origin(),
                what.name()
            ),
            "Look at the patron in Koha; if nothing is odd there, report this with Koha's version.",
        )
    }

    pub(crate) async fn create(&self, body: Map<String, Value>) -> Asked {
        self.ask(What::Create, &Ask::post("patrons", bytes(&Value::Object(body)))).await
    }

    pub(crate) async fn update(&self, id: u64, body: Map<String, Value>) -> Asked {
        self.ask(What::Update, &Ask::put(format!("patrons/{id}"), bytes(&Value::Object(body)))).await
    }

    /// Replaces all extended attributes of a patron.
    pub(crate) async fn replace_attributes(&self, id: u64, all: &[Attribute]) -> Asked {
        let path = format!("patrons/{id}/extended_attributes");
        self.ask(What::Attributes, &Ask::put(path, bytes(&attributes_body(all)))).await
    }

    pub(crate) async fn password(&self, id: u64, pin: &Secret) -> Asked {
        let body = json!({ "password": pin.reveal(), "password_2": pin.reveal() });
        self.ask(What::Password, &Ask::post(format!("patrons/{id}/password"), bytes(&body))).await
    }

    /// What a patron owes, in hundredths; `None` where this login may not know.
    pub(crate) async fn owes(&self, id: u64) -> Option<i64> {
        let answer = self.read(What::Library, &Ask::get(format!("patrons/{id}/account"))).await.ok()?;
        let body: Value = serde_json::from_slice(&answer.body).ok()?;
        let amount = body.get("outstanding_debits")?.get("total")?.as_f64()?;
        cents(amount)
    }
}

/// An amount in hundredths; `None` for one that no fee is.
#[expect(clippy::cast_possible_truncation, reason = "checked to be far within range")]
pub(crate) fn cents(amount: f64) -> Option<i64> {
    (amount.abs() < 1e12).then(|| (amount * 100.0).round() as i64)
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
