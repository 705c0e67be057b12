//! Objects with the fields that the policy language gives them: each field once, and no others.

use super::document::Reading;
use super::{Broken, Context, Fields, Reader};
use crate::fault::{FaultKind, Place, Segment};
use alloc::borrow::ToOwned;
use alloc::string::String;

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
pub(crate) struct Value<'v> {
    pub context: &'v mut Context,
    fields: &'v mut dyn Fields,
}

impl Value<'_> {
    pub fn read<R: Reader>(self, reader: R) -> Result<Option<R::Out>, Broken> {
        let mut reading = Reading::new(self.context, reader);
        self.fields.value(&mut reading)?;
        Ok(reading.made())
    }
}

/// An object with the fields that the policy language gives it.
pub(crate) trait Section: Sized {
    type Out;
    const FIELDS: &'static [&'static str];

    /// Reads one of [`Section::FIELDS`]. The context stands at the field.
    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken>;

    /// What the section means, once all its fields are read. The context stands at the section.
    fn finish(self, context: &mut Context, seen: Seen) -> Option<Self::Out>;
}

/// Reads a [`Section`].
pub(crate) struct Object<S>(pub S);

impl<S: Section> Reader for Object<S> {
    type Out = S::Out;
    const EXPECTED: &'static str = "an object";

    fn object(mut self, context: &mut Context, object: &mut dyn Fields) -> Result<Option<S::Out>, Broken> {
        let mut seen = Seen { fields: S::FIELDS, bits: 0, unknown: false };
        while let Some(name) = next_field(context, object, &mut seen)? {
            context.path.push(Segment::Key(name.into()));
            let result = self.0.field(name, Value { context, fields: object });
            context.path.pop();
            result?;
        }
        Ok(self.0.finish(context, seen))
    }
}

/// The next field that the section knows and has not had yet; the others before it become faults.
fn next_field(context: &mut Context, object: &mut dyn Fields, seen: &mut Seen) -> Result<Option<&'static str>, Broken> {
    loop {
        let (mut at, mut unknown) = (None, String::new());
        let more = object.next_key(&mut |name| {
            at = seen.fields.iter().position(|known| *known == name);
            if at.is_none() {
                name.clone_into(&mut unknown);
            }
        })?;
        if !more {
            return Ok(None);
        }
        let known = at.and_then(|at| Some((Seen::bit(at), *seen.fields.get(at)?)));
        let (name, kind) = match known {
            Some((bit, name)) if seen.bits & bit == 0 => {
                seen.bits |= bit;
                return Ok(Some(name));
            }
            Some((_, name)) => (name.to_owned(), FaultKind::DuplicateField(name.to_owned())),
            None => {
                seen.unknown = true;
                (unknown.clone(), FaultKind::UnknownField { name: unknown, known: seen.fields })
            }
        };
        context.fault_at(context.path.clone().key(&name), Place::Key, kind);
        object.skip_value()?;
    }
}
