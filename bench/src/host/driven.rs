//! Whole exchanges through the stream driver: a request's headers down the chain, a response's
//! headers back, and the end of both.

use gatepost_host::{Chain, ChainPlugin, Event, Headers, Host, Part, Worker};

use super::guest::{Guest, info};
use super::workload::Workload;
use crate::error::BenchError;

/// A worker whose chain is one plugin.
#[derive(Debug)]
pub struct Driven(Worker);

impl Driven {
    /// A worker whose chain is the guest's plugin.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(guest: &Guest, host: &Host) -> Result<Self, BenchError> {
        let plugin = ChainPlugin { module: guest.module().clone(), config: guest.config() };
        Ok(Self(Worker::new(&Chain::new(vec![plugin]), host.clone())?))
    }

    /// Runs one exchange, and gives the request as it left the chain, if it did.
    pub fn exchange(&mut self, request: &Headers, response: &Headers) -> Option<Headers> {
        let id = self.0.open(info());
        self.0.request(id, Part::Headers { headers: request.clone(), end_stream: true });
        let mut sent = None;
        while let Some(event) = self.0.next(id) {
            if let Event::Request(Part::Headers { headers, .. }) = event {
                sent = Some(headers);
            }
        }
        self.0.response(id, Part::Headers { headers: response.clone(), end_stream: true });
        while let Some(event) = self.0.next(id) {
            std::hint::black_box(event);
        }
        self.0.close(id);
        sent
    }

    /// Runs one exchange and checks that the module did what the workload says.
    ///
    /// # Errors
    /// [`BenchError::Driven`] when it does something else.
    pub fn check(&mut self, workload: &Workload) -> Result<(), BenchError> {
        let request = Headers::request(workload.request.iter().copied());
        let sent = self.exchange(&request, &Headers::response([(":status", "200")]));
        let (name, value) = workload.leaves;
        match sent {
            Some(sent) if sent.get(name) == Some(value.as_bytes()) => Ok(()),
            sent => Err(BenchError::Driven {
                workload: workload.name,
                must: format!("send {name}: {value}"),
                sent,
            }),
        }
    }

    /// Runs `count` exchanges, one after the other.
    pub fn exchanges(&mut self, request: &Headers, count: usize) {
        let response = Headers::response([(":status", "200"), ("content-type", "text/plain")]);
        for _ in 0..count {
            std::hint::black_box(self.exchange(request, &response));
        }
    }
}
