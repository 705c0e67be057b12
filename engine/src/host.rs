//! A host that is looked up: in canonical form, with what every table looks at first.

use crate::authority::HostKind;

/// A host in canonical form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host<'h> {
    text: &'h [u8],
    /// The [`mark`] of a name's last label; nothing for an IP literal, which is in no domain.
    domain: u64,
    numeric: bool,
}

impl<'h> Host<'h> {
    pub fn new(text: &'h [u8], kind: HostKind) -> Self {
        Self::with(text, kind, last_label(text))
    }

    /// A host whose last label is known to be so long.
    #[inline]
    pub fn with(text: &'h [u8], kind: HostKind, last_label: usize) -> Self {
        let first = text.len().checked_sub(last_label).and_then(|start| text.get(start)).copied().unwrap_or(0);
        let last = text.last().copied().unwrap_or(0);
        match kind {
            HostKind::Name => Self { text, domain: mark(last_label, last), numeric: first.is_ascii_digit() },
            HostKind::IpLiteral => Self { text, domain: 0, numeric: false },
        }
    }

    /// A host whose kind is not known yet.
    pub fn of(text: &'h [u8]) -> Self {
        Self::new(text, HostKind::of(text))
    }

    /// Whether it is a name that others may take for a number: its last label begins with a digit (WHATWG URL §3.5).
    #[inline]
    pub fn is_numeric(&self) -> bool {
        self.numeric
    }

    #[inline]
    pub fn text(&self) -> &'h [u8] {
        self.text
    }

    #[inline]
    pub fn domain(&self) -> u64 {
        self.domain
    }
}

/// The length of a host's last label.
pub(crate) fn last_label(host: &[u8]) -> usize {
    host.iter().rev().take_while(|byte| **byte != b'.').count()
}

/// One bit of 64 for a label, from its length and its last byte.
#[inline]
pub(crate) fn mark(len: usize, last: u8) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "only the low six bits count")]
    let len = len as u32;
    1u64.rotate_left(len.wrapping_mul(11).wrapping_add(u32::from(last)) & 63)
}
