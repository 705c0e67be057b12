//! Readers of plain values: strings, words, integers, lists, and objects with keys of the author's
//! choice.

use super::{Broken, Context, Reader, Value};
use crate::fault::FaultKind;
use alloc::borrow::ToOwned;

/// A string that a function turns into something else, without a copy in between.
pub(crate) struct Parsed<F>(pub F);

impl<T, F: FnOnce(&str) -> Result<T, FaultKind>> Reader for Parsed<F> {
    type Out = T;

    fn read(self, value: Value<'_>) -> Result<Option<T>, Broken> {
        Ok(value.text()?.and_then(|(context, text)| context.check((self.0)(text))))
    }
}

/// One word of several.
pub(crate) struct Choice<T: 'static>(pub &'static [&'static str], pub &'static [T]);

impl<T: Copy> Reader for Choice<T> {
    type Out = T;

    fn read(self, value: Value<'_>) -> Result<Option<T>, Broken> {
        let choice = choose(value, self.0)?;
        Ok(choice.and_then(|at| self.1.get(at).copied()))
    }
}

fn choose(value: Value<'_>, known: &'static [&'static str]) -> Result<Option<usize>, Broken> {
    let Some((context, text)) = value.text()? else { return Ok(None) };
    let choice = known.iter().position(|name| *name == text);
    if choice.is_none() {
        context.fault(FaultKind::UnknownChoice { value: text.to_owned(), known });
    }
    Ok(choice)
}

/// A list: a reader made for each element, and what to do with what it gave. The context stands at
/// the element for both.
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

    fn read(mut self, value: Value<'_>) -> Result<Option<usize>, Broken> {
        let read = value.elements(self.what, self.limit, &mut |Value { context, given }| {
            if let Some(out) = (self.make)().read(Value::new(context, given))? {
                (self.take)(context, out);
            }
            Ok(())
        });
        Ok(read?.map(|(_, count)| count))
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

    fn read(mut self, value: Value<'_>) -> Result<Option<()>, Broken> {
        value.entries(self.what, self.limit, &mut |key, Value { context, given }| {
            if let Some(out) = (self.make)().read(Value::new(context, given))? {
                (self.take)(context, key, out);
            }
            Ok(())
        })
    }
}
