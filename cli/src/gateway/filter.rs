//! The boundary between the gateway and what decides about a request. A filter sees heads, not bodies; the gateway knows nothing
//! of what is behind it, be it a proxy-wasm module or a closure in a test.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;

use super::head::{Field, RequestHead};

/// Decides about one request when its head is there.
///
/// It runs on the connection's task and must not block. Any function of the same shape is a filter.
pub trait RequestFilter: Send + Sync {
    /// Looks at the head, changes it, and says what happens. `end_of_stream` is true when no body follows; `source` is the
    /// trusted address of the client (see [`GatewayOptions::trusted_hops`](super::GatewayOptions)).
    fn on_request(&self, head: &mut RequestHead, end_of_stream: bool, source: SocketAddr) -> Verdict;
}

impl<F: Fn(&mut RequestHead, bool, SocketAddr) -> Verdict + Send + Sync> RequestFilter for F {
    fn on_request(&self, head: &mut RequestHead, end_of_stream: bool, source: SocketAddr) -> Verdict {
        self(head, end_of_stream, source)
    }
}

/// What happens to a request after the filter.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The head, as the filter left it, goes to the upstream that its authority selects.
    Forward,
    /// The gateway answers at once.
    Reply(LocalReply),
    /// The filter could not decide; the gateway answers 503 (fail closed).
    Failed,
}

/// An answer that no upstream gave. For a gRPC request it becomes a trailers-only gRPC response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalReply {
    /// The HTTP status. Outside 200 to 599 the gateway answers 500 instead.
    pub status: u16,
    /// Headers to add. Those about framing (`content-length`, `connection`, …) are left out.
    pub headers: Vec<Field>,
    /// The body, or for gRPC the `grpc-message`.
    pub body: Bytes,
    /// Why, for the access log; the client does not see it.
    pub details: String,
    /// The `grpc-status` of a gRPC request; without it Envoy's mapping of the HTTP status is used.
    pub grpc_status: Option<u32>,
}

impl LocalReply {
    /// A reply without headers.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>, details: impl Into<String>) -> Self {
        Self { status, body: body.into(), details: details.into(), ..Self::default() }
    }
}

/// The place that holds the running filter. Another one can be put there at any time: requests that began keep the one they
/// began with, later ones get the new.
///
/// Shared between the gateway and whoever reloads: `Arc<FilterSlot>`.
pub struct FilterSlot {
    // A box inside the Arc, because a swap is atomic only for a thin pointer.
    filter: ArcSwap<Box<dyn RequestFilter>>,
}

impl FilterSlot {
    /// A slot with its first filter.
    #[must_use]
    pub fn new(filter: impl RequestFilter + 'static) -> Self {
        Self { filter: ArcSwap::from_pointee(Box::new(filter) as Box<dyn RequestFilter>) }
    }

    /// Puts another filter in its place. The old one is dropped when the last request that uses it is past it.
    pub fn swap(&self, filter: impl RequestFilter + 'static) {
        self.filter.store(Arc::new(Box::new(filter)));
    }

    /// Asks the filter that is there now. A filter that panics has failed; the connection and the process go on.
    pub(super) fn decide(&self, head: &mut RequestHead, end_of_stream: bool, source: SocketAddr) -> Verdict {
        let filter = self.filter.load();
        catch_unwind(AssertUnwindSafe(|| filter.on_request(head, end_of_stream, source))).unwrap_or(Verdict::Failed)
    }
}

impl std::fmt::Debug for FilterSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilterSlot").finish_non_exhaustive()
    }
}
