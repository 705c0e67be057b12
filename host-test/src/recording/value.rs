//! The arguments and results of a recorded hostcall.

use std::fmt;

use bytes::Bytes;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::abi::{BufferKind, LogLevel, MapKind, StreamKind};
use crate::headers::Headers;
use crate::text::Text;

/// Named values in order.
///
/// ```
/// use gatepost_host::{Fields, MapKind, Value};
///
/// let arguments = Fields(vec![("map", MapKind::RequestHeaders.into()), ("name", "x-tag".into())]);
/// assert_eq!(arguments.get("name"), Some(&Value::from("x-tag")));
/// assert_eq!(arguments.to_string(), r#"map: request_headers, name: "x-tag""#);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(pub Vec<(&'static str, Value)>);

impl Fields {
    /// Whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(have, _)| *have == name).map(|(_, value)| value)
    }
}

impl Fields {
    /// What the values take in memory.
    pub(crate) fn bytes(&self) -> usize {
        let field = size_of::<(&str, Value)>();
        self.0.iter().map(|(_, value)| field + value.bytes()).sum()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// An argument or a result.
///
/// ```
/// use gatepost_host::{MapKind, Value};
///
/// assert_eq!(Value::from(7_u32), Value::Number(7));
/// assert_eq!(Value::from(MapKind::RequestHeaders), Value::Word("request_headers"));
/// assert_eq!(Value::from("v").to_string(), r#""v""#);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(i64),
    /// A boolean.
    Truth(bool),
    /// A word of the ABI, as in `request_headers`.
    Word(&'static str),
    /// Bytes.
    Text(Text),
    /// Header pairs.
    Pairs(Vec<(Text, Text)>),
}

impl Value {
    fn bytes(&self) -> usize {
        /// The two texts of a pair and their allocations.
        const PAIR: usize = 128;
        match self {
            Value::Number(_) | Value::Truth(_) | Value::Word(_) => 0,
            Value::Text(text) => text.0.len(),
            Value::Pairs(pairs) => {
                pairs.iter().map(|(name, value)| name.0.len() + value.0.len() + PAIR).sum()
            }
        }
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Value::Number(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Number(number.cast_signed())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Truth(truth)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Value::Text(Text::copy(bytes))
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Value::Text(Text(bytes))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Text::copy(text.as_bytes()))
    }
}

impl From<MapKind> for Value {
    fn from(kind: MapKind) -> Self {
        Value::Word(kind.name())
    }
}

impl From<BufferKind> for Value {
    fn from(kind: BufferKind) -> Self {
        Value::Word(kind.name())
    }
}

impl From<LogLevel> for Value {
    fn from(level: LogLevel) -> Self {
        Value::Word(level.name())
    }
}

impl From<StreamKind> for Value {
    fn from(kind: StreamKind) -> Self {
        Value::Word(kind.name())
    }
}

impl From<&Headers> for Value {
    fn from(headers: &Headers) -> Self {
        Value::Pairs(
            headers.iter().map(|(name, value)| (Text::copy(name), Text::copy(value))).collect(),
        )
    }
}

impl From<&[(&[u8], &[u8])]> for Value {
    fn from(pairs: &[(&[u8], &[u8])]) -> Self {
        Value::Pairs(
            pairs.iter().map(|(name, value)| (Text::copy(name), Text::copy(value))).collect(),
        )
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Truth(truth) => write!(f, "{truth}"),
            Value::Word(word) => f.write_str(word),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Pairs(pairs) => f.debug_list().entries(pairs).finish(),
        }
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{name}: {value}")?;
        }
        Ok(())
    }
}
