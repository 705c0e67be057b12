//! Maps of context numbers, and the streams that wait for their headers. What a context means is the plugin's business.

use alloc::vec::Vec;

/// Something for each of some contexts, in the order of their numbers: the host counts them up, so a new one is the last.
pub(crate) struct Sorted<T>(Vec<(u32, T)>);

impl<T> Sorted<T> {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    fn find(&self, context: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&context, |(context, _)| *context)
    }

    pub fn get(&self, context: u32) -> Option<&T> {
        self.0.iter().find(|(other, _)| *other == context).map(|(_, value)| value)
    }

    pub fn insert(&mut self, context: u32, value: T) {
        match self.find(context) {
            Ok(at) => {
                if let Some((_, have)) = self.0.get_mut(at) {
                    *have = value;
                }
            }
            Err(at) => self.0.insert(at, (context, value)),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    pub fn remove(&mut self, context: u32) -> Option<T> {
        self.find(context).ok().map(|at| self.0.remove(at).1)
    }

    /// Forgets those of the contexts that are gone.
    pub fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        self.0.retain(|(context, _)| is_there(*context));
    }
}

/// Streams that wait for their headers while others began, each with its root.
pub(crate) struct Streams {
    roots: Sorted<u32>,
    /// With so many it is time to see which of them are gone.
    most: usize,
}

/// How many streams may wait before it is asked whether they are still there.
const FEW: usize = 64;

impl Streams {
    pub const fn new() -> Self {
        Self { roots: Sorted::new(), most: FEW }
    }

    /// A stream has to wait. The proxy does not say when one ends before its headers came, so those that wait are asked for, now
    /// and then, with `is_there`.
    pub fn insert(&mut self, stream: u32, root: u32, is_there: impl Fn(u32) -> bool) {
        if self.roots.0.len() >= self.most {
            self.roots.retain(is_there);
            self.most = self.roots.0.len().saturating_mul(2).max(FEW);
        }
        self.roots.insert(stream, root);
    }

    /// The root of a stream whose headers came.
    pub fn remove(&mut self, stream: u32) -> Option<u32> {
        self.roots.remove(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_found_by_their_numbers_whenever_they_came() {
        let mut roots = Sorted::new();
        for root in [5, 1, 9, 1] {
            roots.insert(root, root * 10);
        }
        assert_eq!([1, 5, 9, 2].map(|root| roots.get(root).copied()), [Some(10), Some(50), Some(90), None]);
        roots.insert(5, 7);
        roots.retain(|root| root != 1);
        assert_eq!(roots.iter().copied().collect::<Vec<_>>(), [7, 90]);
        assert_eq!([1, 5, 9].map(|root| roots.get(root).copied()), [None, Some(7), Some(90)]);
    }

    #[test]
    fn a_stream_is_found_once() {
        let mut streams = Streams::new();
        streams.insert(2, 1, |_| true);
        assert_eq!((streams.remove(3), streams.remove(2), streams.remove(2)), (None, Some(1), None));
    }

    #[test]
    fn streams_that_wait_together_are_all_found_in_any_order() {
        let mut streams = Streams::new();
        for stream in 10..20 {
            streams.insert(stream, stream % 3, |_| true);
        }
        for stream in [19, 10, 15, 18, 11, 12, 17, 13, 16, 14] {
            assert_eq!(streams.remove(stream), Some(stream % 3));
        }
        assert_eq!(streams.remove(10), None);
    }

    #[test]
    fn a_number_that_begins_again_has_its_new_root() {
        let mut streams = Streams::new();
        streams.insert(2, 1, |_| true);
        streams.insert(3, 1, |_| true);
        streams.insert(2, 7, |_| true);
        assert_eq!(streams.remove(2), Some(7));
    }

    #[test]
    fn streams_that_end_before_their_headers_come_take_no_memory_for_good() {
        let mut streams = Streams::new();
        for stream in 0..100_000 {
            streams.insert(stream, 1, |other| other % 1000 == 0);
        }
        assert!(streams.roots.0.len() < 400, "{}", streams.roots.0.len());
        assert_eq!(streams.remove(5000), Some(1));
    }
}
