//! Hostile bytes by the million, without a fuzzer: pages and errors mutated from good ones, the same ones for the same
//! number. A few thousand in every run; `ROSTERCARD_HOSTILE=10000000 cargo test --release -p rostercard-oneroster --test
//! hostile` for many.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use rostercard_oneroster::rest::page::{Piece, split, text};
use rostercard_oneroster::rest::record::{Birth, Org, User, names};
use rostercard_oneroster::rest::trouble::Trouble;

const FIRST: &[u8] =
    br#"{"sourcedId":"first","status":"active","orgs":[{"sourcedId":"x","href":"","type":"org"}]}"#;
const LAST: &[u8] = br#"{"sourcedId":"last","status":"active","givenName":"Ana \"]}","metadata":{"a":[1]}}"#;

/// What is mutated: a record, an error, and pieces of JSON.
const SEEDS: &[&[u8]] = &[
    br#"{"sourcedId":"a1","status":"active","dateLastModified":"2026-08-01T00:00:00.000Z","givenName":"Zo\u00eb","grades":["05"],"roles":[{"roleType":"primary","role":"student","org":{"sourcedId":"e"}}],"userIds":[{"type":"s","identifier":"1"}],"metadata":{"a":"b"}}"#,
    br#"{"imsx_codeMajor":"failure","imsx_CodeMinor":{"imsx_codeMinorField":[{"imsx_codeMinorFieldValue":"forbidden"}]}}"#,
    br#"{"sourcedId":1,"birthDate":"2014-05-06","x":[1,-2.5e9,true,false,null,"\ud83d\ude00"]}"#,
];

const PIECES: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b"\\u",
    b"\"sourcedId\":",
    b"\"status\":\"active\"",
    b"]}",
    b"{\"users\":[",
    b"null",
    b"1e",
    b"\xff",
    b"\xc3",
    b"\n",
    b"\\ud800",
    b"{\"a\":[",
    b"]],[",
];

/// Numbers that look thrown.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % below.max(1) as u64).unwrap()
    }
}

fn mutated(dice: &mut Dice, bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.extend_from_slice(SEEDS[dice.throw(SEEDS.len())]);
    for _ in 0..=dice.throw(6) {
        let at = dice.throw(bytes.len() + 1);
        match dice.throw(5) {
            0 => bytes.truncate(at),
            1 => {
                let piece = PIECES[dice.throw(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            2 if at < bytes.len() => bytes[at] = u8::try_from(dice.throw(256)).unwrap(),
            3 => {
                let end = (at + dice.throw(12)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + dice.throw(40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = dice.throw(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how many is said by whoever has the time")]
fn cases() -> u64 {
    std::env::var("ROSTERCARD_HOSTILE").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000)
}

#[test]
fn b9_hostile_records_lose_no_other() {
    let (mut dice, mut bytes) = (Dice(7), Vec::new());
    let (mut whole, mut pieces) = (0_u64, 0_u64);
    for number in 0..cases() {
        mutated(&mut dice, &mut bytes);
        let body = [b"{\"users\":[".as_slice(), FIRST, b",", &bytes, b",", LAST, b"]}"].concat();
        let page = split(&body, &["users", "user"]).unwrap();
        for wanted in [FIRST, LAST] {
            let found = page.pieces.contains(&Piece::Record(wanted));
            assert!(found, "case {number}: {}", String::from_utf8_lossy(&body));
        }
        whole += u64::from(page.whole);
        pieces += page.pieces.len() as u64;
        for piece in &page.pieces {
            if let Piece::Record(record) = piece {
                let user = User::read(record, &["a".to_owned()]);
                assert!(user.metadata.len() <= record.len());
                drop((Org::read(record), Birth::read(record), names(record)));
            }
        }
        drop(split(&text(&bytes, Some("iso-8859-1")), &["users"]));
        assert!(Trouble::read(&bytes).code.len() <= 40);
    }
    println!("{} cases, {whole} pages whole, {pieces} pieces", cases());
}
