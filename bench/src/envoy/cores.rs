//! The cores of a run: Envoy has one to itself, the load generator and the benchmark share another.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::error::EnvoyError;

/// The cores of one run. When this is dropped, the thread that chose them may run anywhere again.
#[derive(Debug)]
pub struct Cores {
    allowed: CpuSet,
    envoy: usize,
    load: usize,
}

impl Cores {
    /// The first and the last core that this process may use. They are the same where there is only
    /// one.
    ///
    /// # Errors
    /// When the system does not show them.
    pub fn choose() -> Result<Self, EnvoyError> {
        let allowed = sched_getaffinity(None)
            .map_err(|error| EnvoyError::system("cannot read the cores to run on")(error.into()))?;
        let cores = || (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        Ok(Self {
            allowed,
            envoy: cores().next().unwrap_or(0),
            load: cores().next_back().unwrap_or(0),
        })
    }

    /// Runs `start` on Envoy's core, where the threads and processes that it starts stay.
    /// Afterwards this thread, and what it starts then, runs on the load generator's core.
    ///
    /// # Errors
    /// What `start` gives, or when the system refuses.
    pub fn with_envoys<T, E: From<EnvoyError>>(
        &self,
        start: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        pin(self.envoy)?;
        let started = start();
        pin(self.load)?;
        started
    }

    /// Whether Envoy shares its core with the load generator.
    #[must_use]
    pub fn shared(&self) -> bool {
        self.envoy == self.load
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        // This was allowed before. If it is not any more, the thread stays on its core.
        let _ = sched_setaffinity(None, &self.allowed);
    }
}

fn pin(core: usize) -> Result<(), EnvoyError> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|error| {
        EnvoyError::system(format!("cannot run on core {core} alone"))(error.into())
    })
}
