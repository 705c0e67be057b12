//! Headers as a test writes them: a mapping from names to values, or a list of `name: value`.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::text_or_map::quotes_wanted;

/// Headers in order: a mapping from names to a value or several, or a list of `name: value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderList(pub Vec<(String, String)>);

impl<'de> Deserialize<'de> for HeaderList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = HeaderList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping from header names to values, or a list of `name: value`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderList, A::Error> {
                let mut list = Vec::new();
                while let Some((name, Values(values))) = map.next_entry::<String, Values>()? {
                    list.extend(values.into_iter().map(|value| (name.clone(), value)));
                }
                Ok(HeaderList(list))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<HeaderList, A::Error> {
                let mut list = Vec::new();
                while let Some(Pair(mut pairs)) = seq.next_element()? {
                    list.append(&mut pairs);
                }
                Ok(HeaderList(list))
            }
        }

        deserializer.deserialize_any(List)
    }
}

/// A value or several.
struct Values(Vec<String>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Several;

        impl<'de> Visitor<'de> for Several {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Values, E> {
                Ok(Values(vec![text.to_owned()]))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Values, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Values, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: Error>(self, _number: f64) -> Result<Values, E> {
                Err(quotes_wanted())
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<Values, E> {
                self.visit_str(&truth.to_string())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Values, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element::<String>()? {
                    values.push(value);
                }
                Ok(Values(values))
            }
        }

        deserializer.deserialize_any(Several)
    }
}

/// An element of a header list: the text `name: value`, or a mapping with one entry or more.
struct Pair(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;

        impl<'de> Visitor<'de> for One {
            type Value = Pair;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`name: value`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Pair, E> {
                // A pseudo-header's name begins with a colon.
                let start = usize::from(text.starts_with(':'));
                let at = text.get(start..).and_then(|rest| rest.find(':')).map(|at| at + start);
                let at = at.ok_or_else(|| {
                    E::custom(format!("{text:?} is no header: write `name: value`"))
                })?;
                Ok(Pair(vec![(text[..at].trim().to_owned(), text[at + 1..].trim().to_owned())]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Pair, A::Error> {
                HeaderList::deserialize(MapAccessDeserializer::new(map))
                    .map(|HeaderList(list)| Pair(list))
            }
        }

        deserializer.deserialize_any(One)
    }
}
