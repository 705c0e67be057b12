//! A list that what guests do makes longer, with a bound on what it takes in memory.

/// What a list may take by default.
pub(crate) const DEFAULT_BYTES: usize = 64 << 20;

/// Items in order, until they take more bytes than the limit.
#[derive(Debug)]
pub(crate) struct Bounded<T> {
    items: Vec<T>,
    bytes: usize,
    limit: usize,
    dropped: usize,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self::new(DEFAULT_BYTES)
    }
}

impl<T> Bounded<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { items: Vec::new(), bytes: 0, limit, dropped: 0 }
    }

    /// Adds an item that takes so many bytes with what belongs to it, or counts it as dropped.
    /// After the first dropped item all are, so that the list has no gap.
    pub(crate) fn push(&mut self, item: T, bytes: usize) {
        // The list itself grows to twice its length.
        let bytes = self.bytes.saturating_add(bytes).saturating_add(2 * size_of::<T>());
        if self.dropped > 0 || bytes > self.limit {
            self.dropped += 1;
            return;
        }
        self.bytes = bytes;
        self.items.push(item);
    }

    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    /// How many items had no room.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_full_counts_what_it_drops_and_has_no_gap() {
        let mut list = Bounded::new(100);
        list.push(1_u8, 60);
        list.push(2, 60);
        list.push(3, 1);
        assert_eq!((list.items(), list.dropped()), (&[1][..], 2));
    }
}
