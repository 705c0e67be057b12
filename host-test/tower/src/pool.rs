//! A pool of workers that run one chain, each with a task for its timers and callouts. An exchange
//! stays on the worker on which it was opened. Each thread has a worker of its own, and opens
//! exchanges on another one only when its own is busy or has many more.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatepost_host::{Chain, Host, StartError, StreamInfo, Worker, WorkerOptions};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::callout::{Callouts, NoCallouts};
use crate::driver::Driver;
use crate::exchange::Exchange;
use crate::pooled_worker::{OnTrap, PooledWorker};

/// How a pool is set up. The default has a worker for each processor, and reaches no cluster.
#[derive(Clone)]
pub struct PoolOptions {
    /// How many workers, each with the VMs of the chain; at least one. Guests of different workers
    /// share what their [`Host`] shares.
    pub workers: usize,
    /// Sends the calls that guests start. Default [`NoCallouts`].
    pub callouts: Arc<dyn Callouts>,
    /// Makes the guests' random bytes the same in every run: they follow from this number and the
    /// number of the worker. For tests.
    pub seed: Option<u64>,
    /// Called for each trap of a guest, on the thread that ran it. What happens to the exchange
    /// follows from the plugin's [`FailPolicy`](gatepost_host::FailPolicy).
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
    workers: Vec<Arc<PooledWorker>>,
    host: Host,
}

/// A thread leaves its own worker when that has more than twice the exchanges of the idlest worker
/// and this many. Staying costs less waiting on locks.
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
        let workers = started
            .into_iter()
            .map(|worker| pooled(worker, &host, &callouts, &on_trap, &runtime))
            .collect();
        Ok(Self { shared: Arc::new(Shared { workers, host }) })
    }

    /// What the guests share: their metrics, logs, data and clock.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.shared.host
    }

    /// How many exchanges are open. An exchange begins with a request, and ends when its response
    /// has been read to its end or was dropped.
    #[must_use]
    pub fn open_exchanges(&self) -> usize {
        self.shared.workers.iter().map(|pooled| pooled.open_count()).sum()
    }

    #[cfg(test)]
    pub(crate) fn workers(&self) -> &[Arc<PooledWorker>] {
        &self.shared.workers
    }

    /// Opens an exchange on the thread's own worker, or on the next one that is not busy. A worker
    /// that has many more exchanges than others is passed over.
    pub(crate) fn open(&self, info: StreamInfo) -> Exchange {
        let workers = &self.shared.workers;
        let own = THREAD.with(|thread| thread % workers.len());
        let fewest = workers.iter().map(|pooled| pooled.open_count()).min().unwrap_or(0);
        let (before, after) = workers.split_at(own);
        let mut idle =
            after.iter().chain(before).filter(|pooled| pooled.open_count() <= 2 * fewest + SLACK);
        // When all are busy, the first will do: guests are quick.
        let first = idle.next().unwrap_or(&workers[own]);
        let pooled = if first.is_busy() {
            idle.find(|pooled| !pooled.is_busy()).unwrap_or(first)
        } else {
            first
        };
        Exchange::open(pooled, info)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open_exchanges();
        f.debug_struct("Pool")
            .field("workers", &self.shared.workers.len())
            .field("open_exchanges", &open)
            .finish_non_exhaustive()
    }
}

/// A worker in the pool, with its driver on the runtime.
fn pooled(
    worker: Worker,
    host: &Host,
    callouts: &Arc<dyn Callouts>,
    on_trap: &Option<OnTrap>,
    runtime: &Handle,
) -> Arc<PooledWorker> {
    let max_bytes = worker.chain().options().limits.body_bytes;
    let alarm = Arc::new(Notify::new());
    let pooled = Arc::new(PooledWorker::new(worker, Arc::clone(&alarm), on_trap.clone()));
    let driver = Driver {
        worker: Arc::downgrade(&pooled),
        alarm,
        clock: Arc::clone(&host.clock),
        callouts: Arc::clone(callouts),
        max_bytes,
    };
    runtime.spawn(driver.run());
    pooled
}
