//! A Koha that takes 30 ms an answer, with 2 and with 4 connections: how near a first load comes to keeping them busy.
//! Yardstick: the same four requests a card from bare sockets that wait for nothing but the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rostercard_core::privacy::Secret;
use rostercard_ils_koha::{KohaDirectory, KohaLogin, KohaSettings};
use rostercard_practice::ils::{Ils, Options, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::district::District;

const LATENCY: Duration = Duration::from_millis(30);

fn directory(koha: &Running, connections: usize) -> KohaDirectory {
    let login = KohaLogin::OAuth { client_id: "rostercard".into(), client_secret: Secret::new("practice") };
    let settings = KohaSettings::new(&koha.koha_url(), false, login).unwrap();
    KohaDirectory::new(KohaSettings { connections, ..settings }).unwrap()
}

pub(crate) fn bench(runtime: &Runtime) {
    let students = crate::students(600);
    let count = f64::from(students);
    runtime.block_on(async {
        for connections in [2u32, 4] {
            let koha = Ils::start(Options { latency: LATENCY, ..Options::default() }).await.unwrap();
            // What an answer takes by the time it is read, on one connection with nothing beside it: timers round up.
            let took = bare(&koha, 50, 1).await / 200;
            koha.stop().await;
            let koha = Ils::start(Options { latency: LATENCY, ..Options::default() }).await.unwrap();
            let bare = count / bare(&koha, students, connections).await.as_secs_f64();
            koha.stop().await;

            let koha = Ils::start(Options { latency: LATENCY, ..Options::default() }).await.unwrap();
            let district = District::new(students);
            let ils = Arc::new(directory(&koha, connections as usize));
            let ran = district.run_by(ils, connections as usize, Duration::ZERO).await;
            let seen = koha.counts();
            assert_eq!((seen.created, koha.patrons().len()), (u64::from(students), students as usize));
            assert!(seen.most_at_once <= u64::from(connections));
            let calls = (seen.lookups + seen.creates + seen.updates + seen.others) as f64 / count;
            let limit = f64::from(connections) / LATENCY.as_secs_f64() / calls;
            let ours = count / ran.writing.as_secs_f64();
            println!(
                "  {LATENCY:?} an answer, {connections} connections, {calls:.2} calls a create: {limit:.2} creates/s at most"
            );
            let really = f64::from(connections) / took.as_secs_f64() / calls;
            println!("  an answer is read after {took:?}: {really:.2} creates/s at most; durable {:.1} % of it", 100.0 * ours / really);
            println!("  bare sockets: {bare:.2} creates/s, {:.1} % of it", 100.0 * bare / limit);
            println!(
                "  durable: {ours:.2} creates/s, {:.1} % of it, {:.1} % of bare sockets; {:.3} commits a create",
                100.0 * ours / limit,
                100.0 * ours / bare,
                ran.commits as f64 / count
            );
            koha.stop().await;
        }
    });
}

/// Look-up, create, read-back and PIN of so many cards, over sockets that stay open.
async fn bare(koha: &Running, cards: u32, connections: u32) -> Duration {
    let next = Arc::new(AtomicU32::new(0));
    let address = koha.koha_url().strip_prefix("http://").unwrap().to_owned();
    let began = Instant::now();
    let mut loops = JoinSet::new();
    for _ in 0..connections {
        let (next, address) = (Arc::clone(&next), address.clone());
        loops.spawn(async move {
            let mut socket = TcpStream::connect(&address).await.unwrap();
            socket.set_nodelay(true).unwrap();
            loop {
                let card = next.fetch_add(1, Ordering::Relaxed);
                if card >= cards {
                    return;
                }
                let number = format!("99{card:08}");
                let query = format!("patrons?_match=exact&q=%7B%22cardnumber%22%3A%22{number}%22%7D");
                call(&mut socket, "GET", &query, "").await;
                let body = format!(
                    "{{\"cardnumber\":\"{number}\",\"userid\":\"{number}\",\"surname\":\"Okonkwo\",\
                     \"category_id\":\"STUDENT\",\"library_id\":\"MAIN\"}}"
                );
                let made = call(&mut socket, "POST", "patrons", &body).await;
                let id = made.split("\"patron_id\":").nth(1).unwrap();
                let id: String = id.chars().take_while(char::is_ascii_digit).collect();
                call(&mut socket, "GET", &format!("patrons/{id}"), "").await;
                let pin = "{\"password\":\"2907\",\"password_2\":\"2907\"}";
                call(&mut socket, "POST", &format!("patrons/{id}/password"), pin).await;
            }
        });
    }
    while let Some(done) = loops.join_next().await {
        done.unwrap();
    }
    began.elapsed()
}

async fn call(socket: &mut TcpStream, method: &str, path: &str, body: &str) -> String {
    let request = format!(
        "{method} /api/v1/{path} HTTP/1.1\r\nHost: practice\r\nAuthorization: Basic cm9zdGVyY2FyZDpwcmFjdGljZQ==\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16_384]);
    loop {
        let n = socket.read(&mut buffer).await.unwrap();
        assert!(n > 0, "closed");
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        if body.len() >= length.parse().unwrap() {
            assert!(head.starts_with("http/1.1 20"), "{head}");
            return body.to_owned();
        }
    }
}
