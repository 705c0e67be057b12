//! Policy tests, run: each case of a suite is shown to something that decides (the filter in a wasm
//! host, the embedded gateway, a real Envoy), and what was observed is judged against what the case
//! expects.

mod judge;
pub mod offline;
pub mod wire;

use std::collections::BTreeMap;

pub use judge::judge;

/// What became of a request, as far as it could be observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What became of it.
    pub outcome: Outcome,
    /// How far each counter of Gatepost went up; none where nobody looked.
    pub counters: Option<BTreeMap<String, u64>>,
}

/// Where a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It went upstream.
    Forwarded(Forwarded),
    /// The gateway answered.
    Replied(Replied),
    /// It went nowhere and got no answer.
    Stopped,
}

/// A request as it went upstream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forwarded {
    /// Its authority.
    pub authority: String,
    /// Its path with its query.
    pub path: String,
    /// Its headers in order, without pseudo-headers.
    pub headers: Vec<(String, String)>,
    /// Who answered; none where nobody was asked.
    pub upstream: Option<String>,
}

/// The gateway's own answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replied {
    /// The HTTP status; none of a gRPC answer, which is 200 whatever it says.
    pub status: Option<u16>,
    /// The response code details, where they can be seen.
    pub details: Option<String>,
    /// The gRPC status, of a gRPC answer.
    pub grpc_status: Option<u32>,
    /// The body, or the message of a gRPC answer.
    pub body: Option<String>,
}
