//! The registry of connectors: what `[source.X]` and `[ils.NAME.X]` may be.
//!
//! A new connector is one variant here, one name in the list, and its three arms.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rostercard_config::{Code, Connectors, Ils, OpaqueTable, Problem, Problems, SecretStore};
use rostercard_core::field::FieldRules;
use rostercard_core::finding::Finding;
use rostercard_core::ports::{ConnectorError, PatronDirectory, RosterSource};
use rostercard_core::route::{Authenticator, Route, Way};
use rostercard_ils_export::{ExportDirectory, ExportSettings};
use rostercard_ils_koha::{CodesInUse, KohaDirectory, KohaSettings};
use rostercard_ils_ncip::{NcipDirectory, NcipSettings};
use rostercard_ils_sip2::{Sip2Directory, Sip2Settings};
use rostercard_source_clever::Clever;
use rostercard_source_csvdrop::CsvDrop;
use rostercard_source_oneroster::{Images, OneRosterCsv, OneRosterRest};

use crate::machine;

/// Every connector's name.
pub(crate) const CONNECTORS: Connectors<'static> = Connectors {
    sources: &["clever", "csvdrop", "oneroster", "oneroster_csv"],
    ils: &["koha", "ncip", "sip2", "export"],
};

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

    /// Leaves files where they are, for others who read them too; the word that says otherwise, where one was written.
    pub(crate) fn keep_files(&mut self) -> Option<&'static str> {
        use rostercard_intake::drop_folder::AfterUse;
        let Self::CsvDrop(settings) = self else { return None };
        match settings.after_use.replace(AfterUse::Keep) {
            None | Some(AfterUse::Keep) => None,
            Some(AfterUse::Archive) => Some("archive"),
            Some(AfterUse::Shred) => Some("shred"),
        }
    }

    /// Whether the whole roster is at hand, in files.
    pub(crate) fn is_files(&self) -> bool {
        matches!(self, Self::CsvDrop(_) | Self::OneRosterCsv(_))
    }

    /// One file or package that a person names, read by what the partnership says of its own; `None` where rosters come over
    /// the wire. With it, the words by which the partnership's own place is known.
    pub(crate) fn for_file(&self, file: &Path, whole: bool) -> Option<(Self, String)> {
        use rostercard_source_csvdrop::Holds;
        match self {
            Self::CsvDrop(settings) => {
                let holds = if whole { Holds::Snapshot } else { Holds::Additions };
                let one = settings.for_file(file.to_owned(), holds);
                Some((Self::CsvDrop(Box::new(one)), settings.endpoint()))
            }
            Self::OneRosterCsv(settings) => {
                Some((Self::OneRosterCsv(Box::new(settings.for_package(file))), settings.endpoint()))
            }
            Self::OneRosterRest(_) | Self::Clever(_) => None,
        }
    }

    /// Whether the roster is kept from run to run, for packages that change it.
    pub(crate) fn keeps_roster(&self) -> bool {
        matches!(self, Self::OneRosterCsv(settings) if settings.deltas)
    }

    /// The source, to be looked at: as [`Self::open`], with files that were used and put away, and all of a kept roster.
    pub(crate) fn look(
        &self,
        fields: &FieldRules,
        today: Date,
        now: Timestamp,
        images: Option<Images>,
    ) -> Box<dyn RosterSource> {
        match self {
            Self::CsvDrop(settings) => {
                Box::new(CsvDrop::new((**settings).clone(), fields.clone(), today, now).with_used_files())
            }
            Self::Clever(_) | Self::OneRosterCsv(_) | Self::OneRosterRest(_) => {
                self.open(fields, today, now, images.map(Images::to_look_at))
            }
        }
    }

    /// The source, ready to be read once. What `fields` do not allow is never read. `images` are there where
    /// [`Self::keeps_roster`].
    pub(crate) fn open(
        &self,
        fields: &FieldRules,
        today: Date,
        now: Timestamp,
        images: Option<Images>,
    ) -> Box<dyn RosterSource> {
        match self {
            Self::OneRosterRest(settings) => {
                Box::new(OneRosterRest::new((**settings).clone(), fields.clone(), today, now))
            }
            Self::OneRosterCsv(settings) => {
                let source = OneRosterCsv::new((**settings).clone(), fields.clone(), today);
                match images {
                    Some(images) => Box::new(source.with_images(images)),
                    None => Box::new(source),
                }
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
    /// `[ils.NAME.koha]`
    Koha(Box<KohaSettings>),
    /// `[ils.NAME.ncip]`
    Ncip(Box<NcipSettings>),
    /// `[ils.NAME.sip2]`
    Sip2(Box<Sip2Settings>),
    /// `[ils.NAME.export]`
    Export(Box<ExportSettings>),
    /// Two ways: one makes cards, the other looks them up.
    Route {
        /// The one that makes.
        create: Box<Self>,
        /// The one that looks up.
        verify: Box<Self>,
    },
}

/// What an ILS's tables are read with.
pub(crate) struct Reading<'a> {
    /// Where secrets are.
    pub(crate) secrets: &'a dyn SecretStore,
    /// The library's time zone.
    pub(crate) zone: &'a TimeZone,
    /// The folder from which relative paths count.
    pub(crate) base: &'a Path,
}

impl IlsSettings {
    /// Reads an ILS's tables; what is wrong with them goes into `problems`.
    pub(crate) fn read(ils: &Ils, with: &Reading<'_>, problems: &Problems) -> Option<Self> {
        let create = Self::read_way(ils, &ils.connector, &ils.table, with, problems);
        let others: Vec<_> = ils
            .others
            .iter()
            .map(|(name, table)| (name, Self::read_way(ils, name, table, with, problems)))
            .collect();
        let verify = ils.verify.as_ref().filter(|verify| **verify != ils.connector);
        if ils.connector == "export" && verify.is_none() {
            problems.add(Problem::error(
                Code::Contradiction,
                ils.place.clone(),
                format!("ils.{}.verify", ils.name),
                "an export cannot be looked up, so no card that it makes would ever count",
                "add another way to this ILS, such as [ils.NAME.sip2], and write verify = \"sip2\"",
            ));
            return None;
        }
        if let Some((name, _)) = others.iter().find(|(name, _)| Some(*name) != verify) {
            problems.add(Problem::error(
                Code::Contradiction,
                ils.place.clone(),
                format!("ils.{}.{name}", ils.name),
                "this way is not used: it neither makes cards nor looks them up",
                format!("write verify = \"{name}\", or remove its table"),
            ));
            return None;
        }
        match (create?, others.into_iter().next()) {
            (create, None) => Some(create),
            (create, Some((_, verify))) => {
                Some(Self::Route { create: Box::new(create), verify: Box::new(verify?) })
            }
        }
    }

    fn read_way(
        ils: &Ils,
        connector: &str,
        table: &OpaqueTable,
        with: &Reading<'_>,
        problems: &Problems,
    ) -> Option<Self> {
        let reader = table.reader(problems);
        match connector {
            "koha" => {
                let limits = (usize::from(ils.limits.connections), ils.limits.deadline);
                let settings = rostercard_ils_koha::table::read(reader, limits, with.secrets)?;
                Some(Self::Koha(Box::new(settings)))
            }
            "ncip" => {
                let limits = (usize::from(ils.limits.connections), ils.limits.deadline);
                let settings = rostercard_ils_ncip::table::read(reader, limits, with.secrets)?;
                Some(Self::Ncip(Box::new(settings)))
            }
            "sip2" => {
                let (deadline, zone) = (ils.limits.deadline, with.zone.clone());
                let settings = rostercard_ils_sip2::table::read(reader, deadline, zone, with.secrets)?;
                Some(Self::Sip2(Box::new(settings)))
            }
            "export" => {
                let settings = rostercard_ils_export::table::read(reader, ils.name.as_str(), with.base)?;
                Some(Self::Export(Box::new(settings)))
            }
            _ => None,
        }
    }

    /// The directory.
    ///
    /// # Errors
    /// The settings cannot be used after all, in words: a CA file that is none.
    pub(crate) fn connect(&self) -> Result<Arc<dyn PatronDirectory>, String> {
        Ok(match self {
            Self::Koha(settings) => {
                Arc::new(KohaDirectory::new((**settings).clone()).map_err(|error| error.to_string())?)
            }
            Self::Ncip(settings) => {
                Arc::new(NcipDirectory::new((**settings).clone()).map_err(|error| error.to_string())?)
            }
            Self::Sip2(settings) => sip2(settings)?,
            Self::Export(settings) => {
                Arc::new(ExportDirectory::new((**settings).clone(), Arc::new(machine::now)))
            }
            Self::Route { create, verify } => {
                // The same connections look up and try new cards.
                let (looks, tries): (Arc<dyn PatronDirectory>, Option<Arc<dyn Authenticator>>) =
                    match &**verify {
                        Self::Sip2(settings) if settings.check_new_pins => {
                            let directory = sip2(settings)?;
                            (Arc::clone(&directory) as Arc<dyn PatronDirectory>, Some(directory))
                        }
                        other => (other.connect()?, None),
                    };
                let way = |settings: &Self, directory| Way { name: settings.name().to_owned(), directory };
                Arc::new(Route::new(way(create, create.connect()?), way(verify, looks), tries))
            }
        })
    }

    /// The connector's name.
    fn name(&self) -> &'static str {
        match self {
            Self::Koha(_) => "koha",
            Self::Ncip(_) => "ncip",
            Self::Sip2(_) => "sip2",
            Self::Export(_) => "export",
            Self::Route { create, .. } => create.name(),
        }
    }

    /// Compares the codes that partnerships use with the ILS's own, where its connector can.
    ///
    /// # Errors
    /// The ILS cannot be asked.
    pub(crate) async fn check_codes(&self, codes: &CodesInUse) -> Result<Vec<Finding>, ConnectorError> {
        match self {
            // Settings that cannot be used were told by `connect`.
            Self::Koha(settings) => match KohaDirectory::new((**settings).clone()) {
                Ok(directory) => directory.check_codes(codes).await,
                Err(_) => Ok(Vec::new()),
            },
            Self::Route { create, .. } => Box::pin(create.check_codes(codes)).await,
            Self::Ncip(_) | Self::Sip2(_) | Self::Export(_) => Ok(Vec::new()),
        }
    }
}

fn sip2(settings: &Sip2Settings) -> Result<Arc<Sip2Directory>, String> {
    Sip2Directory::new(settings.clone(), Arc::new(machine::now))
        .map(Arc::new)
        .map_err(|error| error.to_string())
}
