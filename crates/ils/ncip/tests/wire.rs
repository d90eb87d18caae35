//! Everything that can go wrong on the way, over HTTP and over TCP: what is said of a create, and how often it was sent.
//! A create is the hardest case: it must be said to be unknown wherever it may have happened.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "a test that was skipped says so")]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rostercard_core::patron::PatronValues;
use rostercard_core::ports::{Creation, FindKey, Lookup, Outcome, PatronFinder, PatronWriter};
use rostercard_core::privacy::Personal;
use rostercard_ils_ncip::{NcipDirectory, NcipSettings};
use rostercard_ncip::Dialect;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const NUMBER: &str = "1234";
const DEADLINE: Duration = Duration::from_millis(600);

/// What a server does once it has read a request.
#[derive(Clone)]
enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes one by one, one every so many milliseconds.
    Drip(Vec<u8>, u64),
    /// Waits for ever.
    Hold,
}

use Step::{Drip, Hold, Send};

/// A server that treats every connection alike, and counts the requests with a `CreateUser` in them. A look-up is answered
/// as it should be, so that what is said comes from the create.
async fn server(http: bool, steps: Vec<Step>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let creates = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&creates);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, http, steps.clone(), Arc::clone(&counter)));
        }
    });
    let scheme = if http { "http" } else { "tcp" };
    let path = if http { "/ncip/T0KEN?apikey=T0KEN" } else { "" };
    (format!("{scheme}://{address}{path}"), creates)
}

async fn serve(mut stream: TcpStream, http: bool, steps: Vec<Step>, creates: Arc<AtomicUsize>) {
    let mut seen = Vec::new();
    let mut buffer = [0; 8192];
    while !seen.ends_with(b"Message>\n") {
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => seen.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    }
    let request = String::from_utf8(seen).unwrap();
    let steps = if request.contains("CreateUser") {
        creates.fetch_add(1, Ordering::SeqCst);
        steps
    } else {
        let answer = found();
        vec![Send(if http { respond("200 OK", &answer) } else { answer })]
    };
    for step in steps {
        match step {
            Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Drip(bytes, every) => {
                let mut ticks = tokio::time::interval(Duration::from_millis(every));
                for byte in bytes {
                    ticks.tick().await;
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                }
            }
            Hold => std::future::pending::<()>().await,
        }
    }
    stream.shutdown().await.ok();
}

fn respond(head: &str, body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}\r\n", body.len());
    let length = if head.contains("Content-Length") || head.contains("chunked") { "" } else { &length };
    [format!("HTTP/1.1 {head}\r\n{length}Connection: close\r\n\r\n").as_bytes(), body].concat()
}

fn message(inside: &str) -> Vec<u8> {
    format!("<NCIPMessage xmlns=\"http://www.niso.org/2008/ncip\">{inside}</NCIPMessage>").into_bytes()
}

fn done() -> Vec<u8> {
    message(&format!(
        "<CreateUserResponse><UserId><UserIdentifierValue>{NUMBER}</UserIdentifierValue></UserId></CreateUserResponse>"
    ))
}

fn problem(kind: &str) -> Vec<u8> {
    message(&format!(
        "<CreateUserResponse><Problem><ProblemType>{kind}</ProblemType></Problem></CreateUserResponse>"
    ))
}

fn found() -> Vec<u8> {
    message(&format!(
        "<LookupUserResponse><UserId><UserIdentifierValue>{NUMBER}</UserIdentifierValue></UserId></LookupUserResponse>"
    ))
}

fn directory(url: &str, change: impl FnOnce(&mut NcipSettings)) -> NcipDirectory {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut settings = NcipSettings::new(url, true, "LAKESIDE-USD", "LAKELIB").unwrap();
    settings.deadline = DEADLINE;
    settings.answer_limit = 64 * 1024;
    change(&mut settings);
    NcipDirectory::new(settings).unwrap()
}

fn creation() -> Creation {
    let values = PatronValues {
        barcode: Some(Personal::new(NUMBER)),
        surname: Some(Personal::new("Marsh")),
        ..PatronValues::default()
    };
    Creation { values, pin: None }
}

fn in_words(outcome: &Outcome) -> String {
    let shown = format!("{outcome:?}");
    assert!(!shown.contains("T0KEN") && !shown.contains("Marsh"), "{shown}");
    match outcome {
        Outcome::Applied(_) => "applied".to_owned(),
        Outcome::Rejected(r) => format!("rejected {} {}", r.kind, r.error.retry),
        Outcome::NotSent(error) => format!("not sent {}", error.retry),
        Outcome::Unknown(error) => format!("unknown {}", error.retry),
        Outcome::AlreadySo(_) | Outcome::HandedOver { .. } => panic!("{shown}"),
    }
}

/// Creates, and says what was said. The whole must be over soon after the deadline.
async fn create(url: &str) -> String {
    let directory = directory(url, |_| {});
    let began = tokio::time::Instant::now();
    let outcome = directory.create(&creation()).await;
    assert!(began.elapsed() < DEADLINE * 8, "{:?}", began.elapsed());
    in_words(&outcome)
}

/// Zeros in gzip form, a thousand for each byte: a fixed Huffman block of matches at distance 1, written bit by bit.
fn gzip_bomb() -> Vec<u8> {
    let (mut out, mut used) = (vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], 0);
    let mut push = |bit: u8| {
        if used % 8 == 0 {
            out.push(0);
        }
        *out.last_mut().unwrap() |= bit << (used % 8);
        used += 1;
    };
    // Last block, fixed codes, the literal 0; then 258 zeros again and again; then the end of the block.
    let mut bits = String::from("110") + "00110000";
    bits.push_str(&"1100010100000".repeat(4_000));
    bits.push_str("0000000");
    bits.bytes().for_each(|bit| push(bit - b'0'));
    out.extend([0; 8]);
    out
}

#[tokio::test]
async fn over_http_nothing_that_goes_wrong_is_taken_for_something_else() {
    let long = vec![b' '; 64 * 1024];
    let chunked = |body: &[u8]| [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
    let ok = "200 OK";
    let cases: Vec<(&str, Vec<Step>, &str)> = vec![
        ("done", vec![Send(respond(ok, &done()))], "applied"),
        ("done, in pieces", vec![Drip(respond(ok, &done()), 1)], "applied"),
        (
            "done, in a chunk",
            vec![Send(respond("200 OK\r\nTransfer-Encoding: chunked", &chunked(&done())))],
            "applied",
        ),
        (
            "done, by HTTP/1.0",
            vec![Send([b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &done()].concat())],
            "applied",
        ),
        (
            "done, said to be HTML",
            vec![Send(respond("200 OK\r\nContent-Type: text/html; charset=utf-8", &done()))],
            "applied",
        ),
        (
            "longer than allowed",
            vec![Send(respond(ok, &[done(), long.clone()].concat()))],
            "unknown not_this_target",
        ),
        (
            "longer than allowed, length not said",
            vec![Send(respond("200 OK\r\nTransfer-Encoding: chunked", &chunked(&[done(), long].concat())))],
            "unknown not_this_target",
        ),
        (
            "a gzip bomb",
            vec![Send(respond("200 OK\r\nContent-Encoding: gzip", &gzip_bomb()))],
            "unknown not_this_target",
        ),
        ("no gzip at all", vec![Send(respond("200 OK\r\nContent-Encoding: gzip", &done()))], "unknown later"),
        ("a slow drip", vec![Drip(respond(ok, &done()), 50)], "unknown later"),
        ("silence", vec![Hold], "unknown later"),
        (
            "silence after the head",
            vec![Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec()), Hold],
            "unknown later",
        ),
        ("closed at once", vec![], "unknown later"),
        (
            "closed in mid-body",
            vec![Send(respond("200 OK\r\nContent-Length: 9999", &done()))],
            "unknown later",
        ),
        (
            "closed in mid-chunk",
            vec![Send(respond("200 OK\r\nTransfer-Encoding: chunked", b"ff\r\n<NCIPMessage>"))],
            "unknown later",
        ),
        ("a length too short", vec![Send(respond("200 OK\r\nContent-Length: 20", &done()))], "unknown later"),
        (
            "a length that is none",
            vec![Send(respond("200 OK\r\nContent-Length: -1", &done()))],
            "unknown later",
        ),
        (
            "two lengths",
            vec![Send(respond(
                &format!("200 OK\r\nContent-Length: 1\r\nContent-Length: {}", done().len()),
                &done(),
            ))],
            "unknown later",
        ),
        ("not HTTP", vec![Send(b"You said <NCIPMessage>\n".to_vec())], "unknown later"),
        ("204", vec![Send(respond("204 No Content\r\nContent-Length: 0", b""))], "unknown later"),
        ("301", vec![Send(respond("301 X\r\nLocation: /elsewhere", b""))], "rejected target not_this_target"),
        (
            "302",
            vec![Send(respond("302 X\r\nLocation: http://127.0.0.1:9/", b""))],
            "rejected target not_this_target",
        ),
        ("307", vec![Send(respond("307 X\r\nLocation: /elsewhere", b""))], "rejected target not_this_target"),
        ("401", vec![Send(respond("401 X", b""))], "rejected target not_this_target"),
        ("403", vec![Send(respond("403 X", b""))], "rejected target not_this_target"),
        ("404", vec![Send(respond("404 X", b"<html/>"))], "rejected target not_this_target"),
        ("405", vec![Send(respond("405 X", b""))], "rejected target not_this_target"),
        ("411", vec![Send(respond("411 X", b""))], "rejected target not_this_target"),
        ("413", vec![Send(respond("413 X", b""))], "rejected target not_this_target"),
        ("415", vec![Send(respond("415 X", b""))], "rejected target not_this_target"),
        ("429", vec![Send(respond("429 X\r\nRetry-After: 7", b""))], "rejected record later"),
        (
            "500",
            vec![Send(respond("500 X", b"<html>java.lang.NullPointerException</html>"))],
            "unknown later",
        ),
        (
            "500 with a problem",
            vec![Send(respond("500 X", &problem("Duplicate User")))],
            "rejected duplicate not_this_record",
        ),
        ("500 with a success", vec![Send(respond("500 X", &done()))], "unknown later"),
        ("502", vec![Send(respond("502 X", b""))], "unknown later"),
        ("503", vec![Send(respond("503 X\r\nRetry-After: 1", b""))], "unknown later"),
        ("two documents", vec![Send(respond(ok, &done().repeat(2)))], "unknown later"),
        ("200 levels deep", vec![Send(respond(ok, &deep(200)))], "unknown later"),
        ("20,000 levels deep", vec![Send(respond(ok, &deep(20_000)))], "unknown not_this_target"),
        (
            "Latin-1, as the header says",
            vec![Send(respond("200 OK\r\nContent-Type: text/xml; charset=iso-8859-1", &latin1()))],
            "applied",
        ),
        (
            "Latin-1, said to be UTF-8",
            vec![Send(respond("200 OK\r\nContent-Type: text/xml; charset=utf-8", &latin1()))],
            "unknown later",
        ),
        (
            "no known charset",
            vec![Send(respond("200 OK\r\nContent-Type: text/xml; charset=klingon", &done()))],
            "unknown later",
        ),
    ];
    for (what, steps, wanted) in cases {
        let (url, creates) = server(true, steps).await;
        assert_eq!(create(&url).await, wanted, "{what}");
        assert_eq!(creates.load(Ordering::SeqCst), 1, "{what}: sent once and never again");
    }
}

fn deep(levels: usize) -> Vec<u8> {
    message(&format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels)))
}

fn latin1() -> Vec<u8> {
    let mut whole = done();
    let at = whole.len() - b"</NCIPMessage>".len();
    whole.splice(at..at, *b"<Ext>Zo\xeb</Ext>");
    whole
}

#[tokio::test]
async fn over_tcp_nothing_that_goes_wrong_is_taken_for_something_else() {
    let (first, second) = {
        let whole = done();
        let (a, b) = whole.split_at(40);
        (a.to_vec(), b.to_vec())
    };
    let prefixed = || {
        String::from_utf8(done())
            .unwrap()
            .replace("NCIPMessage xmlns", "n:NCIPMessage xmlns:n")
            .replace("/NCIP", "/n:NCIP")
    };
    let cases: Vec<(&str, Vec<Step>, &str)> = vec![
        ("done", vec![Send(done())], "applied"),
        ("done, and the connection stays open", vec![Send(done()), Hold], "applied"),
        ("done, under another prefix", vec![Send(prefixed().into_bytes()), Hold], "applied"),
        ("done, in two packets", vec![Send(first.clone()), Send(second)], "applied"),
        ("done, byte by byte", vec![Drip(done(), 1), Hold], "applied"),
        ("done, as NCIP 1 says it", vec![Send(done_1()), Hold], "applied"),
        ("two messages in one read", vec![Send(done().repeat(2)), Hold], "unknown later"),
        ("a message and more", vec![Send([done(), b"garbage".to_vec()].concat()), Hold], "unknown later"),
        ("closed without a message", vec![], "unknown later"),
        ("closed in the middle", vec![Send(first.clone())], "unknown later"),
        ("the middle, and then silence", vec![Send(first), Hold], "unknown later"),
        ("silence", vec![Hold], "unknown later"),
        ("a slow drip", vec![Drip(done(), 50)], "unknown later"),
        ("longer than allowed", vec![Send(vec![b' '; 65 * 1024]), Hold], "unknown not_this_target"),
        ("an endless stream", vec![Drip(vec![b'<'; 100_000], 1)], "unknown later"),
        ("an echo", vec![Send(b"You said <NCIPMessage>\n".to_vec())], "unknown later"),
        ("It works!", vec![Send(message("It works!"))], "unknown not_this_target"),
        ("200 levels deep", vec![Send(deep(200))], "unknown later"),
        (
            "an end tag in a comment",
            vec![Send(b"<NCIPMessage><!-- </NCIPMessage> -->".to_vec()), Hold],
            "unknown later",
        ),
        ("a problem", vec![Send(problem("Unsupported Service"))], "rejected target not_this_target"),
    ];
    for (what, steps, wanted) in cases {
        let (url, creates) = server(false, steps).await;
        assert_eq!(create(&url).await, wanted, "{what}");
        assert_eq!(creates.load(Ordering::SeqCst), 1, "{what}: sent once and never again");
    }
}

/// The same as [`done`], in the words of NCIP 1.
fn done_1() -> Vec<u8> {
    format!(
        "<?xml version='1.0'?><!DOCTYPE NCIPMessage SYSTEM 'http://www.niso.org/ncip/v1_0/imp1/dtd/ncip_v1_0.dtd'>\
         <NCIPMessage version='v1'><CreateUserResponse><UniqueUserId><UniqueAgencyId><Scheme/><Value>L</Value>\
         </UniqueAgencyId><UserIdentifierValue>{NUMBER}</UserIdentifierValue></UniqueUserId></CreateUserResponse></NCIPMessage>"
    )
    .into_bytes()
}

#[tokio::test]
async fn over_tcp_ncip_1_is_sent_whole() {
    let (url, _) = server(false, vec![Send(done_1())]).await;
    let directory = directory(&url, |s| s.dialect = Dialect { doctype: true, ..Dialect::v1() });
    assert_eq!(in_words(&directory.create(&creation()).await), "applied");
}

#[tokio::test]
async fn a_way_that_is_not_there_sends_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let host = "a".repeat(64);
    for (url, wanted) in [
        (format!("http://{address}/T0KEN"), "not sent later"),
        (format!("tcp://{address}"), "not sent later"),
        (format!("http://{host}.invalid/T0KEN"), "not sent later"),
        (format!("tcp://{host}.invalid:1"), "not sent later"),
    ] {
        assert_eq!(create(&url).await, wanted, "{url}");
    }
}

/// A TLS server on a thread of its own, and its certificate in PEM form.
fn tls_server(name: &str, years: Option<(i32, i32)>) -> (u16, String, Arc<AtomicUsize>) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut parameters = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    if let Some((from, to)) = years {
        parameters.not_before = rcgen::date_time_ymd(from, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(to, 1, 1);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let made = parameters.self_signed(&key).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![made.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let creates = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&creates);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream.unwrap());
            let (mut seen, mut buffer) = (Vec::new(), [0; 8192]);
            while !seen.ends_with(b"Message>\n") {
                match tls.read(&mut buffer) {
                    Ok(n) if n > 0 => seen.extend_from_slice(&buffer[..n]),
                    _ => break,
                }
            }
            let create = String::from_utf8_lossy(&seen).contains("CreateUser");
            counter.fetch_add(usize::from(create), Ordering::SeqCst);
            if !seen.is_empty() {
                tls.write_all(&respond("200 OK", &if create { done() } else { found() })).ok();
                tls.flush().ok();
            }
        }
    });
    (port, made.pem(), creates)
}

#[tokio::test]
async fn a_certificate_that_does_not_pass_sends_nothing() {
    let (_, foreign, _) = tls_server("localhost", None);
    for (what, name, years, own, wanted) in [
        ("good", "localhost", None, true, "applied"),
        ("of an unknown CA", "localhost", None, false, "not sent not_this_target"),
        ("for another host", "ils.example.org", None, true, "not sent not_this_target"),
        ("expired", "localhost", Some((2001, 2002)), true, "not sent not_this_target"),
        ("not valid yet", "localhost", Some((2900, 2901)), true, "not sent not_this_target"),
    ] {
        let (port, pem, creates) = tls_server(name, years);
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, if own { &pem } else { &foreign }).unwrap();
        let directory = directory(&format!("https://localhost:{port}/ncip/T0KEN"), |s| s.ca_file = Some(ca));
        assert_eq!(in_words(&directory.create(&creation()).await), wanted, "{what}");
        assert_eq!(creates.load(Ordering::SeqCst), usize::from(wanted == "applied"), "{what}");
    }
}

/// The folder of sample documents, or `None` where it is not to hand.
#[expect(
    clippy::disallowed_methods,
    reason = "where the specifications are is said by the environment of a test"
)]
fn hostile_documents() -> Option<PathBuf> {
    let root = std::env::var_os("ROSTERCARD_SPECS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"),
        PathBuf::from,
    );
    let folder = root.join("ncip/hostile");
    if folder.is_dir() {
        return Some(folder);
    }
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!must, "CI needs the specifications: set ROSTERCARD_SPECS");
    println!("skipped: no specifications here");
    None
}

#[tokio::test]
async fn every_hostile_document_is_said_to_be_what_it_is_over_both_ways() {
    let Some(folder) = hostile_documents() else { return };
    let rows = [
        ("00-ok-prefixed.xml", "applied"),
        ("01-ok-default-ns-unqualified-version.xml", "applied"),
        ("03-xxe-file.xml", "unknown later"),
        ("04-xxe-http.xml", "unknown later"),
        ("06-quadratic-entity.xml", "unknown later"),
        ("07-external-dtd.xml", "applied"),
        ("09-bom-utf8.xml", "applied"),
        ("10-utf16le-bom.xml", "applied"),
        ("12-declared-utf8-but-latin1.xml", "unknown later"),
        ("13-declared-latin1-but-utf8.xml", "rejected duplicate not_this_record"),
        ("15-html-error-200.html", "unknown later"),
        ("16-truncated.xml", "unknown later"),
        ("17-it-works.xml", "unknown not_this_target"),
        ("18-empty-element-name.xml", "unknown later"),
        ("20-message-level-problem.xml", "rejected record not_this_record"),
        ("21-wrong-response-type.xml", "unknown later"),
        ("23-both-problem-and-userid.xml", "rejected record later"),
        ("24-empty-response-body.xml", "unknown later"),
        ("26-trailing-garbage.xml", "unknown later"),
        // The patron is there under its own number, whatever was echoed.
        ("27-different-id-echoed.xml", "applied"),
        // Answers to an update and to a look-up: whatever they say, it is nothing about a create.
        ("29-problem-echoes-pin.xml", "unknown later"),
        ("30-unkown-user-typo.xml", "unknown later"),
    ];
    let table = std::fs::read_to_string(folder.join("EXPECT.tsv")).unwrap();
    let listed: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(listed, rows.map(|(file, _)| file), "the table and this test name different documents");
    for (file, wanted) in rows {
        let body = std::fs::read(folder.join(file)).unwrap();
        for http in [true, false] {
            let answer = if http { respond("200 OK", &body) } else { body.clone() };
            let (url, creates) = server(http, vec![Send(answer)]).await;
            let said = create(&url).await;
            assert_eq!(said, wanted, "{file}, over http: {http}");
            assert_eq!(creates.load(Ordering::SeqCst), 1, "{file}");
        }
    }
}

#[tokio::test]
async fn no_more_exchanges_over_tcp_are_under_way_than_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, peak) = (Arc::clone(&now), Arc::clone(&most));
    // Each waits for one other, so that two are known to be inside at once.
    let pair = Arc::new(tokio::sync::Barrier::new(2));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (inside, peak, pair) = (Arc::clone(&inside), Arc::clone(&peak), Arc::clone(&pair));
            tokio::spawn(async move {
                peak.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let mut buffer = vec![0; 8192];
                assert!(stream.read(&mut buffer).await.unwrap() > 0);
                pair.wait().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                stream.write_all(&found()).await.unwrap();
            });
        }
    });
    let directory = Arc::new(directory(&url, |s| s.connections = 2));
    let finds: Vec<_> = (0..8)
        .map(|_| {
            let directory = Arc::clone(&directory);
            tokio::spawn(async move { directory.find(&FindKey::Barcode(Personal::new(NUMBER))).await })
        })
        .collect();
    for find in finds {
        assert!(matches!(find.await.unwrap(), Lookup::Found(_)));
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
}
