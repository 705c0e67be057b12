//! JSON (RFC 8259), read by `serde_json` value by value, without building a tree.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess};

use super::number::Number;
use super::value::{Aborted, Elements, Fields, Read, Value, Visitor};

/// Reads a whole document.
///
/// # Errors
/// What is wrong with the text, with its line and column.
pub(crate) fn read(document: &[u8], visitor: &mut Visitor<'_>) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(document);
    Bridge(visitor).deserialize(&mut json)?;
    json.end()
}

/// Passes each value that serde reads to a [`Visitor`].
struct Bridge<'t, 'v>(&'t mut Visitor<'v>);

impl Bridge<'_, '_> {
    fn show<E: Error>(self, value: Value<'_>) -> Result<(), E> {
        (self.0)(value).map_err(aborted)
    }
}

/// An error without content, for serde. The real one is kept in [`Access`].
fn aborted<E: Error>(_: Aborted) -> E {
    E::custom("the document ended early")
}

impl<'de> DeserializeSeed<'de> for Bridge<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Bridge<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a policy")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.show(Value::Text(value))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.show(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.show(Value::Number(Number::Integer(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.show(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.show(Value::Number(value.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.show(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let mut list = Access { access, error: None };
        let result = (self.0)(Value::List(&mut list));
        list.finish(result)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let mut object = Access { access, error: None };
        let result = (self.0)(Value::Object(&mut object));
        object.finish(result)
    }
}

/// A list or an object that serde reads, and the error that ended it.
struct Access<A, E> {
    access: A,
    error: Option<E>,
}

impl<A, E: Error> Access<A, E> {
    fn keep<T>(&mut self, result: Result<T, E>) -> Read<T> {
        result.map_err(|error| {
            self.error = Some(error);
            Aborted
        })
    }

    fn finish(self, result: Read) -> Result<(), E> {
        self.error.map_or_else(|| result.map_err(aborted), Err)
    }
}

impl<'de, A: SeqAccess<'de>> Elements for Access<A, A::Error> {
    fn next(&mut self, visitor: &mut Visitor<'_>) -> Read<bool> {
        let element = self.access.next_element_seed(Bridge(visitor));
        Ok(self.keep(element)?.is_some())
    }

    fn skip_rest(&mut self) -> Read<bool> {
        let mut any = false;
        loop {
            let element = self.access.next_element::<IgnoredAny>();
            if self.keep(element)?.is_none() {
                return Ok(any);
            }
            any = true;
        }
    }
}

impl<'de, A: MapAccess<'de>> Fields for Access<A, A::Error> {
    fn next_name(&mut self, name: &mut String) -> Read<bool> {
        let key = self.access.next_key_seed(Name(name));
        Ok(self.keep(key)?.is_some())
    }

    fn value(&mut self, visitor: &mut Visitor<'_>) -> Read {
        let value = self.access.next_value_seed(Bridge(visitor));
        self.keep(value)
    }

    fn skip_value(&mut self) -> Read {
        let value = self.access.next_value::<IgnoredAny>();
        self.keep(value).map(drop)
    }
}

/// Copies a field's name into a string that is used again for each field.
struct Name<'n>(&'n mut String);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl serde::de::Visitor<'_> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        name.clone_into(self.0);
        Ok(())
    }
}
