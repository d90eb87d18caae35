//! The registry of connectors: what `[source.X]` and `[ils.NAME.X]` may be.
//!
//! A new connector is one variant here, one name in the list, and its three arms.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use rostercard_config::{Connectors, Ils, OpaqueTable, Problems, SecretStore};
use rostercard_core::field::FieldRules;
use rostercard_core::ports::{PatronDirectory, RosterSource};
use rostercard_ils_ncip::{NcipDirectory, NcipSettings};
use rostercard_source_clever::Clever;
use rostercard_source_csvdrop::CsvDrop;
use rostercard_source_oneroster::{OneRosterCsv, OneRosterRest};

/// Every connector's name.
pub(crate) const CONNECTORS: Connectors<'static> =
    Connectors { sources: &["clever", "csvdrop", "oneroster", "oneroster_csv"], ils: &["ncip"] };

/// A roster source, as configured.
#[derive(Debug, Clone)]
pub(crate) enum SourceSettings {
    /// `[source.oneroster]`
    OneRosterRest(Box<rostercard_source_oneroster::RestSettings>),
    /// `[source.oneroster_csv]`
    OneRosterCsv(Box<rostercard_source_oneroster::Settings>),
    /// `[source.clever]`
    Clever(Box<rostercard_source_clever::Settings>),
    /// `[source.csvdrop]`
    CsvDrop(Box<rostercard_source_csvdrop::Settings>),
}

impl SourceSettings {
    /// Reads a source's table; what is wrong with it goes into `problems`. The pair says whether educators are wanted, and
    /// whether birth dates may be read.
    pub(crate) fn read(
        name: &str,
        table: &OpaqueTable,
        (educators, birth_dates): (bool, bool),
        secrets: &dyn SecretStore,
        problems: &Problems,
    ) -> Option<Self> {
        match name {
            "oneroster" => {
                let wanted = (educators, birth_dates);
                rostercard_source_oneroster::rest::table::read(table.reader(problems), wanted, secrets)
                    .map(|settings| Self::OneRosterRest(Box::new(settings)))
            }
            "oneroster_csv" => rostercard_source_oneroster::table::read(table.reader(problems), educators)
                .map(|settings| Self::OneRosterCsv(Box::new(settings))),
            "clever" => rostercard_source_clever::table::read(table.reader(problems), educators, secrets)
                .map(|settings| Self::Clever(Box::new(settings))),
            "csvdrop" => rostercard_source_csvdrop::table::read(table.reader(problems), educators)
                .map(|settings| Self::CsvDrop(Box::new(settings))),
            _ => None,
        }
    }

    /// The source, to be looked at: as [`Self::open`], with files that were used and put away.
    pub(crate) fn look(&self, fields: &FieldRules, today: Date, now: Timestamp) -> Box<dyn RosterSource> {
        match self {
            Self::CsvDrop(settings) => {
                Box::new(CsvDrop::new((**settings).clone(), fields.clone(), today, now).with_used_files())
            }
            Self::Clever(_) | Self::OneRosterCsv(_) | Self::OneRosterRest(_) => self.open(fields, today, now),
        }
    }

    /// The source, ready to be read once. What `fields` do not allow is never read.
    pub(crate) fn open(&self, fields: &FieldRules, today: Date, now: Timestamp) -> Box<dyn RosterSource> {
        match self {
            Self::OneRosterRest(settings) => {
                Box::new(OneRosterRest::new((**settings).clone(), fields.clone(), today, now))
            }
            Self::OneRosterCsv(settings) => {
                Box::new(OneRosterCsv::new((**settings).clone(), fields.clone(), today))
            }
            Self::Clever(settings) => Box::new(Clever::new((**settings).clone(), fields.clone(), today, now)),
            Self::CsvDrop(settings) => {
                Box::new(CsvDrop::new((**settings).clone(), fields.clone(), today, now))
            }
        }
    }
}

/// An ILS, as configured.
#[derive(Debug, Clone)]
pub(crate) enum IlsSettings {
    /// `[ils.NAME.ncip]`
    Ncip(Box<NcipSettings>),
}

impl IlsSettings {
    /// Reads an ILS's table; what is wrong with it goes into `problems`.
    pub(crate) fn read(ils: &Ils, secrets: &dyn SecretStore, problems: &Problems) -> Option<Self> {
        match ils.connector.as_str() {
            "ncip" => {
                let limits = (usize::from(ils.limits.connections), ils.limits.deadline);
                let settings = rostercard_ils_ncip::table::read(ils.table.reader(problems), limits, secrets)?;
                Some(Self::Ncip(Box::new(settings)))
            }
            _ => None,
        }
    }

    /// The directory.
    ///
    /// # Errors
    /// The settings cannot be used after all, in words: a CA file that is none.
    pub(crate) fn connect(&self) -> Result<Arc<dyn PatronDirectory>, String> {
        match self {
            Self::Ncip(settings) => NcipDirectory::new((**settings).clone())
                .map(|directory| Arc::new(directory) as Arc<dyn PatronDirectory>)
                .map_err(|error| error.to_string()),
        }
    }
}
