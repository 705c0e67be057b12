//! Values that may be written in several ways: a text or a mapping that says more. Each is read by a visitor of its own, so that an
//! error keeps its place in the file.

mod headers;

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use gatepost_host::PropertyValue;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

pub use self::headers::HeaderList;
use super::model::LogExpectation;
use crate::re2::FullMatch;

/// A type that is read from a text, or else from a mapping.
trait TextOrMap: Sized {
    type Map: for<'de> Deserialize<'de>;
    const EXPECTING: &'static str;
    fn from_text<E: Error>(text: String) -> Result<Self, E>;
    fn from_map<E: Error>(map: Self::Map) -> Result<Self, E>;
}

struct TextOrMapVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: TextOrMap> Visitor<'de> for TextOrMapVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTING)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text.to_owned())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::from_text(number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::from_text(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        T::from_text(number.to_string())
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<T, E> {
        T::from_text(truth.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_map(T::Map::deserialize(MapAccessDeserializer::new(map))?)
    }
}

macro_rules! text_or_map {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(TextOrMapVisitor(std::marker::PhantomData))
            }
        }
    )*};
}

text_or_map!(Matcher, Body, Content, LogExpectation, Property);

/// What a text has to be.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// Exactly this.
    Exact(Bytes),
    /// What the expression, in RE2's syntax, matches whole.
    #[allow(private_interfaces, reason = "made by reading only")]
    Regex(String, FullMatch),
    /// Something that begins so.
    Prefix(String),
    /// Something that ends so.
    Suffix(String),
    /// Something with this in it.
    Contains(String),
    /// This JSON, however it is written.
    Json(serde_json::Value),
    /// Something, whatever it is; or nothing.
    Present(bool),
    /// Anything else.
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
            Self::Contains(part) => part.is_empty() || value.windows(part.len()).any(|window| window == part.as_bytes()),
            Self::Json(json) => serde_json::from_slice::<serde_json::Value>(value).is_ok_and(|value| value == *json),
            Self::Present(present) => *present,
            Self::Not(matcher) => !matcher.matches(Some(value)),
        }
    }
}

impl Matcher {
    /// The text that it looks for, to be held against those that were found.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Exact(exact) => String::from_utf8_lossy(exact).into_owned(),
            Self::Regex(text, _) | Self::Prefix(text) | Self::Suffix(text) | Self::Contains(text) => text.clone(),
            Self::Json(json) => json.to_string(),
            Self::Present(_) => String::new(),
            Self::Not(matcher) => matcher.text(),
        }
    }
}

/// Where two JSON values first differ, as a JSON pointer, with what each has there; an absent one has nothing.
pub(super) fn json_difference(
    expected: &serde_json::Value,
    found: &serde_json::Value,
) -> Option<(String, Option<serde_json::Value>, Option<serde_json::Value>)> {
    use serde_json::Value::{Array, Object};
    let pairs: Vec<(String, Option<&serde_json::Value>, Option<&serde_json::Value>)> = match (expected, found) {
        _ if expected == found => return None,
        (Object(expected), Object(found)) => {
            let names: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
            names
                .into_iter()
                .map(|name| (name.replace('~', "~0").replace('/', "~1"), expected.get(name), found.get(name)))
                .collect()
        }
        (Array(expected), Array(found)) => {
            (0..expected.len().max(found.len())).map(|at| (at.to_string(), expected.get(at), found.get(at))).collect()
        }
        _ => return Some((String::new(), Some(expected.clone()), Some(found.clone()))),
    };
    pairs.into_iter().find_map(|(name, expected, found)| match (expected, found) {
        (Some(expected), Some(found)) => {
            json_difference(expected, found).map(|(rest, expected, found)| (format!("/{name}{rest}"), expected, found))
        }
        (expected, found) => Some((format!("/{name}"), expected.cloned(), found.cloned())),
    })
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::matching::quoted;
        match self {
            Self::Exact(exact) => f.write_str(&quoted(exact)),
            Self::Regex(pattern, _) => write!(f, "a match of {}", quoted(pattern.as_bytes())),
            Self::Prefix(text) => write!(f, "something that begins with {}", quoted(text.as_bytes())),
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
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MatcherMap {
    exact: Option<String>,
    regex: Option<String>,
    prefix: Option<String>,
    suffix: Option<String>,
    contains: Option<String>,
    json: Option<serde_json::Value>,
    base64: Option<String>,
    present: Option<bool>,
    not: Option<Box<Matcher>>,
}

impl MatcherMap {
    fn into_matcher<E: Error>(self) -> Result<Matcher, E> {
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
                "exactly one of `exact`, `regex`, `prefix`, `suffix`, `contains`, `json`, `base64`, `present`, `not` must be given here",
            )),
        }
    }
}

fn decode<E: Error>(text: &str) -> Result<Bytes, E> {
    let bare: String = text.split_ascii_whitespace().collect();
    BASE64.decode(bare).map(Bytes::from).map_err(|error| E::custom(format!("not base64: {error}")))
}

impl TextOrMap for Matcher {
    type Map = MatcherMap;
    const EXPECTING: &'static str = "a text, or a mapping with one of `exact`, `regex`, `prefix`, `suffix`, `contains`";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self::Exact(text.into()))
    }

    fn from_map<E: Error>(map: MatcherMap) -> Result<Self, E> {
        map.into_matcher()
    }
}

/// Bytes, or a file with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These.
    Bytes(Bytes),
    /// A file, relative to the file of tests.
    File(String),
}

/// The mapping form of [`Content`]: exactly one of these.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContentMap {
    text: Option<String>,
    base64: Option<String>,
    json: Option<serde_json::Value>,
    file: Option<String>,
}

impl TextOrMap for Content {
    type Map = ContentMap;
    const EXPECTING: &'static str = "a text, or a mapping with one of `text`, `base64`, `json`, `file`";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self::Bytes(text.into()))
    }

    fn from_map<E: Error>(map: ContentMap) -> Result<Self, E> {
        let ContentMap { text, base64, json, file } = map;
        content(text, base64, json, file)?.ok_or_else(|| E::custom("one of `text`, `base64`, `json`, `file` must be given here"))
    }
}

fn content<E: Error>(
    text: Option<String>,
    base64: Option<String>,
    json: Option<serde_json::Value>,
    file: Option<String>,
) -> Result<Option<Content>, E> {
    let base64 = base64.map(|text| decode(&text)).transpose()?;
    let mut given = [
        text.map(|text| Content::Bytes(text.into())),
        base64.map(Content::Bytes),
        json.map(|json| Content::Bytes(json.to_string().into())),
        file.map(Content::File),
    ]
    .into_iter()
    .flatten();
    match (given.next(), given.next()) {
        (_, Some(_)) => Err(E::custom("only one of `text`, `base64`, `json`, `file` may be given here")),
        (content, None) => Ok(content),
    }
}

/// A body: what is in it and how it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// In one piece, or cut into pieces of a size.
    Whole(Content, Option<usize>),
    /// In these pieces.
    Chunks(Vec<Content>),
}

/// The mapping form of a [`Body`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BodyMap {
    text: Option<String>,
    base64: Option<String>,
    json: Option<serde_json::Value>,
    file: Option<String>,
    chunk_size: Option<usize>,
    chunks: Option<Vec<Content>>,
}

impl TextOrMap for Body {
    type Map = BodyMap;
    const EXPECTING: &'static str = "a text, or a mapping with one of `text`, `base64`, `json`, `file`, `chunks`";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self::Whole(Content::Bytes(text.into()), None))
    }

    fn from_map<E: Error>(map: BodyMap) -> Result<Self, E> {
        let BodyMap { text, base64, json, file, chunk_size, chunks } = map;
        if chunk_size == Some(0) {
            return Err(E::custom("`chunkSize` must be at least 1"));
        }
        match (content(text, base64, json, file)?, chunks, chunk_size) {
            (Some(content), None, size) => Ok(Self::Whole(content, size)),
            (None, Some(chunks), None) => Ok(Self::Chunks(chunks)),
            _ => Err(E::custom(
                "one of `text`, `base64`, `json`, `file` with or without `chunkSize`, or `chunks` must be given here",
            )),
        }
    }
}

/// A configuration as it is given to a plugin: text as it is, anything else as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration(pub Bytes);

impl<'de> Deserialize<'de> for Configuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text.into(),
            serde_json::Value::Null => Bytes::new(),
            json => json.to_string().into(),
        }))
    }
}

/// A length of time, as in `250ms` and `2s`; a number is seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[number.len()..] {
            "" | "s" => 1.0,
            "ms" => 1e-3,
            "us" => 1e-6,
            "ns" => 1e-9,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(D::Error::custom(format!("{text:?} is no length of time: write `250ms`, `2s`, `1m` or `1h`"))),
        };
        let seconds = number.trim().parse::<f64>().ok().map(|number| number * unit);
        let span = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        span.map(Self)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is no length of time: write `250ms`, `2s`, `1m` or `1h`")))
    }
}

/// A property's value: text as it is, numbers and truth in Envoy's byte form.
#[derive(Clone, Debug, PartialEq)]
pub struct Property(pub PropertyValue);

/// The mapping form of a [`Property`], where its type matters: exactly one of these.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PropertyMap {
    text: Option<String>,
    int: Option<i64>,
    uint: Option<u64>,
    double: Option<f64>,
    bool: Option<bool>,
    base64: Option<String>,
}

impl TextOrMap for Property {
    type Map = PropertyMap;
    const EXPECTING: &'static str = "a text, or a mapping with one of `text`, `int`, `uint`, `double`, `bool`, `base64`";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self(PropertyValue::text(&text)))
    }

    fn from_map<E: Error>(map: PropertyMap) -> Result<Self, E> {
        let PropertyMap { text, int, uint, double, bool, base64 } = map;
        let base64 = base64.map(|text| decode(&text)).transpose()?;
        let mut given = [
            text.map(|text| PropertyValue::text(&text)),
            int.map(PropertyValue::Int),
            uint.map(PropertyValue::Uint),
            double.map(PropertyValue::Double),
            bool.map(PropertyValue::Bool),
            base64.map(PropertyValue::Bytes),
        ]
        .into_iter()
        .flatten();
        match (given.next(), given.next()) {
            (Some(value), None) => Ok(Self(value)),
            _ => Err(E::custom("exactly one of `text`, `int`, `uint`, `double`, `bool`, `base64` must be given here")),
        }
    }
}

/// The mapping form of a [`LogExpectation`]: a matcher with a level.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogMap {
    level: Option<gatepost_host::LogLevel>,
    exact: Option<String>,
    regex: Option<String>,
    prefix: Option<String>,
    suffix: Option<String>,
    contains: Option<String>,
}

impl TextOrMap for LogExpectation {
    type Map = LogMap;
    const EXPECTING: &'static str =
        "a text, or a mapping with one of `exact`, `regex`, `prefix`, `suffix`, `contains`, and `level`";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self { level: None, message: Matcher::Exact(text.into()) })
    }

    fn from_map<E: Error>(map: LogMap) -> Result<Self, E> {
        let LogMap { level, exact, regex, prefix, suffix, contains } = map;
        let nothing = [&exact, &regex, &prefix, &suffix, &contains].iter().all(|given| given.is_none());
        let any = (nothing && level.is_some()).then_some(true);
        let map = MatcherMap { exact, regex, prefix, suffix, contains, json: None, base64: None, present: any, not: None };
        Ok(Self { level, message: map.into_matcher()? })
    }
}

/// Whether something happens that is told in words: `true` and `false`, or what its words are.
#[derive(Clone, Debug)]
pub struct Outcome(pub Matcher);

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Told;

        impl<'de> Visitor<'de> for Told {
            type Value = Outcome;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false`, a text, or a mapping with one of `regex`, `prefix`, `suffix`, `contains`")
            }

            fn visit_bool<E: Error>(self, happens: bool) -> Result<Outcome, E> {
                Ok(Outcome(Matcher::Present(happens)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Outcome, E> {
                Matcher::from_text(text.to_owned()).map(Outcome)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Outcome, A::Error> {
                MatcherMap::deserialize(MapAccessDeserializer::new(map))?.into_matcher().map(Outcome)
            }
        }

        deserializer.deserialize_any(Told)
    }
}
