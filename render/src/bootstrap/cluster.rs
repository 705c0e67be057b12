//! One Envoy cluster for each route: the address of its upstream, and the protocol to it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::message::{Address, Any, Empty, SocketAddressField};
use super::route::{Route, Upstream};

const PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const PROTOCOL_OPTIONS_TYPE: &str =
    "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// By default Envoy allows 1,024 connections and requests for each cluster, and answers 503 beyond
/// that. This sets the largest number instead, as Istio's gateways do, and leaves it to the
/// upstream to refuse what overloads it.
const NO_LIMIT: u32 = u32::MAX;

/// `config.cluster.v3.Cluster`.
#[derive(Serialize)]
pub(super) struct Cluster<'a> {
    name: &'a str,
    alt_stat_name: String,
    #[serde(rename = "type")]
    discovery: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns_lookup_family: Option<&'static str>,
    connect_timeout: &'static str,
    circuit_breakers: CircuitBreakers,
    typed_extension_protocol_options: BTreeMap<&'static str, Any<ProtocolOptions>>,
    load_assignment: LoadAssignment<'a>,
}

impl<'a> Cluster<'a> {
    /// The cluster that has the route's host as its name. A route without an upstream has none.
    pub(super) fn of(route: &'a Route) -> Option<Self> {
        // STATIC refuses names. STRICT_DNS would accept addresses too, but the document should show
        // which of them it is. Envoy's default family falls back from IPv6 to IPv4 only when there
        // is no IPv6 address, so `localhost` would mean ::1 alone.
        let (discovery, dns_lookup_family, address) = match route.upstream() {
            Upstream::Address(address) | Upstream::Readiness(address) => {
                ("STATIC", None, (*address).into())
            }
            Upstream::Name { name, port } => (
                "STRICT_DNS",
                Some("V4_PREFERRED"),
                Address {
                    socket_address: SocketAddressField { address: name.clone(), port_value: *port },
                },
            ),
            Upstream::Missing => return None,
        };
        Some(Self {
            name: route.host(),
            // Envoy splits the names of statistics at dots. Without this, Prometheus would show the
            // first label as the cluster's name.
            alt_stat_name: route.host().replace('.', "_"),
            discovery,
            dns_lookup_family,
            connect_timeout: "5s",
            circuit_breakers: CircuitBreakers {
                thresholds: [Thresholds {
                    max_connections: NO_LIMIT,
                    max_pending_requests: NO_LIMIT,
                    max_requests: NO_LIMIT,
                    max_retries: NO_LIMIT,
                }],
            },
            typed_extension_protocol_options: BTreeMap::from([(
                PROTOCOL_OPTIONS,
                Any {
                    type_url: PROTOCOL_OPTIONS_TYPE,
                    message: ProtocolOptions {
                        use_downstream_protocol_config: DownstreamProtocol {
                            http_protocol_options: Empty {},
                            http2_protocol_options: Empty {},
                        },
                    },
                },
            )]),
            load_assignment: LoadAssignment {
                cluster_name: route.host(),
                endpoints: [LocalityEndpoints {
                    lb_endpoints: [LbEndpoint { endpoint: Endpoint { address } }],
                }],
            },
        })
    }
}

#[derive(Serialize)]
struct CircuitBreakers {
    thresholds: [Thresholds; 1],
}

#[derive(Serialize)]
struct Thresholds {
    max_connections: u32,
    max_pending_requests: u32,
    max_requests: u32,
    max_retries: u32,
}

/// Envoy sends a request in the client's protocol (measured: e2e/tests/bootstrap/proxying.rs).
/// HTTP/2 stays HTTP/2, which gRPC and its trailers need. HTTP/1.1 stays HTTP/1.1, for services
/// that do not speak HTTP/2. Without the two empty messages the result is the same (measured on
/// 1.40.0); they are there to show the protocols in the document.
#[derive(Serialize)]
struct ProtocolOptions {
    use_downstream_protocol_config: DownstreamProtocol,
}

#[derive(Serialize)]
struct DownstreamProtocol {
    http_protocol_options: Empty,
    http2_protocol_options: Empty,
}

#[derive(Serialize)]
struct LoadAssignment<'a> {
    cluster_name: &'a str,
    endpoints: [LocalityEndpoints; 1],
}

#[derive(Serialize)]
struct LocalityEndpoints {
    lb_endpoints: [LbEndpoint; 1],
}

#[derive(Serialize)]
struct LbEndpoint {
    endpoint: Endpoint,
}

#[derive(Serialize)]
struct Endpoint {
    address: Address,
}
