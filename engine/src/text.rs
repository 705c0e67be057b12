//! Many short texts in one allocation. A policy of 100,000 mappings holds 200,000 texts; as separate strings their
//! bookkeeping would outweigh them.

use alloc::string::String;

/// Where a text stands in its [`Texts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextRef {
    start: u32,
    len: u32,
}

/// An append-only store of texts. A configuration is at most 8 MiB, so offsets fit 32 bits with room to spare.
#[derive(Debug, Default)]
pub(crate) struct Texts(String);

impl Texts {
    pub fn add(&mut self, text: &str) -> TextRef {
        let start = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.0.push_str(text);
        TextRef { start, len }
    }

    /// The text, or an empty one for a reference of another store.
    #[inline]
    pub fn get(&self, at: TextRef) -> &str {
        let start = at.start as usize;
        self.0.get(start..start.saturating_add(at.len as usize)).unwrap_or_default()
    }

    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }
}
