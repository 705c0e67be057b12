//! The client's address, and the headers that tell the upstream about the client:
//! `x-forwarded-for`, `x-forwarded-proto`, `x-request-id` and `x-envoy-external-address`, by the
//! rules of Envoy's connection manager with `use_remote_address: true`. Of a client's own headers,
//! only as many entries are trusted as there are trusted hops.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::hop_by_hop;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const EXTERNAL_ADDRESS: HeaderName = HeaderName::from_static("x-envoy-external-address");

/// The length of the longest text of an address: IPv6 with an IPv4 address at its end.
const LONGEST_ADDRESS: usize = 45;

/// Headers that control an Envoy behind this gateway. An Envoy at the edge removes them from
/// clients' requests, and so does the gateway.
const EDGE_ONLY: [&str; 22] = [
    "x-envoy-internal",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
    "x-envoy-original-host",
    "x-envoy-original-path",
    "x-envoy-original-url",
    "x-envoy-upstream-stream-duration-ms",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-forwarded-client-cert",
];

/// The trusted address of the client: the peer's, or with `trusted_hops` = N the Nth address from
/// the right of `x-forwarded-for` as it arrived. When the list is shorter, or that entry is not an
/// address, it is the peer's. An address from the header gets port 0, because the header has no
/// port.
pub(crate) fn source(headers: &HeaderMap, peer: SocketAddr, trusted_hops: u32) -> SocketAddr {
    let Some(skip) = trusted_hops.checked_sub(1) else { return peer };
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    // Several header lines form one list, which ends in the last line.
    let lines: Vec<&HeaderValue> = headers.get_all(FORWARDED_FOR).iter().collect();
    let mut addresses =
        lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
    let address = addresses.nth(skip).and_then(|text| std::str::from_utf8(text.trim_ascii()).ok());
    match address.and_then(|text| text.parse::<IpAddr>().ok()) {
        Some(ip) => SocketAddr::new(ip, 0),
        None => peer,
    }
}

/// Writes the headers about the client, and removes those that a client must not send.
///
/// Like Envoy's edge, it replaces `x-request-id` unless `keep_request_id` is set (Envoy's
/// `preserve_external_request_id`). A client's `x-forwarded-proto` stays only when there are
/// trusted hops.
pub(crate) fn annotate(
    headers: &mut HeaderMap,
    peer: SocketAddr,
    source: SocketAddr,
    trusted_hops: u32,
    keep_request_id: bool,
) {
    hop_by_hop::remove_where(headers, |name| name.starts_with("x-") && EDGE_ONLY.contains(&name));
    append_forwarded_for(headers, peer.ip());
    if trusted_hops == 0 || !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    let mut address = Vec::with_capacity(LONGEST_ADDRESS);
    let _ = write!(address, "{}", source.ip().to_canonical());
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(address)) {
        headers.insert(EXTERNAL_ADDRESS, value);
    }
    if !keep_request_id || !headers.contains_key(REQUEST_ID) {
        let mut text = uuid::Uuid::encode_buffer();
        if let Ok(value) =
            HeaderValue::from_str(uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text))
        {
            headers.insert(REQUEST_ID, value);
        }
    }
}

fn append_forwarded_for(headers: &mut HeaderMap, peer: IpAddr) {
    let lines = headers.get_all(FORWARDED_FOR).iter().map(|line| line.len() + 1).sum::<usize>();
    let mut list = Vec::with_capacity(lines + LONGEST_ADDRESS);
    for line in headers.get_all(FORWARDED_FOR) {
        list.extend_from_slice(line.as_bytes());
        list.push(b',');
    }
    // Writing to a Vec does not fail.
    let _ = write!(list, "{}", peer.to_canonical());
    // Made of header values, a comma and an address, so it is a header value.
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(list)) {
        headers.insert(FORWARDED_FOR, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: SocketAddr =
        SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9)), 4711);

    fn forwarded(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|&line| (FORWARDED_FOR, HeaderValue::from_static(line))).collect()
    }

    fn ip(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 0)
    }

    #[test]
    fn the_source_is_the_nth_address_from_the_right() {
        let headers = forwarded(&["203.0.113.1", "198.51.100.2, 2001:db8::3"]);
        assert_eq!(source(&headers, PEER, 0), PEER);
        assert_eq!(source(&headers, PEER, 1), ip("2001:db8::3"));
        assert_eq!(source(&headers, PEER, 2), ip("198.51.100.2"));
        assert_eq!(source(&headers, PEER, 3), ip("203.0.113.1"));
    }

    #[test]
    fn the_source_is_the_peer_when_the_list_is_too_short_or_no_list() {
        assert_eq!(source(&forwarded(&["203.0.113.1"]), PEER, 2), PEER);
        assert_eq!(source(&forwarded(&["203.0.113.1"]), PEER, u32::MAX), PEER);
        assert_eq!(source(&forwarded(&[]), PEER, 1), PEER);
        assert_eq!(source(&forwarded(&["203.0.113.1, unknown"]), PEER, 1), PEER);
    }

    #[test]
    fn the_peer_is_appended_and_the_protocol_is_not_believed_without_trusted_hops() {
        let mut headers = forwarded(&["203.0.113.1"]);
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
        let mut trusted = headers.clone();
        annotate(&mut headers, PEER, PEER, 0, false);
        assert_eq!(headers[FORWARDED_FOR], "203.0.113.1,192.0.2.9");
        assert_eq!(headers[FORWARDED_PROTO], "http");
        assert_eq!(headers[EXTERNAL_ADDRESS], "192.0.2.9");
        annotate(&mut trusted, PEER, ip("203.0.113.1"), 1, false);
        assert_eq!(trusted[FORWARDED_PROTO], "https");
        assert_eq!(trusted[EXTERNAL_ADDRESS], "203.0.113.1");
    }

    #[test]
    fn a_request_id_is_always_there_and_a_clients_is_kept_only_on_demand() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("mine"));
        let mut kept = headers.clone();
        annotate(&mut headers, PEER, PEER, 0, false);
        assert_eq!(headers[REQUEST_ID].len(), 36);
        annotate(&mut kept, PEER, PEER, 0, true);
        assert_eq!(kept[REQUEST_ID], "mine");
    }

    #[test]
    fn headers_that_steer_an_envoy_are_taken_from_no_client() {
        let mut headers: HeaderMap = EDGE_ONLY
            .iter()
            .map(|&name| (HeaderName::from_static(name), HeaderValue::from_static("1")))
            .collect();
        annotate(&mut headers, PEER, PEER, 0, false);
        assert!(EDGE_ONLY.iter().all(|name| !headers.contains_key(*name)));
    }
}
