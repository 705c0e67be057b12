//! JSON (RFC 8259), read as it stands in the text: a string without escapes is lent and not copied,
//! and nothing is built. It takes what `serde_json` takes, and tells the same lines and columns;
//! `json_tests.rs` says where the two differ.

mod string;

use alloc::string::String;
use core::str;

use super::number::Decimal;
use super::{Broken, Elements, Fields, Given, Number, Scalar, Take};
use crate::plain::decimal;

/// How deep lists and objects may be nested: a level takes a few hundred bytes of stack.
const MAX_DEPTH: u32 = 127;

const ENDED: &str = "the document ends early";
const NUMBER: &str = "no valid number";

/// A document that is being read.
pub(crate) struct Json<'d> {
    text: &'d str,
    /// Behind the text stands a byte that is none of UTF-8's.
    cut: bool,
    at: usize,
    depth: u32,
    /// The string that was read last, if it had escapes.
    unescaped: String,
    /// What is wrong, and at which byte.
    error: Option<(&'static str, usize)>,
}

/// Reads a whole document, or says what is wrong with its text: the line counted from 1, the column
/// in bytes from 1.
pub(crate) fn read(document: &[u8], take: &mut Take<'_>) -> Result<(), String> {
    let text = str::from_utf8(document);
    let whole = text.as_ref().map_or_else(str::Utf8Error::valid_up_to, |text| text.len());
    let start = document.get(..whole).and_then(|start| str::from_utf8(start).ok());
    let text = text.ok().or(start).unwrap_or_default();
    let mut json = Json {
        text,
        cut: whole < document.len(),
        at: 0,
        depth: 0,
        unescaped: String::new(),
        error: None,
    };
    json.value(take).and_then(|()| json.end()).map_err(|Broken| json.message())
}

/// What a value begins with.
enum Begun<'t> {
    Scalar(Scalar<'t>),
    List,
    Object,
}

impl<'d> Json<'d> {
    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline(always)]
    fn pass(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at = self.at.saturating_add(found.into());
        found
    }

    /// The first byte behind white space. What machines write has none.
    #[inline(always)]
    fn ink(&mut self) -> Option<u8> {
        match self.peek() {
            Some(byte) if byte > b' ' => Some(byte),
            _ => self.behind_space(),
        }
    }

    fn behind_space(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.pass(),
                other => return other,
            }
        }
    }

    /// Gives up: this is wrong with the byte that would be read next.
    #[cold]
    fn fail<T>(&mut self, what: &'static str) -> Result<T, Broken> {
        let ended = self.at >= self.text.len();
        let what = match (ended, self.cut) {
            (false, _) => what,
            (true, false) => ENDED,
            (true, true) => "a byte that is no UTF-8",
        };
        self.error = Some((what, self.at));
        Err(Broken)
    }

    /// As [`fail`](Self::fail), of the byte that was read last.
    #[cold]
    fn fail_before<T>(&mut self, what: &'static str) -> Result<T, Broken> {
        self.at = self.at.saturating_sub(1);
        self.fail(what)
    }

    fn message(&self) -> String {
        let (what, at) = self.error.unwrap_or((ENDED, self.text.len()));
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let start =
            before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end.saturating_add(1));
        let line = before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        // Where the text ends, its last byte is named.
        let ended = at >= self.text.len() && !self.cut;
        let column = at.saturating_sub(start).saturating_add((!ended).into()).max(1);
        [what, " at line ", &decimal(line as u64), " column ", &decimal(column as u64)].concat()
    }

    /// Nothing may stand behind the document.
    fn end(&mut self) -> Result<(), Broken> {
        match self.ink() {
            None if !self.cut => Ok(()),
            _ => self.fail("something stands behind the document's end"),
        }
    }

    fn value(&mut self, take: &mut Take<'_>) -> Result<(), Broken> {
        let is_object = match self.begin()? {
            Begun::Scalar(scalar) => return take(Given::Scalar(scalar)),
            Begun::List => false,
            Begun::Object => true,
        };
        let mut members = Members { json: self, is_object, first: true, done: false };
        if is_object {
            take(Given::Object(&mut members))?;
            // Whatever its reader did not ask for.
            return members.skip_rest();
        }
        take(Given::List(&mut members))?;
        while members.skip()? {}
        Ok(())
    }

    /// Reads a scalar, or the bracket of a list or an object.
    fn begin(&mut self) -> Result<Begun<'_>, Broken> {
        let scalar = match self.ink() {
            Some(b'"') => {
                self.pass();
                Scalar::Text(self.string()?)
            }
            Some(b'{') => return self.enter(Begun::Object),
            Some(b'[') => return self.enter(Begun::List),
            Some(b'-' | b'0'..=b'9') => Scalar::Number(self.number()?),
            Some(b't') => self.word("true", Scalar::Flag(true))?,
            Some(b'f') => self.word("false", Scalar::Flag(false))?,
            Some(b'n') => self.word("null", Scalar::Null)?,
            _ => return self.fail("no JSON value begins so"),
        };
        Ok(Begun::Scalar(scalar))
    }

    fn enter(&mut self, begun: Begun<'static>) -> Result<Begun<'static>, Broken> {
        if self.depth >= MAX_DEPTH {
            return self.fail("lists and objects are nested too deeply");
        }
        self.depth = self.depth.saturating_add(1);
        self.pass();
        Ok(begun)
    }

    fn word(&mut self, word: &str, scalar: Scalar<'static>) -> Result<Scalar<'static>, Broken> {
        for byte in word.bytes() {
            if !self.eat(byte) {
                return self.fail("no JSON value begins so");
            }
        }
        Ok(scalar)
    }

    /// Whether a list or an object goes on: passes over the comma before the next member, or over
    /// the closing bracket.
    fn goes_on(&mut self, is_object: bool, first: bool) -> Result<bool, Broken> {
        let close = if is_object { b'}' } else { b']' };
        match self.ink() {
            Some(byte) if byte == close => {
                self.pass();
                self.depth = self.depth.saturating_sub(1);
                Ok(false)
            }
            Some(b',') if !first => {
                self.pass();
                match self.ink() {
                    Some(byte) if byte == close => {
                        self.fail("a comma before the end of a list or an object")
                    }
                    _ => Ok(true),
                }
            }
            Some(_) if first => Ok(true),
            _ if is_object => self.fail("expected `,` or `}`"),
            _ => self.fail("expected `,` or `]`"),
        }
    }

    fn key(&mut self) -> Result<&str, Broken> {
        if self.ink() != Some(b'"') {
            return self.fail("expected a field's name in double quotes");
        }
        self.pass();
        self.string()
    }

    fn colon(&mut self) -> Result<(), Broken> {
        if self.ink() != Some(b':') {
            return self.fail("expected `:` behind the field's name");
        }
        self.pass();
        Ok(())
    }

    fn number(&mut self) -> Result<Number, Broken> {
        let mut decimal = Decimal::default();
        let negative = self.eat(b'-');
        if self.eat(b'0') {
            if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return self.fail(NUMBER);
            }
        } else {
            self.digits(&mut |digit| decimal.push(digit))?;
        }
        if self.eat(b'.') {
            decimal.is_float = true;
            self.digits(&mut |digit| {
                decimal.push(digit);
                decimal.shift(-1);
            })?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            decimal.is_float = true;
            let back = self.eat(b'-');
            let _ = back || self.eat(b'+');
            let mut exponent = 0_i64;
            self.digits(&mut |digit| {
                exponent = exponent.saturating_mul(10).saturating_add(digit.into())
            })?;
            decimal.shift(if back { exponent.saturating_neg() } else { exponent });
        }
        Ok(decimal.number(negative))
    }

    /// One digit or more.
    fn digits(&mut self, take: &mut dyn FnMut(u8)) -> Result<(), Broken> {
        let start = self.at;
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            take(byte & 0xf);
            self.pass();
        }
        if self.at == start { self.fail(NUMBER) } else { Ok(()) }
    }
}

/// The members of a list or an object.
struct Members<'j, 'd> {
    json: &'j mut Json<'d>,
    is_object: bool,
    first: bool,
    done: bool,
}

impl Members<'_, '_> {
    /// Stands before the next value; `take` gets its name, if it has one.
    fn next_member(&mut self, take: &mut dyn FnMut(&str)) -> Result<bool, Broken> {
        if self.done {
            return Ok(false);
        }
        self.done = !self.json.goes_on(self.is_object, self.first)?;
        self.first = false;
        if self.is_object && !self.done {
            take(self.json.key()?);
        }
        Ok(!self.done)
    }
}

impl Elements for Members<'_, '_> {
    fn next(&mut self, take: &mut Take<'_>) -> Result<bool, Broken> {
        let more = self.next_member(&mut |_| {})?;
        if more {
            self.json.value(take)?;
        }
        Ok(more)
    }

    /// What is passed over is judged as strictly as if it were read.
    fn skip(&mut self) -> Result<bool, Broken> {
        self.next(&mut |_| Ok(()))
    }
}

impl Fields for Members<'_, '_> {
    fn next_key(&mut self, take: &mut dyn FnMut(&str)) -> Result<bool, Broken> {
        self.next_member(take)
    }

    fn value(&mut self, take: &mut Take<'_>) -> Result<(), Broken> {
        self.json.colon()?;
        self.json.value(take)
    }

    fn skip_value(&mut self) -> Result<(), Broken> {
        self.value(&mut |_| Ok(()))
    }
}
