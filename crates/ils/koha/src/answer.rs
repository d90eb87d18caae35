//! What Koha's answers mean: done, refused, turned away at the door, or in doubt. Tables, no IO.
//!
//! Koha's error texts repeat what was sent, names and numbers too, so none of them is ever shown: they are recognised, and
//! said in our own words.

use rostercard_core::field::Field;
use rostercard_core::ports::{ConnectorError, Fault, Rejection, RejectionKind, Retry};
use rostercard_web::{Answer, Class, OAuthError, RestError, Side};
use serde_json::Value;

use crate::map::field_of_property;
use crate::settings::AttributeMap;

/// What was asked, for messages and for what a refusal can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum What {
    /// A search.
    Search,
    /// One record by its id.
    Read,
    /// A new patron.
    Create,
    /// A change of a patron.
    Update,
    /// All extended attributes of a patron.
    Attributes,
    /// A password.
    Password,
    /// Something about the library, for `check`.
    Library,
}

impl What {
    /// How it is called in messages: the request, without ids.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Search => "GET patrons",
            Self::Read => "GET a patron",
            Self::Create => "POST patrons",
            Self::Update => "PUT a patron",
            Self::Attributes => "PUT a patron's extended_attributes",
            Self::Password => "POST a patron's password",
            Self::Library => "GET the library's settings",
        }
    }
}

/// What an answer means.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// Done, or found.
    Done(Answer),
    /// Koha said no: nothing was written.
    Refused(Rejection),
    /// There is no such patron, or none that this login sees.
    NoPatron,
    /// Nobody can tell.
    Doubt(ConnectorError),
}

/// Understands an answer of any status.
pub(crate) fn understand(what: What, answer: Answer, attributes: &AttributeMap, origin: &str) -> Meaning {
    let judge = Judge { what, answer: &answer, origin, body: Body::of(&answer) };
    match answer.class() {
        Class::Success if answer.is_page() => judge.doubt(
            Retry::NotThisTarget,
            "a page for people came in place of an answer",
            "Check `url`: Koha's API must lie at /api/v1 below it.",
        ),
        Class::Success => Meaning::Done(answer),
        Class::Elsewhere => judge.target(
            "the API is somewhere else",
            "Set `url` to the address that it moved to; a write is never sent on by itself.",
        ),
        Class::NotLetIn => judge.not_let_in(),
        Class::NotAllowed => judge.not_allowed(),
        Class::Missing if judge.body.error.starts_with("Patron not found") => Meaning::NoPatron,
        Class::Missing => judge.target(
            "there is no such service",
            "Check `url`; if it is right, this version of Koha does not have what was asked for.",
        ),
        Class::Conflict => judge.conflict(),
        Class::TooMany => judge.later(
            "too many requests",
            "It is asked again later; lower `connections` or set `rate` if it comes often.",
        ),
        Class::Refused => judge.refused(attributes),
        Class::Failed => judge.failed(),
    }
}

/// What of a refusal's body is looked at.
struct Body {
    json: Value,
    error: String,
}

impl Body {
    fn of(answer: &Answer) -> Self {
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let error = json.get("error").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { json, error }
    }

    fn text(&self, name: &str) -> &str {
        self.json.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The errors of the specification's own check: message and path.
    fn errors(&self) -> impl Iterator<Item = (&str, &str)> {
        let list = self.json.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|one| {
            let part = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
            (part("message"), part("path"))
        })
    }
}

struct Judge<'a> {
    what: What,
    answer: &'a Answer,
    origin: &'a str,
    body: Body,
}

impl Judge<'_> {
    fn error(&self, fault: Fault, retry: Retry, why: &str, hint: &str) -> ConnectorError {
        let Self { what, answer, origin, .. } = self;
        let wait =
            answer.retry_after.map(|wait| format!("; it asks to be left alone for {} s", wait.as_secs()));
        let message =
            format!("{origin}: {} (HTTP {}): {why}{}", what.name(), answer.status, wait.unwrap_or_default());
        ConnectorError::new(fault, retry, message, hint)
    }

    fn no(&self, kind: RejectionKind, field: Option<Field>, error: ConnectorError) -> Meaning {
        Meaning::Refused(Rejection { kind, field, error })
    }

    fn target(&self, why: &str, hint: &str) -> Meaning {
        let error = self.error(Fault::Operator, Retry::NotThisTarget, why, hint);
        self.no(RejectionKind::Target, None, error)
    }

    fn later(&self, why: &str, hint: &str) -> Meaning {
        self.no(RejectionKind::Record, None, self.error(Fault::Ils, Retry::Later, why, hint))
    }

    fn record(&self, field: Option<Field>, why: &str, hint: &str) -> Meaning {
        let kind = if field.is_some() { RejectionKind::Field } else { RejectionKind::Record };
        self.no(kind, field, self.error(Fault::Operator, Retry::NotThisRecord, why, hint))
    }

    fn doubt(&self, retry: Retry, why: &str, hint: &str) -> Meaning {
        Meaning::Doubt(self.error(Fault::Ils, retry, why, hint))
    }

    fn not_let_in(&self) -> Meaning {
        if self.body.error.starts_with("Basic authentication disabled") {
            return self.target(
                "Basic authentication is turned off",
                "Turn on RESTBasicAuth in Koha, or better: use an API key, with client_id and client_secret.",
            );
        }
        self.target(
            "the login was not accepted",
            "Check user and password, or client_id and client_secret, and that the key is active in Koha.",
        )
    }

    fn not_allowed(&self) -> Meaning {
        if self.body.error.starts_with("Invalid password") {
            return self.target("the password is wrong", "Check `user` and `password`.");
        }
        let missing = self.body.json.get("required_permissions").map(permissions).unwrap_or_default();
        if missing.is_empty() {
            return self.target(
                "not allowed",
                "Check the login's permissions in Koha, and this machine's address in its firewall.",
            );
        }
        self.target(
            &format!("the login lacks the permission {missing}"),
            "Grant it in Koha to the patron whose login this is; changing patrons and setting PINs need the whole of `borrowers`.",
        )
    }

    fn conflict(&self) -> Meaning {
        let conflict = self.body.text("conflict");
        let (field, why) = match conflict {
            "cardnumber" => (Some(Field::Barcode), "there is a patron with this number already"),
            "userid" => (Some(Field::UserName), "there is a patron with this user id already"),
            _ => (None, "it contradicts a patron that is there already"),
        };
        self.duplicate(field, why)
    }

    fn duplicate(&self, field: Option<Field>, why: &str) -> Meaning {
        let error = self.error(
            Fault::Ils,
            Retry::NotThisRecord,
            why,
            "Find out in Koha whose it is. It takes numbers and user ids for the same whatever their case and accents.",
        );
        self.no(RejectionKind::Duplicate, field, error)
    }

    fn refused(&self, attributes: &AttributeMap) -> Meaning {
        let error = self.body.error.as_str();
        if self.what == What::Password {
            return self.pin(error);
        }
        if error.starts_with("Problem with ") {
            return self.duplicate(Some(Field::UserName), "there is a patron with this user id already");
        }
        if error.contains("unique constraint") {
            let student_id = attributes.student_id.as_deref().is_some_and(|kind| names_type(error, kind));
            let field = if student_id { Field::StudentId } else { Field::Statistics };
            return self.duplicate(
                Some(field),
                "another patron has this value in an extended attribute that must be unique",
            );
        }
        if error.starts_with("Tried to use an invalid attribute type") {
            let kind = attributes.types().find(|kind| names_type(error, kind)).unwrap_or("(not named)");
            return self.target(
                &format!("Koha has no extended attribute of type {kind}"),
                "Make the attribute type in Koha's administration, or correct [ils.NAME.koha.attributes].",
            );
        }
        if error.to_ascii_lowercase().contains("mandatory") {
            return self.record(
                None,
                "an extended attribute that Koha demands of this category is not sent",
                "Make the attribute type optional in Koha, or add it to [ils.NAME.koha.attributes].",
            );
        }
        for (field, property) in [(Field::Category, "category_id"), (Field::HomeBranch, "library_id")] {
            if error.starts_with(&format!("Given {property} does not exist")) {
                return self.record(
                    Some(field),
                    &format!("Koha has no such {property}"),
                    "Compare the code in the partnership's file with the one in Koha's administration; capitals count.",
                );
            }
        }
        self.by_specification()
    }

    /// Refusals of the specification's own check, which come as a list.
    fn by_specification(&self) -> Meaning {
        for (message, path) in self.body.errors() {
            if let Some(unknown) = message.strip_prefix("Properties not allowed:") {
                let known = |name: &&str| field_of_property(name).is_some() || *name == "extended_attributes";
                let names: Vec<&str> =
                    unknown.trim().trim_end_matches('.').split(", ").filter(known).collect();
                return self.target(
                    &format!("this version of Koha does not know {}", names.join(", ")),
                    "Leave these fields out with [fields], or take [ils.NAME.koha.attributes] out.",
                );
            }
            let property = path.strip_prefix("/body/").unwrap_or_default();
            if let Some(field) = field_of_property(property) {
                let why = if message.starts_with("Missing property") {
                    format!("Koha must have {property}")
                } else {
                    format!("Koha does not accept this value of {property}")
                };
                return self.record(
                    Some(field),
                    &why,
                    "Correct the value in the roster, or set a rule for it.",
                );
            }
        }
        self.record(
            None,
            "the request was refused, for a reason that is not known here",
            "See Koha's own log of this moment; it may be a plugin's rule or another version's.",
        )
    }

    fn pin(&self, error: &str) -> Meaning {
        let why = if error.contains("length") {
            "the PIN is shorter than Koha demands"
        } else if error.contains("too weak") {
            "the PIN is too weak for Koha, which demands capitals, small letters and digits"
        } else {
            "Koha does not accept this PIN"
        };
        self.record(
            Some(Field::Pin),
            why,
            "In Koha, give the cards' category a minimum length of its own and let it not require strong passwords; or make \
             PINs longer in [card] pin.",
        )
    }

    fn failed(&self) -> Meaning {
        let hint =
            "See Koha's log, or ask whoever runs it; it is looked up later whether anything was written.";
        match self.answer.status {
            408 => self.doubt(Retry::Later, "the server gave up waiting", hint),
            502 | 504 => self.doubt(Retry::Later, "the web server got no answer from Koha behind it", hint),
            503 => self.doubt(Retry::Later, "Koha is being upgraded, or is overloaded", hint),
            _ => self.doubt(Retry::Later, "Koha failed; its database may be away", hint),
        }
    }
}

/// Whether an error text names this attribute type. The type is ours, from the configuration.
fn names_type(error: &str, kind: &str) -> bool {
    error.split_whitespace().any(|word| word.strip_prefix("type=") == Some(kind))
}

/// Permissions as Koha lists them, such as `{"borrowers": "edit_borrowers"}` or `{"borrowers": 1}`. Names of permissions are
/// small letters and underlines; anything else is left out.
fn permissions(required: &Value) -> String {
    let plain = |text: &str| {
        !text.is_empty() && text.len() < 60 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    let Value::Object(required) = required else { return String::new() };
    let mut names: Vec<String> = required
        .iter()
        .filter(|(module, _)| plain(module))
        .map(|(module, part)| match part.as_str().filter(|part| plain(part) && *part != "1") {
            Some(part) => format!("{module}:{part}"),
            None => module.clone(),
        })
        .collect();
    names.sort_unstable();
    names.join(", ")
}

/// What an error on the way means for people.
pub(crate) fn on_the_way(error: &RestError, origin: &str) -> ConnectorError {
    if let RestError::Token(OAuthError::Refused { code, status, .. }) = error
        && !error.may_pass()
    {
        let (why, hint) = match code.as_str() {
            "Unimplementedgranttype" => (
                "API keys are turned off",
                "Turn on RESTOAuth2ClientCredentials in Koha, or use user and password.",
            ),
            _ => (
                "the API key was not accepted",
                "Check client_id and client_secret: in Koha, under the patron's record, More, Manage API keys.",
            ),
        };
        let message = format!("{origin}: no token (HTTP {status}): {why}");
        return ConnectorError::new(Fault::Operator, Retry::NotThisTarget, message, hint);
    }
    let fault = match error.side() {
        Side::Operator => Fault::Operator,
        Side::Network => Fault::Network,
        Side::Server => Fault::Ils,
    };
    let retry = if error.may_pass() { Retry::Later } else { Retry::NotThisTarget };
    ConnectorError::new(fault, retry, error.to_string(), error.hint())
}

#[cfg(test)]
mod tests;
