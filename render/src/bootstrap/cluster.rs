//! One Envoy cluster for each route: where its upstream is and which protocol it is spoken to in.

use std::collections::BTreeMap;

use serde::Serialize;

use super::route::{Route, Upstream};
use super::{Address, Any, Empty, SocketAddressField};

const PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const PROTOCOL_OPTIONS_TYPE: &str =
    "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Envoy stops at 1,024 connections and requests for each cluster unless told otherwise, and
/// answers 503 after. A gateway sets the largest number instead, as Istio's does: what overloads an
/// upstream is for the upstream to say.
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
    /// The cluster that has the route's host as its name.
    pub(super) fn of(route: &'a Route) -> Self {
        // STATIC refuses names and STRICT_DNS would accept addresses; the pair says in the document
        // which of them it is. Envoy's default family asks for IPv6 and falls back only when there
        // is none, so `localhost` would reach ::1 alone.
        let (discovery, dns_lookup_family, address) = match route.upstream() {
            Upstream::Address(address) => ("STATIC", None, (*address).into()),
            Upstream::Name { name, port } => (
                "STRICT_DNS",
                Some("V4_PREFERRED"),
                Address {
                    socket_address: SocketAddressField { address: name.clone(), port_value: *port },
                },
            ),
        };
        Self {
            name: route.host(),
            // Statistics are cut at dots: without this, Prometheus would take the first label for
            // the cluster's name.
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
        }
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

/// The upstream is spoken to in the client's protocol (measured: tests/proxying.rs): HTTP/2 to
/// HTTP/2, which is what lets gRPC and its trailers through, and HTTP/1.1 to HTTP/1.1, without
/// which a plain HTTP service could not be reached. Without the two empty messages HTTP/2 still
/// leaves as HTTP/2 (measured on 1.40.0); they are written so that the document says which
/// protocols.
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
