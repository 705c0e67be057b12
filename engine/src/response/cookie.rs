//! The `Domain` of a cookie (RFC 6265 §5.2.3).

use crate::host::{Authority, HostKind};

/// A line of `Set-Cookie` whose `Domain` is the host that was written, or a parent of it, with the
/// client's host in its place. Nothing when it has no such domain, or one that is the client's too.
pub(super) fn with_domain_of(
    line: &[u8],
    client: &Authority<'_>,
    upstream: &Authority<'_>,
) -> Option<Vec<u8>> {
    let mut changed = false;
    let mut written = Vec::with_capacity(line.len());
    for (number, attribute) in line.split(|byte| *byte == b';').enumerate() {
        // The first is the cookie itself, which may be called `domain`, too.
        let domain = if number == 0 { None } else { domain(attribute) };
        let is_owed = |domain: &[u8]| {
            !covers(domain, client.host(), client.kind())
                && covers(domain, upstream.host(), upstream.kind())
        };
        let domain = domain.filter(|domain| is_owed(domain));
        changed |= domain.is_some();
        // A browser takes no domain for an address: without one the cookie is the address's.
        if domain.is_some() && client.kind() == HostKind::IpLiteral {
            continue;
        }
        if number > 0 {
            written.push(b';');
        }
        match domain {
            None => written.extend_from_slice(attribute),
            Some(_) => {
                let equals = attribute.iter().position(|byte| *byte == b'=');
                let name = attribute.get(..equals.unwrap_or_default()).unwrap_or_default();
                written.extend_from_slice(name);
                written.push(b'=');
                written.extend_from_slice(client.host().as_bytes());
            }
        }
    }
    changed.then_some(written)
}

/// The value of an attribute called `Domain`, without the dot that may stand in front.
fn domain(attribute: &[u8]) -> Option<&[u8]> {
    let equals = attribute.iter().position(|byte| *byte == b'=')?;
    let (name, value) = attribute.split_at_checked(equals)?;
    if !name.trim_ascii().eq_ignore_ascii_case(b"domain") {
        return None;
    }
    let value = value.strip_prefix(b"=").unwrap_or_default().trim_ascii();
    let value = value.strip_prefix(b".").unwrap_or(value);
    (!value.is_empty()).then_some(value)
}

/// Whether a host domain-matches this domain (RFC 6265 §5.1.3).
fn covers(domain: &[u8], host: &str, kind: HostKind) -> bool {
    let host = host.as_bytes();
    let Some(parent) = host.len().checked_sub(domain.len()) else { return false };
    let ends = host.get(parent..).is_some_and(|end| end.eq_ignore_ascii_case(domain));
    ends && match parent.checked_sub(1) {
        None => true,
        Some(before) => kind == HostKind::Name && host.get(before) == Some(&b'.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restored(line: &str, client: &str) -> Option<String> {
        let client = Authority::parse(client.as_bytes()).expect("valid");
        let upstream = Authority::parse(b"shop.default.example").expect("valid");
        let line = with_domain_of(line.as_bytes(), &client, &upstream)?;
        Some(String::from_utf8(line).expect("a text"))
    }

    #[test]
    fn a_cookie_of_the_written_host_or_its_parent_becomes_the_clients() {
        for (line, expected) in [
            ("sid=1; Domain=shop.default.example; Path=/", "sid=1; Domain=shop.test; Path=/"),
            ("sid=1;domain= .DEFAULT.example", "sid=1;domain=shop.test"),
            ("a=b; Domain=example; Secure", "a=b; Domain=shop.test; Secure"),
        ] {
            assert_eq!(restored(line, "Shop.test.:8443").as_deref(), Some(expected));
        }
    }

    #[test]
    fn every_other_cookie_stays_as_it_is() {
        for line in [
            "sid=1",
            "sid=1; Path=/; Secure",
            "sid=1; Domain=shop.test",
            "sid=1; Domain=test",
            "sid=1; Domain=other.example",
            "sid=1; Domain=hop.default.example",
            "sid=1; Domain=",
            "sid=1; Domain",
            "domain=shop.default.example",
            "",
        ] {
            assert_eq!(restored(line, "shop.test"), None, "{line}");
        }
    }

    #[test]
    fn an_address_has_cookies_without_a_domain() {
        let line = "sid=1; Domain=shop.default.example; Path=/";
        assert_eq!(restored(line, "10.0.0.1").as_deref(), Some("sid=1; Path=/"));
        assert_eq!(restored(line, "[::1]:80").as_deref(), Some("sid=1; Path=/"));
    }
}
