//! Any bytes as a record of a page: it never panics, and the records before and behind them are still found.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rostercard_oneroster::rest::page::{Piece, split, text};
use rostercard_oneroster::rest::record::{Birth, Org, User, names};

const FIRST: &[u8] = br#"{"sourcedId":"first","status":"active","orgs":[{"sourcedId":"x","href":"","type":"org"}]}"#;
const LAST: &[u8] = br#"{"sourcedId":"last","status":"active","givenName":"Ana \"]}","metadata":{"a":[1]}}"#;

fuzz_target!(|bytes: &[u8]| {
    let body = [b"{\"users\":[".as_slice(), FIRST, b",", bytes, b",", LAST, b"]}"].concat();
    let page = split(&body, &["users", "user"]).expect("the list is there");
    for wanted in [FIRST, LAST] {
        assert!(page.pieces.contains(&Piece::Record(wanted)));
    }
    for piece in &page.pieces {
        if let Piece::Record(record) = piece {
            let _ = User::read(record, &["a".to_owned()]);
            let _ = (Org::read(record), Birth::read(record), names(record));
        }
    }
    // And as a whole page.
    let _ = split(&text(bytes, Some("iso-8859-1")), &["users"]);
});
