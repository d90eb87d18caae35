//! The way to the responder: HTTP(S), or raw TCP for the oldest. Each exchange once, under one deadline.

use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_ncip::Body;
use rostercard_web::{Answer, Call, Client, WebError};

use crate::answer::on_the_way;
use crate::settings::{Address, NcipSettings, SettingsError};
use crate::tcp::{TcpClient, TcpFailure};

/// No answer came.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// Whether the message may have been received.
    pub(crate) sent: bool,
    /// What happened, for people.
    pub(crate) error: ConnectorError,
}

/// The way to one responder.
#[derive(Debug)]
pub(crate) enum Wire {
    Http(Box<Client>),
    Tcp(TcpClient),
}

impl Wire {
    pub(crate) fn new(settings: &NcipSettings) -> Result<Self, SettingsError> {
        Ok(match &settings.address {
            Address::Http(endpoint) => {
                Self::Http(Box::new(Client::new(endpoint.clone(), settings.client())?))
            }
            Address::Tcp(address) => Self::Tcp(TcpClient::new(
                address.clone(),
                settings.deadline,
                settings.connections,
                settings.answer_limit,
            )),
        })
    }

    /// Sends a message, once.
    pub(crate) async fn send(&self, body: Body, origin: &str) -> Result<Answer, NoAnswer> {
        match self {
            Self::Http(client) => {
                let call = Call::post(client.endpoint().clone(), Body::CONTENT_TYPE, body.into_bytes());
                client.send(call).await.map_err(|error| NoAnswer {
                    sent: matches!(error, WebError::Unknown { .. }),
                    error: on_the_way(&error),
                })
            }
            // What comes over TCP has no status; whether it is an answer, its content says.
            Self::Tcp(client) => match client.send(body.reveal()).await {
                Ok(answer) => Ok(Answer::new(200, answer)),
                Err(failure) => Err(no_answer(failure, origin)),
            },
        }
    }
}

fn no_answer(failure: TcpFailure, origin: &str) -> NoAnswer {
    let (sent, fault, retry, what, hint) = match failure {
        TcpFailure::NoConnection => (
            false,
            Fault::Network,
            Retry::Later,
            "nothing was sent: no connection could be made",
            "Check host and port, the way there (firewall, VPN), and whether the NCIP service is running.",
        ),
        TcpFailure::Deadline => (
            true,
            Fault::Ils,
            Retry::Later,
            "the message was sent and not answered within the deadline",
            "See whether the ILS is overloaded, or raise the deadline.",
        ),
        TcpFailure::Closed => (
            true,
            Fault::Network,
            Retry::Later,
            "the message was sent, and the connection ended without an answer",
            "See the ILS's log; some responders end the connection at a message that they cannot read.",
        ),
        TcpFailure::TooLong => (
            true,
            Fault::Ils,
            Retry::NotThisTarget,
            "the answer is longer than `answer_limit` allows",
            "See what the ILS answers; raise the limit if the answer is right.",
        ),
    };
    NoAnswer { sent, error: ConnectorError::new(fault, retry, format!("{origin}: {what}"), hint) }
}
