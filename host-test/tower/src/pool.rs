//! A pool of VMs: workers that run one chain, each with a task for its timers and callouts.
//! Exchanges are spread over the workers and stay where they were opened; a thread keeps to a
//! worker of its own while it can.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatepost_host::{CallError, Chain, Host, StartError, StreamInfo, Worker, WorkerOptions};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::callout::{Callouts, NoCallouts};
use crate::drive::Driver;
use crate::seat::{Exchange, Seat};

/// Is told of traps of guests.
pub type OnTrap = Arc<dyn Fn(&CallError) + Send + Sync>;

/// How a pool is set up. The default has a worker for each processor, and reaches no cluster.
#[derive(Clone)]
pub struct PoolOptions {
    /// How many workers, each with the VMs of the chain; at least one. Guests of different workers
    /// share what their [`Host`] shares.
    pub workers: usize,
    /// Who sends the calls that guests start. Default [`NoCallouts`].
    pub callouts: Arc<dyn Callouts>,
    /// Makes the guests' random bytes follow from this number and the number of their worker. For
    /// tests.
    pub seed: Option<u64>,
    /// Is told of each trap of a guest, on the thread that ran it. What happens to the exchange is
    /// the plugin's [`FailPolicy`](gatepost_host::FailPolicy).
    pub on_trap: Option<OnTrap>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { workers, callouts: Arc::new(NoCallouts), seed: None, on_trap: None }
    }
}

impl fmt::Debug for PoolOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolOptions")
            .field("workers", &self.workers)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// A pool did not start.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// A plugin did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The tasks of the pool need a runtime.
    #[error("a pool needs a tokio runtime: start it inside one, or enter its handle before")]
    NoRuntime,
}

/// Workers that run a chain. Clones are handles to the same pool; it ends, with its tasks, when the
/// last of them is gone and no exchange is open any more.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    seats: Vec<Arc<Seat>>,
    host: Host,
}

/// How many exchanges more than twice those of the idlest worker a thread leaves to its own, for
/// less waiting on locks.
const SLACK: usize = 8;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The number of the thread, in the order in which threads first opened an exchange.
    static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

impl Pool {
    /// Starts the workers, and on the current tokio runtime a task for each, which sends callouts
    /// and keeps the guests' time. The runtime must have its timers enabled, as tokio's own have.
    ///
    /// # Errors
    /// When a plugin does not start, or there is no runtime.
    pub fn start(chain: &Chain, host: Host, options: PoolOptions) -> Result<Self, PoolError> {
        let runtime = Handle::try_current().map_err(|_| PoolError::NoRuntime)?;
        let PoolOptions { workers, callouts, seed, on_trap } = options;
        let mut started = Vec::new();
        for number in 0..workers.max(1) {
            let seed = seed.map(|seed| seed.wrapping_add((number as u64) << 32));
            let options = WorkerOptions { seed, ..WorkerOptions::default() };
            started.push(Worker::with_options(chain, host.clone(), &options)?);
        }
        let seats = started
            .into_iter()
            .map(|worker| seat(worker, &host, &callouts, &on_trap, &runtime))
            .collect();
        Ok(Self { shared: Arc::new(Shared { seats, host }) })
    }

    /// What the guests share: their metrics, logs, data and clock.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.shared.host
    }

    /// How many exchanges are open: from a request's coming until its response is out or nobody
    /// wants it any more.
    #[must_use]
    pub fn open_exchanges(&self) -> usize {
        self.shared.seats.iter().map(|seat| seat.open_count()).sum()
    }

    #[cfg(test)]
    pub(crate) fn seats(&self) -> &[Arc<Seat>] {
        &self.shared.seats
    }

    /// Opens an exchange on the thread's own worker, or on the next one where nobody is at work,
    /// unless it has many more than others.
    pub(crate) fn open(&self, info: StreamInfo) -> Exchange {
        let seats = &self.shared.seats;
        let own = THREAD.with(|thread| thread % seats.len());
        let fewest = seats.iter().map(|seat| seat.open_count()).min().unwrap_or(0);
        let (before, after) = seats.split_at(own);
        let mut idle =
            after.iter().chain(before).filter(|seat| seat.open_count() <= 2 * fewest + SLACK);
        // Where all are at work, the first of them is as good as any: guests are quick.
        let first = idle.next().unwrap_or(&seats[own]);
        let seat = if first.is_at_work() {
            idle.find(|seat| !seat.is_at_work()).unwrap_or(first)
        } else {
            first
        };
        seat.open(info)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open_exchanges();
        f.debug_struct("Pool")
            .field("workers", &self.shared.seats.len())
            .field("open_exchanges", &open)
            .finish_non_exhaustive()
    }
}

fn seat(
    worker: Worker,
    host: &Host,
    callouts: &Arc<dyn Callouts>,
    on_trap: &Option<OnTrap>,
    runtime: &Handle,
) -> Arc<Seat> {
    let most = worker.chain().options().limits.body_bytes;
    let alarm = Arc::new(Notify::new());
    let seat = Arc::new(Seat::new(worker, Arc::clone(&alarm), on_trap.clone()));
    let driver = Driver {
        seat: Arc::downgrade(&seat),
        alarm,
        clock: Arc::clone(&host.clock),
        callouts: Arc::clone(callouts),
        most,
    };
    runtime.spawn(driver.run());
    seat
}
