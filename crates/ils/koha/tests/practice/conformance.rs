//! What every directory must do.

use std::sync::Arc;
use std::time::Duration;

use rostercard_conformance::{Ground, every_directory_must};
use rostercard_core::patron::PatronValues;
use rostercard_core::ports::PatronDirectory;
use rostercard_core::privacy::Secret;
use rostercard_practice::ils::{KohaVersion, Running, What};

use crate::support::{directory, koha, next, some, values};

struct Koha(Running);

impl Ground for Koha {
    fn directory(&self) -> Arc<dyn PatronDirectory> {
        Arc::new(directory(&self.0, |settings| settings.deadline = Duration::from_secs(2)))
    }

    fn values(&self, n: u32) -> PatronValues {
        let number = format!("77000{n:05}");
        PatronValues {
            user_name: some(&number),
            surname: some(&format!("Okonkwo{n}")),
            email: some(&format!("child{n}@example.org")),
            ..values(&number)
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
        self.0.fault(next("CreatePatron", What::DropAnswer));
    }
}

#[tokio::test]
async fn koha_does_what_every_directory_must() {
    for version in [KohaVersion::Old, KohaVersion::V23_05, KohaVersion::New] {
        every_directory_must(&Koha(koha(|manners| manners.version = version).await)).await;
    }
}
