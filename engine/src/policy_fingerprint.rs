//! The fingerprint of a policy: one number for what it means, however its document was written.
//! Each part of a policy adds an entry for each thing that it says, in the form to which it was
//! compiled, and nothing where it says what its default says. docs/design/fingerprint.md lists the
//! entries: one that changes gives all policies other numbers.
//!
//! Nothing here is inlined or generic, because all of it is in the filter's module.

use std::collections::HashSet;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The bits of a fingerprint. It is read as a gauge, and Prometheus stores doubles, which hold
/// every integer up to 2^53.
const MASK: u64 = (1 << 52) - 1;

/// A fingerprint that is being made. The hashes of its entries are added up, so their order does
/// not count: the tables that hold them have random seeds. Where an order counts, the entry has its
/// place in it.
#[derive(Default)]
pub(crate) struct PolicyFingerprint {
    sum: u64,
}

impl PolicyFingerprint {
    /// Adds an entry: a field, and what it says. An entry that is added twice gives another number
    /// than one that is added once.
    #[inline(never)]
    pub fn add(&mut self, field: &str, texts: &[&[u8]]) {
        // SipHash-1-3 with the key 0: it has no seed, and is the same on every machine.
        let mut hasher = SipHasher13::new();
        for text in std::iter::once(field.as_bytes()).chain(texts.iter().copied()) {
            // A configuration has at most 8 MiB.
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            hasher.write(&length.to_le_bytes());
            hasher.write(text);
        }
        self.sum = self.sum.wrapping_add(hasher.finish());
    }

    /// Adds an entry of two texts, of which the first is often a place.
    #[inline(never)]
    pub fn add_pair(&mut self, field: &str, first: &str, second: &str) {
        self.add(field, &[first.as_bytes(), second.as_bytes()]);
    }

    /// Adds an entry of two texts for each member of a set, which may be given more than once.
    #[inline(never)]
    pub fn add_set(&mut self, field: &str, place: &str, members: &mut dyn Iterator<Item = String>) {
        let members: HashSet<String> = members.collect();
        members.iter().for_each(|member| self.add_pair(field, place, member));
    }

    /// The number, which is never 0.
    pub fn number(&self) -> u64 {
        (self.sum & MASK).max(1)
    }
}

/// A place in a list, from 0.
#[inline(never)]
pub(crate) fn place(number: usize) -> String {
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::PolicyFingerprint;

    fn number(entries: &[(&str, &[&[u8]])]) -> u64 {
        let mut fingerprint = PolicyFingerprint::default();
        entries.iter().for_each(|(field, texts)| fingerprint.add(field, texts));
        fingerprint.number()
    }

    #[test]
    fn an_entry_has_the_same_number_on_every_machine() {
        assert_eq!(number(&[("mode", &[b"observe"])]), 2_602_650_800_905_237);
        assert_eq!(number(&[]), 1, "a gauge that was never set is 0");
    }

    #[test]
    fn texts_are_told_apart_where_one_ends() {
        let all = [
            number(&[("ab", &[b"c"])]),
            number(&[("a", &[b"bc"])]),
            number(&[("a", &[b"b", b"c"])]),
            number(&[("a", &[b"b", b"", b"c"])]),
            number(&[("a", &[b"b"]), ("c", &[])]),
        ];
        let mut different = all.to_vec();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn the_order_of_entries_does_not_count() {
        let number = |fields: &[&str]| {
            let mut fingerprint = PolicyFingerprint::default();
            fields.iter().for_each(|field| fingerprint.add_pair(field, "", ""));
            fingerprint.number()
        };
        assert_eq!(number(&["a", "b"]), number(&["b", "a"]));
        assert_ne!(number(&["a", "b"]), number(&["a"]));
        assert_ne!(number(&["a", "a"]), number(&["a"]));
    }
}
