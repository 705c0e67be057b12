//! Reading a document into the engine's own types in one pass, gathering every fault with its path
//! instead of stopping at the first. Serde's derive cannot do that, and a generic tree would first
//! hold a map of its own for each of 100,000 mappings.
//!
//! A [`Reader`] says what it makes of each kind of value; whatever it does not expect becomes a
//! fault, and reading goes on.

mod document;
mod json;
#[cfg(test)]
mod json_tests;
mod number;
mod section;
#[cfg(feature = "serde")]
mod serde;
mod value;
mod values;

use alloc::string::String;
use alloc::vec::Vec;

use crate::fault::{Fault, FaultKind, Path, Place, Segment};

#[cfg(feature = "serde")]
pub(crate) use self::serde::read as read_serde;
pub(crate) use document::{Broken, Elements, Fields, Given, Scalar, Take};
pub(crate) use json::read as read_json;
pub(crate) use number::Number;
pub(crate) use section::{Object, Section, Seen};
pub(crate) use value::Value;
pub(crate) use values::{Choice, Entries, List, Parsed};

/// A document with more faults than this has one cause, and nobody reads them all.
const MAX_FAULTS: usize = 1000;

/// Where reading stands, and what was wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Context {
    path: Path,
    faults: Vec<Fault>,
    dropped: usize,
    /// The field that no section knows which was read last.
    unknown: String,
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

    /// A fault of the value that is being read.
    pub fn fault(&mut self, kind: FaultKind) {
        self.fault_at(self.path.clone(), Place::Value, kind);
    }

    pub fn fault_at(&mut self, path: Path, place: Place, kind: FaultKind) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault { path, place, kind });
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// The value of a result, or nothing and its fault.
    pub fn check<T>(&mut self, result: Result<T, FaultKind>) -> Option<T> {
        result.map_err(|kind| self.fault(kind)).ok()
    }

    /// A fault of the value that is being read: `found` is not what was `expected`, with an article
    /// both.
    #[cold]
    pub fn wrong_type(&mut self, expected: &'static str, found: Scalar<'_>) {
        self.fault(FaultKind::WrongType { expected, found: found.describe() });
    }

    /// Required fields of the object that is being read: a fault for each that the document did not
    /// give. A field that was given but faulty has its own fault already.
    pub fn require(&mut self, seen: Seen, fields: &[&'static str]) {
        if seen.all() {
            return;
        }
        for field in fields.iter().filter(|field| !seen.has(field)) {
            self.fault(FaultKind::MissingField(field));
        }
    }

    /// Exactly one of some fields, of the object that is being read.
    pub fn require_one(&mut self, seen: Seen, fields: &'static [&'static str]) {
        match seen.count(fields) {
            1 => {}
            0 if seen.unknown => {}
            _ => self.fault(FaultKind::ExactlyOne(fields)),
        }
    }

    /// At least one of some fields, of the object that is being read.
    pub fn require_any(&mut self, seen: Seen, fields: &'static [&'static str]) {
        if seen.count(fields) == 0 && !seen.unknown {
            self.fault(FaultKind::AtLeastOne(fields));
        }
    }

    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    pub fn into_faults(mut self) -> Vec<Fault> {
        if self.dropped > 0 {
            self.faults.push(Fault {
                path: Path::default(),
                place: Place::Value,
                kind: FaultKind::More(self.dropped),
            });
        }
        self.faults
    }
}

/// What to make of a value. `None` means that it was faulty, and that the fault is in the context.
pub(crate) trait Reader: Sized {
    type Out;

    fn read(self, value: Value<'_>) -> Result<Option<Self::Out>, Broken>;
}
