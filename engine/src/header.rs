//! Header names that a policy speaks of, and what the policy may do with them. All of them are found in one pass over a
//! request's headers, by one look-up for each header whose length and last letter occur together in the policy at all.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::fault::FaultKind;
use crate::index::{Index, hash};

/// Headers that belong to one connection (RFC 9110 §7.6.1), and the ones that older clients and proxies treat so.
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

/// What a policy wants with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It only looks at it.
    Read,
    /// It takes it away from clients.
    Remove,
    /// It sets it.
    Write,
}

/// A header's name in lower case, checked for what the policy wants with it.
pub(crate) fn read_name(text: &str, purpose: Use) -> Result<String, FaultKind> {
    let name = text.to_ascii_lowercase();
    let forbidden = |reason| Err(FaultKind::ForbiddenHeader { name: name.clone(), reason });
    if name.starts_with(':') {
        return forbidden("it is a pseudo-header");
    }
    if !is_token(&name) {
        return Err(FaultKind::HeaderName(text.to_owned()));
    }
    match name.as_str() {
        "host" => return forbidden("the gateway keeps it as the request's authority"),
        "content-length" if purpose != Use::Read => return forbidden("it frames the body"),
        hop if purpose != Use::Read && HOP_BY_HOP.contains(&hop) => return forbidden("it is a hop-by-hop header"),
        envoy if purpose == Use::Write && envoy.starts_with("x-envoy-") => return forbidden("it is one of Envoy's own"),
        _ => {}
    }
    Ok(name)
}

/// RFC 9110 §5.6.2: what a header's, a cookie's or a baggage member's name is made of.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether a header can carry the value: visible ASCII, spaces and tabs (RFC 9110 §5.5, without obs-text).
pub(crate) fn is_value(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
}

/// Why a policy knows a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    /// Every policy reads it.
    pub field: Option<Field>,
    /// Bit n: it must be absent for health check n.
    pub vetoes: u64,
    /// Bit n: environment source n reads it.
    pub sources: u16,
    /// A client may not send it in.
    pub guarded: bool,
}

/// A header that every policy reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Method,
    Path,
    Authority,
    UserAgent,
}

const FIELDS: [(&str, Field); 4] =
    [(":method", Field::Method), (":path", Field::Path), (":authority", Field::Authority), ("user-agent", Field::UserAgent)];

#[derive(Debug)]
struct Entry {
    name: Box<str>,
    roles: Roles,
}

/// The headers that a policy knows.
#[derive(Debug)]
pub(crate) struct HeaderTable {
    /// The [`mark`]s of their names. Most of a browser's headers are passed over by this alone.
    marks: [u64; 4],
    entries: Vec<Entry>,
    index: Index,
}

impl Default for HeaderTable {
    fn default() -> Self {
        let mut table = Self { marks: [0; 4], entries: Vec::new(), index: Index::default() };
        for (name, field) in FIELDS {
            table.roles_mut(name).into_iter().for_each(|roles| roles.field = Some(field));
        }
        table
    }
}

impl HeaderTable {
    /// The roles of a name, to be added to.
    pub fn roles_mut(&mut self, name: &str) -> Option<&mut Roles> {
        let hash = hash(0, name.as_bytes());
        let same = |at: usize| self.entries.get(at).is_some_and(|entry| *entry.name == *name);
        let at = self.index.find(hash, same).unwrap_or_else(|| {
            self.entries.push(Entry { name: name.into(), roles: Roles::default() });
            let (word, bit) = mark(name.as_bytes());
            self.marks.get_mut(word).into_iter().for_each(|word| *word |= bit);
            self.index.add(hash)
        });
        self.entries.get_mut(at).map(|entry| &mut entry.roles)
    }

    /// The name as the policy holds it, and its roles.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<(&str, &Roles)> {
        let (word, bit) = mark(name);
        if self.marks.get(word).is_some_and(|word| word & bit != 0) { self.look_up(name) } else { None }
    }

    #[inline]
    fn look_up(&self, name: &[u8]) -> Option<(&str, &Roles)> {
        let same = |at: usize| self.entries.get(at).is_some_and(|entry| entry.name.as_bytes() == name);
        let at = self.index.find(hash(0, name), same)?;
        self.entries.get(at).map(|entry| (&*entry.name, &entry.roles))
    }
}

/// One bit of 256 for a name, from its length and its last byte.
#[inline]
fn mark(name: &[u8]) -> (usize, u64) {
    let last = u32::from(name.last().copied().unwrap_or(0));
    #[expect(clippy::cast_possible_truncation, reason = "a longer name would only have another bit")]
    let number = ((name.len() as u32) << 8 | last).wrapping_mul(0x9e37_79b1);
    ((number >> 30) as usize, 1u64.rotate_left(number >> 24 & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_may_not_name_a_header_that_frames_or_routes_the_request() {
        for name in [":authority", "Host", "content-length", "Connection", "te", "X-Envoy-Internal", "transfer-encoding"] {
            assert!(matches!(read_name(name, Use::Write), Err(FaultKind::ForbiddenHeader { .. })), "{name}");
        }
        assert_eq!(read_name("X-Gatepost-Env", Use::Write), Ok("x-gatepost-env".into()));
    }

    #[test]
    fn a_client_may_be_denied_envoys_own_headers() {
        assert_eq!(read_name("x-envoy-retry-on", Use::Remove), Ok("x-envoy-retry-on".into()));
        assert!(read_name("host", Use::Remove).is_err());
    }

    #[test]
    fn a_name_that_no_header_has_is_refused() {
        for name in ["", "a b", "a:", "é", "a\n"] {
            assert_eq!(read_name(name, Use::Read), Err(FaultKind::HeaderName(name.into())), "{name:?}");
        }
    }

    #[test]
    fn names_are_found_with_all_their_roles() {
        let mut table = HeaderTable::default();
        table.roles_mut("env").expect("room").sources = 1;
        table.roles_mut("via").expect("room").vetoes = 2;
        table.roles_mut("env").expect("room").guarded = true;
        assert_eq!(table.find(b"env"), Some(("env", &Roles { field: None, vetoes: 0, sources: 1, guarded: true })));
        assert_eq!(table.find(b":path").map(|(_, roles)| roles.field), Some(Some(Field::Path)));
        assert_eq!(table.find(b"Env"), None);
        assert_eq!(table.find(b"cookie"), None);
        assert_eq!(table.find(b"foo"), None);
    }
}
