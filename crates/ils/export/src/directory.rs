//! The directory: cards go into a file, nothing else can be done.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    Capabilities, Capability, CapabilityState, ConnectorError, Creation, Fault, FieldChanges, FindBy,
    FindKey, Lookup, Outcome, PatronFinder, PatronWriter, Rejection, RejectionKind, Retry,
};
use rostercard_core::privacy::{Personal, Secret};

use crate::Clock;
use crate::batch::{self, Batch, HandedOver};
use crate::layout::Layout;

/// Where files go, and what they look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSettings {
    /// The folder that the loader takes files from.
    pub folder: PathBuf,
    /// What names of files begin with: the ILS's.
    pub prefix: String,
    /// The preset's name, for the manifest.
    pub preset: String,
    /// What must be set in the loader.
    pub keeps: String,
    /// What a file looks like.
    pub layout: Layout,
}

/// A directory that hands cards over in files.
pub struct ExportDirectory {
    settings: ExportSettings,
    clock: Clock,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    batch: Option<Batch>,
    /// Cards in whole files that nobody took away yet; looked at once.
    before: Option<HashSet<blake3::Hash>>,
}

impl std::fmt::Debug for ExportDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExportDirectory").field("folder", &self.settings.folder).finish_non_exhaustive()
    }
}

impl ExportDirectory {
    /// Sets up the directory. Nothing is written yet.
    #[must_use]
    pub fn new(settings: ExportSettings, clock: Clock) -> Self {
        Self { settings, clock, open: Arc::default() }
    }

    fn error(&self, error: &io::Error) -> ConnectorError {
        ConnectorError::new(
            Fault::Operator,
            Retry::NotThisTarget,
            format!("the export folder `{}` cannot be written: {error}", self.settings.folder.display()),
            "Let Rostercard's user write there, and see that the disk has room.",
        )
    }

    fn refuse(
        &self,
        kind: RejectionKind,
        field: Option<Field>,
        fault: Fault,
        what: &str,
        hint: &str,
    ) -> Outcome {
        let error = ConnectorError::new(fault, Retry::NotThisRecord, what, hint);
        Outcome::Rejected(Rejection { kind, field, error })
    }

    /// Runs what touches the disk away from the threads that wait for the network.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ExportSettings, &mut Open) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (settings, open) = (self.settings.clone(), Arc::clone(&self.open));
        let done = tokio::task::spawn_blocking(move || {
            work(&settings, &mut open.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::Interrupted)))
    }

    fn cannot_change(&self, fields: FieldSet) -> Outcome {
        let names: Vec<&str> = fields.iter().map(Field::word).collect();
        self.refuse(
            RejectionKind::Field,
            fields.iter().next(),
            Fault::Operator,
            &format!("an export makes cards only; it cannot change {}", names.join(", ")),
            "Set these fields to \"library\" or \"none\" in [fields], or let another way of this ILS write.",
        )
    }
}

#[async_trait]
impl PatronFinder for ExportDirectory {
    fn capabilities(&self) -> Capabilities {
        let absent = |why: &str| Capability::new(CapabilityState::Absent, why);
        let claimed = |why: &str| Capability::new(CapabilityState::Claimed, why);
        Capabilities {
            lookup: absent("a file shows nothing; let another way of this ILS verify"),
            create: claimed("cards go into a file for the ILS's loader, and count once a look-up finds them"),
            update: absent("an export makes cards only"),
            block: absent("an export makes cards only"),
            unblock: absent("an export makes cards only"),
            pin: if self.settings.layout.takes_pin() {
                claimed("the PIN is a column of the file")
            } else {
                absent("the file has no column for a PIN")
            },
            find_by_person: absent("a file shows nothing"),
        }
    }

    fn returns(&self) -> FieldSet {
        FieldSet::EMPTY
    }

    fn finds_by(&self) -> &'static [FindBy] {
        &[]
    }

    async fn find(&self, key: &FindKey) -> Lookup {
        key.not_possible("an export")
    }

    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        let mut findings = Vec::new();
        let checked = self.on_disk(|settings, _| {
            batch::make_folder(&settings.folder)?;
            let trial = settings.folder.join(format!("{}check.tmp", settings.prefix));
            std::fs::write(&trial, b"")?;
            std::fs::remove_file(&trial)?;
            Ok(std::fs::metadata(&settings.folder)?.permissions().mode())
        });
        let mode = checked.await.map_err(|error| self.error(&error))?;
        if mode & 0o007 != 0 {
            let message = format!(
                "the export folder `{}` can be read by everybody on this machine: chmod o-rwx",
                self.settings.folder.display()
            );
            findings.push(Finding::new("export_folder_open", Place::default(), message));
        }
        let message =
            format!("the loader must leave patrons alone that are there already: {}", self.settings.keeps);
        findings.push(Finding::new("export_creates_only", Place::default(), message));
        Ok(findings)
    }
}

#[async_trait]
impl PatronWriter for ExportDirectory {
    fn pin_with_create(&self) -> bool {
        self.settings.layout.takes_pin()
    }

    fn no_later_pin(&self) -> Option<String> {
        Some(
            "an export cannot set the PIN of a card that is there; let another way of this ILS do it"
                .to_owned(),
        )
    }

    async fn create(&self, creation: &Creation) -> Outcome {
        let PatronValues { barcode, .. } = &creation.values;
        let Some(number) = barcode.as_ref().map(Personal::reveal).filter(|number| !number.trim().is_empty())
        else {
            return self.refuse(
                RejectionKind::Field,
                Some(Field::Barcode),
                Fault::Rostercard,
                "a card without a number cannot be made",
                "Report this as a mistake in Rostercard.",
            );
        };
        let card = match self.settings.layout.card(&creation.values, creation.pin.as_ref()) {
            Ok(card) => card,
            Err(field) => {
                let what = format!("the {field} holds what cannot stand in a line of a file");
                let hint = "Correct the value in the roster; nothing was written.";
                return self.refuse(RejectionKind::Field, Some(field), Fault::District, &what, hint);
            }
        };
        let (number, now) = (number.to_owned(), (self.clock)());
        let added = self.on_disk(move |settings, open| {
            let ExportSettings { folder, prefix, layout, .. } = settings;
            if open.before.is_none() {
                batch::make_folder(folder)?;
                open.before = Some(batch::handed_over(folder, prefix, layout)?);
            }
            if open.before.as_ref().is_some_and(|before| batch::is_in(before, &number)) {
                return Ok(format!("{prefix}before"));
            }
            let batch = match &mut open.batch {
                Some(batch) => batch,
                none => none.insert(match Batch::left_behind(folder, prefix, layout)? {
                    Some(batch) => batch,
                    None => Batch::begin(folder, prefix, now, layout)?,
                }),
            };
            if !batch.has(&number) {
                batch.add(&number, &card)?;
            }
            Ok(batch.name.clone())
        });
        match added.await {
            Ok(batch) => Outcome::HandedOver { batch },
            Err(error) => Outcome::NotSent(self.error(&error)),
        }
    }

    async fn set_pin(&self, _patron: &Patron, _pin: &Secret) -> Outcome {
        self.cannot_change(FieldSet::of(&[Field::Pin]))
    }

    async fn update(&self, _patron: &Patron, changes: &FieldChanges) -> Outcome {
        self.cannot_change(changes.fields)
    }

    async fn finish(&self) -> Result<Vec<Finding>, ConnectorError> {
        let finished = self.on_disk(|settings, open| {
            let ExportSettings { folder, prefix, layout, preset, .. } = settings;
            let mut done: Vec<HandedOver> = Vec::new();
            open.before = None;
            if let Some(batch) = open.batch.take() {
                done.extend(batch.finish(folder, layout, preset)?);
            }
            // What a run that was killed left behind is handed over as well.
            while let Some(batch) = Batch::left_behind(folder, prefix, layout)? {
                done.extend(batch.finish(folder, layout, preset)?);
            }
            Ok(done)
        });
        let done = finished.await.map_err(|error| self.error(&error))?;
        let told = |one: &HandedOver| {
            let message = format!(
                "{} new {} handed over in {}; they count once a look-up finds them",
                one.cards,
                if one.cards == 1 { "card was" } else { "cards were" },
                one.file
            );
            Finding::new("export_handed_over", Place::file(one.file.clone()), message)
        };
        Ok(done.iter().map(told).collect())
    }
}
