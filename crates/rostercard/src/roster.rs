//! A partnership's roster, read through for a command that looks at people and writes nothing.

use rostercard_core::finding::Finding;
use rostercard_core::ports::{Completeness, ConnectorError, Record, RosterFacts, RosterPage, RosterSource};
use rostercard_core::student::{Damaged, Student};

/// Somebody who looks at a roster.
pub(crate) trait Reader {
    /// A person of the roster.
    fn student(&mut self, student: Student);
    /// A record that could not be read.
    fn damaged(&mut self, _damaged: Damaged) {}
    /// Something that was noticed about the roster as a whole.
    fn finding(&mut self, _finding: &Finding) {}
}

/// Reads a roster from end to end.
pub(crate) async fn read(
    source: &mut dyn RosterSource,
    reader: &mut dyn Reader,
) -> Result<(RosterFacts, Completeness), ConnectorError> {
    let facts = source.facts().await?;
    facts.findings.iter().for_each(|finding| reader.finding(finding));
    loop {
        match source.next_page().await? {
            RosterPage::Records(records) => {
                for record in records {
                    match record {
                        Record::Student(student) => reader.student(*student),
                        Record::Damaged(damaged) => reader.damaged(*damaged),
                        Record::Gone { .. } => {}
                    }
                }
            }
            RosterPage::End { completeness, findings, .. } => {
                findings.iter().for_each(|finding| reader.finding(finding));
                return Ok((facts, completeness));
            }
        }
    }
}
