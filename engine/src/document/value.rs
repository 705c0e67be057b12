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

/// The longest text in a policy, in bytes.
pub const MAX_TEXT: usize = 4096;
/// The longest name of a field that an error repeats, in bytes.
const MAX_NAME: usize = 256;

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
        self.refuse_for(context, expected, None)
    }

    /// Adds the error that a list was expected.
    fn refuse_for_list(self, context: &mut Context) -> Read {
        let instead = match &self {
            Self::Null => Some("[]".to_owned()),
            other => other.written().map(|value| format!("[{value}]")),
        };
        self.refuse_for(context, "a list", instead)
    }

    /// Adds the error that an object was expected. `bare` is the field that an author means who
    /// writes a text or a number in its place.
    pub fn refuse_for_object(
        self,
        context: &mut Context,
        expected: &'static str,
        bare: Option<&'static str>,
    ) -> Read {
        let value = bare.and_then(|field| Some((field, self.written()?)));
        let instead = value.map(|(field, value)| format!("{{ {field}: {value} }}"));
        self.refuse_for(context, expected, instead)
    }

    /// A text or a number as an author writes it.
    fn written(&self) -> Option<String> {
        match self {
            Self::Text(text) if is_plain(text) => Some((*text).to_owned()),
            Self::Text(text) if text.len() <= MAX_NAME => Some(format!("{text:?}")),
            Self::Number(Number::Integer(number)) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Adds the error that another type was expected, and what to write instead.
    fn refuse_for(
        self,
        context: &mut Context,
        expected: &'static str,
        instead: Option<String>,
    ) -> Read {
        let found = match self {
            Self::Text(text) if text.len() > MAX_NAME => {
                format!("a string of {} bytes", text.len())
            }
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
        context.error(PolicyErrorKind::WrongType { expected, found, instead });
        Ok(())
    }

    /// Gives the value, unless nothing stands behind the field: that counts as an omitted field,
    /// with a warning.
    pub fn unless_left_empty(self, context: &mut Context, field: &'static str) -> Option<Self> {
        if let Self::Null = self {
            context.warn_at_key(PolicyErrorKind::LeftEmpty(field));
            return None;
        }
        Some(self)
    }

    /// Reads a string.
    pub fn text(self, context: &mut Context) -> Read<Option<&'v str>> {
        match self {
            Self::Text(text) if text.len() > MAX_TEXT => {
                context.error(PolicyErrorKind::TextTooLong { size: text.len(), limit: MAX_TEXT });
                Ok(None)
            }
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
        let Self::List(list) = self else { return self.refuse_for_list(context).map(|()| None) };
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
        known: &'static [&'static str],
        bare: Option<&'static str>,
        field: &mut Field<'_>,
    ) -> Read<Option<Seen>> {
        let Self::Object(object) = self else {
            let expected = if known.is_empty() { "an empty object" } else { "an object" };
            return self.refuse_for_object(context, expected, bare).map(|()| None);
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
                    seen.insert_unknown(&written);
                    context.go_to(Segment::Key(written.clone().into()));
                    let (name, known) = (shortened(&written), seen.fields());
                    context.error_at_key(PolicyErrorKind::UnknownField { name, known });
                }
            }
            object.skip_value()?;
        }
        context.leave();
        Ok(Some(seen))
    }
}

/// The beginning of a name that is too long to repeat.
fn shortened(name: &str) -> String {
    match name.char_indices().find(|(at, _)| *at >= MAX_NAME) {
        Some((at, _)) => format!("{}…", name.get(..at).unwrap_or_default()),
        None => name.to_owned(),
    }
}

/// Whether a text needs no quotes, in YAML and in a list or an object of one line.
fn is_plain(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.len() <= MAX_NAME
        && text.bytes().all(is_word)
}

fn skip_fields(object: &mut dyn Fields) -> Read {
    let mut name = String::new();
    while object.next_name(&mut name)? {
        object.skip_value()?;
    }
    Ok(())
}
