//! A number of requests over a few connections: each sends its next one when it has its answer, so that Envoy always has something
//! to do, and no connection is opened while it is counted. Every answer is checked.

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
    /// The first of a connection: a request that fails or is answered otherwise than it must be.
    pub fn send(&mut self, arm: &Arm, exchanges: &[Exchange], count: usize) -> Result<(), EnvoyError> {
        let on_one = |client: &mut Client, first: usize| {
            let of_this = exchanges.iter().cycle().take(count).skip(first).step_by(CONNECTIONS);
            of_this
                .map(|exchange| exchange.measured(arm.works()))
                .try_for_each(|(request, expected)| client.expect(arm, request, expected))
        };
        std::thread::scope(|scope| {
            let on_one = &on_one;
            let running: Vec<_> =
                self.0.iter_mut().enumerate().map(|(first, client)| scope.spawn(move || on_one(client, first))).collect();
            let ended = running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            ended.collect::<Vec<_>>().into_iter().collect()
        })
    }
}
