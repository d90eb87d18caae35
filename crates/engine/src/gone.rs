//! Patrons of ours that an ILS does not have any more: a question for a person each, or a server in doubt (S33).

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rostercard_core::finding::Place;
use rostercard_core::guard::GuardAction;
use rostercard_core::plan::ChangeState;
use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_core::reason::{Reason, Review};
use rostercard_core::words::LinkState;
use rostercard_store::rows::{Change, Link, LinkData, LinkWrite, Settlement};

use crate::apply::Applier;
use crate::engine::EngineError;
use crate::tally::{Fate, Tally};

impl Applier<'_> {
    /// Notes that a patron of ours was not found.
    pub(crate) fn is_gone(&self, change: Change, link: Link) {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).push((change, link));
    }

    /// Patrons of ours that were not found: each a question for a person; many at once, and it is the server that is
    /// in doubt (S33).
    pub(crate) async fn settle_gone(&self) -> Result<(), EngineError> {
        let gone = std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner));
        let (count, found) = (gone.len() as u64, self.found.load(Ordering::Relaxed));
        let limit = self.settings.guards.gone;
        if limit.action == GuardAction::Wait && count > limit.allows(count + found) {
            let error = ConnectorError::new(
                Fault::Operator,
                Retry::NotThisTarget,
                format!(
                    "{count} of {} patrons of ours were not found at once: another server, a restored backup, or a lost permission",
                    count + found
                ),
                "look two of the cards up in the ILS's staff client; nothing was changed for them",
            );
            self.halt(error.clone());
            for (change, _) in &gone {
                self.failed(change, None, &error).await?;
            }
            return Ok(());
        }
        for (change, link) in gone {
            let reason = Reason::Review(Review::Gone);
            {
                let mut result = self.result();
                result.note(reason.code(), &reason.to_string(), &Place::default());
                result.shift(&change.school.1, Fate::Change(change.kind), Fate::Review, 1);
            }
            let data = LinkData {
                state: LinkState::Gone,
                decided: change.decided,
                reason: Some(reason.code().to_owned()),
                ..link.data
            };
            self.settle_one(Settlement {
                change: Some((change.id, ChangeState::Settled)),
                link: Some(LinkWrite { person: change.person, data }),
                ..self.nothing()
            })
            .await?;
        }
        Ok(())
    }
}
