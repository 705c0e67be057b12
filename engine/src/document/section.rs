//! Objects with the fields that the policy language gives them: each field once, and no others.

use super::context::Context;
use super::value::{Aborted, Value};

/// An object with the fields that the policy language gives it.
pub(crate) trait Section: Sized {
    type Out;
    const FIELDS: &'static [&'static str];

    /// Reads one of [`Section::FIELDS`]. The context stands at the field.
    fn field(
        &mut self,
        context: &mut Context,
        name: &'static str,
        value: Value<'_>,
    ) -> Result<(), Aborted>;

    /// What the section means, once all its fields are read. The context stands at the section.
    fn finish(self, context: &mut Context, seen: Seen) -> Option<Self::Out>;
}

/// Which fields of a section the document gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    fields: &'static [&'static str],
    /// Bit n: field n was given.
    given: u32,
    /// A field that is not known was given, too. It has its own error, and may have been meant for
    /// a missing one.
    pub unknown: bool,
}

impl Seen {
    pub(super) fn new(fields: &'static [&'static str]) -> Self {
        Self { fields, given: 0, unknown: false }
    }

    pub(super) fn fields(&self) -> &'static [&'static str] {
        self.fields
    }

    /// The name as the language has it, if it does.
    pub(super) fn known(&self, field: &str) -> Option<&'static str> {
        self.fields.iter().copied().find(|name| *name == field)
    }

    /// Notes that a field is given; false if it was given before.
    pub(super) fn insert(&mut self, field: &str) -> bool {
        let before = self.given;
        self.given |= self.bit(field);
        self.given != before
    }

    pub fn has(self, field: &str) -> bool {
        self.given & self.bit(field) != 0
    }

    /// How many of these fields were given.
    pub fn count(self, fields: &[&str]) -> usize {
        fields.iter().filter(|field| self.has(field)).count()
    }

    fn bit(&self, field: &str) -> u32 {
        let position = self.fields.iter().position(|name| *name == field);
        position.and_then(|position| 1u32.checked_shl(position as u32)).unwrap_or(0)
    }
}
