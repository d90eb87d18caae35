//! Reading threads, each with a connection of its own. In WAL mode they see the last commit, never hold the writer up
//! and are never held up by it. Each job reads inside one transaction, and so sees one state.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::db::{Db, Secrets};
use super::fault::Fault;
use crate::store::StoreError;

type Job = Box<dyn FnOnce(&Db<'_>) + Send>;

/// The reading threads.
pub(super) struct Readers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    what: Arc<str>,
}

impl Readers {
    pub(super) fn start(conns: Vec<Connection>, secrets: &Arc<Secrets>, what: Arc<str>) -> io::Result<Self> {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::with_capacity(conns.len());
        for conn in conns {
            let (secrets, waiting) = (Arc::clone(secrets), Arc::clone(&waiting));
            let builder = std::thread::Builder::new().name("store-reader".to_owned());
            threads.push(builder.spawn(move || serve(&conn, &secrets, &waiting))?);
        }
        Ok(Self { jobs: Some(jobs), threads, what })
    }

    /// Reads.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let what = Arc::clone(&self.what);
        let job: Job = Box::new(move |db| {
            // An error means that the caller no longer waits.
            drop(reply.send(in_transaction(db, work).map_err(|fault| fault.at(&what))));
        });
        let stopped = || StoreError::Unavailable {
            what: self.what.to_string(),
            why: "its reading threads have stopped".to_owned(),
        };
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        drop(self.jobs.take());
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn serve(conn: &Connection, secrets: &Secrets, waiting: &Mutex<Receiver<Job>>) {
    let db = Db { conn, secrets };
    loop {
        // The lock is held while waiting, not while working; nothing can break in between.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        job(&db);
    }
}

fn in_transaction<T>(db: &Db<'_>, work: impl FnOnce(&Db<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
    db.conn.prepare_cached("begin")?.execute([])?;
    let result = work(db);
    let end = db.conn.prepare_cached("commit").and_then(|mut end| end.execute([]));
    match (result, end) {
        (Ok(value), Ok(_)) => Ok(value),
        (Err(fault), _) => Err(fault),
        (Ok(_), Err(error)) => Err(error.into()),
    }
}
