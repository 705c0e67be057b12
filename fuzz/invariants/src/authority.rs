//! Authorities: the engine's reader against one that is as plain as can be, and what must hold of
//! every result.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use gatepost_engine::{Authority, HostKind};

/// An authority as the plain reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    /// The host in canonical form, an IPv6 literal in its brackets.
    pub host: String,
    /// The port, unless there is none or an empty one.
    pub port: Option<u16>,
}

/// Reads an authority by the words of the policy language, without a thought of speed.
#[must_use]
pub fn plain(raw: &[u8]) -> Option<Plain> {
    let text = str::from_utf8(raw).ok().filter(|text| text.is_ascii())?;
    if let Some(rest) = text.strip_prefix('[') {
        let (literal, rest) = rest.split_once(']')?;
        let address: Ipv6Addr = literal.parse().ok()?;
        return Some(Plain { host: format!("[{address}]"), port: port(rest)? });
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
    Some(Plain { host, port: port(rest)? })
}

/// What stands behind a host: nothing, a colon, or a colon and a port.
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

/// Everything that holds of any bytes that somebody calls an authority.
///
/// # Panics
/// When it does not.
pub fn holds(raw: &[u8]) {
    let shown = raw.escape_ascii();
    let (parsed, plain) = (Authority::parse(raw), plain(raw));
    let read = parsed.as_ref().ok().map(|authority| (authority.host(), authority.colon_port()));
    let port =
        plain.as_ref().map(|plain| plain.port.map(|port| format!(":{port}")).unwrap_or_default());
    let wanted =
        plain.as_ref().zip(port.as_deref()).map(|(plain, port)| (plain.host.as_str(), port));
    assert_eq!(read, wanted, "{shown}: the plain reader sees something else; {parsed:?}");

    // Case means nothing, not even in what is refused.
    let upper = raw.to_ascii_uppercase();
    let in_capitals = Authority::parse(&upper);
    let canonical = |parsed: &Result<Authority<'_>, _>| {
        parsed.as_ref().map(|authority| authority.as_str().to_owned()).ok()
    };
    assert_eq!(
        canonical(&parsed),
        canonical(&in_capitals),
        "{shown}: in capitals it is another one"
    );
    let Ok(authority) = parsed else { return };

    assert_eq!(authority.raw(), raw, "{shown}");
    assert_eq!([authority.host(), authority.colon_port()].concat(), authority.as_str(), "{shown}");
    assert_eq!(authority.to_text(), authority.as_str().as_bytes(), "{shown}");
    assert_eq!(authority.to_host(), authority.host().as_bytes(), "{shown}");
    assert_eq!(authority.kind() == HostKind::IpLiteral, is_ip_literal(authority.host()), "{shown}");

    // Normalisation is idempotent, and what is canonical is borrowed as it is.
    let again =
        Authority::parse(authority.as_str().as_bytes()).expect("what is canonical is valid");
    assert_eq!(again.as_str(), authority.as_str(), "{shown}");
    assert!(matches!(again.to_text(), Cow::Borrowed(_)), "{shown}: canonical, and written anew");
    assert_eq!((again.host(), again.kind()), (authority.host(), authority.kind()), "{shown}");

    // The dot at the end of a name means nothing.
    if !authority.host().starts_with('[') {
        let dotted = [authority.host(), ".", authority.colon_port()].concat();
        let dotted = Authority::parse(dotted.as_bytes()).expect("a name may end in a dot");
        assert_eq!(dotted.as_str(), authority.as_str(), "{shown}");
    }
}
