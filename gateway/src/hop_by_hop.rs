//! Hop-by-hop headers (RFC 9110 §7.6.1), removed before a message is forwarded, as Envoy's
//! connection manager does. Headers about the client (`x-forwarded-*`) are in `forwarded`.

use http::header::{CONNECTION, EXPECT, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, UPGRADE};

/// Headers that `connection` must not name: a client could otherwise remove what one proxy tells
/// the next. `host` is allowed, and such a request then has no host.
const PROTECTED: [&str; 3] = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// A request's `connection` header names a protected header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamesProtectedHeader;

/// The protocol that an HTTP/1.1 request asks to change to, by Envoy's rule: `upgrade` counts only
/// when `connection` names it, and an upgrade to `h2c` is ignored.
pub(crate) fn asked_upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let named = headers
        .get_all(CONNECTION)
        .iter()
        .any(|value| tokens(value).any(|token| token.eq_ignore_ascii_case(b"upgrade")));
    headers
        .get(UPGRADE)
        .filter(|value| named && !value.as_bytes().eq_ignore_ascii_case(b"h2c"))
        .cloned()
}

/// Writes the headers of a message that asks for another protocol, or changes to it.
pub(crate) fn set_upgrade(headers: &mut HeaderMap, protocol: Option<HeaderValue>) {
    if let Some(protocol) = protocol {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

/// Removes a request's hop-by-hop headers. `te` stays only as `trailers`. `expect: 100-continue` is
/// removed, because the gateway itself answers it when the body is first read.
pub(crate) fn clean_request(headers: &mut HeaderMap) -> Result<(), NamesProtectedHeader> {
    let named: Vec<HeaderName> = named_by_connection(headers).collect();
    for name in named {
        if PROTECTED.contains(&name.as_str()) {
            return Err(NamesProtectedHeader);
        }
        if name != TE {
            headers.remove(name);
        }
    }
    remove_fixed(headers);
    if headers.contains_key(TE) {
        let trailers = headers
            .get_all(TE)
            .iter()
            .any(|value| tokens(value).any(|token| token.eq_ignore_ascii_case(b"trailers")));
        headers.remove(TE);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
    if headers
        .get(EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        headers.remove(EXPECT);
    }
    Ok(())
}

/// Removes a response's hop-by-hop headers. `trailer` stays, because it tells an HTTP/1.1 client
/// which trailers follow.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> =
        named_by_connection(headers).filter(|name| name != TRAILER).collect();
    for name in named {
        headers.remove(name);
    }
    remove_fixed(headers);
}

/// Removes the hop-by-hop headers with fixed names, also those that `connection` does not name.
pub(crate) fn remove_fixed(headers: &mut HeaderMap) {
    const FIXED: [&str; 6] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    ];
    remove_where(headers, |name| FIXED.contains(&name));
}

/// Removes the headers whose name matches. A request has few headers, so one pass over them is
/// faster than a look-up of each name to remove.
pub(crate) fn remove_where(headers: &mut HeaderMap, matches: impl Fn(&str) -> bool) {
    let matching: Vec<HeaderName> =
        headers.keys().filter(|name| matches(name.as_str())).cloned().collect();
    for name in matching {
        headers.remove(name);
    }
}

/// The headers that `connection` names.
fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(tokens)
        .filter_map(|token| HeaderName::from_bytes(token).ok())
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_connection_names_is_removed_with_it() {
        let mut map = headers(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("x-end", "2"),
        ]);
        assert_eq!(clean_request(&mut map), Ok(()));
        assert_eq!(map, headers(&[("x-end", "2")]));
    }

    #[test]
    fn connection_cannot_remove_what_proxies_tell_each_other() {
        for name in ["x-forwarded-for", "X-Forwarded-Proto"] {
            let mut map = HeaderMap::new();
            map.insert(CONNECTION, HeaderValue::from_str(name).unwrap());
            assert_eq!(clean_request(&mut map), Err(NamesProtectedHeader), "{name}");
        }
    }

    #[test]
    fn te_keeps_trailers_only() {
        let mut map = headers(&[("te", "gzip, trailers;q=1"), ("connection", "te")]);
        assert_eq!(clean_request(&mut map), Ok(()));
        assert!(map.is_empty());
        let mut map = headers(&[("te", "gzip, Trailers")]);
        assert_eq!(clean_request(&mut map), Ok(()));
        assert_eq!(map, headers(&[("te", "trailers")]));
    }

    #[test]
    fn an_upgrade_counts_only_when_connection_names_it() {
        let asked = |pairs| asked_upgrade(&headers(pairs));
        assert_eq!(
            asked(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]),
            Some(HeaderValue::from_static("websocket"))
        );
        assert_eq!(asked(&[("upgrade", "websocket")]), None);
        assert_eq!(asked(&[("connection", "upgrade"), ("upgrade", "h2c")]), None);
    }

    #[test]
    fn a_response_loses_its_connection_headers_and_keeps_the_rest() {
        let mut map = headers(&[
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("trailer", "a"),
        ]);
        clean_response(&mut map);
        assert_eq!(map, headers(&[("trailer", "a")]));
    }
}
