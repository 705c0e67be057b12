//! Readers of plain values: strings, words, integers, lists, and objects with keys of the author's choice.

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::{Context, Number, Read, Reader, wrong_type};
use crate::fault::{FaultKind, Segment};

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
