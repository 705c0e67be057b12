//! Objects with the fields that the policy language gives them: each field once, and no others.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Context, Read, Reader};
use crate::fault::{FaultKind, Place, Segment};

/// Which fields of a section the document gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    fields: &'static [&'static str],
    bits: u32,
    /// A field that is not known was given too. It has its fault, and may have been meant for a missing one.
    pub unknown: bool,
}

impl Seen {
    pub fn has(self, field: &str) -> bool {
        self.fields.iter().position(|name| *name == field).is_some_and(|at| self.bits & Self::bit(at) != 0)
    }

    /// How many of these fields were given.
    pub fn count(self, fields: &[&str]) -> usize {
        fields.iter().filter(|field| self.has(field)).count()
    }

    fn bit(at: usize) -> u32 {
        u32::try_from(at).ok().and_then(|at| 1u32.checked_shl(at)).unwrap_or(0)
    }
}

/// The value of a field, to be read with a reader of the section's choice.
pub(crate) struct Value<'v, A> {
    pub context: &'v mut Context,
    access: &'v mut A,
}

impl<'de, A: MapAccess<'de>> Value<'_, A> {
    pub fn read<R: Reader<'de>>(self, reader: R) -> Result<Option<R::Out>, A::Error> {
        self.access.next_value_seed(Read(self.context, reader))
    }
}

/// An object with the fields that the policy language gives it.
pub(crate) trait Section<'de>: Sized {
    type Out;
    const FIELDS: &'static [&'static str];

    /// Reads one of [`Section::FIELDS`]. The context stands at the field.
    fn field<A: MapAccess<'de>>(&mut self, name: &'static str, value: Value<'_, A>) -> Result<(), A::Error>;

    /// What the section means, once all its fields are read. The context stands at the section.
    fn finish(self, context: &mut Context, seen: Seen) -> Option<Self::Out>;
}

/// Reads a [`Section`].
pub(crate) struct Object<S>(pub S);

impl<'de, S: Section<'de>> Reader<'de> for Object<S> {
    type Out = S::Out;
    const EXPECTED: &'static str = "an object";

    fn object<A: MapAccess<'de>>(mut self, context: &mut Context, mut object: A) -> Result<Option<S::Out>, A::Error> {
        let mut seen = Seen { fields: S::FIELDS, bits: 0, unknown: false };
        while let Some(key) = object.next_key_seed(KeyOf(S::FIELDS))? {
            let at = match key {
                Key::Known(at) if seen.bits & Seen::bit(at) == 0 => at,
                Key::Known(at) => {
                    let name = S::FIELDS.get(at).copied().unwrap_or_default();
                    context.fault_at(context.path.clone().key(name), Place::Key, FaultKind::DuplicateField(name.to_owned()));
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
                Key::Unknown(name) => {
                    seen.unknown = true;
                    let path = context.path.clone().key(&name);
                    context.fault_at(path, Place::Key, FaultKind::UnknownField { name, known: S::FIELDS });
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            seen.bits |= Seen::bit(at);
            let name = S::FIELDS.get(at).copied().unwrap_or_default();
            context.path.push(Segment::Key(name.into()));
            let result = self.0.field(name, Value { context, access: &mut object });
            context.path.pop();
            result?;
        }
        Ok(self.0.finish(context, seen))
    }
}

enum Key {
    Known(usize),
    Unknown(String),
}

/// Finds a key among known ones without a copy of it.
struct KeyOf(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KeyOf {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyOf {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(match self.0.iter().position(|known| *known == name) {
            Some(at) => Key::Known(at),
            None => Key::Unknown(name.to_owned()),
        })
    }
}
