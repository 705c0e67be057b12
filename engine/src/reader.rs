//! Reading a document of any serde format into the engine's own types in one pass, gathering every fault with its path
//! instead of stopping at the first. Serde's derive cannot do that, and a generic tree of 100,000 mappings would take ten
//! times their memory.
//!
//! A [`Reader`] says what it makes of each kind of value; whatever it does not expect becomes a fault, and reading goes on.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::fault::{Fault, FaultKind, Path, Place, Segment};

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

/// A string.
pub(crate) struct Text;

impl Reader<'_> for Text {
    type Out = String;
    const EXPECTED: &'static str = "a string";

    fn text(self, _: &mut Context, value: &str) -> Option<String> {
        Some(value.to_owned())
    }
}

/// A string that a function turns into something else, without a copy in between.
pub(crate) struct Parsed<F>(pub F);

impl<T, F: FnOnce(&str) -> Result<T, FaultKind>> Reader<'_> for Parsed<F> {
    type Out = T;
    const EXPECTED: &'static str = "a string";

    fn text(self, context: &mut Context, value: &str) -> Option<T> {
        let result = (self.0)(value);
        context.check(result)
    }
}

/// One word of several.
pub(crate) struct Choice<T: 'static>(pub &'static [&'static str], pub &'static [T]);

impl<T: Copy> Reader<'_> for Choice<T> {
    type Out = T;
    const EXPECTED: &'static str = "a string";

    fn text(self, context: &mut Context, value: &str) -> Option<T> {
        let choice = self.0.iter().zip(self.1).find(|(name, _)| **name == value).map(|(_, choice)| *choice);
        if choice.is_none() {
            context.fault(FaultKind::UnknownChoice { value: value.to_owned(), known: self.0 });
        }
        choice
    }
}

/// An integer.
pub(crate) struct Integer;

impl Reader<'_> for Integer {
    type Out = i128;
    const EXPECTED: &'static str = "an integer";

    fn number(self, context: &mut Context, value: Number) -> Option<i128> {
        match value {
            Number::Integer(value) => Some(value),
            Number::Float(_) => wrong_type(context, Self::EXPECTED, value.to_string()),
        }
    }
}

/// A list: a reader made for each element, and what to do with what it gave. The context stands at the element for both.
pub(crate) struct List<M, T> {
    /// What the elements are called, in the plural.
    pub what: &'static str,
    pub limit: usize,
    pub make: M,
    pub take: T,
}

impl<'de, R: Reader<'de>, M: FnMut() -> R, T: FnMut(&mut Context, R::Out)> Reader<'de> for List<M, T> {
    /// How many elements the list has, faulty ones included.
    type Out = usize;
    const EXPECTED: &'static str = "a list";

    fn list<A: SeqAccess<'de>>(mut self, context: &mut Context, mut list: A) -> Result<Option<usize>, A::Error> {
        let mut count: usize = 0;
        loop {
            if count >= self.limit {
                if list.next_element::<IgnoredAny>()?.is_some() {
                    context.fault(FaultKind::TooMany { what: self.what, limit: self.limit });
                    while list.next_element::<IgnoredAny>()?.is_some() {}
                }
                return Ok(Some(count));
            }
            context.path.push(Segment::Index(count));
            let element = list.next_element_seed(Read(context, (self.make)()))?;
            let more = element.is_some();
            if let Some(Some(value)) = element {
                (self.take)(context, value);
            }
            context.path.pop();
            if !more {
                return Ok(Some(count));
            }
            count = count.saturating_add(1);
        }
    }
}

/// An object with keys of the author's choice.
pub(crate) struct Entries<M, T> {
    /// What the entries are called, in the plural.
    pub what: &'static str,
    pub limit: usize,
    pub make: M,
    pub take: T,
}

impl<'de, R: Reader<'de>, M: FnMut() -> R, T: FnMut(&mut Context, &str, R::Out)> Reader<'de> for Entries<M, T> {
    type Out = ();
    const EXPECTED: &'static str = "an object";

    fn object<A: MapAccess<'de>>(mut self, context: &mut Context, mut object: A) -> Result<Option<()>, A::Error> {
        let mut count: usize = 0;
        while let Some(key) = object.next_key::<String>()? {
            if count >= self.limit {
                context.fault(FaultKind::TooMany { what: self.what, limit: self.limit });
                object.next_value::<IgnoredAny>()?;
                while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(Some(()));
            }
            context.path.push(Segment::Key(key.as_str().into()));
            let value = object.next_value_seed(Read(context, (self.make)()))?;
            if let Some(value) = value {
                (self.take)(context, &key, value);
            }
            context.path.pop();
            count = count.saturating_add(1);
        }
        Ok(Some(()))
    }
}

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
pub(crate) struct Value<'v, A> {
    pub context: &'v mut Context,
    access: &'v mut A,
}

impl<'de, A: MapAccess<'de>> Value<'_, A> {
    pub fn read<R: Reader<'de>>(self, reader: R) -> Result<Option<R::Out>, A::Error> {
        self.access.next_value_seed(Read(self.context, reader))
    }
}

/// An object with the fields that the policy language gives it.
pub(crate) trait Section<'de>: Sized {
    type Out;
    const FIELDS: &'static [&'static str];

    /// Reads one of [`Section::FIELDS`]. The context stands at the field.
    fn field<A: MapAccess<'de>>(&mut self, name: &'static str, value: Value<'_, A>) -> Result<(), A::Error>;

    /// What the section means, once all its fields are read. The context stands at the section.
    fn finish(self, context: &mut Context, seen: Seen) -> Option<Self::Out>;
}

/// Reads a [`Section`].
pub(crate) struct Object<S>(pub S);

impl<'de, S: Section<'de>> Reader<'de> for Object<S> {
    type Out = S::Out;
    const EXPECTED: &'static str = "an object";

    fn object<A: MapAccess<'de>>(mut self, context: &mut Context, mut object: A) -> Result<Option<S::Out>, A::Error> {
        let mut seen = Seen { fields: S::FIELDS, bits: 0, unknown: false };
        while let Some(key) = object.next_key_seed(KeyOf(S::FIELDS))? {
            let at = match key {
                Key::Known(at) if seen.bits & Seen::bit(at) == 0 => at,
                Key::Known(at) => {
                    let name = S::FIELDS.get(at).copied().unwrap_or_default();
                    context.fault_at(context.path.clone().key(name), Place::Key, FaultKind::DuplicateField(name.to_owned()));
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
                Key::Unknown(name) => {
                    seen.unknown = true;
                    let path = context.path.clone().key(&name);
                    context.fault_at(path, Place::Key, FaultKind::UnknownField { name, known: S::FIELDS });
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            seen.bits |= Seen::bit(at);
            let name = S::FIELDS.get(at).copied().unwrap_or_default();
            context.path.push(Segment::Key(name.into()));
            let result = self.0.field(name, Value { context, access: &mut object });
            context.path.pop();
            result?;
        }
        Ok(self.0.finish(context, seen))
    }
}

enum Key {
    Known(usize),
    Unknown(String),
}

/// Finds a key among known ones without a copy of it.
struct KeyOf(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KeyOf {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyOf {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(match self.0.iter().position(|known| *known == name) {
            Some(at) => Key::Known(at),
            None => Key::Unknown(name.to_owned()),
        })
    }
}
