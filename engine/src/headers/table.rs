//! The headers that a policy uses. They are found in one pass over a request's headers. Policies
//! do not use most of those, and a small table rules them out by their length and last letter.
//! With a `HashMap` a request that passes costs some 1,960 counted cycles more, of 24,900 that the
//! filter adds.

/// Which place of the scan a header's value goes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Field {
    /// None: only the header's presence counts.
    #[default]
    None,
    Method,
    Path,
    Authority,
    UserAgent,
    /// The header of an environment source: see [`HeaderTable::scan_source`].
    Source,
}

impl Field {
    pub const COUNT: usize = 6;
}

/// The headers that every policy reads.
const FIELDS: [(&str, Field); 4] = [
    (":method", Field::Method),
    (":path", Field::Path),
    (":authority", Field::Authority),
    ("user-agent", Field::UserAgent),
];

/// What a policy uses a header for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    pub field: Field,
    /// A client may not send it.
    pub is_guarded: bool,
    /// Bit n: it must be absent for health check n.
    pub absent_for: u64,
}

#[derive(Debug)]
struct Entry {
    name: Box<str>,
    roles: Roles,
    /// The next entry of the same bucket.
    next: Option<Box<Entry>>,
}

impl Entry {
    fn new(name: &str) -> Self {
        Self { name: name.into(), roles: Roles::default(), next: None }
    }
}

/// The headers that a policy uses, in a hash table made for this purpose. Most look-ups end in
/// `buckets`, whose 256 bytes stay in the processor's cache.
#[derive(Debug)]
pub(crate) struct HeaderTable {
    /// For each [`fingerprint`] the number of a bucket, or [`EMPTY`].
    buckets: [u8; 256],
    entries: Vec<Entry>,
}

/// Marks a fingerprint without a bucket. No bucket has this number.
const EMPTY: u8 = u8::MAX;

impl Default for HeaderTable {
    fn default() -> Self {
        let mut table = Self { buckets: [EMPTY; 256], entries: Vec::new() };
        for (name, field) in FIELDS {
            table.roles_mut(name).into_iter().for_each(|roles| roles.field = field);
        }
        table
    }
}

impl HeaderTable {
    /// Marks a header that clients may not send.
    pub fn guard(&mut self, name: &str) {
        self.roles_mut(name).into_iter().for_each(|roles| roles.is_guarded = true);
    }

    /// Marks a header that must be absent for health checks; bit n is check n.
    pub fn must_be_absent(&mut self, name: &str, checks: u64) {
        self.roles_mut(name).into_iter().for_each(|roles| roles.absent_for |= checks);
    }

    /// Lets the scan find the header of an environment source. A second pass over all headers would
    /// take 830 instructions more, some 400 counted cycles of 32,700. The scan finds one such
    /// header, and none that has a field already. Whether it finds this one.
    pub fn scan_source(&mut self, name: &str) -> bool {
        let Some(roles) = self.roles_mut(name) else { return false };
        let is_free = roles.field == Field::None;
        if is_free {
            roles.field = Field::Source;
        }
        is_free
    }

    /// The roles of a name, which is added if it is missing.
    fn roles_mut(&mut self, name: &str) -> Option<&mut Roles> {
        let bucket = self.buckets.get_mut(fingerprint(name.as_bytes()))?;
        if *bucket == EMPTY {
            // Fingerprints beyond the number of buckets share the last one.
            let last = EMPTY.saturating_sub(1);
            *bucket = u8::try_from(self.entries.len()).unwrap_or(last).min(last);
            if usize::from(*bucket) == self.entries.len() {
                self.entries.push(Entry::new(name));
            }
        }
        let mut entry = self.entries.get_mut(usize::from(*bucket))?;
        while *entry.name != *name {
            entry = entry.next.get_or_insert_with(|| Box::new(Entry::new(name)));
        }
        Some(&mut entry.roles)
    }

    /// The policy's own copy of the name, if a client may not send the header.
    pub fn guarded(&self, name: &[u8]) -> Option<&str> {
        self.find(name).filter(|(_, roles)| roles.is_guarded).map(|(name, _)| name)
    }

    /// The policy's own copy of the name, and its roles.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<(&str, &Roles)> {
        let mut entry = self.entries.get(usize::from(*self.buckets.get(fingerprint(name))?))?;
        while entry.name.as_bytes() != name {
            entry = entry.next.as_deref()?;
        }
        Some((&entry.name, &entry.roles))
    }
}

/// A number below 256 for a name, made of its length and its last byte.
#[inline]
fn fingerprint(name: &[u8]) -> usize {
    let last = u32::from(name.last().copied().unwrap_or(0));
    #[expect(clippy::cast_possible_truncation, reason = "a longer name only gets another number")]
    let both = (name.len() as u32).rotate_left(8) ^ last;
    (both.wrapping_mul(0x9e37_79b1) >> 24) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_with_all_their_roles() {
        let mut table = HeaderTable::default();
        table.must_be_absent("via", 2);
        table.guard("via");
        table.must_be_absent("via", 1);
        let roles = Roles { field: Field::None, is_guarded: true, absent_for: 3 };
        assert_eq!(table.find(b"via"), Some(("via", &roles)));
        assert_eq!(table.find(b":path").map(|(_, roles)| roles.field), Some(Field::Path));
        assert_eq!(table.find(b"Via"), None);
        assert_eq!(table.find(b"cookie"), None);
        assert_eq!(table.find(b"foo"), None);
    }

    #[test]
    fn names_of_equal_length_and_last_letter_are_told_apart() {
        let mut table = HeaderTable::default();
        let names: Vec<String> = (0..1000)
            .map(|number| format!("x-{number:03}-a"))
            .chain((0..1000).map(|n| format!("y{n}")))
            .collect();
        for (name, checks) in names.iter().zip(0..) {
            table.must_be_absent(name, checks);
        }
        for (name, checks) in names.iter().zip(0..) {
            let found = table.find(name.as_bytes()).map(|(found, roles)| (found, roles.absent_for));
            assert_eq!(found, Some((name.as_str(), checks)));
        }
        assert_eq!((table.find(b"x-000-b"), table.find(b"y1000")), (None, None));
        assert_eq!(table.find(b":authority").map(|(_, roles)| roles.field), Some(Field::Authority));
    }
}
