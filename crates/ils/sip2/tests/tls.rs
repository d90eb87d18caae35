//! TLS as a library has it with stunnel before a SIP2 server: a CA file, a pin, another name; never a fall-back to clear.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rostercard_core::ports::{FindKey, Lookup, PatronFinder, Retry};
use rostercard_core::privacy::Personal;
use rostercard_ils_sip2::{Sip2Directory, Sip2Settings, TlsSettings};
use rostercard_practice::ils::{Ils, Options, Patron, Running};
use rustls::pki_types::PrivateKeyDer;
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A practice ILS, and TLS before it, as stunnel would stand there.
struct Behind {
    _ils: Running,
    port: u16,
    ca_file: PathBuf,
    pin: [u8; 32],
    _folder: tempfile::TempDir,
}

async fn behind(name: &str) -> Behind {
    let any = "127.0.0.1:0".parse().unwrap();
    let ils = Ils::start(Options { sip2: Some(any), ..Options::default() }).await.unwrap();
    let card = Patron { barcode: "20001".to_owned(), surname: "Lee".to_owned(), ..Patron::default() };
    ils.add(card).unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = ils.sip2_address().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut outside) = acceptor.accept(socket).await else { return };
                let mut inside = TcpStream::connect(plain).await.unwrap();
                // It ends when either side goes.
                let _ended = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    let pin = Sha256::digest(cert.der()).into();
    Behind { _ils: ils, port, ca_file, pin, _folder: folder }
}

async fn find(port: u16, tls: TlsSettings) -> Lookup {
    let mut settings = Sip2Settings::of("127.0.0.1", port, tls, TimeZone::UTC);
    settings.connect_timeout = Duration::from_secs(2);
    settings.deadline = Duration::from_secs(2);
    let clock = Arc::new(|| "2026-11-24T12:00:00Z".parse().unwrap());
    let directory = Sip2Directory::new(settings, clock).unwrap();
    directory.find(&FindKey::Barcode(Personal::new("20001"))).await
}

#[track_caller]
fn untrusted(lookup: Lookup, why: &str) {
    let Lookup::Unknown(error) = lookup else { panic!("{lookup:?}") };
    assert!(error.message.contains(why), "{error}");
    assert_eq!(error.retry, Retry::NotThisTarget);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_by_its_issuer_its_digest_or_another_name() {
    let b = behind("sip.library.example").await;
    let required = |ca_file, pin, server_name: Option<&str>| TlsSettings::Required {
        ca_file,
        pin,
        server_name: server_name.map(str::to_owned),
    };
    let named = Some("sip.library.example");
    let ca = Some(b.ca_file.clone());
    assert!(matches!(find(b.port, required(ca.clone(), None, named)).await, Lookup::Found(_)));
    assert!(matches!(find(b.port, required(None, Some(b.pin), None)).await, Lookup::Found(_)));
    untrusted(find(b.port, required(ca, None, None)).await, "another name");
    untrusted(find(b.port, required(None, Some([1; 32]), None)).await, "not the one that was pinned");
    untrusted(find(b.port, required(None, None, named)).await, "not trusted");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_never_gone_on_with_in_clear() {
    let b = behind("localhost").await;
    let pinned = TlsSettings::Required { ca_file: None, pin: Some(b.pin), server_name: None };
    // TLS asked of a server that speaks it not.
    let plain = b._ils.sip2_address().unwrap().port();
    assert!(matches!(find(plain, pinned).await, Lookup::Unknown(_)));
    // And clear text sent to a port that speaks TLS.
    assert!(matches!(find(b.port, TlsSettings::Off).await, Lookup::Unknown(_)));
}

#[test]
fn a_ca_file_that_is_none_is_said_before_anything_is_sent() {
    let tls =
        TlsSettings::Required { ca_file: Some("/nonexistent.pem".into()), pin: None, server_name: None };
    let settings = Sip2Settings::of("127.0.0.1", 9, tls, TimeZone::UTC);
    let clock = Arc::new(|| "2026-11-24T12:00:00Z".parse().unwrap());
    let error = Sip2Directory::new(settings, clock).unwrap_err();
    assert!(error.to_string().contains("/nonexistent.pem"), "{error}");
}
