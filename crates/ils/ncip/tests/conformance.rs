//! What every directory must do, over NCIP against the practice ILS.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use jiff::civil::date;
use rostercard_conformance::{Ground, every_directory_must};
use rostercard_core::patron::PatronValues;
use rostercard_core::ports::PatronDirectory;
use rostercard_core::privacy::{BirthDate, Personal, Secret};
use rostercard_ils_ncip::{NcipDirectory, NcipSettings, PinWay};
use rostercard_practice::ils::{Fault, Ils, Options, Running, What, When};

struct Ncip(Running, PinWay);

impl Ground for Ncip {
    fn directory(&self) -> Arc<dyn PatronDirectory> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let settings = NcipSettings::new(&self.0.ncip_url(), false, "LAKESIDE-USD", "LAKELIB").unwrap();
        Arc::new(NcipDirectory::new(NcipSettings { pin: self.1, ..settings }).unwrap())
    }

    fn values(&self, n: u32) -> PatronValues {
        let some = |text: String| Some(Personal::new(text));
        PatronValues {
            barcode: some(format!("77000{n:05}")),
            surname: some(format!("Okonkwo{n}")),
            given_name: some("Zoë".to_owned()),
            birth_date: Some(BirthDate::new(date(2012, 2, 29))),
            email: some(format!("child{n}@example.org")),
            phone: some("+1-555-0100".to_owned()),
            category: Some("STUDENT".into()),
            home_branch: Some("MAIN".into()),
            expiry: Some(date(2027, 9, 30)),
            ..PatronValues::default()
        }
    }

    fn pin(&self) -> Secret {
        Secret::new("290713")
    }

    fn patrons(&self) -> usize {
        self.0.patrons().len()
    }

    fn writes(&self) -> u64 {
        self.0.counts().creates + self.0.counts().updates
    }

    fn down(&self, down: bool) {
        self.0.set_down(down);
    }

    fn lose_the_next_create(&self) {
        let service = Some("CreateUser".to_owned());
        self.0.fault(Fault { service, when: When::Next(1), what: What::DropAnswer });
    }
}

#[tokio::test]
async fn ncip_does_what_every_directory_must() {
    for pin in [PinWay::Create, PinWay::Update, PinWay::None] {
        every_directory_must(&Ncip(Ils::start(Options::default()).await.unwrap(), pin)).await;
    }
}
