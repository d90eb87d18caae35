//! The one thread that writes. Jobs arrive over a channel; all that wait are done in one transaction, each inside a
//! savepoint so that one that fails takes nothing of the others with it; then there is one commit, and only then does
//! anybody get an answer. What was answered is durable.
//!
//! A job whose caller no longer waits is done all the same: what it has to say may be an outcome that nobody else knows.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::db::{Db, Secrets};
use super::fault::Fault;
use crate::store::StoreError;

/// What is done before each commit: nothing, or what stands for a slow disk.
pub(super) type BeforeCommit = Box<dyn FnMut() + Send>;

/// So many jobs share a commit at most.
const MOST: usize = 512;

/// A job that waits. Its types are behind it, so that jobs of all kinds can share a transaction.
trait Job: Send {
    /// Does the work; whether it succeeded.
    fn work(&mut self, db: &Db<'_>, what: &str) -> bool;

    /// Answers the caller. `failure` is why the transaction as a whole failed, where it did.
    fn answer(self: Box<Self>, what: &str, failure: Option<&str>);
}

struct Typed<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Typed<T, F>
where
    T: Send,
    F: FnOnce(&Db<'_>) -> Result<T, Fault> + Send,
{
    fn work(&mut self, db: &Db<'_>, what: &str) -> bool {
        let result = self.work.take().map(|work| work(db).map_err(|fault| fault.at(what)));
        let fine = matches!(result, Some(Ok(_)));
        self.result = result;
        fine
    }

    fn answer(self: Box<Self>, what: &str, failure: Option<&str>) {
        let unavailable = |why: &str| StoreError::Unavailable { what: what.to_owned(), why: why.to_owned() };
        let answer = match (failure, self.result) {
            // An error of the job's own says more than that of the whole.
            (_, Some(Err(error))) => Err(error),
            (Some(why), _) => Err(unavailable(why)),
            (None, Some(Ok(value))) => Ok(value),
            (None, None) => Err(unavailable("it was not done")),
        };
        // An error means that the caller no longer waits.
        drop(self.reply.send(answer));
    }
}

/// The writing thread.
pub(super) struct Writer {
    jobs: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
    what: Arc<str>,
}

impl Writer {
    pub(super) fn start(conn: Connection, secrets: Arc<Secrets>, what: Arc<str>) -> io::Result<Self> {
        Self::start_with(conn, secrets, what, Box::new(|| {}))
    }

    pub(super) fn start_with(
        conn: Connection,
        secrets: Arc<Secrets>,
        what: Arc<str>,
        mut before: BeforeCommit,
    ) -> io::Result<Self> {
        let (jobs, waiting) = channel();
        let commits = Arc::new(AtomicU64::new(0));
        let (count, label) = (Arc::clone(&commits), Arc::clone(&what));
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(&conn, &secrets, &waiting, &label, (&count, &mut before)))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), commits, what })
    }

    /// Does a job in a transaction; answers once it is durable.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Typed { work: Some(work), result: None, reply });
        let stopped = || StoreError::Unavailable {
            what: self.what.to_string(),
            why: "its writing thread has stopped".to_owned(),
        };
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Transactions that were committed.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The thread finishes what waits and ends; the file is closed before whoever owns the writer lets the lock go.
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(
    conn: &Connection,
    secrets: &Secrets,
    waiting: &Receiver<Box<dyn Job>>,
    what: &str,
    (commits, before): (&AtomicU64, &mut BeforeCommit),
) {
    let db = Db { conn, secrets };
    while let Ok(first) = waiting.recv() {
        let mut jobs = vec![first];
        while jobs.len() < MOST
            && let Ok(job) = waiting.try_recv()
        {
            jobs.push(job);
        }
        let failure = transaction(&db, &mut jobs, what, before).err().map(|fault| match fault.at(what) {
            StoreError::Unavailable { why, .. } => why,
            error => error.to_string(),
        });
        match &failure {
            None => {
                commits.fetch_add(1, Ordering::Relaxed);
            }
            Some(why) => {
                tracing::error!(store = what, jobs = jobs.len(), error = %why, "A transaction failed; nothing of it was written.");
                if !conn.is_autocommit() && conn.execute_batch("rollback").is_err() {
                    tracing::error!(store = what, "The failed transaction could not be rolled back.");
                }
            }
        }
        for job in jobs {
            job.answer(what, failure.as_deref());
        }
    }
}

fn transaction(
    db: &Db<'_>,
    jobs: &mut [Box<dyn Job>],
    what: &str,
    before: &mut BeforeCommit,
) -> Result<(), Fault> {
    let now = |sql| -> Result<(), Fault> {
        db.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    };
    now("begin immediate")?;
    for job in jobs.iter_mut() {
        now("savepoint job")?;
        if !job.work(db, what) {
            // A full disk may have rolled back all of it; then there is no savepoint to go back to, and the error that
            // this makes is everybody's.
            now("rollback to job")?;
        }
        now("release job")?;
    }
    before();
    now("commit")
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;
    use crate::sqlite::fault::not_found;

    fn writer() -> Writer {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("create table t (n integer unique)").unwrap();
        let key = crate::seal::StoreKey::new([1; 32]);
        let none = |_: &mut [u8]| Err(io::Error::other("none"));
        let secrets = Arc::new(Secrets::new(&key, Arc::new(none)));
        Writer::start(conn, secrets, Arc::from("memory")).unwrap()
    }

    #[tokio::test]
    async fn what_comes_before_a_commit_comes_once_for_all_that_share_it() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("create table t (n integer unique)").unwrap();
        let none = |_: &mut [u8]| Err(io::Error::other("none"));
        let secrets = Arc::new(Secrets::new(&crate::seal::StoreKey::new([1; 32]), Arc::new(none)));
        let waits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&waits);
        let before = Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let writer = Writer::start_with(conn, secrets, Arc::from("memory"), before).unwrap();
        let gate = hold(&writer);
        let rest = join_all((0..100).map(|n| writer.run(move |db| insert(db, n))));
        let (results, ()) = futures::join!(rest, async { drop(gate) });
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(waits.load(Ordering::Relaxed), 2, "the gate, and the hundred");
    }

    /// Holds the writing thread, at work on a job of its own, until what is returned is dropped.
    fn hold(writer: &Writer) -> Sender<()> {
        let (gate, closed) = channel::<()>();
        let (began, begins) = channel();
        let (reply, _nobody) = oneshot::channel();
        let job = Typed {
            work: Some(move |_: &Db<'_>| {
                began.send(()).unwrap();
                assert!(closed.recv().is_err());
                Ok(())
            }),
            result: None,
            reply,
        };
        assert!(writer.jobs.as_ref().unwrap().send(Box::new(job)).is_ok());
        begins.recv().unwrap();
        gate
    }

    fn insert(db: &Db<'_>, n: i64) -> Result<(), Fault> {
        db.conn.execute("insert into t (n) values (?1)", [n])?;
        Ok(())
    }

    fn numbers(db: &Db<'_>) -> Result<Vec<i64>, Fault> {
        let mut statement = db.conn.prepare("select n from t order by n")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    #[tokio::test]
    async fn what_waits_shares_a_commit_and_a_failure_is_its_own() {
        let writer = writer();
        let gate = hold(&writer);
        let rest = (0..100).map(|n| {
            let writer = &writer;
            async move {
                writer
                    .run(move |db| {
                        insert(db, n)?;
                        if n % 10 == 0 { Err(not_found("luck")) } else { Ok(()) }
                    })
                    .await
            }
        });
        let rest = join_all(rest);
        let opener = async { drop(gate) };
        // Polled in this order: the thread is held until all of them are queued.
        let (results, ()) = futures::join!(rest, opener);
        for (n, result) in results.iter().enumerate() {
            assert_eq!(result.is_ok(), n % 10 != 0, "{n}");
        }
        assert_eq!(writer.run(numbers).await.unwrap().len(), 90);
        assert_eq!(writer.commits(), 3, "the gate, the hundred, and the count");
    }

    #[tokio::test]
    async fn a_transaction_that_is_lost_is_lost_for_all_of_it() {
        let writer = writer();
        let gate = hold(&writer);
        let fine = writer.run(|db| insert(db, 1));
        // As SQLite does by itself when the disk is full.
        let full = writer.run(|db| -> Result<(), Fault> {
            db.conn.execute_batch("rollback")?;
            Err(not_found("room"))
        });
        let opener = async { drop(gate) };
        let (fine, full, ()) = futures::join!(fine, full, opener);
        assert!(matches!(fine, Err(StoreError::Unavailable { .. })), "{fine:?}");
        assert!(matches!(full, Err(StoreError::NotFound { .. })), "{full:?}");
        assert!(writer.run(numbers).await.unwrap().is_empty());
        assert!(writer.run(|db| insert(db, 2)).await.is_ok(), "the next one is well again");
    }
}
