//! The description of a bootstrap: what an Envoy listens on, where it sends requests, and which
//! filter it runs.

use std::net::SocketAddr;

use super::route::Route;
use super::wasm::PluginSource;

/// An Envoy in front of some upstreams: the input of [`Bootstrap::render`].
#[derive(Clone, Debug)]
pub struct Bootstrap<'a> {
    /// Where clients connect. Port 0 lets the system choose. `[::]` accepts IPv6 only, as Envoy
    /// sets `IPV6_V6ONLY`.
    pub listen: SocketAddr,
    /// Envoy's admin interface, which must be on loopback; `None` leaves it out.
    pub admin: Option<SocketAddr>,
    /// One virtual host and one cluster each. An authority that no route names is answered with
    /// 404.
    pub routes: &'a [Route],
    /// How many of the right-most addresses in `X-Forwarded-For` were written by trusted proxies in
    /// front of this one. With 0 the client is the connection's peer. Behind a Google Cloud load
    /// balancer, which appends `<client>, <balancer>`, it is 2.
    pub trusted_hops: u32,
    /// Whether Envoy writes a line for each request.
    pub access_log: AccessLog,
    /// The filter, and where its policy comes from.
    pub plugin: PluginSource<'a>,
}

/// Whether Envoy writes a line for each request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// No access log.
    #[default]
    Off,
    /// One line for each request on Envoy's standard output, with `%RESPONSE_CODE_DETAILS%`, which
    /// names the rule of a local reply.
    Stdout,
}
