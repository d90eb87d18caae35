//! Runs against a practice ILS on loopback, each beside its yardstick in the same process.
//!
//! ```text
//! cargo bench -p rostercard --bench ils                        # all four
//! cargo bench -p rostercard --bench ils -- durable_creates     # or slow_ils, rivals_way, koha
//! ROSTERCARD_BENCH_STUDENTS=20000 cargo bench ...              # other sizes than each one's own
//! ```
//!
//! Engine, store, connector and wire are the program's own; the practice ILS runs in the same process and on the same
//! cores, so that its work is in every figure and in every yardstick.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench, not the program"
)]

mod bare;
mod district;
mod durable_creates;
mod koha;
mod rivals_way;
mod slow_ils;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Bench = fn(&tokio::runtime::Runtime);

/// How many students, where the environment does not say otherwise.
fn students(usual: u32) -> u32 {
    std::env::var("ROSTERCARD_BENCH_STUDENTS").ok().and_then(|s| s.parse().ok()).unwrap_or(usual)
}

fn main() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let benches: [(&str, Bench); 4] = [
        ("durable_creates", durable_creates::bench),
        ("slow_ils", slow_ils::bench),
        ("rivals_way", rivals_way::bench),
        ("koha", koha::bench),
    ];
    for (name, bench) in benches {
        if asked.is_empty() || asked.iter().any(|a| a == name) {
            println!("{name}");
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            bench(&runtime);
        }
    }
}
