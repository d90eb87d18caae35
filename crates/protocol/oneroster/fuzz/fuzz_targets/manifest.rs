//! Any bytes as a manifest: it is read or refused, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rostercard_oneroster::Manifest;

fuzz_target!(|bytes: &[u8]| {
    match Manifest::read(bytes) {
        Ok((manifest, findings)) => {
            assert!(findings.iter().all(|finding| !finding.code.refuses()));
            let _ = manifest.compare(["users.csv", "orgs.csv"]);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
