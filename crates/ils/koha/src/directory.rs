//! The directory of one Koha: its settings, what was learnt of it, and the finder's side of the port.
//!
//! How look-ups are asked is in `look_up`, how writes are sent and read back in `write`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::Finding;
use rostercard_core::patron::PatronValues;
use rostercard_core::ports::{
    Capabilities, Capability, CapabilityState, ConnectorError, FindBy, FindKey, Lookup, PatronFinder,
};
use rostercard_core::words::Code;

use crate::answer::What;
use crate::api::{Api, Searched};
use crate::look_up::Looked;
use crate::map::{MIDDLE_NAME, Mapping};
use crate::record::Record;
use crate::settings::{KohaSettings, SettingsError};

/// How many numbers are remembered as taken by patrons that this login does not see.
pub(crate) const HIDDEN: usize = 10_000;
/// What helps where a login does not see a patron.
pub(crate) const SEE_ALL: &str = "Grant the login borrowers:view_borrower_infos_from_any_libraries in Koha, or have the patron looked at by somebody \
     who sees it.";

/// Patrons of one Koha.
#[derive(Debug)]
pub struct KohaDirectory {
    pub(crate) settings: KohaSettings,
    pub(crate) api: Api,
    known: Mutex<Known>,
    /// Held while it is asked what this version knows, so that the first creates cause one request; true once it was asked.
    asked: tokio::sync::Mutex<bool>,
}

/// What has been learnt of this Koha since the start.
pub(crate) struct Known {
    pub(crate) lookup: CapabilityState,
    pub(crate) create: CapabilityState,
    pub(crate) update: CapabilityState,
    pub(crate) search: CapabilityState,
    /// The properties of a patron in this version; `None` until one was seen.
    pub(crate) properties: Option<Arc<BTreeSet<String>>>,
    /// Categories whose fee was looked at, with how the cards came into them.
    pub(crate) fees: HashSet<(Code, What)>,
    /// Numbers, folded, that are taken by patrons that this login does not see.
    pub(crate) hidden: HashSet<String>,
    pub(crate) findings: BTreeMap<&'static str, BTreeSet<String>>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

impl KohaDirectory {
    /// Sets up the directory. Nothing is sent yet.
    ///
    /// # Errors
    /// [`SettingsError`] where TLS cannot be set up as asked.
    pub fn new(settings: KohaSettings) -> Result<Self, SettingsError> {
        Ok(Self {
            api: Api::new(&settings)?,
            known: Mutex::new(Known {
                lookup: CapabilityState::Claimed,
                create: CapabilityState::Claimed,
                update: CapabilityState::Claimed,
                search: CapabilityState::Claimed,
                properties: None,
                fees: HashSet::new(),
                hidden: HashSet::new(),
                findings: BTreeMap::new(),
            }),
            asked: tokio::sync::Mutex::new(false),
            settings,
        })
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mapping(&self) -> Mapping<'_> {
        let middle_name = self.known().properties.as_ref().is_none_or(|names| names.contains(MIDDLE_NAME));
        Mapping { attributes: &self.settings.attributes, user_id: self.settings.user_id, middle_name }
    }

    pub(crate) fn origin(&self) -> String {
        self.api.origin()
    }

    /// Notes something for the end of the run, once.
    pub(crate) fn note(&self, code: &'static str, message: String) {
        self.known().findings.entry(code).or_default().insert(message);
    }

    /// Learns from a record which properties this version knows.
    pub(crate) fn learn_properties(&self, record: &Record) {
        let mut known = self.known();
        if known.properties.is_none() {
            known.properties = Some(Arc::new(record.names().map(str::to_owned).collect()));
        }
    }

    /// What this version knows, asked for once: a property that it does not know would make it refuse the whole patron.
    pub(crate) async fn properties(&self) -> Result<Option<Arc<BTreeSet<String>>>, ConnectorError> {
        let known = || self.known().properties.clone();
        if let Some(properties) = known() {
            return Ok(Some(properties));
        }
        let mut asked = self.asked.lock().await;
        if *asked || known().is_some() {
            return Ok(known());
        }
        match self.api.anybody().await {
            Searched::Found(list, _) => {
                if let Some(record) = list.first() {
                    self.learn_properties(record);
                }
                *asked = true;
                Ok(known())
            }
            Searched::Failed(error) => Err(error),
        }
    }
}

#[async_trait]
impl PatronFinder for KohaDirectory {
    fn capabilities(&self) -> Capabilities {
        let known = self.known();
        let service = |state, done: &str| {
            let why = match state {
                CapabilityState::Proven => format!("{done}, and it was read back"),
                _ => "Koha's REST API has it; whether this login may is known once `check --online` or a run has asked"
                    .to_owned(),
            };
            Capability::new(state, why)
        };
        let absent = |why: &str| Capability::new(CapabilityState::Absent, why);
        let with = if self.settings.attributes.student_id.is_some() {
            "by student id, user id, e-mail address, and name with birth date"
        } else {
            "by user id, e-mail address, and name with birth date; by student id too, once [ils.NAME.koha.attributes] names its attribute"
        };
        Capabilities {
            lookup: service(known.lookup, "a look-up was answered"),
            create: service(known.create, "a patron was made"),
            update: service(known.update, "a patron was changed"),
            block: absent("Koha's REST API cannot restrict a patron; a card ends by its expiry"),
            unblock: absent("Koha's REST API cannot lift a restriction; a card comes back by its expiry"),
            pin: Capability::new(
                CapabilityState::Claimed,
                "the PIN is Koha's password, set after the create by a call of its own; it cannot be read back",
            ),
            find_by_person: Capability::new(known.search, format!("patrons are found {with}")),
        }
    }

    fn returns(&self) -> FieldSet {
        self.mapping().returns()
    }

    fn finds_by(&self) -> &'static [FindBy] {
        const ALL: &[FindBy] = &[
            FindBy::Barcode,
            FindBy::PatronId,
            FindBy::UserName,
            FindBy::Email,
            FindBy::NameAndBirthDate,
            FindBy::StudentId,
        ];
        match self.settings.attributes.student_id {
            Some(_) => ALL,
            None => ALL.split_last().map_or(ALL, |(_, rest)| rest),
        }
    }

    fn canonical(&self, field: Field, values: &PatronValues) -> Option<String> {
        self.mapping().fitted(values).canonical(field).map(std::borrow::Cow::into_owned)
    }

    async fn find(&self, key: &FindKey) -> Lookup {
        let looked = self.look_up(key).await;
        let certain = !matches!(looked, Looked::Not(Lookup::Unknown(_)));
        if certain {
            let mut known = self.known();
            known.lookup = CapabilityState::Proven;
            if !matches!(key.by(), FindBy::Barcode | FindBy::PatronId) {
                known.search = CapabilityState::Proven;
            }
        }
        match looked {
            Looked::Found(patron, _) => Lookup::Found(patron),
            Looked::Not(lookup) => lookup,
        }
    }

    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        crate::check::check(self).await
    }
}
