//! Header names that a policy speaks of, and what the policy may do with them. All of them are
//! found in one pass over a request's headers: one look at a small table tells most others by their
//! length and last letter.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::{BitAnd, BitOr, BitOrAssign};

use crate::fault::FaultKind;
use crate::same::same;

/// Headers that belong to one connection (RFC 9110 §7.6.1), and the ones that older clients and
/// proxies treat so.
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
        hop if purpose != Use::Read && HOP_BY_HOP.contains(&hop) => {
            return forbidden("it is a hop-by-hop header");
        }
        envoy if purpose == Use::Write && envoy.starts_with("x-envoy-") => {
            return forbidden("it is one of Envoy's own");
        }
        _ => {}
    }
    Ok(name)
}

/// RFC 9110 §5.6.2: what a header's, a cookie's or a baggage member's name is made of.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether a header can carry the value: visible ASCII, spaces and tabs (RFC 9110 §5.5, without
/// obs-text).
pub(crate) fn is_value(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
}

/// Why a policy knows a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    /// Where its value is kept.
    pub field: Field,
    pub marks: Marks,
    /// Bit n: it must be absent for health check n.
    pub vetoes: u64,
}

impl Roles {
    /// An environment source reads it.
    pub fn add_source(&mut self, source: Marks) {
        self.marks |= source;
        match self.field {
            Field::Other | Field::Named => {
                self.field = Field::Named;
                self.marks |= Marks::NAMED;
            }
            _ => self.marks |= Marks::NAMED_BY_FIELD,
        }
    }
}

/// What is noted of the headers that a request has, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks(u32);

impl Marks {
    /// A client may not send it in.
    pub const GUARDED: Self = Self(1 << 16);
    pub const USER_AGENT: Self = Self(1 << 17);
    /// An environment source reads it, and its value is the field [`Field::Named`].
    pub const NAMED: Self = Self(1 << 18);
    /// An environment source reads it, and its value is another field.
    pub const NAMED_BY_FIELD: Self = Self(1 << 19);

    /// The mark of a header that this environment source reads.
    #[inline]
    pub fn source(number: usize) -> Self {
        Self(
            u32::try_from(number)
                .ok()
                .filter(|number| *number < MAX_SOURCES as u32)
                .map_or(0, |number| 1 << number),
        )
    }

    /// The mark of the source after the one with this mark.
    #[inline]
    pub fn next_source(self) -> Self {
        Self(self.0 << 1)
    }

    /// Whether any of these is among them.
    #[inline]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Marks {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Marks {
    type Output = Self;

    #[inline]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOrAssign for Marks {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// How many environment sources a policy may have: each has one of the lower bits of [`Marks`].
pub(crate) const MAX_SOURCES: usize = 16;

/// The values that are kept of a request's headers, one of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Field {
    /// Those of which only the presence counts.
    #[default]
    Other,
    Method,
    Path,
    Authority,
    UserAgent,
    /// What an environment source reads.
    Named,
}

impl Field {
    pub const COUNT: usize = 6;
}

/// What every policy reads.
const FIELDS: [(&str, Field, Marks); 4] = [
    (":method", Field::Method, Marks(0)),
    (":path", Field::Path, Marks(0)),
    (":authority", Field::Authority, Marks(0)),
    ("user-agent", Field::UserAgent, Marks::USER_AGENT),
];

#[derive(Debug)]
struct Entry {
    name: Box<str>,
    roles: Roles,
    /// The next entry whose name is looked for here.
    next: Option<Box<Entry>>,
}

impl Entry {
    fn new(name: &str) -> Self {
        Self { name: name.into(), roles: Roles::default(), next: None }
    }
}

/// The headers that a policy knows.
#[derive(Debug)]
pub(crate) struct HeaderTable {
    /// For each [`print`] the number of the entry where its names are, or [`NONE`]. Most of a
    /// browser's headers are passed over by this alone.
    numbers: [u8; 256],
    entries: Vec<Entry>,
}

/// The number of no entry: there are fewer.
const NONE: u8 = u8::MAX;

impl Default for HeaderTable {
    fn default() -> Self {
        let mut table = Self { numbers: [NONE; 256], entries: Vec::new() };
        for (name, field, marks) in FIELDS {
            table
                .roles_mut(name)
                .into_iter()
                .for_each(|roles| (roles.field, roles.marks) = (field, marks));
        }
        table
    }
}

impl HeaderTable {
    /// The roles of a name, to be added to.
    pub fn roles_mut(&mut self, name: &str) -> Option<&mut Roles> {
        let number = self.numbers.get_mut(print(name.as_bytes()))?;
        if *number == NONE {
            // Prints that find no number of their own share the last one.
            *number = u8::try_from(self.entries.len()).unwrap_or(NONE).min(NONE.saturating_sub(1));
            if usize::from(*number) == self.entries.len() {
                self.entries.push(Entry::new(name));
            }
        }
        let mut entry = self.entries.get_mut(usize::from(*number))?;
        while *entry.name != *name {
            entry = entry.next.get_or_insert_with(|| Box::new(Entry::new(name)));
        }
        Some(&mut entry.roles)
    }

    /// The name as the policy holds it, and its roles.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<(&str, &Roles)> {
        let mut entry = self.entries.get(usize::from(*self.numbers.get(print(name))?))?;
        while !same(entry.name.as_bytes(), name) {
            entry = entry.next.as_deref()?;
        }
        Some((&entry.name, &entry.roles))
    }
}

/// One of 256 numbers for a name, from its length and its last byte.
#[inline]
fn print(name: &[u8]) -> usize {
    let last = u32::from(name.last().copied().unwrap_or(0));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a longer name would only have another number"
    )]
    let both = (name.len() as u32).rotate_left(8) ^ last;
    (both.wrapping_mul(0x9e37_79b1) >> 24) as usize
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
                matches!(read_name(name, Use::Write), Err(FaultKind::ForbiddenHeader { .. })),
                "{name}"
            );
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
            assert_eq!(
                read_name(name, Use::Read),
                Err(FaultKind::HeaderName(name.into())),
                "{name:?}"
            );
        }
    }

    #[test]
    fn names_are_found_with_all_their_roles() {
        let mut table = HeaderTable::default();
        table.roles_mut("env").expect("room").add_source(Marks::source(0));
        table.roles_mut("via").expect("room").vetoes = 2;
        table.roles_mut("env").expect("room").marks |= Marks::GUARDED;
        assert_eq!(
            table.find(b"env"),
            Some((
                "env",
                &Roles {
                    field: Field::Named,
                    vetoes: 0,
                    marks: Marks::source(0) | Marks::NAMED | Marks::GUARDED
                }
            ))
        );
        assert_eq!(table.find(b":path").map(|(_, roles)| roles.field), Some(Field::Path));
        assert_eq!(table.find(b"Env"), None);
        assert_eq!(table.find(b"cookie"), None);
        assert_eq!(table.find(b"foo"), None);
    }

    #[test]
    fn names_of_equal_length_and_last_letter_are_told_apart() {
        let mut table = HeaderTable::default();
        let names: Vec<String> = (0..1000)
            .map(|number| format!("x-{number:03}-a"))
            .chain((0..1000).map(|n| format!("y{n}")))
            .collect();
        for (name, vetoes) in names.iter().zip(0..) {
            table.roles_mut(name).expect("room").vetoes = vetoes;
        }
        for (name, vetoes) in names.iter().zip(0..) {
            assert_eq!(
                table.find(name.as_bytes()).map(|(found, roles)| (found, roles.vetoes)),
                Some((name.as_str(), vetoes))
            );
        }
        assert_eq!((table.find(b"x-000-b"), table.find(b"y1000")), (None, None));
        assert_eq!(table.find(b":authority").map(|(_, roles)| roles.field), Some(Field::Authority));
    }
}
