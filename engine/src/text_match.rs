//! Comparing a part of a request with a text: the whole of it, its beginning or its end. A
//! condition that could never hold is refused when it is read.

use crate::authority::Authority;
use crate::fault::FaultKind;
use crate::header::is_value;
use crate::reader::{Broken, Context, Parsed, Section, Seen, Value};
use alloc::borrow::ToOwned;
use alloc::string::String;

/// `exact`, `prefix` or `suffix`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TextMatch {
    Exact(String),
    Prefix(String),
    Suffix(String),
}

impl TextMatch {
    #[inline]
    pub fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Suffix(text) => value.ends_with(text.as_bytes()),
        }
    }

    /// Compares with what stands before the query of a path. A text that is compared with paths
    /// holds no question mark, so all but a suffix can do without looking for one.
    #[inline]
    pub fn holds_for_path(&self, path: &[u8]) -> bool {
        match self {
            Self::Exact(text) => path
                .strip_prefix(text.as_bytes())
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'?'))),
            Self::Prefix(text) => path.starts_with(text.as_bytes()),
            Self::Suffix(_) => {
                self.holds(path.split(|byte| *byte == b'?').next().unwrap_or_default())
            }
        }
    }
}

/// What a [`TextMatch`] is compared with decides what it may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Compared {
    Method,
    Path,
    UserAgent,
    Host,
}

impl Compared {
    fn check(self, kind: &str, text: &str) -> Result<String, FaultKind> {
        if text.is_empty() {
            return Err(FaultKind::EmptyMatch);
        }
        match self {
            Self::Path
                if text.contains(['?', '#']) || (kind != "suffix" && !text.starts_with('/')) =>
            {
                Err(FaultKind::PathMatch(text.to_owned()))
            }
            Self::Host if kind == "exact" => {
                let host = Authority::parse(text.as_bytes())
                    .map_err(|error| FaultKind::Authority { value: text.to_owned(), error })?;
                if host.colon_port().is_empty() && !text.ends_with(':') {
                    Ok(host.host().to_owned())
                } else {
                    Err(FaultKind::HostWithPort(text.to_owned()))
                }
            }
            Self::Host => Ok(text.to_ascii_lowercase()),
            Self::UserAgent | Self::Method | Self::Path if !is_value(text) => {
                Err(FaultKind::HeaderValue)
            }
            Self::UserAgent | Self::Method | Self::Path => Ok(text.to_owned()),
        }
    }
}

/// Reads a [`TextMatch`].
pub(crate) struct TextMatchSection {
    compared: Compared,
    found: Option<TextMatch>,
}

impl TextMatchSection {
    pub fn new(compared: Compared) -> Self {
        Self { compared, found: None }
    }
}

impl Section for TextMatchSection {
    type Out = TextMatch;
    const FIELDS: &'static [&'static str] = &["exact", "prefix", "suffix"];

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        let compared = self.compared;
        let text = value.read(Parsed(|text: &str| compared.check(name, text)))?;
        self.found = text.map(|text| match name {
            "exact" => TextMatch::Exact(text),
            "prefix" => TextMatch::Prefix(text),
            _ => TextMatch::Suffix(text),
        });
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<TextMatch> {
        context.require_one(seen, <Self as Section>::FIELDS);
        self.found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_compared_byte_for_byte() {
        assert!(TextMatch::Exact("GET".into()).holds(b"GET"));
        assert!(!TextMatch::Exact("GET".into()).holds(b"get"));
        assert!(TextMatch::Prefix("GoogleHC".into()).holds(b"GoogleHC/1.0"));
        assert!(!TextMatch::Prefix("GoogleHC".into()).holds(b"curl GoogleHC"));
        assert!(TextMatch::Suffix(".example".into()).holds(b"a.example"));
        assert!(!TextMatch::Prefix("a".into()).holds(b"\xff"));
    }

    #[test]
    fn a_query_is_no_part_of_the_path_that_is_compared() {
        let exact = TextMatch::Exact("/healthz".into());
        assert!(
            exact.holds_for_path(b"/healthz")
                && exact.holds_for_path(b"/healthz?full=1")
                && exact.holds_for_path(b"/healthz?")
        );
        assert!(
            !exact.holds_for_path(b"/healthz/")
                && !exact.holds_for_path(b"/health")
                && !exact.holds_for_path(b"/?/healthz")
        );
        let suffix = TextMatch::Suffix("/ready".into());
        assert!(suffix.holds_for_path(b"/a/ready?x=/b") && !suffix.holds_for_path(b"/a?x=/ready"));
        assert!(!TextMatch::Prefix("/a/b".into()).holds_for_path(b"/a?/b"));
    }

    proptest! {
        #[test]
        fn a_path_is_compared_as_if_its_query_were_cut_off(text in "/[ab/]{0,3}", path in "[ab/?]{0,8}") {
            let cut = path.split('?').next().unwrap_or_default();
            for kind in [TextMatch::Exact, TextMatch::Prefix, TextMatch::Suffix] {
                let condition = kind(text.clone());
                prop_assert_eq!(condition.holds_for_path(path.as_bytes()), condition.holds(cut.as_bytes()));
            }
        }
    }

    #[test]
    fn a_condition_that_could_never_hold_is_refused() {
        assert_eq!(Compared::Method.check("exact", ""), Err(FaultKind::EmptyMatch));
        assert_eq!(Compared::Path.check("exact", "/?q"), Err(FaultKind::PathMatch("/?q".into())));
        assert_eq!(
            Compared::Path.check("prefix", "healthz"),
            Err(FaultKind::PathMatch("healthz".into()))
        );
        assert_eq!(Compared::Path.check("suffix", "healthz"), Ok("healthz".into()));
        assert_eq!(
            Compared::Host.check("exact", "a:80"),
            Err(FaultKind::HostWithPort("a:80".into()))
        );
        assert_eq!(Compared::Host.check("exact", "A.example."), Ok("a.example".into()));
        assert_eq!(Compared::UserAgent.check("prefix", "\n"), Err(FaultKind::HeaderValue));
    }
}
