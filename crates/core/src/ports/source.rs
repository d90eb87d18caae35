//! The port of a roster source.

use async_trait::async_trait;
use jiff::Timestamp;

use super::ConnectorError;
use crate::finding::Finding;
use crate::privacy::Personal;
use crate::student::{Damaged, Student};
use crate::words::vocabulary;

vocabulary! {
    /// Whether a source gives rosters at present.
    SourceState {
        /// It does.
        Running = "running",
        /// The district paused it: nothing that it says or does not say withdraws anybody.
        Paused = "paused",
        /// It is not set up yet.
        Pending = "pending",
        /// Its own last sync with the district's system failed: what it has is old.
        Error = "error",
        /// The district took its permission away.
        Disconnected = "disconnected",
    }
}

vocabulary! {
    /// What a stream of records was. Only a snapshot makes anybody absent.
    Completeness {
        /// Everything there is, and it arrived whole.
        Snapshot = "snapshot",
        /// What changed since a cursor.
        Delta = "delta",
        /// Not everything, or it cannot be told. Withdraws nobody.
        Incomplete = "incomplete",
    }
}

/// What a source can say of its roster before the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterFacts {
    /// The moment the roster speaks of, where the source knows it: a file's time, an export's own stamp.
    pub as_of: Option<Timestamp>,
    /// Whether the source is running.
    pub state: SourceState,
    /// What the source says it is, such as the SIS's name and the version of the format.
    pub description: String,
    /// A digest of where it is read from (path or endpoint), in clear words for messages: a change of it makes the
    /// next plan wait.
    pub endpoint: String,
    /// What was noticed so far.
    pub findings: Vec<Finding>,
}

/// Where a delta source is to go on from. Opaque to everyone but its source; holds nothing about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// How the next stream is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// The cursor of the last stream of which everything is done or dropped by a person; `None` before the first.
    pub cursor: Option<Cursor>,
    /// Whether everything has to be read, whatever the cursor says, and why: rules have changed, or a full reconcile is due.
    pub full: Option<String>,
}

/// One record of a roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A person who may get a card. Within one stream each student id comes exactly once.
    Student(Box<Student>),
    /// A tombstone: the source says that the person has left. Only in a delta.
    Gone {
        /// The lasting number, where the tombstone still carries it.
        student_id: Option<Personal>,
        /// The source's ids of the person.
        source_ids: Vec<Personal>,
    },
    /// A record that could not be read.
    Damaged(Box<Damaged>),
}

/// One step of a source's stream.
#[derive(Debug)]
pub enum RosterPage {
    /// Some records; a few thousand at most.
    Records(Vec<Record>),
    /// The end of the stream. After it, [`RosterSource::next_page`] is not called again.
    End {
        /// What the stream was.
        completeness: Completeness,
        /// Where the next delta goes on from. To be kept only once everything before it is durable.
        cursor: Option<Cursor>,
        /// What was noticed about the roster as a whole (or too often to say each time).
        findings: Vec<Finding>,
    },
}

/// The answer to a question about one person.
#[derive(Debug)]
pub enum FetchOne {
    /// Still in the roster.
    Found(Box<Student>),
    /// The source says for certain that the person is not in it.
    NotFound,
    /// The source could not tell this time: it is asked again before anything is made of the person's absence.
    Unknown,
    /// The source cannot be asked about one person.
    NotPossible,
}

/// A roster source: OneRoster, Clever, a district's own files.
///
/// The stream is read once, from [`RosterSource::facts`] through [`RosterSource::next_page`] to
/// [`RosterPage::End`]. A damaged record is a [`Record::Damaged`], not an error; an error ends the stream, and a
/// stream that ended by an error withdraws nobody.
#[async_trait]
pub trait RosterSource: Send {
    /// Says how the stream is to be read; comes before [`RosterSource::facts`]. A source that always reads everything has no
    /// use for it. A delta source whose cursor is no longer good reads everything and says so in a finding.
    fn resume(&mut self, _from: Resume) {}

    /// Opens the roster and says what it is.
    async fn facts(&mut self) -> Result<RosterFacts, ConnectorError>;

    /// The next records, or the end.
    async fn next_page(&mut self) -> Result<RosterPage, ConnectorError>;

    /// Asks for one person again, by any of the source's ids. Only asked after [`RosterPage::End`]. Sources that cannot be
    /// asked say [`FetchOne::NotPossible`].
    async fn fetch_one(&mut self, _source_ids: &[Personal]) -> FetchOne {
        FetchOne::NotPossible
    }

    /// Lets go of what a stream was read from, once the plan that was made of it is settled: done, approved, or dropped by
    /// a person. `cursor` is the one of the stream's [`RosterPage::End`]. A drop folder archives or shreds its files here;
    /// a file that is no longer the one that was read stays where it is. Doing it twice is doing it once.
    async fn release(&mut self, _cursor: &Cursor) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }

    /// Tries what a sync would need (files, login, permissions) without reading the whole roster, for
    /// `check --online`. Returns what was noticed; an error is a source that cannot be used.
    async fn check(&mut self) -> Result<Vec<Finding>, ConnectorError>;
}
