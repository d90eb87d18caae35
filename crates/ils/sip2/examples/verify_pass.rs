//! How long it takes to look many cards up over several connections, beside the server's own latency:
//! `cargo run -p rostercard-ils-sip2 --example verify_pass -- CARDS CONNECTIONS LATENCY_MS`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement stops at the first surprise, and prints"
)]
#![expect(clippy::disallowed_methods, reason = "its numbers are arguments")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;
use rostercard_core::ports::{FindKey, Lookup, PatronFinder};
use rostercard_core::privacy::Personal;
use rostercard_ils_sip2::{Sip2Directory, Sip2Settings, TlsSettings};
use rostercard_practice::ils::{Ils, Options, Patron};

#[tokio::main]
async fn main() {
    let number =
        |at: usize, otherwise: u64| std::env::args().nth(at).map_or(otherwise, |n| n.parse().unwrap());
    let (cards, connections, latency) = (number(1, 20_000), number(2, 8), number(3, 20));
    let any = "127.0.0.1:0".parse().unwrap();
    let latency = Duration::from_millis(latency);
    let ils = Ils::start(Options { sip2: Some(any), latency, ..Options::default() }).await.unwrap();
    for n in 0..cards {
        ils.add(Patron { barcode: format!("{n:014}"), surname: "Lee".to_owned(), ..Patron::default() })
            .unwrap();
    }
    let at = ils.sip2_address().unwrap();
    let mut settings = Sip2Settings::of(at.ip().to_string(), at.port(), TlsSettings::Off, TimeZone::UTC);
    settings.max_connections = usize::try_from(connections).unwrap();
    let clock = Arc::new(|| "2026-11-24T12:00:00Z".parse().unwrap());
    let directory = Arc::new(Sip2Directory::new(settings, clock).unwrap());
    let next = Arc::new(AtomicU32::new(0));
    let began = tokio::time::Instant::now();
    let workers: Vec<_> = (0..connections)
        .map(|_| {
            let (directory, next) = (Arc::clone(&directory), Arc::clone(&next));
            tokio::spawn(async move {
                let mut found = 0_u64;
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if u64::from(n) >= cards {
                        return found;
                    }
                    let key = FindKey::Barcode(Personal::new(format!("{n:014}")));
                    found += u64::from(matches!(directory.find(&key).await, Lookup::Found(_)));
                }
            })
        })
        .collect();
    let mut found = 0;
    for worker in workers {
        found += worker.await.unwrap();
    }
    let taken = began.elapsed().as_secs_f64();
    let floor = f64::from(u32::try_from(cards).unwrap()) * latency.as_secs_f64()
        / f64::from(u32::try_from(connections).unwrap());
    println!(
        "{found} of {cards} cards found over {connections} connections at {latency:?} an answer: {taken:.2} s, {:.0} a second; \
         {:.1} % of what the latency alone allows",
        f64::from(u32::try_from(cards).unwrap()) / taken,
        100.0 * floor / taken
    );
}
