//! Time, chance and power as the engine sees them: a clock that is moved by hand and may be wrong, and a power supply
//! that fails at a chosen step.
//!
//! Everything of a year runs on one thread, polled by [`drive`]: no runtime, so that the same seed gives the same
//! order of everything.

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{Span, Timestamp};
use rostercard_engine::{Clock, Entropy};

use crate::dice::Dice;

/// A lock that cannot be poisoned: a year that panics is over anyway.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The true time, and how wrong the machine's clock is.
#[derive(Debug)]
pub(crate) struct SimClock(Mutex<(Timestamp, i64)>);

impl SimClock {
    pub(crate) fn new(start: Timestamp) -> Self {
        Self(Mutex::new((start, 0)))
    }

    /// The true time, which the ILS and the district have.
    pub(crate) fn truth(&self) -> Timestamp {
        lock(&self.0).0
    }

    /// Time passes.
    pub(crate) fn advance(&self, duration: Duration) {
        let mut state = lock(&self.0);
        state.0 = state.0.checked_add(duration).unwrap_or(state.0);
    }

    /// From now on the machine's clock is wrong by so many seconds.
    pub(crate) fn wrong_by(&self, seconds: i64) {
        lock(&self.0).1 = seconds;
    }

    /// The machine's time.
    pub(crate) fn machine(&self) -> Timestamp {
        let (truth, wrong) = *lock(&self.0);
        truth.checked_add(Span::new().seconds(wrong)).unwrap_or(truth)
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.machine()
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
        yield_now().await;
    }
}

/// Chance for PINs.
#[derive(Debug)]
pub(crate) struct SimEntropy(pub(crate) Mutex<Dice>);

impl Entropy for SimEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        lock(&self.0).fill(bytes);
    }
}

/// Counts steps, and fails at one of them.
#[derive(Debug, Default)]
pub(crate) struct Power {
    left: Mutex<Option<u64>>,
    cut: AtomicBool,
}

impl Power {
    /// The power fails after so many steps; `None` for never.
    pub(crate) fn fails_after(&self, steps: Option<u64>) {
        *lock(&self.left) = steps;
        self.cut.store(false, Ordering::Relaxed);
    }

    /// Whether it has failed.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// A step that may be the last.
    pub(crate) async fn step(&self) {
        let due = {
            let mut left = lock(&self.left);
            match left.as_mut() {
                Some(0) => true,
                Some(steps) => {
                    *steps -= 1;
                    false
                }
                None => false,
            }
        };
        if due || self.is_cut() {
            self.cut.store(true, Ordering::Relaxed);
            pending::<()>().await;
        }
    }
}

/// Lets others go first.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(move |context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Ended<T> {
    /// With a result.
    Done(T),
    /// The power failed.
    Cut,
    /// Nobody will ever wake it again.
    Hung,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// Polls some work until it ends, the power fails, or nothing moves any more.
pub(crate) fn drive<T>(power: &Power, work: impl Future<Output = T>) -> Ended<T> {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut context = Context::from_waker(&waker);
    let mut work = pin!(work);
    loop {
        let polled = work.as_mut().poll(&mut context);
        if power.is_cut() {
            return Ended::Cut;
        }
        if let Poll::Ready(result) = polled {
            return Ended::Done(result);
        }
        if !flag.0.swap(false, Ordering::Acquire) {
            return Ended::Hung;
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for the store's thread. To the engine a call to the store is then one step, and the order of things does not
/// depend on how quick a thread was.
pub(crate) fn wait_for<T>(work: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(result) = work.as_mut().poll(&mut context) {
            return result;
        }
        std::thread::park();
    }
}
