//! One Envoy with a listener for each arm and policy, and whether each arm does its work.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use gatepost_deploy::envoy::process::{Envoy, Options};

use super::arm::Arm;
use super::bootstrap;
use super::client::Client;
use super::error::EnvoyError;
use super::policy::{Shape, Size};
use super::workload::{Exchange, Workload, witnesses};
use crate::subject::BenchError;

/// A running Envoy, ended when this is dropped.
#[derive(Debug)]
pub struct Listeners {
    envoy: Envoy,
    addresses: HashMap<String, SocketAddr>,
}

impl Listeners {
    /// Starts an Envoy. `folder` takes the modules.
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

    /// Where an arm takes a workload's requests.
    ///
    /// # Errors
    /// When this Envoy has no such listener.
    pub fn address(&self, arm: &Arm, workload: Workload) -> Result<SocketAddr, EnvoyError> {
        let name = arm.listener(workload.shape());
        self.addresses.get(&name).copied().ok_or_else(|| EnvoyError::Proc(format!("there is no listener {name}")))
    }

    /// Checks that an arm answers every request of a workload as it must. An arm that does the whole policy must also answer the
    /// policy's witnesses.
    ///
    /// # Errors
    /// [`EnvoyError::WrongAnswer`] when it does not.
    pub fn check(&self, arm: &Arm, workload: Workload, exchanges: &[Exchange]) -> Result<(), EnvoyError> {
        let mut client = Client::connect(self.address(arm, workload)?)?;
        for exchange in exchanges {
            let expected = if arm.works() { &exchange.carried_out } else { &exchange.untouched };
            client.expect(arm, &exchange.request, expected)?;
            let (request, expected) = exchange.measured(arm.works());
            client.expect(arm, request, expected)?;
        }
        if arm.works_fully() {
            witnesses(workload.shape()).iter().try_for_each(|(request, expected)| client.expect(arm, request, expected))?;
        }
        Ok(())
    }
}
