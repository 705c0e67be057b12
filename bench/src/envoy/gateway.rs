//! An Envoy that is measured: the processor time of its worker for the requests of a round.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatepost_testbed::envoy::process::Options;
use serde::Deserialize;

use super::arm::Arm;
use super::cores::Cores;
use super::error::EnvoyError;
use super::listeners::Listeners;
use super::load::{Load, Requests};
use super::policy::{Shape, Size};
use super::workload::Workload;
use crate::error::BenchError;

/// The largest configurations take long to load: routes, scripts and policies for 100,000 hosts.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// A running Envoy on its own core.
#[derive(Debug)]
pub struct Gateway {
    listeners: Listeners,
    /// The worker's `schedstat`.
    worker: PathBuf,
}

/// One round of one arm.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Round {
    /// Processor time of Envoy's worker thread for one request, in nanoseconds.
    pub nanoseconds: f64,
    /// Requests in a second.
    pub per_second: f64,
}

impl Gateway {
    /// Starts an Envoy on its core. Modules are written to `folder`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        binary: &Path,
        arms: &[Arm],
        shapes: &[Shape],
        size: Size,
        cores: &Cores,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        let options = Options {
            ready_within: READY_WITHIN,
            filter_log_level: "error".to_owned(),
            ..Options::default()
        };
        let listeners =
            cores.with_envoys(|| Listeners::start(binary, arms, shapes, size, &options, folder))?;
        let worker = listeners.worker()?.join("schedstat");
        Ok(Self { listeners, worker })
    }

    /// The listeners of the arms.
    #[must_use]
    pub fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Sends requests to an arm for `time`.
    ///
    /// # Errors
    /// When a request fails or is answered with another kind of status than the workload's.
    pub fn round(
        &self,
        arm: &Arm,
        workload: Workload,
        requests: &Requests,
        load: &Load,
        time: Duration,
    ) -> Result<Round, EnvoyError> {
        let address = self.listeners.address(arm, workload)?;
        let listener = arm.listener(workload.shape());
        let served = self.served(&listener)?;
        let before = processor_time(&self.worker)?;
        let sent = load.run(address, requests, time)?;
        let served = self.served(&listener)? - served;
        let spent = processor_time(&self.worker)? - before;
        let refuses = workload == Workload::Reject && arm.works();
        if sent.errors > 0
            || sent.requests == 0
            || sent.unsuccessful != if refuses { sent.requests } else { 0 }
        {
            return Err(EnvoyError::Round {
                arm: arm.name.clone(),
                workload: workload.name(),
                sent: sent.requests,
                unsuccessful: sent.unsuccessful,
                errors: sent.errors,
            });
        }
        #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
        let nanoseconds = spent.as_nanos() as f64 / served as f64;
        Ok(Round { nanoseconds, per_second: sent.per_second })
    }

    /// How many requests a listener has had.
    fn served(&self, listener: &str) -> Result<u64, EnvoyError> {
        let name = format!("http.{listener}.downstream_rq_total");
        let path = format!("/stats?format=json&filter=^{}$", name.replace('.', "\\."));
        let stats = self.listeners.envoy().admin(&path)?;
        let stats: Stats = serde_json::from_str(&stats)
            .map_err(|error| EnvoyError::Response(format!("the statistics: {error}")))?;
        let stat = stats
            .stats
            .into_iter()
            .find(|stat| stat.name.as_deref() == Some(&name))
            .and_then(|stat| stat.value);
        stat.ok_or_else(|| EnvoyError::Response(format!("there is no counter {name}")))
    }
}

#[derive(Deserialize)]
struct Stats {
    stats: Vec<Stat>,
}

/// Histograms have no name here.
#[derive(Deserialize)]
struct Stat {
    name: Option<String>,
    value: Option<u64>,
}

/// The time that a thread has run, which is the first number of its `schedstat`, in nanoseconds.
pub(crate) fn processor_time(schedstat: &Path) -> Result<Duration, EnvoyError> {
    let fault = |why: String| EnvoyError::Proc(format!("{}: {why}", schedstat.display()));
    let text = std::fs::read_to_string(schedstat).map_err(|error| fault(error.to_string()))?;
    let first = text.split_whitespace().next().and_then(|number| number.parse().ok());
    first
        .map(Duration::from_nanos)
        .ok_or_else(|| fault(format!("it holds no number first: {text}")))
}
