//! Values that may be written in several ways: a text or a mapping that says more. Each is read by
//! a visitor of its own, so that an error keeps its place in the file.

mod headers;
mod matcher;

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
use self::matcher::MatcherMap;
pub(super) use self::matcher::json_difference;
pub use self::matcher::{Matcher, Outcome};
use super::model::LogExpectation;

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

    fn visit_f64<E: Error>(self, _number: f64) -> Result<T, E> {
        Err(quotes_wanted())
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<T, E> {
        T::from_text(truth.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_map(T::Map::deserialize(MapAccessDeserializer::new(map))?)
    }
}

/// The parser hands over a number and not how it was written, and `1.0` as a text is not `1`.
fn quotes_wanted<E: Error>() -> E {
    E::custom(
        r#"a number with a point, an exponent or a leading zero must stand in quotes here, as in "1.0""#,
    )
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

fn decode<E: Error>(text: &str) -> Result<Bytes, E> {
    let bare: String = text.split_ascii_whitespace().collect();
    BASE64.decode(bare).map(Bytes::from).map_err(|error| E::custom(format!("not base64: {error}")))
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
    const EXPECTING: &'static str =
        "a text, or a mapping with one of `text`, `base64`, `json`, `file`";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self::Bytes(text.into()))
    }

    fn from_map<E: Error>(map: ContentMap) -> Result<Self, E> {
        let ContentMap { text, base64, json, file } = map;
        content(text, base64, json, file)?
            .ok_or_else(|| E::custom("one of `text`, `base64`, `json`, `file` must be given here"))
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
        (_, Some(_)) => {
            Err(E::custom("only one of `text`, `base64`, `json`, `file` may be given here"))
        }
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
    const EXPECTING: &'static str =
        "a text, or a mapping with one of `text`, `base64`, `json`, `file`, `chunks`";

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
            _ => {
                return Err(D::Error::custom(format!(
                    "{text:?} is no length of time: write `250ms`, `2s`, `1m` or `1h`"
                )));
            }
        };
        let seconds = number.trim().parse::<f64>().ok().map(|number| number * unit);
        let span = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        span.map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is no length of time: write `250ms`, `2s`, `1m` or `1h`"
            ))
        })
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
    const EXPECTING: &'static str =
        "a text, or a mapping with one of `text`, `int`, `uint`, `double`, `bool`, `base64`";

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
            _ => Err(E::custom(
                "exactly one of `text`, `int`, `uint`, `double`, `bool`, `base64` must be given here",
            )),
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
    const EXPECTING: &'static str = "a text, or a mapping with one of `exact`, `regex`, `prefix`, `suffix`, `contains`, and `level`";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self { level: None, message: Matcher::Exact(text.into()) })
    }

    fn from_map<E: Error>(map: LogMap) -> Result<Self, E> {
        let LogMap { level, exact, regex, prefix, suffix, contains } = map;
        let nothing =
            [&exact, &regex, &prefix, &suffix, &contains].iter().all(|given| given.is_none());
        let any = (nothing && level.is_some()).then_some(true);
        let map = MatcherMap {
            exact,
            regex,
            prefix,
            suffix,
            contains,
            present: any,
            ..MatcherMap::default()
        };
        Ok(Self { level, message: map.into_matcher()? })
    }
}
