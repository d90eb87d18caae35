//! Any bytes, as the answer to any service: no panic, no endless work, and no value of the answer in what is printed.
//! The first byte says to which service, in which charset, and in which order dates are; the rest is the answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rostercard_ncip::{Answer, DateOrder, ProblemTable, Reader, Service};

fuzz_target!(|data: &[u8]| {
    let Some((&pick, body)) = data.split_first() else { return };
    let service = [Service::LookupUser, Service::CreateUser, Service::UpdateUser][usize::from(pick % 3)];
    let charset = [None, None, Some("utf-8"), Some("windows-1252")][usize::from(pick / 3 % 4)];
    let dates = [DateOrder::YearMonthDay, DateOrder::YearDayMonth][usize::from(pick / 12 % 2)];
    let reader = Reader { dates, ..Reader::default() };
    if pick >= 240 {
        if let Ok(versions) = reader.read_versions(body, charset) {
            assert!(!versions.versions.is_empty());
            let _listed = versions.lists(service);
        }
        return;
    }
    match reader.read(service, body, charset) {
        Ok(Answer::Problems(problems)) => {
            let _class = ProblemTable::default().class_of_all(&problems);
            let _shown = problems.to_string();
        }
        Ok(Answer::User(user)) => assert!(user.id.is_none_or(|id| !id.value.is_blank())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
