//! SIP 2.00, the server's side: login, status, look-ups, blocks. Written from the specification, not from the connector.

mod personality;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deunicode::deunicode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub use personality::{Blocking, Nobody, OnUnknown, SIP2_PERSONALITIES, Sip2Personality};

use super::Shared;
use super::faults::{Struck, What};
use super::patron::Patron;

/// The institution that answers name.
const INSTITUTION: &str = "PRACTICE";
/// The longest message that is read.
const LONGEST: usize = 8_192;
/// A time in the server's answers: these patrons have no need of a clock.
const TIME: &str = "20260901    080000";
/// The kind of a block that came over SIP2.
const BLOCK: &str = "sip2";

/// What the connections of one server share.
struct Server {
    shared: Arc<Shared>,
    personality: Sip2Personality,
    places: Semaphore,
    look_ups: AtomicU64,
    /// Wrong logins by card.
    wrong: Mutex<HashMap<String, u32>>,
}

/// Serves SIP2 on a listener until the ILS stops.
pub(super) fn serve(
    listener: TcpListener,
    shared: &Arc<Shared>,
    personality: Sip2Personality,
) -> JoinHandle<()> {
    let server = Arc::new(Server {
        shared: Arc::clone(shared),
        places: Semaphore::new(personality.connections.unwrap_or(Semaphore::MAX_PERMITS)),
        look_ups: AtomicU64::new(0),
        wrong: Mutex::default(),
        personality,
    });
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = server.shared.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((socket, _)) = accepted else { continue };
            // Answers are small: each goes out at once.
            let _best_effort = socket.set_nodelay(true);
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let stop = server.shared.stop.clone();
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = server.talk(socket) => {}
                }
            });
        }
    })
}

/// What is to be done after a message.
enum Reply {
    /// This, and an end of message.
    Say(String),
    /// This as it is, with or without an end.
    Raw(String),
    /// Nothing.
    Silence,
    /// The connection is closed.
    Close,
}

/// A message that came, without its end.
struct Asked {
    code: String,
    body: String,
    number: Option<char>,
}

impl Asked {
    /// Takes a message apart; its sum is wrong where this is `None`.
    fn read(frame: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(frame);
        let mut body = text.as_ref();
        let mut number = None;
        if let Some(at) = text.rfind("AZ").filter(|at| text.len() == at + 6) {
            let through = frame.get(..at + 2)?;
            let sum: u16 = through.iter().fold(0, |sum: u16, b| sum.wrapping_add(u16::from(*b)));
            let said = u16::from_str_radix(text.get(at + 2..)?, 16).ok()?;
            if sum.wrapping_add(said) != 0 {
                return None;
            }
            body = text.get(..at)?;
            if let Some((rest, digit)) = body.split_at_checked(body.len().saturating_sub(3))
                && let Some(digit) = digit.strip_prefix("AY").and_then(|d| d.chars().next())
            {
                number = Some(digit);
                body = rest;
            }
        }
        let code = body.get(..2)?.to_owned();
        Some(Self { code, body: body.get(2..)?.to_owned(), number })
    }

    /// A variable field behind so many fixed characters.
    fn field(&self, fixed: usize, code: &str) -> Option<&str> {
        self.body.get(fixed..)?.split('|').find_map(|field| field.strip_prefix(code))
    }
}

impl Server {
    async fn talk(self: &Arc<Self>, mut socket: TcpStream) {
        // Taken, and not served: as a server does whose children are all at work.
        let Ok(_place) = self.places.acquire().await else { return };
        let mut buffer: Vec<u8> = Vec::new();
        let mut logged_in = false;
        let mut last = String::new();
        loop {
            let end = buffer.iter().position(|b| *b == b'\r');
            let Some(end) = end else {
                let mut piece = [0; 1_024];
                match socket.read(&mut piece).await {
                    Ok(0) | Err(_) => return,
                    Ok(n) => buffer.extend_from_slice(piece.get(..n).unwrap_or_default()),
                }
                if buffer.len() > LONGEST {
                    return;
                }
                continue;
            };
            let frame: Vec<u8> = buffer.drain(..=end).filter(|b| !matches!(b, b'\r' | b'\n')).collect();
            if frame.is_empty() {
                continue;
            }
            if self.shared.is_down() {
                return;
            }
            let Some(asked) = Asked::read(&frame) else {
                if send(&mut socket, "96AZFEF6\r").await.is_none() {
                    return;
                }
                continue;
            };
            let struck = self.shared.desk().arrived(service(&asked.code));
            let reply = self.answer(&asked, &struck, &mut logged_in, &last);
            self.shared.desk().under_way_ended();
            let wait = self.personality.delay
                + self.shared.latency
                + Duration::from_millis(struck.delay_ms)
                + self.lateness(&asked);
            if !wait.is_zero() && !self.shared.pause(wait).await {
                return;
            }
            let out = match (reply, &struck.what) {
                (Reply::Close, _) => return,
                (
                    _,
                    Some(What::Refuse | What::DropAnswer | What::Http { .. } | What::Http500 | What::Http503),
                ) => return,
                (Reply::Silence, _) => continue,
                (Reply::Raw(text), _) => text,
                (Reply::Say(text), what) => {
                    last = with_sum(text, asked.number);
                    match what {
                        Some(What::Garbage) => "Problems handling the request: null\r".to_owned(),
                        Some(What::AnswerTwice) => format!("{last}\r{last}\r"),
                        Some(What::Stall) => last.chars().take(last.chars().count() / 2).collect(),
                        Some(What::CutHalfway) => {
                            let half: String = last.chars().take(last.chars().count() / 2).collect();
                            let _gone = send(&mut socket, &half).await;
                            return;
                        }
                        _ => format!("{last}\r"),
                    }
                }
            };
            if send(&mut socket, &out).await.is_none() {
                return;
            }
        }
    }

    fn lateness(&self, asked: &Asked) -> Duration {
        match self.personality.late {
            Some((every, late)) if asked.code == "63" => {
                let nth = self.look_ups.fetch_add(1, Ordering::Relaxed) + 1;
                if nth.is_multiple_of(every) { late } else { Duration::ZERO }
            }
            _ => Duration::ZERO,
        }
    }

    fn answer(&self, asked: &Asked, struck: &Struck, logged_in: &mut bool, last: &str) -> Reply {
        if matches!(struck.what, Some(What::Refuse | What::Unsupported | What::TemporaryFailure)) {
            return Reply::Close;
        }
        let p = &self.personality;
        let ready = p.login.is_none() || *logged_in || matches!(asked.code.as_str(), "93" | "97");
        if !ready {
            return Reply::Close;
        }
        match asked.code.as_str() {
            "93" => {
                let said =
                    (asked.field(2, "CN").unwrap_or_default(), asked.field(2, "CO").unwrap_or_default());
                let right = p.login.as_ref().is_none_or(|(name, password)| said == (name, password));
                *logged_in = right;
                Reply::Say(format!("94{}", u8::from(right)))
            }
            "99" => {
                let numbers = if p.padded { " 10 10" } else { "010003" };
                Reply::Say(format!("98YYYYYY{numbers}{TIME}2.00AO{INSTITUTION}|AMPractice|BX{}|", p.supports))
            }
            "97" => match last.is_empty() {
                true => Reply::Silence,
                // What is sent again is sent as it was.
                false => Reply::Raw(format!("{last}\r")),
            },
            "63" => self.information(asked, struck),
            "01" if p.blocking != Blocking::Unknown => self.block(asked),
            "25" if p.blocking != Blocking::Unknown => self.enable(asked),
            _ => match p.on_unknown {
                OnUnknown::Close => Reply::Close,
                OnUnknown::Ignore => Reply::Silence,
                OnUnknown::None => Reply::Raw("None".to_owned()),
            },
        }
    }

    fn information(&self, asked: &Asked, struck: &Struck) -> Reply {
        let number = asked.field(31, "AA").unwrap_or_default();
        let pin = asked.field(31, "AD");
        let mut desk = self.shared.desk();
        let patron = desk.register.find(number).cloned();
        desk.note(
            "PatronInformation",
            number,
            if patron.is_some() { "found" } else { "not found" },
            struck.what.as_ref(),
        );
        drop(desk);
        let right = pin.map(|pin| patron.as_ref().and_then(|p| p.pin.as_deref()) == Some(pin));
        if self.personality.counts_logins && right == Some(false) {
            let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
            *wrong.entry(number.to_owned()).or_default() += 1;
        }
        let echoed = if struck.what == Some(What::WrongUser) { "0000WRONG" } else { number };
        let counts = "000000000000000000000000";
        match patron {
            Some(patron) => {
                let mut out =
                    format!("64{}001{TIME}{counts}AO{INSTITUTION}|AA{echoed}|", self.flags(&patron));
                out.push_str(&format!("AE{}|", self.name(&patron)));
                if self.personality.nobody != Nobody::NoValidity {
                    out.push_str("BLY|");
                }
                if let Some(right) = right {
                    out.push_str(if right { "CQY|" } else { "CQN|" });
                }
                if self.personality.vendor_fields {
                    let compact =
                        |date: &Option<String>| date.as_deref().unwrap_or_default().replace('-', "");
                    out.push_str(&format!(
                        "PA{}|PB{}|PC{}|AQ{}|",
                        compact(&patron.expires),
                        compact(&patron.birth_date),
                        patron.category.as_deref().unwrap_or_default(),
                        patron.home_branch.as_deref().unwrap_or_default()
                    ));
                }
                Reply::Say(out)
            }
            None => {
                let (flags, rest) = match self.personality.nobody {
                    Nobody::Clear => ("YYYY          ", "BLN|AFPatron does not exist.|"),
                    Nobody::NoValidity => ("              ", ""),
                    Nobody::AsError => ("              ", "BLN|AFINTERNAL SERVER ERROR|"),
                };
                Reply::Say(format!("64{flags}001{TIME}{counts}AO{INSTITUTION}|AA{echoed}|AE|{rest}"))
            }
        }
    }

    fn flags(&self, patron: &Patron) -> String {
        let denied =
            patron.blocked || patron.blocks.iter().any(|block| block == BLOCK) || self.locked(patron);
        let fines = patron.blocks.iter().any(|block| block != BLOCK);
        let four = if denied || fines { "YYYY" } else { "    " };
        let fined = if fines { "Y" } else { " " };
        format!("{four}      {fined}   ")
    }

    fn locked(&self, patron: &Patron) -> bool {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.get(&patron.barcode).is_some_and(|count| *count >= 3)
    }

    fn name(&self, patron: &Patron) -> String {
        let name = format!("{}, {}", patron.surname, patron.given).replace(['|', '\r', '\n'], " ");
        if self.personality.utf8 { name } else { deunicode(&name) }
    }

    fn block(&self, asked: &Asked) -> Reply {
        let number = asked.field(19, "AA").unwrap_or_default();
        let mut desk = self.shared.desk();
        let found = desk.register.find(number).cloned();
        let Some(patron) = found else {
            desk.note("BlockPatron", number, "not found", None);
            return match self.personality.on_unknown {
                OnUnknown::Close => Reply::Close,
                _ => Reply::Say(format!("24YYYY          001{TIME}AO{INSTITUTION}|AA{number}|AE|BLN|")),
            };
        };
        let mut message = "";
        if self.personality.blocking == Blocking::Done {
            // A register that cannot write leaves the card as it was, which a look-up then shows.
            let _refused = desk.register.change(number, "block", "sip2", |patron| {
                if !patron.blocks.iter().any(|block| block == BLOCK) {
                    patron.blocks.push(BLOCK.to_owned());
                }
                Ok(())
            });
            desk.counts.updated += 1;
        } else {
            message = "AFBlock feature not implemented|";
        }
        desk.note("BlockPatron", number, "answered", None);
        drop(desk);
        Reply::Say(format!(
            "24YYYY          001{TIME}AO{INSTITUTION}|AA{number}|AE{}|BLY|{message}",
            self.name(&patron)
        ))
    }

    fn enable(&self, asked: &Asked) -> Reply {
        let number = asked.field(18, "AA").unwrap_or_default();
        let all = self.personality.enable_clears_all;
        let mut desk = self.shared.desk();
        if self.personality.blocking == Blocking::Done {
            // Nobody of this number is told below.
            let _missing = desk.register.change(number, "enable", "sip2", |patron| {
                patron.blocks.retain(|block| !all && block != BLOCK);
                Ok(())
            });
            desk.counts.updated += 1;
        }
        desk.note("PatronEnable", number, "answered", None);
        let patron = desk.register.find(number).cloned();
        drop(desk);
        Reply::Say(match patron {
            Some(patron) => format!(
                "26{}001{TIME}AO{INSTITUTION}|AA{number}|AE{}|BLY|",
                self.flags(&patron),
                self.name(&patron)
            ),
            None => format!("26YYYY          001{TIME}AO{INSTITUTION}|AA{number}|AE|BLN|"),
        })
    }
}

fn service(code: &str) -> &'static str {
    match code {
        "63" => "PatronInformation",
        "01" => "BlockPatron",
        "25" => "PatronEnable",
        "93" => "Login",
        "99" => "Status",
        _ => "Other",
    }
}

/// A message with the number of its question and a sum, where that had them.
fn with_sum(mut text: String, number: Option<char>) -> String {
    if let Some(number) = number {
        text.push_str(&format!("AY{number}AZ"));
        let sum: u16 = text.bytes().fold(0, |sum: u16, b| sum.wrapping_add(u16::from(b)));
        text.push_str(&format!("{:04X}", sum.wrapping_neg()));
    }
    text
}

async fn send(socket: &mut TcpStream, text: &str) -> Option<()> {
    socket.write_all(text.as_bytes()).await.ok()
}
