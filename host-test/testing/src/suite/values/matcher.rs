//! A condition on a text: the text itself, or a mapping with a prefix, a pattern and the like.

use std::fmt;

use bytes::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::text_or_map::{TextOrMap, decode, text_or_map};

text_or_map!(Matcher);
use crate::re2::FullMatch;

/// A condition on a text.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// Exactly this.
    Exact(Bytes),
    /// A text that the expression, in RE2's syntax, matches whole.
    #[allow(private_interfaces, reason = "made by reading only")]
    Regex(String, FullMatch),
    /// A text that begins so.
    Prefix(String),
    /// A text that ends so.
    Suffix(String),
    /// A text with this in it.
    Contains(String),
    /// This JSON, however it is written.
    Json(serde_json::Value),
    /// Any text; or, with `false`, none.
    Present(bool),
    /// A text, or none, that does not fulfil this one.
    Not(Box<Matcher>),
}

impl Matcher {
    /// Whether a value, or its absence, fits.
    #[must_use]
    pub fn matches(&self, value: Option<&[u8]>) -> bool {
        let Some(value) = value else {
            return match self {
                Self::Present(present) => !present,
                Self::Not(matcher) => !matcher.matches(None),
                _ => false,
            };
        };
        match self {
            Self::Exact(exact) => value == exact,
            Self::Regex(_, regex) => regex.matches(value),
            Self::Prefix(prefix) => value.starts_with(prefix.as_bytes()),
            Self::Suffix(suffix) => value.ends_with(suffix.as_bytes()),
            Self::Contains(part) => {
                part.is_empty() || value.windows(part.len()).any(|window| window == part.as_bytes())
            }
            Self::Json(json) => {
                serde_json::from_slice::<serde_json::Value>(value).is_ok_and(|value| value == *json)
            }
            Self::Present(present) => *present,
            Self::Not(matcher) => !matcher.matches(Some(value)),
        }
    }
}

impl Matcher {
    /// The text that it looks for, to find the most similar one that there is.
    pub(in crate::suite) fn text(&self) -> String {
        match self {
            Self::Exact(exact) => String::from_utf8_lossy(exact).into_owned(),
            Self::Regex(text, _)
            | Self::Prefix(text)
            | Self::Suffix(text)
            | Self::Contains(text) => text.clone(),
            Self::Json(json) => json.to_string(),
            Self::Present(_) => String::new(),
            Self::Not(matcher) => matcher.text(),
        }
    }
}

/// Where two JSON values first differ, as a JSON pointer, with what each has there; an absent one
/// has nothing.
pub(in crate::suite) fn json_difference(
    expected: &serde_json::Value,
    found: &serde_json::Value,
) -> Option<(String, Option<serde_json::Value>, Option<serde_json::Value>)> {
    use serde_json::Value::{Array, Object};
    let pairs: Vec<(String, Option<&serde_json::Value>, Option<&serde_json::Value>)> =
        match (expected, found) {
            _ if expected == found => return None,
            (Object(expected), Object(found)) => {
                let names: std::collections::BTreeSet<&String> =
                    expected.keys().chain(found.keys()).collect();
                names
                    .into_iter()
                    .map(|name| {
                        (
                            name.replace('~', "~0").replace('/', "~1"),
                            expected.get(name),
                            found.get(name),
                        )
                    })
                    .collect()
            }
            (Array(expected), Array(found)) => (0..expected.len().max(found.len()))
                .map(|at| (at.to_string(), expected.get(at), found.get(at)))
                .collect(),
            _ => return Some((String::new(), Some(expected.clone()), Some(found.clone()))),
        };
    pairs.into_iter().find_map(|(name, expected, found)| match (expected, found) {
        (Some(expected), Some(found)) => json_difference(expected, found)
            .map(|(rest, expected, found)| (format!("/{name}{rest}"), expected, found)),
        (expected, found) => Some((format!("/{name}"), expected.cloned(), found.cloned())),
    })
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::quote::quoted;
        match self {
            Self::Exact(exact) => f.write_str(&quoted(exact)),
            Self::Regex(pattern, _) => write!(f, "a match of {}", quoted(pattern.as_bytes())),
            Self::Prefix(text) => {
                write!(f, "something that begins with {}", quoted(text.as_bytes()))
            }
            Self::Suffix(text) => write!(f, "something that ends with {}", quoted(text.as_bytes())),
            Self::Contains(text) => write!(f, "something with {} in it", quoted(text.as_bytes())),
            Self::Json(json) => write!(f, "the JSON {json}"),
            Self::Present(true) => f.write_str("any value"),
            Self::Present(false) => f.write_str("none"),
            Self::Not(matcher) => write!(f, "anything but {matcher}"),
        }
    }
}

/// The mapping form of a [`Matcher`]: exactly one of these.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MatcherMap {
    pub(super) exact: Option<String>,
    pub(super) regex: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) suffix: Option<String>,
    pub(super) contains: Option<String>,
    pub(super) json: Option<serde_json::Value>,
    pub(super) base64: Option<String>,
    pub(super) present: Option<bool>,
    pub(super) not: Option<Box<Matcher>>,
}

impl MatcherMap {
    pub(super) fn into_matcher<E: Error>(self) -> Result<Matcher, E> {
        let Self { exact, regex, prefix, suffix, contains, json, base64, present, not } = self;
        let regex = match regex {
            Some(pattern) => match FullMatch::new(&pattern) {
                Ok(compiled) => Some(Matcher::Regex(pattern, compiled)),
                Err(error) => {
                    let last = error.to_string().lines().last().unwrap_or_default().to_owned();
                    return Err(E::custom(format!("{pattern:?} is no regular expression: {last}")));
                }
            },
            None => None,
        };
        let base64 = base64.map(|text| decode(&text)).transpose()?;
        let mut given = [
            exact.map(|text| Matcher::Exact(text.into())),
            regex,
            prefix.map(Matcher::Prefix),
            suffix.map(Matcher::Suffix),
            contains.map(Matcher::Contains),
            json.map(Matcher::Json),
            base64.map(Matcher::Exact),
            present.map(Matcher::Present),
            not.map(Matcher::Not),
        ]
        .into_iter()
        .flatten();
        match (given.next(), given.next()) {
            (Some(matcher), None) => Ok(matcher),
            _ => Err(E::custom(
                "exactly one of `exact`, `regex`, `prefix`, `suffix`, `contains`, `json`, \
                 `base64`, `present`, `not` must be given here",
            )),
        }
    }
}

impl TextOrMap for Matcher {
    type Map = MatcherMap;
    const EXPECTING: &'static str =
        "a text, or a mapping with one of `exact`, `regex`, `prefix`, `suffix`, `contains`";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self::Exact(text.into()))
    }

    fn from_map<E: Error>(map: MatcherMap) -> Result<Self, E> {
        map.into_matcher()
    }
}

/// Whether something happens, as a trap: `true`, `false`, or a condition on its text.
#[derive(Clone, Debug)]
pub struct Outcome(pub Matcher);

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Outcome;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "`true`, `false`, a text, or a mapping with one of `regex`, `prefix`, \
                    `suffix`, `contains`",
                )
            }

            fn visit_bool<E: Error>(self, happens: bool) -> Result<Outcome, E> {
                Ok(Outcome(Matcher::Present(happens)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Outcome, E> {
                Matcher::from_text(text.to_owned()).map(Outcome)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Outcome, A::Error> {
                MatcherMap::deserialize(MapAccessDeserializer::new(map))?
                    .into_matcher()
                    .map(Outcome)
            }
        }

        deserializer.deserialize_any(Visit)
    }
}
