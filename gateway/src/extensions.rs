//! The extensions of requests and responses, by which the gateway and its layers exchange what is
//! not in the message itself.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::uri::Scheme;

/// Where a request came from, in the request's extensions. The gateway sets it before the filter
/// runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The trusted address of the client (see
    /// [`GatewayOptions::trusted_hops`](crate::GatewayOptions::trusted_hops)).
    pub source: SocketAddr,
    /// The scheme of a request that does not carry its own. HTTP/1.1 requests do not.
    pub scheme: Scheme,
}

/// Why a response is what it is, in the response's extensions: Envoy's response code details, for
/// the access log. The router sets it, or the filter when it answers itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details(pub Cow<'static, str>);

impl Details {
    /// The upstream answered.
    pub const VIA_UPSTREAM: Self = Self(Cow::Borrowed("via_upstream"));
}

/// The route that the router selected, for the access log. `service` puts an empty one into the
/// request's extensions, and the router fills it. Clones share the value.
#[derive(Clone, Debug, Default)]
pub(crate) struct SelectedRoute(Arc<OnceLock<Routed>>);

#[derive(Clone, Debug)]
pub(crate) struct Routed {
    /// The authority that selected the route.
    pub(crate) authority: Bytes,
    /// The address of the upstream; none when there is no route.
    pub(crate) upstream: Option<String>,
}

impl SelectedRoute {
    /// Keeps the first route: a layer that calls the router twice has its first attempt in the log.
    pub(crate) fn set(&self, routed: Routed) {
        let _ = self.0.set(routed);
    }

    pub(crate) fn get(&self) -> Option<Routed> {
        self.0.get().cloned()
    }
}
