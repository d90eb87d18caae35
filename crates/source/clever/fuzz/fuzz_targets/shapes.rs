//! Any bytes as an answer of Clever's: nothing panics, and nothing of a value is in what `Debug` shows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rostercard_source_clever::shapes::{self, Count, District, Event, Part, School, Token, User};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(list) = shapes::list(bytes) {
        let _next = list.next().map(str::len);
        for raw in list.data {
            if let Some(user) = shapes::record::<User>(raw) {
                let shown = format!("{user:?}");
                assert!(user.email.get().len() < 9 || !shown.contains(user.email.get()));
            }
            let _token = shapes::record::<Token>(raw).is_some();
            let _school = shapes::record::<School>(raw).is_some();
            if let Some(event) = shapes::record::<Event<'_>>(raw)
                && let Some(before) = event.before()
            {
                let _part = shapes::object::<Part>(before).is_some();
                let _user = shapes::object::<User>(before).is_some();
            }
        }
    }
    let _district = shapes::single::<District>(bytes).is_some();
    let _count = serde_json_count(bytes);
});

/// The answer to a question for a number.
fn serde_json_count(bytes: &[u8]) -> Option<u64> {
    shapes::single::<Count>(bytes)?.count.get().parse().ok()
}
