//! Extensions of requests: what a caller says of the connection, and what the layer says to the
//! service.

use std::net::SocketAddr;

use gatepost_host::{PropertyValue, StreamInfo};
use http::uri::Scheme;

/// What is known of the connection that a request came on. A caller that wants guests to see it
/// puts it into the request's extensions before the layer; without it they find no addresses.
#[derive(Clone, Debug, Default)]
pub struct ConnectionInfo {
    /// The client's address: the properties `source.address` and `source.port`.
    pub source: Option<SocketAddr>,
    /// The address it connected to: `destination.address` and `destination.port`.
    pub destination: Option<SocketAddr>,
    /// The `:scheme` of requests that do not say it, as those of HTTP/1 do not. Default `http`.
    pub scheme: Option<Scheme>,
    /// Any other property by its dotted path, as in `connection.requested_server_name`.
    pub properties: Vec<(String, PropertyValue)>,
}

impl ConnectionInfo {
    /// The properties that guests can read.
    pub(crate) fn stream_info(found: Option<&Self>, version: http::Version) -> StreamInfo {
        let protocol = match version {
            http::Version::HTTP_09 => None,
            http::Version::HTTP_10 => Some("HTTP/1.0"),
            http::Version::HTTP_2 => Some("HTTP/2"),
            http::Version::HTTP_3 => Some("HTTP/3"),
            _ => Some("HTTP/1.1"),
        };
        let info = StreamInfo { protocol, ..StreamInfo::default() };
        match found {
            None => info,
            Some(Self { source, destination, properties, .. }) => StreamInfo {
                source: *source,
                destination: *destination,
                properties: properties.clone(),
                ..info
            },
        }
    }
}

/// In the extensions of a request whose route a guest wants chosen again
/// (`proxy_clear_route_cache`). A service that chose the route before the layer should do so again;
/// one that routes behind the layer can ignore it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteCacheCleared;
