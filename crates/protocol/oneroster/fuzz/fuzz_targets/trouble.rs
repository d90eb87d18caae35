//! Any bytes as an error's body: one sentence comes of it, and nothing of theirs but a short code.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rostercard_oneroster::rest::trouble::Trouble;

fuzz_target!(|bytes: &[u8]| {
    let trouble = Trouble::read(bytes);
    assert!(trouble.code.len() <= 40 && trouble.code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    assert!(!trouble.to_string().is_empty());
});
