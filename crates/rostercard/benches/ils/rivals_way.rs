//! The usual way for scale: look up and write every student on every run, as scripts between rosters and libraries do.
//! Against it, ours on a night in which nothing changed and on one in which one in a hundred did.

use std::time::Duration;

use rostercard_practice::ils::{Counts, Fault, Ils, Options, Running, What, When};
use tokio::runtime::Runtime;

use crate::bare;
use crate::district::{District, somebody};

const CONNECTIONS: u32 = 8;
const LATENCY_MS: u64 = 20;

fn calls(seen: Counts) -> u64 {
    seen.lookups + seen.creates + seen.updates + seen.others
}

/// From now on, as slow as a hosted ILS; the first load was not what is measured.
fn slow(ils: &Running) {
    ils.fault(Fault { service: None, when: When::Always, what: What::Delay { ms: LATENCY_MS } });
    ils.reset_counts();
}

pub(crate) fn bench(runtime: &Runtime) {
    let students = crate::students(2_000);
    let district = District::new(students);
    println!("  {students} students, {LATENCY_MS} ms an answer, {CONNECTIONS} connections");
    runtime.block_on(async {
        // An ILS of the yardstick's own, with as many patrons.
        let ils = Ils::start(Options::default()).await.unwrap();
        let templates = bare::templates(&ils, somebody()).await;
        bare::send(ils.ncip_address(), &templates.make, students, CONNECTIONS).await;
        slow(&ils);
        let rival = bare::send(ils.ncip_address(), &templates.rewrite, students, CONNECTIONS).await;
        let seen = ils.counts();
        assert_eq!(seen.updated, u64::from(students));
        let rivals = calls(seen);
        println!("  everybody looked up and written: {rivals} calls, {:.2} s", rival.as_secs_f64());
        ils.stop().await;

        let ils = Ils::start(Options::default()).await.unwrap();
        district.run(&ils.ncip_url(), CONNECTIONS as usize, Duration::ZERO).await;
        assert_eq!(ils.counts().created, u64::from(students));
        slow(&ils);
        let night = async |what: &str, expected: u64| {
            ils.reset_counts();
            let ran = district.run(&ils.ncip_url(), CONNECTIONS as usize, Duration::ZERO).await;
            let seen = ils.counts();
            assert_eq!(seen.updated, expected, "{:?}", ran.report.run.result);
            println!(
                "  ours, {what}: {} calls, {:.3} s with the reading; {:.0} times quicker",
                calls(seen),
                ran.whole.as_secs_f64(),
                rival.as_secs_f64() / ran.whole.as_secs_f64()
            );
        };
        night("nothing changed", 0).await;
        let renamed = district.rename_every(100);
        night(&format!("{renamed} changed"), renamed).await;
        ils.stop().await;
    });
}
