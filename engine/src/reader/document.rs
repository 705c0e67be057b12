//! The bridge to serde. Readers see a document through the traits of this file, which hide its format behind `dyn`: a reader is
//! then compiled once and not once for each format and each way of nesting, which made three quarters of the filter's code.

use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Context, Number, Reader};

/// The format gave up: the text is none of its documents. What it said is kept here in the bridge.
#[derive(Debug)]
pub(crate) struct Broken;

/// The elements of a list.
pub(crate) trait Elements {
    /// Reads the next one; false when there is none.
    fn next(&mut self, take: &mut dyn Take) -> Result<bool, Broken>;

    /// Passes over the next one; false when there is none.
    fn skip(&mut self) -> Result<bool, Broken>;
}

/// The fields of an object.
pub(crate) trait Fields {
    /// Gives the next field's name to `take`; false when there is none.
    fn next_key(&mut self, take: &mut dyn FnMut(&str)) -> Result<bool, Broken>;

    /// Reads the value of the field whose name was given last.
    fn value(&mut self, take: &mut dyn Take) -> Result<(), Broken>;

    /// Passes over that value.
    fn skip_value(&mut self) -> Result<(), Broken>;

    /// Passes over all fields that are left.
    fn skip_rest(&mut self) -> Result<(), Broken> {
        while self.next_key(&mut |_| {})? {
            self.skip_value()?;
        }
        Ok(())
    }
}

/// What takes one value: a reader, its context, and the place for what it makes.
pub(crate) trait Take {
    fn expected(&self) -> &'static str;
    fn scalar(&mut self, value: Scalar<'_>);
    fn list(&mut self, list: &mut dyn Elements) -> Result<(), Broken>;
    fn object(&mut self, object: &mut dyn Fields) -> Result<(), Broken>;
}

/// A value that holds no others.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar<'a> {
    Text(&'a str),
    Number(Number),
    Flag(bool),
    Null,
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "the string {text:?}"),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => write!(f, "`{flag}`"),
            Self::Null => f.write_str("nothing"),
        }
    }
}

/// A reader at work on one value.
pub(super) struct Reading<'c, R: Reader> {
    context: &'c mut Context,
    /// Gone once there was a value.
    reader: Option<R>,
    made: Option<R::Out>,
}

impl<'c, R: Reader> Reading<'c, R> {
    pub fn new(context: &'c mut Context, reader: R) -> Self {
        Self { context, reader: Some(reader), made: None }
    }

    /// What the reader made of the value; nothing if it was faulty.
    pub fn made(self) -> Option<R::Out> {
        self.made
    }
}

impl<R: Reader> Take for Reading<'_, R> {
    fn expected(&self) -> &'static str {
        R::EXPECTED
    }

    fn scalar(&mut self, value: Scalar<'_>) {
        self.made = self.reader.take().and_then(|reader| reader.scalar(self.context, value));
    }

    fn list(&mut self, list: &mut dyn Elements) -> Result<(), Broken> {
        let Some(reader) = self.reader.take() else { return Ok(()) };
        self.made = reader.list(self.context, list)?;
        Ok(())
    }

    fn object(&mut self, object: &mut dyn Fields) -> Result<(), Broken> {
        let Some(reader) = self.reader.take() else { return Ok(()) };
        self.made = reader.object(self.context, object)?;
        Ok(())
    }
}

/// Reads a whole document.
pub(crate) fn read<'de, R: Reader, D: Deserializer<'de>>(
    context: &mut Context,
    reader: R,
    document: D,
) -> Result<Option<R::Out>, D::Error> {
    let mut reading = Reading::new(context, reader);
    Bridge(&mut reading).deserialize(document)?;
    Ok(reading.made())
}

/// Carries one value from serde to what takes it.
struct Bridge<'t>(&'t mut dyn Take);

impl<'de> DeserializeSeed<'de> for Bridge<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bridge<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.expected())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.0.scalar(Scalar::Text(value));
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.scalar(Scalar::Flag(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.scalar(Scalar::Number(Number::Integer(value)));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.scalar(Scalar::Number(i64::try_from(value).map_or(Number::Huge, Number::Integer)));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.scalar(Scalar::Number(Number::of_float(value)));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.scalar(Scalar::Null);
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        self.0.scalar(Scalar::Null);
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let mut list = Access { access, error: None };
        let result = self.0.list(&mut list);
        list.outcome(result)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let mut object = Access { access, error: None };
        let result = self.0.object(&mut object);
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
        match (self.error, result) {
            (Some(error), _) => Err(error),
            (None, Err(Broken)) => Err(E::custom("the document ended early")),
            (None, Ok(())) => Ok(()),
        }
    }
}

impl<'de, A: SeqAccess<'de>> Elements for Access<A, A::Error> {
    fn next(&mut self, take: &mut dyn Take) -> Result<bool, Broken> {
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

    fn value(&mut self, take: &mut dyn Take) -> Result<(), Broken> {
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
