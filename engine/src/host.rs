//! A host that is looked up: in canonical form, with what every table looks at first.

use crate::authority::HostKind;

/// A host in canonical form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host<'h> {
    text: &'h str,
    kind: HostKind,
    /// The [`mark`] of a name's right-most label; nothing for an IP literal, which is in no domain.
    domain: u64,
}

impl<'h> Host<'h> {
    #[inline]
    pub fn new(text: &'h str, kind: HostKind) -> Self {
        let domain = match kind {
            HostKind::Name => mark(last_label(text)),
            HostKind::IpLiteral => 0,
        };
        Self { text, kind, domain }
    }

    /// A host whose kind is not known yet.
    pub fn of(text: &'h str) -> Self {
        Self::new(text, HostKind::of(text))
    }

    #[inline]
    pub fn text(&self) -> &'h str {
        self.text
    }

    #[inline]
    pub fn kind(&self) -> HostKind {
        self.kind
    }

    #[inline]
    pub fn domain(&self) -> u64 {
        self.domain
    }
}

#[inline]
fn last_label(host: &str) -> &[u8] {
    let bytes = host.as_bytes();
    let dot = bytes.iter().rposition(|byte| *byte == b'.');
    dot.and_then(|dot| bytes.get(dot.saturating_add(1)..)).unwrap_or(bytes)
}

/// One bit of 64 for a label, from its length and its last byte.
#[inline]
pub(crate) fn mark(label: &[u8]) -> u64 {
    let last = u32::from(label.last().copied().unwrap_or(0));
    #[expect(clippy::cast_possible_truncation, reason = "only the low six bits count")]
    let len = label.len() as u32;
    1u64.rotate_left(len.wrapping_mul(11).wrapping_add(last) & 63)
}
