//! A patron directory that says of every answer that it came: a run that still gets answers does not hang, however long it takes.

use std::sync::Arc;

use async_trait::async_trait;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::Finding;
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    Capabilities, ConnectorError, Creation, FieldChanges, FindBy, FindKey, Lookup, Outcome, PatronDirectory,
    PatronFinder, PatronWriter,
};
use rostercard_core::privacy::Secret;
use rostercard_engine::Progress;

/// A directory, and who hears of its answers.
pub(crate) struct Watched {
    pub(crate) inner: Arc<dyn PatronDirectory>,
    pub(crate) progress: Arc<dyn Progress>,
}

impl Watched {
    /// Nothing more is done, but something went on.
    fn heard<T>(&self, answer: T) -> T {
        self.progress.advance(0);
        answer
    }
}

#[async_trait]
impl PatronFinder for Watched {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn returns(&self) -> FieldSet {
        self.inner.returns()
    }

    fn finds_by(&self) -> &'static [FindBy] {
        self.inner.finds_by()
    }

    fn canonical(&self, field: Field, values: &PatronValues) -> Option<String> {
        self.inner.canonical(field, values)
    }

    async fn find(&self, key: &FindKey) -> Lookup {
        self.heard(self.inner.find(key).await)
    }

    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        self.heard(self.inner.check().await)
    }
}

#[async_trait]
impl PatronWriter for Watched {
    fn pin_with_create(&self) -> bool {
        self.inner.pin_with_create()
    }

    fn no_later_pin(&self) -> Option<String> {
        self.inner.no_later_pin()
    }

    async fn create(&self, creation: &Creation) -> Outcome {
        self.heard(self.inner.create(creation).await)
    }

    async fn set_pin(&self, patron: &Patron, pin: &Secret) -> Outcome {
        self.heard(self.inner.set_pin(patron, pin).await)
    }

    async fn update(&self, patron: &Patron, changes: &FieldChanges) -> Outcome {
        self.heard(self.inner.update(patron, changes).await)
    }

    async fn set_blocked(&self, patron: &Patron, blocked: bool) -> Outcome {
        self.heard(self.inner.set_blocked(patron, blocked).await)
    }

    async fn finish(&self) -> Result<Vec<Finding>, ConnectorError> {
        self.heard(self.inner.finish().await)
    }
}
