//! How long a roster of a million students takes to write: `cargo run --release --example roster_speed -- [students]`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement for people at a terminal"
)]

use std::time::Instant;

use rostercard_practice::roster::{Spec, Version, generate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let students = std::env::args().nth(1).map_or(Ok(1_000_000), |n| n.parse())?;
    let folder = tempfile::tempdir()?;
    for (version, day, name) in
        [(Version::V1p1, 0, "1p1"), (Version::V1p2, 1, "1p2"), (Version::V1p1, 1, "1p1.zip")]
    {
        let spec = Spec { version, day, ..Spec::new(students, 1) };
        let started = Instant::now();
        let written = generate(&spec, &folder.path().join(name))?;
        println!(
            "{name} day {day}: {} students, {} educators in {:.1?}",
            written.students,
            written.educators,
            started.elapsed()
        );
    }
    println!("peak memory: {}", peak());
    Ok(())
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .map_or("unknown".to_owned(), |l| l.trim().to_owned())
}
