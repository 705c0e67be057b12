//! Strings: as they stand where nothing in them is escaped, and put together where something is.

use super::{Broken, Json};

impl Json<'_> {
    /// A string, behind its opening quote.
    pub(super) fn string(&mut self) -> Result<&str, Broken> {
        let (text, start) = (self.text, self.at);
        self.plain();
        if self.peek() == Some(b'"') {
            let end = self.at;
            self.pass();
            return Ok(text.get(start..end).unwrap_or_default());
        }
        self.escaped(start)
    }

    /// Passes over whatever stands for itself in a string.
    fn plain(&mut self) {
        let text = self.text.as_bytes();
        // Most strings are longer than eight bytes.
        while let Some(word) = text.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let stops = stops(u64::from_le_bytes(*word));
            if stops != 0 {
                self.at = self.at.saturating_add((stops.trailing_zeros() >> 3) as usize);
                return;
            }
            self.at = self.at.saturating_add(8);
        }
        while self.peek().is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..b' ')) {
            self.pass();
        }
    }

    /// A string with escapes; the first one stands here.
    #[cold]
    fn escaped(&mut self, mut start: usize) -> Result<&str, Broken> {
        self.unescaped.clear();
        loop {
            self.unescaped.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.pass();
                    return Ok(&self.unescaped);
                }
                Some(b'\\') => {
                    self.pass();
                    let letter = self.escape()?;
                    self.unescaped.push(letter);
                }
                _ => return self.fail("a control character in a string, which must be escaped"),
            }
            start = self.at;
            self.plain();
        }
    }

    fn escape(&mut self) -> Result<char, Broken> {
        let letter = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.pass();
                return self.unicode();
            }
            _ => return self.fail("no such escape in a string"),
        };
        self.pass();
        Ok(letter)
    }

    /// The letter behind `\u`, which may be two escapes.
    fn unicode(&mut self) -> Result<char, Broken> {
        const LONE: &str = "half of a surrogate pair";
        let unit = self.hexadecimal()?;
        let Some(low) = unit.checked_sub(0xd800).filter(|high| *high < 0x400) else {
            return char::from_u32(unit).map_or_else(|| self.fail_before(LONE), Ok);
        };
        if !self.eat(b'\\') || !self.eat(b'u') {
            return self.fail(LONE);
        }
        let second = self.hexadecimal()?.checked_sub(0xdc00).filter(|second| *second < 0x400);
        let letter =
            second.and_then(|second| char::from_u32((low << 10 | second).saturating_add(0x1_0000)));
        letter.map_or_else(|| self.fail_before(LONE), Ok)
    }

    fn hexadecimal(&mut self) -> Result<u32, Broken> {
        let mut number = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.fail("expected four hexadecimal digits behind `\\u`");
            };
            number = number << 4 | digit;
            self.pass();
        }
        Ok(number)
    }
}

/// The highest bit of each byte that may not stand for itself in a string. Of those above the
/// lowest one some may be there in error.
#[inline(always)]
fn stops(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 0xff;
    let below = |word: u64, limit: u8| word.wrapping_sub(EACH.wrapping_mul(limit.into())) & !word;
    let equal = |byte: u8| below(word ^ EACH.wrapping_mul(byte.into()), 1);
    (below(word, b' ') | equal(b'"') | equal(b'\\')) & EACH << 7
}
