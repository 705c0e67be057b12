//! Replaces the policy of a running gateway when its file has another one.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatepost_authoring::{FileError, PolicyFile};
use gatepost_gateway::{FilterModule, FilterSlot, PolicyFilter};
use gatepost_host::Metrics;
use tokio::runtime::Handle;

use super::protections::lost;
use crate::commands::output::for_people;
use crate::commands::service::logger::REPORT;
use crate::commands::service::watch::FileWatch;

/// The policy in force, as JSON, and how often its file was read. Clones share it.
#[derive(Clone)]
pub struct RunningPolicy(Arc<Running>);

struct Running {
    json: std::sync::RwLock<Arc<str>>,
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl RunningPolicy {
    pub fn new(json: &str) -> Self {
        let json = std::sync::RwLock::new(json.into());
        Self(Arc::new(Running { json, accepted: AtomicU64::new(0), refused: AtomicU64::new(0) }))
    }

    /// The plugin configuration in force.
    pub fn json(&self) -> Arc<str> {
        self.0.json.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// How many times another policy was put in force.
    pub fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }

    /// How many times the file had no policy that could be put in force.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    fn replace(&self, json: &str) {
        *self.0.json.write().unwrap_or_else(std::sync::PoisonError::into_inner) = json.into();
        self.0.accepted.fetch_add(1, Ordering::Relaxed);
    }
}

/// What it takes to put a policy in force.
pub struct Reloader {
    /// The file.
    pub path: PathBuf,
    /// The policy in force.
    pub running: RunningPolicy,
    /// The compiled filter.
    pub module: FilterModule,
    /// How many VMs run each policy.
    pub workers: usize,
    /// The counters, which continue over a reload.
    pub metrics: Metrics,
    /// The slot of the gateway's filter.
    pub slot: FilterSlot,
}

impl Reloader {
    /// Follows the file in a thread of its own, until the process ends. A valid policy replaces the
    /// running one: requests that begin afterwards meet the new one. Anything else leaves the
    /// running one in force, and one message says why. The watch must be older than the first
    /// reading of the file, so that no change is missed.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn follow(mut self, mut watch: FileWatch, runtime: Handle) -> std::io::Result<()> {
        let following = move || {
            // The VMs' tasks run on the gateway's runtime.
            let _runtime = runtime.enter();
            loop {
                let read = watch.next(PolicyFile::read);
                self.take(read);
            }
        };
        std::thread::Builder::new().name("policy".to_owned()).spawn(following)?;
        Ok(())
    }

    /// Puts what was read in force, if it is another policy.
    fn take(&mut self, read: Result<PolicyFile, FileError>) {
        let name = self.path.display();
        let old = self.running.json();
        let outcome = match read {
            Ok(policy) if policy.json == *old => {
                log::info!("{name} means the same as before");
                return;
            }
            Ok(policy) => self.start(&policy.json).map(|()| policy.json),
            Err(FileError::Invalid(report)) => {
                Err(for_people().render(&[report]).trim_end().to_owned())
            }
            Err(error) => Err(format!("gatepost: {error}")),
        };
        match outcome {
            Ok(new) => {
                log::info!("{name} is in force now");
                for protection in lost(&old, &new) {
                    log::warn!("the new policy no longer {protection}");
                }
            }
            Err(why) => {
                self.running.0.refused.fetch_add(1, Ordering::Relaxed);
                log::error!(
                    target: REPORT,
                    "{why}\ngatepost: the policy that was in force stays in force"
                );
            }
        }
    }

    fn start(&self, json: &str) -> Result<(), String> {
        let filter = PolicyFilter::start(&self.module, json, self.workers, self.metrics.clone())
            .map_err(|error| format!("gatepost: {error}"))?;
        self.slot.swap(&filter);
        self.running.replace(json);
        Ok(())
    }
}
