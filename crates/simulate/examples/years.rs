//! `cargo run -p rostercard-simulate --example years -- --seed N [--from Y] [--years M | --year Y] [--trace]`: lives school
//! years and says which law was broken, if any. Exit code 1 where one was, 64 for arguments that are none.
//!
//! An example and not a binary, so that `cargo run` in the workspace has one program to choose from: rostercard.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use rostercard_simulate::live;

struct Asked {
    seed: u64,
    from: u64,
    years: u64,
    trace: bool,
}

fn asked(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
    let mut asked = Asked { seed: 1, from: 0, years: 1, trace: false };
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next()?.parse().ok();
        match argument.as_str() {
            "--seed" => asked.seed = number()?,
            "--from" => asked.from = number()?,
            "--years" => asked.years = number()?,
            "--year" => (asked.from, asked.years) = (number()?, 1),
            "--trace" => asked.trace = true,
            _ => return None,
        }
    }
    Some(asked)
}

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "a program of its own has arguments of its own")]
    let arguments = std::env::args().skip(1);
    let mut out = std::io::stdout().lock();
    let Some(asked) = asked(arguments) else {
        drop(writeln!(out, "usage: years --seed N [--from Y] [--years M] [--year Y] [--trace]"));
        return ExitCode::from(64);
    };
    let mut figures: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut broken = 0;
    for year in asked.from..asked.from.saturating_add(asked.years) {
        let lived = live(asked.seed, year, asked.trace);
        for line in &lived.trace {
            drop(writeln!(out, "{line}"));
        }
        for (what, times) in lived.figures {
            *figures.entry(what).or_default() += times;
        }
        if let Some(violation) = lived.violation {
            broken += 1;
            drop(writeln!(out, "{violation}\n"));
        }
    }
    drop(writeln!(out, "{} years of seed {}: {broken} with a broken law", asked.years, asked.seed));
    for (what, times) in figures {
        drop(writeln!(out, "{times:>12} {what}"));
    }
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
