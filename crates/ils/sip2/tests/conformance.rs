//! Every case of the shared list: what a server does, byte by byte, and what must come of it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::string_slice, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use rostercard_core::guard::Guards;
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::plan::ChangeKind;
use rostercard_core::ports::{
    CapabilityState, Creation, FindKey, Lookup, Outcome, PatronFinder, PatronWriter, RejectionKind, Retry,
};
use rostercard_core::privacy::Personal;
use rostercard_ils_sip2::{Extension, FixedPart, Sip2Directory, Sip2Settings, Success, TlsSettings};
use rostercard_sip2::{
    ChecksumRule, Code, Delimiter, Dialect, Encoding, ErrorDetection, FieldCode, checksum,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The list, where it is. CI must have it.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the samples are")]
fn cases() -> Option<Vec<Value>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    let folder = std::env::var_os("ROSTERCARD_SPECS").map_or(beside, PathBuf::from);
    if let Ok(text) = std::fs::read_to_string(folder.join("sip2/conformance-cases.jsonl")) {
        return Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect());
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no samples here");
    println!("skipped: no samples here");
    None
}

/// Seconds of the list are this many milliseconds here.
const SECOND: u64 = 25;
/// How long an answer may take here.
const DEADLINE: Duration = Duration::from_millis(400);

const CLEAN: &str = "64              00120260901    080000000000000000000000000000AOPLS|AAS1|AEAna Lee|BLY|";
const FLAG_THREE: &str =
    "64  Y           00120260901    080000000000000000000000000000AOPLS|AAS1|AEAna Lee|BLY|";

/// A server that does what a case says.
#[derive(Default)]
struct Script {
    /// What is left to do, one step a message.
    steps: VecDeque<Value>,
    /// Whether login and status are answered as they should be, beside the steps.
    logs_in: bool,
    /// The answer to the first 63 of a write, before the steps.
    before: Option<&'static str>,
    /// Every message that came.
    came: Vec<String>,
    connections: usize,
}

type Shared = Arc<Mutex<Script>>;

fn bytes(step: &Value) -> Vec<u8> {
    // Each character of the list stands for one byte.
    step["send"].as_str().unwrap_or_default().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// An answer with the number of its question.
fn answer(question: &str, text: &str) -> Vec<u8> {
    let mut out = text.as_bytes().to_vec();
    if let Some(at) = question.rfind("AY") {
        out.extend_from_slice(&question.as_bytes()[at..at + 3]);
        out.extend_from_slice(b"AZ");
        let sum = checksum(&out);
        out.extend_from_slice(format!("{sum:04X}").as_bytes());
    }
    out.push(b'\r');
    out
}

async fn serve(mut socket: TcpStream, script: Shared) {
    script.lock().unwrap().connections += 1;
    let mut buffer = Vec::new();
    let mut piece = [0; 2_048];
    loop {
        let Some(end) = buffer.iter().position(|b| *b == b'\r') else {
            match socket.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(n) => buffer.extend_from_slice(&piece[..n]),
            }
            continue;
        };
        let question = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..=end);
        let (mut reply, mut slowly, mut close) = (Vec::new(), Vec::new(), false);
        {
            let mut script = script.lock().unwrap();
            script.came.push(question.clone());
            let logs_in = script.logs_in;
            match question.get(..2) {
                Some("93") if logs_in => reply = answer(&question, "941"),
                Some("99") if logs_in => {
                    reply =
                        answer(&question, "98YYYYYY01000320260901    0800002.00AOPLS|BXYYYYYYYYYYYYYYYY|");
                }
                Some("63") if script.before.is_some() => {
                    reply = answer(&question, script.before.take().unwrap());
                }
                _ => {
                    if let Some(step) = script.steps.pop_front() {
                        close = step["close"] == true;
                        if step["delay_ms"].is_null() {
                            reply = bytes(&step);
                        } else {
                            slowly.push(step);
                            slowly.extend(script.steps.drain(..));
                        }
                    }
                }
            }
        }
        // Whoever does not listen any more has had enough.
        if socket.write_all(&reply).await.is_err() || close {
            return;
        }
        let mut last = Value::Null;
        for step in slowly {
            let times = step["repeat"].as_u64().unwrap_or(1);
            if step["repeat"].is_null() {
                last = step;
            }
            for _ in 0..times {
                tokio::time::sleep(Duration::from_millis(
                    last["delay_ms"].as_u64().unwrap() * SECOND / 1_000,
                ))
                .await;
                if socket.write_all(&bytes(&last)).await.is_err() {
                    return;
                }
            }
        }
    }
}

struct Bench {
    script: Shared,
    settings: Sip2Settings,
}

impl Bench {
    async fn of(case: &Value) -> Self {
        let connects = case["client_op"].as_str().unwrap().starts_with("connect");
        let script = Arc::new(Mutex::new(Script {
            steps: case["server"].as_array().unwrap().iter().cloned().collect(),
            logs_in: !connects,
            ..Script::default()
        }));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&shared)));
            }
        });
        let mut settings = Sip2Settings::of("127.0.0.1", port, TlsSettings::Off, TimeZone::UTC);
        settings.institution = "PLS".to_owned();
        settings.login = Some(rostercard_ils_sip2::Login {
            name: "sync".to_owned(),
            password: rostercard_core::privacy::Secret::new("secret"),
            location: None,
        });
        settings.deadline = DEADLINE;
        settings.back_off = Duration::from_millis(5);
        settings.block.enabled = true;
        Self { script, settings }
    }

    fn directory(&self) -> Sip2Directory {
        let clock = Arc::new(|| "2026-11-24T12:00:00Z".parse().unwrap());
        Sip2Directory::new(self.settings.clone(), clock).unwrap()
    }

    fn came(&self, code: &str) -> usize {
        self.script.lock().unwrap().came.iter().filter(|message| message.starts_with(code)).count()
    }

    fn connections(&self) -> usize {
        self.script.lock().unwrap().connections
    }
}

fn key(number: &str) -> FindKey {
    FindKey::Barcode(Personal::new(number))
}

fn card(number: &str) -> Patron {
    let values = PatronValues { barcode: Some(Personal::new(number)), ..PatronValues::default() };
    Patron { id: Personal::new(number), values, blocked: None }
}

async fn find(directory: &Sip2Directory) -> Lookup {
    directory.find(&key("S1")).await
}

#[track_caller]
fn found(lookup: &Lookup) -> &Patron {
    match lookup {
        Lookup::Found(patron) => {
            assert_eq!(patron.id.reveal(), "S1");
            patron
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unknown(lookup: Lookup, part: &str) -> rostercard_core::ports::ConnectorError {
    let Lookup::Unknown(error) = lookup else { panic!("{lookup:?}") };
    assert!(error.message.contains(part), "`{part}` is not in: {error}");
    assert!(!error.message.contains("S1") && !error.message.contains("Ana"), "{error}");
    error
}

/// An extension as a vendor might document one. Its numbers are this test's own.
fn extension() -> Extension {
    let field = |code: &str, text: &str| (FieldCode::parse(code).unwrap(), text.to_owned());
    Extension {
        request: Code::parse("77").unwrap(),
        response: Code::parse("78").unwrap(),
        fixed: vec![FixedPart::Date],
        fields: vec![
            field("AO", "{institution}"),
            field("AA", "{barcode}"),
            field("AE", "{surname}, {given_name}"),
            field("BD", "{address}"),
        ],
        ok: Success { at: 0, equals: '1' },
    }
}

fn creation(surname: &str, street: &str) -> Creation {
    let some = |text: &str| Some(Personal::new(text));
    let address = rostercard_core::student::Address { street: Personal::new(street), ..Default::default() };
    let values = PatronValues {
        barcode: some("S9"),
        surname: some(surname),
        given_name: some("Ana"),
        address: Some(address),
        ..PatronValues::default()
    };
    Creation { values, pin: None }
}

#[track_caller]
fn rejected(outcome: Outcome, kind: RejectionKind) -> rostercard_core::ports::Rejection {
    let Outcome::Rejected(rejection) = outcome else { panic!("{outcome:?}") };
    assert_eq!(rejection.kind, kind, "{rejection:?}");
    rejection
}

async fn run(case: &Value) {
    let id = case["id"].as_str().unwrap();
    let mut b = Bench::of(case).await;
    b.settings.wire.encoding = match id {
        "C04" | "P16" => Encoding::Utf8,
        _ => Encoding::Cp850,
    };
    match id {
        "F01" | "F03" | "F04" | "P10" | "P13" | "P15" | "P16" | "P18" | "P21" | "P22" | "P24" | "P09" => {
            let directory = b.directory();
            let lookup = find(&directory).await;
            let patron = found(&lookup);
            assert_eq!(patron.blocked, Some(id == "P21"), "{id}");
            // The name is for display: it is neither returned nor compared.
            assert!(
                patron.values.surname.is_none()
                    && !directory.returns().contains(rostercard_core::field::Field::Surname)
            );
            if id == "F03" {
                // The line feed is not carried into the next message.
                b.script
                    .lock()
                    .unwrap()
                    .steps
                    .push_back(serde_json::json!({ "send": format!("{CLEAN}\r\n") }));
                found(&find(&directory).await);
            }
        }
        "F06" => drop(unknown(find(&b.directory()).await, "4 bytes")),
        "F07" => {
            drop(unknown(find(&b.directory()).await, "more than 65536 bytes"));
        }
        "F09" => {
            let directory = b.directory();
            found(&find(&directory).await);
            let other = directory.find(&key("S2")).await;
            assert!(matches!(other, Lookup::Unknown(_)), "{other:?}");
            assert_eq!(b.connections(), 2, "the connection was not used again");
        }
        "F10" => {
            let directory = b.directory();
            b.script.lock().unwrap().steps.push_back(serde_json::json!({ "close": true }));
            drop(unknown(find(&directory).await, "closed the connection"));
            assert_eq!(
                (b.came("63"), b.connections()),
                (2, 2),
                "asked once more on a new connection, and no more"
            );
        }
        "F12" => {
            let began = tokio::time::Instant::now();
            drop(unknown(find(&b.directory()).await, "no answer came in time"));
            assert!(began.elapsed() < 2 * DEADLINE, "{:?}", began.elapsed());
        }
        "F13" => drop(unknown(find(&b.directory()).await, "speaks HTTP")),
        "F15" => drop(unknown(find(&b.directory()).await, "no SIP2 message")),
        "C01" => {
            let step = case["server"][0].clone();
            b.script.lock().unwrap().steps.extend(vec![step; 9]);
            drop(unknown(find(&b.directory()).await, "wrong checksum"));
            assert_eq!((b.came("97"), b.came("63")), (3, 1));
        }
        "C03" => {
            drop(unknown(find(&b.directory()).await, "another sequence number"));
        }
        "C04" => {
            found(&find(&b.directory()).await);
            let mut strict = Bench::of(case).await;
            strict.settings.wire.encoding = Encoding::Utf8;
            strict.settings.wire.checksum = ChecksumRule::Strict;
            strict.script.lock().unwrap().steps.extend(vec![case["server"][0].clone(); 3]);
            drop(unknown(find(&strict.directory()).await, "wrong checksum"));
        }
        "C06" => {
            found(&find(&b.directory()).await);
            let mut required = Bench::of(case).await;
            required.settings.detection = ErrorDetection::Required;
            drop(unknown(find(&required.directory()).await, "no error detection"));
        }
        "C07" => {
            found(&find(&b.directory()).await);
            let mut strict = Bench::of(case).await;
            strict.settings.wire.checksum = ChecksumRule::Strict;
            drop(unknown(find(&strict.directory()).await, "no error detection"));
        }
        "C09" => {
            found(&find(&b.directory()).await);
            let came = b.script.lock().unwrap().came.clone();
            let asked: Vec<&String> = came.iter().filter(|m| m.starts_with("63")).collect();
            let bare = |m: &str| m[..m.len() - 6].trim_end_matches("AY2").to_owned();
            assert_eq!(bare(asked[0]), bare(asked[1]));
            assert!(asked[0].contains("AY2AZ") && !asked[1].contains("AY2AZ") && asked[1].contains("|AZ"));
        }
        "C10" => {
            drop(unknown(find(&b.directory()).await, "again and again"));
            assert_eq!(b.came("63"), 4, "sent once and three times again");
        }
        "C12" => {
            let directory = b.directory();
            for n in 0..11 {
                let text = CLEAN.replace("AAS1", &format!("AAS{n}"));
                b.script.lock().unwrap().before = Some(Box::leak(text.into_boxed_str()));
                assert!(matches!(directory.find(&key(&format!("S{n}"))).await, Lookup::Found(_)));
            }
            let came = b.script.lock().unwrap().came.clone();
            let numbers: String = came.iter().map(|m| m.chars().nth(m.len() - 7).unwrap()).collect();
            assert_eq!(numbers, "0123456789012");
            let mut ends: Vec<&str> = came.iter().map(|m| &m[m.len() - 9..]).collect();
            ends.sort_unstable();
            ends.dedup();
            assert_eq!(ends.len(), 13, "no number comes twice with the same sum");
        }
        "L01" => {
            let directory = b.directory();
            let error = directory.check().await.unwrap_err();
            assert!(error.message.contains("refused the login") && error.retry == Retry::NotThisTarget);
            drop(unknown(find(&directory).await, "refused the login"));
            assert_eq!(b.came("93"), 1, "a login that was refused is not tried again");
        }
        "L03" => {
            let error = b.directory().check().await.unwrap_err();
            assert!(error.message.contains("off-line") && error.retry == Retry::NotThisTarget, "{error}");
            assert_eq!(b.came("63"), 0);
        }
        "L04" | "L06" | "L07" => {
            let nobody = CLEAN.replace("AAS1", "AA0").replace("BLY", "BLN").replace("AEAna Lee", "AE");
            let nobody = nobody.replacen("64              ", "64YYYY          ", 1);
            b.script.lock().unwrap().before = Some(Box::leak(nobody.into_boxed_str()));
            let directory = b.directory();
            directory.check().await.unwrap();
            let capabilities = directory.capabilities();
            let wanted = if id == "L04" { CapabilityState::Absent } else { CapabilityState::Claimed };
            assert_eq!((capabilities.block.state, capabilities.unblock.state), (wanted, wanted), "{id}");
            assert_eq!(capabilities.lookup.state, CapabilityState::Proven);
            assert_eq!(
                capabilities.block.why.contains("does not say"),
                id == "L06",
                "{}",
                capabilities.block.why
            );
        }
        "L09" => {
            let error = b.directory().check().await.unwrap_err();
            assert!(error.message.contains("does not speak SIP 2"), "{error}");
        }
        "L10" => {
            let directory = b.directory();
            b.script.lock().unwrap().before = Some(CLEAN);
            found(&find(&directory).await);
            // The server closes the idle connection; the next look-up finds it so.
            b.script.lock().unwrap().before = None;
            b.script.lock().unwrap().steps.push_back(serde_json::json!({ "send": format!("{CLEAN}\r") }));
            found(&find(&directory).await);
            assert_eq!(b.connections(), 2);
        }
        // TLS has tests of its own, in tls.rs; this one shows that a server without TLS is not gone on with in clear.
        "L12" => {
            b.settings.tls = TlsSettings::Required { ca_file: None, pin: Some([7; 32]), server_name: None };
            b.settings.connect_timeout = DEADLINE;
            assert!(matches!(find(&b.directory()).await, Lookup::Unknown(_)));
            assert_eq!(b.came("93"), 0, "nothing is sent in clear");
        }
        "P01" => assert!(matches!(find(&b.directory()).await, Lookup::NotFound)),
        "P03" => {
            found(&find(&b.directory()).await);
            let mut nameless = case.clone();
            nameless["server"][0]["send"] =
                case["server"][0]["send"].as_str().unwrap().replace("Ana Lee", "").into();
            drop(unknown(find(&Bench::of(&nameless).await.directory()).await, "says neither"));
        }
        "P04" => {
            drop(unknown(find(&b.directory()).await, "another patron"));
            let mut aliases = Bench::of(case).await;
            aliases.settings.aliases = true;
            let lookup = find(&aliases.directory()).await;
            assert!(matches!(lookup, Lookup::Found(patron) if patron.id.reveal() == "OTHER"));
        }
        "P06" => drop(unknown(find(&b.directory()).await, "message 24 came where 64 was due")),
        "P07" => drop(unknown(find(&b.directory()).await, "malformed")),
        // Whatever the order: this one says that there is no such card and denies nothing, and nobody can tell.
        "P12" => {
            drop(unknown(find(&b.directory()).await, "denies nothing"));
            let mut denied = case.clone();
            let text = case["server"][0]["send"].as_str().unwrap();
            denied["server"][0]["send"] = text.replacen("64              ", "64YYYY          ", 1).into();
            assert!(matches!(find(&Bench::of(&denied).await.directory()).await, Lookup::NotFound));
        }
        "P19" => {
            b.settings.dialect = Dialect::Polaris;
            b.settings.fields = Dialect::Polaris.fields();
            let lookup = find(&b.directory()).await;
            let values = &found(&lookup).values;
            assert_eq!(values.expiry, Some(jiff::civil::date(2027, 5, 7)));
            assert_eq!(values.birth_date.unwrap().reveal(), jiff::civil::date(2004, 5, 7));
            assert_eq!(values.category, None);
        }
        "P25" => {
            b.settings.wire.delimiter = Delimiter::new(b'^').unwrap();
            found(&find(&b.directory()).await);
        }
        "W02" => {
            b.script.lock().unwrap().before = Some(CLEAN);
            let directory = b.directory();
            let rejection = rejected(directory.set_blocked(&card("S1"), true).await, RejectionKind::Target);
            assert!(rejection.error.message.contains("no effect"), "{rejection:?}");
            assert_eq!(directory.capabilities().block.state, CapabilityState::Disproven);
            assert_eq!(directory.finish().await.unwrap().len(), 1, "the operator is told");
            rejected(directory.set_blocked(&card("S1"), true).await, RejectionKind::Target);
            assert_eq!(b.came("01"), 1, "what has no effect is not tried again");
        }
        "W03" => {
            b.script.lock().unwrap().before = Some(CLEAN);
            rejected(b.directory().set_blocked(&card("S1"), true).await, RejectionKind::Missing);
        }
        "W05" => {
            b.script.lock().unwrap().before = Some(FLAG_THREE);
            let outcome = b.directory().set_blocked(&card("S1"), false).await;
            assert!(matches!(outcome, Outcome::AlreadySo(_)), "{outcome:?}");
            // And where the card is blocked, but by the library too: refused.
            let blocked = CLEAN.replacen("64              ", "64YYYY      Y   ", 1);
            b.script.lock().unwrap().before = Some(Box::leak(blocked.into_boxed_str()));
            rejected(b.directory().set_blocked(&card("S1"), false).await, RejectionKind::Record);
            assert_eq!(b.came("25"), 0);
        }
        "W06" => {
            let directory = b.directory();
            rejected(directory.create(&creation("Lee", "1 Main")).await, RejectionKind::Target);
            assert_eq!(b.connections(), 0, "before any byte");
            assert_eq!(directory.capabilities().create.state, CapabilityState::Absent);
        }
        "W08" => {
            b.settings.create = Some(extension());
            let nobody = CLEAN.replace("AAS1", "AAS9").replace("BLY", "BLN").replace("AEAna Lee", "AE");
            let nobody = nobody.replacen("64              ", "64YYYY          ", 1);
            b.script.lock().unwrap().before = Some(Box::leak(nobody.into_boxed_str()));
            let directory = b.directory();
            let outcome = directory.create(&creation("Lee", "1 Main")).await;
            assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
            assert_eq!((b.came("77"), b.came("63"), b.connections()), (1, 1, 2));
            assert_eq!(directory.capabilities().create.state, CapabilityState::Disproven);
        }
        "W09" => {
            b.settings.create = Some(extension());
            let there = CLEAN.replace("AAS1", "AAS9");
            b.script.lock().unwrap().before = Some(Box::leak(there.into_boxed_str()));
            let outcome = b.directory().create(&creation("Lee", "1 Main")).await;
            assert!(matches!(outcome, Outcome::Applied(Some(_))), "{outcome:?}");
            assert_eq!((b.came("77"), b.came("63")), (1, 1), "not sent again: read back");
        }
        "W11" => {
            b.settings.create = Some(extension());
            let rejection =
                rejected(b.directory().create(&creation("O|Brien\rX", "1 Main")).await, RejectionKind::Field);
            assert_eq!(rejection.field, Some(rostercard_core::field::Field::Surname));
            assert_eq!(b.connections(), 0);
            b.settings.wire.encoding = Encoding::Ascii;
            let there = CLEAN.replace("AAS1", "AAS9");
            b.script.lock().unwrap().before = Some(Box::leak(there.into_boxed_str()));
            b.script.lock().unwrap().steps.push_back(serde_json::json!({ "send": "781AAS9|\r" }));
            drop(b.directory().create(&creation("Zoë Łuczak", "1 Main")).await);
            let came = b.script.lock().unwrap().came.clone();
            assert!(came.iter().any(|m| m.contains("AEZoe Luczak, Ana|")), "{came:?}");
        }
        "W12" => {
            b.settings.create = Some(extension());
            let rejection = rejected(
                b.directory().create(&creation("Lee", &"x".repeat(300))).await,
                RejectionKind::Field,
            );
            assert_eq!(rejection.field, Some(rostercard_core::field::Field::Address));
            assert_eq!(b.connections(), 0, "refused, not cut");
        }
        "W14" => {
            drop(unknown(b.directory().find(&key(" ")).await, "names no patron"));
            assert_eq!(b.came("63"), 0);
        }
        "W15" => {
            // The guard lets nothing of it through, and behind it the directory has a limit of its own.
            assert!(Guards::default().limit(ChangeKind::Lapse).unwrap().allows(1_000) < 500);
            b.settings.block.max_per_run = 0;
            b.script.lock().unwrap().before = Some(CLEAN);
            rejected(b.directory().set_blocked(&card("S1"), true).await, RejectionKind::Target);
            assert_eq!(b.came("01"), 0);
        }
        other => panic!("case {other} has no test"),
    }
    println!("{id}: as it must be: {}", case["expect"].as_str().unwrap_or_default());
}

#[test]
fn every_case_of_the_list() {
    let Some(cases) = cases() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for case in &cases {
        runtime.block_on(run(case));
    }
    assert_eq!(cases.len(), 53);
}
