//! What `check --online` says of a server.

use rostercard_core::finding::Finding;
use rostercard_core::ports::ConnectorError;

use super::source::OneRosterRest;

/// Tries what a read needs, and says what the server is like.
pub(super) async fn profile(source: &mut OneRosterRest) -> Result<Vec<Finding>, ConnectorError> {
    source.schools().await?;
    Ok(Vec::new())
}
