//! The work of a hostcall, counted while it is done. `fuel.rs` says what it costs.

/// Bytes that are copied for one unit.
const COPIED: u64 = 4;

/// What it costs to look at an entry of a list: a header, a value of the filter state.
const ENTRY: u64 = 8;

/// What it costs to compress a byte, and to make a byte of what was compressed.
const COMPRESSED: u64 = 100;
const UNCOMPRESSED: u64 = 10;

/// The work of the present hostcall, in units of fuel.
#[derive(Debug, Default)]
pub(crate) struct Work(u64);

impl Work {
    fn add(&mut self, count: usize, each: u64) {
        let units = u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(each);
        self.0 = self.0.saturating_add(units);
    }

    /// Bytes were read, written or copied.
    pub(crate) fn bytes(&mut self, count: usize) {
        self.0 = self.0.saturating_add(u64::try_from(count).unwrap_or(u64::MAX) / COPIED);
    }

    /// A list with so many entries was searched or changed.
    pub(crate) fn entries(&mut self, count: usize) {
        self.add(count, ENTRY);
    }

    pub(crate) fn compressed(&mut self, bytes: usize) {
        self.add(bytes, COMPRESSED);
    }

    pub(crate) fn uncompressed(&mut self, bytes: usize) {
        self.add(bytes, UNCOMPRESSED);
    }

    /// The units so far; it begins again at 0.
    pub(crate) fn take(&mut self) -> u64 {
        std::mem::take(&mut self.0)
    }
}
