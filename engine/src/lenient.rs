//! What a Host may mean to somebody less strict. A policy may let invalid Hosts pass; a proxy or a
//! server behind it may then cut at another colon, drop user information or an empty label, decode
//! an escape, and so reach a private host by a spelling that is none here. A valid name may still
//! be an address to them, if it is a number.

use crate::address_text;
use crate::authority::{Authority, HostKind, MAX_NAME};
use crate::host::Host;
use crate::host_table::HostTable;
use crate::number::ipv4_of;
use crate::plain::text;
use crate::records::Record;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// How often a Host is decoded, so that a long one costs no more than its length.
const ROUNDS: usize = 4;

/// What others may read in a Host that is no valid authority.
#[derive(Debug)]
pub(crate) enum Reading<'t> {
    /// A private host, by its pattern.
    Private(Record<'t>),
    /// Any host at all: an internationalised name, which may end at any ASCII one, or one that is
    /// encoded over and over.
    Unknown,
    /// No private host.
    Public,
}

/// What any reading of these bytes comes to.
pub(crate) fn read<'t>(private: &'t HostTable, raw: &[u8]) -> Reading<'t> {
    let mut decoded = raw.to_vec();
    for _ in 0..ROUNDS {
        if let Some(found) = find(private, &decoded) {
            return Reading::Private(found);
        }
        if !decoded.is_ascii() {
            return Reading::Unknown;
        }
        let next = decode(&decoded);
        if next.len() == decoded.len() {
            return Reading::Public;
        }
        decoded = next;
    }
    Reading::Unknown
}

/// Without what URLs leave out, tabs and line ends, and with percent-encoded bytes decoded once.
fn decode(raw: &[u8]) -> Vec<u8> {
    let mut rest = raw.iter().copied().filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n'));
    let mut decoded = Vec::new();
    while let Some(byte) = rest.next() {
        let mut after = rest.clone();
        let escaped = (byte == b'%').then(|| hexadecimal(after.next()?, after.next()?)).flatten();
        if escaped.is_some() {
            rest = after;
        }
        decoded.push(escaped.unwrap_or(byte));
    }
    decoded
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// The first private pattern that any part of these bytes matches.
fn find<'t>(private: &'t HostTable, raw: &[u8]) -> Option<Record<'t>> {
    let names = raw.split(|byte| !is_host_byte(*byte)).find_map(|name| {
        let name = name_of(name);
        private.find(&Host::of(name.as_bytes())).or_else(|| find_number(private, name.as_bytes()))
    });
    names.or_else(|| private.find(&Host::new(ipv6_of(raw)?.as_bytes(), HostKind::IpLiteral)))
}

/// The private address that a name is to those to whom it is a number.
#[inline]
pub(crate) fn find_number<'t>(private: &'t HostTable, host: &[u8]) -> Option<Record<'t>> {
    private
        .find(&Host::new(address_text::ipv4(ipv4_of(text(host))?).as_bytes(), HostKind::IpLiteral))
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// A name without its empty labels and in lower case. Of one that is too long the end is kept,
/// where patterns compare.
fn name_of(bytes: &[u8]) -> String {
    let mut name = String::new();
    for label in bytes.rsplit(|byte| *byte == b'.').filter(|label| !label.is_empty()) {
        let room = MAX_NAME.saturating_sub(name.len().saturating_add(1));
        let Some(label) =
            label.get(label.len().saturating_sub(room)..).filter(|label| !label.is_empty())
        else {
            break;
        };
        let label = String::from_utf8_lossy(label).to_ascii_lowercase();
        name = if name.is_empty() { label } else { [&label, ".", &name].concat() };
    }
    name
}

/// The IPv6 literal in brackets, without its zone and whatever follows.
fn ipv6_of(raw: &[u8]) -> Option<String> {
    let inside = raw.split(|byte| *byte == b'[').nth(1)?;
    let literal = inside.split(|byte| matches!(byte, b']' | b'%')).next()?;
    let whole = [b"[", literal, b"]"].concat();
    Authority::parse(&whole).ok().map(|authority| authority.host().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::HostPattern;

    #[test]
    fn a_private_host_is_found_in_every_invalid_spelling() {
        let mut private = HostTable::default();
        for pattern in ["*.svc.cluster.local", "admin.example.com", "[fe80::1]"] {
            private.add(&HostPattern::parse(pattern).expect("valid"), 0, b"").expect("new");
        }
        private.shrink_to_fit();
        let long = format!("{}.svc.cluster.local", ["a".repeat(70), "b".repeat(300)].join("."));
        for raw in [
            "app.default.svc.cluster.local:99999",
            "app.default.svc.cluster.local:80:80",
            "user@app.default.SVC.cluster.local",
            "app.default.svc.cluster.local,public.example",
            "public.example, app.default.svc.cluster.local",
            "app..default.svc.cluster.local",
            "app.svc.cluster.local..",
            "admin.example.com/path",
            "admin.example.com\\",
            "admin.example.com\t",
            "admin%2eexample.com",
            "%61dmin.%65xample.com",
            "%25%36%31dmin.example.com",
            "adm\tin.example.com",
            "[fe80::1%25eth0]",
            "[fe80:0::1%eth0]:80",
            &long,
        ] {
            assert!(matches!(read(&private, raw.as_bytes()), Reading::Private(_)), "{raw}");
        }
        for raw in [
            "",
            "a,b",
            "public.example:99999",
            "svc.cluster.local:x",
            "[",
            "[::1",
            "%",
            "%6",
            "%zz",
            "a\tb",
        ] {
            assert!(matches!(read(&private, raw.as_bytes()), Reading::Public), "{raw}");
        }
        for raw in ["\u{fc}.example", "%c3%bc.example", "%25c3", "%2525252541"] {
            assert!(matches!(read(&private, raw.as_bytes()), Reading::Unknown), "{raw}");
        }
    }
}
