//! The parts of an authority (`host[:port]`) that routing looks at, with Envoy's rules. It normalises nothing: that is the
//! policy's work, and a gateway that did it too would hide what the policy does.

use std::borrow::Cow;

/// The authority without its port: everything before the last colon that no bracket follows, digits or not, as Envoy does for
/// `ignore_port_in_host_matching`.
pub(super) fn without_port(authority: &[u8]) -> &[u8] {
    let Some(colon) = authority.iter().rposition(|&byte| byte == b':') else { return authority };
    let (host, port) = authority.split_at(colon);
    if port.contains(&b']') { authority } else { host }
}

/// ASCII lower case, borrowed when nothing changes.
pub(super) fn lower_case(host: &[u8]) -> Cow<'_, [u8]> {
    if host.iter().any(u8::is_ascii_uppercase) { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) }
}

/// Whether Envoy's codecs accept these bytes as an authority: letters, digits and some marks, among them the comma that joins two
/// Host lines. HTTP/1.1 may name a user before an `@`, HTTP/2 may not. An empty one is accepted.
pub(super) fn is_acceptable(authority: &[u8], version: http::Version) -> bool {
    let mark = |byte| b"-._~%!$&'()[]*+,;=:".contains(byte) || (*byte == b'@' && version != http::Version::HTTP_2);
    authority.iter().all(|byte| byte.is_ascii_alphanumeric() || mark(byte))
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;

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
