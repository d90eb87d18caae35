//! A patron directory over Koha's REST API.
//!
//! [`KohaDirectory`] finds, makes and changes patrons of one Koha, and reads back what it wrote. It is the model for REST
//! directories to come: [`rostercard_web::Rest`] has what they all need, `record` and `map` say what Koha's JSON is,
//! `answer` what its refusals mean, `difference` what a change sends.
//!
//! It deliberately does not decide what may be written (the core does), does not send a write twice (the engine's journal
//! says whether that is safe), and deletes nobody.

mod answer;
mod api;
mod check;
mod difference;
mod directory;
mod fold;
mod look_up;
mod map;
mod record;
mod settings;
pub mod table;
mod write;

pub use check::CodesInUse;
pub use directory::KohaDirectory;
pub use settings::{AttributeMap, CodeHome, KohaLogin, KohaSettings, SettingsError, UserIdWay};

/// Reads any bytes as an answer of any status, in every way in which answers are read. For the fuzz target: whatever comes,
/// there is no panic, and what is said of it repeats nothing.
#[doc(hidden)]
#[must_use]
pub fn read_anything(status: u16, body: &[u8]) -> String {
    let attributes = AttributeMap { student_id: Some("STUDENTID".to_owned()), ..AttributeMap::default() };
    let mapping = map::Mapping { attributes: &attributes, user_id: UserIdWay::default(), middle_name: true };
    let mut said = String::new();
    for what in [answer::What::Search, answer::What::Create, answer::What::Password] {
        let answer = rostercard_web::Answer::new(status, body);
        said.push_str(&format!("{:?}", answer::understand(what, answer, &attributes, "koha")));
    }
    let one = record::read_one(body).map(|record| vec![record]);
    for record in one.into_iter().chain(record::read_list(body)).flatten() {
        said.push_str(&format!("{record:?} {:?}", mapping.patron(&record).map(|_| ())));
        let wanted = rostercard_core::patron::PatronValues::default();
        let all = rostercard_core::field::FieldSet::ALL;
        said.push_str(&format!("{:?}", difference::difference(mapping, &record, all, &wanted).is_ok()));
    }
    said
}
