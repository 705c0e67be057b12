//! A value of a document, and the ways to read it. A value that is not what its reader expects
//! becomes an error in the context, and reading goes on with the next one.
//!
//! Lists and objects are behind `dyn`, so that each reader is compiled once, and not once for each
//! type that it can be nested in.

use super::context::Context;
use super::number::Number;
use super::seen::Seen;
use crate::errors::{PolicyErrorKind, Segment};

/// The text is not valid JSON, and reading cannot go on. `json.rs` keeps the reason.
#[derive(Debug)]
pub(crate) struct Aborted;

/// What reading a part of a document gives. Errors of the document are in the context.
pub(crate) type Read<T = ()> = Result<T, Aborted>;

/// A function that takes one value.
pub(crate) type Visitor<'v> = dyn FnMut(Value<'_>) -> Read + 'v;

/// The elements of a list.
pub(crate) trait Elements {
    /// Passes the next element to the visitor; false when there is none.
    fn next(&mut self, visitor: &mut Visitor<'_>) -> Read<bool>;

    /// Skips the remaining elements. Returns whether there were any.
    fn skip_rest(&mut self) -> Read<bool>;
}

/// The fields of an object.
pub(crate) trait Fields {
    /// Writes the next field's name into `name`; false when there is none.
    fn next_name(&mut self, name: &mut String) -> Read<bool>;

    /// Passes the value of the current field to the visitor.
    fn value(&mut self, visitor: &mut Visitor<'_>) -> Read;

    /// Skips the value of the current field.
    fn skip_value(&mut self) -> Read;
}

/// A value of a document.
pub(crate) enum Value<'v> {
    Text(&'v str),
    Number(Number),
    Bool(bool),
    Null,
    List(&'v mut dyn Elements),
    Object(&'v mut dyn Fields),
}

/// Reads one value of a list. The path of the context is the value's.
type Element<'e> = dyn FnMut(&mut Context, Value<'_>) -> Read + 'e;

/// Reads the value of a key that the author chooses. The path of the context is the value's.
type Entry<'e> = dyn FnMut(&mut Context, &str, Value<'_>) -> Read + 'e;

/// Reads a field that the section knows. The path of the context is the field's.
type Field<'f> = dyn FnMut(&mut Context, &'static str, Value<'_>) -> Read + 'f;

impl<'v> Value<'v> {
    /// Adds the error that another type was expected. `expected` names it, with an article: `a
    /// string`.
    pub fn refuse(self, context: &mut Context, expected: &'static str) -> Read {
        let found = match self {
            Self::Text(text) => format!("the string {text:?}"),
            Self::Number(Number::Integer(number)) => format!("the number {number}"),
            Self::Number(Number::Fraction) => "a number with a fraction".to_owned(),
            Self::Number(Number::Huge) => "a number of more than 15 digits".to_owned(),
            Self::Bool(value) => format!("`{value}`"),
            Self::Null => "nothing".to_owned(),
            Self::List(list) => {
                list.skip_rest()?;
                "a list".to_owned()
            }
            Self::Object(object) => {
                skip_fields(object)?;
                "an object".to_owned()
            }
        };
        context.error(PolicyErrorKind::WrongType { expected, found });
        Ok(())
    }

    /// Reads a string.
    pub fn text(self, context: &mut Context) -> Read<Option<&'v str>> {
        match self {
            Self::Text(text) => Ok(Some(text)),
            other => other.refuse(context, "a string").map(|()| None),
        }
    }

    /// Reads a string and parses it.
    pub fn parse<T>(
        self,
        context: &mut Context,
        parse: impl FnOnce(&str) -> Result<T, PolicyErrorKind>,
    ) -> Read<Option<T>> {
        let text = self.text(context)?;
        Ok(text.and_then(|text| context.check(parse(text))))
    }

    /// Reads one word of several, and gives the value at the same place in the list of values.
    pub fn choice<T: Copy>(
        self,
        context: &mut Context,
        words: &'static [&'static str],
        values: &[T],
    ) -> Read<Option<T>> {
        let choice = self.parse(context, |text| {
            let unknown =
                || PolicyErrorKind::UnknownChoice { value: text.to_owned(), known: words };
            words.iter().position(|word| *word == text).ok_or_else(unknown)
        })?;
        Ok(choice.and_then(|choice| values.get(choice).copied()))
    }

    /// Reads an integer.
    pub fn integer(self, context: &mut Context) -> Read<Option<i64>> {
        match self {
            Self::Number(Number::Integer(integer)) => Ok(Some(integer)),
            other => other.refuse(context, "an integer").map(|()| None),
        }
    }

    /// Reads a list, element by element. Gives how many there are, invalid ones included. `what`
    /// names the elements in the plural, for the error when there are too many.
    pub fn list(
        self,
        context: &mut Context,
        what: &'static str,
        limit: usize,
        element: &mut Element<'_>,
    ) -> Read<Option<usize>> {
        let Self::List(list) = self else { return self.refuse(context, "a list").map(|()| None) };
        let mut count = 0;
        context.enter(Segment::Index(0));
        while count < limit && list.next(&mut |value| element(context, value))? {
            count = count.saturating_add(1);
            context.go_to(Segment::Index(count));
        }
        context.leave();
        if count == limit && list.skip_rest()? {
            context.error(PolicyErrorKind::TooMany { what, limit });
        }
        Ok(Some(count))
    }

    /// Reads an object whose keys the author chooses. `what` names its entries in the plural, for
    /// the error when there are too many.
    pub fn entries(
        self,
        context: &mut Context,
        what: &'static str,
        limit: usize,
        entry: &mut Entry<'_>,
    ) -> Read {
        let Self::Object(object) = self else { return self.refuse(context, "an object") };
        let (mut count, mut name): (usize, _) = (0, String::new());
        while object.next_name(&mut name)? {
            if count >= limit {
                context.error(PolicyErrorKind::TooMany { what, limit });
                object.skip_value()?;
                return skip_fields(object);
            }
            context.enter(Segment::Key(name.clone().into()));
            object.value(&mut |value| entry(context, &name, value))?;
            context.leave();
            count = count.saturating_add(1);
        }
        Ok(())
    }

    /// Reads an object with these fields, each of them once, and no others.
    pub fn fields(
        self,
        context: &mut Context,
        expected: &'static str,
        known: &'static [&'static str],
        field: &mut Field<'_>,
    ) -> Read<Option<Seen>> {
        let Self::Object(object) = self else {
            return self.refuse(context, expected).map(|()| None);
        };
        let (mut seen, mut written) = (Seen::new(known), String::new());
        context.enter(Segment::Key("".into()));
        while object.next_name(&mut written)? {
            match seen.known(&written) {
                Some(name) if seen.insert(name) => {
                    context.go_to(Segment::Key(name.into()));
                    object.value(&mut |value| field(context, name, value))?;
                    continue;
                }
                Some(name) => {
                    context.go_to(Segment::Key(name.into()));
                    context.error_at_key(PolicyErrorKind::DuplicateField(name.to_owned()));
                }
                None => {
                    seen.unknown = true;
                    let (name, known) = (written.clone(), seen.fields());
                    context.go_to(Segment::Key(name.clone().into()));
                    context.error_at_key(PolicyErrorKind::UnknownField { name, known });
                }
            }
            object.skip_value()?;
        }
        context.leave();
        Ok(Some(seen))
    }
}

fn skip_fields(object: &mut dyn Fields) -> Read {
    let mut name = String::new();
    while object.next_name(&mut name)? {
        object.skip_value()?;
    }
    Ok(())
}
