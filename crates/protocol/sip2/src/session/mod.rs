//! A client's side of one connection, without the connection: what arrives and the time go in, what is to be sent and
//! what happened come out.
//!
//! One question is under way at a time, with one absolute deadline. A time-out, or any answer that is not the one that
//! was asked for (its type, its patron, its sequence number), ends the session for good: what comes later could be
//! anybody's answer. (A server that has never sent a sequence number is believed by type and patron alone: nothing else
//! tells its answers apart.) A question that changes something is sent once and never again, whatever the server asks for.
//! Times are counted from any moment of the caller's.

mod sequence;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use crate::checksum::{ChecksumRule, Summed, Trail, checksum};
use crate::codec::{DecodeError, Decoded, EncodeError, decode, encode};
use crate::fields::{FieldCode, Fields};
use crate::fixed::{Chars, Number, Version};
use crate::message::{AcsStatus, Code, Login, Message, ResendFromServer, ScStatus};
use crate::value::Value;
use crate::wire::{Framer, Wire};

use sequence::Sequence;

/// Whether messages carry sequence numbers and sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ErrorDetection {
    /// Ours do, and answers must.
    Required,
    /// Ours do; answers without are taken and counted.
    #[default]
    Auto,
    /// Ours do not.
    Off,
}

/// What a 93 says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// CN.
    pub name: Value,
    /// CO.
    pub password: Value,
    /// CP, where the server wants one.
    pub location: Option<Value>,
}

/// How a session with one server goes.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// How messages look.
    pub wire: Wire,
    /// Whether they carry sums.
    pub detection: ErrorDetection,
    /// How to log in; none: no 93 is sent.
    pub login: Option<Credentials>,
    /// Whether the server is asked for its status before anything else.
    pub status: bool,
    /// How long the answer to a login, a status and a sign of life may take.
    pub deadline: Duration,
    /// After how long without a message a 99 is sent as a sign of life; none: never.
    pub keepalive: Option<Duration>,
    /// How often one message may be sent again, and asked for again.
    pub resends: u8,
    /// Whether an answer may bear another patron's number than the one asked for, where a server looks up by user names too.
    pub aliases: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            wire: Wire::default(),
            detection: ErrorDetection::default(),
            login: None,
            status: true,
            deadline: Duration::from_secs(10),
            keepalive: Some(Duration::from_secs(240)),
            resends: 3,
            aliases: false,
        }
    }
}

/// One question.
#[derive(Debug, Clone)]
pub struct Call {
    /// The message.
    pub message: Message,
    /// The number of the message that answers it.
    pub answered_by: Code,
    /// The patron it is about: the answer's AA must be this.
    pub about: Option<Value>,
    /// Whether sending it twice does no harm. False for everything that changes something.
    pub repeatable: bool,
    /// How long its answer may take, from now to its last byte.
    pub deadline: Duration,
}

/// Why a question was not taken. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another question is under way, or the session is not logged in yet.
    #[error("another message is under way")]
    Busy,
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
    /// It cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Its patron is empty: some servers would take anybody.
    #[error("the message names no patron")]
    NoPatron,
    /// Every sequence number would repeat an earlier question: open another connection.
    #[error("every sequence number would repeat an earlier question")]
    Exhausted,
}

/// Why a session ended. Whether a question under way was carried out is not known, save where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// 940.
    #[error("the server refused the login")]
    LoginRejected,
    /// The server is there, and the library's system behind it is not.
    #[error("the server says that it is off-line")]
    Offline,
    /// The server speaks another edition, which has no 63.
    #[error("the server does not speak SIP 2")]
    UnsupportedVersion,
    /// No whole answer came in time.
    #[error("no answer came in time ({partial} bytes of one did)")]
    Timeout {
        /// How much of an answer came.
        partial: usize,
    },
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// What came cannot be read.
    #[error(transparent)]
    Unreadable(#[from] DecodeError),
    /// The answer to another kind of question.
    #[error("message {got} came where {wanted} was due")]
    Unexpected {
        /// What was due.
        wanted: Code,
        /// What came.
        got: Code,
    },
    /// The answer is about another patron, or about none.
    #[error("the answer is about another patron than the one asked for")]
    PatronMismatch,
    /// The answer bears the number of another question.
    #[error("the answer bears another sequence number than the question")]
    Sequence,
    /// The answer has no sequence number or no sum, and must.
    #[error("the answer has no error detection")]
    Undetected,
    /// The server went on asking for the message.
    #[error("the server asked for the message again and again")]
    ResendLimit,
    /// The server asked for a message again that is never sent twice. It says that it did not understand it.
    #[error("the server did not understand the message and asked for it again")]
    NotRepeated,
    /// Something came that nobody had asked for.
    #[error("a message came that nobody had asked for")]
    Unasked,
    /// The last question was sent again, or its answer came without a number from a server that has them: a second answer
    /// to it could not be told from the next one, so this connection has served.
    #[error("a second answer to the last message could still come, so the connection is replaced")]
    Retired,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Logged in; what the server said of itself, where it was asked.
    Ready(Option<AcsStatus>),
    /// The answer to the question.
    Answer(Message),
    /// The session has ended; nothing more is to be sent, and the connection is to be closed.
    Failed(Failure),
}

/// What was let pass, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notices {
    /// Answers without error detection.
    pub undetected: u64,
    /// Answers whose sum was over code points.
    pub code_points: u64,
    /// Answers with letters that could not be read.
    pub lossy: u64,
    /// Messages sent or asked for again.
    pub resent: u64,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A 93 is under way.
    LoggingIn,
    /// A 99 is under way, after the login or as a sign of life.
    AskingStatus,
    /// Ready for a question.
    Idle,
    /// A question is under way.
    Asking,
    /// Over.
    Ended,
}

/// A question under way.
#[derive(Debug)]
struct UnderWay {
    call: Call,
    until: Duration,
    trail: Trail,
    sent_again: u8,
    asked_again: u8,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    state: State,
    under_way: Option<UnderWay>,
    framer: Framer,
    sequence: Sequence,
    transmit: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    notices: Notices,
    active: Duration,
    /// Whether the server has sent a sequence number on this connection.
    numbered: bool,
    /// Whether the session ends once the answer at hand is given out.
    retiring: bool,
}

impl Session {
    /// Begins on a connection that was just made: the login is to be sent.
    ///
    /// # Errors
    /// Where the login cannot be written.
    pub fn new(config: SessionConfig, now: Duration) -> Result<Self, Refused> {
        let mut session = Self {
            framer: Framer::new(config.wire.frame_limit),
            state: State::Idle,
            under_way: None,
            sequence: Sequence::default(),
            transmit: VecDeque::new(),
            events: VecDeque::new(),
            notices: Notices::default(),
            active: now,
            numbered: false,
            retiring: false,
            config,
        };
        match session.config.login.clone() {
            Some(login) => {
                let mut fields = Fields::new()
                    .with(FieldCode::LOGIN, login.name)
                    .with(FieldCode::LOGIN_PASSWORD, login.password);
                if let Some(location) = login.location {
                    fields.push(FieldCode::LOCATION, location);
                }
                let zero = Chars::new([b'0']).unwrap_or(Chars::BLANK);
                let message = Login { user_algorithm: zero, password_algorithm: zero, fields }.into();
                session.send(State::LoggingIn, own(message, b"94", session.config.deadline), now)?;
            }
            None => session.after_login(now)?,
        }
        Ok(session)
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// What was let pass so far.
    #[must_use]
    pub fn notices(&self) -> Notices {
        self.notices
    }

    /// The next bytes to send, in one write.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmit.pop_front()
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called, if nothing arrives before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match (&self.under_way, self.state) {
            (Some(under_way), _) => Some(under_way.until),
            (None, State::Idle) => Some(self.active.saturating_add(self.config.keepalive?)),
            (None, _) => None,
        }
    }

    /// Asks a question.
    ///
    /// # Errors
    /// [`Refused`] where it is not taken; nothing was sent then.
    pub fn ask(&mut self, call: Call, now: Duration) -> Result<(), Refused> {
        match self.state {
            State::Idle => {}
            State::Ended => return Err(Refused::Ended),
            State::LoggingIn | State::AskingStatus | State::Asking => return Err(Refused::Busy),
        }
        if call.about.as_ref().is_some_and(Value::is_blank) {
            return Err(Refused::NoPatron);
        }
        self.send(State::Asking, call, now)
    }

    /// Sends a 99 now, as a sign of life: an answer makes [`Event::Ready`] once more.
    ///
    /// # Errors
    /// [`Refused`] where a question is under way or the session has ended.
    pub fn ask_status(&mut self, now: Duration) -> Result<(), Refused> {
        match self.state {
            State::Idle => self.send_status(now),
            State::Ended => Err(Refused::Ended),
            State::LoggingIn | State::AskingStatus | State::Asking => Err(Refused::Busy),
        }
    }

    /// Bytes arrived.
    pub fn handle_input(&mut self, bytes: &[u8], now: Duration) {
        // An answer that comes after its time is late, even where nobody had looked at the clock.
        self.give_up(now);
        let mut rest = bytes;
        while !rest.is_empty() && self.state != State::Ended {
            match self.framer.take(rest) {
                Err(too_long) => {
                    self.fail(DecodeError::TooLong { limit: too_long.limit }.into());
                }
                Ok((taken, frame)) => {
                    rest = rest.get(taken..).unwrap_or_default();
                    match frame {
                        Some(frame) => self.frame(&frame, now),
                        None if self.under_way.is_none() && self.framer.partial() > 0 => {
                            self.fail(Failure::Unasked);
                        }
                        None => {}
                    }
                }
            }
        }
    }

    /// The server closed the connection.
    pub fn handle_end(&mut self) {
        self.fail(Failure::Closed);
    }

    /// The time that [`Self::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.give_up(now);
        let silent = self.state == State::Idle && self.poll_timeout().is_some_and(|due| now >= due);
        // It was written before, so it can be now; without a number left, the connection has served.
        if silent && self.send_status(now).is_err() {
            self.fail(Failure::Retired);
        }
    }

    /// Ends the session where the question under way has had its time.
    fn give_up(&mut self, now: Duration) {
        if self.under_way.as_ref().is_some_and(|under_way| now >= under_way.until) {
            self.fail(Failure::Timeout { partial: self.framer.partial() });
        }
    }

    fn fail(&mut self, failure: Failure) {
        if self.state == State::Ended {
            return;
        }
        self.state = State::Ended;
        self.under_way = None;
        self.transmit.clear();
        self.events.push_back(Event::Failed(failure));
    }

    fn send_status(&mut self, now: Duration) -> Result<(), Refused> {
        let status = Chars::new([b'0']).unwrap_or(Chars::BLANK);
        let message =
            ScStatus { status, print_width: Number::new(80), version: Version::V2_00, fields: Fields::new() };
        self.send(State::AskingStatus, own(message.into(), b"98", self.config.deadline), now)
    }

    fn after_login(&mut self, now: Duration) -> Result<(), Refused> {
        if self.config.status {
            return self.send_status(now);
        }
        self.state = State::Idle;
        self.events.push_back(Event::Ready(None));
        Ok(())
    }

    fn send(&mut self, state: State, call: Call, now: Duration) -> Result<(), Refused> {
        let (message, wire) = (&call.message, &self.config.wire);
        let trail = match self.config.detection {
            ErrorDetection::Off => Trail::None,
            ErrorDetection::Required | ErrorDetection::Auto => {
                // Written once to be sure that it can be, and for its sum, which the number alone moves.
                let written = encode(message, wire, Trail::Sequenced(0))?;
                let through_az = written.len().saturating_sub(4);
                let zero = checksum(written.get(..through_az).unwrap_or_default());
                let sum_with = |number: u8| zero.wrapping_sub(u16::from(number));
                let number = self.sequence.pick(call.about.as_ref(), sum_with).ok_or(Refused::Exhausted)?;
                Trail::Sequenced(number)
            }
        };
        let frame = self.ended(encode(message, wire, trail)?);
        self.transmit.push_back(frame);
        self.state = state;
        self.active = now;
        let until = now.saturating_add(call.deadline);
        self.under_way = Some(UnderWay { call, until, trail, sent_again: 0, asked_again: 0 });
        Ok(())
    }

    fn ended(&self, mut frame: Vec<u8>) -> Vec<u8> {
        frame.extend_from_slice(self.config.wire.terminator.bytes());
        frame
    }

    fn frame(&mut self, frame: &[u8], now: Duration) {
        if self.under_way.is_none() {
            return self.fail(Failure::Unasked);
        }
        match decode(frame, &self.config.wire) {
            Err(error @ DecodeError::Checksum { .. }) => self.ask_again(error),
            Err(error) => self.fail(error.into()),
            Ok(Decoded { message: Message::ResendFromClient(_), .. }) => self.send_again(),
            Ok(decoded) => match self.accept(&decoded) {
                Err(failure) => self.fail(failure),
                Ok(()) => {
                    self.notices.lossy += u64::from(decoded.lossy);
                    self.notices.code_points += u64::from(decoded.summed == Summed::CodePoints);
                    self.answered(decoded.message, now);
                }
            },
        }
    }

    /// A damaged answer: the server is asked to send it again, which repeats no question.
    fn ask_again(&mut self, error: DecodeError) {
        let resends = self.config.resends;
        let again = self.under_way.as_mut().filter(|u| u.call.repeatable && u.asked_again < resends);
        let Some(under_way) = again else { return self.fail(error.into()) };
        under_way.asked_again += 1;
        self.notices.resent += 1;
        let request = ResendFromServer { fields: Fields::new() }.into();
        match encode(&request, &self.config.wire, Trail::SumOnly) {
            Ok(frame) => {
                let frame = self.ended(frame);
                self.transmit.push_back(frame);
            }
            Err(_) => self.fail(error.into()),
        }
    }

    /// The server did not understand the question: it is sent again as it was, without a sequence number, where that does
    /// no harm.
    fn send_again(&mut self) {
        let resends = self.config.resends;
        let Some(under_way) = self.under_way.as_mut() else { return };
        if !under_way.call.repeatable {
            return self.fail(Failure::NotRepeated);
        }
        if under_way.sent_again >= resends {
            return self.fail(Failure::ResendLimit);
        }
        under_way.sent_again += 1;
        self.notices.resent += 1;
        let trail = if under_way.trail == Trail::None { Trail::None } else { Trail::SumOnly };
        match encode(&under_way.call.message, &self.config.wire, trail) {
            Ok(frame) => {
                let frame = self.ended(frame);
                self.transmit.push_back(frame);
            }
            Err(_) => self.fail(Failure::ResendLimit),
        }
    }

    /// Whether a message answers the question under way.
    fn accept(&mut self, decoded: &Decoded) -> Result<(), Failure> {
        let Some(under_way) = &self.under_way else { return Err(Failure::Unasked) };
        let (wanted, got) = (under_way.call.answered_by, decoded.message.code());
        if wanted != got {
            return Err(Failure::Unexpected { wanted, got });
        }
        let again = under_way.sent_again + under_way.asked_again > 0;
        let lenient = self.config.wire.checksum != ChecksumRule::Strict;
        match (under_way.trail, decoded.trail) {
            (Trail::Sequenced(sent), Trail::Sequenced(got)) if sent == got => {}
            // Some servers number what they send again with 0. An old answer may bear it as well, so only where this
            // patron was not asked for with it.
            (Trail::Sequenced(_), Trail::Sequenced(0))
                if under_way.asked_again > 0
                    && !self.sequence.asked_with(0, under_way.call.about.as_ref()) => {}
            (Trail::Sequenced(_), Trail::Sequenced(_)) => return Err(Failure::Sequence),
            (Trail::Sequenced(_), Trail::SumOnly) if again || lenient => {}
            (Trail::Sequenced(_), Trail::SumOnly) => return Err(Failure::Undetected),
            (Trail::Sequenced(_), Trail::None) => {
                if self.config.detection == ErrorDetection::Required {
                    return Err(Failure::Undetected);
                }
                self.notices.undetected += 1;
            }
            (Trail::None | Trail::SumOnly, _) => {}
        }
        // A message sent again may be answered twice, and an answer without its number come twice: neither could be told
        // from the next answer about this patron.
        let unnumbered = decoded.trail != under_way.trail;
        self.retiring = under_way.call.about.is_some() && (again || (unnumbered && self.numbered));
        self.numbered |= !unnumbered && decoded.trail != Trail::None;
        if let Some(about) = &under_way.call.about {
            let said = match &decoded.message {
                // An extension's fixed part is not known here: whoever asked compares.
                Message::Other(_) => None,
                known => Some(known.fields().and_then(|fields| fields.get(FieldCode::PATRON))),
            };
            let same = said.is_none_or(|said| {
                said.is_some_and(|said| {
                    !said.is_blank() && (self.config.aliases || said.reveal().trim() == about.reveal().trim())
                })
            });
            if !same {
                return Err(Failure::PatronMismatch);
            }
        }
        Ok(())
    }

    fn answered(&mut self, message: Message, now: Duration) {
        self.under_way = None;
        self.active = now;
        let state = std::mem::replace(&mut self.state, State::Idle);
        match (state, message) {
            (State::LoggingIn, Message::LoginResponse(answer)) => {
                if !answer.ok.0 {
                    return self.fail(Failure::LoginRejected);
                }
                if self.after_login(now).is_err() {
                    self.fail(Failure::Closed);
                }
            }
            (State::AskingStatus, Message::AcsStatus(answer)) => {
                if !answer.online.0 {
                    return self.fail(Failure::Offline);
                }
                if !answer.version.is_two() {
                    return self.fail(Failure::UnsupportedVersion);
                }
                self.events.push_back(Event::Ready(Some(answer)));
            }
            (_, message) => {
                self.events.push_back(Event::Answer(message));
                if self.retiring {
                    self.fail(Failure::Retired);
                }
            }
        }
    }
}

/// A question of the session's own.
fn own(message: Message, answered_by: &[u8; 2], deadline: Duration) -> Call {
    Call { message, answered_by: Code(*answered_by), about: None, repeatable: true, deadline }
}
