//! Header names and values as a policy's author writes them.

use crate::errors::PolicyErrorKind;

/// The longest name of a header in a policy, in bytes.
pub const MAX_HEADER_NAME: usize = 256;

/// Headers that belong to one connection (RFC 9110 §7.6.1), and those that older clients and
/// proxies treat as such.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a policy does with the header that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameUse {
    /// The policy reads the header.
    Read,
    /// The policy removes the header from clients' requests.
    Remove,
    /// The policy sets the header.
    Write,
}

/// A header's name in lower case, checked for what the policy does with it.
pub(crate) fn read_name(text: &str, purpose: NameUse) -> Result<String, PolicyErrorKind> {
    let name = text.to_ascii_lowercase();
    let forbidden = |reason| Err(PolicyErrorKind::ForbiddenHeader { name: name.clone(), reason });
    if name.starts_with(':') {
        return forbidden("it is a pseudo-header");
    }
    if name.len() > MAX_HEADER_NAME {
        return Err(PolicyErrorKind::TextTooLong { size: name.len(), limit: MAX_HEADER_NAME });
    }
    if !is_token(&name) {
        return Err(PolicyErrorKind::HeaderName(text.to_owned()));
    }
    match name.as_str() {
        "host" => return forbidden("the gateway keeps it as the request's authority"),
        "content-length" if purpose != NameUse::Read => return forbidden("it frames the body"),
        hop if purpose != NameUse::Read && HOP_BY_HOP.contains(&hop) => {
            return forbidden("it is a hop-by-hop header");
        }
        envoy if purpose == NameUse::Write && envoy.starts_with("x-envoy-") => {
            return forbidden("it is one of Envoy's own");
        }
        _ => {}
    }
    Ok(name)
}

/// RFC 9110 §5.6.2: what a header's, a cookie's or a baggage member's name is made of.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Reads the name of a cookie or of a baggage member: `what` says which.
pub(crate) fn read_token(text: &str, what: &'static str) -> Result<Box<str>, PolicyErrorKind> {
    if text.len() > MAX_HEADER_NAME {
        return Err(PolicyErrorKind::TextTooLong { size: text.len(), limit: MAX_HEADER_NAME });
    }
    match is_token(text) {
        true => Ok(text.into()),
        false => Err(PolicyErrorKind::Token(text.to_owned(), what)),
    }
}

/// Whether a header can carry the value: visible ASCII, spaces and tabs (RFC 9110 §5.5, without
/// obs-text).
pub(crate) fn is_value(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_may_not_name_a_header_that_frames_or_routes_the_request() {
        for name in [
            ":authority",
            "Host",
            "content-length",
            "Connection",
            "te",
            "X-Envoy-Internal",
            "transfer-encoding",
        ] {
            assert!(
                matches!(
                    read_name(name, NameUse::Write),
                    Err(PolicyErrorKind::ForbiddenHeader { .. })
                ),
                "{name}"
            );
        }
        assert_eq!(read_name("X-Gatepost-Env", NameUse::Write), Ok("x-gatepost-env".into()));
    }

    #[test]
    fn a_client_may_be_denied_envoys_own_headers() {
        assert_eq!(read_name("x-envoy-retry-on", NameUse::Remove), Ok("x-envoy-retry-on".into()));
        assert!(read_name("host", NameUse::Remove).is_err());
    }

    #[test]
    fn a_name_that_no_header_has_is_refused() {
        for name in ["", "a b", "a:", "é", "a\n"] {
            assert_eq!(
                read_name(name, NameUse::Read),
                Err(PolicyErrorKind::HeaderName(name.into())),
                "{name:?}"
            );
        }
    }
}
