//! Patterns of environment names, such as `pr-*`, for environments that come and go. `*` stands
//! for one or more letters, digits and hyphens. A value is compared with all patterns at once, so
//! its length alone decides what that costs.

use crate::errors::PolicyErrorKind;
use crate::host::MAX_LABEL;

/// How many patterns a policy may have: a pattern is one bit of a set.
pub const MAX_NAME_PATTERNS: usize = 64;

/// A set of patterns: bit n is pattern n.
type Set = u64;

/// A name with one `*` in it, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamePattern {
    before: String,
    after: String,
}

impl NamePattern {
    /// Reads a name with a `*` in it.
    pub fn read(text: &str) -> Result<Self, PolicyErrorKind> {
        let error = |reason| PolicyErrorKind::NamePattern { value: text.to_owned(), reason };
        let lower = text.to_ascii_lowercase();
        let (before, after) = lower.split_once('*').ok_or_else(|| error("it has no `*`"))?;
        let is_of_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let length = before.len().saturating_add(after.len());
        let reason = if after.contains('*') {
            "it has more than one `*`"
        } else if length == 0 {
            "`*` alone allows every name; omit `allow` for that"
        } else if !before.bytes().chain(after.bytes()).all(is_of_label) {
            "it may hold a-z, 0-9, `-` and one `*`"
        } else if before.starts_with('-') || after.ends_with('-') {
            "no name begins or ends with `-`"
        } else if length >= MAX_LABEL {
            "no name has more than 63 characters"
        } else {
            return Ok(Self { before: before.to_owned(), after: after.to_owned() });
        };
        Err(error(reason))
    }

    /// The pattern as people write it.
    pub fn text(&self) -> String {
        format!("{}*{}", self.before, self.after)
    }

    fn literal_length(&self) -> usize {
        self.before.len().saturating_add(self.after.len())
    }
}

/// The patterns of a policy.
#[derive(Debug, Default)]
pub(super) struct NamePatterns {
    /// Each with its number in the document.
    patterns: Vec<(NamePattern, u32)>,
    /// For each length of a value, the patterns with a shorter literal part. `*` takes the rest.
    shorter: Vec<Set>,
    /// For each position from the beginning, the patterns that each character fits there. Patterns
    /// whose first part is shorter fit every character.
    from_start: Vec<Fits>,
    /// The same from the end.
    from_end: Vec<Fits>,
}

/// For each character of a DNS label, the patterns that it fits.
type Fits = [Set; CHARACTERS];
const CHARACTERS: usize = 37;

fn character(byte: u8) -> Option<usize> {
    let number = match byte {
        b'a'..=b'z' => byte.checked_sub(b'a'),
        b'0'..=b'9' => byte.checked_sub(b'0').and_then(|digit| digit.checked_add(26)),
        b'-' => Some(36),
        _ => None,
    };
    number.map(usize::from)
}

impl NamePatterns {
    /// Adds a pattern.
    ///
    /// # Errors
    /// When the pattern is there already, or there are too many.
    pub fn add(&mut self, pattern: NamePattern, number: u32) -> Result<(), Refused> {
        if let Some((_, first)) = self.patterns.iter().find(|(known, _)| *known == pattern) {
            return Err(Refused::Duplicate(*first));
        }
        let bit = u32::try_from(self.patterns.len()).ok().and_then(|n| 1_u64.checked_shl(n));
        let Some(bit) = bit else { return Err(Refused::TooMany) };
        self.shorter.resize(MAX_LABEL.saturating_add(1), 0);
        let longer = self.shorter.iter_mut().skip(pattern.literal_length().saturating_add(1));
        longer.for_each(|set| *set |= bit);
        let others = bit.wrapping_sub(1);
        add_literal(&mut self.from_start, pattern.before.bytes(), bit, others);
        add_literal(&mut self.from_end, pattern.after.bytes().rev(), bit, others);
        self.patterns.push((pattern, number));
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Each pattern as people write it, in lower case.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.patterns.iter().map(|(pattern, _)| pattern.text())
    }

    /// Whether a pattern allows this DNS label in lower case.
    pub fn allow(&self, name: &[u8]) -> bool {
        let mut fitting = self.shorter.get(name.len()).copied().unwrap_or(0);
        let from_start = self.from_start.iter().zip(name);
        for (fits, byte) in from_start.chain(self.from_end.iter().zip(name.iter().rev())) {
            let fits = character(*byte).and_then(|character| fits.get(character));
            fitting &= fits.copied().unwrap_or(0);
        }
        fitting != 0
    }
}

/// Adds one part of a pattern: at each of its positions the pattern fits one character, and behind
/// it every character. `others` are the patterns that were added before.
fn add_literal(
    positions: &mut Vec<Fits>,
    literal: impl ExactSizeIterator<Item = u8>,
    bit: Set,
    others: Set,
) {
    // The patterns before this one have no more literals at positions that are new.
    let length = positions.len().max(literal.len());
    positions.resize(length, [others; CHARACTERS]);
    let mut positions = positions.iter_mut();
    for (byte, fits) in literal.zip(positions.by_ref()) {
        let fits = character(byte).and_then(|character| fits.get_mut(character));
        fits.into_iter().for_each(|set| *set |= bit);
    }
    positions.flatten().for_each(|set| *set |= bit);
}

/// Why a pattern could not be added.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The pattern with this number is the same.
    Duplicate(u32),
    TooMany,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patterns(texts: &[&str]) -> NamePatterns {
        let mut patterns = NamePatterns::default();
        for (number, text) in (0..).zip(texts) {
            let pattern = NamePattern::read(text).expect(text);
            patterns.add(pattern, number).expect(text);
        }
        patterns
    }

    #[test]
    fn a_star_stands_for_one_or_more_characters() {
        let patterns = patterns(&["pr-*", "*-canary", "a*z"]);
        for name in ["pr-1", "pr-feature-x", "x-canary", "abz", "a-z"] {
            assert!(patterns.allow(name.as_bytes()), "{name}");
        }
        for name in ["", "pr-", "pr", "xpr-1", "-canary", "canary", "az", "kube-system", "ab"] {
            assert!(!patterns.allow(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn the_same_pattern_twice_and_the_65th_are_refused() {
        let mut patterns = NamePatterns::default();
        for number in 0..64 {
            let pattern = NamePattern::read(&format!("a{number}-*")).expect("valid");
            patterns.add(pattern, number).expect("not too many");
        }
        let add = |patterns: &mut NamePatterns, text| {
            patterns.add(NamePattern::read(text).expect(text), 64)
        };
        assert_eq!(add(&mut patterns, "A7-*"), Err(Refused::Duplicate(7)));
        assert_eq!(add(&mut patterns, "b*"), Err(Refused::TooMany));
        assert!(patterns.allow(b"a63-x") && !patterns.allow(b"b1"));
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (text, reason) in [
            ("*", "omit `allow`"),
            ("a*b*", "more than one"),
            ("a.*", "may hold"),
            ("a_*", "may hold"),
            ("-*", "begins or ends"),
            ("*-", "begins or ends"),
            (&format!("{}*", "a".repeat(63)), "63 characters"),
        ] {
            let error = NamePattern::read(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert_eq!(NamePattern::read("PR-*").map(|pattern| pattern.text()), Ok("pr-*".into()));
    }

    proptest! {
        #[test]
        fn patterns_allow_what_the_rule_written_plainly_allows(
            texts in proptest::collection::hash_set("[ab-]{0,3}\\*[ab-]{0,3}", 1..20),
            name in "[ab-]{1,8}",
        ) {
            let read: Vec<NamePattern> =
                texts.iter().filter_map(|text| NamePattern::read(text).ok()).collect();
            let mut patterns = NamePatterns::default();
            for pattern in &read {
                patterns.add(pattern.clone(), 0).expect("different");
            }
            let allowed = read.iter().any(|NamePattern { before, after }| {
                let rest = name.strip_prefix(before.as_str());
                let star = rest.and_then(|rest| rest.strip_suffix(after.as_str()));
                star.is_some_and(|star| !star.is_empty())
            });
            prop_assert_eq!(patterns.allow(name.as_bytes()), allowed);
        }
    }
}
