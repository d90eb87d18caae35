//! A library system for practice: patrons in memory (and in a file, where one is given), NCIP, SIP 2.00 and Koha's REST API on
//! real sockets, faults on demand, and a page that shows what it holds.
//!
//! Each protocol is a module of its own beside [`ncip`](self); all share one register of patrons, one set of faults,
//! one log. It lends no books, and everybody in it is invented.
//!
//! ```no_run
//! # async fn example() -> Result<(), rostercard_practice::ils::IlsError> {
//! use rostercard_practice::ils::{Fault, Ils, Options, What, When};
//!
//! let ils = Ils::start(Options::default()).await?;
//! println!("NCIP at {}, patrons at {}", ils.ncip_url(), ils.page_url());
//! ils.fault(Fault { service: Some("CreateUser".into()), when: When::Nth(3), what: What::DropAnswer });
//! ils.stop().await;
//! # Ok(())
//! # }
//! ```

mod faults;
mod koha;
mod loader;
mod ncip;
mod page;
mod patron;
mod personality;
mod register;
mod sip2;
mod wire;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use faults::{Armed, Fault, What, When};
pub use koha::{KohaManners, KohaVersion};
pub use loader::{LoadReport, LoadedRow};
pub use patron::{Field, InKoha, Patron, Postal, Refusal, Write};
pub use personality::{Charset, PERSONALITIES, Personality, Responder};
pub use register::RegisterError;
pub use sip2::{Blocking, Nobody, OnUnknown, SIP2_PERSONALITIES, Sip2Personality};

use faults::{Faults, Struck};
use register::Register;

/// How many messages the log keeps.
const LOG: usize = 200;
/// The largest message that is read, in bytes.
const LARGEST_MESSAGE: usize = 1 << 20;

/// How to start a practice ILS.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where NCIP listens; port 0 picks one.
    pub ncip: SocketAddr,
    /// Where NCIP listens for messages over raw TCP, if anywhere; port 0 picks one.
    pub ncip_tcp: Option<SocketAddr>,
    /// Where the page listens; port 0 picks one. The same address as NCIP's: one listener serves both.
    pub page: SocketAddr,
    /// Where Koha's REST API listens; port 0 picks one. The same address as another's: one listener serves both.
    pub koha: SocketAddr,
    /// How the Koha is set up.
    pub koha_manners: KohaManners,
    /// Where SIP2 listens; port 0 picks one. None: nowhere.
    pub sip2: Option<SocketAddr>,
    /// How SIP2 behaves.
    pub sip2_personality: Sip2Personality,
    /// Where the patrons are kept; none: in memory only.
    pub patrons_file: Option<PathBuf>,
    /// How long every answer takes.
    pub latency: Duration,
    /// What the ILS accepts and what it does to it.
    pub personality: Personality,
    /// Faults in force from the start.
    pub faults: Vec<Fault>,
}

impl Default for Options {
    /// One listener on a loopback port that the system picks, nothing kept, nothing wrong.
    fn default() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            ncip: any,
            ncip_tcp: None,
            page: any,
            koha: any,
            koha_manners: KohaManners::default(),
            sip2: None,
            sip2_personality: Sip2Personality::default(),
            patrons_file: None,
            latency: Duration::ZERO,
            personality: Personality::default(),
            faults: Vec::new(),
        }
    }
}

/// Why a practice ILS did not start.
#[derive(Debug, thiserror::Error)]
pub enum IlsError {
    /// The address is taken, or not this machine's.
    #[error("the practice ILS cannot listen at {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The patrons' file.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// What happened since the start, or since the counts were last reset. The first four count requests as they arrive,
/// also those that a fault struck.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// LookupUser messages, and SIP2's 63.
    pub lookups: u64,
    /// CreateUser messages.
    pub creates: u64,
    /// UpdateUser messages, and SIP2's 01 and 25.
    pub updates: u64,
    /// Messages that were none of these, or could not be read.
    pub others: u64,
    /// Patrons made over a protocol.
    pub created: u64,
    /// Patrons changed over a protocol.
    pub updated: u64,
    /// Answers that were a Problem of the ILS's own (not one that a fault ordered).
    pub problems: u64,
    /// Of these, creates refused because the barcode was taken.
    pub duplicates_refused: u64,
    /// Answers Unsupported Service, ordered or not.
    pub unsupported: u64,
    /// Requests that a fault struck.
    pub faults: u64,
    /// The most NCIP messages that were under way at once.
    pub most_at_once: u64,
    /// Patrons now.
    pub patrons: u64,
}

/// One line of the log.
#[derive(Debug, Clone, Serialize)]
pub struct Logged {
    /// Its place among all messages since the start.
    pub number: u64,
    /// The message, such as `CreateUser`.
    pub service: String,
    /// The barcode it was about.
    pub barcode: String,
    /// What came of it.
    pub outcome: String,
    /// The fault that struck it.
    pub fault: Option<What>,
}

/// Everything that changes, under one lock.
struct Desk {
    register: Register,
    faults: Faults,
    counts: Counts,
    log: VecDeque<Logged>,
    messages: u64,
    under_way: u64,
}

impl Desk {
    /// Counts a message as it comes, and says what strikes it.
    fn arrived(&mut self, service: &str) -> Struck {
        match service {
            "LookupUser" | "FindPatrons" | "GetPatron" | "PatronInformation" => self.counts.lookups += 1,
            "CreateUser" | "CreatePatron" => self.counts.creates += 1,
            "UpdateUser" | "UpdatePatron" | "SetPassword" | "PutAttributes" | "BlockPatron"
            | "PatronEnable" => {
                self.counts.updates += 1;
            }
            _ => self.counts.others += 1,
        }
        self.under_way += 1;
        self.counts.most_at_once = self.counts.most_at_once.max(self.under_way);
        let struck = self.faults.strike(service);
        self.counts.faults += u64::from(struck != Struck::default());
        struck
    }

    fn note(&mut self, service: &str, barcode: &str, outcome: &str, fault: Option<&What>) {
        self.messages += 1;
        if self.log.len() == LOG {
            self.log.pop_front();
        }
        self.log.push_back(Logged {
            number: self.messages,
            service: service.to_owned(),
            barcode: barcode.to_owned(),
            outcome: outcome.to_owned(),
            fault: fault.cloned(),
        });
    }

    /// A message is no longer under way.
    fn under_way_ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    fn counts(&self) -> Counts {
        Counts { patrons: self.register.len() as u64, ..self.counts }
    }
}

/// What all handlers share.
struct Shared {
    desk: Mutex<Desk>,
    latency: Duration,
    ncip: ncip::Manner,
    agency: Option<String>,
    secret: Option<String>,
    koha: Arc<koha::KohaState>,
    down: AtomicBool,
    stop: CancellationToken,
}

impl Shared {
    /// The desk. A handler that panicked has left no half-made change: each is made on a copy.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    /// Waits; false where the ILS stopped meanwhile.
    async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    async fn stopping(&self) {
        self.stop.cancelled().await;
    }
}

/// A message under way, until this is dropped: answered, or given up by its client.
struct UnderWay(Arc<Shared>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut desk = self.0.desk();
        desk.under_way = desk.under_way.saturating_sub(1);
    }
}

/// How much of a body is read.
#[derive(Debug, Clone, Copy)]
struct BodyLimit(usize);

/// Starts practice ILSs.
#[derive(Debug, Clone, Copy)]
pub struct Ils;

impl Ils {
    /// Starts one on the tokio runtime that this is called on; when it returns, it listens.
    ///
    /// # Errors
    /// Where an address or the patrons' file cannot be used.
    pub async fn start(options: Options) -> Result<Running, IlsError> {
        let Options {
            ncip,
            ncip_tcp,
            page,
            koha,
            koha_manners,
            sip2,
            sip2_personality,
            patrons_file,
            latency,
            personality,
            faults,
        } = options;
        let mut scripted = Faults::default();
        for fault in faults {
            scripted.add(fault);
        }
        let stop = CancellationToken::new();
        let ncip_listener = listen(ncip).await?;
        let page_listener = if page == ncip { None } else { Some(listen(page).await?) };
        let koha_listener = if koha == ncip || koha == page { None } else { Some(listen(koha).await?) };
        let shared = Arc::new(Shared {
            latency,
            ncip: ncip::Manner::of(&personality),
            agency: personality.agency.clone(),
            secret: personality.secret.clone(),
            koha: Arc::new(koha::KohaState::new(koha_manners)),
            down: AtomicBool::new(false),
            stop: stop.clone(),
            desk: Mutex::new(Desk {
                register: Register::open(personality, patrons_file.as_deref())?,
                faults: scripted,
                counts: Counts::default(),
                log: VecDeque::with_capacity(LOG),
                messages: 0,
                under_way: 0,
            }),
        });
        let mut ncip_routes = Router::new()
            .route("/ncip", axum::routing::post(ncip::post))
            .route("/ncip/{token}", axum::routing::post(ncip::post))
            .layer(axum::Extension(BodyLimit(LARGEST_MESSAGE)));
        let mut page_routes = page::routes();
        let koha_routes = Router::new()
            .route("/api/v1/{*path}", axum::routing::any(koha::handle))
            .layer(axum::Extension(BodyLimit(LARGEST_MESSAGE)));
        let ncip_at = bound(&ncip_listener, ncip)?;
        let mut page_at = ncip_at;
        let mut koha_at = ncip_at;
        let mut tasks = Vec::new();
        let ncip_tcp = match ncip_tcp {
            None => None,
            Some(address) => {
                let listener = listen(address).await?;
                let at = bound(&listener, address)?;
                tasks.push(tokio::spawn(ncip::serve_tcp(listener, Arc::clone(&shared))));
                Some(at)
            }
        };
        if let Some(listener) = koha_listener {
            koha_at = bound(&listener, koha)?;
            tasks.push(serve(listener, koha_routes, &shared));
        } else if koha == ncip {
            ncip_routes = ncip_routes.merge(koha_routes);
        } else {
            page_routes = page_routes.merge(koha_routes);
        }
        if let Some(listener) = page_listener {
            page_at = bound(&listener, page)?;
            if koha == page && koha != ncip {
                koha_at = page_at;
            }
            tasks.push(serve(listener, page_routes, &shared));
        } else {
            ncip_routes = ncip_routes.merge(page_routes);
        }
        tasks.push(serve(ncip_listener, ncip_routes, &shared));
        let mut sip2_at = None;
        if let Some(address) = sip2 {
            let listener = listen(address).await?;
            sip2_at = Some(bound(&listener, address)?);
            tasks.push(sip2::serve(listener, &shared, sip2_personality));
        }
        Ok(Running { shared, tasks, ncip: ncip_at, ncip_tcp, page: page_at, koha: koha_at, sip2: sip2_at })
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, IlsError> {
    TcpListener::bind(address).await.map_err(|source| IlsError::Listen { address, source })
}

fn bound(listener: &TcpListener, address: SocketAddr) -> Result<SocketAddr, IlsError> {
    listener.local_addr().map_err(|source| IlsError::Listen { address, source })
}

fn serve(listener: TcpListener, routes: Router<Arc<Shared>>, shared: &Arc<Shared>) -> JoinHandle<()> {
    let listener = wire::CuttableListener { inner: listener, stop: shared.stop.clone() };
    let app = routes.with_state(Arc::clone(shared)).into_make_service_with_connect_info::<wire::Connection>();
    tokio::spawn(async move {
        // It ends only by being aborted.
        let _ended = axum::serve(listener, app).await;
    })
}

/// A practice ILS that listens. Dropping it stops it too, without waiting.
pub struct Running {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    ncip: SocketAddr,
    ncip_tcp: Option<SocketAddr>,
    page: SocketAddr,
    koha: SocketAddr,
    sip2: Option<SocketAddr>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("ncip", &self.ncip).field("page", &self.page).finish_non_exhaustive()
    }
}

impl Running {
    /// Where NCIP messages are posted to.
    #[must_use]
    pub fn ncip_url(&self) -> String {
        format!("http://{}/ncip", self.ncip)
    }

    /// Where NCIP messages are sent to over raw TCP, where it listens so.
    #[must_use]
    pub fn ncip_tcp_url(&self) -> Option<String> {
        self.ncip_tcp.map(|at| format!("tcp://{at}"))
    }

    /// Where the page is.
    #[must_use]
    pub fn page_url(&self) -> String {
        format!("http://{}/", self.page)
    }

    /// The address NCIP listens at.
    #[must_use]
    pub fn ncip_address(&self) -> SocketAddr {
        self.ncip
    }

    /// The address the page listens at.
    #[must_use]
    pub fn page_address(&self) -> SocketAddr {
        self.page
    }

    /// Koha's address, below which its API lies.
    #[must_use]
    pub fn koha_url(&self) -> String {
        format!("http://{}", self.koha)
    }

    /// How many tokens Koha has given.
    #[must_use]
    pub fn koha_tokens(&self) -> u64 {
        self.shared.koha.tokens_given()
    }

    /// No token that Koha gave is good any more, as after a restart.
    pub fn forget_koha_tokens(&self) {
        self.shared.koha.forget_tokens();
    }

    /// The address SIP2 listens at, where it does.
    #[must_use]
    pub fn sip2_address(&self) -> Option<SocketAddr> {
        self.sip2
    }

    /// Loads a file of new patrons, as an ILS's own loader would by night.
    #[must_use]
    pub fn load(&self, csv: &str) -> LoadReport {
        loader::load(&mut self.shared.desk().register, csv)
    }

    /// All patrons, the oldest first.
    #[must_use]
    pub fn patrons(&self) -> Vec<Patron> {
        self.shared.desk().register.all().cloned().collect()
    }

    /// The patron with this barcode.
    #[must_use]
    pub fn patron(&self, barcode: &str) -> Option<Patron> {
        self.shared.desk().register.find(barcode).cloned()
    }

    /// What happened since the start, or since [`reset_counts`](Self::reset_counts).
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.desk().counts()
    }

    /// Starts counting anew.
    pub fn reset_counts(&self) {
        self.shared.desk().counts = Counts::default();
    }

    /// The last messages, the oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<Logged> {
        self.shared.desk().log.iter().cloned().collect()
    }

    /// Sets a fault; those set before stay.
    pub fn fault(&self, fault: Fault) {
        self.shared.desk().faults.add(fault);
    }

    /// The faults in force, with what each has seen and struck.
    #[must_use]
    pub fn faults(&self) -> Vec<Armed> {
        self.shared.desk().faults.all().to_vec()
    }

    /// Nothing goes wrong from here on.
    pub fn clear_faults(&self) {
        self.shared.desk().faults.clear();
    }

    /// While down, every NCIP connection is closed without an answer and nothing is done.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::SeqCst);
    }

    /// Makes a patron as staff would at the desk; its id and history are given by the ILS.
    ///
    /// # Errors
    /// Where the ILS's rules refuse it.
    pub fn add(&self, patron: Patron) -> Result<Patron, Refusal> {
        self.shared.desk().register.create(patron, "staff").cloned()
    }

    /// Changes a patron as staff would at the desk.
    ///
    /// # Errors
    /// Where there is none, or the ILS's rules refuse the change.
    pub fn edit(&self, barcode: &str, change: impl FnOnce(&mut Patron)) -> Result<Patron, Refusal> {
        let mut desk = self.shared.desk();
        let changed = desk.register.change(barcode, "edit", "staff", |patron| {
            change(patron);
            Ok(())
        });
        changed.cloned()
    }

    /// Deletes a patron as staff would.
    ///
    /// # Errors
    /// Where there is none.
    pub fn delete(&self, barcode: &str) -> Result<Patron, Refusal> {
        self.shared.desk().register.delete(barcode)
    }

    /// Merges one patron into another as staff would: the first is gone, with its barcode; the other stays as it is.
    ///
    /// # Errors
    /// Where one of them does not exist.
    pub fn merge(&self, from: &str, into: &str) -> Result<Patron, Refusal> {
        merge(&mut self.shared.desk(), from, into)
    }

    /// Stops listening, ends every connection, and gives up whatever had not been done yet.
    pub async fn stop(mut self) {
        self.halt();
        for task in std::mem::take(&mut self.tasks) {
            // Cancelled is how it ends.
            let _cancelled = task.await;
        }
    }

    /// Waits until somebody else stops it; for a program that only serves.
    pub async fn stopped(&self) {
        self.shared.stopping().await;
    }

    fn halt(&self) {
        self.shared.stop.cancel();
        self.shared.desk().register.close();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.halt();
    }
}

fn merge(desk: &mut Desk, from: &str, into: &str) -> Result<Patron, Refusal> {
    if from == into || desk.register.find(from).is_none() || desk.register.find(into).is_none() {
        return Err(Refusal::UnknownPatron);
    }
    let kept = desk.register.change(into, "merge", "staff", |_| Ok(()))?.clone();
    desk.register.delete(from)?;
    Ok(kept)
}
