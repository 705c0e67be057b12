//! Readers of plain values: strings, words, integers, lists, and objects with keys of the author's choice.

use super::document::Reading;
use super::{Broken, Context, Elements, Fields, Number, Reader, Scalar};
use crate::fault::{FaultKind, Segment};
use alloc::borrow::ToOwned;
use alloc::string::String;

/// A string.
pub(crate) struct Text;

impl Reader for Text {
    type Out = String;
    const EXPECTED: &'static str = "a string";

    fn scalar(self, context: &mut Context, value: Scalar<'_>) -> Option<String> {
        text::<Self>(context, value).map(str::to_owned)
    }
}

fn text<'a, R: Reader>(context: &mut Context, value: Scalar<'a>) -> Option<&'a str> {
    if let Scalar::Text(text) = value {
        return Some(text);
    }
    context.wrong_type(R::EXPECTED, value);
    None
}

/// A string that a function turns into something else, without a copy in between.
pub(crate) struct Parsed<F>(pub F);

impl<T, F: FnOnce(&str) -> Result<T, FaultKind>> Reader for Parsed<F> {
    type Out = T;
    const EXPECTED: &'static str = "a string";

    fn scalar(self, context: &mut Context, value: Scalar<'_>) -> Option<T> {
        let result = (self.0)(text::<Self>(context, value)?);
        context.check(result)
    }
}

/// One word of several.
pub(crate) struct Choice<T: 'static>(pub &'static [&'static str], pub &'static [T]);

impl<T: Copy> Reader for Choice<T> {
    type Out = T;
    const EXPECTED: &'static str = "a string";

    fn scalar(self, context: &mut Context, value: Scalar<'_>) -> Option<T> {
        let value = text::<Self>(context, value)?;
        let choice = self.0.iter().zip(self.1).find(|(name, _)| **name == value).map(|(_, choice)| *choice);
        if choice.is_none() {
            context.fault(FaultKind::UnknownChoice { value: value.to_owned(), known: self.0 });
        }
        choice
    }
}

/// An integer.
pub(crate) struct Integer;

impl Reader for Integer {
    type Out = i64;
    const EXPECTED: &'static str = "an integer";

    fn scalar(self, context: &mut Context, value: Scalar<'_>) -> Option<i64> {
        if let Scalar::Number(Number::Integer(value)) = value {
            return Some(value);
        }
        context.wrong_type(Self::EXPECTED, value);
        None
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

impl<R: Reader, M: FnMut() -> R, T: FnMut(&mut Context, R::Out)> Reader for List<M, T> {
    /// How many elements the list has, faulty ones included.
    type Out = usize;
    const EXPECTED: &'static str = "a list";

    fn list(mut self, context: &mut Context, list: &mut dyn Elements) -> Result<Option<usize>, Broken> {
        let mut count: usize = 0;
        loop {
            if count >= self.limit {
                if list.skip()? {
                    context.fault(FaultKind::TooMany { what: self.what, limit: self.limit });
                    while list.skip()? {}
                }
                return Ok(Some(count));
            }
            context.path.push(Segment::Index(count));
            let mut reading = Reading::new(context, (self.make)());
            let more = list.next(&mut reading)?;
            if let Some(value) = reading.made() {
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

impl<R: Reader, M: FnMut() -> R, T: FnMut(&mut Context, &str, R::Out)> Reader for Entries<M, T> {
    type Out = ();
    const EXPECTED: &'static str = "an object";

    fn object(mut self, context: &mut Context, object: &mut dyn Fields) -> Result<Option<()>, Broken> {
        let (mut count, mut key): (usize, _) = (0, String::new());
        while object.next_key(&mut |name| name.clone_into(&mut key))? {
            if count >= self.limit {
                context.fault(FaultKind::TooMany { what: self.what, limit: self.limit });
                object.skip_value()?;
                object.skip_rest()?;
                return Ok(Some(()));
            }
            context.path.push(Segment::Key(key.clone().into()));
            let mut reading = Reading::new(context, (self.make)());
            object.value(&mut reading)?;
            if let Some(value) = reading.made() {
                (self.take)(context, &key, value);
            }
            context.path.pop();
            count = count.saturating_add(1);
        }
        Ok(Some(()))
    }
}
