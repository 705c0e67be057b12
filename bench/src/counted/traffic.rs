//! Requests over a few connections, which all send one request and then wait for their answers. So
//! Envoy finds the first request alone and then the others together, no matter how the two
//! processes share the cores, and no connection is opened while requests are counted. Every answer
//! is checked.

use std::net::SocketAddr;

use crate::envoy::arm::Arm;
use crate::envoy::client::Client;
use crate::envoy::error::EnvoyError;
use crate::envoy::workload::Exchange;

/// Connections. With several, Envoy finds more than one request at a time, as under load.
pub const CONNECTIONS: usize = 8;

/// The connections to one listener.
#[derive(Debug)]
pub struct Traffic(Vec<Client>);

impl Traffic {
    /// Connects.
    ///
    /// # Errors
    /// When the listener does not accept.
    pub fn connect(to: SocketAddr) -> Result<Self, EnvoyError> {
        Ok(Self((0..CONNECTIONS).map(|_| Client::connect(to)).collect::<Result<_, _>>()?))
    }

    /// Sends `count` requests, those of the workload in turn, and waits for their answers.
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
