//! Headers that belong to one connection, removed before a message goes on to the next, as Envoy's
//! connection manager does. Headers about the client (`x-forwarded-*`) are in `forwarded`.

use http::header::{CONNECTION, EXPECT, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, UPGRADE};

/// What `connection` must never name: a client could otherwise strip what proxies tell each other.
/// It may name `host`, and then has none.
const NEVER_NOMINATED: [&str; 3] = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// A request's `connection` header names a header that no client may have removed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ForbiddenNomination;

/// Whether an HTTP/1.1 request asks for another protocol, by Envoy's rule: `upgrade` counts only
/// when `connection` names it, and `h2c` is ignored, not refused.
pub(super) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    let named = headers
        .get_all(CONNECTION)
        .iter()
        .any(|value| tokens(value).any(|token| token.eq_ignore_ascii_case(b"upgrade")));
    named
        && headers.get(UPGRADE).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"h2c"))
}

/// Removes what a request says to the gateway alone. `te` survives only as `trailers`;
/// `expect: 100-continue` goes, because the gateway answers it itself when the upstream first asks
/// for the body.
pub(super) fn clean_request(headers: &mut HeaderMap) -> Result<(), ForbiddenNomination> {
    let nominated: Vec<HeaderName> = nominated(headers).collect();
    for name in nominated {
        if NEVER_NOMINATED.contains(&name.as_str()) {
            return Err(ForbiddenNomination);
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

/// Removes what a response says to the gateway alone. `trailer` stays: an HTTP/1.1 client learns
/// from it which trailers come.
pub(super) fn clean_response(headers: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = nominated(headers).filter(|name| name != TRAILER).collect();
    for name in nominated {
        headers.remove(name);
    }
    remove_fixed(headers);
}

/// Removes the headers about one connection, whatever `connection` names.
pub(super) fn remove_fixed(headers: &mut HeaderMap) {
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

/// Removes the headers with such names. Of most names there is none, so that looking at those that
/// are there is the quickest way.
pub(super) fn remove_where(headers: &mut HeaderMap, is_such: impl Fn(&str) -> bool) {
    let such: Vec<HeaderName> =
        headers.keys().filter(|name| is_such(name.as_str())).cloned().collect();
    for name in such {
        headers.remove(name);
    }
}

fn nominated(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
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
            assert_eq!(clean_request(&mut map), Err(ForbiddenNomination), "{name}");
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
        assert!(asks_for_upgrade(&headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket")
        ])));
        assert!(!asks_for_upgrade(&headers(&[("upgrade", "websocket")])));
        assert!(!asks_for_upgrade(&headers(&[("connection", "upgrade"), ("upgrade", "h2c")])));
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
