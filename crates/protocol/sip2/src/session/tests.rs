//! The session against a server and a network that lose, delay, repeat and disorder answers, schedule by schedule.

use std::collections::BTreeMap;

use super::*;
use crate::fixed::OneZero;
use crate::fixed::{PatronFlag, PatronFlags, Summary, YesNo};
use crate::message::{
    BlockPatron, LoginResponse, PatronInformation, PatronInformationResponse, PatronStatusResponse,
};

/// The same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

const MS: Duration = Duration::from_millis(1);

fn config() -> SessionConfig {
    SessionConfig {
        login: Some(Credentials { name: "sync".into(), password: "secret".into(), location: None }),
        deadline: 100 * MS,
        keepalive: Some(1_000 * MS),
        ..SessionConfig::default()
    }
}

fn look_up(number: &str) -> Call {
    Call {
        message: PatronInformation {
            language: Number::new(1),
            date: None,
            summary: Summary::BLANK,
            fields: Fields::new().with(FieldCode::INSTITUTION, "PLS").with(FieldCode::PATRON, number),
        }
        .into(),
        answered_by: Code(*b"64"),
        about: Some(number.into()),
        repeatable: true,
        deadline: 100 * MS,
    }
}

fn block(number: &str) -> Call {
    Call {
        message: BlockPatron {
            card_retained: YesNo(false),
            date: None,
            fields: Fields::new().with(FieldCode::PATRON, number).with(FieldCode::BLOCKED_MESSAGE, "left"),
        }
        .into(),
        answered_by: Code(*b"24"),
        about: Some(number.into()),
        repeatable: false,
        deadline: 100 * MS,
    }
}

/// A server that keeps count of the blocks of each card, and says in AE how many there were when it answered.
#[derive(Default)]
struct Server {
    blocks: BTreeMap<String, u64>,
    last: Vec<u8>,
}

impl Server {
    /// The answer to a frame, none where it must be sent again.
    fn answer(&mut self, frame: &[u8]) -> Vec<u8> {
        let wire = Wire::default();
        let decoded = decode(frame, &wire).unwrap();
        let patron = |fields: &Fields| fields.get(FieldCode::PATRON).unwrap().reveal().to_owned();
        let told = |blocks: u64, number: String| {
            Fields::new()
                .with(FieldCode::INSTITUTION, "PLS")
                .with(FieldCode::PATRON, number)
                .with(FieldCode::NAME, format!("blocked {blocks}"))
                .with(FieldCode::VALID_PATRON, "Y")
        };
        let message: Message = match &decoded.message {
            Message::Login(_) => LoginResponse { ok: OneZero(true), fields: Fields::new() }.into(),
            Message::ScStatus(_) => {
                let status = b"98YYYYYY01000320260901    0800002.00AOPLS|BXYYYYYYYYYYYYYYYY|";
                decode(status, &wire).unwrap().message
            }
            Message::PatronInformation(asked) => {
                let number = patron(&asked.fields);
                let blocks = self.blocks.get(&number).copied().unwrap_or(0);
                let flags = if blocks > 0 {
                    PatronFlags::BLANK.with(PatronFlag::ChargeDenied)
                } else {
                    PatronFlags::BLANK
                };
                let none = Number::blank();
                PatronInformationResponse {
                    flags,
                    language: Number::new(1),
                    date: None,
                    holds: none,
                    overdue: none,
                    charged: none,
                    fines: none,
                    recalls: none,
                    unavailable: none,
                    fields: told(blocks, number),
                }
                .into()
            }
            Message::BlockPatron(asked) => {
                let number = patron(&asked.fields);
                let blocks = self.blocks.entry(number.clone()).or_default();
                *blocks += 1;
                PatronStatusResponse {
                    flags: PatronFlags::BLANK.with(PatronFlag::ChargeDenied),
                    language: Number::new(1),
                    date: None,
                    fields: told(*blocks, number),
                }
                .into()
            }
            Message::ResendFromServer(_) => return self.last.clone(),
            other => panic!("{other:?}"),
        };
        // A resent question has no number; the answer then has none either.
        self.last = encode(&message, &wire, decoded.trail).unwrap();
        self.last.push(b'\r');
        self.last.clone()
    }
}

/// One schedule: a client that looks cards up and blocks some, through a network at its worst. Panics where an answer is
/// taken that is not the answer, or where a block is sent twice without a look-up between.
fn schedule(seed: u64) {
    let mut dice = Dice(seed);
    let mut server = Server::default();
    let mut now = Duration::ZERO;
    // What each card must not be blocked again before: a look-up since its last block.
    let mut in_doubt: BTreeMap<String, bool> = BTreeMap::new();
    let trouble = dice.roll(5);
    for _connection in 0..4 {
        let mut session = Session::new(config(), now).unwrap();
        let mut on_the_way: Vec<(Duration, Vec<u8>)> = Vec::new();
        let mut asked: Option<(String, bool, u64)> = None;
        let mut questions = 0;
        'connection: for _step in 0..200 {
            while let Some(sent) = session.poll_transmit() {
                let frame = sent.strip_suffix(b"\r").unwrap();
                if frame.starts_with(b"01") {
                    let (number, _, _) = asked.as_ref().unwrap();
                    let doubt = in_doubt.insert(number.clone(), true);
                    assert_ne!(
                        doubt,
                        Some(true),
                        "seed {seed}: a block was sent twice without a look-up between"
                    );
                }
                let answers = if dice.roll(20) < trouble && !frame.starts_with(b"01") {
                    b"96AZFEF6\r".to_vec()
                } else {
                    server.answer(frame)
                };
                let arrives = |dice: &mut Dice| now + u32::try_from(1 + dice.roll(30)).unwrap() * MS;
                let mut answer = answers.clone();
                match dice.roll(40) {
                    n if n < trouble => continue,
                    n if n < 2 * trouble => {
                        // Late: after its deadline, or long after.
                        let late = now + u32::try_from(80 + dice.roll(600)).unwrap() * MS;
                        on_the_way.push((late, answer));
                        continue;
                    }
                    n if n < 3 * trouble => {
                        // Once more, now or much later.
                        let again = now + u32::try_from(1 + dice.roll(200)).unwrap() * MS;
                        on_the_way.push((again, answer.clone()));
                    }
                    n if n < 4 * trouble => {
                        let place = usize::try_from(dice.roll(answer.len() as u64 - 1)).unwrap();
                        answer[place] = b'?';
                    }
                    _ => {}
                }
                on_the_way.push((arrives(&mut dice), answer));
            }
            while let Some(event) = session.poll_event() {
                match event {
                    Event::Ready(_) => {}
                    Event::Answer(message) => {
                        let (number, blocking, before) = asked.take().unwrap();
                        let fields = message.fields().unwrap();
                        assert_eq!(fields.get(FieldCode::PATRON).unwrap().reveal(), number, "seed {seed}");
                        let said: u64 = fields
                            .get(FieldCode::NAME)
                            .and_then(|name| name.reveal().strip_prefix("blocked ")?.parse().ok())
                            .unwrap_or_else(|| panic!("seed {seed}: a damaged answer was taken"));
                        let holds = server.blocks.get(&number).copied().unwrap_or(0);
                        assert_eq!(said, holds, "seed {seed}: an old answer was taken for {number}");
                        assert!(said >= before + u64::from(blocking), "seed {seed}");
                        if !blocking {
                            in_doubt.insert(number, false);
                        }
                    }
                    Event::Failed(_) => {
                        assert_eq!(
                            session.poll_transmit(),
                            None,
                            "seed {seed}: nothing is sent after the end"
                        );
                        break 'connection;
                    }
                }
            }
            if session.state() == State::Idle && questions < 30 && dice.roll(3) > 0 {
                questions += 1;
                let number = format!("S{}", dice.roll(4));
                let may_block = in_doubt.get(&number) != Some(&true);
                let blocking = may_block && dice.roll(4) == 0;
                let before = server.blocks.get(&number).copied().unwrap_or(0);
                let call = if blocking { block(&number) } else { look_up(&number) };
                match session.ask(call, now) {
                    Ok(()) => asked = Some((number, blocking, before)),
                    Err(Refused::Exhausted) => break 'connection,
                    Err(other) => panic!("seed {seed}: {other}"),
                }
                continue;
            }
            // On to whatever comes next: something arrives, or a deadline.
            on_the_way.sort_by_key(|(at, _)| *at);
            let next = on_the_way.first().map(|(at, _)| *at);
            let due = session.poll_timeout();
            match (next, due) {
                (Some(at), due) if due.is_none_or(|due| at <= due) => {
                    now = now.max(at);
                    let (_, bytes) = on_the_way.remove(0);
                    // In two pieces, as a network may cut it.
                    let cut = usize::try_from(dice.roll(bytes.len() as u64)).unwrap();
                    session.handle_input(&bytes[..cut], now);
                    session.handle_input(&bytes[cut..], now);
                }
                (_, Some(due)) => {
                    now = now.max(due);
                    session.handle_timeout(now);
                }
                _ => break 'connection,
            }
        }
    }
}

/// How many schedules: thousands always, as many as `SIP2_SCHEDULES` says where it is set.
#[expect(clippy::disallowed_methods, reason = "how long a test may take is said from outside")]
fn schedules() -> u64 {
    std::env::var("SIP2_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(5_000)
}

#[test]
fn no_schedule_of_loss_delay_repetition_and_disorder_gets_a_wrong_answer_taken() {
    for seed in 0..schedules() {
        schedule(seed);
    }
}

/// A session that is logged in, at no time at all.
fn ready() -> (Session, Server) {
    let mut session = Session::new(config(), Duration::ZERO).unwrap();
    let mut server = Server::default();
    while let Some(sent) = session.poll_transmit() {
        let answer = server.answer(sent.strip_suffix(b"\r").unwrap());
        session.handle_input(&answer, Duration::ZERO);
    }
    assert!(matches!(session.poll_event(), Some(Event::Ready(Some(_)))));
    (session, server)
}

#[test]
fn one_question_at_a_time_and_none_without_a_patron() {
    let (mut session, _) = ready();
    assert_eq!(session.ask(look_up(" "), Duration::ZERO), Err(Refused::NoPatron));
    session.ask(look_up("S1"), Duration::ZERO).unwrap();
    assert_eq!(session.ask(look_up("S2"), Duration::ZERO), Err(Refused::Busy));
}

#[test]
fn a_sign_of_life_is_sent_when_nothing_was_said_for_long() {
    let (mut session, mut server) = ready();
    let due = session.poll_timeout().unwrap();
    assert_eq!(due, 1_000 * MS);
    session.handle_timeout(due - MS);
    assert_eq!(session.poll_transmit(), None);
    session.handle_timeout(due);
    let sent = session.poll_transmit().unwrap();
    assert!(sent.starts_with(b"99"));
    assert_eq!(session.poll_timeout(), Some(due + 100 * MS));
    session.handle_input(&server.answer(sent.strip_suffix(b"\r").unwrap()), due + MS);
    assert_eq!(session.state(), State::Idle);
}

#[test]
fn an_answer_after_its_time_is_not_taken_even_where_nobody_looked_at_the_clock() {
    let (mut session, mut server) = ready();
    session.ask(look_up("S1"), Duration::ZERO).unwrap();
    let answer = server.answer(session.poll_transmit().unwrap().strip_suffix(b"\r").unwrap());
    session.handle_input(&answer, 101 * MS);
    assert_eq!(session.poll_event(), Some(Event::Failed(Failure::Timeout { partial: 0 })));
    assert_eq!(session.ask(look_up("S1"), 102 * MS), Err(Refused::Ended));
}

#[test]
fn a_block_is_not_sent_again_when_the_server_did_not_understand_it() {
    let (mut session, _) = ready();
    session.ask(block("S1"), Duration::ZERO).unwrap();
    session.poll_transmit().unwrap();
    session.handle_input(b"96AZFEF6\r", MS);
    assert_eq!(session.poll_event(), Some(Event::Failed(Failure::NotRepeated)));
    assert_eq!(session.poll_transmit(), None);
}

#[test]
fn a_login_that_cannot_be_written_is_refused_at_once() {
    let login = Credentials { name: "a|b".into(), password: "x".into(), location: None };
    let refused = Session::new(SessionConfig { login: Some(login), ..config() }, Duration::ZERO);
    assert!(matches!(refused, Err(Refused::Encode(EncodeError::Forbidden { field: FieldCode::LOGIN }))));
}
