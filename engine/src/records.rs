//! Texts with a key and a value, found by the hash of the key. A policy of 10,000 environments or
//! 100,000 mappings does not stay in a processor's caches, and each line of memory that a look-up
//! has to fetch costs more than all it computes. So there are two places to look at: the slot, and
//! the record, whose key and value stand side by side.

use alloc::vec::Vec;

/// Bytes of a page. Storage grows page by page: a vector that doubles has twice its size free at
/// the end and three times its size in use while it moves, and 100,000 mappings would not fit into
/// a plugin's memory.
const PAGE: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 15;
/// The first page has 512 bytes; each further one twice as many, until they are [`PAGE`].
const FIRST_PAGE_BITS: u32 = 9;
/// Of all slots these stand behind those among which marks are spread, for what finds none free up
/// to their end.
const LAST_SLOTS: usize = 32;

/// One of [`Records`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'t> {
    /// Where the document has it: its number in the list.
    pub number: u32,
    /// What the owner of the records tells by it.
    pub tag: u8,
    /// In ASCII, as the value is, and no longer than the labels of a host with a capture for each
    /// of them: some thousand bytes.
    pub key: &'t [u8],
    pub value: &'t [u8],
}

/// What stands in front of a record's texts: its number, the lengths of key and value, and its tag.
const HEAD: usize = 9;

impl<'t> Record<'t> {
    fn head(&self) -> [u8; HEAD] {
        let len = |text: &[u8]| u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes();
        let ([n0, n1, n2, n3], [k0, k1], [v0, v1]) =
            (self.number.to_le_bytes(), len(self.key), len(self.value));
        [n0, n1, n2, n3, k0, k1, v0, v1, self.tag]
    }

    /// The record at the beginning of some bytes.
    #[inline]
    fn read(bytes: &'t [u8]) -> Option<Self> {
        let (head, texts) = bytes.split_first_chunk::<HEAD>()?;
        let [n0, n1, n2, n3, k0, k1, v0, v1, tag] = *head;
        let (key, rest) = texts.split_at_checked(u16::from_le_bytes([k0, k1]).into())?;
        let value = rest.get(..u16::from_le_bytes([v0, v1]).into())?;
        Some(Self { number: u32::from_le_bytes([n0, n1, n2, n3]), tag, key, value })
    }

    fn size(&self) -> usize {
        HEAD.saturating_add(self.key.len()).saturating_add(self.value.len())
    }
}

/// Records, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pages: Vec<Vec<u8>>,
    /// In the order of their marks, with free ones in between: a slot is the first that is free
    /// from the place on where its mark would stand if all marks were as far from each other. So a
    /// look-up ends at the first higher mark, and growing goes through both lists from front to
    /// back.
    slots: Vec<Slot>,
    /// Among how many slots marks are spread. [`LAST_SLOTS`] follow.
    spread: usize,
    count: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The record's hash: few records are compared in vain, and growing looks at none.
    mark: u32,
    /// The record's page and its place there, plus 1; 0 where there is none.
    place: u32,
}

impl Slot {
    const FREE: Self = Self { mark: u32::MAX, place: 0 };
}

impl Records {
    /// The record with this hash for which `same` holds.
    #[inline]
    pub fn find(&self, hash: u32, mut same: impl FnMut(&Record<'_>) -> bool) -> Option<Record<'_>> {
        let slots = self.slots.get(self.first(hash)..)?;
        for slot in slots.iter().take_while(|slot| slot.mark <= hash) {
            if slot.mark == hash
                && let Some(record) = self.at(slot.place.checked_sub(1)?).filter(&mut same)
            {
                return Some(record);
            }
        }
        None
    }

    /// Adds a record that [`Records::find`] does not find.
    pub fn add(&mut self, hash: u32, record: Record<'_>) {
        let place = self.store(record);
        self.count = self.count.saturating_add(1);
        if self.count.saturating_mul(8) > self.spread.saturating_mul(7) {
            self.grow();
        }
        self.take(Slot { mark: hash, place });
    }

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.pages.iter().flat_map(|page| {
            let mut rest = &**page;
            core::iter::from_fn(move || {
                let record = Record::read(rest)?;
                rest = rest.get(record.size()..)?;
                Some(record)
            })
        })
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Gives back what the last page has too much.
    pub fn shrink_to_fit(&mut self) {
        self.pages.last_mut().into_iter().for_each(Vec::shrink_to_fit);
        self.pages.shrink_to_fit();
    }

    /// The slot from which on a mark is looked for.
    #[inline]
    fn first(&self, mark: u32) -> usize {
        (u64::from(mark).wrapping_mul(self.spread as u64) >> 32) as usize
    }

    #[inline]
    fn at(&self, place: u32) -> Option<Record<'_>> {
        let page = self.pages.get((place >> PAGE_BITS) as usize)?;
        Record::read(page.get(place as usize % PAGE..)?)
    }

    /// Writes a record behind the others, and tells its place, plus 1.
    fn store(&mut self, record: Record<'_>) -> u32 {
        let size = record.size();
        let has_room = |page: &Vec<u8>| {
            page.len() < PAGE && page.capacity().saturating_sub(page.len()) >= size
        };
        if !self.pages.last().is_some_and(has_room) {
            let bits = u32::try_from(self.pages.len())
                .unwrap_or(PAGE_BITS)
                .saturating_add(FIRST_PAGE_BITS)
                .min(PAGE_BITS);
            // A page that is larger than usual holds one record, which stands at its beginning.
            self.pages.push(Vec::with_capacity(size.max(1 << bits)));
        }
        let number = self.pages.len().saturating_sub(1);
        let Some(page) = self.pages.last_mut() else { return 0 };
        let start = page.len();
        page.extend_from_slice(&record.head());
        page.extend_from_slice(record.key);
        page.extend_from_slice(record.value);
        // A configuration of 8 MiB fills a few hundred pages.
        u32::try_from(number << PAGE_BITS | start).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Puts a slot where the look-up meets it; those with higher marks move on, up to the next free
    /// one.
    fn take(&mut self, mut slot: Slot) {
        let first = self.first(slot.mark);
        for there in self.slots.iter_mut().skip(first) {
            if there.place == 0 {
                return *there = slot;
            }
            if there.mark > slot.mark {
                core::mem::swap(there, &mut slot);
            }
        }
        self.slots.push(slot);
    }

    /// To twice as many slots, and so to a power of two: an allocator that rounds up to one takes
    /// no more.
    fn grow(&mut self) {
        let count = self.spread.saturating_add(LAST_SLOTS).saturating_mul(2);
        self.spread = count.saturating_sub(LAST_SLOTS);
        let mut slots = Vec::new();
        slots.resize(count, Slot::FREE);
        let taken = core::mem::replace(&mut self.slots, slots);
        taken.into_iter().filter(|slot| slot.place != 0).for_each(|slot| self.take(slot));
    }
}

/// A hash of some bytes, which goes on from another one. The keys are the policy's, so a client
/// cannot choose what collides, and a filter has no source of randomness that two of its VMs would
/// share: the seed is fixed.
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
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    fn record<'t>(number: u32, key: &'t str, value: &'t str) -> Record<'t> {
        Record { number, tag: number as u8, key: key.as_bytes(), value: value.as_bytes() }
    }

    fn find<'t>(records: &'t Records, key: &str) -> Option<Record<'t>> {
        records.find(hash(0, key.as_bytes()), |record| record.key == key.as_bytes())
    }

    #[test]
    fn records_of_one_hash_are_told_apart() {
        let mut records = Records::default();
        let keys: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        for (number, key) in (0..).zip(&keys) {
            records.add(7, record(number, key, "value"));
        }
        assert_eq!(records.find(7, |record| record.key == b"42"), Some(record(42, "42", "value")));
        assert_eq!(records.find(7, |record| record.key == b"100"), None);
        assert_eq!(records.find(8, |_| true), None);
        assert_eq!(Records::default().find(7, |_| true), None);
    }

    #[test]
    fn records_of_many_pages_are_all_found_and_told_in_order() {
        let mut records = Records::default();
        let all: Vec<(String, String)> = (0..20_000)
            .map(|n| (format!("host-{n}.example.org"), format!("service-{n}")))
            .collect();
        for (number, (key, value)) in (0..).zip(&all) {
            assert_eq!(find(&records, key), None);
            records.add(hash(0, key.as_bytes()), record(number, key, value));
        }
        records.shrink_to_fit();
        for (number, (key, value)) in (0..).zip(&all) {
            assert_eq!(find(&records, key), Some(record(number, key, value)));
        }
        assert!(
            records
                .iter()
                .eq((0..).zip(&all).map(|(number, (key, value))| record(number, key, value)))
        );
        assert!(
            records.pages.len() > 10 && records.pages.iter().all(|page| page.capacity() <= PAGE)
        );
        assert!(records.pages.iter().rev().skip(1).take(20).all(|page| page.capacity() == PAGE));
        assert!(records.slots.len() < 2 * 20_000 && records.slots.len().is_power_of_two());
    }

    #[test]
    fn the_longest_texts_have_room() {
        let mut records = Records::default();
        let long = "a".repeat(usize::from(u16::MAX));
        for (number, (key, value)) in
            (0..).zip([("first", ""), (&long, &long), ("", ""), ("last", &long)])
        {
            records.add(hash(0, key.as_bytes()), record(number, key, value));
        }
        assert_eq!(find(&records, "first"), Some(record(0, "first", "")));
        assert_eq!(find(&records, &long), Some(record(1, &long, &long)));
        assert_eq!(find(&records, ""), Some(record(2, "", "")));
        assert_eq!(find(&records, "last"), Some(record(3, "last", &long)));
        assert_eq!(records.iter().count(), 4);
    }

    proptest! {
        #[test]
        fn records_hold_what_a_map_holds(written in proptest::collection::vec(("[ab]{0,6}", "[a-z]{0,40}"), 0..300)) {
            const HASHES: [u32; 8] = [0, 1, 2, 1 << 31, (1 << 31) + 1, u32::MAX - 2, u32::MAX - 1, u32::MAX];
            let (mut records, mut map) = (Records::default(), HashMap::new());
            let few = |key: &str| HASHES[hash(0, key.as_bytes()) as usize % HASHES.len()];
            for (number, (key, value)) in (0..).zip(&written) {
                let known = records.find(few(key), |record| record.key == key.as_bytes());
                prop_assert_eq!(known, map.get(key).copied());
                if known.is_none() {
                    records.add(few(key), record(number, key, value));
                    map.insert(key.clone(), record(number, key, value));
                }
            }
            for (key, known) in &map {
                prop_assert_eq!(records.find(few(key), |record| record.key == key.as_bytes()), Some(*known));
            }
            prop_assert_eq!(records.iter().count(), map.len());
            prop_assert_eq!(records.is_empty(), map.is_empty());
        }
    }

    #[test]
    fn names_that_differ_little_differ_in_their_hashes_and_in_the_high_end_of_them() {
        let names = (0..20_000).flat_map(|n| {
            [
                format!("customer{n}.example.org"),
                format!("env{n}"),
                format!("{n}.a"),
                format!("x-{n}"),
            ]
        });
        let hashes: Vec<u32> = names.map(|name| hash(0, name.as_bytes())).collect();
        let different: HashSet<u32> = hashes.iter().copied().collect();
        // Of 80,000 random numbers of 32 bits about one pair is equal; of their high 17 bits,
        // 80,000 fall on about 60,000 places.
        assert!(different.len() > 79_990, "{}", different.len());
        let places: HashSet<u32> = hashes.iter().map(|hash| hash >> 15).collect();
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
