//! An ILS that takes 20 ms an answer and bears 8 connections: how near a first load comes to keeping all of them busy.

use std::time::Duration;

use rostercard_practice::ils::{Ils, Options};
use tokio::runtime::Runtime;

use crate::bare;
use crate::district::{District, somebody};

const CONNECTIONS: u32 = 8;
const LATENCY: Duration = Duration::from_millis(20);

pub(crate) fn bench(runtime: &Runtime) {
    let students = crate::students(1_500);
    let district = District::new(students);
    let count = f64::from(students);
    runtime.block_on(async {
        let ils = Ils::start(Options { latency: LATENCY, ..Options::default() }).await.unwrap();
        let templates = bare::templates(&ils, somebody()).await;
        let bare = bare::send(ils.ncip_address(), &templates.make, students, CONNECTIONS).await;
        let bare = count / bare.as_secs_f64();
        ils.reset_counts();
        let ran = district.run(&ils.ncip_url(), CONNECTIONS as usize, Duration::ZERO).await;
        let seen = ils.counts();
        assert_eq!(seen.created, u64::from(students));
        assert!(seen.most_at_once <= u64::from(CONNECTIONS));
        let calls = (seen.lookups + seen.creates + seen.updates + seen.others) as f64 / count;
        let limit = f64::from(CONNECTIONS) / LATENCY.as_secs_f64() / calls;
        let ours = count / ran.writing.as_secs_f64();
        println!("  {LATENCY:?} an answer, {CONNECTIONS} connections, {calls:.2} calls a create: {limit:.1} creates/s at most");
        println!("  bare sockets: {bare:.1} creates/s, {:.1} % of it", 100.0 * bare / limit);
        println!(
            "  durable: {ours:.1} creates/s, {:.1} % of it, {:.1} % of bare sockets; {:.3} commits a create",
            100.0 * ours / limit,
            100.0 * ours / bare,
            ran.commits as f64 / count
        );
        ils.stop().await;
    });
}
