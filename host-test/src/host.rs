//! What the VMs of one proxy share: where logs and metrics go, the clock, shared data, foreign
//! functions and the names of clusters. What belongs to one VM is in `state`.

use std::sync::Arc;

use crate::callout::Clusters;
use crate::clock::{Clock, SystemClock};
use crate::foreign::ForeignFunctions;
use crate::metrics::Metrics;
use crate::shared::Shared;
use crate::sink::{LogSink, NoLog};

/// What VMs share. Clones share all of it.
///
/// ```
/// use std::sync::Arc;
/// use gatepost_host::{Clock, Host, MemoryLog, VirtualClock};
///
/// let (log, clock) = (MemoryLog::default(), VirtualClock::at(1_700_000_000_000_000_000));
/// let host = Host {
///     log: Arc::new(log.clone()),
///     clock: Arc::new(clock.clone()),
///     ..Host::default()
/// };
/// // Give a clone to each VM or worker. The log, the metrics and the clock can be read from here.
/// let clone = host.clone();
/// clock.advance(std::time::Duration::from_secs(1));
/// assert_eq!(clone.clock.monotonic_nanos(), 1_000_000_000);
/// ```
#[derive(Clone)]
pub struct Host {
    /// Takes the guests' log lines. Default [`NoLog`].
    pub log: Arc<dyn LogSink>,
    /// The metrics of all VMs.
    pub metrics: Metrics,
    /// The clock. Default [`SystemClock`].
    pub clock: Arc<dyn Clock>,
    /// Shared data and shared queues.
    pub shared: Shared,
    /// The functions that guests may call by name, beside the ABI. Default Envoy's.
    pub foreign: ForeignFunctions,
    /// The clusters that guests may call. Default any.
    pub clusters: Clusters,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            log: Arc::new(NoLog),
            metrics: Metrics::default(),
            clock: Arc::new(SystemClock::default()),
            shared: Shared::default(),
            foreign: ForeignFunctions::default(),
            clusters: Clusters::default(),
        }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("metrics", &self.metrics).finish_non_exhaustive()
    }
}
