//! One ILS with two ways: one makes and changes cards, the other looks them up and says whether a new one is there.
//!
//! A card that one way made is believed once the other finds it; until then it is handed over, not made. So an export
//! and SIP2 make an honest pair, and a vendor's services are asked about a new card as they would ask themselves.
//! It decides nothing else, and sends nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::field::{Field, FieldSet};
use crate::finding::{Finding, Place};
use crate::patron::{Patron, PatronValues};
use crate::ports::{
    Capabilities, ConnectorError, Creation, Fault, FieldChanges, FindBy, FindKey, Lookup, Outcome,
    PatronDirectory, PatronFinder, PatronWriter, Retry,
};
use crate::privacy::{Personal, Secret};

/// What a service that asks for card and PIN would find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetsIn {
    /// The card and its PIN let their holder in.
    Yes,
    /// The card is there and the PIN is another, or the card is not there.
    No,
    /// Nobody can tell.
    Unknown,
}

/// A way that can try a card with its PIN, as a service of the library's vendors would.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// Tries a new card, once. Some ILSs lock a card after a few wrong PINs.
    async fn lets_in(&self, number: &Personal, pin: &Secret) -> LetsIn;
}

/// One of an ILS's ways.
#[derive(Clone)]
pub struct Way {
    /// Its connector's name, such as `sip2`.
    pub name: String,
    /// The directory.
    pub directory: Arc<dyn PatronDirectory>,
}

/// Two ways as one directory.
pub struct Route {
    create: Way,
    verify: Way,
    /// Whether the way that makes cards can look them up too.
    both_look: bool,
    authenticator: Option<Arc<dyn Authenticator>>,
    unseen: AtomicU64,
    shut_out: AtomicU64,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("create", &self.create.name).field("verify", &self.verify.name).finish()
    }
}

impl Route {
    /// Puts two ways together. With an authenticator, each new card is tried with its PIN once.
    #[must_use]
    pub fn new(create: Way, verify: Way, authenticator: Option<Arc<dyn Authenticator>>) -> Self {
        Self {
            both_look: create.directory.capabilities().lookup.usable(),
            create,
            verify,
            authenticator,
            unseen: AtomicU64::new(0),
            shut_out: AtomicU64::new(0),
        }
    }

    /// What a create that was acknowledged comes to once the other way was asked.
    async fn verified(&self, creation: &Creation, made: Option<Box<Patron>>) -> Outcome {
        let Some(number) = &creation.values.barcode else { return Outcome::Applied(made) };
        match self.verify.directory.find(&FindKey::Barcode(number.clone())).await {
            Lookup::Found(seen) => {
                if let Some(pin) = &creation.pin {
                    self.try_card(number, pin).await;
                }
                Outcome::Applied(Some(made.unwrap_or(seen)))
            }
            Lookup::Many | Lookup::NotFound | Lookup::NotVisible | Lookup::Unknown(_) => {
                self.unseen.fetch_add(1, Ordering::Relaxed);
                Outcome::HandedOver { batch: self.create.name.clone() }
            }
        }
    }

    async fn try_card(&self, number: &Personal, pin: &Secret) {
        if let Some(authenticator) = &self.authenticator
            && authenticator.lets_in(number, pin).await == LetsIn::No
        {
            self.shut_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn blocker(&self) -> &Way {
        if self.verify.directory.capabilities().block.usable() { &self.verify } else { &self.create }
    }
}

#[async_trait]
impl PatronFinder for Route {
    fn capabilities(&self) -> Capabilities {
        let (create, verify) = (self.create.directory.capabilities(), self.verify.directory.capabilities());
        let blocks = self.blocker().directory.capabilities();
        Capabilities {
            lookup: verify.lookup,
            create: create.create,
            update: create.update,
            block: blocks.block,
            unblock: blocks.unblock,
            pin: create.pin,
            find_by_person: create.find_by_person,
        }
    }

    fn returns(&self) -> FieldSet {
        if self.both_look { self.create.directory.returns() } else { self.verify.directory.returns() }
    }

    fn finds_by(&self) -> &'static [FindBy] {
        if self.both_look { self.create.directory.finds_by() } else { self.verify.directory.finds_by() }
    }

    fn canonical(&self, field: Field, values: &PatronValues) -> Option<String> {
        self.create.directory.canonical(field, values)
    }

    /// Asks the way that verifies; where the other can look too, its record is the one that is compared and changed. A
    /// card that only one of them sees is in doubt.
    async fn find(&self, key: &FindKey) -> Lookup {
        if !matches!(key, FindKey::Barcode(_) | FindKey::PatronId(_)) && self.both_look {
            return self.create.directory.find(key).await;
        }
        if !self.both_look {
            return self.verify.directory.find(key).await;
        }
        let made = self.create.directory.find(key).await;
        let Lookup::Found(patron) = made else { return made };
        let number = patron.values.barcode.clone().unwrap_or_else(|| patron.id.clone());
        match self.verify.directory.find(&FindKey::Barcode(number)).await {
            Lookup::Found(_) => Lookup::Found(patron),
            Lookup::Unknown(error) => Lookup::Unknown(error),
            Lookup::Many | Lookup::NotFound | Lookup::NotVisible => Lookup::Unknown(ConnectorError::new(
                Fault::Ils,
                Retry::Later,
                format!("the card is there over {}, and not over {}", self.create.name, self.verify.name),
                "It may be new: it is asked for again later. If it stays so, ask the ILS's vendor.",
            )),
        }
    }

    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        let mut findings = self.verify.directory.check().await?;
        findings.extend(self.create.directory.check().await?);
        Ok(findings)
    }
}

#[async_trait]
impl PatronWriter for Route {
    fn pin_with_create(&self) -> bool {
        self.create.directory.pin_with_create()
    }

    fn no_later_pin(&self) -> Option<String> {
        self.create.directory.no_later_pin()
    }

    async fn create(&self, creation: &Creation) -> Outcome {
        match self.create.directory.create(creation).await {
            Outcome::Applied(made) => self.verified(creation, made).await,
            Outcome::AlreadySo(made) => self.verified(creation, Some(made)).await,
            other => other,
        }
    }

    async fn set_pin(&self, patron: &Patron, pin: &Secret) -> Outcome {
        let outcome = self.create.directory.set_pin(patron, pin).await;
        if let (Outcome::Applied(_) | Outcome::AlreadySo(_), Some(number)) =
            (&outcome, &patron.values.barcode)
        {
            self.try_card(number, pin).await;
        }
        outcome
    }

    async fn update(&self, patron: &Patron, changes: &FieldChanges) -> Outcome {
        self.create.directory.update(patron, changes).await
    }

    async fn set_blocked(&self, patron: &Patron, blocked: bool) -> Outcome {
        self.blocker().directory.set_blocked(patron, blocked).await
    }

    async fn finish(&self) -> Result<Vec<Finding>, ConnectorError> {
        let mut findings = self.create.directory.finish().await?;
        findings.extend(self.verify.directory.finish().await?);
        let unseen = self.unseen.swap(0, Ordering::Relaxed);
        if unseen > 0 {
            let message = format!(
                "{unseen} new cards were made over {} and are not found over {}: they stay pending until they are",
                self.create.name, self.verify.name
            );
            findings.push(Finding::new("new_card_not_found", Place::default(), message));
        }
        let shut_out = self.shut_out.swap(0, Ordering::Relaxed);
        if shut_out > 0 {
            let message = format!(
                "{shut_out} new cards do not let their holders in over {}, as a vendor's service would ask: see the PIN's form and the category in the ILS",
                self.verify.name
            );
            findings.push(Finding::new("new_card_shut_out", Place::default(), message));
        }
        Ok(findings)
    }
}
