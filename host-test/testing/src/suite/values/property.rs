//! The value of a property.

use gatepost_host::PropertyValue;
use serde::Deserialize;
use serde::de::Error;

use super::text_or_map::{TextOrMap, decode, text_or_map};

text_or_map!(Property);

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
                "exactly one of `text`, `int`, `uint`, `double`, `bool`, `base64` must be given \
                 here",
            )),
        }
    }
}
