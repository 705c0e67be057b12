//! The listener and its HTTP connection manager: how a request is read before the filter, and where
//! it goes afterwards.

use serde::Serialize;

use super::input::{AccessLog, Bootstrap};
use super::message::{Address, Any, Empty, Extension};
use super::virtual_host::RouteConfiguration;
use super::wasm::HttpFilter;
use crate::RenderError;

/// The name of the listener in rendered bootstraps. Envoy's admin interface gives its address by
/// this name.
pub const LISTENER: &str = "gatepost";

/// The access log has text for people: the address that the policy's `sources` are compared with,
/// the request as it was sent to the upstream (Envoy writes the line after the filter's changes),
/// and who answered and why. `UPSTREAM_CLUSTER` without `RAW` would print the cluster's name for
/// statistics (measured on 1.40.0).
const ACCESS_LOG_LINE: &str = "[%START_TIME%] %DOWNSTREAM_REMOTE_ADDRESS% \
    \"%REQ(:METHOD)% %REQ(:AUTHORITY)%%REQ(:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% \
    cluster=%UPSTREAM_CLUSTER_RAW% duration=%DURATION%ms\n";

const CONNECTION_MANAGER_TYPE: &str = "type.googleapis.com/\
    envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const STDOUT_ACCESS_LOG_TYPE: &str =
    "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";
const ROUTER_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

/// How long a stream or a connection may be idle. Envoy's default of five minutes would cut quiet
/// gRPC streams. One hour is also a common setting of the load balancers in front of a mesh.
const IDLE: &str = "3600s";

/// `config.listener.v3.Listener`.
#[derive(Serialize)]
pub(super) struct Listener<'a> {
    name: &'static str,
    address: Address,
    filter_chains: [FilterChain<'a>; 1],
}

#[derive(Serialize)]
struct FilterChain<'a> {
    filters: [Extension<ConnectionManager<'a>>; 1],
}

impl<'a> Listener<'a> {
    pub(super) fn of(bootstrap: &Bootstrap<'a>) -> Result<Self, RenderError> {
        let manager = ConnectionManager {
            stat_prefix: "gatepost",
            codec_type: "AUTO",
            use_remote_address: true,
            xff_num_trusted_hops: bootstrap.trusted_hops,
            normalize_path: true,
            merge_slashes: false,
            request_headers_timeout: "10s",
            stream_idle_timeout: IDLE,
            upgrade_configs: [UpgradeConfig { upgrade_type: "websocket" }],
            common_http_protocol_options: CommonOptions { idle_timeout: IDLE },
            access_log: access_log(bootstrap.access_log),
            route_config: RouteConfiguration::of(bootstrap.routes),
            http_filters: [HttpFilter::of(&bootstrap.plugin)?, HttpFilter::router()],
        };
        let manager = Extension {
            name: "envoy.filters.network.http_connection_manager",
            typed_config: Any { type_url: CONNECTION_MANAGER_TYPE, message: manager },
        };
        Ok(Self {
            name: LISTENER,
            address: bootstrap.listen.into(),
            filter_chains: [FilterChain { filters: [manager] }],
        })
    }
}

/// `HttpConnectionManager`. Some fields are left out on purpose. `strip_trailing_host_dot` and
/// `strip_any_host_port`: the filter normalizes the authority and must see what the client sent.
/// `internal_address_config`: without it no client is internal, so Envoy removes `x-envoy-*`
/// headers, which control timeouts and retries, from every request. An empty one would trust
/// loopback (measured on 1.36.4 and 1.40.0) and, by Envoy's documentation, private addresses.
#[derive(Serialize)]
struct ConnectionManager<'a> {
    stat_prefix: &'static str,
    /// HTTP/1.1, or HTTP/2 when the connection begins with its preface.
    codec_type: &'static str,
    /// The client's address is the connection's, or `xff_num_trusted_hops` addresses from the right
    /// of `X-Forwarded-For`.
    use_remote_address: bool,
    xff_num_trusted_hops: u32,
    /// Paths are normalised as Istio's gateway does by default (`pathNormalization: BASE`):
    /// `/a/../b` becomes `/b`, slashes stay.
    normalize_path: bool,
    merge_slashes: bool,
    /// A client may not take longer than this to send its headers. Envoy sets no limit by default.
    request_headers_timeout: &'static str,
    stream_idle_timeout: &'static str,
    /// WebSockets pass, as through Istio's gateways.
    upgrade_configs: [UpgradeConfig; 1],
    common_http_protocol_options: CommonOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_log: Option<[Extension<StdoutAccessLog>; 1]>,
    route_config: RouteConfiguration<'a>,
    http_filters: [HttpFilter<'a>; 2],
}

#[derive(Serialize)]
struct UpgradeConfig {
    upgrade_type: &'static str,
}

#[derive(Serialize)]
struct CommonOptions {
    idle_timeout: &'static str,
}

#[derive(Serialize)]
struct StdoutAccessLog {
    log_format: LogFormat,
}

#[derive(Serialize)]
struct LogFormat {
    text_format_source: InlineString,
}

#[derive(Serialize)]
struct InlineString {
    inline_string: &'static str,
}

fn access_log(wanted: AccessLog) -> Option<[Extension<StdoutAccessLog>; 1]> {
    match wanted {
        AccessLog::Off => None,
        AccessLog::Stdout => Some([Extension {
            name: "envoy.access_loggers.stdout",
            typed_config: Any {
                type_url: STDOUT_ACCESS_LOG_TYPE,
                message: StdoutAccessLog {
                    log_format: LogFormat {
                        text_format_source: InlineString { inline_string: ACCESS_LOG_LINE },
                    },
                },
            },
        }]),
    }
}

impl HttpFilter<'_> {
    /// The last filter of every chain.
    fn router() -> Self {
        Self::Router(Extension {
            name: "envoy.filters.http.router",
            typed_config: Any { type_url: ROUTER_TYPE, message: Empty {} },
        })
    }
}
