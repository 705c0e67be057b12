//! Objects with the fields that the policy language gives them: each field once, and no others.

use super::{Broken, Context, Reader, Value};

/// Which fields of a section the document gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    fields: &'static [&'static str],
    bits: u32,
    /// A field that is not known was given too. It has its fault, and may have been meant for a
    /// missing one.
    pub unknown: bool,
}

impl Seen {
    pub(super) fn new(fields: &'static [&'static str]) -> Self {
        Self { fields, bits: 0, unknown: false }
    }

    pub(super) fn fields(&self) -> &'static [&'static str] {
        self.fields
    }

    /// Where a field stands among those that there may be.
    pub(super) fn position(&self, field: &str) -> Option<(usize, &'static str)> {
        self.fields
            .iter()
            .copied()
            .enumerate()
            .find(|(_, name)| name.len() == field.len() && *name == field)
    }

    /// The field at this position is given; false if it was before.
    pub(super) fn note(&mut self, at: usize) -> bool {
        let before = self.bits;
        self.bits |= Self::bit(at);
        self.bits != before
    }

    /// Whether every field that there may be was given.
    pub(super) fn all(self) -> bool {
        self.bits == Self::bit(self.fields.len()).wrapping_sub(1)
    }

    pub fn has(self, field: &str) -> bool {
        self.position(field).is_some_and(|(at, _)| self.bits & Self::bit(at) != 0)
    }

    /// How many of these fields were given.
    pub fn count(self, fields: &[&str]) -> usize {
        fields.iter().filter(|field| self.has(field)).count()
    }

    fn bit(at: usize) -> u32 {
        u32::try_from(at).ok().and_then(|at| 1u32.checked_shl(at)).unwrap_or(0)
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

    fn read(mut self, value: Value<'_>) -> Result<Option<S::Out>, Broken> {
        let read =
            value.fields("an object", S::FIELDS, &mut |name, value| self.0.field(name, value))?;
        Ok(read.and_then(|(context, seen)| self.0.finish(context, seen)))
    }
}
