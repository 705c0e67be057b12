//! The headers that a policy uses. They are found in one pass over a request's headers. Policies
//! do not use most of those, and a small table rules them out by their length and last letter.
//! With a `HashMap` a request that passes costs some 1,960 counted cycles more, of 24,900 that the
//! filter adds.

use std::cmp::Ordering;

use super::spelling::{is_spelling_of, letter, letters};

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
    /// The header of an environment source: see [`HeaderUses::source`].
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
    /// Only for the header of exactly this name.
    pub field: Field,
    /// A client may not send it, in any spelling.
    pub is_guarded: bool,
    /// Bit n: it must be absent for health check n, in every spelling.
    pub absent_for: u64,
}

impl Roles {
    /// What is left for a header of another spelling.
    fn without_field(self) -> Self {
        Self { field: Field::None, ..self }
    }

    /// Both, for the same spelling.
    fn and(self, other: Self) -> Self {
        let field = if self.field == Field::None { other.field } else { self.field };
        let is_guarded = self.is_guarded || other.is_guarded;
        Self { field, is_guarded, absent_for: self.absent_for | other.absent_for }
    }
}

/// The headers that the rules of a policy use, gathered before the table is made.
#[derive(Debug)]
pub(crate) struct HeaderUses(Vec<Entry>);

impl Default for HeaderUses {
    fn default() -> Self {
        let entry = |(name, field)| Entry::new(name, Roles { field, ..Roles::default() });
        Self(FIELDS.into_iter().map(entry).collect())
    }
}

impl HeaderUses {
    /// Marks a header that clients may not send.
    pub fn guard(&mut self, name: &str) {
        self.0.push(Entry::new(name, Roles { is_guarded: true, ..Roles::default() }));
    }

    /// Marks a header that must be absent for health checks; bit n is check n.
    pub fn must_be_absent(&mut self, name: &str, checks: u64) {
        self.0.push(Entry::new(name, Roles { absent_for: checks, ..Roles::default() }));
    }

    /// Lets the scan find the header of an environment source. A second pass over all headers would
    /// take 830 instructions more, some 400 counted cycles of 32,700. The scan finds one such
    /// header, and none that has a field already. Whether it finds this one.
    pub fn source(&mut self, name: &str) -> bool {
        let has_field = FIELDS.iter().any(|(known, _)| *known == name);
        let has_source = self.0.iter().any(|entry| entry.roles.field == Field::Source);
        if has_field || has_source {
            return false;
        }
        self.0.push(Entry::new(name, Roles { field: Field::Source, ..Roles::default() }));
        true
    }
}

#[derive(Debug)]
struct Entry {
    name: Box<str>,
    roles: Roles,
}

impl Entry {
    fn new(name: &str, roles: Roles) -> Self {
        Self { name: name.into(), roles }
    }

    /// The order of the table: spellings of one name are neighbours.
    fn cmp(&self, name: &[u8]) -> Ordering {
        let own = self.name.as_bytes();
        let by_length = own.len().cmp(&name.len());
        by_length.then_with(|| letters(own).cmp(letters(name))).then_with(|| own.cmp(name))
    }
}

/// The headers that a policy uses. Most look-ups end in `buckets`, which is small enough for the
/// processor's cache. A bucket with many names is searched by halves, so no choice of names makes
/// look-ups slow.
#[derive(Debug)]
pub(crate) struct HeaderTable {
    /// For each [`fingerprint`] where its entries begin. They end where the next ones begin.
    buckets: [u32; BUCKETS + 1],
    /// In the order of fingerprints and then of [`Entry::cmp`].
    entries: Vec<Entry>,
}

const BUCKETS: usize = 256;

impl Default for HeaderTable {
    fn default() -> Self {
        Self::new(HeaderUses::default())
    }
}

impl HeaderTable {
    pub fn new(HeaderUses(mut uses): HeaderUses) -> Self {
        uses.sort_unstable_by(|one, other| {
            let bucket = |entry: &Entry| fingerprint(entry.name.as_bytes());
            bucket(one).cmp(&bucket(other)).then_with(|| one.cmp(other.name.as_bytes()))
        });
        let mut entries: Vec<Entry> = Vec::with_capacity(uses.len());
        for entry in uses {
            match entries.last_mut().filter(|last| last.name == entry.name) {
                Some(last) => last.roles = last.roles.and(entry.roles),
                None => entries.push(entry),
            }
        }
        share_roles(&mut entries);
        let mut buckets = [0; BUCKETS + 1];
        for (bucket, start) in buckets.iter_mut().enumerate() {
            let begins = |entry: &Entry| fingerprint(entry.name.as_bytes()) < bucket;
            *start = u32::try_from(entries.partition_point(begins)).unwrap_or(u32::MAX);
        }
        Self { buckets, entries }
    }

    /// Whether a client may not send a header of this name.
    pub fn is_guarded(&self, name: &[u8]) -> bool {
        self.find(name).is_some_and(|roles| roles.is_guarded)
    }

    /// What the policy uses a request's header for, by its name.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Roles> {
        match self.bucket(fingerprint(name)) {
            [] => None,
            [entry] if entry.name.as_bytes() == name => Some(entry.roles),
            bucket => find_in(bucket, name),
        }
    }

    #[inline]
    fn bucket(&self, number: usize) -> &[Entry] {
        let starts = self.buckets.get(number..).and_then(|rest| rest.first_chunk());
        let [start, end] = *starts.unwrap_or(&[0, 0]);
        self.entries.get(start as usize..end as usize).unwrap_or_default()
    }
}

/// The roles of a name in its bucket.
#[inline(never)]
fn find_in(bucket: &[Entry], name: &[u8]) -> Option<Roles> {
    match bucket.binary_search_by(|entry| entry.cmp(name)) {
        Ok(at) => bucket.get(at).map(|entry| entry.roles),
        // Another spelling of the name is a neighbour.
        Err(at) => {
            let before = at.checked_sub(1).and_then(|at| bucket.get(at));
            let mut neighbours = before.into_iter().chain(bucket.get(at));
            let found = neighbours.find(|entry| is_spelling_of(entry.name.as_bytes(), name));
            found.map(|entry| entry.roles.without_field())
        }
    }
}

/// Gives each entry the roles of all entries that are spellings of its name.
fn share_roles(entries: &mut [Entry]) {
    let is_same =
        |one: &Entry, other: &Entry| is_spelling_of(one.name.as_bytes(), other.name.as_bytes());
    for spellings in entries.chunk_by_mut(is_same) {
        let all = spellings.iter().fold(Roles::default(), |all, entry| all.and(entry.roles));
        spellings.iter_mut().for_each(|entry| entry.roles = entry.roles.and(all.without_field()));
    }
}

/// A number below 256 for a name, made of its length and its last byte. All spellings of a name
/// have the same.
#[inline]
fn fingerprint(name: &[u8]) -> usize {
    let last = u32::from(letter(name.last().copied().unwrap_or(0)));
    #[expect(clippy::cast_possible_truncation, reason = "a longer name only gets another number")]
    let both = (name.len() as u32).rotate_left(8) ^ last;
    (both.wrapping_mul(0x9e37_79b1) >> 24) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(fill: impl FnOnce(&mut HeaderUses)) -> HeaderTable {
        let mut uses = HeaderUses::default();
        fill(&mut uses);
        HeaderTable::new(uses)
    }

    #[test]
    fn names_are_found_with_all_their_roles() {
        let table = table(|uses| {
            uses.must_be_absent("via", 2);
            uses.guard("via");
            uses.must_be_absent("via", 1);
        });
        let roles = Roles { field: Field::None, is_guarded: true, absent_for: 3 };
        assert_eq!(table.find(b"via"), Some(roles));
        assert_eq!(table.find(b":path").map(|roles| roles.field), Some(Field::Path));
        assert_eq!(table.find(b"cookie"), None);
        assert_eq!(table.find(b"foo"), None);
    }

    #[test]
    fn every_spelling_of_a_name_is_guarded_and_counts_as_present() {
        let table = table(|uses| {
            uses.guard("x-secret");
            uses.must_be_absent("x_a_", 1);
        });
        for name in ["x-secret", "x_secret", "X-Secret", "X_SECRET", "x.secret", "x!secret"] {
            assert!(table.is_guarded(name.as_bytes()), "{name}");
        }
        for name in ["x-secre", "xsecret", "x--secret", "x-secret-", ":x-secret", "x0secret"] {
            assert!(!table.is_guarded(name.as_bytes()), "{name}");
        }
        for name in ["x_a_", "x-a-", "x_a-", "X-A_", "x.a-"] {
            assert_eq!(table.find(name.as_bytes()).map(|roles| roles.absent_for), Some(1));
        }
    }

    #[test]
    fn a_pseudo_header_is_no_spelling_of_a_guarded_name() {
        let table = table(|uses| uses.guard("-path"));
        assert!(table.is_guarded(b"_path") && !table.is_guarded(b":path"));
        assert_eq!(table.find(b"-path").map(|roles| roles.field), Some(Field::None));
        assert_eq!(table.find(b":path").map(|roles| roles.field), Some(Field::Path));
    }

    #[test]
    fn only_the_exact_name_is_a_source() {
        let table = table(|uses| {
            uses.guard("x_env");
            assert!(uses.source("x-env"));
            assert!(!uses.source("env"), "there is one already");
        });
        let field = |name: &[u8]| table.find(name).map(|roles| (roles.field, roles.is_guarded));
        assert_eq!(field(b"x-env"), Some((Field::Source, true)));
        assert_eq!(field(b"x_env"), Some((Field::None, true)));
        assert_eq!(field(b"X-Env"), Some((Field::None, true)));
    }

    #[test]
    fn names_of_equal_length_and_last_letter_are_told_apart() {
        let names: Vec<String> = (0..1000)
            .map(|number| format!("x-{number:03}-a"))
            .chain((0..1000).map(|n| format!("y{n}")))
            .collect();
        let table = table(|uses| {
            for (name, checks) in names.iter().zip(1..) {
                uses.must_be_absent(name, checks);
            }
        });
        for (name, checks) in names.iter().zip(1..) {
            let absent_for = |name: &str| table.find(name.as_bytes()).map(|roles| roles.absent_for);
            assert_eq!(absent_for(name), Some(checks), "{name}");
            assert_eq!(absent_for(&name.replace('-', "_")), Some(checks), "{name}");
        }
        assert_eq!((table.find(b"x-000-b"), table.find(b"y1000")), (None, None));
        assert_eq!(table.find(b":authority").map(|roles| roles.field), Some(Field::Authority));
    }
}
