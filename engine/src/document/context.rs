//! The path of the value that is being read, and the errors found so far.

use super::seen::Seen;
use crate::errors::{Path, Place, PolicyError, PolicyErrorKind, Segment};

/// The most errors that are reported one by one. More than this usually have one cause.
const MAX_ERRORS: usize = 1000;

/// The path of the value that is being read, and the errors so far.
#[derive(Debug, Default)]
pub(crate) struct Context {
    path: Path,
    errors: Vec<PolicyError>,
    /// How many errors came after the first [`MAX_ERRORS`].
    dropped: usize,
    warnings: Vec<PolicyError>,
}

impl Context {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the list's element that is being read; 0 outside of lists.
    pub fn number(&self) -> u32 {
        match self.path.segments().last() {
            Some(Segment::Index(number)) => u32::try_from(*number).unwrap_or(u32::MAX),
            _ => 0,
        }
    }

    /// Enters a member of a list or an object.
    pub(super) fn enter(&mut self, segment: Segment) {
        self.path.push(segment);
    }

    /// Moves to the next member of the list or object.
    pub(super) fn go_to(&mut self, segment: Segment) {
        self.path.replace_last(segment);
    }

    pub(super) fn leave(&mut self) {
        self.path.pop();
    }

    /// Adds an error about the value that is being read.
    pub fn error(&mut self, kind: PolicyErrorKind) {
        self.error_at(self.path.clone(), Place::Value, kind);
    }

    /// Adds an error about the name of the field that is being read.
    pub fn error_at_key(&mut self, kind: PolicyErrorKind) {
        self.error_at(self.path.clone(), Place::Key, kind);
    }

    pub fn error_at(&mut self, path: Path, place: Place, kind: PolicyErrorKind) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(PolicyError { path, place, kind });
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Adds a warning about the field that is being read. The document is accepted all the same.
    pub fn warn_at_key(&mut self, kind: PolicyErrorKind) {
        self.warnings.push(PolicyError { path: self.path.clone(), place: Place::Key, kind });
    }

    /// Adds a warning about a value.
    pub fn warn_at(&mut self, path: Path, kind: PolicyErrorKind) {
        self.warnings.push(PolicyError { path, place: Place::Value, kind });
    }

    /// Gives the value of a result, or adds its error and gives nothing.
    pub fn check<T>(&mut self, result: Result<T, PolicyErrorKind>) -> Option<T> {
        result.map_err(|kind| self.error(kind)).ok()
    }

    /// Adds an error for each of these fields that the object lacks. A field that was given with an
    /// invalid value has its own error already.
    pub fn require(&mut self, seen: Seen, fields: &[&'static str]) {
        for field in fields.iter().filter(|field| !seen.has_or_means(field)) {
            self.error(PolicyErrorKind::MissingField(field));
        }
    }

    /// Adds an error unless the object that is being read has exactly one of these fields.
    pub fn require_one(&mut self, seen: Seen, fields: &'static [&'static str]) {
        match seen.count(fields) {
            1 => {}
            0 if fields.iter().any(|field| seen.has_or_means(field)) => {}
            _ => self.error(PolicyErrorKind::ExactlyOne(fields)),
        }
    }

    /// Adds an error unless the object that is being read has at least one of these fields.
    pub fn require_any(&mut self, seen: Seen, fields: &'static [&'static str]) {
        if !fields.iter().any(|field| seen.has_or_means(field)) {
            self.error(PolicyErrorKind::AtLeastOne(fields));
        }
    }

    /// Ends the reading: gives the warnings, or every error if there is one.
    pub fn finish(mut self) -> Result<Vec<PolicyError>, Vec<PolicyError>> {
        if self.dropped > 0 {
            let kind = PolicyErrorKind::More(self.dropped);
            self.errors.push(PolicyError { path: Path::default(), place: Place::Value, kind });
        }
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(self.errors) }
    }
}
