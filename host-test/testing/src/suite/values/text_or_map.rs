//! Reading a value that is a text, or a mapping that says more. An error keeps its place in the
//! file, which serde's untagged enums would lose.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};

/// A type that is read from a text, or else from a mapping.
pub(super) trait TextOrMap: Sized {
    type Map: for<'de> Deserialize<'de>;
    const EXPECTING: &'static str;
    fn from_text<E: Error>(text: String) -> Result<Self, E>;
    fn from_map<E: Error>(map: Self::Map) -> Result<Self, E>;
}

pub(super) struct TextOrMapVisitor<T>(pub(super) PhantomData<T>);

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

/// The parser gives a number and not how it was written, and the text `1.0` is not `1`.
pub(super) fn quotes_wanted<E: Error>() -> E {
    E::custom(
        "a number with a point, an exponent or a leading zero must stand in quotes here, as in \
         \"1.0\"",
    )
}

/// Implements `Deserialize` for a type that is read from a text or a mapping.
macro_rules! text_or_map {
    ($type:ty) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(crate::suite::values::text_or_map::TextOrMapVisitor(
                    std::marker::PhantomData,
                ))
            }
        }
    };
}
pub(super) use text_or_map;

/// The bytes of a base64 text, in which white space does not count.
pub(super) fn decode<E: Error>(text: &str) -> Result<Bytes, E> {
    let bare: String = text.split_ascii_whitespace().collect();
    BASE64.decode(bare).map(Bytes::from).map_err(|error| E::custom(format!("not base64: {error}")))
}
