//! Cases without a network: the real filter.wasm is shown each request on wasmtime, and the suite's routes tell who would
//! answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use gatepost_authoring::suite::{Case, Routes};
use gatepost_host::{CallError, Headers, Metrics};

use super::{Forwarded, Observation, Outcome, Replied};
use crate::plugin::{Handled, PolicyPlugin};

/// Runs one case.
///
/// # Errors
/// When the filter traps.
pub fn run(plugin: &PolicyPlugin, case: &Case, routes: &Routes) -> Result<Observation, CallError> {
    let request = &case.request;
    let pseudo = [(":method", &request.method), (":path", &request.path), (":authority", &request.authority)];
    let fields = pseudo.into_iter().chain(request.headers.iter().map(|(name, value)| (name.as_str(), value)));
    let before = counters(plugin.metrics());
    // A port is part of a source address; which one decides nothing.
    let handled = plugin.handle(Headers::request(fields), true, SocketAddr::new(request.source, 49152))?;
    let raised = raised(&before, &counters(plugin.metrics()));
    let outcome = match handled {
        Handled::Forward(headers) => Outcome::Forwarded(forwarded(&headers, routes)),
        Handled::Reply(reply) => Outcome::Replied(Replied {
            status: u16::try_from(reply.status).ok(),
            details: Some(reply.details.to_string()),
            grpc_status: reply.grpc_status,
            body: Some(reply.body.to_string()),
        }),
        Handled::Stopped => Outcome::Stopped,
    };
    Ok(Observation { outcome, counters: Some(raised) })
}

fn forwarded(headers: &Headers, routes: &Routes) -> Forwarded {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pseudo = |name: &str| headers.get(name).map(text).unwrap_or_default();
    let authority = pseudo(":authority");
    let ordinary = headers.iter().filter(|(name, _)| !name.starts_with(b":"));
    Forwarded {
        upstream: routes.upstream(&authority).map(str::to_owned),
        path: pseudo(":path"),
        headers: ordinary.map(|(name, value)| (text(name), text(value))).collect(),
        authority,
    }
}

/// The counters of the filter by name.
#[must_use]
pub fn counters(metrics: &Metrics) -> BTreeMap<String, u64> {
    metrics.snapshot().into_iter().map(|metric| (metric.name, metric.value)).collect()
}

/// How far counters went up between two looks.
#[must_use]
pub fn raised(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let by = |name: &String, value: u64| value.saturating_sub(before.get(name).copied().unwrap_or(0));
    after.iter().map(|(name, value)| (name.clone(), by(name, *value))).filter(|(_, by)| *by > 0).collect()
}
