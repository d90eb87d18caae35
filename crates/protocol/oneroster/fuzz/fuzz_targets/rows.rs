//! Any bytes as the rows of `users.csv`: it never panics, and a well-formed row behind them is still read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rostercard_oneroster::{Line, Table, Users, Version, user_ids};

const HEADER: &[u8] = b"sourcedId,givenName,familyName,userIds,grades\n";
const LAST: &[u8] = b"\nlast,\"Ana\",\"Ng, Jr\",{a:1},09\n";

fuzz_target!(|bytes: &[u8]| {
    let file = [HEADER, bytes, LAST].concat();
    let (mut table, _) = Table::<Users, _>::open(Version::V1_2, file.as_slice()).expect("the header is good");
    let mut last_seen = false;
    while let Some(line) = table.next_line().expect("a slice does not fail") {
        if let Line::Row(row) = line {
            let _ = user_ids(row.get(Users::UserIds)).count();
            let _ = row.list(Users::Grades).count();
            let _ = row.date(Users::Grades);
            last_seen |= row.get(Users::SourcedId) == "last" && row.get(Users::FamilyName) == "Ng, Jr";
        }
    }
    assert!(last_seen);
});
