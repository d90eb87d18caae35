//! Raw TCP, as the oldest responders speak it: connect, send one message, read one message. There is no length before a
//! message; it ends with its end tag.
//!
//! It deliberately keeps no connection for a second message, and has no TLS: those responders have none.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// How much is read at once.
const PIECE: usize = 8 * 1024;
/// The longest end tag that is looked for: prefix, name, white space.
const LONGEST_TAG: usize = 128;

/// A host and a port, written `tcp://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpAddress {
    host: String,
    port: u16,
}

/// Why an address will not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TcpAddressError {
    /// It is no host with a port.
    #[error("this is not a host with a port; it should look like tcp://ils.example.org:5994")]
    NotAnAddress,
    /// Another machine, without leave.
    #[error(
        "plain TCP would send patrons' data readably over the network: use a tunnel, or set allow_http = true"
    )]
    Plain,
}

impl TcpAddress {
    /// What such an address begins with.
    pub const SCHEME: &'static str = "tcp://";

    /// Reads `tcp://host:port`. Another machine than this one is only spoken to where `allow_plain` says so.
    ///
    /// # Errors
    /// [`TcpAddressError`] where it is none, or not allowed.
    pub fn parse(text: &str, allow_plain: bool) -> Result<Self, TcpAddressError> {
        let wrong = TcpAddressError::NotAnAddress;
        let rest = text.trim().strip_prefix(Self::SCHEME).ok_or(wrong)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or(wrong)?;
        let host = match (host.strip_prefix('['), host.contains(':')) {
            (Some(inner), _) => inner.strip_suffix(']').ok_or(wrong)?,
            (None, true) => return Err(wrong),
            (None, false) => host,
        };
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(letters) {
            return Err(wrong);
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(wrong)?;
        let address = Self { host: host.to_owned(), port };
        if address.is_readable_on_the_way() && !allow_plain {
            return Err(TcpAddressError::Plain);
        }
        Ok(address)
    }

    /// An address that nobody listens at, for settings that are not going to be used.
    pub(crate) fn nowhere() -> Self {
        Self { host: "localhost".to_owned(), port: 9 }
    }

    /// Whether what is sent can be read on the way, by others than this machine.
    pub fn is_readable_on_the_way(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => !ip.is_loopback(),
            Err(_) => self.host != "localhost" && !self.host.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for TcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{}[{}]:{}", Self::SCHEME, self.host, self.port)
        } else {
            write!(f, "{}{}:{}", Self::SCHEME, self.host, self.port)
        }
    }
}

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TcpFailure {
    /// No connection: nothing was sent.
    NoConnection,
    /// The deadline passed after the message was sent, at least in part.
    Deadline,
    /// The connection ended with no answer at all.
    Closed,
    /// The answer is longer than allowed.
    TooLong,
}

/// Exchanges of one message each.
#[derive(Debug)]
pub(crate) struct TcpClient {
    address: TcpAddress,
    deadline: Duration,
    limit: usize,
    turns: Semaphore,
}

impl TcpClient {
    pub(crate) fn new(address: TcpAddress, deadline: Duration, connections: usize, limit: usize) -> Self {
        let turns = Semaphore::new(connections.clamp(1, Semaphore::MAX_PERMITS));
        Self { address, deadline, limit, turns }
    }

    /// Sends a message and reads what comes back, whole or not: whether it is an answer is the reader's to say.
    pub(crate) async fn send(&self, message: &[u8]) -> Result<Vec<u8>, TcpFailure> {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await.ok();
        let until = Instant::now() + self.deadline;
        // Before the end, so that a responder that lets nobody in is known to have got nothing.
        let connected = Instant::now() + self.deadline * 4 / 5;
        let connect = TcpStream::connect((self.address.host.as_str(), self.address.port));
        let Ok(Ok(mut stream)) = timeout_at(connected, connect).await else {
            return Err(TcpFailure::NoConnection);
        };
        match timeout_at(until, self.exchange(&mut stream, message)).await {
            Ok(answer) => answer,
            Err(_) => Err(TcpFailure::Deadline),
        }
    }

    async fn exchange(&self, stream: &mut TcpStream, message: &[u8]) -> Result<Vec<u8>, TcpFailure> {
        stream.write_all(message).await.map_err(|_| TcpFailure::Closed)?;
        let mut answer = Vec::new();
        let mut piece = vec![0; PIECE];
        loop {
            match stream.read(&mut piece).await {
                // A connection that is reset after a whole answer has ended the loop before.
                Ok(0) | Err(_) if answer.is_empty() => return Err(TcpFailure::Closed),
                Ok(0) | Err(_) => return Ok(answer),
                Ok(n) => {
                    let from = answer.len().saturating_sub(LONGEST_TAG);
                    answer.extend_from_slice(piece.get(..n).unwrap_or_default());
                    if answer.len() > self.limit {
                        return Err(TcpFailure::TooLong);
                    }
                    if has_ended(answer.get(from..).unwrap_or_default()) {
                        return Ok(answer);
                    }
                }
            }
        }
    }
}

/// Whether a message's end tag is in these bytes, under any prefix. Only when to stop reading is decided here.
fn has_ended(bytes: &[u8]) -> bool {
    bytes.split(|b| *b == b'<').skip(1).any(|tag| {
        let Some(rest) = tag.strip_prefix(b"/") else { return false };
        let Some(end) = rest.iter().position(|b| *b == b'>') else { return false };
        let name = rest.get(..end).unwrap_or_default().trim_ascii_end();
        let name = name.rsplit(|b| *b == b':').next().unwrap_or_default();
        matches!(name, b"NCIPMessage" | b"NCIPVersionMessage")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        use TcpAddressError::{NotAnAddress, Plain};
        for (text, allow, wanted) in [
            ("tcp://127.0.0.1:5994", false, Ok("tcp://127.0.0.1:5994")),
            ("tcp://[::1]:5994/", false, Ok("tcp://[::1]:5994")),
            ("tcp://localhost:1", false, Ok("tcp://localhost:1")),
            ("tcp://ils.example.org:5994", true, Ok("tcp://ils.example.org:5994")),
            ("tcp://ils.example.org:5994", false, Err(Plain)),
            ("tcp://10.0.0.1:5994", false, Err(Plain)),
            ("tcp://ils.example.org", true, Err(NotAnAddress)),
            ("tcp://ils.example.org:0", true, Err(NotAnAddress)),
            ("tcp://ils.example.org:70000", true, Err(NotAnAddress)),
            ("tcp://zoe:4711@ils.example.org:1", true, Err(NotAnAddress)),
            ("tcp://ils.example.org:1/T0KEN", true, Err(NotAnAddress)),
            ("tcp://::1:5994", true, Err(NotAnAddress)),
            ("tcp://:5994", true, Err(NotAnAddress)),
            ("http://127.0.0.1:5994", true, Err(NotAnAddress)),
        ] {
            let got = TcpAddress::parse(text, allow).map(|address| address.to_string());
            assert_eq!(got.as_deref(), wanted.as_deref(), "{text}");
        }
    }

    #[test]
    fn the_end_of_a_message_is_its_end_tag() {
        for (bytes, wanted) in [
            ("<a></NCIPMessage>", true),
            ("<a></ncip:NCIPMessage \n>", true),
            ("</NCIPVersionMessage>\n", true),
            ("</NCIPMessage", false),
            ("<NCIPMessage>", false),
            ("NCIPMessage>", false),
            ("</MyNCIPMessage>", false),
            ("", false),
        ] {
            assert_eq!(has_ended(bytes.as_bytes()), wanted, "{bytes}");
        }
    }
}
