//! Pairs of key and value, found by the hash of the key: mapped hosts, private hosts and
//! environments. A policy may have 100,000 of them in a plugin's 16 MiB of memory, so the texts are
//! packed one after the other in pages, and the hash table holds only their places.

use std::hash::{BuildHasher, Hasher, RandomState};

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;
use hashbrown::HashTable;

/// Bytes of a page. Storage grows page by page. A vector that doubles would leave up to half of
/// its memory unused, and would need three times its old size while it is copied.
const PAGE: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 15;
/// The first page has 512 bytes; each further one twice as many, until they are [`PAGE`].
const FIRST_PAGE_BITS: u32 = 9;

/// One of [`Records`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'t> {
    /// Its number in the document's list.
    pub number: u32,
    /// A number whose meaning the owner of the records defines.
    pub tag: u8,
    /// Key and value are ASCII, of at most 65,535 bytes each.
    pub key: &'t [u8],
    pub value: &'t [u8],
}

/// The size of a record's header, which holds its number, the lengths of key and value, and its
/// tag.
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
    /// The place of each record: its page and its offset there, see [`Records::at`].
    places: HashTable<u32>,
    seed: Seed,
}

/// The random seed of a table. Keys come from strangers, who cannot choose keys that collide
/// without knowing it. With the standard library's SipHash, a look-up costs some 330 counted cycles
/// more, of 33,900 that the filter adds to a request.
#[derive(Debug)]
struct Seed {
    own: u64,
    shared: SharedSeed,
}

impl Default for Seed {
    fn default() -> Self {
        // The standard library gets its randomness from the system.
        let random = || RandomState::new().hash_one(0);
        Self { own: random(), shared: SharedSeed::from_u64(random()) }
    }
}

impl Seed {
    fn hasher(&self) -> FoldHasher<'_> {
        FoldHasher::with_seed(self.own, &self.shared)
    }
}

impl Records {
    /// The hash of a key. Inlined, like [`Names::resolve`](crate::environment::Names::resolve), so
    /// that both are compiled with the filter, for speed: 600 counted cycles less of the 33,500
    /// that an environment adds.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.seed.hasher();
        hasher.write(key);
        hasher.finish()
    }

    /// The hash of a key that is given in parts.
    pub fn hash_parts<'k>(&self, tag: u8, parts: impl Iterator<Item = &'k [u8]>) -> u64 {
        let mut hasher = self.seed.hasher();
        hasher.write_u8(tag);
        for part in parts {
            hasher.write(part);
            hasher.write_u8(b'.');
        }
        hasher.finish()
    }

    /// The record with this hash for which `is_same` holds.
    #[inline]
    pub fn find(&self, hash: u64, is_same: impl Fn(&Record<'_>) -> bool) -> Option<Record<'_>> {
        let is_it = |place: &u32| self.at(*place).is_some_and(|record| is_same(&record));
        self.places.find(hash, is_it).and_then(|place| self.at(*place))
    }

    /// Adds a record whose key is not there yet. `hash_of` gives the hash of a record that is in
    /// the table already, for when the table grows.
    pub fn add(
        &mut self,
        hash: u64,
        record: Record<'_>,
        hash_of: impl Fn(&Self, Record<'_>) -> u64,
    ) {
        let place = self.store(record);
        let mut places = std::mem::take(&mut self.places);
        let rehash = |place: &u32| self.at(*place).map_or(0, |record| hash_of(self, record));
        places.insert_unique(hash, place, rehash);
        self.places = places;
    }

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.pages.iter().flat_map(|page| {
            let mut rest = &**page;
            std::iter::from_fn(move || {
                let record = Record::read(rest)?;
                rest = rest.get(record.size()..)?;
                Some(record)
            })
        })
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Frees the unused end of the last page.
    pub fn shrink_to_fit(&mut self) {
        self.pages.last_mut().into_iter().for_each(Vec::shrink_to_fit);
        self.pages.shrink_to_fit();
    }

    /// The upper bits of a place are the number of the page, the lower bits the record's offset.
    #[inline]
    fn at(&self, place: u32) -> Option<Record<'_>> {
        let page = self.pages.get((place >> PAGE_BITS) as usize)?;
        Record::read(page.get(place as usize % PAGE..)?)
    }

    /// Writes a record after the others, and gives its place.
    fn store(&mut self, record: Record<'_>) -> u32 {
        let size = record.size();
        let has_room = |page: &Vec<u8>| {
            page.len() < PAGE && page.capacity().saturating_sub(page.len()) >= size
        };
        if !self.pages.last().is_some_and(has_room) {
            let bits = u32::try_from(self.pages.len()).unwrap_or(PAGE_BITS);
            let bits = bits.saturating_add(FIRST_PAGE_BITS).min(PAGE_BITS);
            // A record that is larger than a page gets a page of its own.
            self.pages.push(Vec::with_capacity(size.max(1 << bits)));
        }
        let number = self.pages.len().saturating_sub(1);
        let Some(page) = self.pages.last_mut() else { return 0 };
        let start = page.len();
        page.extend_from_slice(&record.head());
        page.extend_from_slice(record.key);
        page.extend_from_slice(record.value);
        // A configuration of 8 MiB fills a few hundred pages.
        u32::try_from(number << PAGE_BITS | start).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn record<'t>(number: u32, key: &'t str, value: &'t str) -> Record<'t> {
        Record { number, tag: number as u8, key: key.as_bytes(), value: value.as_bytes() }
    }

    fn find<'t>(records: &'t Records, key: &str) -> Option<Record<'t>> {
        let hash = records.hash(key.as_bytes());
        records.find(hash, |record| record.key == key.as_bytes())
    }

    fn add(records: &mut Records, record: Record<'_>) {
        let hash = records.hash(record.key);
        records.add(hash, record, |records, record| records.hash(record.key));
    }

    #[test]
    fn records_of_one_hash_are_told_apart() {
        let mut records = Records::default();
        let keys: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        for (number, key) in (0..).zip(&keys) {
            records.add(7, record(number, key, "value"), |_, _| 7);
        }
        assert_eq!(records.find(7, |record| record.key == b"42"), Some(record(42, "42", "value")));
        assert_eq!(records.find(7, |record| record.key == b"100"), None);
        assert_eq!(Records::default().find(7, |_| true), None);
    }

    #[test]
    fn records_of_many_pages_are_all_found_and_iterated_in_order() {
        let mut records = Records::default();
        let all: Vec<(String, String)> = (0..20_000)
            .map(|n| (format!("host-{n}.example.org"), format!("service-{n}")))
            .collect();
        for (number, (key, value)) in (0..).zip(&all) {
            assert_eq!(find(&records, key), None);
            add(&mut records, record(number, key, value));
        }
        records.shrink_to_fit();
        for (number, (key, value)) in (0..).zip(&all) {
            assert_eq!(find(&records, key), Some(record(number, key, value)));
        }
        let expected = (0..).zip(&all).map(|(number, (key, value))| record(number, key, value));
        assert!(records.iter().eq(expected));
        let capacities: Vec<usize> = records.pages.iter().map(Vec::capacity).collect();
        assert!(capacities.len() > 10 && capacities.iter().all(|capacity| *capacity <= PAGE));
        assert!(capacities.iter().rev().skip(1).take(20).all(|capacity| *capacity == PAGE));
    }

    #[test]
    fn the_longest_texts_have_room() {
        let mut records = Records::default();
        let long = "a".repeat(usize::from(u16::MAX));
        let texts = [("first", ""), (&long, &long), ("", ""), ("last", &long)];
        for (number, (key, value)) in (0..).zip(texts) {
            add(&mut records, record(number, key, value));
        }
        for (number, (key, value)) in (0..).zip(texts) {
            assert_eq!(find(&records, key), Some(record(number, key, value)));
        }
        assert_eq!(records.iter().count(), 4);
    }

    #[test]
    fn two_tables_hash_a_key_with_seeds_of_their_own() {
        let (one, other) = (Records::default(), Records::default());
        assert_ne!(one.hash(b"a.example"), other.hash(b"a.example"));
    }

    #[test]
    fn keys_that_collide_in_one_table_do_not_collide_in_another() {
        let (one, other) = (Records::default(), Records::default());
        let place = |records: &Records, key: &str| records.hash(key.as_bytes()) % 256;
        // Names that a stranger chose by a table whose seed they know.
        let all = (0..256_000).map(|number| format!("h{number}.example"));
        let chosen: Vec<String> = all.filter(|key| place(&one, key) == 0).collect();
        assert!(chosen.len() > 800, "{}", chosen.len());
        let mut places = [0; 256];
        chosen.iter().for_each(|key| places[place(&other, key) as usize] += 1);
        // Four names share a place on average.
        assert!(places.iter().all(|count| *count < 40), "{places:?}");
    }

    #[test]
    fn a_hash_depends_on_the_tag_and_on_where_a_part_ends() {
        let records = Records::default();
        let hash = |tag, parts: &[&'static str]| {
            records.hash_parts(tag, parts.iter().map(|part| part.as_bytes()))
        };
        assert_ne!(hash(0, &["ab", "c"]), hash(1, &["ab", "c"]));
        assert_ne!(hash(0, &["ab", "c"]), hash(0, &["a", "bc"]));
        assert_ne!(hash(0, &[""]), hash(0, &[]));
    }

    proptest! {
        #[test]
        fn records_hold_what_a_map_holds(
            written in proptest::collection::vec(("[ab]{0,6}", "[a-z]{0,40}"), 0..300)
        ) {
            let (mut records, mut map) = (Records::default(), HashMap::new());
            // There are only three hashes, so that many keys share one.
            let few = |key: &[u8]| key.len() as u64 % 3;
            for (number, (key, value)) in (0..).zip(&written) {
                let same = |record: &Record<'_>| record.key == key.as_bytes();
                let known = records.find(few(key.as_bytes()), same);
                prop_assert_eq!(known, map.get(key).copied());
                if known.is_none() {
                    let new = record(number, key, value);
                    records.add(few(key.as_bytes()), new, |_, record| few(record.key));
                    map.insert(key.clone(), new);
                }
            }
            for (key, known) in &map {
                let same = |record: &Record<'_>| record.key == key.as_bytes();
                prop_assert_eq!(records.find(few(key.as_bytes()), same), Some(*known));
            }
            prop_assert_eq!(records.iter().count(), map.len());
            prop_assert_eq!(records.is_empty(), map.is_empty());
        }
    }
}
