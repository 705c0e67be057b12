//! The headers that a policy uses. They are found in one pass over a request's headers. Policies
//! do not use most of those, and a small table rules them out by their length and last letter.
//! With a `HashMap` a request that passes costs some 1,960 counted cycles more, of 24,900 that the
//! filter adds.

use std::cmp::Ordering;

use super::spelling::{LETTERS, canonical, is_spelling_of, letters};
use crate::policy_fingerprint::PolicyFingerprint;

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
    /// Only of the header with exactly this name.
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

/// The headers that a policy uses. Most look-ups end in `numbers`, whose 256 bytes stay in the
/// processor's cache. A bucket with many names is searched by halves, so no choice of names makes
/// look-ups slow.
#[derive(Debug)]
pub(crate) struct HeaderTable {
    /// For each [`fingerprint`] the number of a bucket, or [`EMPTY`].
    numbers: [u8; 256],
    buckets: Vec<Bucket>,
}

/// The names of one fingerprint. Nearly always there is one.
#[derive(Debug)]
struct Bucket {
    first: Entry,
    /// The others. All are in the order of [`Entry::cmp`].
    rest: Vec<Entry>,
}

/// Marks a fingerprint without a bucket. No bucket has this number.
const EMPTY: u8 = u8::MAX;

impl Default for HeaderTable {
    fn default() -> Self {
        Self::new(HeaderUses::default())
    }
}

impl HeaderTable {
    pub fn new(HeaderUses(mut uses): HeaderUses) -> Self {
        // The two last fingerprints share a bucket, because one number means that there is none.
        let bucket_of = |entry: &Entry| fingerprint(entry.name.as_bytes()).min(254);
        uses.sort_unstable_by(|one, other| {
            let by_bucket = bucket_of(one).cmp(&bucket_of(other));
            by_bucket.then_with(|| one.cmp(other.name.as_bytes()))
        });
        merge_equal(&mut uses);
        share_roles(&mut uses);
        let mut table = Self { numbers: [EMPTY; 256], buckets: Vec::new() };
        let mut last = None;
        for entry in uses {
            let (of_name, of_bucket) = (fingerprint(entry.name.as_bytes()), bucket_of(&entry));
            match table.buckets.last_mut().filter(|_| last == Some(of_bucket)) {
                Some(bucket) => bucket.rest.push(entry),
                None => table.buckets.push(Bucket { first: entry, rest: Vec::new() }),
            }
            last = Some(of_bucket);
            let number = u8::try_from(table.buckets.len().saturating_sub(1)).unwrap_or(EMPTY);
            table.numbers.get_mut(of_name).into_iter().for_each(|known| *known = number);
        }
        table
    }

    /// Whether there is a header that a client may not send.
    pub fn has_guarded(&self) -> bool {
        self.guarded().next().is_some()
    }

    fn guarded(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.buckets.iter().flat_map(|b| std::iter::once(&b.first).chain(&b.rest));
        entries.filter(|entry| entry.roles.is_guarded)
    }

    /// Adds the headers that a client may not send to a policy's fingerprint. What else the table
    /// holds is added by the rules that use it.
    pub fn add_to(&self, fingerprint: &mut PolicyFingerprint) {
        let mut names = self.guarded().map(|entry| canonical(&entry.name));
        fingerprint.add_set("strip", "", &mut names);
    }

    /// Whether a client may not send a header of this name.
    pub fn is_guarded(&self, name: &[u8]) -> bool {
        self.find(name).is_some_and(|found| found.roles.is_guarded)
    }

    /// What the policy uses a request's header for, by its name.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Found<'_>> {
        let bucket = self.buckets.get(usize::from(*self.numbers.get(fingerprint(name))?))?;
        let Entry { name: first, roles } = &bucket.first;
        if first.as_bytes() == name {
            return Some(Found { roles, is_exact: true });
        }
        find_in(bucket, name)
    }
}

/// A name that is not exactly the first one of a bucket.
#[inline(never)]
fn find_in<'t>(bucket: &'t Bucket, name: &[u8]) -> Option<Found<'t>> {
    let rest = &bucket.rest;
    match rest.binary_search_by(|entry| entry.cmp(name)) {
        Ok(at) => rest.get(at).map(|entry| Found { roles: &entry.roles, is_exact: true }),
        // Another spelling of the name is a neighbour.
        Err(at) => {
            let before = at.checked_sub(1).map_or(Some(&bucket.first), |at| rest.get(at));
            let mut neighbours = before.into_iter().chain(rest.get(at));
            let found = neighbours.find(|entry| is_spelling_of(entry.name.as_bytes(), name));
            found.map(|entry| Found { roles: &entry.roles, is_exact: false })
        }
    }
}

/// Makes one entry of those with the same name, which are neighbours.
fn merge_equal(entries: &mut Vec<Entry>) {
    entries.dedup_by(|next, entry| {
        let is_same = next.name == entry.name;
        if is_same {
            entry.roles = entry.roles.and(next.roles);
        }
        is_same
    });
}

/// What [`HeaderTable::find`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found<'t> {
    pub roles: &'t Roles,
    /// The policy has exactly this name, and not only another spelling of it.
    pub is_exact: bool,
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
    let last = name.last().and_then(|last| LETTERS.get(usize::from(*last)));
    let last = u32::from(last.copied().unwrap_or(0));
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
        assert_eq!(table.find(b"via"), Some(Found { roles: &roles, is_exact: true }));
        assert_eq!(table.find(b":path").map(|found| found.roles.field), Some(Field::Path));
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
            assert_eq!(table.find(name.as_bytes()).map(|found| found.roles.absent_for), Some(1));
        }
    }

    #[test]
    fn a_pseudo_header_is_no_spelling_of_a_guarded_name() {
        let table = table(|uses| uses.guard("-path"));
        assert!(table.is_guarded(b"_path") && !table.is_guarded(b":path"));
        assert_eq!(table.find(b"-path").map(|found| found.roles.field), Some(Field::None));
        assert_eq!(table.find(b":path").map(|found| found.roles.field), Some(Field::Path));
    }

    #[test]
    fn only_the_exact_name_is_a_source() {
        let table = table(|uses| {
            uses.guard("x_env");
            assert!(uses.source("x-env"));
            assert!(!uses.source("env"), "there is one already");
        });
        let found = |name: &[u8]| {
            let Found { roles, is_exact } = table.find(name).expect("it is guarded");
            assert!(roles.is_guarded);
            (is_exact, roles.field)
        };
        assert_eq!(found(b"x-env"), (true, Field::Source));
        assert_eq!(found(b"x_env"), (true, Field::None));
        assert!(!found(b"X-Env").0 && !found(b"x.env").0);
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
            let absent_for =
                |name: &str| table.find(name.as_bytes()).map(|found| found.roles.absent_for);
            assert_eq!(absent_for(name), Some(checks), "{name}");
            assert_eq!(absent_for(&name.replace('-', "_")), Some(checks), "{name}");
        }
        assert_eq!((table.find(b"x-000-b"), table.find(b"y1000")), (None, None));
        assert_eq!(
            table.find(b":authority").map(|found| found.roles.field),
            Some(Field::Authority)
        );
    }
}
