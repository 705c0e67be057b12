//! Which fields of an object the document gave.

use crate::errors::nearest;

/// Which fields of a section the document gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    fields: &'static [&'static str],
    /// Bit n: field n was given.
    given: u32,
    /// Bit n: an unknown field was given whose name resembles that of field n. It has its own
    /// error, and field n is not missing as well.
    meant: u32,
}

impl Seen {
    pub(super) fn new(fields: &'static [&'static str]) -> Self {
        Self { fields, given: 0, meant: 0 }
    }

    pub(super) fn fields(&self) -> &'static [&'static str] {
        self.fields
    }

    /// The field of the language with this name, if there is one.
    pub(super) fn known(&self, field: &str) -> Option<&'static str> {
        self.fields.iter().copied().find(|name| *name == field)
    }

    /// Marks a field as given; false if it was given before.
    pub(super) fn insert(&mut self, field: &str) -> bool {
        let before = self.given;
        self.given |= self.bit(field);
        self.given != before
    }

    /// Marks the field that an unknown name resembles most, if it resembles any.
    pub(super) fn insert_unknown(&mut self, name: &str) {
        self.meant |= nearest(name, self.fields).map_or(0, |field| self.bit(field));
    }

    /// Whether a field was given, or an unknown one that may mean it.
    pub fn has_or_means(self, field: &str) -> bool {
        (self.given | self.meant) & self.bit(field) != 0
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
