//! The environments of a policy and their aliases. A name is found by one hash look-up, however
//! many there are.

use std::borrow::Cow;

use super::name_patterns::{NamePattern, NamePatterns, Refused};
use crate::errors::PolicyErrorKind;
use crate::host::{MAX_LABEL, Record, Records};
use crate::policy_fingerprint::PolicyFingerprint;

/// An environment: one that the policy lists, or, without a list, any DNS label.
#[derive(Debug)]
pub(crate) struct Environment<'a> {
    pub name: Cow<'a, [u8]>,
    /// The authority hint of a listed environment, if it depends on the environment alone.
    pub authority: Option<&'a [u8]>,
}

/// The names of a policy's environments.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The key of a record is the name. The value is the environment that an alias means, followed
    /// by the [authority](Environment::authority) if there is one. The tag is the length of that
    /// environment's name, or 0 for a name that is no alias.
    records: Records,
    /// Patterns of further names.
    patterns: NamePatterns,
    /// Without an allow-list every DNS label is an environment.
    any: bool,
}

impl Names {
    /// Starts without names. Every DNS label is an environment, listed or not.
    pub fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// Takes all that is not listed by name: patterns, and whether every DNS label is allowed.
    pub fn take_open(&mut self) -> Self {
        let patterns = std::mem::take(&mut self.patterns);
        Self { any: self.any, patterns, ..Self::default() }
    }

    /// Whether every DNS label is an environment.
    pub fn allows_any(&self) -> bool {
        self.any
    }

    /// Whether names are allowed that are not listed.
    pub fn allows_unlisted_names(&self) -> bool {
        self.any || !self.patterns.is_empty()
    }

    /// The environment that a value names; nothing if it is not allowed.
    #[inline]
    pub fn resolve(&self, value: &[u8]) -> Option<Environment<'_>> {
        // Most values are in lower case, and listed.
        match self.find(value) {
            Some(record) => Some(listed(record)),
            None => self.resolve_any(value),
        }
    }

    #[cold]
    fn resolve_any(&self, value: &[u8]) -> Option<Environment<'_>> {
        let is_open = self.allows_unlisted_names();
        let may_name_one = is_open || value.iter().any(u8::is_ascii_uppercase);
        if !may_name_one || value.len() > MAX_LABEL {
            return None;
        }
        let lower = value.to_ascii_lowercase();
        if let Some(record) = self.find(&lower) {
            return Some(listed(record));
        }
        let is_allowed = is_dns_label(&lower) && self.allows_unlisted(&lower);
        is_allowed.then_some(Environment { name: Cow::Owned(lower), authority: None })
    }

    /// Whether this DNS label in lower case is the name of an environment itself, and not an alias.
    pub fn allows(&self, name: &[u8]) -> bool {
        let is_listed = |record| *listed(record).name == *name;
        self.find(name).is_some_and(is_listed) || self.allows_unlisted(name)
    }

    fn allows_unlisted(&self, name: &[u8]) -> bool {
        self.any || self.patterns.allow(name)
    }

    /// Adds a pattern.
    ///
    /// # Errors
    /// When the pattern is there already, or there are too many.
    pub(super) fn add_pattern(&mut self, pattern: NamePattern, number: u32) -> Result<(), Refused> {
        self.patterns.add(pattern, number)
    }

    /// Adds a name and, for an alias, the environment that it means.
    ///
    /// # Errors
    /// When the name is there already: the number of that entry. Nothing is added then.
    pub fn add(
        &mut self,
        name: &[u8],
        number: u32,
        meant: Option<&[u8]>,
        authority: Option<&[u8]>,
    ) -> Result<(), u32> {
        if let Some(first) = self.find(name) {
            return Err(first.number);
        }
        let meant = meant.unwrap_or_default();
        let value = [meant, authority.unwrap_or_default()].concat();
        // A label has at most 63 bytes.
        let tag = u8::try_from(meant.len()).unwrap_or(u8::MAX);
        let record = Record { number, tag, key: name, value: &value };
        self.records.add(hash_of(&self.records, name), record, |records, record| {
            hash_of(records, record.key)
        });
        Ok(())
    }

    /// Each name with its number in the document.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.records.iter().map(|record| (record.number, record.key))
    }

    /// Adds the names to a policy's fingerprint. The authority of each follows from the hints.
    pub fn add_to(&self, fingerprint: &mut PolicyFingerprint) {
        if !self.any {
            // A list without names allows none.
            fingerprint.add_pair("environments.allow", "", "");
        }
        for record in self.records.iter() {
            fingerprint.add("environments.allow", &[record.key, &listed(record).name]);
        }
        let mut patterns = self.patterns.texts();
        fingerprint.add_set("environments.allow", "", &mut patterns);
    }

    pub fn shrink_to_fit(&mut self) {
        self.records.shrink_to_fit();
    }

    fn find(&self, name: &[u8]) -> Option<Record<'_>> {
        self.records.find(hash_of(&self.records, name), |record| record.key == name)
    }
}

fn hash_of(records: &Records, name: &[u8]) -> u64 {
    records.hash(name)
}

/// The environment that a listed name means.
fn listed(record: Record<'_>) -> Environment<'_> {
    let (meant, authority) = record.value.split_at_checked(record.tag.into()).unwrap_or_default();
    let name = if meant.is_empty() { record.key } else { meant };
    let authority = (!authority.is_empty()).then_some(authority);
    Environment { name: Cow::Borrowed(name), authority }
}

/// RFC 1123 §2.1, as Kubernetes names its namespaces: letters, digits and inner hyphens, at most
/// 63, in lower case.
fn is_dns_label(text: &[u8]) -> bool {
    let letter_or_digit = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=MAX_LABEL).contains(&text.len())
        && text.iter().all(|b| letter_or_digit(b) || *b == b'-')
        && text.first().is_some_and(letter_or_digit)
        && text.last().is_some_and(letter_or_digit)
}

/// An environment's name as a policy's author writes it, in lower case.
pub(super) fn read_name(text: &str) -> Result<String, PolicyErrorKind> {
    let name = text.to_ascii_lowercase();
    if is_dns_label(name.as_bytes()) {
        Ok(name)
    } else {
        Err(PolicyErrorKind::EnvironmentName(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(allow: &[&str]) -> Names {
        let mut names = Names::default();
        (0..).zip(allow).for_each(|(number, name)| {
            names.add(name.as_bytes(), number, None, None).expect("new");
        });
        names
    }

    fn named(names: &Names, value: &[u8]) -> Option<String> {
        names.resolve(value).map(|found| String::from_utf8(found.name.into_owned()).expect("ASCII"))
    }

    #[test]
    fn a_value_is_compared_exactly_after_lower_casing() {
        let names = names(&["env1", "env2"]);
        assert_eq!(named(&names, b"env1"), Some("env1".into()));
        assert_eq!(named(&names, b"ENV1"), Some("env1".into()));
        assert_eq!(named(&names, b"env"), None);
        assert_eq!(named(&names, b"env11"), None);
        assert_eq!(named(&names, "env１".as_bytes()), None);
    }

    #[test]
    fn without_an_allow_list_every_dns_label_is_an_environment() {
        let names = Names::any();
        assert_eq!(named(&names, b"Pr-123"), Some("pr-123".into()));
        for malformed in
            ["-a", "a-", "a.b", "a_b", "a b", "a,b", "\u{e9}", &"a".repeat(64), "../etc"]
        {
            assert_eq!(named(&names, malformed.as_bytes()), None, "{malformed}");
        }
        assert_eq!(named(&names, b"\xff"), None);
    }

    #[test]
    fn a_pattern_allows_the_dns_labels_that_it_matches() {
        let mut names = names(&["prod"]);
        names.add_pattern(NamePattern::read("pr-*").expect("valid"), 1).expect("new");
        assert_eq!(named(&names, b"PR-17"), Some("pr-17".into()));
        for value in ["pr-", "pr-1-", "pr-a.b", "pr-a_b", "kube-system", &"pr-x".repeat(20)] {
            assert_eq!(named(&names, value.as_bytes()), None, "{value}");
        }
        assert!(names.allows(b"pr-1") && names.allows(b"prod") && !names.allows(b"stage"));
    }

    #[test]
    fn an_alias_means_its_environment() {
        let mut names = names(&["env2"]);
        names.add(b"stg", 0, Some(b"env2"), Some(b"env2.svc")).expect("new");
        assert_eq!(named(&names, b"STG"), Some("env2".into()));
        assert_eq!(names.resolve(b"stg").and_then(|found| found.authority), Some(&b"env2.svc"[..]));
        assert_eq!(names.resolve(b"env2").and_then(|found| found.authority), None);
        assert!(names.allows(b"env2") && !names.allows(b"stg"));
    }
}
