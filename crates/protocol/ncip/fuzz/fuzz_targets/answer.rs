//! Any bytes, as the answer to any service: no panic, no endless work, and no value of the answer in what is printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rostercard_ncip::{Answer, DateOrder, ProblemTable, Reader, Service};

fuzz_target!(|body: &[u8]| {
    for service in [Service::LookupUser, Service::CreateUser, Service::UpdateUser] {
        for charset in [None, Some("utf-8"), Some("windows-1252")] {
            match Reader::default().read(service, body, charset) {
                Ok(Answer::Problems(problems)) => {
                    let _class = ProblemTable::default().class_of_all(&problems);
                    let _shown = problems.to_string();
                }
                Ok(Answer::User(user)) => assert!(user.id.is_none_or(|id| !id.value.is_blank())),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
    let swapped = Reader { dates: DateOrder::YearDayMonth, ..Reader::default() };
    let _read = swapped.read(Service::LookupUser, body, None);
    if let Ok(versions) = swapped.read_versions(body, None) {
        assert!(!versions.versions.is_empty());
        let _listed = versions.lists(Service::CreateUser);
    }
});
