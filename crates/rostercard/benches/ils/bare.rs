//! The yardstick's client: bytes that were made before, over as many plain sockets as wanted. It encodes nothing, reads
//! no answer but for its length, and remembers nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{Creation, FieldChanges, FindKey, Outcome, PatronFinder, PatronWriter};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_practice::ils::Running;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::district::directory;

/// The number in the templates, as long as those that take its place.
const NUMBER: &str = "779999999999";

/// One HTTP message off a socket: its head and its body.
async fn message(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let lower = head.to_lowercase();
        let length = lower.lines().find_map(|l| l.strip_prefix("content-length:"));
        let length: usize = length.unwrap_or("0").trim().parse().unwrap();
        while bytes.len() < end + 4 + length {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        return Ok((head, bytes.split_off(end + 4)));
    }
}

fn post(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /ncip HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/xml; charset=utf-8\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The requests that the connector sends for one patron, as they were on the wire.
#[derive(Default)]
pub(crate) struct Templates {
    /// Look-up, create, look-up.
    pub(crate) make: Vec<String>,
    /// Look-up, and a write of every name.
    pub(crate) rewrite: Vec<String>,
}

/// Has the connector make and change one patron, through a listener that writes down what it sends.
pub(crate) async fn templates(ils: &Running, values: PatronValues) -> Templates {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, to) = (listener.local_addr().unwrap(), ils.ncip_address());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::clone(&seen);
    let tap = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sent = Arc::clone(&sent);
            tokio::spawn(async move {
                while let Ok((_, body)) = message(&mut stream).await {
                    let mut ils = TcpStream::connect(to).await.unwrap();
                    ils.write_all(&post(&body)).await.unwrap();
                    let (head, answer) = message(&mut ils).await.unwrap();
                    sent.lock().unwrap().push(String::from_utf8(body).unwrap());
                    stream.write_all(&[head.as_bytes(), b"\r\n\r\n", &answer].concat()).await.unwrap();
                }
            });
        }
    });
    let directory = directory(&format!("http://{at}/ncip"), 1);
    let number = Personal::new(NUMBER);
    directory.find(&FindKey::Barcode(number.clone())).await;
    let values = PatronValues { barcode: Some(number), ..values };
    let creation = Creation { values: values.clone(), pin: Some(Secret::new("2907")) };
    let made = directory.create(&creation).await;
    assert!(matches!(made, Outcome::Applied(Some(_))), "{made:?}");
    let Outcome::Applied(Some(patron)) = made else { return Templates::default() };
    let make = std::mem::take(&mut *seen.lock().unwrap());
    let other = PatronValues { given_name: Some(Personal::new("Somebody")), ..values };
    let rewrite = changed(&directory, &patron, other, &seen).await;
    tap.abort();
    Templates { make, rewrite }
}

async fn changed(
    directory: &impl PatronWriter,
    patron: &Patron,
    values: PatronValues,
    seen: &Mutex<Vec<String>>,
) -> Vec<String> {
    let fields = [rostercard_core::field::Field::Surname, rostercard_core::field::Field::GivenName];
    let changes = FieldChanges { fields: rostercard_core::field::FieldSet::of(&fields), values };
    assert!(matches!(directory.update(patron, &changes).await, Outcome::Applied(_)));
    let mut sent = std::mem::take(&mut *seen.lock().unwrap());
    // Without the look-up that reads the change back: a rival's script does not.
    sent.truncate(2);
    sent
}

/// Sends the templates for so many patrons over so many connections; how long it took.
pub(crate) async fn send(to: SocketAddr, templates: &[String], patrons: u32, connections: u32) -> Duration {
    let requests: Arc<Vec<String>> = Arc::new(templates.to_vec());
    let next = Arc::new(AtomicU32::new(0));
    let began = Instant::now();
    let mut loops = JoinSet::new();
    for _ in 0..connections {
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        loops.spawn(async move {
            let mut stream = TcpStream::connect(to).await.unwrap();
            stream.set_nodelay(true).unwrap();
            loop {
                let patron = next.fetch_add(1, Ordering::Relaxed);
                if patron >= patrons {
                    return;
                }
                let number = format!("88{patron:0>10}");
                for request in requests.iter() {
                    let body = request.replace(NUMBER, &number);
                    stream.write_all(&post(body.as_bytes())).await.unwrap();
                    message(&mut stream).await.unwrap();
                }
            }
        });
    }
    while let Some(done) = loops.join_next().await {
        done.unwrap();
    }
    began.elapsed()
}
