//! Numbers of a table's entries, found by the hash of what they stand for. One index serves hosts and environments. It is
//! our own because a request meets it in cold caches: what counts is how little code and memory a look-up touches.

use alloc::vec::Vec;

use crate::paged::Paged;

/// The numbers of entries, by hash. They count from 0, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// For each low end of a mark the entry that was added last, plus 1; 0 where there is none. As many as a power of two.
    heads: Vec<u32>,
    /// One for each entry.
    links: Paged<Link>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    /// The entry's hash: few entries are compared in vain, and growing looks at none.
    mark: u32,
    /// The next entry of the same head, plus 1.
    next: u32,
}

const FEWEST_HEADS: usize = 16;

impl Index {
    /// The entry with this hash for which `same` holds.
    #[inline]
    pub fn find(&self, hash: u32, mut same: impl FnMut(usize) -> bool) -> Option<usize> {
        let mut next = self.heads.get(self.head(hash)).copied()?;
        while let Some(entry) = (next as usize).checked_sub(1) {
            let link = self.links.get(entry)?;
            if link.mark == hash && same(entry) {
                return Some(entry);
            }
            next = link.next;
        }
        None
    }

    /// Gives the next number to an entry that [`Index::find`] does not find.
    pub fn add(&mut self, hash: u32) -> usize {
        let entry = self.links.len();
        self.links.push(Link { mark: hash, next: 0 });
        if entry < self.heads.len() {
            self.link(entry);
        } else {
            self.grow();
        }
        entry
    }

    fn head(&self, mark: u32) -> usize {
        mark as usize & self.heads.len().wrapping_sub(1)
    }

    fn link(&mut self, entry: usize) {
        let Some(mark) = self.links.get(entry).map(|link| link.mark) else { return };
        let head = self.head(mark);
        // A configuration of 8 MiB has no room for 2^32 entries.
        let number = u32::try_from(entry).unwrap_or(u32::MAX).saturating_add(1);
        if let (Some(head), Some(link)) = (self.heads.get_mut(head), self.links.get_mut(entry)) {
            link.next = core::mem::replace(head, number);
        }
    }

    fn grow(&mut self) {
        let heads = self.links.len().next_power_of_two().max(FEWEST_HEADS);
        self.heads = Vec::new();
        self.heads.resize(heads, 0);
        (0..self.links.len()).for_each(|entry| self.link(entry));
    }

    /// Gives back what growing took.
    pub fn shrink_to_fit(&mut self) {
        self.links.shrink_to_fit();
    }
}

/// A hash of some bytes, which goes on from another one. The keys are the policy's, so a client cannot choose what collides, and a
/// filter has no source of randomness that two of its VMs would share: the seed is fixed.
#[inline(never)]
pub(crate) fn hash(from: u32, bytes: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = bytes.as_chunks::<8>();
    let rest = rest.iter().fold(bytes.len() as u64, |rest, byte| rest << 8 | u64::from(*byte));
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).chain([rest]);
    let hash = words.fold(u64::from(from), |hash, word| {
        let product = (hash ^ word).wrapping_mul(FACTOR);
        product ^ product >> 32
    });
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is folded into it")]
    let hash = hash as u32;
    hash
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn entries_of_one_hash_are_told_apart() {
        let mut index = Index::default();
        for entry in 0..100 {
            assert_eq!(index.add(7), entry);
        }
        index.shrink_to_fit();
        assert_eq!(index.find(7, |entry| entry == 42), Some(42));
        assert_eq!(index.find(7, |entry| entry == 100), None);
        assert_eq!(index.find(8, |_| true), None);
        assert_eq!(Index::default().find(7, |_| true), None);
    }

    #[test]
    fn an_index_that_grew_finds_every_entry() {
        let mut index = Index::default();
        let hashes: Vec<u32> = (0..5000u32).map(|number| hash(0, &number.to_le_bytes())).collect();
        for hash in &hashes {
            index.add(*hash);
        }
        for (entry, hash) in hashes.iter().enumerate() {
            assert_eq!(index.find(*hash, |found| found == entry), Some(entry));
        }
    }

    #[test]
    fn names_that_differ_little_differ_in_their_hashes_and_in_the_low_end_of_them() {
        let names =
            (0..20_000).flat_map(|n| [format!("customer{n}.example.org"), format!("env{n}"), format!("{n}.a"), format!("x-{n}")]);
        let hashes: Vec<u32> = names.map(|name| hash(0, name.as_bytes())).collect();
        let different: HashSet<u32> = hashes.iter().copied().collect();
        // Of 80,000 random numbers of 32 bits about one pair is equal; of their low 17 bits, 80,000 fall on about 60,000 places.
        assert!(different.len() > 79_990, "{}", different.len());
        let places: HashSet<u32> = hashes.iter().map(|hash| hash & 0x1_ffff).collect();
        assert!(places.len() > 58_000, "{}", places.len());
    }

    #[test]
    fn a_hash_depends_on_where_it_goes_on_from_and_on_every_byte() {
        let text = b"a-name-of-more-than-one-word";
        assert_ne!(hash(0, text), hash(1, text));
        for at in 0..text.len() {
            let mut other = *text;
            other[at] ^= 1;
            assert_ne!(hash(0, text), hash(0, &other), "{at}");
        }
        assert_ne!(hash(0, b""), hash(0, b"\0"));
    }
}
