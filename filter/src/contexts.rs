//! The roots of a VM, and which of them a stream belongs to. Nearly always there is one, and
//! nothing to ask. Of several, each but the one that came first bears a mark, which its streams
//! show.

use alloc::vec::Vec;

/// Something for each root context of the VM.
pub(crate) struct Roots<T>(Vec<Root<T>>);

struct Root<T> {
    context: u32,
    marked: bool,
    /// Nothing for a root that never had a configuration that was accepted.
    value: Option<T>,
}

/// What a stream shows of its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It belongs to the root of this context.
    Of(u32),
    /// It belongs to a root without a mark.
    None,
    /// The host does not tell.
    Unknown,
}

impl<T> Roots<T> {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// What the root of a stream has. Only of several roots the stream is asked for its own, and
    /// perhaps which of them are still there.
    #[inline]
    pub fn of_stream(
        &mut self,
        ask: impl FnOnce() -> Mark,
        is_there: impl Fn(u32) -> bool,
    ) -> Option<&T> {
        if self.are_several() {
            return self.marked(ask(), is_there);
        }
        self.0.first()?.value.as_ref()
    }

    #[cold]
    fn marked(&mut self, mark: Mark, is_there: impl Fn(u32) -> bool) -> Option<&T> {
        // Of two roots without a mark nobody knows whose the stream is. One may have been refused
        // for that, and be gone.
        if self.0.iter().filter(|root| !root.marked).count() > 1 {
            self.retain(is_there);
        }
        let mut fitting = self.0.iter().filter(|root| match mark {
            Mark::Of(context) => root.marked && root.context == context,
            Mark::None => !root.marked,
            Mark::Unknown => false,
        });
        match (fitting.next(), fitting.next()) {
            (Some(root), None) => root.value.as_ref(),
            _ => None,
        }
    }

    /// A root is there. With others beside it `mark` must give it its mark, unless it has one.
    /// Whether it can be told from the others.
    #[must_use]
    pub fn add(&mut self, context: u32, mark: impl FnOnce() -> bool) -> bool {
        let alone = self.0.iter().all(|root| root.context == context);
        let known = self.0.iter().position(|root| root.context == context).unwrap_or(self.0.len());
        if known == self.0.len() {
            self.0.push(Root { context, marked: false, value: None });
        }
        let Some(root) = self.0.get_mut(known) else { return false };
        root.marked = root.marked || !alone && mark();
        root.marked || alone
    }

    #[cfg(feature = "probe")]
    pub fn knows(&self, context: u32) -> bool {
        self.0.iter().any(|root| root.context == context)
    }

    pub fn get(&self, context: u32) -> Option<&T> {
        self.0.iter().find(|root| root.context == context)?.value.as_ref()
    }

    /// Gives a root that was added another value, in place of the one that it had.
    pub fn set(&mut self, context: u32, value: T) {
        if let Some(root) = self.0.iter_mut().find(|root| root.context == context) {
            root.value = Some(value);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|root| root.value.as_ref())
    }

    /// Forgets those that are gone.
    pub fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        self.0.retain(|root| is_there(root.context));
    }

    pub fn are_several(&self) -> bool {
        self.0.len() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> bool {
        panic!("nothing to tell it from")
    }

    fn roots(contexts: &[u32]) -> Roots<u32> {
        let mut roots = Roots::new();
        for context in contexts {
            assert!(roots.add(*context, || true));
            roots.set(*context, context * 10);
        }
        roots
    }

    fn of(roots: &mut Roots<u32>, mark: Mark) -> Option<u32> {
        roots.of_stream(|| mark, |_| panic!("they can be told apart")).copied()
    }

    fn of_only(roots: &mut Roots<u32>) -> Option<u32> {
        roots.of_stream(|| panic!("there is one root"), |_| panic!("there is one root")).copied()
    }

    #[test]
    fn the_streams_of_the_only_root_are_not_asked() {
        let mut roots = Roots::new();
        assert_eq!(of_only(&mut roots), None);
        assert!(roots.add(1, never));
        assert_eq!(of_only(&mut roots), None);
        roots.set(1, 10);
        assert!(roots.add(1, never));
        assert_eq!(of_only(&mut roots), Some(10));
    }

    #[test]
    fn of_several_roots_each_has_its_own_streams() {
        let mut roots = roots(&[1, 5, 9]);
        let found = [Mark::None, Mark::Of(5), Mark::Of(9)].map(|mark| of(&mut roots, mark));
        assert_eq!(found, [Some(10), Some(50), Some(90)]);
        // The first has no mark, and nobody else can show one.
        assert_eq!(
            [Mark::Of(1), Mark::Of(7), Mark::Unknown].map(|mark| of(&mut roots, mark)),
            [None; 3]
        );
    }

    #[test]
    fn when_the_first_root_is_gone_no_stream_without_a_mark_is_taken_for_anothers() {
        let mut roots = roots(&[1, 5, 9]);
        roots.retain(|context| context != 1);
        assert!(roots.are_several() && roots.iter().eq([&50, &90]));
        assert_eq!([Mark::None, Mark::Of(9)].map(|mark| of(&mut roots, mark)), [None, Some(90)]);
        roots.retain(|context| context != 9);
        assert_eq!(of_only(&mut roots), Some(50));
        // It kept its mark, so the next one gets its own.
        assert!(roots.add(12, || true));
        roots.set(12, 120);
        let found = [Mark::Of(5), Mark::Of(12), Mark::None].map(|mark| of(&mut roots, mark));
        assert_eq!(found, [Some(50), Some(120), None]);
    }

    #[test]
    fn roots_that_cannot_be_told_apart_have_no_streams_until_one_of_them_is_gone() {
        let mut roots = roots(&[1]);
        assert!(!roots.add(2, || false));
        assert_eq!((roots.get(1), roots.get(2)), (Some(&10), None));
        for mark in [Mark::None, Mark::Unknown] {
            assert_eq!(roots.of_stream(|| mark, |_| true), None);
        }
        assert_eq!(roots.of_stream(|| Mark::None, |root| root == 1), Some(&10));
        assert_eq!(of_only(&mut roots), Some(10));
    }

    #[test]
    fn a_root_is_marked_once() {
        let mut roots = roots(&[1, 2]);
        assert!(roots.add(2, never));
        // The first one is marked when it is configured again, beside the other.
        assert!(roots.add(1, || true));
        assert_eq!([Mark::Of(1), Mark::None].map(|mark| of(&mut roots, mark)), [Some(10), None]);
    }
}
