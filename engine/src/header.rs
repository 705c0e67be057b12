//! Header names that a policy speaks of, and what the policy may do with them. All of them are found in one pass over a request's
//! headers: a bit test tells most others by their length and last letter, and how many bits stand before it is where a name is.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::fault::FaultKind;

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
    /// The next entry whose name has the same [`Mark`].
    next: usize,
}

/// The number of no entry.
const NONE: usize = usize::MAX;

/// The headers that a policy knows.
#[derive(Debug)]
pub(crate) struct HeaderTable {
    /// The marks of their names. Most of a browser's headers are passed over by this alone.
    marks: [u64; 4],
    /// How many marks are in the words before each.
    before: [usize; 4],
    /// For each mark, in order, the first entry that has it.
    heads: Vec<usize>,
    entries: Vec<Entry>,
}

impl Default for HeaderTable {
    fn default() -> Self {
        let mut table = Self { marks: [0; 4], before: [0; 4], heads: Vec::new(), entries: Vec::new() };
        for (name, field) in FIELDS {
            table.roles_mut(name).into_iter().for_each(|roles| roles.field = Some(field));
        }
        table
    }
}

impl HeaderTable {
    /// The roles of a name, to be added to.
    pub fn roles_mut(&mut self, name: &str) -> Option<&mut Roles> {
        let at = self.number(Mark::of(name.as_bytes()), name.as_bytes()).unwrap_or_else(|| self.add(name));
        self.entries.get_mut(at).map(|entry| &mut entry.roles)
    }

    fn add(&mut self, name: &str) -> usize {
        let mark = Mark::of(name.as_bytes());
        let (at, rank) = (self.entries.len(), self.rank(mark));
        if !self.has(mark) {
            self.heads.insert(rank.min(self.heads.len()), NONE);
            self.marks.get_mut(mark.word).into_iter().for_each(|word| *word |= mark.bit);
            self.before.iter_mut().skip(mark.word.saturating_add(1)).for_each(|before| *before = before.saturating_add(1));
        }
        // The others of its mark stand behind it.
        let next = self.heads.get_mut(rank).map_or(NONE, |head| core::mem::replace(head, at));
        self.entries.push(Entry { name: name.into(), roles: Roles::default(), next });
        at
    }

    #[inline]
    fn has(&self, mark: Mark) -> bool {
        self.marks.get(mark.word).is_some_and(|word| word & mark.bit != 0)
    }

    /// How many marks come before this one.
    #[inline]
    fn rank(&self, mark: Mark) -> usize {
        let (Some(word), Some(before)) = (self.marks.get(mark.word), self.before.get(mark.word)) else { return NONE };
        before.wrapping_add((word & mark.bit.wrapping_sub(1)).count_ones() as usize)
    }

    /// The name as the policy holds it, and its roles.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<(&str, &Roles)> {
        let at = self.number(Mark::of(name), name)?;
        self.entries.get(at).map(|entry| (&*entry.name, &entry.roles))
    }

    #[inline]
    fn number(&self, mark: Mark, name: &[u8]) -> Option<usize> {
        if !self.has(mark) {
            return None;
        }
        let mut at = *self.heads.get(self.rank(mark))?;
        while let Some(entry) = self.entries.get(at) {
            if entry.name.as_bytes() == name {
                return Some(at);
            }
            at = entry.next;
        }
        None
    }
}

/// One bit of 256 for a name, from its length and its last byte.
#[derive(Clone, Copy)]
struct Mark {
    word: usize,
    bit: u64,
}

impl Mark {
    #[inline]
    fn of(name: &[u8]) -> Self {
        let last = u32::from(name.last().copied().unwrap_or(0));
        #[expect(clippy::cast_possible_truncation, reason = "a longer name would only have another bit")]
        let number = ((name.len() as u32) << 8 | last).wrapping_mul(0x9e37_79b1);
        Self { word: (number >> 30) as usize, bit: 1u64.rotate_left(number >> 24 & 63) }
    }
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

    #[test]
    fn names_of_equal_length_and_last_letter_are_told_apart() {
        let mut table = HeaderTable::default();
        let names: Vec<String> =
            (0..1000).map(|number| format!("x-{number:03}-a")).chain((0..1000).map(|n| format!("y{n}"))).collect();
        for (name, vetoes) in names.iter().zip(0..) {
            table.roles_mut(name).expect("room").vetoes = vetoes;
        }
        for (name, vetoes) in names.iter().zip(0..) {
            assert_eq!(table.find(name.as_bytes()).map(|(found, roles)| (found, roles.vetoes)), Some((name.as_str(), vetoes)));
        }
        assert_eq!((table.find(b"x-000-b"), table.find(b"y1000")), (None, None));
        assert_eq!(table.find(b":authority").map(|(_, roles)| roles.field), Some(Some(Field::Authority)));
    }
}
