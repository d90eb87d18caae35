//! One connection: a socket and the session on it. Whoever holds it asks one question at a time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_sip2::{
    AcsStatus, Call, Credentials, Event, Failure, Message, Refused, Session, SessionConfig, State,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::fault;
use crate::settings::Sip2Settings;
use crate::tls::Tls;

/// A socket, protected or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What became of a question.
pub(crate) enum Asked {
    /// The answer.
    Answer(Box<Message>),
    /// It never left.
    NotSent(ConnectorError),
    /// It may have arrived, and there is no answer to it.
    Failed(Failure),
}

/// One connection.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    session: Session,
    began: Instant,
    used: Instant,
    /// What the server said of itself when it was last asked.
    pub(crate) status: Option<AcsStatus>,
    /// Whether a question was answered on it already.
    pub(crate) seasoned: bool,
}

impl Connection {
    /// Connects and logs in.
    pub(crate) async fn open(settings: &Sip2Settings, tls: Option<&Tls>) -> Result<Self, ConnectorError> {
        let origin = settings.origin();
        let connecting = timeout(settings.connect_timeout, connect(settings, tls));
        let stream = connecting.await.unwrap_or_else(|_| {
            let hint =
                "See whether the server is up, whether a firewall is between, and whether it wants TLS.";
            Err(ConnectorError::new(
                Fault::Network,
                Retry::Later,
                format!("{origin}: no connection in {:?}", settings.connect_timeout),
                hint,
            ))
        })?;
        let session = Session::new(session_config(settings), Duration::ZERO)
            .map_err(|refused| fault::refused(refused, &origin))?;
        let now = Instant::now();
        let mut connection = Self { stream, session, began: now, used: now, status: None, seasoned: false };
        match connection.drive().await {
            Event::Ready(status) => {
                connection.status = status;
                Ok(connection)
            }
            Event::Failed(failure) => Err(fault::of(failure, &origin)),
            Event::Answer(_) => Err(fault::of(Failure::Unasked, &origin)),
        }
    }

    /// Whether it can be asked a question. A socket that was closed meanwhile, or on which something came that nobody had
    /// asked for, cannot; one that was silent for long is asked for a sign of life.
    pub(crate) async fn is_good(&mut self, keepalive: Duration) -> bool {
        let mut buffer = [0; 512];
        // Nothing to read is as it should be; an end shows here without waiting for it.
        if let Ok(read) = timeout(Duration::ZERO, self.stream.read(&mut buffer)).await {
            match read {
                Ok(0) | Err(_) => self.session.handle_end(),
                Ok(n) => self.session.handle_input(buffer.get(..n).unwrap_or_default(), self.began.elapsed()),
            }
        }
        if self.session.state() != State::Idle {
            return false;
        }
        if self.used.elapsed() < keepalive {
            return true;
        }
        if self.session.ask_status(self.began.elapsed()).is_err() {
            return false;
        }
        matches!(self.drive().await, Event::Ready(_))
    }

    /// Asks a question. After [`Asked::Failed`] the connection is of no more use.
    pub(crate) async fn ask(&mut self, call: Call, origin: &str) -> Result<Asked, Refused> {
        match self.session.ask(call, self.began.elapsed()) {
            Ok(()) => {}
            Err(refused @ (Refused::Encode(_) | Refused::NoPatron)) => {
                return Ok(Asked::NotSent(fault::refused(refused, origin)));
            }
            Err(refused) => return Err(refused),
        }
        let event = self.drive().await;
        self.used = Instant::now();
        self.seasoned = true;
        Ok(match event {
            Event::Answer(message) => Asked::Answer(Box::new(message)),
            Event::Failed(failure) => Asked::Failed(failure),
            Event::Ready(_) => Asked::Failed(Failure::Unasked),
        })
    }

    /// Whether it may be used again.
    pub(crate) fn is_open(&self) -> bool {
        self.session.state() == State::Idle
    }

    /// Sends and reads until something happened. Each message goes out in one write.
    async fn drive(&mut self) -> Event {
        let mut buffer = [0; 4_096];
        loop {
            if let Some(event) = self.session.poll_event() {
                return event;
            }
            let due = self.session.poll_timeout().map(|due| self.began + due);
            let due = due.unwrap_or_else(Instant::now);
            while let Some(bytes) = self.session.poll_transmit() {
                let writing = async {
                    self.stream.write_all(&bytes).await?;
                    self.stream.flush().await
                };
                match timeout_at(due, writing).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => self.session.handle_end(),
                    Err(_) => self.session.handle_timeout(due - self.began),
                }
            }
            match timeout_at(due, self.stream.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => self.session.handle_end(),
                Ok(Ok(n)) => {
                    let bytes = buffer.get(..n).unwrap_or_default();
                    self.session.handle_input(bytes, self.began.elapsed());
                }
                Err(_) => self.session.handle_timeout(due - self.began),
            }
        }
    }
}

fn session_config(settings: &Sip2Settings) -> SessionConfig {
    SessionConfig {
        wire: settings.wire,
        detection: settings.detection,
        login: settings.login.as_ref().map(|login| Credentials {
            name: login.name.as_str().into(),
            password: login.password.reveal().into(),
            location: login.location.as_deref().map(Into::into),
        }),
        status: settings.status,
        deadline: settings.deadline,
        // The pool gives signs of life, when it takes a connection out.
        keepalive: None,
        aliases: settings.aliases,
        ..SessionConfig::default()
    }
}

async fn connect(settings: &Sip2Settings, tls: Option<&Tls>) -> Result<Box<dyn Stream>, ConnectorError> {
    let origin = settings.origin();
    let error = |fault, retry, what: String, hint: &str| {
        ConnectorError::new(fault, retry, format!("{origin}: {what}"), hint)
    };
    let socket = TcpStream::connect((settings.host.as_str(), settings.port)).await.map_err(|e| {
        let hint = "See whether the server is up and the address is right.";
        error(Fault::Network, Retry::Later, format!("no connection: {}", in_words(&e)), hint)
    })?;
    // One write a message, at once: some servers take each segment for a message.
    let _best_effort = socket.set_nodelay(true);
    let Some(tls) = tls else { return Ok(Box::new(socket)) };
    match tls.connector.connect(tls.name.clone(), socket).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(e) => Err(match tls_error(&e) {
            Some(what) => error(
                Fault::Operator,
                Retry::NotThisTarget,
                format!("the server's certificate is not trusted: {what}"),
                "Give its issuer's certificate as ca_file, or its own digest as pin; it is never gone on in clear.",
            ),
            None => error(
                Fault::Network,
                Retry::Later,
                format!("no TLS: {}", in_words(&e)),
                "See whether this port speaks TLS; where it does not, tls = \"off\" says so.",
            ),
        }),
    }
}

/// What is wrong with a certificate, where that is what is wrong.
fn tls_error(error: &io::Error) -> Option<&'static str> {
    let rustls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    use rustls::CertificateError as C;
    let rustls::Error::InvalidCertificate(certificate) = rustls else { return None };
    Some(match certificate {
        C::Expired | C::ExpiredContext { .. } => "it has expired",
        C::NotValidYet | C::NotValidYetContext { .. } => "it is not valid yet",
        C::NotValidForName | C::NotValidForNameContext { .. } => "it is another name's",
        C::UnknownIssuer => "its issuer is not known here",
        C::ApplicationVerificationFailure => "it is not the one that was pinned",
        _ => "it cannot be verified",
    })
}

fn in_words(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused",
        io::ErrorKind::ConnectionReset => "reset by the other side",
        io::ErrorKind::UnexpectedEof => "the other side closed it",
        io::ErrorKind::TimedOut => "no answer in time",
        io::ErrorKind::InvalidData => "what came is no TLS",
        _ => "the network says no",
    }
}

/// Shared by everybody who opens connections.
pub(crate) type SharedTls = Option<Arc<Tls>>;
