//! A school information system for practice: a roster package served over the protocols that districts' systems speak.
//!
//! One listener serves every protocol; each protocol is a module that makes [`Mount`]s: routes under a path of its own.
//! [`package`] reads what [`crate::roster`] (or anybody) wrote. Nothing is kept on disk, and everybody in it is invented.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rostercard_practice::sis::{Sis, oneroster, package::Package};
//!
//! let package = Package::read("roster.zip".as_ref())?;
//! let district = oneroster::OneRoster::of(&package, oneroster::Quirks::default());
//! let sis = Sis::start(([127, 0, 0, 1], 0).into(), district.mounts()).await?;
//! println!("OneRoster 1.2 at {}", sis.url("oneroster_1_2"));
//! # Ok(())
//! # }
//! ```

pub mod clever;
pub mod oneroster;
pub mod package;

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Something that the listener serves: routes below a path, known by a name in the line that the program prints.
#[derive(Debug, Clone)]
pub struct Mount {
    /// What the line with the addresses calls it, in snake case: `oneroster_1_2`.
    pub name: &'static str,
    /// The path of it, which the routes hold too: `/ims/oneroster/v1p1`.
    pub path: &'static str,
    /// Its routes, by their whole paths. Several mounts may share one set: then only one of them holds it.
    pub routes: Router,
}

/// Why a practice SIS did not start.
#[derive(Debug, thiserror::Error)]
#[error("the practice SIS cannot listen at {address}: {source}")]
pub struct SisError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: std::io::Error,
}

/// Starts practice SISs.
#[derive(Debug)]
pub struct Sis;

impl Sis {
    /// Listens at an address (port 0 picks one) and serves the mounts.
    ///
    /// # Errors
    /// [`SisError`], where the address is taken or not this machine's.
    pub async fn start(listen: SocketAddr, mounts: Vec<Mount>) -> Result<Running, SisError> {
        let failed = |source| SisError { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let paths = mounts.iter().map(|mount| (mount.name, mount.path)).collect();
        let routes = mounts.into_iter().fold(Router::new(), |all, mount| all.merge(mount.routes));
        let task = tokio::spawn(async move {
            // It ends only by being aborted.
            let _ended = axum::serve(listener, routes).await;
        });
        Ok(Running { task, address, paths })
    }
}

/// A practice SIS that listens. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    task: JoinHandle<()>,
    address: SocketAddr,
    paths: Vec<(&'static str, &'static str)>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a mount by its name; that of the listener where there is none of that name.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        let path = self.paths.iter().find(|(known, _)| *known == name).map_or("", |(_, path)| path);
        format!("http://{}{path}", self.address)
    }

    /// Every mount: its name, its address.
    pub fn urls(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.paths.iter().map(|(name, path)| (*name, format!("http://{}{path}", self.address)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
