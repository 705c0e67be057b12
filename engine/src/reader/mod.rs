//! Reading a document of any serde format into the engine's own types in one pass, gathering every fault with its path
//! instead of stopping at the first. Serde's derive cannot do that, and a generic tree would first hold a map of its own for
//! each of 100,000 mappings.
//!
//! A [`Reader`] says what it makes of each kind of value; whatever it does not expect becomes a fault, and reading goes on.

mod numbers;
mod section;
mod values;

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::fault::{Fault, FaultKind, Path, Place};

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

/// A number of a document. Integral floats are integers, because an Istio `Struct` holds doubles.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Integer(i128),
    Float(f64),
}

impl Number {
    fn of_float(value: f64) -> Self {
        // 2^53: beyond it a double no longer tells neighbouring integers apart.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "integral and within 2^53")]
            return Self::Integer(value as i128);
        }
        Self::Float(value)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "the number {value}"),
            Self::Float(value) => write!(f, "the number {value}"),
        }
    }
}

/// What to make of a value. `None` means that it was faulty, and that the fault is in the context.
pub(crate) trait Reader<'de>: Sized {
    type Out;
    /// With an article: "a string".
    const EXPECTED: &'static str;

    fn text(self, context: &mut Context, value: &str) -> Option<Self::Out> {
        wrong_type::<Self::Out>(context, Self::EXPECTED, format!("the string {value:?}"))
    }

    fn number(self, context: &mut Context, value: Number) -> Option<Self::Out> {
        wrong_type::<Self::Out>(context, Self::EXPECTED, value.to_string())
    }

    fn flag(self, context: &mut Context, value: bool) -> Option<Self::Out> {
        wrong_type::<Self::Out>(context, Self::EXPECTED, format!("`{value}`"))
    }

    fn null(self, context: &mut Context) -> Option<Self::Out> {
        wrong_type::<Self::Out>(context, Self::EXPECTED, "nothing".into())
    }

    fn list<A: SeqAccess<'de>>(self, context: &mut Context, mut list: A) -> Result<Option<Self::Out>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(wrong_type::<Self::Out>(context, Self::EXPECTED, "a list".into()))
    }

    fn object<A: MapAccess<'de>>(self, context: &mut Context, mut object: A) -> Result<Option<Self::Out>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(wrong_type::<Self::Out>(context, Self::EXPECTED, "an object".into()))
    }
}

fn wrong_type<T>(context: &mut Context, expected: &'static str, found: String) -> Option<T> {
    context.fault(FaultKind::WrongType { expected, found });
    None
}

/// Reads a value with a reader: the bridge to serde.
pub(crate) struct Read<'c, R>(pub &'c mut Context, pub R);

impl<'de, R: Reader<'de>> DeserializeSeed<'de> for Read<'_, R> {
    type Value = Option<R::Out>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: Reader<'de>> Visitor<'de> for Read<'_, R> {
    type Value = Option<R::Out>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(R::EXPECTED)
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(self.1.text(self.0, value))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(self.1.flag(self.0, value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.1.number(self.0, Number::Integer(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(self.1.number(self.0, Number::Integer(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.1.number(self.0, Number::of_float(value)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self.1.null(self.0))
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(self.1.null(self.0))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        self.1.list(self.0, list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        self.1.object(self.0, object)
    }
}
