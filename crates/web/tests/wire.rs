//! The client against servers that misbehave, on real sockets of this machine.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rostercard_web::{
    Answer, Call, Client, ClientSettings, Endpoint, Identity, NotSent, Proxy, SetupError, Side, Unknown,
    WebError,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn provider() {
    // The first test to come installs it; the others find it there.
    drop(rustls::crypto::ring::default_provider().install_default());
}

fn settings() -> ClientSettings {
    ClientSettings { deadline: Duration::from_secs(5), answer_limit: 64 * 1024, ..ClientSettings::default() }
}

fn client(url: &str, settings: ClientSettings) -> Client {
    provider();
    Client::new(Endpoint::parse(url, false).unwrap(), settings).unwrap()
}

async fn post(client: &Client) -> Result<Answer, WebError> {
    client.send(Call::post(client.endpoint().clone(), "application/xml", "<hello/>")).await
}

/// Reads a whole request with a body of a known length.
async fn take_request(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).await.unwrap();
        seen.extend_from_slice(&buffer[..n]);
        if n == 0 || seen.ends_with(b"<hello/>") {
            return String::from_utf8(seen).unwrap();
        }
    }
}

/// A server that answers each connection with these bytes and then closes; counts the requests.
async fn canned(answer: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            take_request(&mut stream).await;
            counter.fetch_add(1, Ordering::SeqCst);
            stream.write_all(&answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (format!("http://{address}/ncip/T0KEN?apikey=T0KEN"), count)
}

fn http(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes(), body].concat()
}

fn unknown(error: &WebError) -> Unknown {
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("T0KEN"), "{shown}");
    assert!(error.hint().len() > 10);
    match error {
        WebError::Unknown { why, .. } => *why,
        WebError::NotSent { .. } => unreachable!("{error}"),
    }
}

fn not_sent(error: &WebError) -> NotSent {
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("T0KEN"), "{shown}");
    match error {
        WebError::NotSent { why, .. } => *why,
        WebError::Unknown { .. } => unreachable!("{error}"),
    }
}

#[tokio::test]
async fn a_plain_answer_is_read_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ncip/T0KEN", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = take_request(&mut stream).await;
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=latin1\r\nContent-Length: 4\r\n\r\n<a/>",
            )
            .await
            .unwrap();
        request
    });
    let client = client(&url, settings());
    let answer = post(&client).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_slice(), answer.charset()),
        (200, b"<a/>".as_slice(), Some("latin1"))
    );
    assert!(answer.is_success() && !answer.redirects);
    let request = server.await.unwrap();
    assert!(request.starts_with("POST /ncip/T0KEN HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("user-agent: rostercard/"), "{request}");
    assert!(!format!("{client:?} {answer:?}").contains("T0KEN"));
}

#[tokio::test]
async fn the_deadline_is_for_the_whole_call_and_not_for_each_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        take_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
        // A byte now and then, for far longer than the deadline: no single read is late.
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..150 {
            ticks.tick().await;
            if stream.write_all(b"x").await.is_err() {
                return;
            }
        }
    });
    let deadline = Duration::from_millis(300);
    let client = client(&url, ClientSettings { deadline, answer_limit: 2_000_000, ..settings() });
    let began = std::time::Instant::now();
    let error = post(&client).await.unwrap_err();
    assert!(matches!(unknown(&error), Unknown::Deadline { .. }));
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn silence_after_sending_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        take_request(&mut stream).await;
        std::future::pending::<()>().await;
    });
    let client = client(&url, ClientSettings { deadline: Duration::from_millis(200), ..settings() });
    assert!(matches!(unknown(&post(&client).await.unwrap_err()), Unknown::Deadline { .. }));
    server.abort();
}

/// A megabyte of zeros in gzip form: stored by hand, because compressing is no business of this crate.
fn gzip_bomb() -> Vec<u8> {
    // One dynamic block of zeros, as any gzip makes it, is long to write down; runs of stored blocks are not a bomb. A
    // fixed Huffman block is both short and one: a zero byte, then matches of length 258 at distance 1.
    let mut bits = Bits::default();
    bits.push(1, 1); // last block
    bits.push(1, 2); // fixed codes
    bits.push_code(0b0011_0000, 8); // the literal 0
    for _ in 0..4_000 {
        bits.push_code(0b1100_0101, 8); // length 258
        bits.push_code(0, 5); // distance 1
    }
    bits.push_code(0, 7); // end of block
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    out.extend(bits.finish());
    out.extend([0; 8]); // a checksum that is not reached
    out
}

#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    used: u32,
}

impl Bits {
    /// Least significant bit first.
    fn push(&mut self, value: u32, count: u32) {
        for n in 0..count {
            if self.used.is_multiple_of(8) {
                self.out.push(0);
            }
            let last = self.out.len() - 1;
            self.out[last] |= u8::try_from((value >> n) & 1).unwrap() << (self.used % 8);
            self.used += 1;
        }
    }

    /// Huffman codes go most significant bit first.
    fn push_code(&mut self, code: u32, count: u32) {
        for n in (0..count).rev() {
            self.push((code >> n) & 1, 1);
        }
    }

    fn finish(self) -> Vec<u8> {
        self.out
    }
}

#[tokio::test]
async fn the_limit_counts_what_was_unpacked() {
    let bomb = gzip_bomb();
    assert!(bomb.len() < 10_000);
    let (url, _) = canned(http("200 OK\r\nContent-Encoding: gzip", &bomb)).await;
    let error = post(&client(&url, settings())).await.unwrap_err();
    assert_eq!(unknown(&error), Unknown::TooLong { limit: 64 * 1024 });
}

#[tokio::test]
async fn a_long_answer_is_given_up() {
    let body = vec![b'x'; 64 * 1024 + 1];
    for head in ["200 OK".to_owned(), format!("200 OK\r\nContent-Length: {}", body.len())] {
        let (url, _) = canned(http(&head, &body)).await;
        let error = post(&client(&url, settings())).await.unwrap_err();
        assert_eq!(unknown(&error), Unknown::TooLong { limit: 64 * 1024 }, "{head}");
    }
    let (url, _) = canned(http("200 OK", &body[1..])).await;
    assert_eq!(post(&client(&url, settings())).await.unwrap().body.len(), 64 * 1024);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_unknown() {
    let heads = [
        ("200 OK\r\nContent-Length: 100", Unknown::Closed),
        ("200 OK\r\nTransfer-Encoding: chunked", Unknown::Closed),
    ];
    for (head, wanted) in heads {
        let (url, count) = canned(http(head, b"5\r\n<a/>")).await;
        let error = post(&client(&url, settings())).await.unwrap_err();
        assert_eq!(unknown(&error), wanted, "{head}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "sent once and never again");
    }
    let (url, count) = canned(Vec::new()).await;
    assert_eq!(unknown(&post(&client(&url, settings())).await.unwrap_err()), Unknown::Closed);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_not_http_is_unknown() {
    let (url, count) = canned(b"You said <hello/>\n\n".to_vec()).await;
    let error = post(&client(&url, settings())).await.unwrap_err();
    assert_eq!(unknown(&error), Unknown::Damaged);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let (url, _) = canned(http("200 OK\r\nContent-Encoding: gzip", b"this is no gzip at all")).await;
    assert_eq!(unknown(&post(&client(&url, settings())).await.unwrap_err()), Unknown::Damaged);
}

#[tokio::test]
async fn a_length_too_short_cuts_the_answer() {
    let (url, _) = canned(http("200 OK\r\nContent-Length: 2", b"<a/>")).await;
    // The rest is not ours to guess; the reader of the message sees that it is not whole.
    assert_eq!(post(&client(&url, settings())).await.unwrap().body, b"<a");
}

#[tokio::test]
async fn a_redirect_is_reported_and_never_followed() {
    let (elsewhere, followed) = canned(http("200 OK", b"<a/>")).await;
    for status in [301, 302, 303, 307, 308] {
        let (url, count) = canned(http(&format!("{status} Moved\r\nLocation: {elsewhere}"), b"")).await;
        let answer = post(&client(&url, settings())).await.unwrap();
        assert_eq!((answer.status, answer.redirects), (status, true));
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
    assert_eq!(followed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_status_is_an_answer_and_retry_after_is_kept() {
    let (url, count) = canned(http("429 Too Many Requests\r\nRetry-After: 17", b"slow down")).await;
    let answer = post(&client(&url, settings())).await.unwrap();
    assert_eq!((answer.status, answer.retry_after), (429, Some(Duration::from_secs(17))));
    assert_eq!(answer.body, b"slow down");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    for status in [204, 401, 404, 405, 411, 413, 415, 500, 502, 503] {
        let (url, _) = canned(http(&format!("{status} X"), b"")).await;
        assert_eq!(post(&client(&url, settings())).await.unwrap().status, status);
    }
}

#[tokio::test]
async fn a_refused_connection_sends_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/T0KEN", listener.local_addr().unwrap());
    drop(listener);
    let error = post(&client(&url, settings())).await.unwrap_err();
    assert_eq!(not_sent(&error), NotSent::Refused);
    assert_eq!(error.side(), Side::Server);
    assert!(error.may_pass());
}

#[tokio::test]
async fn a_host_without_address_is_the_configuration() {
    provider();
    // A label of more than 63 characters is refused by the resolver itself: no name server is asked.
    let endpoint = Endpoint::parse(&format!("http://{}.invalid/T0KEN", "a".repeat(64)), true).unwrap();
    let client = Client::new(endpoint, settings()).unwrap();
    let error = post(&client).await.unwrap_err();
    assert_eq!(not_sent(&error), NotSent::NoSuchHost);
    assert_eq!(error.side(), Side::Operator);
}

#[tokio::test]
async fn headers_that_http_cannot_carry_send_nothing() {
    let (url, count) = canned(http("200 OK", b"")).await;
    let client = client(&url, settings());
    let call = Call::get(client.endpoint().clone()).header("authorization", "a\nb");
    assert_eq!(not_sent(&client.send(call).await.unwrap_err()), NotSent::BadRequest);
    let other = Call::get(Endpoint::parse("https://other.example.org/", false).unwrap());
    assert_eq!(not_sent(&client.send(other).await.unwrap_err()), NotSent::BadRequest);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn no_more_calls_are_under_way_than_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, peak) = (Arc::clone(&now), Arc::clone(&most));
    // Each waits for one other, so that two are known to be inside at once.
    let pair = Arc::new(tokio::sync::Barrier::new(2));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (inside, peak, pair) = (Arc::clone(&inside), Arc::clone(&peak), Arc::clone(&pair));
            tokio::spawn(async move {
                take_request(&mut stream).await;
                peak.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                pair.wait().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                stream.write_all(&http("200 OK\r\nContent-Length: 0", b"")).await.unwrap();
            });
        }
    });
    let client = Arc::new(client(&url, ClientSettings { connections: 2, ..settings() }));
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { post(&client).await.map(|a| a.status) })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 200);
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

/// A TLS server for one name, on a thread of its own, that answers every request alike.
fn tls_server(name: &str) -> (SocketAddr, String) {
    provider();
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (serve_tls(Arc::new(config)), made.cert.pem())
}

/// A TLS server on a thread of its own.
fn serve_tls(config: Arc<rustls::ServerConfig>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream.unwrap());
            let mut buffer = [0; 4096];
            // A client that does not trust us hangs up here.
            if tls.read(&mut buffer).is_ok()
                && tls.write_all(&http("200 OK\r\nContent-Length: 4", b"<a/>")).is_ok()
            {
                tls.flush().ok();
            }
        }
    });
    address
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_sends_nothing() {
    let (address, _) = tls_server("localhost");
    let (_, other) = tls_server("localhost");
    let folder = std::env::temp_dir().join(format!("rostercard-web-{}", address.port()));
    std::fs::create_dir_all(&folder).unwrap();
    let ca = |pem: &str| {
        let path = folder.join("ca.pem");
        std::fs::write(&path, pem).unwrap();
        ClientSettings { ca_file: Some(path), ..settings() }
    };
    let url = format!("https://localhost:{}/T0KEN", address.port());
    let error = post(&client(&url, ca(&other))).await.unwrap_err();
    assert!(matches!(not_sent(&error), NotSent::Certificate(_)), "{error:?}");
    assert!(!error.may_pass());

    provider();
    let empty = Client::new(Endpoint::parse(&url, false).unwrap(), ca("no certificate"));
    assert!(matches!(empty.unwrap_err(), SetupError::NoCertificate { .. }));
    let missing = ClientSettings { ca_file: Some(folder.join("missing.pem")), ..settings() };
    let missing = Client::new(Endpoint::parse(&url, false).unwrap(), missing);
    assert!(matches!(missing.unwrap_err(), SetupError::CaFile { .. }));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_ca_of_ones_own_is_trusted_for_its_name_alone() {
    let (address, pem) = tls_server("localhost");
    let folder = std::env::temp_dir().join(format!("rostercard-web-own-{}", address.port()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("ca.pem");
    std::fs::write(&path, pem).unwrap();
    let own = || ClientSettings { ca_file: Some(path.clone()), ..settings() };
    let answer = post(&client(&format!("https://localhost:{}/", address.port()), own())).await.unwrap();
    assert_eq!(answer.body, b"<a/>");
    let error = post(&client(&format!("https://127.0.0.1:{}/", address.port()), own())).await.unwrap_err();
    assert_eq!(not_sent(&error), NotSent::Certificate("it is for another host name"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_server_without_tls_sends_nothing() {
    for (greeting, wanted) in [(b"220 ready\r\n".as_slice(), NotSent::Tls), (b"", NotSent::ConnectTimeout)] {
        let (_, pem) = tls_server("localhost");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(greeting).await.unwrap();
            let mut seen = Vec::new();
            stream.read_to_end(&mut seen).await.ok();
            seen
        });
        let path = std::env::temp_dir().join(format!("rostercard-web-{port}.pem"));
        std::fs::write(&path, pem).unwrap();
        let settings = ClientSettings {
            deadline: Duration::from_millis(500),
            ca_file: Some(path.clone()),
            ..settings()
        };
        let error = post(&client(&format!("https://localhost:{port}/"), settings)).await.unwrap_err();
        assert_eq!(not_sent(&error), wanted);
        let seen = server.await.unwrap();
        assert!(!String::from_utf8_lossy(&seen).contains("hello/"));
        std::fs::remove_file(&path).unwrap();
    }
}

/// A certificate for `localhost` that ended before today, and its key, both in PEM form.
fn expired() -> (String, rcgen::CertifiedKey<rcgen::KeyPair>) {
    let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2001, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let cert = parameters.self_signed(&signing_key).unwrap();
    (cert.pem(), rcgen::CertifiedKey { cert, signing_key })
}

#[tokio::test]
async fn a_certificate_that_has_expired_sends_nothing() {
    provider();
    let (pem, made) = expired();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let address = serve_tls(Arc::new(config));
    let folder = std::env::temp_dir().join(format!("rostercard-web-expired-{}", address.port()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("ca.pem");
    std::fs::write(&path, pem).unwrap();
    let settings = ClientSettings { ca_file: Some(path), ..settings() };
    let error = post(&client(&format!("https://localhost:{}/", address.port()), settings)).await.unwrap_err();
    assert_eq!(not_sent(&error), NotSent::Certificate("it has expired"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_it() {
    provider();
    let server = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let ours = rcgen::generate_simple_self_signed(["rostercard".to_owned()]).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ours.cert.der().clone()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![server.cert.der().clone()], key)
        .unwrap();
    let address = serve_tls(Arc::new(config));
    let folder = std::env::temp_dir().join(format!("rostercard-web-mutual-{}", address.port()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, pem: &str| {
        let path = folder.join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let ca_file = Some(file("ca.pem", &server.cert.pem()));
    let identity = Identity {
        certificate: file("ours.pem", &ours.cert.pem()),
        key: file("ours.key", &ours.signing_key.serialize_pem()),
    };
    let url = format!("https://localhost:{}/", address.port());
    let known = ClientSettings { ca_file: ca_file.clone(), identity: Some(identity.clone()), ..settings() };
    assert_eq!(post(&client(&url, known)).await.unwrap().body, b"<a/>");
    let stranger = ClientSettings { ca_file: ca_file.clone(), ..settings() };
    assert!(post(&client(&url, stranger)).await.is_err());

    let endpoint = || Endpoint::parse(&url, false).unwrap();
    let with = |identity| ClientSettings { identity: Some(identity), ca_file: ca_file.clone(), ..settings() };
    let keyless = Identity { key: identity.certificate.clone(), ..identity.clone() };
    assert!(matches!(Client::new(endpoint(), with(keyless)).unwrap_err(), SetupError::Identity { .. }));
    let missing = Identity { key: folder.join("missing.key"), ..identity };
    assert!(matches!(Client::new(endpoint(), with(missing)).unwrap_err(), SetupError::IdentityFile { .. }));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_proxy_is_used_where_it_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, mut requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 4096];
            let n = stream.read(&mut buffer).await.unwrap();
            sender.send(String::from_utf8_lossy(&buffer[..n]).into_owned()).unwrap();
            stream
                .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                .await
                .unwrap();
        }
    });
    let proxy = Proxy::new(&format!("http://{address}")).unwrap().with_login("zoe", "S3CRET");
    assert!(!format!("{proxy:?}").contains("S3CRET") && Proxy::new("http://a:b@proxy/").is_err());
    provider();
    let through = ClientSettings { proxy: Some(proxy), ..settings() };
    let plain = Client::new(Endpoint::parse("http://ils.invalid/ncip/T0KEN", true).unwrap(), through.clone())
        .unwrap();
    assert_eq!(post(&plain).await.unwrap().status, 407);
    let request = requests.recv().await.unwrap();
    assert!(request.starts_with("POST http://ils.invalid/ncip/T0KEN HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("proxy-authorization: basic em9lolmzq1jfva=="), "{request}");

    // Through a tunnel that is refused nothing is sent, and the proxy sees host and port alone.
    let path = std::env::temp_dir().join(format!("rostercard-web-proxy-{}.pem", address.port()));
    std::fs::write(&path, tls_server("localhost").1).unwrap();
    let through = ClientSettings { ca_file: Some(path.clone()), ..through };
    let secure =
        Client::new(Endpoint::parse("https://ils.invalid/ncip/T0KEN", true).unwrap(), through).unwrap();
    not_sent(&post(&secure).await.unwrap_err());
    let request = requests.recv().await.unwrap();
    assert!(request.starts_with("CONNECT ils.invalid:443") && !request.contains("T0KEN"), "{request}");
    std::fs::remove_file(&path).unwrap();
}
