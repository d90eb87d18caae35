//! What an answer over HTTP means: done, refused, turned away before the service saw it, or in doubt. Tables, no IO.

use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_ncip::{Answer, ProblemClass, ProblemTable, Problems, ReadError, Reader, Service, UserRecord};
use rostercard_web::{Side, WebError};

/// What an answer means.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// Done, or found.
    User(Box<UserRecord>),
    /// The ILS said no: nothing was written.
    Refused(ProblemClass, Problems),
    /// The web server said no before NCIP saw it: nothing was written.
    TurnedAway(ConnectorError),
    /// Nobody can tell.
    Doubt(ConnectorError),
}

/// Understands an answer of any status. An NCIP problem counts whatever the status; a success counts only with one of
/// success.
pub(crate) fn understand(
    service: Service,
    answer: &rostercard_web::Answer,
    reader: Reader,
    table: &ProblemTable,
    origin: &str,
) -> Meaning {
    match reader.read(service, &answer.body, answer.charset()) {
        Ok(Answer::Problems(problems)) => Meaning::Refused(table.class_of_all(&problems), problems),
        Ok(Answer::User(record)) if answer.is_success() => Meaning::User(record),
        Err(error) if answer.is_success() => Meaning::Doubt(not_understood(service, &error, origin)),
        Ok(Answer::User(_)) | Err(_) => by_status(answer, origin),
    }
}

fn by_status(answer: &rostercard_web::Answer, origin: &str) -> Meaning {
    let status = answer.status;
    let error = |fault, retry, what: &str, hint: &str| {
        let wait =
            answer.retry_after.map(|wait| format!("; it asks to be left alone for {} s", wait.as_secs()));
        ConnectorError::new(
            fault,
            retry,
            format!("{origin}: HTTP {status}, {what}{}", wait.unwrap_or_default()),
            hint,
        )
    };
    let target = |what, hint| Meaning::TurnedAway(error(Fault::Operator, Retry::NotThisTarget, what, hint));
    match status {
        300..=399 => target(
            "the service is somewhere else",
            "Set `url` to the address that it moved to; a write is never sent on to another address by itself.",
        ),
        401 | 403 | 407 => target(
            "not allowed in",
            "Check the token in the URL and this machine's address with the ILS's vendor.",
        ),
        404 | 405 | 410 => target("there is no NCIP service at this path", "Check the path in `url`."),
        408 => Meaning::Doubt(error(
            Fault::Ils,
            Retry::Later,
            "the server gave up waiting",
            "It is asked again later.",
        )),
        429 => Meaning::TurnedAway(error(
            Fault::Ils,
            Retry::Later,
            "too many requests",
            "It is asked again later; lower `connections` if it comes often.",
        )),
        400..=499 => target(
            "the server does not take this kind of request",
            "Check with the ILS's vendor what it takes.",
        ),
        _ => Meaning::Doubt(error(
            Fault::Ils,
            Retry::Later,
            "the server failed",
            "See the ILS's log, or ask its vendor; it is looked up later whether anything was written.",
        )),
    }
}

fn not_understood(service: Service, error: &ReadError, origin: &str) -> ConnectorError {
    let (retry, hint) = match error {
        // The service is not there, and will not be there for the next record.
        ReadError::NoResponse { .. } => (Retry::NotThisTarget, HINT),
        ReadError::BrokenBySchemes => (
            Retry::NotThisTarget,
            "Write schemes = false, or responder = \"evergreen\"; nothing that it said before can be believed.",
        ),
        ReadError::Html => (
            Retry::Later,
            "Check the path in `url`; some servers answer so to prefixed names: write style = \"default_namespace\".",
        ),
        _ => (Retry::Later, HINT),
    };
    ConnectorError::new(
        Fault::Ils,
        retry,
        format!("{origin}: {} was not answered in a way that can be believed: {error}", service.name()),
        hint,
    )
}

/// What to do about most answers that cannot be believed.
const HINT: &str = "Try `rostercard ils probe`; if it stays so, show the ILS's vendor this message.";

/// What an error on the way means for people.
pub(crate) fn on_the_way(error: &WebError) -> ConnectorError {
    let fault = match error.side() {
        Side::Operator => Fault::Operator,
        Side::Network => Fault::Network,
        Side::Server => Fault::Ils,
    };
    let retry = if error.may_pass() { Retry::Later } else { Retry::NotThisTarget };
    ConnectorError::new(fault, retry, error.to_string(), error.hint())
}

/// What a refusal means for people.
pub(crate) fn refusal(
    service: Service,
    class: ProblemClass,
    problems: &Problems,
    origin: &str,
) -> ConnectorError {
    let (fault, retry, hint) = match class {
        ProblemClass::ThisTarget => (
            Fault::Operator,
            Retry::NotThisTarget,
            "The ILS does not offer this service to us: check agency, password and licence with its vendor, or let another way write.",
        ),
        ProblemClass::RetryLater => (Fault::Ils, Retry::Later, "It is asked again later."),
        ProblemClass::NotUnique => (
            Fault::Operator,
            Retry::NotThisRecord,
            "Several patrons have this number in the ILS: merge or correct them there.",
        ),
        ProblemClass::NotVisible => {
            (Fault::Operator, Retry::NotThisRecord, "Let our agency see this patron, or leave it out.")
        }
        ProblemClass::Duplicate => (
            Fault::Ils,
            Retry::NotThisRecord,
            "There is a patron with this number already: find out whose it is.",
        ),
        ProblemClass::Missing => (Fault::Ils, Retry::NotThisRecord, "There is no patron with this number."),
        ProblemClass::ThisRecord => (
            Fault::Operator,
            Retry::NotThisRecord,
            "Compare the value with what the ILS accepts there, and correct the rule or the roster.",
        ),
    };
    ConnectorError::new(fault, retry, format!("{origin}: {} was refused: {problems}", service.name()), hint)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DONE: &str = "<NCIPMessage><CreateUserResponse><UserId><UserIdentifierValue>1</UserIdentifierValue></UserId>\
                        </CreateUserResponse></NCIPMessage>";
    const DUPLICATE: &str = "<NCIPMessage><CreateUserResponse><Problem><ProblemType>Duplicate User</ProblemType></Problem>\
         </CreateUserResponse></NCIPMessage>";
    const IT_WORKS: &str = "<NCIPMessage>It works!</NCIPMessage>";

    fn meaning(status: u16, body: &str) -> Meaning {
        let mut answer = rostercard_web::Answer::new(status, body);
        answer.retry_after = Some(Duration::from_secs(17));
        understand(Service::CreateUser, &answer, Reader::default(), &ProblemTable::default(), "https://ils")
    }

    #[test]
    fn every_answer_has_one_meaning() {
        let cases = [
            (200, DONE, "done"),
            (201, DONE, "done"),
            (500, DONE, "doubt later"),
            (200, DUPLICATE, "refused Duplicate"),
            (500, DUPLICATE, "refused Duplicate"),
            (200, IT_WORKS, "doubt not_this_target"),
            (200, "", "doubt later"),
            (204, "", "doubt later"),
            (200, "<html>Error 500</html>", "doubt later"),
            (302, "", "turned away not_this_target"),
            (401, "", "turned away not_this_target"),
            (404, "<html/>", "turned away not_this_target"),
            (408, "", "doubt later"),
            (411, "", "turned away not_this_target"),
            (415, "", "turned away not_this_target"),
            (429, "", "turned away later"),
            (500, "", "doubt later"),
            (502, "", "doubt later"),
            (503, "", "doubt later"),
        ];
        for (status, body, wanted) in cases {
            let got = match meaning(status, body) {
                Meaning::User(_) => "done".to_owned(),
                Meaning::Refused(class, _) => format!("refused {class:?}"),
                Meaning::TurnedAway(error) => format!("turned away {}", error.retry),
                Meaning::Doubt(error) => format!("doubt {}", error.retry),
            };
            assert_eq!(got, wanted, "{status} {body}");
        }
    }

    #[test]
    fn what_the_server_asks_for_is_said() {
        let Meaning::TurnedAway(error) = meaning(429, "") else { panic!("turned away") };
        assert_eq!(
            error.message,
            "https://ils: HTTP 429, too many requests; it asks to be left alone for 17 s"
        );
    }
}
