//! An Envoy with a listener for each arm and policy, and the check that each arm does its work.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gatepost_testbed::envoy::process::{Envoy, Options};

use super::arm::Arm;
use super::bootstrap;
use super::client::Client;
use super::error::EnvoyError;
use super::policy::{Shape, Size};
use super::workload::{Exchange, Workload, witnesses};
use crate::error::BenchError;

/// A running Envoy, ended when this is dropped.
#[derive(Debug)]
pub struct Listeners {
    envoy: Envoy,
    addresses: HashMap<String, SocketAddr>,
}

impl Listeners {
    /// Starts an Envoy. Modules are written to `folder`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        binary: &Path,
        arms: &[Arm],
        shapes: &[Shape],
        size: Size,
        options: &Options,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        let bootstrap = bootstrap::render(arms, shapes, size, folder)?;
        let envoy = Envoy::start(binary, &bootstrap, options).map_err(EnvoyError::from)?;
        let mut addresses = HashMap::new();
        for arm in arms {
            for shape in shapes {
                let name = arm.listener(*shape);
                let address = envoy.listener(&name).map_err(EnvoyError::from)?;
                addresses.insert(name, address);
            }
        }
        Ok(Self { envoy, addresses })
    }

    /// The process.
    #[must_use]
    pub fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    /// The folder in `/proc` of Envoy's only worker, which is the thread `wrk:worker_0`. The
    /// folder's name is the thread's id.
    ///
    /// # Errors
    /// When `/proc` does not show it.
    pub fn worker(&self) -> Result<PathBuf, EnvoyError> {
        let tasks = PathBuf::from(format!("/proc/{}/task", self.envoy.id()));
        let threads = std::fs::read_dir(&tasks)
            .map_err(|error| EnvoyError::Proc(format!("{}: {error}", tasks.display())))?;
        let is_worker = |thread: &PathBuf| {
            std::fs::read_to_string(thread.join("comm"))
                .is_ok_and(|name| name.trim() == "wrk:worker_0")
        };
        let found = threads.flatten().map(|thread| thread.path()).find(is_worker);
        found.ok_or_else(|| {
            EnvoyError::Proc(format!("no thread in {} is called wrk:worker_0", tasks.display()))
        })
    }

    /// The address of an arm's listener for a workload.
    ///
    /// # Errors
    /// When this Envoy has no such listener.
    pub fn address(&self, arm: &Arm, workload: Workload) -> Result<SocketAddr, EnvoyError> {
        let name = arm.listener(workload.shape());
        self.addresses
            .get(&name)
            .copied()
            .ok_or_else(|| EnvoyError::Proc(format!("there is no listener {name}")))
    }

    /// Checks that an arm answers every request of a workload correctly. An arm that does the whole
    /// policy must also answer the policy's witnesses.
    ///
    /// # Errors
    /// [`EnvoyError::WrongAnswer`] when it does not.
    pub fn check(
        &self,
        arm: &Arm,
        workload: Workload,
        exchanges: &[Exchange],
    ) -> Result<(), EnvoyError> {
        let mut client = Client::connect(self.address(arm, workload)?)?;
        for exchange in exchanges {
            let expected = if arm.works() { &exchange.carried_out } else { &exchange.untouched };
            client.expect(arm, &exchange.request, expected)?;
            let (request, expected) = exchange.measured(arm.works());
            client.expect(arm, request, expected)?;
        }
        if arm.works_fully() {
            witnesses(workload.shape())
                .iter()
                .try_for_each(|(request, expected)| client.expect(arm, request, expected))?;
        }
        Ok(())
    }
}
