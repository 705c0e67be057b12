//! What a Host that is no valid authority may mean to somebody less strict. A policy may let such Hosts pass; a proxy or a server
//! behind it may then cut at another colon, drop user information or an empty label, and so reach a private host by a
//! spelling that is none here.

use crate::authority::{Authority, HostKind, MAX_NAME};
use crate::host_table::{Found, HostTable};
use alloc::borrow::ToOwned;
use alloc::string::String;

/// The first private pattern that any reading of these bytes matches.
pub(crate) fn find<'t, V>(private: &'t HostTable<V>, raw: &[u8]) -> Option<Found<'t, V>> {
    let names = raw.split(|byte| !is_host_byte(*byte)).find_map(|name| private.find(&name_of(name), HostKind::Name));
    names.or_else(|| private.find(&ipv6_of(raw)?, HostKind::IpLiteral))
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// A name without its empty labels and in lower case. Of one that is too long the end is kept, where patterns compare.
fn name_of(bytes: &[u8]) -> String {
    let mut name = String::new();
    for label in bytes.rsplit(|byte| *byte == b'.').filter(|label| !label.is_empty()) {
        let room = MAX_NAME.saturating_sub(name.len().saturating_add(1));
        let Some(label) = label.get(label.len().saturating_sub(room)..).filter(|label| !label.is_empty()) else { break };
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
            private.add(&HostPattern::parse(pattern).expect("valid"), ()).expect("new");
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
            "[fe80::1%25eth0]",
            "[fe80:0::1%eth0]:80",
            &long,
        ] {
            assert!(find(&private, raw.as_bytes()).is_some(), "{raw}");
        }
        for raw in ["", "a,b", "public.example:99999", "svc.cluster.local:x", "[", "[::1", "\u{fc}.example"] {
            assert!(find(&private, raw.as_bytes()).is_none(), "{raw}");
        }
    }
}
