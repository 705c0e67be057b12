//! Numbers of a table's entries, found by the hash of what they stand for. One index serves hosts, environments and headers.

use hashbrown::HashTable;

/// The numbers of entries, by hash. A hash is kept beside its number: growing then looks at no entry, and few entries are
/// compared in vain.
#[derive(Debug, Default)]
pub(crate) struct Index(HashTable<Slot>);

#[derive(Debug, Clone, Copy)]
struct Slot {
    mark: u32,
    entry: u32,
}

impl Index {
    /// The entry with this hash for which `same` holds.
    #[inline]
    pub fn find(&self, hash: u64, mut same: impl FnMut(usize) -> bool) -> Option<usize> {
        let mark = mark(hash);
        let slot = self.0.find(spread(mark), |slot| slot.mark == mark && same(slot.entry as usize))?;
        Some(slot.entry as usize)
    }

    /// Adds an entry that [`Index::find`] does not find.
    pub fn add(&mut self, hash: u64, entry: usize) {
        let mark = mark(hash);
        // A configuration of 8 MiB has no room for 2^32 entries.
        let slot = Slot { mark, entry: u32::try_from(entry).unwrap_or(u32::MAX) };
        self.0.insert_unique(spread(mark), slot, |slot| spread(slot.mark));
    }

    /// Gives back what growing took.
    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit(|slot| spread(slot.mark));
    }
}

/// 32 bits of a hash.
#[inline]
fn mark(hash: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the other half is folded in")]
    let mark = (hash ^ hash >> 32) as u32;
    mark
}

/// Those bits as the table wants them: it takes buckets from the low end and tags from the high one, of 64 bits or of 32.
#[inline]
fn spread(mark: u32) -> u64 {
    u64::from(mark).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_hash_are_told_apart() {
        let mut index = Index::default();
        for entry in 0..100 {
            index.add(7, entry);
        }
        index.shrink_to_fit();
        assert_eq!(index.find(7, |entry| entry == 42), Some(42));
        assert_eq!(index.find(7, |entry| entry == 100), None);
        assert_eq!(index.find(8, |_| true), None);
    }
}
