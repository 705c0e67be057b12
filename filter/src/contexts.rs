//! The contexts of a VM. Envoy keeps several plugins in one VM: different configurations of the
//! same module, and, while a configuration is replaced, the old one beside the new. Each has a root
//! context, and each stream has a context of its own, which names its root when it is created.

/// A value for each root context of the VM, and the root of each stream.
pub(crate) struct Contexts<T> {
    roots: Vec<(u32, T)>,
    /// Streams whose request headers have not arrived yet, each with its root.
    waiting: Vec<(u32, u32)>,
    /// When this many streams wait, those that ended without headers are removed.
    sweep_at: usize,
}

/// The minimum of [`Contexts::sweep_at`].
const SWEEP_AT: usize = 64;

impl<T> Contexts<T> {
    pub const fn new() -> Self {
        Self { roots: Vec::new(), waiting: Vec::new(), sweep_at: SWEEP_AT }
    }

    /// Adds a stream. The filter gets no callback when a stream ends, because the proxy would enter
    /// the VM for every stream. So when many streams wait, `is_there` finds those that have ended.
    pub fn add_stream(&mut self, stream: u32, root: u32, is_there: impl Fn(u32) -> bool) {
        if self.waiting.len() >= self.sweep_at {
            self.waiting.retain(|(stream, _)| is_there(*stream));
            self.sweep_at = self.waiting.len().saturating_mul(2).max(SWEEP_AT);
        }
        self.waiting.push((stream, root));
    }

    /// The value for the root of a stream whose request headers have arrived. The stream is
    /// removed, because its headers arrive only once.
    pub fn root_of(&mut self, stream: u32) -> Option<&T> {
        let position = self.waiting.iter().rposition(|(waiting, _)| *waiting == stream)?;
        let (_, root) = self.waiting.swap_remove(position);
        self.roots.iter().find(|(known, _)| *known == root).map(|(_, value)| value)
    }

    /// Sets the value of a root, in place of its old one.
    pub fn set_root(&mut self, root: u32, value: T) {
        match self.roots.iter_mut().find(|(known, _)| *known == root) {
            Some((_, known)) => *known = value,
            None => self.roots.push((root, value)),
        }
    }

    pub fn roots(&self) -> impl Iterator<Item = (u32, &T)> {
        self.roots.iter().map(|(root, value)| (*root, value))
    }

    /// Removes the roots that no longer exist.
    pub fn retain_roots(&mut self, is_there: impl Fn(u32) -> bool) {
        self.roots.retain(|(root, _)| is_there(*root));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_roots(roots: &[u32]) -> Contexts<u32> {
        let mut contexts = Contexts::new();
        roots.iter().for_each(|root| contexts.set_root(*root, root * 10));
        contexts
    }

    #[test]
    fn each_stream_has_its_own_root() {
        let mut contexts = with_roots(&[1, 2]);
        contexts.add_stream(7, 2, |_| true);
        contexts.add_stream(8, 1, |_| true);
        contexts.add_stream(9, 3, |_| true);
        assert_eq!(contexts.root_of(7), Some(&20));
        assert_eq!(contexts.root_of(8), Some(&10));
        assert_eq!(contexts.root_of(9), None, "its root has nothing");
        assert_eq!(contexts.root_of(10), None, "it never began");
    }

    #[test]
    fn a_root_keeps_what_it_was_given_last() {
        let mut contexts = with_roots(&[1]);
        contexts.set_root(1, 11);
        assert!(contexts.roots().eq([(1, &11)]));
        contexts.retain_roots(|root| root != 1);
        assert_eq!(contexts.roots().count(), 0);
    }

    #[test]
    fn streams_that_end_without_headers_do_not_pile_up() {
        let mut contexts = with_roots(&[1]);
        for stream in 10..100_000 {
            // Of the last thousand streams, every tenth still exists.
            let is_there = |waiting| waiting + 1000 > stream && waiting % 10 == 0;
            contexts.add_stream(stream, 1, is_there);
            assert!(contexts.waiting.len() <= 400);
        }
        assert_eq!(contexts.root_of(99_990), Some(&10));
    }
}
