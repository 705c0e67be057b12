//! Authorities: the engine's parser compared with a reference parser that is as simple as possible,
//! and the invariants of every result.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use gatepost_engine::{Authority, HostKind};

/// The result of the reference parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The host in canonical form, an IPv6 literal in its brackets.
    pub host: String,
    /// The port, unless there is none or an empty one.
    pub port: Option<u16>,
}

/// The reference parser: follows the policy language's definition of an authority, without any
/// care for speed.
#[must_use]
pub fn reference(raw: &[u8]) -> Option<Reference> {
    let text = str::from_utf8(raw).ok().filter(|text| text.is_ascii())?;
    if let Some(rest) = text.strip_prefix('[') {
        let (literal, rest) = rest.split_once(']')?;
        let address: Ipv6Addr = literal.parse().ok()?;
        return Some(Reference { host: format!("[{address}]"), port: port(rest)? });
    }
    let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    (host.len() <= 253 && host.split('.').all(is_label)).then_some(())?;
    Some(Reference { host, port: port(rest)? })
}

/// Reads what follows a host: nothing, a colon, or a colon and a port.
fn port(rest: &str) -> Option<Option<u16>> {
    match rest.strip_prefix(':') {
        None => rest.is_empty().then_some(None),
        Some("") => Some(None),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().map(Some)
        }
        Some(_) => None,
    }
}

/// Whether a host in canonical form is an IP address.
#[must_use]
pub fn is_ip_literal(host: &str) -> bool {
    host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok()
}

/// Checks all invariants of an authority, for any bytes.
///
/// # Panics
/// When one is broken.
pub fn holds(raw: &[u8]) {
    let shown = raw.escape_ascii();
    let (parsed, reference) = (Authority::parse(raw), reference(raw));
    let read = parsed.as_ref().ok().map(|authority| (authority.host(), authority.colon_port()));
    let port = reference
        .as_ref()
        .map(|reference| reference.port.map(|port| format!(":{port}")).unwrap_or_default());
    let wanted = reference
        .as_ref()
        .zip(port.as_deref())
        .map(|(reference, port)| (reference.host.as_str(), port));
    assert_eq!(read, wanted, "{shown}: the reference parser reads something else; {parsed:?}");

    // Case makes no difference, not even to refusals.
    let upper = raw.to_ascii_uppercase();
    let in_capitals = Authority::parse(&upper);
    let canonical = |parsed: &Result<Authority<'_>, _>| {
        parsed.as_ref().map(|authority| authority.as_str().to_owned()).ok()
    };
    assert_eq!(
        canonical(&parsed),
        canonical(&in_capitals),
        "{shown}: in capitals it is read differently"
    );
    let Ok(authority) = parsed else { return };

    assert_eq!(authority.raw(), raw, "{shown}");
    assert_eq!([authority.host(), authority.colon_port()].concat(), authority.as_str(), "{shown}");
    assert_eq!(authority.to_text(), authority.as_str().as_bytes(), "{shown}");
    assert_eq!(authority.to_host(), authority.host().as_bytes(), "{shown}");
    assert_eq!(authority.kind() == HostKind::IpLiteral, is_ip_literal(authority.host()), "{shown}");

    // Normalisation is idempotent, and a canonical text is borrowed.
    let again =
        Authority::parse(authority.as_str().as_bytes()).expect("what is canonical is valid");
    assert_eq!(again.as_str(), authority.as_str(), "{shown}");
    assert!(matches!(again.to_text(), Cow::Borrowed(_)), "{shown}: a canonical text was copied");
    assert_eq!((again.host(), again.kind()), (authority.host(), authority.kind()), "{shown}");

    // A dot at the end of a name makes no difference.
    if !authority.host().starts_with('[') {
        let dotted = [authority.host(), ".", authority.colon_port()].concat();
        let dotted = Authority::parse(dotted.as_bytes()).expect("a name may end in a dot");
        assert_eq!(dotted.as_str(), authority.as_str(), "{shown}");
    }
}
