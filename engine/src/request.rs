//! What the engine reads of a request: its headers as Envoy holds them (lower-case names,
//! pseudo-headers among them, values of any bytes) and its source address, which is read only
//! when no cheaper condition has decided.

use std::net::{IpAddr, SocketAddr};

use crate::host::canonical;

/// A request's headers: pairs of name and value, names in lower case. The engine clones the
/// iterator to go through them more than once.
pub trait Headers<'a>: Iterator<Item = (&'a [u8], &'a [u8])> + Clone {}

impl<'a, I: Iterator<Item = (&'a [u8], &'a [u8])> + Clone> Headers<'a> for I {}

/// Where a request comes from. In the filter this is a hostcall, so it is called at most once for
/// a request, and as late as possible.
pub trait SourceAddress {
    /// The downstream address, as far as the gateway trusts one.
    fn source_address(&self) -> Option<IpAddr>;
}

impl SourceAddress for Option<IpAddr> {
    fn source_address(&self) -> Option<IpAddr> {
        *self
    }
}

/// A request to be decided on.
#[derive(Clone)]
pub struct Request<'a, H, S> {
    /// The headers, `:method`, `:path` and `:authority` among them.
    pub headers: H,
    /// Who sent it.
    pub source: &'a S,
}

/// The address in Envoy's property `source.address`: `10.0.0.1:4711` or `[2001:db8::1]:4711`. An
/// IPv4 address inside an IPv6 address, as a dual-stack listener reports it, is that IPv4 address.
#[must_use]
pub fn parse_source_address(property: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(property).ok()?;
    let address = text
        .parse::<SocketAddr>()
        .map(|address| address.ip())
        .or_else(|_| text.parse::<IpAddr>())
        .ok()?;
    Some(canonical(address))
}

/// Whether the request is gRPC, by Envoy's rule: its one content type is `application/grpc`, alone
/// or followed by `+` and a format. A type with parameters (`;`) is not, and Envoy answers such a
/// request as any other. Envoy joins several lines, and the result is none of these.
#[must_use]
pub fn is_grpc<'a>(headers: impl Headers<'a>) -> bool {
    let mut types = headers.filter(|(name, _)| *name == b"content-type").map(|(_, value)| value);
    let first = types.next().and_then(|value| value.strip_prefix(b"application/grpc"));
    let is_grpc = first.is_some_and(|rest| matches!(rest.first(), None | Some(b'+')));
    is_grpc && types.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_address_is_read_with_and_without_a_port() {
        let address = |text: &str| parse_source_address(text.as_bytes()).map(|ip| ip.to_string());
        assert_eq!(address("35.191.0.1:4711").as_deref(), Some("35.191.0.1"));
        assert_eq!(address("[2600:2d00:1:1::1]:4711").as_deref(), Some("2600:2d00:1:1::1"));
        assert_eq!(address("[::ffff:35.191.0.1]:4711").as_deref(), Some("35.191.0.1"));
        assert_eq!(address("10.0.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(address("/var/run/socket"), None);
        assert_eq!(parse_source_address(b"\xff"), None);
    }

    #[test]
    fn grpc_is_known_by_its_content_type() {
        let grpc =
            |value: &'static str| is_grpc([(&b"content-type"[..], value.as_bytes())].into_iter());
        assert!(grpc("application/grpc"));
        assert!(grpc("application/grpc+proto"));
        assert!(!grpc("application/grpc;charset=utf-8"));
        assert!(!grpc("application/grpc, application/grpc") && !grpc("Application/gRPC"));
        assert!(!grpc("application/grpc-web"));
        assert!(!grpc("application/json"));
        let line = (&b"content-type"[..], &b"application/grpc"[..]);
        assert!(!is_grpc([line, line].into_iter()) && !is_grpc([].into_iter()));
    }
}
