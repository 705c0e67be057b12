//! A number of requests over a few connections, all of which send one and then wait for their
//! answers. So Envoy always finds the first by itself and then the others together, however the two
//! processes share the cores, and no connection is opened while it is counted. Every answer is
//! checked.

use std::net::SocketAddr;

use crate::envoy::arm::Arm;
use crate::envoy::client::Client;
use crate::envoy::error::EnvoyError;
use crate::envoy::workload::Exchange;

/// Connections. Envoy then finds several requests at a time, as it does under load.
pub const CONNECTIONS: usize = 8;

/// The connections to one listener.
#[derive(Debug)]
pub struct Traffic(Vec<Client>);

impl Traffic {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(to: SocketAddr) -> Result<Self, EnvoyError> {
        Ok(Self((0..CONNECTIONS).map(|_| Client::connect(to)).collect::<Result<_, _>>()?))
    }

    /// Sends so many requests, the workload's in turn, and waits for their answers.
    ///
    /// # Errors
    /// When a request fails or is answered otherwise than it must be.
    pub fn send(
        &mut self,
        arm: &Arm,
        exchanges: &[Exchange],
        count: usize,
    ) -> Result<(), EnvoyError> {
        let all: Vec<_> = exchanges
            .iter()
            .map(|exchange| exchange.measured(arm.works()))
            .cycle()
            .take(count)
            .collect();
        for together in all.chunks(CONNECTIONS) {
            for (client, (request, _)) in self.0.iter_mut().zip(together) {
                client.send(request)?;
            }
            for (client, (request, expected)) in self.0.iter_mut().zip(together) {
                client.receive(arm, request, expected)?;
            }
        }
        Ok(())
    }
}
