//! Storage that grows page by page. A vector that doubles has twice its size free at the end and three times its size in use
//! while it moves; of 100,000 mappings that is what would not fit into a plugin's memory.

use alloc::vec::Vec;

/// Elements of a page. A power of two, so that finding one is a shift.
const ELEMENTS: usize = 1024;
/// Bytes of a page of texts.
const BYTES: usize = 32 * 1024;
/// Bytes of the first page; each further one has twice as many, until they are [`BYTES`].
const FIRST_BYTES: usize = 512;

/// An append-only list.
#[derive(Debug)]
pub(crate) struct Paged<T>(Vec<Vec<T>>);

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Paged<T> {
    pub fn push(&mut self, value: T) {
        match self.0.last_mut() {
            Some(page) if page.len() < ELEMENTS => page.push(value),
            last => {
                // The first page grows as it needs to; one that follows a full page is likely to fill up, too.
                let mut page = Vec::with_capacity(if last.is_some() { ELEMENTS } else { 0 });
                page.push(value);
                self.0.push(page);
            }
        }
    }

    #[inline]
    pub fn get(&self, at: usize) -> Option<&T> {
        self.0.get(at / ELEMENTS)?.get(at % ELEMENTS)
    }

    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.0.get_mut(at / ELEMENTS)?.get_mut(at % ELEMENTS)
    }

    pub fn len(&self) -> usize {
        let full = self.0.len().saturating_sub(1).saturating_mul(ELEMENTS);
        full.saturating_add(self.0.last().map_or(0, Vec::len))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives back what the last page has too much.
    pub fn shrink_to_fit(&mut self) {
        self.0.last_mut().into_iter().for_each(Vec::shrink_to_fit);
        self.0.shrink_to_fit();
    }
}

/// Where a text stands in its [`Texts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextRef {
    page: u16,
    start: u16,
    len: u16,
}

/// An append-only store of short texts in ASCII: a policy of 100,000 mappings holds 200,000 of them, and as separate strings their
/// bookkeeping would outweigh them. A text is a host, an authority, a pattern or a label, at most a few thousand bytes; and a
/// configuration of 8 MiB fills a few hundred pages.
#[derive(Debug, Default)]
pub(crate) struct Texts(Vec<Vec<u8>>);

impl Texts {
    pub fn add(&mut self, text: &[u8]) -> TextRef {
        let has_room = |page: &Vec<u8>| page.capacity().saturating_sub(page.len()) >= text.len();
        if !self.0.last().is_some_and(has_room) {
            let size = FIRST_BYTES.checked_shl(u32::try_from(self.0.len()).unwrap_or(u32::MAX)).unwrap_or(BYTES);
            self.0.push(Vec::with_capacity(size.clamp(FIRST_BYTES, BYTES).max(text.len())));
        }
        let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let page = number(self.0.len().saturating_sub(1));
        let start = self.0.last().map_or(0, Vec::len);
        if let Some(page) = self.0.last_mut() {
            page.extend_from_slice(text);
        }
        TextRef { page, start: number(start), len: number(text.len()) }
    }

    /// The text, or an empty one for a reference of another store.
    #[inline]
    pub fn get(&self, at: TextRef) -> &[u8] {
        let start = usize::from(at.start);
        let page = self.0.get(usize::from(at.page));
        page.and_then(|page| page.get(start..start.saturating_add(at.len.into()))).unwrap_or_default()
    }

    /// Gives back what the last page has too much.
    pub fn shrink_to_fit(&mut self) {
        self.0.last_mut().into_iter().for_each(Vec::shrink_to_fit);
        self.0.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_many_pages_are_all_found_again() {
        let mut texts = Texts::default();
        let all: Vec<String> = (0..20_000).map(|number| format!("host-{number}.example.org")).collect();
        let refs: Vec<TextRef> = all.iter().map(|text| texts.add(text.as_bytes())).collect();
        texts.shrink_to_fit();
        assert!(refs.iter().zip(&all).all(|(at, text)| texts.get(*at) == text.as_bytes()));
        assert!(texts.0.len() > 10 && texts.0.iter().all(|page| page.capacity() <= BYTES));
    }

    #[test]
    fn the_longest_text_has_room() {
        let mut texts = Texts::default();
        let long = "a".repeat(usize::from(u16::MAX));
        let (first, second, third) = (texts.add(b"first"), texts.add(long.as_bytes()), texts.add(b""));
        assert_eq!((texts.get(first), texts.get(second), texts.get(third)), (&b"first"[..], long.as_bytes(), &b""[..]));
    }

    #[test]
    fn elements_are_counted_over_all_pages() {
        let mut list = Paged::default();
        for number in 0..3000 {
            assert_eq!(list.len(), number);
            list.push(number);
        }
        list.shrink_to_fit();
        assert_eq!((list.get(0), list.get(1024), list.get(2999), list.get(3000)), (Some(&0), Some(&1024), Some(&2999), None));
    }
}
