//! A file that a person gives (`rostercard import`), as a roster source: what it is, is what they said, and it stays where it is.
//!
//! The reading is the connector's own; here is only what a person's word changes.

use async_trait::async_trait;
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{
    Completeness, ConnectorError, Cursor, Fault, FetchOne, Record, Retry, RosterFacts, RosterPage,
    RosterSource,
};
use rostercard_core::privacy::Personal;

/// A connector's source over one file.
pub(crate) struct Imported {
    source: Box<dyn RosterSource>,
    /// The partnership's own place: a file given by hand is no other district.
    endpoint: String,
    /// Whether the file is everybody.
    whole: bool,
    /// The file's name, for messages.
    file: String,
    records: u64,
}

impl Imported {
    /// `source` reads the file; `endpoint` is what the partnership's own rosters are known by.
    pub(crate) fn new(source: Box<dyn RosterSource>, endpoint: String, whole: bool, file: String) -> Self {
        Self { source, endpoint, whole, file, records: 0 }
    }

    /// What a person said of the file decides; a file that is broken stays broken.
    fn completeness(&self, read: Completeness) -> Completeness {
        match read {
            Completeness::Snapshot if !self.whole => Completeness::Delta,
            read => read,
        }
    }
}

#[async_trait]
impl RosterSource for Imported {
    async fn facts(&mut self) -> Result<RosterFacts, ConnectorError> {
        let mut facts = self.source.facts().await?;
        facts.endpoint.clone_from(&self.endpoint);
        let message = if self.whole {
            "imported as whole: who is not in it is missing"
        } else {
            "imported as additions: nobody is missing for not being in it"
        };
        facts.findings.push(Finding::new("imported", Place::file(&self.file), message));
        Ok(facts)
    }

    async fn next_page(&mut self) -> Result<RosterPage, ConnectorError> {
        Ok(match self.source.next_page().await? {
            RosterPage::Records(records) => {
                self.records += records.iter().filter(|r| !matches!(r, Record::Gone { .. })).count() as u64;
                RosterPage::Records(records)
            }
            // A person who gives a file wants to hear that nothing came of it.
            RosterPage::End { .. } if self.records == 0 => {
                return Err(ConnectorError::new(
                    Fault::District,
                    Retry::NotThisTarget,
                    format!("{} has nobody in it", self.file),
                    "is it the right file, and the right sheet of it? Nothing was changed",
                ));
            }
            RosterPage::End { completeness, findings, .. } => {
                // Without a cursor nothing is put away, and no later stream goes on from here.
                RosterPage::End { completeness: self.completeness(completeness), cursor: None, findings }
            }
        })
    }

    async fn fetch_one(&mut self, _: &[Personal]) -> FetchOne {
        FetchOne::NotPossible
    }

    async fn release(&mut self, _: &Cursor) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn check(&mut self) -> Result<Vec<Finding>, ConnectorError> {
        self.source.check().await
    }
}
