//! Frames a second, on one core: `cargo bench -p rostercard-sip2`.

#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rostercard_sip2::{Trail, Wire, decode, encode};

/// An answer to a look-up, as long as Polaris's.
const ANSWER: &[u8] = b"64YYYY      Y   00120161121    144438000000000000000000000000AO3|AA25891000115879|AEFalk, Jen|\
BZ0050|CA0075|CB0075|BLY|CQY|BHUSD|BV11.50|CC9.99|BD123, Charlotte Hall, MD 20622|BE|BF501-555-1212|PA1|PEHALL|PS|\
PZ20622|PX20170424    235959|PYN|FA0.00|AFPatron has blocks.|AGPatron has blocks.|";

fn main() {
    divan::main();
}

fn answer() -> Vec<u8> {
    let wire = Wire::default();
    encode(&decode(ANSWER, &wire).unwrap().message, &wire, Trail::Sequenced(2)).unwrap()
}

#[divan::bench]
fn read_an_answer(bencher: Bencher<'_, '_>) {
    let (frame, wire) = (answer(), Wire::default());
    bencher.counter(ItemsCount::new(1_u32)).bench(|| decode(black_box(&frame), &wire).unwrap());
}

#[divan::bench]
fn write_an_answer(bencher: Bencher<'_, '_>) {
    let wire = Wire::default();
    let message = decode(&answer(), &wire).unwrap().message;
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench(|| encode(black_box(&message), &wire, Trail::Sequenced(2)).unwrap());
}
