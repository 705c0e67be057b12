//! The contexts of a VM. Envoy keeps several plugins in one VM: different configurations of the
//! same module, and, while a configuration is replaced, the old one beside the new. Each has a root
//! context, and each stream has a context of its own, which names its root when it is created.

/// A value for each root context of the VM, and the root of each stream that may need it.
pub(crate) struct Contexts<T> {
    roots: Vec<(u32, T)>,
    /// The streams whose request headers or trailers may still arrive. Those that began last are at
    /// the end, more or less.
    streams: Vec<Stream>,
    /// When there are this many streams, those that ended are removed.
    sweep_at: usize,
}

struct Stream {
    context: u32,
    root: u32,
    /// Whether its trailers go on as they come.
    passes_trailers: bool,
}

/// The minimum of [`Contexts::sweep_at`].
const SWEEP_AT: usize = 64;

/// How many streams are kept if the host cannot tell which of them ended.
const KEPT: usize = 4096;

/// Whether a context still exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    There,
    Gone,
    /// The host cannot tell.
    Unknown,
}

/// What happens to the trailers of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trailers<'c, T> {
    /// They go on as they come.
    Pass,
    /// The value for the stream's root says what happens to them.
    Of(&'c T),
    /// The stream is not known any more, so nothing may go on that the value of any root forbids.
    OfAny,
}

impl<T> Contexts<T> {
    pub const fn new() -> Self {
        Self { roots: Vec::new(), streams: Vec::new(), sweep_at: SWEEP_AT }
    }

    /// Adds a stream. The filter gets no callback when a stream ends, because the proxy would enter
    /// the VM for every stream. So when there are many, `presence` finds those that have ended.
    pub fn add_stream(&mut self, context: u32, root: u32, presence: impl Fn(u32) -> Presence) {
        if self.streams.len() >= self.sweep_at {
            let mut can_tell = true;
            self.streams.retain(|stream| {
                let presence = presence(stream.context);
                can_tell &= presence != Presence::Unknown;
                presence != Presence::Gone
            });
            if !can_tell {
                self.streams.drain(..self.streams.len().saturating_sub(KEPT));
            }
            self.sweep_at = self.streams.len().saturating_mul(2).max(SWEEP_AT);
        }
        self.streams.push(Stream { context, root, passes_trailers: false });
    }

    /// Calls `f` with the value for the root of a stream whose request headers have arrived. It
    /// returns whether the stream's trailers pass; nothing if the stream can have none.
    pub fn on_headers<O>(
        &mut self,
        context: u32,
        f: impl FnOnce(Option<&T>) -> (O, Option<bool>),
    ) -> O {
        // Most headers are those of the stream that began last.
        let position = self.streams.iter().rposition(|stream| stream.context == context);
        let stream = position.and_then(|position| self.streams.get_mut(position));
        let root = stream.as_ref().map(|stream| stream.root);
        let value = self.roots.iter().find(|(known, _)| Some(*known) == root);
        let (out, passes_trailers) = f(value.map(|(_, value)| value));
        match (position, passes_trailers) {
            (_, Some(passes)) => stream.into_iter().for_each(|s| s.passes_trailers = passes),
            (Some(position), None) => drop(self.streams.swap_remove(position)),
            (None, None) => {}
        }
        out
    }

    /// What happens to the trailers of a stream's request, which have arrived.
    pub fn on_trailers(&mut self, context: u32) -> Trailers<'_, T> {
        let position = self.streams.iter().rposition(|stream| stream.context == context);
        let Some(position) = position else { return Trailers::OfAny };
        let stream = self.streams.swap_remove(position);
        if stream.passes_trailers {
            return Trailers::Pass;
        }
        let value = self.roots.iter().find(|(known, _)| *known == stream.root);
        value.map_or(Trailers::OfAny, |(_, value)| Trailers::Of(value))
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

    /// The root's value when the headers arrive of a stream that has no trailers.
    fn root_of(contexts: &mut Contexts<u32>, stream: u32) -> Option<u32> {
        contexts.on_headers(stream, |value| (value.copied(), None))
    }

    #[test]
    fn each_stream_has_its_own_root() {
        let mut contexts = with_roots(&[1, 2]);
        contexts.add_stream(7, 2, |_| Presence::There);
        contexts.add_stream(8, 1, |_| Presence::There);
        contexts.add_stream(9, 3, |_| Presence::There);
        assert_eq!(root_of(&mut contexts, 7), Some(20));
        assert_eq!(root_of(&mut contexts, 8), Some(10));
        assert_eq!(root_of(&mut contexts, 9), None, "its root has nothing");
        assert_eq!(root_of(&mut contexts, 10), None, "it never began");
        assert!(contexts.streams.is_empty());
    }

    #[test]
    fn trailers_belong_to_the_root_of_their_stream() {
        let mut contexts = with_roots(&[1, 2]);
        for (stream, root, passes) in [(7, 2, Some(false)), (8, 1, Some(true)), (9, 1, None)] {
            contexts.add_stream(stream, root, |_| Presence::There);
            contexts.on_headers(stream, |_| ((), passes));
        }
        assert_eq!(contexts.on_trailers(7), Trailers::Of(&20));
        assert_eq!(contexts.on_trailers(8), Trailers::Pass);
        assert_eq!(contexts.on_trailers(9), Trailers::OfAny, "it was to have none");
        assert_eq!(contexts.on_trailers(7), Trailers::OfAny, "they came once already");
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
    fn streams_that_end_before_their_trailers_do_not_pile_up() {
        let mut contexts = with_roots(&[1]);
        for stream in 10..100_000 {
            // Of the last thousand streams, every tenth still exists.
            let presence = |known| match known + 1000 > stream && known % 10 == 0 {
                true => Presence::There,
                false => Presence::Gone,
            };
            contexts.add_stream(stream, 1, presence);
            contexts.on_headers(stream, |_| ((), Some(false)));
            assert!(contexts.streams.len() <= 400);
        }
        assert_eq!(contexts.on_trailers(99_990), Trailers::Of(&10));
    }

    #[test]
    fn a_host_that_cannot_tell_which_streams_ended_has_the_last_ones_kept() {
        let mut contexts = with_roots(&[1]);
        for stream in 10..100_000 {
            contexts.add_stream(stream, 1, |_| Presence::Unknown);
            contexts.on_headers(stream, |_| ((), Some(true)));
            assert!(contexts.streams.len() <= 2 * KEPT);
        }
        assert_eq!(contexts.on_trailers(99_000), Trailers::Pass);
        assert_eq!(contexts.on_trailers(10), Trailers::OfAny);
    }
}
