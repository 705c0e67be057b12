//! Which fields of an object the document gave.

/// Which fields of a section the document gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    fields: &'static [&'static str],
    /// Bit n: field n was given.
    given: u32,
    /// An unknown field was given, too. It has its own error, and it may be a misspelling of a
    /// field that is missing.
    pub unknown: bool,
}

impl Seen {
    pub(super) fn new(fields: &'static [&'static str]) -> Self {
        Self { fields, given: 0, unknown: false }
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
