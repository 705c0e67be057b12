//! Where the entries of a table stand in the document's list, so that a fault can name an earlier one. They differ from the
//! entries' own numbers once an element was faulty and gave no entry.

use super::Context;
use crate::fault::Segment;
use alloc::vec::Vec;

/// The number in the document of each entry; empty while they are the same.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Vec<u32>);

impl Numbers {
    /// Remembers that the element that is being read became this entry; entries come in order.
    pub fn remember(&mut self, entry: usize, context: &Context) {
        let Some(number) = context.number() else { return };
        if self.0.is_empty() && number as usize == entry {
            return;
        }
        let known = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.extend(known..u32::try_from(entry).unwrap_or(u32::MAX));
        self.0.push(number);
    }

    /// The number in the document of an entry.
    pub fn of(&self, entry: usize) -> usize {
        self.0.get(entry).map_or(entry, |number| *number as usize)
    }
}

impl Context {
    /// The number of the list's element that is being read.
    pub fn number(&self) -> Option<u32> {
        match self.path().segments().last() {
            Some(Segment::Index(number)) => u32::try_from(*number).ok(),
            _ => None,
        }
    }
}
