//! Comparing a part of a request with a text: the whole of it, its beginning or its end. A
//! condition that could never hold is refused when it is read.

use crate::document::{Context, Read, Section, Seen, Value};
use crate::errors::PolicyErrorKind;
use crate::headers::is_value;
use crate::host::Authority;

/// `exact`, `prefix` or `suffix`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TextMatch {
    Exact(String),
    Prefix(String),
    Suffix(String),
}

impl TextMatch {
    /// Whether a path that it compares is one of gRPC's own health checks, `Check` and `Watch`.
    pub fn is_grpc_health(&self) -> bool {
        const SERVICE: &str = "/grpc.health.v1.Health/";
        match self {
            Self::Exact(text) => text.starts_with(SERVICE),
            // A shorter prefix may be meant for other paths.
            Self::Prefix(text) => text.starts_with("/grpc.health") && self.holds_one_of(SERVICE),
            Self::Suffix(text) => text.contains('/') && self.holds_one_of(SERVICE),
        }
    }

    fn holds_one_of(&self, service: &str) -> bool {
        ["Check", "Watch"].iter().any(|method| self.holds(format!("{service}{method}").as_bytes()))
    }

    /// The name of its field, and the text.
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Exact(text) => ("exact", text),
            Self::Prefix(text) => ("prefix", text),
            Self::Suffix(text) => ("suffix", text),
        }
    }

    pub fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Suffix(text) => value.ends_with(text.as_bytes()),
        }
    }
}

/// The part of a request that a [`TextMatch`] is compared with. It decides which texts are
/// valid.
#[derive(Debug, Clone, Copy)]
pub(super) enum Compared {
    Method,
    Path,
    UserAgent,
    Host,
}

impl Compared {
    /// What is valid, and hardly meant.
    fn doubt(self, text: &str) -> Option<PolicyErrorKind> {
        match self {
            Self::Method => text
                .contains(|letter: char| letter.is_ascii_lowercase())
                .then(|| PolicyErrorKind::MethodCase(text.to_owned())),
            Self::Path | Self::UserAgent | Self::Host => {
                text.contains('*').then(|| PolicyErrorKind::LiteralStar(text.to_owned()))
            }
        }
    }

    fn check(self, kind: &str, text: &str) -> Result<String, PolicyErrorKind> {
        if text.is_empty() {
            return Err(PolicyErrorKind::EmptyMatch);
        }
        match self {
            Self::Path
                if text.contains(['?', '#']) || (kind != "suffix" && !text.starts_with('/')) =>
            {
                Err(PolicyErrorKind::PathMatch(text.to_owned()))
            }
            Self::Host if kind == "exact" => {
                let host = Authority::parse(text.as_bytes()).map_err(|error| {
                    PolicyErrorKind::Authority { value: text.to_owned(), error }
                })?;
                if host.colon_port().is_empty() && !text.ends_with(':') {
                    Ok(host.host().to_owned())
                } else {
                    Err(PolicyErrorKind::HostWithPort(text.to_owned()))
                }
            }
            Self::Host => Ok(text.to_ascii_lowercase()),
            Self::UserAgent | Self::Method | Self::Path if !is_value(text) => {
                Err(PolicyErrorKind::HeaderValue)
            }
            Self::UserAgent | Self::Method | Self::Path => Ok(text.to_owned()),
        }
    }
}

/// Reads a [`TextMatch`].
pub(super) struct TextMatchSection {
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
    const BARE: Option<&'static str> = Some("exact");

    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read {
        let text = value.parse(context, |text| self.compared.check(name, text))?;
        if let Some(doubt) = text.as_deref().and_then(|text| self.compared.doubt(text)) {
            context.warn_at(context.path().clone(), doubt);
        }
        self.found = text.map(|text| match name {
            "exact" => TextMatch::Exact(text),
            "prefix" => TextMatch::Prefix(text),
            _ => TextMatch::Suffix(text),
        });
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<TextMatch> {
        context.require_one(seen, Self::FIELDS);
        self.found
    }
}

#[cfg(test)]
mod tests {
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
    fn the_paths_of_grpcs_health_checks_are_known() {
        let (exact, prefix, suffix) = (TextMatch::Exact, TextMatch::Prefix, TextMatch::Suffix);
        for (condition, is_health) in [
            (exact("/grpc.health.v1.Health/Check".into()), true),
            (exact("/grpc.health.v1.Health/Watch".into()), true),
            (exact("/grpc.health.v1.Other/Check".into()), false),
            (prefix("/grpc.health.v1.Health/".into()), true),
            (prefix("/grpc.health.v1".into()), true),
            (prefix("/".into()), false),
            (suffix("Health/Check".into()), true),
            (suffix("/Watch".into()), true),
            (suffix("k".into()), false),
            (suffix("/healthz".into()), false),
        ] {
            assert_eq!(condition.is_grpc_health(), is_health, "{condition:?}");
        }
    }

    #[test]
    fn a_condition_that_could_never_hold_is_refused() {
        assert_eq!(Compared::Method.check("exact", ""), Err(PolicyErrorKind::EmptyMatch));
        assert_eq!(
            Compared::Path.check("exact", "/?q"),
            Err(PolicyErrorKind::PathMatch("/?q".into()))
        );
        assert_eq!(
            Compared::Path.check("prefix", "healthz"),
            Err(PolicyErrorKind::PathMatch("healthz".into()))
        );
        assert_eq!(Compared::Path.check("suffix", "healthz"), Ok("healthz".into()));
        assert_eq!(
            Compared::Host.check("exact", "a:80"),
            Err(PolicyErrorKind::HostWithPort("a:80".into()))
        );
        assert_eq!(Compared::Host.check("exact", "A.example."), Ok("a.example".into()));
        assert_eq!(Compared::UserAgent.check("prefix", "\n"), Err(PolicyErrorKind::HeaderValue));
    }
}
