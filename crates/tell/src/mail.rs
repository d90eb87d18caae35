//! Mail, by SMTP to one server: a connection a message, one deadline for all of it, TLS unless the server is this machine.
//! No queue and no retry: whoever calls tries again, with the same message id.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use crate::TellError;
use crate::letter::Letter;

/// How the connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS begins after a greeting in clear, usually at port 587. A server without it gets nothing.
    StartTls,
    /// TLS from the first byte, usually at port 465.
    Tls,
    /// None: for a server on this machine alone.
    None,
}

impl Security {
    /// The port that usually goes with it.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// Where mail is handed over, and how.
#[derive(Clone)]
pub struct MailSettings {
    /// The server's name or address.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// User and password, where it wants a login.
    pub login: Option<(String, SecretString)>,
    /// The sender: an address, or a name and an address in angle brackets.
    pub from: String,
    /// A file of PEM certificates that are trusted besides none else, for a server of one's own.
    pub ca_file: Option<PathBuf>,
    /// The time for a whole message.
    pub deadline: Duration,
}

/// Shows neither user nor password.
impl fmt::Debug for MailSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailSettings({}:{}, {:?})", self.server, self.port, self.security)
    }
}

/// Whether an address can be written to: `pat@example.org`, or `Pat <pat@example.org>`.
#[must_use]
pub fn is_address(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

/// Whether a server is this machine, so that nothing can be read on the way.
#[must_use]
pub fn is_this_machine(server: &str) -> bool {
    server == "localhost" || server.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The way to the mail server.
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// Host and port, for messages.
    server: String,
    deadline: Duration,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({})", self.server)
    }
}

impl Mail {
    /// Sets it up; nothing is connected yet.
    ///
    /// # Errors
    /// [`TellError::Settings`]: an address, a certificate, or no TLS to another machine.
    pub fn new(settings: &MailSettings) -> Result<Self, TellError> {
        let wrong = |why: &str| TellError::Settings { why: why.to_owned() };
        let from = settings.from.parse().map_err(|_| wrong("the sender of [mail] is no mail address"))?;
        let tls = match settings.security {
            Security::None if is_this_machine(&settings.server) => Tls::None,
            Security::None => {
                return Err(wrong(
                    "mail without TLS goes to this machine alone: write tls = \"starttls\" or \"tls\"",
                ));
            }
            Security::StartTls => Tls::Required(parameters(settings)?),
            Security::Tls => Tls::Wrapper(parameters(settings)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.server)
            .port(settings.port)
            .tls(tls)
            .hello_name(ClientId::default())
            .timeout(Some(settings.deadline));
        if let Some((user, password)) = &settings.login {
            builder =
                builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        Ok(Self {
            transport: builder.build(),
            from,
            server: format!("{}:{}", settings.server, settings.port),
            deadline: settings.deadline,
        })
    }

    /// Hands one letter over.
    ///
    /// # Errors
    /// [`TellError`]. After [`TellError::NoAnswer`] the server may have taken it.
    pub async fn send(&self, to: &str, letter: &Letter) -> Result<(), TellError> {
        let message = message(&self.from, to, letter)?;
        let sent = tokio::time::timeout(self.deadline, self.transport.send(message)).await;
        let no_answer = |why: &str| TellError::NoAnswer { server: self.server.clone(), why: why.to_owned() };
        let error = match sent {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => return Err(no_answer("no answer within the deadline")),
        };
        // What a server says may repeat an address: its code alone is told.
        if let Some(code) = error.status() {
            let later = error.is_transient();
            let why = format!("code {code}, {}", if later { "for now" } else { "for good" });
            return Err(TellError::Refused { server: self.server.clone(), why, later });
        }
        Err(if error.is_timeout() {
            no_answer("no answer within the deadline")
        } else if error.is_tls() {
            no_answer("TLS could not be agreed on, or the certificate is not trusted")
        } else if error.is_client() {
            no_answer("it offers no TLS, or no login that is known here")
        } else {
            no_answer("the connection could not be made, or broke")
        })
    }
}

fn message(from: &Mailbox, to: &str, letter: &Letter) -> Result<Message, TellError> {
    let wrong = |why: &str| TellError::Settings { why: why.to_owned() };
    let to: Mailbox = to.parse().map_err(|_| wrong("this contact's mail address is none"))?;
    let seconds = u64::try_from(letter.at.as_second()).unwrap_or(0);
    let domain = from.email.domain().to_owned();
    let mut message = Message::builder()
        .from(from.clone())
        .to(to)
        .subject(letter.subject())
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .message_id(Some(format!("<{}@{domain}>", letter.id())))
        .header(ContentType::TEXT_PLAIN)
        .body(letter.text())
        .map_err(|_| wrong("the message cannot be written"))?;
    // An answer by a machine that is on holiday would help nobody.
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
    Ok(message)
}

fn parameters(settings: &MailSettings) -> Result<TlsParameters, TellError> {
    let wrong = |why: String| TellError::Settings { why };
    let mut builder = TlsParameters::builder(settings.server.clone());
    if let Some(path) = &settings.ca_file {
        let cannot = || {
            wrong(format!("the CA file {} of [mail] holds no certificate that can be read", path.display()))
        };
        let pem = std::fs::read(path).map_err(|_| cannot())?;
        let certificate = Certificate::from_pem(&pem).map_err(|_| cannot())?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build().map_err(|_| wrong("TLS for mail could not be set up".to_owned()))
}
