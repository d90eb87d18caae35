//! A practice mail server on a real socket: it keeps what it is given, and misbehaves on demand. No TLS, one mailbox for all.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// How the server behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// It takes everything.
    #[default]
    Takes,
    /// It asks for patience at the recipient: 451. What it says holds the recipient's address.
    Later,
    /// It refuses the recipient: 550. What it says holds the recipient's address.
    Refuses,
    /// It says nothing, not even a greeting.
    Hangs,
    /// It takes a message and then never says so.
    HangsAfterTheMessage,
    /// It closes the connection in the middle of the message.
    Drops,
    /// It greets with what is no SMTP.
    Babbles,
    /// It takes nothing without a login, which is `rostercard` and `practice`.
    WantsALogin,
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// From whom, by the envelope.
    pub from: String,
    /// To whom, by the envelope.
    pub to: Vec<String>,
    /// Headers and text as they came.
    pub raw: String,
}

impl Message {
    /// A header's value, unfolded and decoded where it is an encoded word.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let (head, _) = self.raw.split_once("\r\n\r\n")?;
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let found = head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })?;
        Some(found)
    }

    /// The text, with its transfer encoding taken off.
    #[must_use]
    pub fn text(&self) -> String {
        let body = self.raw.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        match self.header("content-transfer-encoding").as_deref() {
            Some("base64") => {
                let joined: String = body.split_whitespace().collect();
                String::from_utf8_lossy(&STANDARD.decode(joined).unwrap_or_default()).into_owned()
            }
            Some("quoted-printable") => quoted(body),
            _ => body.to_owned(),
        }
    }
}

fn quoted(body: &str) -> String {
    let joined = body.replace("=\r\n", "");
    let (mut bytes, mut rest) = (Vec::new(), joined.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, digits.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'=', Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[derive(Debug, Default)]
struct Inside {
    manner: Manner,
    messages: Vec<Message>,
    connections: usize,
    logins: usize,
}

/// A mail server at work. Dropped, it is gone.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
    task: AbortHandle,
}

fn lock(inside: &Mutex<Inside>) -> MutexGuard<'_, Inside> {
    inside.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MailServer {
    /// Starts one at a port of this machine that the system picks.
    ///
    /// # Errors
    /// No port could be had.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let inside = Arc::new(Mutex::new(Inside::default()));
        let shared = inside.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move {
                    // Whoever hangs up has what they wanted.
                    drop(converse(stream, &shared).await);
                });
            }
        });
        Ok(Self { address, inside, task: task.abort_handle() })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on it behaves so.
    pub fn set_manner(&self, manner: Manner) {
        lock(&self.inside).manner = manner;
    }

    /// Every message so far, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        lock(&self.inside).messages.clone()
    }

    /// Every message since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<Message> {
        std::mem::take(&mut lock(&self.inside).messages)
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        lock(&self.inside).connections
    }

    /// How many logins were right.
    #[must_use]
    pub fn logins(&self) -> usize {
        lock(&self.inside).logins
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(stream: TcpStream, inside: &Mutex<Inside>) -> std::io::Result<()> {
    let manner = {
        let mut inside = lock(inside);
        inside.connections += 1;
        inside.manner
    };
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    match manner {
        Manner::Hangs => return std::future::pending().await,
        Manner::Babbles => write.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello\r\n").await?,
        _ => write.write_all(b"220 practice.example ESMTP\r\n").await?,
    }
    let (mut from, mut to) = (String::new(), Vec::new());
    let mut known = manner != Manner::WantsALogin;
    while let Some(line) = lines.next_line().await? {
        let verb: String = line.chars().take(4).collect::<String>().to_ascii_uppercase();
        let address = || {
            line.split_once('<')
                .and_then(|(_, rest)| rest.split_once('>'))
                .map_or(String::new(), |(a, _)| a.to_owned())
        };
        let answer = match verb.as_str() {
            "EHLO" => "250-practice.example\r\n250-AUTH PLAIN\r\n250-8BITMIME\r\n250 SIZE 1000000".to_owned(),
            "HELO" | "RSET" | "NOOP" => "250 ok".to_owned(),
            "AUTH" => {
                let given = line.split_whitespace().nth(2).unwrap_or_default();
                if STANDARD.decode(given).is_ok_and(|plain| plain == b"\0rostercard\0practice") {
                    known = true;
                    lock(inside).logins += 1;
                    "235 welcome".to_owned()
                } else {
                    "535 wrong user or password".to_owned()
                }
            }
            "MAIL" if !known => "530 log in first".to_owned(),
            "MAIL" => {
                from = address();
                "250 ok".to_owned()
            }
            "RCPT" => match manner {
                Manner::Later => format!("451 later please, dear {}", address()),
                Manner::Refuses => format!("550 nobody here is {}", address()),
                _ => {
                    to.push(address());
                    "250 ok".to_owned()
                }
            },
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut raw = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    if manner == Manner::Drops {
                        return Ok(());
                    }
                    raw.push_str(line.strip_prefix('.').unwrap_or(&line));
                    raw.push_str("\r\n");
                }
                lock(inside).messages.push(Message {
                    from: std::mem::take(&mut from),
                    to: std::mem::take(&mut to),
                    raw,
                });
                if manner == Manner::HangsAfterTheMessage {
                    return std::future::pending().await;
                }
                "250 taken".to_owned()
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "502 not known here".to_owned(),
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
