//! The authority of a request and its host, by Envoy's rules. Nothing is normalized here: that is
//! the policy's work.

use std::borrow::Cow;

use http::Version;
use http::header::{HOST, HeaderValue};
use http::request::Parts;

/// Why a request has no usable authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostError {
    /// No `Host` and no `:authority`.
    #[error("the request names no host")]
    Missing,
    /// Bytes that an authority must not have.
    #[error("the request's host has bytes that no authority has")]
    Invalid,
}

/// The authority of the URI (`:authority` in HTTP/2), else the `Host` lines joined with commas,
/// without empty ones.
pub(crate) fn authority_of(parts: &Parts) -> Result<HeaderValue, HostError> {
    let authority = match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(without_user(authority.as_str(), parts.version)),
        None => {
            let mut hosts = parts.headers.get_all(HOST).iter();
            match (hosts.next(), hosts.next()) {
                (None, _) => return Err(HostError::Missing),
                (Some(only), None) => Ok(only.clone()),
                (Some(_), Some(_)) => {
                    let lines = parts.headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
                    HeaderValue::from_bytes(
                        &lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(&b","[..]),
                    )
                }
            }
        }
    };
    authority
        .ok()
        .filter(|authority| is_acceptable(authority.as_bytes(), parts.version))
        .ok_or(HostError::Invalid)
}

/// Envoy's HTTP/1.1 codec drops the user of an absolute target, and its HTTP/2 codec refuses one.
fn without_user(authority: &str, version: Version) -> &str {
    match authority.rsplit_once('@') {
        Some((_, host)) if version != Version::HTTP_2 => host,
        _ => authority,
    }
}

/// The authority without its port: everything before the last colon, unless a `]` follows it. As in
/// Envoy's `ignore_port_in_host_matching`, the port need not be a number.
pub(crate) fn without_port(authority: &[u8]) -> &[u8] {
    let Some(colon) = authority.iter().rposition(|&byte| byte == b':') else { return authority };
    let (host, port) = authority.split_at(colon);
    if port.contains(&b']') { authority } else { host }
}

/// The host in ASCII lower case.
pub(crate) fn lower_case(host: &[u8]) -> Cow<'_, [u8]> {
    if host.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// Whether Envoy's codecs accept these bytes as an authority: letters, digits and some punctuation,
/// among it the comma that joins two `Host` lines. An `@` is allowed in HTTP/1.1 only. An empty
/// authority is accepted.
fn is_acceptable(authority: &[u8], version: Version) -> bool {
    let punctuation = |byte| {
        b"-._~%!$&'()[]*+,;=:".contains(byte) || (*byte == b'@' && version != Version::HTTP_2)
    };
    authority.iter().all(|byte| byte.is_ascii_alphanumeric() || punctuation(byte))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::request::Builder;

    use super::*;

    fn authority(request: Builder) -> Result<HeaderValue, HostError> {
        authority_of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn host_is_the_authority_unless_the_uri_says_one() {
        let several = Request::get("/")
            .header("host", "")
            .header("host", "a.example")
            .header("host", "b.example");
        assert_eq!(authority(several).unwrap(), "a.example,b.example");
        let absolute = || Request::get("http://u:p@a.example/x").header("host", "b.example");
        assert_eq!(authority(absolute()).unwrap(), "a.example");
        assert_eq!(authority(absolute().version(Version::HTTP_2)), Err(HostError::Invalid));
        assert_eq!(authority(Request::get("/").header("host", "")).unwrap(), "");
    }

    #[test]
    fn a_missing_or_impossible_host_is_an_error() {
        assert_eq!(authority(Request::get("/")), Err(HostError::Missing));
        let raw = HeaderValue::from_bytes(b"caf\xe9.example").unwrap();
        assert_eq!(authority(Request::get("/").header("host", raw)), Err(HostError::Invalid));
    }

    #[test]
    fn a_port_is_left_out_and_an_address_in_brackets_is_kept() {
        for (authority, host) in [
            ("a.example", "a.example"),
            ("a.example:443", "a.example"),
            ("a.example:", "a.example"),
            ("a.example.:443", "a.example."),
            ("a.example:http", "a.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            (":80", ""),
            ("", ""),
        ] {
            assert_eq!(without_port(authority.as_bytes()), host.as_bytes(), "{authority}");
        }
    }

    #[test]
    fn two_hosts_joined_are_acceptable_and_raw_bytes_are_not() {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            assert!(is_acceptable(b"a.example,b.example", version));
            assert!(is_acceptable(b"", version));
            for bad in [&b"caf\xc3\xa9"[..], b"a b", b"a/b", b"a\"b", b"a\x7fb"] {
                assert!(!is_acceptable(bad, version), "{bad:?}");
            }
        }
    }

    #[test]
    fn only_http1_may_name_a_user() {
        assert!(is_acceptable(b"u@a.example", Version::HTTP_11));
        assert!(!is_acceptable(b"u@a.example", Version::HTTP_2));
    }
}
