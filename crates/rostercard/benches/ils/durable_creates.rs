//! Creates a second, each durable before it is sent and after it was answered, against an ILS without latency. Yardstick:
//! the same requests from bare sockets, and from the connector alone. Then with 10 ms before each commit of the store:
//! what sharing commits is worth.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rostercard_core::patron::PatronValues;
use rostercard_core::ports::{Creation, FindKey, Outcome, PatronFinder, PatronWriter};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_practice::ils::{Ils, Options};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::bare;
use crate::district::{District, directory, somebody};

const CONNECTIONS: u32 = 64;
/// What a slow disk takes for a commit.
const SLOW: Duration = Duration::from_millis(10);

pub(crate) fn bench(runtime: &Runtime) {
    let students = crate::students(10_000);
    let district = District::new(students);
    let count = f64::from(students);
    runtime.block_on(async {
        let ils = Ils::start(Options::default()).await.unwrap();
        let templates = bare::templates(&ils, somebody()).await;
        let bare = bare::send(ils.ncip_address(), &templates.make, students, CONNECTIONS).await;
        let bare = count / bare.as_secs_f64();
        let calls = templates.make.len();
        println!("  bare sockets, {calls} calls a create, {CONNECTIONS} connections: {bare:.0} creates/s");

        let alone = count / connector(&ils.ncip_url(), students).await.as_secs_f64();
        println!("  the connector alone, nothing remembered: {alone:.0} creates/s, {:.2} of it", alone / bare);

        ils.reset_counts();
        let ran = district.run(&ils.ncip_url(), CONNECTIONS as usize, Duration::ZERO).await;
        assert_eq!(ran.report.run.result.counts.create, u64::from(students));
        assert_eq!(ils.counts().created, u64::from(students));
        let ours = count / ran.writing.as_secs_f64();
        println!(
            "  durable: {ours:.0} creates/s, {:.2} of bare, {:.2} of the connector; {:.3} commits a create; the whole run {:.0}/s",
            ours / bare,
            ours / alone,
            ran.commits as f64 / count,
            count / ran.whole.as_secs_f64()
        );
        ils.stop().await;

        let ils = Ils::start(Options::default()).await.unwrap();
        let ran = District::new(students).run(&ils.ncip_url(), CONNECTIONS as usize, SLOW).await;
        let slow = count / ran.writing.as_secs_f64();
        let serial = 1.0 / (2.0 * SLOW.as_secs_f64());
        println!(
            "  durable, {SLOW:?} more a commit: {slow:.0} creates/s, {:.2} of without; {:.3} commits a create; {:.0} times the {serial:.0}/s of two commits a create in turn",
            slow / ours,
            ran.commits as f64 / count,
            slow / serial
        );
        ils.stop().await;
    });
}

/// Look-up and create of so many by the connector, without engine and store.
async fn connector(url: &str, patrons: u32) -> Duration {
    let directory = Arc::new(directory(url, CONNECTIONS as usize));
    let next = Arc::new(AtomicU32::new(0));
    let began = Instant::now();
    let mut loops = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (directory, next) = (Arc::clone(&directory), Arc::clone(&next));
        loops.spawn(async move {
            loop {
                let patron = next.fetch_add(1, Ordering::Relaxed);
                if patron >= patrons {
                    return;
                }
                let number = Personal::new(format!("99{patron:0>10}"));
                directory.find(&FindKey::Barcode(number.clone())).await;
                let values = PatronValues { barcode: Some(number), ..somebody() };
                let made = directory.create(&Creation { values, pin: Some(Secret::new("2907")) }).await;
                assert!(matches!(made, Outcome::Applied(_)));
            }
        });
    }
    while let Some(done) = loops.join_next().await {
        done.unwrap();
    }
    began.elapsed()
}
