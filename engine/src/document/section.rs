//! Objects with the fields that the policy language gives them: each field once, and no others.

use super::context::Context;
use super::seen::Seen;
use super::value::{Read, Value};

/// An object with the fields that the policy language gives it.
pub(crate) trait Section: Sized {
    type Out;
    const FIELDS: &'static [&'static str];
    /// The field that an author most likely means who writes a text or a number in place of the
    /// object.
    const BARE: Option<&'static str> = None;

    /// Reads one of [`Section::FIELDS`]. The path of the context is the field's.
    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read;

    /// Gives what the section means, once all its fields are read. The path of the context is the
    /// section's.
    fn finish(self, context: &mut Context, seen: Seen) -> Option<Self::Out>;
}

impl Value<'_> {
    /// Reads an object with the fields of a [`Section`].
    pub fn section<S: Section>(
        self,
        context: &mut Context,
        mut section: S,
    ) -> Read<Option<S::Out>> {
        let field = &mut |context: &mut Context, name, value: Value<'_>| {
            section.field(context, name, value)
        };
        let seen = self.fields(context, S::FIELDS, S::BARE, field)?;
        Ok(seen.and_then(|seen| section.finish(context, seen)))
    }
}
