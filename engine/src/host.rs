//! A host that is looked up: in canonical form, with what every table looks at first.

use crate::authority::HostKind;

/// A host in canonical form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host<'h> {
    text: &'h [u8],
    glance: Glance,
}

/// What is told of a host at a glance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Glance {
    /// The [`mark`] of a name's last label; nothing for an IP literal, which is in no domain.
    domain: u64,
    numeric: bool,
}

impl Glance {
    /// At a host in canonical form.
    pub fn at(text: &[u8], kind: HostKind) -> Self {
        match kind {
            HostKind::Name => {
                Self::at_name(text, text.iter().rev().take_while(|byte| **byte != b'.').count())
            }
            HostKind::IpLiteral => Self::default(),
        }
    }

    /// At a name whose last label is known to be so long.
    #[inline(always)]
    pub fn at_name(text: &[u8], last_label: usize) -> Self {
        let label = text.get(text.len().wrapping_sub(last_label)..).unwrap_or_default();
        let ends = (label.first().copied().unwrap_or(0), label.last().copied().unwrap_or(0));
        Self { domain: mark(last_label, ends.1), numeric: ends.0.is_ascii_digit() }
    }
}

impl<'h> Host<'h> {
    pub fn new(text: &'h [u8], kind: HostKind) -> Self {
        Self { text, glance: Glance::at(text, kind) }
    }

    /// A host that was looked at.
    #[inline]
    pub fn with(text: &'h [u8], glance: Glance) -> Self {
        Self { text, glance }
    }

    /// A host whose kind is not known yet.
    pub fn of(text: &'h [u8]) -> Self {
        Self::new(text, HostKind::of(text))
    }

    /// Whether it is a name that others may take for a number: its last label begins with a digit
    /// (WHATWG URL §3.5).
    #[inline]
    pub fn is_numeric(&self) -> bool {
        self.glance.numeric
    }

    #[inline]
    pub fn text(&self) -> &'h [u8] {
        self.text
    }

    #[inline]
    pub fn domain(&self) -> u64 {
        self.glance.domain
    }
}

/// One bit of 64 for a label, from its length and its last byte.
#[inline]
pub(crate) fn mark(len: usize, last: u8) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "only the low six bits count")]
    let len = len as u32;
    1u64.rotate_left(len.wrapping_mul(11).wrapping_add(u32::from(last)) & 63)
}
