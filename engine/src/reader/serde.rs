//! The bridge to serde, for documents of its formats.

use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Broken, Elements, Fields, Given, Number, Scalar, Take};

/// Reads a whole document.
pub(crate) fn read<'de, D: Deserializer<'de>>(
    document: D,
    take: &mut Take<'_>,
) -> Result<(), D::Error> {
    Bridge(take).deserialize(document)
}

/// Carries one value from serde to what takes it.
struct Bridge<'t, 'f>(&'t mut Take<'f>);

impl Bridge<'_, '_> {
    fn scalar<E: Error>(self, value: Scalar<'_>) -> Result<(), E> {
        (self.0)(Given::Scalar(value)).map_err(early)
    }
}

fn early<E: Error>(_: Broken) -> E {
    E::custom("the document ended early")
}

impl<'de> DeserializeSeed<'de> for Bridge<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bridge<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a policy")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.scalar(Scalar::Text(value))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(Scalar::Flag(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(Scalar::Number(Number::Integer(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(Scalar::Number(i64::try_from(value).map_or(Number::Huge, Number::Integer)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.scalar(Scalar::Number(Number::of_float(value)))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar(Scalar::Null)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.scalar(Scalar::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let mut list = Access { access, error: None };
        let result = (self.0)(Given::List(&mut list));
        list.outcome(result)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let mut object = Access { access, error: None };
        let result = (self.0)(Given::Object(&mut object));
        object.outcome(result)
    }
}

/// A list or an object of a format, and the error that it gave up with.
struct Access<A, E> {
    access: A,
    error: Option<E>,
}

impl<A, E: Error> Access<A, E> {
    fn keep<T>(&mut self, result: Result<T, E>) -> Result<T, Broken> {
        result.map_err(|error| {
            self.error = Some(error);
            Broken
        })
    }

    fn outcome(self, result: Result<(), Broken>) -> Result<(), E> {
        match self.error {
            Some(error) => Err(error),
            None => result.map_err(early),
        }
    }
}

impl<'de, A: SeqAccess<'de>> Elements for Access<A, A::Error> {
    fn next(&mut self, take: &mut Take<'_>) -> Result<bool, Broken> {
        let element = self.access.next_element_seed(Bridge(take));
        Ok(self.keep(element)?.is_some())
    }

    fn skip(&mut self) -> Result<bool, Broken> {
        let element = self.access.next_element::<IgnoredAny>();
        Ok(self.keep(element)?.is_some())
    }
}

impl<'de, A: MapAccess<'de>> Fields for Access<A, A::Error> {
    fn next_key(&mut self, take: &mut dyn FnMut(&str)) -> Result<bool, Broken> {
        let key = self.access.next_key_seed(Key(take));
        Ok(self.keep(key)?.is_some())
    }

    fn value(&mut self, take: &mut Take<'_>) -> Result<(), Broken> {
        let value = self.access.next_value_seed(Bridge(take));
        self.keep(value)
    }

    fn skip_value(&mut self) -> Result<(), Broken> {
        let value = self.access.next_value::<IgnoredAny>();
        self.keep(value).map(drop)
    }
}

/// Carries a field's name, without a copy of it.
struct Key<'t>(&'t mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        (self.0)(name);
        Ok(())
    }
}
