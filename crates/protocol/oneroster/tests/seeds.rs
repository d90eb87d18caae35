//! What the fuzz targets begin with (`fuzz/seeds`), tried in every run without a fuzzer: each seed, each beginning of it, and
//! each with one byte turned into one that means something, under what the targets of the same names demand.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use rostercard_oneroster::rest::page::{Piece, split, text};
use rostercard_oneroster::rest::record::{Birth, Org, User, names};
use rostercard_oneroster::rest::trouble::Trouble;
use rostercard_oneroster::{Line, Manifest, Table, Users, Version, user_ids};

/// Bytes that begin, end or break something.
const SHARP: &[u8] = b"\"{}[],:\\\n\r\0\xff\xc3\xef";

/// All variants of all seeds of a target. How many there were.
fn each(target: &str, mut check: impl FnMut(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(file.unwrap().path()).unwrap();
        for end in 0..=seed.len() {
            check(&seed[..end]);
            count += 1;
        }
        for at in 0..seed.len() {
            for byte in SHARP {
                let mut other = seed.clone();
                other[at] = *byte;
                check(&other);
                count += 1;
            }
        }
    }
    count
}

#[test]
fn b9_no_record_loses_its_neighbours() {
    let first =
        br#"{"sourcedId":"first","status":"active","orgs":[{"sourcedId":"x","href":"","type":"org"}]}"#
            .as_slice();
    // A record is told from a reference by its status: without one, it could be the last organisation of a cut list.
    let last =
        br#"{"sourcedId":"last","status":"active","givenName":"Ana \"]}","metadata":{"a":[1]}}"#.as_slice();
    let count = each("page", |bytes| {
        let body = [b"{\"users\":[".as_slice(), first, b",", bytes, b",", last, b"]}"].concat();
        let page = split(&body, &["users", "user"]).unwrap();
        for wanted in [first, last] {
            assert!(page.pieces.contains(&Piece::Record(wanted)), "{}", bytes.escape_ascii());
        }
        for piece in &page.pieces {
            if let Piece::Record(record) = piece {
                let _read = (User::read(record, &["a".to_owned()]), Org::read(record));
                let _read = (Birth::read(record), names(record));
            }
        }
        let _page = split(&text(bytes, Some("iso-8859-1")), &["users"]);
    });
    assert!(count > 5_000, "{count}");
}

#[test]
fn h9_an_error_is_one_sentence() {
    let count = each("trouble", |bytes| {
        let trouble = Trouble::read(bytes);
        assert!(trouble.code.len() <= 40);
        assert!(trouble.code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        assert!(!trouble.to_string().is_empty());
    });
    assert!(count > 2_000, "{count}");
}

#[test]
fn c6_no_row_swallows_the_ones_behind_it() {
    let header = b"sourcedId,givenName,familyName,userIds,grades\n".as_slice();
    let last = b"\nlast,\"Ana\",\"Ng, Jr\",{a:1},09\n".as_slice();
    let count = each("rows", |bytes| {
        let file = [header, bytes, last].concat();
        let (mut table, _) = Table::<Users, _>::open(Version::V1_2, file.as_slice()).unwrap();
        let mut last_seen = false;
        while let Some(line) = table.next_line().unwrap() {
            if let Line::Row(row) = line {
                let _ids = user_ids(row.get(Users::UserIds)).count();
                let _grades = (row.list(Users::Grades).count(), row.date(Users::Grades));
                last_seen |= row.get(Users::SourcedId) == "last" && row.get(Users::FamilyName) == "Ng, Jr";
            }
        }
        assert!(last_seen, "{}", bytes.escape_ascii());
    });
    assert!(count > 1_000, "{count}");
}

#[test]
fn c5_a_manifest_is_read_or_refused() {
    let count = each("manifest", |bytes| match Manifest::read(bytes) {
        Ok((manifest, findings)) => {
            assert!(findings.iter().all(|finding| !finding.code.refuses()));
            let _compared = manifest.compare(["users.csv", "orgs.csv"]);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    });
    assert!(count > 2_000, "{count}");
}
