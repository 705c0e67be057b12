//! Runs cases without a network: the real filter.wasm handles each request on wasmtime, and the
//! suite's routes give the name of the upstream.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gatepost_authoring::suite::{Case, Routes};
use gatepost_gateway::{FilterModule, PolicyError};
use gatepost_host::{
    CallError, Finished, Headers, LocalReplySent, Message, MetricKind, Metrics, StreamInfo,
    VirtualClock, Worker,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::observation::{Forwarded, Observation, Outcome, Replied};

/// The filter with one policy, and a clock that only the tests advance.
#[derive(Debug)]
pub struct Offline {
    worker: Worker,
    clock: VirtualClock,
}

impl Offline {
    /// Starts the filter with a plugin configuration: a policy as JSON.
    ///
    /// # Errors
    /// When the filter refuses the configuration, with every line that it logged.
    pub fn start(module: &FilterModule, configuration: &str) -> Result<Self, PolicyError> {
        let clock = VirtualClock::default();
        Ok(Self { worker: module.worker(configuration, clock.clone())?, clock })
    }

    /// Runs one case.
    ///
    /// # Errors
    /// When the filter traps.
    pub fn run(&mut self, case: &Case, routes: &Routes) -> Result<Observation, CallError> {
        // The filter flushes its counters by a timer, some milliseconds after it counted.
        const FLUSH: Duration = Duration::from_secs(1);
        let request = &case.request;
        let fields = request.pseudo_headers().into_iter().chain(pairs(&request.headers));
        let before = counters(&self.worker.host().metrics);
        // A source address needs a port, which no policy looks at.
        let info = StreamInfo {
            source: Some(SocketAddr::new(request.source, 49152)),
            ..StreamInfo::default()
        };
        let response = case.response.clone().unwrap_or_default();
        let upstream = &mut |_: &Message| {
            let status = response.status.to_string();
            let fields = [(":status", status.as_str())].into_iter();
            Some(Message::new(Headers::response(fields.chain(pairs(&response.headers)))))
        };
        let finished = self.worker.run_with(Message::new(Headers::request(fields)), info, upstream);
        self.clock.advance(FLUSH);
        self.worker.run_timers();
        if let Some(trap) = self.worker.errors().pop() {
            return Err(trap);
        }
        let raised = raised(&before, &counters(&self.worker.host().metrics));
        let response = finished.response.as_ref().map(|response| ordinary(&response.headers));
        let response = response.unwrap_or_default();
        let outcome = match finished {
            Finished { local_reply: Some(reply), response: Some(response), .. } => {
                Outcome::Replied(replied(&reply, &response))
            }
            Finished { upstream_request: Some(request), .. } => {
                Outcome::Forwarded(forwarded(&request.headers, routes))
            }
            _ => Outcome::Stopped,
        };
        Ok(Observation { outcome, response, counters: Some(raised) })
    }
}

fn pairs(headers: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Headers in order, without pseudo-headers.
fn ordinary(headers: &Headers) -> Vec<(String, String)> {
    let ordinary = headers.iter().filter(|(name, _)| !name.starts_with(b":"));
    ordinary.map(|(name, value)| (text(name), text(value))).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The filter's local reply, as a client reads it.
fn replied(reply: &LocalReplySent, response: &Message) -> Replied {
    let fields = response.headers.iter().filter_map(|(name, value)| {
        Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
    });
    let grpc = tonic::Status::from_header_map(&fields.collect::<HeaderMap>());
    let body = match &grpc {
        Some(grpc) => grpc.message().to_owned(),
        None => String::from_utf8_lossy(&response.whole_body()).into_owned(),
    };
    Replied {
        status: u16::try_from(reply.status).ok(),
        details: Some(reply.details.to_string()),
        grpc_status: grpc.and_then(|grpc| u32::try_from(grpc.code() as i32).ok()),
        body: Some(body),
    }
}

fn forwarded(headers: &Headers, routes: &Routes) -> Forwarded {
    let pseudo = |name: &str| headers.get(name).map(text).unwrap_or_default();
    let authority = pseudo(":authority");
    Forwarded {
        upstream: routes.upstream(&authority).map(str::to_owned),
        path: pseudo(":path"),
        headers: ordinary(headers),
        authority,
    }
}

/// The filter's counters by name.
#[must_use]
pub fn counters(metrics: &Metrics) -> BTreeMap<String, u64> {
    let counters =
        metrics.snapshot().into_iter().filter(|metric| metric.kind == MetricKind::Counter);
    counters.map(|metric| (metric.name, metric.value)).collect()
}

/// By how much each counter went up between two snapshots.
#[must_use]
pub fn raised(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let by =
        |name: &String, value: u64| value.saturating_sub(before.get(name).copied().unwrap_or(0));
    after
        .iter()
        .map(|(name, value)| (name.clone(), by(name, *value)))
        .filter(|(_, by)| *by > 0)
        .collect()
}
