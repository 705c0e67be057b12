//! A value and the readers' ways to look at it: one code for all of them, so that a reader itself
//! is little more than a function that is called.

use alloc::borrow::ToOwned;
use alloc::string::String;

use super::{Broken, Context, Fields, Given, Number, Reader, Scalar, Seen};
use crate::fault::{FaultKind, Place, Segment};

/// A value that is being read. The context stands at it.
pub(crate) struct Value<'v> {
    pub context: &'v mut Context,
    pub(super) given: Given<'v>,
}

impl<'v> Value<'v> {
    pub fn new<'g: 'v>(context: &'v mut Context, given: Given<'g>) -> Self {
        #[expect(clippy::needless_match, reason = "the same, of a shorter life")]
        let given = match given {
            Given::Scalar(scalar) => Given::Scalar(scalar),
            Given::List(list) => Given::List(list),
            Given::Object(object) => Given::Object(object),
        };
        Self { context, given }
    }

    /// What the reader makes of it; nothing if it is faulty.
    pub fn read<R: Reader>(self, reader: R) -> Result<Option<R::Out>, Broken> {
        reader.read(self)
    }

    /// It is not what was `expected`, with an article.
    #[cold]
    pub fn refuse(self, expected: &'static str) -> Result<(), Broken> {
        let found = match self.given {
            Given::Scalar(scalar) => {
                self.context.wrong_type(expected, scalar);
                return Ok(());
            }
            Given::List(list) => {
                while list.skip()? {}
                "a list"
            }
            Given::Object(object) => {
                object.skip_rest()?;
                "an object"
            }
        };
        self.context.fault(FaultKind::WrongType { expected, found: found.into() });
        Ok(())
    }

    /// A value that holds no others, if it is one.
    pub fn as_scalar(&self) -> Option<Scalar<'v>> {
        match self.given {
            Given::Scalar(scalar) => Some(scalar),
            Given::List(_) | Given::Object(_) => None,
        }
    }

    /// A string.
    pub fn text(self) -> Result<Option<(&'v mut Context, &'v str)>, Broken> {
        if let Given::Scalar(Scalar::Text(text)) = self.given {
            return Ok(Some((self.context, text)));
        }
        self.refuse("a string")?;
        Ok(None)
    }

    /// An integer.
    pub fn integer(self) -> Result<Option<(&'v mut Context, i64)>, Broken> {
        if let Given::Scalar(Scalar::Number(Number::Integer(integer))) = self.given {
            return Ok(Some((self.context, integer)));
        }
        self.refuse("an integer")?;
        Ok(None)
    }

    /// A list, element by element, and how many there are. The context stands at the element.
    pub fn elements(
        self,
        what: &'static str,
        limit: usize,
        each: &mut dyn FnMut(Value<'_>) -> Result<(), Broken>,
    ) -> Result<Option<(&'v mut Context, usize)>, Broken> {
        let Self { context, given } = self;
        let Given::List(list) = given else {
            Value::new(context, given).refuse("a list")?;
            return Ok(None);
        };
        let mut count = 0;
        context.path.push(Segment::Index(0));
        while count < limit && list.next(&mut |given| each(Value::new(context, given)))? {
            count = count.saturating_add(1);
            context.path.go_to(Segment::Index(count));
        }
        context.path.pop();
        if count < limit {
            return Ok(Some((context, count)));
        }
        if list.skip()? {
            context.fault(FaultKind::TooMany { what, limit });
            while list.skip()? {}
        }
        Ok(Some((context, limit)))
    }

    /// An object with keys of the author's choice. The context stands at the entry.
    pub fn entries(
        self,
        what: &'static str,
        limit: usize,
        each: &mut dyn FnMut(&str, Value<'_>) -> Result<(), Broken>,
    ) -> Result<Option<()>, Broken> {
        let Self { context, given } = self;
        let Given::Object(object) = given else {
            Value::new(context, given).refuse("an object")?;
            return Ok(None);
        };
        let (mut count, mut key): (usize, _) = (0, String::new());
        while object.next_key(&mut |name| name.clone_into(&mut key))? {
            if count >= limit {
                context.fault(FaultKind::TooMany { what, limit });
                object.skip_value()?;
                object.skip_rest()?;
                break;
            }
            context.path.push(Segment::Key(key.clone().into()));
            object.value(&mut |given| each(&key, Value::new(context, given)))?;
            context.path.pop();
            count = count.saturating_add(1);
        }
        Ok(Some(()))
    }

    /// An object with these fields, each of them once, and no others. The context stands at the
    /// field.
    pub fn fields(
        self,
        expected: &'static str,
        known: &'static [&'static str],
        each: &mut dyn FnMut(&'static str, Value<'_>) -> Result<(), Broken>,
    ) -> Result<Option<(&'v mut Context, Seen)>, Broken> {
        let Self { context, given } = self;
        let Given::Object(object) = given else {
            Value::new(context, given).refuse(expected)?;
            return Ok(None);
        };
        let mut seen = Seen::new(known);
        context.path.push(Segment::Key("".into()));
        while let Some(name) = next_field(context, object, &mut seen)? {
            object.value(&mut |given| each(name, Value::new(context, given)))?;
        }
        context.path.pop();
        Ok(Some((context, seen)))
    }
}

/// The next field that the section knows and has not had yet; the others before it become faults.
/// The context stands at the field.
fn next_field(
    context: &mut Context,
    object: &mut dyn Fields,
    seen: &mut Seen,
) -> Result<Option<&'static str>, Broken> {
    loop {
        let mut at = None;
        let more = object.next_key(&mut |name| {
            at = seen.position(name);
            if at.is_none() {
                name.clone_into(&mut context.unknown);
            }
        })?;
        if !more {
            return Ok(None);
        }
        let (name, kind) = match at {
            Some((at, name)) if seen.note(at) => {
                context.path.go_to(Segment::Key(name.into()));
                return Ok(Some(name));
            }
            Some((_, name)) => (name.to_owned(), FaultKind::DuplicateField(name.to_owned())),
            None => {
                seen.unknown = true;
                let name = context.unknown.clone();
                (name.clone(), FaultKind::UnknownField { name, known: seen.fields() })
            }
        };
        context.path.go_to(Segment::Key(name.into()));
        context.fault_at(context.path.clone(), Place::Key, kind);
        object.skip_value()?;
    }
}
