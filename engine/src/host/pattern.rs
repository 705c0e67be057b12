//! Host patterns as a policy writes them: exact, `*.suffix`, and `{name}` captures. A pattern is a
//! list of labels from the right, because the right end of a host is the most significant.

use std::borrow::Cow;

use super::authority::{Authority, MAX_LABEL};
use super::fingerprint::HostKind;
use crate::errors::{PatternError, PolicyErrorKind};

/// One label of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Label {
    Literal(String),
    Capture(String),
}

/// A host pattern in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostPattern {
    /// One host, a name or an IP literal, compared as a whole.
    Exact(String),
    /// All hosts that the labels match.
    Labels(LabelPattern),
}

/// A pattern with a capture or a star in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelPattern {
    /// From right to left.
    pub labels: Vec<Label>,
    /// One or more further labels come before them (`*.`).
    pub star: bool,
}

impl HostPattern {
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        // Most patterns are hosts, and no host holds any of these characters.
        match host_of(text) {
            Err(_) if text.bytes().any(|byte| matches!(byte, b'*' | b'{' | b'}')) => {}
            host => return Ok(Self::Exact(host?.host().to_owned())),
        }
        let (star, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if rest.contains('*') {
            return Err(PatternError::Star);
        }
        // With a letter in place of each capture, the pattern must be a valid host.
        let mut skeleton = String::with_capacity(rest.len());
        let mut labels = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for (position, label) in rest.split('.').enumerate() {
            if position > 0 {
                skeleton.push('.');
            }
            if !label.contains(['{', '}']) {
                skeleton.push_str(label);
                labels.push(Label::Literal(label.to_ascii_lowercase()));
                continue;
            }
            let name = label
                .strip_prefix('{')
                .and_then(|l| l.strip_suffix('}'))
                .ok_or(PatternError::PartialCapture)?;
            if name.contains(['{', '}', ':']) {
                return Err(PatternError::PartialCapture);
            }
            if !is_capture_name(name) {
                return Err(PatternError::CaptureName);
            }
            if names.contains(&name) {
                return Err(PatternError::DuplicateCapture(name.to_owned()));
            }
            names.push(name);
            skeleton.push('x');
            labels.push(Label::Capture(name.to_owned()));
        }
        if host_of(&skeleton)?.kind() == HostKind::IpLiteral {
            return Err(PatternError::IpLiteral);
        }
        // A trailing dot left an empty last label.
        if labels.last() == Some(&Label::Literal(String::new())) {
            labels.pop();
        }
        labels.reverse();
        if !labels.iter().any(|label| matches!(label, Label::Literal(_))) {
            return Err(PatternError::NoLiteral);
        }
        Ok(Self::Labels(LabelPattern { labels, star }))
    }

    /// Parses a pattern, with the error of a policy document.
    pub fn read(text: &str) -> Result<Self, PolicyErrorKind> {
        Self::parse(text)
            .map_err(|error| PolicyErrorKind::Pattern { value: text.to_owned(), error })
    }

    /// The labels of a pattern that has a capture or a star, from right to left.
    fn labels(&self) -> &[Label] {
        match self {
            Self::Exact(_) => &[],
            Self::Labels(pattern) => &pattern.labels,
        }
    }

    /// The capture's position, counted in labels from the right.
    pub fn capture(&self, name: &str) -> Option<u8> {
        let position = self
            .labels()
            .iter()
            .position(|label| matches!(label, Label::Capture(n) if n == name))?;
        u8::try_from(position).ok()
    }

    pub fn capture_names(&self) -> impl Iterator<Item = &str> {
        self.labels().iter().filter_map(|label| match label {
            Label::Capture(name) => Some(name.as_str()),
            Label::Literal(_) => None,
        })
    }

    /// The pattern as people write it, in canonical form.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Exact(host) => Cow::Borrowed(host),
            Self::Labels(pattern) => Cow::Owned(pattern.text()),
        }
    }
}

impl LabelPattern {
    fn text(&self) -> String {
        let mut text = String::from(if self.star { "*." } else { "" });
        for (position, label) in self.labels.iter().rev().enumerate() {
            if position > 0 {
                text.push('.');
            }
            match label {
                Label::Literal(literal) => text.push_str(literal),
                Label::Capture(name) => text.extend(["{", name, "}"]),
            }
        }
        text
    }
}

/// A host, which may have no port.
fn host_of(text: &str) -> Result<Authority<'_>, PatternError> {
    let authority = Authority::parse(text.as_bytes()).map_err(PatternError::Host)?;
    if !authority.colon_port().is_empty() || text.as_bytes().last() == Some(&b':') {
        return Err(PatternError::Port);
    }
    Ok(authority)
}

fn is_capture_name(name: &str) -> bool {
    (1..=MAX_LABEL).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::AuthorityError;

    #[test]
    fn a_pattern_is_brought_to_canonical_form() {
        for (written, text) in [
            ("My-Service.Test.com", "my-service.test.com"),
            ("a.com.", "a.com"),
            ("*.Shop.example.", "*.shop.example"),
            ("{service}.mesh.private", "{service}.mesh.private"),
            ("{a}.x.{b}.Y", "{a}.x.{b}.y"),
            ("*.{env}.dev.example.com", "*.{env}.dev.example.com"),
            ("10.0.0.1", "10.0.0.1"),
            ("[0::1]", "[::1]"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(
                HostPattern::parse(written).map(|p| p.text().into_owned()),
                Ok(text.to_owned()),
                "{written}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        use PatternError as E;
        for (written, error) in [
            ("", E::Host(AuthorityError::Empty)),
            ("*", E::Star),
            ("*a.com", E::Star),
            ("a.*.com", E::Star),
            ("*.", E::Host(AuthorityError::Empty)),
            ("pr-{n}.example.com", E::PartialCapture),
            ("{n.example.com", E::PartialCapture),
            ("{}.example.com", E::CaptureName),
            ("{a b}.example.com", E::CaptureName),
            ("{a}.{a}.example.com", E::DuplicateCapture("a".into())),
            ("a.com:443", E::Port),
            ("a.com:", E::Port),
            ("*.10.0.0.1", E::IpLiteral),
            ("*.[::1]", E::IpLiteral),
            ("{a}", E::NoLiteral),
            ("*.{a}.{b}", E::NoLiteral),
            ("a..com", E::Host(AuthorityError::EmptyLabel)),
            ("bücher.example", E::Host(AuthorityError::NonAscii)),
            ("a,b.com", E::Host(AuthorityError::Comma)),
        ] {
            assert_eq!(HostPattern::parse(written), Err(error), "{written:?}");
        }
    }
}
