//! Reading a document of any serde format into the engine's own types in one pass, gathering every fault with its path
//! instead of stopping at the first. Serde's derive cannot do that, and a generic tree would first hold a map of its own for
//! each of 100,000 mappings.
//!
//! A [`Reader`] says what it makes of each kind of value; whatever it does not expect becomes a fault, and reading goes on.

mod document;
mod numbers;
mod section;
mod values;

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

use crate::fault::{Fault, FaultKind, Path, Place};

pub(crate) use document::{Broken, Elements, Fields, Scalar, read};
pub(crate) use numbers::Numbers;
pub(crate) use section::{Object, Section, Seen, Value};
pub(crate) use values::{Choice, Entries, Integer, List, Parsed, Text};

/// A document with more faults than this has one cause, and nobody reads them all.
const MAX_FAULTS: usize = 1000;

/// Where reading stands, and what was wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Context {
    path: Path,
    faults: Vec<Fault>,
    dropped: usize,
}

impl Context {
    pub fn path(&self) -> &Path {
        &self.path
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

    /// A fault of the value that is being read: `found` is not what was `expected`, with an article both.
    #[cold]
    pub fn wrong_type(&mut self, expected: &'static str, found: Scalar<'_>) {
        self.fault(FaultKind::WrongType { expected, found: found.to_string() });
    }

    #[cold]
    fn refuse_list(&mut self, expected: &'static str, list: &mut dyn Elements) -> Result<(), Broken> {
        while list.skip()? {}
        self.fault(FaultKind::WrongType { expected, found: "a list".into() });
        Ok(())
    }

    #[cold]
    fn refuse_object(&mut self, expected: &'static str, object: &mut dyn Fields) -> Result<(), Broken> {
        object.skip_rest()?;
        self.fault(FaultKind::WrongType { expected, found: "an object".into() });
        Ok(())
    }

    /// Required fields of the object that is being read: a fault for each that the document did not give. A field that was
    /// given but faulty has its own fault already.
    pub fn require(&mut self, seen: Seen, fields: &[&'static str]) {
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
            self.faults.push(Fault { path: Path::default(), place: Place::Value, kind: FaultKind::More(self.dropped) });
        }
        self.faults
    }
}

/// A number of a document. Integral floats are integers, because an Istio `Struct` holds doubles. No other number means
/// anything to a policy, so it is not kept: writing a float in decimal takes 20 KB of code.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Integer(i64),
    /// A number with a fraction.
    Fraction,
    /// A number whose value a double does not hold exactly, or that an `i64` does not hold.
    Huge,
}

impl Number {
    fn of_float(value: f64) -> Self {
        // 2^53: beyond it a double no longer tells neighbouring integers apart.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.abs() > EXACT || value.is_nan() {
            return Self::Huge;
        }
        #[expect(clippy::cast_possible_truncation, reason = "within 2^53")]
        let integer = value as i64;
        #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "exact within 2^53")]
        if integer as f64 == value { Self::Integer(integer) } else { Self::Fraction }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "the number {value}"),
            Self::Fraction => f.write_str("a number with a fraction"),
            Self::Huge => f.write_str("a number of more than 15 digits"),
        }
    }
}

/// What to make of a value. `None` means that it was faulty, and that the fault is in the context.
pub(crate) trait Reader: Sized {
    type Out;
    /// With an article: "a string".
    const EXPECTED: &'static str;

    fn scalar(self, context: &mut Context, value: Scalar<'_>) -> Option<Self::Out> {
        context.wrong_type(Self::EXPECTED, value);
        None
    }

    fn list(self, context: &mut Context, list: &mut dyn Elements) -> Result<Option<Self::Out>, Broken> {
        context.refuse_list(Self::EXPECTED, list)?;
        Ok(None)
    }

    fn object(self, context: &mut Context, object: &mut dyn Fields) -> Result<Option<Self::Out>, Broken> {
        context.refuse_object(Self::EXPECTED, object)?;
        Ok(None)
    }
}
